"""axe-core and a validator of HTML, which scripts/test_browser.sh brings from npm."""

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
# Rules whose outcome depends on CSS.
LOOKS = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"]
SETTLED = """() =>
  !document.querySelector(".htmx-swapping, .htmx-settling, .htmx-added")
  && !document.getAnimations().some(each => each.playState === "running")"""
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
    """Return what axe finds, however little it matters; of these rules, or of all that it has.

    It looks when nothing fades or moves any more: half faded, a text has too little contrast.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
    page.wait_for_function(SETTLED)
    return [
        f"{impact}: {rule}: {where}"
        for impact, rule, nodes in page.evaluate(RUN, rules)
        for where in nodes
    ]


def errors_of_html(files: list[Path]) -> list[str]:
    """Return what a validator says of them, all in one call."""
    names = map(str, files)
    if shutil.which("java") and VNU.exists():
        options = ("--format", "json", "--stdout", "--exit-zero-always")
        command = ["java", "-jar", str(VNU), *options, *names]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        return [
            _line(each)
            for each in json.loads(answer.stdout)["messages"]
            if each["type"] == "error" and OF_HTMX not in each["message"]
        ]
    if HTML_VALIDATE.exists():
        options = ("--preset", "standard", "--formatter", "text")
        command = [str(HTML_VALIDATE), *options, *names]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        return found.stdout.splitlines()
    pytest.skip(
        "NOT RUN: there is no validator of HTML; scripts/test_browser.sh brings one where npm is"
    )


def _line(message: dict[str, Any]) -> str:
    where = f"{Path(message['url']).name}:{message.get('lastLine')}"
    return f"{where}: {message['message']} {message.get('extract', '')!r}"
