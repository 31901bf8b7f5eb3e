"""Another database for the application of this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import peewee
import pytest
from playhouse.pool import PooledDatabase
from psycopg2 import extensions

from core import backends
from core.db import database
from roadmap.operations import execution_log
from testing.waiting import wait_until


@contextmanager
def using(open_pool: Callable[[], PooledDatabase]) -> Iterator[peewee.Database]:
    """Let this process use the database that `open_pool` opens, for the block."""
    its_own, waits = database.obj, extensions.get_wait_callback()
    execution_log.buffer.flush()
    with pytest.MonkeyPatch.context() as patch:
        # A slow machine can pause longer inside a test's transaction than production allows.
        its_limits = f"{backends.SESSION_LIMITS} -c idle_in_transaction_session_timeout=60s"
        patch.setattr(backends, "SESSION_LIMITS", its_limits)
        pool = open_pool()
    database.initialize(pool)
    try:
        yield pool
    finally:
        execution_log.buffer.flush()
        pool.close()
        # A thread such as the keeper of leases may be in a statement: to close its connection is
        # a segmentation fault.
        wait_until(lambda: not pool._in_use, reason="a thread uses a connection")
        pool.close_all()
        database.initialize(its_own)
        extensions.set_wait_callback(waits)
