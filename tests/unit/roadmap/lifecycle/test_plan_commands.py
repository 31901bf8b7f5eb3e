"""Changes of the plan of a finished roadmap."""

import pytest
from starlette.testclient import TestClient

from core.db import session
from core.errors import Conflict, Invalid, NotFound
from models.roadmaps import Concept, Content, Revision, Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.lifecycle import commands, content_versions, revisions
from roadmap.lifecycle.reading import queries
from roadmap.plan import edits
from roadmap.plan.edits import AddConcept, AddModule, AddStage, Move, Operation, Remove, Rewrite
from roadmap.plan.outline import ContentKind, Outline, OutlineConcept, OutlineModule, OutlineStage
from tests.unit.roadmap.lifecycle.designer import (
    CHANGED,
    FLOUR,
    KINDS,
    LOOPED,
    PLAN,
    Designer,
    assert_events_in_order,
    concept,
    created,
    do,
    edit,
    event_names,
    ids_by_key,
    plan_of,
    texts,
)
from tests.unit.roadmap.lifecycle.test_jobs import rows, the_roadmap

pytestmark = pytest.mark.usefixtures("immediate")


class TestChanges:
    """Of a roadmap that is finished already."""

    def test_untouched_concepts_keep_ids_contents_and_progress(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        before, was = ids_by_key(roadmap_id), texts(roadmap_id)
        with session():
            Concept.update(progress="done").where(Concept.id == before["flour"]).execute()
        designer.designs, designer.asked = [CHANGED], []
        do(commands.revise(LOCAL_OWNER, roadmap_id, "Sourdough, and ovens."))

        row = the_roadmap(roadmap_id)
        assert (row.status, row.revision, row.contents_ready, row.contents_total) == (
            "ready",
            2,
            3 * KINDS,
            3 * KINDS,
        )
        after, now = ids_by_key(roadmap_id), texts(roadmap_id)
        assert {key: after[key] for key in before} == before
        assert {place: text for place, text in now.items() if place[0] == "flour"} == {
            place: text for place, text in was.items() if place[0] == "flour"
        }
        assert sorted(designer.written()) == sorted(
            f"{kind} of {key}" for key in ("dough", "oven") for kind in ContentKind
        )
        assert now["dough", "tutorial"].startswith("Sourdough")
        with session():
            assert Concept.get_by_id(before["flour"]).progress == "done"
        assert_events_in_order(roadmap_id)

    def test_a_design_that_forgets_the_keys_is_recognised_by_its_titles(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        before, was = ids_by_key(roadmap_id), texts(roadmap_id)
        forgetful = Outline.model_validate_json(
            PLAN.model_dump_json().replace('"flour"', '"c-1"').replace('"basics"', '"m-1"')
        )
        longer = edits.apply(
            forgetful, [Rewrite(op="rewrite", what="concept", key="dough", hours=9)]
        )
        designer.designs, designer.asked = [longer], []
        do(commands.revise(LOCAL_OWNER, roadmap_id, "More time for the dough."))
        assert (ids_by_key(roadmap_id), texts(roadmap_id), designer.asked) == (
            before,
            was,
            ["revise"],
        )
        (change,) = revisions.compare(LOCAL_OWNER, roadmap_id, 2, None).changes
        assert (change.key, change.field, change.after) == ("dough", "hours", 9)

    def test_what_only_moves_or_takes_longer_is_not_written_again(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        was, designer.asked = texts(roadmap_id), []
        edit(
            roadmap_id,
            AddStage(op="add_stage", key="later", title="Later"),
            AddModule(op="add_module", stage="later", key="more", title="More"),
            Move(op="move", what="concept", key="dough", to="more"),
            Rewrite(op="rewrite", what="concept", key="dough", hours=9, difficulty=4),
        )
        assert designer.asked == []
        assert texts(roadmap_id) == was
        tree = queries.roadmap_tree(LOCAL_OWNER, roadmap_id)
        assert [(stage.key, stage.hours) for stage in tree.stages] == [("start", 3), ("later", 9)]
        assert (tree.status, tree.hours, tree.revision) == ("ready", 12, 2)
        assert event_names(roadmap_id)[-2:] == ["roadmap.revised", "roadmap.ready"]

    def test_what_is_removed_and_restored_is_as_it_was(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        before, was = ids_by_key(roadmap_id), texts(roadmap_id)
        with session():
            Concept.update(progress="learning").where(Concept.id == before["dough"]).execute()
        designer.asked = []
        edit(roadmap_id, Remove(op="remove", what="concept", key="dough"))
        assert plan_of(roadmap_id) == ["flour"]
        assert the_roadmap(roadmap_id).contents_total == KINDS
        with pytest.raises(NotFound):
            queries.concept_detail(LOCAL_OWNER, roadmap_id, before["dough"])

        do(commands.restore(LOCAL_OWNER, roadmap_id, 1))
        assert plan_of(roadmap_id) == ["flour", "dough"]
        assert (ids_by_key(roadmap_id), texts(roadmap_id), designer.asked) == (before, was, [])
        with session():
            assert Concept.get_by_id(before["dough"]).progress == "learning"

    def test_a_text_that_fits_again_is_taken_up_and_not_paid_for(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        was = texts(roadmap_id)
        edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="dough", title="Sourdough"))
        assert texts(roadmap_id)["dough", "tutorial"].startswith("Sourdough")
        designer.asked = []
        do(commands.restore(LOCAL_OWNER, roadmap_id, 1))
        assert (texts(roadmap_id), designer.asked) == (was, [])
        dough = ids_by_key(roadmap_id)["dough"]
        do(commands.regenerate(LOCAL_OWNER, roadmap_id, dough, ContentKind.quiz, ""))
        listed = content_versions.list_versions(
            LOCAL_OWNER, roadmap_id, dough, ContentKind.quiz
        ).items
        assert [(version.version, version.current) for version in listed] == [
            (3, True),
            (2, False),
            (1, False),
        ]

    def test_a_correction_of_words_may_leave_the_contents_alone(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        was, designer.asked = texts(roadmap_id), []
        edit(
            roadmap_id,
            Rewrite(op="rewrite", what="concept", key="dough", title="Doughs", regenerate=False),
        )
        assert (texts(roadmap_id), designer.asked) == (was, [])
        edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="flour", hours=5))
        assert (texts(roadmap_id), designer.asked) == (was, [])
        do(commands.restore(LOCAL_OWNER, roadmap_id, 1))
        do(commands.restore(LOCAL_OWNER, roadmap_id, 2))
        assert (texts(roadmap_id), designer.asked) == (was, [])
        designer.failing = lambda brief: True
        do(
            commands.regenerate(
                LOCAL_OWNER,
                roadmap_id,
                ids_by_key(roadmap_id)["dough"],
                ContentKind.quiz,
                "Harder.",
            )
        )
        assert (the_roadmap(roadmap_id).status, texts(roadmap_id)) == ("ready", was)

    def test_a_decision_sends_only_what_it_has_opened(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        flour = ids_by_key(roadmap_id)["flour"]
        sizes = [
            len(commands.regenerate(LOCAL_OWNER, roadmap_id, flour, kind, "").steps)
            for kind in ContentKind
        ]
        longer = [Rewrite(op="rewrite", what="concept", key="dough", hours=9)]
        sizes.append(len(commands.edit(LOCAL_OWNER, roadmap_id, longer, None).steps))
        renamed = [Rewrite(op="rewrite", what="concept", key="dough", title="Sourdough")]
        sizes.append(len(commands.edit(LOCAL_OWNER, roadmap_id, renamed, None).steps))
        assert sizes == [1, 1, 0, 0, KINDS - 1]  # quizzes wait for tutorials

    def test_a_wish_of_yesterday_is_not_used_for_a_later_text(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        dough = ids_by_key(roadmap_id)["dough"]
        commands.regenerate(LOCAL_OWNER, roadmap_id, dough, ContentKind.quiz, "Harder.")
        commands.edit(
            LOCAL_OWNER, roadmap_id, [Remove(op="remove", what="concept", key="dough")], None
        )
        do(commands.restore(LOCAL_OWNER, roadmap_id, 1))
        designer.briefs = []
        edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="dough", title="Sourdough"))
        assert {(brief.instruction, brief.previous) for brief in designer.briefs} == {("", None)}

    def test_titles_that_two_things_have_say_nothing_about_their_keys(self) -> None:
        def twice(first: str, second: str) -> Outline:
            def stage(key: str, inside: str, part: OutlineConcept) -> OutlineStage:
                module = OutlineModule(
                    key=inside, title="Practice", description="", concepts=(part,)
                )
                return OutlineStage(key=key, title=key, description="", modules=(module,))

            return Outline(
                title="Bread",
                stages=(stage("one", first, FLOUR), stage("two", second, concept("oven"))),
            )

        made = twice("x-1", "x-2")
        assert revisions.recognised(made, twice("p-1", "p-2")) == made

    def test_to_the_first_revision_everything_is_added(
        self, client: TestClient, designer: Designer
    ) -> None:
        made = revisions.compare(LOCAL_OWNER, created(client), 1, None)
        assert (made.before, made.after) == (0, 1)
        assert [(change.how, change.key) for change in made.changes] == [
            ("added", key) for key in ("start", "basics", "flour", "dough")
        ]

    @pytest.mark.parametrize(
        ("operation", "rule"),
        [
            (
                Move(op="move", what="concept", key="dough", position=0),
                "'dough' needs 'flour', which comes later",
            ),
            (Remove(op="remove", what="stage", key="start"), "There is no concept."),
            (Rewrite(op="rewrite", what="concept", key="dough", title="FLOUR"), "is used 2 times"),
            (Rewrite(op="rewrite", what="concept", key="dough", hours=3), "change nothing"),
            (Remove(op="remove", what="concept", key="gone"), "is not the key of a concept"),
        ],
    )
    def test_an_edit_that_would_not_hold_together_changes_nothing(
        self, client: TestClient, designer: Designer, operation: Operation, rule: str
    ) -> None:
        roadmap_id = created(client)
        before = {table.__name__: rows(table) for table in (Roadmap, Revision, Concept, Content)}
        with pytest.raises(Invalid) as error:
            edit(roadmap_id, operation)
        assert rule in str(error.value.fields)
        assert {
            table.__name__: rows(table) for table in (Roadmap, Revision, Concept, Content)
        } == before

    def test_an_edit_of_a_revision_that_is_not_current_any_more_changes_nothing(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        longer = Rewrite(op="rewrite", what="concept", key="dough", hours=9)
        assert edit(roadmap_id, longer, base=1).revision == 2
        with pytest.raises(Conflict, match="Revision 1 is no longer the current one"):
            edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="dough", hours=5), base=1)

    def test_the_key_of_a_removed_concept_is_not_given_to_another(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        edit(roadmap_id, Remove(op="remove", what="concept", key="dough"))
        edit(
            roadmap_id,
            AddConcept(op="add_concept", module="basics", title="Dough", hours=1, difficulty=2),
        )
        assert plan_of(roadmap_id) == ["flour", "dough-2"]

    def test_a_revision_that_fails_leaves_a_finished_roadmap_finished(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        was = texts(roadmap_id)
        designer.designs = [LOOPED] * 3
        do(commands.revise(LOCAL_OWNER, roadmap_id, "Turn it round."))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.error, row.revision) == ("ready", "", 1)
        assert texts(roadmap_id) == was
        assert event_names(roadmap_id)[-2:] == ["revision.failed", "roadmap.ready"]
        assert_events_in_order(roadmap_id)
