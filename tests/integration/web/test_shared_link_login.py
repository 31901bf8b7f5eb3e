"""A stranger with a link to a roadmap, who logs in and copies it."""

import re

import pytest

from testing.stack import PASSWORD, Stack
from tests.security.test_login_pages import Browser


def found(pattern: str, html: str) -> str:
    match = re.search(pattern, html)
    assert match is not None, html
    return match[1].replace("&amp;", "&")


@pytest.mark.parametrize("stack", ["server"], indirect=True)
def test_a_stranger_logs_in_and_copies_it(stack: Stack) -> None:
    path = stack.create()
    stack.finished(path)
    made = stack.post(f"{path}/links", json={"purpose": "reading"}).json()
    link = made["url"].removeprefix(stack.url)
    stranger, email = Browser(stack), Browser(stack).registered()

    login = stranger.get(found('href="([^"]+)">Log in to copy it', stranger.get(link).text)).text
    register = stranger.get(found(r'href="(/register[^"]*)"', login)).text
    assert {found('name="next" value="([^"]+)"', page) for page in (login, register)} == {link}
    back = stranger.post("/login", email=email, password=PASSWORD, next=link)
    assert (back.status_code, back.headers["location"]) == (303, link)

    page = stranger.get(link).text
    copied = stranger.post(
        found(r'action="([^"]+/copy)"', page), form=found('name="form" value="([^"]+)"', page)
    )
    assert copied.headers["location"].startswith("/roadmaps/")
    own = re.sub("<[^>]+>", " ", stranger.get(copied.headers["location"]).text)
    assert re.search(r"\b0\s+of\s+\d+\s+done", own)
