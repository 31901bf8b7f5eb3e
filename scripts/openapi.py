"""Write web/openapi.json, the OpenAPI 3.1 document, from routes and the types of their handlers.

`make examples` runs it; the service sends the file, and a test compares it with the code. Libraries
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
from pydantic_core import core_schema

if __name__ == "__main__":  # the settings are read with the first import of the service
    _folder = tempfile.TemporaryDirectory()
    os.environ |= {"SERVICE_TYPE": "all", "DATA_DIR": _folder.name}
    os.environ |= {"DATABASE_URL": "", "REDIS_URL": ""}

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
from roadmap.plan.format_version import LARGEST_DOCUMENT
from roadmap.plan.outline import ContentKind
from tasks.queues import QUEUES
from web import openapi_file
from web.api.roadmaps import LinkedTree
from web.endpoints.deprecation import DEPRECATED
from web.endpoints.endpoint import Endpoint, LargeBody
from web.http.problems import INTERNAL, MEDIA_TYPE, PROBLEMS, Problem, ProblemType
from web.http.request_body import is_optional
from web.routes import ENDPOINTS, operation_id

SCHEMAS = "#/components/schemas/"
JSON = "application/json"
OTHER = "OtherProblem"  # the response that stands for statuses which are not named
PATCH = "application/merge-patch+json"  # RFC 7396

Kinds = tuple[type[RoadmapError], ...]  # of problems, all of one status

ABOUT = """\
Send a goal and get a learning roadmap: stages, modules and concepts in order, each concept with a \
tutorial, resources and a quiz. A request is accepted at once (202) and processed by workers. \
Follow the progress by server-sent events or receive webhooks.

**Authentication.** Send `Authorization: Bearer` with an access token (`POST /api/v1/auth/login`) \
or an API key (`POST /api/v1/api-keys`). Embedded mode needs none.

**Errors** are problem documents (RFC 9457). Decide by `type`. `errors` names fields by JSON \
pointers, and `request_id` identifies the request in the log.

**Idempotency.** Every POST that creates something accepts an `Idempotency-Key`. A repeated \
request within 24 hours gets the first response again and has no further effect.

**Lists** are paged: `Link` has the next page. **GET responses** have an `ETag` for \
`If-None-Match`. `If-Match` prevents a change if the resource has changed meanwhile. `RateLimit` \
gives the remaining requests.

