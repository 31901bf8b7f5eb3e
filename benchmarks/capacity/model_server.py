"""A model's server for the check: answers of the real size after a known time, and 429 beyond its limit, in a process of its own.

    python -m benchmarks.capacity.model_server '{"port": 9000, "seed": 1, ...}'

What it writes are the texts of the built-in catalogue, put into the forms that a model fills in. `GET /figures` says how many
calls it has answered and refused, how many ran at once at most, and the seconds that all of them took together.
"""

import asyncio
import json
import random
import sys
from collections import deque
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from benchmarks.capacity.workload import Latency
from roadmap.briefs import ConceptBrief, DesignBrief
from roadmap.catalogue import Catalogue
from roadmap.outline import ContentKind, Quiz
from roadmap.requests import RoadmapRequest

GOAL = "Become a backend engineer in Python"
MODEL = "gpt-known"
DESIGNS = {"AnalysisDraft": "analysis", "OutlineDraft": "outline"}
KINDS = {
    "TutorialDraft": ContentKind.tutorial,
    "ResourcesDraft": ContentKind.resources,
    "QuizDraft": ContentKind.quiz,
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How it answers; latencies are seconds. At most `requests` are begun in any `window` seconds; 0: as many as come."""

    port: int
    seed: int
    outline: tuple[float, float]
    content: tuple[float, float]
    requests: int = 0
    window: float = 1.0


class Texts:
    """Of the catalogue, as drafts, each made once."""

    def __init__(self) -> None:
        catalogue, request = Catalogue(), RoadmapRequest(goal=GOAL)
        analysis = catalogue.analyse(request)
        outline = catalogue.outline(DesignBrief(request, analysis))
        self._designs = {
            "analysis": analysis.model_dump_json(),
            "outline": outline.model_dump_json(),
        }
        self._written: dict[tuple[str, ContentKind], str] = {}
        for concept in outline.concepts():
            brief = ConceptBrief(request, "", "", "", concept.key, concept.title, "", ())
            for kind in ContentKind:
                self._written[concept.title, kind] = _draft(catalogue.write(kind, brief))

    def of(self, asked: Any) -> tuple[bool, str]:
        """Whether it is an outline's, and the text."""
        form = asked["response_format"]["json_schema"]["name"]
        if form in DESIGNS:
            return True, self._designs[DESIGNS[form]]
        title = json.loads(asked["messages"][1]["content"])["concept"]["title"]
        return False, self._written[title, KINDS[form]]


def _draft(content: Any) -> str:
    """A quiz is asked for with its right and its wrong options apart."""
    if not isinstance(content, Quiz):
        return str(content.model_dump_json())
    questions = [
        {
            "prompt": each.prompt,
            "right_options": [each.options[place] for place in each.answers],
            "wrong_options": [
                option for place, option in enumerate(each.options) if place not in each.answers
            ]
            or ["None."],
            "explanation": each.explanation,
        }
        for each in content.questions
    ]
    return json.dumps({"questions": questions})


@dataclass(slots=True)
class Figures:
    """`seconds` is the sum over all calls that were answered, `most` how many ran at once."""

    answered: int = 0
    refused: int = 0
    running: int = 0
    most: int = 0
    seconds: float = 0.0
    most_in_window: int = 0


class Server:
    def __init__(self, manner: Manner) -> None:
        self._manner, self._texts, self._figures = manner, Texts(), Figures()
        self._random = random.Random(manner.seed)
        self._begun: deque[float] = deque()

    async def serve(self) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", self._manner.port, backlog=512)
        print("ready", flush=True)
        async with server:
            await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, one after the other."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (
                        int(line[15:])
                        for line in head.lower().split(b"\r\n")
                        if line.startswith(b"content-length:")
                    ),
                    0,
                )
                body = await reader.readexactly(length)
                if head.startswith(b"GET"):
                    writer.write(_answer(200, json.dumps(asdict(self._figures)).encode()))
                else:
                    writer.write(await self._complete(json.loads(body)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _complete(self, asked: Any) -> bytes:
        figures, manner, now = self._figures, self._manner, asyncio.get_running_loop().time()
        if wait := self._full(now):
            figures.refused += 1
            return _answer(
                429,
                b'{"error": {"message": "too many requests"}}',
                f"retry-after: {ceil(wait * 100) / 100}\r\n",
            )
        is_outline, text = self._texts.of(asked)
        seconds = Latency(*(manner.outline if is_outline else manner.content)).drawn(self._random)
        figures.running += 1
        figures.most = max(figures.most, figures.running)
        await asyncio.sleep(seconds)
        figures.running -= 1
        figures.answered += 1
        figures.seconds += asyncio.get_running_loop().time() - now
        usage = {"prompt_tokens": 1000, "completion_tokens": max(len(text) // 4, 1)}
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
        }
        said = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": MODEL,
            "choices": [choice],
            "usage": usage,
        }
        return _answer(200, json.dumps(said).encode())

    def _full(self, now: float) -> float:
        """Seconds until there is room for another; 0 when there is, and then it is taken."""
        if not self._manner.requests:
            return 0.0
        begun = self._begun
        while begun and begun[0] <= now - self._manner.window:
            begun.popleft()
        if len(begun) >= self._manner.requests:
            return max(begun[0] + self._manner.window - now, 0.01)
        begun.append(now)
        self._figures.most_in_window = max(self._figures.most_in_window, len(begun))
        return 0.0


def _answer(status: int, body: bytes, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


if __name__ == "__main__":
    asyncio.run(Server(Manner(**json.loads(sys.argv[1]))).serve())
