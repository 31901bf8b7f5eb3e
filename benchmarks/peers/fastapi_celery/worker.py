"""The Celery application: one task makes roadmaps, one writes the log.

    celery -A benchmarks.peers.fastapi_celery.worker worker --queues content --concurrency 2

Messages are acknowledged when their task has run.
"""

import os
import time
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import redis
from celery import Celery
from sqlalchemy import Engine, create_engine, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from benchmarks.peers.fastapi_celery.models import LogRecord, Roadmap

STARTED = "started"  # a key of Redis: when a task of content began, in seconds since 1970

app = Celery("peer", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    task_routes={"plan_roadmap": {"queue": "content"}, "write_log": {"queue": "logs"}},
)


@cache
def engine() -> Engine:
    """Of this process: made after the fork, as SQLAlchemy's documentation asks for."""
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://")
    return create_engine(
        url,
        pool_size=4,
        max_overflow=0,
        connect_args={"application_name": os.environ.get("SERVICE", "celery")},
    )


@app.task(name="plan_roadmap")
def plan_roadmap(roadmap_id: str) -> None:
    redis.Redis.from_url(os.environ["REDIS_URL"]).set(STARTED, repr(time.time()), nx=True)
    with Session(engine()) as session:
        session.execute(
            update(Roadmap).where(Roadmap.id == UUID(roadmap_id)).values(status="planning")
        )
        session.commit()


@app.task(name="write_log")
def write_log(record: dict[str, Any]) -> None:
    roadmap_id = UUID(record["roadmap_id"])
    row = {
        **record,
        "id": UUID(record["id"]),
        "at": datetime.fromisoformat(record["at"]),
        "roadmap_id": roadmap_id,
    }
    with Session(engine()) as session:
        session.execute(insert(LogRecord).values(row).on_conflict_do_nothing())
        session.commit()
