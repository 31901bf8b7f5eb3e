"""The model client over real HTTP: token limits and usage."""

import json
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Fail

from roadmap.generation.context import GeneratorFault
from roadmap.generation.llm.client import ModelClient
from testing.provider import MODEL, Handler, Provider, completion
from testing.servers import free_port
from testing.waiting import HANG
from tests.integration.roadmap.model_client.providers import (
    KEY,
    LIMIT,
    MOST,
    REPLY,
    Watch,
    answers,
    ask,
    begin,
    client,
    fault_of,
    form_of,
    limit_of,
    no_format,
    no_schema,
    refused,
)


def with_usage(body: bytes, usage: object) -> bytes:
    return json.dumps({**json.loads(body), "usage": usage}).encode()


def only_max_completion_tokens(request: dict[str, Any]) -> tuple[int, bytes] | None:
    """In the words of servers made with FastAPI."""
    if "max_tokens" not in request:
        return None
    detail = {
        "type": "extra_forbidden",
        "loc": ["body", "max_tokens"],
        "msg": "Extra inputs are not permitted",
    }
    return 422, json.dumps({"detail": [{**detail, "input": MOST}]}).encode()


def no_limit(request: dict[str, Any]) -> tuple[int, bytes] | None:
    limit = limit_of(request)
    return refused(f"Unrecognized request argument supplied: {limit}") if limit else None


class TestLimits:
    def test_a_server_that_takes_only_max_completion_tokens_gets_it_from_then_on(
        self, provider: Provider
    ) -> None:
        provider.answer = answers(refuses=only_max_completion_tokens)
        made = client(provider.url, must_limit=True)
        assert [ask(made), ask(made)] == [REPLY] * 2
        assert [limit_of(request) for request in provider.requests] == [
            "max_tokens",
            "max_completion_tokens",
            "max_completion_tokens",
        ]
        assert {form_of(request) for request in provider.requests} == {"json_schema"}

    def test_a_server_that_takes_no_limit_is_asked_without_one(self, provider: Provider) -> None:
        provider.answer = answers(refuses=no_limit)
        made = client(provider.url)
        assert [ask(made), ask(made)] == [REPLY] * 2
        assert [limit_of(request) for request in provider.requests] == [
            "max_tokens",
            "max_completion_tokens",
            None,
            None,
        ]

    def test_a_server_that_takes_no_limit_is_not_asked_without_one_when_there_is_a_budget(
        self, provider: Provider
    ) -> None:
        provider.answer = answers(refuses=no_limit)
        call = Watch()
        fault = fault_of(lambda: ask(client(provider.url, must_limit=True), call))
        assert fault.lasting
        assert "MODEL_MAX_TOKENS" in str(fault)
        assert call.usage == ["unbilled"]
        assert [limit_of(request) for request in provider.requests] == [
            "max_tokens",
            "max_completion_tokens",
        ]

    @pytest.mark.parametrize("heeds", ["max_completion_tokens", None])
    def test_a_server_that_passes_over_a_limit_in_silence_is_found_out(
        self, provider: Provider, heeds: str | None
    ) -> None:
        def answer(handler: Handler) -> None:
            written = MOST if limit_of(handler.asked) == heeds else MOST + 100
            handler.say(
                200,
                with_usage(completion(REPLY), {"prompt_tokens": 9, "completion_tokens": written}),
            )

        provider.answer = answer
        free, limited, call = client(provider.url), client(provider.url, must_limit=True), Watch()
        assert [ask(free) for _ in range(3)] == [REPLY] * 3
        names = [limit_of(request) for request in provider.requests]
        assert names == ["max_tokens", "max_completion_tokens", heeds]
        assert [ask(limited) for _ in range(2)] == [REPLY] * 2
        if heeds:
            assert ask(limited) == REPLY
        else:
            fault = fault_of(lambda: ask(limited, call))
            assert (fault.lasting, call.usage) == (True, ["unbilled"])
            assert "more than it was allowed" in str(fault)
            assert "MODEL_MAX_TOKENS" in str(fault)
            assert len(provider.requests) == 5

    def test_a_few_tokens_more_than_the_limit_are_a_matter_of_counting(
        self, provider: Provider
    ) -> None:
        usage = {"prompt_tokens": 9, "completion_tokens": MOST + 16}
        provider.answer = lambda handler: handler.say(200, with_usage(completion(REPLY), usage))
        made = client(provider.url, must_limit=True)
        assert [ask(made) for _ in range(3)] == [REPLY] * 3
        assert {limit_of(request) for request in provider.requests} == {"max_tokens"}

    @pytest.mark.parametrize(
        "message",
        [
            "max_tokens is too large: 4096. This model supports at most 2048 completion tokens",
            "'max_completion_tokens' must be less than or equal to 2048",
            "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
            "Range of max_tokens should be [1, 8192]",
            "Could not finish the message because max_tokens or model output limit was reached.",
        ],
    )
    def test_a_limit_that_is_too_large_is_a_lasting_fault_that_names_the_setting(
        self, provider: Provider, message: str
    ) -> None:
        provider.answer = answers(
            refuses=lambda request: refused(message, param="max_completion_tokens")
        )
        fault = fault_of(lambda: ask(client(provider.url)))
        assert fault.lasting
        assert "MODEL_MAX_TOKENS" in str(fault)
        assert len(provider.requests) == 1

    def test_a_server_that_knows_nothing_is_understood_after_five_requests(
        self, provider: Provider
    ) -> None:
        provider.answer = answers(refuses=lambda request: no_format(request) or no_limit(request))
        made = client(provider.url)
        assert [ask(made), ask(made)] == [REPLY] * 2
        assert [(form_of(request), limit_of(request)) for request in provider.requests] == [
            ("json_schema", "max_tokens"),
            ("json_object", "max_tokens"),
            (None, "max_tokens"),
            (None, "max_completion_tokens"),
            (None, None),
            (None, None),
        ]

    @pytest.mark.parametrize(
        "message", ["Unknown field", "response_format is bad", "max_tokens is bad"]
    )
    def test_a_server_that_refuses_everything_is_asked_seven_times_at_most(
        self, provider: Provider, message: str
    ) -> None:
        provider.answer = answers(refuses=lambda request: refused(message))
        call = Watch()
        assert fault_of(lambda: ask(client(provider.url), call)).lasting
        assert len(provider.requests) == (7 if message == "Unknown field" else 3)
        assert call.usage == ["unbilled"]


