"""Labels of plans, and comparisons of plans and versions as pages show them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from core.i18n import gettext_noop
from roadmap.plan.diff import Change, ChangeKind
from roadmap.plan.statuses import RevisionSource, RevisionStatus
from roadmap.plan.word_diff import Line, Piece, WordByWord, merged, share_in_common

SOURCES: Mapping[RevisionSource, str] = {
    RevisionSource.goal: gettext_noop("Designed for the goal"),
    RevisionSource.feedback: gettext_noop("Changed on request"),
    RevisionSource.edit: gettext_noop("Changed by hand"),
    RevisionSource.restore: gettext_noop("An earlier plan, taken up again"),
    RevisionSource.imported: gettext_noop("Brought from elsewhere"),
}
STATES: Mapping[RevisionStatus, str] = {
    RevisionStatus.open: gettext_noop("It is being designed."),
    RevisionStatus.failed: gettext_noop("It could not be designed."),
    RevisionStatus.cancelled: gettext_noop("It was stopped."),
}
MARKS: Mapping[ChangeKind, str] = {
    ChangeKind.added: gettext_noop("added"),
    ChangeKind.removed: gettext_noop("removed"),
    ChangeKind.moved: gettext_noop("moved"),
    ChangeKind.changed: gettext_noop("changed"),
}
SIGNS: Mapping[str, str] = {
    "added": "+",
    "removed": "−",  # noqa: RUF001
    "moved": "↕",
    "changed": "≠",
    "same": "",
}
FIELDS: Mapping[str, str] = {
    "title": gettext_noop("Title"),
    "description": gettext_noop("Description"),
    "hours": gettext_noop("Hours"),
    "difficulty": gettext_noop("Difficulty"),
    "prerequisites": gettext_noop("Builds on"),
    "outcomes": gettext_noop("After this you can"),
}
FOLDED = 8  # lines that are the same, one after the other
ALIKE = 0.4  # the share of words by which a line is another form of the one before it


@dataclass(frozen=True, slots=True)
class DiffRow:
    """A line of a comparison: whole, or as pieces of its old and new text."""

    how: str
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class DiffBlock:
    """Adjacent lines; `is_folded` if they are many and unchanged."""

    rows: Sequence[DiffRow]
    is_folded: bool


def field_items(change: Change) -> Sequence[Line]:
    """Return the texts of a list field, each with its change."""
    return list(merged(change.before, change.after))


def blocks(lines: Sequence[Line]) -> list[DiffBlock]:
    """Return the lines in blocks of unchanged and of changed ones."""
    found: list[DiffBlock] = []
    words = WordByWord()
    for is_same, run in groupby(lines, key=lambda line: line.how == "same"):
        together = list(run)
        rows = list(map(_whole, together) if is_same else _changed_rows(together, words))
        found.append(DiffBlock(rows, is_folded=is_same and len(rows) > FOLDED))
    return found


def _changed_rows(changed: Sequence[Line], words: WordByWord) -> Iterator[DiffRow]:
    """Yield removed lines, each with the added one in its place if that is similar."""
    removed, added = ([line for line in changed if line.how == how] for how in ("removed", "added"))
    for was, now in zip_longest(removed, added):
        both = words.pieces(was.text, now.text) if was is not None and now is not None else []
        if both and share_in_common(both) >= ALIKE:
            yield DiffRow("changed", both)
        else:
            yield from (_whole(line) for line in (was, now) if line is not None)


def _whole(line: Line) -> DiffRow:
    return DiffRow(line.how, [Piece(how=line.how, text=line.text)])
