"""The model client over real HTTP: answers that stream, well and badly."""

import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply, StreamFault

from roadmap.generation.llm import answer_stream
from roadmap.generation.llm import client as client_
from roadmap.generation.llm.answer_stream import MOST_PARTS
from roadmap.generation.llm.client import TooManyRequests
from testing.provider import Handler, Provider, completion
from testing.waiting import BRIEF, HANG, wait_until
from tests.integration.roadmap.model_client.providers import (
    ASKED,
    LIMIT,
    REPLY,
    Plan,
    Watch,
    answers,
    ask,
    begin,
    client,
    fault_of,
    refused,
)

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 11, "completion_tokens": 22}


def chunk(content: object = None, *, ended: str | None = None, **changes: Any) -> bytes:
    delta = {"content": content} if content is not None else {}
    choice = {"index": 0, "delta": {**delta, **changes.pop("delta", {})}, "finish_reason": ended}
    fields = {"object": "chat.completion.chunk", "choices": [choice], **changes}
    return b"data: " + json.dumps(fields, ensure_ascii=False).encode() + b"\n\n"


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


WHOLE = (
    b": OPENROUTER PROCESSING\n\n",
    chunk("", delta={"role": "assistant"}),
    chunk(REPLY[:9]),
    chunk(REPLY[9:]),
    chunk(ended="stop"),
    event(choices=[], usage=USAGE),
    DONE,
)


def streaming(
    *pieces: bytes, then: Callable[[Handler], object] = lambda handler: None
) -> Callable[[Handler], None]:
    """A provider that writes these pieces one by one, and hangs up after `then`."""

    def answer(handler: Handler) -> None:
        begin(handler, content_type="text/event-stream")
        for piece in pieces:
            handler.wfile.write(piece)
        then(handler)

    return answer


def hold(handler: Handler) -> None:
    handler.server.released.wait(HANG)


class TestStreams:
    def test_the_pieces_are_put_together_and_the_last_has_the_usage(
        self, provider: Provider
    ) -> None:
        provider.answer = streaming(*WHOLE)
        call = Watch()
        assert ask(client(provider.url), call) == REPLY
        assert call.usage == [(11, 22)]

    @pytest.mark.parametrize(
        "changed",
        [
            lambda whole: whole.replace(b"\n", b"\r\n"),
            lambda whole: whole.replace(b"data: ", b"data:"),
            lambda whole: whole.removesuffix(DONE),
            lambda whole: whole.replace(b"data: {", b"event: chunk\nid: 1\ndata: {"),
            lambda whole: whole.removesuffix(DONE).rstrip(),
        ],
    )
    def test_streams_are_written_in_several_ways(
        self, provider: Provider, changed: Callable[[bytes], bytes]
    ) -> None:
        provider.answer = streaming(changed(b"".join(WHOLE)))
        call = Watch()
        assert ask(client(provider.url), call) == REPLY
        assert call.usage == [(11, 22)]

    def test_it_may_come_byte_by_byte_with_characters_cut_in_the_middle(
        self, provider: Provider
    ) -> None:
        provider.answer = streaming(*(bytes([byte]) for byte in b"".join(WHOLE)))
        assert ask(client(provider.url)) == REPLY

    def test_parts_of_a_text_are_text_and_thoughts_are_not(self, provider: Provider) -> None:
        thinking = [{"type": "thinking", "thinking": "{}"}]
        provider.answer = streaming(
            chunk(delta={"reasoning_content": '{"title": 1}'}),
            chunk(thinking),
            chunk([{"type": "text", "text": REPLY}]),
            chunk(ended="stop"),
            DONE,
        )
        assert ask(client(provider.url)) == REPLY

    def test_llmock_streams_too(self, llmock: LLMock) -> None:
        llmock.add(Reply(text=REPLY))
        call = Watch()
        assert ask(client(llmock.base_url()), call) == REPLY
        assert llmock.requests[0].body["stream"] is True
        assert call.usage[0][1] > 0

    def test_a_server_need_not_hang_up_at_the_end(self, provider: Provider) -> None:
        provider.answer = streaming(*WHOLE, then=hold)
        assert ask(client(provider.url)) == REPLY

    def test_the_text_is_seen_as_it_grows_also_over_a_continuation(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_, "LOOK", 0.01)
        call = Watch()

        def answer(handler: Handler) -> None:
            first = len(provider.requests) == 1
            parts = (REPLY[:5], REPLY[5:9]) if first else (REPLY[9:12], REPLY[12:])
            streaming()(handler)
            before = "" if first else REPLY[:9]
            for part in parts:
                before += part
                handler.wfile.write(chunk(part))
                wait_until(lambda before=before: before in call.texts)
            handler.wfile.write(chunk(ended="length" if first else "stop") + DONE)

        provider.answer = answer
        assert ask(client(provider.url), call) == REPLY
        assert len(provider.requests) == 2
        seen = [text for text in dict.fromkeys(call.texts) if text]
        assert seen == [REPLY[:5], REPLY[:9], REPLY[:12], REPLY]

    def test_a_stop_hangs_up_in_the_middle(self, provider: Provider) -> None:
        hung_up = threading.Event()

        def never_end(handler: Handler) -> None:
            streaming()(handler)
            try:
                while not handler.server.released.wait(BRIEF):
                    handler.wfile.write(chunk("x"))
            except OSError:
                hung_up.set()

        provider.answer = never_end
        made, call, faults = client(provider.url), Watch(), []
        caller = threading.Thread(target=lambda: faults.append(fault_of(lambda: ask(made, call))))
        caller.start()
        wait_until(lambda: provider.requests and call.stops)
        call.stops[0]()
        caller.join(HANG)
        assert [str(fault) for fault in faults] == ["The call was stopped."]
        assert hung_up.wait(HANG)
        assert call.usage == []


