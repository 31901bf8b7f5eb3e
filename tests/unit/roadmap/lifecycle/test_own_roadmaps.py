"""One's own roadmaps, ordered and filtered: each once, whatever happens between two pages."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import transaction
from models.roadmaps import Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.lifecycle.reading import own_roadmaps
from tests.cases import try_each
from tests.copies import Copies

API = "/api/v1/roadmaps"
# Title (empty: none yet), goal, status, and place in the order of changes; made in this order.
MADE = (
    ("Bake bread", "Become a baker", "ready", 3),
    ("", "apple trees", "queued", 1),
    ("Cooking", "Cook every day", "failed", 6),
    ("bake bread", "Sourdough", "ready", 2),
    ("Ärger mit Zügen", "Trains", "partial", 5),
    ("", "100% of_it", "planning", 4),
)
IDS = [UUID(int=0x01A2 << 112 | 7 << 76 | 2 << 62 | number) for number in range(len(MADE))]
BY = {
    "newest": [5, 4, 3, 2, 1, 0],
    "oldest": [0, 1, 2, 3, 4, 5],
    "title": [5, 1, 0, 3, 2, 4],
    "changed": [2, 4, 5, 0, 3, 1],
}


@pytest.fixture
def made(client: TestClient, copies: Copies) -> None:
    def make() -> None:
        now = clock.now()
        common = {
            "owner": LOCAL_OWNER,
            "level": "beginner",
            "hours_per_week": 5,
            "language": "en",
            "due_at": now,
        }
        with transaction():
            for id_, (title, goal, status, changed) in zip(IDS, MADE, strict=True):
                at = now + timedelta(seconds=changed)
                values = {
                    "title": title,
                    "goal": goal,
                    "status": status,
                    "created_at": now,
                    "updated_at": at,
                }
                Roadmap.insert({**common, **values, "id": id_}).execute()

    copies.of("roadmaps in an order", make)


pytestmark = pytest.mark.usefixtures("made")


def numbers(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [IDS.index(UUID(item["id"])) for item in answer.json()["items"]]


def following(answer: Any) -> str:
    link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
    return link[1] if link else ""


@try_each(("sort", "limit"), [(sort, limit) for sort in BY for limit in (1, 2, 5, 6)])
def test_each_order_is_paged_to_its_end(client: TestClient, sort: str, limit: int) -> None:
    answer, seen = client.get(f"{API}?sort={sort}&limit={limit}"), []
    seen += numbers(answer)
    while path := following(answer):
        assert f"sort={sort}" in path
        answer = client.get(path)
        seen += numbers(answer)
    assert seen == BY[sort]


@try_each(
    ("query", "found"),
    [
        ("status=ready", [3, 0]),
        ("status=ready,failed", [3, 2, 0]),
        ("status=ready&status=failed", [3, 2, 0]),
        ("status=ready,failed&status=ready&sort=oldest", [0, 2, 3]),
        ("status=ready&status=queued,partial&sort=title", [1, 0, 3, 4]),
        ("q=bread", [3, 0]),
        ("q=BREAD+baker", [0]),
        ("q=Z%C3%BCgen", [4]),
        ("q=100%25", [5]),
        ("q=_", [5]),
        ("q=bread&status=ready&sort=changed", [0, 3]),
        ("q=+", BY["newest"]),
        ("q=nothing", []),
    ],
)
def test_states_and_words_narrow_it(client: TestClient, query: str, found: list[int]) -> None:
    first = client.get(f"{API}?{query}&limit=2")
    seen, path = numbers(first), following(first)
    while path:
        answer = client.get(path)
        seen, path = seen + numbers(answer), following(answer)
    assert seen == found


def test_what_changes_between_two_pages_moves_nothing_else(client: TestClient) -> None:
    first = client.get(f"{API}?sort=title&limit=2")
    assert numbers(first) == [5, 1]
    with (
        transaction()
    ):  # the last one that was seen is called otherwise, and the one before is gone
        Roadmap.update(title="zzz").where(Roadmap.id == IDS[1]).execute()
        Roadmap.delete().where(Roadmap.id == IDS[5]).execute()
    second = client.get(following(first))
    assert numbers(second) == [0, 3]
    assert numbers(client.get(following(second))) == [2, 1]
    for sort in ("newest", "oldest"):
        page = client.get(f"{API}?sort={sort}&limit=2")
        last = UUID(page.json()["items"][-1]["id"])
        with transaction():
            Roadmap.update(trashed_at=clock.now()).where(Roadmap.id == last).execute()
        assert len(numbers(client.get(following(page)))) == 2


@try_each(("sort", "other"), list(permutations(BY, 2)))
def test_a_cursor_of_another_order_is_refused(client: TestClient, sort: str, other: str) -> None:
    cursor = client.get(f"{API}?sort={sort}&limit=2").json()["next_cursor"]
    assert client.get(f"{API}?sort={sort}&cursor={cursor}").status_code == 200
    answer = client.get(f"{API}?sort={other}&cursor={cursor}")
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert (error["parameter"], error["detail"]) == ("cursor", own_roadmaps.OTHER_ORDER)


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("statuses", ["ready,planning", "planning,ready"])
def test_what_changes_its_state_while_a_page_is_read_is_listed_once(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, order: str, statuses: str
) -> None:
    """Each state is read along its own index: one query after the other."""
    in_order_of_id, asked = own_roadmaps.in_order_of_id, 0

    def becomes_ready() -> None:
        with transaction():
            Roadmap.update(status="ready").where(Roadmap.id == IDS[5]).execute()

    def between(*given: Any, **more: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 2:
            with ThreadPoolExecutor(1) as another:
                another.submit(becomes_ready).result()
        return in_order_of_id(*given, **more)

    monkeypatch.setattr(own_roadmaps, "in_order_of_id", between)
    found = numbers(client.get(f"{API}?status={statuses}&sort={order}"))
    assert found == ([5, 3, 0] if order == "newest" else [0, 3, 5])
    assert numbers(client.get(f"{API}?status=ready")) == [5, 3, 0]


@try_each(
    ("query", "parameter"),
    [
        ("status=done", "status"),
        ("status=ready,done", "status"),
        ("status=", "status"),
        ("status=" + ",".join(["ready"] * 50), "status"),
        ("q=" + "a" * 101, "q"),
        ("q=%00", "q"),
        ("q=a&q=b", "q"),
        ("sort=name", "sort"),
        ("cursor=7", "cursor"),
        (f"cursor={IDS[0]}.QQ", "cursor"),
        (f"sort=title&cursor={IDS[0]}", "cursor"),
        (f"sort=title&cursor={IDS[0]}.A", "cursor"),
        (f"sort=changed&cursor={IDS[0]}.QQ", "cursor"),
        (f"sort=changed&cursor={IDS[0]}.Y2hhbmdlZDpB", "cursor"),  # changed:A
    ],
)
def test_what_does_not_fit_is_named(client: TestClient, query: str, parameter: str) -> None:
    answer = client.get(f"{API}?{query}")
    assert answer.status_code == 422, answer.text
    assert {error["parameter"] for error in answer.json()["errors"]} == {parameter}
