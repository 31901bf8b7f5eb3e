"""Checks without a model: one sentence per problem or doubt, none if sound."""

import math
from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.catalogue.loader import tracks
from roadmap.generation.context import DesignBrief
from roadmap.plan.outline import Level, Outline, OutlineConcept, OutlineModule, OutlineStage
from roadmap.plan.schemas import MOST_HOURS_PER_WEEK, RoadmapRequest
from roadmap.plan.validation import (
    LONGEST_DESCRIPTION,
    LONGEST_OUTCOME,
    MOST_CONCEPTS,
    MOST_OUTCOMES,
    MOST_PREREQUISITES,
    MOST_STAGES,
    doubts,
    problems,
    quoted,
)
from tests.cases import try_each
from tests.unit.roadmap.plan.test_outline import concept, module, of_hours, outline, outlines, stage

TODAY = date(2026, 8, 1)
CLOSING = ["", "!", ".", "?", ":", "...", "。", "！"]
BETWEEN = [" ", ", ", "  ", " - ", " — ", "/", ": ", " (", "、"]


def named(key: str, title: str) -> OutlineConcept:
    return concept(key).model_copy(update={"title": title})


def of_titles(*titles: str) -> Outline:
    return outline(*(named(f"c{index}", title) for index, title in enumerate(titles)))


def of_difficulties(**stages: list[int]) -> Outline:
    """Stages of these names, with a concept of each difficulty."""
    made = []
    for name, difficulties in stages.items():
        inside = [
            concept(f"{name}{at}").model_copy(update={"difficulty": each})
            for at, each in enumerate(difficulties)
        ]
        made.append(stage(name, module(f"module of {name}", *inside)))
    return Outline(title="A roadmap", stages=tuple(made))


def doubts_without_deadline(made: Outline) -> list[str]:
    return doubts(made, hours_per_week=8, deadline=None, today=TODAY)


class TestProblems:
    def test_a_sound_outline_has_none(self) -> None:
        first = stage(
            "First",
            module("Basics", concept("a"), concept("b", "a")),
            module("More", concept("c", "a", "b")),
        )
        second = stage("Second", module("Rest", concept("d", "c")))
        assert problems(Outline(title="A roadmap", stages=(first, second))) == []

    def test_an_outline_without_stages_has_no_concept(self) -> None:
        assert problems(Outline(title="A roadmap", stages=())) == ["There is no concept."]

    def test_an_empty_stage_is_named(self) -> None:
        full = stage("Full", module("Basics", concept("a")))
        assert problems(Outline(title="A roadmap", stages=(full, stage("Bare")))) == [
            "Stage 'Bare' has no module."
        ]

    def test_an_empty_module_is_named(self) -> None:
        made = Outline(
            title="A roadmap",
            stages=(stage("First", module("Basics", concept("a")), module("Bare")),),
        )
        assert problems(made) == ["Module 'Bare' has no concept."]

    def test_a_key_that_is_used_twice_is_named_with_its_count(self) -> None:
        assert problems(outline(concept("a"), concept("b"), concept("a"), concept("a"))) == [
            "The key 'a' is used 3 times."
        ]

    def test_a_key_that_is_used_twice_in_different_stages_is_found(self) -> None:
        made = Outline(
            title="A roadmap",
            stages=(
                stage("One", module("M", concept("a"))),
                stage("Two", module("N", concept("a"))),
            ),
        )
        assert problems(made) == ["The key 'a' is used 2 times."]

    def test_an_unknown_prerequisite_is_named(self) -> None:
        assert problems(outline(concept("a"), concept("b", "gone"))) == [
            "Concept 'b' needs 'gone', which does not exist."
        ]

    def test_a_prerequisite_that_comes_later_is_named(self) -> None:
        assert problems(outline(concept("a", "b"), concept("b"))) == [
            "Concept 'a' needs 'b', which comes later or is itself."
        ]

    def test_a_concept_that_needs_itself_is_named(self) -> None:
        assert problems(outline(concept("a", "a"))) == [
            "Concept 'a' needs 'a', which comes later or is itself."
        ]

    @given(st.integers(2, 20))
    def test_every_cycle_is_found(self, length: int) -> None:
        ring = [concept(f"c{index}", f"c{(index + 1) % length}") for index in range(length)]
        found = problems(outline(*ring))
        assert len(found) == length - 1
        assert all("comes later" in problem for problem in found)

    def test_every_problem_has_a_sentence_not_only_the_first(self) -> None:
        made = outline(concept("a", "z", "b"), concept("b"), concept("b", "y"))
        found = problems(made)
        assert len(found) == 4
        assert any("'b' is used 2 times" in problem for problem in found)

    def test_there_is_a_limit_to_the_number_of_concepts(self) -> None:
        assert problems(of_hours([1] * MOST_CONCEPTS)) == []
        assert problems(of_hours([1] * (MOST_CONCEPTS + 1))) == [
            "There are 201 concepts; at most 200 are allowed."
        ]

    @given(st.data())
    def test_an_outline_that_only_looks_back_has_no_problem(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, 30))
        needs = [
            data.draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
            for index in range(count)
        ]
        concepts = [
            concept(f"c{index}", *(f"c{needed}" for needed in needs[index]))
            for index in range(count)
        ]
        assert problems(outline(*concepts)) == []

    @given(st.data())
    def test_one_wrong_prerequisite_among_good_ones_is_the_only_problem(
        self, data: st.DataObject
    ) -> None:
        count = data.draw(st.integers(1, 15))
        wrong = data.draw(st.integers(0, count - 1))
        target = data.draw(st.integers(wrong, count))  # itself, a later one, or one past the end
        concepts = [
            concept(
                f"c{index}",
                *([f"c{index - 1}"] if index else []),
                *([f"c{target}"] if index == wrong else []),
            )
            for index in range(count)
        ]
        (found,) = problems(outline(*concepts))
        assert f"'c{wrong}' needs 'c{target}'" in found
        assert ("does not exist" in found) == (target == count)


