"""The content queue: outlines and what webhooks are told overtake contents, so that nobody waits behind another's roadmap."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from huey.signals import SIGNAL_INTERRUPTED

from core import clock, tracing
from core.errors import Unavailable
from roadmap.generation.generator import generator
from roadmap.lifecycle import leases
from roadmap.plan.jobs import Job, JobName
from tasks.queues import content_queue, job

logger = logging.getLogger(__name__)

BEFORE_CONTENTS = 1  # priority


@job(content_queue, priority=BEFORE_CONTENTS)
def plan_roadmap(roadmap_id: str) -> None:
    from roadmap.lifecycle import (
        plan_job,  # here as below: what only the work takes is loaded where it is done
    )

    follow(plan_job.plan(UUID(roadmap_id), generator()), UUID(roadmap_id))


@job(content_queue)
def build_content(content_id: str) -> None:
    from roadmap.lifecycle import content_job

    follow(content_job.build_content(UUID(content_id), generator()), UUID(content_id))


@job(content_queue, priority=BEFORE_CONTENTS)
def deliver_webhook(delivery_id: str) -> None:
    from roadmap.webhooks import sender

    follow(sender.deliver(UUID(delivery_id)), UUID(delivery_id))


@job(content_queue, priority=BEFORE_CONTENTS)
def export_account(export_id: str) -> None:
    from roadmap.exchange import account_export

    follow(account_export.build(UUID(export_id)), UUID(export_id))


@job(content_queue)
def look_after_links() -> None:
    from roadmap.lifecycle import link_checker

    send(link_checker.run_checks(by_model=generator().repairs))


@content_queue.signal(SIGNAL_INTERRUPTED)  # type: ignore[untyped-decorator]
def hand_back_leases(*_: Any) -> None:
    """The grace is over and tasks still run: before their messages go back to the queue, their rows are free."""
    try:
        leases.keeper.hand_back()
    except Unavailable as error:
        logger.warning("leases cannot be handed back, they run out by themselves: %s", error)


TASKS = {
    JobName.plan_roadmap: plan_roadmap,
    JobName.build_content: build_content,
    JobName.deliver_webhook: deliver_webhook,
    JobName.export_account: export_account,
}


def follow(steps: Sequence[Job], own: UUID) -> None:
    """Send what comes next. A step that repeats the running one later is its own message once more: its deaths count on."""
    others = [step for step in steps if step.id != own]
    for step in steps:
        if step.id == own and not content_queue.postpone(
            clock.now() + timedelta(seconds=step.delay)
        ):
            others.append(step)
    send(others)


def send(steps: Iterable[Job]) -> None:
    """Enqueue what a domain function returned, in one round trip. Call it after the commit, with no session open."""
    now = clock.now()
    content_queue.enqueue_many(_message(step, now) for step in steps)


def _message(step: Job, now: datetime) -> Any:
    """Of the trace of its step, whichever thread sends it."""
    task = TASKS[step.name].s(
        str(step.id), eta=now + timedelta(seconds=step.delay) if step.delay else None
    )
    task.carried = tracing.packed(step.trace)
    return task
