"""Sanitizer of Markdown: no HTML, no images, links only to the web, mail and the text itself.

Only what a parser takes for one of these is rewritten, in place; the rest stays byte for byte.
`parsed` reads a text within a budget of tokens and of time.
"""

import math
import re
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise, repeat
from time import thread_time
from typing import Any

from markdown_it import MarkdownIt, rules_inline
from markdown_it.common.utils import mdTrim
from markdown_it.helpers import parseLinkLabel
from markdown_it.rules_block import StateBlock, html_block
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MOST_BRACKETS = 1000  # of a paragraph; parsers need the square of their number of steps
# Calls of parser rules for one text: so many, and for each character; a tutorial of 100,000
# characters has 500,000.
CALLS, CALLS_OF_CHARACTER = 60_000, 20
MOST_OF_EXPORT = 600_000  # for an export, without its tutorials; a built-in one has 160,000
MOST_TOKENS = 30_000  # of a parser; such a tutorial has 5,000, and each takes 300 bytes
MOST_ROUNDS = 20  # an edit can reveal another hazard: an image in an image, a tag in a comment
# With the tables of GitHub, with hardly any limit of nesting, and CommonMark alone.
PARSERS = (("js-default", 100), ("js-default", 10_000), ("commonmark", 20))
ALLOWED = re.compile(r"(https?:|mailto:|#)", re.IGNORECASE)
LINE_END = re.compile(r"\r\n|\r|\n")
# Of a line in quotations and lists.
PREFIX = re.compile(r"([ \t]|>|[-+*][ \t]|[0-9]{1,9}[.)][ \t])*")
QUOTATION = re.compile(r"[ \t>]*")
MOST_SECONDS = 0.8  # of work; a tutorial of 100,000 characters needs 0.3
DEEPEST = 20  # nesting; a list in a list is two more
CONTAINERS = ("blockquote_open", "list_item_open")
PIPE = re.compile(r"(?<!\\)\|")
UNESCAPED = re.compile(r"(?<!\\)(\\\\)*(?=[<\[])")

LIKE_CODE = re.compile(r"[\w)\]]\[")
UNESCAPED_MARK = re.compile(r"(?<!\\)(\\\\)*!\Z")
HAZARD = re.compile(r"[<\[]")  # without these there is no HTML, link or image
# A line that may begin or end a block of code: what stands before, marks, the rest.
FENCE = re.compile(r"^([ \t>*+\-0-9.)]*)(`{3,}|~{3,})(.*)$", re.MULTILINE)
# A line that begins an item of a list, and a part that would go on with it.
LISTED = re.compile(r"(?:^|\r)[ \t>]*(?:[-+*]|[0-9]{1,9}[.)])(?:\s|$)", re.MULTILINE)
INDENTED = re.compile(r"[\r\n]*[ \t]")
# Of a link or image elsewhere in the document.
DEFINITION = re.compile(r"^[ \t>*+\-0-9.)]*\[(?:\\.|[^\[\]\\])++\]:", re.MULTILINE | re.DOTALL)

Rule = Callable[..., Any]
Edit = tuple[int, int, str]  # the new text of source[start:end]


@dataclass(frozen=True, slots=True)
class Found:
    """Match of a rule: content[start:end]. The label of a link or image ends at `label`."""

    rule: str
    start: int
    end: int
    label: int
    may_stay: bool


class TooIntricate(ValueError):
    """The text is nested deeper, or takes a parser longer, than any tutorial needs."""

    def __init__(self) -> None:
        super().__init__(
            "The Markdown is too complex. Use less nesting and fewer tables, links and marks."
        )


def sanitize(markdown: str) -> str:
    """Return Markdown whose HTML is text, whose images are links, without other links.

    These links lose their target and keep their text. Code stays unchanged. In a text that is too
    intricate to be parsed, all marks are escaped.
    """
    try:
        return sanitized(markdown)
    except TooIntricate:
        return _without_marks(markdown)


def sanitized(markdown: str, calls_left: Iterator[None] | None = None) -> str:
    """Do the same as `sanitize`, with as many calls of parser rules. Raises TooIntricate."""
    if not HAZARD.search(markdown):
        return markdown
    calls_left = calls_left or repeat(None, CALLS + CALLS_OF_CHARACTER * len(markdown))
    try:
        for careful in (True,) * MOST_ROUNDS + (False,) * 3:
            before = markdown
            for preset, nesting in PARSERS:
                page = _Page(markdown, _parser(preset, nesting), calls_left)
                parts, at = [], 0
                for start, end, text in sorted(set(page.edits(careful))):
                    parts += [markdown[at:start], text]
                    at = max(at, end)
                markdown = "".join(parts) + markdown[at:]
            if markdown == before:
                return markdown
    except RecursionError as error:
        raise TooIntricate from error
    return _without_marks(markdown)