**Enumerations in responses** can get new values, so each is described as one of the current values
or any other text. Enumerations in requests are closed.
"""
UUID_SCHEMA = {"type": "string", "format": "uuid"}
PLACE_SCHEMAS: dict[str, tuple[dict[str, Any], str]] = {
    "number": ({"type": "integer", "minimum": 1, "maximum": 999_999}, "Number, from 1."),
    "kind": (
        {"type": "string", "enum": list(ContentKind)},
        "Part of the concept.",
    ),
    "queue": ({"type": "string", "enum": list(QUEUES)}, "Name of the queue."),
    "message": (
        {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,100}$"},
        "The `id` of the message or dead letter.",
    ),
    "token": (
        {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,100}$"},
        "The last segment of the link.",
    ),
    "slug": (
        {"type": "string", "pattern": "^[a-z-]{1,60}$"},
        "The last segment of a problem's `type`.",
    ),
}
REQUEST_HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "Idempotency-Key": (
        {"type": "string", "pattern": r'^([!#-~][!-~]{0,199}|"([ !#-\[\]-~]|\\["\\]){1,200}")$'},
        (
            "A key for this request, such as a UUID. The same request within 24 hours gets "
            "the same response and has no further effect. A response with a secret is not "
            "repeated: the answer is 409 with the path of the first result."
        ),
    ),
    "If-Match": (
        {"type": "string"},
        "An ETag. The change is made only if the resource still has it.",
    ),
    "If-None-Match": (
        {"type": "string"},
        "A known ETag. The answer is 304 while the resource has it.",
    ),
    "Last-Event-ID": (
        {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        "The number of the last received event.",
    ),
    "Prefer": (
        {"type": "string"},
        (
            "`wait=N`: wait up to N seconds for the result (at most 60). `return=minimal`: "
            "no links in the response. Unknown preferences are ignored."
        ),
    ),
}
ANSWER_HEADERS = {
    "Deprecation": (
        {"type": "string"},
        "A field of the request is deprecated since this time: `@` and seconds since 1970 "
        "(RFC 9745).",
    ),
    "ETag": ({"type": "string"}, "Identifies this version of the resource."),
    "Idempotency-Replayed": (
        {"type": "string", "const": "true"},
        "This is the response to an earlier request with the same key.",
    ),
    "Link": (
        {"type": "string"},
        'Path of the next page, with `rel="next"`. Absent on the last page.',
    ),
    "Location": ({"type": "string", "format": "uri-reference"}, "Path of the resource."),
    "Preference-Applied": ({"type": "string"}, "The preferences that were applied."),
    "RateLimit": (
        {"type": "string"},
        "Remaining requests, and the seconds until all are available again (IETF draft).",
    ),
    "RateLimit-Policy": ({"type": "string"}, "Quota and its window in seconds."),
    "Retry-After": ({"type": "integer"}, "Seconds to wait."),
    "Sunset": ({"type": "string"}, "The field is supported at least until this time (RFC 8594)."),
    "WWW-Authenticate": ({"type": "string"}, "Authentication scheme."),
    "X-Request-ID": (
        {"type": "string"},
        "Identifies the request in the log. A valid ID in the request is kept.",
    ),
}
# Never left out where they are named.
ALWAYS = ("ETag", "Location", "Retry-After", "WWW-Authenticate", "X-Request-ID")
TEXT: dict[str, Any] = {"schema": {"type": "string"}}
FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
# Of answers without a model, by media type; others are texts or files.
WITHOUT_MODEL: dict[str, dict[str, Any]] = {
    JSON: {"schema": {"type": "object"}},
    "text/event-stream": {},
}
SIGNED = {
    "webhook-id": "ID of the message, the same for each attempt.",
    "webhook-timestamp": "Time of this attempt, in seconds since 1970.",
    "webhook-signature": "`v1,` and the signature; two signatures while a secret is being rotated.",
}
# Headers of problems beside X-Request-ID.
BY_STATUS = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}
IN_USE = {
    "Retry-After": {
        "description": "Seconds to wait, if the key is in use.",
        "schema": {"type": "integer"},
    }
}
MESSAGES = (
    ("roadmap", "Event of a roadmap.", RoadmapMessage),
    ("test", "Test delivery.", TestMessage),
)
# Ids in an answer that lead further.
INSIDE = {"read_roadmap": ("concept_id", "/stages/0/modules/0/concepts/0/id")}
# By operation: headers that it reads and successful responses, beyond those of its kind.
HEADERS_OF: Mapping[str, tuple[str, ...]] = {
    "create_roadmap": ("Prefer",),
    "watch_roadmap": ("Last-Event-ID",),
}
RESPONSES_OF: Mapping[str, Mapping[int, type[BaseModel] | None]] = {
    "create_roadmap": {201: LinkedTree},
    "watch_roadmap": {204: None},
}
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
    """Return the whole, in an order that does not change."""
    schemas, examples = _Schemas(), json.loads(openapi_file.EXAMPLES.read_text("utf-8"))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        operations = paths.setdefault(endpoint.path, {})
        example = examples.get(operation_id(endpoint), {})
        operations[endpoint.method.lower()] = _operation(endpoint, schemas, example)
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
            "responses": _problem_responses(),
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
                    "description": "For the pages of this service.",
                },
            },
        },
    }


def written() -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


class _Schemas:
    """Schemas of all models of all endpoints; those of queries are not among the components."""

    def __init__(self) -> None:
        sent = {model for each in ENDPOINTS for model in (each.query, each.body) if model}
        answers: set[type[BaseModel]] = {Problem, RoadmapMessage, TestMessage}
        answers.update(*(filter(None, responses_of(each).values()) for each in ENDPOINTS))
        pairs: list[tuple[type[BaseModel], JsonSchemaMode]] = [
            *((model, "validation") for model in sent),
            *((model, "serialization") for model in answers),
        ]
        refs, definitions = models_json_schema(
            sorted(pairs, key=lambda pair: (pair[0].__name__, pair[1])),
            ref_template=SCHEMAS + "{model}",
            schema_generator=_Generator,
        )
        self._names = {
            pair: _name(str(ref["$ref"]).removeprefix(SCHEMAS)) for pair, ref in refs.items()
        }
        self._definitions = {
            _name(name): _tidy(schema) for name, schema in definitions["$defs"].items()
        }

    def ref(self, model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, str]:
        return {"$ref": SCHEMAS + self._names[model, mode]}

    def properties(self, query: type[BaseModel]) -> Mapping[str, Any]:
        return self._definitions[self._names[query, "validation"]].get("properties") or {}

    def components(self) -> dict[str, Any]:
        queries = {self._names[endpoint.query, "validation"] for endpoint in ENDPOINTS}
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
        made, kind = super().generate_inner(schema), schema["type"]
        is_open = self.mode == "serialization" and (
            kind == "enum"
            or (kind == "literal" and len(schema["expected"]) > 1)
            or (kind == "definition-ref" and schema["schema_ref"] in self._enums)
        )
        return {"anyOf": [made, {"type": "string"}]} if is_open else made


def responses_of(endpoint: Endpoint) -> dict[int, type[BaseModel] | None]:
    """Return the models of its successful responses, by status."""
    return {endpoint.status: endpoint.response, **RESPONSES_OF.get(operation_id(endpoint), {})}


def _has_tag(endpoint: Endpoint) -> bool:
    """Return whether its response has an ETag: made whole, in a thread, of stored data."""
    return (
        endpoint.method in ("GET", "PUT", "PATCH")
        and not endpoint.is_async
        and endpoint.media_type != "text/plain"
    )


def _name(name: str) -> str:
    """Return the name of a component: `Page_LogRecord_` is called LogRecordPage.

    What is sent and answered alike has one name. A published name stays when its class is renamed.
    """
    return (
        re.sub(r"^Page_(\w+)_$", r"\1Page", name)
        .replace("-Output", "")
        .replace("-Input", "Request")
        .replace("AdminRoadmapDetail", "OverseenDetail")
        .replace("AdminRoadmap", "OverseenRoadmap")
    )


def _tidy(schema: Any) -> Any:
    """Return a schema without titles, which only repeat names."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if isinstance(schema, str) and schema.startswith(SCHEMAS):
        return SCHEMAS + _name(schema.removeprefix(SCHEMAS))
    if not isinstance(schema, dict):
        return schema
    properties = {name: _tidy(each) for name, each in schema.get("properties", {}).items()}
    rest = {
        name: _tidy(each) for name, each in schema.items() if name not in ("title", "properties")
    }
    return {**rest, **({"properties": properties} if properties else {})}


