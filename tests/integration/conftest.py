"""Fixtures: a scripted model provider, and services that call it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from llmock.scenarios import Match, Reply
from llmock.state import LLMockState
from llmock.testing import LLMockServer
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import clock
from roadmap.generation.llm.client import ModelClient
from testing.servers import Redis, started
from testing.stack import CALM, Stack, embedded_stack, running, server_stack
from tests.cases import SERVER_IN_SHORT
from tests.chaos.model import PATIENT
from tests.integration.roadmap.test_model_generator import ANALYSED, SOUND, WRITTEN

GOAL = "Learn to bake sourdough bread"
KEY = "sk-of-the-build-51d9"
MODEL = "gpt-test"
SMALL = {
    "goal": "Become a web frontend developer",
    "level": "advanced",
}  # of which the catalogue makes eight concepts
MAX_ATTEMPTS = 3
KINDS = {
    **{"AnalysisDraft": "analysis", "OutlineDraft": "outline"},
    **{"TutorialDraft": "tutorial", "ResourcesDraft": "resources", "QuizDraft": "quiz"},
}


@pytest.fixture(autouse=True)
def no_client_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Unclosed connections would warn later, in the middle of another test."""
    made: list[ModelClient] = []
    make = ModelClient.__init__

    def note(client: ModelClient, **given: Any) -> None:
        make(client, **given)
        made.append(client)

    monkeypatch.setattr(ModelClient, "__init__", note)
    yield
    for client in made:
        client.close()


class Door:
    """Stands before llmock and names what is asked for as the model.

    So scenarios can tell requests apart by it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.kinds: list[str] = []
        self.asked_at: list[datetime] = []
        self.bodies: list[dict[str, Any]] = []
        self.facts: list[dict[str, Any]] = []  # what the user's message says
        self.models: set[str] = set()
        self.keys: set[str] = set()
        self.silent: set[str] = set()  # steps that are not answered
        self.left: list[str] = []  # steps whose callers did not wait for the answer

    def forget(self) -> None:
        for text in (self.kinds, self.asked_at, self.bodies, self.facts, self.silent, self.left):
            text.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "GET":  # the list of models: each worker asks for its context
            await self.app(scope, receive, send)
            return
        asked = await request.json()
        self.bodies.append(asked)
        self.asked_at.append(clock.now())
        facts = json.loads(asked["messages"][1]["content"])
        self.facts.append(facts)
        kind = _step(KINDS[asked["response_format"]["json_schema"]["name"]], facts)
        self.kinds.append(kind)
        self.models.add(asked["model"])
        self.keys.add(request.headers["authorization"])
        if kind in self.silent:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left.append(kind)
            return
        bodies = [json.dumps({**asked, "model": kind}).encode()]

        async def replay() -> Message:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(), "more_body": False}
            return await receive()

        await self.app(scope, replay, send)


def _step(kind: str, facts: dict[str, Any]) -> str:
    """Three steps want an outline; their facts are different."""
    if kind == "outline" and "draft" in facts:
        return "repair"
    return "revise" if kind == "outline" and "feedback" in facts else kind


class Provider(LLMockServer):
    """llmock behind a door."""

    def __init__(self) -> None:
        super().__init__()
        self._llmock = super().state
        self.door = Door(self.app)
        self.app = self.door

    @property
    def state(self) -> LLMockState:
        return self._llmock

    def writes(self, **others: str) -> None:
        """Answer every step, from now on, and some of them with other texts than usual."""
        self.state.scenarios.clear()
        self.writes_more(**others)

    def writes_more(self, **others: str) -> None:
        """Add the usual answers, for requests that no earlier scenario matches."""
        usual = {
            "analysis": json.dumps(ANALYSED),
            "outline": SOUND,
            "repair": SOUND,
            "revise": SOUND,
        }
        usual |= {kind: json.dumps(words) for kind, words in WRITTEN.items()}
        for step, text in {**usual, **others}.items():
            self.state.scenarios.add(Reply(text=text, match=Match(model=step), times=None))


@pytest.fixture(scope="session")
def serving() -> Iterator[Provider]:
    with Provider() as server:
        yield server


@pytest.fixture
def provider(serving: Provider) -> Provider:
    """The provider as it was at first, able to write; the services know its address."""
    serving.writes()
    serving.door.forget()
    return serving


@pytest.fixture(scope="session")
def model_embedded(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with modelled(request, "embedded") as made:
        yield made


@pytest.fixture(scope="session")
def model_server(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with modelled(request, "server") as made:
        yield made


@pytest.fixture(scope="session", params=SERVER_IN_SHORT)
def model_stack(request: pytest.FixtureRequest) -> Stack:
    """The whole service of each mode, with a model; a database and a broker of its own."""
    shared: Stack = request.getfixturevalue(f"model_{request.param}")  # both stay up
    return shared


@contextmanager
def modelled(request: pytest.FixtureRequest, mode: str, **others: str) -> Iterator[Stack]:
    """Run the services of that mode with the settings of a model and others."""
    tmp_path_factory = request.getfixturevalue("tmp_path_factory")
    folder = tmp_path_factory.mktemp(f"model-{mode}")
    environment = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": request.getfixturevalue("serving").base_url(),
        "OPENAI_MODEL": MODEL,
        "MODEL_PRICES": f"{MODEL}=1/2",
        "MAX_ATTEMPTS": str(MAX_ATTEMPTS),
        **CALM,
        **PATIENT,
        **others,
    }
    if mode == "embedded":
        with running(embedded_stack(folder, **environment)) as made:
            yield made
        return
    postgres = request.getfixturevalue("postgres")
    with (  # its queues must not be those of the shared stack
        started(Redis(tmp_path_factory.mktemp("redis"))) as broker,
        running(server_stack(folder, postgres, broker, **environment)) as made,
    ):
        yield made
