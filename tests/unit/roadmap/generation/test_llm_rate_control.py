"""The number and times of calls that may run at once, after each success and each 429."""

import threading
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from roadmap.generation.llm.rate_control import (
    MAX_RETRY_DELAY,
    MIN_RETRY_DELAY,
    RESERVATION,
    AdaptiveConcurrencyLimit,
    ProviderRateLimited,
)
from testing.waiting import HANG


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def busy(limiter: AdaptiveConcurrencyLimit) -> float:
    """Seconds after which the limiter wants to be asked again."""
    with pytest.raises(ProviderRateLimited) as raised, limiter.slot():
        pass
    return raised.value.retry_after


def room(limiter: AdaptiveConcurrencyLimit) -> int:
    """Return the number of slots that can be taken at once."""
    with ExitStack() as stack:
        for taken in range(1000):
            try:
                stack.enter_context(limiter.slot())
            except ProviderRateLimited:
                return taken
    raise AssertionError("room without end")


def succeed(limiter: AdaptiveConcurrencyLimit, times: int = 1) -> None:
    for _ in range(times):
        with limiter.slot():
            limiter.on_success()


class TestSlots:
    def test_there_is_room_for_the_limiterand_no_more(self) -> None:
        assert [room(AdaptiveConcurrencyLimit(limit)) for limit in (1, 2, 8)] == [1, 2, 8]

    def test_a_full_pace_wants_to_be_asked_again_after_about_a_second(self, clock: Clock) -> None:
        limiter = AdaptiveConcurrencyLimit(1, now=clock)
        with limiter.slot():
            waits = [busy(limiter) for _ in range(10)]
        assert all(0.75 <= wait <= 1.25 for wait in waits)
        assert len(set(waits)) > 1  # not everybody comes back at once

    def test_the_more_want_to_ask_the_later_they_come_back(self, clock: Clock) -> None:
        limiter = AdaptiveConcurrencyLimit(1, now=clock)
        with limiter.slot():
            waits = [busy(limiter) for _ in range(600)]
            assert sum(wait < 2 for wait in waits) < 30  # come back in the next two seconds
            assert max(waits) <= MAX_RETRY_DELAY * 1.25
            clock.now += 1
            assert busy(limiter) <= 1.25

    def test_what_comes_first_finds_room_before_the_others(self, clock: Clock) -> None:
        limiter = AdaptiveConcurrencyLimit(1, now=clock)
        with limiter.slot(), pytest.raises(ProviderRateLimited) as raised, limiter.slot(first=True):
            pass
        assert raised.value.retry_after < MIN_RETRY_DELAY
        assert busy(limiter) > 0  # there is room, and it is kept
        with limiter.slot(first=True):
            pass
        assert room(limiter) == 1

    def test_room_is_not_kept_for_ever_for_what_does_not_come(self, clock: Clock) -> None:
        limiter = AdaptiveConcurrencyLimit(1, now=clock)
        with limiter.slot(), pytest.raises(ProviderRateLimited), limiter.slot(first=True):
            pass
        clock.now += RESERVATION
        assert room(limiter) == 1

    def test_a_slot_is_given_back_however_the_call_ends(self) -> None:
        limiter = AdaptiveConcurrencyLimit(1)
        for _ in range(3):
            with pytest.raises(ValueError, match="broken"), limiter.slot():
                raise ValueError("broken")
        assert room(limiter) == 1

    def test_no_thread_waits_for_a_slot_of_another(self) -> None:
        limiter, taken, done = AdaptiveConcurrencyLimit(1), threading.Event(), threading.Event()

        def hold() -> None:
            with limiter.slot():
                taken.set()
                done.wait(HANG)

        holder = threading.Thread(target=hold)
        holder.start()
        assert taken.wait(HANG)
        assert busy(limiter) > 0
        done.set()
        holder.join()
        assert room(limiter) == 1

    def test_many_threads_never_run_more_than_the_limit(self) -> None:
        limiter, running, most, lock = AdaptiveConcurrencyLimit(3), [0], [0], threading.Lock()
        start = threading.Barrier(12)

        def work() -> None:
            start.wait(HANG)
            for _ in range(200):
                try:
                    with limiter.slot():
                        with lock:
                            running[0] += 1
                            most[0] = max(most[0], running[0])
                        with lock:
                            running[0] -= 1
                except ProviderRateLimited:
                    continue

        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 <= most[0] <= 3
        assert room(limiter) == 3

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_pace_without_slots_cannot_be_made(self, limit: int) -> None:
        with pytest.raises(ValueError, match="at least one"):
            AdaptiveConcurrencyLimit(limit)


