"""The recipes of docs/API.md work as they stand, in both modes, and what the page shows is what comes out."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field

import pytest

from core.settings import Settings
from tests.stack import ROOT, Stack, clean_environment
from web.problem_types import TYPES
from web.routes import ENDPOINTS, ROADMAP

PAGE = (ROOT / "docs" / "API.md").read_text(encoding="utf-8")
# A heading, or a block with the mode in which it is run (none: in both). What looks like a heading in a block is none.
PARTS = re.compile(r"^## ([^\n]+)$|^```(\w*) ?(embedded|server)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "-- end of a command --"

# What is different in each run. What has the name `same` means the same thing wherever the page shows it.
VARIES = re.compile(
    r"(?P<same>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{24}\b|\b[0-9a-f]{16}\b|\brmk_[\w-]{8,})"
    r"|(?P<time>\b\d{4}-\d\d-\d\dT[\d:]+(?:\.\d+)?Z)"
    r'|(?P<limit>"requests";(?:q=\d+;w=60|r=\d+;t=\d+))'
    r"|(?P<any>\.\.\.)"
)
PATTERNS = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "limit": r'"requests";(?:q=\d+;w=60|r=\d+;t=\d+)',
    "any": r"[^\n]*?",
}


@dataclass(frozen=True, eq=False)  # the same command twice is two steps
class Step:
    """A command, in which mode it is run (None: in both), and what the page shows below it."""

    mode: str | None
    command: str
    shown: str


@dataclass(frozen=True)
class Section:
    title: str
    steps: list[Step] = field(default_factory=list)


class Names:
    """Which thing of this run stands where the page shows which: one for one."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def fits(self, shown: str, real: str) -> bool:
        if shown not in self._real and real in self._real.values():
            return False
        return self._real.setdefault(shown, real) == real


def sections(page: str) -> list[Section]:
    found = [Section("Before the first heading")]
    for heading, language, mode, block in PARTS.findall(page):
        if heading:
            found.append(Section(heading))
        elif language == "console":
            found[-1].steps.extend(steps(mode or None, block))
    return found


def steps(mode: str | None, block: str) -> Iterator[Step]:
    assert block.startswith("$ "), block
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        long = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield Step(mode, "\n".join(lines[:long]), "\n".join(lines[long:]))


def difference(shown: str, said: str, names: Names) -> str | None:
    """What the page shows that was not said. `...` is the rest of a line, and any lines where it stands alone in one."""
    pattern, same = "", []
    for line in shown.rstrip().splitlines():
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
            continue
        end = 0
        for found in VARIES.finditer(line):
            kind = found.lastgroup or ""
            pattern += re.escape(line[end : found.start()])
            if kind == "same":
                same.append(found[0])
                pattern += f"({_like(found[0])})"
            else:
                pattern += PATTERNS[kind]
            end = found.end()
        pattern += re.escape(line[end:].rstrip()) + r"[ ]*\n"
    match = re.fullmatch(pattern, said.replace("\r", "").rstrip() + "\n" if said.strip() else "")
    if match is None:
        return f"the page shows\n{shown}\nand it was\n{said}"
    wrong = [f"{a} is {b}" for a, b in zip(same, match.groups(), strict=True) if not names.fits(a, b)]
    return f"another one than elsewhere on the page: {', '.join(wrong)}\n{said}" if wrong else None


def _like(shown: str) -> str:
    """What has the form of this: a UUID, a hash of so many digits, a key."""
    if shown.startswith("rmk_"):
        return r"rmk_[\w-]{8,}"
    return "".join("-" if character == "-" else "[0-9a-f]" for character in shown)


SECTIONS = [section for section in sections(PAGE) if section.steps]
RECIPES = [section for section in SECTIONS if re.match(r"\d+\. ", section.title)]
EVERYTHING = [step for section in SECTIONS for step in section.steps]


@pytest.fixture(scope="module")
def outputs(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[Step, str]:
    """Of every command of the page, run one after the other in one shell, as a person would."""
    run = [step for step in EVERYTHING if step.mode in (None, stack.mode)]
    script = "".join(f"{step.command}\necho; echo '{END}' $?\n" for step in run)
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "page.sh").write_text(script, encoding="utf-8")
    authorization = "".join(f"{name}: {value}" for name, value in stack.headers.items())
    environment = {**clean_environment(), "ROADMAP": stack.url, "AUTH": authorization, "EXAMPLES": str(ROOT / "examples")}
    with (folder / "said").open("wb") as said:
        subprocess.run(["bash", "page.sh"], cwd=folder, env=environment, stdout=said, stderr=said, check=False, timeout=90)
    parts = re.split(rf"\n{END} (\d+)\n", (folder / "said").read_text(encoding="utf-8"))
    assert len(parts) == 2 * len(run) + 1, parts[-1]
    assert [(step.command, code) for step, code in zip(run, parts[1::2], strict=True) if code != "0"] == []
    return dict(zip(run, parts[::2], strict=False))


