"""A stop calls each listener once, also one that comes late."""

import pytest

from roadmap.generation.retry_policy import StopSignal


def test_everybody_is_called_once_also_who_comes_late() -> None:
    signal, called = StopSignal(), list[str]()
    signal.on_stop(lambda: called.append("early"))
    assert (signal.stopped, called) == (False, [])
    signal.stop()
    signal.stop()
    signal.on_stop(lambda: called.append("late"))
    assert (signal.stopped, called) == (True, ["early", "late"])


def test_one_that_fails_does_not_keep_the_others_from_being_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    signal, called = StopSignal(), list[str]()

    def fail() -> None:
        raise RuntimeError("a mistake")

    signal.on_stop(fail)
    signal.on_stop(lambda: called.append("second"))
    signal.stop()
    assert called == ["second"]
    assert "cannot be stopped" in caplog.text
