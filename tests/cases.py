"""Many cases in one test: each is tried, and those that fail are named.

A test of its own for each of hundreds of cases of a pure function (`pytest.mark.parametrize`) costs
more than the cases. Fixtures are shared by the cases: this is for what leaves nothing behind.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import pytest

Test = Callable[..., None]
Names = str | Sequence[str]
Ids = Iterable[str] | Callable[[Any], object] | None
# Of a fixture of both modes: what is the same in both is tried in embedded mode by long runs.
SERVER_IN_SHORT = [pytest.param("embedded", marks=pytest.mark.long), "server"]
LONGEST = 80  # characters of a value in the name of a case


def try_each(names: Names, values: Iterable[Any], ids: Ids = None) -> Callable[[Test], Test]:
    """Take the first arguments of `pytest.mark.parametrize`, and try all cases in one test.

    Several names are a tuple, and `ids` has one for each value.
    """
    single = isinstance(names, str)
    arguments = (names,) if isinstance(names, str) else tuple(names)
    cases = [(value,) if single else tuple(value) for value in values]
    listed = [] if ids is None or callable(ids) else [str(name) for name in ids]
    say = ids if callable(ids) else repr
    assert cases, "a table without a case"
    assert not listed or len(listed) == len(cases), "a name for each case"

    def name_of(number: int) -> str:
        parts = (str(say(value))[:LONGEST] for value in cases[number])
        return listed[number] if listed else "-".join(parts)

    def decorate(test: Test) -> Test:
        assert not inspect.iscoroutinefunction(test), "it would never run"

        @wraps(test)
        def tried(*given: Any, **fixtures: Any) -> None:
            failed: list[BaseException] = []
            for number, case in enumerate(cases):
                try:
                    test(*given, **fixtures, **dict(zip(arguments, case, strict=True)))
                except pytest.skip.Exception as error:  # it would hide those that have failed
                    failed.append(
                        AssertionError(
                            f"a case cannot be skipped alone: {name_of(number)}: {error}"
                        )
                    )
                except (Exception, BaseExceptionGroup, pytest.fail.Exception) as error:
                    error.add_note(f"Case: {name_of(number)}")
                    failed.append(error)
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(cases)} cases", failed)

        signature = inspect.signature(test)
        kept = [each for name, each in signature.parameters.items() if name not in arguments]
        tried.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return tried

    return decorate
