"""A PostgreSQL and a Redis on loopback for a trial: prints their addresses and ends them with its standard input."""

import signal
import sys

from tests.servers import Postgres, Redis, scratch_folder


def main() -> None:
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # who started it ends it by closing the input, after its own services
        signal.signal(number, signal.SIG_IGN)
    with scratch_folder() as one, scratch_folder() as other:
        database, broker = Postgres(one), Redis(other)
        try:
            database.start()
            broker.start()
            print(database.create_database("roadmap"), broker.url(), sep="\n", flush=True)
            sys.stdin.read()
        finally:
            for server in (broker, database):
                server.stop()


if __name__ == "__main__":
    main()
