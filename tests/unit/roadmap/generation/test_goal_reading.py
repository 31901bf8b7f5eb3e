"""Concepts are found by their names, and goals are matched with what is taught."""

from itertools import chain

from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.catalogue.goal_reading import read_goal
from roadmap.generation.catalogue.loader import index, tracks
from roadmap.plan.match import GoalMatch
from roadmap.plan.outline import Level
from roadmap.plan.schemas import RoadmapRequest
from roadmap.plan.validation import problems
from tests.cases import try_each
from tests.goals.index import INDEX, written
from tests.unit.roadmap.generation.catalogue_files import plan

TITLES = [(key, concept.title) for (key, _), concept in index().items()]
TOPICS = [
    (f"{track.id}/{id_}", word)
    for track in tracks().values()
    for id_, words in track.topics.items()
    for word in words
]


def match(goal: str, **fields: object) -> GoalMatch:
    request = RoadmapRequest.model_validate({"goal": goal, **fields}).in_language_of_goal()
    return CatalogueGenerator().match(request)


class TestNames:
    def test_the_index_is_that_of_the_files(self) -> None:
        assert INDEX.read_text("utf-8") == written()

    def test_every_concept_is_found_by_its_title_in_both_languages(self) -> None:
        assert len(TITLES) == 2 * 211
        wrong = [title for key, title in TITLES if key not in read_goal(title).named]
        assert wrong == []
        learn = ("Learn ", "学习")
        asked = [(key, learn[not title.isascii()] + title) for key, title in TITLES]
        wrong = [goal for key, goal in asked if key not in read_goal(goal).named]
        assert len(wrong) <= 0.02 * len(asked), wrong

    def test_nineteen_of_twenty_topics_find_a_concept_that_has_them(self) -> None:
        wrong = []
        for key, word in TOPICS:
            named = read_goal(f"learn {word}").named
            of_word = {other for other, each in TOPICS if each == word}
            if not named & of_word:
                wrong.append((key, word, named))
        assert len(wrong) <= 0.05 * len(TOPICS), wrong

    def test_tables_of_a_track_name_its_own_concepts(self) -> None:
        for track in tracks().values():
            named = chain(track.topics, chain.from_iterable(track.around.values()))
            assert set(named) <= set(track.concept_ids)
            assert {*track.about, *track.around} <= track.match.points.keys()


class TestSmallCourses:
    @try_each(
        ("goal", "key", "most_hours"),
        [
            ("learn git", "devops/git-workflows-for-teams", 20),
            ("学 Git", "python-backend/command-line-and-git", 20),
            ("Docker Compose", "devops/containers-with-compose", 50),
            ("docker and docker compose", "devops/containers-with-compose", 50),
            ("SQL window functions", "data-analysis/sql-window-functions", 15),
            ("窗口函数", "data-analysis/sql-window-functions", 15),
            ("Kafka", "python-backend/event-streams", 90),
            ("OAuth", "cyber-security/oauth-and-oidc", 40),
            ("linux command line and bash for operations", "devops/safe-shell-scripts", 15),
        ],
    )
    def test_one_subject_is_a_course_of_it_and_what_it_needs(
        self, goal: str, key: str, most_hours: int
    ) -> None:
        found = match(goal)
        assert not found.asks
        assert [each.scope for each in found.choices] == ["fitting", "track"]
        assert found.summary
        outline = plan(goal)
        assert problems(outline) == []
        assert key in [concept.key for concept in outline.concepts()]
        assert outline.hours <= most_hours

    @try_each("level", Level)
    def test_what_is_asked_for_stays_at_each_level(self, level: Level) -> None:
        keys = [concept.key for concept in plan("learn git", level=level).concepts()]
        assert "devops/git-workflows-for-teams" in keys

    def test_a_role_is_the_whole_track(self) -> None:
        found = match("Become a DevOps engineer with git and Docker")
        assert (found.asks, found.choices) == (False, [])
        assert found.covered == ["DevOps", "git", "Docker"]

    def test_other_tracks_teach_the_same_once(self) -> None:
        keys = {concept.key for concept in plan("Terraform, CI/CD and Kubernetes").concepts()}
        assert {"devops/build-pipelines", "cloud-kubernetes/pods-and-workloads"} <= keys
        twice = ("kubernetes-pods-and-deployments", "kubernetes-services-and-configuration")
        assert not {f"devops/{id_}" for id_ in (*twice, "gitops")} & keys
        assert "cloud-kubernetes/images-and-registries" not in keys


class TestNearMisses:
    def test_excel_is_not_taught(self) -> None:
        found = match("Excel")
        assert (found.asks, found.partly, found.covered) == (True, ["Excel"], [])
        assert found.summary == (
            "You asked for Excel. 0 of 22 concepts of Data analysis with Python and SQL teach "
            "Excel; 9 teach what surrounds it."
        )
        assert [(each.scope, len(each.concepts)) for each in found.choices] == [
            ("fitting", 12),
            ("track", 22),
        ]

    @try_each(
        ("goal", "partly", "missing"),
        [
            ("Go microservices", ["Go microservices"], []),
            ("pass AWS SAA", ["AWS"], []),
            ("Learn Django", ["Django"], []),
            ("学 Excel", ["Excel"], []),
            ("Kafka and Rust", [], ["Rust"]),
            ("backend, Zig", [], ["Zig"]),
        ],
    )
    def test_they_ask(self, goal: str, partly: list[str], missing: list[str]) -> None:
        found = match(goal)
        assert (found.asks, found.partly, found.missing) == (True, partly, missing)
        assert all(word in found.summary for word in (*partly, *missing))

    def test_most_goals_that_find_a_track_start_at_once(self) -> None:
        assert all(not match(track.title).asks for track in tracks().values())


class TestTime:
    @try_each("goal", ["PostgreSQL in a weekend", "周末学会 PostgreSQL"])
    def test_a_weekend_holds_three_concepts(self, goal: str) -> None:
        found = match(goal)
        assert (found.asks, found.fits_in_time, found.hours_available) == (True, False, 20)
        fitting, track = found.choices
        assert (fitting.scope, len(fitting.concepts), fitting.hours) == ("fitting", 3, 19)
        assert track.hours == 163
        assert all(title in found.summary for title in fitting.concepts)

    @try_each(
        ("goal", "hours"),
        [
            ("SQL in 3 days", 30),
            ("SQL in two days", 20),
            ("两天内学会 SQL", 20),
            ("learn git this week", 40),
            ("一周内学会 Git", 40),
            ("每个周末学 Git", None),
            ("learn git", None),
        ],
    )
    def test_a_goal_can_state_its_time(self, goal: str, hours: int | None) -> None:
        assert match(goal).hours_available == hours

    def test_a_small_course_that_fits_starts_at_once(self) -> None:
        assert not match("learn git this week").asks
