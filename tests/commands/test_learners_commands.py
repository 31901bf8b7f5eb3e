"""`roadmap new`, `list`, `show`, `export` and `import`, also against faulty services."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import uuid
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from testing import commands
from testing.commands import ROADMAP, FinishedCommand, command
from testing.faulty import Faulty
from testing.provider import Handler, providing
from testing.servers import free_port
from testing.stack import GOAL, Stack, embedded_stack, running
from testing.waiting import HANG, wait_until
from tests.cases import try_each
from tests.commands.in_process import refused, roadmap, succeeded
from tests.integration.conftest import SMALL

A_SMALL_ONE = (SMALL["goal"], "--level", SMALL["level"])


def caller_of(stack: Stack) -> dict[str, str]:
    """The environment of somebody who calls the service from elsewhere."""
    token = stack.headers.get("Authorization", "").removeprefix("Bearer ")
    return {"ROADMAP_URL": stack.url, **({"ROADMAP_API_KEY": token} if token else {})}


@pytest.fixture(scope="module", params=["embedded", "server"])
def service(request: pytest.FixtureRequest) -> Stack:
    shared: Stack = request.getfixturevalue(f"shared_{request.param}")
    return shared


@pytest.fixture(scope="module")
def made(service: Stack) -> str:
    """The id of a roadmap that the command line has watched to its end."""
    wanted = ("--level", "intermediate", "--hours", "6", "--watch", "--json")
    result = succeeded(caller_of(service), "new", GOAL, *wanted)
    tree = json.loads(result.output)
    assert (tree["status"], tree["level"], tree["hours_per_week"]) == ("ready", "intermediate", 6)
    assert "Traceback" not in result.errors
    return str(tree["id"])


def test_a_goal_is_watched_to_its_end_with_a_bar(shared_server: Stack) -> None:
    """In a process of its own, whose answer and whose bar have different ways out."""
    result = commands.succeeded(caller_of(shared_server), "new", *A_SMALL_ONE, "--watch")
    total = re.search(r"Writing the contents .* (\d+)/(\d+)", result.errors)
    assert total
    assert total[1] == total[2]
    page = rf"{shared_server.url}/roadmaps/[0-9a-f-]+"
    assert re.fullmatch(rf"Web frontend developer is ready: {page}\n", result.output)


def test_without_watching_it_ends_at_once_with_the_address_of_the_page(service: Stack) -> None:
    body = succeeded(caller_of(service), "new", GOAL, "--review", "--json").data
    assert body["status"] == "queued"
    its_own = body["links"]["self"]
    wait_until(
        lambda: service.get(its_own).json()["status"] == "awaiting_review",
        reason="it is made all the same",
    )


def test_a_plan_for_review_is_waited_for_and_no_further(service: Stack) -> None:
    result = succeeded(caller_of(service), "new", GOAL, "--watch", "--review", "--json")
    assert json.loads(result.output)["status"] == "awaiting_review"


def test_a_near_miss_is_named_and_what_fits_is_made_where_nobody_can_answer(
    service: Stack,
) -> None:
    result = succeeded(caller_of(service), "new", "Excel", "--watch", "--json")
    tree = json.loads(result.output)
    assert (tree["status"], tree["learned"]["total"]) == ("ready", 12)
    assert "You asked for Excel. 0 of 22 concepts" in result.errors
    assert "Making: fitting. Choose in advance with --scope." in result.errors


def test_a_choice_in_advance_is_not_asked_for(service: Stack) -> None:
    result = succeeded(caller_of(service), "new", "Excel", "--scope", "track", "--json")
    assert "Making" not in result.errors
    assert result.data["match"]["asks"]
    wait_until(
        lambda: service.get(result.data["links"]["self"]).json()["learned"]["total"] == 22,
        reason="the whole track is made",
    )


def test_a_terminal_asks_which_course_to_make(service: Stack) -> None:
    """In a process of its own, which has a terminal."""
    ours, its = pty.openpty()
    environment = command({**caller_of(service), "TERM": "dumb"})
    arguments = [ROADMAP, "new", "Excel", "--json"]
    with subprocess.Popen(
        arguments, env=environment, stdin=its, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as asked:
        os.close(its)
        os.write(ours, b"track\n")
        output, errors = asked.communicate(timeout=HANG)
    os.close(ours)
    assert b"Making: track." in errors
    its_own = json.loads(output)["links"]["self"]
    wait_until(lambda: service.get(its_own).json()["learned"]["total"] == 22, reason="it is chosen")


def test_a_roadmap_that_cannot_be_made_is_a_failure(tmp_path: Path) -> None:
    def refuse(handler: Handler) -> None:
        handler.say(401, b'{"error": {"message": "no"}}')

    with providing(refuse) as model:
        variables = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": model.url}
        with running(embedded_stack(tmp_path, **variables)) as stack:
            result = roadmap(caller_of(stack), "new", "Bake sourdough bread", "--watch")
    assert result.code == 1
    assert " failed: http" in result.output
    assert "Error: The roadmap failed: " in result.errors
    assert "Traceback" not in result.errors


def test_roadmaps_are_listed_and_shown(service: Stack, made: str) -> None:
    listed = succeeded(caller_of(service), "list", "--status", "ready", "--json").data
    assert made in [each["id"] for each in listed]
    assert len(succeeded(caller_of(service), "list", "--limit", "1", "--json").data) == 1
    assert made in succeeded(caller_of(service), "list").output
    shown = succeeded(caller_of(service), "show", f"{service.url}/roadmaps/{made}").output
    assert "Backend engineer with Python" in shown
    assert shown.count("✓") >= 15
    assert succeeded(caller_of(service), "show", made, "--json").data["id"] == made


def test_a_roadmap_is_exported_in_every_form(service: Stack, made: str, tmp_path: Path) -> None:
    tree = service.get(f"/api/v1/roadmaps/{made}").json()
    path = f"/api/v1/roadmaps/{made}/concepts/{first_concept(tree)}"
    notes = {"notes": "Ask Ada."}
    noted = service.request("PUT", f"{path}/notes", json=notes, headers=service.headers)
    assert noted.is_success
    markdown = succeeded(caller_of(service), "export", made).output
    assert "\n> Ask Ada.\n" in markdown
    assert markdown == service.get(f"/api/v1/roadmaps/{made}/export.md").text
    assert markdown.startswith("# Backend engineer with Python")
    assert markdown.count("\n#### ") >= 15
    data = succeeded(caller_of(service), "export", made, "--format", "json").data
    assert (data["format"], data["version"]) == ("roadmap", 3)
    assert len(data["concepts"]) == markdown.count("\n#### ")
    assert all(
        concept["contents"]["tutorial"]["body"]["markdown"] for concept in data["concepts"].values()
    )
    calendar = succeeded(caller_of(service), "export", made, "--format", "ics").output
    assert "BEGIN:VCALENDAR" in calendar

    def write(form: str, *options: str) -> FinishedCommand:
        into = ("--format", form, "--output", tmp_path / f"x.{form}", *options)
        return succeeded(caller_of(service), "export", made, *into)

    for form in ("zip", "apkg"):
        write(form)
        with zipfile.ZipFile(tmp_path / f"x.{form}") as archive:
            assert archive.testzip() is None
        (tmp_path / f"x.{form}").unlink()
    assert write("svg", "--json").data["bytes"] == (tmp_path / "x.svg").stat().st_size
    assert (tmp_path / "x.svg").read_text().startswith("<?xml")
    assert list(tmp_path.iterdir()) == [tmp_path / "x.svg"]


def test_what_was_exported_is_imported_by_the_other_kind_of_service(
    made: str, service: Stack, shared_embedded: Stack, shared_server: Stack, tmp_path: Path
) -> None:
    """From SQLite to PostgreSQL, and from there to SQLite: with the progress and the notes."""
    concept = first_concept(service.get(f"/api/v1/roadmaps/{made}").json())
    path = f"/api/v1/roadmaps/{made}/concepts/{concept}"
    for place, body in (("progress", {"status": "done"}), ("notes", {"notes": "面团 🥖"})):
        answer = service.request("PUT", f"{path}/{place}", json=body, headers=service.headers)
        assert answer.is_success
    questions = service.get(path).json()["quiz"]["questions"]
    answers = [[0] if each["type"] == "single" else [] for each in questions]
    attempt = {"version": 1, "answers": answers}
    sent = service.request("POST", f"{path}/quiz/attempts", json=attempt, headers=service.headers)
    assert sent.is_success, sent.text
    file = tmp_path / "roadmap.json"
    succeeded(caller_of(service), "export", made, "--format", "json", "--output", file)
    other = shared_server if service is shared_embedded else shared_embedded
    parsed = succeeded(caller_of(other), "import", str(file), "--json").data
    assert (parsed["status"], parsed["title"]) == ("ready", "Backend engineer with Python")
    exported = succeeded(caller_of(other), "export", parsed["id"], "--format", "json").output
    again, before = json.loads(exported), json.loads(file.read_text("utf-8"))
    assert {**again, "exported_at": ""} == {**before, "exported_at": ""}
    printed = succeeded(caller_of(other), "import", str(file)).output
    page = rf"{other.url}/roadmaps/[0-9a-f-]+"
    assert re.fullmatch(rf"Backend engineer with Python is ready: {page}\n", printed)


def first_concept(tree: dict[str, Any]) -> str:
    return str(tree["stages"][0]["modules"][0]["concepts"][0]["id"])


@try_each(
    ("content", "expected"),
    [
        (b"PK", "is not an exported roadmap. `roadmap export ID --format json` writes one"),
        (b'{"format": "anki"}', "is not an exported roadmap"),
        (
            b'{"format": "roadmap", "version": 4}',
            "version: is the format of a newer version of Roadmap (4); this version reads 3",
        ),
        (b" " * (16 * 1024 * 1024 + 1), "is too large: a roadmap has at most 16 MiB."),
    ],
)
def test_a_file_that_is_no_export_is_refused(
    service: Stack, tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert expected in refused(caller_of(service), "import", str(tmp_path / "a.json"))


def test_a_reader_who_has_seen_enough_is_no_error(shared_server: Stack) -> None:
    ready = shared_server.create()
    assert shared_server.finished(ready)["status"] == "ready"
    line = f"set -o pipefail; {ROADMAP} export {ready.rpartition('/')[2]} | head -1"
    done = subprocess.run(
        ["bash", "-c", line],
        env=command(caller_of(shared_server)),
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# ")


def test_a_stream_that_is_cut_is_resumed(faulty: Faulty, shared_server: Stack) -> None:
    faulty.cut_after = [0, 150, 400, 1000]  # before anything, and in the middle of a line
    through = {**caller_of(shared_server), "ROADMAP_URL": faulty.url}
    result = succeeded(through, "new", GOAL, "--watch", "--json")
    assert json.loads(result.output)["status"] == "ready"
    assert faulty.cut_after == []


def test_a_goal_that_is_sent_twice_is_made_once(faulty: Faulty, shared_server: Stack) -> None:
    """The first answer does not arrive; the command sends it again under the same key."""
    faulty.lost, before = 1, ids(shared_server)
    through = {**caller_of(shared_server), "ROADMAP_URL": faulty.url}
    succeeded(through, "new", GOAL, "--review")
    (first, lost, key), (again, done, same) = faulty.seen
    assert (first, lost, again, done) == ("POST", "lost", "POST", "202")
    assert key == same is not None
    assert len(ids(shared_server) - before) == 1


def test_ctrl_c_ends_the_watching_and_not_the_making(shared_embedded: Stack) -> None:
    stack, before = shared_embedded, ids(shared_embedded)
    # So that it has not ended before the key is heard
    succeeded(stack.environment, "jobs", "pause", "content")
    try:
        watching = subprocess.Popen(
            [ROADMAP, "new", *A_SMALL_ONE, "--watch"],
            env=command({"ROADMAP_URL": stack.url}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        [made] = wait_until(lambda: ids(stack) - before, reason="it is accepted")
        os.killpg(watching.pid, signal.SIGINT)
        output, errors = watching.communicate(timeout=HANG)
        assert (watching.returncode, output) == (130, "")
        assert "Traceback" not in errors
    finally:
        succeeded(stack.environment, "jobs", "resume", "content")
    assert stack.finished(f"/api/v1/roadmaps/{made}")["status"] == "ready"


def ids(stack: Stack) -> set[str]:
    return {each["id"] for each in stack.get("/api/v1/roadmaps?limit=100").json()["items"]}


# What is not as it should be


def test_an_unreachable_service_is_reported_with_a_fix() -> None:
    nowhere = {"ROADMAP_URL": f"http://127.0.0.1:{free_port()}"}
    sentence = refused(nowhere, "list", "--patience", "0.5", code=3)
    assert "cannot be reached" in sentence
    assert "make run" in sentence


def test_a_server_that_hangs_up_is_given_up_after_the_time_that_was_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closing = threading.Thread(target=_hang_up, args=[listener], daemon=True)
        closing.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sentence = refused({"ROADMAP_URL": url}, "list", "--patience", "1", code=3)
        assert "cannot be reached" in sentence


def _hang_up(listener: socket.socket) -> None:
    while True:
        try:
            listener.accept()[0].close()
        except OSError:
            return


@try_each(
    ("status", "body"),
    [(200, b"<html>hello</html>"), (404, b"not here"), (302, b""), (200, b"[1]"), (500, b"{")],
)
def test_another_server_is_distinguished_from_this_service(status: int, body: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """The test says what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    try:
        assert "--url" in refused({"ROADMAP_URL": f"http://127.0.0.1:{server.server_port}"}, "list")
    finally:
        server.shutdown()
        server.server_close()


