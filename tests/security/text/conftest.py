"""A roadmap whose texts a hostile model wrote."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from testing.provider import providing
from tests.integration.conftest import modelled
from tests.security.text.checks import Hostile, Made, listening


# One mode a day: both take a model's words in the same code. PostgreSQL is the one that refuses a text with a NUL.
@pytest.fixture(scope="module", params=[pytest.param("embedded", marks=pytest.mark.long), "server"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    with listening() as inside:
        hostile = Hostile(inside.getsockname()[1])
        with providing(hostile.answer) as serving:
            own = SimpleNamespace(base_url=lambda: serving.url)
            with modelled(request, own, tmp_path_factory) as stack:
                yield Made(stack, inside, hostile, serving.url)
