"""Questions with typed answers or an order: asked, graded, reviewed, exported, imported."""

import json
import re
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.testclient import TestClient

from core import clock
from roadmap.exchange.formats.anki import deck_of
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.learning import progress
from roadmap.learning.grading import fits, grade_one, is_right
from roadmap.plan.outline import MARKS, QUOTES, Question, normalized
from roadmap.plan.views import as_asked
from tests.cases import try_each
from tests.portables import AT, FIRST, QUESTIONS, small
from tests.unit.roadmap.exchange.documents import made, sent, taken
from tests.unit.roadmap.exchange.test_formats import Collection
from tests.unit.roadmap.exchange.test_share_links import linked, token_of
from tests.unit.web.pages.page_text import HTML, text_of

LINES = ["Mix", "Knead", "Rest", "Bake"]
TYPED = {
    **{"type": "typed", "prompt": "What feeds the yeast?", "accepted": ["Sugar", "the sugar"]},
    "explanation": "It eats sugar.",
}
ORDER = {
    **{"type": "order", "prompt": "In which order?", "options": LINES, "seed": 7},
    "explanation": "Rest before you bake.",
}
NUMBERS = {**QUESTIONS[0], "prompt": "How many grams?", "needs_tutorial": True, "seed": 3}
FINGERPRINT = "eebc41149dd29908569a8651f00b82d3d3a423ff51c0bb23b6e077f552d06592"  # of the first
ALL = [*QUESTIONS, TYPED, ORDER, NUMBERS]


def question(of: dict[str, Any], **changes: Any) -> Question:
    return Question.model_validate({**of, **changes})


def document(**concept: Any) -> dict[str, Any]:
    made = small()
    made["concepts"][FIRST] |= {"attempts": [], "cards": [], **concept}
    made["concepts"][FIRST]["contents"]["quiz"]["body"]["questions"] = ALL
    return made


def right_order(options: list[str]) -> list[int]:
    return [options.index(line) for line in LINES]


@pytest.fixture
def concept(client: TestClient) -> str:
    """The path in the API of a concept with a question of each kind."""
    path = made(client, document())
    tree = client.get(path).json()
    (first, _) = tree["stages"][0]["modules"][0]["concepts"]
    return f"{path}/concepts/{first['id']}"


class TestOldOnes:
    @try_each("of", QUESTIONS)
    def test_a_question_of_an_older_version_stays_what_it_was(self, of: dict[str, Any]) -> None:
        read = question(of)
        assert json.loads(read.model_dump_json()) == of
        assert read.given == list(range(len(read.options)))
        assert as_asked(0, read).arranged("any") == read.given

    def test_its_card_stays_the_same(self) -> None:
        assert question(QUESTIONS[0]).fingerprint == FINGERPRINT
        assert question(QUESTIONS[0], seed=5, needs_tutorial=True).fingerprint == FINGERPRINT


class TestRules:
    @try_each(
        ("of", "changes", "rule"),
        [
            (TYPED, {"accepted": ["", "a"]}, "at least 1 character"),
            (TYPED, {"accepted": [" "]}, "must not be blank"),
            (TYPED, {"accepted": ["a"] * 21}, "at most 20 items"),
            (TYPED, {"accepted": ["a" * 201]}, "at most 200 characters"),
            (TYPED, {"options": ["a", "b"]}, "have no options"),
            (TYPED, {"type": "single"}, "no other, has accepted texts"),
            (ORDER, {"accepted": ["a"]}, "no other, has accepted texts"),
            (ORDER, {"answers": [0]}, "neither has answers"),
            (ORDER, {"options": ["a", "a"]}, "different"),
            (ORDER, {"options": ["a"]}, "at least 2"),
            (ORDER, {"options": [str(n) for n in range(21)]}, "at most 20 lines"),
            (ORDER, {"seed": -1}, "greater than or equal to 0"),
            ({**ORDER, "type": "single"}, {}, "needs options, and answers among them"),
            (
                {key: TYPED[key] for key in ("type", "prompt", "explanation")},
                {},
                "has accepted texts",
            ),
            (
                {key: ORDER[key] for key in ("type", "prompt", "explanation")},
                {},
                "lines have",
            ),
        ],
    )
    def test_what_cannot_be_answered_is_refused(
        self, of: dict[str, Any], changes: dict[str, Any], rule: str
    ) -> None:
        with pytest.raises(ValidationError, match=rule):
            question(of, **changes)


