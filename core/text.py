"""Text that every database takes."""


def storable(text: str) -> str:
    """Without NUL, which PostgreSQL refuses, and without half a surrogate pair, which no encoding has."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
