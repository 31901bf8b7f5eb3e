"""Commands on one content."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from core.db import session
from core.errors import Conflict
from models.roadmaps import Content, Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.generation.context import GeneratorFault
from roadmap.lifecycle import commands, content_versions, revisions
from roadmap.lifecycle.commands import CommandResult
from roadmap.plan.edits import Rewrite
from roadmap.plan.outline import ContentKind, Tutorial
from tests.unit.roadmap.lifecycle.designer import (
    KINDS,
    PLAN,
    Designer,
    assert_events_in_order,
    created,
    do,
    edit,
    event_names,
    ids_by_key,
    texts,
)
from tests.unit.roadmap.lifecycle.test_jobs import rows, the_roadmap

pytestmark = pytest.mark.usefixtures("immediate")


class TestParts:
    def test_a_part_is_regenerated_as_the_person_wants_it(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        flour = ids_by_key(roadmap_id)["flour"]
        was = texts(roadmap_id)
        do(
            commands.regenerate(
                LOCAL_OWNER, roadmap_id, flour, ContentKind.tutorial, "Shorter, please."
            )
        )
        brief = designer.briefs[-1]
        assert brief.instruction == "Shorter, please."
        assert brief.previous == Tutorial(markdown=was["flour", "tutorial"])
        now = texts(roadmap_id)
        assert {place for place in was if was[place] != now[place]} == {("flour", "tutorial")}
        newest, first = content_versions.list_versions(
            LOCAL_OWNER, roadmap_id, flour, ContentKind.tutorial
        ).items
        assert (newest.version, newest.instruction, newest.current) == (2, "Shorter, please.", True)
        assert (first.version, first.instruction, first.current) == (1, "", False)
        old = content_versions.read_version(LOCAL_OWNER, roadmap_id, flour, ContentKind.tutorial, 1)
        assert old.content == Tutorial(markdown=was["flour", "tutorial"])
        row = the_roadmap(roadmap_id)
        assert (row.status, row.contents_ready, row.contents_failed) == ("ready", 2 * KINDS, 0)

    def test_a_wish_that_fails_leaves_the_version_that_is_there(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        flour, was = ids_by_key(roadmap_id)["flour"], texts(roadmap_id)
        designer.failing = lambda brief: True
        do(
            commands.regenerate(
                LOCAL_OWNER, roadmap_id, flour, ContentKind.tutorial, "Shorter, please."
            )
        )
        (part,) = rows(Content, (Content.concept == flour) & (Content.kind == "tutorial"))
        assert (part["status"], part["version"], part["error"], part["instruction"]) == (
            "ready",
            1,
            "Out of ink.",
            "",
        )
        assert (texts(roadmap_id), the_roadmap(roadmap_id).status) == (was, "ready")
        assert event_names(roadmap_id)[-2:] == ["content.failed", "roadmap.ready"]

    def test_one_part_that_failed_is_tried_again_and_no_other(
        self, client: TestClient, designer: Designer
    ) -> None:
        designer.failing = lambda brief: brief.key == "flour"
        roadmap_id = created(client)
        designer.failing = lambda brief: False
        flour = ids_by_key(roadmap_id)["flour"]
        assert the_roadmap(roadmap_id).contents_failed == KINDS
        do(commands.retry_part(LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.contents_ready, row.contents_failed) == (
            "partial",
            KINDS + 1,
            KINDS - 1,
        )
        with pytest.raises(Conflict, match="cannot be retried"):
            commands.retry_part(LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz)
        assert event_names(roadmap_id)[-3:] == [
            "content.queued",
            "content.ready",
            "roadmap.partial",
        ]

    def test_a_quiz_of_an_earlier_version_keeps_its_answers_to_itself(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        flour = ids_by_key(roadmap_id)["flour"]
        read = content_versions.read_version(LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz, 1)
        assert "answers" not in read.model_dump_json()
        assert "explanation" not in read.model_dump_json()

    @pytest.mark.parametrize("most", ["versions", "revisions"])
    def test_there_is_a_limit_to_versions_and_revisions(
        self, client: TestClient, designer: Designer, monkeypatch: pytest.MonkeyPatch, most: str
    ) -> None:
        roadmap_id = created(client)
        flour, before = ids_by_key(roadmap_id)["flour"], rows(Roadmap)
        monkeypatch.setattr(commands, "MOST_VERSIONS", 1)
        with session():  # an earlier version may have been taken up again
            Content.update(version=0).execute()
        monkeypatch.setattr(revisions, "MOST", 1)
        longer = Rewrite(op="rewrite", what="concept", key="dough", hours=9)
        decide: dict[str, Callable[[], CommandResult]] = {
            "versions": lambda: commands.regenerate(
                LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz, ""
            ),
            "revisions": lambda: edit(roadmap_id, longer),
        }
        with pytest.raises(Conflict, match=f"maximum of 1 {most}"):
            decide[most]()
        assert rows(Roadmap) == before

    def test_a_part_that_is_being_written_is_not_begun_twice(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        flour = ids_by_key(roadmap_id)["flour"]
        commands.regenerate(LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz, "")
        with pytest.raises(Conflict, match="already being written"):
            commands.regenerate(LOCAL_OWNER, roadmap_id, flour, ContentKind.quiz, "")

    def test_all_that_failed_is_tried_again_and_nothing_else(
        self, client: TestClient, designer: Designer
    ) -> None:
        designer.failing = lambda brief: brief.key == "dough"
        roadmap_id = created(client)
        assert (the_roadmap(roadmap_id).status, the_roadmap(roadmap_id).contents_failed) == (
            "partial",
            KINDS,
        )
        designer.failing, designer.asked = (lambda brief: False), []
        do(commands.retry(LOCAL_OWNER, roadmap_id))
        row = the_roadmap(roadmap_id)
        assert (row.status, row.error, row.contents_ready, row.contents_failed) == (
            "ready",
            "",
            2 * KINDS,
            0,
        )
        assert sorted(designer.asked) == sorted(f"{kind} of dough" for kind in ContentKind)
        assert_events_in_order(roadmap_id)

    def test_an_outline_that_failed_is_tried_again(
        self, client: TestClient, designer: Designer
    ) -> None:
        designer.designs = [GeneratorFault("No idea.", lasting=True), PLAN]
        roadmap_id = created(client)
        assert the_roadmap(roadmap_id).status == "failed"
        do(commands.retry(LOCAL_OWNER, roadmap_id))
        assert the_roadmap(roadmap_id).status == "ready"
        assert designer.asked.count("analysis") == 1
        newest, first = revisions.list_revisions(LOCAL_OWNER, roadmap_id).items
        assert (first.status, newest.status, newest.number, newest.current) == (
            "failed",
            "done",
            2,
            True,
        )

    def test_there_is_nothing_to_retry_in_a_finished_roadmap(
        self, client: TestClient, designer: Designer
    ) -> None:
        roadmap_id = created(client)
        with pytest.raises(Conflict, match="ready cannot be retried"):
            commands.retry(LOCAL_OWNER, roadmap_id)
