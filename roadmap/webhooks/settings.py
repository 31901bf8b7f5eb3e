"""Webhooks of an account: where it wants to be told of events, and the log of what was told.

Every query is scoped by owner; what belongs to others is NotFound. A secret is told when it is made, and never again.
"""

import base64
import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core import clock
from core.db import lock_for_update, session, settings, skip_locked, transaction
from core.errors import Conflict, FieldError, Invalid, NotFound, RateLimited
from core.ids import new_id
from core.json_types import MergePatch, Page
from core.net import safe_http
from core.sanitize import CLEAN
from models.accounts import Account
from models.webhooks import Webhook, WebhookDelivery
from roadmap.lifecycle.events import (
    MOST_WAITING,
    WAITING,
    count_waiting,
    disable,
    new_delivery,
    test_payload,
)
from roadmap.plan.event_types import TEST, WebhookEvent
from roadmap.plan.jobs import Job, JobName
from roadmap.plan.statuses import DeliveryStatus
from roadmap.webhooks.sender import PREFIX, SHARED_SECRET

MOST_WEBHOOKS = 10  # of one account
SECRET_BYTES = 32
KEPT = timedelta(days=30)  # deliveries, after their end
AT_ONCE, ROUNDS = (
    500,
    10,
)  # deliveries that are deleted in one transaction, and how often in a minute
BY_OWNER = "Its owner has disabled it."


def _checked(url: str) -> str:
    safe_http.parse(url, settings.receivers)
    return url


UncheckedUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=safe_http.LONGEST_URL,
        description="Where messages are sent: https, port 443 or from 1024, without user, password and fragment.",
        examples=["https://example.org/hooks/roadmap"],
    ),
]
Url = Annotated[UncheckedUrl, AfterValidator(_checked)]
Events = Annotated[
    tuple[WebhookEvent, ...],
    Field(
        min_length=1,
        max_length=20,
        description="What it is told.",
        examples=[["roadmap.ready", "roadmap.failed"]],
    ),
]
Description = Annotated[
    str,
    Field(max_length=200, description="For its owner.", examples=["Posts to the team's chat"]),
    CLEAN,
]


class WebhookRequest(BaseModel):
    """A new webhook: without `events` it is told of all of them."""

    model_config = ConfigDict(extra="forbid")
    url: Url
    events: Events = tuple(WebhookEvent)
    description: Description = ""


class WebhookChange(BaseModel):
    """All that a webhook is to be from now on. Enabled again, it is told what happens from then on."""

    model_config = ConfigDict(extra="forbid")
    url: UncheckedUrl  # it is checked below, unless it is what it was, and disabled
    events: Events
    description: Description = ""
    enabled: bool = Field(description="One that is disabled is told nothing.")


