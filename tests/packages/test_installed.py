"""The wheel, installed by pip, uvx and pipx without an index in an empty environment.

Its dependencies are the locked ones, from a folder of wheels that pip has filled before.
"""

import json
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from core.version import COMMIT, NUMBER
from scripts.lock_file import EXTRAS
from testing.servers import free_port
from testing.stack import GOAL, ROOT
from testing.waiting import HANG, wait_until
from tests.agents import HELLO
from tests.unit.tasks.test_task_names import NAMES, REGISTERED

pytestmark = pytest.mark.timeout(900)  # of which PyPI may take a part
PYTHON = str(Path(sys.base_prefix, "bin", "python3"))
TITLE = "Backend engineer with Python"


@dataclass(frozen=True)
class Packages:
    """`tools` has uv and pipx, `wheels` the dependencies, `wheel` is the service's."""

    tools: Path
    wheels: Path
    wheel: Path

    def environment(self, home: Path) -> dict[str, str]:
        """That of a person with nothing but the system's programs, uv, pipx and the wheels."""
        return {
            "PATH": f"{self.tools}/bin:/usr/bin:/bin",  # whose `python` cannot run the service
            "HOME": str(home),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIPX_DEFAULT_PYTHON": PYTHON,
            "UV_OFFLINE": "1",
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": str(self.wheels),
            "UV_NO_CONFIG": "1",
            "UV_PYTHON": PYTHON,
            "UV_PYTHON_DOWNLOADS": "never",
        }


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(
        [str(each) for each in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """By the settings that pip has on this machine; the wheel is built from the source archive."""
    folder = tmp_path_factory.mktemp("packages")
    run(
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "sdist",
        "--directory",
        folder,
        cwd=ROOT,
    )
    venv.create(folder / "tools", with_pip=True)
    pip = [folder / "tools" / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    try:
        run(*pip, "install", "--quiet", "uv~=0.13.9", "pipx~=1.18")
    except AssertionError as error:
        pytest.skip(f"NOT RUN: the installed wheel; PyPI brings no uv and pipx: {error}")
    only = ["--quiet", "--only-binary", ":all:", "--require-hashes", "--dest", folder / "wheels"]
    for lock in ("requirements/service.lock", *(f"requirements/{extra}.lock" for extra in EXTRAS)):
        run(*pip, "download", *only, "--requirement", ROOT / lock)
    (archive,) = folder.glob("*.tar.gz")
    run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder / "dist", archive)
    (wheel,) = (folder / "dist").iterdir()
    return Packages(folder / "tools", folder / "wheels", wheel)


@pytest.mark.parametrize(
    "runner", ["uvx --from", pytest.param("pipx run --spec", marks=pytest.mark.long)]
)
def test_the_demo_runs_from_the_file(packages: Packages, runner: str, tmp_path: Path) -> None:
    environment = packages.environment(tmp_path)
    output = run(*runner.split(), packages.wheel, "roadmap", "demo", cwd=tmp_path, env=environment)
    assert "To use it in a browser: roadmap serve" in output
    assert (tmp_path / "roadmap.md").read_text("utf-8").startswith(f"# {TITLE}")


@pytest.mark.long
def test_an_agent_starts_it_with_the_extra(packages: Packages, tmp_path: Path) -> None:
    with subprocess.Popen(
        ["uvx", "--from", f"{packages.wheel}[mcp]", "roadmap", "mcp"],
        executable=packages.tools / "bin" / "uvx",
        cwd=tmp_path,
        env=packages.environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as agent:
        assert agent.stdin is not None
        assert agent.stdout is not None
        print(json.dumps(HELLO), file=agent.stdin, flush=True)
        answer = json.loads(agent.stdout.readline())
        agent.stdin.close()
        assert agent.wait(HANG) == 0
    assert answer["result"]["serverInfo"]["version"] == NUMBER


@pytest.fixture(scope="module")
def installed(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it: its folder of programs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    run(
        folder / "bin" / "pip",
        "install",
        "--quiet",
        packages.wheel,
        env=packages.environment(folder),
    )
    return folder / "bin"


@pytest.fixture
def environment(packages: Packages, tmp_path: Path) -> dict[str, str]:
    return {**packages.environment(tmp_path), "PORT": str(free_port())}


@pytest.fixture
def service(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [installed / "roadmap", "serve"], cwd=tmp_path, env=environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    yield process
    process.kill()
    process.wait()


def test_it_serves_until_it_is_stopped(
    service: "subprocess.Popen[bytes]", environment: dict[str, str], tmp_path: Path
) -> None:
    """Its data are in the person's folder, and nothing is left running."""
    address = f"http://127.0.0.1:{environment['PORT']}"
    with httpx2.Client(base_url=address, trust_env=False, timeout=HANG) as client:

        def answers() -> bool:
            assert service.poll() is None, (tmp_path / "log").read_text()
            try:
                return client.get("/health/ready").status_code == 200
            except httpx2.TransportError:
                return False

        wait_until(answers, reason="it is ready")
        assert client.get("/health").json()["commit"] == COMMIT
        made = client.post("/api/v1/roadmaps", json={"goal": GOAL}).headers["location"]
        wait_until(lambda: client.get(made).json()["status"] == "ready", reason="it is made")
    assert (tmp_path / ".local/share/roadmap/roadmap.db").is_file()
    children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
    assert len(children) == 3
    service.send_signal(signal.SIGTERM)
    assert service.wait(HANG) == 0
    assert [pid for pid in children if Path("/proc", pid).exists()] == []


def test_commands_read_the_settings_of_the_service(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    def roadmap(*words: str) -> str:
        return run(installed / "roadmap", *words, cwd=tmp_path, env=environment)

    assert roadmap("--version") == f"roadmap {NUMBER}, commit {COMMIT}\n"
    assert str(tmp_path / ".local/share/roadmap") in roadmap("config", "--json")
    roadmap("migrate")
    assert "0 failed" in roadmap("doctor")
    environment["DATA_DIR"] = "here"
    roadmap("migrate")
    assert (tmp_path / "here" / "roadmap.db").is_file()


def test_tasks_have_the_pinned_names_and_no_other_program_sees_the_modules(
    installed: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    where = "import roadmap_service; print(roadmap_service.__path__[0])"
    folder = run(installed / "python", "-c", where, cwd=tmp_path, env=environment).strip()
    settings = {**environment, "SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path / "data")}
    names = run(installed / "python", "-c", REGISTERED, cwd=folder, env=settings)
    assert sorted(names.split()) == sorted(NAMES)
    code = """
from importlib.util import find_spec
from roadmap_client import RoadmapClient
print(RoadmapClient.__name__, *map(find_spec, ("roadmap", "models", "web", "core")))
"""
    found = run(installed / "python", "-c", code, cwd=tmp_path, env=environment)
    assert found.split() == ["RoadmapClient", *["None"] * 4]
