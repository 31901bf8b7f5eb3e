"""Programs that look at pages, which scripts/test_browser.sh brings from npm: axe-core, and a validator of HTML."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

MODULES = Path(__file__).resolve().parent.parent.parent / ".venv" / "npm" / "node_modules"
AXE = MODULES / "axe-core" / "axe.min.js"
VNU = MODULES / "vnu-jar" / "build" / "dist" / "vnu.jar"
HTML_VALIDATE = MODULES / ".bin" / "html-validate"
OF_HTMX = "Attribute “hx-"  # which are not of HTML, and meant
LOOKS = [
    "color-contrast",
    "link-in-text-block",
    "scrollable-region-focusable",
]  # what CSS alone can break
RUN = """async rules => {
  const found = await axe.run(document, {
    resultTypes: ["violations"],
    preload: false,
    ...(rules && {runOnly: {type: "rule", values: rules}}),
  });
  const where = node => node.target.join(" ") + ": " + node.failureSummary;
  return found.violations.map(each => [each.impact, each.id, each.nodes.map(where)]);
}"""


@cache
def _axe() -> str:
    if not AXE.exists():
        pytest.skip("NOT RUN: there is no axe-core; scripts/test_browser.sh brings it where npm is")
    return AXE.read_text("utf-8")


def barriers(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe finds on the page as it is now, however little it matters; of these rules, or of all that it has."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
    return [
        f"{impact}: {rule}: {where}"
        for impact, rule, nodes in page.evaluate(RUN, rules)
        for where in nodes
    ]


def errors_of_html(files: list[Path]) -> list[str]:
    if shutil.which("java") and VNU.exists():
        command = [
            "java",
            "-jar",
            str(VNU),
            "--format",
            "json",
            "--stdout",
            "--exit-zero-always",
            *map(str, files),
        ]
        found = json.loads(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout
        )
        return [
            _line(each)
            for each in found["messages"]
            if each["type"] == "error" and OF_HTMX not in each["message"]
        ]
    if HTML_VALIDATE.exists():
        command = [
            str(HTML_VALIDATE),
            "--preset",
            "standard",
            "--formatter",
            "text",
            *map(str, files),
        ]
        return subprocess.run(
            command, capture_output=True, text=True, check=False
        ).stdout.splitlines()
    pytest.skip(
        "NOT RUN: there is no validator of HTML; scripts/test_browser.sh brings one where npm is"
    )


def _line(message: dict[str, Any]) -> str:
    return f"{Path(message['url']).name}:{message.get('lastLine')}: {message['message']} {message.get('extract', '')!r}"
