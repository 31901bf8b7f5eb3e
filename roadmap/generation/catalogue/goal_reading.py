"""Reading of a goal: tracks, concepts that it names, and what of it the catalogue covers."""

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import product

from roadmap.generation.catalogue import loader as files
from roadmap.generation.catalogue.goal_matching import (
    ENOUGH,
    ENOUGH_IN_A_LIST,
    INTENT,
    Goal,
)
from roadmap.generation.catalogue.loader import EXACT, Track, tracks

Phrases = Sequence[tuple[str, Set[str]]]
ROLE = "role"  # meaning that asks for a whole track
SILENT = {INTENT, ROLE}  # meanings of no subject
MOST_REST = 4  # Chinese characters beside the name of a concept, where no track is found
FEW_WORDS = 4  # of a goal whose unknown words are missing, not its circumstances
ABBREVIATED = re.compile(r"\b(\w\w?)/(\w\w?)\b")  # CI/CD is no list
# Hours of learning in a time that a goal states: ten a day, 40 in a week
NUMBERS = ((1, "an?|one", "一"), (2, "two", "[两二]"), (3, "three", "三"), (4, "four", "四"))
SPANS = {
    r"\b(?:in|over|within|this) (?:(?:a|one|the|this) )?weekend\b|(?<!每)(?<!每个)周末": 20,
    r"\b(?:in|within) (?:a|one) week\b|\bthis week\b|[本这]周(?!末)": 40,
    "[一1] ?(?:周|个?星期)(?:之?内|里)": 40,
} | {
    rf"\b(?:in|within) (?:{word}|{days}) days?\b|(?:{character}|{days}) ?天(?:之?内|里)": 10 * days
    for days, word, character in NUMBERS
}


@dataclass(frozen=True, slots=True)
class Reading:
    """Ids of the tracks of a goal, and keys of the concepts that it names and of what surrounds it.

    Without `named` it is about whole tracks. Its `words` are those covered, partly, and missing;
    `known` are phrases of what the person knows, with their meanings.
    """

    ids: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()
    around: frozenset[str] = frozenset()
    words: tuple[tuple[str, ...], ...] = ((), (), ())
    known: tuple[tuple[str, frozenset[str]], ...] = ()


@lru_cache(maxsize=2000)  # of goals with at most 1,000 characters; each is read three times
def read_goal(goal: str) -> Reading:
    """Return what a goal asks for. Raises BrokenFile."""
    lexicon = files.lexicon()
    full, read = lexicon.full, lexicon.read(goal)
    phrases_of = cache(full.phrases)  # a goal, what it states, and its only part are often the same
    known = tuple((word, frozenset(names)) for word, names in read.known)
    every = [name for _, names in phrases_of(full.simplified(goal)) for name in names]
    if title := next((name for name in every if name.startswith(EXACT)), None):
        key = title.removeprefix(EXACT)
        return Reading((track_of(key),), frozenset({key}), words=((goal,), (), ()), known=known)
    phrases = phrases_of(read.stated)
    ids = lexicon.choose(goal, read, {track.id: track.match for track in tracks().values()})
    named = {name for _, names in phrases for name in names if "/" in name}
    named -= {
        f"{track.id}/{id_}"
        for track in tracks().values()
        for id_, keys in track.same_as.items()
        if not named.isdisjoint(keys)
    }
    says_more = read.elsewhere or read.fields or not all(names for _, names in phrases)
    if not ids and (says_more or full.leftover(read.stated) > MOST_REST):
        named = set()
    found = [tracks()[id_] for id_ in ids]
    found = [each for each in found if set(each.languages) & set(found[0].languages)]
    around = set(named) if _wants_all(found, named, phrases) else set()
    named -= around
    if count := Counter(map(track_of, sorted(named))):
        best = tracks()[count.most_common(1)[0][0]]
        found = [each for each in found if each.id in count] or [best]
    ids = [each.id for each in found]
    reading = Reading(tuple(ids), frozenset(named), frozenset(around), known=known)
    parts = full.lists.split(ABBREVIATED.sub(r"\1 \2", read.stated)) if found else ()
    return _sorted_out(reading, read, [phrases_of(part) for part in parts])


def track_of(key: str) -> str:
    return key.partition("/")[0]


def _wants_all(found: Sequence[Track], named: Set[str], phrases: Phrases) -> bool:
    """Whether a goal is about these tracks, and not only about the concepts that it names."""
    means = {name for _, names in phrases for name in names}
    rest = {name for _, names in phrases if named.isdisjoint(names) for name in names}
    return any(
        not means.isdisjoint((ROLE, *track.about))
        or any(
            track.match.points.get(name, 0) >= ENOUGH_IN_A_LIST
            for name in rest - track.around.keys()
            if track.id not in set(map(track_of, named))
        )
        for track in found
    )


def _sorted_out(reading: Reading, goal: Goal, parts: Sequence[Phrases]) -> Reading:
    """Return the reading with the words of the goal, and with what surrounds them.

    Words are only missing in a part of a list of which nothing is taught.
    """
    is_short = sum(map(len, parts)) <= FEW_WORDS
    words: list[list[str]] = [[], [], []]
    covered, partly, missing = words
    around, matches = set(reading.around), [track.match for track in tracks().values()]
    for part in parts:
        unknown, is_taught = [], False
        for word, names in part:
            if names and names <= SILENT | goal.complained:
                continue
            is_covered, near = _taught(reading, names)
            if names and (is_covered or near):
                is_taught = True
                (covered if is_covered else partly).append(word)
                around |= set() if is_covered else near
            elif (is_short and not names and word.isalpha()) or any(
                "/" in name or name in match.against or match.points.get(name, 0) >= ENOUGH
                for name, match in product(names, matches)
            ):
                unknown.append(word)
        missing += [] if is_taught else unknown
    return replace(reading, around=frozenset(around), words=tuple(map(tuple, words)))


def _taught(reading: Reading, names: Set[str]) -> tuple[bool, set[str]]:
    """Return whether meanings are taught, and the keys of what surrounds them."""
    ids = {*reading.ids, *map(track_of, reading.named)}
    taught = {name for name in names if "/" in name and track_of(name) in ids}
    pointed = [(tracks()[id_], name) for id_ in ids for name in names]
    pointed = [(track, name) for track, name in pointed if name in track.match.points]
    around = {f"{track.id}/{id_}" for track, name in pointed for id_ in track.around.get(name, ())}
    is_covered = any(name not in {INTENT, *track.around} for track, name in pointed)
    return is_covered or bool(taught & reading.named if reading.named else taught), around
