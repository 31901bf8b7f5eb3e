"""Structure of a tutorial (sections, prose, code blocks), and faults of it. Pure.

It checks tutorials of a model (`llm/generator.py`), and `quality/` measures with it.
"""

import ast
import contextlib
import json
import re
import tomllib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from markdown_it import MarkdownIt
from markdown_it.token import Token

from roadmap.plan.markdown_sanitizer import LINE_END, TooIntricate, parsed, sanitized
from roadmap.plan.schemas import MOST_EXERCISES

# Characters of a block: parsers of Python and TOML may need the square of its length.
LONGEST_CODE = 5_000
# Of an exercise and of a solution.
FEWEST_EXERCISE_WORDS = 15
# Scripts without spaces: a character is half a word.
ASIAN = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)
WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
# In the heading of the last section, in common languages of courses.
SOLUTION = re.compile(
    r"solution|answer|lösung|soluci|soluç|soluzi|corrig|oplossing|lösning|løsning|ratkaisu|řešen"
    r"|rozwiąz|решен|розв|λύση|megold|çözüm|penyelesaian|jawaban|lời giải|đáp án|答|解法|풀이|해답"
    r"|समाधान|เฉลย|الحل|פתרון",
    re.IGNORECASE,
)
SPACES = {"softbreak": " ", "hardbreak": " "}
MOST_TERMS, LONGEST_TERM = 20, 60  # of a tutorial; characters
PYTHON_BLOCK = "python_block"  # module name in warnings about such code
PARSER = MarkdownIt("commonmark").enable("table")
PARSER.parse("# A heading\n\nand *some* text")  # builds its rules, not for several threads at once
PARSED = {"python": "Python", "py": "Python", "json": "JSON", "toml": "TOML"}

