"""Placement: few questions, a careful proposal, and no change before it is confirmed."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from starlette.testclient import TestClient

from core.db import session, transaction
from models.roadmaps import Concept, Content, ContentVersion, ReviewCard
from roadmap.generation.catalogue import loader
from roadmap.learning import reviews
from roadmap.learning.placement import (
    LEAST,
    MIDDLE,
    MOST,
    PlannedConcept,
    Result,
    adaptive,
    in_order,
    known,
)
from roadmap.plan.outline import ContentKind, Level, Question
from tests.cases import try_each

API = "/api/v1"
CHAIN = [[], [0], [1], [2]]  # each concept builds on the one before
FORK = [[], [0], [0], [1, 2]]


def planned(needs: list[list[int]]) -> list[PlannedConcept]:
    plan: list[PlannedConcept] = []
    for at, its in enumerate(needs):
        before = frozenset(its).union(*(plan[each].before for each in its))
        plan.append(PlannedConcept(UUID(int=at), 1, before, is_asked=True))
    return plan


def built_in() -> list[list[PlannedConcept]]:
    plans = []
    for track in loader.tracks().values():
        ids = track.concept_ids
        needs = [loader.load_concept(track.id, id_).prerequisites for id_ in ids]
        own = [[ids.index(each) for each in its if "/" not in each] for its in needs]
        plans.append(planned(own))
    return plans


def taken(plan: list[PlannedConcept], knows: Callable[[int], bool]) -> list[Result]:
    """The results of somebody who knows some of the concepts."""
    results: list[Result] = []
    while len(results) < MOST and (at := adaptive(plan, results)) is not None:
        results.append((at, knows(at)))
    return results


class TestChoice:
    @try_each(
        ("needs", "results", "shown"),
        [
            (CHAIN, [], {}),
            (CHAIN, [(2, True)], {0: 2, 1: 2, 2: 2}),  # and what it builds on, but not more
            (CHAIN, [(2, True), (3, False)], {2: 2}),  # not all that build on the others were right
            (CHAIN, [(1, False), (3, True)], {}),  # which may be a guess
            (FORK, [(1, True), (2, False)], {1: 1}),  # all that build on 0 must be right
            (FORK, [(0, False), (3, True)], {}),  # it builds on what was wrong
            (FORK, [(3, True), (3, False)], {}),  # of two answers one was wrong
        ],
    )
    def test_a_proposal_is_careful(
        self, needs: list[list[int]], results: list[Result], shown: dict[int, int]
    ) -> None:
        assert known(planned(needs), results) == shown

    def test_it_begins_in_the_middle_and_goes_where_the_answer_leads(self) -> None:
        plan = planned([[] for _ in range(30)])
        assert adaptive(plan, []) == 15
        later, earlier = adaptive(plan, [(15, True)]), adaptive(plan, [(15, False)])
        assert None not in (later, earlier)
        assert (later or 0) > 15 > (earlier or 0)

    def test_it_begins_in_the_middle_of_the_level(self) -> None:
        hard = [replace(each, difficulty=1 + at // 6) for at, each in enumerate(planned([[]] * 30))]
        found = {middle: adaptive(hard, [], middle) for middle in MIDDLE.values()}
        assert found == {2: 9, 3: 15, 4: 21}
        harder = [replace(each, difficulty=at % 3 + 3) for at, each in enumerate(hard)]
        first = adaptive(harder, [], 2)
        assert first is not None
        assert harder[first].difficulty == 3
        for track in loader.tracks().values():
            plan = [
                replace(each, difficulty=loader.load_concept(track.id, id_).difficulty)
                for each, id_ in zip(
                    planned([[]] * len(track.concept_ids)), track.concept_ids, strict=True
                )
            ]
            first = adaptive(plan, [], MIDDLE[Level.beginner])
            assert first is not None
            assert plan[first].difficulty <= 2

    def test_who_knows_everything_skips_what_was_shown_and_who_knows_nothing_is_soon_done(
        self,
    ) -> None:
        for plan in built_in():
            results = taken(plan, lambda _: True)
            assert LEAST <= len(results) <= MOST
            assert len(known(plan, results)) >= len(plan) * 2 // 3
            nothing = taken(plan, lambda _: False)
            assert len(nothing) <= LEAST
            assert known(plan, nothing) == {}

    def test_nobody_is_asked_about_what_builds_on_something_unknown(self) -> None:
        chance = random.Random(7)
        for plan in built_in() * 5:
            results = taken(plan, lambda _: chance.random() < 0.6)
            assert len({at for at, _ in results}) == len(results) <= MOST
            for number, (at, _) in enumerate(results):
                wrong = {earlier for earlier, right in results[:number] if not right}
                assert not wrong & plan[at].before
            wrong = {at for at, right in results if not right}
            for at in known(plan, results):
                assert not wrong & {at, *plan[at].before}

    def test_a_module_is_asked_in_order(self) -> None:
        plan, results = planned(CHAIN), list[Result]()
        while (at := in_order(plan, results, 2)) is not None:
            results.append((at, True))
        assert [at for at, _ in results] == [0, 0, 1, 1, 2, 2, 3, 3]


def modules_of(client: TestClient, roadmap: str) -> list[dict[str, Any]]:
    return [module for stage in client.get(roadmap).json()["stages"] for module in stage["modules"]]


def concepts_of(client: TestClient, roadmap: str) -> dict[str, dict[str, Any]]:
    modules = modules_of(client, roadmap)
    return {concept["id"]: concept for module in modules for concept in module["concepts"]}


def asked(found: dict[str, Any]) -> Question:
    """The question of a response, with its answers."""
    with session():
        current = reviews.current_quiz(UUID(found["question"]["concept_id"]))
    assert current is not None
    return current[1].questions[found["question"]["question"]["id"]]


def state_of(found: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**{name: found[name] for name in ("revision", "seed", "results")}, **more}


def answered(found: dict[str, Any], *, is_known: bool = True, **more: Any) -> dict[str, Any]:
    """The request with the right answer to the question of a response, or with none."""
    question = asked(found)
    right = question.accepted[0] if question.type == "typed" else question.right
    its = {name: found["question"][name] for name in ("concept_id", "version")}
    return state_of(found, **its, chosen=right if is_known else [], **more)


def posted(client: TestClient, path: str, body: dict[str, Any], status: int = 200) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


class TestPlacement:
    def test_what_is_known_is_proposed_and_skipped_once_it_is_confirmed(
        self, client: TestClient, roadmap: str
    ) -> None:
        before = concepts_of(client, roadmap)
        done = next(iter(before))
        client.put(f"{roadmap}/concepts/{done}/progress", json={"progress": "done"})
        place = f"{roadmap}/placement"
        found, count = posted(client, place, {"seed": 7}), 0
        while found["question"]:
            assert found["question"]["concept_id"] != done
            assert not {"answers", "accepted", "explanation"} & {*found["question"]["question"]}
            again = posted(client, place, body := answered(found))
            found, count = posted(client, place, body), count + 1
            assert found == again
        assert LEAST <= count <= MOST == found["most"]
        proposed = {each["concept_id"]: each["shown_by"] for each in found["proposed"]}
        assert len(proposed) > count
        assert done not in proposed
        assert all(by == id_ or id_ in ancestors(before, by) for id_, by in proposed.items())
        assert {each["progress"] for each in concepts_of(client, roadmap).values()} == {
            "done",
            "todo",
        }
        body = {"revision": found["revision"], "concept_ids": [done, *proposed]}
        assert posted(client, f"{place}/skip", body)["concept_ids"] == [*proposed]
        after = {id_: each["progress"] for id_, each in concepts_of(client, roadmap).items()}
        assert after == {
            id_: "done" if id_ == done else "skipped" if id_ in proposed else "todo"
            for id_ in after
        }

    def test_one_that_was_left_is_continued_until_the_proposal_is_confirmed(
        self, client: TestClient, roadmap: str
    ) -> None:
        place = f"{roadmap}/placement"
        begun = posted(client, place, {"seed": 7})
        second = posted(client, place, answered(begun))
        assert posted(client, place, {}) == second
        module = {"module_id": modules_of(client, roadmap)[1]["id"]}
        assert posted(client, place, module)["results"] == ""  # another one
        page = client.get(roadmap.removeprefix(API) + "/placement").text
        assert "Question 2 of at most" in page
        assert f'placement?seed={begun["seed"] + 1}"' in page
        over = client.get(f"{roadmap.removeprefix(API)}/placement?seed=8").text
        assert "Question 1 of at most" in over
        assert posted(client, place, {"seed": 8})["results"] == ""  # started over
        form = {"concept_id": second["question"]["concept_id"], "unknown": "on"}
        state = f"revision=1&seed=7&results={second['results']}"
        client.post(
            f"{roadmap.removeprefix(API)}/placement?{state}",
            data={**form, "version": second["question"]["version"]},
        )
        third = posted(client, place, {})
        assert third["results"].count(".") == 1
        ids = [each["concept_id"] for each in third["proposed"]][:1] or [
            *concepts_of(client, roadmap)
        ]
        posted(client, f"{place}/skip", {"revision": 1, "concept_ids": ids[:1]})
        assert posted(client, place, {})["results"] == ""

    def test_who_knows_nothing_skips_nothing(self, client: TestClient, roadmap: str) -> None:
        found = posted(client, f"{roadmap}/placement", {})
        while found["question"]:
            found = posted(client, f"{roadmap}/placement", answered(found, is_known=False))
        assert (found["proposed"], "r" in found["results"]) == ([], False)

    def test_one_tests_out_of_a_module_by_two_answers_about_each_concept(
        self, client: TestClient, roadmap: str
    ) -> None:
        module = modules_of(client, roadmap)[1]
        scope = {"module_id": module["id"]}
        found, questions = posted(client, f"{roadmap}/placement", scope), []
        missed = module["concepts"][-1]["id"]
        while found["question"]:
            question = found["question"]
            questions.append((question["concept_id"], question["question"]["id"]))
            is_known = question["concept_id"] != missed or len(questions) % 2 == 1
            found = posted(
                client, f"{roadmap}/placement", answered(found, is_known=is_known, **scope)
            )
        ids = [concept["id"] for concept in module["concepts"]]
        assert [id_ for id_, _ in questions] == [id_ for id_ in ids for _ in range(2)]
        assert len({*questions}) == len(questions) == found["most"]
        assert [each["concept_id"] for each in found["proposed"]] == ids[:-1]
        body = {"revision": 1, "concept_ids": ids[:1], "progress": "done"}
        posted(client, f"{roadmap}/placement/skip", body)
        assert client.get(f"{API}/today").json()["minutes"] == 0  # it was known
        assert concepts_of(client, roadmap)[ids[0]]["progress"] == "done"
        with session():
            assert ReviewCard.select().where(ReviewCard.concept == ids[0]).exists()

    def test_the_seed_chooses_questions_and_their_order(
        self, client: TestClient, roadmap: str
    ) -> None:
        first = [posted(client, f"{roadmap}/placement", {"seed": seed}) for seed in range(9)]
        assert len({each["question"]["question"]["prompt"] for each in first}) > 1
        assert [each["question"]["question"]["seed"] for each in first] == [*range(9)]
        assert {each["seed"] for each in [posted(client, f"{roadmap}/placement", {})]} != {0}

    def test_what_has_no_quiz_or_asks_about_the_tutorial_is_left_out(
        self, client: TestClient, roadmap: str
    ) -> None:
        ids = [*concepts_of(client, roadmap)]
        with transaction():
            quizzes = Content.kind == ContentKind.quiz
            Content.update(version=0).where(quizzes, Content.concept != ids[15]).execute()
            content = Content.get(quizzes, Content.concept == ids[15])
            row = ContentVersion.get(ContentVersion.content == content)
            body = row.body
            for question in body["questions"][1:]:
                question["needs_tutorial"] = True
            ContentVersion.update(body=body).where(ContentVersion.content == content).execute()
        found = posted(client, f"{roadmap}/placement", {})
        assert (found["question"]["concept_id"], found["question"]["question"]["id"]) == (
            ids[15],
            0,
        )
        found = posted(client, f"{roadmap}/placement", answered(found))
        assert [each["concept_id"] for each in found["proposed"]] == [ids[15]]
        assert found["question"] is None

    def test_a_plan_or_a_quiz_that_has_changed_is_a_conflict(
        self, client: TestClient, roadmap: str
    ) -> None:
        found = posted(client, f"{roadmap}/placement", {})
        body = answered(found)
        with transaction():
            its = (Content.concept == body["concept_id"]) & (Content.kind == ContentKind.quiz)
            Content.update(version=0).where(its).execute()
        refused = posted(client, f"{roadmap}/placement", body, 409)
        assert "question has changed" in refused["detail"]
        assert posted(client, f"{roadmap}/placement", state_of(found))["question"]
        key = next(iter(concepts_of(client, roadmap).values()))["key"]
        rename = {"op": "rewrite", "what": "concept", "key": key, "hours": 9}
        posted(client, f"{roadmap}/edits", {"operations": [rename]}, 202)
        for path in ("/placement", "/placement/skip"):
            more = {"concept_ids": [body["concept_id"]]} if path.endswith("skip") else {}
            refused = posted(client, f"{roadmap}{path}", {"revision": 1, **more}, 409)
            assert "revision 2, not 1" in refused["detail"]
        with session():
            assert not Concept.select().where(Concept.progress != "todo").exists()

    def test_what_does_not_fit_is_refused(self, client: TestClient, roadmap: str) -> None:
        found = posted(client, f"{roadmap}/placement", {})
        wrong = {**answered(found), "chosen": [99]}
        assert posted(client, f"{roadmap}/placement", wrong, 422)["errors"][0]["pointer"] == (
            "#/chosen"
        )
        for results in ("1", "x", ".".join(["1r"] * (MOST + 1))):
            posted(client, f"{roadmap}/placement", {"results": results}, 422)
        posted(client, f"{roadmap}/placement", {"module_id": roadmap.rpartition("/")[2]}, 404)
        posted(client, f"{roadmap}/placement/skip", {"revision": 1, "concept_ids": []}, 422)
        assert posted(client, f"{roadmap}/placement", {"results": "999r"})["results"] == ""
        over = {**answered(found), "results": ".".join(["0r"] * MOST)}
        assert posted(client, f"{roadmap}/placement", over)["results"] == over["results"]


def ancestors(concepts: dict[str, dict[str, Any]], id_: str) -> set[str]:
    needs = set(concepts[id_]["prerequisites"])
    return needs.union(*(ancestors(concepts, each) for each in needs))
