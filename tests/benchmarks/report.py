"""What a benchmark found, as a table for people and as JSON."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One number and what it should be."""

    what: str
    case: str
    value: float
    target: float
    at_least: bool = True  # False: at most
    median_value: float | None = None  # where there were rounds: the same from their medians
    note: str = ""

    @property
    def is_met(self) -> bool:
        """True if the number is on the right side of its target."""
        return self.value >= self.target if self.at_least else self.value <= self.target


def print_table(rows: Sequence[Row]) -> None:
    """A line for each row, on stdout."""
    width = max(len(f"{row.what}: {row.case}") for row in rows)
    print(f"{'':{width}}  {'value':>8} {'median':>8} {'target':>9}")
    for row in rows:
        middle = "" if row.median_value is None else f"{row.median_value:.2f}"
        sign = ">=" if row.at_least else "<="
        verdict = "met" if row.is_met else "NOT MET"
        name = f"{row.what}: {row.case}"
        print(f"{name:{width}}  {row.value:8.2f} {middle:>8} {sign} {row.target:6g}  {verdict:7}  {row.note}".rstrip())


def write_json(rows: Sequence[Row], machine: str, path: Path) -> None:
    """The same as one document."""
    results = [{**asdict(row), "met": row.is_met} for row in rows]
    path.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")


_BEGIN, _END = "<!-- results -->\n", "<!-- end of results -->\n"


def write_readme(rows: Sequence[Row], machine: str, readme: Path) -> None:
    """The same as the table of the README, between two marks that it has."""
    lines = ["| what | case | ratio of minima | ratio of medians | target | met | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        middle = "" if row.median_value is None else number(row.median_value)
        sign = "≥" if row.at_least else "≤"
        met = "yes" if row.is_met else "**no**"
        cells = (row.what, row.case, number(row.value), middle, f"{sign} {row.target:g}", met, row.note)
        lines.append(f"| {' | '.join(cells)} |")
    text = readme.read_text()
    head, _, rest = text.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    table = "\n".join(lines)
    readme.write_text(f"{head}{_BEGIN}Measured on {machine}.\n\n{table}\n{_END}{tail}")


def number(value: float) -> str:
    """Three digits, or as many as a large one has."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def geometric_mean(numbers: Collection[float]) -> float:
    """The mean of ratios."""
    return prod(numbers) ** (1 / len(numbers))