class TestGrading:
    @given(
        st.text(min_size=1, max_size=40).filter(str.strip),
        st.sampled_from(["", " ", "\u3000", "\n"]),
        st.sampled_from(["", ".", "!", " ?", "”", "。"]),
    )
    def test_space_and_marks_around_it_make_no_difference(
        self, text: str, before: str, after: str
    ) -> None:
        asked = question(TYPED, accepted=[text])
        assert is_right(asked, text)
        assert is_right(asked, f"{before}{text}{before}")
        if normalized(text).strip(QUOTES + MARKS):  # these alone are what they are
            assert is_right(asked, f"{before}“{text}{after}")

    @try_each(
        ("accepted", "typed", "right"),
        [
            ("Straße", "STRASSE", True),
            ("git diff", "  Git\t DIFF ", True),
            ("１２", "12", True),
            ("café", "cafe\u0301", True),
            ("酵母", "「酵母」。", True),
            ("-5", "5", False),
            (".5", "5", False),
            ("C++", "c", False),
            ("C#", "c", False),
            ("!=", "=", False),
            ("...", "", False),
            ("yeast", "yeasts", False),
        ],
    )
    def test_typed_answers_are_compared_as_people_mean_them(
        self, accepted: str, typed: str, right: bool
    ) -> None:
        assert is_right(question(TYPED, accepted=[accepted]), typed) is right

    @given(
        st.lists(st.text(min_size=1, max_size=9), min_size=2, max_size=20, unique=True),
        st.integers(0, 2**32 - 1),
        st.randoms(),
    )
    def test_one_order_of_lines_is_right(self, lines: list[str], seed: int, chance: Any) -> None:
        asked = question(ORDER, options=lines, seed=seed)
        shown = as_asked(0, asked)
        assert sorted(shown.options) == sorted(lines)
        assert shown.options != lines
        assert [shown.options[index] for index in asked.right] == lines
        assert is_right(asked, asked.right)
        other = list(asked.right)
        chance.shuffle(other)
        assert fits(asked, other)
        assert is_right(asked, other) == (other == asked.right)
        assert grade_one(0, asked, other).chosen == other
        assert not fits(asked, other[1:]) or len(lines) == 1

    @given(st.lists(st.text(min_size=1), min_size=4, max_size=9, unique=True), st.integers(0, 99))
    def test_options_are_shown_alike_in_one_turn_and_not_in_all(
        self, options: list[str], seed: int
    ) -> None:
        asked = as_asked(0, question(QUESTIONS[0], options=options, seed=seed))
        turns = [asked.arranged(turn) for turn in range(9)]
        assert turns == [asked.arranged(turn) for turn in range(9)]
        assert all(sorted(turn) == list(range(len(options))) for turn in turns)
        assert len({tuple(turn) for turn in turns}) > 1
        assert asked.options == options


