"""Webhooks reach public addresses only; secrets are shown once, to the owner."""

import errno
import io
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.db import database, session, settings
from core.net import link_probe, own_addresses, safe_http
from core.net.ip_allowlist import is_public
from core.net.link_probe import Visit, visit
from core.net.safe_http import NOWHERE, OWN, UNREACHED, Unreachable, parse
from core.settings import SettingsError, from_environment
from roadmap.operations import execution_log
from testing.receiver import receiving, status
from testing.servers import free_port
from testing.site import page, served
from testing.stack import GOAL

BASE = "/api/v1/webhooks"
PUBLIC = "93.184.215.14"
PRIVATE = [
    # IPv4: this host, private, shared and link-local (also metadata of clouds), loopback, special,
    # test, multicast, reserved
    *(
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.1.2.3",
    ),
    *(
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
    ),
    *(
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
    ),
    *("255.255.255.255", "168.63.129.16"),
    # IPv6: unspecified, loopback, link-local, unique local (also of a cloud's metadata),
    # site-local, documentation, multicast
    *(
        "::",
        "::1",
        "fe80::1",
        "fe80::1%1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "2001:db8::1",
        "ff02::1",
        "ff0e::1",
    ),
    # IPv4 inside of IPv6: mapped, compatible, NAT64, 6to4, Teredo (the server, and the client,
    # which is turned over)
    *(
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:a9fe:a9fe",
        "::127.0.0.1",
        "::10.0.0.1",
        "64:ff9b::127.0.0.1",
    ),
    *(
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1:a00:0:100:808:808",
        "2002:7f00:1::",
        "2002:a00:1::1",
    ),
    *(
        "2001:0:7f00:1:0:0:a247:28f1",
        "2001:0:5db8:d70e:0:0:80ff:fffe",
        "2001:0:5db8:d70e:0:0:f5ff:fffe",
    ),
    "::ffff:168.63.129.16",
]
OPEN = [
    PUBLIC,
    "1.1.1.1",
    "8.8.8.8",
    "2606:4700:4700::1111",
    f"::ffff:{PUBLIC}",
    f"64:ff9b::{PUBLIC}",
    "2002:5db8:d70e::1",
]


