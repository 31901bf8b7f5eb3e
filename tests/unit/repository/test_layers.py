"""Layers and packages (docs/ARCHITECTURE.md): allowed imports, read from the source."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from roadmap.generation.tutorial_lint import parse_python
from testing.stack import ROOT, clean_environment

LAYERS = {
    "roadmap_client": 0,
    "reliable_queue": 0,
    "core": 1,
    "models": 2,
    "roadmap": 3,
    "tasks": 4,
    "mcp_server": 4,
    "web": 5,
    "roadmap_app": 6,
    "cli": 7,
    "roadmap_cli": 8,
}
# Not part of the service.
BESIDE = {
    "migrations",
    "testing",
    "tests",
    "scripts",
    "benchmarks",
    "quality",
    "examples",
}
# The packages of roadmap/ in their order: each imports only those before it. Beside each, its
# modules that other packages import; tests and benchmarks import any.
PUBLIC = {
    "plan": """
        diff edits format_version language_detection markdown_sanitizer match outline schemas
        statuses validation views word_diff
    """,
    "operations": """
        audit_log backup execution_log log_retention log_search metrics_store search_filters
        task_stats
    """,
    "generation": """
        catalogue.authoring catalogue.generator catalogue.goal_matching
        catalogue.loader checked_concepts
        content_drafts context floors generator llm.client llm.generator llm.prompt llm.rate_control
        llm.schemas own_chat_prompt resource_search retry_policy tutorial_lint
    """,
    "accounts": """
        access accounts api_keys idempotency_store identity invitations locks principals
        schemas sessions transfer zones
    """,
    "budget": "budget cost_report",
    "learning": """
        daily_limits endings grading learning_days lesson_navigation mixed_test parts placement
        progress projects reviews schedule spaced_repetition today
    """,
    "lifecycle": """
        administration.account_deletion administration.admin_queries commands content_versions
        events links.link_checker links.link_status making.activate_plan making.completion
        making.content_job making.create making.judge_job making.leases making.plan_job
        making.rescue plan_rows reading.build_status reading.own_roadmaps reading.queries
        reading.read_states revisions schedule_settings timeline.spans timeline.timeline trash
    """,
    "exchange": """
        account_export own_chat_answer formats.json_ formats.registry
        import_validation importer map.drawing map.layout map.style share_links
    """,
    "webhooks": "sender subscriptions",
}
# Modules that several pages of their folder share; all others are pages.
PARTS_OF_PAGES = (
    "web.pages.admin.actions",
    "web.pages.admin.formatters",
    "web.pages.admin.labels",
    "web.pages.admin.layout",
)
# Packages with code in `__init__.py`, and the reason. All others load only what is imported.
INIT_WITH_CODE = {
    "roadmap_client/__init__.py": "has the names that programs import",
    "tasks/__init__.py": "registers every task, as huey_consumer needs it",
}
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
    "mcp_server": {"huey", "peewee", "playhouse", "models", "openai", "jinja2", "markupsafe"},
    "roadmap": {"starlette", "huey", "jinja2", "markupsafe"},
    "tasks": {"starlette", "peewee", "playhouse", "models", "openai", "jinja2", "markupsafe"},
    "web": {"huey", "peewee", "playhouse", "models", "openai"},
    "roadmap_app": {"huey", "peewee", "playhouse", "models", "openai"},
    "cli": {"huey", "peewee", "playhouse", "models", "openai"},
    "roadmap_cli": {"huey", "peewee", "playhouse", "models", "openai"},
}
ALLOWED = {("cli/run_services.py", "huey")}  # it becomes the consumer
# Names of modules of layers above in strings, and the reason.
NAMED_ABOVE = {
    "core/settings.py": "huey_consumer imports a queue by its name",
}
# Files that import modules by their names, and the reason.
IMPORTS_BY_NAME = {
    "roadmap/generation/catalogue/goal_matching.py": "a module of a library, without types",
    "roadmap/operations/backup.py": "every module of models/",
    "roadmap_cli.py": "a command, when it is called",
    "tasks/__init__.py": "the tasks of every queue of CONSUMERS",
}
MODULE_NAME = re.compile(r"(\w+(?:\.\w+)*)(?:[.:]\w+)", re.ASCII)  # and what it is looked up for
MODEL_CLIENT = "roadmap/generation/llm/client.py"
# Loaded when first used: memory and start-up time.
NOT_AT_THE_START = (
    *(
        "httpx2",
        "icalendar",
        "jinja2",
        "markdown_it",
        "mcp",
        "mcp_server",
        "mcp_types",
        "obstore",
        "openai",
        "prometheus_client",
        "pygments",
        "snowballstemmer",
    ),
    *(
        "roadmap.lifecycle.making.content_job",
        "roadmap.lifecycle.making.judge_job",
        "roadmap.lifecycle.links.link_checker",
        "roadmap.generation.llm.generator",
        "roadmap.lifecycle.making.plan_job",
    ),
)


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name; `line` is where it is imported."""

    module: str
    line: int

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]


