"""The two clients. Each operation is one coroutine or generator, which they run in their way."""

import asyncio
import re
import time
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Sequence,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
)
from typing import Any, Concatenate, Generic, ParamSpec, TypedDict, TypeVar, Unpack, cast, overload
from urllib.parse import quote

import httpx2

from roadmap_client.errors import ClientError, Problem, UnexpectedResponse, Unreachable
from roadmap_client.results import (
    Accepted,
    Attempt,
    Concept,
    Event,
    Json,
    Roadmap,
    RoadmapSummary,
    Today,
)
from roadmap_client.wire import EventParser, Retries, json_object

Given = ParamSpec("Given")
Result = TypeVar("Result")
Now = TypeVar("Now")
Later = TypeVar("Later")

ROADMAPS = "/api/v1/roadmaps"
REVIEWS = "/api/v1/reviews"
LOOPBACK = ("127.0.0.1", "::1", "localhost")  # no proxy can reach those of this machine
LARGEST = 64 * 1024 * 1024  # bytes of a response
OF_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")


class Options(TypedDict, total=False):
    params: dict[str, Any] | None
    headers: dict[str, str] | None
    key: str | None  # Idempotency-Key of a POST; store your own to retry after a restart


class Method(Generic[Given, Now, Later]):
    """Method whose coroutine or generator RoadmapClient runs at once: its I/O only blocks."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self.run = run

    @overload
    def __get__(self, client: None, _: type) -> Callable[Concatenate[Any, Given], Later]: ...
    @overload
    def __get__(self, client: "RoadmapClient", _: type) -> Callable[Given, Now]: ...
    @overload
    def __get__(self, client: "AsyncRoadmapClient", _: type) -> Callable[Given, Later]: ...
    def __get__(self, client: Any, _: type) -> Callable[..., Any]:
        if isinstance(client, RoadmapClient):
            return lambda *given, **named: _run(self.run(client, *given, **named))
        return self.run if client is None else self.run.__get__(client)


def operation(
    run: Callable[Concatenate[Any, Given], Coroutine[Any, Any, Result]],
) -> Method[Given, Result, Coroutine[Any, Any, Result]]:
    return Method(run)


def iteration(
    run: Callable[Concatenate[Any, Given], AsyncGenerator[Result]],
) -> Method[Given, Generator[Result], AsyncGenerator[Result]]:
    return Method(run)


class Operations:
    """Operations of both clients. Those that return JSON return an empty object for 204."""

    _open: Callable[..., Any]
    _stream: Callable[..., Any]
    _sleep: Callable[[float], Any]

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        token: str | None = None,
        *,
        patience: float = 60.0,
        timeout: float = 30.0,
        headers: dict[str, str] | None = None,
        transport: httpx2.BaseTransport | httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`token`: API key or access token. `patience`: seconds of retries while the service is
        unreachable or busy. `timeout`: seconds for one response."""
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self.base_url, self.patience = base_url.rstrip("/"), patience
        self._http: Any = self._open(
            base_url=self.base_url,
            headers={"Accept": "application/json", **(headers or {}), **authorization},
            timeout=timeout,
            transport=transport,
            follow_redirects=False,  # the API has none, and a token must not go elsewhere
            trust_env=httpx2.URL(self.base_url).host not in LOOPBACK,
        )

    @operation
    async def request(
        self, method: str, path: str, body: Any = None, **options: Unpack[Options]
    ) -> httpx2.Response:
        """Return a successful response. Retries of a POST have the same Idempotency-Key."""
        headers = dict(options.get("headers") or {})
        if method == "POST":
            headers.setdefault("Idempotency-Key", options.get("key") or str(uuid.uuid4()))
        url, retries = _url(path, options.get("params")), Retries(self.patience)
        while True:
            try:
                async with self._stream(method, url, json=body, headers=headers) as (
                    answer,
                    chunks,
                ):
                    return await _whole(answer, chunks)
            except (httpx2.HTTPError, ClientError) as error:
                pause = retries.pause(_translated(error))
            await self._sleep(pause)

    async def _call(
        self, _: type[Result], method: str, path: str, body: Any = None, **options: Unpack[Options]
    ) -> Result:
        response = await Operations.request(self, method, path, body, **options)
        return cast(Result, {} if response.status_code == 204 else json_object(response.content))

    @operation
    async def get(self, path: str, **options: Unpack[Options]) -> Json:
        return await self._call(Json, "GET", path, **options)

    @operation
    async def post(self, path: str, body: Any = None, **options: Unpack[Options]) -> Json:
        return await self._call(Json, "POST", path, body, **options)

    @operation
    async def put(self, path: str, body: Any = None, **options: Unpack[Options]) -> Json:
        return await self._call(Json, "PUT", path, body, **options)

    @operation
    async def patch(self, path: str, body: Any = None, **options: Unpack[Options]) -> Json:
        return await self._call(Json, "PATCH", path, body, **options)

    @operation
    async def delete(self, path: str, **options: Unpack[Options]) -> Json:
        return await self._call(Json, "DELETE", path, **options)

    @iteration
    async def pages(self, path: str, limit: int = 100) -> AsyncGenerator[Json]:
        """Yield up to `limit` items of a list."""
        cursor: dict[str, str] | None = {}
        while limit > 0 and cursor is not None:
            page = await self._call(Json, "GET", path, params={"limit": min(limit, 100), **cursor})
            items, following = page.get("items"), page.get("next_cursor")
            if not isinstance(items, list) or (following and not items):
                raise UnexpectedResponse("The list is malformed.")
            for item in items:
                yield item
            limit, cursor = limit - len(items), {"cursor": following} if following else None

    @iteration
    async def events(self, path: str, after: int = 0) -> AsyncGenerator[Event]:
        """Yield past and future events after number `after`, each once; resume a broken stream."""
        url, retries = _url(path), Retries(self.patience)
        while True:
            headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
            parser = EventParser()
            try:
                async with self._stream("GET", url, headers=headers) as (answer, chunks):
                    if answer.status_code == 204:  # the stream has ended
                        return
                    if answer.status_code != 200:
                        await _whole(answer, chunks)
                    async for chunk in chunks:
                        for event in parser.feed(chunk):
                            retries.alive = True
                            if event is not None:
                                after = event["seq"] or after
                                yield event
                reason = "its event streams end without events."
                raise Unreachable(reason, broken_streams=True)
            except (httpx2.HTTPError, ClientError) as error:
                pause = retries.pause(_translated(error))
            await self._sleep(pause)

    @operation
    async def create(self, /, goal: str, *, key: str | None = None, **fields: Any) -> Accepted:
        """`fields`: level, hours_per_week, review, ..."""
        return await self._call(Accepted, "POST", ROADMAPS, {"goal": goal, **fields}, key=key)

    @operation
    async def roadmap(self, roadmap_id: str) -> Roadmap:
        return await self._call(Roadmap, "GET", _at(ROADMAPS, roadmap_id))

    @iteration
    async def roadmaps(self, limit: int = 100) -> AsyncGenerator[RoadmapSummary]:
        async for item in Operations.pages(self, ROADMAPS, limit):
            yield cast(RoadmapSummary, item)

    @operation
    async def wait(self, roadmap_id: str) -> Roadmap:
        """Return the tree when the roadmap has ended or waits for its owner (`status`)."""
        path = _at(ROADMAPS, roadmap_id)
        async with aclosing(Operations.events(self, f"{path}/events")) as events:
            async for event in events:
                if event["type"].startswith("roadmap.awaiting_"):
                    tree = await self._call(Roadmap, "GET", path)
                    if tree["status"].startswith("awaiting_"):
                        return tree
        return await self._call(Roadmap, "GET", path)

    @operation
    async def concept(self, roadmap_id: str, concept_id: str) -> Concept:
        return await self._call(Concept, "GET", _at(ROADMAPS, roadmap_id, "concepts", concept_id))

    @operation
    async def set_progress(self, roadmap_id: str, concept_id: str, progress: str) -> Json:
        """`progress`: todo, learning, done or skipped."""
        path = _at(ROADMAPS, roadmap_id, "concepts", concept_id, "progress")
        return await self._call(Json, "PUT", path, {"progress": progress})

    @operation
    async def answer_quiz(
        self, roadmap_id: str, concept_id: str, version: int, answers: Sequence[Sequence[int] | str]
    ) -> Attempt:
        """Grade `answers`: for each question the chosen options, from 0, or a typed text."""
        path = _at(ROADMAPS, roadmap_id, "concepts", concept_id, "quiz", "attempts")
        return await self._call(Attempt, "POST", path, {"version": version, "answers": answers})

    @operation
    async def today(self) -> Today:
        return await self._call(Today, "GET", "/api/v1/today")

    @operation
    async def reviews(self, limit: int = 20) -> Json:
        return await self._call(Json, "GET", REVIEWS, params={"limit": limit})

    @operation
    async def check_review(self, card_id: str, chosen: Sequence[int] | str) -> Json:
        return await self._call(Json, "POST", _at(REVIEWS, card_id, "check"), {"chosen": chosen})

    @operation
    async def rate_review(self, card_id: str, rating: str, reviews: int) -> Json:
        """`rating`: again, hard, good or easy; `reviews`: the number of earlier ones."""
        body = {"rating": rating, "reviews": reviews}
        return await self._call(Json, "POST", _at(REVIEWS, card_id), body)


