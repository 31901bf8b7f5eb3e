"""Markdown of a tutorial after sanitizing, read by parsers that show everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from roadmap.plan import markdown_sanitizer as markdown_module
from roadmap.plan.markdown_sanitizer import Sanitizer, TooIntricate, sanitize, sanitized
from testing.stack import ROOT
from tests.cases import try_each

often = settings(max_examples=3 * settings().max_examples)


class Trusting(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        return True


PARSERS = [Trusting("commonmark", {"html": True}), Trusting("js-default", {"html": True})]


def tokens(markdown: str, parser: MarkdownIt) -> Iterator[Token]:
    for token in parser.parse(markdown):
        yield from (token, *inside(token))


def inside(token: Token) -> Iterator[Token]:
    for child in token.children or []:
        yield from (child, *inside(child))


def hazards(markdown: str) -> list[str]:
    """Return the parts that a parser sees and that may not be passed on."""
    found = []
    for parser in PARSERS:
        for token in tokens(markdown, parser):
            if token.type in ("html_inline", "html_block", "image"):
                found.append(f"{token.type} {token.content}")
            if token.type == "link_open" and not str(token.attrs["href"]).lower().startswith(
                ("http:", "https:", "mailto:", "#")
            ):
                found.append(f"link {token.attrs['href']}")
    return found


def targets(markdown: str) -> list[str]:
    """Of all definitions, used or not."""
    env: dict = {}
    for parser in PARSERS:
        parser.parse(markdown, env)
    return [
        each["href"]
        for each in (*env.get("references", {}).values(), *env.get("duplicate_refs", []))
    ]


REWRITTEN = {
    "a tag": ("a <b>bold</b> word", "a \\<b>bold\\</b> word"),
    "a script": ("<script>alert(1)</script>", "\\<script>alert(1)\\</script>"),
    "a script over lines": (
        "<script>\nlet a = 1 < 2\n\nb()\n</script>\nx",
        "\\<script>\nlet a = 1 < 2\n\nb()\n\\</script>\nx",
    ),
    "scripts that do not end": ("<script>\n\n" * 25, "\\<script>\n\n" * 25),
    "an image as a tag": ("<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert(1)>"),
    "an image as a tag in a sentence": (
        "See <img src=x\nonerror=alert(1)> there",
        "See \\<img src=x\nonerror=alert(1)> there",
    ),
    "a comment": ("a <!-- hidden --> b", "a \\<!-- hidden --> b"),
    "a comment of its own": (
        "<!-- hidden\n\n**still** -->\nb",
        "\\<!-- hidden\n\n**still** -->\nb",
    ),
    "a comment that does not end": ("a\n\n<!-- b\n\n`<c>`", "a\n\n\\<!-- b\n\n`<c>`"),
    "CDATA": ("<![CDATA[ <b> ]]>", "\\<![CDATA[ \\<b> ]]>"),
    "PHP": ("<?php echo 1 ?>", "\\<?php echo 1 ?>"),
    "a doctype": ("<!DOCTYPE html>", "\\<!DOCTYPE html>"),
    "a tag in a list": ("- one\n- <div>two\n  <p>three\n", "- one\n- \\<div>two\n  \\<p>three\n"),
    "a tag in a quotation": ("> <div>\n> <b>x</b>\n", "> \\<div>\n> \\<b>x\\</b>\n"),
    "a tag in a lazy line": ("> one\n<b>two</b>", "> one\n\\<b>two\\</b>"),
    "a tag in a list in a quotation": ("> 1. a <i>b\n>    <i>c", "> 1. a \\<i>b\n>    \\<i>c"),
    "a tag in a heading": ("## The <b> tag ##", "## The \\<b> tag ##"),
    "a tag in an underlined heading": ("The\n<b> tag\n===", "The\n\\<b> tag\n==="),
    "a tag in emphasis": ("**a <u>b</u>**", "**a \\<u>b\\</u>**"),
    "a tag after code": ("`<b>` and <b>, ``<i>`<i>``", "`<b>` and \\<b>, ``<i>`<i>``"),
    "a tag after a backslash": ("\\<b> \\\\<b> \\\\\\<b>", "\\<b> \\\\\\<b> \\\\\\<b>"),
    "a tag in cells": (
        "| `<b>` | <b> |\n|---|---|\n| x \\| <br> | `a\\|<br>` <br>|\n<i> | y",
        "| `<b>` | \\<b> |\n|---|---|\n| x \\| \\<br> | `a\\|<br>` \\<br>|\n\\<i> | y",
    ),
    "a tag in a table in a quotation": (
        "> a | <b>\n> --|--\n> <i> | `<i>`",
        "> a | \\<b>\n> --|--\n> \\<i> | `<i>`",
    ),
    "a tag in cells like items": (
        "1. `<b>` <b> | c\n---|---\n- x | <i>",
        "1. `<b>` \\<b> | c\n---|---\n- x | \\<i>",
    ),
    "a tag in cells like a quotation": (
        "> `<b>` <b> | c\n---|---\n",
        "> `<b>` \\<b> | c\n---|---\n",
    ),
    "a tag in a table in a list": (
        "- | `<b>` <i> |\n  |---|\n  | <u> |",
        "- | `<b>` \\<i> |\n  |---|\n  | \\<u> |",
    ),
    "a tag in a cell too many": (
        "| a |\n|---|\n| b | <i> | `<i>`",
        "| a |\n|---|\n| b | \\<i> | `<i>`",
    ),
    "a tag before a break": ("`<i>` <b>  \n`<i>` <u>\t\nc", "`<i>` \\<b>  \n`<i>` \\<u>\t\nc"),
    "a tag in a cell whose code ends there": (
        "| `a | <b> `c | `<i>`\n|---|---|---|",
        "| `a | \\<b> `c | `<i>`\n|---|---|---|",
    ),
    "a tag behind tabs": (
        "-\ta\n\n\t<div>\n\n\tb\n\t\t\tc <i>",
        "-\ta\n\n\t\\<div>\n\n\tb\n\t\t\tc \\<i>",
    ),
    "a tag in lines of Windows": (
        "a\r\n<b>\r\n\r\n> <i>\rx <u>",
        "a\r\n\\<b>\r\n\r\n> \\<i>\rx \\<u>",
    ),
    "a tag next to strange spaces": (
        "\u2028\n\xa0<b>\x0b\nx <i>\xa0",
        "\u2028\n\xa0\\<b>\x0b\nx \\<i>\xa0",
    ),
    "code in HTML": (
        "<details>\n<summary>More</summary>\n\n```html\n<b>\n```\n</details>",
        "\\<details>\n\\<summary>More\\</summary>\n\n```html\n<b>\n```\n\\</details>",
    ),
    "code in HTML without a blank line": (
        "<div>\n```html\n<b>\n```\n</div>",
        "\\<div>\n```html\n<b>\n```\n\\</div>",
    ),
    "an image": (
        '![alt *text*](https://x.org/a.png "title")',
        '[alt *text*](https://x.org/a.png "title")',
    ),
    "an image by reference": (
        "![a][b] ![b]\n\n[b]: https://x.org",
        "[a][b] [b]\n\n[b]: https://x.org",
    ),
    "an image after a cry": (
        "Wow!![a](https://x.org) \\!![a](#)",
        "Wow\\![a](https://x.org) \\![a](#)",
    ),
    "an image in a link": ("[![alt](https://i.org)](https://x.org)", "[alt](https://x.org)"),
    "an image in an image": ("![a ![b](https://i.org) c](https://x.org)", "[a b c](https://x.org)"),
    "an image with a bad address": ("![alt](javascript:alert(1))", "alt"),
    "an image of data": ("![alt](data:image/png;base64,AAAA)", "alt"),
    "a script as an address": ("[x](javascript:alert(1))", "x"),
    "the same in capitals": ("[*x*](JaVaScRiPt:alert(1))", "*x*"),
    "the same with an entity": ("[x](java&#115;cript:alert(1))", "x"),
    "the same in brackets": ("[x](<javascript:alert(1)> 'title')", "x"),
    "the same with a backslash": ("[x](javascript\\:alert(1))", "x"),
    "the same over lines": (
        "> [x\n> y](\n> javascript:alert(1)\n> ) z",
        "> [x\n> y z".replace("[", ""),
    ),
    "data as an address": ("[x](  data:text/html,<script>)", "x"),
    "a file as an address": ("[x](file:///etc/passwd)", "x"),
    "an address without a scheme": ("[x](/etc) [y](//x.org) [z](a.html) [e]()", "x y z e"),
    "a bad link with a tag": ("[a <b>c</b>](vbscript:x)", "a \\<b>c\\</b>"),
    "a bad link in cells": (
        "| [x](foo:bar) |\n|---|\n| [y\\|z](foo:bar) |",
        "| x |\n|---|\n| y\\|z |",
    ),
    "a bad address alone": ("<javascript:alert(1)>", "\\<javascript:alert(1)>"),
    "a template": ("Use std::vector<std::string> here.", "Use std::vector\\<std::string> here."),
    "a call of what a list holds": (
        "Then handlers[event](payload) runs.",
        "Then handlers\\[event](payload) runs.",
    ),
    "two indexes": ("The cell A[1](2) is.", "The cell A\\[1](2) is."),
    "a bad address with a strange character": (
        "<javascript:a\0b> <i>",
        "\\<javascript:a\0b> \\<i>",
    ),
    "a bad definition": (
        "[x][foo], [foo][] and [foo]\n\n[foo]: javascript:alert(1) 'title'",
        "x, foo and [foo]\n\n\\[foo]: javascript:alert(1) 'title'",
    ),
    "a bad definition before a good one": (
        "> [bad]: data:x\n> [good]: https://x.org\n>\n> [a][bad] [b][good]",
        "> \\[bad]: data:x\n>\n> [good]: https://x.org\n>\n> a [b][good]",
    ),
    "a bad definition that is not used": (
        "[foo]:\n  java&#115;cript:x",
        "\\[foo]:\n  java&#115;cript:x",
    ),
    "a bad definition of the same name": (
        "[a]: https://x.org\n\n[A]: data:x\n\n[a]",
        "[a]: https://x.org\n\n\\[A]: data:x\n\n[a]",
    ),
    "a note of one word": ("True[^1]\n\n[^1]: Wikipedia", "True[^1]\n\n\\[^1]: Wikipedia"),
}


class TestRewriting:
    @try_each(("markdown", "expected"), REWRITTEN.values(), ids=REWRITTEN)
    def test_what_may_not_be_passed_on_is_rewritten_at_its_place(
        self, markdown: str, expected: str
    ) -> None:
        assert (
            hazards(markdown)
            + [target for target in targets(markdown) if not target.startswith("http")]
            != []
        )
        assert sanitize(markdown) == expected

    @try_each(("markdown", "expected"), REWRITTEN.values(), ids=REWRITTEN)
    def test_nothing_of_it_is_left_and_nothing_is_rewritten_twice(
        self, markdown: str, expected: str
    ) -> None:
        assert hazards(expected) == []
        assert sanitize(expected) == expected


UNCHANGED = {
    "nothing": "",
    "prose": "Knead *it* **well**, 1 < 2 & 3 > 2; a<b, \\<b>, &lt;b> and !important!",
    "links": "[a](https://x.org) [b](HTTP://x.org 'b') [c](mailto:a@x.org) [d](#top) "
    "<https://x.org> <a@x.org> [e][f]\n\n[f]: #e",
    "a fence": "```html\n<script>alert(1)</script>\n![x](y) [x](javascript:y)\n```",
    "a fence of tildes in a list": "- a\n\n  ~~~\n  <b>\n  ```\n  <i>\n  ~~~\n",
    "a fence without end": "> ```\n> <b>\n\n```\n<script>\n\n[foo]: javascript:x",
    "an indented block": "a\n\n    <script>\n\n    ![x](y)\n",
    "code": "Write `<b>`, ``![x](`y`)`` or `[x](javascript:y)`, not\n`<i>\n<i>`.",
    "code in cells": "| `<b>` | `[x](y)` |\n|---|---|\n| `![a\\|b](c)` | `<!-- -->` |",
    "what only looks like a tag": "a <3 b, <>, < b>, <1>, </ b>, [x] (y), [ ], ! [x]",
    "what only looks like a definition": "text\n[foo]: javascript:x",
    "strange lines": "a\r\nb\rc\u2028d\x0be\x0cf\x00g\n\n\n\t\n",
}


class TestKeeping:
    @try_each("markdown", UNCHANGED.values(), ids=UNCHANGED)
    def test_what_may_be_passed_on_stays_byte_for_byte(self, markdown: str) -> None:
        assert sanitize(markdown) == markdown

    def test_the_tutorials_of_the_house_stay_byte_for_byte(self) -> None:
        files = sorted(Path(ROOT / "roadmap" / "generation" / "catalogue" / "tracks").rglob("*.md"))
        assert len(files) >= 10
        tutorials = {
            str(file): file.read_text("utf-8").split("+++\n", 2)[2].strip() + "\n" for file in files
        }
        assert [
            file for file, tutorial in tutorials.items() if sanitize(tutorial) != tutorial
        ] == []


PIECES = [
    *(
        piece
        for markdown, _ in REWRITTEN.values()
        for piece in (markdown, f"\n\n{markdown}\n\n")
        if len(markdown) < 60
    ),
    *[
        "<",
        ">",
        "</",
        "<b>",
        "<br/>",
        "<div>",
        "</div>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "?>",
        "<pre>",
        "</script>",
    ],
    *[
        "[",
        "]",
        "(",
        ")",
        "](",
        "](javascript:1)",
        "](http://x)",
        "![",
        "!",
        "[foo]",
        "[foo]: data:x",
        "[foo]: http://x",
        "][foo]",
    ],
    *[
        "`",
        "``",
        "```",
        "~~~",
        "\n",
        "\n",
        "\n",
        "\n\n",
        "    ",
        "  ",
        "\t",
        "> ",
        "- ",
        "1. ",
        "# ",
        "|",
        "|---|---|",
        "\n|-|-|\n",
    ],
    *[
        "\\",
        "\\|",
        "===",
        "---",
        "*",
        "**",
        "_",
        "a",
        "b c",
        "写",
        "\xa0",
        "\u2028",
        "\x0b",
        "\x0c",
        "\x00",
        "\r\n",
        "\r",
        "&lt;",
    ],
    *["&#60;", "javascript:", "java&#115;cript:", ":", "'", '"', "\x1c"],
]
markdowns = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
quoted = st.tuples(markdowns, st.sampled_from(["> ", "- ", "  ", "1. ", "   ", "> - "])).map(
    lambda made: "\n".join(made[1] + line for line in made[0].split("\n"))
)
BLOCKS = [
    "```html\n<script>\n\n[x](javascript:y)\n```",
    "    <b>![x](y)\n\n    <i>",
    "Use `<b>`, ``[x](`y`)`` here.",
    "~~~\n```\n<!--\n~~~",
]


class TestAlways:
    @given(markdowns | quoted | st.text())
    @often
    def test_afterwards_no_parser_sees_anything_that_may_not_be_passed_on(
        self, markdown: str
    ) -> None:
        made = sanitize(markdown)
        assert hazards(made) == []
        assert [
            target
            for target in targets(made)
            if not target.lower().startswith(("http:", "https:", "mailto:", "#"))
        ] == []

    @given(markdowns | quoted | st.text())
    @often
    def test_what_is_harmless_stays_as_it_is(self, markdown: str) -> None:
        made = sanitize(markdown)
        assert sanitize(made) == made
        if not hazards(markdown) and targets(markdown) == []:
            assert made == markdown

    @given(
        st.lists(
            st.sampled_from(BLOCKS)
            | st.sampled_from([markdown for markdown, _ in REWRITTEN.values()]),
            max_size=8,
        )
    )
    @often
    def test_code_stays_byte_for_byte_next_to_what_is_rewritten(self, parts: list[str]) -> None:
        markdown = "\n\nAnd:\n\n".join(parts)
        made = sanitize(markdown)
        for block in BLOCKS:
            assert made.count(block) == markdown.count(block)


class TestLimits:
    @try_each(
        "markdown",
        [
            "[" * 1500,
            "![" * 1500,
            "<!--" * 3000,
            "> " * 400 + "<b>",
            "- " * 400 + "<b>",
            "[" * 400 + "[x](javascript:1)",
            "`<b>``" * 2000,
        ],
        ids=lambda markdown: markdown[:4],
    )
    def test_what_is_nested_without_end_is_escaped_in_reasonable_time(self, markdown: str) -> None:
        made = sanitize(markdown)
        assert hazards(made) == []
        assert sanitize(made) == made
        assert len(made) < 3 * len(markdown)

    @pytest.mark.parametrize("stays", [True, False])
    def test_a_paragraph_of_brackets_without_end_is_escaped_unread(self, stays: bool) -> None:
        code = "`a[0]` " * (markdown_module.MOST_BRACKETS + (not stays))
        assert sanitize(code) == (code if stays else code.replace("[", "\\["))
        assert sanitize(f"{code}\n\n[b](javascript:0)\n\n`c[0]`").endswith("\n\nb\n\n`c[0]`")

    def test_what_takes_too_many_steps_or_tokens_is_escaped(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each of these lines is looked at once for each quotation that it may belong to."""
        markdown = ">" * 30 + "a\n" + "[a](b)\n" * 50
        assert sanitized(markdown) == sanitize(markdown) != markdown
        for limits in ({"CALLS": 100, "CALLS_OF_CHARACTER": 0}, {"MOST_TOKENS": 100}):
            with monkeypatch.context() as patched:
                for limit, value in limits.items():
                    patched.setattr(markdown_module, limit, value)
                with pytest.raises(TooIntricate):
                    sanitized(markdown)
                assert sanitize(markdown) == markdown.replace("[", "\\[")

    def test_a_short_text_has_few_steps(self) -> None:
        """A small document may have hundreds of such texts."""
        with pytest.raises(TooIntricate):
            sanitized("![" * 100 + "a" + "](b)" * 100)

    @pytest.mark.parametrize("prefix", ["> ", "- "])
    def test_a_tag_deeper_than_parsers_look_is_found(self, prefix: str) -> None:
        assert sanitize(prefix * 30 + "<b>") == prefix * 30 + "\\<b>"
        assert sanitize(prefix * 400 + "<b>") == prefix * 400 + "\\<b>"

    @pytest.mark.parametrize("depth", [21, 101])
    def test_what_a_parser_takes_for_a_tag_because_it_gave_up_a_link_is_found(
        self, depth: int
    ) -> None:
        markdown = "[" * depth + 'x](https://x.org "<b>")'
        assert hazards(markdown) == ["html_inline <b>"]
        assert sanitize(markdown) == "[" * depth + 'x](https://x.org "\\<b>")'

    def test_images_in_images_are_taken_out_one_after_the_other(self) -> None:
        assert sanitize("![" * 12 + "a" + "](https://x.org)" * 12) == "[a](https://x.org)"
        assert hazards(sanitize("![" * 60 + "a" + "](https://x.org)" * 60)) == []

    def test_what_stays_after_all_rounds_costs_its_block_the_code_and_no_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(markdown_module, "MOST_ROUNDS", 0)
        made = sanitize("`<b>` before\n\n`<i>` or <i>\n\n`<b>` after")
        assert made == "`<b>` before\n\n`\\<i>` or \\<i>\n\n`<b>` after"


