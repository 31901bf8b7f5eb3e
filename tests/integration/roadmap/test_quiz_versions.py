"""A quiz becomes another one: its questions go on coming back, whatever has replaced it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from core import clock
from core.db import database, session, transaction
from core.errors import Conflict
from core.ids import new_id
from models.roadmaps import Content, ContentVersion, ReviewCard, Roadmap
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import ConceptBrief
from roadmap.learning import progress, reviews
from roadmap.learning.progress import AttemptRequest
from roadmap.learning.reviews import ReviewRequest
from roadmap.learning.spaced_repetition import ReviewRating
from roadmap.lifecycle import commands, plan_rows
from roadmap.lifecycle.making import content_job
from roadmap.plan.edits import Rewrite
from roadmap.plan.outline import ContentKind, Contents, Quiz, Tutorial
from roadmap.plan.schemas import ProgressRequest
from roadmap.plan.statuses import ConceptProgress, ContentStatus
from testing.logbook import MODES, own_database
from testing.waiting import BRIEF
from tests.integration.roadmap.test_reviews import QUESTIONS, RIGHT, Place, made, write

pytestmark = pytest.mark.usefixtures("with_model")

OTHERS: list[dict[str, Any]] = [QUESTIONS[3], {**QUESTIONS[0], "prompt": "Another?"}]
DONE = ProgressRequest(progress=ConceptProgress.done)


class Rewriter(CatalogueGenerator):
    """Writes a quiz of one question of the first version and one that is new."""

    def write(self, kind: ContentKind, brief: ConceptBrief) -> Contents:
        if kind == ContentKind.tutorial:
            return Tutorial(markdown="New.")
        return Quiz.model_validate({"questions": OTHERS})


@pytest.fixture(params=MODES)
def lesson(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The ids of a person, a roadmap and a concept with a quiz of four questions."""
    server = request.getfixturevalue("postgres") if request.param == "server" else None
    with own_database(tmp_path, server):
        place = made()
        with transaction():
            ContentVersion.update(subject=plan_rows.fingerprint("Plus one", "", ())).execute()
        yield place


def built() -> None:
    """Write everything that is to be written; a quiz waits for its tutorial."""
    with session():
        open_ = list(
            Content.select(Content.id)
            .where(Content.status == ContentStatus.pending, Content.kind != "resources")
            .order_by(Content.kind.desc())
        )
    for content in open_:
        content_job.build_content(content.id, Rewriter())


def asked(owner: UUID) -> list[str]:
    """In a while, when everything is due."""
    clock.travel(timedelta(days=400))
    prompts = sorted(item.question.prompt for item in reviews.list_due(owner, limit=20).items)
    clock.travel(timedelta(days=-400))
    return prompts


def regenerated(place: Place) -> None:
    commands.regenerate(*place, ContentKind.quiz, "")
    built()


def test_a_rewritten_quiz_keeps_its_known_questions(lesson: Place) -> None:
    owner, *_ = lesson
    progress.set_progress(*lesson, DONE)
    known = next(
        each for each in reviews.list_due(owner, limit=9).items if each.question.prompt == "3 + 1?"
    )
    reviews.review(owner, known.id, ReviewRequest(rating=ReviewRating.easy, reviews=0))
    regenerated(lesson)
    assert [item.question.prompt for item in reviews.list_due(owner, limit=9).items] == [
        "Another?"
    ]  # the other is known
    assert asked(owner) == ["3 + 1?", "Another?"]
    with session():
        kept = ReviewCard.get_by_id(known.id)
    assert (kept.reviews, kept.version, kept.number) == (1, 2, 0)


def test_of_an_answered_quiz_too_and_of_no_other(lesson: Place) -> None:
    owner, *_ = lesson
    progress.attempt(*lesson, AttemptRequest(version=1, answers=RIGHT))
    untouched = made()
    regenerated(lesson)
    regenerated(untouched)
    assert asked(owner) == ["3 + 1?", "Another?"]
    assert asked(untouched[0]) == []


def test_what_is_learned_before_its_quiz_is_written_comes_when_it_is(lesson: Place) -> None:
    owner, *_ = lesson
    with transaction():
        ContentVersion.delete().execute()
        Content.update(version=0).execute()
    progress.set_progress(*lesson, DONE)
    assert asked(owner) == []
    regenerated(lesson)
    assert len(reviews.list_due(owner, limit=9).items) == 2


def test_an_earlier_version_that_is_shown_again_brings_its_questions_back(lesson: Place) -> None:
    owner, *_ = lesson
    progress.set_progress(*lesson, DONE)
    regenerated(lesson)
    commands.restore_version(*lesson, ContentKind.quiz, 1)
    assert asked(owner) == [f"{number} + 1?" for number in range(4)]
    with session():
        assert ReviewCard.select().count() == 5  # the other question waits


def test_a_plan_that_takes_up_what_is_written_keeps_its_questions(lesson: Place) -> None:
    owner, roadmap, _ = lesson
    progress.set_progress(*lesson, DONE)
    renamed = Rewrite(op="rewrite", what="concept", key="c", title="Plus two", regenerate=False)
    commands.edit(owner, roadmap, [renamed], None)
    with session():
        assert Content.get(Content.kind == "quiz").version == 2
    assert asked(owner) == [f"{number} + 1?" for number in range(4)]

    commands.edit(
        owner,
        roadmap,
        [renamed.model_copy(update={"title": "Plus three", "regenerate": True})],
        None,
    )
    built()
    assert asked(owner) == ["3 + 1?", "Another?"]
    commands.edit(
        owner, roadmap, [renamed.model_copy(update={"title": "Plus one", "regenerate": True})], None
    )
    with session():
        assert Content.get(Content.kind == "quiz").version == 1
    assert asked(owner) == [f"{number} + 1?" for number in range(4)]


@pytest.mark.parametrize("act", ["progress", "attempt"])
def test_learning_while_a_quiz_is_saved_misses_no_question(lesson: Place, act: str) -> None:
    owner, roadmap, concept = lesson

    def learn() -> None:
        if act == "progress":
            progress.set_progress(*lesson, DONE)
        else:
            progress.attempt(*lesson, AttemptRequest(version=1, answers=RIGHT))

    with session():
        content = Content.get(Content.kind == "quiz").id
    with ThreadPoolExecutor(1) as threads:
        with transaction():  # that of a worker
            Roadmap.update(updated_at=clock.now()).where(Roadmap.id == roadmap).execute()
            write(content, 2, OTHERS)
            reviews.follow([concept])
            learns = threads.submit(learn)
            assert not wait([learns], timeout=BRIEF).done  # until that is saved
        if act == "attempt":
            assert isinstance(learns.exception(), Conflict)
        else:
            learns.result()
            assert asked(owner) == ["3 + 1?", "Another?"]


def test_where_nothing_comes_back_it_costs_one_query(
    lesson: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    execute = type(database.obj).execute_sql

    def noted(self: Any, sql: str, params: Any = None) -> Any:
        sent.append(sql)
        return execute(self, sql, params)

    monkeypatch.setattr(type(database.obj), "execute_sql", noted)
    with transaction():
        for concepts, queries in (([lesson[2], new_id()], 1), ([], 0)):
            sent.clear()
            reviews.follow(concepts)
            assert len(sent) == queries
