"""Kept pages of an account in server mode: not for others, nor for a browser after the logout."""

import re

import pytest

from testing.stack import GOAL, Stack
from testing.waiting import wait_until
from tests.security.test_login_pages import Browser


def read(browser: Browser, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("stack", ["server"], indirect=True)
def test_kept_pages_are_of_one_account_and_of_a_login_that_lasts(stack: Stack) -> None:
    owner, other = Browser(stack), Browser(stack)
    for browser in (owner, other):
        browser.registered()
    path = owner.post("/roadmaps", goal=GOAL).headers["location"]
    assert wait_until(lambda: 's-ready"' in read(owner, path), reason="the roadmap is ready")
    lesson = re.findall(rf'href="({path}/concepts/[0-9a-f-]+)"', read(owner, path))[0]
    for _ in range(2):  # the second time from the cache
        assert path in read(owner, "/")
        assert lesson in read(owner, path)
        assert "own-notes" in read(owner, lesson)
        assert path not in read(other, "/")
        assert [other.get(each).status_code for each in (path, lesson)] == [404, 404]
    cookie = owner.cookie
    assert owner.post("/logout").status_code == 303
    owner.cookie = cookie
    for each in ("/", path, lesson):
        answer = owner.get(each)
        assert answer.headers["location"].startswith("/login"), each
        assert "own-notes" not in answer.text
    assert path not in read(other, "/")
