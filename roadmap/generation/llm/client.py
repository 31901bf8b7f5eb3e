"""Client for chat completions of any OpenAI-compatible provider; the only importer of openai.

It imports openai when a model is called: the package costs 24 MB and 0.4 s, which the API and the
logs worker do not pay.
"""

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, wait
from contextlib import AbstractContextManager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel

from core import tracing
from core.sanitize import one_line
from core.settings import Settings
from roadmap.generation.context import Cause, GeneratorFault, MeteredCall
from roadmap.generation.llm.answer_stream import (
    AnswerStream,
    check_parts,
    first_choice,
    object_of,
    text_of,
)
from roadmap.generation.llm.compat import (
    ABOUT_LIMIT,
    CUT_OFF,
    FORM_INSTRUCTION,
    HINTS,
    LASTING,
    LASTING_WITHIN,
    LIMITS,
    MAYBE_BILLED,
    NEEDS_LIMIT,
    OF_THE_REST,
    THOUGHTS,
    UNLUCKY,
    Dialect,
    Message,
    ProviderFeatures,
    Refusal,
    json_within,
    request_in,
    schema_text,
    simpler_dialect,
)

if TYPE_CHECKING:
    import httpx2
    import openai

LARGEST_ERROR = 64 * 1024  # bytes
UNPACKED = {"Accept-Encoding": "identity"}
MARGIN = 10.0  # seconds for the end of a call
# Most seconds for a connection, and for the body of an error, whose status is known.
CONNECTING, EXPLAINING = 10.0, 5.0
MOST_TOKENS = 2_000_000  # more than any model reads or writes at once
LONGEST_SHOWN = 3000  # characters of a provider's message that are read
OVERHEAD = 100  # most tokens that a provider adds to a message
LOOK = 1.0  # seconds between two looks at the text that is being received
CONTINUATIONS = 2  # of an answer that is cut off at its length limit
GO_ON = (
    "Your answer was cut off. Go on with its next character: repeat nothing, explain nothing, "
    "and put no code fence around it."
)

# Opens a metered call of so many tokens of prompt and answer.
Begin = Callable[[int, int], AbstractContextManager[MeteredCall]]

logger = logging.getLogger(__name__)


class TooManyRequests(GeneratorFault):
    """The provider answered 429, and the same call can work later."""

    cause = Cause.rate_limit


class AnswerCut(GeneratorFault):
    """The answer has not come to its end within the limit of tokens."""


