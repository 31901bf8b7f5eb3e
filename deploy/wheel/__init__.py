"""The service as it is installed from a wheel: the package `roadmap_service`.

Its folders are those of a checkout, and its modules keep their names (`tasks.content`), which
messages in queues contain. So the folder is put on the path of the command `roadmap` alone; for
other programs of the environment these names do not exist.
"""

import runpy
import sys
from pathlib import Path


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    runpy.run_module("roadmap_cli", run_name="__main__")
