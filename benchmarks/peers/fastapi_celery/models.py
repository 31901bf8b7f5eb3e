"""The tables, with the columns and indexes that the service has for the same."""

from datetime import UTC, date, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: JSONB,
    }


class Account(Base):
    __tablename__ = "account"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class LoginSession(Base):
    __tablename__ = "login_session"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True
    )
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)


class Roadmap(Base):
    __tablename__ = "roadmap"
    __table_args__ = (
        Index("roadmap_owner", "owner_id", "id"),
        Index("roadmap_status_due", "status", "due_at"),
        Index("roadmap_status", "status", "id"),
        Index("roadmap_generator", "generator", "id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    goal: Mapped[str] = mapped_column(Text)
    level: Mapped[str] = mapped_column(String(20))
    hours_per_week: Mapped[int]
    deadline: Mapped[date | None]
    background: Mapped[str] = mapped_column(Text, default="")
    motivation: Mapped[str] = mapped_column(Text, default="")
    preferences: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(35))
    title: Mapped[str] = mapped_column(String(200), default="")
    generator: Mapped[str] = mapped_column(String(100), default="")
    details: Mapped[dict[str, Any] | None]  # what else the service tells of a roadmap
    status: Mapped[str] = mapped_column(String(20), default="queued")
    due_at: Mapped[datetime] = mapped_column(default=now)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    stages: Mapped[list["Stage"]] = relationship(order_by="Stage.position")
    events: Mapped[list["Event"]] = relationship()


class Event(Base):
    __tablename__ = "roadmap_event"
    roadmap_id: Mapped[UUID] = mapped_column(
        ForeignKey("roadmap.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[datetime] = mapped_column(default=now)


class Stage(Base):
    __tablename__ = "stage"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    roadmap_id: Mapped[UUID] = mapped_column(
        ForeignKey("roadmap.id", ondelete="CASCADE"), index=True
    )
    key: Mapped[str] = mapped_column(String(200))
    position: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    hours: Mapped[int]
    modules: Mapped[list["Module"]] = relationship(order_by="Module.position")


class Module(Base):
    __tablename__ = "module"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    stage_id: Mapped[UUID] = mapped_column(ForeignKey("stage.id", ondelete="CASCADE"), index=True)
    key: Mapped[str] = mapped_column(String(200))
    position: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    hours: Mapped[int]
    concepts: Mapped[list["Concept"]] = relationship(order_by="Concept.position")


class Concept(Base):
    __tablename__ = "concept"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    module_id: Mapped[UUID] = mapped_column(ForeignKey("module.id", ondelete="CASCADE"), index=True)
    key: Mapped[str] = mapped_column(String(200))
    position: Mapped[int]
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    hours: Mapped[int]
    week: Mapped[int]
    difficulty: Mapped[int]
    prerequisites: Mapped[list[str]]
    outcomes: Mapped[list[str]]
    progress: Mapped[str] = mapped_column(String(10), default="todo")
    contents: Mapped[list["Content"]] = relationship()


class Content(Base):
    __tablename__ = "content"
    concept_id: Mapped[UUID] = mapped_column(
        ForeignKey("concept.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    status: Mapped[str] = mapped_column(String(10))
    version: Mapped[int]
    error: Mapped[str] = mapped_column(Text, default="")


class LogRecord(Base):
    __tablename__ = "execution_log"
    __table_args__ = (
        Index("log_roadmap", "roadmap_id", "id"),
        Index("log_category", "category", "step", "id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    level: Mapped[str] = mapped_column(String(10))
    category: Mapped[str] = mapped_column(String(40))
    step: Mapped[str] = mapped_column(String(80))
    message: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any] | None]
    roadmap_id: Mapped[UUID | None]
