"""Make the tables and so many accounts, logged in, and write their tokens, one a line.

    python -m benchmarks.peers.fastapi_celery.prepare 200

From its standard input it takes the trees of each account, from the first one on, as the service
answers them (or an empty line), and stores them as roadmaps under the same ids.
"""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from benchmarks.peers.fastapi_celery.models import (
    Account,
    Base,
    Concept,
    Content,
    LoginSession,
    Module,
    Roadmap,
    Stage,
)

OWN = ("id", "goal", "title", "status", "generator", "level", "language", "hours_per_week")
NODE = ("id", "key", "title", "description", "hours")
CONCEPT = (*NODE, "week", "difficulty", "prerequisites", "outcomes", "progress")
ELSEWHERE = ("stages", "links", "created_at", "updated_at", "deadline", *OWN)


def main(count: int) -> None:
    engine = create_engine(
        os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://")
    )
    Base.metadata.create_all(engine)
    until = datetime.now(UTC) + timedelta(days=1)
    with Session(engine) as session:
        accounts = [Account(id=uuid4(), email=f"{number}@example.org") for number in range(count)]
        session.add_all(accounts)
        session.flush()
        logins = [
            LoginSession(id=uuid4(), account_id=account.id, expires_at=until)
            for account in accounts
        ]
        session.add_all(logins)
        for account, trees in zip(accounts, json.loads(sys.stdin.readline() or "[]"), strict=False):
            session.add_all(roadmap_of(tree, account.id) for tree in trees)
        session.commit()
        for login in logins:
            payload = {"sub": str(login.account_id), "sid": str(login.id), "exp": until}
            print(jwt.encode(payload, os.environ["SECRET_KEY"], algorithm="HS256"))


def roadmap_of(tree: dict[str, Any], owner_id: UUID) -> Roadmap:
    details = {name: value for name, value in tree.items() if name not in ELSEWHERE}
    stages = [
        Stage(
            **_only(stage, NODE),
            position=number,
            modules=[_module(*each) for each in enumerate(stage["modules"])],
        )
        for number, stage in enumerate(tree["stages"])
    ]
    return Roadmap(owner_id=owner_id, details=details, stages=stages, **_only(tree, OWN))


def _module(position: int, module: dict[str, Any]) -> Module:
    concepts = [
        Concept(**_only(concept, CONCEPT), position=number, contents=_contents(concept))
        for number, concept in enumerate(module["concepts"])
    ]
    return Module(**_only(module, NODE), position=position, concepts=concepts)


def _contents(concept: dict[str, Any]) -> list[Content]:
    return [
        Content(kind=kind, **_only(state, ("status", "version", "error")))
        for kind, state in concept["contents"].items()
    ]


def _only(of: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: UUID(of[name]) if name == "id" else of[name] for name in names}


if __name__ == "__main__":
    main(int(sys.argv[1]))
