"""Pages at the end of a stage and of a roadmap."""

from starlette.responses import Response

from core import clock
from core.errors import NotFound
from roadmap.generation.catalogue import loader
from roadmap.learning import endings
from roadmap.lifecycle.reading import queries
from roadmap.plan.views import ConceptNode, RoadmapTree, concepts_of, next_of
from web.pages.page_route import PAGE, PageCall, PageRoute
from web.pages.templates import language_of, page


def stage_page(call: PageCall) -> Response:
    """Return what can be done after a stage, what to keep warm, and what builds on it."""
    tree, number = queries.roadmap_tree(call.owner, call.ids["roadmap_id"]), call.ids["number"]
    if number > len(tree.stages):
        raise NotFound("This stage does not exist in this roadmap.")
    stage, *after = tree.stages[number - 1 :]
    return page(
        call.request,
        "stage_end.html",
        tree=tree,
        stage=stage,
        number=number,
        end=endings.stage_end(stage),
        warm=endings.keep_warm(call.owner, stage.concepts),
        now=clock.now(),
        following=next(iter(after), None),
        next=_next(tree),
    )


def completion_page(call: PageCall) -> Response:
    """Return what was learned of the roadmap, to print or to share."""
    tree = queries.roadmap_tree(call.owner, call.ids["roadmap_id"])
    return page(
        call.request,
        "completion.html",
        tree=tree,
        completion=endings.completion_of(tree),
        next=_next(tree),
        onward=_onward(tree, language_of(call.request)),
    )


def _next(tree: RoadmapTree) -> ConceptNode | None:
    concepts = concepts_of(tree)
    next_id = next_of(concepts)
    return next((each for each in concepts if each.id == next_id), None)


def _onward(tree: RoadmapTree, language: str) -> list[loader.Track]:
    """Return the built-in roadmaps that build on this one, if it is built in as well."""
    ids = dict.fromkeys(concept.key.partition("/")[0] for concept in concepts_of(tree))
    learned = filter(None, map(loader.tracks().get, ids))
    onward = dict.fromkeys(id_ for track in learned for id_ in track.onward if id_ not in ids)
    following = map(loader.tracks().get, onward)
    return [loader.shown_in(track, language) for track in following if track]


PAGES = (
    PageRoute("GET", PAGE + "/stages/{number}", stage_page),
    PageRoute("GET", PAGE + "/completion", completion_page),
)
