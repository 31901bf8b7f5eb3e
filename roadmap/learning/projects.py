"""Projects at the ends of stages: what the learner made, and judgements of it by the rubric.

The learner, a person with a link and a model judge; the newest judgement of each is kept. The first
one that finds each criterion met, in part at least, makes the project done for good. Work and
judgements survive every change of the plan.

A link admits one judgement. Its secret is its token, of which the stage has a hash; the judgement,
its revocation and another link end it.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from core import clock
from core.db import session, transaction
from core.errors import Conflict, FieldError, Gone, Invalid, required
from core.json_types import LazyModel, from_row
from models.accounts import Account
from models.roadmaps import Judgement, Roadmap, Stage
from roadmap.accounts.access import get_owned, lock_owned
from roadmap.plan.outline import MOST_CRITERIA, Capstone, Judge, Mark
from roadmap.plan.schemas import PRINTABLE
from roadmap.plan.statuses import OPEN, ContentStatus, Job, JobName

LONGEST_WORK, LONGEST_COMMENT = 20_000, 1000  # characters
LINK_LASTS = timedelta(days=14)
TOKEN = re.compile(r"([0-9a-f]{32})\.[A-Za-z0-9_-]{43}")  # the id of the stage, and 256 bits
NO_MARKS = {"marks": (), "comments": ()}
NO_WORK = "Save what you made before it is judged."
Work = Annotated[str, Field(max_length=LONGEST_WORK), PRINTABLE]
Marks = Annotated[tuple[Mark, ...], Field(max_length=MOST_CRITERIA)]
Comment = Annotated[str, Field(max_length=LONGEST_COMMENT), PRINTABLE]
Comments = Annotated[tuple[Comment, ...], Field(max_length=MOST_CRITERIA)]


class ProjectRequest(LazyModel, frozen=True, extra="forbid"):
    """Work of the learner, and the learner's own judgement of it."""

    work: Work = Field(description="What you made: a text or a link; empty: nothing yet.")
    marks: Marks | None = Field(
        None, description="Your mark for each criterion, in order; null: your judgement stays."
    )


class JudgementRequest(LazyModel, frozen=True, extra="forbid"):
    """A mark and a comment for each criterion, in order."""

    marks: Marks
    comments: Comments


class JudgementInfo(LazyModel):
    judge: Judge = Field(description="The learner, a person with a link, or a model.")
    status: ContentStatus = Field(description="Only that of a model has to be waited for.")
    marks: list[Mark] = Field(description="A mark for each criterion, in order; empty: none yet.")
    comments: list[str] = Field(description="A comment on each mark, or none.")
    error: str = Field(description="Why the model has not judged it; empty: no error.")
    created_at: datetime


class Project(Capstone):
    """The project of a stage, with what the learner made and how that was judged."""

    stage_id: UUID
    stage: str = Field(description="Title of the stage.")
    language: str = Field(description="Language of the roadmap, as a BCP 47 tag.")
    work: str = Field(description="What the learner made: a text or a link; empty: nothing yet.")
    done_at: datetime | None = Field(
        description="Time of the first judgement that found each criterion met, in part at least; "
        "null: none."
    )
    link_until: datetime | None = Field(
        description="Expiry time of the link for a person to judge it; null: no link."
    )
    judgements: tuple[JudgementInfo, ...] = Field(
        description="The newest judgement of each judge, newest first."
    )


@session()
def read_project(owner_id: UUID, roadmap_id: UUID, stage_id: UUID) -> Project:
    """Raises NotFound."""
    return _project(_find(owner_id, roadmap_id, stage_id))


@transaction()
def save_project(
    owner_id: UUID, roadmap_id: UUID, stage_id: UUID, request: ProjectRequest
) -> Project:
    """Save work, and a judgement by the learner. Raises NotFound, Invalid."""
    lock_owned(owner_id, roadmap_id)
    stage = _find(owner_id, roadmap_id, stage_id)
    if request.marks is not None:
        if not request.work.strip():
            raise Invalid(NO_WORK, fields=(FieldError("/work", NO_WORK),))
        _judge(stage, "self", request.marks, ())
    Stage.update(work=request.work).where(Stage.id == stage_id).execute()
    return _project(_find(owner_id, roadmap_id, stage_id))


@transaction()
def order_judgement(
    owner_id: UUID, roadmap_id: UUID, stage_id: UUID, *, has_model: bool
) -> tuple[Project, list[Job]]:
    """Have a model judge a project. Raises NotFound, and Conflict if that is not possible now."""
    stage = _with_work(owner_id, roadmap_id, stage_id)
    if not has_model:
        raise Conflict("A judgement by a model requires a model: set OPENAI_API_KEY.")
    if any(each.status in OPEN for each in _project(stage).judgements):
        raise Conflict("The model is judging this project. Wait for its judgement.")
    id_ = _insert(stage, "model", status=ContentStatus.pending)
    return _project(stage), [Job(JobName.judge_project, id_)]


