"""Rules for files to import, which are trusted as little as a model's output."""

import json
import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from time import thread_time
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from core import clock
from core.json_types import LazyModel
from roadmap.exchange import own_chat_answer
from roadmap.exchange.formats.json_ import PortableAttempt, PortableConcept, PortableRoadmap
from roadmap.learning.grading import fits, is_right, rule_of
from roadmap.learning.spaced_repetition import faults
from roadmap.plan import validation
from roadmap.plan.outline import (
    LONGEST_WORDS,
    MOST_ITEMS,
    ContentKind,
    Contents,
    Outline,
    Question,
)
from roadmap.plan.schemas import MOST_QUESTIONS, fault_of_goal, printable

MOST_ERRORS = 20
LONGEST_TUTORIAL = 200_000  # characters: the 100,000 of a model, if all have to be escaped
BY_RULES = ("tutorial", "quiz")  # kinds whose texts have rules of their own
SKEW = timedelta(days=1)  # by which the clock of another instance may be ahead
NO_HTML = (
    "must not contain HTML, images, or links other than http, https and mailto; write them as text"
)
# Of a document: each part costs a reader of the whole many times its bytes. A built-in roadmap has
# 1,000 questions, and 30 attempts at each of them are 30,000 answers.
MOST_PARTS = {"questions": 20_000, "options": 100_000, "resources": 20_000, "answers": 200_000}
MOST_SECONDS = 40.0  # of checking Markdown; the largest document takes ten

Document = TypeVar("Document", bound=PortableRoadmap)
Place = tuple[str | int, ...]
Found = tuple[Place, str]


class RoadmapFile(PortableRoadmap):
    """A roadmap exported as JSON by this or another instance, or the answer of a chat."""

    @model_validator(mode="after")
    def _keeps_to_the_rules(self) -> Self:
        return _checked(self)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Validate each concept by itself: pydantic needs 300 bytes for a list of one number."""
        content = json_data.encode() if isinstance(json_data, str) else json_data
        if own_chat_answer.is_answer(content):
            return cls._of_answer(content)
        concepts, head = _taken_apart(json_data)
        errors: list[InitErrorDetails] = []
        found = {}
        try:
            try:
                roadmap = PortableRoadmap.model_validate_json(head, **options)
            except ValidationError as error:
                errors += _below((), error)
            for key in list(concepts):
                try:
                    found[key] = PortableConcept.model_validate_json(
                        json.dumps(concepts.pop(key)), **options
                    )
                except ValidationError as error:
                    errors += _below(("concepts", key), error)
                if len(errors) >= MOST_ERRORS:
                    break
        except _InvalidJson:
            return super().model_validate_json(json_data, **options)  # its error has the place
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        roadmap_file = cls.model_construct(**{**dict(roadmap), "concepts": found})
        return _checked(roadmap_file)  # type: ignore[return-value] # it is

    @classmethod
    def _of_answer(cls, content: bytes | bytearray, around: str = "") -> Self:
        """Validate the answer of a chat. Raises Invalid, with places in it, or inside of one."""
        answer = own_chat_answer.ChatAnswer(content)
        try:
            return cls.model_validate(answer.document())
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[:MOST_ERRORS]
            rules = (
                (answer.place(each["loc"]).removeprefix(around), each["msg"]) for each in wrong
            )
            raise own_chat_answer.refused(*rules) from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle each concept by itself: a receiving process holds one of them at a time."""
        concepts = {
            key: pickle.dumps(concept, pickle.HIGHEST_PROTOCOL)
            for key, concept in self.concepts.items()
        }
        facts = {**dict(self), "concepts": _PickledConcepts(concepts)}
        return partial(RoadmapFile.model_construct, **facts), ()


