"""The table of faults: which rows ran, with how many seeds, and what was missed, lost or doubled on the way.

Its two hooks are those of tests/conftest.py, so the table ends every run of pytest in which a row of it ran.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults.rows import ROWS

_NAME = re.compile(r"::test_((?:[a-z]\d+_)+)")


@dataclass
class Row:
    """What the tests of one row have come to."""

    runs: int = 0
    failed: int = 0
    skipped: int = 0
    seeds: set[str] = field(default_factory=set)
    numbers: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def outcome(self) -> str:
        if self.failed:
            return "NOT SURVIVED"
        return "survived" if self.runs else "skipped" if self.skipped else "not run"


_table: dict[str, Row] = {}


def rows_of(nodeid: str) -> list[str]:
    """The rows that a test stands for, by its name: ``test_a1_a2_a_bad_...`` is A1 and A2."""
    found = _NAME.search(nodeid)
    return [row.upper() for row in found[1].strip("_").split("_") if row.upper() in ROWS] if found else []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name in rows_of(report.nodeid):
        row = _table.setdefault(name, Row())
        row.skipped += report.skipped
        row.failed += report.failed
        if report.when == "call" and report.passed:
            row.runs += 1
            row.seeds.update(re.findall(r"seed\d+", report.nodeid))
            for key, value in report.user_properties:
                row.numbers[key].append(value)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _table:
        terminalreporter.section("faults")
        for line in lines(_table):
            terminalreporter.write_line(line)


def lines(table: dict[str, Row]) -> Iterator[str]:
    """The table as text, in Markdown."""
    yield "| fault | | outcome | runs | seeds | kill points | thefts | missed | lost | doubled |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name, row in sorted(table.items(), key=lambda item: (item[0][0], int(item[0][1:]))):
        numbers = {key: int(sum(values)) for key, values in row.numbers.items()}
        cells = [name, ROWS.get(name, ""), row.outcome, row.runs, len(row.seeds)]
        cells += [numbers.get(key, 0) for key in ("kill points", "thefts", "missed", "lost", "doubled")]
        yield f"| {' | '.join(map(str, cells))} |"
    yield from _sums(table)


def _sums(table: dict[str, Row]) -> Iterator[str]:
    kill_points = int(sum(sum(row.numbers["kill points"]) for row in table.values()))
    survived = sum(row.outcome == "survived" for row in table.values())
    yield f"{survived} of {len(table)} rows survived; {kill_points} kill points."
    for key in ("with the feed", "without the feed"):
        times = sorted(time for row in table.values() for time in row.numbers[key])
        if times:
            p50, p99 = (times[math.ceil(len(times) * share) - 1] for share in (0.5, 0.99))
            yield f"Detection {key}: p50 {p50:.2f} s, p99 {p99:.2f} s over {len(times)} thefts."
