"""Layout figures of the Python that ships, compared with the committed ones in layout.json.

Lines and docstrings are those of tests and benchmarks, too.

It fails when a figure is worse. `--list` names places, `--write` commits figures that are better.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

from roadmap.generation.tutorial_lint import parse_python

ROOT = Path(__file__).resolve().parent.parent
COMMITTED = "scripts/layout.json"
# Files with words that people read; Python in the folders beside does not ship.
PROSE = ("*.py", "*.html", "README.md", "docs/*.md", "CHANGELOG.md")
BESIDE = ("tests/", "testing/", "benchmarks/", "examples/", "docs/", ".")
RIDDLES = r"(?i)\b(?:told|said|nobody|anew|whoever)\b"
ODD_START = r"(What|Who|Whose|How|When|Where|Which|Nothing|Nobody)\b"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def longest_imports(trees: dict[str, ast.Module]) -> list[str]:
    """Return the longest chain of imports. Raises CycleError where modules import each other."""
    modules = {file[:-3].replace("/", ".").removesuffix(".__init__"): file for file in trees}
    imports = {}
    for module, file in modules.items():
        found: set[str] = set()
        for node in ast.walk(trees[file]):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                found.update(name if name in modules else str(node.module) for name in names)
        imports[module] = found & modules.keys() - {module}
    chains: dict[str, list[str]] = {}
    for module in TopologicalSorter(imports).static_order():
        chains[module] = [module, *max((chains[x] for x in imports[module]), key=len, default=[])]
    return max(chains.values(), key=len)


def matches(pattern: str, texts: dict[str, str]) -> list[str]:
    return [
        f"{file}:{number}: {match[0]}"
        for file, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        for match in re.finditer(pattern, line)
    ]


def measure(root: Path) -> list[tuple[str, float, list[str], str]]:
    """Return each figure: its name, its value, the places that count, and the remedy."""
    command = ["git", "ls-files", "--", *PROSE]
    listed = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout
    files = [file for file in sorted(set(listed.splitlines())) if (root / file).is_file()]
    prose = {file: (root / file).read_text("utf-8", "replace") for file in files}
    python = {file: parse_python(prose[file]) for file in files if file.endswith(".py")}
    trees = {file: tree for file, tree in python.items() if not file.startswith(BESIDE)}
    nodes = [(file, node) for file, tree in trees.items() for node in ast.walk(tree)]
    functions = [(file, node.name) for file, node in nodes if isinstance(node, FUNCTIONS)]
    once = [
        f"{file}: {name}"
        for file, name in functions
        if re.match("_(?!_)", name) and len(re.findall(rf"(?<!\w){name}\b", prose[file])) == 2
    ]
    classes = [(node.name, file) for file, node in nodes if isinstance(node, ast.ClassDef)]
    uses = Counter(
        name for name, file in classes if name != "Meta" and not file.startswith("migrations/")
    )
    twice = sorted(name for name, count in uses.items() if count > 1 and name[0] != "_")
    odd = [
        f"{file}: {docstring.splitlines()[0]}"
        for file, tree in python.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS))
        and re.match(ODD_START, docstring := ast.get_docstring(node) or "")
    ]
    statements = sum(isinstance(node, ast.stmt) for _, node in nodes)
    percent, chain = round(100 * len(once) / len(functions), 1), longest_imports(trees)
    wide, riddles = matches(".{101}.*", {x: prose[x] for x in python}), matches(RIDDLES, prose)
    folder, modules = Counter(str(Path(file).parent) for file in trees).most_common(1)[0]
    return [
        ("statements", statements, ["there is more code"], "remove some, or use a library"),
        ("import depth", len(chain), [" -> ".join(chain)], "import a module of a lower layer"),
        ("private helpers used once, percent", percent, once, "move them to their only call"),
        ("class names used twice", len(twice), twice, "give each class its own name"),
        ("modules in the fullest folder", modules, [folder], "make a package of some"),
        ("lines over 100 columns", len(wide), wide, "break them"),
        ("docstrings like What, Who, How ...", len(odd), odd, "begin with a verb or a noun"),
        ("riddle words", len(riddles), riddles, "name the thing, see docs/GLOSSARY.md"),
    ]


def main(arguments: list[str], root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser("python -m scripts.layout", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the places that count")
    parser.add_argument(
        "--write", action="store_true", help="commit figures that have become lower"
    )
    options = parser.parse_args(arguments)
    figures = measure(root)
    file = root / COMMITTED
    committed = json.loads(file.read_text("utf-8")) if file.exists() else {}
    if options.write:
        committed = {name: min(value, committed.get(name, value)) for name, value, _, _ in figures}
        file.write_text(json.dumps(committed, indent=2) + "\n", "utf-8")
    print(f"{'':36}{'committed':>10}{'now':>10}")
    errors = []
    for name, value, places, fix in figures:
        print(f"{name:36}{committed[name]:>10g}{value:>10g}")
        print("".join(f"    {place}\n" for place in places if options.list), end="")
        if value > committed[name]:
            errors.append(f"""\
error: {name}: {value:g}, but {COMMITTED} has {committed[name]:g}.
  Cause: {"; ".join(places[:4])}
  Fix: {fix} (--list names all). To raise a figure, edit it and give the reason in the commit.""")
    sys.stderr.write("".join(f"{error}\n" for error in errors))
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
