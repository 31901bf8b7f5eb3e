"""Answer of a model as it is received: server-sent events, or one JSON body."""

from contextlib import suppress
from io import StringIO
from typing import Any

from roadmap.generation.context import GeneratorFault
from roadmap.generation.llm.compat import loaded

LARGEST_ANSWER = 2 * 1024 * 1024  # bytes of a body or of a line, characters of a streamed text
MOST_SENT = 64 * 1024 * 1024  # bytes of a stream, which has hundreds for each token
LONGEST_REFUSAL = 3000  # characters; it is copied for each part of it
# Commas, brackets and braces of an answer: a parsed value takes up to 230 bytes.
MOST_PARTS = 150_000
DATA = b"data:"


class AnswerStream:
    """Takes the bytes of an answer with `feed`; any thread may read its `text` meanwhile."""

    def __init__(self) -> None:
        self.is_over = False  # it says so: the server need not hang up
        self._is_stream: bool | None = None  # None: not known yet
        self._rest, self._sent = bytearray(), 0  # what is not parsed yet, and the size of all
        self._text, self._refusal = StringIO(), ""
        self._ended: object = None
        self._known: dict[str, Any] | None = None  # usage and error, once something is parsed

    @property
    def text(self) -> str:
        return self._text.getvalue()

    def feed(self, piece: bytes) -> bool:
        """Take some bytes; return whether they held a token. Raises GeneratorFault."""
        self._rest += piece
        self._sent += len(piece)
        if self._is_stream is None and (start := piece.lstrip()[:1]):
            self._is_stream = start not in b'{[<"'
        has_token = False
        if self._is_stream and b"\n" in piece:
            *lines, self._rest = self._rest.split(b"\n")
            for line in lines:
                has_token |= not self.is_over and self._take(line.strip())
        if (
            len(self._rest) > LARGEST_ANSWER
            or self._sent > MOST_SENT
            or self._text.tell() > LARGEST_ANSWER
        ):
            raise GeneratorFault("The model's answer is too long.")
        return has_token

    def answer(self) -> dict[str, Any]:
        """Return the answer as a server that does not stream would give it.

        Raises GeneratorFault; ConnectionError when the stream ended too early.
        """
        if not self._is_stream:
            return object_of(_parsed(self._rest))
        if not self.is_over:
            with suppress(GeneratorFault):  # it is cut off
                self._take(self._rest.strip())
        check_parts(self.text.encode("utf-8", "replace"))
        if self._known is None or "error" in self._known:
            return self._known or {}
        if not (self._ended or self.is_over):
            raise ConnectionError("the stream ended before the answer did")
        message = {"content": self.text, "refusal": self._refusal}
        return {**self._known, "choices": [{"finish_reason": self._ended, "message": message}]}

    def _take(self, line: bytes | bytearray) -> bool:
        """Take a line; all but those with data are comments, or names of no meaning here."""
        if not line.startswith(DATA):
            return False
        data = line.removeprefix(DATA).strip()
        if data == b"[DONE]":
            self.is_over = True
            return False
        chunk = _parsed(data)
        if not isinstance(chunk, dict):
            raise GeneratorFault("The server's stream is not one of a chat completion.")
        choice = first_choice(chunk)
        self._ended = choice.get("finish_reason") or self._ended
        news = {"usage": chunk.get("usage"), "error": chunk.get("error") or choice.get("error")}
        self._known = (self._known or {}) | {name: fact for name, fact in news.items() if fact}
        self.is_over = "error" in self._known
        delta = object_of(choice.get("delta"))
        self._text.write(text_of(delta.get("content") or ""))
        if isinstance(refusal := delta.get("refusal"), str):
            self._refusal = (self._refusal + refusal)[:LONGEST_REFUSAL]
        return any(value for name, value in delta.items() if name != "role")


def check_parts(data: bytes | bytearray) -> None:
    """Raise GeneratorFault when too much memory would be needed to parse this."""
    if sum(map(data.count, b",[{")) > MOST_PARTS:
        raise GeneratorFault("The model's answer has too many parts.")


def text_of(content: object) -> str:
    """Return the text of a message, which may be in parts. Raises GeneratorFault."""
    texts = [
        part.get("text")
        for part in (content if isinstance(content, list) else [{"text": content}])
        if isinstance(part, dict) and part.get("type", "text") == "text"
    ]
    if not all(isinstance(text, str) for text in texts):
        raise GeneratorFault("The model's answer is not text.")
    return "".join(map(str, texts))


def first_choice(answer: dict[str, Any]) -> dict[str, Any]:
    choices = answer.get("choices")
    return object_of(choices[0] if isinstance(choices, list) and choices else None)


def object_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _parsed(data: bytes | bytearray) -> Any:
    check_parts(data)
    return loaded(bytes(data))
