"""Client of the Roadmap API in one file, with the standard library only: copy it.

    python client.py "Become a backend engineer in Python"

ROADMAP is the URL of the service, by default http://127.0.0.1:8000. ROADMAP_TOKEN is an API key or
an access token; embedded mode needs none. docs/API.md describes all operations.
"""

import json
import os
import random
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from email.message import Message
from functools import partial
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

Json = dict[str, Any]
Result = TypeVar("Result")

ROADMAPS = "/api/v1/roadmaps"
AGAIN = (429, 502, 503, 504)  # retried: every request here is idempotent
IN_USE = "/problems/idempotency-key-in-use"  # retried: the first request is still running
LONGEST_PAUSE = 8.0  # seconds between two tries, unless Retry-After is longer
NEXT = re.compile(r'<(/[^>]*)>;\s*rel="next"')


class RoadmapError(Exception):
    """Problem (RFC 9457). Distinguish by `type`; `errors` names each invalid field."""

    def __init__(self, status: int, problem: Json, retry_after: float | None = None) -> None:
        self.status = status
        self.type: str = problem.get("type", "about:blank")
        self.detail: str = (
            problem.get("detail") or problem.get("title") or f"The service answered {status}."
        )
        self.errors: list[dict[str, str]] = problem.get("errors") or []
        self.request_id: str | None = problem.get("request_id")
        self.retry_after = retry_after
        places = [
            f"{each.get('pointer') or each.get('parameter')} {each['detail']}"
            for each in self.errors
        ]
        super().__init__(f"{self.detail} [{'; '.join(places) or status}]")


class Roadmap:
    """Client of the service at `base_url` (without a path).

    An unreachable or busy service is retried for `patience` seconds. Calls raise RoadmapError for
    a problem, and OSError without a response.
    """

    def __init__(
        self, base_url: str, token: str | None = None, *, patience: float = 60, timeout: float = 60
    ) -> None:
        self.base_url, self.patience, self.timeout = base_url.rstrip("/"), patience, timeout
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._opener = build_opener(_NoRedirects)

    def create(self, goal: str, *, key: str | None = None, **fields: Any) -> Json:
        """Create a roadmap. `fields`: level, hours_per_week, review, ...
        Retries send the same `key`; store your own to stay idempotent across restarts."""
        return self._post(ROADMAPS, {"goal": goal, **fields}, key)

    def roadmap(self, roadmap_id: str) -> Json:
        """Return the tree with the status of every content."""
        return self._call("GET", f"{ROADMAPS}/{roadmap_id}")[0]

    def wait(self, roadmap_id: str) -> Json:
        """Return the tree when the roadmap has ended or waits for its owner (`status`)."""
        for event in self.events(roadmap_id):
            if event["type"].startswith("roadmap.awaiting_"):
                tree = self.roadmap(roadmap_id)
                if tree["status"].startswith("awaiting_"):
                    return tree
        return self.roadmap(roadmap_id)

    def events(self, roadmap_id: str, after: int = 0) -> Iterator[Json]:
        """Yield past and future events after number `after`; resume a broken stream.
        It ends with the roadmap, and waits while the roadmap waits for its owner."""
        path, until, tries = f"{ROADMAPS}/{roadmap_id}/events", time.monotonic() + self.patience, 0
        while True:
            answer = self._patiently(
                partial(self._open, "GET", path, {"Last-Event-ID": str(after)})
            )
            with answer, suppress(OSError, HTTPException):  # broken stream
                if answer.status == 204:  # no more events
                    return
                for event in _events(answer):
                    if event is not None:
                        after = event["seq"]
                        yield event
                    until, tries = time.monotonic() + self.patience, 0
            if time.monotonic() > until:
                raise ConnectionError("The event stream breaks repeatedly without events.")
            time.sleep(_pause(tries))
            tries += 1

    def roadmaps(self, **query: str | int) -> Iterator[Json]:
        """Yield your roadmaps, newest first. `query`: status, and limit (page size)."""
        path: str | None = f"{ROADMAPS}?{urlencode(query)}"
        while path:
            page, headers = self._call("GET", path)
            yield from page["items"]
            following = NEXT.search(headers.get("Link", ""))
            path = following[1] if following else None

    def concept(self, roadmap_id: str, concept_id: str) -> Json:
        """Return a concept; tutorial, resources and quiz are None until written."""
        return self._call("GET", f"{ROADMAPS}/{roadmap_id}/concepts/{concept_id}")[0]

    def answer_quiz(
        self, roadmap_id: str, concept_id: str, version: int, answers: Sequence[Sequence[int] | str]
    ) -> Json:
        """Grade `answers`: for each question the chosen options, from 0, or a typed text."""
        path = f"{ROADMAPS}/{roadmap_id}/concepts/{concept_id}/quiz/attempts"
        chosen = [each if isinstance(each, str) else list(each) for each in answers]
        return self._post(path, {"version": version, "answers": chosen})

    def _post(self, path: str, body: Json, key: str | None = None) -> Json:
        return self._call("POST", path, body, {"Idempotency-Key": key or str(uuid.uuid4())})[0]

    def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[Json, Message]:
        def ask() -> tuple[Json, Message]:
            with self._open(method, path, headers or {}, body) as answer:
                return json.loads(answer.read()), answer.headers

        return self._patiently(ask)

    def _patiently(self, ask: Callable[[], Result]) -> Result:
        """Call `ask` with retries: each request is a GET, or a POST with a key."""
        until, tries = time.monotonic() + self.patience, 0
        while True:
            try:
                return ask()
            except RoadmapError as error:
                if error.status not in AGAIN and error.type != IN_USE:
                    raise
                failure: Exception = error
                pause = error.retry_after if error.retry_after is not None else _pause(tries)
            except (OSError, HTTPException) as error:
                failure = error if isinstance(error, OSError) else ConnectionError(repr(error))
                pause = _pause(tries)
            if time.monotonic() + pause > until:
                raise failure
            time.sleep(pause)
            tries += 1

    def _open(
        self, method: str, path: str, headers: dict[str, str], body: Json | None = None
    ) -> Any:
        """Return the response, its body unread."""
        content = None if body is None else json.dumps(body).encode()
        typed = {} if body is None else {"Content-Type": "application/json"}
        request = Request(
            self.base_url + path, content, {**self._headers, **typed, **headers}, method=method
        )
        try:
            return self._opener.open(request, timeout=self.timeout)
        except HTTPError as error:
            with error:
                raise RoadmapError(
                    error.code, _problem(error), _seconds(error.headers.get("Retry-After"))
                ) from None