@dataclass
class Names:
    """Answers to questions for a name, one after the other; the last of them from then on."""

    answers: list[list[str]]
    asked: list[str] = field(default_factory=list)

    def getaddrinfo(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not found:
            raise socket.gaierror(-2, "Name or service not known")
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in found]
        return [
            (family, socket.SOCK_STREAM, 6, "", (address, port))
            for family, address in zip(families, found, strict=True)
        ]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Collect the addresses of connections that were tried; none is made."""
    tried: list[tuple[str, int]] = []

    class Socket(socket.socket):
        def connect(self, address: Any) -> None:
            tried.append(address)
            raise ConnectionRefusedError

    monkeypatch.setattr(safe_http.socket, "socket", Socket)
    return tried


@contextmanager
def named(*answers: list[str]) -> Iterator[Names]:
    names = Names(list(answers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(safe_http.socket, "getaddrinfo", names.getaddrinfo)
        yield names


@contextmanager
def leading(addresses: dict[str, Any]) -> Iterator[None]:
    """Lead each name to its addresses, or answer with its error; others are not there."""

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        found = addresses.get(host, [])
        if isinstance(found, OSError):
            raise found
        return Names([found]).getaddrinfo(host, port)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(safe_http.socket, "getaddrinfo", getaddrinfo)
        yield


def refused(url: str, **options: Any) -> str:
    with pytest.raises(Unreachable) as caught:
        safe_http.post(url, b"{}", {}, **options)
    return str(caught.value)


class TestAddresses:
    @pytest.mark.parametrize("address", PRIVATE)
    def test_an_address_inside_is_not_public(self, address: str) -> None:
        assert not is_public(ip_address(address))

    @pytest.mark.parametrize("address", OPEN)
    def test_an_address_outside_is(self, address: str) -> None:
        assert is_public(ip_address(address))

    @pytest.mark.parametrize("address", PRIVATE)
    def test_a_name_that_leads_inside_leads_nowhere(
        self, address: str, connected: list[Any]
    ) -> None:
        with named([address]):
            assert refused("https://receiver.example/") == NOWHERE
        assert connected == []

    @pytest.mark.parametrize(
        "addresses",
        [[PUBLIC, "127.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC, "::1"], [PUBLIC, "::ffff:10.0.0.1"]],
    )
    def test_one_address_inside_is_enough_to_refuse(
        self, addresses: list[str], connected: list[Any]
    ) -> None:
        with named(addresses):
            assert refused("https://receiver.example/") == NOWHERE
        assert connected == []

    def test_an_unknown_name_has_the_same_error(self, connected: list[Any]) -> None:
        with named([]):
            assert refused("https://database.internal/") == NOWHERE

    @pytest.mark.parametrize("address", OPEN)
    def test_the_connection_goes_to_the_address_that_was_checked(
        self, address: str, connected: list[Any]
    ) -> None:
        with named([address], ["127.0.0.1"]) as names:  # another one from the second question on
            refused("https://receiver.example:8443/")
        assert names.asked == ["receiver.example"]
        assert connected == [(str(ip_address(address)), 8443)]

    def test_a_name_that_changes_between_two_tries_is_checked_each_time(
        self, connected: list[Any]
    ) -> None:
        with named([PUBLIC], ["169.254.169.254"]):
            refused("https://receiver.example/")
            assert refused("https://receiver.example/") == NOWHERE
        assert connected == [(PUBLIC, 443)]


class TestTheServiceItself:
    """Its names and their addresses, those of this machine, and on loopback its port."""

    OWN, PORT = "93.184.215.99", 8123
    HERE = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

    @pytest.fixture(autouse=True)
    def reached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Reached under two names, an address and every name below a third."""
        hosts = (
            "roadmap.example",
            "xn--lernplne-5za.example",
            "*.team.example",
            "localhost",
            "93.184.215.98",
        )
        mine = settings.model_copy(update={"allowed_hosts": hosts, "port": self.PORT})
        monkeypatch.setattr(own_addresses, "settings", mine)

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "https://roadmap.example/",
                "https://ROADMAP.Example:8443/a",
                "https://a.team.example/",
                "https://A.b.team.example/",
            ),
            *(
                "https://xn--lernplne-5za.example/",
                "https://XN--LERNPLNE-5ZA.example/",
                "https://93.184.215.98/",
            ),
            *(
                "https://[::ffff:93.184.215.98]/",
                "https://[64:ff9b::93.184.215.98]:8443/",
                "https://localhost:8123/",
            ),
            *(
                "https://127.0.0.1:8123/",
                "https://127.9.9.9:8123/",
                "http://[::1]:8123/",
                "https://[::ffff:127.0.0.1]:8123/",
            ),
        ],
    )
    def test_what_names_it_cannot_be_stored_and_is_never_visited(
        self, url: str, connected: list[Any]
    ) -> None:
        with pytest.raises(ValueError, match="must not point to this service"):
            parse(url, self.HERE)
        assert "must not point to this service" in refused(url, networks=self.HERE)
        assert visit(url, networks=self.HERE) == Visit(None, f"its address {OWN}", refused=True)
        assert connected == []

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "https://roadmap.example./",
                "https://roadmap\u3002example/",
                "https://\uff32oadmap.example/",
            ),
            *(
                "https://LERNPL\u00c4NE.example/",
                "https://lernpla\u0308ne.example/",
                "https://%72oadmap.example/",
            ),
        ],
    )
    def test_nor_is_another_spelling_of_its_name_visited(
        self, url: str, connected: list[Any]
    ) -> None:
        with named([PUBLIC]):
            assert visit(url).refused
        assert connected == []

    @pytest.mark.parametrize(
        "url", ["https://team.example/", "https://roadmap.example.org/", "http://127.0.0.1:8124/"]
    )
    def test_what_is_like_it_can_be(self, url: str) -> None:
        parse(url, self.HERE)

    @pytest.mark.parametrize("of_its_name", [OWN, f"64:ff9b::{OWN}", f"::ffff:{OWN}"])
    @pytest.mark.parametrize(
        "found",
        [[OWN], [f"::ffff:{OWN}"], [f"64:ff9b::{OWN}"], ["2002:5db8:d763::1"], [PUBLIC, OWN]],
    )
    def test_another_name_of_an_address_to_which_its_own_lead_is_nowhere(
        self, found: list[str], of_its_name: str, connected: list[Any]
    ) -> None:
        addresses = {"roadmap.example": [of_its_name], "receiver.example": found}
        with leading(addresses):
            assert refused("https://receiver.example/") == NOWHERE
            assert visit("https://receiver.example/") == Visit(None, NOWHERE)
        assert connected == []

    def test_its_address_is_nowhere_when_it_is_written_out(self, connected: list[Any]) -> None:
        with leading({"roadmap.example": [self.OWN]}):
            assert refused(f"https://{self.OWN}/") == NOWHERE
        assert connected == []

    def test_so_is_what_every_name_below_one_of_its_own_leads_to(
        self, connected: list[Any]
    ) -> None:
        with leading({"any.team.example": [self.OWN], "receiver.example": [self.OWN]}):
            assert refused("https://receiver.example/") == NOWHERE
        assert connected == []

    def test_nothing_opens_it(self, connected: list[Any]) -> None:
        with leading({"roadmap.example": ["10.0.0.7"], "receiver.example": ["10.0.0.7"]}):
            assert (
                refused("https://receiver.example/", networks=(ip_network("10.0.0.0/8"),))
                == NOWHERE
            )
            refused("https://10.0.0.8/", networks=(ip_network("10.0.0.0/8"),))
        assert connected == [("10.0.0.8", 443)]

    def test_its_names_are_looked_up_each_time(self, connected: list[Any]) -> None:
        addresses = {"roadmap.example": [PUBLIC], "receiver.example": [self.OWN]}
        with leading(addresses):
            refused("https://receiver.example/")
            assert connected == [(self.OWN, 443)]
            addresses["roadmap.example"] = [self.OWN]
            assert refused("https://receiver.example/") == NOWHERE
        assert connected == [(self.OWN, 443)]

    @pytest.mark.parametrize(
        "error", [socket.gaierror(socket.EAI_AGAIN, "Try again"), OSError("no more files")]
    )
    def test_without_an_answer_of_dns_nothing_is_called(
        self, error: OSError, connected: list[Any]
    ) -> None:
        with leading({"roadmap.example": error, "receiver.example": [PUBLIC]}):
            assert refused("https://receiver.example/") == NOWHERE
        assert connected == []

    @pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    def test_a_name_of_loopback_is_decided_by_the_port(
        self, address: str, connected: list[Any]
    ) -> None:
        with leading({"roadmap.example": ["127.0.0.1", "::1"], "receiver.example": [address]}):
            assert refused(f"https://receiver.example:{self.PORT}/", networks=self.HERE) == NOWHERE
            assert connected == []
            refused("https://receiver.example:8124/", networks=self.HERE)
        assert connected == [(str(ip_address(address)), 8124)]

    def test_but_what_its_own_name_leads_to_beside_the_usual_addresses_is_its_own(
        self, connected: list[Any]
    ) -> None:
        with leading({"roadmap.example": ["127.0.0.7"], "receiver.example": ["127.0.0.7"]}):
            assert refused("https://receiver.example:8124/", networks=self.HERE) == NOWHERE
        assert connected == []

    @pytest.mark.parametrize("address", ["0.0.0.0", "::"])
    def test_this_host_is_no_loopback(self, address: str, connected: list[Any]) -> None:
        with leading({"receiver.example": [address]}):
            assert (
                refused("https://receiver.example:8124/", networks=[ip_network(address)]) == NOWHERE
            )
        assert connected == []

    @pytest.mark.parametrize(
        "found", [[PUBLIC], [f"::ffff:{PUBLIC}"], ["8.8.8.8", PUBLIC], ["2606:4700:4700::1111"]]
    )
    def test_a_public_address_of_an_interface_is_nowhere(
        self, found: list[str], connected: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here = (PUBLIC, "2606:4700:4700::1111")

        def bind(_: Any, address: tuple[str, int]) -> None:
            if address[0] not in here:
                raise OSError(errno.EADDRNOTAVAIL, "not here")

        monkeypatch.setattr(own_addresses.socket.socket, "bind", bind, raising=False)
        with leading({"receiver.example": found}):
            assert refused("https://receiver.example/") == NOWHERE
        assert connected == []
        with pytest.raises(ValueError, match="must not point to this service"):
            parse(f"https://{PUBLIC}/", ())

    def test_an_address_of_an_interface_of_this_machine_is_known(self) -> None:
        """Whatever this machine has: the address from which it would ask others."""
        for family, other in ((socket.AF_INET, "192.0.2.200"), (socket.AF_INET6, "2001:db8::200")):
            with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((other, 9))  # sends nothing
                assert own_addresses.is_own(ip_address(probe.getsockname()[0]), 443, ())
        assert not own_addresses.is_own(ip_address("8.8.8.8"), self.PORT, ())

    def test_a_redirect_to_it_is_not_followed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(link_probe, "robots", link_probe.Robots())
        with receiving() as itself, served() as site:
            mine = settings.model_copy(
                update={"allowed_hosts": ("roadmap.example",), "port": itself.port}
            )
            monkeypatch.setattr(own_addresses, "settings", mine)
            for place in (
                itself.url,
                f"//localhost:{itself.port}/",
                "https://Roadmap.example/",
                f"http://[::1]:{itself.port}/",
            ):
                site.pages["/a"] = page(302, Location=place)
                found = visit(site.url("/a"), networks=self.HERE)
                assert found == Visit(
                    None, f"the address to which it redirects {OWN}", refused=True
                )
            assert itself.got == []


class TestUrls:
    @pytest.mark.parametrize("address", PRIVATE)
    def test_an_address_inside_cannot_be_stored(self, address: str) -> None:
        host = f"[{address}]" if ":" in address else address
        with pytest.raises(ValueError, match=r"public internet|valid URL|ASCII|host name"):
            parse(f"https://{host}/", ())

    @pytest.mark.parametrize(
        "host",
        [
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "127.1",
            "127.0.1",
            "1",
            "0",
            "017700000001",
            "0x7f.1",
            "127.0.0.0x1",
        ],
    )
    def test_another_spelling_of_ipv4_is_no_host(self, host: str) -> None:
        with pytest.raises(ValueError, match="host name"):
            parse(f"https://{host}/", ())
        with pytest.raises(ValueError, match="host name"):
            parse(f"http://{host}:8000/", (ip_network("127.0.0.0/8"),))

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "http://example.org/",
                "ftp://example.org/",
                "file:///etc/passwd",
                "gopher://example.org/",
                "//example.org/",
                "example.org",
            ),
            *(
                "https://user@example.org/",
                "https://user:word@example.org/",
                "https://@example.org/",
                "https://example.org@10.0.0.1/",
            ),
            *(
                "https://example.org:22/",
                "https://example.org:80/",
                "https://example.org:1023/",
                "https://example.org:0/",
            ),
            *(
                "https://example.org:65536/",
                "https://example.org:-1/",
                "https://example.org:a/",
                "https:///path",
                "https://",
                "https:",
            ),
            *(
                "https://exam ple.org/",
                "https://example.org/\r\nX: y",
                "https://example.org/\x00",
                "https://ex\tample.org/",
            ),
            *(
                "https://münchen.example/",
                "https://example.org/ü",
                "https://１２７.0.0.1/",
                "https://example。org/",
            ),
            *(
                "https://example.org\\@10.0.0.1/",
                "https://example.org/#a",
                "https://example.org/#",
                "https://[::1",
                "https://::1/",
            ),
            *(
                "https://-a.example/",
                "https://a-.example/",
                "https://a..example/",
                "https://.example/",
                "https://example.org./",
            ),
            *(
                "https://" + "a" * 64 + ".example/",
                "https://" + "a." * 130 + "example/",
                "https://example.org/" + "a" * 481,
            ),
            *("https://[v1.a]/", "https://%31%32%37.0.0.1/", "https://a_b.example/"),
        ],
    )
    def test_a_url_that_could_be_read_in_two_ways_or_leads_elsewhere_is_refused(
        self, url: str
    ) -> None:
        with pytest.raises(ValueError, match=r"^(must|is not|should)"):
            parse(url, ())

    @pytest.mark.parametrize(
        "url",
        [
            "https://example.org",
            "https://example.org:8443/a?b=c",
            "https://xn--mnchen-3ya.example/",
            f"https://{PUBLIC}/",
        ],
    )
    def test_an_ordinary_one_is_taken(self, url: str) -> None:
        parse(url, ())

    def test_the_longest_has_five_hundred_characters(self) -> None:
        url = "https://example.org/"
        parse(url + "a" * (500 - len(url)), ())
        with pytest.raises(ValueError, match="at most 500"):
            parse(url + "a" * (501 - len(url)), ())

    def test_it_is_checked_when_it_is_stored_and_changed(self, client: TestClient) -> None:
        for url in (
            "https://169.254.169.254/latest",
            "https://user:hunter2@example.org/",
            "http://example.org:22/",
        ):
            answer = client.post(BASE, json={"url": url})
            assert answer.status_code == 422
            assert "hunter2" not in answer.text
        with receiving() as receiver:
            made = client.post(BASE, json={"url": receiver.url}).json()
        where = f"{BASE}/{made['id']}"
        answer = client.put(
            where, json={"url": "https://10.0.0.1/", "events": made["events"], "enabled": True}
        )
        assert answer.status_code == 422
        assert client.get(where).json()["url"] == receiver.url

    def test_one_that_is_stored_is_checked_again_at_each_try(self, connected: list[Any]) -> None:
        assert "the URL must be on the public internet" in refused("https://10.0.0.1/")
        assert connected == []


