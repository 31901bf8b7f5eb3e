"""Each process killed at each point that could lose or repeat something: all is built once.

The trials (`trials.py`) of all tests that were selected run side by side, a few at a time: most of
the time they wait for a lease or a heartbeat to run out.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from testing.servers import Postgres
from tests.chaos.trials import (
    CONTENTS,
    SEED,
    Trial,
    a_goal_is_accepted_perhaps,
    a_goal_is_posted,
    a_goal_waits_for_rescue,
    another_has_died_before,
    garbage_arrives,
    it_is_stopped_by_a_signal,
    its_task_is_running,
    records_arrive,
    the_model_fails_a_content,
    the_model_fails_an_outline,
    trial_of,
)

pytestmark = pytest.mark.xdist_group(
    "kill points"
)  # the first test of them starts the trials of all

LANES = 4  # trials at a time


@dataclass(frozen=True)
class Case:
    """A kill point, as ROADMAP_KILL_AT names it, and the story around it."""

    at: str
    story: Callable[[Trial], None]


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, postgres: Postgres
) -> Iterator[dict[str, Future[None]]]:
    """Begin the trial of each selected test; its outcome stands under the test's id."""
    print(f"seed {SEED}")
    postgres.create_migrated_database()  # the first one, which all trials copy

    def run(case: Case, mode: str) -> None:
        with trial_of(case.at, mode, postgres) as trial:
            case.story(trial)

    selected = [item for item in request.session.items if item.path == request.path]
    with ThreadPoolExecutor(LANES, "Trial") as pool:
        try:
            yield {
                item.nodeid: pool.submit(run, *item.callspec.params["outcome"]) for item in selected
            }
        finally:
            pool.shutdown(cancel_futures=True)


@pytest.fixture
def outcome(request: pytest.FixtureRequest, outcomes: dict[str, Future[None]]) -> Future[None]:
    return outcomes[request.node.nodeid]


IN_EVERY_RUN = {
    ("accept.committed", "server"),
    ("claim.after", "server"),
    ("steps.before", "embedded"),
    ("content.saved", "server"),
    ("records.after", "server"),
}


def cases(story: Callable[[Trial], None], *points: str) -> pytest.MarkDecorator:
    """Each point in each mode."""
    chosen = []
    for at in points:
        for mode in ("embedded", "server"):
            marks = () if (at, mode) in IN_EVERY_RUN else pytest.mark.long
            chosen.append(pytest.param((Case(at, story), mode), marks=marks, id=f"{mode}-{at}"))
    return pytest.mark.parametrize("outcome", chosen, indirect=True)


@cases(
    a_goal_is_accepted_perhaps, "accept.before", "accept.committed", "sender.before", "sender.after"
)
def test_an_api_that_dies_while_it_accepts_forgets_nothing_that_it_committed(
    outcome: Future[None],
) -> None:
    outcome.result()


@cases(
    a_goal_is_posted,
    "lease.claimed",
    "analysis.before",
    "call.reserved",
    "call.answered",
    "analysis.saved",
    "outline.before",
    "outline.after",
    "draft.saved",
    "outline.uncommitted",
    "outline.saved",
    "steps.before",
    "steps.after",
)
def test_a_worker_that_dies_over_an_outline_leaves_it_to_be_made_once(
    outcome: Future[None],
) -> None:
    outcome.result()


@cases(
    a_goal_is_posted,
    "lease.claimed:2",
    "content.before",
    "content.after",
    f"content.uncommitted:{CONTENTS}",
    "content.saved",
    f"content.saved:{CONTENTS}",
)
def test_a_worker_that_dies_over_a_content_leaves_it_to_be_written_once(
    outcome: Future[None],
) -> None:
    outcome.result()


@cases(a_goal_is_posted, "claim.after", "execute.before", "execute.after", "claim.before")
def test_a_consumer_that_dies_over_a_message_leaves_it_to_another(outcome: Future[None]) -> None:
    outcome.result()


@cases(the_model_fails_an_outline, "snooze.before", "snooze.after", "claim.after:2")
def test_a_retry_of_an_outline_outlives_the_consumer_that_decided_it(outcome: Future[None]) -> None:
    outcome.result()


@cases(the_model_fails_a_content, "snooze.before", "snooze.after")
def test_a_retry_of_a_content_outlives_the_consumer_that_decided_it(outcome: Future[None]) -> None:
    outcome.result()


@cases(its_task_is_running, "heartbeat.before", "heartbeat.after", "renew.before")
def test_a_consumer_that_dies_as_it_gives_a_sign_of_life_is_missed(outcome: Future[None]) -> None:
    outcome.result()


@cases(another_has_died_before, "heartbeat.took_over")
def test_a_consumer_that_dies_as_it_takes_over_loses_nothing_of_the_dead_one(
    outcome: Future[None],
) -> None:
    outcome.result()


@cases(it_is_stopped_by_a_signal, "hand_back.before", "release_all.before", "release_all.after")
def test_a_consumer_that_dies_as_it_hands_back_its_work_loses_none_of_it(
    outcome: Future[None],
) -> None:
    outcome.result()


@cases(garbage_arrives, "dead_letter.before", "dead_letter.after")
def test_a_message_is_put_aside_once_though_the_consumer_dies_over_it(
    outcome: Future[None],
) -> None:
    outcome.result()


@cases(records_arrive, "records.before", "records.after")
def test_log_records_are_stored_and_counted_once_though_their_consumer_dies(
    outcome: Future[None],
) -> None:
    outcome.result()


@cases(
    a_goal_waits_for_rescue, "periodic.before", "periodic.after", "rescue.before", "rescue.after"
)
def test_a_goal_that_was_never_sent_is_built_though_its_rescuer_dies(outcome: Future[None]) -> None:
    outcome.result()
