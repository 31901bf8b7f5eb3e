"""The two Huey instances and their tasks. Importing any part registers all of them, as `huey_consumer` needs it."""

from tasks import content, logs, upkeep  # noqa: F401 -- registers every task
