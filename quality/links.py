"""Publishers of the resources of a roadmap, and whether their links are alive.

Official are the makers of a thing, standards, universities, public bodies and books of their
authors: `official_hosts.toml` has their hosts, each with its publisher. Links are visited by
`core/net/link_probe.py`, one after the other for each host.
"""

import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from pathlib import Path
from time import sleep

from core.db import settings
from core.net.link_probe import Visit, visit
from core.net.safe_http import host_of

HOSTS = Path(__file__).parent / "official_hosts.toml"
AT_ONCE = 8  # hosts
PAUSE = 1.0  # seconds between two visits of a host
PROBES = 6  # hosts that show whether there is a network


@cache
def official_hosts() -> dict[str, str]:
    """Return the publisher of each official host."""
    return dict(tomllib.loads(HOSTS.read_text("utf-8")))


def is_official(url: str) -> bool:
    return host_of(url) in official_hosts()


def visited(urls: Iterable[str], on_visit: Callable[[], None]) -> dict[str, Visit] | None:
    """Visit URLs, and return the result of each; None without a network."""

    def visited_host(urls: list[str]) -> list[tuple[str, Visit]]:
        """Visit the URLs of one host, except those that are probed already."""
        found = []
        for number, url in enumerate(urls):
            if number:
                sleep(PAUSE)
            found.append((url, probed[url] if url in probed else _visited(url)))
            on_visit()
        return found

    by_host = defaultdict(list)
    for url in dict.fromkeys(urls):
        by_host[host_of(url)].append(url)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        probes = [urls[0] for urls in [*by_host.values()][:PROBES]]
        probed = dict(zip(probes, pool.map(_visited, probes), strict=True))
        if not any(found.status is not None for found in probed.values()):
            return None
        return dict(chain.from_iterable(pool.map(visited_host, by_host.values())))


def _visited(url: str) -> Visit:
    return visit(url, networks=settings.linked)
