"""Accounts with something of each kind, and a request for every route."""

import json
import re
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, TypeVar
from uuid import UUID, uuid4

import httpx2
from huey.registry import Message
from pydantic import BaseModel
from starlette.testclient import TestClient

from core.db import database, session
from models.roadmaps import Roadmap
from roadmap.accounts.accounts import LOCAL_EMAIL
from roadmap.accounts.api_keys import KeyRequest
from roadmap.accounts.identity import Scope
from roadmap.accounts.invitations import InvitationRequest
from roadmap.accounts.schemas import DeletionRequest, EmailChange, PasswordChange
from roadmap.accounts.transfer import TransferRequest
from roadmap.exchange.import_validation import OwnContents, RoadmapFile
from roadmap.exchange.share_links import LinkRequest
from roadmap.learning.daily_limits import ReviewLimits
from roadmap.learning.mixed_test import MixedTestRequest
from roadmap.learning.placement import PlacementRequest, SkipRequest
from roadmap.learning.progress import (
    AttemptRequest,
    ExerciseRequest,
    NotesRequest,
    PartRequest,
    Profile,
    ProfilePatch,
)
from roadmap.learning.projects import ProjectRequest
from roadmap.learning.reviews import ReviewCheck, ReviewRequest, UndoRequest
from roadmap.lifecycle.schedule_settings import ScheduleRequest
from roadmap.plan.edits import EditRequest
from roadmap.plan.schemas import (
    AnswersRequest,
    ApproveRequest,
    ProgressRequest,
    RegenerateRequest,
    ReviseRequest,
    RoadmapRequest,
)
from roadmap.webhooks.subscriptions import WebhookChange, WebhookPatch, WebhookRequest
from tasks.queue_admin import DeadLettersRequest
from tasks.queues import RETRIES, content_queue
from testing.stack import GOAL, PASSWORD, QUESTIONS
from tests.portables import DOCUMENT
from web.api.account_export import EXPORT
from web.api.admin.roadmaps import OVERSEEN
from web.api.trash import TRASHED
from web.endpoints.call import EmptyBody
from web.endpoints.endpoint import API, CONTENT, REVISION, ROADMAP, Endpoint
from web.pages.account.webhooks import HOOK
from web.pages.admin.queues import MESSAGE_PAGE, QUEUE_PAGE
from web.pages.admin.roadmaps import ADMIN_ROADMAP
from web.pages.learn.project import PROJECT_PAGE
from web.pages.page_route import LESSON, PAGE, PageRoute
from web.pages.share.sharing import SHARED_PAGE
from web.routes import ENDPOINTS, PAGES

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
CLOSED_PORT = "http://127.0.0.1:1024/"  # a receiver that is not there

