"""Every point at which a process of the service can be killed: the only place that knows them.

The application contains none, so they cost nothing in production: `inject/sitecustomize.py` wraps
the functions that are named here in a process that a test has started. A function is named where it
is looked up, which is not always where it is defined.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

ServiceName = Literal["api", "content", "logs"]


class Call(NamedTuple):
    """One call of what is wrapped; before it there is no result."""

    args: tuple[Any, ...]
    result: Any = None


def _always(call: Call) -> bool:
    return True


def _gave_something(call: Call) -> bool:
    return call.result is not None


def _acknowledges(call: Call) -> bool:
    """`claim(self, timeout, done)` with tasks that have run."""
    return len(call.args) > 2 and len(call.args[2]) > 0


def _took_over(call: Call) -> bool:
    return bool(call.result.taken_over)


def _has_steps(call: Call) -> bool:
    return len(call.args[0]) > 0


@dataclass(frozen=True, slots=True)
class KillPoint:
    """A point before or after a call of any target ("module:attribute"), in one of the services.

    Only calls that count are counted.
    """

    service: ServiceName
    when: Literal["before", "after"]
    targets: tuple[str, ...]
    counts: Callable[[Call], bool] = _always


def _storages(method: str) -> tuple[str, ...]:
    return (
        f"reliable_queue.redis_storage:ReliableRedisStorage.{method}",
        f"reliable_queue.sqlite_storage:ReliableSqliteStorage.{method}",
    )


def _generators(method: str) -> tuple[str, ...]:
    return (
        f"roadmap.generation.llm.generator:ModelGenerator.{method}",
        f"roadmap.generation.catalogue.generator:CatalogueGenerator.{method}",
    )


POINTS: dict[str, KillPoint] = {
    # The API, from the request to the message
    "accept.before": KillPoint("api", "before", ("web.roadmaps.create_writer:create_many",)),
    "accept.committed": KillPoint(
        "api", "after", ("web.roadmaps.create_writer:create_many",)
    ),  # neither answered nor sent
    "sender.before": KillPoint("api", "before", ("tasks.dispatcher:enqueue",)),
    "sender.after": KillPoint("api", "after", ("tasks.dispatcher:enqueue",)),
    # A consumer and its messages
    "claim.before": KillPoint(
        "content", "before", _storages("claim"), _acknowledges
    ),  # run, saved, not acknowledged
    "claim.after": KillPoint("content", "after", _storages("claim"), _gave_something),
    "execute.before": KillPoint(
        "content", "before", ("reliable_queue.queue:ReliableQueue.execute",)
    ),
    "execute.after": KillPoint("content", "after", ("reliable_queue.queue:ReliableQueue.execute",)),
    "snooze.before": KillPoint("content", "before", _storages("snooze")),  # the retry is decided
    "snooze.after": KillPoint(
        "content", "after", _storages("snooze")
    ),  # and scheduled: no consumer holds the message
    "dead_letter.before": KillPoint("content", "before", _storages("dead_letter")),
    "dead_letter.after": KillPoint("content", "after", _storages("dead_letter")),
    "heartbeat.before": KillPoint("content", "before", _storages("heartbeat")),
    "heartbeat.after": KillPoint("content", "after", _storages("heartbeat")),
    "heartbeat.took_over": KillPoint("content", "after", _storages("heartbeat"), _took_over),
    "renew.before": KillPoint(
        "content", "before", ("roadmap.lifecycle.making.leases:LeaseKeeper._renew",)
    ),
    "hand_back.before": KillPoint(
        "content", "before", ("roadmap.lifecycle.making.leases:LeaseKeeper.hand_back",)
    ),  # the grace is over
    "release_all.before": KillPoint("content", "before", _storages("release_all")),
    "release_all.after": KillPoint("content", "after", _storages("release_all")),
    # From a roadmap to its outline
    "lease.claimed": KillPoint(
        "content", "after", ("roadmap.lifecycle.making.leases:claim",), _gave_something
    ),  # in an open transaction
    "analysis.before": KillPoint(
        "content", "before", _generators("analyse")
    ),  # leased, the model not asked
    "analysis.saved": KillPoint(
        "content", "after", ("roadmap.lifecycle.making.plan_job:Planning._save_analysis",)
    ),
    "outline.before": KillPoint("content", "before", _generators("outline")),
    "outline.after": KillPoint("content", "after", _generators("outline")),  # paid for, not saved
    "draft.saved": KillPoint(
        "content", "after", ("roadmap.lifecycle.making.plan_job:Planning._save_draft",)
    ),
    "outline.uncommitted": KillPoint(
        "content", "after", ("roadmap.lifecycle.making.plan_job:adopt_outline",)
    ),
    "outline.saved": KillPoint(
        "content", "after", ("roadmap.lifecycle.making.plan_job:Planning._accept",)
    ),
    "steps.before": KillPoint("content", "before", ("tasks.content:enqueue",), _has_steps),
    "steps.after": KillPoint("content", "after", ("tasks.content:enqueue",), _has_steps),
    # From a content to a version of it
    "call.reserved": KillPoint(
        "content", "after", ("roadmap.budget.budget:BudgetedCall.__enter__",)
    ),  # in the books, not made
    "call.answered": KillPoint(
        "content", "before", ("roadmap.budget.budget:BudgetedCall.__exit__",)
    ),  # made, not in the books
    "content.before": KillPoint("content", "before", _generators("write")),
    "content.after": KillPoint("content", "after", _generators("write")),
    "content.uncommitted": KillPoint(
        "content", "before", ("roadmap.lifecycle.making.completion:finish_if_last",)
    ),
    "content.saved": KillPoint(
        "content", "after", ("roadmap.lifecycle.making.content_job:_save_content",)
    ),
    # The logs consumer
    "periodic.before": KillPoint("logs", "before", _storages("enqueue_once")),
    "periodic.after": KillPoint("logs", "after", _storages("enqueue_once")),
    "rescue.before": KillPoint(
        "logs", "before", ("tasks.upkeep:enqueue",), _has_steps
    ),  # chosen, not sent
    "rescue.after": KillPoint("logs", "after", ("tasks.upkeep:enqueue",), _has_steps),
    "records.before": KillPoint(
        "logs", "before", ("roadmap.operations.execution_log:store_batch",)
    ),
    "records.after": KillPoint(
        "logs", "after", ("roadmap.operations.execution_log:store_batch",)
    ),  # committed, not acknowledged
}


def resolve(target: str) -> tuple[Any, str]:
    """Return the module or class that holds the target, and its name there.

    Raises AttributeError when it is not there itself.
    """
    module, _, path = target.partition(":")
    holder: Any = importlib.import_module(module)
    *owners, name = path.split(".")
    for owner in owners:
        holder = getattr(holder, owner)
    if name not in vars(holder):  # an inherited one would be wrapped for others as well
        raise AttributeError(f"{target} is not there")
    return holder, name
