"""Every route of the service: the tables of its modules, joined.

Routes are tried in this order, pages first. Their models of bodies, queries and responses are the
types of the handlers.
"""

from dataclasses import replace

from web.api import (
    account_export,
    accounts,
    decisions,
    docs,
    exports,
    health,
    imports,
    keys,
    learning,
    mcp,
    metrics,
    reviews,
    revisions,
    shares,
    trash,
    webhooks,
)
from web.api import roadmaps as roadmaps_
from web.api.admin import audit_log, logs, queues, roadmaps, task_stats
from web.endpoints.endpoint import Endpoint
from web.pages import site, timeline_view
from web.pages.account import account
from web.pages.account import webhooks as webhook_pages
from web.pages.admin import logs as admin_logs
from web.pages.admin import overview as admin_overview
from web.pages.admin import queues as admin_queues
from web.pages.admin import roadmaps as admin_roadmaps
from web.pages.learn import catalogue, concept, endings, home, placement, project, review
from web.pages.page_route import PageRoute
from web.pages.plan import editing, history, roadmap, roadmap_stream
from web.pages.share import importing, sharing

ENDPOINTS: tuple[Endpoint, ...] = (
    *health.ENDPOINTS,
    *docs.ENDPOINTS,
    *metrics.ENDPOINTS,
    *accounts.ENDPOINTS,
    *account_export.ENDPOINTS,
    *keys.ENDPOINTS,
    *roadmaps_.ENDPOINTS,
    *trash.ENDPOINTS,
    *exports.ENDPOINTS,
    *imports.ENDPOINTS,
    *decisions.ENDPOINTS,
    *revisions.ENDPOINTS,
    *learning.ENDPOINTS,
    *shares.ENDPOINTS,
    *reviews.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *logs.ENDPOINTS,
    *roadmaps.ENDPOINTS,
    *queues.ENDPOINTS,
    *task_stats.ENDPOINTS,
    *audit_log.ENDPOINTS,
)
BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"}
PAGES: tuple[PageRoute, ...] = tuple(  # beside an endpoint, which clients get that want no page
    replace(page, for_programs=BY_PATH[page.path]) if page.path in BY_PATH else page
    for page in (
        *home.PAGES,
        *catalogue.PAGES,
        *importing.PAGES,
        *roadmap.PAGES,
        *endings.PAGES,
        *roadmap_stream.PAGES,
        *timeline_view.PAGES,
        *history.PAGES,
        *editing.PAGES,
        *placement.PAGES,
        *concept.PAGES,
        *project.PAGES,
        *sharing.PAGES,
        *review.PAGES,
        *account.PAGES,
        *webhook_pages.PAGES,
        *admin_logs.PAGES,
        *admin_roadmaps.PAGES,
        *admin_overview.PAGES,
        *admin_queues.PAGES,
        *site.PAGES,
    )
)
ROUTES = [each.route() for each in (*PAGES, *ENDPOINTS, mcp.MCP)]


def operation_id(endpoint: Endpoint) -> str:
    """The name of its handler; a path that is only another name for one has its own."""
    name = endpoint.handler.__name__
    first = next(each for each in ENDPOINTS if each.handler is endpoint.handler)
    return name if first is endpoint else f"{name}_at_{endpoint.path.rpartition('/')[2]}"
