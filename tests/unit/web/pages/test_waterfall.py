"""The waterfall: nothing overlaps, every label in its place, texts escaped."""

import itertools
import random
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID
from xml.etree import ElementTree

import pytest

from core.i18n import ENGLISH, texts
from roadmap.exchange.map.text_width import text_width
from roadmap.lifecycle.timeline.spans import Span, SpanKind, SpanOutcome
from tests.cases import try_each
from web.pages.timeline_view import NAMES, bar_title, draw, legend, rows_in
from web.pages.waterfall import (
    APART,
    BREAK,
    FONT,
    LABEL_RIGHT,
    LEAST,
    LEFT,
    RIGHT,
    STEPS,
    Chart,
    SpanBar,
    arrange,
    duration_text,
    scale_of,
    ticks,
)

BEGIN = datetime(2026, 11, 26, 9, tzinfo=UTC)
WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverleihungsurkundenamt"
CHINESE = (
    "如何在一个普通家庭厨房里同时为八十位客人烘烤出外皮酥脆内部柔软且风味浓郁的乡村酸面包并准时上桌"
)
KINDS = ("tutorial", "resources", "quiz")


def span(
    kind: str, start: float, end: float | None, *, concept: int | None = None, **more: object
) -> Span:
    about = (
        {}
        if concept is None
        else {"concept_id": UUID(int=concept), "concept": f"Concept {concept}"}
    )
    outcome = SpanOutcome.ok if end is not None else SpanOutcome.running
    ended = None if end is None else BEGIN + timedelta(seconds=end)
    fields = {
        "id": f"{kind} {start} {concept} {more.get('name')}",
        "name": kind,
        "outcome": outcome,
        **about,
        **more,
    }
    return Span(
        kind=SpanKind(kind), started_at=BEGIN + timedelta(seconds=start), ended_at=ended, **fields
    )


def chart_of(spans: list[Span], *, now: float = 100, every: bool = False) -> Chart:
    return arrange(spans, BEGIN + timedelta(seconds=now), rows_in(ENGLISH), every=every)


def made_up(seed: int, concepts: int, *, bad: float = 0.2) -> list[Span]:
    """Make a roadmap of which a fifth of the tries fails; some parts overlap, some are short."""
    chance = random.Random(seed)
    spans = [
        span("queued", 0, 1),
        span("plan", 1, 9, attempt=1),
        span("analysis", 1, 3),
        span("outline", 3, 9),
    ]
    spans += [
        span("model_call", 1, 3, name="analysis"),
        span("model_call", 3.2, 8.9, name="outline"),
    ]
    for number in range(concepts):
        title = chance.choice([WORD, CHINESE, "Rye", ""])
        for part in KINDS:
            at = 9 + chance.random() * 200
            spans.append(span("queued", 9, at, concept=number, name=part))
            for attempt in range(1, 5):
                took = chance.choice([0.0, 0.001, 0.4, 7])
                failed = chance.random() < bad and attempt < 4
                outcome = SpanOutcome.failed if failed else SpanOutcome.ok
                about = {"concept": number, "name": part, "attempt": attempt}
                spans.append(
                    span("content", at, at + took, outcome=outcome, **about).model_copy(
                        update={"concept": title}
                    )
                )
                spans.append(span("model_call", at + took / 9, at + took * 0.9, **about))
                at += took
                if not failed:
                    break
                spans.append(span("retry", at, at + 0.5 * attempt, **about))
                at += 0.5 * attempt
    spans += [
        span("decision", 10, 10, name="roadmap.approved"),
        span("decision", 10.01, 10.01, name="roadmap.approved"),
    ]
    return [*spans, *(span("webhook", 200 + n / 4, 230, name="roadmap.ready") for n in range(4))]


def assert_nothing_overlaps(chart: Chart) -> None:
    for above, below in itertools.pairwise(chart.rows):
        assert below.y == pytest.approx(above.y + above.height)
    for row in chart.rows:
        assert text_width(row.label, FONT) <= LABEL_RIGHT
        lanes: dict[float, list[SpanBar]] = {}
        for bar in row.bars:
            assert LEFT <= bar.left < bar.right <= RIGHT + 1e-6
            assert row.y <= bar.y
            assert bar.y + bar.height <= row.y + row.height
            lanes.setdefault(bar.y, []).append(bar)
            for call in bar.inner:
                assert bar.left <= call.left < call.right <= bar.right
                assert bar.y <= call.y
                assert call.y + call.height <= bar.y + bar.height
        for bars in lanes.values():
            for before, after in itertools.pairwise(sorted(bars, key=lambda bar: bar.left)):
                assert before.right <= after.left + 1e-6, (before, after)
    for (_, before), (_, after) in itertools.pairwise(chart.ticks):
        assert after - before >= APART - 1e-6


