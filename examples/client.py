"""A client of the Roadmap API in one file, with nothing but the standard library: copy it into your project.

    python client.py "Become a backend engineer in Python"

The environment says where the service is (ROADMAP, http://127.0.0.1:8000 otherwise) and who calls (ROADMAP_TOKEN: an API key
or the token of a login; on your own machine nothing). docs/API.md has what else there is to call.
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
AGAIN = (429, 502, 503, 504)  # it was not done, or will not be done twice: ask again later
IN_USE = "/problems/idempotency-key-in-use"  # nor is what is being done at this moment
LONGEST_PAUSE = 8.0  # seconds between two tries, unless Retry-After says more
NEXT = re.compile(r'<(/[^>]*)>;\s*rel="next"')


class RoadmapError(Exception):
    """The service answered with a problem (RFC 9457). Decide by `type`; `errors` names each field with the rule it breaks."""

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
    """`base_url` without a path. Each call is tried again for `patience` seconds when the service is away or busy.

    Methods raise RoadmapError when the service says no, and OSError when there was no answer in all that time.
    """

    def __init__(
        self, base_url: str, token: str | None = None, *, patience: float = 60, timeout: float = 60
    ) -> None:
        self.base_url, self.patience, self.timeout = base_url.rstrip("/"), patience, timeout
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._opener = build_opener(_NoRedirects)

    def create(self, goal: str, *, key: str | None = None, **fields: Any) -> Json:
        """Its id, status and links. Made once, however often it has to be sent: the key stays the same. Keep a `key` of your
        own with your data to make it once over restarts of your program, too. `fields`: level, hours_per_week, review, ...
        """
        return self._post(ROADMAPS, {"goal": goal, **fields}, key)

    def roadmap(self, roadmap_id: str) -> Json:
        """The whole tree, with the state of every part."""
        return self._call("GET", f"{ROADMAPS}/{roadmap_id}")[0]

    def wait(self, roadmap_id: str) -> Json:
        """The tree, once the roadmap has ended (see its `status`) or waits for approval."""
        for event in self.events(roadmap_id):
            if (
                event["type"] == "roadmap.awaiting_review"
                and (tree := self.roadmap(roadmap_id))["status"] == "awaiting_review"
            ):
                return tree
        return self.roadmap(roadmap_id)

    def events(self, roadmap_id: str, after: int = 0) -> Iterator[Json]:
        """What has happened since the event of that number, and what happens until the end, each once. When the stream is
        cut, it is resumed behind the last event that was read. While a plan waits for approval, so does this.
        """
        path, until, tries = f"{ROADMAPS}/{roadmap_id}/events", time.monotonic() + self.patience, 0
        while True:
            answer = self._patiently(
                partial(self._open, "GET", path, {"Last-Event-ID": str(after)})
            )
            with answer, suppress(OSError, HTTPException):  # it was cut
                if answer.status == 204:  # there is nothing more
                    return
                for event in _events(answer):
                    if event is not None:
                        after = event["seq"]
                        yield event
                    until, tries = time.monotonic() + self.patience, 0
            if time.monotonic() > until:
                raise ConnectionError("The stream of events is cut again and again.")
            time.sleep(_pause(tries))
            tries += 1

    def roadmaps(self, **query: str | int) -> Iterator[Json]:
        """Yours, the newest first, page after page. `query`: status, and limit for the size of a page."""
        path: str | None = f"{ROADMAPS}?{urlencode(query)}"
        while path:
            page, headers = self._call("GET", path)
            yield from page["items"]
            following = NEXT.search(headers.get("Link", ""))
            path = following[1] if following else None

    def concept(self, roadmap_id: str, concept_id: str) -> Json:
        """With its tutorial, resources and quiz; what is not written yet is None."""
        return self._call("GET", f"{ROADMAPS}/{roadmap_id}/concepts/{concept_id}")[0]

    def answer_quiz(
        self, roadmap_id: str, concept_id: str, version: int, answers: Sequence[Sequence[int]]
    ) -> Json:
        """Graded. `answers`: for each question the numbers of the options that are chosen; `version` is that of the quiz."""
        path = f"{ROADMAPS}/{roadmap_id}/concepts/{concept_id}/quiz/attempts"
        return self._post(path, {"version": version, "answers": [list(each) for each in answers]})

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
        """Everything that is asked here may be asked twice: a GET changes nothing, and a POST has its key."""
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
        """The answer, still to be read."""
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
    """The API has none, and a token must not follow one elsewhere."""

    def redirect_request(self, *given: Any) -> None:
        return None


def _events(lines: Iterable[bytes]) -> Iterator[Json | None]:
    """Each event that has arrived whole, and None for a sign of life."""
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
    """Whoever stands before the service may answer with something else."""
    try:
        found = json.loads(error.read())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _pause(tries: int) -> float:
    """Longer each time, and not the same for everybody."""
    return min(0.25 * 2.0 ** min(tries, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)


def main(goal: str) -> int:
    service = Roadmap(
        os.environ.get("ROADMAP", "http://127.0.0.1:8000"), os.environ.get("ROADMAP_TOKEN")
    )
    try:
        made = service.create(goal)
        for event in service.events(made["id"]):
            told = event["data"]
            written = f" {told['ready']} of {told['total']}" if "total" in told else ""
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
