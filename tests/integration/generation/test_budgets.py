"""Budgets on PostgreSQL: workers never spend more than there is, and their sums add up."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from uuid import UUID

import peewee
import pytest
from pydantic import SecretStr

from core import clock
from core.backends import open_database
from core.db import database, session, settings, transaction
from core.ids import new_id
from core.migrate import migrate
from core.setting_types import Price
from models.accounts import Account
from models.records import ModelCall, MonthlySpending
from models.roadmaps import Roadmap
from roadmap.budget import budget as budget_
from roadmap.budget import cost_report
from roadmap.budget.budget import BudgetMeter, BudgetReserved, CallPurpose, OverBudget, month_of
from roadmap.budget.cost_report import estimate, receipt
from roadmap.generation.context import GeneratorFault
from roadmap.generation.retry_policy import StopSignal
from testing.database import using
from testing.servers import Postgres
from testing.waiting import HANG

WORKERS = 16
MODEL = "gpt-5-mini"
PRICE = Price(MODEL, Decimal(2), Decimal(8))
TOKENS = 1000
MOST = 8000  # that a call of so many tokens can cost


@pytest.fixture
def limited(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Run the application of this process on a new database; set budgets, in millionths.

    The database itself holds to them: a transaction that breaks one for a moment fails.
    """
    url = SecretStr(postgres.create_database(f"budgets_{new_id().hex}"))
    server = {
        "database_url": url,
        "content_workers": WORKERS + 4,
        "model_prices": (PRICE,),
        "openai_model": MODEL,
    }
    mine = settings.model_copy(update=server)
    migrate(mine)
    monkeypatch.setattr(
        budget_, "retry_save", lambda save, *args: save(*args)
    )  # a deadlock is an error, not one more try

    def limit(*, roadmap: int = 0, month: int = 0) -> None:
        budgets = {
            "budget_per_roadmap": Decimal(roadmap) / 10**6,
            "budget_per_user_month": Decimal(month) / 10**6,
        }
        for module in (budget_, cost_report):
            monkeypatch.setattr(module, "settings", mine.model_copy(update=budgets))
        with transaction():
            database.execute_sql(
                f"ALTER TABLE roadmap ADD CHECK (spent BETWEEN 0 AND {roadmap or 10**9})"
            )
            database.execute_sql(
                f"ALTER TABLE spending ADD CHECK (amount BETWEEN 0 AND {month or 10**9})"
            )

    with using(lambda: open_database(mine)):
        yield limit


def roadmaps(count: int) -> tuple[UUID, list[UUID]]:
    """A new account with so many roadmaps."""
    owner_id, now = new_id(), clock.now()
    head = {
        "owner": owner_id,
        "goal": "A goal",
        "level": "beginner",
        "hours_per_week": 5,
        "language": "en",
    }
    head |= {"status": "building", "due_at": now, "created_at": now, "updated_at": now}
    ids = [new_id() for _ in range(count)]
    with transaction():
        Account.insert(
            id=owner_id, email="a@example.org", password_hash="", created_at=now
        ).execute()
        Roadmap.insert_many([{**head, "id": id_} for id_ in ids]).execute()
    return owner_id, ids


def in_threads(work: Callable[[int], Any]) -> list[Any]:
    """Return the result of each worker. All begin together; the first error of one is raised."""
    together = threading.Barrier(WORKERS)

    def one(number: int) -> Any:
        together.wait(HANG)
        return work(number)

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one, range(WORKERS)))


class Sampler:
    """Reads the sums while the block runs; `most` is the most that it has seen of each."""

    def __init__(self) -> None:
        self.most: Counter[str] = Counter()
        self.samples = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(HANG)

    def _look(self) -> None:
        while not self._over.is_set():
            with session():
                for row in (*Roadmap.select(), *MonthlySpending.select()):
                    name, amount = (
                        ("roadmap", row.spent)
                        if isinstance(row, Roadmap)
                        else ("month", row.amount)
                    )
                    self.most[name] = max(self.most[name], amount)
            self.samples += 1


