"""The wire format: each message comes back as it was; foreign ones are refused, never run."""

import base64
import hashlib
import hmac
import json
import os
import pickle
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from huey.api import Task
from huey.registry import Message
from hypothesis import given
from hypothesis import strategies as st

from reliable_queue.messages import Envelope, SignedJsonSerializer, UnreadableMessage
from reliable_queue.queue import ReliableQueue
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from tests.cases import try_each

KEY, OTHER_KEY = "k" * 40, "o" * 40
SALT, OTHER_SALT = "content", "logs"
LONG = timedelta(days=3650)
SERIALIZER = SignedJsonSerializer([KEY], SALT)

TEXT = st.text(max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(
    lambda at: at.replace(fold=0)
)  # as Huey's: UTC without a zone
SECONDS = st.integers(1, 10**9) | st.floats(0.001, 10**9)
EXPIRIES = TIMES | st.timedeltas(timedelta(microseconds=1), LONG) | SECONDS
MESSAGES = st.builds(
    Message,
    id=TEXT,
    name=TEXT,
    eta=st.none() | TIMES,
    retries=st.integers(0, 100),
    retry_delay=st.none() | SECONDS,
    priority=st.none() | st.integers(1, 9),
    args=st.lists(VALUES, max_size=3).map(tuple),
    kwargs=st.dictionaries(TEXT, VALUES, max_size=3),
    expires=st.none() | EXPIRIES,
    expires_resolved=st.none() | TIMES,
    timeout=st.none() | SECONDS,
    retry_backoff=st.none() | SECONDS,
)


def sealed(message: Message, serializer: SignedJsonSerializer = SERIALIZER) -> bytes:
    return serializer.seal(message, None, {})


def read_back(message: Message) -> Message:
    return SERIALIZER.open(sealed(message)).message


def signed(payload: bytes, *, key: str = KEY, salt: str = SALT) -> bytes:
    """The payload as a message on the wire, written a second time: messages outlive a release."""
    secret = hashlib.sha256(f"delivery:{salt}:{key}".encode()).digest()
    return (
        base64.urlsafe_b64encode(hmac.digest(secret, payload, "sha256")).rstrip(b"=")
        + b"."
        + payload
    )


class TestRoundTrip:
    @given(MESSAGES)
    def test_every_message_comes_back_as_it_was(self, message: Message) -> None:
        read = read_back(message)
        assert read == message
        assert repr(read) == repr(message)  # also the types: 1 is not True, a tuple not a list

    def test_text_with_half_a_surrogate_pair_comes_back_as_it_was(self) -> None:
        message = Message(
            id="1",
            name="log",
            retries=0,
            args=("cut off \ud83d",),
            kwargs={"file": os.fsdecode(b"\xff")},
        )
        assert read_back(message) == message

    def test_times_with_a_zone_keep_it(self) -> None:
        eta = datetime.fromisoformat("2030-01-01T12:00:00.000001+05:30")
        assert (
            read_back(Message(id="1", name="n", eta=eta)).eta.isoformat()
            == "2030-01-01T12:00:00.000001+05:30"
        )


class TestTasks:
    @pytest.fixture
    def queue(self) -> ReliableQueue:
        queue = ReliableQueue(
            "spare", keys=[KEY], storage_class=ReliableSqliteStorage, filename=":memory:"
        )
        self.ran: list[tuple[str, Any]] = []
        options = {
            "retries": 3,
            "retry_delay": 5,
            "retry_backoff": 2,
            "priority": 1,
            "expires": 60,
            "timeout": 30,
        }

        @queue.task(**options)
        def first(number: int) -> int:
            self.ran.append(("first", number))
            return number + 1

        @queue.task(**options)
        def second(*numbers: int) -> None:
            self.ran.append(("second", numbers))

        self.first, self.second = first, second
        return queue

    def sent(self, queue: ReliableQueue, task: Task) -> Task:
        """The task as the consumer gets it."""
        return queue.deserialize_task(queue.serialize_task(task))

    def test_a_task_takes_along_what_it_was_called_with(self, queue: ReliableQueue) -> None:
        options = {"priority": 4, "retries": 1, "retry_delay": 9, "retry_backoff": 3}
        options |= {"expires": LONG, "timeout": 2}
        task = self.first.s(7, delay=60, **options)
        got = self.sent(queue, task)
        assert got == task  # the same class, id and time
        assert got.data == ((7,), {})
        for option in (*options, "eta"):
            assert getattr(got, option) == getattr(task, option), option

    @try_each(
        "option", ["retries", "retry_delay", "retry_backoff", "priority", "expires", "timeout"]
    )
    def test_an_explicit_zero_is_not_replaced_by_the_tasks_default(
        self, queue: ReliableQueue, option: str
    ) -> None:
        task = self.first.s(7, **{option: 0})
        assert getattr(task, option) == 0
        assert getattr(self.sent(queue, task), option) == 0

    def test_a_chain_is_refused(self, queue: ReliableQueue) -> None:
        with pytest.raises(TypeError, match="chains and chords are not supported"):
            queue.enqueue(self.first.s(1).then(self.second, 3))


class TestRefusal:
    MESSAGE = sealed(Message(id="1", name="tasks.content.plan_roadmap", args=("x",), retries=3))

    def assert_refused(self, data: bytes) -> None:
        with pytest.raises(UnreadableMessage):
            SERIALIZER.open(data)

    @given(st.binary(max_size=200))
    def test_random_bytes_are_refused(self, data: bytes) -> None:
        self.assert_refused(data)

    @given(st.integers(0, len(MESSAGE) - 1))
    def test_a_truncated_message_is_refused(self, length: int) -> None:
        self.assert_refused(self.MESSAGE[:length])

    @given(st.integers(0, len(MESSAGE) - 1), st.integers(1, 255))
    def test_a_message_with_one_other_byte_is_refused(self, position: int, change: int) -> None:
        data = bytearray(self.MESSAGE)
        data[position] ^= change
        self.assert_refused(bytes(data))

    @given(st.binary(min_size=1, max_size=20))
    def test_a_message_with_something_before_or_behind_it_is_refused(self, more: bytes) -> None:
        self.assert_refused(more + self.MESSAGE)
        self.assert_refused(self.MESSAGE + more)

    @given(MESSAGES)
    def test_a_message_without_a_signature_or_with_another_ones_is_refused(
        self, message: Message
    ) -> None:
        signature, _, payload = sealed(message).partition(b".")
        self.assert_refused(payload)
        self.assert_refused(b"." + payload)
        self.assert_refused(signature + b"." + self.MESSAGE.partition(b".")[2])

    @given(MESSAGES)
    def test_a_message_of_another_queue_is_refused(self, message: Message) -> None:
        self.assert_refused(sealed(message, SignedJsonSerializer([KEY], OTHER_SALT)))

    @given(MESSAGES)
    def test_a_message_signed_with_another_key_is_refused(self, message: Message) -> None:
        self.assert_refused(sealed(message, SignedJsonSerializer([OTHER_KEY], SALT)))

    @pytest.mark.parametrize("wrap", [bytes, signed], ids=["bare", "with a valid signature"])
    def test_a_pickle_is_refused_and_nothing_of_it_is_executed(
        self, tmp_path: Path, wrap: Any
    ) -> None:
        folder = tmp_path / "made by the pickle"

        class Bomb:
            def __reduce__(self) -> tuple[Any, tuple[str]]:
                return os.mkdir, (str(folder),)

        bomb = pickle.dumps(Bomb())
        self.assert_refused(wrap(bomb))
        assert not folder.exists()
        pickle.loads(bomb)
        assert folder.exists()  # it is a bomb indeed

    @try_each(
        "payload",
        [
            "",
            "not json",
            "null",
            "7",
            "[]",
            '"message"',
            "{}",
            '{"value"',
            '{"message": null}',
            '{"message": {"a_field_of_a_newer_release": 1}}',
            '{"message": {"args": 5}}',
            '{"message": {"eta": {"at": "never"}}}',
            '{"message": {"eta": {}}}',
            '{"message": {"expires": {"seconds": "x"}}}',
            '{"value": 1}',
            '{"tuple": [1, 2]}',
        ],
    )
    def test_what_is_signed_but_has_an_unknown_shape_is_refused(self, payload: str) -> None:
        self.assert_refused(signed(payload.encode()))

    def test_what_is_signed_but_no_text_is_refused(self) -> None:
        self.assert_refused(signed(b"\xff\xfe\xfd"))


class TestKeys:
    def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_verifies(self) -> None:
        old = SignedJsonSerializer([OTHER_KEY], SALT)
        rotated = SignedJsonSerializer([KEY, OTHER_KEY], SALT)
        message = Message(id="1", name="n", retries=0, args=(), kwargs={})
        assert rotated.open(sealed(message, old)).message == message
        assert SERIALIZER.open(sealed(message, rotated)).message == message
        with pytest.raises(UnreadableMessage):
            old.open(sealed(message, rotated))

    def test_a_key_that_was_taken_away_does_not_verify_any_more(self) -> None:
        before = SignedJsonSerializer([KEY, OTHER_KEY], SALT)
        after = SignedJsonSerializer([OTHER_KEY], SALT)
        with pytest.raises(UnreadableMessage):
            after.open(sealed(Message(id="1", name="n"), before))

    def test_there_must_be_a_key(self) -> None:
        with pytest.raises(ValueError, match="at least one signing key"):
            SignedJsonSerializer([], SALT)


class TestWire:
    """Messages on a queue when a release is rolled out are of the one before it."""

    DOCUMENT = (
        b'{"message":{"id":"7","name":"tasks.content.plan_roadmap",'
        b'"eta":{"at":"2030-01-01T12:00:00"},"retries":3,"retry_delay":1,'
        b'"priority":1,"args":["x"],"expires":{"seconds":60.0},"retry_backoff":3}}'
    )

    def test_a_message_of_an_earlier_release_is_read(self) -> None:
        assert SERIALIZER.open(signed(self.DOCUMENT)).message == Message(
            id="7",
            name="tasks.content.plan_roadmap",
            eta=datetime(2030, 1, 1, 12),
            retries=3,
            retry_delay=1,
            priority=1,
            args=("x",),
            kwargs={},
            expires=timedelta(seconds=60),
            retry_backoff=3,
        )

    def test_a_message_is_its_signature_a_dot_and_json(self) -> None:
        signature, dot, payload = sealed(
            Message(id="7", name="tasks.logs.store_log_batch", args=("é",))
        ).partition(b".")
        assert json.loads(payload) == {
            "message": {"id": "7", "name": "tasks.logs.store_log_batch", "args": ["é"]},
            "at": None,
        }
        assert signature + dot + payload == signed(payload)


def read_by_the_version_before(data: bytes) -> Message:
    """Read as it did, in short: it looks for "message" in the document, and at nothing else."""
    _, _, payload = data.partition(b".")
    assert signed(payload) == data
    document = json.loads(payload)
    return Message(
        **{**document["message"], "args": tuple(document["message"]["args"]), "kwargs": {}}
    )


class TestEnvelope:
    MESSAGE = Message(id="7", name="tasks.content.plan_roadmap", retries=3, args=("x",), kwargs={})

    @given(MESSAGES, st.floats(1, 1e11), st.dictionaries(TEXT, TEXT, max_size=3))
    def test_what_stands_on_it_comes_back_as_it_was(
        self, message: Message, at: float, baggage: dict[str, str]
    ) -> None:
        envelope = Envelope(message, at, baggage)
        assert SERIALIZER.open(SERIALIZER.seal(*envelope)) == envelope

    def test_the_version_before_reads_the_message_in_it(self) -> None:
        data = SERIALIZER.seal(self.MESSAGE, 1.5, {"traceparent": "00-1-2-01"})
        assert read_by_the_version_before(data) == self.MESSAGE

    def test_a_message_of_the_version_before_has_no_time_and_no_baggage(self) -> None:
        assert SERIALIZER.open(signed(TestWire.DOCUMENT)) == Envelope(
            SERIALIZER.open(signed(TestWire.DOCUMENT)).message, None, {}
        )

    def test_what_stands_on_it_is_signed(self) -> None:
        data = SERIALIZER.seal(self.MESSAGE, 1.5, {"trace": "a"})
        with pytest.raises(UnreadableMessage):
            SERIALIZER.open(data.replace(b'"trace":"a"', b'"trace":"b"'))

    @pytest.mark.parametrize(
        "labels",
        [
            {"at": "noon", "baggage": "much"},
            {"at": None, "baggage": None},
            {"at": [1], "baggage": {"a": 1, "b": ["c"]}},
        ],
    )
    def test_labels_that_a_later_version_writes_otherwise_are_no_reason_to_refuse_it(
        self, labels: dict[str, Any]
    ) -> None:
        payload = json.dumps(
            {"message": {"id": "7", "name": "n", "retries": 0, "args": []}, **labels}
        ).encode()
        opened = SERIALIZER.open(signed(payload))
        assert (opened.message.id, opened.at, opened.baggage) == ("7", None, {})
