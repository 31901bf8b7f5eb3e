"""What a page shows of a tutorial: everything that is meant, nothing that was not, in bounded time, whatever was written."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from itertools import pairwise, product
from pathlib import Path
from time import thread_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES, Text, Token

from roadmap.plan.markdown_sanitizer import MOST_BRACKETS, sanitize
from tests.cases import try_each
from tests.stack import ROOT, clean_environment
from tests.unit.roadmap.plan.test_markdown_sanitizer import REWRITTEN, markdowns, quoted
from web.pages import highlight as colouring_module
from web.pages import markdown_html as prose_module
from web.pages.highlight import (
    LANGUAGES,
    LONGEST_BLOCK,
    LONGEST_LINE,
    NAMES,
    UNCOLOURED,
    Highlighter,
)
from web.pages.markdown_html import prose

often = settings(max_examples=2 * settings().max_examples)

REL = "noopener noreferrer nofollow"
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
VOID = ("br", "hr")
REGION = {"class", "tabindex", "role", "aria-label"}
ATTRIBUTES: dict[str, set[str]] = {
    **{tag: {"id"} for tag in HEADINGS},
    **{
        tag: set()
        for tag in (
            "p",
            "blockquote",
            "ul",
            "li",
            "em",
            "strong",
            "s",
            "br",
            "hr",
            "table",
            "thead",
            "tbody",
            "tr",
        )
    },
    **{tag: {"class"} for tag in ("th", "td", "code", "span")},
    **{"a": {"href", "rel"}, "ol": {"start"}, "pre": REGION, "div": REGION},
}
CLASSES = {
    "pre": {"code"},
    "div": {"scroll"},
    "code": {f"language-{language}" for language in LANGUAGES},
    "span": set(STANDARD_TYPES.values()) - UNCOLOURED,
    **{tag: {"to-right", "to-center"} for tag in ("th", "td")},
}
START_TAG = re.compile(r'<[a-z][a-z0-9]*(?: [a-z-]+="(?:[^"<>&]|&(?:amp|lt|gt|quot|nbsp);)*")*>')
GOOD_HREF = re.compile(
    r"https?://[^/?#@\\\s]+(?:[/?#][!-~]*)?|mailto:[!-~]+|#t-\S+", re.IGNORECASE | re.ASCII
)


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Read(HTMLParser):
    """A page as browsers read it. Raises AssertionError for what must never be in it."""

    html: str
    elements: list[Element] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[Element, int]] = []  # each with the number of texts before it
        self._texts: list[str] = []  # put together when something ends: pages are long here
        self.feed(self.html)
        self.close()
        self.text = "".join(self._texts)
        assert self._open == []
        ids = [each.attributes["id"] for each in self.elements if "id" in each.attributes]
        assert len(ids) == len(set(ids))
        assert [
            link.attributes["href"]
            for link in self.all("a")
            if link.attributes["href"].removeprefix("#") in ids
        ] == [
            link.attributes["href"]
            for link in self.all("a")
            if link.attributes["href"].startswith("#")
        ]

    def all(self, *tags: str) -> list[Element]:
        return [each for each in self.elements if each.tag in tags]

    def one(self, tag: str) -> Element:
        [found] = self.all(tag)
        return found

    def links(self) -> list[tuple[str, str]]:
        return [(link.text, link.attributes["href"]) for link in self.all("a")]

    def headings(self) -> list[tuple[str, str, str]]:
        return [(each.tag, each.attributes["id"], each.text) for each in self.all(*HEADINGS)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raw = self.get_starttag_text()
        assert raw is not None
        assert START_TAG.fullmatch(raw), raw
        attributes = {name: value or "" for name, value in attrs}
        assert len(attributes) == len(attrs), raw
        assert attributes.keys() <= ATTRIBUTES[tag], raw
        assert attributes.get("class") in (None, *CLASSES.get(tag, ())), raw
        around = [each.tag for each, _ in self._open]
        assert not (tag == "a" and "a" in around)
        assert not (
            set(around) & {"p", *HEADINGS, "pre"}
            and tag not in ("a", "code", "em", "strong", "s", "br", "span")
        ), raw
        if tag == "a":
            assert GOOD_HREF.fullmatch(attributes["href"]), raw
            assert attributes["href"].startswith("#") or attributes["rel"] == REL
        if tag in (*HEADINGS, "pre", "div"):
            assert attributes.keys() == ATTRIBUTES[tag]
            assert attributes.get("tabindex", "0") == "0"
            assert attributes.get("role") == {"pre": "group", "div": "region"}.get(tag)
        self.elements.append(Element(tag, attributes))
        if tag not in VOID:
            self._open.append((self.elements[-1], len(self._texts)))

    def handle_endtag(self, tag: str) -> None:
        assert tag not in VOID
        element, begin = self._open.pop()
        assert element.tag == tag
        element.text = "".join(self._texts[begin:])

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def read(markdown: str, **options: int | str) -> Read:
    return Read(str(prose(markdown, **options)))


class TestText:
    def test_what_is_meant_shows(self) -> None:
        made = prose(
            'One *two* **three** ~~four~~ `a < b`  \nfive & "six"\nseven\n\n> eight\n\n---\n\n- nine\n- ten\n\n3. eleven'
        )
        assert made == (
            "<p>One <em>two</em> <strong>three</strong> <s>four</s> <code>a &lt; b</code><br>\n"
            'five &amp; "six"\nseven</p>\n<blockquote>\n<p>eight</p>\n</blockquote>\n<hr>\n'
            "<ul>\n<li>nine</li>\n<li>ten</li>\n</ul>\n"
            '<ol start="3">\n<li>eleven</li>\n</ol>\n'
        )

    def test_nothing_is_made_of_quotes_dots_and_bare_addresses(self) -> None:
        assert prose("\"a\" -- (c) ... www.example.org https://example.org 'b'") == (
            "<p>\"a\" -- (c) ... www.example.org https://example.org 'b'</p>\n"
        )

    @try_each(
        "html",
        [
            "<b>x</b>",
            "<script>alert(1)</script>",
            "<!-- x -->",
            "<img src=x onerror=alert(1)>",
            "<?x?>",
        ],
    )
    @try_each(
        "around",
        [
            "{}",
            "a {} b",
            "# {}",
            "- {}",
            "> {}",
            "| {} |\n|---|\n| {} |",
            "[{}](https://x.org)",
            "    {}",
        ],
    )
    def test_html_is_text(self, html: str, around: str) -> None:
        assert html in read(around.replace("{}", html)).text

    def test_a_tag_from_a_mistake_of_the_renderer_is_left_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        evil = '<img src=x onerror=alert(1)><script>alert(1)</script><a href="javascript:x">b</a>'
        monkeypatch.setattr(Highlighter, "coloured", lambda *_: f'<b onclick="x">{evil}</b>')
        made = prose("```python\na\n```")
        assert '<code class="language-python"><a>b</a></code>' in made

    def test_an_entity_is_a_character_and_no_tag(self) -> None:
        assert read("&lt;b&gt; &#60;i> &amp;lt;").text == "<b> <i> &lt;\n"

    def test_what_turns_the_direction_or_moves_a_terminal_is_left_out(self) -> None:
        evil = "a\u202eb\u2066c\x1b[d\x07e\x9bf\x7fg"
        assert read(f"{evil} `{evil}`\n\n    {evil}").text == "abc[defg abc[defg\nabc[defg\n\n"
        assert read("a&#x202e;b&#x2066;c").text == "abc\n"

    def test_every_line_end_is_one_and_what_no_encoding_has_is_replaced(self) -> None:
        assert read("a\r\n\r\nb\rc\x00d\ud800e").text == "a\nb\ncd?e\n"
        prose("\ud800 [a](https://x.org/\udfff) `\udbff`\n# \udc00").encode()


class TestHeadings:
    @try_each(
        ("markdown", "top", "expected"),
        [
            ("# a\n## b\n### c", 3, ["h3", "h4", "h5"]),
            ("## a\n### b\n## c", 3, ["h3", "h4", "h3"]),
            ("## a\n### b\n# c", 3, ["h4", "h5", "h3"]),
            ("###### a", 3, ["h3"]),
            (
                "# a\n## b\n### c\n#### d\n##### e\n###### f",
                3,
                ["h3", "h4", "h5", "h6", "h6", "h6"],
            ),
            ("a\n===\nb\n---", 2, ["h2", "h3"]),
            ("# a\n> ## b\n\n- ### c", 1, ["h1", "h2", "h3"]),
            ("# a\n## b", 6, ["h6", "h6"]),
        ],
    )
    def test_the_highest_is_the_top_and_none_is_beyond_the_sixth(
        self, markdown: str, top: int, expected: list[str]
    ) -> None:
        assert [tag for tag, _, _ in read(markdown, top=top).headings()] == expected

    @try_each(
        ("heading", "name"),
        [
            ("Some heading", "t-some-heading"),
            ("*Some* `code()` & [a link](https://x.org)!", "t-some-code-a-link"),
            ("第一步：安装 Python", "t-第一步安装-python"),
            ("हिन्दी में", "t-हिन्दी-में"),
            ("C++ -- a_b", "t-c-a_b"),
            ("Cafe\u0301", "t-caf\u00e9"),
            ("?!", "t-part"),
            ("![A picture](https://x.org/y)", "t-a-picture"),
            ("a" * 500, "t-" + "a" * 80),
        ],
    )
    def test_an_id_is_made_of_the_words(self, heading: str, name: str) -> None:
        [(_, made, _)] = read(f"# {heading}").headings()
        assert made == name

    def test_ids_are_unique(self) -> None:
        made = read("# a\n# a\n# a-1\n# A\n# a-1\n# ?\n# !")
        assert [name for _, name, _ in made.headings()] == [
            "t-a",
            "t-a-1",
            "t-a-1-1",
            "t-a-2",
            "t-a-1-2",
            "t-part",
            "t-part-1",
        ]

    @try_each(
        ("link", "name"),
        [
            ("#some-heading", "t-some-heading"),
            ("#Some-Heading", "t-some-heading"),
            ("#c--rust", "t-c-rust"),
            ("#第一步", "t-第一步"),
            ("#%E7%AC%AC%E4%B8%80%E6%AD%A5", "t-第一步"),
            ("#some-heading-1", "t-some-heading-1"),
        ],
    )
    def test_a_fragment_leads_to_its_heading_before_or_after_it(self, link: str, name: str) -> None:
        headings = "# Some heading\n## C & Rust\n## 第一步\n## Some heading"
        for markdown in (
            f"[*words*]({link})\n\n{headings}",
            f"{headings}\n\n[*words*]({link})",
            f"{headings}\n[*words*][a]\n\n[a]: {link}",
        ):
            made = read(markdown)
            assert made.links() == [("words", f"#{name}")]
            assert "rel" not in made.one("a").attributes

    @try_each(
        "link",
        [
            "#",
            "#nowhere",
            "#t-a",
            "#top",
            "#-",
            "#%00",
            "#javascript:alert(1)",
            '#"onclick="alert(1)',
        ],
    )
    def test_a_fragment_that_leads_nowhere_is_text(self, link: str) -> None:
        made = read(f"# A\n\n[*words*]({link})")
        assert (made.links(), made.one("p").text) == ([], "words")

    def test_many_headings_of_one_name_take_no_longer_than_others(self) -> None:
        before = thread_time()
        made = prose("".join(f"# a-{n}\n" for n in range(1, 3000)) + "# a\n" * 3000)
        assert len(set(re.findall(r'id="([^"]+)"', made))) == 5999
        assert thread_time() - before < 10


GOOD_ADDRESSES = {
    "https://example.org": "https://example.org",
    "HTTP://Example.org/a?b=c&d=%20e#f": "HTTP://Example.org/a?b=c&d=%20e#f",
    "https://example.org/a_(b)": "https://example.org/a_(b)",
    "https://例え.jp/写": "https://xn--r8jz45g.jp/%E5%86%99",
    "https://[::1]:8000/a": "https://[::1]:8000/a",
    "https://example.org?a=@b": "https://example.org?a=@b",
    "https://example.org/@somebody": "https://example.org/@somebody",
    "mailto:ada@example.org?subject=a": "mailto:ada@example.org?subject=a",
    "MAILTO:ada@example.org": "MAILTO:ada@example.org",
    "https://example.org/&quot;onclick=alert(1)": "https://example.org/%22onclick=alert(1)",
    "https://example.org/javascript:alert(1)": "https://example.org/javascript:alert(1)",
}
BAD_ADDRESSES = [
    *[
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "javascript:alert('XSS')",
        "javascript:alert(&quot;XSS&quot;)",
    ],
    *[
        "java\tscript:alert(1)",
        "java\nscript:alert(1)",
        "java\rscript:alert(1)",
        "java\x00script:alert(1)",
        "java\\script:x",
    ],
    *[
        "jav&#x09;ascript:alert(1)",
        "jav&#x0A;ascript:alert(1)",
        "jav&#x0D;ascript:alert(1)",
        "java&Tab;script:x",
        "java&NewLine;script:x",
    ],
    *[
        "&#106;avascript:alert(1)",
        "&#0000106&#0000097vascript:x",
        "&#x6A&#x61vascript:x",
        "&#x6a;&#x61;vascript:alert(1)",
    ],
    *[
        "javascript&colon;alert(1)",
        "javascript&#58;alert(1)",
        "javascript&#x3a;alert(1)",
        "javascript\\:alert(1)",
        "javascript%3Aalert(1)",
    ],
    *[
        " javascript:alert(1)",
        "\x01javascript:alert(1)",
        " &#14;  javascript:alert(1)",
        "\xa0javascript:x",
        "\u3000javascript:x",
    ],
    *[
        "\ufeffjavascript:x",
        "\u200bjavascript:x",
        "\u202ejavascript:x",
        "java\xadscript:x",
        "ｊavascript:x",
        "javaſcript:x",
    ],
    *[
        "%6aavascript:alert(1)",
        "javascript://example.org/%0aalert(1)",
        "javascript:https://example.org",
        "feed:javascript:x",
    ],
    *[
        "vbscript:msgbox(1)",
        "VBSCRIPT:x",
        "livescript:x",
        "mocha:x",
        "data:text/html,<script>alert(1)</script>",
        "DATA:text/html,x",
    ],
    *[
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:image/png;base64,AAAA",
        "blob:https://x.org/1",
    ],
    *[
        "view-source:javascript:x",
        "jar:https://x.org!/a",
        "filesystem:https://x.org/a",
        "about:blank",
        "file:///etc/passwd",
        "ftp://x.org",
    ],
    *[
        "//evil.example/x",
        "/etc/passwd",
        "a.html",
        "?a=b",
        "",
        "\\\\evil.example\\x",
        "ws://x.org",
        "tel:1",
        "intent://x#Intent;end",
    ],
    *[
        "http:evil",
        "https:/evil.example",
        "http:///evil.example",
        "https://[::g]/",
        "https://256.256.256.256/",
        "https://a.example:99999/",
        "https:\\\\evil.example",
        "http:\\evil.example",
        "https://",
        "https://?a",
    ],
    *[
        "https://user:secret@evil.example",
        "https://example.org@evil.example/",
        "https://example.org\\@evil.example",
    ],
    *[
        "httpſ://evil.example",
        "https\u200b://x.org",
        "xhttps://x.org",
        "https;//x.org",
        "mailto:",
        "mailto",
        "http",
        "https&#x200b;://x.org",
    ],
    *["https://" + "a" * 2000, "https://x.org/" + "写" * 300],
]
FORMS = {
    "a link": "[*words*](%s)",
    "a link in brackets": '[*words*](<%s> "title")',
    "a reference": "[*words*][a]\n\n[a]: %s 'title'",
    "a reference in brackets": "[*words*][A]\n\n[a]: <%s>",
    "an address": "<%s>",
    "an image": "![*words*](%s)",
    "an image in brackets": "![*words*](<%s>)",
    "an image without words": "![](<%s>)",
    "an image by reference": "![*words*][a]\n\n[a]: %s",
    "an image in a link": "[![*words*](%s)](<%s>)",
    "a heading": "# [*words*](%s)",
    "a cell": "| [*words*](%s) |\n|---|\n| ![*words*](<%s>) |",
}


class TestLinks:
    @try_each(("address", "expected"), GOOD_ADDRESSES.items())
    def test_the_web_and_mail_may_be_linked(self, address: str, expected: str) -> None:
        made = read(f"a [*words*](<{address}> 'title') b")
        assert f'<a href="{escape(expected)}" rel="{REL}">' in made.html
        assert made.links() == [("words", expected)]
        assert made.one("a").attributes == {"href": expected, "rel": REL}
        assert "<em>words</em>" in made.html

    @try_each("form", FORMS.values(), ids=FORMS)
    @try_each("address", BAD_ADDRESSES, ids=lambda address: repr(address[:40]))
    def test_nothing_else_is_linked(self, form: str, address: str) -> None:
        assert read(form.replace("%s", address)).links() == []

    @try_each(
        "address",
        [each for each in BAD_ADDRESSES if not re.search(r"[\n\r<>]", each)],
        ids=lambda address: repr(address[:40]),
    )
    def test_of_a_link_that_may_not_be_its_text_is_left(self, address: str) -> None:
        assert (
            read(f"a [*words*](<{address}>) b ![*words*](<{address}>) c").text
            == "a words b words c\n"
        )

    def test_an_address_alone(self) -> None:
        made = read(
            "<https://example.org/a?b=c> <ada@example.org> vector<std::string> <javascript:alert(1)>"
        )
        assert made.links() == [
            ("https://example.org/a?b=c",) * 2,
            ("ada@example.org", "mailto:ada@example.org"),
        ]
        assert (
            made.text
            == "https://example.org/a?b=c ada@example.org vector<std::string> <javascript:alert(1)>\n"
        )

    def test_a_link_without_words_shows_its_address(self) -> None:
        made = read(
            "[](https://a.org) [ \u200b](https://b.org) [![](https://i.org)](https://c.org) [](javascript:x)"
        )
        assert [(text.strip(" \u200b"), href) for text, href in made.links()] == [
            ("https://a.org", "https://a.org"),
            ("https://b.org", "https://b.org"),
            ("https://i.org", "https://c.org"),
        ]

    def test_no_link_is_in_a_link(self) -> None:
        made = read(
            "[a <https://b.org> ![c](https://d.org)](https://e.org) [f <https://g.org>](javascript:x)"
        )
        assert made.links() == [
            ("a <https://b.org> c", "https://e.org"),
            ("https://g.org", "https://g.org"),
        ]

    def test_a_picture_is_a_link_to_it(self) -> None:
        made = read(
            '![A *fine* `one`](https://x.org/a.png "title") ![](https://x.org/b.png) ![c][d]\n\n[d]: https://x.org/d.png'
        )
        assert made.links() == [
            ("A fine one", "https://x.org/a.png"),
            ("https://x.org/b.png", "https://x.org/b.png"),
            ("c", "https://x.org/d.png"),
        ]
        assert {link.attributes["rel"] for link in made.all("a")} == {REL}

    def test_a_picture_that_may_not_be_linked_is_its_words_or_its_address(self) -> None:
        assert (
            read("![*a*](b.png) ![](javascript:alert) [![d](x)](https://e.org)").text
            == "a javascript:alert d\n"
        )

    def test_a_definition_that_is_used_without_end_makes_no_page_without_end(self) -> None:
        address = f"https://x.org/{'a' * 1900}"
        assert len(read("[a] " * 200 + f"\n\n[a]: {address}").links()) == 200
        made = read("[a]\n\n" * 5000 + f"[a]: {address}")
        assert (made.links(), made.text.count("[a]")) == ([], 5001)
        assert len(made.html) < 300_000


PYTHON = "def add(a: int) -> int:\n    return a + 1  # more\n"


class Mistaken(Lexer):
    """Fails as it is told."""

    error: BaseException | None = None
    left_out = ""

    def get_tokens(self, text: str, unfiltered: bool = False) -> Iterator[tuple[type[Token], str]]:
        yield Text, text.replace(self.left_out, "") if self.left_out else text
        if self.error:
            raise self.error


class TestCode:
    def test_code_is_coloured_by_classes(self) -> None:
        made = read(f"```python\n{PYTHON}```", code_label='Code "a"')
        assert made.one("pre").attributes == {
            "class": "code",
            "tabindex": "0",
            "role": "group",
            "aria-label": 'Code "a"',
        }
        assert made.one("code").attributes == {"class": "language-python"}
        assert made.one("code").text == PYTHON
        assert [(each.attributes["class"], each.text) for each in made.all("span")] == [
            *[
                ("k", "def"),
                ("nf", "add"),
                ("nb", "int"),
                ("nb", "int"),
                ("k", "return"),
                ("mi", "1"),
                ("c1", "# more"),
            ]
        ]

    @try_each(
        ("info", "language"),
        [
            *[
                ("py", "python"),
                ("Python", "python"),
                (" python title='x.py'", "python"),
                ("python,linenos", "python"),
            ],
            *[
                ("c++", "cpp"),
                ("c#", "csharp"),
                ("js", "javascript"),
                ("sh", "bash"),
                ("yml", "yaml"),
                ("R", "splus"),
                ("vb.net", "vb.net"),
            ],
        ],
    )
    def test_a_language_has_many_names(self, info: str, language: str) -> None:
        assert read(f"~~~{info}\nif x == 1: y = 'z'\n~~~").one("code").attributes == {
            "class": f"language-{language}"
        }

    @try_each(
        "info",
        [
            "",
            "text",
            "nonsense",
            "{.python}",
            '"><script>alert(1)</script>',
            "agda",
            "guess",
            "写",
            "-",
            '" onclick="alert(1)',
        ],
    )
    def test_without_a_language_that_is_known_it_is_plain(self, info: str) -> None:
        made = read(f"~~~ {info}\n{PYTHON}~~~")
        assert (made.one("code").attributes, made.one("code").text, made.all("span")) == (
            {},
            PYTHON,
            [],
        )

    def test_an_indented_block_is_plain(self) -> None:
        made = read("    def a():\n\n        <b>\n")
        assert (made.one("code").text, made.all("span")) == ("def a():\n\n    <b>\n", [])
        assert made.one("pre").attributes["aria-label"] == "Code"

    @try_each(
        "code",
        [
            "\n\n\ta \n\n\n",
            "",
            "\n",
            " \t \n",
            "\ufeffa = 1\n",
            "a\u2028b = 1\n",
            "if 1 < 2 & 3 > '\"':\n",
        ],
    )
    @try_each(
        "language",
        ["python", "bash", "sql", "html", "http", "console", "pycon", "yaml", "markdown", "diff"],
    )
    def test_code_stays_as_it_is(self, code: str, language: str) -> None:
        assert read(f"```{language}\n{code}```").one("code").text == code

    def test_a_block_is_coloured_up_to_a_length_and_shown_beyond_it(self) -> None:
        code = "a = 1\n" * (LONGEST_BLOCK // 6) + "b\n"
        assert len(code) <= LONGEST_BLOCK < len(code + code[:6])
        assert read(f"```python\n{code}```").all("span")
        made = read(f"```python\n{code}{code[:6]}```")
        assert (made.one("code").text, made.all("span")) == (code + code[:6], [])

    def test_a_line_is_coloured_up_to_a_length_and_shown_beyond_it(self) -> None:
        line = "a = '" + "b" * (LONGEST_LINE - 6) + "'"
        assert read(f"```python\n{line}\n```").all("span")
        made = read(f"```python\n{line}#\n```")
        assert (made.one("code").text, made.all("span")) == (f"{line}#\n", [])

    @pytest.mark.parametrize(
        "error",
        [
            IndexError,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            AssertionError,
            RecursionError,
        ],
    )
    def test_a_lexer_that_fails_leaves_the_code_plain_and_says_so(
        self,
        error: type[Exception],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        lexer = Mistaken()
        lexer.error = error("secret <b>")
        monkeypatch.setattr(colouring_module, "get_lexer_by_name", lambda name, **options: lexer)
        made = read("```python\n<b>\n```")
        assert (made.one("code").text, made.all("span")) == ("<b>\n", [])
        assert caplog.messages == [f"The lexer for python failed: {error.__name__}"]

    def test_a_lexer_that_changes_the_code_is_not_believed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lexer = Mistaken()
        lexer.left_out = "b"
        monkeypatch.setattr(colouring_module, "get_lexer_by_name", lambda name, **options: lexer)
        assert read("```python\nabc\n```").one("code").text == "abc\n"

    def test_an_interruption_is_no_failure_of_a_lexer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lexer = Mistaken()
        lexer.error = KeyboardInterrupt()
        monkeypatch.setattr(colouring_module, "get_lexer_by_name", lambda name, **options: lexer)
        with pytest.raises(KeyboardInterrupt):
            prose("```python\na\n```")

    def test_all_blocks_together_get_so_much_work_and_no_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now, asked = iter(range(1000)), []
        monkeypatch.setattr(colouring_module, "thread_time", lambda: next(now) / 10)
        monkeypatch.setattr(
            colouring_module,
            "get_lexer_by_name",
            lambda *name, **options: asked.append(name) or get_lexer_by_name(*name, **options),
        )
        made = read("```python\na = 1\n```\n" * 5)
        assert [code.text for code in made.all("code")] == ["a = 1\n"] * 5
        assert [code.count("<span") for code in made.html.split("</pre>\n")] == [1, 0, 0, 0, 0, 0]
        assert len(asked) == 2

    @try_each(
        ("language", "hostile"),
        [("python", " \n"), ("console", "a(@"), ("ini", " = "), ("html", "<!--"), ("css", '\\"')],
    )
    def test_what_takes_a_lexer_for_ever_is_plain_in_bounded_time(
        self, language: str, hostile: str
    ) -> None:
        code = hostile * (19_990 // len(hostile)) + "\n"
        before = thread_time()
        made = read(f"```{language}\n{code}```\n\n" * 5)
        assert [each.text for each in made.all("code")] == [code] * 5
        assert thread_time() - before < 10

    @pytest.mark.parametrize(
        "languages",
        [["bash", "html", "python"], pytest.param(sorted(LANGUAGES), marks=pytest.mark.long)],
    )
    def test_no_lexer_stays_at_one_place_for_long(
        self, languages: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its work ends between two pieces of the code only."""
        for language in languages:
            prose(f"```{language}\na\n```")
        monkeypatch.setattr(colouring_module, "MOST_SECONDS", 0.02)
        hostiles = ("\n", " \n", "\n\t", "a ", "a\n", "(", "<", '\\"', "\n/*", "a(b) ")
        for language, hostile in product(languages, hostiles):
            code = hostile * (19_000 // len(hostile))
            code = re.sub(f"[^\n]{{{LONGEST_LINE}}}", lambda found: found[0] + "\n", code) + "\n"
            before = thread_time()
            Highlighter().coloured(code, language)
            assert thread_time() - before < 1, (language, hostile)

    @pytest.mark.parametrize(
        "block",
        [
            "```http\nHTTP/1.1 200 OK\nContent-Type: text/x-python\n\ndef a(): pass\n```",
            "~~~markdown\n```python\ndef a(): pass\n```\n~~~",
            "~~~rst\n.. code:: python\n\n  def a(): pass\n~~~",
        ],
    )
    def test_a_lexer_asks_no_other_by_what_stands_in_the_code(self, block: str) -> None:
        made = read(block)
        assert made.one("code").text in block
        assert "def a(): pass" in made.html
        assert made.all("span") != []

    def test_every_language_is_one_of_pygments_and_plain_text_is_none(self) -> None:
        assert set(NAMES.values()) == LANGUAGES
        assert "text" not in NAMES

    def test_no_lexer_is_loaded_before_it_is_needed(self) -> None:
        code = (
            "import sys\nfrom web.pages.markdown_html import prose\nloaded = lambda: 'pygments.lexers.python' in sys.modules\n"
            "print(loaded())\nprose('```nonsense\\na\\n```')\nprint(loaded())\nprose('```python\\na\\n```')\nprint(loaded())"
        )
        run = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (run.stdout.split(), run.stderr) == (["False", "False", "True"], "")


class TestTables:
    def test_a_table_can_be_scrolled_and_is_aligned_by_classes(self) -> None:
        made = prose(
            "| a | b | c | |\n|:--|--:|:-:|-|\n| *1* | 2 | x \\| y |\n", table_label='Table "a"'
        )
        assert made == (
            '<div class="scroll" tabindex="0" role="region" aria-label="Table &quot;a&quot;">'
            '<table>\n<thead>\n<tr>\n<th>a</th>\n<th class="to-right">b</th>\n'
            '<th class="to-center">c</th>\n<td></td>\n</tr>\n</thead>\n<tbody>\n<tr>\n'
            '<td><em>1</em></td>\n<td class="to-right">2</td>\n<td class="to-center">x | y</td>\n'
            "<td></td>\n</tr>\n</tbody>\n</table>\n</div>\n"
        )
        Read(str(made))

    def test_tables_have_names_of_their_own(self) -> None:
        made = read("| a |\n|---|\n\n> | b |\n> |---|\n", table_label="Tabelle")
        assert [each.attributes["aria-label"] for each in made.all("div")] == [
            "Tabelle 1",
            "Tabelle 2",
        ]


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
        ("length", "seconds"), [(10_000, 3), pytest.param(100_000, 10, marks=pytest.mark.long)]
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
        monkeypatch.setattr(prose_module, "MOST_SECONDS", -1)
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
    def test_neither_by_a_label(self, markdown: str, code: str, table: str) -> None:
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
        markdown = "".join(f"word{next(counted)} " if part == "word" else part for part in parts)
        words = re.findall(r"word\d+", markdown)
        shown = re.findall(r"word\d+", read(f"```\n{markdown}\n").text)
        assert shown == words
        if "|" not in markdown:  # a cell too many is none
            assert sorted(
                re.findall(r"word\d+", read(markdown).text + markdown_info(markdown))
            ) == sorted(words)

    @given(attacks.map("".join) | markdowns)
    @often
    def test_what_was_made_harmless_before_it_was_kept_has_the_same_rules(
        self, markdown: str
    ) -> None:
        read(sanitize(markdown.encode("utf-8", "replace").decode()))


def markdown_info(markdown: str) -> str:
    """What stands beside the beginning of a fence."""
    return "".join(
        token.info for token in MarkdownIt("commonmark").parse(markdown) if token.type == "fence"
    )


TUTORIALS = sorted(
    (ROOT / "roadmap" / "generation" / "catalogue" / "tracks" / "python-backend" / "concepts").glob(
        "*.md"
    )
)


def skips(ranks: list[int]) -> list[int]:
    """Where a heading is more than one below the one before it."""
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
            assert ("language-" in html.partition("</pre>")[0]) is (
                token.info not in ("", "text")
            ), token.content
            is_header = (
                token.info == "http" and "HTTP" not in token.content
            )  # a lexer needs more of a message
            assert ("<span" in html.partition("</pre>")[0]) is (
                token.info not in ("", "text") and not is_header
            ), token.content
        assert len(made.all("table")) == sum(token.type == "table_open" for token in tokens)


SHEET = (ROOT / "web" / "static" / "code.css").read_text("utf-8")
BACKGROUNDS = {"light": "#f4f2ec", "dark": "#1b1e23"}


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def colours(selector: str) -> dict[str, str]:
    """The properties of the rule with exactly this selector."""
    [rule] = re.findall(rf"^\s*{re.escape(selector)} {{([^}}]*)}}", SHEET, re.MULTILINE)
    return dict(re.findall(r"(--code-[a-z]+): (#[0-9a-f]{6});", rule))


class TestSheet:
    def test_it_is_small(self) -> None:
        assert len(SHEET.encode()) < 3000

    def test_contrast_is_computed_as_it_should_be(self) -> None:
        assert contrast("#ffffff", "#000000") == pytest.approx(21)
        assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)

    def test_every_colour_can_be_read_in_both_themes(self) -> None:
        light, dark = colours(":root"), colours(':root[data-theme="dark"]')
        assert colours(':root:not([data-theme="light"])') == dark
        assert re.search(
            r'@media \(prefers-color-scheme: dark\) {\s*:root:not\(\[data-theme="light"\]\) {',
            SHEET,
        )
        assert light.keys() == dark.keys() == set(re.findall(r"var\((--code-[a-z]+)\)", SHEET))
        for theme, theirs in (("light", light), ("dark", dark)):
            faint = {
                name: colour
                for name, colour in theirs.items()
                if contrast(colour, BACKGROUNDS[theme]) < 4.5
            }
            assert faint == {}, theme

    def test_colours_stand_in_properties_only(self) -> None:
        rules = re.sub(r"--code-[a-z]+: #[0-9a-f]{6};", "", SHEET)
        assert re.findall(r"#[0-9a-f]{3,8}\b|rgb|hsl|url|@import", rules) == []

    def test_every_class_has_a_rule(self) -> None:
        names = set(re.findall(r"\.([a-z0-9]+)\b", SHEET))
        starts = tuple(re.findall(r'span\[class\^="([a-z])"\]', SHEET))
        assert [
            name for name in CLASSES["span"] if name not in names and not name.startswith(starts)
        ] == []
        assert {"to-right", "to-center"} <= set(re.findall(r"\.([a-z-]+)", SHEET))
