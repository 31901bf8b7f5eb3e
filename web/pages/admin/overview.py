"""The first page for operators: queues, statistics of tasks, and workers.

The state of the broker is fetched every two seconds, statistics every fifteen: these change no
sooner. While the broker is unreachable, the page says so and shows the state in the database.
"""

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from core import clock
from core.errors import Unavailable
from roadmap.operations import task_stats
from roadmap.operations.execution_log import ledger
from tasks import queue_admin
from tasks.queues import QUEUES
from web.pages.admin.actions import success_message
from web.pages.admin.layout import address, admin_page, observe_page
from web.pages.forms import AnyQuery, is_part
from web.pages.page_route import PageCall
from web.pages.templates import texts_of

HOUR = timedelta(hours=1)


class OverviewQuery(AnyQuery):
    """`live`: off, to keep the page as it is. `span`: of the table of tasks.

    `did`, `count`, `queue`: the last action, for a message.
    """

    live: str = ""
    span: task_stats.Period = task_stats.Period.hour
    did: str = ""
    count: int = 0
    queue: str = ""


def overview_page(call: PageCall[OverviewQuery]) -> Response:
    query = call.query
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
            span="" if query.span is task_stats.Period.hour else query.span,
            live="" if query.live == "off" else "off",
        ),
        **live,
        **_statistics(call),
    )


def statistics_part(call: PageCall[OverviewQuery]) -> Response:
    """Return the part of the page that changes more slowly."""
    return admin_page(
        call, "admin/measures.html", is_live=call.query.live != "off", **_statistics(call)
    )


def _statistics(call: PageCall[OverviewQuery]) -> dict[str, Any]:
    """Return statistics of tasks, and the hours of the last 24 in which some ended, by queue."""
    runs = [task_stats.series(queue, clock.now() - 23 * HOUR, HOUR) for queue in sorted(QUEUES)]
    return {
        "queues": sorted(QUEUES),
        "hours": [
            hour
            for hour in zip(*runs, strict=True)
            if any(each.done or each.retried or each.failed for each in hour)
        ],
        "tasks": task_stats.per_task(task_stats.since_of(call.query.span)),
        "span": call.query.span,
        "spans": {
            each: address("/admin", span=each, live=call.query.live) for each in task_stats.Period
        },
    }


PAGES = (
    observe_page("/admin", overview_page),
    observe_page("/admin/measures", statistics_part),
)
