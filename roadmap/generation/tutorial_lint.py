"""What a tutorial is made of, read from its Markdown by a parser: sections, prose, blocks of code; and what each must have.

Pure. It holds what a model has written to its promise (`llm.py`), and is what `quality/` measures.
"""

import ast
import json
import re
import tomllib
import warnings
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

LONGEST_CODE = 5_000  # characters of a block that is parsed: Python's imports and TOML's keys take the square of their length
FEWEST_WORDS = (
    15  # of an exercise and of a solution; a character of Chinese or Japanese counts as half a word
)
ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
SPACES = {"softbreak": " ", "hardbreak": " "}
PYTHON_BLOCK = "python_block"  # the name under which warnings about such code come
PARSED = {"python": "Python", "py": "Python", "json": "JSON", "toml": "TOML"}

warnings.filterwarnings(
    "ignore", category=SyntaxWarning, module=PYTHON_BLOCK
)  # one for each odd string in a block


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block of code. `language` is in lower case, empty where none is named; `line` counts from 1."""

    language: str
    code: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below a heading of the second level, up to the next one; without a title, what stands before the first."""

    title: str
    text: str
    blocks: tuple[CodeBlock, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """`prose` is the text without code and headings, a line a paragraph."""

    sections: tuple[Section, ...]
    prose: str

    @property
    def blocks(self) -> tuple[CodeBlock, ...]:
        return tuple(block for section in self.sections for block in section.blocks)

    @property
    def exercise(self) -> Section | None:
        """A tutorial ends with an exercise and its solution."""
        return self.sections[-2] if len(self.sections) > 2 else None

    @property
    def solution(self) -> Section | None:
        return self.sections[-1] if len(self.sections) > 2 else None


def read(markdown: str) -> Lesson:
    parts: list[tuple[str, list[str], list[CodeBlock]]] = [("", [], [])]
    prose: list[str] = []
    tokens = _parser().parse(markdown)
    for at, token in enumerate(tokens):
        if token.type in ("fence", "code_block"):
            block = CodeBlock(
                token.info.strip().split(" ")[0].lower(), token.content, (token.map or [0])[0] + 1
            )
            parts[-1][2].append(block)
            parts[-1][1].append(token.content)
        elif token.type == "inline" and tokens[at - 1].type == "heading_open":
            if tokens[at - 1].tag == "h2":
                parts.append((_text(token), [], []))
        elif token.type == "inline":
            parts[-1][1].append(_text(token))
            prose.append(_text(token, code=False))
    sections = (Section(title, "\n".join(texts), tuple(blocks)) for title, texts, blocks in parts)
    return Lesson(tuple(sections), "\n".join(prose))


def faults(markdown: str) -> list[str]:
    """What a tutorial lacks, a sentence each; what can be told of any subject, in any language."""
    lesson = read(markdown)
    found = []
    exercise, solution = lesson.exercise, lesson.solution
    if exercise is None or solution is None:
        found.append(
            "The tutorial must end with two sections (##) of their own: an exercise, and its worked solution."
        )
    else:
        for where, section in (
            ("exercise, the section before the last one,", exercise),
            ("solution, the last section,", solution),
        ):
            if (length := words(section.text)) < FEWEST_WORDS:
                found.append(f"The {where} has {length} words; it needs {FEWEST_WORDS} at least.")
    for block in lesson.blocks:
        if wrong := fault_of(block):
            found.append(
                f"The {PARSED[block.language]} code in line {block.line} does not parse: {wrong}."
            )
    return found


def fault_of(block: CodeBlock) -> str:
    """Why it does not parse; empty: it does, is very long, or its language is not looked at here."""
    if len(block.code) > LONGEST_CODE:
        return ""
    try:
        match PARSED.get(block.language):
            case "Python":
                ast.parse(
                    block.code, PYTHON_BLOCK
                )  # never compile(): nested `finally` takes it 2**n steps, at 20 levels 3 GB
            case "JSON":
                json.loads(block.code)
            case "TOML":
                tomllib.loads(block.code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
    return ""


def words(text: str) -> int:
    """How many, whatever stands there. Two characters of a script without spaces are one."""
    return len(WORD.findall(ASIAN.sub(" ", text))) + len(ASIAN.findall(text)) // 2


def _text(token: Token, *, code: bool = True) -> str:
    kept = ("text", "code_inline") if code else ("text",)
    return "".join(
        child.content if child.type in kept else SPACES.get(child.type, "")
        for child in token.children or ()
    )


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")
