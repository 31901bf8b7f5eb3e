"""Documents that are refused, with the place of each error."""

import json
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from roadmap.exchange import import_validation
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.learning.spaced_repetition import MOST_REVIEWS
from roadmap.plan.schemas import LONGEST_NOTES
from roadmap.plan.validation import LONGEST_DESCRIPTION, MOST_CONCEPTS
from tests.cases import try_each
from tests.portables import FIRST, SECOND, small
from tests.unit.roadmap.exchange.documents import CONCEPTS, STAGE, Document, at, rows, sent

LEFT, IN_LEFT = ("concepts", FIRST), "/concepts/" + FIRST
CARD, IN_CARD = (*LEFT, "cards", 0), f"{IN_LEFT}/cards/0"
ATTEMPT, IN_ATTEMPT = (*LEFT, "attempts", 0), f"{IN_LEFT}/attempts/0"
QUIZ, IN_QUIZ = (
    (*LEFT, "contents", "quiz", "body", "questions"),
    f"{IN_LEFT}/contents/quiz/body/questions",
)
TUTORIAL = (*LEFT, "contents", "tutorial", "body", "markdown")
IN_CONCEPTS = "/outline/stages/0/modules/0/concepts"
# With short rows: a parser makes 64,000 cells of 1,000 bytes
WIDE_TABLE = "|a" * 320 + "|\n" + "|-" * 320 + "|\n" + "|b|\n" * 200
BAD_TEXTS = ("a\x00b", "a\x1b[31m", "\x7f")
LINK = (*LEFT, "contents", "resources", "body", "items", 0, "url")

