"""Every track and concept of the catalogue keeps the rules of docs/CATALOGUE.md."""

import re
from collections import Counter
from itertools import chain
from typing import get_args

from roadmap.generation.catalogue.generator import find_tracks
from roadmap.generation.catalogue.loader import (
    TRACKS,
    Track,
    has,
    lexicon,
    load_capstones,
    load_concept,
    load_track,
    tracks,
)
from roadmap.plan.markdown_sanitizer import sanitize
from roadmap.plan.outline import Level, ResourceType
from tests.cases import try_each
from tests.unit.roadmap.generation.catalogue_files import BLOCK, each_track, in_order, plan

FOLDERS = sorted(path.name for path in TRACKS.iterdir() if path.is_dir())
CONCEPTS = [
    (folder, path.stem)
    for folder in FOLDERS
    for path in sorted((TRACKS / folder / "concepts").iterdir())
]
RESOURCE_TYPES = set(get_args(ResourceType))
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)


def prose(tutorial: str) -> str:
    """The tutorial without its code, blocks and inline."""
    return INLINE_CODE.sub("", BLOCK.sub("", tutorial))


each_concept = try_each(("track_id", "concept_id"), CONCEPTS)


class TestTracks:
    def test_the_folder_of_each_track_has_its_id(self) -> None:
        assert sorted(tracks()) == FOLDERS
        assert [track.position for track in tracks().values()] == list(range(1, len(FOLDERS) + 1))
        assert len(FOLDERS) >= 8
        assert all(ID.fullmatch(track_id) for track_id in FOLDERS)

    @each_track
    def test_each_track_has_at_least_fifteen_concepts_each_in_one_place_and_in_one_file(
        self, track: Track
    ) -> None:
        placed = in_order(track)
        assert len(placed) >= 15
        assert [concept for concept, times in Counter(placed).items() if times > 1] == []
        assert sorted(placed) == sorted(
            concept for folder, concept in CONCEPTS if folder == track.id
        )
        assert [
            path.name for path in (TRACKS / track.id / "concepts").iterdir() if path.suffix != ".md"
        ] == []
        for language in track.languages[1:]:
            translated = [
                path.stem for path in (TRACKS / track.id / language / "concepts").iterdir()
            ]
            assert sorted(translated) == sorted(placed)
        assert [concept for concept in placed if not ID.fullmatch(concept)] == []

    @each_track
    def test_no_stage_and_no_module_is_empty_or_without_words(self, track: Track) -> None:
        assert track.stages
        for part in [
            *track.stages,
            *(module for stage in track.stages for module in stage.modules),
        ]:
            assert 1 <= len(part.title) <= 200
            assert part.description.endswith(".")
        assert all(stage.modules for stage in track.stages)
        assert all(module.concepts for stage in track.stages for module in stage.modules)

    @each_track
    def test_the_head_says_where_the_track_leads(self, track: Track) -> None:
        assert 1 <= len(track.title) <= 200
        assert track.summary.endswith(".")
        assert track.language == "en"

    @each_track
    def test_every_meaning_of_which_a_track_speaks_has_words(self, track: Track) -> None:
        match = track.match
        assert {*match.points, *match.against, *match.despite, *track.teaches} <= lexicon().names

    @each_track
    def test_the_title_of_a_track_finds_that_track(self, track: Track) -> None:
        for language in track.languages:  # the title is the goal of a ready-made roadmap
            assert [each.id for each in find_tracks(load_track(track.id, language).title)] == [
                track.id
            ]

    @each_track
    def test_concepts_that_it_names_exist(self, track: Track) -> None:
        assert {id_ for ids in track.teaches.values() for id_ in ids} <= set(track.concept_ids)
        assert track.same_as.keys() <= set(track.concept_ids)
        needed = (load_concept(track.id, id_).prerequisites for id_ in track.concept_ids)
        for key in chain(*track.same_as.values(), *needed):
            its, _, concept_id = key.rpartition("/")
            assert has(its or track.id, concept_id)
            assert its != track.id

    @each_track
    def test_prerequisites_exist_and_come_earlier(self, track: Track) -> None:
        earlier: set[str] = set()
        for concept_id in in_order(track):
            its = load_concept(track.id, concept_id).prerequisites
            needed = [name for name in its if "/" not in name]
            assert len(set(needed)) == len(needed)
            assert set(needed) <= earlier, concept_id
            earlier.add(concept_id)

    @each_track
    def test_nothing_is_easier_than_what_it_needs(self, track: Track) -> None:
        for concept_id in in_order(track):
            concept = load_concept(track.id, concept_id)
            needed = {
                name: load_concept(
                    *(name if "/" in name else f"{track.id}/{name}").split("/")
                ).difficulty
                for name in concept.prerequisites
            }
            assert {
                name: level for name, level in needed.items() if level > concept.difficulty
            } == {}, concept_id

    @each_track
    def test_addresses_are_named_once_in_a_track(self, track: Track) -> None:
        concepts = [load_concept(track.id, concept) for concept in in_order(track)]
        named = Counter(
            resource.url
            for concept in concepts
            for resource in (*concept.resources, *concept.spares)
        )
        assert [url for url, times in named.items() if times > 1] == []

    @each_track
    def test_titles_are_used_once_in_a_track(self, track: Track) -> None:
        titles = Counter(
            load_concept(track.id, concept).title.lower() for concept in in_order(track)
        )
        assert [title for title, times in titles.items() if times > 1] == []


