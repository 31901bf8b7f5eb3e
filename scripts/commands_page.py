"""The reference in docs/COMMANDS.md, made from the commands themselves.

`python scripts/commands_page.py` prints it; `--write` puts it into the page, between two comments.
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
from scripts.marked import Marked, markdown  # noqa: E402


def reference() -> str:
    """Return a section for each command, in the order of `roadmap --help`."""
    context = click.Context(main, info_name="roadmap")
    parts: list[str] = []
    for name in (*LEARNERS, *OPERATORS):
        command = main.get_command(context, name)
        assert command is not None
        parts += _sections(command, click.Context(command, info_name=name, parent=context))
    return "\n\n".join(parts)


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        yield f"### `{context.command_path}`\n\n{_prose(command)}"
        for name, each in command.commands.items():
            yield from _sections(each, click.Context(each, info_name=name, parent=context))
        return
    depth = "#" * (3 if context.parent and context.parent.parent is None else 4)
    usage = " ".join(command.collect_usage_pieces(context)).replace("[OPTIONS]", "[options]")
    records = (
        each.get_help_record(context)
        for each in command.get_params(context)
        if isinstance(each, click.Option)
    )
    rows = [
        (f"`{record[0]}`", record[1]) for record in records if record and "--help" not in record[0]
    ]
    options = markdown(("option", "what it does"), rows)
    yield f"{depth} `{context.command_path} {usage}`\n\n{_prose(command)}\n\n{options}"


def _prose(command: click.Command) -> str:
    paragraphs = (command.help or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


MARKED = Marked(
    "commands_page.py",
    ROOT / "docs" / "COMMANDS.md",
    "<!-- every command: python scripts/commands_page.py --write -->",
    "<!-- end of every command -->",
    reference,
)

if __name__ == "__main__":
    sys.exit(MARKED.run(sys.argv[1:]))
