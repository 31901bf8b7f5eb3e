"""Which passwords others would guess.

Length and a list of common ones, as NIST SP 800-63B and OWASP ASVS 5.0 (6.2) have it: no rules of composition, any character,
passphrases welcome.
"""

from functools import cache
from pathlib import Path

SHORTEST = 12  # characters
COMMON = Path(__file__).parent / "common_passwords.txt"
FEWEST_CHARACTERS = 5  # different ones
LEAST_BESIDE = 6  # characters beside the names of the person
SHORTEST_NAME = 3  # characters that are looked for in a password
OURS = "roadmap"  # the name of the service
BETTER = "a few words that do not belong together are better"


def weakness(password: str, *names: str) -> str:
    """Why others would guess it; empty when they would not. `names` are those of the person, and what they contain."""
    folded = password.casefold()
    if len(password) < SHORTEST:
        return f"should have at least {SHORTEST} characters"
    if folded.strip() in _common():
        return f"is one of the most common passwords; {BETTER}"
    if len(set(folded)) < FEWEST_CHARACTERS:
        return f"repeats a few characters; {BETTER}"
    rest = folded
    for name in sorted(_parts(names), key=len, reverse=True):
        rest = rest.replace(name, "")
    if len(rest) < LEAST_BESIDE:
        return f"is little more than a name or an address; {BETTER}"
    return ""


def _parts(names: tuple[str, ...]) -> set[str]:
    """An address has a name and a host."""
    parts = {
        part
        for name in (OURS, *names)
        for part in (name.casefold(), *name.casefold().split("@"), *name.casefold().split())
    }
    return {part for part in parts if len(part) >= SHORTEST_NAME}


@cache
def _common() -> frozenset[str]:
    return frozenset(COMMON.read_text("utf-8").splitlines())
