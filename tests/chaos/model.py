"""The model server of the fault tests, over real HTTP.

It notes every call, and holds or fails those that a test wants. A goal is unique, so (goal,
concept, kind) names one outline or one content: a second call with the same name was paid twice.
"""

import asyncio
import json
import random
import threading
import time
import uuid
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from testing.servers import free_port
from testing.waiting import HANG, wait_until

# Of services whose calls are not to be given up when they are held or the machine is slow.
PATIENT = {"MODEL_TIMEOUT_SECONDS": "400", "LEASE_SECONDS": "410"}
KINDS = {
    **{"AnalysisDraft": "analysis", "OutlineDraft": "outline"},
    **{"TutorialDraft": "tutorial", "ResourcesDraft": "resources", "QuizDraft": "quiz"},
    "VerdictsDraft": "verdicts",
}
ANALYSIS = {"aim": "To bake bread.", "known": [], "subjects": ["Dough"], "assumptions": []}
QUICKEST, SPREAD = 0.02, 0.18  # seconds; small ones are more frequent
SLOW_SHARE, SLOW = 0.01, (1.0, 2.0)  # of the calls; seconds
WHY = "Gluten is a net of proteins that holds the gas, and it takes time until it is strong."
TUTORIAL = f"""Knead — 写.

## Why it works

**Gluten** is what kneading builds. {" ".join([WHY] * 22)}

## Exercise

Mix 500 grams of flour with 350 of water, wait for half an hour, and knead the dough by four folds.

## Solution

After the fourth fold it holds its shape: the gluten has had the time it needs to build a net."""
QUESTIONS = {
    "Why?": (["Gluten"], ["Salt", "Luck"]),
    "Which two?": (["Kneading", "Time"], ["Luck"]),
    "Salt makes it tighter.": (["True"], ["False"]),
    "What for?": (["The gas"], ["The light", "The sound"]),
}
CAPSTONE = {
    "title": "Bread for four",
    "brief": "Bake a loaf that is light enough, and weigh it.",
    "criteria": ["It is light.", "It is weighed.", "It was kneaded.", "It has rested."],
    "hints": ["Begin a day before.", "Four folds are enough."],
}
WRITTEN: dict[str, dict[str, Any]] = {
    "tutorial": {"markdown": TUTORIAL},
    "resources": {
        "items": [
            {
                "title": title,
                "url": f"https://example.org/{title.lower()}",
                "type": "book",
                "level": "beginner",
                "language": "en",
                "why": "To know.",
            }
            for title in ("Dough", "Flour", "Water")
        ]
    },
    "quiz": {
        "questions": [
            {
                "prompt": prompt,
                "right_options": right,
                "wrong_options": wrong,
                "explanation": "It holds.",
            }
            for prompt, (right, wrong) in QUESTIONS.items()
        ]
    },
}


class Asked(NamedTuple):
    """Purpose of a call.

    `concept` is the title of one, empty for an analysis and an outline, the wish for a revision.
    """

    goal: str
    concept: str
    kind: str


Which = Callable[[Asked], bool]


def every_call(asked: Asked) -> bool:
    return True


def no_call(asked: Asked) -> bool:
    return False


def outlines(asked: Asked) -> bool:
    return asked.kind == "outline"


def contents(asked: Asked) -> bool:
    return asked.kind in WRITTEN


def tutorials(asked: Asked) -> bool:
    return asked.kind == "tutorial"


def quizzes(asked: Asked) -> bool:
    return asked.kind == "quiz"


@dataclass
class Call:
    """From `began` to `ended` (seconds since 1970).

    `heard`: the caller was still there when it was answered.
    """

    asked: Asked
    began: float
    held: bool = False  # until the test lets it go
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: float = 0.0
    heard: bool = False
    failed: bool = False


