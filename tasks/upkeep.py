"""What runs by the clock, on the logs queue: rescue must not wait behind a backlog of contents."""

import logging
from datetime import timedelta

from huey import crontab

from core import clock
from core.errors import Unavailable
from roadmap.accounts import api_keys, idempotency_store, sessions
from roadmap.exchange import account_export
from roadmap.lifecycle import account_deletion, link_status, rescue, trash
from roadmap.operations import audit_log, log_retention, metrics_store, task_stats
from roadmap.webhooks import settings
from tasks.content import look_after_links
from tasks.dispatcher import send
from tasks.queue_admin import queue_states
from tasks.queues import content_queue, job, logs_queue

logger = logging.getLogger(__name__)

ROUNDS = 10  # of up to a thousand steps; the rest comes with the next time
BEFORE_RECORDS = 1  # priority
FOLLOW_UPS = (20, 40)  # seconds; Huey's own clock knows minutes only


# What is overdue, and all else that runs by the clock.
@logs_queue.periodic_task(crontab(minute="*"), priority=BEFORE_RECORDS)  # type: ignore[untyped-decorator]
def rescue_overdue() -> None:
    try:
        for seconds in FOLLOW_UPS:
            rescue_again.schedule(eta=clock.now() + timedelta(seconds=seconds))
    except logs_queue.storage.faults as error:
        logger.warning("rescue has no follow-ups this minute: %s", error)
    _rescue()
    _sample_queues()
    _look_after_links()
    _clean_up()


@job(logs_queue, priority=BEFORE_RECORDS)
def rescue_again() -> None:
    _rescue()


def _sample_queues() -> None:
    try:
        task_stats.sample_depth(
            (state.name, state.ready, state.oldest_seconds) for state in queue_states()
        )
    except Unavailable as error:
        logger.warning("the queues are not measured this minute: %s", error)


def _look_after_links() -> None:
    """By a worker of contents, when it has little else to do."""
    away: tuple[type[Exception], ...] = (Unavailable, *content_queue.storage.faults)
    try:
        if link_status.is_anything_due() and content_queue.storage.standing().ready < rescue.FEW:
            content_queue.enqueue(look_after_links.s())
    except away as error:
        logger.warning("links are looked after in a moment: %s", error)


def _clean_up() -> None:
    away: tuple[type[Exception], ...] = (Unavailable, *logs_queue.storage.faults)
    try:
        sessions.end_idle_sessions()
        api_keys.purge_expired()
        idempotency_store.purge_expired()
        settings.purge_expired()
        trash.purge_expired()
        account_export.purge_expired()
        if steps := account_deletion.cancel_work():
            send(steps)
        account_deletion.purge_expired()
        audit_log.purge_expired()
        metrics_store.purge_expired()
        log_retention.rotate_partitions()
        if logs_queue.pending_count() == 0:  # nothing is on its way that was numbered long ago
            log_retention.sum_up_sources()
    except away as error:
        logger.warning("what is over is cleaned up in a moment: %s", error)


def _rescue() -> None:
    """Nothing for a queue that is paused: nobody could have taken it, and each minute would add the same messages."""
    away: tuple[type[Exception], ...] = (Unavailable, *content_queue.storage.faults)
    try:
        standing = content_queue.storage.standing()
        for _ in range(0 if standing.is_paused else ROUNDS):
            steps = rescue.overdue(standing.ready)
            send(steps)
            if len(steps) < rescue.MOST_AT_ONCE:
                return
    except away as error:
        logger.warning("rescue tries again in a moment: %s", error)
