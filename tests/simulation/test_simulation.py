"""Seeded worlds of faults: nothing is missed, nothing is lost, and every planted bug of a sample is caught."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SEEDS, STEPS = 60, 60
LONG_SEEDS, LONG_STEPS = 10_000, 300

PLANTED = (
    "cursor written before the events",
    "delivery marked done before it is sent",
    "feed trusted without asking the node",
    "mempool never looked at",
    "reorg ignores sightings",
    "rewind one block too few",
)
"""Bugs that few seeds suffice to find; the campaign takes any of tests/simulation/mutants.py by name."""


def simulate(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", *options]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def broken_promises(seeds: int, steps: int) -> set[tuple[str, str]]:
    """The promises that must never be broken, with how often they were, as the campaign's table says it."""
    done = simulate("--seeds", str(seeds), "--steps", str(steps))
    found = re.findall(r"^(misses|losses|duplicates|other violations) +([\d,]+)$", done.stdout, re.MULTILINE)
    assert len(found) == 4, done.stderr
    return {(name, count) for name, count in found if count != "0"}


@pytest.mark.timeout(600)
def test_no_fault_makes_it_miss_a_trigger_or_lose_an_alert():
    assert broken_promises(SEEDS, STEPS) == set()


@pytest.mark.long
@pytest.mark.timeout(24 * 3600)
def test_no_fault_makes_it_miss_or_lose_in_the_long_campaign():
    assert broken_promises(LONG_SEEDS, LONG_STEPS) == set()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug):
    done = simulate("--mutant", bug, "--seeds", "60", "--steps", "60", "--until-failure")
    assert done.returncode == 1, f"60 seeds did not see that: {bug}"
