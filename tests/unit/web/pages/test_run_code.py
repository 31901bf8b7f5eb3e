"""Files that run the code of lessons, their headers, and none on pages without code."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from core.i18n import ENGLISH
from tests.cases import try_each
from web.pages import static_files
from web.pages.lazy import tutorial_html


@pytest.fixture(params=[True, False], ids=["brought", "absent"])
def is_brought(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[bool]:
    monkeypatch.setattr(static_files, "BROUGHT", tmp_path / "run")
    static_files.run_folder.cache_clear()
    if request.param:
        (tmp_path / "run").mkdir()
        for name in ("version", "pyodide.asm.wasm", "python_stdlib.zip"):
            (tmp_path / "run" / name).write_text(name)
        (tmp_path / "run" / "pyodide.asm.wasm.gz").write_bytes(gzip.compress(b"pyodide.asm.wasm"))
    yield request.param
    static_files.run_folder.cache_clear()


def test_blocks_are_marked_only_where_they_can_run(is_brought: bool) -> None:
    html = tutorial_html("```python\nprint(1)\n```", ENGLISH, keep=False)
    assert ('data-run="python"' in html) is is_brought


def test_the_worker_alone_may_compile_and_reaches_no_network(
    person: TestClient, is_brought: bool
) -> None:
    folder = static_files.run_folder() or "/static/run/1/"
    worker, wasm = person.get(f"{folder}worker.js"), person.get(f"{folder}pyodide.asm.wasm")
    assert (worker.status_code, wasm.status_code) == ((200, 200) if is_brought else (404, 404))
    if is_brought:
        policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
        assert worker.headers["content-security-policy"] == policy
        assert "wasm" not in wasm.headers["content-security-policy"]
        assert worker.headers["content-type"].startswith("text/javascript")
        assert wasm.headers["content-type"] == "application/wasm"
        assert wasm.headers["content-encoding"] == "gzip"
        assert wasm.text == "pyodide.asm.wasm"
        assert "immutable" in wasm.headers["cache-control"]
        plain = person.get(f"{folder}pyodide.asm.wasm", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.text == "pyodide.asm.wasm"


@try_each(
    "path",
    ["{}version", "{}page.js", "{}..%2fstatic%2fpage.js", "{}nothing.zip", "{}pyodide.asm.wasm.gz"],
)
def test_no_other_file_is_served(person: TestClient, is_brought: bool, path: str) -> None:
    assert person.get(path.format(static_files.run_folder() or "/static/run/1/")).status_code == 404


def test_another_version_has_another_address(person: TestClient, is_brought: bool) -> None:
    assert person.get("/static/run/000000000000/worker.js").status_code == 404
