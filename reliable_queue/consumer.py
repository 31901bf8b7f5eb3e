"""Consumer with heartbeats: reclaims the messages of silent consumers."""

import logging
import math
import signal
import threading
import time
from typing import Any

from huey.constants import WORKER_THREAD
from huey.consumer import Consumer, Worker
from huey.exceptions import ConfigurationError

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 2.0  # seconds between two tries while the broker is away
LAST_HEARTBEAT = 2.0  # seconds that the end waits for one that is under way
JOIN_INTERVAL = 0.05  # seconds between two checks for a second signal


class ReliableWorker(Worker):
    """Worker that logs an absent broker in one line and goes on soon after it is back."""

    def loop(self, now: Any = None) -> None:
        try:
            task = self.huey.dequeue()
        except self.huey.storage.faults as error:
            self.huey.note_away(error)
            self.sleep()
            return
        except Exception:  # an edge, as in Huey
            self._logger.exception("Error reading from queue")
            self.sleep()
            return
        self.huey.note_back()
        self.delay = self.default_delay
        if task is None:
            return
        try:
            self.huey.execute(task, now)
        except Exception:  # an edge: the message comes back by itself, and the worker goes on
            self._logger.exception("Unhandled error during execution of task %s.", task.id)


class ReliableConsumer(Consumer):
    """Runs the workers of a `ReliableQueue`, and sends heartbeats for them."""

    worker_class = ReliableWorker

    def __init__(self, huey: Any, **options: Any) -> None:
        if options.get("worker_type", WORKER_THREAD) != WORKER_THREAD:
            raise ConfigurationError(
                "only thread workers: "
                "a process that is interrupted would acknowledge what it has not done"
            )
        options["max_delay"] = min(options.get("max_delay", LONGEST_PAUSE), LONGEST_PAUSE)
        super().__init__(huey, **options)
        # A hangup ends it in order: Huey's restart would skip the exit handlers and lose their log
        # records.
        self._signal_actions[signal.SIGHUP] = (False, True)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
            del self._signal_actions[signal.SIGHUP]
        self._signum: int | None = None
        self._is_hurried = False  # by a second signal
        self._ended = threading.Event()
        self._has_beaten = threading.Event()
        self._heart = threading.Thread(target=self._send_heartbeats, name="Heart", daemon=True)

    def run(self) -> None:
        self.huey.begin(self.workers)
        self._heart.start()
        self._has_beaten.wait()  # a claim before the first heartbeat would be one of the silent
        # Huey sets them after its workers have started: a signal in between would kill.
        self._set_signal_handlers()
        super().run()

    def stop(self, graceful: bool = False) -> None:
        self.stop_flag.set()
        self.huey.stopping.set()
        try:
            self.huey.storage.wake()
        except self.huey.storage.faults as error:
            logger.warning(
                "huey@%s cannot wake its workers; they stop at the next poll: %s",
                self.huey.name,
                error,
            )
        super().stop(graceful)
        self._ended.set()  # only now: tasks that ran in the grace must not be taken over
        if self._heart.is_alive():  # a later heartbeat would report a consumer that is gone
            self._heart.join(LAST_HEARTBEAT)

    def _handle_signal(self, signum: int, frame: Any) -> None:
        """End in order; at the second signal without grace.

        Unlike Huey's, it raises nothing: from wherever it is, this thread goes to its end.
        """
        if self._signum is not None:
            self._is_hurried = True
            return
        self._signum = signum
        self._restart, self._graceful = self._signal_actions[signum]

    def _join_workers(self) -> bool:
        """Return whether all threads have ended before the grace is over."""
        grace = math.inf if self.shutdown_timeout is None else self.shutdown_timeout
        deadline = time.monotonic() + grace
        threads = [thread for _, thread in self.worker_threads] + [self.scheduler]
        while alive := [thread for thread in threads if thread.is_alive()]:
            if self._is_hurried or time.monotonic() >= deadline:
                return False
            alive[0].join(JOIN_INTERVAL)
        return True

    def _send_heartbeats(self) -> None:
        """Send heartbeats until the end.

        After a silence of its own, be it a pause or a broker that was away, a consumer judges no
        others for one `ttl`: they were as silent, and need the time for a heartbeat.
        """
        queue = self.huey
        last, blind_until = time.monotonic(), 0.0
        while True:
            try:
                now = time.monotonic()
                if now - last > queue.ttl:
                    blind_until = now + queue.ttl
                heartbeat = queue.storage.heartbeat(
                    queue.ttl, judge=now >= blind_until, info=queue.info()
                )
                last = now  # from before the call, which may have taken long
                returned = heartbeat.taken_over + queue.release_unknown(heartbeat.held)
            except queue.storage.faults as error:
                blind_until = time.monotonic() + queue.ttl
                queue.note_away(error)
            except Exception:  # an edge: without heartbeats, running tasks would be taken over
                blind_until = time.monotonic() + queue.ttl
                logger.exception("huey@%s: a heartbeat failed", queue.name)
            else:
                queue.note_back()
                if returned:
                    logger.warning(
                        "huey@%s takes over %d messages of dead consumers", queue.name, returned
                    )
            self._has_beaten.set()
            if self._ended.wait(queue.heartbeat):
                return
