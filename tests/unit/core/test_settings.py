"""Settings: errors name the variable, never its value."""

import inspect
import re

import pytest
import redis
from pydantic import SecretStr, ValidationError

from core.setting_types import BROKER_OPTIONS
from core.settings import (
    ALL,
    PATTERNS,
    SERVICES,
    SETTING_ALIASES,
    Settings,
    SettingsError,
    from_environment,
    misspelt,
)
from testing.stack import ROOT
from tests.cases import try_each

KEY, OTHER_KEY = "k" * 32, "o" * 32
EMBEDDED = {"SERVICE_TYPE": "all"}
URLS = {"DATABASE_URL": "postgresql://roadmap@db/roadmap", "REDIS_URL": "rediss://queue:6380/0"}
SERVER = {"SERVICE_TYPE": "api", "SECRET_KEY": KEY, **URLS}
SECRET = "hunter2-s3cret"
SECONDS = [name for name in Settings.model_fields if name.endswith("_seconds")]
WHOLE = {
    "PORT": 65_535,
    "API_WORKERS": 32,
    "LOGS_WORKERS": 64,
    "CONTENT_WORKERS": 64,
    "MAX_ATTEMPTS": 20,
}


def complaints(environment: dict[str, str]) -> list[str]:
    """The lines of the message with which an environment is refused."""
    with pytest.raises(SettingsError) as caught:
        from_environment(environment)
    return str(caught.value).splitlines()


def complaint(environment: dict[str, str]) -> str:
    [line] = complaints(environment)
    return line


def test_nothing_but_the_service_type_is_needed_in_embedded_mode() -> None:
    settings = from_environment(EMBEDDED)
    assert settings.embedded
    assert settings.secret_keys == ()
    assert settings.model_dump(exclude={"service_type"}) == Settings(service_type=ALL).model_dump(
        exclude={"service_type"}
    )


def test_the_profile_of_a_small_model_has_defaults_of_its_own() -> None:
    settings = from_environment(EMBEDDED | {"MODEL_PROFILE": "small", "REPAIR_ROUNDS": "1"})
    assert (settings.model_concurrency, settings.repair_rounds) == (1, 1)
    assert settings.model_timeout_seconds < settings.lease_seconds
    assert complaint(EMBEDDED | {"MODEL_PROFILE": "tiny"}).startswith("MODEL_PROFILE: must be")


@try_each("service", [*SERVICES, ALL])
def test_both_urls_and_a_key_make_server_mode_for_every_service(service: str) -> None:
    settings = from_environment({**SERVER, "SERVICE_TYPE": service})
    assert not settings.embedded
    assert settings.service_type == service
    assert settings.secret_keys == (KEY,)


@try_each(
    "name",
    ["HOST", "PORT", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "OPENAI_API_KEY", "LEASE_SECONDS"],
)
def test_an_empty_variable_counts_as_absent(name: str) -> None:
    assert from_environment({**EMBEDDED, name: ""}) == from_environment(EMBEDDED)


def test_variables_that_are_not_ours_are_left_alone() -> None:
    assert from_environment(
        {**EMBEDDED, "PATH": "/bin", "port": "1", "SETTINGS": "x"}
    ) == from_environment(EMBEDDED)


def test_white_space_around_a_value_does_not_matter() -> None:
    padded = {
        "PORT": " 80 ",
        "LOG_LEVEL": "debug\n",
        "OPENAI_API_KEY": f" {SECRET}\n",
        "SECRET_KEY": f"{KEY}\n",
    }
    padded |= {name: f" {url}\n" for name, url in URLS.items()}
    settings = from_environment({**SERVER, **padded})
    assert (settings.port, settings.log_level, settings.secret_keys) == (80, "debug", (KEY,))
    secrets = [settings.openai_api_key, settings.database_url, settings.redis_url]
    assert [secret.get_secret_value() for secret in secrets if secret] == [SECRET, *URLS.values()]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        from_environment(EMBEDDED).port = 1  # type: ignore[misc]


