"""Daily limits of reviews, and the forecast of the next days. Pure.

A question counts once a day. One that comes back on the day of its rating is always asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from pydantic import Field

from core.json_types import WHOLE, LazyModel

MOST_A_DAY = 500  # that can be set
DAYS = 14  # of a forecast


class ReviewLimits(LazyModel, frozen=True, extra="forbid"):
    """Most questions that are asked a day. Others wait for the next day."""

    reviews: Annotated[int, Field(ge=1, le=MOST_A_DAY), WHOLE] = Field(
        60, description="Questions that were rated on an earlier day."
    )
    new: Annotated[int, Field(ge=0, le=MOST_A_DAY), WHOLE] = Field(
        15, description="Questions that were never rated before."
    )


class ForecastDay(LazyModel):
    """Questions of one day, within the limits."""

    day: date = Field(description="The day.")
    reviews: int = Field(description="Questions that were rated before.")
    new: int = Field(description="New questions.")


class ReviewForecast(LazyModel):
    """Questions of the next days, without those that come back after a rating of these days.

    And how many would be recalled now.
    """

    days: list[ForecastDay] = Field(description=f"The next {DAYS} days, beginning with today.")
    recalled: int = Field(0, description="Questions that you would recall now, by FSRS.")
    rated: int = Field(0, description="All questions that you have rated, up to 5000.")


@dataclass(frozen=True, slots=True)
class DueCounts:
    """Due questions of three kinds, and those that were rated today."""

    limits: ReviewLimits
    again: int  # rated today
    known: int  # rated earlier
    new: int  # never rated
    rated_today: int
    begun_today: int  # of these, for the first time

    @property
    def left(self) -> tuple[int, int]:
        """Return the numbers of known and of new questions that may still be asked today."""
        known = self.limits.reviews - (self.rated_today - self.begun_today)
        return max(0, known), max(0, self.limits.new - self.begun_today)

    @property
    def asked(self) -> int:
        """Return the number of due questions within the limits."""
        known, new = self.left
        return self.again + min(self.known, known) + min(self.new, new)


def forecast_of(
    today: date, known: Mapping[int, int], counts: DueCounts, *, again: int
) -> ReviewForecast:
    """Return the questions of each day from those that become due on it.

    What is above a limit moves to the next day. `again` of today's were rated today: see above.
    """
    days, waiting, new = list[ForecastDay](), 0, counts.new
    most, most_new = counts.left[0] + again, counts.left[1]
    for number in range(DAYS):
        waiting += known[number]
        asked, begun = min(waiting, most), min(new, most_new)
        days.append(ForecastDay(day=today + timedelta(number), reviews=asked, new=begun))
        waiting, new = waiting - asked, new - begun
        most, most_new = counts.limits.reviews, counts.limits.new
    return ReviewForecast(days=days)
