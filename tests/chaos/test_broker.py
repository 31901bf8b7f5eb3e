"""Redis killed, hung, wiped, full or refused while models are asked: nothing is lost, and no answer is paid for twice."""

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from statistics import median

import httpx2
import pytest
import redis
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.settings import from_environment
from core.storage import make_queue
from delivery.queue import ReliableQueue
from tests.chaos.provider import KINDS, WRITTEN, Asked, Provider, concept_keys
from tests.chaos.test_faults import assert_built_once, written
from tests.servers import Postgres, Redis
from tests.stack import Service, Stack, running, server_stack
from tests.waiting import wait_until

SEED = 11
WORKERS = 4  # threads of one content consumer
CALL_LIMIT = 100.0  # seconds that a held call waits at most
PATIENT = {"MODEL_TIMEOUT_SECONDS": "100", "LEASE_SECONDS": "110"}  # a call may last as long as a fault
RESCUED_WITHIN = 75  # seconds: a minute until rescue looks, and the building
USUAL, POSTS = 10, 30  # before the fault, and meanwhile
DEAREST = 20  # times what a POST takes at other times


class Model(Provider):
    """A provider whose calls of a held kind wait until the test lets them go. `waiting` counts them."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        print(f"model with seed {seed}")
        self.waiting = 0
        self.refused = Counter[str]()  # by kind: calls to come that are answered 500
        self._gates = {kind: threading.Event() for kind in KINDS.values()}
        self.let_go()

    @property
    def environment(self) -> dict[str, str]:
        return {"OPENAI_API_KEY": "sk-of-the-faults", "OPENAI_BASE_URL": self.url, "OPENAI_MODEL": "gpt-faults", **PATIENT}

    def hold(self, *kinds: str) -> None:
        for kind in kinds:
            self._gates[kind].clear()

    def let_go(self) -> None:
        for gate in self._gates.values():
            gate.set()

    def stop(self) -> None:
        self.let_go()
        super().stop()

    def answered(self) -> int:
        return sum(call.ended > 0 for calls in list(self.calls.values()) for call in calls)

    async def _complete(self, request: Request) -> Response:
        kind = KINDS[(await request.json())["response_format"]["json_schema"]["name"]]
        self.waiting += 1
        await run_in_threadpool(self._gates[kind].wait, CALL_LIMIT)
        self.waiting -= 1
        if self.refused[kind]:
            self.refused[kind] -= 1
            return JSONResponse({"error": {"message": "Broken for a moment."}}, 500)
        return await super()._complete(request)


def goals(number: int, first: int = 0) -> list[str]:
    """Different goals of one concept each, so of three contents."""
    candidates = (f"Learn to bake bread number {index}" for index in count(first * 1000))
    return list(islice((goal for goal in candidates if len(concept_keys(goal)) == 1), number))


def assert_paid_once(model: Model, asked: Iterable[str]) -> None:
    """One call for the outline of each goal, and one for each of its contents."""
    due = [Asked(goal, "", "outline") for goal in asked]
    due += [Asked(goal, key.title(), kind) for goal in asked for key in concept_keys(goal) for kind in WRITTEN]
    assert {asked: len(calls) for asked, calls in model.calls.items()} == dict.fromkeys(due, 1)


def second_consumer(stack: Stack) -> Service:
    """Another content consumer, which works."""
    service = stack.services["second"] = Service("huey_content", stack.environment, stack.folder).start()
    wait_until(lambda: "huey@content ready" in service.output, reason="the second consumer is ready")
    return service


def each_says(services: Iterable[Service], words: str, times: int) -> None:
    for service in services:
        wait_until(lambda of=service: of.output.count(words) >= times, reason=f"{service.name} says '{words}' {times} times")


@contextmanager
def queue_of(stack: Stack, name: str = "content") -> Iterator[ReliableQueue]:
    """The stack's queue, seen by one more process."""
    service = "all" if stack.mode == "embedded" else "api"
    queue = make_queue(from_environment({**stack.environment, "SERVICE_TYPE": service}), name)
    try:
        yield queue
    finally:
        queue.storage.close()


def on_disk(broker: Redis) -> None:
    """Everything that Redis has taken so far is in its file, so that a SIGKILL does not lose it."""
    client = broker.client()
    client.set("the last write", "1")
    assert client.execute_command("WAITAOF", 1, 0, 5000)[0] == 1


def wipe(broker: Redis) -> None:
    broker.client().flushall()


def restart_empty(broker: Redis) -> None:
    broker.kill()
    shutil.rmtree(broker.folder / "appendonlydir")
    broker.start()


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model(SEED)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def served(tmp_path: Path, postgres: Postgres, own_broker: Redis, model: Model) -> Iterator[Stack]:
    """Server mode with a model, and a Redis to harm."""
    with running(server_stack(tmp_path, postgres, own_broker, **model.environment)) as stack:
        yield stack


@pytest.mark.parametrize("answered", ["while it is away", "when it is back"])
def test_a_broker_that_is_killed_while_models_think_costs_no_second_call(
    served: Stack, own_broker: Redis, model: Model, answered: str
) -> None:
    asked = goals(WORKERS)
    model.hold("tutorial")
    paths = [served.create(goal) for goal in asked]
    wait_until(lambda: model.waiting == WORKERS, reason="every worker waits for a tutorial")
    before = written(served, paths)
    on_disk(own_broker)

    own_broker.kill()
    if answered == "while it is away":
        model.let_go()
        wait_until(lambda: written(served, paths) == before + WORKERS, reason="the answers are saved without a broker")
        own_broker.start()
    else:
        own_broker.start()
        wait_until(lambda: own_broker.client().keys("{huey.content}:alive:*"), reason="the consumer beats again")
        model.let_go()

    for path in paths:
        served.finished(path, timeout=90)
        assert_built_once(served, path)
    assert_paid_once(model, asked)


