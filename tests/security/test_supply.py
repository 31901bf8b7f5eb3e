"""Supply of packages: installed as locked, under agreed licences, and audited without gaps.

All without a network.
"""

import json
import re
import sys
import textwrap
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.audit import NOT_REACHED, AuditFailed, audit, report
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


def answers(**by_service: Any) -> Any:
    return lambda service: by_service.get(service)


GOOD = {"dependencies": [{"name": "redis", "version": "8.1.0", "vulns": []}]}
BAD = {
    "dependencies": [
        {
            "name": "redis",
            "version": "8.1.0",
            "vulns": [{"id": "PYSEC-1", "fix_versions": ["8.2"], "aliases": ["CVE-1"]}],
        }
    ]
}
UNKNOWN = {"dependencies": [{"name": "redis", "skip_reason": "Dependency not found on PyPI"}]}


def test_a_known_vulnerability_fails_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(answers(pypi=BAD), strict=False) == 1
    assert capsys.readouterr().out == "redis 8.1.0: PYSEC-1, CVE-1; fixed in 8.2\n"


def test_a_vulnerability_that_the_second_service_knows_fails_the_audit() -> None:
    assert audit(answers(osv=BAD), strict=False) == 1
    assert audit(answers(pypi=UNKNOWN, osv=BAD), strict=False) == 1


def test_no_known_vulnerability(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(answers(pypi=GOOD), strict=True) == 0
    assert audit(answers(pypi=UNKNOWN, osv=GOOD), strict=True) == 0
    assert NOT_REACHED not in capsys.readouterr().out


@pytest.mark.parametrize("expected", [{}, {"pypi": UNKNOWN}, {"pypi": {"dependencies": []}}])
def test_without_a_service_the_report_says_that_nothing_was_audited(
    expected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that knows no package at all is none: pip-audit would end with 0."""
    assert audit(answers(**expected), strict=False) == 0
    assert capsys.readouterr().out == f"{NOT_REACHED}\n"
    assert audit(answers(**expected), strict=True) == 1
    assert capsys.readouterr().err == f"{NOT_REACHED}\n"


def test_a_package_that_a_working_service_does_not_know_fails_the_audit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    some = {"dependencies": [*GOOD["dependencies"], {"name": "lost", "skip_reason": "not found"}]}
    assert audit(answers(pypi=some), strict=False) == 1
    assert "lost" in capsys.readouterr().err


def pip_audit(folder: Path, body: str) -> list[str]:
    """A stand-in for pip-audit; `answer` is where it must write."""
    script = folder / "pip_audit.py"
    script.write_text(
        "import json, sys\nanswer = sys.argv[sys.argv.index('--output') + 1]\n"
        + textwrap.dedent(body)
    )
    return [sys.executable, str(script)]


def test_the_answer_of_pip_audit_counts_and_not_its_end(tmp_path: Path) -> None:
    tool = pip_audit(
        tmp_path, f"open(answer, 'w').write({json.dumps(json.dumps(BAD))})\nsys.exit(1)"
    )
    assert report(tool, "pypi", tmp_path / "packages.txt", tmp_path) == BAD
    (tmp_path / "none").mkdir()
    tmp_path /= "none"  # where no answer is
    away = pip_audit(
        tmp_path, "sys.exit('requests.exceptions.ConnectionError: Max retries exceeded')"
    )
    assert report(away, "osv", tmp_path / "packages.txt", tmp_path) is None
    broken = pip_audit(tmp_path, "raise ValueError('a defect')")
    with pytest.raises(AuditFailed, match="a defect"):
        report(broken, "osv", tmp_path / "packages.txt", tmp_path)