@pytest.fixture(scope="module")
def names(outputs: dict[Step, str]) -> Names:
    return Names()


def test_there_are_recipes_for_what_people_want_to_do() -> None:
    assert len(RECIPES) >= 10
    assert [section.title.split(".")[0] for section in RECIPES] == [str(number) for number in range(1, len(RECIPES) + 1)]
    assert [section.title for section in RECIPES if len([step for step in section.steps if step.shown]) < 2] == []
    assert len(EVERYTHING) == PAGE.count("\n$ ")


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_what_the_page_shows_is_what_comes_out(section: Section, outputs: dict[Step, str], names: Names) -> None:
    run = [step for step in section.steps if step in outputs]
    assert run
    wrong = [(step.command, difference(step.shown, outputs[step], names)) for step in run]
    assert [f"$ {command}\n{told}" for command, told in wrong if told] == []


def test_every_line_that_is_shown_matters(outputs: dict[Step, str]) -> None:
    for step, said in outputs.items():
        lines = step.shown.splitlines()
        for number, line in enumerate(lines):
            if line.strip() not in ("", "..."):
                other = "\n".join([*lines[:number], f"~{line}", *lines[number + 1 :]])
                assert difference(other, said, Names()), f"{step.command}\n{line}"


def test_every_type_of_problem_is_on_the_page() -> None:
    told = set(re.findall(r"^\| (\d{3}) \| `(/problems/[a-z-]+)` \|", PAGE, re.MULTILINE))
    assert told == {(str(kind.status), kind.uri) for kind in TYPES.values()}


def test_every_operation_on_a_roadmap_is_on_the_page_and_nothing_else() -> None:
    named = {(method, path.replace("...", ROADMAP)) for method, path in re.findall(r"`(GET|PUT|POST|DELETE) ([./][^ `]*)`", PAGE)}
    served = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    assert named - served == set()
    assert {(method, path) for method, path in served if path.startswith(ROADMAP)} <= named


def test_the_limit_on_the_page_is_the_default() -> None:
    (told,) = set(re.findall(r'"requests";q=(\d+);', PAGE))
    assert int(told) == Settings.model_fields["requests_per_minute"].default


ID, OTHER = "01a214da-8371-7071-b6f8-b0843398508c", "01a214da-8371-7071-b6f8-b0843398508d"


@pytest.mark.parametrize(
    ("shown", "said", "fits"),
    [
        ("ready", "ready\n", True),
        ("ready", "partial\n", False),
        ("ready", "", False),
        ("", "ready\n", False),
        ("HTTP/1.1 201 Created\n...\nlocation: /x", "HTTP/1.1 201 Created\r\ndate: today\r\nlocation: /x\r\n\r\n", True),
        ("HTTP/1.1 201 Created\n...\nlocation: /x", "HTTP/1.1 202 Accepted\r\ndate: today\r\nlocation: /x\r\n\r\n", False),
        ("HTTP/1.1 201 Created\nlocation: /x", "HTTP/1.1 201 Created\r\ndate: today\r\nlocation: /x\r\n\r\n", False),
        ('{"a": 1, ... "c": 3}', '{"a": 1, "b": 2, "c": 3}', True),
        ('{"a": 1, ... "c": 3}', '{"a": 1, "b": 2, "c": 4}', False),
        ('{"a": 1}', '{"a": 1, "b": 2}', False),
        ("...\nlast", "a line\nand another\nlast", True),
        (f"{ID} {OTHER}", f"{OTHER} {ID}", True),
        (f"{ID} {ID}", f"{ID} {OTHER}", False),
        (f"{ID} {OTHER}", f"{ID} {ID}", False),
        ('"at":"2026-11-25T22:36:34.550400Z"', '"at":"2026-11-26T01:00:00Z"', True),
        ('"at":"2026-11-25T22:36:34.550400Z"', '"at":"yesterday"', False),
        ('ratelimit: "requests";r=597;t=60', 'ratelimit: "requests";r=12;t=3', True),
        ('ratelimit: "requests";r=597;t=60', 'ratelimit: "strangers";r=12;t=3', False),
    ],
)
def test_a_page_that_shows_something_else_is_found_out(shown: str, said: str, fits: bool) -> None:
    assert (difference(shown, said, Names()) is None) is fits


def test_a_long_command_and_its_output_are_told_apart() -> None:
    page = "## 1. One\n\n```console\n$ a \\\n    b\n## c\n$ d\n```\n\n## Other\n```console server\n$ e\nf\n```\n```sh\ng\n```\n"
    _, one, other = sections(page)
    assert [astuple(step) for step in one.steps] == [(None, "a \\\n    b", "## c"), (None, "d", "")]
    assert [astuple(step) for step in other.steps] == [("server", "e", "f")]
