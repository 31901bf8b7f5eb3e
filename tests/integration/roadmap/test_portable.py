"""A roadmap that was taken along comes back the same from either kind of database."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import session, transaction
from models.accounts import Account
from models.roadmaps import Concept, Roadmap
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.exchange.importer import import_roadmap
from roadmap.lifecycle.plan_rows import current_outline
from roadmap.plan.outline import Outline
from testing.logbook import own_database
from testing.servers import Postgres
from testing.stack import Stack
from tests.portables import FIRST, SECOND, small

IMPORT = "/api/v1/imports"


def test_what_comes_in_goes_out_as_it_was(stack: Stack) -> None:
    document = small()
    cards = document["concepts"][FIRST]["cards"]
    cards.insert(
        0,
        {
            **cards[0],
            "question": 0,
            "stability": 0.1 + 0.2,
            "difficulty": 9.999999999999998,
            "step": 1,
            "state": 1,
        },
    )
    made = stack.request("POST", IMPORT, json=document)
    assert made.status_code == 201, made.text
    again = stack.get(f"{made.headers['location']}/export.json").json()
    assert {**again, "exported_at": ""} == {**document, "exported_at": ""}


def test_many_at_once_are_each_made_or_answered_by_429(stack: Stack) -> None:
    """Of one account they follow each other."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: stack.request("POST", IMPORT, json=small()), range(8)))
    assert {answer.status_code for answer in answers} <= {201, 429}
    assert all(
        answer.headers["retry-after"] == "5" for answer in answers if answer.status_code == 429
    )
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) >= 1
    assert all(stack.get(f"/api/v1/roadmaps/{each}").json()["status"] == "ready" for each in made)


def change_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody takes a concept out of every plan right after the outline of a copy was read."""
    read = current_outline

    def take_out() -> None:
        with transaction():
            Concept.update(removed=True).where(Concept.key == SECOND).execute()

    def and_then(row: Roadmap) -> Outline:
        outline = read(row)
        with ThreadPoolExecutor(1) as other:
            other.submit(take_out).result()
        return outline

    monkeypatch.setattr("roadmap.exchange.formats.json_.current_outline", and_then)


@pytest.mark.parametrize("how", ["with a key", "without a key", "by a form"])
def test_a_copy_is_of_one_moment_whatever_is_edited_meanwhile(
    client: TestClient,
    postgres: Postgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """On PostgreSQL, where others go on writing while one reads."""
    client.follow_redirects = False
    with own_database(tmp_path, postgres):
        with transaction():
            Account.insert(
                id=LOCAL_OWNER, email="me@example.org", password_hash="", created_at=clock.now()
            ).execute()
        document = RoadmapFile.model_validate_json(json.dumps(small()), strict=True)
        theirs = import_roadmap(LOCAL_OWNER, document).roadmap
        link = client.post(
            f"/api/v1/roadmaps/{theirs.id}/links", json={"purpose": "reading"}
        ).json()
        path = f"/shared/{link['url'].rpartition('/')[2]}/copy"
        change_meanwhile(monkeypatch)
        headers = (
            {"Idempotency-Key": "a"}
            if how == "with a key"
            else {"Accept": "text/html"}
            if how == "by a form"
            else {}
        )
        sent: dict[str, Any] = {"data": {"form": "a"}} if how == "by a form" else {"json": {}}
        answer = client.post(
            path if how == "by a form" else f"/api/v1{path}", headers=headers, **sent
        )
        assert answer.status_code in (201, 303), answer.text
        mine = answer.headers["location"].rpartition("/")[2]
        with session():
            found = [
                each.key
                for each in Concept.select().where(Concept.roadmap == mine).order_by(Concept.id)
            ]
        assert found == [FIRST, SECOND]
