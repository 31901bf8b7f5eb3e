"""Projects at the ends of stages: work, judgements by learner and link, and their export."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.errors import Gone, Invalid
from roadmap.learning.projects import JudgementRequest, judge_by_link, open_link
from testing.stack import GOAL
from tests.cases import try_each

pytestmark = pytest.mark.usefixtures("short")

API = "/api/v1"
WORK = "https://example.org/me/logreport, checked with `wc -l`"


@pytest.fixture
def project(client: TestClient, roadmap: str) -> str:
    """The path of the project of its first stage."""
    stage = client.get(roadmap).json()["stages"][0]
    return f"{roadmap}/stages/{stage['id']}/project"


@pytest.fixture
def travelling() -> Iterator[None]:
    yield
    clock.reset()


def save(client: TestClient, project: str, *marks: str, work: str = WORK) -> dict[str, Any]:
    answer = client.put(project, json={"work": work, "marks": list(marks) or None})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def marks_for(client: TestClient, project: str, mark: str) -> list[str]:
    return [mark] * len(client.get(project).json()["criteria"])


def link_of(client: TestClient, project: str) -> str:
    """The token of a link that was made on the page."""
    page = client.post(project.removeprefix(API) + "/link").text
    return page.partition("/judge/")[2].partition('"')[0]


def node_of(client: TestClient, roadmap: str) -> dict[str, Any]:
    return dict(client.get(roadmap).json()["stages"][0]["project"])


MISFITS: dict[str, dict[str, Any]] = {
    "a mark is missing": {"work": WORK, "marks": ["yes"]},
    "no such mark": {"work": WORK, "marks": ["good"] * 6},
    "no work": {"work": " ", "marks": ["yes"] * 6},
    "too long": {"work": "w" * 20_001},
}


def capstone_in(document: Any) -> dict[str, Any]:
    return dict(document["outline"]["stages"][0])["capstone"]


def marks_in(document: Any) -> list[str]:
    (project,) = document["projects"].values()
    marks: list[str] = project["judgements"]["self"]["marks"]
    return marks


BREAKS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "of no stage": (lambda file: file["projects"].update(x={}), "/projects/x"),
    "marks of another rubric": (lambda file: marks_in(file).pop(), "/judgements/self/marks"),
    "done in the future": (
        lambda file: next(iter(file["projects"].values())).update(done_at="2098-01-01T00:00:00Z"),
        "/done_at",
    ),
    "judged in the future": (
        lambda file: next(iter(file["projects"].values()))["judgements"]["self"].update(
            created_at="2098-01-01T00:00:00Z"
        ),
        "/judgements/self/created_at",
    ),
    "HTML in a task": (
        lambda file: capstone_in(file).update(brief="<b>Do</b>"),
        "/outline/stages/0/capstone/brief",
    ),
    "too few criteria": (
        lambda file: capstone_in(file).update(criteria=["One"]),
        "/outline/stages/0/capstone/criteria",
    ),
}


class TestOwnJudgement:
    def test_work_is_saved_and_the_project_is_done_when_nothing_is_missing(
        self, client: TestClient, roadmap: str, project: str
    ) -> None:
        assert node_of(client, roadmap)["done_at"] is None
        assert save(client, project)["judgements"] == []
        poor = marks_for(client, project, "partly")
        assert save(client, project, *poor[1:], "no")["done_at"] is None
        made = save(client, project, *poor)
        assert made["done_at"]
        assert node_of(client, roadmap)["done_at"] == made["done_at"]
        # It stays done, and the newest judgement is the one that counts
        again = save(client, project, *poor[1:], "no", work="Lost")
        assert (again["done_at"], again["work"]) == (made["done_at"], "Lost")
        assert [each["marks"][-1] for each in again["judgements"]] == ["no"]

    @try_each("body", MISFITS.values(), MISFITS)
    def test_what_does_not_fit_the_rubric_changes_nothing(
        self, client: TestClient, project: str, body: dict[str, Any]
    ) -> None:
        before = client.get(project).json()
        assert client.put(project, json=body).status_code == 422
        assert client.get(project).json() == before

    def test_without_a_model_none_judges(self, client: TestClient, project: str) -> None:
        save(client, project)
        answer = client.post(f"{project}/judgement", json={})
        assert (answer.status_code, "OPENAI_API_KEY" in answer.text) == (409, True)


class TestLink:
    def test_it_admits_one_judgement_and_shows_nothing_else_of_the_learner(
        self, client: TestClient, project: str
    ) -> None:
        save(client, project, work="<script>alert(1)</script> https://example.org/x")
        marks = marks_for(client, project, "yes")
        token = link_of(client, project)
        shown = client.get(f"/judge/{token}", headers={"Accept": "text/html"})
        assert "&lt;script&gt;alert(1)" in shown.text
        assert 'href="https://example.org/x" rel="nofollow noopener noreferrer"' in shown.text
        assert GOAL not in shown.text
        assert shown.headers["x-robots-tag"] == "noindex, nofollow"
        with pytest.raises(Invalid):
            judge_by_link(token, JudgementRequest(marks=marks[1:], comments=()))
        judge_by_link(token, JudgementRequest(marks=marks, comments=("<b>fine</b>",)))
        (judgement,) = client.get(project).json()["judgements"]
        assert (judgement["judge"], judgement["comments"]) == ("person", ["<b>fine</b>"])
        assert client.get(project).json()["done_at"]
        with pytest.raises(Gone):
            judge_by_link(token, JudgementRequest(marks=marks, comments=()))

    def test_its_page_says_what_does_not_fit_and_keeps_what_was_typed(
        self, client: TestClient, project: str
    ) -> None:
        save(client, project)
        page = f"/judge/{link_of(client, project)}"
        marks = {f"m{n}": mark for n, mark in enumerate(marks_for(client, project, "yes"))}
        few = client.post(page, data={"m0": "yes", "c0": "Good\r\nwork"})
        assert (few.status_code, "Good\nwork</textarea>" in few.text) == (422, True)
        long = client.post(page, data={**marks, "c0": "x" * 1001})
        assert (long.status_code, "1,000 characters" in long.text) == (422, True)
        fit = client.post(page, data={**marks, "c0": "Good\r\nwork"})
        assert (fit.status_code, client.post(page, data=marks).status_code) == (200, 410)
        (judgement,) = client.get(project).json()["judgements"]
        assert judgement["comments"] == ["Good\nwork"]

    @pytest.mark.usefixtures("travelling")
    def test_it_ends_by_another_link_its_revocation_its_time_and_the_trash(
        self, client: TestClient, roadmap: str, project: str
    ) -> None:
        page = project.removeprefix(API)
        save(client, project)

        def end_by(what: str) -> None:
            token = link_of(client, project)
            assert open_link(token).judgements == ()
            match what:
                case "another":
                    link_of(client, project)
                case "revoked":
                    client.post(f"{page}/link/revoke")
                case "over":
                    clock.travel(timedelta(days=15))
                case "trash":
                    client.delete(roadmap)
            with pytest.raises(Gone):
                open_link(token)
            assert client.get(f"/judge/{token}").status_code == 410

        for what in ("another", "revoked", "over", "trash"):
            end_by(what)

    def test_a_token_that_was_not_made_here_opens_nothing(
        self, client: TestClient, project: str
    ) -> None:
        save(client, project)
        token = link_of(client, project)
        stage = UUID(project.split("/")[-2])
        for other in (token[:-1] + ("A" if token[-1] != "A" else "B"), stage.hex, "x"):
            with pytest.raises(Gone):
                open_link(other)


class TestKept:
    def test_changes_of_the_plan_and_an_export_keep_all_of_it(
        self, client: TestClient, roadmap: str, project: str
    ) -> None:
        marks = marks_for(client, project, "yes")
        save(client, project, *marks)
        tree = client.get(roadmap).json()
        key = tree["stages"][0]["key"]
        rename = {"op": "rewrite", "what": "stage", "key": key, "title": "Another title"}
        client.post(f"{roadmap}/edits", json={"operations": [rename]})
        mine = client.get(project).json()
        assert (mine["work"], mine["stage"]) == (WORK, "Another title")
        document = client.get(f"{roadmap}/export.json").json()
        assert document["projects"][key]["judgements"]["self"]["marks"] == marks
        there = client.post(f"{API}/imports", json=document).headers["location"]
        assert client.get(f"{there}/export.json").json()["projects"] == document["projects"]
        assert node_of(client, there) == node_of(client, roadmap)

    def test_a_copy_of_a_shared_roadmap_has_the_task_and_not_the_work(
        self, client: TestClient, roadmap: str, project: str
    ) -> None:
        save(client, project, *marks_for(client, project, "yes"))
        link = client.post(f"{roadmap}/links", json={"purpose": "reading"}).json()["url"]
        place = "/shared/" + link.rpartition("/")[2]
        assert WORK not in client.get(place).text
        copied = client.post(f"{API}{place}/copy", json={}).headers["location"]
        own = node_of(client, roadmap)
        assert own.pop("judges") == ["self"]
        assert node_of(client, copied) == {**own, "done_at": None}
        document = client.get(f"{copied}/export.json").json()
        assert "projects" not in document

    @pytest.fixture
    def exported(self, client: TestClient, roadmap: str, project: str) -> dict[str, Any]:
        """Its file, with work on a project."""
        save(client, project, *marks_for(client, project, "yes"))
        document: dict[str, Any] = client.get(f"{roadmap}/export.json").json()
        return document

    @try_each(("break_", "place"), BREAKS.values(), BREAKS)
    def test_a_file_that_breaks_a_rule_is_refused(
        self,
        client: TestClient,
        exported: dict[str, Any],
        break_: Callable[[Any], Any],
        place: str,
    ) -> None:
        document = deepcopy(exported)
        break_(document)
        answer = client.post(f"{API}/imports", json=document)
        assert answer.status_code == 422
        assert place in answer.text

    def test_an_outline_of_a_version_before_has_no_project(
        self, client: TestClient, roadmap: str
    ) -> None:
        document = client.get(f"{roadmap}/export.json").json()
        for stage in document["outline"]["stages"]:
            del stage["capstone"]
        there = client.post(f"{API}/imports", json=document).headers["location"]
        tree = client.get(there).json()
        assert all("project" not in stage for stage in tree["stages"])
        stage_id = tree["stages"][0]["id"]
        assert client.get(f"{there}/stages/{stage_id}/project").status_code == 404
