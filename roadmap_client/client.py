"""RoadmapClient runs the coroutines of AsyncRoadmapClient on blocking I/O."""

import asyncio
import contextlib
import json
import re
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypedDict, TypeVar, Unpack, cast
from urllib.parse import quote

import httpx2

from roadmap_client import errors, results
from roadmap_client.results import AcceptedJson, EventJson, Json

P = ParamSpec("P")
Result = TypeVar("Result")

ROADMAPS = "/api/v1/roadmaps"
LOCAL = "http://127.0.0.1:8000"
LOOPBACK = ("127.0.0.1", "::1", "localhost")  # no proxy can reach those of this machine
LARGEST = 64 * 1024 * 1024  # bytes of a response
LONGEST_EVENT = 1024 * 1024  # bytes
SLOWEST = 20  # times `timeout` for a response
NOT_SENT = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.InvalidURL, UnicodeError)
FAILURES = (*NOT_SENT, httpx2.HTTPError, errors.ApiError)


class ClientSettings(TypedDict, total=False):
    patience: float  # seconds of retries while the service is unreachable or busy; 60
    timeout: float  # seconds without a byte of a response; 30
    headers: dict[str, str | bytes] | None
    transport: httpx2.BaseTransport | httpx2.AsyncBaseTransport | None


class RequestOptions(TypedDict, total=False):
    params: dict[str, Any] | None
    headers: dict[str, str] | None
    key: str | None  # Idempotency-Key of a POST; store your own to retry after a restart


