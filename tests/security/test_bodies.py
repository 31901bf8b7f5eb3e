"""Bodies that are small to send and large to hold: refused without growing or holding the API."""

import json
import signal
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import httpx2
import pytest

from core.errors import Invalid, Malformed
from roadmap.exchange.import_validation import RoadmapFile
from roadmap.plan.format_version import LARGEST_DOCUMENT
from testing.processes import Api
from testing.stack import Stack
from testing.waiting import BRIEF, HANG
from tests.cases import try_each
from tests.portables import AT, BY, DOCUMENT, FIRST, QUESTIONS
from web.http import child_process
from web.http.child_process import TOO_COSTLY, run_in_child
from web.http.request_body import LARGEST_BODY, body_of, can_parse_inline

KIB, MIB = 1024, 1024 * 1024
MOST_GROWTH = 100  # MB
MOST_SECONDS = 1.0  # of CPU for a body; nothing else is answered meanwhile; not of children
API = "/api/v1"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
FILE = {"Content-Type": "multipart/form-data; boundary=x", "Accept": "text/html"}
OPENED = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def filled(before: bytes, unit: bytes, after: bytes, size: int) -> bytes:
    """So many bytes at most."""
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


def names(count: int, length: int = 1) -> bytes:
    return b"{" + b",".join(b'"%0*d":0' % (length, number) for number in range(count)) + b"}"


def with_a_mistake_at_the_end() -> bytes:
    document = attempted(questions=30, concepts=10)
    document["concepts"]["no concept of it"] = {}
    return json.dumps(document, separators=(",", ":")).encode()


def attempted(questions: int, concepts: int, words: str = "") -> dict[str, Any]:
    """A roadmap with every attempt that may be kept."""
    document = deepcopy(DOCUMENT)
    nodes = document["outline"]["stages"][0]["modules"][0]["concepts"]
    asked = [
        {**QUESTIONS[0], "prompt": f"Question {number}? {words}"} for number in range(questions)
    ]
    attempt = {
        "answers": [[0]] * questions,
        "score": questions,
        "total": questions,
        "created_at": AT,
    }
    for number in range(concepts):
        nodes.append(
            {**nodes[0], "key": f"k{number}", "title": f"Title {number}", "prerequisites": []}
        )
        quiz = {**BY, "body": {"questions": asked}}
        document["concepts"][f"k{number}"] = {
            "contents": {"quiz": quiz},
            "attempts": [attempt] * 200,
        }
    return document


