"""`railway`: the commands and options that the documents use, as docs.railway.com/cli has them.

They are those of version 5. Anything else is refused, so that a document that asks for it fails its
test.

RAILWAY_TEST_PROJECT is the folder of the project, RAILWAY_TEST_IMAGES that of images,
RAILWAY_TEST_SERVERS has the addresses of its databases as JSON.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from testing.stack import ROOT
from tests.railway.platform import Platform, Refused

GRAPH = ROOT / "tests" / "railway" / "graph.json"


def main(arguments: list[str]) -> int:
    asked = _parser().parse_args(arguments)
    folder, images = (
        Path(os.environ["RAILWAY_TEST_PROJECT"]),
        Path(os.environ["RAILWAY_TEST_IMAGES"]),
    )
    platform = Platform(folder, images, GRAPH, json.loads(os.environ["RAILWAY_TEST_SERVERS"]))
    try:
        return COMMANDS[asked.command](platform, asked) or 0
    except Refused as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="railway", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("login")
    commands.add_parser("init").add_argument("--name", required=True)
    adding = commands.add_parser("add")
    adding.add_argument("--service", required=True)
    adding.add_argument("--variables", action="append", required=True)  # without it, it asks
    config = commands.add_parser("config").add_subparsers(dest="what", required=True)
    config.add_parser("plan")
    config.add_parser("apply").add_argument(
        "--yes", action="store_true", required=True
    )  # there is no terminal to confirm at
    variable = commands.add_parser("variable").add_subparsers(dest="what", required=True)
    setting = variable.add_parser("set")
    setting.add_argument("pairs", nargs="+")
    setting.add_argument("--stdin", action="store_true")
    setting.add_argument("--skip-deploys", action="store_true")
    for name in ("up", "domain", "logs", "redeploy"):
        command = commands.add_parser(name)
        command.add_argument("--service", required=True)
        if name == "domain":
            command.add_argument("name", nargs="?")  # a domain of one's own
        if name == "up":
            command.add_argument(
                "--ci", action="store_true", required=True
            )  # without it, it goes on in a terminal
        if name == "logs":
            command.add_argument("--lines", type=int, required=True)  # without it, it goes on
            command.add_argument("--latest", action="store_true")
            command.add_argument("--deployment", action="store_true")
        if name == "redeploy":
            command.add_argument("--yes", action="store_true", required=True)
    setting.add_argument("--service", required=True)
    inside = commands.add_parser("ssh")
    inside.add_argument("--service", required=True)
    inside.add_argument("inside", nargs="+")
    templates = commands.add_parser("templates").add_subparsers(dest="what", required=True)
    templates.add_parser("create").add_argument("--project", required=True)
    return parser


def _config(platform: Platform, asked: argparse.Namespace) -> None:
    lines = platform.plan() if asked.what == "plan" else platform.apply()
    print("\n".join(lines) or "Your Railway configuration is already up to date.")


def _add(platform: Platform, asked: argparse.Namespace) -> None:
    platform.add(asked.service)
    for name, value in _pairs(asked.variables, from_stdin=False):
        platform.set(asked.service, name, value)
    print(f"Created service {asked.service}")


def _variable(platform: Platform, asked: argparse.Namespace) -> None:
    for name, value in _pairs(asked.pairs, asked.stdin):
        platform.set(asked.service, name, value)
    if not asked.skip_deploys and asked.service in platform.state["deployed"]:
        _deploy(platform, asked.service)


def _logs(platform: Platform, asked: argparse.Namespace) -> None:
    lines = Path(platform.deployed(asked.service)["log"]).read_text("utf-8").splitlines()
    print("\n".join(lines[-asked.lines :]))


def _domain(platform: Platform, asked: argparse.Namespace) -> None:
    given = platform.domain(asked.service)
    if asked.name is None:
        print(f"Service domain created:\n  URL: https://{given}")
    else:
        print(f"CNAME {asked.name} {given}\nTXT _railway-verify.{asked.name} railway-verify=...")


COMMANDS: dict[str, Callable[[Platform, argparse.Namespace], int | None]] = {
    "login": lambda *_: print("Logged in"),
    "init": lambda platform, asked: platform.create(asked.name),
    "add": _add,
    "config": _config,
    "variable": _variable,
    "up": lambda platform, asked: _deploy(platform, asked.service, Path.cwd()),
    "redeploy": lambda platform, asked: _deploy(platform, asked.service),
    "domain": _domain,
    "logs": _logs,
    "ssh": lambda platform, asked: platform.inside(asked.service, asked.inside),
    "templates": lambda platform, asked: print(
        f"Created template draft {platform.template(asked.project)}"
    ),
}


def _pairs(pairs: list[str], from_stdin: bool) -> list[tuple[str, str]]:
    if from_stdin:
        (name,) = pairs
        return [(name, sys.stdin.read().rstrip("\n"))]
    found = [pair.partition("=") for pair in pairs]
    if not all(equals for _, equals, _ in found):
        raise Refused("Variables must be in the format KEY=VALUE")
    return [(name, value) for name, _, value in found]


def _deploy(platform: Platform, service: str, source: Path | None = None) -> None:
    for line in platform.deploy(service, source):
        print(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
