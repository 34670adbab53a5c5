"""The table itself: each of its rows is tried by some test."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.faults.rows import ROWS
from tests.faults.table import rows_of

TESTS = Path(__file__).resolve().parent.parent


def tried() -> Iterator[str]:
    for file in TESTS.rglob("test_*.py"):
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE):
            yield from rows_of(f"{file.name}::{name}")


def test_every_row_is_tried():
    assert set(ROWS) - set(tried()) == set()
