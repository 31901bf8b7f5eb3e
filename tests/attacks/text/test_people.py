"""Texts of people are data: goals, titles, names and passwords."""

import re
from uuid import uuid4

import pytest

from testing.stack import GOAL, PASSWORD, Stack
from testing.waiting import wait_until
from tests.attacks.text.checks import (
    ESCAPES,
    FORGED,
    PICTURE,
    ROADMAPS,
    SCRIPT,
    assert_is_data,
    assert_no_line_is_forged,
    harmful,
    printed,
    texts,
)
from tests.cases import SERVER_IN_SHORT

server_only = pytest.mark.parametrize("stack", ["server"], indirect=True)

# Goals that the built-in catalogue takes, each with something that is more than text elsewhere.
GOALS = {
    "a script": f"{GOAL} {SCRIPT}",
    "a picture": f"{PICTURE} {GOAL}",
    "a link": f"{GOAL} [click](javascript:alert(1))",
    "a template": f"{GOAL} {{{{7*7}}}} ${{7*7}} {{0.__class__}} %s %n %(levelname)s [bold red]x[/]",
    "a statement": f"{GOAL}'); DROP TABLE account; --",
    "a line of a log": f"{GOAL}\nERROR   {FORGED}: a line of somebody else",
    "a header": f"{GOAL}\r\nX-{FORGED}: 1\r\n\r\n<html>{SCRIPT}",
    "an event": f"{GOAL}\n\nevent: {FORGED}\ndata: {{}}",
    "other directions and ends of lines": f"{GOAL} \u202egpj.exe\u2066 \u2028ERROR {FORGED}\u2029.",
}
CONTROLS = {
    "NUL": "\x00",
    "ESC": "\x1b[31m",
    "BEL": "\x07",
    "an 8-bit CSI": "\x9b2J",
    "NEL": "\x85ERROR",
    "DEL": "\x7f",
}


@pytest.mark.parametrize("stack", SERVER_IN_SHORT, indirect=True)
def test_a_goal_comes_back_as_it_was_and_as_data(stack: Stack, subtests: pytest.Subtests) -> None:
    paths = {}
    for name, goal in GOALS.items():
        with subtests.test("accepted", goal=name):
            fields = dict.fromkeys(("goal", "background", "motivation", "preferences"), goal)
            answer = stack.post(ROADMAPS, json={**fields, "review": True})
            assert answer.status_code == 202, answer.text
            assert_is_data(answer)
            paths[name] = answer.headers["location"]
            assert re.fullmatch(r"/api/v1/roadmaps/[0-9a-f-]{36}", paths[name])
    listed = stack.get(f"{ROADMAPS}?limit=100")
    assert_is_data(listed)
    goals = {item["id"]: item["goal"] for item in listed.json()["items"]}
    for name, path in paths.items():
        with subtests.test("answers", goal=name):
            wait_until(
                lambda path=path: stack.get(path).json()["status"] == "awaiting_review",
                reason="a plan",
            )
            assert_is_data(stack.post(f"{path}/cancel"))  # it ends its events
            read, *others = [
                stack.get(f"{path}{place}") for place in ("", "/events", "/logs", "/revisions/1")
            ]
            for each in (read, *others):
                assert each.status_code == 200
                assert_is_data(each)
            assert read.json()["goal"] == goals[path.rpartition("/")[2]] == GOALS[name]
    assert_no_line_is_forged(stack)


@pytest.mark.parametrize("field", ["goal", "background", "motivation", "preferences"])
def test_a_control_character_is_refused_and_not_repeated(
    stack: Stack, field: str, subtests: pytest.Subtests
) -> None:
    for name, control in CONTROLS.items():
        with subtests.test(control=name):
            answer = stack.post(ROADMAPS, json={"goal": GOAL, field: f"{GOAL}{control} {FORGED}"})
            assert answer.status_code == 422, answer.text
            assert_is_data(answer)
            assert [error["pointer"] for error in answer.json()["errors"]] == [f"#/{field}"]
            assert FORGED not in answer.text


def test_a_title_that_a_person_gives_is_data(stack: Stack) -> None:
    path = stack.create(review=True)
    tree = wait_until(
        lambda: (read := stack.get(path).json())["status"] == "awaiting_review" and read,
        reason="a plan",
    )
    title, description = (
        f"{SCRIPT}{PICTURE}\r\nX-{FORGED}: 1",
        f"[x](javascript:alert(1))\nERROR {FORGED}",
    )
    operation = {
        "op": "rewrite",
        "what": "stage",
        "key": tree["stages"][0]["key"],
        "title": title,
        "description": description,
    }
    answer = stack.post(f"{path}/edits", json={"operations": [operation]})
    assert answer.status_code == 202, answer.text
    assert_is_data(answer)
    stage = stack.get(path).json()["stages"][0]
    assert (stage["title"], stage["description"]) == (title, description)
    for value in (
        stack.get(path),
        stack.get(f"{path}/revisions/2"),
        stack.get(f"{path}/revisions/2/diff"),
    ):
        assert_is_data(value)
        assert title in list(texts(value.json()))
    bad = stack.post(f"{path}/edits", json={"operations": [{**operation, "title": f"A{ESCAPES}"}]})
    assert bad.status_code == 422
    assert_is_data(bad)
    assert_no_line_is_forged(stack)


