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

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MODELS: dict[str, type[BaseModel]] = {
    "track": Track,
    "concept": CatalogueConcept,
    "capstones": TrackCapstones,
    "words": MoreWords,
    "translated-track": TranslatedTrack,
    "translated-concept": TranslatedConcept,
}


def written(name: str) -> str:
    """Return a schema; the tutorial, which follows the front matter, is no part of it."""
    schema = {"$schema": DRAFT, **MODELS[name].model_json_schema()}
    fields = [field for field in schema["properties"] if not field.startswith("tutorial")]
    schema["properties"] = {field: schema["properties"][field] for field in fields}
    schema["required"] = [field for field in schema["required"] if field in fields]
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in MODELS:
        (SCHEMAS / f"{each}.json").write_text(written(each), "utf-8")
