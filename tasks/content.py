"""Tasks of the content queue.

Outlines, webhooks, exports and judgements overtake contents, so that no account waits behind
another's roadmap.
The modules that do the work are loaded with the first task, since the API registers tasks, too.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from huey.signals import SIGNAL_INTERRUPTED

from core import clock
from core.errors import Unavailable
from roadmap.generation import generator
from roadmap.lifecycle.making import leases
from roadmap.plan.statuses import Job, JobName
from tasks.dispatcher import enqueue
from tasks.queues import BEFORE_CONTENTS, STOPS, content_queue, task

logger = logging.getLogger(__name__)


@task(content_queue, priority=BEFORE_CONTENTS)
def plan_roadmap(roadmap_id: str) -> None:
    from roadmap.lifecycle.making import plan_job

    follow(plan_job.plan(UUID(roadmap_id), generator.current_generator()), UUID(roadmap_id))


@task(content_queue)
def build_content(content_id: str) -> None:
    from roadmap.lifecycle.making import content_job

    follow(
        content_job.build_content(UUID(content_id), generator.current_generator()), UUID(content_id)
    )


@task(content_queue, priority=BEFORE_CONTENTS)
def deliver_webhook(delivery_id: str) -> None:
    from roadmap.webhooks import sender

    follow(sender.deliver(UUID(delivery_id)), UUID(delivery_id))


@task(content_queue, priority=BEFORE_CONTENTS)
def export_account(export_id: str) -> None:
    from roadmap.exchange import account_export

    follow(account_export.build(UUID(export_id)), UUID(export_id))


@task(content_queue, priority=BEFORE_CONTENTS)
def judge_project(judgement_id: str) -> None:
    from roadmap.lifecycle.making import judge_job

    done = judge_job.judge_project(UUID(judgement_id), generator.current_generator())
    follow(done, UUID(judgement_id))


@task(content_queue)
def look_after_links() -> None:
    from roadmap.lifecycle.links import link_checker

    enqueue(link_checker.run_checks(by_model=generator.current_generator().is_model))


def stop(name: JobName, row_id: UUID, reason: str) -> list[Job]:
    """End the row of a task for an operator, and return the jobs that follow."""
    from roadmap.exchange import account_export
    from roadmap.lifecycle.making import content_job, judge_job, plan_job
    from roadmap.webhooks import sender

    return {
        JobName.plan_roadmap: plan_job.stop,
        JobName.build_content: content_job.stop,
        JobName.deliver_webhook: sender.stop,
        JobName.export_account: account_export.stop,
        JobName.judge_project: judge_job.stop,
    }[name](row_id, reason)


STOPS.update({name: partial(stop, name) for name in JobName})


@content_queue.signal(SIGNAL_INTERRUPTED)  # type: ignore[untyped-decorator]
def hand_back_leases(*_: Any) -> None:
    """Free the rows of tasks that still run when the grace is over."""
    try:
        leases.keeper.hand_back()
    except Unavailable as error:
        logger.warning("leases cannot be handed back; they will expire: %s", error)


def follow(jobs: Sequence[Job], own: UUID) -> None:
    """Send the jobs that follow from the one that runs.

    A job that repeats the running one later is its own message, snoozed: its deaths count on.
    """
    others = [each for each in jobs if each.id != own]
    for repeated in (each for each in jobs if each.id == own):
        if not content_queue.snooze(clock.now() + timedelta(seconds=repeated.delay)):
            others.append(repeated)
    enqueue(others)
