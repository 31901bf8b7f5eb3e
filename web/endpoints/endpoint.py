"""Route table rows, and the steps of every request up to its response."""

import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from inspect import iscoroutinefunction
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import anyio
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from core.db import SerializationConflict, transaction
from core.errors import FieldError, NotFound, PreconditionFailed, RoadmapError
from core.version import MCP_AGENT
from roadmap.accounts import accounts
from roadmap.accounts.identity import IdempotencyKey, Principal, Scope
from roadmap.accounts.principals import confirm
from roadmap.learning import reviews
from roadmap.operations.audit_log import Action, Actor, OpenEntry, audited
from roadmap.plan.format_version import LARGEST_DOCUMENT
from roadmap.plan.outline import ContentKind
from web.auth.authentication import ANONYMOUS, check_scope, identify, run_for_principal
from web.auth.revocation_cache import revocations
from web.endpoints import idempotency
from web.endpoints.call import Call, Handler, NoQuery, models_of
from web.endpoints.deprecation import DEPRECATED, deprecations
from web.http import limits
from web.http.child_process import run_in_child, run_in_parser_thread
from web.http.concurrency import in_public_thread, large_body_slot
from web.http.host_and_csrf import address_of, check_host, check_same_site
from web.http.request_body import (
    body_of,
    can_parse_inline,
    is_small_document,
    query_of,
    read_json,
)
from web.http.responses import check_match, tag_of, to_response

Result = TypeVar("Result")
TRIES = 2  # at what others may change at the same moment
ANY, WORD = r"(?s).*", r"[A-Za-z0-9._:-]{1,100}"
Parameter = tuple[str, Callable[[str], Any], str]  # its pattern, its parser, and the rule of both
PLACES: dict[str, Parameter] = {  # path parameters that are not the id of a thing
    "number": (r"[1-9][0-9]{0,5}", int, "must be a whole number of at least 1"),
    "kind": (ANY, ContentKind, f"is not one of {', '.join(ContentKind)}"),
    "file": (ANY, str, "is not a file"),
    "digest": (WORD, str, "is not a version of files"),
    "slug": (ANY, str, "is not a type of problem"),
    "tag": (ANY, str, "is not a chapter of the API description"),
    "queue": (WORD, str, "is not the name of a queue"),
    "message": (WORD, str, "is not the ID of a message"),
    "token": (WORD, str, "is not the token of a link"),
    "track": (WORD, str, "is not the ID of a ready-made roadmap"),
}
# Also in braces or as a URN. `UUID` also accepts spaces, underscores and digits of other scripts.
ID: Parameter = (r"(?:urn:uuid:)?\{?[0-9A-Fa-f-]{32,36}\}?", UUID, "is not a UUID")
THINGS = {
    "number": "stage, revision or version",
    "kind": "part of a concept",
    "slug": "type of problem",
    "token": "link",
    "track": "ready-made roadmap",
}


# Paths that several modules have
API = "/api/v1"
ROADMAP = API + "/roadmaps/{roadmap_id}"
REVISION = ROADMAP + "/revisions/{number}"
CONCEPT = ROADMAP + "/concepts/{concept_id}"
CONTENT = CONCEPT + "/{kind}"
ADMIN = API + "/admin"
QUEUE = ADMIN + "/queues/{queue}"


