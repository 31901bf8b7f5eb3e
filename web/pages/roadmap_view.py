"""A roadmap as its page and the page's event stream show it."""

from dataclasses import dataclass
from datetime import UTC, tzinfo
from uuid import UUID

from core import clock
from roadmap.accounts.zones import zone_of
from roadmap.generation.catalogue import loader
from roadmap.generation.context import BUILT_IN
from roadmap.learning.schedule import Schedule, schedule_of
from roadmap.lifecycle import revisions
from roadmap.lifecycle.commands import GOING_ON
from roadmap.lifecycle.reading import queries
from roadmap.lifecycle.reading.build_status import activity
from roadmap.plan.language_detection import chinese_of
from roadmap.plan.outline import ContentKind
from roadmap.plan.statuses import BEING_MADE, FINAL, ContentStatus, RoadmapStatus
from roadmap.plan.views import Activity, ConceptNode, RoadmapTree, concepts_of, next_of


@dataclass(frozen=True, slots=True)
class View:
    """A roadmap on its page. Everything in it is at least as new as its activity's last event.

    `plan_before` is the number of the plan before the one that waits for approval, or 0. `zone` is
    that of its owner.
    """

    tree: RoadmapTree
    activity: Activity
    plan_before: int = 0
    zone: tzinfo = UTC

    def lacks_translation(self, language: str) -> bool:
        """Whether a built-in roadmap is wanted in Chinese, by its goal or reader, but has none."""
        is_wanted = language == loader.CHINESE or chinese_of(self.tree.goal) is not None
        if self.tree.generator != BUILT_IN or not is_wanted:
            return False
        found = map(loader.tracks().get, {each.key.partition("/")[0] for each in self.concepts})
        return any(track and loader.CHINESE not in track.languages for track in found)

    @property
    def is_finished(self) -> bool:
        return self.tree.status in FINAL

    @property
    def is_changing(self) -> bool:
        """Whether it goes on without its owner."""
        return self.tree.status in BEING_MADE

    @property
    def concepts(self) -> list[ConceptNode]:
        return concepts_of(self.tree)

    @property
    def names(self) -> dict[UUID, str]:
        return {concept.id: concept.title for concept in self.concepts}

    @property
    def failures(self) -> list[tuple[ConceptNode, ContentKind, str]]:
        """Return the parts that could not be written, with the reasons."""
        return [
            (concept, kind, part.error)
            for concept in self.concepts
            for kind, part in concept.contents.items()
            if part.status == ContentStatus.failed
        ]

    @property
    def has_later(self) -> bool:
        """Whether lessons are still to be written as the learner comes near them."""
        return self.tree.status in GOING_ON and not all(
            each.contents or each.yours for each in self.concepts
        )

    @property
    def schedule(self) -> Schedule:
        return schedule_of(self.tree, clock.now().astimezone(self.zone).date(), self.zone)

    @property
    def next(self) -> ConceptNode | None:
        """Return the concept to continue with."""
        next_id = next_of(self.concepts)
        return next((concept for concept in self.concepts if concept.id == next_id), None)


def view_of(owner_id: UUID, roadmap_id: UUID) -> View:
    """Return the view of a roadmap. Raises NotFound."""
    now = activity(owner_id, roadmap_id)  # before the tree, so that the tree has all its events
    tree, zone = queries.roadmap_tree(owner_id, roadmap_id), zone_of(owner_id)
    if tree.begins_on == tree.created_at.date():  # the day of the request
        begins_on = tree.created_at.astimezone(zone).date()
        tree = tree.model_copy(update={"begins_on": begins_on})
    before = 0
    if tree.status == RoadmapStatus.awaiting_review and tree.revision > 1:
        before = revisions.plan_before(owner_id, roadmap_id, tree.revision)
    return View(tree, now, before, zone)
