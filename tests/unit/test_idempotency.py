"""A request that is sent again with the same Idempotency-Key is answered as it was, and done once."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from starlette.testclient import TestClient

from core import clock
from core.runtime import session, settings, transaction
from core.sealing import opened, sealed
from models.first_answers import FirstAnswer
from models.learning import QuizAttempt
from models.roadmaps import Roadmap
from roadmap import first_answers
from roadmap.accounts import LOCAL_OWNER
from roadmap.creating import create_many, new_roadmap
from roadmap.first_answers import FORGOTTEN_AT_ONCE, Answered, Name
from roadmap.requests import RoadmapRequest
from tasks.upkeep import rescue_overdue
from tests.stack import GOAL
from web import idempotency
from web.routes import ENDPOINTS

API = "/api/v1"
ROADMAPS = f"{API}/roadmaps"
PEOPLE = {"Accept": "text/html"}


def key(name: str = "") -> dict[str, str]:
    return {"Idempotency-Key": name or str(uuid4())}


def count(table: Any) -> int:
    with session():
        return int(table.select().count())


def told(answer: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
    """What an answer says, but which request it answers and that it was given before."""
    own = ("x-request-id", "idempotency-replayed")
    return answer.status_code, answer.content, {name: value for name, value in answer.headers.items() if name not in own}


@pytest.fixture
def roadmap(client: TestClient) -> str:
    return str(client.post(ROADMAPS, json={"goal": GOAL}).headers["location"])


class TestCreating:
    def test_the_same_request_gets_the_same_answer_and_makes_one_roadmap(self, client: TestClient) -> None:
        headers = key()
        first = client.post(ROADMAPS, json={"goal": GOAL, "level": "advanced"}, headers=headers)
        again = client.post(ROADMAPS, json={"level": "advanced", "goal": GOAL}, headers=headers)
        assert first.status_code == 202
        assert told(again) == told(first)
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
        assert count(Roadmap) == 1

    def test_without_a_key_each_is_another(self, client: TestClient) -> None:
        assert len({client.post(ROADMAPS, json={"goal": GOAL}).json()["id"] for _ in range(2)}) == 2

    def test_another_key_is_another_request(self, client: TestClient) -> None:
        assert len({client.post(ROADMAPS, json={"goal": GOAL}, headers=key()).json()["id"] for _ in range(2)}) == 2

    @pytest.mark.parametrize("changed", [{"goal": GOAL + "!"}, {"goal": GOAL, "review": True}])
    def test_another_payload_under_the_same_key_is_refused(self, client: TestClient, changed: dict) -> None:
        headers = key()
        client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        answer = client.post(ROADMAPS, json=changed, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-key-reused")
        assert count(Roadmap) == 1

    def test_a_quoted_key_is_the_same_as_the_bare_one(self, client: TestClient) -> None:
        first = client.post(ROADMAPS, json={"goal": GOAL}, headers=key("abc-1"))
        again = client.post(ROADMAPS, json={"goal": GOAL}, headers=key('"abc-1"'))
        assert again.json() == first.json()

    @pytest.mark.parametrize("bad", ["", "x" * 201, "two words", '"open', "ünicode", "a\tb"])
    def test_a_key_that_is_none_is_refused_and_nothing_is_made(self, client: TestClient, bad: str) -> None:
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers={b"Idempotency-Key": bad.encode()})  # type: ignore[dict-item]
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"
        assert count(Roadmap) == 0

    def test_two_keys_are_none(self, client: TestClient) -> None:
        headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=headers).status_code == 422  # type: ignore[arg-type]

    def test_an_error_leaves_no_key_behind(self, client: TestClient) -> None:
        headers = key()
        assert client.post(ROADMAPS, json={"goal": ""}, headers=headers).status_code == 422
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=headers).status_code == 202
        assert (count(FirstAnswer), count(Roadmap)) == (1, 1)

    def test_one_that_is_being_answered_is_told_so(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        headers = key("busy")
        body = RoadmapRequest(goal=GOAL)
        seen: list[httpx2.Response] = []
        create = create_many

        def meanwhile(batch: Any) -> Any:
            seen.append(client.post(ROADMAPS, json={"goal": GOAL}, headers=headers))
            return create(batch)

        monkeypatch.setattr("web.accepting.accepted._handle", meanwhile)
        first = client.post(ROADMAPS, json=body.model_dump(mode="json"), headers=headers)
        assert first.status_code == 202
        (second,) = seen
        assert (second.status_code, second.json()["type"]) == (409, "/problems/idempotency-key-in-use")
        assert second.headers["retry-after"] == "1"
        assert not idempotency._running
        assert count(Roadmap) == 1

    def test_after_a_day_it_is_a_new_request(self, client: TestClient) -> None:
        headers = key()
        first = client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        clock.travel(timedelta(hours=23))
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=headers).json() == first.json()
        clock.travel(timedelta(hours=1, seconds=1))
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=headers).json() != first.json()
        assert (count(FirstAnswer), count(Roadmap)) == (1, 2)

    def test_two_of_one_name_in_one_batch_are_one_roadmap(self, schema: None, client: TestClient) -> None:
        """As when two processes commit at the same moment, or a form is sent twice."""
        request = RoadmapRequest(goal=GOAL)
        name = Name(LOCAL_OWNER, "a" * 64, "b" * 64)

        def named() -> Any:
            new = new_roadmap(LOCAL_OWNER, request)
            return type(new)(new.owner_id, new.request, new.id, Answered(name, 202, {"location": str(new.id)}, b"sealed"))

        one, other, unnamed = create_many([named(), named(), new_roadmap(LOCAL_OWNER, request)])
        assert isinstance(other, Answered)
        assert other.headers["location"] == str(one.id)  # type: ignore[union-attr]
        assert unnamed.id not in (one.id, other)  # type: ignore[union-attr]
        (later,) = create_many([named()])
        assert later == other
        assert count(Roadmap) == 2

    def test_a_full_account_is_still_told_what_it_was_told(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        headers = key()
        first = client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        monkeypatch.setattr("roadmap.creating._fitting", lambda batch: [])
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=headers).json() == first.json()
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=key()).status_code == 429


def quiz_of(client: TestClient, roadmap: str) -> tuple[str, dict]:
    node = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]
    questions = client.get(f"{roadmap}/concepts/{node['id']}").json()["quiz"]["questions"]
    return f"{roadmap}/concepts/{node['id']}/quiz/attempts", {"version": 1, "answers": [[0]] * len(questions)}


def a_change(client: TestClient, roadmap: str) -> dict:
    """Of the plan."""
    key_ = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]["key"]
    return {"operations": [{"op": "rewrite", "what": "concept", "key": key_, "hours": 9, "title": "Another title"}]}


def count_elsewhere(table: Any) -> int:
    """As another connection sees it."""
    with closing(sqlite3.connect(settings.data_dir / "roadmap.db")) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table._meta.table_name}").fetchone()[0])


class TestEverythingElse:
    def test_a_quiz_is_answered_once(self, client: TestClient, roadmap: str) -> None:
        path, answers = quiz_of(client, roadmap)
        headers = key()
        first, again = (client.post(path, json=answers, headers=headers) for _ in range(2))
        assert first.status_code == 201
        assert told(again) == told(first)
        assert count(QuizAttempt) == 1

    def test_a_decision_is_taken_once(self, client: TestClient, roadmap: str) -> None:
        headers, edit = key(), a_change(client, roadmap)
        first, again = (client.post(f"{roadmap}/edits", json=edit, headers=headers) for _ in range(2))
        assert first.status_code == 202
        assert told(again) == told(first)
        assert client.get(f"{roadmap}/revisions").json()["items"][0]["number"] == 2

    def test_a_decision_that_cannot_be_taken_leaves_no_answer_behind(self, client: TestClient, roadmap: str) -> None:
        answers = [client.post(f"{roadmap}/retry", headers=key("again")) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [409, 409]
        assert count(FirstAnswer) == 0

    def test_the_work_of_a_decision_is_sent_once_it_is_committed(
        self, client: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker that comes sooner would find nothing to do."""
        edit = a_change(client, roadmap)
        committed: list[int] = []
        monkeypatch.setattr("web.accepting.sender.submit", lambda steps: committed.append(count_elsewhere(FirstAnswer)))
        assert client.post(f"{roadmap}/edits", json=edit, headers=key()).status_code == 202
        assert committed == [1]

    def test_what_fails_at_the_commit_leaves_nothing(
        self, client: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, answers = quiz_of(client, roadmap)
        headers = key()

        def fail(*_: object) -> None:
            raise RuntimeError("the process dies here")

        with monkeypatch.context() as patch:
            patch.setattr(first_answers, "keep", fail)
            assert client.post(path, json=answers, headers=headers).status_code == 500
        assert (count(QuizAttempt), count(FirstAnswer)) == (0, 0)
        assert client.post(path, json=answers, headers=headers).status_code == 201
        assert count(QuizAttempt) == 1

    def test_the_same_key_is_not_for_another_address(self, client: TestClient, roadmap: str) -> None:
        headers = key()
        path, answers = quiz_of(client, roadmap)
        assert client.post(path, json=answers, headers=headers).status_code == 201
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-key-reused")

    def test_whatever_makes_something_takes_a_key(self) -> None:
        without = [e.path for e in ENDPOINTS if e.method == "POST" and not e.takes_key]
        assert without == [f"{API}/auth/register", f"{API}/auth/login", f"{API}/auth/logout"]


class TestForms:
    def form(self, client: TestClient) -> dict[str, str]:
        page = client.get("/", headers=PEOPLE).text
        return {"form": page.partition('name="form" value="')[2].partition('"')[0], "goal": GOAL}

    def send(self, client: TestClient, form: dict[str, str]) -> str:
        answer = client.post("/roadmaps", data=form, headers=PEOPLE, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def test_a_second_click_and_going_back_make_no_second_roadmap(self, client: TestClient) -> None:
        form = self.form(client)
        assert form["form"]
        assert self.send(client, form) == self.send(client, form)
        assert count(Roadmap) == 1

    def test_going_back_and_saying_something_else_makes_another(self, client: TestClient) -> None:
        form = self.form(client)
        assert self.send(client, form) != self.send(client, {**form, "hours_per_week": "12"})

    def test_another_form_makes_another(self, client: TestClient) -> None:
        assert self.send(client, self.form(client)) != self.send(client, self.form(client))


class TestKeeping:
    def test_nobody_reads_an_answer_without_its_key(self, client: TestClient) -> None:
        client.post(ROADMAPS, json={"goal": GOAL}, headers=key("only-mine"))
        with session():
            row = FirstAnswer.get()
        assert b"queued" not in bytes(row.content)
        assert "only-mine" not in repr(row.__data__)

    @pytest.mark.parametrize(("ours", "theirs"), [("k", "other"), ("other", "t")])
    def test_what_is_sealed_is_opened_by_the_same_keys_only(self, ours: str, theirs: str) -> None:
        content = sealed(b"a secret", "k", "t")
        assert opened(content, "k", "t") == b"a secret"
        assert opened(content, ours, theirs) is None
        assert sealed(b"a secret", "k", "t") != content

    @pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: b"", lambda c: c[:20]])
    def test_what_was_changed_is_not_opened(self, change: Callable[[bytes], bytes]) -> None:
        assert opened(change(sealed(b"a secret", "k", "t")), "k", "t") is None

    def test_nothing_is_sealed_as_nothing(self) -> None:
        assert opened(sealed(b"", "k", "t"), "k", "t") == b""

    def test_another_secret_key_reads_no_answer_and_says_so(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        headers = key()
        client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        monkeypatch.setattr(idempotency, "_keys", lambda: ("another secret key of 32 characters",))
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-key-reused")
        assert count(Roadmap) == 1

    def test_yesterdays_are_forgotten_so_many_at_a_time(self, client: TestClient) -> None:
        rows = [
            {"key_hash": f"{number:064}", "owner": LOCAL_OWNER, "fingerprint": "", "created_at": clock.now()}
            for number in range(FORGOTTEN_AT_ONCE + 1)
        ]
        with transaction():
            for first in range(0, len(rows), 500):
                FirstAnswer.insert_many(rows[first : first + 500]).execute()
        rescue_overdue()
        assert count(FirstAnswer) == len(rows)
        clock.travel(timedelta(hours=24))
        rescue_overdue()
        assert count(FirstAnswer) == 1
        rescue_overdue()
        assert count(FirstAnswer) == 0
