"""The first page of the operator's room: how the queues are, what their tasks have done, and who works on them.

What the broker knows is fetched every two seconds, what is measured every fifteen: it changes no sooner. While the broker is
away, which is when one looks, the page says so and shows what the database knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from core.errors import Unavailable
from core.i18n import gettext_noop, texts
from roadmap.operations import task_stats
from roadmap.operations.execution_log import ledger
from roadmap.operations.task_stats import STEPS, Period, since_of
from tasks import queue_admin
from tasks.message_browser import WorkerInfo
from tasks.queue_admin import QueueState
from web.call import Call
from web.pages.admin.actions import success_message
from web.pages.admin.charts import sparkline, throughput
from web.pages.admin.formatters import Formatters
from web.pages.admin.layout import address, room_page
from web.pages.forms import AnyQuery, is_part
from web.pages.preferences import language_of

TITLES = {
    Period.hour: gettext_noop("The last hour, by the minute"),
    Period.day: gettext_noop("The last day, by quarters of an hour"),
}


class OverviewQuery(AnyQuery):
    """`live`: off, to keep the page as it is. `span`: of the table of tasks. `did`, `count`, `queue`: what was
    done a moment ago.
    """

    live: str = ""
    span: Period = Period.hour
    did: str = ""
    count: int = 0
    queue: str = ""


@dataclass(frozen=True, slots=True)
class Broker:
    """What it says; None when it does not answer."""

    queues: list[QueueState]
    workers: list[WorkerInfo]


@dataclass(frozen=True, slots=True)
class History:
    """Of one queue: its charts, by how far they go back, and the steps in which something was."""

    queue: str
    waiting: Markup
    charts: list[tuple[Period, str, Markup, Sequence[task_stats.Point]]]


def show(call: Call) -> Response:
    query: OverviewQuery = call.query
    told: dict[str, Any] = {"broker": _broker(), "ledger": ledger(), "is_live": query.live != "off"}
    if is_part(call.request):
        return room_page(call, "operator/overview_live.html", **told)
    said = success_message(texts(language_of(call.request)), query.did, query.queue, query.count)
    return room_page(
        call, "operator/overview.html", said=said, switch=_switch(query), **told, **_measured(call)
    )


def show_measures(call: Call) -> Response:
    """The part that changes more slowly."""
    return room_page(
        call, "operator/measures.html", is_live=call.query.live != "off", **_measured(call)
    )


def _broker() -> Broker | None:
    try:
        return Broker(
            sorted(queue_admin.queue_states(with_retrying=True), key=lambda queue: queue.name),
            queue_admin.workers(),
        )
    except Unavailable:
        return None


def _measured(call: Call) -> dict[str, Any]:
    words = texts(language_of(call.request))
    span: Period = call.query.span
    spans = {each: address("/admin", span=each, live=call.query.live) for each in Period}
    histories = [_history(Formatters(words), name) for name in sorted(queue_admin.QUEUES)]
    return {
        "histories": histories,
        "tasks": task_stats.per_task(since_of(span)),
        "span": span,
        "spans": spans,
    }


def _history(words: Formatters, queue: str) -> History:
    depths = task_stats.depths(queue, since_of(Period.hour), STEPS[Period.hour])
    waiting = sparkline([depth.ready for depth in depths], words.waiting(depths))
    charts: list[tuple[Period, str, Markup, Sequence[task_stats.Point]]] = []
    for span in Period:
        points = task_stats.series(queue, since_of(span), STEPS[span])
        title = words.texts.gettext(TITLES[span])
        drawn = throughput(points, words.chart(f"{queue}: {title}", points), f"{queue}-{span}")
        charts.append(
            (
                span,
                title,
                drawn,
                [point for point in points if point.done or point.failed or point.retried],
            )
        )
    return History(queue, waiting, charts)


def _switch(query: OverviewQuery) -> str:
    """Where the page is live, or is so no more."""
    return address(
        "/admin",
        span="" if query.span is Period.hour else query.span,
        live="" if query.live == "off" else "off",
    )
