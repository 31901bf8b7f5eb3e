"""The content queue and its workers as a discrete-event simulation, seeded: the same questions have the same answers.

It does what the code does. A message goes to the thread that has idled for the longest time; outlines overtake contents, and
contents are written in the order in which they were enqueued, whoever asked for them. A thread holds one message while it
calls the model. Whoever finds no slot (`roadmap/pace.py`), or is refused by the provider, puts its message on the schedule, and
the thread takes the next one. What the process itself computes for a call takes turns, as threads of Python do.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice
from math import ceil, inf
from random import Random

from benchmarks.capacity.pacing import Pacing, Provider
from benchmarks.capacity.workload import Workload
from core.settings import Settings

MAX_ATTEMPTS: int = Settings.model_fields["max_attempts"].default
RETRY_BASE: float = Settings.model_fields["retry_base_seconds"].default
LONGEST_PAUSE = 300.0  # seconds between two tries, as in roadmap/attempts.py, which no program without settings can import
ENDLESS = 3  # times as many roadmaps as count
PATIENCE = 8  # times as much happens as there are calls: beyond it, most of it is messages that are put off again and again
REFUSAL = 0.002  # seconds until a provider has said 429
ASKED, CALLS, ANSWERED, DONE, GIVEN_UP, FREE, DUE = range(7)  # what happens


@dataclass(frozen=True, slots=True)
class Fleet:
    """Threads, so many in each consumer, the last one perhaps fewer; `slots` is MODEL_CONCURRENCY, 0: as many as threads.

    Seconds that a call takes beside the model: `cpu` of its process, in turn with its other threads, and `wait` for servers;
    `put_off` is the CPU of a message that finds no slot.
    """

    threads: int
    each: int
    slots: int = 0
    cpu: float = 0.0
    wait: float = 0.0
    put_off: float = 0.0

    @property
    def consumers(self) -> int:
        return ceil(self.threads / self.each)


@dataclass(slots=True, eq=False)
class Job:
    """A message and its row. `calls` are the latencies of those that are still to be made."""

    roadmap: "Made"
    is_plan: bool
    calls: list[float]
    attempts: int = 0
    began: int = 0
    taken: float = 0.0


@dataclass(slots=True, eq=False)
class Made:
    """A roadmap: when it was asked for, when its planning began, when the last part was done; negative: not yet."""

    number: int
    asked: float
    contents: list[float]
    left: int
    planned: float = -1.0
    ended: float = -1.0
    failed: int = 0

    @property
    def seconds(self) -> float:
        return self.ended - self.asked


@dataclass(slots=True)
class Found:
    """Of the roadmaps that count. Areas are integrals over the time: of roadmaps that are open, of messages that wait (ready or
    on the schedule), of threads that are busy; and of the time in which a thread idled beside a ready message.
    """

    roadmaps: list[Made] = field(default_factory=list)
    wanted: int = 0  # of these; what is missing would never have been ready
    seconds: float = 0.0
    calls: int = 0
    called: float = 0.0  # seconds, of all calls
    refused: int = 0
    passes: int = 0  # messages that were put off
    taken: int = 0  # messages that a thread has taken
    busy: float = 0.0  # seconds, of all threads
    waited: float = 0.0  # seconds, of all messages
    most_busy: int = 0
    most_waiting: int = 0
    area_open: float = 0.0
    area_waiting: float = 0.0
    area_busy: float = 0.0
    unused: float = 0.0
    begun: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        """The seconds within which such a share of the roadmaps is ready (nearest rank)."""
        return self._rank([each.seconds for each in self.roadmaps], share)

    def until_planning(self, share: float) -> float:
        """The seconds within which a worker has begun to plan it."""
        return self._rank([each.planned - each.asked for each in self.roadmaps], share)

    def _rank(self, values: Sequence[float], share: float) -> float:
        place = max(
            ceil(round(self.wanted * share, 6)) - 1, 0
        )  # 100 times 0.07 is a little more than 7
        return sorted(values)[place] if place < len(values) else inf

    @property
    def failed(self) -> int:
        """Parts that were given up."""
        return sum(each.failed for each in self.roadmaps)


class Simulation:
    """`run` once."""

    def __init__(self, workload: Workload, fleet: Fleet, seed: int = 1) -> None:
        self._load, self._fleet = workload, fleet
        self._gaps, self._sizes, self._dice = (
            Random(f"{seed} {name}") for name in ("gaps", "sizes", "dice")
        )
        self._events: list[tuple[float, int, int, int, Job | None]] = []
        self._number = 0
        self._first: deque[Job] = deque()
        self._rest: deque[Job] = deque()
        self._idle = deque(thread // fleet.each for thread in range(fleet.threads))
        self._core = [0.0] * fleet.consumers  # until when each process computes
        slots = fleet.slots or fleet.each
        is_paced = workload.limits.exist or slots < fleet.each
        self._paces = (
            [Pacing(slots, self._dice) for _ in range(fleet.consumers)] if is_paced else []
        )
        self._provider = Provider(workload.limits) if workload.limits.exist else None
        self._found = Found()
        self._open = self._scheduled = self._missing = 0
        self._before = 0.0

    @property
    def happened(self) -> int:
        """Events until now: how much work that was, on every machine the same."""
        return self._number

    def run(self, count: int, *, warm_up: int = 0) -> Found:
        """A stream in the busiest hour: what counts are `count` roadmaps after the first ones. It goes on until they are ready,
        or ends where a service that cannot keep up would never have them ready.
        """
        asked = ENDLESS * (warm_up + count)
        most = PATIENCE * ceil((warm_up + count) * self._load.calls)
        return self._run(islice(self._stream(), asked), warm_up, count, most)

    def run_all(self, arrivals: Sequence[float]) -> Found:
        """Roadmaps that are asked for at these times, until nothing is left to do."""
        return self._run(iter(sorted(arrivals)), 0, len(arrivals), inf)

    def _stream(self) -> Iterator[float]:
        at = 0.0
        while True:
            yield at
            at += self._gaps.expovariate(self._load.rate)

    def _run(self, arrivals: Iterator[float], warm_up: int, count: int, most: float) -> Found:
        self._arrivals, self._counted = arrivals, range(warm_up, warm_up + count)
        self._missing, self._asked_for, self._found.wanted = count, 0, count
        self._await_next()
        happens = (
            self._asked,
            self._calls,
            self._answered,
            self._done,
            self._given_up,
            self._free,
            self._due,
        )
        events, found, now = self._events, self._found, 0.0
        while events and self._missing and self._number < most:
            now, _, kind, process, job = heappop(events)
            passed = now - self._before
            if passed > 0:
                self._before = now
                ready = len(self._first) + len(self._rest)
                found.area_open += self._open * passed
                found.area_waiting += (ready + self._scheduled) * passed
                found.area_busy += (self._fleet.threads - len(self._idle)) * passed
                if ready and self._idle:
                    found.unused += passed
            happens[kind](now, process, job)
            if self._idle and (self._first or self._rest):
                self._hand_out(now)
        found.seconds = now
        return found

    def _push(self, at: float, kind: int, process: int = 0, job: Job | None = None) -> None:
        self._number += (
            1  # what happens at the same time happens in the order in which it was known
        )
        heappush(self._events, (at, self._number, kind, process, job))

    def _await_next(self) -> None:
        if (at := next(self._arrivals, None)) is not None:
            self._push(at, ASKED)

    def _asked(self, now: float, _: int, __: Job | None) -> None:
        load, sizes = self._load, self._sizes
        contents = [load.content.drawn(sizes) for _ in range(load.contents)]
        calls = int(load.outline_calls) + (sizes.random() < load.outline_calls % 1)
        roadmap = Made(self._asked_for, now, contents, len(contents))
        self._asked_for += 1
        self._open += 1
        self._enqueue(Job(roadmap, True, [load.outline.drawn(sizes) for _ in range(calls)]), now)
        self._await_next()

    def _enqueue(self, job: Job, now: float) -> None:
        job.taken = now  # for now: since when it waits
        (self._first if job.is_plan else self._rest).append(job)
        self._found.most_waiting = max(
            self._found.most_waiting, len(self._first) + len(self._rest) + self._scheduled
        )

    def _hand_out(self, now: float) -> None:
        found, idle = self._found, self._idle
        while idle and (self._first or self._rest):
            job = self._first.popleft() if self._first else self._rest.popleft()
            found.waited += now - job.taken
            found.taken += 1
            self._take(now, idle.popleft(), job)
        found.most_busy = max(found.most_busy, self._fleet.threads - len(idle))

    def _take(self, now: float, process: int, job: Job) -> None:
        job.taken = now
        if self._paces:
            pace = self._paces[process]
            if wait := pace.admit(now, first=job.is_plan):
                self._found.passes += 1
                end = self._computed(process, now, self._fleet.put_off)
                self._release(end, process, job)
                self._schedule(end, end + wait, job)
                return
            job.began = pace.slowdowns
        job.attempts += 1
        if job.is_plan and job.roadmap.planned < 0:
            job.roadmap.planned = now
        self._call(now, process, job)

    def _call(self, now: float, process: int, job: Job) -> None:
        begins = self._computed(process, now, self._fleet.cpu / 2) + self._fleet.wait / 2
        if self._provider is None:
            self._begin(begins, process, job)
        else:
            self._push(begins, CALLS, process, job)

    def _begin(self, now: float, process: int, job: Job) -> None:
        found, seconds = self._found, job.calls[0]
        found.calls += 1
        found.called += seconds
        self._push(now + seconds, ANSWERED, process, job)

    def _calls(self, now: float, process: int, job: Job | None) -> None:
        assert job is not None
        assert self._provider is not None
        tokens = self._load.outline_tokens if job.is_plan else self._load.content_tokens
        wait = self._provider.refuses(now, tokens)
        if not wait:
            self._found.begun.append(now)
            self._begin(now, process, job)
            return
        self._found.refused += 1
        pace, told = self._paces[process], now + REFUSAL
        job.began = pace.slow_down(told, job.began, wait)
        end = self._computed(process, told, self._fleet.cpu / 2) + self._fleet.wait / 2
        if job.attempts >= MAX_ATTEMPTS:
            self._push(end, GIVEN_UP, process, job)
            self._release(end, process, job, slot=True)
            return
        doubling = RETRY_BASE * 2 ** (job.attempts - 1) * self._dice.uniform(1, 1.25)
        self._release(end, process, job, slot=True)
        self._schedule(end, end + min(max(wait, doubling), LONGEST_PAUSE), job)

    def _answered(self, now: float, process: int, job: Job | None) -> None:
        assert job is not None
        if self._provider is not None:
            self._provider.running -= 1
        if self._paces:
            self._paces[process].went_well(job.began)
        self._push(
            self._computed(process, now, self._fleet.cpu / 2) + self._fleet.wait / 2,
            DONE,
            process,
            job,
        )

    def _done(self, now: float, process: int, job: Job | None) -> None:
        """A call is made and what it has answered is saved."""
        assert job is not None
        job.calls.pop(0)
        if job.calls:
            pace = self._paces[process] if self._paces else None
            if pace is not None and (
                wait := pace.begin(now)
            ):  # what was saved stays, and this was no attempt
                job.attempts -= 1
                self._release(now, process, job, slot=True)
                self._schedule(now, now + wait, job)
                return
            if pace is not None:
                job.began = pace.slowdowns
            self._call(now, process, job)
            return
        if job.is_plan:
            for seconds in job.roadmap.contents:
                self._enqueue(Job(job.roadmap, False, [seconds]), now)
        else:
            self._end_part(job.roadmap, now)
        self._release(now, process, job, slot=True)

    def _given_up(self, now: float, _: int, job: Job | None) -> None:
        assert job is not None
        roadmap = job.roadmap
        roadmap.failed += roadmap.left if job.is_plan else 1
        roadmap.left = 1 if job.is_plan else roadmap.left
        self._end_part(roadmap, now)

    def _end_part(self, roadmap: Made, now: float) -> None:
        roadmap.left -= 1
        if roadmap.left:
            return
        roadmap.ended = now
        self._open -= 1
        if roadmap.number in self._counted:
            self._found.roadmaps.append(roadmap)
            self._missing -= 1

    def _release(self, at: float, process: int, job: Job, *, slot: bool = False) -> None:
        """The thread of this job is free at that time, and with it perhaps a slot."""
        self._found.busy += at - job.taken
        self._push(at, FREE, process, job if slot and self._paces else None)

    def _free(self, _: float, process: int, job: Job | None) -> None:
        if job is not None:
            self._paces[process].running -= 1
        self._idle.append(process)

    def _schedule(self, now: float, due: float, job: Job) -> None:
        self._found.waited += due - now
        self._push(now, DUE, 1, job)  # it is on the schedule from now on
        self._push(due, DUE, 0, job)

    def _due(self, now: float, begins: int, job: Job | None) -> None:
        assert job is not None
        if begins:
            self._scheduled += 1
            return
        self._scheduled -= 1
        self._enqueue(job, now)

    def _computed(self, process: int, now: float, seconds: float) -> float:
        """When the process has computed this for one of its threads: one after the other."""
        if not seconds:
            return now
        end = max(now, self._core[process]) + seconds
        self._core[process] = end
        return end
