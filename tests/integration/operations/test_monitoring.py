"""Counts, logs and traces of real processes.

The counts are the same whichever of several workers and replicas is asked; logs are for machines;
one trace goes through everything.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest

from core.metric_definitions import SLOW_REQUESTS
from testing.provider import MODEL, Handler
from testing.receiver import Receiver, receiving, status
from testing.search_engine import SearchEngine, searching
from testing.servers import Postgres, Redis, free_port
from testing.stack import (
    CALM,
    NO_TLS,
    Service,
    Stack,
    answer_to,
    embedded_stack,
    running,
    server_stack,
)
from testing.teacher import Teacher, teaching
from testing.waiting import HANG, wait_until
from tests.cases import SERVER_IN_SHORT
from tests.chaos.checks import rows
from tests.chaos.model import PATIENT
from tests.unit.documents.test_monitoring_page import EXPRESSIONS, names_in

SENT = 60  # requests
REQUESTS = "roadmap_http_requests_total"
RUNS = {
    "plan_roadmap done": 1,
    "build_content done": 18,
    "deliver_webhook done": 1,
}  # of a roadmap with six concepts


class Asked(Teacher):
    """Remembers of which trace it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.traceparents: list[str | None] = []

    def answer(self, handler: Handler) -> None:
        self.traceparents.append(handler.headers.get("traceparent"))
        super().answer(handler)


@pytest.fixture(scope="module")
def teacher() -> Iterator[Asked]:
    made = Asked()
    with teaching(made):
        yield made


@pytest.fixture(scope="module")
def engine() -> Iterator[SearchEngine]:
    with searching() as made:
        yield made


@pytest.fixture(scope="module", params=SERVER_IN_SHORT)
def watched(
    request: pytest.FixtureRequest,
    teacher: Asked,
    engine: SearchEngine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """The service with a model and a search engine, and an API of two processes."""
    folder = tmp_path_factory.mktemp(f"watched-{request.param}")
    environment = {
        **{
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": teacher.url,
            "OPENAI_MODEL": MODEL,
            "MODEL_PRICES": f"{MODEL}=1/2",
        },
        "SEARCH_URL": engine.url,
        **CALM,
        **PATIENT,
        "RESCUE_AFTER_SECONDS": "86400",  # what is rescued runs once more, in a trace of its own
        **{
            "API_WORKERS": "2",
            "WEBHOOK_NETWORKS": "127.0.0.0/8",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "debug",
        },
    }
    if request.param == "embedded":
        stack = embedded_stack(folder, **environment)
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        broker: Redis = request.getfixturevalue("module_broker")
        stack = server_stack(folder, postgres, broker, **environment)
    with running(stack):
        yield stack


@pytest.fixture
def replica(watched: Stack) -> Iterator[str]:
    """The address of another API beside the stack's in server mode; else that of the one."""
    if watched.mode == "embedded":
        yield watched.url
        return
    port = free_port()
    service = Service(
        "api", {**watched.environment, "PORT": str(port), "API_WORKERS": "1"}, watched.folder
    )
    service.start()
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url, service), reason="the replica answers")
        yield url
    finally:
        service.stop()


def _answers(url: str, service: Service) -> bool:
    assert service.alive(), service.output[-2000:]
    try:
        return answer_to("GET", f"{url}/health", timeout=HANG).status_code == 200
    except httpx2.TransportError:
        return False


def test_all_processes_tell_the_same_sum_of_what_was_sent(watched: Stack, replica: str) -> None:
    route = "/problems/{slug}"
    before = watched.metric_sum(REQUESTS, route=route)
    urls = [watched.url, replica]

    def ask(number: int) -> int:
        return answer_to("GET", f"{urls[number % 2]}/problems/invalid").status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(SENT))) == {200}
    wait_until(
        lambda: watched.metric_sum(REQUESTS, route=route) >= before + SENT,
        reason="what was sent is counted",
    )
    token = {"Authorization": f"Bearer {watched.environment['METRICS_TOKEN']}"}
    output = {
        _counted(answer_to("GET", f"{urls[number % 2]}/metrics", headers=token).text, route)
        for number in range(12)
    }
    assert output == {before + SENT}


