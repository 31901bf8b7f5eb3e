"""A test over many cases fails when one of them does, names each that does, and tries all."""

import inspect

import pytest

from tests.cases import try_each


def test_each_case_that_fails_is_named_and_the_others_are_tried() -> None:
    tried: list[tuple[int, str, str]] = []

    @try_each("word", ["a", "b"])
    @try_each(("number", "half"), [(2, 1), (3, 1), (4, 1)], ids=["two", "three", "four"])
    def check(fixture: str, number: int, half: int, word: str) -> None:
        tried.append((number, word, fixture))
        with pytest.raises(ZeroDivisionError):
            number // (number - 2 * half)

    assert list(inspect.signature(check).parameters) == ["fixture"]
    with pytest.raises(BaseExceptionGroup, match="2 of 2 cases") as raised:
        check(fixture="made")
    assert tried == [(number, word, "made") for word in "ab" for number in (2, 3, 4)]
    assert [outer.__notes__ for outer in raised.value.exceptions] == [["Case: 'a'"], ["Case: 'b'"]]
    for outer in raised.value.exceptions:
        assert isinstance(outer, BaseExceptionGroup)
        assert [inner.__notes__ for inner in outer.exceptions] == [["Case: three"], ["Case: four"]]


def test_what_passes_in_all_cases_passes() -> None:
    @try_each("number", range(3), ids=lambda number: f"number {number}")
    def check(number: int) -> None:
        assert number < 3

    check()


def test_a_case_that_is_skipped_hides_no_failure() -> None:
    @try_each("number", range(2))
    def check(number: int) -> None:
        if number:
            pytest.skip("not here")
        assert number

    with pytest.raises(BaseExceptionGroup, match="2 of 2 cases"):
        check()


def test_a_table_without_a_case_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="without a case"):
        try_each("number", [])
