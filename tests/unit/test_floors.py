"""The floors of the house (docs/ARCHITECTURE.md): who may import whom, read from the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.stack import ROOT, clean_environment

FLOORS = {"delivery": 0, "core": 1, "models": 2, "roadmap": 3, "tasks": 4, "web": 5, "cli": 6, "roadmap_app": 7, "roadmap_cli": 7}
BESIDE = {"migrations", "tests", "scripts", "benchmarks", "quality", "examples"}  # not part of what is served
FORBIDDEN = {
    "delivery": {"starlette", "peewee", "playhouse", "pydantic", "openai", "jinja2", "markupsafe"},
    "core": {"starlette", "openai", "jinja2", "markupsafe"},
    "models": {"starlette", "huey", "openai", "jinja2", "markupsafe"},
    "roadmap": {"starlette", "huey", "jinja2", "markupsafe"},
    "tasks": {"starlette", "peewee", "playhouse", "models", "openai", "jinja2", "markupsafe"},
    "web": {"huey", "peewee", "playhouse", "models", "openai"},
    "roadmap_app": {"huey", "peewee", "playhouse", "models", "openai"},
    "cli": {"huey", "peewee", "playhouse", "models", "openai"},
    "roadmap_cli": {"huey", "peewee", "playhouse", "models", "openai"},
}
MODEL_CLIENT = "roadmap/model_client.py"
LATE = {  # what stands inside of functions: it is loaded by who needs it, when it is needed
    "core/launch.py": ["core", "core.settings", "uvicorn.main", "huey.bin.huey_consumer"],
    "core/limiting.py": ["limits.storage", "limits.strategies", "limits"],
    "roadmap/account_exports.py": ["roadmap.bundle", "roadmap.document", "roadmap.portable", "roadmap.reading"],
    "roadmap/anki.py": ["genanki"],
    "roadmap/calendar.py": ["icalendar", "icalendar"],
    "roadmap/goals.py": ["snowballstemmer"],
    "roadmap/generator.py": ["roadmap.llm", "roadmap.catalogue"],
    MODEL_CLIENT: ["httpx2", "openai"],
    "roadmap/portable_rules.py": ["roadmap.markdown"],
    "tasks/content.py": ["roadmap", "roadmap", "roadmap", "roadmap", "roadmap"],
    "tasks/inspection.py": ["roadmap"],
    "web/api/exporting.py": ["roadmap.bundle", "roadmap.document", "roadmap.bundle"],
    "web/api/metrics.py": ["prometheus_client.exposition", "web.exposition"],
    "web/pages/on_demand.py": ["web.pages.prose", "web.pages.colouring"],
    "web/pages/rendering.py": ["jinja2"],
}
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
    *("roadmap.building", "roadmap.link_checks", "roadmap.llm", "roadmap.planning", "roadmap.revoking"),
)
LONGEST_APP = 60  # lines
LONGEST_TASK = 10  # lines


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name; `inside` names the function that the import stands in."""

    module: str
    line: int
    inside: str

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
    return tuple(_imports(ast.parse((ROOT / file).read_text("utf-8")), package, ""))


def _imports(node: ast.AST, package: list[str], inside: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = package[: len(package) - child.level + 1] if child.level else []
            yield Import(".".join([*base, *([child.module] if child.module else [])]), child.lineno, inside)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _imports(child, package, getattr(child, "name", "lambda"))
        else:
            yield from _imports(child, package, inside)


def house_of(file: str) -> str:
    return file.partition("/")[0].removesuffix(".py")


each_file = pytest.mark.parametrize("file", source_files())


def test_every_folder_with_code_has_its_floor() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/*.py") if not path.parent.name.startswith(".")}
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert (folders | modules) - FLOORS.keys() <= BESIDE


@each_file
def test_a_file_imports_only_from_its_own_floor_and_those_below(file: str) -> None:
    own = FLOORS.get(house_of(file), -1)
    above = [found for found in imports(file) if FLOORS.get(found.package, -1) > own]
    assert above == []


@each_file
def test_a_file_imports_nothing_that_serves_beside_the_house(file: str) -> None:
    assert [found for found in imports(file) if found.package in BESIDE] == []


@each_file
def test_a_file_imports_no_library_that_its_floor_must_not_know(file: str) -> None:
    forbidden = FORBIDDEN.get(house_of(file), set())
    assert [found for found in imports(file) if found.package in forbidden] == []


@each_file
def test_no_import_stands_inside_a_function_but_what_is_loaded_late(file: str) -> None:
    assert [found.module for found in imports(file) if found.inside] == LATE.get(file, [])


def test_a_service_that_starts_loads_nothing_of_that(tmp_path: Path) -> None:
    code = f"import sys, roadmap_app, tasks; print([name for name in {NOT_AT_THE_START} if name in sys.modules])"
    environment = {**clean_environment(), "SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.stderr) == ("[]", "")


def test_openai_is_imported_by_one_file_only() -> None:
    importers = [file for file in source_files() if any(found.package == "openai" for found in imports(file))]
    assert importers == [MODEL_CLIENT]


def test_migrations_import_peewee_only() -> None:
    files = [file for file in source_files() if house_of(file) == "migrations"]
    assert files
    outside = {found.package for file in files for found in imports(file)} - sys.stdlib_module_names
    assert outside == {"peewee"}


def test_openai_is_not_loaded_by_a_process_that_calls_no_model(tmp_path: Path) -> None:
    """Neither with a key: the API and the logs worker check requests and run tasks with the generator in place."""
    code = "import sys, roadmap_app, tasks.content; print(tasks.content.generator().name, 'openai' in sys.modules)"
    environment = {**clean_environment(), "SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path), "OPENAI_API_KEY": "sk-test"}
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (run.stdout.split(), run.stderr) == (["model:gpt-5-mini", "False"], "")


def test_the_application_is_composition_only() -> None:
    tree = ast.parse((ROOT / "roadmap_app.py").read_text("utf-8"))
    functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert functions == ["lifespan"]
    assert len((ROOT / "roadmap_app.py").read_text("utf-8").splitlines()) <= LONGEST_APP


def test_a_task_is_a_thin_adapter() -> None:
    files = [file for file in source_files() if house_of(file) == "tasks"]
    trees = [ast.parse((ROOT / file).read_text("utf-8")) for file in files]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    tasks = [
        f for f in functions if any("job(" in ast.unparse(d) or "periodic_task(" in ast.unparse(d) for d in f.decorator_list)
    ]
    assert tasks
    lengths = {task.name: (task.end_lineno or 0) - task.lineno + 1 for task in tasks}
    assert {name: length for name, length in lengths.items() if length > LONGEST_TASK} == {}
