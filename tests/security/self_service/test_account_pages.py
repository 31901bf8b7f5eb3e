"""Change of the email address, and the pages of an account."""

import io
import json
import zipfile
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from core import clock
from core.db import session
from models.accounts import Account, AccountExport
from roadmap.accounts import accounts
from roadmap.accounts.accounts import RETURN
from roadmap.exchange import account_export as account_export_
from roadmap.lifecycle.administration import account_deletion
from roadmap.operations.audit_log import Action, Actor, audited, entries
from tasks.queues import content_queue
from tests.security.self_service.people import (
    ANOTHER,
    API,
    ARCHIVE,
    EMAIL,
    HTML,
    ME,
    PASSWORD,
    Person,
    count,
)
from web.http import limits
from web.http.rate_limiter import Limit


class TestEmail:
    def test_one_logs_in_with_the_new_address_and_all_other_logins_end(self, ann: Person) -> None:
        before, new = ann.email, f"{uuid4().hex}@Example.org"
        key = ann.post(f"{API}/api-keys", {"name": "CI"}).json()["key"]
        other = {"Authorization": f"Bearer {ann.log_in().json()['access_token']}"}
        changed = ann.answer("PUT", EMAIL, json={"email": new, "password": PASSWORD})
        assert (changed.status_code, changed.json()["user"]["email"]) == (200, new.lower())
        for headers in (ann.headers, other):
            assert ann.client.get(ME, headers=headers).status_code == 401
        assert (
            ann.client.get(
                ME, headers={"Authorization": f"Bearer {changed.json()['access_token']}"}
            ).status_code
            == 200
        )
        assert (
            ann.client.get(
                f"{API}/roadmaps", headers={"Authorization": f"Bearer {key}"}
            ).status_code
            == 200
        )
        assert ann.log_in().status_code == 401
        ann.email = new
        assert ann.log_in().status_code == 200
        entry = entries(limit=1).items[0]
        assert (entry.action, entry.target, entry.account_id) == (
            Action.user_email,
            str(ann.id),
            ann.id,
        )
        assert (entry.details, entry.outcome) == ({"before": before, "after": new.lower()}, "done")

    def test_who_does_not_know_the_password_changes_nothing_and_is_soon_stopped(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "LOGIN_PAIR", Limit("login-pair", 2, 900))
        wrong = {"email": "mallory@example.org", "password": ANOTHER}
        assert [ann.answer("PUT", EMAIL, json=wrong).status_code for _ in range(3)] == [
            401,
            401,
            429,
        ]
        assert ann.get(ME).json()["email"] == ann.email

    def test_an_address_that_is_taken_is_refused_and_nothing_has_changed(
        self, ann: Person, bob: Person
    ) -> None:
        refused = ann.answer("PUT", EMAIL, json={"email": bob.email, "password": PASSWORD})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (409, "#/email")
        assert ann.get(ME).json()["email"] == ann.email
        entry = entries(limit=1).items[0]
        assert (entry.outcome, entry.details) == (
            "refused",
            {"before": ann.email},
        )  # not with the address of another

    def test_a_password_that_is_little_more_than_the_new_address_is_refused(
        self, ann: Person
    ) -> None:
        close = {
            "email": f"{PASSWORD.replace(' ', '.')}@example.org",
            "password": "a.long.enough.passphrase 1",
        }
        accounts.set_password(ann.email, close["password"])
        again = ann.log_in(password=close["password"]).json()
        ann.headers = {"Authorization": f"Bearer {again['access_token']}"}
        refused = ann.answer("PUT", EMAIL, json=close)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/password")

    def test_no_key_can_do_it(self, ann: Person) -> None:
        key = ann.post(f"{API}/api-keys", {"name": "CI", "scopes": ["read", "write"]}).json()["key"]
        ann.headers = {"Authorization": f"Bearer {key}"}
        assert (
            ann.answer(
                "PUT", EMAIL, json={"email": "x@example.org", "password": PASSWORD}
            ).status_code
            == 403
        )

    def test_a_deleted_account_leaves_no_former_address_in_the_audit_log(self, ann: Person) -> None:
        before = ann.email
        with audited(Actor(None, "command line"), Action.user_logout, before):
            pass
        accounts.set_email(before, "after@example.org", Actor(None, "command line"))
        ann.email = "after@example.org"
        ann.headers = {"Authorization": f"Bearer {ann.log_in().json()['access_token']}"}
        ann.delete()
        clock.travel(RETURN + timedelta(minutes=1))
        assert account_deletion.purge_expired() == 1
        body = json.dumps([entry.model_dump(mode="json") for entry in entries(limit=100).items])
        assert (before in body, "after@example.org" in body, str(ann.id) in body) == (
            False,
            False,
            True,
        )

    def test_the_first_administrator_with_another_address_is_not_made_again(
        self, ann: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = {"admin_email": ann.email, "admin_password": SecretStr(PASSWORD)}
        monkeypatch.setattr(accounts, "settings", accounts.settings.model_copy(update=first))
        accounts.set_admin(ann.email, is_admin=True)
        accounts.set_email(ann.email, "boss@example.org", Actor(None, "command line"))
        accounts.ensure_first_admin()
        assert count(Account, Account.email == ann.email) == 0
        assert "ADMIN_EMAIL is passed over" in caplog.text


class TestPages:
    @pytest.fixture
    def browser(self, client: TestClient) -> Person:
        person = Person(client)
        client.headers.update(HTML)
        answer = client.post(
            "/login", data={"email": person.email, "password": PASSWORD}, follow_redirects=False
        )
        person.headers = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        return person

    def form(self, person: Person, path: str, **fields: str) -> httpx2.Response:
        return person.answer("POST", path, data=fields, follow_redirects=False)

    def test_the_archive_is_ordered_watched_and_downloaded(self, browser: Person) -> None:
        content_queue.immediate = False
        assert self.form(browser, "/account/export").headers["location"] == "/account#export"
        page = browser.get("/account").text
        assert "The archive is being prepared." in page
        assert 'hx-trigger="every 2s"' in page
        with session():
            account_export_.build(AccountExport.get().id)
        page = browser.get("/account").text
        assert f'href="{ARCHIVE}"' in page
        assert 'hx-trigger="every 2s"' not in page
        assert zipfile.ZipFile(io.BytesIO(browser.get(ARCHIVE).content)).testzip() is None

    def test_a_failed_export_is_shown(
        self, browser: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(account_export_, "LARGEST", 10)
        self.form(browser, "/account/export")
        page = browser.get("/account").text
        assert "The archive could not be created." in page
        assert "one by one" in page

    def test_the_account_is_deleted_and_restored(self, browser: Person) -> None:
        wrong = self.form(browser, "/account/delete", password=ANOTHER)
        assert (wrong.status_code, "The current password is wrong." in wrong.text) == (401, True)
        assert "<details open>" in wrong.text
        done = self.form(browser, "/account/delete", password=PASSWORD)
        assert (done.status_code, done.headers["location"]) == (303, "/login?deleted=yes")
        assert "Max-Age=0" in done.headers["set-cookie"]
        browser.headers = {}
        assert "deleted in 30 days" in browser.get("/login?deleted=yes").text
        fields = {"email": browser.email, "next": "/roadmaps"}
        response = self.form(browser, "/login", password=PASSWORD, **fields)
        assert (response.status_code, "Restore my account" in response.text) == (409, True)
        assert 'name="restore" value="true"' in response.text
        assert "Restore" not in self.form(browser, "/login", password=ANOTHER, **fields).text
        back = self.form(browser, "/login", password=PASSWORD, restore="true", **fields)
        assert (back.status_code, back.headers["location"]) == (303, "/roadmaps")

    def test_the_address_is_changed_by_a_form(self, browser: Person, bob: Person) -> None:
        wrong = self.form(browser, "/account/email", email="new@example.org", password=ANOTHER)
        assert (wrong.status_code, "The current password is wrong." in wrong.text) == (401, True)
        assert 'value="new@example.org"' in wrong.text
        taken = self.form(browser, "/account/email", email=bob.email, password=PASSWORD)
        assert (taken.status_code, "An account with this address exists." in taken.text) == (
            409,
            True,
        )
        bad = self.form(browser, "/account/email", email="unknown", password=PASSWORD)
        assert (bad.status_code, 'id="email-error"' in bad.text) == (422, True)
        none = self.form(browser, "/account/email", email="new@example.org")
        assert (none.status_code, 'id="email_password-error"' in none.text) == (422, True)
        done = self.form(browser, "/account/email", email="new@example.org", password=PASSWORD)
        assert (done.status_code, done.headers["location"]) == (303, "/account?saved=email")
        assert (
            browser.get("/account").status_code == 200
        )  # whose login has ended: the page leads to the login
        browser.headers = {"Cookie": done.headers["set-cookie"].partition(";")[0]}
        assert "new@example.org" in browser.get("/account?saved=email").text

    def test_the_last_administrator_gets_an_error(self, browser: Person) -> None:
        accounts.set_admin(browser.email, is_admin=True)
        answer = self.form(browser, "/login", email=browser.email, password=PASSWORD)
        browser.headers = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        refused = self.form(browser, "/account/delete", password=PASSWORD)
        assert (refused.status_code, "You are the last administrator." in refused.text) == (
            409,
            True,
        )