class WebhookPatch(MergePatch):
    """What of a webhook is to be another (RFC 7396): what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    url: UncheckedUrl = Field(
        default_factory=str
    )  # as in all of these: no default, for it stays what it is
    events: Events = Field(default_factory=tuple)
    description: Description | None = Field(
        default_factory=str, description="For its owner; null: none."
    )
    enabled: bool = Field(default_factory=bool, description="One that is disabled is told nothing.")


class WebhookInfo(BaseModel):
    """A webhook, without its secret."""

    id: UUID
    url: str = Field(description="Where messages are sent.")
    events: list[WebhookEvent] = Field(description="What it is told.")
    description: str
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str = Field(
        description="Why it is disabled: by its owner, or by the service after failures."
    )
    created_at: datetime
    updated_at: datetime
    rotated_at: datetime | None = Field(description="When its secret was made anew.")


class WebhookWithSecret(WebhookInfo):
    """A webhook and its secret, which is told this once."""

    secret: str = Field(
        description="Verifies what is sent: `whsec_` and 32 bytes in base64.",
        examples=["whsec_..."],
    )
    previous_secret_until: datetime | None = Field(
        description="Until then the secret before this one signs as well."
    )


class WebhookList(BaseModel):
    """All webhooks of the caller, the newest first."""

    items: list[WebhookInfo]


class DeliveryInfo(BaseModel):
    """One message to one webhook, and how its last try went."""

    id: UUID = Field(description="The `webhook-id` of every try.")
    webhook_id: UUID
    event: str = Field(description="What it tells.", examples=["roadmap.ready", "webhook.test"])
    roadmap_id: UUID | None
    status: DeliveryStatus
    attempts: int = Field(description="Tries so far, with the one that runs.")
    next_try_at: datetime | None = Field(
        description="When it is tried again; null when it is finished or being tried."
    )
    response_status: int | None = Field(
        description="HTTP status of the last answer; null when there was none.", examples=[200]
    )
    error: str = Field(description="What went wrong at the last try; empty when nothing did.")
    duration_ms: int | None = Field(description="How long the last try took, in milliseconds.")
    created_at: datetime
    finished_at: datetime | None


class DeliveryDetail(DeliveryInfo):
    """A delivery with what is sent."""

    payload: str = Field(description="The body, to the byte as it is signed and sent.")


def create(account_id: UUID, request: WebhookRequest) -> WebhookWithSecret:
    """Raises Conflict when there are too many."""
    now, secret = clock.now(), _new_secret()
    fields = {
        "url": request.url,
        "events": _in_order(request.events),
        "description": request.description,
    }
    row = Webhook(
        id=new_id(), account=account_id, **fields, secret=secret, created_at=now, updated_at=now
    )
    with transaction():
        Account.update(name=Account.name).where(Account.id == account_id).execute()  # one at a time
        if Webhook.select().where(Webhook.account == account_id).count() >= MOST_WEBHOOKS:
            raise Conflict(
                f"There are {MOST_WEBHOOKS} webhooks already. Delete one that is not needed any more."
            )
        row.save(force_insert=True)
    return WebhookWithSecret(**_facts(row), secret=secret, previous_secret_until=None)


def list_webhooks(account_id: UUID) -> WebhookList:
    with session():
        rows = list(
            Webhook.select()
            .where(Webhook.account == account_id)
            .order_by(Webhook.id.desc())
            .limit(MOST_WEBHOOKS)
        )
    return WebhookList(items=[_info(row) for row in rows])


def read(account_id: UUID, webhook_id: UUID) -> WebhookInfo:
    """Raises NotFound."""
    with session():
        return _info(_owned(account_id, webhook_id))


def change(account_id: UUID, webhook_id: UUID, wanted: WebhookChange) -> WebhookInfo:
    """What waits goes to the new address; of one that is disabled now it ends. Raises NotFound, Invalid."""
    changed: dict[str, Any] = {
        "url": wanted.url,
        "events": _in_order(wanted.events),
        "description": wanted.description,
    }
    if wanted.enabled:
        changed |= {"disabled_at": None, "disabled_reason": ""}
    with transaction():
        before = _held(account_id, webhook_id)
        if wanted.enabled or wanted.url != before.url:
            _check(wanted.url)
        Webhook.update({**changed, "updated_at": clock.now()}).where(
            Webhook.id == webhook_id
        ).execute()
        if not wanted.enabled:
            disable(webhook_id, BY_OWNER)
        return _info(_owned(account_id, webhook_id))


def change_part(account_id: UUID, webhook_id: UUID, patch: WebhookPatch) -> WebhookInfo:
    """What the patch names. Raises NotFound, Invalid."""
    with transaction():
        before = _info(_held(account_id, webhook_id)).model_dump(
            include=set(WebhookChange.model_fields)
        )
        named = {name: getattr(patch, name) for name in patch.model_fields_set}
        wanted = {
            **before,
            **named,
            "description": named.get("description", before["description"]) or "",
        }
        return change(account_id, webhook_id, WebhookChange.model_construct(**wanted))


def _check(url: str) -> None:
    try:
        _checked(url)
    except ValueError as error:
        raise Invalid("Some fields do not fit.", fields=(FieldError("/url", str(error)),)) from None


def delete(account_id: UUID, webhook_id: UUID) -> None:
    """With its deliveries: what waits is not sent any more. Raises NotFound."""
    with transaction():
        if Webhook.delete().where(_mine(account_id, webhook_id)).execute() == 0:
            raise _no_webhook()


def rotate_secret(account_id: UUID, webhook_id: UUID) -> WebhookWithSecret:
    """Make its secret anew; the one before signs as well for a day. Raises NotFound."""
    now, secret = clock.now(), _new_secret()
    with transaction():
        before = _held(account_id, webhook_id)
        made = {
            "secret": secret,
            "previous_secret": before.secret,
            "rotated_at": now,
            "updated_at": now,
        }
        Webhook.update(made).where(Webhook.id == webhook_id).execute()
        row = _owned(account_id, webhook_id)
    return WebhookWithSecret(
        **_facts(row), secret=secret, previous_secret_until=now + SHARED_SECRET
    )


def test(account_id: UUID, webhook_id: UUID) -> tuple[DeliveryInfo, list[Job]]:
    """Send it a message that tells nothing, once. Raises NotFound, Conflict, TooMany."""
    with transaction():
        webhook = _enabled(account_id, webhook_id)
        _check_room(account_id)
        waiting = (WebhookDelivery.webhook == webhook_id) & WebhookDelivery.status.in_(WAITING)
        if WebhookDelivery.select().where(waiting, WebhookDelivery.event == TEST).exists():
            raise Conflict("A test is on its way already. Wait until it has ended.")
        row = new_delivery(webhook.id, TEST, test_payload(webhook.id))
        WebhookDelivery.insert(row).execute()
        made = _delivery(account_id, webhook_id, row["id"])
    return _delivery_info(made), [Job(JobName.deliver_webhook, made.id)]


def retry(account_id: UUID, webhook_id: UUID, delivery_id: UUID) -> tuple[DeliveryInfo, list[Job]]:
    """Send a finished delivery once more, under the same id, with the whole schedule before it. Raises NotFound, Conflict,
    TooMany.
    """
    afresh = {
        "attempts": 0,
        "interruptions": 0,
        "error": "",
        "response_status": None,
        "duration_ms": None,
        "finished_at": None,
    }
    with transaction():
        _held(account_id, webhook_id)
        status = _delivery(account_id, webhook_id, delivery_id).status
        if status in WAITING:
            raise Conflict(f"This delivery is {status}: it is tried without being asked.")
        _enabled(account_id, webhook_id)
        _check_room(account_id)
        waits = {**afresh, "status": DeliveryStatus.pending, "due_at": clock.now()}
        WebhookDelivery.update(waits).where(WebhookDelivery.id == delivery_id).execute()
        made = _delivery(account_id, webhook_id, delivery_id)
    return _delivery_info(made), [Job(JobName.deliver_webhook, delivery_id)]


def list_deliveries(
    account_id: UUID,
    webhook_id: UUID,
    *,
    limit: int,
    before: UUID | None,
    status: DeliveryStatus | None,
) -> Page[DeliveryInfo]:
    """The newest first; `before` is the id that the page before ended with. Raises NotFound."""
    columns = [column for column in WebhookDelivery._meta.sorted_fields if column.name != "payload"]
    query = WebhookDelivery.select(*columns).where(WebhookDelivery.webhook == webhook_id)
    if before is not None:
        query = query.where(WebhookDelivery.id < before)
    if status is not None:
        query = query.where(WebhookDelivery.status == status)
    with session():
        _owned(account_id, webhook_id)
        rows = list(query.order_by(WebhookDelivery.id.desc()).limit(limit + 1))
    items = [_delivery_info(row) for row in rows[:limit]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > limit else None)


def read_delivery(account_id: UUID, webhook_id: UUID, delivery_id: UUID) -> DeliveryDetail:
    """Raises NotFound."""
    with session():
        _owned(account_id, webhook_id)
        row = _delivery(account_id, webhook_id, delivery_id)
    return DeliveryDetail(**_delivery_info(row).model_dump(), payload=row.payload)


def purge_expired() -> None:
    """Deliveries that ended more than thirty days ago, some thousand at a time, and secrets that sign no more."""
    old = WebhookDelivery.finished_at < clock.now() - KEPT
    for _ in range(ROUNDS):
        with transaction():
            query = (
                WebhookDelivery.select(WebhookDelivery.id)
                .where(old)
                .order_by(WebhookDelivery.finished_at)
                .limit(AT_ONCE)
            )
            ids = [id_ for (id_,) in skip_locked(query).tuples()]
            if ids:
                WebhookDelivery.delete().where(WebhookDelivery.id.in_(ids)).execute()
        if len(ids) < AT_ONCE:
            break
    with transaction():
        spent = (Webhook.rotated_at < clock.now() - SHARED_SECRET) & (Webhook.previous_secret != "")
        Webhook.update(previous_secret="").where(spent).execute()


def _new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _in_order(events: tuple[WebhookEvent, ...]) -> list[str]:
    return [str(event) for event in WebhookEvent if event in events]


def _mine(account_id: UUID, webhook_id: UUID) -> Any:
    return (Webhook.id == webhook_id) & (Webhook.account == account_id)


def _owned(account_id: UUID, webhook_id: UUID) -> Webhook:
    row: Webhook | None = Webhook.get_or_none(_mine(account_id, webhook_id))
    if row is None:
        raise _no_webhook()
    return row


def _held(account_id: UUID, webhook_id: UUID) -> Webhook:
    """Its row, which nobody else changes before the commit."""
    row: Webhook | None = next(
        iter(lock_for_update(Webhook.select().where(_mine(account_id, webhook_id)))), None
    )
    if row is None:
        raise _no_webhook()
    return row


def _enabled(account_id: UUID, webhook_id: UUID) -> Webhook:
    row = _held(account_id, webhook_id)
    if row.disabled_at is not None:
        raise Conflict("The webhook is disabled. Enable it first.")
    return row


def _no_webhook() -> NotFound:
    return NotFound("There is no such webhook.")


def _delivery(account_id: UUID, webhook_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    mine = WebhookDelivery.webhook.in_(
        Webhook.select(Webhook.id).where(_mine(account_id, webhook_id))
    )
    row: WebhookDelivery | None = WebhookDelivery.get_or_none(
        mine, WebhookDelivery.id == delivery_id
    )
    if row is None:
        raise NotFound("There is no such delivery.")
    return row


def _check_room(account_id: UUID) -> None:
    if count_waiting(account_id) >= MOST_WAITING:
        raise RateLimited(
            f"{MOST_WAITING} of your deliveries are waiting already. Wait until some are finished.",
            retry_after=60,
        )


def _facts(row: Webhook) -> dict[str, Any]:
    facts = {name: getattr(row, name) for name in WebhookInfo.model_fields if name != "enabled"}
    return {**facts, "enabled": row.disabled_at is None}


def _info(row: Webhook) -> WebhookInfo:
    return WebhookInfo(**_facts(row))


def _delivery_info(row: WebhookDelivery) -> DeliveryInfo:
    facts = {
        name: getattr(row, name) for name in DeliveryInfo.model_fields if name != "next_try_at"
    }
    return DeliveryInfo(
        **facts, next_try_at=row.due_at if row.status == DeliveryStatus.pending else None
    )
