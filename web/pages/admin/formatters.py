"""Numbers and times of operators' pages, in the reader's language."""

from dataclasses import dataclass
from datetime import datetime
from gettext import NullTranslations

from core import clock

NOTHING = "\u2013"  # where there is nothing to say


@dataclass(frozen=True, slots=True)
class Formatters:
    texts: NullTranslations

    def lasted(self, seconds: float | None) -> str:
        """Return a duration in its two largest units; below a minute, with two or three digits."""
        if seconds is None:
            return NOTHING
        _ = self.texts.gettext
        if seconds < 0.9995:
            return _("%(count)s ms") % {"count": f"{max(seconds, 0) * 1000:.3g}"}
        whole, minutes, hours = round(seconds), round(seconds / 60), round(seconds / 3600)
        if seconds < 59.5:
            return _("%(count)s s") % {"count": f"{seconds:.2g}" if seconds < 10 else whole}
        if minutes < 60:
            values = {"minutes": whole // 60, "seconds": whole % 60}
            return _("%(minutes)s min %(seconds)s s") % values
        if minutes < 24 * 60:
            values = {"hours": minutes // 60, "minutes": minutes % 60}
            return _("%(hours)s h %(minutes)s min") % values
        return _("%(days)s d %(hours)s h") % {"days": hours // 24, "hours": hours % 24}

    def ago(self, at: datetime | None) -> str:
        """Return the time since or until then, in seconds, minutes, hours or days."""
        if at is None:
            return NOTHING
        _ = self.texts.gettext
        seconds = (clock.now() - at).total_seconds()
        if abs(seconds) < 1:
            return _("now")
        text = _("%(time)s ago") if seconds > 0 else _("in %(time)s")
        return text % {"time": self._about(abs(seconds))}

    def for_how_long(self, since: datetime) -> str:
        return self._about(max(0.0, (clock.now() - since).total_seconds()))

    def _about(self, seconds: float) -> str:
        _ = self.texts.gettext
        if seconds < 60:
            return _("%(count)s s") % {"count": int(seconds)}
        if seconds < 3600:
            return _("%(count)s min") % {"count": int(seconds // 60)}
        if seconds < 2 * 86_400:
            return _("%(count)s h") % {"count": int(seconds // 3600)}
        return _("%(count)s d") % {"count": int(seconds // 86_400)}

    def share(self, part: int, whole: int) -> str:
        """Return a share in per cent; one above 0 is never shown as 0."""
        if not part or not whole:
            return self._per_cent("0") if whole else NOTHING
        per_cent = 100 * part / whole
        if per_cent < 0.1:
            return self._per_cent("< 0.1")
        return self._per_cent(f"{per_cent:.1f}" if per_cent < 9.95 else f"{per_cent:.0f}")

    def _per_cent(self, number: str) -> str:
        return self.texts.gettext("%(number)s %%") % {"number": number}


def grouped(number: int) -> str:
    """Format a number with thin spaces between thousands, which every language reads."""
    return f"{number:,}".replace(",", "\u202f")
