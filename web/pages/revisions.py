"""Every plan that a roadmap has had, and what is different between two of them."""

from typing import Any

from pydantic import Field
from starlette.responses import Response

from core.errors import Conflict, NotFound
from core.texts import texts
from roadmap import decisions, reading, revisions
from roadmap.decisions import EDITABLE
from roadmap.diff_tree import Mark, diff_tree
from roadmap.revisions import RevisionSummary
from roadmap.statuses import RevisionStatus
from roadmap.word_diff import WordByWord
from web.accepting import carry_out
from web.endpoint import Call
from web.errors import status_of
from web.pages import changes_said, problems
from web.pages.look import language_of
from web.pages.page import AnyQuery, see_other
from web.pages.rendering import page


class CompareQuery(AnyQuery):
    """`before`: the plan to compare with; 0 or none: the one before."""

    before: int = Field(0, ge=0, le=revisions.MOST)


def show_all(call: Call) -> Response:
    return _list(call)


def show(call: Call) -> Response:
    """Without an earlier plan it is shown as it is."""
    owner_id, roadmap_id, number = call.owner, call.ids["roadmap_id"], call.ids["number"]
    query: CompareQuery = call.query
    tree = reading.roadmap_tree(owner_id, roadmap_id)
    later = revisions.read_revision(owner_id, roadmap_id, number)
    others = [
        each
        for each in revisions.list_revisions(owner_id, roadmap_id).items
        if each.status == RevisionStatus.done
    ]
    before = query.before or revisions.plan_before(owner_id, roadmap_id, number)
    earlier = revisions.read_revision(owner_id, roadmap_id, before) if before > 0 else None
    if earlier is not None and earlier.outline is None:
        raise NotFound(f"Revision {before} has no outline.")
    old = earlier.outline if earlier is not None else later.outline
    return page(
        call.request,
        "revision.html",
        tree=tree,
        revision=later,
        before=earlier,
        others=[each for each in others if each.number != number],
        merged=diff_tree(old, later.outline)
        if old is not None and later.outline is not None
        else None,
        may_restore=_may_restore(later, tree),
        marks=[mark for mark in Mark if mark != Mark.same],
        **_words(call),
    )


def restore(call: Call) -> Response:
    """Back to the roadmap; what is not possible any more is said here."""
    roadmap_id = call.ids["roadmap_id"]
    try:
        carry_out(roadmap_id, decisions.restore(call.owner, roadmap_id, call.ids["number"]))
    except Conflict as error:
        return _list(call, error)
    return see_other(f"/roadmaps/{roadmap_id}")


def _list(call: Call, error: Conflict | None = None) -> Response:
    tree = reading.roadmap_tree(call.owner, call.ids["roadmap_id"])
    found = revisions.list_revisions(call.owner, tree.id).items
    return page(
        call.request,
        "revisions.html",
        status=status_of(error) if error else 200,
        problem=problems.said(texts(language_of(call.request)), error) if error else "",
        tree=tree,
        revisions=found,
        first=min((each.number for each in found if each.status == RevisionStatus.done), default=0),
        may_restore=lambda revision: _may_restore(revision, tree),
        **_words(call),
    )


def _may_restore(revision: RevisionSummary, tree: reading.RoadmapTree) -> bool:
    return (
        revision.status == RevisionStatus.done and not revision.current and tree.status in EDITABLE
    )


def _words(call: Call) -> dict[str, Any]:
    """What the templates say of plans."""
    words = texts(language_of(call.request))
    compared = WordByWord()
    return {
        "source": lambda of: words.gettext(changes_said.SOURCES[of]),
        "state": lambda of: words.gettext(changes_said.STATES[of]),
        "mark_said": lambda of: words.gettext(changes_said.MARKS[of]),
        "field_said": lambda of: words.gettext(changes_said.FIELDS[of]),
        "signs": changes_said.SIGNS,
        "field_pieces": lambda change: compared.pieces(str(change.before), str(change.after)),
        "field_items": changes_said.field_items,
    }
