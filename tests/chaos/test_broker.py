"""Redis killed, hung, wiped, full or refused while models are asked.

Nothing is lost, and no answer is paid for twice.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator

import pytest
import redis

from testing.servers import Redis
from testing.stack import Service, Stack, running
from testing.stack_queues import queue_of
from testing.waiting import wait_until
from tests.chaos.checks import (
    WORKERS,
    MakeStack,
    assert_built_once,
    assert_paid_once,
    goals,
    in_the_middle,
    is_overdue,
    on_disk,
    rescue_once,
    start_second,
    wait_until_at_work,
    wait_until_held,
    wait_until_idle,
    written,
)
from tests.chaos.model import PATIENT, Model, outlines, tutorials

POSTS = 10


def each_says(services: Iterable[Service], words: str, times: int) -> None:
    for service in services:
        wait_until(
            lambda of=service: of.output.count(words) >= times,
            reason=f"{service.name} says '{words}' {times} times",
        )


def wipe(broker: Redis) -> None:
    broker.client().flushall()


def restart_empty(broker: Redis) -> None:
    broker.kill()
    shutil.rmtree(broker.folder / "appendonlydir")
    broker.start()


@pytest.fixture
def served(make_stack: MakeStack, paced: Model) -> Iterator[Stack]:
    """Server mode with a model, and a Redis to harm."""
    with running(make_stack("server", **paced.environment, **PATIENT)) as stack:
        yield stack


@pytest.mark.parametrize(
    "answered", ["while it is away", pytest.param("when it is back", marks=pytest.mark.long)]
)
def test_a_broker_that_is_killed_while_models_think_costs_no_second_call(
    served: Stack, own_broker: Redis, paced: Model, answered: str
) -> None:
    asked = goals(WORKERS)
    paths = in_the_middle(served, paced, tutorials, asked)
    before = written(served, paths)
    on_disk(own_broker)

    own_broker.kill()
    if answered == "while it is away":
        paced.let_go()
        wait_until(
            lambda: written(served, paths) == before + WORKERS,
            reason="the answers are saved without a broker",
        )
        own_broker.start()
    else:
        own_broker.start()
        wait_until(
            lambda: own_broker.client().keys("{huey.content}:alive:*"),
            reason="the consumer beats again",
        )
        paced.let_go()

    for path in paths:
        served.finished(path)
        assert_built_once(served, path)
    assert_paid_once(paced, asked)


@pytest.mark.long
def test_a_broker_that_hangs_longer_than_heartbeats_last_declares_no_consumer_dead(
    served: Stack, own_broker: Redis, paced: Model
) -> None:
    asked = goals(2 * WORKERS)
    second = start_second(served)
    paced.hold(tutorials)
    paths = [served.create(goal) for goal in asked]
    wait_until_held(paced, 2 * WORKERS)

    consumers = (served.content, second)
    for hangs in range(1, 4):
        own_broker.pause()
        each_says(
            consumers, "the broker is away", hangs
        )  # a command waited for as long as a heartbeat lasts
        own_broker.resume()
        each_says(consumers, "the broker is back", hangs)

    client = own_broker.client()
    assert client.hgetall("{huey.content}:deliveries") == {}  # no consumer was declared dead
    with queue_of(served) as queue:
        assert queue.storage.stats().held == 2 * WORKERS
        paced.let_go()
        for path in paths:
            served.finished(path)
            assert_built_once(served, path)
        assert_paid_once(paced, asked)
        assert queue.storage.stats().dead == 0
    assert client.hgetall("{huey.content}:deliveries") == {}
    assert [service.output.count("takes over") for service in consumers] == [0, 0]


@pytest.mark.long
@pytest.mark.parametrize("lose", [wipe, restart_empty])
def test_a_broker_that_forgets_everything_in_the_middle_of_building_delays_it_by_a_minute_at_most(
    served: Stack, own_broker: Redis, paced: Model, lose: Callable[[Redis], None]
) -> None:
    """It waits for one run of the rescue job, which comes each minute, and for no second one."""
    asked = goals(WORKERS + 2)
    paths = in_the_middle(served, paced, tutorials, asked)
    wait_until_at_work(served, "logs")
    assert served.logs.stop() == 0

    lose(own_broker)
    paced.let_go()
    with queue_of(served) as queue:
        wait_until_idle(queue)
    wait_until(lambda: is_overdue(served), reason="what was lost is overdue")
    assert {served.get(path).json()["status"] for path in paths} != {"ready"}  # it was lost
    rescue_once(served)

    for path in paths:
        assert_built_once(served, path)
    assert_paid_once(paced, asked)


@pytest.mark.long
def test_a_full_broker_is_drained_and_takes_the_rest_when_it_has_room(
    served: Stack, own_broker: Redis, paced: Model
) -> None:
    drained, outlined, late = asked = goals(3)
    paced.hold(tutorials)
    waiting = served.create(drained)
    wait_until_held(paced, 1)
    paced.hold(outlines)
    planning = served.create(outlined)
    wait_until_held(paced, 2)

    client = own_broker.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    with pytest.raises(redis.OutOfMemoryError):
        client.set("no", "room")
    paced.failing.add("tutorial")
    paced.let_go()

    # What waited there, and by the schedule the tutorial that failed; its quiz needs room.
    wait_until(
        lambda: served.get(waiting).json()["progress"]["ready"] == 2,
        reason="tutorial and resources are written",
    )
    assert paced.failing == set()
    accepted = served.create(late)
    wait_until(
        lambda: "the broker does not take" in served.api.output, reason="its message finds no room"
    )
    wait_until(
        lambda: served.get(planning).json()["status"] == "building", reason="the outline is saved"
    )
    assert served.get(accepted).json()["status"] == "queued"

    client.config_set("maxmemory", "0")
    for path in (waiting, planning, accepted):
        served.finished(path)
        assert_built_once(served, path)
    assert_paid_once(paced, asked)


@pytest.mark.long
def test_a_message_that_was_accepted_after_its_sender_gave_up_is_there_twice_and_works_once(
    served: Stack, own_broker: Redis, paced: Model
) -> None:
    first, second = asked = goals(2)
    served.content.stop()
    before = served.create(first)
    with queue_of(served) as queue:
        wait_until(
            lambda: queue.pending_count() == 1, reason="the API has a connection to the broker"
        )

        own_broker.pause()
        path = served.create(second)
        wait_until(
            lambda: "the broker does not take" in served.api.output,
            reason="the sender gives up waiting",
        )
        own_broker.resume()

        name = path.rsplit("/", 1)[-1].encode()
        wait_until(
            lambda: sum(name in item for item in queue.storage.enqueued_items()) > 1,
            reason="the message is there twice",
        )
        served.content.start()
        assert_built_once(served, before)
        assert_built_once(served, path)
        assert_paid_once(paced, asked)
        wait_until_idle(queue)
        assert queue.storage.stats().dead == 0


@pytest.mark.long
@pytest.mark.parametrize("fault", ["hangs", "is refused"])
def test_no_answer_waits_for_a_broker_that(
    served: Stack, own_broker: Redis, paced: Model, fault: str
) -> None:
    """Each is there while the broker still is away."""
    served.content.stop()
    asked = goals(POSTS)

    own_broker.pause() if fault == "hangs" else own_broker.kill()
    paths = [served.create(goal) for goal in asked]
    own_broker.resume() if fault == "hangs" else own_broker.start()

    served.content.start()
    for path in paths:
        assert_built_once(served, path)
    assert_paid_once(paced, asked)
