"""Structural checks of outlines: problems make one unusable, and doubts are remarks."""

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice, pairwise

from roadmap.plan.outline import (
    Outline,
    OutlineConcept,
    OutlineModule,
    OutlineStage,
    hours_until,
    total_weeks,
)
from roadmap.plan.schemas import MOST_HOURS_PER_WEEK

MOST_CONCEPTS = 200
MOST_STAGES = 20
MOST_PREREQUISITES = 20  # of a concept
MOST_OUTCOMES = 12  # of a concept
LONGEST_DESCRIPTION = 2000  # characters
LONGEST_OUTCOME = 300
LONGEST_QUOTE = 80
# By so much the mean difficulty of a stage may be below that of the stage before.
DIFFICULTY_TOLERANCE = 0.25
HARDER = 2  # steps of difficulty that make a prerequisite too hard
# Punctuation with a meaning: C and C#, A and A* differ; + and = are no punctuation.
TELLING_MARKS = "#%&*@"

Thing = OutlineStage | OutlineModule | OutlineConcept


def problems(outline: Outline) -> list[str]:
    """Return faults of the structure, one sentence each; empty: it can be learned in order."""
    concepts = list(outline.concepts())
    found = []
    if not concepts:
        found.append("There is no concept.")
    found += _too_many("There are", len(concepts), "concepts", MOST_CONCEPTS)
    found += _too_many("There are", len(outline.stages), "stages", MOST_STAGES)
    for stage in outline.stages:
        if not stage.modules:
            found.append(f"Stage {quoted(stage.title)} has no module.")
        found += [
            f"Module {quoted(module.title)} has no concept."
            for module in stage.modules
            if not module.concepts
        ]
    kinds: dict[str, Iterable[Thing]] = {
        "key": concepts,
        "stage key": outline.stages,
        "module key": outline.modules(),
    }
    found += [
        f"The {name} {quoted(key)} is used {count} times."
        for name, things in kinds.items()
        for key, count in Counter(thing.key for thing in things).items()
        if count > 1
    ]
    found += _repeated("concept title", concepts)
    for stage in outline.stages:
        found += _repeated("module title", stage.modules, f" in stage {quoted(stage.title)}")
    found += _repeated("stage title", outline.stages)
    found += _long_texts(outline)
    found += _prerequisite_problems(concepts)
    return found


def doubts(
    outline: Outline, *, hours_per_week: int, deadline: date | None, today: date
) -> list[str]:
    """Return remarks on an outline without problems, one sentence each.

    The days until the deadline count a seventh of a week's hours each, and together the hours of
    one week at least: hours need not be spread evenly over the days of a week.
    """
    found = [] if deadline is None else _hours_doubts(outline, hours_per_week, deadline, today)
    means = []
    for stage in outline.stages:
        levels = [concept.difficulty for module in stage.modules for concept in module.concepts]
        if levels:
            means.append((quoted(stage.title), sum(levels) / len(levels)))
    found += [
        f"Stage {title} is easier than stage {before} before it: "
        f"mean difficulty {mean:.1f} after {harder:.1f}."
        for (before, harder), (title, mean) in pairwise(means)
        if mean < harder - DIFFICULTY_TOLERANCE
    ]
    concept_of = {concept.key: concept for concept in outline.concepts()}
    found += [
        f"Concept {quoted(concept.title)} of difficulty {concept.difficulty} "
        f"needs {quoted(needed.title)} of difficulty {needed.difficulty}."
        for concept in outline.concepts()
        for needed in (concept_of[key] for key in concept.prerequisites if key in concept_of)
        if needed.difficulty - concept.difficulty >= HARDER
    ]
    return found


def quoted(text: str) -> str:
    """Return the text in quotation marks, shortened to LONGEST_QUOTE characters."""
    return f"'{text}'" if len(text) <= LONGEST_QUOTE else f"'{text[: LONGEST_QUOTE - 1]}…'"


def _too_many(beginning: str, count: int, things: str, most: int) -> list[str]:
    return [f"{beginning} {count} {things}; at most {most} are allowed."] if count > most else []


def _repeated(name: str, things: Sequence[Thing], where: str = "") -> Iterator[str]:
    """Yield faults of titles that several things with different keys have, as first spelled."""
    groups: defaultdict[str, list[Thing]] = defaultdict(list)
    for thing in things:
        groups[meaning(thing.title)].append(thing)
    for group in groups.values():
        if len({thing.key for thing in group}) > 1:
            yield f"The {name} {quoted(group[0].title)} is used {len(group)} times{where}."


def meaning(title: str) -> str:
    """Return the same text for 'Loops, functions' and 'FUNCTIONS: loops'. Never empty."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", title).casefold())
    spaced = "".join(
        " " if unicodedata.category(each)[0] == "P" and each not in TELLING_MARKS else each
        for each in folded
    )
    return " ".join(sorted(spaced.split())) or folded


def _long_texts(outline: Outline) -> Iterator[str]:
    kinds: dict[str, Iterable[Thing]] = {
        "stage": outline.stages,
        "module": outline.modules(),
        "concept": outline.concepts(),
    }
    for kind, things in kinds.items():
        for thing in things:
            yield from _too_many(
                f"The description of {kind} {quoted(thing.title)} has",
                len(thing.description),
                "characters",
                LONGEST_DESCRIPTION,
            )
    for concept in outline.concepts():
        name = quoted(concept.title)
        yield from _too_many(
            f"Concept {name} has", len(concept.outcomes), "outcomes", MOST_OUTCOMES
        )
        for number, outcome in enumerate(concept.outcomes, start=1):
            yield from _too_many(
                f"Outcome {number} of concept {name} has",
                len(outcome),
                "characters",
                LONGEST_OUTCOME,
            )


def _prerequisite_problems(concepts: list[OutlineConcept]) -> Iterator[str]:
    known = {concept.key for concept in concepts}
    earlier: set[str] = set()
    for concept in concepts:
        name, counts = quoted(concept.key), Counter(concept.prerequisites)
        yield from _too_many(
            f"Concept {name} has", len(concept.prerequisites), "prerequisites", MOST_PREREQUISITES
        )
        for key, count in islice(counts.items(), MOST_PREREQUISITES):
            if count > 1:
                yield f"Concept {name} names the prerequisite {quoted(key)} {count} times."
            if key not in known:
                yield f"Concept {name} needs {quoted(key)}, which does not exist."
            elif key not in earlier:
                yield f"Concept {name} needs {quoted(key)}, which comes later or is itself."
        earlier.add(concept.key)


def _hours_doubts(outline: Outline, hours_per_week: int, deadline: date, today: date) -> list[str]:
    if deadline <= today:
        return [f"{outline.hours} hours do not fit: the deadline {deadline} has passed."]
    days = max((deadline - today).days, 7)
    available = hours_until(deadline, today, hours_per_week)
    if outline.hours <= available:
        return []
    enough = math.ceil(outline.hours * 7 / days)
    way_out = (
        f"plan {enough} hours a week"
        if enough <= MOST_HOURS_PER_WEEK
        else f"take {total_weeks(outline, hours_per_week)} weeks"
    )
    there_are = f"the {available} hours until {deadline} at {hours_per_week} hours a week"
    return [f"{outline.hours} hours do not fit into {there_are}; cut, or {way_out}."]
