"""The built-in catalogue is good by the measure of quality."""

from functools import lru_cache

from quality import links
from quality.floor import faults, track_faults
from quality.measuring import Comparison, ConceptMetrics, FinishedRoadmap, measured
from quality.subjects import of_catalogue
from roadmap.generation.catalogue.loader import tracks
from testing.stack import ROOT


@lru_cache(maxsize=1)
def catalogue() -> tuple[FinishedRoadmap, ...]:
    return tuple(of_catalogue())


@lru_cache(maxsize=1)
def everything() -> tuple[tuple[str, ConceptMetrics], ...]:
    """Each concept with the name of its course."""
    comparison = Comparison(catalogue())
    return tuple(
        (each.name, concept) for each in catalogue() for concept in measured(each, comparison)
    )


def test_every_concept_in_every_language_is_above_the_floor() -> None:
    below = {f"{name}, {each.key}": found for name, each in everything() if (found := faults(each))}
    assert below == {}


def test_all_of_it_is_measured() -> None:
    names = {each.name for each in catalogue()}
    assert {f"{track} (en)" for track in tracks()} <= names
    assert len([name for name in names if "zh-Hans" in name]) >= 4
    for name, concept in everything():
        assert concept.missing == (), (name, concept.key)
        assert (concept.words or 0) > 0, (name, concept.key)
        assert concept.level is not None, (name, concept.key)
        assert concept.support or concept.not_measured, (name, concept.key)


def test_each_quiz_is_closest_to_its_own_tutorial() -> None:
    assert [concept.key for _, concept in everything() if concept.closer_to] == []


def test_questions_of_each_track_cannot_be_guessed() -> None:
    assert [fault for each in catalogue() for fault in track_faults(each)] == []


def test_every_host_of_the_list_is_named_by_a_resource() -> None:
    named = {
        item.url.split("/")[2]
        for each in catalogue()
        for concept in each.concepts
        for item in concept.resources or ()
    }
    spares = ROOT / "roadmap" / "generation" / "catalogue" / "tracks"
    text = "".join(file.read_text("utf-8") for file in spares.rglob("*.md"))
    assert named <= links.official_hosts().keys()
    assert [host for host in links.official_hosts() if f"https://{host}" not in text] == []
