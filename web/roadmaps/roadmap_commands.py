"""Commands on roadmaps and accounts that the API and the pages share."""

from functools import partial
from uuid import UUID

from core.db import database
from roadmap.exchange.formats.json_ import PortableRoadmap
from roadmap.exchange.importer import IN_FILE, Missing, import_roadmap
from roadmap.lifecycle import commands
from roadmap.operations.execution_log import record
from roadmap.plan.views import RoadmapSummary
from tasks.dispatcher import send_after_commit
from web.http import limits


def apply_command(roadmap_id: UUID, made: commands.CommandResult) -> None:
    """Send what follows from a decision, and log it, after the commit."""
    send_after_commit(made.steps)
    message = f"{made.what}: revision {made.revision} is {made.status}"
    database.after_commit(partial(record, "api", "decide", message, roadmap_id=roadmap_id))


def write_ahead(owner_id: UUID, roadmap_id: UUID) -> None:
    """Have lessons written that the learner has come to, after the commit of the progress."""

    def go_on() -> None:
        if (made := commands.write_ahead(owner_id, roadmap_id)) is not None:
            apply_command(roadmap_id, made)

    database.after_commit(go_on)


def import_document(
    owner_id: UUID, document: PortableRoadmap, missing: Missing = IN_FILE
) -> RoadmapSummary:
    """Import a checked document; `missing` describes parts that it does not have.

    Raises RateLimited, Unavailable.
    """
    limits.count_for(limits.IMPORTS, owner_id)
    made = import_roadmap(owner_id, document, missing)
    send_after_commit(made.steps)
    return made.roadmap
