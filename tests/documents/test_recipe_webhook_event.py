"""The recipe of a webhook event in docs/ARCHITECTURE.md, followed in a copy of the repository."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from roadmap.plan.statuses import EventType, WebhookEvent
from testing.receiver import receiving
from testing.stack import ROOT, Stack, embedded_stack, running
from testing.texts import text_commands
from testing.waiting import wait_until
from tests.documents.recipes import Copy, places

RECIPE, EVENT, TEXT, TRANSLATION = "A webhook event", "roadmap.trashed", "Thrown away", "扔掉了"
POT = "core/locales/zh_Hans/LC_MESSAGES/roadmap.po"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the repository with an event more, made at the places of the recipe alone."""
    copy = Copy(tmp_path_factory.mktemp("recipe") / "roadmap", places(RECIPE))
    types = "roadmap/plan/statuses.py"
    member = '    queued = "roadmap.queued", gettext_noop("Accepted")\n'
    copy.replace(types, member, f'{member}    trashed = "{EVENT}", gettext_noop("{TEXT}")\n')
    offered = "    outlined = EventType.outlined\n"
    copy.replace(types, offered, f"{offered}    trashed = EventType.trashed\n")
    trash = "roadmap/lifecycle/trash.py"
    queries = "from roadmap.lifecycle.reading.queries import"
    copy.replace(trash, queries, f"from roadmap.lifecycle import events\n{queries}")
    copy.replace(trash, "import BEING_MADE, Job,", "import BEING_MADE, EventType, Job,")
    update = "Roadmap.update(trashed_at=clock.now()).where(Roadmap.id == roadmap_id).execute()"
    copy.replace(
        trash,
        f"    {update}\n",
        "    row = events.bump(roadmap_id, trashed_at=clock.now())\n"
        "    steps += events.append(row, EventType.trashed, {})\n",
    )
    collect_texts(copy)
    copy.replace(POT, f'msgid "{TEXT}"\nmsgstr ""', f'msgid "{TEXT}"\nmsgstr "{TRANSLATION}"')
    collect_texts(copy)
    copy.replace(
        "docs/ROADMAPS.md", "| `roadmap.imported` |", f"| `{EVENT}` | |\n| `roadmap.imported` |"
    )
    copy.replace("docs/WEBHOOKS.md", "| `webhook.test` |", f"| `{EVENT}` | |\n| `webhook.test` |")
    return copy


def collect_texts(copy: Copy) -> None:
    for command in text_commands(copy.folder.parent):
        copy.run(*command)


def documented(folder: Path, page: str) -> set[str]:
    """Return the events in the first column of a page's tables."""
    rows = re.findall(r"^\| (`[^|]+) \|", (folder / "docs" / page).read_text("utf-8"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([a-z]+\.[a-z_]+)`", row)}


def test_the_pages_list_every_event(copy: Copy) -> None:
    assert {*WebhookEvent} <= documented(ROOT, "WEBHOOKS.md")
    assert documented(copy.folder, "WEBHOOKS.md") - documented(ROOT, "WEBHOOKS.md") == {EVENT}
    assert documented(copy.folder, "ROADMAPS.md") - {*EventType} == {EVENT}


def test_the_description_of_the_api_lists_the_event(copy: Copy) -> None:
    copy.run("-m", "scripts.openapi")
    described = json.loads((copy.folder / "web/openapi.json").read_text("utf-8"))
    assert EVENT in described["components"]["schemas"]["WebhookEvent"]["enum"]


@pytest.mark.long
def test_a_change_of_state_is_delivered_to_who_subscribed(copy: Copy, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    stack: Stack = embedded_stack(tmp_path, PATH=path)
    stack.api.command = [str(copy.folder / "entrypoint.sh")]
    with receiving() as receiver, running(stack):
        wanted = {"url": receiver.url, "events": [EVENT]}
        refused = stack.post("/api/v1/webhooks", json={**wanted, "events": ["roadmap.unknown"]})
        assert (refused.status_code, EVENT in refused.text) == (422, True)
        webhook = stack.post("/api/v1/webhooks", json=wanted).json()
        assert webhook["events"] == [EVENT]
        page = stack.get("/webhooks", headers={"Accept-Language": "zh-Hans"}).text
        assert f'value="{EVENT}"' in page
        assert TRANSLATION in page
        assert TEXT in stack.get(f"/webhooks/{webhook['id']}").text

        location = stack.create()
        stack.finished(location)
        assert stack.request("DELETE", location).status_code == 204
        wait_until(lambda: receiver.got, reason="it is delivered")
        message = receiver.got[0].verified(webhook["secret"])
        assert message["type"] == EVENT
        assert location.endswith(message["data"]["roadmap_id"])
