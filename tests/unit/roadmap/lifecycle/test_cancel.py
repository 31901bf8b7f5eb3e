"""Cancelled roadmaps, and commands on a roadmap of another account."""

from collections.abc import Callable
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core.errors import Conflict, NotFound
from core.ids import new_id
from models.accounts import Account
from models.roadmaps import Content, ContentVersion, Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.context import Answers, GeneratorFault
from roadmap.lifecycle import commands, content_versions, revisions
from roadmap.lifecycle.making import content_job, plan_job
from roadmap.plan.edits import Rewrite
from roadmap.plan.outline import Analysis, ContentKind
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import Job
from tasks import dispatcher
from tests.unit.roadmap.lifecycle.designer import (
    KINDS,
    PLAN,
    Designer,
    accepted,
    assert_events_in_order,
    created,
    do,
    edit,
    event_names,
    ids_by_key,
    texts,
)
from tests.unit.roadmap.lifecycle.test_jobs import (
    assert_events_without_gaps,
    rows,
    the_roadmap,
    use,
)

pytestmark = pytest.mark.usefixtures("immediate")
OTHER_OWNER = UUID(int=99)


class TestCancelling:
    def pending(self, monkeypatch: pytest.MonkeyPatch) -> tuple[UUID, list[Job], Designer]:
        """A plan of which nothing is written yet."""
        designer: Designer = use(Designer(PLAN), monkeypatch)
        step = accepted()
        return step.id, plan_job.plan(step.id, designer), designer

    def test_what_waits_is_cancelled_and_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        roadmap_id, steps, designer = self.pending(monkeypatch)
        content_job.build_content(steps[0].id, designer)
        assert commands.cancel(LOCAL_OWNER, roadmap_id).status == "cancelled"
        states = [row["status"] for row in rows(Content)]
        assert (states.count("ready"), states.count("cancelled")) == (1, 2 * KINDS - 1)
        asked = list(designer.asked)
        dispatcher.enqueue(steps)
        assert designer.asked == asked
        row = the_roadmap(roadmap_id)
        assert (row.status, row.contents_ready, row.contents_failed) == (
            "cancelled",
            1,
            2 * KINDS - 1,
        )
        assert "5 of 6 parts are not written" in row.error
        assert event_names(roadmap_id)[-1] == "roadmap.cancelled"
        assert_events_without_gaps(roadmap_id)

    def test_what_runs_is_not_saved_any_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        roadmap_id, steps, designer = self.pending(monkeypatch)
        designer.failing = lambda brief: bool(commands.cancel(LOCAL_OWNER, roadmap_id)) and False
        assert content_job.build_content(steps[0].id, designer) == []
        assert rows(ContentVersion) == []
        assert {row["status"] for row in rows(Content)} == {"cancelled"}
        assert the_roadmap(roadmap_id).status == "cancelled"

    def test_a_design_that_runs_is_not_saved_any_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step = accepted()

        class Cancelled(Designer):
            def analyse(self, request: RoadmapRequest, answers: Answers = None) -> Analysis:
                commands.cancel(LOCAL_OWNER, step.id)
                return super().analyse(request)

        designer = Cancelled(PLAN)
        assert plan_job.plan(step.id, designer) == []
        assert designer.asked == ["analysis"]
        row = the_roadmap(step.id)
        assert (row.status, row.analysis, row.lease_token) == ("cancelled", None, None)

    def test_what_was_cancelled_can_be_taken_up_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        roadmap_id, steps, designer = self.pending(monkeypatch)
        content_job.build_content(steps[0].id, designer)
        commands.cancel(LOCAL_OWNER, roadmap_id)
        do(commands.retry(LOCAL_OWNER, roadmap_id))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.contents_ready) == ("ready", 2 * KINDS)
        assert sorted(designer.written()) == sorted(
            f"{kind} of {key}" for key in ("flour", "dough") for kind in ContentKind
        )

    def test_a_plan_that_was_cancelled_in_review_waits_for_review_again(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        assert commands.cancel(LOCAL_OWNER, roadmap_id).status == "cancelled"
        do(commands.retry(LOCAL_OWNER, roadmap_id))
        assert the_roadmap(roadmap_id).status == "awaiting_review"
        assert designer.written() == []

    def test_a_change_that_is_cancelled_leaves_a_finished_roadmap_finished(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        commands.revise(LOCAL_OWNER, roadmap_id, "More about ovens.")
        assert the_roadmap(roadmap_id).status == "queued"
        assert commands.cancel(LOCAL_OWNER, roadmap_id).status == "ready"
        assert revisions.list_revisions(LOCAL_OWNER, roadmap_id).items[0].status == "cancelled"
        assert event_names(roadmap_id)[-2:] == ["revision.cancelled", "roadmap.ready"]

    def test_a_wish_that_is_cancelled_leaves_the_version_that_is_there(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        was = texts(roadmap_id)
        commands.regenerate(
            LOCAL_OWNER, roadmap_id, ids_by_key(roadmap_id)["dough"], ContentKind.quiz, "Harder."
        )
        assert commands.cancel(LOCAL_OWNER, roadmap_id).status == "ready"
        row = the_roadmap(roadmap_id)
        assert (row.contents_ready, row.contents_failed, row.error) == (2 * KINDS, 0, "")
        assert texts(roadmap_id) == was
        assert event_names(roadmap_id)[-1] == "roadmap.ready"

    @pytest.mark.parametrize("how", ["cancelled", "failed"])
    @pytest.mark.parametrize("status", ["cancelled", "partial", "awaiting_review"])
    def test_a_change_that_comes_to_nothing_leaves_the_roadmap_as_it_was(
        self, client: TestClient, designer: Designer, status: str, how: str
    ) -> None:
        designer.failing = lambda brief: status == "partial" and brief.key == "dough"
        roadmap_id = created(client, review=status == "awaiting_review")
        if status == "cancelled":
            edit(
                roadmap_id,
                Rewrite(
                    op="rewrite", what="concept", key="flour", regenerate=False, title="Flours"
                ),
            )
            commands.edit(
                LOCAL_OWNER,
                roadmap_id,
                [Rewrite(op="rewrite", what="concept", key="dough", title="Doughs")],
                None,
            )
            commands.cancel(LOCAL_OWNER, roadmap_id)
        names = ("status", "error", "contents_ready", "contents_failed", "revision", "over_budget")
        before = {name: getattr(the_roadmap(roadmap_id), name) for name in names}
        assert before["status"] == status
        designer.designs = [GeneratorFault("No idea.", lasting=True)]
        revised = commands.revise(LOCAL_OWNER, roadmap_id, "More about ovens.")
        if how == "failed":
            do(revised)
        else:
            commands.cancel(LOCAL_OWNER, roadmap_id)
        assert {name: getattr(the_roadmap(roadmap_id), name) for name in names} == before
        assert_events_in_order(roadmap_id)

    def test_a_finished_roadmap_cannot_be_cancelled(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        with pytest.raises(Conflict, match="ready cannot be cancelled"):
            commands.cancel(LOCAL_OWNER, roadmap_id)


DECISIONS: list[Callable[[UUID, UUID], object]] = [
    lambda owner, id_: commands.approve(owner, id_, None),
    lambda owner, id_: commands.revise(owner, id_, "More."),
    lambda owner, id_: commands.edit(
        owner, id_, [Rewrite(op="rewrite", what="concept", key="dough", hours=9)], None
    ),
    lambda owner, id_: commands.restore(owner, id_, 1),
    commands.cancel,
    commands.retry,
    lambda owner, id_: commands.regenerate(owner, id_, new_id(), ContentKind.quiz, ""),
    lambda owner, id_: commands.retry_part(owner, id_, new_id(), ContentKind.quiz),
    lambda owner, id_: revisions.list_revisions(owner, id_),
    lambda owner, id_: revisions.read_revision(owner, id_, 1),
    lambda owner, id_: content_versions.list_versions(owner, id_, new_id(), ContentKind.quiz),
]


@pytest.mark.parametrize("review", [True, False])
def test_no_other_account_decides_about_a_roadmap(
    client: TestClient, designer: Designer, review: bool
) -> None:
    roadmap_id = created(client, review=review)
    before = rows(Roadmap)
    for decide in DECISIONS:
        with pytest.raises(NotFound):
            decide(OTHER_OWNER, roadmap_id)
        assert rows(Roadmap) == before
    assert rows(Account, Account.id == OTHER_OWNER) == []
