"""One daemon for one state directory: a lock that the kernel frees when its holder dies."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from bwm.errors import BwmError, DatabaseTrouble

NAME = "bwm.lock"


class Lock:
    """Held from the moment it is made until ``release`` or the end of the process."""

    def __init__(self, state_dir: Path) -> None:
        """Raises BwmError when another daemon holds it, DatabaseTrouble when the folder cannot be written."""
        self._path = state_dir / NAME
        try:
            state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = _locked(self._path)
        except OSError as error:
            raise DatabaseTrouble(
                f"{state_dir} cannot be written ({error.strerror}): bwm cannot watch. Check the disk and the folder's "
                "owner."
            ) from error
        os.ftruncate(self._file, 0)  # of the daemon before us, it said that it had started

    def note_started(self) -> None:
        """From now on the database tells of this daemon, and no longer of the one before."""
        os.pwrite(self._file, b"started\n", 0)

    def renew(self) -> None:
        """Have the lock lie in its place again when somebody took it for a leftover: it tells that a daemon runs.

        Raises BwmError when another daemon was faster.
        """
        with suppress(OSError):  # a folder that is closed to us now: whoever writes the database says so
            if not self._path.exists():
                before, self._file = self._file, _locked(self._path)
                os.close(before)
                self.note_started()

    def release(self) -> None:
        """Let another daemon start."""
        os.close(self._file)


def _locked(path: Path) -> int:
    """The open lock. Raises BwmError when another daemon holds it, OSError when it cannot be made."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise BwmError(
            f"Another bwm runs on {path.parent} already. Look at it with `bwm status`, or give this one its own "
            "state_dir."
        ) from None
    return file


def has_started(state_dir: Path) -> bool:
    """Whether the daemon that runs, if any does, has taken over what the one before it left in the database."""
    path = state_dir / NAME
    return path.exists() and path.stat().st_size > 0


def is_held(state_dir: Path) -> bool:
    """Whether a daemon runs on this state directory. Raises PermissionError where this user may not look."""
    path = state_dir / NAME
    if not path.exists():
        return False
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # on a disk that became read-only as well
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
