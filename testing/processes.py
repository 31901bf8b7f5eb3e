"""Cost of a process, as the kernel counts it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from testing.stack import Service

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time in seconds, and by how many MB the process was larger at any moment than before."""

    seconds: float
    megabytes: float


class Api:
    """The API of a service."""

    def __init__(self, service: Service) -> None:
        self.folder = Path(f"/proc/{service.child('uvicorn')}")

    def memory(self, name: str) -> float:
        lines = (self.folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))

    def seconds(self) -> float:
        fields = (self.folder / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def cost(self, act: Callable[[], Value]) -> tuple[Value, Cost]:
        """Return what `act` returns, and what it cost the process."""
        (self.folder / "clear_refs").write_text("5")  # resets VmHWM
        before, begun = self.memory("VmRSS"), self.seconds()
        value = act()
        return value, Cost(self.seconds() - begun, self.memory("VmHWM") - before)
