"""Endpoints of documents that are answered by their state, mostly without making them."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from starlette.responses import Response

from core.batching import GroupRead
from core.db import snapshot
from roadmap.lifecycle.reading.read_states import Ids
from web.auth.revocation_cache import revocations
from web.endpoints.call import Call
from web.endpoints.endpoint import Endpoint
from web.http.concurrency import await_for_account
from web.http.response_cache import ResponseCache
from web.http.responses import (
    Document,
    Model_co,
    Reply,
    conditional_response,
    etag,
    not_modified,
    takes_gzip,
)

documents = ResponseCache()


class DocumentKind:
    """Kind of documents; `read_states` reads the states of many, None where one is not known."""

    def __init__(self, read_states: Callable[[Sequence[Ids]], Sequence[bytes | None]]) -> None:
        self.read_states, self.states = read_states, GroupRead(read_states)


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """Place of a document among those of its kind; `form` tells its forms apart."""

    kind: DocumentKind
    ids: Ids
    form: Hashable = None

    def document(
        self, make: Callable[[], Model_co | Reply[Model_co] | Document[Model_co]]
    ) -> Document[Model_co]:
        """Return the document of the current state. One that is made as such is not kept."""
        with snapshot():  # so that the state is that of what is made
            [state] = self.kind.read_states([self.ids])
            known = None if state is None else documents.get(self, state)
            if known is not None:
                return known
            made = make()
        if isinstance(made, Document):
            return made
        reply = made if isinstance(made, Reply) else Reply(made)
        assert reply.body is not None
        document = Document(reply.body.model_dump_json().encode(), reply.headers, state)
        return document if state is None else documents.keep(self, state, document)


@dataclass(frozen=True)
class StatedEndpoint(Endpoint):
    """GET of the document at a place, if it has one, whose ETag is that of the state.

    The state is read together with those of other requests. Who has it gets 304, and a known
    document is sent; all else is done by the handler, in a thread.
    """

    place: Callable[[Call], DocumentPlace | None] = field(kw_only=True)

    async def respond(self, call: Call) -> Response:
        if (place := self.place(call)) is not None:
            state = await await_for_account(call.owner, place.kind.states.get, place.ids)
            revocations.check_still(call.caller)  # the database may have been slow
            if state is not None:
                if (unchanged := not_modified(call.request, etag(state))) is not None:
                    return unchanged
                known = documents.get(place, state)
                if known is not None and (known.is_ready or not takes_gzip(call.request)):
                    return conditional_response(call.request, known, self.media_type, known.headers)
        return await super().respond(call)