class TestApi:
    def attempt(self, client: TestClient, concept: str, *answers: Any) -> Any:
        body = {"version": 1, "answers": list(answers)}
        return client.post(f"{concept}/quiz/attempts", json=body)

    def test_questions_are_asked_without_their_answers(
        self, client: TestClient, concept: str
    ) -> None:
        _, _, typed, order, numbers = client.get(concept).json()["quiz"]["questions"]
        assert typed == {
            **{"id": 2, "type": "typed", "prompt": TYPED["prompt"], "options": []},
            **{"seed": None, "needs_tutorial": False},
        }
        assert (order["type"], order["seed"]) == ("order", 7)
        assert order["options"] != LINES
        assert sorted(order["options"]) == sorted(LINES)
        assert (numbers["needs_tutorial"], numbers["seed"]) == (True, 3)

    def test_answers_of_each_kind_are_graded_and_read_again(
        self, client: TestClient, concept: str
    ) -> None:
        options = client.get(concept).json()["quiz"]["questions"][3]["options"]
        right = right_order(options)
        answer = self.attempt(client, concept, [0], [1, 0], " SUGAR. ", right, [1])
        assert answer.status_code == 201, answer.text
        read = client.get(answer.headers["location"]).json()
        assert read == answer.json()
        assert (read["score"], read["total"]) == (4, 5)
        typed, order = read["questions"][2:4]
        assert (typed["typed"], typed["accepted"]) == ("SUGAR.", TYPED["accepted"])
        assert (typed["chosen"], typed["right"]) == ([], [])
        assert (order["chosen"], order["right"], order["typed"]) == (right, right, "")

    def test_another_order_and_no_answer_are_wrong(self, client: TestClient, concept: str) -> None:
        options = client.get(concept).json()["quiz"]["questions"][3]["options"]
        wrong = right_order(options)[::-1]
        read = self.attempt(client, concept, [], [], "salt", wrong, []).json()
        assert read["score"] == 0
        assert read["questions"][3]["chosen"] == wrong
        clock.travel(progress.RETRY_AFTER)
        assert self.attempt(client, concept, [], [], [], [], []).json()["score"] == 0
        clock.travel(progress.RETRY_AFTER)
        assert self.attempt(client, concept, [], [], "", [], []).json()["score"] == 0

    @try_each(
        ("number", "answer", "rule"),
        [
            (0, "gluten", "indexes of its 2 options"),
            (2, [0], "must be a text"),
            (3, [0, 1], "must be the indexes of all 4 lines in order, or empty"),
            (3, [0, 1, 2, 2], "all 4 lines"),
            (3, "Mix", "all 4 lines"),
            (2, "a" * 501, "should have at most 500 characters"),
            (2, None, "should be a valid array"),
            (2, {"text": "a"}, "should be a valid array"),
        ],
    )
    def test_what_is_no_answer_is_named(
        self, client: TestClient, concept: str, number: int, answer: Any, rule: str
    ) -> None:
        answers: list[Any] = [[] for _ in ALL]
        answers[number] = answer
        refused = self.attempt(client, concept, *answers)
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert error["pointer"] == f"#/answers/{number}"
        assert rule in error["detail"]

    def test_text_that_no_database_takes_is_kept_without_it(
        self, client: TestClient, concept: str
    ) -> None:
        read = self.attempt(client, concept, [], [], "su\x00gar", [], []).json()
        assert read["questions"][2]["typed"] == "sugar"
        assert read["questions"][2]["is_right"]

    def test_reviews_ask_them_but_those_about_the_tutorial(
        self, client: TestClient, concept: str
    ) -> None:
        client.put(f"{concept}/progress", json={"progress": "done"})
        due = client.get("/api/v1/reviews").json()
        cards = {each["question"]["type"]: each for each in due["items"]}
        prompts = {each["question"]["prompt"] for each in due["items"]}
        assert due["due"] == 4
        assert NUMBERS["prompt"] not in prompts
        typed, order = cards["typed"], cards["order"]
        path = f"/api/v1/reviews/{typed['id']}/check"
        checked = client.post(path, json={"chosen": "the  sugar"}).json()["question"]
        assert (checked["is_right"], checked["typed"]) == (True, "the sugar")
        assert client.post(path, json={"chosen": [0]}).status_code == 422
        right = right_order(order["question"]["options"])
        path = f"/api/v1/reviews/{order['id']}/check"
        assert client.post(path, json={"chosen": right}).json()["question"]["is_right"]
        assert not client.post(path, json={"chosen": right[::-1]}).json()["question"]["is_right"]

    def test_an_attempt_rates_its_cards(self, client: TestClient, concept: str) -> None:
        self.attempt(client, concept, [], [], "sugar", [], [1])
        reviews = {
            each["question"]["prompt"]: each["reviews"]
            for each in client.get("/api/v1/reviews").json()["items"]
        }
        assert TYPED["prompt"] not in reviews  # it was right, and comes back later
        assert reviews[ORDER["prompt"]] == 0


