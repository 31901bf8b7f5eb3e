"""What belongs to others does not exist: every place of every path, every list, every key and every message.

The tests walk the table of routes, so that a new route is either known here or fails with a sentence that says what to add.
"""

import inspect
import itertools
import json
import re
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache, partialmethod
from typing import Any, NamedTuple, TypeVar
from uuid import UUID, uuid4

import httpx2
import pytest
from argon2 import PasswordHasher
from huey.api import TaskWrapper
from huey.registry import Message
from pydantic import BaseModel, SecretStr
from starlette.testclient import TestClient

from core import clock
from core.db import database, session, settings
from core.ids import new_id
from models.audit import AuditRecord
from roadmap.accounts import passwords
from roadmap.accounts.accounts import LOCAL_EMAIL, set_admin, set_observer
from roadmap.accounts.api_keys import KeyRequest
from roadmap.accounts.identity import Scope
from roadmap.accounts.invitations import InvitationRequest
from roadmap.accounts.schemas import DeletionRequest, EmailChange, PasswordChange
from roadmap.exchange import account_export
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.exchange.share_links import LinkRequest
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import DesignBrief
from roadmap.learning.progress import AttemptRequest, NotesRequest, Profile, ProfilePatch
from roadmap.learning.reviews import ReviewCheck, ReviewRequest
from roadmap.lifecycle import commands, transfer
from roadmap.lifecycle.create import NewRoadmap, create_many
from roadmap.lifecycle.schedule_settings import ScheduleRequest
from roadmap.lifecycle.transfer import TransferRequest
from roadmap.plan.edits import EditRequest
from roadmap.plan.outline import Level, Outline
from roadmap.plan.schemas import (
    ApproveRequest,
    ProgressRequest,
    RegenerateRequest,
    ReviseRequest,
    RoadmapRequest,
)
from roadmap.plan.statuses import RoadmapStatus
from roadmap.webhooks import subscriptions as settings_
from roadmap.webhooks.subscriptions import WebhookChange, WebhookPatch, WebhookRequest
from tasks import content
from tasks.message_browser import MessageState
from tasks.queue_actions import DeadLettersRequest
from tasks.queue_admin import messages
from tasks.queues import RETRIES, content_queue
from tests.copies import Copies
from tests.portables import DOCUMENT
from tests.stack import GOAL, PASSWORD
from web import authentication
from web.call import NoBody
from web.endpoint import Endpoint
from web.http import host_and_csrf, limits
from web.pages.page_route import PageRoute
from web.revocation_cache import revocations
from web.routes import (
    ADMIN_ROADMAP,
    API,
    CONTENT,
    ENDPOINTS,
    EXPORT,
    HOOK,
    LESSON,
    MESSAGE_PAGE,
    OVERSEEN,
    PAGE,
    PAGES,
    QUEUE_PAGE,
    REVISION,
    ROADMAP,
    SHARED_PAGE,
    TRASHED,
)

Value = TypeVar("Value")

KEY = "python-backend/rest-api-design"
LOGS = {
    "execution_log",
    "log_source",
    "measure",
    "measured_process",
}  # written beside every request, of anybody
NOTED_BESIDE = {
    ("login_session", "seen_at"),
    ("api_key", "used_at"),
}  # now and then, when somebody was there
ALL = ("read", "write")
TRANSFERS = API + "/admin/transfers"
CLOSED_PORT = "http://127.0.0.1:1024/"  # a receiver that is not there

