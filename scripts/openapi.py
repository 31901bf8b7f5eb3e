"""Write web/openapi.json, the OpenAPI 3.1 document, from the routes and the types of their handlers.

`make openapi` runs it; the service sends the file, and a test compares it with the code. Libraries
that generate one (spectree, apispec, FastAPI) want to own the routes or the validation; here these
are a table already, and pydantic makes the schemas.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from inspect import getdoc
from itertools import groupby
from sys import modules
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import (
    GenerateJsonSchema,
    JsonSchemaMode,
    JsonSchemaValue,
    models_json_schema,
)
from pydantic_core import CoreSchema, core_schema

if __name__ == "__main__":  # the settings are read with the first import of the service
    _folder = tempfile.TemporaryDirectory()
    os.environ.update({"SERVICE_TYPE": "all", "DATA_DIR": _folder.name})
    for _variable in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(_variable, None)

from core.errors import (
    Forbidden,
    Invalid,
    KeyInUse,
    KeyReused,
    Malformed,
    NotFound,
    PreconditionFailed,
    RateLimited,
    RoadmapError,
    TooLarge,
    TooSlow,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from core.sanitize import format_size
from roadmap.lifecycle.events import RoadmapMessage, TestMessage
from roadmap.plan.format_version import LARGEST
from roadmap.plan.outline import ContentKind
from web import openapi_file
from web.api.roadmaps import LinkedTree
from web.deprecation import FIELDS as DEPRECATED
from web.endpoint import Endpoint, LargeBody
from web.http.problems import INTERNAL, MEDIA_TYPE, PROBLEMS, Problem, ProblemType
from web.http.request_body import is_optional
from web.routes import ENDPOINTS, operation_id

SCHEMAS = "#/components/schemas/"
JSON = "application/json"
OTHER = "OtherProblem"  # the response that stands for statuses which are not named
PATCH = "application/merge-patch+json"  # RFC 7396

Kinds = tuple[type[RoadmapError], ...]  # of problems, all of one status

ABOUT = """\
Post a goal, get a learning roadmap: stages, modules and concepts in an order that works, and for each concept a tutorial,
resources and a quiz. It is accepted at once (202) and made by workers; watch it by server-sent events, or be told by a webhook.

**Who calls.** `Authorization: Bearer` with an access token (`POST /api/v1/auth/login`) or an API key (`POST /api/v1/api-keys`).
On one's own machine (embedded mode) nothing is needed.

**Errors** are problem documents (RFC 9457). Decide by `type`; `errors` names fields by JSON pointers; `request_id` finds the
request in the log.

**Again.** Every POST that makes something takes an `Idempotency-Key`: sent again within 24 hours, it is answered as it was, and
done once.

**Lists** come in pages: `Link` has the next one. **Answers to GET** have an `ETag` for `If-None-Match`, and `If-Match` changes
nothing that was changed meanwhile. `RateLimit` says how much may still be asked.

