"""The check of quizzes by a model that is right, wrong, garbled, busy or too late."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from roadmap.generation.context import GeneratorFault
from roadmap.generation.llm.schemas import QuizDraft
from roadmap.plan.outline import ContentKind, Question, Quiz
from testing.provider import MODEL, Handler, Provider, completion, providing
from testing.stack import Stack, embedded_stack, running
from testing.waiting import BRIEF as PAUSE
from testing.waiting import HANG, wait_until
from tests.cases import try_each
from tests.chaos.model import PATIENT, WRITTEN
from tests.integration.roadmap.test_model_generator import ANALYSED, BRIEF, SOUND, generator

TYPED = {"kind": "typed", "prompt": "What feeds the yeast?", "accepted": ["Sugar", "Starch"]}
ORDER = {"kind": "order", "prompt": "In which order?", "lines": ["Mix", "Knead", "Bake"]}
EXPLAINED = {"explanation": "So it is."}


def choice(number: int, *right: str) -> dict[str, Any]:
    return {
        "kind": "choice",
        "prompt": f"Question {number} of the dough?",
        "right_options": list(right) or ["Gluten"],
        "wrong_options": ["Salt", "Luck"],
    }


def quiz(*questions: dict[str, Any]) -> dict[str, Any]:
    """A question as models write it: lists of other kinds are left out, or empty."""
    return {"questions": [{**each, **EXPLAINED} for each in questions]}


MIXED = quiz(choice(1), choice(2, "Time", "Gluten"), TYPED, ORDER, choice(5))
KEYS = {each["prompt"]: each for each in (*MIXED["questions"], choice(1), choice(6))}


def right(asked: dict[str, Any]) -> list[str]:
    """The answer of one who knows the subject: labels, or what is typed."""
    key = KEYS[asked["prompt"].removesuffix(" (again)")]
    label = {text: label for label, text in asked["options"].items()}
    if asked["type"] == "typed":
        return [" starch. "]
    return [label[text] for text in key.get("lines") or key["right_options"]]


def wrong(asked: dict[str, Any]) -> list[str]:
    if asked["type"] == "typed":
        return ["Salt"]
    if asked["type"] == "order":
        return (
            list(asked["options"])[::-1]
            if right(asked) != [*asked["options"]][::-1]
            else [*asked["options"]]
        )
    return [next(label for label in asked["options"] if label not in right(asked))]


Answering = Callable[[dict[str, Any]], list[str]]


class Teacher:
    """Answers each form; `answering` one question of a quiz, `rewriting` the disputed ones."""

    def __init__(self) -> None:
        self.answering: Answering = right
        self.quiz = MIXED
        self.checks: list[Any] = []  # what the checks say: the questions, or the disputed ones
        self.instead: Callable[[Handler], None] | None = None  # of an answer to a check

    def rewriting(self, disputed: list[Any]) -> Any:
        made = []
        for each in disputed:
            key = KEYS[each["prompt"]]
            made.append({**key, **EXPLAINED, "prompt": f"{each['prompt']} (again)"})
        return {"questions": made}

    def __call__(self, handler: Handler) -> None:
        form = handler.asked["response_format"]["json_schema"]["name"]
        facts = json.loads(handler.asked["messages"][1]["content"])
        if form in ("AnswersDraft", "RewrittenDraft"):
            self.checks.append(facts)
            if self.instead is not None:
                return self.instead(handler)
        written: Any = {
            "AnalysisDraft": lambda: ANALYSED,
            "OutlineDraft": lambda: json.loads(SOUND),  # type: ignore[no-untyped-call]
            "TutorialDraft": lambda: WRITTEN["tutorial"],
            "ResourcesDraft": lambda: WRITTEN["resources"],
            "QuizDraft": lambda: self.quiz,
            "AnswersDraft": lambda: {
                "answers": [
                    {"number": each["number"], "answer": self.answering(each)}
                    for each in facts["questions"]
                ]
            },
            "RewrittenDraft": lambda: self.rewriting(facts["disputed"]),
        }[form]()
        body = json.loads(completion(json.dumps(written)))
        body["usage"] = {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
        return handler.say(200, json.dumps(body).encode())


@pytest.fixture
def teacher() -> Teacher:
    return Teacher()


@pytest.fixture
def server(teacher: Teacher) -> Iterator[Provider]:
    with providing(teacher) as made:
        yield made


def made_of(written: dict[str, Any]) -> Quiz:
    return QuizDraft.model_validate(written).to_content()


def checked(server: Provider, teacher: Teacher, *, timeout: float = 60) -> tuple[Quiz, list[str]]:
    model = generator(server.url, timeout=timeout)
    written = model.write(ContentKind.quiz, BRIEF)
    assert isinstance(written, Quiz)
    return model.check_quiz(written, BRIEF)


class TestVerdicts:
    def test_a_right_quiz_stays_after_one_call(self, server: Provider, teacher: Teacher) -> None:
        assert checked(server, teacher) == (made_of(MIXED), [])
        (facts,) = teacher.checks
        assert [each["number"] for each in facts["questions"]] == [1, 2, 3, 4, 5]
        assert {each["type"] for each in facts["questions"]} == {
            *("single", "multiple", "typed", "order")
        }

    def test_the_key_is_not_sent(self, server: Provider, teacher: Teacher) -> None:
        checked(server, teacher)
        asked = json.dumps(teacher.checks[0])
        for secret in (EXPLAINED["explanation"], "Starch", "answers", "right_options"):
            assert secret not in asked
        order = teacher.checks[0]["questions"][3]
        assert sorted(order["options"].values()) == sorted(ORDER["lines"])
        questions = made_of(MIXED).questions
        assert any(
            list(asked["options"].values()) != list(its.options)
            for asked, its in zip(teacher.checks[0]["questions"], questions, strict=True)
        )

    @try_each("number", [1, 2, 3, 4])
    def test_a_disputed_question_is_rewritten_and_asked_again(self, number: int) -> None:
        teacher = Teacher()
        prompt = MIXED["questions"][number - 1]["prompt"]
        teacher.answering = lambda each: (wrong if each["prompt"] == prompt else right)(each)
        with providing(teacher) as server:
            found, remarks = checked(server, teacher)
        before = made_of(MIXED).questions
        prompts = [each.prompt for each in found.questions]
        assert prompts.pop(number - 1) == f"{prompt} (again)"
        assert prompts == [each.prompt for each in before if each.prompt != prompt]
        assert remarks == [f"Question {number} was rewritten: a second answer was not its key."]
        _, rewriting, again = teacher.checks
        assert [each["number"] for each in rewriting["disputed"]] == [number]
        assert [each["number"] for each in again["questions"]] == [number]

    def test_those_that_stay_disputed_are_left_out_until_four_are_left(
        self, server: Provider, teacher: Teacher
    ) -> None:
        teacher.answering = wrong
        found, remarks = checked(server, teacher)
        assert [each.prompt for each in found.questions] == [
            f"{each['prompt']} (again)" for each in MIXED["questions"][1:]
        ]
        assert remarks == [  # numbers are those of the quiz that a learner sees
            *(
                f"Question {number} is disputed: second answers were not its key."
                for number in (1, 2, 3, 4)
            ),
            "Questions left out: 1; second answers were not their key.",
        ]
        assert len(teacher.checks) == 3

    def test_a_short_quiz_is_kept_and_marked(self, server: Provider, teacher: Teacher) -> None:
        teacher.quiz, teacher.answering = quiz(choice(1)), wrong
        found, remarks = checked(server, teacher)
        assert len(found.questions) == 1
        assert remarks == ["Question 1 is disputed: second answers were not its key."]

    @try_each("broken", [{"questions": []}, quiz(choice(1), choice(1)), {"oops": 1}])
    def test_where_rewriting_fails_the_disputed_question_is_left_out(self, broken: Any) -> None:
        teacher = Teacher()
        teacher.answering = lambda each: (wrong if "Question 1 " in each["prompt"] else right)(each)
        teacher.rewriting = lambda disputed: broken  # type: ignore[method-assign]
        with providing(teacher) as server:
            found, remarks = checked(server, teacher)
        assert found.questions == made_of(MIXED).questions[1:]
        assert remarks == [
            "Questions left out: 1; a second answer was not their key, and they could not be "
            "checked again."
        ]

    def test_numbers_are_those_after_the_dropping(self, server: Provider, teacher: Teacher) -> None:
        prompts = ("Question 1 of the dough?", "Question 1 of the dough? (again)", TYPED["prompt"])
        teacher.answering = lambda each: (wrong if each["prompt"] in prompts else right)(each)
        found, remarks = checked(server, teacher)
        assert found.questions[1].prompt == f"{TYPED['prompt']} (again)"
        assert remarks == [
            "Question 2 was rewritten: a second answer was not its key.",
            "Questions left out: 1; second answers were not their key.",
        ]

    def test_a_failure_of_the_second_check_is_named(
        self, server: Provider, teacher: Teacher
    ) -> None:
        teacher.quiz, teacher.answering = quiz(choice(1)), wrong

        def rewrite_then_fail(disputed: list[Any]) -> Any:
            teacher.instead = garbage
            return Teacher().rewriting(disputed)

        teacher.rewriting = rewrite_then_fail  # type: ignore[method-assign]
        found, remarks = checked(server, teacher)
        assert [each.prompt for each in found.questions] == ["Question 1 of the dough? (again)"]
        assert remarks == [
            "Question 1 is disputed: a second answer was not its key, and it could not be checked "
            "again."
        ]

    def test_what_is_not_answered_is_not_disputed(self, server: Provider, teacher: Teacher) -> None:
        teacher.answering = lambda each: right(each) if each["number"] in (3, 5) else ["Zero", "99"]
        assert checked(server, teacher) == (made_of(MIXED), [])

    def test_an_option_may_be_named_by_its_text(self, server: Provider, teacher: Teacher) -> None:
        teacher.answering = lambda each: (
            ["sugar"]
            if each["type"] == "typed"
            else [each["options"][label].upper() for label in right(each)]
        )
        assert checked(server, teacher) == (made_of(MIXED), [])


def garbage(handler: Handler) -> None:
    handler.say(200, completion("I cannot <b>do</b> that."))


def no_such_question(handler: Handler) -> None:
    handler.say(200, completion(json.dumps({"answers": [{"number": 99, "answer": ["1"]}]})))


def too_many(handler: Handler) -> None:
    handler.say(429, b'{"error": {"message": "Slow down."}}', retry_after="1")


def late(handler: Handler) -> None:
    handler.server.released.wait(HANG)


INSTEAD = {"garbage": garbage, "no_such_question": no_such_question, "429": too_many, "late": late}


@pytest.mark.parametrize("how", INSTEAD)
def test_a_check_that_fails_is_a_fault(server: Provider, teacher: Teacher, how: str) -> None:
    teacher.instead = INSTEAD[how]
    with pytest.raises(GeneratorFault):
        checked(server, teacher, timeout=5 * PAUSE)
    assert len(teacher.checks) <= 2


class TestDrafts:
    """Questions that a small model writes in the flat form."""

    @try_each(
        ("form", "kind"),
        [
            (choice(1), "single"),
            ({**TYPED, "kind": ""}, "typed"),
            ({**ORDER, "kind": "sequence"}, "order"),
            ({**choice(1), "accepted": ["a"], "lines": ["b", "c"]}, "single"),
            ({**choice(1), **TYPED}, "typed"),
            ({**choice(1), **ORDER}, "order"),
            ({**TYPED, "right_options": [], "wrong_options": [], "lines": []}, "typed"),
        ],
    )
    def test_each_becomes_a_question(self, form: dict[str, Any], kind: str) -> None:
        (made,) = made_of(quiz(form)).questions
        assert made.type == kind
        assert made.seed is not None
        assert Question.model_validate_json(made.model_dump_json()) == made


@pytest.fixture(scope="module")
def taught() -> Teacher:
    return Teacher()


def service(folder: Path, server: Provider, **others: str) -> Stack:
    model = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.url, "OPENAI_MODEL": MODEL}
    model |= {"MODEL_PRICES": f"{MODEL}=1/2", "MODEL_MAX_TOKENS": "1000", "QUIZ_CHECK": "true"}
    return embedded_stack(folder, **model | PATIENT | others)


@pytest.fixture(scope="module")
def stack(taught: Teacher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("checked")
    with providing(taught) as server, running(service(folder, server)) as made:
        yield made


class TestService:
    """The check in the service: its calls are in the receipt, and what it changed in the log."""

    def built(self, stack: Stack) -> tuple[dict[str, Any], dict[str, Any], list[Any], list[Any]]:
        path = stack.create("Learn to bake bread")
        tree = stack.finished(path)
        receipt = stack.get(f"{path}/receipt?limit=100").json()

        def written() -> list[Any]:
            items = stack.get(f"{path}/logs?limit=100").json()["items"]
            done = [
                each
                for each in items
                if each["step"] == "quiz" and each["message"].startswith("Wrote")
            ]
            concepts = tree["progress"]["total"] // 3
            return done if len(done) == concepts else []

        logs = wait_until(written, reason="the quizzes are in the log")
        quizzes = [
            stack.get(f"{path}/concepts/{each['id']}").json()["quiz"]["questions"]
            for stage in tree["stages"]
            for module in stage["modules"]
            for each in module["concepts"]
        ]
        return tree, receipt, logs, quizzes

    def test_a_quiz_is_checked_and_the_receipt_says_so(self, stack: Stack, taught: Teacher) -> None:
        taught.instead, taught.answering = None, right
        tree, receipt, logs, quizzes = self.built(stack)
        assert tree["status"] == "ready"
        calls = {each["step"]: each for each in receipt["steps"]}
        assert calls["quiz_check"]["calls"] == calls["quiz"]["calls"] == len(quizzes)
        assert float(calls["quiz_check"]["price"]) > 0
        assert {each["concept_id"] for each in receipt["calls"] if each["step"] == "quiz_check"}
        assert all(len(questions) == 5 for questions in quizzes)
        assert not any(each["details"] for each in logs)

    def test_what_was_changed_is_in_the_log(self, stack: Stack, taught: Teacher) -> None:
        taught.instead = None
        taught.answering = lambda each: (wrong if each["prompt"] == TYPED["prompt"] else right)(
            each
        )
        tree, receipt, logs, quizzes = self.built(stack)
        assert tree["status"] == "ready"
        calls = {each["step"]: each["calls"] for each in receipt["steps"]}
        assert calls["quiz_check"] == 3 * len(quizzes)
        expected = ["Question 3 was rewritten: a second answer was not its key."]
        assert [each["details"]["remarks"] for each in logs] == [expected] * len(quizzes)
        assert {questions[2]["prompt"] for questions in quizzes} == {f"{TYPED['prompt']} (again)"}
        with closing(sqlite3.connect(stack.folder / "data" / "roadmap.db", timeout=HANG)) as file:
            kept = file.execute("SELECT DISTINCT remarks FROM content_version").fetchall()
        assert (json.dumps(expected),) in kept

    @pytest.mark.parametrize("how", ["garbage", "429"])
    def test_a_fault_keeps_the_quiz_unchecked(
        self, stack: Stack, taught: Teacher, how: str
    ) -> None:
        taught.instead, taught.answering = INSTEAD[how], right
        tree, receipt, logs, quizzes = self.built(stack)
        assert tree["status"] == "ready"
        calls = {each["step"]: each["calls"] for each in receipt["steps"]}
        assert calls["quiz"] == len(quizzes)  # none was paid for twice
        assert all(len(questions) == 5 for questions in quizzes)
        for each in logs:
            (remark,) = each["details"]["remarks"]
            assert remark.startswith("The quiz was not checked: ")


def test_where_the_budget_is_needed_for_the_rest_it_is_left_out(tmp_path: Path) -> None:
    # A call is reserved with 0.002, and costs a tenth of it: eleven would fit, and all checks.
    scarce = {"MODEL_PRICES": f"{MODEL}=0/2", "BUDGET_PER_ROADMAP": "0.0065"}
    with (
        providing(Teacher()) as server,
        running(service(tmp_path, server, **scarce)) as stack,
    ):
        tree, receipt, logs, _ = TestService().built(stack)
    assert tree["status"] == "ready"
    assert not tree["over_budget"]
    calls = {each["step"]: each["calls"] for each in receipt["steps"]}
    assert calls.get("quiz_check", 0) < calls["quiz"]
    remarks = [each["details"]["remarks"] for each in logs if each["details"]]
    assert remarks
    assert all("was not checked" in remark and "budget" in remark for (remark,) in remarks)
