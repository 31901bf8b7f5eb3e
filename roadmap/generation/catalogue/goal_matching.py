"""Matching of goals to tracks, by the meanings of their words.

Words that mean the same have one name (`tracks/words.toml`), in every language; a track gives
points to each meaning, for or against it. Every new goal is matched within its request, so it must
be fast: each word is looked up once, by its stem, longer phrases before shorter ones.
"""

import re
import sys
import threading
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any

from pydantic import Field

from core.json_types import LazyModel

ENOUGH = 4  # points that a track needs
SAYS_NO_MORE = 1  # point for a goal without unknown words
ELSEWHERE = 5  # points that a subject of no track costs all tracks
INTENT = "intent"  # meaning without a subject
SHORTEST_TYPO = 6  # letters of a word in which one may be missing, too many, wrong or misplaced
MOST_WORDS = 200  # of a goal that are read
_one_at_a_time = threading.Lock()
TOKEN = re.compile(r"[a-z0-9][a-z0-9+#]*(?:['\u2019][a-z]+)?|\.net\b", re.IGNORECASE)
CHINESE = re.compile(r"[\u3400-\u9fff]")
BESIDE_CHINESE = re.compile(r"(?<=[\u3400-\u9fff]) | (?=[\u3400-\u9fff])")
REACH = 2  # words behind a denial that are denied


class Match(LazyModel, extra="forbid"):
    """Points for a track and `against` it, by meaning; with one of `despite`, none against it."""

    points: dict[str, int] = Field(min_length=1)
    against: dict[str, int] = Field(default_factory=dict)
    despite: list[str] = Field(default_factory=list)


class Vocabulary(LazyModel, extra="forbid"):
    """Contents of `tracks/words.toml`.

    `elsewhere` are subjects of no track, and so are `fields`, in which one may use what a track
    teaches. The aim follows a word of `wanted`, and a reason one of `complaints`; words of
    `nothing` have no subject.
    """

    wanted: list[str]
    denials: list[str]
    complaints: list[str]
    nothing: list[str]
    meanings: dict[str, list[str]]
    elsewhere: dict[str, list[str]]
    fields: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Goal:
    """Meanings of a goal, of its `aim`, and those that are only complained of.

    `elsewhere` and `fields` count meanings of the aim; `says_more`: it has unknown words.
    """

    meanings: frozenset[str]
    aim: frozenset[str]
    complained: frozenset[str]
    elsewhere: int
    fields: int
    says_more: bool

    def points(self, match: Match) -> int:
        """Return the points for a track, which fits with ENOUGH points."""
        points = sum(match.points.get(meaning, 0) for meaning in self.meanings)
        if points == 0:
            return 0
        if self.meanings.isdisjoint(match.despite):
            named = sum(match.points.get(meaning, 0) for meaning in self.aim - {INTENT})
            others = self.elsewhere + (0 if named >= ENOUGH else self.fields)
            against = self.meanings - self.complained
            points -= sum(match.against.get(meaning, 0) for meaning in against) + ELSEWHERE * others
        return points + (0 if self.says_more else SAYS_NO_MORE)


