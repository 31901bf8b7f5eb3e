"""Which version of the service this is; pyproject.toml says the same number."""

import os

NUMBER = "0.1.0"


def _version(commit: str) -> str:
    """The number, and on Railway, which builds from commits, which one: 0.1.0+1a2b3c4."""
    return f"{NUMBER}+{commit[:7]}" if commit else NUMBER


VERSION = _version(os.environ.get("RAILWAY_GIT_COMMIT_SHA", "").strip())
