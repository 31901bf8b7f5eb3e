"""A run of the fuzz against one stack: schemathesis, then properties of our own, then the books."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from testing.stack import Stack
from tests.fuzz import machine
from tests.fuzz.asking import OPERATIONS, Asker
from tests.fuzz.books import audit
from tests.fuzz.people import come_in
from tests.fuzz.properties import MACHINES, PROPERTIES, others
from tests.fuzz.watch import Watch
from tests.fuzz.wild import WILD

SHARE = 0.6  # of the time, for schemathesis
# What they name must be under way or have failed, which other tests provoke.
NEEDS_A_STATE = (
    *("cancel_overseen", "retry_overseen", "retry_part", "retry_message", "delete_message"),
    *(
        "change_email",
        "transfer_roadmaps",
    ),  # the password, and somebody whose roadmaps may go (security/test_transferring.py)
    # the password of somebody who leaves (security/self_service/test_account_deletion.py)
    "delete_me",
    # of a concept that was made without the model (unit/roadmap/lifecycle/test_upgrade_contents.py)
    "upgrade_concept",
    # of a goal about which the model asks (integration/generation/test_model_questions.py)
    "answer_questions",
    # of saved work, and with a model (integration/generation/test_model_projects.py)
    "order_judgement",
    # what the check of its question has left open, and its number
    # (integration/roadmap/test_review_limits.py)
    *("rate_review", "undo_review"),
)
NEEDS_A_MESSAGE = ("revoke_message",)  # whose id no document tells
Tell = Callable[[str], None]


class Over(KeyboardInterrupt):
    """The time is over: hypothesis lets this one pass."""


class Fuzz:
    """One run. `seconds`: of schemathesis and properties together.

    Without them, it is a fixed number of `examples`, the same ones each time.
    """

    def __init__(
        self,
        stack: Stack,
        hook: str,
        seed: int,
        *,
        seconds: float | None = None,
        examples: int = 0,
        tell: Tell = print,
    ) -> None:
        self.stack, self.seed, self.seconds, self.examples, self._tell = (
            stack,
            seed,
            seconds,
            examples,
            tell,
        )
        self.watch = Watch(come_in(stack, hook), stack)
        self.pids = self._pids()
        self.asker = Asker(self.watch, self.watch.people.me)
        self._began, self._next = time.monotonic(), 0.0

    def run(self) -> None:
        """Everything; what was found is in `watch`."""
        self._began = time.monotonic()
        try:
            machine.run(
                self.asker,
                self.seed,
                seconds=self.seconds * SHARE if self.seconds else None,
                examples=None if self.seconds else self.examples,
                tell=self.progress,
            )
            self._own()
        finally:
            self.asker.close()
        for look in (
            lambda: audit(self.watch),
            self.watch.explained,
            self.watch.printed,
            self._alive,
        ):
            self.progress("the books")
            self._judged("of the books", look)

    def progress(self, doing: str) -> None:
        """A line every five seconds, and at the begin of something new."""
        now = time.monotonic()
        if doing or now >= self._next:
            self._next = now + 5
            failures = sum(failure.times for failure in self.watch.failures.values())
            spent = f"{now - self._began:5.0f} s  {self.stack.mode:8}"
            self._tell(
                f"{spent}  {self.watch.total} requests, {failures} failures  {doing}".rstrip()
            )

    def never_well(self) -> list[str]:
        """Return the operations that were never answered well, but for those that cannot be."""
        well = {name for (name, status) in self.watch.counts if 200 <= status < 400}
        excused = {
            *(machine.LOGIN_ONLY if self.stack.mode == "embedded" else ()),
            *NEEDS_A_STATE,
            *NEEDS_A_MESSAGE,
        }
        excused |= set(machine.LEFT_OUT)
        if "OPENAI_API_KEY" not in self.stack.environment:
            excused |= set(machine.NEEDS_A_MODEL)
        return sorted(set(OPERATIONS) - well - excused)

    def verdict(self) -> Iterator[str]:
        """The final report, line by line."""
        of: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for (name, status), number in sorted(self.watch.counts.items()):
            of[name][status] += number
        yield f"{self.stack.mode}: {self.watch.total} requests with seed {self.seed}"
        for name, counts in of.items():
            found = ", ".join(f"{status}: {number}" for status, number in sorted(counts.items()))
            yield f"  {name:28} {found}"
        yield f"  operations never answered well: {', '.join(self.never_well()) or 'none'}"
        for name, why in {
            **machine.OFF,
            **machine.LEFT_OUT,
            **machine.ACCEPTED,
            **machine.REFUSED,
        }.items():
            yield f"  not looked at: {name}: {why}"
        for failure in self.watch.failures.values():
            of_run = f"seed {self.seed}, {self.stack.mode}"
            yield f"FAILED ({failure.times} times, {of_run}): {failure.what}"
            yield "  " + failure.example.replace("\n", "\n  ")
            if failure.curl:
                yield f"  {failure.curl}"

    def _over(self) -> bool:
        return self.seconds is not None and time.monotonic() - self._began > self.seconds

    def _own(self) -> None:
        """Try each property in turn, a few examples at a time, until the time is over.

        Without a time, try each once.
        """
        properties = (*PROPERTIES, *WILD)
        self.progress("others")
        self._judged("others", lambda: others(self.asker, self.watch.people))
        for turn in count():
            for each in (*MACHINES, *properties):
                if self._over():
                    return
                self.progress(each.__name__)
                if isinstance(each, type):
                    self._machine(each, self.seed + turn)
                else:
                    self._property(each, self.seed + turn)
            if self.seconds is None:
                return

    def _settings(self, examples: int, **more: Any) -> settings:
        return settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=False,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink) if self.seconds is None else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            **more,
        )

    def _property(self, function: Callable[..., None], seed: int) -> None:
        @hypothesis.seed(seed)
        @self._settings(self.examples * 5 if self.seconds is None else 30)
        @given(st.data())
        def example(data: st.DataObject) -> None:
            if self._over():
                raise Over
            function(self.asker, self.watch.people, data.draw)
            self.progress("")

        self._judged(function.__name__, example)

    def _machine(self, of: type[RuleBasedStateMachine], seed: int) -> None:
        bound: Any = type(of.__name__, (of,), {"asker": self.asker, "people": self.watch.people})
        bound = hypothesis.seed(seed)(bound)
        chosen = self._settings(
            max(self.examples // 2, 1) if self.seconds is None else 2, stateful_step_count=12
        )
        self._judged(of.__name__, lambda: run_state_machine_as_test(bound, settings=chosen))

    def _judged(self, name: str, run: Callable[[], None]) -> None:
        try:
            run()
        except Over:
            return
        except Exception as error:  # whatever it is, it is a finding
            notes = "\n".join(getattr(error, "__notes__", ()))
            last = self.asker.last.curl if self.asker.last else ""
            self.watch.fail(
                f"the property {name} does not hold",
                f"{type(error).__name__}: {error}\n{notes}"[:4000],
                last,
            )

    def _alive(self) -> None:
        after = self._pids()
        for name, pids in self.pids.items():
            if after[name] != pids:
                self.watch.fail(
                    f"processes of {name} have ended",
                    f"{sorted(pids)} before, {sorted(after[name])} afterwards",
                )

    def _pids(self) -> dict[str, set[int]]:
        """Return those of the services and their children, without a shell's passing commands."""
        return {
            name: {service.pid, *filter(_is_ours, service.children())} if service.alive() else set()
            for name, service in self.stack.services.items()
        }


def _is_ours(pid: int) -> bool:
    try:
        return b"python" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
