"""Properties that schemathesis cannot know: keys, tags, pages, others' things, resumed streams."""

import json
import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar
from urllib.parse import urlsplit

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from testing.stack import GOAL
from tests.fuzz.asking import FITTING, OPERATIONS, Asker, filled
from tests.fuzz.people import ROADMAPS, People
from tests.fuzz.watch import FOR_OPERATORS, Seen

Draw = Callable[..., Any]
OWN = (
    "x-request-id",
    "date",
    "ratelimit",
    "ratelimit-policy",
    "idempotency-replayed",
    "content-length",
    "content-encoding",
)
TAGGED = sorted(
    name
    for name, (method, _, operation) in OPERATIONS.items()
    if method == "GET" and "304" in operation["responses"]
)
LIVE = (
    "show_ready",
    "read_activity",
    "read_export",
    "list_queues",
    "list_workers",
)  # change by themselves
LISTS = (
    "list_roadmaps",
    "list_logs",
    "list_invitations",
    "list_attempts",
    "list_deliveries",
    "read_receipt",
)
AT_ONCE = 4
IDEMPOTENT = (
    "end_login",
    "withdraw_invitation",
    "revoke_key",
    "delete_webhook",
)  # what is gone already is gone


class Keys(RuleBasedStateMachine):
    """An Idempotency-Key stands for one request, which is done once."""

    asker: ClassVar[Asker]
    people: ClassVar[People]
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.first: dict[str, tuple[str, dict[str, Any], Seen]] = {}

    @rule(
        target=keys,
        what=st.sampled_from(("create_roadmap", "create_invitation", "answer_quiz")),
        shape=st.sampled_from(("{}", '"{}"', "a~{}!", '"a \\"{}\\""')),
        number=st.integers(1, 80),
    )
    def begin(self, what: str, shape: str, number: int) -> str:
        key = shape.format(uuid.uuid4().hex)
        body = self._body(what, number)
        self.first[key] = (what, body, self._send(key, what, body))
        return key

    @rule(key=keys)
    def repeat(self, key: str) -> None:
        what, body, first = self.first[key]
        if first.status < 300:
            self._check_again(what, first, self._send(key, what, body))

    @rule(key=keys)
    def repeat_in_other_words(self, key: str) -> None:
        """The order of its fields, and what is left to its default, change nothing of a request."""
        what, body, first = self.first[key]
        if first.status < 300:
            self._check_again(what, first, self._send(key, what, dict(reversed(body.items()))))

    @rule(key=keys, number=st.integers(1, 80))
    def reuse(self, key: str, number: int) -> None:
        what, body, first = self.first[key]
        other = self._body(what, number)
        if first.status < 300 and other != body:
            refused = self._send(key, what, other)
            assert refused.status == 422, f"{refused.status} {refused.text[:200]}"
            assert json.loads(refused.content)["type"] == "/problems/idempotency-key-reused"

    @rule(number=st.integers(1, 80), what=st.sampled_from(("create_roadmap", "create_invitation")))
    def at_once(self, number: int, what: str) -> None:
        key, body = uuid.uuid4().hex, self._body(what, number)
        askers = [Asker(self.asker.watch, self.asker.who) for _ in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda asker: self._send(key, what, body, asker), askers))
        for asker in askers:
            asker.close()
        good = [answer for answer in answers if answer.status < 300]
        assert good, [answer.status for answer in answers]
        assert {answer.status for answer in answers if answer.status >= 300} <= {409}, [
            answer.status for answer in answers
        ]
        for answer in [*good[1:], self._send(key, what, body)]:
            self._check_again(what, good[0], answer)

    @invariant()
    def one_roadmap_a_key(self) -> None:
        twice = {key: ids for key, ids in self.asker.watch.accepted.items() if key and len(ids) > 1}
        assert not twice, twice

    def _check_again(self, what: str, first: Seen, again: Seen) -> None:
        """An invitation is shown once: a repeated request gets its location only."""
        if what != "create_invitation":
            check_same(first, again)
            return
        assert again.status == 409, f"{again.status} {again.text[:200]}"
        assert first.headers["location"] in json.loads(again.content)["detail"]

    def _body(self, what: str, number: int) -> dict[str, Any]:
        if what == "create_roadmap":
            return {"goal": GOAL, "hours_per_week": number, "review": True}
        if what == "create_invitation":
            return {"email": f"somebody{number}@example.org"}
        return {
            "version": 1,
            "answers": [[] if index else [number % 2] for index in range(self._questions())],
        }

    def _questions(self) -> int:
        mine = self.people.mine
        concept = self.asker.read(f"{ROADMAPS}/{mine['roadmap_id']}/concepts/{mine['concept_id']}")
        return len(concept["quiz"]["questions"])

    def _send(self, key: str, what: str, body: dict[str, Any], asker: Asker | None = None) -> Seen:
        method, path, _ = OPERATIONS[what]
        return (asker or self.asker).ask(
            method, filled(path, self.people.mine), document=body, headers={"Idempotency-Key": key}
        )


