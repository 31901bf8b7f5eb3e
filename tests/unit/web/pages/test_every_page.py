"""All pages: languages, colours, size, queries and security headers."""

import gzip
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from core.db import database, session, transaction
from core.ids import new_id
from models.roadmaps import Concept, Content, ContentVersion, Roadmap, Stage
from roadmap.operations import execution_log
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import ContentStatus, RoadmapStatus
from tests.copies import Copies
from tests.unit.web.pages.page_text import API, CHINESE, LARGEST, concepts_of, made, sent_bytes
from web.routes import PAGES

pytestmark = pytest.mark.usefixtures("short")


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
        "{track}": "devops",
        "{slug}": "invalid",
        "{queue}": "content",
        "{message}": "gone",
    }
    link = person.post(f"{API}{roadmap}/links", json={"purpose": "reading"}).json()["url"]
    first = person.get(f"{API}{roadmap}").json()["stages"][0]
    stage = first["id"]
    for concept in [each for module in first["modules"] for each in module["concepts"]]:
        done = f"{API}{roadmap}/concepts/{concept['id']}/progress"
        assert person.put(done, json={"progress": "done"}).is_success  # it ends with a test
    project = f"{roadmap}/stages/{stage}/project"
    if not person.get(f"{API}{project}").json()["work"]:
        person.put(f"{API}{project}", json={"work": "It works."})
    judging = person.post(f"{project}/link").text.partition("/judge/")[2].partition('"')[0]
    places |= {"{token}": link.rpartition("/")[2], "{stage_id}": stage, "{test_id}": stage}
    places |= {"{number}": "1", "{kind}": "tutorial"}
    for page in PAGES:
        if page.method == "GET" and not page.path.endswith(
            ("/live", "/picture", "/panel", "/measures", "{file}", "/login", "/register")
        ):
            path = page.path.replace("/judge/{token}", f"/judge/{judging}")
            for place, value in places.items():
                path = path.replace(place, value)
            yield path


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
        """Pages have one language; the contents are in the language of the roadmap."""
        own = re.compile(
            r"\b(Settings|New|Quiz|Tutorial|hours|weeks|Next|Before|Progress|Notes|Save|done|week"
            r"|Language|right)\b"
        )
        for path in all_pages(person, roadmap, lesson):
            answer = person.get(path, headers=CHINESE)
            shown = re.sub(r'<(\w+)[^>]* lang="en"[^>]*>.*?</\1>', "", answer.text, flags=re.DOTALL)
            assert not own.search(re.sub(r"<[^>]+>", " ", shown.partition("<main")[0])), path
            assert '<html lang="zh-Hans"' in answer.text


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

    def test_embedded_mode_has_no_login(self, person: TestClient) -> None:
        for path in ("/login", "/register"):
            assert person.get(path).headers["location"] == "/"
        assert person.post("/logout").status_code == 403


class TestWeight:
    """Pages of a large roadmap need the same number of queries as others, and stay small."""

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
        Stage.update(title=words, work=words).execute()
        Content.update(status=ContentStatus.failed, error=words).where(
            Content.kind == ContentKind.quiz
        ).execute()
    execution_log.record(words[:40], words[:80], words, details={words: words}, roadmap_id=new_id())
    execution_log.buffer.flush()
    for path in all_pages(person, roadmap, lesson):
        page = person.get(path).text
        assert "<script>alert" not in page, path
        assert "<img" not in page, path
        unworded = (
            "/account",
            "/catalogue",
            "/import",
            "/webhooks",
            "/admin",
            "/docs",
            "/problems",
            "/trash",
        )
        assert "{{ 7 * 7 }}" in page or path.startswith(unworded), path
