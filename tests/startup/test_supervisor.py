"""The supervisor of all services in one instance: signals and killed processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testing.servers import free_port
from testing.stack import ROOT, SHORT, Service, clean_environment, with_pid_gone
from testing.waiting import HANG, wait_until
from tests.startup.processes import (
    READY,
    Launch,
    answers,
    await_all,
    await_nothing_left,
    exit_code,
    in_session,
    left_of,
    long,
    printed_lines,
    refusal,
)


def signals_of(pid: int, what: str) -> set[int]:
    """Those that a process ignores (SigIgn) or blocks (SigBlk)."""
    [mask] = [
        line.split()[1]
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith(what)
    ]
    return {number for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1}


SUPERVISED = """
import os, signal, sys, time

def serve(number):
    received = []
    for each in ENDS:
        signal.signal(each, lambda number, _: received.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
    signal.alarm(HANG)
    open(f"{sys.argv[1]}/{number}.ready", "w").close()
    if number == 3 and sys.argv[2] == "hangs":
        os.kill(os.getpid(), signal.SIGSTOP)
    while not received:
        time.sleep(0.02)
    if sys.argv[2] == "ends":
        time.sleep(0.5)  # time for a second one
    with open(f"{sys.argv[1]}/{number}.signals", "w") as file:
        file.write(" ".join(signal.Signals(each).name for each in received))
    os._exit(0)

ENDS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}
BLOCKED, pids = {*ENDS, signal.SIGCHLD}, []
signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
for number in range(4):
    pids.append(os.fork())
    if not pids[-1]:
        os.setpgid(0, 0)
        serve(number)
os.execv(sys.executable, [sys.executable, "-c", SUPERVISE, sys.argv[3], *map(str, pids)])
"""
SUPERVISE = """
import sys
from core.startup import supervisor
supervisor.AFTER_GRACE = 0.5  # seconds
sys.exit(supervisor.main(float(sys.argv[1]), int(sys.argv[2]), [int(pid) for pid in sys.argv[3:]]))
"""


@contextmanager
def supervised(folder: Path, grace: str, how: str = "ends") -> Iterator[subprocess.Popen[bytes]]:
    """The supervisor with programs that write down the signals they receive."""
    command = [
        sys.executable,
        "-c",
        f"SUPERVISE, HANG = {SUPERVISE!r}, {HANG}{SUPERVISED}",
        str(folder),
        how,
        grace,
    ]
    supervisor = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        wait_until(lambda: len(list(folder.glob("*.ready"))) == 4, reason="all of them count")
        wait_until(
            lambda: "SIG_BLOCK" not in Path(f"/proc/{supervisor.pid}/cmdline").read_text(),
            reason="it supervises",
        )
        yield supervisor
    finally:
        for pid in in_session(supervisor.pid):
            with_pid_gone(pid, signal.SIGKILL)
        supervisor.wait(HANG)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_a_signal_to_all_is_passed_on_once(tmp_path: Path, how: signal.Signals) -> None:
    """A second one would end a consumer's grace. The programs count their signals."""
    with supervised(tmp_path, str(HANG)) as supervisor:
        for _ in range(3):
            supervisor.send_signal(how)
        assert supervisor.wait(HANG) == 0
    assert [file.read_text() for file in sorted(tmp_path.glob("*.signals"))] == ["SIGTERM"] * 4


def test_what_does_not_end_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    with supervised(tmp_path, "4", "hangs") as supervisor:
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(HANG) == 0
        wait_until(lambda: in_session(supervisor.pid) == [], reason="every process has ended")
    assert len(list(tmp_path.glob("*.signals"))) == 3


@long
def test_a_service_that_does_not_end_is_killed_when_its_time_is_over(launch: Launch) -> None:
    service = launch("all", SHUTDOWN_GRACE_SECONDS="0.5")
    await_all(service)
    os.kill(service.child("uvicorn"), signal.SIGSTOP)
    service.signal(signal.SIGTERM)
    assert exit_code(service) == 0
    await_nothing_left(service)
    assert {line for line in printed_lines(service) if "huey@" in line} == set(READY.values())


def test_a_ctrl_c_that_the_shell_ignores_leaves_nothing_behind(launch: Launch) -> None:
    """As for a script that starts it in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # `launch` puts it right
    service = launch("all")
    await_all(service)
    service.signal(signal.SIGINT)
    assert exit_code(service) == 0
    await_nothing_left(service)


def test_a_closed_terminal_does_not_end_services_under_nohup(launch: Launch) -> None:
    """As by nohup."""
    usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        service = launch("all")
    finally:
        signal.signal(signal.SIGHUP, usual)
    await_all(service)
    wait_until(
        lambda: len(service.children()) == 3,
        reason="the announcer has ended, and the services are there",
    )
    for pid in service.children():
        assert signal.SIGHUP in signals_of(pid, "SigIgn")
    assert signal.SIGHUP in signals_of(
        service.pid, "SigBlk"
    )  # which waits for others than this one
    for pid in (service.pid, *service.children()):
        os.kill(pid, signal.SIGHUP)
    assert answers(service)
    assert service.stop() == 0


def test_all_end_when_one_is_killed_also_when_output_is_closed(
    launch: Launch, tmp_path: Path
) -> None:
    """The reader of its output is gone."""
    reading, writing = os.pipe()
    variables = {
        **clean_environment(),
        **SHORT,
        "PORT": str(free_port()),
        "DATA_DIR": str(tmp_path / "data"),
    }
    service = Service("all", variables, tmp_path)
    service.process = subprocess.Popen(
        [str(ROOT / "entrypoint.sh")],
        env=service.environment,
        stdout=writing,
        stderr=writing,
        start_new_session=True,
    )
    os.close(writing)
    try:
        wait_until(lambda: answers(service), reason="the API is ready")
        killed = service.child("logs_queue")
        os.close(reading)
        os.kill(killed, signal.SIGKILL)
        assert exit_code(service) == 1
        await_nothing_left(service)
    finally:
        for pid in left_of(service):
            os.kill(pid, signal.SIGKILL)


NO_ROOM = """
import errno, os
fork, left = os.fork, [2]

def full():
    left[0] -= 1
    if left[0] < 0:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()

os.fork = full
"""


def test_where_there_is_no_room_for_all_processes_none_stays(
    launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_ROOM)
    service = launch("all", PYTHONPATH=str(tmp_path))
    assert "cannot be started" in refusal(service)
    await_nothing_left(service)
