"""The plan moves with what was learned, and promises no week more hours than it has."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roadmap.learning.schedule import HourCalendar, Schedule, calendar, monday, schedule_of
from roadmap.plan.outline import Level
from roadmap.plan.statuses import ConceptProgress, Progress, RoadmapStatus
from roadmap.plan.views import ConceptNode, Learned, ModuleNode, RoadmapTree, StageNode

MONDAY = date(2026, 3, 2)
TODO, DONE, SKIPPED, LEARNING = (
    ConceptProgress(name) for name in ("todo", "done", "skipped", "learning")
)

days = st.dates(date(2025, 1, 1), date(2030, 1, 1))
weekly = st.integers(1, 80)
states = st.tuples(st.integers(1, 200), st.sampled_from(ConceptProgress), st.integers(0, 60))


def concept(
    hours: int, progress: ConceptProgress = TODO, at: date | None = None, **more: int
) -> ConceptNode:
    """By default as much time was spent on what is done as was planned."""
    spent = {"spent_minutes": hours * 60 if progress == DONE else 0}
    return ConceptNode(
        **spent | more,
        id=uuid4(),
        key="k",
        title="T",
        description="",
        hours=hours,
        week=1,
        difficulty=1,
        prerequisites=[],
        outcomes=[],
        progress=progress,
        progress_at=at and datetime(at.year, at.month, at.day, 12, tzinfo=UTC),
        contents={},
    )


def tree(
    *concepts: ConceptNode, begins_on: date = MONDAY, hours: int = 7, deadline: date | None = None
) -> RoadmapTree:
    half = (len(concepts) + 1) // 2
    parts = [concepts[:half], concepts[half:]]
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    return RoadmapTree(
        id=UUID(int=1),
        goal="g",
        title="t",
        status=RoadmapStatus.ready,
        error="",
        generator="",
        language="en",
        progress=Progress(ready=0, failed=0, total=0),
        spent=0,
        over_budget=False,
        created_at=moment,
        updated_at=moment,
        finished_at=None,
        level=Level.beginner,
        hours_per_week=hours,
        deadline=deadline,
        begins_on=begins_on,
        weeks=1,
        hours=0,
        revision=1,
        review=False,
        resource_language=None,
        analysis=None,
        remarks=[],
        estimate=None,
        learned=Learned(done=0, skipped=0, learning=0, total=len(concepts), hours_done=0),
        stages=[
            StageNode(
                id=UUID(int=10 + at),
                key=str(at),
                title=f"Stage {at}",
                description="",
                hours=0,
                modules=[
                    ModuleNode(
                        id=UUID(int=20 + at),
                        key="m",
                        title="M",
                        description="",
                        hours=0,
                        concepts=list(part),
                    )
                ],
            )
            for at, part in enumerate(parts)
        ],
    )


class TestDays:
    def test_hours_are_spread_over_the_days_of_a_week(self) -> None:
        plan = calendar(MONDAY, 7)
        assert [plan.day_of(hour) for hour in range(8)] == [
            MONDAY + timedelta(days=n) for n in range(8)
        ]

    def test_a_week_that_has_begun_has_the_hours_of_its_days_that_are_left(self) -> None:
        friday = MONDAY + timedelta(days=4)
        plan = calendar(friday, 14)
        assert plan.first == 6
        assert [plan.day_of(hour) for hour in (0, 5, 6)] == [
            friday,
            friday + timedelta(days=2),
            friday + timedelta(days=3),
        ]

    def test_what_was_learned_in_a_week_is_not_promised_again(self) -> None:
        assert calendar(MONDAY, 10, learned=8).first == 2
        assert calendar(MONDAY, 10, learned=25).first == 0

    def test_without_hours_left_one_goes_on_on_monday(self) -> None:
        sunday = MONDAY + timedelta(days=6)
        assert calendar(sunday, 1).day_of(0) == sunday + timedelta(days=1)


class TestSchedule:
    def test_it_begins_with_what_is_left_today(self) -> None:
        done, left = concept(7, DONE, MONDAY), concept(7)
        made = schedule_of(tree(done, left), MONDAY + timedelta(days=7))
        assert [(span.concept_id, span.begins_on, span.ends_on) for span in made.spans] == [
            (left.id, MONDAY + timedelta(days=7), MONDAY + timedelta(days=13))
        ]
        assert (made.days_behind, made.hours, made.hours_learned, made.hours_expected) == (
            0,
            14,
            7,
            7,
        )

    def test_what_was_missed_moves_everything_behind_it(self) -> None:
        made = schedule_of(tree(concept(7), concept(7)), MONDAY + timedelta(days=21))
        assert (made.days_behind, made.hours_expected, made.planned_end) == (
            21,
            14,
            MONDAY + timedelta(days=13),
        )

    def test_what_was_learned_early_makes_room(self) -> None:
        made = schedule_of(tree(concept(7, DONE, MONDAY), concept(7)), MONDAY)
        assert made.ends_on == MONDAY + timedelta(days=13)  # this week's hours are spent
        made = schedule_of(tree(concept(7, DONE, MONDAY - timedelta(days=3)), concept(7)), MONDAY)
        assert (made.ends_on, made.days_behind) == (MONDAY + timedelta(days=6), -7)

    def test_what_was_read_elsewhere_leaves_its_hours_to_what_remains(self) -> None:
        read = concept(7, DONE, MONDAY, spent_minutes=0)
        made = schedule_of(tree(read, concept(7)), MONDAY)
        assert (made.hours_left, made.hours_learned) == (7, 0)
        assert (made.ends_on, made.days_behind) == (MONDAY + timedelta(days=6), -7)

    def test_of_what_is_being_learned_the_parts_that_remain_count(self) -> None:
        begun = concept(3, LEARNING, MONDAY, studied=70, spent_minutes=50)
        made = schedule_of(tree(begun, concept(2)), MONDAY)
        assert [span.hours for span in made.spans] == [2, 2]
        assert (made.hours_left, made.hours, made.minutes_learned) == (4, 5, 50)

    def test_a_plan_may_begin_later(self) -> None:
        made = schedule_of(tree(concept(3), begins_on=MONDAY), MONDAY - timedelta(days=30))
        assert (made.spans[0].begins_on, made.hours_expected, made.days_behind) == (MONDAY, 0, 0)

    def test_what_is_skipped_takes_no_hours(self) -> None:
        made = schedule_of(tree(concept(70, SKIPPED, MONDAY), concept(7)), MONDAY)
        assert (made.hours, made.planned_end, made.days_behind) == (
            7,
            MONDAY + timedelta(days=6),
            0,
        )
        assert (made.stages[0].hours, made.stages[0].ends_on) == (0, None)

    def test_the_deadline_and_the_hours_that_reach_it(self) -> None:
        last = MONDAY + timedelta(days=6)
        made = schedule_of(tree(concept(21), deadline=last), MONDAY)
        assert (made.days_late, made.hours_per_week_needed) == (14, 21)
        assert schedule_of(tree(concept(21), hours=21, deadline=last), MONDAY).days_late == 0
        assert (
            schedule_of(
                tree(concept(21), deadline=MONDAY), MONDAY + timedelta(days=1)
            ).hours_per_week_needed
            is None
        )

    def test_when_all_is_learned_the_last_day_counts(self) -> None:
        made = schedule_of(
            tree(concept(7, DONE, MONDAY + timedelta(days=9))), MONDAY + timedelta(days=30)
        )
        assert (made.ends_on, made.spans, made.weeks, made.days_behind) == (None, [], [], 3)

    def test_nothing_is_planned_of_a_roadmap_without_a_plan(self) -> None:
        made = schedule_of(tree(), MONDAY)
        assert (made.hours, made.ends_on, made.spans, made.days_behind) == (0, None, [], 0)


def schedule(
    parts: list[tuple[int, ConceptProgress, int]], hours: int, today: date, begins_on: date
) -> tuple[RoadmapTree, Schedule]:
    made = tree(
        *(concept(h, p, today - timedelta(days=ago)) for h, p, ago in parts),
        hours=hours,
        begins_on=begins_on,
    )
    return made, schedule_of(made, today)


@given(st.lists(states, max_size=30), weekly, days, st.integers(-400, 60))
def test_no_week_has_more_hours_than_were_set_for_it(
    parts: list[tuple[int, ConceptProgress, int]], hours: int, today: date, since: int
) -> None:
    _, made = schedule(parts, hours, today, today + timedelta(days=since))
    for week in made.weeks:
        assert week.hours_ahead == sum(share.hours for share in week.shares)
        assert week.hours_ahead == 0 or week.hours_ahead + week.hours_learned <= hours
        assert week.begins_on.weekday() == 0
    if made.weeks and made.weeks[0].begins_on == monday(today):
        assert made.weeks[0].hours_ahead <= hours * (7 - today.weekday()) / 7


@given(st.lists(states, max_size=30), weekly, days, st.integers(-400, 60))
def test_everything_that_is_left_is_planned_once_and_in_order(
    parts: list[tuple[int, ConceptProgress, int]], hours: int, today: date, since: int
) -> None:
    made_of, made = schedule(parts, hours, today, today + timedelta(days=since))
    left = [
        c
        for s in made_of.stages
        for m in s.modules
        for c in m.concepts
        if c.progress in (TODO, LEARNING)
    ]
    assert [span.concept_id for span in made.spans] == [each.id for each in left]
    assert all(span.begins_on >= max(today, made.begins_on) for span in made.spans)
    assert all(span.begins_on <= span.ends_on for span in made.spans)
    assert all(
        one.ends_on <= other.begins_on
        for one, other in zip(made.spans, made.spans[1:], strict=False)
    )
    assert sum(stage.hours for stage in made.stages) == made.hours
    assert sum(stage.hours_learned for stage in made.stages) == made.hours_learned
    found = Counter[UUID]()
    for week in made.weeks:
        found.update({share.concept_id: share.hours for share in week.shares})
    whole = {each.id: each.hours for each in left}
    assert all(count <= whole[id_] for id_, count in found.items())
    if len(made.weeks) < 12:
        assert found == whole


@given(weekly, days, st.integers(0, 100), st.integers(0, 2000))
def test_days_of_hours_never_go_back(hours: int, begin: date, learned: int, hour: int) -> None:
    plan: HourCalendar = calendar(begin, hours, learned)
    assert begin <= plan.day_of(hour) <= plan.day_of(hour + 1)
    assert plan.day_of(hour) <= plan.day_of(hour + hours)
    assert monday(plan.day_of(hour + 7 * hours)) > monday(plan.day_of(hour))
    assert plan.monday_of(plan.week_of(hour)) == monday(plan.day_of(hour))


@given(
    st.lists(states, min_size=1, max_size=12),
    weekly,
    days,
    st.integers(-60, 60),
    st.integers(0, 400),
)
@example(
    [(10, DONE, 2), (10, TODO, 0)], 10, MONDAY + timedelta(days=2), -9, 4
)  # this week's hours are learned
@example(
    [(200, DONE, 0), (1, TODO, 0)], 1, MONDAY, 0, 0
)  # and more than it would have with any sensible number
@example(
    [(14, DONE, 1), (7, TODO, 0)], 7, MONDAY + timedelta(days=1), 3, 9
)  # it begins later in the week
def test_the_hours_that_are_needed_reach_the_deadline_and_one_less_does_not(
    parts: list[tuple[int, ConceptProgress, int]], hours: int, today: date, since: int, until: int
) -> None:
    begins_on = today + timedelta(days=since)
    deadline = max(today, begins_on) + timedelta(days=until)
    made, _ = schedule(parts, hours, today, begins_on)

    def late(hours_per_week: int) -> int:
        found = schedule_of(
            made.model_copy(update={"hours_per_week": hours_per_week, "deadline": deadline}), today
        )
        assert found.days_late is not None
        return found.days_late

    found = schedule_of(made.model_copy(update={"deadline": deadline}), today)
    needed = found.hours_per_week_needed
    assert (needed is None) == (found.ends_on is None)
    if needed is not None:
        assert late(needed) <= 0
        assert needed == 1 or late(needed - 1) > 0
        assert late(hours) > 0 or needed <= hours


@pytest.mark.parametrize("hours", [1, 80])
def test_the_largest_plan_is_planned_in_bounds(hours: int) -> None:
    made = schedule_of(tree(*(concept(200) for _ in range(200)), hours=hours), MONDAY)
    assert len(made.weeks) == 12
    assert len(made.spans) == 200
