"""Readiness of the database."""

from core.db import database, session
from core.errors import Unavailable
from core.migrate import pending


def check_database() -> None:
    """Raise Unavailable when the database is away or its schema is old."""
    with session():
        missing = pending(database.obj)
    if missing:
        raise Unavailable(
            f"The schema is not at {missing[-1]} yet; the api service migrates when it starts."
        )
