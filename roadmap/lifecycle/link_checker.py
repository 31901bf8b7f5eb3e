"""Looks at the addresses that resources name, and has dead ones replaced.

Every minute a few addresses are looked at, each host once, so that no site is asked often. An answer that says "gone" makes an
address dead at once; faults of its server or of the way there do when they come three times in a row over days, and only if this
machine has reached others meanwhile: where there is no network, nothing is held against anybody.
"""

import logging
import random
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from math import inf
from time import monotonic
from uuid import UUID

import peewee

from core import clock
from core.db import lock_key_share, session, settings, skip_locked, transaction
from core.errors import RoadmapError
from core.net.link_probe import LIMIT, Visit, host_of, visit
from models.link_checks import CheckedLink, LinkUse
from models.roadmaps import Content, ContentVersion
from roadmap.generation.context import BUILT_IN
from roadmap.lifecycle import commands, link_status
from roadmap.lifecycle.link_status import UNNOTED, digest, known
from roadmap.operations.execution_log import record
from roadmap.plan.jobs import Job
from roadmap.plan.outline import Resources
from roadmap.plan.statuses import LinkState

logger = logging.getLogger(__name__)

NOTED_AT_ONCE, MOST_NOTINGS = (
    10,
    20,
)  # parts, each of which may name 1,000 long addresses; and how often in a round
DUE_AT_ONCE = 200  # addresses, of which each host gives one
VISITS = 30  # of a round
AT_ONCE = 10  # visits
REPLACED_AT_ONCE = 20  # parts
CROWDED = timedelta(hours=1)  # for which those of a host step back that leave no room for others
HELD = timedelta(minutes=10)  # for which nobody else looks at what is looked at
PAUSES = (
    timedelta(days=1),
    timedelta(days=2),
)  # between faults; the next one behind them makes an address dead
OFFLINE = timedelta(hours=1)  # until the next look from a machine that reaches nobody
LONGEST_WAIT = timedelta(days=1)  # that a site can ask for
JITTER = 0.1  # of the days between two checks, so that what was written together is not looked at together
SEEN_LATELY = timedelta(hours=1)  # in which an answer of anybody shows that there is a network
BLIND = 300.0  # seconds for which nobody is visited while something is written, after all visits have come to nothing
WHILE_WRITING = 10.0  # seconds for the addresses that a model has just named, all at once


class NetworkUnreachable:
    """Where nobody is reached, parts that are being written do not wait for visits, each of which would come to nothing."""

    def __init__(self) -> None:
        self._until, self._is_told = 0.0, False

    def note(self) -> None:
        self._until = monotonic() + BLIND

    def tell(self, hosts: int) -> None:
        """Once, until somebody is reached."""
        if not self._is_told:
            logger.warning(
                "no link could be looked at: this machine reaches none of %d hosts; this is told once",
                hosts,
            )
        self._is_told = True

    def ended(self) -> None:
        self._until, self._is_told = 0.0, False

    def is_so(self) -> bool:
        return monotonic() < self._until


blind = NetworkUnreachable()


def run_checks(*, by_model: bool) -> list[Job]:
    """One round; returns the steps of parts that are written anew, by a model or by the catalogue."""
    for _ in range(MOST_NOTINGS):
        if _note_new() < NOTED_AT_ONCE:
            break
    _check_due()
    return _replace_dead(by_model=by_model)


def dead_among(resources: Resources, *, look: bool) -> tuple[str, ...]:
    """Of their addresses those that are dead, as far as is known; with `look`, those that nobody has looked at are visited."""
    urls = [item.url for item in resources.items]
    with session():
        links = known(urls)
    new = [url for url in dict.fromkeys(urls) if url not in links or links[url].checked_at is None]
    if look and new and not blind.is_so():
        seen_of = _visited(new, within=WHILE_WRITING)
        telling = {url: seen for url, seen in seen_of.items() if seen.status or seen.refused}
        if not telling and not any(seen.unwelcome for seen in seen_of.values()):
            blind.note()
        with transaction():
            _insert(telling)
            for url in sorted(telling, key=digest):  # in the same order for everybody, here as well
                if (link := CheckedLink.get_or_none(CheckedLink.digest == digest(url))) is not None:
                    _save(link, telling[url])
            links = known(urls)
    return tuple(url for url in urls if url in links and links[url].state == LinkState.dead)