def assert_adds_up(owner_id: UUID, ids: Sequence[UUID]) -> int:
    """The sum of all."""
    total = peewee.fn.SUM(ModelCall.price)
    month = month_of(clock.now())
    with session():
        priced = dict(
            ModelCall.select(ModelCall.roadmap_id, total).group_by(ModelCall.roadmap_id).tuples()
        )
        spent = dict(Roadmap.select(Roadmap.id, Roadmap.spent).tuples())
        amount = MonthlySpending.get(
            MonthlySpending.owner_id == owner_id, MonthlySpending.month == month
        ).amount
    assert {id_: priced.get(id_, 0) for id_ in ids} == spent
    assert sum(spent.values()) == amount
    return int(amount)


def outcomes() -> Counter[str]:
    with session():
        return Counter(row.outcome for row in ModelCall.select())


def ledger(
    owner_id: UUID, roadmap_id: UUID, content_id: UUID | None, stop: StopSignal | None = None
) -> BudgetMeter:
    return BudgetMeter(
        CallPurpose(owner_id, roadmap_id, None, content_id, attempt=1), stop or StopSignal()
    )


@pytest.mark.parametrize("budget", ["roadmap", "month"])
def test_of_many_calls_at_once_as_many_begin_as_there_is_room_for(
    limited: Callable[..., None], budget: str
) -> None:
    room = 10
    limited(**{budget: room * MOST + MOST - 1})
    owner_id, ids = roadmaps(1 if budget == "roadmap" else 2)
    all_decided, all_seen = threading.Barrier(WORKERS), threading.Barrier(WORKERS)

    def work(number: int) -> str:
        call = ledger(owner_id, ids[number % len(ids)], new_id()).call(
            "quiz", MODEL, "1", most_prompt_tokens=0, most_completion_tokens=TOKENS
        )
        try:
            with call:
                all_decided.wait(HANG)
                running = outcomes()["running"]
                all_seen.wait(HANG)
                call.used(0, number)
        except BudgetReserved:
            all_decided.wait(HANG)
            all_seen.wait(HANG)
            return "over"
        assert running == room
        return f"used {number}"

    with Sampler() as sampler:
        found = in_threads(work)
    assert found.count("over") == WORKERS - room
    assert sampler.samples
    assert max(sampler.most.values()) <= room * MOST
    assert outcomes() == {"ok": room}
    assert assert_adds_up(owner_id, ids) == sum(
        8 * number for number, its in enumerate(found) if its != "over"
    )


def test_workers_that_cross_each_other_in_every_way_keep_to_both_budgets_and_do_not_lock_up(
    limited: Callable[..., None],
) -> None:
    """Two roadmaps of one account have few contents, and some workers die.

    So workers also give up each other's calls as lost, and late ones settle theirs after that.
    """
    limited(roadmap=9 * MOST, month=12 * MOST)
    owner_id, ids = roadmaps(2)
    contents = [(id_, content_id) for id_ in ids for content_id in (None, new_id(), new_id())]
    dead = []

    def work(number: int) -> Counter[str]:
        chance, first = random.Random(number), Counter[str]()
        for _ in range(15):
            roadmap_id, content_id = chance.choice(contents)
            stop, how = (
                StopSignal(),
                chance.choice(
                    ["ok", "ok", "fault", "unbilled", "stopped", "dies" if number == 0 else "ok"]
                ),
            )
            sizes = {"most_prompt_tokens": 0, "most_completion_tokens": chance.randint(1, TOKENS)}
            call = ledger(owner_id, roadmap_id, content_id, stop).call("quiz", MODEL, "1", **sizes)
            try:
                call.__enter__()
            except (OverBudget, BudgetReserved):
                first["over"] += 1
                continue
            first[how] += 1
            if how == "dies":
                dead.append(call)
                continue
            if how == "ok":
                call.used(0, chance.randint(0, sizes["most_completion_tokens"]))
            if how == "unbilled":
                call.unbilled()
            if how == "stopped":
                stop.stop()
            error = None if how == "ok" else GeneratorFault("No.")
            call.__exit__(type(error) if error else None, error, None)
        return first

    with Sampler() as sampler:
        first: Counter[str] = sum(in_threads(work), Counter())
    assert sampler.samples > 1
    assert 0 < sampler.most["roadmap"] <= 9 * MOST
    assert 0 < sampler.most["month"] <= 12 * MOST
    assert first["over"]
    assert first.total() == WORKERS * 15
    found = outcomes()
    assert (found["ok"], found["stopped"]) == (first["ok"], first["stopped"])
    assert found["fault"] == first["fault"] + first["unbilled"]
    assert found["lost"] + found["running"] == first["dies"] == len(dead)
    assert assert_adds_up(owner_id, ids) <= 12 * MOST


