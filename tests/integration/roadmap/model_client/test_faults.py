"""The model client over real HTTP: stops and faults."""

import gzip
import json
import threading
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply

from roadmap.generation.llm import client as client_
from roadmap.generation.llm.answer_stream import MOST_PARTS
from roadmap.generation.llm.client import TooManyRequests
from testing.provider import Handler, Provider, completion
from testing.waiting import BRIEF, HANG, wait_until
from tests.integration.roadmap.model_client.providers import (
    KEY,
    REPLY,
    Watch,
    answers,
    ask,
    begin,
    client,
    fault_of,
    refused,
)


class TestStopping:
    def test_a_running_call_is_cut_short_and_its_connection_closed(
        self, provider: Provider
    ) -> None:
        hung_up = threading.Event()

        def never_end(handler: Handler) -> None:
            begin(handler)
            try:
                while not handler.server.released.wait(BRIEF):
                    handler.wfile.write(b" ")
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
        provider.answer = answers(refuses=lambda request: None)
        assert ask(made) == REPLY

    def test_a_call_that_was_stopped_before_it_began_ends_at_once(self, provider: Provider) -> None:
        provider.answer = lambda handler: handler.server.released.wait(HANG) and None
        assert (
            str(fault_of(lambda: ask(client(provider.url), Watch(stopped=True))))
            == "The call was stopped."
        )

    def test_a_stop_after_the_end_changes_nothing(self, provider: Provider) -> None:
        call = Watch()
        assert ask(client(provider.url), call) == REPLY
        call.stops[0]()
        assert call.usage == [(None, None)]