# What is sent where a body is needed. A model that is missing here fails the tests below with a sentence that says so.
BODIES: dict[type[BaseModel], dict[str, Any]] = {
    NoBody: {},
    ApproveRequest: {"revision": 1},
    ReviseRequest: {"feedback": "More about testing, please."},
    EditRequest: {"operations": [{"op": "rewrite", "what": "concept", "key": KEY, "hours": 9}]},
    RegenerateRequest: {"instructions": "Shorter, please."},
    RoadmapRequest: {"goal": GOAL},
    KeyRequest: {"name": "another"},
    InvitationRequest: {},
    ProgressRequest: {"progress": "done"},
    NotesRequest: {"notes": "Mine."},
    AttemptRequest: {
        "version": 1,
        "answers": [[0], [0], [0], [0], [0]],
    },  # the first concept has five questions
    ScheduleRequest: {"hours_per_week": 5, "deadline": None, "begins_on": None},
    ReviewCheck: {"chosen": [0]},
    ReviewRequest: {"rating": "good", "reviews": 0},
    Profile: {"level": "advanced"},
    ProfilePatch: {"level": "advanced"},
    LinkRequest: {"purpose": "reading"},
    WebhookRequest: {"url": CLOSED_PORT},
    WebhookChange: {"url": CLOSED_PORT, "events": ["roadmap.failed"], "enabled": False},
    WebhookPatch: {"events": ["roadmap.failed"], "enabled": False},
    DeadLettersRequest: {},
    RoadmapFile: DOCUMENT,
    PasswordChange: {
        "current_password": PASSWORD,
        "new_password": "another long enough passphrase",
    },
    EmailChange: {"email": "another@example.org", "password": PASSWORD},
    DeletionRequest: {"password": PASSWORD},
    TransferRequest: {"owner": LOCAL_EMAIL, "new_owner": "who asks"},
}
FORMS: dict[str, dict[str, Any]] = {  # and what a page is sent
    "/roadmaps": {"goal": GOAL},
    PAGE + "/approve": {"revision": "1"},
    PAGE + "/revise": {"feedback": "More about testing, please."},
    PAGE + "/cancel": {},
    PAGE + "/retry": {},
    SHARED_PAGE + "/copy": {},
    PAGE + "/sharing": {"purpose": "reading"},
    PAGE + "/sharing/{link_id}/revoke": {},
    PAGE + "/schedule": {"hours_per_week": "5"},
    "/review/{card_id}/check": {"chosen": "0"},
    "/review/{card_id}": {"rating": "good", "reviews": "0"},
    LESSON + "/upgrade": {},
    LESSON + "/progress": {"progress": "done"},
    LESSON + "/notes": {"notes": "Mine."},
    LESSON + "/quiz": {"version": "1", "questions": "5", "q0": "0"},
    LESSON + "/{kind}/retry": {},
    PAGE + "/trash": {},
    PAGE + "/revisions/{number}/restore": {},
    PAGE + "/edit": {
        "do": "save",
        "what": "concept",
        "key": KEY,
        "title": "Another",
        "hours": "9",
        "difficulty": "2",
    },
    LESSON + "/{kind}/regenerate": {"instructions": "Shorter, please."},
    LESSON + "/{kind}/versions/{number}/restore": {},
    "/trash/{roadmap_id}/restore": {},
    "/trash/{roadmap_id}/delete": {},
    "/webhooks": {"url": CLOSED_PORT, "events": "roadmap.ready"},
    HOOK + "/test": {},
    HOOK + "/secret": {},
    HOOK + "/enabled": {"enabled": "no"},
    HOOK + "/delete": {},
    HOOK + "/deliveries/{delivery_id}/retry": {},
    "/admin/transfers": {"owner": LOCAL_EMAIL, "new_owner": "who asks"},
    ADMIN_ROADMAP + "/cancel": {},
    ADMIN_ROADMAP + "/retry": {},
    **{QUEUE_PAGE + act: {} for act in ("/pause", "/resume")},
    **{
        QUEUE_PAGE + act: {"up_to": "2099-12-31T00:00:00Z"}
        for act in ("/dead/retry", "/dead/delete")
    },
    **{MESSAGE_PAGE + act: {} for act in ("/retry", "/revoke", "/delete")},
    "/logout": {},
    "/account/profile": {"level": "advanced"},
    "/account/password": {
        "current_password": PASSWORD,
        "new_password": "another long enough passphrase",
    },
    "/account/email": {"email": "another@example.org", "password": PASSWORD},
    "/account/export": {},
    "/account/delete": {"password": PASSWORD},
    "/account/logins/{session_id}/end": {},
}
FILES = {"/import": {"file": ("roadmap.json", json.dumps(DOCUMENT))}}  # and where it is sent a file
PLACES = {
    "roadmap_id",
    "concept_id",
    "number",
    "kind",
    "session_id",
    "key_id",
    "invitation_id",
    "attempt_id",
    "card_id",
}
PLACES |= {"webhook_id", "delivery_id", "queue", "message", "link_id", "token"}
IN_REVIEW = {
    base + decision
    for base in (ROADMAP, PAGE, OVERSEEN, ADMIN_ROADMAP)
    for decision in ("/approve", "/cancel")
}
CANCELLED = {ROADMAP + "/retry", CONTENT + "/retry", PAGE + "/retry", LESSON + "/{kind}/retry"}
CANCELLED |= {OVERSEEN + "/retry", ADMIN_ROADMAP + "/retry"}
ENDS_LOGINS = {
    API + "/auth/logout",
    "/logout",
    API + "/auth/password",
    "/account/password",
    API + "/auth/me",
    "/account/delete",
}
ENDS_LOGINS |= {API + "/auth/email", "/account/email"}
EDITED = {REVISION + "/restore", PAGE + "/revisions/{number}/restore"}
WRITTEN_ANEW = {base + "/versions/{number}/restore" for base in (CONTENT, LESSON + "/{kind}")}
IN_TRASH = {
    TRASHED,
    TRASHED + "/restore",
    "/trash/{roadmap_id}/restore",
    "/trash/{roadmap_id}/delete",
}
STATES = (
    IN_REVIEW,
    CANCELLED,
    EDITED,
    WRITTEN_ANEW,
    IN_TRASH,
)  # of a roadmap; all others are for one that is ready

# Forms that are answered by a page with a secret, which no other page shows.
TOLD_ONCE = {"/webhooks", HOOK + "/secret", PAGE + "/sharing"}

# Those of a transfer are for administrators: test_transferring.
BY_ID_IN_QUERIES = {
    LESSON: {"attempt"},
    API + "/reviews": {"roadmap_id"},
    "/review": {"roadmap", "card"},
}
BY_ID_IN_QUERIES[TRANSFERS] = {"owner", "new_owner"}

ROOM = (Scope.observe, Scope.admin)  # of the operators: what is there is not of one person

EVERY = (*ENDPOINTS, *PAGES)
CLOSED = [endpoint for endpoint in EVERY if not endpoint.public]
OPENED = [
    endpoint for endpoint in CLOSED if "{token}" in endpoint.path
]  # for whoever has a link: test_sharing
WITH_PLACES = [endpoint for endpoint in CLOSED if "{" in endpoint.path and endpoint not in OPENED]
WITH_SEVERAL = [
    endpoint for endpoint in WITH_PLACES if len(re.findall(r"{\w+_id}", endpoint.path)) > 1
]
EMPTY = {"/import"}  # pages that show a form and nothing of anybody
EXPORTS = {EXPORT, EXPORT + ".zip"}  # test_self_service looks into them
LISTS = [
    e for e in CLOSED if e.method == "GET" and "{" not in e.path and e.path not in EMPTY | EXPORTS
]


def names_of(endpoint: Endpoint) -> list[str]:
    return re.findall(r"{(\w+)}", endpoint.path)


def ids_of(endpoint: Endpoint) -> list[str]:
    return [name for name in names_of(endpoint) if name.endswith("_id")]


