"""A server under a name of its own, and its visitors."""

from collections.abc import Iterator
from functools import cache

import pytest

from testing.servers import Postgres, Redis
from testing.stack import PASSWORD, Stack, running, server_stack
from tests.security.browsers.visitors import (
    BELOW,
    FRIEND,
    NAME,
    PRIVATE,
    PUBLIC,
    Visitor,
    arrive,
    return_,
)


@pytest.fixture(scope="module")
def site(
    postgres: Postgres, module_broker: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Server mode with everything set that matters here, as on Railway."""
    settings = {
        "ALLOWED_HOSTS": f"{NAME}, *.{BELOW.upper()}",
        "CORS_ORIGINS": FRIEND,
        "RAILWAY_PUBLIC_DOMAIN": PUBLIC,
        "RAILWAY_PRIVATE_DOMAIN": PRIVATE,
        "ADMIN_EMAIL": "admin@example.org",
        "ADMIN_PASSWORD": PASSWORD,
    }
    with running(
        server_stack(tmp_path_factory.mktemp("site"), postgres, module_broker, **settings),
        "api",
        "huey_content",
    ) as made:
        yield made


@pytest.fixture(scope="module")
def visitor(site: Stack) -> Visitor:
    """For tests that end none of its logins, and leave its keys as they were."""
    return arrive(site)


@pytest.fixture(scope="module")
def other(site: Stack) -> Visitor:
    """The same, with another account."""
    return arrive(site)


@pytest.fixture(scope="module")
def admin(site: Stack) -> Visitor:
    return return_(site, "admin@example.org")


@cache
def finished_on(stack: Stack) -> str:
    path = stack.create(level="advanced")
    assert stack.finished(path)["status"] == "ready"
    return path


@pytest.fixture
def finished(stack: Stack) -> str:
    """The path of a roadmap that is ready, of the stack's own caller; for tests that do not change it."""
    return finished_on(stack)
