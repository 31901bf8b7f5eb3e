"""Webhooks on pages: added, tested, seen and deleted without a script; a secret shown once."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.db import transaction
from models.accounts import Webhook, WebhookDelivery
from roadmap.plan.statuses import WebhookEvent
from roadmap.webhooks.subscriptions import MOST_WEBHOOKS
from testing.receiver import Receiver, receiving, status
from tests.cases import try_each
from tests.unit.web.pages.page_text import CHINESE, text_of
from web.pages.account.webhooks import MOST_SHOWN

pytestmark = pytest.mark.usefixtures("short")

SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def add(person: TestClient, receiver: Receiver, **fields: Any) -> str:
    """The path of the page of a new one."""
    answer = person.post(
        "/webhooks", data={"url": receiver.url, "events": ["roadmap.ready"], **fields}
    )
    assert answer.status_code == 200, answer.text
    found = re.search(r'action="(/webhooks/[0-9a-f-]+)/test"', answer.text)
    assert found is not None
    return found[1]


def test_there_is_a_way_from_the_account_and_back(person: TestClient, receiver: Receiver) -> None:
    assert 'href="/webhooks"' in person.get("/account").text
    page = person.get("/webhooks").text
    assert 'href="/account"' in page
    assert page.count(" checked") == len(WebhookEvent)
    assert "No webhooks yet." in page
    path = add(person, receiver)
    assert "No deliveries yet." in person.get(path).text
    assert f'href="{path}"' in person.get("/webhooks").text
    assert 'href="/webhooks"' in person.get(path).text


def test_the_secret_is_shown_when_it_is_made_and_never_again(
    person: TestClient, receiver: Receiver
) -> None:
    answer = person.post("/webhooks", data={"url": receiver.url, "events": ["roadmap.ready"]})
    (secret,) = SECRET.findall(answer.text)
    assert answer.headers["cache-control"] == "no-store"
    path = re.findall(r'action="(/webhooks/[0-9a-f-]+)/test"', answer.text)[0]
    (other,) = SECRET.findall(person.post(f"{path}/secret").text)
    assert other != secret
    person.post(f"{path}/test")
    for shown in (secret, other):
        receiver.got[0].verified(shown)
    for page in ("/webhooks", path, "/account"):
        assert "whsec_" not in person.get(page).text


def test_a_test_is_sent_and_its_result_stands_in_the_log(
    person: TestClient, receiver: Receiver
) -> None:
    receiver.answer_from_now_on(status(500), status(200))
    path = add(person, receiver)
    answer = person.post(f"{path}/test")
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    found = text_of(person.get(path))
    assert "Test" in found
    assert "Failed" in found
    assert "The receiver answered with status 500." in found
    retry = re.findall(rf'action="({path}/deliveries/[0-9a-f-]+/retry)"', person.get(path).text)
    assert person.post(retry[0]).headers["location"] == path
    assert "Delivered" in text_of(person.get(path))
    assert len({got.id for got in receiver.got}) == 1


@pytest.mark.parametrize(
    ("changes", "looks"),
    [
        ({"status": "pending", "attempts": 0}, True),
        ({"status": "delivering", "attempts": 1}, True),
        ({"status": "pending", "attempts": 1}, False),
        ({"status": "failed", "attempts": 1}, False),
    ],
)
def test_the_log_looks_again_by_itself_while_something_is_on_its_way(
    person: TestClient, receiver: Receiver, changes: dict[str, Any], looks: bool
) -> None:
    path = add(person, receiver)
    person.post(f"{path}/test")
    with transaction():
        WebhookDelivery.update(changes).execute()
    assert (f'hx-get="{path}"' in person.get(path).text) is looks


def test_it_is_disabled_enabled_and_deleted(person: TestClient, receiver: Receiver) -> None:
    path = add(person, receiver, description="Mine")
    assert person.post(f"{path}/enabled", data={"enabled": "no"}).headers["location"] == path
    page = person.get(path).text
    assert "Its owner has disabled it." in page
    assert f'action="{path}/test"' not in page
    assert "Refresh the page and try again" in text_of(person.post(f"{path}/test"), 409)
    person.post(f"{path}/enabled", data={"enabled": "yes"})
    page = person.get(path).text
    assert f'action="{path}/test"' in page
    assert "Mine" in page
    assert person.post(f"{path}/delete").headers["location"] == "/webhooks"
    assert person.get(path).status_code == 404


@try_each(
    ("fields", "name", "sentence"),
    [
        ({"url": "ftp://example.org"}, "url", "starts with https://"),
        ({"url": "https://10.0.0.1/"}, "url", "starts with https://"),
        ({"url": ""}, "url", "starts with https://"),
        ({"events": []}, "events", "Choose at least one."),
        ({"events": ["roadmap.made"]}, "events", "Choose at least one."),
        ({"description": "a" * 201}, "description", "Use at most 200 characters"),
    ],
)
def test_what_does_not_fit_comes_back_with_all_that_was_typed(
    person: TestClient, fields: dict[str, Any], name: str, sentence: str
) -> None:
    given = {
        "url": "https://example.org/<b>",
        "description": "For <b>me</b>",
        "events": ["roadmap.failed"],
        **fields,
    }
    answer = person.post("/webhooks", data=given)
    assert sentence in text_of(answer, 422)
    assert f'id="{name}-error"' in answer.text
    assert "<b>" not in answer.text
    if "description" not in fields:
        assert "For &lt;b&gt;me&lt;/b&gt;" in answer.text
    if "events" not in fields:
        assert re.findall(r'value="([\w.]+)" checked', answer.text) == ["roadmap.failed"]


def test_ten_are_enough(person: TestClient, receiver: Receiver) -> None:
    for _ in range(MOST_WEBHOOKS):
        add(person, receiver)
    answer = person.post("/webhooks", data={"url": receiver.url, "events": ["roadmap.ready"]})
    assert "There are already 10 webhooks." in text_of(answer, 409)
    assert receiver.url in answer.text


def test_a_long_log_is_read_page_by_page(person: TestClient, receiver: Receiver) -> None:
    path = add(person, receiver)
    for _ in range(MOST_SHOWN + 1):
        person.post(f"{path}/test")
    first = person.get(path).text
    assert first.count("/retry") == MOST_SHOWN
    assert "Newest entries" not in first
    (older,) = re.findall(rf'href="({path}\?cursor=[0-9a-f-]+)"', first)
    rest = person.get(older).text
    assert rest.count("/retry") == 1
    assert "Older entries" not in rest
    assert "Newest entries" in rest


def test_hostile_words_show_as_words(person: TestClient, receiver: Receiver) -> None:
    path = add(person, receiver)
    person.post(f"{path}/test")
    words = "</title><script>alert(1)</script>'\"><img src=x onerror=alert(1)>"
    with transaction():
        Webhook.update(url=words, description=words, disabled_reason=words).execute()
        WebhookDelivery.update(event=words, error=words).execute()
    for page in (path, "/webhooks"):
        shown = person.get(page).text
        assert "<script>alert" not in shown
        assert "<img" not in shown
        assert "&lt;script&gt;" in shown


def test_it_speaks_chinese(person: TestClient, receiver: Receiver) -> None:
    path = add(person, receiver)
    person.post(f"{path}/test")
    found = text_of(person.get(path, headers=CHINESE))
    assert "已送达" in found
    assert "发送测试" in found
    assert "添加 Webhook" in text_of(person.get("/webhooks", headers=CHINESE))
