"""Revisions of a plan: outlines with their origin, numbered from 1, kept for good.

A revision that is being designed is open, and its row holds the last draft with its problems, so
that the next worker goes on from there. Everything but reading runs in a transaction that holds
the roadmap's row.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field, ValidationError

from core import clock
from core.db import session
from core.errors import Conflict, NotFound, required
from core.json_types import LazyModel, from_row
from models.roadmaps import Revision, Roadmap
from roadmap.accounts.access import get_owned
from roadmap.plan.diff import Change, changes
from roadmap.plan.language_detection import language_error
from roadmap.plan.outline import Outline
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import RevisionSource, RevisionStatus
from roadmap.plan.validation import MOST_STAGES, Thing, doubts, problems

MOST = 500  # revisions of a roadmap
MOST_PROBLEMS = 40  # of a draft that are kept


@dataclass(frozen=True, slots=True)
class CheckedOutline:
    """A draft with its problems, and as an outline if it can be used."""

    draft: dict[str, Any]
    outline: Outline | None
    problems: list[str]


class NamedChange(LazyModel):
    how: Literal["added", "removed", "moved", "changed"] = Field(description="Kind of the change.")
    title: str = Field(description="Title of the stage, module or concept.")


class RevisionSummary(LazyModel):
    """A revision. `remarks` lists accepted weaknesses of the plan."""

    number: int = Field(description="Number, from 1.")
    source: RevisionSource = Field(description="Origin.")
    base: int = Field(description="Revision that it was derived from; 0: none.")
    instruction: str = Field(description="The instructions.")
    changes: list[NamedChange] = Field(description="First changes of an edit; else empty.")
    status: RevisionStatus
    error: str = Field(description="Why there is no outline; empty: no error.")
    remarks: list[str] = Field(description="Accepted weaknesses of the plan.")
    generator: str = Field(description="Generator; empty: edited by a person.")
    created_at: datetime
    finished_at: datetime | None
    current: bool = Field(description="Whether it is the current plan.")


class RevisionDetail(RevisionSummary):
    outline: Outline | None = Field(description="The outline; null: none.")


class Revisions(LazyModel):
    items: list[RevisionSummary]


class Diff(LazyModel):
    """Changes between two revisions, as text and as data."""

    before: int = Field(description="Earlier revision.")
    after: int = Field(description="Later version.")
    changes: list[Change] = Field(description="The changes.")


def check_outline(
    draft: dict[str, Any], request: RoadmapRequest, today: date, language: str | None = None
) -> CheckedOutline:
    """Check a draft by all rules, and for a language if one is given.

    An unusable draft has no `outline`.
    """
    try:
        outline = Outline.model_validate(draft)
    except ValidationError as error:
        return CheckedOutline(
            draft,
            None,
            [
                f"{'.'.join(map(str, p['loc']))}: {p['msg']}."
                for p in error.errors(include_url=False)[:MOST_PROBLEMS]
            ],
        )
    wrong = language_error(outline.text(), language) if language else None
    if found := [*problems(outline), *([wrong] if wrong else [])]:
        return CheckedOutline(draft, None, found[:MOST_PROBLEMS])
    return CheckedOutline(
        draft,
        outline,
        doubts(
            outline, hours_per_week=request.hours_per_week, deadline=request.deadline, today=today
        )[:MOST_PROBLEMS],
    )


def begun(draft: dict[str, Any]) -> Outline | None:
    """Return the outline of a draft with stages that are still empty, else None."""
    with suppress(ValidationError):
        outline = Outline.model_validate(draft)
        if len(outline.stages) <= MOST_STAGES and not all(each.modules for each in outline.stages):
            return outline
    return None


def recognised(outline: Outline, before: Outline | None) -> Outline:
    """Give nodes whose key changed, but not their title, their old key; keep projects of stages.

    A generator that designs a plan again may forget the keys, and names projects only if new.
    """
    if before is None:
        return outline
    concepts_of = _renamed(outline.concepts(), before.concepts())
    modules_of = _renamed(outline.modules(), before.modules())
    stages_of = _renamed(outline.stages, before.stages)

    capstone_of = {stage.key: stage.capstone for stage in before.stages}

    def with_key(node: Thing, keys: dict[str, str], **changes: object) -> Thing:
        return node.model_copy(update={**changes, "key": keys.get(node.key, node.key)})

    return outline.model_copy(
        update={
            "stages": tuple(
                with_key(
                    stage,
                    stages_of,
                    capstone=stage.capstone or capstone_of.get(stages_of.get(stage.key, stage.key)),
                    modules=tuple(
                        with_key(
                            module,
                            modules_of,
                            concepts=tuple(
                                with_key(
                                    concept,
                                    concepts_of,
                                    prerequisites=tuple(
                                        concepts_of.get(key, key) for key in concept.prerequisites
                                    ),
                                )
                                for concept in module.concepts
                            ),
                        )
                        for module in stage.modules
                    ),
                )
                for stage in outline.stages
            )
        }
    )


def _renamed(now: Iterable[Thing], before: Iterable[Thing]) -> dict[str, str]:
    """Map new keys to missing ones of nodes with the same title."""
    there, was = {node.key: node for node in now}, {node.key: node for node in before}
    missing = _by_title(node for key, node in was.items() if key not in there)
    new = _by_title(node for key, node in there.items() if key not in was)
    return {new[title]: missing[title] for title in new.keys() & missing.keys()}


def _by_title(nodes: Iterable[Thing]) -> dict[str, str]:
    """Return the keys of nodes by title, without titles that two nodes have."""
    of = list(nodes)
    counts = Counter(node.title for node in of)
    return {node.title: node.key for node in of if counts[node.title] == 1}


def open_(row: Roadmap, source: RevisionSource, instruction: str = "") -> Revision:
    """Open a revision that is to be designed."""
    return _insert(
        row.id,
        next_number(row.id),
        source,
        base=row.revision,
        instruction=instruction,
        before=row.status,
    )


def update(revision: Revision, **facts: Any) -> None:
    """Change the row of a revision, and `revision` as well."""
    Revision.update(facts).where(
        (Revision.roadmap == revision.roadmap_id) & (Revision.number == revision.number)
    ).execute()
    for name, value in facts.items():
        setattr(revision, name, value)


def close(revision: Revision, status: RevisionStatus, error: str = "") -> None:
    update(revision, status=status, error=error, finished_at=clock.now())


def close_open(roadmap_id: UUID, status: RevisionStatus, error: str) -> Revision | None:
    """Close the open revision, if there is one, and return it."""
    revision = find_open(roadmap_id)
    if revision is not None:
        close(revision, status, error)
    return revision


def add(
    row: Roadmap,
    source: RevisionSource,
    outline: Outline,
    *,
    base: int,
    remarks: Sequence[str],
    named: Sequence[Mapping[str, str]] = (),
) -> Revision:
    """Save an outline as a revision that is done."""
    return _insert(
        row.id,
        next_number(row.id),
        source,
        outline=outline.model_dump(mode="json"),
        problems=list(remarks),
        changes=list(named) or None,
        base=base,
        status=RevisionStatus.done,
        finished_at=clock.now(),
    )


def next_number(roadmap_id: UUID) -> int:
    """Return the number of the next revision. Raises Conflict for too many."""
    number = _highest(Revision.roadmap == roadmap_id) + 1
    if number > MOST:
        raise Conflict(f"The maximum of {MOST} revisions is reached for this roadmap.")
    return number


def outline_of(row: Roadmap, number: int) -> Outline:
    """Return the outline of a revision that is done. Raises NotFound."""
    revision = required(
        Revision.get_or_none(
            Revision.roadmap == row.id,
            Revision.number == number,
            Revision.status == RevisionStatus.done,
        ),
        f"Revision {number} of this roadmap does not exist or has no outline.",
    )
    return Outline.model_validate(revision.outline)


@session()
def list_revisions(owner_id: UUID, roadmap_id: UUID) -> Revisions:
    """Newest first. Raises NotFound."""
    row = get_owned(owner_id, roadmap_id)
    query = (
        Revision.select(
            *[field for name, field in Revision._meta.fields.items() if name != "outline"]
        )
        .where(Revision.roadmap == roadmap_id)
        .order_by(Revision.number.desc())
        .limit(MOST)
    )
    return Revisions(
        items=[from_row(RevisionSummary, each, **_computed(each, row)) for each in query]
    )


@session()
def read_revision(owner_id: UUID, roadmap_id: UUID, number: int) -> RevisionDetail:
    """Raises NotFound."""
    row = get_owned(owner_id, roadmap_id)
    revision = required(
        Revision.get_or_none(Revision.roadmap == roadmap_id, Revision.number == number),
        f"Revision {number} of this roadmap does not exist.",
    )
    return from_row(
        RevisionDetail,
        revision,
        **_computed(revision, row),
        outline=(
            Outline.model_validate(revision.outline)
            if revision.status == RevisionStatus.done
            else None
        ),
    )


def compare(owner_id: UUID, roadmap_id: UUID, after: int, before: int | None) -> Diff:
    """Return the changes between two revisions.

    `before` is by default the one that `after` was made from. Relative to 0 everything is added.
    Raises NotFound.
    """
    later = read_revision(owner_id, roadmap_id, after)
    number = later.base if before is None else before
    if later.outline is None:
        raise NotFound(f"Revision {after} has no outline.")
    outline = required(
        read_revision(owner_id, roadmap_id, number).outline
        if number
        else Outline(title=later.outline.title, stages=()),
        f"Revision {number} has no outline.",
    )
    return Diff(before=number, after=after, changes=changes(outline, later.outline))


@session()
def plan_before(owner_id: UUID, roadmap_id: UUID, number: int) -> int:
    """Return the number of the plan before this one; 0: none. Raises NotFound."""
    get_owned(owner_id, roadmap_id)
    return _highest(
        (Revision.roadmap == roadmap_id)
        & (Revision.status == RevisionStatus.done)
        & (Revision.number < number)
    )


def _highest(condition: Any) -> int:
    return int(
        Revision.select(Revision.number)
        .where(condition)
        .order_by(Revision.number.desc())
        .limit(1)
        .scalar()
        or 0
    )


def find_open(roadmap_id: UUID) -> Revision | None:
    found: Revision | None = Revision.get_or_none(
        Revision.roadmap == roadmap_id, Revision.status == RevisionStatus.open
    )
    return found


def _insert(roadmap_id: UUID, number: int, source: RevisionSource, **facts: Any) -> Revision:
    revision: Revision = Revision.create(
        **{
            "status": RevisionStatus.open,
            "problems": [],
            "created_at": facts.get("finished_at") or clock.now(),
            **facts,
        },
        roadmap=roadmap_id,
        number=number,
        source=source,
    )
    return revision


def _computed(revision: Revision, row: Roadmap) -> dict[str, Any]:
    """Return the fields of a summary that are not columns."""
    return {
        "remarks": revision.problems if revision.status == RevisionStatus.done else [],
        "current": revision.number == row.revision,
        "changes": revision.changes or [],
    }