@transaction()
def create_link(owner_id: UUID, roadmap_id: UUID, stage_id: UUID) -> str:
    """Return the token of a new link, which ends the one before. Raises NotFound, Conflict."""
    token = f"{stage_id.hex}.{secrets.token_urlsafe(32)}"
    stage = _with_work(owner_id, roadmap_id, stage_id)
    _set_link(stage, _hash(token), clock.now() + LINK_LASTS)
    return token


@transaction()
def revoke_link(owner_id: UUID, roadmap_id: UUID, stage_id: UUID) -> None:
    """Raises NotFound."""
    lock_owned(owner_id, roadmap_id)
    _set_link(_find(owner_id, roadmap_id, stage_id))


@session()
def open_link(token: str) -> Project:
    """Return the project that a token opens, without its judgements. Raises Gone."""
    return _project(_opened(token)).model_copy(update={"judgements": ()})


@transaction()
def judge_by_link(token: str, request: JudgementRequest) -> None:
    """Save the one judgement that a token admits. Raises Gone, Invalid."""
    roadmap = _opened(token).roadmap
    lock_owned(roadmap.owner_id, roadmap.id)
    stage = _opened(token)  # another judgement, or its owner, may have ended it meanwhile
    _judge(stage, "person", request.marks, request.comments)
    _set_link(stage)


def note_done(stage_id: UUID, marks: Sequence[Mark]) -> None:
    """Note the time if these marks are the first ones with which the project is done."""
    if "no" not in marks:
        is_first = (Stage.id == stage_id) & Stage.done_at.is_null()
        Stage.update(done_at=clock.now()).where(is_first).execute()


def _find(owner_id: UUID, roadmap_id: UUID, stage_id: UUID) -> Stage:
    """Return a stage of the plan that has a project. Raises NotFound. Needs a session."""
    get_owned(owner_id, roadmap_id)
    stage: Stage = required(
        _stages(Stage.id == stage_id, Stage.roadmap == roadmap_id).first(),
        "This stage does not exist in this roadmap, or it has no project.",
    )
    return stage


def _with_work(owner_id: UUID, roadmap_id: UUID, stage_id: UUID) -> Stage:
    """Lock the roadmap, and return a stage with work to judge. Raises NotFound, Conflict."""
    lock_owned(owner_id, roadmap_id)
    stage = _find(owner_id, roadmap_id, stage_id)
    if not (stage.work or "").strip():
        raise Conflict(NO_WORK)
    return stage


def _opened(token: str) -> Stage:
    """Return the stage of a token. Raises Gone."""
    shape = TOKEN.fullmatch(token)
    is_open = (Stage.token_hash == _hash(token)) & (Stage.link_until > clock.now())
    is_there = Roadmap.trashed_at.is_null() & Account.disabled_at.is_null()
    stage_id = shape and UUID(shape[1])  # that of no stage, if it is none of our tokens
    found: Stage | None = _stages(Stage.id == stage_id, is_open, is_there).first()
    if found is None:
        raise Gone("This link was used or revoked, has expired, or its project is gone.")
    return found


def _stages(*conditions: Any) -> Any:
    """Select stages with a project, and their roadmaps."""
    query = Stage.select(Stage, Roadmap).join(Roadmap).join(Account)
    return query.where(~Stage.removed, Stage.capstone.is_null(False), *conditions)


def _project(stage: Stage) -> Project:
    rows = Judgement.select().where(Judgement.stage == stage.id).order_by(Judgement.id.desc())
    return Project(
        **stage.capstone,
        stage_id=stage.id,
        stage=stage.title,
        language=stage.roadmap.language,
        work=stage.work or "",
        done_at=stage.done_at,
        link_until=stage.link_until,
        judgements=tuple(from_row(JudgementInfo, row) for row in rows),
    )


def _judge(stage: Stage, judge: Judge, marks: Sequence[Mark], comments: Sequence[str]) -> None:
    """Save a judgement. Raises Invalid."""
    if len(marks) != (count := len(stage.capstone["criteria"])):
        rule = f"must have a mark for each of the {count} criteria"
        raise Invalid(f"The marks {rule}.", fields=(FieldError("/marks", rule),))
    _insert(stage, judge, status=ContentStatus.ready, marks=marks, comments=comments)
    note_done(stage.id, marks)


def _insert(stage: Stage, judge: Judge, **facts: Any) -> UUID:
    """Save a judgement in place of the one before by the same judge."""
    Judgement.delete().where(Judgement.stage == stage.id, Judgement.judge == judge).execute()
    place = {"roadmap": stage.roadmap_id, "stage": stage.id, "judge": judge}
    times = dict.fromkeys(("created_at", "due_at"), clock.now())
    id_: UUID = Judgement.create(**{**NO_MARKS, **facts, **place, **times}).id
    return id_


def _set_link(stage: Stage, token_hash: str | None = None, until: datetime | None = None) -> None:
    Stage.update(token_hash=token_hash, link_until=until).where(Stage.id == stage.id).execute()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
