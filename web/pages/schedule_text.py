"""Days and the state of a schedule, as whole sentences of one language."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from gettext import NullTranslations

from core.i18n import gettext_noop
from roadmap.learning.schedule import Schedule
from roadmap.plan.schemas import MOST_HOURS_PER_WEEK
from web.pages.labels import with_count

MONTHS = (
    gettext_noop("January"),
    gettext_noop("February"),
    gettext_noop("March"),
    gettext_noop("April"),
    gettext_noop("May"),
    gettext_noop("June"),
    gettext_noop("July"),
    gettext_noop("August"),
    gettext_noop("September"),
    gettext_noop("October"),
    gettext_noop("November"),
    gettext_noop("December"),
)
# From these on, a time is given in the next unit.
MINUTES_AT_MOST, HOURS_AT_MOST, DAYS_AT_MOST, MONTHS_AT_MOST = 60, 24, 60, 24


@dataclass(frozen=True, slots=True)
class ScheduleText:
    texts: NullTranslations

    def day(self, of: date) -> str:
        """Return a date with the name of its month."""
        values = {"day": of.day, "month": self.texts.gettext(MONTHS[of.month - 1]), "year": of.year}
        return self.texts.gettext("%(day)d %(month)s %(year)d") % values

    def duration(self, minutes: int) -> str:
        """Return hours and minutes."""
        hours, rest = divmod(minutes, 60)
        if not hours:
            return self.texts.gettext("%(count)d min") % {"count": rest}
        if not rest:
            return self.texts.gettext("%(count)d h") % {"count": hours}
        text = self.texts.gettext("%(hours)d h %(minutes)d min")
        return text % {"hours": hours, "minutes": rest}

    def about(self, minutes: int) -> str:
        return self.texts.gettext("about %(time)s") % {"time": self.duration(minutes)}

    def until(self, at: datetime, now: datetime) -> str:
        """Return the time until then, in one unit."""
        if at - now < timedelta(minutes=1):
            return self.texts.gettext("in less than a minute")
        ngettext = self.texts.ngettext
        minutes = -(-(at - now) // timedelta(minutes=1))
        hours, days = round(minutes / 60), round(minutes / 60 / 24)
        if minutes < MINUTES_AT_MOST:
            count, text = minutes, ngettext("in %(count)d minute", "in %(count)d minutes", minutes)
        elif hours < HOURS_AT_MOST:
            count, text = hours, ngettext("in %(count)d hour", "in %(count)d hours", hours)
        elif days < DAYS_AT_MOST:
            count, text = days, ngettext("in %(count)d day", "in %(count)d days", days)
        elif (months := round(days / 30.44)) < MONTHS_AT_MOST:
            count, text = months, ngettext("in %(count)d month", "in %(count)d months", months)
        else:
            count = round(days / 365.25)
            text = ngettext("in %(count)d year", "in %(count)d years", count)
        return with_count(text, count)

    def stands(self, of: Schedule) -> str:
        """Return the one sentence that matters most."""
        if of.ends_on is None or (of.days_late or 0) > 0 or of.hours_left == of.hours:
            return self.end(of)
        if of.days_behind:
            return self.against_plan(of)
        return self.week(of) or self.against_plan(of)

    def end(self, of: Schedule) -> str:
        """Return the day on which it will be learned, and whether that is in time."""
        if of.ends_on is None:
            return self.texts.gettext("You have finished.")
        day = {"day": self.day(of.ends_on)}
        if of.days_late is None:
            return (
                self.texts.gettext("With the hours you have set, you will finish on %(day)s.") % day
            )
        if of.days_late == 0:
            text = self.texts.gettext(
                "With the hours you have set, you will finish on %(day)s, your target date."
            )
            return text % day
        days = abs(of.days_late)
        late = self.texts.ngettext(
            "With the hours you have set, you will finish on %(day)s, %(count)d day after your"
            " target date.",
            "With the hours you have set, you will finish on %(day)s, %(count)d days after your"
            " target date.",
            days,
        )
        early = self.texts.ngettext(
            "With the hours you have set, you will finish on %(day)s, %(count)d day before your"
            " target date.",
            "With the hours you have set, you will finish on %(day)s, %(count)d days before your"
            " target date.",
            days,
        )
        return (late if of.days_late > 0 else early) % {**day, "count": days}

    def against_plan(self, of: Schedule) -> str:
        """Compare the end of what remains with the first plan; empty if that itself is late."""
        if of.deadline is not None and _is_late(of) and of.planned_end > of.deadline:
            return ""
        if of.days_behind == 0:
            return self.texts.gettext("You are on schedule.")
        days = abs(of.days_behind)
        ahead = self.texts.ngettext(
            "You will finish %(count)d day earlier than first planned.",
            "You will finish %(count)d days earlier than first planned.",
            days,
        )
        behind = self.texts.ngettext(
            "You will finish %(count)d day later than first planned.",
            "You will finish %(count)d days later than first planned.",
            days,
        )
        return with_count(ahead if of.days_behind < 0 else behind, days)

    def week(self, of: Schedule) -> str:
        """Return the planned and learned hours of this week; empty if none are planned."""
        this = [week for week in of.weeks if week.begins_on <= of.today]
        learned = sum(week.hours_learned for week in this)
        planned = learned + sum(week.hours_ahead for week in this)
        if not planned:
            return ""
        text = self.texts.ngettext(
            "This week: %(done)d of %(count)d planned hour.",
            "This week: %(done)d of %(count)d planned hours.",
            planned,
        )
        return text % {"done": learned, "count": planned}

    def needed(self, of: Schedule) -> str:
        """Return the weekly hours that reach the deadline; empty if in time, or without one."""
        hours = of.hours_per_week_needed
        if hours is None or not _is_late(of):
            return ""
        if hours > MOST_HOURS_PER_WEEK:
            return self.texts.gettext(
                "Even 80 hours a week is not enough: choose a later target date, or skip some"
                " concepts."
            )
        text = self.texts.ngettext(
            "With %(count)d hour a week you would finish by your target date.",
            "With %(count)d hours a week you would finish by your target date.",
            hours,
        )
        return with_count(text, hours)


def _is_late(of: Schedule) -> bool:
    """Whether something is left to learn, and will be learned after the deadline."""
    return of.ends_on is not None and (of.days_late or 0) > 0