@dataclass(frozen=True)
class Endpoint:
    """One route and its handler.

    A plain function runs in a thread: one for public requests, or one for accounts. A coroutine
    runs in the event loop and handles its idempotency key itself. What only one kind of route
    needs is in a subclass.
    """

    reads_one_moment: ClassVar[bool] = False  # run a transaction with a key in REPEATABLE READ

    method: str
    path: str
    handler: Handler
    summary: str
    # Of these, only what the types of the handler do not name
    response: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    query: type[BaseModel] = NoQuery
    status: int = 200
    public: bool = False
    scope: Scope | None = None  # default: read for GET, write for the others
    login_only: bool = False  # not for API keys
    confirms: bool = False  # what it makes outlives a login: confirm the caller in its transaction
    has_secret: bool = False  # the response has one, of which no copy is kept; confirms as well
    unlimited: bool = False  # not counted by the rate limiter, as probes are
    media_type: str = "application/json"
    current: Handler | None = None  # the handler of the GET whose ETag an If-Match names
    raises: tuple[type[RoadmapError], ...] = ()  # beyond those that every endpoint raises

    def __post_init__(self) -> None:
        for name, model in models_of(self.handler).items():
            object.__setattr__(self, name, model)

    def route(self) -> Route:
        return Route(self.path, self, methods=[self.method], name=self.summary)

    @cached_property
    def is_async(self) -> bool:
        return iscoroutinefunction(self.handler)

    @cached_property
    def needs(self) -> Scope:
        return self.scope or (Scope.read if self.method == "GET" else Scope.write)

    @cached_property
    def takes_key(self) -> bool:
        """Whether it honours an Idempotency-Key, which belongs to an account."""
        return self.method == "POST" and self.response is not None and not self.public

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Handle a request; the middleware answers the errors that this raises."""
        request = Request(scope, receive, send)
        check_host(request)
        caller = await self.admit(request)
        if self.current is None and is_conditional(request):
            raise PreconditionFailed(
                "This request changes no resource with an ETag. Omit If-Match and If-None-Match."
            )
        response = await self.answer(request, caller)
        await response(scope, receive, send)

    async def admit(self, request: Request) -> Principal:
        """Identify the caller and count the request.

        Requests that are refused before they are counted here are counted by `errors.py`.
        Raises Unauthenticated, Forbidden, RateLimited, Unavailable.
        """
        if self.public:
            if not self.unlimited:
                limits.limit_anonymous(request)
            check_same_site(request)
            return ANONYMOUS
        caller = await identify(request)
        limits.count_request(request, caller.account_id)
        check_scope(caller, self.needs, login_only=self.login_only)
        return caller

    async def answer(self, request: Request, caller: Principal) -> Response:
        """Read the request and run the handler; a repeated one gets the first response."""
        ids = ids_of(request) if request.path_params else {}
        query, sent = await self.read(request)
        key, body = None, None
        if self.takes_key and idempotency.HEADER in request.headers:
            key = await self.parse_key(request, caller, sent)
        try:
            body = await self.parse(caller, sent)
            call = Call(caller, body, query, ids, request, key)
            is_agent = request.headers.get("user-agent", "").startswith(MCP_AGENT)
            if is_agent and self.method != "GET" and not self.public:
                response = await self.respond_audited(call)
            else:
                response = await self.respond(call)
        except RoadmapError:  # a repeated request may fail by now; it gets the first response
            if key is None:
                raise
            earlier = await run_for_principal(caller, idempotency.find, key)
            if earlier is None:
                raise
            response = earlier
        if type(body) in DEPRECATED:
            response.headers.update(deprecations(body))
        return response

    async def read(self, request: Request) -> tuple[BaseModel, Any]:
        """Return the query, checked, and the body as it was sent.

        Raises Invalid, Malformed, Unsupported, TooLarge, TooSlow.
        """
        query = query_of(self.query, request)
        return query, await read_json(self.body, request) if self.body else b""

    async def parse_key(
        self, request: Request, caller: Principal, sent: Any
    ) -> IdempotencyKey | None:
        """Return the request's Idempotency-Key. Raises Invalid."""
        return idempotency.parse_key(request, caller.account_id, sent)

    async def parse(self, caller: Principal, sent: Any) -> Any:
        """Return the body for the handler. Raises Malformed, Invalid."""
        return body_of(self.body, sent) if self.body else None

    async def respond_audited(self, call: Call) -> Response:
        """Respond to an agent's change, with an audit log entry that names its API key.

        Raises RateLimited: entries are kept for a year.
        """
        limits.count_for(limits.AGENT_CHANGES, call.owner)
        operation = self.handler.__name__
        context, entry = await run_for_principal(call.caller, _begin_audited, call, operation)
        try:
            response = await self.respond(call)
            if operation == "create_roadmap":
                entry.found["roadmap"] = response.headers["location"].rpartition("/")[2]
            if "idempotency-replayed" in response.headers:
                entry.found["repeated"] = True  # nothing has changed again
            return response
        finally:
            with anyio.CancelScope(shield=True):  # a cancelled request has an outcome too
                await run_in_threadpool(context.__exit__, *sys.exc_info())

    async def respond(self, call: Call) -> Response:
        """Run the handler in the loop, or in a thread when it is the caller's turn."""
        if self.is_async:
            revocations.check_still(call.caller)  # its body may have come slowly
            answer = await self.handler(call)
            if isinstance(answer, Response):
                return answer
            return to_response(call.request, answer, self.status)
        if self.public:
            address, by_link = address_of(call.request), "token" in call.request.path_params
            return await in_public_thread(address, self.run, call, by_link=by_link)
        with idempotency.one_at_a_time(call.key):
            return await run_for_principal(call.caller, self.run, call)

    def run(self, call: Call) -> Response:
        """Run the handler, in this thread.

        A key, an ETag and a confirmation are checked in the transaction in which the handler acts
        and the response to a key is stored. Raises PreconditionFailed when others keep changing
        the same.
        """
        has_condition = is_conditional(call.request)
        must_confirm = self.confirms or self.has_secret
        if call.key is None and not has_condition and not must_confirm:
            return self.act(call)
        for _ in range(TRIES):  # the second sees what overtook the first: perhaps the same request
            with (
                suppress(SerializationConflict),
                transaction(as_it_was=has_condition or self.reads_one_moment),
            ):
                if must_confirm:
                    confirm(call.caller)
                if call.key and (earlier := idempotency.begin(call.key)) is not None:
                    return earlier
                if has_condition:  # the GET also checks that the caller may read it
                    assert self.current is not None
                    check_match(call.request, tag_of(self.current(call)))
                response = self.act(call)
                if call.key is None:
                    return response
                return idempotency.store(call.key, response, has_secret=self.has_secret)
        raise PreconditionFailed(
            "Another request is changing this resource. Read it again, then decide whether "
            "your change still applies."
        )

    def act(self, call: Call) -> Response:
        return to_response(
            call.request,
            self.handler(call),
            self.status,
            may_be_kept=not (self.public or self.login_only),
            as_read=self.method in ("PUT", "PATCH"),
        )


