"""Looking at processes from outside, as an attacker on the same machine would."""

import time
from collections.abc import Callable
from pathlib import Path


def descendants(pid: int) -> set[int]:
    """All processes that ``pid`` has started, and those that they have started."""
    children: dict[int, set[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            children.setdefault(_parent(entry), set()).add(int(entry.name))
    found: set[int] = set()
    unseen = {pid}
    while unseen:
        unseen = {child for parent in unseen for child in children.get(parent, set())}
        found |= unseen
    return found


def is_running(pid: int) -> bool:
    """Whether it has neither ended nor been collected."""
    try:
        return _status(Path(f"/proc/{pid}"))[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], limit_s: float = 20) -> None:
    """Returns as soon as the condition holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def shown_by(pid: int) -> bytes:
    """What everybody (arguments) and the same user (environment) can read of a process; nothing once it has ended."""
    try:
        return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    except OSError:
        if is_running(pid):
            raise
        return b""


def open_files(pid: int) -> set[str]:
    """What its file descriptors lead to."""
    return {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}


def _parent(entry: Path) -> int:
    try:
        return int(_status(entry)[1])
    except OSError:  # it has just ended
        return 0


def _status(entry: Path) -> list[str]:
    return (entry / "stat").read_text().rpartition(")")[2].split()
