"""Build a folder as a Dockerfile says, without an engine.

Its COPY, RUN and ENV are done, in that order, in a folder that stands for /app in each stage and is
set aside after it. Whatever needs a container (its user, the folders of its root) is left to `make
image`.
"""

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

HOME = "/app"
OF_THE_CONTAINER = ("useradd",)  # what a RUN is about that only a container has


class BuildFailed(Exception):
    """The message names the instruction, with its output."""


@dataclass
class Image:
    """`folder` stands for /app."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)


def build(context: Path, dockerfile: str, folder: Path) -> Image:
    """Raises BuildFailed."""
    image, ignored = Image(folder), (context / ".dockerignore").read_text("utf-8").splitlines()
    stages: dict[str, Image] = {}
    name = ""
    for instruction, rest in instructions((context / dockerfile).read_text("utf-8")):
        match instruction:
            case "FROM":
                if name:  # a venv knows its path, so each stage works where the image will be
                    aside = folder.with_name(f"{folder.name}-{name}")
                    stages[name] = Image(folder.rename(aside), image.environment)
                base, _, name = rest.partition(" AS ")
                image = Image(folder)
                if base in stages:
                    image.environment |= stages[base].environment
                    _share(stages[base].folder, folder)
                folder.mkdir(parents=True, exist_ok=True)
            case "COPY" if rest.startswith("--from="):
                stage, what, to = rest.removeprefix("--from=").split()
                _share(stages[stage].folder / what.removeprefix(HOME).lstrip("/"), folder / to)
            case "COPY":
                *sources, to = rest.split()
                is_all = sources == ["."]
                for source in _listed(context, ignored) if is_all else sources:
                    inside = source if is_all or to in (".", "./") else ""
                    _copy(context, source, folder / to / inside, ignored)
            case "RUN" if not any(word in rest for word in OF_THE_CONTAINER):
                _run(rest, folder, image.environment)
            case "ENV":
                for pair in shlex.split(rest):
                    variable, _, value = pair.partition("=")
                    image.environment[variable] = value.replace(HOME, str(folder)).replace(
                        f"${variable}", os.environ.get(variable, "")
                    )
            case "ENTRYPOINT":
                image.entrypoint = re.findall(r'"([^"]+)"', rest)
    for kept in stages.values():
        shutil.rmtree(kept.folder)
    return image


def instructions(text: str) -> list[tuple[str, str]]:
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    found = [line.partition(" ") for line in joined.splitlines()]
    return [(instruction, rest.strip()) for instruction, _, rest in found]


def _share(source: Path, to: Path) -> None:
    """A copy by links, which no later step writes to."""
    shutil.copytree(source, to, symlinks=True, copy_function=os.link, dirs_exist_ok=True)


def _listed(context: Path, ignored: list[str]) -> list[str]:
    """The files that .dockerignore names and the context has."""
    named = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    return [name for name in named if (context / name).exists()]


def _copy(context: Path, source: str, to: Path, ignored: list[str]) -> None:
    """The files that .dockerignore lets in. Raises BuildFailed when there are none."""
    name = source.removeprefix("./")
    if f"!{name}" not in ignored or not (context / name).exists():
        raise BuildFailed(f"COPY {source}: it is not in the context")
    patterns = [line.removeprefix("**/") for line in ignored if line.startswith("**/")]

    def left_out(_: str, names: list[str]) -> list[str]:
        return [
            name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
        ]

    to.parent.mkdir(parents=True, exist_ok=True)
    if (context / name).is_dir():
        shutil.copytree(context / name, to, ignore=left_out, dirs_exist_ok=True)
    else:
        shutil.copy2(context / name, to)


def _run(command: str, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildFailed(f"RUN {command[:80]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
