"""Results with their common fields; `get` returns all of /openapi.json."""

from typing import Any, TypedDict

Json = dict[str, Any]


class EventJson(TypedDict):
    seq: int  # 0 for a `content_draft`, which is not stored
    type: str
    data: Json
    at: str


class AcceptedJson(TypedDict):
    id: str
    status: str
    links: dict[str, str]
    match: Json | None  # None: any goal fits


class RoadmapSummaryJson(TypedDict):
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


class NodeJson(TypedDict):
    id: str
    key: str
    title: str
    description: str
    hours: int


class ConceptNodeJson(NodeJson):
    week: int
    progress: str
    reading_minutes: int
    practice_minutes: int
    spent_minutes: int
    contents: dict[str, Json]


class ModuleJson(NodeJson):
    concepts: list[ConceptNodeJson]


class StageJson(NodeJson):
    modules: list[ModuleJson]


class RoadmapJson(RoadmapSummaryJson):
    remarks: list[str]
    match: Json | None
    learned: dict[str, int]
    stages: list[StageJson]
    links: dict[str, str]


class ConceptJson(ConceptNodeJson):
    notes: str
    tutorial: Json | None  # None: not written yet
    resources: list[Json] | None
    quiz: Json | None


class AttemptJson(TypedDict):
    id: str
    score: int
    total: int
    questions: list[Json]
    passed: bool
