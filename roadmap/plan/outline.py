"""Outline (Stage > Module > Concept), contents of a concept, and weeks of learning."""

import hashlib
import json
import math
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from itertools import count
from typing import Annotated, Any, Literal, Self

from pydantic import FailFast, Field, StringConstraints, model_validator

from core.i18n import gettext_noop
from core.json_types import LazyModel

What = Literal["stage", "module", "concept"]


class Level(StrEnum):
    beginner = "beginner"
    intermediate = "intermediate"
    advanced = "advanced"


class ContentKind(StrEnum):
    tutorial = "tutorial"
    resources = "resources"
    quiz = "quiz"


def is_none(value: object) -> bool:
    """Whether a field is left out: versions before this one do not know it."""
    return value is None


def is_empty(value: object) -> bool:
    """Whether a field is left out, as above, when it has nothing."""
    return not value


class Frozen(LazyModel, frozen=True, extra="forbid"):
    """Base of parts of a plan and of contents."""


Title = Annotated[str, Field(min_length=1, max_length=200)]
# One error per list: a small file could have millions, each of which takes memory.
FIRST_ONLY = FailFast()
BY_HAND = "person"  # generator of contents that the learner has written
LONGEST_WORDS = 20_000  # characters of any text in contents but a tutorial
MOST_ITEMS = 1000  # resources, or questions
LONGEST_KEY = 200  # characters
MOST_LINES, MOST_ACCEPTED = 20, 20  # lines to put in order; accepted texts of a typed answer
LONGEST_ACCEPTED = 200  # characters of one of them
Points = Annotated[
    tuple[Annotated[str, Field(max_length=500)], ...], Field(max_length=60), FIRST_ONLY
]
Texts = Annotated[tuple[str, ...], FIRST_ONLY]
# Of a project: its criteria and hints, and characters of its texts.
FEWEST_CRITERIA, MOST_CRITERIA, FEWEST_HINTS, MOST_HINTS = 4, 6, 2, 4
LONGEST_BRIEF, LONGEST_CRITERION, LONGEST_HINT = 4000, 300, 500
Mark = Literal["no", "partly", "yes"]  # whether a project meets a criterion
Judge = Literal["self", "person", "model"]  # of a project: its learner, or one with a link
Criterion = Annotated[str, Field(min_length=1, max_length=LONGEST_CRITERION)]
Hint = Annotated[str, Field(min_length=1, max_length=LONGEST_HINT)]


class OutlineNode(Frozen):
    key: Title = Field(description="Key, the same in all revisions and edits.")
    title: Title = Field(description="Title.")
    description: str = Field(description="Description.")


class OutlineConcept(OutlineNode):
    """A concept of an outline.

    `hours` is study time; `prerequisites` are keys of other concepts.
    """

    hours: Annotated[int, Field(ge=1, le=200)] = Field(description="Hours of study.")
    difficulty: Annotated[int, Field(ge=1, le=5)] = Field(
        description="Difficulty from 1 (easy) to 5 (hard)."
    )
    prerequisites: Texts = Field((), description="Keys of the prerequisites.")
    outcomes: Texts = Field((), description="Learning outcomes.")


class OutlineModule(OutlineNode):
    """A module of an outline. `key` identifies it in all revisions."""

    concepts: Annotated[tuple[OutlineConcept, ...], FIRST_ONLY] = Field(
        description="In the order of learning."
    )


class Capstone(Frozen):
    """A project at the end of a stage, with the rubric by which its result is judged."""

    title: Title = Field(description="Title.")
    brief: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_BRIEF)
    ] = Field(description="The task, as Markdown without HTML.")
    criteria: Annotated[
        tuple[Criterion, ...],
        Field(min_length=FEWEST_CRITERIA, max_length=MOST_CRITERIA),
        FIRST_ONLY,
    ] = Field(description="Criteria of the result, each met, met in part, or not met.")
    hints: Annotated[
        tuple[Hint, ...], Field(min_length=FEWEST_HINTS, max_length=MOST_HINTS), FIRST_ONLY
    ] = Field(description="Hints, from the first step on.")

    def text(self) -> str:
        return "\n".join((self.title, self.brief, *self.criteria, *self.hints))


class OutlineStage(OutlineNode):
    modules: Annotated[tuple[OutlineModule, ...], FIRST_ONLY] = Field(
        description="In the order of learning."
    )
    capstone: Capstone | None = Field(
        None, description="Project at its end; left out: none.", exclude_if=is_none
    )


