"""A goal that spans tracks gets one plan of them, and a skill leaves concepts out."""

from itertools import combinations, product

import pytest
from starlette.testclient import TestClient

from core.errors import Invalid
from roadmap.generation.catalogue.generator import CatalogueGenerator, find_tracks
from roadmap.generation.catalogue.loader import CHINESE, load_concept, load_track, tracks
from roadmap.plan.outline import Level, Outline
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.validation import problems
from tests.cases import try_each
from tests.unit.roadmap.generation.catalogue_files import design, plan

FULL_STACK = "Full-stack web with Python and React"
KNOWS = "I know SQL and pandas, want data analysis"


def keys(outline: Outline) -> list[str]:
    return [concept.key for concept in outline.concepts()]


class TestTracks:
    @try_each("pair", list(combinations(tracks(), 2)), ids=str)
    def test_any_two_make_a_plan_at_each_level(self, pair: tuple[str, str]) -> None:
        """Titles of two tracks name both, in each language, if neither has the other's subject."""
        its = [tracks()[id_] for id_ in pair]
        languages = [tag for tag in its[0].languages if tag in its[1].languages]
        for language, level in product(languages, Level):
            titles = [load_track(id_, language).title for id_ in pair]
            goal = " and ".join(titles) if language == "en" else "、".join(titles)
            if pair == ("python-backend", "databases"):
                goal = "PostgreSQL replication, backend in Python"
            assert {track.id for track in find_tracks(goal)} == set(pair)
            outline = plan(goal, level=level, language=language)
            assert problems(outline) == []
            assert {key.partition("/")[0] for key in keys(outline)} == set(pair)
            assert all(title in outline.title for title in titles)

    def test_three_are_the_most(self) -> None:
        goal = "Frontend, backend, DevOps, machine learning and penetration testing"
        assert len(find_tracks(goal)) == 3
        assert problems(plan(goal)) == []

    def test_stages_are_mixed_and_prerequisites_cross(self) -> None:
        outline = plan(FULL_STACK)
        stages = [stage.key.partition("/")[0] for stage in outline.stages]
        assert sorted(stages) != stages != sorted(stages, reverse=True)
        concepts = {concept.key: concept for concept in outline.concepts()}
        needed = concepts["web-frontend/async-and-fetch"].prerequisites
        assert "python-backend/http-fundamentals" in needed
        alone = {concept.key: concept for concept in plan("frontend").concepts()}
        needed = alone["web-frontend/async-and-fetch"].prerequisites
        assert all(key.startswith("web-frontend/") for key in needed)

    def test_what_both_teach_is_there_once_and_others_build_on_it(self) -> None:
        outline = plan("PostgreSQL replication, backend in Python")
        concepts = {concept.key: concept for concept in outline.concepts()}
        assert "python-backend/transactions" not in concepts
        needed = concepts["python-backend/database-access-in-python"].prerequisites
        assert "databases/isolation-and-locks" in needed

    def test_capstones_stay_with_their_stages(self) -> None:
        assert all(stage.capstone for stage in plan(FULL_STACK).stages)


class TestLanguages:
    def test_chinese_is_there_if_all_are_in_chinese(self) -> None:
        fitted = CatalogueGenerator().fit(RoadmapRequest(goal="全栈工程师").in_language_of_goal())
        assert fitted.language == CHINESE
        outline = CatalogueGenerator().outline(design(fitted))
        assert outline.title == "Web 前端开发工程师 + Python 后端工程师"

    def test_one_that_is_not_translated_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(vars(tracks()["python-backend"]), "languages", ["en"])
        request = RoadmapRequest(goal=FULL_STACK, language=CHINESE)
        with pytest.raises(Invalid, match="'Backend engineer with Python' is not written in"):
            CatalogueGenerator().fit(request)
        request = RoadmapRequest(goal="全栈工程师").in_language_of_goal()
        assert CatalogueGenerator().fit(request).language == "en"


class TestSkills:
    @try_each(
        ("goal", "sentence"),
        [
            (KNOWS, "Left out, because you know SQL, pandas: Python for analysts"),
            ("会 SQL 和 pandas，想学数据分析", "你已掌握 SQL、pandas，因此略去："),
        ],
    )
    def test_they_leave_concepts_out_with_a_sentence(self, goal: str, sentence: str) -> None:
        request = CatalogueGenerator().fit(RoadmapRequest(goal=goal).in_language_of_goal())
        analysis = CatalogueGenerator().analyse(request)
        assert analysis.remark.startswith(sentence)
        assert load_concept("data-analysis", "sql-select-and-group", request.language).title in (
            analysis.known
        )
        outline = CatalogueGenerator().outline(design(request))
        assert problems(outline) == []
        assert "data-analysis/sql-select-and-group" not in keys(outline)
        assert "data-analysis/ab-tests" in keys(outline)

    @try_each(
        "goal",
        [
            "I know Python and want to learn Python properly",
            "Become a data analyst with SQL and pandas",
            "data analysis",
        ],
    )
    def test_the_aim_itself_stays(self, goal: str) -> None:
        request = RoadmapRequest(goal=goal)
        (track,) = find_tracks(goal)
        assert CatalogueGenerator().analyse(request).remark == ""
        assert len(keys(plan(goal))) == len(track.concept_ids)

    def test_nothing_is_left_out_if_that_is_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        track = tracks()["data-analysis"]
        monkeypatch.setitem(track.teaches, "sql", track.concept_ids)
        goal = "I know pandas and SQL, want data analysis"  # reads otherwise than KNOWS: not cached
        assert len(keys(plan(goal))) == len(track.concept_ids)


class TestBuilding:
    @try_each("review", [False, True])
    def test_contents_of_both_tracks_are_written(self, client: TestClient, review: bool) -> None:
        made = client.post("/api/v1/roadmaps", json={"goal": FULL_STACK, "review": review})
        path = made.headers["location"]
        if review:
            assert client.get(path).json()["status"] == "awaiting_review"
            assert client.post(f"{path}/approve", json={}).status_code in (200, 202)
        tree = client.get(path).json()
        assert tree["status"] == "ready"
        concepts = [
            concept
            for stage in tree["stages"]
            for module in stage["modules"]
            for concept in module["concepts"]
        ]
        assert {each["key"].partition("/")[0] for each in concepts} == {
            "web-frontend",
            "python-backend",
        }
        assert {
            content["status"] for concept in concepts for content in concept["contents"].values()
        } == {"ready"}

    def test_the_page_says_what_is_left_out(self, client: TestClient) -> None:
        path = client.post("/api/v1/roadmaps", json={"goal": KNOWS}).headers["location"]
        assert "because you know SQL, pandas" in client.get(path.removeprefix("/api/v1")).text
