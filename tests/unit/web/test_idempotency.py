"""A request sent again with its Idempotency-Key is answered as before, and done once."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from core import clock
from core.db import session, settings, transaction
from core.errors import RateLimited, Unavailable
from models.accounts import IdempotentAnswer, Webhook
from models.roadmaps import QuizAttempt, Revision, Roadmap, ShareLink
from roadmap.accounts import idempotency_store
from roadmap.accounts.idempotency_store import AT_ONCE, ROUNDS, StoredAnswer
from roadmap.accounts.identity import LOCAL_OWNER, IdempotencyKey
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import Job, JobName
from tasks.upkeep import rescue_overdue
from testing.stack import GOAL
from testing.waiting import HANG
from tests.cases import try_each
from web.api.admin.queues import QueueEndpoint
from web.api.roadmaps import create_roadmap
from web.endpoints import idempotency
from web.roadmaps.sse import poller
from web.routes import ENDPOINTS

pytestmark = pytest.mark.usefixtures("short")

API = "/api/v1"
ROADMAPS = f"{API}/roadmaps"
PEOPLE = {"Accept": "text/html"}


def key(name: str = "") -> dict[str, str]:
    return {"Idempotency-Key": name or str(uuid4())}


def count(table: Any) -> int:
    with session():
        return int(table.select().count())


def content_of(answer: httpx2.Response) -> tuple[int, bytes, dict[str, str]]:
    """Return an answer without its request id and the mark of a repeated one."""
    own = ("x-request-id", "idempotency-replayed")
    return (
        answer.status_code,
        answer.content,
        {name: value for name, value in answer.headers.items() if name not in own},
    )


def named(letter: str) -> NewRoadmap:
    """A new roadmap whose request has this name."""
    new = NewRoadmap(LOCAL_OWNER, RoadmapRequest(goal=GOAL))
    return replace(
        new,
        answer=StoredAnswer(
            IdempotencyKey(LOCAL_OWNER, letter * 64, ""), 202, {"location": str(new.id)}, b"{}"
        ),
    )


class TestCreating:
    def test_the_same_request_gets_the_same_answer_and_makes_one_roadmap(
        self, client: TestClient
    ) -> None:
        headers = key()
        first = client.post(ROADMAPS, json={"goal": GOAL, "level": "advanced"}, headers=headers)
        again = client.post(ROADMAPS, json={"level": "advanced", "goal": GOAL}, headers=headers)
        assert first.status_code == 202
        assert content_of(again) == content_of(first)
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        assert again.headers["x-request-id"] != first.headers["x-request-id"]
        assert count(Roadmap) == 1

    def test_without_a_key_each_is_another(self, client: TestClient) -> None:
        assert len({client.post(ROADMAPS, json={"goal": GOAL}).json()["id"] for _ in range(2)}) == 2

    def test_another_key_is_another_request(self, client: TestClient) -> None:
        assert (
            len(
                {
                    client.post(ROADMAPS, json={"goal": GOAL}, headers=key()).json()["id"]
                    for _ in range(2)
                }
            )
            == 2
        )

    @pytest.mark.parametrize("changed", [{"goal": GOAL + "!"}, {"goal": GOAL, "review": True}])
    def test_another_payload_under_the_same_key_is_refused(
        self, client: TestClient, changed: dict
    ) -> None:
        headers = key()
        client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        answer = client.post(ROADMAPS, json=changed, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (
            422,
            "/problems/idempotency-key-reused",
        )
        assert count(Roadmap) == 1

    def test_a_quoted_key_is_the_same_as_the_bare_one(self, client: TestClient) -> None:
        first = client.post(ROADMAPS, json={"goal": GOAL}, headers=key("abc-1"))
        again = client.post(ROADMAPS, json={"goal": GOAL}, headers=key('"abc-1"'))
        assert again.json() == first.json()

    @try_each("bad", ["", "x" * 201, "two words", '"open', "ünicode", "a\tb"])
    def test_a_key_that_is_none_is_refused_and_nothing_is_made(
        self, client: TestClient, bad: str
    ) -> None:
        answer = client.post(
            ROADMAPS, json={"goal": GOAL}, headers={b"Idempotency-Key": bad.encode()}
        )  # type: ignore[dict-item]
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"
        assert count(Roadmap) == 0

    def test_two_keys_are_none(self, client: TestClient) -> None:
        headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers=httpx2.Headers(headers))
        assert answer.status_code == 422

    def test_what_was_accepted_is_answered_as_it_was_even_if_it_would_be_refused_by_now(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers, wish = (
            key(),
            {"goal": GOAL, "deadline": f"{clock.now().date() + timedelta(days=2)}"},
        )
        first = client.post(ROADMAPS, json=wish, headers=headers)
        monkeypatch.setattr(
            "roadmap.plan.schemas.FARTHEST_DEADLINE", timedelta(0)
        )  # no day fits any more
        assert client.post(ROADMAPS, json=wish, headers=key()).status_code == 422
        assert content_of(client.post(ROADMAPS, json=wish, headers=headers)) == content_of(first)

    def test_it_is_the_same_request_however_its_json_is_written(self, client: TestClient) -> None:
        headers = {**key(), "Content-Type": "application/json"}
        spellings = (
            b'{"goal": "Learn Python for the backend", "review": true}',
            b'{"review":true,"goal":"Learn \\u0050ython for the backend"}',
        )
        first, again = (
            client.post(ROADMAPS, content=spelling, headers=headers) for spelling in spellings
        )
        assert (first.status_code, again.content) == (202, first.content)

    def test_a_quote_at_the_end_is_a_part_of_a_bare_key(self, client: TestClient) -> None:
        ids = {
            client.post(ROADMAPS, json={"goal": GOAL}, headers=key(name)).json()["id"]
            for name in ("abc", 'abc"', '"abc\\""')
        }
        assert len(ids) == 2  # the last two are one

    def test_a_key_is_in_use_until_it_is_accepted_and_no_longer(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "tasks.dispatcher.sender.submit", lambda steps: None
        )  # no worker gets it
        headers = key()
        answers: list[httpx2.Response] = []

        waits, watch = threading.Event(), poller.watch

        def watched(*given: Any, **how: Any) -> Any:
            waits.set()
            return watch(*given, **how)

        monkeypatch.setattr(poller, "watch", watched)

        def wait() -> None:
            answers.append(
                client.post(ROADMAPS, json={"goal": GOAL}, headers={**headers, "Prefer": "wait=50"})
            )

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert waits.wait(HANG)  # the first, for an outline
        again = client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        poller.close()
        waiting.join(HANG)
        assert (again.status_code, again.content) == (202, answers[0].content)

    def test_an_error_leaves_no_key_behind(self, client: TestClient) -> None:
        headers = key()
        assert client.post(ROADMAPS, json={"goal": ""}, headers=headers).status_code == 422
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=headers).status_code == 202
        assert (count(IdempotentAnswer), count(Roadmap)) == (1, 1)

    def test_one_that_is_being_answered_gets_409(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = key("busy")
        body = RoadmapRequest(goal=GOAL)
        seen: list[httpx2.Response] = []
        create = create_many

        def meanwhile(batch: Any) -> Any:
            seen.append(client.post(ROADMAPS, json={"goal": GOAL}, headers=headers))
            return create(batch)

        monkeypatch.setattr("web.roadmaps.create_writer.create_many", meanwhile)
        first = client.post(ROADMAPS, json=body.model_dump(mode="json"), headers=headers)
        assert first.status_code == 202
        (second,) = seen
        assert (second.status_code, second.json()["type"]) == (
            409,
            "/problems/idempotency-key-in-use",
        )
        assert second.headers["retry-after"] == "1"
        again = client.post(ROADMAPS, json=body.model_dump(mode="json"), headers=headers)
        assert (again.status_code, again.json()) == (
            202,
            first.json(),
        )  # no other request runs now
        assert count(Roadmap) == 1

    def test_after_a_day_it_is_a_new_request(self, client: TestClient) -> None:
        headers = key()
        first = client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        clock.travel(timedelta(hours=23))
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=headers).json() == first.json()
        clock.travel(timedelta(hours=1, seconds=1))
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=headers).json() != first.json()
        assert (count(IdempotentAnswer), count(Roadmap)) == (1, 2)

    def test_two_of_one_name_in_one_batch_are_one_roadmap(
        self, schema: None, client: TestClient
    ) -> None:
        """As when two processes commit at the same moment, or a form is sent twice."""
        request = RoadmapRequest(goal=GOAL)
        name = IdempotencyKey(LOCAL_OWNER, "a" * 64, "b" * 64)

        def named() -> Any:
            new = NewRoadmap(LOCAL_OWNER, request)
            return type(new)(
                new.owner_id,
                new.request,
                new.id,
                StoredAnswer(name, 202, {"location": str(new.id)}, b"{}"),
            )

        one, other, unnamed = create_many([named(), named(), NewRoadmap(LOCAL_OWNER, request)])
        assert isinstance(other, StoredAnswer)
        assert other.headers["location"] == str(one.id)  # type: ignore[union-attr]
        assert unnamed.id not in (one.id, other)  # type: ignore[union-attr]
        (later,) = create_many([named()])
        assert later == other
        assert count(Roadmap) == 2

    def test_what_was_answered_before_takes_no_room(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = named("a"), named("b")
        create_many([first])
        monkeypatch.setattr(
            "roadmap.lifecycle.making.create.settings",
            settings.model_copy(update={"most_unfinished_roadmaps": 2}),
        )
        again, fits, no_room = create_many([named("a"), second, named("c")])
        assert again == first.answer
        assert fits == Job(JobName.plan_roadmap, second.id, trace=second.trace)
        assert isinstance(no_room, RateLimited)
        assert count(Roadmap) == 2

    def test_whose_answer_is_kept_is_made_also_when_another_process_takes_the_room_meanwhile(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A 202 that is kept leads to a roadmap, for the request and each repetition."""
        keep, theirs = idempotency_store.store_all, [named("a"), named("c")]

        def meanwhile(answers: Any) -> set[str]:
            monkeypatch.setattr(idempotency_store, "store_all", keep)
            create_many(theirs)  # of another process, which is waited for here
            return keep(answers)

        monkeypatch.setattr(
            "roadmap.lifecycle.making.create.settings",
            settings.model_copy(update={"most_unfinished_roadmaps": 2}),
        )
        monkeypatch.setattr(idempotency_store, "store_all", meanwhile)
        ours = [named("a"), named("b")]
        again, made = create_many(ours)
        assert again == theirs[0].answer
        assert made == Job(JobName.plan_roadmap, ours[1].id, trace=ours[1].trace)
        with session():
            answered = {row.headers["location"] for row in IdempotentAnswer.select()}
            assert answered == {str(row.id) for row in Roadmap.select(Roadmap.id)}

    def test_a_name_whose_day_is_over_is_free_in_a_batch_as_well(self, client: TestClient) -> None:
        create_many([named("a")])
        clock.travel(timedelta(hours=25))
        batch = [named("a"), named("b")]
        assert create_many(batch) == [
            Job(JobName.plan_roadmap, new.id, trace=new.trace) for new in batch
        ]
        assert create_many([named("a")]) == [batch[0].answer]

    def test_a_full_account_still_gets_its_earlier_answer(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = key()
        first = client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        full = settings.model_copy(update={"most_unfinished_roadmaps": 0})
        monkeypatch.setattr("roadmap.lifecycle.making.create.settings", full)
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=headers).json() == first.json()
        assert client.post(ROADMAPS, json={"goal": GOAL}, headers=key()).status_code == 429


