"""Rows with a lease of another worker, and a database that is away."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import peewee
import pytest

from core.db import database, transaction
from models.roadmaps import ContentVersion, Roadmap, Stage
from roadmap.generation.context import Generator
from roadmap.generation.retry_policy import StopSignal
from roadmap.lifecycle.making import content_job, leases, plan_job
from roadmap.lifecycle.making.leases import BUILDING, PLANNING, LeaseKind
from roadmap.plan.statuses import Job
from tests.unit.roadmap.lifecycle.test_jobs import (
    Small,
    accepted,
    planned,
    rows,
    the_content,
    the_roadmap,
)


@dataclass(frozen=True)
class Leased:
    """A row that waits, and what works on it."""

    work: LeaseKind
    row_id: UUID

    def run(self, generator: Generator) -> list[Job]:
        if self.work is PLANNING:
            return plan_job.plan(self.row_id, generator)
        return content_job.build_content(self.row_id, generator)

    @property
    def row(self) -> Any:
        return the_roadmap(self.row_id) if self.work is PLANNING else the_content(self.row_id)

    @property
    def done(self) -> str:
        return "building" if self.work is PLANNING else "ready"

    def assert_written_by(self, generator: Small) -> None:
        """Check that the row has the work of this one, once, and none that came too late."""
        assert self.row.status == self.done
        assert len(generator.asked) == 1
        assert [
            row for row in (*rows(Roadmap), *rows(ContentVersion)) if "too late" in str(row)
        ] == []
        assert len(rows(Stage)) == 1
        assert len(rows(ContentVersion)) == (0 if self.work is PLANNING else 1)


@contextmanager
def away(*, times: int = 1_000_000) -> Iterator[None]:
    """The database refuses this many connections."""
    left, connect = [times], database.obj.connect

    def refuse(**options: Any) -> bool:
        if left[0] == 0:
            return bool(connect(**options))
        left[0] -= 1
        raise peewee.OperationalError("the database is away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database.obj, "connect", refuse)
        yield


def claimed(work: LeaseKind, row_id: UUID) -> UUID:
    """The token of a lease that no worker holds."""
    with transaction():
        token = leases.claim(work, row_id)
    assert token is not None
    return token


@contextmanager
def holding(keeper: leases.LeaseKeeper, works: Mapping[UUID, LeaseKind]) -> Iterator[None]:
    """All of these leases, by their tokens."""
    with ExitStack() as held:
        for token, work in works.items():
            held.enter_context(keeper.holding(work, token, StopSignal()))
        yield


def can_begin(content_id: UUID) -> bool:
    """A quiz waits for its tutorial."""
    return the_content(content_id).kind != "quiz"


def all_claimed() -> dict[UUID, LeaseKind]:
    """All contents of a roadmap that can begin, and another roadmap, by their tokens."""
    _, contents = planned()
    return {
        **{claimed(BUILDING, each): BUILDING for each in contents if can_begin(each)},
        claimed(PLANNING, accepted()): PLANNING,
    }
