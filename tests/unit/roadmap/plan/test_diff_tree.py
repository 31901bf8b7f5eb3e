"""Two outlines as one tree: everything once, in an understandable place, and marked."""

from collections import Counter

from hypothesis import given

from roadmap.plan.diff import DiffTree, Node, changes, diff_tree
from roadmap.plan.outline import Outline
from tests.unit.roadmap.plan.test_diff import pairs, spots, two_stages
from tests.unit.roadmap.plan.test_edits import CONCEPT, edited
from tests.unit.roadmap.plan.test_outline import outlines


def after(*bodies: dict) -> DiffTree:
    return diff_tree(two_stages(), edited(two_stages(), *bodies))


def the(tree: DiffTree, key: str) -> Node:
    (found,) = (node for node in tree.all() if node.thing.key == key)
    return found


def order(tree: DiffTree, key: str) -> list[str]:
    return [f"{child.thing.key} {child.mark}" for child in the(tree, key).children]


class TestPlaces:
    def test_what_was_removed_stays_beside_its_neighbours(self) -> None:
        tree = after({"op": "remove", "what": "concept", "key": "b"})
        assert order(tree, "Start") == ["a same", "b removed", "c changed"]  # c needed it
        assert [
            (change.field, change.before, change.after) for change in the(tree, "c").fields
        ] == [("prerequisites", ("A", "B"), ("A",))]

    def test_what_was_removed_first_is_first(self) -> None:
        tree = after(
            {"op": "remove", "what": "concept", "key": "a"},
            {"op": "remove", "what": "concept", "key": "b"},
        )
        assert order(tree, "Start") == ["a removed", "b removed", "c changed"]

    def test_what_was_added_comes_behind_what_was_removed_in_its_place(self) -> None:
        body = {**CONCEPT, "module": "Start", "position": 0}
        tree = after({"op": "remove", "what": "concept", "key": "a"}, body)
        assert order(tree, "Start")[:2] == ["a removed", "loops added"]

    def test_what_moved_away_is_where_it_is_now_and_says_where_it_was(self) -> None:
        tree = after({"op": "move", "what": "concept", "key": "c", "to": "Tools", "position": 0})
        assert (order(tree, "Start"), order(tree, "Tools")) == (
            ["a same", "b same"],
            ["c moved", "e same"],
        )
        assert the(tree, "c").moved_from == "Start"

    def test_what_moved_within_its_module_says_nothing_of_another(self) -> None:
        tree = after({"op": "move", "what": "concept", "key": "c", "position": 0})
        assert order(tree, "Start") == ["c moved", "a same", "b same"]
        assert the(tree, "c").moved_from == ""

    def test_a_stage_that_was_removed_stands_there_with_what_went_with_it(self) -> None:
        moved = {"op": "move", "what": "concept", "key": "b", "to": "Tools", "position": 0}
        tree = after(moved, {"op": "remove", "what": "stage", "key": "Basics"})
        assert [(stage.thing.key, stage.mark) for stage in tree.stages] == [
            ("Basics", "removed"),
            ("Work", "same"),
        ]
        assert order(tree, "Start") == ["a removed", "c removed"]
        assert the(tree, "b").mark == "moved"
        assert the(tree, "b").fields  # it needed a

    def test_other_words_are_changes_of_single_fields(self) -> None:
        tree = after(
            {"op": "rewrite", "what": "concept", "key": "a", "title": "Another", "hours": 9}
        )
        found = [(change.field, change.before, change.after) for change in the(tree, "a").fields]
        assert found == [
            ("title", "A", "Another"),
            ("hours", two_stages().stages[0].modules[0].concepts[0].hours, 9),
        ]
        assert tree.counts["changed"] == 1
        assert the(tree, "Basics").differs
        assert not the(tree, "Work").differs


class TestAnyTwo:
    @given(pairs())
    def test_everything_of_both_is_there_once(self, pair: tuple[Outline, Outline]) -> None:
        old, new = pair
        found = Counter((node.what, node.thing.key) for node in diff_tree(old, new).all())
        assert found == Counter({*spots(old), *spots(new)})

    @given(pairs())
    def test_without_what_was_removed_it_is_the_new_one_in_its_order(
        self, pair: tuple[Outline, Outline]
    ) -> None:
        old, new = pair
        kept = [
            (node.what, node.thing.key)
            for node in diff_tree(old, new).all()
            if node.mark != "removed"
        ]
        assert kept == spots(new)

    @given(pairs())
    def test_what_was_removed_is_in_its_old_order_within_its_parent(
        self, pair: tuple[Outline, Outline]
    ) -> None:
        old, new = pair
        place = {spot: at for at, spot in enumerate(spots(old))}
        for node in diff_tree(old, new).all():
            gone = [
                place[child.what, child.thing.key]
                for child in node.children
                if child.mark == "removed"
            ]
            assert gone == sorted(gone)

    @given(pairs())
    def test_marks_are_what_the_sentences_say(self, pair: tuple[Outline, Outline]) -> None:
        old, new = pair
        values = {
            (change.what, change.key) for change in changes(old, new) if change.what != "roadmap"
        }
        tree = diff_tree(old, new)
        assert {(node.what, node.thing.key) for node in tree.all() if node.mark != "same"} == values
        assert tree.differs == bool(changes(old, new))

    @given(outlines())
    def test_the_same_has_no_mark(self, outline: Outline) -> None:
        tree = diff_tree(outline, outline)
        assert {node.mark for node in tree.all()} <= {"same"}
        assert not tree.differs