def test_who_calls_must_be_known(shared_server: Stack) -> None:
    assert "ROADMAP_API_KEY" in refused({"ROADMAP_URL": shared_server.url}, "list")
    secret = "rmk_" + "x" * 43
    result = roadmap({"ROADMAP_URL": shared_server.url, "ROADMAP_API_KEY": secret}, "list")
    assert result.code == 1
    assert secret not in result.output + result.errors


@try_each("url", ["127.0.0.1:8000", "ftp://x", "http://", "http://x:99999", "http://a b"])
def test_an_address_that_is_none_is_a_mistake_of_the_command(url: str) -> None:
    result = roadmap({}, "list", "--url", url)
    assert (result.code, "--url" in result.errors, "Traceback" in result.errors) == (2, True, False)


def test_an_id_that_is_none_is_a_mistake_of_the_command() -> None:
    assert roadmap({}, "show", "7").code == 2


def test_a_roadmap_that_is_not_there(service: Stack) -> None:
    assert refused(caller_of(service), "show", str(uuid.uuid4()))


@try_each(
    "field",
    [
        ("x",),
        ("",),
        ("a" * 1001,),
        (GOAL, "--language", "no language"),
        (GOAL, "--deadline", "2001-01-01"),
    ],
)
def test_an_invalid_field_is_reported_by_its_name(service: Stack, field: tuple[str, ...]) -> None:
    assert ": " in refused(caller_of(service), "new", *field)


def test_a_place_that_cannot_be_written(service: Stack, made: str, tmp_path: Path) -> None:
    assert "cannot be written" in refused(
        caller_of(service), "export", made, "--output", str(tmp_path / "no" / "x.md")
    )


def test_words_of_others_give_no_commands_to_a_terminal(service: Stack) -> None:
    """The service passes a goal on as it is, which may have an end of line and a tab."""
    goal = "[bold]Learn[/bold] [link=http://x]Python backend[/link] engineering"
    result = succeeded(caller_of(service), "new", "--review", goal)
    listed = succeeded(caller_of(service), "list", "--limit", "3").output
    assert "The roadmap is queued: http" in result.output
    assert "\x1b" not in listed
