"""The floors of the house (docs/ARCHITECTURE.md): who may import whom, read from the source."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.stack import ROOT, clean_environment

FLOORS = {
    "reliable_queue": 0,
    "core": 1,
    "models": 2,
    "roadmap": 3,
    "tasks": 4,
    "web": 5,
    "cli": 6,
    "roadmap_app": 7,
    "roadmap_cli": 7,
}
BESIDE = {
    "migrations",
    "tests",
    "scripts",
    "benchmarks",
    "quality",
    "examples",
}  # not part of what is served
FORBIDDEN = {
    "reliable_queue": {
        "starlette",
        "peewee",
        "playhouse",
        "pydantic",
        "openai",
        "jinja2",
        "markupsafe",
    },
    "core": {"starlette", "openai", "jinja2", "markupsafe"},
    "models": {"starlette", "huey", "openai", "jinja2", "markupsafe"},
    "roadmap": {"starlette", "huey", "jinja2", "markupsafe"},
    "tasks": {"starlette", "peewee", "playhouse", "models", "openai", "jinja2", "markupsafe"},
    "web": {"huey", "peewee", "playhouse", "models", "openai"},
    "roadmap_app": {"huey", "peewee", "playhouse", "models", "openai"},
    "cli": {"huey", "peewee", "playhouse", "models", "openai"},
    "roadmap_cli": {"huey", "peewee", "playhouse", "models", "openai"},
}
MODEL_CLIENT = "roadmap/generation/llm/client.py"
NOT_AT_THE_START = (
    *(
        "genanki",
        "httpx2",
        "icalendar",
        "jinja2",
        "limits",
        "markdown_it",
        "openai",
        "prometheus_client",
        "pygments",
        "snowballstemmer",
    ),
    *(
        "roadmap.lifecycle.content_job",
        "roadmap.lifecycle.link_checker",
        "roadmap.generation.llm.generator",
        "roadmap.lifecycle.plan_job",
        "roadmap.webhooks.admin_cancel",
    ),
)


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name."""

    module: str
    line: int

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]


def source_files() -> list[str]:
    folders = [*FLOORS, "migrations"]
    return [
        str(path.relative_to(ROOT))
        for name in folders
        for path in sorted((*ROOT.glob(f"{name}.py"), *ROOT.glob(f"{name}/**/*.py")))
    ]


@cache
def imports(file: str) -> tuple[Import, ...]:
    package = file.removesuffix(".py").split("/")[:-1]
    return tuple(_imports(ast.parse((ROOT / file).read_text("utf-8")), package))


def _imports(tree: ast.AST, package: list[str]) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield Import(".".join([*base, *([node.module] if node.module else [])]), node.lineno)


def importing(is_wrong: Callable[[str, Import], bool]) -> list[str]:
    """Where something is imported of which this is so."""
    return [
        f"{file}:{found.line}: {found.module}"
        for file in source_files()
        for found in imports(file)
        if is_wrong(file, found)
    ]


def house_of(file: str) -> str:
    return file.partition("/")[0].removesuffix(".py")


def test_every_folder_with_code_has_its_floor() -> None:
    folders = {
        path.parent.name for path in ROOT.glob("*/*.py") if not path.parent.name.startswith(".")
    }
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert (folders | modules) - FLOORS.keys() <= BESIDE


def test_a_file_imports_only_from_its_own_floor_and_those_below() -> None:
    above = importing(
        lambda file, found: FLOORS.get(found.package, -1) > FLOORS.get(house_of(file), -1)
    )
    assert above == []


def test_pages_import_nothing_of_the_api() -> None:
    """They call the same domain functions."""
    above = importing(
        lambda file, found: (
            file.startswith("web/pages/") and (found.module + ".").startswith("web.api.")
        )
    )
    assert above == []


def test_an_api_module_imports_no_other() -> None:
    """What two of them need is below: in web/*.py or in the domain."""
    beside = importing(
        lambda file, found: file.startswith("web/api/") and found.module.startswith("web.api")
    )
    assert beside == []


def test_the_http_layer_knows_nothing_of_roadmaps() -> None:
    """It imports core and itself, and nothing else of the product."""
    product = FLOORS.keys() - {"core"}
    outside = importing(
        lambda file, found: (
            file.startswith("web/http/")
            and found.package in product
            and not (found.module + ".").startswith("web.http.")
        )
    )
    assert outside == []


def test_a_file_imports_nothing_that_serves_beside_the_house() -> None:
    assert importing(lambda file, found: found.package in BESIDE) == []


def test_a_file_imports_no_library_that_its_floor_must_not_know() -> None:
    assert (
        importing(lambda file, found: found.package in FORBIDDEN.get(house_of(file), set())) == []
    )


def test_a_service_that_starts_loads_nothing_that_is_for_later(tmp_path: Path) -> None:
    code = f"import sys, roadmap_app, tasks; print([name for name in {NOT_AT_THE_START} if name in sys.modules])"
    environment = {**clean_environment(), "SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout.strip(), run.stderr) == ("[]", "")


def test_openai_is_imported_by_one_file_only() -> None:
    importers = [
        file for file in source_files() if any(found.package == "openai" for found in imports(file))
    ]
    assert importers == [MODEL_CLIENT]


def test_migrations_import_peewee_only() -> None:
    files = [file for file in source_files() if house_of(file) == "migrations"]
    assert files
    outside = {found.package for file in files for found in imports(file)} - sys.stdlib_module_names
    assert outside == {"peewee"}


def test_openai_is_not_loaded_by_a_process_that_calls_no_model(tmp_path: Path) -> None:
    """Neither with a key: the API and the logs worker check requests and run tasks with the generator in place."""
    code = "import sys, roadmap_app, tasks.content; print(tasks.content.generator().name, 'openai' in sys.modules)"
    environment = {
        **clean_environment(),
        "SERVICE_TYPE": "all",
        "DATA_DIR": str(tmp_path),
        "OPENAI_API_KEY": "sk-test",
    }
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout.split(), run.stderr) == (["model:gpt-5-mini", "False"], "")
