"""Write docs/LICENCES.md, the licences of all locked packages and of those of the extras.

A licence is what the metadata of the package state.

`python -m scripts.licences` writes the page, in the environment of `make test`.
"""

import sys
from email import message_from_string
from email.message import Message
from importlib import metadata
from importlib.metadata import PackageMetadata

from scripts.lock_file import EXTRAS, ROOT, Locked, extra_packages, locked

PAGE = ROOT / "docs" / "LICENCES.md"
Facts = PackageMetadata | Message

# Licences of what a service may use and its image may have. An LGPL library is used unchanged and
# can be replaced.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "LGPL with exceptions",
    "LGPL-3.0-only",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
}
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
STATED = {  # by a licence file alone, not in the metadata
    "huey": "MIT",
    "peewee": "MIT",
}
ELSEWHERE = {  # metadata, as a person has read them, of packages for other machines alone
    name: message_from_string(f"Name: {name}\nLicense-Expression: {stated}\nHome-page: {home}\n")
    for name, stated, home in (
        ("async-timeout", "Apache-2.0", "https://github.com/aio-libs/async-timeout"),
        ("httpx2-jsfetch", "BSD-3-Clause", ""),
        ("pywin32", "PSF-2.0", "https://github.com/mhammond/pywin32"),
    )
}
HOMES = ("homepage", "home", "repository", "source", "source code", "github", "code")
HEAD = """\
# Licences

For people who check licences: every package that production installs beside this code
([MIT](../LICENSE)), as `python -m scripts.licences` writes it from `requirements/service.lock`.
Each licence is the package's own statement; tests compare this page with the installed packages and
with the list in `scripts/licences.py`.

The wheels of psycopg2-binary contain libpq (PostgreSQL licence), OpenSSL (Apache-2.0) and the
libraries that these need. psycopg2 is LGPL: it is unchanged and can be replaced by other builds.
The wheels of nh3 contain Rust crates, unchanged: most are MIT or
Apache-2.0, those of ICU Unicode-3.0, cssparser and dtoa-short MPL-2.0.

`make run-code` also brings, unchanged, [Pyodide](https://github.com/pyodide/pyodide) (MPL-2.0, with
Python under PSF-2.0 and SQLite in the public domain) and [sql.js](https://github.com/sql-js/sql.js)
(MIT), which browsers then get from this service. Their licences are in `web/run/*.LICENSE.txt`.

"""
ADDED = {
    "mcp": """
The extra `mcp` (`requirements/mcp.lock`) adds these; the wheels of cryptography contain OpenSSL
(Apache-2.0):
""",
    "s3": """
The extra `s3` (`requirements/s3.lock`) adds this one. Its wheels contain Rust crates, unchanged:
most are MIT or Apache-2.0, those of ICU Unicode-3.0, those of TLS also ISC and BSD-3-Clause:
""",
}


def main(arguments: list[str]) -> int:
    if arguments:
        print("usage: python -m scripts.licences", file=sys.stderr)
        return 2
    refused, rows = [], []
    added = {extra: extra_packages(extra) for extra in EXTRAS}
    for extra, packages in {"": locked(), **added}.items():
        rows += [ADDED[extra]] if extra else []
        for package in packages:
            facts = ELSEWHERE.get(package.name) or metadata.metadata(package.name)
            rows.append(row(package, facts))
            if not is_allowed(licence(facts)):
                refused.append(f"{package.name}: {licence(facts) or 'no licence stated'}")
    PAGE.write_text(HEAD + "\n".join(rows) + "\n", "utf-8")
    for line in refused:
        print(f"error: a licence that is not on the list: {line}", file=sys.stderr)
    return int(bool(refused))


def row(package: Locked, facts: Facts) -> str:
    """Return the line of a package, with the version of the lock."""
    name, home = f"{package.name} {package.version}", home_page(facts)
    marker = package.requirement.marker
    where = f", only where `{marker}`" if marker else ""
    return f"- {f'[{name}]({home})' if home else name}: {licence(facts)}{where}"


def licence(facts: Facts) -> str:
    """Return the SPDX expression, or the stated licence.

    Several classifiers are a choice.
    """
    if expression := _one(facts, "License-Expression"):
        return expression
    prefix = "License :: OSI Approved :: "
    names = [
        line.removeprefix(prefix)
        for line in facts.get_all("Classifier") or []
        if line.startswith(prefix)
    ]
    if names and all(name in CLASSIFIERS for name in names):
        return " OR ".join(sorted(CLASSIFIERS[name] for name in names))
    stated = _one(facts, "License").strip()
    return stated if stated and "\n" not in stated else STATED.get(facts["Name"], "")


def is_allowed(expression: str) -> bool:
    """Whether all parts of an AND, or one of an OR, are allowed.

    Nested expressions are read by a person.
    """
    return any(
        all(part.strip() in ALLOWED for part in choice.split(" AND "))
        for choice in expression.split(" OR ")
    )


def home_page(facts: Facts) -> str:
    labelled = (line.split(", ", 1) for line in facts.get_all("Project-URL") or [])
    addresses = {label.lower(): address for label, address in labelled}
    found = [addresses[label] for label in HOMES if label in addresses]
    return _one(facts, "Home-page") or (found[0] if found else "")


def _one(facts: Facts, name: str) -> str:
    return str(next(iter(facts.get_all(name) or [""])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
