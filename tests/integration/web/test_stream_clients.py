"""A roadmap is followed to its end with Python's usual clients of server-sent events.

By the loops that people write; npm's `eventsource` does the same in tests/generators.
"""

import json
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx
import pytest
from httpx_sse import EventSource, SSEError, connect_sse
from sseclient import SSEClient

from roadmap.plan.statuses import Event
from testing.stack import NO_TLS, Stack
from testing.waiting import HANG
from tests.integration.conftest import SMALL
from web.roadmaps.sse import encode_events

STREAM = {"content-type": "text/event-stream"}


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=stack.url, headers=stack.headers, timeout=HANG, verify=NO_TLS
    ) as made:
        yield made


def assert_whole(events: list[dict[str, Any]]) -> None:
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[-1]["type"]) == ("roadmap.queued", "roadmap.ready")


def test_httpx_sse_follows_and_raises_at_204(stack: Stack, client: httpx.Client) -> None:
    url = stack.create(**SMALL) + "/events"
    with connect_sse(client, "GET", url) as source:
        seen = [(event, json.loads(event.data)) for event in source.iter_sse()]
    assert_whole([data for _, data in seen])
    assert [event.id for event, _ in seen] == [str(data["seq"]) for _, data in seen]
    assert [event.event for event, _ in seen] == [data["type"] for _, data in seen]
    assert [event.retry for event, _ in seen] == [2000] + [None] * (len(seen) - 1)
    with connect_sse(client, "GET", url, headers={"Last-Event-ID": str(len(seen))}) as source:
        assert source.response.status_code == 204
        with pytest.raises(SSEError):
            next(source.iter_sse())


def test_sseclient_follows_and_has_no_event_at_204(stack: Stack, client: httpx.Client) -> None:
    url = stack.create(**SMALL) + "/events"
    with client.stream("GET", url) as answer:
        seen = [json.loads(event.data) for event in SSEClient(answer.iter_bytes()).events()]
    assert_whole(seen)
    with client.stream("GET", url, headers={"Last-Event-ID": str(len(seen))}) as answer:
        assert (answer.status_code, list(SSEClient(answer.iter_bytes()).events())) == (204, [])


def test_silence_is_no_event() -> None:
    """Clients hand out whatever ends with an empty line."""

    async def batches() -> AsyncGenerator[list[Event]]:
        for seq in (0, 1, 0, 2, 0):
            event = Event(seq=seq, type="content.ready", data={}, at=datetime.now(UTC))
            yield [event] if seq else []

    async def sent() -> bytes:
        return b"".join([message async for message in encode_events(batches())])

    stream = anyio.run(sent)
    assert stream.count(b": still here") == 3
    answer = httpx.Response(200, headers=STREAM, content=stream)
    assert [json.loads(event.data)["seq"] for event in EventSource(answer).iter_sse()] == [1, 2]
    again = SSEClient(iter([stream]))
    assert [json.loads(event.data)["seq"] for event in again.events()] == [1, 2]
