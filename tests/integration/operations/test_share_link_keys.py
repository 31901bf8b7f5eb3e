"""Links outlive SECRET_KEY: those that the version before has signed, and those of this one."""

import gzip
import hashlib
import uuid
from pathlib import Path

import pytest
from itsdangerous import Signer

from testing.commands import succeeded
from testing.servers import Postgres, Redis
from testing.stack import Stack, answer_to, embedded_stack, running, server_stack
from tests.cases import SERVER_IN_SHORT
from tests.chaos.checks import asking

OLDEST, OLD, NEW = ("an-old-key-of-many-characters-" + each * 8 for each in "xyz")
PATHS = {"reading": "/api/v1/shared/{}", "calendar": "/calendars/{}/roadmap.ics"}
DAY = "2026-01-01 00:00:00.000000"
ROW = f"(id, roadmap_id, purpose, created_at) values ('{{}}', '{{}}', '{{}}', '{DAY}')"
AS_BEFORE = (
    "alter table secret_link drop column token_hashes",
    "delete from schema_migration where name like '0020%'",
)


@pytest.fixture(params=SERVER_IN_SHORT)
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Stack:
    if request.param == "embedded":
        return embedded_stack(tmp_path, SECRET_KEY=OLD)
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.create_database(f"links{uuid.uuid4().hex}")
    broker: Redis = request.getfixturevalue("module_broker")
    return server_stack(tmp_path, postgres, broker, SECRET_KEY=OLD, DATABASE_URL=url)


def restarted(stack: Stack, keys: str) -> None:
    stack.stop()
    for service in stack.services.values():
        service.environment["SECRET_KEY"] = keys
    stack.start(stack.api.name)


def statuses(stack: Stack, tokens: dict[str, list[str]]) -> set[int]:
    paths = [PATHS[purpose].format(token) for purpose, found in tokens.items() for token in found]
    return {answer_to("GET", stack.url + path).status_code for path in paths}


def token(purpose: str, link_id: uuid.UUID, key: str) -> str:
    """As the version before made it."""
    signer = Signer(key, salt=f"roadmap.{purpose}", digest_method=hashlib.sha256)
    return signer.sign(link_id.hex).decode()


def test_links_outlive_the_key_and_no_backup_has_one(stack: Stack, tmp_path: Path) -> None:
    with running(stack, stack.api.name):
        path = stack.create()
        stack.stop()
        tokens: dict[str, list[str]] = {purpose: [] for purpose in PATHS}
        with asking(stack) as ask:
            for statement in AS_BEFORE:
                ask(statement)
            for purpose, found in tokens.items():
                link_id = uuid.uuid4()
                ids = [str(link_id), path.rpartition("/")[2]]
                if stack.mode == "embedded":  # which stores them without hyphens
                    ids = [each.replace("-", "") for each in ids]
                ask(f"insert into secret_link {ROW}".format(*ids, purpose))
                found += [token(purpose, link_id, key) for key in (OLD, OLDEST)]

        restarted(stack, f"{OLD},{OLDEST}")  # the upgrade
        assert statuses(stack, tokens) == {200}
        for purpose, found in tokens.items():
            made = stack.post(f"{path}/links", json={"purpose": purpose}).json()["url"]
            found.append(made.removeprefix(stack.url).split("/")[2])
        backup = tmp_path / "backup.gz"
        succeeded(stack.environment, "backup", backup)
        restarted(stack, NEW)
        assert statuses(stack, tokens) == {200}
        text = gzip.decompress(backup.read_bytes()) + stack.api.output.encode()
        secret = [each.partition(".")[2].encode() for found in tokens.values() for each in found]
        assert not any(each in text for each in secret)
