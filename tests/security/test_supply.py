"""Supply of packages: installed as locked, under agreed licences, and audited without gaps.

All without a network.
"""

import re
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.audit import NOT_REACHED, audit
from scripts.licences import PAGE, is_allowed, licence, row
from scripts.lock_file import EXTRAS, LOCK, extra_packages, locked
from testing.stack import ROOT

LOCKED = {package.name: package for package in locked()}
HERE = [package for package in LOCKED.values() if package.is_for_this_machine]
ROW = re.compile(
    r"- \[?(?P<name>\S+) (?P<version>[^\s\]:]+)(?:\]\(\S+\))?: (?P<licence>.+?)"
    r"(?:, only where `.*`)?"
)
ROWS = {
    found["name"]: found
    for line in PAGE.read_text("utf-8").splitlines()
    if (found := ROW.fullmatch(line))
}


def required(text: str) -> list[Requirement]:
    """The requirements of a file in pip's format, without its comments."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def disagreements(requirements: str, lock: str) -> list[str]:
    """Return what a lock lacks of the requirements, or has in a wrong version or without a hash."""
    packages = {package.name: package for package in locked(lock)}
    found = []
    for requirement in required(requirements):
        package = packages.get(canonicalize_name(requirement.name))
        if package is None:
            found.append(f"{requirement.name} is not locked")
        elif not requirement.specifier.contains(package.version, prereleases=True):
            found.append(f"{package.name} {package.version} is not {requirement.specifier}")
    for package in packages.values():
        if not re.fullmatch(r"==[^*,=]+", str(package.requirement.specifier)):
            found.append(f"{package.name} is not pinned")
        if not package.hashes or not all(
            re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in package.hashes
        ):
            found.append(f"{package.name} has no hash")
    return found


def lock_of(name: str) -> str:
    return (ROOT / f"requirements/{name}.lock").read_text("utf-8")


def test_the_locks_are_what_the_requirements_ask_for() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    asked = {
        (ROOT / "requirements.txt").read_text("utf-8"): LOCK.read_text("utf-8"),
        **{
            (ROOT / f"requirements/{extra}.txt").read_text("utf-8"): lock_of(extra)
            for extra in EXTRAS
        },
        "\n".join(build): lock_of("build"),
    }
    found = [each for pair in asked.items() for each in disagreements(*pair)]
    assert found == [], "run: make lock"


@pytest.mark.parametrize("name", EXTRAS)
def test_an_extra_changes_no_version_of_the_base(name: str) -> None:
    """Nor has it another hash of one: both are installed together."""
    extra = {package.name: package for package in locked(lock_of(name))}
    shared = extra.keys() & LOCKED.keys()
    assert shared
    for each in shared:
        assert (extra[each].version, extra[each].hashes) == (
            LOCKED[each].version,
            LOCKED[each].hashes,
        )


def test_a_disagreement_is_found() -> None:
    a_hash = "--hash=sha256:" + "a" * 64
    good = (
        f"Starlette_Like==1.10.2 ; sys_platform != 'win32' \\\n    {a_hash} \\\n    {a_hash}\n    #"
        " via -r requirements.txt\n"
    )
    lock = good.replace("Starlette_Like", "starlette-like")
    assert disagreements("Starlette_Like~=1.10  # why\n", lock) == []
    assert disagreements("starlette-like~=1.11\n", lock) == ["starlette-like 1.10.2 is not ~=1.11"]
    assert disagreements("starlette-like~=1.10\nuvicorn~=0.54.0\n", lock) == [
        "uvicorn is not locked"
    ]
    assert disagreements("", "uvicorn==0.54.0\n") == ["uvicorn has no hash"]
    assert disagreements("", f"uvicorn~=0.54.0 {a_hash}\n") == ["uvicorn is not pinned"]


def test_the_lock_is_complete() -> None:
    """Needs of a locked package are locked too, as far as they are installed here."""
    missing = []
    for package in HERE:
        for line in metadata.requires(package.name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                found = LOCKED.get(canonicalize_name(needed.name))
                if found is None or not needed.specifier.contains(found.version, prereleases=True):
                    missing.append(f"{package.name} needs {needed}")
    assert missing == [], "run: make lock"


@pytest.mark.parametrize(
    "text",
    [LOCK.read_text("utf-8"), *map(lock_of, EXTRAS), lock_of("build")],
    ids=["base", *EXTRAS, "build"],
)
def test_a_lock_names_packages_and_nothing_else(text: str) -> None:
    """No index, address or path of the machine that made it; one version for every Python."""
    assert not re.search(r"://|--(?!hash=)|\s@\s|(?<![\w-])/\w", text)
    names = [package.name for package in locked(text)]
    assert len(names) == len({*names})


def test_what_is_installed_is_what_is_locked() -> None:
    versions = {package.name: metadata.version(package.name) for package in HERE}
    assert versions == {package.name: package.version for package in HERE}


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile.railway"])
def test_production_is_installed_from_the_lock_alone(file: str) -> None:
    text = re.sub(r"\\\n", " ", (ROOT / file).read_text("utf-8"))
    lines = [line for line in text.splitlines() if re.search(r"pip .*\binstall\b", line)]
    elsewhere = (  # of tests, and in another environment
        r"requirements/dev\.txt|\$\(BENCH\)/bin/python .*benchmarks/requirements\.txt"
        r"|\$\(CATALOGUE\)/bin/python .*quality/catalogue\.txt"
        r"|\$\(DOCS\)/bin/python .*requirements/docs\.txt"
    )
    installs = [line for line in lines if not re.search(elsewhere, line)]
    assert installs
    locks = r"requirements/(service|mcp|s3|build)\.lock"
    ours = "install --no-deps --no-index"  # the wheel that was built before
    assert [
        line
        for line in installs
        if not ("--require-hashes" in line and re.search(locks, line)) and ours not in line
    ] == []


def test_the_wheel_is_built_by_what_is_locked() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "wheel: $(BUILD)/ready ##" in makefile
    assert "$(BUILD)/ready: requirements/build.lock\n" in makefile


def test_the_page_names_the_licence_of_every_locked_package() -> None:
    every = [*LOCKED.values(), *chain.from_iterable(map(extra_packages, EXTRAS))]
    assert [(name, found["version"]) for name, found in ROWS.items()] == [
        (one.name, one.version) for one in every
    ], "run: python -m scripts.licences"
    for package in HERE:
        assert ROWS[package.name][0] == row(package, metadata.metadata(package.name)), (
            "run: python -m scripts.licences"
        )


def test_every_licence_is_on_the_list() -> None:
    stated = {name: found["licence"] for name, found in ROWS.items()}
    stated |= {package.name: licence(metadata.metadata(package.name)) for package in HERE}
    assert [(name, one) for name, one in stated.items() if not is_allowed(one)] == []


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("Apache-2.0 AND BSD-2-Clause", True),
        ("MIT AND GPL-3.0-only OR AGPL-3.0-only", False),
        ("", False),
        ("UNKNOWN", False),
    ],
)
def test_a_licence_is_allowed_in_all_of_its_parts(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


SOUND = "print('No known vulnerabilities found', file=sys.stderr)"
VULNERABLE = "print('redis 8.1.0 PYSEC-1 8.2 CVE-1')\nsys.exit('Found 1 known vulnerability')"
UNKNOWN = "sys.exit('redis: Dependency not found on PyPI and could not be audited')"
AWAY = "sys.exit('requests.exceptions.ConnectionError: Max retries exceeded')"
BROKEN = "raise ValueError('a defect')"


def pip_audit(folder: Path, pypi: str, osv: str) -> list[str]:
    """A stand-in for pip-audit: what it does for each service."""
    script, bodies = folder / "pip_audit.py", {"pypi": pypi, "osv": osv}
    script.write_text(f"import sys\nassert '--strict' in sys.argv\nexec({bodies}[sys.argv[-1]])\n")
    return [sys.executable, str(script)]


@pytest.mark.parametrize(
    ("bodies", "code", "shown"),
    [
        ((SOUND, BROKEN), 0, "No known vulnerabilities found"),
        ((VULNERABLE, BROKEN), 1, "redis 8.1.0 PYSEC-1 8.2 CVE-1\nFound 1 known vulnerability"),
        ((UNKNOWN, VULNERABLE), 1, "PYSEC-1"),
        ((AWAY, SOUND), 0, "No known vulnerabilities found"),
        ((BROKEN, SOUND), 1, "a defect"),
    ],
)
def test_the_first_service_that_knows_every_package_counts(
    bodies: tuple[str, str],
    code: int,
    shown: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert audit(pip_audit(tmp_path, *bodies), strict=True) == code
    printed = capsys.readouterr().out
    assert shown in printed
    assert NOT_REACHED not in printed


@pytest.mark.parametrize("pypi", [UNKNOWN, AWAY])
def test_without_a_service_the_audit_says_that_nothing_was_audited(
    pypi: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that does not know a package is none: a mirror without PyPI's data is like that."""
    tool = pip_audit(tmp_path, pypi, AWAY)
    assert audit(tool, strict=False) == 0
    assert capsys.readouterr().out == f"{NOT_REACHED}\n"
    assert audit(tool, strict=True) == 1
    assert capsys.readouterr().err == f"{NOT_REACHED}\n"