def test_no_secret_shows_when_settings_are_printed() -> None:
    url = f"postgresql://roadmap:{SECRET}@db/roadmap"
    secrets = {
        "DATABASE_URL": url,
        "DIRECT_DATABASE_URL": url,
        "REDIS_URL": f"redis://:{SECRET}@queue",
    }
    settings = from_environment(
        {**SERVER, **secrets, "SECRET_KEY": SECRET * 3, "OPENAI_API_KEY": SECRET}
    )
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("alias", "service"),
    [("celery_logs", "huey_logs"), ("celery_content", "huey_content")],
)
def test_a_service_is_found_under_its_old_name(alias: str, service: str) -> None:
    assert from_environment({**SERVER, "SERVICE_TYPE": alias}).service_type == service


@pytest.mark.parametrize("field", ["logs_workers", "content_workers"])
def test_threads_are_read_under_their_old_names(field: str) -> None:
    alias = SETTING_ALIASES[field]
    assert getattr(from_environment({**SERVER, alias: "7"}), field) == 7
    assert getattr(from_environment({**SERVER, alias: "7", field.upper(): "9"}), field) == 9
    assert getattr(from_environment({**SERVER, alias: " "}), field) == getattr(
        from_environment(SERVER), field
    )


def test_the_key_is_found_under_its_old_name() -> None:
    environment = {"SERVICE_TYPE": "api", "JWT_SECRET_KEY": KEY, **URLS}
    assert from_environment(environment).secret_keys == (KEY,)


def test_the_new_name_of_the_key_goes_before_the_old_one() -> None:
    assert from_environment({**SERVER, "JWT_SECRET_KEY": OTHER_KEY}).secret_keys == (KEY,)


@pytest.mark.parametrize(
    "given", [f"{KEY},{OTHER_KEY}", f" {KEY} , {OTHER_KEY} ", f"{KEY},,{OTHER_KEY},"]
)
def test_several_keys_stay_in_their_order(given: str) -> None:
    assert from_environment({**SERVER, "SECRET_KEY": given}).secret_keys == (KEY, OTHER_KEY)


@try_each("given", [None, "", ",", " , ", " " * 40])
def test_server_mode_refuses_to_start_without_a_key(given: str | None) -> None:
    line = complaint(
        {**URLS, "SERVICE_TYPE": "api", **({} if given is None else {"SECRET_KEY": given})}
    )
    assert "SECRET_KEY is needed" in line
    assert "32 characters" in line


@try_each("given", [SECRET, KEY[:-1], f"{KEY},{SECRET}", f"{SECRET},{KEY}"])
@try_each("mode", [SERVER, EMBEDDED], ids=["server", "embedded"])
def test_a_short_key_is_refused(mode: dict[str, str], given: str) -> None:
    line = complaint({**mode, "SECRET_KEY": given})
    assert "SECRET_KEY must have at least 32 characters" in line
    assert SECRET not in line


@try_each(("given", "missing"), [("DATABASE_URL", "REDIS_URL"), ("REDIS_URL", "DATABASE_URL")])
@try_each("service", [*SERVICES, ALL])
def test_one_url_alone_is_refused(service: str, given: str, missing: str) -> None:
    line = complaint({"SERVICE_TYPE": service, "SECRET_KEY": KEY, given: URLS[given]})
    assert line.startswith(f"{given} is set but {missing} is not")


@try_each("service", [None, "api", "huey_logs", "huey_content", "celery_logs", "celery_content"])
def test_a_single_service_is_refused_in_embedded_mode(service: str | None) -> None:
    line = complaint({"SERVICE_TYPE": service} if service else {})
    assert line.startswith("DATABASE_URL and REDIS_URL are needed")
    assert "SERVICE_TYPE=all" in line


