"""Generator for every OpenAI-compatible model: its questions at each step, and its answers.

Texts of persons and pages are data in every question: JSON in the user's message, nowhere else.
"""

import copy
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from operator import itemgetter
from pkgutil import resolve_name
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from core import clock
from core.settings import ModelProfile
from roadmap.generation import checked_concepts, floors
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import (
    FREE,
    JUDGE_PROJECT,
    Answers,
    ConceptBrief,
    DesignBrief,
    Generator,
    GeneratorFault,
    InvalidOutline,
    RetryLater,
    UsageMeter,
)
from roadmap.generation.llm import quiz_check
from roadmap.generation.llm.client import AnswerCut, ModelClient, TooManyRequests
from roadmap.generation.llm.compat import Message
from roadmap.generation.llm.outline_in_stages import LARGE, SMALL, Size, stage_form, titles_form
from roadmap.generation.llm.prompt import Prompt, prompt
from roadmap.generation.llm.rate_control import AdaptiveConcurrencyLimit, ProviderRateLimited
from roadmap.generation.llm.schemas import AnalysisDraft, OutlineDraft, VerdictsDraft
from roadmap.generation.llm.server_profile import SMALL_CONTEXT, ServerProfile, shorter_form
from roadmap.plan.language_detection import language_error
from roadmap.plan.outline import (
    CONTENT_KINDS,
    LONGEST_ASKED,
    MOST_CLARIFYING_QUESTIONS,
    Analysis,
    Capstone,
    ContentKind,
    Contents,
    Mark,
    Outline,
    Quiz,
    Resources,
    hours_until,
)
from roadmap.plan.schemas import RoadmapRequest

AGAIN = (
    "Your answer does not fit. `problems` says why; "
    "answer again, with the whole JSON of this `schema` and nothing else."
)
MOST_PROBLEMS = 10
LONGEST_OUTLINE = 20_000  # characters of all titles
MOST_KNOWN_TERMS, MOST_NEXT = 150, 8
LONGEST_VERDICT = 500  # characters of a comment on a project

logger = logging.getLogger(__name__)

Made = TypeVar("Made")


