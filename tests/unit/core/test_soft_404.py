"""Pages of status 200 that are not the promised ones, and pages that only look like that."""

from ipaddress import ip_network
from time import thread_time

import pytest

from core.net import safe_http
from core.net.link_probe import Visit, visit
from core.net.soft_404 import LARGEST_PAGE, Soft404, find_soft_404
from roadmap.generation.catalogue.loader import load_concept, tracks
from testing.site import Answer, Site, endless, page
from testing.waiting import BRIEF, HANG
from tests.cases import try_each

HERE = (ip_network("127.0.0.0/8"),)
HTML = "text/html; charset=utf-8"
PROMISED = "Kneading dough by hand"
TEXT = "Flour, water and patience. " * 40


def html(title: str, text: str = TEXT, head: str = "") -> bytes:
    return (
        f"<!DOCTYPE html><html><head>{head}<title>{title}</title></head>"
        f"<body><p>{text}</p></body></html>"
    ).encode()


def shown(title: str, text: str = TEXT, head: str = "") -> Answer:
    return page(200, html(title, text, head), Content_Type=HTML)


def seen(site: Site, path: str = "/guides/knead", promised: str = PROMISED) -> Visit:
    return visit(site.url(path), networks=HERE, limit=HANG, promised=promised)


def sign(
    title: str, *, promised: str = PROMISED, url: str = "https://a.example/knead", text: str = TEXT
) -> Soft404 | None:
    return find_soft_404(promised, url, url, HTML, html(title, text))


class TestMissing:
    @try_each(
        "title",
        [
            *("404", "404 Not Found", "Page not found", "Not Found", "Error 404", "HTTP 404"),
            *("404 Error | Example", "Example - Page Not Found", "Page not found &middot; GitHub"),
            *("Oops! Page not found", "This page doesn&#39;t exist | Example", "410 Gone"),
            *("The requested page could not be found.", "404: This page could not be found"),
            *("Page Not Found (404) – Example", "404 – Seite nicht gefunden", "Not Found :: Docs"),
            *("Page introuvable - Exemple", "Página no encontrada | Ejemplo"),
            *(
                "页面不存在 - 某站",
                "抱歉，您访问的页面不存在",
                "404错误",
                "找不到页面",
                "找不到該頁面",
            ),
            *("お探しのページは見つかりませんでした", "ページが見つかりません | サイト"),
            *("Страница не найдена — Сайт", "We can't find that page"),
        ],
    )
    def test_a_title_that_says_so_is_a_sign(self, title: str) -> None:
        assert sign(title) is Soft404.missing

    @try_each(
        "title",
        [
            *("Lost and found", "Finding pages", "How to fix 404 errors", "Room 404", "Page"),
            *("A page of history", "Page exists", "The page that was found", "Not found objects"),
            *("Missing data", "What cannot be computed", "Route 410", "页面设计", "寻找页面"),
            "Handling 404 Not Found in nginx",
        ],
    )
    def test_words_like_these_in_a_title_are_none(self, title: str) -> None:
        assert sign(title) is None

    def test_a_page_about_missing_pages_is_there(self) -> None:
        mdn = "https://developer.mozilla.org/docs/Web/HTTP/Status/404"
        assert sign("404 Not Found - HTTP | MDN", promised="Client errors", url=mdn) is None
        assert sign("404 Not Found", promised="404 Not Found: what it means") is None

    def test_a_port_says_nothing(self) -> None:
        url = "http://127.0.0.1:40410/flour"
        assert sign("Page not found", url=url) is Soft404.missing

    def test_it_is_dead_at_once(self, site: Site) -> None:
        site.pages["/guides/knead"] = shown("Page not found")
        found = seen(site)
        assert (found.status, found.is_gone, found.soft) == (200, True, Soft404.missing)
        assert found.wrong == "its title says that there is no such page"
        assert site.asked_for("/guides/knead") == ["GET"]

    def test_the_title_for_other_sites_stands_in_for_a_missing_one(self) -> None:
        head = "<meta content='Page not found' property='og:title'><title> </title>"
        assert find_soft_404(PROMISED, "https://a/b", "https://a/b", HTML, head.encode()) is (
            Soft404.missing
        )