def without(resources: Resources, dead: Sequence[str]) -> Resources:
    """Without these, unless nothing would be left: then they stay, and are marked."""
    left = tuple(item for item in resources.items if item.url not in dead)
    return Resources(items=left or resources.items)


def _note_new() -> int:
    """The addresses of versions that have become current since, whichever way; of how many parts."""
    with transaction():
        columns = (Content.id, Content.version)
        found = dict(
            skip_locked(Content.select(*columns).where(UNNOTED).limit(NOTED_AT_ONCE)).tuples()
        )
        if not found:
            return 0
        urls_of = {id_: _urls(id_, version) for id_, version in found.items()}
        _insert({url for urls in urls_of.values() for url in urls})
        uses = LinkUse.select(LinkUse.content).where(
            LinkUse.content.in_(list(found)), LinkUse.replaced_at.is_null(False)
        )
        anew = {id_ for (id_,) in uses.distinct().tuples()}
        for id_, version in found.items():
            named = [digest(url) for url in urls_of[id_]]
            kept = lock_key_share(
                CheckedLink.select(CheckedLink.digest).where(CheckedLink.digest.in_(named))
            )
            if len(kept) < len(named):  # one was just forgotten, as nobody named it: it comes again
                continue
            LinkUse.delete().where(LinkUse.content == id_, LinkUse.link.not_in(named)).execute()
            if named:  # those that the version before had keep what was done about them
                LinkUse.insert_many(
                    [{"content": id_, "link": link} for link in named]
                ).on_conflict_ignore().execute()
            if (
                id_ in anew
            ):  # what it names now was looked at: dead ones would be followed by others without end
                _mark_replaced(id_)
            Content.update(links_noted=version).where(
                Content.id == id_, Content.version == version
            ).execute()
    return len(found)


def _urls(content_id: UUID, version: int) -> list[str]:
    """Of one version: a body may have megabytes."""
    its = (ContentVersion.content == content_id) & (ContentVersion.version == version)
    body = ContentVersion.select(ContentVersion.body).where(its).scalar()
    return list(dict.fromkeys(item["url"] for item in body["items"])) if body else []


def _insert(urls: Iterable[str]) -> None:
    """Those that are there already stay as they are. In the same order for everybody, so that no two wait for each other."""
    common = {"state": LinkState.unchecked, "due_at": clock.now()}
    rows = sorted(
        ({"digest": digest(url), "url": url, **common} for url in urls),
        key=lambda row: str(row["digest"]),
    )
    for batch in peewee.chunked(rows, 100):
        CheckedLink.insert_many(batch).on_conflict_ignore().execute()


def _check_due() -> None:
    links = _claimed()
    if not links:
        return
    seen = _visited([link.url for link in links])
    online = _is_online(seen.values())
    with transaction():
        for link in sorted(links, key=lambda link: str(link.digest)):
            found = seen[link.url]
            if found.status is None and not (found.refused or found.unwelcome) and not online:
                CheckedLink.update(due_at=clock.now() + OFFLINE).where(
                    CheckedLink.digest == link.digest
                ).execute()
            else:
                _save(link, found)
    if any(found.status is not None for found in seen.values()):
        blind.ended()
    elif not online:
        blind.tell(len(links))


def _claimed() -> list[CheckedLink]:
    """Of what is due one address of each host, held for a while; what nobody names any more is deleted."""
    with transaction():
        due = (
            CheckedLink.select()
            .where(CheckedLink.due_at <= clock.now())
            .order_by(CheckedLink.due_at)
            .limit(DUE_AT_ONCE)
        )
        found = list(skip_locked(due))
        digests = [link.digest for link in found]
        named = {
            link
            for (link,) in LinkUse.select(LinkUse.link)
            .where(LinkUse.link.in_(digests))
            .distinct()
            .tuples()
        }
        gone = [each for each in digests if each not in named]
        if gone:
            CheckedLink.delete().where(CheckedLink.digest.in_(gone)).execute()
        by_host: dict[str, CheckedLink] = {}
        firsts = [
            by_host.setdefault(host_of(link.url), link) for link in found if link.digest in named
        ]
        taken = list(by_host.values())[:VISITS]
        _put_off([link.digest for link in taken], HELD)
        if len(found) == DUE_AT_ONCE:
            _put_off(named.difference(link.digest for link in firsts), CROWDED)
    return taken