**Values may be added** to an enumeration that answers have, so each is described as one of those or
any other text. Requests have those alone.
"""
UUID_SCHEMA = {"type": "string", "format": "uuid"}
PLACE_SCHEMAS: dict[str, tuple[dict[str, Any], str]] = {
    "number": ({"type": "integer", "minimum": 1, "maximum": 999_999}, "Counts from 1."),
    "kind": (
        {"type": "string", "enum": list(ContentKind)},
        "Which part of the concept.",
    ),
    "queue": ({"type": "string", "enum": ["logs", "content"]}, "Which queue."),
    "message": (
        {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,100}$"},
        "The `id` of the message; of one that was put aside, that of its dead letter.",
    ),
    "token": (
        {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,100}$"},
        "The last part of the link.",
    ),
    "slug": (
        {"type": "string", "pattern": "^[a-z-]{1,60}$"},
        "The last part of a problem's `type`.",
    ),
}
REQUEST_HEADERS = {
    "Idempotency-Key": (
        {"type": "string", "pattern": r'^([!#-~][!-~]{0,199}|"([ !#-\[\]-~]|\\["\\]){1,200}")$'},
        (
            "A name of yours for this request, such as a UUID: sent again within 24 hours, it is"
            " answered as it was, and done once. An answer with a secret is not repeated: 409 says"
            " where that is which the first request has made."
        ),
    ),
    "If-Match": ({"type": "string"}, "An ETag: change it only while it is still that."),
    "If-None-Match": ({"type": "string"}, "An ETag that is known: 304 while it is still that."),
    "Last-Event-ID": (
        {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        "The number of the last event that was seen.",
    ),
    "Prefer": (
        {"type": "string"},
        (
            "`wait=N`: answer when it is done, if that is within N seconds (at most 60)."
            " `return=minimal`: without links. What is not understood is passed over."
        ),
    ),
}
ANSWER_HEADERS = {
    "Deprecation": (
        {"type": "string"},
        "A field of the request is deprecated, since then: `@` and seconds since 1970 (RFC 9745).",
    ),
    "ETag": ({"type": "string"}, "Names this content."),
    "Idempotency-Replayed": (
        {"type": "string", "const": "true"},
        "This was answered to an earlier request with the same key.",
    ),
    "Link": ({"type": "string"}, 'Where the next page is: `rel="next"`. None on the last page.'),
    "Location": ({"type": "string", "format": "uri-reference"}, "Where the thing is."),
    "Preference-Applied": ({"type": "string"}, "What of `Prefer` was done."),
    "RateLimit": (
        {"type": "string"},
        "How much is left, and after how many seconds it is all there again (IETF draft).",
    ),
    "RateLimit-Policy": ({"type": "string"}, "How much may be asked in how many seconds."),
    "Retry-After": ({"type": "integer"}, "Seconds."),
    "Sunset": ({"type": "string"}, "Until then at least that field is understood (RFC 8594)."),
    "WWW-Authenticate": ({"type": "string"}, "How to show who one is."),
    "X-Request-ID": (
        {"type": "string"},
        "Finds the request in the log. What was sent is taken over when it is harmless.",
    ),
}
ALWAYS = (
    "ETag",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)  # wherever they are named
TEXT: dict[str, Any] = {"schema": {"type": "string"}}
FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
# By media type; others are texts or files.
WITHOUT_MODEL: dict[str, dict[str, Any]] = {
    JSON: {"schema": {"type": "object"}},
    "text/event-stream": {},
}
SIGNED = {
    "webhook-id": "Of the message: the same at each try.",
    "webhook-timestamp": "Of this try, in seconds since 1970.",
    "webhook-signature": "`v1,` and the signature; two of them while a secret is changed.",
}
IN_USE = {
    "Retry-After": {
        "description": "Seconds, when the key is in use.",
        "schema": {"type": "integer"},
    }
}
MESSAGES = (
    ("roadmap", "Something happened to a roadmap.", RoadmapMessage),
    ("test", "Somebody pressed the button.", TestMessage),
)
INSIDE = {
    "read_roadmap": ("concept_id", "/stages/0/modules/0/concepts/0/id")
}  # ids in an answer that lead further
# By operation: headers that it reads and successful responses, beyond those of its kind.
HEADERS_OF: Mapping[str, tuple[str, ...]] = {
    "create_roadmap": ("Prefer",),
    "watch_roadmap": ("Last-Event-ID",),
}
RESPONSES_OF: Mapping[str, Mapping[int, type[BaseModel] | None]] = {
    "create_roadmap": {201: LinkedTree},
    "watch_roadmap": {204: None},
}


RESPONSE_NAMES: dict[type[RoadmapError], str] = {RateLimited: "TooMany"}
TAGS = {  # clients are generated by these names; they stay when a module is renamed
    "web.api.docs": "documentation",
    "web.api.exports": "exporting",
    "web.api.imports": "importing",
    "web.api.decisions": "decisions",
    "web.api.revisions": "history",
    "web.api.shares": "sharing",
    "web.api.admin.audit_log": "auditing",
    "web.api.admin.roadmaps": "overseeing",
    "web.api.admin.task_stats": "measures",
}


def document() -> dict[str, Any]:
    """The whole, in an order that does not change."""
    schemas = _Schemas(ENDPOINTS)
    examples = (
        json.loads(openapi_file.EXAMPLES.read_text("utf-8"))
        if openapi_file.EXAMPLES.exists()
        else {}
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        operation = _operation(endpoint, schemas, examples.get(operation_id(endpoint), {}))
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Roadmap",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": _tag(name), "description": (modules[name].__doc__ or "").strip()}
            for name in dict.fromkeys(endpoint.handler.__module__ for endpoint in ENDPOINTS)
        ],
        "security": [{"bearer": []}, {"cookie": []}, {}],
        "paths": paths,
        "webhooks": dict(_webhooks(schemas)),
        "components": {
            "schemas": schemas.components(),
            "responses": (
                {_component(kinds): _problem_response(kinds) for kinds in _answered()}
                | {
                    OTHER: _problem(
                        "Something else does not fit: `type` and `detail` say what.", []
                    )
                }
            ),
            "headers": {
                name: {"description": about, "required": name in ALWAYS, "schema": schema}
                for name, (schema, about) in ANSWER_HEADERS.items()
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token, or an API key (`rmk_...`).",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-roadmap",
                    "description": "For our own pages.",
                },
            },
        },
    }


def written() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


class _Schemas:
    """Of all models of all endpoints; those of queries are not among the components."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        pairs = sorted(set(_models(endpoints)), key=lambda pair: (pair[0].__name__, pair[1]))
        refs, definitions = models_json_schema(
            pairs, ref_template=SCHEMAS + "{model}", schema_generator=_Generator
        )
        self._refs = {pair: str(ref["$ref"]).removeprefix(SCHEMAS) for pair, ref in refs.items()}
        self._definitions = {
            _name(name): _tidy(schema) for name, schema in definitions["$defs"].items()
        }

    def ref(self, model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, str]:
        return {"$ref": SCHEMAS + _name(self._refs[model, mode])}

    def properties(self, query: type[BaseModel]) -> dict[str, Any]:
        properties: dict[str, Any] = self._definitions[_name(self._refs[query, "validation"])].get(
            "properties", {}
        )
        return properties

    def components(self) -> dict[str, Any]:
        queries = {_name(self._refs[endpoint.query, "validation"]) for endpoint in ENDPOINTS}
        return {
            name: schema
            for name, schema in sorted(self._definitions.items())
            if name not in queries
        }


