"""Accounts of a test: registration, login and settings."""

import importlib.util
from collections.abc import Callable
from typing import Any

from starlette.testclient import TestClient

from core.ids import new_id
from roadmap.accounts import accounts

PASSWORD = "a long enough passphrase"
ANOTHER = "quite another passphrase"
AUTH, KEYS, INVITATIONS, ROADMAPS = (
    "/api/v1/auth",
    "/api/v1/api-keys",
    "/api/v1/invitations",
    "/api/v1/roadmaps",
)
Configure = Callable[..., None]


def person(**fields: Any) -> dict[str, Any]:
    return {"email": f"{new_id().hex}@example.org", "password": PASSWORD, **fields}


def registered(client: TestClient, **fields: Any) -> dict[str, Any]:
    """A new account: its credentials, and the headers of its first login."""
    credentials = person(**fields)
    answer = client.post(f"{AUTH}/register", json=credentials)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{AUTH}/me"), answer.text
    return {
        **credentials,
        "id": answer.json()["user"]["id"],
        "headers": bearer(answer.json()["access_token"]),
    }


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def log_in(client: TestClient, who: dict[str, Any]) -> dict[str, str]:
    answer = client.post(f"{AUTH}/login", json={name: who[name] for name in ("email", "password")})
    assert answer.status_code == 200, answer.text
    return bearer(answer.json()["access_token"])


def works(client: TestClient, headers: dict[str, str]) -> bool:
    answer = client.get(f"{AUTH}/me", headers=headers)
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def administrator(client: TestClient) -> dict[str, Any]:
    who = registered(client)
    accounts.set_admin(who["email"], is_admin=True)
    return {**who, "headers": log_in(client, who)}


def reason(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


def another_process(*keys: str, module: str = "web.auth.tokens") -> Any:
    """The module as a process has it that begins with these keys."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.loader is not None
    made: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(made)
    made.signing_keys = lambda settings: keys
    return made
