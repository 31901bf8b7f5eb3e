"""What a person decides about a roadmap: approve, revise, edit, restore a plan or a part, cancel, retry (all or a part), have a
part written anew.

Each is one transaction that first takes the roadmap's row if its status allows the decision, so that of two at once the
second sees what the first has done. It returns what the roadmap is then, and what comes next.

A decision that may start work locks the account's row before that, and raises TooMany or
Unavailable when the limits leave no room for one more roadmap (`creating.py: take_room`).
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core import clock
from core.db import transaction
from core.errors import Conflict, FieldError, Invalid, NotFound
from models.roadmaps import Content, ContentVersion, Roadmap
from roadmap.accounts.access import transition
from roadmap.accounts.locks import lock_account
from roadmap.generation.context import BUILT_IN
from roadmap.learning import review_cards
from roadmap.lifecycle import completion, create, events, revisions
from roadmap.lifecycle.activate_plan import (
    adopt_outline,
    pending_jobs,
    restore_previous,
    start_building,
    waits_for_review,
)
from roadmap.lifecycle.content_versions import find_content
from roadmap.lifecycle.plan_rows import MOST as MOST_VERSIONS
from roadmap.lifecycle.plan_rows import current_outline
from roadmap.lifecycle.plan_sync import PENDING, fitting, newest_version, removed_keys, taken_up
from roadmap.plan import edits
from roadmap.plan.edits import Operation
from roadmap.plan.event_types import EventType
from roadmap.plan.jobs import Job, JobName
from roadmap.plan.outline import ContentKind, Outline
from roadmap.plan.schemas import accepted_request
from roadmap.plan.statuses import (
    BEING_MADE,
    FINAL,
    NOBODYS,
    OPEN,
    ContentStatus,
    RevisionSource,
    RevisionStatus,
    RoadmapStatus,
)

ENDED = tuple(FINAL)
UNDER_WAY = (
    RoadmapStatus.queued,
    RoadmapStatus.planning,
    RoadmapStatus.awaiting_review,
    RoadmapStatus.building,
)
REVISABLE = (*ENDED, RoadmapStatus.awaiting_review)
EDITABLE = (*REVISABLE, RoadmapStatus.building)
NOTHING = "these change nothing"
AFRESH = {"attempts": 0, "interruptions": 0, "error": "", "finished_at": None}


@dataclass(frozen=True, slots=True)
class CommandResult:
    """State after a decision; `designing` is the revision that is on its way."""

    what: str  # for the execution log
    status: RoadmapStatus
    revision: int
    steps: list[Job]
    designing: int | None = None


def approve(owner_id: UUID, roadmap_id: UUID, revision: int | None) -> CommandResult:
    """Let the contents of the plan be written; with a number, only if that is still the current revision.

    Raises NotFound, Conflict.
    """
    with _account_locked(owner_id):
        row = transition(owner_id, roadmap_id, [RoadmapStatus.awaiting_review], "approved")
        _expect(row, revision)
        building = {"status": RoadmapStatus.building, "approved": True, "error": ""}
        told = completion.finish_if_last(
            events.record(row.id, EventType.approved, {"revision": row.revision}, **building)
        )
        return _decided(row, "Approved", told + pending_jobs(roadmap_id))


def revise(owner_id: UUID, roadmap_id: UUID, feedback: str) -> CommandResult:
    """Have the plan designed anew as the feedback says. Raises NotFound, Conflict."""
    with _account_locked(owner_id):
        row = transition(owner_id, roadmap_id, REVISABLE, "revised")
        _expect_plan(row)
        revision = revisions.open_(row, RevisionSource.feedback, feedback)
        queued = {**AFRESH, "status": RoadmapStatus.queued, "due_at": clock.now()}
        events.record(row.id, EventType.queued, {"revision": revision.number}, **queued)
        step = Job(JobName.plan_roadmap, roadmap_id)
        return _decided(row, "Asked for changes", [step], designing=revision.number)


def edit(
    owner_id: UUID, roadmap_id: UUID, operations: Sequence[Operation], base: int | None
) -> CommandResult:
    """Change the plan by operations; with a base, only if that is still the current revision.

    Raises NotFound, Conflict, and Invalid when the result would not hold together.
    """
    with _account_locked(owner_id):
        row = transition(owner_id, roadmap_id, EDITABLE, "edited")
        _expect_plan(row)
        _expect(row, base)
        before = current_outline(row)
        after = edits.apply(before, operations, removed_keys(roadmap_id))
        if after == before:
            raise _invalid(NOTHING)
        as_written = edits.kept_as_written(operations)
        steps = _adopt(row, after, RevisionSource.edit, row.revision, as_written=as_written)
        return _decided(row, "Edited", steps)


def restore(owner_id: UUID, roadmap_id: UUID, number: int) -> CommandResult:
    """Make an earlier revision the plan again, as a new one. Raises NotFound, Conflict."""
    with _account_locked(owner_id):
        row = transition(owner_id, roadmap_id, EDITABLE, "restored")
        outline = revisions.outline_of(row, number)
        if number == row.revision:
            raise Conflict(f"Revision {number} is the current one already.")
        return _decided(row, "Restored", _adopt(row, outline, RevisionSource.restore, number))


def cancel(owner_id: UUID, roadmap_id: UUID, among: Collection[str] = UNDER_WAY) -> CommandResult:
    """Stop what is queued and what runs; a worker that is at it notices with its next heartbeat, and saves nothing.

    A change of a plan that is cancelled leaves the plan as it was, and a wish for another version leaves the one that is
    there. Raises NotFound, and Conflict when its status is not `among` those.
    """
    with transaction():
        row = transition(owner_id, roadmap_id, among, "cancelled", **NOBODYS)
        revision = revisions.close_open(roadmap_id, RevisionStatus.cancelled, "It was cancelled.")
        if revision is not None and row.revision:
            events.record(row.id, EventType.revision_cancelled, {"revision": revision.number})
            told = restore_previous(roadmap_id, revision)
        else:
            nothing = _cancel_contents(roadmap_id) == 0 and row.revision > 0
            completion.save_counts(row)
            told = completion.finish(
                roadmap_id, completion.outcome(row) if nothing else RoadmapStatus.cancelled
            )
        return _decided(row, "Cancelled", told)


def retry(owner_id: UUID, roadmap_id: UUID) -> CommandResult:
    """Try everything again that failed or was cancelled: all parts, or the outline when there is none.

    Raises NotFound, Conflict.
    """
    ended = [RoadmapStatus.partial, RoadmapStatus.failed, RoadmapStatus.cancelled]
    with _account_locked(owner_id):
        row = transition(owner_id, roadmap_id, ended, "retried", **AFRESH, over_budget=False)
        if row.revision or row.title:
            undone = Content.status.in_((ContentStatus.failed, ContentStatus.cancelled))
            steps = _reopen(row, completion.parts(roadmap_id).where(undone))
            return _decided(row, "Retried", steps)
        revisions.next_number(row.id)  # is there room for another design?
        events.record(row.id, EventType.queued, {}, status=RoadmapStatus.queued, due_at=clock.now())
        return _decided(row, "Retried", [Job(JobName.plan_roadmap, roadmap_id)])


def retry_part(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, kind: ContentKind
) -> CommandResult:
    """Try one part again that failed or was cancelled, and no other. Raises NotFound, Conflict."""
    with _account_locked(owner_id):
        row = transition(
            owner_id,
            roadmap_id,
            (*ENDED, RoadmapStatus.building),
            "retried",
            **AFRESH,
            over_budget=False,
        )
        content = find_content(owner_id, roadmap_id, concept_id, kind)
        if content.status not in (ContentStatus.failed, ContentStatus.cancelled):
            raise Conflict(f"This {kind} has not failed: it is {content.status}.")
        steps = _reopen(row, Content.select().where(Content.id == content.id))
        return _decided(row, f"Retried a {kind}", steps)


def regenerate(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, kind: ContentKind, instruction: str
) -> CommandResult:
    """Have one part written anew; its versions so far stay, and the current one is shown until then.

    Raises NotFound, Conflict.
    """
    with _account_locked(owner_id):
        row = transition(
            owner_id,
            roadmap_id,
            (*ENDED, RoadmapStatus.building),
            "changed",
            **AFRESH,
            over_budget=False,
        )
        content = find_content(owner_id, roadmap_id, concept_id, kind)
        if content.status in OPEN:
            raise Conflict(f"This {kind} is being written already.")
        if newest_version(content.id) >= MOST_VERSIONS:
            raise Conflict(
                f"This {kind} has {MOST_VERSIONS} versions; that is as many as there may be."
            )
        chosen = Content.select().where(Content.id == content.id)
        steps = _reopen(row, chosen, instruction=instruction)
        return _decided(row, f"Asked for another {kind}", steps)


def upgrade(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, *, has_model: bool
) -> CommandResult:
    """Have those parts of a concept written anew that are from the built-in catalogue; these stay as earlier versions.

    Raises NotFound, Conflict.
    """
    with _account_locked(owner_id):
        row = transition(
            owner_id,
            roadmap_id,
            (*ENDED, RoadmapStatus.building),
            "changed",
            **AFRESH,
            over_budget=False,
        )
        contents = [find_content(owner_id, roadmap_id, concept_id, kind) for kind in ContentKind]
        if not has_model:
            raise Conflict(
                "There is only the built-in catalogue: set OPENAI_API_KEY to have this concept written by a model."
            )
        if any(content.status in OPEN for content in contents):
            raise Conflict("This concept is being written already.")
        its = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
        of = (Content.concept == concept_id) & (ContentVersion.generator == BUILT_IN)
        built_in = list(Content.select().join(ContentVersion, on=its).where(of))
        if not built_in:
            raise Conflict("Nothing of this concept is from the built-in catalogue any more.")
        ids = [content.id for content in built_in if newest_version(content.id) < MOST_VERSIONS]
        if not ids:
            raise Conflict(
                f"Each part has {MOST_VERSIONS} versions; that is as many as there may be."
            )
        steps = _reopen(row, Content.select().where(Content.id.in_(ids)))
        return _decided(row, "Asked a model for a concept", steps)


def replace_links(owner_id: UUID, roadmap_id: UUID, content_id: UUID) -> list[Job]:
    """Have resources written anew because an address of theirs is dead; as many versions as there may be stay as they are.

    Raises NotFound, Conflict.
    """
    with transaction():
        row = transition(
            owner_id, roadmap_id, (*ENDED, RoadmapStatus.building), "changed", **AFRESH
        )
        content = Content.get_by_id(content_id)
        if content.status in OPEN:
            raise Conflict("These resources are being written already.")
        if newest_version(content.id) >= MOST_VERSIONS:
            return []
        return _reopen(row, Content.select().where(Content.id == content.id))


def restore_version(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, kind: ContentKind, number: int
) -> CommandResult:
    """Show an earlier version of a part again. Versions never change; one that was written for what the concept was called
    before is copied as one that fits what it is now. Raises NotFound, Conflict.
    """
    with transaction():
        row = transition(owner_id, roadmap_id, EDITABLE, "changed")
        content = find_content(owner_id, roadmap_id, concept_id, kind)
        if content.status in OPEN:
            raise Conflict(f"This {kind} is being written. Wait until it is, or cancel that.")
        if number == content.version and content.status == ContentStatus.ready:
            raise Conflict(f"Version {number} is the current one already.")
        version = ContentVersion.get_or_none(
            ContentVersion.content == content.id, ContentVersion.version == number
        )
        if version is None:
            raise NotFound(f"There is no version {number} of this {kind}.")
        shown = taken_up(version, concept_id)
        ready = {"status": ContentStatus.ready, "version": shown, "error": "", "instruction": ""}
        Content.update(ready).where(Content.id == content.id).execute()
        if kind == ContentKind.quiz:
            review_cards.follow([concept_id])
        completion.save_counts(row)
        told = {
            "concept_id": str(concept_id),
            "kind": kind,
            "version": shown,
            **completion.progress(row),
        }
        events.record(row.id, EventType.content_restored, told)
        ended = row.status in ENDED  # the last event of what has ended is its end
        steps = completion.finish(row.id, completion.outcome(row)) if ended else []
        return _decided(row, f"Restored version {number} of a {kind}", steps)


def _adopt(
    row: Roadmap,
    outline: Outline,
    source: RevisionSource,
    base: int,
    *,
    as_written: frozenset[str] = frozenset(),
) -> list[Job]:
    """Make an outline that is there already the plan, if it holds together."""
    made = revisions.checked(
        outline.model_dump(mode="json"), accepted_request(row), clock.now().date()
    )
    if made.outline is None and source == RevisionSource.edit:
        raise _invalid(*made.problems[:20])
    if made.outline is None:
        raise Conflict(
            f"Revision {base} does not hold together by the rules of today: {' '.join(made.problems[:3])}"
        )
    revision = revisions.add(row, source, outline, base=base, remarks=made.problems)
    number = revision.number
    changed, opened = adopt_outline(
        row.id, outline, number, as_written=as_written, **AFRESH, status=_status(row)
    )
    told = {"revision": number, "title": outline.title, "contents": changed.contents_total}
    events.append(changed, EventType.revised, told)
    return start_building(changed) + _build(changed, opened)


def _reopen(row: Roadmap, contents: Any, *, instruction: str = "") -> list[Job]:
    """Have these contents written once more."""
    revisions.number_legacy_plan(row)
    ids = [content.id for content in contents]
    if not ids:
        raise Conflict("There is nothing to try again: no part has failed.")
    Content.update({**PENDING, "instruction": instruction, "due_at": clock.now()}).where(
        Content.id.in_(ids)
    ).execute()
    completion.save_counts(row)
    status = _status(row)
    changed = events.record(
        row.id, EventType.content_queued, {"contents": len(ids), "status": status}, status=status
    )
    return start_building(changed) + _build(changed, ids)


def _status(row: Roadmap) -> RoadmapStatus:
    """Of a roadmap of which something is to be written: what was approved once is built, the rest waits for approval."""
    return RoadmapStatus.awaiting_review if waits_for_review(row) else RoadmapStatus.building


def _build(row: Roadmap, contents: list[UUID]) -> list[Job]:
    """Only for what was opened now: the others have their messages already."""
    if row.status != RoadmapStatus.building:
        return []
    return [Job(JobName.build_content, content_id) for content_id in contents]


def _cancel_contents(roadmap_id: UUID) -> int:
    """What has a version that fits keeps that one; says how many others were cancelled."""
    open_ = (Content.roadmap == roadmap_id) & Content.status.in_(OPEN)
    ended = {**NOBODYS, "error": "", "instruction": ""}
    kept = fitting(open_)
    Content.update({**ended, "status": ContentStatus.ready}).where(Content.id.in_(kept)).execute()
    return int(Content.update({**ended, "status": ContentStatus.cancelled}).where(open_).execute())


def _expect(row: Roadmap, revision: int | None) -> None:
    if revision is not None and revision != row.revision:
        raise Conflict(
            f"Revision {revision} is not the current one any more; that is {row.revision}."
        )


def _expect_plan(row: Roadmap) -> None:
    if row.revision == 0 and not row.title:
        raise Conflict(
            "There is no outline that could be changed; retry the roadmap, or create it anew."
        )
    revisions.number_legacy_plan(row)


def _invalid(*rules: str) -> Invalid:
    fields = tuple(FieldError("/operations", rule) for rule in rules)
    return Invalid("The plan would not hold together; nothing was changed.", fields=fields)


@contextmanager
def _account_locked(owner_id: UUID) -> Iterator[None]:
    """Run a decision that may start work in a transaction; others of the account wait for its end."""
    with transaction():
        lock_account(owner_id)
        yield


def _decided(
    row: Roadmap, what: str, steps: list[Job], designing: int | None = None
) -> CommandResult:
    """Return the roadmap as it is at the end of the transaction; `row` is as it was before.

    Raises TooMany and Unavailable when work begins and there is no room for it.
    """
    now = Roadmap.get_by_id(row.id)
    if now.status in BEING_MADE and row.status not in BEING_MADE:
        create.take_room(row.owner_id, row.id)
    return CommandResult(what, RoadmapStatus(now.status), now.revision, steps, designing)
