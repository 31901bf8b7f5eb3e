"""The picture of a roadmap: everything in its place, texts in their boxes, no scripts."""

import base64
import hashlib
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from core.i18n import LANGUAGES
from core.i18n import texts as texts_in
from roadmap.exchange.map.drawing import SHAPES, described, draw, exported, inlined
from roadmap.exchange.map.layout import Box, Curve, Direction, Label, MapLayout, Point, arrange
from roadmap.exchange.map.style import DARK, LIGHT, RULES, STYLE, STYLE_SOURCE
from roadmap.exchange.map.text_width import ELLIPSIS, text_width, wrap
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import ConceptProgress, ContentStatus, Progress, RoadmapStatus
from roadmap.plan.views import (
    WORDS,
    ConceptMark,
    ConceptNode,
    ContentState,
    Learned,
    ModuleNode,
    RoadmapTree,
    StageNode,
    concepts_of,
    mark_of,
    next_of,
)
from testing.stack import GOAL
from tests.cases import try_each

API = "/api/v1"
SVG = "{http://www.w3.org/2000/svg}"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_WORD = "Donaudampfschifffahrtsgesellschaft" * 3
ENGLISH = "How an index makes a query fast, and what it costs every time a row is written"
CHINESE = (
    "数据库索引与查询计划：为什么索引能让查询变快，以及每次写入一行数据时要付出的代价（事务、隔离级别与缓存一致性）"
    * 2
)
HOSTILE = (
    "</text><script>alert(1)</script>&amp;\"'><a href='javascript:alert(1)' onclick=\"x\">"
    "]]>\x00\x1b\u202e\ud800\ufffe"
)
TITLES = (
    ENGLISH,
    CHINESE,
    LONG_WORD[:80],
    HOSTILE,
    "SQL",
    "家族👨‍👩‍👧‍👦 и Щёлочь",
    "W" * 80,
    "W\u200d" * 40,
    " ",
)
UPRIGHT, NARROW = Direction.columns, Direction.rows

ZH = texts_in("zh-Hans")

both = pytest.mark.parametrize("direction", list(Direction))
each_language = pytest.mark.parametrize("language", list(LANGUAGES))


def states(*statuses: ContentStatus) -> dict[ContentKind, ContentState]:
    return {
        kind: ContentState(status=status, version=int(status == ContentStatus.ready), error="")
        for kind, status in zip(ContentKind, statuses, strict=False)
    }


def a_concept(
    number: int,
    title: str = "A concept",
    prerequisites: tuple[int, ...] = (),
    progress: ConceptProgress = ConceptProgress.todo,
    *statuses: ContentStatus,
) -> ConceptNode:
    needs = [UUID(int=other) for other in prerequisites]
    values = {
        "description": "",
        "hours": 2,
        "week": 1,
        "difficulty": 2,
        "outcomes": [],
        "progress": progress,
        "progress_at": None,
    }
    contents = states(*statuses or (ContentStatus.ready,) * 3)
    return ConceptNode(
        id=UUID(int=number),
        key=str(number),
        title=title,
        prerequisites=needs,
        contents=contents,
        **values,
    )


