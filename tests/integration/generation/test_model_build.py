"""A whole roadmap by a model that works, fails and recovers, through real processes."""

import json
from datetime import timedelta

import pytest
from llmock.scenarios import Fail, Match, Reply

from roadmap.plan.outline import ContentKind
from testing.stack import Stack
from testing.waiting import wait_until
from tests.attacks.hostile import nested_finally
from tests.chaos.model import TUTORIAL
from tests.integration.conftest import GOAL, KEY, MAX_ATTEMPTS, MODEL, Provider
from tests.integration.roadmap.test_model_generator import PRACTICE, SOUND, WRITTEN, outline
from tests.integration.roadmap.test_model_generator import concept as a_concept


def concepts_of(tree: dict) -> list[dict]:
    return [
        concept
        for stage in tree["stages"]
        for module in stage["modules"]
        for concept in module["concepts"]
    ]


def logs_of(stack: Stack, tree: dict, *, until: str) -> list[dict]:
    """The execution log of a roadmap, once it has a record with this step, level or message."""

    def stored() -> list[dict]:
        items = stack.get(f"{tree['links']['logs']}?limit=100").json()["items"]
        named = {item[name] for item in items for name in ("step", "level", "message")}
        return items if until in named else []

    return wait_until(stored, reason=f"a record of {until}")


def assert_key_is_nowhere(stack: Stack, tree: dict, *, until: str) -> None:
    """Neither in what the services print nor in any answer about the roadmap."""
    path = tree["links"]["self"]
    concepts = [stack.get(f"{path}/concepts/{concept['id']}").text for concept in concepts_of(tree)]
    events = stack.get(f"{path}/events").text
    shown = [
        json.dumps(tree),
        json.dumps(logs_of(stack, tree, until=until)),
        events,
        *concepts,
        stack.get("/api/v1/roadmaps").text,
    ]
    printed = [service.output for service in stack.services.values()]
    assert [text for text in shown + printed if KEY in text] == []


def test_any_goal_becomes_a_roadmap_by_the_model(model_stack: Stack, provider: Provider) -> None:
    tree = model_stack.finished(model_stack.create(GOAL, language="de"))

    assert (tree["status"], tree["error"]) == ("ready", "")
    assert tree["generator"] == f"model:{MODEL}"
    assert tree["title"] == "Baking bread"
    assert tree["progress"] == {"ready": 9, "failed": 0, "total": 9}
    detail = model_stack.get(
        f"{tree['links']['self']}/concepts/{concepts_of(tree)[0]['id']}"
    ).json()
    assert detail["tutorial"] == {
        "markdown": TUTORIAL,
        "language": None,
        "version": 1,
        "generator": f"model:{MODEL}",
    }
    assert [resource["url"] for resource in detail["resources"]] == [
        f"https://example.org/{name}" for name in ("dough", "flour", "water")
    ]
    question = detail["quiz"]["questions"][0]
    assert sorted(question["options"]) == ["Gluten", "Luck", "Salt"]
    assert sorted(provider.door.kinds) == [
        "analysis",
        "outline",
        *sorted(["quiz", "resources", "tutorial"] * 3),
    ]
    assert (provider.door.keys, provider.door.models) == ({f"Bearer {KEY}"}, {MODEL})
    assert_key_is_nowhere(model_stack, tree, until="finish")


def test_contents_are_written_from_the_whole_course_and_begin_with_the_same_bytes(
    model_stack: Stack, provider: Provider
) -> None:
    tree = model_stack.finished(model_stack.create(GOAL))
    oven = concepts_of(tree)[2]
    model_stack.post(
        f"{tree['links']['self']}/concepts/{oven['id']}/tutorial/regenerate",
        json={"instructions": "Shorter."},
    )
    model_stack.finished(tree["links"]["self"])
    asked = [body["messages"] for body in provider.door.bodies[2:]]
    assert len(asked) == 3 * 3 + 1
    beginnings = {
        (system["content"], user["content"].partition('"task": ')[0]) for system, user in asked
    }
    assert len(beginnings) == 1
    last = provider.door.facts[-1]
    assert (last["number"], last["of"], last["next"], last["known_terms"]) == (3, 3, [], ["Gluten"])
    assert last["prerequisites"] == [{"title": "Dough", "outcomes": ["do it"], "terms": ["Gluten"]}]
    assert last["analysis"]["aim"] == "To bake bread."


