"""Tutorials while they are being written, for readers in other processes.

In server mode they are in Redis, in embedded mode in files of DATA_DIR. All may be lost: the next
text comes within a second, and the tutorial itself is saved in the database.
"""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from time import monotonic, thread_time, time
from typing import Any
from uuid import UUID

from core.backends import make_folder
from core.db import settings

logger = logging.getLogger(__name__)

LASTS = 120  # seconds after the last change: of those whose worker was killed
PATIENCE = 0.2  # seconds for an answer of Redis
HARD = 1.0  # seconds to read a text, which is then not shown: each reader would need as much
PAUSE = 5.0  # seconds without drafts after a failure

Texts = dict[UUID, dict[UUID, str]]  # by roadmap and concept


class RedisDrafts:
    """A hash for each roadmap, with a TTL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def put(self, roadmap_id: UUID, concept_id: UUID, text: str) -> None:
        key = _key(roadmap_id)
        self._redis.pipeline().hset(key, str(concept_id), text).expire(key, LASTS).execute()

    def delete(self, roadmap_id: UUID, concept_id: UUID) -> None:
        self._redis.hdel(_key(roadmap_id), str(concept_id))

    def read(self, roadmap_ids: Collection[UUID]) -> Texts:
        pipeline = self._redis.pipeline(transaction=False)
        for roadmap_id in roadmap_ids:
            pipeline.hgetall(_key(roadmap_id))
        return {
            roadmap_id: {UUID(concept_id): text for concept_id, text in found.items()}
            for roadmap_id, found in zip(roadmap_ids, pipeline.execute(), strict=True)
        }

    @cached_property
    def _redis(self) -> Any:
        import redis

        return redis.Redis.from_url(
            self._url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            decode_responses=True,
            driver_info=None,  # as in reliable_queue/redis_storage.py
        )


class FileDrafts:
    """A file for each concept; its services are several processes of one machine."""

    def __init__(self) -> None:
        self._folder = settings.data_dir / "drafts"

    def put(self, roadmap_id: UUID, concept_id: UUID, text: str) -> None:
        make_folder(self._folder)
        path = self._folder / f"{roadmap_id}.{concept_id}"
        part = path.with_name(f".{path.name}")
        part.write_text(text, "utf-8")
        part.replace(path)

    def delete(self, roadmap_id: UUID, concept_id: UUID) -> None:
        for path in self._folder.glob("*"):
            if path.name.endswith(f"{roadmap_id}.{concept_id}") or _is_old(path):
                path.unlink(missing_ok=True)

    def read(self, roadmap_ids: Collection[UUID]) -> Texts:
        return {
            roadmap_id: {
                UUID(path.suffix[1:]): path.read_text("utf-8")
                for path in self._folder.glob(f"{roadmap_id}.*")
                if not _is_old(path)
            }
            for roadmap_id in roadmap_ids
        }


class ContentDrafts:
    """Drafts of tutorials. Never raises: without its store there are none for a while."""

    def __init__(self, store: RedisDrafts | FileDrafts) -> None:
        self._store, self._silent_until = store, 0.0

    @contextmanager
    def showing(self, roadmap_id: UUID, concept_id: UUID) -> Iterator[Callable[[str], None]]:
        """Yield a function that shows the answer of a model so far, until the block ends."""
        shown, is_hard = "", False

        def show(answer: str) -> None:
            from roadmap.generation.llm.schemas import TutorialDraft, markdown_so_far

            nonlocal shown, is_hard
            if is_hard:
                return
            began, text = thread_time(), shown
            with suppress(ValueError):  # as it is, it is no tutorial
                text = TutorialDraft(markdown=markdown_so_far(answer)).to_content().markdown
            is_hard = thread_time() - began > HARD
            if text != shown and not is_hard:
                shown = text
                self._try(lambda: self._store.put(roadmap_id, concept_id, text))

        try:
            yield show
        finally:
            if shown:
                self._try(lambda: self._store.delete(roadmap_id, concept_id))

    def read(self, roadmap_ids: Collection[UUID]) -> Texts:
        """Return the drafts of these roadmaps, which the reader must be allowed to see."""
        return self._try(lambda: self._store.read(roadmap_ids)) or {}

    def _try(self, action: Callable[[], Any]) -> Any:
        if monotonic() < self._silent_until:
            return None
        try:
            with suppress(FileNotFoundError):  # it has just been deleted
                return action()
        except Exception as error:  # an edge: a draft is worth no failure
            self._silent_until = monotonic() + PAUSE
            logger.warning("tutorials are not shown while written: %s", type(error).__name__)


def _key(roadmap_id: UUID) -> str:
    return f"roadmap:drafts:{roadmap_id}"


def _is_old(path: Any) -> bool:
    return bool(path.stat().st_mtime < time() - LASTS)


tutorial_drafts = ContentDrafts(
    FileDrafts()
    if settings.redis_url is None
    else RedisDrafts(settings.redis_url.get_secret_value())
)