class _Generator(GenerateJsonSchema):
    """Enumerations are open in answers, where values may be added, and closed in requests."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._enums: set[str] = set()  # references to them

    def definitions_schema(self, schema: core_schema.DefinitionsSchema) -> JsonSchemaValue:
        found = (each for each in schema["definitions"] if each["type"] == "enum")
        self._enums |= {each["ref"] for each in found if "ref" in each}
        return super().definitions_schema(schema)

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        made = super().generate_inner(schema)
        return {"anyOf": [made, {"type": "string"}]} if self._is_open(schema) else made

    def _is_open(self, schema: CoreSchema) -> bool:
        kind = schema["type"]
        return self.mode == "serialization" and (
            kind == "enum"
            or (kind == "literal" and len(schema["expected"]) > 1)
            or (kind == "definition-ref" and schema["schema_ref"] in self._enums)
        )


def _models(endpoints: Iterable[Endpoint]) -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    yield Problem, "serialization"
    for *_, message in MESSAGES:
        yield message, "serialization"
    for endpoint in endpoints:
        yield endpoint.query, "validation"
        if endpoint.body is not None:
            yield endpoint.body, "validation"
        for model in responses_of(endpoint).values():
            if model is not None:
                yield model, "serialization"


def responses_of(endpoint: Endpoint) -> dict[int, type[BaseModel] | None]:
    """Return the models of its successful responses, by status."""
    return {endpoint.status: endpoint.response, **RESPONSES_OF.get(operation_id(endpoint), {})}


def _has_tag(endpoint: Endpoint) -> bool:
    """Whether its response has an ETag: made whole, in a thread, of stored data."""
    return (
        endpoint.method in ("GET", "PUT", "PATCH")
        and not endpoint.is_async
        and endpoint.media_type != "text/plain"
    )


def _name(name: str) -> str:
    """Of a component: `Page_LogRecord_` is called LogRecordPage, and what is sent and answered alike has one name."""
    return (
        re.sub(r"^Page_(\w+)_$", r"\1Page", name)
        .replace("-Output", "")
        .replace("-Input", "Request")
    )


def _tidy(schema: Any) -> Any:
    """Without titles that only repeat names."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return (
            SCHEMAS + _name(schema.removeprefix(SCHEMAS))
            if isinstance(schema, str) and schema.startswith(SCHEMAS)
            else schema
        )
    properties = {name: _tidy(each) for name, each in schema.get("properties", {}).items()}
    rest = {
        name: _tidy(each) for name, each in schema.items() if name not in ("title", "properties")
    }
    return {**rest, **({"properties": properties} if properties else {})}


