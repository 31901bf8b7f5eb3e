"""The description of the API is what the code says, and what the service serves."""

import pytest
from starlette.testclient import TestClient

from web import openapi
from web.routes import ENDPOINTS


def test_the_file_that_is_served_is_what_the_code_says() -> None:
    assert openapi.FILE.read_text("utf-8") == openapi.written(), "run `make openapi` and look at the difference"


def test_it_is_served(client: TestClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == openapi.document()
    again = client.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_every_route_for_programs_is_in_it() -> None:
    described = {(method.upper(), path) for path, item in openapi.document()["paths"].items() for method in item}
    assert described == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def test_operations_have_names_of_their_own() -> None:
    names = [openapi.operation_id(endpoint) for endpoint in ENDPOINTS]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("slug", ["invalid", "internal", "method-not-allowed", "idempotency-key-reused"])
def test_a_problem_can_be_read_about_at_its_type(client: TestClient, slug: str) -> None:
    told = client.get(f"/problems/{slug}").json()
    assert told["type"] == f"/problems/{slug}"
    assert told["meaning"]
    assert told["remedy"]
    assert client.get("/problems/no-such-problem").status_code == 404


def test_it_says_of_no_secret_how_long_it_is_to_be_shown() -> None:
    password = openapi.document()["components"]["schemas"]["Credentials"]["properties"]["password"]
    assert (password["format"], password["writeOnly"]) == ("password", True)
