"""Built-in generator: tracks of the catalogue (`loader.py`), found by `goal_matching.py`."""

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pkgutil import resolve_name
from typing import Any

from core.errors import FieldError, Invalid, Unavailable
from roadmap.generation import own_chat_prompt
from roadmap.generation.catalogue import loader as files
from roadmap.generation.catalogue.goal_matching import CHINESE, ENOUGH, INTENT
from roadmap.generation.catalogue.loader import (
    BrokenFile,
    CatalogueConcept,
    Track,
    TrackStage,
    language_of,
    tracks,
)
from roadmap.generation.context import (
    BUILT_IN,
    Answers,
    ConceptBrief,
    DesignBrief,
    Generator,
    GeneratorFault,
)
from roadmap.generation.preferences import learning_preferences
from roadmap.plan.language_detection import script_of
from roadmap.plan.outline import (
    CONTENT_KINDS,
    Analysis,
    ContentKind,
    Contents,
    Level,
    Outline,
    OutlineConcept,
    OutlineModule,
    OutlineStage,
    Quiz,
    Resource,
    Resources,
    Tutorial,
)
from roadmap.plan.schemas import RoadmapRequest

NO_TRACK = "No built-in track fits this goal; set OPENAI_API_KEY to have it designed."
# Of tracks beside a goal that none covers: points, words that they lack for each that they have
NEAR, MOST_LACKS = 3, 3
MOST_NEAR, MOST_WORDS = 3, 5  # tracks, and words of each, that are named
# Rules by field of a request.
NEEDS_A_MODEL = {
    "/feedback": "requires a model: set OPENAI_API_KEY, or change the plan with POST .../edits",
    "/instructions": "requires a model: the built-in catalogue has one text for each part; "
    "set OPENAI_API_KEY",
}


class CatalogueGenerator(Generator):
    """Generator that needs no key and answers at once."""

    name = BUILT_IN
    repairs = False  # tracks stay as people have written them

    def fit(self, request: RoadmapRequest) -> RoadmapRequest:
        track = find_track(request.goal)
        if track is None:
            raise _refusal(request)
        if language_of(request.language) in track.languages:
            return request
        if request.names_language:
            there = " and ".join(f"{files.LANGUAGES[tag]} ({tag})" for tag in track.languages)
            rule = (
                f"the built-in track '{track.title}' is written in {there}. "
                "With OPENAI_API_KEY set, any language works"
            )
            raise Invalid(_not_in(track, request.language), fields=(FieldError("/language", rule),))
        is_near = script_of(request.language) == "Hant" and files.CHINESE in track.languages
        return request.in_language(files.CHINESE if is_near else track.languages[0])

    def check_feedback(self, pointer: str) -> None:
        raise Invalid(
            "The built-in catalogue cannot follow instructions. Set OPENAI_API_KEY.",
            fields=(FieldError(pointer, NEEDS_A_MODEL[pointer]),),
        )

    def analyse(self, request: RoadmapRequest, answers: Answers = None) -> Analysis:
        track = _track(request)
        concepts = (_loaded(track, id_) for id_ in track.concept_ids)
        return Analysis(
            aim=track.summary,
            known=tuple(each.title for each in concepts if not each.is_news_to(request.level)),
            subjects=tuple(module.title for stage in track.stages for module in stage.modules),
        )

    def fill(self, design: DesignBrief, outline: Outline) -> Outline:
        raise GeneratorFault("A built-in track has no empty stage.", lasting=True)

    def repair(
        self, design: DesignBrief, draft: dict[str, Any], problems: Sequence[str]
    ) -> Outline:
        raise GeneratorFault("A built-in track is not repaired.", lasting=True)

    def outline(self, design: DesignBrief) -> Outline:
        request = design.request
        if design.feedback:
            raise GeneratorFault(
                "The built-in catalogue does not follow words; set OPENAI_API_KEY.", lasting=True
            )
        track = _track(request)
        stages = [
            _stage(track, number, stage, request.level) for number, stage in enumerate(track.stages)
        ]
        return Outline(title=track.title, stages=tuple(each for each in stages if each.modules))

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        track_id, _, concept_id = brief.key.partition("/")
        if not files.has(track_id, concept_id):
            raise GeneratorFault(
                "The catalogue no longer has contents for this concept. If its track was removed "
                "from TRACKS_DIR, put it back, restart and retry; or set OPENAI_API_KEY and retry, "
                "or create a new roadmap.",
                lasting=True,
            )
        written_in = language_of(brief.request.language) or files.ENGLISH
        concept = _loaded(_in(tracks()[track_id], written_in), concept_id)
        content: Contents = resolve_name(CONTENT_KINDS[kind].catalogue)(concept, brief)
        return content


def tutorial_of(concept: CatalogueConcept, brief: ConceptBrief) -> Tutorial:
    language, usual = concept.tutorial_language, language_of(brief.request.language)
    is_other = language != (usual or files.ENGLISH)
    return Tutorial(markdown=concept.tutorial, language=language if is_other else None)


def quiz_of(concept: CatalogueConcept, brief: ConceptBrief) -> Quiz:
    """Return the quiz; its options are in another order for each attempt."""
    return Quiz(
        questions=tuple(
            question.model_copy(update={"seed": zlib.crc32(question.prompt.encode())})
            for question in concept.questions
        )
    )


def resources_of(concept: CatalogueConcept, brief: ConceptBrief) -> Resources:
    """Return resources, with spares for dead ones unless none is left, sorted by preferences.

    Liked types come first and disliked ones last; then those for the level of the request.
    """
    left = [resource for resource in concept.resources if resource.url not in brief.dead]
    spares = [spare for spare in concept.spares if spare.url not in brief.dead]
    left += spares[: len(concept.resources) - len(left)]
    liked, disliked = learning_preferences(brief.request.preferences)

    def place(item: Resource) -> tuple[bool, bool, bool]:
        return item.type in disliked, item.type not in liked, item.level != brief.request.level

    return Resources(items=tuple(sorted(left or concept.resources, key=place)))


