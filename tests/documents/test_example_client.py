"""examples/client.py, as a person would copy it, also when what lies between fails."""

import subprocess
import sys
from uuid import uuid4

import pytest

from examples import client
from examples.client import Roadmap, RoadmapError
from testing.faulty import Faulty
from testing.servers import free_port
from testing.stack import CONCEPTS, GOAL, ROOT, Stack, answer_to, clean_environment
from testing.waiting import BRIEF, HANG
from tests.cases import SERVER_IN_SHORT


@pytest.fixture
def goal() -> str:
    """That no other test has."""
    return f"{GOAL}, for project {uuid4().hex}"


def token(stack: Stack) -> str | None:
    return stack.headers["Authorization"].split()[1] if stack.headers else None


def made(service: Roadmap, goal: str) -> list[str]:
    """Ids of the roadmaps with this goal."""
    return [each["id"] for each in service.roadmaps(limit=100) if each["goal"] == goal]


def test_as_a_program_it_makes_a_roadmap_and_prints_the_plan(
    shared_server: Stack, goal: str
) -> None:
    stack = shared_server
    environment = {**clean_environment(), "ROADMAP": stack.url, "ROADMAP_TOKEN": token(stack) or ""}
    command = [sys.executable, "-W", "error", "examples/client.py", goal]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Backend engineer with Python: ready\n")
    assert result.stdout.count("  week ") == len(CONCEPTS)
    contents = 3 * len(CONCEPTS)
    assert f" {contents + 6} roadmap.ready {contents} of {contents}" in result.stderr
    assert len(made(Roadmap(stack.url, token(stack)), goal)) == 1