class OwnContents(LazyModel, frozen=True, extra="forbid"):
    """Contents that the learner has written, as in the answer of a chat; empty parts stay."""

    tutorial: Annotated[str, Field(max_length=LONGEST_WORDS)] = Field(
        "", description="The lesson in Markdown. HTML becomes text."
    )
    resources: Annotated[list[dict[str, Any]], Field(max_length=MOST_QUESTIONS)] = Field(
        [], description="Links, each with `title`, `url` and optionally `why` it is useful."
    )
    quiz: Annotated[list[dict[str, Any]], Field(max_length=MOST_QUESTIONS)] = Field(
        [],
        description="Questions, each with `question`, `options`, those that are right as `answer`, "
        "and an `explanation`.",
    )

    def bodies(self) -> dict[ContentKind, Contents]:
        """Return the parts by the rules of imports. Raises Invalid, with places in these fields."""
        document = RoadmapFile._of_answer(
            json.dumps(
                {
                    "title": "Own course",
                    "stages": [
                        {"title": "Own", "concepts": [{**self.model_dump(), "title": "Own"}]}
                    ],
                }
            ).encode(),
            around="/stages/0/modules/0/concepts/0",
        )
        return {
            ContentKind(kind): written.body
            for concept in document.concepts.values()
            for kind, written in concept.contents
            if written is not None
        }


class _PickledConcepts(Mapping[str, PortableConcept]):
    def __init__(self, concepts: Mapping[str, bytes]) -> None:
        self._concepts = concepts

    def __getitem__(self, key: str) -> PortableConcept:
        concept: PortableConcept = pickle.loads(self._concepts[key])
        return concept

    def __iter__(self) -> Iterator[str]:
        return iter(self._concepts)

    def __len__(self) -> int:
        return len(self._concepts)


class _InvalidJson(Exception):
    """Pydantic does not accept a part as JSON: it has half a surrogate pair, for example."""


def _taken_apart(
    json_data: str | bytes | bytearray,
) -> tuple[dict[str, Any], str | bytes | bytearray]:
    """Return the concepts of a document, if they can be separated, and the JSON of the rest."""
    try:
        document = json.loads(json_data)
        concepts = document["concepts"]
        "".join(concepts).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError, TypeError, LookupError):
        return {}, json_data
    return (
        (concepts, json.dumps({**document, "concepts": {}}))
        if isinstance(concepts, dict)
        else ({}, json_data)
    )


def _below(place: Place, error: ValidationError) -> Iterator[InitErrorDetails]:
    """Yield the errors with places in the whole document. Raises _InvalidJson."""
    for each in error.errors(include_url=False, include_input=False)[:MOST_ERRORS]:
        if each["type"] == "json_invalid":
            raise _InvalidJson
        same = PydanticCustomError(each["type"], each["msg"], each.get("ctx"))
        yield InitErrorDetails(type=same, loc=(*place, *each["loc"]), input=None)


def broken(document: PortableRoadmap) -> Iterator[Found]:
    """Yield each broken rule beyond field types, with its place; costly checks come last."""
    for place, text in _strings(document, ()):
        try:
            printable(text)
        except ValueError as error:
            yield place, str(error)
    if fault := fault_of_goal(document.request.goal):
        yield ("request", "goal"), fault
    yield from _of_outline(document.outline)
    yield from _times(document)
    yield from _too_many(document)
    keys = {concept.key for concept in document.outline.concepts()}
    for key, concept in document.concepts.items():
        if key not in keys:
            yield ("concepts", key), "is not a concept of the outline"
            continue
        yield from _of_concept(("concepts", key), concept)
    yield from _projects(document)
    yield from _markdown(document)


