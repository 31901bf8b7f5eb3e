"""Portable document: a whole roadmap as JSON that any instance can import.

It has no ids, and nothing about its owner, its cost or how it was made: things are named by their
keys. It names its format and version, so that an instance that cannot read it can say so.
`Source` is what all formats read. `portable` makes a document of rows;
`roadmap/exchange/importer.py` makes rows of a document, after
`roadmap/exchange/import_validation.py` has checked it against all rules.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from gettext import NullTranslations
from itertools import count
from operator import not_
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, create_model
from pydantic_core import PydanticCustomError

from core import clock
from core.db import snapshot
from core.errors import Conflict
from core.i18n import DEFAULT, negotiated, texts
from core.json_types import WHOLE, from_row
from core.sanitize import format_size
from models.roadmaps import (
    Concept,
    Content,
    ContentVersion,
    Judgement,
    QuizAttempt,
    ReviewCard,
    Roadmap,
    Stage,
)
from roadmap.accounts.access import get_owned
from roadmap.learning.grading import Answer
from roadmap.learning.projects import Comments, Marks, Work
from roadmap.learning.spaced_repetition import MOST_REVIEWS, MOST_STABILITY, Memory
from roadmap.lifecycle.plan_rows import current_outline, key_of, planned, subject
from roadmap.lifecycle.reading import queries
from roadmap.plan.format_version import FORMAT, LARGEST_DOCUMENT, VERSION
from roadmap.plan.outline import (
    CONTENT_KINDS,
    FIRST_ONLY,
    Analysis,
    ContentKind,
    Frozen,
    Judge,
    Level,
    Outline,
    Quiz,
    is_empty,
    is_none,
)
from roadmap.plan.schemas import (
    LONGEST_NOTES,
    MOST_ATTEMPTS,
    MOST_EXERCISES,
    MOST_QUESTIONS,
    PRINTABLE,
    SHORTEST_GOAL,
    HoursPerWeek,
    LanguageTag,
    RoadmapRequest,
    Text,
    fault_of_goal,
)
from roadmap.plan.statuses import ConceptProgress, ContentStatus
from roadmap.plan.views import RoadmapTree, concepts_of, with_kinds, without_answers

NEWER: Literal["newer_version"] = "newer_version"  # kind of an error
IS_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
FIRST_YEAR, LAST_YEAR = 2000, 2200  # a card that was known for years comes back decades later


def _format(name: str) -> str:
    if name != FORMAT:
        raise ValueError(f"must be {FORMAT!r}: this is not a roadmap exported as JSON")
    return name


def _version(number: int) -> int:
    if number > VERSION:
        raise PydanticCustomError(
            NEWER,
            "is the format of a newer version of Roadmap ({number}); this version reads {reads}",
            {"number": number, "reads": VERSION},
        )
    if number < 1:
        raise ValueError(f"must be between 1 and {VERSION}")
    return number


def _plausible(when: date) -> date:
    if not FIRST_YEAR < when.year < LAST_YEAR:
        thing = "time" if isinstance(when, datetime) else "day"
        raise ValueError(f"must be a {thing} between the years {FIRST_YEAR} and {LAST_YEAR}")
    return when.astimezone(UTC) if isinstance(when, datetime) else when


Moment = Annotated[AwareDatetime, AfterValidator(_plausible)]
Day = Annotated[date, AfterValidator(_plausible)]
Count = Annotated[int, Field(ge=0, le=1_000_000), WHOLE]
Index = Annotated[int, Field(ge=0, le=1000), WHOLE]
Times = Annotated[int, Field(ge=0, le=MOST_REVIEWS), WHOLE]
Days = Annotated[float, Field(ge=0, le=MOST_STABILITY, allow_inf_nan=False)]
Difficulty = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


class PortableGoal(Frozen):
    """The request for the roadmap."""

    goal: Annotated[str, Field(min_length=SHORTEST_GOAL, max_length=1000), PRINTABLE] = Field(
        description="What the learner wants to be able to do."
    )
    level: Level = Field(description="Prior knowledge.")
    hours_per_week: HoursPerWeek = Field(description="Hours for learning per week.")
    deadline: Day | None = Field(None, description="Target date.")
    begins_on: Day = Field(description="First day of the schedule.")
    background: Text = Field("", description="Prior experience.")
    motivation: Text = Field("", description="Reason for learning.")
    preferences: Text = Field("", description="Learning preferences.")
    language: LanguageTag = Field(description="Language of the roadmap, as a BCP 47 tag.")
    resource_language: LanguageTag | None = Field(
        None, description="A second language for resources."
    )


class Written(Frozen):
    """By what it was written, with which words, and when."""

    generator: Annotated[str, Field(max_length=100), PRINTABLE] = Field(
        description="Generator: the catalogue or a model."
    )
    prompt_version: Annotated[str, Field(max_length=40), PRINTABLE] = Field(
        "", description="Version of the prompt."
    )
    created_at: Moment = Field(description="Time of writing.")


WRITTEN: dict[ContentKind, Any] = {
    kind: create_model(
        f"Written{entry.body.__name__}",
        __base__=Written,
        __doc__=entry.portable_about,
        body=(entry.body, Field(description=entry.portable_body)),
    )
    for kind, entry in CONTENT_KINDS.items()
}
globals().update({model.__name__: model for model in WRITTEN.values()})  # where pickle looks


class PortableContents(with_kinds(Frozen, WRITTEN, "portable", None)):  # type: ignore[misc]
    """Contents of a concept; null for a part that is not written."""

    def of(self, kind: ContentKind) -> Any:
        return getattr(self, kind)


class PortableAttempt(Frozen):
    """An attempt at the quiz in this document."""

    answers: Annotated[
        tuple[Answer, ...], Field(min_length=1, max_length=MOST_QUESTIONS), FIRST_ONLY
    ] = Field(description="For each question, in order: chosen indexes, or a typed text.")
    score: Count = Field(description="Number of correct answers.")
    total: Count = Field(description="Number of questions.")
    asked: Annotated[tuple[Index, ...], Field(max_length=MOST_QUESTIONS), FIRST_ONLY] = Field(
        (), description="Questions of a retry, by index; left out: all.", exclude_if=is_empty
    )
    created_at: Moment = Field(description="Time of the attempt.")


class PortableCard(Frozen):
    """A review card with its FSRS state."""

    question: Index = Field(description="Index in the quiz, from 0.")
    state: Annotated[int, Field(ge=1, le=3), WHOLE] = Field(
        description="1: learning, 2: review, 3: relearning."
    )
    step: Annotated[int, Field(ge=0, le=100), WHOLE] | None = Field(
        None, description="Step of learning; null in review."
    )
    stability: Days | None = Field(
        None, description="Stability: days until the probability of recall is 90 %."
    )
    difficulty: Difficulty | None = Field(None, description="Difficulty, from 1 to 10.")
    due_at: Moment = Field(description="Due time.")
    reviewed_at: Moment | None = Field(None, description="Last review; null: none.")
    reviews: Times = Field(0, description="Number of reviews.")
    lapses: Times = Field(0, description="Number of lapses.")

    @property
    def memory(self) -> Memory:
        return Memory(**self.model_dump(exclude={"question"}))


class PortableConcept(Frozen):
    """A concept with its contents and the learner's progress."""

    contents: PortableContents = Field(
        PortableContents.model_construct(), description="Contents of the concept."
    )
    progress: ConceptProgress = Field(ConceptProgress.todo, description="Progress of the learner.")
    progress_at: Moment | None = Field(None, description="Since when; null: not started.")
    studied: Count = Field(
        0,
        description="Minutes of reading up to the end of the last part that is done; before "
        "version 3 minutes of the plan.",
        exclude_if=not_,
    )
    spent: Annotated[int, Field(ge=0, le=10_000_000), WHOLE] = Field(
        0, description="Seconds spent; before version 3 those of the plan.", exclude_if=not_
    )
    notes: Annotated[str, Field(max_length=LONGEST_NOTES), PRINTABLE] = Field(
        "", description="Notes of the learner."
    )
    exercise_attempt: Annotated[str, Field(max_length=LONGEST_NOTES), PRINTABLE] = Field(
        "", description="What the learner wrote at the exercise.", exclude_if=is_empty
    )
    more_attempts: Annotated[
        tuple[Annotated[str, Field(max_length=LONGEST_NOTES), PRINTABLE], ...],
        Field(max_length=MOST_EXERCISES - 1),
    ] = Field((), description="The same at exercises 2 to 4.", exclude_if=not_)
    learned_at: Moment | None = Field(
        None,
        description="When it was first learned; left out: not yet.",
        exclude_if=is_none,
    )
    forgotten_at: Moment | None = Field(
        None, description="When a test took that away; left out: never.", exclude_if=is_none
    )
    attempts: Annotated[
        tuple[PortableAttempt, ...], Field(max_length=MOST_ATTEMPTS), FIRST_ONLY
    ] = Field((), description="Attempts at the current quiz, oldest first.")
    cards: Annotated[tuple[PortableCard, ...], Field(max_length=MOST_QUESTIONS), FIRST_ONLY] = (
        Field((), description="Review cards of its questions, in order.")
    )


