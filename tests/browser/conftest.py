"""A real Chromium, driven by Playwright, in front of the real services."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.stack import Stack, embedded_stack, running

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(embedded_stack(tmp_path_factory.mktemp("service"))) as stack:
        yield stack


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    executable = os.environ.get("ROADMAP_TEST_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(str(tmp_path), executable_path=executable, args=FLAGS)
        yield context.pages[0]
        context.close()
