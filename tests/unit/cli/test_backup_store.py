"""Backups named by time, in a folder and in S3-compatible storage without a server."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.backup_store import NAME, NAME_FORMAT, delete_old, list_backups, open_place
from cli.output import CommandFailed
from core import clock
from roadmap.operations import backup as backup_
from roadmap_cli import main
from tests.cases import try_each
from tests.unit.alone import run_alone

SECRET = "wJalrXUtnFEMI-a-secret"
OTHERS = (
    *("backup.gz", "roadmap.backup", "roadmap-2020-01-01T000000Z.backup.old"),
    *("my-roadmap-2020-01-01T000000Z.backup", "roadmap-2020-01-01T000000Z.BACKUP"),
    *("roadmap-2020-01-01T000000.backup", ".roadmap-2020-01-01T000000Z.backup.x1"),
)
WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "obstore":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import roadmap_cli
roadmap_cli.main(%r)
"""


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)


def run(*arguments: object) -> Result:
    words = ["backup", *map(str, arguments)]
    return CliRunner().invoke(main, words, env={"COLUMNS": "300"})


def name_at(moment: datetime) -> str:
    return f"{moment:{NAME_FORMAT}}"


def planted(folder: Path, count: int, first: datetime = datetime(2020, 1, 1, tzinfo=UTC)) -> None:
    for day in range(count):
        (folder / name_at(first + timedelta(days=day))).touch()


def test_names_sort_by_time_to_the_second() -> None:
    moments = [datetime(2026, 12, 2, 3, 15, tzinfo=UTC)]
    moments += [moments[0] + timedelta(seconds=1), datetime(2027, 1, 1, tzinfo=UTC)]
    names = [name_at(each) for each in moments]
    assert names[0] == "roadmap-2026-12-02T031500Z.backup"
    assert sorted(names) == names
    assert all(map(NAME.fullmatch, names))


def test_the_oldest_of_this_naming_are_deleted_and_no_other_file(tmp_path: Path) -> None:
    planted(tmp_path, 5)
    for each in OTHERS:
        (tmp_path / each).touch()
    (tmp_path / name_at(datetime(2001, 1, 1, tzinfo=UTC))).mkdir()
    before = list_backups(tmp_path)
    assert delete_old(tmp_path, before[-1], 2) == before[:3]
    assert list_backups(tmp_path) == before[3:]
    assert {*OTHERS} < {each.name for each in tmp_path.iterdir()}
    assert delete_old(tmp_path, before[-1], 2) == []


def test_the_new_backup_stays_although_a_clock_was_ahead(tmp_path: Path) -> None:
    planted(tmp_path, 3, datetime(2099, 1, 1, tzinfo=UTC))
    mine = name_at(clock.now())
    (tmp_path / mine).touch()
    ahead = list_backups(tmp_path)[1:]
    assert delete_old(tmp_path, mine, 1) == ahead[:2]
    assert list_backups(tmp_path) == [mine, ahead[2]]


@pytest.mark.usefixtures("immediate")
def test_a_folder_gets_named_backups_and_keeps_the_newest(tmp_path: Path) -> None:
    planted(tmp_path, 2)
    old = list_backups(tmp_path)
    assert run(tmp_path).exit_code == 0
    assert len(list_backups(tmp_path)) == 3  # nothing is deleted without --keep
    clock.travel(timedelta(seconds=1))
    done = run(tmp_path, "--keep", 2)
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith(f"Deleted the older {old[0]}.\nDeleted the older {old[1]}.\n")
    assert [(tmp_path / each).stat().st_size > 0 for each in list_backups(tmp_path)] == [True] * 2


