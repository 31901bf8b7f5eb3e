"""The wheel has what the service needs and nothing else, and its tasks keep their names."""

import email
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from core.version import COMMIT, NUMBER
from scripts.lock_file import EXTRAS
from testing.stack import ROOT, clean_environment
from tests.security.test_supply import required
from tests.unit.repository.test_layers import LAYERS
from tests.unit.tasks.test_task_names import NAMES, REGISTERED

SHIPPED = {*LAYERS, "migrations", "entrypoint.sh"}
BESIDE = {"roadmap_client"}  # an import of its own, for other programs
ADDED = {"__init__.py", "commit.txt"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    environment = {**clean_environment(), "GIT_COMMIT": COMMIT}
    subprocess.run(
        [*command, "--directory", str(folder)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )
    (file,) = folder.iterdir()
    assert file.name == f"roadmap_service-{NUMBER}-py3-none-any.whl"
    return ZipFile(file)


def test_it_has_every_file_of_the_service_and_no_other(wheel: ZipFile) -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listing, cwd=ROOT, text=True).splitlines()
    wanted = {f"roadmap_service/{name}" for name in ADDED}
    for name in names:
        top = name.partition("/")[0].removesuffix(".py")
        if top in SHIPPED and (ROOT / name).exists():
            wanted.add(name if top in BESIDE else f"roadmap_service/{name}")
    found = {
        name
        for name in wheel.namelist()
        if ".dist-info/" not in name and not name.startswith("roadmap_service/web/run/")
    }
    assert sorted(found - wanted) == [], "not of the service"
    assert sorted(wanted - found) == [], "missing: add it to pyproject.toml's force-include"
    assert wheel.getinfo("roadmap_service/entrypoint.sh").external_attr >> 16 & 0o111 == 0o111
    assert wheel.read("roadmap_service/commit.txt").decode().strip() == COMMIT


def test_the_image_is_given_all_that_it_is_built_from() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    let_in = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    files = {file for file in wheel["force-include"] if not file.startswith("deploy/wheel/")}
    assert sorted(f"!{file}" for file in files if f"!{file}" not in let_in) == []


def test_it_asks_for_what_the_requirements_ask_for(wheel: ZipFile) -> None:
    folder = f"roadmap_service-{NUMBER}.dist-info"
    facts = email.message_from_bytes(wheel.read(f"{folder}/METADATA"))
    assert (facts["Name"], facts["Version"]) == ("roadmap-service", NUMBER)
    asked = {*map(Requirement, facts.get_all("Requires-Dist", []))}
    assert asked == {
        *required((ROOT / "requirements.txt").read_text("utf-8")),
        *(
            Requirement(f"{each}; extra == '{extra}'")
            for extra in EXTRAS
            for each in required((ROOT / f"requirements/{extra}.txt").read_text("utf-8"))
        ),
    }
    assert "](" not in facts.get_payload(), (
        "an index shows this text: links of a checkout lead nowhere"
    )
    points = wheel.read(f"{folder}/entry_points.txt").decode()
    assert points == "[console_scripts]\nroadmap = roadmap_service:main\n"


def test_its_tasks_have_the_pinned_names(wheel: ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    environment = {
        **os.environ,
        "SERVICE_TYPE": "all",
        "DATA_DIR": str(tmp_path / "data"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", REGISTERED]
    folder = tmp_path / "roadmap_service"
    done = subprocess.check_output(command, cwd=folder, env=environment, text=True)
    assert sorted(done.split()) == sorted(NAMES)
