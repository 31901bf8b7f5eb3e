"""The simulation of workers and what is computed from it: laws that hold whatever is asked, and the page as it is said now."""

import random as dice
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from math import ceil, inf, nan
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.capacity import check, money, needs, report, threads
from benchmarks.capacity.__main__ import Number, default_workload, main, parser
from benchmarks.capacity.check import Compared
from benchmarks.capacity.needs import Terms
from benchmarks.capacity.pacing import Pacing, Provider
from benchmarks.capacity.simulation import LONGEST_PAUSE, Fleet, Found, Simulation
from benchmarks.capacity.threads import Effort, Speed, speed_of
from benchmarks.capacity.unit_costs import WITH_MODEL, fleet_of, offered, unit_costs
from benchmarks.capacity.workload import HOUR, Latency, Limits, Workload
from cli.costs import measured, prices
from cli.costs.bill import DAYS, READS, Load, bill_of, use_of
from core import storage
from core.settings import ServiceType, Settings
from roadmap import attempts
from roadmap.pace import Busy, Pace
from tasks.content import build_content
from tasks.queues import content_queue

COSTS = unit_costs()
SMALL = Workload(100_000, contents=12, outline=Latency(2, 0.3), content=Latency(1, 0.5), within=60)
fleets = st.builds(
    Fleet,
    threads=st.integers(1, 40),
    each=st.integers(1, 16),
    cpu=st.sampled_from([0, 0.01]),
    wait=st.just(0.01),
)
limits = st.builds(
    Limits,
    requests=st.sampled_from([0, 3, 20]),
    at_once=st.sampled_from([0, 2, 9]),
    window=st.sampled_from([1.0, 7.0]),
)
streams = st.lists(st.floats(0, 60), min_size=1, max_size=12)
seeds = st.integers(0, 1000)


def made(workload: Workload, fleet: Fleet, arrivals: list[float], seed: int) -> Found:
    return Simulation(workload, fleet, seed).run_all(arrivals)


@given(fleets, limits, streams, seeds)
@settings(max_examples=60, deadline=None)
def test_littles_law_holds_and_no_work_is_lost(
    fleet: Fleet, limit: Limits, arrivals: list[float], seed: int
) -> None:
    """What is in a system in the mean is what comes a second, times how long it stays: of roadmaps, messages and threads."""
    found = made(replace(SMALL, limits=limit), fleet, arrivals, seed)
    assert len(found.roadmaps) == len(arrivals)
    assert found.area_open == pytest.approx(sum(each.seconds for each in found.roadmaps), rel=1e-6)
    assert found.area_waiting == pytest.approx(found.waited, rel=1e-6, abs=1e-6)
    written = SMALL.contents * len(arrivals) - found.failed
    assert found.failed or 2 * len(arrivals) <= found.calls - written <= 3 * len(
        arrivals
    )  # those for the outlines
    assert min(each.seconds for each in found.roadmaps) > 0
    assert found.most_busy <= fleet.threads


@given(fleets, streams, seeds)
@settings(max_examples=60, deadline=None)
def test_no_thread_idles_beside_a_message_that_is_ready(
    fleet: Fleet, arrivals: list[float], seed: int
) -> None:
    found = made(SMALL, fleet, arrivals, seed)
    assert found.unused == 0
    assert found.busy >= found.called
    assert found.area_busy == pytest.approx(
        found.busy, rel=0.02, abs=0.1
    )  # the last thread is not free at the end yet
    assert found.failed == found.refused == found.passes == 0


