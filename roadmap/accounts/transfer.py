"""Transfer of all roadmaps of an account to another one.

It is for a colleague who leaves, or for roadmaps that were made in embedded mode. With a roadmap
goes all that belongs to it, also from the trash: plans, contents, progress, notes, attempts, cards,
links. The account keeps its webhooks, keys, exports, answers to Idempotency-Keys and usage records.
"""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from core.db import lock_for_update, session, settings, transaction
from core.errors import Conflict, FieldError, Invalid, NotFound
from core.json_types import LazyModel
from core.sanitize import CLEAN
from models.accounts import Account
from models.roadmaps import ReviewCard, Roadmap
from roadmap.accounts.access import account_id
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.operations.audit_log import Action, Actor, audited
from roadmap.plan.views import Owner

Whose = Annotated[str, Field(min_length=1, max_length=254), CLEAN]


class TransferRequest(LazyModel, frozen=True, extra="forbid"):
    """Current and new owner."""

    owner: Whose = Field(description="Current owner: e-mail address or account ID.")
    new_owner: Whose = Field(description="New owner: e-mail address or account ID.")


class Transferred(LazyModel):
    """Former and new owner, and the number of roadmaps."""

    owner: Owner = Field(description="Former owner.")
    new_owner: Owner = Field(description="New owner.")
    roadmaps: int = Field(description="Number of roadmaps, including the trash.")


class NewOwnerCannotLogIn(Conflict):
    """The account that would have the roadmaps cannot log in."""


@transaction()
def transfer(owner: str, new_owner: str, actor: Actor) -> Transferred:
    """Transfer all roadmaps, or none. Raises Invalid, NotFound, NewOwnerCannotLogIn."""
    ids = {"owner": _account_id("owner", owner), "new_owner": _account_id("new_owner", new_owner)}
    if ids["owner"] == ids["new_owner"]:
        raise Invalid(
            "Some fields are not valid.", fields=(FieldError("/new_owner", "is the same account"),)
        )
    both = Account.select().where(Account.id.in_(list(ids.values()))).order_by(Account.id)
    rows = {row.id: row for row in lock_for_update(both)}
    if len(rows) < len(ids):
        raise NotFound("One of these accounts has just been deleted.")
    old, new = rows[ids["owner"]], rows[ids["new_owner"]]
    with audited(actor, Action.roadmaps_transfer, old.email, {"to": str(new.id)}) as act:
        # In embedded mode the local owner uses the service without a password.
        has_login = bool(new.password_hash) and new.disabled_at is None
        if not (new.id == LOCAL_OWNER if settings.embedded else has_login):
            raise NewOwnerCannotLogIn(
                f"The account {new.email} is disabled, so these roadmaps would be "
                "unreachable. Choose another account."
            )
        mine = Roadmap.owner == old.id
        lock_for_update(Roadmap.select(Roadmap.id).where(mine).order_by(Roadmap.id)).execute()
        moved = Roadmap.update(owner=new.id).where(mine).execute()
        # After the roadmaps, whose rows new cards wait for.
        ReviewCard.update(owner=new.id).where(ReviewCard.owner == old.id).execute()
        act.found["roadmaps"] = moved
    return Transferred(
        owner=Owner(id=old.id, email=old.email),
        new_owner=Owner(id=new.id, email=new.email),
        roadmaps=moved,
    )


def _account_id(name: str, whose: str) -> UUID:
    with session():
        found = account_id(whose)
    if found is None:
        rule = FieldError(f"/{name}", "is neither the e-mail address nor the ID of an account")
        raise Invalid("Some fields are not valid.", fields=(rule,))
    return found
