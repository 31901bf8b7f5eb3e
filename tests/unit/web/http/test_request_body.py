"""Bodies of requests: a name that comes twice in an object is refused, however the body is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid, Malformed
from roadmap.plan.schemas import RoadmapRequest
from tests.cases import try_each
from web.http.request_body import SMALL_BODY, body_of

GOAL = "Python backend"
LONG = " " * SMALL_BODY


@try_each(
    "content",
    [
        '{"goal": "Python", "goal": "Rust"}',
        '{"goal": "Python", "level": "beginner", "goal": "Python"}',
        '{"goal": "Python", "g\\u006fal": "Python"}',
        '{"goal": "Python: and more", "goal": "Python"}',
        '{"goal": "Python", "goal": 7}',
        '{"goal": "Python", "colour": {"red": 1, "red": 2}}',
    ],
)
@try_each("around", ["", LONG], ids=["small", "large"])
def test_a_name_that_comes_twice_is_refused(content: str, around: str) -> None:
    with pytest.raises(Malformed, match="used twice"):
        body_of(RoadmapRequest, (content + around).encode())


@given(st.dictionaries(st.sampled_from(["background", "motivation"]), st.text(':{}[]\\" a')))
def test_texts_are_taken_as_they_are(texts: dict[str, str]) -> None:
    body = body_of(RoadmapRequest, json.dumps({"goal": GOAL, **texts}).encode())
    assert body.model_dump(include=set(texts)) == {
        name: text.strip() for name, text in texts.items()
    }


@try_each("around", ["", LONG], ids=["small", "large"])
def test_what_is_no_field_is_named(around: str) -> None:
    with pytest.raises(Invalid) as refused:
        body_of(RoadmapRequest, (f'{{"goal": "{GOAL}", "colour": "red"}}' + around).encode())
    assert [field.pointer for field in refused.value.fields] == ["/colour"]
