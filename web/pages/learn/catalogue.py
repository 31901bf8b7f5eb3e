"""The gallery of ready-made roadmaps, and a preview of each."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from starlette.responses import Response

from core.errors import required
from roadmap.generation.catalogue import loader
from roadmap.generation.generator import has_model
from web.pages.lazy import tutorial_html
from web.pages.page_route import PageCall, PageRoute
from web.pages.templates import language_of, page, texts_of


def catalogue_page(call: PageCall) -> Response:
    shown = list(_shown(call, loader.tracks().values()))
    return page(call.request, "catalogue.html", shown=shown, has_model=has_model())


def track_page(call: PageCall) -> Response:
    chosen = [track for id_, track in loader.tracks().items() if id_ == call.ids["track"]]
    track, concepts = required(
        next(_shown(call, chosen), None), "This ready-made roadmap does not exist."
    )
    sample = next(iter(concepts.values()))
    return page(
        call.request,
        "track.html",
        track=track,
        concepts=concepts,
        sample=sample,
        prose=tutorial_html(sample.tutorial, texts_of(call.request)),
        has_model=has_model(),
    )


def _shown(
    call: PageCall, tracks: Iterable[loader.Track]
) -> Iterator[tuple[loader.Track, Mapping[str, loader.CatalogueConcept]]]:
    """Yield those of the tracks without broken files, with their concepts in order of learning."""
    for track in tracks:
        shown = loader.shown_in(track, language_of(call.request))
        with suppress(loader.BrokenFile):
            yield (
                shown,
                {
                    id_: loader.load_concept(track.id, id_, shown.language)
                    for id_ in track.concept_ids
                },
            )


PAGES = (
    PageRoute("GET", "/catalogue", catalogue_page),
    PageRoute("GET", "/catalogue/{track}", track_page),
)
