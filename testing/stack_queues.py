"""The settings and the queues of a stack, seen by one more process."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.queue_factory import make_queue
from core.settings import Settings, from_environment
from reliable_queue.queue import ReliableQueue
from testing.stack import Stack


def environment_of(stack: Stack) -> dict[str, str]:
    """For one more process of the service, which is neither of the consumers."""
    return {**stack.environment, "SERVICE_TYPE": "all" if stack.mode == "embedded" else "api"}


def settings_of(stack: Stack) -> Settings:
    return from_environment(environment_of(stack))


@contextmanager
def queue_of(stack: Stack, name: str = "content") -> Iterator[ReliableQueue]:
    """The stack's queue, seen by one more process."""
    queue = make_queue(settings_of(stack), name)
    try:
        yield queue
    finally:
        queue.storage.close()
