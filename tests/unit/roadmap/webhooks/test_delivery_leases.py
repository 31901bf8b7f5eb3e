"""Leases of deliveries, and concurrency limits."""

import threading
from contextlib import ExitStack
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import database, session, settings, transaction
from core.ids import new_id
from models.accounts import Account, Webhook, WebhookDelivery
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.retry_policy import MOST_INTERRUPTIONS
from roadmap.lifecycle import events as events_
from roadmap.lifecycle.making import leases, rescue
from roadmap.plan.statuses import Job, JobName, WebhookEvent
from roadmap.webhooks import sender
from roadmap.webhooks import subscriptions as settings_
from roadmap.webhooks.sender import RETRY_DELAYS
from testing.receiver import Receiver, gate, receiving, status
from testing.waiting import wait_until
from tests.unit.roadmap.lifecycle.test_jobs import LEASE_OVER, LONG
from tests.unit.roadmap.webhooks.deliveries import (
    ALL,
    API,
    BASE,
    being_sent,
    row_of,
    waiting_delivery,
)

pytestmark = pytest.mark.usefixtures("short")


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
        _, delivery_id = waiting_delivery(receiver)
        with being_sent(receiver, delivery_id):
            (step,) = sender.deliver(delivery_id)
            assert (step.name, step.id) == (JobName.deliver_webhook, delivery_id)
            assert step.delay > 0
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
        webhook_id, delivery_id = waiting_delivery(receiver)
        with being_sent(receiver, delivery_id) as steps:
            settings_.delete(LOCAL_OWNER, webhook_id)
        assert steps == []

    def test_leases_are_handed_back_at_a_stop(self, receiver: Receiver) -> None:
        _, delivery_id = waiting_delivery(receiver)
        with being_sent(receiver, delivery_id):
            assert leases.keeper.hand_back() == 1
            assert (row_of(delivery_id).status, row_of(delivery_id).attempts) == ("pending", 0)


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
            before = clock.now()
            (step,) = sender.deliver(waiting[-1])
            assert 0 < step.delay <= sender.COME_BACK[1]
            row = row_of(waiting[-1])
            assert (row.status, row.attempts) == ("pending", 0)
            assert row.due_at > before
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

    def test_one_receiver_gets_one_delivery_after_the_other(self, receiver: Receiver) -> None:
        webhook_id, first = waiting_delivery(receiver)
        row = events_.new_delivery(webhook_id, WebhookEvent.ready, "{}")
        with transaction():
            WebhookDelivery.insert(row).execute()
        with being_sent(receiver, first):
            (step,) = sender.deliver(row["id"])
            assert step.delay > 0
            assert row_of(row["id"]).attempts == 0
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
