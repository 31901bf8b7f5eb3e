"""Many cases in one test: each is tried, and those that fail are named.

Hundreds of cases of pure functions cost less so than one test each (`pytest.mark.parametrize`). Fixtures are shared by the
cases, so this is for cases that leave nothing behind.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

import pytest

Test = Callable[..., None]
Names = Iterable[str] | Callable[[Any], str | None] | None
LONGEST_NAME = 80


def over(arguments: str | Sequence[str], values: Iterable[Any], ids: Names = None) -> Callable[[Test], Test]:
    """With the arguments of `pytest.mark.parametrize`."""
    single = isinstance(arguments, str) and "," not in arguments
    names = [name.strip() for name in arguments.split(",")] if isinstance(arguments, str) else list(arguments)
    cases = [dict(zip(names, (value,) if single else value, strict=True)) for value in values]
    assert cases, "no case"
    named = None if ids is None or callable(ids) else [str(name) for name in ids]

    def decorate(test: Test) -> Test:
        @wraps(test)
        def tried(*given: Any, **fixtures: Any) -> None:
            failed: dict[str, BaseException] = {}
            for number, case in enumerate(cases):
                try:
                    test(*given, **fixtures, **case)
                except (Exception, pytest.fail.Exception) as error:
                    name = named[number] if named else _name(case, ids if callable(ids) else None)
                    error.add_note(f"in the case {number}: {name}")
                    failed[f"{number}: {name}"] = error
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(cases)} cases: {list(failed)}", list(failed.values()))

        signature = inspect.signature(test)
        kept = [each for name, each in signature.parameters.items() if name not in names]
        tried.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return tried

    return decorate


def _name(case: Mapping[str, Any], said: Callable[[Any], str | None] | None) -> str:
    parts = ((said(value) if said else None) or repr(value) for value in case.values())
    return "-".join(part[:LONGEST_NAME] for part in parts)
