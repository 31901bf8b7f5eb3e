"""Calls of chat completions at any OpenAI-compatible provider. The only importer of openai, and only when a model is called:
the package costs 24 MB and 0.4 s that the API and the logs worker do not pay.
"""

import asyncio
import json
import logging
import re
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel

from core import tracing
from core.sanitize import one_line
from roadmap.generation.context import Cause, GeneratorFault
from roadmap.generation.llm.compat import (
    ABOUT_LIMIT,
    LIMITS,
    TOLD,
    UNLUCKY,
    Dialect,
    Message,
    ProviderFeatures,
    Refusal,
    loaded,
    request_in,
    schema_text,
    simpler_dialect,
)
from roadmap.generation.usage import MeteredCall

if TYPE_CHECKING:
    import httpx2
    import openai

LARGEST_ANSWER, LARGEST_ERROR = 2 * 1024 * 1024, 64 * 1024  # bytes
MOST_PARTS = 150_000  # commas, brackets and braces of an answer: a value takes up to 230 bytes once it is parsed
UNPACKED = {"Accept-Encoding": "identity"}
MARGIN = 10.0  # seconds that the end of a call may take
CONNECTING, EXPLAINING = (
    10.0,
    5.0,
)  # most seconds for a connection, and for the body of an error, whose status is known
MOST_TOKENS = 2_000_000  # more than any model reads or writes at once is no count
MOST_BRACES = 200  # places at which an answer that is more than JSON is looked at
LONGEST_SHOWN = 3000  # characters of what a provider says that are looked at
OVERHEAD = 100  # most tokens that a provider puts around a message
LASTING = {
    301,
    302,
    303,
    307,
    308,
    400,
    401,
    402,
    403,
    404,
    422,
}  # statuses that the same request would get again
MAYBE_BILLED = {
    502,
    504,
    *range(520, 528),
}  # a gateway gave up on a model that may have worked on: nobody knows
LASTING_WITHIN = {
    "400",
    "401",
    "402",
    "403",
    "404",
}  # codes of an error inside of a status 200, likewise
HINTS: dict[int | str, str] = {
    **dict.fromkeys(
        (301, 302, 303, 307, 308), "it sends us elsewhere, and OPENAI_BASE_URL must say where to"
    ),
    401: "OPENAI_API_KEY is not accepted by the provider",
    402: "the account at the provider has no credit left",
    403: "OPENAI_API_KEY may not use this model",
    404: "OPENAI_BASE_URL or OPENAI_MODEL does not exist at the provider",
    "insufficient_quota": "the account at the provider has no quota left",
}
CUT_OFF = "output limit was reached"  # how OpenAI refuses what a thinking model could not say within its limit
NEEDS_LIMIT = "A budget needs a model that keeps to a limit of tokens (MODEL_MAX_TOKENS), and this one knows none"

logger = logging.getLogger(__name__)


class TooManyRequests(GeneratorFault):
    """The provider answered 429, and the same call can work later."""

    cause = Cause.rate_limit