class ModelGenerator(Generator):
    """Generator for all threads of a process; metered copies share client and rate control."""

    is_model = True

    def __init__(
        self,
        *,
        key: str,
        base_url: str,
        model: str,
        timeout: float,
        max_tokens: int = 16_384,
        concurrency: int = 8,
        must_limit: bool = False,
        models: Mapping[str, str] | None = None,
        idle: float = 30,
        effort: str = "",
        profile: ModelProfile = ModelProfile.large,
        may_restrict: bool = True,
    ) -> None:
        self._models = models or {}  # of steps that have their own
        # A provider takes other fields from other models, and the client learns which.
        self._clients = {
            name: ModelClient(
                key=key,
                base_url=base_url,
                model=name,
                timeout=timeout,
                idle=idle,
                max_tokens=max_tokens,
                effort=effort,
                must_limit=must_limit,
            )
            for name in {model, *self._models.values()}
        }
        self._limiter, self._may_restrict = AdaptiveConcurrencyLimit(concurrency), may_restrict
        self._profile = ServerProfile(
            profile, base_url=base_url, key=key, model=model, learned=self._fit_context
        )
        self._model = model
        self._meter: UsageMeter = FREE
        self.name = self.name_of("")

    def name_of(self, step: str) -> str:
        return f"model:{self._models.get(step, self._model)}"[:100]

    def prompt_version(self, step: str) -> str:
        return self._prompt(step).version

    def _prompt(self, step: str) -> Prompt:
        return prompt(step, small=self._profile.is_small())

    def slot(self, *, first: bool = False) -> AbstractContextManager[None]:
        return self._limiter.slot(first=first)

    def metered(self, meter: UsageMeter) -> Self:
        twin = copy.copy(self)
        twin._meter = meter
        return twin

    def analyse(self, request: RoadmapRequest, answers: Answers = None) -> Analysis:
        allowed = MOST_CLARIFYING_QUESTIONS if request.clarify and answers is None else 0
        facts = {**_wishes(request), "questions_allowed": allowed}
        if answers:
            facts["answers"] = answers

        def made(draft: AnalysisDraft) -> Analysis:
            if draft.kind == "not_learning" and not draft.subjects:
                remark = draft.remark[:LONGEST_ASKED] or "-"
                raise GeneratorFault(f"This goal is not about learning: {remark}", lasting=True)
            if (asked := len(draft.questions)) > allowed:
                logger.warning("the model asks %d questions, of which %d are kept", asked, allowed)
            analysis = draft.to_analysis()
            return analysis if allowed else analysis.model_copy(update={"questions": ()})

        return self.ask("analysis", AnalysisDraft, facts, made)

    def outline(self, design: DesignBrief) -> Outline:
        """Ask for all of it, or for its stages alone where there is little room for an answer."""
        if design.current is None:
            if self._profile.is_small():
                return self._titles(design)
            try:
                return self._design(design.step, design, {})
            except AnswerCut as cut:
                logger.warning("the outline is asked for stage by stage: %s", cut)
                return self._titles(design)
        without = {"stages": {"__all__": {"capstone"}}}  # long, and kept unless there is a new one
        current = design.current.model_dump(mode="json", exclude=without)
        return self._design(design.step, design, {"outline": current, "feedback": design.feedback})

    def fill(self, design: DesignBrief, outline: Outline) -> Outline:
        """Ask for the first empty stage, which knows what is in those before it."""
        known, size = _known(design), self._size(design)
        empty = [stage for stage in outline.stages if not stage.modules]
        left = known.get("hours_available", math.inf) - outline.hours
        known |= {
            "outline": [
                {
                    "stage": stage.title,
                    "concepts": [each.title for part in stage.modules for each in part.concepts],
                }
                for stage in outline.stages
            ],
            "stage": {"title": empty[0].title, "description": empty[0].description},
        }

        return self.ask(
            "stage",
            stage_form(size, has_project=not self._profile.is_small()),
            known,
            lambda part: _in_language(part.fill(outline, size, left / len(empty)), design),
        )

    def repair(
        self, design: DesignBrief, draft: dict[str, Any], problems: Sequence[str]
    ) -> Outline:
        facts: dict[str, Any] = {"draft": draft, "problems": list(problems)}
        if design.feedback:
            facts["feedback"] = design.feedback
        return self._design("repair", design, facts)

    def writer(self, brief: ConceptBrief) -> Generator:
        """Return the catalogue for the first contents of a concept that was taken from it."""
        is_new = not (brief.version or brief.instruction)
        language = brief.request.language
        if is_new and checked_concepts.is_checked(brief.key, brief.title, language):
            return CatalogueGenerator()
        return self

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        """Return a content that lacks nothing, or else the better one of two answers."""
        poor: list[tuple[int, Contents]] = []

        def made(draft: Any) -> Contents:
            content: Contents = draft.to_content()
            if isinstance(content, Resources):
                found = {each["url"]: {"searched": True} for each in brief.candidates}
                items = (each.model_copy(update=found.get(each.url)) for each in content.items)
                content = Resources(items=tuple(items))
            if wrong := language_error(content.text(), brief.request.language):
                raise ValueError(wrong)
            if lacks := floors.lacking(content, brief):
                poor.insert(0, (len(lacks), content))
                raise ValueError(" ".join(lacks))
            return content

        try:
            draft = resolve_name(CONTENT_KINDS[kind].draft)
            facts = _facts(kind, brief)
            if self._profile.is_small():  # the concept's neighbours are enough
                facts.pop("outline", None)
                facts.pop("known_terms", None)
            return self.ask(kind, draft, facts, made)
        except GeneratorFault:  # a second call may have failed for any reason: the first is paid
            if poor:
                return min(poor, key=itemgetter(0))[1]
            raise

    def _titles(self, design: DesignBrief) -> Outline:
        """Ask for the stages alone; each is filled by a call of its own."""
        size = self._size(design)

        return self.ask(
            "stages",
            titles_form(size),
            _known(design),
            lambda titles: _in_language(titles.to_outline(size), design),
        )

    def _size(self, design: DesignBrief) -> Size:
        most = SMALL if self._profile.is_small() else LARGE
        return most.within(_wishes(design.request).get("hours_available"))

    def _fit_context(self, context: int) -> None:
        for client in self._clients.values():
            client.fit(context)
        if context < SMALL_CONTEXT and self._may_restrict:
            self._limiter.restrict(1)

    def check_quiz(self, quiz: Quiz, brief: ConceptBrief) -> tuple[Quiz, list[str]]:
        return quiz_check.checked(quiz, brief, self.ask)

    def judge_project(self, capstone: Capstone, work: str, language: str) -> list[tuple[Mark, str]]:
        criteria = capstone.criteria

        def made(draft: VerdictsDraft) -> list[tuple[Mark, str]]:
            if len(draft.verdicts) != len(criteria):
                raise ValueError(f"`verdicts` must have {len(criteria)} items, as `criteria` has.")
            return [(each.mark, each.comment[:LONGEST_VERDICT]) for each in draft.verdicts]

        facts = {"brief": capstone.brief, "criteria": criteria, "work": work, "language": language}
        return self.ask(JUDGE_PROJECT, VerdictsDraft, facts, made)

    def _design(self, step: str, design: DesignBrief, facts: dict[str, Any]) -> Outline:
        """Ask for an outline. Raises InvalidOutline, since repairs are a step of their own."""
        known = _known(design) | facts
        offered = {} if design.current else checked_concepts.offered(design.request)
        if offered and step == "outline":
            known["checked_concepts"] = [
                {"key": key, **{name: facts[name] for name in ("title", "description", "hours")}}
                for key, facts in offered.items()
            ]
        draft: OutlineDraft = self.ask(step, OutlineDraft, known, lambda draft: draft)
        for module in (module for stage in draft.stages for module in stage.modules):
            module.concepts = [
                concept.model_copy(update=offered.get(concept.key)) for concept in module.concepts
            ]
        try:
            return draft.to_outline()
        except ValidationError as error:
            raise InvalidOutline(draft.model_dump(mode="json"), _rules(error)) from error

    def ask(
        self, step: str, shape: type[Any], facts: dict[str, Any], make: Callable[[Any], Made]
    ) -> Made:
        """Ask, and once again after an invalid answer. Raises GeneratorFault."""
        if self._profile.is_small():
            shape = shorter_form(shape)
        try:
            self._limiter.begin()
        except ProviderRateLimited as busy:  # a pause that began after the slot was taken
            raise RetryLater(str(busy), busy.retry_after) from busy
        messages: list[Message] = [
            {"role": "system", "content": self._prompt(step).text},
            {"role": "user", "content": json.dumps(facts, ensure_ascii=False)},
        ]
        answer = self._complete(step, messages, shape)
        made, problems = _tried(answer, shape, make)
        if problems:
            wrong = {
                "problems": problems,
                "schema": shape.model_json_schema(),
                "instruction": AGAIN,
            }
            messages += [
                {"role": "assistant", "content": answer},
                {"role": "user", "content": json.dumps(wrong, ensure_ascii=False)},
            ]
            made, problems = _tried(self._complete(step, messages, shape), shape, make)
        if made is None:
            raise GeneratorFault(
                f"The model's answer is not in the agreed form: {' '.join(problems)[:300]}"
            )
        return made

    def _complete(self, step: str, messages: list[Message], shape: type[BaseModel]) -> str:
        model = self._models.get(step, self._model)
        begin = partial(self._meter.call, step, model, self.prompt_version(step))
        try:
            answer = self._clients[model].complete(messages, shape, begin)
        except TooManyRequests as fault:
            self._limiter.on_rate_limited(fault.retry_after)
            raise
        self._limiter.on_success()
        return answer


