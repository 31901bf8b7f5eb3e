"""A generator that returns the outlines of a test, and commands on its roadmap."""

import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from starlette.testclient import TestClient

from models.roadmaps import Concept
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.context import Answers, ConceptBrief, DesignBrief, Generator, GeneratorFault
from roadmap.lifecycle import commands, events
from roadmap.lifecycle.commands import CommandResult
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.lifecycle.reading import queries
from roadmap.plan.edits import Operation
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
from roadmap.plan.statuses import Job
from tasks import dispatcher
from tests.unit.roadmap.lifecycle.test_jobs import rows, the_roadmap

KINDS = len(ContentKind)


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


class Designer(Generator):
    """A Generator of given designs. `asked` holds the requests; every text it writes differs."""

    name, is_model = "designer", True

    def __init__(self, *designs: Outline | Exception) -> None:
        self.designs = list(designs)
        self.asked: list[str] = []
        self.briefs: list[ConceptBrief] = []
        self.feedback: list[str] = []
        self.problems: list[list[str]] = []
        self.failing: Callable[[ConceptBrief], bool] = lambda brief: False

    def prompt_version(self, step: str) -> str:
        return f"{step}-1"

    def slot(self, *, first: bool = False) -> Any:
        return threading.RLock()

    def analyse(self, request: RoadmapRequest, answers: Answers = None) -> Analysis:
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
    """Do what follows from a decision."""
    dispatcher.enqueue(decided.steps)
    return decided


def edit(roadmap_id: UUID, *operations: Operation, base: int | None = None) -> CommandResult:
    return do(commands.edit(LOCAL_OWNER, roadmap_id, operations, base))


def ids_by_key(roadmap_id: UUID) -> dict[str, UUID]:
    return {row["key"]: row["id"] for row in rows(Concept, Concept.roadmap == roadmap_id)}


def texts(roadmap_id: UUID) -> dict[tuple[str, str], str]:
    """Return the texts of each concept, by its key and kind."""
    tree = queries.roadmap_tree(LOCAL_OWNER, roadmap_id)
    found = {}
    for node in (c for stage in tree.stages for module in stage.modules for c in module.concepts):
        detail = queries.concept_detail(LOCAL_OWNER, roadmap_id, node.id)
        found[node.key, "tutorial"] = detail.tutorial.markdown if detail.tutorial else ""
        found[node.key, "resources"] = detail.resources[0].title if detail.resources else ""
        found[node.key, "quiz"] = detail.quiz.questions[0].prompt if detail.quiz else ""
    return found


def event_names(roadmap_id: UUID) -> list[str]:
    return [event.type for event in events.events_after(roadmap_id, 0)]


def plan_of(roadmap_id: UUID) -> list[str]:
    tree = queries.roadmap_tree(LOCAL_OWNER, roadmap_id)
    return [
        node.key for stage in tree.stages for module in stage.modules for node in module.concepts
    ]


def assert_events_in_order(roadmap_id: UUID) -> None:
    """Events of a roadmap that was changed after its end: it ends more than once."""
    seqs = [event.seq for event in events.events_after(roadmap_id, 0)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert the_roadmap(roadmap_id).last_seq == len(seqs)
