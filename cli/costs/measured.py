"""Measured use of the service and of the stack it replaces.

`make bench-usage WRITE=1` writes measured.json beside this file.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

FILE = Path(__file__).with_suffix(".json")

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class UsageModel(BaseModel, frozen=True, extra="forbid"):
    """Base of what was measured."""


class PartUsage(UsageModel):
    """Use of one part: a process with all its children.

    `memory` and `memory_busy` are MB (10^6 bytes) as in a container of its own: memory that its
    processes share counts once, memory shared with other parts on the machine in full. The first is
    idle after a first roadmap, the second the maximum while roadmaps are made, ten at a time.
    `cpu_idle` is cores (CPU seconds a second) when idle; `cpu_per_roadmap` and `cpu_per_request`
    are CPU seconds beyond it, for one roadmap whose events are followed to the end, and for one GET
    of a roadmap's tree. Only the part that answers has the latter.
    """

    memory: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    memory_busy: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    cpu_idle: Amount
    cpu_per_roadmap: Amount
    cpu_per_request: Amount | None = None


class StackUsage(UsageModel):
    """Use of a stack.

    `commands_...` are commands that clients send to Redis, an EVALSHA being one: a second when
    idle, and beyond that for a roadmap and for a GET of its tree.
    `commands_inside_scripts_per_roadmap` are added by providers who bill the commands of scripts.
    `stored_per_roadmap` is bytes of the database with its indexes, without its write-ahead log;
    `sent_per_roadmap` bytes of HTTP answers (with heads, compressed as for a browser, without TLS)
    to a client that creates a roadmap and follows its events to the end, `sent_per_request` to a
    GET of its tree. `servers_cpu_per_request` is CPU seconds of PostgreSQL and Redis for such a
    GET. `note` is what a comparison with another stack must mention.
    """

    parts: Annotated[dict[str, PartUsage], Field(min_length=1)]
    commands_idle: Amount
    commands_per_roadmap: Amount
    commands_inside_scripts_per_roadmap: Amount
    commands_per_request: Amount
    stored_per_roadmap: Amount
    sent_per_roadmap: Amount
    sent_per_request: Amount
    servers_cpu_per_request: dict[str, Amount]
    note: str = ""


class RoadmapSize(UsageModel):
    """Size of one roadmap."""

    concepts: Count
    contents: Count


class Effort(UsageModel):
    """Effort of a measurement.

    `idle_seconds` without work; `roadmaps` that were made (a stack that makes none accepted ten
    times as many goals); `requests` for trees; `call_seconds` of an answer of the model while
    commands were counted.
    """

    idle_seconds: Count
    roadmaps: Count
    requests: Count
    call_seconds: Seconds = 1


class MeasuredUsage(UsageModel):
    """Measurement of one run on one machine, which took `seconds`.

    `stacks` are by name.
    """

    date: str
    command: str
    seconds: Count
    machine: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, str]
    effort: Effort
    roadmap: RoadmapSize
    stacks: Annotated[dict[str, StackUsage], Field(min_length=1)]


def load() -> MeasuredUsage:
    """Return the last measurement."""
    return MeasuredUsage.model_validate_json(FILE.read_text("utf-8"))
