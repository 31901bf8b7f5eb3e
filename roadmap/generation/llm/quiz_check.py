"""Check of a quiz by a second call, which answers it without its key.

What a question is about stays the model's word, but a key that another reader does not find is
either wrong or not the only one. Such questions are rewritten once, all in one call, and asked
again; those that are still disputed are left out, or marked if too few would be left.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from core.errors import Unavailable
from roadmap.generation.context import QUIZ_CHECK, ConceptBrief, GeneratorFault
from roadmap.generation.floors import FEWEST_QUESTIONS
from roadmap.generation.llm.schemas import Draft, Line, QuestionDraft, Several, sized
from roadmap.plan.language_detection import language_error
from roadmap.plan.outline import Question, Quiz, shuffled

# Step, form, facts, and what to make of a form that is filled in.
Ask = Callable[[str, type[Any], dict[str, Any], Callable[[Any], Any]], Any]

# Why one question is disputed, and why several were left out.
AFTER_TWO_ANSWERS = ("second answers were not its key.", "second answers were not their key.")
AFTER_ONE_ANSWER = (
    "a second answer was not its key, and it could not be checked again.",
    "a second answer was not their key, and they could not be checked again.",
)


class AnswerDraft(Draft):
    number: Annotated[int, Field(description="that of the question")]
    answer: Annotated[
        Several[Line],
        sized(
            1,
            10,
            "labels of all right options; or of all lines, in their right order; or the one text "
            "that is to be typed",
        ),
    ]


class AnswersDraft(Draft):
    answers: Annotated[Several[AnswerDraft], sized(1, 20)]


class RewrittenDraft(Draft):
    questions: Annotated[Several[QuestionDraft], sized(1, 20)]


def checked(quiz: Quiz, brief: ConceptBrief, ask: Ask) -> tuple[Quiz, list[str]]:
    """Return the quiz after the check, and what was found. Raises GeneratorFault, Unavailable."""
    facts = {
        "language": brief.request.language,
        "level": brief.request.level,
        "concept": {"title": brief.title, "description": brief.description},
        "tutorial": brief.tutorial,
    }
    now = dict(enumerate(quiz.questions, 1))
    still = disputed = _disputed(now, facts, ask)
    reason, reason_of_several = AFTER_TWO_ANSWERS
    if disputed:
        try:
            now |= _rewritten({number: now[number] for number in disputed}, facts, brief, ask)
            still = _disputed({number: now[number] for number in disputed}, facts, ask)
        except (GeneratorFault, Unavailable):  # then they stay disputed
            reason, reason_of_several = AFTER_ONE_ANSWER
    left_out = still[: max(0, len(now) - FEWEST_QUESTIONS)]
    kept = [number for number in now if number not in left_out]
    remarks = []
    for shown, number in enumerate(kept, 1):  # a learner sees the numbers of those that are kept
        if number in still:
            remarks.append(f"Question {shown} is disputed: {reason}")
        elif number in disputed:
            remarks.append(f"Question {shown} was rewritten: a second answer was not its key.")
    if left_out:
        remarks.append(f"Questions left out: {len(left_out)}; {reason_of_several}")
    return Quiz(questions=tuple(now[number] for number in kept)), remarks


def _disputed(questions: Mapping[int, Question], facts: dict[str, Any], ask: Ask) -> list[int]:
    """Return the numbers of questions that are answered in another way than their key."""
    orders = {number: shuffled(each.options, QUIZ_CHECK) for number, each in questions.items()}
    asked = [
        {
            "number": number,
            "type": each.type,
            "prompt": each.prompt,
            "options": {
                str(label): each.options[index] for label, index in enumerate(orders[number], 1)
            },
        }
        for number, each in questions.items()
    ]

    def verdicts(draft: AnswersDraft) -> dict[int, bool]:
        found = {
            each.number: verdict
            for each in draft.answers
            if each.number in questions
            and (verdict := _agrees(questions[each.number], orders[each.number], each.answer))
            is not None
        }
        if not found:
            raise ValueError("`answers` must have the labels, or the text, for each `number`.")
        return found

    agreed = ask(QUIZ_CHECK, AnswersDraft, {**facts, "questions": asked}, verdicts)
    return [number for number in questions if agreed.get(number) is False]


def _agrees(question: Question, order: Sequence[int], answer: Sequence[str]) -> bool | None:
    """Return whether an answer is the key; None: it is no answer to this question."""
    if question.type == "typed":
        return any(question.accepts(text) for text in answer) if answer else None
    index_of = {str(label): index for label, index in enumerate(order, 1)}
    index_of |= {text.casefold(): index for index, text in enumerate(question.options)}
    chosen = [index_of.get(label.casefold()) for label in answer]
    if not chosen or None in chosen:
        return None
    return chosen == sorted(order) if question.type == "order" else {*chosen} == {*question.answers}


def _rewritten(
    questions: Mapping[int, Question], facts: dict[str, Any], brief: ConceptBrief, ask: Ask
) -> dict[int, Question]:
    disputed = [{"number": n, **each.model_dump(mode="json")} for n, each in questions.items()]

    def made(draft: RewrittenDraft) -> dict[int, Question]:
        new = Quiz(questions=tuple(each.to_question() for each in draft.questions))
        if wrong := language_error(new.text(), brief.request.language):
            raise ValueError(wrong)
        if len(new.questions) != len(questions):
            raise ValueError(f"`questions` must have {len(questions)} items, as `disputed` has.")
        return dict(zip(questions, new.questions, strict=True))

    found: dict[int, Question] = ask(
        QUIZ_CHECK, RewrittenDraft, {**facts, "disputed": disputed}, made
    )
    return found
