"""The forms that a model fills in: strict schemas, and the use of every answer that fits."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from core.sanitize import one_line
from roadmap.generation.llm.quiz_check import AnswersDraft, RewrittenDraft
from roadmap.generation.llm.schemas import (
    LONGEST_TUTORIAL,
    AnalysisDraft,
    ConceptDraft,
    ModuleDraft,
    OutlineDraft,
    QuestionDraft,
    QuizDraft,
    ResourcesDraft,
    StageDraft,
    TutorialDraft,
)
from roadmap.plan.outline import LONGEST_WORDS, MOST_ITEMS, Question
from tests.cases import try_each

DRAFTS: list[type[BaseModel]] = [
    AnalysisDraft,
    OutlineDraft,
    TutorialDraft,
    ResourcesDraft,
    QuizDraft,
    AnswersDraft,
    RewrittenDraft,
]
# Keywords that structured output does not take everywhere;
# https://platform.openai.com/docs/guides/structured-outputs
UNSUPPORTED = {
    "default",
    "minLength",
    "minimum",
    "maximum",
    "oneOf",
    "allOf",
    "not",
}
FORMATS = {
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uuid",
}  # all that it takes
TEXTS = st.lists(
    st.text(min_size=1, max_size=20).map(one_line).filter(bool), min_size=2, max_size=8, unique=True
)


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of a schema, from the outside in."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from schemas(value)


def a_concept(**changes: Any) -> dict[str, Any]:
    fields = {
        "key": "loops",
        "title": "Loops",
        "description": "Doing it again.",
        "hours": 3,
        "difficulty": 1,
    }
    return {**fields, "prerequisites": [], "outcomes": ["repeat a step"], **changes}


def an_outline(*concepts: dict[str, Any]) -> OutlineDraft:
    inside = {
        "key": "basics",
        "title": "Basics",
        "description": "The first steps.",
        "concepts": list(concepts),
    }
    stage = {
        "key": "start",
        "title": "Start",
        "description": "Where it begins.",
        "modules": [inside],
    }
    return OutlineDraft.model_validate({"title": "Programming", "stages": [stage]})


def a_question(
    right: list[str], wrong: list[str], prompt: str = "Which of these?"
) -> QuestionDraft:
    return QuestionDraft(
        prompt=prompt, right_options=right, wrong_options=wrong, explanation="It is so."
    )


@pytest.mark.parametrize("draft", DRAFTS)
class TestSchemas:
    def test_every_object_is_closed_and_requires_all_its_fields(
        self, draft: type[BaseModel]
    ) -> None:
        objects = [
            node for node in schemas(draft.model_json_schema()) if node.get("type") == "object"
        ]
        assert objects
        for node in objects:
            assert node["additionalProperties"] is False
            assert sorted(node["required"]) == sorted(node["properties"])

    def test_no_keyword_is_used_that_structured_output_refuses(
        self, draft: type[BaseModel]
    ) -> None:
        used = {keyword for node in schemas(draft.model_json_schema()) for keyword in node}
        assert used & UNSUPPORTED == set()

    def test_every_list_and_every_text_has_an_end(self, draft: type[BaseModel]) -> None:
        for node in schemas(draft.model_json_schema()):
            if node.get("type") == "array":
                assert 0 <= node["minItems"] <= node["maxItems"] <= 20
            if node.get("type") == "string" and "enum" not in node:
                assert 200 <= node["maxLength"] <= 40_000

    def test_no_format_is_used_that_structured_output_refuses(self, draft: type[BaseModel]) -> None:
        used = {
            node["format"]
            for node in schemas(draft.model_json_schema())
            if isinstance(node.get("format"), str)
        }
        assert used - FORMATS == set()

    def test_a_reference_stands_alone(self, draft: type[BaseModel]) -> None:
        assert [
            node for node in schemas(draft.model_json_schema()) if "$ref" in node and len(node) > 1
        ] == []


class TestBounds:
    def test_what_goes_beyond_the_bounds_of_a_schema_is_accepted_as_before(self) -> None:
        fields = AnalysisDraft.model_json_schema()["properties"]
        most = {name: fields[name]["maxItems"] for name in ("known", "subjects", "assumptions")}
        answer = {name: ["x" * 300] * (count + 5) for name, count in most.items()}
        analysis = AnalysisDraft.model_validate({"aim": "y" * 1500, **answer}).to_analysis()
        assert {name: len(getattr(analysis, name)) - 5 for name in most} == most
        asked = [{"question": f"{n}" * 600, "suggestions": ["x" * 300, *"abcde"]} for n in range(9)]
        draft = AnalysisDraft.model_validate({"aim": "y", **answer, "questions": asked})
        questions = draft.to_analysis().questions
        assert [(len(each.question), len(each.suggestions)) for each in questions] == [(500, 4)] * 3
        assert an_outline().stages[0].modules[0].concepts == []
        assert ResourcesDraft(items=[]).items == QuizDraft(questions=[]).questions == []


class TestOutline:
    def test_an_outline_keeps_order_and_words(self) -> None:
        outline = an_outline(
            a_concept(), a_concept(key="lists", prerequisites=["loops"])
        ).to_outline()
        assert outline.title == "Programming"
        assert [stage.title for stage in outline.stages] == ["Start"]
        assert [concept.key for concept in outline.concepts()] == ["loops", "lists"]
        first, second = outline.concepts()
        assert first.model_dump() == {
            **a_concept(),
            "prerequisites": (),
            "outcomes": ("repeat a step",),
        }
        assert second.prerequisites == ("loops",)

    @try_each(
        "changes",
        [{"hours": 0}, {"hours": 500}, {"difficulty": 9}, {"key": ""}, {"title": "x" * 201}],
    )
    def test_a_concept_that_fits_the_form_but_not_the_domain_is_refused(
        self, changes: dict[str, Any]
    ) -> None:
        draft = an_outline(a_concept(**changes))
        with pytest.raises(ValidationError):
            draft.to_outline()

    def test_a_field_that_was_not_asked_for_is_left_out(self) -> None:
        assert ConceptDraft.model_validate(a_concept(colour="red")) == ConceptDraft.model_validate(
            a_concept()
        )

    @try_each(("hours", "read"), [(2.5, 3), ("3 hours", 3), ("2.5", 3), (4, 4)])
    def test_hours_are_read_as_they_are_written(self, hours: Any, read: int) -> None:
        assert ConceptDraft.model_validate(a_concept(hours=hours)).hours == read

    @try_each("hours", ["three", "", None, "about 3"])
    def test_hours_that_are_none_are_refused(self, hours: Any) -> None:
        with pytest.raises(ValidationError):
            ConceptDraft.model_validate(a_concept(hours=hours))

    @try_each("hours", [-1.5, 1e9, "-2", 0, "0", 201])
    def test_hours_out_of_range_make_no_outline(self, hours: Any) -> None:
        with pytest.raises(ValidationError):
            an_outline(a_concept(hours=hours)).to_outline()

    def test_what_would_show_as_something_else_is_left_out(self) -> None:
        draft = ConceptDraft.model_validate(
            a_concept(title=" Loops\n\x1b[31m\u202e and \x07more ", description="One.\nTwo.\x00")
        )
        assert (draft.title, draft.description) == ("Loops [31m and more", "One.\nTwo.")

    def test_a_missing_field_is_refused(self) -> None:
        for shape, filled in (
            (ModuleDraft, {"key": "k", "title": "t", "description": "d", "concepts": []}),
            (StageDraft, {"key": "k", "title": "t", "description": "d", "modules": []}),
        ):
            assert shape.model_validate(filled)
            for name in filled:
                with pytest.raises(ValidationError):
                    shape.model_validate(
                        {key: value for key, value in filled.items() if key != name}
                    )


class TestMarkdownAlone:
    TEXT = 'Why knead?\n\n# Kneading\n\n```json\n{"flour": 500}\n```\n\nFold it.'

    @try_each(
        "answer",
        [
            TEXT,
            f"```markdown\n{TEXT}\n```",
            f"```md\n{TEXT}\n```\n",
            f"```\n{TEXT}\n```",
            f"```markdown\n{TEXT}",
            json.dumps({"markdown": TEXT}),
        ],
    )
    def test_a_tutorial_may_come_as_markdown(self, answer: str) -> None:
        assert TutorialDraft.read(answer).to_content().markdown == self.TEXT

    @try_each(
        "answer", ["Sorry, I cannot.", '{"markdown": "# Cut', 'Here: {"markdown": "# Cut', "", "{}"]
    )
    def test_what_has_no_heading_or_is_broken_json_is_refused(self, answer: str) -> None:
        with pytest.raises(ValidationError):
            TutorialDraft.read(answer)

    @try_each("answer", [TEXT, "# A plan"])
    def test_other_forms_take_no_markdown(self, answer: str) -> None:
        with pytest.raises(ValidationError):
            AnalysisDraft.read(answer)


class TestContents:
    def test_a_tutorial_loses_the_space_around_it(self) -> None:
        assert (
            TutorialDraft(markdown="\n\nA problem.\n\n## A way\n\n").to_content().markdown
            == "A problem.\n\n## A way"
        )

    def test_a_tutorial_of_space_alone_is_refused(self) -> None:
        with pytest.raises(ValidationError):
            TutorialDraft(markdown=" \n\t ").to_content()

    def test_of_a_tutorial_without_end_the_model_hears(self) -> None:
        assert (
            len(TutorialDraft(markdown="a" * LONGEST_TUTORIAL).to_content().markdown)
            == LONGEST_TUTORIAL
        )
        with pytest.raises(ValueError, match="at most 100,000 characters"):
            TutorialDraft(markdown="a" * (LONGEST_TUTORIAL + 1)).to_content()

    def test_of_a_tutorial_that_is_too_intricate_the_model_hears(self) -> None:
        with pytest.raises(ValueError, match="too complex"):
            TutorialDraft(markdown=">" * 2_000 + "a").to_content()

    def test_of_many_mistakes_in_a_list_the_error_has_the_first(self) -> None:
        with pytest.raises(ValidationError) as raised:
            QuizDraft.model_validate({"questions": [{}] * 10_000})
        assert {error["loc"][:2] for error in raised.value.errors()} == {("questions", 0)}

    def test_a_list_has_a_bounded_number_of_items(self) -> None:
        item = {
            "title": "a",
            "url": "https://a.org",
            "type": "book",
            "level": "beginner",
            "language": "en",
            "why": "b",
        }
        assert (
            len(ResourcesDraft.model_validate({"items": [item] * MOST_ITEMS}).items) == MOST_ITEMS
        )
        with pytest.raises(ValidationError, match="at most 1000 items"):
            ResourcesDraft.model_validate({"items": [item] * (MOST_ITEMS + 1)})
        with pytest.raises(ValidationError, match="at most 20000 characters"):
            ResourcesDraft.model_validate({"items": [{**item, "why": "b" * (LONGEST_WORDS + 1)}]})

    def test_resources_keep_order_and_words(self) -> None:
        items = [
            {
                "title": name,
                "url": f"https://example.org/{name}",
                "type": "article",
                "level": "beginner",
                "language": "en",
                "why": "To know.",
            }
            for name in ("one", "two")
        ]
        assert [
            item.model_dump()
            for item in ResourcesDraft.model_validate({"items": items}).to_content().items
        ] == items

    def test_resources_without_a_web_address_are_refused(self) -> None:
        item = {
            "title": "t",
            "url": "javascript:alert(1)",
            "type": "article",
            "level": "beginner",
            "language": "en",
            "why": "w",
        }
        draft = ResourcesDraft.model_validate({"items": [item]})
        with pytest.raises(ValidationError):
            draft.to_content()

    def test_a_type_of_resource_that_was_not_offered_is_refused(self) -> None:
        item = {
            "title": "t",
            "url": "https://example.org",
            "type": "rumour",
            "level": "beginner",
            "language": "en",
            "why": "w",
        }
        with pytest.raises(ValidationError):
            ResourcesDraft.model_validate({"items": [item]})

    def test_a_quiz_keeps_the_order_of_its_questions(self) -> None:
        questions = [
            a_question(["yes"], ["no"], prompt=f"Question {number}?") for number in range(5)
        ]
        quiz = QuizDraft(questions=questions).to_content()
        assert [question.prompt for question in quiz.questions] == [
            draft.prompt for draft in questions
        ]


class TestQuestions:
    @given(TEXTS, st.data(), st.text(min_size=1, max_size=30).map(one_line).filter(bool))
    def test_the_answers_are_exactly_the_right_options(
        self, texts: list[str], data: st.DataObject, prompt: str
    ) -> None:
        split = data.draw(st.integers(1, len(texts) - 1))
        question = a_question(texts[:split], texts[split:], prompt).to_question()
        assert sorted(question.options) == sorted(texts)
        assert {question.options[index] for index in question.answers} == set(texts[:split])
        one = (
            "true_false" if len(texts) == 2 else "single"
        )  # a choice of two is a statement that is judged
        assert question.type == (one if split == 1 else "multiple")

    def test_the_right_option_is_not_always_at_the_same_place(self) -> None:
        made = [
            a_question(["right"], ["a", "b", "c"], f"Question {number}?").to_question()
            for number in range(40)
        ]
        assert {question.answers for question in made} == {(0,), (1,), (2,), (3,)}

    def test_the_order_is_the_same_each_time(self) -> None:
        once, again = (a_question(["x", "y"], ["a", "b", "c"]).to_question() for _ in range(2))
        assert once == again
        assert isinstance(once, Question)

    @pytest.mark.parametrize(("right", "wrong"), [([], ["a", "b"]), (["a"], []), ([], [])])
    def test_a_question_without_right_or_with_one_option_is_refused(
        self, right: list[str], wrong: list[str]
    ) -> None:
        with pytest.raises(ValidationError):
            a_question(right, wrong).to_question()

    def test_an_option_that_is_both_right_and_wrong_is_refused(self) -> None:
        with pytest.raises(ValidationError):
            a_question(["a"], ["b", "a"]).to_question()