class Sanitizer:
    """Sanitizer of the parts of one document, within one budget of work."""

    def __init__(self) -> None:
        self._calls_left = repeat(None, MOST_OF_EXPORT)

    def clean(self, markdown: str) -> str:
        try:
            return sanitized(markdown, self._calls_left)
        except TooIntricate:
            return _without_marks(markdown)

    def joined(self, parts: Sequence[str]) -> str:
        """Return the document of clean parts, which begin and end with an empty line.

        It is sanitized as a whole if one part could change what another is: by a block of code or a
        list that stays open, or by the definition of an image.
        """
        document = "".join(parts)
        in_list = any(
            LISTED.search(before) and INDENTED.match(part) for before, part in pairwise(parts)
        )
        try:
            is_clean = all(self._is_closed(part) for part in parts)
        except (TooIntricate, RecursionError):
            is_clean = False
        if is_clean and not in_list and not ("![" in document and DEFINITION.search(document)):
            return document
        return self.clean(document)

    def _is_closed(self, markdown: str) -> bool:
        """Whether no block of code stays open. Raises TooIntricate and RecursionError."""
        opened = ""
        for before, marks, rest in FENCE.findall(markdown):
            if before or "`" in rest:  # in a list, for example: only a parser knows
                break
            if not opened:
                opened = marks
            elif marks.startswith(opened) and not rest.strip(" \t"):
                opened = ""
        else:
            if "\r" not in markdown:
                return not opened
        source = "\n".join([*LINE_END.split(markdown.replace("\0", "\ufffd")), "", "END"])
        for preset, nesting in PARSERS:
            parser, tokens = _parser(preset, nesting), _Tokens(_budget())
            parser.block.parse(source, parser, {"calls_left": self._calls_left, "html": []}, tokens)
            if tokens[-1].type != "paragraph_close" or tokens[-2].content != "END":
                return False
        return True


def _without_marks(markdown: str) -> str:
    return UNESCAPED.sub(lambda found: found[0] + "\\", markdown)


class _Tokens(list[Token]):
    """List to which a parser adds tokens, each of which takes one of `budget`.

    Parsers take the square of its length for some texts, and fill tables with empty cells.
    """

    def __init__(self, budget: Iterator[None]) -> None:
        super().__init__()
        self._budget = budget

    def append(self, token: Token) -> None:
        if next(self._budget, TooIntricate) is TooIntricate:  # it has raised that already
            raise TooIntricate
        super().append(token)


def _budget(seconds: float = math.inf) -> Iterator[None]:
    """Yield MOST_TOKENS times, for so many seconds of work at most. Raises TooIntricate then."""
    until = thread_time() + seconds
    for _ in range(MOST_TOKENS):
        if thread_time() > until:
            break
        yield
    raise TooIntricate