def _operation(endpoint: Endpoint, schemas: _Schemas, example: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(endpoint),
        "tags": [_tag(endpoint.handler.__module__)],
        "summary": endpoint.summary,
        "description": _description(endpoint),
    }
    if endpoint.public:
        operation["security"] = []
    if parameters := [
        *_places(endpoint, example.get("places", {})),
        *_query(endpoint, schemas),
        *_headers(endpoint),
    ]:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        content = {"schema": schemas.ref(endpoint.body, "validation")} | _example(
            example.get("request")
        )
        operation["requestBody"] = {
            "required": not is_optional(endpoint.body),
            "content": {PATCH if endpoint.method == "PATCH" else JSON: content},
        }
    operation["responses"] = dict(_responses(endpoint, schemas, example.get("responses", {})))
    return operation


def _description(endpoint: Endpoint) -> str:
    about = getdoc(endpoint.handler) or ""
    who = (
        "Needs a login: no API key can do it."
        if endpoint.login_only
        else f"Needs the scope `{endpoint.needs}`."
    )
    room = (
        f"The body may have {format_size(LARGEST)}; one at a time."
        if isinstance(endpoint, LargeBody)
        else ""
    )
    return "\n\n".join(
        filter(None, (" ".join(about.split()), room, "" if endpoint.public else who))
    )


def _places(endpoint: Endpoint, examples: dict[str, str]) -> Iterator[dict[str, Any]]:
    for name in _place_names(endpoint):
        schema, about = PLACE_SCHEMAS.get(
            name, (UUID_SCHEMA, f"The `id` of the {name.removesuffix('_id')}.")
        )
        example = examples.get(name)
        typed = int(example) if example is not None and schema["type"] == "integer" else example
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": about,
            "schema": schema,
        } | _example(typed)


def _query(endpoint: Endpoint, schemas: _Schemas) -> Iterator[dict[str, Any]]:
    for name, schema in schemas.properties(endpoint.query).items():
        given = [
            each for each in schema.get("anyOf", []) if each != {"type": "null"}
        ]  # absent, and never null
        about = {key: schema[key] for key in ("description",) if key in schema}
        plain = {
            key: each
            for key, each in schema.items()
            if key not in ("anyOf", "description") and each is not None
        }
        yield {"name": name, "in": "query", **about, "schema": (given[0] if given else {}) | plain}


