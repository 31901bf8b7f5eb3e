"""A person who has just asked waits for one outline, not for the tutorials of others."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from core import clock
from core.queue_factory import make_queue
from core.settings import from_environment
from reliable_queue.queue import ReliableQueue
from roadmap.plan.statuses import Job, JobName
from tasks.dispatcher import enqueue
from tasks.queues import content_queue
from testing.servers import Redis
from testing.waiting import wait_until
from tests.integration.reliable_queue.storages import ALIVE, MOMENT

CONTENTS = 500


def embedded(folder: Path) -> dict[str, str]:
    return {"SERVICE_TYPE": "all", "DATA_DIR": str(folder)}


def server(broker: Redis) -> dict[str, str]:
    urls = {"DATABASE_URL": "postgresql://127.0.0.1/not_used", "REDIS_URL": broker.url()}
    return {"SERVICE_TYPE": "huey_content", "SECRET_KEY": "k" * 40, **urls}


@pytest.fixture(params=["embedded", "server"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment of each mode."""
    return (
        embedded(tmp_path)
        if request.param == "embedded"
        else server(request.getfixturevalue("broker"))
    )


@pytest.fixture
def other(environment: dict[str, str]) -> Iterator[ReliableQueue]:
    """Another consumer of the same queue."""
    made = make_queue(from_environment(environment), f"content{uuid.uuid4().hex}")
    made.storage.heartbeat(ALIVE)
    yield made
    made.storage.close()


@pytest.fixture
def queue(
    environment: dict[str, str], other: ReliableQueue, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ReliableQueue]:
    """The content queue with its real tasks, on the storage that the mode's settings give it."""
    storage = make_queue(from_environment(environment), other.name).storage
    storage.heartbeat(ALIVE)
    monkeypatch.setattr(content_queue, "storage", storage)
    yield content_queue
    clock.reset()
    storage.close()


def ids(count: int) -> list[UUID]:
    return [uuid.uuid4() for _ in range(count)]


def steps(name: JobName, of: list[UUID], delay: float = 0) -> list[Job]:
    return [Job(name, each, delay) for each in of]


def claimed(queue: ReliableQueue) -> Job:
    """Claim what a worker would run next; it stays held."""
    claim = queue.storage.claim(0)
    assert claim is not None
    task = content_queue.deserialize_task(claim.data)
    return Job(JobName(task.name), UUID(task.args[0]))


def claimed_all(queue: ReliableQueue) -> list[Job]:
    return [claimed(queue) for _ in range(queue.pending_count())]


def test_an_outline_is_the_very_next_behind_five_hundred_contents(queue: ReliableQueue) -> None:
    contents, outline = (
        steps(JobName.build_content, ids(CONTENTS)),
        steps(JobName.plan_roadmap, ids(1)),
    )
    enqueue(contents)
    enqueue(outline)
    assert queue.pending_count() == CONTENTS + 1

    assert claimed(queue) == outline[0]
    assert claimed_all(queue) == contents


def test_outlines_that_come_while_contents_are_built_wait_for_nothing_but_each_other(
    queue: ReliableQueue,
) -> None:
    contents, outlines = (
        steps(JobName.build_content, ids(CONTENTS)),
        steps(JobName.plan_roadmap, ids(3)),
    )
    enqueue(contents)
    assert [claimed(queue) for _ in range(4)] == contents[:4]

    enqueue(outlines[:2])
    assert claimed(queue) == outlines[0]
    enqueue(outlines[2:])

    assert [claimed(queue) for _ in range(2)] == outlines[1:]
    assert claimed_all(queue) == contents[4:]


def test_contents_of_a_later_roadmap_do_not_overtake_those_of_an_earlier_one(
    queue: ReliableQueue,
) -> None:
    earlier, later = steps(JobName.build_content, ids(90)), steps(JobName.build_content, ids(90))
    enqueue(earlier)
    enqueue(later)
    assert claimed_all(queue) == earlier + later


def test_an_outline_overtakes_when_the_pause_before_its_next_try_is_over(
    queue: ReliableQueue,
) -> None:
    contents, outline = steps(JobName.build_content, ids(CONTENTS)), ids(1)
    enqueue(steps(JobName.plan_roadmap, outline, delay=60))
    enqueue(contents)
    assert claimed(queue) == contents[0]

    clock.travel(timedelta(seconds=61))

    assert claimed(queue) == Job(JobName.plan_roadmap, outline[0])
    assert claimed_all(queue) == contents[1:]


def test_an_outline_that_comes_back_from_a_dead_consumer_is_the_very_next(
    queue: ReliableQueue, other: ReliableQueue
) -> None:
    contents, outline = (
        steps(JobName.build_content, ids(CONTENTS)),
        steps(JobName.plan_roadmap, ids(1)),
    )
    enqueue(contents)
    enqueue(outline)
    assert claimed(other) == outline[0]
    assert claimed(other) == contents[0]

    other.storage.heartbeat(MOMENT)
    wait_until(
        lambda: queue.storage.heartbeat(ALIVE).taken_over == 2, reason="the messages are taken over"
    )

    assert claimed(queue) == outline[0]
    assert claimed_all(queue) == contents
