"""Searches for resources: the question, the use of the answer, and faults, which cost no more."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from core.db import settings
from core.ids import new_id
from core.metric_counters import taken
from core.metric_definitions import SEARCHES
from core.settings import SearchProvider
from roadmap.generation import resource_search as search
from roadmap.generation.context import ConceptBrief
from roadmap.plan.schemas import RoadmapRequest
from testing.search_engine import (
    FIRST,
    SECOND,
    SearchEngine,
    answering,
    brave,
    searching,
    searxng,
    stalling,
    tavily,
)
from testing.waiting import BRIEF, HANG
from tests.cases import try_each

KEY = "key-of-the-search-3f9a"
FOUND = tuple(dict(zip(("title", "url", "snippet"), each, strict=True)) for each in (FIRST, SECOND))
PLACE: dict[str, UUID] = {"roadmap_id": new_id(), "concept_id": new_id()}


@pytest.fixture
def engine() -> Iterator[SearchEngine]:
    with searching() as made:
        yield made


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the messages of the execution log, with all that belongs to them."""
    records: list[str] = []
    monkeypatch.setattr(
        search, "record", lambda *given, **named: records.append(repr((given, named)))
    )
    return records


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "LIMIT", HANG)


def brief(title: str = "Kneading", language: str = "en", **changes: Any) -> ConceptBrief:
    request = RoadmapRequest(goal="Bake bread", language=language, **changes)
    return ConceptBrief(request, "Bread", "Flour", "Dough", "kneading", title, "Why.", ("knead",))


def found_by(
    monkeypatch: pytest.MonkeyPatch,
    provider: SearchProvider,
    url: str | None,
    of: ConceptBrief | None = None,
) -> tuple[dict[str, str], ...]:
    key = None if provider is SearchProvider.searxng else SecretStr(KEY)
    given = {"search_provider": provider, "search_url": url, "search_key": key}
    monkeypatch.setattr(search, "settings", settings.model_copy(update=given))
    return search.candidates(of or brief(), **PLACE)


