"""Links are checked on PostgreSQL as on SQLite, by several workers at the same time.

See also unit/roadmap/lifecycle/test_link_checker.py.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from pydantic import SecretStr

from core import clock
from core.backends import open_database
from core.db import session, settings, transaction
from core.ids import new_id
from core.migrate import migrate
from core.net import link_probe
from core.net.link_probe import Robots
from models.accounts import Account
from models.roadmaps import (
    CheckedLink,
    Concept,
    Content,
    ContentVersion,
    LinkUse,
    Module,
    Roadmap,
    Stage,
)
from roadmap.generation.catalogue import loader
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.catalogue.loader import load_concept
from roadmap.lifecycle.links import link_checker, link_status
from roadmap.lifecycle.making import content_job
from roadmap.plan.outline import ContentKind, Resources
from testing.database import using
from testing.servers import Postgres
from testing.site import Site, page, served
from testing.waiting import HANG

WORKERS = 4
KEY = "python-backend/caching"


@pytest.fixture
def site() -> Iterator[Site]:
    with served() as made:
        yield made


@pytest.fixture
def on_postgres(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run this process on a new database, with links looked after on this machine."""
    url = SecretStr(postgres.create_database(f"links_{new_id().hex}"))
    mine = settings.model_copy(
        update={"database_url": url, "link_check_days": 30, "link_networks": ("127.0.0.0/8",)}
    )
    migrate(mine)
    for module in (content_job, link_checker, link_status):
        monkeypatch.setattr(module, "settings", mine)
    monkeypatch.setattr(link_probe, "robots", Robots())
    monkeypatch.setattr(link_checker, "blind", link_checker.NetworkUnreachable())
    with using(lambda: open_database(mine.model_copy(update={"content_workers": WORKERS + 4}))):
        yield


def roadmap_with(*urls: str) -> tuple[UUID, UUID]:
    """Make a ready roadmap of one concept with these resources; return their id as well."""
    now, ids = (
        clock.now(),
        {name: new_id() for name in ("owner", "roadmap", "stage", "module", "concept")},
    )
    head = {
        "goal": "A goal",
        "level": "beginner",
        "hours_per_week": 5,
        "language": "en",
        "status": "ready",
        "generator": "catalogue",
    }
    values = {"title": "T", "description": "D", "position": 0}
    items = [
        {"title": "x", "url": url, "type": "article", "language": "en", "why": "It is."}
        for url in urls
    ]
    with transaction():
        email = f"{ids['owner'].hex}@example.org"
        Account.insert(id=ids["owner"], email=email, password_hash="", created_at=now).execute()
        dates = {"due_at": now, "created_at": now, "updated_at": now}
        counts = {"contents_total": 3, "contents_ready": 3, "revision": 1, "title": "T"}
        Roadmap.insert(id=ids["roadmap"], owner=ids["owner"], **head, **dates, **counts).execute()
        Stage.insert(id=ids["stage"], roadmap=ids["roadmap"], key="s", **values).execute()
        Module.insert(
            id=ids["module"], roadmap=ids["roadmap"], stage=ids["stage"], key="m", **values
        ).execute()
        facts = {"week": 1, "hours": 1, "difficulty": 1, "prerequisites": [], "outcomes": []}
        place = {"roadmap": ids["roadmap"], "module": ids["module"]}
        Concept.insert(id=ids["concept"], **place, key=KEY, **values, **facts).execute()
        resources = new_id()
        for kind in ContentKind:
            content = resources if kind is ContentKind.resources else new_id()
            its = {"roadmap": ids["roadmap"], "concept": ids["concept"], "kind": kind}
            Content.insert(id=content, **its, status="ready", version=1, due_at=now).execute()
            version = {
                "content": content,
                "version": 1,
                "generator": "catalogue",
                "created_at": now,
            }
            ContentVersion.insert(
                **version, body={"items": items} if kind is ContentKind.resources else {}
            ).execute()
    return ids["roadmap"], resources


def round_() -> None:
    for step in link_checker.run_checks(by_model=False):
        content_job.build_content(step.id, CatalogueGenerator())


