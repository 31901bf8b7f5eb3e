"""The two Huey queues and their tasks.

Importing any module registers all tasks, as `huey_consumer` needs it.
"""

from tasks import content, logs, upkeep  # noqa: F401