def a_tree(
    stages: list[list[list[ConceptNode]]], titles: tuple[str, ...] = ("A stage",), **more: Any
) -> RoadmapTree:
    """Stages of modules of concepts; stages and modules take their titles in turn."""
    names = itertools.cycle(titles)
    ids = itertools.count(10_000)

    def head() -> dict[str, Any]:
        id_ = next(ids)
        return {
            "id": UUID(int=id_),
            "key": str(id_),
            "title": next(names),
            "description": "",
            "hours": 4,
        }

    nodes = [
        StageNode(**head(), modules=[ModuleNode(**head(), concepts=module) for module in stage])
        for stage in stages
    ]
    summary = {
        "id": UUID(int=1),
        "goal": GOAL,
        "title": "A roadmap",
        "status": RoadmapStatus.ready,
        "error": "",
        "generator": "",
    }
    asked = {
        "level": "beginner",
        "language": "en",
        "hours_per_week": 8,
        "deadline": None,
        "weeks": 3,
        "hours": 24,
    }
    asked["begins_on"] = NOW.date()
    books = {
        "revision": 1,
        "spent": 0,
        "over_budget": False,
        "created_at": NOW,
        "updated_at": NOW,
        "finished_at": NOW,
    }
    rest = {
        "review": False,
        "resource_language": None,
        "analysis": None,
        "remarks": [],
        "estimate": None,
    }
    counts = {
        "progress": Progress(ready=0, failed=0, total=0),
        "learned": Learned(done=0, skipped=0, learning=0, total=0, hours_done=0),
    }
    return RoadmapTree(**{**summary, **asked, **books, **rest, **counts, "stages": nodes, **more})


def of_size(stages: int, concepts: int, titles: tuple[str, ...], seed: int = 1) -> RoadmapTree:
    """Make concepts in stages, in modules of one to four, that need some of those before them."""
    random = Random(seed)
    made: list[list[list[ConceptNode]]] = [[] for _ in range(stages)]
    for number in range(1, concepts + 1):
        stage = made[(number - 1) * stages // concepts]
        if not stage or len(stage[-1]) >= random.randint(1, 4):
            stage.append([])
        before = tuple(random.sample(range(1, number), min(number - 1, random.randint(0, 3))))
        statuses = (random.choice(list(ContentStatus)) for _ in range(3))
        stage[-1].append(
            a_concept(
                number,
                random.choice(titles),
                before,
                random.choice(list(ConceptProgress)),
                *statuses,
            )
        )
    return a_tree(made, titles)


sizes = st.tuples(st.integers(1, 8), st.integers(8, 60))
texts = st.one_of(st.sampled_from(TITLES), st.text(max_size=80))


@st.composite
def trees(draw_: Any) -> RoadmapTree:
    stages, concepts = draw_(sizes)
    titles = tuple(draw_(st.lists(texts, min_size=1, max_size=5)))
    return of_size(stages, concepts, titles, draw_(st.integers(0, 1000)))


def overlap(one: Box, two: Box) -> bool:
    return one.x < two.right and two.x < one.right and one.y < two.bottom and two.y < one.bottom


def inside(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x
        and inner.right <= outer.right + 1e-6
        and outer.y <= inner.y
        and inner.bottom <= outer.bottom + 1e-6
    )


def labels_of(layout: MapLayout) -> Iterator[tuple[Label, Box]]:
    """Every label, with the box that it must stay in."""
    whole = Box(0, 0, layout.width, layout.height)
    yield from ((label, whole) for label in layout.heading)
    yield from ((key.label, key.box) for key in layout.legend)
    for block in layout.stages:
        yield from ((label, block.box) for label in block.labels)
        for card in block.cards:
            yield card.label, card.box
            yield from ((pill.label, pill.box) for pill in card.pills)


def points_of(curve: Curve) -> Iterator[Point]:
    """Along the curve."""
    start = curve.start
    for one, two, end in curve.bends:
        for step in range(21):
            t = step / 20
            parts = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            corners = (start, one, two, end)
            yield (
                sum(part * point[0] for part, point in zip(parts, corners, strict=True)),
                sum(part * point[1] for part, point in zip(parts, corners, strict=True)),
            )
        start = end


def check_places(layout: MapLayout) -> None:
    whole = Box(0, 0, layout.width, layout.height)
    cards = [card for block in layout.stages for card in block.cards]
    for boxes in (
        [pill.box for pill in layout.pills],
        [card.box for card in cards],
        [block.box for block in layout.stages],
    ):
        assert not [pair for pair in itertools.combinations(boxes, 2) if overlap(*pair)]
    for block in layout.stages:
        assert inside(block.box, whole)
        assert all(inside(card.box, block.box) for card in block.cards)
        heads = [
            *(label.box for label in block.labels),
            block.bar.box,
            *(card.box for card in block.cards),
        ]
        assert not [pair for pair in itertools.combinations(heads, 2) if overlap(*pair)]
    for card in cards:
        assert all(
            inside(pill.box, card.box) and not overlap(pill.box, card.label.box)
            for pill in card.pills
        )
    keys = [key.box for key in layout.legend]
    assert not [pair for pair in itertools.combinations(keys, 2) if overlap(*pair)]
    assert all(
        inside(box, whole) and not overlap(box, block.box)
        for box in keys
        for block in layout.stages
    )


def check_labels(layout: MapLayout) -> None:
    for label, box in labels_of(layout):
        assert 1 <= len(label.lines) <= 3
        assert inside(label.box, box), label
        for line, baseline in zip(label.lines, label.baselines, strict=True):
            assert text_width(line, label.size, bold=label.bold) <= label.box.width + 1e-6
            assert label.box.y <= baseline - 0.8 * label.size
            assert baseline + 0.2 * label.size <= label.box.bottom


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)