class Notes(RuleBasedStateMachine):
    """If-Match and `base` prevent overwriting changes of others."""

    asker: ClassVar[Asker]
    people: ClassVar[People]
    tags = Bundle("tags")
    texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)

    def __init__(self) -> None:
        super().__init__()
        mine = self.people.mine
        self.path = f"{ROADMAPS}/{mine['roadmap_id']}/concepts/{mine['concept_id']}/notes"
        self.expected = str(self.asker.read(self.path)["notes"])

    @rule(target=tags)
    def look(self) -> tuple[str, str, str]:
        seen = self.asker.ask("GET", self.path)
        body = json.loads(seen.content)
        assert body["notes"] == self.expected
        return seen.headers["etag"], body["notes_tag"], body["notes"]

    @rule(notes=texts)
    def write(self, notes: str) -> None:
        self._written({"notes": notes}, {}, may=True)

    @rule(notes=texts)
    def write_whatever_it_is(self, notes: str) -> None:
        self._written({"notes": notes}, {"If-Match": "*"}, may=True)

    @rule(tag=tags, notes=texts, among=st.booleans())
    def write_if_it_is_still_that(self, tag: tuple[str, str, str], notes: str, among: bool) -> None:
        named = f'"other", {tag[0]}' if among else tag[0]
        self._written(
            {"notes": notes}, {"If-Match": named}, may=tag[2] == self.expected, refused=412
        )

    @rule(tag=tags, notes=texts)
    def write_if_the_notes_are_still_those(self, tag: tuple[str, str, str], notes: str) -> None:
        may = tag[2] == self.expected or notes == self.expected
        self._written({"notes": notes, "base": tag[1]}, {}, may=may, refused=409)

    @rule(tag=tags, notes=texts)
    def a_weak_tag_never_matches(self, tag: tuple[str, str, str], notes: str) -> None:
        self._written({"notes": notes}, {"If-Match": f"W/{tag[0]}"}, may=False, refused=412)

    def _written(
        self, body: dict[str, Any], headers: dict[str, str], *, may: bool, refused: int = 0
    ) -> None:
        seen = self.asker.ask("PUT", self.path, document=body, headers=headers)
        if may:
            assert seen.status == 200, f"{seen.status} {seen.text[:200]}"
            self.expected = body["notes"]
        else:
            assert seen.status == refused, f"{seen.status} {seen.text[:200]}"
        assert self.asker.read(self.path)["notes"] == self.expected


MACHINES = (Keys, Notes)


def check_same(first: Seen, again: Seen) -> None:
    """The same answer, but for what every answer has for itself."""
    assert (again.status, again.content) == (first.status, first.content), (
        f"{again.status} {again.text[:200]}"
    )
    kept = (
        {name: value for name, value in seen.headers.items() if name not in OWN}
        for seen in (first, again)
    )
    assert next(kept) == next(kept)
    assert (
        again.headers.get("idempotency-replayed") == "true"
        or first.headers.get("idempotency-replayed") == "true"
    )


def tags(asker: Asker, people: People, draw: Draw) -> None:
    """A client that has it is not sent it again."""
    name = draw(st.sampled_from([name for name in TAGGED if name not in LIVE]))
    path = OPERATIONS[name][1]
    ids = {**people.mine, "slug": "invalid"}
    if not set(re.findall(r"{(\w+)}", path)) <= set(ids):
        return
    target = filled(path, ids)
    headers = {"Accept-Encoding": draw(st.sampled_from(("gzip", "identity")))}
    first = asker.ask("GET", target, headers=headers)
    if first.status != 200:
        return
    tag = first.headers["etag"]
    shape = draw(st.sampled_from(("{}", "W/{}", '"x", {}', "{},", "*", '"x"', 'W/"x"', "x")))
    again = asker.ask("GET", target, headers={**headers, "If-None-Match": shape.format(tag)})
    if asker.ask("GET", target, headers=headers).headers["etag"] != tag:
        return  # somebody has worked on it meanwhile
    known = shape == "*" or "{}" in shape
    assert again.status == (304 if known else 200), f"{shape.format(tag)}: {again.status}"
    assert again.headers["etag"] == tag
    assert again.content == (b"" if known else first.content)


