"""Webhooks of an account, and the log of their deliveries.

Every query is scoped by owner; webhooks of others are NotFound. A secret is returned once, when it
is made.
"""

import base64
import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from core import clock
from core.db import lock_for_update, session, settings, transaction
from core.errors import Conflict, FieldError, Invalid, RateLimited, required
from core.ids import new_id
from core.json_types import LazyModel, MergePatch, Page, from_row, page_of
from core.net import safe_http
from core.sanitize import CLEAN
from models.accounts import Account, Webhook, WebhookDelivery
from models.bulk import delete_batches
from roadmap.lifecycle.events import (
    MOST_WAITING,
    WAITING,
    count_waiting,
    disable,
    new_delivery,
    test_payload,
)
from roadmap.plan.statuses import TEST, DeliveryStatus, Job, JobName, WebhookEvent
from roadmap.webhooks.sender import PREFIX, SHARED_SECRET

MOST_WEBHOOKS = 10  # of one account
SECRET_BYTES = 32
KEPT = timedelta(days=30)  # deliveries, after their end
AT_ONCE, ROUNDS = 500, 10  # deleted rows of one transaction, and transactions of one run
BY_OWNER = "Its owner has disabled it."
NO_WEBHOOK = "This webhook does not exist."


def _checked(url: str) -> str:
    safe_http.parse(url, settings.receivers)
    return url


UncheckedUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=safe_http.LONGEST_URL,
        description=(
            "Where messages are sent: https, port 443 or from 1024, without user, password and"
            " fragment."
        ),
        examples=["https://example.org/hooks/roadmap"],
    ),
]
Url = Annotated[UncheckedUrl, AfterValidator(_checked)]
Events = Annotated[
    tuple[WebhookEvent, ...],
    Field(
        min_length=1,
        max_length=20,
        description="Events that it receives.",
        examples=[["roadmap.ready", "roadmap.failed"]],
    ),
]
Description = Annotated[
    str,
    Field(
        max_length=200,
        description="Description for the owner.",
        examples=["Posts to the team's chat"],
    ),
    CLEAN,
]


class WebhookRequest(LazyModel, extra="forbid"):
    """A new webhook. Without `events` it receives all of them."""

    url: Url
    events: Events = tuple(WebhookEvent)
    description: Description = ""


class WebhookChange(LazyModel, extra="forbid"):
    """The new settings of a webhook.

    A webhook that is enabled again receives events from then on.
    """

    url: UncheckedUrl  # checked below, unless it is unchanged and disabled
    events: Events
    description: Description = ""
    enabled: bool = Field(description="Whether it receives events.")


class WebhookPatch(MergePatch, extra="forbid"):
    """Changes of a webhook (RFC 7396): omitted fields stay."""

    # Factories, since the schema must not name defaults: a field that is left out stays as it is.
    url: UncheckedUrl = Field(default_factory=str)
    events: Events = Field(default_factory=tuple)
    description: Description | None = Field(
        default_factory=str, description="Description for the owner; null: none."
    )
    enabled: bool = Field(default_factory=bool, description="Whether it receives events.")


class WebhookInfo(LazyModel):
    """A webhook, without its secret."""

    id: UUID
    url: str = Field(description="Where messages are sent.")
    events: list[WebhookEvent] = Field(description="Events that it receives.")
    description: str
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str = Field(
        description="Why it is disabled: by its owner, or by the service after failures."
    )
    created_at: datetime
    updated_at: datetime
    rotated_at: datetime | None = Field(description="Time of the last rotation of the secret.")


class WebhookWithSecret(WebhookInfo):
    """A webhook with its secret, which is only returned here."""

    secret: str = Field(
        description="Secret for verification: `whsec_` and 32 bytes in base64.",
        examples=["whsec_..."],
    )
    previous_secret_until: datetime | None = Field(
        description="Until then, the previous secret also signs."
    )


class WebhookList(LazyModel):
    """All webhooks of the caller, the newest first."""

    items: list[WebhookInfo]


class DeliveryInfo(LazyModel):
    """One message to one webhook, with its last attempt."""

    id: UUID = Field(description="`webhook-id`, the same for each attempt.")
    webhook_id: UUID
    event: str = Field(description="Type of the event.", examples=["roadmap.ready", "webhook.test"])
    roadmap_id: UUID | None
    status: DeliveryStatus
    attempts: int = Field(description="Attempts so far, including the current one.")
    next_try_at: datetime | None = Field(
        description="Time of the next attempt; null: finished or in progress."
    )
    response_status: int | None = Field(
        description="HTTP status of the last response; null: none.", examples=[200]
    )
    error: str = Field(description="Error of the last attempt; empty: none.")
    duration_ms: int | None = Field(description="Duration of the last attempt in milliseconds.")
    created_at: datetime
    finished_at: datetime | None