@both
class TestLayout:
    @each_language
    @given(tree=trees())
    def test_no_box_overlaps_another_and_every_label_stays_inside(
        self, direction: Direction, language: str, tree: RoadmapTree
    ) -> None:
        layout = arrange(tree, direction, texts=texts_in(language))
        check_places(layout)
        check_labels(layout)

    @try_each("language", LANGUAGES)
    @try_each(("concepts", "title"), [*itertools.product((8, 60), TITLES), (200, HOSTILE)])
    def test_the_same_holds_for_eight_stages_of_any_titles(
        self, direction: Direction, language: str, concepts: int, title: str
    ) -> None:
        layout = arrange(of_size(8, concepts, (title,)), direction, texts=texts_in(language))
        assert len(layout.pills) == concepts
        check_places(layout)
        check_labels(layout)

    @given(tree=trees())
    def test_every_prerequisite_is_one_curve_that_touches_no_pill_and_stays_in_the_picture(
        self, direction: Direction, tree: RoadmapTree
    ) -> None:
        layout = arrange(tree, direction)
        wanted = [
            (source, concept.id)
            for concept in concepts_of(tree)
            for source in concept.prerequisites
        ]
        assert sorted((curve.source, curve.target) for curve in layout.curves) == sorted(wanted)
        boxes = [pill.box for pill in layout.pills]
        for curve in layout.curves:
            for x, y in points_of(curve):
                assert 0 <= x <= layout.width
                assert 0 <= y <= layout.height
                assert not [
                    b
                    for b in boxes
                    if b.x + 0.5 < x < b.right - 0.5 and b.y + 0.5 < y < b.bottom - 0.5
                ]

    @each_language
    def test_the_same_tree_gives_the_same_picture(
        self, direction: Direction, language: str
    ) -> None:
        one, two = (
            exported(of_size(5, 40, TITLES), direction, texts_in(language)) for _ in range(2)
        )
        assert one == two

    def test_a_roadmap_without_a_plan_says_so(self, direction: Direction) -> None:
        planned = arrange(a_tree([], title="", status=RoadmapStatus.planning), direction)
        failed = arrange(a_tree([], title="", status=RoadmapStatus.failed), direction)
        asks = arrange(a_tree([], title="", status=RoadmapStatus.awaiting_answers), direction)
        assert asks.empty == failed.empty
        assert planned.empty
        assert failed.empty
        assert (planned.empty.lines, failed.empty.lines) == (
            ("Drafting your plan …",),
            ("No plan.",),
        )
        assert GOAL in exported(a_tree([], title=""), direction)

    def test_a_roadmap_without_a_plan_says_so_in_chinese(self, direction: Direction) -> None:
        planned = arrange(a_tree([], title="", status=RoadmapStatus.planning), direction, texts=ZH)
        failed = arrange(a_tree([], title="", status=RoadmapStatus.failed), direction, texts=ZH)
        assert planned.empty
        assert failed.empty
        assert (planned.empty.lines, failed.empty.lines) == (
            ("正在制定学习计划……",),
            ("没有学习计划。",),
        )
        assert described(a_tree([]), ZH) == "还没有知识点。"

    def test_stages_and_modules_may_be_empty(self, direction: Direction) -> None:
        tree = a_tree([[], [[]], [[a_concept(1)]], [], [[a_concept(2, prerequisites=(1,))]]])
        check_places(arrange(tree, direction))
        parsed(exported(tree, direction))

    def test_what_is_not_in_the_plan_or_is_the_concept_itself_is_no_prerequisite(
        self, direction: Direction
    ) -> None:
        assert arrange(a_tree([[[a_concept(1, prerequisites=(1, 77))]]]), direction).curves == ()

    def test_a_prerequisite_that_comes_later_is_a_curve_too(self, direction: Direction) -> None:
        tree = a_tree(
            [
                [[a_concept(1, prerequisites=(2, 3, 4)), a_concept(2)], [a_concept(3)]],
                [[a_concept(4)]],
            ]
        )
        assert len(arrange(tree, direction).curves) == 3


