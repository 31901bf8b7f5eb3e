"""An export format is added as docs/ARCHITECTURE.md says, in a copy, and is everywhere at once."""

import json
from pathlib import Path

from scripts.openapi import document
from testing.texts import text_commands
from tests.documents.recipes import Copy, places

RENDER = '''"""Titles of the concepts, as plain text."""

from roadmap.exchange.formats.json_ import Source
from roadmap.plan.views import concepts_of


def render(source: Source) -> bytes:
    return "".join(f"{concept.title}\\n" for concept in concepts_of(source.tree)).encode()
'''
ENTRY = """        ExportFormat(
            suffix="txt",
            media_type="text/plain",
            render="plain:render",
            operation="export_plain",
            summary="Export a roadmap as plain text",
            description="The titles of its concepts.",
            link="plain",
            link_description="The same as titles.",
            label=gettext_noop("Plain titles"),
            about=gettext_noop("a line for each concept"),
        ),
"""
TEST = '''"""The added format, where it is to be found."""

from pathlib import Path

from starlette.testclient import TestClient

from scripts import openapi
from tests.portables import whole
from tests.unit.cli.test_api_client import roadmap, serving
from web import openapi_file

TITLES = "Flour\\nDough\\n"


def test_it_is_served_linked_and_shown(client: TestClient) -> None:
    made = client.post("/api/v1/imports", json=whole()).json()
    answer = client.get(f"/api/v1/roadmaps/{made['id']}/export.txt")
    assert (answer.text, answer.headers["content-type"]) == (TITLES, "text/plain; charset=utf-8")
    assert "attachment" in answer.headers["content-disposition"]
    assert client.get(made["links"]["plain"]).text == TITLES
    page = client.get(f"/roadmaps/{made['id']}", headers={"Accept": "text/html"}).text
    taking = page[page.index('id="taking"') :]
    shown = f'/api/v1/roadmaps/{made["id"]}/export.txt" download>Plain titles</a>: a line for each'
    assert shown in taking[: taking.index("</section>")]


def test_it_is_downloaded_by_a_command(client: TestClient, tmp_path: Path) -> None:
    made, file = client.post("/api/v1/imports", json=whole()).json()["id"], tmp_path / "titles.txt"
    with serving(lambda handler: handler.say(client.get(handler.path).content)) as url:
        arguments = ("export", made, "--format", "txt", "--output", file)
        assert roadmap({"ROADMAP_URL": url}, *arguments).code == 0
    assert file.read_text() == TITLES
    assert "[apkg|ics|json|md|svg|txt|zip]" in roadmap({}, "export", "--help").output


def test_it_is_written_down() -> None:
    openapi_file.FILE.write_text(openapi.written(), "utf-8")
'''


def test_the_recipe_adds_a_format(tmp_path: Path) -> None:
    modules, registry, texts, tests = places("An export format")
    copy, test = Copy(tmp_path, [modules, registry, tests]), f"{tests}test_plain.py"
    copy.add(f"{modules}plain.py", RENDER)
    copy.replace(registry, "\n    )\n}\n", f"\n{ENTRY}    )\n}}\n")
    copy.add(test, TEST)
    copy.run("-m", "pytest", "-p", "no:xdist", test)
    for command in text_commands(tmp_path.parent):
        copy.run(*command)

    assert "Plain titles" in Path(tmp_path, texts).read_text("utf-8")

    added = json.loads(Path(tmp_path, "web/openapi.json").read_text("utf-8"))
    operation = added["paths"].pop("/api/v1/roadmaps/{roadmap_id}/export.txt")["get"]
    assert operation["operationId"] == "export_plain"
    assert operation["responses"]["200"]["content"].keys() == {"text/plain"}
    links, now = added["components"]["schemas"]["Links"], document()
    del links["properties"]["plain"]
    links["required"].remove("plain")
    assert (added["components"], added["paths"].keys()) == (now["components"], now["paths"].keys())
