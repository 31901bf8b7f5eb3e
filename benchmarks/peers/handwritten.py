"""The same job with as little as possible, by hand: Starlette, asyncpg and redis.asyncio.

The practical limit of one commit a request. Token (the signature and age that the service checks),
validation, one statement for the row and its event, one round trip to Redis for a signed message
and a record of the log. It knows no limits, no ended logins and no Idempotency-Key.

    uvicorn benchmarks.peers.handwritten:app      serves
    python -m benchmarks.peers.handwritten 200    makes the tables, and tokens of so many accounts
"""

import hmac
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID, uuid4

import asyncpg
import psycopg2
import redis.asyncio
from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

POOL = 16
KEY = os.environ["SECRET_KEY"]
TABLES = """
CREATE TABLE roadmap (id uuid PRIMARY KEY, owner_id uuid NOT NULL, goal text NOT NULL,
    level varchar(20) NOT NULL, hours_per_week integer NOT NULL, background text NOT NULL,
    motivation text NOT NULL, preferences text NOT NULL, language varchar(35) NOT NULL,
    status varchar(20) NOT NULL, due_at timestamptz NOT NULL, created_at timestamptz NOT NULL);
CREATE INDEX ON roadmap (owner_id, id);
CREATE INDEX ON roadmap (status, due_at);
CREATE TABLE roadmap_event (
    roadmap_id uuid REFERENCES roadmap ON DELETE CASCADE, seq integer, type varchar(40) NOT NULL,
    data jsonb NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (roadmap_id, seq));
"""
INSERT = """
WITH made AS (
    INSERT INTO roadmap (id, owner_id, goal, level, hours_per_week, background, motivation,
        preferences, language, status, due_at, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued', $10, $10))
INSERT INTO roadmap_event (roadmap_id, seq, type, data, at)
VALUES ($1, 1, 'roadmap.queued', '{}', $10)
"""
Text = Annotated[str, Field(max_length=2000)]
serializer = URLSafeTimedSerializer(KEY, salt="access")


class RoadmapRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    goal: Annotated[str, Field(min_length=2, max_length=1000)]
    level: Literal["beginner", "intermediate", "advanced"] = "beginner"
    hours_per_week: Annotated[int, Field(ge=1, le=80)] = 8
    background: Text = ""
    motivation: Text = ""
    preferences: Text = ""
    language: Annotated[
        str, Field(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$", max_length=35)
    ] = "en"


pool: asyncpg.Pool
broker: redis.asyncio.Redis


async def create(request: Request) -> Response:
    try:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        owner_id = UUID(serializer.loads(token, max_age=86_400))
        asked = RoadmapRequest.model_validate_json(await request.body())
    except BadData:
        return JSONResponse({"detail": "The token is not valid."}, 401)
    except ValidationError as error:
        return JSONResponse({"detail": error.errors(include_url=False)}, 422)
    roadmap_id, now = uuid4(), datetime.now(UTC)
    texts = (asked.background, asked.motivation, asked.preferences, asked.language)
    await pool.execute(
        INSERT, roadmap_id, owner_id, asked.goal, asked.level, asked.hours_per_week, *texts, now
    )
    async with broker.pipeline(transaction=False) as pipeline:
        pipeline.lpush("content", signed({"task": "plan_roadmap", "id": str(roadmap_id)}))
        pipeline.lpush(
            "logs",
            signed(
                {
                    "at": now.isoformat(),
                    "message": "Accepted the goal",
                    "roadmap_id": str(roadmap_id),
                }
            ),
        )
        await pipeline.execute()
    path = f"/api/v1/roadmaps/{roadmap_id}"
    links = {"self": path, "events": f"{path}/events"}
    return JSONResponse(
        {"id": str(roadmap_id), "status": "queued", "links": links}, 202, {"Location": path}
    )


def signed(message: dict[str, str]) -> bytes:
    content = json.dumps(message).encode()
    return hmac.digest(KEY.encode(), content, "sha256") + content


async def health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    global pool, broker  # noqa: PLW0603
    settings = {"application_name": "handwritten"}
    pool = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=POOL, max_size=POOL, server_settings=settings
    )
    broker = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], max_connections=POOL * 8)
    yield
    await pool.close()
    await broker.aclose()


app = Starlette(
    routes=[Route("/api/v1/roadmaps", create, methods=["POST"]), Route("/health", health)],
    lifespan=lifespan,
)


def prepare(count: int) -> None:
    with psycopg2.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
    for _ in range(count):
        print(serializer.dumps(uuid4().hex))


if __name__ == "__main__":
    prepare(int(sys.argv[1]))