@try_each("host", ["0.0.0.0", "::", "192.168.0.2", "example.org", SECRET])
def test_embedded_mode_listens_on_loopback_only(host: str) -> None:
    line = complaint({**EMBEDDED, "HOST": host})
    assert line.startswith("HOST must be a loopback address")
    assert SECRET not in line


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_embedded_mode_takes_every_name_of_loopback(host: str) -> None:
    assert from_environment({**EMBEDDED, "HOST": host}).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.2"])
def test_server_mode_takes_any_address(host: str) -> None:
    assert from_environment({**SERVER, "HOST": host}).host == host


def test_the_error_of_an_unknown_service_lists_all_services() -> None:
    line = complaint({"SERVICE_TYPE": SECRET})
    assert line == "SERVICE_TYPE: must be api, huey_logs, huey_content or all"


@try_each("name", WHOLE)
@try_each("value", [SECRET, "0", "-1", "1.5", "1e9", "9" * 5000])
def test_a_whole_number_has_its_bounds(name: str, value: str) -> None:
    line = complaint({**EMBEDDED, name: value})
    assert line.startswith(f"{name}: ")
    assert SECRET not in line
    assert (
        from_environment({**EMBEDDED, name: str(WHOLE[name])}).model_dump()[name.lower()]
        == WHOLE[name]
    )
    assert complaint({**EMBEDDED, name: str(WHOLE[name] + 1)}).startswith(f"{name}: ")


@try_each("name", ["PORT", "API_WORKERS", "LOGS_WORKERS", "CONTENT_WORKERS"])
def test_a_number_that_is_not_written_in_digits_is_refused(name: str) -> None:
    assert complaint({**EMBEDDED, name: "2.0"}).startswith(f"{name}: ")


@try_each("name", [name.upper() for name in SECONDS])
@try_each("value", [SECRET, "0", "-1", "86401", "nan", "inf", "-inf"])
def test_a_duration_is_more_than_nothing_and_at_most_a_day(name: str, value: str) -> None:
    line = complaint({**EMBEDDED, name: value})
    assert line.startswith(f"{name}: ")
    assert SECRET not in line


BAD_TEXTS = {
    "DATABASE_URL": [
        SECRET,
        f"mysql://roadmap:{SECRET}@db/roadmap",
        f"postgresql+psycopg2://:{SECRET}@db",
    ],
    "DIRECT_DATABASE_URL": [
        SECRET,
        f"sqlite:///{SECRET}",
        "postgres:5432",
        f"postgresql:/{SECRET}",
    ],
    "REDIS_URL": [
        SECRET,
        f"http://:{SECRET}@queue",
        f"unix:///{SECRET}.sock",
        f"redis:{SECRET}:6379",
        f"redis:/{SECRET}",
    ],
    "OPENAI_BASE_URL": [
        SECRET,
        f"ftp://{SECRET}",
        f"https:///{SECRET}",
        f"https://a {SECRET}",
        "http://a:x/v1",
    ],
    "MODEL_PRICES": [
        SECRET,
        f"{SECRET}=1",
        "a=1/2;b=1/2",
        "a b=1/2",
        "a=1/2,a=1/3",
        "a=1/2,",
        "=1/2",
    ],
    "OPENAI_MODEL": [SECRET * 20],
    "OPENAI_MODEL_QUIZ": [SECRET * 20],
    "OPENAI_REASONING_EFFORT": [SECRET, "very high", "HIGH"],
    "ADMIN_EMAIL": [SECRET, f"{SECRET}@", f"a b@{SECRET}.org", f"a\u200b@{SECRET}.org"],
    "LOG_LEVEL": [SECRET, "critical", "info debug"],
}


@try_each(
    ("name", "value"), [(name, value) for name, values in BAD_TEXTS.items() for value in values]
)
def test_a_text_that_does_not_fit_is_named_and_not_shown(name: str, value: str) -> None:
    line = complaint({**SERVER, name: value})
    assert line.startswith(f"{name}: ")
    assert SECRET not in line
    assert value not in line


