"""Grading of answers to quizzes, always on the server."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, GetPydanticSchema, ValidatorFunctionWrapHandler, WithJsonSchema
from pydantic_core import core_schema

from core.errors import FieldError, Invalid
from core.json_types import WHOLE, LazyModel
from core.sanitize import one_line, strip_nul
from roadmap.plan.outline import FIRST_ONLY, Question, Quiz

LONGEST_ANSWER = 500  # characters of a typed one

Chosen = Annotated[
    tuple[Annotated[int, Field(ge=0, le=1000), WHOLE], ...], Field(max_length=100), FIRST_ONLY
]


def _answer(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Accept a text for a list; a union would put its alternatives into the places of errors."""
    if not isinstance(value, str):
        return validate(tuple(value) if isinstance(value, list) else value)  # strictly, from JSON
    if len(value) > LONGEST_ANSWER:
        raise ValueError(f"should have at most {LONGEST_ANSWER} characters")
    return one_line(strip_nul(value))


Answer = Annotated[
    Sequence[int] | str,
    GetPydanticSchema(
        lambda _, handler: core_schema.no_info_wrap_validator_function(
            _answer,
            handler.generate_schema(Chosen),
            serialization=core_schema.simple_ser_schema("any"),
        )
    ),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "array",
                    "maxItems": 100,
                    "items": {"type": "integer", "minimum": 0, "maximum": 1000},
                },
                {"type": "string", "maxLength": LONGEST_ANSWER},
            ]
        }
    ),
]


class GradedQuestion(LazyModel):
    """A graded question. `right` has the indexes of the correct options."""

    id: int = Field(description="Index in the quiz, from 0.")
    is_right: bool = Field(description="Whether exactly this was the answer.")
    chosen: list[int] = Field(description="Indexes of the chosen options, or of lines in order.")
    right: list[int] = Field(description="Indexes of the correct options, or of lines in order.")
    typed: str = Field("", description="The typed answer.")
    accepted: list[str] = Field([], description="Accepted texts of a typed answer.")
    explanation: str = Field(description="Why.")

    @property
    def answer(self) -> list[int] | str:
        return self.typed or self.chosen


def grade_all(quiz: Quiz, answers: Sequence[Answer]) -> list[GradedQuestion]:
    """Grade the answers to all questions. Raises Invalid with the wrong fields."""
    if len(answers) != len(quiz.questions):
        rule = f"must have {len(quiz.questions)} items, one for each question"
        raise Invalid("Some fields are not valid.", fields=(FieldError("/answers", rule),))
    pairs = list(enumerate(zip(quiz.questions, answers, strict=True)))
    wrong = tuple(
        FieldError(f"/answers/{number}", rule_of(question))
        for number, (question, answer) in pairs
        if not fits(question, answer)
    )
    if wrong:
        raise Invalid("Some fields are not valid.", fields=wrong[:20])
    return [grade_one(number, *pair) for number, pair in pairs]


def grade_one(number: int, question: Question, answer: Answer) -> GradedQuestion:
    """Grade the answer to one question. Raises Invalid."""
    if not fits(question, answer):
        raise Invalid(
            "Some fields are not valid.", fields=(FieldError("/chosen", rule_of(question)),)
        )
    is_text = isinstance(answer, str)
    chosen = [] if is_text else list(answer) if question.type == "order" else sorted(answer)
    return GradedQuestion(
        id=number,
        is_right=is_right(question, answer),
        chosen=chosen,
        right=question.right,
        typed=answer if is_text else "",
        accepted=list(question.accepted),
        explanation=question.explanation,
    )


def is_right(question: Question, answer: Answer) -> bool:
    """Return whether exactly the right options are chosen, or an accepted text is typed."""
    if isinstance(answer, str):
        return question.accepts(answer)
    if question.type == "order":
        return list(answer) == question.right
    return bool(answer) and set(answer) == set(question.answers)


def fits(question: Question, answer: Answer) -> bool:
    """Return whether these are options or all lines of the question, each once, or a text."""
    if isinstance(answer, str):
        return question.type == "typed"
    count = len(question.options)
    is_all = len(answer) == count or not answer or question.type != "order"
    return is_all and set(answer) <= set(range(count)) and len(set(answer)) == len(answer)


def rule_of(question: Question) -> str:
    """Return the rule for answers, as the end of a sentence."""
    if question.type == "typed":
        return "must be a text, or an empty list if there is no answer"
    if question.type == "order":
        return f"must be the indexes of all {len(question.options)} lines in order, or empty"
    return f"must be indexes of its {len(question.options)} options, without duplicates"
