"""Parts of a concept and days in a row, as pure functions."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from roadmap.generation.catalogue import loader
from roadmap.learning.learning_days import streak
from roadmap.learning.parts import LONGEST, SHORTEST, cut
from tests.cases import try_each

TEXT = """An introduction.

## First `code`

Words and words.

```python
## no heading
print(1)
```

## Exercise

Try it.

## Solution

Done.
"""
DAY = date(2026, 11, 30)


def test_parts_begin_at_sections_and_the_solution_belongs_to_the_exercise() -> None:
    parts = cut(TEXT, 2)
    assert [part.title for part in parts] == ["", "First `code`", "Exercise", "Exercise"]
    assert [TEXT.split("\n")[part.line] for part in parts[1:3]] == [
        "## First `code`",
        "## Exercise",
    ]
    assert parts[2].begin == 60  # half of the hours


@given(st.text(alphabet="# ab`\n\r\t~字", max_size=200), st.integers(1, 40))
def test_parts_of_any_text_take_all_hours(text: str, hours: int) -> None:
    parts = cut(text, hours)
    assert [part.begin for part in parts] == [0, *(part.end for part in parts[:-1])]
    assert parts[-1].end == hours * 60
    assert all(0 < part.end - part.begin <= LONGEST for part in parts)


def test_parts_of_the_catalogue_are_sittings() -> None:
    for track in loader.tracks().values():
        for key in track.concept_ids:
            concept = loader.load_concept(track.id, key, track.language)
            parts = cut(concept.tutorial, concept.hours)
            assert all(SHORTEST <= part.end - part.begin <= LONGEST for part in parts), key


@try_each(
    ("ago", "days"),
    [
        ([], 0),
        ([0], 1),
        ([1], 1),  # today is not over
        ([0, 1, 2], 3),
        ([0, 2, 3], 3),  # one day is forgiven
        ([0, 2, 4], 2),  # the second one of a week is not
        ([0, *range(2, 8), *range(9, 12)], 10),  # a week later it is
        ([2, 3], 2),  # yesterday is forgiven
        ([3, 4], 0),
    ],
)
def test_a_streak_forgives_a_day_a_week(ago: list[int], days: int) -> None:
    assert streak([DAY - timedelta(days=each) for each in ago], DAY) == days
