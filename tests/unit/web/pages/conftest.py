"""Pages as a person opens them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.copies import Copies
from tests.unit.roadmap.generation.test_tracks_dir import add, forget
from tests.unit.web.pages.page_text import HTML, concepts_of, made
from web.http.response_cache import ResponseCache
from web.pages import templates


@pytest.fixture
def person(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Somebody with a browser. No page is kept of other tests, which begin with the same rows."""
    monkeypatch.setattr(templates, "own_pages", ResponseCache())
    client.headers.update(HTML)
    client.follow_redirects = False
    return client


@pytest.fixture
def roadmap(request: pytest.FixtureRequest, person: TestClient, copies: Copies) -> str:
    """The path of the page of a finished one, which is small where a test wants `short`."""
    small = "a short " if "short" in request.fixturenames else "a "
    return copies.of(f"{small}roadmap by a form", lambda: made(person))


@pytest.fixture
def lesson(person: TestClient, roadmap: str) -> str:
    """The path of the page of its second concept."""
    return f"{roadmap}/concepts/{concepts_of(person, roadmap)[1]['id']}"


@pytest.fixture
def rye_bread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A track that is in English only."""
    add(tmp_path, "rye-bread", "Rye bread")
    monkeypatch.setenv("TRACKS_DIR", str(tmp_path))
    forget()
    yield
    monkeypatch.delenv("TRACKS_DIR")
    forget()
