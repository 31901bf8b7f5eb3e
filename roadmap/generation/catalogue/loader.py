"""The files of the built-in catalogue (format: docs/CATALOGUE.md), read and checked. What does not fit is named: the file, the
place in it and the rule. A file that does not fit makes its track unusable, and no other.
"""

import tomllib
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.sanitize import format_size
from roadmap.generation.catalogue.goal_matching import Lexicon, Match, Vocabulary
from roadmap.plan.language_detection import script_of
from roadmap.plan.outline import Level, Question, Resource, Title

TRACKS = Path(__file__).parent / "tracks"
FENCE = "+++\n"
LARGEST_FILE = 1024 * 1024  # bytes; ours have at most 20 KB
ENGLISH, CHINESE = "en", "zh-Hans"
LANGUAGES = {ENGLISH: "English", CHINESE: "Simplified Chinese"}
NOT_TRANSLATED = {CHINESE: "> 这篇教程还没有中文版，以下是英文原文。\n\n"}
RANK = {Level.beginner: 0, Level.intermediate: 1, Level.advanced: 2}

Named = Annotated[Title, Field(pattern="[A-Za-z0-9]")]  # its key is made of these
Read = TypeVar("Read", bound=BaseModel)


class BrokenFile(Exception):
    """A file of the catalogue cannot be used; the message names it, the place in it and the rule."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TrackModule(Strict):
    title: Named
    description: str
    concepts: list[str] = Field(min_length=1)


class TrackStage(Strict):
    title: Named
    description: str
    modules: list[TrackModule] = Field(min_length=1)


class Track(Strict):
    id: str
    position: int  # among the tracks
    title: Title
    summary: str
    language: str
    match: Match
    stages: list[TrackStage] = Field(min_length=1)

    @property
    def concept_ids(self) -> list[str]:
        """In the order of learning."""
        return [id_ for stage in self.stages for module in stage.modules for id_ in module.concepts]


class CatalogueConcept(Strict):
    title: Title
    description: str
    hours: int = Field(ge=1, le=200)
    difficulty: int = Field(ge=1, le=5)
    known_from: Level | None = None
    prerequisites: list[str]
    outcomes: list[str]
    resources: list[Resource] = Field(min_length=1)
    spares: list[Resource] = []  # instead of a resource whose address is dead
    questions: list[Question] = Field(min_length=1)
    tutorial: str
    tutorial_language: str = ENGLISH

    def is_news_to(self, level: Level) -> bool:
        return self.known_from is None or RANK[level] < RANK[self.known_from]


class TranslatedModule(Strict):
    title: Title
    description: str


class TranslatedStage(Strict):
    title: Title
    description: str
    modules: list[TranslatedModule]


class TranslatedTrack(Strict):
    title: Title
    summary: str
    stages: list[TranslatedStage]


class TranslatedQuestion(Strict):
    prompt: str
    options: list[str]
    explanation: str


class TranslatedConcept(Strict):
    """`whys` are those of the resources and then of the spares. Without a tutorial, there is the English one."""

    title: Title
    description: str
    outcomes: list[str]
    whys: list[str]
    questions: list[TranslatedQuestion]
    tutorial: str


def language_of(tag: str) -> str | None:
    """In which of the catalogue's languages a BCP 47 tag is served; None: in none."""
    language = tag.split("-", maxsplit=1)[0].lower()
    if language == "en":
        return ENGLISH
    return CHINESE if language == "zh" and script_of(tag) in ("Hans", "Hani", None) else None


@lru_cache(maxsize=1)
def tracks() -> dict[str, Track]:
    """Every track whose head can be read, by its id, the first first. `broken_heads` names the others."""
    return {track.id: track for track in sorted(heads()[0], key=lambda track: track.position)}


def broken_heads() -> list[str]:
    return heads()[1]


@lru_cache(maxsize=1)
def heads() -> tuple[list[Track], list[str]]:
    """`track.toml` of each folder, or why it cannot be used."""
    found, broken = [], []
    for file in sorted(TRACKS.glob("*/track.toml")):
        try:
            track = _read(file, Track, _toml(file, _text(file)))
            if track.id != file.parent.name:
                raise BrokenFile(
                    f"{_place(file)}: id: must be {file.parent.name!r}, as its folder is called"
                )
            found.append(track)
        except BrokenFile as broken_file:
            broken.append(str(broken_file))
    return found, broken


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """By which every goal is read. Raises BrokenFile."""
    file = TRACKS / "words.toml"
    return Lexicon(_read(file, Vocabulary, _toml(file, _text(file))))


def languages(track: Track) -> list[str]:
    """In which it is there."""
    return [
        tag
        for tag in LANGUAGES
        if tag == ENGLISH or (TRACKS / track.id / tag / "track.toml").is_file()
    ]


def has(track_id: str, concept_id: str) -> bool:
    return track_id in tracks() and concept_id in tracks()[track_id].concept_ids