class ModelClient:
    """One instance serves all threads of a process, and learns from refusals what its provider understands.

    `timeout` is in seconds, for each call; the library's own retries are off, since those of the ledger are the only ones.
    With `must_limit` no answer is asked for whose tokens nobody limits: there is a budget.
    """

    def __init__(
        self,
        *,
        key: str,
        base_url: str,
        model: str,
        timeout: float,
        max_tokens: int,
        must_limit: bool = False,
    ) -> None:
        self._key, self._base_url, self._model, self._timeout = key, base_url, model, timeout
        self._max_tokens, self._must_limit = max_tokens, must_limit
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._manners = ProviderFeatures(max_tokens)

    def complete(
        self, messages: Sequence[Message], shape: type[BaseModel], call: MeteredCall
    ) -> str:
        """The text of the answer, still to be parsed. Raises GeneratorFault with the reason for everything else."""
        body, dialect = self._answer(messages, shape, call)
        choice, written = self._choice(body, call)
        self._manners.answered(dialect, written)
        text = self._text(choice)
        found = _json_within(text)
        self._manners.kept_to_form(dialect, kept=found is not None)
        return text if found is None else found

    def check(self, messages: Sequence[Message], shape: type[BaseModel], call: MeteredCall) -> None:
        """Whether the model answers at all, be it with a word: one that is cut off at its limit counts. Raises GeneratorFault."""
        try:
            body, _ = self._answer(messages, shape, call)
        except GeneratorFault as fault:
            if isinstance(fault.__cause__, Refusal) and CUT_OFF in fault.__cause__.words:
                return
            raise
        self._choice(body, call)

    def _answer(
        self, messages: Sequence[Message], shape: type[BaseModel], call: MeteredCall
    ) -> tuple[bytes, Dialect]:
        if self._must_limit and LIMITS[self._manners.dialect.limit] is None:
            call.unbilled()
            raise GeneratorFault(
                f"The model has written more than it was allowed to. {NEEDS_LIMIT}.", lasting=True
            )
        openai, httpx2 = _libraries()
        try:
            return self._converse(messages, shape, call)
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
                "The call cannot be made: OPENAI_BASE_URL, OPENAI_API_KEY or the address of a proxy is not well-formed."
            ) from error

    def bound(self, messages: Sequence[Message], shape: type[BaseModel]) -> tuple[int, int]:
        """The most tokens of a prompt and of its answer: a token is at least a byte. The schema counts twice, because
        providers put it into words of their own.
        """
        texts = [
            TOLD,
            schema_text(shape),
            schema_text(shape),
            *(message["content"] for message in messages),
        ]
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
        return size + OVERHEAD * (len(messages) + 1), self._max_tokens

    def close(self) -> None:
        """End its connections and its thread; calls that run are cut short. Another call begins anew."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._client.close(), loop).result(MARGIN)
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(MARGIN)
        loop.close()

    def _converse(
        self, messages: Sequence[Message], shape: type[BaseModel], call: MeteredCall
    ) -> tuple[bytes, Dialect]:
        """The body of the answer. Calls run in one event loop, which can end a call at its time whatever the server does:
        to a blocking client a server that trickles always looks as if it were about to answer.
        """
        with self._lock:
            if self._loop is None:
                self._client = (
                    self._make_client()
                )  # fails for an address or a proxy that is none, at each call anew
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=loop.run_forever, name="ModelCalls", daemon=True
                )
                self._thread.start()
                self._loop = loop
        future = asyncio.run_coroutine_threadsafe(
            self._ask(messages, shape, tracing.outgoing()), self._loop
        )

        def stop() -> None:
            future.cancel()

        try:
            call.on_stop(stop)
            return future.result(self._timeout + MARGIN)
        finally:
            stop()

    async def _ask(
        self, messages: Sequence[Message], shape: type[BaseModel], headers: Mapping[str, str]
    ) -> tuple[bytes, Dialect]:
        """Ask in a simpler dialect as long as the refusals, which cost nothing, are about that: five times at most.

        One that an answer has come in is not forgotten for a refusal: then this call alone is simpler.
        """
        dialect = self._manners.dialect
        async with asyncio.timeout(self._timeout):
            while True:
                try:
                    return await self._receive(
                        request_in(messages, shape, dialect, self._max_tokens), headers
                    ), dialect
                except Refusal as refusal:
                    simpler = simpler_dialect(dialect, refusal, self._model)
                    refusal.unlimited = bool(
                        simpler and self._must_limit and LIMITS[simpler.limit] is None
                    )
                    if simpler is None or refusal.unlimited:
                        raise
                    logger.info(
                        "the model is asked in a simpler way, since it said: %s",
                        self._shown(refusal.message),
                    )
                    dialect = simpler

    async def _receive(self, request: dict[str, Any], headers: Mapping[str, str]) -> bytes:
        asking = self._client.chat.completions.with_streaming_response
        async with asking.create(
            model=self._model, extra_headers={**headers, **UNPACKED}, **request
        ) as response:
            if (
                response.headers.get("content-encoding", "identity") != "identity"
            ):  # a few bytes could become any number
                raise GeneratorFault(
                    "The server compresses its answer, although it was asked not to."
                )
            body = bytearray()
            if not await _received(body, response.http_response.aiter_raw(), LARGEST_ANSWER):
                raise GeneratorFault("The model's answer is too long.")
        if sum(map(body.count, b",[{")) > MOST_PARTS:
            raise GeneratorFault("The model's answer has too many parts.")
        return bytes(body)

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
                follow_redirects=False,  # the header of Azure's key would go along to wherever it leads
                event_hooks={"response": [_raise_refusal]},
            ),
        )
        return client

    def _choice(self, body: bytes, call: MeteredCall) -> tuple[dict[str, Any], int | None]:
        """The first choice, and how many tokens the provider says that it has."""
        said = loaded(body)
        answer = said if isinstance(said, dict) else {}
        usage = answer.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        written = _count(counts.get("completion_tokens"))
        call.used(_count(counts.get("prompt_tokens")), written)
        choices = answer.get("choices")
        choice = (
            choices[0]
            if isinstance(choices, list) and choices and isinstance(choices[0], dict)
            else {}
        )
        if error := answer.get("error") or choice.get("error"):
            raise self._fault_within(error)
        if not isinstance(choice.get("message"), dict):
            raise GeneratorFault(
                "The server's answer is not a chat completion; is OPENAI_BASE_URL right?"
            )
        return choice, written

    def _text(self, choice: dict[str, Any]) -> str:
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
        if ended == "length":
            raise GeneratorFault(
                "The model's answer was cut off at its length limit; MODEL_MAX_TOKENS says ours."
            )
        if not message.get("content"):
            raise GeneratorFault("The model's answer is empty.")
        parts = (
            message["content"]
            if isinstance(message["content"], list)
            else [{"text": message["content"]}]
        )
        texts = [
            part.get("text")
            for part in parts
            if isinstance(part, dict) and part.get("type", "text") == "text"
        ]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise GeneratorFault("The model's answer is not text.")
        return "".join(map(str, texts))

    def _fault(self, refusal: Refusal) -> GeneratorFault:
        status, out_of_quota = refusal.status, "insufficient_quota" in refusal.names
        said = (
            HINTS["insufficient_quota"]
            if out_of_quota
            else HINTS.get(status) or self._shown(refusal.message)
        )
        if refusal.unlimited:
            said += f". {NEEDS_LIMIT}"
        elif ABOUT_LIMIT.search(refusal.words):
            said += ". MODEL_MAX_TOKENS is the limit that it was asked to keep to"
        lasting = (
            out_of_quota
            or refusal.unlimited
            or (status in LASTING and UNLUCKY not in refusal.names)
        )
        kind = TooManyRequests if status == 429 and not lasting else GeneratorFault
        return kind(
            f"The provider answered {status}: {said}.",
            lasting=lasting,
            retry_after=_retry_after(refusal.headers),
        )

    def _fault_within(self, error: object) -> GeneratorFault:
        """OpenRouter sends the status 200 before it knows whether the model behind it works."""
        fields = error if isinstance(error, dict) else {"message": error}
        code = _words(fields.get("code"))
        kind = TooManyRequests if code == "429" else GeneratorFault
        said = self._shown(_words(fields.get("message")) or code)
        hint = f" ({HINTS[402]})" if code == "402" else ""
        return kind(
            f"The provider answered with an error: {said}{hint}.", lasting=code in LASTING_WITHIN
        )

    def _interruption(self, error: Exception, call: MeteredCall) -> GeneratorFault:
        openai, httpx2 = _libraries()
        if any(isinstance(each, _never_connected(httpx2)) for each in (error, error.__cause__)):
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
        """What a provider says, which may repeat the key; short, and without a full stop."""
        without_key = text.replace(self._key, "***") if self._key else text
        return one_line(without_key[:LONGEST_SHOWN])[:300].rstrip(". ")


def _libraries() -> tuple[Any, Any]:
    """openai and the HTTP client below it: the one import inside a function; see the first lines of this file."""
    import httpx2
    import openai

    return openai, httpx2


def _never_connected(httpx2: Any) -> tuple[type[Exception], ...]:
    return (
        httpx2.ConnectError,
        httpx2.ConnectTimeout,
        httpx2.PoolTimeout,
        httpx2.ProxyError,
        httpx2.UnsupportedProtocol,
    )


async def _raise_refusal(response: "httpx2.Response") -> None:
    """In the place of the library, which would read the body of an error to its end, however long that takes."""
    if response.is_success:
        return
    body = bytearray()
    with suppress(OSError, _libraries()[1].RequestError):  # a timeout too: the status says enough
        async with asyncio.timeout(EXPLAINING):
            await _received(body, response.aiter_raw(), LARGEST_ERROR)
    raise Refusal(response.status_code, response.headers, bytes(body))


async def _received(body: bytearray, pieces: AsyncIterator[bytes], most: int) -> bool:
    """Fill the body; whether it ended before it had too many bytes."""
    async for piece in pieces:
        body += piece
        if len(body) > most:
            return False
    return True


def _json_within(text: str) -> str | None:
    """The largest JSON object of a text, without what a model thinks, says and fences around it; None when there is none."""
    text = re.sub(r"\A\s*<think>.*?</think>", "", text, flags=re.DOTALL)
    found, place = "", text.find("{")
    for _ in range(MOST_BRACES):
        if place < 0:
            break
        try:
            end = json.JSONDecoder().raw_decode(text, place)[1]
        except (ValueError, RecursionError):
            end = place + 1
        else:
            found = max(found, text[place:end], key=len)
        place = text.find("{", end)
    return found or None


def _words(said: object) -> str:
    """A text or a number as text; empty for values with others in them."""
    return str(said) if isinstance(said, str | int) else ""


def _count(tokens: object) -> int | None:
    """None also for 0, since nobody asks without words or answers without."""
    return tokens if type(tokens) is int and 0 < tokens <= MOST_TOKENS else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from the header; providers also send dates, which the ordinary pause replaces."""
    value = headers.get("retry-after", "")
    return float(value) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", value) else None
