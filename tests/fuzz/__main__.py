"""schemathesis and hypothesis against running services of both modes.

    python -m tests.fuzz --seconds 60 --seed 1 --mode both

Real processes with servers of their own, which want passwords. The seconds are shared between the
modes; starting, and waiting for what was accepted, come on top. Exit 1 on any failure; the scratch
folder with every log is kept then.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path

from testing.receiver import receiving
from testing.scratch import write_in_memory
from testing.stack import Stack, embedded_stack, running
from tests.attacks.test_secrets import GuardedRedis, guarded_postgres
from tests.chaos.model import PATIENT, serving
from tests.fuzz.run import Fuzz


def stack_of(mode: str, folder: Path, ends: ExitStack) -> tuple[Stack, str]:
    """With a model, so that any goal can be reached, and the address of a receiver of webhooks."""
    hook = ends.enter_context(receiving()).url
    model = ends.enter_context(serving(concepts=2))
    environment = {
        **model.environment,
        **PATIENT,
        "HEARTBEAT_TTL_SECONDS": "60",
        "WEBHOOK_NETWORKS": "127.0.0.0/8",
    }
    if mode == "embedded":
        return ends.enter_context(running(embedded_stack(folder, **environment))), hook
    broker = GuardedRedis(folder, f"Zq/{uuid.uuid4().hex}")
    ends.callback(broker.stop)
    broker.start()
    _, url = ends.enter_context(guarded_postgres(f"Zq/{uuid.uuid4().hex}"))
    urls = {"DATABASE_URL": url, "REDIS_URL": broker.url(), "SECRET_KEY": uuid.uuid4().hex}
    return ends.enter_context(running(Stack("server", folder, {**urls, **environment}))), hook


def fuzz(mode: str, seed: int, seconds: float, folder: Path) -> bool:
    """Whether everything is well."""
    folder.mkdir()
    with ExitStack() as ends:
        run = Fuzz(
            *stack_of(mode, folder, ends),
            seed,
            seconds=seconds,
            tell=lambda line: print(line, flush=True),
        )
        run.run()
        print(*run.verdict(), sep="\n", flush=True)
        return not run.watch.failures


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60, help="for both modes together")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    parser.add_argument("--mode", choices=("embedded", "server", "both"), default="both")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # everything that was started is ended
    write_in_memory()
    modes = ("embedded", "server") if options.mode == "both" else (options.mode,)
    folder = Path(tempfile.mkdtemp(prefix="roadmap-fuzz-"))
    os.chmod(folder, 0o755)
    well = False
    try:
        well = not [
            mode
            for mode in modes
            if not fuzz(mode, options.seed, options.seconds / len(modes), folder / mode)
        ]
    finally:
        if well:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"Everything that was printed is kept in {folder}")
    print("Everything is well." if well else "Something is not well: see above.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