class TestPatience:
    def test_a_model_that_stops_in_the_middle_is_given_up_soon(self, provider: Provider) -> None:
        provider.answer = streaming(*WHOLE[:3], then=hold)
        call = Watch()
        fault = fault_of(lambda: ask(client(provider.url, idle=BRIEF), call))
        assert f"stopped in the middle of its answer, for {BRIEF:g} s" in str(fault)
        assert "MODEL_IDLE_SECONDS" in str(fault)
        assert not fault.lasting
        assert call.usage == []

    def test_comments_are_no_tokens(self, provider: Provider) -> None:
        def say_nothing(handler: Handler) -> None:
            while not handler.server.released.wait(BRIEF):
                handler.wfile.write(b": still here\n\n" + chunk("", delta={"role": "assistant"}))

        provider.answer = streaming(*WHOLE[:3], then=say_nothing)
        fault = fault_of(lambda: ask(client(provider.url, idle=3 * BRIEF)))
        assert "stopped in the middle" in str(fault)

    def test_the_first_token_may_take_the_whole_time(self, provider: Provider) -> None:
        def think(handler: Handler) -> None:
            handler.server.released.wait(3 * BRIEF)
            handler.wfile.write(b"".join(WHOLE[2:]))

        provider.answer = streaming(*WHOLE[:2], then=think)
        assert ask(client(provider.url, idle=BRIEF)) == REPLY

    def test_thoughts_are_tokens_too(self, provider: Provider) -> None:
        def think(handler: Handler) -> None:
            for _ in range(4):
                handler.wfile.write(chunk(delta={"reasoning_content": "Hm."}))
                handler.server.released.wait(BRIEF)
            handler.wfile.write(b"".join(WHOLE[2:]))

        provider.answer = streaming(then=think)
        assert ask(client(provider.url, idle=3 * BRIEF)) == REPLY

    def test_a_model_that_never_comes_to_an_end_is_given_up_at_the_limit(
        self, provider: Provider
    ) -> None:
        def go_on(handler: Handler) -> None:
            while not handler.server.released.wait(BRIEF):
                handler.wfile.write(chunk("x"))

        provider.answer = streaming(then=go_on)
        fault = fault_of(lambda: ask(client(provider.url, timeout=LIMIT)))
        assert f"did not answer within {LIMIT:g} s" in str(fault)


