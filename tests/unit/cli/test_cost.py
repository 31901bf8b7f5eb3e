"""Bills from measurements: sums, derived figures, output and bad input."""

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli.costs import measured, prices
from cli.costs.bill import (
    BEFORE,
    CATALOGUE,
    COMMANDS,
    MODEL,
    MONTH,
    ONE,
    SERVERS,
    DeploymentLayout,
    Load,
    Part,
    Use,
    at_work,
    bill_of,
    in_one,
    layouts_of,
    paid,
    reserved,
    use_of,
)
from cli.costs.measured import PartUsage, StackUsage
from cli.costs.prices import Platform, Prices, RedisByCommand
from roadmap_cli import main
from tests.cases import try_each

SEEN = {"currency": "USD", "seen": date(2026, 1, 31), "source": "https://example.org"}
PLATFORM = Platform(
    memory=10, cores=20, storage=0.5, egress=0.1, plans={"Small": 5, "Large": 50}, **SEEN
)
BY_COMMAND = RedisByCommand(commands=0.2, **SEEN)
STACK = StackUsage(
    parts={
        "api": PartUsage(
            memory=50, memory_busy=60, cpu_idle=0.001, cpu_per_roadmap=1, cpu_per_request=0.01
        ),
        "redis": PartUsage(memory=5, memory_busy=10, cpu_idle=0.002, cpu_per_roadmap=2),
    },
    commands_idle=1,
    commands_per_roadmap=100,
    commands_inside_scripts_per_roadmap=1000,
    commands_per_request=0.5,
    stored_per_roadmap=500_000,
    sent_per_roadmap=30_000,
    sent_per_request=10_000,
    servers_cpu_per_request={"redis": 0.02},
)


def test_a_month_of_use_is_what_is_idle_and_what_is_done() -> None:
    use = use_of(STACK, Load(roadmaps=300, reads=10, months=12))
    api, redis = use.parts
    assert (api.memory, redis.memory) == (60, 10)
    assert api.cores == pytest.approx(0.001 + (300 * 1 + 3000 * 0.01) / MONTH)
    assert redis.cores == pytest.approx(0.002 + (300 * 2 + 3000 * 0.02) / MONTH)
    assert use.commands == pytest.approx(MONTH + 300 * 100 + 3000 * 0.5)
    assert use.inside_scripts == 300 * 1000
    assert use.storage == pytest.approx(300 * 12 * 500_000 / 1e9)
    assert use.egress == pytest.approx((300 * 30_000 + 3000 * 10_000) / 1e9)


USE = Use(
    (Part("api", 2, 500, 0.5), Part("redis", 1, 1000, 0.1)),
    commands=1_000_000,
    inside_scripts=500_000,
    storage=4,
    egress=10,
)


def test_a_bill_is_the_sum_of_what_is_used_at_its_price() -> None:
    bill = bill_of(USE, PLATFORM)
    assert (bill.memory, bill.cores, bill.storage, bill.egress, bill.redis) == pytest.approx(
        (20, 22, 2, 1, 0)
    )
    assert bill.total == pytest.approx(45)
    assert paid(bill, PLATFORM) == pytest.approx({"Small": 45, "Large": 50})


def test_redis_that_bills_commands_takes_the_place_of_ours() -> None:
    bill = bill_of(USE, PLATFORM, BY_COMMAND)
    assert (bill.memory, bill.cores, bill.redis) == pytest.approx((10, 20, 2))
    counts_more = BY_COMMAND.model_copy(update={"inside_scripts": True})
    assert bill_of(USE, PLATFORM, counts_more).redis == pytest.approx(3)


def test_what_is_reserved_is_paid_for_whether_it_works_or_not() -> None:
    assert bill_of(reserved(8000, 2), PLATFORM).total == pytest.approx(80 + 40)


@given(
    st.floats(0, 1e6),
    st.floats(0, 1e4),
    st.integers(1, 120),
    st.floats(1, 10),
)
def test_more_of_anything_never_costs_less(
    roadmaps: float, reads: float, months: int, more: float
) -> None:
    def cost(load: Load) -> float:
        return bill_of(use_of(STACK, load), PLATFORM).total

    usual = cost(Load(roadmaps, reads, months))
    assert cost(Load(roadmaps * more, reads, months)) >= usual
    assert cost(Load(roadmaps, reads * more, months)) >= usual
    assert cost(Load(roadmaps, reads, months + 1)) >= usual


