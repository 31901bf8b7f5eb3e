"""Charts as inline SVG: pure functions from numbers to a drawing. The sheet colours it by class, and it stretches with the page.

What is drawn once stands in a viewBox of one unit a step, so a series is one path; labels stand outside of it, at shares of
the width, so that they keep their size. Whoever cannot see it has its title, its description and a table beside it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from markupsafe import Markup, escape

LEFT = 9  # per cent of the width, for the labels of the vertical axis
ABOVE, GAP, BELOW, LABELS = (
    96,
    6,
    36,
    18,
)  # pixels: what was done, between, what went wrong, the times under it
HEIGHT = ABOVE + GAP + BELOW + LABELS
TOP = 14  # pixels above the highest bar, for its label
MOST_LABELS = 5  # of times
BAR = 0.8  # of the width of a step
SPARK_WIDTH, SPARK_HEIGHT = 96, 24  # pixels
HOUR = timedelta(hours=1)
TICKS = (
    timedelta(minutes=15),
    timedelta(minutes=30),
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    24 * HOUR,
)


class ChartBucket(Protocol):
    """How many runs ended how, in the step that begins at this moment."""

    @property
    def at(self) -> datetime: ...
    @property
    def done(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def retried(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ChartLabels:
    """What is said of a chart. `of_step` says of one step what a pointer over it shows; `nothing` is said where nothing was."""

    title: str
    description: str
    nothing: str
    of_step: Callable[[ChartBucket], str]


def throughput(steps: Sequence[ChartBucket], words: ChartLabels, name: str) -> Markup:
    """Bars of what was done; under them, with a scale of their own, what has failed (wide) and what was tried again (narrow).

    `name` is a word for the ids in it, which no other chart on the page has.
    """
    parts = [
        f'<title id="{name}-title">{escape(words.title)}</title><desc id="{name}-desc">{escape(words.description)}</desc>'
    ]
    most_done = max((step.done for step in steps), default=0)
    most_bad = max((step.failed + step.retried for step in steps), default=0)
    parts += _axes(steps, nice(most_done), nice(most_bad))
    if most_done or most_bad:
        parts += _bars(steps, nice(most_done), nice(most_bad), words.of_step)
    else:
        parts.append(
            f'<text class="nothing" x="{LEFT + (100 - LEFT) / 2}%" y="{ABOVE / 2 + TOP}">{escape(words.nothing)}</text>'
        )
    about = f'role="img" aria-labelledby="{name}-title {name}-desc"'
    return Markup(
        f'<svg class="bars" width="100%" height="{HEIGHT}" {about}>{"".join(parts)}</svg>'
    )


def sparkline(values: Sequence[float | None], title: str) -> Markup:
    """A line of the values, the last of them with a dot; None is where nobody has looked, and leaves a gap."""
    about = f'<svg class="spark" width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}" role="img"><title>{escape(title)}</title>'
    base = SPARK_HEIGHT - 3
    most = max((value for value in values if value is not None), default=0) or 1
    points = [
        None if value is None else (_spark_x(n, len(values)), _spark_y(value, most))
        for n, value in enumerate(values)
    ]
    runs = [run for run in _runs(points) if run]
    if not runs:
        return Markup(f'{about}<path class="none" d="M2 {base}H{SPARK_WIDTH - 2}"/></svg>')
    line = "".join(
        "M" + "L".join(f"{x:g} {y:g}" for x, y in (run if len(run) > 1 else run * 2))
        for run in runs
    )
    x, y = runs[-1][-1]
    return Markup(
        f'{about}<path class="line" d="{line}"/><circle class="dot" cx="{x:g}" cy="{y:g}" r="2"/></svg>'
    )


def nice(most: float) -> int:
    """The end of an axis: 1, 2 or 5 times a power of ten, and no less than the most that stands on it."""
    end = 1
    while end < most:
        end = end * 5 // 2 if str(end)[0] == "2" else end * 2
    return end


def tick_of(length: timedelta) -> timedelta:
    """How far apart the labels of an axis of times are."""
    return next((tick for tick in TICKS if length / tick <= MOST_LABELS), TICKS[-1])


def shortened(number: int) -> str:
    """In at most four characters, up to a thousand million."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if number >= size:
            return f"{number / size:.3g}"[:4].removesuffix(".") + letter
    return str(number)


