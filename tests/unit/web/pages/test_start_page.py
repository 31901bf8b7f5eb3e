"""The start page and its form."""

import html
import re
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core.db import settings
from core.errors import RateLimited
from core.i18n import ENGLISH
from testing.stack import GOAL
from tests.cases import try_each
from tests.unit.web.pages.page_text import API, CHINESE, HTML, made, text_of, tree_of
from web.pages.error_messages import sentence

AUTOMATIC = re.compile(r'<select id="language"[^>]*>\s*<option value="" selected>')


@pytest.mark.usefixtures("short")
class TestStart:
    def test_only_the_goal_is_required(self, person: TestClient) -> None:
        tree = tree_of(person, made(person))
        assert (tree["goal"], tree["level"], tree["hours_per_week"], tree["language"]) == (
            GOAL,
            "beginner",
            8,
            "en",
        )

    @pytest.mark.parametrize(
        ("goal", "language"), [("学习后端开发", "zh-Hans"), ("Python backend", "en")]
    )
    def test_without_a_language_it_is_that_of_the_goal_as_over_the_api(
        self, person: TestClient, goal: str, language: str
    ) -> None:
        answer = person.post(f"{API}/roadmaps", json={"goal": goal})
        for path in (made(person, goal=goal), answer.headers["location"].removeprefix(API)):
            tree = tree_of(person, path)
            assert (tree["language"], tree["status"]) == (language, "ready")

    def test_programs_still_get_the_index(self, client: TestClient) -> None:
        assert client.get("/", headers={"Accept": "*/*"}).json()["service"] == "roadmap"

    def test_what_was_chosen_is_remembered_for_the_next_one(self, person: TestClient) -> None:
        made(person, level="advanced", hours_per_week="21", resource_language="zh-Hans")
        page = person.get("/").text
        assert re.search(r'value="beginner" checked', page)  # another subject
        assert re.search(r'name="hours_per_week"[^>]* value="21"', page)
        assert re.search(r'<option value="zh-Hans" lang="zh-Hans" selected>', page)
        assert person.get(f"{API}/profile").json()["hours_per_week"] == 21

    @try_each(
        ("fields", "named"),
        [
            ({"goal": ""}, "goal"),
            ({"goal": "x" * 1001}, "goal"),
            ({"goal": GOAL, "hours_per_week": "0"}, "hours_per_week"),
            ({"goal": GOAL, "hours_per_week": "many"}, "hours_per_week"),
            ({"goal": GOAL, "level": "expert"}, "level"),
            ({"goal": GOAL, "deadline": "2001-01-01"}, "deadline"),
            ({"goal": GOAL, "background": "x" * 2001}, "background"),
            ({"goal": "Learn to bake bread"}, "goal"),
            ({"goal": GOAL, "language": "de"}, "language"),
        ],
    )
    def test_a_wrong_field_shows_its_error_and_nothing_typed_is_lost(
        self, person: TestClient, fields: dict[str, str], named: str
    ) -> None:
        typed = {"motivation": "Because <i>I</i> want to.", **fields}
        answer = person.post("/roadmaps", data=typed)
        assert answer.status_code == 422
        assert f'id="{named}-error"' in answer.text
        assert "Because &lt;i&gt;I&lt;/i&gt; want to." in answer.text
        assert re.findall(r'name="(\w+)"[^>]*\bautofocus\b', answer.text) == (
            [] if named == "level" else [named]
        )
        assert person.get(f"{API}/roadmaps").json()["items"] == []

    def test_a_goal_may_come_with_a_link(self, person: TestClient) -> None:
        page = person.get("/?goal=" + "Say+%22hi%22+%3Cb%3E&utm_source=letter").text
        assert "Say &#34;hi&#34; &lt;b&gt;</textarea>" in page

    @pytest.mark.usefixtures("rye_bread")
    def test_a_built_in_roadmap_comes_in_the_language_in_which_it_is_named(
        self, person: TestClient
    ) -> None:
        """Whatever was chosen before, and is in the field; it is automatic from then on."""
        person.put(f"{API}/profile", json={"language": "de"})
        chips = re.findall(
            r'class="chip" name="track" value="([^"]+)" formnovalidate lang="([^"]+)"',
            person.get("/", headers=CHINESE).text,
        )
        assert {language for _, language in chips} == {"en", "zh-Hans"}
        for title, language in chips[:1] + chips[-1:]:
            answer = person.post(
                "/roadmaps",
                data={"goal": "", "language": "de", "track": html.unescape(title)},
                headers=CHINESE,
            )
            assert tree_of(person, answer.headers["location"])["language"] == language
        assert person.get(f"{API}/profile").json()["language"] is None

    def test_a_form_that_is_sent_twice_makes_one_roadmap_in_whichever_language_its_page_is(
        self, person: TestClient
    ) -> None:
        form = re.search(r'name="form" value="([^"]+)"', person.get("/").text)
        assert form is not None
        sent = [
            person.post("/roadmaps", data={"goal": GOAL, "form": form[1]}, headers=headers)
            for headers in (HTML, CHINESE)
        ]
        assert [answer.status_code for answer in sent] == [303, 303]
        assert sent[0].headers["location"] == sent[1].headers["location"]
        assert len(person.get(f"{API}/roadmaps").json()["items"]) == 1

    @try_each("language", ["", "xx"])
    def test_a_link_may_leave_the_language_open(self, person: TestClient, language: str) -> None:
        person.put(f"{API}/profile", json={"language": "de"})
        assert AUTOMATIC.search(person.get("/").text) is None
        assert AUTOMATIC.search(person.get(f"/?language={language}").text)
        assert '<option value="fr" lang="fr" selected>' in person.get("/?language=fr").text

    @pytest.mark.parametrize(
        ("goal", "language"),
        [
            ("Kubernetes", "zh-Hans"),
            ("Django", "zh-Hans"),
            ("我想學 Python 後端", "zh-Hans"),
            ("我想学 rye bread", "en"),
        ],
    )
    @pytest.mark.usefixtures("rye_bread")
    def test_a_chinese_page_gives_chinese_where_it_is_there_and_says_where_it_is_not(
        self, person: TestClient, goal: str, language: str
    ) -> None:
        made = person.post(
            "/roadmaps", data={"goal": goal, "language": ""}, headers=CHINESE
        ).headers["location"]
        assert tree_of(person, made)["language"] == language
        is_english = language == "en"
        assert ("只有英文版" in text_of(person.get(made, headers=CHINESE))) == is_english
        assert ("available in English only" in text_of(person.get(made))) == is_english

    def test_a_full_backlog_keeps_what_was_typed(
        self, person: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "web.roadmaps.create_writer.settings",
            settings.model_copy(update={"most_queued_roadmaps": 0}),
        )
        answer = person.post("/roadmaps", data={"goal": GOAL, "background": "ten years of Java"})
        assert "not possible right now" in text_of(answer, 503)
        assert "ten years of Java" in answer.text


