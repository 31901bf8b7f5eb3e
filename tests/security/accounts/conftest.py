"""An API with settings of the test."""

from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from starlette.testclient import TestClient

from core.db import settings
from roadmap.accounts import accounts, passwords, principals, sessions
from roadmap_app import app
from tests.security.accounts.people import Configure
from web.auth import authentication, revocation_cache, tokens
from web.http import host_and_csrf, limits
from web.pages import templates
from web.pages.account import account as account_page

FOR_SETTINGS = (
    authentication,
    limits,
    host_and_csrf,
    accounts,
    principals,
    sessions,
    revocation_cache,
    tokens,
    templates,
    account_page,
)
HASHER, CHEAP = passwords.HASHER, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Server mode in this process, with these settings."""

    def configured(**changes: Any) -> None:
        update = {"database_url": SecretStr("postgresql://127.0.0.1/unused"), **changes}
        changed = settings.model_copy(update=update)
        for module in FOR_SETTINGS:
            monkeypatch.setattr(module, "settings", changed)

    monkeypatch.setattr(passwords, "HASHER", CHEAP)  # many log in here
    configured()
    return configured


@pytest.fixture
def costly(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed as they are when it is no test."""
    monkeypatch.setattr(passwords, "HASHER", HASHER)


@pytest.fixture
def client(immediate: None, configure: Configure) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made
