"""Arithmetic of the benchmarks, their report, and the requests that they send."""

import json
import re
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import looked
from benchmarks.effort import FULL
from benchmarks.figures import Sample, Spread, number, percentiles, ratio, spread, turns, values_of
from benchmarks.load import NAME, request
from benchmarks.load.client import endless
from benchmarks.report import (
    BEGIN,
    END,
    Results,
    markdown,
    results_of,
    table_of_targets,
    write_section,
)
from benchmarks.targets import (
    ACCEPT,
    BY_HAND,
    EMBEDDED,
    FASTAPI,
    MEMORY,
    NO_KEY,
    OURS,
    POSTS,
    PSS,
    SLOW_POSTS,
    TARGETS,
    Target,
)
from testing.stack import ROOT

FASTER = Target("as quick as it was promised", ACCEPT, POSTS, 10, peer=FASTAPI)
SMALL = Target("as small", MEMORY, PSS, 130, at_most=True)


def samples(
    contender: str, *values: float, subject: str = ACCEPT, measure: str = POSTS
) -> list[Sample]:
    return [
        Sample(subject, measure, contender, number, value) for number, value in enumerate(values)
    ]


def results(*found: Sample) -> Results:
    about = {"cores": "2", "load before": "0.1"}
    return Results("2026-01-05", about, {"Python": "3.11"}, {"fsync": "on"}, asdict(FULL), found)


def test_a_ratio_is_the_median_of_those_within_a_round() -> None:
    ours, theirs = {0: 10.0, 1: 40.0, 2: 90.0}, {0: 5.0, 1: 10.0, 2: 30.0, 3: 1.0}
    assert ratio(ours, theirs) == Spread(3.0, 2.0, 4.0)  # and not 40 / 7.5
    with pytest.raises(ValueError, match="no figures"):
        ratio({0: 1.0}, {1: 1.0})


def test_values_are_found_by_round() -> None:
    found = [*samples(OURS, 1, 2), *samples(FASTAPI, 3), *samples(OURS, 4, measure="another")]
    assert values_of(found, ACCEPT, POSTS, OURS) == {0: 1, 1: 2}
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=500))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float]) -> None:
    found = percentiles(values)
    assert set(found.values()) <= set(values)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)):
        assert sum(value <= found[name] for value in values) >= share * len(values) - 1e-9
        assert sum(value < found[name] for value in values) < share * len(values)


def test_percentiles_of_a_hundred() -> None:
    found = percentiles([float(value) for value in range(1, 101)])
    assert found == {"p50": 50, "p90": 90, "p99": 99, "p99.9": 100, "max": 100}


def test_contenders_take_turns_in_alternating_order() -> None:
    assert list(turns("ABC", 2)) == [(0, "A"), (0, "B"), (0, "C"), (1, "C"), (1, "B"), (1, "A")]


def test_a_target_compares_within_rounds_or_bounds_the_figure() -> None:
    found = [
        *samples(OURS, 80, 100),
        *samples(FASTAPI, 10, 10),
        *samples(OURS, 200, subject=MEMORY, measure=PSS),
    ]
    faster, small = FASTER.found(found), SMALL.found(found)
    assert (faster, small) == (Spread(9, 8, 10), Spread(200, 200, 200))
    assert faster
    assert small
    assert not FASTER.is_met(faster)
    assert not SMALL.is_met(small)
    assert FASTER.found(samples(OURS, 1)) is None


@pytest.mark.parametrize(("found", "is_worse"), [(7.6, False), (7.4, True), (90, False)])
def test_a_ratio_is_worse_by_more_than_a_quarter_of_the_usual_one(
    found: float, is_worse: bool
) -> None:
    assert replace(FASTER, usual=10).is_worse(Spread(found, 1, 99)) is is_worse
    assert not FASTER.is_worse(Spread(found, 1, 99))  # nothing is usual


@pytest.mark.parametrize(("found", "is_worse"), [(12.4, False), (12.6, True), (1, False)])
def test_of_what_should_be_small_more_is_worse(found: float, is_worse: bool) -> None:
    assert replace(SMALL, usual=10).is_worse(Spread(found, 1, 99)) is is_worse


def test_every_ratio_has_a_usual_one_and_nothing_else_has() -> None:
    assert [
        target.title for target in TARGETS if (target.peer is None) is not (target.usual is None)
    ] == []


