"""Requests of any kind over a connection that is kept, and every answer to them looked at."""

import gzip
import http.client
import json
import re
import socket
import uuid
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

from testing.stack import GOAL, ROOT
from testing.waiting import HANG
from tests.fuzz.people import Person
from tests.fuzz.watch import Seen, Watch, headers_of

DOCUMENT: dict[str, Any] = json.loads((ROOT / "web" / "openapi.json").read_text("utf-8"))
OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {  # method, path and description by name
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
SHAPES = [
    (name, method, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))))
    for name, (method, path, _) in OPERATIONS.items()
]
FITTING: dict[str, dict[str, Any]] = {  # bodies, as far as it is known here
    "answer_questions": {"skip": True},
    "register": {"email": "somebody@example.org", "password": "seven unrelated paper boats"},
    "log_in": {"email": "somebody@example.org", "password": "seven unrelated paper boats"},
    "change_password": {
        "current_password": "not the password",
        "new_password": "seven unrelated paper boats",
    },
    "change_email": {"email": "another@example.org", "password": "not the password"},
    "transfer_roadmaps": {"owner": "somebody@example.org", "new_owner": "unknown@example.org"},
    "delete_me": {"password": "not the password"},
    "create_key": {"name": "a key"},
    "create_roadmap": {"goal": GOAL, "review": True},
    "revise_plan": {"feedback": "less of everything"},
    "edit_plan": {"operations": [{"op": "add_stage", "title": "One more"}]},
    "set_progress": {"progress": "learning"},
    "finish_part": {"part": 1},
    "place_learner": {"seed": 7},
    "skip_concepts": {"revision": 1, "concept_ids": [str(uuid.UUID(int=7))]},
    "set_notes": {"notes": "a note"},
    "save_exercise": {"exercise_attempt": "an attempt", "checked": True},
    "answer_quiz": {"version": 1, "answers": [[0]]},
    "save_project": {"work": "a link"},
    "save_profile": {"level": "beginner"},
    "save_schedule": {"hours_per_week": 5, "deadline": None, "begins_on": None},
    "check_review": {"chosen": [0]},
    "rate_review": {"rating": "good", "reviews": 0},
    "undo_review": {"reviews": 1},
    "save_limits": {"reviews": 40, "new": 10},
    "create_link": {"purpose": "reading"},
    "create_webhook": {"url": "http://127.0.0.1:65535/hook"},  # a closed port
    "patch_profile": {"level": "advanced"},
    "patch_webhook": {"enabled": True},
    "change_webhook": {
        "url": "http://127.0.0.1:65535/hook",
        "events": ["roadmap.ready"],
        "enabled": True,
    },
}


def operation_of(method: str, target: str) -> str:
    """The name of the operation at this address; empty when there is none."""
    path = target.partition("?")[0]
    return next(
        (name for name, other, shape in SHAPES if other == method and shape.fullmatch(path)), ""
    )


class Asker:
    """Sends requests as `who` by default."""

    def __init__(self, watch: Watch, who: Person) -> None:
        self.watch, self.who = watch, who
        parts = urlsplit(who.stack.url)
        self.place = (parts.hostname or "", parts.port or 80)
        self.last: Seen | None = None
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
        named: bool = True,
    ) -> Seen:
        """`document` is sent as JSON. Without `named`, no credentials are sent."""
        sent = {"Host": "{}:{}".format(*self.place)}
        if named and (token := self.who.present()):
            sent["Authorization"] = f"Bearer {token}"
        if document is not None:
            body = json.dumps(document).encode()
            sent["Content-Type"] = "application/json"
        if body is not None:
            sent["Content-Length"] = str(len(body))
        sent.update(headers or {})
        status, got, content = self._exchange(method, target, sent, body)
        self.last = Seen(
            operation=operation_of(method, target),
            method=method,
            url=self.who.stack.url + target,
            sent=sent,
            body=body or b"",
            status=status,
            headers=got,
            content=content,
        )
        self.watch.see(self.last)
        return self.last

    def read(self, target: str, **headers: str) -> Any:
        seen = self.ask("GET", target, headers=headers)
        assert seen.status == 200, f"{target}: {seen.status} {seen.text[:300]}"
        return json.loads(seen.content)

    def raw(self, *parts: bytes, seconds: float = 3.0) -> bytes:
        """Return the answer to these bytes: all until the server hangs up, or is silent so long."""
        answer = b""
        with suppress(OSError), socket.create_connection(self.place, timeout=seconds) as connection:
            for part in parts:
                connection.sendall(part)
            while received := connection.recv(65_536):
                answer += received
        return answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, target: str, sent: Mapping[str, str], body: bytes | None
    ) -> tuple[int, dict[str, str], bytes]:
        try:
            return self._once(method, target, sent, body)
        except (
            OSError,
            http.client.HTTPException,
        ):  # the server has closed what was kept, or did not read all
            self.close()
        try:
            return self._once(method, target, sent, body)
        except http.client.HTTPException as error:
            raise AssertionError(f"{method} {target[:200]}: no answer: {error!r}") from error
        except OSError as error:
            raise AssertionError(f"{method} {target[:200]}: cut off: {error!r}") from error

    def _once(
        self, method: str, target: str, sent: Mapping[str, str], body: bytes | None
    ) -> tuple[int, dict[str, str], bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(*self.place, timeout=HANG)
        connection = self._connection
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        headers = headers_of(answer.getheaders())
        if answer.will_close:
            self.close()
        return answer.status, headers, _plain(content, headers.get("content-encoding", ""))


def _plain(content: bytes, encoding: str) -> bytes:
    if encoding == "gzip" and content:
        with suppress(OSError, EOFError, zlib.error):
            return gzip.decompress(content)
    return content


def filled(path: str, ids: Mapping[str, str]) -> str:
    """The path with its places filled."""
    return re.sub(r"{(\w+)}", lambda found: quote(ids[found[1]], safe=""), path)