def test_columns_stand_side_by_side_and_rows_below_one_another() -> None:
    tree = of_size(4, 20, ("A title",))
    upright, narrow = arrange(tree, UPRIGHT), arrange(tree, NARROW)
    assert len({block.box.y for block in upright.stages}) == 1
    assert len({block.box.x for block in upright.stages}) == 4
    assert len({block.stage.id: block.cards[0].box.y for block in upright.stages}.values()) == 4
    assert len({block.cards[0].box.y for block in upright.stages}) == 1
    assert len({block.box.x for block in narrow.stages}) == 1
    assert narrow.width == 360


class TestDrawing:
    @given(tree=trees())
    def test_it_is_xml_with_every_concept_and_every_prerequisite_once(
        self, tree: RoadmapTree
    ) -> None:
        root = parsed(draw(tree, arrange(tree), lambda id_: f"/concepts/{id_}"))
        links = [a.attrib["href"] for a in root.iter(f"{SVG}a")]
        assert links == [f"/concepts/{concept.id}" for concept in concepts_of(tree)]
        (curves,) = [g for g in root.iter(f"{SVG}g") if g.get("class") == "p-curves"]
        assert len(curves) == sum(len(concept.prerequisites) for concept in concepts_of(tree))
        ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
        assert len(ids) == len(set(ids))
        assert {use.attrib["href"][1:] for use in root.iter(f"{SVG}use")} <= set(ids)

    @try_each("direction", Direction)
    @try_each("language", LANGUAGES)
    @try_each("title", [*TITLES, "100 %(state)s %d {state}"])
    def test_a_title_is_text_whatever_is_in_it(
        self, direction: Direction, language: str, title: str
    ) -> None:
        tree = of_size(2, 9, (title,)).model_copy(update={"title": title, "language": title})
        words = texts_in(language)
        for svg in (exported(tree, direction, words), inlined(tree, lambda _: f"/{title}", words)):
            elements = list(parsed(svg).iter())
            names = {element.tag.removeprefix(SVG) for element in elements}
            drawn = {
                "svg",
                "title",
                "desc",
                "g",
                "rect",
                "path",
                "circle",
                "text",
                "tspan",
                "use",
                "style",
                "a",
                "div",
            }
            assert names <= drawn
            for name in itertools.chain.from_iterable(element.attrib for element in elements):
                assert name != "style"
                assert not name.startswith("on")

    def test_a_title_that_was_cut_has_its_full_text_beside_it(self) -> None:
        tree = a_tree([[[a_concept(1, CHINESE)]]])
        assert arrange(tree).pills[0].label.lines[-1].endswith(ELLIPSIS)
        assert f"<title>{CHINESE}: continue here, ready to learn</title>" in exported(tree)

    def test_the_whole_and_each_concept_say_in_words_what_they_show(self) -> None:
        tree = a_tree(
            [
                [[a_concept(1, "One", (), ConceptProgress.done), a_concept(2, "Two", (1,))]],
                [[a_concept(3, "Three", (1, 2))]],
            ]
        )
        root = parsed(exported(tree))
        assert root.findtext(f"{SVG}title") == "A roadmap"
        assert root.findtext(f"{SVG}desc") == described(tree)
        assert "2 stages, 3 concepts, 24 hours, 3 weeks, 1 of 3 done." in described(tree)
        found = [
            (g.findtext(f"{SVG}title"), g.findtext(f"{SVG}desc"))
            for g in root.iter()
            if "p-concept" in g.get("class", "")
        ]
        assert [title for title, _ in found] == [
            "One: done",
            "Two: continue here, ready to learn",
            "Three: ready to learn",
        ]
        assert str(found[2][1]).endswith("Contents: ready to learn. Prerequisites: One; Two.")

    def test_a_file_that_stands_alone_has_its_style_and_no_links(self) -> None:
        root = parsed(exported(of_size(3, 12, TITLES)))
        assert [style.text for style in root.iter(f"{SVG}style")] == [STYLE]
        assert not list(root.iter(f"{SVG}a"))

    def test_a_page_gets_both_layouts_without_a_style_and_with_ids_of_their_own(self) -> None:
        html = inlined(of_size(3, 12, ("A title",)), lambda id_: f"/{id_}")
        ids = re.findall(r' id="([^"]+)"', html)
        assert len(ids) == len(set(ids))
        assert "<style" not in html
        assert [svg.attrib["class"] for svg in parsed(html).iter(f"{SVG}svg")] == [
            "picture picture-columns",
            "picture picture-rows",
        ]

    def test_it_stays_small_enough_to_be_part_of_a_page(self) -> None:
        assert len(exported(of_size(8, 60, (ENGLISH,))).encode()) < 150_000