class TestSlowingDown:
    def test_each_429_halves_the_slots_down_to_one(self, clock: Clock) -> None:
        limiter, rooms = AdaptiveConcurrencyLimit(8, now=clock), []
        for _ in range(5):
            with limiter.slot():
                limiter.on_rate_limited(1)
            clock.now += 1
            rooms.append(room(limiter))
        assert rooms == [4, 2, 1, 1, 1]

    @pytest.mark.parametrize(("expected", "closed"), [(7, 7), (0.5, 0.5), (300, 300), (9999, 300)])
    def test_the_gate_is_closed_for_as_long_as_the_provider_says_but_five_minutes_at_most(
        self, clock: Clock, expected: float, closed: float
    ) -> None:
        limiter = AdaptiveConcurrencyLimit(8, now=clock)
        limiter.on_rate_limited(expected)
        waits = [busy(limiter) for _ in range(200)]
        assert all(closed <= wait <= closed + 1 + closed / 4 for wait in waits)
        assert len(set(waits)) > 1
        clock.now += closed - 0.01
        assert busy(limiter) >= 0.009
        clock.now += 0.02
        assert room(limiter) == 4

    @pytest.mark.parametrize("expected", [0, -5])
    def test_a_provider_that_wants_no_pause_gets_none(self, clock: Clock, expected: float) -> None:
        limiter = AdaptiveConcurrencyLimit(8, now=clock)
        limiter.on_rate_limited(expected)
        assert room(limiter) == 4

    def test_pauses_double_up_to_a_minute_while_the_provider_does_not_say(
        self, clock: Clock
    ) -> None:
        limiter, pauses = AdaptiveConcurrencyLimit(8, now=clock), []
        for _ in range(20):
            with limiter.slot():
                limiter.on_rate_limited(None)
            pauses.append(closed_for(limiter, clock))
        assert pauses == [2, 4, 8, 16, 32, *[60] * 15]

    def test_pauses_begin_with_the_shortest_after_a_success(self, clock: Clock) -> None:
        limiter, pauses = AdaptiveConcurrencyLimit(8, now=clock), []
        for _ in range(2):
            for _ in range(3):
                with limiter.slot():
                    limiter.on_rate_limited()
                pauses.append(closed_for(limiter, clock))
            succeed(limiter)
        assert pauses == [2, 4, 8] * 2

    def test_a_later_call_in_the_same_slot_is_of_now(self, clock: Clock) -> None:
        limiter = AdaptiveConcurrencyLimit(8, now=clock)
        with limiter.slot():
            limiter.begin()
            elsewhere = threading.Thread(target=limiter.on_rate_limited, args=[5])
            elsewhere.start()
            elsewhere.join()
            with pytest.raises(ProviderRateLimited) as raised:
                limiter.begin()
            assert 5 <= raised.value.retry_after <= 7.25
            limiter.on_rate_limited()  # of the call that began before
            assert limiter.slots == 4
            clock.now += 5
            limiter.begin()
            limiter.on_rate_limited()
            assert limiter.slots == 2

    def test_a_shorter_pause_does_not_open_the_gate_earlier(self, clock: Clock) -> None:
        limiter = AdaptiveConcurrencyLimit(8, now=clock)
        limiter.on_rate_limited(100)
        limiter.on_rate_limited(1)
        assert closed_for(limiter, clock) == 100


def closed_for(limiter: AdaptiveConcurrencyLimit, clock: Clock) -> float:
    """Whole seconds until there is room; the clock is then there."""
    for passed in range(1000):
        if room(limiter):
            return passed
        clock.now += 1
    raise AssertionError("closed without end")


