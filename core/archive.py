"""The file of a backup: gzip over lines of JSON, written and read as a stream.

The first line says what it is, `{"table": name}` begins a table, each row is an array of values in the order of the table's
columns, and the last line counts the rows and has the SHA-256 of all lines before it. So a file that was cut short or altered is
known as such, and `zcat FILE | head -1` shows what a file is. The sum protects from accidents, not from who wants to forge one.
"""

import errno
import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FORMAT, FORMAT_VERSION = "roadmap-backup", 1
LONGEST_LINE = 64 * 1024 * 1024  # bytes; no row is near that
READABLE = 6  # level of compression: what is more takes much longer for little
GZIP = 31  # wbits of zlib: with the header and the sum of gzip


class NotABackup(Exception):
    """The file cannot be restored; the message says why."""


class Column(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    kind: str


class TableHead(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    columns: tuple[Column, ...] = Field(min_length=1, max_length=200)


class Manifest(BaseModel):
    """The first line. `migrations` are those that the database had; `left_out` names tables that the backup is without."""

    model_config = ConfigDict(frozen=True)
    format: str
    format_version: int
    mode: str
    made_at: str
    migrations: tuple[str, ...]
    left_out: tuple[str, ...]
    tables: tuple[TableHead, ...] = Field(max_length=500)


class Writer:
    """Lines into a compressed file, with their sum."""

    def __init__(self, sink: BinaryIO, manifest: Manifest) -> None:
        self._sink = sink
        self._zip = zlib.compressobj(READABLE, wbits=GZIP)
        self._sum = hashlib.sha256()
        self.rows: dict[str, int] = {}
        self._table = ""
        self._write(manifest.model_dump(mode="json"))

    def begin(self, table: str) -> None:
        self._table, self.rows[table] = table, 0
        self._write({"table": table})

    def add(self, values: list[Any]) -> int:
        """How many bytes the row took, before compression."""
        self.rows[self._table] += 1
        return self._write(values)

    def end(self) -> None:
        self._write({"end": {"rows": self.rows, "sha256": self._sum.hexdigest()}})
        self._sink.write(self._zip.flush())

    def _write(self, document: Any) -> int:
        line = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._sum.update(line)
        self._sink.write(self._zip.compress(line))
        return len(line)


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[BinaryIO]:
    """A file that is there as a whole or not at all, for its owner's eyes only. Raises FileExistsError, OSError."""
    if path.exists() and not replace:
        raise FileExistsError(f"{path} is there already")
    if (
        path.exists() and not path.is_file()
    ):  # who may write to /dev/null may not want to replace it
        raise OSError(errno.EINVAL, "it is a device, a pipe or the like, and no file")
    descriptor, draft = tempfile.mkstemp(
        prefix=f".{path.name}.", dir=path.parent
    )  # readable by its owner only
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
    """Reads a file from its beginning to its end. Every problem of its content is a NotABackup."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, int] = {}

    def manifest(self) -> Manifest:
        with self._opened() as lines:
            return self._head(next(lines, b""))

    def tables(self) -> Iterator[tuple[TableHead, Iterator[list[Any]]]]:
        """Each table with its rows, which must be read before the next is asked for; at the end the sum is compared."""
        with self._opened() as lines:
            first = next(lines, b"")
            manifest, digest = self._head(first), hashlib.sha256(first)
            heads = {each.name: each for each in manifest.tables}
            self.rows = {}
            following = self._document(next(lines, b""))
            while "end" not in following[0]:
                table = heads.pop(str(following[0].get("table")), None)
                if table is None:
                    raise NotABackup("it has a table that it does not announce")
                digest.update(following[1])
                state: list[tuple[dict[str, Any], bytes]] = []
                yield table, self._rows(lines, table, digest, state)
                if not state:
                    raise NotABackup("it was not read to the end")
                following = state[0]
            self._compare(following[0]["end"], digest.hexdigest(), heads)
            if next(lines, b""):
                raise NotABackup("it goes on after its end")

    def verify(self) -> dict[str, int]:
        """Rows by table, of a file that is whole."""
        for _, rows in self.tables():
            for _ in rows:
                pass
        return self.rows

    def _rows(
        self, lines: Iterator[bytes], table: TableHead, digest: Any, state: list[Any]
    ) -> Iterator[list[Any]]:
        self.rows[table.name] = 0
        for line in lines:
            if not line.startswith(b"["):
                state.append(self._document(line))
                return
            digest.update(line)
            row = _json(line)
            if len(row) != len(table.columns):
                raise NotABackup(f"a row of {table.name} does not have its columns")
            self.rows[table.name] += 1
            yield row
        raise NotABackup("it is cut short")

    def _document(self, line: bytes) -> tuple[dict[str, Any], bytes]:
        if not line:
            raise NotABackup("it is cut short")
        document = _json(line)
        if not isinstance(document, dict):
            raise NotABackup("it is damaged")
        return document, line

    def _compare(self, end: Any, digest: str, missing: dict[str, TableHead]) -> None:
        if (
            not isinstance(end, dict)
            or end.get("sha256") != digest
            or end.get("rows") != self.rows
            or missing
        ):
            raise NotABackup("it is not as it was written: its sum is another")

    def _head(self, line: bytes) -> Manifest:
        try:
            document = json.loads(line)
            is_ours = document["format"] == FORMAT
        except (ValueError, TypeError, KeyError):
            is_ours = False
        if not is_ours:
            raise NotABackup("it is no backup of this service")
        if document.get("format_version") != FORMAT_VERSION:
            raise NotABackup(
                "a newer version of this service has made it; restore it with that version"
            )
        try:
            return Manifest.model_validate(document)
        except ValidationError:
            raise NotABackup("its first line is damaged") from None

    @contextmanager
    def _opened(self) -> Iterator[Iterator[bytes]]:
        """Raises OSError for a file that cannot be opened."""
        with self.path.open("rb") as source:
            if source.read(2) != b"\x1f\x8b":
                raise NotABackup("it is no backup of this service")
            source.seek(0)
            with gzip.GzipFile(fileobj=source, mode="rb") as unzipped:
                yield _lines(unzipped)


def _lines(source: gzip.GzipFile) -> Iterator[bytes]:
    while True:
        try:
            line = source.readline(LONGEST_LINE)
        except EOFError:
            raise NotABackup("it is cut short") from None
        except (gzip.BadGzipFile, zlib.error):
            raise NotABackup("it is damaged") from None
        if not line:
            return
        if not line.endswith(b"\n"):
            raise NotABackup(
                "it is cut short" if len(line) < LONGEST_LINE else "it has a line without end"
            )
        yield line


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise NotABackup("it is damaged") from None