@try_each("written", ["postgres", "POSTGRES", "postgresql", "PostgreSQL"])
def test_the_database_is_named_as_its_driver_knows_it(written: str) -> None:
    url = f"{written}://roadmap:A%20b@DB/roadmap?sslmode=require"
    settings = from_environment(
        {**SERVER, "DATABASE_URL": url, "DIRECT_DATABASE_URL": url, "REDIS_URL": "REDISS://Queue/0"}
    )
    assert settings.database_url is not None
    assert (
        settings.database_url.get_secret_value()
        == "postgresql://roadmap:A%20b@DB/roadmap?sslmode=require"
    )
    assert settings.direct_database_url == settings.database_url
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "rediss://Queue/0"


@try_each(
    "option",
    [
        "encoding=x",
        "retry=3",
        "redis_connect_func=x",
        "decode_responses=true",
        "ssl_ca_data=x",
        "ssl_color=x",
        f"{SECRET}=1",
    ],
)
def test_an_option_of_the_broker_that_its_driver_cannot_use_here_is_refused(option: str) -> None:
    """Or what stands behind a question mark that a password has: so it is not repeated."""
    line = complaint({**SERVER, "REDIS_URL": f"rediss://queue/0?{option}"})
    assert line.startswith("REDIS_URL: has an option that is none of db, username,")
    assert option not in line


@try_each("option", BROKER_OPTIONS)
def test_the_driver_knows_every_option_of_the_broker(option: str) -> None:
    """As a parameter of its connections, or of the pool."""
    url = from_environment({**SERVER, "REDIS_URL": f"rediss://queue/0?{option}=1"}).redis_url
    assert url is not None
    known = {
        name
        for kind in redis.SSLConnection.__mro__
        for name in inspect.signature(kind.__init__).parameters
    }
    assert option in known | set(inspect.signature(redis.ConnectionPool.__init__).parameters)


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_a_host_that_none_can_have_is_refused(host: str) -> None:
    assert complaint({**SERVER, "REDIS_URL": f"redis://{host}:6379/0"}).startswith(
        "REDIS_URL: names a host that none can have"
    )


@try_each("password", [f"{SECRET}\N{ACCOUNT OF}", f"[{SECRET}]", f"[{SECRET}"])
@try_each("name", ["DATABASE_URL", "DIRECT_DATABASE_URL", "REDIS_URL"])
def test_a_password_that_makes_a_url_unreadable_is_not_shown(name: str, password: str) -> None:
    scheme = "redis" if name == "REDIS_URL" else "postgresql"
    line = complaint({**SERVER, name: f"{scheme}://roadmap:{password}@db/0"})
    assert line.startswith(f"{name}: ")
    assert SECRET not in line


@try_each("level", ["debug", "INFO", "Warning", "error"])
def test_a_log_level_is_taken_in_any_case(level: str) -> None:
    assert from_environment({**EMBEDDED, "LOG_LEVEL": level}).log_level == level


@pytest.mark.parametrize(
    ("search", "rule"),
    [
        (
            {"SEARCH_KEY": "k" * 31},
            "SEARCH_KEY goes with SEARCH_PROVIDER=brave or tavily, which need one",
        ),
        (
            {"SEARCH_PROVIDER": "brave"},
            "SEARCH_KEY goes with SEARCH_PROVIDER=brave or tavily, which need one",
        ),
        (
            {"SEARCH_PROVIDER": "tavily", "SEARCH_KEY": f"{SECRET}\r\nX: y"},
            "SEARCH_KEY: must be at least 16 characters of ASCII without spaces",
        ),
        ({"SEARCH_PROVIDER": "bing"}, "SEARCH_PROVIDER: must be searxng, brave or tavily"),
        (
            {"SEARCH_URL": f"https://me:{SECRET}@search.example.org"},
            "SEARCH_URL must not contain a user name or a password",
        ),
        (
            {"SEARCH_URL": "searxng:8080"},
            "SEARCH_URL: must be the whole address of a server, as in https://api.openai.com/v1",
        ),
    ],
)
def test_settings_of_a_search_fit_each_other(search: dict[str, str], rule: str) -> None:
    assert complaint({**EMBEDDED, **search}) == rule


