"""Queries and bodies of requests, read and checked before a handler sees them."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from functools import lru_cache
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from core.errors import FieldError, Invalid, Malformed, TooLarge, TooSlow, Unsupported
from core.json_types import LANGUAGE_TAG, MergePatch
from core.sanitize import one_line
from web.http.urls import LONGEST_QUERY, MOST_PARAMETERS, is_too_long

COMPLETE = "roadmap.complete"  # the key of a scope whose body is there when its handler begins
LARGEST_BODY = 256 * 1024  # bytes: the longest notes, every character of them escaped
BODY_SECONDS = 30  # for the whole body
MOST_GROUPS = 2_000_000  # objects and arrays of a body: each takes memory, however short it is
# Of a body that is parsed in the event loop: objects, arrays and names, which cost 2 KB and a
# microsecond each, and values (an attempt at a quiz has 200 answers of at most 100 numbers)
MOST_PLAIN_NODES, MOST_PLAIN_VALUES = 2_500, 25_000
# Digits of such a body: an average for each number, and as many as two long numbers have, which
# take the square of that to read
MOST_PLAIN_DIGITS, MOST_LONG_DIGITS = 20, 10_000
SMALL_BODY = 4096  # bytes, which are read quickly whatever they are
SMALL_DOCUMENT = 16 * 1024  # with Markdown, which takes longer to check than to parse
BEGINNING = 8192  # bytes of a body that is refused: enough to see that it is no JSON
DIGITS = b"0123456789"
LONGEST_PLACE, LONGEST_RULE = 300, 500  # characters of the pointer and the rule of a field
# Strings of JSON; possessive, so that nothing is kept to go back to
TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
MANY_NAMES, MOST_NAMES = 30, 1500  # of an object that has many; of all such objects of a body
CHARSET = re.compile(r'charset\s*=\s*"?([\w.:-]+)"?')
PATTERNS = {LANGUAGE_TAG: "should be a language tag (BCP 47), such as en, de or zh-Hans"}
WORDS = {  # of pydantic, and ours
    " after validation": "",
    "Tuple s": "s",
    "Input s": "s",
    "String s": "s",
    "Field required": "is required",
}


def query_of(model: type[BaseModel], request: Request) -> BaseModel:
    """Return the query. Raises Invalid.

    A list may be given by several parameters of its name, or separated by commas.
    """
    if is_too_long(request):
        raise Invalid(
            f"The query has more than {MOST_PARAMETERS} parameters or {LONGEST_QUERY} "
            "characters. Send a shorter one."
        )
    given = request.query_params.multi_items()
    counts = Counter(name for name, _ in given)
    fields = model.model_fields.items()
    lists = {name for name, field in fields if get_origin(field.annotation) is list}
    several = (name for name, count in counts.items() if count > 1 and name not in lists)
    twice = tuple(
        FieldError(f"?{name}"[:LONGEST_PLACE], "is given more than once") for name in several
    )
    if twice:
        raise Invalid("Some query parameters are not valid.", fields=twice[:20])
    listed = {
        name: [each for other, text in given if other == name for each in text.split(",")]
        for name in lists & counts.keys()
    }
    try:
        return model.model_validate({**dict(given), **listed})
    except ValidationError as error:
        raise Invalid(
            "Some query parameters are not valid.", fields=field_errors(error, prefix="?")
        ) from None


async def read_json(
    model: type[BaseModel],
    request: Request,
    most: int = LARGEST_BODY,
    others: tuple[str, ...] = (),
) -> bytes:
    """Return the bytes sent as JSON for this model; none where the model is optional.

    They may be sent as one of the `others`, which are media types.

    Raises Malformed, Unsupported, TooLarge, TooSlow.
    """
    content = b""
    if is_optional(model) and not (content := await read_body(request, most)):
        return content
    content_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    content_type = content_type.strip()
    if content_type not in ("application/json", *others) and not content_type.endswith("+json"):
        raise Unsupported(
            "The content type is not supported. Send the body as Content-Type: application/json."
        )
    charset = CHARSET.search(parameters)
    if charset is not None and charset[1] not in ("utf-8", "utf8", "us-ascii"):
        raise Unsupported("The character encoding is not supported. Send JSON in UTF-8 (RFC 8259).")
    content = content or await read_body(request, most)
    if most <= LARGEST_BODY and not can_parse_inline(content):
        try:  # if its beginning is no JSON, that is the error, and it is found quickly
            from_json(content[:BEGINNING].decode(errors="ignore"), allow_partial="trailing-strings")
        except ValueError as error:
            raise Malformed(f"The body is not valid JSON: {error}.") from None
        raise Malformed(
            "The body has too many objects, arrays, names, values or digits. "
            "Send a smaller document."
        )
    return content


def can_parse_inline(content: bytes) -> bool:
    """Whether parsing the body takes milliseconds and megabytes: few enough for the event loop."""
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


def is_small_document(content: bytes) -> bool:
    """Whether parsing a document takes less than a second, whatever Markdown is in it."""
    return len(content) <= SMALL_DOCUMENT and can_parse_inline(content)


def body_of(model: type[BaseModel], content: bytes) -> BaseModel:
    """Parse a body as this model. Raises Malformed, Invalid."""
    if not content and is_optional(model):
        return model()
    if not content:
        raise Malformed("The body is empty. Send a JSON body.")
    if len(content) <= SMALL_BODY:
        with suppress(ValidationError):
            body = model.model_validate_json(content, strict=True)
            # As many fields as names, so that none comes twice: to check them takes longer
            if content.count(b":") == len(body.model_fields_set):
                return body
    _check_names(content)
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise Malformed(f"The body is not valid JSON: {first['ctx']['error']}.") from None
        fields = field_errors(error, prefix="/", document=json.loads(content))
        raise Invalid("Some fields are not valid.", fields=fields) from None


def _check_names(content: bytes) -> None:
    """Raise Malformed for duplicate names in an object, and for thousands of names.

    Parsers disagree about duplicates, and no model here has that many names.
    """
    if content.count(b"{") + content.count(b"[") > MOST_GROUPS:
        raise Malformed(f"The body has more than {MOST_GROUPS:,} objects and arrays. Send fewer.")
    many = 0

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal many
        many += len(pairs) if len(pairs) > MANY_NAMES else 0
        if many > MOST_NAMES:
            raise Malformed(
                "The objects of the body have too many names: the objects with more than "
                f"{MANY_NAMES} names have {many:,} in total. Send fewer."
            )
        found = dict(pairs)
        if len(found) < len(pairs):
            names = Counter(name for name, _ in pairs)
            twice = one_line(next(name for name, count in names.items() if count > 1))
            raise Malformed(
                f"The name {twice[:100]!r} is used twice in one object of the "
                "body. Use each name once."
            )
        return found

    with suppress(ValueError, RecursionError):  # the parser of the model reports what is wrong
        json.loads(content.decode(), object_pairs_hook=once)  # of bytes it would guess the encoding


@lru_cache
def is_optional(model: type[BaseModel]) -> bool:
    """Whether a body of this model may be left out, as none of its fields is required."""
    if issubclass(model, MergePatch):
        return False
    try:
        model()
    except (ValidationError, Invalid):
        return False
    return True


async def read_body(request: Request, most: int = LARGEST_BODY) -> bytes:
    """Return the body.

    Raises TooLarge as soon as it has more than `most` bytes, whatever its header says, and
    Malformed, Unsupported, TooSlow.
    """
    if "upgrade" in request.headers:  # the server's parser skips the body then
        raise Malformed(
            "A request with a body cannot upgrade the protocol. Send it without Upgrade."
        )
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise Unsupported(
            "Compressed bodies are not supported. Send the body without Content-Encoding."
        )
    declared = request.headers.get("content-length", "0")
    too_large = f"The body is larger than the limit of {most} bytes. Send a smaller one."
    if not declared.isdigit() or int(declared) > most:
        raise TooLarge(too_large)
    content = bytearray()
    in_time = nullcontext() if COMPLETE in request.scope else asyncio.timeout(BODY_SECONDS)
    try:
        async with in_time:
            more = True
            while more:  # `request.stream()` takes longer
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                content += message.get("body", b"")
                if len(content) > most:
                    raise TooLarge(too_large)
                more = message.get("more_body", False)
    except TimeoutError:
        raise TooSlow(
            f"The body did not arrive within {BODY_SECONDS} s. Send the request "
            "again over a faster connection."
        ) from None
    return bytes(content)


def field_errors(
    error: ValidationError, prefix: str, document: Any = None
) -> tuple[FieldError, ...]:
    """Return at most 20 fields that are wrong, by pointers into the document or parameters (`?`).

    A list that lacks items because they are wrong themselves is left out.
    """
    problems: list[Any] = error.errors(include_url=False, include_input=False)
    around = {p["loc"][:length] for p in problems for length in range(len(p["loc"]))}
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
    """Return a JSON pointer (RFC 6901) into the document, or the name of a parameter.

    Locations of pydantic also name alternatives, which no document contains.
    """
    if prefix == "?":
        return "?" + "".join(str(part) for part in location[:1])  # also of one of several values
    parts = []
    for part in location[:-1]:
        if isinstance(document, dict) and part not in document:
            continue
        document = document[part] if isinstance(document, dict) or isinstance(part, int) else None
        parts.append(part)
    parts += location[-1:]
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


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
    # pydantic calls a secret text a value
    thing = "character" if facts["field_type"] == "Value" else "item"
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
