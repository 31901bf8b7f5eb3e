"""Imports over HTTP and by the page: size, limits and forms."""

import asyncio
import json
import threading
import time
from copy import deepcopy
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from core.errors import RateLimited
from roadmap.accounts.identity import LOCAL_OWNER
from roadmap.exchange.formats.json_ import as_json
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.plan.format_version import LARGEST_ANSWER, LARGEST_DOCUMENT
from tests.cases import try_each
from tests.portables import FIRST, small
from tests.unit.roadmap.exchange.documents import (
    API,
    CONCEPTS,
    HTML,
    IMPORT,
    at,
    made,
    rows,
    sent,
    taken,
    without_time,
)
from web.endpoints import endpoint
from web.http import limits
from web.http.child_process import run_in_parser_thread
from web.http.concurrency import LARGE_OF_ONE, large_body_slot
from web.http.rate_limiter import Limit

MIB = 1024 * 1024


def large(size: int) -> bytes:
    """A roadmap of that many bytes and more, as large as a legal one may be."""
    document = small()
    nodes, kept = at(document, *CONCEPTS), document["concepts"]
    text = "Wait for the dough, and fold it. " * 2500
    for number in range(size // len(text) + 1):
        nodes.append(
            {**nodes[0], "key": f"k{number}", "title": f"Title {number}", "prerequisites": []}
        )
        kept[f"k{number}"] = {
            "contents": {
                "tutorial": {
                    **deepcopy(kept[FIRST]["contents"]["tutorial"]),
                    "body": {"markdown": text},
                }
            }
        }
    return json.dumps(document).encode()


class TestSize:
    @pytest.mark.parametrize("size", [2 * MIB, pytest.param(15 * MIB, marks=pytest.mark.long)])
    def test_one_as_large_as_may_be_comes_in_and_goes_out(
        self, client: TestClient, size: int
    ) -> None:
        content = large(size)
        assert size < len(content) < LARGEST_DOCUMENT
        path = made(client, content)
        assert len(client.get(f"{path}/export.json").content) > size

    def test_one_that_is_larger_is_refused_by_its_head(self, client: TestClient) -> None:
        before = rows()
        answer = sent(client, b" " * (LARGEST_DOCUMENT + 1))
        assert (answer.status_code, f"{LARGEST_DOCUMENT}" in answer.json()["detail"]) == (413, True)
        assert rows() == before

    def test_50_mb_without_a_length_are_not_read_to_their_end(self, client: TestClient) -> None:
        read = 0

        def chunks() -> Any:
            nonlocal read
            for _ in range(50):
                read += 1
                yield b" " * 1024 * 1024

        answer = client.post(IMPORT, content=chunks(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413

    def test_other_bodies_have_their_limit_as_before(self, client: TestClient) -> None:
        answer = client.post(
            f"{API}/roadmaps",
            content=b" " * (256 * 1024 + 1),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 413

    def test_what_is_larger_than_any_instance_would_take_is_not_exported(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = made(client, small())
        monkeypatch.setattr("roadmap.exchange.formats.json_.LARGEST_DOCUMENT", 1000)
        answer = client.get(f"{path}/export.json")
        assert (answer.status_code, "as Markdown" in answer.json()["detail"]) == (409, True)
        assert client.get(f"{path}/export.zip").status_code == 200


def test_large_documents_of_one_account_follow_each_other() -> None:
    order: list[str] = []

    async def one(name: str) -> None:
        async with large_body_slot(LOCAL_OWNER):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async def all_of_them() -> list[BaseException | None]:
        return await asyncio.gather(
            *(one(str(n)) for n in range(LARGE_OF_ONE + 1)), return_exceptions=True
        )

    results = asyncio.run(all_of_them())
    assert [type(each) for each in results] == [type(None), type(None), RateLimited]
    assert order == ["0 begins", "0 ends", "1 begins", "1 ends"]


def test_no_account_brings_in_more_than_some_in_an_hour(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for_many = limits.settings.model_copy(
        update={"database_url": SecretStr("postgresql://127.0.0.1/unused")}
    )
    monkeypatch.setattr(limits, "settings", for_many)
    monkeypatch.setattr(limits, "IMPORTS", Limit("imports", 2, 3600))
    answers = [sent(client, document) for document in (small(), {}, small(), small())]
    assert [answer.status_code for answer in answers] == [201, 422, 201, 429]
    assert int(answers[-1].headers["retry-after"]) > 60
    page = client.post("/import", files={"file": ("a.json", json.dumps(small()))}, headers=HTML)
    assert (page.status_code, 'role="alert"' in page.text) == (429, True)
    assert rows()["roadmap"] == 2


class TestThePage:
    def upload(self, client: TestClient, content: bytes, **fields: str) -> Any:
        files = {"file": ("roadmap.json", content, "application/json")}
        return client.post(
            "/import", files=files, data=fields, headers=HTML, follow_redirects=False
        )

    @pytest.mark.parametrize(("words", "in_line"), [(10, False), (4000, True)])
    def test_a_file_with_much_markdown_waits_for_its_turn(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch, words: int, in_line: bool
    ) -> None:
        calls: list[object] = []

        async def counted(function: Any, sent: Any) -> Any:
            calls.append(function)
            return await run_in_parser_thread(function, sent)

        monkeypatch.setattr(endpoint, "run_in_parser_thread", counted)
        document = small()
        tutorial = document["concepts"][FIRST]["contents"]["tutorial"]["body"]
        tutorial["markdown"] = "words " * words
        answer = self.upload(client, json.dumps(document).encode(), form=f"a{words}")
        assert (answer.status_code, bool(calls)) == (303, in_line)

    def test_a_file_becomes_a_roadmap_and_leads_to_it(self, client: TestClient) -> None:
        answer = self.upload(client, json.dumps(small()).encode(), form="a")
        assert answer.status_code == 303
        assert taken(client, API + answer.headers["location"]) == without_time(small())

    def test_the_same_form_sent_twice_makes_one(self, client: TestClient) -> None:
        answers = [self.upload(client, json.dumps(small()).encode(), form="a") for _ in range(2)]
        assert len({answer.headers["location"] for answer in answers}) == 1
        assert rows()["roadmap"] == 1
        assert self.upload(client, json.dumps(small()).encode(), form="b").status_code == 303
        assert rows()["roadmap"] == 2

    @try_each(
        ("content", "status", "expected"),
        [
            (b"", 422, "Choose a file first."),
            (b"{", 400, "This is not a complete roadmap."),
            (b"{}", 422, "This file contains no roadmap."),
            (
                json.dumps(small() | {"version": 4}).encode(),
                422,
                "comes from a newer version of Roadmap",
            ),
            (json.dumps(small() | {"generator": 7}).encode(), 422, "/generator"),
            (b" " * (LARGEST_DOCUMENT + 70_000), 413, "This file is too large"),
        ],
    )
    def test_the_page_shows_why_a_file_is_refused(
        self, client: TestClient, content: bytes, status: int, expected: str
    ) -> None:
        before = rows()
        answer = self.upload(client, content, form="again")
        assert (answer.status_code, expected in answer.text) == (status, True), answer.text
        assert 'type="file"' in answer.text
        assert rows() == before

    @try_each(
        "body",
        [
            b"",
            b"no parts",
            b"--x\r\n",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n{}',
            b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n",
            b'--x\r\nContent-Disposition: form-data; name="form"\r\n\r\n'
            + b"a" * (LARGEST_ANSWER + 1)
            + b"\r\n--x--\r\n",
            b'--x\r\nContent-Disposition: form-data; name="form"\r\n\r\n\xff\r\n--x--\r\n',
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 30 + b"--x--\r\n",
        ],
    )
    def test_a_form_that_is_none_is_refused(self, client: TestClient, body: bytes) -> None:
        before = rows()
        headers = {**HTML, "Content-Type": "multipart/form-data; boundary=x"}
        assert client.post("/import", content=body, headers=headers).status_code == 400
        assert rows() == before

    def test_other_forms_are_refused(self, client: TestClient) -> None:
        assert client.post("/import", data={"file": "x"}, headers=HTML).status_code == 415


@pytest.mark.long
def test_the_service_answers_others_while_it_reads_a_large_one(client: TestClient) -> None:
    """Beside the parser of JSON itself nothing holds the loop."""
    content = large(12 * MIB)
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(sent(client, content).status_code))
    thread.start()
    longest, count = 0.0, 0
    while thread.is_alive():
        began = time.process_time()  # as if the machine were its own
        assert client.get("/health/live").status_code == 200
        longest, count = max(longest, time.process_time() - began), count + 1
    assert statuses == [201]
    assert count > 5
    assert longest < 1.0


def test_a_file_is_read_as_it_was_written() -> None:
    document = RoadmapFile.model_validate_json(json.dumps(small()), strict=True)
    assert json.loads(as_json(document)) == small()