def _axes(steps: Sequence[ChartBucket], most_done: int, most_bad: int) -> Iterator[str]:
    zero, below = ABOVE, ABOVE + GAP
    lines = (
        (TOP, "edge"),
        ((TOP + zero) // 2, "edge"),
        (zero, "zero"),
        (below, "zero"),
        (below + BELOW, "edge"),
    )
    for y, kind in lines:
        yield f'<line class="{kind}" x1="{LEFT}%" x2="100%" y1="{y}" y2="{y}"/>'
    labels = ((TOP, most_done), (zero, 0), (below + BELOW, most_bad))
    for y, number in labels:
        yield f'<text class="number" x="{LEFT - 1}%" y="{y + 4}">{shortened(number)}</text>'
    if len(steps) > 1:
        length = steps[1].at - steps[0].at
        tick = tick_of(length * len(steps))
        for number, step in enumerate(steps):
            if not step.at.timestamp() % tick.total_seconds():
                x = LEFT + (100 - LEFT) * number / len(steps)
                place = "first" if x < LEFT + 5 else "last" if x > 95 else "middle"
                yield f'<text class="time {place}" x="{x:.2f}%" y="{HEIGHT - 4}">{step.at:%H:%M}</text>'


def _bars(
    steps: Sequence[ChartBucket],
    most_done: int,
    most_bad: int,
    of_step: Callable[[ChartBucket], str],
) -> Iterator[str]:
    up, down = (ABOVE - TOP) / most_done, BELOW / most_bad
    done = "".join(
        _bar(n, BAR, ABOVE, -step.done * up) for n, step in enumerate(steps) if step.done
    )
    top = ABOVE + GAP
    failed = "".join(
        _bar(n, BAR, top, step.failed * down) for n, step in enumerate(steps) if step.failed
    )
    retried = "".join(
        _bar(n, BAR / 2, top + step.failed * down, step.retried * down)
        for n, step in enumerate(steps)
        if step.retried
    )
    yield f'<svg x="{LEFT}%" width="{100 - LEFT}%" height="{HEIGHT}" '
    yield f'viewBox="0 0 {len(steps)} {HEIGHT}" preserveAspectRatio="none">'
    for kind, path in (("done", done), ("failed", failed), ("retried", retried)):
        if path:
            yield f'<path class="{kind}" d="{path}"/>'
    for number, step in enumerate(steps):
        if step.done or step.failed or step.retried:
            yield f'<rect class="hit" x="{number}" width="1" height="{top + BELOW}"><title>{escape(of_step(step))}</title></rect>'
    yield "</svg>"


def _bar(number: int, width: float, y: float, height: float) -> str:
    """From `y` by so much down, or with a height below 0 up; in the middle of its step, and never too low to be seen."""
    seen = height if abs(height) >= 1 else (1 if height > 0 else -1)
    return f"M{number + (1 - width) / 2:g} {y:.4g}v{seen:.4g}h{width:g}v{-seen:.4g}z"


def _runs(points: Sequence[tuple[float, float] | None]) -> Iterator[list[tuple[float, float]]]:
    """Those that follow each other without a gap."""
    run: list[tuple[float, float]] = []
    for point in points:
        if point is None:
            yield run
            run = []
        else:
            run.append(point)
    yield run


def _spark_x(number: int, count: int) -> float:
    return round(2 + (SPARK_WIDTH - 4) * (number / (count - 1) if count > 1 else 1), 1)


def _spark_y(value: float, most: float) -> float:
    return round(SPARK_HEIGHT - 3 - (SPARK_HEIGHT - 6) * value / most, 1)
