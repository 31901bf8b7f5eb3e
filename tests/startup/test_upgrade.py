"""An upgrade from an earlier version loses nothing: data, messages, tokens, links, webhooks.

The recordings (`tests/upgrade/`) are of the commit before modules, classes and functions were
renamed. Rescue comes too late to help: the recorded messages themselves must be understood.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from testing.receiver import Receiver, receiving
from testing.servers import Postgres, Redis
from testing.stack import PASSWORD, Stack, answer_to, embedded_stack, running
from testing.waiting import wait_until
from tests.commands.in_process import roadmap, succeeded
from tests.upgrade.recordings import Recording

VERSION = "78eefd3"
ADMIN, ROADMAPS = "/api/v1/admin/queues", "/api/v1/roadmaps"
ACCESS, INVITATION = "roadmap.access-token", "roadmap.invitation"  # salts of signed tokens
MESSAGES_ONLY = {"RESCUE_AFTER_SECONDS": "86400", "LOG_RETENTION_DAYS": "0"}
WAITING = {
    "content": {"plan_roadmap", "build_content", "deliver_webhook", "look_after_links"},
    "logs": {"store_log_batch", "rescue_overdue", "rescue_again"},
}

# Embedded mode has neither accounts nor keys.
server_mode = pytest.mark.parametrize("upgraded", ["server"], indirect=True, scope="module")


class Upgraded(Stack):
    """The services of today on a recording, with its caller's login. Its queues are paused."""

    recording: Recording
    receiver: Receiver

    def queues(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in self.get(ADMIN).json()["items"]}

    def dead_letters(self, queue: str) -> list[dict[str, Any]]:
        asked = f"{ADMIN}/{queue}/messages?state=dead&arguments=true"
        items: list[dict[str, Any]] = self.get(asked).json()["items"]
        return items

    def wait_until_idle(self) -> None:
        def is_idle() -> bool:
            content, logs = (self.queues()[name] for name in ("content", "logs"))
            in_hand = content["ready"] + content["running"] + logs["ready"] + logs["running"]
            return in_hand + content["scheduled"] == 0

        try:
            wait_until(lambda: is_idle() and is_idle(), reason="every message is done")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.queues()}{self.diagnosis(ROADMAPS)}") from None


@pytest.fixture(scope="module", params=["embedded", "server"])
def upgraded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgraded]:
    folder = tmp_path_factory.mktemp(f"upgraded-{request.param}")
    with receiving() as receiver:
        recording = Recording(VERSION, request.param, receiver.port)
        environment, headers = dict(MESSAGES_ONLY), dict[str, str]()
        if request.param == "embedded":
            recording.write_data_folder(folder / "data")
            environment |= {"DATA_DIR": str(folder / "data")}
        else:
            postgres: Postgres = request.getfixturevalue("postgres")
            broker: Redis = request.getfixturevalue("module_broker")
            url = postgres.create_database(f"upgraded{uuid4().hex}")
            recording.fill_postgres(url)
            recording.fill_redis(broker.client())
            environment |= {"DATABASE_URL": url, "REDIS_URL": broker.url()}
            environment |= {"SECRET_KEY": recording.facts["secret_key"]}
            environment |= {"WEBHOOK_NETWORKS": "127.0.0.0/8", "REGISTRATION": "invite"}
            headers = bearer(recording.token("access_token", ACCESS))
        made = Upgraded(request.param, folder, environment)
        made.headers, made.recording, made.receiver = headers, recording, receiver
        with running(made):
            yield made


@pytest.fixture(scope="module")
def finished(upgraded: Upgraded) -> Upgraded:
    """Every message has been executed, and a dead letter is replayed."""
    assert_that_all_messages_are_there(upgraded)
    for queue in ("content", "logs"):
        assert upgraded.post(f"{ADMIN}/{queue}/resume", json={}).is_success
    upgraded.wait_until_idle()
    for queue in ("content", "logs"):
        answer = upgraded.post(f"{ADMIN}/{queue}/dead/retry", json={"search": "recorded"})
        assert answer.json() == {"count": 1}
    upgraded.wait_until_idle()
    return upgraded


def assert_that_all_messages_are_there(upgraded: Upgraded) -> None:
    queues = upgraded.queues()
    assert {name: queue["is_paused"] for name, queue in queues.items()} == {
        "content": True,
        "logs": True,
    }
    assert {name: queue["dead"] for name, queue in queues.items()} == {"content": 2, "logs": 1}
    for name, wanted in WAITING.items():
        also = {"export_account"} if name == "content" and upgraded.mode == "server" else set()
        wait_for_tasks(upgraded, name, wanted | also)


