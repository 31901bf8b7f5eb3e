"""An operator beside the running services pauses a queue, sees its work and stops a task."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from core.version import NUMBER
from testing.stack import ROOT, Stack
from testing.waiting import HANG, wait_until
from tests.integration.conftest import Provider

GOAL = "Learn to bake sourdough bread"
OPERATE = """
import dataclasses, json, sys
from pydantic import BaseModel
from core.errors import RoadmapError
from tasks import queue_admin

def plain(thing):
    if isinstance(thing, BaseModel):
        return thing.model_dump()
    return dataclasses.asdict(thing) if dataclasses.is_dataclass(thing) else str(thing)

for line in sys.stdin:
    act, *arguments = json.loads(line)
    try:
        answer = getattr(queue_admin, act)(*arguments)
    except RoadmapError as error:
        answer = {"error": type(error).__name__, "detail": error.detail}
    print(json.dumps(answer, default=plain), flush=True)
"""


class Operator:
    """A process with the settings of the services that calls functions of `tasks.queue_admin`."""

    def __init__(self, stack: Stack) -> None:
        service = "all" if stack.mode == "embedded" else "api"
        pipes: dict[str, Any] = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "text": True,
            "cwd": ROOT,
        }
        environment = {**stack.environment, "SERVICE_TYPE": service}
        self.process = subprocess.Popen([sys.executable, "-c", OPERATE], env=environment, **pipes)

    def __call__(self, act: str, *arguments: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([act, *arguments]), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def state(self, queue: str = "content") -> dict[str, Any]:
        return next(state for state in self("queue_states") if state["name"] == queue)

    def messages(self, state: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self("messages", "content", state)["items"]
        return items


@pytest.fixture(scope="module")
def operator(model_stack: Stack) -> Iterator[Operator]:
    made = Operator(model_stack)
    yield made
    made.process.communicate(timeout=HANG)  # closes its input, which ends it


def status_of(stack: Stack, path: str) -> str:
    return str(stack.get(path).json()["status"])


@pytest.fixture
def resumed(provider: Provider, operator: Operator) -> Iterator[None]:
    """Whatever the test does, the next one finds its queue working and empty."""
    yield
    provider.door.silent.clear()
    operator("resume", "content")
    wait_until(
        lambda: (it := operator.state())["ready"] == it["held"] == 0,
        reason="nothing is left",
    )


@pytest.mark.usefixtures("resumed")
class TestPausing:
    def test_what_waits_for_a_paused_queue_is_seen_and_made_when_it_is_resumed(
        self, model_stack: Stack, provider: Provider, operator: Operator
    ) -> None:
        operator("pause", "content")
        path = model_stack.create(GOAL)
        waiting = wait_until(lambda: operator.messages("ready"), reason="its message is there")
        assert [message["task"] for message in waiting] == ["plan_roadmap"]
        assert waiting[0]["arguments"] == repr(path.rsplit("/", 1)[-1])
        aged = wait_until(
            lambda: (
                (it := operator.state())["oldest_seconds"] and it["oldest_seconds"] > 0.2 and it
            ),
        )
        assert (aged["is_paused"], aged["ready"] >= 1, aged["held"]) == (True, True, 0)
        assert not operator.state("logs")["is_paused"]
        assert (status_of(model_stack, path), provider.door.kinds) == ("queued", [])

        operator("resume", "content")

        assert model_stack.finished(path)["status"] == "ready"
        assert not operator.state()["is_paused"]

    def test_it_stays_paused_when_its_consumers_restart(
        self, model_stack: Stack, provider: Provider, operator: Operator
    ) -> None:
        operator("pause", "content")
        path = model_stack.create(GOAL)
        model_stack.content.stop()
        model_stack.start(model_stack.content.name)

        def has_beaten() -> bool:
            return any(
                worker["queue"] == "content" and worker["seen_at"] for worker in operator("workers")
            )

        wait_until(has_beaten, reason="its consumer is there again")
        wait_until(lambda: operator.messages("ready"))  # rescue sends what the API could not
        assert operator.state()["is_paused"]
        assert (status_of(model_stack, path), provider.door.kinds) == ("queued", [])
        operator("resume", "content")
        assert model_stack.finished(path)["status"] == "ready"


@pytest.mark.usefixtures("resumed")
class TestWorkers:
    def test_each_says_what_it_is_and_what_it_runs(
        self, model_stack: Stack, provider: Provider, operator: Operator
    ) -> None:
        provider.door.silent.add("outline")
        path = model_stack.create(GOAL)
        wait_until(lambda: "outline" in provider.door.kinds, reason="the model is asked")

        def busy_workers() -> dict[str, Any] | None:
            workers = {worker["queue"]: worker for worker in operator("workers")}
            runs = workers["content"]["running"]
            return workers if runs and runs[0]["since"] else None

        workers: Any = wait_until(busy_workers, reason="it beats while it runs")
        assert set(workers) == {"content", "logs"}
        for queue, worker in workers.items():
            service = "all" if model_stack.mode == "embedded" else f"huey_{queue}"
            assert worker["version"].startswith(NUMBER)  # and somebody may commit meanwhile
            assert worker["service"] == service
            assert worker["pid"] > 0
            assert worker["threads"] >= 1
            assert worker["host"]
        [run] = workers["content"]["running"]
        assert (run["task"], run["arguments"]) == ("plan_roadmap", repr(path.rsplit("/", 1)[-1]))
        began, seen = (
            datetime.fromisoformat(each) for each in (run["since"], workers["content"]["seen_at"])
        )
        assert began <= seen
        [held] = operator.messages("held")
        assert (held["id"], held["worker"]) == (run["task_id"], workers["content"]["id"])
        model_stack.post(f"{path}/cancel")


@pytest.mark.usefixtures("resumed")
class TestRevoking:
    def test_a_plan_that_waits_is_never_made(
        self, model_stack: Stack, provider: Provider, operator: Operator
    ) -> None:
        operator("pause", "content")
        path = model_stack.create(GOAL)
        [waiting] = wait_until(lambda: operator.messages("ready"))
        assert operator("revoke", "content", waiting["id"]) is None
        assert status_of(model_stack, path) == "cancelled"
        assert operator("revoke", "content", waiting["id"])["error"] == "NotFound"
        operator("resume", "content")
        other = model_stack.create(GOAL)
        assert model_stack.finished(other)["status"] == "ready"
        assert (status_of(model_stack, path), provider.door.kinds.count("outline")) == (
            "cancelled",
            1,
        )

    def test_parts_that_are_being_written_are_stopped_and_with_the_last_one_the_roadmap_ends(
        self, model_stack: Stack, provider: Provider, operator: Operator
    ) -> None:
        provider.door.silent.add("tutorial")
        path = model_stack.create(GOAL)

        def only_tutorials_are_left() -> list[dict[str, Any]]:
            progress = model_stack.get(path).json()["progress"]
            held = operator.messages("held")
            tutorials = progress["total"] / 3  # of the three parts of a concept
            is_so = (progress["ready"], len(held)) == (tutorials, tutorials)  # quizzes wait
            return held if tutorials and is_so else []

        running = wait_until(only_tutorials_are_left, reason="everything else is written")
        for message in running:
            assert message["task"] == "build_content"
            assert operator("revoke", "content", message["id"]) is None

        tree = model_stack.finished(path)
        assert tree["status"] == "partial"
        assert (tree["progress"]["failed"], tree["progress"]["ready"]) == (
            len(running),
            2 * len(running),  # quizzes are written without them
        )
        body = [
            json.loads(event["data"])["data"]
            for event in model_stack.events(path)
            if event["event"] == "content.failed"
        ]
        assert [(event["kind"], event["reason"]) for event in body] == [
            ("tutorial", "Stopped by an operator.")
        ] * len(running)
        wait_until(
            lambda: provider.door.left.count("tutorial") == len(running),
            reason="their calls are ended",
        )
        wait_until(lambda: operator.state()["held"] == 0, reason="their workers are free")
        assert operator.state()["dead"] == 0
        assert model_stack.get(path).json()["status"] == "partial"
