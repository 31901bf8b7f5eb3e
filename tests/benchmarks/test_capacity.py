"""Capacity planning: laws of the simulation, options, and the written page."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.capacity import needs, report, simulation
from benchmarks.capacity.__main__ import Number, main, parser
from benchmarks.capacity.check import Compared, table
from benchmarks.capacity.needs import Needs, Speed, speed_of
from benchmarks.capacity.simulation import Found, of_fleet, offered, simulate, smallest
from benchmarks.capacity.workload import Latency, Workload
from cli.costs import measured, prices
from cli.costs.bill import DAYS, READS, Load, bill_of, use_of
from core import backends
from core.settings import Settings
from tasks.content import build_content
from tasks.queues import content_queue

SMALL = Workload(100_000, contents=12, outline=Latency(2, 0.3), content=Latency(1, 0.5), within=60)
SHARES = {0.5: 1.0, 0.9: 2.0, 0.99: 3.0}
streams = st.lists(st.floats(0, 60), min_size=1, max_size=12).map(sorted)
fleets, seeds = st.integers(1, 40), st.integers(0, 1000)


def made(workload: Workload, threads: int, arrivals: list[float], seed: int = 1) -> Found:
    counted = range(len(arrivals))
    return simulate(workload, threads, arrivals, counted, beside=0.01, seed=seed)


def mean(found: Found) -> float:
    return sum(each.ready - each.asked for each in found.roadmaps) / len(found.roadmaps)


def sized(a_day: float, threads: int, **terms: Any) -> Needs:
    return needs.needs(Workload(a_day), Speed(threads, SHARES, 10 * threads), **terms)


@given(fleets, streams, seeds)
@settings(max_examples=60, deadline=None)
def test_no_work_is_lost_and_no_thread_does_two_things(
    threads: int, arrivals: list[float], seed: int
) -> None:
    found = made(SMALL, threads, arrivals, seed)
    assert [each.left for each in found.roadmaps] == [0] * len(arrivals)
    assert all(each.asked <= each.planned < each.ready for each in found.roadmaps)
    assert found.at_once <= threads
    assert found.waiting >= SMALL.contents - threads


@given(fleets, streams, seeds, st.integers(1, 40))
@example(1, [1.6063657626839039, 33.84490358580697, 33.84490358580697], 0, 1)
@settings(max_examples=60, deadline=None)
def test_more_workers_make_it_no_slower(
    threads: int, arrivals: list[float], seed: int, more: int
) -> None:
    """In the mean. One roadmap can be later: outlines that are there sooner bring contents."""
    constant = replace(SMALL, outline=Latency(2), content=Latency(1), outline_calls=2)
    few, many = (made(constant, each, arrivals, seed) for each in (threads, threads + more))
    assert mean(many) <= mean(few) * 1.03


def test_outlines_overtake_and_contents_are_written_in_their_order() -> None:
    load = replace(SMALL, outline=Latency(1), content=Latency(1), outline_calls=2)
    found = simulate(load, 1, [0.0, 5.0, 6.0], range(3))
    # each outline behind what runs already; no parts overtake another roadmap's
    assert [each.planned for each in found.roadmaps] == [0.0, 5.0, 7.0]
    assert [each.ready for each in found.roadmaps] == [18.0, 30.0, 42.0]


def test_the_same_question_has_the_same_answer() -> None:
    arrivals = [float(each) for each in range(30)]
    one, same, other = (mean(made(SMALL, 20, arrivals, seed)) for seed in (3, 3, 4))
    assert one == same != other


def test_a_share_is_exact_though_no_float_is() -> None:
    """A hundred times 0.07 is 7.000000000000001."""
    found = made(SMALL, 4, [float(each) for each in range(100)])
    assert found.ready(0.07) == sorted(each.ready - each.asked for each in found.roadmaps)[6]


def test_a_load_beyond_the_models_limit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(SMALL, 4, [0.0])
    monkeypatch.setattr(needs, "smallest", lambda *_: (30_000, found))
    load = Workload(1_000_000)
    limit = "impossible: the model's limits allow 156,182 a day"
    assert speed_of(load).why_not == limit
    assert load.most_a_day() == pytest.approx(30_000 * 1440 / 92.2 / 3)
    at_once = replace(load, requests=0, tokens=0, at_once=3)
    assert at_once.most_a_day() == pytest.approx(3 / load.seconds_of_calls * 28_800)


def test_what_no_number_of_threads_can_do_is_named() -> None:
    late = "impossible: 90% are not ready within 1.5 s, however many threads work"
    assert speed_of(replace(SMALL, a_day=10, within=1.5)).why_not == late
    late = "impossible: 99.9% are not ready within 9 s, with 4 calls at once"
    assert speed_of(replace(SMALL, a_day=10, within=9, at_once=4, share=0.999)).why_not == late


def test_the_smallest_number_of_threads_is_found() -> None:
    load = replace(SMALL, a_day=40_000)
    answer = smallest(load, 0.01)
    assert answer is not None
    threads, found = answer
    assert found.ready(0.9) <= load.within
    is_too_few = threads - 1 < simulation.IDLE * offered(load, 0.01)
    assert is_too_few or of_fleet(load, threads - 1, 0.01).ready(0.9) > load.within


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"requests": 0, "tokens": 0}, "The provider has no limits."),
        ({"requests": 5000, "tokens": 0}, "allows 5,000 requests a minute."),
        ({"requests": 0, "tokens": 5e5, "at_once": 9},
         "allows 0.5 million tokens a minute, 9 calls at once."),
    ],
)  # fmt: skip
def test_every_limit_is_named(limits: dict[str, Any], words: str) -> None:
    assert words in report.assumptions(Workload(1, **limits))


def test_the_page_says_why_its_bill_is_not_that_of_the_command() -> None:
    """Both agree for as many reads and one process of each, but for the memory of Redis."""
    needed = sized(100, 6, requests=READS)
    ours = bill_of(needed.use, prices.load().platforms["Railway"])
    usual = use_of(measured.load().stacks[needs.WITH_MODEL], Load(100 * DAYS, READS, needs.MONTHS))
    theirs = bill_of(usual, prices.load().platforms["Railway"])
    assert (ours.cores, ours.egress, ours.storage) == pytest.approx(
        (theirs.cores, theirs.egress, theirs.storage)
    )
    assert ours.memory == pytest.approx(theirs.memory, rel=0.01)
    page = " ".join(report.PAGE.read_text("utf-8").split())
    assert f"it assumes {READS} reads instead of {needs.REQUESTS} requests" in page


def test_the_time_of_an_unusual_share_has_a_column_of_its_own() -> None:
    speed = Speed(2, {0.5: 50.0, 0.75: 75.0, 0.9: 90.0, 0.99: 99.0}, 1)
    lines = report.of_needs([needs.needs(replace(Workload(10), share=0.75), speed)], 0)
    assert "| ready, s: 50 / 75 / 90 / 99 % |" in lines
    assert "| 50 / 75 / 90 / 99 |" in lines
    assert "for the model" not in lines


def test_more_is_needed_for_more() -> None:
    loads = ((10, 2), (1000, 30), (10_000, 300), (100_000, 3000))
    found = [sized(a_day, threads) for a_day, threads in loads]
    for less, more in pairwise(found):
        assert less.use.memory < more.use.memory
        assert less.connections < more.connections
        assert less.use.commands < more.use.commands
        assert less.use.storage < more.use.storage
        assert less.limits[0][1] < more.limits[0][1]
    assert (found[0].pooled, found[-1].pooled > 0) == (0, True)
    assert [each.count("huey_content") for each in (found[0], found[-1])] == [1, 94]


def test_costs_are_in_proportion_to_the_contents() -> None:
    whole, speed = Workload(10_000), Speed(300, SHARES, 1)
    half = replace(whole, contents=45)
    one, other = (needs.needs(each, speed) for each in (whole, half))
    assert other.use.storage == pytest.approx(one.use.storage / 2)
    assert other.use.egress == pytest.approx(one.use.egress / 2)
    assert other.cores["api"] < one.cores["api"]


def test_servers_compute_for_requests_too() -> None:
    """As `roadmap cost` reckons it."""
    few, many = (sized(100_000, 3000, requests=each) for each in (0, 60))
    of_request = measured.load().stacks[needs.WITH_MODEL].servers_cpu_per_request
    for name in ("postgres", "redis"):
        more = few.workload.rate * 60 * of_request[name]
        assert many.cores[name] - few.cores[name] == pytest.approx(more)
    assert dict(many.limits)["one PostgreSQL's cores"] > dict(few.limits)["one PostgreSQL's cores"]


def test_connections_are_those_of_the_pools() -> None:
    urls = {
        "database_url": "postgresql://localhost/x",
        "redis_url": "redis://localhost",
        "secret_key": "k" * 40,
    }

    def of(service: str) -> int:
        return backends.most_connections(
            Settings.model_validate({**urls, "service_type": service, "content_workers": 32})
        )

    assert of("api") == needs.API_CONNECTIONS
    assert of("huey_logs") == needs.LOGS_THREADS + needs.BESIDE_LOGS
    assert of("huey_content") == 32 + needs.BESIDE_CONTENT


def test_a_message_is_no_longer_than_it_is_taken_for() -> None:
    message = content_queue.serialize_task(build_content.s("01a214da-8371-7071-b6f8-b0843398508c"))
    # with what the list and a trace add
    assert needs.MESSAGE / 2 < len(message) + 40 < needs.MESSAGE


@pytest.mark.parametrize(
    ("measured", "predicted", "is_most", "is_wrong"),
    [
        (10, 10, False, False),
        (14, 10, False, True),
        (7, 10, False, True),
        (1, 10, True, False),
        (11, 10, True, True),
    ],
)
def test_a_prediction_that_is_far_off_is_found_out(
    measured: float, predicted: float, is_most: bool, is_wrong: bool
) -> None:
    compared = Compared("busy", "seconds", measured, predicted, is_most)
    assert compared.is_wrong() is is_wrong
    assert ("**wrong**" in table([compared])) is is_wrong


def test_the_page_has_the_table_that_the_program_makes() -> None:
    page = report.PAGE.read_text("utf-8")
    assert report.section().within(page) == page
    assert report.checked_section().within(page) == page
    assert [load["a_day"] for load in report.kept()["loads"]] == list(report.LOADS)


@pytest.mark.parametrize("a_day", [1, 100])
def test_what_is_kept_for_the_page_is_what_the_simulation_finds_now(a_day: int) -> None:
    kept = {load["a_day"]: load for load in report.kept()["loads"]}[a_day]
    load = Workload(a_day)
    assert needs.as_kept(needs.needs(load, speed_of(load))) == kept


ABOVE_ZERO = ("--roadmaps", "--latency", "--outline-latency", "--within", "--share")
FROM_ONE = ("--outline-calls", "--busiest", "--contents", "--threads")
FROM_ZERO = ("--spread", "--outline-spread", "--requests", "--tokens", "--at-once", "--price")
TOO_MUCH = {
    **{
        "--roadmaps": "10000001",
        "--latency": "3601",
        "--outline-latency": "3601",
        "--within": "31536001",
        "--share": "1",
    },
    **{"--outline-calls": "101", "--busiest": "24.1", "--contents": "10001", "--threads": "65"},
    **{
        "--spread": "3.1",
        "--outline-spread": "3.1",
        "--requests": "1e13",
        "--tokens": "1e13",
        "--price": "1000001",
    },
    **{"--at-once": "1000000001"},
}
BAD = [
    *(
        (option, bad)
        for option in TOO_MUCH
        for bad in ("nan", "inf", "-1", "1e400", "many", "", TOO_MUCH[option])
    ),
    *((option, "0") for option in (*ABOVE_ZERO, *FROM_ONE)),
    *(
        ("--requests", "0.5"),
        ("--tokens", "1e-320"),
        ("--contents", "1.5"),
        ("--at-once", "nan"),
        ("--threads", "9" * 5000),
    ),
]


@pytest.mark.parametrize(("option", "bad"), BAD)
def test_an_option_out_of_bounds_is_reported_with_its_bounds(
    option: str, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"{option}={bad}"])
    output = capsys.readouterr()
    assert (ended.value.code, output.out, output.err.count("\n")) == (2, "", 1)
    assert output.err.startswith(f"error: argument {option}: {bad[:40]!r} was given, allowed is ")


def test_every_option_with_a_value_is_bounded() -> None:
    """And its usual value is within the bounds."""
    valued = [action for action in parser()._actions if action.nargs != 0]
    assert (
        {action.option_strings[0] for action in valued}
        == {*TOO_MUCH}
        == {*ABOVE_ZERO, *FROM_ONE, *FROM_ZERO}
    )
    for action in valued:
        assert isinstance(action.type, Number)
        assert action.default is None or action.type(str(action.default)) == action.default
    (of_threads,) = [action.type for action in valued if action.option_strings == ["--threads"]]
    for allowed in (1, 64):
        assert (
            of_threads(str(allowed))
            == Settings(service_type="all", content_workers=allowed).content_workers
        )
    for wrong in (0, 65):
        with pytest.raises(ValidationError, match="content_workers"):
            Settings(service_type="all", content_workers=wrong)


@pytest.mark.parametrize(
    "options",
    [
        "--roadmaps=1e7 --latency=3600 --spread=3 --outline-latency=3600 --outline-spread=3 "
        "--outline-calls=100 --busiest=24",
        "--roadmaps=10000000 --latency=1e-9 --spread=0 --outline-latency=1e-9 --busiest=24 "
        "--contents=1 --outline-calls=1",
        pytest.param("--roadmaps=1 --contents=10000", marks=pytest.mark.long),
        "--roadmaps=0.001 --within=1e-9 --share=0.999999",
        "--roadmaps=10000000 --requests=1 --tokens=1 --at-once=1 --threads=1 --price=1000000",
    ],
)
def test_the_largest_values_come_to_an_end(
    options: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here with fewer roadmaps than usual."""
    monkeypatch.setattr(simulation, "MOST_CALLS", 2_000)
    assert main(options.split()) == 0
    assert "inf" not in capsys.readouterr().out
