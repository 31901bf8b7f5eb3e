"""What a person decides about a roadmap: once however often it is decided, and what is there already survives it."""

import threading
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

import web.api.roadmaps
from core import clock
from core.db import session, settings
from core.errors import Conflict, Invalid, NotFound
from core.ids import new_id
from models.accounts import Account
from models.roadmaps import Concept, Content, ContentVersion, Revision, Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.context import (
    ConceptBrief,
    DesignBrief,
    GeneratorFault,
    InvalidOutline,
    RetryLater,
)
from roadmap.generation.usage import UsageMeter
from roadmap.lifecycle import (
    commands,
    content_job,
    content_versions,
    events,
    plan_job,
    queries,
    rescue,
    revisions,
)
from roadmap.lifecycle.commands import CommandResult
from roadmap.lifecycle.create import NewRoadmap, create_many
from roadmap.plan import edits
from roadmap.plan.edits import AddConcept, AddModule, AddStage, Move, Operation, Remove, Rewrite
from roadmap.plan.jobs import Job, JobName
from roadmap.plan.outline import (
    Analysis,
    ContentKind,
    Contents,
    Level,
    Outline,
    OutlineConcept,
    OutlineModule,
    OutlineStage,
    Question,
    Quiz,
    Resource,
    Resources,
    Tutorial,
)
from roadmap.plan.schemas import RoadmapRequest
from tasks import dispatcher
from tests.unit.roadmap.lifecycle.test_jobs import assert_told_without_gaps, rows, the_roadmap, use

pytestmark = pytest.mark.usefixtures("immediate")

KINDS = len(ContentKind)
NOBODY = UUID(int=99)


def concept(key: str, *needs: str, **changes: Any) -> OutlineConcept:
    facts = {
        "title": key.title(),
        "description": f"About {key}.",
        "hours": 3,
        "difficulty": 2,
        "outcomes": (f"use {key}",),
    }
    return OutlineConcept(**{**facts, "key": key, "prerequisites": needs, **changes})


def outline(*concepts: OutlineConcept, title: str = "Bread") -> Outline:
    """One stage of one module."""
    module = OutlineModule(key="basics", title="Basics", description="", concepts=concepts)
    return Outline(
        title=title,
        stages=(OutlineStage(key="start", title="Start", description="", modules=(module,)),),
    )


FLOUR, DOUGH, OVEN = concept("flour"), concept("dough", "flour"), concept("oven", "dough")
PLAN = outline(FLOUR, DOUGH)
CHANGED = outline(FLOUR, concept("dough", "flour", title="Sourdough"), OVEN)
LOOPED = outline(concept("flour", "dough"), concept("dough", "flour"))


class Designer:
    """A Generator whose designs are given; `asked` holds what it was asked for. Every text it writes is another."""

    name, repairs = "designer", True

    def __init__(self, *designs: Outline | Exception) -> None:
        self.designs = list(designs)
        self.asked: list[str] = []
        self.briefs: list[ConceptBrief] = []
        self.feedback: list[str] = []
        self.problems: list[list[str]] = []
        self.failing: Callable[[ConceptBrief], bool] = lambda brief: False

    def prompt_version(self, step: str) -> str:
        return f"{step}-1"

    def fit(self, request: RoadmapRequest) -> RoadmapRequest:
        """Any goal."""
        return request

    def check_feedback(self, pointer: str) -> None:
        """Any words."""

    def slot(self, *, first: bool = False) -> Any:
        return threading.RLock()

    def metered(self, meter: UsageMeter) -> "Designer":
        return self

    def analyse(self, request: RoadmapRequest) -> Analysis:
        self.asked.append("analysis")
        return Analysis(aim="To bake bread.", known=("water",), subjects=("flour", "dough"))

    def outline(self, design: DesignBrief) -> Outline:
        self.asked.append("revise" if design.feedback else "outline")
        self.feedback.append(design.feedback)
        return self._next()

    def repair(
        self, design: DesignBrief, draft: dict[str, Any], problems: Sequence[str]
    ) -> Outline:
        self.asked.append("repair")
        self.problems.append(list(problems))
        return self._next()

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        self.asked.append(f"{kind} of {brief.key}")
        self.briefs.append(brief)
        if self.failing(brief):
            raise GeneratorFault("Out of ink.", lasting=True)
        text = f"{brief.title}, written as number {len(self.briefs)}"
        if kind is ContentKind.tutorial:
            return Tutorial(markdown=text)
        if kind is ContentKind.resources:
            facts = {"type": "book", "level": Level.advanced, "language": "en", "why": "To know."}
            item = Resource(title=text, url="https://example.org", **facts)
            return Resources(items=(item,))
        question = Question(
            type="single", prompt=text, options=("yes", "no"), answers=(0,), explanation="It is so."
        )
        return Quiz(questions=(question,))

    def written(self) -> list[str]:
        return [asked for asked in self.asked if " of " in asked]

    def _next(self) -> Outline:
        made = self.designs.pop(0)
        if isinstance(made, Exception):
            raise made
        return made