# The field, its value, the place that the error names, and a part of its detail.
REFUSALS: list[tuple[tuple[str | int, ...], Any, str, str]] = [
    (("format",), "anki", "/format", "not a roadmap exported"),
    (("version",), 4, "/version", "a newer version of Roadmap (4); this version reads 3"),
    (("version",), 0, "/version", "must be between 1 and 3"),
    (("version",), "1", "/version", "whole number"),
    (("id",), "01a21e86-8855-7f6c-aa1f-4d0e57f09005", "/id", "not a known field"),
    ((*LEFT, "id"), "01a21e86-8855-7f6c-aa1f-4d0e57f09005", f"{IN_LEFT}/id", "not a known field"),
    ((*STAGE, "owner"), "somebody", "/outline/stages/0/owner", "not a known field"),
    (("request", "owner_id"), "somebody", "/request/owner_id", "not a known field"),
    (("request", "hours_per_week"), 81, "/request/hours_per_week", "80"),
    (("request", "language"), "klingon!", "/request/language", "language"),
    *((("request", "goal"), bad, "/request/goal", "at least 2") for bad in ("", "   ", " a ")),
    (("request", "goal"), "1 + 1", "/request/goal", "in words"),
    (("outline", "title"), "  ", "/outline/title", "must not be blank"),
    ((*STAGE, "title"), " ", "/outline/stages/0/title", "must not be blank"),
    ((*STAGE, "modules", 0, "title"), " ", "/outline/stages/0/modules/0/title", "not be blank"),
    ((*CONCEPTS, 0, "title"), "\u2003", f"{IN_CONCEPTS}/0/title", "must not be blank"),
    (("request", "begins_on"), "1815-12-10", "/request/begins_on", "between the years"),
    (("request", "deadline"), "9999-12-31", "/request/deadline", "between the years"),
    ((*CONCEPTS, 0, "prerequisites"), [SECOND], f"{IN_CONCEPTS}/0/prerequisites/0", "comes later"),
    ((*CONCEPTS, 0, "prerequisites"), [FIRST], f"{IN_CONCEPTS}/0/prerequisites/0", "itself"),
    ((*CONCEPTS, 1, "prerequisites"), ["salt"], f"{IN_CONCEPTS}/1/prerequisites/0", "not a con"),
    ((*CONCEPTS, 1, "key"), FIRST, f"{IN_CONCEPTS}/1/key", "another concept"),
    ((*CONCEPTS, 1, "title"), "FLOUR", "/outline", "used 2 times"),
    ((*CONCEPTS, 1, "hours"), 10**30, f"{IN_CONCEPTS}/1/hours", "200"),
    ((*STAGE, "description"), "x" * (LONGEST_DESCRIPTION + 1), "/outline", "characters"),
    ((*STAGE, "modules"), [], "/outline", "no module"),
    (("outline", "stages"), [], "/outline", "no concept"),
    ((*CONCEPTS, 0, "title"), "x" * 201, f"{IN_CONCEPTS}/0/title", "200"),
    (("concepts", "salt"), {}, "/concepts/salt", "not a concept of the outline"),
    ((*LEFT, "contents", "song"), {}, f"{IN_LEFT}/contents/song", "not a known field"),
    ((*QUIZ, 0, "answers"), [7], f"{IN_QUIZ}/0", "indexes of options"),
    ((*QUIZ, 0, "answers"), [0, 1], f"{IN_QUIZ}/0", "do not match the type"),
    ((*QUIZ, 0, "options"), ["a", "a"], f"{IN_QUIZ}/0", "different"),
    ((*QUIZ, 0, "options"), ["a"], f"{IN_QUIZ}/0/options", "at least 2"),
    ((*QUIZ,), [], IN_QUIZ, "at least 1"),
    ((*QUIZ, 0, "prompt"), "x" * 20_001, f"{IN_QUIZ}/0", "20000"),
    ((*LEFT, "contents", "quiz"), None, f"{IN_ATTEMPT}/answers", "do not belong"),
    ((*CARD, "question"), 2, f"{IN_CARD}/question", "not a question of the quiz, which has 2"),
    ((*CARD, "question"), -1, f"{IN_CARD}/question", "greater"),
    ((*CARD, "state"), 4, f"{IN_CARD}/state", "3"),
    *(
        ((*CARD, name), value, f"{IN_CARD}/{name}", detail)
        for name, value, detail in (
            ("stability", None, "is required"),
            ("stability", 0, "greater than 0"),
            ("difficulty", None, "is required"),
            ("difficulty", 0.5, "from 1 to 10"),
            ("reviewed_at", None, "is required"),
            ("step", 0, "must be null"),
            ("reviews", MOST_REVIEWS + 1, "100000"),
            ("lapses", 4, "at most the number of reviews, 3"),
            ("due_at", "2026-01-05T08:59:59Z", "before the last review"),
        )
    ),
    ((*CARD, "state"), 3, f"{IN_CARD}/step", "must be a step of this state: 0"),
    ((*CARD, "state"), 1, f"{IN_CARD}/step", "must be a step of this state: 0 or 1"),
    ((*CARD, "reviews"), 0, f"{IN_CARD}/state", "there was no review"),
    ((*CARD, "reviews"), 0, f"{IN_CARD}/stability", "must be null"),
    ((*CARD, "stability"), 1e300, f"{IN_CARD}/stability", "1000000"),
    ((*CARD, "due_at"), "9999-12-31T23:59:59Z", f"{IN_CARD}/due_at", "between the years"),
    ((*CARD, "due_at"), "0001-01-01T00:00:00Z", f"{IN_CARD}/due_at", "between the years"),
    ((*CARD, "due_at"), "2026-01-01T00:00:00", f"{IN_CARD}/due_at", "timezone"),
    ((*CARD, "reviewed_at"), "2150-01-01T00:00:00Z", f"{IN_CARD}/reviewed_at", "future"),
    ((*LEFT, "progress_at"), "2150-01-01T00:00:00Z", f"{IN_LEFT}/progress_at", "future"),
    (
        (*LEFT, "contents", "quiz", "created_at"), "2150-01-01T00:00:00Z",
        f"{IN_LEFT}/contents/quiz/created_at", "future",
    ),
    ((*ATTEMPT, "answers"), [[0]], f"{IN_ATTEMPT}/answers", "which has 2 questions"),
    ((*ATTEMPT, "answers"), [[0], [3]], f"{IN_ATTEMPT}/answers/1", "its 3 options"),
    ((*ATTEMPT, "answers"), [[0], [0, 0]], f"{IN_ATTEMPT}/answers/1", "without duplicates"),
    ((*ATTEMPT, "score"), 2, f"{IN_ATTEMPT}/score", "right answers, 1"),
    ((*ATTEMPT, "total"), 3, f"{IN_ATTEMPT}/total", "questions, 2"),
    (
        (*LEFT, "attempts"), small()["concepts"][FIRST]["attempts"][:1] * 201,
        f"{IN_LEFT}/attempts", "at most 200",
    ),
    ((*LEFT, "progress"), "finished", f"{IN_LEFT}/progress", "todo"),
    ((*LEFT, "notes"), "x" * (LONGEST_NOTES + 1), f"{IN_LEFT}/notes", "20000"),
    *(((*LEFT, "notes"), bad, f"{IN_LEFT}/notes", "control characters") for bad in BAD_TEXTS),
    *(((*CONCEPTS, 0, "title"), bad, f"{IN_CONCEPTS}/0/title", "control") for bad in BAD_TEXTS),
    *(((*QUIZ, 0, "explanation"), bad, f"{IN_QUIZ}/0/explanation", "control") for bad in BAD_TEXTS),
    *(
        (TUTORIAL, bad, f"{IN_LEFT}/contents/tutorial/body/markdown", detail)
        for bad, detail in (
            ("<script>alert(1)</script>", "not contain HTML"),
            ("a <b onclick=x>c</b>", "not contain HTML"),
            ("![a picture](https://example.org/a.png)", "images"),
            ("[a](javascript:alert(1))", "links other than"),
            ("a\x00b", "control characters"),
            ("x" * 200_001, "200000"),
        )
    ),
    *(
        (LINK, bad, "/".join(("", *map(str, LINK))), "pattern")
        for bad in (
            *("javascript:alert(1)", "file:///etc/passwd", "ftp://example.org"),
            *("https://", "https://a@b/", "https://a b/"),
        )
    ),
]  # fmt: skip


