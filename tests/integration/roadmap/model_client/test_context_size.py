"""The size of a context, as vLLM, llama.cpp and Ollama document that they report it.

Answers of other servers are no obstacle.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core.settings import ModelProfile
from roadmap.generation.llm import server_profile
from roadmap.generation.llm.server_profile import ServerProfile, context_size
from testing.servers import free_port
from testing.waiting import BRIEF, HANG

KEY = "sk-of-the-test-8c1f"


class Reporting(ThreadingHTTPServer):
    """Answers by path, else 404; `asked` holds the requests."""

    daemon_threads = True

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = answers, list[str]()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Reporting

    def do_GET(self) -> None:
        assert self.headers["authorization"] == f"Bearer {KEY}"
        asked = f"{self.command} {self.path}"
        self.server.asked.append(asked)
        answer = self.server.answers.get(asked)
        if answer is None:
            self.send_error(404)
            return
        if answer == "silence":
            self.server.released.wait(HANG)
            return
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert question == {"model": "llama3.2"}
        self.do_GET()

    def log_message(self, *args: Any) -> None:
        """The test says what went wrong."""


@contextmanager
def reporting(answers: dict[str, Any]) -> Iterator[Reporting]:
    with Reporting(answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


def models(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"GET /v1/models": {"object": "list", "data": list(entries)}}


def of_ollama(**shown: Any) -> dict[str, Any]:
    info = {"general.architecture": "llama", "llama.context_length": 131_072}
    listed = models(
        {"id": "qwen3:8b", "object": "model", "owned_by": "library"},
        {"id": "llama3.2:latest", "object": "model", "owned_by": "library"},
    )
    return {**listed, "POST /api/show": {"model_info": info, **shown}}


LLAMA = {"id": "/models/a.gguf", "owned_by": "llamacpp"}
PROPS = {"total_slots": 1, "default_generation_settings": {"n_ctx": 4096}}


@pytest.mark.parametrize(
    ("answers", "size"),
    [
        (models({"id": "llama3.2", "owned_by": "vllm", "max_model_len": 8192}), 8192),
        (models({"id": "other", "max_model_len": 1}, {"id": "llama3.2", "max_model_len": 2}), 2),
        (models({"id": "other", "max_model_len": 1}, {"id": "another", "max_model_len": 2}), None),
        (models({**LLAMA, "meta": {"n_ctx": 4096, "n_ctx_train": 131_072}}), 4096),
        (models({**LLAMA, "meta": {"n_ctx_train": 131_072}}) | {"GET /props": PROPS}, 4096),
        (models({**LLAMA, "meta": {"n_ctx_train": 8192}}), 8192),
        (of_ollama(parameters='num_ctx                        16384\nstop    "<|eot_id|>"'), 16384),
        (of_ollama(parameters='stop    "num_ctx 9"'), 4096),  # its default, not the model's own
        (of_ollama(), 4096),
        (models({"id": "llama3.2", "owned_by": "system"}), None),  # as OpenAI does
    ],
)
def test_the_documented_answers_give_the_size(answers: dict[str, Any], size: int | None) -> None:
    with reporting(answers) as server:
        assert context_size(server.url, KEY, "llama3.2") == size


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[" * 100_000,
        [],
        {"data": 7},
        {"data": [[], 3, None]},
        {"data": [{"id": "llama3.2", "max_model_len": "8192", "meta": []}]},
        {"data": [{"id": "llama3.2", "max_model_len": -1, "meta": {"n_ctx": True}}]},
        {"data": [{"id": "llama3.2", "max_model_len": 10**30}]},
        b" " * 3_000_000,
    ],
)
def test_any_other_answer_is_no_size(answer: Any) -> None:
    with reporting({"GET /v1/models": answer}) as server:
        assert context_size(server.url, KEY, "llama3.2") is None
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({}, "GET models: status 404"),
        ({"GET /v1/models": b" " * 3_000_000}, "GET models: more than 2 MiB"),
        (models({"id": "other"}, {"id": "another"}), "the model is not in the server's list"),
    ],
)
def test_the_log_says_why_a_size_is_unknown(
    caplog: pytest.LogCaptureFixture, answers: dict[str, Any], why: str
) -> None:
    caplog.set_level("INFO", server_profile.__name__)
    with reporting(answers) as server:
        assert context_size(server.url, KEY, "llama3.2") is None
    assert caplog.messages == [f"the size of the context is unknown: {why}"]


def test_a_server_that_is_away_or_silent_has_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    assert context_size(f"http://127.0.0.1:{free_port()}/v1", KEY, "llama3.2") is None
    assert context_size("http://[::1", KEY, "llama3.2") is None
    monkeypatch.setattr(server_profile, "LIMIT", BRIEF)
    with reporting({"GET /v1/models": "silence"}) as server:
        assert context_size(server.url, KEY, "llama3.2") is None
        assert not server.released.is_set()  # it is silent still


def profile_at(url: str, chosen: ModelProfile, learned: list[int]) -> ServerProfile:
    return ServerProfile(chosen, base_url=url, key=KEY, model="llama3.2", learned=learned.append)


@pytest.mark.parametrize(("size", "is_small"), [(8192, True), (16_384, False)])
def test_a_server_is_asked_once_and_a_small_context_makes_a_small_model(
    size: int, is_small: bool
) -> None:
    learned: list[int] = []
    with reporting(models({"id": "llama3.2", "max_model_len": size})) as server:
        found = profile_at(server.url, ModelProfile.auto, learned)
        assert server.asked == []
        assert [found.is_small(), found.is_small()] == [is_small] * 2
        assert (server.asked, learned) == (["GET /v1/models"], [size])


def test_a_server_is_not_asked_where_the_profile_is_set_or_twice_if_it_does_not_say() -> None:
    learned: list[int] = []
    with reporting({}) as server:
        assert profile_at(server.url, ModelProfile.small, learned).is_small()
        assert not profile_at(server.url, ModelProfile.large, learned).is_small()
        assert server.asked == []
        unknown = profile_at(server.url, ModelProfile.auto, learned)
        assert [unknown.is_small(), unknown.is_small()] == [False] * 2
        assert (server.asked, learned) == (["GET /v1/models"], [])
