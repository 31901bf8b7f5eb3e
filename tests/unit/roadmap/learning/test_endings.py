"""Ends of a stage and of a roadmap: the page after them, and what is shown to others."""

import re
from typing import Any

from starlette.testclient import TestClient

from core import clock
from roadmap.generation.catalogue import loader

API = "/api/v1"


def stages_of(client: TestClient, roadmap: str) -> list[list[Any]]:
    return [
        [concept for module in stage["modules"] for concept in module["concepts"]]
        for stage in client.get(roadmap).json()["stages"]
    ]


def mark(client: TestClient, roadmap: str, concept: Any, progress: str) -> str:
    """Set the progress on the page, and return where that leads."""
    path = f"{roadmap.removeprefix(API)}/concepts/{concept['id']}/progress"
    answer = client.post(path, data={"progress": progress}, follow_redirects=False)
    assert answer.status_code == 303
    return str(answer.headers["location"].removeprefix(roadmap.removeprefix(API)))


def test_the_last_concept_leads_to_the_end_of_its_stage_and_of_the_roadmap(
    client: TestClient, roadmap: str
) -> None:
    page, (first, *others) = roadmap.removeprefix(API), stages_of(client, roadmap)
    lesson = f"{page}/concepts/{first[-1]['id']}"
    assert "/stages/1" not in client.get(lesson).text
    for concept in first[:-1]:
        assert mark(client, roadmap, concept, "done").endswith("#progress")
    assert mark(client, roadmap, first[-1], "skipped") == "/stages/1"
    assert f'href="{page}/stages/1"' in client.get(lesson).text  # it was rendered before
    assert f'href="{page}/stages/1"' in client.get(page).text
    end = client.get(f"{page}/stages/1").text
    assert "Stage 1 of" in end
    assert all(outcome in end for outcome in first[0]["outcomes"])
    assert not any(outcome in end for outcome in first[-1]["outcomes"])

    last = others[-1][-1]
    for concept in [each for stage in others for each in stage if each is not last]:
        mark(client, roadmap, concept, "skipped")
    assert "/completion" not in client.get(page).text
    assert mark(client, roadmap, last, "done") == "/completion"
    assert f'href="{page}/completion"' in client.get(page).text
    whole = client.get(f"{page}/completion").text
    assert re.search(rf"{len(first)} of \d+ concepts done", whole)
    assert loader.tracks()["databases"].title in whole
    assert mark(client, roadmap, last, "skipped") == "/completion"
    for concept in first:
        mark(client, roadmap, concept, "skipped")  # nothing was learned: there is no end
    assert mark(client, roadmap, last, "skipped").endswith("#progress")


def test_a_completion_is_shown_to_others_by_a_link_that_says_so(
    client: TestClient, roadmap: str
) -> None:
    links = [
        client.post(f"{roadmap}/links", json={"purpose": "reading", **more}).json()
        for more in ({}, {"shows_completion": True})
    ]
    assert [link["shows_completion"] for link in links] == [False, True]
    paths = [link["url"].partition("/shared/")[2] for link in links]

    def completions() -> list[Any]:
        return [client.get(f"{API}/shared/{path}").json().get("completion") for path in paths]

    concepts = [each for stage in stages_of(client, roadmap) for each in stage]
    mark(client, roadmap, concepts[0], "done")
    assert completions() == [None, None]  # it is not over
    for concept in concepts[1:]:
        mark(client, roadmap, concept, "skipped")
    hidden, shown = completions()
    today = str(clock.now().date())
    assert hidden is None
    [stage] = shown.pop("stages")
    assert (stage["outcomes_learned"], stage["outcomes_done"]) == ([], concepts[0]["outcomes"])
    assert shown.pop("test")["taken_at"] is None
    assert 0 <= shown.pop("minutes") <= 5  # by the clock, and a busy machine takes its time
    assert shown == {
        "projects": [],
        "begun_on": today,
        "ended_on": today,
        "done": 1,
        "learned": 0,
        "skipped": len(concepts) - 1,
        "total": len(concepts),
    }
    pages = [client.get(f"/shared/{path}").text for path in paths]
    assert ["Roadmap completed" in page for page in pages] == [False, True]


def test_tracks_lead_to_tracks() -> None:
    for track in loader.tracks().values():
        assert track.onward
        assert set(track.onward) <= loader.tracks().keys() - {track.id}
