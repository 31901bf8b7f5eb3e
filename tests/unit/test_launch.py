"""What a consumer is started with, read as Huey reads it."""

import signal

import pytest
from huey.consumer_options import OptionParserHandler

from core.launch import commands_of
from core.runtime import settings
from delivery.queue import ReliableQueue
from tasks.queues import QUEUES

GIVEN = ("workers", "shutdown_timeout", "graceful_signal")


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: str(queue.name))
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP], ids=lambda how: str(how.name))
def test_whoever_ends_a_consumer_lets_it_finish_what_it_runs(queue: ReliableQueue, how: signal.Signals) -> None:
    program, *arguments = commands_of(settings)[f"huey_{queue.name}"]
    options, places = OptionParserHandler().get_option_parser().parse_args(arguments)
    assert (program, places) == ("huey_consumer", [f"tasks.queues.{queue.name}_queue"])
    consumer = queue.create_consumer(**{name: getattr(options, name) for name in GIVEN})

    consumer._handle_signal(how, None)

    assert (consumer._graceful, consumer._restart) == (True, False)
    assert consumer.shutdown_timeout == settings.shutdown_grace_seconds
