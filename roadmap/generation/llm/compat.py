"""What OpenAI-compatible providers understand: how an answer is held to its form and its length, and how they refuse that."""

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict

from pydantic import BaseModel

FORMS = (
    "json_schema",
    "json_object",
    None,
)  # what holds an answer to its form, the strictest first
# What providers call the most tokens of an answer. The older name first: who wants the new one refuses it aloud and free of
# charge, while servers that know the old one only (Ollama, llama-cpp-python) pass over the new one in silence.
LIMITS = ("max_tokens", "max_completion_tokens", None)
MISCOUNTED = 16  # tokens by which a provider may be wrong about what it has written
TOLD = "Answer with one JSON object and nothing else: no other words, no code fence. It must be valid under this JSON schema:\n"
# How OpenAI, Azure, OpenRouter, vLLM, llama.cpp, Groq, DeepSeek, Mistral and servers made with FastAPI word what they refuse.
ABOUT_FORM = re.compile(
    r"response.?format|json.?(schema|object|mode|output)|schema|structured|\bstrict\b|\bgrammar\b|guided"
)
ABOUT_LIMIT = re.compile(r"max_(completion_)?tokens")
ABOUT_ITS_SIZE = re.compile(
    r"too (large|big|high)|at most|maximum|exceed|higher|(less|greater) than|limit was reached|range|between|\[\d+, ?\d+\]|out of"
)
ABOUT_A_FIELD = re.compile(
    r"(un(supported|known|recogni[sz]ed|expected)|extra|additional) (\w+ )?(param|field|argument|input|propert|key)"
)
ABOUT_ELSE = re.compile(
    r"content.{0,12}(policy|filter|management)|context.(length|window)|moderation|model_not_found"
)
OTHER_FIELDS = {"messages", "model", "input", "prompt"}
UNLUCKY = "json_validate_failed"  # Groq's name for an answer, not a request, that breaks the schema


class Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


class Dialect(NamedTuple):
    """Positions in FORMS and in LIMITS."""

    form: int = 0
    limit: int = 0


class ProviderFeatures:
    """What a process has found out about its provider: the dialect to ask it in. Thread-safe."""

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._lock = threading.Lock()
        self._dialect: Dialect | None = None  # of the first answer, whatever is refused afterwards
        self._keeps_to_form = False

    @property
    def dialect(self) -> Dialect:
        return self._dialect or Dialect()

    def answered(self, dialect: Dialect, written: int | None) -> None:
        """An answer of so many tokens came in this dialect. One that is too long was not limited by it."""
        with self._lock:
            self._dialect = self._dialect or dialect
            if (
                LIMITS[dialect.limit]
                and written is not None
                and written > self._max_tokens + MISCOUNTED
            ):
                self._dialect = self._dialect._replace(
                    limit=max(self._dialect.limit, dialect.limit + 1)
                )

    def kept_to_form(self, dialect: Dialect, *, kept: bool) -> None:
        """Whether an answer was JSON. A provider that passes over a schema in silence has to be told it in words."""
        with self._lock:
            self._keeps_to_form |= kept
            if not self._keeps_to_form and FORMS[dialect.form] == "json_schema":
                self._dialect = self.dialect._replace(form=max(self.dialect.form, dialect.form + 1))


class Refusal(Exception):
    """A status that is no answer, with as much of its body as came."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(str(status))
        self.status, self.headers, self.unlimited = status, headers, False
        said = loaded(body) or body.decode("utf-8", "replace")
        error = (said.get("error") or said) if isinstance(said, dict) else said
        fields = error if isinstance(error, dict) else {}
        self.message = str(fields.get("message") or " ".join(_strings(error)))
        self.names = {str(fields.get("code")), str(fields.get("type"))}
        self.field = re.split(r"[.\[]", str(fields.get("param")))[0]
        self.words = (
            "" if body.lstrip().startswith(b"<") else " ".join(_strings(said)).lower()
        )  # web pages say much


def request_in(
    messages: Sequence[Message], shape: type[BaseModel], dialect: Dialect, max_tokens: int
) -> dict[str, Any]:
    """What is asked of the provider. The first of the messages is the system's."""
    form, limit = FORMS[dialect.form], LIMITS[dialect.limit]
    request: dict[str, Any] = {"messages": list(messages)} | ({limit: max_tokens} if limit else {})
    if form == "json_schema":
        schema = {"name": shape.__name__, "schema": shape.model_json_schema(), "strict": True}
        return {**request, "response_format": {"type": form, form: schema}}
    system, *others = (
        messages  # one message of the system, since the templates of some models know no second one
    )
    told = Message(role="system", content=f"{system['content']}\n\n{TOLD}{schema_text(shape)}")
    request["messages"] = [told, *others]
    return request | ({"response_format": {"type": form}} if form else {})


def schema_text(shape: type[BaseModel]) -> str:
    return json.dumps(shape.model_json_schema(), ensure_ascii=False)


def simpler_dialect(dialect: Dialect, refusal: Refusal, model: str) -> Dialect | None:
    """The dialect to try next; None when the refusal is about something else, or there is none."""
    words = re.sub(
        rf"(?<!\w){re.escape(model.lower())}(?!\w)", "", refusal.words
    )  # it may be called gpt-strict
    elsewhere = (
        refusal.field in OTHER_FIELDS or UNLUCKY in refusal.names or ABOUT_ELSE.search(words)
    )
    grammar = (
        refusal.status == 500 and "grammar" in words
    )  # llama.cpp, about schemas that it cannot turn into one
    if elsewhere or not (grammar or refusal.status in {400, 404, 422, 501}):
        return None
    less_form = dialect._replace(form=dialect.form + 1) if FORMS[dialect.form] else None
    less_limit = dialect._replace(limit=dialect.limit + 1) if LIMITS[dialect.limit] else None
    if ABOUT_LIMIT.search(words):
        return None if ABOUT_ITS_SIZE.search(words) else less_limit
    if ABOUT_FORM.search(words):
        return less_form
    unclear = refusal.status in {400, 422} and ABOUT_A_FIELD.search(words)
    return (less_form or less_limit) if unclear else None


def loaded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _strings(said: object, depth: int = 8) -> Iterator[str]:
    """All texts in a JSON value but those that FastAPI repeats from the request."""
    if isinstance(said, str):
        yield said
    elif depth and isinstance(said, dict | list):
        for part in (
            said
            if isinstance(said, list)
            else [value for name, value in said.items() if name != "input"]
        ):
            yield from _strings(part, depth - 1)
