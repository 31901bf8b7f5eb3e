"""The page of a roadmap, its stream of events, and its failures."""

import re
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import transaction
from core.i18n import ENGLISH, texts
from models.roadmaps import Content, Roadmap, RoadmapEvent
from roadmap.exchange.map.drawing import inlined
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import ContentStatus, Event, EventType, RoadmapStatus
from testing.stack import GOAL
from tests.cases import try_each
from tests.unit.web.pages.page_text import HTML, PART, concepts_of, made, text_of, tree_of
from web.pages.labels import Sentences


class TestRoadmap:
    def test_it_shows_the_plan_the_picture_and_where_to_go_on(
        self, person: TestClient, roadmap: str
    ) -> None:
        answer = person.get(roadmap)
        concepts = concepts_of(person, roadmap)
        for concept in concepts:
            assert f'id="concept-{concept["id"]}"' in answer.text
        assert answer.text.count('<a class="p-concept') == 2 * len(
            concepts
        )  # columns, and rows for phones
        assert "hx-sse:connect" not in answer.text
        assert f'href="{roadmap}/concepts/{concepts[0]["id"]}">Continue' in answer.text

    def test_the_map_is_drawn_once_for_each_state_and_language(
        self, person: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn = []

        def counted(*values: Any) -> str:
            drawn.append(inlined(*values))
            return drawn[-1]

        monkeypatch.setattr("web.pages.plan.roadmap.inlined", counted)
        first, again = person.get(roadmap).text, person.get(roadmap).text
        assert (len(drawn), drawn[0] in first, drawn[0] in again) == (1, True, True)
        chinese = person.get(roadmap, headers={"Accept-Language": "zh-CN"}).text
        assert (len(drawn), drawn[1] in chinese, drawn[0] in chinese) == (2, True, False)
        concept = concepts_of(person, roadmap)[0]["id"]
        assert person.post(
            f"{roadmap}/concepts/{concept}/progress", data={"status": "done"}
        ).is_redirect
        assert drawn[0] not in person.get(roadmap).text
        assert len(drawn) == 3

    def test_what_failed_is_named_and_has_its_own_retry(
        self, person: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = concepts_of(person, roadmap)[:2]
        with transaction():
            failed = (
                Content.concept.in_([first["id"], second["id"]]),
                Content.kind == ContentKind.quiz,
            )
            Content.update(
                status=ContentStatus.failed, version=0, error="The model answered 500."
            ).where(*failed).execute()
            Roadmap.update(
                status=RoadmapStatus.partial, contents_failed=2, contents_ready=88
            ).execute()
        page = person.get(roadmap)
        assert f"The quiz on “{first['title']}” failed" in text_of(page)
        assert "The model answered 500." in page.text

        answer = person.post(f"{roadmap}/concepts/{first['id']}/quiz/retry")
        assert (answer.status_code, answer.headers["location"]) == (303, roadmap)
        states = [
            concept["contents"]["quiz"]["status"] for concept in concepts_of(person, roadmap)[:2]
        ]
        assert states == ["ready", "failed"]
        assert person.post(f"{roadmap}/concepts/{first['id']}/quiz/retry").status_code == 409

        person.post(f"{roadmap}/retry")
        assert tree_of(person, roadmap)["status"] == "ready"

    def test_a_plan_is_approved(self, person: TestClient) -> None:
        path = made(person, review="on")
        assert "Does this plan suit you?" in text_of(person.get(path))
        assert person.post(f"{path}/approve", data={"revision": "1"}).status_code == 303
        assert tree_of(person, path)["status"] == "ready"

    def test_a_wish_without_a_model_stays_in_its_field(self, person: TestClient) -> None:
        path = made(person, review="on")
        answer = person.post(f"{path}/revise", data={"feedback": "More about testing."})
        assert 'id="feedback-error"' in answer.text
        assert "More about testing.</textarea>" in answer.text
        assert (
            "Changing a plan by prompt needs a model: the operator of this service must set"
            " OPENAI_API_KEY." in text_of(answer, 422)
        )
        assert 'id="feedback"' not in person.get(path).text  # it is not offered

    def test_a_goal_of_a_thousand_characters_leaves_room_for_the_rest(
        self, person: TestClient
    ) -> None:
        goal = f"{GOAL} " + "and much more " * 70
        path = made(person, goal=goal[:1000].strip(), review="on")
        with transaction():
            Roadmap.update(title="").execute()
        page = person.get(path).text
        heading = re.search(r"<h1[^>]*>([^<]*)</h1>", page)
        assert heading is not None
        assert len(heading[1]) <= 240
        assert goal[:1000].strip() in page
        assert len(re.search(r"<title>([^<]*)</title>", page)[1]) < 100  # type: ignore[index]

    def test_it_can_be_stopped(self, person: TestClient) -> None:
        path = made(person, review="on")
        assert person.post(f"{path}/cancel").status_code == 303
        assert "This roadmap was cancelled" in text_of(person.get(path))

    @try_each("headers", [HTML, PART])
    def test_what_is_not_there_gets_an_error_page(
        self, person: TestClient, headers: dict[str, str]
    ) -> None:
        answer = person.get(f"/roadmaps/{UUID(int=7)}", headers=headers)
        assert "This page does not exist" in text_of(answer, 404)
        assert ("<html" in answer.text) == (headers is HTML)
        assert (
            person.get(f"/roadmaps/{UUID(int=7)}", headers={"Accept": "*/*"}).json()["status"]
            == 404
        )


class TestLive:
    """The stream of a page that is watched; tests/browser watches it in a browser."""

    def messages(self, person: TestClient, path: str, **headers: str) -> list[str]:
        answer = person.get(f"{path}/live", headers=headers)
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [
            message
            for message in answer.text.split("\n\n")
            if message and not message.startswith("retry:")
        ]

    def test_it_ends_with_the_last_event(self, person: TestClient, roadmap: str) -> None:
        messages = self.messages(person, roadmap)
        assert messages[-1] == "event: end\ndata: "
        html = "\n".join(messages)
        seqs = [int(number) for number in re.findall(r'id="event-(\d+)"', html)]
        assert sorted(seqs) == list(range(1, len(seqs) + 1))
        assert f"id: {len(seqs)}\n" in html

    def test_a_client_that_has_all_events_gets_the_end(
        self, person: TestClient, roadmap: str
    ) -> None:
        last = max(
            int(number) for number in re.findall(r'id="event-(\d+)"', person.get(roadmap).text)
        )
        for value in ({"Last-Event-ID": str(last)}, {}):
            query = "" if value else f"?after={last}"
            answer = person.get(f"{roadmap}/live{query}", headers=value)
            assert answer.text == "retry: 2000\n\nevent: picture\ndata: \n\nevent: end\ndata: \n\n"

    def test_who_comes_back_gets_what_came_since(self, person: TestClient, roadmap: str) -> None:
        html = "\n".join(self.messages(person, roadmap, **{"Last-Event-ID": "50"}))
        seqs = [int(number) for number in re.findall(r'id="event-(\d+)"', html)]
        assert min(seqs) == 51

    @try_each("expected", ["-1", "x", "99999999999"])
    def test_a_number_that_is_none_is_refused(
        self, person: TestClient, roadmap: str, expected: str
    ) -> None:
        assert person.get(f"{roadmap}/live", headers={"Last-Event-ID": expected}).status_code == 422


def test_an_error_of_ours_is_a_page_with_its_number(
    person: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a detail that stays inside")

    monkeypatch.setattr("roadmap.lifecycle.reading.queries.list_roadmaps", fail)
    answer = person.get("/roadmaps")
    assert answer.headers["x-request-id"] in text_of(answer, 500)
    assert "a detail" not in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_every_event_has_its_sentence() -> None:
    concept = UUID(int=7)
    for kind in EventType:
        event = Event(
            seq=1, type=kind, data={"kind": "quiz", "concept_id": str(concept)}, at=clock.now()
        )
        found = Sentences(ENGLISH).happened(event, {concept: "Baking"})
        assert ("Baking" in found) == kind.startswith(
            ("content.ready", "content.failed", "content.restored")
        ), kind
        assert Sentences(texts("zh-Hans")).happened(event, {concept: "Baking"}) != found, kind


def test_an_event_of_a_newer_version_is_shown(person: TestClient, roadmap: str) -> None:
    with transaction():
        RoadmapEvent.update(type="roadmap.painted").where(RoadmapEvent.seq > 80).execute()
    assert "Other event" in text_of(person.get(roadmap))


def test_an_error_beside_what_is_done_leaves_it_as_it_is(person: TestClient, lesson: str) -> None:
    answer = person.post(
        f"{lesson}/quiz", data={"version": "1"}, headers={**PART, "Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert {name: answer.headers[name] for name in ("hx-retarget", "hx-reswap", "hx-reselect")} == {
        "hx-retarget": "#problems",
        "hx-reswap": "innerHTML",
        "hx-reselect": ".problem",
    }
    assert '<div id="problems" aria-live="assertive"' in person.get(lesson).text
