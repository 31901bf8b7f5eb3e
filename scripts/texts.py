"""Catalogues in core/locales/: texts of the sources and their translations.

`python -m scripts.texts` collects the texts of core/, roadmap/ and web/, keeps their translations,
drops those of other texts, and compiles. The same sources give the same files: without dates, line
numbers and versions of tools.
"""

import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2 import TemplateSyntaxError

from core.i18n import DEFAULT, DOMAIN, LANGUAGES, LOCALES

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("core", "roadmap", "web")
TEMPLATES = "web/templates/**.html"
METHODS = [
    *((f"{room}/**.py", "python") for room in ROOMS),
    (TEMPLATES, "jinja2.ext:babel_extract"),
]
# As the pages' own environment reads them.
OPTIONS = {
    TEMPLATES: dict.fromkeys(
        ("trimmed", "newstyle_gettext", "trim_blocks", "lstrip_blocks"), "true"
    )
    | {"silent": "false"}
}
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


class MessageCatalogue(Catalog):
    """Catalogue with a header that does not change by itself."""

    def __init__(self, language: str) -> None:
        comment = "# `make texts` collects and compiles; only the translations are written by hand."
        super().__init__(language.replace("-", "_"), DOMAIN, header_comment=comment, fuzzy=False)

    @property  # type: ignore[misc]  # Babel sets it only when it reads a file into one
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", str(self.locale_identifier)),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", self.plural_forms),
        ]


def main(arguments: list[str]) -> int:
    if arguments:
        print("usage: python -m scripts.texts", file=sys.stderr)
        return 2
    for language in translated():
        path = po_path(language)
        catalogue = collected(language)
        if path.exists():
            translate(catalogue, read(language, path.read_bytes()))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(po(catalogue))
        path.with_suffix(".mo").write_bytes(mo(language, path.read_bytes()))
        missing = [message for message in catalogue if is_open(message)]
        counts = f"{len(catalogue)} texts, {len(missing)} without a translation"
        print(f"{path.relative_to(ROOT)}: {counts}")
        for message in missing:
            print(f"  {message.id[0] if message.pluralizable else message.id}")
    return 0


def translated() -> list[str]:
    """Return the languages that have a catalogue."""
    return [language for language in LANGUAGES if language != DEFAULT]


def po_path(language: str) -> Path:
    return LOCALES / language.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.po"


def collected(language: str, root: Path = ROOT) -> MessageCatalogue:
    """Return the texts of the sources, without translations."""
    catalogue = MessageCatalogue(language)
    reading: list[str] = []
    found = extract_from_dir(
        root,
        METHODS,
        OPTIONS,
        KEYWORDS,
        callback=lambda file, *_: reading.append(file),
        directory_filter=lambda folder: Path(folder).relative_to(root).parts[0] in ROOMS,
    )
    try:
        for file, line, text, comments, context in found:
            catalogue.add(text, locations=[(file, line)], auto_comments=comments, context=context)
    except TemplateSyntaxError as error:
        error.add_note(f"{reading[-1]}, line {error.lineno}")
        raise
    return catalogue


def translate(catalogue: MessageCatalogue, known: MessageCatalogue) -> None:
    """Add the translations of the same texts; none is guessed from a similar one."""
    for message in catalogue:
        same = known.get(message.id, message.context) if message.id else None
        if same and same.pluralizable == message.pluralizable:
            message.string, message.user_comments = same.string, same.user_comments
            message.flags |= same.flags & {"fuzzy"}


def read(language: str, content: bytes) -> MessageCatalogue:
    catalogue = MessageCatalogue(language)
    for message in read_po(BytesIO(content), catalogue.locale, DOMAIN, abort_invalid=True):
        if message.id:
            catalogue[message.id] = message
    return catalogue


def po(catalogue: MessageCatalogue) -> bytes:
    file = BytesIO()
    write_po(file, catalogue, width=130, sort_output=True, include_lineno=False)
    return file.getvalue()


def mo(language: str, content: bytes) -> bytes:
    """Compile the translations of a .po for the standard library.

    Other texts stay English.
    """
    catalogue = read(language, content)
    for message in list(catalogue):
        if is_open(message):
            catalogue.delete(message.id, message.context)
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def is_open(message: Message) -> bool:
    """Whether it has no translation, or only a fuzzy one."""
    strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return message.fuzzy or not all(strings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
