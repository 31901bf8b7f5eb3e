"""Orderly ends: a SIGTERM lets finish what can be and hands over what cannot.

It loses no answer, event or record.
"""

import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import psycopg2
import pytest

from testing.servers import Redis
from testing.stack import Service, Stack, running
from testing.waiting import BRIEF, HANG, wait_until
from tests.chaos.checks import (
    GOAL,
    WORKERS,
    MakeStack,
    Row,
    assert_built_once,
    consumer_pid,
    every_thread_waits,
    ready,
    repeated,
    restart,
    rows,
    start_second,
    wait_until_at_work,
    wait_until_held,
)
from tests.chaos.model import PATIENT, Model, contents

IN_ORDER = (0, -signal.SIGTERM)  # uvicorn ends by the signal itself, after it has done everything
RETRY = 2.0  # seconds that the stream asks its clients to wait before they come back
LAST = ("roadmap.ready", "roadmap.partial", "roadmap.failed")
BODY = b'{"goal": "Learn to bake sourdough bread"}'


@pytest.fixture(params=["embedded", "server"])
def hasty(request: pytest.FixtureRequest, make_stack: MakeStack, model: Model) -> Iterator[Stack]:
    """A stack whose tasks get one second after SIGTERM."""
    with running(
        make_stack(request.param, **model.environment, **PATIENT, SHUTDOWN_GRACE_SECONDS="1")
    ) as made:
        yield made


