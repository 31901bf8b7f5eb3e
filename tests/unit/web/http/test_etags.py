"""Known documents are not sent again; changed ones are not overwritten unseen."""

import gzip
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from core.db import SerializationConflict
from roadmap.operations import execution_log
from testing.stack import GOAL
from tests.cases import try_each
from tests.unit.roadmap.learning.test_progress import right_answers
from web.routes import ENDPOINTS

pytestmark = pytest.mark.usefixtures("short")

API = "/api/v1"
ROADMAPS = f"{API}/roadmaps"
PROFILE = f"{API}/profile"
PLAIN = {"Accept-Encoding": "identity"}


def problem(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


class TestKnownAlready:
    @try_each(
        "below",
        [
            "",
            "/concepts/{concept}",
            "/activity",
            "/logs",
            "/revisions",
            "/revisions/1",
            "/receipt",
            "/export.svg",
        ],
    )
    def test_what_has_not_changed_is_not_sent_again(
        self, client: TestClient, roadmap: str, concept: str, below: str
    ) -> None:
        path = roadmap + below.format(concept=concept.rpartition("/")[2])
        execution_log.buffer.flush()  # log records come a moment later otherwise
        first = client.get(path, headers=PLAIN)
        assert first.status_code == 200
        again = client.get(path, headers={**PLAIN, "If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        same = ("etag", "cache-control", "vary")
        assert {name: again.headers[name] for name in same} == {
            name: first.headers[name] for name in same
        }
        assert first.headers["cache-control"] == "private, no-cache"

    def test_who_has_any_form_of_it_hears_the_tag_of_the_form_asked_for(
        self, client: TestClient, concept: str
    ) -> None:
        for accepted in ("gzip", "identity"):
            headers = {"Accept-Encoding": accepted}
            tag = client.get(concept, headers=headers).headers["etag"]
            again = client.get(concept, headers={**headers, "If-None-Match": "*"})
            assert (again.status_code, again.headers["etag"]) == (304, tag)

    def test_what_has_changed_is_sent(self, client: TestClient, roadmap: str, concept: str) -> None:
        tag = client.get(roadmap).headers["etag"]
        client.put(f"{concept}/progress", json={"progress": "done"})
        changed = client.get(roadmap, headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag

    @try_each("of", ["{}", "W/{}", '"other", {}', "*"])
    def test_tags_are_compared_weakly_and_in_lists(
        self, client: TestClient, roadmap: str, of: str
    ) -> None:
        tag = client.get(roadmap).headers["etag"]
        assert client.get(roadmap, headers={"If-None-Match": of.format(tag)}).status_code == 304

    def test_an_answer_that_changes_something_has_no_tag(self, client: TestClient) -> None:
        answer = client.post(ROADMAPS, json={"goal": GOAL})
        assert answer.status_code == 202
        assert "etag" not in answer.headers

    def test_head_tells_what_get_tells(self, client: TestClient, roadmap: str) -> None:
        get, head = client.get(roadmap), client.head(roadmap)
        own = ("x-request-id",)
        kept = [
            {name: value for name, value in answer.headers.items() if name not in own}
            for answer in (get, head)
        ]
        assert kept[0] == kept[1]
        assert head.status_code == 200


class TestCompressed:
    def test_long_answers_are_compressed_for_who_reads_that(
        self, client: TestClient, roadmap: str
    ) -> None:
        packed, plain = (
            client.get(roadmap, headers={"Accept-Encoding": "gzip"}),
            client.get(roadmap, headers=PLAIN),
        )
        assert (packed.headers["content-encoding"], "content-encoding" in plain.headers) == (
            "gzip",
            False,
        )
        assert packed.json() == plain.json()
        assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"

    def test_short_ones_are_not(self, client: TestClient) -> None:
        assert (
            "content-encoding"
            not in client.get(PROFILE, headers={"Accept-Encoding": "gzip"}).headers
        )

    def test_each_representation_has_its_own_tag_and_either_is_known(
        self, client: TestClient, roadmap: str
    ) -> None:
        packed, plain = (
            client.get(roadmap, headers={"Accept-Encoding": "gzip"}),
            client.get(roadmap, headers=PLAIN),
        )
        assert packed.headers["etag"] != plain.headers["etag"]
        for tag in (packed.headers["etag"], plain.headers["etag"]):
            assert client.get(roadmap, headers={**PLAIN, "If-None-Match": tag}).status_code == 304

    def test_what_holds_a_secret_is_never_compressed(self, client: TestClient) -> None:
        """Its length beside the text of an attacker would tell of it."""
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in answer.headers
        assert gzip.compress(answer.content)


class TestChangingWhatWasRead:
    def test_it_is_changed_while_it_is_as_it_was_read(self, client: TestClient) -> None:
        tag = client.get(PROFILE).headers["etag"]
        changed = client.put(PROFILE, json={"level": "advanced"}, headers={"If-Match": tag})
        assert (changed.status_code, client.get(PROFILE).json()["level"]) == (200, "advanced")
        assert (
            changed.headers["etag"] == client.get(PROFILE).headers["etag"]
        )  # so that one can go on from there

    def test_a_put_with_an_outdated_tag_gets_412(self, client: TestClient) -> None:
        tag = client.get(PROFILE).headers["etag"]
        client.put(PROFILE, json={"level": "advanced"})
        refused = client.put(PROFILE, json={"level": "beginner"}, headers={"If-Match": tag})
        assert problem(refused) == (412, "/problems/precondition-failed")
        assert client.get(PROFILE).json()["level"] == "advanced"

    @pytest.mark.parametrize("kind", ["notes", "progress"])
    def test_notes_and_progress_have_tags_too(
        self, client: TestClient, concept: str, kind: str
    ) -> None:
        body = {"notes": {"notes": "Mine."}, "progress": {"status": "done"}}[kind]
        path = f"{concept}/{kind}"
        tag = client.get(path).headers["etag"]
        changed = client.put(path, json=body, headers={"If-Match": f'"other", {tag}'})
        assert (changed.status_code, changed.headers["etag"]) == (
            200,
            client.get(path).headers["etag"],
        )
        assert problem(client.put(path, json=body, headers={"If-Match": tag})) == (
            412,
            "/problems/precondition-failed",
        )

    def test_a_webhook_is_changed_as_it_was_read(self, client: TestClient) -> None:
        path = client.post(f"{API}/webhooks", json={"url": "https://example.org/"}).headers[
            "location"
        ]
        change = {"url": "https://example.org/", "events": ["roadmap.ready"], "enabled": True}
        headers = {"If-Match": client.get(path).headers["etag"]}
        changed = client.put(path, json=change, headers=headers)
        assert (changed.status_code, changed.headers["etag"]) == (
            200,
            client.get(path).headers["etag"],
        )
        assert problem(client.put(path, json=change, headers=headers)) == (
            412,
            "/problems/precondition-failed",
        )

    def test_a_plan_is_edited_as_it_was_read(self, client: TestClient, roadmap: str) -> None:
        tree = client.get(roadmap)
        key = tree.json()["stages"][0]["modules"][0]["concepts"][0]["key"]
        edit = {
            "operations": [
                {"op": "rewrite", "what": "concept", "key": key, "title": "Another title"}
            ]
        }
        headers = {"If-Match": tree.headers["etag"]}  # of the compressed one
        assert client.post(f"{roadmap}/edits", json=edit, headers=headers).status_code == 202
        assert problem(client.post(f"{roadmap}/edits", json=edit, headers=headers)) == (
            412,
            "/problems/precondition-failed",
        )
        assert len(client.get(f"{roadmap}/revisions").json()["items"]) == 2

    @try_each(("tag", "status"), [("*", 200), ('W/"{}"', 412), ("no tag", 412), ("", 412)])
    def test_only_a_strong_tag_or_a_star_will_do(
        self, client: TestClient, tag: str, status: int
    ) -> None:
        known = client.get(PROFILE).headers["etag"].strip('"')
        assert (
            client.put(PROFILE, json={}, headers={"If-Match": tag.format(known)}).status_code
            == status
        )

    def test_what_is_there_already_is_not_replaced_by_who_excludes_it(
        self, client: TestClient, concept: str
    ) -> None:
        path = f"{concept}/notes"
        for tag in ("*", client.get(path).headers["etag"]):
            refused = client.put(path, json={"notes": "Mine."}, headers={"If-None-Match": tag})
            assert problem(refused) == (412, "/problems/precondition-failed")
        assert (
            client.put(
                path, json={"notes": "Mine."}, headers={"If-None-Match": '"another"'}
            ).status_code
            == 200
        )

    def test_a_webhook_is_deleted_as_it_was_read(self, client: TestClient) -> None:
        path = client.post(f"{API}/webhooks", json={"url": "https://example.org/"}).headers[
            "location"
        ]
        assert client.delete(path, headers={"If-Match": '"another"'}).status_code == 412
        assert (
            client.delete(path, headers={"If-Match": client.get(path).headers["etag"]}).status_code
            == 204
        )

    @try_each(
        ("tag", "words"),
        [("{}", "double quotes"), ('W/"{}"', "without W/"), ('"{}x"', "has changed")],
    )
    def test_a_refusal_says_what_is_wrong_with_the_tag(
        self, client: TestClient, tag: str, words: str
    ) -> None:
        known = client.get(PROFILE).headers["etag"].strip('"')
        refused = client.put(PROFILE, json={}, headers={"If-Match": tag.format(known)})
        assert words in refused.json()["detail"]

    @try_each("header", ["If-Match", "If-None-Match"])
    def test_a_condition_that_cannot_be_checked_is_refused(
        self, client: TestClient, header: str
    ) -> None:
        answer = client.post(ROADMAPS, json={"goal": GOAL}, headers={header: "*"})
        assert problem(answer) == (412, "/problems/precondition-failed")
        assert client.get(ROADMAPS).json()["items"] == []

    def test_a_put_that_is_overtaken_again_and_again_gets_an_error(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in the crowd around one thing, where no tag decides."""

        def overtaken(**_: object) -> None:
            raise SerializationConflict

        monkeypatch.setattr("web.endpoints.endpoint.transaction", overtaken)
        answer = client.put(PROFILE, json={}, headers={"If-Match": "*"})
        assert problem(answer) == (412, "/problems/precondition-failed")

    def test_what_is_not_there_is_not_found(self, client: TestClient, roadmap: str) -> None:
        path = f"{roadmap}/concepts/00000000-0000-7000-8000-000000000001/notes"
        assert client.put(path, json={"notes": ""}, headers={"If-Match": "*"}).status_code == 404

    def test_the_first_answer_counts_more_than_the_condition(
        self, client: TestClient, roadmap: str
    ) -> None:
        """A client that lost the answer names the tag from before its own change."""
        tree = client.get(roadmap)
        key = tree.json()["stages"][0]["modules"][0]["concepts"][0]["key"]
        edit = {
            "operations": [
                {"op": "rewrite", "what": "concept", "key": key, "title": "Another title"}
            ]
        }
        headers = {"If-Match": tree.headers["etag"], "Idempotency-Key": "once"}
        first, again = (
            client.post(f"{roadmap}/edits", json=edit, headers=headers) for _ in range(2)
        )
        assert (first.status_code, again.status_code, again.content) == (202, 202, first.content)

    def test_whatever_is_replaced_can_be_replaced_on_condition(self) -> None:
        no_condition = {
            e.path for e in ENDPOINTS if e.method in ("PUT", "PATCH") and e.current is None
        }
        assert no_condition == {f"{API}/auth/password", f"{API}/auth/email"}  # no GET returns it


class TestPaging:
    def visited(self, client: TestClient, path: str) -> list[Any]:
        """Everything, by following the links."""
        items, most = [], int(path.partition("limit=")[2].partition("&")[0])
        while path:
            answer = client.get(path)
            assert answer.status_code == 200
            assert len(answer.json()["items"]) <= most
            items += answer.json()["items"]
            assert bool(answer.json()["next_cursor"]) == ("next" in answer.links)
            path = answer.links["next"]["url"] if "next" in answer.links else ""
        return [item["id"] for item in items]

    @pytest.mark.parametrize("number", [0, 1, 4, 5])
    def test_links_lead_through_everything_once(self, client: TestClient, number: int) -> None:
        made = [client.post(ROADMAPS, json={"goal": GOAL}).json()["id"] for _ in range(number)]
        assert self.visited(client, f"{ROADMAPS}?limit=2&status=ready") == made[::-1]

    def test_attempts_at_a_quiz_too(self, client: TestClient, concept: str) -> None:
        path = f"{concept}/quiz/attempts"
        answers = {"version": 1, "answers": right_answers(concept)}
        made = [
            client.post(path, json=answers).headers["location"].rpartition("/")[2] for _ in range(5)
        ]
        assert self.visited(client, f"{path}?limit=2") == made[::-1]

    def test_a_log_is_read_in_its_order(self, client: TestClient, roadmap: str) -> None:
        pages = self.visited(client, f"{roadmap}/logs?limit=7")
        assert pages == sorted(set(pages))
        assert pages == self.visited(client, f"{roadmap}/logs?limit=100")


@pytest.mark.parametrize("is_finished", [False, True])
def test_an_event_that_is_not_there_yet_is_no_place_to_go_on_from(
    client: TestClient, is_finished: bool
) -> None:
    """It is of another roadmap, or of before a backup was restored: what was seen is not there."""
    path = client.post(ROADMAPS, json={"goal": GOAL, "review": not is_finished}).headers["location"]
    assert client.get(path).json()["status"] == ("ready" if is_finished else "awaiting_review")
    last = client.get(f"{path}/events").text.count("\nid: ") if is_finished else 95
    answer = client.get(f"{path}/events", headers={"Last-Event-ID": str(last + 1)})
    assert problem(answer) == (409, "/problems/conflict")
    assert answer.json()["errors"][0]["parameter"] == "Last-Event-ID"
    assert "Read the roadmap again, and follow it without Last-Event-ID." in answer.json()["detail"]
    assert "the newest is" in answer.json()["errors"][0]["detail"]


class TestLocation:
    def test_what_is_made_is_at_its_location(self, client: TestClient, concept: str) -> None:
        questions = client.get(concept).json()["quiz"]["questions"]
        made = client.post(
            f"{concept}/quiz/attempts", json={"version": 1, "answers": [[]] * len(questions)}
        )
        assert made.status_code == 201
        assert client.get(made.headers["location"]).json() == made.json()
