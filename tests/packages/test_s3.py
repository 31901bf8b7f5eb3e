"""A rehearsal of backups in S3-compatible storage: moto's server, which checks signatures."""

import os
import re
import subprocess
import venv
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.backup_store import NAME, list_backups, open_place, upload
from core import clock
from core.db import settings
from core.ids import new_id
from core.migrate import migrate
from testing.servers import Postgres, Server, free_port, listens, started
from testing.stack import ROOT
from tests.integration.operations.test_backups import MODES, Place, post_goal, tables_of

MOTO = ("moto[s3]~=5.2", "flask~=3.1", "flask-cors~=6.0")  # without cfn-lint, which is large
FIRST = 4  # requests that need no signature: those of ACCOUNT but the last
ACCOUNT = """
import boto3, json, sys

def client(name, key, secret):
    account = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    return boto3.client(name, endpoint_url=sys.argv[1], region_name="us-east-1", **account)

iam = client("iam", "any", "any")
iam.create_user(UserName="backup")
key = iam.create_access_key(UserName="backup")["AccessKey"]
rule = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
iam.put_user_policy(UserName="backup", PolicyName="backup", PolicyDocument=policy)
client("s3", key["AccessKeyId"], key["SecretAccessKey"]).create_bucket(Bucket="backups")
print(key["AccessKeyId"], key["SecretAccessKey"])
"""
AT = "s3://backups/of/roadmap"

pytestmark = pytest.mark.long


class Moto(Server):
    """A server of S3 and IAM, in a virtual environment of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        venv.create(folder / "venv", with_pip=True)
        self.python = str(folder / "venv" / "bin" / "python")
        install = [self.python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *MOTO]
        subprocess.run(install, check=True)

    def _command(self) -> list[str]:
        given = ["env", f"INITIAL_NO_AUTH_ACTION_COUNT={FIRST}"]
        return [*given, self.python, "-m", "moto.server", "-H", self.host, "-p", str(self.port)]

    def _answers(self) -> bool:
        return listens(self.host, self.port)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables of a server with the bucket `backups`."""
    with started(Moto(tmp_path_factory.mktemp("moto"))) as server:
        url = f"http://{server.address}"
        command = [server.python, "-c", ACCOUNT, url]
        key, secret = subprocess.check_output(command, text=True).split()
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "us-east-1",
        }


@pytest.fixture(autouse=True)
def variables(account: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    yield
    clock.reset()


def place(folder: Path, mode: str, postgres: Postgres | None = None) -> Place:
    folder.mkdir(exist_ok=True)
    url = None
    if postgres and mode == "server":
        url = SecretStr(postgres.create_database(f"s3{new_id().hex}"))
    return Place(settings.model_copy(update={"data_dir": folder, "database_url": url}))


@pytest.mark.parametrize("mode", MODES)
def test_backups_go_to_a_bucket_and_the_latest_comes_back(
    mode: str, postgres: Postgres, tmp_path: Path, schema: None
) -> None:
    at = f"{AT}/{mode}"
    source = place(tmp_path / "source", mode, postgres)
    migrate(source.settings)
    with source.serving() as client:
        post_goal(client)
    with open_place("s3://backups/of") as store, upload(store, f"roadmap/{mode}/notes.txt") as sink:
        sink.write(b"not a backup")
    files, deleted = [], []
    for _ in range(3):
        body = source.roadmap("backup", at, "--keep", "2", "--json").data
        files.append(body["file"])
        deleted.append(body["deleted"])
        clock.travel(timedelta(seconds=1))
    names = [each.removeprefix(f"{at}/") for each in files]
    assert all(map(NAME.fullmatch, names))
    assert deleted == [[], [], [names[0]]]
    with open_place(at) as store:
        assert list_backups(store) == names[1:]
        assert bytes(store.get("notes.txt").bytes()) == b"not a backup"
        listed = {each["path"]: each["size"] for each in store.list_with_delimiter()["objects"]}
    assert listed[names[2]] == body["bytes"]

    source.roadmap("backup", tmp_path / "same.gz")
    for number, other in enumerate(MODES):
        empty = place(tmp_path / f"restored{number}", other, postgres)
        done = empty.roadmap("restore", (f"{at}/", files[2])[number], "--json").data
        assert (done["file"], done["rows"]) == (files[2], body["rows"])
        empty.write(tmp_path / f"again{number}.gz")
        before, after = tables_of(tmp_path / "same.gz"), tables_of(tmp_path / f"again{number}.gz")
        del before["audit_record"], after["audit_record"]  # one has an entry of the other backup
        assert after == before
        assert len(after["content_version"]) > 50
    gone = source.roadmap("restore", files[0])
    assert gone.code == 1
    assert gone.sentence == f"{at} cannot be used: there is no such backup. Choose another."
    assert "there is no such backup" in source.roadmap("restore", f"{AT}/nothing/").sentence


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")
    lines = re.findall(r"^\$ roadmap (.*)$", page, re.MULTILINE)
    folder = tmp_path / "folder"
    folder.mkdir()
    to_folder, to_bucket, latest = (
        line.replace("/var/lib/roadmap/backups", str(folder)).replace("BUCKET", "backups").split()
        for line in lines
    )
    source = place(tmp_path / "source", "embedded")
    migrate(source.settings)
    assert source.roadmap(*to_folder).code == 0
    assert len(list_backups(folder)) == 1
    assert source.roadmap(*to_bucket).code == 0
    done = place(tmp_path / "empty", "embedded").roadmap(*latest)
    assert (done.code, done.output.startswith("Restored ")) == (0, True)


def test_a_file_goes_up_in_parts_and_not_at_all_after_an_error() -> None:
    parts = [os.urandom(1024 * 1024) for _ in range(25)]
    with open_place(AT) as store:
        with upload(store, "large") as sink:
            for each in parts:
                sink.write(each)
        assert store.get("large").bytes().to_bytes() == b"".join(parts)
        with suppress(KeyError), upload(store, "broken") as sink:
            for each in parts:
                sink.write(each)
            raise KeyError
        assert [each["path"] for each in store.list_with_delimiter()["objects"]] == ["large"]


@pytest.mark.parametrize(
    ("changed", "address", "sentence"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIAWRONG"}, AT, "the server refuses the credentials. Check AWS_"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, AT, "the server refuses the credentials. Check AWS_"),
        ({}, "s3://absent/of/roadmap", "the bucket does not exist. Create it, or correct its name"),
        ({"AWS_ENDPOINT_URL": ""}, AT, "the server cannot be reached. Check AWS_ENDPOINT_URL and"),
    ],
)
def test_a_refusal_names_cause_and_fix(
    changed: dict[str, str],
    address: str,
    sentence: str,
    tmp_path: Path,
) -> None:
    source = place(tmp_path, "embedded")
    migrate(source.settings)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changed.items():
            patch.setenv(name, value or f"http://127.0.0.1:{free_port()}")
        secrets = [os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]]
        for words in (["backup", address, "--keep", "2"], ["restore", f"{address}/"]):
            done = source.roadmap(*words)
            assert done.code == 1
            assert done.sentence.startswith(f"{address} cannot be used: {sentence}")
            assert not any(each in done.sentence for each in secrets)
