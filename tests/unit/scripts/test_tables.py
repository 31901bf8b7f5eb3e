"""Parts of files that `make format` writes from the code: up to date, and between markers."""

import pytest

from core.metric_definitions import METRICS
from core.settings import API_ALONE, Settings
from quality.floor import FLOORS, TRACK_FLOORS
from scripts.marked import Marked
from scripts.tables import TABLES, floors, metrics, readers, settings
from tests.cases import try_each


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("part", TABLES, ids=lambda part: part.file.name)
def test_a_file_has_what_the_code_says(part: Marked) -> None:
    text = part.file.read_text("utf-8")
    assert part.within(text) == text, "run: make format"


@try_each("text", ["no markers", "# a: make b\n", "# a: make b\n# end of a\n" * 2])
def test_a_file_without_a_pair_of_markers_is_not_written(text: str) -> None:
    with pytest.raises(ValueError, match="TABLES needs one pair of markers for a"):
        Marked(TABLES[0].file.with_name("TABLES"), "a", str).within(text)


def test_a_setting_is_described_with_its_default_and_the_services_that_read_it() -> None:
    rows = {row[0].strip("`").lower(): row[1:] for row in cells(settings())}
    assert rows.keys() == Settings.model_fields.keys()
    for name, (_, group, description) in rows.items():
        assert (group, description) == (readers(name), Settings.model_fields[name].description)
    assert [rows[name][0] for name in ("port", "data_dir", "host")] == ["`8000`", "`data`", ""]
    assert [rows[name][1] for name in ("port", "api_workers")] == ["", API_ALONE["read_by"]]


def test_a_metric_has_a_row() -> None:
    assert [row[0] for row in cells(metrics())] == [f"`{name}`" for name in METRICS]


def test_a_floor_has_a_row_with_its_bounds_and_its_unit() -> None:
    for (name, *bounds, unit), floor in zip(cells(floors()), (*FLOORS, *TRACK_FLOORS), strict=True):
        found = [float(bound.replace(",", "")) if bound else None for bound in bounds]
        assert (name, *found, unit) == (floor.name, floor.least, floor.most, floor.unit.strip())
