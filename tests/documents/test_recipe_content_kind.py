"""A kind of content is added as docs/ARCHITECTURE.md says, in a copy, and works everywhere."""

import json
from pathlib import Path

import pytest

from scripts.openapi import document
from testing.texts import text_commands
from tests.documents.recipes import Copy, places

BODY = """class Exercise(Contents):
    task: Annotated[str, Field(min_length=1)] = Field(description="What is to be done.")

    def text(self) -> str:
        return self.task


"""
ENTRY = """    ContentKind.exercise: KindEntry(
        body=Exercise,
        draft="roadmap.generation.exercises:ExerciseDraft",
        catalogue="roadmap.generation.exercises:exercise_of",
        tokens=(800, 300),
        label=gettext_noop("Exercise"),
        writing=gettext_noop("Writing the exercise on “%(concept)s”"),
        written=gettext_noop("The exercise on “%(concept)s” is written"),
        not_written=gettext_noop("The exercise on “%(concept)s” could not be written"),
        restored=gettext_noop("An earlier exercise on “%(concept)s” was taken up again"),
    ),
"""
MODULE = '''"""Exercises: the form that a model fills in, and those of the catalogue."""

from roadmap.generation.catalogue.loader import CatalogueConcept
from roadmap.generation.context import ConceptBrief
from roadmap.generation.llm.schemas import Draft, Words
from roadmap.plan.outline import Exercise


class ExerciseDraft(Draft):
    task: Words

    def to_content(self) -> Exercise:
        return Exercise(task=self.task)


def exercise_of(concept: CatalogueConcept, brief: ConceptBrief) -> Exercise:
    return Exercise(task=f"Explain {concept.title} to a friend.")
'''
PROMPT = "You write one exercise about `concept`. Follow `instructions` if there are any.\n"
TEMPLATE = '<p class="exercise" lang="{{ written_in }}" dir="auto">{{ content.task }}</p>\n'
TEST = '''"""The added kind, from the plan to the import of what was exported."""

import os
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.settings import from_environment
from roadmap.generation import generator
from scripts import openapi
from testing.teacher import Teacher, teaching
from web import openapi_file

API, HTML = "/api/v1/roadmaps", {"Accept": "text/html"}
WISH = "Do it with your hands, and without any tools."


class ExerciseTeacher(Teacher):
    def _exercise(self, facts: Any) -> Any:
        return {"task": facts.get("instructions") or "Knead the dough until it is smooth."}


def concepts_of(tree: Any) -> list[Any]:
    modules = [module for stage in tree["stages"] for module in stage["modules"]]
    return [concept for module in modules for concept in module["concepts"]]


def test_the_catalogue_writes_it(client: TestClient, short: None) -> None:
    goal = {"goal": "Become a backend engineer in Python"}
    tree = client.get(client.post(API, json=goal).headers["location"]).json()
    assert tree["status"] == "ready"
    states = [concept["contents"]["exercise"]["status"] for concept in concepts_of(tree)]
    assert states == ["ready"] * 3
    path, concept = tree["links"]["self"], concepts_of(tree)[0]
    task = f"Explain {concept['title']} to a friend."
    part, page = f"{path}/concepts/{concept['id']}", f"/roadmaps/{tree['id']}"
    assert client.get(part).json()["exercise"] == {"task": task}
    version = client.get(f"{part}/exercise/versions/1").json()
    assert version["content"] == {"task": task}
    assert len(client.get(f"{part}/exercise/versions").json()["items"]) == 1
    link = client.post(f"{path}/links", json={"purpose": "reading"}).json()["url"]
    shared = f"/shared/{link.rpartition('/')[2]}/concepts/{concept['id']}"
    assert client.get(f"/api/v1{shared}").json()["exercise"] == {"task": task}
    for shown in (
        *(f"{page}/concepts/{concept['id']}", f"{page}/print", shared),
        f"{page}/concepts/{concept['id']}/exercise/versions",
    ):
        assert task in client.get(shown, headers=HTML).text, shown
    assert f"**Exercise**\\n\\n{task}" in client.get(f"{path}/export.md").text
    document = client.get(f"{path}/export.json").json()
    again = client.post("/api/v1/imports", json=document).json()["links"]["self"]
    tree = client.get(again).json()
    copied = client.get(f"{again}/concepts/{concepts_of(tree)[0]['id']}").json()
    assert (tree["status"], copied["exercise"]) == ("ready", {"task": task})
    key = concept["key"]
    document["concepts"][key]["contents"]["exercise"]["body"]["task"] = "long " * 10_000
    refused = client.post("/api/v1/imports", json=document).json()["errors"]
    concept = key.replace("/", "~1")
    assert refused[0]["pointer"] == f"#/concepts/{concept}/contents/exercise/body/task"


def test_a_model_writes_and_revises_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = ExerciseTeacher(stages=1, concepts=2)
    with teaching(teacher):
        mine = from_environment({**os.environ, **teacher.environment()})
        monkeypatch.setattr(generator, "settings", mine)
        for chosen in (generator._chosen, generator.current_generator):
            chosen.cache_clear()
        tree = client.get(client.post(API, json={"goal": "Bake bread"}).headers["location"]).json()
        assert (tree["status"], tree["progress"]["ready"]) == ("ready", 8)
        concept = f"{tree['links']['self']}/concepts/{concepts_of(tree)[0]['id']}"
        first = {"task": "Knead the dough until it is smooth."}
        assert client.get(concept).json()["exercise"] == first
        client.post(f"{concept}/exercise/regenerate", json={"instructions": WISH})
        assert client.get(concept).json()["exercise"] == {"task": WISH}
        compared = client.get(f"{concept}/exercise/versions/2/diff").json()["lines"]
        assert {line["how"] for line in compared} == {"removed", "added"}
        assert client.post(f"{concept}/exercise/versions/1/restore").status_code == 202
        assert client.get(concept).json()["exercise"] == first
        steps = client.get(tree["links"]["receipt"]).json()["steps"]
        assert ["exercise", 3] in [[step["step"], step["calls"]] for step in steps]


def test_it_is_written_down() -> None:
    openapi_file.FILE.write_text(openapi.written(), "utf-8")
'''


