"""The first page for operators: queues, statistics of tasks, and workers.

The state of the broker is fetched every two seconds, statistics every fifteen: these change no
sooner. While the broker is unreachable, the page says so and shows the state in the database.
"""

from typing import Any

from starlette.responses import Response

from core.errors import Unavailable
from core.i18n import gettext_noop
from roadmap.operations import task_stats
from roadmap.operations.execution_log import ledger
from roadmap.operations.task_stats import STEPS, Period, since_of
from tasks import queue_admin
from tasks.queues import QUEUES
from web.call import Call
from web.pages.admin.actions import success_message
from web.pages.admin.charts import sparkline, throughput
from web.pages.admin.layout import Formatters, address, admin_page
from web.pages.forms import AnyQuery, is_part
from web.pages.templates import texts_of

TITLES = {
    Period.hour: gettext_noop("The last hour, minute by minute"),
    Period.day: gettext_noop("The last day, in steps of 15 minutes"),
}


class OverviewQuery(AnyQuery):
    """`live`: off, to keep the page as it is. `span`: of the table of tasks.

    `did`, `count`, `queue`: the last action, for a message.
    """

    live: str = ""
    span: Period = Period.hour
    did: str = ""
    count: int = 0
    queue: str = ""


def overview_page(call: Call) -> Response:
    query: OverviewQuery = call.query
    try:
        states = queue_admin.queue_states(with_retrying=True)
        broker = {
            "queues": sorted(states, key=lambda state: state.name),
            "workers": queue_admin.workers(),
        }
    except Unavailable:
        broker = None
    live: dict[str, Any] = {"broker": broker, "ledger": ledger(), "is_live": query.live != "off"}
    if is_part(call.request):
        return admin_page(call, "admin/overview_live.html", **live)
    words = texts_of(call.request)
    return admin_page(
        call,
        "admin/overview.html",
        message=success_message(words, query.did, query.queue, query.count),
        switch=address(
            "/admin",
            span="" if query.span is Period.hour else query.span,
            live="" if query.live == "off" else "off",
        ),
        **live,
        **_statistics(call),
    )


def statistics_part(call: Call) -> Response:
    """Return the part of the page that changes more slowly."""
    return admin_page(
        call, "admin/measures.html", is_live=call.query.live != "off", **_statistics(call)
    )


def _statistics(call: Call) -> dict[str, Any]:
    """Return statistics of tasks, and the charts of each queue by period with its busy steps."""
    words = Formatters(texts_of(call.request))
    histories = []
    for queue in sorted(QUEUES):
        depths = task_stats.depths(queue, since_of(Period.hour), STEPS[Period.hour])
        waiting = sparkline([depth.ready for depth in depths], words.waiting(depths))
        charts = []
        for span in Period:
            points = task_stats.series(queue, since_of(span), STEPS[span])
            title = words.texts.gettext(TITLES[span])
            drawn = throughput(points, words.chart(f"{queue}: {title}", points), f"{queue}-{span}")
            busy = [point for point in points if point.done or point.failed or point.retried]
            charts.append((span, title, drawn, busy))
        histories.append({"queue": queue, "waiting": waiting, "charts": charts})
    query: OverviewQuery = call.query
    return {
        "histories": histories,
        "tasks": task_stats.per_task(since_of(query.span)),
        "span": query.span,
        "spans": {each: address("/admin", span=each, live=query.live) for each in Period},
    }
