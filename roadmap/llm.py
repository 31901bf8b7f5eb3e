"""The generator for every OpenAI-compatible model. The only importer of openai, and only when a model is called:
the package costs 24 MB and 0.4 s that the API and the logs worker do not pay.
"""

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from roadmap.briefs import ConceptBrief, GeneratorFault
from roadmap.drafts import OutlineDraft, QuizDraft, ResourcesDraft, TutorialDraft
from roadmap.outline import ContentKind, Contents, Outline, problems
from roadmap.requests import RoadmapRequest

if TYPE_CHECKING:
    import openai

PROMPTS = Path(__file__).parent / "prompts"
DRAFTS: dict[ContentKind, type[TutorialDraft] | type[ResourcesDraft] | type[QuizDraft]] = {
    ContentKind.tutorial: TutorialDraft,
    ContentKind.resources: ResourcesDraft,
    ContentKind.quiz: QuizDraft,
}
LASTING = {400, 401, 403, 404, 422}  # statuses that the same request would get again
HINTS = {
    401: "OPENAI_API_KEY is not accepted by the provider",
    403: "OPENAI_API_KEY may not use this model",
    404: "OPENAI_BASE_URL or OPENAI_MODEL does not exist at the provider",
}

Draft = TypeVar("Draft", bound=BaseModel)
Sound = TypeVar("Sound", bound=BaseModel)


def _openai() -> Any:
    import openai  # noqa: PLC0415 -- the one import inside a function; see the first lines of this file

    return openai


class ModelGenerator:
    """A Generator over chat completions with structured output. One instance serves all threads of a process.

    `timeout` is in seconds, for each call; the client's own retries are off, since those of the ledger are the only ones.
    """

    def __init__(self, *, key: str, base_url: str, model: str, timeout: float) -> None:
        self._key, self._base_url, self._model, self._timeout = key, base_url, model, timeout
        self.name = f"model:{model}"[:100]

    def check(self, request: RoadmapRequest) -> None:
        """A model takes any goal."""

    def outline(self, request: RoadmapRequest) -> Outline:
        draft = self._ask("outline", OutlineDraft, {"request": request.model_dump(mode="json")})
        outline = _sound(draft.to_outline)
        if found := problems(outline):
            raise GeneratorFault(f"The model's outline does not hold together: {' '.join(found[:3])}")
        return outline

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        draft: Any = self._ask(kind, DRAFTS[kind], _facts(brief))
        content: Contents = _sound(draft.to_content)
        return content

    @cached_property
    def prompt_version(self) -> str:
        """A fingerprint of the prompt files, so that every content tells which words it was made with."""
        texts = b"".join(path.read_bytes() for path in sorted(PROMPTS.glob("*.md")))
        return hashlib.sha256(texts).hexdigest()[:12]

    @cached_property
    def _client(self) -> "openai.OpenAI":
        client: openai.OpenAI = _openai().OpenAI(api_key=self._key, base_url=self._base_url, timeout=self._timeout, max_retries=0)
        return client

    def _ask(self, step: str, shape: type[Draft], facts: dict[str, Any]) -> Draft:
        openai = _openai()
        messages: list[Any] = [
            {"role": "system", "content": (PROMPTS / f"{step}.md").read_text("utf-8")},
            {"role": "user", "content": json.dumps(facts, ensure_ascii=False)},
        ]
        try:
            completion = self._client.chat.completions.parse(model=self._model, messages=messages, response_format=shape)
        except openai.APIStatusError as error:
            raise self._status_fault(error) from error
        except openai.APITimeoutError as error:
            raise GeneratorFault(f"The model did not answer within {self._timeout:g} s.") from error
        except openai.APIConnectionError as error:
            raise GeneratorFault("The model's server cannot be reached; OPENAI_BASE_URL says where it should be.") from error
        except openai.LengthFinishReasonError as error:
            raise GeneratorFault("The model's answer was cut off at its length limit.") from error
        except openai.ContentFilterFinishReasonError as error:
            raise GeneratorFault("The provider's content filter withheld the answer; word the goal differently.") from error
        except (ValidationError, ValueError, openai.OpenAIError) as error:
            raise GeneratorFault(f"The model's answer is not in the agreed form ({type(error).__name__}).") from error
        parsed: Draft = self._parsed(completion)
        return parsed

    @staticmethod
    def _parsed(completion: Any) -> Any:
        if not completion.choices:
            raise GeneratorFault("The model's answer is empty.")
        message = completion.choices[0].message
        if message.refusal:
            raise GeneratorFault(f"The model refuses: {message.refusal[:300]}", lasting=True)
        if message.parsed is None:
            raise GeneratorFault("The model's answer is empty.")
        return message.parsed

    def _status_fault(self, error: "openai.APIStatusError") -> GeneratorFault:
        status = error.status_code
        said = HINTS.get(status) or str(error.message).replace(self._key, "***")[:300]
        return GeneratorFault(
            f"The provider answered {status}: {said}.", lasting=status in LASTING, retry_after=_retry_after(error)
        )


def _retry_after(error: "openai.APIStatusError") -> float | None:
    """Seconds from the header; providers also send dates, which the ordinary pause replaces."""
    value = error.response.headers.get("retry-after", "")
    return float(value) if value.replace(".", "", 1).isdigit() else None


def _facts(brief: ConceptBrief) -> dict[str, Any]:
    return {
        "request": brief.request.model_dump(mode="json"),
        "roadmap": brief.roadmap_title,
        "stage": brief.stage_title,
        "module": brief.module_title,
        "concept": {"title": brief.title, "description": brief.description, "outcomes": brief.outcomes},
    }


def _sound(build: Callable[[], Sound]) -> Sound:
    """The draft fits its schema; what it says may still break a rule of the domain."""
    try:
        built = build()
        if "\\u0000" in built.model_dump_json():  # PostgreSQL stores no NUL
            raise GeneratorFault("The model's answer contains NUL characters.")
        return built
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GeneratorFault(f"The model's answer breaks a rule: {where} {first['msg']}.") from error