@pytest.mark.parametrize(
    "search",
    [
        {"SEARCH_URL": "http://searxng:8080"},
        {"SEARCH_PROVIDER": "brave", "SEARCH_KEY": "k" * 31},
        {"SEARCH_PROVIDER": "tavily", "SEARCH_KEY": "k" * 31, "SEARCH_URL": "http://10.0.0.1/"},
    ],
)
def test_a_search_needs_an_address_or_a_key(search: dict[str, str]) -> None:
    assert from_environment({**EMBEDDED, **search}).search_provider


def test_a_model_call_must_end_before_its_lease() -> None:
    line = complaint({**EMBEDDED, "MODEL_TIMEOUT_SECONDS": "60", "LEASE_SECONDS": "60"})
    assert line == "MODEL_TIMEOUT_SECONDS must be shorter than LEASE_SECONDS"


def test_a_step_may_have_a_model_of_its_own() -> None:
    own = {"OPENAI_MODEL_OUTLINE": "large", "OPENAI_MODEL_QUIZ": "small"}
    settings = from_environment({**EMBEDDED, **own})
    design = dict.fromkeys(("analysis", "outline", "stages", "stage", "revise", "repair"), "large")
    assert settings.step_models == {**design, "quiz": "small"}
    assert from_environment(EMBEDDED).step_models == {}


def test_with_a_budget_every_model_needs_a_price() -> None:
    budget = {"OPENAI_API_KEY": "k", "OPENAI_MODEL": "a", "BUDGET_PER_ROADMAP": "1"}
    own = {**EMBEDDED, **budget, "OPENAI_MODEL_TUTORIAL": "b"}
    with pytest.raises(SettingsError, match="MODEL_PRICES must name OPENAI_MODEL"):
        from_environment({**own, "MODEL_PRICES": "a=1/2"})
    assert from_environment({**own, "MODEL_PRICES": "a=1/2,b=3/4"}).has_budget


def test_one_late_heartbeat_must_not_be_a_death() -> None:
    line = complaint({**EMBEDDED, "HEARTBEAT_SECONDS": "5", "HEARTBEAT_TTL_SECONDS": "14.9"})
    assert line == "HEARTBEAT_TTL_SECONDS must be at least three times HEARTBEAT_SECONDS"


def names(lines: list[str]) -> list[str]:
    return [re.split("[: ]", line)[0] for line in lines]


def test_every_bad_variable_has_a_line_in_one_message() -> None:
    bad = {
        "PORT": "0",
        "API_WORKERS": "many",
        "DATABASE_URL": SECRET,
        "LEASE_SECONDS": "-1",
        "LOG_LEVEL": "loud",
    }
    assert sorted(names(complaints({**SERVER, **bad}))) == sorted(bad)


def test_rules_that_join_variables_have_a_line_each() -> None:
    bad = {
        "MODEL_TIMEOUT_SECONDS": "60",
        "LEASE_SECONDS": "60",
        "HEARTBEAT_TTL_SECONDS": "1",
        "HOST": "0.0.0.0",
    }
    found = names(complaints({**EMBEDDED, **bad}))
    assert sorted(found) == ["HEARTBEAT_TTL_SECONDS", "HOST", "MODEL_TIMEOUT_SECONDS"]


def test_a_short_or_missing_key_is_listed_with_other_bad_variables() -> None:
    assert sorted(names(complaints({**SERVER, "SECRET_KEY": "short", "PORT": "0"}))) == [
        "PORT",
        "SECRET_KEY",
    ]
    assert sorted(names(complaints({"SERVICE_TYPE": "api", "PORT": "0", **URLS}))) == [
        "PORT",
        "SECRET_KEY",
    ]


