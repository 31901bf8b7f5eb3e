"""Progress of a learner: graded on the server, bounded, and kept through changes of the plan."""

import re
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import session, transaction
from models.roadmaps import ContentVersion, QuizAttempt
from roadmap.generation.tutorial_lint import read
from roadmap.learning import progress
from roadmap.learning.grading import Answer
from roadmap.plan import schemas
from roadmap.plan.outline import ContentKind, Quiz
from testing.stack import GOAL
from tests.cases import try_each

API = "/api/v1"
UNKNOWN = UUID(int=7)


def right_answers(concept: str) -> list[Answer]:
    """Right answers to its quiz, as clients give them."""
    with session():
        query = (
            ContentVersion.select()
            .join(progress.Content)
            .where(progress.Content.concept == concept.rpartition("/")[2])
        )
        body = query.where(progress.Content.kind == ContentKind.quiz).get().body
    return [question.right or question.accepted[0] for question in Quiz(**body).questions]


def wrong(answers: list[Answer]) -> list[Answer]:
    """An answer of the same kind for each; lines in order are never in the order of clients."""

    def other(given: Answer) -> Answer:
        if isinstance(given, str):
            return f"not {given}"
        if given != sorted(given):
            return given[::-1]
        return [0] if given != [0] else [1]

    return [other(given) for given in answers]


def concepts_of(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        concept
        for stage in tree["stages"]
        for module in stage["modules"]
        for concept in module["concepts"]
    ]


def problem(answer: Any, status: int) -> dict:
    assert answer.status_code == status, answer.text
    return dict(answer.json())


class TestProgress:
    @pytest.mark.parametrize("status", ["learning", "done", "skipped", "todo"])
    def test_it_is_kept_and_shown(
        self, client: TestClient, roadmap: str, concept: str, status: str
    ) -> None:
        answer = client.put(f"{concept}/progress", json={"progress": status})
        assert (answer.status_code, answer.json()["progress"]) == (200, status)
        assert client.get(concept).json()["progress"] == status
        tree = client.get(roadmap).json()
        node = tree["stages"][0]["modules"][0]["concepts"][0]
        assert node["progress"] == status
        counts = {name: int(name == status) for name in ("done", "skipped", "learning")}
        hours = node["hours"] if status in ("done", "skipped") else 0
        assert tree["learned"] == {
            **counts,
            "total": len(concepts_of(tree)),
            "hours_done": hours,
            "learned": 0,
        }

    def test_its_old_name_is_understood_and_deprecated(
        self, client: TestClient, concept: str
    ) -> None:
        answer = client.put(f"{concept}/progress", json={"status": "done"})
        assert (answer.status_code, answer.json()["progress"]) == (200, "done")
        assert re.fullmatch(r"@1[0-9]{9}", answer.headers["deprecation"])
        now = clock.now()
        assert parsedate_to_datetime(answer.headers["sunset"]) > now
        same = client.put(f"{concept}/progress", json={"status": "done", "progress": "done"})
        assert (same.status_code, "deprecation" in same.headers) == (200, True)
        assert not {"deprecation", "sunset"} & set(
            client.put(f"{concept}/progress", json={"progress": "todo"}).headers
        )

    def test_two_names_that_say_different_things_are_refused(
        self, client: TestClient, concept: str
    ) -> None:
        refused = problem(
            client.put(f"{concept}/progress", json={"status": "done", "progress": "learning"}), 422
        )
        assert {each["pointer"] for each in refused["errors"]} == {"#/progress", "#/status"}
        assert client.get(concept).json()["progress"] == "todo"

    @try_each("sent", [b"", b"{}"])
    def test_one_of_the_names_is_needed(
        self, client: TestClient, concept: str, sent: bytes
    ) -> None:
        answer = client.put(
            f"{concept}/progress", content=sent, headers={"Content-Type": "application/json"}
        )
        refused = problem(answer, 422 if sent else 400)
        assert [each["pointer"] for each in refused.get("errors", [])] == (
            ["#/progress"] if sent else []
        )

    def test_another_word_is_refused(self, client: TestClient, concept: str) -> None:
        refused = problem(client.put(f"{concept}/progress", json={"progress": "finished"}), 422)
        assert refused["errors"][0]["pointer"] == "#/progress"
        assert client.get(concept).json()["progress"] == "todo"

    def test_the_tree_has_another_tag_then(
        self, client: TestClient, roadmap: str, concept: str
    ) -> None:
        tag = client.get(roadmap).headers["etag"]
        assert client.get(roadmap, headers={"If-None-Match": tag}).status_code == 304
        client.put(f"{concept}/progress", json={"progress": "done"})
        assert client.get(roadmap, headers={"If-None-Match": tag}).status_code == 200

    def test_it_is_no_event_of_the_making(
        self, client: TestClient, roadmap: str, concept: str
    ) -> None:
        before, events = client.get(roadmap).json()["updated_at"], f"{roadmap}/events"
        last = {"Last-Event-ID": str(client.get(events).text.count("\nid: "))}
        client.put(f"{concept}/progress", json={"progress": "done"})
        assert client.get(events, headers=last).status_code == 204
        assert client.get(roadmap).json()["updated_at"] == before