def quiz_of(client: TestClient, roadmap: str) -> tuple[str, dict]:
    node = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]
    questions = client.get(f"{roadmap}/concepts/{node['id']}").json()["quiz"]["questions"]
    return f"{roadmap}/concepts/{node['id']}/quiz/attempts", {
        "version": 1,
        "answers": [[0] if each["type"] == "single" else [] for each in questions],
    }


def a_change(client: TestClient, roadmap: str) -> dict:
    """Of the plan."""
    key_ = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]["key"]
    return {
        "operations": [
            {"op": "rewrite", "what": "concept", "key": key_, "hours": 9, "title": "Another title"}
        ]
    }


def count_elsewhere(table: Any) -> int:
    """As another connection sees it."""
    with closing(sqlite3.connect(settings.data_dir / "roadmap.db")) as connection:
        return int(
            connection.execute(f"SELECT count(*) FROM {table._meta.table_name}").fetchone()[0]
        )


class TestEverythingElse:
    def test_a_quiz_is_answered_once(self, client: TestClient, roadmap: str) -> None:
        path, answers = quiz_of(client, roadmap)
        headers = key()
        first, again = (client.post(path, json=answers, headers=headers) for _ in range(2))
        assert first.status_code == 201
        assert content_of(again) == content_of(first)
        assert count(QuizAttempt) == 1

    def test_a_decision_is_taken_once(self, client: TestClient, roadmap: str) -> None:
        headers, edit = key(), a_change(client, roadmap)
        first, again = (
            client.post(f"{roadmap}/edits", json=edit, headers=headers) for _ in range(2)
        )
        assert first.status_code == 202
        assert content_of(again) == content_of(first)
        assert client.get(f"{roadmap}/revisions").json()["items"][0]["number"] == 2

    def test_a_decision_that_cannot_be_taken_leaves_no_answer_behind(
        self, client: TestClient, roadmap: str
    ) -> None:
        answers = [client.post(f"{roadmap}/retry", headers=key("again")) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [409, 409]
        assert count(IdempotentAnswer) == 0

    def test_the_work_of_a_decision_is_sent_once_it_is_committed(
        self, client: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker that comes sooner would find nothing to do."""
        edit = a_change(client, roadmap)
        committed: list[int] = []
        monkeypatch.setattr(
            "tasks.dispatcher.sender.submit",
            lambda steps: committed.append(count_elsewhere(IdempotentAnswer)),
        )
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
            patch.setattr(idempotency_store, "store", fail)
            assert client.post(path, json=answers, headers=headers).status_code == 500
        assert (count(QuizAttempt), count(IdempotentAnswer)) == (0, 0)
        assert client.post(path, json=answers, headers=headers).status_code == 201
        assert count(QuizAttempt) == 1

    def test_the_same_key_is_not_for_another_address(
        self, client: TestClient, roadmap: str
    ) -> None:
        headers = key()
        path, answers = quiz_of(client, roadmap)
        assert client.post(path, json=answers, headers=headers).status_code == 201
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (
            422,
            "/problems/idempotency-key-reused",
        )

    def test_a_coroutine_sees_to_its_keys_itself(self) -> None:
        assert [e.handler for e in ENDPOINTS if e.takes_key and e.is_async] == [create_roadmap]

    def test_whatever_makes_something_takes_a_key(self) -> None:
        without = [
            e.path
            for e in ENDPOINTS
            if e.method == "POST" and not e.takes_key and not isinstance(e, QueueEndpoint)
        ]
        assert without == [f"{API}/auth/register", f"{API}/auth/login", f"{API}/auth/logout"]
        assert all(
            e.path.startswith(f"{API}/admin/queues/")
            for e in ENDPOINTS
            if isinstance(e, QueueEndpoint)
        )


def test_keys_of_a_batch_are_taken_in_one_order(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that two processes wait for each other, and never in a ring."""
    asked: list[str] = []
    insert = idempotency_store.insert_rows

    def noting(table: Any, rows: Any, **options: Any) -> int:
        asked.extend(row["key_hash"] for row in rows)
        return insert(table, rows, **options)

    monkeypatch.setattr(idempotency_store, "insert_rows", noting)
    answers = [
        StoredAnswer(IdempotencyKey(LOCAL_OWNER, letter * 64, ""), 202, {}, b"") for letter in "cab"
    ]
    with transaction():
        assert idempotency_store.store_all(answers) == {letter * 64 for letter in "abc"}
    assert asked == [letter * 64 for letter in "abc"]


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

    def test_a_form_that_comes_back_after_an_unknown_outcome_is_the_same_form(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        form, create = self.form(client), create_many

        def lost(batch: Any) -> Any:
            create(batch)
            raise Unavailable("The connection broke in the moment of the commit.")

        with monkeypatch.context() as patch:
            patch.setattr("web.roadmaps.create_writer.create_many", lost)
            answer = client.post("/roadmaps", data=form, headers=PEOPLE)
        assert answer.status_code == 503
        assert f'value="{form["form"]}"' in answer.text
        self.send(client, form)
        assert count(Roadmap) == 1

    def test_another_form_makes_another(self, client: TestClient) -> None:
        assert self.send(client, self.form(client)) != self.send(client, self.form(client))


MOST = AT_ONCE * ROUNDS


class TestKeeping:
    def test_the_key_is_kept_as_a_hash_only(self, client: TestClient) -> None:
        client.post(ROADMAPS, json={"goal": GOAL}, headers=key("only-mine"))
        with session():
            assert "only-mine" not in repr(IdempotentAnswer.get().__data__)

    def test_a_key_is_that_of_its_account_alone(self) -> None:
        request = Request(
            {"type": "http", "method": "POST", "path": ROADMAPS, "query_string": b"", "headers": []}
        )
        hashes = [
            idempotency.make_key("1", owner, request, b"{}").key_hash
            for owner in (LOCAL_OWNER, uuid4())
        ]
        assert hashes[0] != hashes[1]

    @pytest.mark.parametrize("path", ["/links", "webhooks", "secret"])
    def test_an_answer_with_a_secret_is_not_kept_and_a_repeated_request_makes_no_second(
        self, client: TestClient, roadmap: str, path: str
    ) -> None:
        hook = {"url": "https://example.org/hook", "events": ["roadmap.ready"]}
        where, body, secret, table = {
            "/links": (f"{roadmap}/links", {"purpose": "reading"}, "url", ShareLink),
            "webhooks": (f"{API}/webhooks", hook, "secret", Webhook),
            "secret": ("", {}, "secret", Webhook),
        }[path]
        if path == "secret":
            where = client.post(f"{API}/webhooks", json=hook).headers["location"] + "/secret"
        headers = key()
        first = client.post(where, json=body, headers=headers)
        assert first.is_success, first.text
        again = client.post(where, json=body, headers=headers)
        assert (again.status_code, again.json()["type"]) == (409, "/problems/conflict")
        assert first.headers.get("location", "") in again.json()["detail"]
        assert "new Idempotency-Key" in again.json()["detail"]
        assert count(table) == 1
        with session():
            kept = repr(IdempotentAnswer.get().__data__) + repr(
                bytes(IdempotentAnswer.get().content)
            )
        assert first.json()[secret] not in kept
        assert client.post(where, json=body, headers=key()).is_success

    def test_what_has_a_secret_in_its_answer_is_marked(self) -> None:
        def names(model: Any) -> set[str]:
            return set(model.model_fields) if model is not None else set()

        secret = {"key", "invitation", "secret", "access_token"}
        marked = {(e.method, e.path) for e in ENDPOINTS if e.has_secret}
        assert {
            (e.method, e.path) for e in ENDPOINTS if e.takes_key and names(e.response) & secret
        } <= marked

    @pytest.mark.parametrize("path", [ROADMAPS, "edits"])
    def test_what_the_version_before_has_encrypted_is_done_once_and_its_address_is_returned(
        self, client: TestClient, roadmap: str, path: str
    ) -> None:
        headers = key()
        where, body = (
            (path, {"goal": GOAL})
            if path == ROADMAPS
            else (f"{roadmap}/edits", a_change(client, roadmap))
        )
        first = client.post(where, json=body, headers=headers)
        with transaction():
            IdempotentAnswer.update(content=b"\x00encrypted", is_repeatable=False).execute()
        before = count(Roadmap), count(Revision)
        again = client.post(where, json=body, headers=headers)
        assert (again.status_code, again.json()["type"]) == (409, "/problems/conflict")
        assert first.headers["location"] in again.json()["detail"]
        assert (count(Roadmap), count(Revision)) == before

    def test_yesterdays_are_forgotten_so_many_at_a_time(self, client: TestClient) -> None:
        rows = [
            {
                "key_hash": f"{number:064}",
                "owner": LOCAL_OWNER,
                "fingerprint": "",
                "created_at": clock.now(),
            }
            for number in range(MOST + 1)
        ]
        with transaction():
            for first in range(0, len(rows), 500):
                IdempotentAnswer.insert_many(rows[first : first + 500]).execute()
        rescue_overdue()
        assert count(IdempotentAnswer) == len(rows)
        clock.travel(timedelta(hours=24))
        rescue_overdue()
        assert count(IdempotentAnswer) == 1
        rescue_overdue()
        assert count(IdempotentAnswer) == 0

    def test_of_a_large_response_status_and_address_are_kept(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(idempotency, "LARGEST_STORED", 100)
        path = client.post(ROADMAPS, json={"goal": GOAL}).headers["location"]
        document = client.get(f"{path}/export.json").json()
        headers, before = key(), count(Roadmap)
        first = client.post(f"{API}/imports", json=document, headers=headers)
        again = client.post(f"{API}/imports", json=document, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["preference-applied"] == "return=minimal"
        assert (again.content, count(Roadmap)) == (b"", before + 1)
