"""Anonymous requests: concurrency limits, rate limits on every path, odd requests."""

import itertools
import logging
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import anyio
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from core.db import settings
from core.errors import NotFound, RateLimited, Unavailable
from roadmap_app import app
from testing.stack import Stack
from testing.waiting import BRIEF, HANG, wait_until
from web.auth import authentication
from web.endpoints import errors
from web.http import concurrency, host_and_csrf, limits
from web.http.rate_limiter import Limit, Limiter
from web.routes import PAGES

ME = "/api/v1/auth/me"
HTML = {"Accept": "text/html"}
PERSON = {"email": "someone@example.org", "password": "a long enough passphrase"}
ODD = (  # what a place in a path, or the value of a parameter, may be
    *(
        "%E4%B8%AD",
        "%00",
        "%0d%0aX-Injected:%201",
        "%0aX-Injected:1",
        "%ff",
        "%c0%af",
        "%ed%a0%80",
        "%F0%9F%92%A9",
        "%u4e2d",
    ),
    *(
        "%",
        "%zz",
        "%2f%2fevil.example",
        "%5c",
        "%3f",
        "%23",
        "%25",
        "..%2f..",
        "{x}",
        "%22",
        "'",
        "<b>",
        "%7f",
        "%85",
    ),
    "a" * 3000,
    *(
        "01a2249f-e2b6-76ff-bb66-50870431815%EF%BC%90",
        "%0a1a2249fe2b676ffbb66508704318150",
        "1_a2249fe2b676ffbb66508704318150",
    ),
)


