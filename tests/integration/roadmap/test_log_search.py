"""The search of the execution log in both modes: filters, words, pages, following, NDJSON."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest

from core import clock
from core.db import database, session
from core.errors import Invalid
from core.ids import new_id
from roadmap.operations import log_search
from roadmap.operations.execution_log import LogLevel, store_batch
from roadmap.operations.log_search import (
    as_websearch,
    categories,
    export,
    newer,
    parsed,
    search,
)
from roadmap.operations.search_filters import LogFilter
from testing.logbook import MODES, document, own_database, stored

FORTY_DAYS = timedelta(days=40)
FOUND = (  # by which text what is found
    ("overloaded", ["upstream"]),
    ("OVERLOADED", ["upstream"]),
    ("overloaded 503", ["upstream"]),
    ("overloaded 504", []),
    ('"answered 503"', ["upstream"]),
    ('"503 answered"', []),
    ("overloaded or tutorial", ["model", "upstream"]),
    ("-overloaded -测", ["percent", "model"]),
    ("gpt-5-mini", ["model"]),
    ("/api/v1/roadmaps", ["model"]),
    ("outline", ["model"]),  # its step
    ("数据库", ["chinese"]),
    ("据库索", ["chinese"]),
    ("库据", []),
    ('"测验" 数据库', ["chinese"]),
    ("-数据库 overloaded", ["upstream"]),
    ("100%", ["percent"]),
    ("it's 100%", ["percent"]),
)


@pytest.fixture(params=MODES)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty log in a database of its own; gives the mode."""
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path, server):
        yield request.param


def note(
    message: str = "It happened.",
    *,
    at: datetime | None = None,
    trace: UUID | None = None,
    **fields: Any,
) -> str:
    """Its id in hexadecimal digits."""
    made = document(at, message=message, **fields)
    source = {
        "id": new_id().hex,
        "service": "api",
        "last_seq": 1,
        "dropped": 0,
        "traces": [trace and trace.hex],
    }
    store_batch([made], source)
    return str(made["id"])


def found(**wanted: Any) -> list[str]:
    """The messages, the newest first."""
    return [record.message for record in search(LogFilter.model_construct(**wanted)).items]


class TestFilters:
    @pytest.fixture(autouse=True)
    def records(self, log: str) -> None:
        self.roadmap, self.concept, self.trace = new_id(), new_id(), new_id()
        now = clock.now()
        note("oldest", at=now - FORTY_DAYS, level="debug", category="api", step="accept")
        note(
            "planned",
            at=now - timedelta(hours=2),
            category="planning",
            step="outline",
            roadmap_id=self.roadmap.hex,
        )
        note(
            "warned",
            at=now - timedelta(minutes=9),
            level="warning",
            category="building",
            step="quiz",
            trace=self.trace,
        )
        of_concept = {"roadmap_id": self.roadmap.hex, "concept_id": self.concept.hex}
        note(
            "failed",
            at=now - timedelta(minutes=5),
            level="error",
            category="building",
            step="tutorial",
            **of_concept,
        )

    def test_without_a_filter_everything_comes_the_newest_first(self) -> None:
        assert found() == ["failed", "warned", "planned", "oldest"]

    def test_each_filter_alone_and_together_with_others(self) -> None:
        now = clock.now()
        assert found(level="error") == ["failed"]
        assert found(level="error,warning") == ["failed", "warned"]
        assert found(level="debug") == ["oldest"]
        assert found(category="building") == ["failed", "warned"]
        assert found(category="api,planning") == ["planned", "oldest"]
        assert found(step="quiz") == ["warned"]
        assert found(step="quiz", category="planning") == []
        assert found(step="nowhere") == []
        assert found(roadmap_id=self.roadmap) == ["failed", "planned"]
        assert found(roadmap_id=self.roadmap, level="error") == ["failed"]
        assert found(concept_id=self.concept) == ["failed"]
        assert found(trace_id=self.trace) == ["warned"]
        assert found(trace_id=new_id()) == []
        assert found(since=now - timedelta(minutes=10)) == ["failed", "warned"]
        assert found(until=now - timedelta(hours=1)) == ["planned", "oldest"]
        assert found(since=now - timedelta(hours=3), until=now - timedelta(minutes=6)) == [
            "warned",
            "planned",
        ]
        assert (
            found(since=datetime(1, 1, 1, tzinfo=UTC), until=datetime(9999, 12, 31, tzinfo=UTC))
            == found()
        )
        assert found(text="warned", level="warning") == ["warned"]

    def test_a_record_tells_what_it_belongs_to(self) -> None:
        [record] = search(LogFilter(trace_id=self.trace)).items
        assert (record.trace_id, record.roadmap_id, record.level) == (
            self.trace,
            None,
            LogLevel.warning,
        )
        [record] = search(LogFilter(level="error")).items
        assert (record.trace_id, record.roadmap_id, record.concept_id) == (
            None,
            self.roadmap,
            self.concept,
        )

    def test_categories_are_those_that_there_are(self) -> None:
        assert categories() == ["api", "building", "planning"]


