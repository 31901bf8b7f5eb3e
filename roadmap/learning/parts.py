"""Parts of a concept: sittings of at most half an hour.

A tutorial is cut at its sections (`##`). Each takes a share of the concept's hours by its words and
its lines of code. The exercise, which with its solution ends a tutorial, takes half of them all.
Short sections that follow each other are one part, and a long one is several.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from uuid import UUID

from roadmap.learning.reviews import current_version
from roadmap.plan.outline import ContentKind

SHORTEST, LONGEST = 15, 30  # minutes of a part
WORDS_A_MINUTE, LINES_A_MINUTE = 100, 2  # to read, and to try out
HEADING = re.compile(r" {0,3}##[ \t]+(.*)")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # without spaces: half a word


@dataclass(frozen=True, slots=True)
class LessonPart:
    """A sitting, from minute `begin` to minute `end` of its concept.

    `title` and `line` are those of the section in which it begins; several may begin in one.
    """

    number: int
    title: str
    line: int
    begin: int
    end: int


def cut(markdown: str, hours: int) -> list[LessonPart]:
    """Return the parts of a tutorial in their order; there is at least one."""
    titles, lines, work = _sections(markdown)
    if len(work) > 2:  # the solution belongs to the exercise
        work[-2:] = [max(sum(work[:-2]), work[-2] + work[-1])]
    ends = [round(hours * 60 * each / (sum(work) or 1)) for each in accumulate(work)]
    ends[-1] = hours * 60
    bounds = [0]
    for at, end in enumerate(ends):
        since = bounds[-1]
        if end < ends[-1] and (end - since < SHORTEST or ends[at + 1] - since <= LONGEST):
            continue
        count = -(-(end - since) // LONGEST)
        bounds += [since + (end - since) * step // count for step in range(1, count + 1)]
    parts = []
    for number, (begin, end) in enumerate(pairwise(bounds), 1):
        at = bisect_right(ends, begin)
        parts.append(LessonPart(number, titles[at], lines[at], begin, end))
    return parts


def parts_of(concept_id: UUID, hours: int) -> list[LessonPart]:
    """Return the parts of a concept by its current tutorial. Needs a session."""
    written = current_version(concept_id, ContentKind.tutorial)
    return cut(written.body["markdown"] if written else "", hours)


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
