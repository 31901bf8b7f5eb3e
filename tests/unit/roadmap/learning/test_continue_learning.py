"""Home says where one goes on, also with roadmaps that are older than many others."""

from datetime import timedelta
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import session, transaction
from models.accounts import Account
from models.roadmaps import Concept, Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.learning.today import NEWEST, find_lessons
from tests.integration.roadmap.test_reviews import made
from tests.unit.web.pages.page_text import HTML, text_of

LIMIT = 3


@pytest.fixture
def person(client: TestClient) -> TestClient:
    client.headers.update(HTML)
    return client


def several(count: int, **progress: object) -> list[UUID]:
    """Of one concept each, the newest last."""
    with session():
        owner = Account.get_by_id(LOCAL_OWNER)
    ids = [made(owner)[1] for _ in range(count)]
    if progress:
        with transaction():
            Concept.update(progress).where(Concept.roadmap.in_(ids)).execute()
    return ids


def next_ids() -> list[UUID]:
    return [each.id for each in find_lessons(LOCAL_OWNER, limit=LIMIT)[0]]


class TestWhichOnes:
    def test_what_is_learned_is_not_forgotten_behind_newer_ones(self, person: TestClient) -> None:
        (learned,) = several(1, progress="learning", progress_at=clock.now())
        newer = several(NEWEST + 5)
        assert next_ids() == [learned, newer[-1], newer[-2]]

    def test_what_is_finished_makes_room_for_what_is_not(self, person: TestClient) -> None:
        (learned,) = several(1, progress="learning", progress_at=clock.now())
        unbegun = several(2)
        several(NEWEST + 5, progress="done", progress_at=clock.now() + timedelta(hours=1))
        assert next_ids() == [learned, unbegun[1], unbegun[0]]

    def test_one_that_was_never_begun_comes_only_where_there_is_room(
        self, person: TestClient
    ) -> None:
        begun = [
            several(1, progress="learning", progress_at=clock.now() - timedelta(days=days))[0]
            for days in (3, 1, 2)
        ]
        several(2)
        assert next_ids() == [begun[1], begun[2], begun[0]]

    def test_what_is_in_the_trash_or_left_the_plan_does_not_count(self, person: TestClient) -> None:
        thrown, left, here = several(3, progress="learning", progress_at=clock.now())
        with transaction():
            Roadmap.update(trashed_at=clock.now()).where(Roadmap.id == thrown).execute()
            Concept.update(removed=True).where(Concept.roadmap == left).execute()
        assert next_ids() == [here]


class TestTwins:
    def test_two_of_one_title_differ_by_their_goals(self, person: TestClient) -> None:
        one, _ = several(2)
        with transaction():
            Roadmap.update(goal="Count to ten").where(Roadmap.id == one).execute()
        part = person.get("/").text.partition('class="going-on"')[2].partition("</section>")[0]
        assert "Count to ten" in part
        assert '<p class="quiet clamp" dir="auto">Count</p>' in part

    def test_several_show_when_they_were_made(self, person: TestClient) -> None:
        several(2)
        part = person.get("/").text.partition('class="going-on"')[2].partition("</section>")[0]
        assert part.count("<time ") == 2
        with transaction():
            Roadmap.update(title="Sums").where(Roadmap.id == several(1)[0]).execute()
        assert "Sums" in text_of(person.get("/"))

    def test_one_alone_needs_no_more_words(self, person: TestClient) -> None:
        several(1)
        assert (
            "<time "
            not in person.get("/").text.partition('class="going-on"')[2].partition("</section>")[0]
        )