@lru_cache(maxsize=2000)  # of goals with at most 1,000 characters
def find_track(goal: str) -> Track | None:
    """Return the track that fits a goal best, or None. Raises Unavailable.

    A goal is matched when it is accepted, and again twice while it is planned.
    """
    try:
        meant = files.lexicon().read(goal)
    except BrokenFile as broken:
        raise Unavailable(f"The built-in catalogue cannot be used: {broken}.") from None
    points = {track.id: meant.points(track.match) for track in tracks().values()}
    best = max(points, key=points.__getitem__, default="")
    return tracks()[best] if points.get(best, 0) >= ENOUGH else None


def _track(request: RoadmapRequest) -> Track:
    """Return the track of a request in its language. Raises GeneratorFault."""
    track = find_track(request.goal)
    if track is None:
        raise GeneratorFault(NO_TRACK, lasting=True)
    return _in(track, language_of(request.language) or files.ENGLISH)


def _in(track: Track, language: str) -> Track:
    """Return a track in a language. Raises GeneratorFault."""
    if language not in track.languages:
        raise GeneratorFault(_not_in(track, language), lasting=True)
    try:
        return files.load_track(track.id, language)
    except BrokenFile as broken:
        raise _unusable(track, broken) from None


def _loaded(track: Track, concept_id: str) -> CatalogueConcept:
    """Return a concept in the language of the track. Raises GeneratorFault."""
    try:
        return files.load_concept(track.id, concept_id, track.language)
    except BrokenFile as broken:
        raise _unusable(track, broken) from None


def _not_in(track: Track, tag: str) -> str:
    return f"The built-in track '{track.title}' is not written in {files.LANGUAGES.get(tag, tag)}."


def _refusal(request: RoadmapRequest) -> Invalid:
    """Return the refusal of a goal, with what can be done instead."""
    titles = ", ".join(f"'{track.title}'" for track in tracks().values())
    rule = f"should be a subject of a built-in track: {titles}. With OPENAI_API_KEY set, any works"
    near = nearest_tracks(request.goal)
    closest = "None of the built-in tracks comes close."
    if near:
        subject = ", ".join(near[0]["lacks"]) or f"{', '.join(near[0]['has'])} alone"
        closest = f"Nothing on {subject}; the closest is '{near[0]['title']}'."
    members = {
        "nearest": near,
        "chat_prompt": own_chat_prompt.prompt_of(request),
        "outline": own_chat_prompt.outline_of(request),
    }
    fields = (FieldError("/goal", rule),)
    return Invalid(f"{NO_TRACK} {closest}", fields=fields, members=members)


def nearest_tracks(goal: str) -> list[dict[str, Any]]:
    """Return the tracks that have a part of a goal which none covers, best first.

    One that has little of it, and that by words with several meanings, is not near.
    """
    phrases = dict(files.lexicon().phrases(goal))
    near = []
    for track in tracks().values():
        has = [
            word for word, names in phrases.items() if names & track.match.points.keys() - {INTENT}
        ]
        lacks = [word for word, names in phrases.items() if not names & track.match.points.keys()]
        points = sum(track.match.points.get(name, 0) for word in has for name in phrases[word])
        if points >= NEAR and len(lacks) <= MOST_LACKS * len(has):
            words = {"has": has, "lacks": lacks[:MOST_WORDS]}  # as the goal has them
            near.append((points, {"id": track.id, "title": track.title, **words}))
    near.sort(key=lambda each: -each[0])
    return [found for _, found in near[:MOST_NEAR]]


def _unusable(track: Track, broken: BrokenFile) -> GeneratorFault:
    return GeneratorFault(
        f"The built-in track '{track.title}' cannot be used: {broken}.", lasting=True
    )


def _stage(track: Track, number: int, stage: TrackStage, level: Level) -> OutlineStage:
    english = tracks()[track.id].stages[number]  # its keys are those of every language
    modules = [
        OutlineModule(
            key=_slug(its.title),
            title=module.title,
            description=module.description,
            concepts=tuple(
                _concept(track, concept_id, level)
                for concept_id in module.concepts
                if _loaded(track, concept_id).is_news_to(level)
            ),
        )
        for module, its in zip(stage.modules, english.modules, strict=True)
    ]
    planned = sum(len(module.concepts) for module in modules)
    is_most = 2 * planned >= sum(len(module.concepts) for module in stage.modules)
    try:
        capstones = files.load_capstones(track.id, track.language)
    except BrokenFile as broken:
        raise _unusable(track, broken) from None
    return OutlineStage(
        key=_slug(english.title),
        title=stage.title,
        description=stage.description,
        modules=tuple(module for module in modules if module.concepts),
        # It needs what the stage teaches.
        capstone=capstones[number] if capstones and is_most else None,
    )


def _slug(title: str) -> str:
    """Return the key of a title, which is the same for every level of a track."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return f"{slug}-{zlib.crc32(title.encode()):08x}" if CHINESE.search(title) else slug


def _concept(track: Track, concept_id: str, level: Level) -> OutlineConcept:
    concept = _loaded(track, concept_id)
    return OutlineConcept(
        key=f"{track.id}/{concept_id}",
        title=concept.title,
        description=concept.description,
        hours=concept.hours,
        difficulty=concept.difficulty,
        prerequisites=tuple(
            f"{track.id}/{needed}"
            for needed in concept.prerequisites
            if _loaded(track, needed).is_news_to(level)
        ),
        outcomes=tuple(concept.outcomes),
    )