class TestRepeatedKeys:
    def test_a_key_of_two_stages_is_named_with_its_count(self) -> None:
        other = OutlineStage(
            key="a", title="Other", description="", modules=(module("n", concept("d")),)
        )
        made = Outline(title="A roadmap", stages=(stage("a", module("m", concept("c"))), other))
        assert problems(made) == ["The stage key 'a' is used 2 times."]

    def test_a_key_of_modules_in_different_stages_is_named_with_its_count(self) -> None:
        stages = tuple(
            stage(f"s{index}", module("basics", concept(f"c{index}"))) for index in range(3)
        )
        assert problems(Outline(title="A roadmap", stages=stages)) == [
            "The module key 'basics' is used 3 times."
        ]

    def test_a_stage_a_module_and_a_concept_may_share_a_key(self) -> None:
        made = Outline(
            title="A roadmap", stages=(stage("loops", module("loops", concept("loops"))),)
        )
        assert problems(made) == []

    def test_copies_with_the_same_key_and_title_are_one_problem(self) -> None:
        assert problems(outline(*[concept("loops")] * 40)) == ["The key 'loops' is used 40 times."]


class TestRepeatedTitles:
    def test_forty_concepts_with_the_same_name_are_one_sentence(self) -> None:
        assert problems(of_titles(*["Loops"] * 40)) == [
            "The concept title 'Loops' is used 40 times."
        ]

    def test_a_title_is_counted_over_the_whole_roadmap(self) -> None:
        stages = tuple(
            stage(f"s{at}", module(f"m{at}", named(f"c{at}", "Loops"))) for at in range(3)
        )
        assert problems(Outline(title="A roadmap", stages=stages)) == [
            "The concept title 'Loops' is used 3 times."
        ]

    def test_each_group_is_one_sentence_with_its_first_spelling(self) -> None:
        made = of_titles("Loops", "Error handling", "LOOPS!", "Sets", "handling, error", "loops")
        assert problems(made) == [
            "The concept title 'Loops' is used 3 times.",
            "The concept title 'Error handling' is used 2 times.",
        ]

    @try_each(
        ("one", "other"),
        [
            ("Loops and functions", "Functions and loops"),
            ("Straße", "STRASSE"),
            ("Ｌｏｏｐｓ", "Loops"),
            ("café", "cafe\u0301"),
            ("The first ㎅", "the first kb"),
            ("Error-handling", "Error handling"),
            ("“Hello, world”", "hello world"),
            ("循环：函数", "函数，循环"),
            ("循环与函数", "循环与函数。"),
            ("Основы Python", "python: основы"),
            ("??", "？？"),
        ],
    )
    def test_titles_that_mean_the_same_are_found(self, one: str, other: str) -> None:
        assert problems(of_titles(one, other)) == [f"The concept title '{one}' is used 2 times."]

    @try_each(
        ("one", "other"),
        [
            ("Classes in C", "Classes in C++"),
            ("Classes in C", "Classes in C#"),
            ("A search", "A* search"),
            ("The & operator", "The % operator"),
            ("循环", "函数"),
            ("循环与函数", "函数与循环"),
            ("Loops", "Loops 2"),
            ("!", "?"),
            ("Loop", "Loops"),
        ],
    )
    def test_titles_that_mean_something_else_are_not(self, one: str, other: str) -> None:
        assert problems(of_titles(one, other)) == []

    @given(st.data())
    def test_case_order_and_punctuation_make_no_new_title(self, data: st.DataObject) -> None:
        words = data.draw(
            st.lists(
                st.sampled_from(["loops", "über", "функции", "循环", "2", "c++"]),
                min_size=1,
                max_size=5,
            )
        )

        def spelled() -> str:
            text = ""
            for word in data.draw(st.permutations(words)):
                case = data.draw(st.sampled_from([str.upper, str.lower, str.title]))
                text += (data.draw(st.sampled_from(BETWEEN)) if text else "") + case(word)
            return text + data.draw(st.sampled_from(CLOSING))

        titles = [spelled() for _ in range(data.draw(st.integers(2, 5)))]
        assert problems(of_titles(*titles)) == [
            f"The concept title '{titles[0]}' is used {len(titles)} times."
        ]

    def test_modules_of_one_stage_are_compared(self) -> None:
        twin = OutlineModule(key="twin", title="basics!", description="", concepts=(concept("b"),))
        made = Outline(
            title="A roadmap", stages=(stage("First", module("Basics", concept("a")), twin),)
        )
        assert problems(made) == ["The module title 'Basics' is used 2 times in stage 'First'."]

    def test_modules_of_different_stages_are_not(self) -> None:
        twin = OutlineModule(key="twin", title="Basics", description="", concepts=(concept("b"),))
        made = Outline(
            title="A roadmap",
            stages=(stage("First", module("Basics", concept("a"))), stage("Second", twin)),
        )
        assert problems(made) == []

    def test_stages_are_compared(self) -> None:
        twin = OutlineStage(
            key="twin", title="first", description="", modules=(module("N", concept("b")),)
        )
        made = Outline(title="A roadmap", stages=(stage("First", module("M", concept("a"))), twin))
        assert problems(made) == ["The stage title 'First' is used 2 times."]