class _Page:
    """A source and its blocks. Each call of a parser's rule takes one of `calls_left`."""

    def __init__(self, source: str, parser: MarkdownIt, calls_left: Iterator[None]) -> None:
        self._source, self._parser = source, parser
        self._lines = LINE_END.split(source.replace("\0", "\ufffd"))
        self._starts = [0, *(found.end() for found in LINE_END.finditer(source)), len(source)]
        self._env: dict[str, Any] = {"calls_left": calls_left, "html": []}
        self._tokens = _Tokens(_budget())
        parser.block.parse("\n".join(self._lines), parser, self._env, self._tokens)

    def edits(self, careful: bool) -> Iterator[Edit]:
        """Yield edits; blocks are escaped whole where places are unknown, or if not `careful`."""
        for line, column in self._env["html"]:
            yield self._starts[line] + column, self._starts[line] + column, "\\"
        for (first, last), exact in self._hazards():
            if exact is not None and careful:
                yield from exact
                continue
            begin, end = self._starts[first], self._starts[min(last, len(self._lines))]
            for found in UNESCAPED.finditer(self._source, begin, end):
                yield found.end(), found.end(), "\\"

    def _hazards(self) -> Iterator[tuple[list[int], list[Edit] | None]]:
        """Yield ranges of lines with hazards, and their edits; None: a place is unknown."""
        for definition in (
            *self._env.get("references", {}).values(),
            *self._env.get("duplicate_refs", []),
        ):
            if not ALLOWED.match(definition["href"]):
                yield definition["map"], list(self._without_definition(*definition["map"]))
        column = 0
        for place, token in enumerate(self._tokens):
            if token.type == "tr_open":
                column = -1
            elif token.type in ("th_open", "td_open"):
                column += 1
            elif token.type == "inline":
                if sum(1 for _ in UNESCAPED.finditer(token.content)) > MOST_BRACKETS:
                    yield token.map or [], None
                    continue
                env: dict[str, Any] = {**self._env, "content": token.content, "found": []}
                self._parser.inline.parse(token.content, self._parser, env, _Tokens(_budget()))
                found: list[Found] = env["found"]
                if not all(each.may_stay for each in found):
                    origin = self._origin(place, column)
                    yield (
                        token.map or [],
                        None if origin is None else list(self._without(found, origin)),
                    )

    def _without_definition(self, first: int, last: int) -> Iterator[Edit]:
        """Escape a definition, so that the text does not swallow the definition after it."""
        line, start = self._lines[first], self._starts[first]
        at = line.index("[")
        yield start + at, start + at, "\\"
        if last < len(self._lines) and PREFIX.sub("", self._lines[last], count=1).startswith("["):
            blank = re.sub(r"[^>\t ]", " ", line[:at]).rstrip()
            yield self._starts[last], self._starts[last], f"{blank}\n"

    def _without(self, found: list[Found], origin: list[int]) -> Iterator[Edit]:
        """Yield edits; `origin` has the index in the source of each character of the content."""
        links = [each for each in found if each.rule == "link" and each.may_stay]
        for each in (each for each in found if not each.may_stay):
            start, end = origin[each.start], origin[each.end - 1] + 1
            if each.rule == "html_inline":
                yield start, start, "\\"
            elif each.rule == "image" and any(
                link.start < each.start and each.end <= link.label for link in links
            ):
                yield start, origin[each.start + 1] + 1, ""
                yield origin[each.label], end, ""
            elif each.rule == "image":
                yield start, start + 1, ""
                # A mark before it would make an image of this link.
                if UNESCAPED_MARK.search(self._source, max(0, start - 99), start):
                    yield start - 1, start - 1, "\\"
            # vector<std::string> and handlers[event](payload) stay visible.
            elif each.rule == "autolink" or (
                each.label + 1 < each.end and LIKE_CODE.match(self._source, max(0, start - 1))
            ):
                yield start, start, "\\"
            elif each.label + 1 < each.end:  # the definition of a shortcut is removed elsewhere
                yield start, start + 1, ""
                yield origin[each.label], end, ""

    def _origin(self, place: int, column: int) -> list[int] | None:
        """Return the index in the source of each character of an inline token; None: uncertain."""
        token, opener = self._tokens[place], self._tokens[place - 1]
        first, last = token.map or [0, 0]
        if opener.type in ("th_open", "td_open"):
            return self._origin_of_cell(token.content, first, column)
        if opener.markup.startswith("#"):
            rest = re.sub("^[^#]*#+", "", self._lines[first])
            at = len(self._lines[first]) - len(rest) + rest.find(token.content)
            return [self._starts[first] + at + each for each in range(len(token.content))]
        texts = token.content.split("\n")
        # A first line of nothing but unusual spaces is not in the content.
        for start in range(first, last - len(texts) + 1):
            origins = [self._origin_of_line(text, start + line) for line, text in enumerate(texts)]
            if None not in origins:
                return [each for origin in origins for each in origin or []]
        return None

    def _origin_of_line(self, text: str, line: int) -> list[int] | None:
        """Find a text at the end of its line, behind prefixes and tabs that became spaces."""
        body, whole = mdTrim(text), mdTrim("-" + self._lines[line])
        if not whole.endswith(body):
            return None
        at = self._starts[line] + len(whole) - 1 - len(body) - text.find(body)
        return list(range(at, at + len(text) + 1))

    def _origin_of_cell(self, content: str, line: int, column: int) -> list[int] | None:
        """Find the content of a cell; an escaped pipe is part of it, without its backslash."""
        text = self._lines[line]
        for cells in _cells(text):
            number = column + (cells[0][0] == cells[0][1])
            begin, end = cells[number] if number < len(cells) else (0, 0)
            places = [each for each in range(begin, end) if text[each : each + 2] != "\\|"]
            cell = "".join(text[each] for each in places)
            if mdTrim(cell) == content:
                return [self._starts[line] + each for each in places[cell.find(content) :]]
        return None


