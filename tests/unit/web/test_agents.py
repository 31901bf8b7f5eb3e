"""Changes of agents, which the audit log keeps for a year."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from web.http import limits
from web.http.rate_limiter import Limit


def test_an_account_has_a_limited_number_of_entries_in_an_hour(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AGENT_CHANGES", Limit(f"agent-changes-{uuid4()}", 2, limits.HOUR))
    monkeypatch.setattr(limits, "settings", SimpleNamespace(embedded=False))
    path, headers = f"/api/v1/roadmaps/{uuid4()}", {"User-Agent": "roadmap-mcp/0"}
    checked = {"chosen": [0]}
    answers = [
        client.delete(path, headers=headers),
        client.post(f"/api/v1/reviews/{uuid4()}/check", json=checked, headers=headers),
        client.delete(path, headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    entries = client.get("/api/v1/admin/audit").json()["items"]
    assert [each["outcome"] for each in entries] == ["refused", "refused"]
    assert client.delete(path).status_code == 404  # a person
