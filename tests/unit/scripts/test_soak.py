"""A soak waits as long as something finishes, however slowly, and no longer."""

from tests.chaos.patience import STALLED, Patience


class Work:
    """Things that finish on a clock that the test moves."""

    def __init__(self) -> None:
        self.now, self.finished = 1000.0, 0
        self.patience = Patience(lambda: self.finished, lambda: self.now)

    def pass_on(self, seconds: float, finished: int = 0) -> bool:
        """Move the clock; return whether patience is over."""
        self.now += seconds
        self.finished += finished
        return self.patience.is_over()


def test_slow_work_is_waited_for() -> None:
    work = Work()
    assert not any(work.pass_on(STALLED - 1, finished=1) for _ in range(100))


def test_work_that_stands_still_is_given_up() -> None:
    work = Work()
    assert not work.pass_on(STALLED - 1, finished=270)
    assert not work.pass_on(STALLED - 1)
    assert work.pass_on(1)


def test_what_is_undone_is_no_work() -> None:
    work = Work()
    assert not work.pass_on(STALLED / 2, finished=5)
    assert not work.pass_on(STALLED / 2, finished=-3)
    assert work.pass_on(STALLED / 2, finished=2)


def test_work_after_a_look_that_was_late_counts() -> None:
    work = Work()
    assert not work.pass_on(10 * STALLED, finished=1)
    assert work.pass_on(STALLED)
