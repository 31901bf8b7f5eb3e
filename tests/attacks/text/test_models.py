"""Texts of a model are data: contents, links, faults, prompts, and the output of commands."""

import importlib
import json
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from signal import SIGHUP, SIGTERM
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from click.testing import CliRunner
from huey.registry import Message

from core.backends import signing_keys
from reliable_queue.messages import SignedJsonSerializer
from roadmap_cli import main
from testing.stack import ROOT, Stack, clean_environment
from testing.stack_queues import queue_of, settings_of
from testing.waiting import HANG, wait_until
from tests.attacks.text.checks import (
    ESCAPES,
    FORGED,
    MARKDOWN,
    PICTURE,
    ROADMAPS,
    SCRIPT,
    SHORT,
    STUBBORN,
    Made,
    assert_is_data,
    assert_markdown_is_harmless,
    assert_no_connection,
    assert_no_line_is_forged,
    concepts_of,
    harmful,
    printed,
    texts,
)
from tests.commands.in_process import roadmap
from tests.integration.conftest import KEY

SEEN = "[31m]0;owned2J"  # what is left of them when they have lost their power
SEEN_TITLE = f"Baking {SCRIPT}{SEEN}"


def test_every_answer_about_what_a_model_wrote_is_data_without_what_moves_a_terminal(
    made: Made,
) -> None:
    for answer in made.answers:
        assert_is_data(answer)
    found = [json.loads(data) for answer in made.answers for data in json_of(answer)]
    assert len(found) > 100
    assert [text for value in found for text in texts(value) if harmful(text)] == []


def json_of(answer: httpx2.Response) -> list[str]:
    if answer.headers["content-type"].startswith("text/event-stream"):
        return [
            line.removeprefix("data: ")
            for line in answer.text.splitlines()
            if line.startswith("data: ")
        ]
    return [answer.text]


def test_the_words_of_a_model_stay_as_they_are_but_for_what_moves_a_terminal(made: Made) -> None:
    tree = made.tree
    assert (tree["title"], tree["analysis"]["aim"]) == (SEEN_TITLE, f"To {SEEN_TITLE}")
    assert tree["analysis"]["known"] == [f"{SCRIPT}{SEEN} ERROR {FORGED}"]
    assert tree["stages"][0]["title"] == f"Stage {SEEN_TITLE}"
    assert {concept["description"] for concept in concepts_of(tree)} == {
        f"What it is.\nERROR {FORGED} {SCRIPT}{SEEN}"
    }
    assert {concept["title"] for concept in concepts_of(tree)} == {
        f"Part {n} {SEEN_TITLE}" for n in range(len(made.hostile.bad))
    }
    evil = f"{SCRIPT}{PICTURE}{SEEN}"
    for detail in made.details():
        [question] = detail["quiz"]["questions"]
        assert question["prompt"] == f"Why?\nERROR {FORGED} {evil}"
        assert set(question["options"]) == {f"Right {evil}", f"Wrong {evil}", f"Worse {evil}"}


def test_a_tutorial_has_no_html_no_image_and_no_target_but_the_web_mail_and_itself(
    made: Made,
) -> None:
    tutorials = [detail["tutorial"]["markdown"] for detail in made.details()]
    assert len(tutorials) == len(made.hostile.bad)
    for markdown in tutorials:
        assert_markdown_is_harmless(markdown)
        assert "```html\n<script>shown()</script>\n```" in markdown  # code stays
        for kept in (
            "(mailto:a@example.org)",
            "(#part)",
            "(https://example.org/fine)",
            "<https://example.org/good>",
        ):
            assert kept in markdown


def test_the_check_of_markdown_sees_what_is_harmful() -> None:
    for text in (
        "<b>x</b>",
        "a <b>",
        "![a](https://example.org)",
        "[a](javascript:x)",
        "<javascript:x>",
        "[a]\n\n[a]: data:x",
    ):
        with pytest.raises(AssertionError):
            assert_markdown_is_harmless(text)
    with pytest.raises(AssertionError):
        assert_markdown_is_harmless(MARKDOWN)


def test_a_link_is_to_the_web_and_without_a_user(made: Made) -> None:
    links = [item["url"] for detail in made.details() for item in detail["resources"] or []]
    assert made.hostile.inside in links  # data like any other
    for link in links:
        parts = urlsplit(link)
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert "@" not in parts.netloc
        assert not re.search(r"\s", link)
    body = {
        text
        for answer in made.answers
        for data in json_of(answer)
        for text in texts(json.loads(data))
    }
    assert made.hostile.inside in body  # the versions too
    assert body & set(made.hostile.bad) == set()
    stubborn = [detail for detail in made.details() if detail["title"].startswith(f"{STUBBORN} ")]
    assert [
        (detail["resources"], detail["contents"]["resources"]["status"]) for detail in stubborn
    ] == [(None, "failed")]
    assert (made.tree["status"], made.tree["progress"]["failed"]) == ("partial", 1)


def test_a_resource_of_this_machine_is_listed_and_never_fetched(made: Made) -> None:
    assert {answer.status_code for answer in made.answers} == {200}  # all were read
    assert_no_connection(made.inside)


