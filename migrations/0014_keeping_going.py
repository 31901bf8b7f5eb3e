"""Begin of plans, times of progress, review cards, share links, the trash.

New columns may be null, so that the version before can write meanwhile. That version does not know
the trash, and shows its roadmaps.
"""

from typing import Any

import peewee

COLUMNS: dict[
    str, dict[str, peewee.Field]
] = {  # in the order in which workers of the version before lock them
    "concept": {"progress_at": peewee.DateTimeField(null=True)},
    "roadmap": {
        "begins_on": peewee.DateField(null=True),
        "trashed_at": peewee.DateTimeField(null=True),
    },
}
INDEXES = {
    "roadmap_trashed_at": "trashed_at",
    "roadmap_owner_id_trashed_at_id": "owner_id, trashed_at, id",
}  # of the trash alone


def up(migrator: Any, db: peewee.Database) -> None:
    for table, fields in COLUMNS.items():
        migrator.migrate(
            *(migrator.add_column(table, name, field) for name, field in fields.items())
        )
    for name, columns in INDEXES.items():
        db.execute_sql(f"CREATE INDEX {name} ON roadmap ({columns}) WHERE trashed_at IS NOT NULL")

    class Table(db.Model):
        id = peewee.UUIDField(primary_key=True)

        class Meta:
            legacy_table_names = False

    class Account(Table):
        pass

    class Roadmap(Table):
        pass

    class Concept(Table):
        pass

    class ReviewCard(Table):
        owner = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
        roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
        concept = peewee.ForeignKeyField(Concept, on_delete="CASCADE", index=False)
        question = peewee.CharField(max_length=64)
        version = peewee.IntegerField()
        number = peewee.IntegerField()
        state = peewee.SmallIntegerField()
        step = peewee.SmallIntegerField(null=True)
        stability = peewee.DoubleField(null=True)
        difficulty = peewee.DoubleField(null=True)
        due_at = peewee.DateTimeField()
        reviewed_at = peewee.DateTimeField(null=True)
        reviews = peewee.IntegerField()
        lapses = peewee.IntegerField()
        created_at = peewee.DateTimeField()

        class Meta:
            indexes = ((("concept", "question"), True), (("owner", "due_at"), False))

    class SecretLink(Table):
        roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
        purpose = peewee.CharField(max_length=10)
        created_at = peewee.DateTimeField()
        expires_at = peewee.DateTimeField(null=True)

    db.create_tables([ReviewCard, SecretLink])
