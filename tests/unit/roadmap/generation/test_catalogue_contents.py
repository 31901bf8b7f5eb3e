"""Contents of the catalogue, in English and Chinese."""

import re
from typing import Any

import pytest

from roadmap.generation.catalogue import loader
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.catalogue.loader import CHINESE, Track, load_concept, tracks
from roadmap.generation.context import ConceptBrief, GeneratorFault
from roadmap.plan.outline import ContentKind, Quiz, Resource, Resources, Tutorial
from roadmap.plan.schemas import RoadmapRequest
from tests.cases import try_each
from tests.unit.roadmap.generation.catalogue_files import BLOCK, design, each_track, in_order, plan


def written_of(resources: Resources, request: RoadmapRequest) -> Resources:
    """Resources that the catalogue names to this person, of a concept that has these."""
    concept = load_concept("python-backend", "caching").model_copy(
        update={"resources": list(resources.items)}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "load_concept", lambda *_: concept)
        key = "python-backend/caching"
        written = CatalogueGenerator().write(
            ContentKind.resources, ConceptBrief(request, "", "", "", key, "", "", ())
        )
    assert isinstance(written, Resources)
    return written


def brief(key: str) -> ConceptBrief:
    request = RoadmapRequest(goal="Become a backend engineer in Python")
    return ConceptBrief(
        request, "title", "stage", "module", key, "concept", "description", ("outcome",)
    )


class TestWriting:
    @try_each(
        ("kind", "shape"),
        [
            (ContentKind.tutorial, Tutorial),
            (ContentKind.resources, Resources),
            (ContentKind.quiz, Quiz),
        ],
    )
    @each_track
    def test_every_concept_of_an_outline_can_be_written(
        self, track: Track, kind: ContentKind, shape: type
    ) -> None:
        for concept in plan(track.title).concepts():
            assert isinstance(CatalogueGenerator().write(kind, brief(concept.key)), shape)

    @try_each(
        "key",
        ["python-backend/gone", "gone/caching", "gone", "", "../python-backend/caching", "/etc"],
    )
    def test_a_concept_that_is_not_there_any_more_is_a_lasting_fault(self, key: str) -> None:
        with pytest.raises(GeneratorFault, match="create a new roadmap") as fault:
            CatalogueGenerator().write(ContentKind.tutorial, brief(key))
        assert fault.value.lasting

    def test_what_is_liked_and_what_fits_the_level_comes_first(self) -> None:
        key = "python-backend/caching"
        concept = load_concept("python-backend", "caching")
        for level in {resource.level for resource in concept.resources}:
            request = RoadmapRequest(goal="Python backend", level=level)
            first = CatalogueGenerator().write(
                ContentKind.resources, ConceptBrief(request, "", "", "", key, "", "", ())
            )
            assert isinstance(first, Resources)
            assert first.items[0].level is level
            assert set(first.items) == set(concept.resources)
        request = RoadmapRequest(goal="Python backend", preferences="I read documentation.")
        liked = CatalogueGenerator().write(
            ContentKind.resources, ConceptBrief(request, "", "", "", key, "", "", ())
        )
        assert isinstance(liked, Resources)
        assert liked.items[0].type == "documentation"

    @try_each(
        ("preferences", "first"),
        [
            ("I like books.", "book"),
            ("Watching, please", "video"),
            ("我喜欢视频", "video"),
            ("看video或者textbooks", "video"),
            ("classical music, notebooks", "article"),
            ("I have no time to read, so videos", "video"),
            ("books rather than videos", "book"),
            ("Not only books", "book"),
            ("videos, not books", "video"),
            ("不错的视频", "video"),
            ("不喜欢看书, 喜欢视频", "video"),
            ("不看视频只看书", "book"),
            ("我特别喜欢看视频", "video"),
            ("看书不错", "book"),
            ("I prefer videos over books", "video"),
            ("I prefer books to videos", "book"),
            ("I hate books but like videos", "video"),
            ("I hate reading but love videos", "video"),
            ("not books but videos", "video"),
            ("no books - videos", "video"),
            ("No books only videos", "video"),
            ("no theory just videos", "video"),
            ("I can't get enough of videos", "video"),
            ("I don't mind videos", "video"),
            ("Not just videos", "video"),
            ("视频太棒了", "video"),
            ("不过视频更好", "video"),
            ("不看书看视频", "video"),
            ("不看书而看视频", "video"),
            ("不少视频", "video"),
            ("分别看视频和做练习", "video"),
            ("不管视频还是书都可以", "video"),
            ("没问题视频可以", "video"),
        ],
    )
    def test_a_preference_is_a_word_of_its_own(self, preferences: str, first: str) -> None:
        kinds = ("article", "video", "book", "course")
        named = {"title": "t", "language": "en", "why": "w"}
        resources = Resources(
            items=tuple(
                Resource(url=f"https://example.org/{kind}", type=kind, **named) for kind in kinds
            )
        )
        ordered = written_of(
            resources, RoadmapRequest(goal="Python backend", preferences=preferences)
        )
        assert ordered.items[0].type == first

    @try_each(
        ("preferences", "last"),
        [
            ("No videos please", "video"),
            ("I don't like watching videos.", "video"),
            ("I do not want to read books", "book"),
            ("courses rather than books", "book"),
            ("no videos or books", "book"),
            ("不要视频", "video"),
            ("我不喜欢看视频", "video"),
            ("讨厌视频", "video"),
            ("我最讨厌看书", "book"),
            ("避免课程", "course"),
            ("书籍看不懂", "book"),
            ("视频太慢", "video"),
            ("books bore me", "book"),
            ("I prefer videos over books", "book"),
            ("Videos don\u2019t work for me", "video"),
        ],
    )
    def test_what_is_not_liked_comes_last(self, preferences: str, last: str) -> None:
        named = {"title": "t", "language": "en", "why": "w"}
        kinds = ("video", "book", "article", "course")
        resources = Resources(
            items=tuple(
                Resource(url=f"https://example.org/{kind}", type=kind, **named) for kind in kinds
            )
        )
        ordered = written_of(
            resources, RoadmapRequest(goal="Python backend", preferences=preferences)
        )
        assert ordered.items[-1].type == last


