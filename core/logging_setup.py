"""Process logs: one line an event, readable in a terminal."""

import logging
import sys

QUIET = ("huey", "httpx", "httpx2", "openai", "peewee")  # they tell every step at INFO


def set_up_logging(level: str) -> None:
    """Idempotent. Libraries that chatter are held at WARNING unless everything is asked for."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(level.upper() if level.upper() == "DEBUG" else "WARNING")
    logging.getLogger("huey").propagate = False  # huey_consumer gives it a handler of its own
