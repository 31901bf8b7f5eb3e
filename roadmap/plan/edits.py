"""Edits of an outline: operations on stages, modules and concepts, which have keys."""

from collections.abc import Sequence, Set
from itertools import chain
from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field, StringConstraints

from core.errors import FieldError, Invalid
from core.json_types import WHOLE, LazyModel
from roadmap.plan.outline import LONGEST_KEY, Frozen, Outline, What, made_key
from roadmap.plan.schemas import PRINTABLE, Number
from roadmap.plan.validation import (
    LONGEST_DESCRIPTION,
    LONGEST_OUTCOME,
    MOST_OUTCOMES,
    MOST_PREREQUISITES,
)

MOST_OPERATIONS = 100
MOST_NAMED = 5  # of an edit
HOW = {"remove": "removed", "move": "moved", "rewrite": "changed"}

PARENT: dict[What, What] = {"module": "stage", "concept": "module"}
PARTS: dict[What, str] = {"stage": "modules", "module": "concepts"}  # fields of children
Key = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY)]
NewKey = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=LONGEST_KEY)]
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), PRINTABLE
]
Description = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=LONGEST_DESCRIPTION), PRINTABLE
]
Outcome = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_OUTCOME),
    PRINTABLE,
]
Hours = Annotated[int, Field(ge=1, le=200), WHOLE]
Difficulty = Annotated[int, Field(ge=1, le=5), WHOLE]
Prerequisites = Annotated[tuple[Key, ...], Field(max_length=MOST_PREREQUISITES)]
Outcomes = Annotated[tuple[Outcome, ...], Field(max_length=MOST_OUTCOMES)]
Position = Annotated[
    int | None,
    Field(description="New index among its siblings, from 0; null: last."),
    WHOLE,
]


class Addition(Frozen):
    """Element to add."""

    key: NewKey | None = Field(
        None, description="Key for later operations and revisions; null: derived from the title."
    )
    title: Title = Field(description="Title.")
    description: Description = Field("", description="Description.")
    position: Position = None


class AddStage(Addition):
    """A new stage, without modules yet."""

    op: Literal["add_stage"]


class AddModule(Addition):
    """A new module, without concepts yet."""

    op: Literal["add_module"]
    stage: Key = Field(description="Key of its stage.")


class AddConcept(Addition):
    """A new concept. Its contents will be built."""

    op: Literal["add_concept"]
    module: Key = Field(description="Key of its module.")
    hours: Hours = Field(description="Hours of study.")
    difficulty: Difficulty = Field(description="Difficulty from 1 (easy) to 5 (hard).")
    prerequisites: Prerequisites = Field((), description="Keys of the prerequisites.")
    outcomes: Outcomes = Field((), description="Learning outcomes.")


class Remove(Frozen):
    """Remove an element with everything in it, also as a prerequisite."""

    op: Literal["remove"]
    what: What = Field(description="Kind of the element.")
    key: Key = Field(description="Key of the element.")


class Move(Frozen):
    """Move an element among its siblings, or to another parent."""

    op: Literal["move"]
    what: What = Field(description="Kind of the element.")
    key: Key = Field(description="Key of the element.")
    to: Key | None = Field(None, description="Key of the new parent; null: unchanged.")
    position: Position = None


class Rewrite(Frozen):
    """Change an existing element. Fields that are null stay unchanged."""

    op: Literal["rewrite"]
    what: What = Field(description="Kind of the element.")
    key: Key = Field(description="Key of the element; it stays the same.")
    title: Title | None = Field(None, description="Title.")
    description: Description | None = Field(None, description="Description.")
    hours: Hours | None = Field(None, description="Hours of study of a concept.")
    difficulty: Difficulty | None = Field(
        None, description="Difficulty of a concept, from 1 (easy) to 5 (hard)."
    )
    prerequisites: Prerequisites | None = Field(
        None, description="Keys of the prerequisites of a concept."
    )
    outcomes: Outcomes | None = Field(None, description="Learning outcomes of a concept.")
    regenerate: bool = Field(True, description="Whether to rebuild the contents of a concept.")


Operation = Annotated[
    AddStage | AddModule | AddConcept | Remove | Move | Rewrite, Field(discriminator="op")
]


class EditRequest(LazyModel, frozen=True, extra="forbid"):
    """Operations on the plan, applied in order, all or none."""

    operations: Annotated[
        tuple[Operation, ...], Field(min_length=1, max_length=MOST_OPERATIONS)
    ] = Field(description="Operations, applied in order. `op` names the kind.")
    base: Number | None = Field(
        None,
        description="The revision that you read. The edit applies only if it is still current.",
    )


def apply(
    outline: Outline, operations: Sequence[Operation], taken: frozenset[str] = frozenset()
) -> Outline:
    """Return the outline after all operations, which are done in order.

    A new thing never gets a key of `taken`, nor a key that a thing of its kind has, or had before
    it was removed. Prerequisites are not checked: `roadmap.plan.validation.problems` finds faults
    of the result. Raises Invalid, with a pointer below `/operations`, for the first operation that
    cannot be done.
    """
    tree = _Tree(outline, taken)
    for index, operation in enumerate(operations):
        tree.change(operation, f"/operations/{index}")
    return Outline.model_validate(tree.root)


