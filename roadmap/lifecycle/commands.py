"""Commands on a roadmap: answer, approve, revise, edit, restore, cancel, retry and others.

Each is one transaction that first takes the roadmap's row if its status allows the command, so that
the second of two at once sees what the first has done. It returns the new state of the roadmap and
the jobs that follow.

A command that may start work locks the account's row before that, and raises RateLimited or
Unavailable when the limits leave no room for one more roadmap (`create.take_room`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core import clock
from core.db import session, transaction
from core.errors import Conflict, FieldError, Invalid, RoadmapError, required
from core.ids import new_id
from models.roadmaps import Concept, Content, ContentVersion, Roadmap
from roadmap.accounts.access import transition
from roadmap.accounts.locks import lock_account
from roadmap.generation.context import BUILT_IN
from roadmap.learning import reviews
from roadmap.lifecycle import events, revisions
from roadmap.lifecycle.content_versions import find_content, read_content
from roadmap.lifecycle.making import completion, create
from roadmap.lifecycle.making.activate_plan import (
    adopt_outline,
    finish_or_ask_review,
    pending_jobs,
    restore_previous,
    waits_for_review,
)
from roadmap.lifecycle.plan_rows import (
    IS_CURRENT,
    MOST_VERSIONS,
    PENDING,
    add_version,
    contents_that_fit,
    current_outline,
    due,
    fitting_version,
    leave_to_person,
    newest_version,
    open_due,
    ready,
    removed_keys,
    subject,
)
from roadmap.plan import edits
from roadmap.plan.match import CourseScope
from roadmap.plan.outline import (
    BY_HAND,
    Analysis,
    ContentKind,
    Contents,
    Outline,
)
from roadmap.plan.schemas import ChosenAnswer, accepted_request
from roadmap.plan.statuses import (
    BEING_MADE,
    FINAL,
    NO_LEASE,
    OPEN,
    ContentStatus,
    EventType,
    Job,
    JobName,
    RevisionSource,
    RevisionStatus,
    RoadmapStatus,
)

ENDED = tuple(FINAL)
UNDONE = (ContentStatus.failed, ContentStatus.cancelled)
UNDER_WAY = (
    RoadmapStatus.queued,
    RoadmapStatus.planning,
    RoadmapStatus.awaiting_answers,
    RoadmapStatus.awaiting_review,
    RoadmapStatus.building,
)
REVISABLE = (*ENDED, RoadmapStatus.awaiting_review)
EDITABLE = (*REVISABLE, RoadmapStatus.building)
REOPENABLE = (*ENDED, RoadmapStatus.building)
GOING_ON = (RoadmapStatus.building, RoadmapStatus.ready, RoadmapStatus.partial)
NOTHING = "these change nothing"
AFRESH: dict[str, Any] = {"attempts": 0, "interruptions": 0, "error": "", "finished_at": None}


@dataclass(frozen=True, slots=True)
class CommandResult:
    """State after a command; `designing` is the revision that is being designed."""

    what: str  # for the execution log
    status: RoadmapStatus
    revision: int
    steps: list[Job]
    designing: int | None = None


def answer(
    owner_id: UUID,
    roadmap_id: UUID,
    answers: Sequence[ChosenAnswer],
    scope: CourseScope | None = None,
) -> CommandResult:
    """Plan with the answers to the questions, or the course of a scope that the match offers.

    Without either, on the assumptions of the analysis. Raises NotFound, Conflict, Invalid.
    """
    with _locked(owner_id, roadmap_id, [RoadmapStatus.awaiting_answers], "answered") as row:
        questions = Analysis.model_validate(row.analysis).questions
        if answers and len(answers) != len(questions):
            raise _unanswerable("/answers", f"should have {len(questions)} items, one a question")
        chosen = []
        for number, (asked, given) in enumerate(zip(questions, answers, strict=False)):
            text, choice = given.text, given.choice
            if choice is not None and choice >= len(asked.suggestions):
                raise _unanswerable(f"/answers/{number}/choice", "is not the index of a suggestion")
            if not text and choice is not None:
                text = asked.suggestions[choice]
            if text:
                chosen.append({"question": asked.question, "answer": text})
        offered = [each["scope"] for each in (row.goal_match or {"choices": []})["choices"]]
        if scope is not None and scope not in offered:
            raise _unanswerable("/scope", f"should be one of: {', '.join(offered) or 'none'}")
        events.bump_and_append(
            row.id,
            EventType.answered,
            {"answers": len(chosen)},
            **AFRESH,
            status=RoadmapStatus.queued,
            due_at=clock.now(),
            answers=chosen,
            scope=scope or row.scope,
            # With answers it is made again.
            analysis=None if chosen or scope else {**row.analysis, "questions": []},
        )
        return _result(row, "Answered", [Job(JobName.plan_roadmap, roadmap_id)])


def approve(owner_id: UUID, roadmap_id: UUID, revision: int | None) -> CommandResult:
    """Start writing the contents of the plan; with a number, only of that revision.

    Raises NotFound, Conflict.
    """
    with _locked(owner_id, roadmap_id, [RoadmapStatus.awaiting_review], "approved") as row:
        _expect(row, revision)
        changed = events.bump_and_append(
            row.id,
            EventType.approved,
            {"revision": row.revision},
            status=RoadmapStatus.building,
            approved=True,
            error="",
        )
        return _result(
            row, "Approved", completion.finish_if_last(changed) + pending_jobs(roadmap_id)
        )


def revise(owner_id: UUID, roadmap_id: UUID, feedback: str) -> CommandResult:
    """Have the plan designed again as the feedback says. Raises NotFound, Conflict."""
    with _locked(owner_id, roadmap_id, REVISABLE, "revised") as row:
        _expect_plan(row)
        revision = revisions.open_(row, RevisionSource.feedback, feedback)
        events.bump_and_append(
            row.id,
            EventType.queued,
            {"revision": revision.number},
            **AFRESH,
            status=RoadmapStatus.queued,
            due_at=clock.now(),
        )
        return _result(
            row,
            "Asked for changes",
            [Job(JobName.plan_roadmap, roadmap_id)],
            designing=revision.number,
        )


def edit(
    owner_id: UUID, roadmap_id: UUID, operations: Sequence[edits.Operation], base: int | None
) -> CommandResult:
    """Change the plan by operations; with a base, only that revision.

    Raises NotFound, Conflict, and Invalid when the result would break the rules of a plan.
    """
    with _locked(owner_id, roadmap_id, EDITABLE, "edited") as row:
        _expect_plan(row)
        _expect(row, base)
        before = current_outline(row)
        after = edits.apply(before, operations, removed_keys(roadmap_id))
        if after == before:
            raise _invalid(NOTHING)
        return _result(
            row,
            "Edited",
            _adopt(
                row,
                after,
                RevisionSource.edit,
                row.revision,
                as_written=edits.kept_as_written(operations),
                named=edits.changes_of(operations, before, after),
            ),
        )


def restore(
    owner_id: UUID, roadmap_id: UUID, number: int, base: int | None = None
) -> CommandResult:
    """Make an earlier revision the plan, as a new one; with a base, only instead of that one.

    Raises NotFound, Conflict.
    """
    with _locked(owner_id, roadmap_id, EDITABLE, "restored") as row:
        _expect(row, base)
        outline = revisions.outline_of(row, number)
        if number == row.revision:
            raise Conflict(f"Revision {number} is already the current one.")
        return _result(row, "Restored", _adopt(row, outline, RevisionSource.restore, number))


@transaction()
def cancel(owner_id: UUID, roadmap_id: UUID, among: Collection[str] = UNDER_WAY) -> CommandResult:
    """Stop queued and running work; its worker notices with its next heartbeat.

    The worker then saves nothing. A plan whose change is cancelled stays as it was, and so does a
    part of which another version was asked for. Raises NotFound, and Conflict when the status is
    not `among` those.
    """
    row = transition(owner_id, roadmap_id, among, "cancelled", **NO_LEASE)
    revision = revisions.close_open(roadmap_id, RevisionStatus.cancelled, "It was cancelled.")
    if revision is not None and row.revision:
        events.bump_and_append(row.id, EventType.revision_cancelled, {"revision": revision.number})
        return _result(row, "Cancelled", restore_previous(roadmap_id, revision))
    # A part whose current version fits keeps that one.
    open_ = (Content.roadmap == roadmap_id) & Content.status.in_(OPEN)
    ended = {**NO_LEASE, "error": "", "instruction": "", "status": ContentStatus.ready}
    Content.update(ended).where(Content.id.in_(contents_that_fit(open_))).execute()
    cancelled = {**ended, "status": ContentStatus.cancelled}
    is_all_kept = Content.update(cancelled).where(open_).execute() == 0 and row.revision > 0
    completion.save_counts(row)
    status = completion.outcome(row) if is_all_kept else RoadmapStatus.cancelled
    return _result(row, "Cancelled", completion.finish(roadmap_id, status))


def retry(owner_id: UUID, roadmap_id: UUID) -> CommandResult:
    """Retry all parts that failed or were cancelled, or the outline if there is none.

    Raises NotFound, Conflict.
    """
    ended = FINAL - {RoadmapStatus.ready}
    with _locked(owner_id, roadmap_id, ended, "retried", **AFRESH, over_budget=False) as row:
        if row.revision or row.title:
            undone = completion.parts(roadmap_id).where(Content.status.in_(UNDONE))
            return _result(row, "Retried", _reopen(row, undone))
        revisions.next_number(row.id)  # raises Conflict when there are too many
        events.bump_and_append(
            row.id, EventType.queued, {}, status=RoadmapStatus.queued, due_at=clock.now()
        )
        return _result(row, "Retried", [Job(JobName.plan_roadmap, roadmap_id)])


def retry_part(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, kind: ContentKind
) -> CommandResult:
    """Retry one part that failed or was cancelled. Raises NotFound, Conflict."""
    with _locked(owner_id, roadmap_id, REOPENABLE, "retried", **AFRESH, over_budget=False) as row:
        content = find_content(owner_id, roadmap_id, concept_id, kind)
        if content.status not in UNDONE:
            raise Conflict(f"This {kind} cannot be retried: its status is {content.status}.")
        return _result(row, f"Retried a {kind}", _reopen(row, [content]))


def regenerate(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, kind: ContentKind, instruction: str
) -> CommandResult:
    """Have one part written again; the current version is shown until then.

    Raises NotFound, Conflict.
    """
    with _locked(owner_id, roadmap_id, REOPENABLE, "changed", **AFRESH, over_budget=False) as row:
        content = find_content(owner_id, roadmap_id, concept_id, kind)
        if content.status in OPEN:
            raise Conflict(f"This {kind} is already being written. Wait until it is ready.")
        if newest_version(content.id) >= MOST_VERSIONS:
            raise Conflict(f"The maximum of {MOST_VERSIONS} versions is reached for this {kind}.")
        return _result(
            row, f"Asked for another {kind}", _reopen(row, [content], instruction=instruction)
        )


def upgrade(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, *, has_model: bool
) -> CommandResult:
    """Have the parts of a concept that are from the built-in catalogue written again.

    Their versions stay as earlier ones.

    Raises NotFound, Conflict.
    """
    with _locked(owner_id, roadmap_id, REOPENABLE, "changed", **AFRESH, over_budget=False) as row:
        contents = [find_content(owner_id, roadmap_id, concept_id, kind) for kind in ContentKind]
        if not has_model:
            raise Conflict(
                "No model is configured. Set OPENAI_API_KEY to have this concept written "
                "by a model."
            )
        if any(content.status in OPEN for content in contents):
            raise Conflict("This concept is already being written. Wait until it is ready.")
        built_in = list(
            Content.select()
            .join(ContentVersion, on=IS_CURRENT)
            .where(Content.concept == concept_id, ContentVersion.generator == BUILT_IN)
        )
        if not built_in:
            raise Conflict("No part of this concept is from the built-in catalogue.")
        chosen = [content for content in built_in if newest_version(content.id) < MOST_VERSIONS]
        if not chosen:
            raise Conflict(f"The maximum of {MOST_VERSIONS} versions is reached for each part.")
        return _result(row, "Asked a model for a concept", _reopen(row, chosen))


def write_ahead(owner_id: UUID, roadmap_id: UUID) -> CommandResult | None:
    """Have lessons written that progress has made due; None if there are none.

    Without room or budget for them they wait for the next progress.
    """
    with session():
        if all(due(roadmap_id).values()):
            return None
    with (
        suppress(RoadmapError),
        _locked(owner_id, roadmap_id, GOING_ON, "continued", **AFRESH) as row,
    ):
        if row.over_budget:
            raise Conflict("The budget is spent.")
        opened = Content.select().where(Content.id.in_(open_due(roadmap_id)))
        return _result(row, "Came to lessons that were not written", _reopen(row, opened))
    return None


@transaction()
def replace_links(owner_id: UUID, roadmap_id: UUID, content_id: UUID) -> list[Job]:
    """Have resources with a dead URL written again, within the limit of versions.

    Raises NotFound, Conflict.
    """
    row = transition(owner_id, roadmap_id, REOPENABLE, "changed", **AFRESH)
    content = Content.get_by_id(content_id)
    if content.status in OPEN:
        raise Conflict("These resources are already being written. Wait until they are ready.")
    if newest_version(content.id) >= MOST_VERSIONS:
        return []
    return _reopen(row, [content])


@transaction()
def restore_version(
    owner_id: UUID,
    roadmap_id: UUID,
    concept_id: UUID,
    kind: ContentKind,
    number: int,
    *,
    event: EventType = EventType.content_restored,
) -> CommandResult:
    """Show an earlier version of a part again.

    Versions never change; one that was written for another state of the concept is copied as one
    that fits the current state. Raises NotFound, Conflict.
    """
    row = transition(owner_id, roadmap_id, EDITABLE, "changed")
    content = find_content(owner_id, roadmap_id, concept_id, kind)
    if content.status in OPEN:
        raise Conflict(
            f"This {kind} is being written. Wait until it is ready, or cancel the roadmap."
        )
    if number == content.version and content.status == ContentStatus.ready:
        raise Conflict(f"Version {number} is already the current one.")
    version = required(
        ContentVersion.get_or_none(
            ContentVersion.content == content.id, ContentVersion.version == number
        ),
        f"Version {number} of this {kind} does not exist.",
    )
    shown = fitting_version(version, concept_id)
    Content.update(ready(shown)).where(Content.id == content.id).execute()
    if kind == ContentKind.quiz:
        reviews.follow([concept_id])
    completion.save_counts(row)
    events.bump_and_append(
        row.id,
        event,
        {
            "concept_id": str(concept_id),
            "kind": kind,
            "version": shown,
            **completion.progress(row),
        },
    )
    # The last event of a finished roadmap is its end.
    jobs = completion.finish(row.id, completion.outcome(row)) if row.status in ENDED else []
    return _result(row, f"Restored version {number} of a {kind}", jobs)


@transaction()
def write(
    owner_id: UUID, roadmap_id: UUID, concept_id: UUID, bodies: Mapping[ContentKind, Contents]
) -> CommandResult:
    """Show parts that the person has written, as new versions unless they are the same.

    Raises NotFound, Conflict.
    """
    row = transition(owner_id, roadmap_id, EDITABLE, "changed")
    concept = required(
        Concept.get_or_none(
            Concept.id == concept_id, Concept.roadmap == roadmap_id, ~Concept.removed
        ),
        "This concept does not exist in this roadmap.",
    )
    steps: list[Job] = []
    for kind, body in bodies.items():
        content, _ = Content.get_or_create(
            concept=concept_id,
            kind=kind,
            defaults={
                "id": new_id(),
                "roadmap": roadmap_id,
                "status": ContentStatus.ready,
                "due_at": clock.now(),
            },
        )
        if newest_version(content.id) >= MOST_VERSIONS:
            raise Conflict(f"The maximum of {MOST_VERSIONS} versions is reached for this {kind}.")
        if read_content(content) != body:
            number = add_version(
                {
                    "content": content.id,
                    "body": body.model_dump(mode="json"),
                    "generator": BY_HAND,
                    "subject": subject(concept),
                }
            )
            steps += restore_version(
                owner_id, roadmap_id, concept_id, kind, number, event=EventType.content_ready
            ).steps
    return _result(row, "Wrote contents by hand", steps)


def _adopt(
    row: Roadmap,
    outline: Outline,
    source: RevisionSource,
    base: int,
    *,
    as_written: frozenset[str] = frozenset(),
    named: Sequence[Mapping[str, str]] = (),
) -> list[Job]:
    """Make an existing outline the plan, if it keeps to the rules."""
    found = revisions.check_outline(
        outline.model_dump(mode="json"), accepted_request(row), clock.now().date()
    )
    if found.outline is None and source == RevisionSource.edit:
        raise _invalid(*found.problems[:20])
    if found.outline is None:
        raise Conflict(
            f"Revision {base} does not follow the current rules for plans: "
            f"{' '.join(found.problems[:3])}"
        )
    number = revisions.add(
        row, source, outline, base=base, remarks=found.problems, named=named
    ).number
    changed, opened = adopt_outline(
        row.id, outline, number, as_written=as_written, **AFRESH, status=_open_status(row)
    )
    events.append(
        changed,
        EventType.revised,
        {"revision": number, "title": outline.title, "contents": changed.contents_total},
    )
    return finish_or_ask_review(changed) + _build_jobs(changed, opened)


def _reopen(row: Roadmap, contents: Iterable[Content], *, instruction: str = "") -> list[Job]:
    """Have these contents written once more."""
    ids = [content.id for content in contents]
    if not ids:
        raise Conflict("There is nothing to retry: no part has failed.")
    Content.update({**PENDING, "instruction": instruction, "due_at": clock.now()}).where(
        Content.id.in_(ids)
    ).execute()
    leave_to_person(row.id)
    completion.save_counts(row)
    status = _open_status(row)
    changed = events.bump_and_append(
        row.id, EventType.content_queued, {"contents": len(ids), "status": status}, status=status
    )
    return finish_or_ask_review(changed) + _build_jobs(changed, ids)


def _open_status(row: Roadmap) -> RoadmapStatus:
    """Return the status of a roadmap with open parts: building, or waiting for review."""
    return RoadmapStatus.awaiting_review if waits_for_review(row) else RoadmapStatus.building


def _build_jobs(row: Roadmap, contents: list[UUID]) -> list[Job]:
    """Return jobs for contents that were just opened: the others have their messages."""
    opened = set(contents)
    return [job for job in pending_jobs(row.id) if job.id in opened]


def _expect(row: Roadmap, revision: int | None) -> None:
    if revision is not None and revision != row.revision:
        raise Conflict(
            f"Revision {revision} is no longer the current one. Read revision "
            f"{row.revision}, then try again."
        )


def _expect_plan(row: Roadmap) -> None:
    if row.revision == 0:
        raise Conflict(
            "The roadmap has no outline to change. Retry the roadmap, or create a new one."
        )


def _unanswerable(pointer: str, rule: str) -> Invalid:
    return Invalid("Some fields are not valid.", fields=(FieldError(pointer, rule),))


def _invalid(*rules: str) -> Invalid:
    return Invalid(
        "The plan would not be consistent. Nothing was changed.",
        fields=tuple(FieldError("/operations", rule) for rule in rules),
    )


@contextmanager
def _locked(
    owner_id: UUID, roadmap_id: UUID, among: Collection[str], verb: str, **changes: object
) -> Iterator[Roadmap]:
    """Transaction for a command that may start work, with the row of the roadmap.

    Locks the account's row first, so that others of the account wait for its end. Raises NotFound,
    and Conflict when the status is not `among` those.
    """
    with transaction():
        lock_account(owner_id)
        yield transition(owner_id, roadmap_id, among, verb, **changes)


def _result(
    row: Roadmap, what: str, steps: list[Job], designing: int | None = None
) -> CommandResult:
    """Return the roadmap as it is at the end of the transaction; `row` is as before.

    Raises RateLimited and Unavailable when work begins and there is no room for it.
    """
    now = Roadmap.get_by_id(row.id)
    if now.status in BEING_MADE and row.status not in BEING_MADE:
        create.take_room(row.owner_id, row.id)
    return CommandResult(what, RoadmapStatus(now.status), now.revision, steps, designing)
