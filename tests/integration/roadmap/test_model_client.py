"""The model client over real HTTP: what it learns from providers of several kinds, what it tells the meter, how it is stopped."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Fail, Reply
from pydantic import BaseModel, ConfigDict

from roadmap.generation.context import GeneratorFault
from roadmap.generation.llm import client as client_
from roadmap.generation.llm.client import MOST_PARTS, ModelClient, TooManyRequests
from roadmap.generation.llm.compat import Message
from roadmap.generation.usage import FREE
from tests.integration.provider import MODEL, Handler, Provider, completion, providing
from tests.servers import free_port
from tests.waiting import wait_until

KEY = "sk-of-the-test-8c1f"
MOST = 4096  # tokens
SAID = '{"title": "Brot — 写", "hours": 3}'
ASKED: list[Message] = [
    {"role": "system", "content": "Plan."},
    {"role": "user", "content": "Bread, “写”"},
]


class Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    hours: int


class Watch:
    """A MeteredCall that remembers what it was told."""

    def __init__(self, stopped: bool = False) -> None:
        self.told: list[Any] = []
        self.stops: list[Callable[[], None]] = []
        self.stopped = stopped

    def used(self, prompt_tokens: int | None, completion_tokens: int | None) -> None:
        self.told.append((prompt_tokens, completion_tokens))

    def unbilled(self) -> None:
        self.told.append("unbilled")

    def on_stop(self, callback: Callable[[], object]) -> None:
        self.stops.append(callback)
        if self.stopped:
            callback()


def fault_of(call: Callable[[], object]) -> GeneratorFault:
    """The fault that the call ends in, which never tells the key."""
    with pytest.raises(GeneratorFault) as raised:
        call()
    assert KEY not in str(raised.value)
    return raised.value


def client(
    base_url: str, *, timeout: float = 10, must_limit: bool = False, model: str = MODEL
) -> ModelClient:
    return ModelClient(
        key=KEY,
        base_url=base_url,
        model=model,
        timeout=timeout,
        max_tokens=MOST,
        must_limit=must_limit,
    )


def ask(made: ModelClient, call: Watch | None = None) -> str:
    return made.complete(ASKED, Plan, call or Watch())


def refused(message: str, status: int = 400, **fields: Any) -> tuple[int, bytes]:
    return status, json.dumps({"error": {"message": message, **fields}}).encode()


def with_usage(body: bytes, usage: object) -> bytes:
    return json.dumps({**json.loads(body), "usage": usage}).encode()


def form_of(request: dict[str, Any]) -> str | None:
    form: dict[str, str] = request.get("response_format", {})
    return form.get("type")


def limit_of(request: dict[str, Any]) -> str | None:
    given = [name for name in ("max_tokens", "max_completion_tokens") if name in request]
    assert [request[name] for name in given] in ([], [MOST])
    return given[0] if given else None


def answers(
    text: str = SAID, *, refuses: Callable[[dict[str, Any]], tuple[int, bytes] | None]
) -> Callable[[Handler], None]:
    """A provider that refuses some requests, and answers the others with the text."""

    def answer(handler: Handler) -> None:
        status, body = refuses(handler.asked) or (200, completion(text))
        handler.say(status, body)

    return answer


def no_schema(request: dict[str, Any]) -> tuple[int, bytes] | None:
    return (
        refused("This response_format type is unavailable now")
        if form_of(request) == "json_schema"
        else None
    )


def no_format(request: dict[str, Any]) -> tuple[int, bytes] | None:
    return refused("response_format is not supported", 422) if form_of(request) else None


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


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing(answers(refuses=lambda request: None)) as server:
        yield server


class TestAnswers:
    def test_a_provider_that_knows_everything_is_asked_in_the_strictest_form_at_once(
        self, provider: Provider
    ) -> None:
        assert ask(client(provider.url)) == SAID
        (request,) = provider.requests
        schema = {"name": "Plan", "schema": Plan.model_json_schema(), "strict": True}
        assert request == {
            "model": MODEL,
            "messages": ASKED,
            "max_tokens": MOST,
            "response_format": {"type": "json_schema", "json_schema": schema},
        }

    def test_llmock_answers_too_and_says_what_it_used(self, llmock: LLMock) -> None:
        llmock.add(Reply(text=SAID))
        call = Watch()
        assert ask(client(llmock.base_url()), call) == SAID
        ((prompt, answer),) = call.told
        assert 0 < prompt <= client(llmock.base_url()).bound(ASKED, Plan)[0]
        assert 0 < answer <= MOST

    def test_a_meter_that_counts_nothing_serves_tests_and_tools(self, provider: Provider) -> None:
        with FREE.call(
            "outline", MODEL, "1", most_prompt_tokens=1, most_completion_tokens=1
        ) as call:
            assert client(provider.url).complete(ASKED, Plan, call) == SAID

    def test_text_around_the_json_is_left_out_also_where_the_schema_should_have_been_enforced(
        self, provider: Provider
    ) -> None:
        """Some servers accept what they do not know, and pass over it."""
        provider.answer = answers(f"```json\n{SAID}\n```", refuses=lambda request: None)
        assert ask(client(provider.url)) == SAID

    @pytest.mark.parametrize(
        "extra", [{"reasoning_content": '{"title": "no"}'}, {"reasoning": "Hm."}]
    )
    def test_what_a_model_thinks_beside_its_answer_is_ignored(
        self, provider: Provider, extra: dict[str, str]
    ) -> None:
        provider.answer = lambda handler: handler.say(200, completion(SAID, message=extra))
        assert ask(client(provider.url)) == SAID

    def test_a_text_in_parts_is_put_together(self, provider: Provider) -> None:
        parts = [
            {"type": "reasoning", "text": "{}"},
            {"type": "text", "text": SAID[:9]},
            {"text": SAID[9:]},
        ]
        provider.answer = lambda handler: handler.say(
            200, completion(None, message={"content": parts})
        )
        assert ask(client(provider.url)) == SAID

    def test_the_bound_holds_for_what_is_sent_in_every_form(self, provider: Provider) -> None:
        provider.answer = answers(refuses=no_format)
        made = client(provider.url)
        ask(made)
        prompt, answer = made.bound(ASKED, Plan)
        assert answer == MOST
        assert len(provider.requests) == 3
        for request in provider.requests:
            schema = json.dumps(request.get("response_format", ""), ensure_ascii=False).encode()
            assert (
                sum(len(message["content"].encode()) for message in request["messages"])
                + len(schema)
                < prompt
            )
        assert prompt < 3000


class TestForms:
    def test_a_server_that_refuses_schemas_is_asked_for_a_json_object_and_never_again_for_a_schema(
        self, provider: Provider
    ) -> None:
        provider.answer = answers(refuses=no_schema)
        made = client(provider.url)
        assert [ask(made), ask(made), ask(made)] == [SAID] * 3
        forms = [form_of(request) for request in provider.requests]
        assert forms == ["json_schema", "json_object", "json_object", "json_object"]

    def test_a_server_that_refuses_every_format_is_asked_in_words_alone(
        self, provider: Provider
    ) -> None:
        provider.answer = answers(refuses=no_format)
        made = client(provider.url)
        assert [ask(made), ask(made)] == [SAID] * 2
        assert [form_of(request) for request in provider.requests] == [
            "json_schema",
            "json_object",
            None,
            None,
        ]
        assert {limit_of(request) for request in provider.requests} == {"max_tokens"}

    def test_the_schema_is_told_in_the_message_of_the_system(self, provider: Provider) -> None:
        provider.answer = answers(refuses=no_format)
        ask(client(provider.url))
        for request in provider.requests[1:]:
            told, *others = request["messages"]
            assert others == ASKED[1:]
            assert told["role"] == "system"
            words, schema = told["content"].split(":\n")
            assert words.startswith(ASKED[0]["content"])
            assert "JSON" in words  # OpenAI refuses json_object otherwise
            assert json.loads(schema) == Plan.model_json_schema()

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            refused(
                "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
                param=None,
            ),
            refused(
                "This model does not support response format `json_schema`.",
                type="invalid_request_error",
            ),
            refused("Structured outputs are not available for this model", 422),
            refused("'strict' is not permitted"),
            refused("Failed to parse grammar"),
            refused("Unsupported parameter", param="response_format"),
            refused("Unknown field"),
            refused("no endpoint of this model supports structured outputs", 404),
            refused("json mode is not implemented", 501),
            refused(
                "Provider returned error", metadata={"raw": '{"message": "guided_json is off"}'}
            ),
            (
                422,
                b'{"detail":[{"type":"extra_forbidden","loc":["body","response_format"],"msg":"Extra inputs"}]}',
            ),
            (400, b'{"error": "unexpected keyword argument response_format"}'),
            (400, b"response_format: unknown variant json_schema"),
        ],
    )
    def test_refusals_of_a_format_are_known_by_the_words_of_many_providers(
        self, provider: Provider, status: int, body: bytes
    ) -> None:
        provider.answer = answers(
            refuses=lambda request: (status, body) if form_of(request) == "json_schema" else None
        )
        call = Watch()
        assert ask(client(provider.url), call) == SAID
        assert [form_of(request) for request in provider.requests] == ["json_schema", "json_object"]
        assert call.told == [(None, None)]

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            refused("Your prompt is too spicy."),
            refused(
                "The response was filtered: it violates our strict content policy",
                code="content_filter",
            ),
            refused(
                "This model's maximum context length is 8192 tokens, schema included",
                code="context_length_exceeded",
            ),
            refused(f"The model {MODEL} does not exist"),
            refused("No such model", code="model_not_found", param="schema"),
            refused("Unsupported parameter type", param="messages[1].content"),
            refused("Structured thoughts need a schema", 401),
            refused("The schema of this address is not there", 403),
            refused("unknown field", 404),
            (
                422,
                b'{"detail":[{"loc":["body","n"],"msg":"Field required","input":{"response_format":"json_schema"}}]}',
            ),
            (
                404,
                b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"><html>schema.org</html>',
            ),
        ],
    )
    def test_a_refusal_for_another_reason_is_lasting_and_changes_no_form(
        self, provider: Provider, status: int, body: bytes
    ) -> None:
        refusals = [(status, body)]
        provider.answer = answers(refuses=lambda request: refusals.pop() if refusals else None)
        made, call = client(provider.url), Watch()
        fault = fault_of(lambda: ask(made, call))
        assert fault.lasting
        assert str(status) in str(fault)
        assert call.told == ["unbilled"]
        assert ask(made) == SAID
        assert [form_of(request) for request in provider.requests] == ["json_schema", "json_schema"]

    def test_the_name_of_a_model_is_no_word_about_a_format(self, provider: Provider) -> None:
        provider.answer = answers(
            refuses=lambda request: refused("The model `Strict-1` is not yours")
        )
        assert fault_of(lambda: ask(client(provider.url, model="strict-1"))).lasting
        assert len(provider.requests) == 1

    def test_a_form_that_worked_is_not_given_up_for_one_refusal(self, provider: Provider) -> None:
        refusals: list[tuple[int, bytes]] = []
        provider.answer = answers(refuses=lambda request: refusals.pop() if refusals else None)
        made = client(provider.url)
        ask(made)
        refusals.append(refused("Invalid schema for response_format 'Plan'"))
        assert [ask(made), ask(made)] == [SAID] * 2
        forms = [form_of(request) for request in provider.requests]
        assert forms == ["json_schema", "json_schema", "json_object", "json_schema"]

    def test_a_form_in_which_no_answer_came_is_not_remembered(self, provider: Provider) -> None:
        broken = [True]

        def refuses(request: dict[str, Any]) -> tuple[int, bytes] | None:
            return no_schema(request) or ((500, b"{}") if broken else None)

        provider.answer = answers(refuses=refuses)
        made = client(provider.url)
        assert not fault_of(lambda: ask(made)).lasting
        broken.clear()
        assert ask(made) == SAID
        forms = [form_of(request) for request in provider.requests]
        assert forms == ["json_schema", "json_object", "json_schema", "json_object"]

    def test_a_server_that_passes_over_schemas_in_silence_is_told_them_in_words_from_then_on(
        self, provider: Provider
    ) -> None:
        def answer(handler: Handler) -> None:
            told = "Plan" if form_of(handler.asked) == "json_schema" else SAID
            handler.say(200, completion(told))

        provider.answer = answer
        made = client(provider.url)
        assert [ask(made) for _ in range(3)] == ["Plan", SAID, SAID]
        assert [form_of(request) for request in provider.requests] == [
            "json_schema",
            "json_object",
            "json_object",
        ]

    def test_a_server_that_has_kept_to_a_schema_may_fail_to_do_so_once(
        self, provider: Provider
    ) -> None:
        texts = [SAID, "Sorry.", SAID]
        provider.answer = lambda handler: handler.say(
            200, completion(texts[len(provider.requests) - 1])
        )
        made = client(provider.url)
        assert [ask(made) for _ in range(3)] == texts
        assert {form_of(request) for request in provider.requests} == {"json_schema"}

    def test_llama_cpp_says_500_to_a_schema_that_it_makes_no_grammar_of(
        self, provider: Provider
    ) -> None:
        def no_grammar(request: dict[str, Any]) -> tuple[int, bytes] | None:
            refusal = refused("failed to parse grammar", 500, code=500, type="server_error")
            return refusal if form_of(request) == "json_schema" else None

        provider.answer = answers(refuses=no_grammar)
        assert ask(client(provider.url)) == SAID
        assert [form_of(request) for request in provider.requests] == ["json_schema", "json_object"]

    def test_threads_that_find_out_at_once_agree(self, provider: Provider) -> None:
        together = threading.Barrier(8)

        def refuses(request: dict[str, Any]) -> tuple[int, bytes] | None:
            if form_of(request) == "json_schema":
                together.wait(10)  # nobody is answered before everybody has asked
            return no_schema(request)

        provider.answer = answers(refuses=refuses)
        made, said = client(provider.url), []
        threads = [threading.Thread(target=lambda: said.append(ask(made))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said == [SAID] * 8
        assert (
            sorted(str(form_of(request)) for request in provider.requests)
            == ["json_object"] * 8 + ["json_schema"] * 8
        )
        ask(made)
        assert form_of(provider.requests[-1]) == "json_object"
        assert len(provider.requests) == 17

    @pytest.mark.parametrize(
        "text",
        [
            SAID,
            f"```json\n{SAID}\n```",
            f"```\n{SAID}```",
            f"Sure! Here it is:\n\n{SAID}",
            f"{SAID}\n\nTell me {{if}} you want more.",
            f"A set {{like this}} and {{}} and {{'a': 1}} come first. {SAID} Done.",
            f'<think>I could say {{"title": "a much, much, much longer title than that", "hours": 1}}.</think>\n{SAID}',
            f'\n<think>\n</think>```json\n{SAID}\n```\n{{"hours": 3}}',
            f'thinking without a beginning {{"hours": 3}}\n</think>\n{SAID}',
        ],
    )
    @pytest.mark.parametrize("refuses", [no_schema, no_format])
    def test_json_is_cut_out_of_what_stands_around_it_when_no_schema_was_enforced(
        self,
        provider: Provider,
        text: str,
        refuses: Callable[[dict[str, Any]], tuple[int, bytes] | None],
    ) -> None:
        provider.answer = answers(text, refuses=refuses)
        assert ask(client(provider.url)) == SAID

    @pytest.mark.parametrize(
        "text", ["Sure! Here is your plan:", '{"title": "cut', '{"a":' * 50_000, "{" * 100_000]
    )
    def test_a_text_without_a_whole_json_object_is_left_as_it_is(
        self, provider: Provider, text: str
    ) -> None:
        provider.answer = answers(text, refuses=no_schema)
        assert ask(client(provider.url)) == text


class TestLimits:
    def test_a_server_that_takes_only_max_completion_tokens_is_told_so_from_then_on(
        self, provider: Provider
    ) -> None:
        provider.answer = answers(refuses=only_max_completion_tokens)
        made = client(provider.url, must_limit=True)
        assert [ask(made), ask(made)] == [SAID] * 2
        assert [limit_of(request) for request in provider.requests] == [
            "max_tokens",
            "max_completion_tokens",
            "max_completion_tokens",
        ]
        assert {form_of(request) for request in provider.requests} == {"json_schema"}

    def test_a_server_that_takes_no_limit_is_asked_without_one(self, provider: Provider) -> None:
        provider.answer = answers(refuses=no_limit)
        made = client(provider.url)
        assert [ask(made), ask(made)] == [SAID] * 2
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
        assert call.told == ["unbilled"]
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
                with_usage(completion(SAID), {"prompt_tokens": 9, "completion_tokens": written}),
            )

        provider.answer = answer
        free, limited, call = client(provider.url), client(provider.url, must_limit=True), Watch()
        assert [ask(free) for _ in range(3)] == [SAID] * 3
        names = [limit_of(request) for request in provider.requests]
        assert names == ["max_tokens", "max_completion_tokens", heeds]
        assert [ask(limited) for _ in range(2)] == [SAID] * 2
        if heeds:
            assert ask(limited) == SAID
        else:
            fault = fault_of(lambda: ask(limited, call))
            assert (fault.lasting, call.told) == (True, ["unbilled"])
            assert "more than it was allowed" in str(fault)
            assert "MODEL_MAX_TOKENS" in str(fault)
            assert len(provider.requests) == 5

    def test_a_few_tokens_more_than_the_limit_are_a_matter_of_counting(
        self, provider: Provider
    ) -> None:
        usage = {"prompt_tokens": 9, "completion_tokens": MOST + 16}
        provider.answer = lambda handler: handler.say(200, with_usage(completion(SAID), usage))
        made = client(provider.url, must_limit=True)
        assert [ask(made) for _ in range(3)] == [SAID] * 3
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
        assert [ask(made), ask(made)] == [SAID] * 2
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
    def test_a_server_that_refuses_everything_is_asked_five_times_at_most(
        self, provider: Provider, message: str
    ) -> None:
        provider.answer = answers(refuses=lambda request: refused(message))
        call = Watch()
        assert fault_of(lambda: ask(client(provider.url), call)).lasting
        assert len(provider.requests) == (5 if message == "Unknown field" else 3)
        assert call.told == ["unbilled"]


def whole(**changes: Any) -> bytes:
    return with_usage(
        completion(changes.pop("content", SAID), **changes),
        {"prompt_tokens": 11, "completion_tokens": 22},
    )


class TestMetering:
    @pytest.mark.parametrize(
        "body",
        [
            whole(content=None, message={"refusal": "No."}),
            whole(finish_reason="length"),
            whole(finish_reason="content_filter"),
            whole(content=""),
            whole(content=None, message={"content": [{"type": "image_url", "image_url": "x"}]}),
            b'{"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 22}}',
            b'{"error": {"message": "gone", "code": 502}, "usage": {"prompt_tokens": 11, "completion_tokens": 22}}',
        ],
    )
    def test_what_an_unusable_answer_used_is_told_as_well(
        self, provider: Provider, body: bytes
    ) -> None:
        provider.answer = lambda handler: handler.say(200, body)
        call = Watch()
        fault_of(lambda: ask(client(provider.url), call))
        assert call.told == [(11, 22)]

    @pytest.mark.parametrize(
        ("usage", "told"),
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
        self, provider: Provider, usage: object, told: tuple[int | None, int | None]
    ) -> None:
        provider.answer = lambda handler: handler.say(200, with_usage(completion(SAID), usage))
        call = Watch()
        assert ask(client(provider.url), call) == SAID
        assert call.told == [told]

    def test_an_answer_without_usage_is_told_as_unknown(self, provider: Provider) -> None:
        call = Watch()
        ask(client(provider.url), call)
        assert call.told == [(None, None)]

    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 422, 429, 500, 503])
    def test_an_http_error_is_unbilled(self, llmock: LLMock, status: int) -> None:
        llmock.add(Fail(status, message=f"Not with {KEY}"))
        call = Watch()
        fault_of(lambda: ask(client(llmock.base_url()), call))
        assert call.told == ["unbilled"]

    @pytest.mark.parametrize("status", [502, 504, 524])
    def test_what_a_gateway_gave_up_may_be_billed(self, llmock: LLMock, status: int) -> None:
        llmock.add(Fail(status, message="Gateway timeout"))
        call = Watch()
        fault_of(lambda: ask(client(llmock.base_url()), call))
        assert call.told == []

    def test_a_connection_that_was_never_made_is_unbilled(self) -> None:
        call = Watch()
        fault = fault_of(lambda: ask(client(f"http://127.0.0.1:{free_port()}/v1"), call))
        assert "cannot be reached" in str(fault)
        assert not fault.lasting
        assert call.told == ["unbilled"]

    @pytest.mark.parametrize("url", ["http://localhost:port/v1", "http://[::1/v1"])
    def test_an_address_that_is_none_is_a_fault_at_each_call_and_unbilled(self, url: str) -> None:
        made = client(url)
        for _ in range(2):
            call = Watch()
            assert "OPENAI_BASE_URL" in str(fault_of(lambda call=call: ask(made, call)))
            assert call.told == ["unbilled"]

    def test_a_key_that_no_header_can_hold_is_a_fault_that_does_not_show_it(
        self, provider: Provider
    ) -> None:
        made = ModelClient(
            key="sk-schlüssel-写", base_url=provider.url, model=MODEL, timeout=10, max_tokens=MOST
        )
        call = Watch()
        with pytest.raises(GeneratorFault, match="OPENAI_API_KEY") as raised:
            ask(made, call)
        assert "schl" not in str(raised.value)
        assert call.told == ["unbilled"]

    def test_of_an_answer_that_did_not_come_in_time_nobody_knows_the_cost(
        self, llmock: LLMock
    ) -> None:
        llmock.delay(1)
        call = Watch()
        assert "did not answer within 0.3 s" in str(
            fault_of(lambda: ask(client(llmock.base_url(), timeout=0.3), call))
        )
        assert call.told == []

    def test_of_an_answer_that_broke_off_nobody_knows_the_cost(self, provider: Provider) -> None:
        def break_off(handler: Handler) -> None:
            handler.send_response(200)
            handler.send_header("content-length", "5000")
            handler.end_headers()
            handler.wfile.write(b'{"id": "1"')

        provider.answer = break_off
        call = Watch()
        fault = fault_of(lambda: ask(client(provider.url), call))
        assert "broke off" in str(fault)
        assert not fault.lasting
        assert call.told == []

    def test_the_time_of_a_call_is_that_of_all_its_requests(self, provider: Provider) -> None:
        def refuses(request: dict[str, Any]) -> tuple[int, bytes] | None:
            if form_of(request) == "json_object":
                provider.released.wait(10)
            return no_schema(request)

        provider.answer = answers(refuses=refuses)
        call = Watch()
        assert "did not answer" in str(
            fault_of(lambda: ask(client(provider.url, timeout=0.5), call))
        )
        assert call.told == []  # the refusal before cost nothing, the request after it may have


class TestStopping:
    def test_a_running_call_is_cut_short_and_its_connection_closed(
        self, provider: Provider
    ) -> None:
        hung_up = threading.Event()

        def never_end(handler: Handler) -> None:
            handler.send_response(200)
            handler.end_headers()
            try:
                while not handler.server.released.wait(0.01):
                    handler.wfile.write(b" ")
            except OSError:
                hung_up.set()

        provider.answer = never_end
        made, call, faults = client(provider.url, timeout=60), Watch(), []
        caller = threading.Thread(target=lambda: faults.append(fault_of(lambda: ask(made, call))))
        caller.start()
        wait_until(lambda: provider.requests)
        call.stops[0]()
        caller.join(10)
        assert [str(fault) for fault in faults] == ["The call was stopped."]
        assert hung_up.wait(10)
        assert call.told == []
        provider.answer = answers(refuses=lambda request: None)
        assert ask(made) == SAID

    def test_a_call_that_was_stopped_before_it_began_ends_at_once(self, provider: Provider) -> None:
        provider.answer = lambda handler: handler.server.released.wait(30) and None
        assert (
            str(fault_of(lambda: ask(client(provider.url, timeout=60), Watch(stopped=True))))
            == "The call was stopped."
        )

    def test_a_stop_after_the_end_changes_nothing(self, provider: Provider) -> None:
        call = Watch()
        assert ask(client(provider.url), call) == SAID
        call.stops[0]()
        assert call.told == [(None, None)]


class TestAddresses:
    def test_the_query_of_the_address_goes_with_every_request(self, provider: Provider) -> None:
        paths: list[str] = []

        def answer(handler: Handler) -> None:
            paths.append(handler.path)
            answers(refuses=no_schema)(handler)

        provider.answer = answer
        ask(client(f"{provider.url}/openai/deployments/one/?api-version=2024-10-21&a=b+c&empty="))
        assert (
            paths
            == ["/v1/openai/deployments/one/chat/completions?api-version=2024-10-21&a=b+c&empty="]
            * 2
        )
        assert all("api-key" not in headers for headers in provider.headers)

    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("one.openai.azure.com", KEY),
            ("ONE.services.ai.AZURE.com", KEY),
            ("azure.com.example.org", None),
            ("notazure.com", None),
        ],
    )
    def test_azure_gets_the_key_in_its_own_header_too(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch, host: str, expected: str | None
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{provider.server_port}")
        assert ask(client(f"http://{host}/openai/v1?api-version=preview")) == SAID
        (headers,) = provider.headers
        assert headers["host"] == host.lower()
        assert headers["authorization"] == f"Bearer {KEY}"
        assert headers.get("api-key") == expected

    def test_a_redirect_is_not_followed_so_that_the_key_stays_here(
        self, provider: Provider
    ) -> None:
        provider.answer = lambda handler: handler.say(
            308, b"", location=f"{provider.url}/elsewhere"
        )
        fault = fault_of(lambda: ask(client(provider.url)))
        assert (
            str(fault)
            == "The provider answered 308: it sends us elsewhere, and OPENAI_BASE_URL must say where to."
        )
        assert fault.lasting
        assert len(provider.requests) == 1


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
            completion(SAID[:9], error=error)
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
            handler.send_response(500)
            handler.end_headers()
            while not handler.server.released.is_set():
                handler.wfile.write(b"x" * 4096)
                sent.append(4096)

        provider.answer = never_end
        fault = fault_of(lambda: ask(client(provider.url, timeout=60)))
        assert str(fault) == f"The provider answered 500: {'x' * 300}."
        assert 16 <= len(sent) < 25_000  # the client hung up long before a hundred megabytes

    def test_an_error_that_trickles_is_cut_off_by_its_time(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_, "EXPLAINING", 0.3)

        def trickle(handler: Handler) -> None:
            handler.send_response(503)
            handler.send_header("retry-after", "9")
            handler.end_headers()
            while not handler.server.released.wait(0.02):
                handler.wfile.write(b"x")

        provider.answer = trickle
        call = Watch()
        fault = fault_of(lambda: ask(client(provider.url, timeout=60), call))
        assert str(fault).startswith("The provider answered 503: x")
        assert fault.retry_after == 9
        assert call.told == ["unbilled"]

    def test_an_answer_is_not_unpacked(self, provider: Provider) -> None:
        """A megabyte of zeros, packed, is a kilobyte."""
        packed = gzip.compress(completion(SAID))
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
        assert call.told == []