class TestStart:
    def test_a_redirect_to_the_start_page_is_a_sign(self, site: Site) -> None:
        for start in ("/", "/en/", "/index.html", "/zh-CN"):
            site.pages |= {
                "/guides/knead": page(301, Location=start),
                start: shown("Acme Bakeries Inc"),
            }
            found = seen(site)
            assert (found.soft, found.is_gone) == (Soft404.start, False)

    def test_not_if_its_title_has_something_of_what_was_promised(self, site: Site) -> None:
        site.pages["/guides/knead"] = page(302, Location="/")
        for title in ("All about doughs", "Kneads.example", "Guides"):
            site.pages["/"] = shown(title)
            assert seen(site).wrong == ""

    def test_not_if_it_leads_elsewhere(self, site: Site) -> None:
        for path, title in (
            ("/login?next=/guides/knead", "Sign in to Acme"),
            ("/?next=/guides/knead", "Acme"),
            ("/other/place", "Acme Bakeries"),
        ):
            site.pages |= {"/guides/knead": page(302, Location=path), path: shown(title)}
            assert seen(site).wrong == ""

    def test_not_if_the_start_page_asks_for_a_login(self, site: Site) -> None:
        site.pages |= {"/guides/knead": page(302, Location="/"), "/": shown("Log in | Acme")}
        assert seen(site).wrong == ""

    def test_not_in_another_script(self, site: Site) -> None:
        site.pages |= {"/guides/knead": page(302, Location="/"), "/": shown("面包师之家")}
        assert seen(site).wrong == ""
        assert seen(site, promised="如何和面").soft is Soft404.start

    def test_not_if_the_start_page_was_meant(self, site: Site) -> None:
        site.pages |= {"/en": page(301, Location="/"), "/": shown("Acme Bakeries")}
        assert seen(site, "/en").wrong == ""
        assert seen(site, "/").wrong == ""


class TestEmpty:
    def test_a_page_with_hardly_any_text_of_something_else_is_a_sign(self, site: Site) -> None:
        style = f"<style>{'body { color: red } ' * 99}</style>"
        site.pages["/guides/knead"] = shown("Welcome to nginx!", "It works.", style)
        assert seen(site).soft is Soft404.empty
        assert not seen(site).is_gone

    @try_each(
        "filled",
        [
            *("<script src=app.js></script>", "<SCRIPT>x</SCRIPT>", "<iframe src=a></iframe>"),
            *("<meta http-equiv=refresh content='0;url=b'>", '<meta http-equiv="Refresh">'),
            *("<frameset><frame src=a></frameset>", "<img src=a>", "<form action=b></form>"),
            *("<object data=a.pdf></object>", "<video src=a></video>", "<canvas></canvas>"),
        ],
    )
    def test_not_if_something_else_fills_it_or_leads_on(self, filled: str) -> None:
        assert sign("Acme", text=filled) is None

    def test_not_if_it_has_some_of_the_words(self) -> None:
        assert sign("Dough", text="") is None
        assert sign("Example", text="", url="https://example.org/knead") is None
        assert sign("Acme", text="") is Soft404.empty

    def test_not_with_a_title_in_another_language_and_a_text(self) -> None:
        assert sign("Die Kunst des Brotes") is None
        assert sign("面包的艺术", text="短") is None

    def test_not_before_a_login_or_a_question(self) -> None:
        for title in ("Sign in", "Just a moment...", "Access denied", "Redirecting", "登录"):
            assert sign(title, text="") is None

    def test_not_without_a_title_or_a_promise(self) -> None:
        for title in ("", "  ", "·"):
            assert sign(title, text="It works!") is None
        assert sign("Acme", text="", promised="") is None


