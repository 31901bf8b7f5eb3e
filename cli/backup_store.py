"""Places of several backups: a folder, or a prefix of S3-compatible storage (the extra `s3`).

A place is a Path or an S3Store of obstore. Backups there are named by time, and only files with
such a name are ever deleted.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from cli.output import CommandFailed
from core.backup_format import new_file

NAME_FORMAT = "roadmap-%Y-%m-%dT%H%M%SZ.backup"
NAME = re.compile(r"roadmap-\d{4}-\d\d-\d\dT\d{6}Z\.backup", re.ASCII)
URL = r"https?://[\w.:\[\]-]+(/\S*)?"
# Other values end obstore without a word of why.
VALID_VALUES = {
    "the address": r"s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/[^?#]*)?",
    **dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"), URL),
    **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), r"[!-~]+"),
    **dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), r"[\w-]+"),
}
# Patterns of errors, with cause and fix. The errors themselves may quote signed requests.
CAUSES = {
    r"^\[Errno": "the temporary file cannot be written. Free some space, or set TMPDIR",
    "<Code>NoSuchBucket": "the bucket does not exist. Create it, or correct its name",
    "<Code>NoSuchKey": "there is no such backup. Choose another",
    "<Code>(AuthorizationHeaderMalformed|PermanentRedirect)": "the bucket is in another region. "
    "Set AWS_REGION",
    r"http://169\.254\.": "no credentials are set. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "status code: 40[13]": "the server refuses the credentials. Check AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, and that they may list, read, write and delete there",
    "status code: ": "the server refuses the request. Check AWS_ENDPOINT_URL, or try again later",
    "": "the server cannot be reached. Check AWS_ENDPOINT_URL and the network",
}


@contextmanager
def open_place(address: str) -> Iterator[Any]:
    """Yield the place of an address. Raises CommandFailed with cause and fix for storage."""
    if not address.startswith("s3://"):
        yield Path(address)
        return
    try:
        from obstore import exceptions, store  # the extra
    except ImportError:
        raise CommandFailed(
            "S3 storage is not installed. Run `make s3` in a checkout, or install the wheel "
            "with its extra `s3` (docs/OPERATIONS.md)."
        ) from None
    if wrong := [
        name
        for name, value in {**os.environ, "the address": address}.items()
        if value and not re.fullmatch(VALID_VALUES.get(name, "(?s).*"), value)
    ]:
        raise CommandFailed(f"The storage cannot be used: {wrong[0]} is malformed. Correct it.")
    try:
        yield store.S3Store.from_url(
            address,
            config={"disable_bulk_delete": True},  # not every server has it
            client_options={
                "allow_http": os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:"),
                "timeout": "5 minutes",  # of one part
            },
            retry_config={"max_retries": 6},
        )
    except (exceptions.BaseError, OSError) as error:
        raise CommandFailed(
            f"{address} cannot be used: "
            f"{next(CAUSES[each] for each in CAUSES if re.search(each, str(error)))}."
        ) from None


@contextmanager
def upload(store: Any, name: str) -> Iterator[Any]:
    """Upload a file in parts of 10 MiB while it is written. It appears when it is complete."""
    from obstore import open_writer  # the extra

    yield (sink := open_writer(store, name, buffer_size=10 * 1024 * 1024, max_concurrency=2))
    sink.close()  # after an error it is not called, and no file appears


@contextmanager
def new_backup(folder: str, name: str, *, replace: bool) -> Iterator[AbstractContextManager[Any]]:
    """Yield what opens a new backup for writing. Raises CommandFailed, also for its block."""
    file = os.path.join(folder, name)
    try:
        with open_place(folder) as place:
            is_local = isinstance(place, Path)
            yield new_file(place / name, replace=replace) if is_local else upload(place, name)
    except FileExistsError:
        raise CommandFailed(
            f"{file} already exists. Choose another file, or replace it with --force."
        ) from None
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise CommandFailed(
            f"{file} cannot be written{': not enough space' if is_full else ''} "
            f"({error.strerror}). {'No partial file remains. ' if is_full else ''}"
            "Choose another path."
        ) from None


def list_backups(place: Any) -> list[str]:
    """Return the names of the backups of a place, the oldest first."""
    names = (
        [each.name for each in place.iterdir() if each.is_file()]
        if isinstance(place, Path)
        else [each["path"] for each in place.list_with_delimiter()["objects"]]
    )
    return sorted(filter(NAME.fullmatch, names))


def delete_old(place: Any, newest: str, keep: int) -> list[str]:
    """Delete the oldest backups but `keep`, never `newest`, and return their names."""
    old = [each for each in list_backups(place)[:-keep] if each != newest]
    for each in old:
        if isinstance(place, Path):
            (place / each).unlink()
        else:
            place.delete(each)
    return old


@contextmanager
def local_file(address: str) -> Iterator[tuple[str, Path]]:
    """Yield the address of a backup, and its file: of S3 a copy, after a / the latest one."""
    if not address.startswith("s3://"):
        yield address, Path(address)
        return
    if "/" not in address.removeprefix("s3://"):
        address += "/"
    prefix, _, name = address.rpartition("/")
    with NamedTemporaryFile(prefix="roadmap-restore-") as file:
        with open_place(prefix) as store:
            name = name or max(list_backups(store), default="latest")
            file.writelines(store.get(name))
            file.flush()
        yield f"{prefix}/{name}", Path(file.name)
