"""Report of `python -m benchmarks.growth`: a section of docs/PERFORMANCE.md."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.figures import number
from benchmarks.growth.plans import MANY, Statement
from benchmarks.growth.points import Curve, Found, found_of
from benchmarks.report import filled

BEGIN = "<!-- written by python -m benchmarks.growth --write -->"
ABOUT = """\
Figures are medians of the rounds, with the load generator on the same cores; times of pages are the
upper bound of the quickest tenth. `python -m benchmarks.growth --write` measures all
curves (`--quick`: the quick form; `--only clients roadmaps`: some). It also explains each
statement, and fails when one reads a table of more than 10,000 rows as a whole."""
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
    """Return a sentence for each day, form and machine, with the curves measured there."""
    runs: dict[str, list[tuple[str, float]]] = {}
    for curve, found in measured:
        machine = found.machine
        cores = f"{machine['cores']} cores" + f" ({machine.get('processor', '')})".replace(
            " ()", ""
        )
        loads = [float(machine[name]) for name in ("load before", "load after") if name in machine]
        run = f"Measured on {found.date} {found.form} on {cores}"
        runs.setdefault(run, []).append((curve.title, max(loads, default=0)))
    return "\n".join(
        filled(
            f"{run}, load up to {max(load for _, load in curves):g}"
            + (f": {', '.join(title for title, _ in curves)}." if len(runs) > 1 else ".")
        )
        for run, curves in runs.items()
    )


def _of_curve(curve: Curve, found: Found) -> str:
    about = filled(curve.about + _of_statements(found))
    return f"### {curve.title}\n\n{curve.summary(found)}\n\n{about}"


def _of_statements(found: Found) -> str:
    """Return a sentence on the statements that read many rows, if plans were read."""
    if not found.explained:
        return ""
    worst = noteworthy(found.statements)
    whole = sum(bool(each.scanned) for each in worst)
    return (
        f" {whole or 'None'} of {found.explained} statements read a large table as a whole, and "
        f"{len(worst) - whole} more than {MANY:,} rows"
        + (f": {'; '.join(map(_described, worst))}." if worst else ".")
    )


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


def _described(each: Statement) -> str:
    whole = "".join(f", {table} as a whole" for table in each.scanned)
    return f"{each.place} ({each.rows:,} rows, {number(each.ms)} ms{whole})"
