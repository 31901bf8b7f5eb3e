"""`/mcp` of real services in both modes, called by the official client."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from starlette.testclient import TestClient
from starlette.types import Message

from mcp_server.server import LONGEST_WAIT
from roadmap_app import app
from tasks.queues import content_queue
from testing.operating import promote
from testing.people import Person
from testing.stack import GOAL, Stack, answer_to, embedded_stack, running
from testing.waiting import HANG, wait_until
from tests.agents import call, learn, over_http, refusal

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HEADERS = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def person(shared_server: Stack) -> Person:
    return Person(shared_server).register()


def key_of(person: Person, *scopes: str) -> dict[str, Any]:
    made = answer_to(
        "POST",
        f"{person.stack.url}/api/v1/api-keys",
        json={"name": f"agent for {scopes[-1]}", "scopes": scopes},
        headers=person.headers,
    )
    assert made.status_code == 201, made.text
    key: dict[str, Any] = made.json()
    return {**key, "headers": {"Authorization": f"Bearer {key['key']}"}}


def entries(stack: Stack, headers: dict[str, str], roadmap_id: str) -> list[dict[str, Any]]:
    """The agents' entries since that of this roadmap's creation, the oldest first.

    The review may be of another roadmap of the account.
    """
    found = answer_to("GET", f"{stack.url}/api/v1/admin/audit?limit=100", headers=headers).json()
    written = [each for each in found["items"][::-1] if each["action"] == "agent.change"]
    its = [
        number
        for number, each in enumerate(written)
        if each["details"].get("roadmap") == roadmap_id
    ]
    return written[its[0] :] if its else []


def administrator(stack: Stack) -> Person:
    boss = Person(stack).register()
    promote(stack, boss.email, "admin")
    form = {"email": boss.email, "password": boss.password}
    login = answer_to("POST", f"{stack.url}/api/v1/auth/login", json=form).json()
    boss.headers = {"Authorization": f"Bearer {login['access_token']}"}
    return boss


OPERATIONS = [
    *("create_roadmap", "answer_quiz", "answer_quiz", "note_reading", "answer_quiz", "finish_part"),
    *("save_exercise", "save_exercise", "set_progress", "set_progress"),
    *("check_review", "rate_review"),
]


def test_the_whole_path_in_embedded_mode(shared_embedded: Stack) -> None:
    shared_embedded.request("PUT", "/api/v1/review-limits", json={"reviews": 500, "new": 500})
    place = over_http(shared_embedded, learn, {}, mode="legacy")
    written = entries(shared_embedded, {}, place["roadmap_id"])
    assert [each["target"] for each in written] == OPERATIONS
    assert {each["actor"] for each in written} == {"local@localhost"}


def test_the_whole_path_with_a_key_which_the_audit_log_names(
    shared_server: Stack, person: Person
) -> None:
    key = key_of(person, "read", "write")
    place = over_http(shared_server, learn, key["headers"])
    headers = administrator(shared_server).headers
    written = entries(shared_server, headers, place["roadmap_id"])
    assert [each["target"] for each in written] == OPERATIONS
    assert {
        (each["actor"], each["details"]["key"], each["action"], each["outcome"]) for each in written
    } == {
        (person.email, "agent for write", "agent.change", outcome)
        for outcome in ("done", "refused")
    }
    page = answer_to(
        "GET", f"{shared_server.url}/admin/audit", headers={**headers, "Accept": "text/html"}
    ).text
    [row] = [row for row in page.split("<tr>") if "<code>rate_review</code>" in row]
    for words in ("Changed by an agent", "key: agent for write", place["roadmap_id"]):
        assert words in row


def test_an_entry_of_an_operator_names_the_key_as_well(shared_server: Stack) -> None:
    boss = administrator(shared_server)
    key = key_of(boss, "observe", "admin")
    answer_to(
        "POST", f"{shared_server.url}/api/v1/invitations", json={}, headers=key["headers"]
    ).raise_for_status()
    newest = f"{shared_server.url}/api/v1/admin/audit?action=invitation.create&limit=1"
    [entry] = answer_to("GET", newest, headers=key["headers"]).json()["items"]
    assert (entry["actor"], entry["details"]["key"]) == (boss.email, "agent for admin")


def test_a_change_by_a_person_is_not_in_the_audit_log(shared_embedded: Stack) -> None:
    path = shared_embedded.create()
    assert entries(shared_embedded, {}, path.rpartition("/")[2]) == []


def test_a_key_to_read_reads_and_changes_nothing(shared_server: Stack, person: Person) -> None:
    key = key_of(person, "read")

    async def use(client: Client) -> str:
        assert "roadmaps" in await call(client, "list_roadmaps")
        return await refusal(client, "create_roadmap", goal=GOAL)

    answer = over_http(shared_server, use, key["headers"])
    assert answer.startswith("This requires a key with the scope write.")
    assert key["key"] not in answer


def test_a_roadmap_of_somebody_else_does_not_exist(shared_server: Stack, person: Person) -> None:
    made = answer_to(
        "POST",
        f"{shared_server.url}/api/v1/roadmaps",
        json={"goal": GOAL},
        headers=Person(shared_server).register().headers,
    ).json()

    async def use(client: Client) -> list[str]:
        place = {"roadmap_id": made["id"]}
        with pytest.raises(MCPError, match="does not exist"):
            await client.read_resource(f"roadmap://roadmaps/{made['id']}")
        return [
            await refusal(client, tool, **place) for tool in ("read_plan", "follow_roadmap")
        ] + [await refusal(client, "read_lesson", **place, concept_id=str(uuid4()))]

    for answer in over_http(shared_server, use, person.headers):  # the token of a login
        assert "does not exist" in answer


def test_without_proof_it_answers_401_before_it_reads_anything(
    shared_server: Stack, person: Person
) -> None:
    key = key_of(person, "read")
    url, headers = f"{shared_server.url}/mcp", {"Accept": "application/json"}
    known = answer_to("POST", url, json=PING, headers={**headers, **key["headers"]})
    assert known.json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    answer_to(
        "DELETE", f"{shared_server.url}/api/v1/api-keys/{key['id']}", headers=person.headers
    ).raise_for_status()
    for proof in ({}, {"Authorization": "Bearer rmk_unknown"}, key["headers"]):
        refused = answer_to("POST", url, content=b"{", headers={**headers, **proof})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.headers["content-type"] == "application/problem+json"


def test_pages_of_other_sites_cannot_use_the_login_of_a_browser(
    shared_server: Stack, person: Person
) -> None:
    login = answer_to(
        "POST",
        f"{shared_server.url}/api/v1/auth/login",
        json={"email": person.email, "password": person.password, "cookie": True},
    )
    cookie = {"Cookie": login.headers["set-cookie"].split(";")[0], "Accept": "application/json"}
    create = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "create_roadmap", "arguments": {"goal": GOAL}},
    }

    def ask(**headers: str) -> Any:
        return answer_to(
            "POST", f"{shared_server.url}/mcp", json=create, headers={**cookie, **headers}
        )

    assert ask().status_code == 403
    assert ask(Origin="https://elsewhere.example.org").status_code == 403
    assert ask(**{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    ours = ask(**{"X-CSRF-Token": login.json()["csrf_token"]}).json()
    assert ours["result"]["structuredContent"]["status"] == "queued"


def follow(roadmap_id: str) -> dict[str, Any]:
    """A request that waits as long as it may for a roadmap."""
    arguments = {"roadmap_id": roadmap_id, "wait_seconds": LONGEST_WAIT}
    return {
        **PING,
        "method": "tools/call",
        "params": {"name": "follow_roadmap", "arguments": arguments},
    }


def test_an_account_has_few_requests_at_once_which_end_with_the_service(tmp_path: Path) -> None:
    with running(embedded_stack(tmp_path)) as stack, ThreadPoolExecutor(11) as threads:
        stack.post("/api/v1/admin/queues/content/pause", json={}).raise_for_status()
        message = follow(stack.create().rpartition("/")[2])
        asked = [
            threads.submit(stack.post, "/mcp", json=message, headers=HEADERS) for _ in range(11)
        ]
        first = wait_until(
            lambda: next((each for each in asked if each.done()), None), reason="one is refused"
        )
        refused = first.result()
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        stack.api.signal(signal.SIGTERM)  # whose grace is shorter than they would wait
        for each in (each for each in asked if each is not first):
            assert each.result().json()["result"]["structuredContent"]["status"] == "queued"


def test_clients_that_have_left_do_not_count(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_server.server.monotonic", lambda: 0.0)  # no wait is ever over
    content_queue.pause()
    made = client.post("/api/v1/roadmaps", json={"goal": GOAL}).json()
    body = json.dumps(follow(made["id"])).encode()
    headers = {**HEADERS, "Host": "127.0.0.1", "Content-Type": "application/json"}
    scope = {
        **{"type": "http", "http_version": "1.1", "method": "POST", "scheme": "http"},
        **{"path": "/mcp", "raw_path": b"/mcp", "query_string": b"", "root_path": ""},
        **{"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)},
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }

    async def leave() -> None:
        sent: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return sent.pop() if sent else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            pass

        await app({**scope, "state": {}}, receive, send)

    async def all_leave() -> None:
        with anyio.fail_after(HANG):
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(leave)

    try:
        assert client.portal is not None
        client.portal.call(all_leave)
        assert client.post("/mcp", json=PING, headers=HEADERS).status_code == 200
    finally:
        content_queue.resume()


@pytest.mark.parametrize("name", ["evil.example.org", "127.0.0.1.example.org"])
def test_another_host_is_refused(stack: Stack, name: str) -> None:
    answer = stack.post("/mcp", json=PING, headers={"Host": name})
    assert answer.status_code == 403


def test_a_body_has_the_usual_limit(stack: Stack) -> None:
    large = {**PING, "params": {"_meta": {"text": "x" * 300_000}}}
    assert stack.post("/mcp", json=large).status_code == 413
    assert stack.post("/mcp", content=b"ping").status_code == 415


MODERN = "2026-07-28"  # the version of the protocol without a handshake


def test_a_subscription_is_refused_and_other_requests_are_answered(stack: Stack) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    listen = {**PING, "method": "subscriptions/listen", "params": {"_meta": meta}}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "subscriptions/listen",
    }
    refused = stack.post("/mcp", json=listen, headers=headers)
    assert refused.json()["error"]["message"]
    assert stack.get("/health/live").status_code == 200


def test_headers_may_have_any_bytes(stack: Stack) -> None:
    message = {**PING, "method": "tools/call", "params": {"name": "list_roadmaps"}}
    sent = {"Accept": b"application/json", "Cookie": "theme=hell\u00e9".encode()}
    headers: Any = {**sent, "X-Forwarded-For": b"\xff"}
    answer = stack.post("/mcp", json=message, headers=headers)
    assert answer.status_code == 200
    assert not answer.json()["result"]["isError"]


def test_many_wrong_answers_have_one_error(stack: Stack) -> None:
    place = {"roadmap_id": str(uuid4()), "concept_id": str(uuid4()), "version": 1}
    answers = f"[{'{},' * 80_000}[]]"  # as a string, which the library reads as JSON
    params = {"name": "answer_quiz", "arguments": {**place, "answers": answers}}
    message = {**PING, "method": "tools/call", "params": params}
    answer = stack.post("/mcp", json=message, headers={"Accept": "application/json"})
    assert answer.json()["result"]["isError"]
    assert len(answer.content) < 5_000


AGENT = {"User-Agent": "roadmap-mcp/0"}


def test_a_repeated_change_of_an_agent_is_marked(shared_embedded: Stack) -> None:
    headers = {**AGENT, "Idempotency-Key": str(uuid4())}
    made = [
        shared_embedded.post("/api/v1/roadmaps", json={"goal": GOAL}, headers=headers).json()["id"]
        for _ in range(2)
    ]
    assert made[0] == made[1]
    written = entries(shared_embedded, {}, made[0])
    assert [each["details"].get("repeated") for each in written] == [None, True]


def test_a_login_is_no_change_of_an_agent(shared_server: Stack, person: Person) -> None:
    form = {"email": person.email, "password": person.password}
    url = f"{shared_server.url}/api/v1/auth/login"
    assert answer_to("POST", url, json=form, headers=AGENT).status_code == 200