class TestLanguages:
    def everything(self) -> RoadmapTree:
        """Every mark in it, curves, and titles of which no letter is Latin."""
        done, skipped, learning, todo = (
            ConceptProgress(name) for name in ("done", "skipped", "learning", "todo")
        )
        ready, pending, building = (
            ContentStatus.ready,
            ContentStatus.pending,
            ContentStatus.building,
        )
        failed, cancelled = ContentStatus.failed, ContentStatus.cancelled
        first = [
            a_concept(1, "索引", (), done),
            a_concept(2, "事务", (1,), skipped),
            a_concept(3, "锁", (1, 2), learning),
        ]
        second = [a_concept(4, "缓存", (), todo, ready), a_concept(5, "队列", (), todo, pending)]
        third = [
            a_concept(number, "网络", (), todo, status)
            for number, status in ((6, building), (7, failed), (8, cancelled))
        ]
        learned = a_concept(9, "路由", (), done)
        third.append(learned.model_copy(update={"learned_at": datetime.now(UTC)}))
        own = a_concept(10, "自学", (), todo)
        third.append(own.model_copy(update={"contents": {}, "yours": True}))
        tree = a_tree(
            [[first, second], [third]], ("数据库",), title="后端工程师", language="zh-Hans"
        )
        assert {pill.mark for pill in arrange(tree).pills} == set(ConceptMark)
        return tree

    @both
    def test_a_chinese_picture_has_no_english(self, direction: Direction) -> None:
        tree, empty = self.everything(), a_tree([], title="空")
        for svg in (
            exported(tree, direction, ZH),
            inlined(tree, lambda id_: f"/{id_}", ZH),
            exported(empty, direction, ZH),
        ):
            output = [
                element.text or "" for element in parsed(svg).iter() if element.tag != f"{SVG}style"
            ]
            assert [text for text in output if re.search("[A-Za-z]", text)] == []

    def test_the_legend_is_as_wide_as_its_words(self) -> None:
        legend = arrange(self.everything(), texts=ZH).legend
        words = [
            "从这里继续",
            "已掌握",
            "已完成",
            "已跳过",
            "等待生成",
            "生成中",
            "失败",
            "已取消",
            "由你来写",
            "可以学习",
            "学习中",
            "先修关系",
        ]
        assert [key.label.lines for key in legend] == [(word,) for word in words]
        assert [key.box.width for key in legend] == [24 + text_width(word, 12) for word in words]
        assert [key.mark for key in legend] == [
            key.mark for key in arrange(self.everything()).legend
        ]

    def test_the_description_is_whole_sentences(self) -> None:
        assert described(self.everything(), ZH) == (
            "2 个阶段，10 个知识点，24 小时，3 周，已完成 2/9。"
            "第 1 阶段“数据库”，已完成 1/4。模块：数据库；数据库。"
            "第 2 阶段“数据库”，已完成 1/5。模块：数据库。"
        )
        root = parsed(exported(self.everything(), texts=ZH))
        found = [
            (g.findtext(f"{SVG}title"), g.findtext(f"{SVG}desc"))
            for g in root.iter()
            if "p-concept" in g.get("class", "")
        ]
        assert found[2] == (
            "锁：从这里继续，学习中",
            "第 1 阶段“数据库”，模块“数据库”。需要 2 小时。内容：可以学习。先修：索引；事务。",
        )
        heads = [label.lines for label in arrange(self.everything(), texts=ZH).stages[0].labels]
        assert heads == [("第 1 阶段",), ("数据库",), ("4 小时 · 已完成 1/4",)]

    def test_one_is_not_many_in_english(self) -> None:
        tree = a_tree([[[a_concept(1)]]], hours=1, weeks=1)
        assert described(tree).startswith(
            "1 stage, 1 concept, 1 hour, 1 week, 0 of 1 done. Stage 1, A stage: 0 of 1 done. "
        )

    @try_each("direction", Direction)
    @try_each("language", LANGUAGES)
    @try_each("own", [*LANGUAGES, "de", ""])
    def test_every_text_is_marked_with_its_language(
        self, direction: Direction, language: str, own: str
    ) -> None:
        """The picture is in the reader's language, texts in their own; empty: unknown."""
        tree = a_tree([[[a_concept(1, "Titel")]]], ("Titel",), title="Titel", language=own)
        spoken: list[tuple[str, str]] = []

        def read(element: ET.Element, inherited: str) -> None:
            here = element.get("lang", inherited)
            if element.tag != f"{SVG}style" and (element.text or "").strip():
                spoken.append((str(element.text), here))
            for child in element:
                read(child, here)

        root = parsed(exported(tree, direction, texts_in(language)))
        read(root, "none")
        assert root.get("lang") == language
        titles = [here for text, here in spoken if text.startswith("Titel")]
        assert titles == [own] * len(titles)
        assert len(titles) == 6  # the whole twice, the stage, the module, the concept twice
        assert {here for text, here in spoken if not text.startswith("Titel")} == {language}


