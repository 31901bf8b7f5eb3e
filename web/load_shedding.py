"""How many roadmaps wait for a worker, counted beside the requests: a queue that nobody empties must not grow for ever."""

from core.background_refresh import BackgroundRefresh
from core.db import settings
from roadmap.lifecycle import create


class Backlog:
    """`start()`, `check()` before a roadmap is accepted, `stop()`."""

    def __init__(self) -> None:
        self._waiting = 0
        self._refresher = BackgroundRefresh(self._count, name="Backlog")
        self.start, self.stop = self._refresher.start, self._refresher.stop

    def check(self) -> None:
        """Raises Unavailable when new roadmaps would wait too long. What is known may be a second old."""
        self._refresher.ask()
        if self._waiting >= settings.most_queued_roadmaps:
            raise create.too_long_a_queue(self._waiting)

    def _count(self) -> None:
        self._waiting = create.count_queued(settings.most_queued_roadmaps)


backlog = Backlog()
