"""The database afterwards, read past the application in either mode.

What was accepted is there once and has come to an end, counts are counts, events have no gaps, and
nothing hangs on what is not there.
"""

from collections.abc import Iterator

from testing.stack import FINAL, Stack
from testing.waiting import wait_until
from tests.chaos.checks import Ask, asking
from tests.chaos.ledger import REPEATED
from tests.fuzz.people import ROADMAPS, WEBHOOKS, People
from tests.fuzz.watch import Watch

ENDS = ", ".join(f"'{status}'" for status in FINAL)
PARENTS = {  # a column that names a row of another table
    **{("login_session", "account_id"): "account", ("api_key", "account_id"): "account"},
    **{
        ("first_answer", "owner_id"): "account",
        ("roadmap", "owner_id"): "account",
        ("invitation", "invited_by_id"): "account",
    },
    **{
        (table, "roadmap_id"): "roadmap"
        for table in ("revision", "stage", "module", "concept", "content", "roadmap_event")
    },
    **{
        ("module", "stage_id"): "stage",
        ("concept", "module_id"): "module",
        ("judgement", "roadmap_id"): "roadmap",
        ("judgement", "stage_id"): "stage",
        ("content", "concept_id"): "concept",
    },
    **{
        ("account_export", "account_id"): "account",
        ("export_piece", "export_id"): "account_export",
    },
    **{("webhook", "account_id"): "account", ("webhook_delivery", "webhook_id"): "webhook"},
    **{("content_version", "content_id"): "content", ("quiz_attempt", "concept_id"): "concept"},
    (
        "quiz_attempt",
        "roadmap_id",
    ): "roadmap",  # not of model_call: the books stay when a roadmap is deleted for ever
}
PUT_ASIDE = "status = 'awaiting_review' AND trashed_at IS NOT NULL"  # it waits on in the trash
OPEN = f"status NOT IN ({ENDS}) AND NOT ({PUT_ASIDE})"
LEASED = "lease_token IS NOT NULL OR lease_until IS NOT NULL"
COUNTED = """SELECT r.id FROM roadmap r LEFT JOIN (SELECT c.roadmap_id, count(*) AS total,
    sum(CASE WHEN c.status = 'ready' THEN 1 ELSE 0 END) AS ready,
    sum(CASE WHEN c.status IN ('failed', 'cancelled') THEN 1 ELSE 0 END) AS failed
    FROM content c JOIN concept k ON k.id = c.concept_id WHERE NOT k.removed
    GROUP BY c.roadmap_id) n ON n.roadmap_id = r.id
    WHERE coalesce(n.total, 0) <> r.contents_total OR coalesce(n.ready, 0) <> r.contents_ready
    OR coalesce(n.failed, 0) <> r.contents_failed"""
WRONG = (
    {
        name: REPEATED[name]  # the same as after a soak
        for name in (
            "events not numbered 1 to n",
            "roadmaps whose calls do not add up to what is spent",
        )
    }
    | {
        "roadmaps whose counts are not those of their contents": COUNTED,
        "roadmaps without an end": f"SELECT id FROM roadmap WHERE {OPEN}",
        "leased for ever, roadmaps": f"SELECT id FROM roadmap WHERE {LEASED}",
        "leased for ever, contents": f"SELECT id FROM content WHERE {LEASED}",
        "deliveries without an end": """SELECT id FROM webhook_delivery
        WHERE finished_at IS NULL AND attempts = 0""",
        "leased for ever, deliveries": f"SELECT id FROM webhook_delivery WHERE {LEASED}",
        "contents that are open in what has ended": f"""SELECT c.id FROM content c
        JOIN roadmap r ON r.id = c.roadmap_id JOIN concept k ON k.id = c.concept_id
        WHERE c.status IN ('pending', 'building') AND NOT k.removed AND r.status IN ({ENDS})""",
        "contents whose version is not there": """SELECT c.id FROM content c
        LEFT JOIN content_version v ON v.content_id = c.id GROUP BY c.id, c.version
        HAVING coalesce(max(v.version), 0) <> count(v.version)
        OR sum(CASE WHEN v.version = c.version THEN 1 ELSE 0 END)
        <> (CASE WHEN max(v.version) IS NULL THEN 0 ELSE 1 END)
        OR (max(v.version) IS NULL AND c.version <> 0)""",
        "revisions that are open in what has ended": f"""SELECT v.roadmap_id FROM revision v
        JOIN roadmap r ON r.id = v.roadmap_id WHERE v.status = 'open' AND r.status IN ({ENDS})""",
        "roadmaps whose revision is not there": """SELECT r.id FROM roadmap r
        LEFT JOIN revision v ON v.roadmap_id = r.id AND v.number = r.revision
        WHERE r.revision > 0 AND v.number IS NULL""",
        "concepts that stand there twice": """SELECT roadmap_id FROM concept
        GROUP BY roadmap_id, key HAVING count(*) > 1""",
        "first answers that were never completed": """SELECT key_hash FROM first_answer
        WHERE status IS NULL""",
        "attempts with a score that cannot be": """SELECT id FROM quiz_attempt
        WHERE score < 0 OR score > total""",
    }
    | {
        f"{child}s whose {column} is not there": f"""SELECT c.{column} FROM {child} c
        LEFT JOIN {parent} p ON p.id = c.{column}
        WHERE c.{column} IS NOT NULL AND p.id IS NULL"""
        for (child, column), parent in PARENTS.items()
    }
)