@lru_cache(maxsize=40)
def load_track(track_id: str, language: str = ENGLISH) -> Track:
    """In that language. Raises BrokenFile."""
    track = tracks()[track_id]
    if language == ENGLISH:
        return track
    file = TRACKS / track_id / language / "track.toml"
    made = _read(file, TranslatedTrack, _toml(file, _text(file)))
    _same_length(file, "stages", made.stages, track.stages)
    stages = []
    for number, (stage, its) in enumerate(zip(track.stages, made.stages, strict=True)):
        _same_length(file, f"stages.{number}.modules", its.modules, stage.modules)
        pairs = zip(stage.modules, its.modules, strict=True)
        modules = [
            module.model_copy(update=translated.model_dump()) for module, translated in pairs
        ]
        told = {"title": its.title, "description": its.description, "modules": modules}
        stages.append(stage.model_copy(update=told))
    return track.model_copy(
        update={
            "title": made.title,
            "summary": made.summary,
            "stages": stages,
            "language": language,
        }
    )


@lru_cache(maxsize=800)
def load_concept(track_id: str, concept_id: str, language: str = ENGLISH) -> CatalogueConcept:
    """In that language; a tutorial that is not translated stays English, and begins with a sentence that says so.

    Raises BrokenFile.
    """
    file = TRACKS / track_id / "concepts" / f"{concept_id}.md"
    concept = _read(file, CatalogueConcept, _front_matter(file))
    for needed in concept.prerequisites:
        if not has(track_id, needed):
            raise BrokenFile(
                f"{_place(file)}: prerequisites: {needed!r} is no concept of this track"
            )
    if language == ENGLISH:
        return concept
    return _translated(
        TRACKS / track_id / language / "concepts" / f"{concept_id}.md", concept, language
    )


def _translated(file: Path, concept: CatalogueConcept, language: str) -> CatalogueConcept:
    made = _read(file, TranslatedConcept, _front_matter(file))
    named = [*concept.resources, *concept.spares]
    for name, its, wanted in (
        ("outcomes", made.outcomes, concept.outcomes),
        ("whys", made.whys, named),
        ("questions", made.questions, concept.questions),
    ):
        _same_length(file, name, its, wanted)
    questions = []
    for number, (question, words) in enumerate(zip(concept.questions, made.questions, strict=True)):
        _same_length(file, f"questions.{number}.options", words.options, question.options)
        facts = {"type": question.type, "answers": list(question.answers), **words.model_dump()}
        questions.append(_read(file, Question, facts, f"questions.{number}"))
    told = [
        item.model_copy(update={"why": why}) for item, why in zip(named, made.whys, strict=True)
    ]
    is_translated = bool(made.tutorial.strip())
    return concept.model_copy(
        update={
            **{name: getattr(made, name) for name in ("title", "description", "outcomes")},
            "resources": told[: len(concept.resources)],
            "spares": told[len(concept.resources) :],
            "questions": questions,
            "tutorial": made.tutorial
            if is_translated
            else NOT_TRANSLATED[language] + concept.tutorial,
            "tutorial_language": language if is_translated else ENGLISH,
        }
    )


def broken_files() -> list[str]:
    """What is wrong with any file of the catalogue, each fault once though every translation meets it. Reads them all."""
    found = dict.fromkeys(broken_heads())
    for load in _loads():
        try:
            load()
        except BrokenFile as broken:
            found[str(broken)] = None
    return list(found)


def _loads() -> Iterator[Callable[[], object]]:
    yield lexicon
    for track in tracks().values():
        for language in languages(track):
            yield partial(load_track, track.id, language)
            for concept_id in track.concept_ids:
                yield partial(load_concept, track.id, concept_id, language)


def _front_matter(file: Path) -> dict[str, Any]:
    text = _text(file)
    parts = text.split(FENCE, 2)
    if len(parts) < 3 or parts[0].strip():
        raise BrokenFile(f"{_place(file)}: must begin with TOML between two lines of +++")
    return {**_toml(file, parts[1]), "tutorial": parts[2].strip() + "\n"}


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise BrokenFile(f"{_place(file)}: has more than {format_size(LARGEST_FILE)}")
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise BrokenFile(f"{_place(file)}: is not there") from None
    except UnicodeDecodeError:
        raise BrokenFile(f"{_place(file)}: is not UTF-8") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise BrokenFile(
            f"{_place(file)}: cannot be read: {getattr(error, 'strerror', error)}"
        ) from None


def _toml(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number may be too long, and lists too deep
        raise BrokenFile(f"{_place(file)}: is not TOML: {error}") from None


def _read(file: Path, shape: type[Read], facts: dict[str, Any], within: str = "") -> Read:
    try:
        return shape.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join([*([within] if within else []), *(str(part) for part in first["loc"])])
        rule = str(first["msg"]).removeprefix("Value error, ")
        raise BrokenFile(
            f"{_place(file)}: {where}: {rule}" if where else f"{_place(file)}: {rule}"
        ) from None


def _same_length(file: Path, name: str, its: list[Any], wanted: Any) -> None:
    if len(its) != len(wanted):
        raise BrokenFile(
            f"{_place(file)}: {name}: {len(its)} where the English file has {len(wanted)}"
        )


def _place(file: Path) -> str:
    """Within the catalogue: what lies above it is of this machine."""
    return str(file.relative_to(TRACKS))
