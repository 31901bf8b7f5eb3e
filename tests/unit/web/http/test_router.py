"""Errors that the router answers: once, logged, and counted."""

import json
import logging
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from core import metric_counters
from core.errors import NotFound
from core.metric_definitions import REQUESTS
from web.endpoints.errors import HANDLERS
from web.http.middleware import Application


class Failing:
    """ASGI application that raises, after the response has begun or before."""

    def __init__(self, error: Exception, *, begun: bool = False) -> None:
        self.error, self.begun = error, begun

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a part", "more_body": True})
        raise self.error


def served(endpoint: Failing, handlers: Any = HANDLERS) -> TestClient:
    app = Application([Route("/failing", endpoint)], handlers=handlers)
    return TestClient(app, raise_server_exceptions=False)


def statuses() -> list[str]:
    """Those of the requests counted since the last look."""
    taken = metric_counters.taken()
    return [json.loads(each.labels)["status"] for each in taken if each.name == REQUESTS]


def test_an_error_after_the_response_has_begun_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "web.endpoints.errors"):
        answer = served(Failing(ValueError("secret"), begun=True)).get("/failing")
    (record,) = (each for each in caplog.records if each.name == "web.endpoints.errors")
    assert "GET '/failing': ValueError" in record.getMessage()
    assert (answer.status_code, answer.text) == (200, "a part")


def test_an_error_of_a_handler_is_answered_by_the_last_one_once() -> None:
    calls = []

    async def fail(request: Request, error: Exception) -> Response:
        calls.append(type(error))
        raise KeyError

    async def last(request: Request, error: Exception) -> Response:
        calls.append(type(error))
        return PlainTextResponse("unexpected", 500)

    answer = served(Failing(NotFound("x")), {NotFound: fail, Exception: last}).get("/failing")
    assert (calls, answer.status_code, answer.text) == ([NotFound, KeyError], 500, "unexpected")
    assert answer.headers["x-content-type-options"] == "nosniff"

    calls.clear()
    statuses()
    assert served(Failing(ValueError()), {Exception: fail}).get("/failing").status_code == 500
    assert (calls, statuses()) == ([ValueError], ["500"])
