"""Built-in generator: tracks of the catalogue (`loader.py`), found by `goal_matching.py`."""

import re
import zlib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from pkgutil import resolve_name
from statistics import fmean
from typing import Any

from core import clock
from core.errors import FieldError, Invalid, Unavailable
from roadmap.generation import own_chat_prompt
from roadmap.generation.catalogue import loader as files
from roadmap.generation.catalogue.goal_matching import CHINESE, INTENT, Lexicon
from roadmap.generation.catalogue.goal_reading import SPANS, Reading, read_goal, track_of
from roadmap.generation.catalogue.loader import (
    RANK,
    BrokenFile,
    CatalogueConcept,
    Track,
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
    UnknownHere,
)
from roadmap.generation.preferences import learning_preferences
from roadmap.plan.language_detection import script_of
from roadmap.plan.match import Choice, CourseScope, GoalMatch
from roadmap.plan.outline import (
    CONTENT_KINDS,
    LONGEST_ASKED,
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
    hours_until,
)
from roadmap.plan.schemas import RoadmapRequest

NO_TRACK = "No built-in track fits this goal; set OPENAI_API_KEY to have it designed."
# Of tracks beside a goal that none covers: points, words that they lack for each that they have
NEAR, MOST_LACKS = 3, 3
MOST_NAMED = 3  # concepts in a title
MOST_NEAR, MOST_WORDS = 3, 5  # tracks, and words of each, that are named