class TestWhatIsRefused:
    @try_each(("place", "value", "pointer", "expected"), REFUSALS, ids=lambda each: str(each)[:60])
    def test_what_does_not_fit_is_named_and_changes_nothing(
        self,
        client: TestClient,
        place: tuple[str | int, ...],
        value: Any,
        pointer: str,
        expected: str,
    ) -> None:
        document = small()
        at(document, *place[:-1])[place[-1]] = value
        before = rows()
        answer = sent(client, document)
        assert answer.status_code == 422, answer.text
        body = {
            each["pointer"].removeprefix("#"): each["detail"] for each in answer.json()["errors"]
        }
        assert expected in body[pointer], body
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
        ("content", "expected"),
        [
            (b"", "empty"),
            (b"{", "not valid JSON"),
            (b"PK\x03\x04", "not valid JSON"),
            (b'{"format": "\\ud800"}', "not valid JSON"),
            (b'{"format": "roadmap", "format": "roadmap"}', "twice"),
            (b"[" * 100_000, "not valid JSON"),
            (b"\xff\xfe{\x00}\x00", "not valid JSON"),
        ],
    )
    def test_what_is_no_document(self, client: TestClient, content: bytes, expected: str) -> None:
        before = rows()
        answer = sent(client, content)
        assert (answer.status_code, expected in answer.json()["detail"]) == (400, True), answer.text
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

    @pytest.mark.parametrize(
        ("place", "text"),
        [(TUTORIAL, WIDE_TABLE), ((*QUIZ, 0, "prompt"), "> " * 9_000 + "<b")],
    )
    def test_markdown_that_is_too_much_work(
        self, client: TestClient, place: tuple[str | int, ...], text: str
    ) -> None:
        document = small()
        at(document, *place[:-1])[place[-1]] = text
        before = rows()
        (error,) = sent(client, document).json()["errors"]
        assert ("#/" + "/".join(map(str, place))).startswith(error["pointer"])
        assert "too complex" in error["detail"]
        assert rows() == before

    @pytest.mark.parametrize(
        ("what", "detail"),
        [
            ("questions", "at most 1 questions in all, not 2"),
            ("options", "at most 1 options in all, not 5"),
            ("answers", "at most 1 answers in all, not 2"),
            ("resources", "at most 0 resources in all, not 1"),
        ],
    )
    def test_more_parts_than_a_document_may_have(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch, what: str, detail: str
    ) -> None:
        monkeypatch.setitem(import_validation.MOST_PARTS, what, int(what != "resources"))
        (error,) = sent(client, small()).json()["errors"]
        assert (error["pointer"], detail in error["detail"]) == ("#/concepts", True), error

    def test_an_answer_lists_a_bounded_number_of_mistakes(self, client: TestClient) -> None:
        document = small()
        document["concepts"] |= {f"unknown {number}": {} for number in range(1000)}
        assert len(sent(client, document).json()["errors"]) == 20

    @pytest.mark.parametrize("item", [{}, {"options": []}, 0])
    def test_a_list_gives_its_first_mistakes_however_many_there_are(self, item: Any) -> None:
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

        monkeypatch.setattr("roadmap.lifecycle.making.completion.finish", fail)
        before = rows()
        assert sent(client, small()).status_code == 500
        assert rows() == before