class Outline(Frozen):
    title: Title = Field(description="Title of the roadmap.")
    stages: Annotated[tuple[OutlineStage, ...], FIRST_ONLY] = Field(
        description="In the order of learning."
    )

    def modules(self) -> Iterator[OutlineModule]:
        for stage in self.stages:
            yield from stage.modules

    def concepts(self) -> Iterator[OutlineConcept]:
        """Yield all concepts in the order of learning."""
        for stage in self.stages:
            for module in stage.modules:
                yield from module.concepts

    def text(self) -> str:
        """Return all titles and descriptions, for checks of the language."""
        nodes: list[OutlineStage | OutlineModule | OutlineConcept] = [
            *self.stages,
            *self.modules(),
            *self.concepts(),
        ]
        return "\n".join(f"{node.title}\n{node.description}" for node in nodes)

    @property
    def hours(self) -> int:
        return sum(concept.hours for concept in self.concepts())


class AnalysisKind(StrEnum):
    """Kind of a goal. One that is not about learning has no analysis."""

    course = "course"
    two_courses = "two_courses"
    unclear = "unclear"


MOST_CLARIFYING_QUESTIONS, MOST_SUGGESTIONS = (
    3,
    4,
)  # questions before a plan, and suggestions of one
LONGEST_ASKED, LONGEST_SUGGESTION = 500, 200  # characters
Suggestion = Annotated[str, Field(min_length=1, max_length=LONGEST_SUGGESTION)]


class ClarifyingQuestion(Frozen):
    """A question to the learner before the plan."""

    question: Annotated[str, Field(min_length=1, max_length=LONGEST_ASKED)] = Field(
        description="Text of the question."
    )
    suggestions: Annotated[tuple[Suggestion, ...], Field(max_length=MOST_SUGGESTIONS)] = Field(
        description="Suggested answers."
    )


class Analysis(Frozen):
    """Goal, prior knowledge and needs of a person, the input of an outline."""

    aim: Annotated[str, Field(min_length=1, max_length=2000)] = Field(
        description="What the learner wants to be able to do."
    )
    known: Points = Field((), description="Prior knowledge.")
    subjects: Points = Field((), description="What has to be learned.")
    assumptions: Points = Field((), description="Assumptions.")
    # Left out where they say nothing: older versions do not know them.
    kind: AnalysisKind = Field(
        AnalysisKind.course,
        description="What the goal is.",
        exclude_if=lambda kind: kind == AnalysisKind.course,
    )
    remark: Annotated[str, Field(max_length=LONGEST_ASKED)] = Field(
        "", description="What is special about the course, in a sentence.", exclude_if=is_empty
    )
    questions: Annotated[
        tuple[ClarifyingQuestion, ...], Field(max_length=MOST_CLARIFYING_QUESTIONS)
    ] = Field((), description="Questions that were asked before the plan.", exclude_if=is_empty)


class Contents(Frozen, ABC):
    @abstractmethod
    def text(self) -> str:
        """Return all words in the language of the roadmap, for checks of the language."""

    def compared(self) -> str:
        """Return lines that show what has changed between versions."""
        return self.text()


class Tutorial(Contents):
    markdown: Annotated[str, Field(min_length=1)] = Field(description="Markdown without HTML.")
    language: str | None = Field(
        None,
        description="Language as a BCP 47 tag, if different from that of the roadmap.",
        max_length=35,
        exclude_if=is_none,
    )

    def text(self) -> str:
        return self.markdown


ResourceType = Literal[
    "documentation",
    "tutorial",
    "reference",
    "specification",
    "book",
    "course",
    "video",
    "article",
    "tool",
]


class Resource(Frozen):
    title: Annotated[str, Field(min_length=1, max_length=500)] = Field(
        description="Title of the resource."
    )
    url: Annotated[
        str, Field(pattern=r"^https?://[^\s/@]+(/[^\s]*|[?#][^\s]*)?$", max_length=2000)
    ] = Field(description="Where it is.")
    # A ResourceType, unless it was imported.
    type: str = Field(description="Type, such as a book.")
    level: Level | None = Field(
        None, description="Level of the audience; null: unknown.", exclude_if=is_none
    )
    language: str = Field(description="Language, as a BCP 47 tag.")
    why: Annotated[str, Field(min_length=1)] = Field(description="Why it is useful.")
    searched: Literal[True] | None = Field(
        None, description="Whether a search has found it; null: not known.", exclude_if=is_none
    )


class Resources(Contents):
    items: Annotated[tuple[Resource, ...], Field(min_length=1), FIRST_ONLY] = Field(
        description="Resources, best first."
    )

    def text(self) -> str:
        """Return the reasons; titles are those of the pages, in any language."""
        return "\n".join(item.why for item in self.items)

    def compared(self) -> str:
        items = (
            [
                item.title,
                item.url,
                " · ".join(filter(None, (item.type, item.level, item.language))),
                item.why,
                "",
            ]
            for item in self.items
        )
        return "\n".join(line for item in items for line in item)