class TestFaults:
    @pytest.mark.parametrize(
        "pieces",
        [WHOLE[:3], WHOLE[:4], (*WHOLE[:3], b'data: {"choices"'), (chunk(ended=None),)],
    )
    def test_a_stream_that_closes_early_is_no_answer(
        self, provider: Provider, pieces: tuple[bytes, ...]
    ) -> None:
        provider.answer = streaming(*pieces)
        call = Watch()
        fault = fault_of(lambda: ask(client(provider.url), call))
        assert "answer" in str(fault)
        assert not fault.lasting
        assert call.usage == []

    @pytest.mark.parametrize(
        "piece",
        [
            b"data: busy\n\n",
            b'data: "busy"\n\n',
            b"data: [1]\n\n",
            b"data: \xff\xfe\n\n",
            b"busy\n",
            b"\x00\x01\x02\n" * 1000,
            chunk({"text": 1}),
            event(choices=[None]),
            event(choices="no"),
            b"\n",
        ],
    )
    def test_garbage_is_a_passing_fault(self, provider: Provider, piece: bytes) -> None:
        provider.answer = streaming(piece)
        fault = fault_of(lambda: ask(client(provider.url)))
        assert not fault.lasting
        assert "The " in str(fault)
        assert len(provider.requests) == 1

    @pytest.mark.parametrize(("code", "lasting"), [(502, False), ("429", False), (402, True)])
    @pytest.mark.parametrize("inside", [False, True])
    def test_an_error_within_a_stream_is_a_fault_with_its_message(
        self, provider: Provider, code: object, lasting: bool, inside: bool
    ) -> None:
        error = {"message": "upstream is overloaded", "code": code}
        fields = {"choices": [{"index": 0, "error": error}]} if inside else {"error": error}
        provider.answer = streaming(*WHOLE[:3], event(**fields), then=hold)
        fault = fault_of(lambda: ask(client(provider.url)))
        assert "upstream is overloaded" in str(fault)
        assert fault.lasting is lasting
        assert isinstance(fault, TooManyRequests) is (code == "429")

    def test_a_refusal_in_pieces_is_lasting(self, provider: Provider) -> None:
        words = ("I cannot ", "help.")
        pieces = [chunk(delta={"refusal": each}) for each in words]
        provider.answer = streaming(*pieces, chunk(ended="stop"), DONE)
        fault = fault_of(lambda: ask(client(provider.url)))
        assert fault.lasting
        assert "I cannot help" in str(fault)

    @pytest.mark.parametrize("piece", [chunk("x" * 4096), b"x" * 4096, b": x\n" * 1024])
    def test_a_stream_without_end_is_cut_off_by_its_size(
        self, provider: Provider, piece: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(answer_stream, "MOST_SENT", 4 * 1024 * 1024)

        def never_end(handler: Handler) -> None:
            while not handler.server.released.is_set():
                handler.wfile.write(piece * 16)

        provider.answer = streaming(WHOLE[2], then=never_end)
        assert "too long" in str(fault_of(lambda: ask(client(provider.url))))

    def test_a_text_of_too_many_parts_is_refused(self, provider: Provider) -> None:
        pieces = [chunk('{"":0},' * 1000)] * (MOST_PARTS // 2000 + 1)
        provider.answer = streaming(*pieces, chunk(ended="stop"), DONE)
        assert "too many parts" in str(fault_of(lambda: ask(client(provider.url))))

    @pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed"])
    def test_what_llmock_breaks_is_a_passing_fault(self, llmock: LLMock, kind: Any) -> None:
        llmock.add(Reply(text=REPLY), StreamFault(kind, after_chunks=2))
        fault = fault_of(lambda: ask(client(llmock.base_url())))
        assert not fault.lasting


def streams_of(provider: Provider) -> list[tuple[bool, bool]]:
    return [("stream" in request, "stream_options" in request) for request in provider.requests]


class TestServersWithoutStreams:
    @pytest.mark.parametrize(
        ("field", "then"),
        [("stream_options", [(True, False)]), ("stream", [(True, False), (False, False)])],
    )
    @pytest.mark.parametrize(
        "words", ["{} is not supported", "Unknown parameter: '{}'", "Unknown field"]
    )
    def test_what_is_refused_is_left_out_from_then_on(
        self, provider: Provider, field: str, then: list[tuple[bool, bool]], words: str
    ) -> None:
        def refuses(request: dict[str, Any]) -> tuple[int, bytes] | None:
            return refused(words.format(field)) if field in request else None

        provider.answer = answers(refuses=refuses)
        made = client(provider.url)
        assert [ask(made), ask(made)] == [REPLY] * 2
        assert streams_of(provider) == [(True, True), *then, then[-1]]
        assert all("response_format" in request for request in provider.requests)

    def test_a_server_may_answer_at_once_all_the_same(self, provider: Provider) -> None:
        body = json.dumps({**json.loads(completion(REPLY)), "usage": USAGE}).encode()
        provider.answer = lambda handler: handler.say(200, body)
        call = Watch()
        assert ask(client(provider.url, idle=0.01), call) == REPLY
        assert call.usage == [(11, 22)]

    def test_with_a_budget_a_stream_without_usage_is_not_asked_for_again(
        self, provider: Provider
    ) -> None:
        provider.answer = streaming(*WHOLE[:5], DONE)
        free, limited = client(provider.url), client(provider.url, must_limit=True)
        for made in (free, limited):
            for _ in range(2):
                made.complete(ASKED, Plan, lambda *bound: nullcontext(Watch()))
        assert [asked for asked, _ in streams_of(provider)] == [True, True, True, False]