def test_dead_links_are_marked_and_replaced(
    on_postgres: None, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages |= {"/good": page(), "/spare": page()}
    concept = load_concept("python-backend", "caching")
    named = [
        concept.resources[0].model_copy(update={"url": site.url(path)})
        for path in ("/gone", "/good")
    ]
    spare = concept.resources[0].model_copy(update={"url": site.url("/spare")})
    changed = concept.model_copy(update={"resources": named, "spares": [spare]})
    monkeypatch.setattr(loader, "load_concept", lambda *_: changed)
    roadmap_id, resources = roadmap_with(site.url("/gone"), site.url("/good"))
    for _ in range(5):
        round_()
    with session():
        content, row = Content.get_by_id(resources), Roadmap.get_by_id(roadmap_id)
        body = ContentVersion.get(
            ContentVersion.content == resources, ContentVersion.version == content.version
        ).body
        states = {link.url.removeprefix(site.url("")): link.state for link in CheckedLink.select()}
    assert {item["url"].removeprefix(site.url("")) for item in body["items"]} == {"/good", "/spare"}
    assert (content.version, row.status) == (2, "ready")
    assert states == {"/gone": "dead", "/good": "alive", "/spare": "alive"}
    assert not link_status.is_anything_due()


def test_workers_at_the_same_time_look_at_each_link_once(on_postgres: None, site: Site) -> None:
    paths = [f"/{number}" for number in range(12)]
    site.pages |= dict.fromkeys(paths, page())
    made = [roadmap_with(*(site.url(path) for path in paths)) for _ in range(3)]
    together = Barrier(WORKERS)

    def work() -> None:
        together.wait()
        for _ in range(len(paths)):
            link_checker.run_checks(by_model=False)

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(work) for _ in range(WORKERS)]:
            done.result()
    while link_status.is_anything_due():
        round_()
    with session():
        assert {link.state for link in CheckedLink.select()} == {"alive"}
        assert LinkUse.select().count() == len(paths) * len(made)
    assert [path for path in paths if len(site.asked_for(path)) != 1] == []


def test_writers_that_name_the_same_addresses_do_not_wait_for_each_other(
    on_postgres: None, site: Site
) -> None:
    resource = load_concept("python-backend", "caching").resources[0]
    together = Barrier(2)

    def write(paths: list[str]) -> None:
        items = [resource.model_copy(update={"url": site.url(path)}) for path in paths]
        together.wait()
        assert len(link_checker.dead_among(Resources(items=tuple(items)), look=True)) == len(items)

    for turn in range(8):
        paths = [f"/{turn}/{number}" for number in range(40)]
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(write, each) for each in (paths, paths[::-1])]:
                done.result()


def test_what_is_alive_again_does_not_wait_for_who_deletes_a_part(
    on_postgres: None, site: Site
) -> None:
    parts = [roadmap_with(site.url("/gone"))[1] for _ in range(2)]
    link_checker.run_checks(by_model=True)
    site.pages["/gone"] = page()
    with transaction():
        CheckedLink.update(due_at=clock.now()).execute()
        LinkUse.update(replaced_at=clock.now()).execute()
    with ThreadPoolExecutor(1) as pool, transaction():
        LinkUse.update(replaced_at=clock.now()).where(LinkUse.content == parts[0]).execute()
        pool.submit(link_checker.run_checks, by_model=True).result(HANG)
    with session():
        waiting = {use.content_id for use in LinkUse.select().where(LinkUse.replaced_at.is_null())}
        assert ({link.state for link in CheckedLink.select()}, waiting) == ({"alive"}, {parts[1]})


def test_a_roadmap_deleted_during_a_check_does_no_harm(on_postgres: None, site: Site) -> None:
    paths = [f"/{number}" for number in range(6)]
    site.pages |= dict.fromkeys(paths, page())
    ids = [roadmap_with(*(site.url(path) for path in paths))[0] for _ in range(6)]

    def delete() -> None:
        for roadmap_id in ids:
            with transaction():
                Roadmap.delete().where(Roadmap.id == roadmap_id).execute()

    def look() -> None:
        for _ in range(8):
            link_checker.run_checks(by_model=False)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(look), pool.submit(delete), pool.submit(look)]:
            done.result()
    with session():
        assert LinkUse.select().count() == 0
