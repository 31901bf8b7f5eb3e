"""With `--durations=N` (make test DURATIONS=N) the slowest fixtures are named too.

Pytest counts each with the test that wants it first.
"""

from collections import defaultdict
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import pytest

PROPERTY = "fixtures"  # by which a report carries them from the tester to the process that prints


class FixtureDurations:
    """Seconds of each fixture's set-up, without those that it asks for in its parameters."""

    def __init__(self) -> None:
        self._since_report: list[tuple[str, float]] = []
        self._taken: defaultdict[str, list[float]] = defaultdict(list)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        start = perf_counter()
        try:
            return (yield)
        finally:
            self._since_report.append(
                (f"{fixturedef.baseid}::{fixturedef.argname}", perf_counter() - start)
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        report: pytest.TestReport = yield  # type: ignore[assignment]
        report.user_properties = [*report.user_properties, (PROPERTY, self._since_report)]
        self._since_report = []
        return report  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == PROPERTY:
                for fixture, seconds in value:  # type: ignore[misc]
                    self._taken[fixture].append(seconds)

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        slowest = sorted(self._taken.items(), key=lambda item: -sum(item[1]))[
            : config.option.durations or None
        ]
        terminalreporter.section(f"slowest {len(slowest)} fixtures")
        for name, seconds in slowest:
            terminalreporter.line(f"{sum(seconds):7.2f}s in {len(seconds):4} times  {name}")
