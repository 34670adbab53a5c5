"""Programs that do harm on request: strace, which makes system calls fail or kill, and libfaketime, which lies
about the time. Found on this machine, else unpacked from Debian's packages without root.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

from regtest.debian import PrivateApt, debian_mirror
from regtest.node import wait_until

CACHE = Path(__file__).resolve().parents[2] / ".node" / "tools"


@cache
def strace() -> list[str]:
    """The beginning of a command line that runs strace. Raises UnavailableError."""
    if found := shutil.which("strace"):
        return [found]
    root = _unpacked("strace")
    libraries = ":".join(str(folder) for folder in root.glob("usr/lib/*-linux-gnu*"))
    return ["env", f"LD_LIBRARY_PATH={libraries}", str(root / "usr/bin/strace")]


@cache
def faketime_library() -> Path:
    """The library to be preloaded. Raises UnavailableError."""
    for folder in Path("/usr/lib").glob("*-linux-gnu*/faketime"):
        return folder / "libfaketime.so.1"
    return next(_unpacked("libfaketime").glob("usr/lib/*/faketime/libfaketime.so.1"))


def _unpacked(package: str) -> Path:
    """The folder that holds a package of the very Debian that runs here: it shares the machine's own libraries."""
    CACHE.mkdir(parents=True, exist_ok=True)
    root = CACHE / package
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second test waits here, then finds what the first one unpacked
        if not root.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                apt = PrivateApt(Path(scratch), debian_mirror(), _codename())
                apt.update()
                fresh = Path(scratch) / "fresh"
                apt.unpack(sorted(apt.closure(package) if package == "strace" else {package}), fresh)
                fresh.rename(root)
    return root


def _codename() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("VERSION_CODENAME="))


WRITING = "pwrite64,fdatasync,fsync,ftruncate"


def killed_at(number: int) -> list[str]:
    """A wrapper under which the program is killed before the Nth write or fsync to disk of any one of its threads."""
    return [*strace(), "-D", "-f", "-o", "/dev/null", "-e", f"trace={WRITING}", *_killing(number)]


@contextmanager
def going_on_to_be_killed(pid: int, number: int) -> Iterator[None]:
    """Let a process go on that has stopped itself as it began; it is killed as under ``killed_at``, meanwhile."""
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "T", "a process that waits")
    with traced(pid, WRITING, Path(os.devnull), *_killing(number)):
        os.kill(pid, signal.SIGCONT)
        yield


def _killing(number: int) -> list[str]:
    return ["-qq", "-e", f"inject={WRITING}:signal=KILL:when={number}"]


def failing(pid: int, calls: str, error: str, log: Path) -> AbstractContextManager[None]:
    """Have system calls (``pwrite64,fdatasync``) of a running process, and of all its threads, fail meanwhile."""
    return traced(pid, calls, log, "-e", f"inject={calls}:error={error}")


@contextmanager
def traced(pid: int, calls: str, log: Path, *options: str) -> Iterator[None]:
    """Have the system calls of a running process written to ``log`` meanwhile, with the names of their files."""
    command = [*strace(), "-f", "-y", "-p", str(pid), "-o", str(log), "-e", f"trace={calls}", *options]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: _is_traced(pid), "the grip of strace")
        yield
    finally:
        tracer.terminate()
        tracer.wait(10)


def _is_traced(pid: int) -> bool:
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        if status["TracerPid"] == "0":
            return False
    return True


class Clock:
    """The wall clock as one daemon sees it: ``daemon.surroundings |= clock.environment``; intervals stay true."""

    def __init__(self, folder: Path, ahead_s: int = 0) -> None:
        self._file = folder / "clock"
        self.environment = {
            "LD_PRELOAD": str(faketime_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.set(ahead_s)

    def set(self, ahead_s: int) -> None:
        """From now on the clock is this far ahead of the true time; behind when negative."""
        self.ahead_s = ahead_s
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead_s:+d}\n")
        fresh.rename(self._file)

    def forward(self, seconds: int) -> None:
        """Let the clock jump."""
        self.set(self.ahead_s + seconds)

    def now(self) -> int:
        """What the daemon takes for the time."""
        return int(time.time()) + self.ahead_s


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A disk of its own under the folder, meanwhile; False where this machine does not let us mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=700,uid={os.getuid()}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "bwm-test", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, mode: str) -> None:
    """Make a small disk read-only (``ro``), or writable again (``rw``)."""
    subprocess.run(["mount", "-o", f"remount,{mode}", folder], check=True)