class Paying(Designer):
    """Pays one call for each outline, also for one that it cannot deliver."""

    meter: Any = None

    def metered(self, meter: UsageMeter) -> "Paying":
        self.meter = meter
        return self

    def _next(self) -> Outline:
        self.meter.calls += 1
        return super()._next()


@pytest.fixture
def designer(monkeypatch: pytest.MonkeyPatch) -> Designer:
    """The generator of the API and of the tasks."""
    made: Designer = use(Designer(PLAN), monkeypatch)
    monkeypatch.setattr(web.api.roadmaps, "current_generator", lambda: made)
    return made


def created(client: TestClient, **fields: Any) -> UUID:
    """A roadmap for which everything that can be done has been done."""
    answer = client.post("/api/v1/roadmaps", json={"goal": "Bake bread", **fields})
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["id"])


def accepted() -> Job:
    """A roadmap that is stored and nothing more."""
    (step,) = create_many([NewRoadmap(LOCAL_OWNER, RoadmapRequest(goal="Bake bread"))])
    assert isinstance(step, Job)
    return step


def do(decided: CommandResult) -> CommandResult:
    """What follows from a decision is done."""
    dispatcher.enqueue(decided.steps)
    return decided


def edit(roadmap_id: UUID, *operations: Operation, base: int | None = None) -> CommandResult:
    return do(commands.edit(LOCAL_OWNER, roadmap_id, operations, base))


def ids_by_key(roadmap_id: UUID) -> dict[str, UUID]:
    return {row["key"]: row["id"] for row in rows(Concept, Concept.roadmap == roadmap_id)}


def texts(roadmap_id: UUID) -> dict[tuple[str, str], str]:
    """What is written of each concept now, by its key and kind."""
    tree = queries.roadmap_tree(LOCAL_OWNER, roadmap_id)
    found = {}
    for node in (c for stage in tree.stages for module in stage.modules for c in module.concepts):
        detail = queries.concept_detail(LOCAL_OWNER, roadmap_id, node.id)
        found[node.key, "tutorial"] = detail.tutorial.markdown if detail.tutorial else ""
        found[node.key, "resources"] = detail.resources[0].title if detail.resources else ""
        found[node.key, "quiz"] = detail.quiz.questions[0].prompt if detail.quiz else ""
    return found


def days_from_now(days: int) -> date:
    return (clock.now() + timedelta(days=days)).date()


def told(roadmap_id: UUID) -> list[str]:
    return [event.type for event in events.events_after(roadmap_id, 0)]


def plan_of(roadmap_id: UUID) -> list[str]:
    tree = queries.roadmap_tree(LOCAL_OWNER, roadmap_id)
    return [
        node.key for stage in tree.stages for module in stage.modules for node in module.concepts
    ]


