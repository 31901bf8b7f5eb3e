"""The shape of a roadmap: what its structural checks find, and how its hours become weeks."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from roadmap.outline import (
    MOST_CONCEPTS,
    Outline,
    OutlineConcept,
    OutlineModule,
    OutlineStage,
    Quiz,
    Resource,
    Resources,
    Tutorial,
    problems,
    total_weeks,
    weeks,
)

untimed = settings(deadline=None)  # a busy machine is no failure
HOURS = st.lists(st.integers(1, 200), min_size=1, max_size=60)
HOURS_PER_WEEK = st.integers(1, 80)


def concept(key: str, *prerequisites: str, hours: int = 4) -> OutlineConcept:
    return OutlineConcept(
        key=key, title=key.title(), description="What it is.", hours=hours, difficulty=2, prerequisites=prerequisites
    )


def module(title: str, *concepts: OutlineConcept) -> OutlineModule:
    return OutlineModule(title=title, description="", concepts=concepts)


def stage(title: str, *modules: OutlineModule) -> OutlineStage:
    return OutlineStage(title=title, description="", modules=modules)


def outline(*concepts: OutlineConcept) -> Outline:
    return Outline(title="A roadmap", stages=(stage("First", module("Only", *concepts)),))


def of_hours(hours: Sequence[int]) -> Outline:
    """Concepts of these hours, spread over modules and stages of uneven sizes."""
    concepts = [concept(f"c{index}", hours=each) for index, each in enumerate(hours)]
    modules = [module(f"m{start}", *concepts[start : start + 3]) for start in range(0, len(concepts), 3)]
    stages = [stage(f"s{start}", *modules[start : start + 2]) for start in range(0, len(modules), 2)]
    return Outline(title="A roadmap", stages=tuple(stages))


class TestProblems:
    def test_a_sound_outline_has_none(self) -> None:
        first = stage("First", module("Basics", concept("a"), concept("b", "a")), module("More", concept("c", "a", "b")))
        second = stage("Second", module("Rest", concept("d", "c")))
        assert problems(Outline(title="A roadmap", stages=(first, second))) == []

    def test_an_outline_without_stages_has_no_concept(self) -> None:
        assert problems(Outline(title="A roadmap", stages=())) == ["There is no concept."]

    def test_an_empty_stage_is_named(self) -> None:
        full = stage("Full", module("Basics", concept("a")))
        assert problems(Outline(title="A roadmap", stages=(full, stage("Bare")))) == ["Stage 'Bare' has no module."]

    def test_an_empty_module_is_named(self) -> None:
        made = Outline(title="A roadmap", stages=(stage("First", module("Basics", concept("a")), module("Bare")),))
        assert problems(made) == ["Module 'Bare' has no concept."]

    def test_a_key_that_is_used_twice_is_named_with_its_count(self) -> None:
        assert problems(outline(concept("a"), concept("b"), concept("a"), concept("a"))) == ["The key 'a' is used 3 times."]

    def test_a_key_that_is_used_twice_in_different_stages_is_found(self) -> None:
        made = Outline(
            title="A roadmap", stages=(stage("One", module("M", concept("a"))), stage("Two", module("N", concept("a"))))
        )
        assert problems(made) == ["The key 'a' is used 2 times."]

    def test_an_unknown_prerequisite_is_named(self) -> None:
        assert problems(outline(concept("a"), concept("b", "gone"))) == ["Concept 'b' needs 'gone', which does not exist."]

    def test_a_prerequisite_that_comes_later_is_named(self) -> None:
        assert problems(outline(concept("a", "b"), concept("b"))) == ["Concept 'a' needs 'b', which comes later or is itself."]

    def test_a_concept_that_needs_itself_is_named(self) -> None:
        assert problems(outline(concept("a", "a"))) == ["Concept 'a' needs 'a', which comes later or is itself."]

    @untimed
    @given(st.integers(2, 20))
    def test_every_cycle_is_found(self, length: int) -> None:
        ring = [concept(f"c{index}", f"c{(index + 1) % length}") for index in range(length)]
        found = problems(outline(*ring))
        assert len(found) == length - 1
        assert all("comes later" in problem for problem in found)

    def test_every_problem_is_told_not_only_the_first(self) -> None:
        made = outline(concept("a", "z", "b"), concept("b"), concept("b", "y"))
        found = problems(made)
        assert len(found) == 4
        assert any("'b' is used 2 times" in problem for problem in found)

    def test_there_is_a_limit_to_the_number_of_concepts(self) -> None:
        assert problems(of_hours([1] * MOST_CONCEPTS)) == []
        assert problems(of_hours([1] * (MOST_CONCEPTS + 1))) == ["There are 201 concepts; at most 200 are allowed."]

    @untimed
    @given(st.data())
    def test_an_outline_that_only_looks_back_has_no_problem(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, 30))
        needs = [data.draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set() for index in range(count)]
        concepts = [concept(f"c{index}", *(f"c{needed}" for needed in needs[index])) for index in range(count)]
        assert problems(outline(*concepts)) == []

    @untimed
    @given(st.data())
    def test_one_wrong_prerequisite_among_good_ones_is_the_one_that_is_told(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, 15))
        wrong = data.draw(st.integers(0, count - 1))
        target = data.draw(st.integers(wrong, count))  # itself, a later one, or one past the end
        concepts = [
            concept(f"c{index}", *([f"c{index - 1}"] if index else []), *([f"c{target}"] if index == wrong else []))
            for index in range(count)
        ]
        (found,) = problems(outline(*concepts))
        assert f"'c{wrong}' needs 'c{target}'" in found
        assert ("does not exist" in found) == (target == count)


class TestWeeks:
    def test_a_concept_starts_in_the_week_in_which_the_hours_before_it_are_spent(self) -> None:
        made = outline(concept("a", hours=4), concept("b", hours=5), concept("c", hours=7), concept("d", hours=1))
        assert weeks(made, 8) == {"a": 1, "b": 1, "c": 2, "d": 3}
        assert total_weeks(made, 8) == 3

    @untimed
    @given(HOURS, HOURS_PER_WEEK)
    def test_weeks_begin_with_the_first_and_never_decrease(self, hours: list[int], per_week: int) -> None:
        made = of_hours(hours)
        of_concepts = list(weeks(made, per_week).values())
        assert of_concepts[0] == 1
        assert of_concepts == sorted(of_concepts)

    @untimed
    @given(HOURS, HOURS_PER_WEEK)
    def test_every_concept_has_a_week_within_the_total(self, hours: list[int], per_week: int) -> None:
        made = of_hours(hours)
        of_concepts = weeks(made, per_week)
        assert list(of_concepts) == [each.key for each in made.concepts()]
        assert max(of_concepts.values()) <= total_weeks(made, per_week)

    @untimed
    @given(HOURS, HOURS_PER_WEEK)
    def test_the_hours_fit_into_the_weeks_and_no_week_is_spare(self, hours: list[int], per_week: int) -> None:
        made = of_hours(hours)
        total = total_weeks(made, per_week)
        assert made.hours == sum(hours)
        assert (total - 1) * per_week < made.hours <= total * per_week

    @untimed
    @given(HOURS, HOURS_PER_WEEK, HOURS_PER_WEEK)
    def test_more_hours_a_week_never_start_anything_later(self, hours: list[int], one: int, other: int) -> None:
        made = of_hours(hours)
        slow, fast = weeks(made, min(one, other)), weeks(made, max(one, other))
        assert all(fast[key] <= slow[key] for key in slow)

    @untimed
    @given(HOURS, HOURS_PER_WEEK)
    def test_a_concept_starts_after_all_hours_of_earlier_weeks_are_spent(self, hours: list[int], per_week: int) -> None:
        spent = 0
        for week, each in zip(weeks(of_hours(hours), per_week).values(), hours, strict=True):
            assert (week - 1) * per_week <= spent < week * per_week
            spent += each


class TestTypes:
    @pytest.mark.parametrize(
        "changes",
        [{"hours": 0}, {"hours": 201}, {"difficulty": 0}, {"difficulty": 6}, {"key": ""}, {"title": ""}, {"title": "x" * 201}],
    )
    def test_a_concept_out_of_range_is_refused(self, changes: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            OutlineConcept.model_validate({**concept("a").model_dump(), **changes})

    @pytest.mark.parametrize("url", ["ftp://example.org", "javascript:alert(1)", "example.org", "https://a b", "", "data:,x"])
    def test_a_resource_needs_a_web_address(self, url: str) -> None:
        with pytest.raises(ValidationError):
            Resource(title="t", url=url, type="article", language="en", why="w")

    def test_contents_are_never_empty(self) -> None:
        for shape, empty in ((Tutorial, {"markdown": ""}), (Resources, {"items": ()}), (Quiz, {"questions": ()})):
            with pytest.raises(ValidationError):
                shape.model_validate(empty)

    def test_nothing_of_an_outline_can_be_changed(self) -> None:
        made = concept("a")
        with pytest.raises(ValidationError, match="frozen"):
            made.hours = 5  # type: ignore[misc]
