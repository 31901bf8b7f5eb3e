"""Differences of OpenAI-compatible providers: what a request may ask for, and refusals of it."""

import json
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict

from pydantic import BaseModel

# Of an answer, the strictest first: a schema with all bounds, without those of texts (which OpenAI
# refuses), without any. The last is that of the rest of an answer, which is in no form of its own.
FORMS = ("json_schema", "json_schema", "json_schema", "json_object", None, None)
BOUNDS = ((), ("maxLength",), ("maxLength", "minItems", "maxItems"))  # what each of these lacks
WITHOUT_SCHEMA, OF_THE_REST = FORMS.index("json_object"), len(FORMS) - 1
# Names of the most tokens of an answer. The older name first: providers that want the new one
# refuse it free of charge, while servers that know only the old one (Ollama, llama-cpp-python)
# ignore the new one.
LIMITS = ("max_tokens", "max_completion_tokens", None)
STREAMS: tuple[dict[str, Any], ...] = (
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True},
    {},
)
MISCOUNTED = 16  # tokens by which a provider may be wrong about its answer
FORM_INSTRUCTION = (
    "The form of your answer, which is no part of the document above: "
    "one JSON object and nothing else: no other words, no code fence. "
    "It must be valid under this JSON schema:\n"
)
# Refusals of OpenAI, Azure, OpenRouter, vLLM, llama.cpp, Groq, DeepSeek, Mistral and servers made
# with FastAPI.
ABOUT_FORM = re.compile(
    r"response.?format|json.?(schema|object|mode|output)|schema|structured"
    r"|\bstrict\b|\bgrammar\b|guided"
)
ABOUT_STREAM = re.compile(r"\bstream(ing|_options)?\b|include_usage")
ABOUT_EFFORT = re.compile(r"reasoning.?effort")
ABOUT_LIMIT = re.compile(r"max_(completion_)?tokens")
ABOUT_ITS_SIZE = re.compile(
    r"too (large|big|high)|at most|maximum|exceed|higher|(less|greater) than|limit was reached"
    r"|range|between|\[\d+, ?\d+\]|out of"
)
ABOUT_A_FIELD = re.compile(
    r"(un(supported|known|recogni[sz]ed|expected)|extra|additional) (\w+ )?"
    r"(param|field|argument|input|propert|key)"
)
ABOUT_ELSE = re.compile(
    r"content.{0,12}(policy|filter|management)|context.(length|window)|moderation|model_not_found"
)
OTHER_FIELDS = {"messages", "model", "input", "prompt"}
UNLUCKY = "json_validate_failed"  # Groq: the answer, not the request, breaks the schema
THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
MOST_BRACES = 200  # places at which JSON within an answer is searched
# Statuses that the same request would get again.
LASTING = {301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 422}
# A gateway gave up on a model that may have gone on.
MAYBE_BILLED = {502, 504, *range(520, 528)}
# Codes of an error within a status 200 that the same request would get again.
LASTING_WITHIN = {"400", "401", "402", "403", "404"}
HINTS: dict[int | str, str] = {
    **dict.fromkeys(
        (301, 302, 303, 307, 308), "it sends us elsewhere, and OPENAI_BASE_URL must say where to"
    ),
    401: "OPENAI_API_KEY is not accepted by the provider",
    402: "the account at the provider has no credit left",
    403: "OPENAI_API_KEY may not use this model",
    404: "OPENAI_BASE_URL or OPENAI_MODEL does not exist at the provider",
    "insufficient_quota": "the account at the provider has no quota left",
}
CUT_OFF = "output limit was reached"  # OpenAI's refusal for a thinking model at its limit
NEEDS_LIMIT = (
    "A budget needs a model that keeps to a limit of tokens (MODEL_MAX_TOKENS), "
    "and this one knows none"
)


class Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


class Dialect(NamedTuple):
    """Positions in FORMS, LIMITS and STREAMS, and the effort of reasoning, if it is named."""

    form: int = 0
    limit: int = 0
    stream: int = 0
    effort: str = ""


class ProviderFeatures:
    """Features of a provider that a process has found: the dialect of requests. Thread-safe."""

    def __init__(self, max_tokens: int, effort: str = "") -> None:
        self._max_tokens, self._first = max_tokens, Dialect(effort=effort)
        self._lock = threading.Lock()
        self._dialect: Dialect | None = None  # of the first answer, despite later refusals
        self._keeps_to_form = False

    @property
    def dialect(self) -> Dialect:
        return self._dialect or self._first

    def answered(self, dialect: Dialect, written: int | None, *, needs_usage: bool) -> None:
        """Note an answer of so many tokens; one that is too long was not limited.

        Where usage is needed and a stream has none, the next answers are not streamed.
        """
        with self._lock:
            self._dialect = self._dialect or dialect
            if LIMITS[dialect.limit] and (written or 0) > self._max_tokens + MISCOUNTED:
                limit = max(self._dialect.limit, dialect.limit + 1)
                self._dialect = self._dialect._replace(limit=limit)
            if needs_usage and written is None:
                self._dialect = self._dialect._replace(stream=len(STREAMS) - 1)

    def kept_to_form(self, dialect: Dialect, *, kept: bool) -> None:
        """Note whether an answer was JSON; a provider that ignores schemas gets it in words."""
        with self._lock:
            self._keeps_to_form |= kept
            if not self._keeps_to_form and FORMS[dialect.form] == "json_schema":
                self._dialect = self.dialect._replace(form=max(self.dialect.form, WITHOUT_SCHEMA))


