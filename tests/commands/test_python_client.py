"""`roadmap_client` against the service, blocking and asynchronous, also over a bad line."""

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from roadmap_client import ApiProblem, AsyncRoadmapClient, NoResponse, RoadmapClient
from testing.faulty import Faulty
from testing.servers import free_port
from testing.stack import GOAL, ROOT, Stack

SMALL = {"level": "advanced"}  # of which the catalogue makes few concepts
Connect = Callable[..., Any]


class InLoop:
    """AsyncRoadmapClient whose calls a loop of its own runs: one test is of both clients."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.runner = asyncio.Runner()
        self.client = AsyncRoadmapClient(*given, **named)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            made = getattr(self.client, name)(*given, **named)
            return self.runner.run(collected(made) if inspect.isasyncgen(made) else made)

        return call

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()


async def collected(items: Any) -> list[Any]:
    return [item async for item in items]


@pytest.fixture(params=[RoadmapClient, InLoop])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connect a client to a URL; closed in the end."""
    made: list[Any] = []

    def client(url: str, stack: Stack, **settings: Any) -> Any:
        token = stack.headers.get("Authorization", "").removeprefix("Bearer ")
        made.append(request.param(url, token or None, **settings))
        return made[-1]

    yield client
    for each in made:
        each.close()


@pytest.fixture
def goal() -> str:
    """That no other test has."""
    return f"Become a web frontend developer, for project {uuid4().hex}"


def made_of(client: Any, goal: str) -> list[str]:
    return [each["id"] for each in client.roadmaps() if each["goal"] == goal]


def last_event(tree: Any) -> int:
    """The number of the last event of a plan without approval."""
    modules = [module for stage in tree["stages"] for module in stage["modules"]]
    return 6 + 3 * sum(len(module["concepts"]) for module in modules)


def test_the_client_does_the_main_job(connect: Connect, shared_server: Stack, goal: str) -> None:
    client = connect(shared_server.url, shared_server)
    accepted = client.create(goal, **SMALL)
    roadmap_id = accepted["id"]
    tree = client.wait(roadmap_id)
    assert (tree["status"], tree["goal"]) == ("ready", goal)
    assert client.roadmap(roadmap_id) == client.get(accepted["links"]["self"])
    last = last_event(tree)
    events = list(client.events(accepted["links"]["events"], last - 3))
    assert [each["seq"] for each in events] == [last - 2, last - 1, last]
    first = tree["stages"][0]["modules"][0]["concepts"][0]["id"]
    concept = client.concept(roadmap_id, first)
    assert concept["tutorial"]["markdown"]
    empty: list[list[int]] = [[] for _ in concept["quiz"]["questions"]]
    attempt = client.answer_quiz(roadmap_id, first, concept["quiz"]["version"], empty)
    assert (attempt["score"], attempt["total"]) == (0, len(empty))
    right = [each["right"] or each["accepted"][0] for each in attempt["questions"]]
    client.call("PUT", f"/api/v1/roadmaps/{roadmap_id}/concepts/{first}/reading", {})
    assert client.answer_quiz(roadmap_id, first, 1, right)["passed"]
    path = f"/api/v1/roadmaps/{roadmap_id}/concepts/{first}"
    assert client.call("PUT", f"{path}/progress", {"progress": "done"})["progress"] == "done"
    assert client.get("/api/v1/today")["days"] == 1
    due = client.get("/api/v1/reviews", params={"limit": 1})
    assert len(due["items"]) == min(due["due"], 1)
    assert client.call("PATCH", "/api/v1/profile", {"hours_per_week": 5})["hours_per_week"] == 5
    assert client.call("PUT", f"{path}/notes", {"notes": "面团"})["notes"] == "面团"
    answer = client.request("GET", tree["links"]["markdown"])
    assert answer.text.startswith("# ")
    assert answer.headers["content-type"].startswith("text/markdown")
    assert client.call("DELETE", accepted["links"]["self"]) == {}
    with pytest.raises(ApiProblem) as caught:
        client.roadmap(roadmap_id)
    assert (caught.value.status, caught.value.type) == (404, "/problems/not-found")


