"""The revisions of a roadmap's plan: each an outline, numbered from 1, with where it came from; kept for good.

A revision that is being designed is open, and its row holds the last draft with what is wrong with it, so that whoever
takes the work up goes on from there. Everything but the reading runs in a transaction that holds the roadmap's row.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError

from core import clock
from core.db import session, transaction
from core.errors import Conflict, NotFound
from models.roadmaps import Revision, Roadmap
from roadmap.accounts.access import get_owned
from roadmap.lifecycle.plan_rows import current_outline, stamp
from roadmap.plan.diff import Change, changes
from roadmap.plan.language_detection import language_error
from roadmap.plan.outline import Outline, OutlineConcept, OutlineModule, OutlineStage
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import RevisionSource, RevisionStatus
from roadmap.plan.validation import Thing, doubts, problems

MOST = 500  # revisions of a roadmap
MOST_PROBLEMS = 40  # of a draft that are told


@dataclass(frozen=True, slots=True)
class CheckedOutline:
    """A draft, as an outline when it can be used, and what should be better."""

    draft: dict[str, Any]
    outline: Outline | None
    problems: list[str]


class RevisionSummary(BaseModel):
    """`remarks`: what should be better with it, and had to be accepted."""

    number: int = Field(description="From 1.")
    source: RevisionSource = Field(description="What it came from.")
    base: int = Field(description="The revision from which it was made; 0: none.")
    instruction: str = Field(description="What was asked for, in words.")
    status: RevisionStatus
    error: str = Field(description="Why there is no outline; empty: there is one, or will be.")
    remarks: list[str] = Field(description="What should be better with it, and had to be accepted.")
    generator: str = Field(description="Who has designed it; empty: a person.")
    created_at: datetime
    finished_at: datetime | None
    current: bool = Field(description="Whether it is the plan.")


class RevisionDetail(RevisionSummary):
    outline: Outline | None = Field(description="Null: it is not there yet, or never will be.")


class Revisions(BaseModel):
    items: list[RevisionSummary]


class Diff(BaseModel):
    """From one revision to another, in words and as data."""

    before: int = Field(description="The number of the one revision.")
    after: int = Field(description="The number of the other.")
    changes: list[Change] = Field(description="One after the other.")


def checked(
    draft: dict[str, Any], request: RoadmapRequest, today: date, language: str | None = None
) -> CheckedOutline:
    """Hold a draft to all the rules, with a language to that as well. One whose `outline` is None cannot be used as it is."""
    try:
        outline = Outline.model_validate(draft)
    except ValidationError as error:
        rules = [
            f"{'.'.join(map(str, p['loc']))}: {p['msg']}."
            for p in error.errors(include_url=False)[:MOST_PROBLEMS]
        ]
        return CheckedOutline(draft, None, rules)
    wrong = language_error(outline.text(), language) if language else None
    if found := [*problems(outline), *([wrong] if wrong else [])]:
        return CheckedOutline(draft, None, found[:MOST_PROBLEMS])
    remarks = doubts(
        outline, hours_per_week=request.hours_per_week, deadline=request.deadline, today=today
    )
    return CheckedOutline(draft, outline, remarks[:MOST_PROBLEMS])


def recognised(outline: Outline, before: Outline | None) -> Outline:
    """The same with the keys of before for what has another key now, and still its title: who designs anew may forget them."""
    if before is None:
        return outline
    renamed = _renamed(outline.concepts(), before.concepts())

    def concept(node: OutlineConcept) -> OutlineConcept:
        needs = tuple(renamed.get(key, key) for key in node.prerequisites)
        return node.model_copy(
            update={"key": renamed.get(node.key, node.key), "prerequisites": needs}
        )

    modules_of, stages_of = (
        _renamed(outline.modules(), before.modules()),
        _renamed(outline.stages, before.stages),
    )

    def module(node: OutlineModule) -> OutlineModule:
        inside = tuple(concept(each) for each in node.concepts)
        return node.model_copy(
            update={"key": modules_of.get(node.key, node.key), "concepts": inside}
        )

    def stage(node: OutlineStage) -> OutlineStage:
        inside = tuple(module(each) for each in node.modules)
        return node.model_copy(update={"key": stages_of.get(node.key, node.key), "modules": inside})

    return outline.model_copy(update={"stages": tuple(stage(each) for each in outline.stages)})


def _renamed(now: Iterable[Thing], before: Iterable[Thing]) -> dict[str, str]:
    """From keys that are new to those that are missing, where the titles are the same."""
    there, was = {node.key: node for node in now}, {node.key: node for node in before}
    missing = _by_title(node for key, node in was.items() if key not in there)
    new = _by_title(node for key, node in there.items() if key not in was)
    return {new[title]: missing[title] for title in new.keys() & missing.keys()}


def _by_title(nodes: Iterable[Thing]) -> dict[str, str]:
    """The keys of those whose title only one has."""
    of = list(nodes)
    counts = Counter(node.title for node in of)
    return {node.title: node.key for node in of if counts[node.title] == 1}


def number_legacy_plan(row: Roadmap) -> None:
    """A roadmap that was planned by a version without revisions: what it is becomes its first one."""
    if row.revision == 0 and row.title:
        outline = current_outline(row).model_dump(mode="json")
        facts = {"outline": outline, "generator": row.generator, "created_at": row.created_at}
        _insert(
            row.id,
            1,
            RevisionSource.goal,
            status=RevisionStatus.done,
            finished_at=row.created_at,
            **facts,
        )
        Roadmap.update(revision=1).where(Roadmap.id == row.id).execute()
        row.revision = 1
        stamp(row.id)


def open_(row: Roadmap, source: RevisionSource, instruction: str = "") -> Revision:
    """Begin one that is to be designed."""
    facts = {"base": row.revision, "instruction": instruction, "before": row.status}
    return _insert(row.id, next_number(row.id), source, **facts)


def being_designed(row: Roadmap) -> Revision:
    """The open one; the first is opened by whoever designs it."""
    found: Revision | None = Revision.get_or_none(
        Revision.roadmap == row.id, Revision.status == RevisionStatus.open
    )
    return found or open_(row, RevisionSource.goal)


def save_draft(
    revision: Revision, made: CheckedOutline, rounds: int, generator: str, prompt_version: str
) -> None:
    _update(
        revision,
        **{"outline": made.draft, "problems": made.problems, "rounds": rounds},
        **{"generator": generator, "prompt_version": prompt_version},
    )


def close(revision: Revision, status: RevisionStatus, error: str = "") -> None:
    _update(revision, status=status, error=error, finished_at=clock.now())


def close_open(roadmap_id: UUID, status: RevisionStatus, error: str) -> Revision | None:
    """End the design that is under way, if there is one."""
    revision: Revision | None = Revision.get_or_none(
        Revision.roadmap == roadmap_id, Revision.status == RevisionStatus.open
    )
    if revision is not None:
        close(revision, status, error)
    return revision


def add(
    row: Roadmap, source: RevisionSource, outline: Outline, *, base: int, remarks: Sequence[str]
) -> Revision:
    """One that is there already: nobody has to design it."""
    facts = {"outline": outline.model_dump(mode="json"), "problems": list(remarks), "base": base}
    return _insert(
        row.id,
        next_number(row.id),
        source,
        status=RevisionStatus.done,
        finished_at=clock.now(),
        **facts,
    )


def next_number(roadmap_id: UUID) -> int:
    """Raises Conflict when there are too many."""
    newest = (
        Revision.select(Revision.number)
        .where(Revision.roadmap == roadmap_id)
        .order_by(Revision.number.desc())
    )
    first = newest.limit(1).scalar()
    number = int(first or 0) + 1
    if number > MOST:
        raise Conflict(f"This roadmap has {MOST} revisions; that is as many as there may be.")
    return number


def outline_of(row: Roadmap, number: int) -> Outline:
    """Of a revision that is done. Raises NotFound."""
    number_legacy_plan(row)
    revision = Revision.get_or_none(
        Revision.roadmap == row.id,
        Revision.number == number,
        Revision.status == RevisionStatus.done,
    )
    if revision is None:
        raise NotFound(f"There is no revision {number} of this roadmap that could be used.")
    return Outline.model_validate(revision.outline)


def list_revisions(owner_id: UUID, roadmap_id: UUID) -> Revisions:
    """Newest first. Raises NotFound."""
    with transaction():
        row = get_owned(owner_id, roadmap_id)
        number_legacy_plan(row)
        columns = [field for name, field in Revision._meta.fields.items() if name != "outline"]
        query = Revision.select(*columns).where(Revision.roadmap == roadmap_id)
        rows = list(query.order_by(Revision.number.desc()).limit(MOST))
    return Revisions(items=[RevisionSummary(**_summary(revision, row)) for revision in rows])


def read_revision(owner_id: UUID, roadmap_id: UUID, number: int) -> RevisionDetail:
    """Raises NotFound."""
    with transaction():
        row = get_owned(owner_id, roadmap_id)
        number_legacy_plan(row)
        revision = Revision.get_or_none(Revision.roadmap == roadmap_id, Revision.number == number)
    if revision is None:
        raise NotFound(f"There is no revision {number} of this roadmap.")
    done = revision.status == RevisionStatus.done
    outline = Outline.model_validate(revision.outline) if done else None
    return RevisionDetail(**_summary(revision, row), outline=outline)


def compare(owner_id: UUID, roadmap_id: UUID, after: int, before: int | None) -> Diff:
    """What changed between two revisions; before is the one that `after` was made from, unless another is named. To the
    first one everything is added.

    Raises NotFound.
    """
    later = read_revision(owner_id, roadmap_id, after)
    number = later.base if before is None else before
    if later.outline is None:
        raise NotFound(f"Revision {after} has no outline.")
    outline = (
        read_revision(owner_id, roadmap_id, number).outline
        if number
        else Outline(title=later.outline.title, stages=())
    )
    if outline is None:
        raise NotFound(f"Revision {number} has no outline.")
    return Diff(before=number, after=after, changes=changes(outline, later.outline))


def plan_before(owner_id: UUID, roadmap_id: UUID, number: int) -> int:
    """The number of the plan that this one took the place of; 0: there was none. Raises NotFound."""
    done = (
        (Revision.roadmap == roadmap_id)
        & (Revision.status == RevisionStatus.done)
        & (Revision.number < number)
    )
    with session():
        get_owned(owner_id, roadmap_id)
        found = (
            Revision.select(Revision.number)
            .where(done)
            .order_by(Revision.number.desc())
            .limit(1)
            .scalar()
        )
    return int(found or 0)


def _insert(roadmap_id: UUID, number: int, source: RevisionSource, **facts: Any) -> Revision:
    created_at = facts.get("finished_at") or clock.now()
    blank: dict[str, Any] = {
        "status": RevisionStatus.open,
        "problems": [],
        "created_at": created_at,
    }
    Revision.insert(
        {**blank, **facts, "roadmap": roadmap_id, "number": number, "source": source}
    ).execute()
    row: Revision = Revision.get(Revision.roadmap == roadmap_id, Revision.number == number)
    return row


def _update(revision: Revision, **facts: Any) -> None:
    its = (Revision.roadmap == revision.roadmap_id) & (Revision.number == revision.number)
    Revision.update(facts).where(its).execute()
    for name, value in facts.items():
        setattr(revision, name, value)


def _summary(revision: Revision, row: Roadmap) -> dict[str, Any]:
    names = RevisionSummary.model_fields.keys() - {"remarks", "current"}
    remarks = revision.problems if revision.status == RevisionStatus.done else []
    facts = {name: getattr(revision, name) for name in names}
    return {**facts, "remarks": remarks, "current": revision.number == row.revision}
