"""An API with two accounts."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from core.db import settings
from roadmap.accounts import passwords
from roadmap_app import app
from tests.security.self_service.people import CHEAP, FOR_SETTINGS, Person


@pytest.fixture
def client(immediate: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Server mode in this process."""
    changed = settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    for module in FOR_SETTINGS:
        monkeypatch.setattr(module, "settings", changed)
    monkeypatch.setattr(passwords, "HASHER", CHEAP)  # many log in here
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def ann(client: TestClient) -> Person:
    return Person(client)


@pytest.fixture
def bob(client: TestClient) -> Person:
    return Person(client)
