"""Roadmaps as operators see them, made by real processes and a model that recovers."""

from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from llmock.scenarios import Fail, Match

from core.db import database, session
from core.errors import Invalid
from roadmap.lifecycle.administration import admin_queries
from roadmap.operations.search_filters import RoadmapSearch
from testing.logbook import own_database
from testing.operating import promote
from testing.servers import Postgres
from testing.stack import PASSWORD, Stack
from testing.waiting import wait_until
from tests.integration.conftest import GOAL, Provider

LIST = "/api/v1/admin/roadmaps"
HTML = {"Accept": "text/html"}
Operator = Callable[..., Any]


@pytest.fixture(scope="module")
def operator(model_stack: Stack) -> Operator:
    """Asks as the local owner or, in server mode, as a new administrator."""
    headers: dict[str, str] = {}
    if model_stack.mode == "server":
        body = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD}
        assert model_stack.post("/api/v1/auth/register", json=body, headers={}).status_code == 201
        promote(model_stack, body["email"], "admin")
        answer = model_stack.post("/api/v1/auth/login", json=body, headers={})
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def ask(path: str, method: str = "GET", **options: Any) -> Any:
        more = options.pop("headers", {})
        return model_stack.request(method, path, headers={**headers, **more}, **options)

    return ask


def made(stack: Stack) -> dict[str, Any]:
    """The timeline once every record of it is stored."""
    tree = stack.finished(stack.create(GOAL))
    path = tree["links"]["trace"]

    def complete() -> dict[str, Any] | None:
        trace: dict[str, Any] = stack.get(path).json()
        written = [span for span in trace["spans"] if span["kind"] == "content" and span["worker"]]
        planned = [
            span
            for span in trace["spans"]
            if span["kind"] == "outline" and span["id"].startswith("step-")
        ]
        parts = {(span["concept_id"], span["name"]) for span in written}
        return (
            trace
            if len(parts) == 9 and len(planned) == 1 and trace["totals"]["retries"] >= 2
            else None
        )

    return {"tree": tree, "trace": wait_until(complete, reason="the whole timeline")}


def of_kind(trace: dict[str, Any], kind: str, **like: Any) -> list[dict[str, Any]]:
    return [
        span
        for span in trace["spans"]
        if span["kind"] == kind and all(span[name] == value for name, value in like.items())
    ]