class Lexicon:
    """Lexicon from words to meanings."""

    def __init__(self, words: "Vocabulary") -> None:
        self._elsewhere, self._fields = frozenset(words.elsewhere), frozenset(words.fields)
        self._nothing, self._denials = frozenset(words.nothing), frozenset(map(stem, words.denials))
        self._wanted = re.compile("|".join(map(_whole_word, words.wanted)), re.IGNORECASE)
        self._phrases: dict[tuple[str, ...], set[str]] = {}
        self._chinese: dict[str, set[str]] = {}
        self._typos: dict[str, str] = {}
        for name, forms in [
            *words.meanings.items(),
            *words.elsewhere.items(),
            *words.fields.items(),
        ]:
            for word in forms:
                if CHINESE.search(word):
                    self._chinese.setdefault(_joined(word), set()).add(name)
                else:
                    self._phrases.setdefault(tuple(map(stem, tokens(word))), set()).add(name)
                    self._typos |= {
                        typo: token
                        for token in tokens(word)
                        for typo in (token, *_without_a_letter(token))
                    }
        self._longest: dict[str, int] = {}  # words of the longest phrase with a first word
        for phrase in self._phrases:
            self._longest[phrase[0]] = max(len(phrase), self._longest.get(phrase[0], 0))
        self._known = frozenset(stem for phrase in self._phrases for stem in phrase)
        phrases = "|".join(map(re.escape, sorted(self._chinese, key=len, reverse=True)))
        self._found = re.compile(phrases)
        self._denied = _chinese_before(words.denials, phrases)
        english = "|".join(
            _whole_word(word) for word in words.complaints if not CHINESE.search(word)
        )
        complained = re.compile(rf"(?:{english})(?:[ \t]+[\w+#.]+){{1,2}}", re.IGNORECASE)
        self._complained = complained, _chinese_before(words.complaints, phrases)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(
            name for names in (*self._phrases.values(), *self._chinese.values()) for name in names
        )

    def says_nothing(self, word: str) -> bool:
        return word in self._nothing or stem(word) in self._denials

    def read(self, text: str) -> Goal:
        meanings, says_more = self._meanings(text)
        _, *wanted = self._wanted.split(text)
        # The text before describes the person, not the aim.
        aim = self._meanings(wanted[-1])[0] if wanted else meanings
        content = text
        for pattern in self._complained:
            content = pattern.sub(" ", content)
        complained = meanings - self._meanings(content)[0] if content != text else frozenset()
        others = aim - complained
        elsewhere, fields = len(others & self._elsewhere), len(others & self._fields)
        return Goal(meanings, aim, complained, elsewhere, fields, says_more)

    def _meanings(self, text: str) -> tuple[frozenset[str], bool]:
        """Return the meanings of a text, and whether it has words without any."""
        phrases = self.phrases(text)
        meanings = frozenset(name for _, names in phrases for name in names)
        return meanings, not all(names for _, names in phrases)

    def phrases(self, text: str) -> list[tuple[str, Set[str]]]:
        """Return the words of a text that say something, with their meanings, if they are known."""
        chinese = self._denied.sub("", _joined(text))
        found: list[tuple[str, Set[str]]] = [
            (word, self._chinese[word]) for word in self._found.findall(chinese)
        ]
        written = TOKEN.findall(text.replace("\u2019", "'"))[:MOST_WORDS]
        words = [
            word if word in self._nothing else self._spelled(word)
            for word in map(str.lower, written)
        ]
        at, denied_at = 0, -1 - REACH
        while at < len(words):
            longest = self._longest.get(words[at], 0)
            known = (tuple(words[at : at + length]) for length in range(longest, 0, -1))
            phrase = next((phrase for phrase in known if phrase in self._phrases), None)
            length = 1
            if words[at] in self._denials:
                denied_at = at
            elif phrase is not None:
                length = len(phrase)
                if at - denied_at > REACH:
                    found.append((" ".join(written[at : at + length]), self._phrases[phrase]))
            elif words[at] not in self._nothing:
                found.append((written[at], frozenset()))
            at += length
        return found

    def _spelled(self, word: str) -> str:
        """Return the stem of a word, or of the known word that it is a typo of."""
        its = stem(word)
        if its in self._known or len(word) < SHORTEST_TYPO:
            return its
        meant = (self._typos.get(typo) for typo in (word, *_without_a_letter(word)))
        return next(
            (stem(token) for token in meant if token is not None and token[0] == word[0]), its
        )


def _chinese_before(words: Sequence[str], phrases: str) -> re.Pattern[str]:
    """Return a pattern for the Chinese ones of the words, shortly before a phrase."""
    chinese = "|".join(re.escape(word) for word in words if CHINESE.search(word))
    return re.compile(f"(?:{chinese})[^,.;，。；]{{0,2}}?(?:{phrases})")  # noqa: RUF001 -- Chinese


def tokens(text: str) -> list[str]:
    return TOKEN.findall(text.lower().replace("\u2019", "'"))


def _joined(text: str) -> str:
    """Return the text in lower case without spaces beside Chinese characters."""
    return BESIDE_CHINESE.sub("", " ".join(text.lower().split()))


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return the stem of an English word. Thread-safe, which the stemmer is not."""
    with _one_at_a_time:
        return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    package = find_spec("snowballstemmer")
    assert package is not None
    # An empty package in its place: its own __init__ loads thirty languages, 3 MB
    sys.modules[package.name] = module_from_spec(package)
    try:
        return import_module("snowballstemmer.english_stemmer").EnglishStemmer()
    finally:
        del sys.modules[package.name]


def _without_a_letter(word: str) -> list[str]:
    return (
        [word[:at] + word[at + 1 :] for at in range(len(word))]
        if len(word) >= SHORTEST_TYPO
        else []
    )


def _whole_word(word: str) -> str:
    return re.escape(word) if CHINESE.search(word) else rf"\b{re.escape(word)}\b"
