"""A roadmap that was taken along comes back the same from either kind of database, with cards whose numbers have every bit."""

from concurrent.futures import ThreadPoolExecutor

from tests.portables import FIRST, small
from tests.stack import Stack

IMPORT = "/api/v1/roadmaps/import"


def test_what_comes_in_goes_out_as_it_was(stack: Stack) -> None:
    document = small()
    cards = document["concepts"][FIRST]["cards"]
    cards.insert(0, {**cards[0], "question": 0, "stability": 0.1 + 0.2, "difficulty": 9.999999999999998, "step": 1, "state": 1})
    made = stack.request("POST", IMPORT, json=document)
    assert made.status_code == 201, made.text
    again = stack.get(f"{made.headers['location']}/export.json").json()
    assert {**again, "exported_at": ""} == {**document, "exported_at": ""}


def test_many_at_once_are_each_made_or_told_to_wait(stack: Stack) -> None:
    """Of one account they follow each other."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: stack.request("POST", IMPORT, json=small()), range(8)))
    assert {answer.status_code for answer in answers} <= {201, 429}
    assert all(answer.headers["retry-after"] == "5" for answer in answers if answer.status_code == 429)
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) >= 1
    assert all(stack.get(f"/api/v1/roadmaps/{each}").json()["status"] == "partial" for each in made)
