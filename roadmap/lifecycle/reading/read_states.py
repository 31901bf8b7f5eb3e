"""States of what is read: each changes with everything that its answer shows.

They cost less than the answer, and those of requests that arrive together are read by one
statement. A roadmap's lease does not belong to them: it changes without a visible change.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from core.db import database, is_postgres, session, settings
from core.version import VERSION
from models.base import Leased, Table
from models.roadmaps import UNNOTED, Concept, Roadmap

Ids = tuple[UUID, ...]  # the owner comes first
PART = "c.id, c.status, c.version, c.error"
LEARNER = "n.id, n.progress, n.progress_at, n.learned_at, n.studied, n.spent"


def tree_states(places: Sequence[Ids]) -> list[bytes | None]:
    """Return the states of roadmaps by owner and id, estimates excepted; None: not there.

    A plan changes with the row of its roadmap only, contents, progress and projects
    without it.
    """
    return _states(
        f"""{_hash(_columns(Roadmap, "r"))},
        (SELECT {_hash_all(PART)} FROM content c WHERE c.roadmap_id = r.id),
        (SELECT {_hash_all(LEARNER)} FROM concept n WHERE n.roadmap_id = r.id),
        (SELECT {_hash_all("s.id, s.done_at, s.test")} FROM stage s WHERE s.roadmap_id = r.id),
        (SELECT {_hash_all("j.id, j.status")} FROM judgement j WHERE j.roadmap_id = r.id)""",
        """JOIN roadmap r ON r.owner_id = o.column2 AND r.id = o.column3
        WHERE r.trashed_at IS NULL""",
        places,
    )


def concept_states(places: Sequence[Ids]) -> list[bytes | None]:
    """Return the states of concepts by owner, roadmap and id; None: not there, or not known.

    It is not known until the URLs of new resources are registered for their checks.
    """
    is_known = (
        f"NOT EXISTS (SELECT 1 FROM content WHERE concept_id = n.id AND {UNNOTED.sql})"
        if settings.link_check_days
        else "TRUE"
    )
    return _states(
        f"""{_hash(_columns(Concept, "n"))},
        (SELECT {_hash_all(PART)} FROM content c WHERE c.concept_id = n.id),
        (SELECT {_hash_all("l.digest, l.state, l.checked_at, l.reason")} FROM content c
            JOIN link_use u ON u.content_id = c.id JOIN checked_link l ON l.digest = u.link_id
            WHERE c.concept_id = n.id)""",
        f"""JOIN concept n ON n.id = o.column4 AND n.roadmap_id = o.column3
        JOIN roadmap r ON r.owner_id = o.column2 AND r.id = n.roadmap_id
        WHERE NOT n.removed AND r.trashed_at IS NULL AND {is_known}""",
        places,
    )


def list_states(limit: int, places: Sequence[Ids]) -> list[bytes | None]:
    """Return the states of lists of an owner's roadmaps below an id, the newest first."""
    return _states(
        f"""(SELECT {_hash_all(_columns(Roadmap, "r"))} FROM (
            SELECT * FROM roadmap r WHERE r.owner_id >= o.column2
            AND (r.owner_id, r.id) < (o.column2, o.column3) AND r.trashed_at IS NULL
            ORDER BY r.owner_id DESC, r.id DESC LIMIT {limit + 1}) r)""",
        "",
        places,
    )


def _states(select: str, source: str, places: Sequence[Ids]) -> list[bytes | None]:
    """Return the state of each place: a hash of its row. `o` has the number and the ids of each."""
    mark, as_uuid = ("%s", "::uuid") if is_postgres() else ("?", "")
    row = f"({mark}{f', {mark}{as_uuid}' * len(places[0])})"
    sql = f"SELECT o.column1, {select} FROM (VALUES {', '.join([row] * len(places))}) o {source}"
    values: list[Any] = []
    for number, place in enumerate(places):
        values += (number, *map(Roadmap.id.db_value, place))
    states: list[bytes | None] = [None] * len(places)
    with session():
        for number, *found in database.execute_sql(sql, values):
            states[number] = hashlib.sha256(f"{VERSION}{found}".encode()).digest()
    return states


def _hash(columns: str) -> str:
    """Return the SQL for a hash of a row."""
    return f"hash_record_extended(({columns}), 0)" if is_postgres() else f"json_array({columns})"


def _hash_all(columns: str) -> str:
    """Return the SQL for a hash of all rows, in whatever order they come."""
    return f"{'bit_xor' if is_postgres() else 'json_group_array'}({_hash(columns)})"


@cache
def _columns(table: type[Table], alias: str) -> str:
    """Return the columns without those of the lease."""
    return ", ".join(
        f"{alias}.{field.column_name}"
        for field in table._meta.sorted_fields
        if field.name == "id" or field.name not in Leased._meta.fields
    )
