"""Coming in and going out through the pages as a browser does: forms, a cookie, redirects."""

import re
import uuid
from dataclasses import dataclass

import httpx2
import pytest

from testing.stack import GOAL, PASSWORD, Stack
from testing.waiting import HANG

COOKIE = re.compile(
    r"__Host-roadmap=([^;]*); Path=/; Max-Age=(\d+); Secure; HttpOnly; SameSite=Lax"
)
HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
ANOTHER = "another long enough passphrase"


@dataclass
class Browser:
    """It keeps the cookie, and follows no redirect by itself."""

    stack: Stack
    cookie: str = ""

    def send(self, method: str, path: str, **options: object) -> httpx2.Response:
        headers = {**HTML, **({"Cookie": f"__Host-roadmap={self.cookie}"} if self.cookie else {})}
        answer = httpx2.request(
            method, self.stack.url + path, headers=headers, timeout=HANG, **options
        )
        if given := COOKIE.fullmatch(answer.headers.get("set-cookie", "")):
            self.cookie = given[1] if int(given[2]) else ""
        return answer

    def get(self, path: str) -> httpx2.Response:
        return self.send("GET", path)

    def post(self, path: str, **fields: str) -> httpx2.Response:
        return self.send("POST", path, data=fields)

    def registered(self) -> str:
        """The address of a new account, which is logged in."""
        email = f"{uuid.uuid4().hex}@example.org"
        assert self.post("/register", email=email, password=PASSWORD).status_code == 303
        return email


@pytest.fixture
def browser(stack: Stack) -> Browser:
    return Browser(stack)


def leads_to(answer: httpx2.Response, path: str) -> bool:
    return (answer.status_code, answer.headers.get("location")) == (303, path)


