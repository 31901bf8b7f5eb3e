"""HTTP client of the learners' commands, with retries for a limited time."""

import json
import os
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any
from urllib.parse import urlsplit

import click
import httpx2

from cli.output import CommandFailed, Number, ServiceUnreachable
from core.sanitize import one_line
from core.settings import LOOPBACK

Json = dict[str, Any]

ROADMAPS = "/api/v1/roadmaps"
IMPORTS = "/api/v1/imports"
RETRIED = (429, 502, 503, 504)  # tried again: nothing is done twice
IN_USE = "/problems/idempotency-key-in-use"
PATIENCE = 60.0  # seconds for which a call is tried again
ANSWER = 30.0  # seconds for one answer; a stream of events sends signs of life more often
LONGEST_PAUSE = 8.0  # seconds between two tries, unless Retry-After says more


class ApiClient:
    """Client of a service.

    Raises ServiceUnreachable after its patience, else CommandFailed.
    """

    def __init__(self, url: str, key: str | None, patience: float) -> None:
        self.url, self.patience = url.rstrip("/"), patience
        authorization = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(
            base_url=self.url,
            headers={"Accept": "application/json", **authorization},
            timeout=ANSWER,
            follow_redirects=False,
            # A proxy would look for this machine's service on its own machine.
            trust_env=urlsplit(self.url).hostname not in LOOPBACK,
        )

    def get(self, path: str) -> Json:
        return self._json(self._asked("GET", path))

    def content(self, path: str) -> bytes:
        return self._asked("GET", path).content

    def post(self, path: str, body: Json) -> Json:
        """Send a request that is done once, however often it is sent.

        Its key stays the same.
        """
        return self._json(self._asked("POST", path, body, {"Idempotency-Key": str(uuid.uuid4())}))

    def pages(self, path: str, limit: int) -> Iterator[Json]:
        """Yield up to `limit` items of a list."""
        left, cursor = limit, ""
        joined = "&" if "?" in path else "?"
        while left > 0:
            page = self.get(f"{path}{joined}limit={min(left, 100)}{cursor}")
            yield from page["items"]
            left -= len(page["items"])
            if not page.get("next_cursor"):
                return
            cursor = f"&cursor={page['next_cursor']}"

    def events(self, path: str) -> Iterator[Json]:
        """Yield past and coming events, each once, to the end. A broken stream is resumed."""
        after, until, tries = 0, time.monotonic() + self.patience, 0
        while True:
            failure = self._failure(
                _RetryLater("its streams of events end and tell nothing.", None)
            )
            heard = False
            try:
                headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
                with self._client.stream("GET", path, headers=headers) as answer:
                    if answer.status_code == 204:  # the stream has ended
                        return
                    for event in self._messages(answer):
                        if event is not None:
                            after = event["seq"]
                            yield event
                        heard, until, tries = True, time.monotonic() + self.patience, 0
            except (httpx2.RequestError, httpx2.InvalidURL, _RetryLater) as error:
                failure = self._failure(error)
            is_over = not heard and time.monotonic() > until  # a stream with events may end
            if is_over or not isinstance(failure, ServiceUnreachable):
                raise failure from None
            time.sleep(_pause(tries))
            tries += 1

    def page_of(self, roadmap: Json) -> str:
        return f"{self.url}{roadmap['links']['page']}"

    def _messages(self, answer: httpx2.Response) -> Iterator[Json | None]:
        """Yield each complete event of a stream, and None for a sign of life."""
        if answer.status_code != 200:
            answer.read()
            self._check(answer)
        event: Json | None = None
        for line in answer.iter_lines():
            if line.startswith("data: "):
                event = _object(partial(json.loads, line[6:]))
                if event is None or not {"seq", "type", "data"} <= event.keys():
                    raise self._other()
            elif line.startswith(":"):
                yield None
            elif event is not None and not line:
                yield event
                event = None

    def _asked(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """Send a request until it is answered. Each may be sent twice: a POST has its key."""
        until, tries = time.monotonic() + self.patience, 0
        while True:
            try:
                return self._check(self._client.request(method, path, json=body, headers=headers))
            except (httpx2.RequestError, httpx2.InvalidURL, _RetryLater) as error:
                failure, wait = self._failure(error), getattr(error, "retry_after", None)
            pause = _pause(tries) if wait is None else wait
            if time.monotonic() + pause > until or not isinstance(failure, ServiceUnreachable):
                raise failure from None
            time.sleep(pause)
            tries += 1

    def _check(self, answer: httpx2.Response) -> httpx2.Response:
        """Return a good answer. Raises _RetryLater, or CommandFailed for a refusal."""
        if answer.is_success:
            return answer
        problem = _object(answer.json) or {}  # a proxy may answer something else
        if answer.status_code in RETRIED or problem.get("type") == IN_USE:
            wait = answer.headers.get("retry-after", "")
            detail = problem.get("detail") or f"it answers {answer.status_code}"
            raise _RetryLater(detail, float(wait) if wait.isdecimal() else None)
        if answer.status_code == 401:
            raise CommandFailed(
                "The service wants to know who calls: put an API key into ROADMAP_API_KEY, "
                "or say --key (docs/ACCOUNTS.md)."
            )
        if not problem:
            raise CommandFailed(
                f"{self.url} answers {answer.status_code}, and not as this service does; "
                "is --url (ROADMAP_URL) right?"
            )
        places = "; ".join(
            f"{each.get('pointer', '').removeprefix('#/')}: {each['detail']}"
            for each in problem.get("errors") or ()
        )
        raise CommandFailed(one_line(places or str(problem.get("detail") or problem.get("title"))))

    def _json(self, answer: httpx2.Response) -> Json:
        if (found := _object(answer.json)) is None:
            raise self._other()
        return found

    def _other(self) -> CommandFailed:
        return CommandFailed(
            f"{self.url} answers something else than this service does; "
            "is --url (ROADMAP_URL) right?"
        )

    def _failure(self, error: Exception) -> CommandFailed:
        """Return ServiceUnreachable if another try may help, or else CommandFailed."""
        if isinstance(error, httpx2.LocalProtocolError):
            # The message of the library quotes the header, which may be the key.
            return CommandFailed(
                "The request cannot be sent: something in it is not allowed in HTTP. "
                "Look at --url and --key."
            )
        if isinstance(error, httpx2.DecodingError | httpx2.InvalidURL):
            return self._other()
        reason = one_line(str(error))
        if isinstance(error, _RetryLater):
            return ServiceUnreachable(
                f"{self.url} is busy or incomplete: {reason} "
                "Try again later; `roadmap doctor` tells its host why."
            )
        return ServiceUnreachable(
            f"{self.url} cannot be reached ({reason or type(error).__name__}). "
            "Start the service (`make run`), or say --url (ROADMAP_URL)."
        )


class _RetryLater(Exception):
    def __init__(self, detail: str, retry_after: float | None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


def service_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --url, --key and --patience, which the command gets as its `client`."""

    @click.option(
        "--url",
        envvar="ROADMAP_URL",
        help="Of the service, or ROADMAP_URL. Default: http://127.0.0.1:$PORT.",
    )
    @click.option(
        "--key",
        envvar="ROADMAP_API_KEY",
        callback=_key,
        help="API key, or ROADMAP_API_KEY. On your own machine none is needed.",
    )
    @click.option(
        "--patience",
        type=Number(0, 3600),
        default=PATIENCE,
        show_default=True,
        help="Seconds to try for when it is away or busy.",
    )
    @wraps(command)
    def call(*args: Any, url: str | None, key: str | None, patience: float, **options: Any) -> None:
        address = url or f"http://127.0.0.1:{os.environ.get('PORT', '').strip() or 8000}"
        command(*args, client=ApiClient(_checked(address), key, patience), **options)

    return call


def _key(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Strip a key of spaces from a file or an editor.

    A wrong one is a secret, and not quoted.
    """
    key = (value or "").strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise click.BadParameter("has characters that no key has; copy it again, whole and alone")
    return key or None


def _id(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Find the id, also in the address of its page."""
    found = re.search(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?=/?$)", value)
    if found is None:
        raise click.BadParameter("is not the id of a roadmap, which `roadmap list` shows")
    return found[0]


id_argument = click.argument("roadmap_id", metavar="ID", callback=_id)


def _checked(url: str) -> str:
    """Return the address of a service. Raises BadParameter."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx2.URL(url).raw_host.decode().encode("idna")  # the form in which it is looked up
    except (ValueError, httpx2.InvalidURL):
        fits = False
    if not fits or re.search(r"\s", url):
        raise click.BadParameter(
            "must be the whole address of a service, as in https://roadmap.example.org",
            param_hint="--url",
        )
    return url


def _object(read: Callable[[], Any]) -> Json | None:
    """Return the JSON object that is read; None for something else."""
    try:
        found = read()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _pause(tries: int) -> float:
    """Return seconds to wait: longer each time, with jitter."""
    return min(0.25 * 2.0 ** min(tries, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)
