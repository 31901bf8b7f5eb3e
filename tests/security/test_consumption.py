"""Limits for one account, one address and everybody together.

Too much is answered with 429 or 503, and costs little.
"""

import asyncio
import json
import logging
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext, suppress
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import anyio
import httpx2
import pytest
import uvicorn
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.testclient import TestClient

from core.background_refresh import BackgroundRefresh
from core.db import session, settings
from core.errors import RateLimited, Unavailable
from core.ids import new_id
from core.settings import SettingsError, from_environment
from models.roadmaps import Roadmap
from roadmap.accounts.identity import LOCAL_OWNER, Principal
from roadmap.lifecycle.making import create as create_
from roadmap.plan.statuses import BEING_MADE
from testing.servers import Postgres, Redis, free_port
from testing.stack import GOAL, Stack, running, server_stack
from testing.waiting import BRIEF, HANG, wait_until
from tests.portables import SECOND, small
from web.auth.authentication import LOCAL
from web.http import concurrency, host_and_csrf, http_limits, limits, rate_limiter
from web.http.rate_limiter import Limit, Limiter, SharedLimits
from web.http.request_body import LARGEST_BODY
from web.roadmaps import create_writer, sse

pytestmark = pytest.mark.usefixtures("with_model")

Factory = pytest.TempPathFactory

ROADMAPS = "/api/v1/roadmaps"
OTHER = Principal(UUID(int=1), LOCAL.scopes)
FORM = {
    "Accept": "text/html",
    "Content-Type": "application/x-www-form-urlencoded",
    "Sec-Fetch-Site": "same-origin",
}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tries(limiter: Limiter, limit: Limit, times: int, key: str = "a") -> int:
    """Return the number of so many that are let in."""
    return sum(limiter.hit(limit, key) == 0 for _ in range(times))


class TestLimiter:
    def test_so_many_are_let_in_and_then_the_wait_is_returned(self, clock: Clock) -> None:
        limiter, limit = Limiter(now=clock), Limit("x", 5, 60)
        assert tries(limiter, limit, 9) == 5
        wait = limiter.hit(limit, "a")
        assert 1 <= wait <= 120
        clock.now += wait - 0.5
        assert limiter.hit(limit, "a") > 0
        clock.now += 1
        assert limiter.hit(limit, "a") == 0

    def test_keys_and_limits_are_apart(self, clock: Clock) -> None:
        limiter, one, other = Limiter(now=clock), Limit("x", 1, 60), Limit("y", 1, 60)
        assert [tries(limiter, limit, 3, key) for limit in (one, other) for key in ("a", "b")] == [
            1
        ] * 4

    def test_nothing_is_limited_by_0(self, clock: Clock) -> None:
        assert tries(Limiter(now=clock), Limit("x", 0, 60), 1000) == 1000

    def test_two_windows_in_a_row_let_in_no_more_than_one_at_their_border(
        self, clock: Clock
    ) -> None:
        limiter, limit = Limiter(now=clock), Limit("x", 60, 60)
        clock.now = 1_000_000 // 60 * 60 + 59.0
        assert tries(limiter, limit, 100) == 60
        clock.now += 2
        assert tries(limiter, limit, 100) <= 2

    def test_what_did_not_have_to_be_counted_is_given_back(self, clock: Clock) -> None:
        limiter, limit = Limiter(now=clock), Limit("x", 2, 60)
        for _ in range(10):
            assert limiter.hit(limit, "a", publish=False) == 0
            limiter.refund(limit, "a")
        assert limiter.take_pending() == {}
        assert tries(limiter, limit, 3) == 2
        assert limiter.take_pending() == {(limit, "a"): 2}
        assert limiter.take_pending() == {}

    def test_what_all_together_have_used_up_is_closed_until_then(self, clock: Clock) -> None:
        limiter, limit = Limiter(now=clock), Limit("x", 100, 60)
        limiter.block_until((limit, "a"), clock.now + 7)
        assert limiter.hit(limit, "a") == 7
        assert limiter.hit(limit, "b") == 0
        clock.now += 7.1
        assert limiter.hit(limit, "a") == 0

    def test_a_flood_of_keys_takes_no_more_memory_than_so_many(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rate_limiter, "MOST_KEYS", 50)
        limiter, limit = Limiter(now=clock), Limit("x", 1, 60)
        for number in range(500):
            limiter.hit(limit, str(number))
            limiter.block_until((limit, str(number)), clock.now + 60)
        assert len(limiter.take_pending()) == 50
        assert [number for number in range(500) if limiter.wait(limit, str(number))] == list(
            range(450, 500)
        )

    @given(
        most=st.integers(1, 8),
        steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=60),
    )
    @hypothesis(max_examples=100, deadline=None)
    def test_no_order_of_requests_gets_much_more_than_the_limit_and_a_wait_is_always_enough(
        self, most: int, steps: list[tuple[float, int]]
    ) -> None:
        clock = Clock()
        limiter, limit, came = Limiter(now=clock), Limit("x", most, 10), []
        for pause, times in steps:
            clock.now += pause
            for _ in range(times):
                wait = limiter.hit(limit, "a")
                if wait == 0:
                    came.append(clock.now)
                else:
                    assert wait <= 2 * limit.seconds
        for moment in came:  # in any window; the estimate takes the one before for evenly spread
            assert sum(moment - limit.seconds < each <= moment for each in came) <= 2 * most
        if came:
            clock.now += 2 * limit.seconds
            assert limiter.hit(limit, "a") == 0


