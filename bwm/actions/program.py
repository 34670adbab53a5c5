"""Running a program of the owner's: data on its standard input only, a clean environment, hard limits.

What it is told never stands in its arguments or environment, so no label can become an option or a command. It runs in
a session of its own below a small parent (``launch.py``), which kills whatever is left of it when it is over, or over
time, or says too much: also what left that session.
"""

import os
import selectors
import stat
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bwm.errors import BwmError

MOST_OUTPUT = 64 * 1024  # bytes, of each of the two outputs
_TIME_TO_END_S = 3
_LAUNCHER = Path(__file__).with_name("launch.py")
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ProgramFailed(BwmError):
    """A program did not do its work: it could not be run, failed, took too long or said too much."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and within which limits."""

    argv: Sequence[str]
    timeout_s: int
    run_as: str | None = None  # a user; only root can become another


def refuse_unsafe(path: str) -> None:
    """Raise ProgramFailed for a program that cannot be run, or that others than its owner and root could change."""
    place = Path(path)
    try:
        status = place.stat()
        real = place.resolve(strict=True)
    except OSError as error:
        raise ProgramFailed(f"{path} cannot be run: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode) or not os.access(real, os.X_OK):
        raise ProgramFailed(f"{path} is no program that can be run. Run: chmod 755 {path}")
    for part in {place, real, *place.absolute().parents, *real.parents}:
        found = part.stat()
        if found.st_uid not in (0, os.geteuid()):
            raise ProgramFailed(f"{path} is not run: {part} belongs to another user, who could change it")
        is_sticky_folder = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_mode & _OTHERS_MAY_WRITE and not is_sticky_folder:
            raise ProgramFailed(f"{path} is not run: others can write {part}. Run: chmod go-w {part}")


def run(program: Program, stdin: bytes, variables: Mapping[str, str]) -> bytes:
    """What the program wrote to its standard output. Raises ProgramFailed.

    ``variables``: what it finds in its environment besides a path and a language; never a secret.
    """
    refuse_unsafe(program.argv[0])
    command = [sys.executable, "-I", "-S", str(_LAUNCHER), str(program.timeout_s + 1), program.run_as or "-"]
    try:
        process = subprocess.Popen(
            [*command, *program.argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**_ENVIRONMENT, **variables},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramFailed(f"{program.argv[0]} cannot be run: {error.strerror}") from None
    with process:
        try:
            conversation = _Conversation(process, program.argv[0], stdin)
            out, err = conversation.hold(time.monotonic() + program.timeout_s)
            return _outcome(program, process, out, err)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Have its parent end the program and all that it began; when that is over by itself, it has done so."""
    process.terminate()
    try:
        process.wait(_TIME_TO_END_S)
    except subprocess.TimeoutExpired:  # too much was begun: at least the program itself dies with its parent
        process.kill()


def _outcome(program: Program, process: "subprocess.Popen[bytes]", out: bytes, err: bytes) -> bytes:
    name = program.argv[0]
    code = process.wait(timeout=1)
    if code == 0:
        return out
    words = err.decode(errors="replace").strip().splitlines()
    said = f": {_printable(words[-1])}" if words else ""
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    raise ProgramFailed(f"{name} {ended}{said}")


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:200]


class _Conversation:
    """What goes in and out of a program while it runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", name: str, stdin: bytes) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self._process, self._name = process, name
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._left = memoryview(stdin)
        self._said = {self._stdout.fileno(): bytearray(), self._stderr.fileno(): bytearray()}

    def hold(self, deadline: float) -> tuple[bytes, bytes]:
        """Until it ends. Raises ProgramFailed when it takes too long or says too much."""
        with selectors.DefaultSelector() as selector:
            for pipe in (self._stdin, self._stdout, self._stderr):
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_WRITE if pipe is self._stdin else selectors.EVENT_READ)
            while not self._is_over(selector):
                if time.monotonic() > deadline:
                    raise ProgramFailed(f"{self._name} took too long and was ended")
                for key, _ in selector.select(0.05):
                    self._step(selector, key)
        return bytes(self._said[self._stdout.fileno()]), bytes(self._said[self._stderr.fileno()])

    def _is_over(self, selector: selectors.BaseSelector) -> bool:
        """It ended and nothing more is to be read; what it left running may hold its outputs open."""
        if self._process.poll() is None:
            return False
        ready = {key.fd for key, _ in selector.select(0)}
        return ready.isdisjoint(self._said)

    def _step(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        if key.fd not in self._said:
            self._feed()
            if not self._left:
                selector.unregister(key.fileobj)
                with suppress(BrokenPipeError):
                    self._stdin.close()
            return
        chunk = os.read(key.fd, MOST_OUTPUT)
        if not chunk:
            selector.unregister(key.fileobj)
        self._said[key.fd] += chunk
        if len(self._said[key.fd]) > MOST_OUTPUT:
            raise ProgramFailed(f"{self._name} wrote more than {MOST_OUTPUT} bytes and was ended")

    def _feed(self) -> None:
        """A program need not read what it is told."""
        try:
            self._left = self._left[os.write(self._stdin.fileno(), self._left[:4096]) :]
        except BrokenPipeError:
            self._left = self._left[:0]
