"""Actions of operators on the queues, each with an entry in the audit log.

All raise NotFound for a queue or message that is not there, and Unavailable when the broker does
not answer.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from core.json_types import LazyModel
from core.sanitize import CLEAN, Rule, validate_printable
from roadmap.operations.audit_log import Action, Actor, audited
from tasks import queue_admin
from tasks.message_browser import LONGEST_SEARCH

ACTS: Mapping[Action, Callable[..., Any]] = {
    Action.queue_pause: queue_admin.pause,
    Action.queue_resume: queue_admin.resume,
    Action.message_retry: queue_admin.replay,
    Action.message_delete: queue_admin.discard,
    Action.message_revoke: queue_admin.revoke,
    Action.dead_retry: queue_admin.replay_all,
    Action.dead_delete: queue_admin.discard_all,
}


def _narrowing(given: str) -> str:
    if given.strip():
        return validate_printable(given)
    raise ValueError("contains no words: omit it to select all")


_ANY = CLEAN.pattern.removeprefix("^").removesuffix("*$")  # one character of such a text
_BLANK, _WORD = (_ANY.replace("[^", rf"[^{others}") for others in (r"\S", r"\s"))
# No lookahead: programs that generate examples from patterns do not support it.
NARROWING = Rule(_narrowing, f"^{_BLANK}*{_WORD}{_ANY}*$")


class DeadLettersRequest(LazyModel, extra="forbid"):
    """Selection of dead letters: all, or those that match."""

    search: Annotated[str, Field(max_length=LONGEST_SEARCH), NARROWING] | None = Field(
        None,
        description=(
            "Only messages with this text in ID, task, arguments or reason, ignoring case."
        ),
    )
    up_to: AwareDatetime | None = Field(
        None,
        description=(
            "Only dead letters up to this time, such as the `at` of the newest one that "
            "you have seen."
        ),
    )


def act_on(actor: Actor, action: Action, queue: str, *message: str) -> None:
    """Act on a queue or a message. Raise Conflict when it cannot be revoked."""
    with audited(actor, action, "/".join((queue, *message))):
        ACTS[action](queue, *message)


def act_on_dead(actor: Actor, action: Action, queue: str, which: DeadLettersRequest) -> int:
    """Retry or delete several dead letters, and return how many."""
    with audited(actor, action, queue, which.model_dump(mode="json", exclude_none=True)) as act:
        act.found["count"] = count = int(ACTS[action](queue, which.search, which.up_to))
    return count