def test_every_variable_is_described() -> None:
    assert [
        name
        for name, field in Settings.model_fields.items()
        if not re.fullmatch(r"\S.*\.", field.description or "")
    ] == []


def test_the_service_that_the_entrypoint_starts_by_itself_is_that_of_the_model() -> None:
    assert (
        f'SERVICE_TYPE="${{SERVICE_TYPE:-{Settings.model_fields["service_type"].default}}}"'
        in (ROOT / "entrypoint.sh").read_text()
    )


def test_secrets_are_secret_in_the_model() -> None:
    secret = {
        name
        for name in Settings.model_fields
        if name.endswith(("_key", "_password", "_token", "database_url", "redis_url"))
    }
    assert len(secret) == 8
    hidden = {
        name
        for name, field in Settings.model_fields.items()
        if SecretStr.__name__ in str(field.annotation)
    }
    assert hidden == secret


@try_each(
    ("name", "value", "expected"),
    [
        ("PORT", "99999", "PORT: must be less than or equal to 65535"),
        ("LEASE_SECONDS", "-1", "LEASE_SECONDS: must be greater than 0"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: must be debug, info, warning or error"),
        ("CURRENCY", "EURO", "CURRENCY: must be the three letters of a currency, as in USD"),
    ],
)
def test_the_error_of_a_value_out_of_bounds_is_in_our_words(
    name: str, value: str, expected: str
) -> None:
    assert complaints({**EMBEDDED, name: value})[0] == expected


def test_no_setting_answers_with_a_pattern() -> None:
    given = [
        part.pattern
        for field in Settings.model_fields.values()
        for part in field.metadata
        if hasattr(part, "pattern")
    ]
    patterns = {pattern for pattern in given if pattern}
    assert patterns == set(PATTERNS)


@try_each(
    ("name", "meant"),
    [
        ("REQUEST_PER_MINUTE", "REQUESTS_PER_MINUTE"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("REDIS_URI", "REDIS_URL"),
        ("LOG_RETENTION", "LOG_RETENTION_DAYS"),
        ("SECRETKEY", "SECRET_KEY"),
        ("database_url", "DATABASE_URL"),
    ],
)
def test_a_name_that_resembles_a_setting_is_found(name: str, meant: str) -> None:
    assert misspelt({name: SECRET}) == {name: meant}


@try_each(
    ("name", "meant", "is_found"),
    [
        ("REQUEST_PER_MINUTE", "REQUESTS_PER_MINUTE", True),
        ("REDIS_URLS", "REDIS_URL", True),
        ("database_url", "DATABASE_URL", True),
        ("REDIS_URI", "REDIS_URL", False),  # it may be of another program
        ("OPENAI_KEY", "OPENAI_API_KEY", False),
    ],
)
def test_beside_the_right_name_one_with_a_letter_more_or_less_is_found(
    name: str, meant: str, is_found: bool
) -> None:
    assert misspelt({name: SECRET, meant: "1"}) == ({name: meant} if is_found else {})


def test_names_of_others_are_left_alone() -> None:
    others = (
        "HOSTNAME LOGNAME LANGUAGE MAIL UV_LOG_LEVEL XDG_DATA_DIRS JWT_SECRET_KEY POSTGRES_PASSWORD"
    )
    others += (
        " REDIS_PORT API_PORT REDIS_PASSWORD DATABASE_PUBLIC_URL OPENAI_ORG_ID OPENAI_PROJECT_ID"
    )
    others += (
        " RAILWAY_GIT_COMMIT_SHA GIT_COMMIT ROADMAP_URL ROADMAP_TOKEN BIND_ADDRESS WEB_CONCURRENCY"
    )
    names = [
        *others.split(),
        *(name.upper() for name in Settings.model_fields),
        "LOG_LEVEL\nX",
        "P=Q",
    ]
    assert misspelt(dict.fromkeys(names, "")) == {}
