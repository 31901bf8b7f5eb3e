"""The page of a roadmap's timeline."""

from starlette.responses import Response

from roadmap.lifecycle import queries
from roadmap.lifecycle.timeline.timeline import trace_of
from web.call import Call
from web.pages.templates import page
from web.pages.timeline_view import timeline_context


def timeline_page(call: Call) -> Response:
    roadmap_id = call.ids["roadmap_id"]
    trace = trace_of(call.owner, roadmap_id)
    context = timeline_context(
        call.request, call.query, trace.spans, lambda id_: f"/roadmaps/{roadmap_id}/concepts/{id_}"
    )
    tree = queries.roadmap_tree(call.owner, roadmap_id)
    return page(call.request, "trace.html", tree=tree, trace=trace, **context)
