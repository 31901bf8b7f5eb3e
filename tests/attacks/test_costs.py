"""Ledger of costs: of every operation and page, with the largest documents that import accepts.

CPU time and memory are those of the API's process, by the kernel. A new route is measured as well.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from roadmap.accounts.schemas import Credentials, Registration
from roadmap.learning.progress import (
    LONGEST_NOTES,
    AttemptRequest,
    ExerciseRequest,
    NotesRequest,
)
from roadmap.plan.edits import EditRequest
from testing.processes import Api
from testing.stack import PASSWORD, Stack, embedded_stack, running
from tests.access.people import BODIES, FORMS, IN_TRASH, names_of
from tests.portables import AT, BY, DOCUMENT, FIRST, QUESTIONS
from web.endpoints.endpoint import API, ROADMAP, Endpoint
from web.pages.page_route import PageRoute
from web.routes import ENDPOINTS, PAGES

MOST_SECONDS, MOST_MEGABYTES, MOST_BYTES = 2.0, 60, 17_000_000
LARGEST = 14_500_000  # bytes; import accepts 15 MB
CONCEPTS = 190

# Places of paths that lead to no document
ELSEWHERE = {
    *("queue", "message", "session_id", "key_id", "invitation_id", "webhook_id", "delivery_id"),
    *("slug", "tag", "file", "digest", "track"),
}
STREAMS = ("/events", "/live")
CAPSTONE = {
    "title": "Bake it",
    "brief": "Bake a loaf with `flour` and *time*.\n\n" * 90,
    "criteria": [f"Criterion {number} is met" for number in range(5)],
    "hints": ["Begin with flour.", "Weigh it."],
}

EXERCISE = "\n\n## Exercise\n\nBake a loaf.\n\n## Solution\n\nIt is baked.\n"
TABLE = "|a" * 90 + "|\n" + "|-" * 90 + "|\n" + "|b|\n" * 95  # short rows are filled

Concept = dict[str, Any]


def lesson(line: str, size: int = LARGEST // CONCEPTS) -> Concept:
    lines = (size - 1000) // (len(json.dumps(line)) - 2)
    markdown = line * lines + EXERCISE
    return {"contents": {"tutorial": {**BY, "body": {"markdown": markdown}}}}


def quiz(count: int, prompt: str = "") -> Concept:
    asked = [{**QUESTIONS[0], "prompt": f"{number} {prompt}"} for number in range(count)]
    return {"contents": {"quiz": {**BY, "body": {"questions": asked}}}}


def resources(count: int) -> Concept:
    its = DOCUMENT["concepts"][FIRST]["contents"]["resources"]["body"]["items"]
    items = [{**its[0], "title": f"Book {number}"} for number in range(count)]
    return {"contents": {"resources": {**BY, "body": {"items": items}}}}


def attempts(count: int) -> Concept:
    made = {"answers": [[0]] * 100, "score": 100, "total": 100, "created_at": AT}
    return {**quiz(100), "attempts": [made] * count}


DOCUMENTS: dict[str, Concept] = {
    "prose": lesson("Some `words` of a *lesson*, and its text.\n\n"),
    "code": lesson("```python\nif a < b[0]:  # <b>\n    pass\n```\n\n"),
    "sections": lesson("## A\n\nb\n\n", 40_000),
    "table": lesson(TABLE, 2_000),
    "marks": lesson("*a **b " * 9 + "c** d* " * 9 + "\n\n", 37_000),  # a larger one is refused
    "prompts": quiz(3, "*a **b [c](d) " * 250),
    "questions": quiz(100),
    "resources": resources(100),
    "attempts": attempts(10),
}
DAILY = ("sections", "questions")


def document(concept: Concept) -> dict[str, Any]:
    made = deepcopy(DOCUMENT)
    (stage,) = made["outline"]["stages"]
    stage["capstone"] = CAPSTONE
    nodes = stage["modules"][0]["concepts"]
    for number in range(CONCEPTS):
        key = f"k{number}"
        nodes.append({**nodes[0], "key": key, "title": f"Title {number}", "prerequisites": []})
        made["concepts"][key] = concept
    return made


def largest(concept: Concept) -> dict[type[BaseModel], dict[str, Any]]:
    """Return bodies that `BODIES` has not, or that cost more."""
    asked = concept["contents"].get("quiz", {"body": {"questions": []}})["body"]["questions"]
    words = "*a **b [c](d) " * (LONGEST_NOTES // 14)
    return {
        AttemptRequest: {"version": 1, "answers": [[1]] * len(asked)},
        ExerciseRequest: {"exercise_attempt": words, "checked": True},
        NotesRequest: {"notes": words},
        EditRequest: {
            "operations": [{"op": "rewrite", "what": "concept", "key": "k1", "hours": 9}]
        },
        Registration: {"email": "a@example.org", "password": PASSWORD},
        Credentials: {"email": "a@example.org", "password": PASSWORD},
    }


def turn_of(endpoint: Endpoint) -> int:
    """Return when it is asked: reads first, then what changes, at last what removes."""
    if endpoint.path in IN_TRASH:
        return 4
    if endpoint.path.endswith("/trash") or endpoint.path == ROADMAP:
        return 3 if endpoint.method != "GET" else 0
    if endpoint.method == "DELETE" or endpoint.path.endswith("/revoke"):
        return 2
    return int(endpoint.method != "GET")


class Ledger:
    """A service with one roadmap, and what each of its routes costs."""

    def __init__(self, stack: Stack, concept: Concept) -> None:
        self.stack, self.api = stack, Api(stack.api)
        self.bodies = {**BODIES, **largest(concept)}
        answer = stack.post(f"{API}/imports", json=document(concept))
        assert answer.status_code == 201, answer.text[:500]
        path = answer.headers["location"]
        (stage,) = stack.get(path).json()["stages"]
        concept_id = stage["modules"][0]["concepts"][-1]["id"]
        lesson_path = f"{path}/concepts/{concept_id}"
        stack.request("PUT", f"{lesson_path}/progress", json={"progress": "done"})
        due = stack.get(f"{API}/reviews?beyond_limits=true").json()["items"]
        attempt = stack.post(f"{lesson_path}/quiz/attempts", json=self.bodies[AttemptRequest])
        links = [stack.post(f"{path}/links", json={"purpose": "reading"}).json() for _ in "12"]
        self.things = {
            "roadmap_id": path.rpartition("/")[2],
            "concept_id": concept_id,
            "stage_id": stage["id"],
            "test_id": stage["id"],
            "number": "1",
            "kind": next(iter(concept["contents"])),
            "link_id": links[0]["id"],
            "token": links[1]["url"].rpartition("/")[2],
            "card_id": due[0]["id"] if due else concept_id,
            "attempt_id": attempt.json().get("id", concept_id),
        }

    def ask(self, endpoint: Endpoint) -> httpx2.Response:
        path = endpoint.path.format(**self.things)
        options: dict[str, Any] = {}
        if not isinstance(endpoint, PageRoute):
            if endpoint.body is not None:
                options["json"] = self.bodies[endpoint.body]
            return self.stack.request(endpoint.method, path, **options)
        if endpoint.method == "POST":
            options["data"] = FORMS.get(endpoint.path, {})
        return self.stack.request(endpoint.method, path, headers={"Accept": "text/html"}, **options)

    def faults(self) -> Iterator[str]:
        """Yield what costs more than it may, or failed."""
        measured = [
            endpoint
            for endpoint in (*ENDPOINTS, *PAGES)
            if not ELSEWHERE & set(names_of(endpoint)) and not endpoint.path.endswith(STREAMS)
        ]
        for endpoint in sorted(measured, key=turn_of):
            answer, cost = self.api.cost(partial(self.ask, endpoint))
            size = len(answer.content)
            line = (
                f"{answer.status_code} {endpoint.method} {endpoint.path}: {cost.seconds:.1f} s, "
                f"{cost.megabytes:.0f} MB, {size:,} bytes"
            )
            print(line)  # pytest shows it with a failure
            if (
                cost.seconds > MOST_SECONDS
                or cost.megabytes > MOST_MEGABYTES
                or size > MOST_BYTES
                or answer.status_code >= 500
            ):
                yield line


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in DAILY else pytest.mark.long) for name in DOCUMENTS],
)
def test_no_route_costs_more_than_its_share(name: str, embedded: Stack) -> None:
    assert list(Ledger(embedded, DOCUMENTS[name]).faults()) == []


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(embedded_stack(tmp_path_factory.mktemp("costs")), "all") as stack:
        yield stack
