"""Files of the catalogue, and plans made of them."""

import re
from typing import Any

from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.catalogue.loader import Track, tracks
from roadmap.generation.context import DesignBrief
from roadmap.plan.outline import Outline
from roadmap.plan.schemas import RoadmapRequest
from tests.cases import try_each

BLOCK = re.compile(r"^```([\w+-]*)(?: [^`\n]+)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def in_order(track: Track) -> list[str]:
    return [
        concept for stage in track.stages for module in stage.modules for concept in module.concepts
    ]


def design(request: RoadmapRequest) -> DesignBrief:
    return DesignBrief(request, CatalogueGenerator().analyse(request))


def plan(goal: str = "Become a backend engineer in Python", **fields: Any) -> Outline:
    return CatalogueGenerator().outline(design(RoadmapRequest(goal=goal, **fields)))


each_track = try_each("track", tracks().values(), ids=tracks())
