"""Webhooks over real processes, in both modes: delivered, signed, never lost."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from testing.receiver import Got, Receiver, gate, receiving, status
from testing.servers import Postgres, Redis
from testing.stack import Stack, embedded_stack, running, server_stack
from testing.waiting import wait_until
from tests.cases import SERVER_IN_SHORT

BASE = "/api/v1/webhooks"
HERE = "127.0.0.0/8"


@pytest.fixture(scope="module", params=SERVER_IN_SHORT)
def telling(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack of this file's own, which may send to this machine."""
    folder = tmp_path_factory.mktemp(f"telling-{request.param}")
    if request.param == "embedded":
        with running(embedded_stack(folder)) as made:
            yield made
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    broker: Redis = request.getfixturevalue("module_broker")
    with running(server_stack(folder, postgres, broker, WEBHOOK_NETWORKS=HERE)) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def webhook_to(stack: Stack, receiver: Receiver, *events: str) -> dict[str, Any]:
    answer = stack.post(BASE, json={"url": receiver.url, "events": list(events)})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def log_of(stack: Stack, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = stack.get(f"{BASE}/{webhook['id']}/deliveries").json()["items"]
    return items


def ended(stack: Stack, webhook: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The log, once so many deliveries have succeeded."""

    def all_of_them() -> list[dict[str, Any]] | None:
        found = log_of(stack, webhook)
        return found if [each["status"] for each in found] == ["delivered"] * count else None

    found = wait_until(all_of_them, reason=f"{count} deliveries")
    assert found is not None
    return found


def test_deliveries_are_signed_for_any_library_and_survive_a_killed_worker(
    telling: Stack, receiver: Receiver
) -> None:
    webhook = webhook_to(telling, receiver, "roadmap.outlined", "roadmap.ready")
    path = telling.create(level="advanced")
    assert telling.finished(path)["status"] == "ready"
    last, first = ended(telling, webhook, 2)
    assert (first["event"], last["event"]) == ("roadmap.outlined", "roadmap.ready")
    values = {got.id: got.verified(webhook["secret"]) for got in receiver.got}
    assert values[last["id"]]["type"] == "roadmap.ready"
    assert values[last["id"]]["data"]["path"] == path

    opened = threading.Event()
    receiver.got.clear()
    receiver.answer_from_now_on(gate(opened, status(204)), status(204))
    assert telling.post(f"{BASE}/{webhook['id']}/test").status_code == 202
    wait_until(
        lambda: receiver.got, reason="the receiver has heard it, and its answer is on its way"
    )
    telling.content.kill()
    opened.set()
    telling.start(telling.content.name)
    newest = ended(telling, webhook, 3)[0]
    assert [got.id for got in receiver.got] == [newest["id"]] * 2
    assert receiver.got[0].body == receiver.got[1].body
    assert newest["attempts"] == 1
    verified(receiver.got[1], webhook)


def test_what_is_decided_about_a_webhook_holds_in_both_modes(
    telling: Stack, receiver: Receiver
) -> None:
    webhook = webhook_to(telling, receiver, "roadmap.ready")
    where = f"{BASE}/{webhook['id']}"
    rotated = telling.post(f"{where}/secret").json()
    assert telling.post(f"{where}/test").status_code == 202
    (delivered,) = ended(telling, webhook, 1)
    for secret in (webhook["secret"], rotated["secret"]):
        receiver.got[0].verified(secret)
    receiver.answer_from_now_on(status(410))
    assert telling.post(f"{where}/deliveries/{delivered['id']}/retry").status_code == 202
    wait_until(lambda: not telling.get(where).json()["enabled"], reason="the receiver is gone")
    assert telling.post(f"{where}/test").status_code == 409
    wanted = {"url": receiver.url, "events": ["roadmap.ready"]}
    for enabled in (True, False):
        answer = telling.request("PUT", where, json={**wanted, "enabled": enabled})
        assert answer.json()["enabled"] is enabled
    assert [each["status"] for each in log_of(telling, webhook)] == ["failed"]
    printed = "".join(service.output for service in telling.services.values())
    for secret in (webhook["secret"], rotated["secret"]):
        assert secret.removeprefix("whsec_") not in printed
    assert telling.request("DELETE", where).status_code == 204
    assert telling.get(f"{where}/deliveries").status_code == 404


def verified(got: Got, webhook: dict[str, Any]) -> None:
    assert got.verified(webhook["secret"])["data"]["webhook_id"] == webhook["id"]


def test_the_service_itself_is_never_a_receiver(telling: Stack, receiver: Receiver) -> None:
    for host in ("127.0.0.1", "127.1.2.3", "localhost", "[::ffff:127.0.0.1]"):
        answer = telling.post(BASE, json={"url": f"http://{host}:{telling.port}/hook"})
        assert answer.json()["errors"] == [
            {"pointer": "#/url", "detail": "must not point to this service"}
        ], answer.text
    webhook = webhook_to(telling, receiver, "roadmap.ready")
    change = {
        "url": f"http://127.0.0.1:{telling.port}/",
        "events": ["roadmap.ready"],
        "enabled": True,
    }
    assert telling.request("PUT", f"{BASE}/{webhook['id']}", json=change).status_code == 422
    assert telling.request("DELETE", f"{BASE}/{webhook['id']}").status_code == 204


def test_in_server_mode_this_machine_is_nowhere_unless_the_operator_says_so(
    shared_server: Stack, receiver: Receiver
) -> None:
    answer = shared_server.post(BASE, json={"url": receiver.url})
    assert answer.status_code == 422
    by_name = f"https://localhost:{receiver.port}/"
    webhook = shared_server.post(BASE, json={"url": by_name}).json()
    assert shared_server.post(f"{BASE}/{webhook['id']}/test").status_code == 202

    def refused() -> dict[str, Any] | None:
        (found,) = log_of(shared_server, webhook)
        return found if found["status"] == "failed" else None

    found = wait_until(refused, reason="it is refused")
    assert found is not None
    assert "on the public internet" in found["error"]
    assert receiver.got == []
