"""Documents of exported roadmaps, and their import."""

import json
from typing import Any

from starlette.testclient import TestClient

from core.db import database, session

API = "/api/v1"
IMPORT = f"{API}/imports"
HTML = {"Accept": "text/html"}
Document = dict[str, Any]
BESIDE = ("execution_log", "log_source", "measure", "measured_process", "idempotency_key")


def rows() -> dict[str, int]:
    """Count the rows of each table that belongs to somebody."""
    with session():
        tables = [table for table in database.get_tables() if table not in BESIDE]
        return {
            table: database.execute_sql(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0]
            for table in tables
        }


def sent(client: TestClient, document: Any) -> Any:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return client.post(IMPORT, content=content, headers={"Content-Type": "application/json"})


def made(client: TestClient, document: Any) -> str:
    answer = sent(client, document)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def taken(client: TestClient, path: str) -> Document:
    """As it is exported, but for when."""
    answer = client.get(f"{path}/export.json")
    assert answer.status_code == 200, answer.text
    document: Document = answer.json()
    assert document.pop("exported_at")
    return document


def without_time(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "exported_at"}


def at(document: Document, *place: str | int) -> Any:
    for each in place:
        document = document[each]  # type: ignore[index]
    return document


STAGE = ("outline", "stages", 0)
CONCEPTS = (*STAGE, "modules", 0, "concepts")
