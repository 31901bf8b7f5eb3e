"""Links: what they open and to whom, what they do not show, and when they work no longer."""

import hashlib
import json
import re
import string
import threading
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar
from itsdangerous import Signer
from pydantic import SecretStr
from starlette.testclient import TestClient

from core import clock
from core.backends import signing_keys
from core.db import session, settings, transaction
from core.ids import new_id
from models.accounts import Account
from models.roadmaps import CheckedLink, Concept, Content, Roadmap, ShareLink
from roadmap.exchange import account_export, share_links
from roadmap.exchange.map.drawing import inlined
from roadmap.exchange.share_links import MOST, PLACES, LinkPurpose, store_hashes
from roadmap.lifecycle.links.link_status import digest
from roadmap.lifecycle.making import completion
from roadmap.lifecycle.reading.queries import resources_of
from testing.waiting import HANG
from tests.cases import try_each
from tests.copies import Copies
from web.endpoints import idempotency
from web.http.response_cache import ResponseCache

pytestmark = pytest.mark.usefixtures("short")

API = "/api/v1"
ANY_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ALPHABET = string.ascii_letters + string.digits + "-_"
SECRETS = {
    "goal": "Become a backend engineer in Python after I was dismissed",
    "background": "dismissed twice",
    "motivation": "money for my sick cat",
    "preferences": "only before dawn and whispered",
    "deadline": "2030-04-05",
    "hours_per_week": 13,
}
NOTE = "a secret note of the owner"


@pytest.fixture
def roadmap(client: TestClient, copies: Copies) -> str:
    """The path of a finished one, of which something is learned already."""
    return copies.of("a roadmap of somebody with secrets", lambda: begun(client))


def begun(client: TestClient) -> str:
    path = str(client.post(f"{API}/roadmaps", json=SECRETS).headers["location"])
    concept = concept_of(client, path)
    assert client.put(f"{concept}/notes", json={"notes": NOTE}).status_code == 200
    assert client.put(f"{concept}/progress", json={"progress": "done"}).status_code == 200
    return path


def concept_of(client: TestClient, path: str) -> str:
    return (
        f"{path}/concepts/{client.get(path).json()['stages'][0]['modules'][0]['concepts'][0]['id']}"
    )


