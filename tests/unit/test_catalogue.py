"""Every track under roadmap/tracks keeps the rules of docs/CATALOGUE.md, and the catalogue finds and cuts them rightly."""

import re
from collections import Counter
from functools import lru_cache
from itertools import combinations
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.errors import Invalid
from roadmap.briefs import ConceptBrief, DesignBrief, GeneratorFault
from roadmap.catalogue import TRACKS, Catalogue, CatalogueConcept, Track, find_track, load_concept, tracks
from roadmap.checks import problems
from roadmap.outline import ContentKind, Level, Outline, Quiz, Resources, Tutorial, total_weeks
from roadmap.requests import RoadmapRequest

FOLDERS = sorted(path.name for path in TRACKS.iterdir() if path.is_dir())
CONCEPTS = [(folder, path.stem) for folder in FOLDERS for path in sorted((TRACKS / folder / "concepts").iterdir())]
RESOURCE_TYPES = {"documentation", "tutorial", "reference", "specification", "book", "course", "video", "article", "tool"}
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
BLOCK = re.compile(r"^```([\w+-]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
SHINGLE = 8  # words: long enough that common phrases are none, short enough that one copied sentence is many
MOST_SHARED = 0.04  # of the shorter tutorial's shingles; measured: 0.020 at most (imports and schemas that examples
# have in common), 0.003 on average; one copied paragraph of 60 words is 0.055 of a tutorial of 1,000


def in_order(track: Track) -> list[str]:
    return [concept for stage in track.stages for module in stage.modules for concept in module.concepts]


def prose(tutorial: str) -> str:
    """The tutorial without its code, blocks and inline."""
    return INLINE_CODE.sub("", BLOCK.sub("", tutorial))


@lru_cache(maxsize=1000)
def shingles(track_id: str, concept_id: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", load_concept(track_id, concept_id).tutorial.lower())
    return frozenset(zip(*(words[start:] for start in range(SHINGLE)), strict=False))


def design(request: RoadmapRequest) -> DesignBrief:
    return DesignBrief(request, Catalogue().analyse(request))


def plan(goal: str = "Become a backend engineer in Python", **fields: Any) -> Outline:
    return Catalogue().outline(design(RoadmapRequest(goal=goal, **fields)))


def brief(key: str) -> ConceptBrief:
    request = RoadmapRequest(goal="Become a backend engineer in Python")
    return ConceptBrief(request, "title", "stage", "module", key, "concept", "description", ("outcome",))


@pytest.fixture(params=FOLDERS)
def track(request: pytest.FixtureRequest) -> Track:
    return tracks()[request.param]


@pytest.fixture(params=CONCEPTS, ids="/".join)
def concept(request: pytest.FixtureRequest) -> CatalogueConcept:
    return load_concept(*request.param)


class TestTracks:
    def test_the_folder_of_each_track_has_its_id(self) -> None:
        assert list(tracks()) == FOLDERS
        assert all(ID.fullmatch(track_id) for track_id in FOLDERS)

    def test_each_track_has_at_least_fifteen_concepts_each_in_one_place_and_in_one_file(self, track: Track) -> None:
        placed = in_order(track)
        assert len(placed) >= 15
        assert [concept for concept, times in Counter(placed).items() if times > 1] == []
        assert sorted(placed) == sorted(concept for folder, concept in CONCEPTS if folder == track.id)
        assert [path.name for path in (TRACKS / track.id / "concepts").iterdir() if path.suffix != ".md"] == []
        assert [concept for concept in placed if not ID.fullmatch(concept)] == []

    def test_no_stage_and_no_module_is_empty_or_without_words(self, track: Track) -> None:
        assert track.stages
        for part in [*track.stages, *(module for stage in track.stages for module in stage.modules)]:
            assert 1 <= len(part.title) <= 200
            assert part.description.endswith(".")
        assert all(stage.modules for stage in track.stages)
        assert all(module.concepts for stage in track.stages for module in stage.modules)

    def test_the_head_says_where_the_track_leads(self, track: Track) -> None:
        assert 1 <= len(track.title) <= 200
        assert track.summary.endswith(".")
        assert track.language == "en"

    def test_matching_words_are_lower_case_and_stand_in_one_list_each(self, track: Track) -> None:
        match = track.match
        for words in (match.subject, match.related, match.other, match.unless):
            assert len(set(words)) == len(words)
            assert words == [word.lower().strip() for word in words]
        assert match.subject
        assert not set(match.subject) & set(match.related)
        assert not set(match.other) & {*match.subject, *match.related, *match.unless}

    def test_the_title_of_a_track_finds_that_track(self, track: Track) -> None:
        found = find_track(track.title)
        assert found is not None
        assert found.id == track.id

    def test_prerequisites_exist_and_come_earlier(self, track: Track) -> None:
        earlier: set[str] = set()
        for concept_id in in_order(track):
            needed = load_concept(track.id, concept_id).prerequisites
            assert len(set(needed)) == len(needed)
            assert set(needed) <= earlier, concept_id
            earlier.add(concept_id)

    def test_nothing_is_easier_than_what_it_needs(self, track: Track) -> None:
        for concept_id in in_order(track):
            concept = load_concept(track.id, concept_id)
            needed = {name: load_concept(track.id, name).difficulty for name in concept.prerequisites}
            assert {name: level for name, level in needed.items() if level > concept.difficulty} == {}, concept_id

    def test_addresses_are_named_once_in_a_track(self, track: Track) -> None:
        named = Counter(resource.url for concept in in_order(track) for resource in load_concept(track.id, concept).resources)
        assert [url for url, times in named.items() if times > 1] == []

    def test_titles_are_used_once_in_a_track(self, track: Track) -> None:
        titles = Counter(load_concept(track.id, concept).title.lower() for concept in in_order(track))
        assert [title for title, times in titles.items() if times > 1] == []

    def test_tutorials_do_not_repeat_each_other(self) -> None:
        repeated = {}
        for one, other in combinations(CONCEPTS, 2):
            first, second = shingles(*one), shingles(*other)
            shared = len(first & second) / min(len(first), len(second))
            if shared > MOST_SHARED:
                repeated[one, other] = round(shared, 3)
        assert repeated == {}


class TestConcepts:
    def test_title_and_description_have_their_lengths(self, concept: CatalogueConcept) -> None:
        assert 1 <= len(concept.title) <= 80
        assert 1 <= len(concept.description) <= 200
        assert concept.description.endswith(".")

    def test_hours_and_difficulty_are_in_range(self, concept: CatalogueConcept) -> None:
        assert 1 <= concept.hours <= 20
        assert 1 <= concept.difficulty <= 5

    def test_nobody_is_said_to_know_it_before_everybody(self, concept: CatalogueConcept) -> None:
        assert concept.known_from is not Level.beginner

    def test_outcomes_complete_the_sentence_you_will_be_able_to(self, concept: CatalogueConcept) -> None:
        assert 2 <= len(concept.outcomes) <= 4
        assert [outcome for outcome in concept.outcomes if not outcome or outcome.endswith(".")] == []
        assert [outcome for outcome in concept.outcomes if outcome.split()[0] != outcome.split()[0].lower()] == []

    def test_resources_are_few_secure_and_say_what_for(self, concept: CatalogueConcept) -> None:
        assert 3 <= len(concept.resources) <= 5
        for resource in concept.resources:
            assert re.fullmatch(r"https://[^/\s]+\.[^/\s]+(/\S*)?", resource.url)
            assert resource.type in RESOURCE_TYPES
            assert re.fullmatch(r"[a-z]{2}(-[A-Z]{2})?", resource.language)
            assert resource.title
            assert resource.why.endswith(".")

    def test_questions_are_four_to_six_of_mixed_types(self, concept: CatalogueConcept) -> None:
        assert 4 <= len(concept.questions) <= 6
        assert len({question.type for question in concept.questions}) >= 2
        assert len({question.prompt for question in concept.questions}) == len(concept.questions)

    def test_every_question_has_the_answers_that_its_type_allows(self, concept: CatalogueConcept) -> None:
        for question in concept.questions:
            right, options = set(question.answers), question.options
            assert len(right) == len(question.answers)
            assert right <= set(range(len(options)))
            assert len(set(options)) == len(options)
            if question.type == "multiple":
                assert len(right) >= 2
            else:
                assert len(right) == 1
            if question.type == "true_false":
                assert options == ("True", "False")

    def test_every_question_is_explained(self, concept: CatalogueConcept) -> None:
        for question in concept.questions:
            assert len(question.prompt) > 10
            assert len(question.explanation) > 40
            assert question.explanation.rstrip("`").endswith((".", "!", "?"))

    def test_the_tutorial_has_six_hundred_to_a_thousand_words(self, concept: CatalogueConcept) -> None:
        assert 600 <= len(concept.tutorial.split()) <= 1050

    def test_the_tutorial_starts_with_a_paragraph(self, concept: CatalogueConcept) -> None:
        assert re.match(r"[\w'\"`*“(]", concept.tutorial)
        assert not re.match(r"```|\* |\d+\. ", concept.tutorial)

    def test_the_tutorial_ends_with_an_exercise_and_its_solution(self, concept: CatalogueConcept) -> None:
        headings = re.findall(r"^#.*$", BLOCK.sub("", concept.tutorial), re.MULTILINE)
        assert headings[-2:] == ["## Exercise", "## Solution"]
        assert len(headings) >= 4
        sections = re.split(r"^## (?:Exercise|Solution)$", concept.tutorial, flags=re.MULTILINE)
        assert len(sections) == 3
        assert all(len(section.split()) > 20 for section in sections)

    def test_sections_are_of_the_second_level(self, concept: CatalogueConcept) -> None:
        text = prose(concept.tutorial)
        assert re.findall(r"^\s{0,3}#(?!# \S).*$", text, re.MULTILINE) == []
        assert re.findall(r"^(?:=+|-+)\s*$", text, re.MULTILINE) == []

    def test_the_tutorial_has_no_html_no_links_and_no_images_outside_code(self, concept: CatalogueConcept) -> None:
        text = prose(concept.tutorial)
        assert re.findall(r"</?[A-Za-z!][^\n]*", text) == []
        assert re.findall(r"!?\[[^\]\n]*\](?:\(|\[|:)", text) == []
        assert re.findall(r"\w+://\S+", text) == []

    def test_every_block_of_code_is_closed(self, concept: CatalogueConcept) -> None:
        assert "```" not in BLOCK.sub("", concept.tutorial)

    def test_every_python_block_compiles(self, concept: CatalogueConcept) -> None:
        for language, code in BLOCK.findall(concept.tutorial):
            if language in ("python", "py"):
                compile(code, "tutorial", "exec", dont_inherit=True)


class TestLevels:
    def test_the_more_is_known_the_less_is_taught(self, track: Track) -> None:
        counts = [len(list(plan(track.title, level=level).concepts())) for level in Level]
        assert counts[0] == len(in_order(track))
        assert counts[0] > counts[1] > counts[2] > 0

    @pytest.mark.parametrize("level", Level)
    def test_what_stays_can_be_learned_from_top_to_bottom(self, track: Track, level: Level) -> None:
        outline = plan(track.title, level=level)
        assert problems(outline) == []
        assert [stage.title for stage in outline.stages if not stage.modules] == []

    @pytest.mark.parametrize("level", Level)
    def test_what_stays_needs_all_of_its_prerequisites_that_stay(self, track: Track, level: Level) -> None:
        kept = {concept.key: concept for concept in plan(track.title, level=level).concepts()}
        for key, concept in kept.items():
            needed = {f"{track.id}/{name}" for name in load_concept(track.id, key.partition("/")[2]).prerequisites}
            assert set(concept.prerequisites) == needed & set(kept)

    def test_a_level_drops_exactly_what_is_known_from_it_on(self, track: Track) -> None:
        order = list(Level)
        for level in Level:
            kept = {concept.key.partition("/")[2] for concept in plan(track.title, level=level).concepts()}
            known = {c: load_concept(track.id, c).known_from for c in in_order(track)}
            news = {c for c, since in known.items() if since is None or order.index(level) < order.index(since)}
            assert kept == news

    def test_who_knows_a_concept_knows_what_it_needs(self, track: Track) -> None:
        order = list(Level)
        for concept_id in in_order(track):
            concept = load_concept(track.id, concept_id)
            if concept.known_from is not None:
                since = [load_concept(track.id, needed).known_from for needed in concept.prerequisites]
                assert all(level and order.index(level) <= order.index(concept.known_from) for level in since), concept_id

    def test_fewer_hours_a_week_take_more_weeks(self, track: Track) -> None:
        outline = plan(track.title)
        durations = [total_weeks(outline, hours) for hours in (1, 2, 5, 10, 20, 40)]
        assert durations == sorted(set(durations), reverse=True)
        assert durations[0] == outline.hours


MATCHING = [
    ("Become a backend engineer in Python", "python-backend"),
    ("become a backend engineer", "python-backend"),
    ("BACKEND DEVELOPER!", "python-backend"),
    ("learn to write REST APIs with FastAPI", "python-backend"),
    ("Learn Django", "python-backend"),
    ("Build a web API with PostgreSQL", "python-backend"),
    ("Learn Python programming", "python-backend"),
    ("I want to write server-side software, with a database.", "python-backend"),
    ("Build back-end\nservices in Python/Flask", "python-backend"),
    ("Switch from Java to Python for backend work", "python-backend"),
    ("Rewrite our Rails app in Django", "python-backend"),
    ("Become a microservices expert", "python-backend"),
    ("I want to go from zero to backend developer", "python-backend"),
    ("Excel at backend development", "python-backend"),
    ("Become a Rust backend engineer", None),
    ("Learn Java Spring", None),
    ("Build a backend with Spring Boot", None),
    ("Become a backend engineer with Node.js", None),
    ("Backend development with Node", None),
    ("Become an ASP.NET backend developer", None),
    ("Build back-end services in C#", None),
    ("A game backend in C++.", None),
    ("Learn Go for microservices", None),
    ("Learn PHP and Laravel", None),
    ("Ruby on Rails web services", None),
    ("backend with Kotlin", None),
    ("Bake sourdough bread", None),
    ("Play the piano", None),
    ("Run a marathon", None),
    ("Serve tables in a restaurant", None),
    ("Speak Spanish on holiday", None),
    ("Study the webs of spiders", None),
    ("Charm a python", None),
]


class TestGoals:
    @pytest.mark.parametrize(("goal", "expected"), MATCHING)
    def test_a_goal_finds_its_track_or_none(self, goal: str, expected: str | None) -> None:
        found = find_track(goal)
        assert (found and found.id) == expected

    def test_a_goal_that_fits_no_track_is_refused_with_the_tracks_there_are_and_the_way_out(self) -> None:
        with pytest.raises(Invalid) as refused:
            Catalogue().check(RoadmapRequest(goal="Bake sourdough bread"))
        (field,) = refused.value.fields
        assert field.pointer == "/goal"
        assert "OPENAI_API_KEY" in field.detail
        assert all(track.title in field.detail for track in tracks().values())

    def test_a_goal_that_fits_no_track_is_refused_over_http_and_nothing_is_stored(self, client: TestClient) -> None:
        answer = client.post("/api/v1/roadmaps", json={"goal": "Bake sourdough bread"})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "#/goal"
        assert "Backend engineer with Python" in error["detail"]
        assert "OPENAI_API_KEY" in error["detail"]
        assert client.get("/api/v1/roadmaps").json()["items"] == []

    @pytest.mark.parametrize("language", ["de", "pt-BR", "zh-Hant-TW", "eng"])
    def test_a_language_other_than_english_is_refused(self, language: str) -> None:
        with pytest.raises(Invalid) as refused:
            Catalogue().check(RoadmapRequest(goal="Learn Django", language=language))
        (field,) = refused.value.fields
        assert field.pointer == "/language"
        assert "English" in field.detail
        assert "OPENAI_API_KEY" in field.detail

    @pytest.mark.parametrize("language", ["en", "EN", "en-GB", "en-us"])
    def test_english_of_any_country_is_accepted(self, language: str) -> None:
        request = RoadmapRequest(goal="Learn Django", language=language)
        Catalogue().check(request)
        assert problems(Catalogue().outline(design(request))) == []

    def test_an_outline_for_a_goal_without_a_track_is_a_lasting_fault(self) -> None:
        with pytest.raises(GeneratorFault, match="OPENAI_API_KEY") as fault:
            plan("Bake sourdough bread")
        assert fault.value.lasting


class TestWriting:
    @pytest.mark.parametrize(
        ("kind", "shape"),
        [(ContentKind.tutorial, Tutorial), (ContentKind.resources, Resources), (ContentKind.quiz, Quiz)],
    )
    def test_every_concept_of_an_outline_can_be_written(self, track: Track, kind: ContentKind, shape: type) -> None:
        for concept in plan(track.title).concepts():
            assert isinstance(Catalogue().write(kind, brief(concept.key)), shape)

    @pytest.mark.parametrize("key", ["python-backend/gone", "gone/caching", "gone", "", "../python-backend/caching", "/etc"])
    def test_a_concept_that_is_not_there_any_more_is_a_lasting_fault(self, key: str) -> None:
        with pytest.raises(GeneratorFault, match="create the roadmap anew") as fault:
            Catalogue().write(ContentKind.tutorial, brief(key))
        assert fault.value.lasting
