"""Parts of a concept: sittings of at most half an hour, by the time that reading takes.

A tutorial is cut at its sections (`##`). The time to read one comes from its words, its lines of
code and its language. Short sections that follow each other are one part, and a long one is
several. What remains of a concept's hours beside reading is for practice. The solution belongs to
the exercise before it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any
from uuid import UUID

from core.db import session
from models.roadmaps import Content, ContentVersion
from roadmap.plan.outline import ContentKind

SHORTEST, LONGEST = 5, 30  # minutes of a part; a shorter tutorial is one part
WORDS_A_MINUTE, LINES_A_MINUTE = 150, 10  # of a text that teaches, and of code
HEADING = re.compile(r" {0,3}##[ \t]+(.*)")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
MOST_KNOWN = 20_000  # tutorials whose minutes are kept in memory
_known: list[dict[tuple[UUID, int], int]] = [{}]
ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # without spaces: half a word


@dataclass(frozen=True, slots=True)
class LessonPart:
    """A sitting, from minute `begin` to minute `end` of reading.

    `title` and `line` are those of the section in which it begins; several may begin in one.
    """

    number: int
    title: str
    line: int
    begin: int
    end: int


def cut(markdown: str) -> list[LessonPart]:
    """Return the parts of a tutorial in their order; there is at least one, of one minute."""
    titles, lines, work = _sections(markdown)
    if len(work) > 2:  # the solution belongs to the exercise
        work[-2:] = [work[-2] + work[-1]]
    ends = [round(each) for each in accumulate(work)]
    ends[-1] = max(ends[-1], 1)
    bounds = [0]
    for end in ends:
        since, rest = bounds[-1], ends[-1] - end
        if rest and (end - since < SHORTEST or rest < SHORTEST):
            continue
        count = -(-(end - since) // LONGEST)
        bounds += [since + (end - since) * step // count for step in range(1, count + 1)]
    parts = []
    for number, (begin, end) in enumerate(pairwise(bounds), 1):
        at = bisect_right(ends, begin)
        parts.append(LessonPart(number, titles[at], lines[at], begin, end))
    return parts


@session()
def reading_minutes(contents: Iterable[Any]) -> Mapping[tuple[UUID, int], int]:
    """Return the minutes to read current tutorials, by content and version, and of other ones.

    `contents` are rows with their id, kind and version. A version never changes.
    """
    if len(_known[0]) > MOST_KNOWN:
        _known[0] = {}
    known, kind = _known[0], ContentKind.tutorial
    wanted = {(each.id, each.version) for each in contents if each.kind == kind and each.version}
    if unknown := [id_ for id_, _ in wanted - known.keys()]:
        current = ContentVersion.version == Content.version
        rows = ContentVersion.select().join(Content).where(current, Content.id.in_(unknown))
        for row in rows:
            known[row.content_id, row.version] = cut(row.body["markdown"])[-1].end
    return known


def _sections(markdown: str) -> tuple[list[str], list[int], list[float]]:
    """Return the title, the first line and the work of each section."""
    titles, lines, work, fence = [""], [0], [0.0], ""
    for at, line in enumerate(markdown.split("\n")):
        mark, heading = FENCE.match(line), HEADING.match(line)
        if mark is not None and mark[1].startswith(fence):
            fence = "" if fence else mark[1]
        elif fence:
            work[-1] += 1 / LINES_A_MINUTE
        elif heading is not None:
            titles.append(heading[1].strip(" \t\r#"))
            lines.append(at)
            work.append(0.0)
        else:
            words = len(line.split()) + len(ASIAN.findall(line)) / 2
            work[-1] += words / WORDS_A_MINUTE
    if not work[0] and len(work) > 1:  # the text begins with a heading
        return titles[1:], lines[1:], work[1:]
    return titles, lines, work