class AsyncRoadmapClient(contextlib.AbstractAsyncContextManager["AsyncRoadmapClient"]):
    """Client of the service at `base_url`, for asyncio. `token`: API key or access token."""

    _connect: Callable[..., Any] = httpx2.AsyncClient
    _sleep = staticmethod(asyncio.sleep)

    def __init__(
        self, base_url: str = LOCAL, token: str | None = None, **settings: Unpack[ClientSettings]
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.patience, self.timeout = settings.get("patience", 60.0), settings.get("timeout", 30.0)
        bearer = {"Authorization": f"Bearer {token}".encode(errors="replace")} if token else {}
        self._http = self._connect(
            base_url=self.base_url,
            headers={"Accept": "application/json", **(settings.get("headers") or {}), **bearer},
            timeout=self.timeout,
            transport=settings.get("transport"),
            follow_redirects=False,  # the API has none, and a token must not go elsewhere
            trust_env=httpx2.URL(self.base_url).host not in LOOPBACK,
        )

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def request(
        self, method: str, path: str, body: Any = None, **options: Unpack[RequestOptions]
    ) -> httpx2.Response:
        """Return a successful response. Retries of a POST have the same Idempotency-Key."""
        headers = dict(options.get("headers") or {})
        if method == "POST":
            headers.setdefault("Idempotency-Key", options.get("key") or str(uuid.uuid4()))
        retries = errors.Retries(self.patience)
        while True:
            try:
                url = _url(path, options.get("params"))
                async with self._stream(method, url, json=body, headers=headers) as opened:
                    return await self._read(*opened)
            except FAILURES as error:
                await self._sleep(retries.pause(_api_error(error)))

    async def call(
        self, method: str, path: str, body: Any = None, **options: Unpack[RequestOptions]
    ) -> Json:
        """Return the JSON object of a response; an empty one for 204."""
        answer = await self.request(method, path, body, **options)
        return {} if answer.status_code == 204 else _json_object(answer.content)

    async def get(self, path: str, **options: Unpack[RequestOptions]) -> Json:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Unpack[RequestOptions]) -> Json:
        return await self.call("POST", path, body, **options)

    async def pages(self, path: str, limit: int = 100) -> AsyncGenerator[Json]:
        """Yield up to `limit` items of a list."""
        cursor: dict[str, str] | None = {}
        while limit > 0 and cursor is not None:
            page = await self.get(path, params={"limit": min(limit, 100), **cursor})
            items, following = page.get("items"), page.get("next_cursor")
            if not isinstance(items, list) or (following and not items):
                raise errors.InvalidResponse("The list is malformed.")
            for item in items:
                yield item
            limit, cursor = limit - len(items), {"cursor": following} if following else None

    async def events(self, path: str, after: int = 0) -> AsyncGenerator[EventJson]:
        """Yield past and future events after number `after`, each once; resume a broken stream."""
        retries = errors.Retries(self.patience)
        while True:
            headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
            try:
                async with self._stream("GET", _url(path), headers=headers) as (answer, chunks):
                    if answer.status_code == 204:  # the stream has ended
                        return
                    if answer.status_code != 200:
                        await self._read(answer, chunks)
                    async for event in _parse_events(chunks):
                        if event and 0 < event["seq"] <= after:  # a proxy dropped Last-Event-ID
                            continue
                        retries.alive = True
                        if event:
                            after = event["seq"] or after
                            yield event
                raise errors.NoResponse("Its streams end without events.", broken_streams=True)
            except FAILURES as error:
                await self._sleep(retries.pause(_api_error(error)))

    async def create(self, /, goal: str, *, key: str | None = None, **fields: Any) -> AcceptedJson:
        """`fields`: level, hours_per_week, review, ..."""
        return cast(AcceptedJson, await self.post(ROADMAPS, {"goal": goal, **fields}, key=key))

    async def roadmap(self, roadmap_id: str) -> results.RoadmapJson:
        return cast(results.RoadmapJson, await self.get(_roadmap_path(roadmap_id)))

    async def roadmaps(self, limit: int = 100) -> AsyncGenerator[results.RoadmapSummaryJson]:
        async for item in self.pages(ROADMAPS, limit):
            yield cast(results.RoadmapSummaryJson, item)

    async def wait(self, roadmap_id: str) -> results.RoadmapJson:
        """Return the tree when the roadmap has ended or waits for its owner (`status`)."""
        async with contextlib.aclosing(self.events(_roadmap_path(roadmap_id, "events"))) as events:
            async for event in events:
                if event["type"].startswith("roadmap.awaiting_"):
                    tree = await self.roadmap(roadmap_id)
                    if tree["status"].startswith("awaiting_"):
                        return tree
        return await self.roadmap(roadmap_id)

    async def concept(self, roadmap_id: str, concept_id: str) -> results.ConceptJson:
        path = _roadmap_path(roadmap_id, "concepts", concept_id)
        return cast(results.ConceptJson, await self.get(path))

    async def answer_quiz(
        self, roadmap_id: str, concept_id: str, version: int, answers: Sequence[Sequence[int] | str]
    ) -> results.AttemptJson:
        """Grade `answers`: for each question the chosen options, from 0, or a typed text."""
        path = _roadmap_path(roadmap_id, "concepts", concept_id, "quiz", "attempts")
        graded = await self.post(path, {"version": version, "answers": answers})
        return cast(results.AttemptJson, graded)

    @contextlib.asynccontextmanager
    async def _stream(self, *given: Any, **named: Any) -> AsyncIterator[Any]:
        async with self._http.stream(*given, **named) as answer:
            yield answer, answer.aiter_bytes()

    async def _read(self, answer: httpx2.Response, chunks: AsyncIterator[bytes]) -> httpx2.Response:
        """Return the response with its content. Raises ApiProblem unless it is a success."""
        content, started, longest = bytearray(), time.monotonic(), SLOWEST * self.timeout
        async for chunk in chunks:
            content += chunk
            if len(content) > LARGEST or time.monotonic() - started > longest:
                raise errors.InvalidResponse(
                    f"The response has more than {LARGEST} bytes or takes over {longest:g} seconds."
                )
        whole = httpx2.Response(answer.status_code, content=bytes(content), request=answer.request)
        whole.headers = answer.headers
        if whole.is_success:
            return whole
        wait, document = answer.headers.get("retry-after", ""), {}
        with contextlib.suppress(errors.InvalidResponse):  # of a proxy
            document = _json_object(whole.content)
        seconds = float(wait) if wait.isdecimal() else None
        raise errors.ApiProblem(answer.status_code, document, seconds)


class _BlockingClient(AsyncRoadmapClient):
    """Client whose coroutines end without an event loop."""

    _connect = httpx2.Client

    async def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251

    @contextlib.asynccontextmanager
    async def _stream(self, *given: Any, **named: Any) -> AsyncIterator[Any]:
        async def chunks() -> AsyncIterator[bytes]:
            for chunk in answer.iter_bytes():
                yield chunk

        with self._http.stream(*given, **named) as answer:
            yield answer, chunks()


