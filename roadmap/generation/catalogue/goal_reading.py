"""Reading of a goal: tracks, concepts that it names, and what of it the catalogue covers."""

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from roadmap.generation.catalogue import loader as files
from roadmap.generation.catalogue.goal_matching import ENOUGH, ENOUGH_IN_A_LIST, INTENT, Goal
from roadmap.generation.catalogue.loader import EXACT, Track, tracks

Phrases = Sequence[tuple[str, Set[str]]]
ROLE = "role"  # meaning that asks for a whole track
SILENT = {INTENT, ROLE}  # meanings of no subject
MOST_REST = 4  # Chinese characters beside the name of a concept, where no track is found
FEW_WORDS = 4  # of a goal whose unknown words are missing, not its circumstances
ABBREVIATED = re.compile(r"\b(\w\w?)/(\w\w?)\b")  # CI/CD is no list
HOURS_A_DAY, HOURS_A_WEEK = 10, 40  # of learning, in a time that the goal itself names
# Times in a goal, with their days; without them, as many as the group says
SPANS = {
    r"\b(?:in|over|within|this) (?:(?:a|one|the|this) )?weekend\b|(?<!每)(?<!每个)周末": 2,
    r"\b(?:in|within) (?:a|one) week\b|\bthis week\b|[本这]周(?!末)": 7,
    "[一1] ?(?:周|个?星期)(?:之?内|里)": 7,
    r"\b(?:in|within) (\w+) days?\b|([\d一两二三四五六七]+) ?天(?:之?内|里|学会)": 0,
}
NUMBERS = {
    word: at
    for at, words in enumerate(("", "a one 一", "two 两 二", "three 三", "four 四", "five 五"))
    for word in words.split()
}


@dataclass(slots=True)
class Reading:
    """Tracks of a goal, and keys of the concepts that it names and of what surrounds the rest.

    Without `named` it is about whole tracks. `covered`, `partly` and `missing` are its words, and
    `hours` those of a time that it states.
    """

    tracks: list[Track]
    named: Set[str]
    around: set[str] = field(default_factory=set)
    covered: list[str] = field(default_factory=list)
    partly: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    hours: int | None = None


def read_goal(goal: str) -> Reading:
    """Return what a goal asks for. Raises BrokenFile."""
    lexicon = files.lexicon()
    full, read, hours = files.topics(lexicon), lexicon.read(goal), _hours(goal)
    for _, names in full.phrases(full.simplified(goal)):
        if title := next((name for name in names if name.startswith(EXACT)), None):
            key = title.removeprefix(EXACT)
            return Reading([tracks()[track_of(key)]], {key}, covered=[goal], hours=hours)
    phrases = full.phrases(read.stated)
    ids = lexicon.choose(goal, {track.id: track.match for track in tracks().values()})
    named: Set[str] = {key for _, names in phrases for key in names if "/" in key}
    named -= {key for key in named if not named.isdisjoint(_others(key))}
    says_more = read.elsewhere or read.fields or not all(names for _, names in phrases)
    if not ids and (says_more or full.leftover(read.stated) > MOST_REST):
        named = set()
    found = [tracks()[id_] for id_ in ids]
    found = [each for each in found if set(each.languages) & set(found[0].languages)]
    around = set(named) if _wants_all(found, named, phrases) else set()
    named -= around
    if named:
        count = Counter(map(track_of, sorted(named)))
        best = tracks()[count.most_common(1)[0][0]]
        found = [each for each in found if each.id in count] or [best]
    reading = Reading(found, named, around, hours=hours)
    if found:
        parts = full.lists.split(ABBREVIATED.sub(r"\1 \2", read.stated))
        _sort_out(reading, read, [full.phrases(part) for part in parts])
    return reading


def track_of(key: str) -> str:
    return key.partition("/")[0]


def _others(key: str) -> list[str]:
    """Return the keys of concepts that teach the same as one, and more."""
    track_id, _, id_ = key.partition("/")
    return tracks()[track_id].same_as.get(id_, [])


def _wants_all(found: Sequence[Track], named: Set[str], phrases: Phrases) -> bool:
    """Whether a goal is about these tracks, and not only about the concepts that it names."""
    means = {name for _, names in phrases for name in names}
    if any(not means.isdisjoint((ROLE, *track.about)) for track in found):
        return True
    rest = {name for _, names in phrases if named.isdisjoint(names) for name in names}
    return any(
        track.match.points.get(name, 0) >= ENOUGH_IN_A_LIST
        for track in found
        if track.id not in set(map(track_of, named))
        for name in rest - track.around.keys()
    )


def _sort_out(reading: Reading, goal: Goal, parts: Sequence[Phrases]) -> None:
    """Add the words of the goal, and what surrounds them.

    Words are only missing in a part of a list of which nothing is taught.
    """
    is_short = sum(map(len, parts)) <= FEW_WORDS
    for part in parts:
        missing, before = [], len(reading.covered) + len(reading.partly)
        for word, names in part:
            if names and (names <= SILENT | goal.complained or _is_taught(reading, word, names)):
                continue
            is_unknown = not names and is_short and not word.isdecimal()
            if is_unknown or any("/" in name or _is_subject(name) for name in names):
                missing.append(word)
        if before == len(reading.covered) + len(reading.partly):
            reading.missing += missing


def _is_taught(reading: Reading, word: str, names: Set[str]) -> bool:
    """Whether a word is taught, or what surrounds it; add it to the reading."""
    ids = {track.id for track in reading.tracks} | set(map(track_of, reading.named))
    keys = {name for name in names if "/" in name}
    taught = keys & reading.named if reading.named else {k for k in keys if track_of(k) in ids}
    chosen = [tracks()[id_] for id_ in ids]
    pointed = [(track, name) for track in chosen for name in names & track.match.points.keys()]
    if taught or any(name not in {INTENT, *track.around} for track, name in pointed):
        reading.covered.append(word)
        return True
    around = {f"{track.id}/{id_}" for track, name in pointed for id_ in track.around.get(name, ())}
    if around:
        reading.around |= around
        reading.partly.append(word)
    return bool(around)


def _is_subject(meaning: str) -> bool:
    """Whether a track is found by this meaning alone, or not found because of it."""
    matches = [track.match for track in tracks().values()]
    return any(m.points.get(meaning, 0) >= ENOUGH or meaning in m.against for m in matches)


def _hours(goal: str) -> int | None:
    """Return the hours of learning in the time that a goal states; None: it states none."""
    for pattern, days in SPANS.items():
        if found := re.search(pattern, goal, re.IGNORECASE):
            number = next(filter(None, found.groups()), "0").lower()
            count = days or NUMBERS.get(number) or int(number if number.isdecimal() else 0)
            return min(count * HOURS_A_DAY, HOURS_A_WEEK) or None
    return None
