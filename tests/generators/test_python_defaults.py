"""The Python generator without the overrides of API.md takes no file for a problem."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from testing.stack import NO_TLS, ROOT, Stack
from tests.integration.conftest import SMALL


def test_a_file_of_a_type_that_it_does_not_know_comes_as_bytes(
    shared_embedded: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = Path(sys.executable).parent
    command = [beside / "openapi-python-client", "generate", "--meta", "none"]
    command += ["--path", ROOT / "web" / "openapi.json", "--output-path", tmp_path / "by_default"]
    environment = {**os.environ, "PATH": f"{beside}:{os.environ['PATH']}"}
    subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=True)
    monkeypatch.syspath_prepend(tmp_path)
    tree = shared_embedded.finished(shared_embedded.create(**SMALL))
    made = import_module("by_default.client")
    with made.Client(shared_embedded.url, verify_ssl=NO_TLS) as client:
        export = import_module("by_default.api.exporting.export_archive")
        answer = export.sync_detailed(tree["id"], client=client)
        missing = export.sync(tree["id"][:-4] + "0000", client=client)
    assert (answer.status_code, answer.parsed, answer.content[:2]) == (200, None, b"PK")
    assert missing.type_ == "/problems/not-found"
