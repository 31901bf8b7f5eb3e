"""Periodic tasks, on the logs queue: rescue must not wait behind a backlog of contents.

What is cleaned up each minute is loaded there, since all services register these tasks.
"""

import logging
from datetime import timedelta

from huey import crontab

from core import clock
from core.errors import Unavailable
from roadmap.lifecycle.links import link_status
from roadmap.lifecycle.making import rescue
from roadmap.operations import task_stats
from tasks.dispatcher import enqueue
from tasks.queue_admin import queue_states
from tasks.queues import REGISTRY, content_queue, logs_queue, task

logger = logging.getLogger(__name__)

ROUNDS = 10  # the rest follows a minute later
BEFORE_RECORDS = 1  # priority
FOLLOW_UPS = (20, 40)  # seconds; Huey's crontab knows minutes only
BROKER_AWAY: tuple[type[Exception], ...] = (Unavailable, *content_queue.storage.faults)


@logs_queue.periodic_task(crontab(minute="*"), priority=BEFORE_RECORDS)  # type: ignore[untyped-decorator]
def rescue_overdue() -> None:
    try:
        for seconds in FOLLOW_UPS:
            rescue_again.schedule(eta=clock.now() + timedelta(seconds=seconds))
    except logs_queue.storage.faults as error:
        logger.warning("rescue could not enqueue its next runs this minute: %s", error)
    _rescue()
    try:
        task_stats.sample_depth(
            [(state.name, state.ready, state.oldest_seconds) for state in queue_states()]
        )
    except Unavailable as error:
        logger.warning("the queues are not measured this minute: %s", error)
    try:  # by a worker of contents, when it has little else to do
        if link_status.is_anything_due() and content_queue.storage.stats().ready < rescue.FEW:
            content_queue.enqueue(REGISTRY["look_after_links"].s())
    except BROKER_AWAY as error:
        logger.warning("the link check will run later: %s", error)
    try:
        _purge_expired()
    except BROKER_AWAY as error:
        logger.warning("the clean-up will run later: %s", error)


@task(logs_queue, priority=BEFORE_RECORDS)
def rescue_again() -> None:
    _rescue()


def _purge_expired() -> None:
    from roadmap.accounts import api_keys, idempotency_store, sessions
    from roadmap.exchange import account_export
    from roadmap.lifecycle import trash
    from roadmap.lifecycle.administration import account_deletion
    from roadmap.operations import audit_log, log_retention, metrics_store
    from roadmap.webhooks import subscriptions

    sessions.end_idle_sessions()
    api_keys.purge_expired()
    idempotency_store.purge_expired()
    subscriptions.purge_expired()
    trash.purge_expired()
    account_export.purge_expired()
    if jobs := account_deletion.cancel_work():
        enqueue(jobs)
    account_deletion.purge_expired()
    audit_log.purge_expired()
    metrics_store.purge_expired()
    log_retention.rotate_partitions()
    if logs_queue.pending_count() == 0:  # no record on its way belongs to an old source
        log_retention.sum_up_sources()


def _rescue() -> None:
    """Enqueue overdue jobs again.

    Not while the queue is paused: no worker could have taken them, and each minute would add the
    same messages.
    """
    try:
        stats = content_queue.storage.stats()
        for _ in range(0 if stats.is_paused else ROUNDS):
            jobs = rescue.overdue(stats.ready)
            enqueue(jobs)
            if len(jobs) < rescue.MOST_AT_ONCE:
                return
    except BROKER_AWAY as error:
        logger.warning("rescue tries again in a moment: %s", error)