def pages(asker: Asker, people: People, draw: Draw) -> None:
    """Following Link visits everything once, in one order."""
    name = draw(st.sampled_from(LISTS))
    path = filled(OPERATIONS[name][1], people.mine)
    status = (
        draw(st.sampled_from(("", "ready", "awaiting_review,ready")))
        if name == "list_roadmaps"
        else ""
    )
    sort = draw(st.sampled_from(("newest", "oldest", "title"))) if name == "list_roadmaps" else ""
    limit = draw(st.integers(1, 100))
    items, target, pages_ = (
        "calls" if name == "read_receipt" else "items",
        f"{path}?limit={limit}",
        0,
    )
    narrowed = (f"&status={status}" if status else "") + (f"&sort={sort}" if sort else "")
    target, whole = target + narrowed, f"{path}?limit=100{narrowed}"
    before = ids_in(asker.read(whole)[items])
    seen: list[str] = []
    while target and pages_ < 12:
        answer = asker.ask("GET", target)
        assert answer.status == 200, answer.text[:200]
        body = json.loads(answer.content)
        more = body["next_cursor"]
        assert len(body[items]) == limit if more else len(body[items]) <= limit
        seen += [item["id"] for item in body[items]]
        link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
        assert bool(link) == bool(more), answer.headers
        target, pages_ = link[1] if link else "", pages_ + 1
        if target:
            assert urlsplit(target).path == path
            assert f"limit={limit}" in target
    assert len(seen) == len(set(seen)), "something is there twice"
    assert sort == "title" or seen in (sorted(seen), sorted(seen, reverse=True)), (
        "it is not in order"
    )
    if (
        not target and ids_in(asker.read(whole)[items]) == before
    ):  # nothing was added or went on meanwhile
        assert seen[:100] == before


def ids_in(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def others(asker: Asker, people: People) -> None:
    """Things of others do not exist, neither by themselves nor below something of one's own.

    This is true for each operation and each place.
    """
    for name, (method, path, operation) in sorted(OPERATIONS.items()):
        if path.startswith(FOR_OPERATORS):
            continue
        places = [place for place in re.findall(r"{(\w+_id)}", path) if place in people.theirs]
        body = FITTING.get(name, {}) if "requestBody" in operation else None
        for strange in [places, *([place] for place in places)] if places else []:
            ids = {**people.mine, **{place: people.theirs[place] for place in strange}}
            answer = asker.ask(method, filled(path, ids), document=body)
            may = (
                {404, 204} if name in IDEMPOTENT else {404}
            )  # the other one's are looked at in the end
            assert answer.status in may, (
                f"{name} of another one's {strange}: {answer.status} {answer.text[:200]}"
            )


def streams(asker: Asker, people: People, draw: Draw) -> None:
    """A stream of a finished roadmap goes on after the last event that was seen, and ends."""
    path = f"{ROADMAPS}/{people.mine['roadmap_id']}/events"
    given = draw(
        st.one_of(
            st.integers(0, 200).map(str),
            st.sampled_from(("", "x", "-1", "1e3", "9" * 10, "9" * 40, "0x1", " 1 ", "\xb2")),
        )
    )
    answer = asker.ask("GET", path, headers={"Last-Event-ID": given})
    plain = given.strip()
    if not re.fullmatch("[0-9]{1,10}", plain) or int(plain) > 2**31 - 1:
        assert answer.status == 422, answer.status
        return
    if answer.status in (204, 409):
        before = asker.ask("GET", path, headers={"Last-Event-ID": str(int(plain) - 1)}).status
        assert before in ((200,) if answer.status == 204 else (204, 409)), before
        return
    assert (answer.status, answer.headers["content-type"]) == (
        200,
        "text/event-stream; charset=utf-8",
    )
    numbers = [int(number) for number in re.findall(r"^id: ([0-9]+)$", answer.text, re.MULTILINE)]
    assert numbers == list(range(int(plain) + 1, int(plain) + 1 + len(numbers))), numbers
    output = [json.loads(data) for data in re.findall(r"^data: (.*)$", answer.text, re.MULTILINE)]
    assert [each["seq"] for each in output] == numbers


PROPERTIES: tuple[Callable[[Asker, People, Draw], None], ...] = (tags, pages, streams)
