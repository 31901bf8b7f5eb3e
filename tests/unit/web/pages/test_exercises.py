"""Several exercises of a concept: each with its field, its tests and its solution."""

import re

import pytest
from starlette.testclient import TestClient

from tests.unit.web.pages.page_text import API, concepts_of
from web.pages.lazy import exercise_anchor, parted
from web.pages.markdown_html import prose

TEXT = """
Intro

## A

### B

## Exercises

### One

First.

### Two

Second.

## Solutions

### One

```python
done = True
```

```python test
assert done
```

### Two

Because.
"""


@pytest.fixture
def functions(person: TestClient, roadmap: str) -> str:
    """The path of a lesson with four exercises."""
    found = [c["id"] for c in concepts_of(person, roadmap) if "functions" in c["key"]]
    return f"{roadmap}/concepts/{found[0]}"


def test_a_tutorial_is_parted_into_its_exercises() -> None:
    html = prose(TEXT, runs=True)
    text, [(first, _, solution), (second, _, because)] = parted(html)
    assert text.endswith("Exercises</h3>\n")
    assert exercise_anchor(html) == "t-exercises"
    assert ("First." in first, "Second." in second) == (True, True)
    assert ("Solutions" in text, "Because." in because) == (False, True)
    assert 'data-run="python"' in solution
    assert 'data-check="python"' in solution


@pytest.mark.parametrize(
    "other",
    [
        TEXT.replace("### Two\n\nSecond.", "Second."),
        TEXT.replace("### Two", "### Two\n\n### 3\n\n### 4\n\n### 5"),
    ],
)
def test_without_a_solution_for_each_they_are_one_text(other: str) -> None:
    text, exercises = parted(prose(other))
    assert [task for task, _, _ in exercises] == [""]
    assert "First." in text


def test_each_attempt_opens_its_own_solution(person: TestClient, functions: str) -> None:
    def opened() -> list[str]:
        page = person.get(functions).text
        return re.findall(r'<details class="solution"( open)?>', page)

    assert opened() == [""] * 4
    form = {"exercise_attempt": "def book(): ...", "number": "2"}
    answer = person.post(f"{functions}/exercise", data=form)
    assert answer.headers["location"] == f"{functions}#attempt-2"
    assert opened() == ["", " open", "", ""]
    page = person.get(functions).text
    assert page.index('id="attempt-2"') < page.index(">def book(): ...</textarea>")
    wrong = person.post(
        f"{functions}/exercise", data={"exercise_attempt": "面" * 20_001, "number": "3"}
    )
    assert wrong.status_code == 422
    assert wrong.text.index('id="attempt-3"') < wrong.text.index("面" * 20_001)
    assert wrong.text.count('id="exercise_attempt-3-error"') == 1
    assert "def book(): ..." in person.get(f"{functions.partition('/concepts')[0]}/print").text


def test_attempts_are_kept_by_number_and_any_of_them_counts(
    person: TestClient, functions: str
) -> None:
    path = API + functions
    made = person.put(f"{path}/exercise", json={"exercise_attempt": "third", "number": 3}).json()
    assert (made["exercise_attempt"], made["more_attempts"]) == ("", ["", "third"])
    refused = person.put(f"{path}/exercise", json={"checked": True})  # nothing is at the first one
    assert refused.json()["errors"][0]["pointer"] == "#/exercise_attempt"
    made = person.put(f"{path}/exercise", json={"checked": True, "number": 3}).json()
    assert made["progress"] == "done"
    for number in (0, 5):
        body = {"exercise_attempt": "x", "number": number}
        assert person.put(f"{path}/exercise", json=body).status_code == 422
    assert person.get(path).json()["more_attempts"] == ["", "third"]
    exported = person.get(f"{API}{functions.partition('/concepts')[0]}/export.json")
    copy = person.post(f"{API}/imports", json=exported.json())
    assert (
        '"more_attempts":["","third"]' in person.get(f"{copy.headers['location']}/export.json").text
    )


def test_a_number_without_an_exercise_is_refused(person: TestClient, roadmap: str) -> None:
    single = f"{API}{roadmap}/concepts/{concepts_of(person, roadmap)[0]['id']}"
    body = {"exercise_attempt": "x", "number": 2}
    assert person.put(f"{single}/exercise", json=body).status_code == 404
    assert person.get(single).json()["more_attempts"] == []