class TestLayout:
    @try_each("every", [False, True])
    @try_each("concepts", [0, 1, 7, 20, 21, 60])
    @try_each("seed", range(5))
    def test_nothing_lies_over_anything(self, seed: int, concepts: int, every: bool) -> None:
        spans = made_up(seed, concepts, bad=0.5 if every else 0.05)
        chart = chart_of(spans, now=300, every=every)
        assert_nothing_overlaps(chart)
        shown = {
            each.id
            for row in chart.rows
            for bar in row.bars
            for each in (*bar.spans, *(c for i in bar.inner for c in i.spans))
        }
        folded = {id_ for row in chart.rows if row.key == "concepts" for id_ in row.concepts}
        must = [s for s in spans if s.concept_id not in folded and s.kind != SpanKind.queued]
        assert [each.id for each in must if each.id not in shown] == []

    def test_sixty_concepts_without_incident_share_rows_of_ten_unless_each_is_wanted(self) -> None:
        spans = made_up(1, 60, bad=0)
        together, every = chart_of(spans), chart_of(spans, every=True)
        assert [len(row.concepts) for row in together.rows if row.concepts] == [10] * 6
        assert [len(row.concepts) for row in every.rows if row.concepts] == [1] * 60

    def test_one_with_an_incident_keeps_a_row_of_its_own(self) -> None:
        spans = made_up(1, 60, bad=0)
        spans += [span("retry", 50, 60, concept=33, name="quiz")]
        rows = [row for row in chart_of(spans).rows if UUID(int=33) in row.concepts]
        assert [row.key for row in rows] == ["concept"]

    def test_parts_of_a_concept_that_are_written_at_once_have_lanes_of_their_own(self) -> None:
        spans = [span("content", 0, 10, concept=1, name=name) for name in KINDS]
        (row,) = chart_of(spans).rows
        assert len({bar.y for bar in row.bars}) == 3
        spans = [
            span("content", 20 * n, 20 * n + 10, concept=1, name=name)
            for n, name in enumerate(KINDS)
        ]
        (row,) = chart_of(spans).rows
        assert len({bar.y for bar in row.bars}) == 1

    def test_a_moment_is_seen_and_many_moments_become_one_bar(self) -> None:
        (row,) = chart_of(
            [span("content", 5, 5.0001, concept=1, name="quiz"), span("plan", 0, 100)]
        ).rows[1:]
        assert row.bars[0].right - row.bars[0].left >= LEAST
        spans = [
            span("content", n / 1000, n / 1000, concept=1, name="quiz", attempt=n)
            for n in range(50)
        ]
        (row,) = chart_of([*spans, span("plan", 0, 100)]).rows[1:]
        assert sum(len(bar.spans) for bar in row.bars) == 50
        assert len(row.bars) < 5

    def test_calls_that_belong_to_no_try_have_a_lane(self) -> None:
        (row,) = chart_of(
            [
                span("model_call", 0, 3, concept=1, name="quiz"),
                span("content", 5, 9, concept=1, name="quiz"),
            ]
        ).rows
        assert sorted((str(bar.kind), bar.y - row.bars[0].y) for bar in row.bars) == [
            ("content", 0.0),
            ("model_call", 16.0),
        ]

    def test_the_worst_of_a_bar_is_its_outcome(self) -> None:
        bad = span("content", 5, 5, concept=1, outcome=SpanOutcome.failed)
        good = span("content", 5.001, 5.001, concept=1)
        (row,) = chart_of([bad, good, span("plan", 0, 100)]).rows[1:]
        assert [bar.outcome for bar in row.bars] == [SpanOutcome.failed]

    def test_nothing_at_all(self) -> None:
        assert chart_of([]).rows == ()


