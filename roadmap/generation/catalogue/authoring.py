"""Tracks for their authors: a skeleton, a finished roadmap as a track, and a check of files."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.errors import Invalid
from roadmap.generation import floors
from roadmap.generation.catalogue.generator import CatalogueGenerator, find_track
from roadmap.generation.catalogue.loader import (
    CatalogueConcept,
    Track,
    folder_of,
    language_of,
    lexicon,
    load_concept,
)
from roadmap.generation.context import ConceptBrief, DesignBrief
from roadmap.plan.markdown_sanitizer import sanitize
from roadmap.plan.outline import Level, Quiz, Resources, Tutorial
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.validation import problems

SKELETON = Path(__file__).parent / "skeleton"
SCHEMAS = Path(__file__).parent / "schemas"
TO_FILL = re.compile("FILL[ -]IN")
FILL = "FILL IN: the roadmap had none."
OF_RESOURCE = ("title", "url", "type", "level", "language", "why")
OF_QUESTION = ("type", "prompt", "options", "answers", "accepted", "explanation", "needs_tutorial")

Facts = Mapping[str, Any]


def skeleton(track_id: str, title: str) -> dict[str, str]:
    """Return the files of a new track, by their paths in its folder."""
    return {
        path.relative_to(SKELETON).as_posix(): path.read_text("utf-8")
        .replace("{id}", track_id)
        .replace('"{title}"', _value(title))
        for path in sorted(SKELETON.rglob("*.*"))
    }


def track_of(document: Facts, track_id: str) -> dict[str, str]:
    """Return an exported roadmap as files of a track, by their paths in its folder.

    They have its plan and contents, and nothing of its learner. Raises Invalid.
    """
    stages, title = document["outline"]["stages"], document["outline"]["title"]
    language = language_of(document["request"]["language"])
    if language is None:
        raise Invalid("A track is in English or Simplified Chinese; this roadmap is in neither.")
    modules = [module for stage in stages for module in stage["modules"]]
    nodes = [node for module in modules for node in module["concepts"]]
    slugs = (re.sub("[^a-z0-9]+", "-", node["title"].lower())[:60] for node in nodes)
    ids = {
        node["key"]: re.sub("-+", "-", f"{number:02}-{slug}").strip("-")
        for number, (node, slug) in enumerate(zip(nodes, slugs, strict=True), 1)
    }
    head = {
        **{"id": track_id, "position": 1, "title": title, "summary": FILL, "language": language},
        "match": {"points": {track_id: 5, "intent": 1}},
        "words": {track_id: [title]},
        "stages": [
            _named(stage)
            | {
                "modules": [
                    _named(module) | {"concepts": [ids[node["key"]] for node in module["concepts"]]}
                    for module in stage["modules"]
                ]
            }
            for stage in stages
        ],
    }
    files = {"track.toml": f"#:schema ../schemas/track.json\n{_written(head)}\n"}
    capstones = [stage.get("capstone") for stage in stages]
    if all(capstones):
        projects = _written({"capstones": capstones})
        files["capstones.toml"] = f"#:schema ../schemas/capstones.json\n{projects}\n"
    for node in nodes:
        contents = document["concepts"].get(node["key"], {}).get("contents", {})
        body = {kind: part["body"] for kind, part in contents.items() if part}
        tutorial = body.get("tutorial", {}).get("markdown", FILL)
        front = _named(node) | {
            **{"hours": node["hours"], "difficulty": node["difficulty"]},
            "prerequisites": [ids[key] for key in node["prerequisites"]],
            "outcomes": node["outcomes"],
            "resources": _kept(OF_RESOURCE, body.get("resources", {}).get("items", ())),
            "questions": _kept(OF_QUESTION, body.get("quiz", {}).get("questions", ())),
        }
        files[f"concepts/{ids[node['key']]}.md"] = f"+++\n{_written(front)}\n+++\n{tutorial}\n"
    return files


def _named(node: Facts) -> dict[str, Any]:
    return {"title": node["title"], "description": node["description"] or FILL}


def _kept(names: tuple[str, ...], items: list[Facts]) -> list[Facts]:
    return [{name: item[name] for name in names if item.get(name)} for item in items]


def _written(table: Facts, place: str = "") -> str:
    """Return a table as TOML; tables in it, and lists of tables, come last."""
    lines, below = [], []
    for name, value in table.items():
        inner = f"{place}{name}"
        if isinstance(value, dict):
            below.append(f"\n[{inner}]\n{_written(value, f'{inner}.')}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            below += [f"\n[[{inner}]]\n{_written(each, f'{inner}.')}" for each in value]
        else:
            lines.append(f"{name} = {_value(value)}")
    return "\n".join(lines + below)


def _value(value: Any) -> str:
    """Return a value as TOML; a text of several lines stays one."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str) and "\n" in value:
        return '"""\n' + "\n".join(_value(line)[1:-1] for line in value.split("\n")) + '"""'
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def faults(track: Track) -> Iterator[str]:
    """Yield what is wrong with a track without broken files, each as `file: place: rule`.

    Nothing in it is executed.
    """
    folder = folder_of(track.id)
    for path in sorted((*folder.rglob("*.toml"), *folder.rglob("*.md"))):
        name = path.relative_to(folder.parent).as_posix()
        if path.parent.name == "concepts" and path.stem not in track.concept_ids:
            yield f"{name}: is in no module of track.toml"
        lines = enumerate(path.read_text("utf-8").splitlines(), 1)
        if left := [str(at) for at, line in lines if TO_FILL.search(line) and line[:2] != "# "]:
            yield f"{name}: lines {', '.join(left)}: still to be written"
    yield from (f"{track.id}/track.toml: {fault}" for fault in _of_plan(track))
    places: dict[str, str] = {}
    for file, concept in concepts_of(track):
        yield from (f"{file}: {fault}" for fault in _of_concept(track, concept))
        for url in [each.url for each in (*concept.resources, *concept.spares)]:
            first = places.setdefault(url, Path(file).name)
            if first != Path(file).name:
                yield f"{file}: resources: {url} is also in {first}"


