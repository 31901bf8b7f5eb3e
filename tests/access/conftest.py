"""A server with several accounts."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partialmethod
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from starlette.testclient import TestClient

from core.db import settings
from roadmap.accounts import passwords, transfer
from roadmap.accounts.accounts import set_admin, set_observer
from roadmap.generation import generator
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import DesignBrief
from roadmap.plan.outline import Outline
from testing.stack import PASSWORD
from tests.access.people import (
    ALL,
    CLOSED,
    KEY,
    ROOM,
    WITH_SEVERAL,
    Case,
    People,
    Person,
    bearer,
    everything,
)
from tests.copies import Copies
from web.auth import authentication
from web.endpoints.endpoint import API, Endpoint
from web.http import host_and_csrf, limits

ENDS_LOGINS = {
    API + "/auth/logout",
    "/logout",
    API + "/auth/password",
    "/account/password",
    API + "/auth/me",
    "/account/delete",
}
ENDS_LOGINS |= {API + "/auth/email", "/account/email"}


def _short(
    catalogue: CatalogueGenerator,
    outline: Callable[[CatalogueGenerator, DesignBrief], Outline],
    design: DesignBrief,
) -> Outline:
    """Of the first module, the first concept and that with the key."""
    made = outline(catalogue, design)
    module = made.stages[0].modules[0]
    concepts = tuple(
        concept
        for concept in module.concepts
        if concept in module.concepts[:1] or concept.key == KEY
    )
    stage = made.stages[0].model_copy(
        update={"modules": (module.model_copy(update={"concepts": concepts}),)}
    )
    return made.model_copy(update={"stages": (stage,)})


@pytest.fixture
def served(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The application in server mode, with a catalogue that accepts instructions.

    The built-in one refuses them. The track has two concepts: it is made for each of them.
    """
    in_server_mode = settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    for module in (authentication, limits, host_and_csrf, transfer):
        monkeypatch.setattr(module, "settings", in_server_mode)
    monkeypatch.setattr(generator, "BUILT_IN", "none")  # it counts as a model
    monkeypatch.setattr(
        CatalogueGenerator, "outline", partialmethod(_short, CatalogueGenerator.outline)
    )
    monkeypatch.setattr(
        passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    )  # many log in here
    return client


@pytest.fixture
def register(served: TestClient) -> Callable[[str], Person]:
    def make(name: str) -> Person:
        person = Person(served, f"{name}-{uuid4().hex[:8]}@example.org")
        person.headers = bearer(
            person.made("/auth/register", email=person.email, password=PASSWORD)["access_token"]
        )
        return person

    return make


@pytest.fixture
def ann(register: Callable[[str], Person]) -> Person:
    return register("ann")


@pytest.fixture
def bob(register: Callable[[str], Person]) -> Person:
    return register("bob")


@pytest.fixture
def eve(register: Callable[[str], Person]) -> Person:
    """An administrator, and not the only one."""
    set_admin(register("mallory").email, is_admin=True)
    person = register("eve")
    set_admin(person.email, is_admin=True)
    person.log_in()
    return person


def people(register: Callable[[str], Person]) -> People:
    ann, bob, eve, olga = map(register, ("ann", "bob", "eve", "olga"))
    for admin in (register("mallory"), eve):
        set_admin(admin.email, is_admin=True)
    set_observer(olga.email, is_observer=True)
    for person in (eve, olga):
        person.log_in()
    return People(ann, bob, eve, olga)


@pytest.fixture
def case(
    served: TestClient, register: Callable[[str], Person], copies: Copies, subtests: pytest.Subtests
) -> Case:
    """`with case(endpoint) as people:` tests it; everybody has what all endpoints need."""

    def make() -> People:
        everybody = people(register)
        for endpoint in [e for e in CLOSED if "{queue}" not in e.path]:
            everybody.eve.things_for(endpoint)
            if endpoint.scope not in ROOM:
                everybody.ann.things_for(endpoint)
        for endpoint, which in itertools.product(WITH_SEVERAL, (0, 1)):
            everybody.bob.things_for(endpoint, which)
        for person, scopes in itertools.product(everybody[:3], (("read",), ("write",), ALL)):
            person.key(*scopes)
        for scopes in (("observe",), ("admin",), ("admin", *ALL)):
            everybody.eve.key(*scopes)
        everybody.olga.key("observe")
        return everybody

    made = copies.of("people", make)
    first = everything()

    @contextmanager
    def begun(endpoint: Endpoint) -> Iterator[People]:
        with subtests.test(endpoint=f"{endpoint.method} {endpoint.path}"):
            if everything() != first:
                copies.of("people", make)
            if (
                endpoint.path in ENDS_LOGINS
            ):  # an ended login is known in this process, whatever is in the tables
                yield people(register)
            else:
                yield People(
                    *(replace(person, client=served, has=dict(person.has)) for person in made)
                )

    return begun
