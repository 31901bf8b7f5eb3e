"""An earlier version of a part is shown again: texts stay, and what depends on it follows."""

from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core.errors import Conflict, NotFound
from models.roadmaps import Content, ContentVersion
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.lifecycle import commands, content_versions, events
from roadmap.plan.edits import Rewrite
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import ContentStatus
from tests.unit.roadmap.lifecycle.designer import Designer, created, do, edit, ids_by_key, texts
from tests.unit.roadmap.lifecycle.test_jobs import rows, the_roadmap

pytestmark = pytest.mark.usefixtures("immediate")

TUTORIAL = ContentKind.tutorial


@pytest.fixture
def twice(client: TestClient, designer: Designer) -> tuple[UUID, UUID]:
    """A roadmap, and its concept whose tutorial has two versions."""
    roadmap_id = created(client)
    flour = ids_by_key(roadmap_id)["flour"]
    do(commands.regenerate(LOCAL_OWNER, roadmap_id, flour, TUTORIAL, "Shorter."))
    return roadmap_id, flour


def restore(
    roadmap_id: UUID, concept_id: UUID, number: int, kind: ContentKind = TUTORIAL
) -> commands.CommandResult:
    return do(commands.restore_version(LOCAL_OWNER, roadmap_id, concept_id, kind, number))


def versions(
    roadmap_id: UUID, concept_id: UUID, kind: ContentKind = TUTORIAL
) -> list[tuple[int, bool]]:
    items = content_versions.list_versions(LOCAL_OWNER, roadmap_id, concept_id, kind).items
    return [(item.version, item.current) for item in items]


class TestAnEarlierVersion:
    def test_is_shown_again_and_every_version_stays_as_it_is(
        self, twice: tuple[UUID, UUID]
    ) -> None:
        before, wrote = texts(twice[0])["flour", "tutorial"], rows(ContentVersion)
        assert restore(*twice, 1).status == "ready"
        assert texts(twice[0])["flour", "tutorial"] != before
        assert versions(*twice) == [(2, False), (1, True)]
        restore(*twice, 2)
        assert texts(twice[0])["flour", "tutorial"] == before
        assert rows(ContentVersion) == wrote

    def test_has_an_event_and_the_last_event_is_still_the_end(
        self, twice: tuple[UUID, UUID]
    ) -> None:
        restore(*twice, 1)
        found = assert_events_end(twice[0])
        assert found[-2:] == ["content.restored", "roadmap.ready"]

    def test_the_next_one_has_a_number_of_its_own(self, twice: tuple[UUID, UUID]) -> None:
        restore(*twice, 1)
        do(commands.regenerate(LOCAL_OWNER, *twice, TUTORIAL, "Longer."))
        assert versions(*twice) == [(3, True), (2, False), (1, False)]

    def test_of_another_subject_is_copied_as_one_that_fits(self, twice: tuple[UUID, UUID]) -> None:
        roadmap_id, flour = twice
        first = content_versions.read_version(LOCAL_OWNER, roadmap_id, flour, TUTORIAL, 1).content
        edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="flour", title="Rye"))
        assert [number for number, _ in versions(*twice)] == [3, 2, 1]
        restore(*twice, 1)
        assert versions(*twice)[0] == (4, True)
        assert (
            content_versions.read_version(LOCAL_OWNER, roadmap_id, flour, TUTORIAL, 4).content
            == first
        )
        # it fits: a wish for another that is given up leaves it there
        commands.regenerate(LOCAL_OWNER, roadmap_id, flour, TUTORIAL, "")
        commands.cancel(LOCAL_OWNER, roadmap_id)
        assert the_roadmap(roadmap_id).status == "ready"
        assert versions(*twice)[0] == (4, True)

    def test_mends_a_part_that_could_not_be_written_for_another_subject(
        self, twice: tuple[UUID, UUID], designer: Designer
    ) -> None:
        roadmap_id, flour = twice
        designer.failing = lambda brief: brief.title == "Rye"
        edit(roadmap_id, Rewrite(op="rewrite", what="concept", key="flour", title="Rye"))
        assert (the_roadmap(roadmap_id).status, the_roadmap(roadmap_id).contents_failed) == (
            "partial",
            3,
        )
        restore(*twice, 1)
        assert (the_roadmap(roadmap_id).status, the_roadmap(roadmap_id).contents_failed) == (
            "partial",
            2,
        )
        restore(roadmap_id, flour, 1, ContentKind.quiz)
        restore(roadmap_id, flour, 1, ContentKind.resources)
        row = the_roadmap(roadmap_id)
        assert (row.status, row.contents_failed, row.error) == ("ready", 0, "")
        assert {each["status"] for each in rows(Content)} == {ContentStatus.ready}