class Model:
    """`start()`, then `calls` fills up; `stop()` ends its thread.

    It answers at once, or, with a seed, at the pace of a model. Its outlines have `concepts`
    concepts, each with three contents. By default they have one concept, for every fourth goal two;
    the same goal always gets the same number.
    """

    def __init__(self, concepts: int | None = None, *, seed: int | None = None) -> None:
        self.calls: list[Call] = []
        self.failing: set[str] = set()  # kinds of which the next call is answered 500
        self.strike: Callable[[Asked], None] | None = (
            None  # called, in a thread, before a call waits or is answered
        )
        self._concepts, self._random = concepts, None if seed is None else random.Random(seed)
        self._holds: Which = no_call
        self._hold_seconds: float | None = None
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._port = free_port()
        app = Starlette(routes=[Route("/v1/chat/completions", self._complete, methods=["POST"])])
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=self._port,
            access_log=False,
            log_level="warning",
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="Model", daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self._port}/v1"
        return {
            "OPENAI_API_KEY": "sk-of-the-faults",
            "OPENAI_BASE_URL": url,
            "OPENAI_MODEL": "gpt-faults",
            "MODEL_PRICES": "gpt-faults=1/2",
            "QUIZ_CHECK": "false",
        }

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self._server.started, reason="the model server answers")

    def stop(self) -> None:
        self.let_go()
        self._server.should_exit = True
        self._thread.join(HANG)

    def hold(self, which: Which, seconds: float | None = None) -> None:
        """Such calls wait from now on, so long or until they are let go, others do not.

        What waits already goes on waiting.
        """
        self._holds, self._hold_seconds = which, seconds

    def let_go(self, some: int | None = None) -> None:
        """Let all go, and hold none any more; or so many of the oldest while the others wait on."""
        with self._lock:
            if some is None:
                self._holds = no_call
            self._free([call for call in self.calls if call.held][:some])

    def held(self) -> list[Asked]:
        return [call.asked for call in self.calls if call.held]

    def answered(self) -> int:
        return sum(call.ended > 0 for call in self.calls)

    def counts(self) -> Counter[Asked]:
        """Count how often each call was made, that is, paid for; one that failed costs nothing."""
        return Counter(call.asked for call in self.calls if not call.failed)

    def by_name(self) -> dict[Asked, list[Call]]:
        """The calls for each outline and each content, in order."""
        found: defaultdict[Asked, list[Call]] = defaultdict(list)
        for call in self.calls:
            found[call.asked].append(call)
        return dict(found)

    def heard(self) -> Counter[Asked]:
        """Count how often each was answered to somebody who was still there."""
        return Counter(call.asked for call in self.calls if call.heard)

    def keys(self, goal: str) -> list[str]:
        """Of the concepts of its outline."""
        by_goal = 2 if zlib.crc32(goal.encode()) % 4 == 0 else 1
        return [f"part-{number}" for number in range(1, 1 + (self._concepts or by_goal))]

    def due(self, goal: str) -> set[Asked]:
        """Every call that a roadmap needs."""
        return {Asked(goal, "", kind) for kind in ("analysis", "outline")} | {
            Asked(goal, _title(key), kind) for key in self.keys(goal) for kind in WRITTEN
        }

    async def _complete(self, request: Request) -> Response:
        posted = await request.json()
        call = self._begin(_asked(posted))
        if self.strike is not None:
            await run_in_threadpool(self.strike, call.asked)
        if call.held:
            await _passed(self._hold_seconds, call.freed)
            call.held = False
        if call.asked.kind in self.failing:
            self.failing.remove(call.asked.kind)
            call.failed, call.ended = True, time.time()
            return JSONResponse({"error": {"message": "Broken for a moment."}}, 500)
        if self._random is not None:
            await _passed(_pace(self._random), asyncio.Event())
        call.heard = not await request.is_disconnected()
        call.ended = time.time()
        return JSONResponse(_completion(posted["model"], self._words(call.asked)))

    def _begin(self, asked: Asked) -> Call:
        self._loop = asyncio.get_running_loop()
        with self._lock:
            call = Call(asked, time.time(), held=self._holds(asked))
            self.calls.append(call)
        return call

    def _free(self, calls: list[Call]) -> None:
        for call in calls:
            assert self._loop is not None
            call.held = False
            self._loop.call_soon_threadsafe(call.freed.set)

    def _words(self, asked: Asked) -> dict[str, Any]:
        if asked.kind == "analysis":
            return ANALYSIS
        if asked.kind == "verdicts":
            return {"verdicts": [{"mark": "yes", "comment": "It is."}] * len(CAPSTONE["criteria"])}
        if asked.kind not in ("outline", "revise"):
            return WRITTEN[asked.kind]
        facts = {
            "description": "What it is.",
            "hours": 3,
            "difficulty": 2,
            "prerequisites": [],
            "outcomes": ["do it"],
        }
        wished = [asked.concept] if asked.kind == "revise" else []
        concepts = [
            {"key": key, "title": _title(key), **facts} for key in (*self.keys(asked.goal), *wished)
        ]
        module = {
            "key": "basics",
            "title": "Basics",
            "description": "The first steps.",
            "concepts": concepts,
        }
        stage = {
            "key": "start",
            "title": "Start",
            "description": "Where it begins.",
            "modules": [module],
            "capstone": CAPSTONE,
        }
        return {"title": "Baking bread", "stages": [stage]}


@contextmanager
def serving(concepts: int, *, seed: int | None = None) -> Iterator[Model]:
    model = Model(concepts, seed=seed)
    model.start()
    try:
        yield model
    finally:
        model.stop()


def _title(key: str) -> str:
    return key.replace("-", " ").capitalize()


def _asked(posted: dict[str, Any]) -> Asked:
    facts = json.loads(posted["messages"][-1]["content"])
    kind = KINDS[posted["response_format"]["json_schema"]["name"]]
    if kind == "verdicts":  # the same work may be judged again
        return Asked(facts["work"], uuid.uuid4().hex, kind)
    if "feedback" in facts:
        return Asked(facts["request"]["goal"], facts["feedback"], "revise")
    return Asked(facts["request"]["goal"], facts.get("concept", {}).get("title", ""), kind)


async def _passed(seconds: float | None, ended: asyncio.Event) -> None:
    """Wait for so long, or until it is ended."""
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)


def _pace(chance: random.Random) -> float:
    """Return the seconds that a model needs."""
    if chance.random() < SLOW_SHARE:
        return chance.uniform(*SLOW)
    return QUICKEST + SPREAD * chance.random() ** 2


def _completion(model: str, words: dict[str, Any]) -> dict[str, Any]:
    message = {
        "role": "assistant",
        "content": json.dumps(words, ensure_ascii=False),
        "refusal": None,
    }
    return {
        "id": "chatcmpl-faults",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
    }