def _tried(
    answer: str, shape: type[Any], make: Callable[[Any], Made]
) -> tuple[Made | None, list[str]]:
    """Return the result that `make` returns for an answer, or its problems."""
    try:
        return make(shape.read(answer)), []
    except ValidationError as error:
        return None, _rules(error)
    except ValueError as error:
        return None, [str(error)]


def _rules(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in problem['loc']) or 'all'}: {problem['msg']}."
        for problem in error.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]
    ]


def _wishes(request: RoadmapRequest) -> dict[str, Any]:
    facts: dict[str, Any] = {"request": request.model_dump(mode="json")}
    if request.deadline is not None:
        facts["hours_available"] = hours_until(
            request.deadline, clock.now().date(), request.hours_per_week
        )
    return facts


def _known(design: DesignBrief) -> dict[str, Any]:
    return {**_wishes(design.request), "analysis": design.analysis.model_dump(mode="json")}


def _in_language(outline: Outline, design: DesignBrief) -> Outline:
    if wrong := language_error(outline.text(), design.request.language):
        raise ValueError(wrong)
    return outline


def _facts(kind: ContentKind, brief: ConceptBrief) -> dict[str, Any]:
    """Return what a content is made from; first what is the same for all of a roadmap."""
    facts: dict[str, Any] = {
        "request": brief.request.model_dump(mode="json"),
        "roadmap": brief.roadmap_title,
    }
    if brief.analysis:
        facts["analysis"] = brief.analysis.model_dump(mode="json")
    if brief.outline:
        whole = [
            {
                "stage": stage.title,
                "modules": [
                    {"module": module.title, "concepts": [each.title for each in module.concepts]}
                    for module in stage.modules
                ],
            }
            for stage in brief.outline.stages
        ]
        without_concepts = [
            {"stage": stage.title, "modules": [module.title for module in stage.modules]}
            for stage in brief.outline.stages
        ]
        is_long = len(json.dumps(whole, ensure_ascii=False)) > LONGEST_OUTLINE
        facts["outline"] = without_concepts if is_long else whole
    facts |= {
        "task": kind,
        "stage": brief.stage_title,
        "module": brief.module_title,
        "concept": {
            "title": brief.title,
            "description": brief.description,
            "outcomes": brief.outcomes,
        },
    }
    if brief.outline:
        facts |= _neighbours(brief, brief.outline)
    if brief.instruction or brief.dead:
        facts["previous"] = brief.previous and brief.previous.model_dump(mode="json")
    further = {
        "instructions": brief.instruction,
        "tutorial": brief.tutorial,
        "dead_addresses": brief.dead,
        "candidates": brief.candidates,
    }
    return facts | {name: fact for name, fact in further.items() if fact}


def _neighbours(brief: ConceptBrief, outline: Outline) -> dict[str, Any]:
    """Return the place of a concept in its course, what it builds on, and what comes next."""
    concepts = list(outline.concepts())
    here = next((at for at, each in enumerate(concepts) if each.key == brief.key), None)
    if here is None:  # it has left the plan meanwhile
        return {}
    needed, later = set(concepts[here].prerequisites), concepts[here + 1 :]
    known = dict.fromkeys(
        term for key, terms in brief.terms.items() if key not in needed for term in terms
    )
    return {
        "number": here + 1,
        "of": len(concepts),
        "prerequisites": [
            {
                "title": each.title,
                "outcomes": each.outcomes,
                "terms": brief.terms.get(each.key, ()),
            }
            for each in concepts
            if each.key in needed
        ],
        "known_terms": list(known)[-MOST_KNOWN_TERMS:],
        "next": [each.title for each in later if brief.key in each.prerequisites][:MOST_NEXT]
        or [each.title for each in later[:1]],
    }