def whole(**changes: Any) -> bytes:
    return with_usage(
        completion(changes.pop("content", REPLY), **changes),
        {"prompt_tokens": 11, "completion_tokens": 22},
    )


class TestMetering:
    @pytest.mark.parametrize(
        "body",
        [
            whole(content=None, message={"refusal": "No."}),
            whole(finish_reason="content_filter"),
            whole(content=""),
            whole(content=None, message={"content": [{"type": "image_url", "image_url": "x"}]}),
            b'{"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 22}}',
            b'{"error": {"message": "gone", "code": 502}, '
            b'"usage": {"prompt_tokens": 11, "completion_tokens": 22}}',
        ],
    )
    def test_the_usage_of_an_unusable_answer_is_recorded(
        self, provider: Provider, body: bytes
    ) -> None:
        provider.answer = lambda handler: handler.say(200, body)
        call = Watch()
        fault_of(lambda: ask(client(provider.url), call))
        assert call.usage == [(11, 22)]

    @pytest.mark.parametrize(
        ("usage", "cached"),
        [
            ({"prompt_tokens_details": {"cached_tokens": 8}}, 8),
            ({"prompt_cache_hit_tokens": 9, "prompt_cache_miss_tokens": 2}, 9),
            ({"prompt_tokens_details": None}, None),
            ({"prompt_tokens_details": {"cached_tokens": 0}}, None),
            ({"prompt_tokens_details": {"cached_tokens": "8"}}, None),
        ],
    )
    def test_the_tokens_that_the_provider_had_in_its_cache_are_recorded(
        self, provider: Provider, usage: dict[str, Any], cached: int | None
    ) -> None:
        body = with_usage(
            completion(REPLY), {"prompt_tokens": 11, "completion_tokens": 22, **usage}
        )
        provider.answer = lambda handler: handler.say(200, body)
        call = Watch()
        assert ask(client(provider.url), call) == REPLY
        assert (call.usage, call.cached) == ([(11, 22)], [cached])

    @pytest.mark.parametrize(
        ("usage", "expected"),
        [
            ({"prompt_tokens": 11, "completion_tokens": 0}, (11, None)),
            ({"prompt_tokens": 0, "completion_tokens": 2_000_001}, (None, None)),
            ({"prompt_tokens": 2_000_000, "completion_tokens": 1}, (2_000_000, 1)),
            ({"prompt_tokens": 11}, (11, None)),
            ({"prompt_tokens": "11", "completion_tokens": 2.5}, (None, None)),
            ({"prompt_tokens": -1, "completion_tokens": True}, (None, None)),
            ({"prompt_tokens": 10**30, "completion_tokens": None}, (None, None)),
            ([], (None, None)),
            (None, (None, None)),
        ],
    )
    def test_usage_that_is_missing_or_is_no_count_is_unknown(
        self, provider: Provider, usage: object, expected: tuple[int | None, int | None]
    ) -> None:
        provider.answer = lambda handler: handler.say(200, with_usage(completion(REPLY), usage))
        call = Watch()
        assert ask(client(provider.url), call) == REPLY
        assert call.usage == [expected]

    def test_an_answer_without_usage_is_recorded_as_unknown(self, provider: Provider) -> None:
        call = Watch()
        ask(client(provider.url), call)
        assert call.usage == [(None, None)]

    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 422, 429, 500, 503])
    def test_an_http_error_is_unbilled(self, llmock: LLMock, status: int) -> None:
        llmock.add(Fail(status, message=f"Not with {KEY}"))
        call = Watch()
        fault_of(lambda: ask(client(llmock.base_url()), call))
        assert call.usage == ["unbilled"]

    @pytest.mark.parametrize("status", [502, 504, 524])
    def test_what_a_gateway_gave_up_may_be_billed(self, llmock: LLMock, status: int) -> None:
        llmock.add(Fail(status, message="Gateway timeout"))
        call = Watch()
        fault_of(lambda: ask(client(llmock.base_url()), call))
        assert call.usage == []

    def test_a_connection_that_was_never_made_is_unbilled(self) -> None:
        call = Watch()
        fault = fault_of(lambda: ask(client(f"http://127.0.0.1:{free_port()}/v1"), call))
        assert "cannot be reached" in str(fault)
        assert not fault.lasting
        assert call.usage == ["unbilled"]

    @pytest.mark.parametrize("url", ["http://localhost:port/v1", "http://[::1/v1"])
    def test_an_address_that_is_none_is_a_fault_at_each_call_and_unbilled(self, url: str) -> None:
        made = client(url)
        for _ in range(2):
            call = Watch()
            assert "OPENAI_BASE_URL" in str(fault_of(lambda call=call: ask(made, call)))
            assert call.usage == ["unbilled"]

    def test_a_key_that_no_header_can_hold_is_a_fault_that_does_not_show_it(
        self, provider: Provider
    ) -> None:
        made = ModelClient(
            key="sk-schlüssel-写", base_url=provider.url, model=MODEL, timeout=HANG, max_tokens=MOST
        )
        call = Watch()
        with pytest.raises(GeneratorFault, match="OPENAI_API_KEY") as raised:
            ask(made, call)
        assert "schl" not in str(raised.value)
        assert call.usage == ["unbilled"]

    def test_the_cost_of_an_answer_that_came_too_late_is_unknown(self, llmock: LLMock) -> None:
        llmock.delay(5 * LIMIT)
        call = Watch()
        assert f"did not answer within {LIMIT:g} s" in str(
            fault_of(lambda: ask(client(llmock.base_url(), timeout=LIMIT), call))
        )
        assert call.usage == []

    def test_the_cost_of_an_answer_that_broke_off_is_unknown(self, provider: Provider) -> None:
        def break_off(handler: Handler) -> None:
            begin(handler, content_length="5000")
            handler.wfile.write(b'{"id": "1"')

        provider.answer = break_off
        call = Watch()
        fault = fault_of(lambda: ask(client(provider.url), call))
        assert "broke off" in str(fault)
        assert not fault.lasting
        assert call.usage == []

    def test_the_time_of_a_call_is_that_of_all_its_requests(self, provider: Provider) -> None:
        def refuses(request: dict[str, Any]) -> tuple[int, bytes] | None:
            if form_of(request) == "json_object":
                provider.released.wait(HANG)
            return no_schema(request)

        provider.answer = answers(refuses=refuses)
        call = Watch()
        made = client(provider.url, timeout=LIMIT)
        assert "did not answer" in str(fault_of(lambda: ask(made, call)))
        assert call.usage == []  # the refusal before cost nothing, the request after it may have
