"""Records web/examples.json, what the service did answer: `make examples`.

The real service in server mode, with a model's server of the tests, lives through one story that calls every operation for
programs. What is recorded stays the same from run to run: ids and times are numbered, and what a clock or a chance decides
has a fixed value. A new operation is a line in one of the chapters; one that is missing is named at the end.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from roadmap.generation.context import BUILT_IN
from tests.browser.teacher import Teacher, teaching
from tests.operating import post, put_aside
from tests.receiver import Receiver, receiving
from tests.servers import Postgres, Redis, scratch_folder
from tests.stack import MONITOR, Stack, answer_to, running, server_stack
from tests.waiting import wait_until

Answer = Any
Names = dict[str, str]

GOAL = "Become a backend engineer in Python"  # which the catalogue has as well: a copied example works without a model
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
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CONSUMER = re.compile(r"\b[0-9a-f]{32}\b")
KEY = re.compile(r"rmk_[\w-]{43}")
LINK = re.compile(r"\b[0-9a-f]{32}\.[\w-]{43}")
SHOWN_OF_KEY = re.compile(r"rmk_[\w-]{8}")
BEGIN = datetime(2026, 1, 5, 9)
# Whoever has one of these can do something with it; each placeholder fits its schema.
SECRETS = {
    **{
        "access_token": "the-access-token",
        "csrf_token": "the-csrf-token",
        "invitation": "the-invitation",
    },
    "secret": "whsec_the-secret-of-the-webhook",
}
# What a clock decides, or how busy the machine was.
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
    **{"address": "192.0.2.7", "request_id": "9f86d081884c7d65"},
}


class Story:
    """What was asked and answered: the first request of each operation, and the first answer of each status."""

    def __init__(self, stack: Stack, endpoints: dict[str, Any]) -> None:
        self.stack, self._endpoints = stack, endpoints
        self.token = ""
        self.recorded: dict[str, dict[str, Any]] = {}

    def call(
        self,
        operation: str,
        body: Any = None,
        *,
        as_: str | None = None,
        headers: Names | None = None,
        query: Names | None = None,
        until: Callable[[Answer], Any] = bool,
        **places: object,
    ) -> Answer:
        """The answer, once it is as it should be. `as_` is another token than that of the person whose story it is."""
        endpoint = self._endpoints[operation]
        url = self.stack.url + endpoint.path.format(**places)
        token = self.token if as_ is None else as_
        sent = {
            "User-Agent": AGENT,
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **(headers or {}),
        }
        options: dict[str, Any] = {
            "headers": sent,
            "params": query,
            **({} if body is None else {"json": body}),
        }

        def answered() -> Any:
            answer = answer_to(endpoint.method, url, **options)
            assert answer.is_success, f"{operation}: {answer.status_code} {answer.text}"
            return answer if endpoint.response is None or until(answer.json()) else None

        answer = wait_until(answered, reason=f"{operation} answers as it should")
        record = self.recorded.setdefault(operation, {})
        if places:
            record.setdefault("places", {name: str(place) for name, place in places.items()})
        if body is not None:
            record.setdefault("request", body)
        if endpoint.media_type == "application/json" and endpoint.response is not None:
            answers = record.setdefault("responses", {})
            answers.setdefault(str(answer.status_code), answer.json())
            return answer.json()
        return answer.text

    def tell(self, operation: str, status: int, text: str) -> None:
        """An answer that is not JSON, as far as somebody wants to see of it."""
        self.recorded[operation].setdefault("responses", {})[str(status)] = text


def live(story: Story, teacher: Teacher, receiver: Receiver, admin: str) -> None:
    """A person looks around, registers, has a roadmap made, learns from it, has a program told, and leaves."""
    look_around(story)
    register(story, admin)
    manage(story)
    roadmap = plan(story)
    lesson = write(story, teacher, roadmap)
    look_back(story, roadmap, lesson)
    plan_ahead(story, roadmap)
    learn(story, roadmap, lesson)
    share(story, roadmap, lesson)
    tell(story, receiver.url)
    operate(story, roadmap, admin)
    look_after(story, admin)
    leave(story)
    oversee(story, admin)
    delete_account(story)


def look_around(story: Story) -> None:
    call = story.call
    call("show_index")
    call("show_alive")
    call("show_alive_at_live")
    call("show_ready")
    lines = call("show_metrics", as_=MONITOR["METRICS_TOKEN"]).split("\n")
    first = next(
        number
        for number, line in enumerate(lines)
        if line.startswith("# HELP roadmap_queue_messages")
    )
    story.tell("show_metrics", 200, "\n".join(lines[first : first + 3]) + "\n")
    call("list_problem_types")
    call("read_problem_type", slug="invalid")
    call("show_openapi")


def register(story: Story, admin: str) -> None:
    """By an invitation, although everybody may."""
    call = story.call
    invited = call("create_invitation", {"email": ADA["email"]}, as_=admin)
    call("list_invitations", as_=admin)
    call("read_invitation", as_=admin, invitation_id=invited["id"])
    call("register", {**ADA, "name": "Ada", "invitation": invited["invitation"]})
    unused = call("create_invitation", {}, as_=admin)
    call("withdraw_invitation", as_=admin, invitation_id=unused["id"])


def manage(story: Story) -> None:
    """What one has beside roadmaps."""
    call = story.call
    story.token = call("log_in", ADA)["access_token"]
    call("read_me")
    logins = call("list_logins")["items"]
    call("end_login", session_id=next(login["id"] for login in logins if not login["current"]))
    key = call(
        "create_key", {"name": "My notebook", "scopes": ["read", "write"], "expires_in_days": 90}
    )
    call("list_keys")
    call("read_key", key_id=key["id"])
    call("revoke_key", key_id=key["id"])
    call(
        "save_profile",
        {"level": "beginner", "hours_per_week": 6, "language": "en", "resource_language": None},
    )
    call("patch_profile", {"hours_per_week": 5, "resource_language": None})
    call("read_profile")


def plan(story: Story) -> str:
    """The id of a roadmap whose plan waits for review, after some changes."""
    call = story.call
    wish = {
        "goal": GOAL,
        "level": "beginner",
        "hours_per_week": 6,
        "background": "I write scripts now and then.",
        "review": True,
    }
    roadmap: str = call("create_roadmap", wish)["id"]
    call("read_roadmap", roadmap_id=roadmap, until=is_("awaiting_review"))
    call("edit_plan", {"operations": EDITS, "base": 1}, roadmap_id=roadmap)
    call("list_revisions", roadmap_id=roadmap)
    call("read_revision", roadmap_id=roadmap, number=2)
    call("compare_revisions", roadmap_id=roadmap, number=2)
    call("restore_revision", {}, roadmap_id=roadmap, number=1)
    call("revise_plan", {"feedback": "More about rye, and less about cakes."}, roadmap_id=roadmap)
    return roadmap


def write(story: Story, teacher: Teacher, roadmap: str) -> str:
    """The id of the first concept; two parts fail at first."""
    call = story.call
    revision = call("read_roadmap", roadmap_id=roadmap, until=is_("awaiting_review"))["revision"]
    teacher.writes.clear()
    call("approve_plan", {"revision": revision}, roadmap_id=roadmap)
    call("read_activity", roadmap_id=roadmap, until=lambda activity: activity["writing"])
    teacher.refused |= {("quiz", "Flour and water 1"), ("tutorial", "Sourdough 2")}
    teacher.writes.set()
    story.recorded.pop("read_roadmap")  # there is more to see now
    tree = call("read_roadmap", roadmap_id=roadmap, until=is_("partial"))
    concept: str = tree["stages"][0]["modules"][0]["concepts"][0]["id"]
    teacher.refused.clear()
    call("retry_part", {}, roadmap_id=roadmap, concept_id=concept, kind="quiz")
    call("read_roadmap", roadmap_id=roadmap, until=is_("partial"))
    call("retry_roadmap", {}, roadmap_id=roadmap)
    call("read_roadmap", roadmap_id=roadmap, until=is_("ready"))
    call(
        "regenerate_part",
        {"instructions": "With fewer words."},
        roadmap_id=roadmap,
        concept_id=concept,
        kind="tutorial",
    )
    call("read_roadmap", roadmap_id=roadmap, until=is_("ready"))
    return concept


def look_back(story: Story, roadmap: str, concept: str) -> None:
    call = story.call
    call("list_roadmaps")
    call("list_versions", roadmap_id=roadmap, concept_id=concept, kind="tutorial")
    of_tutorial = partial(call, roadmap_id=roadmap, concept_id=concept, kind="tutorial")
    of_tutorial("read_version", number=1)
    of_tutorial("compare_versions", number=2)
    of_tutorial("restore_version", {}, number=1)
    call("list_logs", roadmap_id=roadmap, until=lambda page: len(page["items"]) >= MOST_ITEMS)
    call("read_receipt", roadmap_id=roadmap)
    call("read_trace", roadmap_id=roadmap)
    call("export_picture", roadmap_id=roadmap)
    take_along(story, roadmap)
    events = re.findall(r"id: .*?\n\n", call("watch_roadmap", roadmap_id=roadmap), re.DOTALL)
    story.tell("watch_roadmap", 200, "".join(events[:3]))


def take_along(story: Story, roadmap: str) -> None:
    """In every form; the one that can be brought in becomes a roadmap again."""
    call = story.call
    for operation in ("export_markdown", "export_calendar"):
        text = call(operation, roadmap_id=roadmap)
        story.tell(operation, 200, "".join(text.splitlines(keepends=True)[:12]))
    for operation in ("export_archive", "export_cards"):
        call(operation, roadmap_id=roadmap)
    document = call("export_json", roadmap_id=roadmap)
    stage = document["outline"]["stages"][0]  # the first concept alone: an example is to be read
    module = {**stage["modules"][0], "concepts": stage["modules"][0]["concepts"][:1]}
    outline = {**document["outline"], "stages": [{**stage, "modules": [module]}]}
    key = module["concepts"][0]["key"]
    alone = {**document, "outline": outline, "concepts": {key: document["concepts"][key]}}
    call("import_roadmap", alone)
    upgrade(story, alone)


def upgrade(story: Story, document: Answer) -> None:
    """Of a roadmap that comes from an instance without a model."""
    concepts = {
        key: {**each, "contents": _built_in(each["contents"])}
        for key, each in document["concepts"].items()
    }
    ask = partial(
        answer_to, headers={"Authorization": f"Bearer {story.token}", "User-Agent": AGENT}
    )
    made = ask(
        "POST", f"{story.stack.url}/api/v1/imports", json={**document, "concepts": concepts}
    ).json()
    tree = ask("GET", f"{story.stack.url}/api/v1/roadmaps/{made['id']}").json()
    concept = tree["stages"][0]["modules"][0]["concepts"][0]["id"]
    story.call("upgrade_concept", {}, roadmap_id=made["id"], concept_id=concept)


def _built_in(contents: Answer) -> Answer:
    return {
        kind: written and {**written, "generator": BUILT_IN} for kind, written in contents.items()
    }


def learn(story: Story, roadmap: str, concept: str) -> None:
    call = partial(story.call, roadmap_id=roadmap, concept_id=concept)
    call("set_progress", {"progress": "learning"})
    call("set_notes", {"notes": "Salt makes the net tighter."})
    call("read_notes")
    call("read_progress")
    quiz = call("read_concept")["quiz"]
    attempt = call("answer_quiz", {"version": quiz["version"], "answers": [[2], [0, 1]]})
    call("list_attempts")
    call("read_attempt", attempt_id=attempt["id"])
    tree = story.call("read_roadmap", roadmap_id=roadmap)
    story.call(
        "set_progress",
        {"progress": "done"},
        roadmap_id=roadmap,
        concept_id=tree["stages"][1]["modules"][0]["concepts"][0]["id"],
    )
    due = story.call("list_reviews", until=lambda found: found["items"])["items"][0]
    story.call("check_review", {"chosen": [2]}, card_id=due["id"])
    story.call("rate_review", {"rating": "good", "reviews": due["reviews"]}, card_id=due["id"])


def plan_ahead(story: Story, roadmap: str) -> None:
    """From a Monday on, so that no week of what is recorded depends on the day on which it is."""
    today = datetime.now(UTC).date()
    monday = today + timedelta(days=14 - today.weekday())
    wish = {
        "hours_per_week": 8,
        "deadline": None,
        "begins_on": str(monday),
    }  # a day that is over may not be set as a deadline
    story.call("save_schedule", wish, roadmap_id=roadmap)
    story.call("read_schedule", roadmap_id=roadmap)


def share(story: Story, roadmap: str, concept: str) -> None:
    """With somebody who has no account, for a month."""
    call = partial(story.call, roadmap_id=roadmap)
    link = call("create_link", {"purpose": "reading", "expires_in_days": 30})
    call("list_links")
    call("read_link", link_id=link["id"])
    token = link["url"].rpartition("/")[2]
    story.call("read_shared", as_="", token=token)
    story.call("read_shared_concept", as_="", token=token, concept_id=concept)
    story.call("copy_shared", {}, token=token)
    call("revoke_link", link_id=link["id"])
    calendar = call("create_link", {"purpose": "calendar"})
    story.call("follow_calendar", as_="", token=calendar["url"].split("/")[-2])


def tell(story: Story, url: str) -> None:
    """A program of hers, which listens at this address."""
    call = story.call
    events = ["roadmap.ready", "roadmap.partial", "roadmap.failed"]
    webhook = call(
        "create_webhook", {"url": url, "events": events, "description": "Posts to the team's chat"}
    )["id"]
    call("list_webhooks")
    call("read_webhook", webhook_id=webhook)
    changed = {
        "url": url,
        "events": events[:1],
        "description": "Posts to the team's chat",
        "enabled": True,
    }
    call("change_webhook", changed, webhook_id=webhook)
    call("patch_webhook", {"description": "Posts to the bakers' chat"}, webhook_id=webhook)
    call("rotate_webhook_secret", {}, webhook_id=webhook)
    sent = call("test_webhook", {}, webhook_id=webhook)["id"]
    call(
        "list_deliveries",
        webhook_id=webhook,
        until=lambda page: page["items"][0]["status"] == "delivered",
    )
    call("read_delivery", webhook_id=webhook, delivery_id=sent)
    call("retry_delivery", {}, webhook_id=webhook, delivery_id=sent)
    call("delete_webhook", webhook_id=webhook)


def operate(story: Story, roadmap: str, admin: str) -> None:
    """What an operator looks at."""
    found = {"roadmap_id": roadmap, "level": "info,warning,error"}
    story.call(
        "search_logs", as_=admin, query=found, until=lambda page: len(page["items"]) >= MOST_ITEMS
    )
    exported = story.call("export_logs", as_=admin, query=found)
    story.tell(
        "export_logs", 200, "".join(f"{line}\n" for line in exported.splitlines()[:MOST_ITEMS])
    )


def look_after(story: Story, admin: str) -> None:
    """What an administrator sees of the queues and does about them: two messages of tasks that nobody knows any more."""
    call = partial(story.call, as_=admin)
    put_aside(story.stack, "draw_picture", "draw_picture", "translate_content")
    call("list_queues")
    call("read_queue", queue="content")
    letters = call("list_queue_messages", query={"state": "dead"}, queue="content")["items"]
    call("list_workers", until=lambda found: len(found["items"]) == 2)
    call("list_tasks", until=lambda found: found["items"])
    call("read_queue_history", queue="content", query={"span": "day"})
    call("pause_queue", {}, queue="content")
    waits = post(story.stack, "build_content", str(uuid4()), retries=3)
    call("revoke_message", {}, queue="content", message=waits)
    call("retry_message", {}, queue="content", message=letters[0]["id"])
    call("delete_message", queue="content", message=letters[1]["id"])
    call("retry_dead_letters", {"search": "draw_picture"}, queue="content")
    call("delete_dead_letters", {"up_to": letters[0]["at"]}, queue="content")
    call("resume_queue", {}, queue="content")
    call("list_audit", query={"action": "queue.pause"})


def leave(story: Story) -> None:
    call = story.call
    another = call("create_roadmap", {"goal": GOAL, "review": True}, headers={"Prefer": "wait=30"})[
        "id"
    ]
    call("cancel_roadmap", {}, roadmap_id=another)
    call("trash_roadmap", roadmap_id=another)
    call("list_trash")
    call("restore_from_trash", {}, roadmap_id=another)
    unwanted = call(
        "create_roadmap", {"goal": GOAL, "review": True}, headers={"Prefer": "wait=30"}
    )["id"]
    call("trash_roadmap", roadmap_id=unwanted)
    call("delete_for_ever", roadmap_id=unwanted)
    changed = {"current_password": ADA["password"], "new_password": ANOTHER, "revoke_keys": True}
    story.token = call("change_password", changed)["access_token"]
    story.token = call("change_email", {"email": ADA_NOW, "password": ANOTHER})["access_token"]
    call("order_export", {})
    call("read_export", until=is_("ready"))
    call("download_export")
    call("log_out", {})


def oversee(story: Story, admin: str) -> None:
    """What an operator does meanwhile, for a person who has stopped something by mistake."""
    call = story.call
    found = call("search_roadmaps", as_=admin, query={"status": "cancelled", "owner": ADA_NOW})[
        "items"
    ]
    roadmap = found[0]["id"]
    call("read_overseen", as_=admin, roadmap_id=roadmap)
    call("read_overseen_trace", as_=admin, roadmap_id=roadmap)
    call("retry_overseen", {}, as_=admin, roadmap_id=roadmap)
    call("cancel_overseen", {}, as_=admin, roadmap_id=roadmap)
    call("transfer_roadmaps", {"owner": ADA_NOW, "new_owner": ADMIN["email"]}, as_=admin)


def delete_account(story: Story) -> None:
    password = {"password": ANOTHER}
    story.token = story.call("log_in", {"email": ADA_NOW, **password})["access_token"]
    story.call("delete_me", password)


COMMIT = "1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b"
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


def is_(status: str) -> Callable[[Answer], bool]:
    return lambda tree: bool(tree["status"] == status)


def steady(recorded: dict[str, Any], instead: Names, since: str = "") -> dict[str, Any]:
    """Short, without secrets, and the same when it is recorded again. `instead` has other words for some; `since` is when the
    story began, as times are written.
    """
    text = json.dumps(_short(recorded), ensure_ascii=False)
    for said, better in instead.items():
        text = text.replace(said, better)
    ids = {
        found: f"019b8d00-0000-7000-8000-{number:012d}"
        for number, found in enumerate(dict.fromkeys(ID.findall(text)), 1)
    }
    times = sorted(set(TIME.findall(text)))
    begin = datetime.fromisoformat(
        next(time for time in times if time >= since)
    )  # charts show what was before the story
    moved = {}
    for number, found in enumerate(times):
        hours = round(
            (datetime.fromisoformat(found) - begin) / timedelta(hours=1)
        )  # what expires, does so after whole ones
        moved[found] = (
            f"{BEGIN + timedelta(hours=hours, seconds=0 if hours else 2 * number):%Y-%m-%dT%H:%M:%S}Z"
        )
    text = LINK.sub("the-token-of-the-link", text)
    text = DAY.sub(lambda found: f'"{_moved(found[1], recorded)}"', text)
    text = CONSUMER.sub("c0ffee00c0ffee00c0ffee00c0ffee00", text)
    text = ID.sub(lambda found: ids[found[0]], TIME.sub(lambda found: moved[found[0]], text))
    return {name: record for name, record in sorted(json.loads(text).items()) if record}


def _moved(day: str, recorded: dict[str, Any]) -> str:
    """Today is the day of the beginning, and the Monday on which the plan begins is that of the week after."""
    told = recorded["read_schedule"]["responses"]["200"]
    if day == told["today"]:
        return f"{BEGIN:%Y-%m-%d}"
    after = datetime.fromisoformat(day) - datetime.fromisoformat(told["begins_on"])
    return f"{BEGIN + timedelta(days=7) + after:%Y-%m-%d}"


def _short(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {
            key: _short(each, key) if key != "request" else _safe(each)
            for key, each in value.items()
        }
    if isinstance(value, list):
        most = MOST_ITEMS if value and isinstance(value[0], dict) else 2 * MOST_ITEMS
        return [_short(each, name) for each in value[:most]]
    if (
        isinstance(value, str) and len(value) > LONGEST and not name.isdigit()
    ):  # below a status: chosen by hand
        cut = value[:LONGEST]
        value = cut.rsplit("\n\n" if "\n\n" in cut else None, 1)[0] + " …"
    return (
        BY_CHANCE[name]
        if name in BY_CHANCE and value is not None and not isinstance(value, dict)
        else _safe(value, name)
    )


def _safe(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _safe(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_safe(each) for each in value]
    if isinstance(value, str):
        value = SECRETS.get(
            name, SHOWN_OF_KEY.sub("rmk_0aB1cD2e", KEY.sub("rmk_0aB1cD2e-and-its-secret", value))
        )
    return value


def main(folder: Path, endpoints: dict[str, Any], file: Path) -> int:
    with ExitStack() as stack:
        postgres, broker = (
            Postgres(stack.enter_context(scratch_folder())),
            Redis(stack.enter_context(scratch_folder())),
        )
        for server in (postgres, broker):
            stack.callback(server.stop)
            server.start()
        teacher = stack.enter_context(teaching(Teacher(stages=2, modules=1, concepts=2)))
        environment = {
            **{"ADMIN_EMAIL": ADMIN["email"], "ADMIN_PASSWORD": ADMIN["password"]},
            **{
                "CONTENT_WORKERS": "1",
                "MODEL_CONCURRENCY": "1",
            },  # so that everything happens in one order
            **{"WEBHOOK_NETWORKS": "127.0.0.0/8", "GIT_COMMIT": COMMIT},
            **{"MODEL_TIMEOUT_SECONDS": "60", "LEASE_SECONDS": "120"},
        }
        receiver = stack.enter_context(receiving())
        service = server_stack(
            folder, postgres, broker, in_one=False, **environment, **teacher.environment()
        )
        service.headers = {"User-Agent": AGENT}  # nobody else registers
        stack.enter_context(running(service))
        begun = answer_to("POST", f"{service.url}/api/v1/auth/login", json=ADMIN)
        story, since = Story(service, endpoints), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        live(story, teacher, receiver, begun.json()["access_token"])
    if missing := [name for name in endpoints if name not in story.recorded]:
        print(f"No step of scripts/examples.py calls {', '.join(missing)}.", file=sys.stderr)
        return 1
    instead = {receiver.url: HOOK, service.url: HERE}
    file.write_text(
        json.dumps(steady(story.recorded, instead, since), indent=1, ensure_ascii=False) + "\n",
        "utf-8",
    )
    print(f"{file.name}: {file.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="roadmap-examples-") as name:
        os.environ.update({"SERVICE_TYPE": "all", "DATA_DIR": name})  # before the settings are read
        for variable in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(variable, None)
        from web.openapi_file import EXAMPLES
        from web.routes import ENDPOINTS, operation_id

        sys.exit(
            main(Path(name), {operation_id(endpoint): endpoint for endpoint in ENDPOINTS}, EXAMPLES)
        )