def threads(pid: int) -> int:
    """Count a process's threads; 0 when it is gone.

    Those that wait for work end as soon as it has heard SIGTERM.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(status.partition("Threads:")[2].split()[0])


def tell_to_end(stack: Stack) -> None:
    """SIGTERM to the content consumer, or the whole instance, until the consumer has heard it."""
    pid = consumer_pid(stack)
    before = threads(pid)
    stack.content.signal(signal.SIGTERM)
    wait_until(lambda: threads(pid) < before, reason="the consumer has heard it")


def end_of(service: Service) -> int:
    assert service.process is not None
    return service.process.wait(HANG)


def tries(stack: Stack) -> set[Row]:
    return set(rows(stack, "select attempts, interruptions from content where status <> 'pending'"))


def claimed(stack: Stack) -> int:
    [(count,)] = rows(stack, "select count(*) from content where status = 'building'")
    return int(count)


def test_a_task_that_is_shorter_than_the_grace_is_finished_in_it_and_paid_for_once(
    modelled: Stack, model: Model
) -> None:
    path = every_thread_waits(modelled, model)

    tell_to_end(modelled)
    model.let_go()

    assert end_of(modelled.content) == 0
    assert "hands back" not in modelled.content.output
    finished = rows(modelled, "select kind, status from content where status <> 'pending'")
    assert {status for _, status in finished} == {"ready"}
    assert [kind for kind, _ in finished].count("quiz") == WORKERS  # those that were held
    restart(modelled)
    assert_built_once(modelled, path)
    assert set(model.counts().values()) == {1}
    assert tries(modelled) == {(1, 0)}


@pytest.mark.long
def test_a_task_that_is_longer_than_the_grace_is_handed_to_another_worker_at_once(
    hasty: Stack, model: Model
) -> None:
    path = every_thread_waits(hasty, model)
    interrupted = set(model.held())
    model.hold(interrupted.__contains__)
    second = start_second(hasty) if hasty.mode == "server" else None

    tell_to_end(hasty)

    assert end_of(hasty.content) == 0
    if second is None:
        assert claimed(hasty) == 0
        hasty.content.start()
        wait_until(lambda: ready(hasty.content) == 2, reason="the consumer is at work again")
        wait_until(
            lambda: claimed(hasty) == WORKERS,
            reason="the same contents are begun again",
        )
        wait_until(lambda: len(model.held()) == 2 * WORKERS, reason="the model is asked again")
    else:
        wait_until(
            lambda: len(model.held()) == 2 * WORKERS,
            reason="the same contents are begun again",
        )
    assert f"hands back {WORKERS} unfinished messages" in hasty.content.output
    model.let_go()
    hasty.wait_ready()
    assert_built_once(hasty, path)
    assert repeated(model) == dict.fromkeys(interrupted, 2)
    # What was handed back counts neither as a try nor as an interruption.
    assert tries(hasty) == {(1, 0)}


@pytest.mark.long
def test_a_second_sigterm_ends_the_grace(make_stack: MakeStack, model: Model) -> None:
    with running(
        make_stack("server", **model.environment, **PATIENT, SHUTDOWN_GRACE_SECONDS="80")
    ) as stack:
        path = every_thread_waits(stack, model)
        interrupted = set(model.held())
        model.hold(interrupted.__contains__)
        start_second(stack)
        tell_to_end(stack)

        stack.content.signal(signal.SIGTERM)

        assert end_of(stack.content) == 0
        wait_until(
            lambda: len(model.held()) == 2 * WORKERS,
            reason="the same contents are begun again",
        )
        model.let_go()
        assert_built_once(stack, path)
        assert repeated(model) == dict.fromkeys(interrupted, 2)
        assert tries(stack) == {(1, 0)}


@pytest.mark.long
def test_a_hangup_ends_a_consumer_in_order_as_well(fragile_server: Stack) -> None:
    """It does not put another program in its place: exit handlers send the last log records."""
    wait_until_at_work(fragile_server, "content")
    fragile_server.content.signal(signal.SIGHUP)
    assert end_of(fragile_server.content) == 0
    restart(fragile_server)
    assert_built_once(fragile_server, fragile_server.create())


@pytest.mark.long
def test_one_sigterm_after_another_loses_nothing(modelled: Stack, model: Model) -> None:
    path = every_thread_waits(modelled, model)
    interrupted = set(model.held())

    def ended() -> bool:
        if modelled.content.alive():
            modelled.content.signal(signal.SIGTERM)
        return not modelled.content.alive()

    wait_until(ended, reason="it ends")
    model.let_go()
    restart(modelled)
    assert_built_once(modelled, path)
    assert repeated(model) == dict.fromkeys(interrupted, 2)


def refuses(stack: Stack) -> bool:
    try:
        socket.create_connection(("127.0.0.1", stack.port), timeout=HANG).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.long
def test_a_goal_whose_body_is_still_coming_at_sigterm_is_accepted_and_built(
    modelled: Stack,
) -> None:
    headers = {
        **modelled.headers,
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(BODY)),
    }
    lines = [f"{name}: {value}" for name, value in {**headers, "Expect": "100-continue"}.items()]
    with socket.create_connection(("127.0.0.1", modelled.port), timeout=HANG) as client:
        client.sendall("\r\n".join(["POST /api/v1/roadmaps HTTP/1.1", *lines, "", ""]).encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 100")  # the handler waits for the body
        client.sendall(BODY[:10])

        modelled.api.signal(signal.SIGTERM)
        wait_until(lambda: refuses(modelled), reason="new requests are refused")
        client.sendall(BODY[10:])
        answer = b"".join(iter(lambda: client.recv(10_000), b"")).decode()

    assert answer.startswith("HTTP/1.1 202")
    path = answer.lower().partition("\r\nlocation: ")[2].partition("\r\n")[0]
    assert end_of(modelled.api) in IN_ORDER
    modelled.start(modelled.api.name)
    assert_built_once(modelled, path)


class Follower:
    """Somebody who watches a roadmap.

    Whenever a stream ends they come back with the last number they have seen. `seen` has the events
    of all streams; `streams` counts those that ended in order, `broken` has what ended otherwise.
    `pause` is the time in seconds between two streams: that which the server asks for, or none.
    """

    def __init__(self, stack: Stack, path: str, *, pause: float = RETRY) -> None:
        self.seen: list[tuple[int, str, str]] = []
        self.streams = self.opened = 0
        self.broken: list[Exception] = []
        self._stack, self._path, self._pause = stack, path, pause
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="Follower", daemon=True)
        self._thread.start()

    def finished(self) -> bool:
        return bool(self.broken) or bool(self.seen and self.seen[-1][1] in LAST)

    def leave(self) -> None:
        self._left.set()
        self._thread.join(HANG)

    def _follow(self) -> None:
        while not self.finished() and not self._left.is_set():
            opened = self.opened
            try:
                self._watch()
                self.streams += 1
                self._left.wait(self._pause)
            except httpx2.TransportError as error:
                if self.opened > opened:
                    self.broken.append(error)
                self._left.wait(BRIEF)  # the API is away: it has not answered at all
            except AssertionError as error:
                self.broken.append(error)

    def _watch(self) -> None:
        headers = {
            **self._stack.headers,
            "Last-Event-ID": str(self.seen[-1][0] if self.seen else 0),
        }
        event: dict[str, str] = {}
        with httpx2.stream(
            "GET", f"{self._stack.url}{self._path}/events", headers=headers, timeout=HANG
        ) as answer:
            assert answer.status_code == 200, answer.status_code
            self.opened += 1
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                event[name] = value
                if not line:
                    self.seen += (
                        [(int(event["id"]), event["event"], event["data"])] if "id" in event else []
                    )
                    event = {}


@pytest.mark.long
@pytest.mark.parametrize("pause", [RETRY, 0.0])
def test_a_watcher_sees_every_event_once_while_the_api_is_restarted_in_the_middle_of_the_building(
    hasty: Stack, model: Model, pause: float
) -> None:
    path = every_thread_waits(hasty, model, contents)
    follower = Follower(hasty, path, pause=pause)
    try:
        for restarts in (1, 2):
            found = last_event(hasty)
            wait_until(
                lambda found=found: follower.broken or len(follower.seen) >= found,
                reason="the watcher is up to date",
            )
            model.let_go(2)
            wait_until(
                lambda found=found: follower.broken or len(follower.seen) > found,
                reason="the watcher sees more",
            )
            hasty.api.signal(signal.SIGTERM)
            assert end_of(hasty.api) in IN_ORDER
            wait_until(
                lambda streams=restarts: follower.streams >= streams or follower.broken,
                reason="the stream has ended",
            )
            if hasty.mode == "embedded":
                model.let_go(len(model.held()))  # those who asked have ended
            else:
                model.let_go(2)  # while the API is away
            hasty.start(hasty.api.name)
            wait_until_held(model, WORKERS)  # the building goes on
        model.let_go()
        assert_built_once(hasty, path)
        wait_until(follower.finished, reason="the watcher has seen the end")
    finally:
        follower.leave()

    assert follower.broken == []
    assert follower.streams >= 3
    assert [number for number, _, _ in follower.seen] == list(range(1, last_event(hasty) + 1))
    assert [(number, data) for number, _, data in follower.seen] == [
        (event["id"], event["data"]) for event in hasty.events(path)
    ]


def last_event(stack: Stack) -> int:
    [(number,)] = rows(stack, "select last_seq from roadmap")
    return int(number)


@pytest.mark.long
def test_a_stream_that_is_being_opened_at_sigterm_ends_in_order(
    modelled_server: Stack, model: Model
) -> None:
    path = every_thread_waits(modelled_server, model, contents)
    waiting = "select count(*) from pg_locks where not granted"
    with (
        closing(psycopg2.connect(modelled_server.environment["DATABASE_URL"])) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("lock table roadmap in access exclusive mode")
        follower = Follower(modelled_server, path)
        try:
            wait_until(
                lambda: rows(modelled_server, waiting) != [(0,)],
                reason="the stream's request looks for the roadmap",
            )
            modelled_server.api.signal(signal.SIGTERM)
            wait_until(lambda: refuses(modelled_server), reason="the API has heard it")
            connection.rollback()
            wait_until(lambda: follower.streams or follower.broken, reason="the stream ends")
            assert end_of(modelled_server.api) in IN_ORDER
        finally:
            follower.leave()
    assert follower.broken == []
    assert "Traceback" not in modelled_server.api.output


def expected_records(model: Model) -> Counter[str]:
    return Counter(["accept", "plan", *(asked.kind for asked in model.due(GOAL)), "finish"])


def stored_records(stack: Stack) -> Counter[str]:
    """Without those that a try is begun, which the ledger counts as well."""
    return Counter(
        step for (step,) in rows(stack, "select step from execution_log where level <> 'debug'")
    )


def missing_records(stack: Stack) -> int:
    """Numbered by the processes that wrote them, and not stored."""
    return int(rows(stack, "select coalesce(sum(last_seq) - sum(stored), 0) from log_source")[0][0])


@pytest.mark.long
def test_no_log_record_is_lost_by_an_orderly_end_of_any_service(
    modelled: Stack, model: Model
) -> None:
    path = every_thread_waits(modelled, model)
    if modelled.mode == "server":
        wait_until_at_work(modelled, "logs")
        assert modelled.logs.stop() == 0
        assert modelled.api.stop() in IN_ORDER
    tell_to_end(modelled)
    model.let_go()
    assert end_of(modelled.content) == 0

    modelled.start()
    assert_built_once(modelled, path)
    order = (
        [modelled.content, modelled.logs, modelled.api]
        if modelled.mode == "server"
        else [modelled.content]
    )
    assert {service.stop() for service in order} <= set(IN_ORDER)

    modelled.start()
    wait_until(
        lambda: stored_records(modelled).total() >= expected_records(model).total(),
        reason="the records are stored",
    )
    assert stored_records(modelled) == expected_records(model)
    assert missing_records(modelled) == 0


@pytest.mark.long
@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_log_records_are_stored_directly_when_the_broker_is_away_at_the_end(
    make_stack: MakeStack, own_broker: Redis, model: Model, how: str
) -> None:
    with running(
        make_stack("server", **model.environment, **PATIENT, SHUTDOWN_GRACE_SECONDS="20")
    ) as stack:
        path = every_thread_waits(stack, model)
        concepts = len(model.keys(GOAL))  # quizzes, which are held, come behind all of the others
        before = Counter(
            {
                "accept": 1,
                "analysis": 1,
                "outline": 1,
                "plan": 1,
                "tutorial": concepts,
                "resources": concepts,
            }
        )
        wait_until(
            lambda: stored_records(stack) == before, reason="what was recorded so far is stored"
        )
        own_broker.kill() if how == "refuses" else own_broker.pause()

        later = stack.create(GOAL + " later")
        tell_to_end(stack)
        model.let_go()

        assert end_of(stack.content) == 0
        assert stored_records(stack) - before in (
            Counter(quiz=WORKERS),
            Counter(quiz=WORKERS, accept=1),
        )
        assert stack.api.stop() in IN_ORDER
        assert stored_records(stack) == before + Counter(quiz=WORKERS, accept=1)
        assert stack.logs.stop() == 0
        for service in stack.services.values():
            assert "lost" not in service.output

        own_broker.start() if how == "refuses" else own_broker.resume()
        stack.start()
        for made in (path, later):
            stack.finished(made)
            assert_built_once(stack, made)
        twice = Counter({step: 2 * times for step, times in expected_records(model).items()})
        wait_until(
            lambda: stored_records(stack).total() >= twice.total(), reason="the records are stored"
        )
        assert stored_records(stack) == twice
        assert missing_records(stack) == 0
