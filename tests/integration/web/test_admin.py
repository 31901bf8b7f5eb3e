"""Operators of a real service: ranks, forms from elsewhere, consumers that pause, no broker."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from testing.operating import NOT_A_ROW, make_dead_letters, post, promote
from testing.people import Person
from testing.servers import Postgres, Redis
from testing.stack import PASSWORD, Stack, answer_to, running, server_stack
from testing.waiting import wait_until

QUEUE = "/admin/queues/content"
API = "/api/v1/admin"
FROM_HERE = {"Sec-Fetch-Site": "same-origin"}


class Browser:
    """Somebody logged in by the form, with the cookie that a browser keeps."""

    def __init__(self, stack: Stack, person: Person) -> None:
        self.stack, self.email = stack, person.email
        form = {"email": person.email, "password": PASSWORD}
        answer = answer_to(
            "POST", f"{stack.url}/login", data=form, follow_redirects=False, headers=FROM_HERE
        )
        assert answer.status_code == 303, answer.text
        self.cookie = answer.headers["set-cookie"].split(";")[0]

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx2.Response:
        sent = {
            "Accept": "text/html",
            "Cookie": self.cookie,
            **(FROM_HERE if headers is None else headers),
        }
        return answer_to(
            method, self.stack.url + path, headers=sent, follow_redirects=False, **options
        )


@pytest.fixture(scope="module")
def enter(shared_server: Stack) -> Callable[[str], Browser]:
    def make(rank: str) -> Browser:
        person = Person(shared_server).register()
        if rank:
            promote(shared_server, person.email, rank)
        return Browser(shared_server, person)

    return make


@pytest.fixture(scope="module")
def boss(enter: Callable[[str], Browser]) -> Browser:
    return enter("admin")


@pytest.fixture
def going_on(shared_server: Stack, boss: Browser) -> Iterator[Stack]:
    """The service, whose queue goes on in any case."""
    yield shared_server
    assert boss.ask("POST", f"{QUEUE}/resume", data={}).status_code == 303


def of_content(boss: Browser) -> dict[str, Any]:
    found: dict[str, Any] = boss.ask("GET", f"{API}/queues/content").json()
    return found


def test_a_real_consumer_pauses_and_goes_on(going_on: Stack, boss: Browser) -> None:
    assert (
        boss.ask("POST", f"{QUEUE}/pause", data={}).headers["location"]
        == f"{QUEUE}?did=queue.pause"
    )
    roadmap = going_on.create(review=True)
    wait_until(lambda: of_content(boss)["ready"] == 1, reason="the message of the roadmap waits")
    state = of_content(boss)
    assert (state["is_paused"], state["running"], going_on.get(roadmap).json()["status"]) == (
        True,
        0,
        "queued",
    )
    assert wait_until(lambda: of_content(boss)["oldest_seconds"], reason="its age is known") > 0
    assert boss.ask("POST", f"{QUEUE}/resume", data={}).status_code == 303
    wait_until(
        lambda: going_on.get(roadmap).json()["status"] == "awaiting_review", reason="it is planned"
    )


def test_what_a_worker_could_not_do_is_retried_from_the_page(
    shared_server: Stack, boss: Browser
) -> None:
    def put_aside_at() -> list[tuple[str, str]]:
        items = boss.ask(
            "GET", f"{API}/queues/content/messages?state=dead&search={NOT_A_ROW}"
        ).json()["items"]
        return [(item["id"], item["at"]) for item in items]

    post(shared_server, "build_content", NOT_A_ROW)
    ((letter, before),) = wait_until(put_aside_at, reason="it is put aside")
    assert f'<tr id="m-{letter}">' in boss.ask("GET", f"{QUEUE}?state=dead&search={NOT_A_ROW}").text
    answer = boss.ask(
        "POST", f"{QUEUE}/messages/{letter}/retry", data={"state": "dead", "search": NOT_A_ROW}
    )
    assert answer.headers["location"] == f"{QUEUE}?state=dead&search={NOT_A_ROW}&did=message.retry"
    wait_until(
        lambda: [at for _, at in put_aside_at() if at > before],
        reason="it has run and failed once more",
    )
    asked = boss.ask("GET", f"{QUEUE}/dead/delete?search={NOT_A_ROW}").text
    form = dict(re.findall(r'<input type="hidden" name="(.*?)" value="(.*?)">', asked))
    assert (
        boss.ask("POST", f"{QUEUE}/dead/delete", data=form).headers["location"].endswith("count=1")
    )
    entries = boss.ask("GET", f"{API}/audit?limit=2").json()["items"]
    assert [(entry["action"], entry["actor"], entry["outcome"]) for entry in entries] == [
        ("dead.delete", boss.email, "done"),
        ("message.retry", boss.email, "done"),
    ]


def test_what_is_refused_under_a_name_stands_in_the_audit_log(
    shared_server: Stack, boss: Browser
) -> None:
    roadmap = shared_server.create(review=True)
    assert shared_server.post(f"{roadmap}/cancel", json={}).status_code == 202
    path = f"{API}/roadmaps/{roadmap.rpartition('/')[2]}/cancel"
    for _ in range(2):
        assert (
            boss.ask("POST", path, {**FROM_HERE, "Idempotency-Key": "once"}, json={}).status_code
            == 409
        )
    entries = boss.ask("GET", f"{API}/audit?limit=2&action=roadmap.cancel").json()["items"]
    assert [(entry["target"], entry["outcome"]) for entry in entries] == [
        (path.split("/")[-2], "refused")
    ] * 2


def test_an_observer_is_shown_no_button_and_can_do_nothing(
    shared_server: Stack, boss: Browser, enter: Callable[[str], Browser]
) -> None:
    make_dead_letters(shared_server, "draw_picture")
    olga = enter("observer")
    for path in ("/admin", f"{QUEUE}?state=dead", "/admin/audit"):
        page = olga.ask("GET", path)
        assert page.status_code == 200
        assert "read-only access" in page.text
        assert not re.search(r'href="[^"]*/(pause|resume|retry|delete|revoke)\b', page.text), path
        assert (
            re.search(r'href="[^"]*/(pause|retry)\b', boss.ask("GET", path).text)
            or path == "/admin/audit"
        )
    for method in ("GET", "POST"):
        answer = olga.ask(method, f"{QUEUE}/pause", **({"data": {}} if method == "POST" else {}))
        assert answer.status_code == 403
    assert not of_content(boss)["is_paused"]


def test_it_is_closed_to_everybody_else(
    shared_server: Stack, enter: Callable[[str], Browser]
) -> None:
    bob = enter("")
    assert bob.ask("GET", "/admin").status_code == 403
    assert "/admin" not in bob.ask("GET", "/roadmaps").text
    stranger = answer_to(
        "GET", f"{shared_server.url}/admin", headers={"Accept": "text/html"}, follow_redirects=False
    )
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/login?next=%2Fadmin")


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}, {}],
    ids=str,
)
def test_a_form_from_elsewhere_does_nothing(boss: Browser, headers: dict[str, str]) -> None:
    before = boss.ask("GET", f"{API}/audit?limit=1").json()
    assert boss.ask("POST", f"{QUEUE}/pause", headers, data={}).status_code == 403
    assert not of_content(boss)["is_paused"]
    assert boss.ask("GET", f"{API}/audit?limit=1").json() == before


def test_workers_say_who_they_are_and_what_they_do(boss: Browser) -> None:
    workers = boss.ask("GET", f"{API}/workers").json()["items"]
    assert {worker["queue"] for worker in workers} == {"logs", "content"}
    assert all(
        worker["pid"] and worker["threads"] and worker["seen_at"] and worker["version"]
        for worker in workers
    )


def test_while_the_broker_is_away_the_page_says_so(
    tmp_path: Path, postgres: Postgres, own_broker: Redis
) -> None:
    with running(server_stack(tmp_path, postgres, own_broker)) as stack:
        person = Person(stack).register()
        promote(stack, person.email, "admin")
        boss = Browser(stack, person)
        own_broker.stop()
        page = boss.ask("GET", "/admin")
        assert page.status_code == 200
        assert "The broker does not respond" in page.text
        assert boss.ask("POST", f"{QUEUE}/pause", data={}).status_code == 503
        (entry,) = boss.ask("GET", f"{API}/audit?limit=1").json()["items"]
        assert (entry["action"], entry["outcome"]) == ("queue.pause", "failed")
        own_broker.start()
