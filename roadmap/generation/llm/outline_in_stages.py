"""Outline in parts: the titles of its stages, then one stage at a time.

For models with little room for an answer. Keys are made here, what repeats is left out, and
prerequisites are titles of earlier concepts, so that the parts fit together without a repair.
"""

from functools import lru_cache
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, create_model

from core.sanitize import one_line, plain
from roadmap.generation.llm.schemas import CapstoneField, Draft, Several, sized, up_to, whole
from roadmap.plan.outline import (
    Outline,
    OutlineConcept,
    OutlineModule,
    OutlineStage,
    made_key,
)
from roadmap.plan.validation import meaning

Heading = Annotated[
    str,
    AfterValidator(one_line),
    AfterValidator(lambda text: text[:200]),
    up_to(100),
]
Summary = Annotated[
    str,
    AfterValidator(plain),
    AfterValidator(lambda text: text[:1000]),
    up_to(300),
]


def _between(least: int, most: int) -> AfterValidator:
    return AfterValidator(lambda number: min(max(number, least), most))


class Size(NamedTuple):
    """Most stages of an outline, modules of a stage and concepts of a module."""

    stages: int
    modules: int
    concepts: int

    def within(self, hours: int | None) -> "Size":
        """Return the size for so many hours of learning: a concept takes one at least."""
        if hours is None:
            return self
        stages = min(self.stages, max(1, hours // 8))
        modules = min(self.modules, max(1, hours // stages // 3))
        return Size(stages, modules, min(self.concepts, max(1, hours // stages // modules)))


MOST_NEEDED, MOST_OUTCOMES = 5, 4  # of a concept
LARGE, SMALL = Size(6, 4, 6), Size(4, 2, 3)


class StageTitle(Draft):
    title: Heading
    description: Summary


class TitlesDraft(Draft):
    title: Heading
    stages: Several[StageTitle]

    def to_outline(self, size: Size) -> Outline:
        """Return an outline whose stages are still empty. Raises ValueError without a stage."""
        if not self.stages:
            raise ValueError("There is no stage.")
        stages: dict[str, OutlineStage] = {}
        for stage in self.stages[: size.stages]:
            key = made_key(stage.title, "stage", {each.key for each in stages.values()})
            empty = OutlineStage(key=key, modules=(), **stage.model_dump())
            stages.setdefault(meaning(stage.title), empty)
        return Outline(title=self.title, stages=tuple(stages.values()))


class ConceptPart(StageTitle):
    hours: Annotated[int, BeforeValidator(whole), _between(1, 20)]
    difficulty: Annotated[int, _between(1, 5), Field(description="1 easy to 5 hard")]
    prerequisites: Annotated[Several[Heading], sized(0, MOST_NEEDED, "titles of earlier concepts")]
    outcomes: Annotated[
        Several[Heading], sized(1, MOST_OUTCOMES, "each completing 'you will be able to'")
    ]


class ModulePart(StageTitle):
    concepts: Several[ConceptPart]


class StagePart(Draft):
    modules: Several[ModulePart]
    capstone: CapstoneField = None

    def fill(self, outline: Outline, size: Size, hours: float) -> Outline:
        """Return the outline with these modules in its first empty stage, of at most `hours`.

        Raises ValueError without a new concept.
        """
        asked = [each.hours for part in self.modules for each in part.concepts]
        share = min(1.0, hours / max(sum(asked), 1))
        key_of = {meaning(each.title): each.key for each in outline.concepts()}
        modules: dict[str, OutlineModule] = {}
        for part in self.modules[: size.modules]:
            concepts = []
            for each in part.concepts[: size.concepts]:
                if meaning(each.title) in key_of:  # the model repeats itself
                    continue
                needs = each.prerequisites[:MOST_NEEDED]
                needed = dict.fromkeys(key_of.get(meaning(title)) for title in needs)
                key = made_key(each.title, "concept", {*key_of.values()})
                key_of[meaning(each.title)] = key
                concepts.append(
                    OutlineConcept(
                        key=key,
                        title=each.title,
                        description=each.description,
                        hours=max(1, int(each.hours * share)),
                        difficulty=each.difficulty,
                        prerequisites=tuple(filter(None, needed)),
                        outcomes=tuple(each.outcomes[:MOST_OUTCOMES]),
                    )
                )
            if concepts:
                used = {each.key for each in (*outline.modules(), *modules.values())}
                module = OutlineModule(
                    key=made_key(part.title, "module", used),
                    title=part.title,
                    description=part.description,
                    concepts=(),
                )
                module = modules.setdefault(meaning(part.title), module)
                modules[meaning(part.title)] = module.model_copy(
                    update={"concepts": (*module.concepts, *concepts)}
                )
        if not modules:
            raise ValueError("All these concepts are in earlier stages; name new ones.")
        empty = next(stage for stage in outline.stages if not stage.modules)
        capstone = self.capstone and self.capstone.to_capstone()
        changes = {"modules": tuple(modules.values()), "capstone": capstone}
        filled = empty.model_copy(update=changes)
        stages = tuple(filled if stage is empty else stage for stage in outline.stages)
        return outline.model_copy(update={"stages": stages})


@lru_cache(maxsize=64)
def titles_form(size: Size) -> type[TitlesDraft]:
    """Return the form for the titles of so many stages."""
    stages = Annotated[Several[StageTitle], sized(1, size.stages)]
    return create_model("TitlesDraft", __base__=TitlesDraft, stages=(stages, ...))


@lru_cache(maxsize=64)
def stage_form(size: Size, *, has_project: bool) -> type[StagePart]:
    """Return the form for one stage, with a project or without."""
    capstone: dict[str, Any] = {} if has_project else {"capstone": (None, None)}
    concepts = Annotated[Several[ConceptPart], sized(1, size.concepts)]
    module = create_model("ModulePart", __base__=ModulePart, concepts=(concepts, ...))
    modules = Annotated[Several[module], sized(1, size.modules)]
    return create_model("StagePart", __base__=StagePart, modules=(modules, ...), **capstone)
