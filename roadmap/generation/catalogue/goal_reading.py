"""Reading of a goal: tracks, concepts that it names, and what of it the catalogue covers."""

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass

from roadmap.generation.catalogue import loader as files
from roadmap.generation.catalogue.goal_matching import ENOUGH, ENOUGH_IN_A_LIST, INTENT
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
    """Tracks of a goal, and keys of the concepts that it names and of what surrounds the rest.

    Without `named` it is about whole tracks. Its `words` are `covered`, `partly` or `missing`.
    """

    tracks: list[Track]
    named: set[str]
    around: set[str]
    words: dict[str, list[str]]


def read_goal(goal: str) -> Reading:
    """Return what a goal asks for. Raises BrokenFile."""
    lexicon = files.lexicon()
    full, read = lexicon.full, lexicon.read(goal)
    words: dict[str, list[str]] = {"covered": [], "partly": [], "missing": []}
    every = [name for _, names in full.phrases(full.simplified(goal)) for name in names]
    if title := next((name for name in every if name.startswith(EXACT)), None):
        key = title.removeprefix(EXACT)
        return Reading([tracks()[track_of(key)]], {key}, set(), {**words, "covered": [goal]})
    phrases = full.phrases(read.stated)
    ids = lexicon.choose(goal, {track.id: track.match for track in tracks().values()})
    named = {name for _, names in phrases for name in names if "/" in name}
    same_as = {
        f"{track.id}/{id_}": keys
        for track in tracks().values()
        for id_, keys in track.same_as.items()
    }
    named -= {key for key in named if not named.isdisjoint(same_as.get(key, ()))}
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
    reading = Reading(found, named, around, words)
    if found:
        parts = full.lists.split(ABBREVIATED.sub(r"\1 \2", read.stated))
        _sort_out(reading, read.complained, [full.phrases(part) for part in parts])
    return reading


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


def _sort_out(reading: Reading, complained: Set[str], parts: Sequence[Phrases]) -> None:
    """Add the words of the goal, and what surrounds them.

    Words are only missing in a part of a list of which nothing is taught.
    """
    is_short = sum(map(len, parts)) <= FEW_WORDS
    matches = [track.match for track in tracks().values()]
    subjects = {
        name
        for each in matches
        for name, points in (each.points | dict.fromkeys(each.against, ENOUGH)).items()
        if points >= ENOUGH
    }
    for part in parts:
        missing, is_taught = [], False
        for word, names in part:
            if names and names <= SILENT | complained:
                continue
            if names and _is_taught(reading, word, names):
                is_taught = True
            elif any("/" in name or name in subjects for name in names) or (
                is_short and not names and word.isalpha()
            ):
                missing.append(word)
        reading.words["missing"] += [] if is_taught else missing


def _is_taught(reading: Reading, word: str, names: Set[str]) -> bool:
    """Whether a word is taught, or what surrounds it; add it to the reading."""
    ids = {track.id for track in reading.tracks} | set(map(track_of, reading.named))
    taught = {name for name in names if "/" in name and track_of(name) in ids}
    pointed = [(tracks()[id_], name) for id_ in ids for name in names]
    pointed = [(track, name) for track, name in pointed if name in track.match.points]
    around = {f"{track.id}/{id_}" for track, name in pointed for id_ in track.around.get(name, ())}
    is_covered = any(name not in {INTENT, *track.around} for track, name in pointed)
    is_covered |= bool(taught & reading.named if reading.named else taught)
    if is_covered or around:
        reading.words["covered" if is_covered else "partly"].append(word)
        reading.around.update(() if is_covered else around)
    return is_covered or bool(around)
