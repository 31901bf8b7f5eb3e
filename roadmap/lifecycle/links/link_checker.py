"""Checker of resource URLs; has resources with dead URLs replaced.

Every minute a few URLs are visited, one of each host, so that no site is asked often. An answer
that says "gone" makes a URL dead at once. Faults of its server or of the way there, and pages that
are another one than promised, do so when they come three times in a row over days, and only if this
machine has reached others meanwhile: without a network, no fault counts.
"""

import logging
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from math import inf
from time import monotonic
from uuid import UUID

import peewee

from core import clock
from core.db import lock_key_share, session, settings, skip_locked, transaction
from core.errors import RoadmapError
from core.net.link_probe import LIMIT, Visit, visit
from core.net.safe_http import host_of
from core.net.soft_404 import Soft404
from models.roadmaps import UNNOTED, CheckedLink, Content, ContentVersion, LinkUse
from roadmap.generation.context import BUILT_IN
from roadmap.lifecycle import commands
from roadmap.lifecycle.links import link_status
from roadmap.lifecycle.links.link_status import digest, known
from roadmap.lifecycle.plan_rows import IS_CURRENT
from roadmap.operations.execution_log import record
from roadmap.plan.outline import Resources
from roadmap.plan.statuses import Job, LinkState

logger = logging.getLogger(__name__)

MOST_NOTED = 200  # parts of a round, with up to 1,000 long URLs each
DUE_AT_ONCE = 200  # URLs, of which each host gives one
VISITS = 30  # of a round
AT_ONCE = 10  # visits
REPLACED_AT_ONCE = 20  # parts
CROWDED = timedelta(hours=1)  # delay of URLs of a host that leave no room for other hosts
HELD = timedelta(minutes=10)  # for which no other process visits a claimed URL
PAUSES = (timedelta(days=1), timedelta(days=2))  # between faults; the next fault means dead
OFFLINE = timedelta(hours=1)  # until the next visit from a machine without network
LONGEST_WAIT = timedelta(days=1)  # that a site can ask for
JITTER = 0.1  # of the days between two checks, to spread URLs that were written together
SEEN_LATELY = timedelta(hours=1)  # age of an answer that shows that there is a network
BLIND = 300.0  # seconds without visits while a part is written, after all visits have failed
WHILE_WRITING = 10.0  # seconds for all URLs that a model has just named


class NetworkUnreachable:
    """Pause of visits while no host is reached, so that parts do not wait for them."""

    _until, _is_logged = 0.0, False

    def note(self) -> None:
        self._until = monotonic() + BLIND

    def warn(self, hosts: int) -> None:
        """Log a warning, once until a host is reached."""
        if not self._is_logged:
            logger.warning(
                "no link could be checked: this machine reaches none of %d hosts; logged only once",
                hosts,
            )
        self._is_logged = True

    def ended(self) -> None:
        self._until, self._is_logged = 0.0, False

    def is_so(self) -> bool:
        return monotonic() < self._until


blind = NetworkUnreachable()


def run_checks(*, by_model: bool) -> list[Job]:
    """Run one round; return jobs for parts that are written again.

    1. Register the URLs of versions that have become current.
    2. Visit URLs that are due and save what was found.
    3. Have each part with dead URLs written again once, by a model or by the catalogue, which
       replaces only its own parts.
    """
    for _ in range(MOST_NOTED):
        if not _note_next():
            break
    if links := _claim_due():
        seen = _visited(_promised(links))
        is_online = _is_online(seen.values())
        with transaction():
            for link in sorted(links, key=lambda link: str(link.digest)):
                found = seen[link.url]
                has_answer = found.status is not None or found.refused or found.unwelcome
                if has_answer or is_online:
                    _save(link, found)
                else:
                    _defer([link.digest], OFFLINE)
        if any(found.status is not None for found in seen.values()):
            blind.ended()
        elif not is_online:
            blind.warn(len(links))
    query = link_status.replaceable().join(ContentVersion, on=IS_CURRENT)
    query = query if by_model else query.where(ContentVersion.generator == BUILT_IN)
    with session():
        parts = list(query.distinct().limit(REPLACED_AT_ONCE).tuples())
    jobs: list[Job] = []
    for content_id, roadmap_id, owner_id in parts:
        with suppress(RoadmapError), transaction():  # if it is being changed, it comes again
            jobs += commands.replace_links(owner_id, roadmap_id, content_id)
            _mark_replaced(content_id)
    return jobs


