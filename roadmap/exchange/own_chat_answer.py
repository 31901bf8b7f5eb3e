"""Answers of a learner's own chat, and outlines by hand, as documents to import.

Trusted as little as the output of a model. What chats add or leave out is forgiven: text around the
JSON, line ends within texts, missing numbers, prerequisites that are no earlier concepts. The
prompt is `roadmap/generation/own_chat_prompt.py`. An outline by hand is a title, and below it a
line for each stage, module, concept and outcome, indented below each other.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import Any

from core import clock
from core.errors import FieldError, Invalid
from core.i18n import gettext_noop
from core.json_types import LANGUAGE_TAG
from core.sanitize import format_size, one_line, plain, strip_nul
from roadmap.plan.format_version import FORMAT, LARGEST_ANSWER, VERSION
from roadmap.plan.language_detection import chinese_of
from roadmap.plan.outline import Level
from roadmap.plan.schemas import (
    DEFAULT_LANGUAGE,
    MOST_HOURS_PER_WEEK,
    RoadmapRequest,
    fault_of_goal,
)

CHAT = "chat"  # generator of the parts
ANSWER = "answer"  # kind of its errors
MOST_STARTS = 20  # places at which the JSON may begin
MOST_PARTS = 5000  # stages, modules, concepts, resources and questions
LONGEST_TUTORIAL = 100_000  # characters
LONGEST_RULE = 300
NOISE = re.compile(r"^(?:\w+ (?=should)|Value error, )| after validation, not \d+$")  # of a rule
NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
LINES = re.compile(rb"[^{]*\n[ \t]+[^\s{][^{]*\Z")  # of several depths, and not JSON
LINE = re.compile(r"( *)(?:[#*•-]+ +)?(.*)")
HOURS = re.compile(r"[(\uff08]([0-9.]{1,9}) ?(?:h|小时)[)\uff09]$")  # at the end of a line
BELOW = ("modules", "concepts", "outcomes")  # of a stage, a module, a concept
LETTER = re.compile(r"([A-Z])[.):]?", re.IGNORECASE)  # of an option


def is_answer(content: bytes | bytearray) -> bool:
    """Whether it has lines or stages, and is no export, which has a format and an outline."""
    return (b'"stages"' in content or LINES.match(content) is not None) and not (
        b'"format"' in content or b'"outline"' in content
    )


def refused(*rules: tuple[str, str]) -> Invalid:
    """Return the refusal of an answer, with places and their broken rules."""
    fields = (
        FieldError(place, NOISE.sub("", rule)[:LONGEST_RULE], ANSWER) for place, rule in rules
    )
    return Invalid("Some fields are not valid.", fields=tuple(fields))


def outline_in(text: str) -> dict[str, Any]:
    """Return an outline in lines as an answer. Raises Invalid, with the number of a line."""
    lines = []
    for number, line in enumerate(text.expandtabs(4).splitlines()[:MOST_PARTS], start=1):
        space, title = LINE.findall(line.rstrip())[0]
        hours = HOURS.search(title)
        if title:
            own = title[: hours.start()].rstrip() if hours else title
            lines.append((number, len(space), own, hours[1] if hours else ""))
    (_, _, title, _), *lines = lines
    return {"title": title, "stages": _nodes(lines)}


def _nodes(lines: Sequence[tuple[int, int, str, str]], depth: int = 0) -> list[Any]:
    starts = [at for at, line in enumerate(lines) if line[1] <= lines[0][1]]
    groups = [lines[start:end] for start, end in pairwise([*starts, len(lines)])]
    for (number, _, title, _), *below in groups:
        rules = {
            gettext_noop("Below a stage are modules, below these concepts."): below or depth > 1,
            gettext_noop("Below a concept are outcomes, and nothing below these."): depth < 3
            or not below,
            gettext_noop("A title has at most 200 characters."): len(title) <= 200,
        }
        if broken := [(f"line {number}", rule) for rule, is_kept in rules.items() if not is_kept]:
            raise refused(*broken)
    return [
        {"title": title, "hours": hours, BELOW[depth]: _nodes(below, depth + 1)}
        if depth < len(BELOW)
        else title
        for (_, _, title, hours), *below in groups
    ]


def _found(text: str) -> dict[str, Any]:
    decoder, fault = json.JSONDecoder(strict=False), ""
    for start in islice((brace.start() for brace in re.finditer("{", text)), MOST_STARTS):
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            fault = fault or str(error)
            continue
        if "stages" in found:
            return found  # type: ignore[no-any-return] # what begins with a brace is an object
    raise refused(("", f"should have one whole object with stages: {fault or 'there is none'}"))


class ChatAnswer:
    """An answer as a document to import. Raises Invalid."""

    def __init__(self, content: bytes | bytearray) -> None:
        if len(content) > LARGEST_ANSWER:
            raise refused(("", f"should have at most {format_size(LARGEST_ANSWER)}"))
        self.answer = (outline_in if LINES.match(content) else _found)(
            content.decode(errors="replace")
        )
        self.parts = 0
        self.key_of: dict[str, str] = {}  # of concepts, by title
        self.place_of: dict[str, str] = {}  # in the answer, by key
        self.concepts: dict[str, Any] = {}

    def place(self, location: tuple[str | int, ...]) -> str:
        """Return the place in the answer of one in the document."""
        if location[0] == "concepts" and len(location) > 3:  # contents, kind, body and its list
            location = (self.place_of[str(location[1])], location[3], *location[6:])
        return "".join(f"/{part}" for part in location if part not in ("outline", "request"))

    def document(self) -> dict[str, Any]:
        """Return the document, to be validated."""
        now, level = clock.now(), str(self.answer.get("level")).lower()
        title = _line(self.answer.get("title"))
        goal = _line(self.answer.get("goal"))[:1000] or title
        language = self.answer.get("language")
        if not (isinstance(language, str) and re.fullmatch(LANGUAGE_TAG, language)):
            language = chinese_of(f"{goal} {title}") or DEFAULT_LANGUAGE
        hours = RoadmapRequest.model_fields["hours_per_week"].default
        return {
            "format": FORMAT,
            "version": VERSION,
            "exported_at": now,
            "generator": CHAT,
            "request": {
                "goal": f"Roadmap {title}" if fault_of_goal(goal) else goal,
                "level": level if level in [*Level] else Level.beginner,
                "hours_per_week": _number(
                    self.answer.get("hours_per_week"), hours, MOST_HOURS_PER_WEEK
                ),
                "begins_on": now.date(),
                "language": language,
            },
            "outline": {
                "title": title or goal[:200],
                "stages": [
                    {**self.node("stage", stage), "modules": self.modules(stage, f"stages/{place}")}
                    for place, stage in self.each(self.answer.get("stages"))
                ],
            },
            "concepts": self.concepts,
        }

    def modules(self, stage: dict[str, Any], place: str) -> list[dict[str, Any]]:
        """Return the modules of a stage; one whose concepts are in no module gets one."""
        return [
            {
                **self.node("module", module),
                "concepts": [
                    self.concept(each, f"{place}/modules/{at}/concepts/{number}")
                    for number, each in self.each(module.get("concepts"))
                ],
            }
            for at, module in self.each(stage.get("modules") or [stage])
        ]

    def concept(self, part: dict[str, Any], place: str) -> dict[str, Any]:
        concept = self.node("concept", part)
        needed = [
            self.key_of.get(_line(each).casefold()) for each in _list(part.get("prerequisites"))
        ]
        self.key_of.setdefault(concept["title"].casefold(), concept["key"])
        self.place_of[concept["key"]] = place
        if contents := dict(self.contents(part)):
            self.concepts[concept["key"]] = {"contents": contents}
        return {
            **concept,
            "hours": _number(part.get("hours"), 2, 200),
            "difficulty": _number(part.get("difficulty"), 2, 5),
            "prerequisites": [*dict.fromkeys(key for key in needed if key)],
            "outcomes": [_line(each) for each in _list(part.get("outcomes"))],
        }

    def contents(self, part: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        from roadmap.plan.markdown_sanitizer import sanitize

        if tutorial := _text(part.get("tutorial")).strip()[:LONGEST_TUTORIAL]:
            yield "tutorial", _written({"markdown": sanitize(tutorial)})
        if items := [_resource(each) for _, each in self.each(part.get("resources"))]:
            yield "resources", _written({"items": items})
        if questions := [_question(each) for _, each in self.each(part.get("quiz"))]:
            yield "quiz", _written({"questions": questions})

    def node(self, kind: str, part: dict[str, Any]) -> dict[str, Any]:
        return {
            "key": f"{kind}-{self.parts}",
            "title": _line(part.get("title")),
            "description": _text(part.get("description")).strip(),
        }

    def each(self, parts: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield parts as objects, numbered from 0; a text is a title."""
        for number, part in enumerate(_list(parts)):
            self.parts += 1
            if self.parts > MOST_PARTS:
                raise refused(("", f"should have at most {MOST_PARTS:,} parts"))
            yield number, part if isinstance(part, dict) else {"title": part}


