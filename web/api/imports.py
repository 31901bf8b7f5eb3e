"""A roadmap that was taken along from elsewhere becomes one of one's own."""

from web.call import Call
from web.http.responses import Reply
from web.links import imported_reply
from web.roadmap_commands import import_document


def import_roadmap(call: Call) -> Reply:
    """Makes a new roadmap of a document that was exported as JSON. All of it or nothing; what was
    not in it has failed and can be retried. Nothing is written by a model for it.
    """
    return imported_reply(import_document(call.owner, call.body))