class RoadmapClient(Operations, AbstractContextManager["RoadmapClient"]):
    """Client of the service at `base_url`."""

    _open = httpx2.Client

    @asynccontextmanager
    async def _stream(self, *given: Any, **named: Any) -> AsyncIterator[Any]:
        with self._http.stream(*given, **named) as answer:
            yield answer, _each(answer.iter_bytes())

    async def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251

    def close(self) -> None:
        self._http.close()

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncRoadmapClient(Operations, AbstractAsyncContextManager["AsyncRoadmapClient"]):
    """Client of the service at `base_url`, for asyncio."""

    _open = httpx2.AsyncClient

    @asynccontextmanager
    async def _stream(self, *given: Any, **named: Any) -> AsyncIterator[Any]:
        async with self._http.stream(*given, **named) as answer:
            yield answer, answer.aiter_bytes()

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _run(work: Any) -> Any:
    """Run a coroutine, or turn an asynchronous generator into a generator."""
    return _items(work) if isinstance(work, AsyncGenerator) else _finish(work)


def _items(source: AsyncGenerator[Any]) -> Generator[Any]:
    try:
        while True:
            yield _finish(anext(source))
    except StopAsyncIteration:
        return
    finally:
        _finish(source.aclose())


def _finish(work: Any) -> Any:
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("RoadmapClient cannot wait for an event loop.")


