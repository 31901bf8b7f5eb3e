"""What an idle stack costs its broker, which is billed by the command on the smallest plans."""

import time

import redis

from testing.servers import Redis
from testing.stack import running
from testing.stack_queues import queue_of
from tests.chaos.checks import MakeStack, wait_until_idle

AS_SHIPPED = {
    "HEARTBEAT_SECONDS": "3",
    "HEARTBEAT_TTL_SECONDS": "9",
    "MODEL_TIMEOUT_SECONDS": "90",
    "LEASE_SECONDS": "120",
}
WATCHED = 12.0  # seconds
QUEUES = ("logs", "content")
MOST = 1.0  # commands of a consumer in a second


def test_an_idle_consumer_sends_at_most_one_command_a_second(
    make_stack: MakeStack, own_broker: Redis
) -> None:
    with running(make_stack("server", **AS_SHIPPED)) as stack:
        assert stack.finished(stack.create())["status"] == "ready"
        for name in QUEUES:
            with queue_of(stack, name) as queue:
                wait_until_idle(queue)

        commands, seconds = watched(own_broker)

    of_requests = [
        command for command in commands if "LIMITS:" in command
    ]  # the API tells once of those that came before
    assert len(of_requests) <= 4, of_requests
    others = [
        command for command in commands if not any(f"huey.{name}" in command for name in QUEUES)
    ]
    others = [command for command in others if command not in of_requests]
    for name in QUEUES:
        sent = [command for command in commands if f"huey.{name}" in command]
        assert len(sent) >= WATCHED / 3 - 1  # its heart beats
        assert len(sent) + len(others) <= MOST * seconds, [*sent, *others]


def watched(broker: Redis) -> tuple[list[str], float]:
    """What clients send, without what scripts run for them, and for how many seconds it was watched."""
    client = redis.Redis(port=broker.port, socket_timeout=30)
    commands = []
    with client.monitor() as monitor:
        began = time.monotonic()
        for seen in monitor.listen():
            if seen["client_type"] != "lua":
                commands.append(seen["command"])
            seconds = time.monotonic() - began
            if seconds > WATCHED:
                break
    client.close()
    return commands, seconds
