"""A roadmap whose texts a hostile model wrote."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.provider import providing
from testing.stack import CALM, Stack, embedded_stack, running, server_stack
from tests.attacks.text.checks import Hostile, Made, listening
from tests.cases import SERVER_IN_SHORT
from tests.chaos.model import PATIENT
from tests.integration.conftest import KEY, MAX_ATTEMPTS, MODEL


def modelled(request: pytest.FixtureRequest, folder: Path, url: str) -> Stack:
    model = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "OPENAI_MODEL": MODEL}
    prices = {"MODEL_PRICES": f"{MODEL}=1/2", "MAX_ATTEMPTS": str(MAX_ATTEMPTS)}
    environment = {**model, **prices, **CALM, **PATIENT}
    if request.param == "embedded":
        return embedded_stack(folder, **environment)
    servers = map(request.getfixturevalue, ("postgres", "module_broker"))
    return server_stack(folder, *servers, **environment)


# One mode a day: both take a model's words in the same code. PostgreSQL is the one that refuses a
# text with a NUL.
@pytest.fixture(scope="module", params=SERVER_IN_SHORT)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    with listening() as inside:
        hostile = Hostile(inside.getsockname()[1])
        with providing(hostile.answer) as serving:
            folder = tmp_path_factory.mktemp("hostile")
            with running(modelled(request, folder, serving.url)) as stack:
                yield Made(stack, inside, hostile, serving.url)
