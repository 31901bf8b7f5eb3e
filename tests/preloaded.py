"""`roadmap`, and services that refuse to start, without the time that Python needs to load them: processes that have loaded them
and fork one for each.

A program. The first of them has what all need. For each environment it forks another one, which loads what commands read from
that environment. Requests come over a Unix socket, each as one message with open files; whoever sends them is
`tests/commands.py`, and all of these processes end with it.
"""

import gc
import json
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module

import click

import roadmap_cli
from core import launch

LONGEST = 1_000_000  # bytes of a request
NEEDED = (  # by most of the commands, and the same whatever the environment says
    *("core.archive", "core.checkup", "core.measuring", "core.migrate", "core.preflight", "core.public_addresses"),
    *("roadmap.catalogue_files", "roadmap.diff", "roadmap.editing", "roadmap.log_words", "roadmap.memory", "roadmap.model_check"),
    *("roadmap.notes", "roadmap.passwords", "roadmap.requests", "getpass", "huey.api", "itsdangerous"),
)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.WARNING)  # as roadmap_cli.py does
    for name in NEEDED:
        import_module(name)
    for name in sorted(roadmap_cli.BY_THEMSELVES):
        load(name)
    arguments = next_command(socket.socket(fileno=int(sys.argv[1])))
    if arguments is None:
        logging.disable(logging.NOTSET)
        launch.main()
    else:
        sys.argv = [roadmap_cli.__file__, *arguments]
        roadmap_cli.main(arguments, prog_name="roadmap")


def next_command(requests: socket.socket) -> list[str] | None:
    """The words of a command, or None for a service, in a process of its own for each."""
    while True:
        message, files, _, _ = socket.recv_fds(requests, LONGEST, 3)
        reap(os.WNOHANG if message else 0)
        if not message:
            os._exit(0)
        asked = json.loads(message)
        if "environment" in asked:
            if not os.fork():
                requests.close()
                requests = socket.socket(fileno=files.pop())
                os.environ.clear()
                os.environ.update(asked["environment"])
        else:
            arguments: list[str] | None = asked["arguments"]
            if arguments:
                load(arguments[0])
            if not os.fork():
                become_command(asked["folder"], *files)
                return arguments
        for file in files:
            os.close(file)


def load(name: str) -> None:
    """What this command loads, once for all its calls. Why that cannot be done the command itself says."""
    before = dict(os.environ)
    with suppress(Exception):
        roadmap_cli.main.get_command(click.Context(roadmap_cli.main), name)
    os.environ.clear()
    os.environ.update(before)
    for queue in getattr(sys.modules.get("tasks.queues"), "QUEUES", ()):
        queue.storage.close()  # no two processes may have one connection
    gc.freeze()  # a command does not look at what was loaded before


def reap(how: int) -> None:
    """Those that were forked here and have ended; without WNOHANG it waits for all of them."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, how) != (0, 0):
            pass


def become_command(folder: str, output: int, errors: int, answer: int) -> None:
    """Returns in the process of the command. Another one waits for it and says its number and how it ends."""
    if pid := os.fork():
        os.write(answer, b"%d\n" % pid)
        os.write(answer, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os._exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    for file in (output, errors, answer):
        os.close(file)


if __name__ == "__main__":
    main()
