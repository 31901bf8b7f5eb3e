"""The main job and exports with the client of npm's generator."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from testing.stack import ROOT, Stack
from testing.waiting import HANG
from tests.pages import shell_blocks

HERE = Path(__file__).parent
COMMANDS = shell_blocks((ROOT / "docs" / "API.md").read_text("utf-8"), "Generate a client")
STRICT = {
    "compilerOptions": {
        **{"strict": True, "noUncheckedIndexedAccess": True, "outDir": "out"},
        **{"module": "commonjs", "moduleResolution": "node", "target": "es2022"},
        **{"lib": ["es2022", "dom", "dom.iterable"], "types": ["node"]},
    }
}


def run(project: Path, stack: Stack, generator: str, program: str) -> Any:
    """The output of the program that uses what the generator has made, when it is compiled."""
    [command] = [each for each in COMMANDS if generator in each]
    (project / f"{program}.ts").write_text((HERE / f"{program}.ts").read_text())
    (project / "tsconfig.json").write_text(json.dumps({**STRICT, "files": [f"{program}.ts"]}))
    places = f"{project}/node_modules/.bin:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": places, "ROADMAP": stack.url}
    options: dict[str, Any] = {"cwd": project, "env": environment, "capture_output": True}
    for each in (["bash", "-euc", command], ["tsc"]):
        done = subprocess.run(each, **options, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    token = stack.headers.get("Authorization", "").removeprefix("Bearer ")
    given = ["node", f"out/{program}.js", json.dumps([stack.url, token])]
    done = subprocess.run(given, **options, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_client_of_hey_api_does_the_main_job(shared_server: Stack, project: Path) -> None:
    found = run(project, shared_server, "@hey-api/openapi-ts", "main_job")
    total, questions = found.pop("answered")
    assert total == questions > 0
    files = {"archive": "PK", "picture": True, "markdown": True}
    assert found == {"problem": "/problems/invalid", **files}