class PortableJudgement(Frozen):
    """A judgement of a project by its rubric."""

    marks: Marks = Field(description="A mark for each criterion, in order.")
    comments: Comments = Field((), description="A comment on each mark, or none.")
    created_at: Moment = Field(description="Time of the judgement.")


class PortableProject(Frozen):
    """Work of the learner on the project of a stage, and its judgements."""

    work: Work = Field("", description="A text or a link.")
    done_at: Moment | None = Field(None, description="When it was first found done; null: not yet.")
    judgements: dict[Judge, PortableJudgement] = Field(
        {}, description="The newest judgement of each judge."
    )


class PortableTest(Frozen):
    """Result of the test 60 days after the last concept."""

    score: Index = Field(description="Number of correct answers.")
    total: Index = Field(description="Number of questions.")
    taken_at: Moment = Field(description="Time of the test.")


class PortableRoadmap(Frozen):
    """A roadmap exported as JSON."""

    format: Annotated[str, AfterValidator(_format)] = Field(description="`roadmap`.")
    version: Annotated[int, AfterValidator(_version), WHOLE] = Field(
        description=f"Version of the format: {VERSION}; 1 and 2 are read as well."
    )
    exported_at: Moment = Field(description="Time of creation.")
    request: PortableGoal = Field(description="The request.")
    generator: Annotated[str, Field(max_length=100), PRINTABLE] = Field(
        "", description="Generator of the plan."
    )
    analysis: Analysis | None = Field(None, description="Analysis that the plan is based on.")
    outline: Outline = Field(description="The plan, with the title of the roadmap.")
    concepts: dict[str, PortableConcept] = Field(
        {}, description="Concepts by their keys in the outline."
    )
    projects: dict[str, PortableProject] = Field(
        {},
        description="The learner's projects by the keys of their stages; left out: none.",
        exclude_if=is_empty,
    )
    test: PortableTest | None = Field(
        None, description="Mixed test of all concepts; left out: not taken.", exclude_if=is_none
    )

    @property
    def is_complete(self) -> bool:
        """Whether every concept has all its parts; one is read at a time, to save memory."""
        found = map(self.concepts.get, (concept.key for concept in self.outline.concepts()))
        return all(each is not None and None not in dict(each.contents).values() for each in found)


