"""Ends of a stage and of a roadmap: what the learner can do now."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from pydantic import Field

from core.json_types import LazyModel
from roadmap.learning.lesson_navigation import Course, CourseStep
from roadmap.plan.statuses import ConceptProgress
from roadmap.plan.views import (
    ConceptNode,
    RoadmapTree,
    StageNode,
    StageProject,
    TestState,
    concepts_of,
)

BEHIND = {ConceptProgress.done, ConceptProgress.skipped}


class StageEnd(LazyModel):
    """Result of a stage; skipped concepts do not count."""

    title: str = Field(description="Title.")
    minutes: int = Field(description="Minutes spent on its concepts that are done.")
    outcomes_learned: list[str] = Field(description="Outcomes of its concepts that are learned.")
    outcomes_done: list[str] = Field(
        description="Outcomes of its concepts that are done and not learned."
    )


class Completion(LazyModel):
    """Results of a roadmap so far; skipped concepts have no hours."""

    begun_on: date = Field(description="First day.")
    ended_on: date | None = Field(description="Day of the last concept; null: some are open.")
    minutes: int = Field(description="Minutes spent on the concepts that are done.")
    done: int = Field(description="Concepts that are done.")
    learned: int = Field(description="Of those, concepts that are learned.")
    skipped: int = Field(description="Concepts that were skipped.")
    total: int = Field(description="All concepts.")
    stages: list[StageEnd] = Field(description="Stages with a concept that is done, in order.")
    projects: list[StageProject] = Field([], description="Projects that are done, with judges.")
    test: TestState | None = Field(
        None, description="Mixed test 60 days after the last concept; null: some are open."
    )


def is_over(concepts: Sequence[ConceptNode | CourseStep]) -> bool:
    """Whether all of them are done or skipped, and at least one is done."""
    found = {each.progress for each in concepts}
    return ConceptProgress.done in found and found <= BEHIND


def ended_stage(course: Course, concept_id: UUID) -> int:
    """Return the number of the concept's stage if it is over, and else 0."""
    stages = list(dict.fromkeys(step.stage_id for step in course.steps))
    stage_id = next((step.stage_id for step in course.steps if step.id == concept_id), None)
    if stage_id is None or not is_over(
        [step for step in course.steps if step.stage_id == stage_id]
    ):
        return 0
    return stages.index(stage_id) + 1


def stage_end(stage: StageNode) -> StageEnd:
    done = [each for each in stage.concepts if each.progress == ConceptProgress.done]
    return StageEnd(
        title=stage.title,
        minutes=sum(each.spent_minutes for each in done),
        outcomes_learned=[text for each in done if each.is_learned for text in each.outcomes],
        outcomes_done=[text for each in done if not each.is_learned for text in each.outcomes],
    )


def completion_of(tree: RoadmapTree) -> Completion:
    concepts = concepts_of(tree)
    days = [each.progress_at.date() for each in concepts if each.progress_at is not None]
    ends = [stage_end(stage) for stage in tree.stages]
    return Completion(
        begun_on=min([tree.begins_on, *days]),
        ended_on=max([tree.begins_on, *days]) if is_over(concepts) else None,
        minutes=sum(end.minutes for end in ends),
        done=tree.learned.done,
        learned=tree.learned.learned,
        skipped=tree.learned.skipped,
        total=tree.learned.total,
        stages=[
            end
            for end, stage in zip(ends, tree.stages, strict=True)
            if any(each.progress == ConceptProgress.done for each in stage.concepts)
        ],
        projects=[each.project for each in tree.stages if each.project and each.project.done_at],
        test=tree.test,
    )