def wait_for_tasks(upgraded: Upgraded, queue: str, wanted: set[str]) -> None:
    """Messages held by a dead worker become ready after a moment."""

    def waiting() -> set[str]:
        asked = ("jobs", "list", "--queue", queue, "--limit", "100", "--json", "--state")
        states = ("ready", "held", "scheduled")
        pages = [succeeded(upgraded.environment, *asked, state).data for state in states]
        return {each["task"].rpartition(".")[2] for page in pages for each in page["items"]}

    wait_until(lambda: waiting() == wanted, reason=f"messages of {sorted(wanted)} wait")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def contents(tree: dict[str, Any]) -> list[str]:
    return [
        content["status"]
        for stage in tree["stages"]
        for module in stage["modules"]
        for concept in module["concepts"]
        for content in concept["contents"].values()
    ]


# Messages


def test_what_was_waiting_is_made(finished: Upgraded) -> None:
    """Also a plan whose worker had died, and a part whose dead letter was replayed."""
    for name in ("half_built", "planned_later"):
        tree = finished.get(finished.recording.facts[name]).json()
        assert (tree["status"], set(contents(tree))) == ("ready", {"ready"}), name


def test_what_was_revoked_stays_undone(finished: Upgraded) -> None:
    tree = finished.get(finished.recording.facts["revoked"]).json()
    assert (tree["status"], contents(tree)) == ("cancelled", [])


def test_what_fails_for_good_is_put_aside_again(finished: Upgraded) -> None:
    """One before the upgrade, one whose last try was waiting."""
    letters = finished.dead_letters("content")
    assert len(letters) == 2
    assert all("not-an-id" in letter["arguments"] for letter in letters)
    assert finished.dead_letters("logs") == []


def test_webhooks_are_sent_with_signatures_of_their_old_secret(finished: Upgraded) -> None:
    facts = finished.recording.facts
    got = {each.id: each.verified(facts["webhook_secret"]) for each in finished.receiver.got}
    assert set(facts["deliveries"]) <= set(got)
    asked = f"/api/v1/webhooks/{facts['webhook']}/deliveries?limit=100"
    log = {each["id"]: each["status"] for each in finished.get(asked).json()["items"]}
    assert {log[each] for each in facts["deliveries"]} == {"delivered"}


def test_records_of_the_log_are_stored(finished: Upgraded) -> None:
    """Those of messages that waited, and of a dead letter that was replayed."""

    def steps(name: str) -> set[str]:
        logs = finished.get(f"{finished.recording.facts[name]}/logs?limit=100").json()["items"]
        return {record["step"] for record in logs}

    for name in ("half_built", "planned_later"):
        assert wait_until(lambda n=name: {"accept", "plan", "tutorial"} <= steps(n), reason=name)


# Data, and what was given out of it


def test_a_finished_roadmap_is_as_it_was(upgraded: Upgraded) -> None:
    facts = upgraded.recording.facts
    tree = upgraded.get(facts["roadmap"]).json()
    assert tree.pop("learned") == {**facts["tree"].pop("learned"), "learned": 0}
    assert as_before(tree, facts["tree"]) == facts["tree"]
    noted = upgraded.get(f"{facts['roadmap']}/concepts/{facts['noted']}/notes").json()
    assert noted["notes"] == "Recorded."
    learned = f"{facts['roadmap']}/concepts/{facts['concept']}"
    assert upgraded.get(f"{learned}/progress").json()["progress"] == "done"
    assert len(upgraded.get(f"{learned}/quiz/attempts").json()["items"]) == 1


def as_before(now: Any, before: Any) -> Any:
    """Return what there is now without the fields that this version adds."""
    if isinstance(before, dict):
        return {name: as_before(now[name], value) for name, value in before.items()}
    if isinstance(before, list):
        return [as_before(*pair) for pair in zip(now, before, strict=True)]
    return now


