"""The model servers and stacks that the fault tests harm; each test has its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.stack import Stack, embedded_stack, running, server_stack
from tests.chaos.checks import MakeStack
from tests.chaos.model import PATIENT, Model, serving

SEED = 11


@pytest.fixture
def model() -> Iterator[Model]:
    """Answers at once; its outlines have six concepts."""
    with serving(concepts=6) as made:
        yield made


@pytest.fixture
def paced() -> Iterator[Model]:
    """Answers at the pace of a model; its outlines have one concept."""
    print(f"model with seed {SEED}")
    with serving(concepts=1, seed=SEED) as made:
        yield made


@pytest.fixture
def make_stack(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStack:
    """`make_stack(mode, **environment)`: not yet started, with a broker of its own."""

    def make(mode: str, **environment: str) -> Stack:
        if mode == "embedded":
            return embedded_stack(tmp_path, **environment)
        postgres, broker = (
            request.getfixturevalue("postgres"),
            request.getfixturevalue("own_broker"),
        )
        return server_stack(tmp_path, postgres, broker, **environment)

    return make


@pytest.fixture(params=["embedded", "server"])
def fragile(request: pytest.FixtureRequest, make_stack: MakeStack) -> Iterator[Stack]:
    """In each mode, without a model."""
    with running(make_stack(request.param)) as made:
        yield made


@pytest.fixture
def fragile_server(make_stack: MakeStack) -> Iterator[Stack]:
    with running(make_stack("server")) as made:
        yield made


@pytest.fixture(params=["embedded", "server"])
def modelled(
    request: pytest.FixtureRequest, make_stack: MakeStack, model: Model
) -> Iterator[Stack]:
    """In each mode, with `model`, whose held calls are not given up."""
    with running(make_stack(request.param, **model.environment, **PATIENT)) as made:
        yield made


@pytest.fixture
def modelled_server(make_stack: MakeStack, model: Model) -> Iterator[Stack]:
    with running(make_stack("server", **model.environment, **PATIENT)) as made:
        yield made
