"""Services that run: ready lines, addresses and their end."""

import os
import signal
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from testing.stack import GOAL, PASSWORD, answer_to
from testing.waiting import wait_until
from tests.integration.conftest import SMALL
from tests.startup.processes import (
    KEY,
    READY,
    Launch,
    answers,
    await_all,
    await_nothing_left,
    await_output,
    await_ready,
    client_of,
    exit_code,
    left_of,
    long,
    messages,
    printed_lines,
)


@pytest.mark.parametrize(
    ("name", "queue", "threads"),
    [
        ("celery_logs", "logs", {"LOGS_WORKERS": "16"}),
        ("celery_content", "content", {"CONTENT_WORKERS": "16"}),
    ],
)
def test_a_consumer_starts_under_its_old_name_says_once_that_it_is_ready_and_ends_with_zero(
    launch: Launch, server: dict[str, str], name: str, queue: str, threads: dict[str, str]
) -> None:
    consumer = launch(name, **server, **threads)
    await_ready(consumer, queue)
    assert consumer.stop() == 0
    await_nothing_left(consumer)
    assert printed_lines(consumer) == [READY[queue]]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_api_is_reached_over_both_families_and_ends_with_zero(
    launch: Launch, server: dict[str, str], workers: str
) -> None:
    api = launch("api", **server, API_WORKERS=workers)
    for host in ("127.0.0.1", "[::1]"):
        wait_until(lambda host=host: answers(api, host), reason=f"{host} answers")
    assert api.stop() in (
        0,
        -signal.SIGTERM,
    )  # uvicorn, once it has drained, ends by the signal that it was sent
    await_nothing_left(api)
    assert printed_lines(api) == []


def test_the_services_of_one_instance_share_memory_and_serve_loopback_alone(
    launch: Launch,
) -> None:
    """More of a consumer's own memory is that of the process from which all are forked than not."""
    service = launch("all")
    await_all(service)
    for words in ("logs_queue", "content_queue"):
        lines = Path(f"/proc/{service.child(words)}/smaps_rollup").read_text().splitlines()[1:]
        kilobytes = {name: int(number) for name, number, _ in (line.split() for line in lines)}
        assert kilobytes["Shared_Dirty:"] > kilobytes["Private_Dirty:"], kilobytes
    assert [host for host in ("127.0.0.2", "[::1]") if answers(service, host, "/health")] == []

    assert "another instance" not in service.output
    second = launch("all")  # with the same DATA_DIR
    await_output(second, "uses DATA_DIR")
    service.stop()
    await_output(launch("all"), "uses DATA_DIR")  # beside the second one


def test_sigterm_ends_the_event_streams_of_the_api_in_order(
    launch: Launch, server: dict[str, str]
) -> None:
    api = launch("api", **server)
    wait_until(lambda: answers(api), reason="the API is ready")
    with client_of(api) as client:
        person = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
        token = client.post("/api/v1/auth/register", json=person).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        events = client.post("/api/v1/roadmaps", json={"goal": GOAL}).json()["links"]["events"]
        with client.stream("GET", events) as stream:
            lines = stream.iter_lines()
            assert "event: roadmap.queued" in lines  # reads up to it
            api.signal(signal.SIGTERM)
            list(lines)  # raises when the connection is cut
    assert exit_code(api) in (
        0,
        -signal.SIGTERM,
    )  # uvicorn, once it has drained, ends by the signal that it was sent
    assert [
        line for line in printed_lines(api) if "roadmap.security" not in line
    ] == []  # who registered is written down


def test_the_services_of_one_instance_count_each_for_itself(launch: Launch) -> None:
    """Numbered as those of one process, batches of two would be taken for repeated ones."""
    service = launch("all", METRICS_TOKEN=KEY.replace(" ", "-"))
    await_all(service)
    address = f"http://127.0.0.1:{service.environment['PORT']}"
    assert answer_to("POST", f"{address}/api/v1/roadmaps", json=SMALL).status_code == 202

    def read() -> str:
        return answer_to(
            "GET",
            f"{address}/metrics",
            headers={"Authorization": f"Bearer {KEY.replace(' ', '-')}"},
        ).text

    for counted in ('route="/api/v1/roadmaps"', 'queue="content"', 'queue="logs"'):
        wait_until(lambda counted=counted: counted in read(), reason=f"{counted} is counted")
    with closing(
        sqlite3.connect(Path(service.environment["DATA_DIR"]) / "roadmap.db")
    ) as connection:

        def sources() -> list[tuple[int, int]]:
            return connection.execute("SELECT last_seq, stored FROM log_source").fetchall()

        wait_until(
            lambda: len(sources()) >= 2,
            reason="who accepts and who makes have both written records",
        )
        assert [source for source in sources() if source[1] > source[0]] == []
        count = "SELECT count(*) FROM measured_process"
        wait_until(
            lambda: connection.execute(count).fetchall() == [(3,)],
            reason="each of them has saved its counts",
        )


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGTERM,
        signal.SIGINT,
        *(pytest.param(each, marks=long) for each in (signal.SIGQUIT, signal.SIGHUP)),
    ],
)
def test_a_signal_to_all_ends_everything_in_order(launch: Launch, how: signal.Signals) -> None:
    service = launch("all")
    await_all(service)
    service.signal(how)
    assert exit_code(service) == 0
    await_nothing_left(service)
    assert "Traceback" not in service.output
    assert "error" not in service.output


def test_a_signal_to_all_while_it_starts_ends_everything(launch: Launch) -> None:
    service = launch("all")
    wait_until(lambda: len(service.children()) >= 3, reason="the services are started")
    service.signal(signal.SIGTERM)
    assert exit_code(service) == 0
    await_nothing_left(service)


@pytest.mark.parametrize(
    "processes", [1, 2, pytest.param(3, marks=long), 4, pytest.param(5, marks=long)]
)
def test_a_signal_to_all_leaves_nothing_behind_that_has_only_just_come(
    launch: Launch, processes: int
) -> None:
    service = launch("all")
    wait_until(
        lambda: len(left_of(service)) >= processes, reason=f"{processes} processes are there"
    )
    service.signal(signal.SIGTERM)
    assert exit_code(service) in (
        0,
        128 + signal.SIGTERM,
        -signal.SIGTERM,
    )  # the last two before there is a service
    await_nothing_left(service)


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        pytest.param("uvicorn", {}, marks=long, id="api"),
        pytest.param("uvicorn", {"API_WORKERS": "2"}, id="api of two processes"),
        pytest.param("logs_queue", {}, marks=long, id="huey_logs"),  # the test above kills it, too
        pytest.param("content_queue", {"LOG_FORMAT": "json"}, id="huey_content"),
    ],
)
def test_all_ends_when_one_of_its_services_is_killed(
    launch: Launch, words: str, variables: dict[str, str]
) -> None:
    service = launch("all", **variables)
    await_all(service)
    os.kill(service.child(words), signal.SIGKILL)
    assert exit_code(service) == 1
    await_nothing_left(service)
    found = messages(service, service.environment["LOG_FORMAT"])
    assert found[-1] == "error: one of the services has ended; the others are stopped"


@pytest.mark.parametrize(
    "variables", [{}, pytest.param({"API_WORKERS": "2"}, marks=long)], ids=["one", "two"]
)
def test_all_ends_when_its_supervisor_is_killed(launch: Launch, variables: dict[str, str]) -> None:
    service = launch("all", **variables)
    await_all(service)
    os.kill(service.pid, signal.SIGKILL)
    await_nothing_left(service)
