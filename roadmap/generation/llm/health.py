"""Health check of the model: one call of one token, which is not metered."""

import time

from pydantic import BaseModel

from core.settings import Settings
from roadmap.generation.llm.client import ModelClient
from roadmap.generation.llm.compat import Message
from roadmap.generation.usage import MeteredCall

LIMIT = 20.0  # seconds
QUESTION: Message = {"role": "user", "content": "Say ok."}


class Word(BaseModel):
    ok: bool


def answer_seconds(settings: Settings) -> float:
    """Return the seconds until the model answered. Raises GeneratorFault."""
    assert settings.openai_api_key is not None
    client = ModelClient(
        key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        model=settings.openai_model,
        timeout=min(LIMIT, settings.model_timeout_seconds),
        effort=settings.openai_reasoning_effort,
        max_tokens=1,
        must_limit=True,
    )
    began = time.monotonic()
    try:
        client.check([QUESTION], Word, MeteredCall())
    finally:
        client.close()
    return time.monotonic() - began