class TestLooks:
    """Of three looks at a ratio, those that let the short form fail."""

    USUAL = next(
        target.usual
        for target in TARGETS
        if (target.subject, target.contender, target.peer) == (ACCEPT, OURS, FASTAPI)
    )

    def failures(self, *shares: float) -> tuple[list[str], list[list[str]]]:
        """Sentences, and subjects looked at again; each look finds a share of the usual ratio."""
        assert self.USUAL is not None
        usual, looks, asked = self.USUAL, iter(shares), list[list[str]]()

        def look(subjects: list[str]) -> Results:
            asked.append(subjects)
            return results(*samples(OURS, next(looks) * usual * 10), *samples(FASTAPI, 10))

        memory = samples(OURS, 217, subject=MEMORY, measure=PSS)  # is far from its target
        begun = results(*samples(OURS, next(looks) * usual * 10), *samples(FASTAPI, 10), *memory)
        seen, sentences = looked(begun, look)
        assert set(memory) <= set(seen.samples)
        return sentences, asked

    def test_a_ratio_that_is_no_worse_is_not_looked_at_again_though_its_target_is_missed(
        self,
    ) -> None:
        assert self.failures(0.8) == ([], [])

    @pytest.mark.parametrize("shares", [(0.7, 0.8), (0.7, 0.7, 0.8)])
    def test_one_good_look_is_enough(self, shares: tuple[float, ...]) -> None:
        assert self.failures(*shares) == ([], [[ACCEPT]] * (len(shares) - 1))

    def test_three_bad_looks_fail(self) -> None:
        (sentence,), asked = self.failures(0.7, 0.6, 0.5)
        assert self.USUAL is not None
        ratios = f"{number(self.USUAL / 2)}, usual is {self.USUAL:g}"
        assert sentence == (
            f"accepting a goal, everything on, against FastAPI + Celery: {ratios}; "
            "worse by more than a quarter at 3 looks"
        )
        assert asked == [[ACCEPT]] * 2

    def test_each_ratio_is_judged_by_its_own_looks(self) -> None:
        """Another that is worse at the second look alone does not fail."""
        first = results(*samples(OURS, 1), *samples(FASTAPI, 10), *samples(NO_KEY, 1000))
        second = results(*samples(OURS, 1000), *samples(FASTAPI, 10), *samples(NO_KEY, 1))
        looks = iter([second, second])
        assert looked(first, lambda _: next(looks))[1] == []


def test_targets_have_their_peer_or_control_beside_them() -> None:
    slow = [*samples(OURS, 8.5, measure=SLOW_POSTS), *samples(BY_HAND, 5, measure=SLOW_POSTS)]
    table = table_of_targets(
        [*samples(OURS, 110, 90), *samples(FASTAPI, 10, 10), *slow]
    ).splitlines()
    assert len({row.count("|") for row in table}) == 1
    assert table[2:] == [
        "| accepting a goal, everything on | 100 requests/s "
        "| FastAPI + Celery: 10 | 10 (9 to 11) | >= 10, met |",
        "| accepting at 100/s, 99 % less 3 ms, no error | 8.5 ms | asyncpg by hand: 5 "
        "| 1.1 | <= 1.5, met |",
    ]
    missed = table_of_targets([*samples(OURS, 90), *samples(FASTAPI, 10)])
    assert missed.endswith(">= 10, **missed** |")


def test_results_are_read_as_they_were_written() -> None:
    made = results(*samples(OURS, 1, 2))
    assert markdown(results_of(asdict(made))) == markdown(made)
    assert "Accepting goals" not in markdown(made)


def test_the_page_has_the_section_of_the_committed_results(tmp_path: Path) -> None:
    committed = results_of(json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8")))
    page, copy = ROOT / "docs" / "PERFORMANCE.md", tmp_path / "page.md"
    copy.write_text(page.read_text("utf-8"))
    write_section(copy, BEGIN, markdown(committed))
    assert copy.read_text("utf-8") == page.read_text("utf-8")


def test_the_page_is_short() -> None:
    lines = (ROOT / "docs" / "PERFORMANCE.md").read_text("utf-8").splitlines()
    assert len(" ".join(line for line in lines if not line.startswith("|")).split()) <= 2000


def test_a_section_is_written_between_its_markers_and_nothing_else_is_changed(
    tmp_path: Path,
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{BEGIN}\n\nold\n\n{END}\n\n## After\n\n{END}\n")
    write_section(page, BEGIN, "new")
    assert page.read_text() == f"# Page\n\n{BEGIN}\n\nnew\n\n{END}\n\n## After\n\n{END}\n"
    with pytest.raises(ValueError, match="has no <!-- another -->"):
        write_section(page, "<!-- another -->", "new")


def test_a_measure_of_several_contenders_has_a_row_and_its_subject_a_note() -> None:
    found = [*samples(OURS, 1, 3), *samples(FASTAPI, 2), *samples(BY_HAND, 5)]
    found += [*samples(OURS, 3, measure="of one alone"), *samples(OURS, 4, subject=EMBEDDED)]
    made = markdown(results(*found))
    row = "Accepting goals: POST, requests/s | Roadmap 2; FastAPI + Celery 2; asyncpg by hand 5"
    assert f"\n| {row} |\n" in made
    assert "\n- Accepting goals: latency in an open loop." in made
    assert "of one alone" not in made
    assert "Embedded mode" not in made


def test_a_figure_has_the_digits_that_it_can_mean() -> None:
    assert [number(value) for value in (12345.6, 100, 99.96, 1.2345, 0.012345, 0)] == [
        "12,346",
        "100",
        "100",
        "1.23",
        "0.0123",
        "0",
    ]


def test_a_request_says_how_long_its_body_is() -> None:
    made = request("POST", "/a", {"Accept": "x/y"}, '{"goal": "学"}')
    assert made.startswith("POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: x/y\r\n")
    assert "\r\nContent-Length: 15\r\n\r\n" in made
    assert request("GET", "/a", {}).endswith("127.0.0.1\r\n\r\n")


def test_names_in_requests_are_used_once_and_are_all_as_long() -> None:
    named = request("POST", "/", {"Idempotency-Key": NAME}, "{}")
    sent = list(islice(endless([named, "GET / HTTP/1.1\r\n\r\n"]), 8))
    found = [re.search(rb"Idempotency-Key: (\w+)\r\n", each) for each in sent[::2]]
    keys = {each[1] for each in found if each}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}
    assert set(sent[1::2]) == {b"GET / HTTP/1.1\r\n\r\n"}
