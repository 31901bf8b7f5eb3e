"""Tables of documents and lists of settings, from the code: `make format` writes them.

Each is between two comments in its file.
"""

import os
from enum import StrEnum
from functools import partial
from pathlib import Path

os.environ.setdefault("SERVICE_TYPE", "all")  # before the settings are read: without servers

from core.metric_definitions import METRICS
from core.settings import Settings
from quality.floor import FLOORS, TRACK_FLOORS
from scripts.commands_page import reference
from scripts.document_tables import chinese, of_the_first_screen, of_what_it_replaces
from scripts.marked import DOCS, ROOT, Marked, markdown

COMPOSE, RAILWAY = ROOT / "compose.yaml", ROOT / ".railway/railway.ts"


def settings() -> str:
    """Return a row for each variable, in the model's order."""
    rows = []
    for name, field in Settings.model_fields.items():
        value = field.default.value if isinstance(field.default, StrEnum) else field.default
        default = "" if value is None or value in ("", ()) else f"`{value}`"
        rows.append((f"`{name.upper()}`", default, readers(name), field.description or ""))
    return markdown(("Variable", "Default", "Passed on to", "What it does"), rows)


def readers(setting: str, platform: str = "none") -> str:
    """Return the services to which platforms, or this one, pass a setting on."""
    extra = Settings.model_fields[setting].json_schema_extra
    if not isinstance(extra, dict) or extra.get("given_by") == platform:
        return ""
    return str(extra["read_by"])


def passed_on(file: Path, head: str, line: str, end: str) -> str:
    """Return a list of variables for each group of services that read them."""
    lists: dict[str, str] = {}
    for name in Settings.model_fields:
        if group := readers(name, file.name):
            first = head.format(group.replace(" ", "-"), group.replace(" ", "_").upper())
            lists[group] = lists.get(group, first) + line.format(name.upper())
    return "\n\n".join(f"{each}{end}" for each in lists.values())


def metrics() -> str:
    """Return a row for each metric, in the order of the code."""
    rows = [
        (
            f"`{metric.name}`",
            metric.kind.value,
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.help,
        )
        for metric in METRICS.values()
    ]
    return markdown(("Metric", "Type", "Labels", "What it is"), rows)


def floors() -> str:
    """Return a row for each floor, in the order of the code."""
    rows = [
        (floor.name, _bound(floor.least), _bound(floor.most), floor.unit.strip())
        for floor in (*FLOORS, *TRACK_FLOORS)
    ]
    head, rule = ("Measure", "At least", "At most", "Unit"), ("---", "---:", "---:", "---")
    return markdown(head, rows, rule)


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:,g}"


TABLES = (
    Marked(COMPOSE, "settings", partial(passed_on, COMPOSE, "x-{0}: &{0}", "\n  {}:", "")),
    Marked(
        RAILWAY,
        "settings",
        partial(passed_on, RAILWAY, "const {1} = [", '\n  "{}",', "\n] as const;"),
    ),
    Marked(DOCS / "CONFIGURATION.md", "settings", settings),
    Marked(DOCS / "MONITORING.md", "metrics", metrics),
    Marked(DOCS / "QUALITY.md", "floors", floors),
    Marked(DOCS / "COMMANDS.md", "commands", reference),
    Marked(ROOT / "README.md", "figures", partial(of_the_first_screen, str)),
    Marked(ROOT / "README.zh-CN.md", "figures", partial(of_the_first_screen, chinese)),
    Marked(DOCS / "ARCHITECTURE_COMPARISON.md", "comparison", partial(of_what_it_replaces, str)),
    Marked(
        DOCS / "ARCHITECTURE_COMPARISON.zh-CN.md",
        "comparison",
        partial(of_what_it_replaces, chinese),
    ),
)

if __name__ == "__main__":
    for table in TABLES:
        table.file.write_text(table.within(table.file.read_text("utf-8")), "utf-8")
