"""The API: `uvicorn benchmarks.peers.fastapi_celery.app:app`.

DATABASE_URL, REDIS_URL and SECRET_KEY are read once.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload

from benchmarks.peers.fastapi_celery.models import (
    Concept,
    Event,
    LoginSession,
    Module,
    Roadmap,
    Stage,
    now,
)
from benchmarks.peers.fastapi_celery.worker import plan_roadmap, write_log

POOL = 16
SECRET_KEY = os.environ["SECRET_KEY"]
engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"),
    pool_size=POOL,
    max_overflow=0,
    connect_args={"server_settings": {"application_name": "fastapi"}},
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
bearer = HTTPBearer()


class Level(StrEnum):
    beginner = "beginner"
    intermediate = "intermediate"
    advanced = "advanced"


Text = Annotated[str, Field(max_length=2000)]


class RoadmapRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    goal: Annotated[str, Field(min_length=2, max_length=1000)]
    level: Level = Level.beginner
    hours_per_week: Annotated[int, Field(ge=1, le=80)] = 8
    deadline: date | None = None
    background: Text = ""
    motivation: Text = ""
    preferences: Text = ""
    language: Annotated[
        str, Field(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$", max_length=35)
    ] = "en"


class Accepted(BaseModel):
    id: UUID
    status: str
    links: dict[str, str]


class FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ContentState(FromRow):
    kind: str
    status: str
    version: int
    error: str


class ConceptNode(FromRow):
    id: UUID
    key: str
    title: str
    description: str
    hours: int
    week: int
    difficulty: int
    prerequisites: list[UUID]
    outcomes: list[str]
    progress: str
    contents: list[ContentState]


class ModuleNode(FromRow):
    id: UUID
    key: str
    title: str
    description: str
    hours: int
    concepts: list[ConceptNode]


class StageNode(FromRow):
    id: UUID
    key: str
    title: str
    description: str
    hours: int
    modules: list[ModuleNode]


class RoadmapTree(FromRow):
    id: UUID
    goal: str
    title: str
    status: str
    generator: str
    level: str
    language: str
    hours_per_week: int
    deadline: date | None
    details: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    stages: list[StageNode]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def database() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Database = Annotated[AsyncSession, Depends(database)]


async def account_of(
    db: Database, credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
) -> UUID:
    """The owner of the token, unless it has expired or its login has ended."""
    refused = HTTPException(
        status.HTTP_401_UNAUTHORIZED, "The token is not valid.", {"WWW-Authenticate": "Bearer"}
    )
    try:
        payload = jwt.decode(credentials.credentials, SECRET_KEY, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise refused from None
    login = await db.get(LoginSession, UUID(payload["sid"]))
    if login is None or login.ended_at is not None:
        raise refused
    return login.account_id


Owner = Annotated[UUID, Depends(account_of)]


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/api/v1/roadmaps", status_code=status.HTTP_202_ACCEPTED)
async def create_roadmap(
    request: RoadmapRequest, owner: Owner, db: Database, response: Response
) -> Accepted:
    roadmap = Roadmap(id=uuid4(), owner_id=owner, **request.model_dump())
    roadmap.events.append(Event(seq=1, type="roadmap.queued"))
    db.add(roadmap)
    await db.commit()
    plan_roadmap.delay(str(roadmap.id))
    record = {
        "category": "api",
        "step": "accept",
        "message": "Accepted the goal",
        "level": "info",
        "roadmap_id": str(roadmap.id),
    }
    write_log.delay({**record, "id": str(uuid4()), "at": now().astimezone(UTC).isoformat()})
    path = f"/api/v1/roadmaps/{roadmap.id}"
    response.headers["Location"] = path
    return Accepted(
        id=roadmap.id, status="queued", links={"self": path, "events": f"{path}/events"}
    )


@app.get("/api/v1/roadmaps/{roadmap_id}")
async def read_roadmap(
    roadmap_id: UUID,
    owner: Owner,
    db: Database,
    request: Request,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """With an ETag of its content, as the service has; nothing is sent to who has it already."""
    concepts = (
        selectinload(Roadmap.stages).selectinload(Stage.modules).selectinload(Module.concepts)
    )
    wanted = select(Roadmap).where(Roadmap.id == roadmap_id, Roadmap.owner_id == owner)
    roadmap = (
        await db.scalars(wanted.options(concepts.selectinload(Concept.contents)))
    ).one_or_none()
    if roadmap is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such roadmap.")
    content = RoadmapTree.model_validate(roadmap).model_dump_json().encode()
    tag = f'"{sha256(content).hexdigest()[:24]}"'
    if if_none_match == tag:
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers={"ETag": tag})
    return Response(content, media_type="application/json", headers={"ETag": tag})
