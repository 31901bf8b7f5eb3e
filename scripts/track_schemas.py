"""JSON Schemas of the files of a track; `python -m scripts.track_schemas` writes them."""

import json

from pydantic import BaseModel

from roadmap.generation.catalogue.authoring import SCHEMAS
from roadmap.generation.catalogue.loader import (
    CatalogueConcept,
    MoreWords,
    Track,
    TrackCapstones,
    TranslatedConcept,
    TranslatedTrack,
)

MODELS: dict[str, type[BaseModel]] = {
    "track": Track,
    "concept": CatalogueConcept,
    "capstones": TrackCapstones,
    "words": MoreWords,
    "translated-track": TranslatedTrack,
    "translated-concept": TranslatedConcept,
}


def written(name: str) -> str:
    schema = MODELS[name].model_json_schema()
    for field in ("tutorial", "tutorial_language"):  # no part of the front matter
        schema["properties"].pop(field, None)
    schema["required"] = [each for each in schema["required"] if each in schema["properties"]]
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(draft | schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in MODELS:
        (SCHEMAS / f"{each}.json").write_text(written(each), "utf-8")
