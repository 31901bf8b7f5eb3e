"""First schema: accounts, roadmaps with contents and events, the execution log.

A frozen copy of the tables: it imports nothing of the application and is never changed.
"""

from typing import Any

import peewee


class Table(peewee.Model):
    class Meta:
        legacy_table_names = False


class Identified(Table):
    id = peewee.UUIDField(primary_key=True)


class Account(Identified):
    email = peewee.CharField(max_length=254, unique=True)
    name = peewee.CharField(max_length=100)
    password_hash = peewee.CharField(max_length=200)
    created_at = peewee.DateTimeField()


class Roadmap(Identified):
    owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
    goal = peewee.TextField()
    level = peewee.CharField(max_length=20)
    hours_per_week = peewee.IntegerField()
    deadline = peewee.DateField(null=True)
    background = peewee.TextField()
    motivation = peewee.TextField()
    preferences = peewee.TextField()
    language = peewee.CharField(max_length=35)
    title = peewee.CharField(max_length=200)
    generator = peewee.CharField(max_length=100)
    weeks = peewee.IntegerField()
    hours = peewee.IntegerField()
    status = peewee.CharField(max_length=20)
    error = peewee.TextField()
    attempts = peewee.IntegerField()
    lease_token = peewee.UUIDField(null=True)
    lease_until = peewee.DateTimeField(null=True)
    due_at = peewee.DateTimeField()
    contents_total = peewee.IntegerField()
    contents_ready = peewee.IntegerField()
    contents_failed = peewee.IntegerField()
    last_seq = peewee.IntegerField()
    created_at = peewee.DateTimeField()
    updated_at = peewee.DateTimeField()
    finished_at = peewee.DateTimeField(null=True)

    class Meta:
        indexes = ((("owner", "id"), False), (("status", "due_at"), False))


class Stage(Identified):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    position = peewee.IntegerField()
    title = peewee.CharField(max_length=200)
    description = peewee.TextField()


class Module(Identified):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    stage = peewee.ForeignKeyField(Stage, on_delete="CASCADE")
    position = peewee.IntegerField()
    title = peewee.CharField(max_length=200)
    description = peewee.TextField()


class Concept(Identified):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    module = peewee.ForeignKeyField(Module, on_delete="CASCADE")
    key = peewee.CharField(max_length=200)
    position = peewee.IntegerField()
    week = peewee.IntegerField()
    title = peewee.CharField(max_length=200)
    description = peewee.TextField()
    hours = peewee.IntegerField()
    difficulty = peewee.IntegerField()
    prerequisites = peewee.JSONField()
    outcomes = peewee.JSONField()
    progress = peewee.CharField(max_length=10)

    class Meta:
        indexes = ((("roadmap", "key"), True),)


class Content(Identified):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    concept = peewee.ForeignKeyField(Concept, on_delete="CASCADE", index=False)
    kind = peewee.CharField(max_length=10)
    status = peewee.CharField(max_length=10)
    version = peewee.IntegerField()
    error = peewee.TextField()
    attempts = peewee.IntegerField()
    lease_token = peewee.UUIDField(null=True)
    lease_until = peewee.DateTimeField(null=True)
    due_at = peewee.DateTimeField()

    class Meta:
        indexes = ((("concept", "kind"), True), (("status", "due_at"), False))


class ContentVersion(Table):
    content = peewee.ForeignKeyField(Content, on_delete="CASCADE", index=False)
    version = peewee.IntegerField()
    body = peewee.JSONField()
    generator = peewee.CharField(max_length=100)
    prompt_version = peewee.CharField(max_length=40)
    created_at = peewee.DateTimeField()

    class Meta:
        primary_key = peewee.CompositeKey("content", "version")


class RoadmapEvent(Table):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE", index=False)
    seq = peewee.IntegerField()
    type = peewee.CharField(max_length=40)
    data = peewee.JSONField()
    at = peewee.DateTimeField()

    class Meta:
        primary_key = peewee.CompositeKey("roadmap", "seq")


class ExecutionLog(Identified):
    at = peewee.DateTimeField()
    level = peewee.CharField(max_length=10)
    category = peewee.CharField(max_length=40)
    step = peewee.CharField(max_length=80)
    message = peewee.TextField()
    details = peewee.JSONField(null=True)
    duration_ms = peewee.IntegerField(null=True)
    roadmap_id = peewee.UUIDField(null=True)
    concept_id = peewee.UUIDField(null=True)

    class Meta:
        indexes = ((("roadmap_id", "id"), False),)


TABLES = (
    Account,
    Roadmap,
    Stage,
    Module,
    Concept,
    Content,
    ContentVersion,
    RoadmapEvent,
    ExecutionLog,
)


def up(migrator: Any, db: peewee.Database) -> None:
    db.bind(TABLES)
    db.create_tables(TABLES)
