"""Anki deck of the questions of a roadmap (.apkg): a note for each, in a deck for each stage.

Ids of decks and notes follow from the roadmap and the question, so that a second import updates the
notes: Anki keeps its own schedule, and duplicates nothing.
"""

import hashlib
import io
import json
import re
import sqlite3
import string
import zipfile
from collections.abc import Iterable, Sequence
from gettext import NullTranslations
from html import escape
from typing import Any, NamedTuple
from uuid import UUID

from core import clock
from core.i18n import ENGLISH
from core.sanitize import code_spans, one_line, plain, strip_nul
from roadmap.exchange.formats.json_ import PortableRoadmap, Source
from roadmap.plan.outline import QUESTION_HINTS, OutlineConcept, Question

FIELDS = ("Question", "Options", "Answer", "Explanation", "Concept")
FRONT = '<p class="concept">{{Concept}}</p>{{Question}}{{Options}}'
BACK = '{{FrontSide}}<hr id="answer">{{Answer}}<p>{{Explanation}}</p>'
CSS = """.card { font: 20px/1.5 system-ui, sans-serif; max-width: 40em; margin: 0 auto; \
text-align: start; }
.concept { font-size: 14px; opacity: .7; }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .9em; }"""
BEGIN = (1980, 1, 1, 0, 0, 0)
# The digits of a note's identity: by it a second import finds the note.
DIGITS = string.ascii_letters + string.digits + "!#$%&()*+,-./:;<=>?@[]^_`{|}~"
NEW = -1  # update sequence number of what was never synchronized
DECK = dict.fromkeys(("lrnToday", "newToday", "revToday", "timeToday"), (0, 0)) | {
    **{"usn": NEW, "conf": 1, "dyn": 0, "desc": "", "collapsed": False, "extendNew": 0},
    "extendRev": 0,
}
SCHEMA = """
CREATE TABLE col (id integer PRIMARY KEY, crt integer, mod integer, scm integer, ver integer,
    dty integer, usn integer, ls integer, conf text, models text, decks text, dconf text,
    tags text);
CREATE TABLE notes (id integer PRIMARY KEY, guid text, mid integer, mod integer, usn integer,
    tags text, flds text, sfld integer, csum integer, flags integer, data text);
CREATE TABLE cards (id integer PRIMARY KEY, nid integer, did integer, ord integer, mod integer,
    usn integer, type integer, queue integer, due integer, ivl integer, factor integer,
    reps integer, lapses integer, left integer, odue integer, odid integer, flags integer,
    data text);
CREATE TABLE revlog (id integer PRIMARY KEY, cid integer, usn integer, ease integer, ivl integer,
    lastIvl integer, factor integer, time integer, type integer);
CREATE TABLE graves (usn integer, oid integer, type integer);
"""
SPACE = re.compile(r"\s+")
MARKS = str.maketrans({"[": "&#91;", "\\": "&#92;", "{": "&#123;", "\n": "<br>"})


class Note(NamedTuple):
    """Note with HTML in its fields; notes with the same `guid` are one."""

    guid: str
    deck_id: int
    fields: Sequence[str]
    tags: Sequence[str]


def render(source: Source) -> bytes:
    return deck_of(source.document, source.roadmap_id, source.texts)


def deck_of(
    document: PortableRoadmap, roadmap_id: UUID, texts: NullTranslations = ENGLISH
) -> bytes:
    """Return an archive for Anki. Without questions it has an empty deck."""
    name, decks, notes = _deck_name(document.outline.title), dict[int, str](), list[Note]()
    decks[_number(str(roadmap_id))] = name
    for number, stage in enumerate(document.outline.stages, 1):
        deck_id = _number(f"{roadmap_id} {stage.key}")
        decks[deck_id] = f"{name}::{number:02d} {_deck_name(stage.title)}"
        for module in stage.modules:
            tags = [_tag(stage.title), f"{_tag(stage.title)}::{_tag(module.title)}"]
            for concept in module.concepts:
                found = document.concepts.get(concept.key)
                quiz = found and found.contents.quiz
                # Questions that a quiz repeats are one note.
                asked = quiz.body.questions if quiz else ()
                unique = {each.fingerprint: each for each in asked if not each.needs_tutorial}
                for question in unique.values():
                    guid = guid_of(roadmap_id, concept.key, question.fingerprint)
                    notes.append(Note(guid, deck_id, _fields(question, concept, texts), tags))
    return package_of(decks, notes)


