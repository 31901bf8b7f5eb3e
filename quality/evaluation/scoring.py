"""Scores of a course by code, the table of runs, and the comparison of two. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import comb
from statistics import fmean
from typing import Any

from core.net.link_probe import Visit
from quality import floor, links, measuring
from roadmap.generation import tutorial_lint
from roadmap.plan.language_detection import matches_language
from roadmap.plan.outline import ContentKind
from scripts.marked import markdown

CRITERIA = ("goal", "correct", "clear", "connected", "practice")  # of the judge, from 1 to 5
# Languages in Latin letters look alike by script: words that are frequent in one of them only.
FREQUENT = {
    "en": "the and of is that with for you",
    "es": "el los las que por con para una",
    "fr": "les des est dans pour avec vous et",
    "de": "der die und das ist nicht ein mit",
}
NOISE = 0.05  # probability of as uneven a split by chance
HEAD = ("score", "goals", "first", "second", "difference", "better, worse", "by chance", "")


def floor_checks(concepts: Sequence[measuring.ConceptMetrics]) -> dict[str, Iterable[bool]]:
    """Return what is written of the concepts, and what keeps to the floors."""
    return {
        "written": (kind not in each.missing for each in concepts for kind in ContentKind),
        "floors": [
            *(
                not bound.fault(value)
                for each in concepts
                for bound in floor.FLOORS
                if (value := bound.read(each)) is not None
            ),
            *(False for each in concepts for _ in each.missing),
        ],
        "above_floor": (not floor.faults(each) for each in concepts),
    }


def scored(
    course: measuring.FinishedRoadmap,
    needs: Mapping[str, Iterable[str]],
    seen: Mapping[str, Visit] | None = None,
) -> dict[str, float | None]:
    """Return shares from 0 to 1 of what is good in written concepts; None for an unknown one.

    `needs` has the prerequisites of each concept, `seen` the visits of links, if there were any.
    """
    concepts = measuring.measured(course, measuring.Comparison([course]), seen)
    tutorials = {each.key: each.tutorial for each in course.concepts if each.tutorial}
    lessons = {key: tutorial_lint.read(tutorial) for key, tutorial in tutorials.items()}
    twice = tutorial_lint.introduced_twice(tutorials)
    urls = [item.url for each in course.concepts for item in each.resources or ()]
    checks: dict[str, Iterable[bool]] = {
        **floor_checks(concepts),
        "terms_once": (
            term.casefold() not in twice for each in lessons.values() for term in each.terms
        ),
        "prerequisites_used": (
            any(term.casefold() in tutorial.casefold() for term in lessons[need].terms)
            for key, tutorial in tutorials.items()
            for need in needs.get(key, ())
            if need in lessons and lessons[need].terms
        ),
        "official": map(links.is_official, urls),
        "alive": (not visit.wrong for visit in (seen or {}).values()),
        "questions": (
            not measuring.question_faults(question)
            for each in course.concepts
            for question in (each.quiz.questions if each.quiz else ())
        ),
        "language": (
            _is_in(text, language)
            for each in course.concepts
            for text, language in (
                (each.key in lessons and lessons[each.key].prose, each.tutorial_language),
                (each.quiz and each.quiz.text(), each.language),
            )
            if isinstance(text, str)
        ),
    }
    return {name: fmean(found) if (found := [*shares]) else None for name, shares in checks.items()}


def _is_in(text: str, language: str) -> bool:
    words = Counter(tutorial_lint.WORD.findall(text.lower()))
    counts = {tag: sum(words[each] for each in FREQUENT[tag].split()) for tag in FREQUENT}
    own = counts.get(language.split("-", maxsplit=1)[0].lower(), max(counts.values()))
    return matches_language(text, language) and 2 * own >= max(counts.values())


def row(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the table: the options of a run, its means and its cost."""
    goals = run["goals"].values()
    scores = [item for goal in goals for item in goal["scores"].items() if item[1] is not None]
    steps = [step for goal in goals for step in goal["cost"]]
    return {
        **run["options"],
        "goals finished": len(goals),
        **{
            name: round(fmean(value for each, value in scores if each == name), 3)
            for name, _ in scores
        },
        "calls": sum(step["calls"] for step in steps),
        "tokens": sum(step["prompt_tokens"] + step["completion_tokens"] for step in steps),
        "cost": round(sum(float(step["price"]) for step in steps), 4),
        "judging": round(sum(float(step["price"]) for step in steps if step["step"] == "judge"), 4),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table in Markdown with a column for each run."""
    names = dict.fromkeys(name for each in rows for name in each)
    return markdown(
        ("run", *(f"{number}" for number in range(1, len(rows) + 1))),
        [(name, *(f"{each.get(name, '')}" for each in rows)) for name in names],
    )


def compared(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return a table of the scores that two runs have, over the goals that both have.

    Marks of different judges or rubrics are left out.
    """
    judges = {(run["options"]["judge"], run["options"]["rubric"]) for run in (one, other)}
    both = [
        (goal["scores"], other["goals"][name]["scores"])
        for name, goal in one["goals"].items()
        if name in other["goals"]
    ]
    rows = []
    for name in dict.fromkeys(name for scores, _ in both for name in scores):
        pairs = [(a[name], b[name]) for a, b in both if None not in (a.get(name), b.get(name))]
        if pairs and (len(judges) == 1 or name not in CRITERIA):
            first, second = (fmean(values) for values in zip(*pairs, strict=True))
            better, worse = sum(b > a for a, b in pairs), sum(b < a for a, b in pairs)
            chance = sign_test(better, worse)
            rows.append(
                (
                    name,
                    f"{len(pairs)}",
                    f"{first:.3f}",
                    f"{second:.3f}",
                    f"{second - first:+.3f}",
                    f"{better}, {worse}",
                    f"{chance:.3f}",
                    "more than noise" if chance < NOISE else "may be noise",
                )
            )
    return markdown(HEAD, rows)


def sign_test(better: int, worse: int) -> float:
    """Return the probability of so uneven a split if either side were as likely (two-sided)."""
    tail = sum(comb(better + worse, count) for count in range(min(better, worse) + 1))
    return min(1.0, 2.0 * tail / 2.0 ** (better + worse))
