"""Writer of packages that Anki imports (.apkg): a ZIP archive with an SQLite collection.

It writes schema 11, which every Anki since 2.1 reads; Anki's own package of PyPI reads it in a
test. What is not written here, such as options of decks, Anki leaves as the person has it.
"""

import hashlib
import io
import json
import sqlite3
import string
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core import clock

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


@dataclass(frozen=True, slots=True)
class NoteType:
    """Fields of a note, and the two sides of its one card."""

    id: int
    name: str
    fields: Sequence[str]
    front: str
    back: str
    css: str


@dataclass(frozen=True, slots=True)
class Note:
    """Note with HTML in its fields; notes with the same `guid` are one."""

    guid: str
    deck_id: int
    fields: Sequence[str]
    tags: Sequence[str]


def guid_of(*values: object) -> str:
    """Return the identity of a note that follows from these values."""
    digest = hashlib.sha256("__".join(map(str, values)).encode()).digest()
    number, digits = int.from_bytes(digest[:8], "big"), ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def package_of(note_type: NoteType, decks: dict[int, str], notes: Sequence[Note]) -> bytes:
    """Return the archive; `decks` are names by id, and nested by `::`."""
    now = int(clock.now().timestamp())
    database = sqlite3.connect(":memory:")
    try:
        database.executescript(SCHEMA)
        names = {1: "Default", **decks}.items()
        named = {str(id_): {**DECK, "mod": now, "id": id_, "name": name} for id_, name in names}
        types = {str(note_type.id): _note_type(note_type, now)}
        texts = [json.dumps(each) for each in ({}, types, named, {}, {})]
        row = (1, now, now * 1000, now * 1000, 11, 0, 0, 0, *texts)
        database.execute(f"INSERT INTO col VALUES ({_marks(row)})", row)
        for id_, note in enumerate(notes, now * 1000):
            fields, tags = "\x1f".join(note.fields), f" {' '.join(note.tags)} "
            row = (id_, note.guid, note_type.id, now, NEW, tags, fields, note.fields[0], 0, 0, "")
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


def _note_type(note_type: NoteType, now: int) -> dict[str, Any]:
    fields = [
        {"name": name, "ord": number, "font": "Arial", "size": 20, "rtl": False, "sticky": False}
        for number, name in enumerate(note_type.fields)
    ]
    template = {"name": "Card", "ord": 0, "qfmt": note_type.front, "afmt": note_type.back}
    template |= {"bqfmt": "", "bafmt": "", "did": None}
    return {
        **{"id": note_type.id, "name": note_type.name, "type": 0, "mod": now, "usn": NEW},
        **{"sortf": 0, "did": 1, "tmpls": [template], "flds": fields, "css": note_type.css},
        **{"latexPre": "", "latexPost": "", "latexsvg": False, "req": [[0, "any", [0]]]},
    }