def layouts(roadmaps: float = 300, *, is_by_model: bool = True) -> list[DeploymentLayout]:
    asked = prices.load()
    load = Load(roadmaps, 50, 12)
    return layouts_of(
        measured.load().stacks,
        load,
        asked,
        asked.platforms["Railway"],
        is_by_model=is_by_model,
    )


def test_what_was_measured_says_what_the_documents_promise() -> None:
    """Both layouts cost less than what they replace, and fit into the smallest plan."""
    three, one, before, large = layouts()
    assert one.bill.total < three.bill.total < before.bill.total < large.bill.total
    assert three.paid["Hobby"] == prices.load().platforms["Railway"].plans["Hobby"]
    assert all(each.by_command["Upstash"] > each.bill.total for each in (three, one, before))


def test_a_model_adds_to_every_layout_what_it_adds_to_three_services() -> None:
    stacks = measured.load().stacks
    catalogue, writes = stacks[CATALOGUE], stacks[MODEL]
    ours = [name for name in writes.parts if name not in SERVERS]
    added = sum(
        writes.parts[name].cpu_per_roadmap - catalogue.parts[name].cpu_per_roadmap for name in ours
    )
    together = in_one(stacks[ONE], catalogue, writes)
    assert together.parts["all"].cpu_per_roadmap - stacks[ONE].parts[
        "all"
    ].cpu_per_roadmap == pytest.approx(added)
    for name in ("commands_per_roadmap", "commands_inside_scripts_per_roadmap"):
        more = getattr(writes, name) - getattr(catalogue, name)
        assert getattr(together, name) - getattr(stacks[ONE], name) == pytest.approx(more)
        assert more > 0
    assert in_one(stacks[ONE], catalogue, catalogue).parts["all"] == stacks[ONE].parts["all"]
    before = at_work(stacks[BEFORE], catalogue, writes)
    assert (
        before.parts["worker content"].cpu_per_roadmap
        > writes.parts["huey_content"].cpu_per_roadmap
    )
    assert before.stored_per_roadmap == writes.stored_per_roadmap


def test_a_figure_that_is_new_is_put_together_or_kept_on_purpose() -> None:
    """`layouts.py` names the figures of a model and of the stack at work; the rest stays."""
    added, of_the_work = (
        {"memory_busy", "cpu_per_roadmap", *COMMANDS},
        {"stored_per_roadmap", "sent_per_roadmap", "sent_per_request"},
    )
    kept = {"parts", "commands_idle", "commands_per_request", "servers_cpu_per_request", "note"}
    kept |= {"memory", "cpu_idle", "cpu_per_request"}
    assert {*StackUsage.model_fields, *PartUsage.model_fields} == added | of_the_work | kept


def test_the_instance_without_a_queue_costs_its_own_price_in_any_load() -> None:
    large = layouts()[3]
    assert (large.use.memory, large.use.cores) == (16_000, 8)
    assert large.bill.total == pytest.approx(50) == pytest.approx(layouts(1)[3].bill.total)
    assert large.paid == pytest.approx({"Hobby": 50, "Pro": 50})


def test_another_size_of_it_has_the_price_of_the_platform() -> None:
    code, output = run("--large-memory", "8", "--large-cores", "2", "--json")
    large = json.loads(output)["layouts"][3]
    assert (code, large["name"]) == (0, "instance without a queue: 8 GB, 2 cores")
    assert large["bill"]["total"] == pytest.approx(120)


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["cost", *map(str, arguments)], env={"COLUMNS": "250"})
    return done.exit_code, done.output


def test_the_command_shows_every_layout_and_on_what_it_rests() -> None:
    code, message = run()
    assert code == 0
    assert [
        name
        for name in (
            "three services",
            "one instance",
            "FastAPI + Celery + Flower",
            "instance without a queue: 16 GB, 8 cores",
        )
        if name not in message
    ] == []
    assert measured.load().date in message
    assert [
        each.source for each in prices.load().of("Railway").values() if each.source not in message
    ] == []


def test_the_command_tells_the_same_as_data() -> None:
    code, message = run("--roadmaps", "10", "--json")
    document = json.loads(message)
    assert code == 0
    assert [each["bill"]["total"] for each in document["layouts"]] == pytest.approx(
        [each.bill.total for each in layouts()]
    )
    assert set(document["rests_on"]["prices"]) == {"Railway", "Upstash"}