class TestNetworks:
    HERE = (ip_network("127.0.0.0/8"),)

    def test_what_the_operator_allows_is_reached_also_by_http_and_nothing_beside_it(
        self, connected: list[Any]
    ) -> None:
        with receiving() as receiver, named(["127.0.0.1"]):
            refused(f"http://receiver.example:{receiver.port}/", networks=self.HERE)
        assert connected == [("127.0.0.1", receiver.port)]
        for address in ("10.0.0.1", "169.254.169.254", "::1"):
            with named([address]):
                assert refused("https://receiver.example/", networks=self.HERE) == NOWHERE
        assert len(connected) == 1

    @pytest.mark.parametrize("addresses", [[PUBLIC], [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC]])
    def test_http_goes_nowhere_else(self, addresses: list[str], connected: list[Any]) -> None:
        with named(addresses):
            assert "use https" in refused("http://receiver.example/", networks=self.HERE)
        assert connected == []

    def test_a_mapped_address_is_that_of_the_network(self, connected: list[Any]) -> None:
        with named(["::ffff:127.0.0.1"]):
            refused("http://receiver.example/", networks=self.HERE)
        assert len(connected) == 1

    def test_errors_do_not_disclose_open_ports_and_their_services(self) -> None:
        """Closed, silent, another protocol, half an answer: one sentence."""
        values = {refused(f"http://127.0.0.1:{free_port()}/", networks=self.HERE)}
        for answer in (b"", b"+PONG\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200"):

            def speak(connection: socket.socket, words: bytes) -> None:
                with connection:
                    connection.recv(1024)
                    connection.sendall(words)

            with socket.create_server(("127.0.0.1", 0)) as server:
                thread = threading.Thread(
                    target=lambda server=server, words=answer: speak(server.accept()[0], words)
                )
                thread.start()
                values.add(
                    refused(f"http://127.0.0.1:{server.getsockname()[1]}/", networks=self.HERE)
                )
                thread.join()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"127.0.0.1:{silent.getsockname()[1]}/"
            values |= {
                refused(f"{scheme}://{url}", networks=self.HERE, limit=0.2)
                for scheme in ("http", "https")
            }
        assert values == {UNREACHED}

    def test_in_server_mode_there_are_none_unless_they_are_named(self) -> None:
        servers = {
            "DATABASE_URL": "postgresql://h/d",
            "REDIS_URL": "redis://h",
            "SECRET_KEY": "k" * 40,
            "SERVICE_TYPE": "api",
        }
        assert from_environment(servers).receivers == ()
        named_ones = from_environment({**servers, "WEBHOOK_NETWORKS": "10.1.0.0/16, fd00::/8"})
        assert named_ones.receivers == (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))

    def test_an_embedded_service_reaches_its_own_machine(self) -> None:
        embedded = from_environment({"SERVICE_TYPE": "all", "WEBHOOK_NETWORKS": "10.1.0.0/16"})
        assert set(map(str, embedded.receivers)) == {"10.1.0.0/16", "127.0.0.0/8", "::1/128"}

    @pytest.mark.parametrize("networks", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "everything"])
    def test_the_whole_internet_is_no_network(self, networks: str) -> None:
        with pytest.raises(SettingsError, match="WEBHOOK_NETWORKS"):
            from_environment({"SERVICE_TYPE": "all", "WEBHOOK_NETWORKS": networks})


