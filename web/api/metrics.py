"""Prometheus metrics: counters of all processes, and the current state."""

from starlette.requests import Request
from starlette.responses import Response

from roadmap.accounts.identity import Principal, Scope
from web.auth.authentication import MONITOR, is_monitor
from web.endpoints.call import Call
from web.endpoints.endpoint import Endpoint
from web.http import limits


class MetricsEndpoint(Endpoint):
    """Endpoint that is also open to METRICS_TOKEN, whose requests are not counted."""

    async def admit(self, request: Request) -> Principal:
        if is_monitor(request):
            limits.count_nothing(request)
            return MONITOR
        return await super().admit(request)


def show_metrics(call: Call) -> Response:
    """Metrics in the Prometheus text format, or in OpenMetrics if requested.

    Without data of learners. Counters cover all processes, whichever of them responds. With
    METRICS_TOKEN as bearer token, no account is needed.
    """
    # Only loaded if metrics are scraped
    from prometheus_client.exposition import choose_encoder

    from web.operations.prometheus import Counts

    encode, media_type = choose_encoder(call.request.headers.get("accept", ""))
    return Response(encode(Counts()), media_type=media_type)


ENDPOINTS = (
    MetricsEndpoint("GET", "/metrics", show_metrics, "Read metrics", scope=Scope.observe,
        media_type="text/plain"),
)  # fmt: skip
