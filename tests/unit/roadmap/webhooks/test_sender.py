"""Signatures, retries and their end."""

import pytest
from standardwebhooks import WebhookVerificationError
from starlette.testclient import TestClient

from core import clock
from core.db import session, transaction
from models.accounts import Webhook, WebhookDelivery
from roadmap.lifecycle import events as events_
from roadmap.webhooks import sender
from roadmap.webhooks.sender import MOST_TRIES, RETRY_DELAYS
from testing.receiver import Receiver, raw, status
from tests.unit.roadmap.webhooks.deliveries import (
    BASE,
    after,
    being_sent,
    deliveries,
    made,
    put,
    roadmap,
    row_of,
    the_delivery,
    waiting_delivery,
    webhook_of,
)

pytestmark = pytest.mark.usefixtures("short")


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

    def test_a_secret_is_32_random_bytes_and_shown_when_it_is_made_only(
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
        found = the_delivery(client, webhook)
        assert (found["status"], found["response_status"], found["error"]) == (
            "delivered",
            code,
            "",
        )
        assert found["finished_at"]
        assert found["duration_ms"] is not None

    @pytest.mark.parametrize("code", [301, 302, 304, 307, 400, 401, 404, 409, 429, 500, 503])
    def test_everything_else_is_tried_again_and_says_which_status_it_was(
        self, client: TestClient, receiver: Receiver, code: int
    ) -> None:
        receiver.answer_from_now_on(status(code, Location=receiver.url + "/elsewhere"), status(200))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        found = the_delivery(client, webhook)
        assert (found["status"], found["response_status"]) == ("pending", code)
        assert f"status {code}" in found["error"]
        assert found["next_try_at"]
        after(RETRY_DELAYS[0])
        found = the_delivery(client, webhook)
        assert (found["status"], found["error"], found["attempts"]) == ("delivered", "", 2)
        assert {got.path for got in receiver.got} == {"/hook"}

    def test_no_answer_is_tried_again(self, client: TestClient, receiver: Receiver) -> None:
        receiver.answer_from_now_on(raw(), status(200))
        webhook = made(client, receiver, events=["roadmap.ready"])
        roadmap(client)
        found = the_delivery(client, webhook)
        assert (found["status"], found["response_status"]) == ("pending", None)
        assert "before an answer" in found["error"]
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
        found = the_delivery(client, webhook)
        assert (found["status"], found["error"]) == ("failed", "Its owner has disabled it.")
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
        webhook_id, delivery_id = waiting_delivery(receiver)
        with being_sent(receiver, delivery_id, code) as steps, transaction():
            events_.disable(webhook_id, "Gone.")
        assert steps == []
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
        found = receiver.got[0].verified(webhook["secret"])
        assert found["type"] == "webhook.test"
        assert found["data"]["webhook_id"] == webhook["id"]
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
