"""The version of the service is said in one way."""

import tomllib

from core import version
from tests.stack import ROOT


def test_the_number_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == version.NUMBER


def test_a_deployed_commit_is_named_in_short() -> None:
    assert version._version("1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b") == f"{version.NUMBER}+1a2b3c4"
    assert version._version("") == version.NUMBER
