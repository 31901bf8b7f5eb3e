"""A row of the route table, and the one way in which every request is read and every answer written."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from core.errors import PreconditionFailed, RoadmapError
from core.runtime import Overtaken, transaction
from roadmap.api_keys import Scope
from roadmap.first_answers import Name
from roadmap.principals import Principal, confirm
from web import idempotency, limits
from web.answering import Answer, answered, tag_of
from web.callers import MONITOR, NOBODY, check_scope, identify, is_monitor
from web.child_process import run_in_child, run_in_parser_thread
from web.conditional import check_match
from web.deprecating import deprecations
from web.origins import address_of, check_host, check_same_site
from web.parsing import LARGEST_BODY, body_of, can_parse_inline, ids_of, query_of, read_json
from web.request import IndexedRequest
from web.standing import standing
from web.turns import few_at_once, in_public_thread, in_turn, share_probe

Result = TypeVar("Result")

TRIES = 2  # at what others may change at the same moment


class NoQuery(BaseModel):
    model_config = {"extra": "forbid"}


class NoBody(BaseModel):
    """Nothing is to be said: an empty object. Where all fields are optional, no body is needed, but for PATCH."""

    model_config = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read and checked: who calls, with which body, query, places of the path, and name (Idempotency-Key)."""

    caller: Principal
    body: Any
    query: Any
    ids: Mapping[str, Any]
    request: Request
    named: Name | None = None

    @property
    def owner(self) -> UUID:
        """Whose things this is about: there are no others for this caller."""
        return self.caller.account_id