def dead_among(resources: Resources, *, look: bool) -> tuple[str, ...]:
    """Return the dead URLs of resources, as far as is known.

    With `look`, URLs that were never visited are visited now; those of other pages than promised
    count as dead at once, since they were never shown. Another part may promise another title: so a
    URL that led to another page is visited again.
    """
    urls, others = [item.url for item in resources.items], set[str]()
    with session():
        links = known(urls)
    new = {
        item.url: item.title
        for item in resources.items
        if (link := links.get(item.url)) is None
        or link.checked_at is None
        or (link.state == LinkState.unclear and link.reason in list(Soft404))
    }
    if look and new and not blind.is_so():
        seen_of = _visited(new, within=WHILE_WRITING)
        telling = {url: seen for url, seen in seen_of.items() if seen.status or seen.refused}
        if not telling and not any(seen.unwelcome for seen in seen_of.values()):
            blind.note()
        with transaction():
            _insert(telling)
            for url in sorted(telling, key=digest):  # in the same order in every process
                link = CheckedLink.get_or_none(CheckedLink.digest == digest(url))
                if link is not None and link.checked_at is None:  # faults count over days
                    _save(link, telling[url])
            links = known(urls)
        others = {url for url, seen in telling.items() if seen.soft}
    dead = {url for url, link in links.items() if link.state == LinkState.dead}
    return tuple(url for url in urls if url in dead | others)


def without(resources: Resources, dead: Sequence[str]) -> Resources:
    """Leave out dead URLs, unless nothing would be left: then they stay, marked."""
    return Resources(
        items=tuple(item for item in resources.items if item.url not in dead) or resources.items
    )


@transaction()
def _note_next() -> bool:
    """Register the URLs of a version that has become current; return whether there was one."""
    part = next(iter(skip_locked(Content.select().where(UNNOTED).limit(1))), None)
    if part is None:
        return False
    version = ContentVersion.get_or_none(
        ContentVersion.content == part.id, ContentVersion.version == part.version
    )
    urls = {item["url"] for item in version.body["items"]} if version else set()
    _insert(urls)
    named = [digest(url) for url in urls]
    links = CheckedLink.select(CheckedLink.digest).where(CheckedLink.digest.in_(named))
    if len(lock_key_share(links)) < len(named):  # one was just purged: it comes again
        return True
    uses = LinkUse.content == part.id
    is_rewritten = LinkUse.select().where(uses, LinkUse.replaced_at.is_null(False)).exists()
    LinkUse.delete().where(uses, LinkUse.link.not_in(named)).execute()
    if named:  # uses that the version before had keep their `replaced_at`
        LinkUse.insert_many(
            [{"content": part.id, "link": link} for link in named]
        ).on_conflict_ignore().execute()
    if is_rewritten:  # its URLs were visited: dead ones would be replaced without end
        _mark_replaced(part.id)
    Content.update(links_noted=part.version).where(
        Content.id == part.id, Content.version == part.version
    ).execute()
    return True


def _insert(urls: Iterable[str]) -> None:
    """Insert new URLs, in the same order in every process, which prevents deadlocks."""
    new = {"state": LinkState.unchecked, "due_at": clock.now()}
    rows = ({"digest": digest(url), "url": url, **new} for url in sorted(urls, key=digest))
    for batch in peewee.chunked(rows, 100):
        CheckedLink.insert_many(batch).on_conflict_ignore().execute()


@transaction()
def _claim_due() -> list[CheckedLink]:
    """Claim one due URL of each host for a while; delete URLs that no part names."""
    due = CheckedLink.select().where(CheckedLink.due_at <= clock.now())
    found = list(skip_locked(due.order_by(CheckedLink.due_at).limit(DUE_AT_ONCE)))
    digests = {link.digest for link in found}
    uses = LinkUse.select(LinkUse.link).where(LinkUse.link.in_(list(digests)))
    named = {use.link_id for use in uses.distinct()}
    if gone := digests - named:
        CheckedLink.delete().where(CheckedLink.digest.in_(list(gone))).execute()
    first: dict[str, CheckedLink] = {}
    for link in found:
        if link.digest in named:
            first.setdefault(host_of(link.url), link)
    claimed = list(first.values())[:VISITS]
    _defer([link.digest for link in claimed], HELD)
    if len(found) == DUE_AT_ONCE:
        _defer(named.difference(link.digest for link in first.values()), CROWDED)
    return claimed


