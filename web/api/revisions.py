"""Revisions of the plan, versions of contents, and the cost receipt."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from roadmap.budget import cost_report
from roadmap.lifecycle import content_versions, revisions
from roadmap.lifecycle.content_versions import VersionDetail, VersionDiff, Versions
from roadmap.lifecycle.revisions import Diff, RevisionDetail, Revisions
from roadmap.lifecycle.timeline.timeline import Trace, trace_of
from roadmap.plan.outline import ContentKind
from web.call import Call
from web.http.pagination import paged
from web.http.responses import Reply


class DiffQuery(BaseModel, extra="forbid"):
    before: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None,
        description="The revision to compare with; without it, the one from which this was made.",
    )


class VersionDiffQuery(BaseModel, extra="forbid"):
    before: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="The version to compare with; without it, the one before."
    )


def list_revisions(call: Call) -> Revisions:
    """Every plan that it has had, the newest first."""
    return revisions.list_revisions(call.owner, call.ids["roadmap_id"])


def read_revision(call: Call) -> RevisionDetail:
    """With its outline, once there is one."""
    return revisions.read_revision(call.owner, call.ids["roadmap_id"], call.ids["number"])


def compare_revisions(call: Call) -> Diff:
    """Changes of this revision, in words and as data."""
    return revisions.compare(
        call.owner, call.ids["roadmap_id"], call.ids["number"], call.query.before
    )


def list_versions(call: Call) -> Versions:
    """The newest first."""
    return content_versions.list_versions(*_part(call))


def read_version(call: Call) -> VersionDetail:
    """As it was written; a quiz without its answers."""
    return content_versions.read_version(*_part(call), call.ids["number"])


def compare_versions(call: Call) -> VersionDiff:
    """Line by line; a quiz without its answers."""
    number, before = call.ids["number"], call.query.before
    return content_versions.compare_versions(*_part(call), number, before=before)


def read_receipt(call: Call) -> Reply:
    """Every call of the model, the oldest first, with tokens and price; and what is still to come,
    as an estimate.
    """
    return paged(
        call.request,
        call.query,
        cost_report.receipt(
            call.owner, call.ids["roadmap_id"], limit=call.query.limit, after=call.query.cursor
        ),
    )


def read_trace(call: Call) -> Trace:
    """Each wait, try, call of the model and decision, with times, tokens and cost."""
    return trace_of(call.owner, call.ids["roadmap_id"])


def _part(call: Call) -> tuple[UUID, UUID, UUID, ContentKind]:
    return call.owner, call.ids["roadmap_id"], call.ids["concept_id"], call.ids["kind"]
