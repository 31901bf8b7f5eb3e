"""Matching of goals to tracks, by the meanings of their words.

Words that mean the same have one name (`tracks/words.toml`), in every language; a track gives
points to each meaning, for or against it. Every new goal is matched within its request, so it must
be fast: each word is looked up once, by its stem, longer phrases before shorter ones.
"""

import re
import sys
import threading
from collections.abc import Mapping, Sequence, Set
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any, NamedTuple

from pydantic import Field

from core.json_types import LazyModel

ENOUGH = 4  # points that a track needs
ENOUGH_IN_A_LIST = 3  # of a part of a list
MOST_TRACKS = 3  # of a goal
SAYS_NO_MORE = 1  # point for a goal without unknown words
ELSEWHERE = 5  # points that a subject of no track costs all tracks
INTENT = "intent"  # meaning without a subject
SHORTEST_TYPO = 6  # letters of a word in which one may be missing, too many, wrong or misplaced
MOST_WORDS = 200  # of a goal that are read
_one_at_a_time = threading.Lock()
TOKEN = re.compile(r"[a-z0-9][a-z0-9+#]*(?:['\u2019][a-z]+)?|\.net\b", re.IGNORECASE)
CHINESE = re.compile(r"[\u3400-\u9fff]")
BESIDE_CHINESE = re.compile(r"(?<=[\u3400-\u9fff]) | (?=[\u3400-\u9fff])")
MARKS = ";!?，。；！？\n"  # noqa: RUF001 -- end of what a person knows
KNOWS = r"|会(?=\s?[a-z])"  # a skill in Latin letters
KNOW = r"(?:(?<=[,;.] )|(?<=\band )|(?<=\bbut ))knows?\b"  # without "I"
FROM = re.compile(  # what one comes from, or for whom it is
    r"\bfrom\b[^,.;]{1,40}?(?=\bto\b)|从.{1,12}?(?=转|到)"
    r"|\bfor (?:[\w+#.]+ ){1,2}(?:developer|engineer|programmer|admin|analyst)s\b"
    r"|(?:(?<=\bschema )|(?<=\btables )|(?<=\bdatabase ))for an? [^,.;]+",
    re.IGNORECASE,
)
OTHER = re.compile(r"学(?![习会好得更过])[\u3400-\u9fff]{2}")  # to learn something in Chinese
REACH = 2  # words behind a denial that are denied


class Match(LazyModel, extra="forbid"):
    """Points for a track and `against` it, by meaning; with one of `despite`, none against it."""

    points: dict[str, int] = Field(min_length=1)
    against: dict[str, int] = Field(default_factory=dict)
    despite: list[str] = Field(default_factory=list)


class Vocabulary(LazyModel, extra="forbid"):
    """Contents of `tracks/words.toml`.

    Each of `together` names two tracks. `elsewhere` are subjects of no track, and so are `fields`,
    in which one may use what a track teaches. The aim follows a word of `aims`, and a reason one of
    `complaints`. What the person is follows one of `being`, and skills one of `known`, up to one of
    `wanted` or `turns`; `lists` join subjects of equal rank, and words of `nothing` have
    none. Characters of `traditional` are read as those of `simplified`.
    """

    traditional: str
    simplified: str
    wanted: list[str]
    being: list[str]
    known: list[str]
    aims: list[str]
    turns: list[str]
    lists: list[str]
    denials: list[str]
    complaints: list[str]
    nothing: list[str]
    meanings: dict[str, list[str]]
    together: dict[str, list[str]]
    elsewhere: dict[str, list[str]]
    fields: dict[str, list[str]]


class Goal(NamedTuple):
    """Meanings of what a goal states, and those that are only complained of.

    `known` are phrases of what the person knows, which is not `stated`, with their meanings;
    `elsewhere` and `fields` count the others that are such; `says_more`: it has unknown words.
    """

    stated: str
    meanings: frozenset[str]
    complained: frozenset[str]
    known: list[tuple[str, Set[str]]]
    elsewhere: int
    fields: int
    says_more: bool

    def points(self, match: Match) -> int:
        """Return the points for a track, which fits with ENOUGH points."""
        points = sum(match.points.get(meaning, 0) for meaning in self.meanings)
        if self.meanings.isdisjoint(match.despite):
            named = points - match.points.get(INTENT, 0) * (INTENT in self.meanings)
            others = self.elsewhere + (0 if named >= ENOUGH else self.fields)
            against = self.meanings - self.complained
            points -= sum(match.against.get(meaning, 0) for meaning in against) + ELSEWHERE * others
        return points + (0 if self.says_more else SAYS_NO_MORE)


