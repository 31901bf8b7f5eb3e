"""An attacker: an outsider with two ordinary accounts who tries what is usual on a running server.

`python -m tests.attacks.attacker URL` prints what was tried and how it ended, and ends with 1 when
any attack worked. The accounts are `--token` and `--other`, or are registered where anybody may.
`--embedded`: a server without accounts. Each attack is a function whose docstring says what would
be won; it is over in seconds and bounded: at most 50 requests run at once.
"""

import argparse
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tests.attacks.attacker import (
    access,
    browsers,
    disclosure,
    exhaustion,
    injection,
    logins,
    patterns,
    races,
)
from tests.attacks.attacker.target import (
    AUTH,
    GOAL,
    ME,
    PASSWORD,
    REGISTERED,
    ROADMAPS,
    Account,
    Finding,
    Function,
    Outcome,
    Target,
    stranger,
)

# Last the attacks that end with a limit, and the one that needs no server.
MODULES = (logins, access, injection, browsers, exhaustion, disclosure, races, patterns)
ATTACKS = [each for module in MODULES for each in REGISTERED if each.__module__ == module.__name__]


def run(target: Target, attacks: Iterable[Function] = ()) -> Iterator[tuple[str, Finding]]:
    for function in attacks or ATTACKS:
        yield function.__name__.replace("_", " "), function(target)


def prepared(target: Target) -> Target:
    """Make accounts, where anybody may have one, and a roadmap of each; SystemExit without any."""
    if not target.embedded:
        for account in (target.me, target.other):
            if not account.token:
                account.email, account.password = stranger(), PASSWORD
                given = {"email": account.email, "password": account.password}
                answer = target.ask("POST", f"{AUTH}/register", given, token=None)
                if not answer.ok:
                    text = answer.body.decode("utf-8", "replace")[:300]
                    raise SystemExit(f"no account: {answer.status} {text}")
                account.token, target.anybody = answer.json()["access_token"], True
            account.email = target.ask("GET", ME, token=account.token).json().get("email", "")
    target.mine = _roadmap(target, target.me, "awaiting_review", review=True)
    target.theirs = _roadmap(target, target.other, "ready")
    tree = target.ask("GET", target.theirs, token=target.other.token).json()
    concepts = (
        concept["id"]
        for stage in tree.get("stages", ())
        for module in stage["modules"]
        for concept in module["concepts"]
    )
    target.concept = next(concepts, str(uuid.uuid4()))
    return target


def _roadmap(target: Target, account: Account, wanted: str, **fields: Any) -> str:
    made = target.ask("POST", ROADMAPS, {"goal": GOAL, **fields}, token=account.token)
    path = f"{ROADMAPS}/{made.json().get('id', uuid.uuid4())}"
    deadline = time.monotonic() + target.patience
    while made.ok and time.monotonic() < deadline:
        if target.ask("GET", path, token=account.token).json().get("status") == wanted:
            break
        threading.Event().wait(0.1)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.attacker", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--embedded", action="store_true", help="it has no accounts")
    parser.add_argument("--token", default="", help="of an ordinary account")
    parser.add_argument("--other", default="", help="of another one")
    parser.add_argument(
        "--password",
        default="",
        help="of both, for attacks that log in; it is changed for the first",
    )
    parser.add_argument("--invitation", default="", help="a good one, which is used up")
    parser.add_argument("--no-limits", action="store_true", help="limits are off on purpose")
    given = parser.parse_args(arguments)
    me, other = (Account(token, password=given.password) for token in (given.token, given.other))
    url = given.url.rstrip("/")
    target = prepared(
        Target(
            url, given.embedded, me, other, invitation=given.invitation, limits=not given.no_limits
        )
    )
    worked = 0
    for name, finding in run(target):
        print(f"{finding.outcome:10} {name:36} {finding.tried[:400]}", flush=True)
        worked += finding.outcome is Outcome.worked
    print(f"{worked} of {len(ATTACKS)} attacks worked")
    return int(worked > 0)


if __name__ == "__main__":
    sys.exit(main())
