"""Execution log by months (PostgreSQL), traces of records, late records.

On PostgreSQL `execution_log` becomes a table that is partitioned by its id, a UUIDv7, at the first
of each month (UTC). The previous table is its first partition, up to the end of this month; only
rows with an id from the future are moved. Indexes are built first, while readers go on; then one
scan of the table checks the bounds. Writers wait meanwhile: the queue keeps their records. The
version before can write afterwards.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import peewee

ZERO = [peewee.SQL("DEFAULT 0")]
MONTHS_AHEAD = 2
BEFORE, DEFAULT, WORDS = "execution_log_before", "execution_log_default", "execution_log_words"
BETWEEN_WORDS = "./-_:@=#<>"  # to the parser of PostgreSQL, what they join is one word
# Chinese and Japanese have no space between words: each character is a word, and a word of several
# characters is a phrase.
APART = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
# Of a longer message the beginning: a tsvector has a limit, and one record must not hold up those
# that are written with it. The function may exist already: a restore drops the tables of a database
# without rows, and functions outlive tables.
FUNCTION = (
    rf"""CREATE OR REPLACE FUNCTION {WORDS}(message text, step text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $words$
    SELECT to_tsvector('pg_catalog.simple'::regconfig, translate(step || ' ' || CASE
        WHEN octet_length(message) = char_length(message) THEN left(message, 4000)
        ELSE regexp_replace(left(message, 4000), '({APART})', ' \1 ', 'g') END, """
    rf"""'{BETWEEN_WORDS}', '{" " * len(BETWEEN_WORDS)}'))
    $words$"""
)
INDEXES = {
    "execution_log_roadmap_id_id": "(roadmap_id, id)",  # is there already
    "execution_log_serious": "(id) WHERE level IN ('warning', 'error')",
    "execution_log_errors": "(id) WHERE level = 'error'",
    "execution_log_category_step_id": "(category, step, id)",
    "execution_log_words_gin": f"USING gin ({WORDS}(message, step))",
    "execution_log_trace_id_id": "(trace_id, id) WHERE trace_id IS NOT NULL",
}
FIRST_INDEX, TRACES = "execution_log_roadmap_id_id", "execution_log_trace_id_id"
ON_SQLITE = (TRACES, "execution_log_category_step_id")


def up(migrator: Any, db: peewee.Database) -> None:
    is_postgres = isinstance(db, peewee.PostgresqlDatabase)
    if is_postgres:
        _build_indexes(db)  # before anything that locks readers out
    expired = peewee.BigIntegerField(default=0, constraints=ZERO)
    migrator.migrate(
        migrator.add_column("execution_log", "trace_id", peewee.UUIDField(null=True)),
        migrator.add_column("log_source", "expired", expired),
    )

    class ExpiredLogRecord(db.Model):
        id = peewee.UUIDField(primary_key=True)
        counted_at = peewee.DateTimeField(index=True)

        class Meta:
            legacy_table_names = False

    db.create_tables([ExpiredLogRecord])
    if is_postgres:
        _partition(db)
    else:
        for name in ON_SQLITE:
            db.execute_sql(f"CREATE INDEX {name} ON execution_log {INDEXES[name]}")


def _build_indexes(db: peewee.Database) -> None:
    """Build the indexes of the previous table as the new one will need them."""
    db.execute_sql(FUNCTION)
    db.execute_sql("SELECT set_config('maintenance_work_mem', '128MB', true)")
    for name, what in INDEXES.items():
        if name not in (FIRST_INDEX, TRACES):
            db.execute_sql(f"CREATE INDEX {_of_before(name)} ON execution_log {what}")
    db.execute_sql("ANALYZE execution_log")  # the words, too, for the planner


def _of_before(name: str) -> str:
    return name.replace("execution_log", BEFORE, 1)


def _partition(db: peewee.Database) -> None:
    db.execute_sql(f"CREATE INDEX {_of_before(TRACES)} ON execution_log {INDEXES[TRACES]}")
    db.execute_sql(f"ALTER TABLE execution_log RENAME TO {BEFORE}")
    for name in (FIRST_INDEX, "execution_log_pkey"):
        db.execute_sql(f"ALTER INDEX {name} RENAME TO {_of_before(name)}")
    db.execute_sql(
        f"CREATE TABLE execution_log (LIKE {BEFORE} INCLUDING DEFAULTS, PRIMARY KEY (id)) "
        "PARTITION BY RANGE (id)"
    )
    for name, what in INDEXES.items():
        db.execute_sql(f"CREATE INDEX {name} ON execution_log {what}")
    db.execute_sql(f"CREATE TABLE {DEFAULT} PARTITION OF execution_log DEFAULT")
    months = _months(db)
    moved = (
        f"WITH later AS (DELETE FROM {BEFORE} WHERE id >= %s RETURNING *) "
        "INSERT INTO execution_log SELECT * FROM later"
    )
    for lower, upper in pairwise(months):
        bounds = f"FOR VALUES FROM ('{_first_id(lower)}') TO ('{_first_id(upper)}')"
        db.execute_sql(
            f"CREATE TABLE execution_log_{lower:%Y%m} PARTITION OF execution_log {bounds}"
        )
    end = _first_id(months[0])
    db.execute_sql(moved, (end,))
    db.execute_sql(
        f"ALTER TABLE execution_log ATTACH PARTITION {BEFORE} "
        f"FOR VALUES FROM (MINVALUE) TO ('{end}')"
    )


def _months(db: peewee.Database) -> list[datetime]:
    """Return the first moments of the next months."""
    (now,) = db.execute_sql("SELECT date_trunc('month', now() AT TIME ZONE 'UTC')").fetchone()
    months = [now.replace(tzinfo=UTC)]
    for _ in range(MONTHS_AHEAD + 1):
        months.append((months[-1] + timedelta(days=31)).replace(day=1))
    return months[1:]


def _first_id(moment: datetime) -> str:
    """Return the lowest UUIDv7 of a moment."""
    digits = f"{int(moment.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"