def source_files(*beside: str) -> list[str]:
    """The Python files of the service and its migrations, and of the named folders beside it."""
    return [
        str(path.relative_to(ROOT))
        for name in (*LAYERS, "migrations", *beside)
        for path in sorted((*ROOT.glob(f"{name}.py"), *ROOT.glob(f"{name}/**/*.py")))
    ]


@cache
def imports(file: str) -> tuple[Import, ...]:
    package = file.removesuffix(".py").split("/")[:-1]
    return tuple(_imports(parse_python((ROOT / file).read_text("utf-8")), package))


def _imports(tree: ast.AST, package: list[str]) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{module}.{alias.name}"
                yield Import(name if is_module(name) else module, node.lineno)


@cache
def is_module(name: str) -> bool:
    """Is it a module or package of this project?"""
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def named_modules(file: str) -> Iterator[str]:
    """Yield modules whose names are strings: `a.b`, `a.b.name` or `a:name`."""
    for node in ast.walk(parse_python((ROOT / file).read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = MODULE_NAME.fullmatch(node.value)
            names = {node.value, found[1]} if found else set()
            yield from (
                name for name in names if is_module(name) and ("." in name or ":" in node.value)
            )


def importing(is_wrong: Callable[[str, Import], bool]) -> list[str]:
    """List the imports that are wrong, with file and line."""
    return [
        f"{file}:{found.line}: {found.module}"
        for file in source_files()
        for found in imports(file)
        if is_wrong(file, found)
    ]


def top_package(file: str) -> str:
    return file.partition("/")[0].removesuffix(".py")


def roadmap_package(name: str) -> str:
    """Return the package of roadmap/ that a module or file is in; empty for those elsewhere."""
    first, package, *rest = [*name.replace("/", ".").split("."), ""]
    return package if first == "roadmap" and rest else ""


def test_every_folder_with_code_has_a_layer() -> None:
    folders = {
        path.parent.name for path in ROOT.glob("*/*.py") if not path.parent.name.startswith(".")
    }
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert (folders | modules) - LAYERS.keys() <= BESIDE


def test_a_file_imports_only_from_its_own_layer_and_those_below() -> None:
    above = importing(
        lambda file, found: LAYERS.get(found.package, -1) > LAYERS.get(top_package(file), -1)
    )
    assert above == []


def test_a_file_names_no_module_of_a_layer_above_to_import_it() -> None:
    """An editor and mypy follow imports, and not the names of modules in strings."""
    above = {
        file
        for file in source_files()
        for name in named_modules(file)
        if LAYERS.get(top_package(name.replace(".", "/")), -1) > LAYERS.get(top_package(file), -1)
    }
    assert above == NAMED_ABOVE.keys()


def test_modules_are_imported_by_name_where_it_has_a_reason() -> None:
    by_name = {
        file
        for file in source_files()
        for found in imports(file)
        if found.package == "importlib" and "import_module" in (ROOT / file).read_text("utf-8")
    }
    assert by_name == IMPORTS_BY_NAME.keys()


def test_the_packages_of_roadmap_have_an_order() -> None:
    folders = {path.parent.name for path in (ROOT / "roadmap").glob("*/__init__.py")}
    assert folders == PUBLIC.keys()
    order = {"": len(PUBLIC), **{name: number for number, name in enumerate(PUBLIC)}}
    above = importing(
        lambda file, found: (
            found.package == "roadmap"
            and order[roadmap_package(found.module)] > order[roadmap_package(file)]
        )
    )
    assert above == []


def test_other_packages_import_only_public_modules() -> None:
    used = {
        found.module: f"{file}:{found.line}: {found.module}"
        for file in source_files("scripts", "quality")
        for found in imports(file)
        if roadmap_package(found.module) not in {"", roadmap_package(file)}
    }
    public = {f"roadmap.{name}.{each}" for name, all_ in PUBLIC.items() for each in all_.split()}
    assert [used[each] for each in used.keys() - public] == [], "not in PUBLIC"
    assert sorted(public - used.keys()) == [], "no longer imported: take it out of PUBLIC"


def test_packages_load_only_what_is_imported() -> None:
    """`__init__.py` has no code, at most a docstring: memory and start-up time depend on it."""
    with_code = {
        file
        for file in source_files()
        if file.endswith("/__init__.py")
        for node in parse_python((ROOT / file).read_text("utf-8")).body
        if not isinstance(node, ast.Expr)
    }
    assert with_code == INIT_WITH_CODE.keys()


def test_pages_import_nothing_of_the_api() -> None:
    """Pages and API call the same domain functions."""
    above = importing(
        lambda file, found: (
            file.startswith("web/pages/") and (found.module + ".").startswith("web.api.")
        )
    )
    assert above == []


def test_an_api_module_imports_no_other_but_that_of_roadmaps() -> None:
    """Parts that two of them need are in rooms of web/ beside the API, or in the domain.

    An `If-Match` of a command on a roadmap names the ETag of `web.api.roadmaps: read_roadmap`.
    """
    beside = importing(
        lambda file, found: (
            file.startswith("web/api/")
            and found.module.startswith("web.api")
            and found.module != "web.api.roadmaps"
        )
    )
    assert beside == []


def test_the_http_layer_knows_nothing_of_roadmaps() -> None:
    """It imports core and itself, and nothing else of the product."""
    product = LAYERS.keys() - {"core"}
    outside = importing(
        lambda file, found: (
            file.startswith("web/http/")
            and found.package in product
            and not (found.module + ".").startswith("web.http.")
        )
    )
    assert outside == []


def test_pages_import_no_other_pages_but_parts_of_their_folder() -> None:
    """Shared parts are directly in web/pages."""
    wrong = importing(
        lambda file, found: (
            file.startswith("web/pages/")
            and found.module.startswith("web.pages.")
            and found.module.count(".") > 2
            and (
                found.module not in PARTS_OF_PAGES
                or Path(file).parent.name != found.module.split(".")[2]
            )
        )
    )
    assert wrong == []


def test_only_the_application_and_tools_import_all_routes() -> None:
    """A handler knows the rows of its own module: `ENDPOINTS` or `PAGES` at its end."""
    importers = {
        file
        for file in source_files("scripts", "quality")
        for found in imports(file)
        if found.module == "web.routes"
    }
    assert importers == {"roadmap_app.py", "scripts/examples.py", "scripts/openapi.py"}


def test_a_file_imports_nothing_from_beside_the_service() -> None:
    assert importing(lambda file, found: found.package in BESIDE) == []


def test_only_tests_import_tests() -> None:
    beside = source_files("testing", "scripts", "benchmarks", "quality", "examples", "deploy")
    assert [
        f"{file}:{found.line}: {found.module}"
        for file in beside
        for found in imports(file)
        if found.package == "tests"
    ] == []


def test_a_file_imports_no_library_that_is_forbidden_in_its_layer() -> None:
    wrong = importing(
        lambda file, found: (
            found.package in FORBIDDEN.get(top_package(file), set())
            and (file, found.package) not in ALLOWED
        )
    )
    assert wrong == []


def test_a_starting_service_loads_no_module_that_is_used_later(tmp_path: Path) -> None:
    code = (
        "import sys, roadmap_app, tasks; "
        f"print([name for name in {NOT_AT_THE_START} if name in sys.modules])"
    )
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


def test_the_client_works_by_itself() -> None:
    """A program gets it without the rest of the project."""
    files = [file for file in source_files() if top_package(file) == "roadmap_client"]
    outside = {found.package for file in files for found in imports(file)} - sys.stdlib_module_names
    assert outside == {"httpx2", "roadmap_client"}


def test_migrations_import_peewee_only() -> None:
    files = [file for file in source_files() if top_package(file) == "migrations"]
    assert files
    outside = {found.package for file in files for found in imports(file)} - sys.stdlib_module_names
    assert outside == {"peewee"}


def test_openai_is_not_loaded_by_a_process_that_calls_no_model(tmp_path: Path) -> None:
    """Even with a key: the API and the logs worker have the generator, but do not call it."""
    code = """import sys, roadmap_app
from roadmap.generation.generator import current_generator
print(current_generator().name, "openai" in sys.modules)"""
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
