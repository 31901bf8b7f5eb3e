"""Model server for the check: texts of the built-in catalogue after a known time.

    python -m benchmarks.capacity.model_server '[PORT, SEED, [MEDIAN, SPREAD], [MEDIAN, SPREAD]]'

The latencies are those of outlines and of contents. `GET /figures` returns how many calls it has
answered, how many ran at once at most, and the seconds that all of them took together.
"""

import asyncio
import json
import random
import sys
from collections.abc import Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.capacity.workload import Latency
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import ConceptBrief, DesignBrief
from roadmap.plan.outline import ContentKind, Quiz
from roadmap.plan.schemas import RoadmapRequest

GOAL = "Become a backend engineer in Python"
MODEL = "gpt-known"
KINDS = {
    "TutorialDraft": ContentKind.tutorial,
    "ResourcesDraft": ContentKind.resources,
    "QuizDraft": ContentKind.quiz,
}


class Texts:
    """Drafts of the catalogue, each made once."""

    def __init__(self) -> None:
        catalogue, request = CatalogueGenerator(), RoadmapRequest(goal=GOAL)
        analysis = catalogue.analyse(request)
        outline = catalogue.outline(DesignBrief(request, analysis))
        self.designs = {"AnalysisDraft": analysis.model_dump_json()}
        self.designs["OutlineDraft"] = outline.model_dump_json()
        self._written: dict[tuple[str, ContentKind], str] = {}
        for concept in outline.concepts():
            brief = ConceptBrief(request, "", "", "", concept.key, concept.title, "", ())
            for kind in ContentKind:
                self._written[concept.title, kind] = _draft(catalogue.write(kind, brief))

    def of(self, form: str, facts: dict[str, Any]) -> str:
        return self.designs.get(form) or self._written[facts["concept"]["title"], KINDS[form]]


def _draft(content: Any) -> str:
    """A quiz is asked for with its right and its wrong options apart."""
    if not isinstance(content, Quiz):
        return str(content.model_dump_json())
    questions = []
    for each in content.questions:
        right = [each.options[place] for place in each.answers]
        wrong = [option for option in each.options if option not in right]
        question = {"prompt": each.prompt, "right_options": right, "explanation": each.explanation}
        if each.type == "order":
            question["lines"] = list(each.options)
        elif each.type == "typed":
            question["accepted"] = list(each.accepted)
        else:
            question["wrong_options"] = wrong or ["None."]
        questions.append(question)
    return json.dumps({"questions": questions})


def application(seed: int, outline: Sequence[float], content: Sequence[float]) -> Starlette:
    texts, chance, running = Texts(), random.Random(seed), 0
    figures = {"answered": 0, "most": 0, "seconds": 0.0}

    async def complete(request: Request) -> JSONResponse:
        nonlocal running
        began, asked = asyncio.get_running_loop().time(), await request.json()
        form = asked["response_format"]["json_schema"]["name"]
        text = texts.of(form, json.loads(asked["messages"][1]["content"]))
        latency = Latency(*(outline if form in texts.designs else content))
        running += 1
        figures["most"] = max(figures["most"], running)
        await asyncio.sleep(latency.drawn(chance))
        running -= 1
        figures["answered"] += 1
        figures["seconds"] += asyncio.get_running_loop().time() - began
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 1000, "completion_tokens": max(len(text) // 4, 1)}
        about = {"id": "1", "object": "chat.completion", "created": 1, "model": MODEL}
        return JSONResponse({**about, "choices": [choice], "usage": usage})

    async def show(_: Request) -> JSONResponse:
        return JSONResponse(figures)

    completions = Route("/v1/chat/completions", complete, methods=["POST"])
    return Starlette(routes=[completions, Route("/figures", show)])


if __name__ == "__main__":
    port, *manner = json.loads(sys.argv[1])
    uvicorn.run(application(*manner), host="127.0.0.1", port=port, access_log=False)
