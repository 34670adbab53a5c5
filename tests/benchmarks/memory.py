"""How much memory a process takes that watches so many keys: ``python -m tests.benchmarks.memory COUNT``."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from bwm.watch.index import KeyFilter


def resident_bytes() -> int:
    """What this process occupies now (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def proportional_bytes(pid: int) -> int:
    """What a process has for itself, and its share of what it has with others (Linux)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def measure(count: int) -> tuple[int, int]:
    """Bytes before and after, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.memory", str(count)]
    before, after, _ = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(before), int(after)


def main() -> None:
    """Load what the daemon needs to follow the chain, then watch so many random keys."""
    import_module("bwm.daemon.follow_chain")
    count = int(sys.argv[1])
    before = resident_bytes()
    watched = KeyFilter((os.urandom(36) for _ in range(count)), expected=count)
    print(before, resident_bytes(), len(watched))


if __name__ == "__main__":
    main()
