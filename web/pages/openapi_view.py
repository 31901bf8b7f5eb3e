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

from core.errors import required
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
Fields = tuple[dict[str, Any], ...]  # as `_field` makes them


@dataclass(frozen=True, slots=True)
class Chapter:
    """The operations of a tag: id, method, path and summary of each."""

    name: str
    about: Markup
    entries: tuple[tuple[str, str, str, str], ...]


@cache
def introduction() -> Markup:
    return prose(_document()["info"]["description"])


@cache
def headers() -> tuple[tuple[str, Markup], ...]:
    """Return names and descriptions of response headers."""
    return tuple(
        (name, prose(header["description"]))
        for name, header in _document()["components"]["headers"].items()
    )


@cache
def chapters() -> tuple[Chapter, ...]:
    """Return all chapters, those of the versioned API first."""
    found = [
        Chapter(
            tag["name"],
            prose(tag["description"]),
            tuple(
                (operation["operationId"], method.upper(), path, operation["summary"])
                for method, path, operation in _operations(tag["name"])
            ),
        )
        for tag in _document()["tags"]
    ]
    return tuple(sorted(found, key=lambda each: not each.entries[0][2].startswith(VERSIONED)))


def chapter(name: str) -> Chapter:
    """Return the chapter of this name. Raises NotFound."""
    return required(
        next((chapter for chapter in chapters() if chapter.name == name), None),
        "This chapter of the API description does not exist.",
    )


@cache
def operations(name: str) -> tuple[dict[str, Any], ...]:
    """Return the operations of a chapter, which must exist."""
    return tuple(_read(method, path, operation) for method, path, operation in _operations(name))


def command(operation: Schema, origin: str, *, with_token: bool) -> str:
    """Return an operation's example as a command for a shell, which has a variable TOKEN."""
    is_stream = "text/event-stream" in operation["responses"].get("200", {}).get("content", {})
    method = "" if operation["method"] == "GET" else f"-X {operation['method']} "
    parts = [f"curl {'-N ' if is_stream else method}{quote(origin + operation['at'])}"]
    if with_token and operation.get("security") != []:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if operation["sent"] is not None:
        parts.append(f"-H 'Content-Type: {operation['sent_as']}'")
        parts.append(f"-d {quote(operation['sent'])}")
    return " \\\n  ".join(parts)


@cache
def _document() -> Any:
    return json.loads(description())


def _operations(tag: str) -> Iterator[tuple[str, str, Schema]]:
    for path, item in _document()["paths"].items():
        for method, operation in item.items():
            if tag in operation["tags"]:
                yield method, path, operation


def _read(method: str, path: str, operation: Schema) -> dict[str, Any]:
    """Return an operation of the description with all that its page shows."""
    name, responses = operation["operationId"], operation["responses"]
    bodies: Mapping[str, Schema] = operation.get("requestBody", {}).get("content", {})
    sent_as, content = next(iter(bodies.items()), (JSON, {}))
    body = _resolved(content.get("schema", {}))
    sent = json.dumps(example, ensure_ascii=False) if (example := content.get("example")) else None
    if sent is not None and len(sent) > SHORT:
        sent = json.dumps(example, indent=2, ensure_ascii=False)
    parameters = operation.get("parameters", ())
    examples = {
        each["name"]: str(each.get("example", each["name"]))
        for each in parameters
        if each["in"] == "path"
    }
    return {
        **operation,
        "id": name,
        "method": method.upper(),
        "path": path,
        "about": prose(operation["description"]),
        "parameters": tuple(
            _field(
                each["name"],
                {**each["schema"], "description": each.get("description", "")},
                f"{name}-{each['in']}-{each['name']}",
                required=each.get("required", False),
                place=each["in"],
            )
            for each in parameters
        ),
        "body": _fields(body, name),
        "body_about": prose(body.get("description", "") if body.get("properties") else ""),
        "answers": tuple(
            _answer(name, status, each) for status, each in responses.items() if status[0] in "23"
        ),
        "problems": tuple(
            example["value"]
            for response in responses.values()
            for each in _resolved(response).get("content", {}).values()
            for example in each.get("examples", {}).values()
        ),
        "at": re.sub(r"{(\w+)}", lambda place: examples[place[1]], path),  # of the example
        "sent": sent,
        "sent_as": sent_as,
    }


def _answer(operation: str, status: str, response: Schema) -> dict[str, Any]:
    contents: Mapping[str, Schema] = response.get("content", {})
    media_type, content = next(iter(contents.items()), ("", {}))
    shown, example = None, content.get("example")
    if example is not None:
        is_text = isinstance(example, str)
        text = example if is_text else json.dumps(example, indent=2, ensure_ascii=False)
        code = coloured(text, "json") if media_type == JSON else None
        shown = Markup(escape(text) if code is None else code)
    return {
        "status": status,
        "phrase": response["description"],
        "type": media_type,
        "headers": tuple(response.get("headers", {})),
        "fields": _fields(_resolved(content.get("schema", {})), f"{operation}-{status}"),
        "example": shown,
    }


def _fields(schema: Schema, id_: str, depth: int = 0) -> Fields:
    """Return the fields of an object, to a depth that real bodies do not reach."""
    required = schema.get("required", ())
    properties = schema.get("properties", {}) if depth < DEEPEST else {}
    return tuple(
        _field(name, each, f"{id_}-{name}", required=name in required, depth=depth)
        for name, each in properties.items()
    )


def _field(
    name: str, schema: Schema, id_: str, *, required: bool = False, depth: int = 0, place: str = ""
) -> dict[str, Any]:
    """Return a field: `id` is its anchor, `choices` are the kinds of objects that it may be.

    `place` of a parameter: path, query or header.
    """
    inner = _innermost(schema)
    called = {ref: name for name, ref in inner.get("discriminator", {}).get("mapping", {}).items()}
    refs = [each["$ref"] for each in inner.get("oneOf", inner.get("anyOf", ())) if "$ref" in each]
    choices = {called.get(ref) or ref.rpartition("/")[2]: _resolved({"$ref": ref}) for ref in refs}
    return {
        "id": id_,
        "name": name,
        "type": _type(schema),
        "required": required,
        "rules": tuple(_rules(schema)),
        "about": prose(schema.get("description", "")),
        "fields": _fields(inner, id_, depth + 1),
        "choices": tuple(
            _field(choice, each, f"{id_}-{choice}", depth=depth) for choice, each in choices.items()
        ),
        "place": place,
    }


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
