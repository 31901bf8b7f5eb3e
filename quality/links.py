"""Where the resources of a roadmap lead: to whom, and whether anybody is there.

Official are the makers of a thing, standards, universities, public bodies and books of their authors: their hosts stand in
`official_hosts.toml`, each with who publishes there. Visits are those of `core/net/link_probe.py`, one after the other for each host.
"""

import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from time import sleep

from core.db import settings
from core.net.link_probe import Visit, host_of, visit

HOSTS = Path(__file__).parent / "official_hosts.toml"
AT_ONCE = 8  # hosts
PAUSE = 1.0  # seconds between two visits of a host
PROBES = 6  # hosts that are asked whether there is a network


@cache
def official_hosts() -> dict[str, str]:
    """Who publishes at each."""
    found: dict[str, str] = tomllib.loads(HOSTS.read_text("utf-8"))
    return found


def is_official(url: str) -> bool:
    return host_of(url) in official_hosts()


def visited(urls: Iterable[str], on_visit: Callable[[], None]) -> dict[str, Visit] | None:
    """What was found at each; None where there is no network: then nothing is known of any."""
    by_host = defaultdict(list)
    for url in dict.fromkeys(urls):
        by_host[host_of(url)].append(url)
    hosts = list(by_host.values())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        probes = [its[0] for its in hosts[:PROBES]]
        probed = dict(zip(probes, pool.map(_visited, probes), strict=True))
        if not any(found.status is not None for found in probed.values()):
            return None
        rounds = pool.map(lambda its: _one_after_the_other(its, probed, on_visit), hosts)
        return {url: found for round_ in rounds for url, found in round_}


def _one_after_the_other(
    urls: list[str], probed: Mapping[str, Visit], on_visit: Callable[[], None]
) -> list[tuple[str, Visit]]:
    """All of one host; what was probed is not asked again."""
    found = []
    for number, url in enumerate(urls):
        if number:
            sleep(PAUSE)
        found.append((url, probed[url] if url in probed else _visited(url)))
        on_visit()
    return found


def _visited(url: str) -> Visit:
    return visit(url, networks=settings.linked)
