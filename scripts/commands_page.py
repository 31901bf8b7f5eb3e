"""The reference in docs/COMMANDS.md, made from the commands themselves.

`python scripts/commands_page.py` prints it; with `--write` it goes into the page, between the two marker comments.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a script, Python looks in this folder only
    sys.path.insert(0, str(ROOT))
os.environ.setdefault("SERVICE_TYPE", "all")

from roadmap_cli import LEARNERS, OPERATORS, main  # noqa: E402

PAGE = ROOT / "docs" / "COMMANDS.md"
BEGIN = "<!-- every command: python scripts/commands_page.py --write -->"
END = "<!-- end of every command -->"


def reference() -> str:
    """A section for each command, in the order of `roadmap --help`."""
    context = click.Context(main, info_name="roadmap")
    parts: list[str] = []
    for name in (*LEARNERS, *OPERATORS):
        command = main.get_command(context, name)
        assert command is not None
        parts += _sections(command, click.Context(command, info_name=name, parent=context))
    return "\n\n".join(parts)


def with_reference(page: str) -> str:
    """The page with a new reference between its markers. Raises ValueError when it has not exactly one pair of them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise ValueError(f"one pair of markers is needed: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        yield f"### `{context.command_path}`\n\n{_prose(command)}"
        for name, each in command.commands.items():
            yield from _sections(each, click.Context(each, info_name=name, parent=context))
        return
    depth = "#" * (3 if context.parent and context.parent.parent is None else 4)
    usage = " ".join(command.collect_usage_pieces(context)).replace("[OPTIONS]", "[options]")
    yield f"{depth} `{context.command_path} {usage}`\n\n{_prose(command)}\n\n{_options(command, context)}"


def _prose(command: click.Command) -> str:
    paragraphs = (command.help or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _options(command: click.Command, context: click.Context) -> str:
    records = [each.get_help_record(context) for each in command.get_params(context) if isinstance(each, click.Option)]
    rows = [(f"`{record[0]}`", record[1]) for record in records if record and "--help" not in record[0]]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
        for row in (("option", "what it does"), ("---", "---"), *rows)
    )


def run(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        PAGE.write_text(with_reference(PAGE.read_text("utf-8")), "utf-8")
    elif not arguments:
        print(reference())
    else:
        print("usage: python scripts/commands_page.py [--write]", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
