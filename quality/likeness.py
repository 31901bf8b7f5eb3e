"""Similarity of texts.

It shows quizzes that their tutorial answers, and tutorials that repeat each other.

Both compare words alone. A tutorial with the words of a question and of its right answer may still
not answer it; one without them surely does not. docs/QUALITY.md has how well that separates
tutorials.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from roadmap.generation.catalogue.goal_matching import stem
from roadmap.generation.catalogue.loader import lexicon
from roadmap.generation.tutorial_lint import ASIAN
from roadmap.plan.outline import Question

# Words: more than a common phrase has, and few enough that a copied sentence has many runs.
SHINGLE = 8
WORD = re.compile(r"[a-z0-9_]+(?:['\u2019][a-z]+)?", re.IGNORECASE)


def terms(text: str) -> list[str]:
    """Return stems of Latin words without stop words, and pairs of Chinese characters."""
    latin = [word for word in WORD.findall(text.lower()) if not lexicon().says_nothing(word)]
    runs = re.findall(rf"{ASIAN.pattern}+", text)
    return [
        *map(stem, latin),
        *(run[at : at + 2] for run in runs for at in range(max(1, len(run) - 1))),
    ]


def weights(tutorials: Iterable[str]) -> Mapping[str, float]:
    """Return the weight of each term: its inverse document frequency in the tutorials."""
    texts = [frozenset(terms(tutorial)) for tutorial in tutorials]
    counts = Counter(term for text in texts for term in text)
    return {term: math.log((len(texts) + 1) / (count + 0.5)) for term, count in counts.items()}


def support(question: Question, tutorial: frozenset[str], weight: Mapping[str, float]) -> float:
    """Return the weighted share (0 to 1) of question and answer in the tutorial."""
    right = " ".join(
        question.accepted[:1] or (question.options[index] for index in question.answers)
    )
    asked = frozenset(terms(f"{question.prompt} {right}"))
    most = max(weight.values(), default=1.0)
    weighed = {term: weight.get(term, most) for term in asked}
    total = sum(weighed.values())
    found = sum(value for term, value in weighed.items() if term in tutorial)
    return found / total if total else 1.0


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return all runs of eight words; a Chinese character is a word."""
    words = re.findall(rf"{ASIAN.pattern}|{WORD.pattern}", text.lower())
    return frozenset(zip(*(words[start:] for start in range(SHINGLE)), strict=False))


def overlap(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """Return the share of the shorter text that is in both."""
    shorter = min(len(one), len(other))
    return len(one & other) / shorter if shorter else 0.0
