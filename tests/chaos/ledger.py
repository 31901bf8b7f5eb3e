"""The ledger of a soak: its end, as the database, the model server and the log writer tell it."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import psycopg2

from testing.receiver import Receiver
from testing.servers import Redis
from testing.stack import FINAL
from tests.chaos.faults import KINDS, Chaos, Keeper, Strike, contents_of
from tests.chaos.load import Creators, LogWriter
from tests.chaos.model import Asked, Call, Model

THREADS = 4  # of a content consumer: so many calls are under way when it is struck
FLOOR = 500 / 60  # accepted roadmaps for each second of a soak
SAVED_WITHIN = 1  # seconds between a claim and its call, or an answer and its commit, at most

REPEATED = {
    "concepts that stand there twice": (
        "SELECT roadmap_id FROM concept GROUP BY roadmap_id, title HAVING count(*) > 1"
    ),
    "outlines saved twice": "SELECT roadmap_id FROM stage GROUP BY 1 HAVING count(*) > 1",
    "contents not in exactly one version": (
        """SELECT c.roadmap_id FROM content c
        LEFT JOIN content_version v ON v.content_id = c.id WHERE c.status = 'ready' GROUP BY c.id
        HAVING count(v.version) <> 1 OR max(v.version) <> 1 OR c.version <> 1"""
    ),
    "events not numbered 1 to n": (
        """SELECT r.id FROM roadmap r LEFT JOIN roadmap_event e ON e.roadmap_id = r.id GROUP BY r.id
        HAVING count(e.seq) <> r.last_seq OR min(e.seq) IS DISTINCT FROM 1
        OR max(e.seq) IS DISTINCT FROM r.last_seq"""
    ),
    "outlined or ended twice": (
        """SELECT roadmap_id FROM roadmap_event
        WHERE type IN ('roadmap.outlined', 'roadmap.ready', 'roadmap.partial', 'roadmap.failed')
        GROUP BY roadmap_id, type HAVING count(*) > 1"""
    ),
    "contents reported ready twice": (
        """SELECT roadmap_id FROM roadmap_event WHERE type = 'content.ready'
        GROUP BY roadmap_id, data->>'concept_id', data->>'kind' HAVING count(*) > 1"""
    ),
    "roadmaps whose calls do not add up to what is spent": (
        """SELECT r.id FROM roadmap r
        LEFT JOIN model_call m ON m.roadmap_id = r.id GROUP BY r.id
        HAVING r.spent <> coalesce(sum(m.price), 0)"""
    ),
    "ready roadmaps whose counts are wrong": (
        """SELECT r.id FROM roadmap r LEFT JOIN content c ON c.roadmap_id = r.id
        WHERE r.status = 'ready' GROUP BY r.id
        HAVING count(c.id) <> r.contents_total OR r.contents_failed <> 0
        OR count(c.id) FILTER (WHERE c.status = 'ready') <> r.contents_ready
        OR r.contents_ready <> r.contents_total"""
    ),
}
_ENDS = ", ".join(f"'{status}'" for status in FINAL)
FINISHED = f"SELECT count(*) FROM roadmap WHERE status IN ({_ENDS})"
UNFINISHED = f"SELECT count(*) FROM roadmap WHERE status NOT IN ({_ENDS})"
DONE = f"""SELECT ({FINISHED}) + (SELECT count(*) FROM content_version)
    + (SELECT coalesce(sum(stored), 0) FROM log_source)
    + (SELECT count(*) FROM webhook_delivery WHERE finished_at IS NOT NULL)"""
UNDELIVERED = "SELECT count(*) FROM webhook_delivery WHERE status IN ('pending', 'delivering')"
WEBHOOK_EVENTS = tuple(f"roadmap.{status}" for status in FINAL)
CLAIMED_AGAIN = """SELECT coalesce(sum(greatest(attempts - 1, 0)), 0)::int,
    coalesce(sum(interruptions), 0)::int FROM {}"""
STORED = """SELECT (details::jsonb->>'soak')::int, count(*) FROM execution_log
    WHERE category = 'soak' GROUP BY 1"""
SOURCES = """SELECT service || CASE WHEN id::text = '{}' THEN ' (the log writer)' ELSE '' END,
    count(*)::int, sum(last_seq)::int, sum(stored)::int, sum(dropped)::int
    FROM log_source GROUP BY 1 ORDER BY 1"""


def enough_for(seconds: float) -> int:
    """Return how many roadmaps a load of that length accepts at least."""
    return round(FLOOR * seconds)


class Reader:
    """Reads the ledger past the application; connects again after PostgreSQL was away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Raises OperationalError while PostgreSQL is away."""
        try:
            return self._fetch(statement)
        except (
            psycopg2.OperationalError,
            psycopg2.InterfaceError,
        ):  # the connection from before a restart
            self._connection = None
            return self._fetch(statement)

    def _fetch(self, statement: str) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = psycopg2.connect(self._url)
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def count(self, statement: str) -> int:
        return int(self.rows(statement)[0][0])


@dataclass
class Evidence:
    """Witnesses of a soak, and when it was."""

    seconds: float  # of load
    creators: Creators
    writer: LogWriter
    receiver: Receiver
    model: Model
    broker: Redis
    reader: Reader
    keeper: Keeper
    chaos: Chaos
    began: float  # seconds since 1970
    took: float  # seconds from the end of the last fault until everything was finished


class PaidAgain(NamedTuple):
    """A second call for the same words.

    `cause` is the fault during the first call, or the ones between the two.
    """

    asked: Asked
    first: Call
    again: Call
    cause: str
    explained: bool  # a process that calls models was struck during the first call


def paid_again(calls: dict[Asked, list[Call]], strikes: list[Strike]) -> list[PaidAgain]:
    found = []
    for asked, made in calls.items():
        for first, again in pairwise(made):
            since, until = first.began - SAVED_WITHIN, (first.ended or again.began) + SAVED_WITHIN
            during = [strike for strike in strikes if strike.touches(since, until)]
            until = max(
                [
                    until,
                    *(s.ended + SAVED_WITHIN for s in during if s.fault.kind == "postgres_restart"),
                ]
            )  # saved then
            during = [strike for strike in strikes if strike.touches(since, until)]
            struck = [strike for strike in during if strike.interrupts_calls]
            between = [strike for strike in strikes if strike.touches(first.began, again.began)]
            cause = (
                " + ".join(sorted({strike.fault.kind for strike in struck or during or between}))
                or "no fault"
            )
            found.append(PaidAgain(asked, first, again, cause, bool(struck)))
    return found


class Ledger:
    """The account of a soak; `failures` is empty when all is well."""

    def __init__(self, evidence: Evidence) -> None:
        self.failures: list[str] = []
        self._left, self._reader = evidence, evidence.reader
        accepted = evidence.creators.accepted
        rows = self._reader.rows("SELECT id::text, status, error, goal FROM roadmap")
        self._rows = {id_: (status, error, goal) for id_, status, error, goal in rows}
        self.accepted = {id_: self._rows.get(id_) for id_ in accepted}

    def tell(self) -> None:
        print("\nLedger")
        self._roadmaps()
        self._effects()
        self._model()
        self._webhook()
        self._log()
        self._faults()
        self._services()
        for failure in self.failures:
            print(f"FAILED: {failure}")

    def stuck(self) -> list[str]:
        """Ids of what was accepted and has a row, but no end."""
        return [id_ for id_, row in self.accepted.items() if row and row[0] not in FINAL]

    def _line(self, name: str, value: object, *, wrong: bool = False) -> None:
        print(f"  {name:<28} {value}")
        if wrong:
            self.failures.append(f"{name}: {value}")

    def _roadmaps(self) -> None:
        floor = enough_for(self._left.seconds)
        refused = ", ".join(
            f"{reason} {count}" for reason, count in self._left.creators.refused.most_common()
        )
        self._line("accepted", len(self.accepted), wrong=len(self.accepted) < floor)
        self._line("refused", f"{sum(self._left.creators.refused.values())}  {refused}")
        self._line(
            "finished, by status",
            _joined(Counter(row[0] for row in self.accepted.values() if row and row[0] in FINAL)),
        )
        self._line("finished after the last fault", f"{self._left.took:.1f} s")
        gone, stuck = [id_ for id_, row in self.accepted.items() if row is None], self.stuck()
        self._line(
            "lost",
            f"{len(gone)} without a row, {len(stuck)} without an end",
            wrong=bool(gone or stuck),
        )
        twice = [
            goal
            for goal, count in Counter(goal for _, _, goal in self._rows.values()).items()
            if count > 1
        ]
        self._line("made twice", len(twice), wrong=bool(twice))
        failed = Counter(
            f"{row[0]}: {row[1]}"
            for row in self.accepted.values()
            if row and row[0] in FINAL and row[0] != "ready"
        )
        self._line("visibly failed", _joined(failed), wrong=bool(failed))
        unanswered = Counter(row[0] for id_, row in self._rows.items() if id_ not in self.accepted)
        self._line(
            "stored, answer not heard",
            _joined(unanswered),
            wrong=any(status not in FINAL for status in unanswered),
        )

    def _effects(self) -> None:
        found = {
            name: {str(id_) for (id_,) in self._reader.rows(statement)}
            for name, statement in REPEATED.items()
        }
        keys = dict(
            self._reader.rows(
                "SELECT roadmap_id::text, array_agg(key::text ORDER BY position) FROM concept GROUP"
                " BY 1"
            )
        )
        ready = {id_: goal for id_, (status, _, goal) in self._rows.items() if status == "ready"}
        found["ready, but not as outlined"] = {
            id_ for id_, goal in ready.items() if keys.get(id_) != self._left.model.keys(goal)
        }
        self._line("repeated effects", sum(map(len, found.values())), wrong=any(found.values()))
        for name, ids in found.items():
            print(f"    {name:<38} {len(ids)} {' '.join(sorted(ids)[:5])}")

    def _model(self) -> None:
        calls = self._left.model.by_name()
        again = paid_again(calls, self._left.chaos.strikes)
        most = THREADS * sum(strike.interrupts_calls for strike in self._left.chaos.strikes)
        for table in ("roadmap", "content"):
            [(attempts, interruptions)] = self._reader.rows(CLAIMED_AGAIN.format(table))
            self._line(
                f"run twice, {table}s",
                _joined({"tried again": attempts, "taken over": interruptions}),
            )
        self._line(
            "model calls", f"{sum(map(len, calls.values()))} for {len(calls)} outlines and contents"
        )
        self._line(
            "model calls paid again", f"{len(again)} of at most {most}", wrong=len(again) > most
        )
        self._line(
            "  by a struck consumer",
            _joined(Counter(paid.cause for paid in again if paid.explained)),
        )
        others = [paid for paid in again if not paid.explained]
        self._line("  by anything else", _joined(Counter(paid.cause for paid in others)))
        for paid in others[:8]:
            print(f"    {self._describe(paid)}")

    def _describe(self, paid: PaidAgain) -> str:
        first, at = paid.first, paid.first.began - self._left.began
        heard = "answered" if first.heard else "not heard"
        called = (
            f"at {at:.2f} s for {first.ended - first.began:.2f} s, {heard}, again"
            f" {paid.again.began - first.began:.2f} s later"
        )
        return f"{' / '.join(paid.asked)}: {called}: {paid.cause}"

    def _webhook(self) -> None:
        """Each end of a roadmap is sent at least once, and always as the same message."""
        fields: dict[str, list[str]] = {}
        for got in self._left.receiver.got:
            fields.setdefault(json.loads(got.body)["data"]["roadmap_id"], []).append(
                got.headers["webhook-id"]
            )
        finished = {id_ for id_, row in self._rows.items() if row[0] in FINAL}
        unsent, twofold = (
            finished - fields.keys(),
            [id_ for id_, messages in fields.items() if len(set(messages)) > 1],
        )
        again = sum(len(messages) - 1 for messages in fields.values())
        self._line("ends sent to a webhook", f"{len(fields)}, as the same message again {again}")
        self._line("  not sent", len(unsent), wrong=bool(unsent))
        self._line("  sent as two messages", len(twofold), wrong=bool(twofold))

    def _log(self) -> None:
        chaos, counts = self._left.chaos, self._left.writer.counts()
        stored = dict(self._reader.rows(STORED))
        batches = self._left.writer.flushed()
        flushed = {number: batch.at for batch in batches for number in batch.numbers}
        at_risk = chaos.at_risk.union(
            *(
                batch.numbers
                for batch in batches
                if any(batch.since <= until and since <= batch.at for since, until in chaos.risky)
            )
        )
        missing = flushed.keys() - stored.keys()
        by_wipe = missing & chaos.wiped
        by_kill = (missing - by_wipe) & at_risk
        others = sorted(missing - by_wipe - by_kill)
        twice = sum(count > 1 for count in stored.values())
        self._line(
            "log records",
            _joined(
                {
                    "recorded": counts.get("recorded", 0),
                    "flushed": len(flushed),
                    "stored": len(stored),
                }
            ),
            wrong=not flushed,
        )
        self._line("  stored twice", twice, wrong=bool(twice))
        self._line(
            "  gone with Redis", _joined({"by wipes": len(by_wipe), "by kills": len(by_kill)})
        )
        self._line(
            "  lost otherwise",
            f"{len(others)} {self._lost_when(others, flushed)}",
            wrong=bool(others),
        )
        unflushed = int(counts.get("recorded", 0)) - len(flushed)
        self._line("  never flushed", unflushed, wrong=bool(unflushed))
        self._sources(counts.get("source", ""), len(stored))

    def _sources(self, writer: str, stored: int) -> None:
        """Tell the application's own count of its log, which must agree with what is there."""
        for service, processes, numbered, text, dropped in self._reader.rows(
            SOURCES.format(writer)
        ):
            found = _joined(
                {"processes": processes, "numbered": numbered, "stored": text, "dropped": dropped}
            )
            self._line(
                f"  {service}",
                f"{found}, lost {numbered - text}",
                wrong="writer" in service and text != stored,
            )

    def _lost_when(self, numbers: list[int], flushed: dict[int, float]) -> str:
        return " ".join(
            f"{number} at {flushed[number] - self._left.began:.2f} s" for number in numbers[:3]
        )

    def _faults(self) -> None:
        struck = self._left.chaos.count()
        self._line("faults", _joined({kind: struck[kind] for kind in KINDS}))
        for kind in KINDS:
            if not struck[kind]:
                self.failures.append(f"{kind} never struck")
        dead = sum(b"dead" in entry.partition(b"\n")[0] for entry in contents_of(self._left.broker))
        self._line("dead letters", dead)

    def _services(self) -> None:
        keeper = self._left.keeper
        for sentence in keeper.fallen + keeper.forced:
            print(f"  {sentence}")
        for name, kept in keeper.kept.items():
            found = Counter(
                re.findall(
                    r"^(?:  )?(?:\w+\.)*\w*(?:Error|Exception)\b.{0,120}",
                    kept.service.output,
                    re.MULTILINE,
                )
            )
            for words, count in found.most_common(4):
                print(f"  {name} printed {count} times: {words}")


def explain(evidence: Evidence, ledger: Ledger) -> None:
    """Print the stuck roadmaps with their rows, and the last output of the services."""
    for id_ in ledger.stuck()[:5]:
        for table, column in (("roadmap", "id"), ("content", "roadmap_id")):
            columns = "id, status, attempts, due_at, lease_until, lease_token, error"
            for row in evidence.reader.rows(
                f"SELECT '{table}', {columns} FROM {table} WHERE {column} = '{id_}' ORDER BY id"
            ):
                print("  stuck:", *row)
    for name, kept in evidence.keeper.kept.items():
        print(f"--- {name} ({kept.service.log}):\n{kept.service.output[-2000:]}")


def _joined(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "0"
