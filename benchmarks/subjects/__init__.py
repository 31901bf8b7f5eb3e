"""The subjects of measurements, a module each.

Its `measure(ground, effort)` gives a sample for each figure as it is found.
"""

from collections.abc import Callable, Iterator, Mapping

from benchmarks.effort import Effort
from benchmarks.figures import Sample
from benchmarks.ground import Ground
from benchmarks.subjects import (
    accept,
    connections,
    embedded,
    logs,
    memory,
    pages,
    queue,
    read,
    size,
    start,
)
from benchmarks.targets import (
    ACCEPT,
    CONNECTIONS,
    EMBEDDED,
    LOGS,
    MEMORY,
    PAGES,
    QUEUE,
    READ,
    SIZE,
    START,
)

SUBJECTS: Mapping[str, Callable[[Ground, Effort], Iterator[Sample]]] = {
    ACCEPT: accept.measure,
    READ: read.measure,
    PAGES: pages.measure,
    CONNECTIONS: connections.measure,
    MEMORY: memory.measure,
    START: start.measure,
    QUEUE: queue.measure,
    LOGS: logs.measure,
    SIZE: size.measure,
    EMBEDDED: embedded.measure,
}
