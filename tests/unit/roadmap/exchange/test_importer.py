"""A roadmap that was taken along comes back as it was; what does not fit is refused with its place, and nothing is changed."""

import asyncio
import json
import math
import threading
import time
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from starlette.testclient import TestClient

from core import clock
from core.db import database, session, transaction
from core.errors import RateLimited
from core.ids import new_id
from core.rate_limiter import Limit
from models.roadmaps import Concept, Module, QuizAttempt, ReviewCard, Roadmap, Stage
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.exchange.formats.json_ import as_json, portable
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.exchange.importer import IN_FILE, import_roadmap
from roadmap.learning.reviews import KEPT
from roadmap.learning.spaced_repetition import MOST_REVIEWS, Memory, ReviewRating, rated
from roadmap.plan.format_version import LARGEST_DOCUMENT
from roadmap.plan.outline import Question
from roadmap.plan.schemas import LONGEST_NOTES
from roadmap.plan.validation import LONGEST_DESCRIPTION, MOST_CONCEPTS
from tests.cases import try_each
from tests.copies import Copies
from tests.portables import AT, FIRST, QUESTIONS, SECOND, small, whole
from tests.stack import GOAL
from tests.unit.roadmap.learning.test_progress import right_answers
from web.http import limits
from web.http.concurrency import LARGE_OF_ONE, large_body_slot

API = "/api/v1"
IMPORT = f"{API}/imports"
HTML = {"Accept": "text/html"}
MIB = 1024 * 1024
Document = dict[str, Any]
BESIDE = ("execution_log", "log_source", "measure", "measured_process", "idempotency_key")


def rows() -> dict[str, int]:
    """How many there are in each table that belongs to somebody."""
    with session():
        tables = [table for table in database.get_tables() if table not in BESIDE]
        return {
            table: database.execute_sql(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0]
            for table in tables
        }


def sent(client: TestClient, document: Any) -> Any:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return client.post(IMPORT, content=content, headers={"Content-Type": "application/json"})


def made(client: TestClient, document: Any) -> str:
    answer = sent(client, document)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def taken(client: TestClient, path: str) -> Document:
    """As it is exported, but for when."""
    answer = client.get(f"{path}/export.json")
    assert answer.status_code == 200, answer.text
    document: Document = answer.json()
    assert document.pop("exported_at")
    return document


def without_time(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "exported_at"}


@pytest.fixture
def roadmap(client: TestClient, copies: Copies) -> str:
    """The path of a finished one."""
    return copies.of(
        "a roadmap",
        lambda: str(client.post(f"{API}/roadmaps", json={"goal": GOAL}).headers["location"]),
    )


@pytest.fixture
def concept(client: TestClient, roadmap: str) -> str:
    """The path of its first concept."""
    return f"{roadmap}/concepts/{client.get(roadmap).json()['stages'][0]['modules'][0]['concepts'][0]['id']}"