class TestFaults:
    @pytest.mark.parametrize(
        ("error", "lasting"),
        [
            ({"message": "upstream is overloaded", "code": 502}, False),
            ({"message": "upstream is overloaded", "code": "429"}, False),
            ({"message": "upstream is overloaded"}, False),
            ("upstream is overloaded", False),
            ({"message": "upstream is overloaded", "code": 408}, False),
            ({"message": "upstream is overloaded", "code": 400}, True),
            ({"message": "upstream is overloaded", "code": 401}, True),
            ({"message": "upstream is overloaded", "code": "402"}, True),
            ({"message": "upstream is overloaded", "code": 403}, True),
            ({"message": "upstream is overloaded", "code": 404}, True),
        ],
    )
    @pytest.mark.parametrize("inside", [False, True])
    def test_an_error_with_status_200_is_a_fault_with_its_message(
        self, provider: Provider, error: object, lasting: bool, inside: bool
    ) -> None:
        body = (
            completion(REPLY[:9], error=error)
            if inside
            else json.dumps({"id": "1", "error": error}).encode()
        )
        provider.answer = lambda handler: handler.say(200, body)
        fault = fault_of(lambda: ask(client(provider.url)))
        assert "upstream is overloaded" in str(fault)
        assert fault.lasting is lasting
        assert len(provider.requests) == 1

    def test_an_error_with_status_200_never_shows_the_key(self, provider: Provider) -> None:
        body = json.dumps({"error": {"message": f"bad key {KEY}", "code": 401}}).encode()
        provider.answer = lambda handler: handler.say(200, body)
        assert "bad key ***" in str(fault_of(lambda: ask(client(provider.url))))

    @pytest.mark.parametrize("status", [200, 402])
    def test_no_credit_is_lasting_and_says_so(self, provider: Provider, status: int) -> None:
        body = json.dumps({"error": {"message": "Insufficient credits", "code": 402}}).encode()
        provider.answer = lambda handler: handler.say(status, body)
        fault = fault_of(lambda: ask(client(provider.url)))
        assert fault.lasting
        assert "no credit left" in str(fault)

    @pytest.mark.parametrize(
        "fields", [{"code": "insufficient_quota"}, {"type": "insufficient_quota", "code": None}]
    )
    def test_429_for_a_quota_that_is_used_up_is_lasting(
        self, provider: Provider, fields: dict[str, Any]
    ) -> None:
        provider.answer = answers(
            refuses=lambda request: refused("You exceeded your current quota", 429, **fields)
        )
        fault = fault_of(lambda: ask(client(provider.url)))
        assert fault.lasting
        assert "no quota left" in str(fault)
        assert not isinstance(fault, TooManyRequests)

    @pytest.mark.parametrize("status", [200, 429])
    def test_429_is_a_fault_of_its_own_kind_so_that_the_pace_can_slow_down(
        self, provider: Provider, status: int
    ) -> None:
        body = json.dumps({"error": {"message": "slow down", "code": 429}}).encode()
        provider.answer = lambda handler: handler.say(status, body, retry_after="7")
        fault = fault_of(lambda: ask(client(provider.url)))
        assert isinstance(fault, TooManyRequests)
        assert not fault.lasting
        assert fault.retry_after == (7 if status == 429 else None)

    def test_an_answer_that_broke_its_schema_at_the_provider_may_be_asked_for_again(
        self, provider: Provider
    ) -> None:
        refusal = refused(
            "Generated JSON does not match the expected schema.", code="json_validate_failed"
        )
        provider.answer = answers(refuses=lambda request: refusal)
        assert not fault_of(lambda: ask(client(provider.url))).lasting
        assert len(provider.requests) == 1

    def test_what_a_filter_withheld_it_withholds_again(self, llmock: LLMock) -> None:
        llmock.add(Reply(text="", finish_reason="content_filter"))
        fault = fault_of(lambda: ask(client(llmock.base_url())))
        assert "content filter" in str(fault)
        assert fault.lasting

    def test_an_error_without_end_is_cut_off_by_its_size(self, provider: Provider) -> None:
        sent: list[int] = []

        def never_end(handler: Handler) -> None:
            begin(handler, 500)
            while not handler.server.released.is_set():
                handler.wfile.write(b"x" * 4096)
                sent.append(4096)

        provider.answer = never_end
        fault = fault_of(lambda: ask(client(provider.url)))
        assert str(fault) == f"The provider answered 500: {'x' * 300}."
        assert 16 <= len(sent) < 25_000  # the client hung up long before a hundred megabytes

    def test_an_error_that_trickles_is_cut_off_by_its_time(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_, "EXPLAINING", 3 * BRIEF)

        def trickle(handler: Handler) -> None:
            begin(handler, 503, retry_after="9")
            while not handler.server.released.wait(BRIEF):
                handler.wfile.write(b"x")

        provider.answer = trickle
        call = Watch()
        fault = fault_of(lambda: ask(client(provider.url), call))
        assert str(fault).startswith("The provider answered 503: x")
        assert fault.retry_after == 9
        assert call.usage == ["unbilled"]

    def test_an_answer_is_not_unpacked(self, provider: Provider) -> None:
        """A megabyte of zeros, packed, is a kilobyte."""
        packed = gzip.compress(completion(REPLY))
        provider.answer = lambda handler: handler.say(200, packed, content_encoding="gzip")
        assert "compresses its answer" in str(fault_of(lambda: ask(client(provider.url))))
        assert provider.headers[0]["accept-encoding"] == "identity"

    def test_an_answer_of_too_many_parts_is_refused(self, provider: Provider) -> None:
        provider.answer = answers('{"":0},' * MOST_PARTS, refuses=lambda request: None)
        assert (
            str(fault_of(lambda: ask(client(provider.url))))
            == "The model's answer has too many parts."
        )

    def test_an_answer_without_end_is_cut_off_by_its_size(self, provider: Provider) -> None:
        provider.answer = answers("x" * 3_000_000, refuses=lambda request: None)
        call = Watch()
        assert (
            str(fault_of(lambda: ask(client(provider.url), call)))
            == "The model's answer is too long."
        )
        assert call.usage == []