# Bodies where one is needed. A model that is missing here fails the tests below, which say so.
BODIES: dict[type[BaseModel], dict[str, Any]] = {
    EmptyBody: {},
    AnswersRequest: {"skip": True},
    ApproveRequest: {"revision": 1},
    ReviseRequest: {"feedback": "More about testing, please."},
    EditRequest: {"operations": [{"op": "rewrite", "what": "concept", "key": KEY, "hours": 9}]},
    OwnContents: {"tutorial": "Mine."},
    RegenerateRequest: {"instructions": "Shorter, please."},
    RoadmapRequest: {"goal": GOAL},
    KeyRequest: {"name": "another"},
    InvitationRequest: {},
    ProgressRequest: {"progress": "done"},
    PartRequest: {"part": 1},
    PlacementRequest: {"seed": 7},
    MixedTestRequest: {},
    SkipRequest: {"concept_ids": [str(UUID(int=7))]},
    NotesRequest: {"notes": "Mine."},
    ExerciseRequest: {"exercise_attempt": "Mine.", "checked": True},
    ProjectRequest: {"work": "Mine."},
    AttemptRequest: {
        "version": 1,
        "answers": [[0], *[[]] * (QUESTIONS - 1)],
    },
    ScheduleRequest: {"hours_per_week": 5, "deadline": None, "begins_on": None},
    ReviewCheck: {"chosen": [0]},
    ReviewRequest: {"rating": "good", "reviews": 0},
    UndoRequest: {"reviews": 1},
    ReviewLimits: {"reviews": 40, "new": 10},
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
    PAGE + "/answers": {"skip": "on"},
    PAGE + "/approve": {"revision": "1"},
    PAGE + "/revise": {"feedback": "More about testing, please."},
    PAGE + "/cancel": {},
    PAGE + "/retry": {},
    PAGE + "/placement": {"unknown": "on"},
    PAGE + "/tests/{test_id}": {},
    PAGE + "/placement/skip": {"concept": str(UUID(int=7))},
    SHARED_PAGE + "/copy": {},
    PAGE + "/sharing": {"purpose": "reading"},
    PAGE + "/sharing/{link_id}/revoke": {},
    PAGE + "/schedule": {"hours_per_week": "5"},
    "/review/{card_id}/check": {"chosen": "0"},
    "/review/{card_id}": {"rating": "good", "reviews": "0"},
    "/review/{card_id}/undo": {"reviews": "1"},
    "/review/limits": {"reviews": "40", "new": "10"},
    "/hours-note": {},
    LESSON + "/upgrade": {},
    LESSON + "/write": {"tutorial": "Mine."},
    LESSON + "/progress": {"progress": "done"},
    LESSON + "/part": {"part": "1"},
    LESSON + "/notes": {"notes": "Mine."},
    LESSON + "/quiz": {"version": "1", "questions": str(QUESTIONS), "q0": "0", "anyway": "on"},
    LESSON + "/exercise": {"exercise_attempt": "Mine.", "checked": "on"},
    LESSON + "/{kind}/retry": {},
    PROJECT_PAGE: {"work": "Mine.", "act": "save"},
    **{PROJECT_PAGE + act: {} for act in ("/judgement", "/link", "/link/revoke")},
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
    "/account/learning": {"time_zone": "Europe/Berlin", "weekly_goal": "3", "unit": "days"},
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
    "stage_id",
    "test_id",
    "number",
    "kind",
    "session_id",
    "key_id",
    "invitation_id",
    "attempt_id",
    "card_id",
}
PLACES |= {"webhook_id", "delivery_id", "queue", "message", "link_id", "token", "track"}
IN_REVIEW = {
    base + decision
    for base in (ROADMAP, PAGE, OVERSEEN, ADMIN_ROADMAP)
    for decision in ("/approve", "/cancel")
}
CANCELLED = {ROADMAP + "/retry", CONTENT + "/retry", PAGE + "/retry", LESSON + "/{kind}/retry"}
CANCELLED |= {OVERSEEN + "/retry", ADMIN_ROADMAP + "/retry"}
ASKED = {ROADMAP + "/answers", PAGE + "/answers"}
EDITED = {REVISION + "/restore", PAGE + "/revisions/{number}/restore"}
REWRITTEN = {base + "/versions/{number}/restore" for base in (CONTENT, LESSON + "/{kind}")}
IN_TRASH = {
    TRASHED,
    TRASHED + "/restore",
    "/trash/{roadmap_id}/restore",
    "/trash/{roadmap_id}/delete",
}
STATES = (
    IN_REVIEW,
    CANCELLED,
    ASKED,
    EDITED,
    REWRITTEN,
    IN_TRASH,
)  # of a roadmap; all others are for one that is ready

# Forms that are answered by a page with a secret, which no other page shows.
SHOWN_ONCE = {"/webhooks", HOOK + "/secret", PAGE + "/sharing", PROJECT_PAGE + "/link"}
ROOM = (Scope.observe, Scope.admin)  # of the operators: what is there is not of one person
EVERY = (*ENDPOINTS, *PAGES)
CLOSED = [endpoint for endpoint in EVERY if not endpoint.public]
OPENED = [
    endpoint for endpoint in CLOSED if "{token}" in endpoint.path
]  # for those who have a link: test_sharing
TRACK_PAGE = "/catalogue/{track}"  # tracks are no owner's
WITH_PLACES = [
    endpoint
    for endpoint in CLOSED
    if "{" in endpoint.path and endpoint not in OPENED and endpoint.path != TRACK_PAGE
]
WITH_SEVERAL = [
    endpoint for endpoint in WITH_PLACES if len(re.findall(r"{\w+_id}", endpoint.path)) > 1
]
EXPORTS = {EXPORT, EXPORT + ".zip"}  # test_self_service looks into them


