"""Concepts of the catalogue that a model takes into a plan as they are.

People have checked their texts, and they cost nothing. A concept of a plan is one of them while it
has its key and its title.
"""

from contextlib import suppress
from itertools import islice
from typing import Any

from core.db import settings
from core.errors import Unavailable
from roadmap.generation.catalogue import loader
from roadmap.generation.catalogue.generator import find_tracks, nearest_tracks
from roadmap.plan.schemas import RoadmapRequest

MOST_OFFERED = 80
FACTS = {"title", "description", "hours", "difficulty", "outcomes"}


def offered(request: RoadmapRequest) -> dict[str, dict[str, Any]]:
    """Return the facts of the concepts of the tracks near a goal, in its language, by key."""
    found: dict[str, dict[str, Any]] = {}
    with suppress(Unavailable):  # without the words of goals, which the doctor reports
        best = [track.id for track in find_tracks(request.goal)]
        near = [track["id"] for track in nearest_tracks(request.goal)]
        for track_id in dict.fromkeys([*best, *near]):
            for id_ in loader.tracks()[track_id].concept_ids:
                concept = _concept(f"{track_id}/{id_}", request.language)
                if concept is not None and concept.is_news_to(request.level):
                    found[f"{track_id}/{id_}"] = concept.model_dump(include=FACTS)
    return dict(islice(found.items(), MOST_OFFERED))


def is_checked(key: str, title: str, language: str) -> bool:
    """Whether the contents of a concept of a plan are those of the catalogue."""
    concept = _concept(key, language)
    return concept is not None and concept.title == title


def _concept(key: str, language: str) -> loader.CatalogueConcept | None:
    track_id, _, concept_id = key.partition("/")
    written_in = loader.language_of(language)
    if (
        written_in is None
        or not settings.checked_concepts
        or not loader.has(track_id, concept_id)
        or written_in not in loader.tracks()[track_id].languages
    ):
        return None
    with suppress(loader.BrokenFile):
        concept = loader.load_concept(track_id, concept_id, written_in)
        return concept if concept.tutorial_language == written_in else None
    return None
