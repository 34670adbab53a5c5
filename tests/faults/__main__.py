"""python -m tests.faults [--long] [ROW ...] [OPTION ...]: run rows of the table of faults, and print it.

All rows, or those named, e.g. N6 D2; other words are options for pytest, e.g. -n 2.
"""

import re
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def main(words: list[str]) -> int:
    rows = [word.lower() for word in words if re.fullmatch(r"[A-Za-z]\d+", word)]
    options = [word for word in words if word.lower() not in (*rows, "--long")]
    marks = [] if "--long" in words else ["-m", "not long"]
    chosen = ["-k", " or ".join(f"_{row}_" for row in rows)] if rows else []
    return pytest.main([str(HERE.parent if rows else HERE), "-q", *marks, *chosen, *options])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