class TestSharing:
    def test_processes_count_together(self, broker: Redis) -> None:
        limit = Limit("together", 10, 3600)
        limiters = [Limiter() for _ in range(3)]
        shared = [SharedLimits(broker.url(), limiter) for limiter in limiters]
        assert [tries(limiter, limit, 4) for limiter in limiters] == [4, 4, 4]
        for each in shared:
            each.exchange()
        assert limiters[2].hit(limit, "a") > 0  # was the one to find that 12 are more than 10
        for limiter, each in zip(limiters, shared, strict=True):
            limiter.hit(limit, "a")
            each.exchange()
        assert all(limiter.hit(limit, "a") > 0 for limiter in limiters)
        assert all(limiter.hit(limit, "b") == 0 for limiter in limiters)

    def test_a_new_process_learns_what_was_used_before_it(self, broker: Redis) -> None:
        limit = Limit("before", 5, 3600)
        first = Limiter()
        assert tries(first, limit, 5) == 5
        SharedLimits(broker.url(), first).exchange()
        second = Limiter()
        exchange = SharedLimits(broker.url(), second)
        assert second.hit(limit, "a") == 0
        exchange.exchange()
        assert second.hit(limit, "a") > 0

    def test_what_was_let_in_too_much_is_waited_for(self, broker: Redis) -> None:
        limit = Limit("debt", 100, 100_000)
        limiter = Limiter()
        for _ in range(2):
            other = Limiter()
            assert tries(other, limit, 90) == 90
            SharedLimits(broker.url(), other).exchange()
        assert limiter.hit(limit, "a") == 0
        SharedLimits(broker.url(), limiter).exchange()
        assert 990 <= limiter.hit(limit, "a") <= 1000  # one too many, at 1000 s each

    def test_the_window_before_counts_by_the_part_that_is_covered(self, broker: Redis) -> None:
        limit, used = Limit("covered", 10, 1000), Limiter()
        assert tries(used, limit, 10) == 10
        SharedLimits(broker.url(), used).exchange()
        [key] = broker.client().scan_iter("*roadmap.covered*")
        broker.client().pexpire(key, 450_000)  # of it 45 % are covered: 4 of 10
        for tried, is_closed in ((6, False), (1, True)):
            limiter = Limiter()
            assert tries(limiter, limit, tried) == tried
            SharedLimits(broker.url(), limiter).exchange()
            assert (limiter.hit(limit, "a") > 0) == is_closed

    def test_the_counts_of_a_request_are_sent_to_the_other_processes(
        self, broker: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine = Limiter()
        exchange = SimpleNamespace(request=SharedLimits(broker.url(), mine).exchange)
        monkeypatch.setattr(limits, "limiter", mine)
        monkeypatch.setattr(limits, "exchange", exchange)
        limits.count_login("ann@example.org")
        assert [*broker.client().scan_iter("*roadmap.logins*")]

    def test_without_redis_each_counts_for_itself_and_says_so_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        limiter, limit = Limiter(), Limit("alone", 3, 3600)
        away = f"redis://127.0.0.1:{free_port()}/0"
        shared = SharedLimits(away, limiter)
        assert tries(limiter, limit, 5) == 3
        for _ in range(3):
            limiter.publish(limit, "a")
            shared.exchange()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert away not in caplog.text
        assert tries(limiter, limit, 5) == 0


class TestRefreshing:
    def test_it_looks_at_the_start_so_that_no_request_waits(self) -> None:
        looked: list[int] = []
        refresher = BackgroundRefresh(lambda: looked.append(1), name="Test")
        refresher.start()
        assert wait_until(lambda: looked)
        refresher.stop()

    def test_it_looks_while_there_are_requests(self) -> None:
        looked = []
        refresher = BackgroundRefresh(
            lambda: looked.append(1), name="Test", every=0.01, idle_after=0.05
        )
        refresher.start()
        refresher.request()
        wait_until(lambda: looked)
        counts: list[int] = []
        assert wait_until(
            lambda: counts.append(len(looked)) or (counts[-5:] == [len(looked)] * 5),
            reason="it sleeps",
        )
        seen = len(looked)
        refresher.request()
        assert wait_until(lambda: len(looked) > seen, reason="it has looked again")
        refresher.stop()

    def test_stopping_looks_once_more_so_that_nothing_noted_is_forgotten(self) -> None:
        looked = []
        refresher = BackgroundRefresh(lambda: looked.append(1), name="Test", every=60)
        refresher.start()
        refresher.stop()
        assert looked

    @pytest.mark.anyio
    async def test_no_request_waits_for_what_is_away(self) -> None:
        def away() -> None:
            raise Unavailable("Away.")

        refresher = BackgroundRefresh(away, name="Test", every=0.01)
        refresher.start()
        assert not await refresher.is_recent(5, patience=HANG)
        refresher.stop()

    @pytest.mark.anyio
    async def test_after_a_silence_the_next_look_is_waited_for_and_not_afterwards(self) -> None:
        gate, looked = threading.Event(), []

        def look() -> None:
            gate.wait(HANG)
            looked.append(1)

        refresher = BackgroundRefresh(look, name="Test", every=0.01)
        refresher.start()
        threading.Timer(0.1, gate.set).start()
        assert await refresher.is_recent(5, patience=HANG)
        assert looked
        gate.clear()
        assert await refresher.is_recent(5, patience=0)
        gate.set()
        refresher.stop()

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"


class TestRoadmapsUnderWay:
    def create(self, client: TestClient, **fields: Any) -> int:
        return client.post(ROADMAPS, json={"goal": GOAL, **fields}).status_code

    def test_an_account_has_only_so_many_under_way(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            create_, "settings", settings.model_copy(update={"most_unfinished_roadmaps": 3})
        )
        monkeypatch.setattr(
            "tasks.dispatcher.sender.submit", lambda steps: None
        )  # no worker takes them up
        assert [self.create(client) for _ in range(5)] == [202] * 3 + [429] * 2
        with session():
            assert Roadmap.select().count() == 3
        refused = client.post(ROADMAPS, json={"goal": GOAL})
        assert refused.json()["type"] == "/problems/too-many-requests"
        assert int(refused.headers["retry-after"]) > 0
        with session():
            Roadmap.update(status="ready").execute()
        assert self.create(client) == 202

    def test_those_that_come_at_once_are_counted_too(
        self, immediate: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            create_, "settings", settings.model_copy(update={"most_unfinished_roadmaps": 3})
        )
        request = create_.RoadmapRequest(goal=GOAL)
        results = create_.create_many([create_.NewRoadmap(LOCAL_OWNER, request) for _ in range(10)])
        assert [type(result).__name__ for result in results] == ["Job"] * 3 + ["RateLimited"] * 7

    def test_a_backlog_without_workers_does_not_grow_for_ever(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            create_writer, "settings", settings.model_copy(update={"most_queued_roadmaps": 2})
        )
        monkeypatch.setattr("tasks.dispatcher.sender.submit", lambda steps: None)
        assert [self.create(client) for _ in range(2)] == [202, 202]
        wait_until(lambda: self.create(client) == 503, reason="the backlog is seen")
        answer = client.post(ROADMAPS, json={"goal": GOAL})
        assert int(answer.headers["retry-after"]) > 0
        assert client.get(ROADMAPS).status_code == 200
        with session():
            Roadmap.delete().execute()
        wait_until(lambda: self.create(client) == 202, reason="there is room again")

    @pytest.mark.parametrize(
        ("setting", "status"), [("most_unfinished_roadmaps", 429), ("most_queued_roadmaps", 503)]
    )
    def test_a_page_and_an_operator_are_refused_as_programs_are(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch, setting: str, status: int
    ) -> None:
        path = client.post("/api/v1/imports", json=small()).headers["location"]
        monkeypatch.setattr("tasks.dispatcher.sender.submit", lambda steps: None)
        assert self.create(client) == 202
        monkeypatch.setattr(create_, "settings", settings.model_copy(update={setting: 1}))
        roadmap_id = path.rpartition("/")[2]
        answers = [
            client.post(f"{path}/retry"),
            client.post(f"/api/v1/admin/roadmaps/{roadmap_id}/retry"),
            *(
                client.post(f"{place}/{roadmap_id}/retry", data={}, headers=FORM)
                for place in ("/roadmaps", "/admin/roadmaps")
            ),
        ]
        assert [answer.status_code for answer in answers] == [status] * 4
        assert client.get(path).json()["status"] == "partial"
        assert {each["outcome"] for each in client.get("/api/v1/admin/audit").json()["items"]} <= {
            "refused",
            "failed",
        }

    def test_the_count_looks_at_those_under_way_alone(self, client: TestClient) -> None:
        """By the index of these, or by that of an account's roadmaps in one state."""
        with session():
            database = Roadmap._meta.database
            query = Roadmap.select().where(Roadmap.owner.in_([LOCAL_OWNER]), create_.UNDER_WAY)
            plan = database.execute_sql(
                "EXPLAIN QUERY PLAN " + query.sql()[0], query.sql()[1]
            ).fetchall()
        assert len(plan) == 1
        assert re.search(
            r"INDEX roadmap_owner_(under_way|id_status_id) \(owner_id=\?( AND status=\?)?\)",
            plan[0][3],
        )
        assert "id_status_id (owner_id=?)" not in plan[0][3]


def request_from(peer: str, *headers: tuple[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request(
        {"type": "http", "method": "GET", "path": "/", "headers": raw, "client": (peer, 1)}
    )


class TestAddresses:
    """The address that is counted: only a proxy that is known may say it."""

    @pytest.mark.parametrize(
        ("peer", "expected", "address"),
        [
            ("203.0.113.9", [], "203.0.113.9"),
            ("203.0.113.9", ["198.51.100.7"], "203.0.113.9"),  # says so itself
            ("10.0.0.1", [], "10.0.0.1"),
            ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
            (
                "10.0.0.1",
                ["192.0.2.1, 198.51.100.7"],
                "198.51.100.7",
            ),  # the first is the client's own invention
            ("10.0.0.1", ["192.0.2.1", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", ["198.51.100.7, junk"], "10.0.0.1"),
            ("10.0.0.1", ["junk<>"], "10.0.0.1"),
            ("::ffff:10.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
            ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
            ("10.0.0.1", ["2001:db8:1:2:ffff::1"], "2001:db8:1:2::/64"),
            ("", ["198.51.100.7"], ""),
        ],
    )
    def test_the_last_that_is_no_proxy_of_ours_is_the_client(
        self, monkeypatch: pytest.MonkeyPatch, peer: str, expected: list[str], address: str
    ) -> None:
        monkeypatch.setattr(host_and_csrf, "PROXIES", (ip_network("10.0.0.0/8"),))
        assert (
            host_and_csrf.address_of(
                request_from(peer, *(("X-Forwarded-For", each) for each in expected))
            )
            == address
        )

    def test_on_railway_the_edge_says_it_in_its_own_header(self) -> None:
        server = {
            "DATABASE_URL": "postgresql://a@b/c",
            "REDIS_URL": "redis://b",
            "SECRET_KEY": "k" * 40,
        }
        found = from_environment({**server, "RAILWAY_PUBLIC_DOMAIN": "x.up.railway.app"})
        assert (found.client_address_header, found.trusted_proxies) == (
            "X-Real-IP",
            ("100.64.0.0/10",),
        )
        assert {"x.up.railway.app", "healthcheck.railway.app"} <= set(found.allowed_hosts)

    @pytest.mark.parametrize("networks", ["*", "0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example"])
    def test_networks_of_everybody_cannot_be_trusted(self, networks: str) -> None:
        with pytest.raises(SettingsError, match="TRUSTED_PROXIES"):
            from_environment({"SERVICE_TYPE": "all", "TRUSTED_PROXIES": networks})


class TestSizes:
    def test_a_body_that_never_ends_is_given_up(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("web.http.request_body.BODY_SECONDS", BRIEF)

        messages = [{"type": "http.request", "body": b"{", "more_body": True}]

        async def stalled() -> dict[str, Any]:
            if not messages:
                await anyio.sleep_forever()
            return messages.pop()

        receive = property(lambda request: stalled)
        monkeypatch.setattr("starlette.requests.Request.receive", receive)
        answer = client.post(ROADMAPS, json={"goal": GOAL})
        assert (answer.status_code, answer.json()["type"]) == (408, "/problems/too-slow")

    def test_a_parameter_stands_in_a_query_once(self, client: TestClient) -> None:
        answer = client.get(f"{ROADMAPS}?limit=5&limit=100")
        assert answer.status_code == 422
        assert answer.json()["errors"] == [
            {"parameter": "limit", "detail": "is given more than once"}
        ]

    def test_a_body_is_cut_off_at_its_limit_whatever_it_says_of_itself(
        self, client: TestClient
    ) -> None:
        head = {"Content-Type": "application/json"}
        assert (
            client.post(ROADMAPS, content=b" " * (LARGEST_BODY + 1), headers=head).status_code
            == 413
        )

        def chunked() -> Iterator[bytes]:  # without a length
            for _ in range(10):
                yield b" " * 65_536

        assert client.post(ROADMAPS, content=chunked(), headers=head).status_code == 413

    @pytest.mark.parametrize("limit", ["0", "101", "-1", "1e9", "100000000000000000000"])
    @pytest.mark.parametrize("path", [ROADMAPS])
    def test_a_page_has_at_most_a_hundred_items(
        self, client: TestClient, path: str, limit: str
    ) -> None:
        assert client.get(path, params={"limit": limit}).status_code == 422

    @pytest.mark.parametrize(
        ("limits", "caller", "refusal"),
        [
            pytest.param({"MOST_OF_ONE": 2}, LOCAL, RateLimited, id="too many of one account"),
            pytest.param({"MOST_WATCHERS": 2}, LOCAL, Unavailable, id="too many of all"),
            pytest.param({"MOST_WATCHERS": 2}, OTHER, None, id="the first of another account"),
            pytest.param({"MOST_WATCHERS": 1}, OTHER, Unavailable, id="twice too many"),
        ],
    )
    def test_no_account_takes_the_last_stream_of_another(
        self,
        client: TestClient,
        monkeypatch: pytest.MonkeyPatch,
        limits: dict[str, int],
        caller: Principal,
        refusal: type[Exception] | None,
    ) -> None:
        roadmap_id = client.post(ROADMAPS, json={"goal": GOAL, "review": True}).json()["id"]

        async def one_more() -> None:
            with ExitStack() as streams:
                for _ in range(2):
                    streams.enter_context(sse.poller.watch(LOCAL, UUID(roadmap_id), 0, 0))
                for name, most in limits.items():
                    monkeypatch.setattr(sse, name, most)
                with pytest.raises(refusal) if refusal else nullcontext():
                    streams.enter_context(sse.poller.watch(caller, UUID(roadmap_id), 0, 0))

        asyncio.run(one_more())

    def test_it_is_refused_before_it_begins(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = client.post(ROADMAPS, json={"goal": GOAL, "review": True}).headers["location"]
        monkeypatch.setattr(sse, "MOST_OF_ONE", 0)
        for stream in (f"{path}/events", f"{path.removeprefix('/api/v1')}/live"):
            answer = client.get(stream)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "10"), stream


@pytest.fixture(scope="module")
def limited(postgres: Postgres, module_broker: Redis, tmp_path_factory: Factory) -> Iterator[Stack]:
    """Two processes of the API, and no worker."""
    few = {
        "REQUESTS_PER_MINUTE": "80",
        "LOGIN_ATTEMPTS": "3",
        "MOST_UNFINISHED_ROADMAPS": "1",
        "API_WORKERS": "2",
    }
    with running(
        server_stack(tmp_path_factory.mktemp("limited"), postgres, module_broker, **few), "api"
    ) as stack:
        yield stack


class TestHeads:
    """A parser that takes any head, for any time, is bounded by web/http/http_limits.py."""

    @pytest.fixture
    def served(self) -> Iterator[int]:
        """The port of a small application behind the protocol."""

        async def hello(scope: Any, receive: Any, send: Any) -> None:
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-length", b"2")],
                }
            )
            await send({"type": "http.response.body", "body": b"ok"})

        port = free_port()
        config = uvicorn.Config(
            hello,
            port=port,
            http=http_limits.BoundedProtocol,
            lifespan="off",
            ws="none",
            log_level="error",
            loop="asyncio",
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        wait_until(lambda: server.started)
        yield port
        server.should_exit = True
        thread.join()

    def response(self, port: int, *pieces: bytes) -> bytes:
        """Return all that is answered until the server hangs up."""
        with socket.create_connection(("127.0.0.1", port), timeout=HANG) as connection:
            with suppress(OSError):  # it hangs up while we still talk
                for piece in pieces:
                    connection.sendall(piece)
            answer = b""
            with suppress(ConnectionResetError):
                while piece := connection.recv(65_536):
                    answer += piece
            return answer

    def test_a_usual_one_is_answered_also_the_second_on_a_connection(self, served: int) -> None:
        request = b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 30_000 + b"\r\n\r\n"
        last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert self.response(served, *[request] * 4, last).count(b"200 OK") == 5

    @pytest.mark.parametrize(
        "head", [b"GET / HTTP/1.1\r\nCookie: ", b"GET /", b"GET / HTTP/1.1\r\nA: b\r\n"]
    )
    def test_one_that_is_too_large_is_refused(self, served: int, head: bytes) -> None:
        piece = b"a" * 16_384 if not head.endswith(b"\r\n") else b"A: b\r\n" * 3000
        answer = self.response(served, head, *[piece] * 400)
        assert b"200 OK" not in answer
        assert answer in (b"",) or b"400 Bad Request" in answer

    def test_a_connection_without_a_request_is_closed_without_an_answer(
        self, served: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_limits, "HEAD_SECONDS", BRIEF)
        assert self.response(served, b"") == b""

    @pytest.mark.parametrize("head", [b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n"])
    def test_one_that_does_not_end_is_given_up(
        self, served: int, head: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http_limits, "HEAD_SECONDS", 2)  # its first bytes are there before
        answer = self.response(served, head)
        assert b"400 Bad Request" in answer
        assert b"did not arrive in time" in answer

    def test_a_body_that_asks_for_another_protocol_is_not_lost_in_silence(
        self, client: TestClient
    ) -> None:
        answer = client.post(
            ROADMAPS, json={"goal": GOAL}, headers={"Connection": "Upgrade", "Upgrade": "h2c"}
        )
        assert answer.status_code == 400
        assert "Upgrade" in answer.json()["detail"]

    def test_complaints_of_the_server_do_not_fill_the_log(self) -> None:
        complaint = logging.LogRecord(
            "uvicorn.error", logging.WARNING, "", 0, f"Invalid {new_id()}", (), None
        )
        taken = [
            http_limits.BadRequestLogFilter().filter(complaint)
            for _ in range(2 * http_limits.COMPLAINTS.most)
        ]
        assert taken.count(True) == http_limits.COMPLAINTS.most
        failure = logging.LogRecord(
            "uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application", (), None
        )
        taken = [
            http_limits.BadRequestLogFilter().filter(failure)
            for _ in range(2 * http_limits.COMPLAINTS.most)
        ]
        assert taken.count(True) == http_limits.COMPLAINTS.most
        found = logging.LogRecord(
            "uvicorn.error", logging.INFO, "", 0, "Started server process", (), None
        )
        assert all(
            http_limits.BadRequestLogFilter().filter(found)
            for _ in range(2 * http_limits.COMPLAINTS.most)
        )


class TestEmbedded:
    @pytest.mark.parametrize("path", ["/api/v1/auth/sessions", "/api/v1/api-keys"])
    def test_what_needs_a_login_says_why_there_is_none(self, client: TestClient, path: str) -> None:
        answer = client.get(path)
        assert (answer.status_code, "no accounts" in answer.json()["detail"]) == (403, True)


class TestTurns:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.mark.anyio
    async def test_an_account_does_not_keep_all_threads_and_its_line_has_an_end(self) -> None:
        most = concurrency.AT_ONCE + concurrency.WAITING
        busy, other, running, gate = new_id(), new_id(), [], anyio.Event()

        async def work(account: UUID) -> None:
            async with concurrency.handlers.slot(account):
                running.append(account)
                await gate.wait()

        async with anyio.create_task_group() as group:
            for _ in range(most):
                group.start_soon(work, busy)
            await anyio.wait_all_tasks_blocked()
            assert running == [busy] * concurrency.AT_ONCE
            with pytest.raises(RateLimited):
                await work(busy)
            group.start_soon(work, other)
            await anyio.wait_all_tasks_blocked()
            assert running[-1] == other
            gate.set()
        await work(busy)  # its places are free again
        assert running.count(busy) == most + 1

    @pytest.mark.anyio
    async def test_in_embedded_mode_there_is_no_line(self) -> None:
        running, gate = [], anyio.Event()

        async def work() -> None:
            running.append(1)
            await gate.wait()

        async with anyio.create_task_group() as group:
            for _ in range(concurrency.AT_ONCE + concurrency.WAITING + 1):
                group.start_soon(concurrency.await_for_account, LOCAL_OWNER, work)
            await anyio.wait_all_tasks_blocked()
            assert len(running) == concurrency.AT_ONCE + concurrency.WAITING + 1
            gate.set()


class TestStreams:
    def test_none_lasts_for_ever(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sse, "LONGEST_STREAM", 0.0)
        roadmap = client.post(ROADMAPS, json={"goal": GOAL, "review": True}).headers["location"]
        answer = client.get(f"{roadmap}/events")
        assert (answer.status_code, answer.text) == (200, "retry: 2000\n")

    @pytest.mark.parametrize("stack", ["server"], indirect=True)  # embedded mode has no logins
    def test_who_has_logged_out_sees_no_more(self, stack: Stack) -> None:
        headers = stack.register()
        roadmap = stack.post(
            ROADMAPS, json={"goal": GOAL, "review": True}, headers=headers
        ).headers["location"]
        with httpx2.stream(
            "GET", f"{stack.url}{roadmap}/events", headers=headers, timeout=HANG
        ) as answer:
            lines = answer.iter_lines()
            assert any(
                line == "event: roadmap.awaiting_review" for line in lines
            )  # and nothing comes after it by itself
            assert stack.post("/api/v1/auth/logout", headers=headers).status_code == 204
            assert "data" not in "".join(
                line for line in lines if line.startswith("event")
            )  # it ends


class TestUnfinishedRoadmaps:
    """Whatever starts work has the limits of new roadmaps, whichever process is asked."""

    @pytest.fixture
    def imported(self, limited: Stack) -> list[str]:
        """Roadmaps of a new account, with parts that are not written."""
        limited.headers = limited.register()
        of_catalogue = json.loads(json.dumps(small()).replace(SECOND, "databases/indexes"))
        answers = [limited.post("/api/v1/imports", json=of_catalogue) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [201] * 8
        return [answer.headers["location"] for answer in answers]

    def made_now(self, stack: Stack) -> list[str]:
        found = [
            stack.get(f"{ROADMAPS}?status={status}&limit=100").json()["items"]
            for status in BEING_MADE
        ]
        return [item["id"] for items in found for item in items]

    def asked_at_once(self, stack: Stack, *requests: tuple[str, dict[str, Any]]) -> list[int]:
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(lambda each: stack.post(each[0], **each[1]).status_code, requests))

    def test_of_eight_imports_one_is_retried_at_once(
        self, limited: Stack, imported: list[str]
    ) -> None:
        found = self.asked_at_once(limited, *((f"{path}/retry", {}) for path in imported))
        assert Counter(found) == {202: 1, 429: 7}
        assert len(self.made_now(limited)) == 1
        refused = limited.post(f"{imported[found.index(429)]}/retry")
        assert refused.json()["type"] == "/problems/too-many-requests"
        assert int(refused.headers["retry-after"]) > 0

    def test_conditions_and_names_are_no_way_around_it(
        self, limited: Stack, imported: list[str]
    ) -> None:
        tags = [limited.get(path).headers["etag"] for path in imported]
        heads = [
            {"If-Match": tag, "Idempotency-Key": path}
            for path, tag in zip(imported, tags, strict=True)
        ]
        paths = [f"{path}/retry" for path in imported]
        found = self.asked_at_once(
            limited, *((path, {"headers": head}) for path, head in zip(paths, heads, strict=True))
        )
        assert (found.count(202), set(found) <= {202, 412, 429}) == (1, True)
        assert len(self.made_now(limited)) == 1


class TestRealServer:
    def test_an_account_over_its_rate_limit_gets_the_time_to_retry(self, limited: Stack) -> None:
        limited.headers = limited.register()
        answers, refused = list[httpx2.Response](), list[httpx2.Response]()
        while len(refused) < 40:  # two processes, which tell each other every second
            answers.append(limited.get(ROADMAPS))
            refused += [answers[-1]] if answers[-1].status_code == 429 else []
        assert answers.index(refused[0]) >= 70
        assert {answer.status_code for answer in answers} == {200, 429}
        assert all(1 <= int(answer.headers["retry-after"]) <= 120 for answer in refused)
        assert limited.get("/health/ready").status_code == 200

    def test_another_account_is_served_meanwhile(self, limited: Stack) -> None:
        other = limited.register()
        assert limited.get(ROADMAPS, headers=other).status_code == 200
        wait_until(lambda: limited.get(ROADMAPS).status_code == 429, reason="the first is not")

    def test_guessing_goes_on_being_limited_without_redis(
        self, limited: Stack, module_broker: Redis
    ) -> None:
        module_broker.kill()  # not needed after this test
        wrong = {"email": "victim@example.org", "password": "a wrong passphrase"}
        codes = [
            limited.request("POST", "/api/v1/auth/login", json=wrong).status_code for _ in range(40)
        ]
        assert 3 <= codes.count(401) <= 6  # three in each of two processes
        assert set(codes) == {401, 429}
