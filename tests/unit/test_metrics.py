"""What operators scrape: every count is there, and is right."""

from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from core import clock
from roadmap.execution_log import buffer, record
from tasks.queues import content_queue

GOAL = "Become a backend engineer in Python"


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    """Value by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_queues_and_log_records_are_counted(client: TestClient) -> None:
    clock.travel(timedelta(minutes=2))  # what earlier tests have left behind counts as missing by now, and not in between
    before = samples(client)
    for queue in ("logs", "content"):
        for state in ("ready", "held", "scheduled", "dead"):
            assert before["roadmap_queue_messages", queue, state] == 0

    record("test", "step", "counted")
    content_queue.storage.enqueue(b"garbage")
    assert content_queue.drain() == 0
    assert samples(client)["roadmap_log_buffer_waiting",] == 1
    buffer.flush()

    after = samples(client)
    assert after["roadmap_queue_messages", "content", "dead"] == 1
    for state in ("accepted", "sent"):
        key = ("roadmap_log_buffer_records_total", state)
        assert after[key] == before[key] + 1
    assert after["roadmap_log_records", "stored"] == before["roadmap_log_records", "stored"] + 1
    assert after["roadmap_log_records", "missing"] == before["roadmap_log_records", "missing"]


def test_ready_tells_the_same(client: TestClient) -> None:
    client.post("/api/v1/roadmaps", json={"goal": GOAL})
    buffer.flush()
    told, counted = client.get("/health/ready").json(), samples(client)
    assert told["log_records"] == {state: counted["roadmap_log_records", state] for state in ("stored", "missing", "dropped")}
    assert told["log_records"]["stored"] > 0
    assert told["queues"]["content"]["dead"] == counted["roadmap_queue_messages", "content", "dead"]