def linked(client: TestClient, roadmap: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"{roadmap}/links", json={"purpose": "reading", **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def html_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.text)


def flipped(token: str) -> str:
    """The same with another id."""
    return ("1" if token[0] == "0" else "0") + token[1:]


def signature(link_id: UUID, purpose: LinkPurpose) -> str:
    """The token that the version before made."""
    (key,) = signing_keys(settings)
    signer = Signer(key, salt=f"roadmap.{purpose}", digest_method=hashlib.sha256)
    return signer.sign(link_id.hex).decode()


def signed_link(roadmap: str, purpose: LinkPurpose) -> str:
    """As the version before has made it."""
    link_id = new_id()
    row = {"id": link_id, "purpose": purpose, "created_at": clock.now()}
    with transaction():
        ShareLink.insert(**row, roadmap=roadmap.rpartition("/")[2]).execute()
    return signature(link_id, purpose)


def opens(client: TestClient, purpose: LinkPurpose, token: str) -> bool:
    answer = client.get(PLACES[purpose].format(token=token))
    assert answer.status_code in (200, 404), answer.text
    return answer.status_code == 200


def token_of(link: dict[str, Any]) -> str:
    return str(link["url"]).rpartition("/")[2]


def shared(client: TestClient, link: dict[str, Any], below: str = "") -> Any:
    return client.get(f"{API}/shared/{token_of(link)}{below}")


class TestLinks:
    def test_one_is_made_read_listed_and_revoked(self, client: TestClient, roadmap: str) -> None:
        made = linked(client, roadmap)
        url = made.pop("url")
        assert f"/shared/{UUID(made['id']).hex}." in url
        assert client.get(f"{roadmap}/links").json()["items"] == [made]
        assert client.get(f"{roadmap}/links/{made['id']}").json() == made
        assert client.delete(f"{roadmap}/links/{made['id']}").status_code == 204
        assert client.get(f"{roadmap}/links").json() == {"items": []}
        assert client.delete(f"{roadmap}/links/{made['id']}").status_code == 404

    def test_there_are_no_more_than_so_many(self, client: TestClient, roadmap: str) -> None:
        for _ in range(MOST):
            linked(client, roadmap)
        answer = client.post(f"{roadmap}/links", json={"purpose": "calendar"})
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/conflict")
        assert len(client.get(f"{roadmap}/links").json()["items"]) == MOST

    @try_each(
        ("body", "pointer"),
        [
            ({}, "#/purpose"),
            ({"purpose": "writing"}, "#/purpose"),
            ({"purpose": "reading", "expires_in_days": 0}, "#/expires_in_days"),
            ({"purpose": "reading", "expires_in_days": 3651}, "#/expires_in_days"),
            ({"purpose": "reading", "expires_in_days": 1.5}, "#/expires_in_days"),
            ({"purpose": "reading", "token": "mine"}, "#/token"),
        ],
    )
    def test_what_does_not_fit_makes_none(
        self, client: TestClient, roadmap: str, body: Any, pointer: str
    ) -> None:
        answer = client.post(f"{roadmap}/links", json=body)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert client.get(f"{roadmap}/links").json() == {"items": []}


class TestTokens:
    def test_it_is_shown_once_and_stored_as_a_hash(self, client: TestClient, roadmap: str) -> None:
        token = token_of(linked(client, roadmap))
        (row,) = links()
        assert token.partition(".")[2] not in repr(row.__data__)
        assert row.token_hashes == hashlib.sha256(token.encode()).hexdigest()
        output = [client.get(f"{roadmap}/links").text, client.get(f"{roadmap}/links/{row.id}").text]
        assert [text for text in output if "url" in text or "token" in text] == []

    def test_a_signed_one_is_good_without_a_hash_and_with_it(
        self, client: TestClient, roadmap: str
    ) -> None:
        """As the version before leaves it, also while it still runs beside this one."""
        for purpose in LinkPurpose:
            token = signed_link(roadmap, purpose)
            assert opens(client, purpose, token)
            assert not opens(client, purpose, token[:-1] + ("A" if token[-1] != "A" else "B"))
            store_hashes()
            assert opens(client, purpose, token)
            assert not any(row.token_hashes is None for row in links())

    def test_a_signature_opens_no_new_one(self, client: TestClient, roadmap: str) -> None:
        made = linked(client, roadmap)
        forged = signature(UUID(made["id"]), LinkPurpose.reading)
        assert not opens(client, LinkPurpose.reading, forged)

    def test_all_are_stored_however_many_there_are(
        self, client: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(share_links, "ROWS", 2)
        tokens = [signed_link(roadmap, LinkPurpose.reading) for _ in range(5)]
        new = token_of(linked(client, roadmap))
        (before,) = [row.token_hashes for row in links() if row.token_hashes]
        store_hashes()
        assert before in [row.token_hashes for row in links()]
        assert all(opens(client, LinkPurpose.reading, token) for token in (*tokens, new))

    def test_a_start_with_a_wrong_key_ends_none_for_good(
        self, client: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = signed_link(roadmap, LinkPurpose.reading)
        right = share_links.signing_keys(share_links.settings)
        for keys in (("a wrong key of many characters",), right, ("a new one of many characters",)):
            monkeypatch.setattr(share_links, "signing_keys", lambda _, keys=keys: keys)
            store_hashes()
            assert opens(client, LinkPurpose.reading, token) is not keys[0].startswith("a wrong")
        (row,) = links()
        assert (
            len(row.token_hashes.split()) == 1 + 3
        )  # they are known to be signed, and the right key is not needed again

    def test_an_export_of_the_account_has_no_hash(self) -> None:
        assert "token_hashes" in account_export.LEFT_OUT


class TestReading:
    def test_its_holder_reads_the_plan_and_what_is_written(
        self, client: TestClient, roadmap: str
    ) -> None:
        link = linked(client, roadmap)
        tree, found = client.get(roadmap).json(), shared(client, link)
        assert found.status_code == 200
        assert found.headers["x-robots-tag"] == "noindex, nofollow"
        assert found.json()["title"] == tree["title"]
        first = found.json()["stages"][0]["modules"][0]["concepts"][0]
        assert first["written"] == ["tutorial", "resources", "quiz"]
        detail = shared(client, link, f"/concepts/{first['id']}").json()
        mine = client.get(f"{roadmap}/concepts/{first['id']}").json()
        assert detail["tutorial"] == mine["tutorial"]["markdown"]
        assert (detail["resources"], detail["quiz"]) == (mine["resources"], mine["quiz"])

    def test_nothing_of_its_owner_is_in_it(self, client: TestClient, roadmap: str) -> None:
        link = linked(client, roadmap)
        concept = concept_of(client, roadmap).rpartition("/")[2]
        path = f"/shared/{token_of(link)}"
        client.headers.update({"Accept": "text/html"})
        pages = [html_of(client.get(path)), html_of(client.get(f"{path}/concepts/{concept}"))]
        client.headers.update({"Accept": "*/*"})
        answers = [shared(client, link).text, shared(client, link, f"/concepts/{concept}").text]
        owner_id = roadmap_row(roadmap).owner_id
        private = [str(value) for value in SECRETS.values() if value != 13] + [
            NOTE,
            roadmap.rpartition("/")[2],
            str(owner_id),
        ]
        for entry in pages + answers:
            assert [secret for secret in private if secret in entry] == []
            assert "p-done" not in entry
            assert "p-next" not in entry
            assert not re.search(r"continue here|ready to learn|[0-9] of [0-9]+ done", entry)
            assert " 12 weeks" not in entry  # which it takes with 13 hours each
            assert '"answers"' not in entry
        assert (
            not {"progress", "notes", "hours_per_week", "deadline", "spent", "goal"}
            & json.loads(answers[0]).keys()
        )

    def test_two_who_have_it_made_for_other_hours_and_learned_other_things_share_the_same(
        self, client: TestClient, roadmap: str
    ) -> None:
        other = str(
            client.post(
                f"{API}/roadmaps", json={"goal": SECRETS["goal"], "hours_per_week": 2}
            ).headers["location"]
        )
        client.put(
            f"{roadmap}/schedule",
            json={"hours_per_week": 31, "deadline": None, "begins_on": "2025-01-01"},
        )
        found = []
        for path in (roadmap, other):
            token = token_of(linked(client, path))
            concept = concept_of(client, path).rpartition("/")[2]
            api = [
                client.get(f"{API}/shared/{token}{below}").text
                for below in ("", f"/concepts/{concept}")
            ]
            asked = [f"/shared/{token}", f"/shared/{token}/concepts/{concept}"]
            pages = [client.get(page, headers={"Accept": "text/html"}).text for page in asked]
            same = [
                re.sub(r'name="form" value="[^"]+"', "", text).replace(token, "token")
                for text in api + pages
            ]
            ids = [each["id"] for each in concepts(client.get(path).json())]
            for number, id_ in enumerate(ids):
                same = [text.replace(id_, str(number)) for text in same]
            found.append([ANY_ID.sub("id", text) for text in same])
        assert found[0] == found[1]

    def test_a_page_leads_through_it_and_to_one_of_ones_own(
        self, client: TestClient, roadmap: str
    ) -> None:
        path = f"/shared/{token_of(linked(client, roadmap))}"
        client.headers.update({"Accept": "text/html"})
        page = html_of(client.get(path))
        ways = list(dict.fromkeys(re.findall(rf'href="({path}/concepts/[0-9a-f-]+)"', page)))
        assert len(ways) == client.get(roadmap).json()["learned"]["total"]
        assert f'action="{path}/copy"' in page
        lesson = html_of(client.get(ways[0]))
        assert f'href="{ways[1]}"' in lesson
        assert f'href="{path}"' in lesson
        assert 'name="robots" content="noindex' in lesson
        for shown in (page, lesson):  # in a chat, say
            preview = dict(re.findall(r'property="og:(\w+)" content="([^"]+)"', shown))
            assert f">{preview['title']}</h1>" in shown
            assert preview["description"]

    def test_a_concept_of_another_roadmap_is_not_in_it(
        self, client: TestClient, roadmap: str
    ) -> None:
        other = str(
            client.post(f"{API}/roadmaps", json={"goal": SECRETS["goal"]}).headers["location"]
        )
        concept = concept_of(client, other).rpartition("/")[2]
        assert shared(client, linked(client, roadmap), f"/concepts/{concept}").status_code == 404


class TestRefused:
    def test_a_token_that_was_changed_opens_nothing(self, client: TestClient, roadmap: str) -> None:
        token = token_of(linked(client, roadmap))
        others = [token[:-1] + last for last in ALPHABET if last != token[-1]]
        others += [token[:40], "x", f"{token}a", token.replace(".", "-"), token.upper()]
        for wrong in others:
            answer = client.get(f"{API}/shared/{wrong}")
            assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found"), (
                wrong
            )
            assert "copied all of it" in answer.json()["detail"] or "token of a link" in str(
                answer.json()
            )
        unknown = client.get(f"{API}/shared/{flipped(token)}")
        assert unknown.status_code == 410  # it may have been revoked

    def test_the_token_of_one_purpose_is_worth_nothing_for_another(
        self, client: TestClient, roadmap: str
    ) -> None:
        calendar = linked(client, roadmap, purpose="calendar")
        token = calendar["url"].split("/")[-2]
        assert client.get(f"{API}/shared/{token}").status_code == 404

    def test_one_that_was_revoked_or_has_expired_says_so(
        self, client: TestClient, roadmap: str
    ) -> None:
        revoked, brief = linked(client, roadmap), linked(client, roadmap, expires_in_days=1)
        client.delete(f"{roadmap}/links/{revoked['id']}")
        assert shared(client, brief).status_code == 200
        clock.travel(timedelta(days=1))
        for link, word in ((revoked, "revoked"), (brief, "expired")):
            answer = shared(client, link)
            assert (answer.status_code, answer.json()["type"]) == (410, "/problems/gone")
            assert word in answer.json()["detail"]
        client.headers.update({"Accept": "text/html"})
        assert "no longer works" in html_of(client.get(f"/shared/{token_of(revoked)}"), 410)

    @pytest.mark.parametrize("how", ["trashed", "deleted", "disabled"])
    def test_it_ends_with_its_roadmap_and_its_account(
        self, client: TestClient, roadmap: str, how: str
    ) -> None:
        link = linked(client, roadmap)
        row = roadmap_row(roadmap)
        with transaction():
            if how == "trashed":
                Roadmap.update(trashed_at=clock.now()).where(Roadmap.id == row.id).execute()
            elif how == "deleted":
                Roadmap.delete().where(Roadmap.id == row.id).execute()
            else:
                Account.update(disabled_at=clock.now()).where(Account.id == row.owner_id).execute()
        assert shared(client, link).status_code == 410
        if how == "deleted":
            with session():
                assert ShareLink.select().count() == 0

    def test_an_error_of_ours_does_not_write_the_token_down(
        self,
        client: TestClient,
        roadmap: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        link = linked(client, roadmap)
        monkeypatch.setattr("roadmap.exchange.share_links.tree_state", lambda link: 1 / 0)
        quiet = TestClient(client.app, raise_server_exceptions=False, base_url=str(client.base_url))
        assert quiet.get(f"{API}/shared/{token_of(link)}").status_code == 500
        assert "/shared/{token}" in caplog.text
        assert token_of(link) not in caplog.text


class TestMadeMine:
    def test_it_is_a_roadmap_of_ones_own_with_all_that_is_written_and_nothing_of_the_other(
        self, client: TestClient, roadmap: str
    ) -> None:
        link = linked(client, roadmap)
        client.put(f"{API}/profile", json={"hours_per_week": 21})
        answer = client.post(f"{API}/shared/{token_of(link)}/copy", json={})
        assert answer.status_code == 201, answer.text
        mine = client.get(answer.headers["location"]).json()
        theirs = client.get(roadmap).json()
        assert mine["id"] != theirs["id"]
        assert (mine["status"], mine["hours_per_week"], mine["deadline"]) == ("ready", 21, None)
        assert mine["learned"]["done"] == 0
        for one, other in zip(concepts(mine), concepts(theirs), strict=True):
            assert (one["key"], one["title"], one["contents"]) == (
                other["key"],
                other["title"],
                other["contents"],
            )
        output = client.get(f"{answer.headers['location']}/export.json").text
        assert [
            secret
            for secret in (*SECRETS.values(), NOTE)
            if isinstance(secret, str) and secret in output
        ] == []

    def test_what_is_not_written_is_missing_and_no_file_is_mentioned(
        self, client: TestClient, roadmap: str
    ) -> None:
        link = linked(client, roadmap)
        with transaction():
            part = Content.get(Content.roadmap == roadmap_row(roadmap).id, Content.kind == "quiz")
            Content.update(status="failed", version=0).where(Content.id == part.id).execute()
        mine = client.get(
            client.post(f"{API}/shared/{token_of(link)}/copy", json={}).headers["location"]
        ).json()
        assert (mine["status"], mine["progress"]["failed"]) == ("partial", 1)
        assert (
            mine["error"]
            == f"1 of {mine['progress']['total']} parts were not written when it was copied"
        )
        (error,) = {
            part["error"] for node in concepts(mine) for part in node["contents"].values()
        } - {""}
        assert error == "It was not written when the roadmap was copied."

    def test_a_copy_outlives_its_original(self, client: TestClient, roadmap: str) -> None:
        link = linked(client, roadmap)
        mine = client.post(f"{API}/shared/{token_of(link)}/copy", json={}).headers["location"]
        client.delete(roadmap)
        assert client.post(f"{API}/shared/{token_of(link)}/copy", json={}).status_code == 410
        assert client.get(mine).json()["status"] == "ready"
        concept = concept_of(client, mine)
        assert client.put(f"{concept}/progress", json={"progress": "done"}).status_code == 200

    def test_a_second_click_makes_no_second_one(self, client: TestClient, roadmap: str) -> None:
        path = f"/shared/{token_of(linked(client, roadmap))}"
        client.headers.update({"Accept": "text/html"})
        client.follow_redirects = False
        (form,) = re.findall(r'name="form" value="([^"]+)"', html_of(client.get(path)))
        first, second = (client.post(f"{path}/copy", data={"form": form}) for _ in range(2))
        assert (first.status_code, first.headers["location"]) == (303, second.headers["location"])
        assert (
            client.post(f"{path}/copy", data={"form": "another"}).headers["location"]
            != first.headers["location"]
        )
        html_of(client.get(first.headers["location"]))

    def test_a_double_click_makes_one_and_both_lead_there(
        self, client: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = f"/shared/{token_of(linked(client, roadmap))}/copy"
        client.headers.update({"Accept": "text/html"})
        client.follow_redirects = False
        answers: list[Any] = []

        def click() -> None:
            answers.append(client.post(path, data={"form": "a"}))

        second, arrived = threading.Thread(target=click), threading.Semaphore(0)
        finish, one_at_a_time = completion.finish, idempotency.one_at_a_time

        def one_after_the_other(of: Any, **how: Any) -> Any:
            if of is not None:
                arrived.release()
            return one_at_a_time(of, **how)

        def while_another_waits(*given: Any, **how: Any) -> Any:
            second.start()
            assert all(arrived.acquire(timeout=HANG) for _ in range(2))  # the first and the second
            return finish(*given, **how)

        monkeypatch.setattr(idempotency, "one_at_a_time", one_after_the_other)
        monkeypatch.setattr(completion, "finish", while_another_waits)
        click()
        second.join()
        assert [answer.status_code for answer in answers] == [303, 303]
        click()  # no other request runs now
        assert len({answer.headers["location"] for answer in answers}) == 1

    def test_no_request_waits_for_ever_for_another(
        self, client: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = f"/shared/{token_of(linked(client, roadmap))}/copy"
        client.headers.update({"Accept": "text/html"})
        answers: list[Any] = []

        finish = completion.finish

        def click_again(*given: Any, **how: Any) -> Any:
            answers.append(client.post(path, data={"form": "a"}))
            return finish(*given, **how)

        monkeypatch.setattr("web.pages.forms.PATIENCE", 0.05)
        monkeypatch.setattr(completion, "finish", click_again)
        assert client.post(path, data={"form": "a"}, follow_redirects=False).status_code == 303
        (answer,) = answers
        assert "This is already in progress." in html_of(answer, 409)

    def test_without_a_plan_there_is_nothing_to_make_ones_own(
        self, client: TestClient, roadmap: str
    ) -> None:
        link = linked(client, roadmap)
        with transaction():
            Roadmap.update(title="", revision=0).where(
                Roadmap.id == roadmap_row(roadmap).id
            ).execute()
        assert client.post(f"{API}/shared/{token_of(link)}/copy", json={}).status_code == 409
        with session():
            assert Roadmap.select().count() == 1


class TestCalendar:
    def feed(self, client: TestClient, link: dict[str, Any]) -> Any:
        return client.get(link["url"].removeprefix(str(client.base_url).rstrip("/")))

    def test_it_has_what_is_left_and_moves_with_the_progress(
        self, client: TestClient, roadmap: str
    ) -> None:
        link = linked(client, roadmap, purpose="calendar")
        answer = self.feed(client, link)
        assert answer.headers["content-type"].startswith("text/calendar")
        before = events_of(answer.content)
        left = client.get(f"{roadmap}/schedule").json()["spans"]
        assert [before[f"concept-{span['concept_id']}@roadmap.invalid"] for span in left] == [
            (
                date.fromisoformat(span["begins_on"]),
                date.fromisoformat(span["ends_on"]) + timedelta(days=1),
            )
            for span in left
        ]
        assert len(before) == len(left) + 1  # the deadline
        first = left[0]["concept_id"]
        client.put(f"{roadmap}/concepts/{first}/progress", json={"progress": "skipped"})
        after = events_of(self.feed(client, link).content)
        assert f"concept-{first}@roadmap.invalid" not in after
        second = f"concept-{left[1]['concept_id']}@roadmap.invalid"
        assert after[second][0] <= before[second][0]
        clock.travel(timedelta(days=14))
        assert events_of(self.feed(client, link).content)[second][0] >= before[second][0]

    def test_what_has_not_changed_is_not_sent_again(self, client: TestClient, roadmap: str) -> None:
        link = linked(client, roadmap, purpose="calendar")
        answer = self.feed(client, link)
        path = link["url"].removeprefix(str(client.base_url).rstrip("/"))
        assert (
            client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
        )

    def test_without_a_plan_it_does_not_say_the_goal(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("roadmap.lifecycle.making.plan_job.plan", lambda *_: [])
        path = str(client.post(f"{API}/roadmaps", json=SECRETS).headers["location"])
        answer = self.feed(client, linked(client, path, purpose="calendar"))
        assert (answer.status_code, Calendar.from_ical(answer.content)["NAME"]) == (200, "Roadmap")
        assert "dismissed" not in answer.text.replace("\r\n ", "")
        assert "dismissed" in client.get(f"{path}/export.ics").text.replace("\r\n ", "")

    def test_of_a_roadmap_that_was_deleted_it_says_so(
        self, client: TestClient, roadmap: str
    ) -> None:
        link = linked(client, roadmap, purpose="calendar")
        client.delete(roadmap)
        assert self.feed(client, link).status_code == 410
        client.post(f"{API}/trash/{roadmap.rpartition('/')[2]}/restore", json={})
        assert self.feed(client, link).status_code == 200
        client.delete(roadmap)
        client.delete(f"{API}/trash/{roadmap.rpartition('/')[2]}")
        answer = self.feed(client, link)
        assert (answer.status_code, answer.json()["type"]) == (410, "/problems/gone")


class TestKept:
    """A page rendered for one is sent to all, while it does not change and the link is good."""

    @pytest.fixture
    def drawn(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """The pictures that were drawn since."""
        pictures: list[Any] = []

        def draw(tree: Any, *more: Any, **options: Any) -> str:
            pictures.append(tree)
            return inlined(tree, *more, **options)

        monkeypatch.setattr("web.pages.share.sharing.inlined", draw)
        monkeypatch.setattr("web.api.shares.documents", ResponseCache())
        return pictures

    @pytest.fixture
    def page(self, client: TestClient, roadmap: str) -> str:
        """The path of one, for a stranger."""
        client.headers.update({"Accept": "text/html"})
        return f"/shared/{token_of(linked(client, roadmap))}"

    def test_a_page_is_rendered_once_however_it_is_asked_for(
        self, client: TestClient, drawn: list[Any], page: str
    ) -> None:
        first = html_of(client.get(page))
        for number in range(3):
            values = {
                "Accept-Language": f"en-GB, x-{number}",
                "User-Agent": str(number),
                "Cookie": f"a={number}; theme=x{number}",
            }
            again = client.get(
                f"{page}?utm={number}",
                headers={**values, "Accept-Encoding": ("gzip", "br", "identity")[number]},
            )
            assert unnamed(html_of(again)) == unnamed(first)
        assert len(drawn) == 1

    def test_each_look_is_a_page_of_its_own(
        self, client: TestClient, drawn: list[Any], page: str
    ) -> None:
        looks = [
            {},
            {"Accept-Language": "zh"},
            {"Cookie": "theme=dark"},
            {"Cookie": "language=zh-Hans; theme=light"},
        ]
        pages = [html_of(client.get(page, headers=look)) for look in looks * 2]
        assert list(map(unnamed, pages[:4])) == list(map(unnamed, pages[4:]))
        assert len(set(pages[:4])) == len(drawn) == 4
        assert 'data-theme="dark"' in pages[2]
        assert 'lang="zh-Hans"' in pages[3]

    def test_it_is_for_a_stranger_or_for_somebody(
        self, client: TestClient, drawn: list[Any], page: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert f'action="{page}/copy"' in html_of(client.get(page))
        strangers = settings.model_copy(
            update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
        )
        monkeypatch.setattr("web.pages.templates.settings", strangers)
        assert "/login?next=" in html_of(client.get(page))
        assert len(drawn) == 2

    def test_a_form_has_a_name_of_its_own_in_each_answer(
        self, client: TestClient, drawn: list[Any], page: str
    ) -> None:
        names = {
            re.findall(r'name="form" value="([\w-]{22})"', html_of(client.get(page)))[0]
            for _ in range(3)
        }
        assert len(names) == 3

    @pytest.mark.parametrize("below", ["", "/concepts/{concept}"])
    @pytest.mark.parametrize("at", ["/shared", f"{API}/shared"])
    def test_a_change_is_seen_at_once(
        self, client: TestClient, roadmap: str, page: str, at: str, below: str
    ) -> None:
        concept = concept_of(client, roadmap).rpartition("/")[2]
        path = at + page.removeprefix("/shared") + below.format(concept=concept)
        assert "Another name" not in client.get(path).text
        with transaction():
            Concept.update(title="Another name").where(Concept.id == concept).execute()
            Roadmap.update(revision=Roadmap.revision + 1).execute()  # a plan changes with it
        assert "Another name" in client.get(path).text

    @pytest.mark.parametrize("at", ["/shared", f"{API}/shared"])
    def test_what_was_found_at_an_address_is_seen_at_once(
        self, client: TestClient, roadmap: str, page: str, at: str
    ) -> None:
        concept = concept_of(client, roadmap).rpartition("/")[2]
        path = at + page.removeprefix("/shared") + f"/concepts/{concept}"
        before = unnamed(client.get(path).text)
        with session():
            (first, *_) = resources_of(UUID(roadmap.rpartition("/")[2]), UUID(concept))
            url = first.url
            facts = {
                "state": "dead",
                "reason": "answered 404",
                "checked_at": clock.now(),
                "due_at": clock.now(),
            }
            CheckedLink.insert(digest=digest(url), url=url, **facts).execute()
        after = unnamed(client.get(path).text)
        with session():
            CheckedLink.delete().execute()
        assert after != before
        assert unnamed(client.get(path).text) == before

    @pytest.mark.parametrize("how", ["revoked", "expired", "trashed", "disabled"])
    def test_who_has_a_page_by_a_link_that_is_over_is_refused(
        self, client: TestClient, roadmap: str, drawn: list[Any], how: str
    ) -> None:
        reading, calendar = (
            linked(client, roadmap, purpose=each, expires_in_days=1)
            for each in ("reading", "calendar")
        )
        ics = f"/calendars/{calendar['url'].split('/')[-2]}/roadmap.ics"
        paths = [f"/shared/{token_of(reading)}", f"{API}/shared/{token_of(reading)}", ics]
        paths += [
            f"{path}/concepts/{concept_of(client, roadmap).rpartition('/')[2]}"
            for path in paths[:2]
        ]
        client.headers.update({"Accept": "text/html"})
        assert [client.get(path).status_code for path in paths] == [200] * 5
        row = roadmap_row(roadmap)
        with transaction():
            if how == "revoked":
                ShareLink.delete().execute()
            elif how == "expired":
                clock.travel(timedelta(days=1))
            elif how == "trashed":
                Roadmap.update(trashed_at=clock.now()).where(Roadmap.id == row.id).execute()
            else:
                Account.update(disabled_at=clock.now()).where(Account.id == row.owner_id).execute()
        assert [client.get(path).status_code for path in paths] == [410] * 5

    def test_the_calendar_is_that_of_the_day_and_of_the_name_that_was_called(
        self, client: TestClient, roadmap: str
    ) -> None:
        token = linked(client, roadmap, purpose="calendar")["url"].split("/")[-2]
        path = f"/calendars/{token}/roadmap.ics"
        first, again = client.get(path), client.get(path)
        assert (first.content, dict(first.headers) | {"x-request-id": ""}) == (
            again.content,
            dict(again.headers) | {"x-request-id": ""},
        )
        elsewhere = client.get(path, headers={"Host": "localhost:81"})
        assert b"localhost:81" in elsewhere.content
        assert b"localhost:81" not in client.get(path).content
        clock.travel(timedelta(days=30))
        assert client.get(path).content != first.content


class TestPage:
    def test_links_are_made_and_revoked_without_a_script(
        self, client: TestClient, roadmap: str
    ) -> None:
        client.headers.update({"Accept": "text/html"})
        client.follow_redirects = False
        path = f"/roadmaps/{roadmap.rpartition('/')[2]}/sharing"
        assert f'href="{path}"' in html_of(client.get(path.removesuffix("/sharing")))
        for form, address in (
            ({"purpose": "reading", "expires_in_days": "30"}, r'value="http[^"]+(/shared/[^"]+)"'),
            ({"purpose": "calendar"}, r'value="http[^"]+(/calendars/[^"]+/roadmap\.ics)"'),
        ):
            page = html_of(client.post(path, data=form))
            (found,) = re.findall(address, page)
            assert client.get(found).status_code == 200
            assert page.count("will not be shown again") == 1
        page = html_of(client.get(path))
        assert re.findall("/shared/|/calendars/", page) == []
        assert "create a new link and revoke the old one" in page
        for row in links():
            assert f"<code>{row.id.hex[:12]}…</code>" in page
        for revoke in re.findall(rf'action="({path}/[0-9a-f-]+/revoke)"', page):
            assert client.post(revoke).headers["location"] == path
            assert client.post(revoke).status_code == 404
        assert "/shared/" not in html_of(client.get(path))

    def test_a_wrong_field_shows_an_error(self, client: TestClient, roadmap: str) -> None:
        client.headers.update({"Accept": "text/html"})
        path = f"/roadmaps/{roadmap.rpartition('/')[2]}/sharing"
        assert 'role="alert"' in html_of(
            client.post(path, data={"purpose": "reading", "expires_in_days": "x"}), 422
        )
        with session():
            assert ShareLink.select().count() == 0


def links() -> list[ShareLink]:
    with session():
        return list(ShareLink.select())


def unnamed(page: str) -> str:
    """Without what is another one in each answer."""
    return re.sub(r'name="form" value="[^"]+"', "", page)


def concepts(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        concept
        for stage in tree["stages"]
        for module in stage["modules"]
        for concept in module["concepts"]
    ]


def events_of(content: bytes) -> dict[str, tuple[date, date]]:
    """By UID: the first day, and the one after the last."""
    found = Calendar.from_ical(content).walk("VEVENT")
    return {
        str(event["UID"]): (event.decoded("DTSTART"), event.decoded("DTEND")) for event in found
    }


def roadmap_row(path: str) -> Roadmap:
    with session():
        row: Roadmap = Roadmap.get_by_id(path.rpartition("/")[2])
        return row
