"""The revisions of a plan, and the differences between two of them."""

from gettext import NullTranslations
from typing import Any

from pydantic import Field
from starlette.responses import Response

from core.errors import Conflict, NotFound
from roadmap.lifecycle import commands, queries, revisions
from roadmap.lifecycle.commands import EDITABLE
from roadmap.lifecycle.revisions import RevisionSummary
from roadmap.plan import views
from roadmap.plan.diff import ChangeKind, diff_tree
from roadmap.plan.statuses import RevisionStatus
from roadmap.plan.word_diff import WordByWord
from web.call import Call
from web.pages.error_messages import form_page
from web.pages.forms import AnyQuery, see_other
from web.pages.plan import diff_view
from web.pages.preferences import texts_of
from web.pages.templates import page
from web.roadmap_commands import apply_command


class CompareQuery(AnyQuery):
    """`before`: the revision to compare with; 0: the previous one."""

    before: int = Field(0, ge=0, le=revisions.MOST)


def revisions_page(call: Call, error: Conflict | None = None) -> Response:
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    found = revisions.list_revisions(call.owner, tree.id).items
    return form_page(
        call.request,
        "revisions.html",
        error,
        tree=tree,
        revisions=found,
        first=min((each.number for each in found if each.status == RevisionStatus.done), default=0),
        may_restore=lambda revision: _may_restore(revision, tree),
        **_labels(texts_of(call.request)),
    )


def revision_page(call: Call) -> Response:
    """Return a revision, compared with an earlier one if there is one."""
    owner_id, roadmap_id, number = call.owner, call.ids["roadmap_id"], call.ids["number"]
    query: CompareQuery = call.query
    tree = queries.roadmap_tree(owner_id, roadmap_id)
    later = revisions.read_revision(owner_id, roadmap_id, number)
    listed = revisions.list_revisions(owner_id, roadmap_id).items
    before = query.before or revisions.plan_before(owner_id, roadmap_id, number)
    earlier = revisions.read_revision(owner_id, roadmap_id, before) if before > 0 else None
    if earlier is not None and earlier.outline is None:
        raise NotFound(f"Revision {before} has no outline.")
    old, new = (earlier or later).outline, later.outline
    return page(
        call.request,
        "revision.html",
        tree=tree,
        revision=later,
        before=earlier,
        others=[
            each for each in listed if each.status == RevisionStatus.done and each.number != number
        ],
        merged=diff_tree(old, new) if old is not None and new is not None else None,
        may_restore=_may_restore(later, tree),
        marks=[mark for mark in ChangeKind if mark != ChangeKind.same],
        **_labels(texts_of(call.request)),
    )


def restore(call: Call) -> Response:
    """Restore a revision, and go to the roadmap."""
    roadmap_id = call.ids["roadmap_id"]
    try:
        apply_command(roadmap_id, commands.restore(call.owner, roadmap_id, call.ids["number"]))
    except Conflict as error:
        return revisions_page(call, error)
    return see_other(f"/roadmaps/{roadmap_id}")


def _may_restore(revision: RevisionSummary, tree: views.RoadmapTree) -> bool:
    return (
        revision.status == RevisionStatus.done and not revision.current and tree.status in EDITABLE
    )


def _labels(words: NullTranslations) -> dict[str, Any]:
    """Return the labels of plans for templates."""
    compared = WordByWord()
    return {
        "source": lambda of: words.gettext(diff_view.SOURCES[of]),
        "state": lambda of: words.gettext(diff_view.STATES[of]),
        "mark_said": lambda of: words.gettext(diff_view.MARKS[of]),
        "field_said": lambda of: words.gettext(diff_view.FIELDS[of]),
        "signs": diff_view.SIGNS,
        "field_pieces": lambda change: compared.pieces(str(change.before), str(change.after)),
        "field_items": diff_view.field_items,
    }
