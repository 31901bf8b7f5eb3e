"""Many roadmaps in a database, by SQL: more of them each time, and what belongs to them.

The first ones have all their contents, every second one of them is the reader's. Ids are of
version 7, as old as the rows.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import psycopg2

from benchmarks.ground import say

APART = 10  # seconds between two roadmaps
MOST = 1_000_000  # which were all made before now
MOST_OF_READER = 10_000
OTHERS = 20  # accounts beside the reader's
BESIDE = 10  # roadmaps to one login, first answer and delivery
TABLES = (
    *("roadmap", "roadmap_event", "revision", "stage", "module", "concept", "content"),
    *("first_answer", "login_session", "webhook_delivery", "audit_record"),
)
KINDS = "(ARRAY['tutorial','resources','quiz'])[1 + k % 3]"
ID = """(lpad(to_hex({at}::bigint), 12, '0') || '7{kind}8'
    || lpad(to_hex(n), 9, '0') || lpad(to_hex({k}), 6, '0'))::uuid"""
MS = "(({first}::bigint + n * {apart}) * 1000)"
WHEN = "(to_timestamp({first} + n * {apart}) AT TIME ZONE 'UTC')"
NUMBERED = "generate_series({after} + 1, {rows}) AS n"
OWNER = """CASE WHEN n % 2 = 0 AND n <= {readers} THEN '{reader}'::uuid
    ELSE ('{{{others}}}'::uuid[])[1 + n / 2 % {count}] END"""
STATUS = """CASE WHEN n % 50 = 0 THEN 'failed' WHEN n % 97 = 0 THEN 'partial'
    WHEN n % 20000 = 7 THEN 'planning' WHEN n % 20000 = 9 THEN 'queued'
    WHEN n % 5000 = 4999 THEN 'awaiting_review' ELSE 'ready' END"""
ROADMAPS = f"""INSERT INTO roadmap (id, owner_id, goal, level, hours_per_week, background,
    motivation, preferences, language, title, generator, weeks, hours, status, error, attempts,
    interruptions, due_at, lease_until, contents_total, contents_ready, contents_failed, last_seq,
    created_at, updated_at, finished_at, revision, review, approved, spent, over_budget)
    SELECT {ID.format(at=MS, kind="000", k="0")}, {OWNER}, 'Learn to '
        || (ARRAY['bake','write','draw','build','repair','grow','sing','code'])[1 + n % 8]
        || ' in lesson ' || n
        || CASE WHEN n % 1000 = 0 THEN ' with sourdough' ELSE '' END,
    'beginner', 8, '', '', '', 'en', 'Course number ' || n, 'model:m' || n % 3, 10, 100, {STATUS},
    CASE WHEN n % 50 = 0 THEN 'The provider answered ' || 400 + n % 150 ELSE '' END, 1, 0,
    CASE WHEN n % 20000 IN (7, 9) THEN now() AT TIME ZONE 'UTC' + interval '1 hour' ELSE {WHEN} END,
    CASE WHEN n % 20000 = 7 THEN now() AT TIME ZONE 'UTC' + interval '1 hour' END,
    81, 81, 0, 1, {WHEN}, {WHEN}, {WHEN}, 1, FALSE, FALSE, 100, n % 500 = 0 FROM {NUMBERED}"""
EVENTS = f"""INSERT INTO roadmap_event (roadmap_id, seq, type, data, at)
    SELECT {ID.format(at=MS, kind="000", k="0")}, 1, 'roadmap.queued', '{{{{}}}}', {WHEN}
    FROM {NUMBERED}"""
WHOLE = "generate_series({after} + 1, {whole}) AS n"
STAGES, MODULES, CONCEPTS, CONTENTS = 3, 9, 27, 81  # of a whole roadmap
REVISIONS = f"""INSERT INTO revision (roadmap_id, number, source, base, instruction, before,
    status, problems, rounds, error, generator, prompt_version, created_at)
    SELECT {ID.format(at=MS, kind="000", k="0")}, 1, 'goal', 0, '', '', 'done', '[]', 0,
    '', 'model:m0', '', {WHEN} FROM {WHOLE}"""
NODE = f"""INSERT INTO {{table}} (id, roadmap_id, {{above}} key, position, title, description,
    removed) SELECT {ID.format(at=MS, kind="{kind}", k="k")},
    {ID.format(at=MS, kind="000", k="0")}, {{of}} '{{table}}-' || k, k,
    '{{table}} number ' || k, 'What is learned here, in a sentence of a usual length.', FALSE
    FROM {WHOLE}, generate_series(0, {{most}} - 1) AS k"""
CONCEPT = f"""INSERT INTO concept (id, roadmap_id, module_id, key, position, week, title,
    description, hours, difficulty, prerequisites, outcomes, progress, notes, removed)
    SELECT {ID.format(at=MS, kind="003", k="k")}, {ID.format(at=MS, kind="000", k="0")},
    {ID.format(at=MS, kind="002", k="k / 3")}, 'concept-' || k, k, 1 + k / 3,
    'Concept number ' || k, 'What is learned here, in a sentence of a usual length.', 3, 2, '[]',
    '["explains it to somebody else", "uses it in a small program"]', 'todo', '', FALSE
    FROM {WHOLE}, generate_series(0, {CONCEPTS} - 1) AS k"""
CONTENT = f"""INSERT INTO content (id, roadmap_id, concept_id, kind, status, version, error,
    attempts, interruptions, instruction,
    due_at) SELECT {ID.format(at=MS, kind="004", k="k")}, {ID.format(at=MS, kind="000", k="0")},
    {ID.format(at=MS, kind="003", k="k / 3")}, {KINDS}, 'ready', 1, '', 1, 0, '', {WHEN}
    FROM {WHOLE}, generate_series(0, {CONTENTS} - 1) AS k"""
SOME = "generate_series({after} / {beside} + 1, {rows} / {beside}) AS n"
# Less than a login may idle, or an answer be kept.
YOUNG = "(now() AT TIME ZONE 'UTC' - interval '1 second' * (n % 20000))"
BESIDES = (
    f"""INSERT INTO first_answer
        (key_hash, owner_id, fingerprint, status, headers, content, created_at)
        SELECT md5('a' || n) || md5('b' || n), '{{reader}}', md5('c' || n) || md5('d' || n),
        202, '{{{{}}}}', '\\x00', {YOUNG} FROM {SOME}""",
    f"""INSERT INTO login_session
        (id, account_id, created_at, expires_at, seen_at, ended_at, user_agent, address)
        SELECT gen_random_uuid(), {OWNER}, {YOUNG}, {YOUNG} + interval '30 days', {YOUNG},
        CASE WHEN n % 3 > 0 THEN {YOUNG} END, 'A browser', '127.0.0.1' FROM {SOME}""",
    f"""INSERT INTO webhook_delivery (id, webhook_id, event, roadmap_id, payload, status,
        attempts, interruptions, due_at, response_status, error, created_at, finished_at)
        SELECT gen_random_uuid(), '{{reader}}', 'roadmap.ready',
        {ID.format(at=MS, kind="000", k="0")}, '{{{{}}}}', 'delivered',
        1, 0, {YOUNG}, 200, '', {YOUNG}, {YOUNG} FROM {SOME}""",
    f"""INSERT INTO audit_record
        (id, actor, address, request_id, action, target, began_at, ended_at, outcome, error)
        SELECT gen_random_uuid(), 'an operator', '', '', 'roadmap.retry', 'a roadmap',
        {WHEN}, {WHEN}, 'done', '' FROM {SOME}""",
)
HOOK = """INSERT INTO webhook (id, account_id, url, events, description, secret, previous_secret,
    created_at, updated_at, disabled_reason)
    VALUES ('{reader}', '{reader}', 'https://example.org/', '[]', '', '', '', now(), now(), '')
    ON CONFLICT DO NOTHING"""
INDEXES = """SELECT indexname, indexdef FROM pg_indexes JOIN pg_class c ON c.relname = indexname
    JOIN pg_index i ON i.indexrelid = c.oid WHERE NOT indisunique AND tablename = ANY(%s)"""


class Filling:
    """Rows of a database with accounts, for the `reader` and for the `others`."""

    def __init__(self, url: str, reader: UUID, others: Sequence[UUID], whole: int) -> None:
        self._url, self.reader, self._others, self._whole = url, reader, others, whole
        self._first = round(time.time()) - MOST * APART  # seconds since 1970
        self._rows = 0

    def fill(self, rows: int) -> None:
        """Up to so many roadmaps in all."""
        began = time.monotonic()
        values = {
            "first": self._first,
            "apart": APART,
            "beside": BESIDE,
            "reader": self.reader,
            "count": len(self._others),
        }
        values |= {"others": ",".join(map(str, self._others)), "readers": 2 * MOST_OF_READER}
        values |= {"after": self._rows, "rows": rows, "whole": min(rows, self._whole)}
        with _connected(self._url) as cursor:
            cursor.execute(
                "SET session_replication_role = replica"
            )  # foreign keys are not looked at: they are right
            with _unindexed(cursor):
                for sql in (ROADMAPS, EVENTS, HOOK, *BESIDES, *self._parts()):
                    cursor.execute(sql.format(**values))
            for table in TABLES:
                cursor.execute(f"VACUUM ANALYZE {table}")
            cursor.execute("CHECKPOINT")
        self._rows = rows
        say(f"{rows:,} roadmaps are there after {time.monotonic() - began:.0f} s")

    def whole_of_reader(self, count: int) -> list[UUID]:
        """Ids of so many of the newest, at most, that have contents."""
        newest = min(self._rows, self._whole, 2 * MOST_OF_READER) // 2 * 2
        return [self.id_of(number) for number in range(newest, 0, -2)][:count]

    def id_of(self, number: int) -> UUID:
        at = (self._first + number * APART) * 1000
        return UUID(f"{at:012x}70008{number:09x}000000")

    def middle_of_reader(self) -> UUID:
        return self.id_of(min(self._rows, 2 * MOST_OF_READER) // 2)

    def _parts(self) -> list[str]:
        if self._rows >= self._whole:
            return []
        same = {"first": "{first}", "apart": "{apart}", "after": "{after}", "whole": "{whole}"}
        stage = NODE.format(**same, table="stage", kind="001", above="", of="", most=STAGES)
        above = ID.format(at=MS, kind="001", k="k / 3")
        module = NODE.format(
            **same, table="module", kind="002", above="stage_id,", of=f"{above},", most=MODULES
        )
        return [REVISIONS, stage, module, CONCEPT, CONTENT]


@contextmanager
def _connected(url: str) -> Iterator["psycopg2.extensions.cursor"]:
    connection = psycopg2.connect(url, connect_timeout=5)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@contextmanager
def _unindexed(cursor: "psycopg2.extensions.cursor") -> Iterator[None]:
    """Indexes that only make reading quicker are built after the block."""
    cursor.execute(INDEXES, (list(TABLES),))
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f"DROP INDEX {name}")
    yield
    cursor.execute("SET maintenance_work_mem = '256MB'")
    for _, definition in found:
        cursor.execute(definition)