def asked(size: int) -> bytes:
    """A roadmap of about so many bytes, in 198 quizzes of as many questions as it may have."""
    shortest = QUESTIONS[0] | {"prompt": "Question 100? "}
    each = len(json.dumps(shortest, separators=(",", ":"))) + 1
    words = "x" * ((size // 198 - 500) // 100 - each)
    document = attempted(questions=100, concepts=198, words=words)
    for concept in document["concepts"].values():
        concept.pop("attempts", None)
    return json.dumps(document, separators=(",", ":")).encode()


def written(size: int, line: str) -> bytes:
    """A roadmap of about so many bytes, in tutorials of 180 KB at most."""
    document = deepcopy(DOCUMENT)
    nodes = document["outline"]["stages"][0]["modules"][0]["concepts"]
    text = "```\n" + f"{line}\n" * (180_000 // len(line.encode())) + "```\n"
    for number in range(size // (len(json.dumps(text, ensure_ascii=False).encode()) + 500)):
        nodes.append(
            {**nodes[0], "key": f"k{number}", "title": f"Title {number}", "prerequisites": []}
        )
        document["concepts"][f"k{number}"] = {
            "contents": {"tutorial": {**BY, "body": {"markdown": text}}}
        }
    return json.dumps(document, ensure_ascii=False).encode()


LARGE: dict[str, Callable[[], bytes]] = {
    "objects, 4 MB": lambda: filled(b'{"x":[', b'{"a":1},', b"0]}", 4 * MIB),
    "objects": lambda: filled(b'{"x":[', b'{"a":1},', b"0]}", LARGEST_DOCUMENT),
    "numbers": lambda: filled(b'{"x":[', b"1,", b"0]}", LARGEST_DOCUMENT),
    "a text with one emoji": lambda: filled(
        b'{"format":"', b"a", '😀"}'.encode(), LARGEST_DOCUMENT
    ),
    "escapes": lambda: filled(b'{"format":"', b"\\ud83d\\ude00", b'"}', LARGEST_DOCUMENT),
    "digits": lambda: filled(b'{"version":', b"9", b"}", LARGEST_DOCUMENT),
    "one name": lambda: filled(b'{"', b"n", b'":1}', LARGEST_DOCUMENT),
    "many names": lambda: names(300_000),
    "the same name": lambda: filled(b"{", b'"a":0,', b'"a":0}', LARGEST_DOCUMENT),
    "brackets": lambda: b"[" * LARGEST_DOCUMENT,
    "spaces": lambda: b" " * LARGEST_DOCUMENT,
    "a wrong end": with_a_mistake_at_the_end,
    "too many bytes": lambda: b" " * (40 * MIB),
}
LARGE_FILES: dict[str, Callable[[], bytes]] = {
    "objects in a file": lambda: filled(
        OPENED + b'{"x":[', b'{"a":1},', b"0]}\r\n--x--\r\n", 4 * MIB
    ),
    "almost boundaries": lambda: filled(OPENED, b"\r\n--y", b"\r\n--x--\r\n", LARGEST_DOCUMENT),
    "headers": lambda: filled(b"--x\r\n", b"A: b\r\n", b"\r\n\r\n--x--\r\n", LARGEST_DOCUMENT),
    "a header with parameters": lambda: filled(
        b"--x\r\nContent-Disposition: form-data; ", b'a="b";', b"\r\n\r\n--x--", LARGEST_DOCUMENT
    ),
    "a file of 60 MB": lambda: b" " * (60 * MIB),
}
SMALL: dict[str, Callable[[], bytes]] = {
    "objects": lambda: filled(b'{"x":[', b'{"a":1},', b"0]}", LARGEST_BODY),
    "lists": lambda: filled(b"[", b"[],", b"0]", LARGEST_BODY),
    "empty texts": lambda: filled(b"[", b'"",', b"0]", LARGEST_BODY),
    "backslashes": lambda: filled(b"[", b'"\\\\",', b"0]", LARGEST_BODY),
    "numbers": lambda: filled(b'{"x":[', b"1,", b"0]}", LARGEST_BODY),
    "few enough numbers": lambda: filled(b'{"email":[', b"1,", b"0]}", 50_000),
    "long numbers": lambda: filled(b'{"x":[', b"9" * 4000 + b",", b"0]}", LARGEST_BODY),
    "names": lambda: names(25_000),
    "few enough names": lambda: names(1_499, 160),
    "escapes": lambda: filled(b'{"email":"', b"\\u00e9", b'"}', LARGEST_BODY),
    "in UTF-16": lambda: (
        filled(b'{"x":[', b'{"a":1},', b"0]}", LARGEST_BODY // 2).decode().encode("utf-16-le")
    ),
}
FEW = {
    name: SMALL[name] for name in ("objects", "few enough names")
}  # a process is started for most of them
FORMS: dict[str, Callable[[], bytes]] = {
    "percent signs": lambda: filled(b"email=", b"%41", b"", LARGEST_BODY),
    "fields": lambda: b"&".join(b"a%d=" % number + b"%C3%A9" * 40 for number in range(999)),
    "too many fields": lambda: filled(b"", b"a&", b"", LARGEST_BODY),
}


def daily(bodies: dict[str, Callable[[], bytes]], *names: str) -> list[Any]:
    """A process parses each of the others as well, in the same way: they are long tests."""
    return [
        name if name in names else pytest.param(name, marks=pytest.mark.long) for name in bodies
    ]


@pytest.fixture(scope="module")
def api(shared_embedded: Stack) -> Api:
    return Api(shared_embedded.api)


def growth_of(api: Api, act: Callable[[], object], bodies: int = 1) -> float:
    """Return by how many MB it grew meanwhile; nothing may hold it up."""
    _, cost = api.cost(act)
    assert cost.seconds <= MOST_SECONDS * bodies
    return cost.megabytes


def refused(answer: httpx2.Response) -> None:
    """By a short answer, which names few fields."""
    assert answer.status_code in (400, 401, 413, 422), answer.text[:300]
    assert len(answer.content) < 64 * KIB
    if answer.headers["content-type"] == "application/problem+json":
        assert len(answer.json().get("errors", [])) <= 20


class TestMemory:
    @pytest.mark.parametrize(
        "name", daily(LARGE, "objects", "many names", "a wrong end", "too many bytes")
    )
    def test_a_refused_import_does_not_grow_the_api(
        self, shared_embedded: Stack, api: Api, name: str
    ) -> None:
        content, lines = LARGE[name](), shared_embedded.api.output.count("\n")
        grown = growth_of(
            api,
            lambda: refused(shared_embedded.post(f"{API}/imports", content=content, headers=JSON)),
        )
        assert grown <= MOST_GROWTH
        assert shared_embedded.api.output.count("\n") <= lines + 1

    def test_nor_does_one_with_a_key(self, shared_embedded: Stack, api: Api) -> None:
        content, headers = LARGE["a text with one emoji"](), {**JSON, "Idempotency-Key": "large"}
        send = partial(shared_embedded.post, f"{API}/imports", content=content, headers=headers)
        assert growth_of(api, lambda: refused(send())) <= MOST_GROWTH

    @pytest.mark.parametrize(
        "name",
        daily(LARGE_FILES, "objects in a file", "almost boundaries", "headers", "a file of 60 MB"),
    )
    def test_nor_does_a_form_with_a_file(self, shared_embedded: Stack, api: Api, name: str) -> None:
        content = LARGE_FILES[name]()
        grown = growth_of(
            api, lambda: refused(shared_embedded.post("/import", content=content, headers=FILE))
        )
        assert grown <= MOST_GROWTH

    @pytest.mark.parametrize(
        ("path", "headers", "bodies"),
        [
            ("/api/v1/roadmaps", JSON, SMALL),
            ("/api/v1/imports", JSON, FEW),
            ("/api/v1/auth/login", JSON, SMALL),
            ("/roadmaps", FORM, FORMS),
        ],
        ids=["json", "imports", "logins", "forms"],
    )
    def test_small_bodies_leave_nothing_in_memory(
        self,
        shared_embedded: Stack,
        api: Api,
        path: str,
        headers: dict[str, str],
        bodies: dict[str, Callable[[], bytes]],
    ) -> None:
        def send() -> None:
            for body in bodies.values():
                answer = shared_embedded.post(path, content=body(), headers=headers)
                assert answer.status_code in (400, 422), answer.text[:300]

        assert growth_of(api, send, len(bodies)) <= MOST_GROWTH / 2

    @pytest.mark.parametrize(
        ("make", "size"),
        [
            pytest.param(
                partial(written, line="Wait for the dough, and fold it."),
                LARGEST_DOCUMENT,
                marks=pytest.mark.long,
            ),
            pytest.param(
                partial(written, line="Wait for the dough 😀, and fold it."),
                LARGEST_DOCUMENT,
                marks=pytest.mark.long,
            ),
            (partial(written, line="Wait for the dough 😀, and fold it."), 4 * MIB),
            pytest.param(asked, LARGEST_DOCUMENT, marks=pytest.mark.long),
            (asked, 4 * MIB),
        ],
        ids=["tutorials", "emojis", "emojis, 4 MB", "quizzes", "quizzes, 4 MB"],
    )
    def test_a_valid_one_of_almost_16_mib_is_imported_and_grows_it_as_little(
        self, shared_embedded: Stack, api: Api, make: Callable[[int], bytes], size: int
    ) -> None:
        content = make(size)
        assert size - MIB < len(content) <= size

        def send() -> None:
            answer = shared_embedded.post(f"{API}/imports", content=content, headers=JSON)
            assert answer.status_code == 201, answer.text[:300]

        most = MOST_GROWTH if size == LARGEST_DOCUMENT else MOST_GROWTH / 2
        assert growth_of(api, send) <= most

    @pytest.mark.long
    def test_so_is_one_with_as_many_answers(self, shared_embedded: Stack, api: Api) -> None:
        content = json.dumps(attempted(questions=199, concepts=5), separators=(",", ":")).encode()

        def send() -> None:
            answer = shared_embedded.post(f"{API}/imports", content=content, headers=JSON)
            assert answer.status_code == 201, answer.text[:300]

        assert growth_of(api, send) <= MOST_GROWTH


class TestOtherInput:
    @pytest.mark.parametrize("query", ["a=1&" * 200, "limit=" + "%41" * 10_000])
    def test_an_excessive_query_is_not_decoded(self, shared_embedded: Stack, query: str) -> None:
        answer = shared_embedded.get(f"{API}/roadmaps?{query}")
        assert (answer.status_code, "more than 100 parameters" in answer.json()["detail"]) == (
            422,
            True,
        )
        page = shared_embedded.get(f"/roadmaps?{query}", headers={"Accept": "text/html"})
        assert (page.status_code, len(page.content) < 64 * KIB) == (200, True)

    def test_a_field_is_named_in_few_words(self, shared_embedded: Stack) -> None:
        answer = shared_embedded.post(f"{API}/roadmaps", content=names(1, 200_000), headers=JSON)
        assert (answer.status_code, len(answer.content) < 4 * KIB) == (422, True)

    def test_what_is_long_and_meant_is_taken(self, shared_embedded: Stack) -> None:
        """Structure within texts is none."""
        goal, background = "Learn Python" + "{" * 900, "[[[:::,,," * 220
        answer = shared_embedded.post(
            f"{API}/roadmaps",
            json={"goal": goal, "background": background, "motivation": background},
        )
        assert answer.status_code == 202, answer.text
        assert can_parse_inline(json.dumps({"notes": '[{"a":1},' * 2_200}).encode())
        assert can_parse_inline(
            json.dumps({"version": 1, "answers": [list(range(100))] * 200}).encode()
        )
        assert not can_parse_inline(SMALL["objects"]())


def eat() -> None:
    bytearray(1024 * MIB)


def wait() -> None:
    signal.pause()


def end() -> None:
    signal.raise_signal(signal.SIGABRT)


def fail() -> None:
    raise KeyError("a mistake of ours")


class TestApart:
    @pytest.fixture(autouse=True)
    def patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There is one child at a time on a machine, also of other tests."""
        monkeypatch.setattr(child_process, "LONGEST_WAIT", HANG)

    def test_what_is_found_and_what_is_wrong_come_back(self) -> None:
        document = run_in_child(body_of, RoadmapFile, json.dumps(DOCUMENT).encode())
        assert (
            dict(document.concepts) == body_of(RoadmapFile, json.dumps(DOCUMENT).encode()).concepts
        )
        with pytest.raises(Invalid) as found:
            run_in_child(body_of, RoadmapFile, json.dumps({**DOCUMENT, "version": 4}).encode())
        assert [(each.pointer, each.kind) for each in found.value.fields] == [
            ("/version", "newer_version")
        ]

    @try_each(
        ("act", "seconds", "error", "words"),
        [
            (eat, HANG, Malformed, TOO_COSTLY[:40]),
            (end, HANG, Malformed, TOO_COSTLY[:40]),
            (wait, BRIEF, Malformed, TOO_COSTLY[:40]),
            (fail, HANG, RuntimeError, "a mistake of ours"),
        ],
        ids=["too much memory", "a signal", "too long", "a mistake"],
    )
    def test_no_end_of_a_child_is_the_end_of_the_api(
        self,
        act: Callable[[], None],
        seconds: float,
        error: type[Exception],
        words: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(child_process, "MOST_SECONDS", seconds)
        with pytest.raises(error, match=words):
            run_in_child(act)

    def test_a_document_is_held_to_the_same_rules_concept_by_concept(self) -> None:
        """Beside one with a mistake in the head, one in a concept and one in both."""
        wrong = deepcopy(DOCUMENT)
        wrong["generator"], wrong["concepts"][FIRST]["notes"] = 7, 8
        with pytest.raises(Invalid) as found:
            body_of(RoadmapFile, json.dumps(wrong).encode())
        assert [each.pointer for each in found.value.fields] == [
            "/generator",
            f"/concepts/{FIRST}/notes",
        ]
        for half in ('{"notes": "\\ud800"}', '{"\\ud800": {}}'):
            with pytest.raises(Malformed, match="not valid JSON"):
                body_of(
                    RoadmapFile,
                    json.dumps(DOCUMENT)
                    .replace('"concepts": {', f'"concepts": {{"a": {half}, ', 2)
                    .encode(),
                )
