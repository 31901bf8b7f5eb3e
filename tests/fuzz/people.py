"""People of a fuzz: the one who fuzzes, an administrator, and another, who is never to be seen."""

import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from typing import Any

from testing.stack import GOAL, PASSWORD, ROOT, Stack, answer_to
from testing.stack_queues import environment_of
from testing.waiting import HANG, wait_until

AUTH, ROADMAPS, WEBHOOKS = "/api/v1/auth", "/api/v1/roadmaps", "/api/v1/webhooks"


@dataclass
class Person:
    """In embedded mode, which has no accounts, all fields are empty."""

    stack: Stack
    email: str = ""
    password: str = ""
    token: str = ""
    spoilt: bool = False  # the login may have been ended
    begun: list[str] = field(default_factory=list)  # ids of the roadmaps that were made aside

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def log_in(self) -> str:
        """The token of one more login."""
        if not self.email:
            return ""
        answer = answer_to(
            "POST",
            f"{self.stack.url}{AUTH}/login",
            json={"email": self.email, "password": self.password},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def present(self) -> str:
        """The token of a login that has not been ended."""
        if self.spoilt:
            self.token, self.spoilt = self.log_in(), False
        return self.token

    def begin(self, **fields: Any) -> str:
        """The id of a new roadmap."""
        answer = self.ask("POST", ROADMAPS, json={"goal": GOAL, **fields})
        assert answer.status_code == 202, answer.text
        self.begun.append(str(answer.json()["id"]))
        return self.begun[-1]

    def thrown_away(self, *, is_there: bool) -> str:
        """The id of a roadmap to throw away, or of one that is in the trash."""
        roadmap_id = self.begin(review=True)
        if is_there:
            assert self.ask("DELETE", f"{ROADMAPS}/{roadmap_id}").status_code == 204
        return roadmap_id

    def other_login(self) -> str:
        """Return the id of a login that no test uses."""
        headers = {"Authorization": f"Bearer {self.log_in()}"}
        items = answer_to("GET", f"{self.stack.url}{AUTH}/sessions", headers=headers).json()[
            "items"
        ]
        return str(next(item["id"] for item in items if item["current"]))

    def ask(self, method: str, path: str, **options: Any) -> Any:
        return answer_to(
            method,
            self.stack.url + path,
            headers={**self.headers, **options.pop("headers", {})},
            **options,
        )


@dataclass
class People:
    me: Person
    other: Person
    hook: str  # where webhooks go, on this machine
    visitor: dict[str, str]  # address and password of somebody who only logs in
    mine: dict[str, str] = field(
        default_factory=dict
    )  # ids of what stays as it is, by their names in paths
    questions: int = 0  # of that concept's quiz
    changing: dict[str, str] = field(
        default_factory=dict
    )  # the same of what decisions are made about
    stage: str = ""  # the key of a stage there
    feed: str = ""  # the token of the calendar of what stays
    waiting: str = ""  # the id of a roadmap that waits for approval
    stopped: str = ""  # the id of one that was stopped
    theirs: dict[str, str] = field(
        default_factory=dict
    )  # what is the other one's, by name: ids, texts and secrets


def come_in(stack: Stack, hook: str) -> People:
    visitor = Person(stack)
    register(visitor, "Visitor")
    people = People(
        Person(stack), Person(stack), hook, {"email": visitor.email, "password": visitor.password}
    )
    me, other = people.me, people.other
    if stack.mode == "server":
        name, mark = f"Eve {uuid.uuid4().hex}", f"zebra{uuid.uuid4().hex}"
        register(me, "Ada")
        register(other, name)
        make_admin(me)
        theirs = {
            **left_by(other, mark, hook)[0],
            "email": other.email,
            "name": name,
            "mark": mark,
            "token": other.token,
        }
        people.theirs = {
            key: value for key, value in theirs.items() if key not in ("number", "kind")
        }
    people.waiting, people.stopped = me.begin(review=True), me.begin(review=True)
    assert me.ask("POST", f"{ROADMAPS}/{people.stopped}/cancel", json={}).status_code == 202
    people.mine, people.questions = left_by(me, "mine", hook)
    people.changing, _ = left_by(me, "mine", hook)
    calendar = me.ask(
        "POST", f"{ROADMAPS}/{people.mine['roadmap_id']}/links", json={"purpose": "calendar"}
    ).json()
    people.feed = calendar["url"].split("/")[-2]
    people.stage = me.ask("GET", f"{ROADMAPS}/{people.changing['roadmap_id']}").json()["stages"][0][
        "key"
    ]
    return people


def register(person: Person, name: str) -> None:
    person.email, person.password = f"{uuid.uuid4().hex}@example.org", PASSWORD
    values = {"email": person.email, "password": person.password, "name": name}
    answer = answer_to("POST", f"{person.stack.url}{AUTH}/register", json=values)
    assert answer.status_code == 201, answer.text
    person.token = answer.json()["access_token"]


def make_admin(person: Person) -> None:
    command = [sys.executable, str(ROOT / "roadmap_cli.py"), "users", "admin", person.email]
    environment = {**environment_of(person.stack), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=HANG
    )
    person.token = person.log_in()  # what one may do stands in the token


def left_by(person: Person, mark: str, hook: str) -> tuple[dict[str, str], int]:
    """Somebody has something of everything: the ids, and how many questions the quiz has."""
    path = f"{ROADMAPS}/{person.begin(background=mark)}"
    tree = wait_until(lambda: _ready(person, path), reason="the first roadmap is ready")
    concept = tree["stages"][0]["modules"][0]["concepts"][0]["id"]
    place = f"{path}/concepts/{concept}"
    assert person.ask("PUT", f"{place}/notes", json={"notes": f"{mark} notes"}).status_code == 200
    questions = person.ask("GET", place).json()["quiz"]["questions"]
    answers = {"version": 1, "answers": [[] for _ in questions]}
    attempt = person.ask("POST", f"{place}/quiz/attempts", json=answers).json()["id"]
    webhook = person.ask(
        "POST",
        WEBHOOKS,
        json={"url": f"{hook}/{mark}", "description": mark, "events": ["roadmap.ready"]},
    ).json()
    delivery = person.ask("POST", f"{WEBHOOKS}/{webhook['id']}/test", json={}).json()["id"]
    left = {
        "roadmap_id": tree["id"],
        "concept_id": concept,
        "stage_id": tree["stages"][0]["id"],
        "test_id": tree["stages"][0]["id"],
        "attempt_id": attempt,
        "number": "1",
        "kind": "quiz",
    }
    due = person.ask("GET", f"/api/v1/reviews?roadmap_id={tree['id']}").json()[
        "items"
    ]  # none of them is answered
    left |= {"card_id": due[0]["id"]}
    kept, spare = (
        person.ask("POST", f"{path}/links", json={"purpose": "reading"}).json() for _ in range(2)
    )
    left |= {"token": kept["url"].rpartition("/")[2], "link_id": spare["id"]}
    left |= {"webhook_id": webhook["id"], "delivery_id": delivery, "secret": webhook["secret"]}
    if not person.email:
        return left, len(questions)
    key = person.ask(
        "POST", "/api/v1/api-keys", json={"name": mark, "scopes": ["read", "write"]}
    ).json()
    session = person.ask("GET", f"{AUTH}/sessions").json()["items"][0]["id"]
    return {**left, "key_id": key["id"], "key": key["key"], "session_id": session}, len(questions)


def _ready(person: Person, path: str) -> Any:
    tree = person.ask("GET", path).json()
    return tree if tree["status"] == "ready" else None
