"""The shape of a roadmap: its types, and how its hours become weeks."""

from collections.abc import Sequence
from itertools import pairwise
from pkgutil import resolve_name

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import ConceptBrief, DesignBrief
from roadmap.generation.llm.prompt import prompt
from roadmap.generation.llm.schemas import Draft
from roadmap.plan.outline import (
    CONTENT_KINDS,
    ContentKind,
    Outline,
    OutlineConcept,
    OutlineModule,
    OutlineStage,
    Quiz,
    Resource,
    Resources,
    Tutorial,
    total_weeks,
    weeks,
)
from roadmap.plan.schemas import RoadmapRequest
from testing.stack import ROOT
from tests.cases import try_each

GOAL = RoadmapRequest(goal="Become a backend engineer in Python")
HOURS = st.lists(st.integers(1, 200), min_size=1, max_size=60)
HOURS_PER_WEEK = st.integers(1, 80)


def concept(key: str, *prerequisites: str, hours: int = 4) -> OutlineConcept:
    return OutlineConcept(
        key=key,
        title=key.title(),
        description="What it is.",
        hours=hours,
        difficulty=2,
        prerequisites=prerequisites,
    )


def module(title: str, *concepts: OutlineConcept) -> OutlineModule:
    return OutlineModule(key=title, title=title, description="", concepts=concepts)


def stage(title: str, *modules: OutlineModule) -> OutlineStage:
    return OutlineStage(key=title, title=title, description="", modules=modules)


def outline(*concepts: OutlineConcept) -> Outline:
    return Outline(title="A roadmap", stages=(stage("First", module("Only", *concepts)),))


def of_hours(hours: Sequence[int]) -> Outline:
    """Concepts of these hours, spread over modules and stages of uneven sizes."""
    concepts = [concept(f"c{index}", hours=each) for index, each in enumerate(hours)]
    modules = [
        module(f"m{start}", *concepts[start : start + 3]) for start in range(0, len(concepts), 3)
    ]
    stages = [
        stage(f"s{start}", *modules[start : start + 6]) for start in range(0, len(modules), 6)
    ]
    return Outline(title="A roadmap", stages=tuple(stages))


@st.composite
def outlines(draw: st.DrawFn) -> Outline:
    """Small valid outlines, of so few keys and texts that two of them have much in common."""
    keys = [
        draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        for names in ("ABC", "MNOPQ", "abcdefgh")
    ]
    in_stage, in_module = (
        [draw(st.sampled_from(above)) for _ in below] for above, below in pairwise(keys)
    )
    text, number = st.sampled_from(["Loops", "Functions"]), st.integers(1, 3)
    earlier: list[str] = []

    def drawn(key: str) -> OutlineConcept:
        needed = (
            tuple(draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)))
            if earlier
            else ()
        )
        earlier.append(key)
        fields = {
            "title": draw(text),
            "description": draw(text),
            "hours": draw(number),
            "difficulty": draw(number),
        }
        return OutlineConcept(
            key=key,
            prerequisites=needed,
            outcomes=tuple(draw(st.lists(text, max_size=1))),
            **fields,
        )

    def filled(key: str) -> OutlineModule:
        inside = tuple(
            drawn(each) for each, parent in zip(keys[2], in_module, strict=True) if parent == key
        )
        return OutlineModule(key=key, title=draw(text), description=draw(text), concepts=inside)

    stages = tuple(
        OutlineStage(
            key=key,
            title=draw(text),
            description=draw(text),
            modules=tuple(
                filled(each)
                for each, parent in zip(keys[1], in_stage, strict=True)
                if parent == key
            ),
        )
        for key in keys[0]
    )
    return Outline(title=draw(text), stages=stages)