class CatalogueGenerator(Generator):
    """Generator that needs no key and answers at once."""

    name = BUILT_IN
    is_model = False  # tracks stay as people have written them

    def fit(self, request: RoadmapRequest) -> RoadmapRequest:
        found = find_tracks(request.goal)
        if not found:
            raise _refusal(request)
        track = min(found, key=lambda each: len(each.languages))  # all are served in one of its
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

    def match(self, request: RoadmapRequest) -> GoalMatch:
        return _options(request)[0]

    def analyse(self, request: RoadmapRequest, answers: Answers = None) -> Analysis:
        course = _chosen_course(request)
        return Analysis(
            aim=" ".join(track.summary for track in course.tracks),
            known=tuple(course.concepts[key].title for key in course.known),
            subjects=tuple(
                module.title
                for track in course.tracks
                for stage in track.stages
                for module in stage.modules
                if any(f"{track.id}/{id_}" in course.concepts for id_ in module.concepts)
            ),
            remark=course.remark,
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
        course = _chosen_course(request)
        return Outline(title=course.title, stages=tuple(course.stages()))

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        track_id, _, concept_id = brief.key.partition("/")
        if not files.has(track_id, concept_id):
            reason = (
                "The catalogue no longer has contents for this concept. If its track was removed "
                "from TRACKS_DIR, put it back, restart and retry; or set OPENAI_API_KEY and retry, "
                "or create a new roadmap."
            )
            if concept_id:
                raise UnknownHere(reason)
            raise GeneratorFault(reason, lasting=True)  # a person has added it
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


def find_tracks(goal: str) -> list[Track]:
    """Return the tracks that a goal names, the most important first. Raises Unavailable.

    They have a language in common.
    """
    try:
        return [files.tracks()[id_] for id_ in read_goal(goal).ids]
    except BrokenFile as broken:
        raise Unavailable(f"The built-in catalogue cannot be used: {broken}.") from None


@dataclass(frozen=True, slots=True)
class _Course:
    """Tracks of a request in its language, with all of their `concepts` by key, in order.

    `planned` are those to learn. Of the others, `covered` are taught by a planned one, and
    `skills` that the goal names leave out some. `named` are those that the goal asks for.
    """

    tracks: list[Track]
    concepts: dict[str, CatalogueConcept]
    planned: set[str]
    covered: dict[str, str]
    skills: dict[str, set[str]]
    named: Set[str]

    @property
    def title(self) -> str:
        """Return the titles of what the goal names, or of the tracks that it is about."""
        titles = [self.concepts[key].title for key in self.order() if key in self.named]
        if titles:
            heads = dict.fromkeys(re.split(r"[:\uff1a]", title)[0] for title in titles)
            return " + ".join([*heads][:MOST_NAMED]) + " \u2026" * (len(heads) > MOST_NAMED)
        left = {track_of(key) for key in self.planned}
        return " + ".join(track.title for track in self.tracks if track.id in left)

    @property
    def known(self) -> list[str]:
        """Return the keys of what the person knows, by level and by skills."""
        return [key for key in self.concepts if key not in self.planned | self.covered.keys()]

    @property
    def remark(self) -> str:
        """Return a sentence on what the skills leave out; empty: nothing."""
        if not self.skills:
            return ""
        left_out = set().union(*self.skills.values())
        titles = [each.title for key, each in self.concepts.items() if key in left_out]
        sentence, comma, semicolon = files.LEFT_OUT[self.tracks[0].language]
        return sentence.format(comma.join(self.skills), semicolon.join(titles))[:LONGEST_ASKED]

    @property
    def hours(self) -> int:
        return sum(self.concepts[key].hours for key in self.planned)

    def order(self) -> list[str]:
        """Return the keys of the planned concepts in the order of learning."""
        return [key for stage in self._order() for key in self._keys(*stage)]

    def titles(self) -> list[str]:
        return [self.concepts[key].title for key in self.order()]

    def within(self, hours: int) -> "_Course":
        """Return the first concepts that these hours hold, each with what it needs."""
        taken: set[str] = set()
        for key in self.order():
            left = hours - sum(self.concepts[each].hours for each in taken)
            if self.concepts[key].hours <= left and taken.issuperset(self._prerequisites(key)):
                taken.add(key)
        return replace(self, planned=taken, named=(self.named or taken) & taken)

    def stages(self) -> Iterator[OutlineStage]:
        placed: set[str] = set()
        for track, number in self._order():
            yield self._stage(track, number, placed)

    def _order(self) -> Iterator[tuple[Track, int]]:
        """Yield the stages, each after those that it needs, of several tracks the easier first."""
        left = [
            [(track, number) for number in range(len(track.stages)) if self._keys(track, number)]
            for track in self.tracks
        ]
        placed: set[str] = set()
        while heads := [stages[0] for stages in left if stages]:
            ready = [each for each in heads if self._needs(*each) <= placed]
            track, number = min(
                ready or heads,
                key=lambda each: fmean(self.concepts[key].difficulty for key in self._keys(*each)),
            )
            left = [[each for each in stages if each != (track, number)] for stages in left]
            placed.update(self._keys(track, number))
            yield track, number

    def _keys(self, track: Track, number: int) -> list[str]:
        """Return the keys of the planned concepts of a stage."""
        modules = track.stages[number].modules
        keys = (f"{track.id}/{id_}" for module in modules for id_ in module.concepts)
        return [key for key in keys if key in self.planned]

    def _needs(self, track: Track, number: int) -> set[str]:
        """Return the keys of other stages that a stage needs."""
        keys = self._keys(track, number)
        return {needed for key in keys for needed in self._prerequisites(key)} - set(keys)

    def _prerequisites(self, key: str) -> Iterator[str]:
        """Yield the keys of the planned prerequisites, or of what covers them."""
        for needed in self.concepts[key].prerequisites:
            other = needed if "/" in needed else f"{track_of(key)}/{needed}"
            while other in self.covered:
                other = self.covered[other]
            if other in self.planned:
                yield other

    def _stage(self, track: Track, number: int, placed: set[str]) -> OutlineStage:
        stage, english = track.stages[number], tracks()[track.id].stages[number]
        # Keys are those of every language and level
        of_several = f"{track.id}/" if len(self.tracks) > 1 else ""
        modules = [
            OutlineModule(
                key=of_several + _slug(in_english.title),
                title=module.title,
                description=module.description,
                concepts=tuple(
                    self._concept(key, placed)
                    for key in (f"{track.id}/{id_}" for id_ in module.concepts)
                    if key in self.planned
                ),
            )
            for module, in_english in zip(stage.modules, english.modules, strict=True)
        ]
        ids = [f"{track.id}/{id_}" for module in stage.modules for id_ in module.concepts]
        is_most = 2 * sum(key in self.planned | self.covered.keys() for key in ids) >= len(ids)
        try:
            capstones = files.load_capstones(track.id, track.language)
        except BrokenFile as broken:
            raise _unusable(track, broken) from None
        return OutlineStage(
            key=of_several + _slug(english.title),
            title=stage.title,
            description=stage.description,
            modules=tuple(module for module in modules if module.concepts),
            # It needs what the stage teaches.
            capstone=capstones[number] if capstones and is_most else None,
        )

    def _concept(self, key: str, placed: set[str]) -> OutlineConcept:
        track_id, _, id_ = key.partition("/")
        concept = _loaded(next(track for track in self.tracks if track.id == track_id), id_)
        needed = dict.fromkeys(each for each in self._prerequisites(key) if each in placed)
        placed.add(key)
        return OutlineConcept(
            key=key,
            title=concept.title,
            description=concept.description,
            hours=concept.hours,
            difficulty=concept.difficulty,
            prerequisites=tuple(needed),
            outcomes=tuple(concept.outcomes),
        )


def _course(reading: Reading, level: Level, language: str, scope: CourseScope) -> _Course:
    """Return a course in a language of the catalogue. Raises GeneratorFault, BrokenFile."""
    if not reading.ids:
        raise UnknownHere(NO_TRACK)
    if level not in RANK:
        raise UnknownHere(f"The level {level} is unknown.")
    wanted: Set[str] = frozenset()
    ids = dict.fromkeys(reading.ids)
    if scope == CourseScope.fitting:
        wanted = reading.named | reading.around
        ids |= dict.fromkeys(map(track_of, sorted(reading.named)))
    translated = [_in(tracks()[id_], language) for id_ in ids]
    concepts = {
        f"{track.id}/{id_}": files.facts_of(track, id_)
        for track in translated
        for id_ in track.concept_ids
    }
    chosen = wanted & concepts.keys() or set(concepts)
    for key in reversed(concepts):  # what a concept needs comes before it
        if key in chosen:
            chosen |= {f"{track_of(key)}/{id_}" for id_ in concepts[key].prerequisites}
    planned = {
        key
        for key in chosen & concepts.keys()
        if key in reading.named or concepts[key].is_news_to(level)
    }
    skills: dict[str, set[str]] = {}
    for word, names in reading.known:
        taught = (
            f"{track.id}/{id_}"
            for track in translated
            for name in names
            for id_ in track.teaches.get(name, ())
        )
        if left_out := planned.intersection(taught) - reading.named:
            skills[word] = left_out
    rest = planned.difference(*skills.values())
    if not rest:  # they are what the person wants to learn
        rest, skills = planned, {}
    covered = {}
    for track in translated:
        for id_, others in track.same_as.items():
            key, by = f"{track.id}/{id_}", next(filter(rest.__contains__, others), None)
            if key in rest and by is not None:
                rest.remove(key)
                covered[key] = by
    concepts = {key: each for key, each in concepts.items() if key in chosen}
    return _Course(translated, concepts, rest, covered, skills, wanted & rest)


def _chosen_course(request: RoadmapRequest) -> _Course:
    _, courses = _options(request)
    return courses.get(request.scope, next(iter(courses.values())))


def _options(request: RoadmapRequest) -> tuple[GoalMatch, dict[CourseScope, _Course]]:
    """Return the match of a request, and the courses to choose from. Raises GeneratorFault."""
    hours = next((SPANS[each] for each in SPANS if re.search(each, request.goal, re.I)), None)
    if request.deadline is not None and hours is None:
        hours = hours_until(request.deadline, clock.now().date(), request.hours_per_week)
    try:
        return _options_in(
            files.lexicon(),
            read_goal(request.goal),
            request.level,
            language_of(request.language) or files.ENGLISH,
            hours,
        )
    except BrokenFile as broken:
        raise GeneratorFault(f"The built-in catalogue cannot be used: {broken}.") from None


@lru_cache(maxsize=200)
def _options_in(
    _: Lexicon, reading: Reading, level: Level, language: str, hours: int | None
) -> tuple[GoalMatch, dict[CourseScope, _Course]]:
    """Return the options for these hours; None: there is no limit.

    A goal is accepted in less time than they take: goals that read the same share them.
    """
    whole = _course(reading, level, language, CourseScope.track)
    is_covered = not any(reading.words[1:])
    has_part = reading.named or (reading.around and not is_covered)
    part = _course(reading, level, language, CourseScope.fitting) if has_part else whole
    made = part if reading.named else whole
    fits_in_time = hours is None or made.hours <= hours
    if hours is not None and not fits_in_time:
        within = part.within(hours)
        part = within if within.named else part
    courses = {CourseScope.fitting: part, CourseScope.track: whole}
    if not part.planned or part.planned == whole.planned:
        del courses[CourseScope.fitting]
    match = GoalMatch(
        **dict(zip(("covered", "partly", "missing"), map(list, reading.words), strict=True)),
        hours_available=hours,
        fits_in_time=fits_in_time,
        asks=not (is_covered and fits_in_time),
        summary=_summary(reading, whole, made, part, hours),
        choices=[
            Choice(
                scope=scope,
                title=course.title,
                concepts=course.titles(),
                hours=course.hours,
            )
            for scope, course in courses.items()
            # The 202 is stored with its key: it lists no concepts where nothing is to be chosen.
            if len(courses) > 1 or not (is_covered and fits_in_time)
        ],
    )
    return match, courses


def _summary(
    reading: Reading, whole: _Course, made: _Course, part: _Course, hours: int | None
) -> str:
    """Return what a person should know before the course is made; empty: all fits."""
    _, comma, semicolon = files.LEFT_OUT[whole.tracks[0].language]
    covered, partly, missing = map(comma.join, reading.words)
    names = [each.lower() for each in reading.words[1]]
    teaches = (any(each in title.lower() for each in names) for title in whole.titles())
    is_late = hours is not None and made.hours > hours
    facts = {
        **{"partly": partly, "missing": missing, "covered": covered, "available": hours},
        **{"track": whole.title, "all": len(whole.planned), "taught": sum(teaches)},
        "around": len(reading.around & whole.planned),
        **{"title": made.title, "needed": made.hours},
        **{"titles": semicolon.join(part.titles()), "count": len(part.planned)},
        "hours": part.hours,
    }
    shown = (partly, missing, is_late, is_late and part is not made, reading.named and not is_late)
    sentences = zip(shown, files.SAYS[whole.tracks[0].language], strict=True)
    return "".join(text.format(**facts) for is_shown, text in sentences if is_shown).strip()


def _in(track: Track, language: str) -> Track:
    """Return a track in a language. Raises GeneratorFault."""
    if language not in track.languages:
        raise UnknownHere(_not_in(track, language))
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
    return Invalid(f"{NO_TRACK} {closest}", fields=(FieldError("/goal", rule),), members=members)


def nearest_tracks(goal: str) -> list[dict[str, Any]]:
    """Return the tracks that have a part of a goal which none covers, best first.

    One that has little of it, and that by words with several meanings, is not near.
    """
    lexicon = files.lexicon()
    phrases = dict(lexicon.phrases(lexicon.simplified(goal)))
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


def _slug(title: str) -> str:
    """Return the key of a title, which is the same for every level of a track."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return f"{slug}-{zlib.crc32(title.encode()):08x}" if CHINESE.search(title) else slug
