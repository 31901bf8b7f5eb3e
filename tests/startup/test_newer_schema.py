"""A start on the schema of a newer version: during an upgrade, or after a mere downgrade."""

from pathlib import Path

from core.migrate import HISTORY, connected, migrate
from core.settings import Settings, from_environment
from testing.servers import Postgres
from testing.stack import clean_environment
from tests.startup.processes import KEY, checked

WARNING = (
    "warning: the database has the schema of a newer version (9999_tomorrow); run that version, "
    "or restore a backup from before the upgrade for this one"
)


def upgraded(settings: Settings) -> None:
    """Note a migration that this version does not know."""
    migrate(settings)
    with connected(settings) as database, database.atomic():
        columns = {column.name for column in database.get_columns(HISTORY)}
        moment = dict.fromkeys(columns - {"id", "name"}, "'2026-01-05'")
        names = ", ".join(("name", *moment))
        values = ", ".join(("'9999_tomorrow'", *moment.values()))
        database.execute_sql(f"INSERT INTO {HISTORY} ({names}) VALUES ({values})")


def test_an_embedded_service_says_so(tmp_path: Path) -> None:
    place = {"DATA_DIR": str(tmp_path), "SERVICE_TYPE": "all"}
    upgraded(from_environment({**clean_environment(), **place}))
    started = checked("all", **place)
    assert started.code == 0
    assert WARNING in started.errors


def test_the_api_and_a_consumer_say_so(server: dict[str, str], postgres: Postgres) -> None:
    given = {**server, "DATABASE_URL": postgres.create_database("newer"), "SECRET_KEY": KEY}
    upgraded(from_environment(given))
    for service in ("api", "huey_content"):
        started = checked(service, **given)
        assert started.code == 0, started
        assert WARNING in started.errors, service
