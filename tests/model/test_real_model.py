"""A roadmap by a real model, from goal to receipt.

Its texts are nonsense and are not judged; its protocol is real.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core import clock
from testing.stack import FINAL, Stack, embedded_stack, running
from testing.waiting import wait_until
from tests.model.tap import Tap

pytestmark = pytest.mark.timeout(3600)  # beside other work it writes a few tokens a second

MODEL, PRICE = "smollm2", (Decimal(100), Decimal(1000))  # of a million tokens
GOAL = "Learn to bake bread at home"
PIECE = 4000  # bytes of an answer: some words, each in a chunk of its own


@pytest.fixture(scope="module")
def stack(tap: Tap, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("model")
    environment = {
        "OPENAI_API_KEY": "any",
        "OPENAI_BASE_URL": f"{tap.url}/v1",
        "OPENAI_MODEL": MODEL,
        "MODEL_PRICES": f"{MODEL}={PRICE[0]}/{PRICE[1]}",
        "BUDGET_PER_ROADMAP": "1000",
        "MODEL_MAX_TOKENS": "384",
        "MODEL_TIMEOUT_SECONDS": "1800",
        "MODEL_IDLE_SECONDS": "900",
        "LEASE_SECONDS": "1900",
        "HEARTBEAT_TTL_SECONDS": "20",
        "MAX_ATTEMPTS": "2",
        "CONTENT_WORKERS": "1",
    }
    with running(embedded_stack(folder, **environment)) as stack:
        yield stack


def create(stack: Stack) -> str:
    """One hour until the deadline: a stage with one concept."""
    deadline = clock.now().date() + timedelta(days=7)
    return stack.create(
        GOAL, hours_per_week=1, deadline=deadline.isoformat(), preferences="Short texts."
    )


def calls_of(stack: Stack, path: str) -> list[dict[str, Any]]:
    receipt: dict[str, Any] = stack.get(f"{path}/receipt").json()
    calls: list[dict[str, Any]] = receipt["calls"]
    return calls


def wait_while_it_writes(tap: Tap, is_there: Callable[[], bool], reason: str) -> None:
    """Wait as long as the model goes on; each piece of its answers has the limit of a wait."""

    def goes_on(before: int) -> bool:
        return tap.heard() > before + PIECE or is_there()

    while not is_there():
        wait_until(partial(goes_on, tap.heard()), reason=reason)


def is_asked_for(stack: Stack, tap: Tap, path: str, step: str) -> bool:
    """Wait until the model writes an answer for this step; False: the roadmap has failed before."""

    def writes() -> bool:
        calls = calls_of(stack, path)
        return bool(calls) and (calls[-1]["step"], calls[-1]["outcome"]) == (step, "running")

    def has_failed() -> bool:
        return stack.get(path).json()["status"] == "failed"

    wait_while_it_writes(tap, lambda: writes() or has_failed(), f"a call for {step}")
    wait_until(lambda: tap.is_writing() or has_failed(), reason="the model works")
    return not has_failed()


def test_cancelling_ends_the_call_at_the_model(stack: Stack, tap: Tap) -> None:
    path = create(stack)
    assert is_asked_for(stack, tap, path, "analysis")

    assert stack.post(f"{path}/cancel").status_code == 202

    wait_until(lambda: not tap.is_writing(), reason="the model is idle")
    assert tap.tokens() == {"prompt": 0, "completion": 0}  # it has not come to an end
    (call,) = calls_of(stack, path)
    assert (call["outcome"], call["completion_tokens"]) == ("stopped", None)
    assert stack.get(path).json()["status"] == "cancelled"


def test_a_roadmap_by_a_real_model_survives_a_kill_and_adds_up(stack: Stack, tap: Tap) -> None:
    for _ in range(4):  # such a model may find that to bake bread is nothing to learn
        before = tap.tokens()
        path = create(stack)
        if is_asked_for(stack, tap, path, "stages"):
            break
    stack.api.kill()
    stack.start()
    wait_while_it_writes(tap, lambda: stack.get(path).json()["status"] in FINAL, "its end")
    tree = stack.get(path).json()

    assert tree["status"] in ("ready", "partial"), stack.diagnosis(path)
    assert len(tree["stages"]) == 1
    # Whatever is not valid for an import, the service has not accepted from the model either.
    document = stack.get(f"{path}/export.json").json()
    assert stack.post("/api/v1/imports", json=document).status_code in (200, 201)

    receipt = stack.get(f"{path}/receipt").json()
    calls = receipt["calls"]
    ends = [(call["step"], call["outcome"]) for call in calls]
    assert [end for step, end in ends if step == "analysis"] == ["ok"]  # paid for once
    assert [end for step, end in ends if end == "lost"] == ["lost"], ends
    assert ("stages", "lost") in ends
    assert {step for step, _ in ends} >= {"stage", "tutorial", "resources", "quiz"}
    assert sum(Decimal(call["price"]) for call in calls) == Decimal(receipt["spent"])
    assert Decimal(receipt["reserved"]) == 0
    for kind, count in tap.tokens().items():
        counted = sum(call[f"{kind}_tokens"] or 0 for call in calls)
        assert counted == count - before[kind], ends
