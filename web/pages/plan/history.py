"""History of plans and parts: their revisions and versions, to read, compare and restore."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from typing import Any

from pydantic import Field
from starlette.responses import Response

from core.errors import Conflict, NotFound, required
from core.i18n import gettext_noop
from roadmap.learning.lesson_navigation import course
from roadmap.lifecycle import commands, content_versions, plan_rows, revisions
from roadmap.lifecycle.reading import queries
from roadmap.plan.diff import ChangeKind, diff_tree
from roadmap.plan.outline import Tutorial
from roadmap.plan.statuses import OPEN, RevisionSource, RevisionStatus
from roadmap.plan.views import RoadmapTree
from roadmap.plan.word_diff import Line, Piece, WordByWord, merged, share_in_common
from web.pages.error_messages import form_page
from web.pages.forms import AnyQuery, index_of, see_other
from web.pages.labels import ROADMAP_LANGUAGES
from web.pages.lazy import tutorial_html
from web.pages.page_route import LESSON, PAGE, PageCall, PageRoute
from web.pages.templates import page, texts_of
from web.roadmaps.roadmap_commands import apply_command

SOURCES: Mapping[RevisionSource, str] = {
    RevisionSource.goal: gettext_noop("Created from your goal"),
    RevisionSource.feedback: gettext_noop("Changed by prompt"),
    RevisionSource.edit: gettext_noop("Changed by hand"),
    RevisionSource.restore: gettext_noop("Restored plan"),
    RevisionSource.imported: gettext_noop("Imported from elsewhere"),
}
STATES: Mapping[RevisionStatus, str] = {
    RevisionStatus.open: gettext_noop("The plan is being designed."),
    RevisionStatus.failed: gettext_noop("The plan could not be designed."),
    RevisionStatus.cancelled: gettext_noop("Cancelled."),
}
MARKS: Mapping[ChangeKind, str] = {
    "added": gettext_noop("added"),
    "removed": gettext_noop("removed"),
    "moved": gettext_noop("moved"),
    "changed": gettext_noop("changed"),
}
SIGNS: Mapping[str, str] = {
    "added": "+",
    "removed": "−",  # noqa: RUF001
    "moved": "↕",
    "changed": "≠",
    "same": "",
}
FIELDS: Mapping[str, str] = {
    "title": gettext_noop("Title"),
    "description": gettext_noop("Description"),
    "hours": gettext_noop("Hours"),
    "difficulty": gettext_noop("Difficulty"),
    "prerequisites": gettext_noop("Prerequisites"),
    "capstone": gettext_noop("Project"),
    "outcomes": gettext_noop("What you will learn"),
}
FOLDED = 8  # lines that are the same, one after the other
ALIKE = 0.4  # the share of words by which a line is another form of the one before it

DiffRow = tuple[str, Sequence[Piece]]  # how a line differs, and its text, whole or in pieces


class CompareQuery(AnyQuery):
    """`before`: the revision to compare with; 0: the previous one."""

    before: int = Field(0, ge=0, le=revisions.MOST)


class VersionsQuery(AnyQuery):
    """`number`: the version to show, 0 for the current one; `before`: to compare with, or 0."""

    number: int = Field(0, ge=0, le=plan_rows.MOST_VERSIONS)
    before: int = Field(0, ge=0, le=plan_rows.MOST_VERSIONS)


def revisions_page(call: PageCall, error: Conflict | None = None) -> Response:
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    found = revisions.list_revisions(call.owner, tree.id).items
    return form_page(
        call.request,
        "revisions.html",
        error,
        revisions=found,
        first=min((each.number for each in found if each.status == RevisionStatus.done), default=0),
        **_plan_context(tree),
    )


def revision_page(call: PageCall[CompareQuery]) -> Response:
    """Return a revision, compared with an earlier one if there is one."""
    place, number = (call.owner, call.ids["roadmap_id"]), call.ids["number"]
    tree = queries.roadmap_tree(*place)
    later = revisions.read_revision(*place, number)
    listed = revisions.list_revisions(*place).items
    before = call.query.before or revisions.plan_before(*place, number)
    earlier = revisions.read_revision(*place, before) if before > 0 else None
    if earlier is not None and earlier.outline is None:
        raise NotFound(f"Revision {before} has no outline.")
    old, new = (earlier or later).outline, later.outline
    return page(
        call.request,
        "revision.html",
        revision=later,
        before=earlier,
        others=[
            each for each in listed if each.status == RevisionStatus.done and each.number != number
        ],
        merged=diff_tree(old, new) if old is not None and new is not None else None,
        **_plan_context(tree),
    )


def restore_revision(call: PageCall) -> Response:
    """Restore a revision, and go to the roadmap, or back to editing."""
    roadmap_id, base = call.ids["roadmap_id"], index_of(call.body.text("undo"))
    try:
        made = commands.restore(call.owner, roadmap_id, call.ids["number"], base)
        apply_command(roadmap_id, made)
    except Conflict as error:
        return revisions_page(call, error)
    return see_other(f"/roadmaps/{roadmap_id}{'/edit?did=undo' if base else ''}")


def versions_page(call: PageCall[VersionsQuery], error: Conflict | None = None) -> Response:
    owner_id, roadmap_id, concept_id, kind = place = (*call.concept, call.ids["kind"])
    walked = course(owner_id, roadmap_id)
    listed = content_versions.list_versions(*place).items
    number = call.query.number or next((each.version for each in listed if each.current), 0)
    shown, prose, lines = None, None, None
    if number and call.query.before:
        lines = content_versions.compare_versions(*place, number, before=call.query.before).lines
    elif number:
        shown = content_versions.read_version(*place, number)
        if isinstance(shown.content, Tutorial):
            prose = tutorial_html(shown.content.markdown, texts_of(call.request))
    step = required(
        next((step for step in walked.steps if step.id == concept_id), None),
        "This concept does not exist in this roadmap.",
    )
    return form_page(
        call.request,
        "versions.html",
        error,
        tree=walked,
        step=step,
        kind=kind,
        versions=listed,
        number=number,
        before=call.query.before,
        shown=shown,
        prose=prose,
        blocks=None if lines is None else blocks(lines),
        is_same=lines is not None and all(line.how == "same" for line in lines),
        may_restore=queries.concept_detail(*place[:3]).contents[kind].status not in OPEN,
        signs=SIGNS,
        choices=ROADMAP_LANGUAGES,
    )


def restore_version(call: PageCall[VersionsQuery]) -> Response:
    _, roadmap_id, concept_id, kind = place = (*call.concept, call.ids["kind"])
    try:
        apply_command(roadmap_id, commands.restore_version(*place, call.ids["number"]))
    except Conflict as error:
        return versions_page(call, error)
    return see_other(f"/roadmaps/{roadmap_id}/concepts/{concept_id}#{kind}")


def blocks(lines: Sequence[Line]) -> Iterator[tuple[list[DiffRow], bool]]:
    """Yield unchanged and changed lines in turn, and whether they are folded: many and unchanged.

    A removed line and the added one in its place are one row if they are similar.
    """
    words = WordByWord()
    for is_same, run in groupby(lines, key=lambda line: line.how == "same"):
        rows: list[DiffRow] = []
        together = list(run)
        old = [line for line in together if line.how != "added"]
        new = [line for line in together if line.how == "added"]
        for was, now in zip_longest(old, new):
            both = words.pieces(was.text, now.text) if was is not None and now is not None else []
            if both and share_in_common(both) >= ALIKE:
                rows.append(("changed", both))
            else:
                rows += [(each.how, (Piece(**each.model_dump()),)) for each in (was, now) if each]
        yield rows, is_same and len(rows) > FOLDED


def _plan_context(tree: RoadmapTree) -> dict[str, Any]:
    """Return a plan and the labels of its revisions, for templates."""
    compared = WordByWord()
    return {
        "tree": tree,
        "is_editable": tree.status in commands.EDITABLE,
        "sources": SOURCES,
        "states": STATES,
        "marks": MARKS,
        "field_names": FIELDS,
        "signs": SIGNS,
        "field_pieces": lambda change: compared.pieces(str(change.before), str(change.after)),
        "field_items": lambda change: merged(change.before, change.after),
    }


PAGES = (
    PageRoute("GET", PAGE + "/revisions", revisions_page),
    PageRoute("GET", PAGE + "/revisions/{number}", revision_page),
    PageRoute("POST", PAGE + "/revisions/{number}/restore", restore_revision),
    PageRoute("GET", LESSON + "/{kind}/versions", versions_page),
    PageRoute("POST", LESSON + "/{kind}/versions/{number}/restore", restore_version),
)