class TestBounds:
    def test_there_is_a_limit_to_the_number_of_stages(self) -> None:
        stages = [
            stage(f"s{at}", module(f"m{at}", concept(f"c{at}"))) for at in range(MOST_STAGES + 1)
        ]
        assert problems(Outline(title="A roadmap", stages=tuple(stages[:-1]))) == []
        assert problems(Outline(title="A roadmap", stages=tuple(stages))) == [
            "There are 21 stages; at most 20 are allowed."
        ]

    @pytest.mark.parametrize("kind", ["stage", "module", "concept"])
    def test_there_is_a_limit_to_a_description_of_each_kind(self, kind: str) -> None:
        def described(length: int) -> Outline:
            texts = {
                each: "x" * length if each == kind else ""
                for each in ("stage", "module", "concept")
            }
            inside = concept("c").model_copy(
                update={"title": "The concept", "description": texts["concept"]}
            )
            between = OutlineModule(
                key="m", title="The module", description=texts["module"], concepts=(inside,)
            )
            around = OutlineStage(
                key="s", title="The stage", description=texts["stage"], modules=(between,)
            )
            return Outline(title="A roadmap", stages=(around,))

        assert problems(described(LONGEST_DESCRIPTION)) == []
        assert problems(described(LONGEST_DESCRIPTION + 1)) == [
            f"The description of {kind} 'The {kind}' has 2001 characters; at most 2000 are allowed."
        ]

    def test_there_is_a_limit_to_the_number_of_outcomes(self) -> None:
        def made(count: int) -> Outline:
            return outline(concept("loops").model_copy(update={"outcomes": ("write one",) * count}))

        assert problems(made(MOST_OUTCOMES)) == []
        assert problems(made(MOST_OUTCOMES + 1)) == [
            "Concept 'Loops' has 13 outcomes; at most 12 are allowed."
        ]

    def test_there_is_a_limit_to_an_outcome_and_the_one_that_is_too_long_is_named(self) -> None:
        def made(length: int) -> Outline:
            return outline(
                concept("loops").model_copy(update={"outcomes": ("write one", "x" * length)})
            )

        assert problems(made(LONGEST_OUTCOME)) == []
        assert problems(made(LONGEST_OUTCOME + 1)) == [
            "Outcome 2 of concept 'Loops' has 301 characters; at most 300 are allowed."
        ]

    def test_there_is_a_limit_to_the_number_of_prerequisites(self) -> None:
        earlier = [concept(f"c{at}") for at in range(MOST_PREREQUISITES + 1)]
        keys = [each.key for each in earlier]
        assert problems(outline(*earlier, concept("last", *keys[:-1]))) == []
        assert problems(outline(*earlier, concept("last", *keys))) == [
            "Concept 'last' has 21 prerequisites; at most 20 are allowed."
        ]

    def test_a_prerequisite_that_is_named_twice_is_a_problem_with_its_count(self) -> None:
        made = outline(concept("a"), concept("b"), concept("c", "a", "b", "a", "a"))
        assert problems(made) == ["Concept 'c' names the prerequisite 'a' 3 times."]

    def test_what_else_is_wrong_with_a_prerequisite_that_is_named_twice_is_one_problem(
        self,
    ) -> None:
        assert problems(outline(concept("a", "gone", "gone"))) == [
            "Concept 'a' names the prerequisite 'gone' 2 times.",
            "Concept 'a' needs 'gone', which does not exist.",
        ]


