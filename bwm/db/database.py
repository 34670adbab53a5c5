"""Opening the database: one file, or one PostgreSQL, behind the models of schema.py."""

import fcntl
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import peewee
from playhouse.db_url import parse
from playhouse.migrations import Runner

from bwm.db import postgres
from bwm.db.open_files import OpenFiles
from bwm.db.schema import Setting, proxy
from bwm.db.settings import DATABASE_ID
from bwm.errors import BwmError, DatabaseTrouble, DatabaseUnwritable

MIGRATIONS = Path(__file__).parent / "migrations"

_PASSING = ("disk is full", "database is locked", "readonly database")
"""What SQLite says of troubles that need no restart."""

_DAMAGE = ("malformed", "not a database")

_PATIENCE_S, _LOOK_AGAIN_S = 5.0, 0.02  # with a file that another process is just making

_REVIVING_S = 0.5  # a server that is there takes some hundredths of a second
_AWAY_S = 1.0  # that a server which was away just now is not asked for again

_TURN_S = 1.0  # that a thread waits for the others of its process

_CHECKED_AT_ONCE = 50_000_000
"""Bytes: a file of this size is read through in a tenth of a second, and one for a million triggers in some."""

PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",  # a committed event survives a power cut
    "foreign_keys": 1,
    "busy_timeout": 5000,  # milliseconds
}


class Database:
    """One open database. Connections belong to threads: each thread works inside ``connection()``."""

    def __init__(self, url: str, network: str, *, for_long: bool = False) -> None:
        """Open, and bring its tables up to date. Raises DatabaseTrouble with the way out.

        ``for_long``: whoever works with it for days checks it first, even if that takes seconds.
        """
        self.url = url
        self.network = network
        self.path = Path(parse(url)["database"]) if url.startswith("sqlite:") else None
        self._turn = threading.RLock()
        self._for_long = for_long
        self._reviving = threading.Lock()
        self._away_until = 0.0  # on the monotonic clock
        with _troubles_told(url):
            self._db = self._open()
            proxy.initialize(self._db)
            with self.connection():
                self._check(_CHECKED_AT_ONCE if not for_long else sys.maxsize)
                self._bring_up_to_date()

    def _open(self) -> peewee.Database:
        if self.path is None:
            return postgres.open_database(self.url, is_watched=self._for_long)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600)
        status = os.fstat(file)
        if status.st_uid == os.geteuid() and status.st_mode & 0o077:
            os.fchmod(file, 0o600)  # a copy put back by hand: what is watched is nobody else's business
        os.close(file)
        self._files = OpenFiles(self.path)
        return peewee.SqliteDatabase(str(self.path), pragmas=PRAGMAS, autoconnect=False)

    def _check(self, largest: int) -> None:
        """Refuse a damaged file before anything is read from it, unless it is larger than so many bytes."""
        if self.path is None or self.path.stat().st_size > largest:
            return
        answer = next(self.rows("PRAGMA quick_check(1)"))[0]
        if answer != "ok":
            raise DatabaseTrouble(damaged(str(self.path), answer))

    def _bring_up_to_date(self) -> None:
        """Whoever finds all made writes nothing, so that who only reads can do so while nobody can write."""
        runner = Runner(self._db, str(MIGRATIONS))
        status = runner.status()
        newer = [migration.name for migration in status if migration.path is None]
        if newer:
            raise DatabaseTrouble(
                f"The database {self.path or 'on PostgreSQL'} was made by a newer bwm (migration {newer[-1]}). "
                "Install that version again: a database is never taken back."
            )
        if not all(migration.applied for migration in status):
            with self.transaction():  # of two that open a new database at once, the second finds it made
                runner.up()
                for name, value in (("network", self.network), (DATABASE_ID, secrets.token_hex(16))):
                    Setting.insert(name=name, value=value).on_conflict_ignore().execute()
        self._refuse_other_network()

    def _refuse_other_network(self) -> None:
        claimed = Setting.get_by_id("network").value
        if claimed != self.network:
            raise DatabaseTrouble(
                f"The database {self.path or 'on PostgreSQL'} belongs to network {claimed}, and bwm was started "
                f"for {self.network}. Give each network its own state_dir."
            )

    @contextmanager
    def connection(self) -> Iterator[None]:
        """A connection for this thread, closed at the end; inside another one, that one."""
        if not self._db.is_closed():
            yield
            return
        self._connect()
        try:
            yield
        finally:
            self._db.close()

    def _connect(self) -> None:
        """Another process may just be giving a new file its write-ahead log: SQLite itself does not wait for that."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._db.connect()
            except peewee.OperationalError as error:
                if not self.path or "locked" not in _words_of(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_AGAIN_S)
            else:
                return

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All or none of what is written inside. Holds the write lock from the start, so it never fails halfway.

        One that need not be ``durable`` does not wait for the disk: a power cut may undo it, together with all that
        came later and never alone; the next durable one makes it last.

        Raises DatabaseUnwritable like ``passing_trouble``.
        """
        with (
            self.passing_trouble(),
            self._waiting_for_disk(durable),
            self._in_turn(),
            self._db.atomic("IMMEDIATE") if self.path else self._alone(),
        ):
            yield

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """The threads of this process write one after the other.

        Who finds SQLite's own lock taken looks again only every now and then (up to 100 ms), and would hardly ever
        find it free while another thread writes nearly without pause. Here he is woken as soon as it is. It is a
        courtesy: who waited for long goes to SQLite all the same, which says why it cannot be had.
        """
        has_turn = self.path is not None and self._turn.acquire(timeout=_TURN_S)
        try:
            yield
        finally:
            if has_turn:
                self._turn.release()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A transaction on PostgreSQL that waits for every other writer."""
        is_outermost = not self._db.in_transaction()
        with self._db.atomic():
            if is_outermost:
                postgres.become_writer(self._db)
            yield

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """All or none of what is written inside, as a part of a transaction that goes on. Call inside one."""
        with self._db.atomic():
            yield

    @contextmanager
    def passing_trouble(self) -> Iterator[None]:
        """Raises DatabaseUnwritable for what may pass, in single reads and writes as well.

        Everything else that a database can say (an error of the disk, a damaged file) is left as it is: who meets it
        must end, start anew and check, and never believe a second try.
        """
        try:
            self._revive()
            yield
        except peewee.PeeweeException as error:
            if not self._is_passing(error):
                raise
            raise DatabaseUnwritable(f"the database cannot be written now: {_one_line(_words_of(error))}") from error

    def _revive(self) -> None:
        """Who finds the server away is told when he needs it.

        To try takes seconds with a server that hangs, and peewee lets one thread try after the other. So while one
        does for more than a moment, and for a while after he did in vain, nobody else does.
        """
        if self.path is not None or self._db.in_transaction() or time.monotonic() < self._away_until:
            return
        if not self._reviving.acquire(timeout=_REVIVING_S):
            return
        try:
            if time.monotonic() >= self._away_until:
                postgres.revive(self._db)
        except peewee.PeeweeException:
            self._away_until = time.monotonic() + _AWAY_S
        finally:
            self._reviving.release()

    def _is_passing(self, error: peewee.PeeweeException) -> bool:
        if self.path is None:
            return postgres.is_passing(error)
        return isinstance(error, peewee.OperationalError) and any(words in _words_of(error) for words in _PASSING)

    @contextmanager
    def _waiting_for_disk(self, durable: bool) -> Iterator[None]:
        """SQLite with a WAL; elsewhere, and inside another transaction, every commit waits."""
        if durable or self.path is None or self._db.in_transaction():
            yield
            return
        execute: Any = self._db.execute_sql
        execute("PRAGMA synchronous=normal")
        try:
            yield
        finally:
            execute(f"PRAGMA synchronous={PRAGMAS['synchronous']}")

    def take(self) -> None:
        """Be the one daemon of this database, until the end of the process.

        Raises BwmError when another one is. Call again as ``refuse_if_replaced``: a line that was cut lets go.
        """
        if self.path is not None:
            with _troubles_told(self.url):
                _lock_beside(self.path)
            self._files.refuse_replaced()  # from here on
        elif not postgres.is_daemon(self._db) and not postgres.become_daemon(self._db):
            raise BwmError(
                "Another bwm runs on this PostgreSQL database already. Give each its own database, or stop the other."
            )

    def refuse_if_replaced(self) -> None:
        """Raise DatabaseTrouble when the file that is open is not the one that lies there any more.

        On PostgreSQL: raise BwmError when another daemon took it while the server was away.
        """
        if self.path is None:
            with suppress(DatabaseUnwritable), self.passing_trouble():  # whoever writes says that it is away
                self.take()
            return
        self._files.refuse_replaced()

    def version(self) -> int | None:
        """Another number whenever another connection has written something; None where that cannot be told.

        Of this thread's connection, whose own writes it does not count. It costs a hundredth of a small query.
        """
        if self.path is None:
            return None
        [[version]] = self.rows("PRAGMA data_version")
        return int(version)

    def rows(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query by hand, one by one, for the few where models would be too slow."""
        execute: Any = self._db.execute_sql
        yield from execute(sql, values)

    def close(self) -> None:
        """Close this thread's connection."""
        if not self._db.is_closed():
            self._db.close()