def _put_off(digests: Collection[str], wait: timedelta) -> None:
    CheckedLink.update(due_at=clock.now() + wait).where(CheckedLink.digest.in_(digests)).execute()


def _visited(urls: Sequence[str], within: float = inf) -> dict[str, Visit]:
    """`within` so many seconds, all of them: those for which no time is left come to nothing."""
    until = monotonic() + within

    def ask(url: str) -> Visit:
        return visit(url, networks=settings.linked, limit=min(LIMIT, until - monotonic()))

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="Visit") as pool:
        return dict(zip(urls, pool.map(ask, urls), strict=True))


def _is_online(seen: Iterable[Visit]) -> bool:
    """Whether this machine reaches others: one has answered now or lately, or does when it is asked to see."""
    if any(found.status is not None or found.unwelcome for found in seen):
        return True
    answered = CheckedLink.select().where(
        CheckedLink.state == LinkState.alive, CheckedLink.status.is_null(False)
    )
    past = CheckedLink.checked_at <= clock.now()  # it may have been ahead
    with session():
        latest = answered.where(past).order_by(CheckedLink.checked_at.desc()).first()
    if latest is None:
        return False
    lately = latest.checked_at > clock.now() - SEEN_LATELY
    return lately or visit(latest.url, networks=settings.linked).status is not None


def _save(link: CheckedLink, seen: Visit) -> None:
    now = clock.now()
    days = timedelta(days=settings.link_check_days * random.uniform(1 - JITTER, 1 + JITTER))
    state, failures, wait = _judged(link, seen)
    told = {"state": state, "status": seen.status, "reason": seen.wrong[:300], "failures": failures}
    CheckedLink.update(**told, checked_at=now, due_at=now + (wait or days)).where(
        CheckedLink.digest == link.digest
    ).execute()
    if state == LinkState.alive and link.state == LinkState.dead:
        its = LinkUse.link == link.digest
        free = skip_locked(
            LinkUse.select(LinkUse.content).where(its)
        )  # whoever holds others writes or deletes their parts
        LinkUse.update(replaced_at=None).where(
            its, LinkUse.content.in_([id_ for (id_,) in free.tuples()])
        ).execute()
    if state == LinkState.dead and link.state != LinkState.dead:
        record(
            "links",
            "check",
            f"A link is dead: {seen.wrong}",
            details={"url": link.url[:500], "status": seen.status},
        )


def _judged(link: CheckedLink, seen: Visit) -> tuple[LinkState, int, timedelta | None]:
    """What an address is now, its faults in a row, and when it is looked at again if that is not the usual time."""
    if seen.status is not None and not seen.wrong:
        return LinkState.alive, 0, None
    if seen.is_gone:
        return LinkState.dead, 0, None
    if seen.unwelcome or (seen.status is not None and seen.status < 500):
        wait = (
            None
            if seen.retry_after is None
            else min(timedelta(seconds=seen.retry_after), LONGEST_WAIT)
        )
        return LinkState.unclear, 0, wait
    if link.failures >= len(PAUSES) or link.state == LinkState.dead:
        return LinkState.dead, link.failures, None
    return LinkState.unclear, link.failures + 1, PAUSES[link.failures]


def _replace_dead(*, by_model: bool) -> list[Job]:
    """Each part is written anew once for what is dead in it, by who can: the catalogue replaces only what it has written."""
    its = (ContentVersion.content == Content.id) & (ContentVersion.version == Content.version)
    query = link_status.replaceable().join(ContentVersion, on=its)
    if not by_model:
        query = query.where(ContentVersion.generator == BUILT_IN)
    with session():
        parts = list(query.distinct().limit(REPLACED_AT_ONCE).tuples())
    steps: list[Job] = []
    for content_id, roadmap_id, owner_id in parts:
        try:
            with transaction():
                steps += commands.replace_links(owner_id, roadmap_id, content_id)
                _mark_replaced(content_id)
        except RoadmapError:  # it is being changed by somebody: it comes again
            continue
    return steps


def _mark_replaced(content_id: UUID) -> None:
    dead = CheckedLink.select(CheckedLink.digest).where(CheckedLink.state == LinkState.dead)
    of = (LinkUse.content == content_id) & LinkUse.link.in_(dead)
    LinkUse.update(replaced_at=clock.now()).where(of).execute()
