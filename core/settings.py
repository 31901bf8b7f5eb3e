"""Settings: a frozen model of all environment variables, built by a pure function.

Errors name the variables and their rules, all in one message, and never contain a value.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.config import JsonDict

from core.i18n import gettext_noop
from core.password_strength import password_weakness
from core.paths import DATA, resolved
from core.sanitize import normalize_email
from core.setting_types import (
    Count,
    Hosts,
    LinkNetworks,
    Money,
    Origins,
    PostgresUrl,
    Prices,
    Proxies,
    RedisUrl,
    Seconds,
    Token,
    WebAddress,
    WebhookNetworks,
)


class LogFormat(StrEnum):
    auto = "auto"
    text = "text"
    json = "json"


class ModelProfile(StrEnum):
    auto = "auto"
    large = "large"
    small = "small"


# Defaults under MODEL_PROFILE=small: a model on a machine of one's own is slow, and does one thing
# at a time. Outlines are made of parts that fit together, so repairing the whole is not worth it;
# and what a small model says of its own quiz says little.
SMALL = {
    "model_concurrency": "1",
    "model_max_tokens": "4096",
    "model_timeout_seconds": "900",
    "model_idle_seconds": "120",
    "lease_seconds": "960",
    "repair_rounds": "0",
    "quiz_check": "false",
}
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LOOPBACK_NETWORKS = ("127.0.0.0/8", "::1/128")
SHORTEST_KEY = 32  # characters of a SECRET_KEY
ONE_LETTER_CUTOFF = 0.94  # REQUEST_PER_MINUTE to REQUESTS_PER_MINUTE, REDIS_URLS to REDIS_URL
SIMILAR_CUTOFF = (
    0.88  # REDIS_URI to REDIS_URL; UV_LOG_LEVEL, of another program, is farther from LOG_LEVEL
)
# The services that read a setting: compose.yaml and .railway/railway.ts pass it on to these, and
# `make format` writes their lists. Settings without one of these have values there, and so has a
# setting in the file by which it is given.
EVERY_SERVICE: JsonDict = {"read_by": "every service"}
API_AND_CONTENT: JsonDict = {"read_by": "api and content"}
API_ALONE: JsonDict = {"read_by": "api"}
# Set by Railway, or by .railway/railway.ts to pass the api's names on to the content consumer
RAILWAY_HOSTS = (
    "RAILWAY_PUBLIC_DOMAIN",
    "RAILWAY_PRIVATE_DOMAIN",
    "API_PUBLIC_DOMAIN",
    "API_PRIVATE_DOMAIN",
)
# From where it connects. Other services of a project connect from elsewhere.
RAILWAY_EDGE = "100.64.0.0/10"
RAILWAY_HEALTH_CHECK = "healthcheck.railway.app"


class SettingsError(Exception):
    """Invalid environment; the message names each variable and its rule."""


class Admission(StrEnum):
    """Policy for new accounts."""

    open = "open"
    invite = "invite"
    closed = "closed"


class SearchProvider(StrEnum):
    """Form of the requests to a search engine."""

    searxng = "searxng"
    brave = "brave"
    tavily = "tavily"


CURRENCY, HEADER_NAME = r"^[A-Za-z]{3}$", r"^[A-Za-z0-9-]{1,40}$"
EFFORT = "^[a-z]{0,20}$"
OwnModel = Annotated[str, Field(max_length=200)]
# Steps of model calls by the setting OPENAI_MODEL_...; the others are named like theirs.
STEPS_OF = {"outline": ("analysis", "outline", "stages", "stage", "revise", "repair")}
LOG_LEVEL = "^(?i:debug|info|warning|error)$"
PATTERNS = {
    CURRENCY: "must be the three letters of a currency, as in USD",
    EFFORT: "must be one word in lower case, as in low, medium or high",
    HEADER_NAME: "must be the name of a header: letters, digits and hyphens, as in X-Forwarded-For",
    LOG_LEVEL: "must be debug, info, warning or error",
}


# Values of SERVICE_TYPE beside those of the consumers, and names in the stack before this one
API, ALL = "api", "all"
SERVICE_ALIASES = {"celery_logs": "huey_logs", "celery_content": "huey_content"}
# Names of settings in that stack; they are read where the setting is absent.
SETTING_ALIASES = {
    "secret_key": "JWT_SECRET_KEY",
    "logs_workers": "CELERY_LOGS_CONCURRENCY",
    "content_workers": "CELERY_CONTENT_CONCURRENCY",
}


@dataclass(frozen=True, slots=True)
class Consumer:
    """A queue and the service that runs its tasks, which are in `tasks/<queue>.py`."""

    queue: str
    instance: str  # of Huey, as huey_consumer names it
    threads: "Callable[[Settings], int]"
    connections: int  # to the database, beside one of each thread
    label: str = ""  # on operators' pages, which have the name as well
    if_paused: str = ""  # what an operator must know before pausing it

    @property
    def service(self) -> str:
        return f"huey_{self.queue}"


CONSUMERS = (
    Consumer(
        queue="logs",
        instance="tasks.queues.logs_queue",
        threads=lambda settings: settings.logs_workers,
        connections=2,  # those that save counts and the last records
        label=gettext_noop("Logs and upkeep"),
        if_paused=gettext_noop(
            "Rescue and upkeep run in this queue, so they pause too: the work of a dead worker is "
            "not taken over until then. Log records wait in the queue."
        ),
    ),
    Consumer(
        queue="content",
        instance="tasks.queues.content_queue",
        threads=lambda settings: settings.content_workers,
        connections=3,  # those that save counts, renew and return leases
        label=gettext_noop("Roadmaps"),
        if_paused=gettext_noop(
            "New roadmaps are still accepted, but they have to wait. Nothing is lost."
        ),
    ),
)
SERVICES = (API, *(each.service for each in CONSUMERS))


def _check_service_type(name: str) -> str:
    name = SERVICE_ALIASES.get(name, name)
    if name not in (*SERVICES, ALL):
        raise ValueError(f"must be {', '.join(SERVICES)} or {ALL}")
    return name


def _check_tracks_dir(path: Path) -> Path:
    path = resolved(path)
    if not path.is_dir() or (path / "track.toml").exists():
        raise ValueError("must be a folder that holds the folders of tracks")
    return path


class Settings(BaseModel):
    """Variables by their names in lower case. Durations are in seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    service_type: Annotated[str, AfterValidator(_check_service_type)] = Field(
        API,
        description="This process: api, huey_logs, huey_content, or all three in one instance.",
    )
    host: str = Field(
        "",
        description="Listen address of the API. Empty: all addresses (IPv4 and IPv6); in embedded "
        "mode 127.0.0.1.",
    )
    port: Count = Field(8000, ge=1, le=65_535, description="Listen port of the API.")
    api_workers: Count = Field(
        1, ge=1, le=32, description="Processes of the API.", json_schema_extra=API_ALONE
    )
    logs_workers: Count = Field(
        2, ge=1, le=64, description="Threads of the logs consumer.", json_schema_extra=EVERY_SERVICE
    )
    content_workers: Count = Field(
        4,
        ge=1,
        le=64,
        description="Threads of the content consumer.",
        json_schema_extra=EVERY_SERVICE,
    )
    database_url: PostgresUrl = Field(
        None,
        description="PostgreSQL. With REDIS_URL: server mode. Neither: embedded mode on SQLite.",
    )
    direct_database_url: PostgresUrl = Field(
        None,
        description="PostgreSQL without a transaction pooler, for migrations and backups. Default: "
        "DATABASE_URL.",
        json_schema_extra={**EVERY_SERVICE, "given_by": "compose.yaml"},  # empty: it has no pooler
    )
    redis_url: RedisUrl = Field(None, description="Redis or Valkey, redis:// or rediss:// (TLS).")
    data_dir: Path = Field(
        DATA, description="Folder of embedded mode. Installed from a wheel: ~/.local/share/roadmap."
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Signs tokens and messages, at least 32 characters. Several, separated by "
        "commas: the first signs, all verify. Required in server mode.",
        json_schema_extra={**EVERY_SERVICE, "given_by": "compose.yaml"},  # an error where absent
    )
    tracks_dir: Annotated[Path, AfterValidator(_check_tracks_dir)] | None = Field(
        None,
        description="Folder with tracks of your own, beside the built-in ones. Read at the start. "
        "A relative path is relative to the code or, installed from a wheel, to the current "
        "folder. Absolute in the image.",
        json_schema_extra=API_AND_CONTENT,
    )
    openai_api_key: SecretStr | None = Field(
        None,
        description="Key of an OpenAI-compatible model. Without it: the built-in catalogue.",
        json_schema_extra=API_AND_CONTENT,
    )
    openai_base_url: WebAddress = Field(
        "https://api.openai.com/v1",
        description="Address of the model's server.",
        json_schema_extra=API_AND_CONTENT,
    )
    openai_model: str = Field(
        "gpt-5-mini",
        min_length=1,
        max_length=200,
        description="Name of the model.",
        json_schema_extra=API_AND_CONTENT,
    )
    openai_model_outline: OwnModel = Field(
        "",
        description="Model of analyses, outlines and changes, if not OPENAI_MODEL.",
        json_schema_extra=API_AND_CONTENT,
    )
    openai_model_tutorial: OwnModel = Field(
        "",
        description="Model of tutorials, if not OPENAI_MODEL.",
        json_schema_extra=API_AND_CONTENT,
    )
    openai_model_resources: OwnModel = Field(
        "",
        description="Model of resources, if not OPENAI_MODEL.",
        json_schema_extra=API_AND_CONTENT,
    )
    openai_model_quiz: OwnModel = Field(
        "", description="Model of quizzes, if not OPENAI_MODEL.", json_schema_extra=API_AND_CONTENT
    )
    openai_reasoning_effort: str = Field(
        "",
        pattern=EFFORT,
        description="Effort of models that reason, such as low or high. Empty: theirs.",
        json_schema_extra=API_AND_CONTENT,
    )
    model_profile: ModelProfile = Field(
        ModelProfile.auto,
        description="How the model is asked: large, or small (short prompts, outlines stage by "
        "stage, one call at a time, long time limits). auto: small if its server reports a context "
        "of fewer than 16384 tokens.",
        json_schema_extra=EVERY_SERVICE,
    )
    model_timeout_seconds: Seconds = Field(
        90, description="Limit of one model call.", json_schema_extra=EVERY_SERVICE
    )
    model_idle_seconds: Seconds = Field(
        30,
        description="Silence in the middle of an answer after which a call is given up. The first "
        "token may take MODEL_TIMEOUT_SECONDS.",
        json_schema_extra=API_AND_CONTENT,
    )
    model_concurrency: Count = Field(
        8,
        ge=1,
        le=256,
        description="Concurrent model calls in a process. Fewer after the provider has answered "
        "429.",
        json_schema_extra=API_AND_CONTENT,
    )
    model_max_tokens: Count = Field(
        16_384,
        ge=256,
        le=1_000_000,
        description="Maximum tokens of one answer; limits the cost of a call.",
        json_schema_extra=API_AND_CONTENT,
    )
    model_prices: Prices = Field(
        (),
        description="Price of a million prompt and completion tokens by model, and of "
        "cached prompt tokens if they are cheaper: gpt-5-mini=0.25/2/0.025, other=0.1/0.4.",
        json_schema_extra=API_AND_CONTENT,
    )
    currency: str = Field(
        "USD",
        pattern=CURRENCY,
        description="Currency of MODEL_PRICES and of the budgets.",
        json_schema_extra=API_AND_CONTENT,
    )
    budget_per_roadmap: Money = Field(
        Decimal(0),
        description="Maximum cost of the model calls of a roadmap. 0: no limit.",
        json_schema_extra=API_AND_CONTENT,
    )
    budget_per_user_month: Money = Field(
        Decimal(0),
        description="Maximum cost of the model calls of an account in a month (UTC). 0: no limit.",
        json_schema_extra=API_AND_CONTENT,
    )
    repair_rounds: Count = Field(
        2,
        ge=0,
        le=5,
        description="Rounds in which a model may repair an invalid outline.",
        json_schema_extra=API_AND_CONTENT,
    )
    quiz_check: bool = Field(
        True,
        description="Have a second call answer each quiz without its key, and questions that it "
        "answers otherwise rewritten or left out. Not done where a budget is needed for the rest.",
        json_schema_extra=API_AND_CONTENT,
    )
    checked_concepts: bool = Field(
        True,
        description="With a model, let plans take concepts of the built-in catalogue as they are: "
        "people have checked them, and they cost nothing.",
        json_schema_extra=API_AND_CONTENT,
    )
    lessons_ahead: Count = Field(
        0,
        ge=0,
        le=1000,
        description="With a model, write only so many lessons ahead of the learner; the others "
        "follow with the progress. 0: all at once.",
        json_schema_extra=API_AND_CONTENT,
    )
    lease_seconds: Seconds = Field(
        120,
        description="Maximum time a live worker may hold a roadmap or content after its newest "
        "model call began. Longer than MODEL_TIMEOUT_SECONDS.",
        json_schema_extra=EVERY_SERVICE,
    )
    max_attempts: Count = Field(
        6,
        ge=1,
        le=20,
        description="Attempts for a roadmap's outline and for each content.",
        json_schema_extra=EVERY_SERVICE,
    )
    retry_base_seconds: Seconds = Field(
        5,
        description="First pause before a retry; doubles each time.",
        json_schema_extra=EVERY_SERVICE,
    )
    rescue_after_seconds: Seconds = Field(
        15,
        description="Age at which work that no worker has taken is enqueued again.",
        json_schema_extra=EVERY_SERVICE,
    )
    heartbeat_seconds: Seconds = Field(
        3,
        description="Interval of heartbeats of consumers and leases.",
        json_schema_extra=EVERY_SERVICE,
    )
    heartbeat_ttl_seconds: Seconds = Field(
        9,
        description="Silence after which a consumer's work is taken over.",
        json_schema_extra=EVERY_SERVICE,
    )
    shutdown_grace_seconds: Seconds = Field(20, description="Time for running tasks after SIGTERM.")
    startup_wait_seconds: Seconds = Field(
        60,
        description="How long a service waits for its database, broker and schema.",
        json_schema_extra=EVERY_SERVICE,
    )
    token_ttl_seconds: Seconds = Field(
        86_400, description="Maximum duration of a login.", json_schema_extra=API_ALONE
    )
    session_idle_seconds: Seconds = Field(
        28_800,
        description="Time without a request after which a login ends.",
        json_schema_extra=API_ALONE,
    )
    registration: Admission = Field(
        Admission.invite,
        description="Who may create an account: any visitor (open), people invited by an "
        "administrator (invite), or no one (closed).",
        json_schema_extra=API_ALONE,
    )
    admin_email: Annotated[str, AfterValidator(lambda text: text and normalize_email(text))] = (
        Field(
            "",
            description="First administrator, created when the API starts unless there is one.",
            json_schema_extra=API_ALONE,
        )
    )
    admin_password: SecretStr | None = Field(
        None,
        description="Password of the first administrator, at least 12 characters. Remove both once "
        "the account exists.",
        json_schema_extra=API_ALONE,
    )
    allowed_hosts: Hosts = Field(
        (),
        description="Host names of the API, separated by commas; this machine's and Railway's are "
        "always included. Webhooks and link checks never call them: set them for the "
        "content consumer too.",
        json_schema_extra=API_AND_CONTENT,
    )
    cors_origins: Origins = Field(
        (),
        description="Origins, separated by commas, of other pages whose scripts may call the API "
        "with an access token.",
        json_schema_extra=API_ALONE,
    )
    hsts_include_subdomains: bool = Field(
        False,
        description="Extend HSTS to all subdomains: browsers then use TLS only, for a year.",
        json_schema_extra=API_ALONE,
    )
    client_address_header: str = Field(
        "X-Forwarded-For",
        pattern=HEADER_NAME,
        description="Header in which a trusted proxy names the client; of a list, the last entry "
        "that is no trusted proxy counts. On Railway: X-Real-IP.",
        json_schema_extra=API_ALONE,
    )
    trusted_proxies: Proxies = Field(
        (),
        description="Addresses or networks of proxies whose CLIENT_ADDRESS_HEADER is trusted. "
        "Default: none; on Railway its edge.",
        json_schema_extra=API_ALONE,
    )
    webhook_networks: WebhookNetworks = Field(
        (),
        description="Private addresses or networks that webhooks may reach, also over http. "
        "Default: none; in embedded mode this machine.",
        json_schema_extra=EVERY_SERVICE,
    )
    link_check_days: Count = Field(
        30,
        ge=0,
        le=365,
        description="Interval of link checks in days; dead links are marked and replaced. 0: no "
        "checks.",
        json_schema_extra=EVERY_SERVICE,
    )
    link_networks: LinkNetworks = Field(
        (),
        description="Private addresses or networks that link checks may reach, such as those of a "
        "wiki.",
        json_schema_extra=EVERY_SERVICE,
    )
    search_provider: SearchProvider = Field(
        SearchProvider.searxng,
        description="Search engine that finds resources for a model: searxng, brave or tavily.",
        json_schema_extra=API_AND_CONTENT,
    )
    search_url: WebAddress | None = Field(
        None,
        description="Address of the search engine, which may be a private one. Without it: Brave's "
        "or Tavily's own, and no search by SearXNG.",
        json_schema_extra=API_AND_CONTENT,
    )
    search_key: Token = Field(
        None, description="Key for Brave or Tavily.", json_schema_extra=API_AND_CONTENT
    )
    requests_per_minute: Count = Field(
        600,
        ge=0,
        le=100_000_000,
        description="Requests of an account; half as many of an address without one. A tenth as "
        "many imports and copies an hour. 0: no limit. Server mode only.",
        json_schema_extra=API_ALONE,
    )
    login_attempts: Count = Field(
        10,
        ge=0,
        le=1_000_000,
        description="Wrong passwords for one account from one address in 15 minutes; ten times as "
        "many for an account in an hour, and from an address in 15 minutes. Twice as "
        "many new accounts from an address in an hour. 0: no limit.",
        json_schema_extra=API_ALONE,
    )
    most_unfinished_roadmaps: Count = Field(
        100,
        ge=1,
        le=10_000_000,
        description="Roadmaps of an account that may be queued, planned or built at once.",
        json_schema_extra=API_ALONE,
    )
    most_queued_roadmaps: Count = Field(
        10_000,
        ge=1,
        le=100_000_000,
        description="Roadmaps of all accounts that may wait for a worker; more are answered with "
        "503.",
        json_schema_extra=API_ALONE,
    )
    metrics_token: Token = Field(
        None,
        description="Bearer token for GET /metrics, at least 16 characters. Without it: accounts "
        "and keys that may observe; in embedded mode no token.",
        json_schema_extra=API_ALONE,
    )
    log_retention_days: Count = Field(
        90,
        ge=0,
        le=36_500,
        description="How long the execution log is kept, in whole months (UTC). 0: for ever.",
        json_schema_extra=EVERY_SERVICE,
    )
    log_level: str = Field(
        "INFO",
        pattern=LOG_LEVEL,
        description="debug, info, warning or error.",
        json_schema_extra=EVERY_SERVICE,
    )
    log_format: LogFormat = Field(
        LogFormat.auto,
        description="Format of process logs: json, text, or auto (text in embedded mode and "
        "terminals, else json).",
        json_schema_extra=EVERY_SERVICE,
    )

    @property
    def has_api(self) -> bool:
        return self.service_type in (API, ALL)

    @property
    def embedded(self) -> bool:
        """Return whether there is one machine with SQLite, and no account is needed."""
        return self.database_url is None

    @property
    def secret_keys(self) -> tuple[str, ...]:
        """Return the keys: the first signs, all verify. Embedded mode may have none here."""
        given = self.secret_key.get_secret_value() if self.secret_key else ""
        return tuple(key.strip() for key in given.split(",") if key.strip())

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """Return names and addresses of the service; *.example.org matches all below."""
        given = (*self.allowed_hosts, self.host.lower())
        return tuple(host for host in given if host not in ("", RAILWAY_HEALTH_CHECK))

    @property
    def receivers(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks to which webhooks may go beside the public internet.

        The user of an embedded service owns its machine, which therefore counts.
        """
        given = (*self.webhook_networks, *(LOOPBACK_NETWORKS if self.embedded else ()))
        return tuple(ip_network(network) for network in given)

    @property
    def linked(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks whose pages are checked beside the public internet."""
        return tuple(ip_network(network) for network in self.link_networks)

    @property
    def has_budget(self) -> bool:
        return bool(self.budget_per_roadmap or self.budget_per_user_month)

    @property
    def step_models(self) -> dict[str, str]:
        """Return the models of steps that have one of their own."""
        return {
            step: model
            for part in ("outline", "tutorial", "resources", "quiz")
            for step in STEPS_OF.get(part, (part,))
            if (model := getattr(self, f"openai_model_{part}"))
        }

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        """Check the rules between variables. Raises ValueError with all broken ones."""
        modes, others = (
            [rule.format(found) for rule, find in rules.items() if (found := find(self))]
            for rules in (MODE_RULES, RULES)
        )
        if problems := [*modes[:1], *others]:
            raise ValueError("\n".join(problems))
        return self


# What finds that a rule is broken; its value is in the place of {}. Of modes the first is reported.
MODE_RULES: dict[str, Callable[[Settings], object]] = {
    "DATABASE_URL is set but REDIS_URL is not: "
    "set both for server mode, or neither for embedded mode": (
        lambda found: found.database_url is not None and found.redis_url is None
    ),
    "REDIS_URL is set but DATABASE_URL is not: "
    "set both for server mode, or neither for embedded mode": (
        lambda found: found.database_url is None and found.redis_url is not None
    ),
    "DATABASE_URL and REDIS_URL are needed for SERVICE_TYPE={}: "
    "embedded mode (SQLite) exists only under SERVICE_TYPE=all, "
    "so that a single service never works on an empty queue of its own": (
        lambda found: found.embedded and found.service_type != ALL and found.service_type
    ),
    "HOST must be a loopback address in embedded mode, which has no accounts: "
    "set DATABASE_URL and REDIS_URL to serve others": (
        lambda found: found.embedded and found.host not in ("", *LOOPBACK)
    ),
    "SECRET_KEY is needed in server mode: "
    "set it to a random text of at least 32 characters, the same for every service": (
        lambda found: not found.embedded and not found.secret_keys
    ),
}
RULES: dict[str, Callable[[Settings], object]] = {
    f"SECRET_KEY must have at least {SHORTEST_KEY} characters (each key, when there are several)": (
        lambda found: any(len(key) < SHORTEST_KEY for key in found.secret_keys)
    ),
    "ADMIN_EMAIL and ADMIN_PASSWORD go together: "
    "set both for the first administrator, or neither": (
        lambda found: bool(found.admin_email) != bool(found.admin_password)
    ),
    "ADMIN_PASSWORD {}": (
        lambda found: (
            found.admin_email
            and found.admin_password
            and password_weakness(found.admin_password.get_secret_value(), found.admin_email)
        )
    ),
    "MODEL_PRICES must name OPENAI_MODEL when there is a budget: "
    "without its price, and those of OPENAI_MODEL_..., the cost of a call is unknown": (
        lambda found: (
            found.has_budget
            and found.openai_api_key
            and {found.openai_model, *found.step_models.values()}.difference(
                price.model for price in found.model_prices
            )
        )
    ),
    "SEARCH_KEY goes with SEARCH_PROVIDER=brave or tavily, which need one": (
        lambda found: (
            (found.search_key is None) != (found.search_provider == SearchProvider.searxng)
        )
    ),
    "SEARCH_URL must not contain a user name or a password": (
        lambda found: "@" in (found.search_url or "").partition("//")[2].partition("/")[0]
    ),
    "MODEL_TIMEOUT_SECONDS must be shorter than LEASE_SECONDS": (
        lambda found: found.model_timeout_seconds >= found.lease_seconds
    ),
    "HEARTBEAT_TTL_SECONDS must be at least three times HEARTBEAT_SECONDS": (
        lambda found: found.heartbeat_seconds * 3 > found.heartbeat_ttl_seconds
    ),
}


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the known variables; an empty one counts as absent. Raises SettingsError."""
    values: dict[str, str] = {}
    for name in Settings.model_fields:
        for variable in (name.upper(), SETTING_ALIASES.get(name, "")):
            if environment.get(variable, "").strip():
                values.setdefault(name, environment[variable])
    if values.get("model_profile", "").strip() == ModelProfile.small:
        values = SMALL | values
    if environment.get("RAILWAY_ENVIRONMENT_ID") or environment.get("RAILWAY_PUBLIC_DOMAIN"):
        values["allowed_hosts"] = ",".join(
            [
                values.get("allowed_hosts", ""),
                *(environment.get(name, "") for name in RAILWAY_HOSTS),
                RAILWAY_HEALTH_CHECK,
            ]
        )
        values = {"trusted_proxies": RAILWAY_EDGE, "client_address_header": "X-Real-IP"} | values
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = _broken_rules(error)
    bad = {line.partition(":")[0] for line in lines} & {name.upper() for name in values}
    try:  # the rules that join variables, for those that are good by themselves
        Settings.model_validate(
            {name: value for name, value in values.items() if name.upper() not in bad}
        )
    except ValidationError as error:
        lines += [
            line
            for line in _broken_rules(error)
            if line not in lines and not any(name in line for name in bad)
        ]
    raise SettingsError("\n".join(lines))


def misspelt(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables that are no settings, with those that they resemble.

    A setting that is set already is meant only by a name that has one letter more or less: other
    programs have similar names.
    """
    ours = [name.upper() for name in Settings.model_fields]
    unset = [name for name in ours if not environment.get(name, "").strip()]
    shortened: dict[str, str] = {}  # without a word, as OPENAI_KEY or LOG_RETENTION
    for variable in unset:
        first, *rest = variable.split("_")
        for at in range(len(rest) if len(rest) > 1 else 0):
            shortened.setdefault("_".join([first, *rest[:at], *rest[at + 1 :]]), variable)
    found = {}
    for name in environment:
        if name not in ours and re.fullmatch("[A-Za-z0-9_]{5,60}", name):
            close = get_close_matches(name.upper(), unset, n=1, cutoff=SIMILAR_CUTOFF)
            close += get_close_matches(name.upper(), ours, n=1, cutoff=ONE_LETTER_CUTOFF)
            if meant := close[0] if close else shortened.get(name.upper()):
                found[name] = meant
    return dict(sorted(found.items()))


def _broken_rules(error: ValidationError) -> list[str]:
    """Return the broken rules, each after the name of its variable, if it has one."""
    lines = []
    for problem in error.errors(include_url=False):
        rule, context = problem["msg"].replace("Input should be", "must be"), problem.get("ctx", {})
        if problem["type"] == "value_error":
            rule = str(context["error"])
        elif problem["type"] == "enum":
            rule = f"must be {context['expected'].replace(chr(39), '')}"
        elif problem["type"] == "bool_parsing":
            rule = "must be true or false"
        elif problem["type"] == "string_pattern_mismatch":
            rule = PATTERNS[context["pattern"]]
        name = ".".join(str(part) for part in problem["loc"]).upper()
        lines += (f"{name}: {rule}" if name else rule).splitlines()
    return lines
