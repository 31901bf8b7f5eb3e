"""API keys, and invitations by administrators."""

from contextlib import AbstractContextManager, nullcontext

from pydantic import Field

from core.db import after_transaction
from core.errors import Conflict
from core.json_types import Page
from roadmap.accounts import api_keys, invitations
from roadmap.accounts.identity import Scope
from roadmap.operations.audit_log import Action, audited
from web.auth import tokens
from web.auth.revocation_cache import revocations
from web.endpoints.call import Call
from web.endpoints.endpoint import API, Endpoint, actor_of
from web.http import limits
from web.http.pagination import PageQuery, paged
from web.http.responses import Reply
from web.http.security_log import log_security_event
from web.http.urls import quoted_path

FOR_OPERATORS = {Scope.observe, Scope.admin}  # a key of an operator with these is audited


class NewInvitation(invitations.InvitationInfo):
    """A new invitation.

    `invitation` is needed to register, and only returned here.
    """

    invitation: str = Field(description="Value to send when registering; only returned here.")


def create_key(call: Call[api_keys.KeyRequest]) -> Reply[api_keys.NewKey]:
    """Create a key for a program that acts as this account.

    `key` is only returned here.
    """
    limits.count_for(limits.NEW_KEYS, call.owner)
    if FOR_OPERATORS & set(call.body.scopes) and FOR_OPERATORS & call.caller.scopes:
        details = {"scopes": ", ".join(sorted(call.body.scopes))}
        with audited(actor_of(call), Action.key_create, call.body.name, details) as entry:
            made = api_keys.create(call.owner, call.body)
            entry.found["key"] = str(made.id)
    else:
        made = api_keys.create(call.owner, call.body)
    log_security_event(
        call.request, "key-made", account=call.owner, key=made.id, scopes=",".join(made.scopes)
    )
    return Reply(made, headers={"Location": f"{quoted_path(call.request.scope['path'])}/{made.id}"})


def read_key(call: Call) -> api_keys.KeyInfo:
    """An API key without its secret."""
    return api_keys.read(call.owner, call.ids["key_id"])


def list_keys(call: Call) -> api_keys.KeyList:
    """API keys without their secrets, newest first."""
    return api_keys.list_keys(call.owner)


def revoke_key(call: Call) -> None:
    """The key is no longer valid."""
    key = api_keys.read(call.owner, call.ids["key_id"])
    entry: AbstractContextManager[object] = nullcontext()
    if FOR_OPERATORS & set(key.scopes):
        entry = audited(actor_of(call), Action.key_revoke, key.name, {"key_id": str(key.id)})
    with entry:
        api_keys.revoke(call.owner, key.id)
    after_transaction(revocations.refresh)  # it may wait for one that waits for this transaction
    log_security_event(call.request, "key-revoked", account=call.owner, key=call.ids["key_id"])


def create_invitation(call: Call[invitations.InvitationRequest]) -> Reply[NewInvitation]:
    """Create an invitation.

    One person can register with it, once, within seven days. `invitation` is only returned here.
    """
    with audited(
        actor_of(call), Action.invitation_create, call.body.email or "anyone with the invitation"
    ) as entry:
        made = invitations.invite(call.owner, call.body)
        entry.found["invitation"] = str(made.id)
    log_security_event(call.request, "invited", account=call.owner, invitation=made.id)
    body = NewInvitation(**made.model_dump(), invitation=tokens.invitation_token(made.id))
    return Reply(body, headers={"Location": f"{quoted_path(call.request.scope['path'])}/{made.id}"})


def read_invitation(call: Call) -> invitations.InvitationInfo:
    """An invitation that can still be used."""
    return invitations.read_open(call.ids["invitation_id"])


def list_invitations(call: Call[None, PageQuery]) -> Reply[Page[invitations.InvitationInfo]]:
    """Invitations that can still be used, newest first."""
    return paged(
        call.request,
        call.query,
        invitations.list_open(limit=call.query.limit, before=call.query.cursor),
    )


def withdraw_invitation(call: Call) -> None:
    """The invitation can no longer be used."""
    with audited(actor_of(call), Action.invitation_withdraw, str(call.ids["invitation_id"])):
        invitations.withdraw(call.ids["invitation_id"])
    log_security_event(
        call.request,
        "invitation-withdrawn",
        account=call.owner,
        invitation=call.ids["invitation_id"],
    )


ENDPOINTS = (
    Endpoint("POST", API + "/api-keys", create_key, "Create an API key", status=201,
        login_only=True, raises=(Conflict,), has_secret=True),
    Endpoint("GET", API + "/api-keys", list_keys, "List API keys", login_only=True),
    Endpoint("GET", API + "/api-keys/{key_id}", read_key, "Read an API key", login_only=True),
    Endpoint("DELETE", API + "/api-keys/{key_id}", revoke_key, "Revoke an API key", status=204,
        login_only=True, current=read_key),
    Endpoint("POST", API + "/invitations", create_invitation, "Create an invitation", status=201,
        scope=Scope.admin, has_secret=True),
    Endpoint("GET", API + "/invitations", list_invitations, "List invitations", scope=Scope.admin),
    Endpoint("GET", API + "/invitations/{invitation_id}", read_invitation, "Read an invitation",
        scope=Scope.admin),
    Endpoint("DELETE", API + "/invitations/{invitation_id}", withdraw_invitation,
        "Revoke an invitation", status=204, scope=Scope.admin, current=read_invitation),
)  # fmt: skip