def names_of(endpoint: Endpoint) -> list[str]:
    return re.findall(r"{(\w+)}", endpoint.path)


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

    def stage(self, roadmap_id: str) -> str:
        """The first one, with work on its project."""
        path = f"{API}/roadmaps/{roadmap_id}"
        stage_id = str(self.call("GET", path).json()["stages"][0]["id"])
        project = f"{path}/stages/{stage_id}/project"
        assert self.call("PUT", project, json=BODIES[ProjectRequest]).status_code == 200
        return stage_id

    def mixed_test(self, roadmap_id: str) -> str:
        """That of the first stage, whose concepts are done."""
        path = f"{API}/roadmaps/{roadmap_id}"
        stage = self.call("GET", path).json()["stages"][0]
        for concept in [each for module in stage["modules"] for each in module["concepts"]]:
            done = f"{path}/concepts/{concept['id']}/progress"
            assert self.call("PUT", done, json=BODIES[ProgressRequest]).status_code == 200
        return str(stage["id"])

    def project(self) -> tuple[str, str]:
        """The ids of a roadmap and of a stage with work on its project."""
        roadmap_id = self.roadmap()
        return roadmap_id, self.stage(roadmap_id)

    def attempt(self, things: dict[str, str]) -> str:
        path = f"/roadmaps/{things['roadmap_id']}/concepts/{things['concept_id']}/quiz/attempts"
        return str(self.made(path, **BODIES[AttemptRequest])["id"])

    def card(self) -> str:
        """A question that is due: the first one of a concept that is learned."""
        roadmap_id = self.roadmap()
        path = f"{API}/roadmaps/{roadmap_id}/concepts/{self.concept(roadmap_id)}/progress"
        assert self.call("PUT", path, json={"status": "done"}).status_code == 200
        return str(
            self.call("GET", f"{API}/reviews?beyond_limits=true&roadmap_id={roadmap_id}").json()[
                "items"
            ][0]["id"]
        )

    def roadmap_for(self, endpoint: Endpoint) -> str:
        """One with which its owner can do this."""
        if endpoint.path in IN_REVIEW | CANCELLED:
            roadmap_id = self.roadmap(review=True)
            if endpoint.path in CANCELLED:
                self.made(f"/roadmaps/{roadmap_id}/cancel")
            return roadmap_id
        roadmap_id = self.roadmap()
        if endpoint.path in ASKED:  # the catalogue asks nothing
            asked = {"question": "Why?", "suggestions": ["Work", "Fun"]}
            changes = {
                "status": "awaiting_answers",
                "analysis": {"aim": "It", "questions": [asked]},
            }
            with session():
                Roadmap.update(changes).where(Roadmap.id == UUID(roadmap_id)).execute()
        if endpoint.path in EDITED:
            self.made(f"/roadmaps/{roadmap_id}/edits", **BODIES[EditRequest])
        if endpoint.path in REWRITTEN:
            place = f"/roadmaps/{roadmap_id}/concepts/{self.concept(roadmap_id)}/tutorial"
            self.made(f"{place}/regenerate", **BODIES[RegenerateRequest])
        if endpoint.path in IN_TRASH:
            assert self.call("DELETE", f"{API}/roadmaps/{roadmap_id}").status_code == 204
        return roadmap_id

    def things_for(self, endpoint: Endpoint, which: int = 0) -> dict[str, str]:
        """Return a thing of this person for each place of the path; others by another number."""
        unknown = set(names_of(endpoint)) - PLACES
        assert not unknown, (
            f"{endpoint.method} {endpoint.path} has a place that this test does not know, "
            f"{', '.join(sorted(unknown))}: "
            "say in PLACES and Person.things_for what a person has there"
        )
        state = tuple(endpoint.path in paths for paths in STATES)
        things = {"number": "1", "kind": "tutorial", "track": "databases"}
        makers: dict[str, Callable[[], str]] = {
            "roadmap_id": lambda: self.roadmap_for(endpoint),
            "concept_id": lambda: self.concept(things["roadmap_id"]),
            "stage_id": lambda: self.stage(things["roadmap_id"]),
            "test_id": lambda: self.mixed_test(things["roadmap_id"]),
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
        if endpoint.path.endswith("/undo"):  # of the last rating, so of a new one each time
            things["card_id"] = self.card()
            self.made(f"/reviews/{things['card_id']}", rating="good", reviews=0)
        if endpoint.path.endswith(("/quiz", "/quiz/attempts")):  # one before may be retried then
            lesson = f"{API}/roadmaps/{things['roadmap_id']}/concepts/{things['concept_id']}"
            assert self.call("PUT", f"{lesson}/reading", json={}).status_code == 200
        if endpoint.path.endswith("/part"):
            lesson = f"{API}/roadmaps/{things['roadmap_id']}/concepts/{things['concept_id']}"
            long = f"## One\n\n{'word ' * 1000}\n\n## Two\n\n{'word ' * 1000}\n\n"
            two = {"tutorial": f"{long}## Exercise\n\nDo it.\n\n## Solution\n\nDone."}
            assert self.call("PUT", f"{lesson}/contents", json=two).status_code == 202
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
    """Return the id of a message for an operator: of a dead letter, or of one that waits."""
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


def success_of(endpoint: Endpoint) -> int:
    leads_on = (
        isinstance(endpoint, PageRoute)
        and endpoint.method == "POST"
        and endpoint.path not in SHOWN_ONCE
    )
    return 303 if leads_on else endpoint.status


class People(NamedTuple):
    """The same ones as the fixtures, and an observer."""

    ann: Person
    bob: Person
    eve: Person
    olga: Person


Case = Callable[[Endpoint], AbstractContextManager[People]]
