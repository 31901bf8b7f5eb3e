"""How many roadmaps wait for a worker, counted beside the requests: a queue that nobody empties must not grow for ever."""

from core.refreshing import Refresher
from core.runtime import settings
from roadmap import creating


class Backlog:
    """`start()`, `check()` before a roadmap is accepted, `stop()`."""

    def __init__(self) -> None:
        self._waiting = 0
        self._refresher = Refresher(self._count, name="Backlog")
        self.start, self.stop = self._refresher.start, self._refresher.stop

    def check(self) -> None:
        """Raises Unavailable when new roadmaps would wait too long. What is known may be a second old."""
        self._refresher.ask()
        if self._waiting >= settings.most_queued_roadmaps:
            raise creating.too_long_a_queue(self._waiting)

    def _count(self) -> None:
        self._waiting = creating.count_queued(settings.most_queued_roadmaps)


backlog = Backlog()
