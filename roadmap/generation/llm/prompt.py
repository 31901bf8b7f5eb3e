"""Prompts of the steps: a file for each in `prompts/`.

Those of contents are one text, with the rules of a course first. So all calls for the contents of
a roadmap begin with the same bytes, which providers cache. A small model gets short ones of its
own.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from roadmap.plan.outline import ContentKind

FOLDER = Path(__file__).parent / "prompts"


@dataclass(frozen=True, slots=True)
class Prompt:
    """Prompt of a step; `version` changes with its text, and is stored with all results."""

    text: str
    version: str


@lru_cache(maxsize=64)
def prompt(step: str, *, small: bool = False) -> Prompt:
    """Return the prompt of a step, without data of persons, which is sent as JSON."""
    names = ["course", *ContentKind] if step in set(ContentKind) else [step]
    if small and (FOLDER / "small" / f"{step}.md").exists():
        names = [f"small/{step}"]
    text = "\n".join((FOLDER / f"{name}.md").read_text("utf-8") for name in names)
    return Prompt(text, f"{step}-{hashlib.sha256(text.encode()).hexdigest()[:10]}")
