"""Delivery of webhooks, by the Standard Webhooks specification.

At least once: a delivery is claimed by a lease, as contents are, so that two workers never send it
at the same time. When a worker dies after the receiver has got it, it is sent again with the same
`webhook-id`. No database connection is held while a request runs.
"""

import base64
import hashlib
import hmac
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from uuid import UUID

from core import clock, metric_counters, tracing
from core.db import database, lock_for_update, session, settings, transaction
from core.metric_definitions import WEBHOOKS
from core.net import safe_http
from core.net.safe_http import Unreachable
from models.accounts import Account, Webhook, WebhookDelivery
from roadmap.generation.retry_policy import (
    MOST_INTERRUPTIONS,
    LeaseLost,
    StopSignal,
    ms_since,
    retry_save,
)
from roadmap.lifecycle.events import WAITING, disable
from roadmap.lifecycle.making import leases
from roadmap.lifecycle.making.leases import DELIVERING, keeper
from roadmap.operations.execution_log import LogLevel, record
from roadmap.plan.statuses import NO_LEASE, TEST, DeliveryStatus, Job, JobName
from roadmap.webhooks.delivery_limits import AtCapacity, DeliverySlots, Take

# Seconds between two tries: the schedule that the specification proposes, about three days in all.
RETRY_DELAYS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1  # of a pause, so that what failed together does not come back together
MOST_TRIES = len(RETRY_DELAYS) + 1
SHARED_SECRET = timedelta(hours=24)  # for which the secret before the current one signs as well
# Deliveries that run at once in a process: the other workers write contents.
AT_ONCE = max(1, settings.content_workers // 2)
COME_BACK = (1.0, 5.0)  # seconds until a delivery without a slot is tried again
TOLERANCE = timedelta(seconds=2)  # between the clocks of two machines
GONE, TOO_MANY, UNAVAILABLE = 410, 429, 503
USER_AGENT = "Roadmap-Webhooks/1"
PREFIX = "whsec_"
DIED = "Its worker died or hung too often while sending it."


class TooEarly(Exception):
    """The next try is not due: this message is a duplicate, or of an earlier try."""


slots = DeliverySlots(AT_ONCE)


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """Result of one try. `status` is None without an answer, `error` is empty after a success."""

    status: int | None
    error: str
    duration_ms: int | None
    retry_after: float | None = None


def deliver(delivery_id: UUID) -> list[Job]:
    """Try once to send a delivery, and return the job of the next try, if any."""
    try:
        with slots.enter() as take:
            claimed = _claim(delivery_id, take)
            if claimed is None:
                return leases.recheck(DELIVERING, delivery_id)
            delivery, token = claimed
            if refusal := _refusal(delivery):
                return _end(delivery, token, DeliveryAttempt(None, refusal, 0))
            # A try is short: nothing has to stop it.
            with keeper.holding(DELIVERING, token, StopSignal()):
                return retry_save(_save, delivery, token, _send(delivery))
    except AtCapacity:
        return _defer(delivery_id)
    except (
        TooEarly,  # the message of that time is on its way, and rescue looks for it
        LeaseLost,  # the webhook is deleted, or another worker has the delivery
    ):
        return []


def _claim(delivery_id: UUID, take: Take) -> tuple[WebhookDelivery, UUID] | None:
    this = (
        WebhookDelivery.select(WebhookDelivery, Webhook, Account)
        .join(Webhook)
        .join(Account)
        .where(WebhookDelivery.id == delivery_id)
    )
    with session():
        waiting = this.get_or_none()
    if waiting is None:
        raise LeaseLost
    place = (waiting.webhook_id, waiting.webhook.account_id)
    is_new = waiting.status == DeliveryStatus.pending
    if is_new:  # before the claim, which costs two writes
        if waiting.due_at > clock.now() + TOLERANCE:
            raise TooEarly
        take(*place)
    with transaction():
        token = leases.claim(DELIVERING, delivery_id)
        if token is None:
            return None
        if not is_new:  # left by a worker that died
            take(*place)
        return this.get(), token


@transaction()
def _defer(delivery_id: UUID) -> list[Job]:
    """Put a delivery off for a moment, if it is due.

    Its row says so, or rescue would resend it.
    """
    wait, now = random.uniform(*COME_BACK), clock.now()
    query = WebhookDelivery.update(due_at=now + timedelta(seconds=wait)).where(
        WebhookDelivery.id == delivery_id,
        WebhookDelivery.status == DeliveryStatus.pending,
        WebhookDelivery.due_at <= now + TOLERANCE,
    )
    moved = query.execute()
    return [Job(JobName.deliver_webhook, delivery_id, delay=wait)] if moved else []


def _refusal(delivery: WebhookDelivery) -> str:
    """Return why a delivery is not tried any more; empty when it is."""
    webhook = delivery.webhook
    if webhook.disabled_at is not None:
        return str(webhook.disabled_reason)
    if webhook.account.disabled_at is not None:
        return "The account is disabled."
    return DIED if delivery.interruptions >= MOST_INTERRUPTIONS else ""


def _send(delivery: WebhookDelivery) -> DeliveryAttempt:
    started, timestamp = monotonic(), int(clock.now().timestamp())
    webhook, payload = delivery.webhook, delivery.payload
    # For a day after a rotation the secret before signs as well: receivers change theirs meanwhile.
    shared = webhook.rotated_at is not None and clock.now() - webhook.rotated_at < SHARED_SECRET
    secrets = [webhook.secret, *([webhook.previous_secret] if shared else [])]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": str(delivery.id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            sign(secret, delivery.id, timestamp, payload) for secret in secrets
        ),
        **tracing.outgoing_headers(),
    }
    # The log of the service keeps nothing of the URL: receivers put secrets into it.
    try:
        answered = safe_http.post(
            webhook.url,
            payload.encode(),
            headers,
            networks=settings.receivers,
            discreet=not settings.embedded,
        )
    except Unreachable as error:  # a discreet one hides the time as well, which would tell why
        duration = None if error.discreet else ms_since(started)
        return DeliveryAttempt(None, f"Not sent: {error}.", duration)
    status = answered.status
    wrong = "" if 200 <= status < 300 else f"The receiver answered with status {status}."
    wrong += " Redirects are not followed." if 300 <= status < 400 else ""
    return DeliveryAttempt(status, wrong, ms_since(started), answered.retry_after)


