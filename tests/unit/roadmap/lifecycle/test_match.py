"""A goal that the catalogue does not cover waits for a choice; what fits starts at once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from starlette.testclient import TestClient

from core import clock
from core.db import transaction
from models.roadmaps import Roadmap
from tests.cases import try_each

ROADMAPS = "/api/v1/roadmaps"


def created(client: TestClient, goal: str, **fields: object) -> tuple[str, dict[str, Any]]:
    answer = client.post(ROADMAPS, json={"goal": goal, **fields})
    assert answer.status_code == 202
    return answer.headers["location"], answer.json()["match"]


def test_a_goal_that_fits_starts_and_says_nothing(client: TestClient, short: None) -> None:
    path, match = created(client, "Become a backend engineer in Python")
    tree = client.get(path).json()
    assert (tree["status"], tree["remarks"], tree["match"]) == ("ready", [], match)
    assert match["covered"] == ["backend", "Python"]


def test_one_subject_is_made_at_once_with_a_remark(client: TestClient) -> None:
    path, match = created(client, "learn git")
    tree = client.get(path).json()
    assert (tree["status"], tree["learned"]["total"], tree["hours"]) == ("ready", 3, 16)
    assert tree["remarks"][0] == match["summary"] == "Only what git needs: 3 concepts, 16 hours."


@try_each(("scope", "total"), [("fitting", 12), ("track", 22)])
def test_a_near_miss_waits_for_a_choice(client: TestClient, scope: str, total: int) -> None:
    path, match = created(client, "Excel")
    tree = client.get(path).json()
    assert (tree["status"], tree["stages"], tree["match"]) == ("awaiting_answers", [], match)
    wrong = client.post(f"{path}/answers", json={"scope": "ask"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "#/scope")
    both = client.post(f"{path}/answers", json={"scope": scope, "skip": True})
    assert both.status_code == 422
    assert client.post(f"{path}/answers", json={"scope": scope}).status_code == 202
    tree = client.get(path).json()
    assert (tree["status"], tree["learned"]["total"]) == ("ready", total)
    assert tree["remarks"][0].startswith("You asked for Excel. 0 of 22 concepts")
    assert client.post(f"{path}/answers", json={"scope": scope}).status_code == 409


def test_a_choice_that_is_not_offered_is_refused_and_skipping_takes_the_first(
    client: TestClient,
) -> None:
    path, match = created(client, "backend, Zig")
    assert [each["scope"] for each in match["choices"]] == ["track"]
    wrong = client.post(f"{path}/answers", json={"scope": "fitting"})
    assert wrong.json()["errors"][0]["detail"] == "should be one of: track"
    assert client.get(path).json()["status"] == "awaiting_answers"
    path, _ = created(client, "Excel")
    assert client.post(f"{path}/answers", json={"skip": True}).status_code == 202
    assert client.get(path).json()["learned"]["total"] == 12


def test_a_request_can_choose_beforehand(client: TestClient) -> None:
    path, match = created(client, "Excel", scope="fitting")
    assert match["asks"]
    assert client.get(path).json()["learned"]["total"] == 12
    assert client.post(ROADMAPS, json={"goal": "Excel", "scope": "all"}).status_code == 422


def test_a_deadline_that_is_too_near_is_said_with_what_fits(client: TestClient) -> None:
    day = (clock.now() + timedelta(days=14)).date().isoformat()
    path, match = created(client, "Become a DevOps engineer", deadline=day, hours_per_week=8)
    assert (match["fits_in_time"], match["hours_available"]) == (False, 16)
    assert match["choices"][0]["hours"] <= 16
    assert client.get(path).json()["status"] == "awaiting_answers"
    client.post(f"{path}/answers", json={"scope": "fitting"})
    tree = client.get(path).json()
    assert (tree["status"], tree["hours"]) == ("ready", match["choices"][0]["hours"])


def test_a_row_of_an_older_version_that_answered_is_not_asked_again(client: TestClient) -> None:
    path, _ = created(client, "Excel")
    roadmap_id = UUID(path.rpartition("/")[2])
    with transaction():
        Roadmap.update(goal_match=None).where(Roadmap.id == roadmap_id).execute()
    wrong = client.post(f"{path}/answers", json={"scope": "track"})
    assert wrong.json()["errors"][0]["detail"] == "should be one of: none"
    assert client.post(f"{path}/answers", json={"skip": True}).status_code == 202
    assert client.get(path).json()["status"] == "ready"


def test_it_can_be_cancelled_and_retried(client: TestClient) -> None:
    path, _ = created(client, "Excel")
    assert client.post(f"{path}/cancel").status_code in (200, 202)
    assert client.post(f"{path}/retry").status_code in (200, 202)
    assert client.get(path).json()["status"] == "awaiting_answers"


@try_each(
    ("tag", "sentence", "button"),
    [
        ("en", "You asked for Excel.", "Only what fits"),
        ("zh-Hans", "你想学 Excel。", "只学合适的部分"),
    ],
)
def test_the_page_shows_the_choice_before_anything_is_made(
    client: TestClient, tag: str, sentence: str, button: str
) -> None:
    headers = {"Accept-Language": tag}
    sent = {"goal": "Excel", "language": tag}
    made = client.post("/roadmaps", data=sent, headers=headers, follow_redirects=False)
    path = made.headers["location"]
    shown = client.get(path, headers=headers).text
    assert all(text in shown for text in (sentence, button, "/import?goal=Excel"))
    chosen = client.post(f"{path}/answers", data={"scope": "fitting"}, headers=headers)
    assert chosen.status_code == 200
    assert sentence in chosen.text
    assert 'id="match"' not in chosen.text


def test_a_ready_made_roadmap_starts_at_once(client: TestClient, short: None) -> None:
    day = (clock.now() + timedelta(days=14)).date().isoformat()
    sent = {"goal": "", "track": "Database engineer", "deadline": day}
    made = client.post("/roadmaps", data=sent, follow_redirects=False)
    tree = client.get("/api/v1" + made.headers["location"]).json()
    assert (tree["status"], tree["match"]["fits_in_time"]) == ("ready", False)
