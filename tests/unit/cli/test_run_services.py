"""Options of a consumer's start, read as Huey reads them."""

import signal

import pytest
from huey.consumer_options import OptionParserHandler

from cli.run_services import commands_of
from core.db import settings
from reliable_queue.queue import ReliableQueue
from tasks.queues import QUEUES
from tests.unit.alone import run_alone

GIVEN = ("workers", "shutdown_timeout", "graceful_signal")


@pytest.mark.parametrize("queue", QUEUES.values(), ids=lambda queue: str(queue.name))
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP], ids=lambda how: str(how.name))
def test_a_consumer_that_gets_a_signal_finishes_what_it_runs(
    queue: ReliableQueue, how: signal.Signals
) -> None:
    program, *arguments = commands_of(settings)[f"huey_{queue.name}"]
    options, places = OptionParserHandler().get_option_parser().parse_args(arguments)
    assert (program, places) == ("huey_consumer", [f"tasks.queues.{queue.name}_queue"])
    consumer = queue.create_consumer(**{name: getattr(options, name) for name in GIVEN})

    consumer._handle_signal(how, None)

    assert (consumer._graceful, consumer._restart) == (True, False)
    assert consumer.shutdown_timeout == settings.shutdown_grace_seconds


ENDS_WHILE_IT_LOADS = """
import os, signal, weakref
import cli.run_services
from core.startup import preflight

class Loaded:
    pass

def check():
    loaded = Loaded()
    noted = weakref.ref(loaded, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del loaded
    print("goes on")
    return 1

preflight.main = check
cli.run_services.main()
"""


def test_a_signal_that_comes_while_modules_are_loaded_ends_the_process() -> None:
    """The import system runs callbacks of weak references, in which an exception is ignored."""
    done = run_alone(ENDS_WHILE_IT_LOADS)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGTERM, "", "")