def test_a_provider_that_always_fails_ends_in_a_reason_after_a_bounded_number_of_attempts(
    model_stack: Stack, provider: Provider
) -> None:
    provider.state.scenarios.add(Fail(500, message=f"We broke on {KEY}.", times=None))

    tree = model_stack.finished(model_stack.create(GOAL))

    assert tree["status"] == "failed"
    assert "The provider answered 500" in tree["error"]
    assert tree["stages"] == []
    assert provider.door.kinds == ["analysis"] * MAX_ATTEMPTS
    assert_key_is_nowhere(model_stack, tree, until="error")


def test_a_key_that_is_not_accepted_fails_at_once_and_names_the_setting(
    model_stack: Stack, provider: Provider
) -> None:
    provider.state.scenarios.add(
        Fail(401, message=f"Incorrect API key provided: {KEY}.", times=None)
    )

    tree = model_stack.finished(model_stack.create(GOAL))

    assert tree["status"] == "failed"
    assert "OPENAI_API_KEY is not accepted" in tree["error"]
    assert provider.door.kinds == ["analysis"]
    assert_key_is_nowhere(model_stack, tree, until="error")


def test_one_kind_that_fails_for_good_leaves_the_rest_and_is_named(
    model_stack: Stack, provider: Provider
) -> None:
    refusal = Fail(
        400, message=f"The quiz is not allowed for {KEY}.", match=Match(model="quiz"), times=None
    )
    provider.state.scenarios.add(refusal)

    tree = model_stack.finished(model_stack.create(GOAL))

    assert tree["status"] == "partial"
    assert tree["progress"] == {"ready": 6, "failed": 3, "total": 9}
    assert "3 of 9" in tree["error"]
    for concept in concepts_of(tree):
        contents = concept["contents"]
        assert (contents["tutorial"]["status"], contents["resources"]["status"]) == (
            "ready",
            "ready",
        )
        assert (contents["quiz"]["status"], contents["quiz"]["version"]) == ("failed", 0)
        assert "The quiz is not allowed" in contents["quiz"]["error"]
        detail = model_stack.get(f"{tree['links']['self']}/concepts/{concept['id']}").json()
        assert detail["tutorial"]["markdown"]
        assert detail["quiz"] is None
    assert provider.door.kinds.count("quiz") == 3
    assert_key_is_nowhere(model_stack, tree, until="finish")


def test_a_provider_that_asks_to_wait_is_asked_again(
    model_stack: Stack, provider: Provider
) -> None:
    provider.state.scenarios.add(Fail(429, retry_after=1))

    tree = model_stack.finished(model_stack.create(GOAL))

    assert (tree["status"], tree["error"]) == ("ready", "")
    assert provider.door.kinds.count("analysis") == 2
    retries = [
        record
        for record in logs_of(model_stack, tree, until="finish")
        if record["category"] == "retry"
    ]
    assert [record["level"] for record in retries] == ["warning"]
    assert "429" in retries[0]["message"]


def test_code_that_a_compiler_takes_hours_for_does_not_hold_its_worker(
    model_stack: Stack, provider: Provider
) -> None:
    """The lock of the interpreter is kept by compile(): the worker would be taken for dead."""
    provider.writes(
        tutorial=json.dumps({"markdown": f"```python\n{nested_finally(40)}\n```\n\n{TUTORIAL}"})
    )
    tree = model_stack.finished(model_stack.create(GOAL))
    assert (tree["status"], tree["progress"]["ready"]) == ("ready", 9)
    assert provider.door.kinds.count("tutorial") == 3


def test_a_tutorial_that_is_too_intricate_fails_alone(
    model_stack: Stack, provider: Provider
) -> None:
    provider.writes(tutorial=json.dumps({"markdown": ">" * 2_000 + "a"}))
    tree = model_stack.finished(model_stack.create(GOAL))
    assert tree["progress"] == {"ready": 6, "failed": 3, "total": 9}
    assert {
        "too complex" in concept["contents"]["tutorial"]["error"] for concept in concepts_of(tree)
    } == {True}


