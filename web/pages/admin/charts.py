"""Charts as inline SVG: pure functions of numbers

The style sheet colours a chart by class, and it stretches with the page. Bars are in a viewBox of
one unit a step, so that a series is one path; labels are outside of it, at shares of the width, so
that they keep their size. Those who cannot see it have its title, its description and a table.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from markupsafe import Markup, escape

from roadmap.operations.task_stats import Ended

LEFT = 9  # per cent of the width, for the labels of the vertical axis
# Pixels: for done runs, between, for failed and retried runs, for the times under them.
ABOVE, GAP, BELOW, LABELS = 96, 6, 36, 18
HEIGHT = ABOVE + GAP + BELOW + LABELS
TOP = 14  # pixels above the highest bar, for its label
MOST_LABELS = 5  # of times
BAR = 0.8  # of the width of a step
SPARK_WIDTH, SPARK_HEIGHT = 96, 24  # pixels
HOUR = timedelta(hours=1)
TICKS = tuple(HOUR * count for count in (1 / 4, 1 / 2, 1, 3, 6, 12, 24))


@dataclass(frozen=True, slots=True)
class ChartLabels:
    """Texts of a chart: `of_step` for a pointer over a step, `nothing` for an empty chart."""

    title: str
    description: str
    nothing: str
    of_step: Callable[[Ended], str]


def throughput(steps: Sequence[Ended], words: ChartLabels, name: str) -> Markup:
    """Return bars of done runs, and under them of failed (wide) and retried (narrow) ones.

    Those below have a scale of their own. `name` begins the ids of this chart on the page.
    """
    parts = [
        f'<title id="{name}-title">{escape(words.title)}</title>',
        f'<desc id="{name}-desc">{escape(words.description)}</desc>',
    ]
    most_done = max((step.done for step in steps), default=0)
    most_bad = max((step.failed + step.retried for step in steps), default=0)
    parts += _axes(steps, nice(most_done), nice(most_bad))
    if most_done or most_bad:
        parts += _bars(steps, nice(most_done), nice(most_bad), words.of_step)
    else:
        place = f'x="{LEFT + (100 - LEFT) / 2}%" y="{ABOVE / 2 + TOP}"'
        parts.append(f'<text class="nothing" {place}>{escape(words.nothing)}</text>')
    about = f'role="img" aria-labelledby="{name}-title {name}-desc"'
    return Markup(
        f'<svg class="bars" width="100%" height="{HEIGHT}" {about}>{"".join(parts)}</svg>'
    )


def sparkline(values: Sequence[float | None], title: str) -> Markup:
    """Return a line of the values with a dot at its end; None leaves a gap."""
    size = f'width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}"'
    about = f'<svg class="spark" {size} role="img"><title>{escape(title)}</title>'
    base = SPARK_HEIGHT - 3
    most = max((value for value in values if value is not None), default=0) or 1
    last = len(values) - 1
    lines = []
    for is_gap, run in groupby(enumerate(values), key=lambda point: point[1] is None):
        if is_gap:
            continue
        points = []
        for number, value in run:
            x = round(2 + (SPARK_WIDTH - 4) * (number / last if last else 1), 1)
            y = round(base - (SPARK_HEIGHT - 6) * (value or 0) / most, 1)
            points.append(f"{x:g} {y:g}")
        lines.append("M" + "L".join(points if len(points) > 1 else points * 2))
    if not lines:
        return Markup(f'{about}<path class="none" d="M2 {base}H{SPARK_WIDTH - 2}"/></svg>')
    line, dot = "".join(lines), f'class="dot" cx="{x:g}" cy="{y:g}" r="2"'
    return Markup(f'{about}<path class="line" d="{line}"/><circle {dot}/></svg>')


def nice(most: float) -> int:
    """Return the end of an axis: the next 1, 2 or 5 times a power of ten."""
    end = 1
    while end < most:
        end = end * 5 // 2 if str(end)[0] == "2" else end * 2
    return end


def tick_of(length: timedelta) -> timedelta:
    """Return the distance between labels of a time axis."""
    return next((tick for tick in TICKS if length / tick <= MOST_LABELS), TICKS[-1])


def shortened(number: int) -> str:
    """Format a number in at most four characters, up to a thousand million."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if number >= size:
            return f"{number / size:.3g}"[:4].removesuffix(".") + letter
    return str(number)


def _axes(steps: Sequence[Ended], most_done: int, most_bad: int) -> Iterator[str]:
    below, bottom = ABOVE + GAP, ABOVE + GAP + BELOW
    edges = ((TOP, "edge"), ((TOP + ABOVE) // 2, "edge"), (ABOVE, "zero"), (below, "zero"))
    for y, kind in (*edges, (bottom, "edge")):
        yield f'<line class="{kind}" x1="{LEFT}%" x2="100%" y1="{y}" y2="{y}"/>'
    for y, number in ((TOP, most_done), (ABOVE, 0), (bottom, most_bad)):
        yield f'<text class="number" x="{LEFT - 1}%" y="{y + 4}">{shortened(number)}</text>'
    if len(steps) > 1:
        tick = tick_of((steps[1].at - steps[0].at) * len(steps))
        for number, step in enumerate(steps):
            if not step.at.timestamp() % tick.total_seconds():
                x = LEFT + (100 - LEFT) * number / len(steps)
                end = "first" if x < LEFT + 5 else "last" if x > 95 else "middle"
                place = f'class="time {end}" x="{x:.2f}%" y="{HEIGHT - 4}"'
                yield f"<text {place}>{step.at:%H:%M}</text>"


def _bars(
    steps: Sequence[Ended],
    most_done: int,
    most_bad: int,
    of_step: Callable[[Ended], str],
) -> Iterator[str]:
    up, down, top = (ABOVE - TOP) / most_done, BELOW / most_bad, ABOVE + GAP
    paths, hits = {"done": "", "failed": "", "retried": ""}, ""
    for n, step in enumerate(steps):
        if step.done:
            paths["done"] += _bar(n, BAR, ABOVE, -step.done * up)
        if step.failed:
            paths["failed"] += _bar(n, BAR, top, step.failed * down)
        if step.retried:
            y = top + step.failed * down
            paths["retried"] += _bar(n, BAR / 2, y, step.retried * down)
        if step.done or step.failed or step.retried:
            title = f"<title>{escape(of_step(step))}</title>"
            hits += f'<rect class="hit" x="{n}" width="1" height="{top + BELOW}">{title}</rect>'
    yield f'<svg x="{LEFT}%" width="{100 - LEFT}%" height="{HEIGHT}" '
    yield f'viewBox="0 0 {len(steps)} {HEIGHT}" preserveAspectRatio="none">'
    yield from (f'<path class="{kind}" d="{path}"/>' for kind, path in paths.items() if path)
    yield f"{hits}</svg>"


def _bar(number: int, width: float, y: float, height: float) -> str:
    """Return a bar in the middle of its step, down from `y`, or up with a negative height.

    It is never too low to be seen.
    """
    seen = height if abs(height) >= 1 else (1 if height > 0 else -1)
    return f"M{number + (1 - width) / 2:g} {y:.4g}v{seen:.4g}h{width:g}v{-seen:.4g}z"
