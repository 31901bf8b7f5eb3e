"""A roadmap is followed to its end with npm's `eventsource`, which does what browsers do."""

import json
import subprocess
from pathlib import Path

from roadmap.plan.statuses import EventType
from testing.stack import Stack
from testing.waiting import HANG
from tests.integration.conftest import SMALL

FOLLOW = """
import { EventSource } from "eventsource";
const [url, own, types] = JSON.parse(process.argv[2]);
const seen = [];
const withOwn = (at, init) =>
  fetch(at, { ...init, headers: { ...init.headers, ...own } });
const source = new EventSource(url, { fetch: withOwn });
const keep = (event) => seen.push(JSON.parse(event.data));
for (const type of types) source.addEventListener(type, keep);
source.addEventListener("message", () => seen.push("an event without a type"));
source.addEventListener("error", (error) => {
  if (source.readyState !== EventSource.CLOSED) return; // it comes back by itself
  console.log(JSON.stringify({ seen, code: error.code }));
});
"""


def test_it_follows_to_the_end_and_closes_at_the_final_204(stack: Stack, project: Path) -> None:
    (project / "follow.mjs").write_text(FOLLOW)
    url = stack.url + stack.create(**SMALL) + "/events"
    command = ["node", "follow.mjs", json.dumps([url, stack.headers, [*EventType]])]
    end = json.loads(subprocess.check_output(command, cwd=project, timeout=HANG))
    seqs = [event["seq"] for event in end["seen"]]
    assert seqs == list(range(1, len(seqs) + 1))
    assert (end["seen"][-1]["type"], end["code"]) == ("roadmap.ready", 204)
