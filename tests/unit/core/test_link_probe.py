"""Visits to pages of others: signs that a page is there, what is never asked, and limits."""

from ipaddress import ip_network
from typing import Any

import pytest

from core.net import safe_http
from core.net.link_probe import (
    LARGEST_ROBOTS,
    MOST_REDIRECTS,
    NOT_WANTED,
    Visit,
    spelled,
    visit,
)
from testing.servers import free_port
from testing.site import Site, endless, endless_head, page, silent
from testing.waiting import BRIEF, HANG
from tests.cases import try_each

HERE = (ip_network("127.0.0.0/8"),)


def seen(site: Site, path: str, limit: float = HANG) -> Visit:
    return visit(site.url(path), networks=HERE, limit=limit)


class TestWhatIsThere:
    def test_a_page_is_asked_for_once(self, site: Site) -> None:
        site.pages["/a"] = page(200, b"hello")
        assert seen(site, "/a") == Visit(200)
        assert site.asked_for("/a") == ["GET"]

    def test_who_asks_says_so(self, site: Site) -> None:
        seen(site, "/a")
        assert all(agent.startswith("RoadmapLinkCheck/") for agent in site.agents)

    @pytest.mark.parametrize("status", [404, 410])
    def test_a_missing_page_is_seen_by_its_status(self, site: Site, status: int) -> None:
        site.pages["/a"] = page(status)
        assert seen(site, "/a") == Visit(status, f"it answered with status {status}")

    def test_a_fragment_is_not_sent(self, site: Site) -> None:
        site.pages["/a"] = page()
        assert seen(site, "/a#part").status == 200

    def test_the_visit_has_the_retry_after_of_the_site(self, site: Site) -> None:
        site.pages["/a"] = page(429, Retry_After="120")
        assert seen(site, "/a") == Visit(429, "it answered with status 429", retry_after=120.0)

    def test_an_address_in_other_letters_is_spelled_out(self) -> None:
        assert (
            spelled("https://bücher.example/straße?q=ä#x")
            == "https://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%A4"
        )
        assert spelled("https://example.org/a%20b") == "https://example.org/a%20b"


class TestRedirects:
    def test_they_are_followed(self, site: Site) -> None:
        site.pages |= {
            "/a": page(301, Location="/b"),
            "/b": page(302, Location=site.url("/c")),
            "/c": page(),
        }
        assert seen(site, "/a") == Visit(200)

    def test_not_for_ever(self, site: Site) -> None:
        site.pages["/a"] = page(302, Location="/a")
        assert seen(site, "/a") == Visit(None, f"it redirects more than {MOST_REDIRECTS} times")
        assert len(site.asked_for("/a")) == MOST_REDIRECTS + 1

    @pytest.mark.parametrize(
        "to",
        [
            *(
                "http://10.0.0.1/",
                "http://192.168.1.1/x",
                "http://169.254.169.254/latest/meta-data/",
                "https://[::1]/",
            ),
            *(
                "http://[fe80::1]/",
                "http://100.64.0.1/",
                "http://[::ffff:10.0.0.1]/",
                "http://168.63.129.16/",
                "//10.1.2.3/",
            ),
        ],
    )
    def test_one_to_a_private_address_is_refused(self, site: Site, to: str) -> None:
        site.pages["/a"] = page(302, Location=to)
        found = seen(site, "/a")
        assert found.refused
        assert found.wrong == "the address to which it redirects must be on the public internet"

    @pytest.mark.parametrize(
        "to",
        [
            "ftp://example.org/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "http://user:pw@example.org/",
        ],
    )
    def test_one_to_something_else_than_a_page_is_refused(self, site: Site, to: str) -> None:
        site.pages["/a"] = page(302, Location=to)
        found = seen(site, "/a")
        assert found.refused
        assert found.wrong.startswith("the address to which it redirects must")

    @pytest.mark.parametrize(
        "to", ["http://[", "//[::1", "http://[\u00e4]/", "http://a\u2100b.example/", "//%5B/"]
    )
    def test_one_that_cannot_be_read_is_refused(self, site: Site, to: str) -> None:
        site.pages["/a"] = lambda handler: handler.wfile.write(
            f"HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\n".encode()
        )
        found = seen(site, "/a")
        assert found.refused
        assert found.wrong.startswith("the address to which it redirects ")

    def test_a_long_one_is_followed(self, site: Site) -> None:
        long = f"/b?{'x' * 1900}"
        site.pages |= {"/a": page(302, Location=long), long: page()}
        assert seen(site, "/a") == Visit(200)
        assert seen(site, long) == Visit(200)


