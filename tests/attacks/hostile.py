"""Answers of a model and texts of a tutorial that are made to be costly, and what each costs.

`python -m tests.attacks.hostile URL NAME...` prints a line of JSON for each name: what its child
process needed to take the answer from the model at that address, or to show the text on pages and
in exports.
"""

import gzip
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from typing import Any

import openai  # noqa: F401 -- not part of what an answer costs

from core.i18n import ENGLISH
from roadmap.exchange.formats.markdown import as_markdown
from roadmap.generation import tutorial_lint
from roadmap.generation.context import GeneratorFault, InvalidOutline
from roadmap.generation.llm.answer_stream import LARGEST_ANSWER
from roadmap.generation.llm.generator import ModelGenerator
from roadmap.generation.llm.schemas import LONGEST_TUTORIAL
from roadmap.lifecycle import revisions
from roadmap.lifecycle.content_versions import VersionDiff
from roadmap.plan.language_detection import language_error
from roadmap.plan.markdown_sanitizer import sanitize
from roadmap.plan.outline import LONGEST_WORDS, ContentKind
from roadmap.plan.word_diff import lines
from testing.provider import completion
from testing.waiting import HANG
from tests.integration.roadmap.test_model_generator import BRIEF, DESIGN
from web.pages.markdown_html import prose
from web.pages.plan.history import blocks

