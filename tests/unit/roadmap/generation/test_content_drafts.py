"""Tutorials that are being written: their place, and the reading of half an answer."""

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from time import thread_time

import pytest

from core.db import settings
from core.ids import new_id
from roadmap.generation import content_drafts
from roadmap.generation.content_drafts import LASTS, ContentDrafts, FileDrafts, RedisDrafts
from roadmap.generation.llm.schemas import LONGEST_TUTORIAL, markdown_so_far
from testing.servers import Redis, free_port
from tests.cases import try_each

ANSWER = json.dumps({"markdown": '# Dough\n\n"Fold" it, 写 🥖.\n\n\\d'})
ROADMAP, CONCEPT = new_id(), new_id()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContentDrafts:
    mine = settings.model_copy(update={"data_dir": tmp_path})
    monkeypatch.setattr(content_drafts, "settings", mine)
    return ContentDrafts(FileDrafts())


@pytest.fixture(params=["files", "redis"])
def drafts(request: pytest.FixtureRequest) -> ContentDrafts:
    if request.param == "files":
        return request.getfixturevalue("files")
    broker: Redis = request.getfixturevalue("broker")
    return ContentDrafts(RedisDrafts(broker.url()))


def test_a_draft_is_there_while_it_is_written(drafts: ContentDrafts) -> None:
    other, others = new_id(), new_id()
    with drafts.showing(ROADMAP, CONCEPT) as show, drafts.showing(ROADMAP, other) as show_other:
        assert drafts.read([ROADMAP]).get(ROADMAP, {}) == {}
        show('{"markdown": "# Dough')
        assert drafts.read([ROADMAP, others]) == {ROADMAP: {CONCEPT: "# Dough"}, others: {}}
        show('{"markdown": "# Dough\\n\\nFold <i>it')
        show_other("# Oven")
        assert drafts.read([ROADMAP])[ROADMAP] == {
            CONCEPT: "# Dough\n\nFold \\<i>it",
            other: "# Oven",
        }
    assert drafts.read([ROADMAP])[ROADMAP] == {}


def test_it_is_deleted_when_the_writing_fails(drafts: ContentDrafts) -> None:
    def fail() -> None:
        with drafts.showing(ROADMAP, CONCEPT) as show:
            show("# Dough")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert drafts.read([ROADMAP])[ROADMAP] == {}


def test_what_is_no_tutorial_yet_or_too_large_is_not_shown(drafts: ContentDrafts) -> None:
    with drafts.showing(ROADMAP, CONCEPT) as show:
        for answer in ("", "{", '{"markdown": "', "Sure!", "# A\n" + "x" * LONGEST_TUTORIAL):
            show(answer)
        show("# A\n" + ">" * 2_000 + "a")  # too intricate
        assert drafts.read([ROADMAP]).get(ROADMAP, {}) == {}


def test_a_text_that_is_hard_to_read_is_read_once(
    files: ContentDrafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_drafts, "HARD", 0.1)  # a tenth of what it takes
    hard = "# A\n" + "[" * 60_000
    with files.showing(ROADMAP, CONCEPT) as show:
        show(hard)
        began = thread_time()
        for _ in range(5):
            hard += "["
            show(hard)
        assert thread_time() - began < 2
        assert files.read([ROADMAP])[ROADMAP] == {}


def test_the_draft_of_a_dead_worker_is_forgotten(files: ContentDrafts, tmp_path: Path) -> None:
    show = files.showing(ROADMAP, CONCEPT).__enter__()
    show("# Dough")
    [path] = (tmp_path / "drafts").glob("*")
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - LASTS - 1))
    assert files.read([ROADMAP]) == {ROADMAP: {}}
    with files.showing(ROADMAP, new_id()) as another:
        another("# Oven")
    assert list((tmp_path / "drafts").glob("*")) == []


def test_in_redis_it_has_an_end(broker: Redis) -> None:
    with ContentDrafts(RedisDrafts(broker.url())).showing(ROADMAP, CONCEPT) as show:
        show("# Dough")
        assert 0 < broker.client().ttl(f"roadmap:drafts:{ROADMAP}") <= LASTS


def test_without_its_store_nothing_is_shown_and_nothing_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = ContentDrafts(RedisDrafts(f"redis://127.0.0.1:{free_port()}/0"))
    with away.showing(ROADMAP, CONCEPT) as show:
        show("# Dough")
        assert away.read([ROADMAP]) == {}
    assert [record.getMessage() for record in caplog.records] == [
        "tutorials are not shown while written: ConnectionError"
    ]


@try_each(
    "wrap",
    [
        lambda text: text,
        lambda text: f"<think>{{}} # No.</think>\n{text}",
        lambda text: f"```json\n{text}",
        lambda text: f"Here it is: {text}",
        lambda text: text.replace('{"', '{ "title": "x",\n  "').replace('": "#', '" :\n"#'),
    ],
)
def test_every_part_of_an_answer_is_the_beginning_of_its_markdown(
    wrap: Callable[[str], str],
) -> None:
    answer, whole = wrap(ANSWER), json.loads(ANSWER)["markdown"]
    grown = [markdown_so_far(answer[:end]) for end in range(len(answer) + 1)]
    assert grown[-1] == whole
    assert [text for text in grown if not whole.startswith(text.removesuffix("?"))] == []
    assert [len(text) for text in grown] == sorted(len(text) for text in grown)


def test_markdown_alone_is_shown_from_its_first_heading_on() -> None:
    assert markdown_so_far("Why?\n\n# Dough\n\nFold") == "Why?\n\n# Dough\n\nFold"
    assert markdown_so_far("```markdown\n# Dough\n\nFold") == "# Dough\n\nFold"
    assert markdown_so_far("<think># Dough") == markdown_so_far("Why?") == ""


def test_an_answer_that_is_hard_to_read_takes_no_time() -> None:
    hard = ('{"markdown": "' + "\\" * 2_000_001, '"markdown"' * 100_000, "<think>" * 100_000)
    assert [len(markdown_so_far(text)) for text in hard] == [1_000_000, 0, 0]


def test_an_answer_full_of_escapes_takes_little_memory() -> None:
    answer = '{"markdown": "' + "\\n" * 1_000_000
    tracemalloc.start()
    try:
        assert markdown_so_far(answer) == "\n" * 1_000_000
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()
