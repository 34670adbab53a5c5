"""A copy of the database as it is at one moment, made while others go on writing."""

import os
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

from playhouse.db_url import parse

from bwm.db.database import Database
from bwm.errors import DatabaseTrouble, UsageError


def back_up(database: Database, to: Path) -> None:
    """Copy into a new file that only its owner can read; the copy is whole, or there is none.

    Raises UsageError when the file exists or the database is no file, DatabaseTrouble when copying fails.
    """
    if database.path is None:
        raise UsageError("The database is on PostgreSQL: copy it with pg_dump.")
    if to.exists():
        raise UsageError(f"{to} exists already and was not touched. Name another file.")
    part = to.with_name(f"{to.name}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        _copy(database.path, part)
        _to_disk(part)
        part.rename(to)
        _to_disk(to.parent)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise DatabaseTrouble(
            f"The database could not be copied to {to}: {_why(error)}. Nothing was left there."
        ) from error


def database_file(url: str) -> Path:
    """The file of a database by its URL. Raises UsageError when it is none."""
    if not url.startswith("sqlite:"):
        raise UsageError("The database is on PostgreSQL: restore it with pg_restore.")
    return Path(parse(url)["database"])


def restore(backup: Path, to: Path, network: str) -> Path | None:
    """Put a backup in the place of the database, which is moved aside: its new path, or None when there was none.

    Nothing may have the database open. Raises UsageError when the backup is not one of ours or of this network; then
    nothing was changed. DatabaseTrouble when it is damaged or cannot be copied.
    """
    part = to.with_name(f"{to.name}.part")
    try:
        to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        _refuse_foreign(backup, network)
        _copy(backup, part)
        _to_disk(part)
        aside = _move_aside(to)
        part.rename(to)
        _to_disk(to.parent)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise DatabaseTrouble(
            f"{backup} could not be restored: {_why(error)}. Check the file, or try an older one."
        ) from error
    except UsageError:
        part.unlink(missing_ok=True)
        raise
    return aside


def _refuse_foreign(backup: Path, network: str) -> None:
    with closing(sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'setting'").fetchall()
        rows = connection.execute("SELECT value FROM setting WHERE name = 'network'").fetchall() if tables else []
    if rows != [(network,)]:
        belongs = f"of network {rows[0][0]}, not {network}" if rows else "no database of bwm"
        raise UsageError(f"{backup} is {belongs}. Nothing was changed.")


def _move_aside(path: Path) -> Path | None:
    """Keep what is there, with the write-ahead log that belongs to it: it may be all that is left of the last days.

    A log without its database too, for SQLite would take it for that of whatever lies beside it.
    """
    names = (path.with_name(f"{path.name}.before-restore-{n}") for n in count(1))
    aside = next(name for name in names if not (name.exists() or Path(f"{name}-wal").exists()))
    was_there = path.exists()
    for suffix in ("", "-wal"):
        if (old := Path(f"{path}{suffix}")).exists():
            old.rename(f"{aside}{suffix}")
    Path(f"{path}-shm").unlink(missing_ok=True)
    return aside if was_there else None


def _copy(path: Path, part: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=delete")  # one file, without a -wal beside it
        [[answer]] = copy.execute("PRAGMA quick_check(1)").fetchall()
    if answer != "ok":
        raise sqlite3.DatabaseError(f"the copy is damaged: {answer}")


def _why(error: OSError | sqlite3.Error) -> str:
    """In words that name no file: the one that the system speaks of is the part, which nobody knows."""
    return str((isinstance(error, OSError) and error.strerror) or error)


def _to_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
