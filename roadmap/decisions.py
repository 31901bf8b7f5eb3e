"""What a person decides about a roadmap: approve, revise, edit, restore, cancel, retry, have a part written anew.

Each is one transaction that first takes the roadmap's row if its status allows the decision, so that of two at once the
second sees what the first has done. It returns what the roadmap is then, and what comes next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core import clock
from core.errors import Conflict, FieldError, Invalid
from core.runtime import session, transaction
from models.roadmaps import Content, Roadmap
from roadmap import editing, events, finishing, revisions
from roadmap.applying import PENDING, current_outline, removed_keys
from roadmap.contents import MOST as MOST_VERSIONS
from roadmap.contents import find_content
from roadmap.editing import Operation
from roadmap.events import EventType
from roadmap.finishing import OPEN
from roadmap.leases import NOBODYS
from roadmap.outline import ContentKind, Outline
from roadmap.ownership import taken
from roadmap.planning import adopt_outline, begin, go_back, unstarted
from roadmap.requests import accepted_request
from roadmap.statuses import ContentStatus, RevisionSource, RevisionStatus, RoadmapStatus
from roadmap.steps import Step, StepName

ENDED = (RoadmapStatus.ready, RoadmapStatus.partial, RoadmapStatus.failed, RoadmapStatus.cancelled)
UNDER_WAY = (RoadmapStatus.queued, RoadmapStatus.planning, RoadmapStatus.awaiting_review, RoadmapStatus.building)
REVISABLE = (*ENDED, RoadmapStatus.awaiting_review)
EDITABLE = (*REVISABLE, RoadmapStatus.building)
AFRESH = {"attempts": 0, "interruptions": 0, "error": "", "finished_at": None, "over_budget": False}


@dataclass(frozen=True, slots=True)
class Decided:
    status: RoadmapStatus
    revision: int
    steps: list[Step]


def approve(owner_id: UUID, roadmap_id: UUID, revision: int | None) -> Decided:
    """Let the contents of the plan be written; with a number, only if that is still the current revision.

    Raises NotFound, Conflict.
    """
    with transaction():
        row = taken(owner_id, roadmap_id, [RoadmapStatus.awaiting_review], "approved", status=RoadmapStatus.building)
        _expect(row, revision)
        finishing.finish_if_last(events.tell(row.id, EventType.approved, {"revision": row.revision}))
    return _decided(roadmap_id, unstarted(roadmap_id))


def revise(owner_id: UUID, roadmap_id: UUID, feedback: str) -> Decided:
    """Have the plan designed anew as the feedback says. Raises NotFound, Conflict."""
    queued = {**AFRESH, "status": RoadmapStatus.queued, "due_at": clock.now()}
    with transaction():
        row = taken(owner_id, roadmap_id, REVISABLE, "revised", **queued)
        _expect_plan(row)
        revision = revisions.open_(row, RevisionSource.feedback, feedback)
        events.tell(row.id, EventType.queued, {"revision": revision.number})
    return _decided(roadmap_id, [Step(StepName.plan_roadmap, roadmap_id)])


def edit(owner_id: UUID, roadmap_id: UUID, operations: Sequence[Operation], base: int | None) -> Decided:
    """Change the plan by operations; with a base, only if that is still the current revision.

    Raises NotFound, Conflict, and Invalid when the result would not hold together.
    """
    with transaction():
        row = taken(owner_id, roadmap_id, EDITABLE, "edited")
        _expect_plan(row)
        _expect(row, base)
        before = current_outline(row)
        after = editing.apply(before, operations, removed_keys(roadmap_id))
        if after == before:
            raise _invalid("these change nothing")
        _adopt(row, after, RevisionSource.edit, row.revision, as_written=editing.kept_as_written(operations))
    return _decided(roadmap_id, unstarted(roadmap_id))


def restore(owner_id: UUID, roadmap_id: UUID, number: int) -> Decided:
    """Make an earlier revision the plan again, as a new one. Raises NotFound, Conflict."""
    with transaction():
        row = taken(owner_id, roadmap_id, EDITABLE, "restored")
        outline = revisions.outline_of(row, number)
        if number == row.revision:
            raise Conflict(f"Revision {number} is the current one already.")
        _adopt(row, outline, RevisionSource.restore, number)
    return _decided(roadmap_id, unstarted(roadmap_id))


def cancel(owner_id: UUID, roadmap_id: UUID) -> Decided:
    """Stop what is queued and what runs; a worker that is at it notices with its next heartbeat, and saves nothing.

    A change of a plan that is cancelled leaves the plan as it was. Raises NotFound, Conflict.
    """
    with transaction():
        row = taken(owner_id, roadmap_id, UNDER_WAY, "cancelled", **NOBODYS)
        number = revisions.close_open(roadmap_id, RevisionStatus.cancelled, "It was cancelled.")
        if number is not None and row.revision:
            events.tell(row.id, EventType.revision_cancelled, {"revision": number})
            go_back(roadmap_id)
        else:
            _cancel_contents(roadmap_id)
            _save_counts(roadmap_id)
            finishing.finish(roadmap_id, RoadmapStatus.cancelled)
    return _decided(roadmap_id, [])


def retry(owner_id: UUID, roadmap_id: UUID) -> Decided:
    """Try everything again that failed or was cancelled: all parts, or the outline when there is none.

    Raises NotFound, Conflict.
    """
    ended = [RoadmapStatus.partial, RoadmapStatus.failed, RoadmapStatus.cancelled]
    with transaction():
        row = taken(owner_id, roadmap_id, ended, "retried", **AFRESH)
        if row.revision == 0 and not row.title:
            events.tell(row.id, EventType.queued, {}, status=RoadmapStatus.queued, due_at=clock.now())
            steps = [Step(StepName.plan_roadmap, roadmap_id)]
        else:
            _reopen(row, finishing.parts(roadmap_id).where(Content.status.in_((ContentStatus.failed, ContentStatus.cancelled))))
            steps = []
    return _decided(roadmap_id, steps or unstarted(roadmap_id))


def regenerate(owner_id: UUID, roadmap_id: UUID, concept_id: UUID, kind: ContentKind, instruction: str) -> Decided:
    """Have one part written anew; its versions so far stay, and the current one is shown until then.

    Raises NotFound, Conflict.
    """
    with transaction():
        row = taken(owner_id, roadmap_id, (*ENDED, RoadmapStatus.building), "changed", **AFRESH)
        content = find_content(owner_id, roadmap_id, concept_id, kind)
        if content.status in OPEN:
            raise Conflict(f"This {kind} is being written already.")
        if content.version >= MOST_VERSIONS:
            raise Conflict(f"This {kind} has {MOST_VERSIONS} versions; that is as many as there may be.")
        _reopen(row, Content.select().where(Content.id == content.id), instruction=instruction)
    return _decided(roadmap_id, unstarted(roadmap_id))


def _adopt(
    row: Roadmap, outline: Outline, source: RevisionSource, base: int, *, as_written: frozenset[str] = frozenset()
) -> None:
    """Make an outline that is there already the plan, if it holds together."""
    made = revisions.checked(outline.model_dump(mode="json"), accepted_request(row), clock.now().date())
    if made.outline is None:
        raise _invalid(*made.problems[:20])
    revision = revisions.add(row, source, outline, base=base, remarks=made.problems)
    in_review = row.status == RoadmapStatus.awaiting_review
    status = {} if in_review else {**AFRESH, "status": RoadmapStatus.building}
    changed = adopt_outline(row.id, outline, revision.number, as_written=as_written, **status)
    told = {"revision": revision.number, "title": outline.title, "contents": changed.contents_total}
    events.append(changed, EventType.revised, told)
    begin(changed)


def _reopen(row: Roadmap, contents: Any, *, instruction: str = "") -> None:
    """Have these contents written once more."""
    ids = [content.id for content in contents]
    if not ids:
        raise Conflict("There is nothing to try again: no part has failed.")
    Content.update({**PENDING, "instruction": instruction, "due_at": clock.now()}).where(Content.id.in_(ids)).execute()
    counts = _save_counts(row.id)
    waits = row.review and counts["contents_ready"] == 0
    status = RoadmapStatus.awaiting_review if waits else RoadmapStatus.building
    events.tell(row.id, EventType.content_queued, {"contents": len(ids), "status": status}, status=status)


def _cancel_contents(roadmap_id: UUID) -> None:
    cancelled = Content.update(status=ContentStatus.cancelled, error="", instruction="", **NOBODYS)
    cancelled.where(Content.roadmap == roadmap_id, Content.status.in_(OPEN)).execute()


def _save_counts(roadmap_id: UUID) -> dict[str, int]:
    counts = finishing.recount(roadmap_id)
    Roadmap.update(counts).where(Roadmap.id == roadmap_id).execute()
    return counts


def _expect(row: Roadmap, revision: int | None) -> None:
    if revision is not None and revision != row.revision:
        raise Conflict(f"Revision {revision} is not the current one any more; that is {row.revision}.")


def _expect_plan(row: Roadmap) -> None:
    if row.revision == 0 and not row.title:
        raise Conflict("There is no outline that could be changed; retry the roadmap, or create it anew.")
    revisions.adopt(row)


def _invalid(*rules: str) -> Invalid:
    fields = tuple(FieldError("/operations", rule) for rule in rules)
    return Invalid("The plan would not hold together; nothing was changed.", fields=fields)


def _decided(roadmap_id: UUID, steps: list[Step]) -> Decided:
    with session():
        row = Roadmap.get_by_id(roadmap_id)
    return Decided(RoadmapStatus(row.status), row.revision, steps)
