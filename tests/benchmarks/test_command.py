"""The one command that measures everything runs to its end, on little of everything."""

import json
import subprocess
import sys

import pytest

from tests.benchmarks.__main__ import PARTS
from tests.benchmarks.report import Row, write_readme

LITTLE = "--rounds 1 --long-rounds 1 --chain 8 --triggers 3000 --alerts 40 --seconds 3"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_part_gives_its_results_and_no_answer_is_wrong(tmp_path):
    results = tmp_path / "results.json"
    parts = [part for part in PARTS if part != "peer"]  # that one installs a package
    command = [sys.executable, "-m", "tests.benchmarks", *LITTLE.split(), "--json", results, "--only", *parts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(results.read_text())
    assert len(written["results"]) > 30
    assert all(row["what"] in done.stdout for row in written["results"])


def test_the_table_of_the_readme_is_replaced_and_nothing_else(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    for value in 1.0, 2.5:
        write_readme([Row("speed", "a block", value, 2, median_value=2.25)], "a machine", readme)
    lines = readme.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert "| speed | a block | 2.5 | 2.25 | ≥ 2 | yes |  |" in lines
    assert "old" not in lines
    assert len(lines) == 9