class TestWeeks:
    def test_a_concept_starts_in_the_week_in_which_the_hours_before_it_are_spent(self) -> None:
        made = outline(
            concept("a", hours=4),
            concept("b", hours=5),
            concept("c", hours=7),
            concept("d", hours=1),
        )
        assert weeks(made, 8) == {"a": 1, "b": 1, "c": 2, "d": 3}
        assert total_weeks(made, 8) == 3

    @given(HOURS, HOURS_PER_WEEK)
    def test_weeks_begin_with_the_first_and_never_decrease(
        self, hours: list[int], per_week: int
    ) -> None:
        made = of_hours(hours)
        of_concepts = list(weeks(made, per_week).values())
        assert of_concepts[0] == 1
        assert of_concepts == sorted(of_concepts)

    @given(HOURS, HOURS_PER_WEEK)
    def test_every_concept_has_a_week_within_the_total(
        self, hours: list[int], per_week: int
    ) -> None:
        made = of_hours(hours)
        of_concepts = weeks(made, per_week)
        assert list(of_concepts) == [each.key for each in made.concepts()]
        assert max(of_concepts.values()) <= total_weeks(made, per_week)

    @given(HOURS, HOURS_PER_WEEK)
    def test_the_hours_fit_into_the_weeks_and_no_week_is_spare(
        self, hours: list[int], per_week: int
    ) -> None:
        made = of_hours(hours)
        total = total_weeks(made, per_week)
        assert made.hours == sum(hours)
        assert (total - 1) * per_week < made.hours <= total * per_week

    @given(HOURS, HOURS_PER_WEEK, HOURS_PER_WEEK)
    def test_more_hours_a_week_never_start_anything_later(
        self, hours: list[int], one: int, other: int
    ) -> None:
        made = of_hours(hours)
        slow, fast = weeks(made, min(one, other)), weeks(made, max(one, other))
        assert all(fast[key] <= slow[key] for key in slow)

    @given(HOURS, HOURS_PER_WEEK)
    def test_a_concept_starts_after_all_hours_of_earlier_weeks_are_spent(
        self, hours: list[int], per_week: int
    ) -> None:
        spent = 0
        for week, each in zip(weeks(of_hours(hours), per_week).values(), hours, strict=True):
            assert (week - 1) * per_week <= spent < week * per_week
            spent += each


class TestTypes:
    @try_each(
        "changes",
        [
            {"hours": 0},
            {"hours": 201},
            {"difficulty": 0},
            {"difficulty": 6},
            {"key": ""},
            {"title": ""},
            {"title": "x" * 201},
        ],
    )
    def test_a_concept_out_of_range_is_refused(self, changes: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            OutlineConcept.model_validate({**concept("a").model_dump(), **changes})

    @try_each(
        "url",
        [
            *("ftp://example.org", "javascript:alert(1)", "example.org", "data:,x", ""),
            *("https://a b", "https://", "https:///a", "https://you:me@b.c"),
        ],
    )
    def test_a_resource_needs_a_web_address(self, url: str) -> None:
        with pytest.raises(ValidationError):
            Resource(title="t", url=url, type="article", language="en", why="w")

    def test_contents_are_never_empty(self) -> None:
        for shape, empty in (
            (Tutorial, {"markdown": ""}),
            (Resources, {"items": ()}),
            (Quiz, {"questions": ()}),
        ):
            with pytest.raises(ValidationError):
                shape.model_validate(empty)

    def test_nothing_of_an_outline_can_be_changed(self) -> None:
        made = concept("a")
        with pytest.raises(ValidationError, match="frozen"):
            made.hours = 5  # type: ignore[misc]


def test_what_a_kind_of_content_names_is_there() -> None:
    assert list(CONTENT_KINDS) == list(ContentKind)
    made = CatalogueGenerator().outline(DesignBrief(GOAL, CatalogueGenerator().analyse(GOAL)))
    concept = next(made.concepts())
    brief = ConceptBrief(
        GOAL, "", "", "", concept.key, concept.title, concept.description, concept.outcomes
    )
    for kind, entry in CONTENT_KINDS.items():
        assert type(CatalogueGenerator().write(kind, brief)) is entry.body
        assert issubclass(resolve_name(entry.draft), Draft)
        assert prompt(kind).text
        assert (ROOT / f"web/templates/kinds/{kind}.html").is_file()