def _blocking(
    run: Callable[Concatenate[AsyncRoadmapClient, P], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate["RoadmapClient", P], Result]:
    @wraps(run)
    def call(self: "RoadmapClient", /, *args: P.args, **named: P.kwargs) -> Result:
        return _run(run(self._client, *args, **named))

    return call


def _iterating(
    run: Callable[Concatenate[AsyncRoadmapClient, P], AsyncGenerator[Result]],
) -> Callable[Concatenate["RoadmapClient", P], Generator[Result]]:
    @wraps(run)
    def call(self: "RoadmapClient", /, *args: P.args, **named: P.kwargs) -> Generator[Result]:
        items = run(self._client, *args, **named)
        try:
            with contextlib.suppress(StopAsyncIteration):
                while True:
                    yield _run(items.__anext__())
        finally:
            _run(items.aclose())

    return call


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        work.send(None)
    except StopIteration as end:
        return cast(Result, end.value)
    raise RuntimeError("RoadmapClient cannot wait for an event loop.")


class RoadmapClient(contextlib.AbstractContextManager["RoadmapClient"]):
    """Client of the service at `base_url` that blocks, with the methods of AsyncRoadmapClient."""

    def __init__(
        self, base_url: str = LOCAL, token: str | None = None, **settings: Unpack[ClientSettings]
    ) -> None:
        self._client = _BlockingClient(base_url, token, **settings)
        self.base_url = self._client.base_url

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client._http.close()

    request = _blocking(AsyncRoadmapClient.request)
    call = _blocking(AsyncRoadmapClient.call)
    get = _blocking(AsyncRoadmapClient.get)
    post = _blocking(AsyncRoadmapClient.post)
    pages = _iterating(AsyncRoadmapClient.pages)
    events = _iterating(AsyncRoadmapClient.events)
    create = _blocking(AsyncRoadmapClient.create)
    roadmap = _blocking(AsyncRoadmapClient.roadmap)
    roadmaps = _iterating(AsyncRoadmapClient.roadmaps)
    wait = _blocking(AsyncRoadmapClient.wait)
    concept = _blocking(AsyncRoadmapClient.concept)
    answer_quiz = _blocking(AsyncRoadmapClient.answer_quiz)


def _roadmap_path(*ids: str) -> str:
    """Return a path under that of the roadmaps; an id cannot lead elsewhere."""
    quoted = (quote(each, "", errors="replace").replace(".", "%2E") for each in ids)
    return "/".join([ROADMAPS, *quoted])


def _url(path: str, params: dict[str, Any] | None = None) -> httpx2.URL:
    if not path.startswith("/"):  # a full URL would send the token to another host
        raise errors.InvalidRequest("The path of a request must begin with `/`.")
    return httpx2.URL(path).copy_merge_params(params or {})


async def _parse_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[EventJson | None]:
    """Yield each complete event of a stream, and None for a keep-alive."""
    rest = data = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in (each.removesuffix(b"\r") for each in lines):
            if line.startswith(b"data:"):
                data += line[5:]
            elif line.startswith(b":"):
                yield None
            elif not line and data:
                event, data = {"seq": 0, **_json_object(data)}, b""
                if [type(event.get(name)) for name in ("seq", "type", "data")] != [int, str, dict]:
                    raise errors.InvalidResponse("The event is malformed.")
                yield cast(EventJson, event)
        if len(rest) + len(data) > LONGEST_EVENT:
            raise errors.InvalidResponse(f"An event has more than {LONGEST_EVENT} bytes.")


def _json_object(content: bytes) -> Json:
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(content)
        if isinstance(found, dict):
            return found
    raise errors.InvalidResponse("The response is not a JSON object.")


def _api_error(error: Exception) -> errors.ApiError:
    if isinstance(error, errors.ApiError):
        return error
    if isinstance(error, NOT_SENT):  # their texts quote the header, maybe the token
        return errors.InvalidRequest("The URL, a header or the body is not valid.")
    if isinstance(error, httpx2.DecodingError):
        return errors.InvalidResponse("The response cannot be decompressed.")
    return errors.NoResponse(re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__)
