"""The structural checks that need no model: problems, which make an outline unusable, and doubts, which can be lived with."""

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import pairwise

from roadmap.plan.outline import (
    Outline,
    OutlineConcept,
    OutlineModule,
    OutlineStage,
    hours_until,
    total_weeks,
)

MOST_CONCEPTS = 200
MOST_STAGES = 20
MOST_PREREQUISITES = 20  # of a concept
MOST_OUTCOMES = 12  # of a concept
LONGEST_DESCRIPTION = 2000  # characters
LONGEST_OUTCOME = 300
LONGEST_QUOTE = 80
DIFFICULTY_TOLERANCE = (
    0.25  # by which the mean difficulty of a stage may be below that of the stage before
)
HARDER = 2  # steps of difficulty that make a prerequisite too hard for what needs it
MOST_HOURS_PER_WEEK = 80  # that a request may have: more is no advice
TELLING_MARKS = (
    "#%&*@"  # C and C#, A and A*, & and % are different things; + and = are no punctuation anyway
)

Thing = OutlineStage | OutlineModule | OutlineConcept


def problems(outline: Outline) -> list[str]:
    """What is wrong with the structure, one sentence each; empty when it can be learned from top to bottom."""
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
    found += _repeated_keys(outline)
    found += _repeated_titles(outline)
    found += _long_texts(outline)
    return found + list(_prerequisite_problems(concepts))


def doubts(
    outline: Outline, *, hours_per_week: int, deadline: date | None, today: date
) -> list[str]:
    """What should be better, one sentence each, in an outline without problems.

    The hours until the deadline are those of its days at a seventh of a week's hours each. They are never less than the
    hours of one week: nothing says that these are spread evenly over its days.
    """
    late = [] if deadline is None else _hours_doubts(outline, hours_per_week, deadline, today)
    return [*late, *_easier_stages(outline), *_harder_prerequisites(outline)]


def quoted(text: str) -> str:
    """In quotation marks, and cut when it is long: titles and keys may come from anybody."""
    return f"'{text}'" if len(text) <= LONGEST_QUOTE else f"'{text[: LONGEST_QUOTE - 1]}…'"


def _too_many(beginning: str, count: int, things: str, most: int) -> list[str]:
    return [f"{beginning} {count} {things}; at most {most} are allowed."] if count > most else []


def _repeated_keys(outline: Outline) -> Iterator[str]:
    kinds: dict[str, Iterable[Thing]] = {
        "key": outline.concepts(),
        "stage key": outline.stages,
        "module key": outline.modules(),
    }
    for name, things in kinds.items():
        counts = Counter(thing.key for thing in things)
        yield from (
            f"The {name} {quoted(key)} is used {count} times."
            for key, count in counts.items()
            if count > 1
        )


def _repeated_titles(outline: Outline) -> Iterator[str]:
    for title, count in _same_titles(tuple(outline.concepts())):
        yield f"The concept title {title} is used {count} times."
    for stage in outline.stages:
        for title, count in _same_titles(stage.modules):
            yield f"The module title {title} is used {count} times in stage {quoted(stage.title)}."
    for title, count in _same_titles(outline.stages):
        yield f"The stage title {title} is used {count} times."


def _same_titles(things: Sequence[Thing]) -> Iterator[tuple[str, int]]:
    """Each title that several things have, as it is first spelled. Of things with the same key, their key is told already."""
    groups: defaultdict[str, list[Thing]] = defaultdict(list)
    for thing in things:
        groups[_meaning(thing.title)].append(thing)
    for group in groups.values():
        if len({thing.key for thing in group}) > 1:
            yield quoted(group[0].title), len(group)


def _meaning(title: str) -> str:
    """What is the same for 'Loops, functions' and 'FUNCTIONS: loops'. Never empty: a title may be punctuation alone."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", title).casefold())
    words = "".join(
        " " if _only_separates(character) else character for character in folded
    ).split()
    return " ".join(sorted(words)) or folded


def _only_separates(character: str) -> bool:
    return unicodedata.category(character).startswith("P") and character not in TELLING_MARKS


def _long_texts(outline: Outline) -> Iterator[str]:
    kinds: dict[str, Iterable[Thing]] = {
        "stage": outline.stages,
        "module": outline.modules(),
        "concept": outline.concepts(),
    }
    for kind, things in kinds.items():
        for thing in things:
            beginning = f"The description of {kind} {quoted(thing.title)} has"
            yield from _too_many(
                beginning, len(thing.description), "characters", LONGEST_DESCRIPTION
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
        for key, count in counts.items():
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
    way_out = f"plan {enough} hours a week"
    if enough > MOST_HOURS_PER_WEEK:
        way_out = f"take {total_weeks(outline, hours_per_week)} weeks"
    there_are = f"the {available} hours until {deadline} at {hours_per_week} hours a week"
    return [f"{outline.hours} hours do not fit into {there_are}; cut, or {way_out}."]


def _easier_stages(outline: Outline) -> Iterator[str]:
    means = [
        (quoted(stage.title), mean)
        for stage in outline.stages
        if (mean := _mean_difficulty(stage)) is not None
    ]
    for (before, harder), (title, mean) in pairwise(means):
        if mean < harder - DIFFICULTY_TOLERANCE:
            yield f"Stage {title} is easier than stage {before} before it: mean difficulty {mean:.1f} after {harder:.1f}."


def _mean_difficulty(stage: OutlineStage) -> float | None:
    difficulties = [concept.difficulty for module in stage.modules for concept in module.concepts]
    return sum(difficulties) / len(difficulties) if difficulties else None


def _harder_prerequisites(outline: Outline) -> Iterator[str]:
    concept_of = {concept.key: concept for concept in outline.concepts()}
    for concept in outline.concepts():
        for needed in (concept_of[key] for key in concept.prerequisites if key in concept_of):
            if needed.difficulty - concept.difficulty >= HARDER:
                name, other = quoted(concept.title), quoted(needed.title)
                yield f"Concept {name} of difficulty {concept.difficulty} needs {other} of difficulty {needed.difficulty}."