def portable(
    owner_id: UUID,
    roadmap_id: UUID,
    *,
    with_learner: bool,
    with_attempts: bool = True,
    with_trash: bool = False,
) -> PortableRoadmap:
    """Return a roadmap as it is now.

    Without its learner it has no words of its owner either, and begins today. Without attempts it
    has no review cards either; both may be larger than all lessons.
    Raises NotFound, and Conflict while it has no plan.
    """
    with snapshot():
        row = get_owned(owner_id, roadmap_id, with_trash=with_trash)
        if not row.revision and not row.title:
            raise Conflict("This roadmap has no plan to export yet. Wait until it is ready.")
        current = current_outline(row)
        outline = _without_ids(current)
        concepts = list(
            Concept.select()
            .where(Concept.roadmap == roadmap_id, ~Concept.removed)
            .order_by(Concept.id)
        )
        written = _written(roadmap_id, {concept.id: subject(concept) for concept in concepts})
        has_attempts = with_learner and with_attempts
        attempts = _by_concept(QuizAttempt, roadmap_id) if has_attempts else {}
        cards = _by_concept(ReviewCard, roadmap_id) if has_attempts else {}
        projects = _projects(roadmap_id) if with_learner else {}
    by_key = {concept.key: concept for concept in concepts}
    return PortableRoadmap(
        format=FORMAT,
        version=VERSION,
        exported_at=clock.now(),
        request=_request(row, with_learner=with_learner),
        generator=row.generator,
        analysis=Analysis.model_validate(row.analysis) if row.analysis and with_learner else None,
        outline=outline,
        concepts={
            each.key: _concept(
                by_key[each.key],
                written.get(by_key[each.key].id, {}),
                attempts.get(by_key[each.key].id, ()),
                cards.get(by_key[each.key].id, ()),
                with_learner=with_learner,
            )
            for each in outline.concepts()
        },
        projects={  # stages of older versions have other keys here
            stage.key: projects[old.key]
            for stage, old in zip(outline.stages, current.stages, strict=True)
            if old.key in projects
        },
        test=PortableTest(**{name: row.test[name] for name in PortableTest.model_fields})
        if with_learner and "taken_at" in (row.test or {})
        else None,
    )


