"""Days, and how one stands with a plan, in whole sentences."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.i18n import ENGLISH, texts
from roadmap.learning.schedule import Schedule, schedule_of
from roadmap.plan.statuses import ConceptProgress
from tests.cases import try_each
from tests.unit.roadmap.learning.test_schedule import MONDAY, concept, tree
from web.pages.schedule_text import ScheduleText

EN, ZH = ScheduleText(ENGLISH), ScheduleText(texts("zh-Hans"))
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DONE = ConceptProgress.done


def test_days_are_in_words() -> None:
    assert EN.day(date(2027, 5, 14)) == "14 May 2027"
    assert ZH.day(date(2027, 5, 14)) == "2027年5月14日"


@try_each(
    ("pause", "expected"),
    [
        (timedelta(seconds=-5), "in less than a minute"),
        (timedelta(seconds=50), "in less than a minute"),
        (timedelta(seconds=60), "in 1 minute"),
        (timedelta(seconds=330), "in 6 minutes"),
        (timedelta(minutes=10), "in 10 minutes"),
        (timedelta(minutes=59, seconds=30), "in 1 hour"),
        (timedelta(hours=23), "in 23 hours"),
        (timedelta(hours=24), "in 1 day"),
        (timedelta(days=4), "in 4 days"),
        (timedelta(days=59), "in 59 days"),
        (timedelta(days=60), "in 2 months"),
        (timedelta(days=365), "in 12 months"),
        (timedelta(days=3650), "in 10 years"),
    ],
)
def test_how_long_it_is_until_then(pause: timedelta, expected: str) -> None:
    assert EN.until(NOW + pause, NOW) == expected


@given(st.timedeltas(timedelta(), timedelta(days=4000)))
def test_there_is_always_a_sentence(pause: timedelta) -> None:
    assert "%" not in EN.until(NOW + pause, NOW) + ZH.until(NOW + pause, NOW)


def schedule(*learned: bool, weeks_later: int = 0, deadline: int | None = None) -> Schedule:
    """Each concept takes a week; `deadline` is in days."""
    made = [concept(7, DONE, MONDAY) if done else concept(7) for done in learned]
    last = None if deadline is None else MONDAY + timedelta(days=deadline)
    return schedule_of(tree(*made, deadline=last), MONDAY + timedelta(weeks=weeks_later))


@try_each(
    ("of", "expected"),
    [
        (schedule(False, False), "With the hours you have set, you will finish on 15 March 2026."),
        (
            schedule(False, deadline=6),
            "With the hours you have set, you will finish on 8 March 2026, your target date.",
        ),
        (
            schedule(False, deadline=7),
            "With the hours you have set, you will finish on 8 March 2026, "
            "1 day before your target date.",
        ),
        (
            schedule(True, False, weeks_later=2, deadline=13),
            "With the hours you have set, you will finish on 22 March 2026, "
            "7 days after your target date.",
        ),
        (
            schedule(True, False, weeks_later=2),
            "You will finish 7 days later than first planned.",
        ),
        (
            schedule(True, True, False, weeks_later=1),
            "You will finish 7 days earlier than first planned.",
        ),
        (schedule(True, False, weeks_later=1), "This week: 0 of 7 planned hours."),
        (schedule(True), "You have finished."),
    ],
)
def test_the_sentence_that_matters_most(of: Schedule, expected: str) -> None:
    assert EN.stands(of) == expected


def test_what_would_reach_the_deadline() -> None:
    made = schedule(True, False, False, weeks_later=2, deadline=20)
    assert EN.needed(made) == "With 14 hours a week you would finish by your target date."
    assert EN.against_plan(made) == "You will finish 7 days later than first planned."
    far = schedule(*[False] * 20, weeks_later=19, deadline=20 * 7 - 1)
    assert EN.needed(far).startswith("Even 80 hours a week is not enough")
    assert EN.needed(schedule(False, deadline=6)) == EN.needed(schedule(False)) == ""
    assert EN.needed(schedule(False, weeks_later=3, deadline=6)) == ""  # it is over


def test_a_plan_that_never_reached_the_deadline_has_no_lead() -> None:
    made = schedule(True, False, False, deadline=13)
    assert EN.needed(made) == "With 11 hours a week you would finish by your target date."
    assert EN.against_plan(made) == ""
    assert made.hours_learned > made.hours_expected
    one = schedule(False, deadline=5)
    assert EN.needed(one) == "With 8 hours a week you would finish by your target date."
    assert EN.needed(schedule(*[False] * 30, deadline=6)) == (
        "Even 80 hours a week is not enough: choose a later target date, or skip some concepts."
    )
    over = schedule(False, False, False, weeks_later=3, deadline=13)
    assert (EN.needed(over), EN.against_plan(over)) == ("", "")


def test_who_is_in_time_with_such_a_plan_is_ahead_of_it() -> None:
    made = schedule(True, True, False, deadline=13).model_copy(update={"days_late": -1})
    ahead = "You will finish 7 days earlier than first planned."
    assert (EN.needed(made), EN.against_plan(made)) == ("", ahead)
    learned = schedule(True, True, deadline=3)
    assert EN.needed(learned) == ""


def test_hours_of_this_week_are_those_that_the_schedule_has_in_it() -> None:
    assert EN.week(schedule(True, False)) == "This week: 7 of 7 planned hours."
    assert EN.week(schedule(False)) == "This week: 0 of 7 planned hours."
    assert EN.against_plan(schedule(False)) == "You are on schedule."
    saturday = schedule_of(tree(concept(7), begins_on=MONDAY + timedelta(5)), MONDAY + timedelta(5))
    assert EN.week(saturday) == "This week: 0 of 2 planned hours."
    later = schedule_of(tree(concept(7), begins_on=MONDAY + timedelta(7)), MONDAY)
    assert EN.week(later) == ""