def test_calls_for_one_content_that_settle_while_the_next_gives_them_up_count_exactly_once(
    limited: Callable[..., None],
) -> None:
    limited()
    owner_id, ids = roadmaps(1)
    content_id = new_id()

    def work(number: int) -> None:
        for _ in range(10):
            with ledger(owner_id, ids[0], content_id).call(
                "quiz", MODEL, "1", most_prompt_tokens=0, most_completion_tokens=TOKENS
            ) as call:
                call.used(0, number)

    in_threads(work)
    assert outcomes() == {"ok": WORKERS * 10}
    assert assert_adds_up(owner_id, ids) == sum(8 * number * 10 for number in range(WORKERS))


def test_a_worker_that_is_killed_has_spent_the_most_and_the_next_one_the_rest(
    limited: Callable[..., None],
) -> None:
    limited(roadmap=2 * MOST)
    owner_id, ids = roadmaps(1)
    content_id, sizes = new_id(), {"most_prompt_tokens": 0, "most_completion_tokens": TOKENS}
    killed = ledger(owner_id, ids[0], content_id).call("quiz", MODEL, "1", **sizes)
    killed.__enter__()
    with ledger(owner_id, ids[0], content_id).call("quiz", MODEL, "1", **sizes) as call:
        call.used(0, 1)
    assert outcomes() == {"lost": 1, "ok": 1}
    assert assert_adds_up(owner_id, ids) == MOST + 8
    with pytest.raises(OverBudget):
        ledger(owner_id, ids[0], content_id).call("quiz", MODEL, "1", **sizes).__enter__()


def test_no_connection_is_held_while_a_call_runs(limited: Callable[..., None]) -> None:
    limited()
    owner_id, ids = roadmaps(1)
    with ledger(owner_id, ids[0], None).call(
        "outline", MODEL, "1", most_prompt_tokens=1, most_completion_tokens=1
    ):
        assert database.is_closed()


def test_receipts_and_estimates_read_the_same_as_on_sqlite(limited: Callable[..., None]) -> None:
    limited(roadmap=10 * MOST, month=20 * MOST)
    owner_id, ids = roadmaps(1)
    for number in range(5):
        with ledger(owner_id, ids[0], None).call(
            "outline", MODEL, "1", most_prompt_tokens=0, most_completion_tokens=TOKENS
        ) as call:
            call.used(10, number)
    report, month = receipt(owner_id, ids[0], limit=2, after=None), month_of(clock.now())
    written = report.model_dump(mode="json")
    assert (written["spent"], written["reserved"], written["budget"], written["next_cursor"]) == (
        *("0.00018", "0", "0.08"),
        str(report.calls[1].id),
    )
    account_month = {"month": month, "spent": "0.00018", "budget": "0.16"}
    assert written["account_month"] == account_month
    [step] = report.steps
    assert (step.step, step.calls, step.failed, step.prompt_tokens, step.completion_tokens) == (
        "outline",
        5,
        0,
        50,
        10,
    )
    assert (step.price, len(report.calls), report.estimate) == (Decimal("0.00018"), 2, None)
    found = estimate({"outline": 2}, MODEL)
    assert (found.prompt_tokens, found.completion_tokens, found.price, found.measured) == (
        20,
        4,
        Decimal("0.000072"),
        True,
    )
