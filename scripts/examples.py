"""Record web/examples.json from the answers of a real service: `make examples`.

The service runs in server mode with a model's server of the tests. STORY calls every operation
for programs, in one order. The record is the same from run to run: ids and times are numbered,
and values that depend on a clock or on chance are fixed. A new operation is a step in STORY;
the script names operations that no step calls.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4
from zlib import crc32

from roadmap.exchange.formats.registry import FORMATS
from roadmap.generation.context import BUILT_IN
from testing.operating import make_dead_letters, post
from testing.receiver import receiving
from testing.servers import Postgres, Redis, scratch_folder
from testing.stack import MONITOR, Stack, answer_to, running, server_stack
from testing.teacher import Teacher, teaching
from testing.waiting import wait_until
from web.openapi_file import EXAMPLES

Answer = Any
# So that a lesson has two parts
ANOTHER_PART = "".join(
    f"\n## {title}\n\n" + "The more bran a flour has, the more water it takes up. " * 75
    for title in ("Flour", "Water")
)
Names = dict[str, str]

# The catalogue has it as well: a copied example works without a model.
GOAL = "Become a backend engineer in Python"
ADA = {"email": "ada@example.org", "password": "your long passphrase"}
ANOTHER = "another long passphrase"  # of hers, later
ADA_NOW = "ada.lovelace@example.org"  # her address, later
ADMIN = {"email": "grace@example.org", "password": "the long passphrase of Grace"}
AGENT = "curl/8.14.1"
HOOK = "https://example.org/hooks/roadmap"
HERE = "https://roadmap.example.org"
MOST_ITEMS = 2  # of a list of things; of plain values twice as many
LONGEST = 240  # characters of a text
DAY = re.compile(r'"(\d{4}-\d\d-\d\d)"')
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Values that differ in each run, wherever they are in a text
FIXED = {
    r"\b[0-9a-f]{32}\.[\w-]{43}": "the-token-of-the-link",
    r"\b[0-9a-f]{32}\b": "c0ffee00c0ffee00c0ffee00c0ffee00",  # a consumer
    r"\b[0-9a-f]{16}\b": "9f86d081884c7d65",  # a message
    r"rmk_[\w-]{43}": "rmk_0aB1cD2e-and-its-secret",
    r"rmk_[\w-]{8}": "rmk_0aB1cD2e",
    r'(\\"duration_ms\\":)\d+': r"\g<1>1850",  # in lines of JSON
}
BEGIN = datetime(2026, 1, 5, 9)
CONTENTS, HOOKS = 18, 2  # that are made and delivered before tasks are listed
# Placeholders for values that give access; each fits its schema.
SECRETS = {
    "access_token": "the-access-token",
    "csrf_token": "the-csrf-token",
    "invitation": "the-invitation",
    "secret": "whsec_the-secret-of-the-webhook",
}
# Values that depend on a clock or on the load of the machine.
BY_CHANCE: dict[str, Any] = {
    **{"ms": 1850, "duration_ms": 1850, "seconds_left": 40, "month": "2026-01"},
    **{"accepted": 240, "waiting": 3, "dropped": 0, "stored": 1200, "missing": 0, "expired": 0},
    **{"held": 1, "scheduled": 0, "dead": 0, "size": 184320},
    **{"seconds": 41.5, "waited": 3.2, "approval": 12.0, "in_model": 96.4, "worker": "6c1f09ab"},
    **{
        "host": "worker-1",
        "pid": 42,
        "mean_seconds": 1.85,
        "p95_seconds": 4.2,
        "oldest_seconds": 0.4,
    },
    **{"started_at": "2026-01-05T09:00:00Z", "seen_at": "2026-01-05T09:00:20Z"},
    **{"address": "192.0.2.7", "request_id": "9f86d081884c7d65"},
}
SETTINGS = {
    "ADMIN_EMAIL": ADMIN["email"],
    "ADMIN_PASSWORD": ADMIN["password"],
    "CONTENT_WORKERS": "1",  # with one worker and one call, the order is always the same
    "MODEL_CONCURRENCY": "1",
    "WEBHOOK_NETWORKS": "127.0.0.0/8",
    "GIT_COMMIT": "1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b",
    "MODEL_TIMEOUT_SECONDS": "60",
    "LEASE_SECONDS": "120",
}
EVENTS = ["roadmap.ready", "roadmap.partial", "roadmap.failed"]
EDITS = [
    {
        "op": "rewrite",
        "what": "concept",
        "key": "c0-0-1",
        "title": "Sourdough 2",
        "hours": 6,
        "regenerate": False,
    },
    {
        "op": "add_stage",
        "key": "guests",
        "title": "Bake for many",
        "description": "The same, forty times.",
        "position": None,
    },
    {"op": "add_module", "stage": "guests", "key": "timing", "title": "Timing"},
    {
        **{
            "op": "add_concept",
            "module": "timing",
            "key": "ovens",
            "title": "Two ovens at once",
            "hours": 3,
            "difficulty": 4,
        },
        **{"prerequisites": ["c0-0-1"], "outcomes": ["bake forty loaves in one morning"]},
    },
    {"op": "move", "what": "stage", "key": "guests", "position": 1},
    {"op": "remove", "what": "concept", "key": "c1-0-1"},
]


@dataclass(frozen=True, slots=True)
class Step:
    """Call of an operation, repeated until its answer satisfies `until`.

    Path parameters have the values that the story knows by their names, or those of `places`.
    A text that begins with $ stands for a known value: `$webhook.events.0`. A body may be a
    function of the known values. `keep` adds to them: a path in the answer, or a function of it.
    `shown` chooses the part of an answer that is recorded when the answer is not JSON.
    """

    operation: str
    body: Any = None
    as_: str = "$access_token"  # the token that is sent; empty: none
    headers: Names = field(default_factory=dict)
    query: Names | None = None
    until: Callable[[Answer], Any] = bool
    places: Mapping[str, Any] = field(default_factory=dict)
    keep: Mapping[str, str | Callable[[Answer], Any]] = field(default_factory=dict)
    shown: Callable[[str], str] | None = None


class Story:
    """Record of requests and answers.

    It keeps the first request of each operation, and the first answer of each status.
    """

    def __init__(
        self, stack: Stack, teacher: Teacher, endpoints: dict[str, Any], known: dict[str, Any]
    ) -> None:
        self.stack, self.teacher, self._endpoints, self.known = stack, teacher, endpoints, known
        self.recorded: dict[str, dict[str, Any]] = {}

    def take(self, step: Step) -> None:
        """Call the operation of a step, and keep and record what it answers."""
        endpoint, known = self._endpoints[step.operation], self.known
        body = step.body(known) if callable(step.body) else _filled(step.body, known)
        places = {
            name: _filled(step.places.get(name, f"${name}"), known)
            for name in re.findall(r"{(\w+)}", endpoint.path)
        }
        url = self.stack.url + endpoint.path.format(**places)
        token = _filled(step.as_, known)
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        options: dict[str, Any] = {
            "headers": {"User-Agent": AGENT, **authorization, **step.headers},
            "params": _filled(step.query, known),
            **({} if body is None else {"json": body}),
        }

        def answered() -> Any:
            answer = answer_to(endpoint.method, url, **options)
            assert answer.is_success, f"{step.operation}: {answer.status_code} {answer.text}"
            return answer if endpoint.response is None or step.until(answer.json()) else None

        answer = wait_until(answered, reason=f"{step.operation} answers as it should")
        record = self.recorded.setdefault(step.operation, {})
        if places:
            record.setdefault("places", {name: str(place) for name, place in places.items()})
        if body is not None:
            record.setdefault("request", body)
        is_json = endpoint.media_type == "application/json" and endpoint.response is not None
        shown = answer.json() if is_json else step.shown and step.shown(answer.text)
        if shown is not None:
            record.setdefault("responses", {}).setdefault(str(answer.status_code), shown)
        for name, path in step.keep.items():
            known[name] = path(answer.json()) if callable(path) else _found(answer.json(), path)


def _filled(value: Any, known: dict[str, Any]) -> Any:
    """Replace each text that begins with $ by the known value."""
    if isinstance(value, dict):
        return {key: _filled(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, known) for each in value]
    is_name = isinstance(value, str) and value.startswith("$")
    return _found(known, value[1:]) if is_name else value


def _found(value: Any, path: str) -> Any:
    """Return the part of a document at a path of keys and indexes: `items.0.id`."""
    for part in filter(None, path.split(".")):
        value = value[int(part) if part.isdigit() else part]
    return value


def is_(status: str) -> Callable[[Answer], bool]:
    return lambda tree: bool(tree["status"] == status)


def are_counted(tasks: Answer) -> bool:
    """Whether the metrics of all tasks of the story are saved."""
    done: dict[str, int] = {task["task"]: task["done"] for task in tasks["items"]}
    return done.get("build_content", 0) >= CONTENTS and done.get("deliver_webhook", 0) >= HOOKS


def first_lines(count: int, begin: str = "") -> Callable[[str], str]:
    """Return so many lines of a text, from the first one that begins with `begin`."""

    def shown(text: str) -> str:
        lines = text.splitlines(keepends=True)
        at = next(number for number, line in enumerate(lines) if line.startswith(begin))
        return "".join(lines[at : at + count])

    return shown


def first_concept(known: dict[str, Any]) -> Answer:
    """Return the exported roadmap with its first concept alone.

    A whole one would be too long for an example.
    """
    document = known["document"]
    stage = document["outline"]["stages"][0]
    module = {**stage["modules"][0], "concepts": stage["modules"][0]["concepts"][:1]}
    outline = {**document["outline"], "stages": [{**stage, "modules": [module]}]}
    key = module["concepts"][0]["key"]
    return {**document, "outline": outline, "concepts": {key: document["concepts"][key]}}


def without_model(known: dict[str, Any]) -> Answer:
    """Return the same, as an instance without a model exports it."""
    document = deepcopy(first_concept(known))
    for concept in document["concepts"].values():
        for written in filter(None, concept["contents"].values()):
            written["generator"] = BUILT_IN
    return document


def begins_on_monday(_: dict[str, Any]) -> Answer:
    """Return a schedule whose weeks do not depend on the day of the recording.

    It has no deadline, since a day that is over may not be set as one.
    """
    today = datetime.now(UTC).date()
    monday = today + timedelta(days=14 - today.weekday())
    return {"hours_per_week": 8, "deadline": None, "begins_on": str(monday)}


FIRST_CONCEPT = "stages.0.modules.0.concepts.0.id"
HOOKED = {"url": "$hook", "events": EVENTS, "description": "Posts to the team's chat"}
FOUND = {"roadmap_id": "$roadmap_id", "level": "info,warning,error"}
WORK = {
    "work": "https://example.org/ada/bread, weighed twice",
    "marks": ["yes", "yes", "partly", "yes"],
}
UNREVIEWED = {"goal": GOAL, "review": True}
WAIT = {"Prefer": "wait=30"}
ASKED = (("What do you have at home?", ("A web service", "A few scripts")),)
STORY: list[Step | Callable[[Story], Any]] = [
    # A person looks around.
    Step("show_index"),
    Step("show_alive"),
    Step("show_alive_at_live"),
    Step("show_ready"),
    Step(
        "show_metrics",
        as_=MONITOR["METRICS_TOKEN"],
        shown=first_lines(3, "# HELP roadmap_queue_messages"),
    ),
    Step("list_problem_types"),
    Step("read_problem_type", places={"slug": "invalid"}),
    Step("show_openapi"),
    # She registers by an invitation, although everybody may.
    Step(
        "create_invitation",
        {"email": ADA["email"]},
        as_="$admin",
        keep={"invitation_id": "id", "invitation": "invitation"},
    ),
    Step("list_invitations", as_="$admin"),
    Step("read_invitation", as_="$admin"),
    Step("register", {**ADA, "name": "Ada", "invitation": "$invitation"}, as_=""),
    Step("create_invitation", {}, as_="$admin", keep={"invitation_id": "id"}),
    Step("withdraw_invitation", as_="$admin"),
    # Her account, beside roadmaps.
    Step("log_in", ADA, as_="", keep={"access_token": "access_token"}),
    Step("read_me"),
    Step(
        "list_logins",
        keep={
            "session_id": lambda logins: next(
                login["id"] for login in logins["items"] if not login["current"]
            )
        },
    ),
    Step("end_login"),
    Step(
        "create_key",
        {"name": "My notebook", "scopes": ["read", "write"], "expires_in_days": 90},
        keep={"key_id": "id"},
    ),
    Step("list_keys"),
    Step("read_key"),
    Step("revoke_key"),
    Step(
        "save_profile",
        {"level": "beginner", "hours_per_week": 6, "language": "en", "resource_language": None},
    ),
    Step("patch_profile", {"hours_per_week": 5, "resource_language": None}),
    Step("read_profile"),
    # A roadmap whose plan waits for review, after some changes.
    Step(
        "create_roadmap",
        {
            "goal": GOAL,
            "level": "beginner",
            "hours_per_week": 6,
            "background": "I write scripts now and then.",
            "review": True,
            "clarify": True,
        },
        keep={"roadmap_id": "id"},
    ),
    Step("read_roadmap", until=is_("awaiting_answers")),
    Step("answer_questions", {"answers": [{"choice": 0}]}),
    Step("read_roadmap", until=is_("awaiting_review")),
    Step("edit_plan", {"operations": EDITS, "base": 1}),
    Step("list_revisions"),
    Step("read_revision", places={"number": 2}),
    Step("compare_revisions", places={"number": 2}),
    Step("restore_revision", {}, places={"number": 1}),
    Step("revise_plan", {"feedback": "More about rye, and less about cakes."}),
    # Its contents; two parts fail at first.
    Step("read_roadmap", until=is_("awaiting_review"), keep={"revision": "revision"}),
    lambda story: story.teacher.writes.clear(),
    Step("approve_plan", {"revision": "$revision"}),
    Step("read_activity", until=lambda activity: activity["writing"]),
    lambda story: story.teacher.refused.update(
        {("quiz", "Flour and water 1"), ("tutorial", "Sourdough 2")}
    ),
    lambda story: story.teacher.writes.set(),
    lambda story: story.recorded.pop("read_roadmap"),  # there is more to see now
    Step(
        "read_roadmap",
        until=is_("partial"),
        keep={"concept_id": FIRST_CONCEPT, "stage_id": "stages.0.id"},
    ),
    lambda story: story.teacher.refused.clear(),
    Step("retry_part", {}, places={"kind": "quiz"}),
    Step("read_roadmap", until=is_("partial")),
    Step("retry_roadmap", {}),
    Step("read_roadmap", until=is_("ready")),
    Step("regenerate_part", {"instructions": "With fewer words."}),
    Step("read_roadmap", until=is_("ready")),
    # Its history.
    Step("list_roadmaps"),
    Step("list_versions"),
    Step("read_version", places={"number": 1}),
    Step("compare_versions", places={"number": 2}),
    Step("restore_version", {}, places={"number": 1}),
    Step("write_contents", {"resources": [{"title": "My page", "url": "https://example.org/"}]}),
    Step("list_logs", until=lambda page: page["next_cursor"]),
    Step("read_receipt"),
    Step("read_trace"),
    # Exports and imports; a concept from an instance without a model is upgraded.
    *(
        Step(each.operation, shown=first_lines(12))
        if each.media_type.startswith("text/")
        else Step(each.operation, keep={"document": ""} if each.response else {})
        for each in FORMATS.values()
    ),
    Step("import_roadmap", first_concept),
    Step("import_roadmap", without_model, keep={"copy": "id"}),
    Step("read_roadmap", places={"roadmap_id": "$copy"}, keep={"copied": FIRST_CONCEPT}),
    Step("upgrade_concept", {}, places={"roadmap_id": "$copy", "concept_id": "$copied"}),
    Step(
        "watch_roadmap",
        shown=lambda text: "".join(re.findall(r"id: .*?\n\n", text, re.DOTALL)[:3]),
    ),
    # The schedule.
    Step("save_schedule", begins_on_monday),
    Step("read_schedule"),
    # Learning.
    Step("place_learner", {"seed": 7}, keep={"plan": "revision", "asked": "question.concept_id"}),
    Step("skip_concepts", {"revision": "$plan", "concept_ids": ["$asked"]}),
    Step("set_progress", {"progress": "learning"}),
    Step("note_reading", {}),
    Step("finish_part", {"part": 1}),
    Step("read_today"),
    Step("set_notes", {"notes": "Salt makes the net tighter."}),
    Step("save_project", WORK),
    Step("order_judgement", {}),
    Step("read_project", until=lambda found: found["judgements"][0]["status"] == "ready"),
    Step("read_notes"),
    Step("save_exercise", {"exercise_attempt": "After the fourth fold it held its shape."}),
    Step("read_exercise"),
    Step("read_progress"),
    Step("read_concept", keep={"version": "quiz.version"}),
    Step(
        "answer_quiz",
        {"version": "$version", "answers": [[2], [0, 1], [0], [1]]},
        keep={"attempt_id": "id"},
    ),
    Step("list_attempts"),
    Step("read_attempt"),
    Step("read_roadmap", keep={"other": "stages.1.modules.0.concepts.0.id"}),
    Step("set_progress", {"progress": "done"}, places={"concept_id": "$other"}),
    Step(
        "list_reviews",
        until=lambda found: found["items"],
        keep={"card_id": "items.0.id", "reviews": "items.0.reviews"},
    ),
    Step("check_review", {"chosen": [2]}),
    Step("rate_review", {"rating": "good", "reviews": "$reviews"}, keep={"rated": "reviews"}),
    Step("undo_review", {"reviews": "$rated"}),
    Step("read_forecast"),
    # The mixed test of a stage whose concepts are done.
    Step(
        "read_roadmap", keep={"tested": "stages.1.id", "last": "stages.1.modules.0.concepts.1.id"}
    ),
    Step("set_progress", {"progress": "done"}, places={"concept_id": "$last"}),
    Step("take_test", {}, places={"test_id": "$tested"}),
    Step("take_test", {"answers": [[2], [0, 1], [0], [1]]}, places={"test_id": "$tested"}),
    Step("read_test", places={"test_id": "$tested"}),
    Step("save_limits", {"reviews": 40, "new": 10}),
    Step("read_limits"),
    # A share link for people without an account, valid for a month, and a calendar.
    Step(
        "create_link",
        {"purpose": "reading", "expires_in_days": 30},
        keep={"link_id": "id", "token": lambda link: link["url"].rpartition("/")[2]},
    ),
    Step("list_links"),
    Step("read_link"),
    Step("read_shared", as_=""),
    Step("read_shared_concept", as_=""),
    Step("copy_shared", {}),
    Step("revoke_link"),
    Step(
        "create_link",
        {"purpose": "calendar"},
        keep={"token": lambda link: link["url"].split("/")[-2]},
    ),
    Step("follow_calendar", as_=""),
    # A program of hers that receives webhooks.
    Step("create_webhook", HOOKED, keep={"webhook_id": "id"}),
    Step("list_webhooks"),
    Step("read_webhook"),
    Step("change_webhook", {**HOOKED, "events": EVENTS[:1], "enabled": True}),
    Step("patch_webhook", {"description": "Posts to the bakers' chat"}),
    Step("rotate_webhook_secret", {}),
    Step("test_webhook", {}, keep={"delivery_id": "id"}),
    Step("list_deliveries", until=lambda page: page["items"][0]["status"] == "delivered"),
    Step("read_delivery"),
    Step("retry_delivery", {}),
    Step("delete_webhook"),
    # The log, for an operator.
    Step(
        "search_logs",
        as_="$admin",
        query=FOUND,
        until=lambda page: len(page["items"]) >= MOST_ITEMS,
    ),
    Step("export_logs", as_="$admin", query=FOUND, shown=first_lines(MOST_ITEMS)),
    # Queues, for an administrator; messages of tasks that no version has any more are dead letters.
    lambda story: make_dead_letters(
        story.stack, "draw_picture", "draw_picture", "translate_content"
    ),
    Step(
        "list_queues",
        as_="$admin",
        until=lambda queues: not any(each["running"] for each in queues["items"]),
    ),
    Step("read_queue", as_="$admin"),
    Step("list_queue_messages", as_="$admin", query={"state": "dead"}, keep={"letters": "items"}),
    Step("list_workers", as_="$admin", until=lambda found: len(found["items"]) == 2),
    Step("list_tasks", as_="$admin", query={"span": "day"}, until=are_counted),
    Step("read_queue_history", as_="$admin", query={"span": "day"}),
    Step("pause_queue", {}, as_="$admin"),
    lambda story: story.known.update(
        message=post(story.stack, "build_content", str(uuid4()), retries=3)
    ),
    Step("revoke_message", {}, as_="$admin"),
    Step("retry_message", {}, as_="$admin", places={"message": "$letters.0.id"}),
    Step("delete_message", as_="$admin", places={"message": "$letters.1.id"}),
    Step("retry_dead_letters", {"search": "draw_picture"}, as_="$admin"),
    Step("delete_dead_letters", {"up_to": "$letters.0.at"}, as_="$admin"),
    Step("resume_queue", {}, as_="$admin"),
    Step("list_audit", as_="$admin", query={"action": "queue.pause"}),
    # The end of roadmaps, and of her logins.
    Step("create_roadmap", UNREVIEWED, headers=WAIT, keep={"roadmap_id": "id"}),
    Step("cancel_roadmap", {}),
    Step("trash_roadmap"),
    Step("list_trash"),
    Step("restore_from_trash", {}),
    Step("create_roadmap", UNREVIEWED, headers=WAIT, keep={"roadmap_id": "id"}),
    Step("trash_roadmap"),
    Step("delete_for_ever"),
    Step(
        "change_password",
        {"current_password": ADA["password"], "new_password": ANOTHER, "revoke_keys": True},
        keep={"access_token": "access_token"},
    ),
    Step(
        "change_email",
        {"email": ADA_NOW, "password": ANOTHER},
        keep={"access_token": "access_token"},
    ),
    Step("order_export", {}),
    Step("read_export", until=is_("ready")),
    Step("download_export"),
    Step("log_out", {}),
    # An operator helps a person who has cancelled a roadmap by mistake.
    Step(
        "search_roadmaps",
        as_="$admin",
        query={"status": "cancelled", "owner": ADA_NOW},
        keep={"roadmap_id": "items.0.id"},
    ),
    Step("read_overseen", as_="$admin"),
    Step("read_overseen_trace", as_="$admin"),
    Step("retry_overseen", {}, as_="$admin"),
    Step("cancel_overseen", {}, as_="$admin"),
    Step("transfer_roadmaps", {"owner": ADA_NOW, "new_owner": ADMIN["email"]}, as_="$admin"),
    # She deletes her account.
    Step(
        "log_in",
        {"email": ADA_NOW, "password": ANOTHER},
        keep={"access_token": "access_token"},
    ),
    Step("delete_me", {"password": ANOTHER}),
]


def steady(recorded: dict[str, Any], instead: Names, since: datetime) -> dict[str, Any]:
    """Return a record that is short, without secrets, and the same from run to run.

    `instead` maps texts to their replacements. `since` is the time at which the story began. Ids
    and times depend on their operation alone, so that a change of another leaves them.
    """
    schedule = recorded["read_schedule"]["responses"]["200"]
    ids: dict[str, str] = {}

    def moved_day(found: re.Match[str]) -> str:
        """Today becomes the first day, and the Monday of the plan that of the week after."""
        if found[1] == schedule["today"]:
            return f'"{BEGIN:%Y-%m-%d}"'
        after = datetime.fromisoformat(found[1]) - datetime.fromisoformat(schedule["begins_on"])
        return f'"{BEGIN + timedelta(days=7) + after:%Y-%m-%d}"'

    def with_ids(text: str, name: str) -> str:
        for number, found in enumerate(dict.fromkeys(ID.findall(text))):
            chosen = crc32(f"{name} {number}".encode())
            ids.setdefault(found, f"019b8d00-0000-7000-8000-{chosen:012d}")
        return ID.sub(lambda found: ids[found[0]], text)

    steadied = {}
    for name, record in sorted(recorded.items()):
        text = json.dumps(_short(record), ensure_ascii=False)
        for found, better in instead.items():
            text = text.replace(found, better)
        for pattern, fixed in FIXED.items():
            text = re.sub(pattern, fixed, text)
        times = {each: datetime.fromisoformat(each) for each in TIME.findall(text)}
        for number, (found, time) in enumerate(sorted(times.items(), key=itemgetter(1))):
            hours = round((time - since) / timedelta(hours=1))  # lifetimes are whole hours
            moment = BEGIN + timedelta(hours=hours, seconds=0 if hours else 2 * number)
            text = text.replace(found, f"{moment:%Y-%m-%dT%H:%M:%S}Z")
        steadied[name] = json.loads(with_ids(DAY.sub(moved_day, text), name))
    return {name: record for name, record in steadied.items() if record}


def _short(value: Any, name: str = "", *, is_whole: bool = False) -> Any:
    """Return a value without secrets; unless it `is_whole`, as requests are, the beginning."""
    if isinstance(value, dict):
        return {
            key: _short(each, key, is_whole=is_whole or key == "request")
            for key, each in value.items()
        }
    if isinstance(value, list):
        most = MOST_ITEMS if value and isinstance(value[0], dict) else 2 * MOST_ITEMS
        return [
            _short(each, name, is_whole=is_whole) for each in (value if is_whole else value[:most])
        ]
    if name in BY_CHANCE and value is not None and not is_whole:
        return BY_CHANCE[name]
    if not isinstance(value, str):
        return value
    # The text of a status is chosen by hand.
    if len(value) > LONGEST and not (is_whole or name.isdigit()):
        cut = value[:LONGEST]
        value = cut.rsplit("\n\n" if "\n\n" in cut else None, 1)[0] + " …"
    return SECRETS.get(name, value)


def main() -> int:
    """Record the story in a file, and return the exit code."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="roadmap-examples-"))
        os.environ |= {"SERVICE_TYPE": "all", "DATA_DIR": folder}
        os.environ |= {"DATABASE_URL": "", "REDIS_URL": ""}
        # The settings are read with the first import of the service.
        from web.routes import ENDPOINTS, operation_id

        endpoints = {operation_id(endpoint): endpoint for endpoint in ENDPOINTS}
        postgres = Postgres(stack.enter_context(scratch_folder()))
        broker = Redis(stack.enter_context(scratch_folder()))
        for server in (postgres, broker):
            stack.callback(server.stop)
            server.start()
        teacher = stack.enter_context(
            teaching(Teacher(stages=2, modules=1, concepts=2, questions=ASKED, more=ANOTHER_PART))
        )
        receiver = stack.enter_context(receiving())
        environment = {**SETTINGS, **teacher.environment()}
        service = server_stack(Path(folder), postgres, broker, single_process=False, **environment)
        service.headers = {"User-Agent": AGENT}  # the stack registers no account of its own
        stack.enter_context(running(service))
        session = answer_to("POST", f"{service.url}/api/v1/auth/login", json=ADMIN).json()
        known = {
            "admin": session["access_token"],
            "access_token": "",
            "hook": receiver.url,
            "kind": "tutorial",
            "queue": "content",
        }
        story, since = Story(service, teacher, endpoints, known), datetime.now(UTC)
        for step in STORY:
            if isinstance(step, Step):
                story.take(step)
            else:
                step(story)
    if missing := [name for name in endpoints if name not in story.recorded]:
        print(f"No step of scripts/examples.py calls {', '.join(missing)}.", file=sys.stderr)
        return 1
    recorded = steady(story.recorded, {receiver.url: HOOK, service.url: HERE}, since)
    EXAMPLES.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{EXAMPLES.name}: {EXAMPLES.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
