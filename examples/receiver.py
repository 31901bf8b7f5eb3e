"""A receiver of webhooks in one file, with nothing but the standard library: copy what verifies into your project.

    python receiver.py secret.txt

Listens on a free port of this machine, or on that of PORT, and prints what it is told, one line a message. The file has the
secret of the webhook (`whsec_...`), and is read anew for each message. docs/WEBHOOKS.md says what is sent.
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
OLDEST = 300  # seconds: what is older was recorded by somebody, and is sent again


def verified(secret: str, headers: Mapping[str, str] | Message, body: bytes) -> dict[str, Any]:
    """What is told (Standard Webhooks, v1). Raises ValueError when it is not from who knows the secret, or too old."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    given = str(headers["webhook-signature"]).split()  # two while a secret is being changed
    if not any(hmac.compare_digest(right.encode(), each.encode()) for each in given):
        raise ValueError("the signature is not right")
    if abs(time.time() - int(headers["webhook-timestamp"])) > OLDEST:
        raise ValueError("it is too old")
    told: dict[str, Any] = json.loads(body)
    return told


class Receiver(BaseHTTPRequestHandler):
    """Answers at once: what takes long comes later, or the message is sent again. The same one may come twice."""

    seen: ClassVar[set[str]] = set()  # a real receiver keeps them with its data

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
        """Nothing: it is printed above."""


if __name__ == "__main__":
    with HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Receiver) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()
