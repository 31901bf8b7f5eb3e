"""Types of settings: URLs, counts, money, hosts and networks, with the rules that they follow.

The message of a broken rule never contains the value.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

SHORTEST_TOKEN = 16  # characters of a METRICS_TOKEN or a SEARCH_KEY
# Allowed in REDIS_URL. Other options of the driver are no text, or change what a queue reads.
BROKER_OPTIONS = (
    "db", "username", "password", "protocol", "client_name", "max_connections",
    "health_check_interval", "socket_keepalive",
    "socket_timeout", "socket_connect_timeout", "socket_read_size", "retry_on_timeout",
    "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password",
    "ssl_cert_reqs", "ssl_check_hostname", "ssl_ciphers", "ssl_min_version",
    "ssl_include_verify_flags", "ssl_exclude_verify_flags",
)  # fmt: skip


def _check_scheme(*allowed: str, always: str = "") -> AfterValidator:
    """Check the scheme of a URL, and write it in lower case or as `always`."""

    def check(url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            scheme, _ = parts.scheme, parts.port
            if parts.netloc.count("@") > 1 or re.search("%(?![0-9A-Fa-f]{2})", parts.netloc):
                raise ValueError
        except ValueError:  # its message would show the password
            raise ValueError(
                "is not a readable address; "
                "special characters of a password must be percent-encoded"
            ) from None
        _, slashes, rest = url.get_secret_value().partition("://")
        if scheme not in allowed or not slashes:
            raise ValueError(f"must start with {' or '.join(f'{name}://' for name in allowed)}")
        return SecretStr(f"{always or scheme}://{rest}")

    return AfterValidator(check)


def _check_each(pattern: str, rule: str) -> AfterValidator:
    """Check every text of a list against a pattern, and write it in lower case."""

    def check(texts: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(pattern, text) for text in texts):
            raise ValueError(rule)
        return tuple(text.lower() for text in texts)

    return AfterValidator(check)


def _check_digits(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,9}", value.strip()):
        raise ValueError("must be a whole number")
    return value


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a million tokens, in the currency of the settings.

    `cached`: of tokens of the prompt that the provider had in its cache; None: as others.
    """

    model: str
    prompt: Decimal
    completion: Decimal
    cached: Decimal | None = None


def _parse_prices(value: object) -> object:
    """Parse `gpt-5-mini=0.25/2, other=0.1/0.4/0.01`.

    A name may contain an equals sign or a slash.
    """
    if not isinstance(value, str):
        return value
    number = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
    prices = []
    for part in value.split(","):
        match = re.fullmatch(rf"([^\s;]+)\s*=\s*{number}/{number}(?:/{number})?", part.strip())
        if match is None:
            raise ValueError(
                "must be MODEL=PROMPT/COMPLETION or MODEL=PROMPT/COMPLETION/CACHED for each model, "
                "separated by commas, as in gpt-5-mini=0.25/2/0.025"
            )
        prices.append(Price(match[1], *(Decimal(each) for each in match.groups()[1:] if each)))
    if len({price.model for price in prices}) < len(prices):
        raise ValueError("must name each model once")
    return tuple(prices)


def _check_web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_readable = bool(parts.hostname) and parts.port != 0 and not re.search(r"\s", url)
    except ValueError:
        is_readable = False
    if not is_readable or parts.scheme not in ("http", "https"):
        raise ValueError("must be the whole address of a server, as in https://api.openai.com/v1")
    return url


def _split_at_commas(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _check_networks(whose: str, risk: str) -> AfterValidator:
    def check(networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                parsed = ip_network(network)
            except ValueError:
                raise ValueError(
                    f"must be addresses or networks {whose}, such as 10.0.0.0/8, "
                    "separated by commas"
                ) from None
            if parsed.prefixlen == 0:
                raise ValueError(f"must not be everybody: {risk}")
        return networks

    return AfterValidator(check)


def _check_broker_url(url: SecretStr) -> SecretStr:
    """Check host and options. The driver takes any option, and ignores empty ones."""
    parts = urlsplit(url.get_secret_value())
    try:
        (parts.hostname or "").encode("idna")
    except UnicodeError:
        raise ValueError(
            "names a host that none can have: a part between two dots is empty or too long"
        ) from None
    # The message must not show an option, which may be part of a password.
    if {name for name, _ in parse_qsl(parts.query)} - set(BROKER_OPTIONS):
        raise ValueError(f"has an option that is none of {', '.join(BROKER_OPTIONS)}")
    return url


def _check_token(token: SecretStr) -> SecretStr:
    if not re.fullmatch(rf"[!-~]{{{SHORTEST_TOKEN},}}", token.get_secret_value()):
        raise ValueError(f"must be at least {SHORTEST_TOKEN} characters of ASCII without spaces")
    return token


PostgresUrl = (
    Annotated[SecretStr, _check_scheme("postgresql", "postgres", always="postgresql")] | None
)
RedisUrl = (
    Annotated[SecretStr, _check_scheme("redis", "rediss"), AfterValidator(_check_broker_url)] | None
)
Count = Annotated[int, BeforeValidator(_check_digits)]
Money = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]
Prices = Annotated[tuple[Price, ...], BeforeValidator(_parse_prices)]
WebAddress = Annotated[str, AfterValidator(_check_web_address)]
Token = Annotated[SecretStr, AfterValidator(_check_token)] | None
Texts = Annotated[tuple[str, ...], BeforeValidator(_split_at_commas)]
Hosts = Annotated[
    Texts,
    _check_each(
        r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?",
        "must be names of hosts, without scheme and port, separated by commas; "
        "*.example.org for all below",
    ),
]
Origins = Annotated[
    Texts,
    _check_each(
        r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?",
        "must be origins as browsers send them, such as https://app.example.org, "
        "separated by commas",
    ),
]
Proxies = Annotated[Texts, _check_networks("of proxies", "a client could then claim any address")]
WebhookNetworks = Annotated[
    Texts, _check_networks("of receivers", "a webhook could then go to every server inside")
]
LinkNetworks = Annotated[
    Texts, _check_networks("of pages", "a link could then tell of every server inside")
]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