class TestNotes:
    def test_they_are_kept_as_they_are_and_replaced(self, client: TestClient, concept: str) -> None:
        for notes in ("# Mine\n\n<b>bold</b> & 中文 🥖", "other", ""):
            assert client.put(f"{concept}/notes", json={"notes": notes}).json()["notes"] == notes
            assert client.get(concept).json()["notes"] == notes

    @try_each("notes", ["a" * (schemas.LONGEST_NOTES + 1), "a\x00b", "a\x1b[31m", 7, None])
    def test_what_does_not_fit_is_refused_and_changes_nothing(
        self, client: TestClient, concept: str, notes: Any
    ) -> None:
        client.put(f"{concept}/notes", json={"notes": "mine"})
        assert (
            problem(client.put(f"{concept}/notes", json={"notes": notes}), 422)["errors"][0][
                "pointer"
            ]
            == "#/notes"
        )
        assert client.get(concept).json()["notes"] == "mine"


class TestExercise:
    def test_an_attempt_is_kept_and_replaced(self, client: TestClient, concept: str) -> None:
        for text in ("def a():\n\treturn '中文'", ""):
            made = client.put(f"{concept}/exercise", json={"exercise_attempt": text}).json()
            assert (made["exercise_attempt"], made["learned_at"]) == (text, None)
            assert client.get(concept).json()["exercise_attempt"] == text
            assert client.get(f"{concept}/exercise").json() == made

    @try_each("text", ["a" * (schemas.LONGEST_NOTES + 1), "a\x00b", 7])
    def test_an_attempt_that_does_not_fit_changes_nothing(
        self, client: TestClient, concept: str, text: Any
    ) -> None:
        client.put(f"{concept}/exercise", json={"exercise_attempt": "mine"})
        body = {"exercise_attempt": text, "checked": True}
        refused = problem(client.put(f"{concept}/exercise", json=body), 422)
        assert refused["errors"][0]["pointer"] == "#/exercise_attempt"
        found = client.get(concept).json()
        assert found["exercise_attempt"] == "mine"
        assert "learned_at" not in found

    def test_who_has_checked_it_and_passed_the_quiz_has_learned_the_concept(
        self, client: TestClient, roadmap: str, concept: str
    ) -> None:
        client.put(f"{concept}/exercise", json={"exercise_attempt": "mine"})
        client.put(f"{concept}/progress", json={"progress": "done"})
        assert client.get(roadmap).json()["learned"]["learned"] == 0  # it was only marked
        made = client.put(f"{concept}/exercise", json={"checked": True}).json()
        assert (made["exercise_attempt"], made["progress"]) == ("mine", "done")
        assert client.get(roadmap).json()["learned"]["learned"] == 0  # the quiz was not passed
        assert client.get(f"{API}/reviews").json()["due"] > 0  # as of any concept that is done
        answers = {"version": 1, "answers": right_answers(concept)}
        client.post(f"{concept}/quiz/attempts", json=answers)
        made = client.get(f"{concept}/exercise").json()
        tree = client.get(roadmap).json()
        assert (tree["learned"]["done"], tree["learned"]["learned"]) == (1, 1)
        client.put(f"{concept}/progress", json={"progress": "todo"})
        client.put(f"{concept}/exercise", json={"exercise_attempt": ""})
        assert client.get(concept).json()["learned_at"] == made["learned_at"]
        assert client.get(roadmap).json()["learned"]["learned"] == 0  # of those that are done
        client.put(f"{concept}/exercise", json={"exercise_attempt": "other", "checked": True})
        assert client.get(concept).json()["learned_at"] == made["learned_at"]

    def test_an_exercise_that_is_not_written_cannot_be_checked(self, client: TestClient) -> None:
        path = client.post(f"{API}/roadmaps", json={"goal": GOAL, "review": True}).headers[
            "location"
        ]
        node = client.get(path).json()["stages"][0]["modules"][0]["concepts"][0]
        concept = f"{path}/concepts/{node['id']}"
        body = {"exercise_attempt": "mine", "checked": True}
        problem(client.put(f"{concept}/exercise", json=body), 404)
        found = client.get(concept).json()
        assert found["exercise_attempt"] == ""
        assert "learned_at" not in found


