"""The stylesheet of the pages."""

import re

import pytest

from testing.stack import ROOT
from tests.unit.web.pages.html_reader import CLASSES

SHEET = (ROOT / "web" / "static" / "code.css").read_text("utf-8")
BACKGROUNDS = {"light": "#f4f2ec", "dark": "#1b1e23"}


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def colours(selector: str) -> dict[str, str]:
    """The properties of the rule with exactly this selector."""
    [rule] = re.findall(rf"^\s*{re.escape(selector)} {{([^}}]*)}}", SHEET, re.MULTILINE)
    return dict(re.findall(r"(--code-[a-z]+): (#[0-9a-f]{6});", rule))


class TestSheet:
    def test_it_is_small(self) -> None:
        assert len(SHEET.encode()) < 3000

    def test_contrast_is_computed_as_it_should_be(self) -> None:
        assert contrast("#ffffff", "#000000") == pytest.approx(21)
        assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)

    def test_every_colour_can_be_read_in_both_themes(self) -> None:
        light, dark = colours(":root"), colours(':root[data-theme="dark"]')
        assert colours(':root:not([data-theme="light"])') == dark
        assert re.search(
            r'@media \(prefers-color-scheme: dark\) {\s*:root:not\(\[data-theme="light"\]\) {',
            SHEET,
        )
        assert light.keys() == dark.keys() == set(re.findall(r"var\((--code-[a-z]+)\)", SHEET))
        for theme, theirs in (("light", light), ("dark", dark)):
            faint = {
                name: colour
                for name, colour in theirs.items()
                if contrast(colour, BACKGROUNDS[theme]) < 4.5
            }
            assert faint == {}, theme

    def test_colours_stand_in_properties_only(self) -> None:
        rules = re.sub(r"--code-[a-z]+: #[0-9a-f]{6};", "", SHEET)
        assert re.findall(r"#[0-9a-f]{3,8}\b|rgb|hsl|url|@import", rules) == []

    def test_every_class_has_a_rule(self) -> None:
        names = set(re.findall(r"\.([a-z0-9]+)\b", SHEET))
        starts = tuple(re.findall(r'span\[class\^="([a-z])"\]', SHEET))
        assert [
            name for name in CLASSES["span"] if name not in names and not name.startswith(starts)
        ] == []
        assert {"to-right", "to-center"} <= set(re.findall(r"\.([a-z-]+)", SHEET))
