"""Faults against real processes: what was accepted is finished, and its effects happen once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testing.servers import Postgres, Redis
from testing.stack import GOAL, ROOT, Stack, running, server_stack
from testing.stack_queues import queue_of
from testing.waiting import HANG, wait_until
from tests.cases import SERVER_IN_SHORT
from tests.chaos.checks import (
    CONTENT,
    accepted,
    assert_built_once,
    assert_unavailable,
    restart,
    start_second,
    written,
)

ROADMAPS = 5  # enough of a backlog that a fault strikes in the middle of it


def test_a_killed_content_worker_loses_nothing_and_repeats_nothing(fragile: Stack) -> None:
    paths = [fragile.create() for _ in range(ROADMAPS)]
    wait_until(lambda: written(fragile, paths) > 20, reason="the building is under way")

    fragile.content.kill()
    restart(fragile)

    for path in paths:
        assert_built_once(fragile, path)


@pytest.mark.parametrize("fragile", SERVER_IN_SHORT, indirect=True)
def test_an_accepted_goal_survives_the_death_of_the_api(fragile: Stack) -> None:
    path = fragile.create()
    fragile.api.kill()
    fragile.start(fragile.api.name)
    assert_built_once(fragile, path)


@pytest.mark.long
def test_an_orderly_stop_hands_over_what_is_unfinished(fragile: Stack) -> None:
    paths = [fragile.create() for _ in range(ROADMAPS)]
    wait_until(lambda: written(fragile, paths) > 20, reason="the building is under way")

    assert fragile.content.stop() == 0
    restart(fragile)

    for path in paths:
        assert_built_once(fragile, path)


@pytest.mark.long
def test_a_worker_that_is_paused_beyond_its_heartbeat_repeats_nothing(
    fragile_server: Stack,
) -> None:
    paths = [fragile_server.create() for _ in range(ROADMAPS)]
    wait_until(lambda: written(fragile_server, paths) > 20, reason="the building is under way")
    fragile_server.content.signal(signal.SIGSTOP)
    second = start_second(fragile_server)
    for path in paths:
        fragile_server.finished(path)
    fragile_server.content.signal(signal.SIGCONT)
    for path in paths:
        assert_built_once(fragile_server, path)
    assert second.stop() == 0


@pytest.mark.long
def test_without_the_broker_goals_are_accepted_and_built_when_it_is_back(
    fragile_server: Stack, own_broker: Redis
) -> None:
    own_broker.kill()
    path = fragile_server.create()
    assert fragile_server.get("/health/ready").status_code == 503
    own_broker.start()
    assert fragile_server.finished(path)["status"] == "ready"


@pytest.mark.long
def test_a_consumer_that_starts_while_the_broker_is_away_works_when_it_is_back(
    fragile_server: Stack, own_broker: Redis, tmp_path: Path
) -> None:
    fragile_server.content.stop()
    own_broker.kill()
    past_its_checks = [
        str(Path(sys.executable).with_name("huey_consumer")),
        "-q",
        "-g",
        "TERM",
        CONTENT,
    ]
    environment = {**fragile_server.environment, "SERVICE_TYPE": "huey_content"}
    with (tmp_path / "consumer.log").open("ab") as log:
        consumer = subprocess.Popen(
            past_its_checks, env=environment, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        output = (tmp_path / "consumer.log").read_text
        wait_until(
            lambda: "the broker is away" in output(), reason="the consumer misses the broker"
        )
        own_broker.start()
        assert fragile_server.finished(fragile_server.create())["status"] == "ready"
        assert consumer.poll() is None
    finally:
        consumer.terminate()
        consumer.wait(HANG)


@pytest.mark.long
def test_a_hung_broker_delays_no_answer(fragile_server: Stack, own_broker: Redis) -> None:
    own_broker.pause()
    path = fragile_server.create()
    assert fragile_server.get(path).json()["status"] == "queued"
    own_broker.resume()
    assert fragile_server.finished(path)["status"] == "ready"


@pytest.mark.long
def test_without_the_database_nothing_is_accepted_and_the_service_recovers_by_itself(
    tmp_path: Path, own_postgres: Postgres, own_broker: Redis
) -> None:
    with running(server_stack(tmp_path, own_postgres, own_broker)) as stack:
        before = stack.create()
        own_postgres.kill()

        assert_unavailable(stack.post("/api/v1/roadmaps", json={"goal": GOAL}))
        assert stack.get(before).status_code == 503
        assert stack.get("/health/live").status_code == 200

        own_postgres.start()
        after = accepted(stack, GOAL)
        assert stack.finished(after)["status"] == "ready"
        assert_built_once(stack, before)


@pytest.mark.long
def test_a_wiped_broker_loses_no_roadmap(fragile_server: Stack, own_broker: Redis) -> None:
    fragile_server.content.stop()
    paths = [fragile_server.create() for _ in range(ROADMAPS)]
    with queue_of(fragile_server) as queue:
        wait_until(lambda: queue.pending_count() >= ROADMAPS, reason="the messages are there")
    own_broker.client().flushall()
    fragile_server.content.start()
    for path in paths:
        assert fragile_server.finished(path)["status"] == "ready"
