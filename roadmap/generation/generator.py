"""Choice of the generator of a process: a model, or the catalogue."""

import threading
from functools import cache

from core.db import settings
from core.errors import FieldError, Invalid
from core.settings import Settings
from roadmap.generation.context import BUILT_IN, Generator

# Rules by field of a request.
NEEDS_A_MODEL = {
    "/feedback": "requires a model: set OPENAI_API_KEY, or change the plan with POST .../edits",
    "/instructions": "requires a model: the built-in catalogue has one text for each part; "
    "set OPENAI_API_KEY",
}


def choose_generator(settings: Settings) -> Generator:
    """Return the model's generator if there is a key, else the catalogue; load only this."""
    if settings.openai_api_key is not None:
        from roadmap.generation.llm.generator import ModelGenerator

        return ModelGenerator(
            key=settings.openai_api_key.get_secret_value(),
            base_url=settings.openai_base_url,
            model=settings.openai_model,
            models=settings.step_models,
            effort=settings.openai_reasoning_effort,
            timeout=settings.model_timeout_seconds,
            idle=settings.model_idle_seconds,
            max_tokens=settings.model_max_tokens,
            concurrency=settings.model_concurrency,
            must_limit=settings.has_budget,
            profile=settings.model_profile,
            may_restrict="model_concurrency" not in settings.model_fields_set,
        )
    from roadmap.generation.catalogue.generator import CatalogueGenerator

    return CatalogueGenerator()


_choosing = threading.Lock()


@cache
def current_generator() -> Generator:
    """Return the generator of the process, which holds the model's connections."""
    with _choosing:  # threads that ask for it first at the same time get the same one
        return _chosen()


def has_model() -> bool:
    """Whether the generator is a model, which understands what should be different."""
    return current_generator().name != BUILT_IN


def is_writable(key: str) -> bool:
    """Whether contents of the concept with this key can be made here.

    The catalogue has its own keys alone; all others are for the person to write.
    """
    return "/" in key or has_model()


def check_feedback(pointer: str) -> None:
    """Raise Invalid, about this field, unless the generator follows words."""
    if not has_model():
        raise Invalid(
            "The built-in catalogue cannot follow instructions. Set OPENAI_API_KEY.",
            fields=(FieldError(pointer, NEEDS_A_MODEL[pointer]),),
        )


@cache
def _chosen() -> Generator:
    return choose_generator(settings)
