"""The pages about Railway, followed word for word from an empty project.

The three services are built as the image builds them, and run the main job on PostgreSQL and Redis;
only the platform is a stand-in (`tests/railway`), which knows no command and no option that it does
not document.
"""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from testing.servers import Postgres, Redis
from testing.stack import ROOT, answer_to, clean_environment
from tests.checkouts import checkout
from tests.pages import Names, Step, difference, outputs_of, steps_of
from tests.railway.cli import GRAPH
from tests.railway.edge import edge
from tests.railway.platform import Platform, Refused

pytestmark = pytest.mark.timeout(900)  # the first one follows every page
PAGES = (
    "QUICK_START_RAILWAY.md",
    "RAILWAY_DEPLOYMENT.md",
    "HUEY_RAILWAY_DEPLOYMENT_SUMMARY.md",
)  # the others go on from the first
DOMAIN = "https://api-production-1a2b.up.railway.app"  # on this machine the address of its edge
RAILWAY = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tests.railway.cli "$@"\n'
NPM = """#!/bin/sh
# Railway's own command comes from beyond the registry; what .railway needs is brought, and used,
# by scripts/railway.sh.
case "$*" in
    "install --global @railway/cli" | "ci --ignore-scripts --prefix .railway")
        echo "added packages" ;;
    *) echo "no page says: npm $*" >&2 && exit 1 ;;
esac
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their folder: the same files are built once."""
    return tmp_path_factory.mktemp("images")


@contextmanager
def project(folder: Path, images: Path, postgres: Postgres, broker: Redis) -> Iterator[Platform]:
    servers = {
        "postgres": {"DATABASE_URL": postgres.create_database(f"t{uuid.uuid4().hex}")},
        "redis": {"REDIS_URL": broker.url()},
    }
    platform = Platform(folder, images, GRAPH, servers)
    try:
        yield platform
    finally:
        platform.end()


@pytest.fixture(scope="module")
def followed(
    request: pytest.FixtureRequest,
    images: Path,
    postgres: Postgres,
    module_broker: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, dict[Step, str]]]:
    """The outputs of each page, one after the other, in one project and one checkout."""
    folder, programs = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("programs")
    place_programs(programs)
    here = checkout(tmp_path_factory.mktemp("checkout"))
    with (
        project(folder, images, postgres, module_broker) as platform,
        edge(platform, "api") as address,
    ):
        environment = {
            **clean_environment(),
            "PATH": f"{programs}:{clean_environment()['PATH']}",
            "RAILWAY_TEST_PROJECT": str(folder),
            "RAILWAY_TEST_IMAGES": str(images),
            "RAILWAY_TEST_SERVERS": json.dumps(platform.servers),
        }
        yield {
            page: _follow(steps_of(ROOT / "docs" / page), environment, here, address)
            for page in (PAGES if request.config.getoption("--long") else PAGES[:1])
        }


def place_programs(folder: Path) -> None:
    for name, text in {"railway": RAILWAY, "npm": NPM}.items():
        (folder / name).write_text(text, "utf-8")
        (folder / name).chmod(0o755)


def _follow(
    steps: list[Step], environment: dict[str, str], folder: Path, address: str
) -> dict[Step, str]:
    there = [replace(step, command=step.command.replace(DOMAIN, address)) for step in steps]
    return dict(zip(steps, outputs_of(there, environment, folder).values(), strict=True))


@pytest.mark.parametrize(
    "page", [PAGES[0], *(pytest.param(each, marks=pytest.mark.long) for each in PAGES[1:])]
)
def test_what_the_page_shows_is_what_comes_out(
    page: str, followed: dict[str, dict[Step, str]]
) -> None:
    names = Names()
    wrong = [
        (step.command, difference(step.shown, value, names))
        for step, value in followed[page].items()
    ]
    assert [f"$ {command}\n{text}" for command, text in wrong if text] == []
    assert followed[page]


def test_the_quick_start_ends_with_a_roadmap(followed: dict[str, dict[Step, str]]) -> None:
    found = [found for step, found in followed[PAGES[0]].items() if "/events" in step.command]
    assert [each.strip() for each in found] == ["event: roadmap.ready"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("railway up --ci", "usage: railway up"),
        ("railway up --service api", "usage: railway up"),
        ("railway config apply", "usage: railway config apply"),
        ("railway deploy", "usage: railway"),
        ("railway up --ci --service api --verbose", "usage: railway"),
        ("npm install left-pad", "no page says: npm install left-pad"),
    ],
)
def test_a_page_that_asks_for_something_else_is_found_out(
    command: str, expected: str, tmp_path: Path
) -> None:
    place_programs(tmp_path)
    environment = {**clean_environment(), "PATH": f"{tmp_path}:{clean_environment()['PATH']}"}
    done = subprocess.run(
        command.split(), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert expected in done.stderr


@pytest.mark.long
def test_a_deployment_that_fails_says_why_and_replaces_nothing(
    images: Path, postgres: Postgres, module_broker: Redis, tmp_path: Path
) -> None:
    module_broker.client().flushall()
    with project(tmp_path, images, postgres, module_broker) as platform:
        platform.create("roadmap")
        with pytest.raises(Refused, match="api: Unrecognized key"):
            platform.apply()
        platform.add("api")
        platform.apply()
        assert platform.plan() == []
        with pytest.raises(Refused, match="SECRET_KEY is needed in server mode"):
            list(platform.deploy("api", ROOT))
        assert platform.state["deployed"] == {}
        platform.set("api", "NO_SETTING", "1")
        assert platform.plan() == ["- Delete variable api.NO_SETTING"]
        with pytest.raises(Refused, match="--confirm-destructive: - Delete variable"):
            platform.apply()
        platform.set("api", "SECRET_KEY", "k" * 32)
        assert list(platform.deploy("api", ROOT)) == ["Built Dockerfile.railway", "Deploy complete"]
        before = platform.deployed("api")
        platform.set("api", "SECRET_KEY", "short")
        with pytest.raises(Refused, match="SECRET_KEY must have at least 32 characters"):
            list(platform.deploy("api", None))
        assert platform.deployed("api") == before
        ready = answer_to("GET", f"http://127.0.0.1:{before['port']}/health/ready")
        assert (ready.status_code, ready.json()["mode"]) == (200, "server")
        assert (
            platform.variables("content")["SECRET_KEY"] == "short"
        )  # as on the api, which it is read from
        assert "ADMIN_PASSWORD" not in platform.variables("content")
