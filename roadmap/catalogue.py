"""The built-in generator: tracks written by people, in data files under `tracks/` (format: docs/CATALOGUE.md)."""

import re
import tomllib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Self, assert_never

from pydantic import BaseModel, ConfigDict

from core.errors import FieldError, Invalid
from roadmap.briefs import BUILT_IN, ConceptBrief, DesignBrief, GeneratorFault
from roadmap.metering import Meter
from roadmap.outline import (
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
from roadmap.requests import RoadmapRequest

TRACKS = Path(__file__).parent / "tracks"
FENCE = "+++\n"
WORD = re.compile(r"[\w+#.-]+")  # c++, c#, .net and back-end are words too
WORDS = {
    "/feedback": "is understood by a model only: set OPENAI_API_KEY, or change the plan directly by POST .../edits",
    "/instructions": "is understood by a model only: the built-in catalogue has one text for each part; set OPENAI_API_KEY",
}
RANK = {Level.beginner: 0, Level.intermediate: 1, Level.advanced: 2}


class Match(BaseModel):
    """Words that tell whether a goal is about a track; see `Track.score`."""

    model_config = ConfigDict(extra="forbid")
    subject: list[str]
    related: list[str]
    other: list[str]
    unless: list[str]

    @cached_property
    def found(self) -> dict[str, "Phrases"]:
        """By the name of each list."""
        return {name: Phrases(getattr(self, name)) for name in type(self).model_fields}


class Goal:
    """The words of a goal, as `Phrases` looks for them."""

    def __init__(self, goal: str) -> None:
        self.text = f" {' '.join(WORD.findall(goal.lower())).replace('. ', ' ').rstrip('.')} "
        self.words = frozenset(self.text.split(" "))


class Phrases:
    """Single words are looked up, and only phrases of several words are searched for: every new goal is looked at."""

    def __init__(self, phrases: Sequence[str]) -> None:
        self._words = frozenset(phrase for phrase in phrases if " " not in phrase)
        self._longer = tuple(f" {phrase} " for phrase in phrases if " " in phrase)

    def count_in(self, goal: Goal) -> int:
        return len(self._words & goal.words) + sum([phrase in goal.text for phrase in self._longer])


class TrackModule(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    description: str
    concepts: list[str]


class TrackStage(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    description: str
    modules: list[TrackModule]


class Track(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    title: str
    summary: str
    language: str
    match: Match
    stages: list[TrackStage]

    def score(self, goal: Goal) -> int:
        """How well the goal's words fit: 2 for each word of the subject, 1 for each related one; below 2 is no fit."""
        found = self.match.found
        if found["other"].count_in(goal) and not found["unless"].count_in(goal):
            return 0
        return 2 * found["subject"].count_in(goal) + found["related"].count_in(goal)


class CatalogueConcept(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    description: str
    hours: int
    difficulty: int
    known_from: Level | None = None
    prerequisites: list[str]
    outcomes: list[str]
    resources: list[Resource]
    spares: list[Resource] = []  # instead of a resource whose address is dead
    questions: list[Question]
    tutorial: str

    def is_news_to(self, level: Level) -> bool:
        return self.known_from is None or RANK[level] < RANK[self.known_from]


class Catalogue:
    """A Generator that needs no key and answers at once."""

    name = BUILT_IN
    repairs = False  # what people have written stays as it is

    def prompt_version(self, step: str) -> str:
        return ""

    def slot(self, *, first: bool = False) -> AbstractContextManager[None]:
        return nullcontext()

    def metered(self, meter: Meter) -> Self:
        return self

    def check(self, request: RoadmapRequest) -> None:
        if find_track(request.goal) is None:
            titles = ", ".join(f"'{track.title}'" for track in tracks().values())
            rule = f"no built-in track fits this goal; there is: {titles}. With OPENAI_API_KEY set, any goal works"
            raise Invalid("No built-in track fits this goal.", fields=(FieldError("/goal", rule),))
        if request.language.split("-")[0].lower() != "en":
            rule = "the built-in catalogue is written in English (en). With OPENAI_API_KEY set, any language works"
            raise Invalid("The built-in catalogue has no texts in this language.", fields=(FieldError("/language", rule),))

    def check_feedback(self, pointer: str) -> None:
        raise Invalid("The built-in catalogue does not follow words.", fields=(FieldError(pointer, WORDS[pointer]),))

    def analyse(self, request: RoadmapRequest) -> Analysis:
        track = _track(request)
        concepts = [load_concept(track.id, id_) for stage in track.stages for module in stage.modules for id_ in module.concepts]
        return Analysis(
            aim=track.summary,
            known=tuple(concept.title for concept in concepts if not concept.is_news_to(request.level)),
            subjects=tuple(module.title for stage in track.stages for module in stage.modules),
        )

    def repair(self, design: DesignBrief, draft: dict[str, Any], problems: Sequence[str]) -> Outline:
        raise GeneratorFault("A built-in track is not repaired.", lasting=True)

    def outline(self, design: DesignBrief) -> Outline:
        request = design.request
        if design.feedback:
            raise GeneratorFault("The built-in catalogue does not follow words; set OPENAI_API_KEY.", lasting=True)
        track = _track(request)
        stages = tuple(stage for stage in (_stage(track, stage, request.level) for stage in track.stages) if stage.modules)
        return Outline(title=track.title, stages=stages)

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        track_id, _, concept_id = brief.key.partition("/")
        concept = load_concept(track_id, concept_id)
        if kind is ContentKind.tutorial:
            return Tutorial(markdown=concept.tutorial)
        if kind is ContentKind.resources:
            return _living(concept, brief.dead)
        if kind is ContentKind.quiz:
            return Quiz(questions=tuple(concept.questions))
        assert_never(kind)


def _living(concept: CatalogueConcept, dead: Sequence[str]) -> Resources:
    """With a spare for each resource whose address is dead; unless nothing would be left."""
    left = [resource for resource in concept.resources if resource.url not in dead]
    spares = [spare for spare in concept.spares if spare.url not in dead]
    missing = len(concept.resources) - len(left)
    return Resources(items=tuple(left + spares[:missing]) or tuple(concept.resources))


def _track(request: RoadmapRequest) -> Track:
    track = find_track(request.goal)
    if track is None:
        raise GeneratorFault("No built-in track fits this goal; set OPENAI_API_KEY to have it designed.", lasting=True)
    return track


def find_track(goal: str) -> Track | None:
    """The track whose words fit the goal best, or None."""
    words = Goal(goal)
    score, best = max(((track.score(words), track) for track in tracks().values()), key=itemgetter(0))
    return best if score >= 2 else None


@lru_cache(maxsize=1)
def tracks() -> dict[str, Track]:
    """Every track by its id, in the order of their folders."""
    files = sorted(TRACKS.glob("*/track.toml"))
    return {track.id: track for track in (Track.model_validate(tomllib.loads(f.read_text("utf-8"))) for f in files)}


@lru_cache(maxsize=400)
def load_concept(track_id: str, concept_id: str) -> CatalogueConcept:
    """Raises GeneratorFault when this version of the catalogue has no such concept."""
    path = TRACKS / track_id / "concepts" / f"{concept_id}.md"
    if track_id not in tracks() or not path.is_file():
        raise GeneratorFault(
            "The built-in catalogue has no texts for this concept; set OPENAI_API_KEY and retry, or create the roadmap anew.",
            lasting=True,
        )
    return CatalogueConcept.model_validate(_parse(path.read_text("utf-8")))


def _parse(text: str) -> dict[str, Any]:
    _, front_matter, tutorial = text.split(FENCE, 2)
    return {**tomllib.loads(front_matter), "tutorial": tutorial.strip() + "\n"}


def _stage(track: Track, stage: TrackStage, level: Level) -> OutlineStage:
    modules = (_module(track, module, level) for module in stage.modules)
    kept = tuple(module for module in modules if module.concepts)
    return OutlineStage(key=_slug(stage.title), title=stage.title, description=stage.description, modules=kept)


def _module(track: Track, module: TrackModule, level: Level) -> OutlineModule:
    loaded = ((concept_id, load_concept(track.id, concept_id)) for concept_id in module.concepts)
    concepts = tuple(_concept(track, concept_id, c, level) for concept_id, c in loaded if c.is_news_to(level))
    key, description = _slug(module.title), module.description
    return OutlineModule(key=key, title=module.title, description=description, concepts=concepts)


def _slug(title: str) -> str:
    """A key out of a title: the same for every level of a track."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _concept(track: Track, concept_id: str, concept: CatalogueConcept, level: Level) -> OutlineConcept:
    needed = (p for p in concept.prerequisites if load_concept(track.id, p).is_news_to(level))
    return OutlineConcept(
        key=f"{track.id}/{concept_id}",
        title=concept.title,
        description=concept.description,
        hours=concept.hours,
        difficulty=concept.difficulty,
        prerequisites=tuple(f"{track.id}/{p}" for p in needed),
        outcomes=tuple(concept.outcomes),
    )
