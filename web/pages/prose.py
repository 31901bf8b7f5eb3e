"""A tutorial's Markdown as HTML for a page. Only what is written here becomes a tag or an attribute, whatever the text is."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from time import thread_time
from typing import Any
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from core.text import plain, storable
from roadmap.markdown import MOST_BRACKETS, UNESCAPED
from web.pages.colouring import NAMES, Colouring

DEEPEST = 20  # nesting; a list in a list is two more
MOST_SECONDS = 2.0  # of work; it needs 0.3
MOST_TOKENS = 30_000  # a tutorial of 100,000 characters has 5,000
MOST_ADDRESSES = 500_000  # characters of all links; a definition may be used many times
LONGEST_ADDRESS = 2_000
LONGEST_ID = 80
ADDRESS = re.compile(
    r"https?://[^\s/?#@\\]+(?:[/?#][!-~]*)?|mailto:[!-~]+", re.IGNORECASE | re.ASCII
)
LINE_END = re.compile(r"\r\n?")
BLANK_LINES = re.compile(r"\n\s*\n")
LANGUAGE = re.compile(r"[\w.+#-]+")
HYPHENS = re.compile("-+")

LINES = {
    "paragraph": "p",
    "blockquote": "blockquote",
    "bullet_list": "ul",
    "ordered_list": "ol",
    "list_item": "li",
}
LINES |= {name: name for name in ("thead", "tbody", "tr")}
SPANS = ("em", "strong", "s")
TAGS = {
    **{f"{name}_open": f"<{tag}>" for name, tag in LINES.items()},
    **{f"{name}_close": f"</{tag}>\n" for name, tag in LINES.items()},
    **{f"{name}_open": f"<{name}>" for name in SPANS},
    **{f"{name}_close": f"</{name}>" for name in SPANS},
    **{"hr": "<hr>\n", "softbreak": "\n", "hardbreak": "<br>\n", "table_close": "</table></div>\n"},
}
CONTAINERS = ("blockquote_open", "list_item_open")
ALIGNMENTS = {"text-align:right": ' class="to-right"', "text-align:center": ' class="to-center"'}


def prose(
    markdown: str,
    *,
    top: int = 3,
    code_label: str = "Code",
    table_label: str = "Table",
    prefix: str = "t",
) -> Markup:
    """The highest heading becomes h{top}, and `prefix` begins every id. A text that would take too long shows as it is."""
    text = LINE_END.sub("\n", storable(markdown))
    try:
        return Markup("".join(_Page(_parsed(text), top, code_label, table_label, prefix).html()))
    except (_TooMuch, RecursionError):
        return Markup(
            "".join(
                f"<p>{_shown(part).replace(chr(10), '<br>')}</p>\n"
                for part in BLANK_LINES.split(text)
            )
        )


class _TooMuch(Exception):
    pass


class _Work:
    """What may be spent on a text: parsers take the square of its length for some, and fill tables with empty cells."""

    def __init__(self) -> None:
        self._tokens = MOST_TOKENS
        self._until = thread_time() + MOST_SECONDS

    def do(self) -> None:
        """Raises _TooMuch."""
        self._tokens -= 1
        if self._tokens < 0 or thread_time() > self._until:
            raise _TooMuch


class _Tokens(list[Token]):
    """The parser looks here whether it may go on, with each that it adds."""

    def __init__(self, work: _Work) -> None:
        super().__init__()
        self._work = work

    def append(self, token: Token) -> None:
        self._work.do()
        super().append(token)


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 -- its name there
        """Every address makes a link, so that one that leads nowhere shows its text, and not its brackets."""
        return True


@cache
def _parser() -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False, "maxNesting": DEEPEST})
    parser.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])
    parser.render(
        "# It builds its tables\n\nof *rules* when it is first used, and not for several threads at once."
    )
    return parser


def _parsed(text: str) -> list[Token]:
    """Raises _TooMuch and RecursionError."""
    parser, work = _parser(), _Work()
    env: dict[str, Any] = {}
    tokens = _Tokens(work)
    parser.block.parse(text, parser, env, tokens)
    if any(
        token.type in CONTAINERS and token.level + 1 >= DEEPEST for token in tokens
    ):  # what is in it was left out
        raise _TooMuch
    for token in tokens:
        if token.type == "inline":
            token.children = _Tokens(work)
            if sum(1 for _ in UNESCAPED.finditer(token.content)) > MOST_BRACKETS:
                token.children.append(Token("text", "", 0, content=token.content))
            else:
                parser.inline.parse(token.content, parser, env, token.children)
    return tokens


class _Page:
    """The tokens of a text, and what its parts need to know of each other."""

    def __init__(
        self, tokens: list[Token], top: int, code_label: str, table_label: str, prefix: str
    ) -> None:
        self._tokens, self._prefix = tokens, prefix
        self._code_label, self._table_label = code_label, table_label
        headings = [place for place, token in enumerate(tokens) if token.type == "heading_open"]
        self._shift = top - min((_level(tokens[place]) for place in headings), default=top)
        self._fragments: dict[str, str] = {}  # what a link may say, and the heading's id
        self._used: Counter[str] = Counter()
        self._ids = {
            place: self._named(_slug(_words(tokens[place + 1].children or [])) or "part")
            for place in headings
        }
        self._has_tables = sum(token.type == "table_open" for token in tokens) > 1
        self._table = 0
        self._targets: dict[str, str] = {}
        self._spent = 0  # characters of addresses
        self._colouring = Colouring()

    def html(self) -> Iterator[str]:
        for place, token in enumerate(self._tokens):
            if token.type == "inline":
                yield from self._inline(token.children or [])
            elif not token.hidden:  # like the paragraphs of a list without blank lines
                yield self._block(place, token)

    def _named(self, slug: str) -> str:
        """An id that no other heading has. Links without a number lead to the first."""
        name = slug
        while name in self._fragments:
            self._used[slug] += 1
            name = f"{slug}-{self._used[slug]}"
        self._fragments[name] = f"{self._prefix}-{name}"
        return self._fragments[name]

    def _block(self, place: int, token: Token) -> str:
        match token.type:
            case "fence" | "code_block":
                html = self._code(token)
            case "heading_open":
                html = f'<h{self._rank(token)} id="{self._ids[place]}">'
            case "heading_close":
                html = f"</h{self._rank(token)}>\n"
            case "ordered_list_open" if "start" in token.attrs:
                html = f'<ol start="{int(token.attrs["start"])}">'
            case "table_open":
                html = self._region()
            case "th_open" | "td_open":
                tag = _cell(token, self._tokens[place + 1])
                html = f"<{tag}{ALIGNMENTS.get(str(token.attrs.get('style')), '')}>"
            case "th_close" | "td_close":
                html = f"</{_cell(token, self._tokens[place - 1])}>"
            case _:
                html = TAGS[token.type]
        return html

    def _rank(self, token: Token) -> int:
        return min(_level(token) + self._shift, 6)

    def _region(self) -> str:
        """One that keyboards can scroll. Regions need names of their own."""
        self._table += 1
        number = f" {self._table}" if self._has_tables else ""
        return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(self._table_label)}{number}"><table>'

    def _code(self, token: Token) -> str:
        """A group, as what has the focus needs a name; regions would crowd the list of a page's parts."""
        found = LANGUAGE.match(token.info.strip())
        language = NAMES.get(found[0].lower()) if found else None
        code = plain(token.content)
        coloured = self._colouring.coloured(code, language) if language else None
        kind = f' class="language-{language}"' if language else ""
        return (
            f'<pre class="code" tabindex="0" role="group" aria-label="{escape(self._code_label)}">'
            f"<code{kind}>{escape(code) if coloured is None else coloured}</code></pre>\n"
        )

    def _inline(self, tokens: Sequence[Token]) -> Iterator[str]:
        links: list[tuple[int, str]] = []  # those that are open: where, and with what target
        for place, token in enumerate(tokens):
            match token.type:
                case "text" | "text_special":
                    yield _shown(token.content)
                case "code_inline":
                    yield f"<code>{_shown(token.content)}</code>"
                case "image":
                    yield self._image(token, is_in_link=any(target for _, target in links))
                case "link_open":
                    is_in_link = any(target for _, target in links)
                    links.append(
                        (place, "" if is_in_link else self._target(str(token.attrs["href"])))
                    )
                    yield self._link_open(token, links[-1][1])
                case "link_close":
                    start, target = links.pop()
                    yield self._link_close(tokens[start:place], target)
                case _:
                    yield TAGS[token.type]

    def _link_open(self, token: Token, target: str) -> str:
        if target:
            return f"<a {target}>"
        return "&lt;" if token.markup == "autolink" else ""  # vector<std::string> shows as it is

    def _link_close(self, inside: Sequence[Token], target: str) -> str:
        """Of a link without words the address shows."""
        opening, *text = inside
        if target:
            return f"{'' if _is_visible(_words(text)) else _shown(str(opening.attrs['href']))}</a>"
        return "&gt;" if opening.markup == "autolink" else ""

    def _image(self, token: Token, *, is_in_link: bool) -> str:
        """No page loads it: a link to it, or its words alone."""
        target = "" if is_in_link else self._target(str(token.attrs["src"]))
        text = _shown(_words([token]))
        return f"<a {target}>{text}</a>" if target else text

    def _target(self, address: str) -> str:
        """As attributes, empty when a link must not lead there."""
        if address not in self._targets:
            self._targets[address] = self._checked(address)
        target = self._targets[address]
        self._spent += len(target)
        if self._spent > MOST_ADDRESSES:
            raise _TooMuch
        return target

    def _checked(self, address: str) -> str:
        if len(address) > LONGEST_ADDRESS:
            return ""
        if address.startswith("#"):
            name = self._fragments.get(_slug(unquote(address)))
            return f'href="#{name}"' if name else ""
        return (
            f'href="{escape(address)}" rel="noopener noreferrer nofollow"'
            if ADDRESS.fullmatch(address)
            else ""
        )


def _shown(text: str) -> str:
    return escape(plain(text))


def _level(token: Token) -> int:
    return int(token.tag.removeprefix("h"))


def _cell(token: Token, content: Token) -> str:
    """A head without words is none."""
    return token.tag if content.children else "td"


def _words(tokens: Sequence[Token]) -> str:
    """Without marks."""
    return "".join(_word(token) for token in tokens)


def _word(token: Token) -> str:
    match token.type:
        case "softbreak" | "hardbreak":
            return "\n"
        case "image":
            alternative = _words(token.children or [])
            return alternative if _is_visible(alternative) else str(token.attrs["src"])
        case _:
            return token.content


def _is_visible(text: str) -> bool:
    return any(character.isprintable() and not character.isspace() for character in text)


def _slug(text: str) -> str:
    """Letters and digits of any language, with hyphens for spaces."""
    kept = (_sluggish(character) for character in unicodedata.normalize("NFC", text).lower())
    return HYPHENS.sub("-", "".join(kept)).strip("-")[:LONGEST_ID].rstrip("-")


def _sluggish(character: str) -> str:
    if character == "_" or unicodedata.category(character)[0] in "LNM":
        return character
    return "-" if character == "-" or character.isspace() else ""
