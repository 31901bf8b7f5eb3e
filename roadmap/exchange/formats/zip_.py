"""ZIP archive of a roadmap: an index, a file for each concept, the map and the document.

It is made in memory, and the same roadmap gives the same files in the same order. Its size is a few
times that of the largest portable document at most.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from gettext import NullTranslations
from urllib.parse import quote

from core.errors import Conflict
from core.sanitize import one_line
from roadmap.exchange.formats.json_ import Source, as_json
from roadmap.exchange.formats.markdown import concept_parts, framed, name_of, tick
from roadmap.exchange.map.drawing import exported
from roadmap.plan.markdown_sanitizer import Sanitizer
from roadmap.plan.views import RoadmapTree

BEGIN = (1980, 1, 1, 0, 0, 0)  # the earliest time of a ZIP entry
ACTIVE = re.compile(r"([\\`*_{}\[\]()<>#+!|~&^-])")  # characters with a meaning in Markdown


def render(source: Source) -> bytes:
    document, tree, concepts, texts = source.document, source.tree, source.details, source.texts
    paths = {
        concept.key: f"{name_of(stage.title, s)}/{name_of(module.title, m)}/"
        f"{name_of(concept.title, c)}.md"
        for s, stage in enumerate(tree.stages, 1)
        for m, module in enumerate(stage.modules, 1)
        for c, concept in enumerate(module.concepts, 1)
    }
    packed, sanitizer = io.BytesIO(), Sanitizer()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, content: str | bytes) -> None:
            entry = zipfile.ZipInfo(name, BEGIN)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)

        add("README.md", "".join(_index(tree, paths, texts)))
        for key, path in paths.items():
            parts = concept_parts(concepts[key], texts, sanitizer, level=1)
            add(path, sanitizer.joined(parts).lstrip("\n"))
        add("map.svg", exported(tree, texts=texts))
        with suppress(Conflict):  # too long for any instance: the files to read are there
            add("roadmap.json", as_json(document))
    return packed.getvalue()


def escaped(text: str) -> str:
    """Return the text as a line that Markdown shows unchanged."""
    return ACTIVE.sub(r"\\\1", one_line(text))


def _index(tree: RoadmapTree, paths: Mapping[str, str], texts: NullTranslations) -> Iterator[str]:
    """Yield the index; its links lead into the archive, so each text is escaped by itself."""
    facts = {**tree.model_dump(include={"hours", "weeks"}), "goal": one_line(tree.goal)}
    yield f"# {escaped(tree.title or tree.goal)}\n\n{escaped(framed(facts, texts))}\n\n"
    yield "[" + escaped(texts.gettext("The map")) + "](map.svg)\n"
    for stage in tree.stages:
        yield f"\n## {escaped(stage.title)}\n\n{escaped(stage.description)}\n"
        for module in stage.modules:
            yield f"\n### {escaped(module.title)}\n\n{escaped(module.description)}\n\n"
            for concept in module.concepts:
                link = f"[{escaped(concept.title)}]({quote(paths[concept.key])})"
                yield f"- {tick(concept.model_dump(include={'progress', 'title'}), texts, link)}\n"
