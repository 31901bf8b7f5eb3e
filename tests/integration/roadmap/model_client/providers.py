"""Providers of several kinds for the model client, and a meter that records."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from roadmap.generation.context import GeneratorFault, MeteredCall
from roadmap.generation.llm.client import ModelClient
from roadmap.generation.llm.compat import Message
from testing.provider import MODEL, Handler, completion
from testing.waiting import BRIEF, HANG

KEY = "sk-of-the-test-8c1f"
MOST = 4096  # tokens
LIMIT = 10 * BRIEF  # seconds of a call that never ends; a third of it is for the connection
REPLY = '{"title": "Brot — 写", "hours": 3}'
ASKED: list[Message] = [
    {"role": "system", "content": "Plan."},
    {"role": "user", "content": "Bread, “写”"},
]


class Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    hours: int


class Watch(MeteredCall):
    """A MeteredCall that records its usage."""

    def __init__(self, stopped: bool = False) -> None:
        self.usage: list[Any] = []
        self.cached: list[int | None] = []
        self.stops: list[Callable[[], None]] = []
        self.stopped = stopped
        self.texts: list[str] = []

    def used(
        self,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        cached_tokens: int | None = None,
    ) -> None:
        self.usage.append((prompt_tokens, completion_tokens))
        self.cached.append(cached_tokens)

    def unbilled(self) -> None:
        self.usage.append("unbilled")

    def received(self, text: str) -> None:
        self.texts.append(text)

    def on_stop(self, callback: Callable[[], object]) -> None:
        self.stops.append(callback)
        if self.stopped:
            callback()


def fault_of(call: Callable[[], object]) -> GeneratorFault:
    """The fault that the call ends in, which never tells the key."""
    with pytest.raises(GeneratorFault) as raised:
        call()
    assert KEY not in str(raised.value)
    return raised.value


def client(
    base_url: str,
    *,
    timeout: float = HANG,
    idle: float = HANG,
    must_limit: bool = False,
    model: str = MODEL,
    effort: str = "",
) -> ModelClient:
    return ModelClient(
        key=KEY,
        base_url=base_url,
        model=model,
        timeout=timeout,
        idle=idle,
        max_tokens=MOST,
        effort=effort,
        must_limit=must_limit,
    )


def ask(made: ModelClient, call: Watch | None = None) -> str:
    return made.complete(ASKED, Plan, lambda *bound: nullcontext(call or Watch()))


def refused(message: str, status: int = 400, **fields: Any) -> tuple[int, bytes]:
    return status, json.dumps({"error": {"message": message, **fields}}).encode()


def form_of(request: dict[str, Any]) -> str | None:
    form: dict[str, str] = request.get("response_format", {})
    return form.get("type")


def limit_of(request: dict[str, Any]) -> str | None:
    given = [name for name in ("max_tokens", "max_completion_tokens") if name in request]
    assert [request[name] for name in given] in ([], [MOST])
    return given[0] if given else None


def begin(handler: Handler, status: int = 200, **headers: str) -> None:
    """Send the head of an answer whose body the test writes itself."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def answers(
    text: str = REPLY, *, refuses: Callable[[dict[str, Any]], tuple[int, bytes] | None]
) -> Callable[[Handler], None]:
    """A provider that refuses some requests, and answers the others with the text."""

    def answer(handler: Handler) -> None:
        status, body = refuses(handler.asked) or (200, completion(text))
        handler.say(status, body)

    return answer


def no_schema(request: dict[str, Any]) -> tuple[int, bytes] | None:
    return (
        refused("This response_format type is unavailable now")
        if form_of(request) == "json_schema"
        else None
    )


def no_format(request: dict[str, Any]) -> tuple[int, bytes] | None:
    return refused("response_format is not supported", 422) if form_of(request) else None