@lru_cache(maxsize=1)  # for all cells of the line
def _cells(line: str) -> list[list[tuple[int, int]]]:
    """Return start and end of each cell of a line, without a prefix that it may have.

    The first line of a table may look like that of a list or quotation.
    """
    found, last = [], len(mdTrim("-" + line)) - 1
    for prefix in (PREFIX, QUOTATION, ""):
        first = last - len(mdTrim(re.sub(prefix, "", line, count=1)))
        pipes = [pipe.start() for pipe in PIPE.finditer(line, first, last)]
        found.append(list(zip([first, *(pipe + 1 for pipe in pipes)], [*pipes, last], strict=True)))
    return found


@cache
def _parser(preset: str, nesting: int) -> MarkdownIt:
    parser = MarkdownIt(preset, {"html": True, "maxNesting": nesting})
    # Any URL is a link, so that none is overlooked.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    parser.block.ruler.at(
        "html_block", _note_html, {"alt": ["paragraph", "reference", "blockquote"]}
    )
    for name in ("link", "image", "autolink", "html_inline"):
        parser.inline.ruler.at(name, _noting(name, getattr(rules_inline, name)))
    for ruler in (parser.block.ruler, parser.inline.ruler):
        for rule in ruler.__rules__:
            rule.fn = _limited(rule.fn)
    parser.inline.skipToken = _limited(parser.inline.skipToken)  # type: ignore[method-assign]
    # It builds its tables of rules when it is first used, which is not thread-safe.
    parser.render("# Heading\n\nand *emphasis*", {"calls_left": repeat(None)})
    return parser


def _limited(rule: Rule) -> Rule:
    def limited(state: StateBlock | StateInline, *rest: Any) -> Any:
        if next(state.env["calls_left"], "none") is not None:
            raise TooIntricate
        return rule(state, *rest)

    return limited


def _note_html(state: StateBlock, line: int, _: int, silent: bool) -> bool:
    """Note where a block of HTML begins, and take it for the text that it will be."""
    if html_block(state, line, line + 1, silent):
        at = state.bMarks[line] + state.tShift[line]
        state.env["html"].append((line, at - state.src.rfind("\n", 0, at) - 1))
        if not silent:
            state.tokens.pop()
    return False


def _noting(name: str, rule: Rule) -> Rule:
    def noting(state: StateInline, silent: bool) -> bool:
        start, before = state.pos, len(state.tokens)
        done: bool = rule(state, silent)
        # Not for the text of an image, which is parsed by itself.
        if done and not silent and state.env.get("content") == state.src:
            label = -1
            if name in ("link", "image"):
                label = parseLinkLabel(state, start + (name == "image"), name == "link")
            links = (token for token in state.tokens[before:] if token.type == "link_open")
            href = next((str(token.attrs["href"]) for token in links), "")  # others are in it
            may_stay = ALLOWED.match(href) is not None
            state.env["found"].append(Found(name, start, state.pos, label, may_stay))
        return done

    return noting


def parsed(text: str, parser: MarkdownIt) -> list[Token]:
    """Return the tokens of a text. Raises TooIntricate.

    A paragraph with more brackets than MOST_BRACKETS is one text.
    """
    budget = _budget(MOST_SECONDS)
    env: MutableMapping[str, Any] = {}
    tokens = _Tokens(budget)
    lines = LINE_END.split(text.replace("\0", "\ufffd"))
    try:
        parser.block.parse("\n".join(lines), parser, env, tokens)
        if any(token.type in CONTAINERS and token.level + 1 >= DEEPEST for token in tokens):
            raise TooIntricate  # the parser has left out what is in that container
        for token in tokens:
            if token.type == "inline":
                token.children = _Tokens(budget)
                if sum(1 for _ in UNESCAPED.finditer(token.content)) > MOST_BRACKETS:
                    token.children.append(Token("text", "", 0, content=token.content))
                else:
                    parser.inline.parse(token.content, parser, env, token.children)
    except RecursionError as error:
        raise TooIntricate from error
    return tokens
