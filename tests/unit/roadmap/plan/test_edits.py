"""Direct changes of an outline: effects, refusals, and rules that no sequence can break."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.errors import FieldError, Invalid
from roadmap.plan.edits import Operation, apply, kept_as_written
from roadmap.plan.outline import Outline, OutlineConcept, OutlineModule, OutlineStage
from roadmap.plan.validation import problems
from tests.cases import try_each
from tests.unit.roadmap.plan.test_outline import concept, module, outlines, stage

ONE = TypeAdapter(Operation)
KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
CONCEPT = {"op": "add_concept", "module": "m", "title": "Loops", "hours": 3, "difficulty": 2}


def operation(**fields: Any) -> Any:
    return ONE.validate_python(fields)


def edited(
    outline: Outline, *bodies: dict[str, Any], taken: frozenset[str] = frozenset()
) -> Outline:
    return apply(outline, [operation(**body) for body in bodies], taken)


def refused(
    outline: Outline, *bodies: dict[str, Any], taken: frozenset[str] = frozenset()
) -> FieldError:
    with pytest.raises(Invalid) as caught:
        edited(outline, *bodies, taken=taken)
    (error,) = caught.value.fields
    return error


def two_stages() -> Outline:
    """s: m (a, b, c), n (d); t: o (e)."""
    first = stage(
        "s",
        module("m", concept("a"), concept("b", "a"), concept("c", "a", "b")),
        module("n", concept("d", "b")),
    )
    return Outline(
        title="A roadmap", stages=(first, stage("t", module("o", concept("e", "b", "d"))))
    )


def keys(things: Sequence[OutlineStage | OutlineModule | OutlineConcept]) -> list[str]:
    return [thing.key for thing in things]


def of(outline: Outline, key: str) -> list[str]:
    """Keys of what is in the stage or module with this key."""
    found: dict[str, list[str]] = {each.key: keys(each.modules) for each in outline.stages}
    return (found | {each.key: keys(each.concepts) for each in outline.modules()})[key]


def the(outline: Outline, key: str) -> OutlineConcept:
    (found,) = (each for each in outline.concepts() if each.key == key)
    return found


def needs(outline: Outline) -> dict[str, tuple[str, ...]]:
    return {each.key: each.prerequisites for each in outline.concepts()}


class TestAdding:
    def test_a_stage_is_the_last_unless_its_position_is_given(self) -> None:
        made = edited(
            two_stages(),
            {"op": "add_stage", "title": "Last"},
            {"op": "add_stage", "title": "Second", "position": 1},
        )
        assert keys(made.stages) == ["s", "second", "t", "last"]
        assert made.stages[1] == OutlineStage(
            key="second", title="Second", description="", modules=()
        )

    def test_a_module_goes_into_its_stage(self) -> None:
        made = edited(
            two_stages(),
            {
                "op": "add_module",
                "stage": "s",
                "title": "More",
                "description": "It is.",
                "position": 0,
            },
        )
        assert of(made, "s") == ["more", "m", "n"]
        assert made.stages[0].modules[0] == OutlineModule(
            key="more", title="More", description="It is.", concepts=()
        )
        assert made.stages[1] == two_stages().stages[1]

    def test_a_concept_goes_into_its_module_with_all_its_fields(self) -> None:
        body = {
            **CONCEPT,
            "description": "Again.",
            "prerequisites": ["a"],
            "outcomes": ["write one"],
            "position": 1,
        }
        made = edited(two_stages(), body)
        assert of(made, "m") == ["a", "loops", "b", "c"]
        assert the(made, "loops") == OutlineConcept(
            key="loops",
            title="Loops",
            description="Again.",
            hours=3,
            difficulty=2,
            prerequisites=("a",),
            outcomes=("write one",),
        )

    def test_what_is_added_can_be_named_by_later_operations(self) -> None:
        made = edited(
            two_stages(),
            {"op": "add_stage", "title": "Third", "key": "third"},
            {"op": "add_module", "stage": "third", "title": "Inside", "key": "inside"},
            {**CONCEPT, "module": "inside", "key": "first"},
            {**CONCEPT, "module": "inside", "title": "Next", "prerequisites": ["first"]},
            {"op": "move", "what": "concept", "key": "e", "to": "inside"},
        )
        assert (of(made, "third"), of(made, "inside")) == (["inside"], ["first", "next", "e"])

    @pytest.mark.parametrize(
        ("body", "pointer", "kind"),
        [
            ({"op": "add_module", "stage": "m", "title": "More"}, "/operations/0/stage", "stage"),
            ({**CONCEPT, "module": "s"}, "/operations/0/module", "module"),
        ],
    )
    def test_a_parent_that_does_not_exist_is_refused(
        self, body: dict[str, Any], pointer: str, kind: str
    ) -> None:
        assert refused(two_stages(), body) == FieldError(pointer, f"is not the key of a {kind}")

    @pytest.mark.parametrize("position", [-1, 4, 10**30])
    def test_a_position_out_of_range_is_refused(self, position: int) -> None:
        body = {**CONCEPT, "position": position}
        assert refused(two_stages(), body) == FieldError(
            "/operations/0/position", "must be between 0 and 3"
        )


class TestNewKeys:
    def made(self, *titles: str, taken: frozenset[str] = frozenset()) -> list[str]:
        made = edited(
            two_stages(),
            *({**CONCEPT, "module": "o", "title": title} for title in titles),
            taken=taken,
        )
        return of(made, "o")[1:]

    @try_each(
        ("title", "key"),
        [
            ("Loops & functions", "loops-functions"),
            ("  C++ (2nd part) ", "c-2nd-part"),
            ("Crème Brûlée", "creme-brulee"),
            ("从 Python 到 C", "python-c"),
            ("循环", "concept-1"),
            ("2026", "concept-1"),
            ("!", "concept-1"),
        ],
    )
    def test_a_key_is_made_from_the_title(self, title: str, key: str) -> None:
        assert self.made(title) == [key]

    def test_a_key_that_is_in_use_gets_a_number(self) -> None:
        assert self.made("Loops", "Loops!", "loops", "循环", "函数", "A") == [
            "loops",
            "loops-2",
            "loops-3",
            "concept-1",
            "concept-2",
            "a-2",
        ]

    def test_keys_that_are_taken_are_left_out(self) -> None:
        assert self.made("Loops", "循环", taken=frozenset({"loops", "loops-2", "concept-1"})) == [
            "loops-3",
            "concept-2",
        ]

    def test_stages_and_modules_have_names_of_their_own(self) -> None:
        made = edited(
            two_stages(),
            {"op": "add_stage", "title": "循环"},
            {"op": "add_module", "stage": "stage-1", "title": "循环"},
            {"op": "add_module", "stage": "stage-1", "title": "E"},
        )
        assert of(made, "stage-1") == ["module-1", "e"]

    def test_a_long_title_makes_a_key_that_is_no_longer_than_allowed(self) -> None:
        first, second = self.made("loops " * 33, "loops " * 33)
        assert first == "-".join(["loops"] * 33)
        assert second == "-".join(["loops"] * 31 + ["loop"]) + "-2"
        assert [len(key) for key in self.made("x" * 200, "x" * 200)] == [200, 192]

    def test_a_key_that_is_cut_at_the_end_of_a_word_ends_with_the_word(self) -> None:
        whole = "㎅" * 99 + "k loops"  # each sign becomes two letters
        assert self.made(whole) == ["kb" * 99 + "k"]
        assert self.made("x" * 189 + " loops", "x" * 189 + " loops") == [
            "x" * 189 + "-loops",
            "x" * 189 + "-2",
        ]

    def test_a_key_that_was_removed_before_in_the_same_request_is_not_used_again(self) -> None:
        removal = {"op": "remove", "what": "module", "key": "m"}
        made = edited(two_stages(), removal, {**CONCEPT, "module": "o", "title": "A"})
        assert of(made, "o") == ["e", "a-2"]
        assert refused(two_stages(), removal, {**CONCEPT, "module": "o", "key": "a"}) == FieldError(
            "/operations/1/key", "is the key of another concept or of a removed one"
        )

    @try_each(
        ("body", "kind"),
        [
            ({"op": "add_stage", "title": "X", "key": "t"}, "stage"),
            ({"op": "add_module", "stage": "s", "title": "X", "key": "o"}, "module"),
            ({**CONCEPT, "key": "e"}, "concept"),
            ({**CONCEPT, "key": "gone"}, "concept"),
        ],
    )
    def test_a_key_that_is_not_free_is_refused(self, body: dict[str, Any], kind: str) -> None:
        rule = f"is the key of another {kind} or of a removed one"
        assert refused(two_stages(), body, taken=frozenset({"gone"})) == FieldError(
            "/operations/0/key", rule
        )

    @given(
        st.lists(
            st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=200),
            max_size=8,
        )
    )
    def test_every_title_gets_a_key_of_its_own(self, titles: list[str]) -> None:
        made = self.made(*(title for title in titles if title.strip()))
        assert len(set(made)) == len(made)
        assert not set(made) & {"a", "b", "c", "d", "e"}
        assert all(KEY.fullmatch(key) and len(key) <= 200 for key in made)


class TestRemoving:
    def test_a_concept_that_is_removed_is_no_prerequisite_any_more(self) -> None:
        made = edited(two_stages(), {"op": "remove", "what": "concept", "key": "b"})
        assert needs(made) == {"a": (), "c": ("a",), "d": (), "e": ("d",)}
        assert problems(made) == []

    def test_a_module_goes_with_its_concepts(self) -> None:
        made = edited(two_stages(), {"op": "remove", "what": "module", "key": "m"})
        assert of(made, "s") == ["n"]
        assert needs(made) == {"d": (), "e": ("d",)}

    def test_a_stage_goes_with_all_that_is_in_it(self) -> None:
        made = edited(two_stages(), {"op": "remove", "what": "stage", "key": "s"})
        assert keys(made.stages) == ["t"]
        assert needs(made) == {"e": ()}

    def test_a_prerequisite_that_is_added_after_a_removal_stays(self) -> None:
        made = edited(
            two_stages(),
            {"op": "rewrite", "what": "concept", "key": "e", "prerequisites": ["new"]},
            {"op": "remove", "what": "concept", "key": "b"},
            {**CONCEPT, "key": "new"},
        )
        assert needs(made)["e"] == ("new",)

    @try_each(
        ("what", "key"), [("stage", "m"), ("module", "a"), ("concept", "s"), ("concept", "gone")]
    )
    def test_what_does_not_exist_cannot_be_removed(self, what: str, key: str) -> None:
        error = refused(two_stages(), {"op": "remove", "what": what, "key": key})
        assert error == FieldError("/operations/0/key", f"is not the key of a {what}")

    def test_what_was_removed_cannot_be_named_again(self) -> None:
        removal = {"op": "remove", "what": "stage", "key": "s"}
        later = {"op": "rewrite", "what": "concept", "key": "a", "hours": 5}
        assert refused(two_stages(), removal, later) == FieldError(
            "/operations/1/key", "is not the key of a concept"
        )


class TestMoving:
    @try_each(
        ("key", "position", "order"),
        [
            ("a", 0, ["a", "b", "c"]),
            ("a", 1, ["b", "a", "c"]),
            ("a", 2, ["b", "c", "a"]),
            ("a", None, ["b", "c", "a"]),
            ("c", 0, ["c", "a", "b"]),
            ("c", 1, ["a", "c", "b"]),
        ],
    )
    def test_within_its_module_a_concept_has_the_given_position_afterwards(
        self, key: str, position: int | None, order: list[str]
    ) -> None:
        body = {"op": "move", "what": "concept", "key": key, "position": position}
        assert of(edited(two_stages(), body), "m") == order
        assert of(edited(two_stages(), {**body, "to": "m"}), "m") == order

    def test_a_concept_moves_into_another_module(self) -> None:
        made = edited(
            two_stages(), {"op": "move", "what": "concept", "key": "b", "to": "o", "position": 0}
        )
        assert (of(made, "m"), of(made, "o")) == (["a", "c"], ["b", "e"])
        assert the(made, "b") == the(two_stages(), "b")

    def test_a_module_moves_into_another_stage_with_its_concepts(self) -> None:
        made = edited(two_stages(), {"op": "move", "what": "module", "key": "m", "to": "t"})
        assert (of(made, "s"), of(made, "t"), of(made, "m")) == (["n"], ["o", "m"], ["a", "b", "c"])

    def test_a_stage_moves_among_the_stages(self) -> None:
        assert keys(
            edited(two_stages(), {"op": "move", "what": "stage", "key": "t", "position": 0}).stages
        ) == ["t", "s"]

    def test_a_stage_cannot_move_into_something(self) -> None:
        error = refused(two_stages(), {"op": "move", "what": "stage", "key": "t", "to": "s"})
        assert error == FieldError("/operations/0/to", "must be null: a stage has no parent")

    @try_each(("what", "key", "kind"), [("module", "m", "stage"), ("concept", "a", "module")])
    @try_each("to", ["gone", "a"])
    def test_a_move_into_nothing_is_refused(self, what: str, key: str, kind: str, to: str) -> None:
        error = refused(two_stages(), {"op": "move", "what": what, "key": key, "to": to})
        assert error == FieldError("/operations/0/to", f"is not the key of a {kind}")

    @try_each(("to", "position", "last"), [(None, 3, 2), ("m", 3, 2), ("n", 2, 1), ("n", -1, 1)])
    def test_a_position_out_of_range_is_refused(
        self, to: str | None, position: int, last: int
    ) -> None:
        error = refused(
            two_stages(),
            {"op": "move", "what": "concept", "key": "a", "to": to, "position": position},
        )
        assert error == FieldError("/operations/0/position", f"must be between 0 and {last}")


class TestRewriting:
    @try_each(
        ("name", "value"),
        [
            ("title", "Other"),
            ("description", "Other."),
            ("description", ""),
            ("hours", 9),
            ("difficulty", 5),
            ("prerequisites", ("a",)),
            ("prerequisites", ()),
            ("outcomes", ("write one",)),
        ],
    )
    def test_a_field_of_a_concept_is_changed_and_nothing_else(self, name: str, value: Any) -> None:
        made = edited(two_stages(), {"op": "rewrite", "what": "concept", "key": "c", name: value})
        assert the(made, "c") == the(two_stages(), "c").model_copy(update={name: value})
        assert [each for each in made.concepts() if each.key != "c"] == [
            each for each in two_stages().concepts() if each.key != "c"
        ]
        assert [keys(each.concepts) for each in made.modules()] == [["a", "b", "c"], ["d"], ["e"]]

    @pytest.mark.parametrize("what", ["stage", "module"])
    def test_a_stage_or_module_keeps_what_is_in_it(self, what: str) -> None:
        key = {"stage": "s", "module": "m"}[what]
        made = edited(
            two_stages(),
            {"op": "rewrite", "what": what, "key": key, "title": "Other", "description": "New."},
        )
        changed = made.stages[0] if what == "stage" else made.stages[0].modules[0]
        before = two_stages().stages[0] if what == "stage" else two_stages().stages[0].modules[0]
        assert changed == before.model_copy(update={"title": "Other", "description": "New."})

    @pytest.mark.parametrize("more", [{}, {"regenerate": False}, {"title": None, "hours": None}])
    def test_a_rewrite_that_names_no_field_is_refused(self, more: dict[str, Any]) -> None:
        error = refused(two_stages(), {"op": "rewrite", "what": "concept", "key": "c", **more})
        assert error == FieldError("/operations/0", "must name at least one field to rewrite")

    @try_each(("what", "key"), [("stage", "s"), ("module", "m")])
    @try_each(
        ("name", "value"),
        [
            ("hours", 3),
            ("difficulty", 3),
            ("prerequisites", ["a"]),
            ("outcomes", []),
            ("prerequisites", []),
        ],
    )
    def test_what_only_concepts_have_is_refused_for_others(
        self, what: str, key: str, name: str, value: Any
    ) -> None:
        error = refused(
            two_stages(), {"op": "rewrite", "what": what, "key": key, "title": "Other", name: value}
        )
        assert error == FieldError(f"/operations/0/{name}", "is for concepts only")


class TestSequences:
    def test_the_first_operation_that_cannot_be_done_is_the_one_that_is_named(self) -> None:
        good = {"op": "rewrite", "what": "concept", "key": "a", "hours": 5}
        bad = {**good, "key": "gone"}
        assert refused(two_stages(), good, good, good, bad, bad).pointer == "/operations/3/key"

    def test_no_operation_leaves_the_outline_as_it_is(self) -> None:
        assert apply(two_stages(), []) == two_stages()

    @given(outlines(), st.data())
    def test_an_outline_that_is_changed_is_never_changed_itself(
        self, made: Outline, data: st.DataObject
    ) -> None:
        before = made.model_dump()
        sequences = st.lists(
            st.one_of(some_move(made), some_rewrite(made), some_removal(made)),
            min_size=1,
            max_size=4,
        )
        with suppress(Invalid):  # an operation may name what one before it has removed
            edited(made, *data.draw(sequences))
        assert made.model_dump() == before

    @given(outlines(), st.sampled_from(["stage", "module", "concept"]), st.data())
    def test_what_is_added_and_removed_leaves_the_original(
        self, made: Outline, what: str, data: st.DataObject
    ) -> None:
        parent = {"module": "stage", "concept": "module"}.get(what)
        body: dict[str, Any] = {"op": f"add_{what}", "title": "New", "key": "new"}
        body |= {} if what != "concept" else {"hours": 1, "difficulty": 1}
        if parent:
            body[parent] = data.draw(st.sampled_from(all_of(made, parent))).key
        siblings = made.stages if parent is None else inside(made, body[parent])
        body["position"] = data.draw(st.none() | st.integers(0, len(siblings)))
        added = edited(made, body)
        assert added != made
        assert apply(added, [operation(op="remove", what=what, key="new")]) == made

    @given(outlines(), st.data())
    def test_moves_lose_and_change_no_concept(self, made: Outline, data: st.DataObject) -> None:
        moved = made
        for _ in range(3):
            moved = edited(moved, data.draw(some_move(moved)))
        assert Counter(moved.concepts()) == Counter(made.concepts())
        assert Counter(keys(list(moved.modules()))) == Counter(keys(list(made.modules())))
        assert Counter(keys(moved.stages)) == Counter(keys(made.stages))

    @given(outlines(), st.data())
    def test_what_moves_stands_at_its_position_and_the_others_keep_their_order(
        self, made: Outline, data: st.DataObject
    ) -> None:
        body = data.draw(some_move(made))
        moved = edited(made, body)
        level = all_of(moved, body["what"])
        assert [each.key for each in level if each.key != body["key"]] == [
            each.key for each in all_of(made, body["what"]) if each.key != body["key"]
        ]
        to = body["to"] or parent_key(made, body["what"], body["key"])
        siblings = keys(moved.stages if body["what"] == "stage" else inside(moved, to))
        assert siblings.index(body["key"]) == (
            len(siblings) - 1 if body["position"] is None else body["position"]
        )

    @given(outlines(), st.data())
    def test_a_removal_takes_what_is_in_the_thing_and_every_mention_of_it(
        self, made: Outline, data: st.DataObject
    ) -> None:
        body = data.draw(some_removal(made))
        left = edited(made, body)
        gone = {each.key for each in concepts_below(made, body["what"], body["key"])}
        expected = {
            key: tuple(p for p in needed if p not in gone)
            for key, needed in needs(made).items()
            if key not in gone
        }
        assert needs(left) == expected
        assert body["key"] not in keys(all_of(left, body["what"]))


class TestFields:
    @try_each(
        "changes",
        [
            {"title": ""},
            {"title": "  \n "},
            {"title": "x" * 201},
            {"title": "a\x00b"},
            {"description": "x" * 2001},
            {"description": "\x1b[0m"},
            {"hours": 0},
            {"hours": 201},
            {"difficulty": 0},
            {"difficulty": 6},
            {"outcomes": ["x"] * 13},
            {"outcomes": ["x" * 301]},
            {"outcomes": ["a\x07"]},
            {"outcomes": [" "]},
            {"prerequisites": ["a"] * 21},
            {"prerequisites": [""]},
            {"unknown": 1},
        ],
    )
    def test_a_value_out_of_range_is_refused_in_an_addition_and_in_a_rewrite(
        self, changes: dict[str, Any]
    ) -> None:
        rewrite = {"op": "rewrite", "what": "concept", "key": "a", "hours": 3}
        for body in (CONCEPT, rewrite):
            assert operation(**body).hours == 3
            with pytest.raises(ValidationError):
                operation(**{**body, **changes})

    @try_each("key", ["", "A", "a_b", "a--b", "-a", "a-", "a\n", "ä", "a/b", "x" * 201])
    def test_a_key_of_another_form_is_refused(self, key: str) -> None:
        with pytest.raises(ValidationError):
            operation(**CONCEPT, key=key)

    @try_each(
        "body",
        [
            {"title": "Loops"},
            {"op": "sort", "what": "stage"},
            {"op": "remove", "what": "roadmap", "key": "a"},
            {"op": "remove", "key": "a"},
            {"op": "add_concept", "module": "m", "title": "Loops"},
            {"op": "add_module", "title": "Loops"},
            {"op": "add_stage"},
            {"op": "add_stage", "title": "Loops", "hours": 3},
        ],
    )
    def test_an_operation_that_is_none_is_refused(self, body: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            operation(**body)

    def test_the_longest_of_everything_is_accepted_also_as_strict_json(self) -> None:
        body = {
            **CONCEPT,
            "title": "x" * 200,
            "description": "x" * 2000,
            "hours": 200,
            "difficulty": 5,
            "key": "k" * 200,
        }
        body |= {
            "outcomes": ["x" * 300] * 12,
            "prerequisites": [f"{at}/{'p' * 190}" for at in range(20)],
            "position": 0,
        }
        made = operation(**body)
        assert made.model_dump(mode="json") == body
        assert ONE.validate_json(made.model_dump_json(), strict=True) == made

    def test_spaces_around_a_text_are_dropped(self) -> None:
        made = edited(
            two_stages(),
            {
                **CONCEPT,
                "title": " Loops\n",
                "description": " Again. ",
                "outcomes": [" write one "],
            },
        )
        loops = the(made, "loops")
        assert (loops.title, loops.description, loops.outcomes) == (
            "Loops",
            "Again.",
            ("write one",),
        )


class TestKeptAsWritten:
    def test_a_concept_is_kept_when_its_rewrite_says_so(self) -> None:
        rewrite = {"op": "rewrite", "what": "concept", "title": "X"}
        operations = [
            operation(**rewrite, key="kept", regenerate=False),
            operation(**rewrite, key="regenerated", regenerate=True),
            operation(**rewrite, key="default"),
            operation(op="rewrite", what="stage", key="stage", title="X", regenerate=False),
            operation(op="remove", what="concept", key="removed"),
            operation(**CONCEPT, key="added"),
        ]
        assert kept_as_written(operations) == {"kept"}

    @pytest.mark.parametrize("wishes", [(False, True), (True, False), (True, True)])
    def test_one_rewrite_that_regenerates_it_is_enough(self, wishes: tuple[bool, ...]) -> None:
        body = {"op": "rewrite", "what": "concept", "key": "a", "title": "X"}
        assert (
            kept_as_written([operation(**body, regenerate=wish) for wish in wishes]) == frozenset()
        )

    def test_nothing_is_kept_when_nothing_is_rewritten(self) -> None:
        assert kept_as_written([]) == frozenset()


def all_of(made: Outline, what: str) -> list[Any]:
    return {
        "stage": list(made.stages),
        "module": list(made.modules()),
        "concept": list(made.concepts()),
    }[what]


def inside(made: Outline, key: str) -> Sequence[Any]:
    """Return the keys in the stage or module with this key."""
    return {
        **{each.key: each.modules for each in made.stages},
        **{each.key: each.concepts for each in made.modules()},
    }[key]


def parent_key(made: Outline, what: str, key: str) -> str:
    parents = {"stage": [], "module": list(made.stages), "concept": list(made.modules())}[what]
    return next((each.key for each in parents if key in keys(inside(made, each.key))), "")


def concepts_below(made: Outline, what: str, key: str) -> list[OutlineConcept]:
    stages = [each for each in made.stages if what != "stage" or each.key == key]
    modules = [
        each for parent in stages for each in parent.modules if what != "module" or each.key == key
    ]
    return [
        each
        for parent in modules
        for each in parent.concepts
        if what != "concept" or each.key == key
    ]


@st.composite
def some_target(draw: st.DrawFn, made: Outline) -> dict[str, str]:
    what = draw(st.sampled_from(["stage", "module", "concept"]))
    return {"what": what, "key": draw(st.sampled_from(all_of(made, what))).key}


@st.composite
def some_move(draw: st.DrawFn, made: Outline) -> dict[str, Any]:
    target = draw(some_target(made))
    parents = {"stage": [], "module": list(made.stages), "concept": list(made.modules())}[
        target["what"]
    ]
    to = draw(st.sampled_from([None, *keys(parents)]))
    home = parent_key(made, target["what"], target["key"])
    siblings = made.stages if target["what"] == "stage" else inside(made, to or home)
    others = [each for each in siblings if each.key != target["key"]]
    return {
        "op": "move",
        **target,
        "to": to,
        "position": draw(st.none() | st.integers(0, len(others))),
    }


def some_removal(made: Outline) -> st.SearchStrategy[dict[str, Any]]:
    return some_target(made).map(lambda target: {"op": "remove", **target})


def some_rewrite(made: Outline) -> st.SearchStrategy[dict[str, Any]]:
    return some_target(made).map(lambda target: {"op": "rewrite", **target, "title": "Rewritten"})
