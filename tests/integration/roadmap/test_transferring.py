"""Roadmaps of a running service become another one's, also while they are made and watched."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.metric_definitions import STREAMS
from testing.commands import succeeded
from testing.stack import GOAL, PASSWORD, Stack, answer_to
from testing.waiting import HANG, wait_until

API = "/api/v1"


def registered(stack: Stack) -> tuple[str, dict[str, str]]:
    email = f"{uuid.uuid4().hex}@example.org"
    answer = answer_to(
        "POST", f"{stack.url}{API}/auth/register", json={"email": email, "password": PASSWORD}
    )
    assert answer.status_code == 201, answer.text
    return email, {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.mark.parametrize("stack", ["server"], indirect=True)
def test_what_is_made_goes_on_for_the_new_owner_and_streams_of_the_old_one_end(
    stack: Stack,
) -> None:
    (ann, hers), (bob, his) = registered(stack), registered(stack)

    def ask(method: str, path: str, headers: dict[str, str], **options: object) -> int:
        return answer_to(method, stack.url + path, headers=headers, **options).status_code

    made = [
        answer_to(
            "POST",
            f"{stack.url}{API}/roadmaps",
            headers=hers,
            json={"goal": GOAL, "review": review},
        ).headers["location"]
        for review in (False, True)
    ]
    waits = made[1]

    def status(headers: dict[str, str], path: str) -> str:
        return str(answer_to("GET", stack.url + path, headers=headers).json()["status"])

    wait_until(
        lambda: status(hers, waits) == "awaiting_review", reason="its plan waits for approval"
    )
    with ThreadPoolExecutor(1) as pool:
        before, stack.headers = stack.headers, hers
        try:
            stream = pool.submit(stack.events, waits)
            wait_until(lambda: stack.metric_sum(STREAMS) >= 1, reason="somebody watches")
            body = succeeded(stack.environment, "users", "transfer", ann, bob, "--json").data
            assert [event["event"] for event in stream.result(HANG)][
                -1
            ] == "roadmap.awaiting_review"
        finally:
            stack.headers = before
    assert (body["roadmaps"], body["new_owner"]["email"]) == (2, bob)

    for path in made:
        assert (ask("GET", path, hers), ask("GET", path, his)) == (404, 200)
    assert ask("GET", f"{waits}/events", hers) == 404
    assert ask("POST", f"{waits}/approve", his, json={}) == 202
    for path in made:
        wait_until(lambda path=path: status(his, path) == "ready", reason="it is ready")
