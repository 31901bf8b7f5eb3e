"""Write the traditional forms of the Chinese characters of words.toml into it.

    python -m tests.goals.traditional Unihan_Variants.txt

The file is part of the Unihan database (Unicode License v3), in Debian's `unicode-data`.
"""

import re
import sys
from pathlib import Path

from roadmap.generation.catalogue.loader import TRACKS

VARIANTS = re.compile(r"^U\+(\w+)\tkSimplifiedVariant\t(.+)", re.MULTILINE)
TABLE = re.compile(r"^traditional = .*\nsimplified = .*\n", re.MULTILINE)


def main() -> None:
    file = TRACKS / "words.toml"
    words = file.read_text("utf-8")
    used = set(TABLE.sub("", words))
    pairs = {
        chr(int(code, 16)): simplified
        for code, variants in VARIANTS.findall(Path(sys.argv[1]).read_text("utf-8"))
        for simplified in (chr(int(each[2:], 16)) for each in variants.split())
        if simplified in used and chr(int(code, 16)) not in used
    }
    old, new = "".join(pairs), "".join(pairs.values())
    file.write_text(TABLE.sub(f'traditional = "{old}"\nsimplified = "{new}"\n', words), "utf-8")


if __name__ == "__main__":
    main()