class Call:
    """A call in a thread of its own, as a worker makes it; `end` says how it ends."""

    def __init__(self, limiter: AdaptiveConcurrencyLimit) -> None:
        self._limiter, self._end = limiter, lambda: None
        self._begun, self._ending, self._done = (
            threading.Event(),
            threading.Event(),
            threading.Event(),
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._begun.wait(HANG)

    def _run(self) -> None:
        with self._limiter.slot():
            self._begun.set()
            assert self._ending.wait(HANG)
            self._end()

    def refused(self, retry_after: float | None = None) -> None:
        self._finish(lambda: self._limiter.on_rate_limited(retry_after))

    def answered(self) -> None:
        self._finish(self._limiter.on_success)

    def _finish(self, end: object) -> None:
        self._end = end
        self._ending.set()
        self._thread.join(HANG)
        assert not self._thread.is_alive()


class TestTogether:
    def test_429s_of_calls_that_ran_together_count_once(self, clock: Clock) -> None:
        limiter = AdaptiveConcurrencyLimit(8, now=clock)
        calls = [Call(limiter) for _ in range(8)]
        for call in calls:
            call.refused()
        assert limiter.slots == 4
        assert closed_for(limiter, clock) == 2
        assert room(limiter) == 4

    def test_a_429_of_a_call_begun_after_the_last_one_counts(self, clock: Clock) -> None:
        limiter = AdaptiveConcurrencyLimit(8, now=clock)
        early, late = Call(limiter), Call(limiter)
        early.refused(1)
        clock.now += 1
        Call(limiter).refused(1)
        assert limiter.slots == 2
        late.refused()
        assert limiter.slots == 2

    def test_the_longest_pause_of_calls_that_ran_together_holds(self, clock: Clock) -> None:
        limiter = AdaptiveConcurrencyLimit(8, now=clock)
        calls = [Call(limiter) for _ in range(3)]
        for call, text in zip(calls, (5, 30, 10), strict=True):
            call.refused(text)
        assert closed_for(limiter, clock) == 30
        assert limiter.slots == 4

    def test_a_success_of_a_call_begun_before_the_last_429_says_nothing_about_the_pace_since(
        self, clock: Clock
    ) -> None:
        limiter = AdaptiveConcurrencyLimit(4, now=clock)
        early = [Call(limiter) for _ in range(4)]
        early[0].refused(1)
        for call in early[1:]:
            call.answered()
        assert limiter.slots == 2
        clock.now += 1
        succeed(limiter, 2)
        assert limiter.slots == 3

    def test_a_thread_that_goes_on_after_its_429_speaks_of_the_pace_since(
        self, clock: Clock
    ) -> None:
        limiter = AdaptiveConcurrencyLimit(8, now=clock)
        with limiter.slot():
            limiter.on_rate_limited(0)
            limiter.on_rate_limited(0)
            assert limiter.slots == 2
            limiter.on_success()
            limiter.on_success()
        assert limiter.slots == 3


class TestRecovery:
    def test_one_slot_comes_back_after_as_many_successes_as_there_are_slots(
        self, clock: Clock
    ) -> None:
        limiter, slots = AdaptiveConcurrencyLimit(4, now=clock), []
        for _ in range(3):
            limiter.on_rate_limited(0)
        for _ in range(10):
            slots.append(limiter.slots)
            succeed(limiter)
        assert slots == [1, 2, 2, 3, 3, 3, 4, 4, 4, 4]

    def test_successes_before_a_429_do_not_count_after_it(self, clock: Clock) -> None:
        limiter = AdaptiveConcurrencyLimit(4, now=clock)
        limiter.on_rate_limited(0)
        succeed(limiter, 1)
        limiter.on_rate_limited(0)
        assert limiter.slots == 1
        succeed(limiter, 2)
        assert limiter.slots == 2


class Day(RuleBasedStateMachine):
    """Any order of calls, successes, 429s and time."""

    limit = 7

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.limiter = AdaptiveConcurrencyLimit(self.limit, now=self.clock)
        self.running: list[ExitStack] = []
        self.waits: list[float] = []

    @rule()
    def begin(self) -> None:
        stack = ExitStack()
        try:
            stack.enter_context(self.limiter.slot())
        except ProviderRateLimited as now:
            self.waits.append(now.retry_after)
        else:
            self.running.append(stack)

    @precondition(lambda self: self.running)
    @rule()
    def end(self) -> None:
        self.running.pop().close()

    @rule()
    def succeed(self) -> None:
        self.limiter.on_success()

    @rule(retry_after=st.none() | st.floats(0, 1000))
    def refuse(self, retry_after: float | None) -> None:
        self.limiter.on_rate_limited(retry_after)

    @rule(seconds=st.floats(0, 400))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def no_more_run_than_the_limit(self) -> None:
        assert len(self.running) <= self.limit

    @invariant()
    def every_pause_is_positive_and_bounded(self) -> None:
        assert all(0 < wait <= 300 * 1.25 + 1 for wait in self.waits)

    @invariant()
    def there_is_always_a_slot(self) -> None:
        assert 1 <= self.limiter.slots <= self.limit

    def teardown(self) -> None:
        for stack in self.running:
            stack.close()
        self.clock.now += 301
        assert room(self.limiter) == self.limiter.slots  # whatever happened, it opens again
        succeed(self.limiter, sum(range(1, self.limit + 1)))
        assert room(self.limiter) == self.limit  # and recovers to the full limit


Day.TestCase.settings = settings(suppress_health_check=[HealthCheck.too_slow])
TestDay = Day.TestCase