class TestForms:
    def test_searxng_is_asked_for_json_in_the_language_of_the_person(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of = brief(language="zh-Hans")
        assert found_by(monkeypatch, SearchProvider.searxng, f"{engine.url}/", of) == FOUND
        (asked,) = engine.searches
        assert (asked.method, asked.path) == ("GET", "/search")
        assert asked.asked == {"q": "Kneading Bread", "format": "json", "language": "zh"}

    @pytest.mark.parametrize(
        ("language", "its_name"),
        [("en", "en"), ("zh-Hans", "zh-hans"), ("ja", "jp"), ("de-CH", "de"), ("la", None)],
    )
    def test_brave_is_asked_with_its_key_and_its_names_of_languages(
        self,
        engine: SearchEngine,
        monkeypatch: pytest.MonkeyPatch,
        language: str,
        its_name: str | None,
    ) -> None:
        engine.answer = answering(brave(FIRST, SECOND))
        of = brief(language=language)
        assert found_by(monkeypatch, SearchProvider.brave, f"{engine.url}/res/v1/web", of) == FOUND
        (asked,) = engine.searches
        assert (asked.method, asked.path) == ("GET", "/res/v1/web/search")
        assert asked.headers["x-subscription-token"] == KEY
        named = {"search_lang": its_name} if its_name else {}
        its = {"q": "Kneading Bread", "count": "10", "text_decorations": "false"}
        assert asked.asked == its | named

    def test_tavily_is_asked_with_its_key_as_a_bearer(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine.answer = answering(tavily(FIRST, SECOND))
        assert found_by(monkeypatch, SearchProvider.tavily, engine.url) == FOUND
        (asked,) = engine.searches
        assert (asked.method, asked.path) == ("POST", "/search")
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert asked.headers["content-type"] == "application/json"
        assert asked.asked == {"query": "Kneading Bread", "max_results": 10}

    def test_the_second_language_of_resources_comes_first(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of = brief(language="de", resource_language="fr-CA")
        found_by(monkeypatch, SearchProvider.searxng, engine.url, of)
        assert engine.searches[0].asked["language"] == "fr"

    def test_words_are_no_commands_of_a_search_engine(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of = brief("!!g C++ & C# -site:x :fr <9 ?'a' well-known .NET" + " long" * 60)
        found_by(monkeypatch, SearchProvider.searxng, engine.url, of)
        query = engine.searches[0].asked["q"]
        assert query.startswith("g C++ C# site x fr 9 a' well-known .NET long long")
        assert len(query) <= 200

    def test_the_addresses_of_their_own_are_those_that_they_document(self) -> None:
        assert {name: f"{base}/search" for name, base in search.OWN_URLS.items()} == {
            "brave": "https://api.search.brave.com/res/v1/web/search",
            "tavily": "https://api.tavily.com/search",
        }

    def test_pages_that_are_known_to_be_dead_are_no_candidates(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of = replace(brief(), dead=(FIRST[1],))
        assert found_by(monkeypatch, SearchProvider.searxng, engine.url, of) == FOUND[1:]

    def test_without_an_engine_nothing_is_asked(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch, logged: list[str]
    ) -> None:
        assert found_by(monkeypatch, SearchProvider.searxng, None) == ()
        assert (engine.searches, logged) == ([], [])


class TestAnswers:
    def test_only_pages_with_a_title_and_an_address_of_the_web_are_taken_once(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine.answer = answering(
            searxng(
                FIRST,
                FIRST,
                ("", "https://example.org/untitled", ""),
                *(
                    ("x", url, "")
                    for url in (
                        "javascript:alert(1)",
                        "http://127.0.0.1/",
                        "http://10.0.0.1/admin",
                        "http://169.254.169.254/latest/",
                        "https://user:pw@example.org/",
                        "https://example.org/a b",
                        f"https://example.org/{'x' * 300}",
                        "ftp://example.org/",
                        "http://[",
                        "https://example.org/\ud800",
                    )
                ),
                ("Über \x00Teig\n\u202e", "https://example.org/ä", "\ud800 <b>fett</b>" * 99),
            )
        )
        first, other = found_by(monkeypatch, SearchProvider.searxng, engine.url)
        assert first == FOUND[0]
        assert (other["title"], other["url"]) == ("Über Teig", "https://example.org/ä")
        assert len(other["snippet"]) == 200
        assert other["snippet"].encode()

    def test_of_many_the_first_ten_are_taken(
        self, engine: SearchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        many = [(f"{n}" * 400, f"https://example.org/{n}", "s" * 999) for n in range(200)]
        engine.answer = answering(searxng(*many))
        found = found_by(monkeypatch, SearchProvider.searxng, engine.url)
        assert [each["url"] for each in found] == [url for _, url, _ in many[:10]]
        assert len(json.dumps(found)) < 10_000

    @try_each(
        "answer",
        [
            {"results": [None, 3, "x", [], {}, {"url": 1, "title": []}, {"title": "x"}]},
            {"results": []},
            {"web": {"results": []}},
        ],
    )
    def test_what_is_no_result_is_passed_over(self, answer: Any) -> None:
        with searching() as engine, pytest.MonkeyPatch.context() as patched:
            engine.answer = answering(answer)
            assert found_by(patched, SearchProvider.searxng, engine.url) == ()


class TestFaults:
    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (answering(b"<html>a page</html>"), "no JSON"),
            (answering(b"[" * 200_000), "no JSON"),
            (answering(b'{"results": "%s"}' % (b"x" * 600_000)), "no JSON"),
            (answering([]), "no JSON"),
            (answering({"error": KEY}), "no JSON"),
            (answering({"web": {"results": {}}}), "no JSON"),
            (answering({"error": KEY}, 401), "status 401"),
            (answering(b"slow down", 429, Retry_After="9"), "status 429"),
            (answering(b"", 302, Location="http://127.0.0.1:9/"), "status 302"),
            (answering(b"formats: json is off", 403), "status 403"),
            (lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n"), "not HTTP"),
            (lambda handler: None, "ended before an answer"),
        ],
    )
    def test_a_fault_is_logged_and_costs_the_candidates_alone(
        self,
        engine: SearchEngine,
        monkeypatch: pytest.MonkeyPatch,
        logged: list[str],
        answer: Any,
        reason: str,
    ) -> None:
        engine.answer = answer
        taken()
        assert found_by(monkeypatch, SearchProvider.brave, engine.url) == ()
        (message,) = logged
        assert reason in message
        assert str(PLACE["roadmap_id"]) in message
        assert KEY not in message
        (counted,) = [each for each in taken() if each.name == SEARCHES]
        assert json.loads(counted.labels) == {"provider": "brave", "outcome": "failed"}

    @pytest.mark.parametrize("provider", SearchProvider)
    def test_one_that_stalls_is_left_at_the_limit(
        self,
        engine: SearchEngine,
        monkeypatch: pytest.MonkeyPatch,
        logged: list[str],
        provider: SearchProvider,
    ) -> None:
        engine.answer = stalling
        monkeypatch.setattr(search, "LIMIT", BRIEF)
        assert found_by(monkeypatch, provider, engine.url) == ()
        assert "did not answer in time" in logged[0]

    @pytest.mark.parametrize(
        "url", ["http://user:hunter2@127.0.0.1/", "http://[x/", "http://127.0.0.1:22/", "http://ä/"]
    )
    def test_an_address_that_is_never_asked_is_not_told(
        self, monkeypatch: pytest.MonkeyPatch, logged: list[str], url: str
    ) -> None:
        for provider in SearchProvider:
            assert found_by(monkeypatch, provider, url) == ()
        assert len(logged) == 3
        assert "hunter2" not in "".join(logged)
