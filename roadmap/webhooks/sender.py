"""From a delivery that waits to one that is delivered or given up, by the Standard Webhooks specification.

Idempotent in the way of at-least-once: claimed by the same lease as contents, so that two workers never send one message at
the same time; when a worker dies after the receiver has heard it, it is sent once more with the same `webhook-id`. No
connection of the database is held while a receiver thinks.
"""

import base64
import hashlib
import hmac
import random
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic
from uuid import UUID

from core import clock, metric_counters, tracing
from core.db import lock_for_update, session, settings, transaction
from core.metric_definitions import WEBHOOKS
from core.net import safe_http
from core.net.safe_http import Unreachable
from models.accounts import Account
from models.webhooks import Webhook, WebhookDelivery
from roadmap.generation.cancellation import LeaseLost, StopSignal
from roadmap.generation.retry_policy import MOST_INTERRUPTIONS, ms_since, retry_save
from roadmap.lifecycle import leases
from roadmap.lifecycle.events import disable
from roadmap.lifecycle.leases import DELIVERING, keeper
from roadmap.operations.execution_log import LogLevel, record
from roadmap.plan.event_types import TEST
from roadmap.plan.jobs import Job, JobName
from roadmap.plan.statuses import DeliveryStatus
from roadmap.webhooks.delivery_limits import AtCapacity, DeliverySlot, DeliverySlots

# Seconds between two tries: the schedule that the specification proposes, about three days in all.
PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1  # of a pause, so that what failed together does not come back together
MOST_TRIES = len(PAUSES) + 1
SHARED_SECRET = timedelta(hours=24)  # for which the secret before the current one signs as well
AT_ONCE = max(
    1, settings.content_workers // 2
)  # deliveries that run in a process: the other workers write contents
COME_BACK = (1.0, 5.0)  # seconds, for one that finds no room
TOLERANCE = timedelta(
    seconds=2
)  # between the clocks of those who send a message and those who get it
GONE, TOO_MANY, UNAVAILABLE = 410, 429, 503
USER_AGENT = "Roadmap-Webhooks/1"
PREFIX = "whsec_"
DIED = "Its worker died or hung too often while sending it."


class TooEarly(Exception):
    """Its next try is not due yet: this message is there twice, or of a try before."""


lanes = DeliverySlots(AT_ONCE)


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """What came of one try. `status` is None when no answer came, and then `error` says why."""

    status: int | None
    error: str
    duration_ms: int | None
    retry_after: float | None = None

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def deliver(delivery_id: UUID) -> list[Job]:
    """Try once to send one message; returns the step of the next try, if there is one."""
    try:
        with lanes.enter() as lane:
            claimed = _claim(delivery_id, lane)
            if claimed is None:
                return leases.recheck(DELIVERING, delivery_id)
            return _try(*claimed)
    except AtCapacity:
        return _come_back(delivery_id)
    except TooEarly:  # the message of that time is on its way, and rescue looks for it
        return []
    except LeaseLost:  # its webhook is deleted, or another worker has taken it over
        return []


def _claim(delivery_id: UUID, lane: DeliverySlot) -> tuple[WebhookDelivery, UUID] | None:
    joined = WebhookDelivery.select(WebhookDelivery, Webhook, Account).join(Webhook).join(Account)
    this = joined.where(WebhookDelivery.id == delivery_id)
    with session():
        waiting = this.get_or_none()
    if waiting is None:
        raise LeaseLost
    place = (waiting.webhook_id, waiting.webhook.account_id)
    is_new = waiting.status == DeliveryStatus.pending
    if is_new:  # before it is claimed: a claim for nothing is two writes
        if waiting.due_at > clock.now() + TOLERANCE:
            raise TooEarly
        lane.take(*place)
    with transaction():
        token = leases.claim(DELIVERING, delivery_id)
        if token is None:
            return None
        if not is_new:  # left by a worker that died
            lane.take(*place)
        return this.get(), token


def _come_back(delivery_id: UUID) -> list[Job]:
    """A moment later, if it is due. It says so in its row, too, so that rescue does not take it for lost."""
    wait, now = random.uniform(*COME_BACK), clock.now()
    waits = (WebhookDelivery.id == delivery_id) & (WebhookDelivery.status == DeliveryStatus.pending)
    is_due = WebhookDelivery.due_at <= now + TOLERANCE
    with transaction():
        moved = (
            WebhookDelivery.update(due_at=now + timedelta(seconds=wait))
            .where(waits, is_due)
            .execute()
        )
    return [Job(JobName.deliver_webhook, delivery_id, delay=wait)] if moved else []


def _try(delivery: WebhookDelivery, token: UUID) -> list[Job]:
    refused = _refusal(delivery)
    if refused:
        return _end(delivery, token, DeliveryAttempt(None, refused, 0))
    with keeper.holding(
        DELIVERING, token, StopSignal()
    ):  # a try is short: it needs no signal to end before its time
        tried = _sent(delivery)
        return retry_save(partial(_save, delivery, token, tried))


def _refusal(delivery: WebhookDelivery) -> str:
    """Why it is not tried any more; empty when it is."""
    webhook = delivery.webhook
    if webhook.disabled_at is not None:
        return str(webhook.disabled_reason)
    if webhook.account.disabled_at is not None:
        return "The account is disabled."
    return DIED if delivery.interruptions >= MOST_INTERRUPTIONS else ""


