"""Tags of notes, which show whether notes have changed since they were read."""

import hashlib


def notes_tag(notes: str) -> str:
    """Return a tag that changes with the notes."""
    return hashlib.sha256(notes.encode()).hexdigest()[:16]
