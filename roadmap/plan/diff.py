"""What changed between two outlines, in words and as data."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from roadmap.plan.outline import Outline
from roadmap.plan.validation import Thing, quoted

What = Literal["roadmap", "stage", "module", "concept"]
How = Literal["added", "removed", "moved", "changed"]
Spot = tuple[What, str]  # a kind and a key: one thing of an outline

ROADMAP: Spot = ("roadmap", "")
TEXTS = ("title", "description")
FIELDS: dict[What, tuple[str, ...]] = {
    "stage": TEXTS,
    "module": TEXTS,
    "concept": (*TEXTS, "hours", "difficulty", "prerequisites", "outcomes"),
}


class Change(BaseModel):
    """`title` is the one that the thing has now, or had last; the roadmap itself has no key: ''.

    `before` and `after` are values of `field`. For what moved it is the kind of its parent, and they are titles of parents;
    or it is `position`, and they are indexes from 0 among its siblings, which may agree when others moved around it.
    Prerequisites are titles too.
    """

    model_config = ConfigDict(frozen=True)

    what: What = Field(description="What kind of thing.")
    how: How = Field(description="What has become of it.")
    key: str = Field(description="Its key; empty: the roadmap itself.")
    title: str = Field(description="What it is called now, or was called last.")
    text: str = Field(description="The change in words.")
    field: str | None = Field(None, description="What of it has changed.")
    before: Any = Field(None, description="Its value before.")
    after: Any = Field(None, description="Its value afterwards.")


def changes(old: Outline, new: Outline) -> list[Change]:
    """In the order of the new outline, and what was removed last; empty when nothing changed.

    Things are matched by their keys, which must be unique in each outline. Of what was added or removed with all that is in
    it, each thing is told by itself.
    """
    before, after = _places(old), _places(new)
    out_of_order = _out_of_order(before, after)
    found = list(_roadmap_changes(old, new))
    for spot, now in after.items():
        was = before.get(spot)
        found += (
            [_added(now)]
            if was is None
            else [*_moves(was, now, spot in out_of_order), *_rewritten(was, now)]
        )
    return found + [_removed(was) for spot, was in before.items() if spot not in after]


@dataclass(frozen=True, slots=True)
class _Place:
    """A thing, and where it stands. `needs` are the titles of its prerequisites."""

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
        key, title = self.thing.key, self.thing.title
        return Change(
            what=self.what,
            how=how,
            key=key,
            title=title,
            text=text,
            field=field,
            before=before,
            after=after,
        )

    def value(self, field: str) -> Any:
        return self.needs if field == "prerequisites" else getattr(self.thing, field)


def _places(outline: Outline) -> dict[Spot, _Place]:
    """All things, each before what is in it."""
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
    """The fewest things whose moves explain the new order among those that stayed with their parents."""
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
    """The members of a longest increasing subsequence of numbers that all differ (patience sorting)."""
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


def _roadmap_changes(old: Outline, new: Outline) -> Iterator[Change]:
    if old.title != new.title:
        text = f"Renamed the roadmap {quoted(old.title)} to {quoted(new.title)}."
        facts = {"field": "title", "before": old.title, "after": new.title}
        yield Change(what="roadmap", how="changed", key="", title=new.title, text=text, **facts)


def _added(now: _Place) -> Change:
    return now.change("added", f"Added {now.name} to {now.parent_name}.")


def _removed(was: _Place) -> Change:
    return was.change("removed", f"Removed {was.name} from {was.parent_name}.")


def _moves(was: _Place, now: _Place, out_of_order: bool) -> Iterator[Change]:
    if was.parent != now.parent:
        text = f"Moved {now.name} from {was.parent_name} to {quoted(now.parent_title)}."
        yield now.change("moved", text, now.parent[0], was.parent_title, now.parent_title)
    elif out_of_order:
        yield now.change(
            "moved", f"Moved {now.name} within {now.parent_name}.", "position", was.index, now.index
        )


def _rewritten(was: _Place, now: _Place) -> Iterator[Change]:
    for field in FIELDS[now.what]:
        if getattr(was.thing, field) != getattr(now.thing, field):
            yield now.change(
                "changed", _sentence(was, now, field), field, was.value(field), now.value(field)
            )


def _sentence(was: _Place, now: _Place, field: str) -> str:
    if field == "title":
        return f"Renamed {was.name} to {quoted(now.thing.title)}."
    beginning = (
        f"Changed the {field} of {quoted(now.thing.title) if now.what == 'concept' else now.name}"
    )
    if field in ("description", "outcomes"):  # too long for a sentence
        return f"{beginning}."
    return f"{beginning} from {_shown(was.value(field))} to {_shown(now.value(field))}."


def _shown(value: int | tuple[str, ...]) -> str:
    return str(value) if isinstance(value, int) else ", ".join(map(quoted, value)) or "none"
