"""Part of pages: a prompt for a chat of the learner's own, and a place for its answer."""

import secrets
from typing import Any
from urllib.parse import urlencode

from roadmap.generation import own_chat_prompt
from roadmap.plan.language_detection import chinese_of
from roadmap.plan.outline import Level
from roadmap.plan.schemas import DEFAULT_LANGUAGE, RoadmapRequest
from web.pages.forms import AnyQuery


class ChatQuery(AnyQuery):
    """Wishes for a course."""

    goal: str = ""
    level: Level = Level.beginner
    hours_per_week: int = 8
    language: str = ""


def box(query: ChatQuery, answer: str = "") -> dict[str, Any]:
    """Return what the part needs; without a goal there is no prompt."""
    wishes = query.model_dump()
    language = query.language or chinese_of(query.goal) or DEFAULT_LANGUAGE
    request = RoadmapRequest.model_construct(**{**wishes, "language": language})
    return {
        "form": secrets.token_urlsafe(16),
        "query": urlencode(wishes),
        "prompt": own_chat_prompt.prompt_of(request) if query.goal else "",
        "answer": answer,
    }
