"""A model server over real HTTP that answers chat completions quickly, counts what it was asked for, and knows who asked when.

A goal is unique, so (goal, concept, kind) names one outline or one content: a second call with the same name was paid twice.
"""

import asyncio
import json
import random
import threading
import time
import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers import free_port
from tests.waiting import wait_until

KINDS = {"OutlineDraft": "outline", "TutorialDraft": "tutorial", "ResourcesDraft": "resources", "QuizDraft": "quiz"}
QUICKEST, SPREAD = 0.02, 0.18  # seconds; small ones are more frequent
SLOW_SHARE, SLOW = 0.01, (1.0, 2.0)  # of the calls; seconds
WRITTEN: dict[str, dict[str, Any]] = {
    "tutorial": {"markdown": "Knead — 写."},
    "resources": {
        "items": [{"title": "Dough", "url": "https://example.org/dough", "type": "book", "language": "en", "why": "To know."}]
    },
    "quiz": {
        "questions": [
            {"prompt": "Why?", "right_options": ["Gluten"], "wrong_options": ["Salt", "Luck"], "explanation": "It holds."}
        ]
    },
}


class Asked(NamedTuple):
    """What a call is for; `concept` is empty for an outline."""

    goal: str
    concept: str
    kind: str


@dataclass
class Call:
    """From `began` to `ended` (seconds since 1970); `heard`: the caller was still there when it was answered."""

    began: float
    ended: float = 0.0
    heard: bool = False


def concept_keys(goal: str) -> list[str]:
    """One concept, for every fourth goal two; the same ones each time that a goal is asked for."""
    return ["flour", "dough"] if zlib.crc32(goal.encode()) % 4 == 0 else ["flour"]


def outline(goal: str) -> dict[str, Any]:
    facts = {"description": "What it is.", "hours": 3, "difficulty": 2, "prerequisites": [], "outcomes": ["do it"]}
    concepts = [{"key": key, "title": key.title(), **facts} for key in concept_keys(goal)]
    module = {"title": "Basics", "description": "The first steps.", "concepts": concepts}
    return {"title": "Baking bread", "stages": [{"title": "Start", "description": "Where it begins.", "modules": [module]}]}


class Provider:
    """`start()`, then `calls` fills up; `stop()` ends its thread."""

    def __init__(self, seed: int) -> None:
        self.calls: defaultdict[Asked, list[Call]] = defaultdict(list)
        self._random = random.Random(seed)
        self._port = free_port()
        app = Starlette(routes=[Route("/v1/chat/completions", self._complete, methods=["POST"])])
        options = {"log_level": "warning", "ws": "none", "lifespan": "off", "timeout_graceful_shutdown": 1}
        self._server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=self._port, access_log=False, **options))
        self._thread = threading.Thread(target=self._server.run, name="Provider", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self._server.started, reason="the model server answers")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    async def _complete(self, request: Request) -> Response:
        posted = await request.json()
        asked = _asked(posted)
        call = Call(time.time())
        self.calls[asked].append(call)
        await asyncio.sleep(self._delay())
        call.heard = not await request.is_disconnected()
        call.ended = time.time()
        return JSONResponse(_completion(posted["model"], outline(asked.goal) if asked.kind == "outline" else WRITTEN[asked.kind]))

    def _delay(self) -> float:
        """The pace of a model, in seconds."""
        if self._random.random() < SLOW_SHARE:
            return self._random.uniform(*SLOW)
        return QUICKEST + SPREAD * self._random.random() ** 2


def _asked(posted: dict[str, Any]) -> Asked:
    facts = json.loads(posted["messages"][-1]["content"])
    kind = KINDS[posted["response_format"]["json_schema"]["name"]]
    return Asked(facts["request"]["goal"], facts.get("concept", {}).get("title", ""), kind)


def _completion(model: str, words: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": json.dumps(words, ensure_ascii=False), "refusal": None}
    return {
        "id": "chatcmpl-soak",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
    }
