"""Changes between two outlines: in words, as data and as a tree of both. No database.

In the tree each thing of both outlines occurs once: a moved thing in its new place, and a removed
one beside its former neighbours.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from core.json_types import LazyModel
from roadmap.plan.outline import Outline
from roadmap.plan.validation import Thing, quoted

What = Literal["roadmap", "stage", "module", "concept"]
How = Literal["added", "removed", "moved", "changed"]
ChangeKind = How | Literal["same"]  # of a thing; a moved one may have changed fields as well
Spot = tuple[What, str]  # kind and key of a thing of an outline

ROADMAP: Spot = ("roadmap", "")
INSIDE: dict[What, What] = {"roadmap": "stage", "stage": "module", "module": "concept"}
TEXTS = ("title", "description")
FIELDS: dict[What, tuple[str, ...]] = {
    "stage": (*TEXTS, "capstone"),
    "module": TEXTS,
    "concept": (*TEXTS, "hours", "difficulty", "prerequisites", "outcomes"),
}


class Change(LazyModel, frozen=True):
    """One change.

    `title` is the current title, or the last one. `key` of the roadmap itself is ''.

    `before` and `after` are values of `field`. For a moved element, `field` is the kind of its
    parent and the values are titles of parents; or it is `position` and the values are indexes from
    0 among its siblings, which can be equal if only others moved. Prerequisites are titles too.
    """

    what: What = Field(description="Kind of the element.")
    how: How = Field(description="Kind of the change.")
    key: str = Field(description="Key of the element; empty: the roadmap itself.")
    title: str = Field(description="Current or last title.")
    text: str = Field(description="The change as text.")
    field: str | None = Field(None, description="Changed field.")
    before: Any = Field(None, description="Value before.")
    after: Any = Field(None, description="Value after.")


@dataclass(frozen=True, slots=True)
class Node:
    """A thing as it is now, or was last. `moved_from`: title of its former parent, or empty."""

    what: What
    thing: Thing
    mark: ChangeKind
    fields: tuple[Change, ...] = ()  # changes of fields
    moved_from: str = ""
    children: tuple["Node", ...] = ()

    @property
    def differs(self) -> bool:
        """Whether it or something in it was changed."""
        return self.mark != "same" or any(child.differs for child in self.children)

    def all(self) -> Iterator["Node"]:
        """Yield the node and all nodes in it."""
        yield self
        for child in self.children:
            yield from child.all()


@dataclass(frozen=True, slots=True)
class DiffTree:
    """All stages; `title_before` equals `title` when it was not changed."""

    title: str
    title_before: str
    stages: tuple[Node, ...]

    def all(self) -> Iterator[Node]:
        for stage in self.stages:
            yield from stage.all()

    @property
    def counts(self) -> dict[ChangeKind, int]:
        """Return how many things have each mark."""
        return dict(Counter(node.mark for node in self.all()))

    @property
    def differs(self) -> bool:
        return self.title != self.title_before or any(stage.differs for stage in self.stages)


def changes(old: Outline, new: Outline) -> list[Change]:
    """Return all changes in the order of the new outline, removals last; empty: none.

    Things are matched by their keys, which must be unique in each outline. A thing that was added
    or removed has its own change, and so has each thing in it.
    """
    before, after = _places(old), _places(new)
    out_of_order = _out_of_order(before, after)
    found: list[Change] = []
    if old.title != new.title:
        found.append(
            Change(
                what="roadmap",
                how="changed",
                key="",
                title=new.title,
                text=f"Renamed the roadmap {quoted(old.title)} to {quoted(new.title)}.",
                field="title",
                before=old.title,
                after=new.title,
            )
        )
    for spot, now in after.items():
        if (was := before.get(spot)) is None:
            found.append(now.change("added", f"Added {now.name} to {now.parent_name}."))
            continue
        if was.parent != now.parent:
            text = f"Moved {now.name} from {was.parent_name} to {quoted(now.parent_title)}."
            found.append(
                now.change("moved", text, now.parent[0], was.parent_title, now.parent_title)
            )
        elif spot in out_of_order:
            text = f"Moved {now.name} within {now.parent_name}."
            found.append(now.change("moved", text, "position", was.index, now.index))
        for field in FIELDS[now.what]:
            if getattr(was.thing, field) != getattr(now.thing, field):
                values = field, was.value(field), now.value(field)
                found.append(now.change("changed", _sentence(was, now, field), *values))
    return found + [
        was.change("removed", f"Removed {was.name} from {was.parent_name}.")
        for spot, was in before.items()
        if spot not in after
    ]


def diff_tree(old: Outline, new: Outline) -> DiffTree:
    """Return both outlines as one tree, with the changes of `changes` at their things."""
    return DiffTree(
        title=new.title,
        title_before=old.title,
        stages=_Merging(old, new).inside(ROADMAP),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """A thing, its parent and its index. `needs` are the titles of its prerequisites."""

    what: What
    thing: Thing
    parent: Spot
    parent_title: str
    index: int
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"the {self.what} {quoted(self.thing.title)}"

    @property
    def parent_name(self) -> str:
        return (
            "the roadmap"
            if self.what == "stage"
            else f"the {self.parent[0]} {quoted(self.parent_title)}"
        )

    def change(
        self, how: How, text: str, field: str | None = None, before: Any = None, after: Any = None
    ) -> Change:
        return Change(
            what=self.what,
            how=how,
            key=self.thing.key,
            title=self.thing.title,
            text=text,
            field=field,
            before=before,
            after=after,
        )

    def value(self, field: str) -> Any:
        if field == "prerequisites":
            return self.needs
        value = getattr(self.thing, field)
        if field == "capstone":
            return value.text() if value else ""
        return value


def _places(outline: Outline) -> dict[Spot, _Place]:
    """Return all things, parents before their children."""
    title_of = {concept.key: concept.title for concept in outline.concepts()}
    found: dict[Spot, _Place] = {}
    for stage_at, stage in enumerate(outline.stages):
        found["stage", stage.key] = _Place("stage", stage, ROADMAP, outline.title, stage_at)
        for module_at, module in enumerate(stage.modules):
            found["module", module.key] = _Place(
                "module", module, ("stage", stage.key), stage.title, module_at
            )
            for at, concept in enumerate(module.concepts):
                needs = tuple(title_of.get(key, key) for key in concept.prerequisites)
                found["concept", concept.key] = _Place(
                    "concept", concept, ("module", module.key), module.title, at, needs
                )
    return found


def _out_of_order(before: Mapping[Spot, _Place], after: Mapping[Spot, _Place]) -> set[Spot]:
    """Return the fewest things whose moves within their parents explain the new order."""
    stayed: defaultdict[Spot, list[Spot]] = defaultdict(list)
    for spot, now in after.items():
        if spot in before and before[spot].parent == now.parent:
            stayed[now.parent].append(spot)
    found: set[Spot] = set()
    for siblings in stayed.values():
        kept = _longest_rise([before[spot].index for spot in siblings])
        found |= {spot for spot in siblings if before[spot].index not in kept}
    return found


def _longest_rise(numbers: Sequence[int]) -> set[int]:
    """Return a longest increasing subsequence of different numbers (patience sorting)."""
    tops: list[int] = []  # the smallest number at which a rise of each length can end
    previous: dict[int, int | None] = {}
    for number in numbers:
        length = bisect_left(tops, number)
        previous[number] = tops[length - 1] if length else None
        tops[length : length + 1] = [number]
    rise, last = set(), tops[-1] if tops else None
    while last is not None:
        rise.add(last)
        last = previous[last]
    return rise


def _sentence(was: _Place, now: _Place, field: str) -> str:
    if field == "title":
        return f"Renamed {was.name} to {quoted(now.thing.title)}."
    beginning = (
        f"Changed the {field} of {quoted(now.thing.title) if now.what == 'concept' else now.name}"
    )
    if field in ("description", "outcomes", "capstone"):  # too long for a sentence
        return f"{beginning}."
    return f"{beginning} from {_shown(was.value(field))} to {_shown(now.value(field))}."


def _shown(value: int | tuple[str, ...]) -> str:
    return str(value) if isinstance(value, int) else ", ".join(map(quoted, value)) or "none"


class _Merging:
    def __init__(self, old: Outline, new: Outline) -> None:
        self._old, self._new = _children(old), _children(new)
        self._changes: defaultdict[Spot, list[Change]] = defaultdict(list)
        for change in changes(old, new):
            self._changes[change.what, change.key].append(change)

    def inside(self, parent: Spot) -> tuple[Node, ...]:
        """Return present and former children of the roadmap, a stage or a module."""
        kind = INSIDE[parent[0]]
        there = {thing.key: thing for thing in self._new[parent]}
        order, at = list(there), 0  # index behind the last child that has stayed
        for thing in self._old[parent]:
            hows = {change.how for change in self._changes[kind, thing.key]}
            if "removed" in hows:
                order.insert(at, thing.key)
                there[thing.key] = thing
                at += 1
            elif thing.key in there and "moved" not in hows:
                at = order.index(thing.key) + 1
        return tuple(self._node(kind, there[key]) for key in order)

    def _node(self, what: What, thing: Thing) -> Node:
        changes = self._changes[what, thing.key]
        moves = (each for each in changes if each.how == "moved" and each.field != "position")
        return Node(
            what=what,
            thing=thing,
            # A move, which comes first, counts more than changes of fields.
            mark=changes[0].how if changes else "same",
            fields=tuple(change for change in changes if change.how == "changed"),
            moved_from=next((str(move.before) for move in moves), ""),
            children=() if what == "concept" else self.inside((what, thing.key)),
        )


def _children(outline: Outline) -> defaultdict[Spot, list[Thing]]:
    found: defaultdict[Spot, list[Thing]] = defaultdict(list)
    for place in _places(outline).values():
        found[place.parent].append(place.thing)
    return found
