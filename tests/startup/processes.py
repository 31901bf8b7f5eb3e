"""Processes of entrypoint.sh: their output, signals and exit codes."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from testing.commands import FinishedCommand
from testing.servers import Redis, free_port
from testing.stack import BEFORE, NO_TLS, SHORT, Service, answer_to, clean_environment
from testing.waiting import HANG, wait_until
from tests.commands import in_process

KEY = "a key of this file with at least 32 characters"
SECRET = "hunter2-s3cret"
long = pytest.mark.long
READY = {"logs": "huey@logs ready", "content": "huey@content ready"}
Launch = Callable[..., Service]
Check = Callable[..., FinishedCommand]


@contextmanager
def running(server: Redis) -> Iterator[Redis]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def checked(service: str, **variables: str) -> FinishedCommand:
    """The words of a service, in this process, up to where it would serve at a free port."""
    place = {"PORT": str(free_port()), "SERVICE_TYPE": service, "LOG_FORMAT": "text"}
    return in_process.started({**clean_environment(), **SHORT, **place, **variables})


def left_of(service: Service) -> list[int]:
    """The processes of a service that still run, found by the session that all of them share."""
    return in_session(service.pid)


def in_session(leader: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session, *_ = (process / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            found.append(int(process.name))
    return found


def exit_code(service: Service) -> int:
    assert service.process is not None
    return service.process.wait(HANG)


def printed_lines(service: Service) -> list[str]:
    """Return the output of a service without its banner and waiting lines."""
    return [line for line in service.output.splitlines() if not line.startswith(BEFORE)]


def refusal(service: Service) -> str:
    """The one sentence of a service that ends with 1."""
    assert exit_code(service) == 1, service.output
    lines = printed_lines(service)
    assert len(lines) == 1, service.output
    assert lines[0].startswith("error: ")
    assert SECRET not in service.output
    return lines[0]


def messages(service: Service, log_format: str) -> list[str]:
    """Of all its lines, each of which is of this format."""
    lines = service.output.splitlines()
    if log_format == "text":
        return lines
    body = [json.loads(line) for line in lines]
    assert {each["service"] for each in body} == {service.name}
    levels = {"waiting": "warning", "warning": "warning", "error": "error"}
    for each in body:
        assert each["level"] == levels.get(each["message"].partition(":")[0], "info")
    return [each["message"] for each in body]


def answers(service: Service, host: str = "127.0.0.1", path: str = "/health/ready") -> bool:
    assert service.alive(), service.output
    try:
        url = f"http://{host}:{service.environment['PORT']}{path}"
        return answer_to("GET", url).status_code == 200
    except httpx2.TransportError:
        return False


def client_of(api: Service) -> httpx2.Client:
    return httpx2.Client(
        base_url=f"http://127.0.0.1:{api.environment['PORT']}", timeout=HANG, verify=NO_TLS
    )


def await_output(service: Service, *texts: str) -> None:
    """Wait until a running service has printed all of these texts."""

    def done() -> bool:
        output = service.output
        assert service.alive() or all(text in output for text in texts), output
        return all(text in output for text in texts)

    wait_until(done, reason=f"{service.name} says {texts}")


def await_ready(service: Service, *names: str) -> None:
    await_output(service, *(READY[name] for name in names))


def await_all(service: Service) -> None:
    wait_until(lambda: answers(service), reason="the API is ready")
    await_ready(service, "logs", "content")


def await_nothing_left(service: Service) -> None:
    wait_until(lambda: not left_of(service), reason="every process has ended")
