"""Write records into the service's execution log, and say how many a second.

    python -m benchmarks.log_writer CONTENDER RECORDS

The settings of the service are in the environment. All write the same records, in batches and with
a commit each, into the same table with its indexes and partitions. COPY and SQLAlchemy pay for
making their rows of the records, as the service does. COPY is the limit: it cannot pass over what
is there already, and keeps no ledger. "COPY, one transaction" has its rows ready before and commits
once.
"""

import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg2
from psycopg2 import extensions
from sqlalchemy import MetaData, Table, create_engine
from sqlalchemy.dialects.postgresql import insert

from benchmarks.targets import COPY, COPY_ONCE, OURS, SQLALCHEMY
from core import clock
from core.db import database, session, settings
from core.ids import new_id
from roadmap.operations.execution_log import BATCH, Document, store_batch

COLUMNS = (
    "id",
    "at",
    "level",
    "category",
    "step",
    "message",
    "details",
    "duration_ms",
    "roadmap_id",
    "concept_id",
    "trace_id",
)
Batches = Sequence[Sequence[Document]]


def main(contender: str, count: int) -> None:
    writers: dict[str, Callable[[Batches], float]] = {
        OURS: stored,
        COPY: copied,
        COPY_ONCE: copied_once,
        SQLALCHEMY: inserted,
    }
    batches = [
        [document(number) for number in range(first, min(first + BATCH, count))]
        for first in range(0, count, BATCH)
    ]
    seconds = writers[contender](batches)
    with session():
        found = database.execute_sql("SELECT count(*) FROM execution_log").fetchone()[0]
    if found != count:
        raise SystemExit(f"{contender} wrote {found} of {count} records")
    print(count / seconds)


def document(number: int) -> Document:
    """Return a record as `record` makes it when a content is written."""
    about = {
        "details": {"tokens": number % 800},
        "duration_ms": number % 5000,
        "roadmap_id": new_id().hex,
        "concept_id": new_id().hex,
    }
    record = {
        "level": "info",
        "category": "building",
        "step": "quiz",
        "message": f"Wrote the quiz of concept {number % 5000}",
    }
    return {
        "id": new_id().hex,
        "at": clock.now().isoformat(),
        **record,
        **about,
        "trace_id": new_id().hex,
    }


def stored(batches: Batches) -> float:
    """As the logs consumer does it."""
    sent = [
        (
            [{name: value for name, value in each.items() if name != "trace_id"} for each in batch],
            traces_of(batch),
        )
        for batch in batches
    ]
    source = {"id": new_id().hex, "service": "bench", "dropped": 0, "last_seq": 0}
    began, seq = time.perf_counter(), 0
    for records, traces in sent:
        seq += len(records)
        store_batch(records, {**source, "last_seq": seq, "traces": traces})
    return time.perf_counter() - began


def traces_of(batch: Sequence[Document]) -> list[str]:
    return [each["trace_id"] for each in batch]


def copied(batches: Batches) -> float:
    connection = _connected()
    began = time.perf_counter()
    for batch in batches:
        with connection, connection.cursor() as cursor:
            _copy(cursor, _lines(batch))
    return time.perf_counter() - began


def copied_once(batches: Batches) -> float:
    connection, lines = _connected(), "".join(_lines(batch) for batch in batches)
    began = time.perf_counter()
    with connection, connection.cursor() as cursor:
        _copy(cursor, lines)
    return time.perf_counter() - began


def inserted(batches: Batches) -> float:
    """By SQLAlchemy Core: statements of many rows each, passing over those that are there."""
    extensions.set_wait_callback(None)
    engine = create_engine(_url().replace("postgresql://", "postgresql+psycopg2://"))
    table = Table("execution_log", MetaData(), autoload_with=engine)
    began = time.perf_counter()
    for batch in batches:
        with engine.begin() as connection:
            connection.execute(
                insert(table).on_conflict_do_nothing(), [_row(each) for each in batch]
            )
    return time.perf_counter() - began


def _row(record: Document) -> dict[str, Any]:
    ids = {name: UUID(record[name]) for name in ("id", "roadmap_id", "concept_id", "trace_id")}
    return {**record, **ids, "at": datetime.fromisoformat(record["at"])}


def _lines(batch: Sequence[Document]) -> str:
    return "".join("\t".join(_field(record[name]) for name in COLUMNS) + "\n" for record in batch)


def _field(value: Any) -> str:
    if isinstance(value, dict):
        value = json.dumps(value)
    text = str(value)
    return (
        text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
        if "\\" in text or "\t" in text or "\n" in text
        else text
    )


def _copy(cursor: Any, lines: str) -> None:
    cursor.copy_expert(f"COPY execution_log ({', '.join(COLUMNS)}) FROM STDIN", io.StringIO(lines))


def _connected() -> Any:
    extensions.set_wait_callback(None)  # with one, psycopg2 knows no COPY
    return psycopg2.connect(_url())


def _url() -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
