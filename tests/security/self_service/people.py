"""A person with an account of the test."""

import io
import zipfile
from typing import Any
from uuid import UUID, uuid4

import httpx2
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from core import clock
from core.db import session
from models.accounts import Account
from roadmap.accounts import accounts, principals, sessions
from web.auth import authentication, revocation_cache, tokens
from web.http import host_and_csrf, limits
from web.pages import templates
from web.pages.account import account as account_page

API = "/api/v1"
ME, EXPORT, LOGIN = f"{API}/auth/me", f"{API}/auth/me/export", f"{API}/auth/login"
ARCHIVE, EMAIL = f"{EXPORT}.zip", f"{API}/auth/email"
PASSWORD, ANOTHER = "a long enough passphrase", "quite another passphrase"
FOR_SETTINGS = (
    authentication,
    limits,
    host_and_csrf,
    accounts,
    sessions,
    revocation_cache,
    tokens,
    principals,
    account_page,
    templates,
)
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HOOK = "http://127.0.0.1:1024/"  # a receiver that is not there
HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


class Person:
    """Somebody with an account, and a login."""

    def __init__(self, client: TestClient) -> None:
        self.client, self.email = client, f"{uuid4().hex}@example.org"
        self.headers: dict[str, str] = {}
        made = self.answer(
            "POST", f"{API}/auth/register", json={"email": self.email, "password": PASSWORD}
        )
        assert made.status_code == 201, made.text
        self.id = UUID(made.json()["user"]["id"])
        self.headers = {"Authorization": f"Bearer {made.json()['access_token']}"}

    def answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        answer: httpx2.Response = self.client.request(
            method, path, headers={**self.headers, **options.pop("headers", {})}, **options
        )
        return answer

    def get(self, path: str) -> httpx2.Response:
        return self.answer("GET", path)

    def post(self, path: str, body: Any = None) -> httpx2.Response:
        answer = self.answer("POST", path, json=body or {})
        assert answer.status_code in (200, 201, 202), answer.text
        return answer

    def log_in(self, **more: Any) -> httpx2.Response:
        return self.client.post(LOGIN, json={"email": self.email, "password": PASSWORD, **more})

    def delete(self, password: str = PASSWORD) -> httpx2.Response:
        return self.answer("DELETE", ME, json={"password": password})

    def exported(self) -> zipfile.ZipFile:
        self.post(EXPORT)
        answer = self.get(ARCHIVE)
        assert answer.status_code == 200, answer.text
        return zipfile.ZipFile(io.BytesIO(answer.content))

    @property
    def row(self) -> Account | None:
        with session():
            found: Account | None = Account.get_or_none(Account.id == self.id)
        return found


def count(table: Any, *which: Any) -> int:
    with session():
        return int(table.select().where(True, *which).count())


def _times() -> dict[str, Any]:
    return {"created_at": clock.now(), "expires_at": clock.now(), "used_at": clock.now()}