def concepts_of(track: Track) -> Iterator[tuple[str, CatalogueConcept]]:
    """Yield every concept in each language with its file. Raises BrokenFile."""
    for language in track.languages:
        folder = track.id if language == track.language else f"{track.id}/{language}"
        for id_ in track.concept_ids:
            yield f"{folder}/concepts/{id_}.md", load_concept(track.id, id_, language)


def _of_plan(track: Track) -> Iterator[str]:
    for meaning in sorted({*track.match.points, *track.match.against} - lexicon().names):
        yield f"match: no word means {meaning!r}; add some to [words]"
    found = find_track(track.title)
    if found != track:
        yield f"match: its own title, as a goal, finds {found.id if found else 'no track'}"
        return
    catalogue = CatalogueGenerator()
    for level in Level:
        request = RoadmapRequest(goal=track.title, level=level, language=track.language)
        outline = catalogue.outline(DesignBrief(request, catalogue.analyse(request)))
        yield from (f"stages: for the level {level}: {fault}" for fault in problems(outline))


def _of_concept(track: Track, concept: CatalogueConcept) -> Iterator[str]:
    for needed in concept.prerequisites:
        if load_concept(track.id, needed).difficulty > concept.difficulty:
            yield f"difficulty: is lower than that of {needed!r}, which it needs"
    if sanitize(concept.tutorial) != concept.tutorial:
        yield "tutorial: has HTML, an image or a link, which pages do not show"
    named = (concept.title, concept.description, tuple(concept.outcomes))
    brief = ConceptBrief(RoadmapRequest(goal=track.title), "", "", "", "", *named)
    for place, part in {
        "tutorial": Tutorial(markdown=concept.tutorial),
        "resources": Resources(items=tuple(concept.resources)),
        "questions": Quiz(questions=tuple(concept.questions)),
    }.items():
        yield from (f"{place}: {fault.rstrip('.')}" for fault in floors.lacking(part, brief))
