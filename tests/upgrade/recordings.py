"""Load recordings of an earlier version into a data folder, database or broker.

`record.py` made them. Nothing in them expires: expiry times in the database are moved by the age of
the recording, and payloads of tokens are signed again, as that version did. Messages stay as they
are: scheduled ones have become due.
"""

import base64
import gzip
import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import redis
from itsdangerous import TimestampSigner

RECORDED_PORT = 18990  # of the receiver of webhooks
LIMITED = (
    *(("login_session", column) for column in ("created_at", "seen_at", "expires_at")),
    *((table, "expires_at") for table in ("api_key", "invitation")),
    ("first_answer", "created_at"),
    ("roadmap", "trashed_at"),
    ("webhook_delivery", "finished_at"),
)  # tables and columns: what is only good, or only kept, for some time
HERE = Path(__file__).resolve().parent


class Recording:
    """Data of the services of `version` in a mode, embedded or server"""

    def __init__(self, version: str, mode: str, hook_port: int = 1) -> None:
        self.folder, self._hook_port = HERE / version / mode, hook_port
        self.facts: dict[str, Any] = json.loads(self._text("facts.json"))
        self._age = datetime.now(UTC) - datetime.fromisoformat(self.facts["made_at"])

    @property
    def backup(self) -> Path:
        return self.folder / "backup.gz"

    def export(self) -> bytes:
        return self._text("roadmap.json").encode()

    def write_data_folder(self, folder: Path) -> None:
        """The folder of embedded mode."""
        folder.mkdir(mode=0o700, parents=True)
        key = folder / "secret_key"
        key.write_text(self.facts["secret_key"])
        key.chmod(0o600)
        for name, file in (("database", "roadmap.db"), ("queue", "queue.db")):
            with closing(sqlite3.connect(folder / file)) as opened:
                opened.executescript(self._text(f"{name}.sql"))
                if name == "database":
                    opened.create_function("moved", 1, self._moved)
                    for table, column in LIMITED:
                        opened.execute(f"UPDATE {table} SET {column} = moved({column})")
                opened.commit()

    def fill_postgres(self, url: str) -> None:
        """An empty database."""
        with closing(psycopg2.connect(url)) as opened, opened, opened.cursor() as cursor:
            cursor.execute(self._text("database.sql"))
            for table, column in LIMITED:
                cursor.execute(f"UPDATE public.{table} SET {column} = {column} + %s", [self._age])

    def fill_redis(self, client: redis.Redis) -> None:
        for kind, key, lives_ms, value in json.loads(self._text("redis.json")):
            name, content = base64.b64decode(key), _read(value)
            if kind == "string":
                client.set(name, content)
            elif kind == "list":
                client.rpush(name, *content)
            elif kind == "set":
                client.sadd(name, *content)
            else:
                assert kind == "zset", kind
                client.zadd(name, {member: float(score) for member, score in content})
            if lives_ms > 0:
                client.pexpire(name, lives_ms)

    def token(self, name: str, salt: str) -> str:
        """Return a signed token as if it had been issued a moment ago.

        The signature of the recorded one is verified first: this is how that version signs.
        """
        signer = TimestampSigner(self.facts["secret_key"], salt=salt, digest_method=hashlib.sha256)
        return signer.sign(signer.unsign(self.facts[name])).decode()

    def _moved(self, text: str | None) -> str | None:
        if text is None:
            return None
        return (datetime.fromisoformat(text) + self._age).isoformat(" ", timespec="microseconds")

    def _text(self, name: str) -> str:
        plain, packed = self.folder / name, self.folder / f"{name}.gz"
        content = gzip.decompress(packed.read_bytes()) if packed.exists() else plain.read_bytes()
        text = content.decode()
        return text.replace(f"127.0.0.1:{RECORDED_PORT}/hook", f"127.0.0.1:{self._hook_port}/hook")


def _read(value: Any) -> Any:
    if isinstance(value, str):
        return base64.b64decode(value)
    return [_read(each) for each in value] if isinstance(value, list) else value
