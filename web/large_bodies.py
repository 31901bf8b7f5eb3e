"""Endpoints with large bodies: a few at a time, parsed in a thread or a child."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from core.errors import RoadmapError
from roadmap.formats import LARGEST
from roadmap.principals import Principal
from web import limits
from web.child_process import run_in_child, run_in_parser_thread
from web.endpoint import Endpoint
from web.parsing import body_of, can_parse_inline, query_of, read_json
from web.turns import few_at_once, in_turn

Result = TypeVar("Result")


class LargeBody(Endpoint):
    """Endpoint that takes a body of up to LARGEST bytes."""

    async def answer(self, request: Request, caller: Principal) -> Response:
        async with few_at_once(caller.account_id):
            return await super().answer(request, caller)

    async def read(self, request: Request) -> tuple[BaseModel, Any]:
        assert self.body is not None
        return query_of(self.query, request), await read_json(self.body, request, LARGEST)

    async def process(
        self, caller: Principal, function: Callable[[Any], Result], sent: Any
    ) -> Result:
        """Run it in a thread; large bodies wait for each other and count as imports."""
        if can_parse_inline(self.document_of(sent)):
            return await in_turn(caller, function, sent)
        limits.check_import(caller.account_id)
        try:
            return await run_in_parser_thread(function, sent)
        except RoadmapError:
            limits.count_import(caller.account_id)  # one that is refused has cost as much
            raise

    def parse(self, sent: Any) -> Any:
        if can_parse_inline(sent):
            return super().parse(sent)
        return run_in_child(body_of, self.body, sent)

    def document_of(self, sent: Any) -> bytes:
        """Return the bytes that decide whether the body is large."""
        content: bytes = sent
        return content
