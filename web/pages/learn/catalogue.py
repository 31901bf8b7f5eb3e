"""The gallery of ready-made roadmaps, and a preview of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from core.errors import NotFound
from roadmap.generation.catalogue import loader
from roadmap.generation.catalogue.loader import BrokenFile, CatalogueConcept, Track
from roadmap.generation.generator import has_model
from web.call import Call
from web.pages.lazy import tutorial_html
from web.pages.templates import language_of, page, texts_of


@dataclass(frozen=True, slots=True)
class Preview:
    """A track with its concepts by id, in the order of learning."""

    track: Track
    concepts: Mapping[str, CatalogueConcept]

    @property
    def hours(self) -> int:
        return sum(concept.hours for concept in self.concepts.values())


def catalogue_page(call: Call) -> Response:
    found = (_preview(track, language_of(call.request)) for track in loader.tracks().values())
    previews = [each for each in found if each]
    return page(call.request, "catalogue.html", previews=previews, has_model=has_model())


def track_page(call: Call) -> Response:
    track = loader.tracks().get(call.ids["track"])
    preview = _preview(track, language_of(call.request)) if track else None
    if preview is None:
        raise NotFound("This ready-made roadmap does not exist.")
    sample = next(iter(preview.concepts.values()))
    return page(
        call.request,
        "track.html",
        preview=preview,
        sample=sample,
        prose=tutorial_html(sample.tutorial, texts_of(call.request)),
        has_model=has_model(),
    )


def _preview(track: Track, language: str) -> Preview | None:
    """Return a track in the language of the page, if it has it; None: a file is broken."""
    own = language if language in track.languages else track.language
    try:
        concepts = {id_: loader.load_concept(track.id, id_, own) for id_ in track.concept_ids}
        return Preview(loader.load_track(track.id, own), concepts)
    except BrokenFile:
        return None
