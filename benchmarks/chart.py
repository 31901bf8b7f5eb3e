"""Bars and lines as SVG: pure.

Of bars, a panel for each measure, a bar for each contender from 0 on, and a thin line from the
least to the most. A control that is far ahead of everybody would leave no room for a difference
between them: its bar is cut, and has a gap.

Of lines, a panel for each measure, over how much there is of something: from 0 on, or by powers of
ten when they are far apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from benchmarks.figures import Spread, number
from benchmarks.targets import CONTROLS, OURS

WIDTH, LEFT, RIGHT = 800, 270, 80  # pixels; left the names, right the figures
TITLE, ROW, GAP = 26, 24, 14  # pixels of height
BAR = 14
CUT = 1.25  # how much longer than all others a bar may be
PLOT, FOOT = 190, 46  # pixels of height: of the lines, and of what stands below them
LINE_LEFT, LINE_RIGHT = 64, 290  # pixels; left the figures, right the names
APART = 15  # pixels between two names
FAR_APART = 30  # how many times the least the most is, from which on powers of ten are drawn
MOST_MARKS = 6  # below a panel
COLOURS = (
    "#0b7285",
    "#c2255c",
    "#e8590c",
    "#5f3dc4",
    "#2b8a3e",
    "#8c6d1f",
    "#495057",
    "#1971c2",
    "#a61e4d",
    "#66a80f",
)
AT_NIGHT = (
    "#3bc9db",
    "#faa2c1",
    "#ffa94d",
    "#b197fc",
    "#69db7c",
    "#ffe066",
    "#ced4da",
    "#74c0fc",
    "#f783ac",
    "#c0eb75",
)
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #424a53; }
.title { font-weight: 600; } .name { text-anchor: end; }
.ours { fill: #0b7285; } .other { fill: #8c959f; } .control { fill: #c8d1da; }
.spread { stroke: #1f2328; stroke-width: 1.5; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #c9d1d9; } \
.ours { fill: #3bc9db; } .other { fill: #6e7681; } .control { fill: #3d444d; }
  .spread { stroke: #f0f6fc; }
}
"""
LINE_STYLE = (
    ".line { fill: none; stroke-width: 2; } .axis { stroke: #8c959f; stroke-opacity: .4; }\n"
    ".small { font-size: 11px; }\n"
    ".right { text-anchor: end; } .middle { text-anchor: middle; }\n"
    + "".join(
        f".s{n} {{ stroke: {colour}; }} .f{n} {{ fill: {colour}; }}\n"
        for n, colour in enumerate(COLOURS)
    )
    + "@media (prefers-color-scheme: dark) {\n"
    + "".join(
        f".s{n} {{ stroke: {colour}; }} .f{n} {{ fill: {colour}; }}\n"
        for n, colour in enumerate(AT_NIGHT)
    )
    + "}\n"
)


@dataclass(frozen=True, slots=True)
class Panel:
    """A measure with its unit, and who had how much of it."""

    title: str
    bars: Sequence[tuple[str, Spread]]


@dataclass(frozen=True, slots=True)
class Lines:
    """A measure with its unit, and lines by name: figures by how much there is of the `axis`.

    `is_even`: those amounts stand at even distances, whatever lies between them.
    """

    title: str
    axis: str
    lines: Mapping[str, Mapping[float, float]]
    is_even: bool = True


def drawing(subject: str, panels: Sequence[Panel]) -> str:
    parts: list[str] = []
    top = 0
    for panel in panels:
        parts += _panel(panel, top)
        top += TITLE + ROW * len(panel.bars) + GAP
    return _svg(f"{subject}: {_summary(panels)}", top, STYLE, parts)


def line_drawing(subject: str, panels: Sequence[Lines]) -> str:
    parts: list[str] = []
    top = 0
    for panel in panels:
        parts += _lines(panel, top)
        top += _height_of(panel)
    summary = "; ".join(f"{panel.title}: {', '.join(_ends(panel))}" for panel in panels)
    return _svg(f"{subject}: {summary}", top, STYLE + LINE_STYLE, parts)


def _svg(label: str, height: int, style: str, parts: Sequence[str]) -> str:
    about = f'role="img" aria-label="{escape(label)}"'
    box = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} {about}>\n<style>{style}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(panel: Panel, top: int) -> Iterator[str]:
    others = (
        max((found.most for name, found in panel.bars if name not in CONTROLS), default=0) * CUT
    )
    most = min(others, max(found.most for _, found in panel.bars)) or 1
    yield f'<text class="title" x="{LEFT}" y="{top + 18}">{escape(panel.title)}</text>'
    for row, (name, found) in enumerate(panel.bars):
        yield from _bar(
            name, found, (WIDTH - LEFT - RIGHT) / most, most, top + TITLE + ROW * row + ROW // 2
        )


