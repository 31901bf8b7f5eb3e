"""Bad input over HTTP: a problem that names the field and the rule, and nothing changes."""

import gzip
import hashlib
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx2
import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from roadmap.generation.catalogue.loader import tracks
from testing.stack import GOAL, PASSWORD, Stack, answer_to

ROADMAPS = "/api/v1/roadmaps"
REGISTER, LOGIN = "/api/v1/auth/register", "/api/v1/auth/login"
JSON = {"Content-Type": "application/json"}
UNKNOWN = "01990000-0000-7000-8000-000000000000"
TOKEN_SALT = "roadmap.access-token"
SHORT_PASSWORD = "hunter2"
HUGE = 2 * 1024 * 1024  # bytes
LONG_NUMBER = "1" * 5000  # more digits than int() takes

server_only = pytest.mark.parametrize("stack", ["server"], indirect=True)
embedded_only = pytest.mark.parametrize("stack", ["embedded"], indirect=True)


@pytest.fixture(scope="module")
def existing(stack: Stack) -> str:
    """The path of a finished roadmap."""
    path = stack.create()
    stack.finished(path)
    return path


@pytest.fixture(scope="module", autouse=True)
def nothing_changes(stack: Stack, existing: str) -> Iterator[None]:
    """The caller has the same roadmaps after the tests of this file as before."""
    before = listed(stack)
    yield
    assert listed(stack) == before


