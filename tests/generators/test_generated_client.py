"""The main job with a client that openapi-python-client has made of the document alone."""

import json
import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from testing.stack import GOAL, NO_TLS, PASSWORD, ROOT, Stack
from testing.waiting import HANG, wait_until
from tests.integration.conftest import SMALL
from tests.pages import shell_blocks

NAME = "generated_client"
PAGE = (ROOT / "docs" / "API.md").read_text("utf-8")
[COMMAND] = [each for each in shell_blocks(PAGE, "Generate a client") if NAME in each]


def generated(folder: Path, url: str) -> str:
    """Run the generator; return its output."""
    beside = Path(sys.executable).parent  # where it is, and finds ruff
    environment = {**os.environ, "PATH": f"{beside}:{os.environ['PATH']}", "ROADMAP": url}
    command = ["bash", "-euc", COMMAND]
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shared_embedded: Stack) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("client")
    found = generated(made, shared_embedded.url)
    assert "warning" not in found.lower(), found
    assert "error" not in found.lower(), found
    sys.path.insert(0, str(made))
    yield made
    sys.path.remove(str(made))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


@pytest.fixture
def api(folder: Path) -> Callable[[str], Any]:
    """`api("roadmaps.create_roadmap")`: a module of the client, or the client itself."""

    def module(name: str) -> ModuleType:
        return import_module(f"{NAME}.{name}")

    return module


@pytest.fixture
def client(stack: Stack, api: Callable[[str], Any]) -> Iterator[Any]:
    """Of somebody who has registered and logged in with it, where there are accounts."""
    made, models = api("client"), api("models")
    stranger = made.Client(base_url=stack.url, verify_ssl=NO_TLS, raise_on_unexpected_status=True)
    if stack.mode == "embedded":
        with stranger:
            yield stranger
        return
    email = f"{uuid.uuid4().hex}@example.org"
    with stranger:
        found = models.Registration(email=email, password=PASSWORD, name="Ada")
        session = api("api.accounts.register").sync(client=stranger, body=found)
        assert isinstance(session, models.Session), session
        again = api("api.accounts.log_in").sync(
            client=stranger, body=models.Credentials(email=email, password=PASSWORD)
        )
        assert isinstance(again, models.Session), again
    with made.AuthenticatedClient(
        base_url=stack.url,
        token=again.access_token,
        verify_ssl=NO_TLS,
        raise_on_unexpected_status=True,
    ) as known:
        me = api("api.accounts.read_me").sync(client=known)
        assert (me.email, me.name, me.is_admin) == (email, "Ada", False)
        yield known


def test_it_does_the_main_job(client: Any, api: Callable[[str], Any]) -> None:
    models, create = api("models"), api("api.roadmaps.create_roadmap")
    asked = models.RoadmapRequest(
        goal=SMALL["goal"], level=models.Level(SMALL["level"]), hours_per_week=5
    )
    key = str(uuid.uuid4())
    accepted = create.sync(client=client, body=asked, idempotency_key=key)
    assert isinstance(accepted, models.Accepted), accepted
    assert create.sync(client=client, body=asked, idempotency_key=key) == accepted

    def ready() -> Any:
        tree = api("api.roadmaps.read_roadmap").sync(accepted.id, client=client)
        assert isinstance(tree, models.LinkedTree), tree
        return tree if tree.status is models.RoadmapStatus.READY else None

    tree = wait_until(ready, reason="the roadmap is ready")
    node = tree.stages[0].modules[0].concepts[0]
    concept = api("api.roadmaps.read_concept").sync(accepted.id, node.id, client=client)
    assert concept.title == node.title
    assert len(concept.tutorial.markdown) > 1000
    assert all(resource.url.startswith("https://") for resource in concept.resources)

    given = [[0], *([] for _ in concept.quiz.questions[1:])]
    answers = models.AttemptRequest(version=1, answers=given)
    attempt = api("api.learning.answer_quiz").sync(
        accepted.id, node.id, client=client, body=answers
    )
    assert isinstance(attempt, models.Attempt), attempt
    assert attempt.total == len(concept.quiz.questions) == len(attempt.questions)
    read = api("api.learning.read_attempt").sync(accepted.id, node.id, attempt.id, client=client)
    assert read == attempt
    done = models.ProgressRequest(progress=models.ConceptProgress.DONE)
    assert (
        api("api.learning.set_progress")
        .sync(accepted.id, node.id, client=client, body=done)
        .progress
        == "done"
    )

    archive = api("api.exporting.export_archive").sync(accepted.id, client=client)
    assert zipfile.ZipFile(archive.payload).testzip() is None
    picture = api("api.exporting.export_picture").sync(accepted.id, client=client)
    assert b"<svg" in picture.payload.getvalue()
    assert tree.title in api("api.exporting.export_markdown").sync(accepted.id, client=client)