@pytest.mark.parametrize("stack", ["server"], indirect=True)
class TestServerMode:
    @pytest.mark.parametrize(
        "path", ["/", "/roadmaps", "/account", f"/roadmaps/{uuid.UUID(int=7)}?attempt=1"]
    )
    def test_a_page_leads_to_the_login_and_back(self, browser: Browser, path: str) -> None:
        asked = browser.get(path)
        assert asked.status_code == 303
        login = asked.headers["location"]
        assert login.startswith("/login")
        email = Browser(browser.stack).registered()
        back = re.search(r'name="next" value="([^"]*)"', browser.get(login).text)
        assert back is not None
        assert leads_to(
            browser.post(
                "/login", email=email, password=PASSWORD, next=back[1].replace("&amp;", "&")
            ),
            path,
        )
        assert browser.get("/account").status_code == 200

    @pytest.mark.parametrize(
        "path",
        ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "x"],
    )
    def test_no_login_leads_elsewhere(self, browser: Browser, path: str) -> None:
        email = Browser(browser.stack).registered()
        assert 'name="next" value="/"' in browser.send("GET", "/login", params={"next": path}).text
        assert leads_to(browser.post("/login", email=email, password=PASSWORD, next=path), "/")

    def test_a_wrong_password_keeps_the_address_and_nothing_else(self, browser: Browser) -> None:
        email = Browser(browser.stack).registered()
        answer = browser.post("/login", email=email, password="not the password", next="/account")
        assert answer.status_code == 401
        assert "The email address or the password is wrong." in answer.text
        assert f'value="{email}"' in answer.text
        assert "not the password" not in answer.text
        assert not browser.cookie

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"password": "short"}, "password"),
            ({"password": "password1234"}, "password"),
            ({"email": "unknown"}, "email"),
        ],
    )
    def test_an_invalid_field_has_its_error_beside_it(
        self, browser: Browser, fields: dict[str, str], named: str
    ) -> None:
        typed = {
            "email": f"{uuid.uuid4().hex}@example.org",
            "password": PASSWORD,
            "name": "Ann <b>",
            **fields,
        }
        answer = browser.post("/register", **typed)
        assert answer.status_code == 422
        assert f'id="{named}-error"' in answer.text
        assert "Ann &lt;b&gt;" in answer.text
        assert typed["password"] not in answer.text
        assert not browser.cookie

    def test_an_address_that_is_taken_is_an_error(self, browser: Browser) -> None:
        email = Browser(browser.stack).registered()
        answer = browser.post("/register", email=email, password=PASSWORD)
        assert (answer.status_code, "An account with this address exists." in answer.text) == (
            409,
            True,
        )

    def test_logging_out_ends_it(self, browser: Browser) -> None:
        browser.registered()
        before = browser.cookie
        assert leads_to(browser.post("/logout"), "/login")
        assert not browser.cookie
        assert leads_to(Browser(browser.stack, before).get("/account"), "/login?next=%2Faccount")

    def test_a_new_password_ends_all_logins_but_the_new_one(self, browser: Browser) -> None:
        email = browser.registered()
        other = Browser(browser.stack)
        other.post("/login", email=email, password=PASSWORD)
        refused = browser.post("/account/password", current_password="wrong", new_password=ANOTHER)
        assert (refused.status_code, "The current password is wrong." in refused.text) == (
            401,
            True,
        )
        weak = browser.post(
            "/account/password", current_password=PASSWORD, new_password="password1234"
        )
        assert (weak.status_code, 'id="new_password-error"' in weak.text) == (422, True)

        changed = browser.post("/account/password", current_password=PASSWORD, new_password=ANOTHER)
        assert leads_to(changed, "/account?saved=password")
        assert browser.get("/account?saved=password").status_code == 200
        assert other.get("/account").status_code == 303
        assert other.post("/login", email=email, password=PASSWORD).status_code == 401
        assert other.post("/login", email=email, password=ANOTHER).status_code == 303

    def test_another_login_can_be_ended(self, browser: Browser) -> None:
        email = browser.registered()
        other = Browser(browser.stack)
        other.post("/login", email=email, password=PASSWORD)
        action = re.search(
            r'action="(/account/logins/[0-9a-f-]+/end)"', browser.get("/account").text
        )
        assert action is not None
        assert leads_to(browser.post(action[1]), "/account")
        assert other.get("/account").status_code == 303
        assert browser.get("/account").status_code == 200

    def test_a_key_does_not_see_the_logins(self, browser: Browser) -> None:
        email = browser.registered()
        stack = browser.stack
        answer = httpx2.post(
            f"{stack.url}/api/v1/auth/login",
            json={"email": email, "password": PASSWORD},
            timeout=HANG,
        )
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        body = {"name": "reader", "scopes": ["read"]}
        key = httpx2.post(
            f"{stack.url}/api/v1/api-keys", json=body, headers=bearer, timeout=HANG
        ).json()["key"]
        page = httpx2.get(
            f"{stack.url}/account", headers={**HTML, "Authorization": f"Bearer {key}"}, timeout=HANG
        )
        assert (page.status_code, "127.0.0.1" in page.text) == (200, False)
        assert "127.0.0.1" in browser.get("/account").text

    def test_a_form_whose_login_has_ended_changes_nothing_and_says_so(
        self, browser: Browser
    ) -> None:
        browser.registered()
        before = browser.cookie
        browser.post("/logout")
        answer = Browser(browser.stack, before).post("/roadmaps", goal=GOAL)
        assert answer.status_code == 401
        assert (
            "Please log in. Then return to this tab and go back: your input is kept." in answer.text
        )

    def test_a_roadmap_is_made_and_belongs_to_its_account_only(self, browser: Browser) -> None:
        browser.registered()
        path = browser.post("/roadmaps", goal=GOAL).headers["location"]
        assert browser.get(path).status_code == 200
        other = Browser(browser.stack)
        other.registered()
        assert other.get(path).status_code == 404
        assert path not in other.get("/roadmaps").text
        assert path in browser.get("/roadmaps").text

    @pytest.mark.parametrize("path", ["/login", "/register"])
    def test_a_password_manager_knows_what_is_what(self, browser: Browser, path: str) -> None:
        page = browser.get(path).text
        kind = "current-password" if path == "/login" else "new-password"
        assert re.search(rf'name="password" type="password" autocomplete="{kind}"', page)
        assert re.search(r'name="email" type="email" autocomplete="username"', page)
        assert "onpaste" not in page

    def test_every_page_of_a_session_can_log_out(self, browser: Browser) -> None:
        browser.registered()
        for path in ("/", "/roadmaps", "/account", f"/roadmaps/{uuid.UUID(int=7)}"):
            assert '<form method="post" action="/logout">' in browser.get(path).text

    def test_a_choice_of_colours_is_kept_for_this_host_alone(self, browser: Browser) -> None:
        answer = browser.post("/look", theme="dark")
        assert answer.headers["set-cookie"].startswith(
            "__Host-theme=dark; HttpOnly; Max-Age=31536000; Path=/; SameSite=lax; Secure"
        )
