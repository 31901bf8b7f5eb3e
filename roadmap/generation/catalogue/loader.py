"""Loader of the catalogue (format: docs/CATALOGUE.md), which validates its files.

Tracks are built in, or in TRACKS_DIR, which is read when it is first needed. Errors name the file,
the place in it and the rule. A broken file makes only its track unusable.
"""

import json
import os
import tomllib
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from core.json_types import LazyModel
from core.paths import resolved
from core.sanitize import format_size
from roadmap.generation.catalogue.goal_matching import Lexicon, Match, Vocabulary, stem, tokens
from roadmap.plan.language_detection import script_of
from roadmap.plan.outline import Capstone, Level, Question, Resource, Title

TRACKS = Path(__file__).parent / "tracks"
FENCE = "+++\n"
LARGEST_FILE = 1024 * 1024  # bytes; ours have at most 20 KB
ENGLISH, CHINESE = "en", "zh-Hans"
LANGUAGES = {ENGLISH: "English", CHINESE: "Simplified Chinese"}
NOT_TRANSLATED = {
    CHINESE: "> 这篇教程还没有中文版，以下是英文原文。\n\n",
    ENGLISH: "> This tutorial has not been translated yet; the original follows.\n\n",
}
# Sentence with skills and with titles of concepts, and what stands between these
LEFT_OUT = {
    ENGLISH: ("Left out, because you know {}: {}.", ", ", "; "),
    CHINESE: ("你已掌握 {}，因此略去：{}。", "、", "；"),
}
# Sentences on what is covered in part, on what is missing, on too little time and what fits into
# it, and on a small course
SAYS = {
    ENGLISH: (
        "You asked for {partly}. {taught} of {all} concepts of {track} teach {partly}; "
        "{around} teach what surrounds it. ",
        "Nothing here teaches {missing}. ",
        "{title} takes {needed} hours, and you have {available}. ",
        "What fits: {count} of {all} concepts, {hours} hours: {titles}.",
        "Only what {covered} needs: {count} concepts, {hours} hours.",
    ),
    CHINESE: (
        "你想学 {partly}。“{track}”的 {all} 个知识点中，{taught} 个讲 {partly}，"
        "{around} 个讲与之相关的内容。",
        "这里没有讲 {missing} 的内容。",
        "“{title}”需要 {needed} 小时，而你有 {available} 小时。",
        "来得及学的是 {all} 个知识点中的 {count} 个，共 {hours} 小时：{titles}。",
        "只包含 {covered} 所需的内容：{count} 个知识点，共 {hours} 小时。",
    ),
}
EXACT = "="  # before the key of a concept whose title it is
RANK = {Level.beginner: 0, Level.intermediate: 1, Level.advanced: 2}

Named = Annotated[Title, Field(pattern="[A-Za-z0-9㐀-鿿]")]  # characters of its key
Id = Annotated[str, Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]  # a file's name too
Words = dict[str, list[str]]  # by meaning
Read = TypeVar("Read", bound=BaseModel)


class BrokenFile(Exception):
    """A file of the catalogue is invalid; the message has file, place and rule."""

    def __init__(self, file: Path, rule: str) -> None:
        # Not where it is installed
        super().__init__(f"{file.relative_to(root_of(file)).as_posix()}: {rule}")


class Strict(LazyModel, extra="forbid"):
    """Part of a file, without fields of other names."""


class Described(Strict):
    title: Title
    description: str


class TrackModule(Described):
    title: Named
    concepts: list[Id] = Field(min_length=1)


class TrackStage(Described):
    title: Named
    modules: list[TrackModule] = Field(min_length=1)


