"""Registration, invitations and the first administrator."""

import threading
from datetime import timedelta

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from core import clock
from core.db import session, settings
from core.settings import Admission
from models.accounts import Account, Invitation
from roadmap.accounts import accounts, identity
from tests.security.accounts.people import (
    ANOTHER,
    AUTH,
    INVITATIONS,
    PASSWORD,
    Configure,
    administrator,
    log_in,
    person,
    reason,
    registered,
    works,
)


class TestRegistration:
    def test_closed_registration_refuses_everyone(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        invitation = client.post(INVITATIONS, json={}, headers=boss["headers"]).json()["invitation"]
        configure(registration=Admission.closed)
        for more in ({}, {"invitation": invitation}):
            assert client.post(f"{AUTH}/register", json=person(**more)).status_code == 403

    def test_by_default_only_who_is_invited_comes_in_and_once(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=type(settings).model_fields["registration"].default)
        assert "invitation" in reason(client.post(f"{AUTH}/register", json=person()), 403)
        made = client.post(INVITATIONS, json={}, headers=boss["headers"])
        assert made.status_code == 201
        invitation = made.json()["invitation"]
        assert (
            client.post(f"{AUTH}/register", json=person(invitation=invitation)).status_code == 201
        )
        assert (
            client.post(f"{AUTH}/register", json=person(invitation=invitation)).status_code == 403
        )
        assert client.get(INVITATIONS, headers=boss["headers"]).json()["items"] == []

    def test_a_page_takes_an_invitation_by_link_or_text(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=Admission.invite)
        invitation = client.post(INVITATIONS, json={}, headers=boss["headers"]).json()["invitation"]
        client.headers.update({"Accept": "text/html", "Sec-Fetch-Site": "same-origin"})
        client.follow_redirects = False
        page = client.get("/register", params={"invitation": invitation})
        assert f'value="{invitation}"' in page.text
        typed = {"email": "guest@example.org", "password": PASSWORD}
        for wrong in ({}, {"invitation": "made up"}):
            answer = client.post("/register", data=typed | wrong)
            assert answer.status_code == 403
            assert "Ask" in answer.text
        assert "Please correct the highlighted fields." in answer.text
        answer = client.post("/register", data=typed | {"invitation": invitation})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].partition(";")[0]
        assert client.get("/", headers={"Cookie": cookie}).status_code == 200

    def test_a_bad_password_does_not_use_an_invitation_up(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=Admission.invite)
        invitation = client.post(INVITATIONS, json={}, headers=boss["headers"]).json()["invitation"]
        assert (
            client.post(
                f"{AUTH}/register", json=person(invitation=invitation, password="q1w2e3r4t5y6")
            ).status_code
            == 422
        )
        taken = {"email": boss["email"], "password": PASSWORD, "invitation": invitation}
        assert client.post(f"{AUTH}/register", json=taken).status_code == 409
        assert (
            client.post(f"{AUTH}/register", json=person(invitation=invitation)).status_code == 201
        )

    def test_an_invitation_for_one_address_is_for_no_other(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=Admission.invite)
        made = client.post(
            INVITATIONS, json={"email": "Friend@Example.org"}, headers=boss["headers"]
        ).json()
        assert (
            client.post(f"{AUTH}/register", json=person(invitation=made["invitation"])).status_code
            == 403
        )
        friend = person(invitation=made["invitation"], email="friend@example.org")
        assert client.post(f"{AUTH}/register", json=friend).status_code == 201

    def test_an_invitation_ends_by_its_age_and_by_being_withdrawn(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=Admission.invite)
        late, withdrawn = (
            client.post(INVITATIONS, json={}, headers=boss["headers"]).json() for _ in range(2)
        )
        assert (
            client.delete(f"{INVITATIONS}/{withdrawn['id']}", headers=boss["headers"]).status_code
            == 204
        )
        assert (
            client.post(
                f"{AUTH}/register", json=person(invitation=withdrawn["invitation"])
            ).status_code
            == 403
        )
        clock.travel(identity.INVITATION_LIFE + timedelta(seconds=1))
        assert (
            client.post(f"{AUTH}/register", json=person(invitation=late["invitation"])).status_code
            == 403
        )

    @pytest.mark.parametrize("forged", ["x", "a.b.c", ""])
    def test_a_forged_invitation_opens_nothing(
        self, client: TestClient, configure: Configure, forged: str
    ) -> None:
        configure(registration=Admission.invite)
        assert client.post(f"{AUTH}/register", json=person(invitation=forged)).status_code == 403

    def test_two_people_with_one_invitation_at_once_are_one_person(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = administrator(client)
        configure(registration=Admission.invite)
        invitation = client.post(INVITATIONS, json={}, headers=boss["headers"]).json()["invitation"]
        answers: list[int] = []
        threads = [
            threading.Thread(
                target=lambda: answers.append(
                    client.post(f"{AUTH}/register", json=person(invitation=invitation)).status_code
                )
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [201, 403, 403, 403]
        with session():
            assert Invitation.get().used_by_id is not None


class TestFirstAdministrator:
    def test_there_is_none_without_the_variables(self, client: TestClient) -> None:
        with session():
            assert Account.select().where(Account.is_admin).count() == 0

    def test_the_variables_make_one_and_never_again(
        self, client: TestClient, configure: Configure
    ) -> None:
        boss = {"email": "boss@example.org", "password": PASSWORD}
        configure(admin_email="Boss@example.org", admin_password=SecretStr(PASSWORD))
        accounts.ensure_first_admin()
        assert client.get(INVITATIONS, headers=log_in(client, boss)).status_code == 200
        accounts.set_password(boss["email"], ANOTHER)
        accounts.ensure_first_admin()
        assert client.post(f"{AUTH}/login", json=boss).status_code == 401
        assert works(client, log_in(client, {**boss, "password": ANOTHER}))

    def test_who_has_registered_under_that_address_before_is_not_made_one(
        self, client: TestClient, configure: Configure, caplog: pytest.LogCaptureFixture
    ) -> None:
        who = registered(client)
        configure(admin_email=who["email"], admin_password=SecretStr(ANOTHER))
        accounts.ensure_first_admin()
        assert client.get(INVITATIONS, headers=log_in(client, who)).status_code == 403
        assert "is no administrator" in caplog.text
