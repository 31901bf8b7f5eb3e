"""Start-up banner of `SERVICE_TYPE=all`, printed once the service answers."""

import http.client
import os
import shlex
import sys
import time

from core.logging_setup import JsonFormatter, formatter_of_environment, say
from core.settings import Settings, from_environment
from core.version import VERSION

LIMIT = 60.0  # seconds
PAUSE = 0.1


def main() -> int:
    settings = from_environment(os.environ)
    deadline = time.monotonic() + LIMIT
    while not _answers(settings.port):
        if time.monotonic() > deadline:
            return 1
        time.sleep(PAUSE)
    if isinstance(formatter_of_environment(), JsonFormatter):
        say(f"all ready at {_url(settings)}, mode: {_mode(settings)}, version: {VERSION}")
    else:
        print(_announcement(settings), flush=True)
    return 0


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False


def _url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.port}"


def _announcement(settings: Settings) -> str:
    url = _url(settings)
    writer = (
        settings.openai_model
        if settings.openai_api_key
        else "the built-in catalogue (OPENAI_API_KEY brings a model)"
    )
    lines = ["", f"  Roadmap is running at {url}", f"  mode     {_mode(settings)}"]
    lines += [f"  writer   {writer}", f"  version  {VERSION}"]
    if settings.embedded:
        body = shlex.quote('{"goal": "Become a backend engineer in Python"}')
        command = f"curl -i {url}/api/v1/roadmaps -H 'Content-Type: application/json' -d {body}"
    else:
        body = shlex.quote(f'{{"email": "{settings.admin_email}", "password": "<ADMIN_PASSWORD>"}}')
        log_in = f"curl {url}/api/v1/auth/login -H 'Content-Type: application/json' -d {body}"
        command = log_in if settings.admin_email else "roadmap users add YOU@EXAMPLE.ORG --admin"
    return "\n".join(
        [
            *lines,
            "",
            "  Open that address in a browser, or try",
            f"    {command}",
            "",
            "  Ctrl-C ends it.",
            "",
        ]
    )


def _mode(settings: Settings) -> str:
    return (
        f"embedded: SQLite in {settings.data_dir}/, no account needed"
        if settings.embedded
        else "server: PostgreSQL and Redis"
    )


if __name__ == "__main__":
    sys.exit(main())
