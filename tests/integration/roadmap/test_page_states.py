"""States of pages are others after every change that the page shows, on both kinds of database."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.db import transaction
from core.errors import InTrash, NotFound
from core.ids import new_id
from models.accounts import Account, LearningDay
from models.roadmaps import CheckedLink, Concept, Content, LinkUse, QuizAttempt, Roadmap
from roadmap.learning import reviews
from roadmap.learning.lesson_navigation import lesson_state
from roadmap.learning.today import home_state
from testing.logbook import MODES, own_database
from tests.cases import try_each
from tests.integration.roadmap.test_reviews import Place, made

LATEST, NOW = 2, clock.now()


@pytest.fixture(scope="module", params=MODES)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """The ids of a person, a roadmap and a concept with a quiz. Tests change back what they do."""
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path_factory.mktemp("states"), server):
        yield made()


def home(place: Place) -> bytes:
    owner, roadmap, _ = place
    return home_state(owner, NOW, latest=LATEST, read=[roadmap])


def lesson(place: Place) -> bytes:
    return lesson_state(*place)


def changed(of: Callable[[Place], bytes], place: Place, table: type[Any], **changes: Any) -> bool:
    """Whether the state is another one after the change, and the first one when that is undone."""
    before = of(place)
    with transaction():
        row = table.select().dicts().get()
        table.update(**changes).execute()
    after = of(place)
    with transaction():
        table.update(**{name: row[name] for name in changes}).execute()
    assert of(place) == before
    return bool(after != before)


SEEN = [
    {"title": "Other"},
    {"goal": "Other"},
    {"status": "partial"},
    {"revision": 2},
    {"last_seq": 9},
    {"contents_ready": 0},
    {"hours_per_week": 3},
    {"language": "de"},
    {"deadline": clock.now().date()},
    {"begins_on": clock.now().date()},
    {"updated_at": clock.now()},
]


@try_each("state", [home, lesson])
@try_each("change", SEEN)
def test_it_changes_with_the_roadmap(
    place: Place, state: Callable[[Place], bytes], change: dict[str, Any]
) -> None:
    assert changed(state, place, Roadmap, **change)


@try_each("state", [home, lesson])
@try_each("change", [{"progress": "done"}, {"progress_at": clock.now()}, {"studied": 20}])
def test_it_changes_with_progress(
    place: Place, state: Callable[[Place], bytes], change: dict[str, Any]
) -> None:
    assert changed(state, place, Concept, **change)


@try_each("state", [home, lesson])
def test_it_changes_with_the_time_zone(place: Place, state: Callable[[Place], bytes]) -> None:
    assert changed(state, place, Account, time_zone="Asia/Tokyo")


def test_home_changes_with_the_goal_and_the_days_of_learning(place: Place) -> None:
    assert changed(home, place, Account, weekly_goal={"amount": 3, "unit": "days"})
    states = [home(place)]
    for day, seconds in ((NOW.date(), 0), (NOW.date() - timedelta(1), 60)):
        with transaction():
            LearningDay.create(account=place[0], day=day, seconds=seconds)
        states.append(home(place))
    with transaction():
        LearningDay.delete().execute()
    assert home(place) == states[0]
    assert len({*states}) == len(states)


@try_each(
    "change",
    [{"status": "building"}, {"version": 7}, {"error": "x"}, {"links_noted": 1}],
)
def test_a_lesson_changes_with_its_parts(place: Place, change: dict[str, Any]) -> None:
    assert changed(lesson, place, Content, **change)


def test_a_lesson_changes_with_notes_attempts_and_links(place: Place) -> None:
    _, roadmap, concept = place
    for change in ({"notes": "x"}, {"exercise_attempt": "x"}, {"learned_at": clock.now()}):
        assert changed(lesson, place, Concept, **change)
    states, now = [lesson(place)], clock.now()
    scores = {"version": 1, "answers": [], "score": 1, "total": 4, "created_at": now}
    link = {"digest": "d", "url": "https://example.org", "state": "unclear", "due_at": now}
    with transaction():
        QuizAttempt.create(roadmap=roadmap, concept=concept, **scores)
    states.append(lesson(place))
    with transaction():
        CheckedLink.insert(**link).execute()
        LinkUse.insert(content=Content.select(Content.id), link="d").execute()
    states.append(lesson(place))
    for other in ({"state": "dead"}, {"checked_at": now}, {"reason": "404"}):
        assert changed(lesson, place, CheckedLink, **other)
    assert len({*states}) == len(states)
    with transaction():
        QuizAttempt.delete().execute()
        CheckedLink.delete().execute()
    assert lesson(place) == states[0]


def test_home_changes_with_other_roadmaps_of_the_account(place: Place) -> None:
    owner, roadmap, _ = place
    states = [home(place)]
    with transaction():
        account = Roadmap.get_by_id(roadmap).owner
    others = [made(account)[1] for _ in range(LATEST)]  # which are the latest then
    states.append(home(place))
    for change in ({"progress_at": clock.now()}, {"progress_at": clock.now() + timedelta(1)}):
        with transaction():
            Concept.update(change).where(Concept.roadmap == others[0]).execute()
        states.append(home(place))
    with transaction():
        Roadmap.update(trashed_at=clock.now()).where(Roadmap.id == others[1]).execute()
    states.append(home(place))
    with transaction():
        Roadmap.delete().where(Roadmap.id.in_(others)).execute()
    assert home(place) == states[0]
    assert all(states.count(state) == 1 for state in states)
    made()  # of another account
    assert home(place) == states[0]
    now = clock.now()
    assert reviews.count_due(owner, now) == 0


def test_other_accounts_have_no_access(place: Place) -> None:
    owner, roadmap, concept = place
    other, another, its = made()
    for ids in ((other, roadmap, concept), (owner, another, concept), (owner, roadmap, its)):
        with pytest.raises(NotFound):
            lesson_state(*ids)
    with transaction():
        Roadmap.update(trashed_at=clock.now()).where(Roadmap.id == another).execute()
    with pytest.raises(InTrash):
        lesson_state(other, another, its)
    with transaction():
        Roadmap.delete().where(Roadmap.id == another).execute()
    with pytest.raises(NotFound):
        lesson_state(owner, new_id(), concept)
