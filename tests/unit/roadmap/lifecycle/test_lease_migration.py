"""The migration that brought leases, with rows of the version before."""

import importlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import peewee
import pytest
from playhouse.migrations import Runner

from core.backends import open_database, open_migration_database
from core.db import settings, transaction
from core.ids import new_id
from core.migrate import DIRECTORY, known
from models.roadmaps import Concept, Content, Roadmap, Stage
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.lifecycle.making import content_job, plan_job
from testing.database import using
from tests.unit.roadmap.lifecycle.test_jobs import (
    FIRST,
    Interrupted,
    Small,
    assert_events_without_gaps,
    rows,
    the_content,
    the_roadmap,
    wait_out,
)

pytestmark = pytest.mark.usefixtures("immediate")


class TestMigration:
    """Rows that the version before wrote, and writes during a deployment, work with this one."""

    @pytest.fixture
    def before(self, tmp_path: Path) -> Iterator[peewee.Database]:
        """A database of the version before; the application of this process uses it."""
        mine = settings.model_copy(update={"data_dir": tmp_path})
        old = open_migration_database(mine)
        with old.connection_context():
            Runner(old, str(DIRECTORY)).up("0001_initial")
            with using(lambda: open_database(mine)):
                yield old

    def tables(self, old: peewee.Database) -> dict[str, Any]:
        """As the version before knows them: those that its migration makes."""
        made: list[Any] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(old, "create_tables", made.extend)
            importlib.import_module("migrations.0001_initial").up(None, old)
        return {table.__name__: table for table in made}

    def owner(self, old: peewee.Database) -> None:
        """The account of the version before."""
        fields = {"id": LOCAL_OWNER, "email": "local@localhost", "name": "", "password_hash": ""}
        self.tables(old)["Account"].insert(**fields, created_at=datetime.now()).execute()

    def write(self, old: peewee.Database, status: str = "queued", **fields: Any) -> UUID:
        """A roadmap with one content, by the tables as the version before knows them."""
        tables = self.tables(old)
        now, roadmap_id = datetime.fromisoformat("2026-01-02T03:04:05.678901"), new_id()
        texts = dict.fromkeys(
            ("background", "motivation", "preferences", "title", "generator", "error"), ""
        )
        numbers = dict.fromkeys(
            ("weeks", "hours", "attempts", "contents_ready", "contents_failed"), 0
        )
        times = dict.fromkeys(("due_at", "created_at", "updated_at"), now)
        tables["Roadmap"].insert(
            **{**texts, **numbers, **times},
            **{
                "id": roadmap_id,
                "owner": LOCAL_OWNER,
                "goal": "Become a backend engineer in Python",
                "level": "beginner",
            },
            **{
                "hours_per_week": 5,
                "language": "en",
                "status": status,
                "contents_total": 1,
                "last_seq": 1,
                **fields,
            },
        ).execute()
        tables["RoadmapEvent"].insert(
            roadmap=roadmap_id, seq=1, type="roadmap.queued", data={}, at=now
        ).execute()
        if status == "building":
            place = {"roadmap": roadmap_id, "title": "A title", "description": "", "position": 0}
            stage, module, concept = new_id(), new_id(), new_id()
            tables["Stage"].insert(id=stage, **place).execute()
            tables["Module"].insert(id=module, stage=stage, **place).execute()
            tables["Concept"].insert(
                **{
                    "id": concept,
                    "module": module,
                    "key": "http",
                    "week": 1,
                    "hours": 1,
                    "difficulty": 1,
                    **place,
                },
                **{"prerequisites": [], "outcomes": [], "progress": "todo"},
            ).execute()
            tables["Content"].insert(
                **{
                    "id": new_id(),
                    "roadmap": roadmap_id,
                    "concept": concept,
                    "kind": "tutorial",
                    "status": "building",
                },
                **{
                    "version": 0,
                    "error": "",
                    "attempts": 1,
                    "due_at": now,
                    "lease_token": new_id(),
                    "lease_until": now,
                },
            ).execute()
        return roadmap_id

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_roadmap_that_the_version_before_wrote_is_planned(
        self, before: peewee.Database, when: str
    ) -> None:
        self.owner(before)
        roadmap_id = self.write(before) if when == "before" else None
        Runner(before, str(DIRECTORY)).up()
        roadmap_id = roadmap_id or self.write(before)
        assert len(plan_job.plan(roadmap_id, Small())) == FIRST
        row = the_roadmap(roadmap_id)
        assert (row.status, row.attempts, row.interruptions) == ("building", 1, 0)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_content_whose_worker_of_the_version_before_died_is_taken_over(
        self, before: peewee.Database, when: str
    ) -> None:
        self.owner(before)
        roadmap_id = self.write(before, "building") if when == "before" else None
        Runner(before, str(DIRECTORY)).up()
        roadmap_id = roadmap_id or self.write(before, "building")
        (found,) = rows(Content)
        assert (found["interruptions"], found["challenged_at"]) == (0, None)
        generator = Interrupted(lambda: None)
        wait_out(lambda: content_job.build_content(found["id"], generator))
        content_job.build_content(found["id"], generator)
        assert (the_content(found["id"]).status, the_content(found["id"]).interruptions) == (
            "ready",
            1,
        )
        assert the_roadmap(roadmap_id).status == "ready"
        assert_events_without_gaps(roadmap_id)

    def test_going_up_keeps_every_row(self, before: peewee.Database) -> None:
        self.owner(before)
        self.write(before, "building")
        columns = self.columns(before)
        dumped = self.dump(before, columns)
        assert Runner(before, str(DIRECTORY)).up() == known()[1:]
        assert self.dump(before, columns) == dumped

    def test_what_hangs_on_a_roadmap_still_goes_with_it(self, before: peewee.Database) -> None:
        self.owner(before)
        roadmap_id = self.write(before, "building")
        Runner(before, str(DIRECTORY)).up()
        with transaction():
            Roadmap.delete().where(Roadmap.id == roadmap_id).execute()
        assert rows(Content) == rows(Stage) == rows(Concept) == []

    def columns(self, old: peewee.Database) -> dict[str, list[str]]:
        tables = [name for name in old.get_tables() if name != "schema_migration"]
        return {name: [column.name for column in old.get_columns(name)] for name in tables}

    def dump(self, old: peewee.Database, columns: dict[str, list[str]]) -> dict[str, list[Any]]:
        found = {}
        for name, of_table in columns.items():
            named = ", ".join(f'"{column}"' for column in of_table)
            found[name] = sorted(old.execute_sql(f'SELECT {named} FROM "{name}"').fetchall())
        return found
