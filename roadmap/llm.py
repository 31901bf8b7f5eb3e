"""The generator for every OpenAI-compatible model. The only importer of openai, and only when a model is called:
the package costs 24 MB and 0.4 s that the API and the logs worker do not pay.
"""

import asyncio
import hashlib
import json
import re
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from core.text import storable_json
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
LARGEST_ANSWER = 2 * 1024 * 1024  # bytes
MARGIN = 10.0  # seconds that the end of a call may take
LASTING = {400, 401, 403, 404, 422}  # statuses that the same request would get again
HINTS = {
    401: "OPENAI_API_KEY is not accepted by the provider",
    403: "OPENAI_API_KEY may not use this model",
    404: "OPENAI_BASE_URL or OPENAI_MODEL does not exist at the provider",
}

Draft = TypeVar("Draft", bound=BaseModel)
Sound = TypeVar("Sound", bound=BaseModel)


def _libraries() -> tuple[Any, Any]:
    """openai and the HTTP client below it: the one import inside a function; see the first lines of this file."""
    import httpx2  # noqa: PLC0415
    import openai  # noqa: PLC0415

    return openai, httpx2


class ModelGenerator:
    """A Generator over chat completions with structured output. One instance serves all threads of a process.

    `timeout` is in seconds, for each call; the client's own retries are off, since those of the ledger are the only ones.
    """

    def __init__(self, *, key: str, base_url: str, model: str, timeout: float) -> None:
        self._key, self._base_url, self._model, self._timeout = key, base_url, model, timeout
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
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

    def _ask(self, step: str, shape: type[Draft], facts: dict[str, Any]) -> Draft:
        """One call, one answer in the given form. Raises GeneratorFault with the reason for everything else."""
        openai, httpx2 = _libraries()
        messages: list[Any] = [
            {"role": "system", "content": (PROMPTS / f"{step}.md").read_text("utf-8")},
            {"role": "user", "content": json.dumps(facts, ensure_ascii=False)},
        ]
        try:
            answer = self._complete(messages, shape)
        except openai.APIStatusError as error:
            raise self._status_fault(error) from error
        except (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError) as error:
            raise GeneratorFault(f"The model did not answer within {self._timeout:g} s.") from error
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            raise GeneratorFault("The model's server cannot be reached; OPENAI_BASE_URL says where it should be.") from error
        return _parsed(answer, shape)

    def _complete(self, messages: list[Any], shape: type[BaseModel]) -> bytes:
        """The body of the answer. Calls run in one event loop, which can end a call at its time whatever the server does:
        to a blocking client a server that trickles always looks as if it were about to answer.
        """
        with self._starting:
            if self._loop is None:
                self._client = self._make_client()  # fails for an address or a proxy that is none, at each call anew
                loop = asyncio.new_event_loop()
                threading.Thread(target=loop.run_forever, name="ModelCalls", daemon=True).start()
                self._loop = loop
        return asyncio.run_coroutine_threadsafe(self._receive(messages, shape), self._loop).result(self._timeout + MARGIN)

    async def _receive(self, messages: list[Any], shape: type[BaseModel]) -> bytes:
        create = self._client.chat.completions.with_streaming_response.create
        body = bytearray()
        async with asyncio.timeout(self._timeout):
            async with create(model=self._model, messages=messages, response_format=_form(shape)) as response:
                async for piece in response.iter_bytes():
                    body += piece
                    if len(body) > LARGEST_ANSWER:
                        raise GeneratorFault("The model's answer is too long.")
        return bytes(body)

    def _make_client(self) -> "openai.AsyncOpenAI":
        client: openai.AsyncOpenAI = _libraries()[0].AsyncOpenAI(
            api_key=self._key, base_url=self._base_url, timeout=self._timeout, max_retries=0
        )
        return client

    def _status_fault(self, error: "openai.APIStatusError") -> GeneratorFault:
        status = error.status_code
        said = HINTS.get(status) or str(error.message).replace(self._key, "***")[:300]
        return GeneratorFault(
            f"The provider answered {status}: {said}.", lasting=status in LASTING, retry_after=_retry_after(error)
        )


def _form(shape: type[BaseModel]) -> Any:
    """Structured output by JSON schema, in the strict form."""
    schema = {"name": shape.__name__, "schema": shape.model_json_schema(), "strict": True}
    return {"type": "json_schema", "json_schema": schema}


def _parsed(answer: bytes, shape: type[Draft]) -> Draft:
    try:
        choice = json.loads(answer)["choices"][0]
        ended, message = choice.get("finish_reason"), choice["message"]
        refusal, content = message.get("refusal"), message.get("content")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise GeneratorFault("The server's answer is not a chat completion; is OPENAI_BASE_URL right?") from error
    if refusal:
        raise GeneratorFault(f"The model refuses: {str(refusal)[:300]}", lasting=True)
    if ended == "content_filter":
        raise GeneratorFault("The provider's content filter withheld the answer; word the goal differently.")
    if ended == "length":
        raise GeneratorFault("The model's answer was cut off at its length limit.")
    if not content:
        raise GeneratorFault("The model's answer is empty.")
    if not isinstance(content, str):
        raise GeneratorFault("The model's answer is not text.")
    try:
        return shape.model_validate_json(storable_json(content))
    except ValidationError as error:
        raise GeneratorFault("The model's answer is not in the agreed form.") from error


def _retry_after(error: "openai.APIStatusError") -> float | None:
    """Seconds from the header; providers also send dates, which the ordinary pause replaces."""
    value = error.response.headers.get("retry-after", "")
    return float(value) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", value) else None


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
        return build()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GeneratorFault(f"The model's answer breaks a rule: {where} {first['msg']}.") from error