def _defer(digests: Collection[str], wait: timedelta) -> None:
    CheckedLink.update(due_at=clock.now() + wait).where(CheckedLink.digest.in_(digests)).execute()


@session()
def _promised(links: Sequence[CheckedLink]) -> dict[str, str]:
    """Return URLs with the titles of resources, each by one of the parts that name it."""
    titles = dict.fromkeys((link.url for link in links), "")
    current = ContentVersion.select(ContentVersion.body).join(Content, on=IS_CURRENT)
    parts = current.join(LinkUse, on=LinkUse.content == Content.id)
    for link in links:
        version = parts.where(LinkUse.link == link.digest).first()
        items = version.body["items"] if version else ()
        titles |= {item["url"]: item["title"] for item in items if item["url"] == link.url}
    return titles


def _visited(promised: Mapping[str, str], within: float = inf) -> dict[str, Visit]:
    """Visit URLs with their titles, all `within` so many seconds; late visits find nothing."""
    until = monotonic() + within

    def ask(url: str, title: str) -> Visit:
        limit = min(LIMIT, until - monotonic())
        return visit(url, networks=settings.linked, limit=limit, promised=title)

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="Visit") as pool:
        return dict(zip(promised, pool.map(ask, promised, promised.values()), strict=True))


def _is_online(seen: Iterable[Visit]) -> bool:
    """Return whether this machine reaches others.

    That is so if a host has answered now or lately, or answers another visit.
    """
    if any(found.status is not None or found.unwelcome for found in seen):
        return True
    alive = CheckedLink.select().where(
        CheckedLink.state == LinkState.alive,
        CheckedLink.status.is_null(False),
        CheckedLink.checked_at <= clock.now(),  # the clock may have been ahead
    )
    with session():
        latest = alive.order_by(CheckedLink.checked_at.desc()).first()
    return latest is not None and (
        latest.checked_at > clock.now() - SEEN_LATELY
        or visit(latest.url, networks=settings.linked).status is not None
    )


def _save(link: CheckedLink, seen: Visit) -> None:
    now, days = clock.now(), settings.link_check_days * random.uniform(1 - JITTER, 1 + JITTER)
    state, failures, wait = _judged(link, seen)
    CheckedLink.update(
        state=state,
        status=seen.status,
        reason=seen.wrong[:300],
        failures=failures,
        checked_at=now,
        due_at=now + (wait or timedelta(days=days)),
    ).where(CheckedLink.digest == link.digest).execute()
    if state == LinkState.alive and link.state == LinkState.dead:
        of_link = LinkUse.link == link.digest
        # Transactions that hold the other rows write or delete these parts.
        free = [
            use.content_id for use in skip_locked(LinkUse.select(LinkUse.content).where(of_link))
        ]
        LinkUse.update(replaced_at=None).where(of_link, LinkUse.content.in_(free)).execute()
    if state == LinkState.dead and link.state != LinkState.dead:
        record(
            "links",
            "check",
            f"A link is dead: {seen.wrong}",
            details={"url": link.url[:500], "status": seen.status},
        )


def _judged(link: CheckedLink, seen: Visit) -> tuple[LinkState, int, timedelta | None]:
    """Return the state of a URL, its faults in a row, and an unusual wait, if any."""
    if seen.status is not None and not seen.wrong:
        return LinkState.alive, 0, None
    if seen.is_gone:
        return LinkState.dead, 0, None
    if seen.unwelcome or (seen.status is not None and seen.status < 500 and not seen.soft):
        asked = None if seen.retry_after is None else timedelta(seconds=seen.retry_after)
        return LinkState.unclear, 0, asked and min(asked, LONGEST_WAIT)
    if link.failures >= len(PAUSES) or link.state == LinkState.dead:
        return LinkState.dead, link.failures, None
    return LinkState.unclear, link.failures + 1, PAUSES[link.failures]


def _mark_replaced(content_id: UUID) -> None:
    dead = CheckedLink.select(CheckedLink.digest).where(CheckedLink.state == LinkState.dead)
    LinkUse.update(replaced_at=clock.now()).where(
        LinkUse.content == content_id, LinkUse.link.in_(dead)
    ).execute()