class TestReading:
    @pytest.mark.parametrize(
        ("content_type", "head", "codec"),
        [
            ("text/html; charset=gbk", "", "gbk"),
            ("text/html", '<meta charset="gb2312">', "gb2312"),
            (
                "TEXT/HTML",
                "<meta http-equiv='Content-Type' content='text/html; charset=big5'>",
                "big5",
            ),
            ("text/html; charset=Shift_JIS", "", "shift_jis"),
            ("text/html; charset=latin-1-of-mine", "", "utf-8"),
            ("text/html; charset=zlib", "", "utf-8"),
            ("text/html; charset=punycode", "", "utf-8"),
            ("text/html; charset=latin1", "", "utf-16"),
            ("application/xhtml+xml", "", "utf-8-sig"),
        ],
    )
    def test_a_title_is_read_in_its_charset(self, content_type: str, head: str, codec: str) -> None:
        title = {"big5": "找不到頁面", "shift_jis": "ページが見つかりません"}.get(
            codec, "页面不存在"
        )
        body = f"{head}<title>{title}</title>".encode(codec)
        url = "https://a.example/b"
        assert find_soft_404(PROMISED, url, url, content_type, body) is Soft404.missing

    def test_one_in_another_charset_than_it_says_is_no_sign(self) -> None:
        body = "<title>某某公司首页</title>".encode("gbk")
        url = "https://a.example/b"
        assert find_soft_404("如何和面", url, url, "text/html; charset=utf-8", body) is None
        assert find_soft_404(PROMISED, url, url, "text/html; charset=latin1", body) is None

    @pytest.mark.parametrize("kind", ["application/pdf", "text/plain", "image/png", ""])
    def test_only_pages_are_read(self, site: Site, kind: str) -> None:
        site.pages["/guides/knead"] = page(200, html("Page not found"), Content_Type=kind)
        assert seen(site) == Visit(200)

    def test_a_huge_page_is_read_to_its_limit(self, site: Site) -> None:
        site.pages["/guides/knead"] = shown("Page not found", "x" * 50_000_000)
        assert seen(site).soft is Soft404.missing
        late = f"<!-- {'x' * LARGEST_PAGE} -->"
        site.pages["/guides/knead"] = shown("Page not found", "", late)
        assert seen(site) == Visit(200)
        site.pages["/guides/knead"] = endless
        assert seen(site) == Visit(200)

    def test_one_that_stalls_in_the_middle_is_there(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(safe_http, "PARTING", BRIEF)

        def stalls(handler: object) -> None:
            handler.wfile.write(  # type: ignore[attr-defined]
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99999\r\n\r\n"
                b"<html><title>Kneading"
            )
            site.gone.wait(HANG)

        site.pages["/guides/knead"] = stalls
        assert seen(site) == Visit(200)

    @try_each(
        "hostile",
        [
            *("<title" * 20_000, "<title>" * 20_000, "<meta charset=" * 20_000, "<" * 70_000),
            *("<style" * 20_000, "<style>" * 20_000, "<title>" + "&amp" * 20_000),
            *("<title>" + "找不到" * 20_000, "<title>" + "not " * 20_000, "<meta " * 20_000),
            *("<title>" + "page is not " * 9_000, "<title>" + "404 " * 20_000 + "x"),
            *("<title>Acme</title><" + "<p " * 20_000, "<title>Acme</title>" + "</style" * 9_000),
        ],
    )
    def test_a_hostile_page_takes_no_time(self, hostile: str) -> None:
        body, url = hostile.encode()[:LARGEST_PAGE], "https://a.example/b"
        began = thread_time()
        find_soft_404(PROMISED, url, url, "text/html", body)
        assert thread_time() - began < 2

    @try_each("page", [b"<title>Acme</title>", (b"<meta charset=" + b" " * 980 + b"!>") * 66])
    def test_a_hostile_charset_takes_no_time(self, page: bytes) -> None:
        url, content_type = "https://a.example/b", f"text/html; charset={' ' * 16_000}!"
        began = thread_time()
        find_soft_404(PROMISED, url, url, content_type, page)
        find_soft_404(PROMISED, url, url, "text/html", page)
        assert thread_time() - began < 2


def test_the_links_of_the_catalogue_stay_alive_behind_any_title_of_theirs() -> None:
    """Under their own title, that of the site, moved to the start page, and filled by scripts."""
    tried = 0
    for track in tracks().values():
        for concept_id in track.concept_ids:
            for language in track.languages:
                concept = load_concept(track.id, concept_id, language)
                for each in (*concept.resources, *concept.spares):
                    start = "/".join(each.url.split("/")[:3]) + "/"
                    name = f"{each.title} - Example"
                    found = [
                        find_soft_404(each.title, each.url, each.url, HTML, html(each.title, "")),
                        find_soft_404(each.title, each.url, start, HTML, html(name)),
                        find_soft_404(each.title, each.url, each.url, HTML, html("Example")),
                        find_soft_404(each.title, each.url, each.url, HTML, html("", "")),
                        find_soft_404(
                            each.title, each.url, each.url, HTML, html("App", "<script></script>")
                        ),
                    ]
                    assert found == [None] * len(found), each
                    tried += 1
    assert tried > 300
