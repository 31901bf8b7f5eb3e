"""Queries and bodies of requests, read and checked before a handler sees them."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import Request

from core.errors import FieldError, Invalid, Malformed, TooLarge, TooSlow, Unsupported
from core.json_types import LANGUAGE_TAG, MergePatch
from core.sanitize import one_line
from web.http.urls import LONGEST_QUERY, MOST_PARAMETERS, is_too_long

LARGEST_BODY = 256 * 1024  # bytes: the longest notes, every character of them escaped
BODY_SECONDS = 30  # for the whole body
MOST_GROUPS = 2_000_000  # objects and arrays of a body: each takes memory, however short it is
MOST_PLAIN_NODES = 2_500  # objects, arrays and names of a body that is parsed where it is, at 2 KB and a microsecond each
MOST_PLAIN_VALUES = 25_000  # an attempt at a quiz has 200 answers of at most 100 numbers
MOST_PLAIN_DIGITS = 20  # of a number on average, beside as many as two long ones have: these take the square of that to read
MOST_LONG_DIGITS = 10_000
SMALL_BODY = 4096  # bytes; whatever they are, they are soon read
BEGINNING = 8192  # bytes of a body that is refused: enough to see that it is no JSON
DIGITS = b"0123456789"
LONGEST_PLACE, LONGEST_RULE = 300, 500  # characters of what is said of a field
TEXTS = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL
)  # of JSON; possessive: nothing is kept to go back to
MANY_NAMES, MOST_NAMES = 30, 1500  # of an object that has many; of all such objects of a body


CHARSET = re.compile(r'charset\s*=\s*"?([\w.:-]+)"?')


def query_of(model: type[BaseModel], request: Request) -> BaseModel:
    if not request.scope["query_string"]:
        return _of_nothing(model)
    if is_too_long(request):
        raise Invalid(
            f"The query does not fit: it has more than {MOST_PARAMETERS} parameters or {LONGEST_QUERY} characters."
        )
    given = request.query_params.multi_items()
    counts = Counter(name for name, _ in given)
    lists = _lists(model)
    several = (name for name, count in counts.items() if count > 1 and name not in lists)
    twice = tuple(FieldError(f"?{name}"[:LONGEST_PLACE], "stands there twice") for name in several)
    if twice:
        raise Invalid("The query does not fit.", fields=twice[:20])
    listed = {
        name: [each for other, text in given if other == name for each in text.split(",")]
        for name in lists & counts.keys()
    }
    return _query(model, {**dict(given), **listed})


@lru_cache
def _lists(model: type[BaseModel]) -> frozenset[str]:
    """Parameters that may have several values: said several times, or separated by commas."""
    return frozenset(
        name for name, field in model.model_fields.items() if get_origin(field.annotation) is list
    )


@lru_cache
def _of_nothing(model: type[BaseModel]) -> BaseModel:
    return _query(model, {})


def _query(model: type[BaseModel], given: Mapping[str, str | list[str]]) -> BaseModel:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise Invalid("The query does not fit.", fields=field_errors(error, prefix="?")) from None


async def read_json(model: type[BaseModel], request: Request, most: int = LARGEST_BODY) -> bytes:
    """What is sent as JSON for this model, not yet understood; empty where nothing has to be sent and nothing was.

    Raises Malformed, Unsupported, TooLarge, TooSlow.
    """
    content = b""
    if is_optional(model) and not (content := await read_body(request, most)):
        return content
    content_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if content_type.strip() != "application/json" and not content_type.strip().endswith("+json"):
        raise Unsupported("The body must be sent as Content-Type: application/json.")
    charset = CHARSET.search(parameters)
    if charset is not None and charset[1] not in ("utf-8", "utf8", "us-ascii"):
        raise Unsupported(
            "The body must be sent in UTF-8, which is all that JSON is sent in (RFC 8259)."
        )
    content = content or await read_body(request, most)
    if most <= LARGEST_BODY and not can_parse_inline(content):
        _check_beginning(content)
        raise Malformed("The body has too many objects, arrays, names, values or digits.")
    return content


def _check_beginning(content: bytes) -> None:
    """Raises Malformed where that is no JSON: this is what is wrong then, and it is quickly found."""
    try:
        from_json(content[:BEGINNING].decode(errors="ignore"), allow_partial="trailing-strings")
    except ValueError as error:
        raise Malformed(f"The body is not JSON: {error}.") from None


def can_parse_inline(content: bytes) -> bool:
    """Whether a body has so few bytes and values that it may be parsed in the event loop: within milliseconds and megabytes."""
    if len(content) <= SMALL_BODY or len(content) > LARGEST_BODY:
        return len(content) <= SMALL_BODY
    texts = (
        content.count(b'"') - content.count(b'\\"') + content.count(b'\\\\"')
    ) / 2  # about so many
    if texts > MOST_PLAIN_NODES + MOST_PLAIN_VALUES:
        return False
    rest = TEXTS.sub(b"", content)
    nodes, commas = sum(rest.count(each) for each in (b"{", b"[", b":")), rest.count(b",")
    most_digits = MOST_LONG_DIGITS + MOST_PLAIN_DIGITS * (nodes + commas)
    digits = len(rest) - len(rest.translate(None, DIGITS))
    return nodes <= MOST_PLAIN_NODES and commas <= MOST_PLAIN_VALUES and digits <= most_digits


def body_of(model: type[BaseModel], content: bytes) -> BaseModel:
    """Raises Malformed, Invalid."""
    if not content and is_optional(model):
        return model()
    if not content:
        raise Malformed("The body is empty; this needs one in JSON.")
    _check_names(content)
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
    if problems[0]["type"] == "json_invalid":
        raise Malformed(f"The body is not JSON: {problems[0]['ctx']['error']}.")
    raise Invalid(
        "Some fields do not fit.",
        fields=_fields(problems, prefix="/", document=json.loads(content)),
    )


def _check_names(content: bytes) -> None:
    """A name that stands twice in an object means something else to each reader, and nothing here has thousands of names, each
    of which would be a mistake of its own. Raises Malformed.
    """
    if content.count(b"{") + content.count(b"[") > MOST_GROUPS:
        raise Malformed(f"The body has more than {MOST_GROUPS:,} objects and arrays.")
    many = 0

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal many
        many += len(pairs) if len(pairs) > MANY_NAMES else 0
        if many > MOST_NAMES:
            raise Malformed(
                f"The objects of the body have too many names: those with more than {MANY_NAMES} have {many:,}."
            )
        found = dict(pairs)
        if len(found) < len(pairs):
            names = Counter(name for name, _ in pairs)
            twice = one_line(next(name for name, count in names.items() if count > 1))
            raise Malformed(f"The name {twice[:100]!r} stands twice in one object of the body.")
        return found

    try:
        json.loads(
            content.decode(), object_pairs_hook=once
        )  # in UTF-8 alone: it would guess from bytes
    except (ValueError, RecursionError):
        return  # who reads it next says what is wrong


@lru_cache
def is_optional(model: type[BaseModel]) -> bool:
    """Whether it may be left out: nothing of it has to be sent."""
    if issubclass(model, MergePatch):
        return False
    try:
        model()
    except (ValidationError, Invalid):
        return False
    return True


async def read_body(request: Request, most: int = LARGEST_BODY) -> bytes:
    """The body, or TooLarge as soon as it has more than `most` bytes, whatever its header says. Raises Unsupported, TooSlow."""
    if "upgrade" in request.headers:  # the server's parser passes over the body then
        raise Malformed(
            "A request with a body cannot ask for another protocol: send it without Upgrade."
        )
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise Unsupported(
            "The body must be sent as it is, not compressed: without Content-Encoding."
        )
    declared = request.headers.get("content-length", "0")
    too_large = TooLarge(f"The body may have at most {most} bytes.")
    if not declared.isdigit() or int(declared) > most:
        raise too_large
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                content += chunk
                if len(content) > most:
                    raise too_large
    except TimeoutError:
        raise TooSlow(f"The body was not there within {BODY_SECONDS} s.") from None
    return bytes(content)


def field_errors(
    error: ValidationError, prefix: str, document: Any = None
) -> tuple[FieldError, ...]:
    return _fields(error.errors(include_url=False, include_input=False), prefix, document)


def _fields(problems: list[Any], prefix: str, document: Any) -> tuple[FieldError, ...]:
    around = {
        p["loc"][:length] for p in problems for length in range(len(p["loc"]))
    }  # what is wrong inside makes a list shorter
    problems = [p for p in problems if p["type"] != "too_short" or p["loc"] not in around][:20]
    return tuple(
        FieldError(
            _pointer(p["loc"], prefix, document)[:LONGEST_PLACE],
            _rule_of(p, is_parameter=prefix == "?")[:LONGEST_RULE],
            kind=p["type"],
        )
        for p in problems
    )


def _pointer(location: tuple[int | str, ...], prefix: str, document: Any) -> str:
    """A JSON pointer (RFC 6901) into the document, or the name of a parameter."""
    if prefix == "?":
        return "?" + "".join(str(part) for part in location[:1])  # also of one of several values
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in _there(location, document))
    return "".join(f"/{part}" for part in parts)


def _there(location: tuple[int | str, ...], document: Any) -> Iterator[int | str]:
    """Without the names of alternatives, which pydantic puts into a location and no document contains."""
    for part in location[:-1]:
        if isinstance(document, dict) and part not in document:
            continue
        document = document[part] if isinstance(document, dict) or isinstance(part, int) else None
        yield part
    yield from location[-1:]


PATTERNS = {LANGUAGE_TAG: "should be the tag of a language (BCP 47), such as en, de or zh-Hans"}
WORDS = {  # of pydantic, and ours
    " after validation": "",
    "Tuple s": "s",
    "Input s": "s",
    "String s": "s",
    "Field required": "is required",
}


def _rule_of(problem: Any, *, is_parameter: bool) -> str:
    """Return the rule that one of `ValidationError.errors()` breaks, to follow a field's name."""
    if problem["type"] == "extra_forbidden":
        return f"is not a known {'parameter' if is_parameter else 'field'}"
    if (message_of := MESSAGES.get(problem["type"])) is not None:
        return message_of(problem.get("ctx", {}))
    message = str(problem["msg"])
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    return message


def _length(facts: Mapping[str, Any], bound: str, number: str) -> str:
    thing = "character" if facts["field_type"] == "Value" else "item"  # of a secret text; of a list
    return f"should have {bound} {facts[number]} {thing}{'' if facts[number] == 1 else 's'}"


MESSAGES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "value_error": lambda facts: str(facts["error"]),
    "too_short": lambda facts: _length(facts, "at least", "min_length"),
    "too_long": lambda facts: _length(facts, "at most", "max_length"),
    **dict.fromkeys(
        ("int_parsing", "int_parsing_size", "int_type", "int_from_float"),
        lambda _: "should be a whole number",
    ),
    "string_pattern_mismatch": lambda facts: PATTERNS.get(
        facts["pattern"], f"should match the pattern {facts['pattern']}"
    ),
    "union_tag_not_found": lambda facts: f"needs the field {facts['discriminator']}",
    "union_tag_invalid": lambda facts: (
        f"must name one of {facts['expected_tags']} as {facts['discriminator']}"
    ),
}