class TestMarks:
    READY, PENDING, BUILDING = ContentStatus.ready, ContentStatus.pending, ContentStatus.building
    FAILED, CANCELLED = ContentStatus.failed, ContentStatus.cancelled

    @try_each(
        ("progress", "statuses", "mark"),
        [
            ("todo", (READY, READY, READY), ConceptMark.ready),
            ("todo", (PENDING, PENDING, PENDING), ConceptMark.queued),
            ("todo", (READY, PENDING, PENDING), ConceptMark.building),
            ("todo", (PENDING, BUILDING, PENDING), ConceptMark.building),
            ("todo", (READY, BUILDING, FAILED), ConceptMark.failed),
            ("todo", (READY, CANCELLED, READY), ConceptMark.cancelled),
            ("learning", (READY, READY, READY), ConceptMark.learning),
            ("learning", (READY, PENDING, READY), ConceptMark.learning),
            ("learning", (READY, FAILED, READY), ConceptMark.failed),
            ("done", (READY, FAILED, READY), ConceptMark.done),
            ("skipped", (PENDING, PENDING, PENDING), ConceptMark.skipped),
        ],
    )
    def test_a_mark_says_how_far_it_is(
        self, progress: str, statuses: tuple[ContentStatus, ...], mark: ConceptMark
    ) -> None:
        assert mark_of(a_concept(1, "A", (), ConceptProgress(progress), *statuses)) == mark

    def test_the_next_one_is_begun_or_has_its_prerequisites(self) -> None:
        done, skipped, learning, todo = (
            ConceptProgress(name) for name in ("done", "skipped", "learning", "todo")
        )
        one, two = a_concept(1, "A", (), done), a_concept(2, "B", (), skipped)
        far, near = a_concept(3, "C", (4,), todo), a_concept(4, "D", (1, 2), todo)
        assert next_of([one, two, far, near]) == near.id
        assert next_of([one, two, far, near, a_concept(5, "E", (), learning)]) == UUID(int=5)
        assert next_of([one, two]) is None
        assert next_of([a_concept(6, "F", (), todo, ContentStatus.pending)]) is None

    def test_every_mark_has_a_shape_and_words_of_its_own(self) -> None:
        assert set(SHAPES) == set(WORDS) == set(ConceptMark)
        assert len(set(SHAPES.values())) == len(set(WORDS.values())) == len(ConceptMark)


