"""Anki deck of the questions of a roadmap (.apkg): a note for each, in a deck for each stage.

Ids of decks and notes follow from the roadmap and the question, so that a second import updates the
notes: Anki keeps its own schedule, and duplicates nothing.
"""

import hashlib
import re
from collections.abc import Iterable
from gettext import NullTranslations
from html import escape
from uuid import UUID

from core.i18n import ENGLISH
from core.sanitize import code_spans, one_line, plain, strip_nul
from roadmap.exchange.formats.anki_package import Note, NoteType, guid_of, package_of
from roadmap.exchange.formats.json_ import PortableRoadmap
from roadmap.exchange.formats.source import Source
from roadmap.plan.outline import QUESTION_HINTS, OutlineConcept, Question

FIELDS = ("Question", "Options", "Answer", "Explanation", "Concept")
FRONT = '<p class="concept">{{Concept}}</p>{{Question}}{{Options}}'
BACK = '{{FrontSide}}<hr id="answer">{{Answer}}<p>{{Explanation}}</p>'
CSS = """.card { font: 20px/1.5 system-ui, sans-serif; max-width: 40em; margin: 0 auto; \
text-align: start; }
.concept { font-size: 14px; opacity: .7; }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .9em; }"""
SPACE = re.compile(r"\s+")
MARKS = str.maketrans({"[": "&#91;", "\\": "&#92;", "{": "&#123;", "\n": "<br>"})


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
    note_type = NoteType(
        _number("model"), "Roadmap: question with options", FIELDS, FRONT, BACK, CSS
    )
    return package_of(note_type, decks, notes)


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
