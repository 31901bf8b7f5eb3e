"""Days of learning: how long, and how many in a row.

A day is that of the person's time zone when they learned. Answers, parts, progress and reviews note
it in their transactions. They credit the time since the credit before, on this account, so that no
time counts twice; a lesson that is opened after a pause begins a new count.
"""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from uuid import UUID

import peewee

from core import clock
from core.db import session, transaction
from models.accounts import Account, LearningDay
from roadmap.accounts.zones import today_of

MOST_DAYS = 400  # that are read, and of a streak
MOST_SECONDS = 100_000_000  # of a day; the column ends at 2,147,483,647
FORGIVING = 7  # days, in which one may be missed
A_DAY, A_SECOND = timedelta(days=1), timedelta(seconds=1)
PAUSE = timedelta(minutes=30)  # after which an opened lesson begins a sitting


def credit(owner_id: UUID, most: int, since: datetime | None = None) -> int:
    """Add the seconds since the last credit to today, at most `most`, and return them.

    `since` is used if there was no credit yet. Needs a locked account.
    """
    now, own = clock.now(), Account.id == owner_id
    before = Account.select(Account.credited_at).where(own).scalar() or since or now
    passed = max((now - before) // A_SECOND, 0)
    Account.update(credited_at=min(before, now) + passed * A_SECOND).where(own).execute()
    seconds = min(passed, max(most, 0))
    note(owner_id, seconds)
    return seconds


@session()
def begin_sitting(owner_id: UUID) -> None:
    """Count time from now on, unless something was credited a short time ago."""
    now = clock.now()
    is_idle = Account.credited_at.is_null() | (Account.credited_at < now - PAUSE)
    idle = (Account.id == owner_id) & is_idle
    if Account.select().where(idle).exists():
        with transaction():
            Account.update(credited_at=now).where(idle).execute()


def note(owner_id: UUID, seconds: int = 0) -> None:
    """Add to the learning of today, or take away. Needs a transaction."""
    total = LearningDay.seconds + seconds
    bounded = peewee.Case(None, [(total < 0, 0), (total < MOST_SECONDS, total)], MOST_SECONDS)
    LearningDay.insert(
        account=owner_id, day=today_of(owner_id), seconds=max(seconds, 0)
    ).on_conflict(
        conflict_target=[LearningDay.account, LearningDay.day],
        update={LearningDay.seconds: bounded},
    ).execute()


def read(owner_id: UUID) -> dict[date, int]:
    """Return the seconds of the latest days of learning. Needs a session."""
    latest = LearningDay.select(LearningDay.day, LearningDay.seconds).where(
        LearningDay.account == owner_id
    )
    return dict(latest.order_by(LearningDay.day.desc()).limit(MOST_DAYS).tuples())


def streak(days: Collection[date], today: date) -> int:
    """Return the number of days up to today; one missed day of FORGIVING does not end them.

    Today is not missed before it is over.
    """
    count, missed = 0, None
    day = today if today in days else today - A_DAY
    while day in days or missed is None or missed - day >= FORGIVING * A_DAY:
        count, missed = (count + 1, missed) if day in days else (count, day)
        day -= A_DAY
    return count
