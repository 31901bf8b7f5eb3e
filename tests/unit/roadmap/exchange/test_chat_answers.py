"""Answers of chats and outlines by hand: what is forgiven, what is refused, and where."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from roadmap.plan.format_version import LARGEST_ANSWER
from tests.cases import try_each
from tests.unit.roadmap.exchange.documents import API, HTML, IMPORT, rows, taken

GOAL = "Backend in Rust"
LESSON: dict[str, Any] = {
    "title": "Lifetimes",
    "hours": "2.5 hours",
    "difficulty": 9,
    "prerequisites": ["OWNERSHIP", "Nothing of this course"],
    "outcomes": ["Read a lifetime"],
    "tutorial": "# Lifetimes\n\n```rust\nlet x = 1;\n```\n\n<script>alert(1)</script>",
    "resources": [{"title": "The book", "url": "https://doc.rust-lang.org/book/", "why": None}],
    "quiz": [
        {"question": "One?", "options": ["a", "b", "c"], "answer": "b", "explanation": None},
        {"question": "Two?", "options": ["a", "b", "c"], "answer": ["a", "C"]},
        {"question": "By number?", "options": ["Yes", "No"], "answer": 1},
    ],
}
COURSE: dict[str, Any] = {
    "goal": GOAL,
    "level": "Intermediate",
    "hours_per_week": "5",
    "language": "English",
    "title": "Rust",
    "stages": [
        {"title": "One", "modules": [{"title": "Memory", "concepts": ["Ownership", LESSON]}]},
        {"title": "Two", "description": None, "concepts": [{"title": "Traits"}]},
    ],
}
# A chat breaks lines within texts where JSON wants `\n`.
TEXT = f"Sure {{here}} it is:\n\n```json\n{json.dumps(COURSE)}\n```\nHave fun!".replace("\\n", "\n")


def imported(client: TestClient, text: str) -> Any:
    return client.post(IMPORT, content=text.encode(), headers={"Content-Type": "text/plain"})


def course(**concept: Any) -> str:
    return json.dumps(
        {
            "title": "Rust",
            "stages": [{"title": "One", "concepts": [{"title": "Traits", **concept}]}],
        }
    )


class TestAccepted:
    def test_an_answer_becomes_a_roadmap_whose_other_parts_are_the_persons_own(
        self, client: TestClient
    ) -> None:
        answer = imported(client, TEXT)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        facts = ("goal", "title", "level", "hours_per_week", "language", "status", "generator")
        assert [made[name] for name in facts] == [
            *(GOAL, "Rust", "intermediate", 5, "en", "ready", "chat")
        ]
        assert made["progress"] == {"ready": 3, "failed": 0, "total": 3}
        document = taken(client, answer.headers["location"])
        (first, second) = document["outline"]["stages"]
        (ownership, lifetimes) = first["modules"][0]["concepts"]
        assert second["modules"][0]["title"] == "Two"
        assert lifetimes["prerequisites"] == [ownership["key"]]
        assert (lifetimes["hours"], lifetimes["difficulty"]) == (3, 5)
        contents = document["concepts"][lifetimes["key"]]["contents"]
        assert "let x = 1;" in contents["tutorial"]["body"]["markdown"]
        assert "\\<script>alert(1)" in contents["tutorial"]["body"]["markdown"]
        questions = contents["quiz"]["body"]["questions"]
        assert [(each["type"], each["answers"]) for each in questions] == [
            ("single", [1]),
            ("multiple", [0, 2]),
            ("true_false", [1]),
        ]

    def test_what_was_imported_so_can_be_edited_exported_and_imported_again(
        self, client: TestClient
    ) -> None:
        path = imported(client, TEXT).headers["location"]
        edit = {"op": "add_module", "stage": "stage-1", "title": "Errors"}
        concept = {"op": "add_concept", "title": "Result", "hours": 2, "difficulty": 2}
        tree = client.get(path).json()
        edit["stage"] = tree["stages"][0]["key"]
        concept["module"] = tree["stages"][0]["modules"][0]["key"]
        assert client.post(f"{path}/edits", json={"operations": [concept]}).status_code == 202
        document = client.get(f"{path}/export.json").json()
        assert client.post(IMPORT, json=document).status_code == 201

    @try_each(
        "text",
        [
            course(),
            f"```\n{course()}\n```",
            course(quiz=[], tutorial="", resources=None, outcomes=None, hours=None),
            course(hours=1e400, difficulty=-3),
            course(hours=True, outcomes="One"),
            json.dumps({"title": "R", "stages": [{"title": "1", "concepts": ["C"]}]}),
        ],
    )
    def test_an_outline_needs_titles_alone(self, client: TestClient, text: str) -> None:
        answer = imported(client, text)
        assert (answer.status_code, answer.json().get("status")) == (201, "ready"), answer.text

    def test_the_form_in_the_refusal_of_a_goal_is_accepted(self, client: TestClient) -> None:
        refused = client.post(f"{API}/roadmaps", json={"goal": GOAL, "hours_per_week": 3})
        assert refused.status_code == 422
        made = imported(client, refused.json()["outline"]).json()
        assert (made["goal"], made["title"], made["hours"]) == (GOAL, GOAL, 3)
        prompt = refused.json()["chat_prompt"]
        assert GOAL in prompt
        assert imported(client, prompt).json()["progress"] == {"ready": 3, "failed": 0, "total": 3}


class TestRefused:
    @try_each(
        ("text", "pointer", "rule"),
        [
            ('{"title": "A", "stages": [{"title": "B",}]}', "#", "line 1 column"),
            ('Half of it: {"title": "A", "stages": [', "#", "one whole object"),
            ('"stages"', "#", "there is none"),
            ('{"stages": 1, "title": "A course"}', "#", "There is no concept."),
            ('{"stages": [{}], "title": "A course"}', "#/stages/0/title", "at least 1"),
            (course(title=" "), "#/stages/0/modules/0/concepts/0/title", "at least 1 character"),
            (course(title="x" * 300), "#/stages/0/modules/0/concepts/0/title", "at most 200"),
            (
                course(resources=[{"title": "x", "url": "javascript:alert(1)"}]),
                "#/stages/0/modules/0/concepts/0/resources/0/url",
                "pattern",
            ),
            (
                course(quiz=[{"question": "?", "options": ["a", "b"], "answer": "z"}]),
                "#/stages/0/modules/0/concepts/0/quiz/0",
                "indexes",
            ),
            (
                course(quiz=[{"question": "?", "options": ["a", "b"], "answer": 10**30}]),
                "#/stages/0/modules/0/concepts/0/quiz/0",
                "indexes",
            ),
            (
                course(quiz=[{"question": "?", "options": ["a"], "answer": "a"}]),
                "#/stages/0/modules/0/concepts/0/quiz/0/options",
                "at least 2",
            ),
            (
                json.dumps({"title": "A", "stages": [{"title": "B", "concepts": ["C", "c"]}]}),
                "#",
                "used 2 times",
            ),
            (
                json.dumps({"title": "A", "stages": [{"title": "B", "concepts": ["C"] * 9000}]}),
                "#",
                "at most 5,000 parts",
            ),
            (course(description="x" * LARGEST_ANSWER), "#", "at most 1 MiB"),
            ('{"stages": ' + "[" * 90_000, "#", "one whole object"),
            ("{" * 90_000 + '"stages"', "#", "one whole object"),
        ],
    )
    def test_what_is_wrong_is_named_at_its_place_in_the_answer(
        self, client: TestClient, text: str, pointer: str, rule: str
    ) -> None:
        before = rows()
        answer = imported(client, text)
        assert answer.status_code == 422, answer.text
        found = [(each["pointer"], each["detail"]) for each in answer.json()["errors"]]
        assert [each for each in found if each[0] == pointer and rule in each[1]], found
        assert rows() == before

    def test_a_text_without_a_course_is_no_json(self, client: TestClient) -> None:
        assert imported(client, "I cannot do that.").status_code == 400


@try_each(
    ("options", "answer", "right"),
    [
        (["True", "False"], True, 0),
        (["False", "True"], False, 0),
        ([True, False], False, 1),
        (["1", "2", "3", "4"], 3, 2),
        ([4, 3, 2], 3, 1),
        (["a", "b"], 1, 1),
    ],
)
def test_an_answer_that_is_an_option_is_not_taken_for_an_index(
    client: TestClient, options: list[Any], answer: Any, right: int
) -> None:
    quiz = [{"question": "Which?", "options": options, "answer": answer}]
    made = imported(client, course(quiz=quiz))
    assert made.status_code == 201, made.text
    (concept,) = taken(client, made.headers["location"])["concepts"].values()
    (question,) = concept["contents"]["quiz"]["body"]["questions"]
    assert question["answers"] == [right]


class TestPage:
    def test_the_answer_is_pasted_and_kept_when_it_is_refused(self, client: TestClient) -> None:
        page = client.get("/import?goal=Bake+%3Cb%3E&level=advanced&hours_per_week=3", headers=HTML)
        assert "- Goal: Bake &lt;b&gt;" in page.text
        assert "- Level: advanced" in page.text
        path = "/import?goal=Bake+%3Cb%3E"
        wrong = client.post(path, files={"answer": (None, course(title=""))}, headers=HTML)
        assert wrong.status_code == 422
        assert "send these remarks" in wrong.text
        assert "/stages/0/modules/0/concepts/0/title" in wrong.text
        assert "&#34;Rust&#34;" in wrong.text
        assert "- Goal: Bake &lt;b&gt;" in wrong.text
        made = client.post(
            path, files={"answer": (None, TEXT)}, headers=HTML, follow_redirects=False
        )
        assert made.status_code == 303
        assert "Lifetimes" in client.get(made.headers["location"], headers=HTML).text

    def test_a_page_without_a_goal_asks_for_one(self, client: TestClient) -> None:
        page = client.get("/import", headers=HTML).text
        assert 'id="chat-goal"' in page
        assert 'id="chat-prompt"' not in page

    @pytest.mark.usefixtures("short")
    def test_the_refusal_of_a_goal_offers_the_nearest(self, client: TestClient) -> None:
        data = {"goal": GOAL, "level": "advanced", "motivation": "<i>"}
        page = client.post("/roadmaps", data=data, headers=HTML)
        assert page.status_code == 422
        assert "Nothing on Rust; the closest is “Backend engineer with Python”." in page.text
        assert 'name="goal" value="Backend engineer with Python"' in page.text
        assert 'name="motivation" value="&lt;i&gt;"' in page.text
        assert "OPENAI_API_KEY" in page.text
        assert page.text.count('name="answer"') == 1

    @try_each("url", ["http://[", "https://[::1", "https://a.example:x/", "https://ex\u2100.org/"])
    def test_a_lesson_with_an_odd_address_can_be_read(self, client: TestClient, url: str) -> None:
        made = imported(client, course(resources=[{"title": "Odd", "url": url}]))
        path = made.headers["location"]
        stage = client.get(path).json()["stages"][0]
        concept = stage["modules"][0]["concepts"][0]["id"]
        page = client.get(f"{path.removeprefix('/api/v1')}/concepts/{concept}", headers=HTML)
        assert page.status_code == 200
