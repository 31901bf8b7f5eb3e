"""What a model is told at each step: one file a step beside this one."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "prompts"


@dataclass(frozen=True, slots=True)
class Prompt:
    """`version` changes with every change of the words, and stands on everything that is made with them."""

    step: str
    text: str
    version: str


@lru_cache(maxsize=32)
def prompt(step: str) -> Prompt:
    """The words for a step. They never contain anything of a person, which is sent apart from them as JSON."""
    text = (FOLDER / f"{step}.md").read_text("utf-8")
    return Prompt(step, text, f"{step}-{hashlib.sha256(text.encode()).hexdigest()[:10]}")
