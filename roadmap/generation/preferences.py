"""Types of resources that a person likes and dislikes, found in their own words. Pure."""

import re
from collections import defaultdict
from functools import lru_cache

# Words of preferences, by type of resource.
LIKED = {
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
# The end of a clause.
STOPS = re.compile(
    r"[.,;:!?，。；：！？]| [-–—]+ "  # noqa: RUF001 -- Chinese
    r"|\b(?:but|just|only|so|then|and (?:i )?(?:love|like|want|prefer))\b"
    r"|但|而|只|(?<=看.)(?=看)|(?<=看..)(?=看)",
    re.IGNORECASE | re.ASCII,
)
NEAR = 60  # characters before a word that may deny it
DENIED_BEFORE = re.compile(
    r"(?:\b(?:no|not|never|without|except|avoid|hate|dislike|rather than|instead of)\b"
    r"|n['\u2019]t(?! mind| get enough)\b)(?! problem)(?:\W+\w+){0,3}\W*$"
    r"|\bprefer\w*\W+\w+(?:\W+\w+)?\W+(?:over|to)\W+$"
    r"|(?:不(?![错仅只过少管论但])|(?<![特分个区])别|没(?!问题)|除了|讨厌|避免|拒绝).{0,4}$",
    re.IGNORECASE | re.ASCII,
)
DENIED_BEHIND = re.compile(
    r"\W+(?:bores?|annoys?|(?:is|are) (?:not|boring)|(?:do|does) not"
    r"|(?:is|are|do|does)n['\u2019]t)\b"
    r"|看?不(?!错)|太[慢长难无吵贵枯]",
    re.IGNORECASE | re.ASCII,
)


@lru_cache(maxsize=100)
def learning_preferences(preferences: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the types of resources that a person likes, and those that they dislike.

    A word counts alone, in the plural or with another ending; Chinese words have no boundaries.
    """
    opinions: defaultdict[str, list[bool]] = defaultdict(list)
    for kind, words in LIKED.items():
        for word in words:
            pattern = rf"\b{word}(?:e?s|ing)?\b" if word.isascii() else word
            for clause in STOPS.split(preferences):
                for found in re.finditer(pattern, clause, re.IGNORECASE | re.ASCII):
                    before = clause[max(0, found.start() - NEAR) : found.start()]
                    opinions[kind].append(
                        not (
                            DENIED_BEFORE.search(before) or DENIED_BEHIND.match(clause, found.end())
                        )
                    )
    liked = frozenset(kind for kind, found in opinions.items() if any(found))
    return liked, frozenset(opinions) - liked
