"""Prompts of the steps: a file for each in `prompts/`."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "prompts"


@dataclass(frozen=True, slots=True)
class Prompt:
    """Prompt of a step; `version` changes with its text, and is stored with all results."""

    text: str
    version: str


@lru_cache(maxsize=32)
def prompt(step: str) -> Prompt:
    """Return the prompt of a step, without data of persons, which is sent as JSON."""
    text = (FOLDER / f"{step}.md").read_text("utf-8")
    return Prompt(text, f"{step}-{hashlib.sha256(text.encode()).hexdigest()[:10]}")
