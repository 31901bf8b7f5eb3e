"""Usage metering, which callers of models know by these classes alone; they count nothing."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext


class MeteredCall:
    """Metered call. Without `used` or `unbilled` at its end, it counts with its maximum."""

    def used(
        self,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        cached_tokens: int | None = None,
    ) -> None:
        """Count the tokens of an answer, useful or not. None: not given by the provider.

        `cached_tokens` are those of the prompt that the provider had in its cache.
        """

    def unbilled(self) -> None:
        """Count nothing: the answer was an HTTP error, or there was no connection."""

    def on_stop(self, callback: Callable[[], object]) -> None:
        """Register what ends the call, from any thread; it is called now if it was stopped."""

    def received(self, text: str) -> None:
        """Take the text of the answer as far as it has come, once a second at most."""


class UsageMeter:
    """Meter that opens a call, or raises when its maximum cost is not allowed."""

    def call(
        self,
        step: str,
        model: str,
        prompt_version: str,
        most_prompt_tokens: int,
        most_completion_tokens: int,
    ) -> AbstractContextManager[MeteredCall]:
        return nullcontext(MeteredCall())


FREE = UsageMeter()  # for tests and tools
