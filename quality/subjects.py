"""Finished roadmaps to measure.

They come from the built-in catalogue, an exported file, or the service.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from cli.api_client import service_client
from cli.demo import make_roadmap, running_service
from quality.measuring import FinishedRoadmap, Subject
from roadmap.exchange.formats.json_ import PortableConcept, PortableContents
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.catalogue.loader import broken_files, tracks
from roadmap.generation.context import ConceptBrief, DesignBrief
from roadmap.plan.outline import ContentKind, Level, OutlineConcept, Quiz, Resources, Tutorial
from roadmap.plan.schemas import RoadmapRequest
from roadmap_client import ROADMAPS


class NotMeasurable(Exception):
    """There is nothing to measure, for the reason of the message."""


def of_catalogue(only: str | None = None) -> Iterator[FinishedRoadmap]:
    """Yield every track in each of its languages, or one track. Raises NotMeasurable."""
    broken = broken_files()
    if broken:
        raise NotMeasurable("\n".join(broken))
    if only is not None and only not in tracks():
        raise NotMeasurable(f"There is no track {only!r}; there is: {', '.join(tracks())}.")
    for track in tracks().values():
        for language in track.languages if only in (None, track.id) else ():
            catalogue = CatalogueGenerator()
            request = RoadmapRequest(goal=track.title, language=language)
            outline = catalogue.outline(DesignBrief(request, catalogue.analyse(request)))
            written = (_written(catalogue, request, each) for each in outline.concepts())
            yield FinishedRoadmap(f"{track.id} ({language})", tuple(written))


def _written(
    catalogue: CatalogueGenerator, request: RoadmapRequest, concept: OutlineConcept
) -> Subject:
    brief = ConceptBrief(
        request, "", "", "", concept.key, concept.title, concept.description, concept.outcomes
    )
    tutorial = catalogue.write(ContentKind.tutorial, brief)
    resources = catalogue.write(ContentKind.resources, brief)
    quiz = catalogue.write(ContentKind.quiz, brief)
    assert isinstance(tutorial, Tutorial)
    assert isinstance(resources, Resources)
    assert isinstance(quiz, Quiz)
    return Subject(
        key=concept.key,
        title=concept.title,
        language=request.language,
        tutorial_language=tutorial.language or request.language,
        tutorial=tutorial.markdown,
        resources=resources.items,
        quiz=quiz,
    )


def of_file(path: Path) -> FinishedRoadmap:
    """Read a roadmap that was exported as JSON. Raises NotMeasurable."""
    try:
        return of_document(path.read_bytes(), path.name)
    except OSError as error:
        raise NotMeasurable(f"{path} cannot be read: {error.strerror}.") from None


def of_service(goal: str, level: Level, language: str) -> FinishedRoadmap:
    """Make a roadmap on this machine, with the generator of the environment.

    Raises CommandFailed, NotMeasurable.
    """
    with running_service() as url, service_client(url) as client:
        roadmap = make_roadmap(
            client, {"goal": goal, "level": level, "hours_per_week": 8, "language": language}
        )
        exported = client.request("GET", f"{ROADMAPS}/{roadmap['id']}/export.json").content
    return of_document(exported, roadmap["title"] or goal)


def of_document(text: bytes, name: str) -> FinishedRoadmap:
    """Read the text of a roadmap that was exported as JSON. Raises NotMeasurable."""
    try:
        document = RoadmapFile.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise NotMeasurable(
            f"{name} is no roadmap that was exported as JSON: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}."
        ) from None
    stored, language = document.concepts, document.request.language
    concepts = (
        _stored(each, stored.get(each.key), language) for each in document.outline.concepts()
    )
    return FinishedRoadmap(name, tuple(concepts))


def _stored(concept: OutlineConcept, stored: PortableConcept | None, language: str) -> Subject:
    contents = stored.contents if stored is not None else PortableContents()
    written = contents.tutorial.body if contents.tutorial else None
    return Subject(
        key=concept.key,
        title=concept.title,
        language=language,
        tutorial_language=(written.language if written else None) or language,
        tutorial=written.markdown if written else None,
        resources=contents.resources.body.items if contents.resources else None,
        quiz=contents.quiz.body if contents.quiz else None,
    )
