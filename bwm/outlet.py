"""Standard error that nobody has to wait for: whoever should read it may have stopped doing so, and a daemon that waits
for him watches nothing.
"""

import io
import os
import select
import threading
from typing import TextIO

_AT_ONCE = select.PIPE_BUF  # bytes: what a pipe or socket that is ready takes without making us wait
_MOST_BYTES = 1_000_000  # that are kept for later, some thousand lines


class _Outlet(io.RawIOBase):
    """Writes what is taken at once, keeps the rest for the next time, and drops what is too much."""

    def __init__(self, file: int) -> None:
        super().__init__()
        self._file = file
        self._poll = select.poll()
        self._poll.register(file, select.POLLOUT)
        self._kept = bytearray()
        self._dropped = 0  # lines
        self._turn = threading.RLock()  # a signal may interrupt a write by another one

    def fileno(self) -> int:
        return self._file

    def isatty(self) -> bool:
        return os.isatty(self._file)

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        with self._turn:
            self._give()
            if len(self._kept) + len(data) > _MOST_BYTES:
                self._dropped += bytes(data).count(b"\n")
            else:
                if self._dropped:
                    self._kept += b"<4>level=warning event=log.lines_dropped lines=%d\n" % self._dropped
                    self._dropped = 0
                self._kept += data
                self._give()
            return len(data)

    def flush(self) -> None:
        with self._turn:
            self._give()

    def _give(self) -> None:
        try:
            while self._kept and self._poll.poll(0):
                written = os.write(self._file, self._kept[:_AT_ONCE])
                del self._kept[:written]
        except OSError:  # nobody reads it any more, or its disk is full: the next one that is there hears of it
            self._dropped += self._kept.count(b"\n")
            self._kept.clear()


def outlet(stream: TextIO | None) -> TextIO:
    """A stream to the same place that never waits; without a place, one to nowhere.

    What is no file of the system (in a test) is left as it is.
    """
    if stream is None:  # closed before we were started
        file = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    else:
        try:
            file = stream.fileno()
        except (OSError, ValueError):
            return stream
    return io.TextIOWrapper(_Outlet(file), encoding="utf-8", errors="backslashreplace", write_through=True)  # type: ignore[type-var]
