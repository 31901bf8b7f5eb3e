"""What a file must keep to before anything is made of it: it may come from anybody, and is believed as little as a model."""

import json
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from time import thread_time
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from core import clock
from roadmap.exchange.formats.json_ import PortableAttempt, PortableConcept, PortableRoadmap
from roadmap.learning.grading import fits, is_right, rule_of
from roadmap.learning.spaced_repetition import faults
from roadmap.plan import validation
from roadmap.plan.outline import LONGEST_WORDS, MOST_ITEMS, Outline, Quiz
from roadmap.plan.schemas import fault_of_goal, printable

MOST_ERRORS = 20
LONGEST_TUTORIAL = (
    200_000  # characters: a model's 100,000, each of which may have had to be escaped
)
SKEW = timedelta(days=1)  # by which the clock of another instance may be ahead
MOST_SECONDS = 60.0  # of looking at Markdown; as much as a document may have takes ten

Document = TypeVar("Document", bound=PortableRoadmap)
Place = tuple[str | int, ...]
Found = tuple[Place, str]


class RoadmapFile(PortableRoadmap):
    """A roadmap that was exported as JSON, by this instance or by another one."""

    @model_validator(mode="after")
    def _keeps_to_the_rules(self) -> Self:
        return _checked(self)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Validate one concept after the other: pydantic's own tree of JSON takes 300 bytes for a list of one number."""
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
        except _NoJson:
            return super().model_validate_json(json_data, **options)  # which says where
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors)
        return _checked(cls.model_construct(**{**dict(roadmap), "concepts": found}))  # type: ignore[return-value] # it is

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle each concept by itself: a process that is sent a large file builds one at a time."""
        concepts = {
            key: pickle.dumps(concept, pickle.HIGHEST_PROTOCOL)
            for key, concept in self.concepts.items()
        }
        return _unpickled, ({**dict(self), "concepts": concepts},)


class _Pickled(Mapping[str, PortableConcept]):
    def __init__(self, concepts: Mapping[str, bytes]) -> None:
        self._concepts = concepts

    def __getitem__(self, key: str) -> PortableConcept:
        concept: PortableConcept = pickle.loads(self._concepts[key])
        return concept

    def __iter__(self) -> Iterator[str]:
        return iter(self._concepts)

    def __len__(self) -> int:
        return len(self._concepts)


def _unpickled(facts: dict[str, Any]) -> RoadmapFile:
    return RoadmapFile.model_construct(**{**facts, "concepts": _Pickled(facts["concepts"])})


class _NoJson(Exception):
    """A part of a document is no JSON to pydantic: it has half a surrogate pair, for example."""


def _taken_apart(
    json_data: str | bytes | bytearray,
) -> tuple[dict[str, Any], str | bytes | bytearray]:
    """The concepts of a document, as far as they can be told apart, and the JSON of the rest."""
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
    """The same errors, in a larger document. Raises _NoJson."""
    for each in error.errors(include_url=False, include_input=False)[:MOST_ERRORS]:
        if each["type"] == "json_invalid":
            raise _NoJson
        same = PydanticCustomError(each["type"], each["msg"], each.get("ctx"))
        yield InitErrorDetails(type=same, loc=(*place, *each["loc"]), input=None)


def broken(document: PortableRoadmap) -> Iterator[Found]:
    """Every rule that it breaks beyond the types of its fields, with the place; the costly ones last."""
    yield from _texts(document)
    if fault := fault_of_goal(document.request.goal):
        yield ("request", "goal"), fault
    yield from _of_outline(document.outline)
    yield from _times(document)
    keys = {concept.key for concept in document.outline.concepts()}
    for key, concept in document.concepts.items():
        if key not in keys:
            yield ("concepts", key), "is no concept of the outline"
            continue
        yield from _of_concept(("concepts", key), concept)
    yield from _markdown(document)


def _checked(document: Document) -> Document:
    """Return it if it keeps to the rules. Raises ValidationError."""
    errors = [_error(place, rule) for place, rule in _first(broken(document))]
    if errors:
        raise ValidationError.from_exception_data("RoadmapFile", errors)
    return document


def _first(found: Iterator[Found]) -> Iterator[Found]:
    """Whoever has this many mistakes need not hear of more, and they need not be looked for."""
    for number, each in enumerate(found, 1):
        yield each
        if number == MOST_ERRORS:
            return


def _error(place: Place, rule: str) -> InitErrorDetails:
    return InitErrorDetails(
        type=PydanticCustomError("rule", "{rule}", {"rule": rule}), loc=place, input=None
    )


def _texts(document: PortableRoadmap) -> Iterator[Found]:
    """No text of it has control characters."""
    for place, text in _strings(document, ()):
        try:
            printable(text)
        except ValueError as error:
            yield place, str(error)


def _strings(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _strings(getattr(value, name), (*place, name))
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _strings(each, (*place, name))
    elif isinstance(value, tuple | list):
        for number, each in enumerate(value):
            yield from _strings(each, (*place, number))


def _of_outline(outline: Outline) -> Iterator[Found]:
    """Where something can be pointed to it is; the rest is told as of any other outline."""
    exact = [*_untitled(outline), *_repeated(outline), *_prerequisites(outline)]
    yield from exact
    if not exact:
        yield from (
            (("outline",), f"does not hold together: {problem}")
            for problem in validation.problems(outline)
        )


def _nodes(outline: Outline) -> Iterator[tuple[str, Place, Any]]:
    for s, stage in enumerate(outline.stages):
        yield "stage", ("outline", "stages", s), stage
        for m, module in enumerate(stage.modules):
            yield "module", ("outline", "stages", s, "modules", m), module
            for c, concept in enumerate(module.concepts):
                yield "concept", ("outline", "stages", s, "modules", m, "concepts", c), concept


def _untitled(outline: Outline) -> Iterator[Found]:
    titles = [
        (("outline",), outline.title),
        *((place, node.title) for _, place, node in _nodes(outline)),
    ]
    yield from (
        ((*place, "title"), "must not be only of spaces")
        for place, title in titles
        if not title.strip()
    )


def _repeated(outline: Outline) -> Iterator[Found]:
    seen: set[tuple[str, str]] = set()
    for kind, place, node in _nodes(outline):
        if (kind, node.key) in seen:
            yield (*place, "key"), f"is the key of another {kind} as well"
        seen.add((kind, node.key))


def _prerequisites(outline: Outline) -> Iterator[Found]:
    known = {concept.key for concept in outline.concepts()}
    before: set[str] = set()
    for kind, place, node in _nodes(outline):
        if kind != "concept":
            continue
        for number, key in enumerate(node.prerequisites):
            if key not in known:
                yield (*place, "prerequisites", number), "is no concept of the outline"
            elif key not in before:
                yield (
                    (*place, "prerequisites", number),
                    "comes later, or is the concept itself: they would need each other",
                )
        before.add(node.key)


def _times(document: PortableRoadmap) -> Iterator[Found]:
    """What has happened has not happened tomorrow."""
    latest = clock.now() + SKEW
    for key, concept in document.concepts.items():
        place: Place = ("concepts", key)
        happened = [((*place, "progress_at"), concept.progress_at)]
        happened += [
            ((*place, "attempts", n, "created_at"), each.created_at)
            for n, each in enumerate(concept.attempts)
        ]
        happened += [
            ((*place, "cards", n, "reviewed_at"), each.reviewed_at)
            for n, each in enumerate(concept.cards)
        ]
        for name in type(concept.contents).model_fields:
            if (written := getattr(concept.contents, name)) is not None:
                happened.append(((*place, "contents", name, "created_at"), written.created_at))
        yield from (
            (where, "must not be in the future")
            for where, at in happened
            if at is not None and at > latest
        )


def _of_concept(place: Place, concept: PortableConcept) -> Iterator[Found]:
    contents = concept.contents
    if contents.resources is not None:
        where: Place = (*place, "contents", "resources", "body", "items")
        yield from _bounded(where, len(contents.resources.body.items), MOST_ITEMS)
        for number, item in enumerate(contents.resources.body.items):
            for name in ("type", "language", "why"):
                yield from _short((*where, number, name), getattr(item, name))
    if contents.quiz is not None:
        where = (*place, "contents", "quiz", "body", "questions")
        yield from _bounded(where, len(contents.quiz.body.questions), MOST_ITEMS)
        for number, question in enumerate(contents.quiz.body.questions):
            yield from _bounded((*where, number, "options"), len(question.options), 100)
            for text in (question.prompt, *question.options, question.explanation):
                yield from _short((*where, number), text)
    yield from _of_learner(place, concept, contents.quiz.body if contents.quiz else None)


def _of_learner(place: Place, concept: PortableConcept, quiz: Quiz | None) -> Iterator[Found]:
    """Answers and cards are about questions that are there, and what is known of these can be gone on with."""
    for number, attempt in enumerate(concept.attempts):
        yield from _attempt((*place, "attempts", number), attempt, quiz)
    count = len(quiz.questions) if quiz else 0
    asked: Counter[str] = Counter()
    for number, card in enumerate(concept.cards):
        if quiz is None or card.question >= count:
            yield (
                (*place, "cards", number, "question"),
                f"is no question of the quiz, which has {count}",
            )
            continue
        asked[fingerprint := quiz.questions[card.question].fingerprint] += 1
        if asked[fingerprint] > 1:
            yield (*place, "cards", number, "question"), "has another card already"
        yield from (((*place, "cards", number, name), rule) for name, rule in faults(card.memory))


def _attempt(place: Place, attempt: PortableAttempt, quiz: Quiz | None) -> Iterator[Found]:
    count = len(quiz.questions) if quiz else 0
    if quiz is None or len(attempt.answers) != count:
        yield (*place, "answers"), f"do not belong to the quiz, which has {count} questions"
        return
    right = 0
    for number, (question, chosen) in enumerate(zip(quiz.questions, attempt.answers, strict=True)):
        if not fits(question, chosen):
            yield (*place, "answers", number), rule_of(question)
        right += is_right(question, chosen)
    if attempt.total != count:
        yield (*place, "total"), f"must be the number of questions, {count}"
    if attempt.score != right:
        yield (*place, "score"), f"must be the number of right answers, {right}"


def _markdown(document: PortableRoadmap) -> Iterator[Found]:
    """A tutorial is what a model's would have become: without HTML, images, and links that lead to strange places."""
    from roadmap.plan.markdown_sanitizer import sanitize

    until = thread_time() + MOST_SECONDS
    for key, concept in document.concepts.items():
        if concept.contents.tutorial is None:
            continue
        place: Place = ("concepts", key, "contents", "tutorial", "body", "markdown")
        markdown = concept.contents.tutorial.body.markdown
        if len(markdown) > LONGEST_TUTORIAL:
            yield place, f"should have at most {LONGEST_TUTORIAL} characters"
        elif thread_time() > until:
            yield place, "cannot be looked at: what comes before it has taken too long"
            return
        elif sanitize(markdown) != markdown:
            yield (
                place,
                "must have no HTML, no images, and only links to the web and to mail; write them as text",
            )


def _bounded(place: Place, count: int, most: int) -> Iterator[Found]:
    if count > most:
        yield place, f"should have at most {most} items"


def _short(place: Place, text: str) -> Iterator[Found]:
    if len(text) > LONGEST_WORDS:
        yield place, f"should have at most {LONGEST_WORDS} characters"