class TestRedirects:
    def test_one_to_an_address_inside_is_not_followed(self, client: TestClient) -> None:
        with (
            receiving() as inside,
            receiving(
                status(307, Location=inside.url), status(302, Location=inside.url)
            ) as receiver,
        ):
            made = client.post(BASE, json={"url": receiver.url}).json()
            for _ in range(2):
                client.post(f"{BASE}/{made['id']}/test")
            assert len(receiver.got) == 2
            assert inside.got == []
        log = client.get(f"{BASE}/{made['id']}/deliveries").json()["items"]
        assert [each["status"] for each in log] == ["failed", "failed"]
        assert inside.url not in str(log)


class TestSecrets:
    def test_no_secret_and_no_url_is_in_a_log_or_in_another_table(
        self,
        client: TestClient,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        logging.getLogger().addHandler(handler)
        caplog.set_level(logging.DEBUG)
        try:
            with receiving(status(500), status(200)) as receiver:
                url = receiver.url + "?token=of-the-receiver-81c4"
                made = client.post(BASE, json={"url": url}).json()
                rotated = client.post(f"{BASE}/{made['id']}/secret").json()
                client.post("/api/v1/roadmaps", json={"goal": GOAL, "level": "advanced"})
                receiver.answer_from_now_on(status(400))
                client.post(f"{BASE}/{made['id']}/test")
                execution_log.buffer.flush()
        finally:
            logging.getLogger().removeHandler(handler)
        printed = capfd.readouterr()
        output = "\n".join(
            [stream.getvalue(), caplog.text, printed.out, printed.err, self.tables_but("webhook")]
        )
        assert made["id"] in output  # it is written down what happened
        for secret in (made["secret"], rotated["secret"]):
            assert secret.removeprefix("whsec_") not in output
        assert "of-the-receiver-81c4" not in output

    def tables_but(self, *left_out: str) -> str:
        with session():
            names = [table for table in database.get_tables() if table not in left_out]
            return "\n".join(
                repr(database.execute_sql(f'SELECT * FROM "{name}"').fetchall()) for name in names
            )

    def test_what_a_receiver_says_is_not_shown(self, client: TestClient) -> None:
        with receiving(status(500, X_Inside="from-inside-44d1")) as receiver:
            made = client.post(BASE, json={"url": receiver.url}).json()
            made_delivery = client.post(f"{BASE}/{made['id']}/test").headers["location"]
        found = client.get(made_delivery)
        assert found.json()["error"] == "The receiver answered with status 500."
        assert (
            "from-inside-44d1"
            not in found.text + client.get(f"{BASE}/{made['id']}/deliveries").text
        )
