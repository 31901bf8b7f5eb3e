"""RoadmapClient runs the coroutines of AsyncRoadmapClient on blocking I/O."""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypedDict, TypeVar, Unpack, cast
from urllib.parse import quote

import httpx2

from roadmap_client import results
from roadmap_client.errors import ApiError, ApiProblem, InvalidRequest, InvalidResponse, NoResponse
from roadmap_client.event_stream import EventParser, json_object
from roadmap_client.results import AcceptedJson, ConceptJson, EventJson, Json
from roadmap_client.retries import Retries

P = ParamSpec("P")
Result = TypeVar("Result")

ROADMAPS = "/api/v1/roadmaps"
LOCAL = "http://127.0.0.1:8000"
LOOPBACK = ("127.0.0.1", "::1", "localhost")  # no proxy can reach those of this machine
LARGEST = 64 * 1024 * 1024  # bytes of a response


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
        self.base_url, self.patience = base_url.rstrip("/"), settings.get("patience", 60.0)
        headers = {"Accept": "application/json", **(settings.get("headers") or {})}
        self._http = self._connect(
            base_url=self.base_url,
            headers=headers | ({"Authorization": f"Bearer {token}".encode()} if token else {}),
            timeout=settings.get("timeout", 30.0),
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
        url, headers = _url(path, options.get("params")), dict(options.get("headers") or {})
        if method == "POST":
            headers.setdefault("Idempotency-Key", options.get("key") or str(uuid.uuid4()))
        retries = Retries(self.patience)
        while True:
            try:
                async with self._stream(method, url, json=body, headers=headers) as opened:
                    return await _read_response(*opened)
            except (httpx2.HTTPError, ApiError) as error:
                await self._sleep(retries.pause(_client_error(error)))

    async def get(self, path: str, **options: Unpack[RequestOptions]) -> Json:
        """Return a JSON object, as the next ones; an empty one for 204."""
        return _object(await self.request("GET", path, **options))

    async def post(self, path: str, body: Any = None, **options: Unpack[RequestOptions]) -> Json:
        return _object(await self.request("POST", path, body, **options))

    async def put(self, path: str, body: Any = None, **options: Unpack[RequestOptions]) -> Json:
        return _object(await self.request("PUT", path, body, **options))

    async def patch(self, path: str, body: Any = None, **options: Unpack[RequestOptions]) -> Json:
        return _object(await self.request("PATCH", path, body, **options))

    async def delete(self, path: str, **options: Unpack[RequestOptions]) -> Json:
        return _object(await self.request("DELETE", path, **options))

    async def pages(self, path: str, limit: int = 100) -> AsyncGenerator[Json]:
        """Yield up to `limit` items of a list."""
        cursor: dict[str, str] | None = {}
        while limit > 0 and cursor is not None:
            page = await self.get(path, params={"limit": min(limit, 100), **cursor})
            items, following = page.get("items"), page.get("next_cursor")
            if not isinstance(items, list) or (following and not items):
                raise InvalidResponse("The list is malformed.")
            for item in items:
                yield item
            limit, cursor = limit - len(items), {"cursor": following} if following else None

    async def events(self, path: str, after: int = 0) -> AsyncGenerator[EventJson]:
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
                        await _read_response(answer, chunks)
                    async for chunk in chunks:
                        for event in parser.feed(chunk):
                            retries.alive = True
                            if event is not None:
                                after = event["seq"] or after
                                yield event
                raise NoResponse("its event streams end without events.", broken_streams=True)
            except (httpx2.HTTPError, ApiError) as error:
                await self._sleep(retries.pause(_client_error(error)))

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

    async def concept(self, roadmap_id: str, concept_id: str) -> ConceptJson:
        return cast(ConceptJson, await self.get(_roadmap_path(roadmap_id, "concepts", concept_id)))

    async def set_progress(self, roadmap_id: str, concept_id: str, progress: str) -> Json:
        """`progress`: todo, learning, done or skipped."""
        path = _roadmap_path(roadmap_id, "concepts", concept_id, "progress")
        return await self.put(path, {"progress": progress})

    async def answer_quiz(
        self, roadmap_id: str, concept_id: str, version: int, answers: Sequence[Sequence[int] | str]
    ) -> results.AttemptJson:
        """Grade `answers`: for each question the chosen options, from 0, or a typed text."""
        path = _roadmap_path(roadmap_id, "concepts", concept_id, "quiz", "attempts")
        graded = await self.post(path, {"version": version, "answers": answers})
        return cast(results.AttemptJson, graded)

    async def today(self) -> results.TodayJson:
        return cast(results.TodayJson, await self.get("/api/v1/today"))

    @contextlib.asynccontextmanager
    async def _stream(self, *given: Any, **named: Any) -> AsyncIterator[Any]:
        async with self._http.stream(*given, **named) as answer:
            yield answer, answer.aiter_bytes()


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
    get = _blocking(AsyncRoadmapClient.get)
    post = _blocking(AsyncRoadmapClient.post)
    put = _blocking(AsyncRoadmapClient.put)
    patch = _blocking(AsyncRoadmapClient.patch)
    delete = _blocking(AsyncRoadmapClient.delete)
    pages = _iterating(AsyncRoadmapClient.pages)
    events = _iterating(AsyncRoadmapClient.events)
    create = _blocking(AsyncRoadmapClient.create)
    roadmap = _blocking(AsyncRoadmapClient.roadmap)
    roadmaps = _iterating(AsyncRoadmapClient.roadmaps)
    wait = _blocking(AsyncRoadmapClient.wait)
    concept = _blocking(AsyncRoadmapClient.concept)
    set_progress = _blocking(AsyncRoadmapClient.set_progress)
    answer_quiz = _blocking(AsyncRoadmapClient.answer_quiz)
    today = _blocking(AsyncRoadmapClient.today)


def _roadmap_path(*ids: str) -> str:
    """Return a path under that of the roadmaps; an id cannot lead elsewhere."""
    quoted = (quote(each, "", errors="replace").replace(".", "%2E") for each in ids)
    return "/".join([ROADMAPS, *quoted])


def _url(path: str, params: dict[str, Any] | None = None) -> httpx2.URL:
    if not path.startswith("/"):  # a full URL would send the token to another host
        raise InvalidRequest("The path of a request must begin with `/`.")
    return httpx2.URL(path).copy_merge_params(params or {})


async def _read_response(answer: httpx2.Response, chunks: AsyncIterator[bytes]) -> httpx2.Response:
    """Return the response with its content. Raises ApiProblem unless it is a success."""
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > LARGEST:
            raise InvalidResponse(f"The response has more than {LARGEST} bytes.")
    whole = httpx2.Response(answer.status_code, content=bytes(content), request=answer.request)
    whole.headers = answer.headers
    if whole.is_success:
        return whole
    wait = answer.headers.get("retry-after", "")
    seconds = float(wait) if wait.isdecimal() else None
    raise ApiProblem(answer.status_code, json_object(whole.content) or {}, seconds)


def _object(response: httpx2.Response) -> Json:
    found = {} if response.status_code == 204 else json_object(response.content)
    if found is None:
        raise InvalidResponse("The response is not a JSON object.")
    return found


def _client_error(error: Exception) -> ApiError:
    match error:
        case ApiError():
            return error
        case httpx2.LocalProtocolError():  # its text quotes the header, maybe the token
            return InvalidRequest("The request contains characters that HTTP does not allow.")
        case httpx2.DecodingError():
            return InvalidResponse("The response cannot be decompressed.")
    return NoResponse(re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__)