class TestComingBack:
    def test_what_was_taken_along_is_what_it_was(self, client: TestClient) -> None:
        path = made(client, small())
        assert taken(client, path) == without_time(small())
        again = made(client, {**taken(client, path), "exported_at": AT})
        assert again != path
        assert taken(client, again) == without_time(small())

    def test_one_that_the_service_has_made_comes_back_with_what_was_learned(
        self,
        client: TestClient,
        roadmap: str,
        concept: str,
    ) -> None:
        client.put(f"{concept}/progress", json={"progress": "done"})
        client.put(f"{concept}/notes", json={"notes": "面团 🥖 <b>"})
        for answers in (right_answers(concept), [[0]] * 5):
            client.post(f"{concept}/quiz/attempts", json={"version": 1, "answers": answers})
        before = client.get(f"{roadmap}/export.json")
        path = made(client, before.content)
        assert taken(client, path) == without_time(before.json())
        tree, original = client.get(path).json(), client.get(roadmap).json()
        assert (tree["status"], tree["learned"]) == ("ready", original["learned"])
        first = client.get(
            f"{path}/concepts/{tree['stages'][0]['modules'][0]['concepts'][0]['id']}"
        )
        assert first.json()["notes"] == "面团 🥖 <b>"

    def test_it_names_nothing_by_an_id_and_tells_no_cost(
        self, client: TestClient, roadmap: str
    ) -> None:
        text = client.get(f"{roadmap}/export.json").text
        tree = client.get(roadmap).text
        ids = {tree[at : at + 36] for at in range(len(tree)) if tree[at - 6 : at] == '"id":"'}
        assert len(ids) > 30
        assert not [each for each in (*ids, str(LOCAL_OWNER), '"spent"') if each in text]

    def test_parts_that_are_not_there_have_failed_and_can_be_retried(
        self, client: TestClient
    ) -> None:
        path = made(client, small())
        tree = client.get(path).json()
        assert (tree["status"], tree["progress"]) == (
            "partial",
            {"ready": 4, "failed": 2, "total": 6},
        )
        assert tree["error"] == "2 of 6 parts were not in the file"
        second = tree["stages"][0]["modules"][0]["concepts"][1]
        assert second["contents"]["quiz"] == {
            "status": "failed",
            "version": 0,
            "error": IN_FILE.part,
        }
        assert client.post(f"{path}/retry", json={}).status_code == 202

    def test_one_with_every_part_is_ready_and_has_its_events(self, client: TestClient) -> None:
        answer = sent(client, whole())
        assert answer.json()["status"] == "ready"
        path = answer.headers["location"]
        told = [
            line
            for line in client.get(f"{path}/events").text.splitlines()
            if line.startswith("event:")
        ]
        assert told == [
            "event: roadmap.imported",
            "event: roadmap.outlined",
            "event: roadmap.ready",
        ]
        assert client.get(f"{path}/events", headers={"Last-Event-ID": "3"}).status_code == 204
        assert client.get(f"{path}/revisions").json()["items"][0]["source"] == "import"
        for page in ("", "/trace", "/print"):
            assert client.get(path.removeprefix(API) + page, headers=HTML).status_code == 200

    def test_contents_fit_so_that_an_edit_keeps_them(self, client: TestClient) -> None:
        path = made(client, whole())
        edit = {"op": "rewrite", "what": "concept", "key": SECOND, "hours": 9}
        assert client.post(f"{path}/edits", json={"operations": [edit]}).status_code == 202
        assert client.get(path).json()["progress"] == {"ready": 6, "failed": 0, "total": 6}

    def test_cards_and_attempts_are_those_of_the_new_quiz(self, client: TestClient) -> None:
        made(client, small())
        with session():
            card, attempt, node = (
                ReviewCard.get(),
                QuizAttempt.get(),
                Concept.get(Concept.key == FIRST),
            )
        assert (card.version, card.number, card.owner_id) == (1, 1, LOCAL_OWNER)
        assert card.question == Question.model_validate(QUESTIONS[1]).fingerprint
        assert (card.stability, attempt.version) == (math.pi, 1)
        assert {card.concept_id, attempt.concept_id} == {node.id}

    def test_without_its_learner_it_says_nothing_of_anybody(self, client: TestClient) -> None:
        path = made(client, small())
        shared = portable(LOCAL_OWNER, UUID(path.rpartition("/")[2]), with_learner=False)
        told = json.loads(as_json(shared))
        assert (told["analysis"], told["request"]["background"], told["request"]["deadline"]) == (
            None,
            "",
            None,
        )
        plain = {"progress": "todo", "progress_at": None, "notes": "", "attempts": [], "cards": []}
        assert [{name: each[name] for name in plain} for each in told["concepts"].values()] == [
            plain,
            plain,
        ]
        assert told["outline"] == small()["outline"]
        copied = import_roadmap(LOCAL_OWNER, shared).roadmap
        assert (copied.title, copied.progress.ready) == ("Bread", 4)

    @try_each("title", ["C", "101", "1 + 1", "微积分", "It"])
    def test_whatever_its_title_is_a_copy_can_be_taken_along_as_well(
        self, client: TestClient, title: str
    ) -> None:
        document = small()
        document["outline"]["title"] = title
        shared = portable(
            LOCAL_OWNER, UUID(made(client, document).rpartition("/")[2]), with_learner=False
        )
        copied = import_roadmap(LOCAL_OWNER, shared).roadmap
        again = taken(
            client, made(client, client.get(f"{API}/roadmaps/{copied.id}/export.json").content)
        )
        assert (again["outline"]["title"], title in again["request"]["goal"]) == (title, True)

    def test_keys_that_are_made_for_older_plans_are_free(self, client: TestClient) -> None:
        document = small()
        nodes = document["outline"]["stages"]
        for key in ("stage-1", "stage-3", "x"):
            concept = {
                **nodes[0]["modules"][0]["concepts"][0],
                "key": f"c-{key}",
                "title": f"About {key}",
            }
            module = {
                "key": f"module-{key[-1]}",
                "title": "More",
                "description": "",
                "concepts": [concept],
            }
            nodes.append(
                {"key": key, "title": f"More of {key}", "description": "", "modules": [module]}
            )
        path = made(client, document)
        ids = {each: str(new_id()) for each in ("begin", "parts", "x", "module-x")}
        with transaction():
            for table in (Stage, Module):
                for row in table.select().where(table.key.in_(list(ids))):
                    table.update(key=ids[row.key]).where(table.id == row.id).execute()
            Roadmap.update(revision=0).execute()
        stages = taken(client, path)["outline"]["stages"]
        assert made(client, client.get(f"{path}/export.json").content)
        assert [stage["key"] for stage in stages] == ["stage-2", "stage-1", "stage-3", "stage-4"]
        assert [stage["modules"][0]["key"] for stage in stages] == [
            "module-2",
            "module-1",
            "module-3",
            "module-4",
        ]

    def test_a_key_makes_it_once(self, client: TestClient) -> None:
        headers = {"Idempotency-Key": "once"}
        first, second = (client.post(IMPORT, json=small(), headers=headers) for _ in range(2))
        assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
        assert rows()["roadmap"] == 1

    def test_it_says_nothing_of_how_long_the_next_one_takes(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made(client, {**whole(), "generator": "catalogue"})
        monkeypatch.setattr("roadmap.lifecycle.plan_job.plan", lambda *_: [])
        path = client.post(f"{API}/roadmaps", json={"goal": GOAL}).headers["location"]
        told = client.get(f"{path}/activity").json()
        assert (told["status"], told["seconds_left"]) == ("queued", None)

    def test_webhooks_are_told_and_workers_have_nothing_to_do(self, client: TestClient) -> None:
        client.post(f"{API}/webhooks", json={"url": "http://127.0.0.1:1024/"})
        made(client, whole())
        with session():
            told = [
                each
                for (each,) in database.execute_sql(
                    "SELECT event FROM webhook_delivery ORDER BY id"
                ).fetchall()
            ]
        assert told == ["roadmap.outlined", "roadmap.ready"]

    def test_what_has_no_plan_yet_cannot_be_taken_along(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("roadmap.lifecycle.plan_job.plan", lambda *_: [])
        path = client.post(f"{API}/roadmaps", json={"goal": GOAL}).headers["location"]
        for ending in ("json", "md", "zip", "apkg"):
            answer = client.get(f"{path}/export.{ending}")
            assert (answer.status_code, "no plan yet" in answer.text) == (409, True)
        assert client.get(f"{path}/export.ics").status_code == 200


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
    card: Document = {"question": 1, **{name: getattr(memory, name) for name in KEPT}}
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
    """Its card can be asked, checked, rated in each way, and taken along and brought in again after that."""
    with session():
        card = ReviewCard.get(ReviewCard.roadmap == UUID(path.rpartition("/")[2]))
    before = {name: getattr(card, name) for name in KEPT}
    assert client.get(f"{API}/reviews").status_code == 200
    checked = client.post(f"{API}/reviews/{card.id}/check", json={"chosen": [0]})
    assert checked.status_code == 200, checked.text
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


def at(document: Document, *place: str | int) -> Any:
    for each in place:
        document = document[each]  # type: ignore[index]
    return document


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


STAGE = ("outline", "stages", 0)
CONCEPTS = (*STAGE, "modules", 0, "concepts")
LEFT = ("concepts", FIRST)
QUIZ = (*LEFT, "contents", "quiz", "body", "questions")
ASKED = f"/concepts/{FIRST}/contents/quiz/body/questions"
BAD_TEXTS = ("a\x00b", "a\x1b[31m", "\x7f")
LINK = (*LEFT, "contents", "resources", "body", "items", 0, "url")
# What is set where, which place is named, and a part of what is said.
REFUSALS: list[tuple[tuple[str | int, ...], Any, str, str]] = [
    (("format",), "anki", "/format", "no roadmap that was exported"),
    (("version",), 2, "/version", "was made by a newer version of Roadmap (2); this one reads 1"),
    (("version",), 0, "/version", "must be 1"),
    (("version",), "1", "/version", "whole number"),
    (("id",), "01a21e86-8855-7f6c-aa1f-4d0e57f09005", "/id", "not a known field"),
    ((*LEFT, "id"), "01a21e86-8855-7f6c-aa1f-4d0e57f09005", f"/concepts/{FIRST}/id", "not a known field"),
    ((*STAGE, "owner"), "somebody", "/outline/stages/0/owner", "not a known field"),
    (("request", "owner_id"), "somebody", "/request/owner_id", "not a known field"),
    (("request", "hours_per_week"), 81, "/request/hours_per_week", "80"),
    (("request", "language"), "klingon!", "/request/language", "language"),
    *((("request", "goal"), bad, "/request/goal", "at least 2") for bad in ("", "   ", " a ")),
    (("request", "goal"), "1 + 1", "/request/goal", "in words"),
    (("outline", "title"), "  ", "/outline/title", "only of spaces"),
    ((*STAGE, "title"), " ", "/outline/stages/0/title", "only of spaces"),
    ((*STAGE, "modules", 0, "title"), " ", "/outline/stages/0/modules/0/title", "only of spaces"),
    ((*CONCEPTS, 0, "title"), "\u2003", "/outline/stages/0/modules/0/concepts/0/title", "only of spaces"),
    (("request", "begins_on"), "1815-12-10", "/request/begins_on", "between the years"),
    (("request", "deadline"), "9999-12-31", "/request/deadline", "between the years"),
    ((*CONCEPTS, 0, "prerequisites"), [SECOND], "/outline/stages/0/modules/0/concepts/0/prerequisites/0", "comes later"),
    ((*CONCEPTS, 0, "prerequisites"), [FIRST], "/outline/stages/0/modules/0/concepts/0/prerequisites/0", "itself"),
    ((*CONCEPTS, 1, "prerequisites"), ["salt"], "/outline/stages/0/modules/0/concepts/1/prerequisites/0", "no concept"),
    ((*CONCEPTS, 1, "key"), FIRST, "/outline/stages/0/modules/0/concepts/1/key", "another concept"),
    ((*CONCEPTS, 1, "title"), "FLOUR", "/outline", "used 2 times"),
    ((*CONCEPTS, 1, "hours"), 10**30, "/outline/stages/0/modules/0/concepts/1/hours", "200"),
    ((*STAGE, "description"), "x" * (LONGEST_DESCRIPTION + 1), "/outline", "characters"),
    ((*STAGE, "modules"), [], "/outline", "no module"),
    (("outline", "stages"), [], "/outline", "no concept"),
    ((*CONCEPTS, 0, "title"), "x" * 201, "/outline/stages/0/modules/0/concepts/0/title", "200"),
    (("concepts", "salt"), {}, "/concepts/salt", "no concept of the outline"),
    ((*LEFT, "contents", "song"), {}, f"/concepts/{FIRST}/contents/song", "not a known field"),
    ((*QUIZ, 0, "answers"), [7], f"/concepts/{FIRST}/contents/quiz/body/questions/0", "indexes of options"),
    ((*QUIZ, 0, "answers"), [0, 1], f"/concepts/{FIRST}/contents/quiz/body/questions/0", "do not fit the type"),
    ((*QUIZ, 0, "options"), ["a", "a"], f"/concepts/{FIRST}/contents/quiz/body/questions/0", "twice"),
    ((*QUIZ, 0, "options"), ["a"], f"/concepts/{FIRST}/contents/quiz/body/questions/0/options", "at least 2"),
    ((*QUIZ,), [], f"/concepts/{FIRST}/contents/quiz/body/questions", "at least 1"),
    ((*QUIZ, 0, "prompt"), "x" * 20_001, f"/concepts/{FIRST}/contents/quiz/body/questions/0", "20000"),
    ((*LEFT, "contents", "quiz"), None, f"/concepts/{FIRST}/attempts/0/answers", "do not belong"),
    ((*LEFT, "cards", 0, "question"), 2, f"/concepts/{FIRST}/cards/0/question", "no question of the quiz, which has 2"),
    ((*LEFT, "cards", 0, "question"), -1, f"/concepts/{FIRST}/cards/0/question", "greater"),
    ((*LEFT, "cards", 0, "state"), 4, f"/concepts/{FIRST}/cards/0/state", "3"),
    *(
        ((*LEFT, "cards", 0, name), value, f"/concepts/{FIRST}/cards/0/{name}", said)
        for name, value, said in (
            ("stability", None, "is required"),
            ("stability", 0, "greater than 0"),
            ("difficulty", None, "is required"),
            ("difficulty", 0.5, "from 1 to 10"),
            ("reviewed_at", None, "is required"),
            ("step", 0, "must be null"),
                        ("reviews", MOST_REVIEWS + 1, "100000"),
            ("lapses", 4, "at most the number of reviews, 3"),
            ("due_at", "2026-01-05T08:59:59Z", "before it was reviewed"),
        )
    ),
    ((*LEFT, "cards", 0, "state"), 3, f"/concepts/{FIRST}/cards/0/step", "must be a step of this state, 0"),
    ((*LEFT, "cards", 0, "state"), 1, f"/concepts/{FIRST}/cards/0/step", "must be a step of this state, 0 or 1"),
    ((*LEFT, "cards", 0, "reviews"), 0, f"/concepts/{FIRST}/cards/0/state", "never reviewed"),
    ((*LEFT, "cards", 0, "reviews"), 0, f"/concepts/{FIRST}/cards/0/stability", "must be null"),
    ((*LEFT, "cards", 0, "stability"), 1e300, f"/concepts/{FIRST}/cards/0/stability", "1000000"),
    ((*LEFT, "cards", 0, "due_at"), "9999-12-31T23:59:59Z", f"/concepts/{FIRST}/cards/0/due_at", "between the years"),
    ((*LEFT, "cards", 0, "due_at"), "0001-01-01T00:00:00Z", f"/concepts/{FIRST}/cards/0/due_at", "between the years"),
    ((*LEFT, "cards", 0, "due_at"), "2026-01-01T00:00:00", f"/concepts/{FIRST}/cards/0/due_at", "timezone"),
    ((*LEFT, "cards", 0, "reviewed_at"), "2150-01-01T00:00:00Z", f"/concepts/{FIRST}/cards/0/reviewed_at", "future"),
    ((*LEFT, "progress_at"), "2150-01-01T00:00:00Z", f"/concepts/{FIRST}/progress_at", "future"),
    ((*LEFT, "contents", "quiz", "created_at"), "2150-01-01T00:00:00Z", f"/concepts/{FIRST}/contents/quiz/created_at", "future"),
    ((*LEFT, "attempts", 0, "answers"), [[0]], f"/concepts/{FIRST}/attempts/0/answers", "which has 2 questions"),
    ((*LEFT, "attempts", 0, "answers"), [[0], [3]], f"/concepts/{FIRST}/attempts/0/answers/1", "its 3 options"),
    ((*LEFT, "attempts", 0, "answers"), [[0], [0, 0]], f"/concepts/{FIRST}/attempts/0/answers/1", "each once"),
    ((*LEFT, "attempts", 0, "score"), 2, f"/concepts/{FIRST}/attempts/0/score", "right answers, 1"),
    ((*LEFT, "attempts", 0, "total"), 3, f"/concepts/{FIRST}/attempts/0/total", "questions, 2"),
    ((*LEFT, "attempts"), [small()["concepts"][FIRST]["attempts"][0]] * 201, f"/concepts/{FIRST}/attempts", "at most 200"),
    ((*LEFT, "progress"), "finished", f"/concepts/{FIRST}/progress", "todo"),
    ((*LEFT, "notes"), "x" * (LONGEST_NOTES + 1), f"/concepts/{FIRST}/notes", "20000"),
    *(((*LEFT, "notes"), bad, f"/concepts/{FIRST}/notes", "control characters") for bad in BAD_TEXTS),
    *(((*CONCEPTS, 0, "title"), bad, "/outline/stages/0/modules/0/concepts/0/title", "control") for bad in BAD_TEXTS),
    *(((*QUIZ, 0, "explanation"), bad, f"{ASKED}/0/explanation", "control characters") for bad in BAD_TEXTS),
    *(
        ((*LEFT, "contents", "tutorial", "body", "markdown"), bad, f"/concepts/{FIRST}/contents/tutorial/body/markdown", said)
        for bad, said in (
            ("<script>alert(1)</script>", "no HTML"),
            ("a <b onclick=x>c</b>", "no HTML"),
            ("![a picture](https://example.org/a.png)", "no images"),
            ("[a](javascript:alert(1))", "only links"),
            ("a\x00b", "control characters"),
            ("x" * 200_001, "200000"),
        )
    ),
    *(
        (LINK, bad, "/".join(("", *map(str, LINK))), "pattern")
        for bad in ("javascript:alert(1)", "file:///etc/passwd", "https://", "https://a@b/", "https://a b/", "ftp://example.org")
    ),
]  # fmt: skip


class TestWhatIsRefused:
    @try_each(("place", "value", "pointer", "said"), REFUSALS, ids=lambda each: str(each)[:60])
    def test_what_does_not_fit_is_named_and_changes_nothing(
        self, client: TestClient, place: tuple[str | int, ...], value: Any, pointer: str, said: str
    ) -> None:
        document = small()
        at(document, *place[:-1])[place[-1]] = value
        before = rows()
        answer = sent(client, document)
        assert answer.status_code == 422, answer.text
        told = {
            each["pointer"].removeprefix("#"): each["detail"] for each in answer.json()["errors"]
        }
        assert said in told[pointer], told
        assert rows() == before

    @try_each("number", ["NaN", "Infinity", "-Infinity", "1e999"])
    def test_numbers_that_are_none(self, client: TestClient, number: str) -> None:
        before = rows()
        answer = sent(client, json.dumps(small()).replace("3.141592653589793", number).encode())
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (
            422,
            f"#/concepts/{FIRST}/cards/0/stability",
        )
        assert rows() == before

    @try_each(
        ("content", "said"),
        [
            (b"", "empty"),
            (b"{", "not JSON"),
            (b"PK\x03\x04", "not JSON"),
            (b'{"format": "\\ud800"}', "not JSON"),
            (b'{"format": "roadmap", "format": "roadmap"}', "twice"),
            (b"[" * 100_000, "not JSON"),
            (b"\xff\xfe{\x00}\x00", "not JSON"),
        ],
    )
    def test_what_is_no_document(self, client: TestClient, content: bytes, said: str) -> None:
        before = rows()
        answer = sent(client, content)
        assert (answer.status_code, said in answer.json()["detail"]) == (400, True), answer.text
        assert rows() == before

    @try_each("content", [b"[]", b"null", b"7", b'"roadmap"', b"{}"])
    def test_json_that_is_no_roadmap(self, client: TestClient, content: bytes) -> None:
        before = rows()
        assert sent(client, content).status_code == 422
        assert rows() == before

    @try_each(
        ("changed", "name"),
        [
            ({"stability": None}, "stability"),
            ({"stability": 0.0}, "stability"),
            ({"difficulty": None}, "difficulty"),
            ({"difficulty": 0.0}, "difficulty"),
            ({"state": 1, "step": 0, "difficulty": None}, "difficulty"),
            ({"state": 3, "step": None}, "step"),
        ],
    )
    def test_a_card_with_which_nothing_could_go_on(
        self, client: TestClient, changed: Document, name: str
    ) -> None:
        document = small()
        document["concepts"][FIRST]["cards"][0] |= changed
        before = rows()
        assert (
            sent(client, document).json()["errors"][0]["pointer"]
            == f"#/concepts/{FIRST}/cards/0/{name}"
        )
        assert rows() == before

    def test_two_cards_of_one_question(self, client: TestClient) -> None:
        document = small()
        document["concepts"][FIRST]["cards"] *= 2
        before = rows()
        assert (
            sent(client, document).json()["errors"][0]["pointer"]
            == f"#/concepts/{FIRST}/cards/1/question"
        )
        assert rows() == before

    def test_more_concepts_than_a_roadmap_may_have(self, client: TestClient) -> None:
        document = small()
        nodes = at(document, *CONCEPTS)
        nodes += [{**nodes[0], "key": f"k{n}", "title": f"Title {n}"} for n in range(MOST_CONCEPTS)]
        before = rows()
        assert "at most 200" in sent(client, document).json()["errors"][0]["detail"]
        assert rows() == before

    def test_no_more_than_some_mistakes_are_told(self, client: TestClient) -> None:
        document = small()
        document["concepts"] |= {f"unknown {number}": {} for number in range(1000)}
        assert len(sent(client, document).json()["errors"]) == 20

    @pytest.mark.parametrize("item", [{}, {"options": []}, 0])
    def test_of_a_list_the_first_mistake_is_told_however_many_there_are(self, item: Any) -> None:
        document = small()
        document["concepts"][FIRST]["contents"]["quiz"]["body"]["questions"] = [item] * 10_000
        with pytest.raises(ValidationError) as found:
            RoadmapFile.model_validate_json(json.dumps(document))
        assert found.value.error_count() < 10  # each takes memory: millions would end the process

    def test_a_body_of_too_many_things_is_not_looked_at(self, client: TestClient) -> None:
        before = rows()
        answers = [
            sent(client, b"[" + b"{}," * 2_000_000 + b"{}]"),
            sent(client, {f"k{number}": 0 for number in range(1501)}),
        ]
        assert [answer.status_code for answer in answers] == [400, 400]
        assert "objects and arrays" in answers[0].json()["detail"]
        assert "too many names" in answers[1].json()["detail"]
        assert rows() == before

    def test_who_fails_in_the_middle_leaves_nothing(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("in the middle")

        monkeypatch.setattr("roadmap.lifecycle.completion.finish", fail)
        before = rows()
        assert sent(client, small()).status_code == 500
        assert rows() == before


def large(size: int) -> bytes:
    """A roadmap of that many bytes and more, as large as a legal one may be."""
    document = small()
    nodes, kept = at(document, *CONCEPTS), document["concepts"]
    text = "Wait for the dough, and fold it. " * 2500
    for number in range(size // len(text) + 1):
        nodes.append(
            {**nodes[0], "key": f"k{number}", "title": f"Title {number}", "prerequisites": []}
        )
        kept[f"k{number}"] = {
            "contents": {
                "tutorial": {
                    **deepcopy(kept[FIRST]["contents"]["tutorial"]),
                    "body": {"markdown": text},
                }
            }
        }
    return json.dumps(document).encode()


class TestSize:
    @pytest.mark.parametrize("size", [2 * MIB, pytest.param(15 * MIB, marks=pytest.mark.long)])
    def test_one_as_large_as_may_be_comes_in_and_goes_out(
        self, client: TestClient, size: int
    ) -> None:
        content = large(size)
        assert size < len(content) < LARGEST_DOCUMENT
        path = made(client, content)
        assert len(client.get(f"{path}/export.json").content) > size

    def test_one_that_is_larger_is_refused_by_its_head(self, client: TestClient) -> None:
        before = rows()
        answer = sent(client, b" " * (LARGEST_DOCUMENT + 1))
        assert (answer.status_code, f"{LARGEST_DOCUMENT}" in answer.json()["detail"]) == (413, True)
        assert rows() == before

    def test_50_mb_without_a_length_are_not_read_to_their_end(self, client: TestClient) -> None:
        read = 0

        def chunks() -> Any:
            nonlocal read
            for _ in range(50):
                read += 1
                yield b" " * 1024 * 1024

        answer = client.post(IMPORT, content=chunks(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413

    def test_other_bodies_have_their_limit_as_before(self, client: TestClient) -> None:
        answer = client.post(
            f"{API}/roadmaps",
            content=b" " * (256 * 1024 + 1),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 413

    def test_what_is_larger_than_any_instance_would_take_is_not_exported(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = made(client, small())
        monkeypatch.setattr("roadmap.exchange.formats.json_.LARGEST_DOCUMENT", 1000)
        answer = client.get(f"{path}/export.json")
        assert (answer.status_code, "as Markdown" in answer.json()["detail"]) == (409, True)
        assert client.get(f"{path}/export.zip").status_code == 200


def test_large_documents_of_one_account_follow_each_other() -> None:
    order: list[str] = []

    async def one(name: str) -> None:
        async with large_body_slot(LOCAL_OWNER):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async def all_of_them() -> list[BaseException | None]:
        return await asyncio.gather(
            *(one(str(n)) for n in range(LARGE_OF_ONE + 1)), return_exceptions=True
        )

    results = asyncio.run(all_of_them())
    assert [type(each) for each in results] == [type(None), type(None), RateLimited]
    assert order == ["0 begins", "0 ends", "1 begins", "1 ends"]


def test_no_account_brings_in_more_than_some_in_an_hour(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for_many = limits.settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    monkeypatch.setattr(limits, "settings", for_many)
    monkeypatch.setattr(limits, "IMPORTS", Limit("imports", 2, 3600))
    answers = [sent(client, document) for document in (small(), {}, small(), small())]
    assert [answer.status_code for answer in answers] == [201, 422, 201, 429]
    assert int(answers[-1].headers["retry-after"]) > 60
    page = client.post("/import", files={"file": ("a.json", json.dumps(small()))}, headers=HTML)
    assert (page.status_code, 'role="alert"' in page.text) == (429, True)
    assert rows()["roadmap"] == 2


class TestThePage:
    def upload(self, client: TestClient, content: bytes, **fields: str) -> Any:
        files = {"file": ("roadmap.json", content, "application/json")}
        return client.post(
            "/import", files=files, data=fields, headers=HTML, follow_redirects=False
        )

    def test_a_file_becomes_a_roadmap_and_leads_to_it(self, client: TestClient) -> None:
        answer = self.upload(client, json.dumps(small()).encode(), form="a")
        assert answer.status_code == 303
        assert taken(client, API + answer.headers["location"]) == without_time(small())

    def test_the_same_form_sent_twice_makes_one(self, client: TestClient) -> None:
        answers = [self.upload(client, json.dumps(small()).encode(), form="a") for _ in range(2)]
        assert len({answer.headers["location"] for answer in answers}) == 1
        assert rows()["roadmap"] == 1
        assert self.upload(client, json.dumps(small()).encode(), form="b").status_code == 303
        assert rows()["roadmap"] == 2

    @try_each(
        ("content", "status", "said"),
        [
            (b"", 422, "Choose the file first."),
            (b"{", 400, "This is no roadmap, or not all of it."),
            (b"{}", 422, "This file has no roadmap in it."),
            (json.dumps(small() | {"version": 2}).encode(), 422, "made by a newer version"),
            (json.dumps(small() | {"generator": 7}).encode(), 422, "/generator"),
            (b" " * (LARGEST_DOCUMENT + 70_000), 413, "This file is too large"),
        ],
    )
    def test_what_does_not_go_is_said_on_the_page(
        self, client: TestClient, content: bytes, status: int, said: str
    ) -> None:
        before = rows()
        answer = self.upload(client, content, form="again")
        assert (answer.status_code, said in answer.text) == (status, True), answer.text
        assert 'type="file"' in answer.text
        assert rows() == before

    @try_each(
        "body",
        [
            b"",
            b"no parts",
            b"--x\r\n",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n{}',
            b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n",
            b'--x\r\nContent-Disposition: form-data; name="form"\r\n\r\n'
            + b"a" * 5000
            + b"\r\n--x--\r\n",
            b'--x\r\nContent-Disposition: form-data; name="form"\r\n\r\n\xff\r\n--x--\r\n',
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 30 + b"--x--\r\n",
        ],
    )
    def test_a_form_that_is_none_is_refused(self, client: TestClient, body: bytes) -> None:
        before = rows()
        headers = {**HTML, "Content-Type": "multipart/form-data; boundary=x"}
        assert client.post("/import", content=body, headers=headers).status_code == 400
        assert rows() == before

    def test_other_forms_are_refused(self, client: TestClient) -> None:
        assert client.post("/import", data={"file": "x"}, headers=HTML).status_code == 415


@pytest.mark.long
def test_the_service_answers_others_while_it_reads_a_large_one(client: TestClient) -> None:
    """Beside the parser of JSON itself nothing holds the loop."""
    content = large(12 * MIB)
    done = threading.Event()

    def bring() -> None:
        assert sent(client, content).status_code == 201
        done.set()

    thread = threading.Thread(target=bring)
    thread.start()
    longest, count = 0.0, 0
    while not done.wait(0.01):
        began = time.perf_counter()
        assert client.get("/health/live").status_code == 200
        longest, count = max(longest, time.perf_counter() - began), count + 1
    thread.join()
    assert count > 5
    assert longest < 1.0


def test_a_file_is_read_as_it_was_written() -> None:
    document = RoadmapFile.model_validate_json(json.dumps(small()), strict=True)
    assert json.loads(as_json(document)) == small()
