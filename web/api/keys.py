"""API keys of the caller, and invitations that an administrator gives."""

from roadmap import api_keys, invitations
from roadmap.api_keys import KeyList
from roadmap.invitations import InvitationInfo, InvitationList
from web import limits, tokens
from web.endpoint import Call, Reply
from web.noting import note
from web.standing import standing


class NewInvitation(InvitationInfo):
    """`invitation` is what the invited person sends when registering; it is told this once."""

    invitation: str


def create_key(call: Call) -> Reply:
    limits.count_new_key(call.owner)
    made = api_keys.create(call.owner, call.body)
    note(call.request, "key-made", account=call.owner, key=made.id, scopes=",".join(made.scopes))
    return Reply(made)


def list_keys(call: Call) -> KeyList:
    return api_keys.list_keys(call.owner)


def revoke_key(call: Call) -> None:
    api_keys.revoke(call.owner, call.ids["key_id"])
    standing.refresh()
    note(call.request, "key-revoked", account=call.owner, key=call.ids["key_id"])


def invite(call: Call) -> Reply:
    made = invitations.invite(call.owner, call.body)
    note(call.request, "invited", account=call.owner, invitation=made.id)
    return Reply(NewInvitation(**made.model_dump(), invitation=tokens.invitation_token(made.id)))


def list_invitations(call: Call) -> InvitationList:
    return invitations.list_open()


def withdraw_invitation(call: Call) -> None:
    invitations.withdraw(call.ids["invitation_id"])
    note(call.request, "invitation-withdrawn", account=call.owner, invitation=call.ids["invitation_id"])
