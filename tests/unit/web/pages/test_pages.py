"""What people see: every page in both languages, forms that lose nothing, and pages that stay small however much is on them."""

import gzip
import html
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args
from uuid import UUID

import httpx2
import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import database, session, settings, transaction
from core.i18n import ENGLISH, texts
from core.ids import new_id
from models.roadmaps import Concept, Content, ContentVersion, Roadmap, RoadmapEvent
from roadmap.operations import execution_log
from roadmap.plan.event_types import Event, EventType
from roadmap.plan.outline import ContentKind, ResourceType
from roadmap.plan.statuses import ContentStatus, RoadmapStatus
from tests.cases import try_each
from tests.copies import Copies
from tests.stack import GOAL
from web.pages.labels import Sentences
from web.pages.templates import with_code
from web.routes import PAGES

HTML = {"Accept": "text/html"}
AUTOMATIC = re.compile(r'<select id="language"[^>]*>\s*<option value="" selected>')
CHINESE = {**HTML, "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}
PART = {**HTML, "HX-Request": "true"}
LARGEST = 60_000  # bytes of a page as it is sent
API = "/api/v1"


@pytest.fixture
def person(client: TestClient) -> TestClient:
    """Somebody with a browser."""
    client.headers.update(HTML)
    client.follow_redirects = False
    return client


@pytest.fixture
def roadmap(person: TestClient, copies: Copies) -> str:
    """The path of the page of a finished one."""
    return copies.of("a roadmap by a form", lambda: made(person))


def made(person: TestClient, **fields: str) -> str:
    answer = person.post("/roadmaps", data={"goal": GOAL, **fields})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def tree_of(person: TestClient, path: str) -> dict[str, Any]:
    return dict(person.get(API + path).json())


def concepts_of(person: TestClient, path: str) -> list[dict[str, Any]]:
    return [
        c
        for stage in tree_of(person, path)["stages"]
        for module in stage["modules"]
        for c in module["concepts"]
    ]


@pytest.fixture
def lesson(person: TestClient, roadmap: str) -> str:
    """The path of the page of its second concept."""
    return f"{roadmap}/concepts/{concepts_of(person, roadmap)[1]['id']}"


def text_of(answer: httpx2.Response, status: int = 200) -> str:
    """What a reader sees, in one line."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    shown = re.sub(r"<(script|style|svg)\b.*?</\1>", "", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown))


def tag_of(answer: httpx2.Response) -> str:
    """That of the notes, as the form sends it."""
    found = re.search(r'name="base" value="([0-9a-f]+)"', answer.text)
    assert found is not None
    return found[1]


def all_pages(person: TestClient, roadmap: str, lesson: str) -> Iterator[str]:
    webhook = person.post(f"{API}/webhooks", json={"url": "http://127.0.0.1:1024/"}).json()["id"]
    assert (
        person.post(f"/webhooks/{webhook}/test").status_code == 303
    )  # so that its log is not empty
    places = {
        "{roadmap_id}": roadmap.rpartition("/")[2],
        "{concept_id}": lesson.rpartition("/")[2],
        "{file}": "style.css",
    }
    places |= {
        "{webhook_id}": webhook,
        "{tag}": "roadmaps",
        "{slug}": "invalid",
        "{queue}": "content",
        "{message}": "gone",
    }
    link = person.post(f"{API}{roadmap}/links", json={"purpose": "reading"}).json()["url"]
    places["{token}"] = link.rpartition("/")[2]
    places |= {"{number}": "1", "{kind}": "tutorial"}
    for page in PAGES:
        if page.method == "GET" and not page.path.endswith(
            ("/live", "/picture", "/measures", "{file}", "/login", "/register")
        ):
            path = page.path
            for place, value in places.items():
                path = path.replace(place, value)
            yield path


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
        ("goal", "language"), [("学习后端开发", "zh-Hans"), ("学习网络安全", "en")]
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
        assert re.search(r'value="advanced" checked', page)
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
    def test_what_does_not_fit_is_said_beside_the_field_and_nothing_typed_is_lost(
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

    def test_a_built_in_roadmap_comes_in_the_language_in_which_it_is_named(
        self, person: TestClient
    ) -> None:
        """Whatever was chosen before; it is automatic from then on."""
        person.put(f"{API}/profile", json={"language": "de"})
        links = re.findall(
            r'class="chip" href="([^"]+)" lang="([^"]+)"', person.get("/", headers=CHINESE).text
        )
        assert {language for _, language in links} == {"en", "zh-Hans"}
        for link, language in links[:1] + links[-1:]:
            page = person.get(html.unescape(link), headers=CHINESE)
            assert AUTOMATIC.search(page.text)
            goal = re.search(r"<textarea id=\"goal\"[^>]*>([^<]+)</textarea>", page.text)
            assert goal is not None
            answer = person.post(
                "/roadmaps", data={"goal": goal[1], "language": ""}, headers=CHINESE
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
        ("goal", "language", "is_told"),
        [
            ("Kubernetes", "en", True),
            ("Django", "zh-Hans", False),
            ("学习网络安全", "en", True),
            ("我想學 Python 後端", "zh-Hans", False),
        ],
    )
    def test_a_chinese_page_gives_chinese_where_it_is_there_and_says_where_it_is_not(
        self, person: TestClient, goal: str, language: str, is_told: bool
    ) -> None:
        made = person.post(
            "/roadmaps", data={"goal": goal, "language": ""}, headers=CHINESE
        ).headers["location"]
        assert tree_of(person, made)["language"] == language
        assert ("只有英文版" in text_of(person.get(made, headers=CHINESE))) == is_told
        assert ("there in English only" in text_of(person.get(made))) == (goal == "学习网络安全")

    def test_a_full_backlog_keeps_what_was_typed(
        self, person: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "web.create_writer.settings", settings.model_copy(update={"most_queued_roadmaps": 0})
        )
        answer = person.post("/roadmaps", data={"goal": GOAL, "background": "ten years of Java"})
        assert "not possible at the moment" in text_of(answer, 503)
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
        assert "The request cannot be answered" in text_of(answer, status)

    @try_each(
        "path",
        ["//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "javascript:1", ""],
    )
    def test_nobody_is_led_elsewhere(self, person: TestClient, path: str) -> None:
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


class TestLook:
    def test_language_and_colours_are_chosen_and_kept(self, person: TestClient) -> None:
        person.post("/look", data={"language": "zh-Hans", "theme": "dark"})
        page = person.get("/").text
        assert '<html lang="zh-Hans" data-theme="dark">' in page
        assert "你想学什么" in page

    def test_the_browser_says_its_language(self, person: TestClient) -> None:
        assert "你想学什么" in person.get("/", headers=CHINESE).text
        assert (
            "What do you want to learn?" in person.get("/", headers={"Accept-Language": "fr"}).text
        )

    def test_what_is_not_offered_is_not_kept(self, person: TestClient) -> None:
        answer = person.post("/look", data={"language": "tlh", "theme": "<script>"})
        assert "set-cookie" not in answer.headers

    def test_no_page_mixes_the_languages(
        self, person: TestClient, roadmap: str, lesson: str
    ) -> None:
        """What pages say by themselves; the contents are in the language of the roadmap."""
        own = re.compile(
            r"\b(Settings|New|Quiz|Tutorial|hours|weeks|Next|Before|Progress|Notes|Save|done|week|Language|right)\b"
        )
        for path in all_pages(person, roadmap, lesson):
            answer = person.get(path, headers=CHINESE)
            shown = re.sub(r'<(\w+)[^>]* lang="en"[^>]*>.*?</\1>', "", answer.text, flags=re.DOTALL)
            assert not own.search(re.sub(r"<[^>]+>", " ", shown.partition("<main")[0])), path
            assert '<html lang="zh-Hans"' in answer.text


class TestRoadmap:
    def test_it_shows_the_plan_the_picture_and_where_to_go_on(
        self, person: TestClient, roadmap: str
    ) -> None:
        answer = person.get(roadmap)
        concepts = concepts_of(person, roadmap)
        for concept in concepts:
            assert f'id="concept-{concept["id"]}"' in answer.text
        assert answer.text.count('<a class="p-concept') == 2 * len(
            concepts
        )  # columns, and rows for phones
        assert "hx-sse:connect" not in answer.text
        assert f'href="{roadmap}/concepts/{concepts[0]["id"]}">Go on here' in answer.text

    def test_what_failed_is_named_and_has_its_own_retry(
        self, person: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = concepts_of(person, roadmap)[:2]
        with transaction():
            failed = (
                Content.concept.in_([first["id"], second["id"]]),
                Content.kind == ContentKind.quiz,
            )
            Content.update(
                status=ContentStatus.failed, version=0, error="The model said 500."
            ).where(*failed).execute()
            Roadmap.update(
                status=RoadmapStatus.partial, contents_failed=2, contents_ready=88
            ).execute()
        page = person.get(roadmap)
        assert f"The quiz on “{first['title']}” could not be written" in text_of(page)
        assert "The model said 500." in page.text

        answer = person.post(f"{roadmap}/concepts/{first['id']}/quiz/retry")
        assert (answer.status_code, answer.headers["location"]) == (303, roadmap)
        states = [
            concept["contents"]["quiz"]["status"] for concept in concepts_of(person, roadmap)[:2]
        ]
        assert states == ["ready", "failed"]
        assert person.post(f"{roadmap}/concepts/{first['id']}/quiz/retry").status_code == 409

        person.post(f"{roadmap}/retry")
        assert tree_of(person, roadmap)["status"] == "ready"

    def test_a_plan_is_approved(self, person: TestClient) -> None:
        path = made(person, review="on")
        assert "Is this plan right?" in text_of(person.get(path))
        assert person.post(f"{path}/approve", data={"revision": "1"}).status_code == 303
        assert tree_of(person, path)["status"] == "ready"

    def test_a_wish_that_nobody_can_follow_stays_in_its_field(self, person: TestClient) -> None:
        path = made(person, review="on")
        answer = person.post(f"{path}/revise", data={"feedback": "More about testing."})
        assert 'id="feedback-error"' in answer.text
        assert "More about testing.</textarea>" in answer.text
        assert "Without a model key nobody understands such words." in text_of(answer, 422)
        assert 'id="feedback"' not in person.get(path).text  # it is not offered

    def test_a_goal_of_a_thousand_characters_leaves_room_for_the_rest(
        self, person: TestClient
    ) -> None:
        goal = f"{GOAL} " + "and much more " * 70
        path = made(person, goal=goal[:1000].strip(), review="on")
        with transaction():
            Roadmap.update(title="").execute()
        page = person.get(path).text
        heading = re.search(r"<h1[^>]*>([^<]*)</h1>", page)
        assert heading is not None
        assert len(heading[1]) <= 240
        assert goal[:1000].strip() in page
        assert len(re.search(r"<title>([^<]*)</title>", page)[1]) < 100  # type: ignore[index]

    def test_it_can_be_stopped(self, person: TestClient) -> None:
        path = made(person, review="on")
        assert person.post(f"{path}/cancel").status_code == 303
        assert "This roadmap was stopped" in text_of(person.get(path))

    @try_each("headers", [HTML, PART])
    def test_what_is_not_there_is_said_by_a_page(
        self, person: TestClient, headers: dict[str, str]
    ) -> None:
        answer = person.get(f"/roadmaps/{UUID(int=7)}", headers=headers)
        assert "This does not exist" in text_of(answer, 404)
        assert ("<html" in answer.text) == (headers is HTML)
        assert (
            person.get(f"/roadmaps/{UUID(int=7)}", headers={"Accept": "*/*"}).json()["status"]
            == 404
        )


class TestLive:
    """The stream of a page that is watched; tests/browser watches it in a browser."""

    def messages(self, person: TestClient, path: str, **headers: str) -> list[str]:
        answer = person.get(f"{path}/live", headers=headers)
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [
            message
            for message in answer.text.split("\n\n")
            if message and not message.startswith("retry:")
        ]

    def test_it_ends_with_the_last_event(self, person: TestClient, roadmap: str) -> None:
        messages = self.messages(person, roadmap)
        assert messages[-1] == "event: end\ndata: "
        html = "\n".join(messages)
        seqs = [int(number) for number in re.findall(r'id="event-(\d+)"', html)]
        assert sorted(seqs) == list(range(1, len(seqs) + 1))
        assert f"id: {len(seqs)}\n" in html

    def test_who_has_everything_is_told_to_stop(self, person: TestClient, roadmap: str) -> None:
        last = max(
            int(number) for number in re.findall(r'id="event-(\d+)"', person.get(roadmap).text)
        )
        for told in ({"Last-Event-ID": str(last)}, {}):
            query = "" if told else f"?after={last}"
            answer = person.get(f"{roadmap}/live{query}", headers=told)
            assert answer.text == "retry: 2000\n\nevent: picture\ndata: \n\nevent: end\ndata: \n\n"

    def test_who_comes_back_gets_what_came_since(self, person: TestClient, roadmap: str) -> None:
        html = "\n".join(self.messages(person, roadmap, **{"Last-Event-ID": "50"}))
        seqs = [int(number) for number in re.findall(r'id="event-(\d+)"', html)]
        assert min(seqs) == 51

    @try_each("told", ["-1", "x", "99999999999"])
    def test_a_number_that_is_none_is_refused(
        self, person: TestClient, roadmap: str, told: str
    ) -> None:
        assert person.get(f"{roadmap}/live", headers={"Last-Event-ID": told}).status_code == 422


class TestLearn:
    def test_it_shows_everything_there_is_to_learn(
        self, person: TestClient, roadmap: str, lesson: str
    ) -> None:
        shown = text_of(person.get(lesson))
        first, second, third = concepts_of(person, roadmap)[:3]
        for words in (
            second["title"],
            second["description"],
            first["title"],
            third["title"],
            "Check my answers",
            "Your notes",
        ):
            assert words.replace("'", "&#39;") in shown
        assert "not been checked" in shown  # the links

    def test_progress_is_marked_and_one_goes_on(
        self, person: TestClient, roadmap: str, lesson: str
    ) -> None:
        assert (
            person.post(f"{lesson}/progress", data={"progress": "learning"}).headers["location"]
            == f"{lesson}#progress"
        )
        assert 'value="learning" aria-pressed="true"' in person.get(lesson).text
        following = concepts_of(person, roadmap)[2]["id"]
        answer = person.post(f"{lesson}/progress", data={"progress": "done", "next": following})
        assert answer.headers["location"] == f"{roadmap}/concepts/{following}"
        assert concepts_of(person, roadmap)[1]["progress"] == "done"

    @try_each(
        "fields", [{"progress": "mastered"}, {}, {"progress": "done", "next": "//evil.example"}]
    )
    def test_a_progress_that_is_none_is_refused(
        self, person: TestClient, lesson: str, fields: dict[str, str]
    ) -> None:
        assert person.post(f"{lesson}/progress", data=fields).status_code == 422

    def test_notes_are_kept_as_they_were_typed(self, person: TestClient, lesson: str) -> None:
        notes = "1. <b>Fold</b>\r\n2. wait & see\r\n  面粉"
        assert (
            person.post(f"{lesson}/notes", data={"notes": notes}).headers["location"]
            == f"{lesson}#notes"
        )
        assert (
            "1. &lt;b&gt;Fold&lt;/b&gt;\n2. wait &amp; see\n  面粉</textarea>"
            in person.get(lesson).text
        )
        answer = person.post(f"{lesson}/notes", data={"notes": "shorter"}, headers=PART)
        assert "<span>Saved</span>" in answer.text

    def test_notes_that_are_too_long_stay_in_the_field(
        self, person: TestClient, lesson: str
    ) -> None:
        answer = person.post(f"{lesson}/notes", data={"notes": "面" * 20_001})
        assert answer.status_code == 422
        assert "面" * 20_001 in answer.text
        assert 'id="notes-error"' in answer.text
        answer = person.post(f"{lesson}/notes", data={"notes": "x" * 20_001}, headers=PART)
        assert "20,000" in text_of(answer, 422)

    def test_the_longest_notes_fit(self, person: TestClient, lesson: str) -> None:
        assert person.post(f"{lesson}/notes", data={"notes": "面" * 20_000}).status_code == 303

    def test_a_quiz_is_graded_with_explanations(self, person: TestClient, lesson: str) -> None:
        quiz = person.get(API + lesson).json()["quiz"]
        page = person.get(lesson).text
        assert "explanation" not in page.partition('id="quiz"')[2]
        fields: dict[str, Any] = {"version": quiz["version"], "questions": len(quiz["questions"])}
        fields |= {f"q{question['id']}": "0" for question in quiz["questions"]}
        answer = person.post(f"{lesson}/quiz", data=fields)
        assert re.fullmatch(
            re.escape(lesson) + r"\?attempt=[0-9a-f-]{36}#quiz", answer.headers["location"]
        )
        graded = person.get(answer.headers["location"].partition("#")[0])
        assert graded.text.count('class="explanation"') == len(quiz["questions"])
        assert re.search(r"\d of \d right", text_of(graded))
        assert "Last time" in text_of(person.get(lesson))

    @try_each(
        ("fields", "status"),
        [
            ({"version": "1", "questions": "5", "q0": "99"}, 422),
            ({"version": "9", "questions": "5", "q0": "0"}, 409),
            ({"version": "1", "questions": "5"}, 422),  # nothing is answered
            ({"version": "1", "questions": "2"}, 422),
            ({"version": "x", "questions": "5"}, 422),
            ({"version": "1", "questions": "99999999"}, 422),
            ({"version": "1", "questions": "٣"}, 422),
            ({}, 422),
        ],
    )
    def test_answers_that_do_not_fit_change_nothing(
        self, person: TestClient, lesson: str, fields: dict[str, str], status: int
    ) -> None:
        answer = person.post(f"{lesson}/quiz", data=fields)
        assert 'role="alert"' in answer.text
        assert answer.status_code == status
        assert person.get(f"{API}{lesson}/quiz/attempts").json()["items"] == []

    @try_each(
        "query",
        [f"attempt={UUID(int=7)}", "attempt=7", "attempt=", "attempt=1&attempt=2&utm=a&utm=b"],
    )
    def test_an_attempt_that_is_none_does_not_take_the_lesson_away(
        self, person: TestClient, lesson: str, query: str
    ) -> None:
        page = person.get(f"{lesson}?{query}")
        assert "Check my answers" in text_of(page)
        assert 'class="explanation"' not in page.text

    def test_what_another_window_has_saved_is_not_overwritten_unseen(
        self, person: TestClient, lesson: str
    ) -> None:
        base = tag_of(person.get(lesson))
        person.post(f"{lesson}/notes", data={"notes": "from one window", "base": base})
        part = person.post(
            f"{lesson}/notes", data={"notes": "from another", "base": base}, headers=PART
        )
        assert "changed in another window" in text_of(part, 409)
        assert tag_of(part) == base  # and so the next time
        whole = person.post(f"{lesson}/notes", data={"notes": "from another", "base": base})
        assert whole.status_code == 409
        assert "from another</textarea>" in whole.text
        assert "from one window</blockquote>" in whole.text
        assert person.get(API + lesson).json()["notes"] == "from one window"
        person.post(f"{lesson}/notes", data={"notes": "from another", "base": tag_of(whole)})
        assert person.get(API + lesson).json()["notes"] == "from another"

    def test_to_say_the_same_twice_is_no_conflict(self, person: TestClient, lesson: str) -> None:
        base = tag_of(person.get(lesson))
        for _ in range(2):
            assert (
                person.post(f"{lesson}/notes", data={"notes": "the same", "base": base}).status_code
                == 303
            )

    def test_a_form_without_notes_takes_none_away(self, person: TestClient, lesson: str) -> None:
        person.post(f"{lesson}/notes", data={"notes": "mine"})
        assert person.post(f"{lesson}/notes", data={"other": "1"}).status_code == 422
        assert person.get(API + lesson).json()["notes"] == "mine"
        person.post(f"{lesson}/notes", data={"notes": ""})
        assert person.get(API + lesson).json()["notes"] == ""

    def test_a_part_that_is_not_there_says_why_and_can_be_tried_again(
        self, person: TestClient, lesson: str
    ) -> None:
        its = (Content.concept == lesson.rpartition("/")[2]) & (
            Content.kind == ContentKind.tutorial
        )
        with transaction():
            Content.update(status=ContentStatus.failed, version=0, error="It was too long.").where(
                its
            ).execute()
        page = person.get(lesson).text
        assert "It could not be written." in page
        assert "It was too long." in page
        answer = person.post(f"{lesson}/tutorial/retry", data={"from": "concept"})
        assert answer.headers["location"] == lesson
        assert "prose" in person.get(lesson).text

    def test_a_part_that_is_being_written_looks_for_itself(
        self, person: TestClient, lesson: str
    ) -> None:
        its = (Content.concept == lesson.rpartition("/")[2]) & (
            Content.kind == ContentKind.tutorial
        )
        with transaction():
            Content.update(status=ContentStatus.building, version=0).where(its).execute()
        assert re.search(
            r'id="tutorial" hx-get="[^"]+" hx-trigger="every 4s"', person.get(lesson).text
        )


class TestSettings:
    def test_what_is_remembered_can_be_changed(self, person: TestClient) -> None:
        answer = person.post(
            "/account/profile", data={"level": "advanced", "hours_per_week": "3", "language": ""}
        )
        assert answer.headers["location"] == "/account?saved=profile"
        assert person.get(f"{API}/profile").json() == {
            "level": "advanced",
            "hours_per_week": 3,
            "language": None,
            "resource_language": None,
        }

    def test_what_does_not_fit_changes_nothing(self, person: TestClient) -> None:
        answer = person.post("/account/profile", data={"hours_per_week": "81"})
        assert 'id="hours_per_week-error"' in answer.text
        assert answer.status_code == 422
        assert person.get(f"{API}/profile").json()["hours_per_week"] is None

    def test_embedded_mode_has_nobody_to_log_in(self, person: TestClient) -> None:
        for path in ("/login", "/register"):
            assert person.get(path).headers["location"] == "/"
        assert person.post("/logout").status_code == 403


class TestWeight:
    """However large a roadmap is, its pages ask the database the same number of questions, and stay small."""

    def asked(self, person: TestClient, path: str, monkeypatch: pytest.MonkeyPatch) -> int:
        with counting(monkeypatch) as statements:
            assert person.get(path).status_code == 200
        return len(statements)

    @pytest.fixture
    def sizes(self, person: TestClient, copies: Copies) -> dict[int, str]:
        """Roadmaps of so many concepts."""
        sizes = (6, 60, 200)
        return copies.of(
            "roadmaps of sizes", lambda: {count: of_size(made(person), count) for count in sizes}
        )

    def test_queries_do_not_grow(
        self, person: TestClient, sizes: dict[int, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for page in ("", "/picture", "/edit"):
            counts = {
                count: self.asked(person, path + page, monkeypatch) for count, path in sizes.items()
            }
            assert counts[60] <= counts[6] + 3
            assert counts[200] <= counts[6] + 3
        lessons = {
            count: f"{path}/concepts/{concepts_of(person, path)[3]['id']}"
            for count, path in sizes.items()
        }
        counts = {count: self.asked(person, path, monkeypatch) for count, path in lessons.items()}
        assert counts[60] <= counts[6] + 3

    def test_pages_stay_small(self, person: TestClient, sizes: dict[int, str]) -> None:
        for count, path in sizes.items():
            lesson = f"{path}/concepts/{concepts_of(person, path)[3]['id']}"
            for shown in (path, lesson, f"{path}/picture", f"{path}/edit", f"{path}/revisions/1"):
                sent = sent_bytes(person, shown)
                assert sent <= LARGEST * (1 if count <= 60 else 3), (shown, count, sent)

    def test_the_sheet_and_the_icon_are_small_and_may_be_kept(self, person: TestClient) -> None:
        for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', person.get("/").text):
            answer = person.get(address)
            assert "immutable" in answer.headers["cache-control"]
            assert (
                person.get(address, headers={"If-None-Match": answer.headers["etag"]}).status_code
                == 304
            )
        assert len(gzip.compress(person.get("/static/style.css").content)) < 20_000
        assert person.get("/static/style.css").headers["cache-control"] == "no-cache"
        for name in ("nothing.css", "..%2fpages%2ffiles.py", "page.css"):
            assert person.get(f"/static/{name}").status_code == 404

    def test_who_reads_no_gzip_gets_none(self, person: TestClient, roadmap: str) -> None:
        for accepted in ("identity", "gzip;q=0", "br"):
            answer = person.get(roadmap, headers={"Accept-Encoding": accepted})
            assert "content-encoding" not in answer.headers
        assert (
            person.get(roadmap, headers={"Accept-Encoding": "gzip"}).headers["content-encoding"]
            == "gzip"
        )


def sent_bytes(person: TestClient, path: str) -> int:
    with person.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        return sum(len(chunk) for chunk in answer.iter_raw())


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that are sent to the database in the block."""
    statements: list[str] = []
    execute = database.obj.execute_sql

    def note(sql: str, *rest: Any, **more: Any) -> Any:
        is_of_a_handler = threading.current_thread().name.startswith(
            "AnyIO"
        )  # and not of what runs beside the requests
        if is_of_a_handler and not sql.startswith(("BEGIN", "COMMIT", "PRAGMA")):
            statements.append(sql)
        return execute(sql, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(database.obj, "execute_sql", note)
        yield statements
    assert statements


def of_size(path: str, count: int) -> str:
    """The same roadmap with so many concepts, each with its parts."""
    roadmap_id = UUID(path.rpartition("/")[2])
    with session(), database.atomic():
        concepts = list(Concept.select().where(Concept.roadmap == roadmap_id))
        for concept in concepts[count:]:
            concept.delete_instance(recursive=True)
        for number in range(len(concepts), count):
            model = concepts[number % len(concepts)]
            fields = {
                **model.__data__,
                "id": UUID(int=roadmap_id.int + number),
                "key": f"{model.key}-{number}",
            }
            new = Concept.create(**fields)
            for part in Content.select().where(Content.concept == model):
                copied = Content.create(
                    **{**part.__data__, "id": UUID(int=part.id.int + number), "concept": new.id},
                    force_insert=True,
                )
                written = ContentVersion.get(
                    ContentVersion.content == part, ContentVersion.version == part.version
                )
                ContentVersion.insert(**{**written.__data__, "content": copied.id}).execute()
    return path


def test_every_page_says_what_browsers_may_do_with_it(
    person: TestClient, roadmap: str, lesson: str
) -> None:
    for path in all_pages(person, roadmap, lesson):
        answer = person.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<[^>]+\s(style|on\w+)=", answer.text), path
        assert not re.search(r"<script(?![^>]* src=)", answer.text), path
        assert not re.search(r"<style|=\"javascript:", answer.text), path


def test_hostile_words_show_as_words(person: TestClient, roadmap: str, lesson: str) -> None:
    words = (
        "</title></textarea><script>alert(1)</script>'\"><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    )
    with transaction():
        Roadmap.update(goal=words, title=words, error=words, status=RoadmapStatus.failed).execute()
        Concept.update(title=words, description=words, notes=words, outcomes=[words]).execute()
        Content.update(status=ContentStatus.failed, error=words).where(
            Content.kind == ContentKind.quiz
        ).execute()
    execution_log.record(words[:40], words[:80], words, details={words: words}, roadmap_id=new_id())
    execution_log.buffer.flush()
    for path in all_pages(person, roadmap, lesson):
        page = person.get(path).text
        assert "<script>alert" not in page, path
        assert "<img" not in page, path
        unworded = ("/account", "/import", "/webhooks", "/admin", "/docs", "/problems", "/trash")
        assert "{{ 7 * 7 }}" in page or path.startswith(unworded), path


def test_an_error_of_ours_is_a_page_with_its_number(
    person: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a detail that stays inside")

    monkeypatch.setattr("roadmap.lifecycle.queries.list_roadmaps", fail)
    answer = person.get("/roadmaps")
    assert answer.headers["x-request-id"] in text_of(answer, 500)
    assert "a detail" not in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_every_event_has_its_sentence() -> None:
    concept = UUID(int=7)
    for kind in EventType:
        event = Event(
            seq=1, type=kind, data={"kind": "quiz", "concept_id": str(concept)}, at=clock.now()
        )
        said = Sentences(ENGLISH).happened(event, {concept: "Baking"})
        assert ("Baking" in said) == kind.startswith(
            ("content.ready", "content.failed", "content.restored")
        ), kind
        assert Sentences(texts("zh-Hans")).happened(event, {concept: "Baking"}) != said, kind


def test_every_type_of_resource_has_its_word() -> None:
    for kind in get_args(ResourceType):
        said = Sentences(ENGLISH).resource_type(kind)
        assert said.lower() == kind
        assert Sentences(texts("zh-Hans")).resource_type(kind) not in (said, kind, ""), kind


def test_an_event_of_a_newer_version_is_told_of(person: TestClient, roadmap: str) -> None:
    with transaction():
        RoadmapEvent.update(type="roadmap.painted").where(RoadmapEvent.seq > 80).execute()
    assert "Something else has happened" in text_of(person.get(roadmap))


def test_an_error_beside_what_is_done_leaves_it_as_it_is(person: TestClient, lesson: str) -> None:
    answer = person.post(
        f"{lesson}/quiz", data={"version": "1"}, headers={**PART, "Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert {name: answer.headers[name] for name in ("hx-retarget", "hx-reswap", "hx-reselect")} == {
        "hx-retarget": "#problems",
        "hx-reswap": "innerHTML",
        "hx-reselect": ".problem",
    }
    assert '<div id="problems" aria-live="assertive">' in person.get(lesson).text


def test_what_is_shown_is_not_replaced_while_it_is_written_anew(
    person: TestClient, lesson: str
) -> None:
    its = (Content.concept == lesson.rpartition("/")[2]) & (Content.kind == ContentKind.quiz)
    with transaction():
        Content.update(status=ContentStatus.building).where(its).execute()
    page = person.get(lesson).text
    assert "Check my answers" in page
    assert not re.search(r'<section id="quiz"[^>]* hx-trigger', page)
    assert re.search(
        r'<div [^>]*id="quiz-versions"[^>]* hx-select="#quiz-versions"', page
    )  # it says when there is another one


def test_code_in_a_question_is_shown_as_code_and_nothing_else_is_markup() -> None:
    assert with_code("Does `a < b` **hold**?") == "Does <code>a &lt; b</code> **hold**?"
    assert with_code("<b>`") == "&lt;b&gt;`"
