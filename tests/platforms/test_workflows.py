"""The workflows of .github: linters find no fault, and permissions, pins and triggers are safe.

GitHub is not there: what the workflows do is not tested, but for the shell steps that need no
runner.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.version import NUMBER
from testing.stack import ROOT

FOLDER = ROOT / ".github"
FILES = sorted((FOLDER / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def read(file: Path) -> dict[str, Any]:
    found: dict[Any, Any] = yaml.safe_load(file.read_text("utf-8"))
    found["on"] = found.pop(True)  # YAML 1.1 takes the word for a boolean
    return found


def scripts(file: Path) -> Iterator[str]:
    for job in read(file)["jobs"].values():
        yield from (step["run"] for step in job.get("steps", []) if "run" in step)


def run(script: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it as GitHub does without `shell`."""
    command = ["bash", "-e", "-c", script]
    options: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
    return subprocess.run(command, cwd=folder, env={**os.environ, **variables}, **options)


def test_linters_report_nothing() -> None:
    done = run("scripts/lint_workflows.sh")
    if done.stdout.startswith("NOT RUN"):
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", [*FILES, FOLDER / "dependabot.yml"], ids=lambda file: file.stem)
def test_a_file_begins_with_what_was_not_run(file: Path) -> None:
    assert file.read_text("utf-8").startswith("# This file has not run on GitHub yet")


@each_file
def test_actions_are_pinned_to_a_commit_whose_version_is_named(file: Path) -> None:
    uses = re.findall(r"uses: .*", file.read_text("utf-8"))
    own = [each for each in uses if each.startswith("uses: ./.github/workflows/")]
    assert [each for each in uses if each not in own and not PINNED.fullmatch(each)] == []


@each_file
def test_permissions_and_time_are_limited(file: Path) -> None:
    workflow = read(file)
    assert workflow["permissions"] == {"contents": "read"}, "a job that needs more says so"
    assert "pull_request_target" not in workflow["on"]
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job or job["uses"].startswith("./"), name
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


@each_file
def test_scripts_take_nothing_from_expressions(file: Path) -> None:
    """Neither what a stranger wrote nor a secret: such values come through `env`."""
    assert [each for each in scripts(file) if "${{" in each] == []
    assert "secrets." not in file.read_text("utf-8")


def test_nothing_is_published_unless_the_commit_of_the_tag_has_passed() -> None:
    jobs = read(FOLDER / "workflows" / "release.yml")["jobs"]
    assert jobs["ci"] == {"if": "github.ref_type == 'tag'", "uses": "./.github/workflows/ci.yml"}
    writes = {name for name, job in jobs.items() if "write" in job.get("permissions", {}).values()}
    assert writes == {"image", "pypi", "release"}
    assert "ci" in jobs["image"]["needs"]
    assert (jobs["pypi"]["needs"], jobs["release"]["needs"]) == ("image", "pypi")
    environments = [jobs[name].get("environment") for name in ("image", "pypi")]
    assert environments == ["release", "release"], "reviewers come before the first and the last"
    assert not any("always()" in str(job.get("if")) for job in jobs.values())


def test_a_tag_is_compared_with_version_and_changelog(tmp_path: Path) -> None:
    [compare] = [
        each for each in scripts(FOLDER / "workflows" / "release.yml") if "top section" in each
    ]
    (tmp_path / "core").symlink_to(ROOT / "core")
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("## [Unreleased]\n")
    without = run(compare, tmp_path, GITHUB_REF_NAME=f"v{NUMBER}")
    changelog.write_text(f"## [Unreleased]\n\n## [{NUMBER}] - 2026-11-29\n")
    below = run(compare, tmp_path, GITHUB_REF_NAME=f"v{NUMBER}")
    changelog.write_text(f"# Changelog\n\n## [{NUMBER}] - 2026-11-29\n\n## [0.0.1]\n")
    passed = run(compare, tmp_path, GITHUB_REF_NAME=f"v{NUMBER}")
    other = run(compare, tmp_path, GITHUB_REF_NAME="v99.0.0")
    codes = [done.returncode for done in (without, below, passed, other)]
    assert codes == [1, 1, 0, 1]
    assert f"'## [Unreleased]', not '## [{NUMBER}]'" in below.stdout
    assert "v99.0.0" in other.stdout


def test_a_release_has_the_notes_of_its_version_alone(tmp_path: Path) -> None:
    [release] = [
        each for each in scripts(FOLDER / "workflows" / "release.yml") if "gh release" in each
    ]
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n- c\n\n"
        "## [1.2.0] - 2026\n\n- b\n\n## [1.2.0rc1]\n\n- a\n"
    )
    called = (
        'gh() { [ "$2" != view ] || return "$ABSENT"; '
        'echo "$2"; [ "$2" != create ] || cat notes.md; }\n'
    )
    first = run(called + release, tmp_path, GITHUB_REF_NAME="v1.2.0", ABSENT="1")
    assert first.stdout.splitlines() == ["create", "", "- b", "", "upload", "edit"]
    again = run(called + release, tmp_path, GITHUB_REF_NAME="v1.2.0", ABSENT="0")
    assert again.stdout.splitlines() == ["upload", "edit"], "a rerun completes it"


@pytest.mark.parametrize(
    ("tag", "suffix", "expected"),
    [
        ("v1.2.0", "", "ghcr.io/some/one:1.2.0,ghcr.io/some/one:latest"),
        ("v1.2.0", "-mcp", "ghcr.io/some/one:1.2.0-mcp,ghcr.io/some/one:latest-mcp"),
        ("v1.3.0rc1", "", "ghcr.io/some/one:1.3.0rc1"),
        ("v1.3.0.dev4", "-mcp", "ghcr.io/some/one:1.3.0.dev4-mcp"),
    ],
)
def test_only_a_release_is_the_latest(tag: str, suffix: str, expected: str, tmp_path: Path) -> None:
    [name] = [each for each in scripts(FOLDER / "workflows" / "release.yml") if "tags=" in each]
    output = tmp_path / "output"
    variables = {"GITHUB_REPOSITORY": "Some/One", "GITHUB_OUTPUT": str(output)}
    assert run(name, GITHUB_REF_NAME=tag, SUFFIX=suffix, **variables).returncode == 0
    assert output.read_text() == f"image=ghcr.io/some/one\ntags={expected}\n"
