"""Placement: a short quiz of a plan's own questions that proposes which concepts to skip.

The client sends the results so far, and the next question and the proposal follow from them, the
plan and a seed. The row of the roadmap keeps the last ones, so that the placement can be continued.
In a whole plan it asks once about a concept: first in the middle of those whose difficulty fits the
level, then later after a right answer and earlier after a wrong one. To test out of a module, it
asks about each of its concepts, twice if there is room.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from core.db import snapshot, transaction
from core.errors import Conflict, NotFound
from core.json_types import WHOLE, LazyModel
from models.roadmaps import Concept, Content, Module, Roadmap, Stage
from roadmap.accounts.access import get_owned, lock_owned
from roadmap.accounts.locks import lock_account
from roadmap.learning import reviews
from roadmap.learning.grading import Answer, grade_one
from roadmap.learning.progress import set_progress
from roadmap.learning.today import OPEN
from roadmap.plan.outline import ContentKind, Level, Question, Seed, shuffled
from roadmap.plan.schemas import Number, ProgressRequest
from roadmap.plan.statuses import ConceptProgress
from roadmap.plan.validation import MOST_CONCEPTS
from roadmap.plan.views import QuizQuestion, as_asked

MOST, LEAST = 15, 10  # questions; fewer than LEAST only if nothing is left to find out
MIDDLE = {Level.beginner: 2, Level.intermediate: 3, Level.advanced: 4}  # difficulty, by level
RESULTS = r"^([0-9]{1,3}[rw](\.[0-9]{1,3}[rw]){0,14})?$"
Result = tuple[int, bool]  # position of a concept in the plan, and whether the answer was right
Revision = Annotated[int, Field(ge=0, le=1_000_000), WHOLE]


class PlacementRequest(LazyModel, frozen=True, extra="forbid"):
    """State of a placement, as in the last response, and the answer to its question."""

    revision: Revision | None = Field(None, description="As in the last response; null: begin.")
    seed: Seed | None = Field(
        None,
        description="As in the last response, or another one to start over; null: continue what "
        "was left, or begin with a new one.",
    )
    module_id: UUID | None = Field(
        None, description="Test out of this module; null: the whole plan."
    )
    results: Annotated[str, Field(pattern=RESULTS)] = Field(
        "", description="As in the last response; empty: begin."
    )
    concept_id: UUID | None = Field(None, description="As in the question; null: no answer yet.")
    version: Number | None = Field(None, description="As in the question.")
    chosen: Answer = Field(
        (),
        description="Indexes of the chosen options, of all lines in order, or a typed text; empty: "
        "not known.",
    )


class PlacementQuestion(LazyModel):
    """A question without its answers. Send `concept_id` and `version` with the answer."""

    concept_id: UUID
    version: int = Field(description="Version of the quiz.")
    question: QuizQuestion = Field(description="The question, as in the quiz.")


class ProposedSkip(LazyModel):
    """A concept that the learner seems to know."""

    concept_id: UUID
    hours: int = Field(description="Hours of study.")
    shown_by: UUID = Field(
        description="The concept whose right answer shows it: itself, or one that builds on it."
    )


class Placement(LazyModel):
    """State of a placement, with the next question or the proposal."""

    revision: int = Field(description="Number of the plan. Send it with the answer.")
    seed: int = Field(description="Seed of the questions. Send it with the answer.")
    results: str = Field(
        description="Results so far: positions of concepts, right or wrong. Send them as well.",
        examples=["15r.22w"],
    )
    most: int = Field(description="Highest number of questions; there may be fewer.")
    question: PlacementQuestion | None = Field(
        description="The next question; null: the placement is over."
    )
    proposed: list[ProposedSkip] = Field(
        description="Concepts to skip, by the answers so far, for the learner to confirm."
    )


class SkipRequest(LazyModel, frozen=True, extra="forbid"):
    """The concepts of a proposal that the learner confirms."""

    revision: Revision | None = Field(
        None, description="As in the placement; null: whatever it is now."
    )
    concept_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=MOST_CONCEPTS)] = Field(
        description="The confirmed concepts. Those that are done, skipped or without a quiz stay "
        "as they are."
    )
    progress: Literal[ConceptProgress.skipped, ConceptProgress.done] = Field(
        ConceptProgress.skipped, description="`done`: their questions come back for review."
    )


class SkippedConcepts(LazyModel):
    """The concepts whose progress has changed."""

    concept_ids: list[UUID] = Field(description="IDs of the concepts.")


@dataclass(frozen=True, slots=True)
class PlannedConcept:
    """A concept in the order of learning. `before` has the positions of all that it builds on."""

    id: UUID
    hours: int
    before: frozenset[int]
    is_asked: bool
    difficulty: int = 3


def place(owner_id: UUID, roadmap_id: UUID, request: PlacementRequest) -> Placement:
    """Return the next question and the proposal; an answer is kept, until there is a proposal.

    Raises NotFound, Invalid, and Conflict when the plan or the answered question has changed.
    """
    with transaction() if request.concept_id else snapshot():
        row = _checked(owner_id, roadmap_id, request.revision)
        scope = [row.revision, request.module_id and str(request.module_id)]
        left_off = None if request.results or request.seed is not None else row.placement
        if left_off and left_off["scope"] == scope:
            request = request.model_copy(update=left_off["state"])
        seed = secrets.randbelow(2**32) if request.seed is None else request.seed
        plan = _planned_concepts(roadmap_id, request.module_id)
        results = [
            (int(at), mark == "r")
            for at, mark in re.findall("([0-9]{1,3})([rw])", request.results)
            if int(at) < len(plan)
        ]
        if request.concept_id is not None and len(results) < MOST:
            results.append(_graded(plan, results, seed, request))
        count = sum(concept.is_asked for concept in plan)
        each = 2 if request.module_id and 2 * count <= MOST else 1
        choose = (
            partial(in_order, each=each)
            if request.module_id
            else partial(adaptive, middle=MIDDLE[row.level])
        )
        asked, left = None, [*plan]
        while len(results) < MOST and (at := choose(left, results)) is not None:
            if (asked := _question(plan[at].id, at, results, seed)) is not None:
                break
            left[at] = replace(plan[at], is_asked=False)
        so_far = ".".join(f"{at}{'r' if right else 'w'}" for at, right in results)
        if request.concept_id is not None:
            row.placement = {"scope": scope, "state": {"seed": seed, "results": so_far}}
            row.save()
    return Placement(
        revision=row.revision,
        seed=seed,
        results=so_far,
        most=min(each * count, MOST),
        question=asked and asked[1],
        proposed=[
            ProposedSkip(concept_id=plan[at].id, hours=plan[at].hours, shown_by=plan[by].id)
            for at, by in known(plan, results).items()
            if plan[at].is_asked
        ],
    )


@transaction()
def skip(owner_id: UUID, roadmap_id: UUID, request: SkipRequest) -> SkippedConcepts:
    """Set the progress of concepts together. Raises NotFound, and Conflict for another plan."""
    lock_account(owner_id)
    lock_owned(owner_id, roadmap_id)
    _checked(owner_id, roadmap_id, request.revision)
    changed = [
        concept.id
        for concept in _planned_concepts(roadmap_id, None)
        if concept.is_asked and concept.id in request.concept_ids
    ]
    Roadmap.update(placement=None).where(Roadmap.id == roadmap_id).execute()
    for each in changed:  # what was known took no time
        wanted = ProgressRequest(progress=request.progress)
        set_progress(owner_id, roadmap_id, each, wanted, takes_time=False)
    return SkippedConcepts(concept_ids=changed)


def known(plan: Sequence[PlannedConcept], results: Sequence[Result]) -> dict[int, int]:
    """Return the positions of concepts that seem known, each with that of the one that shows it.

    All answers about the concept were right, or if there were none, all about those that build on
    it. No answer about anything that it builds on was wrong: then the right one may be a guess.
    """
    answered = sorted({at for at, _ in results})
    wrong = {at for at, right in results if not right}
    shown = {}
    for at, concept in enumerate(plan):
        by = [at] if at in answered else [later for later in answered if at in plan[later].before]
        if by and not wrong & {*by, *concept.before}:
            shown[at] = by[0]
    return shown


def adaptive(
    plan: Sequence[PlannedConcept], results: Sequence[Result], middle: int = 3
) -> int | None:
    """Return the position of the concept to ask about next in a whole plan; None: it is over.

    The first one has a difficulty near the `middle` of the level, rather below than above.
    Concepts that build on something unknown are not asked about, and those that seem known only to
    come to LEAST questions.
    """
    answered = {at for at, _ in results}
    wrong = {at for at, right in results if not right}
    shown = known(plan, results)
    open_ = [
        at
        for at, concept in enumerate(plan)
        if concept.is_asked and at not in answered and not wrong & concept.before
    ]
    pool = [at for at in open_ if at not in shown] or (open_ if len(results) < LEAST else [])
    if results:
        last, was_right = results[-1]
        pool = [at for at in pool if (at > last) == was_right] or pool
    elif pool:
        far = [(abs(plan[at].difficulty - middle), plan[at].difficulty) for at in pool]
        pool = [at for at, each in zip(pool, far, strict=True) if each == min(far)]
    return pool[len(pool) // 2] if pool else None


def in_order(plan: Sequence[PlannedConcept], results: Sequence[Result], each: int) -> int | None:
    """Return the position of the first concept with fewer answers than `each`; None: it is over."""
    asked = [at for at, _ in results]
    return next(
        (at for at, concept in enumerate(plan) if concept.is_asked and asked.count(at) < each), None
    )


def _checked(owner_id: UUID, roadmap_id: UUID, wanted: int | None) -> Roadmap:
    """Return the roadmap. Raises NotFound, and Conflict if another revision is wanted."""
    row = get_owned(owner_id, roadmap_id)
    if wanted not in (None, row.revision):
        raise Conflict(
            f"The plan now has revision {row.revision}, not {wanted}. Begin the placement again."
        )
    return row


def _planned_concepts(roadmap_id: UUID, module_id: UUID | None) -> list[PlannedConcept]:
    """Return all concepts; those of other modules are not asked. Raises NotFound."""
    written = Content.select(Content.concept).where(
        Content.roadmap == roadmap_id, Content.kind == ContentKind.quiz, Content.version > 0
    )
    may_skip = Concept.progress.in_(OPEN) & Concept.id.in_(written)
    rows = (
        Concept.select(
            *(Concept.id, Concept.hours, Concept.module, Concept.prerequisites),
            *(Concept.difficulty, may_skip),
        )
        .join(Module)
        .join(Stage)
        .where(Concept.roadmap == roadmap_id, ~Concept.removed)
        .order_by(Stage.position, Module.position, Concept.position)
    )
    position, plan, modules = dict[str, int](), list[PlannedConcept](), {None}
    for id_, hours, its_module, prerequisites, difficulty, is_asked in rows.tuples():
        needs = [position[each] for each in prerequisites if each in position]
        before = frozenset(needs).union(*(plan[at].before for at in needs))
        is_here = bool(is_asked) and module_id in (None, its_module)
        position[str(id_)] = len(plan)
        plan.append(PlannedConcept(id_, hours, before, is_here, difficulty))
        modules.add(its_module)
    if module_id not in modules:
        raise NotFound("This module does not exist in this roadmap.")
    return plan


def _graded(
    plan: Sequence[PlannedConcept], results: Sequence[Result], seed: int, request: PlacementRequest
) -> Result:
    """Return the result of the answer. Raises Invalid, and Conflict. Needs a session."""
    for at, concept in enumerate(plan):
        if concept.is_asked and concept.id == request.concept_id:
            found = _question(concept.id, at, results, seed)
            if found is not None and found[1].version == request.version:
                return at, grade_one(0, found[0], request.chosen).is_right
    raise Conflict("This question has changed or is gone. Read the next one without an answer.")


def _question(
    concept_id: UUID, at: int, results: Sequence[Result], seed: int
) -> tuple[Question, PlacementQuestion] | None:
    """Return the next question about a concept, with its answers and without. Needs a session.

    Those about numbers of the tutorial are left out.
    """
    if (current := reviews.current_quiz(concept_id)) is None:
        return None
    version, quiz = current
    usable = [each for each in enumerate(quiz.questions) if not each[1].needs_tutorial]
    order = shuffled([str(number) for number, _ in usable], seed, at)
    for index in order[sum(asked == at for asked, _ in results) :]:
        number, question = usable[index]
        asked = as_asked(number, question).model_copy(update={"seed": seed})
        return question, PlacementQuestion(concept_id=concept_id, version=version, question=asked)
    return None
