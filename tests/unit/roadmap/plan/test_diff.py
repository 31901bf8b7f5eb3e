"""Changes between two outlines: one fitting sentence for each, and no other."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roadmap.plan.diff import Change, changes
from roadmap.plan.outline import Outline, OutlineConcept, OutlineModule, OutlineStage
from tests.cases import try_each
from tests.unit.roadmap.plan.test_edits import (
    CONCEPT,
    edited,
    some_move,
    some_removal,
    some_rewrite,
    the,
)
from tests.unit.roadmap.plan.test_outline import concept, module, outline, outlines, stage

Spot = tuple[str, str]


def two_stages() -> Outline:
    """Basics: Start (a, b, c), More (d); Work: Tools (e)."""
    start = module("Start", concept("a"), concept("b", "a"), concept("c", "a", "b"))
    more = module("More", concept("d", "b"))
    return Outline(
        title="A roadmap",
        stages=(stage("Basics", start, more), stage("Work", module("Tools", concept("e")))),
    )


def sentences(*bodies: dict[str, Any]) -> list[str]:
    """The sentences after these operations on `two_stages`."""
    return [change.text for change in changes(two_stages(), edited(two_stages(), *bodies))]


def rewritten(key: str, **fields: Any) -> list[Change]:
    return changes(
        two_stages(),
        edited(two_stages(), {"op": "rewrite", "what": "concept", "key": key, **fields}),
    )


def moved(key: str, **to: Any) -> dict[str, Any]:
    return {"op": "move", "what": "concept", "key": key, **to}


def spots(made: Outline) -> list[Spot]:
    """All things of an outline, each before what is in it."""
    found: list[Spot] = []
    for each in made.stages:
        found.append(("stage", each.key))
        for between in each.modules:
            found += [
                ("module", between.key),
                *(("concept", inside.key) for inside in between.concepts),
            ]
    return found


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Outline, Outline]:
    """Two outlines: the same, nearly the same, or with nothing but some keys in common."""
    old = draw(outlines())
    step = st.one_of(some_move(old), some_removal(old), some_rewrite(old)).map(
        lambda body: edited(old, body)
    )
    return old, draw(st.one_of(st.just(old), step, outlines()))


class TestAdding:
    def test_the_sentence_of_a_concept_names_its_module(self) -> None:
        body = {**CONCEPT, "module": "Start", "position": 0}
        (change,) = changes(two_stages(), edited(two_stages(), body))
        text = "Added the concept 'Loops' to the module 'Start'."
        assert change == Change(what="concept", how="added", key="loops", title="Loops", text=text)

    def test_a_stage_comes_with_each_thing_in_it(self) -> None:
        assert sentences(
            {"op": "add_stage", "title": "New", "position": 0},
            {"op": "add_module", "stage": "new", "title": "Inside"},
            {**CONCEPT, "module": "inside"},
        ) == [
            "Added the stage 'New' to the roadmap.",
            "Added the module 'Inside' to the stage 'New'.",
            "Added the concept 'Loops' to the module 'Inside'.",
        ]


class TestRemoving:
    def test_the_sentence_of_a_concept_names_the_module_where_it_was(self) -> None:
        (change,) = changes(
            two_stages(), edited(two_stages(), {"op": "remove", "what": "concept", "key": "e"})
        )
        text = "Removed the concept 'E' from the module 'Tools'."
        assert change == Change(what="concept", how="removed", key="e", title="E", text=text)

    def test_what_was_removed_comes_last_after_the_prerequisites_without_it(self) -> None:
        assert sentences({"op": "remove", "what": "concept", "key": "b"}) == [
            "Changed the prerequisites of 'C' from 'A', 'B' to 'A'.",
            "Changed the prerequisites of 'D' from 'B' to none.",
            "Removed the concept 'B' from the module 'Start'.",
        ]

    def test_a_stage_comes_with_each_thing_that_was_in_it_but_not_what_moved_out_before(
        self,
    ) -> None:
        assert sentences(
            moved("b", to="Tools"), {"op": "remove", "what": "stage", "key": "Basics"}
        ) == [
            "Moved the concept 'B' from the module 'Start' to 'Tools'.",
            "Changed the prerequisites of 'B' from 'A' to none.",
            "Removed the stage 'Basics' from the roadmap.",
            "Removed the module 'Start' from the stage 'Basics'.",
            "Removed the concept 'A' from the module 'Start'.",
            "Removed the concept 'C' from the module 'Start'.",
            "Removed the module 'More' from the stage 'Basics'.",
            "Removed the concept 'D' from the module 'More'.",
        ]


class TestMoving:
    def test_a_concept_that_moves_into_another_module_has_both(self) -> None:
        (change,) = changes(two_stages(), edited(two_stages(), moved("a", to="More", position=0)))
        assert change == Change(
            what="concept",
            how="moved",
            key="a",
            title="A",
            text="Moved the concept 'A' from the module 'Start' to 'More'.",
            field="module",
            before="Start",
            after="More",
        )

    def test_a_module_that_moves_into_another_stage_is_one_change_without_its_concepts(
        self,
    ) -> None:
        (change,) = changes(
            two_stages(),
            edited(two_stages(), {"op": "move", "what": "module", "key": "Start", "to": "Work"}),
        )
        assert change.text == "Moved the module 'Start' from the stage 'Basics' to 'Work'."
        assert (change.field, change.before, change.after) == ("stage", "Basics", "Work")

    def test_a_concept_that_moves_within_its_module_has_its_positions(self) -> None:
        (change,) = changes(two_stages(), edited(two_stages(), moved("a", position=2)))
        assert change == Change(
            what="concept",
            how="moved",
            key="a",
            title="A",
            text="Moved the concept 'A' within the module 'Start'.",
            field="position",
            before=0,
            after=2,
        )

    def test_modules_and_stages_move_too(self) -> None:
        assert sentences({"op": "move", "what": "module", "key": "More", "position": 0}) in (
            ["Moved the module 'More' within the stage 'Basics'."],
            ["Moved the module 'Start' within the stage 'Basics'."],
        )
        three = edited(two_stages(), {"op": "add_stage", "title": "Last"})
        (change,) = changes(
            three, edited(three, {"op": "move", "what": "stage", "key": "last", "position": 0})
        )
        assert change.text == "Moved the stage 'Last' within the roadmap."

    def test_a_thing_that_comes_in_from_elsewhere_moves_nothing_else(self) -> None:
        first = Outline(
            title="A roadmap",
            stages=(
                stage("S", module("M", concept("a"), concept("b")), module("N", concept("c"))),
            ),
        )
        new = edited(first, {"op": "remove", "what": "concept", "key": "a"}, moved("c", to="M"))
        assert [change.text for change in changes(first, new)] == [
            "Moved the concept 'C' from the module 'N' to 'M'.",
            "Removed the concept 'A' from the module 'M'.",
        ]

    def test_what_was_moved_and_changed_is_a_change_of_each_kind(self) -> None:
        assert sentences(
            moved("e", to="More"),
            {"op": "rewrite", "what": "concept", "key": "e", "title": "Loops", "hours": 9},
        ) == [
            "Moved the concept 'Loops' from the module 'Tools' to 'More'.",
            "Renamed the concept 'E' to 'Loops'.",
            "Changed the hours of 'Loops' from 4 to 9.",
        ]

    def test_the_name_of_a_parent_is_no_move(self) -> None:
        assert sentences(
            {"op": "rewrite", "what": "module", "key": "Tools", "title": "Machines"}
        ) == ["Renamed the module 'Tools' to 'Machines'."]

    @given(
        st.permutations("abcdef"),
        st.sets(st.sampled_from("abcdef")),
        st.sets(st.sampled_from("uvwxyz")),
    )
    def test_as_few_things_as_possible_are_moved(
        self, order: list[str], gone: set[str], new: set[str]
    ) -> None:
        after = [key for key in order if key not in gone]
        mixed = [*sorted(new)[:2], *after[:2], *sorted(new)[2:], *after[2:]]
        found = changes(outline(*map(concept, "abcdef")), outline(*map(concept, mixed)))
        assert sum(change.how == "moved" for change in found) == fewest_moves(after)

    @given(st.integers(0, 8), st.integers(0, 8))
    def test_a_thing_that_jumps_over_two_or_more_is_the_one_that_moved(
        self, start: int, end: int
    ) -> None:
        order = list("abcdefghi")
        order.insert(end, order.pop(start))
        found = changes(outline(*map(concept, "abcdefghi")), outline(*map(concept, order)))
        facts = [(change.key, change.before, change.after) for change in found]
        if abs(start - end) == 1:  # two that changed places: either has moved
            assert facts in ([("abcdefghi"[start], start, end)], [("abcdefghi"[end], end, start)])
        else:
            assert facts == ([("abcdefghi"[start], start, end)] if start != end else [])


class TestFields:
    @try_each(
        ("field", "value", "text"),
        [
            ("title", "Loops", "Renamed the concept 'C' to 'Loops'."),
            ("description", "Other.", "Changed the description of 'C'."),
            ("hours", 5, "Changed the hours of 'C' from 4 to 5."),
            ("difficulty", 3, "Changed the difficulty of 'C' from 2 to 3."),
            ("outcomes", ("write one",), "Changed the outcomes of 'C'."),
        ],
    )
    def test_the_change_of_each_field_of_a_concept_has_both_values(
        self, field: str, value: Any, text: str
    ) -> None:
        before = getattr(the(two_stages(), "c"), field)
        title = value if field == "title" else "C"
        expected = {"what": "concept", "how": "changed", "key": "c", "title": title, "text": text}
        assert rewritten("c", **{field: value}) == [
            Change(**expected, field=field, before=before, after=value)
        ]

    @try_each(
        ("keys", "titles", "words"),
        [
            ((), (), "none"),
            (("b",), ("B",), "'B'"),
            (("b", "a"), ("B", "A"), "'B', 'A'"),
            (("a", "z"), ("A", "z"), "'A', 'z'"),
        ],
    )
    def test_the_change_of_prerequisites_has_their_titles(
        self, keys: tuple[str, ...], titles: tuple[str, ...], words: str
    ) -> None:
        (change,) = rewritten("c", prerequisites=keys)
        assert change.text == f"Changed the prerequisites of 'C' from 'A', 'B' to {words}."
        assert (change.before, change.after) == (("A", "B"), titles)

    def test_each_field_is_a_change_of_its_own(self) -> None:
        fields = {
            "title": "Loops",
            "description": "Other.",
            "hours": 9,
            "difficulty": 5,
            "prerequisites": ["a"],
        }
        found = rewritten("c", **fields, outcomes=["write one"])
        assert [change.field for change in found] == [
            "title",
            "description",
            "hours",
            "difficulty",
            "prerequisites",
            "outcomes",
        ]
        assert {(change.how, change.key, change.title) for change in found} == {
            ("changed", "c", "Loops")
        }

    @pytest.mark.parametrize(("what", "key"), [("stage", "Basics"), ("module", "Start")])
    def test_stages_and_modules_have_titles_and_descriptions(self, what: str, key: str) -> None:
        body = {
            "op": "rewrite",
            "what": what,
            "key": key,
            "title": "Loops",
            "description": "Other.",
        }
        assert sentences(body) == [
            f"Renamed the {what} '{key}' to 'Loops'.",
            f"Changed the description of the {what} 'Loops'.",
        ]

    def test_the_title_of_the_roadmap_comes_first(self) -> None:
        new = edited(
            two_stages(), {"op": "rewrite", "what": "stage", "key": "Basics", "title": "Loops"}
        )
        first, second = changes(two_stages(), new.model_copy(update={"title": "Another"}))
        assert first == Change(
            what="roadmap",
            how="changed",
            key="",
            title="Another",
            text="Renamed the roadmap 'A roadmap' to 'Another'.",
            field="title",
            before="A roadmap",
            after="Another",
        )
        assert second.what == "stage"


class TestAllChanges:
    @given(pairs())
    def test_there_is_none_exactly_when_the_outlines_are_equal(
        self, pair: tuple[Outline, Outline]
    ) -> None:
        old, new = pair
        assert (changes(old, new) == []) == (old == new)
        assert changes(old, old) == []

    @given(pairs())
    def test_every_thing_that_was_added_or_removed_is_one_change(
        self, pair: tuple[Outline, Outline]
    ) -> None:
        old, new = pair
        found = changes(old, new)
        for how, expected in (
            ("added", set(spots(new)) - set(spots(old))),
            ("removed", set(spots(old)) - set(spots(new))),
        ):
            assert sorted(
                (change.what, change.key) for change in found if change.how == how
            ) == sorted(expected)

    @given(pairs())
    def test_changes_stand_in_the_order_of_the_new_outline_and_removals_in_that_of_the_old(
        self, pair: tuple[Outline, Outline]
    ) -> None:
        old, new = pair
        found = [(change.what, change.key, change.how == "removed") for change in changes(old, new)]
        order = [
            ("roadmap", "", False),
            *((*spot, False) for spot in spots(new)),
            *((*spot, True) for spot in spots(old)),
        ]
        assert found == sorted(found, key=order.index)

    @given(pairs())
    def test_a_thing_has_moved_into_another_exactly_when_its_parent_is_another(
        self, pair: tuple[Outline, Outline]
    ) -> None:
        old, new = parents(pair[0]), parents(pair[1])
        expected = {spot for spot in old.keys() & new.keys() if old[spot] != new[spot]}
        found = [
            (c.what, c.key) for c in changes(*pair) if c.how == "moved" and c.field != "position"
        ]
        assert sorted(found) == sorted(expected)

    @given(pairs())
    def test_things_that_stay_with_their_parents_have_moved_as_rarely_as_possible(
        self, pair: tuple[Outline, Outline]
    ) -> None:
        old, new = parents(pair[0]), parents(pair[1])
        stayed = [spot for spot in old if new.get(spot) == old[spot]]
        groups = {(spot[0], old[spot]) for spot in stayed}
        order = [
            [stayed.index(s) for s in new if s in stayed and (s[0], old[s]) == group]
            for group in groups
        ]
        found = [change for change in changes(*pair) if change.field == "position"]
        assert len(found) == sum(map(fewest_moves, order))
        assert {(change.what, change.key) for change in found} <= set(stayed)

    @given(pairs())
    def test_every_field_that_differs_is_one_change(self, pair: tuple[Outline, Outline]) -> None:
        old, new = fields(pair[0]), fields(pair[1])
        expected = [
            (*spot, name)
            for spot in old.keys() & new.keys()
            for name in new[spot]
            if old[spot][name] != new[spot][name]
        ]
        assert sorted(
            (c.what, c.key, c.field) for c in changes(*pair) if c.how == "changed"
        ) == sorted(expected)

    @given(outlines(), st.data())
    def test_an_insertion_moves_nothing(self, old: Outline, data: st.DataObject) -> None:
        home = data.draw(st.sampled_from(list(old.modules())))
        position = data.draw(st.integers(0, len(home.concepts)))
        body = {
            "op": "add_concept",
            "module": home.key,
            "title": "New",
            "hours": 1,
            "difficulty": 1,
            "position": position,
        }
        (change,) = changes(old, edited(old, body))
        assert (change.how, change.key) == ("added", "new")

    @given(pairs())
    @example((two_stages(), two_stages().model_copy(update={"title": "x" * 200})))
    def test_changes_can_be_sent(self, pair: tuple[Outline, Outline]) -> None:
        for change in changes(*pair):
            assert Change.model_validate_json(change.model_dump_json()).model_dump(
                mode="json"
            ) == change.model_dump(mode="json")
            assert len(change.text) <= 250

    def test_no_sentence_quotes_a_long_title_whole(self) -> None:
        long = Outline(
            title="x" * 200,
            stages=(OutlineStage(key="s", title="x" * 200, description="x" * 5000, modules=()),),
        )
        inside = OutlineConcept(
            key="c", title="y" * 200, description="y" * 5000, hours=1, difficulty=1
        )
        between = OutlineModule(key="m", title="y" * 200, description="", concepts=(inside,))
        other = OutlineStage(key="s", title="y" * 200, description="", modules=(between,))
        found = changes(long, Outline(title="y" * 200, stages=(other,)))
        assert [(change.what, change.how) for change in found] == [
            ("roadmap", "changed"),
            ("stage", "changed"),
            ("stage", "changed"),
            ("module", "added"),
            ("concept", "added"),
        ]
        assert max(len(change.text) for change in found) <= 250


def fewest_moves(order: Sequence[Any]) -> int:
    """Return how many of these have to move for the rest to be in order."""
    parts = (part for size in range(len(order), -1, -1) for part in combinations(order, size))
    return len(order) - len(next(part for part in parts if list(part) == sorted(part)))


def parents(made: Outline) -> dict[Spot, str]:
    """Keys of what things are in, by the things in their order."""
    stages = {("stage", each.key): "" for each in made.stages}
    modules = {("module", inside.key): each.key for each in made.stages for inside in each.modules}
    return (
        stages
        | modules
        | {("concept", inside.key): each.key for each in made.modules() for inside in each.concepts}
    )


def fields(made: Outline) -> dict[Spot, dict[str, Any]]:
    kinds: dict[str, list[Any]] = {
        "stage": [*made.stages],
        "module": [*made.modules()],
        "concept": [*made.concepts()],
    }
    inner = {"key", "modules", "concepts"}
    found = {
        (kind, each.key): each.model_dump(exclude=inner)
        for kind, things in kinds.items()
        for each in things
    }
    return {("roadmap", ""): {"title": made.title}, **found}
