"""Send jobs after the commit they follow from."""

from collections.abc import Sequence
from functools import partial

from core.db import database
from roadmap.plan.jobs import Job
from tasks.dispatcher import Sender

sender = Sender()


def send_after_commit(steps: Sequence[Job]) -> None:
    """Send jobs after the commit. Never waits for the broker."""
    database.after_commit(partial(sender.submit, steps))
