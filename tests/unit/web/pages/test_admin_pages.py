"""The operator's room in this process: its pages, and the effects and records of each act."""

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from huey.registry import Message
from starlette.testclient import TestClient

from core import clock
from core.db import StatementTimeout
from core.i18n import ENGLISH, texts
from roadmap.lifecycle.administration import admin_queries
from roadmap.operations.audit_log import Action, AuditEntry, AuditOutcome, entries
from roadmap.operations.metrics_store import saver
from tasks.message_browser import MessageState
from tasks.queue_admin import messages, pause, queue_states, resume
from tasks.queues import RETRIES, content_queue
from tests.cases import try_each
from web.pages import timeline_view
from web.pages.admin import queues
from web.pages.admin.actions import ACTION_TEXTS
from web.pages.admin.formatters import Formatters
from web.pages.admin.labels import ACTIONS, OUTCOMES, STATES

pytestmark = pytest.mark.usefixtures("short")

HTML = {"accept": "text/html"}
QUEUE = "/admin/queues/content"
API = "/api/v1/admin"
HIDDEN = re.compile(r'<input type="hidden" name="(.*?)" value="(.*?)">')


@pytest.fixture
def room(client: TestClient) -> Iterator[TestClient]:
    """The client as a browser; whatever was paused is resumed."""
    client.headers.update(HTML)
    yield client
    resume("content")


def dead_letter(argument: str = "not-an-id", task: str = "build_content") -> str:
    """Of a task that fails as often as it may."""
    message = Message(
        id=uuid4().hex,
        name=f"tasks.content.{task}",
        args=(argument,),
        kwargs={},
        retries=RETRIES,
        retry_delay=1,
    )
    content_queue.storage.enqueue(content_queue.serializer.seal(message, None, {}))
    for _ in range(RETRIES + 1):
        content_queue.drain()
        clock.travel(timedelta(minutes=1))
    return messages("content", MessageState.dead).items[0].id


def dead() -> list[str]:
    return [message.id for message in messages("content", MessageState.dead).items]


def waiting() -> str:
    """The id of a message that no consumer has taken."""
    pause("content")
    message = Message(
        id=uuid4().hex,
        name="tasks.content.build_content",
        args=(str(uuid4()),),
        kwargs={},
        retries=RETRIES,
    )
    content_queue.storage.enqueue(content_queue.serializer.seal(message, None, {}))
    return str(message.id)


def newest() -> AuditEntry:
    return entries(limit=1).items[0]


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def figures(client: TestClient, queue: str) -> dict[str, str]:
    """Return the figures of a queue on the overview, by their names."""
    section = (
        client.get("/admin").text.split(f'aria-labelledby="q-{queue}"')[1].split("</section>")[0]
    )
    return {
        name: count
        for count, name in re.findall(r"<strong>(.*?)</strong> <span>(.*?)</span>", section)
    }


