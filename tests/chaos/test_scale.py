"""Several content consumers, as `docker compose up --scale huey_content=3` starts them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.stack import MONITOR, ROOT, SHORT, Service, Stack, running
from testing.waiting import wait_until
from tests.chaos.checks import (
    WORKERS,
    MakeStack,
    assert_built_once,
    goals,
    ready,
    repeated,
    wait_until_held,
)
from tests.chaos.model import PATIENT, Model, contents

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = {
    name: each
    for name, each in COMPOSE["services"].items()
    if name not in ("postgres", "redis") and "profiles" not in each
}
CONSUMERS = 3
OF_ONE = (
    "container_name",
    "hostname",
    "ports",
    "volumes",
    "mac_address",
)  # which two containers cannot both have
ADDRESSES = {
    "DATABASE_URL": "postgresql://roadmap:letters@postgres:5432/roadmap",
    "REDIS_URL": "redis://redis:6379/0",
}


def environment_of(name: str, shell: dict[str, str]) -> dict[str, str]:
    """Return the variables that compose gives a container, with those of this shell.

    Those without a value are passed on when they are set.
    """

    def filled(value: str) -> str:
        return re.sub(r"\$\{(\w+)(?::[?-][^}]*)?\}", lambda found: shell[found[1]], value)

    result = SERVICES[name]["environment"]
    passed = {key: shell[key] for key, value in result.items() if value is None and key in shell}
    return passed | {key: filled(value) for key, value in result.items() if value is not None}


@pytest.fixture
def composed(make_stack: MakeStack, model: Model, tmp_path: Path) -> Iterator[Stack]:
    """The services as compose starts them, three for contents.

    They have addresses of this machine and the short times of tests.
    """
    stack = make_stack("server", **model.environment)
    own = {key: stack.environment[key] for key in (*ADDRESSES, "PORT", "PATH")}
    shell = {
        **model.environment,
        **MONITOR,
        "ALLOWED_HOSTS": "",
        "POSTGRES_PASSWORD": "letters",
        "REGISTRATION": "open",
        "LOG_FORMAT": "text",
    }
    shell["SECRET_KEY"] = stack.environment["SECRET_KEY"]
    stack.services.clear()
    for name in SERVICES:
        given = environment_of(name, shell)
        assert ADDRESSES.items() <= given.items()
        assert given["SERVICE_TYPE"] == name
        for number in range(CONSUMERS if name == "huey_content" else 1):
            container = name if number == 0 else f"{name} {number + 1}"
            stack.services[container] = Service(
                name, {**SHORT, **given, **PATIENT, **own}, tmp_path
            )
    with running(stack):
        yield stack


def test_nothing_stands_against_several_containers_of_the_content_worker() -> None:
    assert [key for key in OF_ONE if key in SERVICES["huey_content"]] == []
    assert (
        SERVICES["huey_content"]["read_only"] is True
    )  # so that there is no file that two could share
    assert not [
        each for name, each in SERVICES.items() if "huey_content" in each.get("depends_on", {})
    ]


@pytest.mark.long
def test_three_consumers_share_the_work_and_when_one_is_killed_the_others_do_all_of_it_once(
    composed: Stack, model: Model
) -> None:
    consumers = [
        service for name, service in composed.services.items() if name.startswith("huey_content")
    ]
    assert len(consumers) == CONSUMERS
    for consumer in consumers:
        wait_until(lambda consumer=consumer: ready(consumer), reason="the consumer is at work")
    model.hold(contents)
    paths = [composed.create(goal) for goal in goals(4)]
    wait_until_held(model, CONSUMERS * WORKERS)  # which takes every thread of all three
    begun = set(model.held())
    assert len(begun) == CONSUMERS * WORKERS  # and nothing is begun by two

    consumers[1].kill()
    model.let_go()

    for path in paths:
        assert_built_once(composed, path)
    assert model.counts().keys() == {call for goal in goals(4) for call in model.due(goal)}
    twice = repeated(model)
    assert set(twice.values()) == {2}
    assert twice.keys() <= begun
    assert len(twice) == WORKERS  # what the killed one was doing, and nothing else
    assert [consumer.alive() for consumer in consumers] == [True, False, True]