LARGE = LARGEST_ANSWER - 10_000
MANY = 70_000  # as many as the limit to the parts of an answer lets through
KINDS = {
    "tutorial": ContentKind.tutorial,
    "resources": ContentKind.resources,
    "quiz": ContentKind.quiz,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Memory in MiB and CPU seconds of one action; the hold is between two ticks of a thread."""

    memory: float
    longest_hold: float
    seconds: float
    outcome: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer, and the step that gets it."""

    step: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def filled(unit: str, size: int = LONGEST_TUTORIAL, *, begin: str = "", end: str = "") -> str:
    return begin + unit * ((size - len(begin) - len(end)) // len(unit)) + end


def paragraphs(unit: str, each: int = 900) -> str:
    return filled(f"{unit * each}\n\n")


def blocks_of(language: str, code: str) -> str:
    return filled(f"```{language}\n{code}\n```\n")


def staircase(step: Callable[[int], str], size: int = LONGEST_TUTORIAL) -> str:
    """Lines that become longer, as many as there is room for."""
    made: list[str] = []
    left = size
    while left > 0:
        made.append(step(len(made)))
        left -= len(made[-1])
    return "".join(made)[:size]


def nested_finally(depth: int) -> str:
    """26 levels are 1,600 characters; for each, compile() takes twice the time and memory."""
    levels = (f"{' ' * at}try:\n{' ' * at} pass\n{' ' * at}finally:\n" for at in range(depth))
    return f"{''.join(levels)}{' ' * depth}pass"


def table(columns: int, cell: str) -> str:
    row = f"|{f'{cell}|' * columns}\n"
    return filled(row, begin=f"{row}|{'-|' * columns}\n")


TEXTS: dict[str, Callable[[], str]] = {
    "finally": lambda: f"# Try\n\n```python\n{nested_finally(26)}\n```\n",
    "imports": lambda: blocks_of("python", filled(".a", 4990, begin="import a")),
    "lambdas": lambda: blocks_of("python", filled("lambda a=a:", 4990, end="1")),
    "signs": lambda: blocks_of("python", filled("-", 4990, end="1")),
    "escapes in code": lambda: blocks_of("python", filled("'\\d'\n", 4990)),
    "names": lambda: blocks_of("python", filled("a\n", 4990)),
    "code over the limit": lambda: blocks_of("python", filled(".a", 60_000, begin="import a")),
    "json lists": lambda: blocks_of("json", "[" * 2400 + "]" * 2400),
    "json objects": lambda: blocks_of("json", filled('"":0,', 4900, begin="{", end='"":0}')),
    "toml keys": lambda: blocks_of("toml", filled(".a", 4990, begin="a", end=" = 1")),
    "toml lists": lambda: blocks_of("toml", f"a={'[' * 2400}{']' * 2400}"),
    "toml tables": lambda: blocks_of(
        "toml", staircase(lambda at: f"[{'.'.join('a' * (at + 1))}]\n", 4990)
    ),
    "quotation with lazy lines": lambda: filled("a\n", begin=">" * 90 + "a\n"),
    "quotations": lambda: filled(">"),
    "heading of marks": lambda: filled("\u0301\u0316", begin="# a"),
    "fragment of marks": lambda: filled("\u0301\u0316", 20_000, begin="[b](#", end=")"),
    "quotations in lists": lambda: filled("> - "),
    "staircase of quotations": lambda: staircase(lambda at: ">" * (at + 1) + "a\n"),
    "staircase of lists": lambda: staircase(lambda at: "  " * at + "- a\n"),
    "staircase of numbers": lambda: staircase(lambda at: "   " * at + "1. a\n"),
    "staircase of fences": lambda: staircase(lambda at: "`" * (at + 3) + "\n"),
    "staircase of ticks": lambda: staircase(lambda at: "`" * (at + 1) + " "),
    "lists in a line": lambda: filled("- "),
    "list": lambda: filled("- a\n"),
    "numbered list": lambda: staircase(lambda at: f"{at}. a\n"),
    "lines": lambda: filled("a\n"),
    "empty lines": lambda: filled("\n", begin="a", end="a"),
    "paragraphs": lambda: filled("a\n\n"),
    "headings": lambda: filled("## a\n"),
    "rules": lambda: filled("***\n"),
    "fences": lambda: filled("```a\n"),
    "wide table": lambda: table(10_000, "a"),
    "table": lambda: table(150, "a"),
    "empty cells": lambda: table(300, ""),
    "cells that are left out": lambda: filled("a\n", begin=f"|{'a|' * 300}\n|{'-|' * 300}\n"),
    "small tables": lambda: filled("|a|b|c|d|\n|-|-|-|-|\na\n\n"),
    "images in a wide table": lambda: table(4_000, "![a](b)"),
    "images in a table": lambda: table(50, "![a](b)"),
    "pipes": lambda: filled("|"),
    "emphasis": lambda: filled("*a_ "),
    "emphasis that opens": lambda: (
        filled("**a *b ", LONGEST_TUTORIAL // 2) + filled("* **", LONGEST_TUTORIAL // 2)
    ),
    "stars": lambda: filled("*"),
    "brackets": lambda: filled("["),
    "paragraphs of brackets": lambda: paragraphs("["),
    "paragraphs of images": lambda: paragraphs("!["),
    "paragraphs of half links": lambda: paragraphs('[a](b "'),
    "paragraphs of links": lambda: paragraphs("[a](http://b)"),
    "images in images": lambda: filled("![" * 900 + "a" + "](b)" * 900 + "\n\n"),
    "links": lambda: filled("[a](http://b)"),
    "definitions": lambda: staircase(lambda at: f"[a{at}]: http://b\n"),
    "one definition that is used": lambda: filled(
        "[a]" * 900 + "\n\n", begin=f"[a]: http://{'b' * 1900}\n\n"
    ),
    "autolinks": lambda: paragraphs("<a:b>"),
    "less-than signs": lambda: filled("<"),
    "comments": lambda: paragraphs("<!--"),
    "tags": lambda: filled("<p>\n\n"),
    "half tags": lambda: paragraphs('<a b="'),
    "entities": lambda: filled("&amp;"),
    "ampersands": lambda: filled("&"),
    "backslashes": lambda: filled("\\"),
    "escapes": lambda: filled("\\!"),
    "formulas": lambda: filled("\\["),
    "round formulas": lambda: filled("\\("),
    "formulas of both kinds": lambda: filled("\\[\\("),
    "one long line": lambda: filled("a"),
    "ticks": lambda: filled("`"),
    "spaces": lambda: filled(" ", begin="a", end="a"),
    "tabs": lambda: filled("\ta\n\n"),
    "characters that turn": lambda: filled("\u202ea"),
    "combining characters": lambda: filled("a\u0301\u0301"),
    "chinese": lambda: filled("变"),
}


def content(step: str, text: object) -> Answer:
    return Answer(
        step, completion(text if isinstance(text, str) else json.dumps(text, ensure_ascii=False))
    )


def outline_of(*stages: dict[str, Any]) -> Answer:
    return content("outline", {"title": "t", "stages": list(stages)})


def node(at: int, **inside: Any) -> dict[str, Any]:
    return {"key": f"k{at}", "title": f"t{at}", "description": "", **inside}


def concepts(count: int, **changes: Any) -> Answer:
    fields = {"hours": 1, "difficulty": 1, "prerequisites": [], "outcomes": [], **changes}
    module = node(0, concepts=[node(at, **fields) for at in range(count)])
    return outline_of(node(0, modules=[module]))


RESOURCE = {
    "title": "a",
    "type": "book",
    "level": "beginner",
    "language": "en",
    "why": "It is good.",
}
QUESTION = {"prompt": "What?", "right_options": ["a"], "wrong_options": ["b"], "explanation": "So."}

ANSWERS: dict[str, Callable[[], Answer]] = {
    "endless": lambda: Answer("outline", b" " * 3 * LARGEST_ANSWER),
    "packed": lambda: Answer(
        "outline", gzip.compress(b" " * 100_000_000, 9), (("content_encoding", "gzip"),)
    ),
    "lists in the envelope": lambda: Answer("outline", b'{"choices":' + b"[" * 2 * MANY),
    "objects in the envelope": lambda: Answer(
        "outline", b'{"choices":[' + b'{"":0},' * MANY + b"{}]}"
    ),
    "too many objects": lambda: Answer("outline", b'{"choices":[' + b'{"":0},' * 280_000 + b"{}]}"),
    "texts in the envelope": lambda: Answer(
        "outline", b'{"choices":[' + b'"aaaaaaaa",' * 2 * MANY + b"{}]}"
    ),
    "a number": lambda: Answer(
        "outline", b'{"choices":[{"message":{"content":' + b"9" * LARGE + b"}}]}"
    ),
    "a refusal": lambda: Answer(
        "outline", b'{"choices":[{"message":{"refusal":"' + b"a" * LARGE + b'"}}]}'
    ),
    "a refusal of lists": lambda: Answer(
        "outline", b'{"choices":[{"message":{"refusal":' + b"[" * 900 + b"]" * 900 + b"}}]}"
    ),
    "an error": lambda: Answer("outline", b'{"error":{"message":"' + b"a" * LARGE + b'"}}'),
    "braces": lambda: content("outline", "{" * 2 * MANY),
    "objects in objects": lambda: content("outline", '{"a":' * 2 * MANY),
    "objects one after another": lambda: content("outline", '{"a":1} ' * 2 * MANY),
    "objects that end too early": lambda: content("outline", "{" + f'"{"a" * 1800}":0,' * 900),
    "thoughts": lambda: content("outline", "<think>" * (LARGE // 7)),
    "backslashes": lambda: content(
        "outline", filled("\\", LARGE // 2 - 1000, begin='{"title":"', end='"}')
    ),
    "escaped NUL": lambda: content(
        "outline", filled("\\u0000", LARGE // 2, begin='{"title":"', end='"}')
    ),
    "mistakes": lambda: content("outline", f'{{"title":"t","stages":[{"{}," * MANY}{{}}]}}'),
    "mistakes in depth": lambda: content(
        "outline", f'{{"title":"t","stages":[{{"modules":[{{"concepts":[{"{}," * MANY}{{}}]}}]}}]}}'
    ),
    "mistakes of type": lambda: content(
        "outline", f'{{"title":"t","stages":[{"1," * 2 * MANY}1]}}'
    ),
    "a long title": lambda: content("outline", {"title": "a" * LARGE, "stages": []}),
    "many concepts": lambda: concepts(9000),
    "many stages": lambda: outline_of(*(node(at, modules=[]) for at in range(15_000))),
    "many modules": lambda: outline_of(
        *(
            node(at, modules=[node(at * 900 + each, concepts=[]) for each in range(900)])
            for at in range(14)
        )
    ),
    "many prerequisites": lambda: concepts(140, prerequisites=[f"x{at}" for at in range(990)]),
    "long descriptions": lambda: concepts(90, description="x" * (LONGEST_WORDS - 1)),
    "points": lambda: content(
        "analysis", {"aim": "a", "known": ["a"] * 2 * MANY, "subjects": [], "assumptions": []}
    ),
    "a long tutorial": lambda: content("tutorial", {"markdown": "a" * LARGE}),
    "links": lambda: content(
        "resources", {"items": [{**RESOURCE, "url": f"https://a.org/{at}"} for at in range(15_000)]}
    ),
    "a thousand links": lambda: content(
        "resources", {"items": [{**RESOURCE, "url": f"https://a.org/{at}"} for at in range(1000)]}
    ),
    "long links": lambda: content(
        "resources",
        {"items": [{**RESOURCE, "url": f"https://a{'/' * 1990} "} for at in range(900)]},
    ),
    "reasons": lambda: content(
        "resources",
        {
            "items": [{**RESOURCE, "url": "https://a.org", "why": "\\[" * (LONGEST_WORDS // 2 - 1)}]
            * 45
        },
    ),
    "questions": lambda: content("quiz", {"questions": [QUESTION] * 15_000}),
    "a thousand questions": lambda: content(
        "quiz", {"questions": [{**QUESTION, "prompt": str(at)} for at in range(1000)]}
    ),
    "options": lambda: content(
        "quiz", {"questions": [{**QUESTION, "wrong_options": [str(at) for at in range(990)]}] * 100}
    ),
    "prompts": lambda: content(
        "quiz", {"questions": [{**QUESTION, "prompt": "`" * (LONGEST_WORDS - 1)}] * 90}
    ),
    **{
        f"tutorial: {name}": lambda make=make: content("tutorial", {"markdown": make()})
        for name, make in TEXTS.items()
    },  # type: ignore[misc]
}


@cache
def answer(name: str) -> Answer:
    return ANSWERS[name]()


def take(url: str, name: str) -> str:
    """Return what would be stored of the answer that the model of this name gives."""
    generator = ModelGenerator(key="k", base_url=url, model=name, timeout=HANG)
    try:
        match answer(name).step:
            case "analysis":
                return generator.analyse(DESIGN.request).model_dump_json()
            case "outline":
                outline = generator.outline(DESIGN)
                return json.dumps(
                    revisions.check_outline(
                        outline.model_dump(mode="json"), DESIGN.request, date(2026, 1, 1), "en"
                    ).draft
                )
            case step:
                return generator.write(KINDS[step], BRIEF).model_dump_json()
    except GeneratorFault as fault:
        return f"fault: {fault}"
    except InvalidOutline as fault:
        return f"unsound: {json.dumps(fault.draft)[:100]}"


def show(name: str) -> str:
    """Return all that pages and exports make of a tutorial, which may have been imported."""
    text = TEXTS[name]()
    prose(text)
    sanitize(text)
    tutorial_lint.words(text)
    tutorial_lint.read(text)
    language_error(text, "zh-Hans")
    for before in ("", text.swapcase().replace("\n", "\n ")):
        diff = VersionDiff(before=1, after=2, lines=lines(before, text))
        diff.model_dump_json()
        list(blocks(diff.lines))
    concept = {
        "title": "t",
        "hours": 1,
        "week": 1,
        "description": "",
        "resources": [],
        "quiz": None,
        "notes": "",
    }
    concept |= {"tutorial": {"markdown": text}, "progress": "open"}
    stages = [
        {
            "title": "t",
            "description": "",
            "modules": [{"title": "t", "description": "", "concepts": [concept]}],
        }
    ]
    tree = {"title": "t", "goal": "g", "hours": 1, "weeks": 1, "stages": stages}
    return "".join(as_markdown(tree, [concept], ENGLISH))


def measured(action: Callable[[], str]) -> Cost:
    """Its cost in a child process, which has nothing of what others before it have left."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(asdict(_cost(action))).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read()
    _, status = os.waitpid(child, 0)
    return Cost(**json.loads(found)) if found else Cost(0, 0, 0, f"died of {status}")


def _cost(action: Callable[[], str]) -> Cost:
    """Count holds in CPU time, which stands still while other processes have the processor."""
    ended, holds = threading.Event(), [0.0]

    def tick() -> None:
        last = time.process_time()
        while not ended.wait(sys.getswitchinterval()):
            now = time.process_time()
            holds[0], last = max(holds[0], now - last), now

    ticking = threading.Thread(target=tick)
    ticking.start()
    before, begun = _memory("VmRSS"), time.process_time()
    try:
        outcome = action()
    except Exception as error:  # the test tells of it
        outcome = f"raised {error!r}"
    seconds = time.process_time() - begun
    ended.set()
    ticking.join()
    return Cost(_memory("VmHWM") - before, holds[0], seconds, outcome[:300])


def _memory(name: str) -> float:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(f"{name}:"))


def main(url: str, *names: str) -> None:
    for warm in ("# a\n```python\na\n```", "- a\n\n|a|\n|-|\n```toml\na = 1\n```"):
        prose(warm)
        sanitize(warm)
        tutorial_lint.faults(warm)
    for name in names:
        if name in ANSWERS:
            answer(name)
        action = (
            (lambda name=name: take(url, name))
            if name in ANSWERS
            else (lambda name=name: show(name.removeprefix("show: ")))
        )  # type: ignore[misc]
        print(json.dumps({"name": name, **asdict(measured(action))}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
