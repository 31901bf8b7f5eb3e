"""Drafts on streams of events: never stored, and no client loses events by them."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from core.ids import new_id
from roadmap.accounts.identity import LOCAL_OWNER, Principal
from roadmap.plan.statuses import Event
from web.roadmaps.sse import DRAFT, MOST_DRAFTS, Watcher, encode_events

AT = datetime(2026, 11, 30, tzinfo=UTC)


def event(seq: int, kind: str = "content.ready", **data: Any) -> Event:
    return Event(seq=seq, type=kind, data=data, at=AT)


def test_a_slow_client_gets_few_drafts_and_every_event() -> None:
    async def arrived() -> list[Event | None]:
        caller = Principal(LOCAL_OWNER, frozenset())
        loop = asyncio.get_running_loop()
        watcher = Watcher(caller, new_id(), 0, asyncio.Queue(100), {}, loop)
        for number in range(20):
            watcher.deliver(event(0, DRAFT, markdown="x" * 100_000))
            watcher.deliver(event(number + 1))
        return await watcher.next_batch(1)

    found = [each for each in asyncio.run(arrived()) if each is not None]
    assert [each.seq for each in found if each.seq] == list(range(1, 21))
    assert sum(each.type == DRAFT for each in found) <= MOST_DRAFTS


def test_a_draft_has_no_number() -> None:
    async def sent() -> list[bytes]:
        async def batches() -> AsyncGenerator[list[Event]]:
            yield [event(0, DRAFT, markdown="# A"), event(7)]

        return [message async for message in encode_events(batches())]

    _, message = asyncio.run(sent())
    draft, stored, rest = message.decode().split("\n\n")
    assert draft == (
        f'event: {DRAFT}\ndata: {{"type":"{DRAFT}","data":{{"markdown":"# A"}},'
        '"at":"2026-11-30T00:00:00Z"}'
    )
    assert stored.startswith('id: 7\nevent: content.ready\ndata: {"seq":7,')
    assert rest == ""