class TestRefused:
    @try_each(
        "url",
        [
            *(
                "http://127.0.0.1/",
                "http://127.1.2.3:8000/",
                "http://10.0.0.1/",
                "http://172.16.0.1/",
                "http://192.168.0.1/",
            ),
            *(
                "http://169.254.169.254/",
                "http://[::1]/",
                "http://[fd00::1]/",
                "http://[fe80::1]/",
                "http://0.0.0.0/",
            ),
            *("https://[64:ff9b::a00:1]/", "https://224.0.0.1/"),
        ],
    )
    def test_an_address_that_is_not_public_is_never_asked(self, url: str) -> None:
        assert visit(url) == Visit(None, "its address must be on the public internet", refused=True)

    @try_each(
        "url", ["http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "https://127.1/"]
    )
    def test_nor_one_in_another_spelling(self, url: str) -> None:
        found = visit(url)
        assert (found.refused, found.status) == (True, None)

    def test_a_name_that_leads_to_this_machine_is_not_asked(self, site: Site) -> None:
        found = visit(f"http://localhost:{site.server.server_address[1]}/")
        assert (found.status, found.wrong) == (None, safe_http.NOWHERE)
        assert site.asked == []


class TestRobots:
    def test_a_page_from_which_programs_should_stay_away_is_not_asked(self, site: Site) -> None:
        site.pages |= {
            "/robots.txt": page(200, b"User-agent: *\nDisallow: /private/\n"),
            "/private/a": page(),
            "/b": page(),
        }
        assert seen(site, "/private/a") == Visit(None, NOT_WANTED, unwelcome=True)
        assert site.asked_for("/private/a") == []
        assert seen(site, "/b") == Visit(200)

    def test_it_is_read_once_a_day(self, site: Site) -> None:
        for _ in range(3):
            seen(site, "/a")
        assert len(site.asked_for("/robots.txt")) == 1

    def test_a_site_that_fails_is_left_alone(self, site: Site) -> None:
        site.pages |= {"/robots.txt": page(503), "/a": page()}
        assert seen(site, "/a").unwelcome

    def test_one_without_end_is_read_to_its_limit(self, site: Site) -> None:
        site.pages |= {"/robots.txt": endless, "/a": page()}
        assert seen(site, "/a") == Visit(200)

    def test_what_is_behind_its_limit_is_not_waited_for(self, site: Site) -> None:
        def stalls(handler: Any) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"#" * LARGEST_ROBOTS)
            site.gone.wait(HANG)

        site.pages |= {"/robots.txt": stalls, "/a": page()}
        assert seen(site, "/a") == Visit(200)  # else the limit of the visit would end it

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.0 200 OK\r\n\r\n%s",
            b"HTTP/1.1 200 OK\r\nContent-Length: 34\r\n\r\n%s",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n%s",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n22\r\n%s\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n22\r\n%s\r\nbroken",
        ],
    )
    def test_it_is_read_however_its_end_is_marked(self, site: Site, answer: bytes) -> None:
        whole = answer % b"User-agent: *\nDisallow: /private/\n"
        site.pages["/robots.txt"] = lambda handler: handler.wfile.write(whole)
        assert seen(site, "/private/a").unwelcome
        assert not seen(site, "/b").unwelcome

    @pytest.mark.parametrize(
        "rule",
        [
            *(
                "Disallow: //[",
                "Disallow: http://[x",
                "Crawl-delay: \u00b2",
                "Request-rate: \u00b2/1",
            ),
            f"Crawl-delay: {'9' * 5000}",
        ],
    )
    def test_a_rule_that_cannot_be_read_is_none(self, site: Site, rule: str) -> None:
        site.pages |= {
            "/robots.txt": page(200, f"User-agent: *\n{rule}\nDisallow: /private\n".encode()),
            "/a": page(),
        }
        assert seen(site, "/a") == Visit(200)
        assert seen(site, "/private").unwelcome

    @pytest.mark.parametrize("path", ["//[x", "//%5Bx", "/%2F%5Bx", "//%E2%84%80/x"])
    def test_a_path_is_no_host(self, site: Site, path: str) -> None:
        site.pages["/robots.txt"] = page(200, b"User-agent: *\nDisallow: /private\n")
        assert seen(site, path).status == 404


class TestLimits:
    def test_a_page_that_streams_for_ever_is_there_and_left(self, site: Site) -> None:
        written: list[int] = []

        def stream(handler: Any) -> None:
            handler.send_response(200)
            handler.end_headers()
            while not site.gone.is_set():
                written.append(handler.wfile.write(b"x" * 65_536))

        site.pages["/a"] = stream
        assert seen(site, "/a") == Visit(200)
        assert sum(written) < 50_000_000

    def test_headers_without_end_are_no_answer(self, site: Site) -> None:
        site.pages["/a"] = endless_head
        assert seen(site, "/a") == Visit(None, safe_http.NOT_HTTP)

    def test_silence_ends_at_the_limit(self, site: Site) -> None:
        site.pages["/a"] = silent
        assert seen(site, "/a", limit=BRIEF) == Visit(None, safe_http.TOO_SLOW)

    def test_a_closed_port_is_a_refused_connection(self) -> None:
        assert (
            visit(f"http://127.0.0.1:{free_port()}/", networks=HERE).wrong
            == "it refused the connection"
        )
