"""What the service and what it replaces use of a machine, as `make bench-usage WRITE=1` has measured and written it."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).with_suffix(".json")

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class UsageModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PartUsage(UsageModel):
    """What one part uses: a process with all that it has started.

    `memory` and `memory_busy` are MB (10^6 bytes) as in a container of its own: what its processes share counts once, what they
    share with other parts on the machine of the measurement in full. The one is with nothing to do after a first roadmap, the
    other the most that was seen while roadmaps were made, ten at a time. `cpu_idle` is cores (CPU seconds a second) with nothing
    to do; `cpu_per_roadmap` and `cpu_per_request` are CPU seconds beyond it, for one roadmap made while somebody follows its
    events to the end, and for one GET of a roadmap's tree. The latter only has the part that answers.
    """

    memory: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    memory_busy: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    cpu_idle: Amount
    cpu_per_roadmap: Amount
    cpu_per_request: Amount | None = None


class StackUsage(UsageModel):
    """`commands_...` are commands that clients send to Redis, an EVALSHA being one: a second with nothing to do, and beyond that
    for a roadmap and for a GET of its tree. `commands_inside_scripts_per_roadmap` come on top where a provider bills what
    scripts call. `stored_per_roadmap` is bytes of the database with its indexes, without its write-ahead log;
    `sent_per_roadmap` bytes of HTTP answers (with heads, compressed as for a browser, without TLS) to somebody who creates a
    roadmap and follows its events to the end, `sent_per_request` to a GET of its tree. `servers_cpu_per_request` is what
    PostgreSQL and Redis do for such a GET, in CPU seconds. `note` says what must be known before this stack is compared with
    another.
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
    """Of one roadmap that was made."""

    concepts: Count
    contents: Count


class Effort(UsageModel):
    """How long it was waited with nothing to do, in seconds, how many roadmaps were made (where none is made of a goal, ten times
    as many goals were accepted), how many trees were asked for, and how many seconds an answer of the model took while commands
    were counted.
    """

    idle_seconds: Count
    roadmaps: Count
    requests: Count
    call_seconds: Seconds = 1


class MeasuredUsage(UsageModel):
    """Of one run on one machine; `seconds` is how long it took. `stacks` are by name."""

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
    """What was written last."""
    return MeasuredUsage.model_validate_json(FILE.read_text("utf-8"))
