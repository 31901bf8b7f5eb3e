"""Two texts side by side: nothing of either is lost, and what is too long is not compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadmap.plan import word_diff
from roadmap.plan.word_diff import MOST, WordByWord, lines, pieces, share_in_common

some_text = st.text(st.sampled_from("ab 面\n.é"), max_size=60)


def pairs_of(before: str, after: str) -> list[tuple[str, str]]:
    return [(piece.how, piece.text) for piece in pieces(before, after)]


def test_words_that_were_exchanged_stand_beside_each_other() -> None:
    assert pairs_of("Bake good bread.", "Bake very good rolls.") == [
        ("same", "Bake "),
        ("added", "very "),
        ("same", "good "),
        ("removed", "bread"),
        ("added", "rolls"),
        ("same", "."),
    ]
    assert pairs_of("Wait for an hour", "Stay until noon") == [
        ("removed", "Wait for an hour"),
        ("added", "Stay until noon"),
    ]


def test_chinese_is_compared_character_by_character() -> None:
    assert pairs_of("烤出好面包", "烤出好面条") == [
        ("same", "烤出好面"),
        ("removed", "包"),
        ("added", "条"),
    ]
    assert pairs_of("用SQL查询", "用SQL更新") == [
        ("same", "用SQL"),
        ("removed", "查询"),
        ("added", "更新"),
    ]


def test_lines_that_were_added_and_removed_stand_in_their_places() -> None:
    made = lines("one\ntwo\nthree", "one\n2\nthree\nfour")
    assert [(line.how, line.text) for line in made] == [
        ("same", "one"),
        ("removed", "two"),
        ("added", "2"),
        ("same", "three"),
        ("added", "four"),
    ]


def test_texts_are_alike_by_what_they_share() -> None:
    def alike(before: str, after: str) -> float:
        return share_in_common(pieces(before, after))

    assert alike("", "") == alike("the same", "the same") == 1
    assert alike("one", "two") == 0
    assert 0.5 < alike("a long line with one word", "a long line with no word") < 1


def test_so_many_characters_of_a_page_are_compared_and_the_rest_is_one_piece() -> None:
    words = WordByWord(20)
    assert [piece.how for piece in words.pieces("good bread", "bad bread")] == [
        "removed",
        "added",
        "same",
    ]
    assert [(piece.how, piece.text) for piece in words.pieces("good bread", "bad bread")] == [
        ("removed", "good bread"),
        ("added", "bad bread"),
    ]


@given(some_text, some_text)
def test_both_texts_can_be_had_back(before: str, after: str) -> None:
    made = pairs_of(before, after)
    assert "".join(text for how, text in made if how != "added") == before
    assert "".join(text for how, text in made if how != "removed") == after
    both = [(line.how, line.text) for line in lines(before, after)]
    assert [text for how, text in both if how != "added"] == before.splitlines()
    assert [text for how, text in both if how != "removed"] == after.splitlines()


@given(some_text)
def test_the_same_text_has_no_change(text: str) -> None:
    assert {how for how, _ in pairs_of(text, text)} <= {"same"}
    assert {line.how for line in lines(text, text)} <= {"same"}


def test_of_very_many_lines_the_last_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_diff, "MOST_LINES", 2)
    assert [(line.how, line.text) for line in lines("a\nb", "a\nb\nc\nd")] == [
        ("same", "a"),
        ("same", "b"),
        ("added", "c\nd"),
    ]


def test_what_is_longer_than_can_be_compared_in_bounded_time_is_another_text() -> None:
    before, after = (
        "\n".join("ab"[n % 2] for n in range(MOST + 1)),
        "\n".join("ab"[n % 3 == 0] for n in range(MOST + 1)),
    )
    assert [line.how for line in lines(f"same\n{before}", f"same\n{after}")][:3] == [
        "same",
        "removed",
        "removed",
    ]
    values = {line.how: line for line in lines(before, after)}
    assert values.keys() <= {"same", "removed", "added"}
    changed = [line.how for line in lines(f"x\n{before}\ny", f"y\n{after}\nx")]
    assert changed == ["removed"] * (MOST + 3) + ["added"] * (MOST + 3)
