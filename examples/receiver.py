"""Receiver of webhooks in one file, with the standard library only: copy `verified`.

    python receiver.py secret.txt

It listens on PORT, by default on a free port, and prints one line for each message. The file
contains the secret of the webhook (`whsec_...`) and is read for every message. docs/WEBHOOKS.md
describes the messages.
"""

import base64
import hmac
import json
import os
import sys
import time
from collections.abc import Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

LARGEST = 20 * 1024  # bytes of a body
OLDEST = 300  # seconds; an older message may be a replay by an attacker


def verified(secret: str, headers: Mapping[str, str] | Message, body: bytes) -> dict[str, Any]:
    """Return the event of a signed message (Standard Webhooks, v1).

    Raises ValueError when the signature is wrong or the message is too old.
    """
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    given = str(headers["webhook-signature"]).split()  # two while a secret is rotated
    if not any(hmac.compare_digest(right.encode(), each.encode()) for each in given):
        raise ValueError("the signature is wrong")
    if abs(time.time() - int(headers["webhook-timestamp"])) > OLDEST:
        raise ValueError("the message is too old")
    event: dict[str, Any] = json.loads(body)
    return event


class Receiver(BaseHTTPRequestHandler):
    """Acknowledge each message at once, since a slow answer causes a retry.

    The same message may arrive twice.
    """

    seen: ClassVar[set[str]] = set()  # a real receiver stores them

    def do_POST(self) -> None:
        try:
            body = self.rfile.read(min(int(self.headers["content-length"]), LARGEST))
            event = verified(Path(sys.argv[1]).read_text().strip(), self.headers, body)
        except (ValueError, KeyError, TypeError) as error:
            print(f"refused: {error}", flush=True)
            return self._answer(400)
        if self.headers["webhook-id"] not in self.seen:
            self.seen.add(self.headers["webhook-id"])
            print(
                event["type"],
                event["data"].get("title") or event["data"].get("message", ""),
                flush=True,
            )
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing here; messages are printed above."""


if __name__ == "__main__":
    with HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Receiver) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()
