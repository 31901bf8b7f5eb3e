"""The description of the API (web/openapi.json) as what a page needs to show it: chapters, operations, fields, commands.

Swagger UI, Redoc and Scalar bring 1.4 to 3 MB of script, write styles into the page, which our Content-Security-Policy forbids,
and show nothing without a script; so these pages are our own. A chapter is read when it is first asked for, and kept.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from shlex import quote
from typing import Any

from markupsafe import Markup

from core.errors import NotFound
from web.openapi_file import description
from web.pages.lazy import coloured as coloured_code
from web.pages.lazy import prose

JSON = "application/json"
VERSIONED = "/api/"
DEEPEST = 8  # of fields in fields
SHORT = 80  # characters of a body that stays in one line
FORMATS = {
    "uuid": "UUID",
    "date": "date",
    "date-time": "time",
    "password": "secret text",
    "uri-reference": "address",
}
TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
}
BOUNDS = (  # what a schema says, and in which words
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
    ("minimum", "maximum", ""),
)

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """`id` is its anchor. `choices` are the kinds of things of which it is one, each with its own fields."""

    id: str
    name: str
    type: str
    required: bool
    rules: tuple[str, ...]
    about: Markup
    fields: tuple["Field", ...] = ()
    choices: tuple["Field", ...] = ()
    place: str = ""  # of a parameter: path, query or header


@dataclass(frozen=True, slots=True)
class ProblemEntry:
    status: int
    title: str
    address: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    phrase: str
    type: str
    headers: tuple[str, ...]
    fields: tuple[Field, ...]
    example: Markup | None


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    about: Markup
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    body_about: Markup
    answers: tuple[Answer, ...]
    problems: tuple[ProblemEntry, ...]
    needs_token: bool
    at: str  # the path, with what stands in its places in the example
    sent: str | None  # the body of the example
    sent_as: str
    streams: bool

    def command(self, origin: str, *, with_token: bool) -> str:
        """For a shell. TOKEN is a variable of it."""
        options = "-N " if self.streams else "" if self.method == "GET" else f"-X {self.method} "
        parts = [f"curl {options}{quote(origin + self.at)}"]
        if with_token and self.needs_token:
            parts.append('-H "Authorization: Bearer $TOKEN"')
        if self.sent is not None:
            parts += [f"-H 'Content-Type: {self.sent_as}'", f"-d {quote(self.sent)}"]
        return " \\\n  ".join(parts)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An operation in the table of contents."""

    id: str
    method: str
    path: str
    summary: str


@dataclass(frozen=True, slots=True)
class Chapter:
    name: str
    about: Markup
    entries: tuple[IndexEntry, ...]

    @property
    def title(self) -> str:
        return self.name.capitalize()

    @property
    def address(self) -> str:
        return f"/docs/{self.name}"


@cache
def introduction() -> Markup:
    return prose(_document()["info"]["description"])


@cache
def headers() -> tuple[tuple[str, Markup], ...]:
    """Those of answers: their names, and what they say."""
    return tuple(
        (name, _inline(header["description"]))
        for name, header in _document()["components"]["headers"].items()
    )


@cache
def chapters() -> tuple[Chapter, ...]:
    """Those of what is versioned first: what one comes for."""
    made = [_chapter(tag["name"], tag["description"]) for tag in _document()["tags"]]
    return tuple(
        sorted(made, key=lambda chapter: not chapter.entries[0].path.startswith(VERSIONED))
    )


def chapter(name: str) -> Chapter:
    """Raises NotFound."""
    found = next((chapter for chapter in chapters() if chapter.name == name), None)
    if found is None:
        raise NotFound("There is no such chapter of the description.")
    return found


@cache
def operations(name: str) -> tuple[Operation, ...]:
    """Of a chapter that is there."""
    return tuple(_read(method, path, operation) for method, path, operation in _operations(name))


def _chapter(name: str, about: str) -> Chapter:
    entries = (
        IndexEntry(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
        )
        for method, path, operation in _operations(name)
    )
    return Chapter(name=name, about=_inline(about), entries=tuple(entries))


@cache
def _document() -> Any:
    return json.loads(description())


def _operations(tag: str) -> Iterator[tuple[str, str, Schema]]:
    for path, item in _document()["paths"].items():
        for method, operation in item.items():
            if tag in operation["tags"]:
                yield method, path, operation


def _read(method: str, path: str, operation: Schema) -> Operation:
    name, responses = operation["operationId"], operation["responses"]
    parameters = operation.get("parameters", [])
    nothing: tuple[str, Schema] = (JSON, {})
    sent_as, content = next(
        iter(operation.get("requestBody", {}).get("content", {}).items()), nothing
    )
    body = _resolved(content.get("schema", {}))
    examples = {
        each["name"]: str(each.get("example", each["name"]))
        for each in parameters
        if each["in"] == "path"
    }
    return Operation(
        id=name,
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        about=prose(operation["description"]),
        parameters=tuple(_parameter(name, each) for each in parameters),
        body=_fields(body, name),
        body_about=_inline(body.get("description", "")) if body.get("properties") else Markup(),
        answers=tuple(
            _answer(name, status, each) for status, each in responses.items() if status[0] in "23"
        ),
        problems=tuple(_problems(responses)),
        needs_token=operation.get("security") != [],
        at=re.sub(r"{(\w+)}", lambda place: examples[place[1]], path),
        sent=_sent(content["example"]) if content.get("example") else None,
        sent_as=sent_as,
        streams="text/event-stream" in responses.get("200", {}).get("content", {}),
    )