def test_the_timeline_shows_a_retry_and_a_wait_and_costs_what_the_receipt_says(
    model_stack: Stack, provider: Provider, operator: Operator
) -> None:
    provider.state.scenarios.add(Fail(500, match=Match(model="analysis")))
    provider.state.scenarios.add(Fail(429, retry_after=1, match=Match(model="quiz")))
    found = made(model_stack)
    tree, trace = found["tree"], found["trace"]

    assert trace["status"] == "ready"
    assert trace["left_out"] == 0
    plans = of_kind(trace, "plan")
    assert [(plan["attempt"], plan["outcome"]) for plan in plans] == [(1, "failed"), (2, "ok")]
    (pause,) = of_kind(trace, "retry")
    assert "500" in pause["reason"]
    assert plans[0]["ended_at"] == pause["started_at"]
    assert pause["ended_at"] <= plans[1]["started_at"]
    (wait,) = [
        span for span in of_kind(trace, "wait") if "429" in span["reason"]
    ]  # others may find no room meanwhile
    assert wait["name"] == "quiz"
    refused = of_kind(trace, "content", concept_id=wait["concept_id"], name="quiz")
    assert [(each["attempt"], each["outcome"]) for each in refused] == [(1, "failed"), (2, "ok")]
    assert wait["ended_at"] <= refused[1]["started_at"]
    assert len(of_kind(trace, "content", outcome="ok")) == 9
    assert len(of_kind(trace, "analysis")) == len(of_kind(trace, "outline")) == 1

    receipt = model_stack.get(f"{tree['links']['receipt']}?limit=100").json()
    calls, totals = of_kind(trace, "model_call"), trace["totals"]
    assert len(calls) == totals["calls"] == len(receipt["calls"]) == 13
    assert (
        sum(Decimal(call["cost"]) for call in calls)
        == Decimal(totals["cost"])
        == Decimal(receipt["spent"])
        > 0
    )
    for name in ("prompt_tokens", "completion_tokens"):
        sums = [
            sum(call[name] or 0 for call in calls),
            totals[name],
            sum(step[name] for step in receipt["steps"]),
        ]
        assert sums[0] == sums[1] == sums[2] > 0
    assert totals["retries"] == 2
    assert 0 < totals["waited"] < totals["seconds"]

    def is_the_same() -> bool:
        """Records of the log may come meanwhile."""
        theirs, own = (
            operator(f"{LIST}/{tree['id']}/trace").json(),
            model_stack.get(tree["links"]["trace"]).json(),
        )
        return bool(theirs["spans"] == own["spans"])

    wait_until(is_the_same, reason="the operator sees the timeline of its owner")
    page = model_stack.request("GET", f"/roadmaps/{tree['id']}/trace", headers=HTML)
    seen = operator(f"/admin/roadmaps/{tree['id']}", headers=HTML)
    assert (page.status_code, seen.status_code) == (200, 200)
    failed = sum(span["outcome"] == "failed" for span in trace["spans"])
    for text in (page.text, seen.text):
        assert text.count('class="o-failed"') == failed
        assert "Waiting for capacity or budget" in text
        assert "Delay before the next attempt" in text
    assert f"/admin/logs?roadmap_id={tree['id']}&amp;concept_id=" in seen.text


def test_a_search_by_everything_finds_it_and_by_anything_else_does_not(
    model_stack: Stack, provider: Provider, operator: Operator
) -> None:
    provider.state.scenarios.add(Fail(401, match=Match(model="analysis"), times=None))
    failed = model_stack.finished(model_stack.create("Learn the hurdy-gurdy, 100% by ear"))
    provider.writes()
    ready = model_stack.finished(model_stack.create("我想学会烤面包 and Brotbacken", language="en"))
    owner = operator(f"{LIST}/{ready['id']}").json()["owner"]

    def ids(**query: str) -> set[str]:
        answer = operator(LIST, params={"limit": "100", **query})
        assert answer.status_code == 200, answer.text
        return {item["id"] for item in answer.json()["items"]} & {failed["id"], ready["id"]}

    both = {failed["id"], ready["id"]}
    day = ready["created_at"][:10]
    assert (
        ids()
        == ids(status="ready,failed")
        == ids(owner=owner["email"])
        == ids(owner=owner["id"])
        == both
    )
    assert ids(since=f"{day}T00:00:00Z", until=ready["updated_at"]) == both
    assert (
        ids(status="failed")
        == ids(error="openai_api_key")
        == ids(text="hurdy ear")
        == ids(text="GURDY")
        == {failed["id"]}
    )
    assert (
        ids(status="ready")
        == ids(text="烤面包")
        == ids(text="brotback")
        == ids(generator=ready["generator"])
        == {ready["id"]}
    )
    assert ids(text="Baking bread", status="ready,queued") == {ready["id"]}  # its title
    for nothing in (
        {"status": "queued"},
        {"owner": "unknown@example.org"},
        {"owner": "00000000-0000-7000-8000-0000000000ff"},
        {"text": "hurdy", "status": "ready"},
        {"text": "xylophone"},
        {"text": "量子力学"},
        {"error": "%"},
        {"over_budget": "true"},
        {"generator": "catalogue"},
        {"until": "2001-01-01T00:00:00Z"},
        {"since": "2099-01-01T00:00:00Z"},
        {"until": "0001-01-01T00:00:00+14:00"},
    ):
        assert ids(**nothing) == set(), nothing


