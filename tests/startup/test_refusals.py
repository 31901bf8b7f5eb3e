"""Starts that entrypoint.sh refuses, by settings, servers and ports."""

import socket
import subprocess
import uuid
from pathlib import Path

import redis

from testing.servers import Redis
from testing.stack import GOAL, PASSWORD, ROOT, clean_environment
from testing.waiting import HANG, wait_until
from tests import launching
from tests.cases import try_each
from tests.commands.in_process import roadmap
from tests.launching import launched, waited
from tests.startup.processes import (
    SECRET,
    Launch,
    answers,
    await_ready,
    checked,
    client_of,
    printed_lines,
    refusal,
    running,
)

SCRIPTS = [
    "entrypoint.sh",
    ".ci/run",
    *sorted(f"scripts/{each.name}" for each in ROOT.glob("scripts/*.sh")),
]


class Old(Redis):
    """Wants a password, and does not know how redis-py brings it."""

    def client(self) -> redis.Redis:
        how = {"protocol": 2, "password": SECRET, "socket_timeout": HANG}
        return redis.Redis(host=self.host, port=self.port, **how)

    def _command(self) -> list[str]:
        return [*super()._command(), "--requirepass", SECRET, "--rename-command", "HELLO", ""]


def test_an_unknown_service_is_refused_with_the_known_names(launch: Launch) -> None:
    line = refusal(launch("web"))
    assert [name for name in ("api", "huey_logs", "huey_content", "all") if name not in line] == []


def test_a_single_service_without_servers_refuses() -> None:
    for name in ("api", "huey_logs", "huey_content", "celery_logs", "celery_content"):
        assert "DATABASE_URL and REDIS_URL are needed" in launching.refusal(checked(name)), name


def test_every_bad_variable_gets_a_line(server: dict[str, str]) -> None:
    bad = {
        "PORT": "0",
        "API_WORKERS": "many",
        "LEASE_SECONDS": "-1",
        "LOG_LEVEL": SECRET,
        "OPENAI_BASE_URL": SECRET,
    }
    ended = launched("api", **{**server, **bad})
    assert ended.code == 1
    assert SECRET not in ended.errors
    assert sorted(line.split(":")[1].strip() for line in ended.errors.splitlines()) == sorted(bad)
    assert all(line.startswith("error: ") for line in ended.errors.splitlines())


BAD_URLS = {
    "a port that is no number, of PostgreSQL": {
        "DATABASE_URL": f"postgresql://roadmap:{SECRET}@127.0.0.1:x/roadmap"
    },
    "an option that PostgreSQL does not have": {
        "DATABASE_URL": f"postgresql://roadmap:{SECRET}@127.0.0.1:1/roadmap?colour=red"
    },
    "a port that is no number, of Redis": {"REDIS_URL": f"redis://:{SECRET}@127.0.0.1:x/0"},
}


@try_each("bad", BAD_URLS.values(), ids=BAD_URLS)
def test_an_address_that_cannot_be_read_is_refused_by_its_name(
    server: dict[str, str], bad: dict[str, str]
) -> None:
    [name] = bad
    assert name in launching.refusal(
        checked("huey_logs", **{**server, **bad, "STARTUP_WAIT_SECONDS": "1"})
    )


def test_a_password_that_the_broker_refuses_is_not_waited_for(
    server: dict[str, str], queues: Redis
) -> None:
    url = f"redis://roadmap:{SECRET}@127.0.0.1:{queues.port}/0"
    ended = checked("huey_logs", **{**server, "REDIS_URL": url})
    assert "REDIS_URL" in launching.refusal(ended)
    assert not waited(ended)


def test_a_database_of_the_broker_that_does_not_exist_is_refused(
    server: dict[str, str], queues: Redis
) -> None:
    url = f"redis://127.0.0.1:{queues.port}/4711"
    assert "REDIS_URL" in launching.refusal(checked("huey_logs", **{**server, "REDIS_URL": url}))


