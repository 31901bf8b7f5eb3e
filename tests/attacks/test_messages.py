"""Signed JSON with key rotation: a forged, replayed or garbage message never executes.

The next one does. Not repeated here: tests/unit/reliable_queue/test_messages.py holds the
serializer to this, with random messages; tests/chaos/test_messages.py puts garbage, foreign
signatures, messages of the other queue, unknown tasks and wrong arguments before the real services,
and lists, replays and deletes dead letters as a person does. Here it is the queue over its real
storages, byte by byte, rotation from one SECRET_KEY to the next, and messages of the services' own
that come a second time.
"""

import base64
import hashlib
import hmac
import json
import os
import pickle
import signal
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from huey.registry import Message

from core.queue_factory import make_queue
from core.settings import from_environment
from reliable_queue.messages import SignedJsonSerializer
from reliable_queue.queue import ReliableQueue
from testing.servers import LOOPBACK, Postgres, Redis
from testing.stack import Stack, embedded_stack, running, server_stack
from testing.stack_queues import queue_of
from testing.waiting import HANG, wait_until
from tests.cases import SERVER_IN_SHORT
from tests.chaos.checks import (
    asking,
    assert_built_once,
    assert_paid_once,
    queue_rows,
    wait_until_at_work,
    wait_until_held,
    wait_until_idle,
)
from tests.chaos.model import PATIENT, Model, contents, every_call, serving

OLD, NEW, FOREIGN = "old-" * 10, "new-" * 10, "foreign-" * 5
FORGED = "the signature does not match any of the current keys"
SHAPELESS = "signed, but not a message"
SEVERAL = 3  # times that a message comes again
PEOPLE = ("Learn to bake bread", "Learn to bake cake", "Learn to bake pies")

NOTE = f"{__name__}.note"  # the task, on the wire

Open = Callable[..., "Works"]


class Works:
    """A process's view of a queue, as the application makes it, and all that its task has done."""

    def __init__(self, queue: ReliableQueue) -> None:
        self.queue, self.done = queue, list[str]()
        self.note = queue.task(name="note")(self._note)
        queue.storage.heartbeat(60)

    def _note(self, word: str) -> None:
        self.done.append(word)

    def wire(self, word: str) -> bytes:
        """A message of this process as it lies on the queue."""
        return bytes(self.queue.serialize_task(self.note.s(word)))

    def work_off(self) -> None:
        self.queue.storage.wake()
        self.queue.drain()

    def letters(self) -> dict[bytes, str]:
        """Return each message that was put aside, with the reason."""
        return {letter.data: letter.reason for letter in self.queue.storage.dead_letters(10_000)}

    def left(self) -> tuple[int, int, int]:
        return (
            self.queue.pending_count(),
            self.queue.scheduled_count(),
            self.queue.storage.stats().held,
        )

    def refuses(self, *messages: bytes, reason: str = FORGED) -> None:
        """Each of them, and runs the one that comes after each."""
        expected = []
        for number, data in enumerate(messages):
            self.queue.storage.enqueue(data)
            self.queue.storage.enqueue(self.wire(f"after {number}"))
            expected.append(f"after {number}")
        self.work_off()
        assert self.done == expected
        letters = self.letters()
        assert set(letters) == set(messages)
        assert [text for text in letters.values() if not text.startswith(reason)] == []
        assert self.left() == (0, 0, 0)


