"""Profile of the model: a small one gets short prompts, and plans an outline stage by stage.

`auto` asks the model's server for the size of its context, once in a process and at the first call:
so only workers ask.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from core.settings import ModelProfile
from roadmap.generation.llm.compat import changed, loaded

SMALL_CONTEXT = 16_384  # tokens; a server with fewer has a small model
LIMIT = 5.0  # seconds
LARGEST = 2 * 1024 * 1024  # bytes of an answer
FEW_CHARACTERS, FEW_ITEMS = 200, 4  # of a text and of a list that a small model writes
MOST_CONTEXT = 100_000_000  # tokens; a larger number is none
OLLAMA_CONTEXT = 4096  # tokens, unless num_ctx says otherwise: much less than the model's own

logger = logging.getLogger(__name__)


class _Unknown(Exception):
    """The server does not say how large the context is. The text is for the log."""


class ServerProfile:
    """Profile of a process. Thread-safe; `learned` is called with the server's context."""

    def __init__(
        self,
        chosen: ModelProfile,
        *,
        base_url: str,
        key: str,
        model: str,
        learned: Callable[[int], object],
    ) -> None:
        self._server, self._learned = (base_url, key, model), learned
        self._small = None if chosen == ModelProfile.auto else chosen == ModelProfile.small
        self._lock = threading.Lock()

    def is_small(self) -> bool:
        with self._lock:
            if self._small is None:
                context = context_size(*self._server)
                self._small = context is not None and context < SMALL_CONTEXT
                if context is not None:
                    logger.info("the model has a context of %d tokens", context)
                    self._learned(context)
            return self._small


def shorter_form(shape: Any) -> Any:
    """Return the same form, with tighter bounds in the schema: a small model fills what it may."""

    class Shorter(shape):  # type: ignore[misc]
        @classmethod
        def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
            schema: dict[str, Any] = super().model_json_schema(*args, **options)
            schema = changed(schema, _tighter)
            return schema

    Shorter.__name__ = shape.__name__
    return Shorter


def _tighter(schema: dict[str, Any]) -> dict[str, Any]:
    least = {"maxLength": FEW_CHARACTERS, "maxItems": max(FEW_ITEMS, schema.get("minItems", 0))}
    return {
        name: min(part, max(least[name], part // 10))
        if name in least and isinstance(part, int)
        else part
        for name, part in schema.items()
    }


def context_size(base_url: str, key: str, model: str) -> int | None:
    """Return how many tokens prompt and answer may have; None: the server does not say."""
    try:
        return asyncio.run(_ask(base_url, key, model))
    except Exception as error:  # an edge: whatever the server does, the work goes on
        reason = error if isinstance(error, _Unknown) else type(error).__name__
        logger.info("the size of the context is unknown: %s", reason)
        return None


async def _ask(base_url: str, key: str, model: str) -> int | None:
    """Ask as vLLM, llama.cpp and Ollama document it; other servers are asked once."""
    import httpx2  # late, for the reason given in `client`

    base = urlsplit(base_url)
    root = base._replace(path="", query="", fragment="").geturl()
    models = base._replace(path=f"{base.path.rstrip('/')}/models").geturl()
    # Unpacked: a few compressed bytes could become any number.
    headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"}
    async with asyncio.timeout(LIMIT), httpx2.AsyncClient(headers=headers, timeout=LIMIT) as http:

        async def answer(method: str, url: str, question: Any = None) -> Any:
            body = bytearray()
            asked = f"{method} {url.rpartition('/')[2]}"  # the rest may hold a key
            async with http.stream(method, url, json=question) as response:
                if not response.is_success:
                    raise _Unknown(f"{asked}: status {response.status_code}")
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > LARGEST:
                        raise _Unknown(f"{asked}: more than {LARGEST // 1024**2} MiB")
                return loaded(bytes(body))

        entries = {each["id"]: each for each in (await answer("GET", models))["data"]}
        alone = entries if len(entries) == 1 else ()
        name = next((each for each in (model, f"{model}:latest", *alone) if each in entries), None)
        if name is None:
            raise _Unknown("the model is not in the server's list")
        entry = entries[name]
        meta, owner = entry.get("meta") or {}, entry.get("owned_by")
        size = entry.get("max_model_len") or meta.get("n_ctx")  # vLLM, llama.cpp
        if not size and owner == "llamacpp":  # an older one
            try:
                props = await answer("GET", f"{root}/props")
            except _Unknown:
                props = {"default_generation_settings": {}}
            size = props["default_generation_settings"].get("n_ctx") or meta["n_ctx_train"]
        if not size and owner == "library":  # Ollama
            shown = await answer("POST", f"{root}/api/show", {"model": model})
            chosen = re.search(r"^num_ctx\s+([0-9]{1,9})\s*$", shown.get("parameters", ""), re.M)
            about = shown["model_info"]
            own = about[f"{about['general.architecture']}.context_length"]
            size = int(chosen[1]) if chosen else min(own, OLLAMA_CONTEXT)
    return size if type(size) is int and 0 < size <= MOST_CONTEXT else None
