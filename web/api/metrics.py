"""Counts for Prometheus: what all processes have counted together, and what the service is just now."""

from starlette.requests import Request
from starlette.responses import Response

from roadmap.accounts.identity import Principal
from web.authentication import MONITOR, is_monitor
from web.call import Call
from web.endpoint import Endpoint
from web.http import limits


class MetricsEndpoint(Endpoint):
    """Endpoint that is also open to METRICS_TOKEN, whose requests are not counted."""

    async def admit(self, request: Request) -> Principal:
        if is_monitor(request):
            limits.count_nothing(request)
            return MONITOR
        return await super().admit(request)


def show_metrics(call: Call) -> Response:
    """In the format of Prometheus, or in OpenMetrics for who asks for it. Nothing of what anybody
    learns.

    What is counted is counted by all processes together, whichever answers. With the METRICS_TOKEN
    as bearer token nobody needs an account.
    """
    from prometheus_client.exposition import (
        choose_encoder,
    )  # a service that nobody scrapes does without

    from web.prometheus import Counts

    encode, media_type = choose_encoder(call.request.headers.get("accept", ""))
    return Response(encode(Counts()), media_type=media_type)
