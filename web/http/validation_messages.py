"""The rule that a value breaks, as a sentence goes on behind the name of its field."""

from collections.abc import Callable, Mapping
from typing import Any

from core.json_types import LANGUAGE_TAG

PATTERNS = {LANGUAGE_TAG: "should be the tag of a language (BCP 47), such as en, de or zh-Hans"}
WORDS = {  # those of pydantic, and ours
    " after validation": "",
    "Tuple s": "s",
    "Input s": "s",
    "String s": "s",
    "Field required": "is required",
}


def rule_of(problem: Any, *, is_parameter: bool) -> str:
    """`problem` is one of `ValidationError.errors()`."""
    if problem["type"] == "extra_forbidden":
        return f"is not a known {'parameter' if is_parameter else 'field'}"
    if (say := SAID.get(problem["type"])) is not None:
        return say(problem.get("ctx", {}))
    return in_our_words(str(problem["msg"]))


def in_our_words(message: str) -> str:
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    return message


def _too_short(facts: Mapping[str, Any]) -> str:
    return _length(facts, "at least", "min_length")


def _too_long(facts: Mapping[str, Any]) -> str:
    return _length(facts, "at most", "max_length")


def _length(facts: Mapping[str, Any], bound: str, number: str) -> str:
    thing = "character" if facts["field_type"] == "Value" else "item"  # of a secret text; of a list
    return f"should have {bound} {facts[number]} {thing}{'' if facts[number] == 1 else 's'}"


def _whole_number(_: Mapping[str, Any]) -> str:
    return "should be a whole number"


SAID: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "value_error": lambda facts: str(facts["error"]),
    "too_short": _too_short,
    "too_long": _too_long,
    "int_parsing": _whole_number,
    "int_parsing_size": _whole_number,
    "int_type": _whole_number,
    "int_from_float": _whole_number,
    "string_pattern_mismatch": lambda facts: PATTERNS.get(
        facts["pattern"], f"should match the pattern {facts['pattern']}"
    ),
    "union_tag_not_found": lambda facts: f"needs the field {facts['discriminator']}",
    "union_tag_invalid": lambda facts: (
        f"must name one of {facts['expected_tags']} as {facts['discriminator']}"
    ),
}
