"""Parts of a concept and days in a row, as pure functions."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from roadmap.generation.catalogue import loader
from roadmap.learning.learning_days import streak
from roadmap.learning.parts import LINES_A_MINUTE, LONGEST, SHORTEST, WORDS_A_MINUTE, cut
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


def section(title: str, minutes: int) -> str:
    return f"## {title}\n\n" + "word " * (minutes * WORDS_A_MINUTE) + "\n"


def ends(markdown: str) -> list[int]:
    return [part.end for part in cut(markdown)]


def test_a_short_tutorial_is_one_part_of_as_many_minutes_as_it_takes() -> None:
    assert ends(TEXT) == ends("") == [1]
    assert ends("Two short paragraphs.\n\nThis one.") == [1]


def test_parts_begin_at_sections_and_the_solution_belongs_to_the_exercise() -> None:
    text = "".join(
        section(*each)
        for each in (("A", 3), ("B", 4), ("C", 6), ("D", 2), ("Exercise", 4), ("Solution", 3))
    )
    parts = cut(text)
    assert [(part.title, part.end) for part in parts] == [("A", 7), ("C", 13), ("D", 22)]
    assert [text.split("\n")[part.line] for part in parts] == ["## A", "## C", "## D"]
    assert ends(section("Long", 70) + section("Short", 3)) == [24, 48, 73]


def test_reading_depends_on_language_and_code() -> None:
    assert ends("字" * 2 * 10 * WORDS_A_MINUTE) == ends("word " * 10 * WORDS_A_MINUTE) == [10]
    code = "x = 1\n" * 10 * LINES_A_MINUTE
    assert ends(f"```python\n{code}```\n") == [10]


@given(st.text(alphabet="# ab`\n\r\t~字", max_size=200), st.integers(1, 400))
def test_parts_of_any_text_follow_each_other(text: str, times: int) -> None:
    parts = cut(f"{text}\n" * times)
    assert [part.begin for part in parts] == [0, *(part.end for part in parts[:-1])]
    assert all(0 < part.end - part.begin <= LONGEST for part in parts)


def test_parts_of_the_catalogue_are_sittings() -> None:
    for track in loader.tracks().values():
        for key in track.concept_ids:
            concept = loader.load_concept(track.id, key, track.language)
            parts = cut(concept.tutorial)
            assert all(SHORTEST <= part.end - part.begin <= LONGEST for part in parts), key
            assert parts[-1].end < concept.hours * 60, key


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
