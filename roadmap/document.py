"""A whole roadmap with its tutorials, resources and questions as one Markdown document.

It takes what the API tells, as JSON: a tree, and each of its concepts in detail. So the command line makes it of a service
elsewhere, and the service of its own rows.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from roadmap.markdown import harmless

Json = Mapping[str, Any]


def concept_ids(tree: Json) -> list[str]:
    """In the order in which `as_markdown` wants them."""
    return [node["id"] for stage in tree["stages"] for module in stage["modules"] for node in module["concepts"]]


def as_markdown(tree: Json, concepts: Iterable[Json]) -> Iterator[str]:
    """Part after part, each harmless by itself: what a model wrote has no HTML and no image in it, and leads nowhere strange."""
    frame = f"{counted(tree['hours'], 'hour')} in {counted(tree['weeks'], 'week')}"
    details = iter(concepts)
    yield harmless(f"# {tree['title'] or tree['goal']}\n\nGoal: {tree['goal']}. {frame}.\n")
    for stage in tree["stages"]:
        yield harmless(f"\n## {stage['title']}\n\n{stage['description']}\n")
        for module in stage["modules"]:
            yield harmless(f"\n### {module['title']}\n\n{module['description']}\n")
            for _ in module["concepts"]:
                yield harmless(_concept(next(details)))


def counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _concept(concept: Json) -> str:
    lines = [f"\n#### {concept['title']}\n", f"Week {concept['week']}, {concept['hours']} hours. {concept['description']}\n"]
    if concept["tutorial"]:
        lines.append(_deepened(concept["tutorial"]["markdown"]))
    if concept["resources"]:
        lines.append("**Read on**\n")
        lines += [f"- [{item['title']}]({item['url']}): {item['why']}" for item in concept["resources"]]
        lines.append("")
    if concept["quiz"]:
        lines.append("**Questions**\n")
        for number, question in enumerate(concept["quiz"]["questions"], 1):
            lines.append(f"{number}. {question['prompt']}\n")
            lines += [f"   - {option}" for option in question["options"]]
            lines.append("")
    return "\n".join(lines)


def _deepened(markdown: str) -> str:
    """Headings of a tutorial below the concept's own; code blocks as they are."""
    lines, in_code = [], False
    for line in markdown.splitlines():
        if line.lstrip().startswith("```"):
            in_code = not in_code
        lines.append(f"###{line}" if line.startswith("##") and not in_code else line)
    return "\n".join(lines) + "\n"
