"""tests/railway/graph.json, which scripts/railway.sh makes, fits the services."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings, from_environment
from core.startup.supervisor import AFTER_GRACE
from roadmap_cli import OPERATORS
from scripts.tables import readers
from testing.stack import ROOT
from tests.cases import try_each
from tests.railway.dockerfile import BuildFailed, build
from web.routes import ENDPOINTS

GRAPH = json.loads((ROOT / "tests" / "railway" / "graph.json").read_text("utf-8"))
SERVICES: dict[str, Any] = {
    each["name"]: each for each in GRAPH["resources"] if each["type"] == "service"
}
PLATFORM = {"HOST", "PORT", "DATA_DIR"}  # Railway gives the port, and there is no embedded mode
TSX = Path("node_modules", ".bin", "tsx")
NEEDED = {"DATABASE_URL": "postgresql://x/y", "REDIS_URL": "redis://x", "SECRET_KEY": "k" * 32}


def literals(service: str) -> dict[str, str]:
    variables = SERVICES[service]["variables"]
    return {name: value["value"] for name, value in variables.items() if value["type"] == "literal"}


def read_by(service: str) -> set[str]:
    """Return the settings that a service reads: the name of each group names its services."""
    return {
        name.upper()
        for name in Settings.model_fields
        if service in (words := readers(name).split()) or "every" in words
    }


def test_there_are_three_services_and_two_servers() -> None:
    assert {name: literals(name)["SERVICE_TYPE"] for name in SERVICES} == {
        "api": "api",
        "logs": "huey_logs",
        "content": "huey_content",
    }
    engines = {
        each["name"]: each["engine"] for each in GRAPH["resources"] if each["type"] == "database"
    }
    assert engines == {"postgres": "postgres", "redis": "redis"}


def test_every_setting_can_be_set_on_the_api_and_stays() -> None:
    """`config apply` deletes all that it does not know."""
    kept = {
        name for name, value in SERVICES["api"]["variables"].items() if value["type"] == "preserve"
    }
    assert kept == read_by("api")
    fixed = {"SERVICE_TYPE", "DATABASE_URL", "REDIS_URL", "SHUTDOWN_GRACE_SECONDS"}
    assert {name.upper() for name in Settings.model_fields} == kept | fixed | PLATFORM


@pytest.mark.parametrize("service", ["logs", "content"])
def test_a_worker_reads_its_settings_from_the_api_and_no_password_of_people(service: str) -> None:
    variables = SERVICES[service]["variables"]
    values = {
        name: value
        for name, value in variables.items()
        if value["type"] == "reference" and value["resource"] == "service.api"
    }
    domains = {
        "API_PUBLIC_DOMAIN": "RAILWAY_PUBLIC_DOMAIN",
        "API_PRIVATE_DOMAIN": "RAILWAY_PRIVATE_DOMAIN",
    }
    named = {name: domains.get(name, name) if service == "content" else name for name in values}
    assert {name: value["output"] for name, value in values.items()} == named
    assert set(domains) <= set(values) or service == "logs"
    assert values.keys() - domains.keys() == read_by(service)
    assert [name for name, value in variables.items() if value["type"] == "preserve"] == []


@try_each("service", SERVICES)
def test_what_the_api_accepts_a_service_accepts_that_reads_a_part_of_it(service: str) -> None:
    """Settings that must fit each other go to the same services; a default might not fit."""
    values = {
        **{
            "LEASE_SECONDS": "20",
            "MODEL_TIMEOUT_SECONDS": "10",
            "HEARTBEAT_SECONDS": "9",
            "HEARTBEAT_TTL_SECONDS": "30",
        },
        **{
            "OPENAI_API_KEY": "k",
            "OPENAI_MODEL": "m",
            "MODEL_PRICES": "m=1/2",
            "BUDGET_PER_ROADMAP": "1",
        },
        **{"ADMIN_EMAIL": "boss@example.org", "ADMIN_PASSWORD": "a long enough passphrase"},
    }
    from_environment({**NEEDED, **values})
    read = {name: value for name, value in values.items() if name in SERVICES[service]["variables"]}
    from_environment({**NEEDED, **literals(service), **read})


@try_each("service", SERVICES)
def test_the_platform_waits_longer_than_a_service_needs(service: str) -> None:
    deploy, variables = SERVICES[service]["deploy"], literals(service)
    grace = from_environment({**NEEDED, **variables}).shutdown_grace_seconds
    assert deploy["drainingSeconds"] >= grace + 10
    assert variables["RAILWAY_DEPLOYMENT_DRAINING_SECONDS"] == str(deploy["drainingSeconds"])
    assert deploy["restartPolicyType"] == "ALWAYS"
    assert deploy["sleepApplication"] is False
    assert SERVICES[service]["build"] == {
        "builder": "DOCKERFILE",
        "dockerfilePath": "Dockerfile.railway",
    }
    assert (ROOT / "Dockerfile.railway").is_file()


def test_the_api_migrates_before_it_is_started_and_is_asked_whether_it_is_ready() -> None:
    deploy = SERVICES["api"]["deploy"]
    (command,) = deploy["preDeployCommand"]
    assert command == "roadmap migrate"
    assert "migrate" in OPERATORS
    assert deploy["healthcheckPath"] in {endpoint.path for endpoint in ENDPOINTS if endpoint.public}
    others = [SERVICES[name]["deploy"] for name in ("logs", "content")]
    assert [
        other for other in others if "healthcheckPath" in other or "preDeployCommand" in other
    ] == []  # they have no port


@pytest.mark.skipif(
    not (ROOT / ".railway" / TSX).exists() or shutil.which("node") is None,
    reason="NOT RUN: one instance on Railway; scripts/railway.sh brings what that needs",
)
def test_one_instance_is_the_api_alone_with_every_setting_and_time_to_end(tmp_path: Path) -> None:
    """As the page says: one line is changed."""
    program = (ROOT / ".railway" / "railway.ts").read_text("utf-8")
    assert program.count("ONE_INSTANCE: boolean = false;") == 1
    (tmp_path / "railway.ts").write_text(
        program.replace("ONE_INSTANCE: boolean = false;", "ONE_INSTANCE: boolean = true;")
    )
    for name in ("graph.ts", "package.json", "tsconfig.json"):
        shutil.copy(ROOT / ".railway" / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(ROOT / ".railway" / "node_modules")
    result = subprocess.run(
        [str(tmp_path / TSX), "graph.ts"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    (one,) = [each for each in json.loads(result.stdout)["resources"] if each["type"] == "service"]
    usual = SERVICES["api"]
    assert one["name"] == "api"
    changed = {
        name for name, value in one["variables"].items() if value != usual["variables"].get(name)
    }
    assert changed == {"SERVICE_TYPE", "RAILWAY_DEPLOYMENT_DRAINING_SECONDS"}
    assert one["variables"].keys() == usual["variables"].keys()
    assert one["variables"]["SERVICE_TYPE"]["value"] == "all"
    draining = one["deploy"]["drainingSeconds"]
    grace = from_environment({**NEEDED, **literals("api")}).shutdown_grace_seconds
    assert draining > grace + AFTER_GRACE
    assert one["variables"]["RAILWAY_DEPLOYMENT_DRAINING_SECONDS"]["value"] == str(draining)
    assert {**one["deploy"], "drainingSeconds": usual["deploy"]["drainingSeconds"]} == usual[
        "deploy"
    ]


def test_what_checks_it_is_pinned_and_names_no_host() -> None:
    package = json.loads((ROOT / ".railway" / "package.json").read_text("utf-8"))
    assert [
        version
        for version in package["devDependencies"].values()
        if not re.fullmatch(r"\d+\.\d+\.\d+", version)
    ] == []
    assert "resolved" not in (ROOT / ".railway" / "package-lock.json").read_text("utf-8")
    assert "dependencies" not in package


def test_what_docker_would_not_have_is_not_built(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / ".dockerignore").write_text("*\n!let_in\n**/*.pyc\n")
    for name in ("let_in", "left_out"):
        (context / name).mkdir()
        (context / name / "code.py").write_text("")
        (context / name / "code.pyc").write_text("")
    (context / "Dockerfile").write_text(
        'FROM base AS code\nWORKDIR /app\n# why\nCOPY let_in let_in\n'
        'RUN touch \\\n    made\nFROM base\n'
        'COPY --from=code /app .\nENV A=/app/b:$A \\\n    C=d\nENTRYPOINT ["./let_in"]\n'
    )  # fmt: skip
    image = build(context, "Dockerfile", tmp_path / "image")
    assert sorted(path.name for path in (tmp_path / "image").rglob("*")) == [
        "code.py",
        "let_in",
        "made",
    ]
    assert (image.environment, image.entrypoint) == (
        {"A": f"{tmp_path}/image/b:", "C": "d"},
        ["./let_in"],
    )
    (context / "Dockerfile").write_text("FROM base\nCOPY left_out left_out\n")
    with pytest.raises(BuildFailed, match="COPY left_out: it is not in the context"):
        build(context, "Dockerfile", tmp_path / "other")
    (context / "Dockerfile").write_text("FROM base\nRUN echo wrong && false\n")
    with pytest.raises(BuildFailed, match="wrong"):
        build(context, "Dockerfile", tmp_path / "another")