class Refusal(Exception):
    """The provider refused a request; it has the status and the body as far as received."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(str(status))
        self.status, self.headers, self.unlimited = status, headers, False
        content = loaded(body) or body.decode("utf-8", "replace")
        error = (content.get("error") or content) if isinstance(content, dict) else content
        fields = error if isinstance(error, dict) else {}
        self.message = str(fields.get("message") or " ".join(_strings(error)))
        self.names = {str(fields.get("code")), str(fields.get("type"))}
        self.field = re.split(r"[.\[]", str(fields.get("param")))[0]
        # Words of a web page have no meaning here.
        self.words = "" if body.lstrip()[:1] == b"<" else " ".join(_strings(content)).lower()


def request_in(
    messages: Sequence[Message], shape: type[BaseModel], dialect: Dialect, max_tokens: int
) -> dict[str, Any]:
    """Return the request to the provider; a schema in words ends the last message.

    There it leaves what precedes it as it is, for caches, and needs no message of its own: the
    templates of some models want user and assistant to alternate.
    """
    form, limit = FORMS[dialect.form], LIMITS[dialect.limit]
    request: dict[str, Any] = {"messages": list(messages), **STREAMS[dialect.stream]}
    if limit:
        request[limit] = max_tokens
    if dialect.effort:
        request["reasoning_effort"] = dialect.effort
    if form:
        request["response_format"] = _response_format(shape, dialect.form)
    if form == "json_schema" or dialect.form == OF_THE_REST:
        return request
    *others, last = messages
    content = f"{last['content']}\n\n{FORM_INSTRUCTION}{schema_text(shape)}"
    request["messages"] = [*others, Message(role=last["role"], content=content)]
    return request


def _response_format(shape: type[BaseModel], form: int) -> dict[str, Any]:
    if FORMS[form] != "json_schema":
        return {"type": FORMS[form]}

    def bounded(part: dict[str, Any]) -> dict[str, Any]:
        """Leave out bounds, which are numbers: fields of the same name stay."""
        dropped = {name for name in BOUNDS[form] if isinstance(part.get(name), int)}
        return {name: value for name, value in part.items() if name not in dropped}

    schema = changed(shape.model_json_schema(), bounded)
    named = {"name": shape.__name__, "schema": schema, "strict": True}
    return {"type": "json_schema", "json_schema": named}


def changed(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a schema with all its objects changed, the innermost first."""
    if isinstance(schema, list):
        return [changed(part, change) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return change({name: changed(part, change) for name, part in schema.items()})


def schema_text(shape: type[BaseModel]) -> str:
    return json.dumps(shape.model_json_schema(), ensure_ascii=False)


def simpler_dialect(
    dialect: Dialect, refusal: Refusal, model: str, shape: type[BaseModel]
) -> Dialect | None:
    """Return the next dialect; None: there is none, or the refusal has another reason."""
    # Without the name of the model, which may be gpt-strict.
    words = re.sub(rf"(?<!\w){re.escape(model.lower())}(?!\w)", "", refusal.words)
    elsewhere = (
        refusal.field in OTHER_FIELDS or UNLUCKY in refusal.names or ABOUT_ELSE.search(words)
    )
    # Of llama.cpp, about schemas that it cannot convert.
    grammar = refusal.status == 500 and "grammar" in words
    if elsewhere or not (grammar or refusal.status in {400, 404, 422, 501}):
        return None
    refused = _response_format(shape, dialect.form)
    less_form = next(
        (
            dialect._replace(form=form)
            for form in range(dialect.form + 1, len(FORMS))
            if _response_format(shape, form) != refused  # its bounds may be none of this shape's
        ),
        None,
    )
    less_stream = dialect._replace(stream=dialect.stream + 1) if STREAMS[dialect.stream] else None
    less_effort = dialect._replace(effort="") if dialect.effort else None
    less_limit = dialect._replace(limit=dialect.limit + 1) if LIMITS[dialect.limit] else None
    if ABOUT_LIMIT.search(words):
        return None if ABOUT_ITS_SIZE.search(words) else less_limit
    if ABOUT_EFFORT.search(words):
        return less_effort
    if ABOUT_STREAM.search(words):
        return less_stream
    if ABOUT_FORM.search(words):
        return less_form
    unclear = refusal.status in {400, 422} and ABOUT_A_FIELD.search(words)
    return (less_effort or less_stream or less_form or less_limit) if unclear else None


def loaded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def json_within(text: str, fields: Collection[str]) -> str | None:
    """Return the largest JSON object with one of these fields within a text, or None."""
    found, place = "", text.find("{")
    for _ in range(MOST_BRACES):
        if place < 0:
            break
        try:
            value, end = json.JSONDecoder().raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            if not value.keys().isdisjoint(fields):
                found = max(found, text[place:end], key=len)
        place = text.find("{", end)
    return found or None


def _strings(value: object, depth: int = 8) -> Iterator[str]:
    """Yield all texts of a JSON value without those that FastAPI repeats from the request."""
    if isinstance(value, dict):
        value = [part for name, part in value.items() if name != "input"]
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, list):
        for part in value:
            yield from _strings(part, depth - 1)