SIGNS = (
    "Node.js",
    "CI/CD",
    "TCP/IP",
    "ASP.NET",
    "C++",
    "Python 3.11",
    "front-end",
    "it's \\ or",
    "shop@example.org",
)


@pytest.mark.usefixtures("provider")
def test_words_with_signs_in_them_are_found_as_they_are_typed(
    model_stack: Stack, operator: Operator
) -> None:
    other = model_stack.create("Learn to whittle spoons", review=True).rpartition("/")[2]
    for signs in SIGNS:
        goals = (f"Learn {signs}, please", f"Know ({signs}) well")
        learn, know = (model_stack.create(goal, review=True).rpartition("/")[2] for goal in goals)
        for text, wanted in {
            signs: {learn, know},
            f"learn {signs.lower()}": {learn},
            f"well {signs}": {know},
        }.items():
            found = {item["id"] for item in operator(LIST, params={"text": text}).json()["items"]}
            assert found & {learn, know, other} == wanted, text
        assert operator(LIST, params={"text": f"!({signs}:*|'& + \\"}).status_code == 200, signs


def test_pages_of_a_search_show_everything_once(
    model_stack: Stack, provider: Provider, operator: Operator
) -> None:
    made = [
        model_stack.finished(model_stack.create(f"Learn to juggle, part {number}"))["id"]
        for number in range(3)
    ]
    for query in ({"text": "juggle"}, {"text": "juggle", "status": "ready,partial"}):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            answer = operator(LIST, params={**query, "limit": "1", **cursor})
            page = answer.json()
            seen += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            assert f"cursor={page['next_cursor']}" in answer.headers["link"]
            cursor = {"cursor": page["next_cursor"]}
        assert seen == made[::-1]


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    ("query", "parameter", "expected"),
    [
        ({"text": "a" * 10_000}, "text", "should have at most 200 characters"),
        ({"error": "a" * 201}, "error", "should have at most 200 characters"),
        ({"text": "a\x00b"}, "text", "control characters"),
        ({"status": "ready,lost"}, "status", "separated by commas"),
        ({"since": "yesterday"}, "since", "such as 2026-11-26T09:30:00Z"),
        ({"since": "2026"}, "since", "should be a time with a time zone"),
        ({"since": "2026-11-26T00:00:00"}, "since", "timezone"),
        ({"over_budget": "perhaps"}, "over_budget", "boolean"),
        ({"cursor": "1"}, "cursor", "UUID"),
        ({"limit": "1000"}, "limit", "100"),
        ({"notes": "x"}, "notes", "not a known parameter"),
    ],
)
def test_what_does_not_fit_is_named(
    model_stack: Stack, operator: Operator, query: dict[str, str], parameter: str, expected: str
) -> None:
    answer = operator(LIST, params=query)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["parameter"], expected in error["detail"]) == (parameter, True), error
    page = operator("/admin/roadmaps", params=query, headers=HTML)
    if parameter in ("text", "error", "status"):
        assert (page.status_code, f'id="{parameter}-error"' in page.text) == (422, True)


def test_a_search_that_takes_too_long_is_given_up_and_says_how_to_narrow_it(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one finds the session as it was."""
    with own_database(tmp_path, postgres) as mine:
        with (
            closing(psycopg2.connect(mine.database_url.get_secret_value())) as other,
            monkeypatch.context() as patch,
        ):
            patch.setattr(admin_queries, "SEARCH_SECONDS", 0.2)
            other.cursor().execute("LOCK TABLE roadmap")  # for which the search waits
            with pytest.raises(Invalid) as refused:
                admin_queries.search(RoadmapSearch(), before=None, limit=1)
        assert refused.value.detail == "The search takes too long."
        assert refused.value.fields[0].detail.startswith(
            "takes longer than 0.2 s: narrow it by owner, status or time"
        )
        assert admin_queries.search(RoadmapSearch(), before=None, limit=1).items == []
        with session():
            assert database.execute_sql("SHOW statement_timeout").fetchone() == ("0",)
