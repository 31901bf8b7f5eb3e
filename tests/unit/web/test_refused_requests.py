"""Memory that refused requests leave behind."""

import gc
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from roadmap.plan.outline import Quiz

pytestmark = pytest.mark.usefixtures("short")


@pytest.fixture
def no_collection() -> Iterator[None]:
    """As between two collections, which are rare (core/startup/gc_tuning.py)."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_no_document_stays_in_memory(client: TestClient, concept: str) -> None:
    quiz = client.get(concept).json()["quiz"]
    wrong = {"version": quiz["version"], "answers": [[99] for _ in quiz["questions"]]}
    assert client.post(f"{concept}/quiz/attempts", json=wrong).status_code == 422
    assert [each for each in gc.get_objects() if isinstance(each, Quiz)] == []