QuestionType = Literal["single", "multiple", "true_false", "typed", "order"]
QUESTION_TYPES = "One correct option, several, true or false, a typed answer, or lines to order."
QUESTION_HINTS: dict[str, str] = {  # after a prompt
    "multiple": gettext_noop("(select all that apply)"),
    "order": gettext_noop("(put in order)"),
}
QUOTES = " '\"`\u2018\u2019“”«»„「」『』"
MARKS = ".,;:!?。、"  # those after a sentence; NFKC has made dots of an ellipsis
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def shuffled(texts: Sequence[str], *salt: object) -> list[int]:
    """Return the indexes of different texts in an order that follows from the salt, anywhere."""

    def place(index: int) -> bytes:
        text = f"{salt} {texts[index]}".encode("utf-8", "surrogatepass")
        return hashlib.sha256(text).digest()

    return sorted(range(len(texts)), key=place)


def normalized(text: str) -> str:
    """Return a text as typed answers are compared.

    Without differences of width and case, and without space, quotes and final marks around it.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    line = " ".join(folded.split())
    return line.strip(QUOTES).rstrip(QUOTES + MARKS) or line


class Question(Frozen):
    """A question. `answers` has the indexes of the correct options.

    A typed answer has `accepted` texts instead of options; lines to order have neither, and their
    `options` are in the right order. Fields that older versions do not know are left out if unused.
    """

    type: QuestionType = Field(description=QUESTION_TYPES)
    prompt: Annotated[str, Field(min_length=1)] = Field(description="Text of the question.")
    options: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=2), FIRST_ONLY
    ] = Field(
        default_factory=tuple,
        description="Options, or lines in the right order; left out for a typed answer.",
        exclude_if=is_empty,
    )
    answers: Annotated[tuple[int, ...], Field(min_length=1), FIRST_ONLY] = Field(
        default_factory=tuple,
        description="Indexes of the correct options; left out for typed answers and lines.",
        exclude_if=is_empty,
    )
    accepted: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_ACCEPTED)], ...],
        Field(min_length=1, max_length=MOST_ACCEPTED),
        FIRST_ONLY,
    ] = Field(
        default_factory=tuple,
        description="Accepted texts of a typed answer.",
        exclude_if=is_empty,
    )
    explanation: Annotated[str, Field(min_length=1)] = Field(description="Why.")
    seed: Seed | None = Field(
        None,
        description="Shuffles the options for each attempt; null: they stay as they are.",
        exclude_if=is_none,
    )
    needs_tutorial: bool = Field(
        False,
        description="Whether it asks about numbers of the tutorial, and so never for review.",
        exclude_if=is_empty,
    )

    @property
    def fingerprint(self) -> str:
        """Hash of prompt, options and answers: equal for the same question of another version."""
        asked: list[Any] = [self.prompt, list(self.options), sorted(self.answers)]
        if not self.answers:
            asked += [self.type, list(self.accepted)]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()

    def accepts(self, typed: str) -> bool:
        """Return whether a typed answer is one of those that are accepted."""
        wanted = normalized(typed)
        return bool(wanted) and wanted in self._accepted

    @cached_property
    def _accepted(self) -> frozenset[str]:
        return frozenset(map(normalized, self.accepted))

    @property
    def given(self) -> list[int]:
        """Indexes of the options in the order of clients, which is never that of the lines."""
        if self.type != "order":
            return list(range(len(self.options)))
        lines = shuffled(self.options, self.seed or 0)
        return lines if lines != sorted(lines) else [*lines[1:], lines[0]]

    @property
    def right(self) -> list[int]:
        """Indexes of the correct options, or of the lines in order, as clients know them."""
        if self.type != "order":
            return sorted(self.answers)
        given = self.given
        return sorted(range(len(given)), key=given.__getitem__)

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        if len(set(self.options)) < len(self.options):
            raise ValueError("options must be different")
        if (self.type == "typed") != bool(self.accepted):
            raise ValueError("a typed answer, and no other, has accepted texts")
        if not all(text.strip() for text in self.accepted):
            raise ValueError("accepted texts must not be blank")
        if self.type in ("typed", "order"):
            if self.answers or (self.type == "typed") == bool(self.options):
                raise ValueError("typed answers have no options, lines have; neither has answers")
            if len(self.options) > MOST_LINES:
                raise ValueError(f"at most {MOST_LINES} lines can be put in order")
            return self
        if not self.options or not self.answers:
            raise ValueError("needs options, and answers among them")
        if not set(self.answers) <= set(range(len(self.options))) or len(set(self.answers)) < len(
            self.answers
        ):
            raise ValueError("answers must be indexes of options, without duplicates")
        if (self.type == "multiple") != (len(self.answers) > 1):
            raise ValueError(
                f"{len(self.answers)} correct answers do not match the type {self.type}"
            )
        return self


class Quiz(Contents):
    questions: Annotated[tuple[Question, ...], Field(min_length=1), FIRST_ONLY] = Field(
        description="Questions, in order."
    )

    def text(self) -> str:
        return "\n".join(
            f"{question.prompt}\n{question.explanation}" for question in self.questions
        )


@dataclass(frozen=True)
class KindEntry:
    """All that is derived for a kind of content; texts of pages have a `%(concept)s`.

    `draft` and `catalogue` name what makes it, as `module:name`: a form that a model fills in, and
    a function of a concept of the catalogue and a ConceptBrief.
    """

    body: type[Contents]
    draft: str
    catalogue: str
    tokens: tuple[int, int]  # of a call, prompt and completion: assumed until some are measured
    label: str
    writing: str
    written: str
    not_written: str
    restored: str
    # Descriptions in the API: for the owner, for others, and in an exported document.
    detail: str = "Null: not ready."
    shared: str = "Null: not ready."
    portable: str = "Null: not ready."
    portable_about: str = "A part of a concept with its origin."
    portable_body: str = "The content."


CONTENT_KINDS = {
    ContentKind.tutorial: KindEntry(
        body=Tutorial,
        draft="roadmap.generation.llm.schemas:TutorialDraft",
        catalogue="roadmap.generation.catalogue.generator:tutorial_of",
        tokens=(2600, 2600),
        label=gettext_noop("Tutorial"),
        writing=gettext_noop("Writing the tutorial on “%(concept)s”"),
        written=gettext_noop("The tutorial on “%(concept)s” is ready"),
        not_written=gettext_noop("The tutorial on “%(concept)s” failed"),
        restored=gettext_noop("An earlier version of the tutorial on “%(concept)s” was restored"),
        portable_about="A tutorial with its origin.",
    ),
    ContentKind.resources: KindEntry(
        body=Resources,
        draft="roadmap.generation.llm.schemas:ResourcesDraft",
        catalogue="roadmap.generation.catalogue.generator:resources_of",
        tokens=(2500, 500),
        label=gettext_noop("Resources"),
        writing=gettext_noop("Looking for resources on “%(concept)s”"),
        written=gettext_noop("The resources on “%(concept)s” are ready"),
        not_written=gettext_noop("The resources on “%(concept)s” failed"),
        restored=gettext_noop("An earlier version of the resources on “%(concept)s” was restored"),
        detail="Where more can be read and seen; null: they are not there yet.",
        shared="Where more can be read and seen.",
        portable="Null: not ready.",
        portable_about="Resources of a concept.",
    ),
    ContentKind.quiz: KindEntry(
        body=Quiz,
        draft="roadmap.generation.llm.schemas:QuizDraft",
        catalogue="roadmap.generation.catalogue.generator:quiz_of",
        tokens=(4000, 1200),
        label=gettext_noop("Quiz"),
        writing=gettext_noop("Writing the quiz on “%(concept)s”"),
        written=gettext_noop("The quiz on “%(concept)s” is ready"),
        not_written=gettext_noop("The quiz on “%(concept)s” failed"),
        restored=gettext_noop("An earlier version of the quiz on “%(concept)s” was restored"),
        detail="Without answers; null: not ready.",
        shared="Without answers.",
        portable_about="A quiz with its answers, for the owner's export.",
        portable_body="Text of the question.",
    ),
}


def weeks(outline: Outline, hours_per_week: int) -> dict[str, int]:
    """Return the week, from 1, in which each concept starts, by key."""
    spent, week_of = 0, {}
    for concept in outline.concepts():
        week_of[concept.key] = spent // hours_per_week + 1
        spent += concept.hours
    return week_of


def total_weeks(outline: Outline, hours_per_week: int) -> int:
    return math.ceil(outline.hours / hours_per_week)


def hours_until(deadline: date, today: date, hours_per_week: int) -> int:
    """Return the hours of learning until a deadline, those of one week at least."""
    return hours_per_week * max((deadline - today).days, 7) // 7


def made_key(title: str, what: What, used: Set[str]) -> str:
    """Return the title in ASCII, or the kind if it has no such letters; numbered if needed."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", title) if not unicodedata.combining(c))
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:LONGEST_KEY].rstrip("-")
    worded = re.search("[a-z]", slug) is not None
    if worded and slug not in used:
        return slug
    base = slug[: LONGEST_KEY - 10].rstrip("-") if worded else what  # 10: room for any number
    return next(
        key for number in count(2 if worded else 1) if (key := f"{base}-{number}") not in used
    )
