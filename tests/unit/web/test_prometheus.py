"""Scraped metrics: every count is there, is right, and needs the token."""

import re
import uuid
from datetime import timedelta
from typing import Any

import peewee
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pydantic import SecretStr
from starlette.testclient import TestClient

from core import clock, metric_counters
from core.db import database, settings, transaction
from core.errors import Unavailable
from core.metric_definitions import METRICS, MODEL_COST, REQUESTS, TASK_SECONDS, TASKS
from models.records import MetricValue
from roadmap.operations.execution_log import buffer, record
from roadmap.operations.metrics_store import saver
from tasks.queues import content_queue
from web.auth import authentication
from web.http import host_and_csrf, limits
from web.http.middleware import METHODS
from web.http.problems import NOT_A_METHOD, PROBLEMS
from web.routes import ROUTES

pytestmark = pytest.mark.usefixtures("short")

GOAL = "Become a backend engineer in Python"
TOKEN = "a-token-of-a-monitor"
STATUSES = {
    "none",
    "200",
    "201",
    "202",
    "204",
    "303",
    "304",
    *(str(kind.status) for kind in (*PROBLEMS.values(), NOT_A_METHOD)),
}

Samples = dict[tuple[str, ...], float]


def samples(client: TestClient, **headers: str) -> Samples:
    """Value by name and labels, once what was counted here is saved."""
    saver.save()
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {place(family.name, each): each.value for family in families for each in family.samples}


def place(family: str, sample: Sample) -> tuple[str, ...]:
    """Its name, and the values of its labels in the order of the table."""
    metric = METRICS.get(f"{family}_total") or METRICS[family]
    return (
        sample.name,
        *(sample.labels[label] for label in (*metric.labels, "le") if label in sample.labels),
    )


def added(before: Samples, after: Samples) -> Samples:
    return {
        key: value - before.get(key, 0)
        for key, value in after.items()
        if value != before.get(key, 0)
    }


def refuse(**_: Any) -> bool:
    raise peewee.OperationalError("the database is away")


