"""An outline stage by stage: for a small model, and where stages came without modules."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.settings import ModelProfile
from roadmap.generation.context import DesignBrief, GeneratorFault
from roadmap.generation.llm.generator import ModelGenerator
from roadmap.generation.llm.outline_in_stages import LARGE, SMALL, Size
from roadmap.generation.llm.prompt import prompt
from roadmap.lifecycle.making import plan_job
from roadmap.plan.outline import Analysis, ContentKind, Outline
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.validation import problems
from testing.provider import MODEL, Handler, Provider, completion, providing
from testing.waiting import HANG
from tests.cases import try_each
from tests.unit.roadmap.lifecycle.test_jobs import accepted, the_roadmap

ANALYSED = {"aim": "To bake bread.", "known": [], "subjects": ["Flour"], "assumptions": []}
TITLES = {
    "title": "Baking bread",
    "stages": [
        {"title": "Dough", "description": "What holds bread together."},
        {"title": "Heat", "description": "What makes it bread."},
    ],
}
BRIEF = DesignBrief(RoadmapRequest(goal="Bake bread"), Analysis(aim="To bake bread."))


def concept(title: str, *prerequisites: str, **changes: Any) -> dict[str, Any]:
    fields = {"title": title, "description": "What it is.", "hours": 3, "difficulty": 2}
    return {**fields, "prerequisites": list(prerequisites), "outcomes": ["do it"], **changes}


def stage(*concepts: dict[str, Any], title: str = "Basics") -> dict[str, Any]:
    module = {"title": title, "description": "The first steps.", "concepts": list(concepts)}
    return {"modules": [module]}


STAGES = {
    "Dough": stage(concept("Flour"), concept("Kneading", "Flour")),
    "Heat": stage(concept("Oven", "kneading", "Unheard of")),
}


def kind_of(request: dict[str, Any]) -> str:
    name: str = request["response_format"]["json_schema"]["name"]
    return name


def facts_of(request: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(request["messages"][1]["content"])
    return facts


def answers(**changes: Any) -> Callable[[Handler], None]:
    """A small model that follows its instructions; `changes` are stages by title."""

    def answer(handler: Handler) -> None:
        kind = kind_of(handler.asked)
        if kind == "StagePart":
            words = {**STAGES, **changes}[facts_of(handler.asked)["stage"]["title"]]
        else:
            words = {"AnalysisDraft": ANALYSED, "TitlesDraft": TITLES}[kind]
        handler.say(200, completion(json.dumps(words)))

    return answer


def generator(provider: Provider, profile: ModelProfile = ModelProfile.small) -> ModelGenerator:
    return ModelGenerator(
        key="k",
        base_url=provider.url,
        model=MODEL,
        timeout=HANG,
        concurrency=1,
        profile=profile,
    )


def outline_by(made: ModelGenerator, brief: DesignBrief = BRIEF) -> Outline:
    outline = made.outline(brief)
    while not all(each.modules for each in outline.stages):
        outline = made.fill(brief, outline)
    return outline


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing(answers()) as server:
        yield server


class TestParts:
    def test_the_parts_become_a_sound_outline_in_a_call_for_each_stage(
        self, provider: Provider
    ) -> None:
        made = outline_by(generator(provider))
        assert problems(made) == []
        assert [each.key for each in made.stages] == ["dough", "heat"]
        assert [each.key for each in made.modules()] == ["basics", "basics-2"]
        assert [(each.key, each.prerequisites) for each in made.concepts()] == [
            ("flour", ()),
            ("kneading", ("flour",)),
            ("oven", ("kneading",)),
        ]
        kinds = [kind_of(request) for request in provider.requests]
        assert kinds == ["TitlesDraft", "StagePart", "StagePart"]
        last = facts_of(provider.requests[-1])
        assert last["outline"] == [
            {"stage": "Dough", "concepts": ["Flour", "Kneading"]},
            {"stage": "Heat", "concepts": []},
        ]
        assert last["stage"]["title"] == "Heat"

    def test_what_repeats_or_is_out_of_bounds_is_put_right_without_another_call(self) -> None:
        wild = stage(
            concept("Oven", hours=3000, difficulty=-7),
            concept("FLOUR!", "Oven"),
            concept("Crust", "Crust", "oven", "Oven", outcomes=["see"]),
            title="Baking",
        )
        with providing(answers(Heat=wild)) as provider:
            made = outline_by(generator(provider))
        assert problems(made) == []
        assert [
            (each.key, each.hours, each.difficulty, each.prerequisites) for each in made.concepts()
        ][2:] == [("oven", 20, 1, ()), ("crust", 3, 2, ("oven",))]
        assert len(provider.requests) == 3

    def test_a_stage_without_anything_new_is_asked_for_once_more_and_given_up(self) -> None:
        with providing(answers(Heat=stage(concept("flour"), concept("Kneading")))) as provider:
            with pytest.raises(GeneratorFault, match="name new ones"):
                outline_by(generator(provider))
            assert len(provider.requests) == 4

    def test_the_hours_until_the_deadline_limit_number_and_hours_of_concepts(
        self, provider: Provider
    ) -> None:
        deadline = clock.now().date() + timedelta(days=14)
        request = RoadmapRequest(goal="Bake bread", hours_per_week=2, deadline=deadline)
        made = outline_by(generator(provider), DesignBrief(request, BRIEF.analysis))
        assert [each.hours for each in made.concepts()] == [2, 2]
        schema = provider.requests[0]["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["stages"]["maxItems"] == 1  # which this model has not kept to

    def test_a_title_without_ascii_letters_gets_a_key(self) -> None:
        titles = {"Dough": stage(concept("面粉"), concept("揉面", "面粉"), title="基础")}
        with providing(answers(**titles)) as provider:
            made = outline_by(generator(provider))
        assert [each.key for each in made.concepts()][:2] == ["concept-1", "concept-2"]


class TestFallback:
    def test_an_outline_that_is_cut_off_is_asked_for_stage_by_stage(self) -> None:
        def answer(handler: Handler) -> None:
            if handler.asked["messages"][0]["content"] == prompt("outline").text:
                handler.say(200, completion('{"title": "Bak', finish_reason="length"))
            else:
                answers()(handler)

        with providing(answer) as provider:
            made = outline_by(generator(provider, ModelProfile.large))
        kinds = [kind_of(request) for request in provider.requests if "response_format" in request]
        assert kinds == ["OutlineDraft", "TitlesDraft", "StagePart", "StagePart"]
        assert len(provider.requests) == 6  # two continuations, which have no form
        assert problems(made) == []

    def test_a_small_model_is_sent_short_prompts_and_forms(self, provider: Provider) -> None:
        for profile in (ModelProfile.large, ModelProfile.small):
            generator(provider, profile).analyse(BRIEF.request)
        large, small = (
            request["response_format"]["json_schema"]["schema"]["properties"]
            for request in provider.requests
        )
        assert (large["subjects"]["maxItems"], small["subjects"]["maxItems"]) == (15, 4)
        assert (large["aim"]["maxLength"], small["aim"]["maxLength"]) == (400, 200)
        for kind in ContentKind:
            shorter = prompt(kind, small=True)
            assert len(shorter.text) < len(prompt(kind).text) / 2
            assert shorter.version != prompt(kind).version


@try_each(
    ("hours", "small", "large"),
    [
        (None, SMALL, LARGE),
        (1, (1, 1, 1), (1, 1, 1)),
        (2, (1, 1, 2), (1, 1, 2)),
        (20, (2, 2, 3), (2, 3, 3)),
        (500, SMALL, LARGE),
    ],
)
def test_the_size_of_an_outline_fits_its_hours(hours: int | None, small: Size, large: Size) -> None:
    assert (SMALL.within(hours), LARGE.within(hours)) == (small, large)


@pytest.mark.usefixtures("immediate")
class TestPlanning:
    def test_a_retry_goes_on_behind_the_last_saved_stage(self) -> None:
        fails = iter([True])

        def answer(handler: Handler) -> None:
            if len(provider.requests) == 4 and next(fails):
                handler.say(500, b'{"error": {"message": "Broken for a moment."}}')
            else:
                answers()(handler)

        with providing(answer) as provider:
            made, roadmap_id = generator(provider), accepted(language="en")
            for _ in range(2):
                plan_job.plan(roadmap_id, made)
                clock.travel(timedelta(minutes=5))
        kinds = [kind_of(request) for request in provider.requests]
        assert kinds == ["AnalysisDraft", "TitlesDraft", *["StagePart"] * 3]
        assert the_roadmap(roadmap_id).title == "Baking bread"
