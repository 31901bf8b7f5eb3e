"""The main job and exports with the clients of npm's generators, and with the packed client."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testing.stack import ROOT, Stack
from testing.waiting import HANG
from tests.pages import shell_blocks

HERE = Path(__file__).parent
PACK = ROOT / "scripts" / "typescript_client.sh"
COMMANDS = shell_blocks((ROOT / "docs" / "API.md").read_text("utf-8"), "Generate a client")
STRICT = {
    "compilerOptions": {
        **{"strict": True, "noUncheckedIndexedAccess": True, "outDir": "out"},
        **{"module": "commonjs", "moduleResolution": "node", "target": "es2022"},
        **{"lib": ["es2022", "dom", "dom.iterable"], "types": ["node"]},
    }
}


MODULES = {"module": "nodenext", "moduleResolution": "nodenext"}


def run(project: Path, stack: Stack, generator: str, program: str) -> Any:
    """The output of the program that uses what the generator has made, when it is compiled."""
    [command] = [each for each in COMMANDS if generator in each]
    (project / f"{program}.ts").write_text((HERE / f"{program}.ts").read_text())
    (project / "tsconfig.json").write_text(json.dumps({**STRICT, "files": [f"{program}.ts"]}))
    return compiled(project, stack, program, ["bash", "-euc", command])


def compiled(project: Path, stack: Stack, program: str, *before: list[str]) -> Any:
    """The output of the program when it is compiled."""
    places = f"{project}/node_modules/.bin:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": places, "ROADMAP": stack.url}
    options: dict[str, Any] = {"cwd": project, "env": environment, "capture_output": True}
    for each in (*before, ["tsc"]):
        done = subprocess.run(each, **options, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    token = stack.headers.get("Authorization", "").removeprefix("Bearer ")
    given = ["node", f"out/{program}.js", json.dumps([stack.url, token])]
    done = subprocess.run(given, **options, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_done(found: Any) -> None:
    total, questions = found.pop("answered")
    assert total == questions > 0
    files = {"archive": "PK", "picture": True, "markdown": True}
    assert found == {"problem": "/problems/invalid", **files}


def test_a_client_of_hey_api_does_the_main_job(shared_server: Stack, project: Path) -> None:
    assert_done(run(project, shared_server, "@hey-api/openapi-ts", "main_job"))


@pytest.mark.long
def test_the_packed_client_does_the_main_job(
    shared_embedded: Stack, modules: Path, tmp_path: Path
) -> None:
    """Install it as users do, in a project of ES modules; types and tsc are those of the tests."""
    packed = subprocess.check_output([PACK, tmp_path], text=True).strip()
    (tmp_path / "package.json").write_text('{"type": "module"}')
    install = ["npm", "install", "--offline", "--silent", "--no-audit", "--no-fund", f"./{packed}"]
    subprocess.run(install, cwd=tmp_path, check=True)
    for name in (".bin", "@types", "undici-types"):
        (tmp_path / "node_modules" / name).symlink_to(modules / name)
    program = (HERE / "main_job.ts").read_text()
    for place in ("./client/client.gen", "./client"):
        program = program.replace(f'"{place}"', '"roadmap-service-client"')
    (tmp_path / "main_job.ts").write_text(program)
    options = {**STRICT["compilerOptions"], **MODULES}
    settings = {"compilerOptions": options, "files": ["main_job.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings))
    assert_done(compiled(tmp_path, shared_embedded, "main_job"))


def test_a_goal_is_enough_for_the_types_of_openapi_typescript(
    shared_server: Stack, project: Path
) -> None:
    found = run(project, shared_server, "openapi-typescript", "fetching")
    assert found == {"same": True, "status": [201, 200, 200], "problem": "/problems/invalid"}
