"""A model's server that writes what the catalogue would.

A roadmap by it has the same contents, and only the way to them differs. It answers at once, or
after a set delay, over HTTP without TLS, on connections that stay.
"""

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.catalogue.loader import CatalogueConcept, load_concept, tracks
from roadmap.generation.context import DesignBrief
from roadmap.plan.outline import Question
from roadmap.plan.schemas import RoadmapRequest
from testing.provider import MODEL, Handler, Provider, completion, providing

KEY = "sk-of-the-benchmark"


class Model:
    """`seconds` is how long an answer takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def serving(self) -> AbstractContextManager[Provider]:
        return providing(self.answer)

    @contextmanager
    def taking(self, seconds: float) -> Iterator[None]:
        self.seconds = seconds
        try:
            yield
        finally:
            self.seconds = 0.0

    def answer(self, handler: Handler) -> None:
        time.sleep(self.seconds)
        answer(handler)


def settings_for(provider: Provider) -> dict[str, str]:
    """Of who asks it, by their variables."""
    model = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": provider.url, "OPENAI_MODEL": MODEL}
    model["CHECKED_CONCEPTS"] = "false"  # all parts are the model's
    return model | {"QUIZ_CHECK": "false"}


def answer(handler: Handler) -> None:
    handler.server.requests.clear()  # they are not used, and would be many
    handler.server.headers.clear()
    asked = handler.asked
    written = text_for(
        asked["response_format"]["json_schema"]["name"], json.loads(asked["messages"][1]["content"])
    )
    usage = {
        "prompt_tokens": 900,
        "completion_tokens": len(written) // 4,
        "total_tokens": 900 + len(written) // 4,
    }
    body = json.dumps(
        json.loads(completion(written))
        | {"created": int(datetime.now(UTC).timestamp()), "usage": usage}
    ).encode()
    # In one piece, or the second one would wait until the first is acknowledged.
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    handler.wfile.write(head.encode() + body)
    handler.close_connection = False


def text_for(form: str, facts: dict[str, Any]) -> str:
    """Return the answer in this form (`roadmap/generation/llm/schemas.py`) to these facts."""
    if form in ("AnalysisDraft", "OutlineDraft"):
        return json.dumps(_designed(form, RoadmapRequest.model_validate(facts["request"])))
    concept = _concept(facts["concept"]["title"])
    if form == "TutorialDraft":
        return json.dumps({"markdown": concept.tutorial})
    if form == "ResourcesDraft":
        return json.dumps(
            {"items": [resource.model_dump(mode="json") for resource in concept.resources]}
        )
    return json.dumps({"questions": [_drafted(question) for question in concept.questions]})


def _designed(form: str, request: RoadmapRequest) -> Any:
    catalogue = CatalogueGenerator()
    analysis = catalogue.analyse(request)
    made = (
        analysis if form == "AnalysisDraft" else catalogue.outline(DesignBrief(request, analysis))
    )
    return made.model_dump(mode="json")


def _concept(title: str) -> CatalogueConcept:
    keys = (
        (track.id, key)
        for track in tracks().values()
        for stage in track.stages
        for m in stage.modules
        for key in m.concepts
    )
    return next(
        concept for concept in (load_concept(*each) for each in keys) if concept.title == title
    )


def _drafted(question: Question) -> dict[str, Any]:
    right = [option for index, option in enumerate(question.options) if index in question.answers]
    wrong = [option for option in question.options if option not in right]
    draft = {"prompt": question.prompt, "explanation": question.explanation}
    if question.type == "typed":
        return draft | {"kind": "typed", "accepted": question.accepted}
    if question.type == "order":
        return draft | {"kind": "order", "lines": question.options}
    return draft | {"right_options": right, "wrong_options": wrong}
