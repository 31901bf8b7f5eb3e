"""Hooks of hatchling: dependencies of the wheel, and the commit that it is built from."""

import os
import runpy
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


class Requirements(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        """Add what requirements.txt and the files of extras ask for, and where the code is."""
        metadata["dependencies"] = self._lines("requirements.txt")
        if repository := os.environ.get("GITHUB_REPOSITORY"):  # set where GitHub runs this
            metadata["urls"] = {"Source": f"{os.environ['GITHUB_SERVER_URL']}/{repository}"}
        metadata["optional-dependencies"] = {
            extra: self._lines(f"requirements/{extra}.txt") for extra in ("mcp", "s3")
        }

    def _lines(self, file: str) -> list[str]:
        lines = (Path(self.root) / file).read_text("utf-8").splitlines()
        return [wanted for line in lines if (wanted := line.partition("#")[0].strip())]


class Commit(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file from which `core/version.py` reads the commit."""
        self._file = NamedTemporaryFile("w")  # noqa: SIM115 -- until the build ends
        print(runpy.run_path(f"{self.root}/core/version.py")["COMMIT"], file=self._file, flush=True)
        folder = "roadmap_service/" if self.target_name == "wheel" else ""
        build_data["force_include"][self._file.name] = f"{folder}commit.txt"
