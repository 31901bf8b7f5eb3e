"""The forecast of reviews: those above a limit move on; none is lost or asked too early."""

from collections import Counter
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from roadmap.learning.daily_limits import DAYS, DueCounts, ReviewLimits, forecast_of

TODAY = date(2026, 2, 20)


def test_questions_above_the_limits_move_to_the_next_days() -> None:
    counts = DueCounts(ReviewLimits(reviews=10, new=4), 2, 0, 9, rated_today=7, begun_today=3)
    found = forecast_of(TODAY, Counter({0: 14, 2: 1, 13: 3}), counts, again=2).days
    assert [each.day for each in found] == [TODAY + timedelta(n) for n in range(DAYS)]
    assert [each.reviews for each in found[:4]] == [8, 6, 1, 0]  # 10 less 4, and 2 without a limit
    assert [each.new for each in found[:4]] == [1, 4, 4, 0]
    assert found[13].reviews == 3


@given(
    due=st.lists(st.integers(0, 90), min_size=DAYS, max_size=DAYS),
    new=st.integers(0, 300),
    limits=st.builds(ReviewLimits, reviews=st.integers(1, 60), new=st.integers(0, 30)),
    rated=st.integers(0, 80),
    begun=st.integers(0, 80),
)
def test_no_day_is_above_its_limit_and_none_is_idle_while_questions_wait(
    due: list[int], new: int, limits: ReviewLimits, rated: int, begun: int
) -> None:
    begun = min(begun, rated)
    counts = DueCounts(limits, 0, due[0], new, rated_today=rated, begun_today=begun)
    found = forecast_of(TODAY, Counter(dict(enumerate(due))), counts, again=0).days
    waiting, left = 0, new
    for number, each in enumerate(found):
        most, most_new = counts.left if number == 0 else (limits.reviews, limits.new)
        waiting += due[number]
        assert each.reviews == min(waiting, most)
        assert each.new == min(left, most_new)
        waiting, left = waiting - each.reviews, left - each.new
