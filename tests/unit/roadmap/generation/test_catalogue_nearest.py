"""The answer to a goal that no track covers."""

import pytest

from core.errors import Invalid
from roadmap.generation.catalogue.generator import NO_TRACK, CatalogueGenerator, nearest_tracks
from roadmap.plan.schemas import RoadmapRequest


@pytest.mark.parametrize(
    ("goal", "sentence"),
    [
        ("Backend in Rust", "Nothing on Rust; the closest is 'Backend engineer with Python'."),
        ("Spring Boot and Java microservices", "Nothing on Spring Boot, Java; the closest is"),
        ("用Java做后端", "Nothing on Java; the closest is 'Backend engineer with Python'."),
        ("Git for novelists", "Nothing on novelists; the closest is 'DevOps engineer'."),
        ("Learn to bake bread", "None of the built-in tracks comes close."),
        ("How to look after a ball python, feeding and terrarium temperature", "None of the"),
    ],
)
def test_a_refusal_names_the_nearest_and_what_it_lacks(goal: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        CatalogueGenerator().fit(RoadmapRequest(goal=goal))
    assert refused.value.detail.startswith(f"{NO_TRACK} {sentence}")
    assert len(refused.value.members["nearest"]) <= 3


def test_a_part_of_a_track_lacks_nothing() -> None:
    (near, *_) = nearest_tracks("git")
    assert (near["title"], near["has"], near["lacks"]) == ("DevOps engineer", ["git"], [])
