"""Reader of rendered Markdown, which refuses tags and attributes beyond a list."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from pygments.token import STANDARD_TYPES

from web.pages.highlight import LANGUAGES, UNCOLOURED
from web.pages.markdown_html import prose

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
    "pre": {"code", "code output"},
    "div": {"scroll", "solution", "task"},
    "code": {f"language-{language}" for language in LANGUAGES},
    "span": set(STANDARD_TYPES.values()) - UNCOLOURED,
    **{tag: {"to-right", "to-center"} for tag in ("th", "td")},
}
MARKS = ({"class": "solution"}, {"class": "task"})
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
        if tag in (*HEADINGS, "pre", "div") and attributes not in MARKS:
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