class TestQuotes:
    def test_a_text_of_eighty_characters_is_quoted_whole_and_a_longer_one_is_cut(self) -> None:
        assert quoted("x" * 80) == f"'{'x' * 80}'"
        assert quoted("x" * 81) == f"'{'x' * 79}…'"

    def test_no_sentence_quotes_a_long_text_whole(self) -> None:
        long, key = "x" * 200, "k" * 200
        far = "y" * 100_000
        inside = (
            named(key, long),
            named("other", long).model_copy(update={"prerequisites": (far, far), "difficulty": 1}),
        )
        full = OutlineModule(key=key, title=long, description="d" * 3000, concepts=inside)
        bare = OutlineModule(key=key, title=long, description="", concepts=())
        stages = [
            OutlineStage(key=key, title=long, description="", modules=each)
            for each in ((full, bare), ())
        ]
        found = problems(Outline(title=long, stages=tuple(stages)))
        assert len(found) == 8
        assert max(map(len, found)) <= 250


class TestDoubtsAboutHours:
    def test_hours_that_do_not_fit_come_with_the_hours_there_are_and_what_would_fit(
        self,
    ) -> None:
        deadline = TODAY + timedelta(days=26)
        assert doubts(of_hours([148]), hours_per_week=8, deadline=deadline, today=TODAY) == [
            "148 hours do not fit into the 29 hours until 2026-08-27 at 8 hours a week; "
            "cut, or plan 40 hours a week."
        ]

    def test_more_hours_a_week_than_can_be_asked_for_are_not_advised(self) -> None:
        deadline = TODAY + timedelta(days=7)
        (most,) = doubts(of_hours([80]), hours_per_week=8, deadline=deadline, today=TODAY)
        assert most.endswith("; cut, or plan 80 hours a week.")
        assert doubts(of_hours([148]), hours_per_week=8, deadline=deadline, today=TODAY) == [
            "148 hours do not fit into the 8 hours until 2026-08-08 at 8 hours a week; "
            "cut, or take 19 weeks."
        ]

    def test_the_most_hours_that_are_advised_are_the_most_that_can_be_asked_for(self) -> None:
        assert RoadmapRequest(goal="Loops", hours_per_week=MOST_HOURS_PER_WEEK).hours_per_week == 80
        with pytest.raises(ValidationError):
            RoadmapRequest(goal="Loops", hours_per_week=MOST_HOURS_PER_WEEK + 1)

    def test_a_deadline_within_a_week_leaves_the_hours_of_a_week(self) -> None:
        tomorrow = TODAY + timedelta(days=1)
        assert doubts(of_hours([8]), hours_per_week=8, deadline=tomorrow, today=TODAY) == []
        assert doubts(of_hours([9]), hours_per_week=8, deadline=tomorrow, today=TODAY) == [
            "9 hours do not fit into the 8 hours until 2026-08-02 at 8 hours a week; "
            "cut, or plan 9 hours a week."
        ]

    @pytest.mark.parametrize("days", [0, -1, -400])
    def test_a_deadline_that_has_passed_is_a_doubt(self, days: int) -> None:
        deadline = TODAY + timedelta(days=days)
        found = doubts(of_hours([4]), hours_per_week=8, deadline=deadline, today=TODAY)
        assert found == [f"4 hours do not fit: the deadline {deadline} has passed."]

    def test_without_a_deadline_all_hours_fit(self) -> None:
        assert doubts(of_hours([200] * 60), hours_per_week=1, deadline=None, today=TODAY) == []

    @given(st.integers(1, 3000), st.integers(1, 80), st.integers(7, 3650))
    def test_the_hours_fit_exactly_when_their_share_of_each_day_does(
        self, hours: int, per_week: int, days: int
    ) -> None:
        made = of_hours([100] * (hours // 100) + ([hours % 100] if hours % 100 else []))
        found = doubts(
            made, hours_per_week=per_week, deadline=TODAY + timedelta(days=days), today=TODAY
        )
        assert bool(found) == (hours * 7 > per_week * days)

    @given(st.integers(1, 3000), st.integers(1, 80), st.integers(1, 3650))
    def test_the_hours_a_week_that_are_advised_are_the_fewest_that_fit(
        self, hours: int, per_week: int, days: int
    ) -> None:
        made, deadline = (
            of_hours([100] * (hours // 100) + [hours % 100 or 100]),
            TODAY + timedelta(days=days),
        )
        enough = -(-made.hours * 7 // max(days, 7))
        assert doubts(made, hours_per_week=enough, deadline=deadline, today=TODAY) == []
        if enough > 1:
            (found,) = doubts(made, hours_per_week=enough - 1, deadline=deadline, today=TODAY)
            advice = (
                f"plan {enough} hours a week."
                if enough <= 80
                else f"take {math.ceil(made.hours / (enough - 1))} weeks."
            )
            assert found.endswith(f"; cut, or {advice}")


class TestDoubtsAboutDifficulty:
    def test_a_stage_that_is_easier_than_the_one_before_is_a_doubt_with_both_names(self) -> None:
        assert doubts_without_deadline(of_difficulties(hard=[4, 5], easy=[2, 1, 1])) == [
            "Stage 'easy' is easier than stage 'hard' before it: mean difficulty 1.3 after 4.5."
        ]

    def test_each_fall_is_a_doubt_and_only_falls(self) -> None:
        found = doubts_without_deadline(
            of_difficulties(one=[3], two=[2], three=[5], four=[5], five=[1])
        )
        assert [sentence.split(":")[0] for sentence in found] == [
            "Stage 'two' is easier than stage 'one' before it",
            "Stage 'five' is easier than stage 'four' before it",
        ]

    def test_a_fall_within_the_tolerance_is_none(self) -> None:
        assert doubts_without_deadline(of_difficulties(one=[3, 3, 3, 3], two=[3, 3, 3, 2])) == []
        assert len(doubts_without_deadline(of_difficulties(one=[3, 3, 3], two=[3, 3, 2]))) == 1

    @given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=6), min_size=1, max_size=8))
    def test_stages_in_the_order_of_their_mean_difficulty_are_never_in_doubt(
        self, stages: list[list[int]]
    ) -> None:
        rising = sorted(stages, key=lambda each: sum(each) / len(each))
        assert (
            doubts_without_deadline(
                of_difficulties(**{f"s{at}": each for at, each in enumerate(rising)})
            )
            == []
        )

    @try_each(("needed", "expected"), [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1)])
    def test_a_prerequisite_that_is_harder_by_two_is_a_doubt(
        self, needed: int, expected: int
    ) -> None:
        first, last = concept("first"), concept("last", "first")
        made = outline(first.model_copy(update={"difficulty": needed}), last)
        sentence = f"Concept 'Last' of difficulty 2 needs 'First' of difficulty {needed}."
        assert doubts_without_deadline(made) == [sentence] * expected

    def test_a_prerequisite_that_does_not_exist_is_no_doubt(self) -> None:
        assert doubts_without_deadline(outline(concept("a", "gone"))) == []

    @given(outlines())
    def test_doubts_are_complete_for_every_outline(self, made: Outline) -> None:
        difficulty = {each.key: each.difficulty for each in made.concepts()}
        steep = [(each.key, key) for each in made.concepts() for key in each.prerequisites]
        steep = [
            (key, needed) for key, needed in steep if difficulty[needed] >= difficulty[key] + 2
        ]
        assert sum("Concept" in sentence for sentence in doubts_without_deadline(made)) == len(
            steep
        )


class TestCatalogue:
    def test_no_track_has_a_problem_or_a_doubt_at_any_level(self) -> None:
        wrong = []
        for title, level in product((track.title for track in tracks().values()), Level):
            request = RoadmapRequest(goal=title, level=level)
            made = CatalogueGenerator().outline(
                DesignBrief(request, CatalogueGenerator().analyse(request))
            )
            wrong += [
                f"{title}, {level}: {text}"
                for text in (*problems(made), *doubts_without_deadline(made))
            ]
        assert wrong == []
