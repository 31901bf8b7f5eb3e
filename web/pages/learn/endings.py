"""Pages at the end of a stage and of a roadmap, and their mixed tests."""

from typing import Any

from starlette.responses import Response

from core import clock
from core.errors import Conflict, Invalid, NotFound
from roadmap.generation.catalogue import loader
from roadmap.learning import endings, mixed_test
from roadmap.lifecycle.reading import queries
from roadmap.plan.views import ConceptNode, RoadmapTree, concepts_of, next_of
from web.pages.error_messages import form_page
from web.pages.forms import UNORDERED, answer_in, filled, index_of, see_other
from web.pages.page_route import PAGE, PageCall, PageRoute
from web.pages.templates import language_of, page


def stage_page(call: PageCall) -> Response:
    """Return what can be done after a stage, its test, and what builds on it."""
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
        now=clock.now(),
        next=_next(tree),
        onward=_onward(tree, language_of(call.request)),
    )


def mixed_test_page(
    call: PageCall, *, error: Conflict | Invalid | None = None, answers: Any = ()
) -> Response:
    """Return the offer of a mixed test, its questions or its result."""
    tree, scope = queries.roadmap_tree(call.owner, call.ids["roadmap_id"]), call.ids["test_id"]
    return form_page(
        call.request,
        "mixed_test.html",
        error,
        instead=UNORDERED if isinstance(error, Invalid) else "",
        tree=tree,
        test=mixed_test.read(call.owner, tree.id, scope),
        titles={each.id: each.title for each in concepts_of(tree)},
        scope=scope,
        stages={stage.id: (number, stage.title) for number, stage in enumerate(tree.stages, 1)},
        answers=answers,
        now=clock.now(),
    )


def take_test(call: PageCall) -> Response:
    """Begin a test, or save its answers."""
    numbers = range(min(index_of(call.body.text("questions")) or 0, mixed_test.MOST))
    answers = [answer_in(call.body, f"q{number}") for number in numbers]
    try:
        request = filled(mixed_test.MixedTestRequest, {"answers": answers or None})
        mixed_test.take(call.owner, call.ids["roadmap_id"], call.ids["test_id"], request)
    except (Conflict, Invalid) as error:
        return mixed_test_page(call, error=error, answers=answers)
    return see_other(call.request.scope["path"])


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
    PageRoute("GET", PAGE + "/tests/{test_id}", mixed_test_page),
    PageRoute("POST", PAGE + "/tests/{test_id}", take_test),
)
