"""What a call of a model tells about its cost. Protocols only: who calls and who counts need not know each other."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class MeteredCall(Protocol):
    """One call. When it has told neither `used` nor `unbilled` at its end, nobody knows what it cost: count the most."""

    def used(self, prompt_tokens: int | None, completion_tokens: int | None) -> None:
        """An answer came, useful or not. None: the provider did not say how many."""

    def unbilled(self) -> None:
        """Nothing was paid: the provider answered an HTTP error, or the connection was never made."""

    def on_stop(self, callback: Callable[[], None]) -> None:
        """`callback` cuts the running call short, from any thread; it is called at once when the stop came before."""


class UsageMeter(Protocol):
    """Opens a call, or raises when it may not be made, knowing how many tokens it can cost at most."""

    def call(
        self,
        step: str,
        model: str,
        prompt_version: str,
        *,
        most_prompt_tokens: int,
        most_completion_tokens: int,
    ) -> AbstractContextManager[MeteredCall]: ...


class _FreeCall:
    def used(self, prompt_tokens: int | None, completion_tokens: int | None) -> None:
        """Counts nothing."""

    def unbilled(self) -> None:
        """Counts nothing."""

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Nobody stops it."""


class _FreeMeter:
    def call(
        self,
        step: str,
        model: str,
        prompt_version: str,
        *,
        most_prompt_tokens: int,
        most_completion_tokens: int,
    ) -> AbstractContextManager[MeteredCall]:
        return nullcontext(_FreeCall())


FREE: UsageMeter = _FreeMeter()  # for tests and tools