class TestWords:
    @pytest.mark.parametrize(
        ("text", "websearch"),
        [
            ("rate limit", '"rate" "limit"'),
            ('"rate limit" -retry', '"rate limit" -"retry"'),
            ("gpt-5-mini", '"gpt 5 mini"'),
            ("one or two three", '"one" or "two" "three"'),
            ("or or -", ""),
            ("数据库 索引x", '"数 据 库" "索 引 x"'),
            ('a"b', '"a" "b"'),
            ("'; DROP TABLE -- & | ! ( ) :*", '"DROP" "TABLE"'),
        ],
    )
    def test_what_is_typed_is_read_as_people_mean_it(self, text: str, websearch: str) -> None:
        assert as_websearch(parsed(text)) == websearch

    def test_words_phrases_and_chinese_are_found(self, log: str) -> None:
        values = {
            "upstream": "The upstream answered 503: overloaded",
            "chinese": "写好了测验:数据库索引",
            "model": "Wrote the tutorial with gpt-5-mini for /api/v1/roadmaps",
            "percent": "It's 100% done",
        }
        for name, message in values.items():
            note(message, step="outline" if name == "model" else "step")
        for text, messages in FOUND:
            assert found(text=text) == [values[name] for name in messages], text

    def test_signs_of_a_pattern_stand_for_themselves(self, log: str) -> None:
        note("It is 1000 done")
        note("a_b")
        note("axb")
        assert found(text="100%") == []
        assert found(text="a_b") == ["a_b"]

    def test_a_message_of_any_length_is_stored_and_found_by_its_beginning(self, log: str) -> None:
        note("first " + "word 词" * 400_000)
        note("x" * 100_000)
        assert len(found(text="first")) == 1

    @pytest.mark.parametrize(
        ("text", "says"), [("x" * 10_000, "10000 characters; at most 500"), (" -- ; ", "no word")]
    )
    def test_a_text_that_cannot_be_searched_for_is_refused(
        self, log: str, text: str, says: str
    ) -> None:
        with pytest.raises(Invalid) as refused:
            found(text=text)
        assert says in refused.value.fields[0].detail


class TestPages:
    def pages(self, wanted: LogFilter, limit: int, between: Any = lambda: None) -> list[str]:
        """The ids of all pages."""
        ids, before = [], None
        while True:
            page = search(wanted, before=before, limit=limit)
            ids += [record.id.hex for record in page.items]
            if page.next_cursor is None:
                return ids
            assert len(page.items) == limit
            before = UUID(page.next_cursor)
            between()

    def test_pages_show_everything_once_over_the_edges_of_months(self, log: str) -> None:
        ids = [
            note(at=clock.now() - timedelta(days=9 * number)) for number in range(8)
        ]  # some of one month, some of another
        ids += [note(at=clock.now() + timedelta(days=20 * number)) for number in range(1, 5)]
        for limit in (1, 3, 7, 12, 13, 50):
            assert self.pages(LogFilter(), limit) == sorted(ids, reverse=True), limit

    def test_what_comes_meanwhile_moves_nothing(self, log: str) -> None:
        ids = [note(at=clock.now() - timedelta(days=number)) for number in range(10)]
        assert self.pages(LogFilter(), 3, between=note) == ids
        words = [note("seldom", at=clock.now() - timedelta(days=number)) for number in range(10)]
        assert self.pages(LogFilter(text="seldom"), 4, between=lambda: note("seldom")) == words

    def test_who_follows_sees_everything_once_and_in_order_also_what_is_stored_a_moment_late(
        self, log: str
    ) -> None:
        began = clock.now()
        late, early = ({"at": began + timedelta(seconds=seconds)} for seconds in (0.1, 0.5))
        ids = [note(at=began - timedelta(minutes=number)) for number in range(5, 0, -1)]
        clock.travel(timedelta(seconds=0.6))
        second = note(**early)
        assert self.followed(limit=2) == ids  # the newest is left out until no earlier one can come
        first = note(**late)
        clock.travel(log_search.SETTLES)
        assert self.followed(limit=2) == [*ids, first, second]
        assert newer(LogFilter(), UUID(second), limit=2) == []
        assert newer(LogFilter(level="error"), UUID(int=0), limit=2) == []

    def followed(self, limit: int) -> list[str]:
        ids: list[str] = []
        while records := newer(LogFilter(), UUID(ids[-1]) if ids else UUID(int=0), limit=limit):
            assert len(records) <= limit
            ids += [record.id.hex for record in records]
        return ids