def test_what_does_not_fit_comes_back_as_a_typed_problem(
    client: Any, api: Callable[[str], Any]
) -> None:
    models, create = api("models"), api("api.roadmaps.create_roadmap")
    answer = create.sync_detailed(
        client=client, body=models.RoadmapRequest(goal="", hours_per_week=1000)
    )
    problem = answer.parsed
    assert isinstance(problem, models.Problem), problem
    assert (answer.status_code, problem.status, problem.type_) == (422, 422, "/problems/invalid")
    assert {wrong.pointer for wrong in problem.errors} == {"#/goal", "#/hours_per_week"}
    key, asked = str(uuid.uuid4()), models.RoadmapRequest(goal=GOAL, review=True)
    assert isinstance(create.sync(client=client, body=asked, idempotency_key=key), models.Accepted)
    other = create.sync(client=client, body=models.RoadmapRequest(goal=GOAL), idempotency_key=key)
    assert other.type_ == "/problems/idempotency-key-reused"
    lost = api("api.roadmaps.read_roadmap").sync(uuid.uuid4(), client=client)
    assert (lost.type_, lost.status) == ("/problems/not-found", 404)
    picture = api("api.exporting.export_picture").sync_detailed(uuid.uuid4(), client=client)
    assert picture.parsed.type_ == "/problems/not-found"
    meaning = api("api.documentation.read_problem_type").sync("invalid", client=client)
    assert meaning.remedy


def test_a_value_that_comes_later_is_read_like_any_other(api: Callable[[str], Any]) -> None:
    models = api("models")
    document = json.loads((ROOT / "web" / "openapi.json").read_text("utf-8"))
    answer = document["paths"]["/api/v1/roadmaps"]["get"]["responses"]["200"]
    page = answer["content"]["application/json"]["example"]
    [known, *_] = models.RoadmapSummaryPage.from_dict(page).items
    assert isinstance(known.status, models.RoadmapStatus)
    later = {**page, "items": [{**page["items"][0], "status": "paused"}]}
    [read] = models.RoadmapSummaryPage.from_dict(later).items
    assert read.status == "paused"


def test_it_reads_every_list(client: Any, api: Callable[[str], Any]) -> None:
    models = api("models")
    asked = models.RoadmapRequest(goal=GOAL, review=True)
    made = [api("api.roadmaps.create_roadmap").sync(client=client, body=asked).id for _ in range(3)]
    lists, cursor, seen = api("api.roadmaps.list_roadmaps"), api("types").UNSET, []
    while cursor is not None:
        page = lists.sync(client=client, limit=2, cursor=cursor)
        seen += [item.id for item in page.items]
        cursor = uuid.UUID(page.next_cursor) if page.next_cursor else None
    assert seen[:3] == made[::-1]
    stopped = api("api.decisions.cancel_roadmap").sync(
        made[0], client=client, body=models.EmptyBody()
    )
    assert stopped.status is models.RoadmapStatus.CANCELLED
    receipt = api("api.history.read_receipt").sync(made[0], client=client)
    assert receipt.calls == []
