"""A roadmap as a folder of Markdown files in a ZIP archive: an index, a file for each concept, the map, and the document that
another instance takes in. It is made in memory, and the same roadmap makes the same files in the same order.

What goes in is as large as a portable document may be, a few times over.
"""

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from gettext import NullTranslations
from typing import Any
from urllib.parse import quote

from core.errors import Conflict
from core.i18n import ENGLISH
from core.sanitize import one_line, strip_nul
from roadmap.exchange.formats.json_ import PortableRoadmap, as_json
from roadmap.exchange.formats.markdown import concept_markdown, framed, tick
from roadmap.exchange.map.drawing import exported
from roadmap.plan.markdown_sanitizer import sanitize
from roadmap.plan.outline import ContentKind
from roadmap.plan.views import RoadmapTree, concepts_of

Json = Mapping[str, Any]

BEGIN = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the first time that a ZIP archive knows: when it was packed says nothing
LONGEST_NAME = 48  # characters; three of them, one in the other, stay below what any system takes
MOST_BYTES = 120  # of a name in UTF-8
ACTIVE = re.compile(r"([\\`*_{}\[\]()<>#+!|~&^-])")  # what may mean something in a line of Markdown


def zipped(
    tree: RoadmapTree,
    concepts: Mapping[str, Json],
    document: PortableRoadmap,
    texts: NullTranslations = ENGLISH,
) -> bytes:
    """`concepts` are those of the tree in detail, by key."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _files(tree, concepts, document, texts):
            entry = zipfile.ZipInfo(name, BEGIN)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return packed.getvalue()


def name_of(title: str, number: int) -> str:
    """Readable in any script, with nothing in it that a path could mean. By its number it is the only one, and in order."""
    kept = "".join(
        c if unicodedata.category(c)[0] in "LNM" else " "
        for c in unicodedata.normalize("NFC", strip_nul(title))
    )
    name = "-".join(kept.split())[:LONGEST_NAME]
    while len(name.encode()) > MOST_BYTES:
        name = name[:-1]
    return f"{number:02d}-{name}".strip("-")


def escaped(text: str) -> str:
    """A line that shows as it is, wherever it stands in Markdown."""
    return ACTIVE.sub(r"\\\1", one_line(text))


def _files(
    tree: RoadmapTree,
    concepts: Mapping[str, Json],
    document: PortableRoadmap,
    texts: NullTranslations,
) -> Iterator[tuple[str, bytes]]:
    paths = dict(_paths(tree))
    yield "README.md", "".join(_index(tree, paths, texts)).encode()
    for key, path in paths.items():
        yield path, sanitize(concept_markdown(concepts[key], texts, level=1).lstrip("\n")).encode()
    yield "map.svg", exported(tree, texts=texts).encode()
    try:
        yield "roadmap.json", as_json(document)
    except (
        Conflict
    ):  # longer than any instance would take: what is to be read is there nevertheless
        return


def _paths(tree: RoadmapTree) -> Iterator[tuple[str, str]]:
    for s, stage in enumerate(tree.stages, 1):
        for m, module in enumerate(stage.modules, 1):
            for c, concept in enumerate(module.concepts, 1):
                yield (
                    concept.key,
                    f"{name_of(stage.title, s)}/{name_of(module.title, m)}/{name_of(concept.title, c)}.md",
                )


def _index(tree: RoadmapTree, paths: Mapping[str, str], texts: NullTranslations) -> Iterator[str]:
    """Its links lead into the archive, so it is escaped word by word."""
    facts = {**tree.model_dump(include={"hours", "weeks"}), "goal": one_line(tree.goal)}
    yield f"# {escaped(tree.title or tree.goal)}\n\n{escaped(framed(facts, texts))}\n\n"
    words = escaped(texts.gettext("The map"))
    yield f"[{words}](map.svg)\n"
    for stage in tree.stages:
        yield f"\n## {escaped(stage.title)}\n\n{escaped(stage.description)}\n"
        for module in stage.modules:
            yield f"\n### {escaped(module.title)}\n\n{escaped(module.description)}\n\n"
            for concept in module.concepts:
                link = f"[{escaped(concept.title)}]({quote(paths[concept.key])})"
                yield f"- {tick(concept.model_dump(include={'progress', 'title'}), texts, link)}\n"


def details_of(tree: RoadmapTree, document: PortableRoadmap) -> dict[str, Json]:
    """Of each concept, by key, what `document.as_markdown` wants to know. Of a plan that is begun there are no weeks: they count
    from its beginning, and it moves with what is learned.
    """
    found: dict[str, Json] = {}
    for concept in concepts_of(tree):
        its = document.concepts[concept.key]
        written = {
            kind: each.body.model_dump(mode="json") if (each := its.contents.of(kind)) else None
            for kind in ContentKind
        }
        resources = written[ContentKind.resources]
        found[concept.key] = {
            **concept.model_dump(
                mode="json", include={"title", "description", "hours", "week", "progress"}
            ),
            **{
                "tutorial": written[ContentKind.tutorial],
                "quiz": written[ContentKind.quiz],
                "notes": its.notes,
            },
            "resources": resources["items"] if resources else None,
            **({"week": None} if tree.learned.is_begun else {}),
        }
    return found
