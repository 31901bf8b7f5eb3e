"""Faults against real processes: what was accepted is finished, and its effects happen once."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Postgres, Redis
from tests.stack import GOAL, ROOT, Service, Stack, embedded_stack, running, server_stack
from tests.waiting import wait_until

ROADMAPS = 5  # enough of a backlog that a fault strikes in the middle of it


@pytest.fixture(params=["embedded", "server"])
def fragile(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """A stack of its own in each mode, for a test to harm."""
    if request.param == "embedded":
        made = embedded_stack(tmp_path)
    else:
        made = server_stack(tmp_path, request.getfixturevalue("postgres"), request.getfixturevalue("own_broker"))
    with running(made):
        yield made


def test_a_killed_content_worker_loses_nothing_and_repeats_nothing(fragile: Stack) -> None:
    paths = [fragile.create() for _ in range(ROADMAPS)]
    wait_until(lambda: written(fragile, paths) > 20, reason="the building is under way")

    if fragile.mode == "embedded":
        fragile.content.kill()
        fragile.start()
    else:
        fragile.content.kill()
        fragile.content.start()

    for path in paths:
        assert_built_once(fragile, path)


def test_an_accepted_goal_survives_the_death_of_the_api(fragile: Stack) -> None:
    path = fragile.create()
    fragile.api.kill()
    fragile.start(fragile.api.name)
    assert_built_once(fragile, path)


def test_an_orderly_stop_hands_over_what_is_unfinished(fragile: Stack) -> None:
    paths = [fragile.create() for _ in range(ROADMAPS)]
    wait_until(lambda: written(fragile, paths) > 20, reason="the building is under way")

    assert fragile.content.stop() == 0
    if fragile.mode == "embedded":
        fragile.start()
    else:
        fragile.content.start()

    for path in paths:
        assert_built_once(fragile, path)


def test_a_worker_that_is_paused_beyond_its_heartbeat_repeats_nothing(
    tmp_path: Path, postgres: Postgres, own_broker: Redis
) -> None:
    with running(server_stack(tmp_path, postgres, own_broker)) as stack:
        paths = [stack.create() for _ in range(ROADMAPS)]
        wait_until(lambda: written(stack, paths) > 20, reason="the building is under way")
        stack.content.signal(signal.SIGSTOP)
        second = stack.services["second"] = Service("huey_content", stack.environment, tmp_path).start()
        for path in paths:
            stack.finished(path)
        stack.content.signal(signal.SIGCONT)
        for path in paths:
            assert_built_once(stack, path)
        assert second.stop() == 0


def test_without_the_broker_goals_are_accepted_and_built_when_it_is_back(
    tmp_path: Path, postgres: Postgres, own_broker: Redis
) -> None:
    with running(server_stack(tmp_path, postgres, own_broker)) as stack:
        own_broker.kill()
        path = stack.create()
        assert stack.get("/health/ready").status_code == 503
        own_broker.start()
        assert stack.finished(path, timeout=90)["status"] == "ready"


def test_a_consumer_that_starts_while_the_broker_is_away_works_when_it_is_back(
    tmp_path: Path, postgres: Postgres, own_broker: Redis
) -> None:
    with running(server_stack(tmp_path, postgres, own_broker)) as stack:
        stack.content.stop()
        own_broker.kill()
        past_its_checks = [str(Path(sys.executable).with_name("huey_consumer")), "-q", "-g", "TERM", "tasks.queues.content_queue"]
        environment = {**stack.environment, "SERVICE_TYPE": "huey_content"}
        with (tmp_path / "consumer.log").open("ab") as log:
            consumer = subprocess.Popen(past_its_checks, env=environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            said = (tmp_path / "consumer.log").read_text
            wait_until(lambda: "the broker is away" in said(), reason="the consumer misses the broker")
            own_broker.start()
            assert stack.finished(stack.create())["status"] == "ready"
            assert consumer.poll() is None
        finally:
            consumer.terminate()
            consumer.wait(30)


def test_a_hung_broker_delays_no_answer(tmp_path: Path, postgres: Postgres, own_broker: Redis) -> None:
    with running(server_stack(tmp_path, postgres, own_broker)) as stack:
        own_broker.pause()
        path = stack.create()
        assert stack.get(path).json()["status"] == "queued"
        own_broker.resume()
        assert stack.finished(path, timeout=90)["status"] == "ready"


def test_without_the_database_nothing_is_accepted_and_the_service_recovers_by_itself(
    tmp_path: Path, own_postgres: Postgres, own_broker: Redis
) -> None:
    with running(server_stack(tmp_path, own_postgres, own_broker)) as stack:
        before = stack.create()
        own_postgres.kill()

        answer = stack.post("/api/v1/roadmaps", json={"goal": GOAL})
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert stack.get(before).status_code == 503
        assert stack.get("/health/live").status_code == 200

        own_postgres.start()
        after = wait_until(lambda: accepted(stack), reason="goals are accepted again")
        assert stack.finished(after)["status"] == "ready"
        assert_built_once(stack, before)


@pytest.mark.long
def test_a_wiped_broker_loses_no_roadmap(tmp_path: Path, postgres: Postgres, own_broker: Redis) -> None:
    with running(server_stack(tmp_path, postgres, own_broker)) as stack:
        stack.content.stop()
        paths = [stack.create() for _ in range(ROADMAPS)]
        wait_until(lambda: own_broker.client().dbsize() > 3, reason="the messages are there")
        own_broker.client().flushall()
        stack.content.start()
        for path in paths:
            assert stack.finished(path, timeout=100)["status"] == "ready"


def accepted(stack: Stack) -> str:
    answer = stack.post("/api/v1/roadmaps", json={"goal": GOAL})
    return answer.headers.get("location", "") if answer.status_code == 202 else ""


def written(stack: Stack, paths: list[str]) -> int:
    return sum(stack.get(path).json()["progress"]["ready"] for path in paths)


def assert_built_once(stack: Stack, path: str) -> None:
    """Ready, every content in its first version, every event there once."""
    tree = stack.finished(path)
    assert tree["status"] == "ready"
    contents = [
        content
        for stage in tree["stages"]
        for module in stage["modules"]
        for concept in module["concepts"]
        for content in concept["contents"].values()
    ]
    assert {(content["status"], content["version"]) for content in contents} == {("ready", 1)}
    assert tree["progress"] == {"ready": len(contents), "failed": 0, "total": len(contents)}
    events = stack.events(path)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    names = [event["event"] for event in events]
    assert names.count("content.ready") == len(contents)
    assert (names.count("roadmap.outlined"), names.count("roadmap.ready"), names[-1]) == (1, 1, "roadmap.ready")