class TestForms:
    @try_each(
        ("body", "content_type", "status"),
        [
            (b'{"goal": "x"}', "application/json", 415),
            (b"goal=%ff", "application/x-www-form-urlencoded", 400),
            (b"&".join(b"a=1" for _ in range(1001)), "application/x-www-form-urlencoded", 400),
            (b"goal=" + b"x" * 300_000, "application/x-www-form-urlencoded", 413),
        ],
    )
    def test_a_body_that_is_no_form_is_answered_by_a_page(
        self, person: TestClient, body: bytes, content_type: str, status: int
    ) -> None:
        answer = person.post("/roadmaps", content=body, headers={"Content-Type": content_type})
        assert "The request could not be processed" in text_of(answer, status)

    @try_each(
        "path",
        ["//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "javascript:1", ""],
    )
    def test_no_address_leads_elsewhere(self, person: TestClient, path: str) -> None:
        answer = person.post("/look", data={"next": path, "theme": "dark"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")

    @try_each(
        ("path", "page"),
        [
            ("{roadmap}/revise", "{roadmap}"),
            ("{roadmap}/cancel", "{roadmap}"),
            ("{lesson}/quiz", "{lesson}"),
            ("{lesson}/tutorial/retry", "{lesson}"),
            ("/account/password", "/account"),
            ("/look", "/"),
            ("/logout", "/"),
        ],
    )
    def test_the_address_of_a_form_that_was_sent_leads_to_its_page(
        self, person: TestClient, roadmap: str, lesson: str, path: str, page: str
    ) -> None:
        names = {"roadmap": roadmap, "lesson": lesson}
        answer = person.get(path.format(**names))
        assert (answer.status_code, answer.headers["location"]) == (303, page.format(**names))
        assert (
            person.get(path.format(**names), headers={"Accept": "application/json"}).status_code
            == 405
        )

    @try_each(
        ("accepted", "is_page"),
        [
            ("text/html", True),
            ("TEXT/HTML;level=1, */*;q=0.1", True),
            ("application/json, text/html;q=0.5", True),
            ("text/html;q=0", False),
            ("application/json, text/html; q=0.0, */*", False),
            ("text/htmlx", False),
            ("*/*", False),
        ],
    )
    def test_who_wants_a_page_gets_one(
        self, person: TestClient, accepted: str, is_page: bool
    ) -> None:
        answer = person.get(f"/roadmaps/{UUID(int=7)}", headers={"Accept": accepted})
        assert answer.headers["content-type"].startswith("text/html") == is_page

    def test_a_page_elsewhere_cannot_send_one(self, person: TestClient) -> None:
        answer = person.post(
            "/roadmaps", data={"goal": GOAL}, headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert answer.status_code == 403
        assert person.get(f"{API}/roadmaps").json()["items"] == []


def test_the_message_of_a_rate_limit_gives_the_time_to_wait() -> None:
    error = RateLimited("11 in 900 s.", retry_after=301)
    expected = "Too many attempts. You can try again in 6 minutes."
    assert sentence(ENGLISH, error) == expected
