"""A limit for every answer of PostgreSQL. psycopg2 has none: a server that is frozen would hold a thread for ever."""

import select
import time

import psycopg2
from psycopg2 import extensions

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0  # longer than the server's own limits in core/storage.py, which say what was waited for


def limit_waiting() -> None:
    """For every connection of this process. Past the limit psycopg2 closes the connection and raises OperationalError."""
    extensions.set_wait_callback(_wait)


def _wait(connection: extensions.connection) -> None:
    limit = CONNECT_SECONDS if connection.status == extensions.STATUS_SETUP else ANSWER_SECONDS
    deadline = time.monotonic() + limit
    while (state := connection.poll()) != extensions.POLL_OK:
        left = deadline - time.monotonic()
        if left <= 0:
            raise psycopg2.OperationalError(f"the server has not answered for {limit:g} s")
        poller = select.poll()
        poller.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        poller.poll(left * 1000)
