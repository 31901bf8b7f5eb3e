"""How a person likes to learn, from their own words: types of resources that they want, and those that they do not. Pure."""

import re
from collections.abc import Iterator
from functools import lru_cache

LIKED = {  # types of resources by what people say of how they like to learn
    "video": ("video", "watch", "视频"),
    "book": ("book", "textbook", "handbook", "ebook", "读书", "看书", "书籍", "书本", "教材"),
    "course": ("course", "lecture", "class", "课程", "上课"),
    "tutorial": (
        "hands-on",
        "hands on",
        "practice",
        "practical",
        "by doing",
        "tutorial",
        "教程",
        "练习",
        "动手",
        "实践",
    ),
    "documentation": ("documentation", "docs", "manual", "文档", "手册"),
    "article": ("article", "short text", "文章"),
}
STOPS = re.compile(  # what ends a clause
    r"[.,;:!?，。；：！？]| [-–—]+ |\b(?:but|just|only|so|then|and (?:i )?(?:love|like|want|prefer))\b"  # noqa: RUF001 -- Chinese
    r"|但|而|只|(?<=看.)(?=看)|(?<=看..)(?=看)",
    re.IGNORECASE | re.ASCII,
)
NEAR = 60  # characters before a thing within which it is said not to be liked
DENIED_BEFORE = re.compile(
    r"(?:\b(?:no|not|never|without|except|avoid|hate|dislike|rather than|instead of)\b|n['\u2019]t(?! mind| get enough)\b)"
    r"(?! problem)(?:\W+\w+){0,3}\W*$|\bprefer\w*\W+\w+(?:\W+\w+)?\W+(?:over|to)\W+$"
    r"|(?:不(?![错仅只过少管论但])|(?<![特分个区])别|没(?!问题)|除了|讨厌|避免|拒绝).{0,4}$",
    re.IGNORECASE | re.ASCII,
)
DENIED_BEHIND = re.compile(
    r"\W+(?:bores?|annoys?|(?:is|are) (?:not|boring)|(?:do|does) not|(?:is|are|do|does)n['\u2019]t)\b"
    r"|看?不(?!错)|太[慢长难无吵贵枯]",
    re.IGNORECASE | re.ASCII,
)


@lru_cache(maxsize=100)
def learning_preferences(preferences: str) -> tuple[frozenset[str], frozenset[str]]:
    """The types of resources that somebody likes, and those that they do not like."""
    said = {
        kind: [is_liked for word in words for is_liked in _said(preferences, word)]
        for kind, words in LIKED.items()
    }
    liked = frozenset(kind for kind, opinions in said.items() if any(opinions))
    return liked, frozenset(kind for kind, opinions in said.items() if opinions) - liked


def _said(text: str, word: str) -> Iterator[bool]:
    """Whether it is liked, wherever it is said: as a word of its own, in the plural or otherwise; Chinese has nothing between its
    words.
    """
    pattern = rf"\b{word}(?:e?s|ing)?\b" if word.isascii() else word
    for clause in STOPS.split(text):
        for found in re.finditer(pattern, clause, re.IGNORECASE | re.ASCII):
            before = clause[max(0, found.start() - NEAR) : found.start()]
            yield not (DENIED_BEFORE.search(before) or DENIED_BEHIND.match(clause, found.end()))
