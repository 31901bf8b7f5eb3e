"""PostgreSQL and Redis on loopback for a trial, until the end of standard input."""

import signal
import sys

from testing.servers import Postgres, Redis, scratch_folder


def main() -> None:
    # The parent closes the input, after it has ended its own services.
    for number in (signal.SIGINT, signal.SIGTERM):
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