observe = partial(Endpoint, "GET", scope=Scope.observe)  # what operators may read


class LargeBody(Endpoint):
    """Endpoint that takes a body of up to LARGEST_DOCUMENT bytes, JSON or a text that has some."""

    also: ClassVar[tuple[str, ...]] = ("text/plain",)

    async def answer(self, request: Request, caller: Principal) -> Response:
        async with large_body_slot(caller.account_id):
            return await super().answer(request, caller)

    async def read(self, request: Request) -> tuple[BaseModel, Any]:
        assert self.body is not None
        content = await read_json(self.body, request, LARGEST_DOCUMENT, self.also)
        return query_of(self.query, request), content

    async def parse_key(
        self, request: Request, caller: Principal, sent: Any
    ) -> IdempotencyKey | None:
        parse_key = partial(idempotency.parse_key, request, caller.account_id)
        return await self.process(caller, parse_key, sent, is_small=can_parse_inline(sent))

    async def parse(self, caller: Principal, sent: Any) -> Any:
        assert self.body is not None
        is_small = is_small_document(sent)
        parse = partial(body_of if is_small else partial(run_in_child, body_of), self.body)
        return await self.process(caller, parse, sent, is_small=is_small)

    async def process(
        self, caller: Principal, function: Callable[[Any], Result], sent: Any, *, is_small: bool
    ) -> Result:
        """Run a function of the body in a thread.

        Large bodies wait for each other and count as imports.
        """
        if is_small:
            return await run_for_principal(caller, function, sent)
        limits.check_import(caller.account_id)
        try:
            return await run_in_parser_thread(function, sent)
        except RoadmapError:
            # One that is refused has cost as much
            limits.count_for(limits.IMPORTS, caller.account_id)
            raise


def actor_of(call: Call) -> Actor:
    """Return the calling account, for the audit log.

    Raises Unauthenticated when it is gone, Unavailable.
    """
    name = accounts.find(call.owner).email
    request_id = call.request.scope["state"]["request_id"]
    return Actor(call.owner, name, address_of(call.request), request_id, call.caller.key_name)


def is_conditional(request: Request) -> bool:
    """Whether the request is a change with a condition on an ETag."""
    return request.method not in ("GET", "HEAD") and (
        "if-match" in request.headers or "if-none-match" in request.headers
    )


def ids_of(request: Request) -> dict[str, Any]:
    """Parse the path parameters. Raises NotFound."""
    ids = {}
    for name, value in request.path_params.items():
        pattern, read, rule = PLACES.get(name, ID)
        try:
            if not re.fullmatch(pattern, value):
                raise ValueError
            ids[name] = read(value)
        except ValueError:
            thing = THINGS.get(name, name.removesuffix("_id"))
            raise NotFound(
                f"This {thing} does not exist.", fields=(FieldError(f"?{name}", rule),)
            ) from None
    return ids


def _begin_audited(
    call: Call, operation: str
) -> tuple[AbstractContextManager[OpenEntry], OpenEntry]:
    roadmap_id = call.ids.get("roadmap_id")
    if card_id := call.ids.get("card_id"):
        with suppress(NotFound):  # a refused change has an entry too
            roadmap_id = reviews.read_card(call.owner, card_id).roadmap_id
    target = {"roadmap": str(roadmap_id)} if roadmap_id else {}
    context = audited(actor_of(call), Action.agent_change, operation, target)
    return context, context.__enter__()
