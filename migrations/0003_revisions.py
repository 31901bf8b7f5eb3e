"""Revisions of the plan, review, versions by instruction, costs of model calls.

New columns have a default in the database, so that the version before can write meanwhile.
"""

from typing import Any

import peewee

EMPTY = [peewee.SQL("DEFAULT ''")]
ZERO = [peewee.SQL("DEFAULT 0")]
NO = [peewee.SQL("DEFAULT FALSE")]


# In the order in which workers of the version before lock the tables
COLUMNS: dict[str, dict[str, peewee.Field]] = {
    **{
        name: {
            "removed": peewee.BooleanField(default=False, constraints=NO),
            "key": peewee.CharField(max_length=200, default="", constraints=EMPTY),
        }
        for name in ("stage", "module")
    },
    "concept": {"removed": peewee.BooleanField(default=False, constraints=NO)},
    "content": {"instruction": peewee.TextField(default="", constraints=EMPTY)},
    "content_version": {
        "instruction": peewee.TextField(default="", constraints=EMPTY),
        "subject": peewee.CharField(max_length=64, default="", constraints=EMPTY),
    },
    "roadmap": {
        "resource_language": peewee.CharField(max_length=35, null=True),
        "review": peewee.BooleanField(default=False, constraints=NO),
        "approved": peewee.BooleanField(default=False, constraints=NO),
        "analysis": peewee.JSONField(null=True),
        "revision": peewee.IntegerField(default=0, constraints=ZERO),
        "spent": peewee.BigIntegerField(default=0, constraints=ZERO),
        "over_budget": peewee.BooleanField(default=False, constraints=NO),
    },
}


class Roadmap(peewee.Model):
    id = peewee.UUIDField(primary_key=True)


class Revision(peewee.Model):
    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE", index=False)
    number = peewee.IntegerField()
    source = peewee.CharField(max_length=10)
    base = peewee.IntegerField()
    instruction = peewee.TextField()
    before = peewee.CharField(max_length=20)
    status = peewee.CharField(max_length=10)
    outline = peewee.JSONField(null=True)
    problems = peewee.JSONField()
    rounds = peewee.IntegerField()
    error = peewee.TextField()
    generator = peewee.CharField(max_length=100)
    prompt_version = peewee.CharField(max_length=40)
    created_at = peewee.DateTimeField()
    finished_at = peewee.DateTimeField(null=True)

    class Meta:
        primary_key = peewee.CompositeKey("roadmap", "number")


class ModelCall(peewee.Model):
    id = peewee.UUIDField(primary_key=True)
    owner_id = peewee.UUIDField()
    roadmap_id = peewee.UUIDField()
    concept_id = peewee.UUIDField(null=True)
    content_id = peewee.UUIDField(null=True)
    step = peewee.CharField(max_length=20)
    model = peewee.CharField(max_length=200)
    prompt_version = peewee.CharField(max_length=40)
    attempt = peewee.IntegerField()
    outcome = peewee.CharField(max_length=10)
    reason = peewee.TextField()
    reserved = peewee.BigIntegerField()
    price = peewee.BigIntegerField()
    prompt_tokens = peewee.IntegerField(null=True)
    completion_tokens = peewee.IntegerField(null=True)
    ms = peewee.IntegerField(null=True)
    started_at = peewee.DateTimeField()

    class Meta:
        legacy_table_names = False
        indexes = ((("roadmap_id", "id"), False), (("model", "step", "id"), False))


class Spending(peewee.Model):
    owner_id = peewee.UUIDField()
    month = peewee.CharField(max_length=7)
    amount = peewee.BigIntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("owner_id", "month")


TABLES = (Revision, ModelCall, Spending)


def up(migrator: Any, db: peewee.Database) -> None:
    for table, fields in COLUMNS.items():
        migrator.migrate(
            *(migrator.add_column(table, name, field) for name, field in fields.items())
        )
    db.bind(TABLES)
    db.create_tables(TABLES)
