"""Log records through kills, outages and a full buffer: stored once, or counted as lost."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from roadmap.operations.execution_log import CAPACITY
from testing.servers import Postgres, Redis
from testing.stack import ROOT, Stack, running, server_stack
from testing.stack_queues import environment_of, queue_of
from testing.waiting import HANG, wait_until
from tests.cases import SERVER_IN_SHORT
from tests.chaos.checks import (
    MakeStack,
    data_file,
    locked,
    on_disk,
    rows,
    wait_until_idle,
)

WRITER = """
import sys, threading
import tasks
from roadmap.operations import execution_log
from roadmap.operations.execution_log import LogLevel, buffer, record

number, never = 0, threading.Event()
print("source", buffer.id.hex, flush=True)
for line in sys.stdin:
    command, *rest = line.split()
    if command == "write":
        many, pause = int(rest[0]), float(rest[1])
        for _ in range(many):
            number += 1
            record("numbered", "write", str(number))
            print("recorded", number, flush=True)
            never.wait(pause) if pause else None
    elif command == "patience":
        execution_log.FLUSH_SECONDS = float(rest[0])
    elif command == "error":
        number += 1
        record("numbered", "write", str(number), level=LogLevel.error)
        while buffer.sent < buffer.accepted:
            never.wait(0.001)
        print("sent", number, flush=True)
    elif command == "state":
        print("state", rest[0], buffer.accepted, buffer.sent, buffer.dropped, flush=True)
"""


class State(NamedTuple):
    """State of a process's buffer, as it says itself."""

    accepted: int
    sent: int
    dropped: int