def test_a_plan_that_waits_for_approval_is_not_waited_for(
    connect: Connect, shared_server: Stack, goal: str
) -> None:
    client = connect(shared_server.url, shared_server)
    ids = [client.create(goal, review=True)["id"] for _ in range(3)]
    assert client.wait(ids[0])["status"] == "awaiting_review"
    assert [each["id"] for each in client.roadmaps(2)] == ids[:0:-1]
    listed = list(
        client.pages(f"/api/v1/roadmaps?q={goal.rsplit(maxsplit=1)[-1]}&sort=oldest", 1000)
    )
    assert [each["id"] for each in listed] == ids


def test_a_refusal_is_the_problem_of_the_service(connect: Connect, shared_server: Stack) -> None:
    client = connect(shared_server.url, shared_server)
    with pytest.raises(ApiProblem) as caught:
        client.create(GOAL, hours_per_week=100)
    error = caught.value
    assert (error.status, error.type, error.title) == (422, "/problems/invalid", "Invalid request")
    assert error.errors == [
        {"pointer": "#/hours_per_week", "detail": "should be less than or equal to 80"}
    ]
    assert error.request_id
    assert "hours_per_week" in str(error)
    with pytest.raises(ApiProblem) as caught:
        client.roadmap("../trash")  # an id that is not one leads nowhere else
    assert caught.value.status == 404


def test_refused_or_without_an_answer_it_is_made_once(
    connect: Connect, faulty: Faulty, shared_server: Stack, goal: str
) -> None:
    faulty.refusals, faulty.lost = [{"Retry-After": "1"}], 1
    client = connect(faulty.url, shared_server)
    roadmap_id = client.create(goal, review=True)["id"]
    assert [done for _, done, _ in faulty.seen] == ["refused", "lost", "202"]
    (key,) = {key for _, _, key in faulty.seen}
    assert faulty.at[1] - faulty.at[0] >= 1  # Retry-After
    assert made_of(client, goal) == [roadmap_id]
    assert client.create(goal, key=key, review=True)["id"] == roadmap_id
    assert made_of(client, goal) == [roadmap_id]


def test_a_stream_that_is_cut_is_read_to_its_end_without_gaps_and_doubles(
    connect: Connect, faulty: Faulty, shared_server: Stack, goal: str
) -> None:
    client = connect(faulty.url, shared_server)
    links = client.create(goal, **SMALL)["links"]
    faulty.cut_after = [0, 150, 5000, 7]  # before anything, and in the middle of a line
    seen = [event["seq"] for event in client.events(links["events"])]
    last = last_event(client.get(links["self"]))
    assert seen == list(range(1, last + 1))
    assert faulty.cut_after == []
    asked = [int(after) for _, _, after in faulty.seen if after and after.isdecimal()]
    assert (asked[0], asked[-1]) == (0, last)
    assert asked == sorted(asked)


def test_its_patience_has_an_end(connect: Connect, faulty: Faulty, shared_server: Stack) -> None:
    client = connect(faulty.url, shared_server, patience=0.5)
    for refusals in ([{}] * 100, [{"Retry-After": "3600"}]):
        faulty.refusals = [*refusals]
        with pytest.raises(ApiProblem) as caught:
            client.create(GOAL)
        assert (caught.value.status, caught.value.type) == (503, "about:blank")
        assert len(refusals) - len(faulty.refusals) < 50  # tries
    assert caught.value.retry_after == 3600
    faulty.cut_after = [7] * 100
    with pytest.raises(NoResponse, match="cannot be reached"):
        list(client.events(f"{shared_server.create(review=True)}/events"))
    with pytest.raises(NoResponse):
        connect(f"http://127.0.0.1:{free_port()}", shared_server, patience=0.5).get("/health")


def test_the_code_of_the_page_works(shared_embedded: Stack, capsys: pytest.CaptureFixture) -> None:
    page = (ROOT / "docs" / "API.md").read_text("utf-8")
    section = page.partition("\n### Python client\n")[2].partition("\n### ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    exec(code.replace("http://127.0.0.1:8000", shared_embedded.url), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2] == "ready 3 of 5"
    assert printed[-1].startswith("/problems/invalid [{'pointer': '#/")
