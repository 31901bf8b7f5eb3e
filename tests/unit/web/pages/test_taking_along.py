"""A roadmap on paper, brought in from a file, and installed as an app."""

import re
from uuid import UUID

from starlette.testclient import TestClient

from tests.portables import whole
from tests.unit.roadmap.lifecycle.conftest import designer
from tests.unit.roadmap.lifecycle.designer import Designer
from tests.unit.roadmap.lifecycle.test_jobs import the_roadmap
from tests.unit.web.pages.page_text import API, tree_of

__all__ = ["designer"]  # fixtures
PNG_SIZE = slice(16, 24)  # bytes of its head: width and height


def test_one_stage_is_printed_alone(person: TestClient, roadmap: str) -> None:
    stages = tree_of(person, roadmap)["stages"]
    assert f'href="{roadmap}/print"' in person.get(roadmap).text
    page = person.get(f"{roadmap}/print").text
    assert re.findall(r'<h2 dir="auto">(\d+) ', page) == [
        str(number) for number in range(1, len(stages) + 1)
    ]
    last = f"{roadmap}/print?stage={len(stages)}"
    assert f'href="{last}"' in page
    assert re.findall(r'<h2 dir="auto">(\d+) ', person.get(last).text) == [str(len(stages))]


def test_an_import_without_an_analysis_is_revised(person: TestClient, designer: Designer) -> None:
    """Copies of shared ones have none."""
    made = person.post(f"{API}/imports", json={**whole(), "analysis": None})
    path = made.headers["location"].removeprefix(API)
    sent = person.post(f"{path}/revise", data={"feedback": "More about rye, please."})
    assert sent.status_code == 303
    assert designer.feedback == ["More about rye, please."]
    row = the_roadmap(UUID(path.rpartition("/")[2]))
    assert (row.status, row.revision) == ("ready", 2)


def test_it_can_be_installed(person: TestClient) -> None:
    page = person.get("/").text
    link = re.search(r'<link rel="manifest" href="([^"]+)"', page)
    assert link is not None
    answer = person.get(link[1])
    assert answer.headers["content-type"] == "application/manifest+json"
    manifest = answer.json()
    assert (manifest["start_url"], manifest["display"]) == ("/", "standalone")
    for icon in manifest["icons"]:
        content = person.get(icon["src"]).content
        if icon["sizes"] != "any":
            size = content[PNG_SIZE]
            width, height = int.from_bytes(size[:4]), int.from_bytes(size[4:])
            assert icon["sizes"] == f"{width}x{height}"
