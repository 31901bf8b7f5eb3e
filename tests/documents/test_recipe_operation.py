"""An operation is added as docs/ARCHITECTURE.md says, in a copy, and is described and tried."""

import json
from pathlib import Path

from testing.stack import ROOT
from tests.documents.recipes import Copy, places

FUNCTION = '''

def longest_goal(owner_id: UUID) -> int:
    """Return the length of the longest goal of an account, in characters."""
    longest = Roadmap.select(peewee.fn.MAX(peewee.fn.LENGTH(Roadmap.goal)))
    with session():
        return longest.where(Roadmap.owner == owner_id).scalar() or 0
'''
IMPORTS = """from pydantic import Field
from core.json_types import LazyModel
"""
HANDLER = '''class LongestGoal(LazyModel):
    """The longest goal of the account."""

    characters: int = Field(description="Its length.")


def read_longest_goal(call: Call) -> LongestGoal:
    """Return the length of the longest goal."""
    return LongestGoal(characters=progress.longest_goal(call.owner))


'''
ROW = '    Endpoint("GET", API + "/longest-goal", read_longest_goal, "Read the longest goal"),\n'
TEST = '''"""The longest goal is the caller's own."""

from tests.access.people import Person

PATH = "/api/v1/longest-goal"
GOAL = "Become a backend engineer in Python"


def test_each_account_reads_its_own(ann: Person, bob: Person) -> None:
    ann.made("/roadmaps", goal=GOAL)
    assert ann.call("GET", PATH).json() == {"characters": len(GOAL)}
    assert bob.call("GET", PATH).json() == {"characters": 0}
'''


def test_the_recipe_adds_an_operation(tmp_path: Path) -> None:
    domain, api, examples, access = places("An operation")
    copy = Copy(tmp_path, [domain, api, examples, access])
    module = f"{domain}learning/progress.py"
    written = (ROOT / module).read_text("utf-8")
    copy.replace(module, written, written + FUNCTION)
    copy.insert(f"{api}learning.py", "from core import clock\n", IMPORTS)
    copy.insert(f"{api}learning.py", "ENDPOINTS = (", HANDLER)
    copy.insert(f"{api}learning.py", '    Endpoint("GET", API + "/profile"', ROW)
    copy.insert(examples, '    Step("read_profile"),', '    Step("read_longest_goal"),\n')

    test = f"{access}test_longest_goal.py"
    copy.add(test, TEST)
    copy.run("-m", "pytest", "-p", "no:xdist", test)
    copy.run("-m", "scripts.openapi")
    description = json.loads(Path(tmp_path, "web/openapi.json").read_text("utf-8"))
    operation = description["paths"]["/api/v1/longest-goal"]["get"]
    assert operation["operationId"] == "read_longest_goal"
    assert "401" in operation["responses"]
