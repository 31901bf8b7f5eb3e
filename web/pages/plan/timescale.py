"""Where a moment stands on a line: as far from the last as it took, but for long times in which nothing was done."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roadmap.lifecycle.timeline.intervals import union

LONG_SECONDS, LONG_SHARE = (
    10.0,
    0.25,
)  # a gap is cut out when it is longer than both: this, and this share of all the rest
BREAK = 44.0  # units that stand for a gap
MOST_BREAKS = 6
STEPS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800),
)
APART = 64.0  # units between two ticks, so that their labels do not touch


@dataclass(frozen=True, slots=True)
class Stretch:
    """Seconds from `start` to `end` stand from `left` to `right`; a gap has nothing in it."""

    start: float
    end: float
    left: float
    right: float
    is_gap: bool = False

    def at(self, second: float) -> float:
        if self.end <= self.start:
            return self.left
        return self.left + (second - self.start) / (self.end - self.start) * (
            self.right - self.left
        )


@dataclass(frozen=True, slots=True)
class Scale:
    stretches: tuple[Stretch, ...]

    def at(self, second: float) -> float:
        """Where it stands; what is before or behind all of it stands at the end."""
        for stretch in self.stretches:
            if second <= stretch.end:
                return stretch.at(max(second, stretch.start))
        return self.stretches[-1].right

    @property
    def gaps(self) -> list[Stretch]:
        return [stretch for stretch in self.stretches if stretch.is_gap]


def scale_of(busy: Iterable[tuple[float, float]], end: float, left: float, right: float) -> Scale:
    """From 0 to `end` seconds, between `left` and `right`; gaps between what is `busy` are cut out when they are long."""
    gaps = _long_gaps(union(busy), end)
    unit = (right - left - BREAK * len(gaps)) / max(end - sum(b - a for a, b in gaps), 1e-3)
    stretches: list[Stretch] = []
    at, x = 0.0, left
    for start, stop in gaps:
        if start > at:
            stretches.append(Stretch(at, start, x, x + (start - at) * unit))
            x = stretches[-1].right
        stretches.append(Stretch(start, stop, x, x + BREAK, is_gap=True))
        at, x = stop, x + BREAK
    if at < end or not stretches:
        stretches.append(Stretch(at, max(end, at + 1e-3), x, right))
    return Scale(tuple(stretches))


def ticks(scale: Scale) -> list[tuple[float, float]]:
    """Seconds and places of round times outside of gaps, no two of them closer than `APART`."""
    shown = [
        stretch
        for stretch in scale.stretches
        if not stretch.is_gap and stretch.right > stretch.left
    ]
    if not shown:
        return []
    unit = min((stretch.right - stretch.left) / (stretch.end - stretch.start) for stretch in shown)
    step = next((step for step in STEPS if step * unit >= APART), STEPS[-1])
    found: list[tuple[float, float]] = []
    for stretch in shown:
        number = -(-stretch.start // step)
        while number * step <= stretch.end:
            x = stretch.at(number * step)
            is_free = all(abs(x - other) >= APART for _, other in found)
            if is_free and not any(
                gap.left - APART / 2 < x < gap.right + APART / 2 for gap in scale.gaps
            ):
                found.append((number * step, x))
            number += 1
    return found


def told(seconds: float, step: float = 1.0) -> str:
    """0.2 s, 7 s, 1:30, 2:00:05, 3 d 4:00: figures that every language reads."""
    if seconds < 60:
        digits = 0 if step >= 1 and seconds == round(seconds) else 1 if step >= 0.1 else 2
        return f"{seconds:.{digits}f} s"
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    hours, minutes, left = rest // 3600, rest // 60 % 60, rest % 60
    if days:
        return f"{days} d {hours}:{minutes:02d}"
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def _long_gaps(busy: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """The longest of them, in the order of time."""
    edges = [0.0, *(edge for interval in busy for edge in interval), end]
    between = [
        (start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop > start
    ]
    worked = sum(stop - start for start, stop in busy)
    long = [
        (start, stop)
        for start, stop in between
        if stop - start > max(LONG_SECONDS, LONG_SHARE * worked)
    ]
    return sorted(sorted(long, key=lambda gap: gap[0] - gap[1])[:MOST_BREAKS])