class TestConcepts:
    """Rules of these files alone, which quality/ does not measure."""

    @each_concept
    def test_it_keeps_the_rules_of_the_format(self, track_id: str, concept_id: str) -> None:
        concept = load_concept(track_id, concept_id)
        assert 1 <= len(concept.title) <= 80
        assert 1 <= len(concept.description) <= 200
        assert concept.description.endswith(".")
        assert 1 <= concept.hours <= 20
        assert 1 <= concept.difficulty <= 5
        assert concept.known_from is not Level.beginner  # or every learner would know it
        assert 2 <= len(concept.outcomes) <= 4
        assert [
            outcome for outcome in concept.outcomes if not outcome or outcome.endswith(".")
        ] == []
        assert [
            outcome
            for outcome in concept.outcomes
            if outcome.split()[0] != outcome.split()[0].lower()
        ] == []
        assert 3 <= len(concept.resources) <= 5
        assert 1 <= len(concept.spares) <= 2
        for resource in (*concept.resources, *concept.spares):
            assert re.fullmatch(r"https://[^/\s]+\.[^/\s]+(/\S*)?", resource.url)
            assert resource.type in RESOURCE_TYPES
            assert resource.level is not None
            assert re.fullmatch(r"[a-z]{2}(-[A-Z]{2})?", resource.language)
            assert resource.why.endswith(".")

    @each_concept
    def test_its_questions_have_the_answers_that_their_types_promise(
        self, track_id: str, concept_id: str
    ) -> None:
        concept = load_concept(track_id, concept_id)
        assert 4 <= len(concept.questions) <= 7
        assert len({question.type for question in concept.questions}) >= 2
        assert len({question.prompt for question in concept.questions}) == len(concept.questions)
        for question in concept.questions:
            assert len(question.prompt) > 10
            assert len(question.explanation) > 40
            assert question.explanation.rstrip("`").endswith((".", "!", "?"))
            if question.type in ("typed", "order"):
                continue
            right = set(question.answers)
            assert right <= set(range(len(question.options)))
            assert len(right) >= 2 if question.type == "multiple" else len(question.answers) == 1
            assert len(right) < len(question.options)
            if question.type == "true_false":
                assert question.options == ("True", "False")

    @each_concept
    def test_its_tutorial_has_the_form_of_all(self, track_id: str, concept_id: str) -> None:
        concept = load_concept(track_id, concept_id)
        tutorial = concept.tutorial
        taught, _, practice = tutorial.partition("\n## Exercise")
        most = 1050 if practice.startswith("\n") else 2000  # with several exercises
        assert len(taught.split()) >= 450
        assert 600 <= len(tutorial.split()) <= most
        assert re.match(r"[\w'\"`*“(]", tutorial)  # it starts with a paragraph
        assert not re.match(r"```|\* |\d+\. ", tutorial)
        headings = re.findall(r"^##? .*$", BLOCK.sub("", tutorial), re.MULTILINE)
        assert headings[-2:] in (["## Exercise", "## Solution"], ["## Exercises", "## Solutions"])
        assert len(headings) >= 4
        assert "```" not in BLOCK.sub("", tutorial)
        text = prose(tutorial)
        assert re.findall(r"^\s{0,3}#(?!# \S).*$", prose(taught), re.MULTILINE) == []
        assert re.findall(r"^(?:=+|-+)\s*$", text, re.MULTILINE) == []
        assert re.findall(r"</?[A-Za-z!][^\n]*", text) == []
        assert re.findall(r"!?\[[^\]\n]*\](?:\(|\[|:)", text) == []
        assert re.findall(r"\w+://\S+", text) == []


class TestProjects:
    def test_each_is_for_a_stage_and_has_text_that_can_be_read(self) -> None:
        for track in tracks().values():
            for language in track.languages:
                for capstone in load_capstones(track.id, language):
                    assert sanitize(capstone.brief) == capstone.brief
                    assert len(set(capstone.criteria)) == len(capstone.criteria)

    def test_one_is_left_out_with_more_than_half_of_its_stage(self) -> None:
        titles = {
            level: [stage.capstone and stage.capstone.title for stage in plan(level=level).stages]
            for level in Level
        }
        _, *others = titles[Level.beginner]
        assert all(titles[Level.beginner])
        assert titles[Level.intermediate] == [None, *others]
        assert titles[Level.advanced] == others
