"""A provider for the model client."""

from collections.abc import Iterator

import pytest

from testing.provider import Provider, providing
from tests.integration.roadmap.model_client.providers import answers


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing(answers(refuses=lambda request: None)) as server:
        yield server