def _counted(text: str, route: str) -> float:
    lines = [
        line
        for line in text.splitlines()
        if line.startswith(f"{REQUESTS}{{") and f'route="{route}"' in line
    ]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_a_roadmap_is_counted_with_its_tasks_calls_tokens_and_cost(watched: Stack) -> None:
    names = (
        "roadmap_model_tokens_total",
        "roadmap_model_cost_total",
        "roadmap_log_records_accepted_total",
    )
    before = {name: watched.metric_sum(name) for name in names}
    calls = watched.metric_sum("roadmap_model_calls_total")
    built = watched.metric_sum("roadmap_tasks_total", task="build_content", outcome="done")
    tree = watched.finished(watched.create("Learn to bake sourdough bread"))
    assert tree["status"] == "ready"
    receipt = watched.get(f"{tree['links']['self']}/receipt").json()

    asked = sum(step["calls"] for step in receipt["steps"])
    tokens = sum(step["prompt_tokens"] + step["completion_tokens"] for step in receipt["steps"])
    wait_until(
        lambda: watched.metric_sum(names[0]) >= before[names[0]] + tokens,
        reason="its tokens are counted, which are the last",
    )
    assert (
        watched.metric_sum("roadmap_model_calls_total", outcome="ok", model=MODEL) == calls + asked
    )
    assert (
        watched.metric_sum("roadmap_model_call_duration_seconds_count", model=MODEL)
        == calls + asked
    )
    assert watched.metric_sum(names[0]) == before[names[0]] + tokens
    assert watched.metric_sum(names[1], currency="USD") == pytest.approx(
        before[names[1]] + float(receipt["spent"])
    )
    contents = tree["progress"]["total"]
    wait_until(
        lambda: (
            watched.metric_sum("roadmap_tasks_total", task="build_content", outcome="done")
            >= built + contents
        ),
        reason="its tasks are counted",
    )
    wait_until(
        lambda: (
            watched.metric_sum(names[2]) > before[names[2]]
            and watched.metric_sum("roadmap_log_records", state="stored") > 0
        ),
        reason="its log records are counted",
    )


def test_tries_of_webhooks_are_counted_by_what_came_of_them(watched: Stack) -> None:
    with receiving() as receiver:
        made = [tell(watched, receiver, code) for code in (204, 500)]  # a test is not tried again
    wait_until(
        lambda: outcome(watched, "delivered") == outcome(watched, "failed") == 1,
        reason="both are counted",
    )
    for webhook in made:
        assert watched.request("DELETE", f"/api/v1/webhooks/{webhook}").status_code == 204


def outcome(stack: Stack, name: str) -> float:
    return stack.metric_sum("roadmap_webhook_deliveries_total", outcome=name)


def tell(stack: Stack, receiver: Receiver, code: int) -> str:
    """The id of a webhook that was sent a test."""
    receiver.answer_from_now_on(status(code))
    made = stack.post(
        "/api/v1/webhooks", json={"url": receiver.url, "events": ["roadmap.ready"]}
    ).json()
    heard = len(receiver.got)
    assert stack.post(f"/api/v1/webhooks/{made['id']}/test").status_code == 202
    wait_until(lambda: len(receiver.got) > heard, reason="the receiver gets the event")
    return str(made["id"])


def test_every_metric_of_dashboard_and_alerts_is_exported(watched: Stack) -> None:
    """After the tests before this one have done something of each kind."""
    asked = {name for expression in EXPRESSIONS for name in names_in(expression)}
    asked.remove(SLOW_REQUESTS)  # there was none, perhaps

    def read() -> set[str]:
        return {
            line.partition("{")[0].partition(" ")[0]
            for line in watched.metrics().splitlines()
            if not line.startswith("#")
        }

    wait_until(lambda: asked <= read(), reason=f"of {sorted(asked - read())} there are samples")


def test_counts_are_for_those_who_may_see_them(watched: Stack) -> None:
    def ask(path: str, token: str = "") -> httpx2.Response:
        return answer_to(
            "GET", watched.url + path, headers={"Authorization": token} if token else {}
        )

    assert set(ask("/health/ready").json()) == {"status", "mode"}
    learner = watched.headers.get("Authorization", "")
    if watched.mode == "embedded":
        assert ask("/metrics").status_code == 200  # open on this machine
        return
    assert (ask("/metrics").status_code, ask("/metrics", learner).status_code) == (401, 403)
    assert "roadmap_" not in ask("/metrics").text + ask("/metrics", learner).text
    wrong = f"Bearer {watched.environment['METRICS_TOKEN']}x"
    assert ask("/metrics", wrong).status_code == 401
    assert ask("/metrics", wrong[:-1]).status_code == 200


def test_every_process_is_there_and_the_dependencies_too(watched: Stack) -> None:
    def started() -> list[str]:
        return [
            line
            for line in watched.metrics().splitlines()
            if line.startswith("roadmap_process_start_time_seconds{")
        ]

    wait_until(
        lambda: len(started()) >= 4,
        reason="two of the API and two consumers tell of themselves",
    )
    assert len({line.partition(" ")[0] for line in started()}) == len(started())
    assert watched.metric_sum("roadmap_dependency_up", dependency="database") == 1
    assert watched.metric_sum("roadmap_dependency_up", dependency="broker") == 1
    assert watched.metric_sum("roadmap_queue_consumers", queue="content") == 1


