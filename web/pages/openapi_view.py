"""The API description (web/openapi.json) as chapters, operations, fields and commands for pages.

Swagger UI, Redoc and Scalar bring 1.4 to 3 MB of script, write styles into the page, which our
Content-Security-Policy forbids, and show nothing without a script; so these pages are our own. A
chapter is read when it is first requested, and kept.
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
from web.pages.lazy import coloured, prose

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
BOUNDS = (  # keywords of a schema, and their unit
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
    ("minimum", "maximum", ""),
)

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field; `id` is its anchor, and `choices` are the kinds of objects that it may be."""

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
    at: str  # the path of the example
    sent: str | None  # the body of the example
    sent_as: str
    streams: bool

    def command(self, origin: str, *, with_token: bool) -> str:
        """Return the example as a command for a shell, which has a variable TOKEN."""
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
    """Return names and descriptions of response headers."""
    return tuple(
        (name, _inline(header["description"]))
        for name, header in _document()["components"]["headers"].items()
    )


@cache
def chapters() -> tuple[Chapter, ...]:
    """Return all chapters, those of the versioned API first."""
    found = []
    for tag in _document()["tags"]:
        entries = (
            IndexEntry(operation["operationId"], method.upper(), path, operation["summary"])
            for method, path, operation in _operations(tag["name"])
        )
        found.append(Chapter(tag["name"], _inline(tag["description"]), tuple(entries)))
    return tuple(
        sorted(found, key=lambda chapter: not chapter.entries[0].path.startswith(VERSIONED))
    )


def chapter(name: str) -> Chapter:
    """Return the chapter of this name. Raises NotFound."""
    found = next((chapter for chapter in chapters() if chapter.name == name), None)
    if found is None:
        raise NotFound("There is no such chapter of the description.")
    return found


@cache
def operations(name: str) -> tuple[Operation, ...]:
    """Return the operations of a chapter, which must exist."""
    return tuple(_read(method, path, operation) for method, path, operation in _operations(name))


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

    bodies: Mapping[str, Schema] = operation.get("requestBody", {}).get("content", {})
    sent_as, content = next(iter(bodies.items()), (JSON, {}))
    body = _resolved(content.get("schema", {}))
    sent = json.dumps(example, ensure_ascii=False) if (example := content.get("example")) else None
    if sent is not None and len(sent) > SHORT:
        sent = json.dumps(example, indent=2, ensure_ascii=False)
    examples = {
        each["name"]: str(each.get("example", each["name"]))
        for each in operation.get("parameters", ())
        if each["in"] == "path"
    }
    return Operation(
        id=name,
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        about=prose(operation["description"]),
        parameters=tuple(
            Field(
                id=f"{name}-{each['in']}-{each['name']}",
                name=each["name"],
                type=_type(each["schema"]),
                required=each.get("required", False),
                rules=tuple(_rules(each["schema"])),
                about=_inline(each.get("description", "")),
                place=each["in"],
            )
            for each in operation.get("parameters", ())
        ),
        body=_fields(body, name),
        body_about=_inline(body.get("description", "")) if body.get("properties") else Markup(),
        answers=tuple(
            _answer(name, status, each) for status, each in responses.items() if status[0] in "23"
        ),
        problems=tuple(
            ProblemEntry(problem["status"], problem["title"], problem["type"])
            for response in responses.values()
            for each in _resolved(response).get("content", {}).values()
            for problem in (example["value"] for example in each.get("examples", {}).values())
        ),
        needs_token=operation.get("security") != [],
        at=re.sub(r"{(\w+)}", lambda place: examples[place[1]], path),
        sent=sent,
        sent_as=sent_as,
        streams="text/event-stream" in responses.get("200", {}).get("content", {}),
    )


def _answer(operation: str, status: str, response: Schema) -> Answer:
    contents: Mapping[str, Schema] = response.get("content", {})
    media_type, content = next(iter(contents.items()), ("", {}))
    shown, example = None, content.get("example")
    if example is not None:
        is_text = isinstance(example, str)
        text = example if is_text else json.dumps(example, indent=2, ensure_ascii=False)
        code = coloured(text, "json") if media_type == JSON else None
        shown = Markup(escape(text) if code is None else code)
    return Answer(
        status=status,
        phrase=response["description"],
        type=media_type,
        headers=tuple(response.get("headers", {})),
        fields=_fields(_resolved(content.get("schema", {})), f"{operation}-{status}"),
        example=shown,
    )


def _fields(schema: Schema, id_: str, depth: int = 0) -> tuple[Field, ...]:
    """Return the fields of an object, to a depth that real bodies do not reach."""
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
    """Return the schema of the values, without the list, the names or the null around them."""
    schema = _present(_resolved(schema))
    if "items" in schema:
        return _innermost(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        return _innermost(schema["additionalProperties"])
    return schema


def _present(schema: Schema) -> Schema:
    """Return the alternative to null, and the known values of an enumeration that may grow."""
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
        yield f"always {_literal(inner['const'])}"
    if "enum" in _innermost(inner):
        yield "one of " + ", ".join(_literal(each) for each in _innermost(inner)["enum"])
    for lower, upper, unit in BOUNDS:
        least, most = inner.get(lower), inner.get(upper)
        if lower == "minimum" and least in (None, 0, 1) and (most or 0) >= 2**31 - 1:
            continue  # a limit for computers, which no reader would miss
        if least is not None and most is not None:
            yield f"{least} to {most} {unit}".strip()
        elif least is not None or most is not None:
            bound = f"at most {most}" if least is None else f"at least {least}"
            yield f"{bound} {unit}".strip()
    if "pattern" in inner:
        yield f"like {inner['pattern']}"
    if (default := schema.get("default", outer.get("default"))) not in (None, "", [], {}):
        yield f"without it: {_literal(default)}"


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _resolved(schema: Schema) -> Schema:
    """Return the schema with the one that it refers to; its own keywords override those."""
    if "$ref" not in schema:
        return schema
    found: Any = _document()
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return {**_resolved(found), **{key: each for key, each in schema.items() if key != "$ref"}}


def _inline(text: str) -> Markup:
    """Return a description as HTML; empty if there is none."""
    return prose(text) if text else Markup()
