"""No answer of a model costs a worker 100 MB or its heartbeat, whatever it says.

Nor does a stored text cost the API more.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.provider import Handler, Provider, providing
from testing.stack import ROOT
from tests.attacks.hostile import ANSWERS, TEXTS, Cost, answer

MOST_MEMORY = 100.0  # MiB
LONGEST_HOLD = 1.0  # CPU seconds of the global lock; heartbeats come every 3 s
TEXTS_DAILY = ("finally", "imports", "toml keys")
DAILY = (
    *(
        "packed",
        "endless",
        "too many objects",
        "lists in the envelope",
        "mistakes in depth",
        "backslashes",
        "links",
    ),
    *(f"tutorial: {name}" for name in TEXTS_DAILY),
    *(f"show: {name}" for name in TEXTS_DAILY),
)
ALL = (*ANSWERS, *(f"show: {name}" for name in TEXTS))


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """The name of the model is that of its answer."""

    def say(handler: Handler) -> None:
        response = answer(handler.asked["model"])
        handler.say(200, response.body, **dict(response.headers))

    with providing(say) as server:
        yield server


def costs(provider: Provider, folder: Path, names: tuple[str, ...]) -> dict[str, Cost]:
    command = [sys.executable, "-m", "tests.attacks.hostile", provider.url, *names]
    environment = {**os.environ, "SERVICE_TYPE": "all", "DATA_DIR": str(folder)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    output = [json.loads(line) for line in done.stdout.splitlines()]
    return {each.pop("name"): Cost(**each) for each in output}


def check(costs: dict[str, Cost], names: tuple[str, ...]) -> None:
    assert list(costs) == list(names)
    failed = {
        name: cost for name, cost in costs.items() if cost.outcome.startswith(("raised", "died"))
    }
    assert failed == {}
    assert {name: cost for name, cost in costs.items() if cost.memory > MOST_MEMORY} == {}
    assert {name: cost for name, cost in costs.items() if cost.longest_hold > LONGEST_HOLD} == {}


def test_answers_that_were_made_to_be_costly_are_not(provider: Provider, tmp_path: Path) -> None:
    found = costs(provider, tmp_path, DAILY)
    check(found, DAILY)
    assert found["endless"].outcome == "fault: The model's answer is too long."
    assert found["packed"].outcome.startswith("fault: The server compresses its answer")
    assert found["too many objects"].outcome == "fault: The model's answer has too many parts."


@pytest.mark.long
@pytest.mark.parametrize("start", range(0, len(ALL), 5))
def test_no_answer_is_costly(provider: Provider, tmp_path: Path, start: int) -> None:
    names = ALL[start : start + 5]
    check(costs(provider, tmp_path, names), names)