class Track(Strict):
    """Contents of `track.toml`. `words` are added to those of `words.toml`."""

    id: Id
    position: int  # among the tracks of its folder
    title: Title
    summary: str
    language: Literal["en", "zh-Hans"]
    onward: list[str] = Field(default_factory=list)  # ids of tracks that build on it
    match: Match
    words: Words = Field(default_factory=dict)
    teaches: dict[str, list[str]] = Field(default_factory=dict)  # ids of concepts, by meaning
    same_as: dict[str, list[str]] = Field(default_factory=dict)  # keys of other tracks, by id
    about: list[str] = Field(default_factory=list)  # meanings that ask for all of it
    around: dict[str, list[str]] = Field(default_factory=dict)  # what surrounds a meaning: ids
    topics: dict[str, list[str]] = Field(default_factory=dict)  # words for a concept, by id
    stages: list[TrackStage] = Field(min_length=1)

    @property
    def concept_ids(self) -> list[str]:
        """Return the ids of all concepts in the order of learning."""
        return [id_ for stage in self.stages for module in stage.modules for id_ in module.concepts]

    @cached_property
    def languages(self) -> list[str]:
        """Languages in which it is written, as tags. The file system is asked once."""
        return [
            tag
            for tag in LANGUAGES
            if tag == tracks()[self.id].language
            or (folder_of(self.id) / tag / "track.toml").is_file()
        ]


class MoreWords(Strict):
    """Contents of the `words.toml` of TRACKS_DIR, added to those of the built-in one."""

    meanings: Words


class TrackCapstones(Strict):
    """Contents of `capstones.toml`: a project for each stage, in order."""

    capstones: list[Capstone]


class CatalogueConcept(Described):
    hours: int = Field(ge=1, le=200)
    difficulty: int = Field(ge=1, le=5)
    known_from: Level | None = None
    prerequisites: list[str]
    outcomes: list[str]
    resources: list[Resource] = Field(min_length=1)
    spares: list[Resource] = Field(default_factory=list)  # replace resources with dead URLs
    questions: list[Question] = Field(min_length=1)
    tutorial: str
    tutorial_language: str = ENGLISH

    def is_news_to(self, level: Level) -> bool:
        return self.known_from is None or RANK[level] < RANK[self.known_from]


class TranslatedStage(Described):
    modules: list[Described]


class TranslatedTrack(Strict):
    title: Title
    summary: str
    stages: list[TranslatedStage]


class TranslatedQuestion(Strict):
    """Without `accepted`, the texts of a typed answer are those of the English file."""

    prompt: str
    options: list[str] = Field(default_factory=list)
    accepted: list[str] = Field(default_factory=list)
    explanation: str


class TranslatedConcept(Described):
    """`whys`: of the resources and then of the spares. An empty tutorial stays English."""

    outcomes: list[str]
    whys: list[str]
    questions: list[TranslatedQuestion]
    tutorial: str


@lru_cache(maxsize=100)
def language_of(tag: str) -> str | None:
    """Return the language of the catalogue that serves a BCP 47 tag, or None."""
    language = tag.split("-", maxsplit=1)[0].lower()
    if language == "en":
        return ENGLISH
    return CHINESE if language == "zh" and script_of(tag) in ("Hans", "Hani", None) else None


def _roots() -> tuple[Path, ...]:
    """Return the folders with tracks: that of the built-in ones, and TRACKS_DIR if it is set."""
    own = os.environ.get("TRACKS_DIR", "").strip()
    return (TRACKS, resolved(own)) if own else (TRACKS,)


def root_of(file: Path) -> Path:
    return next(root for root in _roots() if file.is_relative_to(root))


def folder_of(track_id: str) -> Path:
    """Return the folder of a track; one of TRACKS_DIR never has the id of a built-in one."""
    folders = [root / track_id for root in _roots()]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


@lru_cache(maxsize=1)
def tracks() -> dict[str, Track]:
    """Return all valid tracks by id, in order: the built-in ones first."""
    return {track.id: track for track in heads()[0]}


