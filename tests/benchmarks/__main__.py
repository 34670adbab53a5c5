"""How fast and how small bwm is, everything side by side in one run.

Each number is a ratio of two things timed by turns, for only ratios travel from one machine to another; beside the
ratio of the best rounds stands that of the median rounds. A real node on a private chain is used, and nothing but the
loopback.

    python -m tests.benchmarks --blocks FOLDER --json results.json

FOLDER holds serialised blocks, *.raw. Without it two blocks are made that have the shape of real ones.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import alerts, catch_up, compiled, feed, million, peer, scan
from tests.benchmarks.report import Row, print_table, write_json, write_readme

README = Path(__file__).parents[2] / "README.md"


def parser() -> argparse.ArgumentParser:
    """The options; what they are by default takes some ten minutes."""
    made = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--blocks", type=Path, metavar="FOLDER", help="real blocks, *.raw")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    made.add_argument("--write-readme", action="store_true", help="write the results into the table of the README")
    made.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    made.add_argument("--rounds", type=int, default=7, help="of what takes milliseconds (7)")
    made.add_argument("--long-rounds", type=int, default=3, help="of what takes seconds (3)")
    made.add_argument("--chain", type=int, default=150, metavar="N", help="full blocks to catch up with (150)")
    made.add_argument("--triggers", type=int, default=1_000_000, metavar="N", help="added from a file (1,000,000)")
    made.add_argument("--alerts", type=int, default=1_000, metavar="N", help="told at once (1,000)")
    made.add_argument("--seconds", type=int, default=20, metavar="N", help="of ten transactions each (20)")
    return made


class Run:
    """One run: what its parts have in common is made once."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._library: Path | None = None
        self._blocks = scan.read_blocks(options.blocks)

    @property
    def _compiled(self) -> Path:
        self._library = self._library or compiled.build()
        return self._library

    def _scan(self) -> list[Row]:
        return scan.rows(self._blocks, self._options.rounds)

    def _fast(self) -> list[Row]:
        return compiled.rows(self._blocks, self._compiled, self._options.rounds)

    def _index(self) -> list[Row]:
        return [*scan.memory_rows(), *scan.database_rows(self._options.rounds)]

    def _feed(self) -> list[Row]:
        return feed.rows(self._folder, self._options.seconds)

    def _catch_up(self) -> list[Row]:
        return catch_up.rows(self._folder, self._options.chain, self._compiled, self._options.long_rounds)

    def _alerts(self) -> list[Row]:
        return alerts.rows(self._options.alerts, self._options.long_rounds)

    def _million(self) -> list[Row]:
        return million.rows(self._folder, self._options.triggers)

    def _peer(self) -> list[Row]:
        return peer.rows(max(self._blocks.values(), key=len), self._options.rounds)

    def part(self, name: str) -> list[Row]:
        """The results of one part."""
        parts: dict[str, Callable[[], list[Row]]] = {
            "scan": self._scan,
            "compiled": self._fast,
            "index": self._index,
            "feed": self._feed,
            "catch-up": self._catch_up,
            "alerts": self._alerts,
            "million": self._million,
            "peer": self._peer,
        }
        began = time.monotonic()
        rows = parts[name]()
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        return rows


PARTS = ("scan", "compiled", "index", "feed", "catch-up", "alerts", "million", "peer")


def machine() -> str:
    """This machine in words: processor, cores, Python, date."""
    told = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    facts = {name.strip(): value.strip() for name, _, value in told}
    model = facts.get("model name") or facts.get("Model") or platform.machine()
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, Python {platform.python_version()}, {time.strftime('%Y-%m-%d', time.gmtime())}"


def main() -> int:
    """Run the parts; 1 if an answer was wrong, or a target that is a matter of answers was missed."""
    options = parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="bwm-benchmarks-") as folder:
        run = Run(options, Path(folder))
        rows = [row for name in options.only for row in run.part(name)]
    print(f"\n{machine()}\n")
    print_table(rows)
    if options.json:
        write_json(rows, machine(), options.json)
    if options.write_readme:
        write_readme(rows, machine(), README)
    wrong = [row for row in rows if row.what.startswith(("same answers", "lost")) and not row.is_met]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