Handler = Callable[[Call], Answer] | Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route. `handler` is a plain function that runs in a thread, which for strangers is one of theirs, or, with `is_async`,
    a coroutine.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    response: type[BaseModel] | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] = NoQuery
    status: int = 200
    public: bool = False
    is_async: bool = False
    scope: Scope | None = None  # default: read for GET, write for the others
    login_only: bool = False  # not for API keys
    confirms: bool = False  # what it makes outlives a login or leads out: the caller is confirmed in its transaction
    has_secret: bool = False  # in its answer, of which no copy is kept; confirms as well
    is_probe: bool = False  # does not wait behind the visitors of public pages
    unlimited: bool = False  # probes are not counted
    for_monitors: bool = False  # also for who shows METRICS_TOKEN
    at_broker: bool = False  # what it changes is there and not in the database: no transaction could keep an answer with it
    media_type: str = "application/json"
    largest: int = LARGEST_BODY  # bytes of a body; of one that may have more, few are taken at once, and none is read in the loop
    of_one_moment: bool = False  # what its handler reads, also when that is done in the transaction that keeps its answer
    current: Handler | None = None  # the handler of the GET whose ETag an If-Match names
    afterwards: Callable[[Call, Response], Awaitable[Response]] | None = (
        None  # with every good answer, also a repeated one
    )
    raises: tuple[type[RoadmapError], ...] = ()  # beyond what every endpoint of its kind does
    reads: tuple[str, ...] = ()  # headers beyond those that every endpoint of its kind reads
    instead: Mapping[int, type[BaseModel] | None] = field(
        default_factory=dict
    )  # other good answers, by status

    def route(self) -> Route:
        return Route(self.path, self, methods=[self.method], name=self.summary)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """As an application: what is raised is answered by the middleware, once."""
        response = await self.handle(IndexedRequest(scope, receive, send))
        await response(scope, receive, send)

    @property
    def needs(self) -> Scope:
        return self.scope or (Scope.read if self.method == "GET" else Scope.write)

    @property
    def must_confirm(self) -> bool:
        return self.confirms or self.has_secret

    @property
    def takes_key(self) -> bool:
        """Whether it makes something, and so honours an Idempotency-Key. That is the caller's: strangers have none."""
        return (
            self.method == "POST"
            and self.response is not None
            and not self.public
            and not self.at_broker
        )

    @property
    def may_be_large(self) -> bool:
        return self.largest > LARGEST_BODY

    @property
    def has_tag(self) -> bool:
        """Whether its answer has an ETag: it is made whole, in a thread, of what is stored."""
        return (
            self.method in ("GET", "PUT", "PATCH")
            and not self.is_async
            and self.media_type != "text/plain"
        )

    async def handle(self, request: Request) -> Response:
        check_host(request)
        caller = await self._admit(request)
        if self._has_condition(request) and self.current is None:
            raise PreconditionFailed(
                "What is sent here changes nothing that has an ETag. Leave If-Match and If-None-Match out."
            )
        if self.may_be_large:
            async with few_at_once(caller.account_id):
                return await self._read(request, caller)
        return await self._read(request, caller)

    async def _read(self, request: Request, caller: Principal) -> Response:
        ids, query, received = ids_of(request), self._asked(request), await self._received(request)
        aside = partial(self._aside, caller, received)
        named = (
            await aside(idempotency.named, request, caller.account_id) if self.takes_key else None
        )
        call = Call(caller, body=None, query=query, ids=ids, request=request, named=named)
        try:
            call = Call(caller, await aside(self._understood), query, ids, request, named)
            response = await self._answer(call)
        except RoadmapError:  # what was done before may look wrong at another hour or to another version: it has its answer
            earlier = (
                await in_turn(caller, idempotency.earlier, named) if named is not None else None
            )
            if earlier is None:
                raise
            response = earlier
        if self.afterwards is not None:
            response = await self.afterwards(call, response)
        response.headers.update(deprecations(call.body))
        return response

    async def _aside(
        self, caller: Principal, received: Any, function: Callable[..., Result], *given: Any
    ) -> Result:
        """At once, but where it may take long: then in a thread, so that the loop goes on. Only large bodies wait for others'."""
        if not self.may_be_large:
            return function(*given, received)
        if self._is_small(received):
            return await in_turn(caller, function, *given, received)
        limits.check_import(caller.account_id)
        try:
            return await run_in_parser_thread(function, *given, received)
        except RoadmapError:
            limits.count_import(caller.account_id)  # one that is refused has cost as much
            raise

    async def _answer(self, call: Call) -> Response:
        """A coroutine sees to its names itself."""
        handler: Any = self.handler
        if self.is_async:
            standing.check_still(call.caller)  # its body may have come slowly
            return answered(call.request, await handler(call), self.status)
        if self.is_probe:
            return answered(call.request, await share_probe(handler, call), self.status)
        if self.public:
            return await in_public_thread(address_of(call.request), self._run, call)
        with idempotency.one_at_a_time(call.named):
            return await in_turn(call.caller, self._run, call)

    def _run(self, call: Call) -> Response:
        """In a thread."""
        has_condition = self._has_condition(call.request)
        if call.named is None and not has_condition and not self.must_confirm:
            return self._done(call)
        for _ in range(TRIES):  # what it was overtaken by is seen then: it may be the same request
            with suppress(Overtaken):
                return self._run_as_one(call, has_condition)
        raise PreconditionFailed(
            "Others change it at this moment. Read it again, then decide whether your change still fits."
        )

    def _run_as_one(self, call: Call, has_condition: bool) -> Response:
        """What a name or an ETag has to do with it is decided in the transaction that does what is asked. Raises Overtaken."""
        with transaction(as_it_was=has_condition or self.of_one_moment):
            if self.must_confirm:
                confirm(call.caller)
            if call.named is not None and (earlier := idempotency.begin(call.named)) is not None:
                return earlier
            if has_condition:
                self._check_match(call)
            response = self._done(call)
            if call.named is None:
                return response
            return idempotency.keep(call.named, response, has_secret=self.has_secret)

    def _done(self, call: Call) -> Response:
        handler: Any = self.handler
        may_be_kept = not (self.public or self.login_only)
        return answered(
            call.request,
            handler(call),
            self.status,
            may_be_kept=may_be_kept,
            as_read=self.method in ("PUT", "PATCH"),
        )

    def _has_condition(self, request: Request) -> bool:
        is_change = request.method not in ("GET", "HEAD")
        return is_change and any(name in request.headers for name in ("if-match", "if-none-match"))

    def _check_match(self, call: Call) -> None:
        """Raises PreconditionFailed. No handler is asked to change what nobody could have read."""
        current: Any = self.current
        check_match(call.request, tag_of(current(call)))

    def _asked(self, request: Request) -> Any:
        """The query. Raises Invalid."""
        return query_of(self.query, request)

    async def _received(self, request: Request) -> Any:
        """What is sent. Raises Malformed, Unsupported, TooLarge, TooSlow."""
        return await read_json(self.body, request, self.largest) if self.body else b""

    def _is_small(self, received: Any) -> bool:
        return can_parse_inline(received)

    def _understood(self, received: Any) -> Any:
        """What it means. Raises Malformed, Invalid."""
        if not self.body:
            return None
        return (
            body_of(self.body, received)
            if can_parse_inline(received)
            else run_in_child(body_of, self.body, received)
        )

    async def _admit(self, request: Request) -> Principal:
        """Raises Unauthenticated, Forbidden, TooMany, Unavailable. Whatever is refused before it is counted here is counted
        by web/errors.py.
        """
        if self.public:
            if not self.unlimited:
                limits.count_stranger(request)
            check_same_site(request)
            return NOBODY
        if self.for_monitors and is_monitor(request):
            limits.count_nothing(request)
            return MONITOR
        caller = await identify(request)
        limits.count_request(request, caller.account_id)
        check_scope(caller, self.needs, login_only=self.login_only)
        return caller