def settle(stack: Stack, people: People) -> None:
    """Stop what waits for somebody; then everything comes to its end."""
    people.me.present()
    with asking(stack) as ask:

        def over() -> bool:
            waiting = ask("SELECT id FROM roadmap WHERE status = 'awaiting_review'")
            for (id_,) in waiting:
                people.me.ask("POST", f"{ROADMAPS}/{_hex(id_)}/cancel", json={})
            open_ = [
                f"SELECT id FROM roadmap WHERE {OPEN}",
                "SELECT id FROM content WHERE lease_token IS NOT NULL",
                """SELECT id FROM webhook_delivery
                WHERE lease_token IS NOT NULL OR (finished_at IS NULL AND attempts = 0)""",
            ]
            return not any(map(ask, open_))

        try:
            wait_until(over, reason="everything has come to its end")
        except AssertionError:
            return  # the books tell which has not


def audit(watch: Watch) -> None:
    """Judges the database."""
    stack = watch.stack
    settle(stack, watch.people)
    with asking(stack) as ask:
        for name, rows in wrong(ask):
            watch.fail(
                f"the database has {name}",
                f"{len(rows)}: {', '.join(_hex(row[0]) for row in rows[:5])}",
            )
        there = {_hex(id_): status for id_, status in ask("SELECT id, status FROM roadmap")}
        dead = ask("SELECT email FROM account WHERE disabled_at IS NOT NULL")
    accepted = [id_ for ids in watch.accepted.values() for id_ in ids]
    if lost := [id_ for id_ in accepted if id_ not in there and id_ not in watch.deleted]:
        watch.fail("roadmaps that were accepted are not there", ", ".join(lost[:5]))
    known = {*accepted, *watch.people.me.begun, *watch.people.other.begun}
    if unheard := sorted(there.keys() - known):
        watch.fail(
            "there are roadmaps that no answer named",
            f"{len(unheard)}: {', '.join(unheard[:5])}",
        )
    if dead:
        watch.fail("accounts are disabled", str(len(dead)))
    for key, ids in watch.accepted.items():
        if key and len(ids) > 1:
            watch.fail(
                "an Idempotency-Key has made several roadmaps", f"{key}: {', '.join(sorted(ids))}"
            )
    for name in ("logs", "content"):
        if dead := stack.metric_sum("roadmap_queue_messages", queue=name, state="dead"):
            watch.fail(f"the queue {name} has dead letters", f"{dead:g}")
    _theirs(watch)


def wrong(ask: Ask) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    for name, statement in WRONG.items():
        if rows := ask(statement):
            yield name, rows


def _theirs(watch: Watch) -> None:
    """Everything of the other one is as it was."""
    people = watch.people
    if not people.theirs:
        return
    theirs, other = people.theirs, people.other
    place = f"{ROADMAPS}/{theirs['roadmap_id']}/concepts/{theirs['concept_id']}"
    response = other.ask("GET", place)
    if response.status_code != 200 or response.json()["notes"] != f"{theirs['mark']} notes":
        watch.fail("the other one's login or notes are not as they were", response.text[:300])
    paths = [
        f"/api/v1/api-keys/{theirs['key_id']}",
        f"{place}/quiz/attempts/{theirs['attempt_id']}",
    ]
    for path in (*paths, f"{WEBHOOKS}/{theirs['webhook_id']}/deliveries/{theirs['delivery_id']}"):
        if other.ask("GET", path).status_code != 200:
            watch.fail("something of the other one is gone", path)


def _hex(id_: object) -> str:
    """SQLite has ids without hyphens."""
    text = str(id_)
    return (
        text
        if "-" in text or len(text) != 32
        else f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    )
