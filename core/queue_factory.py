"""Open a queue on Redis or on SQLite."""

from typing import Any

from core import clock
from core.backends import make_folder, signing_keys
from core.logging_setup import say
from core.settings import Settings
from core.version import VERSION
from reliable_queue.queue import Baggage, ReliableQueue
from reliable_queue.redis_storage import ReliableRedisStorage
from reliable_queue.sqlite_storage import ReliableSqliteStorage


def make_queue(settings: Settings, name: str, *, baggage: Baggage | None = None) -> ReliableQueue:
    """Return the Huey instance of a name, on Redis or on SQLite."""
    common: dict[str, Any] = {
        "baggage": baggage,
        "say": say,
        "about": {"version": VERSION, "service": str(settings.service_type)},
        "keys": signing_keys(settings),
        "heartbeat": settings.heartbeat_seconds,
        "ttl": settings.heartbeat_ttl_seconds,
        "now": clock.now,
    }
    if settings.redis_url is not None:
        url = settings.redis_url.get_secret_value()
        return ReliableQueue(name, storage_class=ReliableRedisStorage, url=url, **common)
    make_folder(settings.data_dir)
    filename = str(settings.data_dir / "queue.db")
    return ReliableQueue(name, storage_class=ReliableSqliteStorage, filename=filename, **common)