def _headers(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    names = [
        *(["Idempotency-Key"] if endpoint.takes_key else []),
        *(["If-Match"] if endpoint.current is not None else []),
        *(["If-None-Match"] if _has_tag(endpoint) and endpoint.method == "GET" else []),
        *HEADERS_OF.get(operation_id(endpoint), ()),
    ]
    for name in names:
        schema, about = REQUEST_HEADERS[name]
        yield {"name": name, "in": "header", "description": about, "schema": schema}


def _responses(
    endpoint: Endpoint, schemas: _Schemas, examples: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    for status, model in responses_of(endpoint).items():
        yield str(status), _good(endpoint, status, model, schemas, examples.get(str(status)))
    if _has_tag(endpoint) and endpoint.method == "GET":
        yield "304", {"description": "It is still what is known.", "headers": _told("ETag")}
    for kinds in _by_status(endpoint):
        yield (
            str(PROBLEMS[kinds[0]].status),
            {"$ref": f"#/components/responses/{_component(kinds)}"},
        )
    # No `default`: whoever does not know the media type of a good answer would take it for that.
    yield "4XX", {"$ref": f"#/components/responses/{OTHER}"}
    yield "5XX", {"$ref": f"#/components/responses/{_component(())}"}


def _good(
    endpoint: Endpoint, status: int, model: type[BaseModel] | None, schemas: _Schemas, example: Any
) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "headers": _told(*_answer_headers(endpoint, status)),
    }
    if model is not None:
        response["content"] = {
            JSON: {"schema": schemas.ref(model, "serialization")} | _example(example)
        }
        if links := dict(_links(endpoint, model)):
            response["links"] = links
    elif status != HTTPStatus.NO_CONTENT:
        form = TEXT if endpoint.media_type.startswith("text/") else FILE
        response["content"] = {
            endpoint.media_type: WITHOUT_MODEL.get(endpoint.media_type, form) | _example(example)
        }
    return response


def _answer_headers(endpoint: Endpoint, status: int) -> Iterator[str]:
    if status in (HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        yield "Location"
    if status == HTTPStatus.ACCEPTED:
        yield "Retry-After"
    if _has_tag(endpoint):
        yield "ETag"
    if "cursor" in endpoint.query.model_fields:
        yield "Link"
    if "Prefer" in HEADERS_OF.get(operation_id(endpoint), ()):
        yield "Preference-Applied"
    if endpoint.takes_key and not endpoint.has_secret:
        yield "Idempotency-Replayed"
    if endpoint.body in DEPRECATED:
        yield from ("Deprecation", "Sunset")
    if not endpoint.unlimited:
        yield from ("RateLimit", "RateLimit-Policy")
    yield "X-Request-ID"


def _webhooks(schemas: _Schemas) -> Iterator[tuple[str, dict[str, Any]]]:
    """Webhook requests (Standard Webhooks) and the expected answers."""
    signed = [
        {
            "name": name,
            "in": "header",
            "required": True,
            "description": text,
            "schema": {"type": "string"},
        }
        for name, text in SIGNED.items()
    ]
    heard = {"2XX": {"description": "It has arrived."}}
    for name, about, model in MESSAGES:
        content = {JSON: {"schema": schemas.ref(model, "serialization")}}
        body = {"required": True, "content": content}
        named = {"operationId": f"receive_{name}_message", "summary": about, "security": []}
        yield (
            name,
            {"post": {**named, "parameters": signed, "requestBody": body, "responses": heard}},
        )


def _told(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _example(example: Any) -> dict[str, Any]:
    return {} if example is None else {"example": example}


def _links(endpoint: Endpoint, model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """Yield links to operations that need no other id than those of the answer."""
    fields = model.model_fields
    place = "/id" if "id" in fields else "/items/0/id" if "items" in fields else ""
    name, where = INSIDE.get(operation_id(endpoint), ("", place))
    own = _place_names(endpoint)
    if where == "/id" and endpoint.path.endswith("}"):
        return  # it was asked for by this id
    for other in ENDPOINTS:
        new = [place for place in _place_names(other) if place not in own]
        begins = other.path.startswith(endpoint.path + "/")
        if (
            where
            and begins
            and len(new) == 1
            and new[0] not in PLACE_SCHEMAS
            and new[0] == (name or new[0])
        ):
            places = {place: f"$request.path.{place}" for place in own} | {
                new[0]: f"$response.body#{where}"
            }
            yield operation_id(other), {"operationId": operation_id(other), "parameters": places}


def _raised(endpoint: Endpoint) -> Iterator[type[RoadmapError]]:
    """Yield the errors that an endpoint can answer."""
    yield from (*endpoint.raises, Forbidden, Invalid)
    if not endpoint.unlimited:
        yield from (RateLimited, Unavailable)
    if not endpoint.public:
        yield Unauthenticated
    if _place_names(endpoint):
        yield NotFound
    if endpoint.body is not None:
        yield from (Malformed, TooSlow, TooLarge, Unsupported)
    if endpoint.takes_key:
        yield from (KeyInUse, KeyReused)
    if endpoint.current is not None:
        yield PreconditionFailed


def _place_names(endpoint: Endpoint) -> list[str]:
    return re.findall(r"{(\w+)}", endpoint.path)


def _by_status(endpoint: Endpoint) -> list[Kinds]:
    """Return the errors of an endpoint, grouped by status."""
    raised = set(_raised(endpoint))
    return [
        tuple(kinds)
        for _, kinds in groupby(
            (kind for kind in PROBLEMS if kind in raised), lambda kind: PROBLEMS[kind].status
        )
    ]


def _answered() -> list[Kinds]:
    """Of all endpoints, each once; the last is that of our own mistakes, which no handler raises."""
    order = list(PROBLEMS)
    found = {kinds for endpoint in ENDPOINTS for kinds in _by_status(endpoint)}
    return [*sorted(found, key=lambda kinds: [order.index(kind) for kind in kinds]), ()]


def _component(kinds: Kinds) -> str:
    """The name of the response that tells of these."""
    return "Or".join(RESPONSE_NAMES.get(kind, kind.__name__) for kind in kinds) or "Internal"


def _problem_response(raised: Kinds) -> dict[str, Any]:
    kinds = [PROBLEMS[kind] for kind in raised] or [INTERNAL]
    extra = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(
        kinds[0].status, []
    )
    about = "\n\n".join(f"`{kind.uri}`: {kind.meaning} {kind.remedy}" for kind in kinds)
    response = _problem(about, kinds)
    response["headers"] |= _told(*extra) | (IN_USE if KeyInUse in raised else {})
    return response


def _problem(about: str, kinds: Iterable[ProblemType]) -> dict[str, Any]:
    examples = {kind.slug: {"value": _problem_example(kind)} for kind in kinds}
    content = {
        "schema": {"$ref": f"{SCHEMAS}Problem"},
        **({"examples": examples} if examples else {}),
    }
    return {
        "description": about,
        "headers": _told("X-Request-ID"),
        "content": {MEDIA_TYPE: content},
    }


def _problem_example(kind: ProblemType) -> dict[str, Any]:
    errors = (
        {"errors": [{"pointer": "#/goal", "detail": "should have at least 2 characters"}]}
        if kind.slug == "invalid"
        else {}
    )
    about = {"type": kind.uri, "title": kind.title, "status": kind.status, "detail": kind.meaning}
    return {**about, **errors, "request_id": "9f86d081884c7d65"}


def _tag(module: str) -> str:
    return TAGS.get(module) or module.rpartition(".")[2]


if __name__ == "__main__":
    openapi_file.FILE.write_text(written(), "utf-8")
    print(f"{openapi_file.FILE.name}: {openapi_file.FILE.stat().st_size // 1024} KiB")
