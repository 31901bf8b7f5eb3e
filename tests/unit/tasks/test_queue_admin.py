"""The queues and their workers as an operator sees and changes them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest

from core import clock
from core.db import session, transaction
from core.errors import Conflict, Invalid, NotFound, Unavailable
from core.ids import new_id
from models.accounts import Webhook, WebhookDelivery
from models.records import ExecutionLog
from models.roadmaps import Content, Roadmap
from reliable_queue.sqlite_storage import ReliableSqliteStorage
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.retry_policy import LeaseLost
from roadmap.lifecycle import commands, events
from roadmap.lifecycle.making import content_job, leases, plan_job, rescue
from roadmap.operations import execution_log
from roadmap.plan.statuses import WebhookEvent
from roadmap.webhooks import sender
from tasks import dispatcher, message_browser, queue_admin
from tasks.content import build_content, deliver_webhook, plan_roadmap
from tasks.logs import store_log_batch
from tasks.message_browser import MessageState
from tasks.queue_admin import STOPPED
from tasks.queues import RETRIES, content_queue, logs_queue
from tasks.upkeep import rescue_again
from tests.unit.roadmap.lifecycle.test_jobs import CONTENTS, FIRST, LONG, Small, accepted, use

pytestmark = pytest.mark.usefixtures("immediate")

ALIVE = 60.0
READY, HELD, SCHEDULED, RETRYING, DEAD = MessageState


@pytest.fixture
def paused(immediate: None) -> None:
    """The content queue keeps what it is given."""
    queue_admin.pause("content")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Small:
    made: Small = use(Small(), monkeypatch)
    return made


def ids(state: MessageState, queue: str = "content", **asked: Any) -> list[str]:
    return [message.id for message in queue_admin.messages(queue, state, **asked).items]


def sent(task: Any, *arguments: str, **options: Any) -> str:
    """The id of the message."""
    made = task.s(*arguments, **options)
    (logs_queue if task in (store_log_batch, rescue_again) else content_queue).enqueue(made)
    return str(made.id)


def claimed(queue: Any = content_queue) -> Any:
    claim = queue.storage.claim(0)
    assert claim is not None
    return claim


def state_of(queue: str = "content", **asked: Any) -> queue_admin.QueueState:
    return next(state for state in queue_admin.queue_states(**asked) if state.name == queue)


def the(table: Any, row_id: UUID) -> Any:
    with session():
        return table.get_by_id(row_id)


def events_of(roadmap_id: UUID) -> list[tuple[str, dict[str, Any]]]:
    return [(event.type, event.data) for event in events.events_after(roadmap_id, 0)]


def planned(small: Small) -> tuple[UUID, list[str]]:
    """A roadmap whose contents wait, and the ids of their messages."""
    roadmap_id = accepted()
    dispatcher.enqueue(plan_job.plan(roadmap_id, small))
    return roadmap_id, ids(READY)


def content_id_of(message_id: str) -> UUID:
    (message,) = queue_admin.messages("content", READY, search=message_id).items
    return UUID(message.arguments.strip("'"))


@pytest.mark.usefixtures("paused")
class TestStates:
    def test_a_queue_says_what_is_in_it_and_whether_it_is_paused(self, still: None) -> None:
        sent(build_content, str(uuid4()))
        sent(build_content, str(uuid4()), eta=clock.now() + LONG)
        clock.travel(timedelta(seconds=30))
        state = state_of()
        assert (state.ready, state.held, state.scheduled, state.dead) == (1, 0, 1, 0)
        assert (state.is_paused, state.workers, state.retrying) == (True, 0, None)
        assert state.oldest_seconds == pytest.approx(30, abs=0.01)
        logs = state_of("logs")
        assert (logs.is_paused, logs.ready, logs.oldest_seconds) == (False, 0, None)

    def test_those_that_failed_and_wait_are_counted_when_they_are_asked_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent(build_content, str(uuid4()))
        sent(build_content, str(uuid4()), retries=RETRIES - 1)
        sent(build_content, str(uuid4()), retries=0, eta=clock.now() + LONG)
        assert state_of(with_retrying=True).retrying == 2
        monkeypatch.setattr(message_browser, "MOST_RETRYING", 2)
        assert state_of(with_retrying=True).retrying is None

    def test_of_large_messages_few_are_read_to_count_those_that_failed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queue_admin.pause("logs")
        for _ in range(100):
            sent(store_log_batch, [{"message": "x" * 1000}] * 60)
        opened = 0
        read = logs_queue.serializer.open

        def counted(data: bytes) -> Any:
            nonlocal opened
            opened += 1
            return read(data)

        monkeypatch.setattr(logs_queue.serializer, "open", counted)
        assert state_of("logs", with_retrying=True).retrying is None
        assert opened < 50

    def test_large_messages_are_not_read_to_count_those_that_are_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(40):
            sent(build_content, "x" * 1000)
        read: list[Any] = []
        ready = ReliableSqliteStorage.ready

        def noted(storage: ReliableSqliteStorage, first: int, count: int) -> Any:
            found = ready(storage, first, count)
            read.extend(found)
            return found

        monkeypatch.setattr(ReliableSqliteStorage, "ready", noted)
        monkeypatch.setattr(message_browser, "MOST_RETRYING_BYTES", 10_000)
        assert state_of(with_retrying=True).retrying is None
        assert len(read) == 25
        monkeypatch.setattr(message_browser, "MOST_RETRYING_BYTES", 1_000_000)
        assert state_of(with_retrying=True).retrying == 0

    def test_a_queue_that_does_not_exist_is_named(self) -> None:
        for act in (
            queue_admin.pause,
            queue_admin.resume,
            queue_admin.replay_all,
            queue_admin.discard_all,
        ):
            with pytest.raises(
                NotFound, match=r"The queue mail does not exist\. The queues are logs and content"
            ):
                act("mail")
        with pytest.raises(NotFound):
            queue_admin.messages("mail", READY)
        with pytest.raises(NotFound):
            queue_admin.revoke("mail", "1")

    def test_a_broker_that_is_away_is_unavailable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: Any) -> None:
            raise ConnectionError("127.0.0.1 refuses")

        monkeypatch.setattr(ReliableSqliteStorage, "faults", (ConnectionError,))
        for name in ("stats", "consumers", "ready", "pause"):
            monkeypatch.setattr(ReliableSqliteStorage, name, away)
        asks = (
            queue_admin.queue_states,
            queue_admin.workers,
            lambda: queue_admin.messages("content", READY),
            lambda: queue_admin.pause("content"),
            lambda: queue_admin.revoke("content", "1"),
        )
        for ask in asks:
            with pytest.raises(Unavailable, match="The broker does not respond"):
                ask()


@pytest.mark.usefixtures("paused")
class TestMessages:
    def test_a_ready_one_has_its_task_arguments_and_times(self) -> None:
        row, before = str(uuid4()), clock.now()
        id_ = sent(build_content, row)
        (message,) = queue_admin.messages("content", READY).items
        assert (message.id, message.queue, message.state) == (id_, "content", "ready")
        assert (message.task, message.arguments) == ("build_content", f"'{row}'")
        assert (message.tries_left, message.worker, message.reason, message.due_at) == (
            RETRIES + 1,
            None,
            "",
            None,
        )
        assert message.sent_at is not None
        assert message.at is not None
        earliest, latest = before - timedelta(seconds=1), clock.now()
        assert earliest < message.sent_at <= latest
        assert earliest < message.at <= latest

    def test_a_scheduled_one_has_its_time(self) -> None:
        due = clock.now() + LONG
        id_ = sent(build_content, str(uuid4()), eta=due)
        (message,) = queue_admin.messages("content", SCHEDULED).items
        assert (message.id, message.state) == (id_, "scheduled")
        assert message.due_at is not None
        assert abs(message.due_at - due) < timedelta(milliseconds=1)

    def test_a_held_one_has_its_worker(self) -> None:
        id_ = sent(build_content, str(uuid4()))
        sent(build_content, str(uuid4()))
        content_queue.storage.resume()  # and nothing is run here
        claimed()
        (message,) = queue_admin.messages("content", HELD).items
        (this,) = content_queue.storage.consumers()
        assert (message.id, message.state, message.worker) == (id_, "held", this.id)

    def test_one_that_has_failed_is_retrying_wherever_it_waits(self) -> None:
        ready = sent(build_content, str(uuid4()), retries=RETRIES - 1)
        later = sent(build_content, str(uuid4()), retries=0, eta=clock.now() + LONG)
        sent(build_content, str(uuid4()))
        sent(build_content, str(uuid4()), eta=clock.now() + LONG)
        page = queue_admin.messages("content", RETRYING)
        assert [(message.id, message.tries_left, message.state) for message in page.items] == [
            (later, 1, "retrying"),
            (ready, RETRIES, "retrying"),
        ]
        assert page.looked_at == 4

    def test_a_dead_one_has_its_reason(self) -> None:
        sent(build_content, "7")
        content_queue.storage.resume()  # and nothing is run here
        content_queue.storage.dead_letter(claimed(), "it failed for good: ValueError('seven')")
        (message,) = queue_admin.messages("content", DEAD).items
        (letter,) = content_queue.storage.dead_letters()
        assert (message.id, message.reason) == (letter.id, letter.reason)
        assert message.at == datetime.fromtimestamp(letter.at, UTC)
        assert (message.task, message.arguments, message.tries_left) == (
            "build_content",
            "'7'",
            None,
        )

    def test_what_cannot_be_read_is_shown_and_hurts_nothing(self) -> None:
        content_queue.storage.enqueue(b"\xff<script>")
        (message,) = queue_admin.messages("content", READY).items
        assert (message.task, message.sent_at, message.tries_left) == ("(unreadable)", None, None)
        assert message.arguments == "b'\\xff<script>'"
        assert len(message.id) == 16
        assert queue_admin.messages("content", RETRYING).items == []

    def test_pages_follow_each_other(self) -> None:
        all_of_them = [sent(build_content, str(uuid4())) for _ in range(7)]
        first = queue_admin.messages("content", READY, limit=3)
        last = queue_admin.messages("content", READY, limit=3, offset=6)
        middle = queue_admin.messages("content", READY, limit=3, offset=3)
        assert [
            message.id for page in (first, middle, last) for message in page.items
        ] == all_of_them
        assert [page.more for page in (first, middle, last)] == [True, True, False]
        assert last.is_complete
        assert not first.is_complete
        beyond = queue_admin.messages("content", READY, offset=50)
        assert (beyond.items, beyond.more) == ([], False)

    @pytest.mark.parametrize("part", ["id", "task", "arguments"])
    def test_a_search_finds_a_part_of_anything_in_whatever_case(self, part: str) -> None:
        wanted = sent(plan_roadmap, str(uuid4()))
        for _ in range(3):
            sent(build_content, str(uuid4()))
        (message,) = [
            each for each in queue_admin.messages("content", READY).items if each.id == wanted
        ]
        words = str(getattr(message, part))[2:-2].upper()
        assert ids(READY, search=f" {words} ") == [wanted]

    def test_a_search_finds_dead_ones_by_their_reasons(self) -> None:
        for reason in ("the first", "the SECOND", "the third"):
            sent(build_content, str(uuid4()))
            content_queue.storage.resume()  # and nothing is run here
            content_queue.storage.dead_letter(claimed(), reason)
            queue_admin.pause("content")
        assert [
            message.reason
            for message in queue_admin.messages("content", DEAD, search="second").items
        ] == ["the SECOND"]
        assert queue_admin.messages("content", DEAD, search="nothing").items == []

    def test_a_search_looks_at_so_many_and_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(message_browser, "MOST_LOOKED_AT", 5)
        monkeypatch.setattr(message_browser, "FIRST_LOOK", 1)
        monkeypatch.setattr(message_browser, "CHUNK", 2)
        all_of_them = [sent(build_content, str(uuid4())) for _ in range(9)]
        page = queue_admin.messages("content", READY, search=all_of_them[7])
        assert (page.items, page.more, page.looked_at, page.is_complete) == ([], False, 5, False)
        page = queue_admin.messages("content", READY, search=all_of_them[3])
        assert [message.id for message in page.items] == [all_of_them[3]]

    def test_long_messages_are_looked_at_up_to_so_many_bytes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(message_browser, "MOST_BYTES", 1000)
        for _ in range(9):
            sent(build_content, "x" * 600)
        page = queue_admin.messages("content", READY, search="nothing")
        assert (page.looked_at, page.is_complete) == (2, False)

    def test_a_search_that_is_too_long_is_refused(self) -> None:
        for ask in (
            lambda: queue_admin.messages("content", READY, search="x" * 201),
            lambda: queue_admin.replay_all("content", "x" * 10_000),
            lambda: queue_admin.discard_all("content", "x" * 10_000),
        ):
            with pytest.raises(Invalid, match="at most 200 characters"):
                ask()

    def test_long_arguments_are_cut(self) -> None:
        sent(build_content, "x" * 5000, "y")
        (message,) = queue_admin.messages("content", READY).items
        assert len(message.arguments) <= message_browser.LONGEST_ARGUMENTS

    def test_log_batches_of_any_size_are_cut_quickly(self) -> None:
        queue_admin.pause("logs")
        sent(store_log_batch, [{"message": "x" * 1000, "details": {"a": ["b"] * 100}}] * 500)
        (message,) = queue_admin.messages("logs", READY).items
        assert message.task == "store_log_batch"
        assert len(message.arguments) <= message_browser.LONGEST_ARGUMENTS


def make_dead_letters(*reasons: str) -> None:
    """Leave a dead letter for each reason; the queue is paused before and afterwards."""
    content_queue.storage.resume()  # and nothing is run here
    for reason in reasons:
        content_queue.storage.enqueue(content_queue.serialize_task(build_content.s(str(uuid4()))))
        content_queue.storage.dead_letter(claimed(), reason)
    queue_admin.pause("content")


@pytest.mark.usefixtures("paused")
class TestDeadLetters:
    @pytest.mark.parametrize("act", ["found_dead", "replay_all", "discard_all"])
    def test_dead_letters_are_read_some_at_a_time(
        self, act: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(message_browser, "FIRST_LOOK", 2)
        monkeypatch.setattr(message_browser, "CHUNK", 3)
        make_dead_letters(*["broken"] * 9)
        dead_letters = ReliableSqliteStorage.dead_letters

        def some(storage: ReliableSqliteStorage, limit: int = 100, first: int = 0) -> Any:
            assert limit <= 3
            return dead_letters(storage, limit, first)

        monkeypatch.setattr(ReliableSqliteStorage, "dead_letters", some)
        found = getattr(queue_admin, act)("content", "BROKEN")
        assert (len(found) if act == "found_dead" else found) == 9

    @pytest.mark.parametrize("act", ["replay_all", "discard_all"])
    def test_those_that_a_search_finds_are_taken_and_no_others(self, act: str) -> None:
        make_dead_letters("timeout of a", "refused", "timeout of b")
        assert getattr(queue_admin, act)("content", "TIMEOUT") == 2
        assert [letter.reason for letter in queue_admin.messages("content", DEAD).items] == [
            "refused"
        ]
        assert state_of().ready == (2 if act == "replay_all" else 0)

    @pytest.mark.parametrize("act", ["replay_all", "discard_all"])
    def test_those_that_come_after_one_was_asked_are_left_alone(self, act: str) -> None:
        make_dead_letters("first", "second")
        seen = queue_admin.found_dead("content")
        make_dead_letters("third")
        newest = max(at for _, at in seen)
        assert getattr(queue_admin, act)("content", up_to=newest - timedelta(days=1)) == 0
        assert getattr(queue_admin, act)("content", "ir", up_to=newest) == 1
        assert getattr(queue_admin, act)("content", up_to=newest) == 1
        assert [letter.reason for letter in queue_admin.messages("content", DEAD).items] == [
            "third"
        ]

    @pytest.mark.parametrize("act", ["found_dead", "replay_all", "discard_all"])
    @pytest.mark.parametrize("blank", ["", "  ", "\u3000"])
    def test_a_search_without_words_does_not_mean_all(self, act: str, blank: str) -> None:
        with pytest.raises(Invalid, match="no words"):
            getattr(queue_admin, act)("content", blank)

    @pytest.mark.parametrize("act", ["replay_all", "discard_all"])
    def test_many_are_read_some_at_a_time(self, act: str, monkeypatch: pytest.MonkeyPatch) -> None:
        many = 2 * message_browser.CHUNK + 1
        make_dead_letters(*(f"reason {number}" for number in range(many)))
        look, parts = content_queue.storage.dead_letters, []

        def counted(*place: int) -> Any:
            parts.append(look(*place))
            return parts[-1]

        monkeypatch.setattr(content_queue.storage, "dead_letters", counted)
        assert getattr(queue_admin, act)("content") == many
        assert sum(len(part) for part in parts) == many
        assert max(len(part) for part in parts) <= message_browser.CHUNK
        assert state_of().dead == 0


class TestWorkers:
    HEARTBEAT: ClassVar = {
        **{
            "host": "attic",
            "pid": 77,
            "version": "0.1.0+1a2b3c4",
            "service": "huey_content",
            "threads": 4,
        },
        **{"started_at": 1_800_000_000.0, "at": 1_800_000_100.5},
    }

    def test_one_has_the_tasks_that_it_runs(self) -> None:
        row = str(uuid4())
        content_queue.storage.enqueue(content_queue.serialize_task(build_content.s(row)))
        (message,) = queue_admin.messages("content", READY).items
        claimed()
        run = {"task": "build_content", "id": message.id, "since": 1_800_000_050.0}
        content_queue.storage.heartbeat(
            ALIVE, info=json.dumps({**self.HEARTBEAT, "running": [run]})
        )
        (worker,) = queue_admin.workers()
        assert (worker.queue, worker.host, worker.pid, worker.version) == (
            "content",
            "attic",
            77,
            "0.1.0+1a2b3c4",
        )
        assert (worker.service, worker.threads) == ("huey_content", 4)
        assert worker.started_at is not None
        assert worker.seen_at is not None
        assert (worker.started_at.timestamp(), worker.seen_at.timestamp()) == (
            1_800_000_000.0,
            1_800_000_100.5,
        )
        (running,) = worker.running
        assert (running.task, running.task_id, running.arguments) == (
            "build_content",
            message.id,
            f"'{row}'",
        )
        assert running.since is not None
        assert running.since.timestamp() == 1_800_000_050.0
        (held,) = queue_admin.messages("content", HELD).items
        assert held.at == running.since

    @pytest.mark.parametrize(
        "info",
        [
            "",
            "no json",
            "[]",
            '{"pid": "many", "running": 7}',
            '{"running": [{"id": "1", "since": 1e400}]}',
        ],
    )
    def test_one_that_says_nothing_that_can_be_read_is_unknown(self, info: str) -> None:
        content_queue.storage.enqueue(content_queue.serialize_task(build_content.s("7")))
        claimed()
        content_queue.storage.heartbeat(ALIVE, info=info)
        (worker,) = queue_admin.workers()
        assert (worker.host, worker.pid, worker.version, worker.threads, worker.started_at) == (
            None,
        ) * 5
        assert worker.seen_at is not None
        assert [(running.arguments, running.since) for running in worker.running] == [("'7'", None)]

    def test_without_workers_there_are_none(self) -> None:
        assert queue_admin.workers() == []
        assert state_of().workers == 0

    def test_what_a_consumer_says_can_be_read(self) -> None:
        content_queue.begin(3)
        content_queue.storage.heartbeat(ALIVE, info=content_queue.info())
        (worker,) = queue_admin.workers()
        assert (worker.threads, worker.running) == (3, [])
        assert worker.version
        assert worker.service == "all"


@pytest.mark.usefixtures("paused")
class TestRevoking:
    def test_a_roadmap_whose_plan_waits_is_cancelled_and_does_not_come_back(
        self, small: Small
    ) -> None:
        roadmap_id = accepted()
        id_ = sent(plan_roadmap, str(roadmap_id))
        queue_admin.revoke("content", id_)
        assert (ids(READY), the(Roadmap, roadmap_id).status) == ([], "cancelled")
        assert events_of(roadmap_id)[-1][0] == "roadmap.cancelled"
        clock.travel(LONG)
        assert rescue.overdue(0) == []
        queue_admin.resume("content")
        assert small.asked == []

    def test_a_plan_that_is_being_made_is_lost_to_its_worker(self, small: Small) -> None:
        roadmap_id = accepted()
        with transaction():
            token = leases.claim(leases.PLANNING, roadmap_id)
        assert token is not None
        assert plan_job.stop(roadmap_id, STOPPED) == []
        with pytest.raises(LeaseLost), transaction():
            leases.save(Roadmap, roadmap_id, token, title="too late")
        assert the(Roadmap, roadmap_id).status == "cancelled"

    def test_a_message_of_a_roadmap_that_is_planned_already_is_removed_and_the_roadmap_stays(
        self, small: Small
    ) -> None:
        roadmap_id, _ = planned(small)
        late = sent(plan_roadmap, str(roadmap_id))
        queue_admin.revoke("content", late)
        assert late not in ids(READY)
        assert the(Roadmap, roadmap_id).status == "building"
        queue_admin.resume("content")
        assert the(Roadmap, roadmap_id).status == "ready"

    def test_one_part_is_cancelled_and_the_others_are_written(self, small: Small) -> None:
        roadmap_id, waiting = planned(small)
        content_id = content_id_of(waiting[0])
        queue_admin.revoke("content", waiting[0])
        row = the(Content, content_id)
        assert (row.status, row.error, row.lease_token) == (
            "cancelled",
            "Stopped by an operator.",
            None,
        )
        kind, found = events_of(roadmap_id)[-1]
        assert (kind, found["reason"], found["kind"]) == ("content.failed", STOPPED, row.kind)
        assert (found["ready"], found["failed"], found["total"]) == (0, 1, CONTENTS)
        queue_admin.resume("content")
        clock.travel(LONG)
        assert rescue.overdue(0) == []
        assert content_queue.drain() == 0
        roadmap = the(Roadmap, roadmap_id)
        assert (roadmap.status, roadmap.contents_ready, roadmap.contents_failed) == (
            "partial",
            CONTENTS - 1,
            1,
        )
        assert len(small.asked) == 1 + CONTENTS - 1

    def test_with_its_last_part_a_roadmap_ends(self, small: Small) -> None:
        roadmap_id, waiting = planned(small)
        for id_ in waiting:
            assert the(Roadmap, roadmap_id).status == "building"
            queue_admin.revoke("content", id_)
        for id_ in ids(READY):  # the quizzes, whose tutorials have ended
            queue_admin.revoke("content", id_)
        row = the(Roadmap, roadmap_id)
        assert (row.status, row.contents_failed) == ("cancelled", CONTENTS)
        assert [kind for kind, _ in events_of(roadmap_id)][-1] == "roadmap.cancelled"
        commands.retry(LOCAL_OWNER, roadmap_id)  # its owner may want it nevertheless
        assert the(Roadmap, roadmap_id).status == "building"

    def test_a_part_that_is_being_written_is_lost_to_its_worker(self, small: Small) -> None:
        _, waiting = planned(small)
        content_id = content_id_of(waiting[0])
        with transaction():
            token = leases.claim(leases.BUILDING, content_id)
        assert token is not None
        content_queue.storage.resume()  # and nothing is run here
        claimed()
        queue_admin.revoke("content", waiting[0])
        with pytest.raises(LeaseLost), transaction():
            leases.release(Content, content_id, token, status="ready")
        assert the(Content, content_id).status == "cancelled"
        assert ids(HELD) == [waiting[0]]  # until its worker is done with it

    def test_a_wish_for_another_version_ends_and_the_one_that_is_there_stays(
        self, small: Small
    ) -> None:
        roadmap_id = accepted()
        queue_admin.resume("content")
        dispatcher.enqueue(plan_job.plan(roadmap_id, small))
        with session():
            row = Content.get(Content.roadmap == roadmap_id, Content.kind == "quiz")
        queue_admin.pause("content")
        dispatcher.enqueue(
            commands.regenerate(LOCAL_OWNER, roadmap_id, row.concept_id, "quiz", "harder").steps
        )
        queue_admin.revoke("content", ids(READY)[0])
        after = the(Content, row.id)
        assert (after.status, after.version, after.instruction, after.error) == (
            "ready",
            1,
            "",
            STOPPED,
        )
        assert the(Roadmap, roadmap_id).status == "ready"

    def test_a_message_of_a_part_that_is_written_already_is_removed_and_the_part_stays(
        self, small: Small
    ) -> None:
        roadmap_id = accepted()
        queue_admin.resume("content")
        dispatcher.enqueue(plan_job.plan(roadmap_id, small))
        with session():
            row = Content.get(Content.roadmap == roadmap_id)
        queue_admin.pause("content")
        before = events_of(roadmap_id)
        queue_admin.revoke("content", sent(build_content, str(row.id)))
        assert ids(READY) == []
        assert (the(Content, row.id).status, events_of(roadmap_id)) == ("ready", before)

    def test_a_part_that_is_written_while_others_are_not_stays_as_well(self, small: Small) -> None:
        roadmap_id, waiting = planned(small)
        content_id = content_id_of(waiting[0])
        content_job.build_content(content_id, small)
        before = events_of(roadmap_id)
        queue_admin.revoke("content", waiting[0])
        assert waiting[0] not in ids(READY)
        assert (the(Content, content_id).status, events_of(roadmap_id)) == ("ready", before)
        assert the(Roadmap, roadmap_id).last_seq == len(before)

    def test_a_delivery_to_a_webhook_is_given_up(self) -> None:
        webhook, delivery = self.delivery()
        id_ = sent(deliver_webhook, str(delivery), eta=clock.now() + LONG)
        queue_admin.revoke("content", id_)
        row = the(WebhookDelivery, delivery)
        assert (row.status, row.error, ids(SCHEDULED)) == ("failed", STOPPED, [])
        assert row.finished_at is not None
        assert the(Webhook, webhook).disabled_at is None
        clock.travel(LONG)
        assert rescue.overdue(0) == []

    def test_a_delivery_that_is_being_sent_is_lost_to_its_worker(self) -> None:
        _, delivery = self.delivery()
        with transaction():
            token = leases.claim(leases.DELIVERING, delivery)
        assert token is not None
        assert sender.stop(delivery, STOPPED) == []
        with pytest.raises(LeaseLost), transaction():
            leases.release(WebhookDelivery, delivery, token, status="delivered")
        assert sender.deliver(delivery) == []
        assert the(WebhookDelivery, delivery).error == STOPPED

    def delivery(self) -> tuple[UUID, UUID]:
        now = clock.now()
        webhook = {
            "id": new_id(),
            "account": LOCAL_OWNER,
            "url": "http://127.0.0.1:9/",
            "events": ["roadmap.ready"],
        }
        row = events.new_delivery(webhook["id"], WebhookEvent.ready, "{}")
        with transaction():
            Webhook.insert(
                {**webhook, "secret": "whsec_", "created_at": now, "updated_at": now}
            ).execute()
            WebhookDelivery.insert(row).execute()
        return webhook["id"], row["id"]

    def test_what_keeps_everything_going_and_log_records_are_refused(self) -> None:
        queue_admin.pause("logs")
        records, upkeep = sent(store_log_batch, []), sent(rescue_again)
        with pytest.raises(Conflict, match="store_log_batch writes log records"):
            queue_admin.revoke("logs", records)
        with pytest.raises(Conflict, match="rescue_again is a periodic task"):
            queue_admin.revoke("logs", upkeep)
        assert set(ids(READY, "logs")) == {records, upkeep}

    @pytest.mark.parametrize("arguments", [(), ("seven",), ("7", "8")])
    def test_one_that_names_no_row_is_refused(self, arguments: tuple[str, ...]) -> None:
        id_ = sent(build_content, *arguments)
        with pytest.raises(Conflict, match="names no row"):
            queue_admin.revoke("content", id_)
        assert ids(READY) == [id_]

    @pytest.mark.parametrize("id_", ["", "unknown", "%", "x" * 10_000, "naïve\x00\ud83d"])
    def test_an_id_of_no_message_is_not_found(self, id_: str) -> None:
        sent(build_content, str(uuid4()))
        with pytest.raises(NotFound, match="neither waiting nor running in the content queue"):
            queue_admin.revoke("content", id_)
        assert state_of().ready == 1

    @pytest.mark.parametrize("stop", [plan_job.stop, content_job.stop, sender.stop])
    def test_a_row_that_is_gone_needs_no_stopping(self, stop: Any) -> None:
        assert stop(uuid4(), STOPPED) == []

    def test_one_behind_so_many_that_it_is_not_looked_at_is_not_called_done(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queue_admin.pause("content")
        monkeypatch.setattr(message_browser, "MOST_LOOKED_AT", 3)
        *_, last = [sent(build_content, str(uuid4())) for _ in range(4)]
        with pytest.raises(NotFound, match="too long to search"):
            queue_admin.revoke("content", last)
        assert state_of().ready == 4

    def test_one_that_was_accepted_twice_is_removed_twice(self, small: Small) -> None:
        _, waiting = planned(small)
        data = content_queue.storage.ready(0, 1)[0].data
        content_queue.storage.enqueue(data)
        queue_admin.revoke("content", waiting[0])
        assert waiting[0] not in ids(READY)
        assert state_of().ready == FIRST - 1 + 1  # its quiz

    def test_while_its_message_cannot_be_removed_what_it_is_for_is_ended_all_the_same(
        self, small: Small, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def away(data: bytes) -> bool:
            raise OSError("it went away")

        roadmap_id = accepted()
        message = sent(plan_roadmap, str(roadmap_id))
        with monkeypatch.context() as patched:
            patched.setattr(content_queue.storage, "faults", (OSError,))
            patched.setattr(content_queue.storage, "remove", away)
            queue_admin.revoke("content", message)
        assert the(Roadmap, roadmap_id).status == "cancelled"
        assert "it went away" in caplog.text
        queue_admin.revoke("content", message)
        assert ids(READY) == []

    def test_the_log_says_who_stopped_it(self, small: Small) -> None:
        roadmap_id, waiting = planned(small)
        content_id = content_id_of(waiting[0])
        queue_admin.revoke("content", waiting[0])
        execution_log.buffer.flush()
        with session():
            query = ExecutionLog.select().where(
                ExecutionLog.roadmap_id == roadmap_id, ExecutionLog.message == STOPPED
            )
            (record,) = list(query)
        assert (record.level, record.concept_id) == ("warning", the(Content, content_id).concept_id)
