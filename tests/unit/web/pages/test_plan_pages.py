"""Plans and parts are changed by forms, which keep what was typed and do all of the API."""

import re
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.context import GeneratorFault
from roadmap.lifecycle import commands, revisions
from roadmap.plan.edits import AddConcept, Remove, Rewrite
from roadmap.plan.outline import ContentKind
from tests.cases import try_each
from tests.unit.roadmap.lifecycle.conftest import designer
from tests.unit.roadmap.lifecycle.designer import (
    PLAN,
    Designer,
    created,
    do,
    edit,
    ids_by_key,
    outline,
)
from tests.unit.roadmap.lifecycle.designer import concept as concept_
from tests.unit.roadmap.lifecycle.test_jobs import the_roadmap
from tests.unit.web.pages.page_text import CHINESE, HTML, concepts_of, made, text_of, tree_of

__all__ = ["designer"]  # fixtures

API = "/api/v1"


@pytest.fixture
def plan(person: TestClient, designer: Designer) -> UUID:
    """A finished roadmap of a given design: a module with flour, and with dough, which needs it."""
    return created(person)


def form_at(page: str, what: str, key: str) -> dict[str, str]:
    """The fields of the form of a thing, as a browser would send them."""
    for found in re.findall(
        r'<form method="post" action="[^"]*/edit#[^"]+".*?</form>', page, re.DOTALL
    ):
        fields = dict(re.findall(r'<input[^>]*? name="(\w+)" value="([^"]*)"', found))
        fields |= dict(
            re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>(.*?)</textarea>', found, re.DOTALL)
        )
        if "regenerate" in fields and not re.search(r'name="regenerate"[^>]* checked', found):
            del fields["regenerate"]
        if (fields["what"], fields["key"]) == (what, key):
            return {name: unescape(value) for name, value in fields.items()}
    raise AssertionError(f"there is no form of the {what} {key}")


def keys(roadmap_id: UUID) -> list[str]:
    outline_ = revisions.read_revision(
        LOCAL_OWNER, roadmap_id, the_roadmap(roadmap_id).revision
    ).outline
    assert outline_ is not None
    return [concept.key for concept in outline_.concepts()]