class ModelClient:
    """Client for all threads of a process, which learns from refusals what its provider supports.

    `timeout` is in seconds, for each call, and `idle` for each token after the first; the retries
    of the library are off, since tasks retry. With `must_limit`, which a budget needs, no call is
    made without a limit of tokens.
    """

    def __init__(
        self,
        *,
        key: str,
        base_url: str,
        model: str,
        timeout: float,
        max_tokens: int,
        idle: float = 30,
        effort: str = "",
        must_limit: bool = False,
    ) -> None:
        self._key, self._base_url, self._model = key, base_url, model
        self._timeout, self._idle = timeout, idle
        self._max_tokens, self._must_limit = max_tokens, must_limit
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._features = ProviderFeatures(max_tokens, effort)

    def complete(self, messages: Sequence[Message], shape: type[BaseModel], begin: Begin) -> str:
        """Return the JSON or other text of the answer. Raises GeneratorFault with a reason.

        An answer that is cut off at its length limit is continued, by metered calls of their own.
        """
        asked, text = list(messages), ""
        for _ in range(1 + CONTINUATIONS):
            with begin(*self.bound(asked, shape)) as call:
                answer, dialect = self._answer(asked, shape, call, text)
                choice, written = self._choice(answer, call)
                self._features.answered(dialect, written, needs_usage=self._must_limit)
                part = THOUGHTS.sub("", self._text(choice))
            text += part
            if choice.get("finish_reason") != "length":
                break
            if not part:
                raise AnswerCut(
                    "The model reached its length limit before it answered; MODEL_MAX_TOKENS says "
                    "ours.",
                    lasting=True,
                )
            asked = [
                *messages,
                {"role": "assistant", "content": text},
                {"role": "user", "content": GO_ON},
            ]
        else:
            raise AnswerCut(
                f"The model's answer was cut off at its length limit, and {CONTINUATIONS} "
                "continuations did not end it; MODEL_MAX_TOKENS says ours.",
                lasting=True,
            )
        check_parts(text.encode("utf-8", "replace"))
        found = json_within(text, shape.model_fields)
        if len(asked) == len(messages):
            self._features.kept_to_form(dialect, kept=found is not None)
        return text if found is None else found

    def check(self, messages: Sequence[Message], shape: type[BaseModel], call: MeteredCall) -> None:
        """Check that the model answers, be it up to its limit. Raises GeneratorFault."""
        try:
            answer, _ = self._answer(messages, shape, call)
        except GeneratorFault as fault:
            if isinstance(fault.__cause__, Refusal) and CUT_OFF in fault.__cause__.words:
                return
            raise
        self._choice(answer, call)

    def _answer(
        self,
        messages: Sequence[Message],
        shape: type[BaseModel],
        call: MeteredCall,
        before: str = "",
    ) -> tuple[dict[str, Any], Dialect]:
        if self._must_limit and LIMITS[self._features.dialect.limit] is None:
            call.unbilled()
            raise GeneratorFault(
                f"The model has written more than it was allowed to. {NEEDS_LIMIT}.", lasting=True
            )
        openai, httpx2 = _libraries()
        try:
            return self._converse(messages, shape, call, before)
        except Refusal as refusal:
            if refusal.status not in MAYBE_BILLED:
                call.unbilled()
            raise self._fault(refusal) from refusal
        except CancelledError:
            raise GeneratorFault("The call was stopped.") from None
        except (openai.APIConnectionError, httpx2.RequestError, OSError) as error:
            raise self._interruption(error, call) from error
        except (openai.OpenAIError, httpx2.InvalidURL, ValueError) as error:
            call.unbilled()
            raise GeneratorFault(
                "The call cannot be made: OPENAI_BASE_URL, OPENAI_API_KEY or the address of a "
                "proxy is not well-formed."
            ) from error

    def bound(self, messages: Sequence[Message], shape: type[BaseModel]) -> tuple[int, int]:
        """Return the most tokens of a prompt and of its answer: a token has at least a byte.

        The schema counts twice, because providers describe it in their own words.
        """
        schema = schema_text(shape)
        texts = [FORM_INSTRUCTION, schema, schema, *(message["content"] for message in messages)]
        size = len("".join(texts).encode("utf-8", "surrogatepass"))
        return size + OVERHEAD * (len(messages) + 1), self._max_tokens

    def fit(self, context: int) -> None:
        """Leave half of a context to the prompt."""
        self._max_tokens = min(self._max_tokens, context // 2)

    def close(self) -> None:
        """Close connections and thread, and cut running calls short. Another call reopens them."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._client.close(), loop).result(MARGIN)
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(MARGIN)
        loop.close()

    def _converse(
        self, messages: Sequence[Message], shape: type[BaseModel], call: MeteredCall, before: str
    ) -> tuple[dict[str, Any], Dialect]:
        """Return the answer, which continues the text before it, and its dialect.

        Calls run in one event loop, which ends a call in time whatever the server does: a blocking
        client waits without end for a server that sends single bytes.
        """
        with self._lock:
            if self._loop is None:
                # Fails at each call if the URL or a proxy is invalid.
                self._client = self._make_client()
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=loop.run_forever, name="ModelCalls", daemon=True
                )
                self._thread.start()
                self._loop = loop
        dialect = self._features.dialect
        if before:
            dialect = dialect._replace(form=OF_THE_REST)
        stream = AnswerStream()
        future = asyncio.run_coroutine_threadsafe(
            self._ask(messages, shape, dialect, stream, tracing.outgoing_headers()), self._loop
        )
        until = monotonic() + self._timeout + MARGIN
        try:
            call.on_stop(future.cancel)
            while not wait([future], LOOK).done and monotonic() < until:
                call.received(before + stream.text)
            dialect = future.result(0)
            return stream.answer(), dialect
        finally:
            future.cancel()

    async def _ask(
        self,
        messages: Sequence[Message],
        shape: type[BaseModel],
        dialect: Dialect,
        stream: AnswerStream,
        headers: Mapping[str, str],
    ) -> Dialect:
        """Ask in simpler dialects, ten times at most, while refusals (which are free) name them.

        The dialect of an answer is kept despite a refusal: then only this call is simpler.
        """
        async with asyncio.timeout(self._timeout):
            while True:
                try:
                    request = request_in(messages, shape, dialect, self._max_tokens)
                    await self._receive(request, headers, stream)
                    return dialect
                except Refusal as refusal:
                    simpler = simpler_dialect(dialect, refusal, self._model, shape)
                    refusal.unlimited = bool(
                        simpler and self._must_limit and LIMITS[simpler.limit] is None
                    )
                    if simpler is None or refusal.unlimited:
                        raise
                    logger.info(
                        "the model is asked in a simpler way, since the provider answered: %s",
                        self._shown(refusal.message),
                    )
                    dialect = simpler

    async def _receive(
        self, request: dict[str, Any], headers: Mapping[str, str], stream: AnswerStream
    ) -> None:
        responses = self._client.chat.completions.with_streaming_response
        loop = asyncio.get_running_loop()
        async with responses.create(
            model=self._model, extra_headers={**headers, **UNPACKED}, **request
        ) as response:
            # A few compressed bytes could become any number.
            if response.headers.get("content-encoding", "identity") != "identity":
                raise GeneratorFault(
                    "The server compresses its answer, although it was asked not to."
                )
            try:
                async with asyncio.timeout(None) as patience:
                    async for piece in response.http_response.aiter_raw():
                        if stream.feed(piece):
                            patience.reschedule(loop.time() + self._idle)
                        if stream.is_over:
                            break
            except TimeoutError:
                raise GeneratorFault(
                    f"The model stopped in the middle of its answer, for {self._idle:g} s; "
                    "MODEL_IDLE_SECONDS says how long it may."
                ) from None

    def _make_client(self) -> "openai.AsyncOpenAI":
        library, httpx2 = _libraries()
        address = urlsplit(self._base_url)
        timeout = httpx2.Timeout(self._timeout, connect=min(CONNECTING, self._timeout / 3))
        client: openai.AsyncOpenAI = library.AsyncOpenAI(
            api_key=self._key,
            base_url=address._replace(query="", fragment="").geturl(),
            default_query=dict(parse_qsl(address.query, keep_blank_values=True)),
            default_headers={"api-key": self._key}
            if (address.hostname or "").endswith(".azure.com")
            else {},
            max_retries=0,
            timeout=timeout,
            http_client=library.DefaultAsyncHttpxClient(
                timeout=timeout,
                follow_redirects=False,  # they would get the header with Azure's key
                event_hooks={"response": [_raise_refusal]},
            ),
        )
        return client

    def _choice(
        self, answer: dict[str, Any], call: MeteredCall
    ) -> tuple[dict[str, Any], int | None]:
        """Return the first choice, and its number of tokens according to the provider."""
        usage = object_of(answer.get("usage"))
        written = _count(usage.get("completion_tokens"))
        details = object_of(usage.get("prompt_tokens_details"))  # DeepSeek has a field instead
        cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")
        call.used(_count(usage.get("prompt_tokens")), written, _count(cached))
        choice = first_choice(answer)
        if error := answer.get("error") or choice.get("error"):
            # Within a status 200, which OpenRouter sends too early
            fields = error if isinstance(error, dict) else {"message": error}
            code = _words(fields.get("code"))
            kind = TooManyRequests if code == "429" else GeneratorFault
            reason = self._shown(_words(fields.get("message")) or code)
            hint = f" ({HINTS[402]})" if code == "402" else ""
            raise kind(
                f"The provider answered with an error: {reason}{hint}.",
                lasting=code in LASTING_WITHIN,
            )
        if not isinstance(choice.get("message"), dict):
            raise GeneratorFault(
                "The server's answer is not a chat completion; is OPENAI_BASE_URL right?"
            )
        return choice, written

    def _text(self, choice: dict[str, Any]) -> str:
        """Return the text, which may be empty if its length is the end of it."""
        ended, message = choice.get("finish_reason"), choice["message"]
        if message.get("refusal"):
            raise GeneratorFault(
                f"The model refuses: {self._shown(_words(message['refusal']))}.", lasting=True
            )
        if ended == "content_filter":
            raise GeneratorFault(
                "The provider's content filter withheld the answer; word the goal differently.",
                lasting=True,
            )
        text = text_of(message.get("content") or "")
        if not text and ended != "length":
            raise GeneratorFault("The model's answer has no text.")
        return text

    def _fault(self, refusal: Refusal) -> GeneratorFault:
        status, out_of_quota = refusal.status, "insufficient_quota" in refusal.names
        reason = HINTS.get("insufficient_quota" if out_of_quota else status) or self._shown(
            refusal.message
        )
        if refusal.unlimited:
            reason += f". {NEEDS_LIMIT}"
        elif ABOUT_LIMIT.search(refusal.words):
            reason += ". MODEL_MAX_TOKENS is the limit that it was asked to keep to"
        lasting = (
            out_of_quota
            or refusal.unlimited
            or (status in LASTING and UNLUCKY not in refusal.names)
        )
        kind = TooManyRequests if status == 429 and not lasting else GeneratorFault
        wait = refusal.headers.get("retry-after", "")  # a date, as some send it, is no number
        return kind(
            f"The provider answered {status}: {reason}.",
            lasting=lasting,
            retry_after=float(wait) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", wait) else None,
        )

    def _interruption(self, error: Exception, call: MeteredCall) -> GeneratorFault:
        openai, httpx2 = _libraries()
        never_connected = (
            httpx2.ConnectError,
            httpx2.ConnectTimeout,
            httpx2.PoolTimeout,
            httpx2.ProxyError,
            httpx2.UnsupportedProtocol,
        )
        if any(isinstance(each, never_connected) for each in (error, error.__cause__)):
            call.unbilled()
            return GeneratorFault(
                "The model's server cannot be reached; OPENAI_BASE_URL says where it should be."
            )
        if isinstance(error, (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError)):
            return GeneratorFault(f"The model did not answer within {self._timeout:g} s.")
        return GeneratorFault(
            "The connection to the model's server broke off before the answer was whole."
        )

    def _shown(self, text: str) -> str:
        """Return a provider's message without the key, shortened, without a full stop."""
        without_key = text.replace(self._key, "***") if self._key else text
        return one_line(without_key[:LONGEST_SHOWN])[:300].rstrip(". ")


def _libraries() -> tuple[Any, Any]:
    """Return openai and its HTTP client, imported late for the reason given above."""
    import httpx2
    import openai

    return openai, httpx2


async def _raise_refusal(response: "httpx2.Response") -> None:
    """Raise Refusal; the library would read the body of an error without limits."""
    if response.is_success:
        return
    body = bytearray()
    with suppress(OSError, _libraries()[1].RequestError):  # a timeout too: the status is enough
        async with asyncio.timeout(EXPLAINING):
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > LARGEST_ERROR:
                    break
    raise Refusal(response.status_code, response.headers, bytes(body))


def _words(value: object) -> str:
    """Return a text or a number as text; empty for other values."""
    return str(value) if isinstance(value, str | int) else ""


def _count(tokens: object) -> int | None:
    """Return a number of tokens; None for anything else, and for 0, which is impossible."""
    return tokens if type(tokens) is int and 0 < tokens <= MOST_TOKENS else None


LIMIT = 20.0  # seconds
QUESTION: Message = {"role": "user", "content": "Say ok."}


class Word(BaseModel):
    ok: bool


def answer_seconds(settings: Settings) -> float:
    """Return the seconds until the model answered. Raises GeneratorFault."""
    assert settings.openai_api_key is not None
    client = ModelClient(
        key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        model=settings.openai_model,
        timeout=min(LIMIT, settings.model_timeout_seconds),
        effort=settings.openai_reasoning_effort,
        max_tokens=1,
        must_limit=True,
    )
    began = time.monotonic()
    try:
        client.check([QUESTION], Word, MeteredCall())
    finally:
        client.close()
    return time.monotonic() - began
