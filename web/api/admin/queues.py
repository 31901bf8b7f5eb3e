"""Queues, messages and workers, for operators."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from pydantic import Field

from core.errors import Conflict
from core.json_types import LazyModel, from_row
from core.sanitize import CLEAN
from roadmap.accounts.identity import Scope
from roadmap.operations.audit_log import Action
from tasks import queue_admin
from tasks.message_browser import LONGEST_SEARCH, MessageState
from tasks.queue_admin import DeadLettersRequest, QueueCounts, act_on, act_on_dead
from web.endpoints.call import Call, EmptyBody
from web.endpoints.endpoint import ADMIN, QUEUE, Endpoint, actor_of, observe
from web.http.pagination import Limit, paged
from web.http.responses import Reply

MESSAGE = QUEUE + "/messages/{message}"
Search = Annotated[
    str,
    Field(
        max_length=LONGEST_SEARCH,
        description=(
            "Only messages with this text in ID, task, arguments or reason, ignoring case."
        ),
    ),
    CLEAN,
]


class QueueEndpoint(Endpoint):
    """Endpoint that changes the broker, so that no transaction stores its response."""

    takes_key = False


class QueueInfo(QueueCounts):
    """Current state of a queue: messages by state, delay and consumers."""

    running: int = Field(description="Messages whose task is running.")


class QueueList(LazyModel):
    """Both queues."""

    items: list[QueueInfo]


class QueueMessage(LazyModel):
    """One message of a queue."""

    id: str = Field(description="ID of the message or dead letter.")
    state: MessageState = Field(description="`held`: its task is running.")
    task: str = Field(description="Name of the task.")
    arguments: str | None = Field(description="With what; null unless it was asked for.")
    sent_at: datetime | None = Field(
        description="Time of sending; null: sent by a version that did not record it."
    )
    due_at: datetime | None = Field(description="Due time of a scheduled message.")
    at: datetime | None = Field(
        description="Since when it is ready or running, or when it became a dead letter."
    )
    tries_left: int | None = Field(description="Remaining attempts, including the current one.")
    worker: str | None = Field(description="ID of the consumer that holds it.")
    reason: str = Field(description="Why it became a dead letter.")


class QueueMessages(LazyModel):
    """Messages in one state. `next_cursor` is null on the last page."""

    items: list[QueueMessage]
    next_cursor: str | None
    looked_at: int = Field(description="Number of messages read for this page.")
    is_complete: bool = Field(description="Whether all messages were read; a search has a limit.")


class MessagesQuery(LazyModel, extra="forbid"):
    state: MessageState = Field(MessageState.dead, description="State of the messages.")
    search: Search = ""
    arguments: bool = Field(
        False,
        description="Whether to show the arguments of tasks. They may contain data of learners.",
    )
    limit: Limit = 50
    cursor: Annotated[int, Field(ge=0, le=queue_admin.MOST_SKIPPED)] = Field(
        0, description="`next_cursor` of the previous page."
    )


class Counted(LazyModel):
    """Number of dead letters."""

    count: int = Field(description="Number of dead letters.")


class RunningTask(LazyModel):
    """Task that a worker runs."""

    task: str = Field(description="Name of the task.")
    message_id: str
    since: datetime | None = Field(
        description="Start time; null: it has started since the last heartbeat."
    )


class WorkerState(LazyModel):
    """A worker process. Null: unknown, its version does not report it."""

    id: str
    queue: str = Field(description="Name of its queue.")
    host: str | None = Field(description="Host name.")
    pid: int | None = Field(description="Process ID.")
    version: str | None = Field(description="Version of the service.")
    threads: int | None = Field(description="Maximum number of concurrent tasks.")
    started_at: datetime | None
    seen_at: datetime | None = Field(
        description=("Last heartbeat; null: silent, so other consumers will reclaim its messages.")
    )
    running: list[RunningTask] = Field(description="Running tasks.")


class WorkerList(LazyModel):
    """Live workers, and silent ones that still hold messages."""

    items: list[WorkerState]


def list_queues(call: Call) -> QueueList:
    """Depth and delay of all queues."""
    return QueueList(
        items=[_queue_info(state) for state in queue_admin.queue_states(with_retrying=True)]
    )


def read_queue(call: Call) -> QueueInfo:
    """Depth and delay of a queue."""
    return _queue_info(queue_admin.queue_state(call.ids["queue"]))


def list_queue_messages(call: Call[None, MessagesQuery]) -> Reply[QueueMessages]:
    """Messages in one state:

    waiting ones in order of processing, others newest first. A search reads at most ten thousand.
    """
    query = call.query
    found = queue_admin.messages(
        call.ids["queue"], query.state, search=query.search, limit=query.limit, offset=query.cursor
    )
    items = [
        QueueMessage(**{**asdict(info), "arguments": info.arguments if query.arguments else None})
        for info in found.items
    ]
    following = query.cursor + query.limit
    page = QueueMessages(
        items=items,
        next_cursor=str(following)
        if found.more and following <= queue_admin.MOST_SKIPPED
        else None,
        looked_at=found.looked_at,
        is_complete=found.is_complete,
    )
    return paged(call.request, query, page)


def list_workers(call: Call) -> WorkerList:
    """Worker processes and the tasks they run."""
    items = []
    for info in queue_admin.workers():
        running = [
            RunningTask(task=each.task, message_id=each.task_id, since=each.since)
            for each in info.running
        ]
        items.append(WorkerState(**{**asdict(info), "running": running}))
    return WorkerList(items=items)


def pause_queue(call: Call[EmptyBody]) -> None:
    """Stop claiming messages until the queue is resumed, also after a restart.

    Running tasks finish.
    """
    act_on(actor_of(call), Action.queue_pause, call.ids["queue"])


def resume_queue(call: Call[EmptyBody]) -> None:
    """Claim messages again."""
    act_on(actor_of(call), Action.queue_resume, call.ids["queue"])


def retry_message(call: Call[EmptyBody]) -> None:
    """Put a dead letter back into its queue, with all its attempts."""
    act_on(actor_of(call), Action.message_retry, call.ids["queue"], call.ids["message"])


def delete_message(call: Call) -> None:
    """Delete a dead letter permanently."""
    act_on(actor_of(call), Action.message_delete, call.ids["queue"], call.ids["message"])


def revoke_message(call: Call[EmptyBody]) -> None:
    """Cancel the work of the task in the database, so that its message has no effect.

    A running task stops at its next heartbeat and saves nothing. Batches of log records and
    periodic tasks cannot be revoked.
    """
    act_on(actor_of(call), Action.message_revoke, call.ids["queue"], call.ids["message"])


def retry_dead_letters(call: Call[DeadLettersRequest]) -> Counted:
    """Put dead letters back into their queue: all, or those that match."""
    return Counted(
        count=act_on_dead(actor_of(call), Action.dead_retry, call.ids["queue"], call.body)
    )


def delete_dead_letters(call: Call[DeadLettersRequest]) -> Counted:
    """Delete dead letters permanently: all, or those that match."""
    return Counted(
        count=act_on_dead(actor_of(call), Action.dead_delete, call.ids["queue"], call.body)
    )


def _queue_info(state: queue_admin.QueueState) -> QueueInfo:
    return from_row(QueueInfo, state, running=state.held)


ENDPOINTS = (
    observe(ADMIN + "/queues", list_queues, "List queues"),
    observe(QUEUE, read_queue, "Read a queue"),
    observe(QUEUE + "/messages", list_queue_messages, "List messages of a queue"),
    QueueEndpoint("POST", QUEUE + "/pause", pause_queue, "Pause a queue", status=204,
        scope=Scope.admin),
    QueueEndpoint("POST", QUEUE + "/resume", resume_queue, "Resume a queue", status=204,
        scope=Scope.admin),
    QueueEndpoint("POST", MESSAGE + "/retry", retry_message, "Retry a dead letter", status=204,
        scope=Scope.admin),
    QueueEndpoint("POST", MESSAGE + "/revoke", revoke_message, "Revoke a message", status=204,
        scope=Scope.admin, raises=(Conflict,)),
    Endpoint("DELETE", MESSAGE, delete_message, "Delete a dead letter", status=204,
        scope=Scope.admin),
    QueueEndpoint("POST", QUEUE + "/dead/retry", retry_dead_letters, "Retry dead letters",
        scope=Scope.admin),
    QueueEndpoint("POST", QUEUE + "/dead/delete", delete_dead_letters, "Delete dead letters",
        scope=Scope.admin),
    observe(ADMIN + "/workers", list_workers, "List workers"),
)  # fmt: skip