@pytest.fixture(params=["redis", "sqlite"])
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """`process(keys)` is one more process with this SECRET_KEY, on the test's queue or another."""
    opened: list[ReliableQueue] = []
    name = uuid4().hex
    if request.param == "redis":
        urls = {
            "DATABASE_URL": "postgresql://unknown@127.0.0.1/nothing",
            "REDIS_URL": request.getfixturevalue("broker").url(),
        }
        environment = {"SERVICE_TYPE": "huey_content", **urls}
    else:
        environment = {"SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)}

    def make(keys: str = OLD, other: str = "") -> Works:
        opened.append(
            make_queue(from_environment({**environment, "SECRET_KEY": keys}), name + other)
        )
        return Works(opened[-1])

    yield make
    for queue in opened:
        for letter in queue.storage.dead_letters(10_000):
            queue.storage.discard(letter.id)
        queue.storage.close()


def signed(works: Works, payload: bytes, key: str = OLD) -> bytes:
    """The payload as the wire has it, signed with the key of this queue."""
    secret = hashlib.sha256(f"delivery:{works.queue.name}:{key}".encode()).digest()
    return (
        base64.urlsafe_b64encode(hmac.digest(secret, payload, "sha256")).rstrip(b"=")
        + b"."
        + payload
    )


# Signed, and still no task


@pytest.mark.parametrize(
    "payload",
    [
        b'{"value":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"message":{"id":"1","name":["note"],"args":["x"]}}',
        b'{"message":{"id":"1","name":"note","args":["x"],"eta":"soon"}}',
        b'{"message":{"id":"1","name":"note","args":["x"],"expires":"soon"}}',
        b'{"message":{"id":"1","name":"note","args":7}}',
        b'{"message":[]}',
        b"[]",
        b"7",
    ],
    ids=lambda payload: payload[:60].decode(),
)
def test_what_is_signed_and_makes_no_task_is_put_aside_too(process: Open, payload: bytes) -> None:
    works = process()
    works.refuses(signed(works, payload), reason="")


# Forged


def test_the_helper_signs_as_the_service_does(process: Open) -> None:
    works = process()
    data = works.wire("hello")
    assert signed(works, data.partition(b".")[2]) == data
    payload = json.dumps({"message": {"id": "1", "name": NOTE, "args": ["hello"]}})
    works.queue.storage.enqueue(signed(works, payload.encode()))
    works.work_off()
    assert works.done == ["hello"]  # so that what is refused below is refused for its signature


def test_another_signature_is_refused(process: Open) -> None:
    works = process()
    signature, _, payload = works.wire("stolen").partition(b".")
    other = works.wire("another").partition(b".")[0]
    message = Message(id="1", name=NOTE, args=("forged",))
    bare = hashlib.sha256(payload).digest()
    works.refuses(
        b"",
        b".",
        payload,
        b"." + payload,
        other + b"." + payload,
        signature + payload,
        signature + b".." + payload,
        signature.upper() + b"." + payload,
        signature + b"=." + payload,
        b"\n" + signature + b"." + payload,
        signature + b"." + payload + b" ",
        signature + b"." + payload.replace(b"stolen", b"forged"),
        base64.urlsafe_b64encode(bare).rstrip(b"=") + b"." + payload,
        base64.urlsafe_b64encode(hmac.digest(OLD.encode(), payload, "sha256")).rstrip(b"=")
        + b"."
        + payload,
        base64.urlsafe_b64encode(hmac.digest(b"", payload, "sha256")).rstrip(b"=") + b"." + payload,
        bytes(SignedJsonSerializer([FOREIGN], salt=works.queue.name).seal(message, None, {})),
        bytes(SignedJsonSerializer([OLD], salt="").seal(message, None, {})),
    )


def test_a_message_of_another_queue_of_the_same_key_is_refused(process: Open) -> None:
    works, other = process(), process(other="-other")
    data = other.wire("elsewhere")
    works.refuses(data)
    other.queue.storage.enqueue(data)
    other.work_off()
    assert other.done == ["elsewhere"]  # it was good where it belongs


@pytest.mark.parametrize("each", [1, pytest.param(8, marks=pytest.mark.long)])
def test_a_message_of_which_any_bit_is_another_is_refused(process: Open, each: int) -> None:
    """So many bits of each byte, in turn."""
    works = process()
    data = works.wire("x")
    flipped = []
    for number in range(len(data) * each):
        changed = bytearray(data)
        changed[number // each] ^= 1 << number % 8
        flipped.append(bytes(changed))
    works.queue.storage.enqueue_many((each, 0) for each in flipped)
    works.queue.storage.enqueue(data)
    works.work_off()
    assert works.done == ["x"]
    letters = works.letters()
    assert (set(letters), set(letters.values())) == (set(flipped), {FORGED})


def test_a_message_that_is_cut_anywhere_is_refused(process: Open) -> None:
    works = process()
    data = works.wire("x")
    cut = {data[:length] for length in range(len(data))} | {
        data[start:] for start in range(1, len(data))
    }
    works.queue.storage.enqueue_many((each, 0) for each in sorted(cut))
    works.queue.storage.enqueue(data)
    works.work_off()
    assert works.done == ["x"]
    letters = works.letters()
    assert (set(letters), set(letters.values())) == (cut, {FORGED})


# Garbage


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_is_refused_and_nothing_of_it_is_executed(process: Open, tmp_path: Path) -> None:
    works, folder = process(), tmp_path / "made by a pickle"
    bombs = [
        pickle.dumps(Bomb(folder), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]
    hueys = pickle.dumps(
        Message("1", NOTE, None, 0, 0, None, (Bomb(folder),), {}, None, None)
    )  # as stock Huey sends it
    packed = [
        bytes(zlib.compress(bombs[0])),
        hashlib.sha1(bombs[0]).hexdigest().encode() + b":" + bombs[0],
    ]
    works.refuses(*bombs, hueys, *packed, base64.b64encode(bombs[0]))
    assert not folder.exists()
    pickle.loads(bombs[0])
    assert folder.exists()  # it is a bomb indeed


def test_a_pickle_with_a_valid_signature_is_not_executed_either(
    process: Open, tmp_path: Path
) -> None:
    works, folder = process(), tmp_path / "made by a pickle"
    bomb = pickle.dumps(Bomb(folder))
    inside = json.dumps(
        {
            "message": {
                "id": "1",
                "name": NOTE,
                "args": bomb.decode("latin-1"),
                "py/object": "os.mkdir",
            }
        }
    )
    works.refuses(
        signed(works, bomb),
        signed(works, bomb + b"."),
        signed(works, inside.encode()),
        reason=SHAPELESS,
    )
    assert not folder.exists()


def test_a_name_of_a_function_is_no_task(process: Open) -> None:
    works = process()
    for name in (
        "os.system",
        "builtins.eval",
        "tests.attacks.test_messages.Bomb",
        "append",
        "__init__",
        "",
    ):
        payload = json.dumps(
            {"message": {"id": "1", "name": name, "args": ["exit 3"], "retries": 0}}
        )
        works.queue.storage.enqueue(signed(works, payload.encode()))
    works.queue.storage.enqueue(works.wire("good"))
    works.work_off()
    assert works.done == ["good"]
    assert len(works.letters()) == 6
    assert [
        reason
        for reason in works.letters().values()
        if not reason.endswith("not found in TaskRegistry")
    ] == []


def test_a_huge_message_is_refused_and_the_next_one_runs(process: Open) -> None:
    works = process()
    huge = json.dumps({"message": {"id": "1", "name": NOTE, "args": ["x" * 1_000_000]}}).encode()
    works.refuses(b"\x80" * 2_000_000, b"x" * 43 + b"." + huge, huge)


def test_deep_nesting_without_a_signature_is_refused_unread(process: Open) -> None:
    works = process()
    deep = [b"[" * 200_000, b'{"message":' * 50_000, b'{"message":{"on_complete":' * 50_000]
    works.refuses(*deep, *(b"x" * 43 + b"." + each for each in deep))


# Rotation


def test_the_old_key_verifies_as_long_as_it_stands_behind_the_new_one(process: Open) -> None:
    before, both, after = process(OLD), process(f"{NEW}, {OLD}"), process(NEW)
    first = before.wire("by the old key")
    both.queue.storage.enqueue(first)
    both.queue.storage.enqueue(both.wire("by the new key"))
    both.work_off()
    assert (both.done, both.letters()) == (["by the old key", "by the new key"], {})

    after.refuses(first)


def test_what_is_signed_while_both_keys_stand_there_is_signed_with_the_new_one(
    process: Open,
) -> None:
    before, both, after = process(OLD), process(f"{NEW},{OLD}"), process(NEW)
    data = both.wire("by both")
    after.queue.storage.enqueue(data)
    after.work_off()
    assert (after.done, after.letters()) == (["by both"], {})
    before.refuses(data)


def test_services_rotate_their_key_without_losing_a_goal(
    postgres: Postgres, own_broker: Redis, tmp_path: Path
) -> None:
    stack = server_stack(tmp_path, postgres, own_broker, SECRET_KEY=OLD)
    content = stack.content

    def restart(keys: str) -> None:
        if content.alive():
            content.stop()
        content.environment["SECRET_KEY"] = keys
        content.start()

    with running(stack, "api"):
        waiting = stack.create()
        restart(f"{NEW},{OLD}")
        assert_built_once(stack, waiting)

        content.stop()
        late = stack.create()  # by an API that was not restarted
        restart(NEW)
        with queue_of(stack) as queue:
            [letter] = wait_until(
                queue.storage.dead_letters, reason="the message of the old key is put aside"
            )
        assert letter.reason == FORGED
        assert stack.get(late).json()["status"] == "queued"

        stack.api.stop()
        stack.api.environment["SECRET_KEY"] = f"{NEW},{OLD}"
        stack.start("api")  # the login of the old key is good as well
        assert_built_once(stack, stack.create())
        assert stack.get(late).json()["status"] == "queued"  # until rescue enqueues it again


# Replayed


@pytest.fixture
def model() -> Iterator[Model]:
    with serving(concepts=2) as made:
        yield made


@pytest.fixture(params=SERVER_IN_SHORT)
def stack(request: pytest.FixtureRequest, tmp_path: Path, model: Model) -> Iterator[Stack]:
    """With a model whose first failure is the last; a broker of its own."""
    environment = {**model.environment, **PATIENT, "MAX_ATTEMPTS": "1"}
    if request.param == "embedded":
        made = embedded_stack(tmp_path, **environment)
    else:
        made = server_stack(
            tmp_path,
            request.getfixturevalue("postgres"),
            request.getfixturevalue("own_broker"),
            **environment,
        )
    with running(made):
        yield made


def on_the_wire(stack: Stack, name: str = "content") -> set[bytes]:
    """Every message that lies in the broker, ready or held, read past the application."""
    if stack.mode == "embedded":
        return {
            bytes(data)
            for (data,) in queue_rows(stack, "select data from message where queue = ?", name)
        }
    port = int(stack.environment["REDIS_URL"].rpartition(":")[2].partition("/")[0])
    broker = redis.Redis(host=LOOPBACK, port=port, socket_timeout=HANG)
    keys = [key for part in ("ready:*", "held:*") for key in broker.keys(f"{{huey.{name}}}:{part}")]
    found = {entry[1:] for key in keys for entry in broker.lrange(key, 0, -1)}
    broker.close()
    return found


def dump(stack: Stack, **columns: str) -> dict[str, list[str]]:
    """Return the rows of all tables but the counts of requests, whole or the columns named."""
    names = "select name from sqlite_master where type = 'table'"
    if stack.mode == "server":
        names = "select table_name from information_schema.tables where table_schema = 'public'"
    with asking(stack) as ask:
        kept = [name for (name,) in ask(names) if name not in ("measure", "measured_process")]
        return {
            name: sorted(map(repr, ask(f'select {columns.get(name, "*")} from "{name}"')))
            for name in kept
        }


def consumers(stack: Stack) -> list[str]:
    """The services that work; in embedded mode there is one."""
    return ["all"] if stack.mode == "embedded" else ["huey_logs", "huey_content"]


def wait_until_quiet(stack: Stack) -> None:
    for name in ("content", "logs"):
        with queue_of(stack, name) as queue:
            wait_until_idle(queue)


def ended(stack: Stack, model: Model, goal: str) -> tuple[str, set[bytes]]:
    """Return the path of a roadmap of this goal, and all messages that there were for it.

    One was for its plan, six for its contents, of which those for quizzes follow the tutorials. The
    first is built, the second is cancelled while its contents are written, the third fails at once.
    """
    model.hold(every_call)
    path = stack.create(goal)
    wait_until_held(model, 1)
    taken = on_the_wire(stack)
    assert len(taken) == 1
    if goal == PEOPLE[2]:
        model.failing.add("analysis")
        model.let_go()
        return path, taken
    model.let_go(1)
    wait_until(
        lambda: [asked.kind for asked in model.held()] == ["outline"],
        reason="the outline is asked for",
    )
    model.hold(contents)
    model.let_go(1)
    wait_until_held(model, 4)
    taken |= on_the_wire(stack)
    assert len(taken) == 5
    if goal == PEOPLE[1]:
        assert stack.post(f"{path}/cancel").status_code == 202
    else:
        model.let_go(4)
        wait_until_held(model, 2)
        taken |= on_the_wire(stack)
        assert len(taken) == 7
    model.let_go()
    return path, taken


def test_messages_that_come_again_have_no_effect(stack: Stack, model: Model) -> None:
    """Messages of the content queue and batches of log records, at work and when all is over."""
    wait_until_at_work(stack, "content", "logs")
    come_again_while_they_are_worked_on(stack, model)
    wait_until_quiet(stack)
    first, logs = (
        dump(stack),
        stack.logs.pid if stack.mode == "server" else stack.logs.child("tasks.queues.logs_queue"),
    )
    statuses, taken = [], set()
    for goal in PEOPLE:
        if goal == PEOPLE[0]:
            os.kill(logs, signal.SIGSTOP)
        try:
            path, messages = ended(stack, model, goal)
            statuses.append(stack.finished(path)["status"])
            if goal == PEOPLE[0]:
                batches = wait_until(
                    lambda: batches_of_records(stack), reason="records are on their way"
                )
        finally:
            os.kill(logs, signal.SIGCONT)
        wait_until_quiet(stack)
        taken |= messages
        if goal == PEOPLE[0]:
            assert_built_once(stack, path)
    assert statuses == ["ready", "cancelled", "failed"]
    stack.stop()  # what its processes still had to say of all this is in the tables then
    stack.start(*consumers(stack))
    wait_until_at_work(stack, "content", "logs", starts=2)
    wait_until_quiet(stack)

    counted = (
        "id, service, last_seq, stored, dropped, behind_since"  # not when somebody has last looked
    )
    before, calls = dump(stack, log_source=counted), len(model.calls)
    assert len(before["roadmap"]) == len(first["roadmap"]) + len(PEOPLE)
    assert len(before["content_version"]) == len(first["content_version"]) + 6
    body = [json.loads(data.partition(b".")[2])["message"]["args"][0] for data in batches]
    ids = {record["id"] for records in body for record in records}
    stored = [
        row for row in before["execution_log"] if any(id_ in row.replace("-", "") for id_ in ids)
    ]
    assert len(stored) == len(ids) > 0
    for name, messages in (("content", taken), ("logs", batches)):
        with queue_of(stack, name) as queue:
            for number in range(SEVERAL):
                for data in sorted(messages, reverse=number % 2 == 1):
                    queue.storage.enqueue(data, number % 2)
            if name == "content":
                queue.storage.add_to_schedule(
                    sorted(messages)[0], datetime.now(UTC).replace(tzinfo=None)
                )
            wait_until_idle(queue)
            assert queue.storage.dead_letters() == []
    with asking(stack) as ask:
        assert sum(missing for (missing,) in ask("select last_seq - stored from log_source")) == 0
    stack.stop()
    assert dump(stack, log_source=counted) == before
    assert len(model.calls) == calls


def come_again_while_they_are_worked_on(stack: Stack, model: Model) -> None:
    goal = "Learn to bake everything"
    model.hold(every_call)
    path = stack.create(goal)
    with queue_of(stack) as queue:
        for step in ("analysis", "outline", "contents"):
            if step == "contents":
                model.hold(contents)
            wait_until_held(model, 4 if step == "contents" else 1)
            for data in on_the_wire(stack):
                for _ in range(SEVERAL):
                    queue.storage.enqueue(data, 1)
            model.let_go() if step == "contents" else model.let_go(1)
            if step == "analysis":
                wait_until(
                    lambda: [asked.kind for asked in model.held()] == ["outline"],
                    reason="the outline is asked for",
                )
        assert_built_once(stack, path)
        assert queue.storage.dead_letters() == []
    assert_paid_once(model, [goal])


def batches_of_records(stack: Stack) -> set[bytes]:
    """Of a roadmap."""
    return {
        data
        for data in on_the_wire(stack, "logs")
        if b"store_log_batch" in data and b"roadmap_id" in data
    }
