"""Attacks on rows of others and on routes of administrators."""

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.attacks.attacker.target import (
    API,
    AUTH,
    COOKIE,
    GOAL,
    INVITATIONS,
    KEYS,
    ME,
    PASSWORD,
    ROADMAPS,
    SESSIONS,
    WRONG,
    Finding,
    Target,
    attack,
    judged,
    not_tried,
    stranger,
)


@attack
def routes_of_administrators(target: Target) -> Finding:
    """The right to invite, with an ordinary account."""
    if target.embedded:
        return not_tried("the one person there may everything")
    answers = [
        target.ask("GET", INVITATIONS),
        target.ask("POST", INVITATIONS, {}),
        target.ask("POST", INVITATIONS, {"email": stranger()}),
        target.ask("DELETE", f"{INVITATIONS}/{uuid.uuid4()}"),
        target.ask(
            "GET",
            f"{INVITATIONS}/",
            headers={"X-Original-URL": INVITATIONS, "X-Rewrite-URL": INVITATIONS},
        ),
        target.ask(
            "GET",
            INVITATIONS,
            headers={"X-Forwarded-For": "127.0.0.1", "X-Admin": "1", "X-Roles": "admin"},
        ),
        target.ask("POST", KEYS, {"name": "a", "scopes": ["admin"]}),
        target.ask("POST", KEYS, {"name": "a", "scopes": ["read", "write", "admin"]}),
        *(
            target.ask("GET", f"{API}/{name}")
            for name in ("admin", "users", "accounts", "auth/users")
        ),
    ]
    return judged([answer.ok and "allowed" for answer in answers], f"{len(answers)} calls", answers)


@attack
def rank_in_a_body(target: Target) -> Finding:
    """The rank of an administrator, by saying so."""
    if target.embedded:
        return not_tried("there are no ranks")
    person = {"email": stranger(), "password": PASSWORD}
    ranks: list[dict[str, Any]] = [
        {"is_admin": True},
        {"isAdmin": True},
        {"role": "admin"},
        {"user": {"is_admin": True}},
    ]
    answers = [
        target.ask("POST", f"{AUTH}/register", {**person, **rank}, token=None) for rank in ranks
    ]
    answers += [target.ask(method, ME, {"is_admin": True}) for method in ("PATCH", "PUT", "POST")]
    answers.append(
        target.ask(
            "PUT",
            f"{AUTH}/password",
            {"current_password": WRONG, "new_password": WRONG, "is_admin": True},
        )
    )
    rank = target.ask("GET", ME).json().get("is_admin")
    return judged(
        [*(answer.ok and "taken" for answer in answers), rank is True and "I am one"],
        "8 bodies",
        answers,
    )


@attack
def fields_of_ours(target: Target) -> Finding:
    """Roadmaps in another's name, finished, paid or dated as one likes."""
    foreign: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "owner": str(uuid.UUID(int=1)),
        "owner_id": str(uuid.UUID(int=1)),
        "status": "ready",
    }
    foreign |= {
        "spent": 0,
        "created_at": "2001-01-01T00:00:00Z",
        "revision": 7,
        "approved": True,
        "title": "a",
        "due_at": None,
    }
    foreign |= {
        "__class__": "a",
        "__proto__": {"status": "ready"},
        "constructor": {},
        "model_config": {"extra": "allow"},
    }
    answers = [
        target.ask("POST", ROADMAPS, {"goal": GOAL, name: value}) for name, value in foreign.items()
    ]
    answers += [
        target.ask("POST", f"{target.mine}/approve", {"status": "ready"}),
        target.ask("PATCH", target.mine, {"spent": 0}),
    ]
    if not target.embedded:
        answers += [
            target.ask("POST", KEYS, {"name": "a", **more})
            for more in ({"account": "a"}, {"id": "a"}, {"key": "rmk_a"})
        ]
    won = [
        answer.ok and f"{name} was taken"
        for name, answer in zip([*foreign, *"-----"], answers, strict=False)
    ]
    return judged(won, f"{len(answers)} fields", answers)


@attack
def key_beyond_its_scopes(target: Target) -> Finding:
    """More than was given away: a key to read with writes, makes keys or takes the account."""
    if target.embedded:
        return not_tried("there are no keys")
    made = target.ask("POST", KEYS, {"name": "attacker", "scopes": ["read"]})
    key = made.json().get("key", "")
    if not made.ok:
        return judged([], "no key could be made", [made])
    change = {"current_password": target.me.password, "new_password": WRONG}
    answers = [
        target.ask("POST", ROADMAPS, {"goal": GOAL}, token=key),
        target.ask("POST", f"{target.mine}/cancel", {}, token=key),
        target.ask("POST", KEYS, {"name": "more", "scopes": ["write"]}, token=key),
        target.ask("GET", KEYS, token=key),
        target.ask("GET", SESSIONS, token=key),
        target.ask("PUT", f"{AUTH}/password", change, token=key),
        target.ask("POST", f"{AUTH}/logout", {}, token=key),
        target.ask("GET", INVITATIONS, token=key),
        target.ask("GET", ME, token=None, headers={"Cookie": f"{COOKIE}={key}"}),
    ]
    target.ask("DELETE", f"{KEYS}/{made.json().get('id')}")
    after = target.ask("GET", ME, token=key)
    won = [
        *(answer.ok and "allowed" for answer in answers),
        after.ok and "good after it was revoked",
    ]
    return judged(won, "a key to read with", answers)


