"""From what was found to what people read: a section of docs/PERFORMANCE.md, and the charts. Pure, but for writing the files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.chart import Lines, line_drawing
from benchmarks.figures import number
from benchmarks.growth.plans import MANY, Statement
from benchmarks.growth.points import Curve, Found, found_of, growth, lines, measures
from benchmarks.report import IMAGES, listed

HEADING = "How cost grows"
BEGIN, END = "<!-- written by make bench-growth WRITE=1 -->", "<!-- until here -->"
TOLD = 300  # characters of a statement
ABOUT = """\
Curves, not points: each figure over how much there is of something. Load comes from `benchmarks/load`, in a process of its own on
the same cores; figures are medians of the rounds, and move with what else the machine does: their shape counts. `make
bench-growth ONLY="clients roadmaps"` measures some of them, QUICK=1 is the quick form, and the command fails when a statement of
a page, of the API or of upkeep reads a table of more than 10,000 rows as a whole."""
Everything = Mapping[str, Found]  # by the name of the curve


def read(path: Path) -> dict[str, Found]:
    """What was written before; nothing where there is no such file."""
    if not path.exists():
        return {}
    return {name: found_of(document) for name, document in json.loads(path.read_text()).items()}


def written(everything: Everything) -> str:
    return json.dumps({name: asdict(found) for name, found in everything.items()}, indent=1) + "\n"


def markdown(everything: Everything, curves: Mapping[str, Curve]) -> str:
    """Of all curves that were measured, in the order of `curves`."""
    return "\n\n".join(
        [
            ABOUT,
            *(
                _of_curve(curve, everything[name])
                for name, curve in curves.items()
                if name in everything
            ),
        ]
    )


def write_section(path: Path, text: str) -> None:
    """Between the markers of the section, which is made at the end where there is none; everything else of the file stays."""
    page = path.read_text() if path.exists() else ""
    if BEGIN not in page:
        page = page.rstrip("\n") + f"\n\n## {HEADING}\n\n{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def write_charts(folder: Path, everything: Everything, curves: Mapping[str, Curve]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in everything.items():
        (folder / file_name(name)).write_text(
            line_drawing(curves[name].title, list(panels(curves[name], found)))
        )


def file_name(curve: str) -> str:
    return f"growth-{curve}.svg"


def panels(curve: Curve, found: Found) -> Iterator[Lines]:
    """One for each measure that was taken at more than one point."""
    for measure in measures(found.points):
        drawn = {name: line for name, line in lines(found.points, measure).items() if len(line) > 1}
        if drawn:
            yield Lines(measure, curve.axis, drawn, curve.is_even)


def _of_curve(curve: Curve, found: Found) -> str:
    about = (
        f"Measured on {found.date} ({found.form}) in {found.seconds / 60:.1f} minutes. Machine: {listed(found.machine)}. "
        f"Versions: {listed(found.versions)}. Servers: {listed(found.settings)}."
    )
    parts = [
        f"### {curve.title}",
        curve.said(found),
        f"![{curve.title}]({IMAGES}/{file_name(curve.name)})",
        curve.about,
    ]
    parts += [
        f"<details><summary>All figures</summary>\n\n{_table(curve, found)}\n\n{about}\n\n</details>"
    ]
    return "\n\n".join(parts + list(_of_statements(found)))


def _table(curve: Curve, found: Found) -> str:
    """A row for each line, a column for each point; of more than eight, some."""
    amounts = sorted({point.x for point in found.points})
    shown = (
        amounts if len(amounts) <= 8 else sorted({*amounts[:: -(-len(amounts) // 6)], amounts[-1]})
    )
    head = ["", f"{curve.axis}:", *(f"{x:,.0f}" for x in shown), "last to first"]
    rows = [head, ["---"] * len(head)]
    for measure in measures(found.points):
        for name, line in lines(found.points, measure).items():
            figures = [number(line[x]) if x in line else "" for x in shown]
            rows.append([measure, name, *figures, f"{growth(line):.2f}" if len(line) > 1 else ""])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _of_statements(found: Found) -> Iterator[str]:
    """Of a curve whose plans were looked at: what reads a table whole, or many rows of it."""
    if not found.explained:
        return
    worst = noteworthy(found.statements)
    whole = [each for each in worst if each.scanned]
    many = [each for each in worst if not each.scanned]
    yield (
        f"Of {found.explained} different statements {len(whole)} read a large table as a whole, and {len(many)} look at more "
        f"than {MANY:,} rows at one place of their plan" + (":" if worst else ".")
    )
    if worst:
        yield "\n".join(_said(each) for each in worst)


def noteworthy(statements: Sequence[Statement]) -> list[Statement]:
    """Each once, at the largest amount at which it was seen."""
    found: dict[str, Statement] = {}
    for each in statements:
        if each.is_noteworthy and (
            each.text not in found
            or (each.x, each.rows) > (found[each.text].x, found[each.text].rows)
        ):
            found[each.text] = each
    return sorted(found.values(), key=lambda each: -each.ms)


def _said(each: Statement) -> str:
    reads = (
        f"reads {', '.join(each.scanned)} as a whole"
        if each.scanned
        else f"looks at {each.rows:,} rows"
    )
    text = each.text if len(each.text) <= TOLD else f"{each.text[:TOLD]} ..."
    return f"- {each.place}, at {each.x:,.0f}: {reads}, {number(each.ms)} ms: `{text}`"
