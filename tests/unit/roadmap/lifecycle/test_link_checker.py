"""The addresses of resources: noted, visited politely, marked, and replaced when dead."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from core import clock
from core.db import session, settings, transaction
from core.net import link_probe, safe_http
from core.net.link_probe import Robots, Visit, visit
from models.roadmaps import CheckedLink, Concept, Content, ContentVersion, LinkUse, Roadmap
from roadmap.generation import generator as generator_module
from roadmap.generation.catalogue import loader
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.catalogue.loader import CatalogueConcept
from roadmap.lifecycle.links import link_checker, link_status
from roadmap.lifecycle.making import content_job
from roadmap.plan.outline import ContentKind, Resource, Resources
from tasks import content, dispatcher, upkeep
from tasks.queues import content_queue
from testing.servers import free_port
from testing.site import Answer, Site, page, served, silent
from testing.waiting import BRIEF, HANG

pytestmark = pytest.mark.usefixtures("short")

GOAL = "Become a backend engineer in Python"
CONCEPT = "python-functions"
MODULES = (content_job, link_checker, link_status)


@pytest.fixture
def site() -> Iterator[Site]:
    with served() as made:
        made.pages |= {"/one": page(), "/two": page(), "/spare": page()}
        yield made


@pytest.fixture
def roadmap(client: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    """A roadmap with resources and a spare on that site; every other address is forgotten."""
    load = loader.load_concept

    def changed(track_id: str, concept_id: str, language: str = "en") -> CatalogueConcept:
        concept = load(track_id, concept_id, language)
        if concept_id != CONCEPT:
            return concept
        first = concept.resources[0]
        named = [first.model_copy(update={"url": site.url(path)}) for path in ("/one", "/two")]
        return concept.model_copy(
            update={
                "resources": named,
                "spares": [first.model_copy(update={"url": site.url("/spare")})],
            }
        )

    monkeypatch.setattr(loader, "load_concept", changed)
    monkeypatch.setattr(link_probe, "robots", Robots())
    monkeypatch.setattr(link_checker, "blind", link_checker.NetworkUnreachable())
    for name in ("LIMIT", "WHILE_WRITING"):
        monkeypatch.setattr(link_checker, name, HANG)
    monkeypatch.setattr(safe_http, "PARTING", HANG)
    networks = (str(ip_network("127.0.0.0/8")),)
    mine = settings.model_copy(update={"link_check_days": 30, "link_networks": networks})
    for module in MODULES:
        monkeypatch.setattr(module, "settings", mine)
    with transaction():
        CheckedLink.delete().execute()
    made = client.post("/api/v1/roadmaps", json={"goal": GOAL}).json()["id"]
    _only(made)
    return str(made)


def _only(roadmap_id: str) -> None:
    """The other parts count as noted, so that no address of others is asked by a test."""
    mine = _content(roadmap_id).id
    with transaction():
        Content.update(links_noted=Content.version).where(
            Content.kind == ContentKind.resources, Content.id != mine
        ).execute()


def _content(roadmap_id: str) -> Content:
    with session():
        query = (
            Content.select()
            .join(Concept)
            .where(Content.roadmap == roadmap_id, Concept.key == f"python-backend/{CONCEPT}")
        )
        found: Content = query.where(Content.kind == ContentKind.resources).get()
    return found


def shown(client: TestClient, roadmap_id: str) -> list[dict[str, Any]]:
    found = client.get(
        f"/api/v1/roadmaps/{roadmap_id}/concepts/{_content(roadmap_id).concept_id}"
    ).json()
    resources: list[dict[str, Any]] = found["resources"]
    return resources


def states(client: TestClient, site: Site, roadmap_id: str) -> dict[str, str]:
    base, found = site.url(""), shown(client, roadmap_id)
    print([(each["url"], each["state"], each["reason"]) for each in found])  # for a failure
    return {each["url"].removeprefix(base): each["state"] for each in found}


def _of_a_model(roadmap_id: str) -> None:
    """As if a model had written it: without one, nothing of it is replaced."""
    with transaction():
        ContentVersion.update(generator="model:x").where(
            ContentVersion.content == _content(roadmap_id).id
        ).execute()


def _only_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that notes new addresses and looks at none."""
    with monkeypatch.context() as patched:
        patched.setattr(link_checker, "DUE_AT_ONCE", 0)
        round_()


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that are looked at, each of which answers."""
    asked: list[str] = []

    def answer(url: str, **_: Any) -> Visit:
        asked.append(url)
        return Visit(200, "")

    monkeypatch.setattr(link_checker, "visit", answer)
    return asked


def later(**time: float) -> None:
    clock.travel(timedelta(**time))


def round_() -> None:
    dispatcher.enqueue(link_checker.run_checks(by_model=False))


class TestMarking:
    def test_before_the_first_visit_links_are_unchecked(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        assert states(client, site, roadmap) == {"/one": "unchecked", "/two": "unchecked"}
        assert "unverified" not in shown(client, roadmap)[0]  # the catalogue knows them
        assert [each["checked_at"] for each in shown(client, roadmap)] == [None, None]

    def test_a_host_is_asked_for_one_address_a_round(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        round_()
        assert sorted(states(client, site, roadmap).values()) == ["alive", "unchecked"]
        round_()
        assert states(client, site, roadmap) == {"/one": "alive", "/two": "alive"}
        assert all(each["checked_at"] for each in shown(client, roadmap))

    def test_what_is_alive_is_asked_again_after_its_days_and_not_before(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        round_()
        round_()
        asked = len(site.asked)
        later(days=26)
        assert not link_status.is_anything_due()
        round_()
        assert len(site.asked) == asked
        later(days=8)
        assert link_status.is_anything_due()

    def test_one_that_may_not_be_asked_is_unclear(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        site.pages |= {"/one": page(403), "/two": page(403)}
        round_()
        round_()
        assert states(client, site, roadmap) == {"/one": "unclear", "/two": "unclear"}
        assert shown(client, roadmap)[0]["reason"] == "it answered with status 403"

    def test_the_one_who_has_a_shared_link_sees_it_too(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        round_()
        link = client.post(f"/api/v1/roadmaps/{roadmap}/links", json={"purpose": "reading"}).json()
        token = link["url"].rpartition("/shared/")[2]
        found = client.get(f"/api/v1/shared/{token}/concepts/{_content(roadmap).concept_id}").json()
        assert sorted(each["state"] for each in found["resources"]) == ["alive", "unchecked"]

    def test_an_address_that_cannot_be_read_is_replaced_and_stops_nothing(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        _name(roadmap, "http://[", site.url("/one"))
        round_()
        round_()
        assert set(states(client, site, roadmap).values()) == {"alive"}

    def test_a_host_is_one_in_whatever_letters_and_by_whatever_port(
        self, roadmap: str, visits: list[str]
    ) -> None:
        _name(roadmap, "http://a.invalid/1", "http://A.invalid/2", "http://a.invalid:8080/3")
        round_()
        assert len(visits) == 1

    def test_what_has_waited_longest_is_looked_at_first(
        self, roadmap: str, visits: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        urls = [f"http://{number:02}.invalid/" for number in range(50)]
        _name(roadmap, *urls)
        _only_note(monkeypatch)
        with transaction():
            for number, url in enumerate(urls):
                due = clock.now() - timedelta(hours=60 - number)
                CheckedLink.update(due_at=due).where(CheckedLink.url == url).execute()
        round_()
        assert sorted(visits) == urls[: link_checker.VISITS]

    def test_many_of_one_host_leave_room_for_others(
        self, site: Site, roadmap: str, visits: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _name(roadmap, *(f"http://a.invalid/{number}" for number in range(900)), site.url("/one"))
        _only_note(monkeypatch)
        with transaction():
            CheckedLink.update(due_at=clock.now() + timedelta(seconds=1)).where(
                CheckedLink.url == site.url("/one")
            ).execute()
        for _ in range(6):
            later(minutes=1)
            round_()
        assert site.url("/one") in visits
        assert len(visits) == 7  # one of the others each time


class TestReplacing:
    def test_a_dead_one_gives_way_to_a_spare_in_a_new_version(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        site.pages["/one"] = page(404)
        for _ in range(3):
            round_()
        assert states(client, site, roadmap) == {"/two": "alive", "/spare": "alive"}
        assert _content(roadmap).version == 2
        assert client.get(f"/api/v1/roadmaps/{roadmap}").json()["status"] == "ready"

    def test_not_by_a_spare_that_is_dead_as_well(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        site.pages |= {"/one": page(410), "/spare": page(404)}
        for _ in range(3):
            round_()
        assert states(client, site, roadmap) == {"/two": "alive"}

    def test_what_is_all_dead_stays_and_is_marked_and_is_not_tried_again_and_again(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        site.pages |= {path: page(404) for path in ("/one", "/two", "/spare")}
        for _ in range(8):
            round_()
        assert set(states(client, site, roadmap).values()) == {"dead"}
        assert _content(roadmap).version <= 4
        before = _content(roadmap).version
        round_()
        assert _content(roadmap).version == before
        assert not link_status.is_anything_due()

    def test_a_model_that_names_only_dead_ones_is_not_asked_again_and_again(
        self, client: TestClient, site: Site, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site.pages["/one"] = page(404)
        asked: list[str] = []

        class Wrong(CatalogueGenerator):
            is_model = True

            def write(self, kind: Any, brief: Any) -> Any:
                asked.append(kind)
                resource = Resource(
                    title="x",
                    url=site.url(f"/{len(asked)}"),
                    type="article",
                    language="en",
                    why="It is.",
                )
                return Resources(items=(resource,))

        monkeypatch.setattr(generator_module, "current_generator", lambda: Wrong())
        for _ in range(10):
            dispatcher.enqueue(link_checker.run_checks(by_model=True))
        assert (len(asked), _content(roadmap).version) == (2, 2)
        assert not link_status.is_anything_due()

    def test_what_a_model_has_written_waits_for_a_model(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        _of_a_model(roadmap)
        site.pages["/one"] = page(404)
        for _ in range(3):
            round_()
        assert states(client, site, roadmap) == {"/one": "dead", "/two": "alive"}

    def test_what_is_in_the_trash_is_left_alone(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        site.pages["/one"] = page(404)
        assert client.delete(f"/api/v1/roadmaps/{roadmap}").status_code == 204
        for _ in range(3):
            round_()
        assert _content(roadmap).version == 1
        assert not link_status.is_anything_due()

    def test_what_is_not_in_the_plan_any_more_is_left_alone(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        remove = {"op": "remove", "what": "concept", "key": f"python-backend/{CONCEPT}"}
        assert (
            client.post(
                f"/api/v1/roadmaps/{roadmap}/edits", json={"operations": [remove]}
            ).status_code
            == 202
        )
        site.pages["/one"] = page(404)
        for _ in range(3):
            round_()
        assert (_content(roadmap).status, _content(roadmap).version) == ("ready", 1)
        assert not link_status.is_anything_due()

    def test_nor_is_anything_written_of_what_was_cancelled(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        with transaction():
            mine = _content(roadmap).id
            Content.update(status="cancelled").where(
                Content.roadmap == roadmap, Content.id != mine
            ).execute()
            Roadmap.update(status="cancelled").where(Roadmap.id == roadmap).execute()
        site.pages["/one"] = page(404)
        for _ in range(3):
            round_()
        assert client.get(f"/api/v1/roadmaps/{roadmap}").json()["status"] == "cancelled"
        assert states(client, site, roadmap) == {"/one": "dead", "/two": "alive"}

    def test_an_address_that_comes_back_is_alive_again(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        site.pages |= {path: page(404) for path in ("/one", "/two", "/spare")}
        for _ in range(8):
            round_()
        site.pages |= {path: page() for path in ("/one", "/two", "/spare")}
        later(days=40)
        for _ in range(4):
            round_()
        assert set(states(client, site, roadmap).values()) == {"alive"}


class TestFaults:
    def test_a_server_that_fails_for_days_is_dead_and_not_before(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        site.pages |= {"/one": page(500), "/two": page(500)}
        _of_a_model(roadmap)
        found = []
        for days in (0, 1.1, 2.1):
            later(days=days)
            round_()
            round_()
            found.append(set(states(client, site, roadmap).values()))
        assert found == [{"unclear"}, {"unclear"}, {"dead"}]

    def test_an_answer_in_between_resets_the_count(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        for status in (500, 500, 200, 500, 500):
            site.pages |= {"/one": page(status), "/two": page(status)}
            round_()
            round_()
            later(days=40)
        assert set(states(client, site, roadmap).values()) == {"unclear"}

    def test_without_a_network_links_stay_unchecked_and_one_warning_is_logged(
        self, client: TestClient, site: Site, roadmap: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with transaction():
            CheckedLink.delete().execute()
        nowhere = f"http://127.0.0.1:{free_port()}/"
        _name(roadmap, nowhere)
        for _ in range(6):
            round_()
            later(days=3)
        (link,) = shown(client, roadmap)
        assert (link["state"], link["checked_at"]) == ("unchecked", None)
        assert caplog.text.count("this machine reaches none of") == 1
        link_checker.blind.note()
        assert link_checker.blind.is_so()
        _name(roadmap, site.url("/two"))
        round_()
        assert not link_checker.blind.is_so()
        with transaction():
            CheckedLink.delete().execute()
        _name(roadmap, nowhere)
        link_checker.blind.note()
        round_()
        assert link_checker.blind.is_so()
        assert caplog.text.count("this machine reaches none of") == 2

    def test_a_host_that_is_gone_is_dead_when_others_answer(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        nowhere = f"http://127.0.0.1:{free_port()}/"
        _name(roadmap, nowhere, site.url("/two"))
        _of_a_model(roadmap)
        for _ in range(8):
            round_()
            later(days=2.1)
        assert {each["url"]: each["state"] for each in shown(client, roadmap)} == {
            nowhere: "dead",
            site.url("/two"): "alive",
        }

    def test_nor_where_the_clock_was_ahead(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        nowhere, away = f"http://127.0.0.1:{free_port()}/", f"http://127.0.0.1:{free_port()}/away"
        with transaction():
            then = clock.now() + timedelta(days=90)
            ahead = {"state": "alive", "status": 200, "checked_at": then, "due_at": then}
            CheckedLink.insert(digest=link_status.digest(away), url=away, **ahead).execute()
        _name(roadmap, nowhere)
        for _ in range(4):
            round_()
            later(days=3)
        assert [each["state"] for each in shown(client, roadmap)] == ["unchecked"]

    def test_a_private_address_is_dead_at_once_and_never_asked(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        _name(roadmap, "http://192.168.7.7/", "http://169.254.169.254/latest")
        _of_a_model(roadmap)
        round_()
        assert {each["state"] for each in shown(client, roadmap)} == {"dead"}
        assert "on the public internet" in shown(client, roadmap)[0]["reason"]

    def test_a_site_that_asks_to_wait_is_asked_when_it_wants(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        _name(roadmap, site.url("/one"))
        site.pages["/one"] = page(429, Retry_After="7200")
        round_()
        site.pages["/one"] = page()
        later(hours=1.9)
        assert not link_status.is_anything_due()
        later(hours=0.2)
        round_()
        assert [each["state"] for each in shown(client, roadmap)] == ["alive"]


def _name(roadmap_id: str, *urls: str, title: str = "x") -> None:
    """As if the current version had named these."""
    resource = Resource(title=title, url=urls[0], type="article", language="en", why="It is.")
    items = [resource.model_copy(update={"url": url}).model_dump(mode="json") for url in urls]
    part = _content(roadmap_id)
    with transaction():
        ContentVersion.update(body={"items": items}).where(
            ContentVersion.content == part.id
        ).execute()
        Content.update(links_noted=None).where(Content.id == part.id).execute()


def _dough(url: str) -> Resource:
    return Resource(title="Dough", url=url, type="book", language="en", why="It is.")


class TestSoft404:
    """Pages that are answered with 200 but are not what a resource promises."""

    def test_a_title_that_says_that_the_page_is_missing_is_dead_at_once(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        site.pages["/one"] = _titled("Page not found")
        for _ in range(3):
            round_()
        assert states(client, site, roadmap) == {"/two": "alive", "/spare": "alive"}

    def test_another_page_is_dead_after_three_visits_over_days(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        _name(roadmap, site.url("/one"), title="Kneading dough")
        _of_a_model(roadmap)
        site.pages["/one"] = _titled("Acme")
        found = []
        for days in (0, 1.1, 2.1):
            later(days=days)
            round_()
            found += [(each["state"], each["reason"]) for each in shown(client, roadmap)]
        reason = "it is nearly empty, and its title has nothing of what was promised"
        assert found == [("unclear", reason), ("unclear", reason), ("dead", reason)]
        site.pages["/one"] = _titled("Kneading the dough")
        later(days=40)
        round_()
        assert states(client, site, roadmap) == {"/one": "alive"}

    @pytest.mark.parametrize("title", ["Page not found", "Acme"])
    def test_what_a_model_has_just_named_is_dead_at_once(
        self, site: Site, roadmap: str, title: str
    ) -> None:
        # The port may be that of an earlier site, whose pages are known. In letters: a path with
        # 404 in it is about what is missing.
        new = "/" + uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop"))
        site.pages |= {new: _titled(title), "/good": _titled("Dough")}
        urls = (site.url(new), site.url("/good"))
        items = tuple(map(_dough, urls))
        for _ in range(4):  # also for other parts that are written meanwhile
            assert link_checker.dead_among(Resources(items=items), look=True) == urls[:1]
        with session():
            kept = CheckedLink.get(CheckedLink.url == urls[0])
        assert (kept.state, kept.failures) == (("unclear", 1) if title == "Acme" else ("dead", 0))

    def test_another_part_is_judged_by_its_own_title(self, site: Site, roadmap: str) -> None:
        new = f"/{uuid4()}"
        site.pages[new] = _titled("Acme")
        item = _dough(site.url(new))
        assert link_checker.dead_among(Resources(items=(item,)), look=True) == (item.url,)
        other = item.model_copy(update={"title": "Acme handbook"})
        assert link_checker.dead_among(Resources(items=(other,)), look=True) == ()

    def test_a_page_that_is_right_again_may_be_named(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        _name(roadmap, site.url("/one"), title="Kneading dough")
        _of_a_model(roadmap)
        site.pages["/one"] = _titled("Acme")
        round_()
        assert states(client, site, roadmap) == {"/one": "unclear"}
        site.pages["/one"] = _titled("Kneading the dough")
        item = _dough(site.url("/one"))
        assert link_checker.dead_among(Resources(items=(item,)), look=True) == ()

    def test_what_only_a_model_has_named_is_unverified_until_it_is_visited(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        def unverified() -> list[bool]:
            return [each.get("unverified", False) for each in shown(client, roadmap)]

        _of_a_model(roadmap)
        assert unverified() == [True, True]
        part = _content(roadmap)
        page_path = f"/roadmaps/{roadmap}/concepts/{part.concept_id}"
        assert client.get(page_path).text.count("unverified") == 2
        round_()
        assert sorted(unverified()) == [False, True]
        round_()
        assert unverified() == [False, False]
        assert "unverified" not in client.get(page_path).text


def _titled(title: str) -> Answer:
    body = f"<title>{title}</title>".encode()
    return page(200, body, Content_Type="text/html; charset=utf-8")


class TestKeeping:
    def test_an_address_in_no_content_is_forgotten(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        round_()
        with transaction():
            Roadmap.delete().where(Roadmap.id == roadmap).execute()
        later(days=40)
        round_()
        with session():
            assert (CheckedLink.select().count(), LinkUse.select().count()) == (0, 0)

    def test_one_that_is_forgotten_while_it_is_named_again_is_noted_the_next_time(
        self, client: TestClient, site: Site, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep_rows = link_checker.lock_key_share

        def overtaken(query: Any) -> Any:
            CheckedLink.delete().execute()
            return keep_rows(query)

        with monkeypatch.context() as patched:
            patched.setattr(link_checker, "lock_key_share", overtaken)
            round_()
        with session():
            assert LinkUse.select().count() == 0
        round_()
        with session():
            assert LinkUse.select().count() == 2

    def test_the_clock_has_it_done_by_a_worker_of_contents(
        self, client: TestClient, site: Site, roadmap: str
    ) -> None:
        upkeep.rescue_overdue.call_local()
        assert sorted(states(client, site, roadmap).values()) == ["alive", "unchecked"]

    def test_nothing_is_asked_where_it_is_switched_off(
        self, client: TestClient, site: Site, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in MODULES:
            monkeypatch.setattr(
                module, "settings", settings.model_copy(update={"link_check_days": 0})
            )
        upkeep.rescue_overdue.call_local()
        assert site.asked == []
        assert content_queue.pending_count() == 0


class TestWhileWriting:
    """Addresses that a model has just named are visited before anybody sees them."""

    def test_the_catalogue_is_not_asked_for_while_it_is_written(
        self, site: Site, roadmap: str
    ) -> None:
        assert site.asked == []

    def test_dead_addresses_are_asked_for_once_more_and_left_out_if_they_stay(
        self, client: TestClient, site: Site, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[str, ...]] = []

        class Inventive(CatalogueGenerator):
            is_model = True

            def write(self, kind: Any, brief: Any) -> Any:
                if kind is ContentKind.resources:
                    asked.append(brief.dead)
                return super().write(kind, replace_dead(brief))

        def replace_dead(brief: Any) -> Any:
            return type(brief)(
                **{name: getattr(brief, name) for name in brief.__slots__ if name != "dead"}
            )

        site.pages["/one"] = page(404)
        monkeypatch.setattr(generator_module, "current_generator", lambda: Inventive())
        part = _content(roadmap)
        with transaction():
            Content.update(status="pending").where(Content.id == part.id).execute()
            Roadmap.update(status="building", contents_ready=Roadmap.contents_ready - 1).where(
                Roadmap.id == roadmap
            ).execute()
        content.build_content(str(part.id))
        assert asked == [(), (site.url("/one"),)]
        assert states(client, site, roadmap) == {"/two": "alive"}

    def test_many_addresses_take_no_longer_than_one(
        self, site: Site, roadmap: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = [f"/silent/{number}" for number in range(30)]
        site.pages |= dict.fromkeys(paths, silent)
        resource = Resource(title="x", url="http://a/", type="article", language="en", why="It is.")
        items = tuple(resource.model_copy(update={"url": site.url(path)}) for path in paths)
        limits: list[float] = []

        def noted(url: str, *, limit: float, **given: Any) -> Visit:
            limits.append(limit)
            return visit(url, limit=limit, **given)

        monkeypatch.setattr(link_checker, "visit", noted)
        monkeypatch.setattr(link_checker, "WHILE_WRITING", BRIEF)
        assert link_checker.dead_among(Resources(items=items), look=True) == ()
        late = sorted(limits)[: -link_checker.AT_ONCE]  # begun when the first had no time left
        assert len(late) == 20
        assert late[-1] < BRIEF / 4


def test_without_a_network_what_is_written_does_not_wait_again_and_again(
    client: TestClient, roadmap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits: list[str] = []

    def unreached(url: str, **_: Any) -> Visit:
        visits.append(url)
        return Visit(None, "it did not answer in time")

    monkeypatch.setattr(link_checker, "visit", unreached)
    monkeypatch.setattr(link_checker, "blind", link_checker.NetworkUnreachable())
    resource = Resource(
        title="x", url="https://a.example.org/", type="article", language="en", why="It is."
    )
    named = [
        Resources(items=(resource.model_copy(update={"url": f"https://{name}.example.org/"}),))
        for name in "abc"
    ]
    assert [link_checker.dead_among(each, look=True) for each in named] == [(), (), ()]
    assert visits == ["https://a.example.org/"]