def changes_of(
    operations: Sequence[Operation], before: Outline, after: Outline
) -> list[dict[str, str]]:
    """Return how and of which title each of the first operations changed the plan."""
    title_of = {
        (what, node.key): node.title
        for outline in (before, after)
        for what, nodes in (
            ("stage", outline.stages),
            ("module", outline.modules()),
            ("concept", outline.concepts()),
        )
        for node in nodes
    }
    return [
        {"how": HOW[each.op], "title": title_of.get((each.what, each.key), each.key)}
        if isinstance(each, Remove | Move | Rewrite)
        else {"how": "added", "title": each.title}
        for each in operations[:MOST_NAMED]
    ]


def kept_as_written(operations: Sequence[Operation]) -> frozenset[str]:
    """Return the keys of rewritten concepts of which no operation regenerates contents."""
    rewrites = [each for each in operations if isinstance(each, Rewrite) and each.what == "concept"]
    regenerated = {rewrite.key for rewrite in rewrites if rewrite.regenerate}
    return frozenset(rewrite.key for rewrite in rewrites) - regenerated


class _Tree:
    """Outline that is being changed, as lists and dictionaries."""

    def __init__(self, outline: Outline, taken: frozenset[str]) -> None:
        self.root = outline.model_dump(mode="json")
        self._used: dict[What, Set[str]] = {
            what: taken | self._keys(what) for what in ("stage", "module", "concept")
        }
        self._pointer = ""

    def change(self, operation: Operation, pointer: str) -> None:
        self._pointer = pointer
        match operation:
            case AddStage():
                self._add("stage", self.root["stages"], operation)
            case AddModule():
                stage = self._find("stage", operation.stage, "stage")[1]
                self._add("module", stage["modules"], operation)
            case AddConcept():
                module = self._find("module", operation.module, "module")[1]
                self._add("concept", module["concepts"], operation)
            case Remove():
                siblings, node = self._find(operation.what, operation.key)
                known = self._keys("concept")
                siblings.remove(node)
                gone = known - self._keys("concept")
                for each in chain.from_iterable(self._lists("concept")):
                    each["prerequisites"] = [
                        key for key in each["prerequisites"] if key not in gone
                    ]
            case Move():
                siblings, node = self._find(operation.what, operation.key)
                target = siblings
                if operation.to is not None:
                    if operation.what == "stage":
                        self._refuse("/to", "must be null: a stage has no parent")
                    parent = PARENT[operation.what]
                    target = self._find(parent, operation.to, "to")[1][PARTS[parent]]
                siblings.remove(node)
                self._insert(target, node, operation.position)
            case Rewrite():
                fields = operation.model_dump(
                    mode="json", exclude={"op", "what", "key", "regenerate"}, exclude_none=True
                )
                _, node = self._find(operation.what, operation.key)
                if not fields:
                    self._refuse("", "must name at least one field to rewrite")
                for name in fields:
                    if name not in node:
                        self._refuse(f"/{name}", "is for concepts only")
                node |= fields

    def _add(self, what: What, siblings: list[Any], operation: Addition) -> None:
        if operation.key in self._used[what]:
            self._refuse("/key", f"is the key of another {what} or of a removed one")
        key = operation.key or made_key(operation.title, what, self._used[what])
        self._used[what] |= {key}
        fields = operation.model_dump(mode="json", exclude={"op", "position", "stage", "module"})
        parts: dict[str, Any] = {} if what == "concept" else {PARTS[what]: []}
        self._insert(siblings, {**fields, **parts, "key": key}, operation.position)

    def _insert(self, siblings: list[Any], node: dict[str, Any], position: int | None) -> None:
        index = len(siblings) if position is None else position
        if not 0 <= index <= len(siblings):
            self._refuse("/position", f"must be between 0 and {len(siblings)}")
        siblings.insert(index, node)

    def _find(self, what: What, key: str, name: str = "key") -> tuple[list[Any], dict[str, Any]]:
        """Return a thing with its siblings before it; `name` is the field with its key."""
        for siblings in self._lists(what):
            for node in siblings:
                if node["key"] == key:
                    return siblings, node
        self._refuse(f"/{name}", f"is not the key of a {what}")

    def _lists(self, what: What) -> list[list[Any]]:
        """Return all lists of siblings of this kind."""
        if what == "stage":
            return [self.root["stages"]]
        parent = PARENT[what]
        return [node[PARTS[parent]] for node in chain.from_iterable(self._lists(parent))]

    def _keys(self, what: What) -> set[str]:
        return {node["key"] for node in chain.from_iterable(self._lists(what))}

    def _refuse(self, field: str, rule: str) -> NoReturn:
        raise Invalid(
            "An operation is not possible. Nothing was changed.",
            fields=(FieldError(self._pointer + field, rule),),
        )