def test_a_goal_that_is_refused_is_said_with_its_rule(
    shared_server: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROADMAP", shared_server.url)
    monkeypatch.setenv("ROADMAP_TOKEN", token(shared_server) or "")
    assert client.main("Bake sourdough bread") == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert "No built-in track fits this goal" in errors


@pytest.mark.parametrize("stack", SERVER_IN_SHORT, indirect=True)
def test_the_client_does_the_main_job(stack: Stack, goal: str) -> None:
    service = Roadmap(stack.url, token(stack))
    roadmap_id = service.create(goal, level="intermediate")["id"]
    tree = service.wait(roadmap_id)
    assert tree["status"] == "ready"
    modules = [module for stage in tree["stages"] for module in stage["modules"]]
    last = 6 + 3 * sum(len(module["concepts"]) for module in modules)
    after = [event["seq"] for event in service.events(roadmap_id, after=last - 3)]
    assert after == [last - 2, last - 1, last]
    concept = service.concept(roadmap_id, tree["stages"][0]["modules"][0]["concepts"][0]["id"])
    assert concept["tutorial"]["markdown"]
    empty: list[list[int]] = [[] for _ in concept["quiz"]["questions"]]
    attempt = service.answer_quiz(roadmap_id, concept["id"], concept["quiz"]["version"], empty)
    right = [each["right"] or each["accepted"][0] for each in attempt["questions"]]
    assert attempt["score"] == 0
    reading = f"{stack.url}/api/v1/roadmaps/{roadmap_id}/concepts/{concept['id']}/reading"
    assert answer_to("PUT", reading, json={}, headers=stack.headers).status_code == 200
    assert service.answer_quiz(roadmap_id, concept["id"], 1, right)["score"] == len(right)


def test_a_plan_that_waits_for_approval_is_not_waited_for(stack: Stack, goal: str) -> None:
    service = Roadmap(stack.url, token(stack))
    assert service.wait(service.create(goal, review=True)["id"])["status"] == "awaiting_review"


def test_the_list_is_read_over_all_pages(stack: Stack, goal: str) -> None:
    service = Roadmap(stack.url, token(stack))
    ids = [service.create(goal, review=True)["id"] for _ in range(5)]
    found = []
    for each in service.roadmaps(limit=2):
        if each["goal"] == goal:
            found.append(each["id"])
        if len(found) == 5:
            break
    assert found == ids[::-1]


def test_an_error_says_what_the_problem_document_says(stack: Stack) -> None:
    with pytest.raises(RoadmapError) as caught:
        Roadmap(stack.url, token(stack)).create(GOAL, hours_per_week=100)
    error = caught.value
    assert (error.status, error.type) == (422, "/problems/invalid")
    assert error.errors == [
        {"pointer": "#/hours_per_week", "detail": "should be less than or equal to 80"}
    ]
    assert error.request_id
    with pytest.raises(RoadmapError) as caught:
        Roadmap(stack.url, token(stack)).roadmap("nothing")
    assert caught.value.type == "/problems/not-found"


def test_refused_twice_and_then_accepted_it_is_made_once(
    faulty: Faulty, shared_server: Stack, goal: str
) -> None:
    faulty.refusals = [{"Retry-After": "1"}, {}]
    service = Roadmap(faulty.url, token(shared_server))
    roadmap_id = service.create(goal, review=True)["id"]
    (key,) = {text for _, _, text in faulty.seen}
    assert key
    assert [done for _, done, _ in faulty.seen] == ["refused", "refused", "202"]
    assert faulty.at[1] - faulty.at[0] >= 1  # Retry-After
    assert made(service, goal) == [roadmap_id]


def test_when_the_answer_is_lost_it_is_made_once(
    faulty: Faulty, shared_server: Stack, goal: str
) -> None:
    faulty.lost = 2
    service = Roadmap(faulty.url, token(shared_server))
    roadmap_id = service.create(goal, review=True)["id"]
    assert [done for _, done, _ in faulty.seen] == ["lost", "lost", "202"]
    assert made(service, goal) == [roadmap_id]


def test_a_key_of_ones_own_makes_it_once_over_restarts(stack: Stack, goal: str) -> None:
    key = uuid4().hex
    first, second = (
        Roadmap(stack.url, token(stack)).create(goal, key=key, review=True) for _ in range(2)
    )
    assert first == second


def test_a_stream_that_is_cut_is_read_to_its_end_without_gaps(
    faulty: Faulty, shared_server: Stack, goal: str
) -> None:
    service = Roadmap(faulty.url, token(shared_server))
    roadmap_id = service.create(goal)["id"]
    faulty.cut_after = [0, 150, 400, 5000, 7]  # before anything, and in the middle of a line
    seen = [event["seq"] for event in service.events(roadmap_id)]
    last = 3 * len(CONCEPTS) + 6  # of a plan without approval
    assert seen == list(range(1, last + 1))
    assert faulty.cut_after == []
    asked = [int(after or 0) for method, _, after in faulty.seen if method == "GET"]
    assert asked[0] == 0
    assert asked[-1] == last
    assert len(asked) >= 7
    assert asked == sorted(asked)


def test_its_patience_has_an_end(faulty: Faulty, shared_server: Stack) -> None:
    """It gives up long before it was refused so often."""
    faulty.refusals = [{} for _ in range(100)]
    with pytest.raises(RoadmapError) as caught:
        Roadmap(faulty.url, token(shared_server), patience=BRIEF).create(GOAL)
    assert (caught.value.status, caught.value.type) == (503, "about:blank")
    assert len(faulty.refusals) > 80
    faulty.refusals = [{"Retry-After": "3600"}] * 2
    with pytest.raises(RoadmapError):
        Roadmap(faulty.url, token(shared_server), patience=BRIEF).create(GOAL)
    assert len(faulty.refusals) == 1
    faulty.cut_after = [7] * 100
    roadmap_id = shared_server.create(review=True).rpartition("/")[2]
    with pytest.raises(ConnectionError):
        list(Roadmap(faulty.url, token(shared_server), patience=BRIEF).events(roadmap_id))
    assert len(faulty.cut_after) > 80
    with pytest.raises(OSError, match="refused"):
        Roadmap(f"http://127.0.0.1:{free_port()}", patience=BRIEF).create(GOAL)


def test_it_needs_the_standard_library_only_and_is_short() -> None:
    source = (ROOT / "examples" / "client.py").read_text(encoding="utf-8")
    imported = {
        line.split()[1].split(".")[0]
        for line in source.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported <= sys.stdlib_module_names
    assert source.count("\n") <= 244
    assert client.__doc__
