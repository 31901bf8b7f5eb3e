"""The browser of this machine, for Playwright."""

import os
import shutil

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable() -> str | None:
    """Return ROADMAP_TEST_CHROMIUM, else the Chromium on PATH: the one without windows first.

    A page costs a third in that one.
    """
    named = os.environ.get("ROADMAP_TEST_CHROMIUM")
    return named or shutil.which("chromium-headless-shell") or shutil.which("chromium")
