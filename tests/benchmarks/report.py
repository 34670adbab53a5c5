"""What a benchmark found, as a table for people and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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


def write_json(rows: Sequence[Row], path: Path) -> None:
    """The same as one document."""
    path.write_text(json.dumps([{**asdict(row), "met": row.is_met} for row in rows], indent=2) + "\n")