class DeliveryDetail(DeliveryInfo):
    """A delivery with its payload."""

    payload: str = Field(description="The body, exactly as it is signed and sent.")


@transaction()
def create(account_id: UUID, request: WebhookRequest) -> WebhookWithSecret:
    """Make a webhook. Raises Conflict when there are too many."""
    now, secret = clock.now(), _new_secret()
    row = Webhook(
        id=new_id(),
        account=account_id,
        url=request.url,
        events=_in_order(request.events),
        description=request.description,
        secret=secret,
        created_at=now,
        updated_at=now,
    )
    Account.update(name=Account.name).where(Account.id == account_id).execute()  # one at a time
    if Webhook.select().where(Webhook.account == account_id).count() >= MOST_WEBHOOKS:
        raise Conflict(
            f"The maximum of {MOST_WEBHOOKS} webhooks is reached. Delete one that is "
            "no longer needed."
        )
    row.save(force_insert=True)
    return WebhookWithSecret(**_info(row).model_dump(), secret=secret, previous_secret_until=None)


@session()
def list_webhooks(account_id: UUID) -> WebhookList:
    query = Webhook.select().where(Webhook.account == account_id).order_by(Webhook.id.desc())
    return WebhookList(items=[_info(row) for row in query.limit(MOST_WEBHOOKS)])


@session()
def read(account_id: UUID, webhook_id: UUID) -> WebhookInfo:
    """Return a webhook. Raises NotFound."""
    return _info(_owned(account_id, webhook_id))


@transaction()
def change(account_id: UUID, webhook_id: UUID, wanted: WebhookChange) -> WebhookInfo:
    """Replace the settings of a webhook. Raises NotFound, Invalid.

    Waiting deliveries go to the new URL; when the webhook is disabled, they end.
    """
    changed = {
        "url": wanted.url,
        "events": _in_order(wanted.events),
        "description": wanted.description,
        "updated_at": clock.now(),
        **({"disabled_at": None, "disabled_reason": ""} if wanted.enabled else {}),
    }
    before = _owned(account_id, webhook_id, lock=True)
    if wanted.enabled or wanted.url != before.url:
        try:
            _checked(wanted.url)
        except ValueError as error:
            raise Invalid(
                "Some fields are not valid.", fields=(FieldError("/url", str(error)),)
            ) from None
    Webhook.update(changed).where(Webhook.id == webhook_id).execute()
    if not wanted.enabled:
        disable(webhook_id, BY_OWNER)
    return _info(_owned(account_id, webhook_id))


@transaction()
def change_part(account_id: UUID, webhook_id: UUID, patch: WebhookPatch) -> WebhookInfo:
    """Change the fields that the patch names. Raises NotFound, Invalid."""
    before = _info(_owned(account_id, webhook_id, lock=True))
    wanted = before.model_dump(include=set(WebhookChange.model_fields))
    wanted |= {name: getattr(patch, name) for name in patch.model_fields_set}
    wanted["description"] = wanted["description"] or ""
    return change(account_id, webhook_id, WebhookChange.model_construct(**wanted))


@transaction()
def delete(account_id: UUID, webhook_id: UUID) -> None:
    """Delete a webhook with its deliveries, also those that wait. Raises NotFound."""
    required(Webhook.delete().where(_mine(account_id, webhook_id)).execute() or None, NO_WEBHOOK)


@transaction()
def rotate_secret(account_id: UUID, webhook_id: UUID) -> WebhookWithSecret:
    """Make a new secret; the one before signs as well for a day. Raises NotFound."""
    now, secret = clock.now(), _new_secret()
    before = _owned(account_id, webhook_id, lock=True)
    Webhook.update(
        secret=secret, previous_secret=before.secret, rotated_at=now, updated_at=now
    ).where(Webhook.id == webhook_id).execute()
    info = _info(_owned(account_id, webhook_id)).model_dump()
    return WebhookWithSecret(**info, secret=secret, previous_secret_until=now + SHARED_SECRET)


@transaction()
def test(account_id: UUID, webhook_id: UUID) -> tuple[DeliveryInfo, list[Job]]:
    """Send a test message, once. Raises NotFound, Conflict, RateLimited."""
    webhook = _lock_for_delivery(account_id, webhook_id)
    tests = WebhookDelivery.select().where(
        WebhookDelivery.webhook == webhook_id,
        WebhookDelivery.status.in_(WAITING),
        WebhookDelivery.event == TEST,
    )
    if tests.exists():
        raise Conflict("A test is already in progress. Wait until it has ended.")
    row = new_delivery(webhook.id, TEST, test_payload(webhook.id))
    WebhookDelivery.insert(row).execute()
    delivery = _delivery(account_id, webhook_id, row["id"])
    return _delivery_info(delivery), [Job(JobName.deliver_webhook, delivery.id)]


