"""What a route costs at most: CPU time, memory and bytes, with the largest documents."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from testing.processes import Api
from testing.stack import Stack, embedded_stack, running
from tests.access.people import BODIES, names_of
from tests.portables import BY, DOCUMENT, QUESTIONS
from web.endpoint import Endpoint
from web.routes import ENDPOINTS, PAGES

API = "/api/v1"
MOST_SECONDS, MOST_MEGABYTES, MOST_BYTES = 2.0, 60, 17_000_000
CONCEPTS = 190


def document(contents: Callable[[int], dict[str, Any]], **more: Any) -> dict[str, Any]:
    made = deepcopy(DOCUMENT)
    nodes = made["outline"]["stages"][0]["modules"][0]["concepts"]
    for number in range(CONCEPTS):
        key = f"k{number}"
        nodes.append({**nodes[0], "key": key, "title": f"Title {number}", "prerequisites": []})
        written = {kind: {**BY, "body": body} for kind, body in contents(number).items()}
        made["concepts"][key] = {"contents": written, **more}
    return made


def lesson(line: str, size: int = 80_000) -> dict[str, Any]:
    return {"tutorial": {"markdown": line * (size // len(line))}}


def quiz(prompt: str, count: int) -> dict[str, Any]:
    questions = [{**QUESTIONS[0], "prompt": f"{number} {prompt}"} for number in range(count)]
    return {"quiz": {"questions": questions}}


DOCUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "prose": lambda: document(
        lambda _: lesson("Some `words` of a *lesson*, [cited](https://x.org).\n\n")
    ),
    "code": lambda: document(lambda _: lesson("```python\nif a < b[0]:  # <b>\n    pass\n```\n\n")),
    "sections": lambda: document(lambda _: lesson("## A\n\nb\n\n", 40_000)),
    "marks": lambda: document(lambda _: lesson("*a **b " * 9 + "c** d* " * 9 + "\n\n")),
    "prompts": lambda: document(lambda _: quiz("*a **b [c](d) " * 250, 3)),
    "questions": lambda: document(lambda _: quiz("", 380)),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(embedded_stack(tmp_path_factory.mktemp("costs")), "all") as stack:
        yield stack


def is_read(endpoint: Endpoint) -> bool:
    return (
        endpoint.method == "GET"
        and bool(
            {"roadmap_id", "token", "card_id"} & set(names_of(endpoint)) or "{" not in endpoint.path
        )
        and not endpoint.path.endswith("/events")
    )


class Case:
    def __init__(self, stack: Stack, document: dict[str, Any]) -> None:
        self.stack = stack
        answer = stack.post(f"{API}/imports", json=document)
        assert answer.status_code == 201, answer.text[:500]
        self.path = answer.headers["location"]
        tree = stack.get(self.path).json()
        stage = tree["stages"][0]
        concepts = stage["modules"][0]["concepts"]
        link = stack.post(f"{self.path}/links", json={"purpose": "reading"}).json()
        self.things = {
            "roadmap_id": self.path.rpartition("/")[2],
            "concept_id": concepts[-1]["id"],
            "stage_id": stage["id"],
            "number": "1",
            "kind": "tutorial",
            "link_id": link["id"],
            "token": link["url"].rpartition("/")[2],
            "track": "databases",
        }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_x(service: Stack, name: str) -> None:
    import time

    t = time.time()
    case = Case(service, DOCUMENTS[name]())
    print(name, "import", round(time.time() - t, 1), "s")
    api = Api(service.api)
    for endpoint in (e for e in (*ENDPOINTS, *PAGES) if is_read(e)):
        if set(names_of(endpoint)) - set(case.things):
            continue
        html = endpoint in PAGES
        path = endpoint.path.format(**case.things)
        got: list[Any] = []
        cost = api.cost(
            lambda: got.append(
                service.get(
                    path, headers={**service.headers, **({"Accept": "text/html"} if html else {})}
                )
            )
        )
        size = len(got[0].content)
        flag = (
            "!!"
            if cost.seconds > MOST_SECONDS or cost.megabytes > MOST_MEGABYTES or size > MOST_BYTES
            else ""
        )
        if flag or cost.seconds > 0.5 or cost.megabytes > 25:
            print(
                f"{name:10} {got[0].status_code} {cost.seconds:5.2f} s {cost.megabytes:6.0f} MB {size / 1e6:6.2f} MB {endpoint.path} {'page' if html else ''} {flag}"
            )