class TestRefused:
    def test_while_it_is_being_written(self, twice: tuple[UUID, UUID]) -> None:
        commands.regenerate(LOCAL_OWNER, *twice, TUTORIAL, "")
        with pytest.raises(Conflict, match="being written"):
            restore(*twice, 1)

    def test_when_it_is_shown_already(self, twice: tuple[UUID, UUID]) -> None:
        before = rows(Content)
        with pytest.raises(Conflict, match="already the current one"):
            restore(*twice, 2)
        assert rows(Content) == before

    def test_what_was_never_written(self, twice: tuple[UUID, UUID]) -> None:
        with pytest.raises(NotFound):
            restore(*twice, 7)
        assert_events_end(twice[0])


class TestCompared:
    def test_with_the_one_before_or_with_another(self, twice: tuple[UUID, UUID]) -> None:
        do(commands.regenerate(LOCAL_OWNER, *twice, TUTORIAL, "Longer."))
        made = content_versions.compare_versions(LOCAL_OWNER, *twice, TUTORIAL, 3, before=None)
        assert (made.before, made.after) == (2, 3)
        assert [line.how for line in made.lines] == ["removed", "added"]
        assert (
            content_versions.compare_versions(LOCAL_OWNER, *twice, TUTORIAL, 3, before=3)
            .lines[0]
            .how
            == "same"
        )
        first = content_versions.compare_versions(LOCAL_OWNER, *twice, TUTORIAL, 1, before=None)
        assert (first.before, {line.how for line in first.lines}) == (0, {"added"})

    def test_a_quiz_without_its_answers_and_resources_as_they_are(
        self, twice: tuple[UUID, UUID]
    ) -> None:
        made = content_versions.compare_versions(
            LOCAL_OWNER, *twice, ContentKind.quiz, 1, before=None
        )
        assert [line.text for line in made.lines][1:] == ["- yes", "- no"]
        assert "It is so." not in made.model_dump_json()
        listed = content_versions.compare_versions(
            LOCAL_OWNER, *twice, ContentKind.resources, 1, before=None
        )
        assert [line.text for line in listed.lines][1:] == [
            "https://example.org",
            "book · advanced · en",
            "To know.",
        ]

    def test_over_http(self, client: TestClient, twice: tuple[UUID, UUID]) -> None:
        base = f"/api/v1/roadmaps/{twice[0]}/concepts/{twice[1]}/tutorial/versions"
        assert client.get(f"{base}/2/diff").json()["before"] == 1
        assert client.get(f"{base}/2/diff?before=9").status_code == 404
        assert client.get(f"{base}/9/diff").status_code == 404
        answer = client.post(f"{base}/1/restore", json={})
        assert (answer.status_code, answer.json()["status"]) == (202, "ready")
        assert client.post(f"{base}/1/restore", json={}).status_code == 409


def assert_events_end(roadmap_id: UUID) -> list[str]:
    """Types of the events: numbered without gaps, and the last one is an end."""
    page = events.events_after(roadmap_id, 0)
    assert [event.seq for event in page] == list(range(1, len(page) + 1))
    assert page[-1].is_terminal
    return [event.type for event in page]
