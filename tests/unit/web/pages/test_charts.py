"""Charts, read as XML: positions, texts, and charts of no data."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadmap.operations.task_stats import Ended
from tests.cases import try_each
from web.pages.admin.charts import (
    ABOVE,
    BELOW,
    GAP,
    HEIGHT,
    MOST_LABELS,
    SPARK_HEIGHT,
    SPARK_WIDTH,
    TOP,
    ChartLabels,
    nice,
    shortened,
    sparkline,
    throughput,
    tick_of,
)

BEGIN = datetime(2026, 1, 5, 9, 7, tzinfo=UTC)
MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)
BAR = re.compile(r"M([\d.]+) ([\d.]+)v(-?[\d.]+)h([\d.]+)v-?[\d.]+z")


def of_step(step: Ended) -> str:
    return f"{step.at:%H:%M} <{step.done}>"


WORDS = ChartLabels("The last hour & more", "3 done, 1 failed", "Nothing <yet>", of_step)


def steps(
    *counts: tuple[int, int, int], step: timedelta = MINUTE, begin: datetime = BEGIN
) -> list[Ended]:
    return [
        Ended(at=begin + step * number, done=done, failed=failed, retried=retried)
        for number, (done, failed, retried) in enumerate(counts)
    ]


def drawn(made: list[Ended]) -> ET.Element:
    return ET.fromstring(throughput(made, WORDS, "hour"))


def bars(svg: ET.Element, kind: str) -> list[tuple[float, float, float, float]]:
    """Left, top, height, width of each."""
    found = svg.find(f".//path[@class='{kind}']")
    if found is None:
        return []
    path = found.get("d", "")
    assert BAR.sub("", path) == ""
    return [
        (float(x), float(y), float(height), float(width))
        for x, y, height, width in BAR.findall(path)
    ]


def test_a_bar_is_as_high_as_its_number() -> None:
    svg = drawn(steps((10, 0, 0), (5, 0, 0), (0, 0, 0), (1, 0, 0)))
    room = ABOVE - TOP
    assert bars(svg, "done") == [
        (0.1, ABOVE, -room, 0.8),
        (1.1, ABOVE, pytest.approx(-room / 2), 0.8),
        (3.1, ABOVE, pytest.approx(-room / 10, rel=0.01), 0.8),
    ]


def test_what_went_wrong_stands_below_with_a_scale_of_its_own() -> None:
    svg = drawn(steps((1000, 1, 1), (1000, 0, 2)))
    assert bars(svg, "failed") == [(0.1, ABOVE + GAP, BELOW / 2, 0.8)]
    assert bars(svg, "retried") == [
        (0.3, ABOVE + GAP + BELOW / 2, BELOW / 2, 0.4),
        (1.3, ABOVE + GAP, BELOW, 0.4),
    ]


def test_one_among_many_can_be_seen() -> None:
    assert bars(drawn(steps((100_000, 0, 0), (1, 0, 0))), "done")[1][2] == -1


@given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 3), min_size=2, max_size=100))
def test_no_bar_leaves_the_chart(counts: list[tuple[int, int, int]]) -> None:
    svg = drawn(steps(*counts))
    for kind in ("done", "failed", "retried"):
        for x, y, height, width in bars(svg, kind):
            assert 0 <= x < x + width <= len(counts)
            assert TOP - 0.1 <= min(y, y + height) < max(y, y + height) <= ABOVE + GAP + BELOW + 1.1


def test_it_says_what_it_is_and_has_ids_of_its_own() -> None:
    svg = drawn(steps((1, 0, 0), (2, 0, 0)))
    assert (svg.get("role"), svg.get("aria-labelledby")) == ("img", "hour-title hour-desc")
    title, description = svg.find("title"), svg.find("desc")
    assert title is not None
    assert description is not None
    assert (title.get("id"), title.text) == ("hour-title", WORDS.title)
    assert (description.get("id"), description.text) == ("hour-desc", WORDS.description)


def test_steps_with_values_have_a_tooltip() -> None:
    svg = drawn(steps((1, 0, 0), (0, 0, 0), (0, 0, 1)))
    found = [(rect.get("x"), rect.findtext("title")) for rect in svg.findall(".//rect")]
    assert found == [("0", "09:07 <1>"), ("2", "09:09 <0>")]


def test_labels_are_few_and_at_round_times() -> None:
    hour = drawn(steps(*[(1, 0, 0)] * 60))
    assert [text.text for text in hour.findall("text[@y='152']")] == [
        "09:15",
        "09:30",
        "09:45",
        "10:00",
    ]
    day = drawn(
        steps(*[(1, 0, 0)] * 96, step=QUARTER, begin=datetime(2026, 1, 5, 9, 15, tzinfo=UTC))
    )
    assert [text.text for text in day.findall("text[@y='152']")] == [
        "12:00",
        "18:00",
        "00:00",
        "06:00",
    ]
    assert [text.text for text in day.findall("text[@class='number']")] == ["1", "0", "1"]


def test_a_label_at_an_edge_stays_inside() -> None:
    svg = drawn(steps(*[(1, 0, 0)] * 61, begin=datetime(2026, 1, 5, 9, 0, tzinfo=UTC)))
    assert [text.get("class") for text in svg.findall("text[@y='152']")] == [
        *("time first", "time middle", "time middle", "time middle", "time last")
    ]


@pytest.mark.parametrize(
    "made", [[], steps((0, 0, 0)), steps((0, 0, 0), (0, 0, 0))], ids=["no step", "one", "two"]
)
def test_of_nothing_it_says_that_there_is_nothing(made: list[Ended]) -> None:
    svg = drawn(made)
    assert [text.text for text in svg.findall("text[@class='nothing']")] == [WORDS.nothing]
    assert svg.findall(".//path") == svg.findall(".//rect") == []
    assert svg.get("height") == str(HEIGHT)


@given(st.integers(0, 10**12))
def test_an_axis_ends_at_a_round_number_that_is_not_far(most: int) -> None:
    end = nice(most)
    assert max(1, most) <= end <= max(1, most * 2.5)
    assert re.fullmatch("[125]0*", str(end))


@given(st.timedeltas(min_value=timedelta(minutes=2), max_value=timedelta(days=2)))
def test_there_are_never_more_labels_than_a_phone_has_room_for(length: timedelta) -> None:
    assert length / tick_of(length) <= MOST_LABELS


@try_each(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (2500, "2.5k"),
        (50_000, "50k"),
        (500_000, "500k"),
        (10**6, "1M"),
    ],
)
def test_long_numbers_are_shortened(number: int, text: str) -> None:
    assert shortened(number) == text


class TestSparkline:
    def test_it_goes_from_edge_to_edge_and_ends_with_a_dot(self) -> None:
        svg = ET.fromstring(sparkline([0, 5, 10], "Waiting & more"))
        assert svg.findtext("title") == "Waiting & more"
        line, dot = svg.find("path"), svg.find("circle")
        assert line is not None
        assert dot is not None
        assert (
            line.get("d")
            == f"M2 {SPARK_HEIGHT - 3}L{SPARK_WIDTH // 2} {SPARK_HEIGHT // 2}L{SPARK_WIDTH - 2} 3"
        )
        assert (dot.get("cx"), dot.get("cy")) == (str(SPARK_WIDTH - 2), "3")

    def test_a_missing_value_is_a_gap(self) -> None:
        path = ET.fromstring(sparkline([1, 1, None, 1], "")).find("path")
        assert path is not None
        assert path.get("d") == "M2 3L32.7 3M94 3L94 3"

    @pytest.mark.parametrize("values", [[], [None, None]])
    def test_of_nothing_it_is_a_line_that_says_so(self, values: list[float | None]) -> None:
        svg = ET.fromstring(sparkline(values, "Waiting"))
        assert [path.get("class") for path in svg.findall("path")] == ["none"]
        assert svg.find("circle") is None

    @given(st.lists(st.one_of(st.none(), st.floats(0, 1e9)), max_size=70))
    def test_nothing_leaves_it(self, values: list[float | None]) -> None:
        for path in ET.fromstring(sparkline(values, "")).findall("path[@class='line']"):
            for x, y in re.findall(r"([\d.]+) ([\d.]+)", path.get("d", "")):
                assert 2 <= float(x) <= SPARK_WIDTH - 2
                assert 3 <= float(y) <= SPARK_HEIGHT - 3