@server_only
def test_names_are_data(stack: Stack) -> None:
    name = f"{SCRIPT}{PICTURE} \u4f60 {{{{7*7}}}}"
    person = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "name": name}
    made = stack.post("/api/v1/auth/register", json=person)
    assert made.status_code == 201
    own = {
        "Authorization": f"Bearer {made.json()['access_token']}",
        "User-Agent": f"{SCRIPT} {FORGED}",
    }
    key = stack.post("/api/v1/api-keys", json={"name": name}, headers=own)
    assert key.status_code == 201
    stack.post(
        "/api/v1/auth/login", json={key: person[key] for key in ("email", "password")}, headers=own
    )
    me, keys, logins = (
        stack.get(f"/api/v1/{place}", headers=own)
        for place in ("auth/me", "api-keys", "auth/sessions")
    )
    for answer in (made, key, me, keys, logins):
        assert_is_data(answer)
    assert (made.json()["user"]["name"], me.json()["name"]) == (name, name)
    assert [item["name"] for item in keys.json()["items"]] == [name]
    assert f"{SCRIPT} {FORGED}" in [item["user_agent"] for item in logins.json()["items"]]


@server_only
def test_ends_of_lines_and_escapes_in_names_and_addresses_are_refused(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    person = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD, "name": "Ada"}
    for evil in (f"\r\nX-{FORGED}: 1", f"\nERROR {FORGED}", "\x1b]0;owned\x07", "\x00"):
        for place, fields in {
            "auth/register": {**person, "name": f"Ada{evil}"},
            "auth/register ": {**person, "email": f"ada{evil}@example.org"},
            "auth/login": {"email": f"ada{evil}@example.org", "password": PASSWORD},
            "api-keys": {"name": f"key{evil}"},
        }.items():
            with subtests.test(place=place, evil=evil):
                answer = stack.post(f"/api/v1/{place.strip()}", json=fields)
                assert answer.status_code == 422, answer.text
                assert_is_data(answer)
                assert FORGED not in answer.text
    assert_no_line_is_forged(stack)


@server_only
def test_a_password_may_be_any_text_and_is_printed_nowhere(stack: Stack) -> None:
    password = f"a long passphrase\nERROR {FORGED}\r\nX-{FORGED}: 1 {SCRIPT}\x1b[31m"
    person = {"email": f"{uuid4().hex}@example.org", "password": password}
    answers = [
        stack.post("/api/v1/auth/register", json=person),
        stack.post("/api/v1/auth/login", json=person),
    ]
    wrong = stack.post("/api/v1/auth/login", json={**person, "password": f"\nERROR {FORGED}"})
    assert ([answer.status_code for answer in answers], wrong.status_code) == ([201, 200], 401)
    for answer in (*answers, wrong):
        assert_is_data(answer)
        assert FORGED not in answer.text
    assert [line for line in printed(stack) if FORGED in line] == []


def test_what_moves_a_terminal_is_in_no_name_and_no_address(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    """An operator lists them in one."""
    address = f"{uuid4().hex}@example.org"
    for evil in ("\x7f", "\x9b2J", "\x85", "\u202e", "\u2066", "\u200e", "\u061c"):
        with subtests.test(evil=evil):
            for fields in (
                {"email": f"a{evil}{address}"},
                {"email": address, "name": f"Ada{evil}"},
            ):
                answer = stack.post("/api/v1/auth/register", json={"password": PASSWORD, **fields})
                assert answer.status_code == 422
                assert not harmful(answer.text)
            if stack.mode == "server":
                assert stack.post("/api/v1/api-keys", json={"name": f"CI{evil}"}).status_code == 422


def test_no_two_addresses_look_the_same_by_what_cannot_be_seen(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    for hidden in ("\u200b", "\u00ad", "\u2060", "\U000e0041", "\u200d", "\u0301\u0301"):
        with subtests.test(hidden=hidden):
            email = f"a{hidden}{uuid4().hex}@example.org"
            answer = stack.post(
                "/api/v1/auth/register", json={"email": email, "password": PASSWORD}
            )
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/email")


def test_spellings_that_are_compatible_are_one_address(stack: Stack) -> None:
    name = uuid4().hex
    person = {"password": PASSWORD, "email": f"e\u0301{name}@example.org"}
    assert stack.post("/api/v1/auth/register", json=person).status_code == 201
    for same in (
        f"\u00e9{name}@example.org",
        f"\u00c9{name}@EXAMPLE.org",
        f"\u00e9{name}@\uff45xample.org",
    ):
        assert (
            stack.post("/api/v1/auth/register", json={**person, "email": same}).status_code == 409
        )


def test_an_address_that_grows_when_it_is_written_small_is_measured_then(stack: Stack) -> None:
    answer = stack.post(
        "/api/v1/auth/register",
        json={"email": "\u0130" * 200 + "@example.org", "password": PASSWORD},
    )
    assert answer.status_code == 422