@try_each("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_a_port_in_use_is_refused(server: dict[str, str], family: socket.AddressFamily) -> None:
    with socket.create_server(("", 0), family=family) as taken:
        port = str(taken.getsockname()[1])
        line = launching.refusal(checked("api", **server, PORT=port))
    assert f"PORT {port} cannot be used" in line


def test_a_port_in_use_is_refused_in_embedded_mode(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"PORT {port} cannot be used" in refusal(launch("all", PORT=port))


def test_a_broker_that_drops_messages_is_refused_or_warned_of(
    launch: Launch, server: dict[str, str], tmp_path: Path
) -> None:
    with running(Redis(tmp_path)) as forgetful:
        forgetful.client().config_set("maxmemory-policy", "allkeys-lru")
        line = launching.refusal(
            checked("huey_content", **{**server, "REDIS_URL": forgetful.url()})
        )
        assert "allkeys-lru" in line
        assert "noeviction" in line
        forgetful.client().config_set("maxmemory-policy", "volatile-lru")
        service = launch("huey_logs", **{**server, "REDIS_URL": forgetful.url()})
        await_ready(service, "logs")
        assert service.stop() == 0
    [warning, _] = printed_lines(service)
    assert warning.startswith("warning: ")
    assert "volatile-lru" in warning


def test_a_broker_that_repeats_what_it_does_not_know_repeats_no_password(
    launch: Launch, server: dict[str, str], tmp_path: Path
) -> None:
    """redis-py logs in with HELLO; a server without it says the whole command again."""
    folder = tmp_path / "old"
    folder.mkdir()
    with running(Old(folder)) as old:
        address = f"redis://:{SECRET}@127.0.0.1:{old.port}/0"
        worker = launched("huey_logs", **{**server, "REDIS_URL": address})
        assert worker.code == 1
        assert "unknown command 'HELLO'" in worker.errors
        api = launch("api", **{**server, "REDIS_URL": address})
        wait_until(lambda: answers(api, path="/health/live"), reason="the API answers")
        with client_of(api) as client:
            person = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
            token = client.post("/api/v1/auth/register", json=person).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            assert client.post("/api/v1/roadmaps", json={"goal": GOAL}).status_code == 202
        wait_until(lambda: "the broker does not take" in api.output, reason="it has tried")
        doctor = roadmap(api.environment, "doctor", "--json")
    outputs = (worker.output, worker.errors, api.output, doctor.output, doctor.errors)
    assert [each for each in outputs if SECRET in each] == []


def beginning(script: Path) -> str:
    """Up to the line that goes to the house."""
    before, goes, after = script.read_text("utf-8").partition("$(dirname")
    return before + goes + after.partition("\n")[0] + "\n"


@try_each("script", [each for each in SCRIPTS if "$(dirname" in (ROOT / each).read_text("utf-8")])
def test_no_script_is_misled_by_where_a_shell_looks_for_folders(
    script: str, tmp_path: Path
) -> None:
    """CDPATH leads a relative name elsewhere, and Railway's check takes no graph of others."""
    house, elsewhere = tmp_path / "house", tmp_path / "elsewhere"
    copy = house / script
    copy.parent.mkdir(parents=True, exist_ok=True)
    (elsewhere / copy.parent.relative_to(tmp_path)).mkdir(parents=True, exist_ok=True)
    copy.write_text(
        f'{beginning(ROOT / script)}\npwd -P\necho "of ${{ROADMAP_REPOSITORY:-unset}}"\n'
    )
    environment = {**clean_environment(), "CDPATH": str(elsewhere)}
    if script == "scripts/railway.sh":
        environment["ROADMAP_REPOSITORY"] = "somebody/else"
    done = subprocess.run(
        ["bash", copy.relative_to(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [str(house.resolve()), "of unset"]


def test_the_entrypoint_finds_its_own_house_wherever_a_shell_looks_for_folders(
    tmp_path: Path,
) -> None:
    """Called by a relative name, as a service manager may."""
    (tmp_path / "elsewhere" / ROOT.name).mkdir(parents=True)
    done = subprocess.run(
        [f"{ROOT.name}/entrypoint.sh"],
        cwd=ROOT.parent,
        env={
            **clean_environment(),
            "CDPATH": str(tmp_path / "elsewhere"),
            "SERVICE_TYPE": "nothing",
            "PYTHONSAFEPATH": "1",  # modules of the service are found in spite of it
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: SERVICE_TYPE")


def test_a_setting_that_is_missing_because_it_is_misspelt_is_named(server: dict[str, str]) -> None:
    url = server["DATABASE_URL"]
    found = checked("api", **{**server, "DATABSE_URL": url, "DATABASE_URL": ""})
    assert found.code == 1
    assert (
        "warning: DATABSE_URL is not a setting and has no effect; did you mean DATABASE_URL?\n"
        in found.errors
    )
    assert "error: REDIS_URL is set but DATABASE_URL is not" in found.errors