@transaction()
def retry(account_id: UUID, webhook_id: UUID, delivery_id: UUID) -> tuple[DeliveryInfo, list[Job]]:
    """Send a finished delivery again, with the same id and a new schedule.

    Raises NotFound, Conflict, RateLimited.
    """
    _owned(account_id, webhook_id, lock=True)
    status = _delivery(account_id, webhook_id, delivery_id).status
    if status in WAITING:
        raise Conflict(f"This delivery is {status} and will be attempted without a request.")
    _lock_for_delivery(account_id, webhook_id)
    WebhookDelivery.update(
        status=DeliveryStatus.pending,
        due_at=clock.now(),
        attempts=0,
        interruptions=0,
        error="",
        response_status=None,
        duration_ms=None,
        finished_at=None,
    ).where(WebhookDelivery.id == delivery_id).execute()
    delivery = _delivery(account_id, webhook_id, delivery_id)
    return _delivery_info(delivery), [Job(JobName.deliver_webhook, delivery_id)]


@session()
def list_deliveries(
    account_id: UUID,
    webhook_id: UUID,
    *,
    limit: int,
    before: UUID | None,
    status: DeliveryStatus | None,
) -> Page[DeliveryInfo]:
    """Return a page, the newest first. Raises NotFound.

    `before` is the id at which the previous page ended.
    """
    columns = [column for column in WebhookDelivery._meta.sorted_fields if column.name != "payload"]
    query = WebhookDelivery.select(*columns).where(WebhookDelivery.webhook == webhook_id)
    if before is not None:
        query = query.where(WebhookDelivery.id < before)
    if status is not None:
        query = query.where(WebhookDelivery.status == status)
    _owned(account_id, webhook_id)
    rows = list(query.order_by(WebhookDelivery.id.desc()).limit(limit + 1))
    return page_of([_delivery_info(row) for row in rows], limit)


@session()
def read_delivery(account_id: UUID, webhook_id: UUID, delivery_id: UUID) -> DeliveryDetail:
    """Return a delivery with its payload. Raises NotFound."""
    _owned(account_id, webhook_id)
    row = _delivery(account_id, webhook_id, delivery_id)
    return DeliveryDetail(**_delivery_info(row).model_dump(), payload=row.payload)


def purge_expired() -> None:
    """Delete deliveries that ended thirty days ago, in batches, and old secrets."""
    old = (
        WebhookDelivery.select(WebhookDelivery.id)
        .where(WebhookDelivery.finished_at < clock.now() - KEPT)
        .order_by(WebhookDelivery.finished_at)
    )
    delete_batches(WebhookDelivery.id, old, size=AT_ONCE, batches=ROUNDS)
    with transaction():
        Webhook.update(previous_secret="").where(
            Webhook.rotated_at < clock.now() - SHARED_SECRET, Webhook.previous_secret != ""
        ).execute()


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _in_order(events: tuple[WebhookEvent, ...]) -> list[str]:
    return [str(event) for event in WebhookEvent if event in events]


def _mine(account_id: UUID, webhook_id: UUID) -> Any:
    return (Webhook.id == webhook_id) & (Webhook.account == account_id)


def _owned(account_id: UUID, webhook_id: UUID, *, lock: bool = False) -> Webhook:
    """Return a webhook, whose row can be locked until the commit. Raises NotFound."""
    query = Webhook.select().where(_mine(account_id, webhook_id))
    row: Webhook = required(next(iter(lock_for_update(query) if lock else query), None), NO_WEBHOOK)
    return row


def _lock_for_delivery(account_id: UUID, webhook_id: UUID) -> Webhook:
    """Lock a webhook that may get one more delivery. Raises NotFound, Conflict, RateLimited."""
    row = _owned(account_id, webhook_id, lock=True)
    if row.disabled_at is not None:
        raise Conflict("The webhook is disabled. Enable it first.")
    if count_waiting(account_id) >= MOST_WAITING:
        raise RateLimited(
            f"{MOST_WAITING} deliveries of this account are already waiting. Wait until "
            "some are finished.",
            retry_after=60,
        )
    return row


def _delivery(account_id: UUID, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    webhooks = Webhook.select(Webhook.id).where(_mine(account_id, webhook_id))
    row: WebhookDelivery = required(
        WebhookDelivery.get_or_none(
            WebhookDelivery.webhook.in_(webhooks), WebhookDelivery.id == delivery_id
        ),
        "This delivery does not exist.",
    )
    return row


def _info(row: Webhook) -> WebhookInfo:
    return from_row(WebhookInfo, row, enabled=row.disabled_at is None)


def _delivery_info(row: WebhookDelivery) -> DeliveryInfo:
    next_try_at = row.due_at if row.status == DeliveryStatus.pending else None
    return from_row(DeliveryInfo, row, next_try_at=next_try_at)
