"""quality.evaluation, against a model's server on loopback: a whole run, its bound, kills, a judge.

It runs in this process, and as a program where it is killed.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from core.db import database
from quality.evaluation.__main__ import main
from testing.provider import Handler, Provider, completion, providing
from testing.stack import ROOT, SHORT, clean_environment
from testing.waiting import HANG
from tests.chaos.model import KINDS, PATIENT
from tests.commands.in_process import opened, variables
from tests.integration.roadmap.test_model_generator import ANALYSED, SOUND, WRITTEN

pytestmark = pytest.mark.usefixtures("with_model")  # this process has another one

MARKS = {"goal": 5, "correct": 4, "clear": 3, "connected": 2, "practice": 1, "reason": "Short."}
ANSWERS = {
    "analysis": json.dumps(ANALYSED),
    "outline": SOUND,
    "judge": json.dumps(MARKS),
    **{kind: json.dumps(form) for kind, form in WRITTEN.items()},
}
CALLS = 2 + 3 * 4  # of a goal: its outline has three concepts, in one module


def step_of(asked: dict[str, Any]) -> str:
    name = asked["response_format"]["json_schema"]["name"]
    return {**KINDS, "Judgement": "judge"}[name]


def answering(**others: str) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.say(200, completion({**ANSWERS, **others}[step_of(handler.asked)]))

    return answer


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing(answering()) as server:
        yield server


def environment_of(provider: Provider, into: Path) -> dict[str, str]:
    return {
        **clean_environment(),
        **SHORT,
        **PATIENT,
        "SERVICE_TYPE": "all",
        "DATA_DIR": str(into / "unused"),
        "LOG_LEVEL": "ERROR",
        "OPENAI_API_KEY": "sk-of-the-evaluation",
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_MODEL": "gpt-test",
        "EVALUATE_JUDGE_MODEL": "gpt-judge",
        "MODEL_PRICES": "gpt-test=1/2,gpt-judge=1/2",
    }


def arguments(into: Path, *options: str) -> list[str]:
    """For two goals at most."""
    return ["--into", str(into / "results"), "--only", "violin bicycle", *options]


def started(provider: Provider, into: Path, *options: str) -> "subprocess.Popen[str]":
    """The program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "quality.evaluation", *arguments(into, *options)],
        cwd=ROOT,
        env=environment_of(provider, into),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def evaluated(environment: dict[str, str], into: Path, *options: str) -> tuple[int, str]:
    """The exit code and all words of the program, run in this process."""
    with variables(environment), opened():
        done = CliRunner().invoke(main, arguments(into, *options))
        database.close_all()  # that of its run
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done.exit_code, done.output


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=HANG)
    return process.returncode, output


def results(into: Path) -> dict[str, Any]:
    (file,) = set((into / "results").glob("*.json")) - {into / "results" / "table.json"}
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def asked_for(provider: Provider) -> Counter[tuple[str, str, str]]:
    """Calls by goal, concept and step."""
    facts = [json.loads(each["messages"][1]["content"]) for each in provider.requests]
    return Counter(
        (fact["request"]["goal"], fact.get("concept", {}).get("title", ""), step_of(each))
        for fact, each in zip(facts, provider.requests, strict=True)
    )


