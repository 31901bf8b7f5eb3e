"""Exports of a roadmap in several file formats."""

from starlette.responses import Response

from core.errors import Conflict
from roadmap.exchange.formats.json_ import Source
from roadmap.exchange.formats.registry import FORMATS, ExportFormat, resolve
from web.endpoints.call import Call, NoQuery
from web.endpoints.endpoint import ROADMAP, Endpoint
from web.http.host_and_csrf import own_address
from web.http.responses import conditional_response
from web.roadmaps.exported_files import file_of


def endpoint(file_format: ExportFormat) -> Endpoint:
    """Return the route of a format."""

    def export(call: Call) -> Response:
        accepted = call.request.headers.get("accept-language", "")
        url = own_address(call.request)
        source = Source(call.owner, call.ids["roadmap_id"], accepted, url, call.query)
        source.with_attempts = file_format.with_attempts
        file = file_of(file_format, source)
        return conditional_response(call.request, file, file_format.media_type, file.headers)

    export.__name__, export.__doc__ = file_format.operation, file_format.description
    return Endpoint(
        "GET",
        f"{ROADMAP}/export.{file_format.suffix}",
        export,
        file_format.summary,
        resolve(file_format.response) if file_format.response else None,
        query=resolve(file_format.query) if file_format.query else NoQuery,
        media_type=file_format.media_type,
        raises=(Conflict,) if file_format.needs_plan else (),
    )


ENDPOINTS = tuple(endpoint(each) for each in FORMATS.values())
