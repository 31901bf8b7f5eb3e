"""Response time of requests sent one after the other on one connection.

It reports the upper bound of the quickest tenth: other work on the machine only adds to it.
"""

import http.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from time import perf_counter

from benchmarks.ground import BenchmarkFailed

LONGEST = 30.0  # seconds of an answer
HTML = "text/html"


@dataclass(frozen=True, slots=True)
class Asked:
    """A page or a document that is asked for, at different addresses in turn."""

    measure: str
    line: str
    paths: Sequence[str]
    accept: str = "application/json"
    body: str = ""
    expected: int = 200

    @property
    def method(self) -> str:
        return "POST" if self.body else "GET"


@dataclass(frozen=True, slots=True)
class Answers:
    """Milliseconds of the quickest tenth, at most. `locations`: what was made."""

    ms: float
    locations: Sequence[str]


def answers(port: int, headers: Mapping[str, str], asked: Asked, tries: int) -> Answers:
    """The first answer does not count. Raises BenchmarkFailed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
    given = {**headers, "Accept": asked.accept} | (
        {"Content-Type": "application/json"} if asked.body else {}
    )
    took, locations = [], []
    try:
        for path in islice(cycle(asked.paths), tries + 1):
            began = perf_counter()
            connection.request(asked.method, path, asked.body or None, given)
            answer = connection.getresponse()
            content = answer.read()
            took.append((perf_counter() - began) * 1000)
            if answer.status != asked.expected:
                raise BenchmarkFailed(
                    f"{asked.line} ({path}) is answered with {answer.status}: {content[:300]!r}"
                )
            locations.append(answer.headers.get("Location", ""))
    except OSError as error:
        raise BenchmarkFailed(f"{asked.line} is not answered: {error}") from error
    finally:
        connection.close()
    return Answers(sorted(took[1:])[tries // 10], [location for location in locations if location])