class TestExport:
    def test_an_export_is_the_table(self, log: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(log_search, "EXPORTED_AT_ONCE", 4)
        for number in range(9):
            fields = {
                "details": {"n": number, "text": "写\n"},
                "duration_ms": number,
                "roadmap_id": new_id().hex,
            }
            note(
                f"{number}",
                at=clock.now() - timedelta(days=10 * number % 70),
                trace=new_id(),
                **fields,
            )
        lines = b"".join(export(LogFilter())).decode().splitlines()
        assert [as_stored(json.loads(line)) for line in lines] == stored()
        assert len(lines) == 9

    @pytest.mark.parametrize("count", [0, 3, 4, 8])
    def test_it_ends_whatever_is_written_meanwhile(
        self, log: str, monkeypatch: pytest.MonkeyPatch, count: int
    ) -> None:
        monkeypatch.setattr(log_search, "EXPORTED_AT_ONCE", 4)
        ids = [note(at=clock.now() - timedelta(days=count - number)) for number in range(count)]
        lines = []
        for part in export(LogFilter()):
            lines += part.decode().splitlines()
            note()
        assert [UUID(json.loads(line)["id"]).hex for line in lines] == ids

    def test_only_what_fits_is_exported_and_no_connection_is_held_between_pages(
        self, log: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(log_search, "EXPORTED_AT_ONCE", 1)
        for level in ("error", "info", "error"):
            note(level, level=level)
        pages = export(LogFilter(level="error"))
        assert json.loads(next(pages))["level"] == "error"
        assert database.is_closed()
        assert [json.loads(page)["level"] for page in pages] == ["error"]

    def test_invalid_filters_are_refused_before_the_first_page(self, log: str) -> None:
        with pytest.raises(Invalid):
            next(export(LogFilter.model_construct(text="x" * 501)))


def as_stored(line: dict[str, Any]) -> dict[str, Any]:
    ids = {
        name: line[name] and UUID(line[name])
        for name in ("id", "roadmap_id", "concept_id", "trace_id")
    }
    return {**line, **ids, "at": datetime.fromisoformat(line["at"])}


def test_the_text_index_is_used_for_chinese_as_well(postgres: Any, tmp_path: Path) -> None:
    with own_database(tmp_path, postgres), session():
        database.execute_sql("SET enable_seqscan = off")
        sql, values = log_search.page_query(LogFilter(text="数据库"), None, 50).sql()
        plan = "\n".join(
            row[0] for row in database.execute_sql("EXPLAIN " + sql, values).fetchall()
        )
    assert "execution_log_words" in plan
    assert "Bitmap Index Scan" in plan


def test_a_search_that_takes_too_long_says_how_to_narrow_it(
    postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_database(tmp_path, postgres) as mine:
        note()
        monkeypatch.setattr(log_search, "SEARCH_SECONDS", 0.05)
        with closing(psycopg2.connect(mine.database_url.get_secret_value())) as other:
            other.cursor().execute("LOCK TABLE execution_log")  # for which the search waits
            with pytest.raises(Invalid) as refused:
                found()
        assert refused.value.fields[0].detail.endswith("narrow it by time range, roadmap or trace")
        monkeypatch.undo()
        assert found() == ["It happened."]  # the connection is good


def test_in_embedded_mode_others_write_while_somebody_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search has no limit there, and may read every record."""
    limited, written = log_search.limited, []

    @contextmanager
    def meanwhile(**limits: float) -> Iterator[None]:
        with (
            limited(**limits),
            closing(sqlite3.connect(tmp_path / "roadmap.db", timeout=0)) as other,
        ):
            other.execute("BEGIN IMMEDIATE")
            written.append(
                other.execute("UPDATE execution_log SET message = 'It was changed.'").rowcount
            )
            other.commit()
            yield

    with own_database(tmp_path, None):
        note()
        monkeypatch.setattr(log_search, "limited", meanwhile)
        assert found() == ["It was changed."]
        assert [json.loads(page)["message"] for page in export(LogFilter())] == ["It was changed."]
    assert written == [1, 1]
