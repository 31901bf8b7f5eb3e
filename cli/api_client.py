"""How learners' commands call a service: over HTTP, with patience that has an end."""

import json
import os
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator
from functools import update_wrapper
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
import httpx2

from cli.output import CommandFailed, Number, ServiceUnreachable
from core.sanitize import one_line

Json = dict[str, Any]
Result = TypeVar("Result")

ROADMAPS = "/api/v1/roadmaps"
IMPORTS = "/api/v1/imports"
AGAIN = (429, 502, 503, 504)  # it was not done, or will not be done twice: ask again later
IN_USE = "/problems/idempotency-key-in-use"
PATIENCE = 60.0  # seconds in which a call is tried again and again
ANSWER = 30.0  # seconds for one answer; a stream of events sends signs of life more often
LONGEST_PAUSE = 8.0  # seconds between two tries, unless Retry-After says more
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Caller:
    """One service, and who calls it. Raises Away when it cannot be reached in all that time, Failed when it says no."""

    def __init__(self, url: str, key: str | None, patience: float) -> None:
        self.url, self.patience = url.rstrip("/"), patience
        headers = {
            "Accept": "application/json",
            **({"Authorization": f"Bearer {key}"} if key else {}),
        }
        direct = (
            urlsplit(self.url).hostname in LOOPBACK
        )  # a proxy would look for it on its own machine
        self._client = httpx2.Client(
            base_url=self.url,
            headers=headers,
            timeout=ANSWER,
            follow_redirects=False,
            trust_env=not direct,
        )

    def get(self, path: str) -> Json:
        return self._json(self._patiently(lambda: self._asked("GET", path)))

    def content(self, path: str) -> bytes:
        return self._patiently(lambda: self._asked("GET", path)).content

    def post(self, path: str, body: Json) -> Json:
        """Done once, however often it has to be sent: its key stays the same."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return self._json(self._patiently(lambda: self._asked("POST", path, body, headers)))

    def pages(self, path: str, limit: int) -> Iterator[Json]:
        """Up to `limit` items of a list."""
        left, cursor = limit, ""
        while left > 0:
            joined = "&" if "?" in path else "?"
            page = self.get(f"{path}{joined}limit={min(left, 100)}{cursor}")
            yield from page["items"]
            left -= len(page["items"])
            if not page.get("next_cursor"):
                return
            cursor = f"&cursor={page['next_cursor']}"

    def events(self, path: str) -> Iterator[Json]:
        """What has happened and what happens, each once, to the end. A stream that is cut is resumed behind the last event."""
        after, until, tries = 0, time.monotonic() + self.patience, 0
        while True:
            failure: Exception = _Again("its streams of events end and tell nothing.", None)
            heard = False
            try:
                for event in self._stream(path, after):
                    if event is not None:
                        after = event["seq"]
                        yield event
                    heard, until, tries = True, time.monotonic() + self.patience, 0
            except _Ended:
                return
            except httpx2.LocalProtocolError:
                raise self._unsendable() from None
            except (httpx2.DecodingError, httpx2.InvalidURL):
                raise self._other() from None
            except (httpx2.TransportError, _Again) as error:
                failure = error
            if not heard and time.monotonic() > until:  # a stream that has told something may end
                raise self._away(failure) from None
            time.sleep(_pause(tries))
            tries += 1

    def page_of(self, roadmap: Json) -> str:
        return f"{self.url}{roadmap['links']['page']}"

    def _stream(self, path: str, after: int) -> Iterator[Json | None]:
        """Each event that has arrived whole, and None for a sign of life."""
        headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
        with self._client.stream("GET", path, headers=headers) as answer:
            if answer.status_code == 204:
                raise _Ended
            if answer.status_code != 200:
                answer.read()
                self._check(answer)
            event = None
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    event = self._event(line[6:])
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
        answer = self._client.request(method, path, json=body, headers=headers)
        self._check(answer)
        return answer

    def _check(self, answer: httpx2.Response) -> None:
        if answer.is_success:
            return
        problem = _problem(answer)
        if answer.status_code in AGAIN or problem.get("type") == IN_USE:
            raise _Again(
                problem.get("detail") or f"it answers {answer.status_code}",
                _seconds(answer.headers.get("retry-after")),
            )
        if answer.status_code == 401:
            raise CommandFailed(
                "The service wants to know who calls: put an API key into ROADMAP_API_KEY, or say --key (docs/ACCOUNTS.md)."
            )
        if not problem:
            raise CommandFailed(
                f"{self.url} answers {answer.status_code}, and not as this service does; is --url (ROADMAP_URL) right?"
            )
        places = [
            f"{each.get('pointer', '').removeprefix('#/')}: {each['detail']}"
            for each in problem.get("errors") or ()
        ]
        raise CommandFailed(
            one_line("; ".join(places) or str(problem.get("detail") or problem.get("title")))
        )

    def _json(self, answer: httpx2.Response) -> Json:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._other()
        return found

    def _event(self, data: str) -> Json:
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not {"seq", "type", "data"} <= found.keys():
            raise self._other()
        return found

    def _other(self) -> CommandFailed:
        return CommandFailed(
            f"{self.url} answers something else than this service does; is --url (ROADMAP_URL) right?"
        )

    def _patiently(self, ask: Callable[[], Result]) -> Result:
        """Everything that is asked here may be asked twice: a GET changes nothing, and a POST has its key."""
        until, tries = time.monotonic() + self.patience, 0
        while True:
            try:
                return ask()
            except _Again as error:
                failure: Exception = error
                pause = error.retry_after if error.retry_after is not None else _pause(tries)
            except httpx2.LocalProtocolError:
                raise self._unsendable() from None
            except (httpx2.DecodingError, httpx2.InvalidURL):
                raise self._other() from None
            except httpx2.TransportError as error:
                failure, pause = error, _pause(tries)
            if time.monotonic() + pause > until:
                raise self._away(failure) from None
            time.sleep(pause)
            tries += 1

    def _unsendable(self) -> CommandFailed:
        """Tried again it would be the same. What the library says of it quotes the header, which may be the key."""
        return CommandFailed(
            "The request cannot be sent: something in it is not allowed in HTTP. Look at --url and --key."
        )

    def _away(self, error: Exception) -> ServiceUnreachable:
        if isinstance(error, _Again):
            return ServiceUnreachable(
                f"{self.url} is busy or incomplete: {one_line(str(error))} Try again later; `roadmap doctor` tells its host why."
            )
        reason = one_line(str(error)) or type(error).__name__
        return ServiceUnreachable(
            f"{self.url} cannot be reached ({reason}). Start the service (`make run`), or say --url (ROADMAP_URL)."
        )


class _Again(Exception):
    def __init__(self, detail: str, retry_after: float | None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class _Ended(Exception):
    """There is nothing more to be told."""


def service_options(command: Callable[..., None]) -> Callable[..., None]:
    """--url, --key and --patience, given to the command as its `caller`."""

    def call(*args: Any, url: str | None, key: str | None, patience: float, **options: Any) -> None:
        address = url or f"http://127.0.0.1:{os.environ.get('PORT', '').strip() or 8000}"
        command(*args, caller=Caller(_checked(address), key, patience), **options)

    wrapped = update_wrapper(call, command)
    waits = Number(0, 3600)
    wrapped = click.option(
        "--patience",
        type=waits,
        default=PATIENCE,
        show_default=True,
        help="Seconds to try for when it is away or busy.",
    )(wrapped)
    wrapped = click.option(
        "--key",
        envvar="ROADMAP_API_KEY",
        callback=_key,
        help="API key, or ROADMAP_API_KEY. On your own machine none is needed.",
    )(wrapped)
    return click.option(
        "--url",
        envvar="ROADMAP_URL",
        help="Of the service, or ROADMAP_URL. Default: http://127.0.0.1:$PORT.",
    )(wrapped)


def _key(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Without what a file or an editor has left around it. One that is none is not quoted: it is a secret nevertheless."""
    key = (value or "").strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise click.BadParameter("has characters that no key has; copy it again, whole and alone")
    return key or None


def _id(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Also the whole address of its page, as it is copied from a browser."""
    found = re.search(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?=/?$)", value)
    if found is None:
        raise click.BadParameter("is not the id of a roadmap, which `roadmap list` shows")
    return found[0]


id_argument = click.argument("roadmap_id", metavar="ID", callback=_id)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx2.URL(url).raw_host.decode().encode("idna")  # as it will be looked up
    except (ValueError, httpx2.InvalidURL):
        fits = False
    if not fits or re.search(r"\s", url):
        raise click.BadParameter(
            "must be the whole address of a service, as in https://roadmap.example.org",
            param_hint="--url",
        )
    return url


def _problem(answer: httpx2.Response) -> Json:
    """Whoever stands before the service may answer with something else."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _pause(tries: int) -> float:
    """Longer each time, and not the same for everybody."""
    return min(0.25 * 2.0 ** min(tries, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)
