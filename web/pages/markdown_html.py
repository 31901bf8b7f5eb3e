"""Render a tutorial's Markdown as HTML for a page

markdown-it-py parses and renders, and nh3 lets through only the tags and attributes listed here.
Between the two steps of markdown-it-py, its tokens are prepared: headings get their level and id,
images become links, links that must not be followed become text, and tables can be scrolled.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from html import escape
from itertools import chain, pairwise
from urllib.parse import unquote

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from core.sanitize import plain, strip_nul
from roadmap.generation.tutorial_lint import are_exercises, ends_with_solution
from roadmap.plan.markdown_sanitizer import DEEPEST, TooIntricate, parsed
from web.pages import runnable
from web.pages.highlight import NAMES, Highlighter

PLAIN, OUTPUT = ("", "text", "txt", "plain", "plaintext"), ("output", "stdout")
MOST_ADDRESSES = 500_000  # characters of all links; a definition may be used many times
LONGEST_ADDRESS = 2_000
LONGEST_ID = 80
MOST_OF_TITLE = 500  # characters that an id is made of; sorting marks takes the square of them
ADDRESS = re.compile(
    r"https?://[^\s/?#@\\]+(?:[/?#][!-~]*)?|mailto:[!-~]+", re.IGNORECASE | re.ASCII
)
BLANK_LINES = re.compile(r"\n\s*\n")
LANGUAGE = re.compile(r"[\w.+#-]+")
HYPHENS = re.compile("-+")

REGION = {"class", "tabindex", "role", "aria-label"}
ATTRIBUTES: dict[str, set[str]] = {
    **{tag: {"id"} for tag in ("h1", "h2", "h3", "h4", "h5", "h6")},
    **{tag: {"class"} for tag in ("code", "span", "th", "td")},
    **{
        "a": {"href", "rel"},
        "ol": {"start"},
        "pre": REGION | {"data-run", "data-check"},
        "div": REGION,
    },
}
TAGS = {
    *ATTRIBUTES,
    *("p", "blockquote", "ul", "li", "hr", "br", "em", "strong", "s"),
    *("table", "thead", "tbody", "tr"),
}
CLEANER = nh3.Cleaner(
    tags=TAGS, attributes=ATTRIBUTES, url_schemes={"http", "https", "mailto"}, link_rel=None
)
SOLUTION = '<div class="solution"></div>'  # before the heading of the solution, the last section
TASK = '<div class="task"></div>'  # before each of several exercises and of their solutions
ALIGNMENTS = {"text-align:right": "to-right", "text-align:center": "to-center"}


def prose(
    markdown: str,
    *,
    top: int = 3,
    code_label: str = "Code",
    output_label: str = "Output",
    table_label: str = "Table",
    prefix: str = "t",
    runs: bool = False,
) -> Markup:
    """Return the text as HTML; a text that would take too long shows as it is

    The highest heading becomes h{top}, and `prefix` begins every id. `runs` marks the blocks that
    the browser can run.
    """
    text = strip_nul(markdown)
    parser = _parser()
    try:
        parts = parsed(text, parser)
        for token in parts:
            if token.type == "inline":
                token.children = list(_simplified(token.children or []))
        if runs:
            runnable.mark(parts)
        labels = {
            "code_label": code_label,
            "output_label": output_label,
            "table_label": table_label,
        }
        tokens = list(_Page(parts, top, prefix, **labels).tokens())
        html = parser.renderer.render(tokens, parser.options, {})
    except (TooIntricate, RecursionError):
        lines = (escape(plain(part)).replace("\n", "<br>") for part in BLANK_LINES.split(text))
        html = "".join(f"<p>{part}</p>\n" for part in lines)
    return Markup(CLEANER.clean(html))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": DEEPEST})
    # Every address is one: a link that must not be followed then shows its text alone.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    parser.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])
    # It builds its tables of rules when it is first used, not for several threads at once.
    parser.render("# A heading\n\nand *some* text")
    return parser


class _Page:
    """Preparation of the tokens of one text for the renderer"""

    def __init__(
        self,
        tokens: list[Token],
        top: int,
        prefix: str,
        *,
        code_label: str,
        output_label: str,
        table_label: str,
    ) -> None:
        self._tokens = tokens
        self._code_label, self._output_label = code_label, output_label
        self._table_label = table_label
        self._fragments: dict[str, str] = {}  # ids of headings by the fragments that lead there

        self._spent = 0  # characters of addresses
        self._colouring = Highlighter()
        headings = [pair for pair in pairwise(tokens) if pair[0].type == "heading_open"]
        self._shift = top - min((int(opening.tag[1]) for opening, _ in headings), default=top)
        used: Counter[str] = Counter()
        for opening, content in headings:
            name = slug = slug_of(_words(content.children or [])) or "part"
            while name in self._fragments:  # links without a number lead to the first
                used[slug] += 1
                name = f"{slug}-{used[slug]}"
            opening.attrs["id"] = self._fragments[name] = f"{prefix}-{name}"
        sections = [pair for pair in headings if pair[0].tag == "h2" and not pair[0].level]
        titles = [_words(content.children or []) for _, content in sections]
        self._solution = sections[-1][0] if ends_with_solution(titles) else None
        self._tasks: set[int] = set()  # identities of headings
        if self._solution is not None:
            outer = [opening for opening, _ in headings if not opening.level]
            *_, first, last = [at for at, each in enumerate(outer) if each.tag == "h2"]
            of_both = [
                [id(each) for each in part if each.tag == "h3"]
                for part in (outer[first:last], outer[last:])
            ]
            if are_exercises(*of_both):
                self._tasks = {*chain(*of_both)}

    def tokens(self) -> Iterator[Token]:
        """Yield the tokens to render. Raises TooIntricate."""
        has_tables = sum(token.type == "table_open" for token in self._tokens) > 1
        table = 0
        for place, token in enumerate(self._tokens):
            if token is self._solution:
                yield _html(SOLUTION)
            if id(token) in self._tasks:
                yield _html(TASK)
            match token.type:
                case "inline":
                    token.children = list(self._linked(token.children or []))
                case "heading_open" | "heading_close":
                    token.tag = f"h{min(int(token.tag[1]) + self._shift, 6)}"
                case "fence" | "code_block":
                    token.type, token.content = "html_block", self._code(token, place)
                case "th_open" | "td_open":
                    alignment = ALIGNMENTS.get(str(token.attrs.get("style")))
                    token.attrs = {"class": alignment} if alignment else {}
                    if not self._tokens[place + 1].children:  # a head without words is none
                        token.tag = self._tokens[place + 2].tag = "td"
                case "table_open":  # in a region that keyboards can scroll
                    table += 1
                    label = escape(self._table_label) + (f" {table}" if has_tables else "")
                    region = f'tabindex="0" role="region" aria-label="{label}"'
                    yield _html(f'<div class="scroll" {region}>')
            yield token
            if token.type == "table_close":
                yield _html("</div>\n")

    def _code(self, token: Token, place: int) -> str:
        """Return a block of code that keyboards can scroll

        It is a group, as what has the focus needs a name; regions would crowd the list of a page's
        parts.
        """
        found = LANGUAGE.match(token.info.strip())
        language = NAMES.get(found[0].lower()) if found else None
        code = plain(token.content)
        coloured = self._colouring.coloured(code, language) if language else None
        kind = f' class="language-{language}"' if language else ""
        run = "".join(f' data-{use}="{runner}"' for use, runner in token.meta.items())
        label, looks = self._code_label, "code"
        # It shows what the block before prints if it says so, or is plain text behind code
        before = self._tokens[place - 1] if place else None
        is_after_code = before is not None and before.tag == "code" and _named(before) not in PLAIN
        if _named(token) in OUTPUT or (is_after_code and _named(token) in PLAIN):
            label, looks = self._output_label, "code output"
        return (
            f'<pre class="{looks}" tabindex="0" role="group" aria-label="{escape(label)}"{run}>'
            f"<code{kind}>{escape(code) if coloured is None else coloured}</code></pre>\n"
        )

    def _linked(self, tokens: Sequence[Token]) -> Iterator[Token]:
        """Yield the tokens; of links that must not be followed only the text."""
        links: list[tuple[int, str]] = []  # those that are open: where, and to what address
        for place, token in enumerate(tokens):
            is_auto = token.markup == "autolink"  # vector<std::string> shows as it is
            if token.type == "link_open":
                is_in_link = any(outer for _, outer in links)
                address = "" if is_in_link else self._allowed(str(token.attrs["href"]))
                links.append((place, address))
                token.attrs = {"href": address}
                if not address.startswith("#"):
                    token.attrs["rel"] = "noopener noreferrer nofollow"
                yield token if address else _text("<" if is_auto else "")
            elif token.type == "link_close":
                start, address = links.pop()
                if address and not _is_visible(_words(tokens[start:place])):
                    yield _text(address)
                yield token if address else _text(">" if is_auto else "")
            else:
                yield token

    def _allowed(self, address: str) -> str:
        """Return the target of a link, empty if it must not be followed. Raises TooIntricate."""
        self._spent += len(address)
        if self._spent > MOST_ADDRESSES:
            raise TooIntricate
        if address.startswith("#"):
            name = self._fragments.get(slug_of(unquote(address)))
            return f"#{name}" if name else ""
        if len(address) > LONGEST_ADDRESS or not ADDRESS.fullmatch(address):
            return ""
        link = CLEANER.clean(f'<a href="{escape(address)}">')  # without an address of no host
        return address if "href" in link else ""


def _named(token: Token) -> str:
    """Return the language that a block of code names, or nothing."""
    return next(iter(token.info.lower().split()), "")


def _html(content: str) -> Token:
    return Token("html_block", "", 0, content=content)


def _text(content: str) -> Token:
    return Token("text", "", 0, content=plain(content))


def _simplified(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens with plain text, and each image as a link to it, as no page loads one."""
    for token in tokens:
        if token.type == "image":
            words, address = _words(_simplified(token.children or [])), str(token.attrs["src"])
            yield Token("link_open", "a", 1, attrs={"href": address})
            yield _text(words if _is_visible(words) else address)
            yield Token("link_close", "a", -1)
        elif token.type == "text_special":
            yield _text(token.content)
        else:
            token.content = plain(token.content)
            yield token


def _words(tokens: Iterable[Token]) -> str:
    """Return the text of tokens, without marks."""
    return "".join(
        "\n" if token.type in ("softbreak", "hardbreak") else token.content for token in tokens
    )


def _is_visible(text: str) -> bool:
    return any(character.isprintable() and not character.isspace() for character in text)


def slug_of(text: str) -> str:
    """Return letters and digits of any language, with hyphens for spaces."""
    kept = (
        "-" if character.isspace() else character
        for character in unicodedata.normalize("NFC", text[:MOST_OF_TITLE]).lower()
        if character in "_-" or character.isspace() or unicodedata.category(character)[0] in "LNM"
    )
    return HYPHENS.sub("-", "".join(kept)).strip("-")[:LONGEST_ID].rstrip("-")
