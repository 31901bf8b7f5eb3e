"""People who decide at random while workers are killed: everything ends and adds up."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from testing.stack import FINAL, Stack, running
from testing.waiting import HANG, wait_until
from tests.chaos.checks import MakeStack, restart, rows
from tests.chaos.model import serving

SEED = 7
PEOPLE = 4
ROADMAPS = 3  # of each person
EXPECTED = {
    200,
    202,
    404,
    409,
    422,
}  # of answers to decisions, some of which make no sense at that time
KINDS = ("tutorial", "resources", "quiz")

WRONG = {
    "events that are not numbered 1 to n": """SELECT r.id FROM roadmap r
        LEFT JOIN roadmap_event e ON e.roadmap_id = r.id GROUP BY r.id, r.last_seq
        HAVING count(e.seq) <> r.last_seq OR min(e.seq) <> 1 OR max(e.seq) <> r.last_seq""",
    "parts that are open though nothing is done any more": """SELECT c.id FROM content c
        JOIN roadmap r ON c.roadmap_id = r.id WHERE c.status IN ('pending', 'building')
        AND r.status NOT IN ('building', 'awaiting_review', 'queued', 'planning')""",
    "parts of removed concepts that are open": """SELECT c.id FROM content c
        JOIN concept k ON c.concept_id = k.id
        WHERE k.removed AND c.status IN ('pending', 'building')""",
    "parts that are ready and not there": """SELECT c.id FROM content c LEFT JOIN content_version v
        ON v.content_id = c.id AND v.version = c.version
        WHERE c.status = 'ready' AND v.version IS NULL""",
    "counts that are not those of the parts": """SELECT r.id FROM roadmap r
        LEFT JOIN concept k ON k.roadmap_id = r.id AND NOT k.removed
        LEFT JOIN content c ON c.concept_id = k.id
        GROUP BY r.id, r.contents_total, r.contents_ready, r.contents_failed
        HAVING count(c.id) <> r.contents_total
        OR coalesce(sum(CASE WHEN c.status = 'ready' THEN 1 ELSE 0 END), 0) <> r.contents_ready
        OR coalesce(sum(CASE WHEN c.status IN ('failed', 'cancelled') THEN 1 ELSE 0 END), 0)
        <> r.contents_failed""",
    "sums that are not those of the calls": """SELECT r.id FROM roadmap r
        LEFT JOIN model_call m ON m.roadmap_id = r.id
        GROUP BY r.id, r.spent HAVING r.spent <> coalesce(sum(m.price), 0)""",
    "designs that are under way though nothing is": """SELECT v.roadmap_id FROM revision v
        JOIN roadmap r ON v.roadmap_id = r.id
        WHERE v.status = 'open' AND r.status NOT IN ('queued', 'planning')""",
    "leases of rows that no worker builds": """SELECT id FROM content
        WHERE lease_token IS NOT NULL AND status <> 'building'
        UNION ALL SELECT id FROM roadmap WHERE lease_token IS NOT NULL AND status <> 'planning'""",
}


class Person:
    """Creates roadmaps and decides about them, the same each time for a seed."""

    def __init__(self, stack: Stack, number: int) -> None:
        self.stack, self.number, self.chance = stack, number, random.Random(SEED + number)
        self.paths: list[str] = []
        self.answers: list[int] = []

    def live(self, decisions: int) -> None:
        for index in range(ROADMAPS):
            goal = f"Bake bread {self.number}-{index}"
            self.paths.append(self.stack.create(goal, review=self.chance.random() < 0.5))
        for _ in range(decisions):
            path = self.chance.choice(self.paths)
            method, place, body = self.decide(self.stack.get(path).json())
            self.answers.append(self.stack.request(method, f"{path}{place}", json=body).status_code)

    def decide(self, tree: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
        concepts = [
            node
            for stage in tree["stages"]
            for module in stage["modules"]
            for node in module["concepts"]
        ]
        node = self.chance.choice(concepts) if concepts else {"id": tree["id"], "key": "none"}
        named = {"what": "concept", "key": node["key"]}
        wish, hours = f"part-{self.chance.randint(7, 99)}", self.chance.randint(1, 9)
        added = {
            "op": "add_concept",
            "module": "basics",
            "title": wish.capitalize(),
            "hours": hours,
            "difficulty": 2,
        }
        choices: list[tuple[str, dict[str, Any]]] = [
            ("/approve", {}),
            ("/revise", {"feedback": wish}),
            ("/edits", {"operations": [added]}),
            ("/edits", {"operations": [{"op": "remove", **named}]}),
            ("/edits", {"operations": [{"op": "rewrite", **named, "title": f"{wish} {hours}"}]}),
            (
                "/edits",
                {
                    "operations": [{"op": "rewrite", **named, "hours": hours}],
                    "base": max(1, tree["revision"]),
                },
            ),
            (f"/revisions/{self.chance.randint(1, tree['revision'] + 1)}/restore", {}),
            (
                f"/concepts/{node['id']}/{self.chance.choice(KINDS)}/regenerate",
                {"instructions": wish},
            ),
            ("/retry", {}),
            ("/cancel", {}),
        ]
        return ("POST", *self.chance.choice(choices))


def everything_ends(stack: Stack, paths: list[str]) -> list[dict[str, Any]]:
    """The trees, after all that waits for a person has been approved."""

    def ended() -> list[dict[str, Any]] | None:
        trees = [stack.get(path).json() for path in paths]
        for tree in trees:
            if tree["status"] == "awaiting_review":
                stack.post(f"{tree['links']['self']}/approve", json={})
        return trees if all(tree["status"] in FINAL for tree in trees) else None

    return wait_until(ended, reason="every roadmap ends")


def plan_of(tree: dict[str, Any]) -> list[Any]:
    """Return the part that a tree and the outline of a revision have in common."""
    return [
        (stage["key"], stage["title"], [
            (module["key"], module["title"],
             [(each["key"], each["title"], each["hours"]) for each in module["concepts"]])
            for module in stage["modules"]
        ])
        for stage in tree["stages"]
    ]  # fmt: skip


def assert_adds_up(stack: Stack, trees: list[dict[str, Any]]) -> None:
    found = {name: rows(stack, query) for name, query in WRONG.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    for tree in trees:
        path = tree["links"]["self"]
        events = stack.events(path)
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        assert events[-1]["event"] == f"roadmap.{tree['status']}"
        if tree["revision"]:
            assert plan_of(tree) == plan_of(
                stack.get(f"{path}/revisions/{tree['revision']}").json()["outline"]
            )
        assert "Internal" not in json.dumps(tree)


@pytest.mark.long
@pytest.mark.parametrize(
    ("mode", "decisions", "kills"),
    [
        pytest.param("embedded", 15, 0, id="embedded"),
        pytest.param("server", 60, 5, id="server"),
    ],
)
def test_whatever_people_decide_while_workers_are_killed_everything_ends_and_adds_up(
    make_stack: MakeStack, mode: str, decisions: int, kills: int
) -> None:
    print(f"seed {SEED}")
    with (
        serving(concepts=2, seed=SEED) as model,
        running(make_stack(mode, **model.environment)) as stack,
    ):
        people = [Person(stack, number) for number in range(PEOPLE)]
        with ThreadPoolExecutor(PEOPLE) as pool:
            lives = [pool.submit(person.live, decisions) for person in people]
            for _ in range(kills):
                due = model.answered() + 10
                wait_until(
                    lambda due=due: model.answered() >= due or all(life.done() for life in lives),
                    reason="some work",
                )
                stack.content.kill()
                restart(stack)
            for life in lives:
                life.result(HANG)
        answers = {answer for person in people for answer in person.answers}
        assert answers <= EXPECTED
        assert 202 in answers
        assert_adds_up(
            stack, everything_ends(stack, [path for person in people for path in person.paths])
        )
        assert model_calls(stack) >= len(model.calls)
        for service in stack.services.values():
            assert "Traceback" not in service.output
            assert "deadlock" not in service.output.lower()


def model_calls(stack: Stack) -> int:
    """In the books: there is none that is not there before it is made."""
    return int(rows(stack, "select count(*) from model_call")[0][0])
