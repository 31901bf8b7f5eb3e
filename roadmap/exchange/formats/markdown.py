"""One Markdown document of a roadmap: contents, questions and progress, in its language.

It takes a tree and the details of each of its concepts, as JSON.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from gettext import NullTranslations
from typing import Any

from core.i18n import ENGLISH, pluralize, sentence_gap
from core.sanitize import one_line, strip_nul
from roadmap.plan.markdown_sanitizer import LINE_END, Sanitizer
from roadmap.plan.outline import CONTENT_KINDS
from roadmap.plan.statuses import ConceptProgress

Json = Mapping[str, Any]

LONGEST_NAME = 48  # characters; a path of three names stays below the limit of any system
MOST_BYTES = 120  # of a name in UTF-8
HEADING = re.compile("#{2,6}(?!#)")


def render(source: Any) -> bytes:  # a Source: for a command, this module imports little
    details = source.details.values()
    tree = source.tree.model_dump(mode="json")
    return as_markdown(tree, details, source.texts).encode()


def as_markdown(tree: Json, concepts: Iterable[Json], texts: NullTranslations) -> str:
    """Return the document, which is sanitized: no HTML, no images, links to the web only.

    Progress is a task list, and notes are quotations.
    """
    details, sanitizer = iter(concepts), Sanitizer()
    parts = [sanitizer.clean(f"# {tree['title'] or tree['goal']}\n\n{framed(tree, texts)}\n")]
    if tree["stages"]:
        ticks = "\n".join(
            f"- {tick(node, texts)}"
            for stage in tree["stages"]
            for module in stage["modules"]
            for node in module["concepts"]
        )
        parts.append(sanitizer.clean("\n## " + texts.gettext("Progress") + f"\n\n{ticks}\n"))
    for stage in tree["stages"]:
        parts.append(sanitizer.clean(f"\n## {stage['title']}\n\n{stage['description']}\n"))
        for module in stage["modules"]:
            title = f"\n### {module['title']}\n\n{module['description']}\n"
            parts.append(sanitizer.clean(title))
            for _ in module["concepts"]:
                parts += concept_parts(next(details), texts, sanitizer)
    return sanitizer.joined(parts)


def name_of(title: str, number: int) -> str:
    """Return a file name in the script of the title, without any character special in paths."""
    kept = "".join(
        c if unicodedata.category(c)[0] in "LNM" else " "
        for c in unicodedata.normalize("NFC", strip_nul(title))
    )
    name = "-".join(kept.split())[:LONGEST_NAME]
    while len(name.encode()) > MOST_BYTES:
        name = name[:-1]
    return f"{number:02d}-{name}".strip("-")


def framed(tree: Json, texts: NullTranslations) -> str:
    """Return the goal and the duration of a roadmap as a sentence."""
    hours, weeks = pluralize(tree["hours"], "hour"), pluralize(tree["weeks"], "week")
    if texts is not ENGLISH:
        hours = texts.ngettext("%(count)d hour", "%(count)d hours", tree["hours"]) % {
            "count": tree["hours"]
        }
        weeks = texts.ngettext("%(count)d week", "%(count)d weeks", tree["weeks"]) % {
            "count": tree["weeks"]
        }
    return texts.gettext("Goal: %(goal)s. %(hours)s in %(weeks)s.") % {
        "goal": tree["goal"],
        "hours": hours,
        "weeks": weeks,
    }


def tick(node: Json, texts: NullTranslations, shown: str = "") -> str:
    """Return a concept as an entry of a task list; `shown` replaces its title."""
    words = {
        ConceptProgress.learning: texts.gettext("Learning"),
        ConceptProgress.skipped: texts.gettext("Skipped"),
    }
    state = words.get(node["progress"])
    box = "x" if node["progress"] == ConceptProgress.done else " "
    return f"[{box}] {shown or node['title']}{f' ({state})' if state else ''}"


def concept_parts(
    concept: Json, texts: NullTranslations, sanitizer: Sanitizer, *, level: int = 4
) -> list[str]:
    """Return a concept under a heading of that level in clean parts. `week` may be null.

    Its tutorial has been sanitized before it was stored.
    """
    hours = concept["hours"]
    time = (
        texts.ngettext("%(count)d hour.", "%(count)d hours.", hours)
        if concept["week"] is None
        else texts.ngettext(
            "Week %(week)d, %(count)d hour.", "Week %(week)d, %(count)d hours.", hours
        )
    ) % {"week": concept["week"], "count": hours}
    lines = [
        f"\n{'#' * level} {concept['title']}\n",
        f"{time}{sentence_gap(texts)}{one_line(concept['description'])}\n",
    ]
    parts, lines = [sanitizer.clean("\n".join(lines))], []
    if concept["tutorial"]:
        parts.append("\n" + _deepened(concept["tutorial"]["markdown"], level - 1))
    if concept["resources"]:
        lines.append(_strong(texts.gettext("Further reading")))
        lines += [
            f"- [{item['title']}]({item['url']}): {item['why']}" for item in concept["resources"]
        ]
        lines.append("")
    if concept["quiz"]:
        lines.append(_strong(texts.gettext("Questions")))
        for number, question in enumerate(concept["quiz"]["questions"], 1):
            lines.append(f"{number}. {question['prompt']}\n")
            lines += [f"   - {option}" for option in question["options"]]
            lines.append("")
    for kind, entry in CONTENT_KINDS.items():
        if kind not in ("tutorial", "resources", "quiz") and concept.get(kind):
            text = entry.body.model_validate(concept[kind]).text()
            lines += [_strong(texts.gettext(entry.label)), text, ""]
    if concept["notes"]:
        lines.append(_strong(texts.gettext("My notes")))
        lines += [f"> {line}".rstrip() for line in concept["notes"].splitlines()]
        lines.append("")
    return [*parts, sanitizer.clean("\n" + "\n".join(lines))] if lines else parts


def _strong(words: str) -> str:
    return f"**{words}**\n"


def _deepened(markdown: str, by: int) -> str:
    """Move headings of a tutorial below the concept's own; code blocks stay unchanged."""
    lines, fence = [], ""
    for line in LINE_END.split(markdown):
        mark = line.lstrip()[:3]
        if mark == fence or (not fence and mark in {"```", "~~~"}):
            fence = "" if fence else mark
        found = None if fence else HEADING.match(line)
        # Seven marks are none: the next line would belong to the same paragraph.
        lines.append("#" * min(by, 6 - len(found[0])) + line if found else line)
    return "\n".join(lines) + "\n"
