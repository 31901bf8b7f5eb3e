"""The schemas of track files are current, and every built-in file keeps them."""

import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from roadmap.generation.catalogue.authoring import SCHEMAS, SKELETON
from roadmap.generation.catalogue.loader import TRACKS
from scripts.track_schemas import MODELS, written


@pytest.mark.parametrize("name", MODELS)
def test_a_schema_is_that_of_its_model(name: str) -> None:
    file = SCHEMAS / f"{name}.json"
    assert file.read_text("utf-8") == written(name), "run `python -m scripts.track_schemas`"


def schema_of(path: Path) -> str:
    kind = "concept" if path.suffix == ".md" else path.stem
    is_translated = "zh-Hans" in path.parts and kind != "capstones"
    return f"translated-{kind}" if is_translated else kind


def test_every_file_of_a_track_keeps_its_schema() -> None:
    files = [*TRACKS.glob("*/**/*.toml"), *TRACKS.glob("*/**/*.md"), *SKELETON.rglob("*.*")]
    assert len(files) > 200
    schemas = {name: Draft202012Validator(json_of(name)) for name in MODELS}
    wrong = {}
    for path in files:
        text = path.read_text("utf-8").replace("{id}", "an-id")
        found = tomllib.loads(text.split("+++\n")[1] if path.suffix == ".md" else text)
        if errors := [error.message for error in schemas[schema_of(path)].iter_errors(found)]:
            wrong[path.name] = errors
    assert wrong == {}


def json_of(name: str) -> dict[str, object]:
    schema: dict[str, object] = json.loads(written(name))
    Draft202012Validator.check_schema(schema)
    return schema