class TestText:
    @given(text=texts, width=st.integers(110, 400), bold=st.booleans())
    @example(
        text="DonaudampfschifffahrtsgesellschaftDonaudampfschifffahrtsgesellschaftDonaudampfsc",
        width=390,
        bold=False,
    )
    def test_no_line_is_wider_than_it_may_be(self, text: str, width: int, bold: bool) -> None:
        lines = wrap(" ".join(text.split()), width, 13, bold=bold)
        assert len(lines) <= 3
        assert all(text_width(line, 13, bold=bold) <= width for line in lines)

    def test_nothing_is_lost_but_what_an_ellipsis_stands_for(self) -> None:
        assert " ".join(wrap(ENGLISH, 300, 13)) == ENGLISH
        assert "".join(wrap("数据库索引与查询计划", 60, 13)) == "数据库索引与查询计划"
        assert wrap(LONG_WORD, 100, 13)[-1].endswith(ELLIPSIS)

    def test_chinese_breaks_anywhere_but_before_a_mark_that_ends_something(self) -> None:
        assert wrap("数据库，索引", 39.5, 13) == ("数据", "库，索", "引")

    def test_a_wide_character_is_one_em_and_what_is_written_onto_another_is_none(self) -> None:
        assert text_width("索引", 10) == 20
        assert text_width("e\u0301", 10) == text_width("e", 10) == text_width("é", 10)


def luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, two: str) -> float:
    dark, light = sorted((luminance(one), luminance(two)))
    return (light + 0.05) / (dark + 0.05)


class TestStyle:
    @pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
    def test_every_text_and_every_mark_stands_out_from_what_is_behind_it(
        self, colours: dict[str, str]
    ) -> None:
        texts_on = [
            ("ink", "paper"),
            ("ink", "pill"),
            ("ink", "tint"),
            ("quiet", "paper"),
            ("quiet", "card"),
        ]
        texts_on += [("faded", "card"), ("faded", "pill"), ("on-accent", "accent")]
        marks_on = [
            ("good", "card"),
            ("bad", "pill"),
            ("busy", "pill"),
            ("accent", "tint"),
            ("quiet", "pill"),
        ]
        for front, back in texts_on + marks_on:
            assert contrast(colours[front], colours[back]) >= 4.5, (front, back)

    def test_both_themes_have_the_same_colours_and_every_one_is_used(self) -> None:
        assert LIGHT.keys() == DARK.keys() == set(re.findall(r"\$([a-z-]+)", RULES))
        assert "$" not in STYLE

    def test_the_style_sheet_loads_nothing_and_needs_no_escape(self) -> None:
        assert not re.search(r"url\(|@import|[<&]", STYLE)


