"""Index of the built-in concepts; `python -m tests.goals.index` writes it.

Goals are matched with it, without reading the file of each concept.
"""

import json

from roadmap.generation.catalogue.loader import TRACKS, load_concept, tracks

INDEX = TRACKS / "index.json"
FACTS = {"hours", "difficulty", "known_from", "prerequisites"}


def written() -> str:
    """Return what a plan needs of each concept, a line each; titles are by language."""
    lines = []
    for track in tracks().values():
        for id_ in track.concept_ids:
            facts = load_concept(track.id, id_).model_dump(mode="json", include=FACTS)
            facts["title"] = {
                tag: load_concept(track.id, id_, tag).title for tag in track.languages
            }
            lines.append(f'"{track.id}/{id_}": {json.dumps(facts, ensure_ascii=False)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    INDEX.write_text(written(), "utf-8")
