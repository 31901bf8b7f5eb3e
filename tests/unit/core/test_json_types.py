"""8.0 is an integer of JSON as well as 8; 8.5 and "8" are none."""

import pytest
from pydantic import BaseModel, ValidationError

from roadmap.accounts.api_keys import KeyRequest
from roadmap.learning.progress import AttemptRequest, Profile
from roadmap.plan.edits import AddConcept, AddStage, Rewrite
from roadmap.plan.schemas import ApproveRequest, RoadmapRequest
from tests.cases import try_each

CONCEPT = '"op":"add_concept","module":"m","title":"t"'
INTEGERS = [
    (RoadmapRequest, '{"goal":"Become a baker","hours_per_week":%s}'),
    (ApproveRequest, '{"revision":%s}'),
    (Profile, '{"hours_per_week":%s}'),
    (KeyRequest, '{"name":"a","expires_in_days":%s}'),
    (AttemptRequest, '{"version":%s,"answers":[[0]]}'),
    (AttemptRequest, '{"version":1,"answers":[[%s]]}'),
    (AddStage, '{"op":"add_stage","title":"t","position":%s}'),
    (AddConcept, "{" + CONCEPT + ',"hours":%s,"difficulty":1}'),
    (AddConcept, "{" + CONCEPT + ',"hours":1,"difficulty":%s}'),
    (Rewrite, '{"op":"rewrite","what":"concept","key":"k","hours":%s}'),
]


@try_each(("model", "text"), INTEGERS)
def test_an_integer_may_have_a_point(model: type[BaseModel], text: str) -> None:
    assert model.model_validate_json(text % "3.0", strict=True) == model.model_validate_json(
        text % "3", strict=True
    )
    for wrong in ("3.5", '"3"', "true", "1e400", "-1e400", "1e300", "NaN", "Infinity"):
        if wrong != "1e300" or "position" not in text:
            with pytest.raises(ValidationError):
                model.model_validate_json(text % wrong, strict=True)
