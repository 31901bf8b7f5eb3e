"""Visitors without an account, in a process of their own: they ask for these paths in turn until their input is closed.

python -m tests.security.visitors PORT NUMBER PATH... [HEADER:VALUE...]
"""

import http.client
import itertools
import sys
import threading

from testing.waiting import HANG


def visit(port: int, paths: list[str], headers: dict[str, str], begun: threading.Barrier) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
    begun.wait()
    for path in itertools.cycle(paths):
        connection.request("GET", path, headers=headers)
        connection.getresponse().read()


def main() -> None:
    port, number, *found = sys.argv[1:]
    paths = [each for each in found if each.startswith("/")]
    headers = dict(each.split(":", 1) for each in found if not each.startswith("/"))
    begun = threading.Barrier(int(number) + 1)
    for visitor in range(int(number)):  # each of them begins at another path
        first = visitor * len(paths) // int(number)
        given = (int(port), paths[first:] + paths[:first], headers, begun)
        threading.Thread(target=visit, args=given, daemon=True).start()
    begun.wait()
    print("begun", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