def test_a_stream_is_open_while_somebody_watches(watched: Stack, teacher: Asked) -> None:
    teacher.designs.clear()
    try:
        path = watched.create("Learn to wait for bread")
        open_ = "roadmap_http_open_streams"
        with httpx2.stream(
            "GET",
            f"{watched.url}{path}/events",
            headers=watched.headers,
            timeout=HANG,
            verify=NO_TLS,
        ) as answer:
            assert answer.status_code == 200
            wait_until(lambda: watched.metric_sum(open_) == 1, reason="the stream is counted")
    finally:
        teacher.designs.set()
    wait_until(
        lambda: watched.metric_sum("roadmap_http_open_streams") == 0,
        reason="the stream is over",
    )
    assert watched.finished(path)["status"] == "ready"


def json_lines(service: Service, words: str = "") -> list[dict]:
    """Return the lines of its log that are JSON objects with these words."""
    lines = service.output.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and words in line]


def lines_of(service: Service, trace: str) -> list[dict]:
    return [line for line in json_lines(service, trace) if line.get("trace_id") == trace]


def runs_of(stack: Stack, trace: str) -> Counter[str]:
    """Count the ends of each task by outcome, as the content worker's log has them."""
    lines = (line for line in lines_of(stack.content, trace) if line["logger"] == "tasks.queues")
    return Counter(line["message"].partition(" in ")[0] for line in lines)


def steps_of(stack: Stack, trace: str) -> set[str]:
    """Of the execution log."""
    found = rows(stack, "SELECT trace_id, step FROM execution_log WHERE trace_id IS NOT NULL")
    return {str(step) for id_, step in found if str(id_).replace("-", "") == trace}


def test_one_trace_goes_from_the_request_to_the_worker_the_model_and_the_webhook(
    watched: Stack, teacher: Asked
) -> None:
    traces = [uuid4().hex for _ in range(2)]
    with receiving() as receiver:
        made = watched.post(
            "/api/v1/webhooks", json={"url": receiver.url, "events": ["roadmap.ready"]}
        ).json()

        def post(trace: str) -> str:
            headers = {
                "traceparent": f"00-{trace}-{'b7' * 8}-01",
                "X-Request-ID": f"request-{trace[:8]}",
            }
            answer = watched.post(
                "/api/v1/roadmaps", json={"goal": "Learn to bake"}, headers=headers
            )
            assert answer.status_code == 202
            return answer.headers["location"]

        with ThreadPoolExecutor(2) as threads:  # which arrive together are committed together
            paths = list(threads.map(post, traces))
        for path in paths:
            assert watched.finished(path)["status"] == "ready"
        wait_until(lambda: len(receiver.got) >= len(traces), reason="the receiver gets each event")

    asked = [
        re.fullmatch(r"00-([0-9a-f]{32})-[0-9a-f]{16}-01", header or "")
        for header in teacher.traceparents
    ]
    heard = [
        re.fullmatch(r"00-([0-9a-f]{32})-[0-9a-f]{16}-01", got.headers["traceparent"])
        for got in receiver.got
    ]
    for path, trace in zip(paths, traces, strict=True):
        calls = [match for match in asked if match and match[1] == trace]
        receipt = watched.get(f"{path}/receipt").json()
        assert len(calls) == sum(step["calls"] for step in receipt["steps"]) > 3 * 6
        assert len({match[0] for match in calls}) == len(calls)  # a span for each
        assert len([match for match in heard if match and match[1] == trace]) == 1
        wait_until(
            lambda t=trace: runs_of(watched, t) == RUNS,
            reason="every run is in the log of its worker",
        )
        assert {line["request_id"] for line in lines_of(watched.content, trace)} == {
            f"request-{trace[:8]}"
        }
        wait_until(
            lambda t=trace: steps_of(watched, t) >= {"accept", "finish", "deliver"},
            reason="the execution log knows the trace",
        )
        (access,) = [
            line for line in lines_of(watched.api, trace) if line["logger"] == "roadmap.access"
        ]
        assert access["message"].startswith("POST /api/v1/roadmaps answered 202 in ")
    # Earlier it would end deliveries that were received and are not recorded yet.
    assert watched.request("DELETE", f"/api/v1/webhooks/{made['id']}").status_code == 204


def test_all_that_services_print_are_objects(watched: Stack) -> None:
    for service in {watched.api, watched.logs, watched.content}:
        lines = service.output.splitlines()
        assert [line for line in lines if not line.startswith("{")] == []
        objects = json_lines(service)
        assert objects
        for line in objects:
            assert {"time", "level", "logger", "message", "service"} <= set(line)
            assert line["service"] == service.name
