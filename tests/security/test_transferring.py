"""Administrators transfer all roadmaps of an account, which then loses access."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from core import clock
from core.db import database, session, settings, transaction
from core.errors import Invalid
from core.ids import new_id
from models.accounts import Account
from models.roadmaps import ReviewCard, Roadmap
from roadmap.accounts import accounts, passwords, transfer
from roadmap.accounts.accounts import LOCAL_EMAIL
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.accounts.transfer import NewOwnerCannotLogIn
from roadmap.lifecycle.administration import admin_queries
from roadmap.operations.audit_log import Actor, AuditOutcome, entries
from roadmap.operations.search_filters import RoadmapSearch
from roadmap_app import app
from tests.cases import try_each
from tests.portables import DOCUMENT
from tests.security.self_service.people import CHEAP, FOR_SETTINGS, HTML, PASSWORD, Person

API = "/api/v1"
TRANSFERS = f"{API}/admin/transfers"
BOSS = Actor(None, "command line")


@pytest.fixture
def client(immediate: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Server mode in this process."""
    changed = settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    for module in (*FOR_SETTINGS, transfer):
        monkeypatch.setattr(module, "settings", changed)
    monkeypatch.setattr(passwords, "HASHER", CHEAP)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def ann(client: TestClient) -> Person:
    return Person(client)


@pytest.fixture
def bob(client: TestClient) -> Person:
    return Person(client)


@pytest.fixture
def boss(client: TestClient) -> Person:
    person = Person(client)
    accounts.set_admin(person.email, is_admin=True)
    person.headers = {"Authorization": f"Bearer {person.log_in().json()['access_token']}"}
    return person


def learned(person: Person) -> str:
    """The path of a roadmap with progress and cards."""
    return str(person.post(f"{API}/imports", DOCUMENT).headers["location"])


def due(person: Person) -> int:
    return int(person.get(f"{API}/reviews").json()["due"])


