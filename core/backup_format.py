"""Backup format: gzip over lines of JSON, written and read as a stream.

The first line is the manifest, `{"table": name}` begins a table, each row is an array of values in
the order of the table's columns, and the last line has the numbers of rows and the SHA-256 of all
lines before it. A truncated or altered file is therefore detected, and `zcat FILE | head -1` shows
the manifest. The checksum protects against accidents, not against forgery.
"""

import errno
import gzip
import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from pydantic import BaseModel, Field, ValidationError

FORMAT, FORMAT_VERSION = "roadmap-backup", 1
LONGEST_LINE = 64 * 1024 * 1024  # bytes; no row is near that
MOST_NODES = 1_000_000  # lists and objects of a line, which take 60 bytes of memory each
JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"')
COMPRESSION_LEVEL = 6  # of compression: higher ones take much longer for little
GZIP_WBITS = 31  # wbits of zlib: with the header and checksum of gzip


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Word = Annotated[str, Field(pattern=r"^\w{1,100}$")]


class NotABackup(Exception):
    """The file cannot be restored; the message says why."""


class Column(BaseModel, extra="forbid", frozen=True):
    name: Name
    kind: str


class TableHead(BaseModel, extra="forbid", frozen=True):
    name: Name
    columns: tuple[Column, ...] = Field(min_length=1, max_length=200)


class Manifest(BaseModel, frozen=True):
    """First line. `left_out` names tables whose rows are not in the backup."""

    format: str
    format_version: int
    mode: Name
    made_at: str = Field(pattern=r"^[0-9T:.+Z-]{1,40}$")
    migrations: tuple[Word, ...]
    left_out: tuple[Name, ...]
    tables: tuple[TableHead, ...] = Field(max_length=500)


class Writer:
    """Writes lines into a compressed file, and their checksum at the end."""

    def __init__(self, sink: BinaryIO, manifest: Manifest) -> None:
        self._sink = sink
        self._zip = zlib.compressobj(COMPRESSION_LEVEL, wbits=GZIP_WBITS)
        self._sum = hashlib.sha256()
        self.rows: dict[str, int] = {}
        self._table, self.size = "", 0  # bytes of the file
        self._write(manifest.model_dump(mode="json"))

    def begin(self, table: str) -> None:
        self._table, self.rows[table] = table, 0
        self._write({"table": table})

    def add(self, values: list[Any]) -> int:
        """Write a row and return its size in bytes before compression."""
        self.rows[self._table] += 1
        return self._write(values)

    def end(self) -> None:
        self._write({"end": {"rows": self.rows, "sha256": self._sum.hexdigest()}})
        self.size += self._sink.write(self._zip.flush())

    def _write(self, document: Any) -> int:
        line = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._sum.update(line)
        self.size += self._sink.write(self._zip.compress(line))
        return len(line)


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[BinaryIO]:
    """Create a file, readable by its owner, whole or not at all. Raises OSError."""
    if path.exists() and not replace:
        raise FileExistsError(f"{path} is there already")
    if path.exists() and not path.is_file():  # as /dev/null, which a rename would replace
        raise OSError(errno.EINVAL, "it is a device, a pipe or the like, and no file")
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(draft, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Reader:
    """Reads a file from beginning to end. Every fault of its content is a NotABackup."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, int] = {}
        self._following: bytes | None = None  # the line after the rows that were read last

    def manifest(self) -> Manifest:
        with closing(self._lines()) as lines:
            return self._parse_manifest(next(lines, b""))

    def tables(self) -> Iterator[tuple[TableHead, Iterator[list[Any]]]]:
        """Yield each table with its rows, which must be read before the next table.

        After the last one the checksum is verified.
        """
        with closing(self._lines()) as lines:
            first = next(lines, b"")
            manifest, digest = self._parse_manifest(first), hashlib.sha256(first)
            heads, self.rows = {each.name: each for each in manifest.tables}, {}
            line = next(lines, b"")
            while "end" not in (document := self._parse_document(line)):
                table = heads.pop(str(document.get("table")), None)
                if table is None:
                    raise NotABackup("it has a table that its header does not list")
                digest.update(line)
                self._following = None
                yield table, self._rows(lines, table, digest)
                if self._following is None:
                    raise NotABackup("it was not read to the end")
                line = self._following
            end, expected = document["end"], {"rows": self.rows, "sha256": digest.hexdigest()}
            if not isinstance(end, dict) or {**end, **expected} != end or heads:
                raise NotABackup("it has changed: the checksum is different")
            if next(lines, b""):
                raise NotABackup("it has data after its end")

    def verify(self) -> dict[str, int]:
        """Read the whole file and return the number of rows by table."""
        return {table.name: sum(1 for _ in rows) for table, rows in self.tables()}

    def _rows(self, lines: Iterator[bytes], table: TableHead, digest: Any) -> Iterator[list[Any]]:
        self.rows[table.name] = 0
        for line in lines:
            if not line.startswith(b"["):
                self._following = line
                return
            digest.update(line)
            row = _parse_line(line)
            if len(row) != len(table.columns):
                raise NotABackup(f"a row of {table.name} does not have its columns")
            self.rows[table.name] += 1
            yield row
        raise NotABackup("it is cut short")

    def _parse_document(self, line: bytes) -> dict[str, Any]:
        if not line:
            raise NotABackup("it is cut short")
        document = _parse_line(line)
        if not isinstance(document, dict):
            raise NotABackup("it is damaged")
        return document

    def _parse_manifest(self, line: bytes) -> Manifest:
        try:
            document = _parse_line(line)
            is_ours = document["format"] == FORMAT
        except (NotABackup, TypeError, KeyError):
            is_ours = False
        if not is_ours:
            raise NotABackup("it is not a backup of this service")
        if document.get("format_version") != FORMAT_VERSION:
            raise NotABackup(
                "a newer version of this service created it; restore it with that version"
            )
        try:
            return Manifest.model_validate(document)
        except ValidationError:
            raise NotABackup("its first line is damaged") from None

    def _lines(self) -> Generator[bytes]:
        """Yield the lines of the file. Raises OSError."""
        with self.path.open("rb") as source, gzip.GzipFile(fileobj=source) as unzipped:
            if source.peek(2)[:2] != b"\x1f\x8b":
                raise NotABackup("it is not a backup of this service")
            try:
                while line := unzipped.readline(LONGEST_LINE):
                    if not line.endswith(b"\n"):
                        is_long = len(line) == LONGEST_LINE
                        raise NotABackup(
                            "it has a line that is too long" if is_long else "it is cut short"
                        )
                    yield line
            except EOFError:
                raise NotABackup("it is cut short") from None
            except (gzip.BadGzipFile, zlib.error):
                raise NotABackup("it is damaged") from None


def _parse_line(line: bytes) -> Any:
    rest = JSON_STRING.sub(b"", line) if len(line) > MOST_NODES else b""
    if rest.count(b"[") + rest.count(b"{") > MOST_NODES:
        raise NotABackup("it is damaged")
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise NotABackup("it is damaged") from None
