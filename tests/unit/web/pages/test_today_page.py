"""The part of today on the first page, and the goal and the zone that it follows."""

import re

import pytest
from starlette.testclient import TestClient

from tests.unit.web.pages.page_text import API, text_of

pytestmark = pytest.mark.usefixtures("short")


def test_goal_and_zone_are_set_by_a_form(person: TestClient, roadmap: str) -> None:
    wrong = {"weekly_goal": "8", "unit": "days", "time_zone": "Nowhere/Land"}
    refused = person.post("/account/learning", data=wrong)
    assert refused.status_code == 422
    assert 'id="weekly_goal-error"' in refused.text
    assert 'id="time_zone-error"' in refused.text
    right = {"weekly_goal": "4", "unit": "days", "time_zone": "Etc/GMT-14"}
    saved = person.post("/account/learning", data=right)
    assert saved.status_code == 303
    assert "Saved." in text_of(person.get(saved.headers["location"]))
    assert person.get(f"{API}/today").json()["time_zone"] == "Etc/GMT-14"
    home = person.get("/").text
    assert "This week: 0 of 4 days" in home
    form = re.search(r'action="([^"]+/part)"><input type="hidden" name="part" value="1"', home)
    assert form is not None
    done = person.post(form[1], data={"part": "1", "from": "home"})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    home = person.get("/").text
    assert "This week: 1 of 4 days" in home
    assert re.search(r'href="[^"]+#part-2">Part 2 of', home)
    cards = person.get("/roadmaps").text
    assert "<progress " in cards
    assert all(":" not in each for each in re.findall(r"<time [^>]*>([^<]*)", cards))
