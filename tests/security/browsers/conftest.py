"""A server under a name of its own, and its visitors."""

from collections.abc import Iterator
from functools import cache

import pytest

from testing.servers import Postgres, Redis
from testing.stack import CALM, PASSWORD, Stack, running, server_stack
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


@pytest.fixture(scope="session")
def broker_of_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def site(
    postgres: Postgres, broker_of_site: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Server mode with everything set that matters here, as on Railway."""
    settings = {
        **CALM,
        "ALLOWED_HOSTS": f"{NAME}, *.{BELOW.upper()}",
        "CORS_ORIGINS": FRIEND,
        "RAILWAY_PUBLIC_DOMAIN": PUBLIC,
        "RAILWAY_PRIVATE_DOMAIN": PRIVATE,
        "ADMIN_EMAIL": "admin@example.org",
        "ADMIN_PASSWORD": PASSWORD,
    }
    with running(
        server_stack(tmp_path_factory.mktemp("site"), postgres, broker_of_site, **settings),
        "api",
        "huey_content",
    ) as made:
        yield made


@pytest.fixture(scope="session")
def visitor(site: Stack) -> Visitor:
    """For tests that end none of its logins, and leave its keys as they were."""
    return arrive(site)


@pytest.fixture(scope="session")
def other(site: Stack) -> Visitor:
    """The same, with another account."""
    return arrive(site)


@pytest.fixture(scope="session")
def admin(site: Stack) -> Visitor:
    return return_(site, "admin@example.org")


@cache
def finished_on(stack: Stack) -> str:
    path = stack.create(level="advanced")
    assert stack.finished(path)["status"] == "ready"
    return path


@cache
def details_of(stack: Stack) -> dict[str, str]:
    """Return the path of the finished roadmap, its ETag and the number of its last event."""
    path = finished_on(stack)
    last = stack.events(path)[-1]["id"]
    return {"path": path, "etag": stack.get(path).headers["etag"], "last": str(last)}


@pytest.fixture
def details(stack: Stack) -> dict[str, str]:
    return details_of(stack)


@pytest.fixture
def finished(stack: Stack) -> str:
    """Return the path of a ready roadmap of the stack's caller, for tests that do not change it."""
    return finished_on(stack)
