"""Markdown in the answer to the tutorial's step: without JSON, or in JSON that is still coming."""

import json
import re

from core.sanitize import strip_nul

HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)
# The value as far as it has come, without half an escape. Nothing is kept to go back to: that
# would take 250 MB.
VALUE = re.compile(r'"markdown"\s*:\s*"((?:[^"\\]++|\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt]))*+)')
FENCE, FENCE_END = re.compile(r"\A\s*```(markdown|md)?[ \t]*\n"), re.compile(r"\n```\s*\Z")
OPEN_THOUGHTS = re.compile(r"\A\s*<think>.*?(</think>|\Z)", re.DOTALL)


def plain_markdown(text: str) -> str | None:
    """Return an answer that is Markdown with a heading and no JSON, without a fence around it."""
    if text.lstrip()[:1] == "{" or '"markdown"' in text or not HEADING.search(text):
        return None
    inside = FENCE.sub("", text)
    return text if inside == text else FENCE_END.sub("", inside)


def markdown_so_far(text: str) -> str:
    """Return the Markdown in the first part of an answer; empty when there is none yet."""
    text = OPEN_THOUGHTS.sub("", text)
    if found := VALUE.search(text):
        return strip_nul(json.loads(f'"{found[1]}"', strict=False))
    return plain_markdown(text) or ""