def test_what_a_person_wishes_of_a_model_is_data(made: Made) -> None:
    """Feedback and instructions go the way of a goal."""
    wish = f"Make it {SCRIPT}\nERROR {FORGED}\r\nX-{FORGED}: 1"
    concept = concepts_of(made.tree)[0]
    answer = made.stack.post(
        f"{made.path}/concepts/{concept['id']}/quiz/regenerate", json={"instructions": wish}
    )
    assert answer.status_code == 202, answer.text
    assert_is_data(answer)
    versions = f"{made.path}/concepts/{concept['id']}/quiz/versions"
    wait_until(
        lambda: len(made.stack.get(versions).json()["items"]) == 2, reason="a second version"
    )
    assert_is_data(made.stack.get(versions))
    assert wish in list(texts(made.stack.get(versions).json()))
    refused = made.stack.post(f"{made.path}/revise", json={"feedback": f"Shorter{ESCAPES}"})
    assert refused.status_code == 422
    assert_is_data(refused)


def test_what_a_model_writes_makes_no_line_of_a_log(made: Made) -> None:
    assert_no_line_is_forged(made.stack)
    lines = [
        line for line in printed(made.stack) if "the model is asked in a simpler way" not in line
    ]  # of a provider's words
    assert [line for line in lines if harmful(line) or FORGED in line] == []


def test_what_a_provider_says_of_its_failure_is_data(made: Made) -> None:
    path = made.stack.create("A goal that breaks")
    tree = made.stack.finished(path)
    assert tree["status"] == "failed"
    assert SCRIPT in tree["error"]
    answers = [
        made.stack.get(place)
        for place in (path, f"{path}/logs", f"{path}/events", f"{path}/receipt", ROADMAPS)
    ]
    for answer in answers:
        assert_is_data(answer)
    assert_no_line_is_forged(made.stack)


def test_what_a_provider_says_while_it_refuses_makes_no_line_and_moves_no_terminal(
    made: Made,
) -> None:
    assert made.refused["status"] == "failed"
    assert "response_format is not supported" in made.refused["error"]
    assert not harmful(made.refused["error"])
    assert [line for line in printed(made.stack) if harmful(line)] == []
    assert_no_line_is_forged(made.stack)


def test_dead_letters_are_listed_without_what_moves_a_terminal(made: Made) -> None:
    evil = f"\x1b]0;owned\x07\x1b[31m\x9b2J\u202e{FORGED}[bold]x[/]"
    keys = signing_keys(settings_of(made.stack))

    def signed(queue: str, name: str, *arguments: object) -> bytes:
        message = Message(id=str(uuid4()), name=name, args=arguments, kwargs={}, retries=0)
        return bytes(SignedJsonSerializer(keys, salt=queue).seal(message, None, {}))

    letters = {
        "content": [evil.encode(), signed("content", "tasks.content.build_content", evil)],
        "logs": [
            b"\x1b[2J\x9b" + evil.encode(),
            signed("logs", "tasks.logs.store_log_batch", [{"at": evil, "message": evil}]),
        ],
    }
    for name, messages in letters.items():
        with queue_of(made.stack, name) as queue:
            for data in messages:
                queue.storage.enqueue(data)
            wait_until(
                lambda queue=queue: queue.storage.stats().dead == 2,
                reason=f"the letters of {name} are put aside",
            )
        result = roadmap(made.stack.environment, "jobs", "dead", "--queue", name)
        assert (result.code, result.errors) == (0, "")
        assert FORGED in result.output
        assert harmful(result.output) is False
    assert [line for line in printed(made.stack) if harmful(line)] == []


def test_the_demo_prints_and_writes_a_hostile_roadmap_as_text(made: Made, tmp_path: Path) -> None:
    result = demo(made, tmp_path, SHORT)
    assert result.returncode == 1  # as one part of it has failed
    assert f"Baking {SCRIPT}" in result.stdout
    assert harmful(result.stdout + result.stderr) is False
    written = (tmp_path / "roadmap.md").read_text()
    assert harmful(written) is False
    assert made.hostile.inside in written
    assert_markdown_is_harmless(written)
    assert_no_connection(made.inside)


def test_the_demo_refuses_a_goal_that_would_move_the_terminal(
    shared_embedded: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, with a service that runs already."""
    command = importlib.import_module("cli.demo")
    monkeypatch.setattr(command, "running_service", lambda: nullcontext(shared_embedded.url))
    unheard = SimpleNamespace(signal=lambda *_: None, SIGTERM=SIGTERM, SIGHUP=SIGHUP)
    monkeypatch.setattr(command, "signal", unheard)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["demo", "--", "Learn to bake\x1b]0;owned\x07\x9b2J"])
    assert result.exit_code == 1
    assert result.stderr == "Error: Invalid goal: must not contain control characters.\n"
    assert not (tmp_path / "roadmap.md").exists()


def demo(made: Made, folder: Path, goal: str) -> "subprocess.CompletedProcess[str]":
    """`roadmap_cli.py demo -- goal`, in embedded mode, with the hostile model."""
    model = {
        name: value
        for name, value in made.stack.environment.items()
        if name.startswith(("OPENAI_", "MODEL_", "MAX_", "RETRY_", "LEASE_"))
    }
    environment = {
        **clean_environment(),
        **model,
        "OPENAI_BASE_URL": made.model_url,
        "OPENAI_API_KEY": KEY,
        "COLUMNS": "300",
    }
    environment |= {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }
    command = [sys.executable, str(ROOT / "roadmap_cli.py"), "demo", "--", goal]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