@dataclass
class Person:
    """Somebody with an account, a login and API keys."""

    client: TestClient
    email: str
    headers: dict[str, str] = field(default_factory=dict)
    has: dict[Hashable, Any] = field(
        default_factory=dict
    )  # what was made for places of paths, and keys

    def once(self, what: Hashable, make: Callable[[], Value]) -> Value:
        if what not in self.has:
            self.has[what] = make()
        return self.has[what]  # type: ignore[no-any-return]

    def call(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx2.Response:
        return self.client.request(
            method, path, headers=self.headers if headers is None else headers, **options
        )

    def made(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.call("POST", API + path, json=body)
        assert answer.status_code in (200, 201, 202), answer.text
        document: dict[str, Any] = answer.json()
        return document

    def log_in(self) -> None:
        self.headers = {}
        self.headers = bearer(
            self.made("/auth/login", email=self.email, password=PASSWORD)["access_token"]
        )

    def account_id(self) -> UUID:
        return UUID(self.call("GET", f"{API}/auth/me").json()["id"])

    def all_of_it(self) -> list[Any]:
        """Each of this person's roadmaps, as its owner sees it."""
        items = self.call("GET", f"{API}/roadmaps").json()["items"]
        return [self.call("GET", f"{API}/roadmaps/{item['id']}").json() for item in items]

    def sessions(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.call("GET", f"{API}/auth/sessions").json()["items"]
        return items

    def spare_session(self) -> str:
        """Another login than the one of the headers."""
        before = {item["id"] for item in self.sessions()}
        self.made("/auth/login", email=self.email, password=PASSWORD)
        (new,) = {item["id"] for item in self.sessions()} - before
        return str(new)

    def key(self, *scopes: str) -> dict[str, str]:
        return self.once(
            scopes, lambda: bearer(self.made("/api-keys", name="for a test", scopes=scopes)["key"])
        )

    def roadmap(self, **more: Any) -> str:
        return str(self.made("/roadmaps", goal=GOAL, level="advanced", **more)["id"])

    def concept(self, roadmap_id: str) -> str:
        tree = self.call("GET", f"{API}/roadmaps/{roadmap_id}").json()
        return str(tree["stages"][0]["modules"][0]["concepts"][0]["id"])

    def attempt(self, things: dict[str, str]) -> str:
        path = f"/roadmaps/{things['roadmap_id']}/concepts/{things['concept_id']}/quiz/attempts"
        return str(self.made(path, **BODIES[AttemptRequest])["id"])

    def card(self) -> str:
        """A question that is due: the first one of a concept that is learned."""
        roadmap_id = self.roadmap()
        path = f"{API}/roadmaps/{roadmap_id}/concepts/{self.concept(roadmap_id)}/progress"
        assert self.call("PUT", path, json={"status": "done"}).status_code == 200
        return str(
            self.call("GET", f"{API}/reviews?roadmap_id={roadmap_id}").json()["items"][0]["id"]
        )

    def roadmap_for(self, endpoint: Endpoint) -> str:
        """One with which its owner can do this."""
        if endpoint.path in IN_REVIEW | CANCELLED:
            roadmap_id = self.roadmap(review=True)
            if endpoint.path in CANCELLED:
                self.made(f"/roadmaps/{roadmap_id}/cancel")
            return roadmap_id
        roadmap_id = self.roadmap()
        if endpoint.path in EDITED:
            self.made(f"/roadmaps/{roadmap_id}/edits", **BODIES[EditRequest])
        if endpoint.path in WRITTEN_ANEW:
            place = f"/roadmaps/{roadmap_id}/concepts/{self.concept(roadmap_id)}/tutorial"
            self.made(f"{place}/regenerate", **BODIES[RegenerateRequest])
        if endpoint.path in IN_TRASH:
            assert self.call("DELETE", f"{API}/roadmaps/{roadmap_id}").status_code == 204
        return roadmap_id

    def things_for(self, endpoint: Endpoint, which: int = 0) -> dict[str, str]:
        """What this person has, for each place of the path; with another number, something else."""
        unknown = set(names_of(endpoint)) - PLACES
        assert not unknown, (
            f"{endpoint.method} {endpoint.path} has a place that this test does not know, {', '.join(sorted(unknown))}: "
            "say in PLACES and Person.things_for what a person has there"
        )
        state = tuple(endpoint.path in paths for paths in STATES)
        things = {"number": "1", "kind": "tutorial"}
        makers: dict[str, Callable[[], str]] = {
            "roadmap_id": lambda: self.roadmap_for(endpoint),
            "concept_id": lambda: self.concept(things["roadmap_id"]),
            "attempt_id": lambda: self.attempt(things),
            "token": lambda: self.made(f"/roadmaps/{self.roadmap()}/links", **BODIES[LinkRequest])[
                "url"
            ].rpartition("/")[2],
            "link_id": lambda: self.made(
                f"/roadmaps/{things['roadmap_id']}/links", **BODIES[LinkRequest]
            )["id"],
            "card_id": self.card,
            "session_id": self.spare_session,
            "key_id": lambda: self.made("/api-keys", name="for a place")["id"],
            "invitation_id": lambda: self.made("/invitations")["id"],
            "webhook_id": lambda: self.made("/webhooks", url=CLOSED_PORT)["id"],
            "delivery_id": lambda: self.made(f"/webhooks/{things['webhook_id']}/test")["id"],
        }
        for place, make in makers.items():
            if place in names_of(endpoint):
                of_state = state if place in ("roadmap_id", "concept_id", "link_id") else ()
                things[place] = self.once((place, of_state, which), make)
        if endpoint.path in EXPORTS:
            self.once("export", lambda: self.made("/auth/me/export"))
        return things | (
            {"queue": "content", "message": message_for(endpoint)}
            if "queue" in names_of(endpoint)
            else {}
        )

    def ask(
        self, endpoint: Endpoint, things: dict[str, str], headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        own = self.headers if headers is None else headers
        accepted = {"Accept": "text/html"} if isinstance(endpoint, PageRoute) else {}
        path = endpoint.path.format(**things)
        body = body_for(endpoint)
        if endpoint.path.endswith("/admin/transfers"):
            body = {form: {**fields, "new_owner": self.email} for form, fields in body.items()}
        return self.call(endpoint.method, path, {**accepted, **own}, **body, follow_redirects=False)


def message_for(endpoint: Endpoint) -> str:
    """The id of a message with which an operator can do this: of a dead letter, or of one that waits."""
    if endpoint.path.endswith("/revoke"):
        message = Message(
            id=uuid4().hex,
            name="tasks.content.build_content",
            args=(str(uuid4()),),
            kwargs={},
            retries=RETRIES,
        )
        content_queue.storage.enqueue(content_queue.serializer.seal(message, None, {}))
        return str(message.id)
    content_queue.storage.enqueue(b"not one of ours")
    content_queue.drain()
    return content_queue.storage.dead_letters()[0].id


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def body_for(endpoint: Endpoint) -> dict[str, Any]:
    if isinstance(endpoint, PageRoute) and endpoint.method == "POST" and endpoint.path in FILES:
        return {"files": FILES[endpoint.path]}
    if isinstance(endpoint, PageRoute) and endpoint.method == "POST":
        assert endpoint.path in FORMS, (
            f"POST {endpoint.path} is a page that this test does not know: add its fields to FORMS"
        )
        return {"data": FORMS[endpoint.path]}
    if endpoint.body is None:
        return {}
    assert endpoint.body in BODIES, (
        f"{endpoint.method} {endpoint.path} has a body that this test does not know: "
        f"add a valid {endpoint.body.__name__} to BODIES"
    )
    return {"json": BODIES[endpoint.body]}


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, without what is written for everybody's requests."""
    with session():
        tables = {
            table: database.execute_sql(statement).fetchall()
            for table, statement in _statements().items()
        }
    assert len(tables["account"]) > 1
    return tables


@cache
def _statements() -> dict[str, str]:
    columns = {
        table: [column.name for column in database.get_columns(table)]
        for table in database.get_tables()
    }
    kept = {
        table: ", ".join(f'"{name}"' for name in names if (table, name) not in NOTED_BESIDE)
        for table, names in columns.items()
        if table not in LOGS
    }
    return {table: f'SELECT {names} FROM "{table}"' for table, names in kept.items()}


def document(answer: httpx2.Response) -> dict[str, Any]:
    """All that an answer tells, but which request it answers and how many came before it."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in ("x-request-id", "ratelimit")
    }
    if not answer.content:
        return {"status": answer.status_code, "headers": headers}
    if answer.headers["content-type"].startswith("text/html"):
        words = answer.text.replace(answer.headers["x-request-id"], "")
        return {
            "status": answer.status_code,
            "headers": {k: v for k, v in headers.items() if k != "content-length"},
            "words": words,
        }
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return {
        "status": answer.status_code,
        "headers": headers,
        **{k: v for k, v in answer.json().items() if k != "request_id"},
    }


def success_of(endpoint: Endpoint) -> int:
    leads_on = (
        isinstance(endpoint, PageRoute)
        and endpoint.method == "POST"
        and endpoint.path not in TOLD_ONCE
    )
    return 303 if leads_on else endpoint.status


def nobodys(endpoint: Endpoint, things: dict[str, str]) -> dict[str, str]:
    return {**things, **{name: str(new_id()) for name in ids_of(endpoint)}}


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
    """The application as it serves many, with a catalogue that takes words (its own asks nobody before it refuses them) and
    whose track has two concepts: it is made for each of them.
    """
    in_server_mode = settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    for module in (authentication, limits, host_and_csrf, transfer):
        monkeypatch.setattr(module, "settings", in_server_mode)
    monkeypatch.setattr(CatalogueGenerator, "check_feedback", lambda *_: None)
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


class People(NamedTuple):
    """The same ones as the fixtures, and an observer."""

    ann: Person
    bob: Person
    eve: Person
    olga: Person


def people(register: Callable[[str], Person]) -> People:
    ann, bob, eve, olga = map(register, ("ann", "bob", "eve", "olga"))
    for admin in (register("mallory"), eve):
        set_admin(admin.email, is_admin=True)
    set_observer(olga.email, is_observer=True)
    for person in (eve, olga):
        person.log_in()
    return People(ann, bob, eve, olga)


Case = Callable[[Endpoint], AbstractContextManager[People]]


@pytest.fixture
def case(
    served: TestClient, register: Callable[[str], Person], copies: Copies, subtests: pytest.Subtests
) -> Case:
    """`with case(endpoint) as people:` is a test of it, in which everybody has what they need for all endpoints."""

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


def strangers(
    endpoint: Endpoint, bob: Person, eve: Person
) -> Iterator[tuple[str, dict[str, str], int]]:
    """Whom nothing here belongs to, each with the headers that show who it is, and what is answered."""
    is_for_admins = endpoint.scope in ROOM
    yield "another person", bob.headers, 403 if is_for_admins else 404
    yield (
        "a key of another person",
        bob.key(*ALL),
        403 if is_for_admins or endpoint.login_only else 404,
    )
    if not is_for_admins:  # what belongs to the administrators belongs to all of them
        yield "an administrator", eve.headers, 404
        yield (
            "a key of an administrator",
            eve.key("admin", *ALL),
            403 if endpoint.login_only else 404,
        )


class TestEveryPlaceOfEveryPath:
    def test_what_belongs_to_another_is_not_there_and_stays_as_it_is(self, case: Case) -> None:
        for endpoint in WITH_PLACES:
            with case(endpoint) as (ann, bob, eve, _):
                owner = eve if endpoint.scope in ROOM else ann
                things = owner.things_for(endpoint)
                unknown = nobodys(endpoint, things)
                asking = list(strangers(endpoint, bob, eve))
                before = everything()
                for who, headers, status in asking:
                    hers, nobody = (
                        bob.ask(endpoint, things, headers),
                        bob.ask(endpoint, unknown, headers),
                    )
                    assert hers.status_code == status, f"{who}: {hers.text}"
                    assert document(hers) == document(nobody), who
                    assert everything() == before, who

                answer = owner.ask(endpoint, things)
                assert answer.status_code == success_of(endpoint), (
                    f"the path is not one of the owner's: {answer.text}"
                )
                if isinstance(endpoint, Endpoint) and answer.status_code in (201, 202):
                    assert owner.call("GET", answer.headers["location"]).status_code == 200

    def test_no_header_and_no_head_tells_that_something_of_another_is_there(
        self, case: Case
    ) -> None:
        for endpoint in [e for e in WITH_PLACES if e.method == "GET" and e.scope not in ROOM]:
            with case(endpoint) as (ann, bob, _, _):
                things = ann.things_for(endpoint)
                tag = ann.call("GET", endpoint.path.format(**things)).headers.get("etag", '"none"')
                knowing = {"If-None-Match": tag, "Last-Event-ID": "100000"}
                for method, headers in itertools.product(("GET", "HEAD"), ({}, knowing)):
                    hers, nobody = (
                        bob.call(method, endpoint.path.format(**its), {**bob.headers, **headers})
                        for its in (things, nobodys(endpoint, things))
                    )
                    assert hers.status_code == 404
                    assert document(hers) == document(nobody)
                known = ann.call("GET", endpoint.path.format(**things), {**ann.headers, **knowing})
                assert known.status_code in (200, 304, 409)

    def test_places_that_do_not_belong_together_are_not_there(self, case: Case) -> None:
        for endpoint in WITH_SEVERAL:
            with case(endpoint) as (ann, bob, _, _):
                own, other, hers = (
                    bob.things_for(endpoint),
                    bob.things_for(endpoint, 1),
                    ann.things_for(endpoint),
                )
                names = ids_of(endpoint)
                mixtures = list(itertools.product((own, other, hers), repeat=len(names)))
                assert len(mixtures) == 3 ** len(names)
                before = everything()
                for mixture in mixtures:
                    if all(part is own for part in mixture) or all(
                        part is other for part in mixture
                    ):
                        continue
                    things = {
                        **own,
                        **{name: part[name] for name, part in zip(names, mixture, strict=True)},
                    }
                    first = names[0]
                    unknown = (
                        nobodys(endpoint, things)
                        if things[first] == hers[first]
                        else {**things, names[-1]: str(new_id())}
                    )
                    answer = bob.ask(endpoint, things)
                    assert answer.status_code == 404, answer.text
                    assert document(answer) == document(bob.ask(endpoint, unknown))
                    assert everything() == before
                for things in (own, other):
                    assert bob.ask(endpoint, things).status_code == success_of(endpoint)

    @pytest.mark.parametrize(
        "spelled",
        [str.upper, lambda id_: id_.replace("-", ""), "urn:uuid:{}".format, "{{{}}}".format],
    )
    def test_another_spelling_of_an_id_opens_nothing(
        self, ann: Person, bob: Person, spelled: Callable[[str], str]
    ) -> None:
        path = f"{API}/roadmaps/{spelled(ann.roadmap())}"
        assert ann.call("GET", path).status_code == 200  # it is the same id
        assert bob.call("GET", path).status_code == 404
        before = everything()
        assert bob.call("POST", f"{path}/edits", json=BODIES[EditRequest]).status_code == 404
        assert everything() == before

    def test_a_question_of_another_is_neither_listed_nor_shown(
        self, ann: Person, bob: Person
    ) -> None:
        hers, his = ann.card(), bob.card()
        roadmap_id = ann.all_of_it()[0]["id"]
        listed, unknown = (
            bob.call("GET", f"{API}/reviews?roadmap_id={id_}") for id_ in (roadmap_id, new_id())
        )
        assert listed.status_code == 404
        assert document(listed) == document(unknown)
        for query, status in (
            (f"card={hers}&chosen=0", 200),
            (f"card={new_id()}", 200),
            (f"roadmap={roadmap_id}", 404),
        ):
            page = bob.call("GET", f"/review?{query}", {"Accept": "text/html", **bob.headers})
            assert page.status_code == status
            assert "explanation" not in page.text
            assert (hers in page.text, his in page.text) == ("&" in query, status == 200)

    def test_an_attempt_of_another_is_not_shown_among_ones_own(
        self, ann: Person, bob: Person
    ) -> None:
        """That of the attempt on the page of its concept."""
        hers, his = (
            person.things_for(next(e for e in ENDPOINTS if "{attempt_id}" in e.path))
            for person in (ann, bob)
        )
        lesson = LESSON.format(**his)
        assert bob.call("GET", f"{lesson}?attempt={his['attempt_id']}").status_code == 200
        assert "explanation" in bob.call("GET", f"{lesson}?attempt={his['attempt_id']}").text
        unknown = bob.call("GET", f"{lesson}?attempt={new_id()}")
        assert "explanation" not in unknown.text
        page = bob.call("GET", f"{lesson}?attempt={hers['attempt_id']}")
        assert (page.status_code, "explanation" in page.text) == (200, False)

    def test_no_body_and_no_query_names_a_thing_by_its_id_but_the_place_in_a_list(self) -> None:
        takes = {}
        for endpoint in EVERY:
            known = {"cursor"} | BY_ID_IN_QUERIES.get(endpoint.path, set())
            if (
                endpoint.scope is Scope.observe
            ):  # who may look at what belongs to all, looks for something in it
                known |= {"roadmap_id", "concept_id", "trace_id", "owner"}
            named = {
                name
                for model in (endpoint.body, endpoint.query)
                if model
                for name in _ids_in(model)
            }
            takes[f"{endpoint.method} {endpoint.path}"] = named - known
        assert {name: named for name, named in takes.items() if named} == {}, (
            "show here that they open nothing of others"
        )


def _ids_in(model: type[BaseModel]) -> Iterator[str]:
    """The names of all fields that hold a UUID or are called like an id, also inside of other models."""
    schema = model.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        for name, described in part.get("properties", {}).items():
            if "'uuid'" in repr(described) or re.search(r"(^|_)(id|owner|account|user)s?$", name):
                yield name


class TestLists:
    def of(self, person: Person) -> set[str]:
        """What would give away that it is this person's."""
        roadmap_id = person.roadmap()
        made = {roadmap_id, person.concept(roadmap_id), person.spare_session()}
        made |= {session["id"] for session in person.sessions()}
        made |= {
            person.card(),
            *(item["id"] for item in person.call("GET", f"{API}/reviews").json()["items"]),
        }
        made.add(person.made("/api-keys", name=f"a key of {person.email}")["id"])
        made.add(person.made("/webhooks", url=CLOSED_PORT)["id"])
        thrown = person.roadmap()
        assert person.call("DELETE", f"{API}/roadmaps/{thrown}").status_code == 204
        made.add(thrown)
        language = f"en-{uuid4().hex[:8]}"
        assert person.call("PUT", f"{API}/profile", json={"language": language}).status_code == 200
        return made | {person.email, language}

    def test_a_list_has_nothing_of_another(
        self, ann: Person, bob: Person, eve: Person, subtests: pytest.Subtests
    ) -> None:
        hers, his = self.of(ann), self.of(bob)
        invited = eve.made("/invitations", email="guest@example.org")
        for endpoint in LISTS:
            with subtests.test(endpoint=f"{endpoint.method} {endpoint.path}"):
                if endpoint.scope in ROOM:
                    seen, refused = eve.ask(endpoint, {}), bob.ask(endpoint, {})
                    assert (seen.status_code, refused.status_code) == (200, 403)
                    assert not [
                        thing
                        for thing in hers | his - {bob.email} | {invited["id"]}
                        if thing in refused.text
                    ]
                    assert endpoint.scope is Scope.observe or invited["id"] in seen.text
                    continue
                for person, own, others in (
                    (ann, hers, his),
                    (bob, his, hers),
                    (eve, {eve.email}, hers | his),
                ):
                    answer = person.ask(endpoint, {})
                    assert answer.status_code == 200
                    assert not [thing for thing in others if thing in answer.text]
                    assert [thing for thing in own if thing in answer.text] or person is eve, (
                        "this list shows nothing at all"
                    )

    @pytest.mark.parametrize(
        "place", ["/roadmaps", "/roadmaps/{own}/logs", "/roadmaps/{own}/receipt"]
    )
    def test_a_cursor_of_another_leads_into_ones_own_list_only(
        self, ann: Person, bob: Person, place: str
    ) -> None:
        early, own, late = ann.roadmap(), bob.roadmap(), ann.roadmap()
        path = API + place.format(own=own)
        for cursor in (early, late):
            answer = bob.call("GET", f"{path}?cursor={cursor}&limit=100")
            assert answer.status_code == 200
            assert early not in answer.text
            assert late not in answer.text
        if place == "/roadmaps":
            assert [
                item["id"] for item in bob.call("GET", f"{path}?cursor={late}").json()["items"]
            ] == [own]

    @pytest.mark.parametrize("status", list(RoadmapStatus))
    def test_a_filter_finds_nothing_of_another(self, ann: Person, bob: Person, status: str) -> None:
        made = {"ready": ann.roadmap(), "awaiting_review": ann.roadmap(review=True)}
        path = f"{API}/roadmaps?status={status}"
        assert bob.call("GET", path).json()["items"] == []
        found = [item["id"] for item in ann.call("GET", path).json()["items"]]
        assert found == [id_ for state, id_ in made.items() if state == status]


class TestTheRoom:
    """Who may look at the roadmaps of everybody, and who may decide about them."""

    @pytest.fixture
    def otto(self, register: Callable[[str], Person]) -> Person:
        """An observer."""
        person = register("otto")
        set_observer(person.email, is_observer=True)
        person.log_in()
        return person

    def test_an_observer_finds_and_reads_what_is_of_others_and_decides_nothing(
        self, ann: Person, otto: Person
    ) -> None:
        made = ann.roadmap(review=True)
        for path in (f"?owner={ann.email}", f"/{made}", f"/{made}/trace"):
            assert otto.call("GET", f"{API}/admin/roadmaps{path}").status_code == 200
            assert ann.call("GET", f"{API}/admin/roadmaps{path}").status_code == 403
        found = otto.call("GET", f"{API}/admin/roadmaps?owner={ann.email}").json()["items"]
        assert [(item["id"], item["owner"]["email"]) for item in found] == [(made, ann.email)]
        before = everything()
        for decision in ("cancel", "retry"):
            assert (
                otto.call("POST", f"{API}/admin/roadmaps/{made}/{decision}", json={}).status_code
                == 403
            )
            assert (
                otto.call("POST", f"/admin/roadmaps/{made}/{decision}", data={}).status_code == 403
            )
        assert everything() == before
        page = otto.call("GET", f"/admin/roadmaps/{made}", {"Accept": "text/html", **otto.headers})
        assert (page.status_code, "/cancel" in page.text) == (200, False)
        assert (
            otto.call("GET", f"{API}/roadmaps/{made}").status_code == 404
        )  # it is not his for all that

    def test_nothing_that_a_learner_has_noted_or_answered_is_shown(
        self, ann: Person, eve: Person
    ) -> None:
        made = ann.roadmap(background="My private background", motivation="My private motivation")
        path = f"/roadmaps/{made}/concepts/{ann.concept(made)}"
        assert (
            ann.call("PUT", f"{API}{path}/notes", json={"notes": "My private notes"}).status_code
            == 200
        )
        ann.made(f"{path}/quiz/attempts", **BODIES[AttemptRequest])
        told = [
            eve.call("GET", f"{API}/admin/roadmaps{where}").text
            for where in ("", f"/{made}", f"/{made}/trace")
        ]
        told += [
            eve.call("GET", f"/admin/roadmaps{w}", {"Accept": "text/html", **eve.headers}).text
            for w in ("", f"/{made}")
        ]
        assert [text for text in told if made not in text] == []
        assert [text for text in told if "private" in text or "score" in text] == []

    def test_what_an_administrator_decides_is_done_for_the_owner_and_is_in_the_audit_log(
        self, ann: Person, eve: Person
    ) -> None:
        made = ann.roadmap(review=True)
        answer = eve.call("POST", f"{API}/admin/roadmaps/{made}/cancel", json={})
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
        assert ann.call("GET", f"{API}/roadmaps/{made}").json()["status"] == "cancelled"
        again = eve.call("POST", f"{API}/admin/roadmaps/{made}/cancel", json={})
        assert (again.status_code, "cannot be cancelled" in again.text) == (409, True)
        assert (
            eve.call(
                "POST", f"/admin/roadmaps/{made}/retry", data={}, follow_redirects=False
            ).status_code
            == 303
        )
        told = [
            (row.actor, row.action, row.target, row.outcome, row.details.get("owner"))
            for row in rows_of(AuditRecord)
        ]
        owner = str(ann.account_id())
        assert told == [
            (eve.email, "roadmap.cancel", made, "done", owner),
            (eve.email, "roadmap.cancel", made, "refused", owner),
            (eve.email, "roadmap.retry", made, "done", owner),
        ]


def rows_of(table: Any) -> list[Any]:
    with session():
        return list(table.select().order_by(table.id))


class TestKeys:
    def test_a_key_that_may_read_changes_nothing(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.method != "GET"]:
            with case(endpoint) as (_, _, eve, _):
                things = eve.things_for(endpoint)
                key = eve.key("read")
                before = everything()
                answer = eve.ask(endpoint, things, key)
                assert answer.status_code == 403, answer.text
                assert everything() == before

                able = (
                    eve.headers
                    if endpoint.login_only
                    else eve.key("admin" if endpoint.scope in ROOM else "write")
                )
                assert eve.ask(endpoint, things, able).status_code == success_of(endpoint)

    def test_a_key_that_may_read_reads_and_one_that_may_write_does_not(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.method == "GET"]:
            with case(endpoint) as (ann, _, eve, _):
                person = (
                    eve if endpoint.scope in ROOM else ann
                )  # invitations are those of administrators
                things = person.things_for(endpoint)
                is_open = not endpoint.login_only and endpoint.scope not in ROOM
                to_read, to_write = (
                    is_open and endpoint.needs is Scope.read,
                    is_open and endpoint.needs is Scope.write,
                )
                assert person.ask(endpoint, things, person.key("read")).status_code == (
                    200 if to_read else 403
                )
                before = everything()["roadmap"]
                assert person.ask(endpoint, things, person.key("write")).status_code == (
                    200 if to_write else 403
                )
                assert everything()["roadmap"] == before

    def test_no_answer_to_a_key_that_may_read_has_a_token_or_a_secret(self, case: Case) -> None:
        """It would open something to others, and go on to do so when the key is revoked."""
        for endpoint in [e for e in CLOSED if e.method == "GET" and e.scope not in ROOM]:
            with case(endpoint) as (ann, _, _, _):
                things = ann.things_for(endpoint)
                roadmap_id = things.get("roadmap_id") or ann.roadmap()
                for purpose in ("reading", "calendar"):
                    ann.made(f"/roadmaps/{roadmap_id}/links", purpose=purpose)
                secret = ann.made("/webhooks", url=CLOSED_PORT)["secret"]
                answer = ann.ask(endpoint, things, ann.key("read"))
                told = answer.text + str(answer.headers)
                assert secret not in told
                assert re.findall(r"/(?:shared|calendars)/[^/\s]+", told) == []

    def test_no_key_administers_that_was_not_made_for_it(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.scope is Scope.admin]:
            with case(endpoint) as (_, _, eve, _):
                things = eve.things_for(endpoint)
                keys = [eve.key(*scopes) for scopes in (("write",), ("read",), ("observe",), ALL)]
                before = everything()
                for key in keys:
                    assert eve.ask(endpoint, things, key).status_code == 403
                    assert everything() == before
                assert eve.ask(endpoint, things, eve.key("admin")).status_code == success_of(
                    endpoint
                )

    def test_what_needs_a_login_takes_no_key_whatever_it_may_do(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.login_only]:
            with case(endpoint) as (_, _, eve, _):
                things = eve.things_for(endpoint)
                key = eve.key("admin", *ALL)
                before = everything()
                answer = eve.ask(endpoint, things, key)
                assert answer.status_code == 403
                assert "This needs a login; an API key cannot do it." in answer.text
                assert everything() == before
                assert eve.ask(endpoint, things).status_code == success_of(endpoint)

    def test_who_is_no_administrator_makes_no_key_of_one(self, ann: Person) -> None:
        before = everything()
        answer = ann.call(
            "POST", f"{API}/api-keys", json={"name": "more", "scopes": ["read", "admin"]}
        )
        assert answer.status_code == 403
        assert everything() == before

    def test_a_key_acts_for_its_account_alone(self, ann: Person, bob: Person) -> None:
        hers, his = ann.roadmap(), bob.roadmap()
        key = bob.key(*ALL)
        assert [item["id"] for item in bob.call("GET", f"{API}/roadmaps", key).json()["items"]] == [
            his
        ]
        made = bob.call("POST", f"{API}/roadmaps", key, json={"goal": GOAL}).json()["id"]
        assert bob.call("GET", f"{API}/roadmaps/{made}").status_code == 200
        assert ann.call("GET", f"{API}/roadmaps/{made}").status_code == 404
        assert [item["id"] for item in ann.call("GET", f"{API}/roadmaps").json()["items"]] == [hers]


class TestTheOperatorsRoom:
    def test_an_observer_looks_at_everything_and_changes_nothing(self, case: Case) -> None:
        for endpoint in [e for e in CLOSED if e.scope in ROOM]:
            with case(endpoint) as (_, _, eve, olga):
                things = eve.things_for(endpoint)
                before = everything()
                for headers in (olga.headers, olga.key("observe")):
                    answer = olga.ask(endpoint, things, headers)
                    assert answer.status_code == (
                        200 if endpoint.scope is Scope.observe else 403
                    ), answer.text
                changed = {table for table, rows in everything().items() if rows != before[table]}
                assert changed == (
                    {"audit_record"} if endpoint.path.endswith("/logs/export") else set()
                )

    def test_who_is_no_observer_any_more_looks_at_nothing(
        self, register: Callable[[str], Person], eve: Person, subtests: pytest.Subtests
    ) -> None:
        olga = register("olga")
        set_observer(olga.email, is_observer=True)
        olga.log_in()
        key = olga.key("observe")
        set_observer(olga.email, is_observer=False)
        olga.log_in()
        revocations.refresh()
        for endpoint in [e for e in CLOSED if e.scope in ROOM]:
            with subtests.test(endpoint=f"{endpoint.method} {endpoint.path}"):
                things = eve.things_for(endpoint)
                assert olga.ask(endpoint, things).status_code == 403
                led_to_login = (
                    303 if isinstance(endpoint, PageRoute) and endpoint.method == "GET" else 401
                )
                assert olga.ask(endpoint, things, key).status_code == led_to_login


WORKED_ON = {  # by which task: in which table, and what becomes of it
    "plan_roadmap": ("roadmap", "ready"),
    "build_content": ("content", "ready"),
    "deliver_webhook": ("webhook_delivery", "failed"),
    "export_account": ("account_export", "ready"),
}


class TestMessages:
    """Workers decide by the row. A message says which, and nothing else that anybody would believe."""

    TASKS = tuple(WORKED_ON)

    def deliver(self, task: str, *args: Any, **kwargs: Any) -> None:
        """Let a consumer find a message that says what it likes, signed as ours are, until nobody tries it any more."""
        message = Message(
            id=uuid4().hex,
            name=f"tasks.content.{task}",
            args=args,
            kwargs=kwargs,
            retries=RETRIES,
            retry_delay=1,
        )
        content_queue.storage.enqueue(content_queue.serializer.seal(message, None, {}))
        for _ in range(RETRIES + 1):
            content_queue.drain()
            clock.travel(timedelta(minutes=1))

    def buried(self) -> list[tuple[str, str]]:
        return [
            (letter.task, letter.reason) for letter in messages("content", MessageState.dead).items
        ]

    def queued(self, person: Person, task: str) -> str:
        """The id of a row of this person that waits for its worker, with no message that says so."""
        if task == "plan_roadmap":
            request = RoadmapRequest(goal=GOAL, level=Level.advanced)
            (step,) = create_many([NewRoadmap(person.account_id(), request)])
            return str(step.id)
        if task == "deliver_webhook":
            webhook = settings_.create(person.account_id(), WebhookRequest(url=CLOSED_PORT))
            return str(settings_.test(person.account_id(), webhook.id)[0].id)
        if task == "export_account":
            return str(account_export.order(person.account_id())[0].id)
        roadmap_id = UUID(person.roadmap(review=True))
        return str(commands.approve(person.account_id(), roadmap_id, None).steps[0].id)

    def test_a_message_names_one_row_and_nobody(self) -> None:
        known = {name for name, task in vars(content).items() if isinstance(task, TaskWrapper)}
        assert known == {*self.TASKS, "look_after_links"}
        assert not inspect.signature(content.look_after_links.func).parameters  # it is of no row
        for task in self.TASKS:
            (parameter,) = inspect.signature(getattr(content, task).func).parameters.values()
            assert parameter.name.endswith("_id")

    @pytest.mark.parametrize("task", TASKS)
    def test_a_message_that_names_a_row_works_for_the_owner_of_the_row(
        self, ann: Person, bob: Person, task: str
    ) -> None:
        bob.roadmap()
        row_id, before = self.queued(ann, task), bob.all_of_it()
        self.deliver(task, row_id)
        assert self.buried() == []
        table, done = WORKED_ON[task]
        with session():
            (status,) = database.execute_sql(
                f"SELECT status FROM {table} WHERE id = ?", [UUID(row_id).hex]
            ).fetchone()
        assert status == done
        assert bob.all_of_it() == before

    @pytest.mark.parametrize("task", TASKS)
    @pytest.mark.parametrize("how", ["behind the id", "by name"])
    def test_a_message_that_names_an_owner_too_is_put_aside_and_changes_nothing(
        self, ann: Person, bob: Person, task: str, how: str
    ) -> None:
        row_id, owner = self.queued(ann, task), str(bob.account_id())
        before = everything()
        args, kwargs = (
            ((row_id, owner), {}) if how == "behind the id" else ((row_id,), {"owner_id": owner})
        )
        self.deliver(task, *args, **kwargs)
        ((name, reason),) = self.buried()
        assert name == task
        assert "argument" in reason
        assert "TypeError" in reason
        assert everything() == before

    @pytest.mark.parametrize("task", TASKS)
    def test_a_message_about_what_is_done_or_is_something_else_changes_nothing(
        self, ann: Person, task: str
    ) -> None:
        roadmap_id = ann.roadmap()
        with session():
            (content_id,) = database.execute_sql("SELECT id FROM content LIMIT 1").fetchone()
        before = everything()
        for id_ in (roadmap_id, content_id, str(ann.account_id()), str(new_id())):
            self.deliver(task, id_)
        assert everything() == before