class TestExport:
    def test_it_is_a_picture_with_a_name_that_may_load_and_run_nothing(
        self, client: TestClient, roadmap: str
    ) -> None:
        answer = client.get(f"{roadmap}/export.svg")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
        assert answer.headers["content-disposition"].startswith(
            "inline; filename=\"roadmap.svg\"; filename*=UTF-8''Backend%20"
        )
        style = next(parsed(answer.text).iter(f"{SVG}style")).text or ""
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" == STYLE_SOURCE
        policy = answer.headers["content-security-policy"]
        assert policy.startswith(f"default-src 'none'; style-src {STYLE_SOURCE};")
        assert "unsafe" not in policy
        stages = client.get(roadmap).json()["stages"]
        concepts = [len(each["concepts"]) for stage in stages for each in stage["modules"]]
        shapes = [each.get("class", "") for each in parsed(answer.text).iter(f"{SVG}g")]
        assert len([each for each in shapes if "p-concept" in each]) == sum(concepts) >= 15

    def test_it_is_not_sent_again_while_nothing_has_changed(
        self, client: TestClient, roadmap: str
    ) -> None:
        path = f"{roadmap}/export.svg"
        tag = client.get(path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        concept = client.get(roadmap).json()["stages"][0]["modules"][0]["concepts"][0]["id"]
        client.put(f"{roadmap}/concepts/{concept}/progress", json={"progress": "done"})
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 200

    def test_it_speaks_the_language_of_who_asks(self, client: TestClient, roadmap: str) -> None:
        path = f"{roadmap}/export.svg"
        english, chinese = (
            client.get(path, headers={"Accept-Language": wanted})
            for wanted in ("en, zh;q=0.5", "zh-CN")
        )
        for answer, language, words in (
            (english, "en", "Stage 1"),
            (chinese, "zh-Hans", "第 1 阶段"),
        ):
            assert parsed(answer.text).get("lang") == answer.headers["content-language"] == language
            assert answer.headers["vary"] == "Accept-Language, Accept-Encoding"
            assert f">{words}<" in answer.text
        assert english.headers["etag"] != chinese.headers["etag"]
        mixed = client.get(
            path, headers={"Accept-Language": "zh", "If-None-Match": english.headers["etag"]}
        )
        assert mixed.status_code == 200
        same = client.get(
            path, headers={"Accept-Language": "zh", "If-None-Match": chinese.headers["etag"]}
        )
        assert (same.status_code, same.headers["vary"], same.headers["content-language"]) == (
            304,
            "Accept-Language, Accept-Encoding",
            "zh-Hans",
        )

    def test_the_layout_can_be_chosen(self, client: TestClient, roadmap: str) -> None:
        assert 'width="360"' in client.get(f"{roadmap}/export.svg?layout=rows").text
        assert client.get(f"{roadmap}/export.svg?layout=spiral").status_code == 422

    def test_a_roadmap_that_is_not_there_has_no_picture(self, client: TestClient) -> None:
        assert client.get(f"{API}/roadmaps/{UUID(int=7)}/export.svg").status_code == 404

    def test_a_plan_that_is_not_made_yet_has_one_that_says_so(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tasks.dispatcher.sender.submit", lambda steps: None)
        location = client.post(f"{API}/roadmaps", json={"goal": GOAL}).headers["location"]
        assert "Drafting your plan …" in client.get(f"{location}/export.svg").text
        assert client.post(f"{location}/cancel").status_code == 202
        assert "No plan." in client.get(f"{location}/export.svg").text