def render(source: "Source") -> bytes:
    return as_json(source.document)


def as_json(document: PortableRoadmap) -> bytes:
    """Return the document as bytes. Raises Conflict when it is too long for any instance."""
    content = document.model_dump_json().encode()
    if len(content) > LARGEST_DOCUMENT:
        raise Conflict(
            f"This roadmap is larger than {format_size(LARGEST_DOCUMENT)} as JSON, more "
            "than any instance can import. Export it as Markdown."
        )
    return content


def _request(row: Roadmap, *, with_learner: bool) -> PortableGoal:
    facts: dict[str, Any] = {"language": row.language, "level": Level(row.level)}
    if not with_learner:
        return PortableGoal(
            **facts,
            # A title may be a letter, or a number.
            goal=f"Roadmap {row.title}" if fault_of_goal(row.title) else row.title,
            hours_per_week=RoadmapRequest.model_fields["hours_per_week"].default,
            begins_on=clock.now().date(),
        )
    facts["begins_on"] = row.begins_on or row.created_at.date()
    return from_row(PortableGoal, row, **facts)


def _without_ids(outline: Outline) -> Outline:
    """Replace ids: they are the only keys of stages and modules of older versions."""
    free_stages = _free_keys("stage", (stage.key for stage in outline.stages))
    free_modules = _free_keys("module", (module.key for module in outline.modules()))
    stages = []
    for stage in outline.stages:
        key = next(free_stages) if IS_ID(stage.key) else stage.key
        modules = tuple(
            module.model_copy(update={"key": next(free_modules)}) if IS_ID(module.key) else module
            for module in stage.modules
        )
        stages.append(stage.model_copy(update={"key": key, "modules": modules}))
    return outline.model_copy(update={"stages": tuple(stages)})


def _free_keys(what: str, keys: Iterable[str]) -> Iterator[str]:
    taken = frozenset(keys)
    return (key for number in count(1) if (key := f"{what}-{number}") not in taken)


def _written(
    roadmap_id: UUID, subjects: Mapping[UUID, str]
) -> dict[UUID, dict[str, tuple[int, Written]]]:
    """Return the current content and its version, by concept and kind.

    Content that was written for an earlier subject of its concept is left out.
    """
    current = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
    query = ContentVersion.select(ContentVersion, Content).join(Content, on=current)
    found: dict[UUID, dict[str, tuple[int, Written]]] = defaultdict(dict)
    for row in query.where(Content.roadmap == roadmap_id):
        concept_id, kind = row.content.concept_id, ContentKind(row.content.kind)
        if concept_id not in subjects:
            continue
        if row.content.status == ContentStatus.ready or row.subject in ("", subjects[concept_id]):
            written = WRITTEN[kind](
                generator=row.generator,
                prompt_version=row.prompt_version,
                created_at=row.created_at,
                body=CONTENT_KINDS[kind].body.model_validate(row.body),
            )
            found[concept_id][kind] = (row.version, written)
    return found


def _by_concept(
    table: type[QuizAttempt] | type[ReviewCard], roadmap_id: UUID
) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in table.select().where(table.roadmap == roadmap_id).order_by(table.id):
        found[row.concept_id].append(row)
    return found


def _projects(roadmap_id: UUID) -> dict[str, PortableProject]:
    """Return the projects with work, by the keys of their stages."""
    judged: dict[UUID, dict[str, PortableJudgement]] = defaultdict(dict)
    for row in Judgement.select().where(
        Judgement.roadmap == roadmap_id, Judgement.status == ContentStatus.ready
    ):
        judged[row.stage_id][row.judge] = from_row(PortableJudgement, row)
    return {
        key_of(stage): PortableProject(
            work=stage.work, done_at=stage.done_at, judgements=judged[stage.id]
        )
        for stage in planned(Stage, roadmap_id)
        if stage.work and stage.capstone
    }