class TestPipeline:
    def test_every_step_is_saved_and_told(self, client: TestClient, designer: Designer) -> None:
        roadmap_id = created(client)
        assert told(roadmap_id)[:5] == [
            *(
                "roadmap.queued",
                "roadmap.planning",
                "roadmap.analysed",
                "roadmap.drafted",
                "roadmap.outlined",
            ),
        ]
        assert_told_without_gaps(roadmap_id)
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
        assert_told_without_gaps(roadmap_id)

    def test_what_can_be_lived_with_is_repaired_or_else_told(
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

    def test_a_language_is_asked_for_again_also_by_who_takes_the_work_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (step,) = create_many(
            [NewRoadmap(LOCAL_OWNER, RoadmapRequest(goal="学会烤面包", language="zh"))]
        )
        assert isinstance(step, Job)
        text = {"title": "面粉与水", "description": "了解面粉和水的比例。"}
        chinese = outline(concept("flour", **text), title="学会烤面包")
        first = Designer(outline(FLOUR, title="Learn to bake"), GeneratorFault("Busy."))
        assert plan_job.plan(step.id, first)[0].delay > 0
        second = Designer(chinese)
        assert len(plan_job.plan(step.id, second)) == KINDS
        assert (first.asked[1:], second.asked) == (["outline", "repair"], ["repair"])
        assert second.problems == [["The text is not in zh."]]

    def test_a_worker_that_dies_over_a_draft_leaves_what_was_saved_before(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A fault that passes after the analysis, and another after a draft: neither is asked for again."""
        step = accepted()
        busy = GeneratorFault("Busy.")
        first = Designer(busy)
        assert plan_job.plan(step.id, first)[0].delay > 0
        second = Designer(LOOPED, busy)
        assert plan_job.plan(step.id, second)[0].delay > 0
        third = Designer(PLAN)
        assert len(plan_job.plan(step.id, third)) == 2 * KINDS
        assert (first.asked, second.asked, third.asked) == (
            ["analysis", "outline"],
            ["outline", "repair"],
            ["repair"],
        )
        assert the_roadmap(step.id).attempts == 3

    def test_who_has_to_wait_has_not_tried_and_says_nothing_twice(self) -> None:
        step = accepted()
        waiting = Designer(*[RetryLater("No room.", retry_after=7)] * 3)
        for _ in range(3):
            assert plan_job.plan(step.id, waiting) == [Job(JobName.plan_roadmap, step.id, delay=7)]
        row = the_roadmap(step.id)
        assert (row.status, row.attempts, row.error) == ("queued", 0, "")
        assert told(step.id) == [
            "roadmap.queued",
            "roadmap.planning",
            "roadmap.analysed",
            "roadmap.planning",
        ]
        assert plan_job.plan(step.id, Designer(PLAN))
        assert told(step.id)[3:] == [
            "roadmap.planning",
            "roadmap.drafted",
            "roadmap.outlined",
        ]
        assert the_roadmap(step.id).last_seq == 6

    def test_waiting_with_an_answer_that_is_paid_and_not_saved_is_a_try(self) -> None:
        step = accepted()
        assert plan_job.plan(step.id, Paying(RetryLater("No money.", retry_after=7)))[0].delay >= 7
        assert (the_roadmap(step.id).attempts, the_roadmap(step.id).error) == (1, "No money.")
        saved_first = Paying(LOOPED, RetryLater("No money.", retry_after=7))
        saved_first.repair = lambda *args: Designer._next(saved_first)  # type: ignore[method-assign] -- before it pays
        assert plan_job.plan(step.id, saved_first) == [Job(JobName.plan_roadmap, step.id, delay=7)]
        assert the_roadmap(step.id).attempts == 1


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
        assert told(roadmap_id)[-2:] == ["roadmap.outlined", "roadmap.awaiting_review"]
        assert rescue.overdue() == []
        clock.travel(timedelta(hours=1))
        assert rescue.overdue() == []

    def test_approval_lets_everything_be_written(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        decided = do(commands.approve(LOCAL_OWNER, roadmap_id, 1))
        assert (decided.status, decided.revision, len(decided.steps)) == ("building", 1, 2 * KINDS)
        assert the_roadmap(roadmap_id).status == "ready"
        assert_told_without_gaps(roadmap_id)

    def test_of_two_approvals_at_once_one_starts_the_build(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        outcomes: list[Any] = []
        start = threading.Barrier(8)

        def approve() -> None:
            start.wait(10)
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
        assert len(decided.steps) == 2 * KINDS
        assert told(roadmap_id).count("roadmap.approved") == 1

    def test_the_approval_of_a_revision_that_is_not_current_any_more_changes_nothing(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client, review=True)
        designer.designs = [CHANGED]
        do(commands.revise(LOCAL_OWNER, roadmap_id, "More about ovens."))
        with pytest.raises(Conflict, match="Revision 1 is not the current one"):
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
        assert told(roadmap_id)[-2:] == ["revision.failed", "roadmap.awaiting_review"]
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
    def test_what_nobody_has_approved_is_not_written_after_it_was_cancelled(
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
        assert told(roadmap_id)[-1] == "roadmap.awaiting_review"
        do(commands.approve(LOCAL_OWNER, roadmap_id, None))
        assert the_roadmap(roadmap_id).status == "ready"


class TestChanges:
    """Of a roadmap that is finished already."""

    def test_untouched_concepts_keep_ids_contents_and_progress(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        before, was = ids_by_key(roadmap_id), texts(roadmap_id)
        with session():
            Concept.update(progress="done").where(Concept.id == before["flour"]).execute()
        designer.designs, designer.asked = [CHANGED], []
        do(commands.revise(LOCAL_OWNER, roadmap_id, "Sourdough, and ovens."))

        row = the_roadmap(roadmap_id)
        assert (row.status, row.revision, row.contents_ready, row.contents_total) == (
            "ready",
            2,
            3 * KINDS,
            3 * KINDS,
        )
        after, now = ids_by_key(roadmap_id), texts(roadmap_id)
        assert {key: after[key] for key in before} == before
        assert {place: text for place, text in now.items() if place[0] == "flour"} == {
            place: text for place, text in was.items() if place[0] == "flour"
        }
        assert sorted(designer.written()) == sorted(
            f"{kind} of {key}" for key in ("dough", "oven") for kind in ContentKind
        )
        assert now["dough", "tutorial"].startswith("Sourdough")
        with session():
            assert Concept.get_by_id(before["flour"]).progress == "done"
        assert_told_in_order(roadmap_id)

    def test_a_design_that_forgets_the_keys_is_recognised_by_its_titles(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        before, was = ids_by_key(roadmap_id), texts(roadmap_id)
        forgetful = Outline.model_validate_json(
            PLAN.model_dump_json().replace('"flour"', '"c-1"').replace('"basics"', '"m-1"')
        )
        longer = edits.apply(
            forgetful, [Rewrite(op="rewrite", what="concept", key="dough", hours=9)]
        )
        designer.designs, designer.asked = [longer], []
        do(commands.revise(LOCAL_OWNER, roadmap_id, "More time for the dough."))
        assert (ids_by_key(roadmap_id), texts(roadmap_id), designer.asked) == (
            before,
            was,
            ["revise"],
        )
        (change,) = revisions.compare(LOCAL_OWNER, roadmap_id, 2, None).changes
        assert (change.key, change.field, change.after) == ("dough", "hours", 9)

    def test_what_only_moves_or_takes_longer_is_not_written_again(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        was, designer.asked = texts(roadmap_id), []
        edit(
            roadmap_id,
            AddStage(op="add_stage", key="later", title="Later"),
            AddModule(op="add_module", stage="later", key="more", title="More"),
            Move(op="move", what="concept", key="dough", to="more"),
            Rewrite(op="rewrite", what="concept", key="dough", hours=9, difficulty=4),
        )
        assert designer.asked == []
        assert texts(roadmap_id) == was
        tree = queries.roadmap_tree(LOCAL_OWNER, roadmap_id)
        assert [(stage.key, stage.hours) for stage in tree.stages] == [("start", 3), ("later", 9)]
        assert (tree.status, tree.hours, tree.revision) == ("ready", 12, 2)
        assert told(roadmap_id)[-2:] == ["roadmap.revised", "roadmap.ready"]

    def test_what_is_removed_and_restored_is_as_it_was(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        before, was = ids_by_key(roadmap_id), texts(roadmap_id)
        with session():
            Concept.update(progress="learning").where(Concept.id == before["dough"]).execute()
        designer.asked = []
        edit(roadmap_id, Remove(op="remove", what="concept", key="dough"))
        assert plan_of(roadmap_id) == ["flour"]
        assert the_roadmap(roadmap_id).contents_total == KINDS
        with pytest.raises(NotFound):
            queries.concept_detail(LOCAL_OWNER, roadmap_id, before["dough"])

        do(commands.restore(LOCAL_OWNER, roadmap_id, 1))
        assert plan_of(roadmap_id) == ["flour", "dough"]
        assert (ids_by_key(roadmap_id), texts(roadmap_id), designer.asked) == (before, was, [])
        with session():
            assert Concept.get_by_id(before["dough"]).progress == "learning"

    def test_a_text_that_fits_again_is_taken_up_and_not_paid_for(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        was = texts(roadmap_id)
        edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="dough", title="Sourdough"))
        assert texts(roadmap_id)["dough", "tutorial"].startswith("Sourdough")
        designer.asked = []
        do(commands.restore(LOCAL_OWNER, roadmap_id, 1))
        assert (texts(roadmap_id), designer.asked) == (was, [])
        dough = ids_by_key(roadmap_id)["dough"]
        do(commands.regenerate(LOCAL_OWNER, roadmap_id, dough, ContentKind.quiz, ""))
        listed = content_versions.list_versions(
            LOCAL_OWNER, roadmap_id, dough, ContentKind.quiz
        ).items
        assert [(version.version, version.current) for version in listed] == [
            (3, True),
            (2, False),
            (1, False),
        ]

    def test_a_correction_of_words_may_leave_the_contents_alone(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        was, designer.asked = texts(roadmap_id), []
        edit(
            roadmap_id,
            Rewrite(op="rewrite", what="concept", key="dough", title="Doughs", regenerate=False),
        )
        assert (texts(roadmap_id), designer.asked) == (was, [])
        edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="flour", hours=5))
        assert (texts(roadmap_id), designer.asked) == (was, [])
        do(commands.restore(LOCAL_OWNER, roadmap_id, 1))
        do(commands.restore(LOCAL_OWNER, roadmap_id, 2))
        assert (texts(roadmap_id), designer.asked) == (was, [])
        designer.failing = lambda brief: True
        do(
            commands.regenerate(
                LOCAL_OWNER,
                roadmap_id,
                ids_by_key(roadmap_id)["dough"],
                ContentKind.quiz,
                "Harder.",
            )
        )
        assert (the_roadmap(roadmap_id).status, texts(roadmap_id)) == ("ready", was)

    def test_a_decision_sends_only_what_it_has_opened(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        flour = ids_by_key(roadmap_id)["flour"]
        sizes = [
            len(commands.regenerate(LOCAL_OWNER, roadmap_id, flour, kind, "").steps)
            for kind in ContentKind
        ]
        longer = [Rewrite(op="rewrite", what="concept", key="dough", hours=9)]
        sizes.append(len(commands.edit(LOCAL_OWNER, roadmap_id, longer, None).steps))
        renamed = [Rewrite(op="rewrite", what="concept", key="dough", title="Sourdough")]
        sizes.append(len(commands.edit(LOCAL_OWNER, roadmap_id, renamed, None).steps))
        assert sizes == [1, 1, 1, 0, KINDS]

    def test_a_wish_of_yesterday_is_not_used_for_a_later_text(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        dough = ids_by_key(roadmap_id)["dough"]
        commands.regenerate(LOCAL_OWNER, roadmap_id, dough, ContentKind.quiz, "Harder.")
        commands.edit(
            LOCAL_OWNER, roadmap_id, [Remove(op="remove", what="concept", key="dough")], None
        )
        do(commands.restore(LOCAL_OWNER, roadmap_id, 1))
        designer.briefs = []
        edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="dough", title="Sourdough"))
        assert {(brief.instruction, brief.previous) for brief in designer.briefs} == {("", None)}

    def test_titles_that_two_things_have_say_nothing_about_their_keys(self) -> None:
        def twice(first: str, second: str) -> Outline:
            def stage(key: str, inside: str, part: OutlineConcept) -> OutlineStage:
                module = OutlineModule(
                    key=inside, title="Practice", description="", concepts=(part,)
                )
                return OutlineStage(key=key, title=key, description="", modules=(module,))

            return Outline(
                title="Bread",
                stages=(stage("one", first, FLOUR), stage("two", second, concept("oven"))),
            )

        made = twice("x-1", "x-2")
        assert revisions.recognised(made, twice("p-1", "p-2")) == made

    def test_to_the_first_revision_everything_is_added(
        self, client: TestClient, designer: Designer
    ) -> None:
        made = revisions.compare(LOCAL_OWNER, created(client), 1, None)
        assert (made.before, made.after) == (0, 1)
        assert [(change.how, change.key) for change in made.changes] == [
            ("added", key) for key in ("start", "basics", "flour", "dough")
        ]

    @pytest.mark.parametrize(
        ("operation", "rule"),
        [
            (
                Move(op="move", what="concept", key="dough", position=0),
                "'dough' needs 'flour', which comes later",
            ),
            (Remove(op="remove", what="stage", key="start"), "There is no concept."),
            (Rewrite(op="rewrite", what="concept", key="dough", title="FLOUR"), "is used 2 times"),
            (Rewrite(op="rewrite", what="concept", key="dough", hours=3), "change nothing"),
            (Remove(op="remove", what="concept", key="gone"), "is not the key of a concept"),
        ],
    )
    def test_an_edit_that_would_not_hold_together_changes_nothing(
        self, client: TestClient, designer: Designer, operation: Operation, rule: str
    ) -> None:
        roadmap_id = created(client)
        before = {table.__name__: rows(table) for table in (Roadmap, Revision, Concept, Content)}
        with pytest.raises(Invalid) as error:
            edit(roadmap_id, operation)
        assert rule in str(error.value.fields)
        assert {
            table.__name__: rows(table) for table in (Roadmap, Revision, Concept, Content)
        } == before

    def test_an_edit_of_a_revision_that_is_not_current_any_more_changes_nothing(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        longer = Rewrite(op="rewrite", what="concept", key="dough", hours=9)
        assert edit(roadmap_id, longer, base=1).revision == 2
        with pytest.raises(Conflict, match="Revision 1 is not the current one any more; that is 2"):
            edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="dough", hours=5), base=1)

    def test_the_key_of_a_removed_concept_is_not_given_to_another(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        edit(roadmap_id, Remove(op="remove", what="concept", key="dough"))
        edit(
            roadmap_id,
            AddConcept(op="add_concept", module="basics", title="Dough", hours=1, difficulty=2),
        )
        assert plan_of(roadmap_id) == ["flour", "dough-2"]

    def test_a_revision_that_fails_leaves_a_finished_roadmap_finished(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        was = texts(roadmap_id)
        designer.designs = [LOOPED] * 3
        do(commands.revise(LOCAL_OWNER, roadmap_id, "Turn it round."))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.error, row.revision) == ("ready", "", 1)
        assert texts(roadmap_id) == was
        assert told(roadmap_id)[-2:] == ["revision.failed", "roadmap.ready"]
        assert_told_in_order(roadmap_id)

    def test_a_roadmap_of_the_version_before_gets_its_first_revision(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        with session():
            Revision.delete().execute()
            Roadmap.update(revision=0).execute()
            ContentVersion.update(subject="").execute()
        was, designer.asked = texts(roadmap_id), []
        assert queries.roadmap_tree(LOCAL_OWNER, roadmap_id).revision == 1
        edit(
            roadmap_id,
            Rewrite(op="rewrite", what="concept", key="dough", title="Sourdough"),
            base=1,
        )
        second, first = revisions.list_revisions(LOCAL_OWNER, roadmap_id).items
        assert (first.number, first.source, second.number, second.base) == (1, "goal", 2, 1)
        do(commands.restore(LOCAL_OWNER, roadmap_id, 1))
        assert (texts(roadmap_id), len(designer.asked)) == (was, KINDS)
        assert revisions.read_revision(LOCAL_OWNER, roadmap_id, 1).outline == PLAN


def assert_told_in_order(roadmap_id: UUID) -> None:
    """One that ends more than once, because it was changed after its end."""
    seqs = [event.seq for event in events.events_after(roadmap_id, 0)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert the_roadmap(roadmap_id).last_seq == len(seqs)


class TestParts:
    def test_a_part_is_written_anew_as_the_person_wants_it(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        flour = ids_by_key(roadmap_id)["flour"]
        was = texts(roadmap_id)
        do(
            commands.regenerate(
                LOCAL_OWNER, roadmap_id, flour, ContentKind.tutorial, "Shorter, please."
            )
        )
        brief = designer.briefs[-1]
        assert brief.instruction == "Shorter, please."
        assert brief.previous == Tutorial(markdown=was["flour", "tutorial"])
        now = texts(roadmap_id)
        assert {place for place in was if was[place] != now[place]} == {("flour", "tutorial")}
        newest, first = content_versions.list_versions(
            LOCAL_OWNER, roadmap_id, flour, ContentKind.tutorial
        ).items
        assert (newest.version, newest.instruction, newest.current) == (2, "Shorter, please.", True)
        assert (first.version, first.instruction, first.current) == (1, "", False)
        old = content_versions.read_version(LOCAL_OWNER, roadmap_id, flour, ContentKind.tutorial, 1)
        assert old.content == Tutorial(markdown=was["flour", "tutorial"])
        row = the_roadmap(roadmap_id)
        assert (row.status, row.contents_ready, row.contents_failed) == ("ready", 2 * KINDS, 0)

    def test_a_wish_that_fails_leaves_the_version_that_is_there(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        flour, was = ids_by_key(roadmap_id)["flour"], texts(roadmap_id)
        designer.failing = lambda brief: True
        do(
            commands.regenerate(
                LOCAL_OWNER, roadmap_id, flour, ContentKind.tutorial, "Shorter, please."
            )
        )
        (part,) = rows(Content, (Content.concept == flour) & (Content.kind == "tutorial"))
        assert (part["status"], part["version"], part["error"], part["instruction"]) == (
            "ready",
            1,
            "Out of ink.",
            "",
        )
        assert (texts(roadmap_id), the_roadmap(roadmap_id).status) == (was, "ready")
        assert told(roadmap_id)[-2:] == ["content.failed", "roadmap.ready"]

    def test_one_part_that_failed_is_tried_again_and_no_other(
        self, client: TestClient, designer: Designer
    ) -> None:
        designer.failing = lambda brief: brief.key == "flour"
        roadmap_id = created(client)
        designer.failing = lambda brief: False
        flour = ids_by_key(roadmap_id)["flour"]
        assert the_roadmap(roadmap_id).contents_failed == KINDS
        do(commands.retry_part(LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.contents_ready, row.contents_failed) == (
            "partial",
            KINDS + 1,
            KINDS - 1,
        )
        with pytest.raises(Conflict, match="has not failed"):
            commands.retry_part(LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz)
        assert told(roadmap_id)[-3:] == ["content.queued", "content.ready", "roadmap.partial"]

    def test_a_quiz_of_an_earlier_version_keeps_its_answers_to_itself(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        flour = ids_by_key(roadmap_id)["flour"]
        read = content_versions.read_version(LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz, 1)
        assert "answers" not in read.model_dump_json()
        assert "explanation" not in read.model_dump_json()

    @pytest.mark.parametrize("most", ["versions", "revisions"])
    def test_there_is_a_limit_to_versions_and_revisions(
        self, client: TestClient, designer: Designer, monkeypatch: pytest.MonkeyPatch, most: str
    ) -> None:
        roadmap_id = created(client)
        flour, before = ids_by_key(roadmap_id)["flour"], rows(Roadmap)
        monkeypatch.setattr(commands, "MOST_VERSIONS", 1)
        with session():  # an earlier version may have been taken up again
            Content.update(version=0).execute()
        monkeypatch.setattr(revisions, "MOST", 1)
        longer = Rewrite(op="rewrite", what="concept", key="dough", hours=9)
        decide: dict[str, Callable[[], CommandResult]] = {
            "versions": lambda: commands.regenerate(
                LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz, ""
            ),
            "revisions": lambda: edit(roadmap_id, longer),
        }
        with pytest.raises(Conflict, match=f"has 1 {most}"):
            decide[most]()
        assert rows(Roadmap) == before

    def test_a_part_that_is_being_written_is_not_begun_twice(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        flour = ids_by_key(roadmap_id)["flour"]
        commands.regenerate(LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz, "")
        with pytest.raises(Conflict, match="being written already"):
            commands.regenerate(LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz, "")

    def test_all_that_failed_is_tried_again_and_nothing_else(
        self, client: TestClient, designer: Designer
    ) -> None:
        designer.failing = lambda brief: brief.key == "dough"
        roadmap_id = created(client)
        assert (the_roadmap(roadmap_id).status, the_roadmap(roadmap_id).contents_failed) == (
            "partial",
            KINDS,
        )
        designer.failing, designer.asked = (lambda brief: False), []
        do(commands.retry(LOCAL_OWNER, roadmap_id))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.error, row.contents_ready, row.contents_failed) == (
            "ready",
            "",
            2 * KINDS,
            0,
        )
        assert sorted(designer.asked) == sorted(f"{kind} of dough" for kind in ContentKind)
        assert_told_in_order(roadmap_id)

    def test_an_outline_that_failed_is_tried_again(
        self, client: TestClient, designer: Designer
    ) -> None:
        designer.designs = [GeneratorFault("No idea.", lasting=True), PLAN]
        roadmap_id = created(client)
        assert the_roadmap(roadmap_id).status == "failed"
        do(commands.retry(LOCAL_OWNER, roadmap_id))
        assert the_roadmap(roadmap_id).status == "ready"
        assert designer.asked.count("analysis") == 1
        newest, first = revisions.list_revisions(LOCAL_OWNER, roadmap_id).items
        assert (first.status, newest.status, newest.number, newest.current) == (
            "failed",
            "done",
            2,
            True,
        )

    def test_there_is_nothing_to_retry_in_a_finished_roadmap(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        with pytest.raises(Conflict, match="ready cannot be retried"):
            commands.retry(LOCAL_OWNER, roadmap_id)


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
        assert told(roadmap_id)[-1] == "roadmap.cancelled"
        assert_told_without_gaps(roadmap_id)

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
            def analyse(self, request: RoadmapRequest) -> Analysis:
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
        assert told(roadmap_id)[-2:] == ["revision.cancelled", "roadmap.ready"]

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
        assert told(roadmap_id)[-1] == "roadmap.ready"

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
        assert_told_in_order(roadmap_id)

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
def test_nobody_decides_about_the_roadmap_of_another(
    client: TestClient, designer: Designer, review: bool
) -> None:
    roadmap_id = created(client, review=review)
    before = rows(Roadmap)
    for decide in DECISIONS:
        with pytest.raises(NotFound):
            decide(NOBODY, roadmap_id)
        assert rows(Roadmap) == before
    assert rows(Account, Account.id == NOBODY) == []
