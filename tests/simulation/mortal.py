"""Time that we move ourselves, a daemon that can be killed anywhere, and a disk that can be full."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import peewee

from bwm.db.database import PRAGMAS, Database


class VirtualClock:
    """Nothing waits: who would wait moves it."""

    def __init__(self, start: int) -> None:
        self.true = float(start)  # unix seconds
        self.offset = 0.0  # by how much the machine's clock is wrong

    def now(self) -> int:
        return int(self.true + self.offset)

    def monotonic(self) -> float:
        return self.true

    def advance(self, seconds: float) -> None:
        self.true += seconds


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


class MortalSqlite(peewee.SqliteDatabase):
    """SQLite under a daemon that may be killed between any two writes, on a disk that may be full or lose power."""

    reaper: Reaper
    is_full = False
    safe: Path | None = None  # where the files are kept as of the last commit that waited for the disk
    _waits_for_disk = True

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
            for suffix in _FILES:
                shutil.copyfile(f"{self.database}{suffix}", f"{self.safe}{suffix}")
        self.reaper.point()

    def lose_power(self) -> None:
        """What was not waited for is gone. Call when it is closed."""
        if self.safe and self.safe.exists():
            Path(f"{self.database}-shm").unlink(missing_ok=True)
            for suffix in _FILES:
                shutil.copyfile(f"{self.safe}{suffix}", f"{self.database}{suffix}")


class MortalDatabase(Database):
    """The daemon's database, on SQLite that can be made to fail."""

    def __init__(self, url: str, network: str, reaper: Reaper, safe: Path | None = None) -> None:
        """``safe``: where to keep what a power cut leaves; None: there is none."""
        self._reaper = reaper
        self._safe = safe
        super().__init__(url, network)

    def _open(self) -> peewee.Database:
        self.sqlite = MortalSqlite(str(self.path), pragmas={**PRAGMAS, "synchronous": "off"}, autoconnect=False)
        self.sqlite.reaper = self._reaper
        self.sqlite.safe = self._safe
        return self.sqlite
