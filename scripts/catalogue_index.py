"""Index of the built-in concepts, `tracks/index.json`; `make format` writes it.

A goal is matched with it, without reading the file of each concept.
"""

import json

from roadmap.generation.catalogue.loader import TRACKS, read_entry, tracks


def written() -> str:
    """Return the index, with a line for each concept."""
    lines = (
        f'"{track.id}/{id_}": {json.dumps(read_entry(track.id, id_), ensure_ascii=False)}'
        for track in tracks().values()
        for id_ in track.concept_ids
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    (TRACKS / "index.json").write_text(written(), "utf-8")