class TestEditing:
    def changed(
        self, person: TestClient, plan: UUID, what: str, key: str, do: str, **fields: str
    ) -> Any:
        path = f"/roadmaps/{plan}/edit"
        form = {**form_at(person.get(path).text, what, key), "do": do, **fields}
        return person.post(path, data=form)

    def test_a_concept_is_rewritten_and_only_its_contents_are_regenerated(
        self, person: TestClient, plan: UUID, designer: Designer
    ) -> None:
        designer.asked.clear()
        answer = self.changed(
            person, plan, "concept", "dough", "save", title="Sourdough", hours="9"
        )
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(f"/roadmaps/{plan}/edit?did=save#concept-")
        assert "Saved." in text_of(person.get(answer.headers["location"]))
        assert sorted(designer.asked) == sorted(f"{kind} of dough" for kind in ContentKind)
        concept = concepts_of(person, f"/roadmaps/{plan}")[1]
        assert (concept["title"], concept["hours"], concept["description"]) == (
            "Sourdough",
            9,
            "About dough.",
        )

    def test_its_texts_stay_when_that_is_wished(
        self, person: TestClient, plan: UUID, designer: Designer
    ) -> None:
        designer.asked.clear()
        form = {
            **form_at(person.get(f"/roadmaps/{plan}/edit").text, "concept", "dough"),
            "do": "save",
            "title": "Sourdough",
        }
        del form["regenerate"]
        assert person.post(f"/roadmaps/{plan}/edit", data=form).status_code == 303
        assert designer.asked == []

    @pytest.mark.parametrize("what", ["stage", "module"])
    def test_a_stage_and_a_module_are_rewritten(
        self, person: TestClient, plan: UUID, what: str
    ) -> None:
        key = "start" if what == "stage" else "basics"
        assert (
            self.changed(
                person, plan, what, key, "save", title="Another", description="One\r\ntwo"
            ).status_code
            == 303
        )
        stage = tree_of(person, f"/roadmaps/{plan}")["stages"][0]
        node = stage if what == "stage" else stage["modules"][0]
        assert (node["title"], node["description"]) == ("Another", "One\ntwo")

    @try_each(
        ("fields", "name"),
        [
            ({"title": ""}, "title"),
            ({"hours": "many"}, "hours"),
            ({"hours": "201"}, "hours"),
            ({"difficulty": "0"}, "difficulty"),
        ],
    )
    def test_a_wrong_field_shows_its_error_and_what_was_typed_is_kept(
        self, person: TestClient, plan: UUID, fields: dict[str, str], name: str
    ) -> None:
        answer = self.changed(
            person, plan, "concept", "dough", "save", **{"description": "Typed <b>", **fields}
        )
        assert answer.status_code == 422
        id_ = ids_by_key(plan)["dough"]
        place = {"title": "title", "hours": "hours", "difficulty": "hard"}[name]
        assert f'id="concept-{id_}-{place}-error"' in answer.text
        assert f'<details id="concept-{id_}" open>' in answer.text
        assert "Typed &lt;b&gt;</textarea>" in answer.text
        assert the_roadmap(plan).revision == 1

    def test_what_would_break_the_order_is_refused_with_the_reason(
        self, person: TestClient, plan: UUID
    ) -> None:
        answer = self.changed(person, plan, "concept", "dough", "save", title="Flour")
        assert "would break the order of the plan" in text_of(answer, 422)
        assert "The concept title &#39;Flour&#39; is used 2 times." in answer.text
        assert 'value="Flour"' in answer.text

    def test_what_changes_nothing_gets_an_error(self, person: TestClient, plan: UUID) -> None:
        assert "There are no changes." in text_of(
            self.changed(person, plan, "concept", "dough", "save"), 422
        )

    def test_who_was_overtaken_sees_the_plan_as_it_is_and_keeps_what_was_typed(
        self, person: TestClient, plan: UUID
    ) -> None:
        form = {
            **form_at(person.get(f"/roadmaps/{plan}/edit").text, "concept", "dough"),
            "do": "save",
            "title": "Typed",
        }
        edit(plan, Rewrite(op="rewrite", what="concept", key="flour", title="Rye"))
        answer = person.post(f"/roadmaps/{plan}/edit", data=form)
        assert "has changed in the meantime" in text_of(answer, 409)
        assert "Rye" in answer.text
        assert 'value="Typed"' in answer.text
        assert form_at(answer.text, "concept", "dough")["base"] == "2"
        assert person.post(f"/roadmaps/{plan}/edit", data={**form, "base": "2"}).status_code == 303

    def test_what_was_typed_is_shown_also_when_its_place_is_gone(
        self, person: TestClient, plan: UUID
    ) -> None:
        form = {
            **form_at(person.get(f"/roadmaps/{plan}/edit").text, "concept", "dough"),
            "do": "save",
            "title": "Typed <b>",
        }
        edit(plan, Remove(op="remove", what="concept", key="dough"))
        answer = person.post(f"/roadmaps/{plan}/edit", data=form)
        assert "has changed in the meantime" in text_of(answer, 409)
        assert "Typed &lt;b&gt;</blockquote>" in answer.text

    def test_something_moves_up_and_down_and_over_the_edge_of_its_module(
        self, person: TestClient, plan: UUID
    ) -> None:
        added = {
            "module_title": "More",
            "concept_title": "Oven",
            "concept_hours": "3",
            "concept_difficulty": "2",
        }
        assert self.changed(person, plan, "stage", "start", "add", **added).status_code == 303
        oven = keys(plan)[2]
        assert (
            self.changed(person, plan, "concept", "dough", "up").status_code == 422
        )  # it needs what would come later
        assert keys(plan) == ["flour", "dough", oven]
        extra = {"concept_title": "Salt", "concept_hours": "1", "concept_difficulty": "1"}
        assert self.changed(person, plan, "module", "basics", "add", **extra).status_code == 303
        salt = keys(plan)[2]
        assert keys(plan) == ["flour", "dough", salt, oven]
        for do_, order in (
            ("up", ["flour", salt, "dough", oven]),
            ("up", [salt, "flour", "dough", oven]),
            ("down", ["flour", salt, "dough", oven]),
            ("down", ["flour", "dough", salt, oven]),
            ("down", ["flour", "dough", salt, oven]),  # into the other module
            ("down", ["flour", "dough", oven, salt]),
            ("up", ["flour", "dough", salt, oven]),
            ("up", ["flour", "dough", salt, oven]),  # and out of it again
        ):
            assert self.changed(person, plan, "concept", salt, do_).status_code == 303
            assert keys(plan) == order
        modules = tree_of(person, f"/roadmaps/{plan}")["stages"][0]["modules"]
        assert [len(module["concepts"]) for module in modules] == [3, 1]

    def test_a_stage_is_added_with_its_first_concept_moves_and_goes(
        self, person: TestClient, plan: UUID
    ) -> None:
        added = {
            "stage_title": "Guests",
            "module_title": "Many",
            "concept_title": "Two ovens",
            "concept_hours": "3",
        }
        answer = self.changed(person, plan, "roadmap", "", "add", **added, concept_difficulty="9")
        assert 'id="whole-new-hard-error"' in answer.text
        assert 'value="Guests"' in answer.text
        assert (
            self.changed(
                person, plan, "roadmap", "", "add", **added, concept_difficulty="4"
            ).status_code
            == 303
        )
        stages = [stage["key"] for stage in tree_of(person, f"/roadmaps/{plan}")["stages"]]
        assert self.changed(person, plan, "stage", stages[1], "up").status_code == 303
        assert [stage["key"] for stage in tree_of(person, f"/roadmaps/{plan}")["stages"]] == stages[
            ::-1
        ]
        assert self.changed(person, plan, "stage", stages[1], "remove").status_code == 303
        assert keys(plan) == ["flour", "dough"]

    @try_each(
        "form",
        [
            {},
            {
                "do": "save",
                "what": "concept",
                "key": "nothing",
                "title": "x",
                "hours": "1",
                "difficulty": "1",
            },
            {"do": "up", "what": "concept", "key": "nothing"},
            {"do": "up", "what": "thing", "key": "nothing"},
            {"do": "remove", "what": "stage", "key": "start"},
            {"do": "add", "what": "concept", "key": "dough"},
            {
                "do": "add",
                "what": "stage",
                "key": "nothing",
                "module_title": "x",
                "concept_title": "y",
            },
            {"do": "explode", "what": "concept", "key": "dough"},
            {"do": "remove", "what": "concept", "key": "dough", "base": "x"},
        ],
    )
    def test_what_no_form_says_changes_nothing(
        self, person: TestClient, plan: UUID, form: dict[str, str]
    ) -> None:
        answer = person.post(f"/roadmaps/{plan}/edit", data=form)
        assert answer.status_code == 422, answer.text
        assert "Change the plan" in text_of(answer, 422)
        assert the_roadmap(plan).revision == 1

    def test_an_edit_is_named_by_what_it_changed_and_undone_unless_overtaken(
        self, person: TestClient, plan: UUID
    ) -> None:
        path = f"/roadmaps/{plan}"
        self.changed(person, plan, "concept", "dough", "save", title="Better dough")
        page = person.get(f"{path}/edit?did=save").text
        (undo,) = re.findall(r'action="([^"]+/restore)"', page)
        form = dict(re.findall(r'<button name="(undo)" value="(\d+)"', page))
        self.changed(person, plan, "concept", "flour", "save", title="Fine flour")
        assert person.post(undo, data=form).status_code == 409  # it would take that back as well
        extra = {"concept_title": "Salt", "concept_hours": "1", "concept_difficulty": "1"}
        self.changed(person, plan, "module", "basics", "add", **extra)
        assert keys(plan)[:2] == ["flour", "dough"]
        assert len(keys(plan)) == 3
        page = person.get(f"{path}/edit?did=add").text
        (undo,) = re.findall(r'action="([^"]+/restore)"', page)
        form = dict(re.findall(r'<button name="(undo)" value="(\d+)"', page))
        assert person.post(undo, data=form).headers["location"] == f"{path}/edit?did=undo"
        assert keys(plan) == ["flour", "dough"]

        history = text_of(person.get(f"{path}/revisions"))
        for named in (
            "added: Salt",
            "changed: Fine flour",
            "changed: Better dough",
            "Restored plan 3",
        ):
            assert named in history
        named = person.get(f"/api/v1{path}/revisions").json()["items"]
        assert [each["changes"] for each in named][1:3] == [
            [{"how": "added", "title": "Salt"}],
            [{"how": "changed", "title": "Fine flour"}],
        ]

    def test_a_plan_that_is_being_designed_has_no_forms(
        self, person: TestClient, plan: UUID
    ) -> None:
        commands.revise(LOCAL_OWNER, plan, "Shorter.")
        page = person.get(f"/roadmaps/{plan}/edit")
        assert "There is no plan that can be changed yet" in text_of(page)
        assert 'name="do"' not in page.text
        form = {"do": "remove", "what": "concept", "key": "dough", "base": "1"}
        assert person.post(f"/roadmaps/{plan}/edit", data=form).status_code == 409

    def test_with_the_catalogue_the_page_says_what_a_concept_of_ones_own_gets(
        self, person: TestClient, roadmap: str
    ) -> None:
        page = person.get(f"{roadmap}/edit")
        assert "you write the text, links and questions of concepts that you add." in text_of(page)
        assert 'name="regenerate"' not in page.text
        before = concepts_of(person, roadmap)
        form = {
            **form_at(page.text, "concept", before[0]["key"]),
            "do": "save",
            "title": "By another name",
        }
        assert person.post(f"{roadmap}/edit", data=form).status_code == 303
        after = tree_of(person, roadmap)
        assert (after["status"], concepts_of(person, roadmap)[0]["title"]) == (
            "ready",
            "By another name",
        )
        module = after["stages"][0]["modules"][0]["key"]
        new = {
            "what": "module",
            "key": module,
            "do": "add",
            "concept_title": "Mine",
            "concept_hours": "2",
            "concept_difficulty": "1",
        }
        assert person.post(f"{roadmap}/edit", data=new).status_code == 303
        made = tree_of(person, roadmap)
        assert (made["status"], made["progress"]["failed"]) == ("ready", 0)
        assert made["progress"] == after["progress"]
        assert "Mine yours to write" in text_of(person.get(roadmap))


