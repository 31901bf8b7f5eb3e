"""A model replaces contents of the catalogue, concept by concept, without loss."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from roadmap.generation import generator as generator_module
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import ConceptBrief, GeneratorFault
from roadmap.lifecycle import commands
from roadmap.plan.outline import ContentKind, Contents, Tutorial
from tests.unit.roadmap.learning.test_progress import concepts_of

pytestmark = pytest.mark.usefixtures("short")

GOAL = "Become a backend engineer in Python"


class Model(CatalogueGenerator):
    """Writes a tutorial of its own, and the rest as the catalogue does."""

    name = "model:m"
    is_model = True

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        if kind is ContentKind.tutorial:
            return Tutorial(markdown=f"For a {brief.request.level}: {brief.title}")
        return super().write(kind, brief)


class Broken(Model):
    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        raise GeneratorFault("It has no idea.", lasting=True)


@pytest.fixture
def roadmap(client: TestClient, roadmap: str) -> dict[str, Any]:
    """Its tree."""
    tree: dict[str, Any] = client.get(roadmap).json()
    return tree


def with_model(monkeypatch: pytest.MonkeyPatch, generator: CatalogueGenerator) -> None:
    monkeypatch.setattr(generator_module, "current_generator", lambda: generator)


def test_all_parts_of_one_concept_are_written_by_the_model_and_the_old_ones_stay(
    client: TestClient, roadmap: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = concepts_of(roadmap)[:2]
    path = f"{roadmap['links']['self']}/concepts/{first['id']}"
    before = client.get(path).json()
    client.put(f"{path}/progress", json={"progress": "learning"})
    with_model(monkeypatch, Model())
    answer = client.post(f"{path}/upgrade")
    assert answer.status_code == 202
    after = client.get(path).json()
    assert after["tutorial"] == {
        "markdown": f"For a beginner: {first['title']}",
        "language": None,
        "version": 2,
        "generator": "model:m",
    }
    assert {kind: state["version"] for kind, state in after["contents"].items()} == dict.fromkeys(
        ContentKind, 2
    )
    assert after["progress"] == "learning"
    old = client.get(f"{path}/tutorial/versions/1").json()
    assert (old["content"]["markdown"], old["generator"]) == (
        before["tutorial"]["markdown"],
        "catalogue",
    )
    other = client.get(f"{roadmap['links']['self']}/concepts/{second['id']}").json()
    assert {state["version"] for state in other["contents"].values()} == {1}
    assert client.get(roadmap["links"]["self"]).json()["status"] == "ready"


def test_twice_is_a_conflict(
    client: TestClient, roadmap: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{roadmap['links']['self']}/concepts/{concepts_of(roadmap)[0]['id']}/upgrade"
    with_model(monkeypatch, Model())
    assert client.post(path).status_code == 202
    again = client.post(path)
    assert (again.status_code, again.json()["detail"]) == (
        409,
        "No part of this concept is from the built-in catalogue.",
    )


def test_where_there_are_as_many_versions_as_there_may_be_it_says_so(
    client: TestClient, roadmap: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MOST_VERSIONS", 1)
    with_model(monkeypatch, Model())
    answer = client.post(
        f"{roadmap['links']['self']}/concepts/{concepts_of(roadmap)[0]['id']}/upgrade"
    )
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "The maximum of 1 versions is reached for each part.",
    )


def test_a_model_that_fails_leaves_what_is_there(
    client: TestClient, roadmap: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{roadmap['links']['self']}/concepts/{concepts_of(roadmap)[0]['id']}"
    before = client.get(path).json()
    with_model(monkeypatch, Broken())
    assert client.post(f"{path}/upgrade").status_code == 202
    after = client.get(path).json()
    assert after["tutorial"] == before["tutorial"]
    assert {state["status"] for state in after["contents"].values()} == {"ready"}
    assert {state["error"] for state in after["contents"].values()} == {"It has no idea."}
    assert client.get(roadmap["links"]["self"]).json()["status"] == "ready"


def test_the_error_without_a_model_names_what_is_missing(
    client: TestClient, roadmap: dict[str, Any]
) -> None:
    answer = client.post(
        f"{roadmap['links']['self']}/concepts/{concepts_of(roadmap)[0]['id']}/upgrade"
    )
    assert answer.status_code == 409
    assert "OPENAI_API_KEY" in answer.json()["detail"]


def test_the_page_offers_it_where_there_is_a_model_and_something_built_in(
    client: TestClient, roadmap: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = f"/roadmaps/{roadmap['id']}/concepts/{concepts_of(roadmap)[0]['id']}"
    assert "Rewrite it for me" not in client.get(page).text
    with_model(monkeypatch, Model())
    assert "Rewrite it for me" in client.get(page).text
    done = client.post(
        f"{page}/upgrade", headers={"Origin": "http://127.0.0.1"}, follow_redirects=False
    )
    assert (done.status_code, done.headers["location"]) == (303, page)
    assert "For a beginner" in client.get(page).text
    assert "Rewrite it for me" not in client.get(page).text
