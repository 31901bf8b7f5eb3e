"""Tree of two outlines: the new one, with removed things in their old place. Pure.

Changes are those of `diff.changes`, placed in the tree. Each thing of both outlines occurs once: a
moved thing in its new place, and a removed one beside its former neighbours.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from roadmap.plan.diff import Change, Spot, What, changes
from roadmap.plan.outline import Outline
from roadmap.plan.validation import Thing

INSIDE: dict[What, What] = {"roadmap": "stage", "stage": "module", "module": "concept"}


class ChangeKind(StrEnum):
    """Kind of change of a thing. A moved thing may have changed fields as well."""

    same = "same"
    added = "added"
    removed = "removed"
    moved = "moved"
    changed = "changed"


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
        return self.mark != ChangeKind.same or any(child.differs for child in self.children)

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


def diff_tree(old: Outline, new: Outline) -> DiffTree:
    """Return the tree; things are matched by their keys, which are unique in each outline."""
    return DiffTree(
        title=new.title,
        title_before=old.title,
        stages=_Merging(old, new).inside("roadmap", "", new.stages),
    )


class _Merging:
    def __init__(self, old: Outline, new: Outline) -> None:
        self._old, self._new = _parts(old), _parts(new)
        self._changes: defaultdict[Spot, list[Change]] = defaultdict(list)
        for change in changes(old, new):
            self._changes[change.what, change.key].append(change)

    def inside(self, what: What, key: str, now: Sequence[Thing]) -> tuple[Node, ...]:
        """Return present and former children of the roadmap, a stage or a module."""
        kind = INSIDE[what]
        order = [thing.key for thing in now]
        there = {thing.key: thing for thing in now}
        at = 0  # index behind the last child that has stayed
        for thing in self._old.get((what, key), ()):
            if self._is(kind, thing.key, "removed"):
                order.insert(at, thing.key)
                there[thing.key] = thing
                at += 1
            elif thing.key in there and not self._is(kind, thing.key, "moved"):
                at = order.index(thing.key) + 1
        return tuple(self._node(kind, there[key]) for key in order)

    def _node(self, what: What, thing: Thing) -> Node:
        its = self._changes.get((what, thing.key), [])
        moves = (each for each in its if each.how == "moved" and each.field != "position")
        children = self._new.get((what, thing.key), ())
        return Node(
            what=what,
            thing=thing,
            # A move, which comes first, counts more than changes of fields.
            mark=ChangeKind(its[0].how) if its else ChangeKind.same,
            fields=tuple(change for change in its if change.how == "changed"),
            moved_from=next((str(move.before) for move in moves), ""),
            children=() if what == "concept" else self.inside(what, thing.key, children),
        )

    def _is(self, what: What, key: str, how: str) -> bool:
        return any(change.how == how for change in self._changes.get((what, key), ()))


def _parts(outline: Outline) -> Mapping[Spot, Sequence[Thing]]:
    """Return the children of each thing, in order."""
    found: dict[Spot, Sequence[Thing]] = {("roadmap", ""): outline.stages}
    for stage in outline.stages:
        found["stage", stage.key] = stage.modules
        for module in stage.modules:
            found["module", module.key] = module.concepts
    return found