def _words_of(error: peewee.PeeweeException) -> str:
    """What SQLite said. When a commit finds the disk full it has ended the transaction by itself, and to roll it back
    as well is an error on top that hides the first."""
    hidden = error.__context__
    while hidden is not None and "no transaction is active" in str(error):
        if isinstance(hidden, peewee.OperationalError) and str(hidden) != str(error):
            return str(hidden)
        hidden = hidden.__context__
    return str(error)


def damaged(where: str, words: str) -> str:
    """What to do about a database whose bytes are not what was written."""
    return (
        f"The database {where} is damaged ({words}). Restore the last backup with `bwm restore`, or move the file away "
        "and add your vaults again."
    )


def _lock_beside(path: Path) -> None:
    """Two state directories may name one file. A lock on the file itself would be in the way of SQLite's own."""
    beside = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(beside)
        raise BwmError(
            f"Another bwm runs on the database {path} already. Give each its own database, or stop the other."
        ) from None


@contextmanager
def _troubles_told(url: str) -> Iterator[None]:
    where = url.removeprefix("sqlite:///") if url.startswith("sqlite:") else "on PostgreSQL"
    try:
        yield
    except (peewee.PeeweeException, OSError) as error:
        words = _one_line((isinstance(error, OSError) and error.strerror) or str(error))
        if any(sign in words for sign in _DAMAGE):
            raise DatabaseTrouble(damaged(where, words)) from error
        check = (
            "that the path exists, that this user may write there and that the disk is not full"
            if url.startswith("sqlite:")
            else "that its server runs, and the url that the configuration gives"
        )
        raise DatabaseTrouble(f"The database {where} cannot be used: {words}. Check {check}.") from error


def _one_line(words: str) -> str:
    return " ".join(words.split()).removesuffix(".")