@pytest.mark.long
def test_a_broker_that_hangs_longer_than_heartbeats_last_declares_nobody_dead(
    served: Stack, own_broker: Redis, model: Model
) -> None:
    asked = goals(2 * WORKERS)
    second = second_consumer(served)
    model.hold("tutorial")
    paths = [served.create(goal) for goal in asked]
    wait_until(lambda: model.waiting == 2 * WORKERS, reason="both consumers are in the middle of model calls")

    consumers = (served.content, second)
    for hangs in range(1, 4):
        own_broker.pause()
        each_says(consumers, "the broker is away", hangs)  # a command waited for as long as a heartbeat lasts
        own_broker.resume()
        each_says(consumers, "the broker is back", hangs)

    client = own_broker.client()
    assert client.hgetall("{huey.content}:deliveries") == {}  # nobody has been found dead
    with queue_of(served) as queue:
        assert queue.storage.held_count() == 2 * WORKERS
        model.let_go()
        for path in paths:
            served.finished(path, timeout=90)
            assert_built_once(served, path)
        assert_paid_once(model, asked)
        assert queue.storage.dead_count() == 0
    assert client.hgetall("{huey.content}:deliveries") == {}
    assert [service.output.count("takes over") for service in consumers] == [0, 0]


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("lose", [wipe, restart_empty])
def test_a_broker_that_forgets_everything_in_the_middle_of_building_delays_it_by_a_minute_at_most(
    served: Stack, own_broker: Redis, model: Model, lose: Callable[[Redis], None]
) -> None:
    asked = goals(WORKERS + 2)
    model.hold("tutorial")
    paths = [served.create(goal) for goal in asked]
    wait_until(lambda: model.waiting == WORKERS, reason="the building is under way")

    lose(own_broker)
    deadline = time.monotonic() + RESCUED_WITHIN
    model.let_go()

    for path in paths:
        served.finished(path, timeout=deadline - time.monotonic())
        assert_built_once(served, path)
    assert_paid_once(model, asked)


def test_a_full_broker_is_drained_and_takes_the_rest_when_it_has_room(served: Stack, own_broker: Redis, model: Model) -> None:
    drained, outlined, late = asked = goals(3)
    model.hold("tutorial")
    waiting = served.create(drained)
    wait_until(lambda: model.waiting == 1, reason="the tutorial is asked for")
    model.hold("outline")
    planning = served.create(outlined)
    wait_until(lambda: model.waiting == 2, reason="the outline is asked for")

    client = own_broker.client()
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    with pytest.raises(redis.OutOfMemoryError):
        client.set("no", "room")
    model.refused["tutorial"] = 1
    model.let_go()

    assert_built_once(served, waiting)  # what waited there, and by the schedule the tutorial that the model refused
    assert model.refused["tutorial"] == 0
    accepted = served.create(late)
    wait_until(lambda: "the broker does not take" in served.api.output, reason="its message finds no room")
    wait_until(lambda: served.get(planning).json()["status"] == "building", reason="the outline is saved")
    assert served.get(accepted).json()["status"] == "queued"

    client.config_set("maxmemory", "0")
    for path in (planning, accepted):
        served.finished(path, timeout=90)
        assert_built_once(served, path)
    assert_paid_once(model, asked)


def test_a_message_that_was_accepted_after_its_sender_gave_up_is_there_twice_and_works_once(
    served: Stack, own_broker: Redis, model: Model
) -> None:
    first, second = asked = goals(2)
    served.content.stop()
    before = served.create(first)
    with queue_of(served) as queue:
        wait_until(lambda: queue.pending_count() == 1, reason="the API has a connection to the broker")

        own_broker.pause()
        path = served.create(second)
        wait_until(lambda: "the broker does not take" in served.api.output, reason="the sender gives up waiting")
        own_broker.resume()

        name = path.rsplit("/", 1)[-1].encode()
        wait_until(lambda: sum(name in item for item in queue.storage.enqueued_items()) > 1, reason="the message is there twice")
        served.content.start()
        assert_built_once(served, before)
        assert_built_once(served, path)
        assert_paid_once(model, asked)
        wait_until(lambda: queue.pending_count() + queue.storage.held_count() == 0, reason="every message is worked off")
        assert queue.storage.dead_count() == 0


@pytest.mark.parametrize("fault", ["hangs", "is refused"])
def test_no_answer_waits_for_a_broker_that(served: Stack, own_broker: Redis, model: Model, fault: str) -> None:
    served.content.stop()
    early, late = goals(USUAL), goals(POSTS, first=1)
    paths, usual = timed_posts(served, early)

    own_broker.pause() if fault == "hangs" else own_broker.kill()
    more, meanwhile = timed_posts(served, late)
    own_broker.resume() if fault == "hangs" else own_broker.start()

    ratio = median(meanwhile) / median(usual)
    assert ratio < DEAREST, f"a POST takes {ratio:.1f} times as long"
    served.content.start()
    for path in paths + more:
        assert served.finished(path, timeout=90)["status"] == "ready"
    for path in more[::10]:
        assert_built_once(served, path)
    assert_paid_once(model, early + late)


def timed_posts(stack: Stack, asked: list[str]) -> tuple[list[str], list[float]]:
    """Paths of the accepted roadmaps, and how long each answer took, in seconds."""
    paths, times = [], []
    with httpx2.Client(base_url=stack.url, headers=stack.headers, timeout=30) as client:
        for goal in asked:
            began = time.monotonic()
            answer = client.post("/api/v1/roadmaps", json={"goal": goal})
            times.append(time.monotonic() - began)
            assert answer.status_code == 202, answer.text
            paths.append(answer.headers["location"])
    return paths, times
