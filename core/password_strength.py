"""Password strength: length and a list of common passwords.

By NIST SP 800-63B and OWASP ASVS 5.0 (6.2): no rules of composition, any character, passphrases
welcome.
"""

from pathlib import Path

SHORTEST = 12  # characters
COMMON = Path(__file__).parent / "common_passwords.txt"
FEWEST_CHARACTERS = 5  # different ones
LEAST_BESIDE = 6  # characters beside the names of the person
SHORTEST_NAME = 3  # characters of a name that counts
OURS = "roadmap"  # the name of the service
BETTER = "use several unrelated words instead"


def password_weakness(password: str, *names: str) -> str:
    """Return why a password is easy to guess, or "". `names` are the user's."""
    folded = password.casefold()
    if len(password) < SHORTEST:
        return f"should have at least {SHORTEST} characters"
    if f"\n{folded.strip()}\n" in "\n" + COMMON.read_text("utf-8"):
        return f"is one of the most common passwords; {BETTER}"
    if len(set(folded)) < FEWEST_CHARACTERS:
        return f"repeats a few characters; {BETTER}"
    words = {  # an address has a name and a host
        word
        for name in map(str.casefold, (OURS, *names))
        for word in (name, *name.split("@"), *name.split())
        if len(word) >= SHORTEST_NAME
    }
    for word in sorted(words, key=len, reverse=True):
        folded = folded.replace(word, "")
    if len(folded) < LEAST_BESIDE:
        return f"is too similar to a name or an address; {BETTER}"
    return ""
