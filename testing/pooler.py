"""A real PgBouncer as deploy/pgbouncer.ini configures it, before a PostgreSQL of the tests."""

import configparser
import os
import re
import shutil
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from testing.servers import UNPRIVILEGED, Postgres, Server, as_unprivileged, open_to_others
from testing.stack import ROOT
from testing.waiting import HANG

FILE = ROOT / "deploy" / "pgbouncer.ini"
PASSWORD = "of-the-pooler-77c1"
POOL = 4  # connections to the server


def binary() -> str:
    """Debian's is outside the PATH of people. Skips where there is none: no wheel has one."""
    found = shutil.which(
        "pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    )
    if found is None:
        pytest.skip(
            "NOT RUN: there is no pgbouncer; "
            "scripts/bring_pgbouncer.sh or `apt-get install pgbouncer` brings it"
        )
    return found


class PgBouncer(Server):
    """Before one database, with a small pool. It refuses to run as root."""

    def __init__(self, folder: Path, postgres: Postgres, database: str) -> None:
        super().__init__(folder)
        self._binary, self._database = binary(), database
        found = configparser.ConfigParser(interpolation=None)
        found.read(FILE)
        there = f"host={postgres.host} port={postgres.port} dbname={database}"
        entry = re.sub(r"host=\S+ port=\S+ dbname=\S+", there, found["databases"]["roadmap"])
        assert there in entry
        found["databases"] = {database: entry}
        here = {
            "listen_port": str(self.port),
            "default_pool_size": str(POOL),
            "auth_file": str(folder / "userlist.txt"),
        }
        found["pgbouncer"].update({**here, "unix_socket_dir": "", "stats_users": "postgres"})
        (folder / "userlist.txt").write_text(f'"postgres" "{PASSWORD}"\n')
        with (folder / "pgbouncer.ini").open("w") as file:
            found.write(file)
        if os.getuid() == 0:
            open_to_others(folder)
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, UNPRIVILEGED)

    def url(self, database: str = "", password: str = PASSWORD) -> str:
        return f"postgresql://postgres:{password}@{self.address}/{database or self._database}"

    def clients(self) -> int:
        """Connections of clients to the database."""
        with closing(psycopg2.connect(self.url("pgbouncer"))) as console:
            console.autocommit = True  # it knows no transactions
            with console.cursor() as cursor:
                cursor.execute("SHOW CLIENTS")
                assert cursor.description is not None
                place = [column.name for column in cursor.description].index("database")
                return sum(row[place] == self._database for row in cursor.fetchall())

    def stop(self) -> None:
        self._end(signal.SIGQUIT)  # at once; for SIGINT it waits until no client is connected

    def _command(self) -> list[str]:
        return [self._binary, str(self.folder / "pgbouncer.ini")]

    def _identity(self) -> dict[str, Any]:
        return as_unprivileged()

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url(), connect_timeout=HANG).close()
        except psycopg2.OperationalError:
            return False
        return True