@pytest.mark.long
def test_the_recipe_adds_a_kind(tmp_path: Path) -> None:
    outline, generation, prompts, templates, texts = places("A content kind")
    test = "tests/unit/roadmap/plan/test_exercises.py"
    copy = Copy(tmp_path, [outline, generation, prompts, templates, test])
    copy.replace(outline, '    quiz = "quiz"\n', '    quiz = "quiz"\n    exercise = "exercise"\n')
    copy.replace(
        outline,
        "@dataclass(frozen=True)\nclass KindEntry",
        f"{BODY}@dataclass(frozen=True)\nclass KindEntry",
    )
    copy.replace(
        outline, '"Text of the question.",\n    ),\n', f'"Text of the question.",\n    ),\n{ENTRY}'
    )
    copy.add(f"{generation}exercises.py", MODULE)
    copy.add(f"{prompts}exercise.md", PROMPT)
    copy.add(f"{templates}exercise.html", TEMPLATE)
    copy.add(test, TEST)
    copy.run("-m", "pytest", "-p", "no:xdist", test)
    for command in text_commands(tmp_path.parent):
        copy.run(*command)

    added, now = json.loads((tmp_path / "web/openapi.json").read_text("utf-8")), document()
    assert added["paths"].keys() == now["paths"].keys()
    schemas, known = added["components"]["schemas"], now["components"]["schemas"]
    assert schemas.keys() - known.keys() == {"Exercise", "WrittenExercise"}
    for name in ("ConceptDetail", "SharedConceptDetail", "PortableContents"):
        assert schemas[name]["properties"].keys() - known[name]["properties"].keys() == {"exercise"}
    assert "Writing the exercise" in (tmp_path / texts).read_text("utf-8")
