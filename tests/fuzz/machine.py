"""Configure schemathesis for a running stack."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import schemathesis
from schemathesis import AuthContext, Case, HookContext, Response, hooks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.engine import events, from_schema

from testing.stack import GOAL, ROOT
from testing.waiting import HANG
from tests.closed import closed
from tests.fuzz.asking import Asker
from tests.fuzz.watch import Seen, Watch, headers_of

FILE = ROOT / "web" / "openapi.json"

LOGIN_ENDS = ("log_out", "end_login", "change_password", "change_email")
LOGIN_ONLY = (
    *LOGIN_ENDS,
    "list_logins",
    "create_key",
    "list_keys",
    "read_key",
    "revoke_key",
)  # no API key may
LOGIN_ONLY += ("delete_me", "order_export", "read_export", "download_export")
OF_ADMINS = ("create_invitation", "list_invitations", "read_invitation", "withdraw_invitation")
# What a schema cannot say, so that data which fit it may be refused: by operation, with the reason.
REFUSED = {
    "answer_questions": "so many answers as there are questions",
    "answer_quiz": "so many answers as the quiz has questions",
    "check_review": "indexes of options that the question has",
    "edit_plan": "operations name parts of this plan",
    "import_roadmap": "what is in it belongs together",
    "place_learner": "indexes of options that the question has",
    "register": "the password is a common one",
    "change_password": "the same",
    "change_email": "the password is not that of the account, and the address may be taken",
    "transfer_roadmaps": "the accounts have to be there",
    "delete_me": "the password is not that of the account",
    "list_roadmaps": "a cursor is of one order",
    "save_exercise": "only an exercise that is written can be checked",
    "save_project": "a mark for each criterion",
    "save_profile": "the time zone is known, and a week has seven days",
    "patch_profile": "the same",
    "take_test": "so many answers as the test has questions",
    "set_progress": "its old name may not say something else",
    "watch_roadmap": "the last event that was seen is one of this roadmap",
}
NEEDS_A_MODEL = {
    **{"revise_plan": "the catalogue follows no words", "regenerate_part": "the same"},
    "order_judgement": "the catalogue judges nothing",
    "upgrade_concept": "the catalogue has written it",
}
LEFT_OUT = {"pause_queue": "a queue that stands still keeps everything else from its end"}
ACCEPTED = {  # data which do not fit and may be accepted all the same
    "in header - object with unexpected properties": "an unknown header is no mistake",
    "at /properties/email": "what is odd for a `format` may be an address",
}
OFF = {  # checks of schemathesis
    "object_level_authorization": "it wants logins that it makes itself; `others` asks for all",
    "max_response_time": "one slow answer on a busy machine is no matter; benchmarks/ measure",
}


def configuration(
    seed: int, seconds: float | None, examples: int | None, *, model: bool
) -> SchemathesisConfig:
    generation: dict[str, Any] = {
        "deterministic": seconds is None,
        "database": "none",
        "no-shrink": False,
    }
    if examples is not None:
        generation["max-examples"] = examples
    more = (
        {"max-examples": examples * 5} if examples is not None else {}
    )  # of scenarios, which are the shorter way
    values: dict[str, Any] = {
        "seed": seed,
        "request-timeout": HANG,
        "continue-on-failure": True,
        "max-stream-events": 3,
        "max-redirects": 0,
        "generation": generation,
        "phases": {
            "stateful": {"generation": {**generation, **more}},
            "coverage": {
                "enabled": seconds is not None
            },  # most requests, which only a long run has
        },
        "checks": {
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "3xx", 401, 403, 404, 409, 412]
            },
            "negative_data_rejection": {
                "expected-statuses": [400, 401, 403, 404, 405, 409, 412, 413, 415, 422]
            },
            **{name: {"enabled": False} for name in OFF if name != "max_response_time"},
        },
        "operations": [
            {
                "include-operation-id": name,
                "checks": {
                    "positive_data_acceptance": {
                        "expected-statuses": ["2xx", "3xx", 401, 403, 404, 409, 412, 422]
                    }
                },
                **(
                    {"request-timeout": 1} if name == "watch_roadmap" else {}
                ),  # it goes on as long as the roadmap is made
            }
            for name in (*REFUSED, *(() if model else NEEDS_A_MODEL))
        ]
        + [{"include-operation-id": name, "enabled": False} for name in LEFT_OUT],
    }
    if seconds is not None:
        values["max-time"] = max(int(seconds), 1)
    return SchemathesisConfig.from_dict(values)


def document(mode: str) -> dict[str, Any]:
    """With closed enumerations; in server mode every operation requires a token."""
    read = closed(json.loads(FILE.read_text("utf-8")))
    if mode == "server":
        read["security"] = [each for each in read["security"] if each]
    return read


def run(
    asker: Asker,
    seed: int,
    *,
    seconds: float | None,
    examples: int | None = None,
    tell: Callable[[str], None],
) -> None:
    watch = asker.watch
    people, stack = watch.people, watch.stack
    schema = schemathesis.openapi.from_dict(
        document(stack.mode), config=configuration(seed, seconds, examples, model=with_model(watch))
    )
    schema.config.update(base_url=stack.url)
    schema.config.output.sanitization.update(enabled=False)

    if stack.mode == "server":

        @schema.auth(refresh_interval=None)
        class Token:
            def get(self, case: Case, context: AuthContext) -> str:
                name = case.operation.definition.raw["operationId"]
                if name in LOGIN_ENDS:
                    return people.me.log_in()
                by_key = watch.prepared[name] % 5 == 4 and name not in (*LOGIN_ONLY, *OF_ADMINS)
                return people.mine["key"] if by_key else people.me.present()

            def set(self, case: Case, data: str, context: AuthContext) -> None:
                case.headers["Authorization"] = f"Bearer {data}"

    def before_call(context: HookContext, case: Case, **kwargs: Any) -> None:
        prepare(case, watch)

    def after_call(context: HookContext, case: Case, response: Response) -> None:
        name = case.operation.definition.raw["operationId"]
        request = response.request
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        named = name if (request.method or "").lower() == case.operation.method.lower() else ""
        seen = Seen(
            operation=named,
            method=request.method or "",
            url=request.url or "",
            sent={
                key: value if isinstance(value, str) else value.decode("latin-1")
                for key, value in request.headers.items()
            },
            body=bytes(body),
            status=response.status_code,
            headers=headers_of(response.headers.items()),
            content=response.content or b"",
        )
        watch.see(seen)
        is_read = named not in {*LOGIN_ENDS, "finish_part", "note_reading"}  # read with the concept
        if named and seen.method == "PUT" and seen.status == 200 and is_read:
            read_again(seen, asker)
        if named in LOGIN_ENDS and response.status_code < 300:
            people.me.spoilt = True
            if name == "change_password":
                people.me.password = json.loads(body)["new_password"]
            if name == "change_email":
                people.me.email = json.loads(body)["email"]

    def filter_failure(
        context: HookContext, failure: Failure, case: Case, response: Response
    ) -> bool:
        return not (
            isinstance(failure, AcceptedNegativeData)
            and any(words in failure.message for words in ACCEPTED)
        )

    with hooked(before_call, after_call, filter_failure):
        for event in from_schema(schema).execute():
            take(event, watch, tell)


@contextmanager
def hooked(*functions: Callable[..., None]) -> Iterator[None]:
    """These hooks exist for all schemas only."""
    for function in functions:
        schemathesis.hook(function)
    try:
        yield
    finally:
        for function in functions:
            hooks.unregister(function)


def take(event: events.EngineEvent, watch: Watch, tell: Callable[[str], None]) -> None:
    match event:
        case events.PhaseStarted():
            tell(event.phase.name.value)
        case events.SchemaAnalysisWarnings():
            for warning in event.warnings:
                watch.fail("schemathesis warns of the document", str(warning), about=str(warning))
        case events.NonFatalError():
            watch.fail(
                f"schemathesis: {event.info.title}",
                f"{event.label}: {event.info.message}",
                about=event.label,
            )
        case events.ScenarioFinished():
            tell("")
            for checks in event.recorder.checks.values():
                for node in checks:
                    if node.failure_info is not None:
                        failure = node.failure_info.failure
                        text = f"{failure.operation}: {failure.title}\n{failure.message}"
                        watch.fail(
                            f"{node.name}: {failure.title}",
                            text,
                            node.failure_info.code_sample,
                            about=failure.operation,
                        )


def read_again(written: Seen, asker: Asker) -> None:
    """Compare what was written and what is read."""
    path = urlsplit(written.url).path
    read = asker.ask("GET", path)
    if (read.status, read.content) != (200, written.content):
        output = (
            f"{path}: {written.text[:300]} was written, and read is {read.status} {read.text[:300]}"
        )
        asker.watch.fail(
            "what was written is not what is read", output, written.curl, about=written.operation
        )


def with_model(watch: Watch) -> bool:
    """Otherwise the catalogue writes, which has one track."""
    return "OPENAI_API_KEY" in watch.stack.environment


def prepare(case: Case, watch: Watch) -> None:
    """Make a request as it is sent.

    A wait is a short one, and what is meant to fit fits what no schema can say.
    """
    name = case.operation.definition.raw["operationId"]
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    headers, chance = case.headers, watch.prepared[name] % 8
    watch.prepared[name] += positive
    for header in headers:
        if header.lower() == "prefer" and "wait" in str(headers[header]):
            headers[header] = "wait=1" if chance == 0 else "wait=0"
    if isinstance(case.body, dict) and str(case.body.get("url")).lower().startswith("http"):
        case.body = {
            **case.body,
            "url": f"{watch.people.hook}/{uuid.uuid4().hex}",
        }  # nothing leaves this machine
    if name in DESTROYS:
        kept = {
            *watch.people.mine.values(),
            *watch.people.changing.values(),
            watch.people.waiting,
            watch.people.stopped,
        }
        case.path_parameters = {
            key: str(uuid.uuid4()) if value in kept else value
            for key, value in case.path_parameters.items()
        }
    if not positive:
        return
    for header in headers:
        if header.lower() == "if-match" and chance < 6:
            headers[header] = "*"
        if (
            header.lower() == "idempotency-key"
        ):  # one that has not been used; tests/fuzz/properties.py uses keys again
            headers[header] = uuid.uuid4().hex
    if chance < 4 and case.path_parameters and (name not in DESTROYS or name in THROWN):
        ids = places(name, watch, chance)
        case.path_parameters = {
            key: ids.get(key, value) for key, value in case.path_parameters.items()
        }
    if isinstance(case.body, dict):
        case.body = fitting(name, dict(case.body), watch, chance)


THROWN = ("trash_roadmap", "restore_from_trash", "delete_for_ever")
DESTROYS = (
    "revoke_key",
    "withdraw_invitation",
    "delete_webhook",
    *THROWN,
)  # what is there before it begins stays
DECISIONS = (
    "approve_plan",
    "edit_plan",
    "revise_plan",
    "restore_revision",
    "retry_roadmap",
    "retry_part",
    "regenerate_part",
    "upgrade_concept",
    "restore_version",
    "change_webhook",
    "patch_webhook",
)


def places(name: str, watch: Watch, chance: int) -> dict[str, str]:
    """Ids of something with which this can be done."""
    people = watch.people
    if name == "cancel_roadmap":
        return {"roadmap_id": people.me.begin(review=True)} if chance == 0 else {}
    if name in THROWN:
        return (
            {"roadmap_id": people.me.thrown_away(is_there=name != "trash_roadmap")}
            if chance == 0
            else {}
        )
    if name == "follow_calendar":
        return {"token": people.feed}
    if name == "end_login":
        return {"session_id": people.me.other_login()} if people.me.email and chance == 0 else {}
    if name not in DECISIONS:
        return people.mine
    chosen = {"approve_plan": people.waiting, "retry_roadmap": people.stopped}.get(name, "")
    return {**people.changing, "roadmap_id": chosen} if chosen and chance < 2 else people.changing


def fitting(name: str, body: dict[str, Any], watch: Watch, chance: int) -> dict[str, Any]:
    me = watch.people.me
    if name == "create_roadmap":
        if with_model(watch):
            body["goal"] = f"learn {body['goal']}"[:1000].strip()
        else:
            body |= {"goal": GOAL, "language": "en"}
    if name in ("create_roadmap", "save_schedule"):
        days = {
            "begins_on": chance,
            "deadline": 30 + chance,
        }  # from today, if there is one
        body |= {
            field: str(datetime.now(UTC).date() + timedelta(count))
            for field, count in days.items()
            if body.get(field)
        }
    if name == "register" and chance < 4:
        body |= {
            "email": f"{uuid.uuid4().hex}@example.org",
            "password": uuid.uuid4().hex,
            "invitation": None,
        }
    if name == "approve_plan" and chance < 4:
        body["revision"] = None
    if name == "revise_plan":
        body["feedback"] = f"more {body['feedback']}"[:4000].strip()
    if name == "answer_quiz" and chance < 4:
        body |= {"version": 1, "answers": [[] for _ in range(watch.people.questions)]}
    if name == "edit_plan" and chance < 4:
        body["operations"] = [
            {"op": "rewrite", "what": "stage", "key": watch.people.stage, "title": uuid.uuid4().hex}
        ]
        body.pop("base", None)
    if "url" in body:
        body["url"] = f"{watch.people.hook}/{uuid.uuid4().hex}"
    if name == "log_in" and chance < 4:
        body |= watch.people.visitor
    if name == "change_password" and me.email and chance < 4:
        body |= {
            "current_password": me.password,
            "new_password": f"{uuid.uuid4().hex} {uuid.uuid4().hex}",
            "revoke_keys": False,  # a key is what later requests need
        }
    return body
