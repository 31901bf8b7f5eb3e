"""The arithmetic of trying again: how long to wait, and when a message counts as lost."""

import random
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from core import clock
from core.runtime import settings
from roadmap.briefs import GeneratorFault
from roadmap.execution_log import LogLevel, record

LONGEST_PAUSE = 300.0  # seconds between two tries
AFTER_LEASE = 0.1  # seconds
CONTENT_PATIENCE = 8  # contents wait in line behind each other, outlines do not


def pause(attempts: int, fault: GeneratorFault) -> float:
    """Seconds until the next try: doubling with up to a quarter of jitter, or longer if the provider asks for it."""
    doubling = settings.retry_base_seconds * 2 ** (attempts - 1) * random.uniform(1, 1.25)
    return float(min(max(fault.retry_after or 0, doubling), LONGEST_PAUSE))


def overdue_from(now: datetime, *, after: float = 0, patience: int = 1) -> datetime:
    """When rescue may conclude that the message was lost: `after` is a pause that was asked for, in seconds."""
    return now + timedelta(seconds=after + settings.rescue_after_seconds * patience)


def until_free(lease_until: datetime) -> float:
    """Seconds until a lease has surely run out."""
    return max((lease_until - clock.now()).total_seconds(), 0) + AFTER_LEASE


def note_fault(step: str, fault: GeneratorFault, wait: float, *, roadmap_id: UUID, concept_id: UUID | None = None) -> None:
    """Say in the log that this try failed and when the next one comes."""
    message = f"{fault} Tries again in {wait:.1f} s."
    record("retry", step, message, level=LogLevel.warning, roadmap_id=roadmap_id, concept_id=concept_id)


def ms_since(started: float) -> int:
    return round((monotonic() - started) * 1000)