async def _each(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _whole(answer: httpx2.Response, chunks: AsyncIterator[bytes]) -> httpx2.Response:
    """Return the response with its content. Raises Problem unless it is a success."""
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > LARGEST:
            raise UnexpectedResponse(f"The response has more than {LARGEST} bytes.")
    headers = [each for each in answer.headers.multi_items() if each[0] not in OF_TRANSFER]
    whole = httpx2.Response(
        answer.status_code, headers=headers, content=bytes(content), request=answer.request
    )
    if whole.is_success:
        return whole
    try:
        document = json_object(whole.content)
    except UnexpectedResponse:
        document = {}
    wait = answer.headers.get("retry-after", "")
    raise Problem(answer.status_code, document, float(wait) if wait.isdecimal() else None)


def _at(*parts: str) -> str:
    """Return a path under the first part; an id cannot lead elsewhere."""
    return "/".join([parts[0], *(quote(each, safe="").replace(".", "%2E") for each in parts[1:])])


def _url(path: str, params: dict[str, Any] | None = None) -> httpx2.URL:
    if not path.startswith("/"):  # a full URL would send the token to another host
        raise ValueError("The path of a request must begin with `/`.")
    return httpx2.URL(path).copy_merge_params(params) if params else httpx2.URL(path)


def _translated(error: Exception) -> ClientError:
    if isinstance(error, ClientError):
        return error
    if isinstance(error, httpx2.LocalProtocolError):  # its text quotes the header, maybe the token
        raise ValueError("The request contains characters that HTTP does not allow.") from None
    if isinstance(error, httpx2.DecodingError):
        return UnexpectedResponse("The response cannot be decompressed.")
    return Unreachable(re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__)
