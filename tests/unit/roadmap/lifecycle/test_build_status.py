"""The activity of a roadmap: who is before, what is being written, and the time that is left."""

from datetime import timedelta
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import transaction
from models.roadmaps import Concept, Content, Roadmap, RoadmapEvent
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.lifecycle.making.create import NewRoadmap, create_many
from roadmap.lifecycle.reading.build_status import ENOUGH, activity
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.statuses import ContentStatus, EventType, RoadmapStatus
from roadmap.plan.views import Activity
from testing.stack import GOAL

pytestmark = pytest.mark.usefixtures("short")

API = "/api/v1"


def waiting() -> UUID:
    """A roadmap that no worker has begun: its message is not sent."""
    new = NewRoadmap(LOCAL_OWNER, RoadmapRequest(goal=GOAL))
    create_many([new])
    return new.id


def finished(client: TestClient, *, seconds: float) -> UUID:
    """One that was planned in ten seconds and written in so many."""
    roadmap_id = UUID(client.post(f"{API}/roadmaps", json={"goal": GOAL}).json()["id"])
    began = clock.now() - timedelta(hours=1)
    times = {EventType.planning: 0.0, EventType.outlined: 10.0}
    with transaction():
        for kind, at in times.items():
            its = (RoadmapEvent.roadmap == roadmap_id) & (RoadmapEvent.type == kind)
            RoadmapEvent.update(at=began + timedelta(seconds=at)).where(its).execute()
        Roadmap.update(finished_at=began + timedelta(seconds=10 + seconds)).where(
            Roadmap.id == roadmap_id
        ).execute()
    return roadmap_id


def being_written(client: TestClient, *, written: int, ago: float) -> UUID:
    """A roadmap of nine parts: so many were written since it was begun so many seconds ago."""
    roadmap_id = UUID(client.post(f"{API}/roadmaps", json={"goal": GOAL}).json()["id"])
    with transaction():
        its = RoadmapEvent.roadmap == roadmap_id
        outlined = RoadmapEvent.get(its, RoadmapEvent.type == EventType.outlined).seq
        RoadmapEvent.delete().where(its, RoadmapEvent.seq > outlined + written).execute()
        RoadmapEvent.update(at=clock.now() - timedelta(seconds=ago)).where(its).execute()
        Content.update(status=ContentStatus.pending).where(Content.roadmap == roadmap_id).execute()
        counts = {"contents_ready": written, "status": RoadmapStatus.building, "finished_at": None}
        Roadmap.update(**counts, last_seq=outlined + written).where(
            Roadmap.id == roadmap_id
        ).execute()
    return roadmap_id


def current(roadmap_id: UUID) -> Activity:
    return activity(LOCAL_OWNER, roadmap_id)


def test_the_api_returns_it(client: TestClient) -> None:
    roadmap_id = waiting()
    answer = client.get(f"{API}/roadmaps/{roadmap_id}/activity")
    assert answer.json() == {
        "status": "queued",
        "seq": 1,
        "ahead": 0,
        "writing": [],
        "seconds_left": None,
    }
    assert client.get(f"{API}/roadmaps/{UUID(int=7)}/activity").status_code == 404


def test_who_came_before_is_before(client: TestClient) -> None:
    first, second, third = waiting(), waiting(), waiting()
    assert [current(each).ahead for each in (first, second, third)] == [0, 1, 2]


def test_of_a_finished_one_nothing_is_to_come(client: TestClient) -> None:
    response = current(finished(client, seconds=90))
    assert (response.status, response.ahead, response.writing, response.seconds_left) == (
        RoadmapStatus.ready,
        None,
        [],
        None,
    )


def test_what_is_being_written_is_named(client: TestClient) -> None:
    roadmap_id = being_written(client, written=0, ago=1)
    with transaction():
        part = Content.select().where(Content.roadmap == roadmap_id).first()
        Content.update(status=ContentStatus.building, lease_until=clock.now()).where(
            Content.id == part.id
        ).execute()
        title = Concept.get_by_id(part.concept_id).title
    (writing,) = current(roadmap_id).writing
    assert (writing.concept_id, writing.title, writing.kind) == (part.concept_id, title, part.kind)
    assert current(roadmap_id).ahead is None


def test_parts_of_others_that_are_due_before_are_before(client: TestClient) -> None:
    mine = being_written(client, written=0, ago=1)
    other = being_written(client, written=0, ago=1)
    with transaction():
        parts = [part.id for part in Content.select().where(Content.roadmap == other).limit(7)]
        Content.update(due_at=clock.now() - timedelta(minutes=1)).where(
            Content.id.in_(parts)
        ).execute()
        Content.update(due_at=clock.now()).where(Content.roadmap == mine).execute()
        Content.update(due_at=clock.now()).where(
            Content.roadmap == other, Content.id.not_in(parts)
        ).execute()
    assert current(mine).ahead == 7
    with transaction():  # what waits for its owner is not in line
        Roadmap.update(status=RoadmapStatus.awaiting_review).where(Roadmap.id == other).execute()
    assert current(mine).ahead == 0


class TestTimeLeft:
    def test_it_is_unknown_before_anything_was_measured(self, client: TestClient) -> None:
        assert current(waiting()).seconds_left is None
        assert current(being_written(client, written=ENOUGH - 1, ago=10)).seconds_left is None

    def test_its_own_pace_counts_when_there_is_one(self, client: TestClient) -> None:
        found = current(being_written(client, written=3, ago=30))
        assert found.seconds_left == 60  # six parts of ten seconds

    def test_an_estimate_begins_with_the_usual_pace(self, client: TestClient) -> None:
        finished(client, seconds=180)
        assert current(being_written(client, written=0, ago=1)).seconds_left == 180

    def test_one_that_waits_has_its_planning_before_it(self, client: TestClient) -> None:
        finished(client, seconds=180)
        assert current(waiting()).seconds_left == 190

    def test_one_of_another_writer_tells_nothing(self, client: TestClient) -> None:
        other = finished(client, seconds=180)
        with transaction():
            Roadmap.update(generator="model:another").where(Roadmap.id == other).execute()
        assert current(being_written(client, written=0, ago=1)).seconds_left is None

    @pytest.mark.parametrize("later", [EventType.revised, EventType.content_queued])
    def test_one_that_was_gone_on_with_later_tells_nothing(
        self, client: TestClient, later: EventType
    ) -> None:
        other = finished(client, seconds=7 * 24 * 3600)
        with transaction():
            its = (RoadmapEvent.roadmap == other) & (RoadmapEvent.seq == 8)
            RoadmapEvent.update(type=later).where(its).execute()
        assert current(waiting()).seconds_left is None

    def test_one_that_stops_for_review_is_only_planned(self, client: TestClient) -> None:
        finished(client, seconds=180)
        roadmap_id = waiting()
        with transaction():
            Roadmap.update(review=True).where(Roadmap.id == roadmap_id).execute()
        assert current(roadmap_id).seconds_left == 10
