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
from core.texts import gettext_noop, texts
from roadmap import task_measures
from roadmap.execution_log import ledger
from roadmap.task_measures import STEPS, Period, since_of
from tasks import inspection
from tasks.inspection import QueueState, WorkerInfo
from web.endpoint import Call
from web.pages.charts import sparkline, throughput
from web.pages.look import language_of
from web.pages.operator.acts import said_of
from web.pages.operator.room import address, room_page
from web.pages.operator.words import RoomWords
from web.pages.page import AnyQuery, is_part

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
    charts: list[tuple[Period, str, Markup, Sequence[task_measures.Point]]]


def show(call: Call) -> Response:
    query: OverviewQuery = call.query
    told: dict[str, Any] = {"broker": _broker(), "ledger": ledger(), "is_live": query.live != "off"}
    if is_part(call.request):
        return room_page(call, "operator/overview_live.html", **told)
    said = said_of(texts(language_of(call.request)), query.did, query.queue, query.count)
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
            sorted(inspection.queue_states(with_retrying=True), key=lambda queue: queue.name),
            inspection.workers(),
        )
    except Unavailable:
        return None


def _measured(call: Call) -> dict[str, Any]:
    words = texts(language_of(call.request))
    span: Period = call.query.span
    spans = {each: address("/admin", span=each, live=call.query.live) for each in Period}
    histories = [_history(RoomWords(words), name) for name in sorted(inspection.QUEUES)]
    return {
        "histories": histories,
        "tasks": task_measures.per_task(since_of(span)),
        "span": span,
        "spans": spans,
    }


def _history(words: RoomWords, queue: str) -> History:
    depths = task_measures.depths(queue, since_of(Period.hour), STEPS[Period.hour])
    waiting = sparkline([depth.ready for depth in depths], words.waiting(depths))
    charts: list[tuple[Period, str, Markup, Sequence[task_measures.Point]]] = []
    for span in Period:
        points = task_measures.series(queue, since_of(span), STEPS[span])
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
