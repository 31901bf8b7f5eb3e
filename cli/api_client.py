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
RETRIED = (429, 502, 503, 504)  # retried: requests are idempotent
IN_USE = "/problems/idempotency-key-in-use"
PATIENCE = 60.0  # seconds of retries
ANSWER = 30.0  # seconds for one response; event streams send keep-alives more often
LONGEST_PAUSE = 8.0  # seconds between two tries, unless Retry-After is longer


class ApiClient:
    """Client of a service.

    Raises ServiceUnreachable when `patience` seconds have passed, and CommandFailed for an error
    that a retry does not cure.
    """

    def __init__(self, url: str, key: str | None, patience: float) -> None:
        self.url, self.patience = url.rstrip("/"), patience
        self._has_key = bool(key)
        authorization = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(
            base_url=self.url,
            headers={"Accept": "application/json", **authorization},
            timeout=ANSWER,
            follow_redirects=False,
            # A proxy cannot reach the loopback address of this machine.
            trust_env=urlsplit(self.url).hostname not in LOOPBACK,
        )

    def get(self, path: str) -> Json:
        return self._json(self._asked("GET", path))

    def content(self, path: str) -> bytes:
        return self._asked("GET", path).content

    def post(self, path: str, body: Json) -> Json:
        """Send a request once; retries have the same idempotency key."""
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
        """Yield past and future events, each once; resume a broken stream."""
        after, until, tries = 0, time.monotonic() + self.patience, 0
        while True:
            failure = self._failure(_RetryLater("its event streams end without events.", None))
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
        """Yield each complete event of a stream, and None for a keep-alive."""
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
        """Send a request, with retries; a POST has an idempotency key."""
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
        """Return a successful response; raise _RetryLater or CommandFailed for others."""
        if answer.is_success:
            return answer
        problem = _object(answer.json) or {}  # the response may be a proxy's
        if answer.status_code in RETRIED or problem.get("type") == IN_USE:
            wait = answer.headers.get("retry-after", "")
            detail = problem.get("detail") or f"it answers {answer.status_code}."
            raise _RetryLater(detail, float(wait) if wait.isdecimal() else None)
        if answer.status_code == 401:
            raise CommandFailed(
                f"The API key is {'not valid' if self._has_key else 'missing'}. "
                "Set ROADMAP_API_KEY or --key to a valid one (docs/ACCOUNTS.md)."
            )
        if not problem:
            raise CommandFailed(
                f"{self.url} answers {answer.status_code}, and is not a Roadmap service. "
                "Check --url (ROADMAP_URL)."
            )
        fields = "; ".join(
            f"{_place(each)}: {each['detail'].rstrip('.')}" for each in problem.get("errors") or ()
        )
        detail = f"Invalid {fields}." if fields else problem.get("detail") or problem.get("title")
        lacks = answer.status_code == 404 and "/roadmaps/" in str(answer.url)
        hint = " `roadmap list` shows your roadmaps." if lacks else ""
        raise CommandFailed(one_line(f"{detail}{hint}"))

    def _json(self, answer: httpx2.Response) -> Json:
        if (found := _object(answer.json)) is None:
            raise self._other()
        return found

    def _other(self) -> CommandFailed:
        return CommandFailed(
            f"The response of {self.url} is not from a Roadmap service. Check --url (ROADMAP_URL)."
        )

    def _failure(self, error: Exception) -> CommandFailed:
        """Return ServiceUnreachable if a retry may help, otherwise CommandFailed."""
        if isinstance(error, httpx2.LocalProtocolError):
            # The message of the library quotes the header, which may be the key.
            return CommandFailed(
                "The request cannot be sent: it contains characters that HTTP does not allow. "
                "Check --url and --key."
            )
        if isinstance(error, httpx2.DecodingError | httpx2.InvalidURL):
            return self._other()
        reason = re.sub(r"^\[Errno -?\d+\] ", "", one_line(str(error)))
        if isinstance(error, _RetryLater):
            return ServiceUnreachable(
                f"{self.url} is busy or unavailable: {reason} "
                "Retry later, or run `roadmap doctor` on its host."
            )
        return ServiceUnreachable(
            f"{self.url} cannot be reached ({reason or type(error).__name__}). "
            "Start the service (`make run`), or set --url (ROADMAP_URL)."
        )


class _RetryLater(Exception):
    def __init__(self, detail: str, retry_after: float | None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


def service_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --url, --key and --patience; the command receives a `client`."""

    @url_option
    @key_option
    @click.option(
        "--patience",
        type=Number(0, 3600),
        default=PATIENCE,
        show_default=True,
        help="Seconds of retries while the service is unreachable or busy.",
    )
    @wraps(command)
    def call(*args: Any, url: str, key: str | None, patience: float, **options: Any) -> None:
        command(*args, client=ApiClient(url, key, patience), **options)

    return call


def _key(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Strip surrounding spaces from a key. The error does not quote the key."""
    key = (value or "").strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise click.BadParameter(
            "has characters that are not allowed in a key. Copy the key again."
        )
    return key or None


def _id(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return the id of a roadmap, given as id or as URL of its page."""
    found = re.search(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?=/?$)", value)
    if found is None:
        raise click.BadParameter("is not the id of a roadmap. `roadmap list` shows ids.")
    return found[0]


id_argument = click.argument("roadmap_id", metavar="ID", callback=_id)


def _checked(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """Return the address of a service. Raises BadParameter."""
    url = value or f"http://127.0.0.1:{os.environ.get('PORT', '').strip() or 8000}"
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx2.URL(url).raw_host.decode().encode("idna")  # as DNS needs it
    except (ValueError, httpx2.InvalidURL):
        fits = False
    if not fits or re.search(r"\s", url):
        raise click.BadParameter(
            "must be a full URL, such as https://roadmap.example.org.",
            param_hint="--url",
        )
    return url


url_option = click.option(
    "--url",
    envvar="ROADMAP_URL",
    callback=_checked,
    help="Address of the service (or ROADMAP_URL). Default: http://127.0.0.1:$PORT.",
)
key_option = click.option(
    "--key",
    envvar="ROADMAP_API_KEY",
    callback=_key,
    help="API key (or ROADMAP_API_KEY). Embedded mode needs none.",
)


def _object(read: Callable[[], Any]) -> Json | None:
    """Return the JSON object, or None for anything else."""
    try:
        found = read()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _place(error: Json) -> str:
    """Return the field or the parameter of an error of a problem."""
    return str(error.get("pointer", "")).removeprefix("#/") or str(error.get("parameter", ""))


def _pause(tries: int) -> float:
    """Return seconds to wait: longer each time, with jitter."""
    return min(0.25 * 2.0 ** min(tries, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)
