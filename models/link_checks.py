"""The addresses that resources name, each once however many roadmaps name it, and who names them."""

from types import SimpleNamespace

import peewee

from models.base import Table, UtcDateTimeField
from models.roadmaps import Content


class CheckedLink(Table):
    """One address, and what was found there. It belongs to nobody: who may see it sees the resource that names it."""

    digest = peewee.CharField(
        max_length=64, primary_key=True
    )  # SHA-256 of the address, in hexadecimal
    url = peewee.TextField()
    state = peewee.CharField(max_length=10)
    status = peewee.IntegerField(null=True)  # of the last answer; null: none came
    reason = peewee.CharField(
        max_length=300, default=""
    )  # why it is not alive, as a sentence goes on
    failures = peewee.IntegerField(default=0)  # in a row, without an answer that tells
    checked_at = UtcDateTimeField(null=True)
    due_at = UtcDateTimeField(index=True)  # when it should be looked at next


class LinkUse(Table):
    """A part that names an address in its current version."""

    content = peewee.ForeignKeyField(Content, on_delete="CASCADE", index=False)
    link = peewee.ForeignKeyField(CheckedLink, on_delete="CASCADE")
    replaced_at = UtcDateTimeField(
        null=True
    )  # when another was asked for in its place, whatever came of it

    Meta = SimpleNamespace(
        primary_key=peewee.CompositeKey("content", "link"),
    )
