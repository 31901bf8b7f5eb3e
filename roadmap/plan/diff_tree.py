"""Two outlines as one tree: the new one, with what was removed in its old place. Pure.

What changed is what `diff.changes` says, thing by thing; here it stands where it belongs. Everything of both outlines is there
once: what moved is where it is now, and what was removed is beside those that stood beside it, as far as they have stayed.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from roadmap.plan.diff import Change, Spot, What, changes
from roadmap.plan.outline import Outline, OutlineModule, OutlineStage
from roadmap.plan.validation import Thing

INSIDE: dict[What, What] = {"roadmap": "stage", "stage": "module", "module": "concept"}


class ChangeKind(StrEnum):
    """What became of a thing. One that moved may have been changed as well: its fields say so."""

    same = "same"
    added = "added"
    removed = "removed"
    moved = "moved"
    changed = "changed"


@dataclass(frozen=True, slots=True)
class Node:
    """A thing as it is now, or was last. `moved_from` is the title of its parent before, empty when it moved within it."""

    what: What
    thing: Thing
    mark: ChangeKind
    fields: tuple[Change, ...] = ()  # that were changed
    moved_from: str = ""
    children: tuple["Node", ...] = ()

    @property
    def differs(self) -> bool:
        """It, or something in it."""
        return self.mark != ChangeKind.same or any(child.differs for child in self.children)

    def all(self) -> Iterator["Node"]:
        """Itself and all that is in it."""
        yield self
        for child in self.children:
            yield from child.all()


@dataclass(frozen=True, slots=True)
class DiffTree:
    """`title_before` is the same as `title` when it was not changed."""

    title: str
    title_before: str
    stages: tuple[Node, ...]

    def all(self) -> Iterator[Node]:
        for stage in self.stages:
            yield from stage.all()

    @property
    def counts(self) -> dict[ChangeKind, int]:
        """Of the things by their marks."""
        found: defaultdict[ChangeKind, int] = defaultdict(int)
        for node in self.all():
            found[node.mark] += 1
        return dict(found)

    @property
    def differs(self) -> bool:
        return self.title != self.title_before or any(stage.differs for stage in self.stages)


def diff_tree(old: Outline, new: Outline) -> DiffTree:
    """Things are matched by their keys, which must be unique in each outline."""
    made = _Merging(old, new)
    return DiffTree(
        title=new.title, title_before=old.title, stages=made.inside("roadmap", "", new.stages)
    )


class _Merging:
    def __init__(self, old: Outline, new: Outline) -> None:
        self._old, self._new = _parts(old), _parts(new)
        self._changes: defaultdict[Spot, list[Change]] = defaultdict(list)
        for change in changes(old, new):
            self._changes[change.what, change.key].append(change)

    def inside(self, what: What, key: str, now: Sequence[Thing]) -> tuple[Node, ...]:
        """What is, and what was, in a stage, in a module or in the roadmap."""
        kind = INSIDE[what]
        order = [thing.key for thing in now]
        there = {thing.key: thing for thing in now}
        at = 0  # behind those that have stayed so far
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
        moved = next((change for change in its if change.how == "moved"), None)
        fields = tuple(change for change in its if change.how == "changed")
        mark = (
            ChangeKind(its[0].how) if its else ChangeKind.same
        )  # of the move, if it moved: it is told first
        children = (
            ()
            if what == "concept"
            else self.inside(what, thing.key, self._new.get((what, thing.key), ()))
        )
        moved_from = str(moved.before) if moved is not None and moved.field != "position" else ""
        return Node(
            what=what,
            thing=thing,
            mark=mark,
            fields=fields,
            moved_from=moved_from,
            children=children,
        )

    def _is(self, what: What, key: str, how: str) -> bool:
        return any(change.how == how for change in self._changes.get((what, key), ()))


def _parts(outline: Outline) -> Mapping[Spot, Sequence[Thing]]:
    """What stands in each thing, in order."""
    found: dict[Spot, Sequence[Thing]] = {("roadmap", ""): outline.stages}
    for stage in outline.stages:
        found["stage", stage.key] = _of(stage)
        for module in stage.modules:
            found["module", module.key] = _of(module)
    return found


def _of(thing: OutlineStage | OutlineModule) -> Sequence[Thing]:
    return thing.modules if isinstance(thing, OutlineStage) else thing.concepts
