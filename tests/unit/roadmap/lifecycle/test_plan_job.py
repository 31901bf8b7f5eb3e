"""The job that designs a plan."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import session, settings, transaction
from models.roadmaps import Concept, Content, ContentVersion, Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.catalogue.generator import NO_TRACK, CatalogueGenerator
from roadmap.generation.context import (
    UPGRADE_PAUSE,
    GeneratorFault,
    InvalidOutline,
    RetryLater,
    UsageMeter,
)
from roadmap.lifecycle import events, revisions
from roadmap.lifecycle.making import plan_job
from roadmap.lifecycle.making.attempts import UPGRADE
from roadmap.lifecycle.making.content_job import build_content
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.lifecycle.reading import queries
from roadmap.plan.outline import Analysis, ContentKind, Outline
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import Job, JobName
from tests.unit.roadmap.lifecycle.designer import (
    FLOUR,
    KINDS,
    LOOPED,
    PLAN,
    Designer,
    accepted,
    concept,
    created,
    event_names,
    outline,
)
from tests.unit.roadmap.lifecycle.test_jobs import assert_events_without_gaps, rows, the_roadmap

pytestmark = pytest.mark.usefixtures("immediate")


class Paying(Designer):
    """Pays one call for each outline, also for one that it cannot deliver."""

    meter: Any = None

    def metered(self, meter: UsageMeter) -> "Paying":
        self.meter = meter
        return self

    def _next(self) -> Outline:
        self.meter.calls += 1
        return super()._next()


def days_from_now(days: int) -> date:
    return (clock.now() + timedelta(days=days)).date()


class TestPipeline:
    def test_every_step_is_saved_and_has_its_event(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        assert event_names(roadmap_id)[:5] == [
            *(
                "roadmap.queued",
                "roadmap.planning",
                "roadmap.analysed",
                "roadmap.drafted",
                "roadmap.outlined",
            ),
        ]
        assert_events_without_gaps(roadmap_id)
        tree = queries.roadmap_tree(LOCAL_OWNER, roadmap_id)
        assert tree.analysis == Analysis(
            aim="To bake bread.", known=("water",), subjects=("flour", "dough")
        )
        assert (tree.status, tree.revision, tree.remarks) == ("ready", 1, [])
        (revision,) = revisions.list_revisions(LOCAL_OWNER, roadmap_id).items
        assert (revision.number, revision.source, revision.status, revision.current) == (
            1,
            "goal",
            "done",
            True,
        )
        versions = rows(ContentVersion)
        assert {(version["generator"], version["prompt_version"]) for version in versions} == {
            ("designer", f"{kind}-1") for kind in ContentKind
        }

    def test_a_draft_that_does_not_hold_together_is_shown_its_own_errors(
        self, client: TestClient, designer: Designer
    ) -> None:
        designer.designs = [LOOPED, PLAN]
        roadmap_id = created(client)
        assert the_roadmap(roadmap_id).status == "ready"
        assert designer.problems == [
            ["Concept 'flour' needs 'dough', which comes later or is itself."]
        ]
        drafted = [
            event.data
            for event in events.events_after(roadmap_id, 0)
            if event.type == "roadmap.drafted"
        ]
        assert [(data["round"], len(data["problems"])) for data in drafted] == [(0, 1), (1, 0)]

    def test_what_breaks_the_rules_of_a_field_is_repaired_too(
        self, client: TestClient, designer: Designer
    ) -> None:
        draft = PLAN.model_dump(mode="json")
        draft["stages"][0]["modules"][0]["concepts"][0]["hours"] = 0
        designer.designs = [InvalidOutline(draft, ["hours: must be greater than 0."]), PLAN]
        assert the_roadmap(created(client)).status == "ready"
        assert designer.problems == [["hours: must be greater than 0."]]

    def test_repair_ends_after_its_rounds_with_the_reason(
        self, client: TestClient, designer: Designer
    ) -> None:
        designer.designs = [LOOPED] * 9
        roadmap_id = created(client)
        row = the_roadmap(roadmap_id)
        assert row.status == "failed"
        assert "after 2 rounds of repair: Concept 'flour' needs 'dough'" in row.error
        assert designer.asked == ["analysis", "outline", *["repair"] * settings.repair_rounds]
        assert_events_without_gaps(roadmap_id)

    def test_what_can_be_lived_with_is_repaired_or_else_a_remark(
        self, client: TestClient, designer: Designer
    ) -> None:
        far = outline(FLOUR, concept("dough", hours=200))
        designer.designs = [far] * 3
        roadmap_id = created(client, hours_per_week=1, deadline=str(days_from_now(30)))
        tree = queries.roadmap_tree(LOCAL_OWNER, roadmap_id)
        assert tree.status == "ready"
        assert len(designer.problems) == settings.repair_rounds
        (remark,) = tree.remarks
        assert "203 hours do not fit" in remark

    @pytest.mark.parametrize(
        "answer",
        [LOOPED, GeneratorFault("No more money.", lasting=True)],
        ids=["a cycle", "a fault"],
    )
    def test_an_outline_that_can_be_used_is_not_given_away_for_a_repair_that_cannot(
        self, client: TestClient, designer: Designer, answer: Any
    ) -> None:
        far = outline(FLOUR, concept("dough", hours=200))
        designer.designs = [far, *[answer] * settings.repair_rounds]
        roadmap_id = created(client, hours_per_week=1, deadline=str(days_from_now(30)))
        tree = queries.roadmap_tree(LOCAL_OWNER, roadmap_id)
        assert (tree.status, tree.hours) == ("ready", 203)
        assert "203 hours do not fit" in tree.remarks[0]

    @pytest.mark.usefixtures("designer")
    def test_a_language_is_asked_for_again_also_by_who_takes_the_work_up(self) -> None:
        (step,) = create_many(
            [NewRoadmap(LOCAL_OWNER, RoadmapRequest(goal="学会烤面包", language="zh"))]
        )
        assert isinstance(step, Job)
        text = {"title": "面粉与水", "description": "了解面粉和水的比例。"}
        chinese = outline(concept("flour", **text), title="学会烤面包")
        first = Designer(outline(FLOUR, title="Learn to bake"), GeneratorFault("Busy."))
        assert plan_job.plan(step.id, first)[0].delay > 0
        second = Designer(chinese)
        assert len(plan_job.plan(step.id, second)) == KINDS - 1  # the quiz waits
        assert (first.asked[1:], second.asked) == (["outline", "repair"], ["repair"])
        assert second.problems == [["The text is not in zh."]]

    @pytest.mark.usefixtures("designer")
    def test_a_worker_that_dies_over_a_draft_leaves_what_was_saved_before(self) -> None:
        """Passing faults after the analysis and after a draft: neither is asked for again."""
        step = accepted()
        busy = GeneratorFault("Busy.")
        first = Designer(busy)
        assert plan_job.plan(step.id, first)[0].delay > 0
        second = Designer(LOOPED, busy)
        assert plan_job.plan(step.id, second)[0].delay > 0
        third = Designer(PLAN)
        assert len(plan_job.plan(step.id, third)) == 2 * (KINDS - 1)  # the quizzes wait
        assert (first.asked, second.asked, third.asked) == (
            ["analysis", "outline"],
            ["outline", "repair"],
            ["repair"],
        )
        assert the_roadmap(step.id).attempts == 3

    @pytest.mark.usefixtures("designer")
    def test_who_has_to_wait_has_not_tried_and_says_nothing_twice(self) -> None:
        step = accepted()
        waiting = Designer(*[RetryLater("No room.", retry_after=7)] * 3)
        for _ in range(3):
            assert plan_job.plan(step.id, waiting) == [Job(JobName.plan_roadmap, step.id, delay=7)]
        row = the_roadmap(step.id)
        assert (row.status, row.attempts, row.error) == ("queued", 0, "")
        assert event_names(step.id) == [
            "roadmap.queued",
            "roadmap.planning",
            "roadmap.analysed",
            "roadmap.planning",
        ]
        assert plan_job.plan(step.id, Designer(PLAN))
        assert event_names(step.id)[3:] == [
            "roadmap.planning",
            "roadmap.drafted",
            "roadmap.outlined",
        ]
        assert the_roadmap(step.id).last_seq == 6

    def test_waiting_with_an_answer_that_is_paid_and_not_saved_is_a_try(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step = accepted()
        assert plan_job.plan(step.id, Paying(RetryLater("No money.", retry_after=7)))[0].delay >= 7
        assert (the_roadmap(step.id).attempts, the_roadmap(step.id).error) == (1, "No money.")
        saved_first = Paying(LOOPED, RetryLater("No money.", retry_after=7))
        monkeypatch.setattr(saved_first, "repair", lambda *args: Designer._next(saved_first))
        assert plan_job.plan(step.id, saved_first) == [Job(JobName.plan_roadmap, step.id, delay=7)]
        assert the_roadmap(step.id).attempts == 1


class TestOlderWorker:
    """A worker of the version before hands back what only the new API knows."""

    def test_a_goal_of_a_newer_catalogue_is_handed_back(self) -> None:
        roadmap_id = queued("Learn a subject of tomorrow")
        for _ in range(3):  # no attempt counts
            assert plan_job.plan(roadmap_id, CatalogueGenerator()) == [later(roadmap_id)]
        assert the_row(roadmap_id) == ("queued", 0, "")
        clock.travel(UPGRADE + timedelta(seconds=1))
        plan_job.plan(roadmap_id, CatalogueGenerator())
        assert the_row(roadmap_id) == ("failed", 1, NO_TRACK)

    def test_a_level_of_a_newer_version_is_handed_back(self) -> None:
        roadmap_id = queued("Learn Python")
        with transaction():
            Roadmap.update(level="expert").where(Roadmap.id == roadmap_id).execute()
        assert plan_job.plan(roadmap_id, CatalogueGenerator()) == [later(roadmap_id)]
        assert the_row(roadmap_id) == ("queued", 0, "")

    def test_a_concept_of_a_newer_catalogue_is_handed_back(self) -> None:
        roadmap_id = queued("Learn Python")
        plan_job.plan(roadmap_id, CatalogueGenerator())
        with transaction():
            content = Content.select().where(Content.roadmap == roadmap_id).first()
            concept = Concept.id == content.concept_id
            Concept.update(key="python/of-tomorrow").where(concept).execute()
        (job,) = build_content(content.id, CatalogueGenerator())
        assert job == Job(JobName.build_content, content.id, delay=UPGRADE_PAUSE)
        with session():
            assert Content.get_by_id(content.id).attempts == 0


def queued(goal: str) -> UUID:
    (job,) = create_many([NewRoadmap(LOCAL_OWNER, RoadmapRequest(goal=goal))])
    assert isinstance(job, Job)
    return job.id


def later(roadmap_id: UUID) -> Job:
    return Job(JobName.plan_roadmap, roadmap_id, delay=UPGRADE_PAUSE)


def the_row(roadmap_id: UUID) -> tuple[str, int, str]:
    with session():
        row = Roadmap.get_by_id(roadmap_id)
    return row.status, row.attempts, row.error