def without(document: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def test_a_repeated_request_gets_the_old_answer(upgraded: Upgraded) -> None:
    first = upgraded.recording.facts["first_answer"]
    again = upgraded.post(ROADMAPS, json=first["request"], headers=first["headers"])
    assert (again.status_code, again.json()) == (202, first["body"])
    assert again.headers["idempotency-replayed"] == "true"
    other = upgraded.post(
        ROADMAPS, json={**first["request"], "hours_per_week": 3}, headers=first["headers"]
    )
    assert other.json()["type"] == "/problems/idempotency-key-reused"


def test_a_cursor_and_the_id_of_an_event_go_on_where_they_were(upgraded: Upgraded) -> None:
    facts = upgraded.recording.facts
    page = upgraded.get(f"{ROADMAPS}?limit=1&cursor={facts['cursor']}").json()
    assert [f"{ROADMAPS}/{each['id']}" for each in page["items"]] == [facts["roadmap"]]
    # Each version has tags of its own, since it may show the same state in another way
    whole = upgraded.get(facts["roadmap"], headers={"If-None-Match": facts["etag"]})
    assert whole.status_code == 200
    kept = upgraded.get(facts["roadmap"], headers={"If-None-Match": whole.headers["etag"]})
    assert kept.status_code == 304
    events = upgraded.events(facts["roadmap"], after=3)
    assert [event["id"] for event in events] == list(range(4, len(events) + 4))
    assert events[-1]["event"] == "roadmap.ready"


def test_links_open_what_they_opened(upgraded: Upgraded) -> None:
    links = upgraded.recording.facts["links"]
    page = answer_to("GET", upgraded.url + links["reading"])
    assert page.status_code == 200
    shared = answer_to("GET", f"{upgraded.url}/api/v1{links['reading']}").json()
    assert shared["title"] == upgraded.recording.facts["tree"]["title"]
    calendar = answer_to("GET", upgraded.url + links["calendar"])
    assert calendar.text.startswith("BEGIN:VCALENDAR")
    altered = answer_to("GET", upgraded.url + links["reading"][:-4] + "AAAA")
    assert altered.status_code == 404


def test_what_was_in_the_trash_can_be_restored(upgraded: Upgraded) -> None:
    trashed = upgraded.recording.facts["trashed"]
    [listed] = upgraded.get("/api/v1/trash").json()["items"]
    assert listed["id"] == trashed
    restored = upgraded.post(f"/api/v1/trash/{trashed}/restore", json={})
    assert restored.json()["status"] == "awaiting_review"


def test_an_export_can_be_imported(upgraded: Upgraded) -> None:
    headers = {"Content-Type": "application/json"}
    export = upgraded.recording.export()
    made = upgraded.post("/api/v1/imports", content=export, headers=headers)
    assert made.status_code == 201, made.text
    again = upgraded.get(f"{made.headers['location']}/export.json").json()
    # It is exported in the newest version of the format.
    differing = ("exported_at", "version")
    before = json.loads(export)
    assert without(as_before(again, before), differing) == without(before, differing)


@server_mode
def test_logins_keys_and_passwords_are_good(upgraded: Upgraded) -> None:
    facts = upgraded.recording.facts
    me = upgraded.get("/api/v1/auth/me").json()
    assert (me["id"], me["is_admin"]) == (facts["account"], True)
    with_key = answer_to("GET", upgraded.url + ROADMAPS, headers=bearer(facts["api_key"]))
    assert with_key.status_code == 200
    login = {"email": "ada@example.org", "password": PASSWORD}
    assert answer_to("POST", f"{upgraded.url}/api/v1/auth/login", json=login).status_code == 200
    stranger = bearer(facts["api_key"][:-4] + "AAAA")
    assert answer_to("GET", upgraded.url + ROADMAPS, headers=stranger).status_code == 401


@server_mode
def test_a_browser_is_still_logged_in_and_its_forms_are_accepted(upgraded: Upgraded) -> None:
    facts = upgraded.recording.facts
    cookie = {"Cookie": f"__Host-roadmap={upgraded.recording.token('cookie', ACCESS)}"}
    page = answer_to("GET", f"{upgraded.url}/account", headers=cookie)
    assert (page.status_code, "ada@example.org" in page.text) == (200, True)
    notes = f"{upgraded.url}{facts['half_built']}/concepts/{facts['scheduled']}/notes"
    for token, status in ((facts["csrf_token"], 200), ("A" * 27, 403)):
        headers = {**cookie, "X-CSRF-Token": token}
        answer = answer_to("PUT", notes, headers=headers, json={"notes": "After."})
        assert answer.status_code == status


@server_mode
def test_an_invitation_is_accepted(upgraded: Upgraded) -> None:
    invitation = upgraded.recording.token("invitation", INVITATION)
    guest = {"email": "guest@example.org", "password": PASSWORD, "invitation": invitation}
    answer = answer_to("POST", f"{upgraded.url}/api/v1/auth/register", json=guest)
    assert answer.status_code == 201, answer.text


@server_mode
def test_an_export_of_an_account_that_was_ordered_is_made(finished: Upgraded) -> None:
    bob = bearer(finished.recording.token("bob", ACCESS))
    path = f"{finished.url}/api/v1/auth/me/export"
    assert answer_to("GET", path, headers=bob).json()["status"] == "ready"
    assert answer_to("GET", f"{path}.zip", headers=bob).content.startswith(b"PK")


@pytest.mark.parametrize("source", ["embedded", "server"])
def test_a_backup_can_be_restored(source: str, tmp_path: Any) -> None:
    recording = Recording(VERSION, source)
    stack = embedded_stack(tmp_path)
    body = succeeded(stack.environment, "restore", recording.backup, "--json").data
    assert body["rows"]["roadmap"] == 2  # one of them in the trash
    assert roadmap(stack.environment, "migrate").code == 0
    if source == "embedded":  # a backup of server mode has no local owner
        with running(stack):
            [listed] = stack.get(ROADMAPS).json()["items"]
            assert f"{ROADMAPS}/{listed['id']}" == recording.facts["roadmap"]
