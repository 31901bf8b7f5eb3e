"""Makes accounts of the service whose settings are in the environment, logged in, and writes their tokens, one a line.

    python -m benchmarks.members 200

Without passwords: hashing some hundreds of them would take longer than the measurement.
"""

import sys

from core import clock
from core.ids import new_id
from core.runtime import transaction
from models.accounts import Account
from roadmap import sessions
from roadmap.sessions import Device
from web import tokens


def main(count: int) -> None:
    with transaction():
        for _ in range(count):
            account_id = new_id()
            account = Account.create(id=account_id, email=f"{account_id}@example.org", password_hash="", created_at=clock.now())
            print(tokens.access_token(sessions.begin(account, Device("benchmark"))))


if __name__ == "__main__":
    main(int(sys.argv[1]))