class TestPlans:
    @pytest.fixture
    def several(self, plan: UUID) -> UUID:
        """Plan 1, plan 2 with changes of every kind, and plan 1 restored as plan 3."""
        edit(
            plan,
            Rewrite(op="rewrite", what="concept", key="flour", title="Rye flour", hours=9),
            AddConcept(
                op="add_concept", module="basics", key="oven", title="Oven", hours=3, difficulty=2
            ),
            Remove(op="remove", what="concept", key="dough"),
        )
        do(commands.restore(LOCAL_OWNER, plan, 1))
        return plan

    def test_all_of_them_are_listed_the_newest_first(
        self, person: TestClient, several: UUID
    ) -> None:
        page = person.get(f"/roadmaps/{several}/revisions")
        shown = text_of(page)
        places = [
            shown.index(text)
            for text in (
                "Plan 3",
                "Restored plan",
                "Plan 2",
                "Changed by hand",
                "Plan 1",
                "Created from",
            )
        ]
        assert places == sorted(places)
        assert page.text.count("/restore") == 2
        assert "Plan 3 current" in shown

    def test_what_is_different_stands_where_it_belongs(
        self, person: TestClient, several: UUID
    ) -> None:
        page = person.get(f"/roadmaps/{several}/revisions/2")
        shown = text_of(page)
        assert "Changes from plan 1" in shown
        assert "added: 1" in shown
        assert "removed: 1" in shown
        assert "changed: 1" in shown
        assert "<ins>Rye </ins>" in page.text or "<ins>Rye flour</ins>" in page.text
        assert "<del>3</del> → <ins>9</ins>" in page.text
        assert "<del>Dough</del>" in page.text
        assert "<ins>Oven</ins>" in page.text

    def test_one_that_was_restored_is_compared_with_the_one_that_it_replaced(
        self, person: TestClient, several: UUID
    ) -> None:
        assert "Changes from plan 2" in text_of(person.get(f"/roadmaps/{several}/revisions/3"))
        assert "It is the same as plan 1" in text_of(
            person.get(f"/roadmaps/{several}/revisions/3?before=1")
        )
        first = person.get(f"/roadmaps/{several}/revisions/1")
        assert "This is the first plan" in text_of(first)
        assert "<ins>" not in first.text

    def test_what_is_not_there_is_not_found(self, person: TestClient, several: UUID) -> None:
        for place in ("9", "1?before=9"):
            assert person.get(f"/roadmaps/{several}/revisions/{place}").status_code == 404

    def test_one_is_restored_by_a_button_and_the_current_one_is_not(
        self, person: TestClient, several: UUID
    ) -> None:
        answer = person.post(f"/roadmaps/{several}/revisions/2/restore")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/roadmaps/{several}")
        assert keys(several) == ["flour", "oven"]
        again = person.post(f"/roadmaps/{several}/revisions/4/restore")
        assert "has changed" in text_of(again, 409)

    def test_a_design_that_failed_is_listed_and_can_be_looked_at(
        self, person: TestClient, plan: UUID, designer: Designer
    ) -> None:
        designer.designs = [GeneratorFault("No idea.", lasting=True)]
        do(commands.revise(LOCAL_OWNER, plan, "Less <b>."))
        shown = person.get(f"/roadmaps/{plan}/revisions")
        assert "The plan could not be designed." in text_of(shown)
        assert "Less &lt;b&gt;." in shown.text
        assert "The plan could not be designed." in text_of(
            person.get(f"/roadmaps/{plan}/revisions/2")
        )

    def test_no_sentence_of_the_data_is_shown_in_chinese(
        self, person: TestClient, several: UUID
    ) -> None:
        page = text_of(person.get(f"/roadmaps/{several}/revisions/2", headers=CHINESE))
        assert not re.search(r"Changed the|Removed the|Added the", page)

    def test_a_plan_that_waits_says_what_is_different(
        self, person: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(person, review=True)
        assert "Changes from the previous plan" not in text_of(
            person.get(f"/roadmaps/{roadmap_id}")
        )
        designer.designs = [outline(concept_("flour"))]
        assert (
            person.post(f"/roadmaps/{roadmap_id}/revise", data={"feedback": "Shorter."}).status_code
            == 303
        )
        page = person.get(f"/roadmaps/{roadmap_id}")
        assert f'href="/roadmaps/{roadmap_id}/revisions/2?before=1"' in page.text
        assert "<del>Dough</del>" in person.get(f"/roadmaps/{roadmap_id}/revisions/2?before=1").text
        assert (
            person.post(f"/roadmaps/{roadmap_id}/approve", data={"revision": "2"}).status_code
            == 303
        )
        assert the_roadmap(roadmap_id).status == "ready"

    def test_a_finished_one_is_changed_in_words(
        self, person: TestClient, plan: UUID, designer: Designer
    ) -> None:
        page = person.get(f"/roadmaps/{plan}")
        assert "What should change?" in text_of(page)
        refused = person.post(f"/roadmaps/{plan}/revise", data={"feedback": " "})
        assert 'id="feedback-error"' in refused.text
        assert '<details id="change" open>' in refused.text
        designer.designs = [PLAN.model_copy(update={"title": "Better bread"})]
        assert (
            person.post(
                f"/roadmaps/{plan}/revise", data={"feedback": "A better title."}
            ).status_code
            == 303
        )
        assert tree_of(person, f"/roadmaps/{plan}")["title"] == "Better bread"

    def test_without_a_model_it_is_changed_by_hand_only(
        self, person: TestClient, roadmap: str
    ) -> None:
        page = person.get(roadmap).text
        assert f'href="{roadmap}/edit"' in page
        assert f'action="{roadmap}/revise"' not in page


class TestVersions:
    @pytest.fixture
    def lesson(self, plan: UUID) -> str:
        """The page of a concept whose tutorial has two versions."""
        flour = ids_by_key(plan)["flour"]
        do(commands.regenerate(LOCAL_OWNER, plan, flour, ContentKind.tutorial, "Shorter."))
        return f"/roadmaps/{plan}/concepts/{flour}"

    def test_they_are_listed_read_and_compared(self, person: TestClient, lesson: str) -> None:
        assert f'href="{lesson}/tutorial/versions"' in person.get(lesson).text
        listed = person.get(f"{lesson}/tutorial/versions")
        assert "Shorter." in text_of(listed)
        assert re.search("written as number 7", text_of(listed))
        assert "written as number 1" in text_of(person.get(f"{lesson}/tutorial/versions?number=1"))
        compared = person.get(f"{lesson}/tutorial/versions?number=2&before=1").text
        assert "<del>1</del><ins>7</ins>" in compared

    @pytest.mark.parametrize("kind", ["resources", "quiz"])
    def test_so_are_lists_and_quizzes_without_their_answers(
        self, person: TestClient, lesson: str, kind: str
    ) -> None:
        page = person.get(f"{lesson}/{kind}/versions")
        assert "written as number" in text_of(page)
        assert "It is so." not in page.text

    def test_one_is_restored_by_a_button(self, person: TestClient, lesson: str) -> None:
        answer = person.post(f"{lesson}/tutorial/versions/1/restore")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{lesson}#tutorial")
        assert "written as number 1" in text_of(person.get(lesson))
        assert "has changed" in text_of(person.post(f"{lesson}/tutorial/versions/1/restore"), 409)
        assert person.post(f"{lesson}/tutorial/versions/9/restore").status_code == 404
        assert person.get(f"{lesson}/tutorial/versions?number=9").status_code == 404

    def test_a_part_is_regenerated_as_it_is_wished(
        self, person: TestClient, lesson: str, designer: Designer
    ) -> None:
        answer = person.post(f"{lesson}/quiz/regenerate", data={"instructions": "Harder."})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{lesson}#quiz")
        assert designer.briefs[-1].instruction == "Harder."
        assert "Harder." in text_of(person.get(f"{lesson}/quiz/versions"))

    def test_a_wish_that_does_not_fit_is_kept_beside_its_error(
        self, person: TestClient, lesson: str
    ) -> None:
        answer = person.post(f"{lesson}/quiz/regenerate", data={"instructions": "x" * 2001})
        assert answer.status_code == 422
        assert 'id="quiz-wish-error"' in answer.text
        assert "x" * 2001 in answer.text

    def test_while_one_is_being_written_there_is_nothing_to_wish_and_nothing_to_restore(
        self, person: TestClient, lesson: str, plan: UUID
    ) -> None:
        commands.regenerate(
            LOCAL_OWNER, plan, UUID(lesson.rpartition("/")[2]), ContentKind.tutorial, ""
        )
        page = person.get(lesson)
        assert "A new version is being written." in text_of(page)
        assert f'action="{lesson}/tutorial/regenerate"' not in page.text
        assert "/restore" not in person.get(f"{lesson}/tutorial/versions").text
        again = person.post(f"{lesson}/tutorial/regenerate", data={"instructions": "Typed."})
        assert again.status_code == 409
        assert person.post(f"{lesson}/tutorial/versions/1/restore").status_code == 409

    def test_one_that_came_meanwhile_is_offered(self, person: TestClient, lesson: str) -> None:
        page = person.get(f"{lesson}?seen=1", headers={**HTML, "HX-Request": "true"}).text
        assert f'<a href="{lesson}?version=2#tutorial">' in page
        assert "A new version is ready" not in person.get(lesson).text

    def test_the_catalogue_would_write_the_same_again_and_is_not_asked(
        self, person: TestClient, roadmap: str
    ) -> None:
        lesson = f"{roadmap}/concepts/{concepts_of(person, roadmap)[0]['id']}"
        assert "regenerate" not in person.get(lesson).text
        answer = person.post(f"{lesson}/quiz/regenerate", data={"instructions": "Harder."})
        assert "the text would be the same" in text_of(answer, 422)
        assert "Harder." in answer.text


class TestTrash:
    def test_a_roadmap_goes_and_comes_back_by_buttons(
        self, person: TestClient, roadmap: str
    ) -> None:
        answer = person.post(f"{roadmap}/trash")
        assert (answer.status_code, answer.headers["location"]) == (303, "/trash?did=trashed")
        page = person.get("/trash?did=trashed")
        assert "The roadmap is in the trash." in text_of(page)
        assert person.get(roadmap).status_code == 404
        assert person.get(f"{roadmap}/picture").status_code == 204  # an open page is left alone
        id_ = roadmap.rpartition("/")[2]
        back = person.post(f"/trash/{id_}/restore")
        assert (back.status_code, back.headers["location"]) == (303, roadmap)
        assert person.get(roadmap).status_code == 200
        assert "The trash is empty." in text_of(person.get("/trash"))

    @pytest.mark.usefixtures("short")
    def test_it_is_deleted_for_ever_after_one_was_asked(self, person: TestClient) -> None:
        id_ = made(person).rpartition("/")[2]
        assert person.post(f"/trash/{id_}/delete").status_code == 404
        person.post(f"/roadmaps/{id_}/trash")
        assert "This cannot be undone." in text_of(person.get("/trash"))
        assert person.post(f"/trash/{id_}/delete").headers["location"] == "/trash?did=deleted"
        assert person.post(f"/trash/{id_}/restore").status_code == 404

    @pytest.mark.usefixtures("short")
    def test_many_are_on_several_pages(
        self, person: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("web.pages.plan.roadmap.TRASH_ON_A_PAGE", 1)
        for _ in range(2):
            person.post(f"{made(person)}/trash")
        first = person.get("/trash").text
        (cursor,) = re.findall(r'href="/trash\?cursor=([^"]+)"', first)
        assert "Newest" in text_of(person.get(f"/trash?cursor={cursor}"))


@try_each("number", ["99999999999999999999", "4294967296", "-1", "x", "501"])
def test_a_number_that_no_plan_and_no_version_has_is_passed_over(
    person: TestClient, roadmap: str, number: str
) -> None:
    concept = concepts_of(person, roadmap)[0]["id"]
    for path in (
        f"{roadmap}/revisions/1?before={number}",
        f"{roadmap}/concepts/{concept}/tutorial/versions?number={number}",
    ):
        assert text_of(person.get(path)) == text_of(person.get(path.partition("?")[0]))
    text_of(person.get(f"{roadmap}/concepts/{concept}/tutorial/versions?number=1&before={number}"))
