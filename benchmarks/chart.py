"""Bars as SVG: pure. A panel for each measure, a bar for each contender from 0 on, and a thin line from the least to the most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.figures import Spread, number

WIDTH, LEFT, RIGHT = 720, 210, 80  # pixels; left the names, right the figures
TITLE, ROW, GAP = 26, 24, 14  # pixels of height
BAR = 14
OURS = "Roadmap"  # whose names begin so are this service's
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #424a53; }
.title { font-weight: 600; } .name { text-anchor: end; }
.ours { fill: #0b7285; } .other { fill: #8c959f; } .spread { stroke: #1f2328; stroke-width: 1.5; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #c9d1d9; } .ours { fill: #3bc9db; } .other { fill: #6e7681; } .spread { stroke: #f0f6fc; }
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
    parts, top = [], 0
    for panel in panels:
        parts += _panel(panel, top)
        top += TITLE + ROW * len(panel.bars) + GAP
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {about}>\n<style>{STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n"


def _panel(panel: Panel, top: int) -> Iterator[str]:
    most = max(found.most for _, found in panel.bars) or 1
    scale = (WIDTH - LEFT - RIGHT) / most
    yield f'<text class="title" x="{LEFT}" y="{top + 18}">{escape(panel.title)}</text>'
    for row, (name, found) in enumerate(panel.bars):
        middle = top + TITLE + ROW * row + ROW // 2
        kind = "ours" if name.startswith(OURS) else "other"
        yield f'<text class="name" x="{LEFT - 8}" y="{middle + 4}">{escape(name)}</text>'
        length = max(found.median * scale, 1)
        yield f'<rect class="{kind}" x="{LEFT}" y="{middle - BAR // 2}" width="{length:.1f}" height="{BAR}" rx="2"/>'
        least, end = LEFT + found.least * scale, LEFT + found.most * scale
        if end - least >= 1:
            yield f'<path class="spread" d="M{least:.1f} {middle}H{end:.1f}"/>'
        yield f'<text x="{max(end, LEFT + length) + 6:.1f}" y="{middle + 4}">{number(found.median)}</text>'


def _told(panels: Sequence[Panel]) -> str:
    return "; ".join(
        f"{panel.title}: " + ", ".join(f"{name} {number(found.median)}" for name, found in panel.bars) for panel in panels
    )