def test_other_prices_count(tmp_path: Path) -> None:
    given = prices.load().model_dump(mode="json")
    given["platforms"] = {"Elsewhere": {**given["platforms"]["Railway"], "memory": 20, "plans": {}}}
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(given))
    code, message = run("--prices", file, "--platform", "Elsewhere", "--json")
    assert code == 0
    assert json.loads(message)["layouts"][0]["bill"]["memory"] == pytest.approx(
        2 * layouts()[0].bill.memory
    )


def test_a_platform_and_a_redis_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    given = prices.load().model_dump(mode="json")
    railway, by_command = given["platforms"]["Railway"], given["redis"]["Upstash"]
    given["redis"] = {
        "Railway": {**by_command, "seen": "2026-01-31", "source": "https://redis.example.org"},
        "Redis of Railway": {**by_command, "source": "https://other.example.org"},
    }
    (file := tmp_path / "prices.json").write_text(json.dumps(given))
    code, message = run("--prices", file, "--json")
    assert code == 0
    assert json.loads(message)["rests_on"]["prices"] == {
        "Railway": {"seen": railway["seen"], "source": railway["source"]},
        "Redis of Railway": {"seen": "2026-01-31", "source": "https://redis.example.org"},
        "Redis of Redis of Railway": {
            "seen": by_command["seen"],
            "source": "https://other.example.org",
        },
    }
    code, message = run("--prices", file)
    found = (
        railway["source"],
        "read on 2026-01-31 at https://redis.example.org",
        "https://other.example.org",
    )
    assert [each for each in found if each not in message] == []


def test_a_redis_in_another_currency_is_named_nowhere(tmp_path: Path) -> None:
    given = prices.load().model_dump(mode="json")
    given["redis"]["Elsewhere"] = {**given["redis"]["Upstash"], "currency": "EUR"}
    (file := tmp_path / "prices.json").write_text(json.dumps(given))
    assert "Elsewhere" not in "".join(run("--prices", file, *more)[1] for more in ((), ("--json",)))


USUAL = (
    '"currency": "USD", "seen": "2026-01-31", "source": "x", "cores": 1, "storage": 1, "egress": 1'
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "JSON"),
        ("{}", "platforms"),
        ('{"platforms": {}}', "platforms"),
        (f'{{"platforms": {{"X": {{{USUAL}, "memory": -1}}}}}}', "X.memory"),
        (f'{{"platforms": {{"X": {{{USUAL}, "memory": NaN}}}}}}', "X.memory"),
        (f'{{"platforms": {{"X": {{{USUAL}, "memory": 1e300}}}}}}', "X.memory"),
        ("\ufeff[1", "JSON"),
        (
            f'{{"platforms": {{"X": {{{USUAL}, "memory": 1}}}}}}'.replace(
                "2026-01-31", "2026-99-99"
            ),
            "X.seen",
        ),
        (
            f'{{"platforms": {{"X": {{{USUAL}, "memory": 1}}}}}}'.replace(
                '"2026-01-31"', "1700000000"
            ),
            "X.seen",
        ),
    ],
)
def test_prices_that_cannot_be_read_are_named(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(text)
    code, message = run("--prices", tmp_path / "prices.json")
    assert code == 1
    assert expected in message
    assert "cli/costs/prices.json shows the form" in message
    assert message.count("\n") == 1


def test_a_file_that_is_not_there_and_a_platform_without_prices_are_named(tmp_path: Path) -> None:
    code, message = run("--prices", tmp_path / "nowhere")
    assert (code, "No such file" in message) == (1, True)
    code, message = run("--prices", tmp_path)
    assert (code, "Is a directory" in message) == (1, True)
    code, message = run("--platform", "Nimbus")
    assert (code, "Railway" in message) == (1, True)


@try_each(
    "option",
    [
        "--roadmaps=-1",
        "--roadmaps=nan",
        "--reads=inf",
        "--months=0",
        "--large-memory=0",
        "--roadmaps=ten",
    ],
)
def test_a_load_that_there_is_not_is_refused(option: str) -> None:
    code, message = run(option)
    assert code == 2
    assert option.partition("=")[0] in message


def test_prices_are_dated_and_say_where_they_stand() -> None:
    asked: Prices = prices.load()
    assert [
        each.source
        for each in asked.of("Railway").values()
        if not each.source.startswith("https://")
    ] == []