class Lexicon:
    """Lexicon from words to meanings; `full` has the keys of concepts by their names as well."""

    full: "Lexicon"

    def __init__(self, words: "Vocabulary") -> None:
        self._elsewhere, self._fields = frozenset(words.elsewhere), frozenset(words.fields)
        self._together = frozenset(words.together)
        self._simplified = str.maketrans(words.traditional, words.simplified)
        self._nothing, self._denials = frozenset(words.nothing), frozenset(map(stem, words.denials))
        wanted, being, turns = map(_one_of, (words.wanted, words.being, words.turns))
        latin = _one_of([word for word in words.known if word.isascii()])
        chinese = _one_of([word for word in words.known if not word.isascii()]) + KNOWS
        end = rf"(?={wanted}|{turns}|[{MARKS}]|\.(?:\s|$)|$)"
        self._known = re.compile(
            rf"(?:{latin}|{KNOW}).*?{end}|(?:{being})(?:\s+(?!{wanted}|{turns})[\w+#.]+){{1,3}}"
            rf"|(?:^|(?<=[,.{MARKS}]))[^,.{MARKS}]*?(?<!学)(?:{chinese})[^,.]*?(?:(?=,)|{end})",
            re.IGNORECASE | re.DOTALL,
        )
        self._aims = re.compile(
            rf"(?<!不)(?:{_one_of(words.aims)})(?!\s+(?:it|this|that|them|how|more)\b)",
            re.IGNORECASE,
        )
        self.lists = re.compile(_one_of(words.lists), re.IGNORECASE)
        self._phrases: dict[tuple[str, ...], set[str]] = {}
        self._chinese: dict[str, set[str]] = {}
        self._typos: dict[str, str] = {}
        for name, forms in [
            *words.meanings.items(),
            *words.together.items(),
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
        self._stems = frozenset(stem for phrase in self._phrases for stem in phrase)
        phrases = "|".join(map(re.escape, sorted(self._chinese, key=len, reverse=True)))
        self._found = re.compile(phrases)
        self._denied = re.compile(_chinese_before(words.denials, phrases))
        english = _one_of([word for word in words.complaints if word.isascii()])
        self._complained = re.compile(
            rf"(?:{english})(?:[ \t]+[\w+#.]+){{1,2}}|{_chinese_before(words.complaints, phrases)}",
            re.IGNORECASE,
        )

    @property
    def names(self) -> frozenset[str]:
        return frozenset(
            name for names in (*self._phrases.values(), *self._chinese.values()) for name in names
        )

    def says_nothing(self, word: str) -> bool:
        return word in self._nothing or stem(word) in self._denials

    def simplified(self, text: str) -> str:
        """Return the text with simplified characters for the traditional ones of the lexicon."""
        return text.translate(self._simplified)

    def leftover(self, text: str) -> int:
        """Return the number of Chinese characters that are part of no known word."""
        return len(CHINESE.findall(self._found.sub("", _joined(self.simplified(text)))))

    def read(self, text: str) -> Goal:
        text = self.simplified(text)
        found, known = self._aims.search(text), self._known.findall(text)
        aim = FROM.sub(" ", text[found.start() :] if found else text)
        goal = self._goal(self._known.sub(" ", aim), known)
        is_unknown = goal.says_more and (aim != text or goal.meanings)
        if goal.meanings <= {INTENT} and not is_unknown and not OTHER.search(goal.stated):
            return self._goal(text, ())  # what the person did is all that the goal says
        return goal

    def _goal(self, stated: str, known: Sequence[str]) -> Goal:
        meanings, says_more = self._meanings(stated)
        rest = self._complained.sub(" ", stated)
        complained = meanings - (meanings if rest == stated else self._meanings(rest)[0])
        aim = meanings - complained
        elsewhere, fields = len(aim & self._elsewhere), len(aim & self._fields)
        skills = [(word, names - meanings) for part in known for word, names in self.phrases(part)]
        return Goal(stated, meanings, complained, skills, elsewhere, fields, says_more)

    def choose(self, text: str, goal: Goal, matches: Mapping[str, Match]) -> list[str]:
        """Return the ids of the tracks that a goal names, as it was read, best first."""
        text = self.simplified(text)
        meant = goal.meanings - {INTENT}
        near = {
            id_: match
            for id_, match in matches.items()
            if not match.points.keys().isdisjoint(meant)
        }
        left = {id_: at for id_, match in near.items() if (at := goal.points(match)) >= ENOUGH}
        if near and not left and goal.stated != text:
            whole = self._goal(text, ())
            left = {id_: at for id_, match in near.items() if (at := whole.points(match)) >= ENOUGH}
        return list(left) if len(left) < 2 else self._several(goal, left, matches)

    def _several(self, goal: Goal, left: dict[str, int], matches: Mapping[str, Match]) -> list[str]:
        """Return the ids of those with points that are no part of another.

        Each after the first has enough points by meanings that none before accounts for, with a
        quarter as many points, and is the subject of a part of a list, unless a meaning names both.
        """
        chosen: list[str] = []
        together = goal.meanings & self._together
        while left and len(chosen) < MOST_TRACKS:
            paired = [id_ for id_ in left if not together.isdisjoint(matches[id_].points)]
            chosen.append(best := max(paired or left, key=left.__getitem__))
            named = goal.meanings - {INTENT} - (self._together if len(chosen) > 1 else set())
            others = [matches[id_] for id_ in chosen]
            own = {id_: self._own(named, matches[id_], others) for id_ in left if id_ != best}
            left = {id_: points for id_, points in own.items() if points >= ENOUGH}
        if len(chosen) > 1:
            parts = [self._meanings(part)[0] for part in self.lists.split(goal.stated)]
            first = {
                each for part in parts if _subject(part, matches) == chosen[0] for each in part
            }
            subjects = {_subject(part - first, matches) for part in parts}
            chosen[1:] = (
                id_
                for id_ in chosen[1:]
                if id_ in subjects or not together.isdisjoint(matches[id_].points)
            )
        return sorted(chosen, key=lambda id_: self._place(goal, matches[id_]))

    def _place(self, goal: Goal, match: Match) -> tuple[int, int]:
        """Return the place of a track among several: by points of what names both, or as named."""
        text = _joined(goal.stated)
        named = [
            text.find(word.lower().split()[0]) % (len(text) + 1)  # not found: last
            for word, names in self.phrases(goal.stated)
            if any(match.points.get(name, 0) >= ENOUGH for name in names)
        ]
        together = sum(match.points.get(name, 0) for name in goal.meanings & self._together)
        return -together, min(named, default=len(text))

    def _own(self, meanings: Set[str], match: Match, others: Sequence[Match]) -> int:
        """Return the points by meanings that the other tracks do not account for."""
        return sum(
            match.points.get(meaning, 0)
            for meaning in meanings
            if meaning in self._together
            or all(
                4 * other.points.get(meaning, 0) < match.points.get(meaning, 0) for other in others
            )
        )

    def _meanings(self, text: str) -> tuple[frozenset[str], bool]:
        """Return the meanings of a text, and whether it has words without any."""
        phrases = self.phrases(text)
        meanings = frozenset(name for _, names in phrases for name in names)
        return meanings, not all(names for _, names in phrases)

    def phrases(self, text: str) -> list[tuple[str, Set[str]]]:
        """Return the words of a text that say something, with their meanings, if they are known."""
        found: list[tuple[str, Set[str]]] = []
        if not text.isascii():
            chinese = self._found.findall(self._denied.sub("", _joined(text)))
            found += ((word, self._chinese[word]) for word in chinese)
        written = TOKEN.findall(text.replace("\u2019", "'"))[:MOST_WORDS]
        words = [
            stem(word) if word in self._nothing else self._spelled(word)
            for word in map(str.lower, written)
        ]
        at, denied_at = 0, -1 - REACH
        while at < len(words):
            length = self._longest.get(words[at], 0)
            while length and (phrase := tuple(words[at : at + length])) not in self._phrases:
                length -= 1
            if words[at] in self._denials:
                denied_at, length = at, 1
            elif length:
                if at - denied_at > REACH:
                    found.append((" ".join(written[at : at + length]), self._phrases[phrase]))
            elif written[at].lower() not in self._nothing:
                found.append((written[at], frozenset()))
            at += length or 1
        return found

    def _spelled(self, word: str) -> str:
        """Return the stem of a word, or of the known word that it is a typo of."""
        stemmed = stem(word)
        if stemmed in self._stems or len(word) < SHORTEST_TYPO:
            return stemmed
        meant = (self._typos.get(typo) for typo in (word, *_without_a_letter(word)))
        return next(
            (stem(token) for token in meant if token is not None and token[0] == word[0]), stemmed
        )


def _subject(meanings: Set[str], matches: Mapping[str, Match]) -> str:
    """Return the id of the track with most points by these meanings, if they are enough."""
    points = {
        id_: sum(match.points.get(meaning, 0) for meaning in meanings - {INTENT})
        for id_, match in matches.items()
    }
    best = max(points, key=points.__getitem__, default="")
    return best if points.get(best, 0) >= ENOUGH_IN_A_LIST else ""


def _chinese_before(words: Sequence[str], phrases: str) -> str:
    """Return a pattern for the Chinese ones of the words, shortly before a phrase."""
    chinese = "|".join(re.escape(word) for word in words if CHINESE.search(word))
    return f"(?:{chinese})[^,.;，。；]{{0,2}}?(?:{phrases})"  # noqa: RUF001 -- Chinese


def tokens(text: str) -> list[str]:
    return TOKEN.findall(text.lower().replace("\u2019", "'"))


def _joined(text: str) -> str:
    """Return the text in lower case without spaces beside Chinese characters."""
    return BESIDE_CHINESE.sub("", " ".join(text.lower().split()))


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Return the stem of an English word. Thread-safe, which the stemmer is not."""
    with _one_at_a_time:
        return word if word.isdigit() else str(_stemmer().stemWord(word))


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


def _one_of(words: Sequence[str]) -> str:
    """Return a pattern for the words, whole ones where they are in Latin letters."""
    latin = "|".join(re.escape(word) for word in words if re.match(r"\w", word, re.ASCII))
    others = "|".join(re.escape(word) for word in words if not re.match(r"\w", word, re.ASCII))
    return "|".join(filter(None, (latin and rf"\b(?:{latin})\b", others)))
