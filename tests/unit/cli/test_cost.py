"""Bills from measurements: sums, output and bad input."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli.cost import MEASURED, PRICES, SECONDS, WITHOUT_QUEUE, Prices, estimate
from roadmap_cli import main
from tests.cases import try_each

ASKED = Prices.model_validate_json(PRICES.read_bytes())
DOCUMENT = ASKED.model_dump(mode="json")
PLATFORM = {**DOCUMENT["platforms"]["Railway"], "storage": 0.5, "egress": 0.1}
ROADMAPS, READS, KEPT = 300, 10, 12


def layouts(
    writer: str = "model", roadmaps: float = ROADMAPS, reads: float = READS, months: int = KEPT
) -> list[dict[str, Any]]:
    load = {"roadmaps": roadmaps, "reads": reads, "months": months}
    given = {"platforms": {"A": PLATFORM}, "redis": DOCUMENT["redis"]}
    prices = Prices.model_validate_json(json.dumps(given))
    found: list[dict[str, Any]] = estimate(prices, "A", load, writer, WITHOUT_QUEUE)["layouts"]
    return found


@pytest.mark.parametrize("writer", ["model", "catalogue"])
def test_a_bill_is_what_is_idle_and_what_is_done_at_its_price(writer: str) -> None:
    layout, of = layouts(writer)[0], MEASURED["layouts"][writer]["three services"]
    use, bill = layout["use"], layout["bill"]
    cores = memory = 0.0
    for megabytes, (idle, made, read) in of["parts"].values():
        memory += megabytes
        cores += idle + (ROADMAPS * made + ROADMAPS * READS * read) / SECONDS
    idle, made, read = of["commands"]
    assert (use["memory"], use["cores"]) == pytest.approx((memory, cores))
    assert use["commands"] == pytest.approx(
        idle * SECONDS + ROADMAPS * made + ROADMAPS * READS * read
    )
    assert use["storage"] == pytest.approx(ROADMAPS * KEPT * of["stored"][1] / 1e9)
    assert use["egress"] == pytest.approx(ROADMAPS * (of["sent"][1] + READS * of["sent"][2]) / 1e9)
    assert bill == pytest.approx(
        {
            "memory": memory / 1000 * 10,
            "cores": cores * 20,
            "storage": use["storage"] * 0.5,
            "egress": use["egress"] * 0.1,
            "redis": 0,
            "total": sum(price for name, price in bill.items() if name != "total"),
        }
    )
    (redis,) = (part for part in use["parts"] if part["name"] == "redis")
    assert layout["by_command"]["Upstash"] == pytest.approx(
        bill["total"]
        - redis["memory"] / 1000 * 10
        - redis["cores"] * 20
        + use["commands"] / 100_000 * 0.2
    )
    assert layout["paid"] == {
        plan: max(least, bill["total"]) for plan, least in PLATFORM["plans"].items()
    }


@given(st.floats(0, 1e6), st.floats(0, 1e4), st.integers(1, 119), st.floats(1, 10))
def test_more_of_anything_never_costs_less(
    roadmaps: float, reads: float, months: int, more: float
) -> None:
    def total(*load: Any) -> float:
        cost: float = layouts("model", *load)[0]["bill"]["total"]
        return cost

    usual = total(roadmaps, reads, months)
    assert total(roadmaps * more, reads, months) >= usual
    assert total(roadmaps, reads * more, months) >= usual
    assert total(roadmaps, reads, months + 1) >= usual


def test_what_was_measured_says_what_the_documents_promise() -> None:
    """Both layouts cost less than what they replace, and fit into the smallest plan."""
    three, one, before, large = layouts(reads=50)
    totals = [each["bill"]["total"] for each in (one, three, before, large)]
    assert totals == sorted(totals)
    assert three["paid"]["Hobby"] == PLATFORM["plans"]["Hobby"]
    assert all(each["by_command"]["Upstash"] > each["bill"]["total"] for each in (three, one))


def test_the_instance_without_a_queue_costs_its_own_price_in_any_load() -> None:
    large = layouts()[3]
    assert (large["use"]["memory"], large["use"]["cores"]) == (16_000, 8)
    assert large["bill"]["total"] == pytest.approx(50) == layouts(roadmaps=1)[3]["bill"]["total"]
    assert large["paid"] == pytest.approx({"Hobby": 50, "Pro": 50})


def test_another_size_of_it_has_the_price_of_the_platform() -> None:
    code, output = run("--large-memory", "8", "--large-cores", "2", "--json")
    large = json.loads(output)["layouts"][3]
    assert (code, large["name"]) == (0, "instance without a queue: 8 GB, 2 cores")
    assert large["bill"]["total"] == pytest.approx(120)


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["cost", *map(str, arguments)], env={"COLUMNS": "250"})
    return done.exit_code, done.output


def with_prices(folder: Path, text: str) -> tuple[str, Path]:
    (folder / "prices.json").write_text(text)
    return "--prices", folder / "prices.json"


def test_the_command_shows_every_layout_and_on_what_it_rests() -> None:
    code, message = run()
    document = json.loads(run("--json")[1])
    assert code == 0
    for layout in document["layouts"]:
        assert layout["name"] in message
        assert f"{layout['bill']['total']:,.2f}" in message
    for of in document["rests_on"]["prices"].values():
        assert f"{of['seen']} at {of['source']}" in message
    assert set(document["rests_on"]["prices"]) == {"Railway", "Upstash"}
    assert MEASURED["date"] in message


def test_other_prices_count_and_a_redis_in_another_currency_does_not(tmp_path: Path) -> None:
    given = {
        "platforms": {"Elsewhere": {**PLATFORM, "memory": 20, "plans": {}}},
        "redis": {"Other": {**DOCUMENT["redis"]["Upstash"], "currency": "EUR"}},
    }
    prices = with_prices(tmp_path, json.dumps(given))
    code, message = run(*prices, "--platform", "Elsewhere", "--json")
    assert code == 0
    bill = json.loads(message)["layouts"][0]["bill"]
    assert bill["memory"] == pytest.approx(2 * layouts()[0]["bill"]["memory"])
    assert "Other" not in message + run(*prices, "--platform", "Elsewhere")[1]


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
            f'{{"platforms": {{"X": {{{USUAL}, "memory": 1}}}}}}'.replace("01-31", "99-99"),
            "X.seen",
        ),
        (
            f'{{"platforms": {{"X": {{{USUAL}, "memory": 1}}}}}}'.replace('"2026-01-31"', "17"),
            "X.seen",
        ),
    ],
)
def test_prices_that_cannot_be_read_are_named(text: str, expected: str, tmp_path: Path) -> None:
    code, message = run(*with_prices(tmp_path, text))
    assert code == 1
    assert expected in message
    assert "cli/prices.json shows their form" in message
    assert message.count("\n") == 1


def test_a_file_that_is_not_there_and_a_platform_without_prices_are_named(tmp_path: Path) -> None:
    code, message = run("--prices", tmp_path / "nowhere")
    assert (code, "No such file" in message) == (2, True)
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


def test_prices_say_where_they_stand() -> None:
    for providers in DOCUMENT.values():
        for provider in providers.values():
            assert provider["source"].startswith("https://")