class TestJoined:
    """Parts of a document, each sanitized by itself."""

    @pytest.mark.parametrize(
        "parts",
        [
            pytest.param(["```\na\n", "\n```\n<img src=x>\n```\n"], id="open block"),
            pytest.param(["~~~~ py\na\n~~~\n", "\n~~~~\n<b>\n~~~~\n"], id="short closing marks"),
            pytest.param(["- ```\n  a\n  ```\n\n```\n", "\n```\n<b>\n```\n"], id="after a list"),
            pytest.param(["    ```\n\n```\n", "\n```\n<b>\n```\n"], id="code of spaces"),
            pytest.param(["- a\n", "\n    ![p](https://x.org)\n"], id="open list"),
            pytest.param(["a\r1) b\r", "\n \n\t<img src=x>\n"], id="open list, tab"),
            pytest.param(["a\r```\r", "\n```\n<b>\n```\n"], id="old line ends"),
            pytest.param(["[a]: https://x.org\n", "\n![a] and `![a]`\n"], id="image"),
            pytest.param(["> [a\\]\nb]: https://x.org\n", "\n![a\\]\nb]\n"], id="image, two lines"),
        ],
    )
    def test_no_part_changes_what_another_is(self, parts: list[str]) -> None:
        assert [sanitize(part) for part in parts] == parts
        assert hazards("".join(parts))
        joined = Sanitizer().joined(parts)
        assert hazards(joined) == []
        assert sanitize(joined) == joined

    @pytest.mark.parametrize(
        "part",
        [
            "```python\nprint('<b>', a[0])\n```\n",
            "1. First:\n\n   ```html\n   <b>\n   ```\n\n2. Then.\n",
            "> ~~~\n> <b>\n\nText\n",
            "- ```\n  <b>\n",
        ],
    )
    def test_closed_parts_stay_as_they_are(self, part: str) -> None:
        parts = [part, f"\n{part}", "\n[a]: https://x.org\n\n[a]\n"]
        assert Sanitizer().joined(parts) == "".join(parts)

    @often
    @given(st.lists(markdowns, min_size=2, max_size=4))
    def test_random_parts_have_no_hazard_together(self, markdowns: list[str]) -> None:
        parts = [f"\n{sanitize(markdown)}\n" for markdown in markdowns]
        assert hazards(Sanitizer().joined(parts)) == []

    def test_all_parts_share_one_budget(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(markdown_module, "MOST_OF_EXPORT", 300)
        sanitizer, markdown = Sanitizer(), "*a* [b](javascript:0)"
        cleaned = [sanitizer.clean(markdown) for _ in range(20)]
        assert (cleaned[0], cleaned[-1]) == ("*a* b", "*a* \\[b](javascript:0)")
