"""Parts of a layout of the map: boxes, lines of text and curves, each at its place."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from roadmap.plan.concept_marks import ConceptMark
from roadmap.plan.views import ConceptNode, ModuleNode, StageNode

ASCENT, DESCENT = 0.95, 0.25  # of a line, in em

Point = tuple[float, float]
Bend = tuple[Point, Point, Point]


class Direction(StrEnum):
    columns = "columns"
    rows = "rows"


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Label:
    """Lines of text, which need at most `box`."""

    lines: tuple[str, ...]
    box: Box
    size: float
    leading: float
    bold: bool = False

    @property
    def baselines(self) -> tuple[float, ...]:
        first = (
            self.box.y + (self.leading - self.size * (ASCENT + DESCENT)) / 2 + self.size * ASCENT
        )
        return tuple(first + number * self.leading for number in range(len(self.lines)))


@dataclass(frozen=True, slots=True)
class Pill:
    concept: ConceptNode
    box: Box
    label: Label
    mark: ConceptMark
    is_next: bool


@dataclass(frozen=True, slots=True)
class Card:
    module: ModuleNode
    box: Box
    label: Label
    pills: tuple[Pill, ...]


@dataclass(frozen=True, slots=True)
class ProgressBar:
    """Share that is done, from 0 to 1."""

    box: Box
    done: float


@dataclass(frozen=True, slots=True)
class StageBlock:
    stage: StageNode
    number: int
    box: Box
    labels: tuple[Label, Label, Label]  # number, title, counts
    bar: ProgressBar
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """Arrow from a prerequisite to the concept that needs it: cubic bends of three points each.

    `head` are the ends of its head. `is_past`: both concepts are done or skipped.
    """

    source: UUID
    target: UUID
    start: Point
    bends: tuple[Bend, ...]
    head: tuple[Point, Point]
    is_past: bool

    @property
    def tip(self) -> Point:
        return self.bends[-1][-1]


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of the legend; `mark` is None for the arrow."""

    mark: ConceptMark | None
    is_next: bool
    box: Box
    label: Label


@dataclass(frozen=True, slots=True)
class MapLayout:
    """`empty` is shown instead of stages."""

    direction: Direction
    width: float
    height: float
    heading: tuple[Label, ...]
    bar: ProgressBar | None
    stages: tuple[StageBlock, ...]
    curves: tuple[Curve, ...]
    legend: tuple[Key, ...]
    empty: Label | None
    has_progress: bool = True

    @property
    def pills(self) -> tuple[Pill, ...]:
        return tuple(pill for block in self.stages for card in block.cards for pill in card.pills)
