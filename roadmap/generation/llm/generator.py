"""Generator for every OpenAI-compatible model: its questions at each step, and its answers.

Texts of persons and pages are data in every question: JSON in the user's message, nowhere else.
"""

import copy
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from operator import itemgetter
from pkgutil import resolve_name
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from core import clock
from core.sanitize import strip_nul_json
from roadmap.generation import floors
from roadmap.generation.context import (
    ConceptBrief,
    DesignBrief,
    GeneratorFault,
    InvalidOutline,
    RetryLater,
)
from roadmap.generation.llm.client import ModelClient, TooManyRequests
from roadmap.generation.llm.compat import Message
from roadmap.generation.llm.prompt import prompt
from roadmap.generation.llm.rate_control import ProviderRateLimited, RateControl
from roadmap.generation.llm.schemas import AnalysisDraft, OutlineDraft
from roadmap.generation.usage import FREE, UsageMeter
from roadmap.plan.language_detection import language_error
from roadmap.plan.outline import (
    CONTENT_KINDS,
    Analysis,
    ContentKind,
    Contents,
    Outline,
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

Made = TypeVar("Made")


class ModelGenerator:
    """Generator for all threads of a process; metered copies share client and rate control."""

    repairs = True

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
    ) -> None:
        self._client = ModelClient(
            key=key,
            base_url=base_url,
            model=model,
            timeout=timeout,
            max_tokens=max_tokens,
            must_limit=must_limit,
        )
        self._pace = RateControl(concurrency)
        self._model = model
        self._meter: UsageMeter = FREE
        self.name = f"model:{model}"[:100]

    def prompt_version(self, step: str) -> str:
        return prompt(step).version

    def fit(self, request: RoadmapRequest) -> RoadmapRequest:
        """Accept any goal, in any language."""
        return request

    def check_feedback(self, pointer: str) -> None:
        """Accept any feedback."""

    def slot(self, *, first: bool = False) -> AbstractContextManager[None]:
        return self._pace.slot(first=first)

    def metered(self, meter: UsageMeter) -> Self:
        twin = copy.copy(self)
        twin._meter = meter
        return twin

    def analyse(self, request: RoadmapRequest) -> Analysis:
        return self._ask("analysis", AnalysisDraft, _wishes(request), AnalysisDraft.to_analysis)

    def outline(self, design: DesignBrief) -> Outline:
        if design.current is None:
            return self._design(design.step, design, {})
        current = design.current.model_dump(mode="json")
        return self._design(design.step, design, {"outline": current, "feedback": design.feedback})

    def repair(
        self, design: DesignBrief, draft: dict[str, Any], problems: Sequence[str]
    ) -> Outline:
        facts: dict[str, Any] = {"draft": draft, "problems": list(problems)}
        if design.feedback:
            facts["feedback"] = design.feedback
        return self._design("repair", design, facts)

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        """Return a content that lacks nothing, or else the better one of two answers."""
        poor: list[tuple[int, Contents]] = []

        def made(draft: Any) -> Contents:
            content: Contents = draft.to_content()
            if wrong := language_error(content.text(), brief.request.language):
                raise ValueError(wrong)
            if lacks := floors.lacking(content, brief):
                poor.insert(0, (len(lacks), content))
                raise ValueError(" ".join(lacks))
            return content

        try:
            draft = resolve_name(CONTENT_KINDS[kind].draft)
            return self._ask(kind, draft, _facts(kind, brief), made)
        except GeneratorFault:  # a second call may have failed for any reason: the first is paid
            if poor:
                return min(poor, key=itemgetter(0))[1]
            raise

    def _design(self, step: str, design: DesignBrief, facts: dict[str, Any]) -> Outline:
        """Ask for an outline. Raises InvalidOutline, since repairs are a step of their own."""
        known = {
            **_wishes(design.request),
            "analysis": design.analysis.model_dump(mode="json"),
            **facts,
        }
        draft: OutlineDraft = self._ask(step, OutlineDraft, known, lambda draft: draft)
        try:
            return draft.to_outline()
        except ValidationError as error:
            raise InvalidOutline(draft.model_dump(mode="json"), _rules(error)) from error

    def _ask(
        self, step: str, shape: type[Any], facts: dict[str, Any], make: Callable[[Any], Made]
    ) -> Made:
        """Ask, and once again after an invalid answer. Raises GeneratorFault."""
        try:
            self._pace.begin()
        except ProviderRateLimited as busy:  # a pause that began after the slot was taken
            raise RetryLater(str(busy), busy.retry_after) from busy
        messages: list[Message] = [
            {"role": "system", "content": prompt(step).text},
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
        most_prompt, most_completion = self._client.bound(messages, shape)
        bounds = {"most_prompt_tokens": most_prompt, "most_completion_tokens": most_completion}
        try:
            with self._meter.call(step, self._model, prompt(step).version, **bounds) as call:
                answer = self._client.complete(messages, shape, call)
        except TooManyRequests as fault:
            self._pace.slow_down(fault.retry_after)
            raise
        self._pace.went_well()
        return answer


def _tried(
    answer: str, shape: type[Any], make: Callable[[Any], Made]
) -> tuple[Made | None, list[str]]:
    """Return the result that `make` returns for an answer, or its problems."""
    try:
        return make(shape.model_validate_json(strip_nul_json(answer))), []
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
        facts["previous"] = (
            None if brief.previous is None else brief.previous.model_dump(mode="json")
        )
    if brief.instruction:
        facts["instructions"] = brief.instruction
    if brief.tutorial:
        facts["tutorial"] = brief.tutorial
    if brief.dead:
        facts["dead_addresses"] = brief.dead
    return facts


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
