"""Stored reasons of failures and remarks, in the language of the reader.

They are stored, sent and logged in English. Pages translate the ones that learners meet; others,
such as those of a model's server, stay English.
"""

import re
from collections.abc import Mapping
from gettext import NullTranslations

from core.i18n import gettext_noop

STORED_BY_EARLIER_VERSIONS = (
    gettext_noop("Question %(number)s was left out: second answers were not its key."),
)
KNOWN = (
    gettext_noop("It was cancelled."),
    gettext_noop("It was cancelled before anything was written"),
    gettext_noop("%(failed)s of %(total)s parts are not written"),
    gettext_noop("%(failed)s of %(total)s parts could not be written"),
    gettext_noop("%(failed)s of %(total)s parts were not in the file"),
    gettext_noop("%(failed)s of %(total)s parts were not written when it was copied"),
    gettext_noop("It was not in the file."),
    gettext_noop("It was not written when the roadmap was copied."),
    gettext_noop("Its worker died or hung too often while planning it. Retry it."),
    gettext_noop("Its worker died or hung too often while writing it. Retry it."),
    gettext_noop("Its worker died or hung too often while sending it."),
    gettext_noop("Stopped by an operator."),
    gettext_noop("No built-in track fits this goal; set OPENAI_API_KEY to have it designed."),
    gettext_noop(
        "The catalogue no longer has contents for this concept. If its track was removed from"
        " TRACKS_DIR, put it back, restart and retry; or set OPENAI_API_KEY and retry, or create a"
        " new roadmap."
    ),
    gettext_noop("The built-in catalogue does not follow words; set OPENAI_API_KEY."),
    gettext_noop("This goal is not about learning: %(remark)s"),
    gettext_noop("The model did not answer within %(seconds)s s."),
    gettext_noop("Concept '%(concept)s' needs '%(needed)s', which comes later or is itself."),
    # Remarks on what a model wrote
    gettext_noop("Words: %(count)s; at least %(least)s are needed."),
    gettext_noop("Sections (##): %(count)s; at least %(least)s are needed."),
    gettext_noop("Resources: %(count)s; at least %(least)s are needed."),
    gettext_noop("Questions: %(count)s; at least %(least)s are needed."),
    gettext_noop("Types of questions: %(count)s; at least %(least)s are needed."),
    gettext_noop("The exercise names none of the outcomes of the concept."),
    gettext_noop(
        "The tutorial must end with two sections (##) of their own: an exercise, and its worked"
        " solution."
    ),
    gettext_noop(
        "The exercise, the section before the last one, has %(count)s words; it needs %(least)s at"
        " least."
    ),
    gettext_noop(
        "The solution, the last section, has %(count)s words; it needs %(least)s at least."
    ),
    gettext_noop("The %(language)s code in line %(line)s does not parse: %(error)s."),
    gettext_noop("Question %(number)s was rewritten: a second answer was not its key."),
    gettext_noop("Question %(number)s is disputed: second answers were not its key."),
    gettext_noop(
        "Question %(number)s is disputed: a second answer was not its key, and it could not be"
        " checked again."
    ),
    gettext_noop("Questions left out: %(count)s; second answers were not their key."),
    gettext_noop(
        "Questions left out: %(count)s; a second answer was not their key, and they could not be"
        " checked again."
    ),
    *STORED_BY_EARLIER_VERSIONS,
    gettext_noop("Its owner has disabled it."),
    gettext_noop("The account is disabled."),
    gettext_noop("No delivery has succeeded for days."),
    gettext_noop("The receiver answered with status 410: it wants no more deliveries."),
    gettext_noop("The receiver answered with status %(status)s. Redirects are not followed."),
    gettext_noop("The receiver answered with status %(status)s."),
    gettext_noop(
        "Not sent: the name was not found, or it leads to this service or to an address that is"
        " not on the public internet."
    ),
    gettext_noop("Not sent: the receiver could not be reached."),
    gettext_noop("Not sent: it did not answer in time."),
    gettext_noop("Not sent: it refused the connection."),
)
PLACE = re.compile(r"%\\\((\w+)\\\)s")  # of a value, in an escaped text
PATTERNS = {text: re.compile(PLACE.sub(r"(?P<\1>.+?)", re.escape(text))) for text in KNOWN}


def translated(texts: NullTranslations, reason: str, titles: Mapping[str, str]) -> str:
    """Return a known reason in a language, with titles for keys; empty for another reason."""
    for text, pattern in PATTERNS.items():
        if found := pattern.fullmatch(reason):
            values = {name: titles.get(value, value) for name, value in found.groupdict().items()}
            return texts.gettext(text) % values
    return ""