def sign(secret: str, delivery_id: UUID, timestamp: int, payload: str) -> str:
    """Return a symmetric signature (v1): HMAC-SHA256 over id, time and payload."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.new(key, f"{delivery_id}.{timestamp}.{payload}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _save(delivery: WebhookDelivery, token: UUID, tried: DeliveryAttempt) -> list[Job]:
    """Save the result of a try. Raises LeaseLost when another worker has the lease."""
    if not tried.error:
        with transaction():
            _release(delivery, token, tried, DeliveryStatus.delivered)
        metric_counters.count(WEBHOOKS, outcome="delivered")
        _note(delivery, f"Sent {delivery.event} to a webhook", tried)
        return []
    if tried.status == GONE:
        return _end(
            delivery,
            token,
            tried,
            "The receiver answered with status 410: it wants no more deliveries.",
        )
    if delivery.event == TEST:  # a person waits for its result, and tries again
        return _end(delivery, token, tried)
    if delivery.attempts >= MOST_TRIES:
        reason = "No delivery has succeeded for days."
        return _end(delivery, token, tried, reason, unless_others_succeeded=True)
    wait = retry_delay(delivery.attempts, tried)
    with transaction():
        is_over = _is_disabled(delivery)
        if is_over:
            _release(delivery, token, tried, DeliveryStatus.failed)
        else:
            due_at = clock.now() + timedelta(seconds=wait)
            _release(delivery, token, tried, DeliveryStatus.pending, due_at=due_at)
    metric_counters.count(WEBHOOKS, outcome="failed" if is_over else "retried")
    if is_over:
        return []
    _note(delivery, f"{tried.error} Tries again in {wait:.0f} s.", tried, LogLevel.warning)
    return [Job(JobName.deliver_webhook, delivery.id, delay=wait)]


def _end(
    delivery: WebhookDelivery,
    token: UUID,
    tried: DeliveryAttempt,
    reason: str = "",
    *,
    unless_others_succeeded: bool = False,
) -> list[Job]:
    """Give up a delivery.

    With a reason, disable its webhook, unless others have succeeded since.
    """
    others = WebhookDelivery.select().where(
        WebhookDelivery.webhook == delivery.webhook_id,
        WebhookDelivery.status == DeliveryStatus.delivered,
        WebhookDelivery.finished_at >= delivery.created_at,
    )
    with transaction():
        _is_disabled(delivery)
        _release(delivery, token, tried, DeliveryStatus.failed)
        if reason and not (unless_others_succeeded and others.exists()):
            disable(delivery.webhook_id, reason)
    metric_counters.count(WEBHOOKS, outcome="failed")
    _note(delivery, f"{tried.error} No further attempts.", tried, LogLevel.error)
    return []


def _is_disabled(delivery: WebhookDelivery) -> bool:
    """Lock the webhook's row and return its state.

    Raises LeaseLost when it is deleted.
    """
    query = Webhook.select(Webhook.disabled_at).where(Webhook.id == delivery.webhook_id)
    webhook = next(iter(lock_for_update(query)), None)
    if webhook is None:
        raise LeaseLost
    return webhook.disabled_at is not None


def _release(
    delivery: WebhookDelivery,
    token: UUID,
    tried: DeliveryAttempt,
    status: DeliveryStatus,
    due_at: datetime | None = None,
) -> None:
    """Save the result of a try and end its lease. Raises LeaseLost.

    `due_at` is the time of the next try, without which the delivery is finished.
    """
    when = (
        {"finished_at": clock.now()} if due_at is None else {"due_at": due_at, "finished_at": None}
    )
    leases.release(
        WebhookDelivery,
        delivery.id,
        token,
        **when,
        status=status,
        response_status=tried.status,
        error=tried.error,
        duration_ms=tried.duration_ms,
    )


def _note(
    delivery: WebhookDelivery, message: str, tried: DeliveryAttempt, level: LogLevel = LogLevel.info
) -> None:
    record(
        "webhooks",
        "deliver",
        message,
        level=level,
        roadmap_id=delivery.roadmap_id,
        details={
            "webhook": str(delivery.webhook_id),
            "delivery": str(delivery.id),
            "attempt": delivery.attempts,
        },
        duration_ms=tried.duration_ms,
    )


def retry_delay(attempts: int, tried: DeliveryAttempt) -> float:
    """Return seconds until the next try.

    A receiver can ask for more, up to the pause after the next one.
    """
    bound = RETRY_DELAYS[min(attempts, len(RETRY_DELAYS) - 1)]
    asked = min(tried.retry_after or 0.0, bound) if tried.status in (TOO_MANY, UNAVAILABLE) else 0.0
    return max(RETRY_DELAYS[attempts - 1] * random.uniform(1, 1 + JITTER), asked)


@transaction()
def stop(delivery_id: UUID, reason: str) -> list[Job]:
    """Give up a delivery for an operator; its owner can retry it. A worker finds its lease lost."""
    query = (
        WebhookDelivery.update(
            status=DeliveryStatus.failed, error=reason, finished_at=clock.now(), **NO_LEASE
        )
        .where(WebhookDelivery.id == delivery_id, WebhookDelivery.status.in_(WAITING))
        .returning(WebhookDelivery)
    )
    for row in query.execute():
        details = {"webhook": str(row.webhook_id), "delivery": str(row.id)}
        entry = partial(
            record,
            "webhooks",
            "deliver",
            reason,
            level=LogLevel.warning,
            roadmap_id=row.roadmap_id,
            details=details,
        )
        database.after_commit(entry)
    return []
