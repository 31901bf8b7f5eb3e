"""Imports of random review cards and random JSON."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from core import clock
from core.db import session, transaction
from models.roadmaps import ReviewCard
from roadmap.learning.reviews import KEPT
from roadmap.learning.spaced_repetition import MOST_REVIEWS, Memory, ReviewRating, rated
from tests.cases import try_each
from tests.portables import AT, FIRST, small
from tests.unit.roadmap.exchange.documents import API, Document, at, made, rows, sent, taken

pytestmark = pytest.mark.usefixtures("short")

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
TITLE = TEXT.filter(str.strip)
RATINGS = list(ReviewRating)
BEGAN = datetime(2024, 1, 5, 9, tzinfo=UTC)
REVIEWED = st.lists(
    st.tuples(st.sampled_from(RATINGS), st.integers(1, 2 * 365 * 24 * 60)), max_size=12
)  # minutes before each

# Whatever a card may say, most of which no memory is.
CARD = st.fixed_dictionaries(
    {
        **{
            "question": st.integers(0, 1),
            "state": st.integers(1, 3),
            "step": st.none() | st.integers(0, 3),
        },
        "stability": st.none()
        | st.sampled_from([0, 5e-324, 0.001, 3.1, 36500, 1e6])
        | st.floats(0, 1e6),
        "difficulty": st.none() | st.floats(0, 10),
        "due_at": st.datetimes(datetime(2001, 1, 1), datetime(2199, 1, 1)).map(
            lambda moment: f"{moment.isoformat()}Z"
        ),
        "reviewed_at": st.none() | st.sampled_from([AT, "2001-01-01T00:00:00Z"]),
        "reviews": st.sampled_from([0, 1, 3, MOST_REVIEWS]),
        "lapses": st.sampled_from([0, 1, MOST_REVIEWS]),
    }
)


def card_of(reviewed: list[tuple[ReviewRating, int]]) -> Document:
    """As FSRS makes it, of a question that was rated so, each time so much later."""
    memory, now = Memory(due_at=BEGAN), BEGAN
    for rating, minutes in reviewed:
        now = min(now + timedelta(minutes=minutes), clock.now())
        memory = rated(memory, rating, now)
    card: Document = {
        "question": 1,
        # The day on which it was new has ended where it comes in.
        **{name: getattr(memory, name) for name in KEPT if name != "begun_at"},
    }
    for name in ("due_at", "reviewed_at"):
        card[name] = card[name] and card[name].isoformat().replace("+00:00", "Z")
    return card


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=TITLE,
    notes=st.just("") | TEXT,
    reviewed=REVIEWED,
    progress=st.sampled_from(["todo", "learning", "done", "skipped"]),
)
def test_whatever_it_is_comes_back(
    client: TestClient,
    title: str,
    notes: str,
    reviewed: list[tuple[ReviewRating, int]],
    progress: str,
) -> None:
    document, card = small(), card_of(reviewed)
    document["outline"]["title"] = title
    document["concepts"][FIRST] |= {"notes": notes, "cards": [card], "progress": progress}
    document["concepts"][FIRST]["progress_at"] = None if progress == "todo" else AT
    once = taken(client, made(client, document))
    assert taken(client, made(client, {**once, "exported_at": AT})) == once
    assert once["concepts"][FIRST]["notes"] == notes
    found = once["concepts"][FIRST]["cards"][0]
    assert {name: found[name] for name in ("stability", "difficulty", "reviews")} == {
        name: card[name] for name in ("stability", "difficulty", "reviews")
    }


def goes_on(client: TestClient, path: str) -> None:
    """Its card can be asked, checked, rated in each way, and then exported and imported."""
    with session():
        card = ReviewCard.get(ReviewCard.roadmap == UUID(path.rpartition("/")[2]))
    before = {name: getattr(card, name) for name in KEPT}
    assert client.get(f"{API}/reviews").status_code == 200
    checked = client.post(f"{API}/reviews/{card.id}/check", json={"chosen": [0]})
    assert checked.status_code == 200, checked.text
    with transaction():  # which may have been wrong, and bound the rating
        ReviewCard.update(missed_at=None).where(ReviewCard.id == card.id).execute()
    for rating in RATINGS:
        answer = client.post(
            f"{API}/reviews/{card.id}", json={"rating": rating, "reviews": card.reviews}
        )
        assert answer.status_code == 200, answer.text
        made(client, taken(client, path) | {"exported_at": AT})
        with transaction():
            ReviewCard.update(**before).where(ReviewCard.id == card.id).execute()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(card=CARD | REVIEWED.map(card_of))
def test_a_card_that_comes_in_can_be_gone_on_with(client: TestClient, card: Document) -> None:
    document = small()
    document["concepts"][FIRST]["cards"] = [card]
    answer = sent(client, document)
    if answer.status_code == 201:
        goes_on(client, answer.headers["location"])
        return
    assert answer.status_code == 422, answer.text
    pointers = {each["pointer"].rpartition("/")[0] for each in answer.json()["errors"]}
    assert pointers == {f"#/concepts/{FIRST}/cards/0"}


@try_each("stability", [0.001, 1e6])
@try_each("reviews", [1, MOST_REVIEWS])
@try_each(("state", "step"), [(1, 0), (1, 1), (2, None), (3, 0)])
def test_so_can_one_at_the_bounds(
    client: TestClient, state: int, step: int | None, reviews: int, stability: float
) -> None:
    document = small()
    its = {
        "state": state,
        "step": step,
        "stability": stability,
        "reviews": reviews,
        "lapses": reviews,
        "reviewed_at": AT,
    }
    document["concepts"][FIRST]["cards"][0] |= its | {"due_at": AT}
    goes_on(client, made(client, document))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=10), inside, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [
        *([place] if place else []),
        *(each for name, part in inside for each in places(part, (*place, name))),
    ]


@settings(
    max_examples=5 * settings().max_examples,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    place=st.sampled_from(places(small())),
    value=JSON | st.sampled_from([small(), AT, "<b>", [], {}, 0, 1, 2, -1]),
)
def test_whatever_stands_wherever_it_is_made_or_refused_with_its_place(
    client: TestClient, place: tuple[str | int, ...], value: Any
) -> None:
    document = small()
    at(document, *place[:-1])[place[-1]] = value
    before = rows()
    answer = sent(client, document)
    if answer.status_code == 201:
        again = taken(client, answer.headers["location"])
        assert taken(client, made(client, {**again, "exported_at": AT})) == again
        return
    assert answer.status_code == 422, answer.text
    assert all(each["pointer"].startswith("#") for each in answer.json()["errors"])
    assert rows() == before