def _bar(name: str, found: Spread, scale: float, most: float, middle: int) -> Iterator[str]:
    """Around this height, with so many pixels for a unit, up to so much."""
    kind = "ours" if name.startswith(OURS) else "control" if name in CONTROLS else "other"
    yield f'<text class="name" x="{LEFT - 8}" y="{middle + 4}">{escape(name)}</text>'
    end = LEFT + max(min(found.median, most) * scale, 1)
    if found.median > most:
        low = middle - BAR / 2
        yield f'<path class="{kind}" d="M{LEFT} {low}H{end - 14:.1f}l-4 {BAR}H{LEFT}z"/>'
        yield f'<path class="{kind}" d="M{end - 8:.1f} {low}h8v{BAR}h-12z"/>'
    else:
        place = f'x="{LEFT}" y="{middle - BAR // 2}"'
        size = f'width="{end - LEFT:.1f}" height="{BAR}" rx="2"'
        yield f'<rect class="{kind}" {place} {size}/>'
        least, last = LEFT + found.least * scale, LEFT + min(found.most, most) * scale
        if last - least >= 1:
            yield f'<path class="spread" d="M{least:.1f} {middle}H{last:.1f}"/>'
        end = max(end, last)
    yield f'<text x="{end + 6:.1f}" y="{middle + 4}">{number(found.median)}</text>'


def _summary(panels: Sequence[Panel]) -> str:
    return "; ".join(
        f"{panel.title}: "
        + ", ".join(f"{name} {number(found.median)}" for name, found in panel.bars)
        for panel in panels
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """From figures to pixels of height above the foot of a plot; `marks` are named."""

    marks: Sequence[float]
    is_by_tens: bool

    def height(self, value: float) -> float:
        least, most = self.marks[0], self.marks[-1]
        if self.is_by_tens:
            return (log10(max(value, least)) - log10(least)) / (log10(most) - log10(least)) * PLOT
        return value / most * PLOT


def scale_of(values: Sequence[float]) -> _Scale:
    """Powers of ten for figures that are far apart; otherwise from 0 to a round one above them."""
    most, least = max(values), min(values)
    if least > 0 and most / least > FAR_APART:
        first, last = floor(log10(least)), ceil(log10(most))
        return _Scale([10.0**power for power in range(first, last + 1)], is_by_tens=True)
    unit = 10.0 ** floor(log10(most)) if most > 0 else 1.0
    top = next(
        unit * times
        for times in (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
        if unit * times >= most * (1 - 1e-9)
    )
    return _Scale([0, top / 2, top], is_by_tens=False)


def _height_of(panel: Lines) -> int:
    return TITLE + max(PLOT, APART * len(panel.lines)) + FOOT


def _lines(panel: Lines, top: int) -> Iterator[str]:
    places, foot = _places(panel), top + TITLE + PLOT
    scale = scale_of([value for line in panel.lines.values() for value in line.values()])
    end = WIDTH - LINE_RIGHT
    yield f'<text class="title" x="{LINE_LEFT}" y="{top + 18}">{escape(panel.title)}</text>'
    for mark in scale.marks:
        y = foot - scale.height(mark)
        yield f'<path class="axis" d="M{LINE_LEFT} {y:.1f}H{end}"/>'
        yield f'<text class="small right" x="{LINE_LEFT - 6}" y="{y + 4:.1f}">{number(mark)}</text>'
    for x in _marked(list(places)):
        yield f'<text class="small middle" x="{places[x]:.1f}" y="{foot + 16}">{x:,.0f}</text>'
    centre, below = (LINE_LEFT + end) / 2, foot + 32
    axis = escape(panel.axis)
    yield f'<text class="small middle" x="{centre:.0f}" y="{below}">{axis}</text>'
    ends = []
    for row, (name, line) in enumerate(panel.lines.items()):
        points = [(places[x], foot - scale.height(value)) for x, value in line.items()]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        yield f'<path class="line s{row % len(COLOURS)}" d="M{path}"/>'
        yield from (
            f'<circle class="f{row % len(COLOURS)}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
            for x, y in points
        )
        ends.append((points[-1][1], row, f"{name}, {number(list(line.values())[-1])}"))
    for y, (_, row, name) in zip(
        _spread_out([y for y, _, _ in sorted(ends)], top + TITLE), sorted(ends), strict=True
    ):
        colour = row % len(COLOURS)
        yield f'<text class="f{colour}" x="{end + 10}" y="{y + 4:.1f}">{escape(name)}</text>'


def _places(panel: Lines) -> dict[float, float]:
    """The place of each amount, in order."""
    amounts = sorted({x for line in panel.lines.values() for x in line})
    begin, width = LINE_LEFT + 20, WIDTH - LINE_LEFT - LINE_RIGHT - 40
    if panel.is_even:
        return {
            x: begin + width * place / max(len(amounts) - 1, 1) for place, x in enumerate(amounts)
        }
    span = (amounts[-1] - amounts[0]) or 1
    return {x: begin + width * (x - amounts[0]) / span for x in amounts}


def _marked(amounts: Sequence[float]) -> Sequence[float]:
    """As many as there is room to name."""
    step = ceil(len(amounts) / MOST_MARKS)
    return amounts[::step]


def _spread_out(heights: Sequence[float], top: float) -> list[float]:
    """As near as they can be without standing on each other; given and returned downwards."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + APART) if placed else max(height, top))
    below = top + max(PLOT, APART * len(heights))
    for place in reversed(range(len(placed))):
        placed[place] = min(placed[place], below)
        below = placed[place] - APART
    return placed


def _ends(panel: Lines) -> Iterator[str]:
    for name, line in panel.lines.items():
        (first, least), *_ = line.items()
        *_, (last, most) = line.items()
        yield f"{name} {number(least)} at {first:,.0f}, {number(most)} at {last:,.0f}"
