"""The execution log over HTTP, for operators: searched, paged, exported and read."""

import asyncio
import html
import itertools
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from core import clock
from core.errors import Unavailable
from core.ids import new_id
from models.records import AuditRecord
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.operations import audit_log, log_search
from roadmap.operations.audit_log import AuditEntry
from roadmap.operations.execution_log import store_batch
from roadmap.operations.search_filters import LogFilter
from roadmap_app import app
from testing.logbook import document
from tests.cases import try_each
from web.api.admin import logs

PATH, EXPORT, PAGE = "/api/v1/admin/logs", "/api/v1/admin/logs/export", "/admin/logs"
# Each with a part of the API's detail about the parameter.
BAD = {
    "level=loud": "should be one or more of debug, info, warning, error",
    "level=": "should be one or more of",
    "category=": "at least 1 character",
    "roadmap_id=x": "UUID",
    "trace_id=" + "z" * 32: "UUID",
    "concept_id=1": "UUID",
    "since=5": "such as 2026-11-26T09:30:00Z",
    "since=2026-11-26T09:30:00": "timezone",
    "until=2026-13-26T09:30:00Z": "month",
    "text=" + "x" * 10_000: "at most 500 characters",
    "text=a%00b": "control characters",
    "text=%2B%2B": "contains no word",
    "step=a%0Ab": "control characters",
    "cursor=newest": "UUID",
    "limit=0": "1",
    "limit=1000": "100",
    "colour=red": "not a known parameter",
}
SCOPE: dict[str, Any] = {
    **{
        "type": "http",
        "asgi": {"spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "query_string": b"",
    },
    **{
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
    },
}
OF_PAGES = [
    query for query in BAD if not query.startswith(("limit", "colour", "level=&", "since=2026"))
]


def note(*messages: str, trace: str | None = None, **fields: Any) -> None:
    for message in messages:
        source = {
            "id": new_id().hex,
            "service": "api",
            "last_seq": 1,
            "dropped": 0,
            "traces": [trace],
        }
        store_batch([document(message=message, category="noted", **fields)], source)


def away(*given: Any) -> None:
    raise Unavailable("The database does not respond.")


def messages_of(items: list[dict[str, Any]]) -> list[str]:
    return [item["message"] for item in items]


class TestSearching:
    def test_links_lead_through_all_pages_with_the_same_filters(self, client: TestClient) -> None:
        found = [f"a {number}" for number in range(7)]
        note(*found, level="error")
        note("another", level="warning")
        seen: list[str] = []
        path = f"{PATH}?level=error&category=noted&limit=3&text=a"
        while path:
            answer = client.get(path)
            assert answer.status_code == 200
            seen += messages_of(answer.json()["items"])
            path = answer.links.get("next", {}).get("url", "")
        assert seen == list(reversed(found))

    def test_an_export_is_in_the_audit_log_before_anything_is_sent(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[AuditEntry] = []

        def export(wanted: Any) -> Iterator[bytes]:
            yield b"one\n"
            seen.extend(audit_log.entries(limit=10).items)

        monkeypatch.setattr(log_search, "export", export)
        client.head(EXPORT)
        assert client.get(f"{EXPORT}?level=error&text=word").text == "one\n"
        (entry,) = seen
        assert (entry.action, entry.outcome, entry.account_id) == (
            "logs.export",
            "done",
            LOCAL_OWNER,
        )
        assert entry.details == {"level": "error", "text": "word"}
        assert "Exported the execution log" in client.get("/admin/audit").text
        assert (
            "导出了执行日志" in client.get("/admin/audit", headers={"Accept-Language": "zh"}).text
        )

    def test_while_that_cannot_be_written_nothing_is_sent(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        note("secret")
        monkeypatch.setattr(logs, "EXPORTS_AT_ONCE", 1)
        with monkeypatch.context() as patch:
            patch.setattr(AuditRecord, "insert", away)
            answer = client.get(EXPORT)
        assert (answer.status_code, "secret" in answer.text) == (503, False)
        assert client.get(EXPORT).status_code == 200  # its place is free again

    def test_every_filter_is_passed_on(self, client: TestClient) -> None:
        roadmap_id, trace_id = uuid4(), uuid4()
        note("older", at=clock.now() - timedelta(hours=2), step="first")
        note(
            "newer",
            roadmap_id=roadmap_id.hex,
            concept_id=roadmap_id.hex,
            trace=trace_id.hex,
            level="warning",
        )
        hour = (clock.now() - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
        for query in (
            *(
                f"roadmap_id={roadmap_id}",
                f"concept_id={roadmap_id}",
                f"trace_id={trace_id.hex}",
                f"since={hour}",
            ),
            *("level=warning,error", "category=other,noted&text=newer", "text=-older"),
        ):
            assert messages_of(client.get(f"{PATH}?{query}").json()["items"]) == ["newer"], query
        for query in (f"until={hour}", "step=first", "level=info", "text=older"):
            assert messages_of(client.get(f"{PATH}?{query}").json()["items"]) == ["older"], query

    @try_each("query", BAD, ids=lambda query: query[:30])
    def test_what_does_not_fit_is_refused_with_a_sentence(
        self, client: TestClient, query: str
    ) -> None:
        for path in (PATH, EXPORT):
            answer = client.get(f"{path}?{query}")
            assert answer.status_code == 422
            [found] = answer.json()["errors"]
            name = query.partition("=")[0]
            assert (found["parameter"] if "parameter" in found else found["pointer"]).strip(
                "?"
            ) == name
            if path == PATH or name not in ("cursor", "limit"):
                assert BAD[query] in json.dumps(found)


class TestExporting:
    def test_an_export_has_every_record_that_fits_the_oldest_first(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_search, "EXPORTED_AT_ONCE", 2)
        note(*(f"写 {number}" for number in range(5)), level="error", details={"a": 1})
        note("not this one")
        answer = client.get(EXPORT + "?level=error")
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        assert (
            answer.headers["content-disposition"] == 'attachment; filename="execution-log.ndjson"'
        )
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert messages_of(lines) == [f"写 {number}" for number in range(5)]
        assert lines[::-1] == client.get(PATH + "?level=error").json()["items"]
        assert client.get(EXPORT + "?text=nowhere").text == ""
        assert client.head(EXPORT).content == b""

    def test_no_more_than_two_are_sent_at_once_and_each_frees_its_place(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        note("one")
        answers = []

        def meanwhile(_: LogFilter) -> Any:
            """While one is being sent, another asks; and while that is sent, a third."""
            answers.append(client.get(EXPORT))
            yield b"{}\n"

        with monkeypatch.context() as patch:
            patch.setattr(log_search, "export", meanwhile)
            assert client.get(EXPORT).text == "{}\n"
        assert [(answer.status_code, answer.headers.get("retry-after")) for answer in answers] == [
            (429, "30"),
            (200, None),
        ]
        monkeypatch.setattr(logs, "EXPORTS_AT_ONCE", 1)
        for _ in range(3):
            assert client.get(EXPORT).status_code == 200
            assert client.get(EXPORT + "?level=loud").status_code == 422
            assert client.get(EXPORT + "?text=%2B").status_code == 422

    def test_one_whose_client_has_left_frees_its_place_as_well(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logs, "EXPORTS_AT_ONCE", 1)

        async def leave() -> int:
            sent, has_left = [], asyncio.Event()

            async def send(message: Any) -> None:
                sent.append(message)
                if len(sent) == 3:
                    has_left.set()

            async def receive() -> Any:
                await has_left.wait()
                return {"type": "http.disconnect"}

            await app({**SCOPE, "path": EXPORT, "raw_path": EXPORT.encode()}, receive, send)
            return len(sent)

        with monkeypatch.context() as patch:
            patch.setattr(log_search, "export", lambda _: itertools.repeat(b"{}\n"))
            assert asyncio.run(leave()) >= 3
        assert client.get(EXPORT).status_code == 200


class TestPage:
    def test_it_shows_what_happened_with_its_links(self, client: TestClient) -> None:
        roadmap_id, trace_id = uuid4(), uuid4()
        note(
            "It <b>failed</b>",
            level="error",
            roadmap_id=roadmap_id.hex,
            trace=trace_id.hex,
            duration_ms=7,
            details={"why": "写"},
        )
        page = client.get(PAGE).text
        assert "It &lt;b&gt;failed&lt;/b&gt;" in page
        assert f'href="/admin/roadmaps/{roadmap_id}"' in page
        assert f'href="/admin/logs?trace_id={trace_id}"' in page
        assert "7 ms" in page
        assert "写" in page
        assert re.search(
            r'<td class="level"><svg class="log-mark".*?</svg>\s*Error</td>', page, re.DOTALL
        )
        assert messages_of(client.get(f"{PATH}?trace_id={trace_id}").json()["items"]) == [
            "It <b>failed</b>"
        ]

    def test_filters_stay_and_the_next_page_and_the_file_have_them(
        self, client: TestClient
    ) -> None:
        note(*(f"word {number}" for number in range(60)), level="warning")
        note("word 60", level="info")
        page = client.get(PAGE + "?text=word&level=warning%2Cerror&last=24h&roadmap_id=").text
        assert 'name="text" type="search" value="word"' in page
        assert '<option value="warning,error" selected>' in page
        assert '<option value="24h" selected>' in page
        [following] = re.findall(r'rel="next" href="([^"]+)"', page)
        second = client.get(html.unescape(following)).text
        assert ("word 9<" in second, "word 10<" in second, "word 60<" in second) == (
            True,
            False,
            False,
        )
        assert 'rel="next"' not in second
        [exported] = re.findall(r'href="(/api/v1/admin/logs/export[^"]*)"', page)
        assert len(client.get(html.unescape(exported)).text.splitlines()) == 60

    def test_a_field_for_a_moment_is_utc(self, client: TestClient) -> None:
        note("older", at=clock.now() - timedelta(hours=3))
        note("newer")
        moment = f"{clock.now() - timedelta(hours=1):%Y-%m-%dT%H:%M}"
        assert (
            f'type="datetime-local" value="{moment}"' in client.get(f"{PAGE}?since={moment}").text
        )
        assert f'type="text" value="{moment}Z"' in client.get(f"{PAGE}?since={moment}Z").text
        assert "older" not in client.get(f"{PAGE}?since={moment}").text
        assert "newer" not in client.get(f"{PAGE}?until={moment}").text
        assert "older" in client.get(f"{PAGE}?until={moment}").text

    def test_an_empty_result_has_a_sentence(self, client: TestClient) -> None:
        note("one")
        assert "No matching records." in client.get(PAGE + "?text=nowhere").text
        assert (
            "没有符合条件的记录。"
            in client.get(PAGE + "?text=nowhere", headers={"Accept-Language": "zh"}).text
        )

    @try_each("query", OF_PAGES, ids=lambda query: query[:30])
    def test_a_wrong_field_shows_its_error_and_keeps_its_text(
        self, client: TestClient, query: str
    ) -> None:
        name, _, text = query.partition("=")
        if not text:  # a form sends every field
            assert client.get(f"{PAGE}?{query}").status_code == 200
            return
        answer = client.get(f"{PAGE}?{query}")
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
        if name not in ("cursor", "level"):
            assert f'id="{name}-error"' in answer.text

    def test_a_search_that_takes_too_long_says_what_to_do(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def slow(*_: Any, **__: Any) -> Any:
            raise log_search.StatementTimeout

        monkeypatch.setattr(log_search, "limited", slow)
        answer = client.get(PAGE + "?text=word")
        assert answer.status_code == 422
        assert "took too long. Narrow it" in answer.text
        assert client.get(PATH + "?text=word").json()["detail"] == "The search takes too long."
