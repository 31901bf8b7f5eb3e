"""Files, pages and logs that disclose something."""

import re
from urllib.parse import quote

from tests.attacks.attacker.target import AUTH, ROADMAPS, Finding, Target, attack, judged


@attack
def files_and_pages_that_tell(target: Target) -> Finding:
    """Versions, settings, secrets and documents that help the next attack.

    The description of the API is for everybody.
    """
    names: tuple[str, ...] = (
        "redoc",
        "swagger",
        ".env",
        ".git/config",
        ".git/HEAD",
        "server-status",
        "debug",
        "admin",
        "graphql",
    )
    names += (
        "console",
        "actuator/env",
        "phpinfo.php",
        "data/secret_key",
        "data/roadmap.db",
        "requirements.txt",
        "entrypoint.sh",
        "backup.zip",
    )
    names += (
        "api",
        "api/v1",
        "api/v2/roadmaps",
        "internal",
        "metrics/",
        "static/",
        "robots.txt",
        ".well-known/security.txt",
        "config.json",
    )
    if target.embedded:  # its user is the administrator
        names = tuple(name for name in names if name != "admin")
    answers = [target.ask("GET", f"/{name}", token=None) for name in names]
    won = [answer.ok and f"/{name}" for name, answer in zip(names, answers, strict=True)]
    return judged(
        [*won, *(answer.broke and answer.status for answer in answers)],
        f"{len(names)} paths",
        answers,
    )


@attack
def versions_and_counts_that_tell(target: Target) -> Finding:
    """Knowledge of the software that runs here, and of its users."""
    answers = [
        target.ask("GET", path, token=None)
        for path in ("/", "/health", "/health/ready", "/metrics", "/nope", ROADMAPS)
    ]
    answers.append(target.ask("POST", ROADMAPS, b"{", headers={"Content-Type": "application/json"}))
    wrong = target.raw(b"GET / HTTP/9.9\r\n\r\n")
    headers = [f"{name}: {value}" for answer in answers for name, value in answer.headers]
    won: list[object] = [
        line
        for line in headers
        if re.match(r"(?i)server:|x-powered-by:|via:|x-runtime:|x-.*version:", line)
    ]
    private = [
        target.me.email,
        target.other.email,
        target.mine.rpartition("/")[2],
        target.theirs.rpartition("/")[2],
    ]
    if target.embedded:  # who asks is the owner, who may read both
        answers = [answer for number, answer in enumerate(answers) if number not in (3, 5)]
    output = b"".join(answer.body for answer in answers)
    won += [text and text.encode() in output and f"{text} is disclosed" for text in private]
    won += [
        re.search(rb"python_info|process_|postgres|redis://|127\.0\.0\.1:|0x[0-9a-f]{8}", output)
        and "inside"
    ]
    won += [not target.embedded and answers[3].ok and "counts for strangers"]
    won += [
        b"uvicorn" in wrong.lower() and "the server's name",
        *(answer.broke and answer.status for answer in answers),
    ]
    return judged(won, f"{len(answers)} answers", answers)


@attack
def forged_lines_of_a_log(target: Target) -> Finding:
    """A log that tells what did not happen.

    From outside it shows only that nothing of it comes back as a header.
    """
    line = "\n2026-01-01T00:00:00Z INFO    roadmap.security: FORGED logged-in"
    coded = quote(line)
    answers = [
        target.ask("GET", path)
        for path in (f"/{coded}", f"{ROADMAPS}/{coded}", f"{ROADMAPS}?{coded}={coded}")
    ]
    answers += [
        target.ask(
            "GET",
            "/nope",
            headers={"User-Agent": f"a{quote(line)} FORGED", "X-Request-ID": "FORGED id"},
        )
    ]
    answers += [
        target.ask("POST", f"{AUTH}/login", {"email": f"a@b.c{line}", "password": line}, token=None)
    ]
    target.raw(target.head("GET", "/nope", f"X-Request-ID: a{line}", "Connection: close"))
    target.raw(f"FORGED{line} / HTTP/1.1\r\n\r\n".encode())
    found = [answer.header("x-request-id") for answer in answers]
    return judged(
        ["FORGED" in each and each for each in found], f"{len(answers) + 2} texts", answers
    )
