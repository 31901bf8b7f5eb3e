"""Webhooks that are created and changed."""

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from core import clock
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.lifecycle import events as events_
from roadmap.webhooks import sender
from roadmap.webhooks import subscriptions as settings_
from roadmap.webhooks.sender import RETRY_DELAYS
from roadmap.webhooks.subscriptions import WebhookRequest
from tasks import upkeep
from testing.receiver import Receiver, silence, status
from tests.cases import try_each
from tests.unit.roadmap.webhooks.deliveries import (
    ALL,
    BASE,
    after,
    deliveries,
    made,
    put,
    roadmap,
    the_delivery,
    webhook_of,
)

pytestmark = pytest.mark.usefixtures("short")


class TestManaging:
    def test_a_part_of_it_is_changed_by_a_merge_patch(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver, description="Ours", events=["roadmap.ready"])
        path, merge = f"{BASE}/{webhook['id']}", {"Content-Type": "application/merge-patch+json"}
        body = client.get(path).json()
        for patch in (
            {"enabled": False},
            {"description": None},
            {"events": ["roadmap.failed", "roadmap.ready"], "enabled": True},
            {},
        ):
            answer = client.patch(path, json=patch, headers=merge)
            assert answer.status_code == 200, answer.text
            body |= {**patch, "description": patch.get("description", body["description"]) or ""}
            kept = ("url", "description", "enabled")
            assert {name: answer.json()[name] for name in kept} == {
                name: body[name] for name in kept
            }
            assert set(answer.json()["events"]) == set(body["events"])
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
        assert "already waiting" in last["error"]
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
        found = the_delivery(client, webhook)
        assert (found["status"], found["response_status"]) == ("failed", None)
        assert "in time" in found["error"]
        assert 300 <= found["duration_ms"] < 5000
