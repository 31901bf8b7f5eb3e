"""Events that become deliveries, and the jobs that send them."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core.db import database, session, transaction
from models.accounts import WebhookDelivery
from models.roadmaps import Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.context import GeneratorFault
from roadmap.generation.retry_policy import MOST_INTERRUPTIONS
from roadmap.lifecycle import commands
from roadmap.lifecycle import events as events_
from roadmap.lifecycle.making import completion, content_job, plan_job
from roadmap.plan import statuses
from roadmap.plan.edits import Rewrite
from roadmap.plan.statuses import Job, JobName
from roadmap.webhooks import sender
from roadmap.webhooks import subscriptions as settings_
from roadmap.webhooks.subscriptions import WebhookRequest
from testing.receiver import Receiver
from testing.stack import GOAL
from tests.unit.roadmap.lifecycle.designer import CHANGED, PLAN, Designer
from tests.unit.roadmap.lifecycle.test_jobs import Failing, accepted
from tests.unit.roadmap.webhooks.deliveries import (
    ALL,
    API,
    BASE,
    deliveries,
    made,
    put,
    roadmap,
    the_delivery,
)

pytestmark = pytest.mark.usefixtures("short")
HOURS = Rewrite(op="rewrite", what="concept", key="flour", hours=9)


class TestTelling:
    def test_events_of_a_roadmap_are_sent_from_its_outline_to_its_end(
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

    def test_the_number_in_a_delivery_is_that_of_the_event(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver)
        roadmap_id = UUID(roadmap(client))
        found = [got.verified(webhook["secret"]) for got in receiver.got]
        by_number = {event.seq: event.type for event in events_.events_after(roadmap_id, 0)}
        assert [by_number[each["data"]["seq"]] for each in found] == [
            each["type"] for each in found
        ]

    def test_a_review_and_a_cancellation_are_sent(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        webhook = made(client, receiver)
        roadmap_id = roadmap(client, review=True)
        client.post(f"{API}/roadmaps/{roadmap_id}/cancel")
        found = [got.verified(webhook["secret"]) for got in receiver.got]
        assert [each["type"] for each in found] == [
            "roadmap.outlined",
            "roadmap.awaiting_review",
            "roadmap.cancelled",
        ]
        assert found[-1]["data"]["reason"]

    def test_what_is_sent_is_as_the_description_says(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        path = client.post(BASE, json={"url": receiver.url}).headers["location"]
        client.post(f"{API}/roadmaps", json={"goal": GOAL})
        client.post(f"{path}/test")
        *found, test = (got.body for got in receiver.got)
        assert [events_.RoadmapMessage.model_validate_json(body).type for body in found] == [
            "roadmap.outlined",
            "roadmap.ready",
        ]
        assert events_.TestMessage.model_validate_json(test).data.message
        for body, model in ((found[-1], events_.RoadmapMessage), (test, events_.TestMessage)):
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

    def test_the_longest_payload_is_below_twenty_kilobytes(
        self, client: TestClient, receiver: Receiver
    ) -> None:
        made(client, receiver)
        roadmap_id = UUID(roadmap(client))
        with transaction():
            row = events_.bump(roadmap_id, title="\U0001f600" * 200)
            events_.append(row, statuses.EventType.failed, {"reason": "\U0001f600" * 100_000})
            (longest,) = WebhookDelivery.select().where(WebhookDelivery.event == "roadmap.failed")
        assert 8_000 < len(longest.payload.encode()) < 20_000

    def test_only_wanted_events_are_sent_and_none_while_disabled(
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
        assert set(ALL) <= set(statuses.EventType)

    def test_an_event_for_webhooks_cannot_pass_by_them(self, client: TestClient) -> None:
        roadmap_id = UUID(roadmap(client))
        for kind in set(statuses.EventType) & set(ALL):
            with pytest.raises(AssertionError), transaction():
                events_.bump_and_append(roadmap_id, statuses.EventType(kind), {})

    def test_nothing_is_sent_of_what_is_not_committed(
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


class RecordedDeliveries:
    """Runs jobs to their end with the given generator, and keeps those of webhooks."""

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
    """A writer of an event returns the step that delivers it: rescue would find it only later."""

    pytestmark = pytest.mark.usefixtures("immediate")

    @pytest.fixture(autouse=True)
    def by_a_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The designer of these tests writes everything."""
        monkeypatch.setattr("roadmap.generation.generator.has_model", lambda: True)

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
        found = RecordedDeliveries(Failing(of, GeneratorFault("It cannot.", lasting=True)))
        found.made()
        assert found.events() == expected

    def test_of_one_of_which_nothing_could_be_written(self) -> None:
        found = RecordedDeliveries(Designer(PLAN))
        found.generator.failing = lambda brief: True
        found.made()
        assert found.events() == ["outlined", "failed"]

    def test_of_one_whose_worker_died_too_often(self) -> None:
        found = RecordedDeliveries(Designer(PLAN))
        roadmap_id = accepted()
        with transaction():
            Roadmap.update(interruptions=MOST_INTERRUPTIONS).where(
                Roadmap.id == roadmap_id
            ).execute()
        found.follow([Job(JobName.plan_roadmap, roadmap_id)])
        assert found.events() == ["failed"]

    def test_of_a_review_with_changes_and_their_cancellation(self) -> None:
        found = RecordedDeliveries(Designer(PLAN, CHANGED))
        roadmap_id = found.made(review=True)
        commands.revise(LOCAL_OWNER, roadmap_id, "More, please.")
        found.follow(commands.cancel(LOCAL_OWNER, roadmap_id).steps)  # goes back to the review
        found.follow(commands.revise(LOCAL_OWNER, roadmap_id, "More, please.").steps)
        found.follow(commands.edit(LOCAL_OWNER, roadmap_id, [HOURS], None).steps)
        found.follow(commands.approve(LOCAL_OWNER, roadmap_id, None).steps)
        assert found.events() == ["outlined", *["awaiting_review"] * 4, "ready"]

    def test_of_a_revision_that_fails(self) -> None:
        found = RecordedDeliveries(Designer(PLAN, GeneratorFault("It cannot.", lasting=True)))
        roadmap_id = found.made()
        found.follow(commands.revise(LOCAL_OWNER, roadmap_id, "More, please.").steps)
        assert found.events() == ["outlined", "ready", "ready"]

    def test_each_later_change_makes_it_ready_again(self) -> None:
        found = RecordedDeliveries(Designer(PLAN))
        roadmap_id = found.made()
        found.follow(
            commands.edit(LOCAL_OWNER, roadmap_id, [HOURS], None).steps
        )  # nothing is to be written for it
        found.follow(commands.restore(LOCAL_OWNER, roadmap_id, 1).steps)
        assert found.events() == ["outlined", "ready", "ready", "ready"]

    def test_of_what_is_cancelled_and_taken_up_again(self) -> None:
        found = RecordedDeliveries(Designer(PLAN))
        roadmap_id = found.made(review=True)
        found.follow(commands.cancel(LOCAL_OWNER, roadmap_id).steps)
        found.follow(commands.retry(LOCAL_OWNER, roadmap_id).steps)
        found.follow(commands.approve(LOCAL_OWNER, roadmap_id, None).steps)
        assert found.events() == [
            "outlined",
            "awaiting_review",
            "cancelled",
            "awaiting_review",
            "ready",
        ]