class Writer:
    """A process that records numbered records, and says so of each."""

    def __init__(self, stack: Stack) -> None:
        self._output, self._errors = stack.folder / "writer.out", stack.folder / "writer.err"
        self._asked = 0
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", WRITER],
                cwd=ROOT,
                env={**environment_of(stack), "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
            )

    def tell(self, *words: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write((" ".join(str(word) for word in words) + "\n").encode())
        self._process.stdin.flush()

    def lines(self, word: str) -> list[list[str]]:
        """Return the rest of every line that begins with this word."""
        printed = self._output.read_text().splitlines(keepends=True)
        return [
            line.split()[1:]
            for line in printed
            if line.endswith("\n") and line.startswith(f"{word} ")
        ]

    def recorded(self) -> set[int]:
        return {int(number) for (number,) in self.lines("recorded")}

    def wait_recorded(self, number: int) -> None:
        wait_until(
            lambda: len(self.lines("recorded")) >= number,
            reason=f"{number} records, {self.errors}",
        )

    def state(self) -> State:
        self._asked += 1
        self.tell("state", self._asked)
        answers = wait_until(
            lambda: [line for line in self.lines("state") if line[0] == str(self._asked)],
            reason="its state",
        )
        return State(*map(int, answers[0][1:]))

    @property
    def source(self) -> str:
        return wait_until(lambda: self.lines("source"), reason=f"the writer starts: {self.errors}")[
            0
        ][0]

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(HANG)

    def end(self) -> int:
        """In order: the end of its input is its own."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(HANG)

    def close(self) -> None:
        if self._process.poll() is None:
            self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()


@contextmanager
def writing(stack: Stack) -> Iterator[Writer]:
    with closing(Writer(stack)) as writer:
        yield writer


def stored(stack: Stack) -> Counter[int]:
    """Count how often each numbered record is there."""
    return Counter(
        int(number)
        for (number,) in rows(
            stack, "SELECT message FROM execution_log WHERE category = 'numbered'"
        )
    )


def assert_stored_once(stack: Stack, *numbers: int) -> None:
    """These and no others are there in the end."""
    due = dict.fromkeys(numbers, 1)
    wait_until(lambda: set(stored(stack)) >= set(due), reason=f"{len(due)} records are stored")
    assert stored(stack) == due


def let_a_minute_pass(stack: Stack, writer: Writer) -> None:
    """Records that the writer has numbered, and that are not there, are on their way no more."""
    earlier = (
        "datetime({}, '-5 minutes')" if stack.mode == "embedded" else "{} - interval '5 minutes'"
    )
    changes = ", ".join(
        f"{column} = {earlier.format(column)}" for column in ("behind_since", "updated_at")
    )
    rows(stack, f"UPDATE log_source SET {changes} WHERE id = '{writer.source}'")


def assert_counted(stack: Stack, state: str, number: int) -> None:
    assert stack.metric_sum("roadmap_log_records", state=state) == number


@pytest.mark.long
def test_what_a_process_recorded_a_moment_before_it_was_killed_is_stored_once(
    fragile: Stack,
) -> None:
    with writing(fragile) as writer:
        writer.tell("write", 200, 0.002)
        wait_until(lambda: writer.state().sent == 200, reason="the timer flushes them")
        writer.tell("write", 100_000, 0.002)
        writer.wait_recorded(300)
        writer.kill()

    due = set(range(1, 201))
    wait_until(lambda: set(stored(fragile)) >= due, reason="what was flushed is stored")
    assert set(stored(fragile).values()) == {1}


@pytest.mark.long
def test_an_error_takes_what_came_before_it_along_at_once(fragile: Stack) -> None:
    with writing(fragile) as writer:
        writer.tell("patience", 3600)  # the timer alone would never send them
        writer.tell("write", 3, 0)
        writer.tell("error")
        wait_until(lambda: writer.lines("sent"), reason=f"the error is flushed {writer.errors}")
        writer.kill()
    assert_stored_once(fragile, 1, 2, 3, 4)


@pytest.mark.parametrize("fragile", SERVER_IN_SHORT, indirect=True)
def test_an_orderly_end_loses_no_record(fragile: Stack) -> None:
    with writing(fragile) as writer:
        writer.tell("patience", 3600)
        writer.tell("write", 1200, 0)
        assert writer.end() == 0
        assert_stored_once(fragile, *range(1, 1201))
        let_a_minute_pass(fragile, writer)
        assert_counted(fragile, "missing", 0)


@pytest.mark.long
@pytest.mark.parametrize("fault", ["is refused", "hangs"])
def test_records_of_a_process_that_ends_are_stored_from_there_while_the_broker(
    fragile_server: Stack, own_broker: Redis, fault: str
) -> None:
    with writing(fragile_server) as writer:
        assert writer.source  # it has started
        own_broker.pause() if fault == "hangs" else own_broker.kill()
        writer.tell("write", 1200, 0)
        assert writer.end() == 0
        assert stored(fragile_server) == dict.fromkeys(
            range(1, 1201), 1
        )  # before the broker is back
        assert "are lost" not in writer.errors

        own_broker.resume() if fault == "hangs" else own_broker.start()
        with queue_of(fragile_server, "logs") as queue:
            wait_until_idle(queue)  # what the broker took is there
        assert_stored_once(fragile_server, *range(1, 1201))
        let_a_minute_pass(fragile_server, writer)
        assert_counted(fragile_server, "missing", 0)


@pytest.mark.long
def test_records_of_a_process_that_ends_are_stored_from_there_while_the_queue_file_is_locked(
    make_stack: MakeStack,
) -> None:
    with running(make_stack("embedded")) as stack, writing(stack) as writer:
        assert writer.source  # it has started
        with locked(data_file(stack, "queue.db")):
            writer.tell("write", 1200, 0)
            assert writer.end() == 0
            assert stored(stack) == dict.fromkeys(range(1, 1201), 1)
        assert "are lost" not in writer.errors
        assert_stored_once(stack, *range(1, 1201))


@pytest.mark.long
def test_a_logs_consumer_that_is_killed_again_and_again_stores_each_record_once(
    fragile: Stack,
) -> None:
    with writing(fragile) as writer:
        writer.tell("write", 5000, 0.003)
        for kills in range(3):
            writer.wait_recorded(1000 * (kills + 1))
            before = writer.recorded()
            fragile.logs.kill()
            fragile.start(fragile.logs.name)
            wait_until(
                lambda before=before: set(stored(fragile)) >= before,
                reason="it goes on where it was",
            )
        writer.wait_recorded(5000)
        assert writer.end() == 0
        assert_stored_once(fragile, *range(1, 5001))
        let_a_minute_pass(fragile, writer)
        assert_counted(fragile, "missing", 0)


@pytest.mark.long
def test_records_that_the_broker_has_on_disk_survive_its_death(
    fragile_server: Stack, own_broker: Redis
) -> None:
    fragile_server.logs.stop()
    with writing(fragile_server) as writer:
        writer.tell("write", 1200, 0)
        assert writer.end() == 0
    assert stored(fragile_server) == {}
    on_disk(own_broker)
    own_broker.kill()
    own_broker.start()
    fragile_server.logs.start()
    assert_stored_once(fragile_server, *range(1, 1201))


@pytest.mark.long
def test_records_that_flow_while_the_database_is_killed_are_stored_once_when_it_is_back(
    tmp_path: Path, own_postgres: Postgres, own_broker: Redis
) -> None:
    with (
        running(server_stack(tmp_path, own_postgres, own_broker)) as stack,
        writing(stack) as writer,
    ):
        writer.tell("write", 2000, 0.001)
        wait_until(lambda: len(stored(stack)) > 300, reason="records flow")
        own_postgres.kill()
        writer.wait_recorded(len(writer.recorded()) + 500)
        own_postgres.start()
        writer.wait_recorded(2000)
        assert writer.end() == 0
        assert_stored_once(stack, *range(1, 2001))


@pytest.mark.long
def test_records_that_a_wipe_of_the_broker_destroys_are_counted_as_missing(
    fragile_server: Stack, own_broker: Redis
) -> None:
    fragile_server.logs.stop()
    with writing(fragile_server) as writer:
        writer.tell("write", 700, 0)
        wait_until(lambda: writer.state().sent == 700, reason="the broker has them")
        own_broker.client().flushall()
        writer.tell("write", 300, 0)
        assert writer.end() == 0
        fragile_server.logs.start()
        assert_stored_once(fragile_server, *range(701, 1001))

        assert_counted(fragile_server, "missing", 0)  # they might still be on their way
        let_a_minute_pass(fragile_server, writer)
        assert_counted(fragile_server, "missing", 700)
        assert_counted(fragile_server, "stored", 300)


@pytest.mark.long
def test_records_that_find_no_room_while_the_broker_is_away_are_counted_as_dropped(
    fragile: Stack, request: pytest.FixtureRequest
) -> None:
    with writing(fragile) as writer:
        assert writer.source
        with without_a_broker(fragile, request):
            writer.tell("write", CAPACITY + 3000, 0)
            writer.wait_recorded(CAPACITY + 3000)
            dropped = writer.state().dropped
        assert 2000 <= dropped <= 3000  # a batch that is just being tried makes room for some more
        wait_until(
            lambda: writer.state().sent == CAPACITY + 3000 - dropped,
            reason="what has waited is sent",
        )
        wait_until(
            lambda: len(stored(fragile)) == CAPACITY + 3000 - dropped,
            reason="all of it is stored",
        )
        assert set(stored(fragile).values()) == {1}
        assert_counted(fragile, "dropped", dropped)


@contextmanager
def without_a_broker(stack: Stack, request: pytest.FixtureRequest) -> Iterator[None]:
    if stack.mode == "embedded":
        with locked(data_file(stack, "queue.db")):
            yield
        return
    broker: Redis = request.getfixturevalue("own_broker")
    broker.kill()
    yield
    broker.start()
