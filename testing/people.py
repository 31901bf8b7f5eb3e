"""People with an account, in server mode."""

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx2

from testing.stack import PASSWORD, Stack
from testing.waiting import HANG

if TYPE_CHECKING:  # tests without a browser have people as well
    from playwright.sync_api import BrowserContext


@dataclass
class Person:
    stack: Stack
    email: str = field(default_factory=lambda: f"{uuid.uuid4().hex}@example.org")
    password: str = PASSWORD
    headers: dict[str, str] = field(default_factory=dict)

    def register(self) -> "Person":
        """Over the API, as a program does."""
        answer = httpx2.post(
            f"{self.stack.url}/api/v1/auth/register", json=self._named(), timeout=HANG
        )
        assert answer.status_code == 201, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return self

    def enter(self, context: "BrowserContext") -> None:
        """Log in with this browser, without looking at a page."""
        answer = context.request.post(
            f"{self.stack.url}/login", form={**self._named()}, max_redirects=0
        )
        assert answer.status == 303, answer.text()

    def _named(self) -> dict[str, str]:
        return {"email": self.email, "password": self.password}
