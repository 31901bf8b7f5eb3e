"""Link checks: URLs of resources with their state, uses, and the version noted.

The new column may be null, so that the version before can write meanwhile.
"""

from typing import Any

import peewee

# Its condition is the same, word for word, in models/roadmaps.py: UNNOTED
UNNOTED = "content_links_unnoted"


def up(migrator: Any, db: peewee.Database) -> None:
    migrator.migrate(migrator.add_column("content", "links_noted", peewee.IntegerField(null=True)))
    of = "kind = 'resources' AND version > 0 AND (links_noted IS NULL OR links_noted <> version)"
    db.execute_sql(f"CREATE INDEX {UNNOTED} ON content (id) WHERE {of}")

    class Content(db.Model):
        id = peewee.UUIDField(primary_key=True)

    class CheckedLink(db.Model):
        digest = peewee.CharField(max_length=64, primary_key=True)
        url = peewee.TextField()
        state = peewee.CharField(max_length=10)
        status = peewee.IntegerField(null=True)
        reason = peewee.CharField(max_length=300)
        failures = peewee.IntegerField()
        checked_at = peewee.DateTimeField(null=True)
        due_at = peewee.DateTimeField(index=True)

        class Meta:
            legacy_table_names = False

    class LinkUse(db.Model):
        content = peewee.ForeignKeyField(Content, on_delete="CASCADE", index=False)
        link = peewee.ForeignKeyField(CheckedLink, on_delete="CASCADE")
        replaced_at = peewee.DateTimeField(null=True)

        class Meta:
            legacy_table_names = False
            primary_key = peewee.CompositeKey("content", "link")

    db.create_tables([CheckedLink, LinkUse])
