"""What a goal is about: from its words to their meanings, and from these to the track that fits.

Words that mean the same have one name (`tracks/words.toml`), in every language that is there; a track says how much each
meaning speaks for it or against it. Nothing is asked of anybody, and every new goal is looked at, so it must be quick: each word
is looked up once, by its stem, longer phrases before shorter ones.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

ENOUGH = 4  # points that a track needs
SAYS_NO_MORE = 1  # point, when no word of a goal is unknown: nothing else is meant
ELSEWHERE = 5  # points that a subject of no track takes from all of them
INTENT = "intent"  # the meaning that says nothing of a subject
SHORTEST_TYPO = 6  # letters of a word in which one may be missing, too many, wrong or misplaced
MOST_WORDS = 200  # of a goal that are looked at
_one_at_a_time = threading.Lock()
TOKEN = re.compile(r"[a-z0-9][a-z0-9+#]*(?:['\u2019][a-z]+)?|\.net\b", re.IGNORECASE)
CHINESE = re.compile(r"[\u3400-\u9fff]")
REACH = 2  # words behind a denial that it denies


class Match(BaseModel):
    """How much each meaning speaks for a track (`points`) or against it; `despite` those, nothing counts against it."""

    model_config = ConfigDict(extra="forbid")
    points: dict[str, int] = Field(min_length=1)
    against: dict[str, int] = {}
    despite: list[str] = []


class Vocabulary(BaseModel):
    """What `tracks/words.toml` says. `elsewhere` are the subjects of no track, and so are `fields`, in which one may use what a
    track teaches; behind what is `wanted` stands the aim, behind `complaints` why; words of `nothing` say nothing of a subject.
    """

    model_config = ConfigDict(extra="forbid")
    wanted: list[str]
    denials: list[str]
    complaints: list[str]
    nothing: list[str]
    meanings: dict[str, list[str]]
    elsewhere: dict[str, list[str]]
    fields: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Goal:
    """The meanings of a goal, those of its `aim`, and those that are only complained of; how many of the aim are `elsewhere` and
    in other `fields`; and whether it says more than all these.
    """

    meanings: frozenset[str]
    aim: frozenset[str]
    complained: frozenset[str]
    elsewhere: int
    fields: int
    says_more: bool

    def points(self, match: Match) -> int:
        """How well it fits; below ENOUGH it does not."""
        said = sum(match.points.get(meaning, 0) for meaning in self.meanings)
        if said == 0:
            return 0
        is_named = (
            sum(match.points.get(meaning, 0) for meaning in self.aim if meaning != INTENT) >= ENOUGH
        )
        others = self.elsewhere + (0 if is_named else self.fields)
        against = (
            sum(match.against.get(meaning, 0) for meaning in self.meanings - self.complained)
            + ELSEWHERE * others
        )
        if not self.meanings.isdisjoint(match.despite):
            against = 0
        return said - against + (0 if self.says_more else SAYS_NO_MORE)


class Lexicon:
    """From words to meanings."""

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
        self._longest: dict[str, int] = {}  # phrase that begins with a word
        for phrase in self._phrases:
            self._longest[phrase[0]] = max(len(phrase), self._longest.get(phrase[0], 0))
        self._known = frozenset(stem for phrase in self._phrases for stem in phrase)
        longest_first = sorted(self._chinese, key=len, reverse=True)
        phrases = "|".join(map(re.escape, longest_first))
        self._found = re.compile(phrases)
        self._denied = _said_of(words.denials, phrases)
        english = "|".join(
            _whole_word(word) for word in words.complaints if not CHINESE.search(word)
        )
        complained = re.compile(rf"(?:{english})(?:[ \t]+[\w+#.]+){{1,2}}", re.IGNORECASE)
        self._complained = complained, _said_of(words.complaints, phrases)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(
            name for names in (*self._phrases.values(), *self._chinese.values()) for name in names
        )

    def says_nothing(self, word: str) -> bool:
        return word in self._nothing or stem(word) in self._denials

    def read(self, text: str) -> Goal:
        said, says_more = self._meanings(text)
        wanted = self._wanted.split(text)
        aim = (
            said if len(wanted) == 1 else self._meanings(wanted[-1])[0]
        )  # who one is says little of what one wants
        content = text
        for complained in self._complained:
            content = complained.sub(" ", content)
        complained_of = said - self._meanings(content)[0] if content != text else frozenset()
        others = aim - complained_of
        return Goal(
            said,
            aim,
            complained_of,
            len(others & self._elsewhere),
            len(others & self._fields),
            says_more,
        )

    def _meanings(self, text: str) -> tuple[frozenset[str], bool]:
        """And whether something is said that has none of these."""
        chinese = self._denied.sub("", _joined(text))
        found = {name for word in self._found.findall(chinese) for name in self._chinese[word]}
        words = [
            word if word in self._nothing else self._spelled(word)
            for word in tokens(text)[:MOST_WORDS]
        ]
        at, says_more, denied_at = 0, False, -1 - REACH
        while at < len(words):
            longest = self._longest.get(words[at], 0)
            phrases = (tuple(words[at : at + length]) for length in range(longest, 0, -1))
            phrase = next((phrase for phrase in phrases if phrase in self._phrases), None)
            if words[at] in self._denials:
                denied_at = at
            elif phrase is not None:
                found |= self._phrases[phrase] if at - denied_at > REACH else set()
            elif words[at] not in self._nothing:
                says_more = True
            at += 1 if words[at] in self._denials else len(phrase or " ")
        return frozenset(found), says_more

    def _spelled(self, word: str) -> str:
        """The stem of a word, or of the one that it was meant to be: one letter is missing, too many, wrong or misplaced."""
        its = stem(word)
        if its in self._known or len(word) < SHORTEST_TYPO:
            return its
        meant = (self._typos.get(typo) for typo in (word, *_without_a_letter(word)))
        return next(
            (stem(token) for token in meant if token is not None and token[0] == word[0]), its
        )


def _said_of(words: Sequence[str], phrases: str) -> re.Pattern[str]:
    """Those of the words that are Chinese, shortly before one of the phrases."""
    chinese = "|".join(re.escape(word) for word in words if CHINESE.search(word))
    return re.compile(f"(?:{chinese})[^,.;，。；]{{0,2}}?(?:{phrases})")  # noqa: RUF001 -- Chinese punctuation


def tokens(text: str) -> list[str]:
    return TOKEN.findall(text.lower().replace("\u2019", "'"))


def _joined(text: str) -> str:
    """Without the spaces that stand beside Chinese characters."""
    spaced = " ".join(text.lower().split())
    return re.sub(r"(?<=[\u3400-\u9fff]) | (?=[\u3400-\u9fff])", "", spaced)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Of an English word. For threads: a stemmer is one for all of them, and keeps what it works on."""
    with _one_at_a_time:
        return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    from snowballstemmer import stemmer  # 3 MB, for a service without a model alone

    return stemmer("english")


def _without_a_letter(word: str) -> list[str]:
    return (
        [word[:at] + word[at + 1 :] for at in range(len(word))]
        if len(word) >= SHORTEST_TYPO
        else []
    )


def _whole_word(word: str) -> str:
    return re.escape(word) if CHINESE.search(word) else rf"\b{re.escape(word)}\b"