class TestOverview:
    def test_it_counts_the_messages_of_both_queues(self, room: TestClient) -> None:
        dead_letter()
        waiting()
        nothing = {
            "running": "0",
            "ready to run": "0",
            "scheduled": "0",
            "waiting to retry": "0",
            "dead": "0",
        }
        assert figures(room, "content") == {**nothing, "ready to run": "1", "dead": "1"}
        assert figures(room, "logs") == nothing

    def test_retries_among_more_than_are_read_are_not_counted_and_not_called_many(
        self, room: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waiting()
        monkeypatch.setattr("tasks.message_browser.MOST_RETRYING", 0)
        assert figures(room, "content")["waiting to retry"] == "not counted"

    def test_it_says_what_is_paused_and_that_no_worker_runs(self, room: TestClient) -> None:
        assert "Paused" not in text_of(room.get("/admin").text)
        pause("content")
        page = text_of(room.get("/admin").text)
        assert page.count("Paused") == 1
        assert "No worker is running." in page

    def test_where_it_is_held_still_nothing_asks_again(self, room: TestClient) -> None:
        live, still = room.get("/admin?span=day").text, room.get("/admin?span=day&live=off").text
        assert re.findall(r'hx-get="(.*?)"', live) == ["/admin", "/admin/measures?span=day"]
        assert "hx-get" not in still
        assert "http-equiv" not in still
        assert 'href="/admin?span=day&amp;live=off"' in live
        assert 'href="/admin?span=day"' in still

    def test_what_is_asked_again_is_a_part_of_the_page(self, room: TestClient) -> None:
        part = room.get("/admin", headers={"hx-request": "true"}).text
        assert re.findall(r'hx-target="(.*?)"', part) == ["#now", "#workers"]
        assert "<html" not in part

    def test_the_last_24_hours_are_one_table(self, room: TestClient) -> None:
        def ended() -> list[int]:
            saver.save()
            page = room.get("/admin/measures", headers={"hx-request": "true"}).text
            rows = page.partition('id="tasks"')[0].split("<tr>")[3:]
            hours = [re.findall(r"<td.*?>(\d+)<", row) for row in rows]
            return [sum(map(int, column)) for column in zip([0] * 6, *hours, strict=True)]

        clock.travel(timedelta(days=1000))  # no other test has had runs there
        before = ended()
        dead_letter()
        more = [after - then for after, then in zip(ended(), before, strict=True)]
        assert more == [0, RETRIES, 1, 0, 0, 0]  # of contents, and of logs

    def test_it_speaks_the_language_of_its_reader(self, room: TestClient) -> None:
        pause("content")
        page = text_of(room.get("/admin", headers={"accept-language": "zh-CN"}).text)
        assert "队列与工作进程" in page
        assert "已暂停" in page


class TestMessages:
    def test_arguments_are_hidden_until_they_are_asked_for(self, room: TestClient) -> None:
        dead_letter("what-somebody-learns")
        assert "what-somebody-learns&" not in room.get(f"{QUEUE}?state=dead").text.replace(
            "&#39;", "&"
        )
        assert "what-somebody-learns&" in room.get(
            f"{QUEUE}?state=dead&arguments=yes"
        ).text.replace("&#39;", "&")
        for query, shown in (("", None), ("&arguments=true", "'what-somebody-learns'")):
            (item,) = room.get(f"{API}/queues/content/messages?state=dead{query}").json()["items"]
            assert item["arguments"] == shown

    def test_a_search_is_in_the_address_and_in_every_link(self, room: TestClient) -> None:
        first, second = dead_letter("first"), dead_letter("second")
        page = room.get(f"{QUEUE}?state=dead&search=FIRST").text
        assert f'id="m-{first}"' in page
        assert f'id="m-{second}"' not in page
        assert 'value="FIRST"' in page
        assert f"{QUEUE}/dead/retry?state=dead&amp;search=FIRST" in page
        assert f"{QUEUE}?state=ready&amp;search=FIRST" in page

    def test_a_search_that_is_too_long_gets_an_error(self, room: TestClient) -> None:
        answer = room.get(f"{QUEUE}?state=dead&search={'x' * 10_000}")
        assert answer.status_code == 422
        assert "Enter at most 200 characters." in text_of(answer.text)
        answer = room.get(f"{API}/queues/content/messages?search={'x' * 10_000}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == "search"

    def test_pages_of_a_list_meet(self, room: TestClient) -> None:
        ids = [waiting() for _ in range(53)]
        first = room.get(f"{QUEUE}?state=ready").text
        older = re.search(r'href="([^"]*after=50)"', first)
        assert older is not None
        second = room.get(older[1].replace("&amp;", "&")).text
        assert re.findall(r'id="m-(\w+)"', first) + re.findall(r'id="m-(\w+)"', second) == ids
        path, found = f"{API}/queues/content/messages?state=ready&limit=20", []
        while path:
            answer = room.get(path)
            found += [item["id"] for item in answer.json()["items"]]
            path = answer.links.get("next", {}).get("url", "")
        assert found == ids

    def test_there_are_two_queues(self, room: TestClient) -> None:
        for path in (
            "/admin/queues/nothing",
            f"{API}/queues/nothing",
            f"{API}/queues/nothing/messages",
            "/admin/queues/%20",
        ):
            assert room.get(path).status_code == 404, path


class TestActs:
    def do(self, room: TestClient, path: str, **form: str) -> str:
        """Confirm an action in its form, and return the note of the page that follows."""
        asked = room.get(path)
        assert asked.status_code == 200
        assert f'<form method="post" action="{path.split("?", maxsplit=1)[0]}">' in asked.text
        answer = room.post(
            path.split("?", maxsplit=1)[0],
            data={**dict(HIDDEN.findall(asked.text)), **form},
            follow_redirects=False,
        )
        assert answer.status_code == 303, answer.text
        output = re.search(
            r'class="done-note" role="status">(.*?)</p>', room.get(answer.headers["location"]).text
        )
        assert output is not None
        return output[1]

    def test_a_queue_is_paused_and_resumed(self, room: TestClient) -> None:
        assert self.do(room, f"{QUEUE}/pause") == "The queue content is paused."
        assert [state.is_paused for state in queue_states()] == [False, True]
        assert (newest().action, newest().target, newest().outcome) == (
            "queue.pause",
            "content",
            AuditOutcome.done,
        )
        assert self.do(room, f"{QUEUE}/resume", back="overview") == "The queue content is resumed."
        assert [state.is_paused for state in queue_states()] == [False, False]
        assert newest().action == "queue.resume"

    def test_nothing_happens_by_looking(self, room: TestClient) -> None:
        letter = dead_letter()
        for act in (
            "pause",
            "dead/retry",
            "dead/delete",
            f"messages/{letter}/retry",
            f"messages/{letter}/delete",
        ):
            assert room.get(f"{QUEUE}/{act}").status_code == 200
        assert dead() == [letter]
        assert not queue_states()[1].is_paused
        assert entries(limit=1).items == []

    def test_the_form_that_pauses_the_logs_says_that_rescue_pauses_too(
        self, room: TestClient
    ) -> None:
        assert "Rescue" in text_of(room.get("/admin/queues/logs/pause").text)
        assert "Rescue" not in text_of(room.get(f"{QUEUE}/pause").text)

    def test_a_dead_letter_is_retried(self, room: TestClient) -> None:
        letter = dead_letter()
        assert "build_content" in room.get(f"{QUEUE}/messages/{letter}/retry?state=dead").text
        assert (
            self.do(room, f"{QUEUE}/messages/{letter}/retry", state="dead")
            == "The message is back in the queue content."
        )
        assert dead() == []
        assert queue_states()[1].ready == 1
        assert (newest().action, newest().target) == ("message.retry", f"content/{letter}")

    def test_a_dead_letter_is_deleted(self, room: TestClient) -> None:
        letter = dead_letter()
        assert (
            self.do(room, f"{QUEUE}/messages/{letter}/delete", state="dead")
            == "The dead letter is deleted."
        )
        assert (dead(), queue_states()[1].ready) == ([], 0)
        assert (newest().action, newest().target) == ("message.delete", f"content/{letter}")

    def test_a_message_is_revoked(self, room: TestClient) -> None:
        message = waiting()
        assert (
            self.do(room, f"{QUEUE}/messages/{message}/revoke", state="ready")
            == "The message is revoked."
        )
        assert queue_states()[1].ready == 0
        assert (newest().action, newest().target) == ("message.revoke", f"content/{message}")

    def test_all_that_are_found_are_retried_and_no_others(self, room: TestClient) -> None:
        others = [dead_letter("another")]
        for _ in range(2):
            dead_letter("the-same")
        asked = text_of(room.get(f"{QUEUE}/dead/retry?state=dead&search=the-same").text)
        assert "Retry dead letters (2)?" in asked
        assert "“the-same”" in asked
        assert (
            self.do(room, f"{QUEUE}/dead/retry?search=the-same", search="the-same")
            == "Dead letters returned to the queue content: 2."
        )
        assert dead() == others
        details = newest().details
        assert (newest().action, details.pop("up_to") is not None) == ("dead.retry", True)
        assert details == {"search": "the-same", "count": 2}

    def test_all_are_deleted(self, room: TestClient) -> None:
        for _ in range(3):
            dead_letter()
        assert self.do(room, f"{QUEUE}/dead/delete") == "Deleted dead letters: 3."
        assert (dead(), queue_states()[1].ready) == ([], 0)
        assert (newest().action, newest().details["count"]) == ("dead.delete", 3)

    def test_one_that_comes_while_somebody_is_asked_stays(self, room: TestClient) -> None:
        nothing = room.get(f"{QUEUE}/dead/delete").text
        for _ in range(2):
            dead_letter("the-same")
        asked = room.get(f"{QUEUE}/dead/delete?search=the-same").text
        assert "Delete 2" in asked
        late = dead_letter("the-same")
        for page, count in ((nothing, 0), (asked, 2)):
            answer = room.post(
                f"{QUEUE}/dead/delete", data=dict(HIDDEN.findall(page)), follow_redirects=False
            )
            assert answer.headers["location"].endswith(f"count={count}")
        assert dead() == [late]

    @pytest.mark.parametrize(
        "form", [{}, {"up_to": "yesterday"}, {"up_to": "2026-11-26T09:30:00Z", "search": " "}]
    )
    def test_who_was_not_asked_deletes_nothing(
        self, room: TestClient, form: dict[str, str]
    ) -> None:
        letter = dead_letter()
        answer = room.post(f"{QUEUE}/dead/delete", data=form, follow_redirects=False)
        assert (answer.status_code, dead()) == (422, [letter])

    def test_a_blank_search_is_not_asked_about(self, room: TestClient) -> None:
        assert room.get(f"{QUEUE}/dead/delete?search=+").status_code == 422

    @try_each("act", ["retry", "delete", "revoke"])
    def test_a_message_that_is_gone_gets_an_error(self, room: TestClient, act: str) -> None:
        answer = room.post(f"{QUEUE}/messages/gone/{act}", data={"state": "dead"})
        assert answer.status_code == 404
        assert "This message no longer exists" in text_of(answer.text)
        assert f'href="{QUEUE}?state=dead"' in answer.text
        assert (newest().action, newest().outcome) == (f"message.{act}", AuditOutcome.refused)

    def test_programs_do_the_same(self, room: TestClient) -> None:
        letters = [dead_letter() for _ in range(4)]
        base = f"{API}/queues/content"
        assert room.post(f"{base}/pause", json={}).status_code == 204
        assert room.get(base).json()["is_paused"]
        assert room.post(f"{base}/messages/{letters[0]}/retry", json={}).status_code == 204
        assert room.delete(f"{base}/messages/{letters[1]}").status_code == 204
        (ready,) = room.get(f"{base}/messages?state=ready").json()["items"]
        assert room.post(f"{base}/messages/{ready['id']}/revoke", json={}).status_code in (204, 409)
        assert room.post(f"{base}/dead/retry", json={"search": "nowhere"}).json() == {"count": 0}
        for blank in ("", "  "):
            assert (
                room.post(f"{base}/dead/delete", json={"search": blank}).json()["errors"][0][
                    "pointer"
                ]
                == "#/search"
            )
        (_, older) = room.get(f"{base}/messages?state=dead").json()["items"]
        assert room.post(f"{base}/dead/delete", json={"up_to": older["at"]}).json() == {"count": 1}
        assert room.post(f"{base}/dead/delete", json={}).json() == {"count": 1}
        assert room.post(f"{base}/resume", json={}).status_code == 204
        acts = [entry["action"] for entry in room.get(f"{API}/audit?limit=100").json()["items"]]
        assert acts == [
            *(
                "queue.resume",
                "dead.delete",
                "dead.delete",
                "dead.retry",
                "message.revoke",
                "message.delete",
                "message.retry",
                "queue.pause",
            )
        ]

    def test_every_act_has_words_in_the_log_and_the_log_knows_no_other(self) -> None:
        assert set(ACTION_TEXTS) < set(ACTIONS) == set(Action)

    def test_another_message_that_speaks_of_its_id_is_not_shown_for_it(
        self, room: TestClient
    ) -> None:
        dead_letter()
        dead_letter(argument := "another-that-is-gone")
        asked = text_of(room.get(f"{QUEUE}/messages/{argument}/retry?state=dead").text)
        assert argument in asked
        assert "build_content" not in asked

    def test_no_address_makes_a_page_show_an_action_that_was_not_done(
        self, room: TestClient
    ) -> None:
        for queue, value in (("content", 1), ("content. Call 555-0100 now: it", 0)):
            page = room.get("/admin", params={"did": "queue.pause", "queue": queue}).text
            assert page.count('class="done-note"') == value
            assert "555-0100" not in text_of(page)

    def test_what_reads_many_messages_is_asked_for_less_often(
        self, room: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(3):
            waiting()
        monkeypatch.setattr(queues, "QUICKLY_READ", 2)
        for query, pace in (
            ("?state=held", "2s"),
            ("?state=ready&search=nowhere", "10s"),
            ("?state=retrying", "10s"),
        ):
            assert f'hx-trigger="every {pace}, again"' in room.get(QUEUE + query).text
        monkeypatch.setattr(queues, "QUICKLY_READ", 3)
        assert (
            'hx-trigger="every 2s, again"' in room.get(f"{QUEUE}?state=ready&search=nowhere").text
        )


class TestAuditPage:
    def test_it_shows_who_did_what_and_what_came_of_it(self, room: TestClient) -> None:
        room.post(f"{QUEUE}/pause", data={})
        room.post(f"{QUEUE}/messages/gone/retry", data={})
        page = text_of(room.get("/admin/audit").text)
        assert "Paused a queue" in page
        assert "local@localhost" in page
        assert "The content queue has no dead letter gone." in page
        refused = room.get("/admin/audit?outcome=refused").text.split("<tbody>")[1]
        assert "Paused a queue" not in refused
        assert "Retried a dead letter" in refused

    def test_pages_of_it_meet(self, room: TestClient) -> None:
        for _ in range(51):
            room.post(f"{QUEUE}/pause", data={})
        first = room.get("/admin/audit?action=queue.pause").text
        older = re.search(r'href="([^"]*)" rel="next"', first)
        assert first.count("<tr>") == 51
        assert older is not None
        assert room.get(older[1].replace("&amp;", "&")).text.count("<tr>") == 2


class TestRoadmapsPage:
    def test_a_search_that_takes_too_long_says_what_to_do_beside_the_form(
        self, room: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def slow(**_: object) -> None:
            raise StatementTimeout

        monkeypatch.setattr(admin_queries, "limited", slow)
        answer = room.get("/admin/roadmaps?text=word")
        assert answer.status_code == 422
        assert "The search took too long. Narrow it by owner" in answer.text
        assert 'value="word"' in answer.text
        answer = room.get(f"{API}/roadmaps?text=word")
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "text")

    def test_the_age_of_one_is_in_the_language_of_its_reader(self, room: TestClient) -> None:
        asked = {"goal": "Become a backend engineer in Python"}
        assert (
            room.post("/api/v1/roadmaps", json=asked, headers={"accept": "*/*"}).status_code == 202
        )
        clock.travel(timedelta(hours=3))
        for language, value in (("en", "3 h"), ("zh-CN", "3 小时")):
            assert (
                f">{value}</time>"
                in room.get("/admin/roadmaps", headers={"accept-language": language}).text
            )

    def test_a_decision_has_its_note_as_every_action(self, room: TestClient) -> None:
        pause("content")
        asked = {"goal": "Become a backend engineer in Python"}
        made = room.post("/api/v1/roadmaps", json=asked, headers={"accept": "*/*"}).json()
        path = f"/admin/roadmaps/{made['id']}"
        for act, value in (
            ("cancel", "The roadmap is cancelled."),
            ("retry", "Missing parts are being retried."),
        ):
            answer = room.post(f"{path}/{act}", data={})
            assert answer.status_code == 200, text_of(answer.text)
            page = answer.text
            assert f'class="done-note" role="status">{value}</p>' in page
            assert newest().action == f"roadmap.{act}"
        assert "done-note" not in room.get(f"{path}?did=anything").text

    def test_pages_of_the_timeline_meet(
        self, room: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = {"goal": "Become a backend engineer in Python"}
        made = room.post("/api/v1/roadmaps", json=asked, headers={"accept": "*/*"}).json()
        monkeypatch.setattr(timeline_view, "ON_A_PAGE", 1)
        content_queue.drain()
        path = f"/admin/roadmaps/{made['id']}"
        links = re.findall(r'href="([^"]*[?;]after=\d+)"', room.get(f"{path}?after=1").text)
        assert links == [f"{path}?after=0", f"{path}?after=2"]


class TestWords:
    @try_each(
        ("seconds", "expected"),
        [
            *(
                (None, "\u2013"),
                (0, "0 ms"),
                (0.0123, "12.3 ms"),
                (0.9996, "1 s"),
                (1.25, "1.2 s"),
                (42.4, "42 s"),
            ),
            *(
                (59.4, "59 s"),
                (59.6, "1 min 0 s"),
                (3599.9, "1 h 0 min"),
                (7325, "2 h 2 min"),
                (86_399, "1 d 0 h"),
            ),
            (180_000, "2 d 2 h"),
        ],
    )
    def test_a_length_of_time(self, seconds: float | None, expected: str) -> None:
        assert Formatters(ENGLISH).lasted(seconds) == expected

    @try_each(
        ("seconds", "expected"),
        [
            (0.4, "now"),
            (5.5, "5 s ago"),
            (125, "2 min ago"),
            (-125, "in 2 min"),
            (9000, "2 h ago"),
            (400_000, "4 d ago"),
        ],
    )
    def test_how_long_ago(self, still: None, seconds: float, expected: str) -> None:
        moment = clock.now() - timedelta(seconds=seconds)
        assert Formatters(ENGLISH).ago(moment) == expected

    @try_each(
        ("part", "whole", "expected"),
        [(0, 0, "\u2013"), (0, 9, "0 %"), (1, 9999, "< 0.1 %"), (1, 40, "2.5 %"), (1, 3, "33 %")],
    )
    def test_a_share(self, part: int, whole: int, expected: str) -> None:
        assert Formatters(ENGLISH).share(part, whole) == expected

    def test_each_state_and_outcome_has_a_word_in_each_language(self) -> None:
        for words in (ENGLISH, texts("zh-Hans")):
            assert len({words.gettext(STATES[state]) for state in MessageState}) == len(
                MessageState
            )
            assert (
                len({words.gettext(OUTCOMES[outcome]) for outcome in (*AuditOutcome, None)})
                == len(AuditOutcome) + 1
            )
