"""`roadmap_cli.py users`: what an operator does without the API."""

import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from core.db import session
from models.accounts import Account
from roadmap.accounts import accounts, passwords
from roadmap.accounts.accounts import LOCAL_EMAIL
from roadmap.accounts.identity import Principal
from roadmap.accounts.schemas import DeletionRequest
from roadmap_cli import main
from tests.cases import try_each
from web.auth import tokens

PASSWORD = "a long enough passphrase"
EMAIL = "someone@example.org"

pytestmark = pytest.mark.usefixtures("immediate")


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, ["users", *arguments], input=typed, env={"COLUMNS": "200"})


def the_account() -> Account:
    with session():
        return Account.get(Account.email == EMAIL)


def test_an_administrator_is_made_with_a_password_that_is_asked_for() -> None:
    made = run(
        "add",
        "Someone@example.org",
        "--admin",
        "--name",
        "Some One",
        typed=f"{PASSWORD}\n{PASSWORD}\n",
    )
    assert made.exit_code == 0, made.output
    assert PASSWORD not in made.output
    account = the_account()
    assert (account.is_admin, account.name) == (True, "Some One")
    assert passwords.matches(account.password_hash, PASSWORD)
    listed = run("list").output
    assert EMAIL in listed
    assert LOCAL_EMAIL in listed


@try_each(
    ("arguments", "expected"),
    [
        (["add", "no-address", "--password", PASSWORD], "not an e-mail address"),
        (["add", EMAIL, "--password", "q1w2e3r4t5y6"], "most common"),
        (["add", LOCAL_EMAIL, "--password", PASSWORD], "not an e-mail address"),
        (["password", EMAIL, "--password", PASSWORD], "No account"),
        (["admin", EMAIL], "No account"),
        (["disable", EMAIL], "No account"),
        (["invite", "no-address"], "not an e-mail address"),
    ],
)
def test_a_refusal_is_one_sentence(arguments: list[str], expected: str) -> None:
    result = run(*arguments)
    assert result.exit_code != 0
    assert expected in result.output
    assert "Traceback" not in result.output


def test_an_account_that_is_there_is_not_made_again() -> None:
    accounts.add(EMAIL, PASSWORD)
    again = run("add", EMAIL, "--password", "another long passphrase")
    assert again.exit_code == 1
    assert "already" in again.output
    assert passwords.matches(the_account().password_hash, PASSWORD)


def test_rank_password_and_door_are_changed() -> None:
    accounts.add(EMAIL, PASSWORD)
    assert run("admin", EMAIL).exit_code == 0
    assert the_account().is_admin
    assert run("admin", EMAIL, "--remove").exit_code == 0
    assert not the_account().is_admin
    assert run("disable", EMAIL).exit_code == 0
    assert the_account().disabled_at is not None
    assert run("password", EMAIL, "--password", "another long passphrase").exit_code == 0
    assert the_account().disabled_at is None
    assert passwords.matches(the_account().password_hash, "another long passphrase")


def test_an_address_is_changed_and_roadmaps_are_transferred() -> None:
    accounts.add("before@example.org", PASSWORD)
    assert run("email", "before@example.org", EMAIL).exit_code == 0
    assert the_account()
    taken = run("email", EMAIL, EMAIL.upper())
    assert (taken.exit_code, run("email", EMAIL, "no-address").exit_code) == (0, 2)
    accounts.add("other@example.org", PASSWORD)
    assert (
        "An account with this e-mail address already exists"
        in run("email", "other@example.org", EMAIL).output
    )
    assert (
        f"Transferred 0 roadmaps from {EMAIL} to {LOCAL_EMAIL}."
        in run("transfer", EMAIL, LOCAL_EMAIL).output
    )
    lost = run("transfer", EMAIL, "other@example.org")  # in embedded mode there is one who comes in
    assert (lost.exit_code, "account other@example.org is disabled" in lost.output) == (1, True)


def test_an_invitation_is_printed_and_nothing_else() -> None:
    printed = run("invite", EMAIL).output
    assert tokens.read_invitation_token(printed.strip())


def test_the_list_says_who_is_disabled_and_when_an_account_is_deleted() -> None:
    accounts.add(EMAIL, PASSWORD)
    principal = Principal(the_account().id, frozenset())
    deletion = accounts.delete(principal, DeletionRequest(password=SecretStr(PASSWORD)))
    assert f"deleted on {deletion.delete_at:%Y-%m-%d}" in run("list").output
    assert run("password", EMAIL, "--password", PASSWORD).exit_code == 0
    assert "deleted" not in run("list").output
    assert run("disable", EMAIL).exit_code == 0
    assert "disabled" in run("list").output
