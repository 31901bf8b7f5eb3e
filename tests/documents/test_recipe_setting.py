"""A setting is declared as docs/ARCHITECTURE.md says, in a copy, and reaches its services."""

from pathlib import Path

import yaml

from testing.stack import ROOT
from tests.documents.recipes import Copy, places

FIELD = """\
    nap_seconds: Seconds = Field(
        7, description="Pause after lunch.", json_schema_extra=API_AND_CONTENT
    )
"""
READ = """\
from core.settings import from_environment, misspelt
print(from_environment({"SERVICE_TYPE": "all", "NAP_SECONDS": "9"}).nap_seconds, misspelt(
    {"NAP_SECOND": "9"}))
"""


def test_the_recipe_adds_a_setting(tmp_path: Path) -> None:
    (declared,) = places("A setting")
    copy = Copy(tmp_path, [declared])
    copy.insert(declared, "    lease_seconds: Seconds", FIELD)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "python -m scripts.tables" in makefile.partition("\nformat:")[2].partition("\n\n")[0]
    copy.run("-m", "scripts.tables")

    assert "9.0 " in copy.run("-c", READ)
    compose = yaml.safe_load(Path(tmp_path, "compose.yaml").read_text("utf-8"))["services"]
    passed_on = {name for name, it in compose.items() if "NAP_SECONDS" in it.get("environment", {})}
    assert passed_on == {"api", "huey_content"}
    railway = Path(tmp_path, ".railway/railway.ts").read_text("utf-8")
    group = railway.partition("const API_AND_CONTENT = [")[2].partition("]")[0]
    assert '  "NAP_SECONDS",\n' in group
    row = "| `NAP_SECONDS` | `7` | api and content | Pause after lunch. |"
    assert row in Path(tmp_path, "docs/CONFIGURATION.md").read_text("utf-8")
