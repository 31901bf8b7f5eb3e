"""Translations of pages and pictures, and the choice of a language.

English texts are in templates and `gettext` calls; every other language is a catalogue in
`core/locales/`, which `make texts` updates and compiles and the standard library reads.
"""

import gettext
import re
from functools import cache
from gettext import NullTranslations
from pathlib import Path

LOCALES = Path(__file__).parent / "locales"
DOMAIN = "roadmap"
ENGLISH = NullTranslations()
LANGUAGES = {"en": "English", "zh-Hans": "简体中文"}  # BCP 47 tag: its name in itself
DEFAULT = "en"
ASKED = re.compile(
    r"\s*([a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?"
)
MOST_ASKED = 20  # languages of one header
TRADITIONAL = ("hant", "tw", "hk", "mo")


def gettext_noop(text: str) -> str:
    """Mark a text for `make texts` that is translated later."""
    return text


def pluralize(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


@cache
def texts(language: str) -> NullTranslations:
    """Return the catalogue of one of LANGUAGES, with `gettext` and `ngettext`."""
    if language == DEFAULT:
        return ENGLISH
    return gettext.translation(DOMAIN, LOCALES, [language.replace("-", "_")])


def language_of(catalogue: NullTranslations) -> str:
    """Return the tag, of LANGUAGES, of a catalogue."""
    return catalogue.info().get("language", DEFAULT).replace("_", "-")


def sentence_gap(catalogue: NullTranslations) -> str:
    """Return the separator of two sentences: Chinese punctuation needs no space."""
    return "" if language_of(catalogue).startswith("zh") else " "


def negotiated(accepted: str) -> str:
    """Return the one of LANGUAGES that an Accept-Language header (RFC 9110) prefers."""
    wanted: list[tuple[float, str]] = []
    for part in accepted.split(",")[:MOST_ASKED]:
        if (found := ASKED.fullmatch(part)) and (quality := float(found[2] or 1)):
            wanted.append((quality, found[1].lower()))
    for _, tag in sorted(wanted, key=lambda each: -each[0]):
        first, *rest = tag.split("-")
        if first in ("en", "*"):
            return DEFAULT
        if first == "zh" and ("hans" in rest or not set(rest) & set(TRADITIONAL)):
            return "zh-Hans"
    return DEFAULT
