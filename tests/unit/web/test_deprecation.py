"""Deprecated parts are marked in the document, and named with their days."""

from datetime import timedelta

from scripts.openapi import document
from testing.stack import ROOT
from web.endpoints.deprecation import DEPRECATED
from web.routes import ENDPOINTS

YEAR = timedelta(days=365)


def test_what_is_marked_has_its_days_and_the_other_way_round() -> None:
    schemas = document()["components"]["schemas"]
    marked = {
        (name, field)
        for name, schema in schemas.items()
        for field, each in schema.get("properties", {}).items()
        if each.get("deprecated")
    }
    assert marked == {
        (model.__name__, field) for model, fields in DEPRECATED.items() for field in fields
    }


def test_it_stays_for_a_year_as_promised() -> None:
    for fields in DEPRECATED.values():
        for name, each in fields.items():
            assert each.until - each.since >= YEAR, name


def test_the_page_names_its_days() -> None:
    page = (ROOT / "docs" / "API.md").read_text("utf-8")
    for fields in DEPRECATED.values():
        for name, each in fields.items():
            assert f"| `{name}` in `" in page, name
            assert f"| {each.since:%Y-%m-%d} | {each.until:%Y-%m-%d} |" in page, name


def test_only_what_is_sent_has_days() -> None:
    assert set(DEPRECATED) <= {endpoint.body for endpoint in ENDPOINTS}
