"""Concepts that nothing here can write: their learner writes them, in the page or by the API."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

import roadmap.generation.generator as generator_module
from core import clock
from core.db import session
from core.ids import new_id
from models.accounts import Account
from models.roadmaps import Concept, Content, Roadmap
from tests.cases import try_each
from tests.unit.roadmap.exchange.documents import API, HTML, IMPORT, taken

LINES = """\
Sourdough bread

The starter
  Flour and water
    - Feed a starter (2.5 h)
        - keep a starter alive
        - tell when it is ripe
    Keep it cold（1 小时）
Baking
\tOven
\t\tSteam
"""
TUTORIAL = "# Feeding\n\nTake **equal** parts.\n\n<b>Stir.</b>"
QUIZ = [
    {"question": "How often?", "options": ["Daily", "Never"], "answer": "Daily"},
    {
        "question": "Of what?",
        "options": ["a", "b", "c"],
        "answer": ["a", "c"],
        "explanation": "S.",
    },
]
OWN = {
    "tutorial": TUTORIAL,
    "resources": [{"title": "Feeding", "url": "https://example.org/feeding", "why": "Pictures"}],
    "quiz": QUIZ,
}
FORM = {
    "tutorial": TUTORIAL.replace("\n", "\r\n"),
    "url0": "https://example.org/feeding",
    "title0": "Feeding",
    "question0": "How often?",
    "right0": "Daily",
    "wrong0": "Never\r\n\r\nOnce",
    "why0": "It is alive.",
    "question2": "Of what?",
    "right2": "flour\r\nwater",
    "wrong2": "salt",
}


def outlined(client: TestClient, lines: str = LINES) -> str:
    """The path of a roadmap by an outline in lines."""
    answer = client.post(IMPORT, content=lines.encode(), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def first_of(client: TestClient, roadmap: str) -> str:
    node = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]
    return f"{roadmap}/concepts/{node['id']}"


@pytest.fixture
def course(client: TestClient) -> str:
    return outlined(client)


@pytest.fixture
def own(client: TestClient, course: str) -> str:
    """The path of its first concept."""
    return first_of(client, course)


def page_of(path: str) -> str:
    return path.removeprefix(API)


class TestOutline:
    def test_lines_become_a_course_that_is_complete_and_yours_to_write(
        self, client: TestClient, course: str
    ) -> None:
        tree = client.get(course).json()
        assert (tree["status"], tree["title"], tree["error"]) == ("ready", "Sourdough bread", "")
        assert tree["progress"] == {"ready": 0, "failed": 0, "total": 0}
        found = [
            (stage["title"], module["title"], concept["title"], concept["hours"])
            for stage in tree["stages"]
            for module in stage["modules"]
            for concept in module["concepts"]
        ]
        assert found == [
            ("The starter", "Flour and water", "Feed a starter", 3),
            ("The starter", "Flour and water", "Keep it cold", 1),
            ("Baking", "Oven", "Steam", 2),
        ]
        first = tree["stages"][0]["modules"][0]["concepts"][0]
        assert first["outcomes"] == ["keep a starter alive", "tell when it is ripe"]
        assert (first["contents"], first["yours"]) == ({}, True)

    @try_each(
        ("lines", "pointer", "rule"),
        [
            ("T\nStage\n  Module\nOther\n  M\n    C", "line 3", "below these concepts"),
            ("T\nStage\nOther\n  M\n    C", "line 2", "Below a stage are modules"),
            ("T\nS\n  M\n    C\n      o\n        deeper", "line 5", "nothing below these"),
            ("T\nS\n  M\n    " + "x" * 201, "line 4", "at most 200"),
            ("T\nS\n  M\n    C\n    c", "#", "used 2 times"),
            ("T\nS\n  M\n    C\n" + "      o\n" * 13, "#", "at most 12"),
            ("T\nS\n  M\n" + "".join(f"    C{n}\n" for n in range(201)), "#", "at most 200"),
            ("T\nS\n  M\n    C\n      " + "x" * 1024**2, "#", "at most 1 MiB"),
        ],
    )
    def test_an_error_names_the_line_and_the_rule(
        self, client: TestClient, lines: str, pointer: str, rule: str
    ) -> None:
        headers = {"Content-Type": "text/plain"}
        answer = client.post(IMPORT, content=lines.encode(), headers=headers)
        assert answer.status_code == 422, answer.text
        (found,) = answer.json()["errors"]
        assert pointer in found["pointer"]
        assert rule in found["detail"]

    def test_the_page_names_the_line_in_the_language_of_the_reader(
        self, client: TestClient
    ) -> None:
        files = {"answer": (None, "T\nStage\n  Module")}
        headers = {**HTML, "Accept-Language": "zh"}
        answer = client.post("/import", files=files, headers=headers)
        assert answer.status_code == 422
        assert "第 3 行：阶段下面需要有模块，模块下面需要有知识点。" in answer.text
        assert "Stage\n  Module" in answer.text
        assert "- 让酵种保持活力" in answer.text  # the example in the empty box


class TestAdded:
    def test_a_concept_that_is_added_fails_nothing_and_learns_like_others(
        self, client: TestClient, roadmap: str
    ) -> None:
        before = client.get(roadmap).json()
        module = before["stages"][0]["modules"][0]["key"]
        concept = {"op": "add_concept", "module": module, "title": "Mine", "hours": 2}
        edit = {"operations": [{**concept, "difficulty": 1}]}
        assert client.post(f"{roadmap}/edits", json=edit).status_code == 202
        after = client.get(roadmap).json()
        assert (after["status"], after["progress"]) == ("ready", before["progress"])
        (mine,) = (
            each for each in after["stages"][0]["modules"][0]["concepts"] if each["title"] == "Mine"
        )
        path = f"{roadmap}/concepts/{mine['id']}"
        for progress in ("learning", "done", "todo"):  # nothing is opened for it meanwhile
            client.put(f"{path}/progress", json={"progress": progress})
            assert client.get(path).json()["contents"] == {}
        page = client.get(page_of(path), headers=HTML)
        assert "yours to write" in page.text
        assert "A model would add them by itself" in page.text
        assert "Failed" not in page.text

    def test_parts_that_an_older_version_has_failed_are_the_persons_after_a_retry(
        self, client: TestClient, course: str, own: str
    ) -> None:
        with session():
            concept = Concept.get(Concept.title == "Feed a starter")
            for kind in ("tutorial", "quiz"):
                Content.create(
                    id=f"00000000-0000-0000-0000-00000000000{len(kind)}",
                    roadmap=concept.roadmap_id,
                    concept=concept.id,
                    kind=kind,
                    status="failed",
                    due_at=clock.now(),
                )
            Roadmap.update(status="partial", contents_failed=2, contents_total=2).execute()
        assert client.get(own).json()["contents"]["quiz"]["status"] == "failed"
        assert client.post(f"{own}/quiz/retry", json={}).status_code == 202
        tree = client.get(course).json()
        assert (tree["status"], client.get(own).json()["yours"]) == ("ready", True)


class TestWriting:
    def test_it_is_saved_as_versions_and_can_be_learned(
        self, client: TestClient, course: str, own: str
    ) -> None:
        assert client.put(f"{own}/contents", json=OWN).status_code == 202
        made = client.get(own).json()
        assert made["tutorial"]["markdown"] == TUTORIAL.replace("<b>Stir.</b>", "\\<b>Stir.\\</b>")
        assert (made["tutorial"]["generator"], made["tutorial"]["version"]) == ("person", 1)
        assert made["resources"][0]["url"] == "https://example.org/feeding"
        assert [each["type"] for each in made["quiz"]["questions"]] == ["true_false", "multiple"]
        assert "yours" not in made
        assert client.get(course).json()["progress"] == {"ready": 3, "failed": 0, "total": 3}
        answers = {"version": 1, "answers": [[0], [0, 2]]}
        attempt = client.post(f"{own}/quiz/attempts", json=answers).json()
        assert (attempt["score"], attempt["passed"]) == (2, True)
        assert client.get(f"{own}/progress").json()["learned_at"] is None  # not on one day alone
        # The same is no version; another text is one, and the other parts stay.
        assert client.put(f"{own}/contents", json=OWN).status_code == 202
        assert client.put(f"{own}/contents", json={"tutorial": "Shorter."}).status_code == 202
        now = client.get(own).json()
        assert [now[kind]["version"] for kind in ("tutorial", "quiz")] == [2, 1]
        restored = client.post(f"{own}/tutorial/versions/1/restore", json={})
        assert (restored.status_code, client.get(own).json()["tutorial"]["version"]) == (202, 1)

    def test_nothing_shadows_what_else_is_put_there(self, client: TestClient, own: str) -> None:
        for name, body in {
            "progress": {"progress": "learning"},
            "notes": {"notes": "Mine"},
            "exercise": {"exercise_attempt": "Mine"},
        }.items():
            assert client.put(f"{own}/{name}", json=body).status_code == 200, name
        assert client.get(own).json()["tutorial"] is None

    @try_each(
        ("body", "pointer", "rule"),
        [
            ({"tutorial": "x" * 20_001}, "#/tutorial", "at most 20000"),
            ({"resources": [{"title": "a", "url": "javascript:x"}]}, "#/resources/0/url", "http"),
            ({"resources": [{}] * 201}, "#/resources", "at most 200"),
            ({"quiz": [QUIZ[0]] * 201}, "#/quiz", "at most 200"),
            ({"quiz": [QUIZ[0], {"question": "?"}]}, "#/quiz/1/options", "at least 2"),
            ({"quiz": [{**QUIZ[0], "answer": "Often"}]}, "#/quiz/0", "indexes of options"),
            ({"quiz": [{**QUIZ[0], "answer": []}]}, "#/quiz/0/answers", "at least 1"),
            ({"quiz": [{**QUIZ[0], "question": "x" * 20_001}]}, "#/quiz/0", "at most 20000"),
            ({"notes": ""}, "#/notes", "not a known field"),
            ({"quiz": ["?"]}, "#/quiz/0", "an object"),
        ],
    )
    def test_what_is_wrong_is_named_and_nothing_is_saved(
        self, client: TestClient, own: str, body: dict[str, Any], pointer: str, rule: str
    ) -> None:
        answer = client.put(f"{own}/contents", json=body)
        assert answer.status_code == 422, answer.text
        found = [(each["pointer"], each["detail"]) for each in answer.json()["errors"]]
        assert found[0][0].startswith(pointer), found
        assert re.search(rule, found[0][1]), found
        assert client.get(own).json()["contents"] == {}

    def test_bodies_are_bounded(self, client: TestClient, own: str) -> None:
        body = {"quiz": [{**QUIZ[0], "explanation": "x" * 2000}] * 150}
        assert client.put(f"{own}/contents", json=body).status_code == 413

    def test_concepts_of_others_do_not_exist(
        self, client: TestClient, concept: str, course: str, own: str
    ) -> None:
        foreign = f"{course}/concepts/{concept.rpartition('/')[2]}"
        assert client.put(f"{foreign}/contents", json=OWN).status_code == 404
        assert client.get(page_of(foreign) + "/write", headers=HTML).status_code == 404
        with session():
            stranger = new_id()
            facts = {"email": "a@example.org", "name": "", "password_hash": ""}
            Account.insert(id=stranger, created_at=clock.now(), **facts).execute()
            Roadmap.update(owner=stranger).execute()
        assert client.put(f"{own}/contents", json=OWN).status_code == 404
        for method in ("get", "post"):
            answer = getattr(client, method)(page_of(own) + "/write", headers=HTML)
            assert answer.status_code == 404

    def test_a_revision_keeps_own_text(self, client: TestClient, course: str, own: str) -> None:
        client.put(f"{own}/contents", json=OWN)
        key = client.get(own).json()["key"]
        for changes in ({"title": "Feeding"}, {"description": "Daily.", "regenerate": False}):
            operation = {"op": "rewrite", "what": "concept", "key": key, **changes}
            answer = client.post(f"{course}/edits", json={"operations": [operation]})
            assert answer.status_code == 202
            assert client.get(own).json()["tutorial"]["markdown"].startswith("# Feeding")
        assert client.post(f"{course}/revisions/1/restore", json={}).status_code == 202
        tree = client.get(course).json()
        assert (tree["status"], tree["progress"]["failed"]) == ("ready", 0)
        assert client.get(own).json()["quiz"]["version"] == 1
        removal = {"op": "remove", "what": "concept", "key": key}
        client.post(f"{course}/edits", json={"operations": [removal]})
        assert client.get(course).json()["progress"]["total"] == 0
        client.post(f"{course}/revisions/1/restore", json={})
        assert client.get(own).json()["tutorial"]["version"] == 1

    def test_a_plan_that_a_model_changes_keeps_own_text_as_well(
        self, client: TestClient, course: str, own: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.put(f"{own}/contents", json={"tutorial": TUTORIAL})
        monkeypatch.setattr(generator_module, "has_model", lambda: True)
        key = client.get(own).json()["key"]
        operation = {"op": "rewrite", "what": "concept", "key": key, "title": "Feeding"}
        client.post(f"{course}/edits", json={"operations": [operation]})
        made = client.get(own).json()
        assert (made["contents"]["tutorial"]["status"], made["tutorial"]["generator"]) == (
            "ready",
            "person",
        )

    def test_without_a_model_nothing_rewrites_it(self, client: TestClient, own: str) -> None:
        client.put(f"{own}/contents", json=OWN)
        answer = client.post(f"{own}/tutorial/regenerate", json={})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (
            422,
            "#/instructions",
        )
        assert "set OPENAI_API_KEY" in answer.json()["errors"][0]["detail"]
        assert client.get(own).json()["tutorial"]["version"] == 1

    def test_exports_and_copies_carry_it(self, client: TestClient, course: str, own: str) -> None:
        client.put(f"{own}/contents", json=OWN)
        document = client.get(f"{course}/export.json").json()
        again = client.post(IMPORT, json=document)
        assert (again.status_code, again.json()["status"]) == (201, "ready")
        path = again.headers["location"]
        one, other = taken(client, course), taken(client, path)
        assert one["concepts"] == other["concepts"]
        copied = client.get(first_of(client, path)).json()
        assert (copied["tutorial"]["generator"], len(copied["quiz"]["questions"])) == ("person", 2)
        markdown = client.get(f"{course}/export.md").text
        assert "Take **equal** parts." in markdown
        assert client.get(f"{course}/export.apkg").status_code == 200
        link = client.post(f"{course}/links", json={"purpose": "reading"}).json()
        shared = f"{API}/shared/{link['url'].rpartition('/')[2]}"
        concept = own.rpartition("/")[2]
        lesson = client.get(f"{shared}/concepts/{concept}").json()
        assert lesson["tutorial"].startswith("# Feeding")
        taken_over = client.post(f"{shared}/copy", json={}).json()
        assert (taken_over["status"], taken_over["progress"]["failed"]) == ("ready", 0)


class TestPage:
    def test_it_is_written_in_a_form_and_changed_again(self, client: TestClient, own: str) -> None:
        path = page_of(own) + "/write"
        assert f'href="{path}"' in client.get(page_of(own), headers=HTML).text
        saved = client.post(path, data=FORM, headers=HTML, follow_redirects=False)
        assert (saved.status_code, saved.headers["location"]) == (303, page_of(own))
        lesson = client.get(page_of(own), headers=HTML).text
        assert "ready to learn" in lesson
        assert "<strong>equal</strong>" in lesson
        assert "Edit text, links and questions" in lesson
        quiz = client.get(own).json()["quiz"]["questions"]
        assert [each["options"] for each in quiz] == [
            ["Daily", "Never", "Once"],
            ["flour", "salt", "water"],
        ]
        form = client.get(path, headers=HTML).text
        assert 'id="question1"' in form
        assert ">flour\nwater</textarea>" in form
        client.post(path, data={"tutorial": "New."}, headers=HTML)
        now = client.get(own).json()
        assert (now["tutorial"]["markdown"], now["quiz"]["version"]) == ("New.", 1)
        history = client.get(page_of(own) + "/tutorial/versions", headers=HTML).text
        assert "Written by hand" in history

    def test_an_error_keeps_what_was_typed_and_names_its_place(
        self, client: TestClient, own: str
    ) -> None:
        wrong = {**FORM, "wrong2": "", "right2": "flour", "url0": "ftp://example.org"}
        headers = {**HTML, "Accept-Language": "zh"}
        answer = client.post(page_of(own) + "/write", data=wrong, headers=headers)
        assert answer.status_code == 422
        assert "第 3 题：每道题需要题干、一个正确答案和一个错误答案。" in answer.text
        assert "第 1 个链接：链接需要以 http:// 或 https:// 开头的地址。" in answer.text
        for typed in ("Take **equal** parts.", "It is alive.", 'value="ftp://example.org"'):
            assert typed in answer.text
        long = client.post(page_of(own) + "/write", data={"tutorial": "x" * 20_001}, headers=HTML)
        assert "The text has at most 20,000 characters" in long.text
        assert client.get(own).json()["contents"] == {}
