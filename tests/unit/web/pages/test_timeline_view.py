"""The timeline's table: names of its steps, and durations."""

from datetime import timedelta

from core import clock
from core.i18n import texts
from roadmap.lifecycle.timeline.spans import REVIEW, Span, SpanKind, SpanOutcome
from tests.cases import try_each
from web.pages.timeline_view import NAMES, duration_text, span_name


@try_each(
    ("kind", "name", "expected"),
    [
        (SpanKind.content, "quiz", "测验"),
        (SpanKind.content, "", "生成"),
        (SpanKind.wait, REVIEW, "等待批准"),
        (SpanKind.wait, "capacity", "等待并发名额或预算"),
    ],
)
def test_steps_have_names_of_the_readers_language(kind: SpanKind, name: str, expected: str) -> None:
    now = clock.now()
    span = Span(id="", kind=kind, name=name, started_at=now, ended_at=now, outcome=SpanOutcome.ok)
    assert span_name(span, texts("zh-Hans")) == expected


def test_every_kind_has_a_name() -> None:
    assert set(NAMES) == set(SpanKind)


@try_each(
    ("duration", "expected"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=0.24), "0.2 s"),
        (timedelta(seconds=7), "7 s"),
        (timedelta(seconds=90), "1:30"),
        (timedelta(hours=2, seconds=5), "2:00:05"),
        (timedelta(days=3, hours=4), "3 d 4:00"),
    ],
)
def test_texts_of_durations(duration: timedelta, expected: str) -> None:
    seconds = duration.total_seconds()
    assert duration_text(seconds, 0.1 if 0 < seconds < 1 else 1) == expected


def test_days_are_translated() -> None:
    assert duration_text(3 * 86_400, texts=texts("zh-Hans")) == "3 天 0:00"
