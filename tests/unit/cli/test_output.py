"""Tables in narrow terminals, and errors that are printed once."""

import pytest
from rich.console import Console

from cli import output
from cli.config import variables
from cli.output import failure, table
from core.db import settings
from core.errors import FieldError, Invalid

ID = "01a215d3-8dbc-7a60-a3d3-16166013a514"


def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, **row: str
) -> str:
    monkeypatch.setattr(output, "console", Console(width=width))
    table(tuple(row), [tuple(row.values())] * 2, breakable="value")
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= width
    return text


KEY = {"id": ID, "name": "", "begins with": "rmk_sskNzBrB", "valid until": "2027-02-24 03:07:52"}


class TestTable:
    def test_where_there_is_room_it_has_lines(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = printed(capsys, monkeypatch, 120, **KEY)
        assert "┃ begins with  ┃" in found
        assert f"│ {ID} │" in found

    def test_no_word_is_broken_as_long_as_lines_can_go(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = printed(capsys, monkeypatch, 72, **KEY)
        assert "┃" not in found
        assert found.startswith("id ")
        assert all(word in found for value in KEY.values() for word in value.split())

    def test_otherwise_each_row_is_a_paragraph(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = printed(capsys, monkeypatch, 60, **KEY)
        row = f"id: {ID}\nbegins with: rmk_sskNzBrB\nvalid until: 2027-02-24 03:07:52\n"
        assert found == f"{row}\n{row}"

    def test_a_long_value_goes_on_in_the_next_line(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = printed(
            capsys, monkeypatch, 60, variable="DATABASE_URL", value="p" * 70, origin="environment"
        )
        assert "DATABASE_URL" in found
        assert found.count("p") == 2 * 70


def test_an_error_is_printed_once() -> None:
    rule = "must have at most 200 characters, but has 300"
    error = Invalid(f"The search text {rule}.", fields=(FieldError("?search", rule),))
    assert failure(error, settings).message == f"The search text {rule}."
    other = Invalid("It does not fit.", fields=(FieldError("/goal", "is too long"),))
    assert failure(other, settings).message == "It does not fit (goal is too long)."


@pytest.mark.parametrize("given", ["postgresql://postgres@db/roadmap", "redis://db:6379/0"])
def test_that_there_is_no_password_is_not_hidden(given: str) -> None:
    name = "REDIS_URL" if given.startswith("redis") else "DATABASE_URL"
    both = {
        "DATABASE_URL": "postgresql://u:secret@db/roadmap",
        "REDIS_URL": "redis://db:6379/1",
        "SECRET_KEY": "k" * 40,
    }
    shown = {each.name: each.value for each in variables({**both, name: given})}
    assert shown[name] == given
