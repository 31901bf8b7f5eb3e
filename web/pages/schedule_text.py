"""What pages say of days and of how one stands with a plan, as whole sentences of one language."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from gettext import NullTranslations

from core.i18n import gettext_noop
from roadmap.learning.schedule import Schedule
from web.pages.labels import counted

MONTHS = (
    *(
        gettext_noop("January"),
        gettext_noop("February"),
        gettext_noop("March"),
        gettext_noop("April"),
        gettext_noop("May"),
    ),
    *(
        gettext_noop("June"),
        gettext_noop("July"),
        gettext_noop("August"),
        gettext_noop("September"),
    ),
    *(gettext_noop("October"), gettext_noop("November"), gettext_noop("December")),
)
MOST_HOURS = 80  # a week, that can be set
MINUTES_AT_MOST, HOURS_AT_MOST, DAYS_AT_MOST, MONTHS_AT_MOST = (
    60,
    24,
    60,
    24,
)  # above these it is said in the next unit


@dataclass(frozen=True, slots=True)
class ScheduleText:
    texts: NullTranslations

    def day(self, of: date) -> str:
        """In words, without anybody having to know which number is the month."""
        month = self.texts.gettext(MONTHS[of.month - 1])
        return self.texts.gettext("%(day)d %(month)s %(year)d") % {
            "day": of.day,
            "month": month,
            "year": of.year,
        }

    def until(self, at: datetime, now: datetime) -> str:
        """How long it is until then; what is over is in a minute."""
        minutes = max(1, -(-(at - now) // timedelta(minutes=1)))
        if minutes < MINUTES_AT_MOST:
            return counted(
                self.texts.ngettext("in %(count)d minute", "in %(count)d minutes", minutes), minutes
            )
        hours = round(minutes / 60)
        if hours < HOURS_AT_MOST:
            return counted(
                self.texts.ngettext("in %(count)d hour", "in %(count)d hours", hours), hours
            )
        days = round(minutes / 60 / 24)
        if days < DAYS_AT_MOST:
            return counted(self.texts.ngettext("in %(count)d day", "in %(count)d days", days), days)
        months = round(days / 30.44)
        if months < MONTHS_AT_MOST:
            return counted(
                self.texts.ngettext("in %(count)d month", "in %(count)d months", months), months
            )
        years = round(days / 365.25)
        return counted(self.texts.ngettext("in %(count)d year", "in %(count)d years", years), years)

    def stands(self, of: Schedule) -> str:
        """The one sentence that matters most."""
        if of.ends_on is None or (of.days_late or 0) > 0 or of.hours_learned == 0:
            return self.end(of)
        return self.against_plan(of) if of.hours_learned != of.hours_expected else self.week(of)

    def end(self, of: Schedule) -> str:
        """When it will be learned, and whether that is in time."""
        if of.ends_on is None:
            return self.texts.gettext("You have finished.")
        day = {"day": self.day(of.ends_on)}
        if of.days_late is None:
            return self.texts.gettext("At this pace you will finish on %(day)s.") % day
        if of.days_late == 0:
            return (
                self.texts.gettext(
                    "At this pace you will finish on %(day)s, the day of your deadline."
                )
                % day
            )
        days = abs(of.days_late)
        late = self.texts.ngettext(
            "At this pace you will finish on %(day)s, %(count)d day after your deadline.",
            "At this pace you will finish on %(day)s, %(count)d days after your deadline.",
            days,
        )
        early = self.texts.ngettext(
            "At this pace you will finish on %(day)s, %(count)d day before your deadline.",
            "At this pace you will finish on %(day)s, %(count)d days before your deadline.",
            days,
        )
        return (late if of.days_late > 0 else early) % {**day, "count": days}

    def against_plan(self, of: Schedule) -> str:
        """Of the hours that are learned, against those that should be by now; empty where that would be no comfort."""
        if _plan_is_late(of):
            return ""
        hours = of.hours_learned - of.hours_expected
        if hours == 0:
            return self.texts.gettext("As planned.")
        ahead = self.texts.ngettext(
            "%(count)d hour ahead of plan.", "%(count)d hours ahead of plan.", abs(hours)
        )
        behind = self.texts.ngettext(
            "%(count)d hour behind plan.", "%(count)d hours behind plan.", abs(hours)
        )
        return counted(ahead if hours > 0 else behind, abs(hours))

    def week(self, of: Schedule) -> str:
        """Of this week's hours."""
        this = [week.hours_learned for week in of.weeks if week.begins_on <= of.today]
        said = self.texts.ngettext(
            "This week: %(done)d of %(count)d hour.",
            "This week: %(done)d of %(count)d hours.",
            of.hours_per_week,
        )
        return said % {"done": sum(this), "count": of.hours_per_week}

    def needed(self, of: Schedule) -> str:
        """What would reach the deadline; empty: it is reached, or there is none."""
        hours = of.hours_per_week_needed
        if _plan_is_late(of):
            return self._late_plan(of, hours)
        if hours is None or not _is_late(of):
            return ""
        if hours > MOST_HOURS:
            return self.texts.gettext(
                "Even 80 hours a week would not reach it: move the deadline, or skip something."
            )
        said = self.texts.ngettext(
            "With %(count)d hour a week you would reach your deadline.",
            "With %(count)d hours a week you would reach your deadline.",
            hours,
        )
        return counted(said, hours)

    def _late_plan(self, of: Schedule, hours: int | None) -> str:
        """That it was not to be reached as planned, and with which hours it still is."""
        days = _days_after(of)
        if hours is None:
            said = self.texts.ngettext(
                "The plan itself ends %(count)d day after your deadline.",
                "The plan itself ends %(count)d days after your deadline.",
                days,
            )
            return said % {"count": days}
        if hours > MOST_HOURS:
            said = self.texts.ngettext(
                "The plan itself ends %(count)d day after your deadline, and even 80 hours a week would not reach it: "
                "move the deadline, or skip something.",
                "The plan itself ends %(count)d days after your deadline, and even 80 hours a week would not reach it: "
                "move the deadline, or skip something.",
                days,
            )
            return said % {"count": days}
        said = self.texts.ngettext(
            "The plan itself ends %(count)d day after your deadline; with %(hours)s a week you would be in time.",
            "The plan itself ends %(count)d days after your deadline; with %(hours)s a week you would be in time.",
            days,
        )
        a_week = counted(self.texts.ngettext("%(count)d hour", "%(count)d hours", hours), hours)
        return said % {"count": days, "hours": a_week}


def _is_late(of: Schedule) -> bool:
    """And something is left to learn."""
    return of.ends_on is not None and (of.days_late or 0) > 0


def _days_after(of: Schedule) -> int:
    """Between the deadline and what was planned at the beginning."""
    return 0 if of.deadline is None else (of.planned_end - of.deadline).days


def _plan_is_late(of: Schedule) -> bool:
    return _is_late(of) and _days_after(of) > 0