def _concept(
    row: Concept,
    written: Mapping[str, tuple[int, Written]],
    attempts: Iterable[Any],
    cards: Iterable[Any],
    *,
    with_learner: bool,
) -> PortableConcept:
    contents = PortableContents(**{kind: each for kind, (_, each) in written.items()})
    if not with_learner:
        return PortableConcept(contents=contents)
    version = written[ContentKind.quiz][0] if ContentKind.quiz in written else 0
    return PortableConcept(
        contents=contents,
        progress=row.progress,
        progress_at=row.progress_at,
        studied=row.studied,
        notes=row.notes,
        exercise_attempt=row.exercise_attempt,
        more_attempts=tuple(row.more_attempts),
        learned_at=row.learned_at,
        spent=row.spent,
        forgotten_at=row.forgotten_at,
        attempts=tuple(
            from_row(PortableAttempt, each, asked=each.asked or ())
            for each in attempts
            if each.version == version
        ),
        cards=_cards(cards, contents.quiz.body if contents.quiz else None),
    )


def _cards(rows: Iterable[ReviewCard], quiz: Quiz | None) -> tuple[PortableCard, ...]:
    """Return the cards of questions of the quiz, with counts within the bounds of an import."""
    places: dict[str, int] = {}
    for number, question in enumerate(quiz.questions if quiz else ()):
        if not question.needs_tutorial:
            places.setdefault(question.fingerprint, number)
    found = [
        from_row(
            PortableCard,
            row,
            question=places[row.question],
            reviews=min(row.reviews, MOST_REVIEWS),
            lapses=min(row.lapses, MOST_REVIEWS),
            stability=None if row.stability is None else min(row.stability, MOST_STABILITY),
        )
        for row in rows
        if row.question in places
    ]
    return tuple(sorted(found, key=lambda card: card.question)[:MOST_QUESTIONS])


def today() -> datetime:
    """Return the beginning of the day."""
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass
class Source:
    """A roadmap as formats read it. Formats that need the document read it before the tree."""

    owner_id: UUID
    roadmap_id: UUID
    accept_language: str = ""  # the reader's header
    url: str = ""  # of the service, for links to its pages
    query: Any = None  # what the reader has chosen, by the format's model
    today: datetime = field(default_factory=today)
    with_attempts: bool = False  # and review cards
    with_trash: bool = False

    @cached_property
    def tree(self) -> RoadmapTree:
        """Raises NotFound."""
        return queries.roadmap_tree(self.owner_id, self.roadmap_id, with_trash=self.with_trash)

    @cached_property
    def document(self) -> PortableRoadmap:
        """The whole, with its learner. The tree is of the same moment.

        Raises NotFound, and Conflict while there is no plan.
        """
        with snapshot():
            document = portable(
                self.owner_id,
                self.roadmap_id,
                with_learner=True,
                with_attempts=self.with_attempts,
                with_trash=self.with_trash,
            )
            assert self.tree
        return document

    @cached_property
    def details(self) -> Mapping[str, Mapping[str, Any]]:
        """The details of concepts that Markdown needs, by their keys.

        A plan that is begun has no weeks: they count from its beginning, and it moves with
        progress.
        """
        document, found = self.document, {}
        for concept in concepts_of(self.tree):
            portable = document.concepts[concept.key]
            written = {
                kind: content and content.body.model_dump(mode="json")
                for kind, content in portable.contents
            }
            if resources := written[ContentKind.resources]:
                written[ContentKind.resources] = resources["items"]
            if quiz := portable.contents.quiz:  # lines to order are in the right one
                written[ContentKind.quiz] = without_answers(quiz.body, 1).model_dump(mode="json")
            found[concept.key] = {
                **concept.model_dump(
                    mode="json", include={"title", "description", "hours", "week", "progress"}
                ),
                **written,
                "notes": portable.notes,
                **({"week": None} if self.tree.learned.is_begun else {}),
            }
        return found

    @cached_property
    def reader_language(self) -> str:
        return negotiated(self.accept_language)

    @cached_property
    def texts(self) -> NullTranslations:
        """The texts in the roadmap's language, or else in the reader's."""
        language = negotiated(self.tree.language)
        if language == DEFAULT and not self.tree.language.lower().startswith(DEFAULT):
            language = self.reader_language
        return texts(language)
