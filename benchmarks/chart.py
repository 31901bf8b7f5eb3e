"""Bars as SVG: pure. A panel for each measure, a bar for each contender from 0 on, and a thin line from the least to the most.

A control that is far ahead of everybody would leave no room for a difference between them: its bar is cut, and has a gap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.figures import Spread, number
from benchmarks.targets import CONTROLS, OURS

WIDTH, LEFT, RIGHT = 800, 270, 80  # pixels; left the names, right the figures
TITLE, ROW, GAP = 26, 24, 14  # pixels of height
BAR = 14
CUT = 1.25  # how much longer than all others a bar may be
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #424a53; }
.title { font-weight: 600; } .name { text-anchor: end; }
.ours { fill: #0b7285; } .other { fill: #8c959f; } .control { fill: #c8d1da; }
.spread { stroke: #1f2328; stroke-width: 1.5; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #c9d1d9; } .ours { fill: #3bc9db; } .other { fill: #6e7681; } .control { fill: #3d444d; }
  .spread { stroke: #f0f6fc; }
}
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """A measure with its unit, and who had how much of it."""

    title: str
    bars: Sequence[tuple[str, Spread]]


def drawing(subject: str, panels: Sequence[Panel]) -> str:
    height = sum(TITLE + ROW * len(panel.bars) + GAP for panel in panels)
    about = f'role="img" aria-label="{escape(subject)}: {escape(_told(panels))}"'
    box = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    parts: list[str] = []
    top = 0
    for panel in panels:
        parts += _panel(panel, top)
        top += TITLE + ROW * len(panel.bars) + GAP
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {about}>\n<style>{STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n"


def _panel(panel: Panel, top: int) -> Iterator[str]:
    others = max((found.most for name, found in panel.bars if name not in CONTROLS), default=0) * CUT
    most = min(others, max(found.most for _, found in panel.bars)) or 1
    yield f'<text class="title" x="{LEFT}" y="{top + 18}">{escape(panel.title)}</text>'
    for row, (name, found) in enumerate(panel.bars):
        yield from _bar(name, found, (WIDTH - LEFT - RIGHT) / most, most, top + TITLE + ROW * row + ROW // 2)


def _bar(name: str, found: Spread, scale: float, most: float, middle: int) -> Iterator[str]:
    """Around this height, with so many pixels for a unit, up to so much."""
    kind = "ours" if name.startswith(OURS) else "control" if name in CONTROLS else "other"
    yield f'<text class="name" x="{LEFT - 8}" y="{middle + 4}">{escape(name)}</text>'
    end = LEFT + max(min(found.median, most) * scale, 1)
    if found.median > most:
        yield f'<path class="{kind}" d="M{LEFT} {middle - BAR / 2}H{end - 14:.1f}l-4 {BAR}H{LEFT}z"/>'
        yield f'<path class="{kind}" d="M{end - 8:.1f} {middle - BAR / 2}h8v{BAR}h-12z"/>'
    else:
        yield f'<rect class="{kind}" x="{LEFT}" y="{middle - BAR // 2}" width="{end - LEFT:.1f}" height="{BAR}" rx="2"/>'
        least, last = LEFT + found.least * scale, LEFT + min(found.most, most) * scale
        if last - least >= 1:
            yield f'<path class="spread" d="M{least:.1f} {middle}H{last:.1f}"/>'
        end = max(end, last)
    yield f'<text x="{end + 6:.1f}" y="{middle + 4}">{number(found.median)}</text>'


def _told(panels: Sequence[Panel]) -> str:
    return "; ".join(
        f"{panel.title}: " + ", ".join(f"{name} {number(found.median)}" for name, found in panel.bars) for panel in panels
    )
