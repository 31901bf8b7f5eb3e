"""Review of a plan before its contents."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import session
from core.errors import Conflict
from models.roadmaps import Content
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.context import GeneratorFault
from roadmap.lifecycle import commands, revisions
from roadmap.lifecycle.commands import CommandResult
from roadmap.lifecycle.making import content_job, rescue
from roadmap.plan.edits import AddConcept, Rewrite
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import Job, JobName
from testing.waiting import HANG
from tests.unit.roadmap.lifecycle.designer import (
    CHANGED,
    FLOUR,
    KINDS,
    OVEN,
    PLAN,
    Designer,
    concept,
    created,
    do,
    edit,
    event_names,
    outline,
    plan_of,
)
from tests.unit.roadmap.lifecycle.test_jobs import assert_events_without_gaps, the_roadmap

pytestmark = pytest.mark.usefixtures("immediate")


class TestReview:
    def test_the_plan_waits_and_nothing_is_written(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        row = the_roadmap(roadmap_id)
        assert (row.status, row.revision, row.contents_total, row.contents_ready) == (
            "awaiting_review",
            1,
            2 * KINDS,
            0,
        )
        assert designer.written() == []
        assert event_names(roadmap_id)[-2:] == ["roadmap.outlined", "roadmap.awaiting_review"]
        assert rescue.overdue() == []
        clock.travel(timedelta(hours=1))
        assert rescue.overdue() == []

    def test_approval_lets_everything_be_written(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        decided = do(commands.approve(LOCAL_OWNER, roadmap_id, 1))
        assert (decided.status, decided.revision) == ("building", 1)
        assert len(decided.steps) == 2 * (KINDS - 1)  # quizzes wait for their tutorials
        assert the_roadmap(roadmap_id).status == "ready"
        assert_events_without_gaps(roadmap_id)

    def test_of_two_approvals_at_once_one_starts_the_build(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        outcomes: list[Any] = []
        start = threading.Barrier(8)

        def approve() -> None:
            start.wait(HANG)
            try:
                outcomes.append(commands.approve(LOCAL_OWNER, roadmap_id, None))
            except Conflict as error:
                outcomes.append(error)

        threads = [threading.Thread(target=approve) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (decided,) = [outcome for outcome in outcomes if isinstance(outcome, CommandResult)]
        assert len(decided.steps) == 2 * (KINDS - 1)
        assert event_names(roadmap_id).count("roadmap.approved") == 1

    def test_the_approval_of_a_revision_that_is_not_current_any_more_changes_nothing(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        designer.designs = [CHANGED]
        do(commands.revise(LOCAL_OWNER, roadmap_id, "More about ovens."))
        with pytest.raises(Conflict, match="Revision 1 is no longer the current one"):
            commands.approve(LOCAL_OWNER, roadmap_id, 1)
        assert the_roadmap(roadmap_id).status == "awaiting_review"

    def test_feedback_makes_a_new_revision_that_waits_again(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        designer.designs = [CHANGED]
        decided = do(commands.revise(LOCAL_OWNER, roadmap_id, "More about ovens."))
        assert decided.steps == [Job(JobName.plan_roadmap, roadmap_id)]
        row = the_roadmap(roadmap_id)
        assert (row.status, row.revision, row.contents_total) == ("awaiting_review", 2, 3 * KINDS)
        assert designer.feedback == ["", "More about ovens."]
        assert designer.written() == []
        newest, first = revisions.list_revisions(LOCAL_OWNER, roadmap_id).items
        assert (newest.source, newest.base, newest.instruction, newest.current) == (
            "feedback",
            1,
            "More about ovens.",
            True,
        )
        assert (first.status, first.current) == ("done", False)
        made = revisions.compare(LOCAL_OWNER, roadmap_id, 2, None)
        assert (made.before, made.after) == (1, 2)
        assert {(change.how, change.key) for change in made.changes} == {
            ("changed", "dough"),
            ("added", "oven"),
        }

    def test_a_revision_that_cannot_be_designed_leaves_the_plan_as_it_was(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        designer.designs = [GeneratorFault("No idea.", lasting=True)]
        do(commands.revise(LOCAL_OWNER, roadmap_id, "More about ovens."))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.revision) == ("awaiting_review", 1)
        newest = revisions.list_revisions(LOCAL_OWNER, roadmap_id).items[0]
        assert (newest.status, newest.error, newest.current) == ("failed", "No idea.", False)
        assert event_names(roadmap_id)[-2:] == ["revision.failed", "roadmap.awaiting_review"]
        do(commands.approve(LOCAL_OWNER, roadmap_id, 1))
        assert the_roadmap(roadmap_id).status == "ready"

    def test_any_revision_can_be_restored(self, client: TestClient, designer: Designer) -> None:
        roadmap_id = created(client, review=True)
        designer.designs = [CHANGED]
        do(commands.revise(LOCAL_OWNER, roadmap_id, "More about ovens."))
        decided = do(commands.restore(LOCAL_OWNER, roadmap_id, 1))
        assert (decided.status, decided.revision) == ("awaiting_review", 3)
        assert plan_of(roadmap_id) == ["flour", "dough"]
        assert revisions.read_revision(LOCAL_OWNER, roadmap_id, 3).outline == PLAN
        do(commands.approve(LOCAL_OWNER, roadmap_id, None))
        assert the_roadmap(roadmap_id).status == "ready"
        assert sorted(designer.written()) == sorted(
            f"{kind} of {key}" for key in ("flour", "dough") for kind in ContentKind
        )

    def test_edits_of_a_plan_in_review_are_not_written_before_approval(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        decided = edit(
            roadmap_id,
            AddConcept(op="add_concept", module="basics", title="Oven", hours=2, difficulty=3),
        )
        assert (decided.status, decided.revision, decided.steps) == ("awaiting_review", 2, [])
        assert designer.written() == []
        do(commands.approve(LOCAL_OWNER, roadmap_id, 2))
        assert the_roadmap(roadmap_id).contents_ready == 3 * KINDS

    def test_a_running_build_is_not_thrown_back_into_review(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        (first, *_) = commands.approve(LOCAL_OWNER, roadmap_id, 1).steps
        designer.failing = lambda brief: True
        content_job.build_content(first.id, designer)
        with session():
            failed = Content.get_by_id(first.id)
        decided = commands.regenerate(
            LOCAL_OWNER, roadmap_id, failed.concept_id, ContentKind(failed.kind), ""
        )
        assert (decided.status, [step.id for step in decided.steps]) == ("building", [first.id])

    def test_what_was_approved_is_tried_again_without_asking(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        designer.failing = lambda brief: True
        do(commands.approve(LOCAL_OWNER, roadmap_id, 1))
        assert the_roadmap(roadmap_id).status == "failed"
        designer.failing = lambda brief: False
        do(commands.retry(LOCAL_OWNER, roadmap_id))
        assert the_roadmap(roadmap_id).status == "ready"

    @pytest.mark.parametrize("how", ["retry", "edit", "revise"])
    def test_a_plan_without_approval_is_not_written_after_it_was_cancelled(
        self, client: TestClient, designer: Designer, how: str
    ) -> None:
        roadmap_id = created(client, review=True)
        do(commands.approve(LOCAL_OWNER, roadmap_id, 1))
        designer.designs = [
            CHANGED,
            outline(FLOUR, concept("dough", "flour", title="Sourdough", hours=9), OVEN),
        ]
        do(commands.revise(LOCAL_OWNER, roadmap_id, "More about ovens."))
        commands.cancel(LOCAL_OWNER, roadmap_id)
        designer.asked = []
        if how == "retry":
            do(commands.retry(LOCAL_OWNER, roadmap_id))
        elif how == "edit":
            edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="oven", title="Ovens"))
        else:
            do(commands.revise(LOCAL_OWNER, roadmap_id, "More time."))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.contents_ready, row.contents_failed) == (
            "awaiting_review",
            KINDS,
            0,
        )
        assert designer.written() == []
        assert event_names(roadmap_id)[-1] == "roadmap.awaiting_review"
        do(commands.approve(LOCAL_OWNER, roadmap_id, None))
        assert the_roadmap(roadmap_id).status == "ready"