def test_all_that_hangs_on_them_goes_along_and_the_rest_stays(
    ann: Person, bob: Person, boss: Person
) -> None:
    kept, thrown = learned(ann), learned(ann)
    link = ann.post(f"{kept}/links", {"purpose": "reading"}).json()["url"]
    ann.post(f"{API}/webhooks", {"url": "http://127.0.0.1:1024/"})
    tree, cards = ann.get(kept).json(), due(ann)
    assert ann.answer("DELETE", thrown).status_code == 204

    made = boss.post(TRANSFERS, {"owner": ann.email, "new_owner": str(bob.id)}).json()

    assert (made["owner"]["email"], made["new_owner"]["email"], made["roadmaps"]) == (
        ann.email,
        bob.email,
        2,
    )
    assert bob.get(kept).json() == tree
    assert cards
    assert (due(bob), due(ann)) == (cards // 2, 0)  # the other half is in the trash
    assert [item["id"] for item in bob.get(f"{API}/trash").json()["items"]] == [
        thrown.rpartition("/")[2]
    ]
    assert ann.get(kept).status_code == 404
    assert ann.get(f"{API}/roadmaps").json()["items"] == []
    token = link.rpartition("/")[2]
    assert bob.client.get(f"{API}/shared/{token}").status_code == 200
    link_id = bob.get(f"{kept}/links").json()["items"][0]["id"]
    assert bob.answer("DELETE", f"{kept}/links/{link_id}").status_code == 204
    assert bob.client.get(f"{API}/shared/{token}").status_code == 410
    assert (
        len(ann.get(f"{API}/webhooks").json()["items"]),
        bob.get(f"{API}/webhooks").json()["items"],
    ) == (1, [])
    entry = entries(limit=1).items[0]
    assert (entry.action, entry.target, entry.details) == (
        "roadmaps.transfer",
        ann.email,
        {"to": str(bob.id), "roadmaps": 2},
    )
    assert (entry.account_id, entry.outcome) == (boss.id, AuditOutcome.done)


def test_those_of_embedded_mode_can_be_had_on_a_server(ann: Person) -> None:
    path = learned(ann)
    with transaction():
        Roadmap.update(owner=LOCAL_OWNER).execute()
        ReviewCard.update(owner=LOCAL_OWNER).execute()
    assert ann.get(path).status_code == 404
    assert transfer.transfer(LOCAL_EMAIL, ann.email, BOSS).roadmaps == 1
    assert ann.get(path).status_code == 200


def test_who_has_left_is_disabled_or_to_be_deleted_already(ann: Person, bob: Person) -> None:
    path = learned(ann)
    ann.delete()
    assert transfer.transfer(ann.email, bob.email, BOSS).roadmaps == 1
    assert bob.get(path).status_code == 200


@pytest.mark.parametrize(
    "end",
    [lambda bob: accounts.disable(bob.email), lambda bob: bob.delete()],
    ids=["disabled", "deleted"],
)
def test_nothing_goes_to_somebody_who_cannot_log_in(ann: Person, bob: Person, end: Any) -> None:
    path = learned(ann)
    end(bob)
    with pytest.raises(NewOwnerCannotLogIn):
        transfer.transfer(ann.email, bob.email, BOSS)
    with pytest.raises(NewOwnerCannotLogIn):
        transfer.transfer(ann.email, LOCAL_EMAIL, BOSS)
    assert ann.row is not None
    with session():
        assert Roadmap.get_by_id(UUID(path.rpartition("/")[2])).owner_id == ann.id
    assert entries(limit=1).items[0].outcome == AuditOutcome.refused


@try_each("named", ["owner", "new_owner"])
def test_an_account_that_is_not_there_is_named(boss: Person, named: str) -> None:
    for unknown in ("unknown@example.org", str(new_id()), " "):
        body = {"owner": boss.email, "new_owner": boss.email, named: unknown}
        refused = boss.answer("POST", TRANSFERS, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, f"#/{named}")


def test_an_account_has_its_own_roadmaps_already(ann: Person) -> None:
    with pytest.raises(Invalid) as refused:
        transfer.transfer(ann.email, str(ann.id), BOSS)
    assert refused.value.fields[0].pointer == "/new_owner"


def test_only_administrators_may(ann: Person, bob: Person) -> None:
    accounts.set_observer(bob.email, is_observer=True)
    bob.headers = {"Authorization": f"Bearer {bob.log_in().json()['access_token']}"}
    for person in (ann, bob):
        assert (
            person.answer(
                "POST", TRANSFERS, json={"owner": ann.email, "new_owner": bob.email}
            ).status_code
            == 403
        )


def test_an_undone_transfer_leaves_all_as_it_was(ann: Person, bob: Person) -> None:
    """Whatever ends the transaction."""
    path, cards = learned(ann), due(ann)
    with transaction(), database.atomic() as ours:
        transfer.transfer(ann.email, bob.email, BOSS)
        ours.rollback()
    assert (ann.get(path).status_code, bob.get(path).status_code) == (200, 404)
    assert (due(ann), due(bob)) == (cards, 0)


class TestPage:
    @pytest.fixture
    def room(self, boss: Person) -> Person:
        boss.client.headers.update(HTML)
        answer = boss.client.post(
            "/login", data={"email": boss.email, "password": PASSWORD}, follow_redirects=False
        )
        boss.headers = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        return boss

    def form(self, room: Person, **fields: str) -> httpx2.Response:
        return room.answer("POST", "/admin/transfers", data=fields, follow_redirects=False)

    def test_the_list_of_an_owner_has_a_button_for_it(
        self, ann: Person, bob: Person, room: Person
    ) -> None:
        learned(ann)
        assert "/admin/transfers" not in room.get("/admin/roadmaps").text
        assert "/admin/transfers" in room.get(f"/admin/roadmaps?owner={ann.email}").text
        refused = self.form(room, owner=ann.email, new_owner="unknown@example.org")
        assert (refused.status_code, 'id="new_owner-error"' in refused.text) == (422, True)
        assert "<details open>" in refused.text
        lost = self.form(room, owner=ann.email, new_owner=LOCAL_EMAIL)
        assert (lost.status_code, "That account cannot log in" in lost.text) == (409, True)
        assert self.form(room, owner="", new_owner="").status_code == 422
        done = self.form(room, owner=ann.email, new_owner=bob.email)
        assert done.status_code == 303
        assert "The roadmaps are transferred." in room.get(done.headers["location"]).text
        assert admin_queries.search(RoadmapSearch(owner=bob.email), before=None, limit=2).items


def test_in_embedded_mode_those_of_others_become_the_local_owners(immediate: None) -> None:
    ids = [new_id() for _ in range(2)]
    account = {
        "id": new_id(),
        "email": "ann@example.org",
        "password_hash": "x",
        "created_at": clock.now(),
    }
    row = {
        "goal": "Bake",
        "level": "beginner",
        "hours_per_week": 5,
        "language": "en",
        "status": "failed",
    }
    row |= {"due_at": clock.now(), "created_at": clock.now(), "updated_at": clock.now()}
    with transaction():
        Account.insert(account).execute()
        for id_ in ids:
            Roadmap.insert({**row, "id": id_, "owner": account["id"]}).execute()
    assert transfer.transfer("ann@example.org", LOCAL_EMAIL, BOSS).roadmaps == 2
    with pytest.raises(NewOwnerCannotLogIn):
        transfer.transfer(LOCAL_EMAIL, "ann@example.org", BOSS)