def _checked(document: Document) -> Document:
    """Return the document. Raises ValidationError, with MOST_ERRORS at most, for broken rules."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError("rule", "{rule}", {"rule": rule}), loc=place, input=None
        )
        for place, rule in islice(broken(document), MOST_ERRORS)
    ]
    if errors:
        raise ValidationError.from_exception_data("RoadmapFile", errors)
    return document


def _strings(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, BaseModel):
        parts = value
    elif isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, tuple | list):
        parts = enumerate(value)
    for name, each in parts:
        yield from _strings(each, (*place, name))


def _of_outline(outline: Outline) -> Iterator[Found]:
    """Yield faults that have a place; without any, the problems of the outline as a whole."""
    known = {concept.key for concept in outline.concepts()}
    seen: set[tuple[str, str]] = set()
    blank = "must not be blank"
    untitled: list[Found] = []
    if not outline.title.strip():
        untitled.append((("outline", "title"), blank))
    repeated: list[Found] = []
    unmet: list[Found] = []
    for kind, place, node in _nodes(outline):
        if not node.title.strip():
            untitled.append(((*place, "title"), blank))
        if (kind, node.key) in seen:
            repeated.append(((*place, "key"), f"is also the key of another {kind}"))
        for number, key in enumerate(node.prerequisites if kind == "concept" else ()):
            where = (*place, "prerequisites", number)
            if key not in known:
                unmet.append((where, "is not a concept of the outline"))
            elif ("concept", key) not in seen:
                rule = "comes later or is the concept itself, which would be circular"
                unmet.append((where, rule))
        seen.add((kind, node.key))
    exact = [*untitled, *repeated, *unmet]
    yield from exact or (
        (("outline",), f"is not a consistent plan: {problem}")
        for problem in validation.problems(outline)
    )


def _nodes(outline: Outline) -> Iterator[tuple[str, Place, Any]]:
    for s, stage in enumerate(outline.stages):
        yield "stage", ("outline", "stages", s), stage
        for m, module in enumerate(stage.modules):
            yield "module", ("outline", "stages", s, "modules", m), module
            for c, concept in enumerate(module.concepts):
                yield "concept", ("outline", "stages", s, "modules", m, "concepts", c), concept


def _times(document: PortableRoadmap) -> Iterator[Found]:
    """Yield times of past events that are in the future."""
    latest = clock.now() + SKEW
    happened: list[tuple[Place, datetime | None]] = [
        (("test", "taken_at"), document.test.taken_at if document.test else None)
    ]
    for key, concept in document.concepts.items():
        place: Place = ("concepts", key)
        happened += [
            ((*place, "progress_at"), concept.progress_at),
            ((*place, "learned_at"), concept.learned_at),
            ((*place, "forgotten_at"), concept.forgotten_at),
            *(
                ((*place, "attempts", n, "created_at"), x.created_at)
                for n, x in enumerate(concept.attempts)
            ),
            *(
                ((*place, "cards", n, "reviewed_at"), x.reviewed_at)
                for n, x in enumerate(concept.cards)
            ),
            *(
                ((*place, "contents", kind, "created_at"), x and x.created_at)
                for kind, x in concept.contents
            ),
        ]
    for key, project in document.projects.items():
        place = ("projects", key)
        happened += [
            ((*place, "done_at"), project.done_at),
            *(
                ((*place, "judgements", judge, "created_at"), x.created_at)
                for judge, x in project.judgements.items()
            ),
        ]
    for where, at in happened:
        if at is not None and at > latest:
            yield where, "must not be in the future"


def _too_many(document: PortableRoadmap) -> Iterator[Found]:
    counts: Counter[str] = Counter()
    for concept in document.concepts.values():
        counts["answers"] += sum(len(attempt.answers) for attempt in concept.attempts)
        if quiz := concept.contents.quiz:
            counts["questions"] += len(quiz.body.questions)
            counts["options"] += sum(len(question.options) for question in quiz.body.questions)
        if resources := concept.contents.resources:
            counts["resources"] += len(resources.body.items)
    for what, count in counts.items():
        if count > (most := MOST_PARTS[what]):
            yield ("concepts",), f"should have at most {most:,} {what} in all, not {count:,}"


def _of_concept(place: Place, concept: PortableConcept) -> Iterator[Found]:
    """Yield texts and lists that are too long, and answers and cards of unknown questions."""
    contents = concept.contents
    if contents.resources is not None:
        where: Place = (*place, "contents", "resources", "body", "items")
        yield from _bounded(where, len(contents.resources.body.items), MOST_ITEMS)
    for kind, written in contents:
        if written is not None and kind not in BY_RULES:
            for where, text in _strings(written.body, (*place, "contents", kind, "body")):
                yield from _short(where, text)
    questions = contents.quiz.body.questions if contents.quiz is not None else ()
    where = (*place, "contents", "quiz", "body", "questions")
    yield from _bounded(where, len(questions), MOST_ITEMS)
    for number, question in enumerate(questions):
        yield from _bounded((*where, number, "options"), len(question.options), 100)
        for text in (question.prompt, *question.options, question.explanation):
            yield from _short((*where, number), text)
    for number, attempt in enumerate(concept.attempts):
        yield from _attempt((*place, "attempts", number), attempt, questions)
    asked: set[str] = set()
    for number, card in enumerate(concept.cards):
        where = (*place, "cards", number)
        if card.question >= len(questions):
            rule = f"is not a question of the quiz, which has {len(questions)}"
            yield (*where, "question"), rule
            continue
        fingerprint = questions[card.question].fingerprint
        if questions[card.question].needs_tutorial:
            yield (*where, "question"), "needs its tutorial, and is never reviewed"
        if fingerprint in asked:
            yield (*where, "question"), "already has a card"
        asked.add(fingerprint)
        yield from (((*where, name), rule) for name, rule in faults(card.memory))


def _attempt(
    place: Place, attempt: PortableAttempt, questions: tuple[Question, ...]
) -> Iterator[Found]:
    count = len(questions)
    if not count or len(attempt.answers) != count:
        yield (*place, "answers"), f"do not belong to the quiz, which has {count} questions"
        return
    right = 0
    for number, (question, answer) in enumerate(zip(questions, attempt.answers, strict=True)):
        if not fits(question, answer):
            yield (*place, "answers", number), rule_of(question)
        right += is_right(question, answer)
    if attempt.total != count:
        yield (*place, "total"), f"must be the number of questions, {count}"
    if attempt.score != right:
        yield (*place, "score"), f"must be the number of right answers, {right}"


def _projects(document: PortableRoadmap) -> Iterator[Found]:
    """Yield projects of no stage, and marks that are not of its rubric."""
    capstone_of = {stage.key: stage.capstone for stage in document.outline.stages}
    for key, project in document.projects.items():
        if not (capstone := capstone_of.get(key)):
            yield ("projects", key), "is not a stage of the outline with a project"
            continue
        for judge, each in project.judgements.items():
            if len(each.marks) != (count := len(capstone.criteria)):
                place = ("projects", key, "judgements", judge, "marks")
                yield place, f"must have a mark for each of the {count} criteria"


def _markdown(document: PortableRoadmap) -> Iterator[Found]:
    """Yield lessons with HTML, images or other links than to the web, and too intricate texts."""
    until = thread_time() + MOST_SECONDS
    for at, text, is_lesson in _texts(document):
        if len(text) > LONGEST_TUTORIAL:
            yield at, f"should have at most {LONGEST_TUTORIAL} characters"
        elif thread_time() > until:
            yield at, "cannot be checked: the Markdown before it took too long to process"
            return
        elif fault := _fault_of(text, is_lesson=is_lesson):
            yield at, fault


def _texts(document: PortableRoadmap) -> Iterator[tuple[Place, str, bool]]:
    """Yield texts with their places, and whether they have the rules of lessons."""
    for number, stage in enumerate(document.outline.stages):
        if stage.capstone:
            yield ("outline", "stages", number, "capstone", "brief"), stage.capstone.brief, True
    for key, concept in document.concepts.items():
        place: Place = ("concepts", key, "contents")
        if tutorial := concept.contents.tutorial:
            yield (*place, "tutorial", "body", "markdown"), tutorial.body.markdown, True
        quiz = concept.contents.quiz
        for number, question in enumerate(quiz.body.questions if quiz else ()):
            where: Place = (*place, "quiz", "body", "questions", number)
            for text in (question.prompt, *question.options, question.explanation):
                yield where, text, False


def _fault_of(markdown: str, *, is_lesson: bool) -> str:
    """Return a sentence if sanitizing would change a lesson, or it is too much work to read.

    Other texts may have HTML: they are sanitized when they are shown.
    """
    # Here: 2 MB, needed by imports alone
    from roadmap.generation.tutorial_lint import sanitized_lesson
    from roadmap.plan.markdown_sanitizer import TooIntricate, sanitized

    try:
        if is_lesson:
            return "" if sanitized_lesson(markdown) == markdown else NO_HTML
        sanitized(markdown)
    except TooIntricate as error:
        return str(error)
    return ""


def _bounded(place: Place, count: int, most: int) -> Iterator[Found]:
    if count > most:
        yield place, f"should have at most {most} items"


def _short(place: Place, text: str) -> Iterator[Found]:
    if len(text) > LONGEST_WORDS:
        yield place, f"should have at most {LONGEST_WORDS} characters"