def _sent(delivery: WebhookDelivery) -> DeliveryAttempt:
    started = monotonic()
    try:
        # The log of the service keeps nothing of the URL: receivers put secrets into it.
        answered = safe_http.post(
            delivery.webhook.url,
            delivery.payload.encode(),
            _headers(delivery),
            networks=settings.receivers,
            discreet=not settings.embedded,
        )
    except Unreachable as error:
        return DeliveryAttempt(
            None, f"Not sent: {error}.", None if error.discreet else ms_since(started)
        )  # which would tell how
    status = answered.status
    wrong = "" if 200 <= status < 300 else f"It answered with status {status}."
    wrong += " Redirects are not followed." if 300 <= status < 400 else ""
    return DeliveryAttempt(status, wrong, ms_since(started), answered.retry_after)


def _headers(delivery: WebhookDelivery) -> dict[str, str]:
    timestamp = int(clock.now().timestamp())
    secrets = _secrets(delivery.webhook)
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": str(delivery.id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            sign(secret, delivery.id, timestamp, delivery.payload) for secret in secrets
        ),
        **tracing.outgoing(),
    }


def _secrets(webhook: Webhook) -> list[str]:
    """The current one, and for a day after its rotation the one before, so that receivers can change theirs meanwhile."""
    shared = webhook.rotated_at is not None and clock.now() - webhook.rotated_at < SHARED_SECRET
    return [webhook.secret, webhook.previous_secret] if shared else [webhook.secret]


def sign(secret: str, delivery_id: UUID, timestamp: int, payload: str) -> str:
    """Of the symmetric kind (v1): HMAC-SHA256 over id, time and payload."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.new(key, f"{delivery_id}.{timestamp}.{payload}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _save(delivery: WebhookDelivery, token: UUID, tried: DeliveryAttempt) -> list[Job]:
    """Raises Lost when the lease is not ours any more: then nothing is saved."""
    if tried.succeeded:
        with transaction():
            leases.release(
                WebhookDelivery, delivery.id, token, **_told(tried, DeliveryStatus.delivered)
            )
        metric_counters.count(WEBHOOKS, outcome="delivered")
        _note(delivery, f"Told a webhook of {delivery.event}", tried)
        return []
    if tried.status == GONE:
        return _end(
            delivery,
            token,
            tried,
            "The receiver answered with status 410: it does not want to be told any more.",
        )
    if delivery.event == TEST:  # a person waits for its result, and tries again
        return _end(delivery, token, tried)
    if delivery.attempts >= MOST_TRIES:
        return _end(
            delivery,
            token,
            tried,
            "No delivery has succeeded for days.",
            unless_others_succeeded=True,
        )
    return _again(delivery, token, tried)


def _again(delivery: WebhookDelivery, token: UUID, tried: DeliveryAttempt) -> list[Job]:
    wait = pause(delivery.attempts, tried)
    due = {"due_at": clock.now() + timedelta(seconds=wait), "finished_at": None}
    with transaction():
        is_over = _disabled_since(delivery)
        told = (
            _told(tried, DeliveryStatus.failed)
            if is_over
            else {**_told(tried, DeliveryStatus.pending), **due}
        )
        leases.release(WebhookDelivery, delivery.id, token, **told)
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
    """It is given up; with a reason its webhook is disabled as well, unless others to it have succeeded meanwhile."""
    with transaction():
        _disabled_since(delivery)
        leases.release(WebhookDelivery, delivery.id, token, **_told(tried, DeliveryStatus.failed))
        if reason and not (unless_others_succeeded and _has_succeeded_since(delivery)):
            disable(delivery.webhook_id, reason)
    metric_counters.count(WEBHOOKS, outcome="failed")
    _note(delivery, f"{tried.error} It is given up.", tried, LogLevel.error)
    return []


def _disabled_since(delivery: WebhookDelivery) -> bool:
    """Holds the webhook's row, so that nobody disables it before the commit. Raises Lost when it is deleted."""
    query = Webhook.select(Webhook.disabled_at).where(Webhook.id == delivery.webhook_id)
    webhook = next(iter(lock_for_update(query)), None)
    if webhook is None:
        raise LeaseLost
    return webhook.disabled_at is not None


def _has_succeeded_since(delivery: WebhookDelivery) -> bool:
    same = (WebhookDelivery.webhook == delivery.webhook_id) & (
        WebhookDelivery.status == DeliveryStatus.delivered
    )
    return bool(
        WebhookDelivery.select()
        .where(same, WebhookDelivery.finished_at >= delivery.created_at)
        .exists()
    )


def _told(tried: DeliveryAttempt, status: DeliveryStatus) -> dict[str, object]:
    facts = {
        "response_status": tried.status,
        "error": tried.error,
        "duration_ms": tried.duration_ms,
    }
    return {"status": status, **facts, "finished_at": clock.now()}


def _note(
    delivery: WebhookDelivery, message: str, tried: DeliveryAttempt, level: LogLevel = LogLevel.info
) -> None:
    details = {
        "webhook": str(delivery.webhook_id),
        "delivery": str(delivery.id),
        "attempt": delivery.attempts,
    }
    place = {
        "roadmap_id": delivery.roadmap_id,
        "details": details,
        "duration_ms": tried.duration_ms,
    }
    record("webhooks", "deliver", message, level=level, **place)


def pause(attempts: int, tried: DeliveryAttempt) -> float:
    """Seconds until the next try, or longer if the receiver asks for it: up to the pause after that one."""
    bound = PAUSES[min(attempts, len(PAUSES) - 1)]
    asked = min(tried.retry_after or 0.0, bound) if tried.status in (TOO_MANY, UNAVAILABLE) else 0.0
    return max(PAUSES[attempts - 1] * random.uniform(1, 1 + JITTER), asked)