def _parameter(operation: str, parameter: Schema) -> Field:
    return Field(
        id=f"{operation}-{parameter['in']}-{parameter['name']}",
        name=parameter["name"],
        type=_type(parameter["schema"]),
        required=parameter.get("required", False),
        rules=tuple(_rules(parameter["schema"])),
        about=_inline(parameter.get("description", "")),
        place=parameter["in"],
    )


def _answer(operation: str, status: str, response: Schema) -> Answer:
    nothing: tuple[str, Schema] = ("", {})
    media_type, content = next(iter(response.get("content", {}).items()), nothing)
    example = content.get("example")
    text = (
        example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
    )
    return Answer(
        status=status,
        phrase=response["description"],
        type=media_type,
        headers=tuple(response.get("headers", {})),
        fields=_fields(_resolved(content.get("schema", {})), f"{operation}-{status}"),
        example=None if example is None else _coloured(text, "json" if media_type == JSON else ""),
    )


def _problems(responses: Mapping[str, Schema]) -> Iterator[ProblemEntry]:
    for response in responses.values():
        for content in _resolved(response).get("content", {}).values():
            for example in content.get("examples", {}).values():
                problem = example["value"]
                yield ProblemEntry(
                    status=problem["status"], title=problem["title"], address=problem["type"]
                )


def _fields(schema: Schema, id_: str, depth: int = 0) -> tuple[Field, ...]:
    """Of an object. What is nested deeper than anybody writes is left out."""
    required = schema.get("required", ())
    properties = schema.get("properties", {}) if depth < DEEPEST else {}
    return tuple(
        _field(name, each, f"{id_}-{name}", name in required, depth)
        for name, each in properties.items()
    )


def _field(name: str, schema: Schema, id_: str, required: bool, depth: int) -> Field:
    inner = _innermost(schema)
    called = {ref: name for name, ref in inner.get("discriminator", {}).get("mapping", {}).items()}
    refs = [each["$ref"] for each in inner.get("oneOf", inner.get("anyOf", ())) if "$ref" in each]
    choices = {called.get(ref) or ref.rpartition("/")[2]: _resolved({"$ref": ref}) for ref in refs}
    return Field(
        id=id_,
        name=name,
        type=_type(schema),
        required=required,
        rules=tuple(_rules(schema)),
        about=_inline(schema.get("description", "")),
        fields=_fields(inner, id_, depth + 1),
        choices=tuple(
            Field(
                id=f"{id_}-{choice}",
                name=choice,
                type="object",
                required=False,
                rules=(),
                about=_inline(each.get("description", "")),
                fields=_fields(each, f"{id_}-{choice}", depth + 1),
            )
            for choice, each in choices.items()
        ),
    )


def _innermost(schema: Schema) -> Schema:
    """What is in it: not the list, the names or the null around it."""
    schema = _present(_resolved(schema))
    if "items" in schema:
        return _innermost(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        return _innermost(schema["additionalProperties"])
    return schema


def _present(schema: Schema) -> Schema:
    """Of what may be null, what it is otherwise; of an enumeration that may grow, what is in it."""
    others = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(others) > 1:
        others = [each for each in others if each != {"type": "string"}]
    return _resolved(others[0]) if len(others) == 1 else schema


def _type(schema: Schema) -> str:
    resolved = _resolved(schema)
    null = " or null" if {"type": "null"} in resolved.get("anyOf", ()) else ""
    inner = _present(resolved)
    if "items" in inner:
        one = _resolved(inner["items"])
        return f"list of {'these objects' if 'oneOf' in one else _type(one)}{null}"
    if isinstance(inner.get("additionalProperties"), dict):
        return f"object, by name: {_type(inner['additionalProperties'])}{null}"
    if "oneOf" in inner or "anyOf" in inner:
        return f"one of these objects{null}"
    kind = str(inner.get("type", ""))
    return (FORMATS.get(str(inner.get("format"))) or TYPES.get(kind, "anything")) + null


def _rules(schema: Schema) -> Iterator[str]:
    outer, inner = _resolved(schema), _present(_resolved(schema))
    if outer.get("deprecated"):
        yield "deprecated"
    if "const" in inner:
        yield f"always {_shown(inner['const'])}"
    if "enum" in _innermost(inner):
        yield "one of " + ", ".join(_shown(each) for each in _innermost(inner)["enum"])
    for least, most, unit in BOUNDS:
        if (words := _between(inner.get(least), inner.get(most))) and not _is_any(least, inner):
            yield f"{words} {unit}".strip()
    if "pattern" in inner:
        yield f"like {inner['pattern']}"
    if (default := schema.get("default", outer.get("default"))) not in (None, "", [], {}):
        yield f"without it: {_shown(default)}"


def _is_any(least: str, schema: Schema) -> bool:
    """A limit for computers, which no person would miss."""
    return (
        least == "minimum"
        and schema.get("minimum", 0) in (0, 1)
        and schema.get("maximum", 0) >= 2**31 - 1
    )


def _between(least: int | None, most: int | None) -> str:
    if least is not None and most is not None:
        return f"{least} to {most}"
    return (
        f"at least {least}" if least is not None else f"at most {most}" if most is not None else ""
    )


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _resolved(schema: Schema) -> Schema:
    """With what it refers to, in whose place its own description is."""
    if "$ref" not in schema:
        return schema
    found: Any = _document()
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return {**_resolved(found), **{key: each for key, each in schema.items() if key != "$ref"}}


def _sent(example: Any) -> str:
    short = json.dumps(example, ensure_ascii=False)
    return short if len(short) <= SHORT else json.dumps(example, indent=2, ensure_ascii=False)


def _inline(text: str) -> Markup:
    """A description beside other things; nothing when there is none."""
    return prose(text) if text else Markup()


def _coloured(text: str, language: str) -> Markup:
    coloured = coloured_code(text, language) if language else None
    return Markup(escape(text) if coloured is None else coloured)
