"""Time that we move ourselves, a daemon that can be killed anywhere, and a disk that can be full."""

import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import peewee

from bwm.db.database import PRAGMAS, Database
from tests.simulation.compiled import Compiler


class VirtualClock:
    """Nothing waits: who would wait moves it."""

    def __init__(self, start: int) -> None:
        self.true = float(start)  # unix seconds
        self.offset = 0.0  # by how much the machine's clock is wrong
        self.set_back_at: list[float] = []  # by the true time

    def now(self) -> int:
        return int(self.true + self.offset)

    def monotonic(self) -> float:
        return self.true

    def advance(self, seconds: float) -> None:
        self.true += seconds

    def set_wrong_by(self, offset: float) -> None:
        if offset < self.offset:
            self.set_back_at.append(self.true)
        self.offset = offset


class Killed(BaseException):
    """The daemon is dead. No ``except Exception`` may notice, as none would notice SIGKILL."""


class Reaper:
    """Kills the daemon at one of the points where it matters: before and after each write, commit, RPC and send."""

    def __init__(self) -> None:
        self.is_armed = False
        self.is_dead = False
        self._left = 0
        self._paused = 0

    def arm(self, points: int) -> None:
        """Kill at the point of that number from now on."""
        self.is_armed, self._left = True, points

    def revive(self) -> None:
        """A new process begins."""
        self.is_armed = self.is_dead = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside is not done by the daemon."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    @property
    def is_paused(self) -> bool:
        return self._paused > 0

    def point(self) -> None:
        """The daemon is about to do something, or has just done it."""
        if self._paused:
            return
        if self.is_dead:
            raise Killed
        if self.is_armed:
            self._left -= 1
            if self._left < 0:
                self.is_dead = True
                raise Killed


_WRITES = ("INSERT", "UPDATE", "DELETE")
_FILES = ("", "-wal")
_COMPILER = Compiler()
_SMALL = {"synchronous": "off", "wal_autocheckpoint": 64}  # pages: what a power cut leaves is copied at each commit


class MortalSqlite(peewee.SqliteDatabase):
    """SQLite under a daemon that may be killed between any two writes, on a disk that may be full or lose power."""

    reaper: Reaper
    is_full = False
    safe: Path | None = None  # where the files are kept as of the last commit that waited for the disk
    _waits_for_disk = True
    _kept_as_of: tuple[int, int] | None = None

    def execute(self, query: Any, **options: Any) -> Any:
        return self.execute_sql(*_COMPILER.compile(query, self))

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        if self.reaper.is_dead and not self.reaper.is_paused:
            raise Killed
        if sql.startswith("PRAGMA synchronous="):
            self._waits_for_disk = sql.endswith("=full")
        if sql.lstrip().startswith(_WRITES):
            self.reaper.point()
            if self.is_full and not self.reaper.is_paused:
                raise peewee.OperationalError("database or disk is full")
        return super().execute_sql(sql, params)

    def commit(self) -> None:
        self.reaper.point()
        super().commit()
        if self.safe and self._waits_for_disk:
            self._keep_safe(self.safe)
        self.reaper.point()

    def _keep_safe(self, safe: Path) -> None:
        """Its own file changes only when the WAL is written back to it."""
        status = Path(str(self.database)).stat()
        if self._kept_as_of != (status.st_size, status.st_mtime_ns):
            self._kept_as_of = (status.st_size, status.st_mtime_ns)
            shutil.copyfile(str(self.database), safe)
        shutil.copyfile(f"{self.database}-wal", f"{safe}-wal")

    def lose_power(self) -> None:
        """What was not waited for is gone. Call when it is closed."""
        if self.safe and self.safe.exists():
            Path(f"{self.database}-shm").unlink(missing_ok=True)
            for suffix in _FILES:
                shutil.copyfile(f"{self.safe}{suffix}", f"{self.database}{suffix}")


@cache
def _new(network: str) -> bytes:
    """The file of a database in which nothing is written yet: to make the same tables for each seed takes long."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/new.sqlite", network)
        with database.connection():
            deque(database.rows("PRAGMA wal_checkpoint(TRUNCATE)"))
        return (Path(folder) / "new.sqlite").read_bytes()


class MortalDatabase(Database):
    """The daemon's database, on SQLite that can be made to fail."""

    def __init__(self, url: str, network: str, reaper: Reaper, safe: Path | None = None) -> None:
        """``safe``: where to keep what a power cut leaves; None: there is none."""
        self._reaper = reaper
        self._safe = safe
        super().__init__(url, network)

    def _open(self) -> peewee.Database:
        if not Path(str(self.path)).exists():
            Path(str(self.path)).write_bytes(_new(self.network))
        self.sqlite = MortalSqlite(str(self.path), pragmas={**PRAGMAS, **_SMALL}, autoconnect=False)
        self.sqlite.reaper = self._reaper
        self.sqlite.safe = self._safe
        return self.sqlite

    def _migrate(self) -> None:
        """It was made with all its tables."""
