"""The description of the API is what the code says, and what the service serves."""

import json
import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from scripts import openapi
from tests.closed import closed
from web import openapi_file
from web.endpoints.endpoint import Endpoint
from web.openapi_file import FILE
from web.routes import ENDPOINTS, operation_id

DOCUMENT = openapi.document()
OBVIOUS = (
    r"id|\w+_id|at|\w+_at|status|items|links|next_cursor|questions|user|content|enabled|description"
)
EXAMPLES = json.loads(openapi_file.EXAMPLES.read_text("utf-8"))


def _reached(node: Any) -> Iterator[str]:
    """Every component to which it refers, and to which those do."""
    for name in re.findall(rf'"{openapi.SCHEMAS}(\w+)"', json.dumps(node)):
        yield from (name, *_reached(DOCUMENT["components"]["schemas"][name]))


SENT = sorted(
    {
        *_reached(
            [
                item[method].get("requestBody")
                for item in DOCUMENT["paths"].values()
                for method in item
            ]
        )
    }
)


def test_the_file_that_is_served_is_what_the_code_says() -> None:
    assert FILE.read_text("utf-8") == openapi.written(), (
        "run `python -m scripts.openapi` and look at the difference"
    )


def test_it_is_served(client: TestClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == openapi.document()
    again = client.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_every_route_for_programs_is_in_it() -> None:
    described = {
        (method.upper(), path)
        for path, item in openapi.document()["paths"].items()
        for method in item
    }
    assert described == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def test_operations_have_names_of_their_own() -> None:
    names = [operation_id(endpoint) for endpoint in ENDPOINTS]
    assert sorted(names) == sorted(set(names))


def test_a_problem_can_be_read_about_at_its_type(client: TestClient) -> None:
    for slug in ("invalid", "internal", "method-not-allowed", "idempotency-key-reused"):
        body = client.get(f"/problems/{slug}").json()
        assert (body["type"], bool(body["meaning"]), bool(body["remedy"])) == (
            f"/problems/{slug}",
            True,
            True,
        )
    assert client.get("/problems/no-such-problem").status_code == 404


def test_it_says_of_no_secret_how_long_it_is_to_be_shown() -> None:
    password = openapi.document()["components"]["schemas"]["Credentials"]["properties"]["password"]
    assert (password["format"], password["writeOnly"]) == ("password", True)


def test_it_is_openapi_3_1() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def _missing_examples(endpoint: Endpoint) -> set[str]:
    example = EXAMPLES.get(operation_id(endpoint), {})
    answers = {status: model for status, model in openapi.responses_of(endpoint).items() if model}
    wanted = {*(["request"] if endpoint.body else []), *map(str, answers)}
    return wanted - {*(["request"] if "request" in example else []), *example.get("responses", {})}


def test_an_operation_shows_what_was_sent_and_answered() -> None:
    missing = {
        operation_id(endpoint): sorted(_missing_examples(endpoint)) for endpoint in ENDPOINTS
    }
    without = {name: parts for name, parts in missing.items() if parts}
    assert without == {}, "run `make examples`; a new operation needs a step in scripts/examples.py"


def test_no_example_is_of_an_operation_that_is_not_there() -> None:
    assert set(EXAMPLES) <= {operation_id(endpoint) for endpoint in ENDPOINTS}, (
        "run `make examples`"
    )


def test_every_example_is_as_its_schema_says() -> None:
    found = list(_examples(DOCUMENT, ""))
    assert len(found) > 2 * len(ENDPOINTS)
    assert [
        error for where, schema, example in found for error in _errors(where, schema, example)
    ] == []


def test_examples_tell_no_secret() -> None:
    text = json.dumps(DOCUMENT)
    assert "eyJ" not in text  # how a token begins
    for name in ("access_token", "csrf_token", "invitation"):
        values = {str(value) for value in _named(EXAMPLES, name)} - {"None"}
        assert {"-" in value and value.startswith("the-") for value in values} <= {True}, name


def test_every_field_that_is_sent_is_described() -> None:
    assert [f"{name}.{field}" for name in SENT for field in _without_words(name)] == []


def test_every_field_that_is_answered_is_described_or_says_what_it_is() -> None:
    found = [
        (name, field)
        for name in DOCUMENT["components"]["schemas"]
        for field in _without_words(name)
    ]
    assert [f"{name}.{field}" for name, field in found if not re.fullmatch(OBVIOUS, field)] == []


def test_every_operation_and_parameter_is_described() -> None:
    operations = [operation for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert [each["operationId"] for each in operations if not each["description"]] == []
    parameters = [
        (each["operationId"], parameter)
        for each in operations
        for parameter in each.get("parameters", [])
    ]
    assert [
        (name, parameter["name"])
        for name, parameter in parameters
        if not parameter.get("description")
    ] == []


def _without_words(name: str) -> list[str]:
    fields = DOCUMENT["components"]["schemas"][name].get("properties", {})
    return [
        field
        for field, schema in fields.items()
        if not schema.get("description") and "const" not in schema
    ]


def _examples(node: Any, where: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every example, with the schema beside it."""
    if isinstance(node, list):
        for number, each in enumerate(node):
            yield from _examples(each, f"{where}/{number}")
    if not isinstance(node, dict):
        return
    if isinstance(node.get("schema"), dict) and "example" in node:
        yield where, node["schema"], node["example"]
    if isinstance(node.get("schema"), dict) and isinstance(node.get("examples"), dict):
        yield from (
            (f"{where} {name}", node["schema"], each["value"])
            for name, each in node["examples"].items()
        )
    if isinstance(node.get("examples"), list):
        yield from (
            (where, {key: each for key, each in node.items() if key != "examples"}, each)
            for each in node["examples"]
        )
    for name, each in node.items():
        if name not in ("example", "examples", "default"):
            yield from _examples(each, f"{where}/{name}")


def _errors(where: str, schema: dict[str, Any], example: Any) -> list[str]:
    whole = closed({**schema, "components": DOCUMENT["components"]})
    validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [
        f"{where}: {error.json_path}: {error.message}" for error in validator.iter_errors(example)
    ]


def _named(node: Any, name: str) -> Iterator[Any]:
    """The values of all fields of this name."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for each in children:
        yield from _named(each, name)
    if isinstance(node, dict) and isinstance(node.get(name), str):
        yield node[name]