@pytest.mark.usefixtures("provider")
def test_the_services_print_no_warning_and_no_error_of_their_own(model_stack: Stack) -> None:
    model_stack.finished(model_stack.create(GOAL))
    printed = [
        line for service in model_stack.services.values() for line in service.output.splitlines()
    ]
    assert [
        line for line in printed if "Traceback" in line or "Warning" in line or "ERROR" in line
    ] == []


def test_a_429_slows_the_whole_process_down(model_stack: Stack, provider: Provider) -> None:
    """Others do not ask either until the time is over that the provider wants."""
    provider.writes(outline=outline(a_concept("flour")))
    provider.state.scenarios.add(Fail(429, retry_after=2, match=Match(model="quiz")))
    slowed = model_stack.create(GOAL)
    logs_of(model_stack, model_stack.get(slowed).json(), until="warning")
    for path in (slowed, model_stack.create(GOAL)):
        assert model_stack.finished(path)["status"] == "ready"
    asked = list(zip(provider.door.kinds, provider.door.asked_at, strict=True))
    refused_at = next(at for kind, at in asked if kind == "quiz")
    # A call for resources may have begun before the refusal.
    later = [at for kind, at in asked if at > refused_at and kind != "resources"]
    assert len(later) == 1 + 4
    assert min(later) >= refused_at + timedelta(seconds=2)


POOR = {
    "tutorial": {"markdown": f"Knead.\n\n{TUTORIAL[TUTORIAL.index('## Exercise') :]}"},
    "resources": {"items": WRITTEN[ContentKind.resources]["items"][:2]},
    "quiz": {"questions": WRITTEN[ContentKind.quiz]["questions"][:1]},
}
REMARKS = {
    "tutorial": [
        "Words: 44; at least 400 are needed.",
        "Sections (##): 2; at least 3 are needed.",
    ],
    "resources": ["Resources: 2; at least 3 are needed."],
    "quiz": [
        "Questions: 1; at least 4 are needed.",
        "Types of questions: 1; at least 2 are needed.",
    ],
}


def test_what_falls_short_is_asked_for_once_more_and_then_kept_and_marked(
    model_stack: Stack, provider: Provider
) -> None:
    provider.writes(
        outline=outline(a_concept("flour")),
        **{kind: json.dumps(content) for kind, content in POOR.items()},
    )
    tree = model_stack.finished(model_stack.create(GOAL))
    assert (tree["status"], tree["progress"]["ready"]) == ("ready", 3)
    assert sorted(provider.door.kinds) == sorted(["analysis", "outline", *POOR, *POOR])
    (node,) = concepts_of(tree)
    place = f"{tree['links']['self']}/concepts/{node['id']}"
    assert model_stack.get(place).json()["remarks"] == REMARKS
    page = model_stack.get(place.removeprefix("/api/v1"), headers={"Accept": "text/html"}).text
    assert page.count("Remarks:") == 3
    assert all(remark in page for remarks in REMARKS.values() for remark in remarks)
    written = f"Wrote the quiz on 'Flour'. Remarks: {' '.join(REMARKS['quiz'])}"
    messages = [each["message"] for each in logs_of(model_stack, tree, until=written)]
    assert [text for text in messages if text.startswith("Wrote the quiz")] == [written]


def test_a_second_answer_that_is_good_has_no_remarks(
    model_stack: Stack, provider: Provider
) -> None:
    provider.state.scenarios.clear()
    for kind, content in POOR.items():
        provider.state.scenarios.add(Reply(text=json.dumps(content), match=Match(model=kind)))
    provider.writes_more(outline=outline(a_concept("flour")))
    tree = model_stack.finished(model_stack.create(GOAL))
    (node,) = concepts_of(tree)
    detail = model_stack.get(f"{tree['links']['self']}/concepts/{node['id']}").json()
    assert (detail["remarks"], len(detail["quiz"]["questions"])) == ({}, 4)
    assert len(provider.door.kinds) == 2 + 2 * 3


