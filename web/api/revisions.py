"""Revisions of the plan, versions of contents, and the cost receipt."""

from typing import Annotated

from pydantic import Field

from core.json_types import LazyModel
from roadmap.budget import cost_report
from roadmap.lifecycle import content_versions, revisions
from roadmap.lifecycle.timeline.timeline import Trace, trace_of
from web.endpoints.call import Call
from web.endpoints.endpoint import CONTENT, REVISION, ROADMAP, Endpoint
from web.http.pagination import PageQuery, paged
from web.http.responses import Reply


class DiffQuery(LazyModel, extra="forbid"):
    before: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None,
        description="Revision to compare with; default: the one it was derived from.",
    )


class VersionDiffQuery(LazyModel, extra="forbid"):
    before: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Version to compare with; default: the previous one."
    )


def list_revisions(call: Call) -> revisions.Revisions:
    """All plans of the roadmap, newest first."""
    return revisions.list_revisions(call.owner, call.ids["roadmap_id"])


def read_revision(call: Call) -> revisions.RevisionDetail:
    """A revision with its outline, if it has one yet."""
    return revisions.read_revision(call.owner, call.ids["roadmap_id"], call.ids["number"])


def compare_revisions(call: Call[None, DiffQuery]) -> revisions.Diff:
    """Changes of this revision, as text and as data."""
    return revisions.compare(
        call.owner, call.ids["roadmap_id"], call.ids["number"], call.query.before
    )


def list_versions(call: Call) -> content_versions.Versions:
    """Newest first."""
    return content_versions.list_versions(*call.concept, call.ids["kind"])


def read_version(call: Call) -> content_versions.VersionDetail:
    """A version as it was written. A quiz has no answers."""
    return content_versions.read_version(*call.concept, call.ids["kind"], call.ids["number"])


def compare_versions(call: Call[None, VersionDiffQuery]) -> content_versions.VersionDiff:
    """Differences line by line. A quiz has no answers."""
    number, before = call.ids["number"], call.query.before
    return content_versions.compare_versions(*call.concept, call.ids["kind"], number, before=before)


def read_receipt(call: Call[None, PageQuery]) -> Reply[cost_report.Receipt]:
    """All model calls, oldest first, with tokens and cost.

    `estimate` is the remaining cost.
    """
    return paged(
        call.request,
        call.query,
        cost_report.receipt(
            call.owner, call.ids["roadmap_id"], limit=call.query.limit, after=call.query.cursor
        ),
    )


def read_trace(call: Call) -> Trace:
    """Each wait, attempt, model call and decision, with times, tokens and cost."""
    return trace_of(call.owner, call.ids["roadmap_id"])


ENDPOINTS = (
    Endpoint("GET", ROADMAP + "/revisions", list_revisions, "List revisions"),
    Endpoint("GET", REVISION, read_revision, "Read a revision"),
    Endpoint("GET", REVISION + "/diff", compare_revisions, "Compare two revisions"),
    Endpoint("GET", CONTENT + "/versions", list_versions, "List versions of a part"),
    Endpoint("GET", CONTENT + "/versions/{number}", read_version, "Read a version of a part"),
    Endpoint("GET", CONTENT + "/versions/{number}/diff", compare_versions,
        "Compare two versions of a part"),
    Endpoint("GET", ROADMAP + "/receipt", read_receipt, "Read the cost of a roadmap"),
    Endpoint("GET", ROADMAP + "/trace", read_trace, "Read the timeline of a roadmap"),
)  # fmt: skip
