"""All roadmaps of an account become another one's: of a colleague who leaves, or those that were made in embedded mode.

With a roadmap goes all that hangs on it, also out of the trash: plans, contents, progress, notes, attempts, cards, links. What
is of the account itself stays with it: webhooks, keys, exports, what was answered to its Idempotency-Keys, and the books of what
its calls of a model have cost.
"""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from core.db import lock_for_update, session, settings, transaction
from core.errors import Conflict, FieldError, Invalid, NotFound
from core.sanitize import CLEAN
from models.accounts import Account
from models.roadmaps import ReviewCard, Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.operations.audit_log import Action, Actor, audited
from roadmap.plan.views import Owner

Whose = Annotated[str, Field(min_length=1, max_length=254), CLEAN]


class TransferRequest(BaseModel):
    """From which account to which."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    owner: Whose = Field(
        description="Whose roadmaps they are: an e-mail address, or the id of an account."
    )
    new_owner: Whose = Field(description="Whose they will be.")


class Transferred(BaseModel):
    """Whose roadmaps they were and are, and how many."""

    owner: Owner = Field(description="Whose they were.")
    new_owner: Owner = Field(description="Whose they are.")
    roadmaps: int = Field(description="How many, with those in the trash.")


class NoWayIn(Conflict):
    """Nobody can log in as the account that would have the roadmaps."""


def transfer(owner: str, new_owner: str, actor: Actor) -> Transferred:
    """All of them, or none. Raises Invalid, NotFound, NoWayIn."""
    ids = {"owner": _account_id("owner", owner), "new_owner": _account_id("new_owner", new_owner)}
    if ids["owner"] == ids["new_owner"]:
        raise Invalid(
            "Some fields do not fit.", fields=(FieldError("/new_owner", "is the same account"),)
        )
    with transaction():
        held = Account.select().where(Account.id.in_(list(ids.values()))).order_by(Account.id)
        rows = {row.id: row for row in lock_for_update(held)}
        if len(rows) < len(ids):
            raise NotFound("One of these accounts has been deleted at this moment.")
        old, new = rows[ids["owner"]], rows[ids["new_owner"]]
        with audited(actor, Action.roadmaps_transfer, old.email, {"to": str(new.id)}) as act:
            if not _may_come_in(new):
                raise NoWayIn(
                    f"Nobody can log in as {new.email}: these roadmaps would be lost there. Name another account."
                )
            mine = Roadmap.owner == old.id
            lock_for_update(Roadmap.select(Roadmap.id).where(mine).order_by(Roadmap.id)).execute()
            moved = Roadmap.update(owner=new.id).where(mine).execute()
            ReviewCard.update(owner=new.id).where(
                ReviewCard.owner == old.id
            ).execute()  # after: new ones wait for a roadmap
            act.found["roadmaps"] = moved
    told = {
        name: Owner(id=row.id, email=row.email)
        for name, row in (("owner", old), ("new_owner", new))
    }
    return Transferred(**told, roadmaps=moved)


def _account_id(name: str, whose: str) -> UUID:
    try:
        wanted = Account.id == UUID(whose)
    except ValueError:
        wanted = Account.email == whose.strip().lower()
    with session():
        found: UUID | None = Account.select(Account.id).where(wanted).scalar()
    if found is None:
        rule = FieldError(f"/{name}", "is neither the e-mail address nor the id of an account")
        raise Invalid("Some fields do not fit.", fields=(rule,))
    return found


def _may_come_in(account: Account) -> bool:
    """In embedded mode there is one who does, without a password."""
    if settings.embedded:
        return bool(account.id == LOCAL_OWNER)
    return bool(account.password_hash) and account.disabled_at is None
