"""The description of the API has the rules for requests, and the fields of all answers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from core.sanitize import CLEAN, Email, Rule, validate_printable
from roadmap.plan.schemas import PRINTABLE, printable
from scripts import openapi
from tests.closed import closed
from web.endpoints import idempotency

CODES = (*range(0x21), 0x7F, 0x85, 0x9F, 0xA0, *range(0x2000, 0x2070), 0x61C)
STRANGE = ("", "a", "a\tb\nc\r", *(f"a{chr(code)}b" for code in CODES))


@pytest.mark.parametrize(
    ("rule", "function"), [(PRINTABLE, printable), (CLEAN, validate_printable)]
)
def test_a_pattern_of_the_document_is_what_its_function_checks(rule: Rule, function: Any) -> None:
    def passes(text: str) -> bool:
        try:
            return bool(function(text) == text)
        except ValueError:
            return False

    assert [
        text for text in STRANGE if bool(re.fullmatch(rule.pattern, text)) != passes(text)
    ] == []


def test_it_says_what_an_address_is() -> None:
    schema = TypeAdapter(Email).json_schema()
    assert (schema["format"], schema["maxLength"]) == ("email", 254)
    for text in ("a@b.c", "a@b", "a b@c.d", "@b.c", "a@.", "a@b.c d"):
        try:
            TypeAdapter(Email).validate_python(text)
            assert re.fullmatch(schema["pattern"], text), text
        except ValidationError:
            assert not re.fullmatch(schema["pattern"], text), text


KEYS = (
    "a",
    "a" * 200,
    "a" * 201,
    "!",
    "~",
    '"',
    '""',
    '"a b"',
    '"a\\"b"',
    '"a\\b"',
    'a"b',
    '"a" ',
    "a b",
    "",
    "\u00e4",
)


def test_it_takes_the_idempotency_keys_that_the_service_takes() -> None:
    described = openapi.REQUEST_HEADERS["Idempotency-Key"][0]["pattern"]
    keys = (*KEYS, f'"{"x" * 201}"')
    assert [
        key
        for key in keys
        if bool(re.fullmatch(described, key)) != bool(idempotency.KEY.fullmatch(key))
    ] == []


def test_a_link_leads_further_by_an_id_that_the_answer_brings() -> None:
    """The id of a concept is no id of an attempt at its quiz."""
    for item in openapi.document()["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                for link in response.get("links", {}).values():
                    [expression] = [
                        value
                        for value in link["parameters"].values()
                        if value.startswith("$response")
                    ]
                    assert not (
                        expression.endswith("#/id") and operation["operationId"].startswith("read_")
                    )


def test_what_is_sent_as_json_is_not_described_as_text() -> None:
    paths = openapi.document()["paths"]
    assert paths["/openapi.json"]["get"]["responses"]["200"]["content"]["application/json"][
        "schema"
    ] == {"type": "object"}


def _fits(name: str, value: Any, document: dict[str, Any]) -> bool:
    schema = {"$ref": f"{openapi.SCHEMAS}{name}", "components": document["components"]}
    return Draft202012Validator(schema).is_valid(value)


def test_enumerations_are_open_in_answers_and_closed_in_requests() -> None:
    document = openapi.document()
    ours = closed(document)
    answer = document["paths"]["/api/v1/roadmaps"]["get"]["responses"]["200"]
    example = answer["content"]["application/json"]["example"]
    later = {**example, "items": [{**each, "status": "paused"} for each in example["items"]]}
    assert later["items"]
    assert _fits("RoadmapSummaryPage", example, ours)
    assert _fits("RoadmapSummaryPage", later, document)
    assert not _fits("RoadmapSummaryPage", later, ours)
    asked = {"goal": "Learn Python", "level": "beginner"}
    assert _fits("RoadmapRequest", asked, document)
    assert not _fits("RoadmapRequest", {**asked, "level": "expert"}, document)


def test_no_enumeration_of_an_answer_is_closed() -> None:
    document = openapi.document()
    schemas = document["components"]["schemas"]
    enums = {f"{openapi.SCHEMAS}{name}" for name, schema in schemas.items() if "enum" in schema}

    def found(node: Any, where: str) -> Iterator[str]:
        if isinstance(node, list):
            for number, each in enumerate(node):
                yield from found(each, f"{where}/{number}")
        if isinstance(node, dict):
            is_open = {"type": "string"} in node.get("anyOf", ())
            if "enum" in node or node.get("$ref") in enums:
                yield where
            for name, each in node.items():
                if not (name == "anyOf" and is_open) and name not in ("example", "examples"):
                    yield from found(each, f"{where}/{name}")
            reference = str(node.get("$ref", "")).removeprefix(openapi.SCHEMAS)
            if reference in schemas and reference not in seen:
                seen.add(reference)
                yield from found(schemas[reference], reference)

    seen: set[str] = set()
    answers = [
        response.get("content", {})
        for item in document["paths"].values()
        for operation in item.values()
        for response in operation["responses"].values()
    ]
    messages = [each["post"]["requestBody"] for each in document["webhooks"].values()]
    assert [*found(answers, "answers"), *found(messages, "messages")] == []
    assert len(seen) > 100


def test_names_of_schemas_are_those_of_classes() -> None:
    """Generators make classes of them, and a class has no module's path in its name."""
    names = openapi.document()["components"]["schemas"]
    assert [name for name in names if not re.fullmatch(r"([A-Z][a-z0-9]+)+", name)] == []


def test_what_webhooks_are_sent_has_a_name_like_any_operation() -> None:
    document = openapi.document()
    operations = [each for item in document["webhooks"].values() for each in item.values()]
    names = [each["operationId"] for each in operations]
    others = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert names
    assert len({*names, *others}) == len(names) + len(others)


def test_a_header_that_is_always_there_is_required() -> None:
    document = openapi.document()
    required = {
        name for name, header in document["components"]["headers"].items() if header.get("required")
    }
    assert required == {"ETag", "Location", "Retry-After", "WWW-Authenticate", "X-Request-ID"}
