"""The model client over real HTTP: formats that providers support."""

import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any

import pytest
from llmock.pytest_plugin import LLMock
from llmock.scenarios import Reply
from pydantic import BaseModel, Field

from roadmap.generation.context import FREE, MeteredCall
from testing.provider import MODEL, Handler, Provider, completion
from testing.waiting import HANG
from tests.integration.roadmap.model_client.providers import (
    ASKED,
    KEY,
    MOST,
    REPLY,
    Plan,
    Watch,
    answers,
    ask,
    client,
    fault_of,
    form_of,
    limit_of,
    no_format,
    no_schema,
    refused,
)


class TestAnswers:
    def test_a_provider_that_knows_everything_is_asked_in_the_strictest_form_at_once(
        self, provider: Provider
    ) -> None:
        assert ask(client(provider.url)) == REPLY
        (request,) = provider.requests
        schema = {"name": "Plan", "schema": Plan.model_json_schema(), "strict": True}
        assert request == {
            "model": MODEL,
            "messages": ASKED,
            "max_tokens": MOST,
            "stream": True,
            "stream_options": {"include_usage": True},
            "response_format": {"type": "json_schema", "json_schema": schema},
        }

    def test_llmock_answers_too_and_says_what_it_used(self, llmock: LLMock) -> None:
        llmock.add(Reply(text=REPLY))
        call = Watch()
        assert ask(client(llmock.base_url()), call) == REPLY
        ((prompt, answer),) = call.usage
        assert 0 < prompt <= client(llmock.base_url()).bound(ASKED, Plan)[0]
        assert 0 < answer <= MOST

    def test_a_meter_that_counts_nothing_serves_tests_and_tools(self, provider: Provider) -> None:
        def begin(prompt: int, answer: int) -> AbstractContextManager[MeteredCall]:
            return FREE.call(
                "outline", MODEL, "1", most_prompt_tokens=prompt, most_completion_tokens=answer
            )

        assert client(provider.url).complete(ASKED, Plan, begin) == REPLY

    def test_text_around_the_json_is_left_out_also_where_the_schema_should_have_been_enforced(
        self, provider: Provider
    ) -> None:
        """Some servers accept what they do not know, and pass over it."""
        provider.answer = answers(f"```json\n{REPLY}\n```", refuses=lambda request: None)
        assert ask(client(provider.url)) == REPLY

    @pytest.mark.parametrize(
        "extra", [{"reasoning_content": '{"title": "no"}'}, {"reasoning": "Hm."}]
    )
    def test_what_a_model_thinks_beside_its_answer_is_ignored(
        self, provider: Provider, extra: dict[str, str]
    ) -> None:
        provider.answer = lambda handler: handler.say(200, completion(REPLY, message=extra))
        assert ask(client(provider.url)) == REPLY

    def test_a_text_in_parts_is_put_together(self, provider: Provider) -> None:
        parts = [
            {"type": "reasoning", "text": "{}"},
            {"type": "text", "text": REPLY[:9]},
            {"text": REPLY[9:]},
        ]
        provider.answer = lambda handler: handler.say(
            200, completion(None, message={"content": parts})
        )
        assert ask(client(provider.url)) == REPLY

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
        assert [ask(made), ask(made), ask(made)] == [REPLY] * 3
        forms = [form_of(request) for request in provider.requests]
        assert forms == ["json_schema", "json_object", "json_object", "json_object"]

    def test_a_server_that_refuses_every_format_is_asked_in_words_alone(
        self, provider: Provider
    ) -> None:
        provider.answer = answers(refuses=no_format)
        made = client(provider.url)
        assert [ask(made), ask(made)] == [REPLY] * 2
        assert [form_of(request) for request in provider.requests] == [
            "json_schema",
            "json_object",
            None,
            None,
        ]
        assert {limit_of(request) for request in provider.requests} == {"max_tokens"}

    def test_the_schema_ends_the_last_message(self, provider: Provider) -> None:
        """Messages before it stay the same, for caches; no template sees two users in a row."""
        provider.answer = answers(refuses=no_format)
        ask(client(provider.url))
        for request in provider.requests[1:]:
            *others, found = request["messages"]
            assert others == ASKED[:-1]
            assert found["role"] == "user"
            words, schema = found["content"].split(":\n")
            assert words.startswith(ASKED[-1]["content"])
            assert "JSON" in words  # OpenAI refuses json_object otherwise
            assert json.loads(schema) == Plan.model_json_schema()

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            refused(
                "Invalid parameter: 'response_format' of type 'json_schema' is not supported "
                "with this model.",
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
            refused("no endpoint of this model supports structured outputs", 404),
            refused("json mode is not implemented", 501),
            refused(
                "Provider returned error", metadata={"raw": '{"message": "guided_json is off"}'}
            ),
            (
                422,
                b'{"detail":[{"type":"extra_forbidden","loc":["body","response_format"],'
                b'"msg":"Extra inputs"}]}',
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
        assert ask(client(provider.url), call) == REPLY
        assert [form_of(request) for request in provider.requests] == ["json_schema", "json_object"]
        assert call.usage == [(None, None)]

    def test_a_refusal_that_names_no_field_costs_the_stream_before_the_form(
        self, provider: Provider
    ) -> None:
        provider.answer = answers(
            refuses=lambda request: refused("Unknown field") if form_of(request) else None
        )
        assert ask(client(provider.url)) == REPLY
        assert [
            ("stream" in request, "stream_options" in request, form_of(request))
            for request in provider.requests
        ] == [
            (True, True, "json_schema"),
            (True, False, "json_schema"),
            (False, False, "json_schema"),
            (False, False, "json_object"),
            (False, False, None),
        ]

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
                b'{"detail":[{"loc":["body","n"],"msg":"Field required",'
                b'"input":{"response_format":"json_schema"}}]}',
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
        assert call.usage == ["unbilled"]
        assert ask(made) == REPLY
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
        assert [ask(made), ask(made)] == [REPLY] * 2
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
        assert ask(made) == REPLY
        forms = [form_of(request) for request in provider.requests]
        assert forms == ["json_schema", "json_object", "json_schema", "json_object"]

    def test_a_server_that_ignores_schemas_gets_them_in_the_prompt_from_then_on(
        self, provider: Provider
    ) -> None:
        def answer(handler: Handler) -> None:
            body = "Plan" if form_of(handler.asked) == "json_schema" else REPLY
            handler.say(200, completion(body))

        provider.answer = answer
        made = client(provider.url)
        assert [ask(made) for _ in range(3)] == ["Plan", REPLY, REPLY]
        assert [form_of(request) for request in provider.requests] == [
            "json_schema",
            "json_object",
            "json_object",
        ]

    def test_a_server_that_has_kept_to_a_schema_may_fail_to_do_so_once(
        self, provider: Provider
    ) -> None:
        texts = [REPLY, "Sorry.", REPLY]
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
        assert ask(client(provider.url)) == REPLY
        assert [form_of(request) for request in provider.requests] == ["json_schema", "json_object"]

    def test_threads_that_find_out_at_once_agree(self, provider: Provider) -> None:
        together = threading.Barrier(8)

        def refuses(request: dict[str, Any]) -> tuple[int, bytes] | None:
            if form_of(request) == "json_schema":
                together.wait(HANG)  # no request is answered before all have come
            return no_schema(request)

        provider.answer = answers(refuses=refuses)
        made, found = client(provider.url), []
        threads = [threading.Thread(target=lambda: found.append(ask(made))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [REPLY] * 8
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
            REPLY,
            f"```json\n{REPLY}\n```",
            f"```\n{REPLY}```",
            f"Sure! Here it is:\n\n{REPLY}",
            f"{REPLY}\n\nTell me {{if}} you want more.",
            f"A set {{like this}} and {{}} and {{'a': 1}} come first. {REPLY} Done.",
            '<think>I could say {"title": "a much, much, much longer title than that", '
            f'"hours": 1}}.</think>\n{REPLY}',
            f'\n<think>\n</think>```json\n{REPLY}\n```\n{{"hours": 3}}',
            f'thinking without a beginning {{"hours": 3}}\n</think>\n{REPLY}',
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
        assert ask(client(provider.url)) == REPLY

    @pytest.mark.parametrize(
        "text", ["Sure! Here is your plan:", '{"title": "cut', '{"a":' * 50_000, "{" * 100_000]
    )
    def test_a_text_without_a_whole_json_object_is_left_as_it_is(
        self, provider: Provider, text: str
    ) -> None:
        provider.answer = answers(text, refuses=no_schema)
        assert ask(client(provider.url)) == text


class Bounded(BaseModel):
    aim: Annotated[str, Field(json_schema_extra={"maxLength": 9})]
    maxLength: Annotated[list[str], Field(json_schema_extra={"minItems": 1, "maxItems": 2})]


def bounds_of(request: dict[str, Any]) -> set[str] | None:
    """The bounds in the schema that was sent; None: there is no schema."""
    if form_of(request) != "json_schema":
        return None
    fields = request["response_format"]["json_schema"]["schema"]["properties"]
    assert set(fields) == {"aim", "maxLength"}
    return {"maxLength", "minItems", "maxItems"} & {*fields["aim"], *fields["maxLength"]}


class TestBounds:
    """Bounds of texts and lists are sent, and left out step by step where they are refused."""

    @pytest.mark.parametrize(
        ("refused_ones", "sent"),
        [
            ((), [{"maxLength", "minItems", "maxItems"}]),
            (("maxLength",), [{"maxLength", "minItems", "maxItems"}, {"minItems", "maxItems"}]),
            (
                ("maxItems",),
                [{"maxLength", "minItems", "maxItems"}, {"minItems", "maxItems"}, set()],
            ),
        ],
    )
    def test_a_server_that_refuses_some_gets_the_others_from_then_on(
        self, provider: Provider, refused_ones: tuple[str, ...], sent: list[set[str]]
    ) -> None:
        def refuses(request: dict[str, Any]) -> tuple[int, bytes] | None:
            named = sorted((bounds_of(request) or set()) & set(refused_ones))
            return refused(f"Invalid schema: '{named[0]}' is not permitted.") if named else None

        provider.answer = answers('{"aim": "1"}', refuses=refuses)
        made = client(provider.url)
        for _ in range(2):
            made.complete(ASKED, Bounded, lambda *bound: nullcontext(Watch()))
        assert [bounds_of(request) for request in provider.requests] == [*sent, sent[-1]]

    def test_a_server_without_schemas_gets_all_bounds_in_words(self, provider: Provider) -> None:
        provider.answer = answers('{"aim": "1"}', refuses=no_schema)
        client(provider.url).complete(ASKED, Bounded, lambda *bound: nullcontext(Watch()))
        assert [form_of(request) for request in provider.requests] == [
            *["json_schema"] * 3,
            "json_object",
        ]
        words = provider.requests[-1]["messages"][-1]["content"]
        assert all(bound in words for bound in ("maxLength", "minItems", "maxItems"))


class TestEffort:
    @pytest.mark.parametrize(
        "message", ["Unsupported parameter: 'reasoning_effort'", "Unknown field"]
    )
    def test_it_is_sent_and_left_out_where_it_is_refused(
        self, provider: Provider, message: str
    ) -> None:
        provider.answer = answers(
            refuses=lambda request: refused(message) if "reasoning_effort" in request else None
        )
        made = client(provider.url, effort="low")
        assert [ask(made), ask(made)] == [REPLY] * 2
        assert [request.get("reasoning_effort") for request in provider.requests] == [
            "low",
            None,
            None,
        ]
        assert all(request["stream"] for request in provider.requests)


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
        assert ask(client(f"http://{host}/openai/v1?api-version=preview")) == REPLY
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
            == "The provider answered 308: it sends us elsewhere, and OPENAI_BASE_URL must say "
            "where to."
        )
        assert fault.lasting
        assert len(provider.requests) == 1
