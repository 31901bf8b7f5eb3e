"""Tracks for their authors: a skeleton, a finished roadmap as a track, and a check of files."""

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from roadmap.generation import floors
from roadmap.generation.catalogue.generator import CatalogueGenerator, find_tracks
from roadmap.generation.catalogue.loader import (
    CatalogueConcept,
    Described,
    Track,
    folder_of,
    language_of,
)
from roadmap.generation.context import ConceptBrief, DesignBrief
from roadmap.plan.markdown_sanitizer import sanitize
from roadmap.plan.outline import ContentKind, Level, Question, Resource, Tutorial
from roadmap.plan.schemas import RoadmapRequest, fault_of_goal
from roadmap.plan.validation import problems

SKELETON = Path(__file__).parent / "skeleton"
SCHEMAS = Path(__file__).parent / "schemas"
TO_FILL = re.compile("FILL[ -]IN")
FILL = "FILL IN: the roadmap had none."


def skeleton(track_id: str, title: str) -> dict[str, str]:
    """Return the files of a new track, by their paths in its folder."""
    return {
        path.relative_to(SKELETON).as_posix(): path.read_text("utf-8")
        .replace("{id}", track_id)
        .replace('"{title}"', _value(title))
        for path in sorted(SKELETON.rglob("*.*"))
    }


def track_of(document: dict[str, Any], track_id: str) -> dict[str, str]:
    """Return an exported roadmap as files of a track, by their paths in its folder.

    They have its plan and contents, and nothing of its learner. It is in one of LANGUAGES.
    """
    outline, contents = document["outline"], document["concepts"]
    language = language_of(document["request"]["language"])
    modules = (module for stage in outline["stages"] for module in stage["modules"])
    nodes = [node for module in modules for node in module["concepts"]]
    ids = {
        node["key"]: "-".join([f"{number:02}", *re.findall("[a-z0-9]+", node["title"].lower())[:8]])
        for number, node in enumerate(nodes, 1)
    }
    stages = [
        _kept(Described, stage)
        | {
            "modules": [
                _kept(Described, module)
                | {"concepts": [ids[node["key"]] for node in module["concepts"]]}
                for module in stage["modules"]
            ]
        }
        for stage in outline["stages"]
    ]
    head = {
        **{"id": track_id, "position": 1, "title": outline["title"], "summary": FILL},
        **{"language": language, "match": {"points": {track_id: 5, "intent": 1}}},
        **{"words": {track_id: [outline["title"]]}, "stages": stages},
    }
    files = {"track.toml": f"#:schema ../schemas/track.json\n{_written(head)}\n"}
    capstones = [stage.get("capstone") for stage in outline["stages"]]
    if all(capstones):
        files["capstones.toml"] = (
            f"#:schema ../schemas/capstones.json\n{_written({'capstones': capstones})}\n"
        )
    for node in nodes:
        parts = contents.get(node["key"], {}).get("contents", {})
        body = {kind: part["body"] for kind, part in parts.items() if part}
        front = _kept(CatalogueConcept, node) | {
            "prerequisites": [ids[key] for key in node["prerequisites"]],
            "resources": [
                _kept(Resource, each) for each in body.get("resources", {}).get("items", ())
            ],
            "questions": [
                _kept(Question, each) for each in body.get("quiz", {}).get("questions", ())
            ],
        }
        tutorial = body.get("tutorial", {}).get("markdown", FILL)
        files[f"concepts/{ids[node['key']]}.md"] = f"+++\n{_written(front)}\n+++\n{tutorial}\n"
    return files


def _kept(model: type[BaseModel], facts: dict[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in model.model_fields if facts.get(name)}


def _written(table: dict[str, Any], place: str = "") -> str:
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
    folders = {
        tag: f"{track.id}/{tag}".removesuffix(f"/{track.language}") for tag in track.languages
    }
    concepts = (f"concepts/{id_}.md" for id_ in track.concept_ids)
    for folder, name in product(folders.values(), ("track.toml", "capstones.toml", *concepts)):
        file = folder_of(track.id).parent / folder / name
        lines = enumerate(file.read_text("utf-8").splitlines() if file.is_file() else (), 1)
        if left := [str(at) for at, line in lines if TO_FILL.search(line) and line[:2] != "# "]:
            yield f"{folder}/{name}: lines {', '.join(left)}: still to be written"
    found = find_tracks(track.title)
    others = " and ".join(each.id for each in found) or "no track"
    wrong = "" if found == [track] else f"finds {others}; add [words]"
    if wrong := fault_of_goal(track.title) or wrong:
        yield f"{track.id}/track.toml: title: as a goal, it {wrong}"
        return
    catalogue = CatalogueGenerator()
    for level, language in product(Level, track.languages):
        request = RoadmapRequest(goal=track.title, level=level, language=language)
        outline = catalogue.outline(DesignBrief(request, catalogue.analyse(request)))
        folder = folders[language]
        yield from (f"{folder}/track.toml: level {level}: {fault}" for fault in problems(outline))
        for concept, kind in product(outline.concepts(), ContentKind):
            brief = ConceptBrief(request, "", "", "", concept.key, concept.title, "", ())
            place = f"{folder}/concepts/{concept.key.rpartition('/')[2]}.md: {kind}"
            part = catalogue.write(kind, brief)
            if isinstance(part, Tutorial) and sanitize(part.markdown) != part.markdown:
                yield f"{place}: has HTML, an image or an unsafe link, which pages do not show"
            yield from (f"{place}: {fault}" for fault in floors.lacking(part, brief))
