"""The files of an open SQLite database: they must stay the ones that were opened, or what is written is lost."""

from pathlib import Path

from bwm.errors import DatabaseTrouble

Identity = tuple[int, int]
"""Device and inode: which file it is, whatever its name."""


class OpenFiles:
    """The database and what SQLite keeps beside it as long as somebody has it open."""

    def __init__(self, path: Path) -> None:
        """Look at the file that is about to be opened. Raises OSError."""
        self._path = path
        self._opened = _identity_of(path)
        self._beside: dict[Path, Identity] = {}  # by when they were seen first

    def refuse_replaced(self) -> None:
        """Raise DatabaseTrouble when another file, or none, lies where one of these was."""
        if _identity_of(self._path) != self._opened:
            raise DatabaseTrouble(
                f"The database {self._path} was removed or replaced while bwm ran; what was written since is lost. "
                "bwm ends. Restore the last backup with `bwm restore`, or bring the file back."
            )
        for beside in (Path(f"{self._path}-wal"), Path(f"{self._path}-shm")):  # https://sqlite.org/wal.html
            now = _identity_of(beside)
            before = self._beside.get(beside)
            if now and not before:
                self._beside[beside] = now
            elif now != before:
                raise DatabaseTrouble(
                    f"{beside}, a part of the database, was removed or replaced while bwm ran: the daemon and the "
                    "commands no longer see what the other writes. bwm ends; its next start checks the database."
                )


def _identity_of(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