TITLE, GOAL_IN_CHINESE = "学会烤面包", "我想学会烤面包"
FLOUR = a_concept(
    "flour", title="面粉与水", description="了解面粉和水的比例，以及它们如何形成面团。"
)
QUESTION = {
    "prompt": "面团为什么会膨胀？",
    "right_options": ["因为酵母"],
    "wrong_options": ["因为盐"],
    "explanation": "酵母产生气体。",
}
HARDER = {**QUESTION, "wrong_options": ["因为盐", "因为水"]}
TRANSLATED = {
    "prompt": "Why does dough rise?",
    "right_options": ["Yeast"],
    "wrong_options": ["Salt"],
    "explanation": "Yeast makes gas, and the gas lifts the dough.",
}
RESOURCE = {**WRITTEN[ContentKind.resources]["items"][0], "why": "它解释了面团为什么会膨胀。"}
TEXT = (
    f"## 原理\n\n{'面团需要时间才能发起来，面筋形成一张网。' * 50}"
    "\n\n```python\nknead(dough)\n```\n\n先把面粉和水混合，然后揉面。\n\n" + PRACTICE
)
IN_CHINESE = {
    "outline": SOUND,  # in English at first
    "repair": outline(FLOUR, title=TITLE),
    "tutorial": json.dumps({"markdown": TEXT}),
    "resources": json.dumps(
        {"items": [{**RESOURCE, "url": f"https://example.org/{n}"} for n in range(3)]}
    ),
    "quiz": json.dumps({"questions": [QUESTION, *([HARDER] * 3)]}),
}


def test_a_roadmap_is_in_the_language_that_was_wished_for(
    model_stack: Stack, provider: Provider
) -> None:
    """Outline and quiz come in English first, and are not accepted so."""
    provider.state.scenarios.clear()
    provider.state.scenarios.add(
        Reply(text=json.dumps({"questions": [TRANSLATED]}), match=Match(model="quiz"))
    )
    provider.writes_more(**IN_CHINESE)
    path = model_stack.create(GOAL_IN_CHINESE, language="zh-Hans", resource_language="en")
    tree = model_stack.finished(path)
    assert (tree["status"], tree["title"]) == ("ready", TITLE)
    assert (tree["language"], tree["resource_language"]) == ("zh-Hans", "en")
    assert sorted(provider.door.kinds) == sorted(
        ["analysis", "outline", "repair", "tutorial", "resources", "quiz", "quiz"]
    )
    (node,) = concepts_of(tree)
    detail = model_stack.get(f"{path}/concepts/{node['id']}").json()
    assert detail["quiz"]["questions"][0]["prompt"] == QUESTION["prompt"]
    assert detail["tutorial"]["markdown"] == TEXT
    assert {
        facts["request"]["language"] for facts in provider.door.facts if "request" in facts
    } == {"zh-Hans"}


def test_a_checked_concept_is_taken_as_it_is_and_the_receipt_says_what_that_saved(
    model_stack: Stack, provider: Provider
) -> None:
    key = "python-backend/http-fundamentals"
    plan = outline(a_concept(key, title="Another title", hours=9), a_concept("shop", key))
    provider.writes(outline=plan)

    tree = model_stack.finished(
        model_stack.create("Learn backend with Python for my shop", language="en")
    )

    assert tree["status"] == "ready"
    facts = next(facts for facts in provider.door.facts if "checked_concepts" in facts)
    offered = {each["key"]: each for each in facts["checked_concepts"]}
    taken, own = concepts_of(tree)
    assert (taken["title"], taken["hours"]) == (offered[key]["title"], offered[key]["hours"])
    assert own["prerequisites"] == [taken["id"]]
    asked = provider.door.kinds
    assert sorted(asked[2:]) == ["quiz", "resources", "tutorial"]
    path = f"{tree['links']['self']}/concepts/{taken['id']}"
    assert model_stack.get(path).json()["tutorial"]["generator"] == "catalogue"
    saved = model_stack.get(f"{tree['links']['self']}/receipt").json()["saved"]
    assert saved["calls"] == 3
    assert saved["completion_tokens"] > 0

    model_stack.post(f"{path}/upgrade", json={})
    model_stack.finished(tree["links"]["self"])
    assert set(asked[5:]) == {"quiz", "resources", "tutorial"}
    assert model_stack.get(path).json()["tutorial"]["generator"] == f"model:{MODEL}"
    assert model_stack.get(f"{tree['links']['self']}/receipt").json()["saved"] is None
