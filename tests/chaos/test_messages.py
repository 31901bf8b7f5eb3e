"""Messages that no worker can run become dead letters; the others go on."""

from uuid import uuid4

import pytest
from huey.registry import Message

from core.backends import signing_keys
from reliable_queue.messages import SignedJsonSerializer
from reliable_queue.storage import DeadLetter
from testing.commands import succeeded
from testing.servers import Redis
from testing.stack import Stack, running
from testing.stack_queues import queue_of, settings_of
from testing.waiting import wait_until
from tests.chaos.checks import CommandResult, MakeStack, assert_built_once, data_file, dead, locked

GARBAGE = bytes(range(256))
FOREIGN_KEY = "x" * 40


def assert_one_sentence(text: CommandResult, sentence: str) -> None:
    assert (text.code, text.output, text.errors) == (1, "", f"Error: {sentence}\n")


def assert_away(text: CommandResult) -> None:
    """One sentence says why and what to do; exit code 3: a retry may work."""
    assert (text.code, text.output, text.errors.count("\n")) == (3, "", 1)
    assert text.errors.startswith("Error: The broker does not respond. Try again later. ")


def signed(
    stack: Stack, name: str, *arguments: object, queue: str = "content", keys: tuple[str, ...] = ()
) -> bytes:
    """Return a message for a task that is not tried again.

    It is signed as the stack itself would, unless other keys are given.
    """
    message = Message(id=str(uuid4()), name=name, args=arguments, kwargs={}, retries=0)
    data: bytes = SignedJsonSerializer(keys or signing_keys(settings_of(stack)), salt=queue).seal(
        message, None, {}
    )
    return data


def dead_letters_of(stack: Stack, number: int) -> list[DeadLetter]:
    """The dead letters, as soon as they are so many."""
    with queue_of(stack) as queue:
        wait_until(
            lambda: queue.storage.stats().dead == number, reason=f"{number} messages are put aside"
        )
        return queue.storage.dead_letters()


@pytest.mark.long
def test_a_message_no_worker_can_run_is_a_dead_letter_and_the_others_are_built(
    fragile: Stack,
) -> None:
    forged = "the signature does not match any of the current keys"
    reasons = {
        GARBAGE: forged,
        signed(fragile, "tasks.content.plan_roadmap", str(uuid4()), keys=(FOREIGN_KEY,)): forged,
        signed(fragile, "tasks.logs.store_log_batch", [], queue="logs"): forged,
        signed(
            fragile, "tasks.content.write_poem", str(uuid4())
        ): "tasks.content.write_poem not found in TaskRegistry",
        signed(
            fragile, "tasks.content.build_content", "the third"
        ): "it failed for good: ValueError(",
        signed(
            fragile, "tasks.content.plan_roadmap", str(uuid4()), "and more"
        ): "it failed for good: TypeError(",
    }
    paths = []
    with queue_of(fragile) as queue:
        for data in reasons:
            queue.storage.enqueue(data, priority=1)  # before the contents of the roadmaps
            paths.append(fragile.create())

    letters = dead_letters_of(fragile, len(reasons))
    assert {letter.data for letter in letters} == set(reasons)
    assert [
        letter.reason for letter in letters if not letter.reason.startswith(reasons[letter.data])
    ] == []
    listed = dead(fragile, "dead")
    assert (listed.code, listed.errors) == (0, "")
    for letter in letters:
        assert letter.id in listed.output
        assert letter.reason[:60] in listed.output
    assert listed.output.count("(unreadable)") == 4
    assert fragile.metric_sum("roadmap_queue_messages", queue="content", state="dead") == len(
        reasons
    )

    for path in paths:
        assert_built_once(fragile, path)


@pytest.mark.long
def test_a_person_lists_replays_and_deletes_dead_letters(fragile: Stack) -> None:
    assert dead(fragile, "dead") == (0, "No dead letters in the content queue.\n", "")
    unknown = signed(fragile, "tasks.content.write_poem", "on bread")
    with queue_of(fragile) as queue:
        queue.storage.enqueue(GARBAGE)
        queue.storage.enqueue(unknown)
    first = {letter.data: letter for letter in dead_letters_of(fragile, 2)}

    assert dead(fragile, "replay", first[unknown].id) == (
        0,
        "Replayed 1 dead letter of the content queue.\n",
        "",
    )
    again = {letter.data: letter for letter in dead_letters_of(fragile, 2)}
    assert again[unknown].at > first[unknown].at
    assert again[GARBAGE] == first[GARBAGE]

    assert dead(fragile, "delete", again[GARBAGE].id) == (
        0,
        "Deleted 1 dead letter of the content queue.\n",
        "",
    )
    [left] = dead_letters_of(fragile, 1)
    assert left.data == unknown
    assert dead(fragile, "replay", "--all") == (
        0,
        "Replayed 1 dead letter of the content queue.\n",
        "",
    )
    [last] = dead_letters_of(fragile, 1)
    assert last.at > left.at
    assert dead(fragile, "delete", "--all", "--queue", "logs") == (
        0,
        "Deleted 0 dead letters of the logs queue.\n",
        "",
    )
    assert dead(fragile, "delete", "--all") == (
        0,
        "Deleted 1 dead letter of the content queue.\n",
        "",
    )
    assert dead_letters_of(fragile, 0) == []


@pytest.mark.long
def test_a_wrong_id_is_reported_in_one_sentence(stack: Stack) -> None:
    for command in ("replay", "delete"):
        assert_one_sentence(dead(stack, command, "77"), "The content queue has no dead letter 77.")
        result = dead(stack, command)
        assert (result.code, result.output) == (2, "")
        assert "Give ids (see `roadmap jobs dead`) or --all. --search needs --all." in result.errors


@pytest.mark.long
def test_a_letter_that_is_replayed_has_its_effect(fragile_server: Stack) -> None:
    fragile_server.content.stop()
    fragile_server.logs.stop()  # no rescue
    path = fragile_server.create()
    with queue_of(fragile_server) as queue:
        wait_until(lambda: queue.pending_count() == 1, reason="the message is there")
        queue.storage.heartbeat(60)
        claim = queue.storage.claim(0)
        assert claim is not None
        queue.storage.dead_letter(claim, "somebody put it aside")
        queue.storage.release_all()
    fragile_server.content.start()
    [letter] = dead_letters_of(fragile_server, 1)
    listed = dead(fragile_server, "dead").output
    assert "plan_roadmap" in listed
    assert path.rsplit("/", 1)[-1] in listed
    assert fragile_server.get(path).json()["status"] == "queued"

    assert dead(fragile_server, "replay", letter.id).code == 0
    assert_built_once(fragile_server, path)
    assert dead_letters_of(fragile_server, 0) == []


@pytest.mark.long
@pytest.mark.parametrize("fault", ["is refused", "hangs"])
def test_the_commands_tell_in_one_sentence_that_the_broker(
    make_stack: MakeStack, own_broker: Redis, fault: str
) -> None:
    stack = make_stack("server")
    succeeded(stack.environment, "migrate")  # what changes something is written down first
    own_broker.pause() if fault == "hangs" else own_broker.kill()
    for arguments in (["dead"], ["replay", "77"], ["delete", "--all"]):
        assert_away(dead(stack, *arguments))


@pytest.mark.long
def test_the_commands_tell_in_one_sentence_that_the_queue_file_is_locked(
    make_stack: MakeStack,
) -> None:
    with running(make_stack("embedded")) as stack, locked(data_file(stack, "queue.db")):
        for command in ("replay", "delete"):
            assert_away(dead(stack, command, "77"))