class TestQuiz:
    def answer(self, client: TestClient, concept: str, answers: Any, version: Any = 1) -> Any:
        return client.post(
            f"{concept}/quiz/attempts", json={"version": version, "answers": answers}
        )

    def test_right_answers_get_all_the_points_and_every_explanation(
        self, client: TestClient, concept: str
    ) -> None:
        right = right_answers(concept)
        answer = self.answer(client, concept, right)
        made = answer.json()
        assert answer.status_code == 201
        assert (made["score"], made["total"]) == (len(right), len(right))
        assert [question["id"] for question in made["questions"]] == [
            question["id"] for question in client.get(concept).json()["quiz"]["questions"]
        ]
        assert all(
            question["is_right"] and question["explanation"] for question in made["questions"]
        )

    def test_wrong_answers_get_the_right_ones(self, client: TestClient, concept: str) -> None:
        right = right_answers(concept)
        made = self.answer(client, concept, wrong(right)).json()
        assert (made["score"], made["total"]) == (0, len(right))
        assert all(
            each in question["accepted"] if isinstance(each, str) else each == question["right"]
            for each, question in zip(right, made["questions"], strict=True)
        )
        assert [each["typed"] or each["chosen"] for each in made["questions"]] == wrong(right)

    def test_who_passes_has_done_the_concept(self, client: TestClient, concept: str) -> None:
        right = right_answers(concept)
        least = ceil(0.8 * len(right))
        blank, four_fifths = [[], *right[1:]], [*right[:least], *wrong(right)[least:]]
        assert not self.answer(client, concept, blank).json()["passed"]
        assert client.get(concept).json()["progress"] == "todo"
        clock.travel(progress.RETRY_AFTER)
        made = self.answer(client, concept, four_fifths).json()
        assert (made["passed"], made["read_again"]) == (True, [])
        found = client.get(concept).json()
        assert (found["progress"], found.get("learned_at")) == ("done", None)

    def test_a_skipped_concept_that_is_passed_stays_skipped(
        self, client: TestClient, concept: str
    ) -> None:
        client.put(f"{concept}/progress", json={"progress": "skipped"})
        client.put(f"{concept}/exercise", json={"exercise_attempt": "mine"})
        self.answer(client, concept, right_answers(concept))
        found = client.get(concept).json()
        assert (found["progress"], bool(found["learned_at"])) == ("skipped", True)

    def test_who_fails_is_told_what_to_read_again(self, client: TestClient, concept: str) -> None:
        right = right_answers(concept)
        made = self.answer(client, concept, [*wrong(right)[:2], *right[2:]]).json()
        titles = [
            section.title
            for section in read(client.get(concept).json()["tutorial"]["markdown"]).taught
        ]
        assert not made["passed"]
        assert 1 <= len(made["read_again"]) <= 2
        assert set(made["read_again"]) <= set(titles)

    def test_an_unanswered_question_is_not_right(self, client: TestClient, concept: str) -> None:
        right = right_answers(concept)
        made = self.answer(client, concept, [[], *right[1:]]).json()
        assert (made["score"], made["unanswered"]) == (len(right) - 1, 1)
        assert not made["questions"][0]["is_right"]
        assert client.get(f"{concept}/quiz/attempts").json()["items"][0]["unanswered"] == 1
        assert client.get(f"{concept}/quiz/attempts/{made['id']}").json() == made

    def test_the_quiz_itself_tells_no_answer(self, client: TestClient, concept: str) -> None:
        self.answer(client, concept, right_answers(concept))
        quiz = client.get(concept).json()["quiz"]
        assert set(quiz) == {"version", "questions"}
        assert {name for question in quiz["questions"] for name in question} == {
            "id",
            "type",
            "prompt",
            "options",
            "seed",
            "needs_tutorial",
        }
        listed = client.get(f"{concept}/quiz/attempts").json()["items"]
        facts = {"id", "version", "score", "total", "unanswered", "created_at"}
        assert set(listed[0]) == {*facts, "passed", "asked"}

    def test_attempts_are_listed_the_newest_first(self, client: TestClient, concept: str) -> None:
        right = right_answers(concept)
        scores = [
            self.answer(client, concept, answers).json()["score"]
            for answers in (right, right, wrong(right))
        ]
        items = client.get(f"{concept}/quiz/attempts").json()["items"]
        assert [item["score"] for item in items] == scores[::-1]
        assert len(client.get(f"{concept}/quiz/attempts", params={"limit": 2}).json()["items"]) == 2

    @try_each(
        ("answers", "pointer"),
        [
            ([[0]], "#/answers"),
            ([], "#/answers"),
            ([[0]] * 300, "#/answers"),
            ([[9]], "#/answers/0"),
            ([[0, 0]], "#/answers/0"),
            ([[-1]], "#/answers/0/0"),
            ([["0"]], "#/answers/0/0"),
            ([[True]], "#/answers/0/0"),
            ("0", "#/answers"),
        ],
    )
    def test_answers_that_do_not_fit_are_named_and_not_kept(
        self, client: TestClient, concept: str, answers: Any, pointer: str
    ) -> None:
        if len(answers) == 1 and pointer != "#/answers":
            answers = [*answers, *right_answers(concept)[1:]]
        refused = problem(self.answer(client, concept, answers), 422)
        assert refused["errors"][0]["pointer"] == pointer
        assert client.get(f"{concept}/quiz/attempts").json()["items"] == []

    def test_answers_to_an_older_quiz_are_not_graded_by_the_new_one(
        self, client: TestClient, concept: str
    ) -> None:
        refused = problem(self.answer(client, concept, right_answers(concept), version=2), 409)
        assert refused["detail"] == "The quiz now has version 1, not 2. Read it again."
        assert client.get(f"{concept}/quiz/attempts").json()["items"] == []

    def test_an_attempt_can_be_read_again_as_it_was_graded(
        self, client: TestClient, concept: str
    ) -> None:
        answers = wrong(right_answers(concept))
        made = client.post(
            f"{concept}/quiz/attempts", json={"version": 1, "answers": answers}
        ).json()
        assert client.get(f"{concept}/quiz/attempts/{made['id']}").json() == made
        problem(client.get(f"{concept}/quiz/attempts/{UNKNOWN}"), 404)

    def test_it_stays_as_it_was_when_the_quiz_is_another(
        self, client: TestClient, concept: str
    ) -> None:
        answers = right_answers(concept)
        made = client.post(
            f"{concept}/quiz/attempts", json={"version": 1, "answers": answers}
        ).json()
        with transaction():
            quiz = progress.Content.get(
                progress.Content.concept == concept.rpartition("/")[2],
                progress.Content.kind == "quiz",
            )
            first = ContentVersion.get(ContentVersion.content == quiz)
            body = {"questions": first.body["questions"][:1]}
            ContentVersion.insert(**{**first.__data__, "version": 2, "body": body}).execute()
            progress.Content.update(version=2).where(progress.Content.id == quiz.id).execute()
        assert client.get(f"{concept}/quiz/attempts/{made['id']}").json() == made

    def test_only_so_many_attempts_are_kept(
        self, client: TestClient, concept: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(progress, "MOST_ATTEMPTS", 3)
        ids = [self.answer(client, concept, right_answers(concept)).json()["id"] for _ in range(5)]
        assert [
            item["id"] for item in client.get(f"{concept}/quiz/attempts").json()["items"]
        ] == ids[:1:-1]
        with session():
            assert QuizAttempt.select().count() == 3

    def test_a_quiz_that_is_not_written_cannot_be_answered(self, client: TestClient) -> None:
        path = client.post(f"{API}/roadmaps", json={"goal": GOAL, "review": True}).headers[
            "location"
        ]
        node = client.get(path).json()["stages"][0]["modules"][0]["concepts"][0]
        assert (
            "not ready"
            in problem(self.answer(client, f"{path}/concepts/{node['id']}", [[0]]), 404)["detail"]
        )


class TestKept:
    def test_all_of_it_survives_a_change_of_the_plan(
        self, client: TestClient, roadmap: str, concept: str
    ) -> None:
        right = right_answers(concept)
        client.put(f"{concept}/progress", json={"progress": "done"})
        client.put(f"{concept}/notes", json={"notes": "mine"})
        client.post(f"{concept}/quiz/attempts", json={"version": 1, "answers": right})
        tree = client.get(roadmap).json()
        last = tree["stages"][-1]["modules"][-1]["concepts"][-1]["key"]
        operations = [{"op": "remove", "what": "concept", "key": last}]
        assert client.post(f"{roadmap}/edits", json={"operations": operations}).status_code == 202
        detail = client.get(concept).json()
        assert (detail["progress"], detail["notes"]) == ("done", "mine")
        assert len(client.get(f"{concept}/quiz/attempts").json()["items"]) == 1
        assert client.get(roadmap).json()["learned"]["total"] == len(concepts_of(tree)) - 1

    @pytest.mark.parametrize("what", ["progress", "notes", "quiz/attempts"])
    def test_a_concept_that_was_taken_out_is_not_there(
        self, client: TestClient, roadmap: str, what: str
    ) -> None:
        tree = client.get(roadmap).json()
        last = tree["stages"][-1]["modules"][-1]["concepts"][-1]
        path = f"{roadmap}/concepts/{last['id']}/{what}"
        bodies = {
            "progress": {"status": "done"},
            "notes": {"notes": ""},
            "quiz/attempts": {"version": 1, "answers": [[0]]},
        }
        operations = [{"op": "remove", "what": "concept", "key": last["key"]}]
        assert client.post(f"{roadmap}/edits", json={"operations": operations}).status_code == 202
        method = "POST" if "quiz" in what else "PUT"
        assert client.request(method, path, json=bodies[what]).status_code == 404


class TestProfile:
    def test_it_is_empty_at_first_and_keeps_what_is_put(self, client: TestClient) -> None:
        nothing = dict.fromkeys(("level", "hours_per_week", "language", "resource_language"))
        assert client.get(f"{API}/profile").json() == nothing
        values = {
            "level": "advanced",
            "hours_per_week": 12,
            "language": "zh-Hans",
            "resource_language": "en",
        }
        assert client.put(f"{API}/profile", json=values).json() == values
        assert client.get(f"{API}/profile").json() == values
        assert client.put(f"{API}/profile", json={}).json() == nothing

    @try_each(
        "field",
        [
            {"level": "expert"},
            {"hours_per_week": 0},
            {"hours_per_week": 81},
            {"language": "English!"},
            {"colour": "red"},
        ],
    )
    def test_what_does_not_fit_is_refused(self, client: TestClient, field: dict) -> None:
        assert client.put(f"{API}/profile", json=field).status_code == 422
        assert client.get(f"{API}/profile").json()["level"] is None

    def test_a_part_of_it_is_changed_by_a_merge_patch(self, client: TestClient) -> None:
        values = {
            "level": "advanced",
            "hours_per_week": 12,
            "language": "zh-Hans",
            "resource_language": "en",
        }
        tag = client.put(f"{API}/profile", json=values).headers["etag"]
        merge = {"Content-Type": "application/merge-patch+json"}
        for patch in ({"hours_per_week": 3}, {"language": None, "level": "beginner"}, {}):
            values |= patch
            answer = client.patch(f"{API}/profile", json=patch, headers=merge)
            assert (answer.status_code, answer.json()) == (200, values)
            assert answer.headers["etag"] == client.get(f"{API}/profile").headers["etag"]
        assert (
            client.patch(
                f"{API}/profile", json={"level": None}, headers={**merge, "If-Match": tag}
            ).status_code
            == 412
        )
        for wrong in ({"hours_per_week": 81}, {"colour": "red"}, []):
            assert client.patch(f"{API}/profile", json=wrong, headers=merge).status_code == 422
        assert (
            client.patch(
                f"{API}/profile", content="{}", headers={"Content-Type": "text/plain"}
            ).status_code
            == 415
        )
        assert client.patch(f"{API}/profile").status_code == 415
        assert (
            "Send a JSON body"
            in problem(client.patch(f"{API}/profile", headers=merge), 400)["detail"]
        )
        assert client.get(f"{API}/profile").json() == values