def test_queues_and_log_records_are_counted(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(
        "test", "step", "the first"
    )  # its number covers the records that earlier tests have numbered and not stored
    buffer.flush()
    clock.travel(
        timedelta(minutes=2)
    )  # what they have left behind counts as missing by now, and not in between
    before = samples(client)
    for queue in ("logs", "content"):
        for state in ("ready", "held", "scheduled", "dead"):
            assert before["roadmap_queue_messages", queue, state] == 0

    content_queue.storage.enqueue(b"garbage")
    assert content_queue.drain() == 0
    with monkeypatch.context() as away:
        away.setattr(
            buffer, "sink", None
        )  # what is recorded waits, and not for the timer of this process
        record("test", "step", "counted")
        between = samples(client)
    assert (
        sum(value for key, value in between.items() if key[0] == "roadmap_log_buffer_waiting") == 1
    )
    buffer.flush()

    after = samples(client)
    assert after["roadmap_queue_messages", "content", "dead"] == 1
    assert (
        after["roadmap_log_records_accepted_total",]
        == before.get(("roadmap_log_records_accepted_total",), 0) + 1
    )
    assert after["roadmap_log_records", "stored"] == before["roadmap_log_records", "stored"] + 1
    assert after["roadmap_log_records", "missing"] == before["roadmap_log_records", "missing"]


def test_every_metric_of_the_table_is_there_with_its_kind_and_meaning(client: TestClient) -> None:
    client.get("/metrics")
    saver.save()
    output = {
        family.name: family
        for family in text_string_to_metric_families(client.get("/metrics").text)
    }
    assert set(output) == {name.removesuffix("_total") for name in METRICS}
    for name, metric in METRICS.items():
        family = output[name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind.value, metric.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample
    assert output["roadmap_dependency_up"].samples
    assert output["roadmap_build_info"].samples[0].labels["version"]


class TestRequests:
    def test_every_answer_is_counted_by_its_route_and_never_by_its_path(
        self, client: TestClient
    ) -> None:
        before = samples(client)
        for path in ("/health", "/health", "/roadmaps/no-id-at-all", "/nowhere/1", "/nowhere/2"):
            client.get(path)
        client.put("/health", content=b"")
        client.request("BREW", "/health")
        client.post("/api/v1/roadmaps", content=b"{", headers={"Content-Type": "application/json"})
        counted = {
            key[1:]: value
            for key, value in added(before, samples(client)).items()
            if key[0] == "roadmap_http_requests_total"
        }
        assert counted == {
            ("/health", "GET", "200"): 2,
            ("/roadmaps/{roadmap_id}", "GET", "404"): 1,
            ("unmatched", "GET", "404"): 2,
            ("unmatched", "PUT", "405"): 1,
            ("unmatched", "other", "405"): 1,
            ("/api/v1/roadmaps", "POST", "400"): 1,
            ("/metrics", "GET", "200"): 1,  # the one before
        }

    def test_requests_to_every_route_have_labels_of_their_own(self, client: TestClient) -> None:
        """A stranger can ask every path with every method; later faults must still be seen."""
        there = {(method, route.path) for route in ROUTES for method in route.methods or ()}
        assert len(there) * len(STATUSES) < METRICS[REQUESTS].most  # however they are answered
        before = samples(client)
        for path in sorted(
            {re.sub(r"{\w+}", str(uuid.UUID(int=7)), route.path) for route in ROUTES}
        ):
            for method in (*METHODS, "BREW"):
                client.request(method, path, headers={"Host": "elsewhere.example.org"})
        found = {(key[2], key[1]) for key in added(before, samples(client)) if key[0] == REQUESTS}
        assert len(found) > 200
        assert found <= there | {(method, "unmatched") for method in (*METHODS, "other")}

    def test_how_long_they_took_is_a_histogram_with_a_count_for_each(
        self, client: TestClient
    ) -> None:
        before = samples(client)
        client.get("/health")
        client.get("/health")
        new = added(before, samples(client))
        name, place = "roadmap_http_request_duration_seconds", ("probe",)
        # Two, and the request of the samples before
        assert new[f"{name}_count", *place] == 3
        assert new[f"{name}_bucket", *place, "+Inf"] == 3
        assert 0 < new[f"{name}_sum", *place] < 2

    def test_a_slow_answer_is_counted_for_its_route(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("web.http.middleware.SLOW", 0.0)
        before = samples(client)
        client.get("/health/live")
        new = added(before, samples(client))
        assert new["roadmap_http_slow_requests_total", "/health/live", "GET"] == 1

    def test_after_a_request_to_every_route_the_samples_are_few(self, client: TestClient) -> None:
        saver.save()
        with transaction():
            MetricValue.delete().execute()
        for route in ROUTES:
            path = re.sub(r"{\w+}", str(uuid.UUID(int=7)), route.path)
            for method in sorted(route.methods or ()):
                client.request(method, path)
        assert len(samples(client)) <= 600

    def test_an_unexpected_error_counts_as_500(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise LookupError("as the test wants it")

        before = samples(client)
        monkeypatch.setattr("web.api.health.check_brokers", fail)
        assert client.get("/health/ready").status_code == 500
        assert (
            added(before, samples(client))[
                "roadmap_http_requests_total", "/health/ready", "GET", "500"
            ]
            == 1
        )

    def test_a_stream_counts_when_it_begins_and_is_not_timed(self, client: TestClient) -> None:
        path = client.post("/api/v1/roadmaps", json={"goal": GOAL}).headers["location"]
        before = samples(client)
        assert client.get(f"{path}/events").headers["content-type"].startswith("text/event-stream")
        after = samples(client)
        new = {
            key: value
            for key, value in added(before, after).items()
            if "/api/v1/roadmaps/{roadmap_id}/events" in key
        }
        assert new == {
            ("roadmap_http_requests_total", "/api/v1/roadmaps/{roadmap_id}/events", "GET", "200"): 1
        }
        assert (
            sum(value for key, value in after.items() if key[0] == "roadmap_http_open_streams") == 0
        )


def test_tasks_are_counted_with_their_durations(client: TestClient) -> None:
    before = samples(client)
    client.post("/api/v1/roadmaps", json={"goal": GOAL})
    new = added(before, samples(client))
    assert new[TASKS, "content", "plan_roadmap", "done"] == 1
    built = new[TASKS, "content", "build_content", "done"]
    assert built == 9
    assert new[f"{TASK_SECONDS}_count", "content", "build_content"] == built
    bounds = [
        float(key[-1])
        for key in new
        if key[:3] == (f"{TASK_SECONDS}_bucket", "content", "build_content")
    ]
    assert bounds == sorted(bounds)
    assert len(bounds) <= 20  # Prometheus need not know every one


def test_a_large_count_loses_nothing(client: TestClient) -> None:
    before = samples(client)
    metric_counters.count(MODEL_COST, 12_345_678.000001, model="m", currency="USD")
    metric_counters.count(MODEL_COST, 0.000001, model="m", currency="USD")
    assert samples(client)[MODEL_COST, "m", "USD"] - before.get(
        (MODEL_COST, "m", "USD"), 0
    ) == pytest.approx(12_345_678.000002, abs=1e-7)


def test_openmetrics_are_sent_on_request(client: TestClient) -> None:
    saver.save()
    answer = client.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    assert {family.name for family in openmetrics_families(answer.text)} == {
        name.removesuffix("_total") for name in METRICS
    }


class TestAway:
    def test_without_the_database_it_tells_so_and_what_it_has(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.get("/health")
        assert samples(client)["roadmap_dependency_up", "database"] == 1
        with monkeypatch.context() as patch:
            patch.setattr(database.obj, "connect", refuse)
            answer = client.get("/metrics")
        assert answer.status_code == 200
        assert 'roadmap_dependency_up{dependency="database"} 0.0\n' in answer.text
        assert 'roadmap_dependency_up{dependency="broker"} 1.0\n' in answer.text
        assert "\nroadmap_process_resident_memory_bytes{" in answer.text
        assert (
            "\nroadmap_http_requests_total{" not in answer.text
        )  # fewer than before would look like a new beginning

    def test_without_the_broker_it_tells_so_and_what_it_has(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away() -> None:
            raise Unavailable("The broker does not respond. Try again later.")

        monkeypatch.setattr("web.operations.prometheus.queue_states", away)
        found = samples(client)
        assert (
            found["roadmap_dependency_up", "broker"],
            found["roadmap_dependency_up", "database"],
        ) == (0, 1)
        assert [key for key in found if key[0] == "roadmap_queue_messages"] == []
        assert found["roadmap_log_records", "stored"] >= 0


class TestWhoMayRead:
    @pytest.fixture(params=["with a token", "without"])
    def server_mode(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
        """As with PostgreSQL and Redis; whether METRICS_TOKEN is set."""
        has_token = request.param == "with a token"
        changed = {"database_url": SecretStr("postgresql://127.0.0.1/unused")}
        mine = settings.model_copy(
            update={**changed, "metrics_token": SecretStr(TOKEN) if has_token else None}
        )
        for module in (authentication, limits, host_and_csrf):
            monkeypatch.setattr(module, "settings", mine)
        return has_token

    def ask(self, client: TestClient, authorization: str | bytes) -> int:
        return client.get(
            "/metrics", headers={"Authorization": authorization} if authorization else {}
        ).status_code

    def test_the_token_opens_it_and_nothing_else_does(
        self, client: TestClient, server_mode: bool
    ) -> None:
        assert self.ask(client, f"Bearer {TOKEN}") == (200 if server_mode else 401)
        assert self.ask(client, f"bearer {TOKEN}") == (200 if server_mode else 401)
        nearly = (f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN)
        for wrong in ("", "Bearer", "Bearer ", *nearly, b"Bearer \xfc"):
            assert self.ask(client, wrong) == 401, wrong

    def test_the_token_opens_nothing_else(self, client: TestClient, server_mode: bool) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for path in ("/api/v1/roadmaps", "/api/v1/auth/me", "/api/v1/invitations"):
            assert client.get(path, headers=headers).status_code == 401

    def test_readiness_tells_strangers_no_counts(
        self, client: TestClient, server_mode: bool
    ) -> None:
        assert set(client.get("/health/ready").json()) == {"status", "mode"}