def listed(stack: Stack) -> list[str]:
    answer = stack.get(f"{ROADMAPS}?limit=100")
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def problem(answer: httpx2.Response, status: int, slug: str) -> dict:
    """The problem document of an answer, whose common members are checked here."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == f"/problems/{slug}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"]
    return document


def one_error(document: dict, **place: str) -> str:
    """The rule that the only error of a problem tells; `place` is its pointer or parameter."""
    [error] = document["errors"]
    detail = error.pop("detail")
    assert error == place
    return detail


BAD_FIELDS = {
    "no goal": ({}, "/goal", "is required"),
    "an empty goal": ({"goal": ""}, "/goal", "at least 2 characters"),
    "a goal of white space": ({"goal": " \n\t  "}, "/goal", "at least 2 characters"),
    "a goal of 1 character": ({"goal": "a"}, "/goal", "at least 2 characters"),
    "a goal of 10,000 characters": ({"goal": "python " * 1429}, "/goal", "at most 1000 characters"),
    "a number as the goal": ({"goal": 5}, "/goal", "string"),
    "a list as the goal": ({"goal": [GOAL]}, "/goal", "string"),
    "null as the goal": ({"goal": None}, "/goal", "string"),
    "a goal of punctuation": ({"goal": "?!... --- !!!"}, "/goal", "in words"),
    "a goal with a control character": ({"goal": f"{GOAL}\x07"}, "/goal", "control characters"),
    "a goal with NUL": ({"goal": f"{GOAL}\x00"}, "/goal", "control characters"),
    "a background with NUL": (
        {"goal": GOAL, "background": "a\x00b"},
        "/background",
        "control characters",
    ),
    "a background of 2,001 characters": (
        {"goal": GOAL, "background": "a" * 2001},
        "/background",
        "at most 2000",
    ),
    "an unknown level": (
        {"goal": GOAL, "level": "guru"},
        "/level",
        "'beginner', 'intermediate' or 'advanced'",
    ),
    "0 hours": (
        {"goal": GOAL, "hours_per_week": 0},
        "/hours_per_week",
        "greater than or equal to 1",
    ),
    "10^9 hours": (
        {"goal": GOAL, "hours_per_week": 10**9},
        "/hours_per_week",
        "less than or equal to 80",
    ),
    "hours as text": ({"goal": GOAL, "hours_per_week": "8"}, "/hours_per_week", "whole number"),
    "hours as a boolean": (
        {"goal": GOAL, "hours_per_week": True},
        "/hours_per_week",
        "whole number",
    ),
    "half hours": ({"goal": GOAL, "hours_per_week": 8.5}, "/hours_per_week", "whole number"),
    "a deadline in the past": (
        {"goal": GOAL, "deadline": "2020-01-31"},
        "/deadline",
        "in the future",
    ),
    "a deadline in a thousand years": (
        {"goal": GOAL, "deadline": "3026-01-31"},
        "/deadline",
        "within ten years",
    ),
    "a deadline that is no date": ({"goal": GOAL, "deadline": "soon"}, "/deadline", "YYYY-MM-DD"),
    "a day that does not exist": ({"goal": GOAL, "deadline": "2030-02-30"}, "/deadline", "date"),
    "a number as the deadline": ({"goal": GOAL, "deadline": 20300131}, "/deadline", "date"),
    "a language that is no tag": (
        {"goal": GOAL, "language": "not a language"},
        "/language",
        "BCP 47",
    ),
    "an unknown field": ({"goal": GOAL, "goall": "x"}, "/goall", "not a known field"),
    "an unknown field with a slash": (
        {"goal": GOAL, "a/b~c": "x"},
        "/a~1b~0c",
        "not a known field",
    ),
}


@pytest.mark.parametrize(("body", "pointer", "rule"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_bad_field_is_named_with_its_rule(
    stack: Stack, body: dict, pointer: str, rule: str
) -> None:
    document = problem(stack.post(ROADMAPS, json=body), 422, "invalid")
    assert rule in one_error(document, pointer=f"#{pointer}")


def test_a_deadline_today_is_too_late(stack: Stack) -> None:
    answer = stack.post(
        ROADMAPS, json={"goal": GOAL, "deadline": datetime.now(UTC).date().isoformat()}
    )
    assert (
        one_error(problem(answer, 422, "invalid"), pointer="#/deadline") == "must be in the future"
    )


def test_all_bad_fields_are_named_at_once(stack: Stack) -> None:
    answer = stack.post(
        ROADMAPS, json={"goal": "", "level": "guru", "hours_per_week": 0, "colour": "red"}
    )
    pointers = [error["pointer"] for error in problem(answer, 422, "invalid")["errors"]]
    assert pointers == ["#/goal", "#/level", "#/hours_per_week", "#/colour"]


def test_a_goal_that_no_track_fits_is_answered_with_the_tracks_there_are_and_the_way_to_any_goal(
    stack: Stack,
) -> None:
    answer = stack.post(ROADMAPS, json={"goal": "Learn to bake sourdough bread"})
    rule = one_error(problem(answer, 422, "invalid"), pointer="#/goal")
    assert [track.title for track in tracks().values() if track.title not in rule] == []
    assert "OPENAI_API_KEY" in rule


def test_a_language_that_the_catalogue_does_not_have_needs_a_key(stack: Stack) -> None:
    answer = stack.post(ROADMAPS, json={"goal": GOAL, "language": "de"})
    rule = one_error(problem(answer, 422, "invalid"), pointer="#/language")
    assert "English" in rule
    assert "OPENAI_API_KEY" in rule


UNREADABLE = {
    "half an object": b'{"goal": ',
    "text behind the object": b'{"goal": "Python backend"} and more',
    "single quotes": b"{'goal': 'Python backend'}",
    "invalid UTF-8": b'{"goal": "Python backend \xff\xfe"}',
    "half a surrogate pair": b'{"goal": "Python backend \\ud800"}',
    "UTF-16": '{"goal": "Python backend"}'.encode("utf-16"),
    "30,000 brackets": b"[" * 30_000,
    "a number of 5,000 digits": b'{"goal": "Python backend", "hours_per_week": '
    + LONG_NUMBER.encode()
    + b"}",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_body_that_is_not_json_is_malformed(stack: Stack, content: bytes) -> None:
    document = problem(stack.post(ROADMAPS, content=content, headers=JSON), 400, "malformed")
    assert document["detail"].startswith("The body is not valid JSON: ")


@pytest.mark.parametrize("content", [b"[]", b'"Python backend"', b"8", b"null"])
def test_a_body_that_is_not_an_object_is_wrong_as_a_whole(stack: Stack, content: bytes) -> None:
    document = problem(stack.post(ROADMAPS, content=content, headers=JSON), 422, "invalid")
    assert "object" in one_error(document, pointer="#")


@pytest.mark.parametrize(
    "content",
    [b'{"goal": "Bake", "goal": "Learn Python"}', b'{"goal": "a b", "x": [{"y": 1, "y": 2}]}'],
)
def test_a_name_that_stands_twice_in_an_object_is_refused(stack: Stack, content: bytes) -> None:
    document = problem(stack.post(ROADMAPS, content=content, headers=JSON), 400, "malformed")
    assert "twice" in document["detail"]


@pytest.mark.parametrize("charset", ["iso-8859-1", "UTF-16", '"latin-1"'])
def test_another_encoding_than_utf_8_is_named(stack: Stack, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}
    document = problem(
        stack.post(ROADMAPS, json={"goal": ""}, headers=headers), 415, "unsupported-media-type"
    )
    assert "UTF-8" in document["detail"]
    headers = {"Content-Type": 'application/json; charset="UTF-8"'}
    problem(stack.post(ROADMAPS, json={"goal": ""}, headers=headers), 422, "invalid")


def test_an_empty_body_is_called_empty(stack: Stack) -> None:
    document = problem(stack.post(ROADMAPS, content=b"", headers=JSON), 400, "malformed")
    assert "empty" in document["detail"]


def test_a_slash_too_many_is_named(stack: Stack) -> None:
    document = problem(stack.get(f"{ROADMAPS}/"), 404, "not-found")
    assert "Remove the trailing slash" in document["detail"]
    assert "/docs" in problem(stack.get("/api/v1/roadmap"), 404, "not-found")["detail"]


def test_a_body_whose_length_is_too_large_is_refused(stack: Stack) -> None:
    content = b'{"goal": "' + b"a" * HUGE + b'"}'
    document = problem(stack.post(ROADMAPS, content=content, headers=JSON), 413, "too-large")
    assert "262144 bytes" in document["detail"]


def test_a_body_that_does_not_tell_its_length_is_refused_when_it_gets_too_large(
    stack: Stack,
) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"goal": "'
        for _ in range(HUGE // 4096):
            yield b"a" * 4096
        yield b'"}'

    document = problem(stack.post(ROADMAPS, content=chunks(), headers=JSON), 413, "too-large")
    assert "262144 bytes" in document["detail"]


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_body_that_is_not_sent_as_json_is_refused(stack: Stack, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = stack.post(
        ROADMAPS, content=b'{"goal": "Become a backend engineer in Python"}', headers=headers
    )
    assert "application/json" in problem(answer, 415, "unsupported-media-type")["detail"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity", "nonsense"])
@pytest.mark.parametrize("path", [ROADMAPS, f"{ROADMAPS}/{UNKNOWN}/cancel"])
def test_a_compressed_body_is_refused_as_such(stack: Stack, path: str, coding: str) -> None:
    content = gzip.compress(b'{"goal": "Become a backend engineer in Python"}')
    answer = stack.post(path, content=content, headers={**JSON, "Content-Encoding": coding})
    assert "Compressed bodies" in problem(answer, 415, "unsupported-media-type")["detail"]


def test_a_body_that_says_that_it_is_not_compressed_is_read(stack: Stack) -> None:
    headers = {**JSON, "Content-Encoding": "Identity"}
    assert one_error(
        problem(stack.post(ROADMAPS, content=b"{}", headers=headers), 422, "invalid"),
        pointer="#/goal",
    )


BAD_QUERIES = {
    "a limit of 0": ("limit=0", "limit", "greater than or equal to 1"),
    "a limit of 101": ("limit=101", "limit", "less than or equal to 100"),
    "a limit that is no number": ("limit=x", "limit", "whole number"),
    "a limit of 5,000 digits": (f"limit={LONG_NUMBER}", "limit", "whole number"),
    "a bad cursor": ("cursor=here", "cursor", "next_cursor"),
    "an unknown status": ("status=done", "status", "'queued'"),
    "an unknown order": ("sort=name", "sort", "'newest'"),
    "an unknown parameter": ("order=title", "order", "not a known parameter"),
}


@pytest.mark.parametrize(("query", "parameter", "rule"), BAD_QUERIES.values(), ids=BAD_QUERIES)
def test_a_bad_parameter_of_the_list_is_named_with_its_rule(
    stack: Stack, query: str, parameter: str, rule: str
) -> None:
    document = problem(stack.get(f"{ROADMAPS}?{query}"), 422, "invalid")
    assert rule in one_error(document, parameter=parameter)


BAD_LOG_QUERIES = {
    "a limit of 101": ("limit=101", "limit", "less than or equal to 100"),
    "a bad cursor": ("cursor=here", "cursor", "UUID"),
    "an unknown level": ("level=loud", "level", "'debug', 'info', 'warning' or 'error'"),
    "a long category": ("category=" + "a" * 41, "category", "at most 40 characters"),
    "a category with NUL": ("category=a%00b", "category", "control characters"),
}


@pytest.mark.parametrize(
    ("query", "parameter", "rule"), BAD_LOG_QUERIES.values(), ids=BAD_LOG_QUERIES
)
def test_a_bad_parameter_of_the_log_is_named_with_its_rule(
    existing: str, stack: Stack, query: str, parameter: str, rule: str
) -> None:
    document = problem(stack.get(f"{existing}/logs?{query}"), 422, "invalid")
    assert rule in one_error(document, parameter=parameter)


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "+1", "99999999999", LONG_NUMBER])
def test_a_bad_last_event_id_is_refused(existing: str, stack: Stack, number: str) -> None:
    document = problem(
        stack.get(f"{existing}/events", headers={"Last-Event-ID": number}), 422, "invalid"
    )
    assert one_error(document, parameter="Last-Event-ID") == "must be the number of an event"


PARTS = ("", "/events", "/logs", f"/concepts/{UNKNOWN}")


@pytest.mark.parametrize("part", PARTS)
def test_an_unknown_roadmap_is_not_found(stack: Stack, part: str) -> None:
    assert "errors" not in problem(stack.get(f"{ROADMAPS}/{UNKNOWN}{part}"), 404, "not-found")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "identifier", ["1", "roadmap", "%00", "01990000-0000-7000-8000-00000000000g", "..%2f" + UNKNOWN]
)
def test_a_roadmap_id_that_is_no_uuid_is_not_found(
    stack: Stack, identifier: str, part: str
) -> None:
    problem(stack.get(f"{ROADMAPS}/{identifier}{part}"), 404, "not-found")


def test_an_id_that_is_no_uuid_is_named(existing: str, stack: Stack) -> None:
    roadmap = problem(stack.get(f"{ROADMAPS}/mine"), 404, "not-found")
    assert one_error(roadmap, parameter="roadmap_id") == "is not a UUID"
    concept = problem(stack.get(f"{existing}/concepts/first"), 404, "not-found")
    assert one_error(concept, parameter="concept_id") == "is not a UUID"


def test_an_unknown_concept_of_a_roadmap_is_not_found(existing: str, stack: Stack) -> None:
    assert (
        "concept"
        in problem(stack.get(f"{existing}/concepts/{UNKNOWN}"), 404, "not-found")["detail"]
    )


@pytest.mark.parametrize(
    "path",
    ["/api/v1/nothing", "/api/v2/roadmaps", "/favicon.ico", "/api/v1/roadmaps/%0d%0aX-Bad:%201/x"],
)
def test_an_unknown_page_is_not_found(stack: Stack, path: str) -> None:
    answer = stack.get(path)
    assert "does not exist" in problem(answer, 404, "not-found")["detail"]
    assert "x-bad" not in answer.headers


def test_a_method_that_does_not_exist_is_answered_with_those_that_do(stack: Stack) -> None:
    answer = stack.post("/health", json={})
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("given", ["a", "7f3c9e2a-1f6b-4c1d", "web.1_42", "a" * 64])
def test_a_harmless_request_id_is_returned_as_given(stack: Stack, given: str) -> None:
    answer = stack.get("/api/v1/nothing", headers={"X-Request-ID": given})
    assert problem(answer, 404, "not-found")["request_id"] == given


@pytest.mark.parametrize(
    "given", [b"", b"a" * 500, b"a b", b"<script>", b"a;b=c", b'"', b"\xc3\xa9", b"a\tb"]
)
def test_a_hostile_request_id_is_replaced(stack: Stack, given: bytes) -> None:
    answer = stack.request("GET", "/api/v1/nothing", headers={"X-Request-ID": given})
    assert re.fullmatch("[0-9a-f]{16}", problem(answer, 404, "not-found")["request_id"])


def test_an_address_that_is_registered_already_is_refused(stack: Stack) -> None:
    person = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
    assert stack.post(REGISTER, json=person).status_code == 201
    answer = stack.post(REGISTER, json={**person, "email": person["email"].upper()})
    assert one_error(problem(answer, 409, "conflict"), pointer="#/email") == "is already registered"


BAD_ACCOUNTS = {
    "no at sign": ({"email": "example.org"}, "/email"),
    "a space": ({"email": "a b@example.org"}, "/email"),
    "NUL in the address": ({"email": "a\x00@example.org"}, "/email"),
    "a long address": ({"email": f"{'a' * 250}@example.org"}, "/email"),
    "a number as the password": ({"password": 123456789012}, "/password"),
    "NUL in the name": ({"name": "a\x00b"}, "/name"),
    "an unknown field": ({"is_admin": True}, "/is_admin"),
}


@pytest.mark.parametrize(("fields", "pointer"), BAD_ACCOUNTS.values(), ids=BAD_ACCOUNTS)
def test_a_bad_field_of_an_account_is_named(stack: Stack, fields: dict, pointer: str) -> None:
    person = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD, **fields}
    assert one_error(
        problem(stack.post(REGISTER, json=person), 422, "invalid"), pointer=f"#{pointer}"
    )


@pytest.mark.parametrize(
    ("password", "rule"),
    [(SHORT_PASSWORD, "at least 12 characters"), (SHORT_PASSWORD * 200, "at most 1000 characters")],
)
def test_a_password_of_a_bad_length_is_refused_and_never_repeated(
    stack: Stack, password: str, rule: str
) -> None:
    answer = stack.post(
        REGISTER, json={"email": f"{uuid.uuid4().hex}@example.org", "password": password}
    )
    assert rule in one_error(problem(answer, 422, "invalid"), pointer="#/password")
    assert SHORT_PASSWORD not in answer.text


def test_a_password_is_never_repeated_when_another_field_is_wrong(stack: Stack) -> None:
    answer = stack.post(REGISTER, json={"email": "unknown", "password": PASSWORD, "colour": "red"})
    assert len(problem(answer, 422, "invalid")["errors"]) == 2
    assert PASSWORD not in answer.text


def test_a_wrong_password_is_answered_as_an_unknown_account_is(stack: Stack) -> None:
    email = f"{uuid.uuid4().hex}@example.org"
    assert stack.post(REGISTER, json={"email": email, "password": PASSWORD}).status_code == 201
    wrong = stack.post(LOGIN, json={"email": email, "password": f"not {PASSWORD}"})
    unknown = stack.post(LOGIN, json={"email": f"not-{email}", "password": PASSWORD})
    documents = [problem(answer, 401, "unauthenticated") for answer in (wrong, unknown)]
    for answer, document in zip((wrong, unknown), documents, strict=True):
        assert answer.headers["www-authenticate"] == "Bearer"
        del document["request_id"]
    assert documents[0] == documents[1]


class Yesterday(TimestampSigner):
    """Signs as it would have done 25 hours ago."""

    def get_timestamp(self) -> int:
        return int(time.time()) - 25 * 3600


def token(key: str, signer: type[TimestampSigner] = TimestampSigner, salt: str = TOKEN_SALT) -> str:
    signing = URLSafeTimedSerializer(
        key, salt=salt, signer=signer, signer_kwargs={"digest_method": hashlib.sha256}
    )
    return str(signing.dumps([uuid.uuid4().hex, uuid.uuid4().hex, 0]))


def refusal(stack: Stack, authorization: str | None) -> str:
    """Return the 401 detail for this header, the same at each kind of endpoint."""
    headers = {"Authorization": authorization} if authorization is not None else {}
    answers = [
        answer_to("GET", f"{stack.url}{ROADMAPS}", headers=headers),
        answer_to("POST", f"{stack.url}{ROADMAPS}", headers=headers, json={"goal": GOAL}),
        answer_to("GET", f"{stack.url}{ROADMAPS}/{UNKNOWN}/events", headers=headers),
    ]
    documents = [problem(answer, 401, "unauthenticated") for answer in answers]
    assert [answer.headers["www-authenticate"] for answer in answers] == ["Bearer"] * 3
    assert len({document["detail"] for document in documents}) == 1
    return documents[0]["detail"]


@server_only
@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Basic YWxpY2U6c2VjcmV0", "Token abc"]
)
def test_the_answer_to_a_request_without_a_token_names_the_login(
    stack: Stack, authorization: str | None
) -> None:
    assert "/api/v1/auth/login" in refusal(stack, authorization)


@server_only
@pytest.mark.parametrize(
    "garbage", ["x", "a.b.c", "." * 100, "a" * 5000, "null", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."]
)
def test_a_garbage_token_is_not_valid(stack: Stack, garbage: str) -> None:
    assert "not valid" in refusal(stack, f"Bearer {garbage}")


@server_only
def test_a_token_signed_with_another_key_is_not_valid(stack: Stack) -> None:
    assert "not valid" in refusal(stack, f"Bearer {token('another key of at least 32 characters')}")


@server_only
def test_a_signature_made_for_another_purpose_is_not_valid(stack: Stack) -> None:
    assert "not valid" in refusal(
        stack, f"Bearer {token(stack.environment['SECRET_KEY'], salt='logs')}"
    )


@server_only
def test_an_expired_token_is_refused(stack: Stack) -> None:
    assert "expired" in refusal(
        stack, f"Bearer {token(stack.environment['SECRET_KEY'], Yesterday)}"
    )


@server_only
def test_a_token_of_an_account_that_is_gone_creates_nothing(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {token(stack.environment['SECRET_KEY'])}"}
    answer = stack.post(ROADMAPS, json={"goal": GOAL}, headers=headers)
    assert "no longer exists" in problem(answer, 401, "unauthenticated")["detail"]


@embedded_only
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
    ],
)
def test_embedded_mode_refuses_requests_under_another_name(stack: Stack, host: str) -> None:
    for answer in (
        stack.get(ROADMAPS, headers={"Host": host}),
        stack.post(ROADMAPS, json={"goal": GOAL}, headers={"Host": host}),
    ):
        assert "http://127.0.0.1" in problem(answer, 403, "forbidden")["detail"]
