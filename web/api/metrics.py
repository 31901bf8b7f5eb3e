"""Counts for Prometheus: what all processes have counted together, and what the service is just now."""

from starlette.responses import Response

from web.endpoint import Call


def show_metrics(call: Call) -> Response:
    """In the format of Prometheus, or in OpenMetrics for who asks for it. Nothing of what anybody learns.

    What is counted is counted by all processes together, whichever answers. With the METRICS_TOKEN as bearer token nobody
    needs an account.
    """
    from prometheus_client.exposition import (
        choose_encoder,
    )  # a service that nobody scrapes does without

    from web.exposition import Counts

    encode, media_type = choose_encoder(call.request.headers.get("accept", ""))
    return Response(encode(Counts()), media_type=media_type)