@given(fleets, streams, seeds, st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_more_workers_make_it_no_slower(
    fleet: Fleet, arrivals: list[float], seed: int, more: int
) -> None:
    """In the mean. One roadmap can be later: an outline that is there sooner brings contents that are then before its own."""
    few = made(SMALL, fleet, arrivals, seed)
    many = made(SMALL, replace(fleet, threads=fleet.threads + more), arrivals, seed)
    assert mean(many) <= mean(few) * 1.03
    assert many.seconds <= few.seconds * 1.05


def mean(found: Found) -> float:
    return sum(each.seconds for each in found.roadmaps) / len(found.roadmaps)


@given(fleets, st.integers(1, 30), st.sampled_from([1.0, 7.0, 60.0]), streams, seeds)
@settings(max_examples=60, deadline=None)
def test_a_limit_of_requests_is_never_exceeded(
    fleet: Fleet, most: int, window: float, arrivals: list[float], seed: int
) -> None:
    limit = Limits(requests=most, window=window)
    found = made(replace(SMALL, limits=limit), fleet, arrivals, seed)
    begun = found.begun
    assert found.calls == len(begun)
    assert all(
        later - first >= window - 1e-9 for first, later in zip(begun, begun[most:], strict=False)
    )


@given(st.integers(1, 9), st.lists(st.sampled_from("fcbwsr"), max_size=60), seeds)
@settings(max_examples=100, deadline=None)
def test_the_pace_is_that_of_the_service(limit: int, moves: list[str], seed: int) -> None:
    """The same moves at the same times with the same dice: the same slots, and the same waits."""
    now = 0.0
    real, ours = Pace(limit, now=lambda: now), Pacing(limit, Random(seed))
    chance, state = Random(seed + 1), dice.getstate()
    holding: list[Any] = []
    try:
        dice.seed(seed)
        for move in moves:
            now += chance.choice([0.0, 0.3, 2.5])
            began = ours.slowdowns
            if move in "fc":  # a slot, for what comes first or not
                slot = real.slot(first=move == "f")
                waited = waits(slot.__enter__)
                assert ours.admit(now, first=move == "f") == waited
                if not waited:
                    holding.append(slot)
            elif move == "b":
                assert ours.begin(now) == waits(real.begin)
            elif move == "w":
                on_a_new_thread(real.went_well)
                ours.went_well(began)
            elif move == "s":
                told = chance.choice([None, 1.5])
                on_a_new_thread(real.slow_down, told)
                ours.slow_down(now, began, told)
            elif holding:
                holding.pop().__exit__(None, None, None)
                ours.running -= 1
            assert real.slots == ours.slots
    finally:
        dice.setstate(state)


def on_a_new_thread(do: Callable[..., object], *given: object) -> None:
    """As of a request that has begun just now."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(do, *given).result()


def waits(ask: Callable[[], object]) -> float:
    try:
        ask()
    except Busy as busy:
        return busy.retry_after
    return 0.0


def test_outlines_overtake_and_contents_are_written_in_their_order() -> None:
    load = replace(SMALL, outline=Latency(1), content=Latency(1), outline_calls=2)
    found = made(load, Fleet(1, 1), [0.0, 5.0, 6.0], 1)
    first, second, third = sorted(found.roadmaps, key=lambda each: each.asked)
    assert [each.planned for each in (first, second, third)] == [
        0.0,
        5.0,
        7.0,
    ]  # each behind what runs already
    assert [each.ended for each in (first, second, third)] == [
        18.0,
        30.0,
        42.0,
    ]  # nobody's parts overtake another's


def test_the_same_question_has_the_same_answer() -> None:
    fleet = Fleet(60, 16, cpu=0.01)
    one, other = (Simulation(SMALL, fleet, 3).run(50, warm_up=10) for _ in range(2))
    assert [each.seconds for each in one.roadmaps] == [each.seconds for each in other.roadmaps]
    assert [each.seconds for each in one.roadmaps] != [
        each.seconds for each in Simulation(SMALL, fleet, 4).run(50, warm_up=10).roadmaps
    ]


def test_a_refused_call_is_tried_again_and_a_part_is_given_up_as_by_the_service() -> None:
    """One call, and then none for days: beyond its sixth try a part is given up, and the roadmap ends."""
    load = replace(SMALL, outline_calls=1, contents=3, limits=Limits(requests=1, window=1e6))
    found = made(load, Fleet(4, 4), [0.0], 1)
    assert found.failed == 3
    assert len(found.begun) == 1
    assert LONGEST_PAUSE == attempts.LONGEST_PAUSE


def test_a_provider_counts_tokens_and_calls_at_once_too() -> None:
    of_tokens = Provider(Limits(tokens=10, window=60))
    assert [of_tokens.refuses(at, 6) for at in (0.0, 1.0, 60.0)] == [0.0, 59.0, 0.0]
    at_once = Provider(Limits(at_once=1))
    assert [at_once.refuses(0.0, 1) for _ in range(2)] == [0.0, 1.0]
    at_once.running -= 1
    assert at_once.refuses(0.0, 1) == 0.0


def test_a_load_beyond_the_models_limit_is_told_and_not_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = replace(default_workload(1_000_000), contents=90)
    asked: list[Workload] = []

    def smallest(workload: Workload, *_: object) -> Speed:
        asked.append(workload)
        return Speed(30_000, (1, 2, 3), 2, 0, 1, 1, 0)

    monkeypatch.setattr(threads, "smallest", smallest)
    found = needs.needs(load, COSTS, Terms())
    assert (
        found.why_not
        == "not possible: the model's limits allow at most 156,182 a day of this shape"
    )
    assert [each.limits.exist for each in asked] == [False]
    assert load.most_a_day() == pytest.approx(30_000 * 1440 / 92.2 / 3)


def test_what_no_number_of_threads_can_do_is_told() -> None:
    load = replace(SMALL, a_day=10, within=1.5)
    assert (
        needs.needs(load, COSTS, Terms()).why_not
        == "not possible: 90% are not ready within 1.5 s, however many threads work"
    )
    load = replace(load, share=0.999)
    assert (
        needs.needs(load, COSTS, Terms()).why_not
        == "not possible: 99.9% are not ready within 1.5 s, however many threads work"
    )


def test_the_smallest_number_of_threads_is_found() -> None:
    load = replace(SMALL, a_day=40_000)
    speed = threads.smallest(load, COSTS.of_size(12), 32, Effort())
    assert speed is not None
    assert speed.at_share == speed.ready[1] <= load.within
    assert speed.threads >= offered(load, COSTS.of_size(12))
    fewer = threads.simulated(load, COSTS.of_size(12), speed.threads - 1, 32, Effort())
    too_few = speed.threads - 1 < threads.IDLE * offered(load, COSTS.of_size(12))
    assert too_few or fewer.ready[1] > load.within


@pytest.mark.parametrize("share", [0.07, 0.25, 0.5, 0.7, 0.95, 0.995])
def test_the_asked_share_is_judged_and_no_other(share: float) -> None:
    load, costs = replace(SMALL, a_day=5_000, share=share), COSTS.of_size(12)
    speed = threads.simulated(load, costs, 5, 5, Effort())
    count = max(threads.FEWEST, ceil(load.rate * HOUR))
    found = Simulation(load, fleet_of(load, costs, 5, 5)).run(count, warm_up=threads.WARM_UP)
    ready = sorted(each.seconds for each in found.roadmaps)
    within = sum(seconds <= speed.at_share for seconds in ready) / found.wanted
    assert (
        0 <= within - share < 1 / found.wanted + 1e-9
    )  # the smallest time within which so many are ready
    asked = threads.smallest(replace(load, within=speed.at_share), costs, 12, Effort())
    assert asked is not None
    assert asked.at_share <= speed.at_share


def test_a_share_is_exact_though_no_float_is() -> None:
    """A hundred times 0.07 is 7.000000000000001."""
    found = made(SMALL, Fleet(4, 4), [float(each) for each in range(100)], 1)
    assert found.at(0.07) == sorted(each.seconds for each in found.roadmaps)[6]


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.9, "90%"),
        (0.999, "99.9%"),
        (0.07, "7%"),
        (0.123456, "12.3456%"),
        (0.99999999999, "99.999999999%"),
    ],
)
def test_a_share_is_told_with_all_of_its_digits(share: float, told: str) -> None:
    assert threads.percent(share) == told
    assert f" {told} are to be ready within 600 s." in report.told_of(
        replace(default_workload(), share=share), Terms()
    )


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (Limits(), "the model's provider has no limits."),
        (Limits(requests=5000), "the model's provider allows 5,000 requests a minute."),
        (Limits(tokens=500_000), "the model's provider allows 0.5 million tokens a minute."),
        (
            Limits(requests=1, tokens=4e6),
            "the model's provider allows 1 request and 4 million tokens a minute.",
        ),
        (Limits(at_once=1), "the model's provider allows 1 call at once."),
        (
            Limits(requests=9, at_once=20),
            "the model's provider allows 9 requests a minute, and 20 calls at once.",
        ),
        (
            Limits(requests=9, tokens=4_500_000, at_once=2000),
            "the model's provider allows 9 requests and 4.5 million tokens a minute, and 2,000 calls at once.",
        ),
    ],
)
def test_every_limit_is_told(limit: Limits, told: str) -> None:
    assert told in report.told_of(replace(default_workload(), limits=limit), Terms())


def test_the_page_says_why_its_bill_is_not_that_of_the_command() -> None:
    """With as many reads and one process of each service, they are the same but for the memory of Redis."""
    load = default_workload(100)
    needed = needs.sized(load, COSTS, Terms(requests=READS), Speed(6, (1, 2, 3), 2, 0, 1, 0, 0), "")
    ours = bill_of(money.use_of(needed), prices.load().platforms["Railway"])
    usual = use_of(measured.load().stacks[WITH_MODEL], Load(100 * DAYS, READS, money.MONTHS))
    theirs = bill_of(usual, prices.load().platforms["Railway"])
    assert (ours.cores, ours.egress, ours.storage) == pytest.approx(
        (theirs.cores, theirs.egress, theirs.storage)
    )
    assert ours.memory == pytest.approx(theirs.memory, rel=0.01)
    page = " ".join(report.PAGE.read_text("utf-8").split())
    assert (
        f"it reckons {READS} reads of a roadmap (`--reads`) instead of {Terms().requests:g} requests"
        in page
    )


def test_the_time_of_an_unusual_share_has_a_column_of_its_own() -> None:
    load = replace(default_workload(10), share=0.75)
    speed = Speed(2, (50.0, 90.0, 99.0), 75.0, 0, 1, 1, 0)
    assert "| ready, s: 50 / 75 / 90 / 99 % |" in (
        table := report.of_needs([needs.sized(load, COSTS, Terms(), speed, "")], 0)
    )
    assert "| 50 / 75 / 90 / 99 |" in table
    never = replace(speed, ready=(50.0, 90.0, inf), at_share=90.0)
    table = report.of_needs([needs.sized(replace(load, share=0.9), COSTS, Terms(), never, "")], 0)
    assert "| ready, s: 50 / 90 / 99 % |" in table
    assert "| 50 / 90 / never |" in table


def test_more_is_needed_for_more() -> None:
    speeds = [Speed(count, (1, 2, 3), 2, 0, 1, 10 * count, 0) for count in (2, 30, 300, 3000)]
    loads = [Workload(a_day) for a_day in (10, 1000, 10_000, 100_000)]
    found = [
        needs.sized(load, COSTS, Terms(), speed, "")
        for load, speed in zip(loads, speeds, strict=True)
    ]
    for less, more in pairwise(found):
        assert less.memory < more.memory
        assert less.connections < more.connections
        assert less.commands_a_month < more.commands_a_month
        assert less.storage_gb < more.storage_gb
        assert less.limits[0][1] < more.limits[0][1]
    assert (found[0].connections_pooled, found[-1].connections_pooled > 0) == (0, True)
    assert found[0].part("huey_content").instances == 1
    assert found[-1].part("huey_content").instances == 94
    assert found[-1].part("pgbouncer").instances == 1


def test_costs_are_in_proportion_to_the_contents() -> None:
    half = COSTS.of_size(45)
    assert half.stored == COSTS.stored / 2
    assert (
        half.parts["huey_content"].cpu_per_roadmap
        == COSTS.parts["huey_content"].cpu_per_roadmap / 2
    )
    assert half.parts["huey_content"].memory == COSTS.parts["huey_content"].memory


def test_a_larger_tree_costs_more_to_read() -> None:
    double = COSTS.of_size(2 * COSTS.contents)
    assert double.parts["api"].cpu_per_request == 2 * (COSTS.parts["api"].cpu_per_request or 0) > 0
    assert double.parts["postgres"].cpu_per_request is None
    assert double.servers_cpu_per_request == {
        name: 2 * each for name, each in COSTS.servers_cpu_per_request.items()
    }
    assert double.sent_for_each == 2 * COSTS.sent_for_each


def test_servers_compute_for_requests_too() -> None:
    """As `roadmap cost` reckons it."""
    load, speed = Workload(100_000), Speed(3000, (1, 2, 3), 2, 0, 1, 10, 0)
    few, many = (needs.sized(load, COSTS, Terms(requests=each), speed, "") for each in (0, 60))
    for name in ("postgres", "redis"):
        more = load.rate * 60 * COSTS.servers_cpu_per_request[name]
        assert many.part(name).cores_busiest - few.part(name).cores_busiest == pytest.approx(more)
        assert many.part(name).cores - few.part(name).cores == pytest.approx(more / load.busiest)
    assert dict(many.limits)["one PostgreSQL's cores"] > dict(few.limits)["one PostgreSQL's cores"]


def test_connections_are_those_of_the_pools() -> None:
    urls = {
        "database_url": "postgresql://localhost/x",
        "redis_url": "redis://localhost",
        "secret_key": "k" * 40,
    }

    def of(service: ServiceType) -> int:
        return storage.most_connections(
            Settings.model_validate({**urls, "service_type": service, "content_workers": 32})
        )

    assert of(ServiceType.api) == needs.API_CONNECTIONS
    assert of(ServiceType.huey_logs) == needs.LOGS_THREADS + needs.BESIDE_LOGS
    assert of(ServiceType.huey_content) == 32 + needs.BESIDE_CONTENT


def test_a_message_is_no_longer_than_it_is_taken_for() -> None:
    message = content_queue.serialize_task(build_content.s("01a214da-8371-7071-b6f8-b0843398508c"))
    assert (
        needs.MESSAGE / 2 < len(message) + 40 < needs.MESSAGE
    )  # with what the list and a trace add


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
    assert ("**wrong**" in check.table([compared])) is is_wrong


def test_the_page_has_the_table_that_the_program_makes() -> None:
    costs, terms = unit_costs(), Terms()
    page = report.PAGE.read_text("utf-8")
    assert report.section(default_workload(), costs, terms).within(page) == page
    assert report.checked_section().within(page) == page
    assert [load["a_day"] for load in report.kept()["loads"]] == list(report.LOADS)


@pytest.mark.parametrize("a_day", [1, 100])
def test_what_is_kept_for_the_page_is_what_the_simulation_finds_now(a_day: int) -> None:
    kept = {load["a_day"]: load for load in report.kept()["loads"]}[a_day]
    speed, why_not = speed_of(default_workload(a_day), unit_costs(), Terms().each)
    (again,) = report.as_kept(
        [needs.sized(default_workload(a_day), unit_costs(), Terms(), speed, why_not)]
    )
    assert {**again["speed"], "ready": list(again["speed"]["ready"])} == kept["speed"]


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {name: value}
            for name in ("a_day", "busiest", "outline_calls", "within", "share")
            for value in (nan, -1, 0)
        ),
        *({name: inf} for name in ("a_day", "busiest", "outline_calls", "share")),
        {"busiest": 25},
        {"contents": 0},
        {"share": 1},
        *(
            {"limits": Limits(**{name: value})}
            for name in ("requests", "tokens", "window", "at_once")
            for value in (nan, -1)
        ),
    ],
)
def test_an_unusual_day_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"needs|busiest|limit"):
        Workload(**{"a_day": 1, **wrong})


@pytest.mark.parametrize(
    ("median", "spread"), [(nan, 0), (0, 0), (-1, 0), (inf, 0), (1, nan), (1, -1), (1, inf)]
)
def test_a_latency_that_there_is_not_is_refused(median: float, spread: float) -> None:
    with pytest.raises(ValueError, match="latency"):
        Latency(median, spread)


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
def test_an_option_out_of_bounds_is_told_with_what_is_allowed(
    option: str, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"{option}={bad}"])
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith(f"error: argument {option}: {bad[:40]!r} was given, allowed is ")


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
        "--roadmaps=1e7 --latency=3600 --spread=3 --outline-latency=3600 --outline-spread=3 --outline-calls=100 --busiest=24",
        "--roadmaps=10000000 --latency=1e-9 --spread=0 --outline-latency=1e-9 --busiest=24 --contents=1 --outline-calls=1",
        "--roadmaps=1 --contents=10000",
        "--roadmaps=0.001 --within=1e-9 --share=0.999999",
        "--roadmaps=10000000 --requests=1 --tokens=1 --at-once=1 --threads=1 --price=1000000",
    ],
)
def test_the_largest_values_come_to_an_end(
    options: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told, or refused in one sentence when too much would have to be simulated; here less is too much."""
    monkeypatch.setattr(threads, "MOST_EVENTS", 2_000_000)
    code, said = main(options.split()), capsys.readouterr()
    assert (code, "error" in said.err, bool(said.out)) in ((0, False, True), (2, True, False))
    assert "inf" not in said.out
    assert code == 0 or "takes too long to simulate" in said.err


def test_what_is_never_ready_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    never = Speed(1, (inf, inf, inf), inf, inf, 1, 1, 0)
    monkeypatch.setattr(threads, "simulated", lambda *_: never)
    with pytest.raises(ValueError, match="never ready"):
        speed_of(SMALL, COSTS, 32)
