"""Reading level of a text.

English: the Automated Readability Index (Senter and Smith, 1967), which needs no list of syllables;
its number is the school grade in the United States. Chinese: characters a sentence. Other languages
have no agreed measure: None.
"""

import re

from roadmap.generation.tutorial_lint import ASIAN, WORD

SENTENCE = re.compile(r"[.!?](?:\s|$)|\n")
SENTENCE_OF_CHINESE = re.compile(r"[\u3002\uff01\uff1f\uff1b\uff1a\n]")


def automated_readability_index(prose: str) -> float:
    """Return the index of text without code."""
    words = WORD.findall(prose)
    sentences = sum(1 for part in SENTENCE.split(prose) if WORD.search(part))
    if not words or not sentences:
        return 0.0
    letters = sum(len(word) for word in words)
    return 4.71 * letters / len(words) + 0.5 * len(words) / sentences - 21.43


def characters_a_sentence(prose: str) -> float:
    lengths = [
        count for part in SENTENCE_OF_CHINESE.split(prose) if (count := len(ASIAN.findall(part)))
    ]
    return sum(lengths) / len(lengths) if lengths else 0.0


def level(prose: str, language: str) -> float | None:
    match language.split("-", maxsplit=1)[0].lower():
        case "en":
            return automated_readability_index(prose)
        case "zh":
            return characters_a_sentence(prose)
    return None