@lru_cache(maxsize=1)
def heads() -> tuple[list[Track], list[str]]:
    """Return the tracks of all `track.toml`, and errors of the invalid ones."""
    found, broken = [], []
    for root in _roots():
        tracks_there = []
        for file in sorted(root.glob("*/track.toml")):
            name = file.parent.name
            try:
                track = _read(file, Track, _toml(file, _text(file)))
                if track.id != name:
                    raise BrokenFile(file, f"id: must be {name!r}, as its folder is called")
                if root != TRACKS and (TRACKS / name).is_dir():
                    there = f"roadmap/generation/catalogue/tracks/{name}"
                    raise BrokenFile(file, f"id: {name!r} is that of a built-in track: {there}")
                tracks_there.append(track)
            except BrokenFile as broken_file:
                broken.append(str(broken_file))
        found += sorted(tracks_there, key=lambda track: track.position)
    return found, broken


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Return the lexicon for goals. Raises BrokenFile if the built-in one is broken.

    Words of TRACKS_DIR are no longer words of a subject without a track.
    """
    file = TRACKS / "words.toml"
    known = _read(file, Vocabulary, _toml(file, _text(file)))
    more = [track.words for track in tracks().values()]
    with suppress(BrokenFile):  # `broken_files` has it
        more.append(more_words())
    added = [entry for words in more for entry in words.items()]
    own = {_spelled(word) for _, forms in added for word in forms}
    known.elsewhere, known.fields = (
        {
            name: [word for word in forms if _spelled(word) not in own]
            for name, forms in others.items()
            if name not in dict(added)
        }
        for others in (known.elsewhere, known.fields)
    )
    for name, forms in added:
        known.meanings[name] = [*known.meanings.get(name, ()), *forms]
    found = Lexicon(known)
    for track in tracks().values():
        known.meanings |= {f"{track.id}/{id_}": words for id_, words in track.topics.items()}
    for (key, _), concept in index().items():
        if has(*key.split("/")):
            known.meanings.setdefault(EXACT + key, []).append(concept.title)
    found.full = Lexicon(known)
    return found


@lru_cache(maxsize=1)
def index() -> dict[tuple[str, str], CatalogueConcept]:
    """Return built-in concepts without their contents, by key and language.

    They are read from a file that `make format` writes.
    """
    file = TRACKS / "index.json"
    facts = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return {
        (key, language): CatalogueConcept.model_construct(**{**each, "title": title})
        for key, each in facts.items()
        for language, title in each["title"].items()
    }


def facts_of(track: Track, concept_id: str) -> CatalogueConcept:
    """Return a concept, maybe without its contents. Raises BrokenFile."""
    indexed = index().get((f"{track.id}/{concept_id}", track.language))
    return indexed or load_concept(track.id, concept_id, track.language)


def more_words() -> Words:
    """Return the words of the `words.toml` of TRACKS_DIR. Raises BrokenFile."""
    file = _roots()[-1] / "words.toml"
    if file.parent == TRACKS or not file.is_file():
        return {}
    return _read(file, MoreWords, _toml(file, _text(file))).meanings


def _spelled(word: str) -> str:
    """Return what spellings of a word have in common."""
    return " ".join(map(stem, tokens(word))) or word


def has(track_id: str, concept_id: str) -> bool:
    return track_id in tracks() and concept_id in tracks()[track_id].concept_ids


@lru_cache(maxsize=40)
def load_track(track_id: str, language: str = "") -> Track:
    """Return a track in a language, or as it was written. Raises BrokenFile."""
    track = tracks()[track_id]
    if language in ("", track.language):
        return track
    file = folder_of(track_id) / language / "track.toml"
    translated = _read(file, TranslatedTrack, _toml(file, _text(file)))
    _same_length(file, "stages", translated.stages, track.stages)
    stages = []
    for number, (stage, words) in enumerate(zip(track.stages, translated.stages, strict=True)):
        _same_length(file, f"stages.{number}.modules", words.modules, stage.modules)
        modules = [
            module.model_copy(update=each.model_dump())
            for module, each in zip(stage.modules, words.modules, strict=True)
        ]
        stages.append(stage.model_copy(update={**dict(words), "modules": modules}))
    return track.model_copy(update={**dict(translated), "stages": stages, "language": language})


def shown_in(track: Track, language: str) -> Track:
    """Return a track in a language of pages, or as it was written if it has no valid one."""
    try:
        return load_track(track.id, language if language in track.languages else track.language)
    except BrokenFile:  # creating it gives the reason
        return track


@lru_cache(maxsize=40)
def load_capstones(track_id: str, language: str = "") -> list[Capstone]:
    """Return the projects of a track in a language; empty: it has none. Raises BrokenFile."""
    track, folder = tracks()[track_id], folder_of(track_id)
    file = (folder if language in ("", track.language) else folder / language) / "capstones.toml"
    if not file.is_file():
        return []
    found = _read(file, TrackCapstones, _toml(file, _text(file))).capstones
    if len(found) != len(stages := track.stages):
        raise BrokenFile(file, f"capstones: {len(found)} where the track has {len(stages)} stages")
    return found


@lru_cache(maxsize=800)
def load_concept(track_id: str, concept_id: str, language: str = "") -> CatalogueConcept:
    """Return a concept in a language, or as it was written. Raises BrokenFile.

    A tutorial without translation stays as it is, after a sentence about that.
    """
    folder, original = folder_of(track_id), tracks()[track_id].language
    file = folder / "concepts" / f"{concept_id}.md"
    facts = {"tutorial_language": original, **_front_matter(file)}
    concept = _read(file, CatalogueConcept, facts)
    for needed in concept.prerequisites:
        other, _, name = needed.rpartition("/")
        # Another track may be broken.
        if (other or track_id) in tracks() and not has(other or track_id, name):
            raise BrokenFile(file, f"prerequisites: {needed!r} is not a concept of this track")
    if language in ("", original):
        return concept
    file = folder / language / "concepts" / f"{concept_id}.md"
    translated = _read(file, TranslatedConcept, _front_matter(file))
    resources = [*concept.resources, *concept.spares]
    _same_length(file, "outcomes", translated.outcomes, concept.outcomes)
    _same_length(file, "whys", translated.whys, resources)
    _same_length(file, "questions", translated.questions, concept.questions)
    questions = []
    for number, (question, words) in enumerate(
        zip(concept.questions, translated.questions, strict=True)
    ):
        _same_length(file, f"questions.{number}.options", words.options, question.options)
        facts = question.model_dump() | words.model_dump(exclude_defaults=True)
        questions.append(_read(file, Question, facts, ("questions", str(number))))
    resources = [
        item.model_copy(update={"why": why})
        for item, why in zip(resources, translated.whys, strict=True)
    ]
    is_translated = bool(translated.tutorial.strip())
    return concept.model_copy(
        update={
            "title": translated.title,
            "description": translated.description,
            "outcomes": translated.outcomes,
            "resources": resources[: len(concept.resources)],
            "spares": resources[len(concept.resources) :],
            "questions": questions,
            "tutorial": translated.tutorial
            if is_translated
            else NOT_TRANSLATED[language] + concept.tutorial,
            "tutorial_language": language if is_translated else original,
        }
    )


def broken_files(only: Collection[str] = ()) -> list[str]:
    """Return the errors of all files, or of some tracks, each once. Reads these files."""
    found = dict.fromkeys(heads()[1])
    loads: list[Callable[[], object]] = [lexicon, more_words]
    for track in [each for each in tracks().values() if not only or each.id in only]:
        for language in track.languages:
            loads += [partial(load, track.id, language) for load in (load_track, load_capstones)]
            loads += [partial(load_concept, track.id, id_, language) for id_ in track.concept_ids]
    for load in loads:
        try:
            load()
        except BrokenFile as broken:
            found[str(broken)] = None
    return list(found)


def _front_matter(file: Path) -> dict[str, Any]:
    parts = _text(file).split(FENCE, 2)
    if len(parts) < 3 or parts[0].strip():
        raise BrokenFile(file, "must begin with TOML between two lines of +++")
    return {**_toml(file, parts[1]), "tutorial": parts[2].strip() + "\n"}


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise BrokenFile(file, f"has more than {format_size(LARGEST_FILE)}")
        if not file.resolve().is_relative_to(root_of(file).resolve()):
            raise BrokenFile(file, "leads out of the folder of the tracks")
        if not file.is_file():  # reading a pipe might never end
            raise BrokenFile(file, "is not a file")
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise BrokenFile(file, "is not there") from None
    except UnicodeDecodeError:
        raise BrokenFile(file, "is not UTF-8") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise BrokenFile(file, f"cannot be read: {getattr(error, 'strerror', error)}") from None


def _toml(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number may be too long, and lists too deep
        raise BrokenFile(file, f"is not TOML: {error}") from None


def _read(file: Path, shape: type[Read], facts: dict[str, Any], within: Sequence[str] = ()) -> Read:
    try:
        return shape.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in (*within, *first["loc"]))
        rule = str(first["msg"]).removeprefix("Value error, ")
        raise BrokenFile(file, f"{where}: {rule}" if where else rule) from None


def _same_length(file: Path, name: str, found: list[Any], wanted: Any) -> None:
    if len(found) != len(wanted):
        raise BrokenFile(file, f"{name}: {len(found)} where the English file has {len(wanted)}")