class _NoRedirects(HTTPRedirectHandler):
    """Follow no redirect: the API has none, and a token must not go elsewhere."""

    def redirect_request(self, *given: Any) -> None:
        return None


def _events(lines: Iterable[bytes]) -> Iterator[Json | None]:
    """Yield each complete event, and None for a keep-alive."""
    event = None
    for line in lines:
        if line.startswith(b"data: ") and line.endswith(b"\n"):
            event = json.loads(line[6:])
        elif line.startswith(b":"):
            yield None
        elif event is not None and line in (b"\n", b"\r\n"):
            yield event
            event = None


def _problem(error: HTTPError) -> Json:
    """Return the problem of a response; empty for the response of a proxy."""
    try:
        found = json.loads(error.read())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _pause(tries: int) -> float:
    """Return seconds to wait: longer each time, with jitter."""
    return min(0.25 * 2.0 ** min(tries, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)


def main(goal: str) -> int:
    service = Roadmap(
        os.environ.get("ROADMAP", "http://127.0.0.1:8000"), os.environ.get("ROADMAP_TOKEN")
    )
    try:
        made = service.create(goal)
        for event in service.events(made["id"]):
            data = event["data"]
            written = f" {data['ready']} of {data['total']}" if "total" in data else ""
            print(f"{event['seq']:4} {event['type']}{written}", file=sys.stderr)
        tree = service.roadmap(made["id"])
    except (RoadmapError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{tree['title'] or goal}: {tree['status']} {tree['error']}".rstrip())
    for stage in tree["stages"]:
        print(f"\n{stage['title']} ({stage['hours']} h)")
        for concept in (concept for module in stage["modules"] for concept in module["concepts"]):
            print(f"  week {concept['week']:2}  {concept['title']}")
    return 0 if tree["status"] == "ready" else 1


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:]) or "Become a backend engineer in Python"))
