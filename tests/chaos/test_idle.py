"""The cost of an idle stack to its broker, billed by the command on the smallest plans."""

from collections import Counter

import pytest
import redis

from testing.servers import Redis
from testing.stack import running
from testing.stack_queues import queue_of
from testing.waiting import HANG
from tests.chaos.checks import MakeStack, wait_until_idle

AS_SHIPPED = {
    "HEARTBEAT_SECONDS": "3",
    "HEARTBEAT_TTL_SECONDS": "9",
    "MODEL_TIMEOUT_SECONDS": "90",
    "LEASE_SECONDS": "120",
}
WATCHED = 12.0  # seconds of the broker's clock, at least
BEATS = 3  # of each consumer in it
QUEUES = ("logs", "content")
MOST = 1.0  # commands of a consumer in a second


@pytest.mark.long
def test_an_idle_consumer_sends_at_most_one_command_a_second(
    make_stack: MakeStack, own_broker: Redis
) -> None:
    with running(make_stack("server", **AS_SHIPPED)) as stack:
        assert stack.finished(stack.create())["status"] == "ready"
        for name in QUEUES:
            with queue_of(stack, name) as queue:
                wait_until_idle(queue)

        commands, seconds = watched(own_broker)

    # The API tells once of those that came before.
    of_requests = [command for command in commands if "LIMITS:" in command]
    assert len(of_requests) <= 4, of_requests
    others = [
        command for command in commands if not any(f"huey.{name}" in command for name in QUEUES)
    ]
    others = [command for command in others if command not in of_requests]
    for name in QUEUES:
        sent = [command for command in commands if f"huey.{name}" in command]
        assert len(sent) + len(others) <= MOST * seconds, [*sent, *others]


def watched(broker: Redis) -> tuple[list[str], float]:
    """Return the commands of clients, without those that scripts run, and the seconds they took."""
    client = redis.Redis(port=broker.port, socket_timeout=HANG)
    commands, sent = [], Counter[str]()
    with client.monitor() as monitor:
        began = monitor.next_command()["time"]
        for seen in monitor.listen():
            if seen["client_type"] != "lua":
                commands.append(seen["command"])
                sent.update(name for name in QUEUES if f"huey.{name}" in seen["command"])
            seconds = seen["time"] - began
            if seconds > WATCHED and all(sent[name] >= BEATS for name in QUEUES):
                break
    client.close()
    return commands, seconds