class TestPages:
    def path(self, concept: str) -> str:
        return concept.removeprefix("/api/v1")

    def sent(self, client: TestClient, concept: str, form: dict[str, str], status: int) -> str:
        answer = client.post(f"{self.path(concept)}/quiz", data=form, headers=HTML)
        assert answer.status_code == status
        return answer.text

    def test_questions_are_checked_one_at_a_time_before_they_are_saved(
        self, client: TestClient, concept: str
    ) -> None:
        options = client.get(concept).json()["quiz"]["questions"][3]["options"]
        places = {f"q3.{options.index(line)}": str(at) for at, line in enumerate(LINES, 1)}
        form = {"version": "1", "questions": "5"}
        asked = self.sent(client, concept, {**form, "check": "2"}, 422)
        assert "Answer this question, or skip it." in asked
        assert 'data-asked="2"' in asked
        form["q2.text"] = "Sugar!"
        checked = self.sent(client, concept, {**form, "check": "2"}, 200)
        assert checked.count('class="explanation"') == 1
        assert '<input type="hidden" name="q2.text" value="Sugar!">' in checked
        form |= {"checked": "2", **places}
        checked = self.sent(client, concept, {**form, "check": "3"}, 200)
        assert checked.count('class="explanation"') == 2
        for name, place in places.items():
            assert f'<input type="hidden" name="{name}" value="{place}">' in checked
        unfinished = {**form, "q3.0": ""}
        assert "Give each line" in self.sent(client, concept, {**unfinished, "check": "3"}, 422)
        lacking = self.sent(client, concept, form, 422)
        assert "3 unanswered: check anyway?" in lacking
        assert lacking.count('class="explanation"') == 1  # that of what was checked
        assert client.get(f"{concept}/quiz/attempts").json()["items"] == []
        stale = self.sent(client, concept, {**form, "version": "9", "check": "3"}, 409)
        assert 'value="Sugar!"' not in stale
        result = self.sent(client, concept, {**form, "anyway": "on"}, 200)
        assert "2 of 2 correct" in result
        assert result.count('class="explanation"') == 2  # blanks give nothing away
        [made] = client.get(f"{concept}/quiz/attempts").json()["items"]
        assert (made["score"], made["total"], made["unanswered"]) == (2, 5, 3)

    def test_a_form_without_scripts_answers_them(self, client: TestClient, concept: str) -> None:
        options = client.get(concept).json()["quiz"]["questions"][3]["options"]
        page = client.get(self.path(concept), headers=HTML).text
        assert '<input name="q2.text"' in page
        assert len(re.findall(r'<select name="q3\.\d"', page)) == 4
        assert TYPED["accepted"][1] not in page
        places = {f"q3.{options.index(line)}": str(at) for at, line in enumerate(LINES, 1)}
        form = {"version": "1", "questions": "5", "q0": "0", "q2.text": "Sugar!", **places}
        assert "2 unanswered: check anyway?" in self.sent(client, concept, form, 422)
        form["anyway"] = "on"
        answer = client.post(f"{self.path(concept)}/quiz", data=form, headers=HTML)
        shown = text_of(answer)
        assert "3 of 3 correct" in shown
        assert 'value="Sugar!"' in answer.text

    def test_a_wrong_answer_shows_the_right_one(self, client: TestClient, concept: str) -> None:
        options = client.get(concept).json()["quiz"]["questions"][3]["options"]
        places = {f"q3.{options.index(line)}": str(4 - at) for at, line in enumerate(LINES)}
        form = {"version": "1", "questions": "5", "q2.text": "<b>salt", "anyway": "on", **places}
        answer = client.post(f"{self.path(concept)}/quiz", data=form, headers=HTML)
        shown = text_of(answer)
        assert "0 of 2 correct" in shown
        assert "correct position: 4" in shown
        assert "the sugar" in shown
        assert "&lt;b&gt;salt" in answer.text

    @try_each("places", [["1", "1", "2", "3"], ["1", "", "", ""], ["9", "1", "2", "3"]])
    def test_lines_without_a_place_of_their_own_are_asked_for_again(
        self, client: TestClient, concept: str, places: list[str]
    ) -> None:
        form = {"version": "1", "questions": "5", "q2.text": "yeast"}
        form |= {f"q3.{line}": place for line, place in enumerate(places)}
        answer = client.post(f"{self.path(concept)}/quiz", data=form, headers=HTML)
        assert answer.status_code == 422
        assert "Give each line a position of its own" in answer.text
        assert 'value="yeast"' in answer.text

    def test_an_answer_of_another_kind_breaks_no_page(
        self, client: TestClient, concept: str
    ) -> None:
        form = {"version": "1", "questions": "5", "q0.text": "a", "q2": "0", "q3": "1"}
        answer = client.post(f"{self.path(concept)}/quiz", data=form, headers=HTML)
        assert answer.status_code == 422
        assert "belong to another quiz" in answer.text

    def test_options_have_another_order_in_the_next_attempt_and_one_in_its_result(
        self, client: TestClient, concept: str
    ) -> None:
        def order(page: str) -> list[str]:
            return re.findall(r'<select name="q3\.(\d)"', page)

        orders, form = [], {"version": "1", "questions": "5", "q0": "1", "anyway": "on"}
        for _ in range(4):
            shown = order(client.get(self.path(concept), headers=HTML).text)
            result = client.post(f"{self.path(concept)}/quiz", data=form, headers=HTML).text
            assert order(result) == shown
            orders.append(tuple(shown))
        assert len(set(orders)) > 1

    def test_reviews_are_answered_by_the_same_fields(
        self, client: TestClient, concept: str
    ) -> None:
        client.put(f"{concept}/progress", json={"progress": "done"})
        cards = {each["question"]["type"]: each for each in items(client)}
        typed, order = cards["typed"]["id"], cards["order"]["id"]
        answer = client.post(
            f"/review/{typed}/check", data={"chosen.text": "a & sugar"}, headers=HTML
        )
        assert "Incorrect." in text_of(answer)
        assert 'value="a &amp; sugar"' in answer.text
        lines = cards["order"]["question"]["options"]
        places = {f"chosen.{lines.index(line)}": str(at) for at, line in enumerate(LINES, 1)}
        answer = client.post(f"/review/{order}/check", data=places, headers=HTML)
        assert "Correct." in text_of(answer)
        answer = client.post(
            f"/review/{order}/check",
            data={**places, "chosen.0": "2", "chosen.1": "2"},
            headers=HTML,
        )
        assert answer.status_code == 422
        assert "Give each line a position of its own" in answer.text
        empty = client.post(f"/review/{typed}/check", data={"chosen.text": " "}, headers=HTML)
        assert "Choose an answer" in empty.text

    def test_others_see_them_without_answers(self, client: TestClient, concept: str) -> None:
        link = linked(client, concept.rpartition("/concepts/")[0])
        token, name = token_of(link), concept.rpartition("/")[2]
        page = client.get(f"/shared/{token}/concepts/{name}", headers=HTML).text
        assert TYPED["prompt"] in page
        assert TYPED["accepted"][1] not in page
        assert TYPED["explanation"] not in page
        assert [
            line for line in re.findall(r'<li dir="auto">(\w+)</li>', page) if line in LINES
        ] != LINES