# One for each invalid escape in a block.
warnings.filterwarnings("ignore", category=SyntaxWarning, module=PYTHON_BLOCK)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Code block. `language` is in lower case, or empty; `line` counts from 1."""

    language: str
    code: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """Section of the second level; the one before the first heading has no title.

    `terms` are the bold texts in it, `headings` those of the third level; `line` is that of its
    heading, from 1.
    """

    title: str
    text: str
    blocks: tuple[CodeBlock, ...]
    terms: tuple[str, ...]
    line: int
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lesson:
    """Tutorial; `prose` is its text without code and headings, a line per paragraph."""

    sections: tuple[Section, ...]
    prose: str

    @property
    def blocks(self) -> tuple[CodeBlock, ...]:
        return tuple(block for section in self.sections for block in section.blocks)

    @property
    def exercise(self) -> Section | None:
        """The last section but one: a tutorial ends with an exercise and its solution."""
        return self.sections[-2] if len(self.sections) > 2 else None

    @property
    def solution(self) -> Section | None:
        return self.sections[-1] if len(self.sections) > 2 else None

    @property
    def has_solution(self) -> bool:
        return ends_with_solution([section.title for section in self.sections[1:]])

    @property
    def exercises(self) -> int:
        """Number of exercises with a solution; several have headings (###) in both sections."""
        if not self.has_solution:
            return 0
        tasks, solutions = (section.headings for section in self.sections[-2:])
        return len(tasks) if are_exercises(tasks, solutions) else 1

    @property
    def taught(self) -> tuple[Section, ...]:
        """The sections without exercise and solution."""
        return self.sections[:-2] if self.has_solution else self.sections

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms that it introduces: they are bold where they first stand."""
        terms: dict[str, str] = {}
        for term in chain.from_iterable(section.terms for section in self.taught):
            terms.setdefault(term.casefold(), term)
        return tuple(islice(terms.values(), MOST_TERMS))


def read(markdown: str) -> Lesson:
    """Return the structure of a tutorial; without a section if it is too intricate to parse."""
    parts: list[tuple[str, list[str], list[CodeBlock], list[str], int, list[str]]]
    parts = [("", [], [], [], 1, [])]
    prose: list[str] = []
    try:
        tokens = parsed(markdown, PARSER)
    except TooIntricate:
        return Lesson((Section("", markdown, (), (), 1),), markdown)
    for at, token in enumerate(tokens):
        if token.type in ("fence", "code_block"):
            language = token.info.strip().split(" ")[0].lower()
            parts[-1][2].append(CodeBlock(language, token.content, (token.map or [0])[0] + 1))
            parts[-1][1].append(token.content)
        elif token.type == "inline" and tokens[at - 1].type == "heading_open":
            if tokens[at - 1].tag == "h2":
                parts.append((_text(token), [], [], [], (token.map or [0])[0] + 1, []))
            elif tokens[at - 1].tag == "h3" and not tokens[at - 1].level:
                parts[-1][5].append(_text(token))
        elif token.type == "inline":
            parts[-1][1].append(_text(token))
            prose.append(_text(token, code=False))
            parts[-1][3].extend(_bold(token))
    return Lesson(
        tuple(
            Section(title, "\n".join(texts), tuple(blocks), tuple(terms), line, tuple(headings))
            for title, texts, blocks, terms, line, headings in parts
        ),
        "\n".join(prose),
    )


def sanitized_lesson(markdown: str) -> str:
    """Return a tutorial that is sanitized and can be read. Raises TooIntricate."""
    clean = sanitized(markdown)
    parsed(clean, PARSER)
    return clean


def without_solution(markdown: str) -> tuple[str, str]:
    """Return a tutorial up to its solution, and the solution; empty: it has none."""
    lesson = read(markdown)
    lines = LINE_END.split(markdown)  # as the parser counts them
    end = lesson.sections[-1].line - 1 if lesson.has_solution else len(lines)
    return "\n".join(lines[:end]), "\n".join(lines[end:])


def ends_with_solution(titles: Sequence[str]) -> bool:
    """Whether the last two of these sections are an exercise and its solution, by its heading."""
    return len(titles) > 1 and SOLUTION.search(titles[-1]) is not None


def are_exercises(tasks: Sequence[object], solutions: Sequence[object]) -> bool:
    """Whether these headings in the last two sections are exercises with a solution each."""
    return 0 < len(tasks) == len(solutions) <= MOST_EXERCISES


def _bold(token: Token) -> Iterator[str]:
    """Yield the bold texts of a paragraph that are short enough to be terms."""
    inside, term = 0, ""
    for child in token.children or ():
        if child.type == "strong_open":
            inside, term = inside + 1, term if inside else ""
        elif child.type == "strong_close":
            inside -= 1
            term = term.strip(" .:;,!?\u3002\uff0c\uff1a")
            if not inside and 0 < len(term) <= LONGEST_TERM:
                yield term
        elif inside:
            term += child.content or SPACES.get(child.type, "")


def faults(markdown: str) -> list[str]:
    """Return faults of a tutorial of any subject and language, one sentence each."""
    lesson = read(markdown)
    found = []
    for where, section in (
        ("exercise, the section before the last one,", lesson.exercise),
        ("solution, the last section,", lesson.solution),
    ):
        if section is None:
            found = [
                "The tutorial must end with two sections (##) of their own: "
                "an exercise, and its worked solution."
            ]
        elif (length := words(section.text)) < FEWEST_EXERCISE_WORDS:
            found.append(
                f"The {where} has {length} words; it needs {FEWEST_EXERCISE_WORDS} at least."
            )
    for block in lesson.blocks:
        if wrong := fault_of(block):
            found.append(
                f"The {PARSED[block.language]} code in line {block.line} does not parse: {wrong}."
            )
    return found


def introduced_twice(tutorials: Mapping[str, str]) -> dict[str, list[str]]:
    """Return terms that several tutorials of a course introduce, with their names.

    `tutorials` are in the order of learning.
    """
    names: dict[str, list[str]] = {}
    for name, markdown in tutorials.items():
        for term in read(markdown).terms:
            names.setdefault(term.casefold(), []).append(name)
    return {term: those for term, those in names.items() if len(those) > 1}


def parse_python(code: str) -> ast.Module:
    """Return the syntax tree of `code`. Raises as `ast.parse`."""
    # CPython before 3.11.8 raises SystemError when another thread parses too (gh-106905).
    with contextlib.suppress(SystemError):
        return ast.parse(code, PYTHON_BLOCK)
    return ast.parse(code, PYTHON_BLOCK)


def fault_of(block: CodeBlock) -> str:
    """Return the syntax error of a block; empty: none, too long, or another language."""
    if len(block.code) > LONGEST_CODE:
        return ""
    try:
        match PARSED.get(block.language):
            case "Python":
                # Not compile(), which needs 2**n steps for nested `finally`: 3 GB at 20 levels.
                parse_python(block.code)
            case "JSON":
                json.loads(block.code)
            case "TOML":
                tomllib.loads(block.code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
    return ""


def words(text: str) -> int:
    """Count words; two characters of a script without spaces are one word."""
    return len(WORD.findall(ASIAN.sub(" ", text))) + len(ASIAN.findall(text)) // 2


def _text(token: Token, *, code: bool = True) -> str:
    kept = ("text", "text_special", "code_inline") if code else ("text", "text_special")
    return "".join(
        child.content if child.type in kept else SPACES.get(child.type, "")
        for child in token.children or ()
    )
