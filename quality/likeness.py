"""What texts have in common: whether a quiz can be answered from its tutorial, and whether two tutorials repeat each other.

Both are of words alone. A tutorial that has the words of a question and of its right answer may still not answer it; one that
lacks them surely does not. How well that tells one tutorial from another is measured in docs/QUALITY.md.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from roadmap.generation.catalogue.goal_matching import stem
from roadmap.generation.catalogue.loader import lexicon
from roadmap.generation.tutorial_lint import ASIAN
from roadmap.plan.outline import Question

SHINGLE = 8  # words: long enough that common phrases are none, short enough that one copied sentence is many
WORD = re.compile(r"[a-z0-9_]+(?:['\u2019][a-z]+)?", re.IGNORECASE)


def terms(text: str) -> list[str]:
    """Stems of words in Latin letters without those that say nothing, and pairs of Chinese characters."""
    latin = [word for word in WORD.findall(text.lower()) if not lexicon().says_nothing(word)]
    runs = re.findall(rf"{ASIAN.pattern}+", text)
    return [
        *map(stem, latin),
        *(run[at : at + 2] for run in runs for at in range(max(1, len(run) - 1))),
    ]


def weights(tutorials: Iterable[str]) -> Mapping[str, float]:
    """How much each term tells: much if few of the tutorials have it (inverse document frequency)."""
    texts = [frozenset(terms(tutorial)) for tutorial in tutorials]
    counts = Counter(term for text in texts for term in text)
    return {term: math.log((len(texts) + 1) / (count + 0.5)) for term, count in counts.items()}


def support(question: Question, tutorial: frozenset[str], weight: Mapping[str, float]) -> float:
    """Of what a question asks and its right options say, the share that stands in the tutorial, weighted; 0 to 1."""
    right = " ".join(question.options[index] for index in question.answers)
    asked = frozenset(terms(f"{question.prompt} {right}"))
    most = max(weight.values(), default=1.0)
    weighed = {term: weight.get(term, most) for term in asked}
    total = sum(weighed.values())
    return (
        sum(value for term, value in weighed.items() if term in tutorial) / total if total else 1.0
    )


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """All runs of eight words; a Chinese character is a word."""
    words = re.findall(rf"{ASIAN.pattern}|{WORD.pattern}", text.lower())
    return frozenset(zip(*(words[start:] for start in range(SHINGLE)), strict=False))


def overlap(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """The share of the shorter one that stands in both."""
    shorter = min(len(one), len(other))
    return len(one & other) / shorter if shorter else 0.0
