"""The commands that Redis runs: those that clients send, and those that scripts call.

INFO does not tell them apart: `total_commands_processed` and the calls of `commandstats` both
contain what scripts call (seen with Redis 8.2: ten EVALSHA of a script with three calls are forty
in either). So it is asked by MONITOR, which says who called. It costs Redis a line for each
command, so it does not run while CPU time is taken under load.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import redis

from benchmarks.ground import BenchmarkFailed
from testing.servers import Redis
from testing.waiting import HANG


@dataclass(slots=True)
class Commands:
    """Their number, filled when the block of `counted` has ended."""

    of_clients: int = 0
    inside_scripts: int = 0


@contextmanager
def counted(broker: Redis) -> Iterator[Commands]:
    """Count the commands of the block. Nothing else may use this Redis. Raises BenchmarkFailed."""
    found, listening, failures = Commands(), threading.Event(), list[Exception]()
    begin, end = (f"ECHO {token_hex(8)}" for _ in range(2))
    marker = (
        broker.client()
    )  # its connection is there before the counting begins, and is not counted
    marker.ping()

    def listen() -> None:
        client: Any = redis.Redis(port=broker.port, socket_timeout=HANG)
        try:
            with client.monitor() as monitor:
                listening.set()
                tally(monitor, found, begin, end)
        except Exception as error:
            failures.append(error)
        finally:
            client.close()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    if not listening.wait(HANG):
        raise BenchmarkFailed(f"MONITOR of Redis has not started: {failures}")
    marker.echo(begin.removeprefix("ECHO "))
    try:
        yield found
    finally:
        marker.echo(end.removeprefix("ECHO "))
        thread.join(HANG)
        marker.close()
    if thread.is_alive() or failures:
        raise BenchmarkFailed(f"MONITOR of Redis has not sent all commands: {failures}")


def tally(monitor: Any, found: Commands, begin: str, end: str) -> None:
    """Count what stands between the two."""
    while monitor.next_command()["command"] != begin:
        pass
    while (sent := monitor.next_command())["command"] != end:
        if sent["client_type"] == "lua":
            found.inside_scripts += 1
        else:
            found.of_clients += 1