def _calls(roadmap: str, concept: str) -> Iterator[tuple[str, str, Any]]:
    """Every call about a roadmap, as it would be right for its owner."""
    part = f"{roadmap}/concepts/{concept}"
    paths = (
        "",
        "/events",
        "/logs",
        "/revisions",
        "/revisions/1",
        "/revisions/1/diff",
        "/receipt",
        "/logs?level=info",
    )
    yield from (("GET", roadmap + path, None) for path in paths)
    yield "GET", part, None
    for kind in ("tutorial", "resources", "quiz"):
        yield "GET", f"{part}/{kind}/versions", None
        yield "GET", f"{part}/{kind}/versions/1", None
        yield "POST", f"{part}/{kind}/regenerate", {}
    operation = {"op": "remove", "what": "stage", "key": "the-language"}
    yield from (
        ("POST", f"{roadmap}/{verb}", {})
        for verb in ("approve", "cancel", "retry", "revisions/1/restore")
    )
    yield "POST", f"{roadmap}/revise", {"feedback": "make it shorter"}
    yield "POST", f"{roadmap}/edits", {"operations": [operation]}
    yield from ((method, roadmap, None) for method in ("DELETE", "PUT", "PATCH"))


@attack
def things_of_others(target: Target) -> Finding:
    """Knowledge of another account's things, and power over them, by their ids."""
    if target.embedded:
        return not_tried("there is one person")
    won: list[object] = []
    answers = []
    nothing = f"{ROADMAPS}/{uuid.uuid4()}"
    pairs = zip(
        _calls(target.theirs, target.concept), _calls(nothing, str(uuid.uuid4())), strict=True
    )
    for (method, path, body), (_, absent, _) in pairs:
        answer, other = target.ask(method, path, body), target.ask(method, absent, body)
        answers += [answer, other]
        data = [
            (each.status, each.json().get("detail", "").replace(absent, path))
            for each in (answer, other)
        ]
        if answer.ok or answer.broke:
            won.append(f"{method} {path}: {answer.status}")
        elif 429 not in (answer.status, other.status) and data[0] != data[1]:
            won.append(f"{method} {path} tells that it is there")
    mixed = f"{target.mine}/concepts/{target.concept}"
    answers += [
        target.ask("GET", path)
        for path in (mixed, f"{mixed}/quiz/versions", f"{mixed}/quiz/versions/1")
    ]
    won += [answer.ok and "through a roadmap of mine" for answer in answers[-3:]]
    return judged(won, f"{len(answers)} calls with ids of another", answers)


@attack
def logins_and_keys_of_others(target: Target) -> Finding:
    """Shutting somebody out, or learning from where they come."""
    if target.embedded:
        return not_tried("there are no logins")
    sessions = target.ask("GET", SESSIONS, token=target.other.token).json().get("items", [])
    made = target.ask("POST", KEYS, {"name": "a"}, token=target.other.token).json()
    answers = [
        target.ask(method, f"{SESSIONS}/{each['id']}")
        for each in sessions[:3]
        for method in ("DELETE", "GET")
    ]
    answers += [
        target.ask(method, f"{KEYS}/{made.get('id')}") for method in ("DELETE", "GET", "PATCH")
    ]
    lists = [target.ask("GET", path) for path in (SESSIONS, KEYS, ROADMAPS)]
    theirs = [
        *(each["id"] for each in sessions),
        made.get("id", "-"),
        target.theirs.rpartition("/")[2],
    ]
    seen = [
        f"{each} is listed"
        for each in theirs
        if any(each.encode() in answer.body for answer in lists)
    ]
    target.ask("DELETE", f"{KEYS}/{made.get('id')}", token=target.other.token)
    return judged(
        [*(answer.ok and "ended" for answer in answers), *seen], f"{len(answers)} calls", answers
    )


@attack
def no_account_at_all(target: Target) -> Finding:
    """Everything, without an account."""
    if target.embedded:
        return not_tried("in embedded mode no account is needed")
    calls = [
        *_calls(target.mine, target.concept),
        ("GET", ROADMAPS, None),
        ("GET", ME, None),
        ("GET", KEYS, None),
    ]
    calls += [
        ("GET", SESSIONS, None),
        ("POST", ROADMAPS, {"goal": GOAL}),
        ("POST", KEYS, {"name": "a"}),
        ("GET", INVITATIONS, None),
    ]
    answers = [target.ask(method, path, body, token=None) for method, path, body in calls]
    won = [
        answer.ok and f"{method} {path}"
        for (method, path, _), answer in zip(calls, answers, strict=True)
    ]
    return judged(won, f"{len(calls)} calls", answers)


@attack
def changed_cursors(target: Target) -> Finding:
    """Pages of somebody else's list, or an error that tells of the database."""
    theirs = target.theirs.rpartition("/")[2]
    cursors = [
        "0",
        "-1",
        "%00",
        "' OR 1=1--",
        str(uuid.UUID(int=0)),
        "f" * 32,
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        theirs,
        "a" * 999,
    ]
    lists = (ROADMAPS, f"{target.mine}/logs", f"{target.mine}/receipt")
    answers = [
        target.ask("GET", f"{path}?cursor={quote(cursor, safe='%')}&limit=100")
        for path in lists
        for cursor in cursors
    ]
    hidden = "" if target.embedded else theirs
    won = [answer.broke and f"answered {answer.status}" for answer in answers]
    won += [
        bool(hidden) and answer.ok and f'"{hidden}"'.encode() in answer.body and "theirs is listed"
        for answer in answers
    ]
    return judged(won, f"{len(answers)} cursors", answers)