class TestScale:
    def test_a_long_time_in_which_nothing_was_done_is_cut_out(self) -> None:
        scale = scale_of([(0, 60), (3 * 86_400, 3 * 86_400 + 60)], 3 * 86_400 + 60, 0, 1000)
        (gap,) = scale.gaps
        assert (gap.start, gap.end, gap.right - gap.left) == (60, 3 * 86_400, BREAK)
        assert scale.at(60) == pytest.approx((1000 - BREAK) / 2)
        assert (scale.at(-5), scale.at(10**9)) == (0, 1000)

    def test_a_short_one_is_not(self) -> None:
        assert scale_of([(0, 60), (69, 120)], 120, 0, 1000).gaps == []

    @try_each("seed", range(20))
    def test_it_goes_on_and_never_back(self, seed: int) -> None:
        chance = random.Random(seed)
        busy = [
            (at, at + chance.random() * 50)
            for at in (chance.random() * 10 ** chance.randint(1, 6) for _ in range(9))
        ]
        end = max(stop for _, stop in busy)
        scale = scale_of(busy, end, 100, 900)
        places = [scale.at(end * n / 200) for n in range(201)]
        assert places == sorted(places)
        assert (places[0], places[-1]) == (100, pytest.approx(900))

    @try_each("end", [0.001, 0.3, 7, 61, 3600, 10**6, 10**8])
    def test_ticks_are_round_and_apart(self, end: float) -> None:
        found = ticks(scale_of([(0, end)], end, 0, 800))
        assert all(b - a >= APART for (_, a), (_, b) in itertools.pairwise(found))
        if len(found) > 1 and end < 10**8:
            assert any((found[1][0] - found[0][0]) == pytest.approx(step) for step in STEPS)

    @try_each(
        ("seconds", "expected"),
        [
            (0, "0 s"),
            (0.24, "0.2 s"),
            (7, "7 s"),
            (90, "1:30"),
            (7205, "2:00:05"),
            (3 * 86_400 + 4 * 3600, "3 d 4:00"),
        ],
    )
    def test_texts_of_durations(self, seconds: float, expected: str) -> None:
        assert duration_text(seconds, 0.1 if seconds < 1 and seconds else 1) == expected

    def test_days_are_translated(self) -> None:
        chinese = duration_text(3 * 86_400, texts=texts("zh-Hans"))
        assert chinese == "3 天 0:00"


class TestDrawing:
    def drawn(self, spans: list[Span], language: str = "en") -> str:
        chart = chart_of(spans)
        words = texts(language)
        now = BEGIN + timedelta(seconds=100)
        return draw(
            chart, now, "How <it> was made", lambda id_: f"/admin/logs?a=1&concept={id_}", words
        )

    @pytest.mark.parametrize("language", ["en", "zh-Hans"])
    def test_it_is_well_formed_with_title_and_description_and_has_no_style_and_no_script(
        self, language: str
    ) -> None:
        svg = self.drawn(made_up(3, 30), language)
        root = ElementTree.fromstring(svg)
        names = {each.tag.rpartition("}")[2] for each in root.iter()}
        assert names <= {
            "svg",
            "title",
            "desc",
            "defs",
            "pattern",
            "path",
            "rect",
            "circle",
            "g",
            "a",
            "text",
        }
        assert not [
            each for each in root.iter() if set(each.attrib) & {"style", "onclick", "onload"}
        ]
        ids = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
        assert len(ids) == len(set(ids))
        assert {*root.attrib["aria-labelledby"].split(), root.attrib["aria-describedby"]} <= set(
            ids
        )

    def test_texts_are_escaped(self) -> None:
        nasty = span(
            "content", 0, 9, concept=1, reason='"><script>alert(1)</script>\x00\ud800'
        ).model_copy(update={"concept": "</title><img src=x onerror=alert(1)>"})
        svg = self.drawn([nasty])
        ElementTree.fromstring(svg)
        assert "<script" not in svg
        assert "<img" not in svg

    def test_states_differ_in_shape_and_not_in_colour_alone(self) -> None:
        found = legend(self.one_of_each(), ENGLISH)
        by_style = ("stopped", "interrupted")  # hollow, and with a dashed edge: operator.css
        work = (
            "Planning",
            "Analysis of the goal",
            "Plan design",
            "Plan repair",
            "Writing",
        )  # in different rows
        shapes = {re.sub(r'class="[^"]*"', "", svg) for svg, text in found if text not in by_style}
        assert len(shapes) == len(found) - len(by_style) - (len(work) - 1)

    @staticmethod
    def one_of_each() -> list[Span]:
        kinds = [span(kind, 0, 1) for kind in SpanKind]
        return [
            *kinds,
            *(
                span("content", 0, 1).model_copy(update={"outcome": outcome})
                for outcome in SpanOutcome
            ),
        ]

    def test_the_legend_has_what_is_in_the_picture_and_nothing_else(self) -> None:
        every = {text for _, text in legend(self.one_of_each(), ENGLISH)}
        assert every == {ENGLISH.gettext(NAMES[kind]) for kind in SpanKind} | {
            "failed",
            "interrupted",
            "stopped",
            "in progress",
        }
        assert [text for _, text in legend([span("analysis", 0, 1)], ENGLISH)] == [
            "Analysis of the goal"
        ]
        assert legend([], ENGLISH) == []

    def test_a_bar_says_in_words_what_it_is(self) -> None:
        chart = chart_of(
            [span("content", 3, 9, concept=1, name="quiz", attempt=2, reason="It was late.")]
        )
        (row,) = chart.rows
        found = bar_title(row.bars[0], chart, BEGIN + timedelta(seconds=100), ENGLISH)
        assert found == "Concept 1 · Quiz · done · 0 s + 6.0 s · attempt 2 · It was late."
