"""The queues for operators: how full they are, their messages and workers, and what can be done about them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.sanitize import CLEAN
from roadmap.operations.audit_log import Action
from tasks import queue_admin
from tasks.message_browser import LONGEST_SEARCH, MessageState
from tasks.queue_actions import act_on, act_on_dead
from tasks.queue_admin import MOST_SKIPPED, QueueState
from web.audit_actor import actor_of
from web.call import Call
from web.endpoint import Endpoint
from web.http.pagination import Limit, paged
from web.http.responses import Reply

Search = Annotated[
    str,
    Field(
        max_length=LONGEST_SEARCH,
        description=(
            "Only those that have this in their id, task, arguments or reason, in whatever case."
        ),
    ),
    CLEAN,
]


class QueueEndpoint(Endpoint):
    """Endpoint that changes the broker, so that no transaction stores its response."""

    takes_key = False


class QueueInfo(BaseModel):
    """A queue as it is now: messages by state, how late it is, who works on it."""

    name: str = Field(description="`content`, which makes roadmaps, or `logs`.")
    ready: int = Field(description="Messages that a worker may take now.")
    running: int = Field(description="That a worker is at.")
    scheduled: int = Field(description="That are for later, among them those that are tried again.")
    retrying: int | None = Field(
        description=(
            "Of those that are ready or scheduled: after a try that failed. null: too many to "
            "look at."
        )
    )
    dead: int = Field(
        description="That were put aside, and that nobody tries any more (dead letters)."
    )
    oldest_seconds: float | None = Field(
        description="Seconds for which the oldest of those that are ready has waited."
    )
    is_paused: bool = Field(description="Whether nobody takes anything from it.")
    workers: int = Field(description="Processes that work on it.")


class QueueList(BaseModel):
    """Both queues."""

    items: list[QueueInfo]


class QueueMessage(BaseModel):
    """One message of a queue."""

    id: str = Field(
        description="Of the message; of one that was put aside, that of its dead letter."
    )
    state: MessageState = Field(description="`held` is one that a worker is at.")
    task: str = Field(description="The function that it calls.")
    arguments: str | None = Field(description="With what; null unless it was asked for.")
    sent_at: datetime | None = Field(description="null: sent by a version that did not note it.")
    due_at: datetime | None = Field(description="When one on the schedule is due.")
    at: datetime | None = Field(
        description="Since when it is ready or runs, or when it was put aside."
    )
    tries_left: int | None = Field(
        description="How often it may be tried yet, with the try that runs."
    )
    worker: str | None = Field(description="Who is at it.")
    reason: str = Field(description="Why it was put aside.")


class QueueMessages(BaseModel):
    """Those of one state. `next_cursor` is null on the last page."""

    items: list[QueueMessage]
    next_cursor: str | None
    looked_at: int = Field(description="How many messages were looked at for this page.")
    is_complete: bool = Field(description="Whether those were all; a search has its limit.")


class MessagesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    state: MessageState = Field(MessageState.dead, description="Which ones.")
    search: Search = ""
    arguments: bool = Field(
        False,
        description="Whether to show with what a task was called. It may be what somebody learns.",
    )
    limit: Limit = 50
    cursor: Annotated[int, Field(ge=0, le=MOST_SKIPPED)] = Field(
        0, description="`next_cursor` of the page before."
    )


class Counted(BaseModel):
    """Number of dead letters."""

    count: int = Field(description="Dead letters.")


class RunningTask(BaseModel):
    """Task that a worker runs."""

    task: str = Field(description="The function that it runs.")
    message_id: str
    since: datetime | None = Field(description="null: it has begun since its last heartbeat.")


class WorkerState(BaseModel):
    """A process that works on a queue. What is null is not known: its version does not say it."""

    id: str
    queue: str = Field(description="On which it works.")
    host: str | None = Field(description="The machine.")
    pid: int | None = Field(description="Its number there.")
    version: str | None = Field(description="Of the service that it runs.")
    threads: int | None = Field(description="How many tasks it can do at once.")
    started_at: datetime | None
    seen_at: datetime | None = Field(
        description=(
            "Its last heartbeat; null: it is silent, and others will take over what it holds."
        )
    )
    running: list[RunningTask] = Field(description="What it is doing.")


class WorkerList(BaseModel):
    """Those that live, and those that still hold something."""

    items: list[WorkerState]


def list_queues(call: Call) -> QueueList:
    """Depth and delay of all queues."""
    return QueueList(
        items=[_queue_info(state) for state in queue_admin.queue_states(with_retrying=True)]
    )


def read_queue(call: Call) -> QueueInfo:
    """Depth and delay of a queue."""
    return _queue_info(queue_admin.queue_state(call.ids["queue"]))


def list_queue_messages(call: Call) -> Reply:
    """Of one state, those that are next or newest first. A search looks at ten thousand of them at
    most.
    """
    query: MessagesQuery = call.query
    found = queue_admin.messages(
        call.ids["queue"], query.state, search=query.search, limit=query.limit, offset=query.cursor
    )
    same = ("id", "state", "task", "sent_at", "due_at", "at", "tries_left", "worker", "reason")
    items = [
        QueueMessage(
            **{name: getattr(info, name) for name in same},
            arguments=info.arguments if query.arguments else None,
        )
        for info in found.items
    ]
    following = (
        str(query.cursor + query.limit)
        if found.more and query.cursor + query.limit <= MOST_SKIPPED
        else None
    )
    return paged(
        call.request,
        call.query,
        QueueMessages(
            items=items,
            next_cursor=following,
            looked_at=found.looked_at,
            is_complete=found.is_complete,
        ),
    )


def list_workers(call: Call) -> WorkerList:
    """Worker processes and the tasks they run."""
    same = WorkerState.model_fields.keys() - {"running"}
    items = [
        WorkerState(
            **{name: getattr(info, name) for name in same},
            running=[
                RunningTask(task=each.task, message_id=each.task_id, since=each.since)
                for each in info.running
            ],
        )
        for info in queue_admin.workers()
    ]
    return WorkerList(items=items)


def pause_queue(call: Call) -> None:
    """Stop claiming messages until the queue is resumed, also after a restart.

    Tasks that run are finished.
    """
    act_on(actor_of(call), Action.queue_pause, call.ids["queue"])


def resume_queue(call: Call) -> None:
    """Its messages are taken again."""
    act_on(actor_of(call), Action.queue_resume, call.ids["queue"])


def retry_message(call: Call) -> None:
    """Deliver a dead letter again, from its first try on."""
    _act_on_message(call, Action.message_retry)


def delete_message(call: Call) -> None:
    """Delete a dead letter for good."""
    _act_on_message(call, Action.message_delete)


def revoke_message(call: Call) -> None:
    """End the row of the task in the database; its message does nothing.

    A task that runs is stopped at its next heartbeat, and saves nothing. Batches of log records and
    periodic tasks cannot be revoked.
    """
    _act_on_message(call, Action.message_revoke)


def retry_dead_letters(call: Call) -> Counted:
    """Deliver dead letters again: all, or those that are found."""
    return _act_on_dead(call, Action.dead_retry)


def delete_dead_letters(call: Call) -> Counted:
    """Delete dead letters for good: all, or those that are found."""
    return _act_on_dead(call, Action.dead_delete)


def _act_on_message(call: Call, action: Action) -> None:
    act_on(actor_of(call), action, call.ids["queue"], call.ids["message"])


def _act_on_dead(call: Call, action: Action) -> Counted:
    return Counted(count=act_on_dead(actor_of(call), action, call.ids["queue"], call.body))


def _queue_info(state: QueueState) -> QueueInfo:
    facts = {name: getattr(state, name) for name in QueueInfo.model_fields if name != "running"}
    return QueueInfo(**facts, running=state.held)
