"""A whole roadmap with its tutorials, resources and questions as one Markdown document, with what the learner has left, and in
the words of the roadmap's language.

It takes a tree and each of its concepts in detail, as JSON.
"""

from collections.abc import Iterable, Iterator, Mapping
from gettext import NullTranslations
from typing import Any

from core.i18n import ENGLISH
from roadmap.plan.markdown_sanitizer import sanitize
from roadmap.plan.statuses import ConceptProgress

Json = Mapping[str, Any]


def as_markdown(tree: Json, concepts: Iterable[Json], texts: NullTranslations) -> Iterator[str]:
    """Part after part, each harmless by itself: what a model wrote has no HTML and no image in it, and leads nowhere strange.
    Progress is a list to tick off, and notes are quotations.
    """
    details = iter(concepts)
    yield sanitize(f"# {tree['title'] or tree['goal']}\n\n{framed(tree, texts)}\n")
    if tree["stages"]:
        ticks = "\n".join(f"- {tick(node, texts)}" for node in _nodes(tree))
        heading = texts.gettext("Progress")
        yield sanitize(f"\n## {heading}\n\n{ticks}\n")
    for stage in tree["stages"]:
        yield sanitize(f"\n## {stage['title']}\n\n{stage['description']}\n")
        for module in stage["modules"]:
            yield sanitize(f"\n### {module['title']}\n\n{module['description']}\n")
            for _ in module["concepts"]:
                yield sanitize(concept_markdown(next(details), texts))


def counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def framed(tree: Json, texts: NullTranslations) -> str:
    """What it is for, and how long it takes."""
    hours, weeks = counted(tree["hours"], "hour"), counted(tree["weeks"], "week")
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
    """A concept as an entry of a list to tick off; `shown` stands for its title."""
    words = {
        ConceptProgress.learning: texts.gettext("Learning"),
        ConceptProgress.skipped: texts.gettext("Skipped"),
    }
    said = words.get(node["progress"])
    return f"[{'x' if node['progress'] == ConceptProgress.done else ' '}] {shown or node['title']}{f' ({said})' if said else ''}"


def concept_markdown(concept: Json, texts: NullTranslations, *, level: int = 4) -> str:
    """One concept under a heading of that level, not yet harmless. Its `week` may be null."""
    said = texts.ngettext("%(count)d hour.", "%(count)d hours.", concept["hours"]) % {
        "count": concept["hours"]
    }
    if concept["week"] is not None:
        numbers = {"week": concept["week"], "count": concept["hours"]}
        said = (
            texts.ngettext(
                "Week %(week)d, %(count)d hour.",
                "Week %(week)d, %(count)d hours.",
                concept["hours"],
            )
            % numbers
        )
    lines = [f"\n{'#' * level} {concept['title']}\n", f"{said} {concept['description']}\n"]
    if concept["tutorial"]:
        lines.append(_deepened(concept["tutorial"]["markdown"], level - 1))
    if concept["resources"]:
        lines.append(_strong(texts.gettext("Read on")))
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
    if concept["notes"]:
        lines.append(_strong(texts.gettext("My notes")))
        lines += [f"> {line}".rstrip() for line in concept["notes"].splitlines()]
        lines.append("")
    return "\n".join(lines)


def _strong(words: str) -> str:
    return f"**{words}**\n"


def _nodes(tree: Json) -> list[Json]:
    return [
        node
        for stage in tree["stages"]
        for module in stage["modules"]
        for node in module["concepts"]
    ]


def _deepened(markdown: str, by: int) -> str:
    """Headings of a tutorial below the concept's own; code blocks as they are."""
    lines, in_code = [], False
    for line in markdown.splitlines():
        if line.lstrip().startswith("```"):
            in_code = not in_code
        lines.append(f"{'#' * by}{line}" if line.startswith("##") and not in_code else line)
    return "\n".join(lines) + "\n"