def fails_with(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.usefixtures("immediate")
def test_a_backup_that_fails_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(tmp_path, 3)
    monkeypatch.setattr(backup_, "write", fails_with(errno.ENOSPC))
    done = run(tmp_path, "--keep", 1)
    assert done.exit_code == 1
    assert "not enough space" in done.stderr
    assert len(list_backups(tmp_path)) == 3


@pytest.mark.usefixtures("immediate")
def test_it_says_so_when_only_the_deletion_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(tmp_path, 1)
    (tmp_path / "roadmap-2019-01-01T000000Z.backup").mkdir()  # not a file: it is left alone
    monkeypatch.setattr(Path, "unlink", fails_with(errno.EROFS))
    done = run(tmp_path, "--keep", 1)
    assert done.exit_code == 1
    assert ".backup was written, but older backups remain. [Errno" in done.stderr
    assert len(list_backups(tmp_path)) == 2


def test_keep_with_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "backup.gz"
    done = run(file, "--keep", 3)
    assert done.exit_code == 2
    assert f"--keep needs an existing folder or s3://BUCKET/PREFIX, and {file} is" in done.stderr
    assert not file.exists()
    for number in (0, 1001):
        assert run(tmp_path, "--keep", number).exit_code == 2


def test_the_sentence_without_the_extra(tmp_path: Path) -> None:
    for words in (["backup", "s3://backups/a"], ["restore", "s3://backups/a/"]):
        variables = {"SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)}
        done = run_alone(WITHOUT % words, variables)
        assert done.returncode == 1, done
        assert "Error: S3 storage is not installed. Run `make s3` in a checkout" in done.stderr


@try_each(
    ("address", "variables", "wrong"),
    [
        ("s3://", {}, "the address"),
        ("s3:///a", {}, "the address"),
        ("s3://Back Ups/a", {}, "the address"),
        ("s3://backups/a?b", {}, "the address"),
        ("s3://key:secret@backups/a", {}, "the address"),  # nor is a secret in it repeated
        ("s3://backups/a", {"AWS_ENDPOINT_URL": "s3.example.org"}, "AWS_ENDPOINT_URL"),
        ("s3://backups/a", {"AWS_ACCESS_KEY_ID": "AKIA\n"}, "AWS_ACCESS_KEY_ID"),
        ("s3://backups/a", {"AWS_SECRET_ACCESS_KEY": f"{SECRET} \n"}, "AWS_SECRET_ACCESS_KEY"),
        ("s3://backups/a", {"AWS_REGION": "eu west"}, "AWS_REGION"),
        ("s3://backups/a", {"AWS_DEFAULT_REGION": "eu west"}, "AWS_DEFAULT_REGION"),
        ("s3://backups/a", {"AWS_SESSION_TOKEN": f"{SECRET}\n"}, "AWS_SESSION_TOKEN"),
        ("s3://backups/a", {"AWS_ENDPOINT": "s3.example.org"}, "AWS_ENDPOINT"),
    ],
)
def test_a_malformed_address_or_variable_is_named_without_its_value(
    address: str, variables: dict[str, str], wrong: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        with pytest.raises(CommandFailed) as refused, open_place(address):
            pass
    assert str(refused.value) == f"The storage cannot be used: {wrong} is malformed. Correct it."


@try_each(
    ("error", "expected"),
    [
        ("status code: 404 Not Found: <Code>NoSuchBucket</Code>", "the bucket does not exist. "),
        ("status code: 404 Not Found: <Code>NoSuchKey</Code>", "there is no such backup. "),
        ("status code: 403 Forbidden: <Code>InvalidAccessKeyId", "refuses the credentials. "),
        ("status code: 401 Unauthorized", "the server refuses the credentials. Check AWS_"),
        ("status code: 301: <Code>PermanentRedirect<", "in another region. Set AWS_REGION."),
        ("PUT http://169.254.169.254/latest/api/token", "no credentials are set. Set AWS_"),
        ("status code: 503 Slow Down", "the server refuses the request. "),
        ("HTTP error: error sending request", "cannot be reached. Check AWS_ENDPOINT_URL"),
    ],
)
def test_an_error_has_cause_and_fix_and_no_secret(error: str, expected: str) -> None:
    with pytest.raises(CommandFailed) as refused, open_place("s3://backups/a"):
        raise OSError(f"Error performing PUT: {error} {SECRET}")
    assert expected in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_full_disk_of_this_machine_is_no_fault_of_the_server() -> None:
    with pytest.raises(CommandFailed) as refused, open_place("s3://backups/a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "the temporary file cannot be written. Free some space" in str(refused.value)