def test_courses_are_made_scored_judged_and_put_into_a_table(
    provider: Provider, tmp_path: Path
) -> None:
    code, output = evaluated(environment_of(provider, tmp_path), tmp_path)
    assert code == 0, output
    assert output.startswith("2 of 2 goals left: about 46 calls, ")
    assert " USD; at most 1,000 calls. Results: " in output
    assert output.count(" violin: ") == output.count(" bicycle: ") == CALLS
    assert set(asked_for(provider).values()) == {1}
    assert {each["model"] for each in provider.requests if step_of(each) == "judge"} == {
        "gpt-judge"
    }
    goals = results(tmp_path)["goals"]
    assert goals.keys() == {"violin", "bicycle"}
    scores = goals["violin"]["scores"]
    assert (scores["planned"], scores["written"], scores["official"]) == (1.0, 1.0, 0.0)
    assert (scores["goal"], scores["practice"]) == (5.0, 1.0)
    assert goals["violin"]["judged"]["dough"] == MARKS
    (row,) = json.loads((tmp_path / "results" / "table.json").read_text())
    assert (row["model"], row["judge"], row["calls"]) == ("gpt-test", "gpt-judge", 2 * CALLS)
    assert row["cost"] > row["judging"] > 0
    assert "| clear | 3.0 |" in (tmp_path / "results" / "table.md").read_text()

    count = len(provider.requests)
    code, output = evaluated(environment_of(provider, tmp_path), tmp_path)
    assert (code, len(provider.requests)) == (0, count), output
    file = next((tmp_path / "results").glob("????????.json"))
    code, output = evaluated(
        environment_of(provider, tmp_path), tmp_path, "--compare", str(file), str(file)
    )
    assert "| clear | 2 | 3.000 | 3.000 | +0.000 | 0, 0 | 1.000 | may be noise |" in output


def test_a_limit_ends_it_and_the_same_command_goes_on(provider: Provider, tmp_path: Path) -> None:
    code, output = evaluated(environment_of(provider, tmp_path), tmp_path, "--limit", "9")
    assert code == 1
    assert "Not finished" in output
    assert len(provider.requests) == 9
    code, output = evaluated(environment_of(provider, tmp_path), tmp_path)
    assert code == 0, output
    assert set(asked_for(provider).values()) == {1}
    assert len(results(tmp_path)["goals"]) == 2


@pytest.mark.long
def test_after_a_kill_it_goes_on_and_pays_for_no_saved_answer_twice(
    provider: Provider, tmp_path: Path
) -> None:
    steps = ["outline", "quiz", "judge"]
    for step in steps:
        running: list[subprocess.Popen[str]] = []

        def kill(handler: Handler, step: str = step, running: Any = running) -> None:
            if step_of(handler.asked) == step:
                running[0].kill()
            else:
                answering()(handler)

        provider.answer = kill
        running.append(started(provider, tmp_path))
        code, output = ended(running[0])
        assert code < 0, output
    provider.answer = answering()
    code, output = ended(started(provider, tmp_path))
    assert code == 0, output
    assert len(results(tmp_path)["goals"]) == 2
    calls = asked_for(provider)
    # What was asked when it was killed, for each of the goals
    assert calls.total() - len(calls) <= 2 * len(steps)


def test_a_judge_that_answers_in_another_form_is_left_out(
    provider: Provider, tmp_path: Path
) -> None:
    provider.answer = answering(judge=json.dumps({**MARKS, "clear": 9}))
    code, output = evaluated(
        environment_of(provider, tmp_path), tmp_path, "--only", "violin", "--concepts", "1"
    )
    assert code == 0, output
    goal = results(tmp_path)["goals"]["violin"]
    assert list(goal["judged"].values()) == [None]
    assert "clear" not in goal["scores"]
    assert asked_for(provider).total() == 2 + 3 + 2 * 3  # two forms, three times


def test_a_goal_without_a_plan_has_no_other_score(provider: Provider, tmp_path: Path) -> None:
    provider.answer = answering(outline=json.dumps({"title": "Bread", "stages": []}))
    code, output = evaluated(environment_of(provider, tmp_path), tmp_path, "--only", "violin")
    assert code == 0, output
    goal = results(tmp_path)["goals"]["violin"]
    assert goal["scores"] == {"planned": 0.0}
    assert goal["error"]


def test_without_a_key_nothing_is_made(tmp_path: Path) -> None:
    own = {**clean_environment(), "SERVICE_TYPE": "all", "DATA_DIR": str(tmp_path)}
    code, output = evaluated(own, tmp_path)
    assert code == 2
    assert "set OPENAI_API_KEY" in output
    assert not (tmp_path / "results").exists()