FIRST_FOUR = ("python-backend", "web-frontend", "data-analysis", "devops")


class TestLanguages:
    def test_the_first_four_tracks_are_there_in_chinese(self) -> None:
        assert tuple(tracks())[:4] == FIRST_FOUR
        assert all(CHINESE in tracks()[track_id].languages for track_id in FIRST_FOUR)

    @try_each("track_id", FIRST_FOUR)
    def test_nothing_of_a_translation_is_left_in_english_without_a_word(
        self, track_id: str
    ) -> None:
        """But for addresses and titles of pages, and options that are code."""
        outline = plan(tracks()[track_id].title, language=CHINESE)
        request = RoadmapRequest(goal=tracks()[track_id].title, language=CHINESE)
        english = plan(tracks()[track_id].title)
        assert [concept.key for concept in outline.concepts()] == [
            concept.key for concept in english.concepts()
        ]
        nodes: list[Any] = [outline, *outline.stages, *outline.modules(), *outline.concepts()]
        assert [node.title for node in nodes if not is_chinese(node.title)] == []
        for node in outline.concepts():
            brief = ConceptBrief(
                request, "", "", "", node.key, node.title, node.description, node.outcomes
            )
            tutorial, resources, quiz = (
                CatalogueGenerator().write(kind, brief) for kind in ContentKind
            )
            assert isinstance(tutorial, Tutorial)
            assert isinstance(resources, Resources)
            assert isinstance(quiz, Quiz)
            found = [node.description, *node.outcomes, *(item.why for item in resources.items)]
            found += [
                text
                for question in quiz.questions
                for text in (question.prompt, question.explanation)
            ]
            assert [text for text in found if not is_chinese(text)] == []
            is_translated = tutorial.language is None
            assert is_chinese(tutorial.markdown.splitlines()[0])
            assert is_translated or (
                tutorial.language == "en" and "英文" in tutorial.markdown.splitlines()[0]
            )

    @try_each("language", ["zh", "zh-CN", "zh-Hans", "zh-SG", "ZH-hans-CN"])
    def test_simplified_chinese_of_any_country_is_accepted(self, language: str) -> None:
        request = RoadmapRequest(goal="学习后端开发", language=language)
        CatalogueGenerator().fit(request)
        assert is_chinese(CatalogueGenerator().outline(design(request)).title)

    def test_a_tutorial_that_is_translated_has_the_same_code(self) -> None:
        different = []
        for track_id in FIRST_FOUR:
            for concept_id in in_order(tracks()[track_id]):
                made = load_concept(track_id, concept_id, CHINESE)
                if made.tutorial_language == CHINESE:
                    if BLOCK.findall(made.tutorial) != BLOCK.findall(
                        load_concept(track_id, concept_id).tutorial
                    ):
                        different.append(f"{track_id}/{concept_id}")
                    assert re.findall(r"^## .*$", BLOCK.sub("", made.tutorial), re.MULTILINE)[
                        -2:
                    ] == ["## 练习", "## 解答"]
        assert different == []


def is_chinese(text: str) -> bool:
    return re.search(r"[\u4e00-\u9fff]", text) is not None
