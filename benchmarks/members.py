"""Make accounts of a service, logged in, and write their tokens, one a line.

    python -m benchmarks.members 200
    python -m benchmarks.members 200 admin     the first of them is an administrator

The settings of the service are in the environment. Without passwords: hashing some hundreds of them
would take longer than the measurement.
"""

import sys

from core import clock
from core.db import transaction
from core.ids import new_id
from models.accounts import Account
from roadmap.accounts import sessions
from roadmap.accounts.identity import Device
from web.auth import tokens


def main(count: int, rank: str = "") -> None:
    with transaction():
        for number in range(count):
            account_id = new_id()
            fields = {
                "id": account_id,
                "email": f"{account_id}@example.org",
                "password_hash": "",
                "created_at": clock.now(),
            }
            account = Account.create(**fields, is_admin=rank == "admin" and not number)
            print(tokens.access_token(sessions.begin(account, Device("benchmark"))))


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