def _resource(part: dict[str, Any]) -> dict[str, Any]:
    title, url = _line(part.get("title")), _line(part.get("url"))
    return {
        "title": title or url,
        "url": url,
        "type": _line(part.get("type")) or "article",
        "language": _line(part.get("language")) or DEFAULT_LANGUAGE,
        "why": _line(part.get("why")) or title or url,
    }


def _question(part: dict[str, Any]) -> dict[str, Any]:
    """Return a question; its answers are options, their indexes from 0, or their letters."""
    options = [_line(each) for each in _list(part.get("options"))]
    places = {option: place for place, option in enumerate(options)}
    right = []
    for answer in _list(part.get("answer")):
        place = places.get(_line(answer))  # first: an option may be a number, or true
        if place is None and isinstance(answer, int) and not isinstance(answer, bool):
            place = answer
        if place is None and (letter := LETTER.fullmatch(_line(answer))):
            place = ord(letter[1].upper()) - ord("A")
        right.append(len(options) if place is None else place)  # which is refused
    correct = "; ".join(options[place] for place in right if 0 <= place < len(options))
    statement = "true_false" if len(options) == 2 else "single"
    return {
        "type": "multiple" if len(right) > 1 else statement,
        "prompt": _text(part.get("question")).strip(),
        "options": options,
        "answers": right,
        "explanation": _text(part.get("explanation")).strip() or correct or "-",
    }


def _written(body: dict[str, Any]) -> dict[str, Any]:
    return {"generator": CHAT, "created_at": clock.now(), "body": body}


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return strip_nul(plain(value)) if isinstance(value, str) else ""


def _line(value: Any) -> str:
    return one_line(_text(str(value) if isinstance(value, int | float) else value))


def _number(value: Any, otherwise: int, most: int) -> int:
    """Return a whole number from 1 to `most`, also of a text such as "3 hours"."""
    found = NUMBER.search(str(value)[:100])
    return max(1, min(most, math.ceil(float(found[0])))) if found else otherwise
