"""Start-up banner of `SERVICE_TYPE=all`, printed once the service answers."""

import http.client
import os
import shlex
import sys
import time
from contextlib import suppress

from core.logging_setup import JsonFormatter, formatter_of_environment, say
from core.settings import Settings, from_environment
from core.version import VERSION

LIMIT = 60.0  # seconds
PAUSE = 0.1


def main() -> int:
    settings = from_environment(os.environ)
    deadline = time.monotonic() + LIMIT
    while True:
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=2)
            connection.request("GET", "/health")
            if connection.getresponse().status == http.client.OK:
                break
        if time.monotonic() > deadline:
            return 1
        time.sleep(PAUSE)
    url = f"http://127.0.0.1:{settings.port}"
    mode = (
        f"embedded: SQLite in {settings.data_dir}/, no account needed"
        if settings.embedded
        else "server: PostgreSQL and Redis"
    )
    if isinstance(formatter_of_environment(), JsonFormatter):
        say(f"all ready at {url}, mode: {mode}, version: {VERSION}")
    else:
        print(_announcement(settings, url, mode), flush=True)
    return 0


def _announcement(settings: Settings, url: str, mode: str) -> str:
    writer = (
        settings.openai_model
        if settings.openai_api_key
        else "the built-in catalogue (set OPENAI_API_KEY to use a model)"
    )
    as_json = "-H 'Content-Type: application/json' -d"
    if settings.embedded:
        body = shlex.quote('{"goal": "Become a backend engineer in Python"}')
        command = f"curl -i {url}/api/v1/roadmaps {as_json} {body}"
    elif settings.admin_email:
        body = shlex.quote(f'{{"email": "{settings.admin_email}", "password": "<ADMIN_PASSWORD>"}}')
        command = f"curl {url}/api/v1/auth/login {as_json} {body}"
    else:
        command = "roadmap users add YOU@EXAMPLE.ORG --admin"
    return f"""
  Roadmap is running at {url}
  mode     {mode}
  writer   {writer}
  version  {VERSION}

  Open the address above in a browser, or try
    {command}

  Press Ctrl-C to stop the service.
"""


if __name__ == "__main__":
    sys.exit(main())
