"""Link checks: resource URLs, each once, and the contents that name them."""

import peewee

from models.base import Table, UtcDateTimeField
from models.roadmaps import Content

# Contents whose current version has URLs that are not registered yet; an index of migration 0016.
UNNOTED = peewee.SQL(
    "kind = 'resources' AND version > 0 AND (links_noted IS NULL OR links_noted <> version)"
)


class CheckedLink(Table):
    """Resource URL with the result of its check. It has no owner: its resources have."""

    # SHA-256 of the URL, in hexadecimal
    digest = peewee.CharField(max_length=64, primary_key=True)
    url = peewee.TextField()
    state = peewee.CharField(max_length=10)
    status = peewee.IntegerField(null=True)  # of the last answer; null: none came
    # Why it is not alive, as the rest of a sentence
    reason = peewee.CharField(max_length=300, default="")
    failures = peewee.IntegerField(default=0)  # in a row, without a conclusive answer
    checked_at = UtcDateTimeField(null=True)
    due_at = UtcDateTimeField(index=True)  # of the next check


class LinkUse(Table):
    """Content that names a URL in its current version."""

    content = peewee.ForeignKeyField(Content, on_delete="CASCADE", index=False)
    link = peewee.ForeignKeyField(CheckedLink, on_delete="CASCADE")
    # When a replacement was requested, whatever the result
    replaced_at = UtcDateTimeField(null=True)

    class Meta:
        primary_key = peewee.CompositeKey("content", "link")