class TestHeaders:
    """Whatever was asked for, what stands in a header is ASCII in one line."""

    @pytest.mark.parametrize("odd", [each for each in ODD if "/" not in each], ids=range(len(ODD)))
    def test_a_redirect_is_quoted(self, client: TestClient, odd: str) -> None:
        answer = client.get(f"/roadmaps/{odd}/approve", headers=HTML, follow_redirects=False)
        assert answer.status_code in (303, 404)  # some of them are another path
        assert re.fullmatch("[!-~]*", answer.headers.get("location", ""))
        assert "x-injected" not in answer.headers

    @pytest.mark.parametrize(
        ("path", "back"), [("/roadmaps/%E4%B8%AD/approve", "/roadmaps/%E4%B8%AD"), ("/look", "/")]
    )
    def test_an_address_that_takes_a_form_leads_to_its_page(
        self, client: TestClient, path: str, back: str
    ) -> None:
        answer = client.get(path, headers=HTML, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, back)

    def test_who_logs_in_comes_back_to_an_address_of_any_letters(
        self, few: None, client: TestClient
    ) -> None:
        answer = client.get("/roadmaps/%E4%B8%AD?a=%C3%A4", headers=HTML, follow_redirects=False)
        assert (
            answer.headers["location"]
            == "/login?next=%2Froadmaps%2F%25E4%25B8%25AD%3Fa%3D%25C3%25A4"
        )

    def test_an_id_has_one_script(self, client: TestClient) -> None:
        for odd in ODD[-3:]:
            assert client.get(f"/api/v1/roadmaps/{odd}").status_code == 404

    def test_a_path_of_nothing_but_slashes_costs_little(self, client: TestClient) -> None:
        assert client.get("/a" + "/" * 30_000, headers=HTML).status_code == 404
        assert len(client.get("/" + "a" * 30_000).content) < 1000


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Server mode, where a stranger has three requests a minute and an account six."""
    in_server_mode = settings.model_copy(
        update={
            "database_url": SecretStr("postgresql://127.0.0.1/unused"),
            "metrics_token": SecretStr("the token of Prometheus"),
        }
    )
    for module in (authentication, errors, limits, host_and_csrf, concurrency):
        monkeypatch.setattr(module, "settings", in_server_mode)
    monkeypatch.setattr(limits, "limiter", Limiter(now=lambda: 600.0))
    monkeypatch.setattr(limits, "REQUESTS", Limit("requests", 6, 60))
    monkeypatch.setattr(limits, "ANONYMOUS", Limit("strangers", 3, 60))


COUNTED = [
    ("GET", "/nothing", {}, 404),
    ("GET", "/nothing", HTML, 404),
    ("POST", "/api/v1/nothing", {}, 404),
    ("DELETE", "/health", {}, 405),
    ("PUT", "/problems", HTML, 405),
    ("OPTIONS", "/api/v1/roadmaps", {}, 204),
    ("GET", "/roadmaps/x/approve", HTML, 303),
    ("GET", "/static/nothing.css", {}, 404),
    ("GET", "/problems", {"Host": "evil.example"}, 403),
    ("GET", "/nothing", {"Host": "["}, 404),
    ("POST", "/look", {"Origin": "https://evil.example"}, 403),
    ("GET", ME, {}, 401),
    ("GET", ME, {"Authorization": "Bearer rmk_nothing"}, 401),
    ("GET", "/metrics", {"Authorization": "Bearer a guess"}, 401),
    ("GET", "/problems", {}, 200),
    ("GET", "/calendars/x/roadmap.ics", {}, 404),
]


class TestCounting:
    @pytest.mark.parametrize(
        "asked", COUNTED, ids=lambda asked: f"{asked[0]} {asked[1]} {asked[3]}"
    )
    def test_a_stranger_is_counted_whatever_is_asked(
        self, few: None, client: TestClient, asked: Any
    ) -> None:
        method, path, headers, status = asked
        answers = [
            client.request(method, path, headers=headers, follow_redirects=False) for _ in range(5)
        ]
        assert [answer.status_code for answer in answers] == [status] * 3 + [429] * 2
        assert all(int(answer.headers["retry-after"]) > 0 for answer in answers[3:])
        assert [
            re.findall("r=([0-9]+)", answer.headers["ratelimit"]) for answer in answers[:3]
        ] == [["2"], ["1"], ["0"]]

    @pytest.mark.parametrize("path", ["/health", "/health/live", "/static/style.css", "/metrics"])
    def test_probes_files_and_prometheus_are_not_counted(
        self, few: None, client: TestClient, path: str
    ) -> None:
        headers = {"Authorization": "Bearer the token of Prometheus"}
        assert {client.get(path, headers=headers).status_code for _ in range(5)} == {200}
        assert "ratelimit" not in client.get(path, headers=headers).headers

    def test_an_account_is_counted_for_itself_and_locks_no_other_out(
        self, few: None, client: TestClient
    ) -> None:
        token = client.post("/api/v1/auth/register", json=PERSON).json()["access_token"]
        known = {"Authorization": f"Bearer {token}"}
        missed = [client.get("/nothing", headers=known) for _ in range(4)]
        assert [answer.status_code for answer in missed] == [404] * 4
        assert missed[-1].headers["ratelimit"] == '"requests";r=2;t=60'
        assert (
            client.get("/nothing").status_code == 404
        )  # from the same address: registering was one of three
        assert [client.options(ME, headers=known).status_code for _ in range(3)] == [204, 204, 429]

    def test_a_login_that_has_ended_is_a_stranger(self, few: None, client: TestClient) -> None:
        token = client.post("/api/v1/auth/register", json=PERSON).json()["access_token"]
        known = {"Authorization": f"Bearer {token}"}
        assert client.post("/api/v1/auth/logout", headers=known).status_code == 204
        assert '"strangers"' in client.get("/nothing", headers=known).headers["ratelimit"]


class TestSites:
    """A site with an IPv6 /48 has 65,536 networks, which count together too."""

    @pytest.mark.parametrize(
        ("path", "limit", "served"),
        [
            ("/api/v1/nothing", "ANONYMOUS", 404),
            ("/api/v1/auth/register", "REGISTRATIONS", 201),
            ("/api/v1/auth/login", "LOGIN_ADDRESS", 401),
        ],
    )
    @pytest.mark.usefixtures("few", "client")
    def test_networks_of_one_site_have_a_limit_together(
        self, monkeypatch: pytest.MonkeyPatch, path: str, limit: str, served: int
    ) -> None:
        for name in ("ANONYMOUS", "REGISTRATIONS", "LOGIN_ADDRESS"):
            monkeypatch.setattr(limits, name, Limit(name, 1 if name == limit else 0, 60))

        def status(site: int, network: int) -> int:
            address = f"2001:db8:{site}:{network}::1"
            client = TestClient(app, base_url="http://127.0.0.1", client=(address, 1))
            person = {**PERSON, "email": f"a{site}-{network}@example.org"}
            return client.post(path, json=person).status_code

        found = [status(1, network) for network in range(limits.OF_SITE + 1)]
        assert found == [served] * limits.OF_SITE + [429]
        assert status(1, 0) == 429
        assert status(2, 0) == served


class TestThreads:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.mark.anyio
    async def test_strangers_have_threads_of_their_own_and_a_line_that_ends(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(concurrency, "PUBLIC_OF_ONE", 6)
        monkeypatch.setattr(concurrency, "PUBLIC_LINE", 8)
        gate, began = threading.Event(), []

        def render() -> None:
            began.append(1)
            assert gate.wait(HANG)

        async def ask(address: str) -> None:
            await concurrency.in_public_thread(address, render)

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(ask, "192.0.2.1")
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(RateLimited):
                await ask("192.0.2.1")
            for _ in range(2):
                group.start_soon(ask, "192.0.2.2")
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(Unavailable):
                await ask("192.0.2.3")
            with anyio.fail_after(HANG):
                assert await concurrency.run_for_account(
                    UUID(int=1), threading.get_ident
                )  # an account does not wait
            assert len(began) == concurrency.PUBLIC_HANDLERS
            gate.set()
        assert len(began) == 8
        assert await concurrency.in_public_thread(
            "192.0.2.1", threading.get_ident
        )  # its places are free again

    @pytest.mark.anyio
    async def test_links_leave_a_thread_and_a_line_to_the_login(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate = threading.Event()

        async def read(number: int) -> None:
            address = f"192.0.2.{number // concurrency.BY_LINK_OF_ONE}"
            await concurrency.in_public_thread(address, gate.wait, HANG, by_link=True)

        async with anyio.create_task_group() as group:
            for number in range(concurrency.PUBLIC_LINE):
                group.start_soon(read, number)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(RateLimited):
                await read(0)
            with anyio.fail_after(HANG):
                assert await concurrency.in_public_thread("192.0.2.0", threading.get_ident)
            gate.set()

    @pytest.mark.parametrize(
        ("path", "by_link"), [("/problems", False), ("/shared/no-token", True), ("/judge/x", True)]
    )
    def test_who_comes_by_a_link_is_known_by_the_path(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, by_link: bool
    ) -> None:
        asked = []

        async def noted(*given: Any, by_link: bool) -> Any:
            asked.append(by_link)
            raise NotFound("There is no such page.")

        monkeypatch.setattr("web.endpoints.endpoint.in_public_thread", noted)
        assert client.get(path, headers=HTML).status_code == 404
        assert asked == [by_link]

    @pytest.mark.anyio
    async def test_a_request_that_waits_too_long_is_refused_and_begun_ones_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(concurrency, "PUBLIC_SECONDS", BRIEF)
        gate, answers = threading.Event(), []

        async def ask(address: str) -> None:
            try:
                answers.append(await concurrency.in_public_thread(address, gate.wait, HANG))
            except Unavailable as error:
                answers.append(error.retry_after)
            if len(answers) == 1:
                gate.set()

        async with anyio.create_task_group() as group:
            for number in range(concurrency.PUBLIC_HANDLERS + 1):
                group.start_soon(ask, f"192.0.2.{number}")
        assert answers == [5] + [True] * concurrency.PUBLIC_HANDLERS

    def test_public_requests_run_there_and_the_others_do_not(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        whole = concurrency.in_public_thread

        async def noted(address: str, function: Any, *given: Any, by_link: bool) -> Any:
            asked.append(address)
            return await whole(address, function, *given, by_link=by_link)

        monkeypatch.setattr("web.endpoints.endpoint.in_public_thread", noted)
        assert client.get("/problems", headers=HTML).status_code == 200
        assert len(asked) == 1
        for path in (ME, "/health", "/health/ready", "/static/style.css"):
            client.get(path)
        assert len(asked) == 1


class TestLog:
    def test_tracebacks_of_one_fault_are_few_and_hide_no_other(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(
            errors, "TRACEBACKS", Limit("tracebacks of this test", errors.TRACEBACKS.most, 60)
        )
        monkeypatch.setattr("web.api.docs.meaning_of", lambda kind: {}[kind])
        monkeypatch.setattr(
            "roadmap.lifecycle.reading.queries.list_roadmaps", lambda *_, **__: 1 / 0
        )
        with caplog.at_level(logging.ERROR):
            answers = [client.get("/problems/invalid") for _ in range(2 * errors.TRACEBACKS.most)]
            assert {answer.status_code for answer in answers} == {500}
            assert client.get("/api/v1/roadmaps?limit=7").status_code == 500  # not kept
            output = [record for record in caplog.records if record.name == "web.endpoints.errors"]
            assert all(
                answer.json()["request_id"] in record.message
                for answer, record in zip(answers, output, strict=False)
            )
            assert sum(bool(record.exc_info) for record in output) == errors.TRACEBACKS.most + 1
            monkeypatch.setattr(errors, "FAILURES", Limit("failures", 2, 60))
            assert {client.get("/problems/invalid").status_code for _ in range(5)} == {500}
        assert (
            len([record for record in caplog.records if record.name == "web.endpoints.errors"])
            == len(output) + 2
        )


class TestStarvation:
    """Strangers who keep all of their threads do not keep an account waiting."""

    @pytest.mark.parametrize("path", ["/problems/invalid", "/docs/roadmaps"])
    def test_an_account_is_served_beside_strangers(
        self, few: None, client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        monkeypatch.setattr(limits, "ANONYMOUS", Limit("strangers", 0, 60))
        whole, gate, began = concurrency.in_public_thread, threading.Event(), list[str]()

        async def held(address: str, function: Any, *given: Any, by_link: bool) -> Any:
            def work() -> Any:
                began.append(address)
                assert gate.wait(HANG)
                return function(*given)

            return await whole(address, work)

        token = client.post("/api/v1/auth/register", json=PERSON).json()["access_token"]
        monkeypatch.setattr("web.endpoints.endpoint.in_public_thread", held)
        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(client.get, path, headers=HTML) for _ in range(8)]
            wait_until(lambda: len(began) == concurrency.PUBLIC_HANDLERS, reason="they have all")
            known = {"Authorization": f"Bearer {token}"}
            assert client.get(ME, headers=known).status_code == 200
            assert client.get("/health").status_code == 200
            gate.set()
        assert {answer.result().status_code for answer in answers} <= {200, 429, 503}


METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PROPFIND")
TARGETS = (
    *(
        "//",
        "//evil.example/x",
        "/?%ff=%ff",
        "/?\xff",
        "/docs?\xe4",
        "/shared/x?\xff",
        "/login?next=%0d%0aX-Injected:1",
        "*",
    ),
    *(
        "/" * 5000,
        "/" + "%E4%B8%AD" * 3000,
        "/\xe4",
        "/roadmaps?\xff=\xe4",
        "/import?\xff",
        "http://evil.example/roadmaps/x",
    ),
)
LINES = (  # of a head
    *(
        "Host: [",
        "Host: a b",
        "Host: \xe4",
        "Host: ",
        "Cookie: \xff\xfe",
        "Accept-Language: \xe4",
        "Authorization: Bearer \xe4",
    ),
    *(
        "X-Request-ID: \xe4",
        "HX-Request: true",
        "HX-Current-URL: \xff",
        "Content-Type: \xff",
        "Range: \xff",
        "Prefer: wait=\xb2",
    ),
    *(
        "Authorization: Bearer rmk_\xff",
        "Cookie: __Host-roadmap=\xe4",
        "Cookie: __Host-language=\xe4",
        "X-Forwarded-For: \xe4",
    ),
)


def sent(stack: Stack, method: str, target: str, *lines: str) -> bytes:
    """All that is answered."""
    host = (
        [] if any(line.startswith("Host") for line in lines) else [f"Host: 127.0.0.1:{stack.port}"]
    )
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *host, *lines, "Connection: close", "", ""])
    with socket.create_connection(("127.0.0.1", stack.port), timeout=HANG) as connection:
        connection.sendall(head.encode("latin-1"))
        answer = b""
        while received := connection.recv(65_536):
            answer += received
    return answer


def check(answer: bytes, asked: str, *, page: bool) -> None:
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    status = int(head[9:12])
    assert status < 500, (asked, head)
    assert "x-injected" not in re.findall(r"^[\w-]+(?=:)", head.lower(), re.MULTILINE), (
        asked,
        head,
    )
    if status >= 400:
        kind = "text/html" if page and "text/html" in head else "application/problem+json"
        assert f"content-type: {kind}" in head.lower(), (asked, head)


class TestOddRequests:
    """On a real server: each is answered by a 4xx at most, and none is worth a traceback."""

    @pytest.fixture
    def server(self, shared_server: Stack) -> Iterator[Stack]:
        before = shared_server.api.output.count("Traceback")
        yield shared_server
        assert shared_server.api.output.count("Traceback") == before

    def test_no_place_in_an_address_breaks_a_page(self, server: Stack) -> None:
        paths = sorted({page.path for page in PAGES if "{" in page.path})
        for number, (path, odd) in enumerate(itertools.product(paths, ODD)):
            if number % 3 and odd != ODD[0]:  # each of them on many pages
                continue
            target, method = (
                re.sub(r"{\w+}", odd.replace("\\", ""), path),
                METHODS[number % len(METHODS)],
            )
            answer = sent(server, "GET" if odd == ODD[0] else method, target, "Accept: text/html")
            check(answer, f"{method} {target[:200]}", page=True)

    @pytest.mark.parametrize("accept", ["text/html", "*/*"])
    def test_no_address_and_no_header_breaks_the_service(self, server: Stack, accept: str) -> None:
        for target, method in itertools.product(TARGETS, METHODS):
            check(
                sent(server, method, target, f"Accept: {accept}"),
                f"{method} {target[:200]}",
                page=True,
            )
        for line, target in itertools.product(
            LINES, ("/nothing", "/roadmaps", "/docs", "/shared/x", ME)
        ):
            check(
                sent(server, "GET", target, line, f"Accept: {accept}"),
                f"{target} {line}",
                page=True,
            )
        assert server.get("/health").status_code == 200
