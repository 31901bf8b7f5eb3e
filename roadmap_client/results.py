"""Results with their common fields; `get` returns all of /openapi.json."""

from typing import Any, TypedDict

Json = dict[str, Any]


class Event(TypedDict):
    seq: int  # 0 for a `content_draft`, which is not stored
    type: str
    data: Json
    at: str


class Accepted(TypedDict):
    id: str
    status: str
    links: dict[str, str]


class RoadmapSummary(TypedDict):
    id: str
    goal: str
    title: str
    status: str
    error: str
    language: str
    progress: dict[str, int]
    level: str
    hours_per_week: int
    deadline: str | None
    weeks: int
    hours: int
    revision: int


class Node(TypedDict):
    id: str
    key: str
    title: str
    description: str
    hours: int


class ConceptNode(Node):
    week: int
    progress: str
    contents: dict[str, Json]


class Module(Node):
    concepts: list[ConceptNode]


class Stage(Node):
    modules: list[Module]


class Roadmap(RoadmapSummary):
    remarks: list[str]
    learned: dict[str, int]
    stages: list[Stage]
    links: dict[str, str]


class Concept(ConceptNode):
    notes: str
    tutorial: Json | None  # None: not written yet
    resources: list[Json] | None
    quiz: Json | None


class Attempt(TypedDict):
    id: str
    score: int
    total: int
    questions: list[Json]
    passed: bool


class Today(TypedDict):
    today: str
    due: int
    review_minutes: int
    next: Json | None
    minutes: int
    streak: int
