"""Servers that are spoken to in TLS: those the services trust, and words about the others."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from testing.servers import LOOPBACK, Postgres, listens, scratch_folder, started
from testing.stack import running, server_stack
from testing.tls import TlsRedis
from testing.waiting import wait_until
from tests.cases import try_each
from tests.launching import CONSUMERS, refusal, waited
from tests.startup.processes import SECRET, Check


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of the authority that has signed the broker's certificate."""
    path = tmp_path_factory.mktemp("authority") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def tls_broker(authority: trustme.CA) -> Iterator[TlsRedis]:
    with (
        scratch_folder() as folder,
        started(TlsRedis(folder, authority.issue_cert(LOOPBACK))) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def misnamed(authority: trustme.CA) -> Iterator[TlsRedis]:
    """A broker with a good certificate, but for another host."""
    with (
        scratch_folder() as folder,
        started(TlsRedis(folder, authority.issue_cert("redis.example.org"))) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def expired(authority: trustme.CA) -> Iterator[TlsRedis]:
    over = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = authority.issue_cert(LOOPBACK, not_before=over.replace(year=2019), not_after=over)
    with scratch_folder() as folder, started(TlsRedis(folder, certificate)) as server:
        yield server


# Trusted


def test_the_main_job_is_done_with_a_broker_whose_authority_is_named(
    postgres: Postgres, tls_broker: TlsRedis, trusted: str, tmp_path: Path
) -> None:
    """By the system for the worker that writes contents, in the address for the others."""
    by_address = f"{tls_broker.tls_url()}?ssl_ca_certs={trusted}"
    stack = server_stack(tmp_path, postgres, tls_broker, REDIS_URL=by_address)
    by_system = {"REDIS_URL": tls_broker.tls_url(), "SSL_CERT_FILE": trusted}
    stack.services["huey_content"].environment |= by_system
    with running(stack):
        stack.do_the_main_job()


# Refused


@try_each("name", CONSUMERS)
def test_a_broker_with_an_unknown_authority_is_refused_at_once(
    check: Check, tls_broker: TlsRedis, name: str
) -> None:
    service = check(name, REDIS_URL=tls_broker.tls_url(password=SECRET))
    line = refusal(service)
    assert "its certificate is not trusted" in line
    assert "ssl_ca_certs" in line
    assert "REDIS_URL" in line
    assert not waited(service)


def test_a_broker_whose_certificate_is_for_another_host_is_refused_at_once(
    check: Check, misnamed: TlsRedis, trusted: str
) -> None:
    service = check(
        "huey_logs", REDIS_URL=f"{misnamed.tls_url(password=SECRET)}?ssl_ca_certs={trusted}"
    )
    line = refusal(service)
    assert "its certificate is for another host" in line
    assert "REDIS_URL" in line
    assert not waited(service)


def test_a_broker_whose_certificate_has_expired_is_refused_at_once(
    check: Check, expired: TlsRedis, trusted: str
) -> None:
    line = refusal(
        check("huey_logs", REDIS_URL=f"{expired.tls_url(password=SECRET)}?ssl_ca_certs={trusted}")
    )
    assert "its certificate is not valid at this time" in line
    assert "REDIS_URL" in line


def test_tls_at_a_plain_port_is_reported(check: Check, tls_broker: TlsRedis) -> None:
    url = f"rediss://:{SECRET}@{LOOPBACK}:{tls_broker.port}/0"
    line = refusal(check("huey_logs", REDIS_URL=url, STARTUP_WAIT_SECONDS="0.5"))
    assert "the server does not use TLS on this port" in line
    assert "redis:// instead of rediss:// in REDIS_URL" in line


def test_plain_text_at_a_tls_port_is_reported(check: Check, tls_broker: TlsRedis) -> None:
    url = f"redis://:{SECRET}@{LOOPBACK}:{tls_broker.tls_port}/0"
    line = refusal(check("huey_logs", REDIS_URL=url, STARTUP_WAIT_SECONDS="0.5"))
    assert "the server closes the connection at once" in line
    assert "rediss:// in REDIS_URL" in line


@try_each("name", ["api", "huey_content"])
@try_each("option", ["ssl_ca_certs", "ssl_certfile"])
@try_each("text", [None, "no certificate"])
def test_a_file_of_certificates_that_cannot_be_read_is_refused_at_once(
    check: Check, tmp_path: Path, name: str, option: str, text: str | None
) -> None:
    path = tmp_path / ("authority.pem" if text else "absent.pem")
    if text:
        path.write_text(text)
    service = check(name, REDIS_URL=f"rediss://:{SECRET}@{LOOPBACK}:1/0?{option}={path}")
    line = refusal(service)
    assert f"no certificate can be read from {path}" in line
    assert option in line
    assert "REDIS_URL" in line
    assert not waited(service)


def test_a_name_that_no_file_can_have_is_refused(check: Check) -> None:
    line = refusal(
        check("huey_logs", REDIS_URL=f"rediss://:{SECRET}@{LOOPBACK}:1/0?ssl_ca_certs=a%00b")
    )
    assert "no certificate can be read from a" in line


@try_each("name", ["api", "huey_content"])
@try_each(
    ("scheme", "option"),
    [
        ("redis", "ssl_ca_certs=/etc/authority.pem"),
        ("rediss", "ssl_cert_reqs=maybe"),
        ("redis", "db=x"),
        ("redis", "protocol=7"),
    ],
)
def test_an_option_that_the_driver_of_the_broker_does_not_have_is_refused_at_once(
    check: Check, name: str, scheme: str, option: str
) -> None:
    service = check(name, REDIS_URL=f"{scheme}://:{SECRET}@{LOOPBACK}:1/0?{option}")
    line = refusal(service)
    assert "the driver rejects REDIS_URL" in line
    assert not waited(service)


def test_the_api_says_why_it_can_send_nothing_to_a_broker_that_it_does_not_trust(
    postgres: Postgres, tls_broker: TlsRedis, tmp_path: Path
) -> None:
    """It accepts goals nevertheless, as while a broker is away."""
    stack = server_stack(
        tmp_path, postgres, tls_broker, REDIS_URL=tls_broker.tls_url(password=SECRET)
    )
    try:
        stack.services["api"].start()
        wait_until(lambda: listens(LOOPBACK, stack.port), reason="the API answers")
        stack.headers = stack.register()
        stack.create()
        wait_until(
            lambda: "its certificate is not trusted" in stack.api.output, reason="the API says why"
        )
        assert "REDIS_URL" in stack.api.output
        assert SECRET not in stack.api.output
        assert stack.get("/health/ready").status_code == 503
    finally:
        stack.stop()


# The database


def test_tls_at_a_database_without_it_is_reported(check: Check, postgres: Postgres) -> None:
    url = f"postgresql://postgres:{SECRET}@{LOOPBACK}:{postgres.port}/postgres?sslmode=require"
    for name in ("api", *CONSUMERS):
        line = refusal(
            check(
                name,
                DATABASE_URL=url,
                REDIS_URL=f"redis://{LOOPBACK}:1/0",
                STARTUP_WAIT_SECONDS="0.5",
            )
        )
        assert "the server does not support TLS" in line
        assert "sslmode=require" in line
        assert "DATABASE_URL" in line
