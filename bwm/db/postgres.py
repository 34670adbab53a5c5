"""What PostgreSQL needs to keep the promises that SQLite keeps by being one file: one writer, and a line that heals."""

import time
from collections.abc import Generator
from contextlib import suppress
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import peewee
from playhouse.db_url import connect

from bwm.db.schema import TABLES
from bwm.errors import DatabaseTrouble

_WRITER = 0x62776D01
"""Advisory lock of whoever writes, for one transaction. Readers never wait for it."""
_DAEMON = 0x62776D02
"""Advisory lock of the one daemon, for as long as its connection lasts."""

_LONGEST_WAIT_S = 5
_STATEMENT_S = 300

SILENT_S = 30.0
"""A server that says nothing for so long hangs: whoever watches lets go of it. No statement of his takes as long."""
_PATIENT_S = _STATEMENT_S + 10.0  # for commands, which may remove a million triggers at once

_SETTINGS = {
    "connect_timeout": _LONGEST_WAIT_S,
    "options": f"-c lock_timeout={_LONGEST_WAIT_S}s -c statement_timeout={_STATEMENT_S}s -c timezone=UTC",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,  # milliseconds: a line that is cut off is noticed
}


def open_database(url: str, *, is_watched: bool) -> peewee.Database:
    """The database behind ``url``, not connected yet. ``is_watched``: nobody may wait for long for what it says."""
    _load_driver(SILENT_S if is_watched else _PATIENT_S)
    try:
        database: peewee.Database = connect(url, unquote_password=True, autoconnect=False, **_SETTINGS)
    except (ImportError, peewee.ImproperlyConfigured) as error:
        raise DatabaseTrouble(_NO_DRIVER) from error
    for table in TABLES:
        table._meta.without_rowid = False  # which only SQLite has
    return database


def _load_driver(silent_s: float) -> None:
    """Give peewee what it was loaded without, under the names by which it looks for it."""
    with suppress(ImportError):  # who then opens a database is told
        driver = import_module("psycopg")
        states = import_module("psycopg.pq").TransactionStatus
        json = import_module("psycopg.types.json")
        names: Any = peewee
        names.psycopg = SimpleNamespace(connect=_line(driver, silent_s).connect, Binary=driver.Binary)
        names.TransactionStatus = states
        names.Json_pg3, names.Jsonb_pg3 = json.Json, json.Jsonb
        adapter = names.Psycopg3Adapter
        adapter.txn_idle, adapter.txn_inerror, adapter.txn_unknown = states.IDLE, states.INERROR, states.UNKNOWN


def _line(driver: Any, silent_s: float) -> Any:
    """A connection for which nobody waits for ever.

    A server that is stopped, or whose disk hangs, goes on to acknowledge every packet, so that neither TCP nor its own
    time limits end the wait. Whoever then holds on to it can neither look at the chain nor tell what the feed shows.
    """

    class Line(driver.Connection):  # type: ignore[misc]  # the driver is loaded only when there is one
        def wait(self, gen: Generator[Any, Any, Any], *rest: Any, **named: Any) -> Any:
            return super().wait(self._limited(gen), *rest, **named)

        def _limited(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
            heard_at = time.monotonic()
            try:
                wanted = next(gen)
                while True:
                    if ready := (yield wanted):
                        heard_at = time.monotonic()
                    elif time.monotonic() - heard_at > silent_s:
                        self.pgconn.finish()  # what became of the statement, nobody knows
                        raise driver.OperationalError(f"the server has said nothing for {silent_s:.0f} seconds")
                    wanted = gen.send(ready)
            except StopIteration as end:
                return end.value

    return Line


_NO_DRIVER = "PostgreSQL needs its driver, which is not installed: pip install 'bwm[postgres]'."


def become_writer(database: peewee.Database) -> None:
    """Wait for the writers before us, as SQLite does. Call at the start of a transaction."""
    _execute(database, "SELECT pg_advisory_xact_lock(%s)", _WRITER)


def become_daemon(database: peewee.Database) -> bool:
    """Be the one daemon of this database until this thread's connection ends. False when another one is."""
    [[taken]] = _execute(database, "SELECT pg_try_advisory_lock(%s)", _DAEMON)
    return bool(taken)


def is_daemon(database: peewee.Database) -> bool:
    """Whether the connection of this thread still holds what ``become_daemon`` took."""
    held = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = %s"
    return bool(list(_execute(database, held, _DAEMON)))


def revive(database: peewee.Database) -> None:
    """Connect anew where the server cut the line. Raises peewee.OperationalError while it is away."""
    if not database.is_closed() and database.is_connection_usable():
        return
    hang_up(database)
    database.connect()


def hang_up(database: peewee.Database) -> None:
    """Let go of a line; one that is broken already does not mind."""
    with suppress(peewee.PeeweeException):
        database.close()


def is_passing(error: peewee.PeeweeException) -> bool:
    """Whether waiting and a new connection can help: the server is away, full, busy, or ended our transaction.

    psycopg raises OperationalError for what is outside of the program's control, and a read-only server is an
    InternalError of SQLSTATE class 25; what is damaged (class XX) passes by itself no more than on a disk.
    """
    if isinstance(error, peewee.OperationalError | peewee.InterfaceError):
        return True
    state = getattr(error.__cause__, "sqlstate", None) or getattr(error.__context__, "sqlstate", None) or ""
    return str(state).startswith(("25", "40", "53", "57"))


def _execute(database: peewee.Database, sql: str, *values: object) -> Any:
    execute: Any = database.execute_sql
    return execute(sql, values)