def _fields(question: Question, concept: OutlineConcept, texts: NullTranslations) -> list[str]:
    hint = ""
    if question.type in QUESTION_HINTS:
        hint = f" <small>{_shown(texts.gettext(QUESTION_HINTS[question.type]))}</small>"
    options = [question.options[number] for number in question.given]
    tag = "ol" if question.type == "order" else "ul"
    return [
        f"<p>{_shown(question.prompt)}{hint}</p>",
        _list(options) if options else "",
        _list(question.accepted or [options[number] for number in question.right], tag),
        _shown(question.explanation),
        _shown(concept.title),
    ]


def _list(items: Iterable[str], tag: str = "ul") -> str:
    return f"<{tag}>{''.join(f'<li>{_shown(item)}</li>' for item in items)}</{tag}>"


def _shown(text: str) -> str:
    """Escape HTML, and Anki's marks of sounds and formulas; text between backticks is code."""
    pieces = [escape(piece).translate(MARKS) for piece in code_spans(plain(strip_nul(text)))]
    pieces[1::2] = [f"<code>{piece}</code>" for piece in pieces[1::2]]
    return "".join(pieces)


def _deck_name(title: str) -> str:
    """Return the title in one line, without the separator of nested decks."""
    return one_line(strip_nul(title)).replace("::", ": ").strip(": ")[:100] or "Roadmap"


def _tag(title: str) -> str:
    return SPACE.sub("_", one_line(strip_nul(title)).replace("::", "_").replace('"', "'")) or "_"


def _number(name: str) -> int:
    """Return an id in Anki's range that follows from the name."""
    return (
        2**30
        + int.from_bytes(hashlib.sha256(f"roadmap {name}".encode()).digest()[:4], "big") % 2**30
    )


def guid_of(*values: object) -> str:
    """Return the identity of a note that follows from these values."""
    digest = hashlib.sha256("__".join(map(str, values)).encode()).digest()
    number, digits = int.from_bytes(digest[:8], "big"), ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def package_of(decks: dict[int, str], notes: Sequence[Note]) -> bytes:
    """Return the archive; `decks` are names by id, and nested by `::`."""
    now, type_id = int(clock.now().timestamp()), _number("model")
    database = sqlite3.connect(":memory:")
    try:
        database.executescript(SCHEMA)
        names = {1: "Default", **decks}.items()
        named = {str(id_): {**DECK, "mod": now, "id": id_, "name": name} for id_, name in names}
        types = {str(type_id): _note_type(type_id, now)}
        texts = [json.dumps(each) for each in ({}, types, named, {}, {})]
        row = (1, now, now * 1000, now * 1000, 11, 0, 0, 0, *texts)
        database.execute(f"INSERT INTO col VALUES ({_marks(row)})", row)
        for id_, note in enumerate(notes, now * 1000):
            fields, tags = "\x1f".join(note.fields), f" {' '.join(note.tags)} "
            row = (id_, note.guid, type_id, now, NEW, tags, fields, note.fields[0], 0, 0, "")
            database.execute(f"INSERT INTO notes VALUES ({_marks(row)})", row)
            # A new card of the first template; numbers after the queue are its history.
            row = (id_, id_, note.deck_id, 0, now, NEW, *(0,) * 11, "")
            database.execute(f"INSERT INTO cards VALUES ({_marks(row)})", row)
        database.commit()
        collection = database.serialize()
    finally:
        database.close()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in (("collection.anki2", collection), ("media", b"{}")):
            archive.writestr(zipfile.ZipInfo(entry, BEGIN), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _marks(row: tuple[Any, ...]) -> str:
    return ", ".join("?" * len(row))


def _note_type(id_: int, now: int) -> dict[str, Any]:
    fields = [
        {"name": name, "ord": number, "font": "Arial", "size": 20, "rtl": False, "sticky": False}
        for number, name in enumerate(FIELDS)
    ]
    template = {"name": "Card", "ord": 0, "qfmt": FRONT, "afmt": BACK}
    template |= {"bqfmt": "", "bafmt": "", "did": None}
    return {
        **{"id": id_, "name": "Roadmap: question with options", "type": 0, "mod": now, "usn": NEW},
        **{"sortf": 0, "did": 1, "tmpls": [template], "flds": fields, "css": CSS},
        **{"latexPre": "", "latexPost": "", "latexsvg": False, "req": [[0, "any", [0]]]},
    }
