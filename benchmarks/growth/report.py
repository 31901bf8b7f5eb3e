"""Report of `make bench-growth`: a section of docs/PERFORMANCE.md, and the charts.

Only writing the files has side effects.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.chart import Lines, line_drawing
from benchmarks.figures import number
from benchmarks.growth.plans import MANY, Statement
from benchmarks.growth.points import Curve, Found, found_of, lines, measures
from benchmarks.report import IMAGES, filled
from scripts.marked import markdown as table

HEADING = "How cost grows"
BEGIN, END = "<!-- written by make bench-growth WRITE=1 -->", "<!-- until here -->"
ABOUT = """\
The load generator is a process of its own on the same cores. Figures are medians of the rounds;
times of pages are the upper bound of the quickest tenth. `benchmarks/growth.json` has all points.

`make bench-growth WRITE=1` measures all curves; `ONLY="clients roadmaps"` selects some, and
`QUICK=1` is the quick form. It runs each statement of these pages once more with auto_explain, and
fails when one reads a table of more than 10,000 rows as a whole."""
Everything = Mapping[str, Found]  # by the name of the curve


def read(path: Path) -> dict[str, Found]:
    """Return the results in the file; none when it does not exist."""
    if not path.exists():
        return {}
    return {name: found_of(document) for name, document in json.loads(path.read_text()).items()}


def written(everything: Everything) -> str:
    return json.dumps({name: asdict(found) for name, found in everything.items()}, indent=1) + "\n"


def markdown(everything: Everything, curves: Mapping[str, Curve]) -> str:
    """Return the section: all curves that were measured, in the order of `curves`."""
    measured = [(curve, everything[name]) for name, curve in curves.items() if name in everything]
    parts = [ABOUT, _runs(measured), *(_of_curve(curve, found) for curve, found in measured)]
    return "\n\n".join(parts)


def _runs(measured: Sequence[tuple[Curve, Found]]) -> str:
    """Return a table of the runs that measured the curves."""
    head = ("curve", "measured", "form", "cores", "minutes", "load before", "after")
    rows = []
    for curve, found in measured:
        machine = found.machine
        cores = " ".join(machine[name] for name in ("cores", "processor") if name in machine)
        load = (machine.get("load before", ""), machine.get("load after", ""))
        rows.append(
            (curve.title, found.date, found.form, cores, f"{found.seconds / 60:.1f}", *load)
        )
    return table(head, rows)


def write_section(path: Path, text: str) -> None:
    """Write between the markers, appended if missing; the rest of the file stays."""
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
    """Yield a panel for each measure of more than one point."""
    for measure in measures(found.points):
        drawn = {name: line for name, line in lines(found.points, measure).items() if len(line) > 1}
        if drawn:
            yield Lines(measure, curve.axis, drawn, curve.is_even)


def _of_curve(curve: Curve, found: Found) -> str:
    parts = [
        f"### {curve.title}",
        curve.summary(found),
        f"![{curve.title}]({IMAGES}/{file_name(curve.name)})",
        filled(curve.about),
        *_of_statements(found),
    ]
    return "\n\n".join(parts)


def _of_statements(found: Found) -> Iterator[str]:
    """Yield the statements that read many rows, if plans were read."""
    if not found.explained:
        return
    worst = noteworthy(found.statements)
    whole = sum(bool(each.scanned) for each in worst)
    yield filled(
        f"Of {found.explained} statements, {whole} read a large table as a whole and "
        f"{len(worst) - whole} read more than {MANY:,} rows at one node of the plan"
        + (":" if worst else ".")
    )
    if worst:
        head = ("statement of", "at", "rows", "ms", "tables as a whole")
        yield table(head, map(_row, worst))


def noteworthy(statements: Sequence[Statement]) -> list[Statement]:
    """Return each statement once, at its largest amount."""
    found: dict[str, Statement] = {}
    for each in statements:
        if each.is_noteworthy and (
            each.text not in found
            or (each.x, each.rows) > (found[each.text].x, found[each.text].rows)
        ):
            found[each.text] = each
    return sorted(found.values(), key=lambda each: -each.ms)


def _row(each: Statement) -> tuple[str, ...]:
    whole = ", ".join(each.scanned) or "none"
    return each.place, f"{each.x:,.0f}", f"{each.rows:,}", number(each.ms), whole
