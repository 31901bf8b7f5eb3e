"""Rendered Markdown: hostile and random texts, in bounded time."""

import re
from itertools import pairwise
from pathlib import Path
from time import thread_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from roadmap.plan import markdown_sanitizer
from roadmap.plan.markdown_sanitizer import MOST_BRACKETS, sanitize
from testing.stack import ROOT
from tests.cases import try_each
from tests.unit.roadmap.plan.test_markdown_sanitizer import REWRITTEN, markdowns, quoted
from tests.unit.web.pages.html_reader import BAD_ADDRESSES, FORMS, GOOD_ADDRESSES, Read, read
from web.pages.highlight import NAMES
from web.pages.markdown_html import prose

often = settings(max_examples=2 * settings().max_examples)


def rep(unit: str, length: int) -> str:
    return (unit * (length // len(unit) + 1))[:length]


UNITS = [
    *[
        "[",
        "]",
        "![",
        "[a](",
        "](",
        "[a][",
        "[a](b)",
        "![a](b)",
        "[a]",
        "[![",
        "*[",
        "[`",
        "`",
        "``a",
        "<",
        "<a:",
        "<a@b>",
    ],
    *[
        "*",
        "_",
        "~",
        "**a",
        "*a ",
        "a**",
        "*_",
        "**a*",
        "~~a",
        "~~~a ",
        "***a b",
        "\\",
        "&",
        "&amp;",
        "&#x41;",
        "(",
        '"',
        "|",
    ],
    *[
        "> ",
        "- ",
        "1. ",
        ">- ",
        "- > ",
        "#",
        "# a\n",
        "#\n",
        "a\n=\n",
        "---\n",
        "```\n",
        "~~~a\n",
        "    a\n",
        "\t",
        "\n",
        " ",
        "a\\\n",
    ],
    *[
        "- a\n",
        "1. a\n\n",
        "> a\n",
        "> a\n\n",
        "> # a\nb\n",
        "- a\n+ b\n",
        "|a|\n|-|\n",
        "a|b\n-|-\n",
        "|-",
        "\n>",
        "[a]: b\n",
        "写\n",
    ],
]


def hostile(length: int) -> dict[str, str]:
    """Texts of about so many characters, by what they are made of."""
    return {
        **{repr(unit): rep(unit, length) for unit in UNITS},
        "ticks that never meet": "".join("`" * n + "a" for n in range(1, 440)),
        "quotations in quotations": "".join("> " * n + "a\n" for n in range(1, 430)),
        "lists in lists": "".join("  " * n + "- a\n" for n in range(1, 300)),
        "a deep quotation with lazy lines": "> " * 18 + "a\n" + "b\n" * (length // 2),
        "quotations that end early": rep("[a]~~**[a]: b\n>~~~[a]: b\n<a:", length),
        "brackets that close": "[" * (length // 2) + "]" * (length // 2),
        "paragraphs of brackets": rep("[" * (MOST_BRACKETS - 1) + "\n\n", length),
        "paragraphs of images": rep("![" * 490 + "](a)" * 490 + "\n\n", length),
        "images in images": "![" * (length // 5) + "](a)" * (length // 7),
        "emphasis that opens and closes": "*a **b " * (length // 14) + "c** d* " * (length // 14),
        "a table that fills itself": rep(
            "|a" * 256 + "|\n" + "|-" * 256 + "|\n" + "|\n" * 250 + "\n", length
        ),
        "a wide table": "|a" * 16_000 + "|\n" + "|-" * 16_000 + "|\n",
        "a long table": "|a|b|\n|-|-|\n" + "|*a*|[b](c)|\n" * (length // 14),
        "a long title, used": "[a]: b '" + "x" * 50_000 + "'\n\n" + "[a] " * (length // 8),
        "a long address, used": "[a]: http://x/" + "x" * 50_000 + "\n\n" + "[a] " * (length // 8),
        "a long fragment, used": "[a]: #" + "x" * 1900 + "\n\n" + "[a]\n\n" * (length // 11),
        "fences of no language": "".join(f"```x{n}\na\n```\n" for n in range(length // 16)),
        "fences of every language": "".join(
            f"```{name}\na = 'b' # c\n```\n" for name in sorted(NAMES)
        )
        * (length // 20_000 + 1),
        "an address without end": "<http:" + "a" * 90_000 + "> <a@" + "a." * 4000,
        "words": rep("word " * 12 + "\n\n", length),
    }


class TestLimits:
    @pytest.mark.parametrize(
        ("length", "seconds"),
        [
            (2_000, 3),
            pytest.param(10_000, 3, marks=pytest.mark.long),
            pytest.param(100_000, 10, marks=pytest.mark.long),
        ],
    )
    def test_hostile_length_is_shown_to_its_end_in_bounded_time(
        self, length: int, seconds: int
    ) -> None:
        wrong = []
        for name, markdown in hostile(length).items():
            before = thread_time()
            made = prose(f"{markdown}\n\nneedle")
            taken = (
                thread_time() - before
            )  # of work, which ends after MOST_SECONDS and what was begun
            if "needle" not in Read(made).text or taken > seconds or len(made) > 25 * len(markdown):
                wrong.append((name, taken, len(made)))
        assert wrong == []

    def test_what_is_nested_deeper_than_the_parser_follows_shows_as_it_is(self) -> None:
        for depth in range(1, 30):
            for mark, deepest in (("> ", 19), ("- ", 9)):
                made = read(mark * depth + "needle")
                assert "needle" in made.text
                assert ("> " not in made.text and "- " not in made.text) is (depth <= deepest), (
                    mark,
                    depth,
                )

    @pytest.mark.parametrize("mark", ["[", "<"])
    def test_a_paragraph_of_brackets_without_end_shows_as_it_is_and_the_others_as_they_are_meant(
        self, mark: str
    ) -> None:
        for count, is_read in ((MOST_BRACKETS - 1, True), (MOST_BRACKETS, False)):
            made = read(f"*a*\n\n*b* {mark}x " + f"{mark} " * (count) + "\n\n*c*")
            assert [each.text for each in made.all("em")] == (
                ["a", "b", "c"] if is_read else ["a", "c"]
            )

    def test_what_takes_too_long_shows_as_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(markdown_sanitizer, "MOST_SECONDS", -1)
        assert (
            prose("# <b>\na *b*\n \n\n```\nc\n```\n\n")
            == "<p># &lt;b&gt;<br>a *b*</p>\n<p>```<br>c<br>```</p>\n<p></p>\n"
        )

    def test_what_is_nested_beyond_the_stack_shows_as_it_is(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def deeper(*arguments: object) -> None:
            raise RecursionError

        monkeypatch.setattr("markdown_it.parser_inline.ParserInline.parse", deeper)
        assert prose("*a*\n\nb") == "<p>*a*</p>\n<p>b</p>\n"


TARGETS = [*GOOD_ADDRESSES, *BAD_ADDRESSES, "#a", "#b", "#写", "#a-1"]
PIECES = [
    *[
        "\n# ",
        "\n## a\n",
        "\n# a\n",
        "\n#### 写\n",
        "# [a](#b)\n",
        "```python\n",
        "```http\n",
        "\n```\n",
        "~~~",
        '~~~" x\n',
        "    def a():\n",
    ],
    *[
        "a",
        "b",
        "写",
        " ",
        "*",
        "**",
        "~~",
        "`",
        "\n\n",
        "\n",
        "> ",
        "- ",
        "3. ",
        "| a | b |\n|--:|-|\n| c |",
        "|",
        "<b>",
        "<a:b>",
        "&lt;",
    ],
    *[
        "\x00",
        "\x1b",
        "\u202e",
        "\ud800",
        "\ufffe",
        "\xa0",
        "\u2028",
        "&#x202e;",
        "\\",
        '"',
        "'",
        "onclick=",
        "<!--",
        "]]>",
        "--",
        "  \n",
    ],
]
links = st.builds(
    lambda form, target: form.replace("%s", target),
    st.sampled_from([*FORMS.values()]),
    st.sampled_from(TARGETS),
)
attacks = st.lists(
    st.sampled_from(PIECES)
    | links
    | st.sampled_from([markdown for markdown, _ in REWRITTEN.values()]),
    max_size=25,
)


class TestAlways:
    @given(attacks.map("".join) | markdowns | quoted | st.text(), st.integers(1, 6))
    @example("[a <https://x.org> b](https://y.org)", 3)
    @often
    def test_nothing_is_in_the_page_but_what_may_be(self, markdown: str, top: int) -> None:
        made = read(markdown, top=top)
        made.html.encode()
        ranks = [int(tag[1]) for tag, _, _ in made.headings()]
        assert ranks == [] or min(ranks) == top

    @given(attacks.map("".join) | markdowns | st.text(), st.text(), st.text())
    @often
    def test_a_label_cannot_inject(self, markdown: str, code: str, table: str) -> None:
        made = read(
            f"{markdown}\n\n```\na\n```\n\n| a |\n|---|\n", code_label=code, table_label=table
        )
        assert (
            made.html.count("<script")
            == made.html.count(' onclick="')
            == made.html.count(" style=")
            == 0
        )

    @given(
        st.lists(
            st.sampled_from(
                ["word", "*", "_", "`", "#", "> ", "- ", "\n", "\n\n", "|", "~", " ", "1. "]
            ),
            max_size=60,
        )
    )
    @often
    def test_no_word_is_lost(self, parts: list[str]) -> None:
        counted = iter(range(10_000))
        markdown = "".join(f"word{next(counted)}x " if part == "word" else part for part in parts)
        words = re.findall(r"word\d+x", markdown)
        shown = re.findall(r"word\d+x", read(f"```\n{markdown}\n").text)
        assert shown == words
        if "|" not in markdown:  # a cell too many is none
            assert sorted(
                re.findall(r"word\d+x", read(markdown).text + markdown_info(markdown))
            ) == sorted(words)

    @given(attacks.map("".join) | markdowns)
    @often
    def test_a_sanitized_text_has_the_same_rules(self, markdown: str) -> None:
        made = read(sanitize(markdown.encode("utf-8", "replace").decode()))  # which asserts them
        assert (made.html.count("<script"), made.html.count("<img")) == (0, 0)


def markdown_info(markdown: str) -> str:
    """Return the words beside the beginning of a fence."""
    return "".join(
        token.info for token in MarkdownIt("commonmark").parse(markdown) if token.type == "fence"
    )


TUTORIALS = sorted(
    (ROOT / "roadmap" / "generation" / "catalogue" / "tracks" / "python-backend" / "concepts").glob(
        "*.md"
    )
)


def skips(ranks: list[int]) -> list[int]:
    """Return the headings that are more than one level below the one before them."""
    return [place for place, (before, after) in enumerate(pairwise(ranks)) if after > before + 1]


class TestTutorials:
    def test_there_are_some(self) -> None:
        assert len(TUTORIALS) >= 30

    @try_each("file", TUTORIALS, ids=lambda file: file.stem)
    def test_a_tutorial_of_the_house_is_shown_whole_with_its_code_in_colours(
        self, file: Path
    ) -> None:
        markdown = file.read_text("utf-8").split("+++\n", 2)[2]
        made = read(markdown)
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
        source = [int(token.tag[1]) for token in tokens if token.type == "heading_open"]
        shown = [int(tag[1]) for tag, _, _ in made.headings()]
        assert [rank - min(source) for rank in source] == [rank - 3 for rank in shown]
        assert skips(shown) == skips(source)
        fences = [token for token in tokens if token.type == "fence"]
        assert [token.content for token in fences] == [
            each.text.split("</code>")[0] for each in made.all("pre")
        ]
        for token, html in zip(fences, made.html.split("<pre ")[1:], strict=True):
            language, shown_code = token.info.partition(" ")[0], html.partition("</pre>")[0]
            is_code = language not in ("", "text")
            assert ("language-" in shown_code) is is_code, token.content
            # A lexer needs more of a message, and leaves words alone as they are.
            is_header = language == "http" and "HTTP" not in token.content
            is_words = language == "bash" and re.fullmatch(r"[\w\s./-]+", token.content)
            assert ("<span" in shown_code) is (is_code and not is_header and not is_words), (
                token.content
            )
        assert len(made.all("table")) == sum(token.type == "table_open" for token in tokens)
