"""Webhooks: what is told, how it is signed, how often it is tried, and when a webhook is given up."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks import WebhookVerificationError
from starlette.testclient import TestClient

from core import clock
from core.db import database, session, settings, transaction
from core.ids import new_id
from models.accounts import Account
from models.roadmaps import Roadmap
from models.webhooks import Webhook, WebhookDelivery
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.context import GeneratorFault
from roadmap.generation.retry_policy import MOST_INTERRUPTIONS
from roadmap.lifecycle import commands, completion, content_job, leases, plan_job, rescue
from roadmap.lifecycle import events as events_
from roadmap.plan import event_types
from roadmap.plan.edits import Rewrite
from roadmap.plan.event_types import WebhookEvent
from roadmap.plan.jobs import Job, JobName
from roadmap.webhooks import sender
from roadmap.webhooks import subscriptions as settings_
from roadmap.webhooks.sender import MOST_TRIES, RETRY_DELAYS
from roadmap.webhooks.subscriptions import WebhookRequest
from tasks import upkeep
from tasks.queues import content_queue
from tests.cases import try_each
from tests.receiver import Receiver, gate, raw, receiving, silence, status
from tests.stack import GOAL
from tests.unit.roadmap.lifecycle.test_commands import CHANGED, PLAN, Designer
from tests.unit.roadmap.lifecycle.test_jobs import LEASE_OVER, LONG, Failing, accepted
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("short")

API = "/api/v1"
BASE = f"{API}/webhooks"
ALL = [str(event) for event in WebhookEvent]
HOURS = Rewrite(op="rewrite", what="concept", key="flour", hours=9)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender.random, "uniform", lambda low, high: low)


def made(client: TestClient, receiver: Receiver, **more: Any) -> dict[str, Any]:
    answer = client.post(BASE, json={"url": receiver.url, **more})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{BASE}/{document['id']}"
    return document


def roadmap(client: TestClient, **more: Any) -> str:
    answer = client.post(f"{API}/roadmaps", json={"goal": GOAL, "level": "advanced", **more})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def deliveries(client: TestClient, webhook: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"{BASE}/{webhook['id']}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def the_delivery(client: TestClient, webhook: dict[str, Any]) -> dict[str, Any]:
    (one,) = deliveries(client, webhook)
    return one


def webhook_of(client: TestClient, webhook: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = client.get(f"{BASE}/{webhook['id']}").json()
    return document


def put(client: TestClient, webhook: dict[str, Any], **changes: Any) -> dict[str, Any]:
    wanted = {name: webhook[name] for name in ("url", "events", "description", "enabled")}
    answer = client.put(f"{BASE}/{webhook['id']}", json={**wanted, **changes})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def after(seconds: float) -> int:
    """Move the clock, and let run what is due then."""
    clock.travel(timedelta(seconds=seconds))
    return content_queue.drain()


def waiting_delivery(
    receiver: Receiver, url: str = "", owner: UUID = LOCAL_OWNER
) -> tuple[UUID, UUID]:
    """A webhook and a delivery that waits for it, with no message that says so."""
    webhook = settings_.create(owner, WebhookRequest(url=url or receiver.url))
    row = events_.new_delivery(webhook.id, WebhookEvent.ready, '{"type":"roadmap.ready"}')
    with transaction():
        WebhookDelivery.insert(row).execute()
    return webhook.id, row["id"]


def an_account() -> UUID:
    id_ = new_id()
    fields = {
        "id": id_,
        "email": f"{id_.hex}@example.org",
        "name": "",
        "password_hash": "",
        "created_at": clock.now(),
    }
    with transaction():
        Account.insert(**fields).execute()
    return id_


def row_of(delivery_id: UUID) -> WebhookDelivery:
    with session():
        row: WebhookDelivery = WebhookDelivery.get_by_id(delivery_id)
    return row


class TestTelling:
    def test_a_roadmap_that_is_made_is_told_from_its_outline_to_its_end(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver)
        roadmap_id = roadmap(client)
        first, last = (got.verified(webhook["secret"]) for got in receiver.got)
        assert (first["type"], last["type"]) == ("roadmap.outlined", "roadmap.ready")
        tree = client.get(f"{API}/roadmaps/{roadmap_id}").json()
        total = tree["progress"]["total"]
        assert first["data"] == {
            **{
                "roadmap_id": roadmap_id,
                "seq": 5,
                "title": tree["title"],
                "status": "building",
                "revision": 1,
            },
            **{
                "progress": {"ready": 0, "failed": 0, "total": total},
                "path": f"/api/v1/roadmaps/{roadmap_id}",
            },
        }
        assert last["data"]["status"] == "ready"
        assert last["data"]["progress"] == {"ready": total, "failed": 0, "total": total}
        assert "reason" not in last["data"]
        assert datetime.fromisoformat(last["timestamp"]).utcoffset() == timedelta()
        assert client.get(last["data"]["path"]).status_code == 200

    def test_the_number_that_is_told_is_that_of_the_event(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver)
        roadmap_id = UUID(roadmap(client))
        told = [got.verified(webhook["secret"]) for got in receiver.got]
        by_number = {event.seq: event.type for event in events_.events_after(roadmap_id, 0)}
        assert [by_number[each["data"]["seq"]] for each in told] == [each["type"] for each in told]

    def test_a_review_and_a_cancellation_are_told(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver)
        roadmap_id = roadmap(client, review=True)
        client.post(f"{API}/roadmaps/{roadmap_id}/cancel")
        told = [got.verified(webhook["secret"]) for got in receiver.got]
        assert [each["type"] for each in told] == [
            "roadmap.outlined",
            "roadmap.awaiting_review",
            "roadmap.cancelled",
        ]
        assert told[-1]["data"]["reason"]

    def test_what_is_sent_is_as_the_description_says(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        path = client.post(BASE, json={"url": receiver.url}).headers["location"]
        client.post(f"{API}/roadmaps", json={"goal": GOAL})
        client.post(f"{path}/test")
        *told, test = (got.body for got in receiver.got)
        assert [events_.RoadmapMessage.model_validate_json(body).type for body in told] == [
            "roadmap.outlined",
            "roadmap.ready",
        ]
        assert events_.TestMessage.model_validate_json(test).data.message
        for body, model in ((told[-1], events_.RoadmapMessage), (test, events_.TestMessage)):
            assert set(json.loads(body)) == set(model.model_fields)

    def test_what_is_sent_is_compact_and_as_it_is_kept(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        (got,) = receiver.got
        kept = client.get(
            f"{BASE}/{webhook['id']}/deliveries/{the_delivery(client, webhook)['id']}"
        ).json()
        assert got.body.decode() == kept["payload"]
        assert got.body.decode() == json.dumps(
            json.loads(got.body), ensure_ascii=False, separators=(",", ":")
        )
        assert got.path == "/hook"
        assert got.headers["content-type"] == "application/json"
        assert got.headers["user-agent"] == sender.USER_AGENT
        assert got.id == kept["id"]

    def test_the_longest_that_can_be_told_is_below_twenty_kilobytes(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        made(client, receiver)
        roadmap_id = UUID(roadmap(client))
        with transaction():
            row = events_.bump(roadmap_id, title="\U0001f600" * 200)
            events_.append(row, event_types.EventType.failed, {"reason": "\U0001f600" * 100_000})
            (longest,) = WebhookDelivery.select().where(WebhookDelivery.event == "roadmap.failed")
        assert 8_000 < len(longest.payload.encode()) < 20_000

    def test_only_what_is_wanted_is_told_and_nothing_while_disabled(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        wants_end = made(
            client, receiver, events=["roadmap.failed", "roadmap.ready", "roadmap.ready"]
        )
        disabled = made(client, receiver)
        put(client, disabled, enabled=False)
        roadmap(client)
        assert [json.loads(got.body)["type"] for got in receiver.got] == ["roadmap.ready"]
        assert wants_end["events"] == ["roadmap.ready", "roadmap.failed"]
        assert deliveries(client, disabled) == []

    def test_each_webhook_gets_a_message_of_its_own(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        one, other = (made(client, receiver, events=["roadmap.ready"]) for _ in range(2))
        roadmap(client)
        assert len({got.id for got in receiver.got}) == 2
        by_id = {got.id: got for got in receiver.got}
        for webhook in (one, other):
            by_id[the_delivery(client, webhook)["id"]].verified(webhook["secret"])

    def test_the_events_that_are_offered_are_events(self) -> None:
        assert set(ALL) <= set(event_types.EventType)

    def test_an_event_that_webhooks_are_told_of_cannot_pass_by_them(
        self, client: TestClient
    ) -> None:
        roadmap_id = UUID(roadmap(client))
        for kind in set(event_types.EventType) & set(ALL):
            with pytest.raises(AssertionError), transaction():
                events_.bump_and_append(roadmap_id, event_types.EventType(kind), {})

    def test_nothing_is_told_of_what_is_not_committed(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver)
        roadmap_id = UUID(roadmap(client))
        before = deliveries(client, webhook)

        def finish_and_fail() -> None:
            with transaction():
                assert len(completion.finish(roadmap_id, completion.RoadmapStatus.failed)) == 1
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            finish_and_fail()
        assert deliveries(client, webhook) == before

    def test_without_webhooks_an_offered_event_costs_one_query_and_a_content_none(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        execute = database.obj.execute_sql

        def noting(sql: str, *args: Any, **options: Any) -> Any:
            asked.append(sql)
            return execute(sql, *args, **options)

        monkeypatch.setattr(database.obj, "execute_sql", noting)
        roadmap(client)
        monkeypatch.undo()
        assert len([sql for sql in asked if "webhook" in sql]) == 2  # outlined, ready


class Told:
    """Follows steps to their end, with the given generator, and keeps those that are for webhooks."""

    def __init__(self, generator: Any) -> None:
        self.generator = generator
        self.ids: list[UUID] = []
        settings_.create(LOCAL_OWNER, WebhookRequest(url="http://127.0.0.1:1024/"))

    def made(self, **fields: Any) -> UUID:
        roadmap_id = accepted(**fields)
        self.follow([Job(JobName.plan_roadmap, roadmap_id)])
        return roadmap_id

    def follow(self, steps: list[Job]) -> None:
        waiting = list(steps)
        while waiting:
            step = waiting.pop(0)
            if step.name == JobName.deliver_webhook:
                self.ids.append(step.id)
            elif step.name == JobName.plan_roadmap:
                waiting += plan_job.plan(step.id, self.generator)
            else:
                waiting += content_job.build_content(step.id, self.generator)

    def events(self) -> list[str]:
        """In the order in which they were written; each of them has to have its step."""
        with session():
            found = list(WebhookDelivery.select().order_by(WebhookDelivery.id))
        assert sorted(row.id for row in found) == sorted(self.ids)
        return [row.event.removeprefix("roadmap.") for row in found]


class TestSteps:
    """Whatever writes an event returns the step that delivers it: rescue would find it only later."""

    pytestmark = pytest.mark.usefixtures("immediate")

    @pytest.mark.parametrize(
        ("of", "expected"),
        [
            ("outline", ["failed"]),
            ("tutorial", ["outlined", "partial"]),
            ("", ["failed"]),
            ("nothing", ["outlined", "ready"]),
        ],
    )
    def test_of_a_roadmap_that_is_made_or_not(self, of: str, expected: list[str]) -> None:
        told = Told(Failing(of, GeneratorFault("It cannot.", lasting=True)))
        told.made()
        assert told.events() == expected

    def test_of_one_of_which_nothing_could_be_written(self) -> None:
        told = Told(Designer(PLAN))
        told.generator.failing = lambda brief: True
        told.made()
        assert told.events() == ["outlined", "failed"]

    def test_of_one_whose_worker_died_too_often(self) -> None:
        told = Told(Designer(PLAN))
        roadmap_id = accepted()
        with transaction():
            Roadmap.update(interruptions=MOST_INTERRUPTIONS).where(
                Roadmap.id == roadmap_id
            ).execute()
        told.follow([Job(JobName.plan_roadmap, roadmap_id)])
        assert told.events() == ["failed"]

    def test_of_a_review_with_changes_and_their_cancellation(self) -> None:
        told = Told(Designer(PLAN, CHANGED))
        roadmap_id = told.made(review=True)
        commands.revise(LOCAL_OWNER, roadmap_id, "More, please.")
        told.follow(commands.cancel(LOCAL_OWNER, roadmap_id).steps)  # goes back to the review
        told.follow(commands.revise(LOCAL_OWNER, roadmap_id, "More, please.").steps)
        told.follow(commands.edit(LOCAL_OWNER, roadmap_id, [HOURS], None).steps)
        told.follow(commands.approve(LOCAL_OWNER, roadmap_id, None).steps)
        assert told.events() == ["outlined", *["awaiting_review"] * 4, "ready"]

    def test_of_a_revision_that_fails(self) -> None:
        told = Told(Designer(PLAN, GeneratorFault("It cannot.", lasting=True)))
        roadmap_id = told.made()
        told.follow(commands.revise(LOCAL_OWNER, roadmap_id, "More, please.").steps)
        assert told.events() == ["outlined", "ready", "ready"]

    def test_of_what_is_changed_when_it_is_finished(self) -> None:
        told = Told(Designer(PLAN))
        roadmap_id = told.made()
        told.follow(
            commands.edit(LOCAL_OWNER, roadmap_id, [HOURS], None).steps
        )  # nothing is to be written for it
        told.follow(commands.restore(LOCAL_OWNER, roadmap_id, 1).steps)
        assert told.events() == ["outlined", "ready", "ready", "ready"]

    def test_of_what_is_cancelled_and_taken_up_again(self) -> None:
        told = Told(Designer(PLAN))
        roadmap_id = told.made(review=True)
        told.follow(commands.cancel(LOCAL_OWNER, roadmap_id).steps)
        told.follow(commands.retry(LOCAL_OWNER, roadmap_id).steps)
        told.follow(commands.approve(LOCAL_OWNER, roadmap_id, None).steps)
        assert told.events() == [
            "outlined",
            "awaiting_review",
            "cancelled",
            "awaiting_review",
            "ready",
        ]


class TestSigning:
    def test_after_a_rotation_both_secrets_verify_for_a_day_and_then_the_new_one_alone(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver)
        rotated = client.post(f"{BASE}/{webhook['id']}/secret").json()
        assert rotated["secret"] != webhook["secret"]
        client.post(f"{BASE}/{webhook['id']}/test")
        for secret in (webhook["secret"], rotated["secret"]):
            receiver.got[0].verified(secret)
        clock.travel(sender.SHARED_SECRET)
        client.post(f"{BASE}/{webhook['id']}/test")
        assert len(receiver.got[0].headers["webhook-signature"].split()) == 2
        assert len(receiver.got[1].headers["webhook-signature"].split()) == 1
        with pytest.raises(WebhookVerificationError):
            receiver.got[0].verified("whsec_" + "A" * 43 + "=")

    def test_a_secret_is_32_random_bytes_and_told_when_it_is_made_only(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook, other = made(client, receiver), made(client, receiver)
        secret = webhook["secret"]
        assert secret.startswith("whsec_")
        assert len(sender.base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
        assert secret != other["secret"]
        put(client, webhook, description="mine")
        client.post(f"{BASE}/{webhook['id']}/test")
        where = f"{BASE}/{webhook['id']}"
        places = (
            BASE,
            where,
            f"{where}/deliveries",
            f"{where}/deliveries/{the_delivery(client, webhook)['id']}",
        )
        for path in places:
            assert "whsec_" not in client.get(path).text
        assert secret.removeprefix("whsec_") not in "".join(map(str, receiver.got))

    def test_each_try_has_the_same_id_and_a_time_of_its_own(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(500), status(500), status(200))
        made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        for pause in RETRY_DELAYS[:2]:
            after(pause)
        assert len({got.id for got in receiver.got}) == 1
        assert len({got.body for got in receiver.got}) == 1
        times = [int(got.headers["webhook-timestamp"]) for got in receiver.got]
        assert times[1] - times[0] in (5, 6)
        assert times[2] - times[1] in (300, 301)
        assert len({got.headers["webhook-signature"] for got in receiver.got}) == 3


class TestTries:
    def test_the_schedule_is_that_of_the_specification(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(500))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        minute, hour = 60, 3600
        pauses = (
            5,
            5 * minute,
            30 * minute,
            2 * hour,
            5 * hour,
            10 * hour,
            14 * hour,
            20 * hour,
            24 * hour,
        )
        for number, pause in enumerate(pauses, start=1):
            assert len(receiver.got) == number
            assert the_delivery(client, webhook)["attempts"] == number
            assert after(pause - 2) == 0
            assert after(2) == 1
        assert len(receiver.got) == MOST_TRIES == 10
        ended = the_delivery(client, webhook)
        assert (ended["status"], ended["response_status"], ended["next_try_at"]) == (
            "failed",
            500,
            None,
        )
        assert after(1_000_000) == 0

    def test_pauses_differ_by_up_to_a_tenth(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tried = sender.DeliveryAttempt(500, "", 1)
        monkeypatch.undo()
        pauses = [sender.retry_delay(1, tried) for _ in range(200)]
        assert len(set(pauses)) > 100
        assert min(pauses) >= 5
        assert max(pauses) <= 5.5

    @pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
    def test_every_2xx_is_a_success(
        self, client: TestClient, receiver: Receiver, code: int
    ) -> None:
        receiver.answer_from_now_on(status(code))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        told = the_delivery(client, webhook)
        assert (told["status"], told["response_status"], told["error"]) == ("delivered", code, "")
        assert told["finished_at"]
        assert told["duration_ms"] is not None

    @pytest.mark.parametrize("code", [301, 302, 304, 307, 400, 401, 404, 409, 429, 500, 503])
    def test_everything_else_is_tried_again_and_says_which_status_it_was(
        self, client: TestClient, receiver: Receiver, code: int
    ) -> None:
        receiver.answer_from_now_on(status(code, Location=receiver.url + "/elsewhere"), status(200))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        told = the_delivery(client, webhook)
        assert (told["status"], told["response_status"]) == ("pending", code)
        assert f"status {code}" in told["error"]
        assert told["next_try_at"]
        after(RETRY_DELAYS[0])
        told = the_delivery(client, webhook)
        assert (told["status"], told["error"], told["attempts"]) == ("delivered", "", 2)
        assert {got.path for got in receiver.got} == {"/hook"}

    def test_no_answer_is_tried_again(self, client: TestClient, receiver: Receiver) -> None:
        receiver.answer_from_now_on(raw(), status(200))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        told = the_delivery(client, webhook)
        assert (told["status"], told["response_status"]) == ("pending", None)
        assert "before an answer" in told["error"]
        after(RETRY_DELAYS[0])
        assert the_delivery(client, webhook)["status"] == "delivered"

    @pytest.mark.parametrize(
        ("code", "asked", "expected"),
        [
            (429, "60", 60),
            (503, "60", 60),
            (503, "1", 5),
            (429, "86400", 300),
            (500, "60", 5),
            (503, "soon", 5),
        ],
    )
    def test_a_receiver_may_ask_for_a_longer_pause_up_to_the_one_behind(
        self, client: TestClient, receiver: Receiver, code: int, asked: str, expected: int
    ) -> None:
        receiver.answer_from_now_on(status(code, Retry_After=asked), status(200))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        assert after(expected - 1) == 0
        assert after(1) == 1
        assert the_delivery(client, webhook)["status"] == "delivered"

    def test_gone_disables_the_webhook_at_once_and_ends_what_waits(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(500), status(410))
        webhook = made(client, receiver)
        roadmap(client)
        first, last = reversed(deliveries(client, webhook))
        assert (first["status"], last["status"], last["response_status"]) == (
            "failed",
            "failed",
            410,
        )
        assert "410" in first["error"]
        disabled = webhook_of(client, webhook)
        assert not disabled["enabled"]
        assert "410" in disabled["disabled_reason"]
        roadmap(client)
        assert after(1_000_000) == 0 or len(receiver.got) == 2
        assert len(receiver.got) == 2

    def test_a_webhook_to_which_nothing_was_delivered_is_disabled_with_the_last_try(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(500))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        for pause in RETRY_DELAYS:
            assert webhook_of(client, webhook)["enabled"]
            after(pause)
        disabled = webhook_of(client, webhook)
        assert not disabled["enabled"]
        assert "days" in disabled["disabled_reason"]
        assert disabled["disabled_at"]

    def test_one_that_heard_something_meanwhile_is_not(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(500))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        receiver.answer_from_now_on(status(200), status(500))
        client.post(f"{BASE}/{webhook['id']}/test")
        for pause in RETRY_DELAYS:
            after(pause)
        assert [each["status"] for each in deliveries(client, webhook)] == ["delivered", "failed"]
        assert webhook_of(client, webhook)["enabled"]

    def test_who_disables_it_ends_what_waits_and_who_enables_it_does_not_begin_it_again(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(500))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        put(client, webhook, enabled=False)
        told = the_delivery(client, webhook)
        assert (told["status"], told["error"]) == ("failed", "Its owner has disabled it.")
        assert put(client, webhook, enabled=True)["disabled_reason"] == ""
        after(RETRY_DELAYS[0])
        assert len(receiver.got) == 1

    def test_one_that_was_disabled_while_it_was_written_is_not_sent(
        self, receiver: Receiver, immediate: None
    ) -> None:
        webhook_id, delivery_id = waiting_delivery(receiver)
        with transaction():
            Webhook.update(disabled_at=clock.now(), disabled_reason="Gone.").where(
                Webhook.id == webhook_id
            ).execute()
        assert sender.deliver(delivery_id) == []
        assert receiver.got == []
        assert (row_of(delivery_id).status, row_of(delivery_id).error) == ("failed", "Gone.")

    @pytest.mark.parametrize(("code", "expected"), [(500, "failed"), (200, "delivered")])
    def test_one_that_is_being_sent_when_it_is_disabled_is_not_tried_again(
        self, receiver: Receiver, immediate: None, code: int, expected: str
    ) -> None:
        opened = threading.Event()
        receiver.answer_from_now_on(gate(opened, status(code)))
        webhook_id, delivery_id = waiting_delivery(receiver)
        steps: list[Any] = []
        thread = threading.Thread(target=lambda: steps.append(sender.deliver(delivery_id)))
        thread.start()
        wait_until(lambda: receiver.got, reason="it is sent")
        with transaction():
            events_.disable(webhook_id, "Gone.")
        opened.set()
        thread.join()
        assert steps == [[]]
        assert row_of(delivery_id).status == expected

    def test_what_waits_goes_to_the_address_that_is_right_now(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(500), status(200))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        put(client, webhook, url=receiver.url + "/new")
        after(RETRY_DELAYS[0])
        assert [got.path for got in receiver.got] == ["/hook", "/hook/new"]

    def test_with_its_webhook_a_delivery_goes(self, client: TestClient, receiver: Receiver) -> None:
        receiver.answer_from_now_on(status(500))
        webhook = made(client, receiver)
        roadmap(client)
        assert client.delete(f"{BASE}/{webhook['id']}").status_code == 204
        after(RETRY_DELAYS[0])
        with session():
            assert WebhookDelivery.select().count() == 0
        assert len(receiver.got) == 2

    def test_a_test_is_tried_once_and_disables_nothing(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(500))
        webhook = made(client, receiver)
        answer = client.post(f"{BASE}/{webhook['id']}/test")
        assert answer.status_code == 202
        assert client.get(answer.headers["location"]).json()["status"] == "failed"
        told = receiver.got[0].verified(webhook["secret"])
        assert told["type"] == "webhook.test"
        assert told["data"]["webhook_id"] == webhook["id"]
        assert webhook_of(client, webhook)["enabled"]
        assert after(1_000_000) == 0

    def test_retrying_sends_the_same_message_with_all_its_tries_before_it(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(500))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        where = f"{BASE}/{webhook['id']}/deliveries/{the_delivery(client, webhook)['id']}/retry"
        assert client.post(where).status_code == 409  # it is tried anyway
        for pause in RETRY_DELAYS:
            after(pause)
        assert client.post(where).status_code == 409  # its webhook is disabled
        put(client, webhook, enabled=True)
        receiver.answer_from_now_on(status(503), status(200))
        answer = client.post(where)
        assert answer.status_code == 202
        assert answer.headers["location"] == where.removesuffix("/retry")
        assert the_delivery(client, webhook)["attempts"] == 1
        after(RETRY_DELAYS[0])
        assert the_delivery(client, webhook)["status"] == "delivered"
        assert len({got.id for got in receiver.got}) == 1


class TestLeases:
    pytestmark = pytest.mark.usefixtures("immediate")

    def test_no_connection_of_the_database_is_held_while_a_receiver_thinks(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, delivery_id = waiting_delivery(receiver)
        free, post = [], sender.safe_http.post

        def ask(*given: Any, **how: Any) -> Any:
            free.append(database.is_closed())
            return post(*given, **how)

        monkeypatch.setattr(sender.safe_http, "post", ask)
        sender.deliver(delivery_id)
        assert (len(receiver.got), free) == (1, [True])

    def test_two_workers_send_it_once(self, receiver: Receiver) -> None:
        opened = threading.Event()
        receiver.answer_from_now_on(gate(opened, status(204)))
        _, delivery_id = waiting_delivery(receiver)
        first = threading.Thread(target=sender.deliver, args=[delivery_id])
        first.start()
        wait_until(lambda: receiver.got, reason="the first has sent it")
        (step,) = sender.deliver(delivery_id)
        assert (step.name, step.id) == (JobName.deliver_webhook, delivery_id)
        assert step.delay > 0
        opened.set()
        first.join()
        assert len(receiver.got) == 1
        assert row_of(delivery_id).status == "delivered"
        assert sender.deliver(delivery_id) == []

    def test_one_whose_message_was_lost_is_rescued(self, receiver: Receiver) -> None:
        _, delivery_id = waiting_delivery(receiver)
        clock.travel(-LONG)
        assert rescue.overdue() == []
        clock.travel(2 * LONG)
        assert rescue.overdue() == [Job(JobName.deliver_webhook, delivery_id)]
        assert rescue.overdue() == []

    def test_one_that_waits_for_its_next_try_is_not_rescued_before(
        self, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(500))
        _, delivery_id = waiting_delivery(receiver)
        clock.travel(LONG)
        for pause in RETRY_DELAYS[:3]:
            (step,) = sender.deliver(delivery_id)
            assert step.delay == pause
            clock.travel(timedelta(seconds=pause) - timedelta(seconds=1))
            assert rescue.overdue() == []
            clock.travel(timedelta(seconds=1))
        clock.travel(LONG)
        assert rescue.overdue() == [Job(JobName.deliver_webhook, delivery_id)]

    def test_a_message_that_is_there_twice_shortens_no_pause(self, receiver: Receiver) -> None:
        receiver.answer_from_now_on(status(500), status(200))
        _, delivery_id = waiting_delivery(receiver)
        (step,) = sender.deliver(delivery_id)
        assert sender.deliver(delivery_id) == []
        row = row_of(delivery_id)
        assert (row.status, row.attempts, len(receiver.got)) == ("pending", 1, 1)
        clock.travel(timedelta(seconds=step.delay))
        assert sender.deliver(delivery_id) == []
        assert (row_of(delivery_id).status, len(receiver.got)) == ("delivered", 2)

    def test_a_secret_that_signs_no_more_is_forgotten(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        path = client.post(BASE, json={"url": receiver.url}).headers["location"]
        client.post(f"{path}/secret")
        for passed, is_kept in ((timedelta(hours=23), True), (timedelta(hours=2), False)):
            clock.travel(passed)
            settings_.purge_expired()
            with session():
                assert bool(Webhook.get().previous_secret) == is_kept

    def test_one_whose_network_is_closed_can_still_be_disabled(
        self, client: TestClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = client.post(BASE, json={"url": receiver.url}).headers["location"]
        monkeypatch.setattr(settings_, "settings", SimpleNamespace(receivers=()))
        change = {"url": receiver.url, "events": ALL, "enabled": True}
        refused = client.put(path, json=change)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/url")
        assert client.put(path, json={**change, "enabled": False}).json()["enabled"] is False
        assert (
            client.put(
                path, json={**change, "url": "https://127.0.0.1/", "enabled": False}
            ).status_code
            == 422
        )
        form = {"enabled": "no"}
        where = path.removeprefix(API) + "/enabled"
        assert (
            client.post(
                where, data=form, headers={"Accept": "text/html"}, follow_redirects=False
            ).status_code
            == 303
        )

    def test_one_whose_worker_died_is_rescued_and_sent_again_under_its_id(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, delivery_id = waiting_delivery(receiver)

        class Killed(BaseException):
            pass

        def die(*_: Any) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(sender, "retry_save", die)
            with pytest.raises(Killed):
                sender.deliver(delivery_id)
        assert row_of(delivery_id).status == "delivering"
        clock.travel(LONG)
        assert rescue.overdue() == [Job(JobName.deliver_webhook, delivery_id)]
        sender.deliver(delivery_id)  # leaves a challenge
        clock.travel(LEASE_OVER)
        sender.deliver(delivery_id)
        assert [got.id for got in receiver.got] == [str(delivery_id)] * 2
        row = row_of(delivery_id)
        assert (row.status, row.attempts, row.interruptions) == ("delivered", 1, 1)

    def test_one_over_which_workers_die_again_and_again_is_given_up_and_its_webhook_is_not(
        self, receiver: Receiver
    ) -> None:
        webhook_id, delivery_id = waiting_delivery(receiver)
        with transaction():
            WebhookDelivery.update(interruptions=MOST_INTERRUPTIONS).where(
                WebhookDelivery.id == delivery_id
            ).execute()
        assert sender.deliver(delivery_id) == []
        assert receiver.got == []
        assert (row_of(delivery_id).status, row_of(delivery_id).error) == (
            "failed",
            sender.DIED,
        )
        assert settings_.read(LOCAL_OWNER, webhook_id).enabled

    def test_a_lease_that_is_lost_saves_nothing(self, receiver: Receiver) -> None:
        opened = threading.Event()
        receiver.answer_from_now_on(gate(opened, status(204)))
        webhook_id, delivery_id = waiting_delivery(receiver)
        steps: list[Any] = []
        thread = threading.Thread(target=lambda: steps.append(sender.deliver(delivery_id)))
        thread.start()
        wait_until(lambda: receiver.got, reason="it is sent")
        settings_.delete(LOCAL_OWNER, webhook_id)
        opened.set()
        thread.join()
        assert steps == [[]]

    def test_leases_are_handed_back_at_a_stop(self, receiver: Receiver) -> None:
        opened = threading.Event()
        receiver.answer_from_now_on(gate(opened, status(204)))
        _, delivery_id = waiting_delivery(receiver)
        thread = threading.Thread(target=sender.deliver, args=[delivery_id])
        thread.start()
        wait_until(lambda: receiver.got, reason="it is sent")
        assert leases.keeper.hand_back() == 1
        assert (row_of(delivery_id).status, row_of(delivery_id).attempts) == ("pending", 0)
        opened.set()
        thread.join()


class TestLanes:
    pytestmark = pytest.mark.usefixtures("immediate")

    def test_half_of_the_workers_may_deliver_and_at_least_one(self) -> None:
        assert max(1, settings.content_workers // 2) == sender.AT_ONCE == 2

    def test_slow_receivers_take_no_more_than_their_share_and_the_others_come_back_later(
        self,
    ) -> None:
        opened = threading.Event()
        with receiving(gate(opened, status(204))) as receiver:
            waiting = [
                waiting_delivery(receiver, owner=an_account())[1] for _ in range(sender.AT_ONCE + 1)
            ]
            threads = [threading.Thread(target=sender.deliver, args=[id_]) for id_ in waiting[:-1]]
            for thread in threads:
                thread.start()
            wait_until(lambda: len(receiver.got) == len(threads), reason="as many run as may")
            clock.travel(LONG)
            (step,) = sender.deliver(waiting[-1])
            assert 0 < step.delay <= sender.COME_BACK[1]
            row = row_of(waiting[-1])
            assert (row.status, row.attempts) == ("pending", 0)
            assert row.due_at > clock.now()
            opened.set()
            for thread in threads:
                thread.join()
            assert sender.deliver(waiting[-1]) == []
            assert row_of(waiting[-1]).status == "delivered"

    def test_one_account_keeps_half_of_the_slots_however_many_receivers_it_has(self) -> None:
        opened = threading.Event()
        with receiving(gate(opened, status(204))) as receiver:
            first, second = (waiting_delivery(receiver)[1] for _ in range(2))
            other = waiting_delivery(receiver, owner=an_account())[1]
            threads = [
                threading.Thread(target=sender.deliver, args=[id_]) for id_ in (first, other)
            ]
            threads[0].start()
            wait_until(lambda: receiver.got, reason="the first is being sent")
            (step,) = sender.deliver(second)
            assert (step.id, row_of(second).attempts) == (second, 0)
            threads[1].start()
            wait_until(
                lambda: len(receiver.got) == 2, reason="that of another account is not held up"
            )
            opened.set()
            for thread in threads:
                thread.join()

    def test_a_message_too_many_shortens_no_pause_however_busy_the_slots_are(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with receiving(status(500)) as receiver:
            waiting = waiting_delivery(receiver)[1]
            (step,) = sender.deliver(waiting)
            due = row_of(waiting).due_at
            with ExitStack() as busy:
                for _ in range(sender.AT_ONCE):
                    busy.enter_context(sender.slots.enter())
                assert sender.deliver(waiting) == []
            assert (step.delay, row_of(waiting).due_at) == (5, due)

    def test_one_receiver_is_told_one_thing_after_the_other(self, receiver: Receiver) -> None:
        opened = threading.Event()
        receiver.answer_from_now_on(gate(opened, status(204)))
        webhook_id, first = waiting_delivery(receiver)
        row = events_.new_delivery(webhook_id, WebhookEvent.ready, "{}")
        with transaction():
            WebhookDelivery.insert(row).execute()
        thread = threading.Thread(target=sender.deliver, args=[first])
        thread.start()
        wait_until(lambda: receiver.got, reason="the first is being sent")
        (step,) = sender.deliver(row["id"])
        assert step.delay > 0
        assert row_of(row["id"]).attempts == 0
        opened.set()
        thread.join()
        assert sender.deliver(row["id"]) == []
        assert len(receiver.got) == 2

    def test_a_lane_is_free_again_whatever_happened_in_it(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(sender.safe_http, "post", fail)
            for _ in range(3):
                with pytest.raises(ZeroDivisionError):
                    sender.deliver(waiting_delivery(receiver)[1])
        _, delivery_id = waiting_delivery(receiver)
        assert sender.deliver(delivery_id) == []
        assert row_of(delivery_id).status == "delivered"


class TestManaging:
    def test_a_part_of_it_is_changed_by_a_merge_patch(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver, description="Ours", events=["roadmap.ready"])
        path, merge = f"{BASE}/{webhook['id']}", {"Content-Type": "application/merge-patch+json"}
        told = client.get(path).json()
        for patch in (
            {"enabled": False},
            {"description": None},
            {"events": ["roadmap.failed", "roadmap.ready"], "enabled": True},
            {},
        ):
            answer = client.patch(path, json=patch, headers=merge)
            assert answer.status_code == 200, answer.text
            told |= {**patch, "description": patch.get("description", told["description"]) or ""}
            kept = ("url", "description", "enabled")
            assert {name: answer.json()[name] for name in kept} == {
                name: told[name] for name in kept
            }
            assert set(answer.json()["events"]) == set(told["events"])
            assert answer.json() == client.get(path).json()
        before = client.get(path).json()
        for wrong in (
            {"url": None},
            {"url": "ftp://example.org"},
            {"events": []},
            {"events": None},
            {"enabled": None},
            {"secret": "x"},
        ):
            refused = client.patch(path, json=wrong, headers=merge)
            assert refused.status_code == 422, wrong
            assert refused.json()["errors"][0]["pointer"].startswith(f"#/{next(iter(wrong))}")
        assert [client.patch(path).status_code, client.patch(path, headers=merge).status_code] == [
            415,
            400,
        ]
        assert client.get(path).json() == before

    def test_what_is_made_is_read_changed_and_deleted(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver, description="mine")
        assert webhook["events"] == ALL
        assert webhook["enabled"]
        shown = {
            name: value
            for name, value in webhook.items()
            if name not in ("secret", "previous_secret_until")
        }
        assert webhook_of(client, webhook) == shown
        assert client.get(BASE).json() == {"items": [shown]}
        changed = put(client, webhook, events=["roadmap.failed"], description="")
        assert (changed["events"], changed["description"], changed["enabled"]) == (
            ["roadmap.failed"],
            "",
            True,
        )
        assert changed["updated_at"] > webhook["updated_at"]
        assert client.delete(f"{BASE}/{webhook['id']}").status_code == 204
        assert client.get(f"{BASE}/{webhook['id']}").status_code == 404
        assert client.delete(f"{BASE}/{webhook['id']}").status_code == 404

    def test_ten_are_enough(self, client: TestClient, receiver: Receiver) -> None:
        for _ in range(settings_.MOST_WEBHOOKS):
            made(client, receiver)
        answer = client.post(BASE, json={"url": receiver.url})
        assert answer.status_code == 409
        assert len(client.get(BASE).json()["items"]) == 10

    @try_each(
        ("body", "pointer"),
        [
            ({}, "#/url"),
            ({"url": "https://example.org", "events": []}, "#/events"),
            ({"url": "https://example.org", "events": ["roadmap.made"]}, "#/events/0"),
            ({"url": "https://example.org", "events": ["webhook.test"]}, "#/events/0"),
            ({"url": "https://example.org", "secret": "mine"}, "#/secret"),
            ({"url": "https://example.org", "description": "a\nb"}, "#/description"),
            ({"url": "https://example.org/" + "a" * 500}, "#/url"),
            ({"url": "ftp://example.org"}, "#/url"),
        ],
    )
    def test_what_does_not_fit_is_named(
        self, client: TestClient, body: dict[str, Any], pointer: str
    ) -> None:
        answer = client.post(BASE, json=body)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]

    def test_the_log_is_read_page_by_page_and_by_status(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        receiver.answer_from_now_on(status(200), status(500), status(200))
        webhook = made(client, receiver)
        for _ in range(3):
            client.post(f"{BASE}/{webhook['id']}/test")
        assert [each["status"] for each in deliveries(client, webhook)] == [
            "delivered",
            "failed",
            "delivered",
        ]
        assert [each["status"] for each in deliveries(client, webhook, status="failed")] == [
            "failed"
        ]
        first = client.get(
            f"{BASE}/{webhook['id']}/deliveries", params={"limit": 2, "status": "delivered"}
        )
        assert first.json()["next_cursor"] is None
        first = client.get(f"{BASE}/{webhook['id']}/deliveries", params={"limit": 2})
        path, _, rel = first.headers["link"].partition(";")
        rest = client.get(path.strip("<>"))
        assert rel == ' rel="next"'
        assert rest.json()["next_cursor"] is None
        assert len({each["id"] for each in [*first.json()["items"], *rest.json()["items"]]}) == 3

    def test_a_second_test_waits_for_the_first(self, receiver: Receiver, immediate: None) -> None:
        webhook = settings_.create(LOCAL_OWNER, WebhookRequest(url=receiver.url))
        settings_.test(LOCAL_OWNER, webhook.id)
        with pytest.raises(settings_.Conflict):
            settings_.test(LOCAL_OWNER, webhook.id)

    def test_beyond_so_many_that_wait_nothing_is_sent_and_everything_is_written_down(
        self, client: TestClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (events_, settings_):
            monkeypatch.setattr(module, "MOST_WAITING", 1)
        receiver.answer_from_now_on(status(500))
        webhook = made(client, receiver)
        roadmap(client)
        last, first = deliveries(client, webhook)
        assert (first["status"], first["event"]) == ("pending", "roadmap.outlined")
        assert (last["status"], last["event"], last["attempts"]) == ("failed", "roadmap.ready", 0)
        assert "waiting already" in last["error"]
        where = f"{BASE}/{webhook['id']}"
        assert client.post(f"{where}/test").status_code == 429
        assert client.post(f"{where}/deliveries/{last['id']}/retry").status_code == 429
        receiver.answer_from_now_on(status(200))
        after(RETRY_DELAYS[0])
        assert client.post(f"{where}/deliveries/{last['id']}/retry").status_code == 202
        assert [each["status"] for each in deliveries(client, webhook)] == [
            "delivered",
            "delivered",
        ]

    def test_what_ended_a_month_ago_is_forgotten_and_nothing_else(
        self, client: TestClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settings_, "AT_ONCE", 2)
        webhook = made(client, receiver)
        for _ in range(5):
            client.post(f"{BASE}/{webhook['id']}/test")
        receiver.answer_from_now_on(status(500))
        roadmap(client)
        clock.travel(settings_.KEPT - timedelta(minutes=1))
        client.post(f"{BASE}/{webhook['id']}/test")
        upkeep.rescue_overdue.call_local()
        assert len(deliveries(client, webhook)) == 8
        clock.travel(timedelta(minutes=2))
        upkeep.rescue_overdue.call_local()
        assert [each["status"] for each in deliveries(client, webhook)] == [
            "failed",
            "pending",
            "pending",
        ]

    def test_a_receiver_that_is_silent_is_given_up_in_time(
        self, client: TestClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            sender.safe_http.post,
            "__kwdefaults__",
            {**sender.safe_http.post.__kwdefaults__, "limit": 0.3},
        )
        receiver.answer_from_now_on(silence)
        webhook = made(client, receiver)
        client.post(f"{BASE}/{webhook['id']}/test")
        told = the_delivery(client, webhook)
        assert (told["status"], told["response_status"]) == ("failed", None)
        assert "in time" in told["error"]
        assert 300 <= told["duration_ms"] < 5000