def items(client: TestClient) -> Any:
    return client.get("/api/v1/reviews").json()["items"]


class TestFormats:
    def test_a_document_comes_back_as_it_was(self, client: TestClient, concept: str) -> None:
        options = client.get(concept).json()["quiz"]["questions"][3]["options"]
        answers = [[0], [], "sugar", right_order(options), []]
        TestApi().attempt(client, concept, *answers)
        exported = taken(client, concept.rpartition("/concepts/")[0])
        assert exported["version"] == 3
        found = exported["concepts"][FIRST]
        assert found["contents"]["quiz"]["body"]["questions"] == ALL
        assert found["attempts"][0]["answers"] == answers
        assert {card["question"] for card in found["cards"]} == {0, 1, 2, 3}
        again = made(client, {**exported, "exported_at": AT})
        assert taken(client, again) == exported

    def test_a_document_of_the_first_version_is_read_and_comes_back_in_the_second(
        self, client: TestClient
    ) -> None:
        old = {**small(), "version": 1}
        new = taken(client, made(client, old))
        assert {**new, "version": 1} == {
            key: value for key, value in old.items() if key != "exported_at"
        }

    @try_each(
        ("concept", "pointer", "rule"),
        [
            (
                {
                    "attempts": [
                        {"answers": [[], [], [0], [], []], "score": 0, "total": 5, "created_at": AT}
                    ]
                },
                "attempts/0/answers/2",
                "must be a text",
            ),
            (
                {
                    "attempts": [
                        {
                            **{"answers": [[], [], "sugar", [], []], "score": 0},
                            **{"total": 5, "created_at": AT},
                        }
                    ]
                },
                "attempts/0/score",
                "number of right answers, 1",
            ),
            (
                {"cards": [{"question": 4, "state": 1, "step": 0, "due_at": AT}]},
                "cards/0/question",
                "never reviewed",
            ),
        ],
    )
    def test_what_does_not_fit_them_is_refused(
        self, client: TestClient, concept: dict[str, Any], pointer: str, rule: str
    ) -> None:
        refused = sent(client, document(**concept))
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert error["pointer"] == f"#/concepts/{FIRST}/{pointer}"
        assert rule in error["detail"]

    def test_markdown_and_paper_show_no_answer(self, client: TestClient, concept: str) -> None:
        path = concept.rpartition("/concepts/")[0]
        for text in (
            client.get(f"{path}/export.md").text,
            client.get(f"{path.removeprefix('/api/v1')}/print", headers=HTML).text,
        ):
            assert TYPED["prompt"] in text
            assert TYPED["accepted"][1] not in text
            places = [
                text.index(f"{line}\n" if "# " in text[:3] else f">{line}<") for line in LINES
            ]
            assert places != sorted(places)

    def test_anki_asks_for_what_is_typed_and_for_the_order(self, tmp_path: Any) -> None:
        parsed = RoadmapFile.model_validate_json(json.dumps(document()))
        notes = Collection(deck_of(parsed, UUID(int=7)), tmp_path).notes
        assert len(notes) == 4
        typed, order = (note[2].split("\x1f") for note in notes[2:])
        assert typed[1:3] == ["", "<ul><li>Sugar</li><li>the sugar</li></ul>"]
        assert order[0] == "<p>In which order? <small>(put in order)</small></p>"
        lines = "".join(f"<li>{line}</li>" for line in LINES)
        assert order[1] != f"<ul>{lines}</ul>"
        assert order[2] == f"<ol>{lines}</ol>"

    def test_versions_are_compared_without_answers(self, client: TestClient, concept: str) -> None:
        lines = client.get(f"{concept}/quiz/versions/1/diff").json()["lines"]
        text = json.dumps(lines)
        assert TYPED["prompt"] in text
        assert TYPED["accepted"][1] not in text
