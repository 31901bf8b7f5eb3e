"""Process logs: one line an event, readable in a terminal."""

import logging
import sys
import time

QUIET = ("huey", "httpx", "httpx2", "openai", "peewee")  # they tell every step at INFO, and at DEBUG what is in it


def set_up_logging(level: str) -> None:
    """Idempotent. Libraries that chatter are held at WARNING, and at INFO when everything is asked for: at DEBUG they tell
    values of rows and headers, secrets among them.
    """
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel("INFO" if level.upper() == "DEBUG" else "WARNING")
    logging.getLogger("huey").propagate = False  # huey_consumer gives it a handler of its own