def _operation(endpoint: Endpoint, schemas: _Schemas, example: dict[str, Any]) -> dict[str, Any]:
    who = (
        "Needs a login session; API keys are not accepted."
        if endpoint.login_only
        else f"Needs the scope `{endpoint.needs}`."
    )
    description = (
        " ".join((getdoc(endpoint.handler) or "").split()),
        f"The body may have {format_size(LARGEST_DOCUMENT)}. One request at a time per account."
        if isinstance(endpoint, LargeBody)
        else "",
        "" if endpoint.public else who,
    )
    operation: dict[str, Any] = {
        "operationId": operation_id(endpoint),
        "tags": [_tag(endpoint.handler.__module__)],
        "summary": endpoint.summary,
        "description": "\n\n".join(filter(None, description)),
    }
    if endpoint.public:
        operation["security"] = []
    if parameters := list(_parameters(endpoint, schemas, example.get("places", {}))):
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


def _parameters(
    endpoint: Endpoint, schemas: _Schemas, examples: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield the parameters in the path, in the query and in headers."""
    for name in _place_names(endpoint):
        schema, about = PLACE_SCHEMAS.get(
            name, (UUID_SCHEMA, f"The `id` of the {name.removesuffix('_id')}.")
        )
        example = examples.get(name)
        typed = int(example) if example is not None and schema["type"] == "integer" else example
        place = {"name": name, "in": "path", "required": True, "description": about}
        yield place | {"schema": schema} | _example(typed)
    for name, schema in schemas.properties(endpoint.query).items():
        # A value may be absent, and is never null.
        given = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
        described = {key: schema[key] for key in ("description",) if key in schema}
        plain = {
            key: each
            for key, each in schema.items()
            if key not in ("anyOf", "description") and each is not None
        }
        types = (given[0] if given else {}) | plain
        yield {"name": name, "in": "query", **described, "schema": types}
    for name in (
        *(["Idempotency-Key"] if endpoint.takes_key else []),
        *(["If-Match"] if endpoint.current is not None else []),
        *(["If-None-Match"] if _has_tag(endpoint) and endpoint.method == "GET" else []),
        *HEADERS_OF.get(operation_id(endpoint), ()),
    ):
        schema, about = REQUEST_HEADERS[name]
        yield {"name": name, "in": "header", "description": about, "schema": schema}


def _responses(
    endpoint: Endpoint, schemas: _Schemas, examples: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    for status, model in responses_of(endpoint).items():
        response: dict[str, Any] = {
            "description": HTTPStatus(status).phrase,
            "headers": _header_refs(*_answer_headers(endpoint, status)),
        }
        example = _example(examples.get(str(status)))
        if model is not None:
            response["content"] = {JSON: {"schema": schemas.ref(model, "serialization")} | example}
            if links := dict(_links(endpoint, model)):
                response["links"] = links
        elif status != HTTPStatus.NO_CONTENT:
            form = TEXT if endpoint.media_type.startswith("text/") else FILE
            content = WITHOUT_MODEL.get(endpoint.media_type, form)
            response["content"] = {endpoint.media_type: content | example}
        yield str(status), response
    if _has_tag(endpoint) and endpoint.method == "GET":
        yield "304", {"description": "Not Modified", "headers": _header_refs("ETag")}
    for kinds in _by_status(endpoint):
        yield (
            str(PROBLEMS[kinds[0]].status),
            {"$ref": f"#/components/responses/{_component(kinds)}"},
        )
    # No `default`: a client that does not know the media type of a good answer would take it.
    yield "4XX", {"$ref": f"#/components/responses/{OTHER}"}
    yield "5XX", {"$ref": f"#/components/responses/{_component(())}"}


def _answer_headers(endpoint: Endpoint, status: int) -> list[str]:
    """Return the names of the headers of a good answer."""
    is_deprecated, is_limited = endpoint.body in DEPRECATED, not endpoint.unlimited
    named = {
        "Location": status in (HTTPStatus.CREATED, HTTPStatus.ACCEPTED),
        "Retry-After": status == HTTPStatus.ACCEPTED,
        "ETag": _has_tag(endpoint),
        "Link": "cursor" in endpoint.query.model_fields,
        "Preference-Applied": "Prefer" in HEADERS_OF.get(operation_id(endpoint), ()),
        "Idempotency-Replayed": endpoint.takes_key and not endpoint.has_secret,
        "Deprecation": is_deprecated,
        "Sunset": is_deprecated,
        "RateLimit": is_limited,
        "RateLimit-Policy": is_limited,
        "X-Request-ID": True,
    }
    return [name for name, is_sent in named.items() if is_sent]


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
    for name, about, model in MESSAGES:
        content = {JSON: {"schema": schemas.ref(model, "serialization")}}
        operation = {
            **{"operationId": f"receive_{name}_message", "summary": about, "security": []},
            **{"parameters": signed, "requestBody": {"required": True, "content": content}},
            "responses": {"2XX": {"description": "Received"}},
        }
        yield name, {"post": operation}


def _header_refs(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _example(example: Any) -> dict[str, Any]:
    return {} if example is None else {"example": example}


def _links(endpoint: Endpoint, model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """Yield links to operations that need no other id than those of the answer."""
    fields, own = model.model_fields, _place_names(endpoint)
    place = "/id" if "id" in fields else "/items/0/id" if "items" in fields else ""
    name, where = INSIDE.get(operation_id(endpoint), ("", place))
    if not where or (where == "/id" and endpoint.path.endswith("}")):
        return  # there is no id, or it was asked for by this one
    for other in ENDPOINTS:
        new = [place for place in _place_names(other) if place not in own]
        if (
            other.path.startswith(endpoint.path + "/")
            and len(new) == 1
            and new[0] not in PLACE_SCHEMAS
            and new[0] == (name or new[0])
        ):
            places = {place: f"$request.path.{place}" for place in own}
            places[new[0]] = f"$response.body#{where}"
            yield operation_id(other), {"operationId": operation_id(other), "parameters": places}


def _place_names(endpoint: Endpoint) -> list[str]:
    return re.findall(r"{(\w+)}", endpoint.path)


def _by_status(endpoint: Endpoint) -> list[Kinds]:
    """Return the errors of an endpoint, grouped by status."""
    possible: tuple[tuple[Kinds, object], ...] = (  # errors, and whether it can answer them
        ((*endpoint.raises, Forbidden, Invalid), True),
        ((RateLimited, Unavailable), not endpoint.unlimited),
        ((Unauthenticated,), not endpoint.public),
        ((NotFound,), _place_names(endpoint)),
        ((Malformed, TooSlow, TooLarge, Unsupported), endpoint.body is not None),
        ((KeyInUse, KeyReused), endpoint.takes_key),
        ((PreconditionFailed,), endpoint.current is not None),
    )
    raised = {kind for group, is_raised in possible if is_raised for kind in group}
    kinds = [kind for kind in PROBLEMS if kind in raised]
    return [tuple(group) for _, group in groupby(kinds, lambda kind: PROBLEMS[kind].status)]


def _component(kinds: Kinds) -> str:
    """Return the name of the response for these errors."""
    names = ("TooMany" if kind is RateLimited else kind.__name__ for kind in kinds)
    return "Or".join(names) or "Internal"


def _problem_responses() -> dict[str, Any]:
    """Return the responses for the errors of all endpoints, each once.

    The last but one is that of our own mistakes, which no handler raises.
    """
    order, found = list(PROBLEMS), {kinds for each in ENDPOINTS for kinds in _by_status(each)}
    responses = {}
    for raised in (*sorted(found, key=lambda kinds: [*map(order.index, kinds)]), ()):
        kinds = [PROBLEMS[kind] for kind in raised] or [INTERNAL]
        about = "\n\n".join(f"`{kind.uri}`: {kind.meaning} {kind.remedy}" for kind in kinds)
        response = responses[_component(raised)] = _problem(about, kinds)
        response["headers"] |= _header_refs(*BY_STATUS.get(kinds[0].status, ()))
        if KeyInUse in raised:
            response["headers"] |= IN_USE
    other = _problem("Other error. See `type` and `detail`.", [])
    return {**responses, OTHER: other}


def _problem(about: str, kinds: Iterable[ProblemType]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": f"{SCHEMAS}Problem"}}
    for kind in kinds:
        fields = [{"pointer": "#/goal", "detail": "should have at least 2 characters"}]
        example = {
            **{"type": kind.uri, "title": kind.title, "status": kind.status},
            "detail": kind.meaning,
            **({"errors": fields} if kind.slug == "invalid" else {}),
            "request_id": "9f86d081884c7d65",
        }
        content.setdefault("examples", {})[kind.slug] = {"value": example}
    return {
        "description": about,
        "headers": _header_refs("X-Request-ID"),
        "content": {MEDIA_TYPE: content},
    }


def _tag(module: str) -> str:
    return TAGS.get(module) or module.rpartition(".")[2]


if __name__ == "__main__":
    openapi_file.FILE.write_text(written(), "utf-8")
    print(f"{openapi_file.FILE.name}: {openapi_file.FILE.stat().st_size // 1024} KiB")
