"""The one thread through which callers of the API write: what waits is written together, in one short transaction.

Each piece of work is whole or not done at all; it is answered after the commit, so a caller that hears yes can rely
on it. Hundreds of registrations a second wait for the disk some ten times a second, and not hundreds of times.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

import structlog
from peewee import OperationalError

from bwm.api.problems import Problem
from bwm.daemon.loop import Loop
from bwm.db.database import Database
from bwm.errors import BwmError, DatabaseUnwritable

log = structlog.get_logger()

_TOGETHER = 64  # pieces of work in one transaction
_LONGEST_S = 0.1  # that a transaction goes on taking up work: an alert may wait for its end
_REST_S = 0.03  # between two transactions: who follows the chain wants to write as well
_WAITING = 2000  # more are sent away

_T = TypeVar("_T")


class Writes(Loop):
    """Does pieces of work in the order in which they come."""

    def __init__(self, database: Database) -> None:
        super().__init__("api writes")
        self._database = database
        self._waiting: deque[tuple[Callable[[], Any], Future[Any]]] = deque()

    async def do(self, work: Callable[[], _T]) -> _T:
        """Do it in a transaction; its result once that is on the disk. Raises what it raises, or Problem 503."""
        if len(self._waiting) >= _WAITING or self._stopping.is_set():
            raise busy()
        future: Future[_T] = Future()
        self._waiting.append((work, future))
        self._bell.set()
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        """What waits at the end is done yet."""
        with self._database.connection():
            while self._goes_on or self._waiting:
                self._rest()
                while self._waiting:
                    self._write()
                    self._stopping.wait(_REST_S)

    def _write(self) -> None:
        taken: list[Future[Any]] = []
        outcomes: list[Callable[[], None]] = []
        try:
            with self._database.transaction():
                until = time.monotonic() + _LONGEST_S
                while self._waiting and len(taken) < _TOGETHER and (not taken or time.monotonic() < until):
                    work, future = self._waiting.popleft()
                    taken.append(future)
                    outcomes.append(self._outcome(work, future))
        except DatabaseUnwritable as error:
            log.warning("api.unwritable", error=str(error))
            while self._waiting and len(taken) < _TOGETHER:
                taken.append(self._waiting.popleft()[1])
            outcomes = [partial(_settle, future, partial(future.set_exception, busy())) for future in taken]
        for tell in outcomes:
            tell()

    def _outcome(self, work: Callable[[], Any], future: Future[Any]) -> Callable[[], None]:
        """Do one piece of work; how to tell its caller once all of it is on the disk."""
        if future.cancelled():
            return lambda: None
        try:
            with self._database.savepoint():
                result = work()
        except (Problem, BwmError) as error:
            told: Exception = error
            if isinstance(error, DatabaseUnwritable):
                raise
        except Exception as error:
            if isinstance(error, OSError) or _is_of_database(error):
                raise
            log.exception("api.fault")
            told = Problem(500, "A fault in bwm kept it from doing this.")
        else:
            return partial(_settle, future, partial(future.set_result, result))
        return partial(_settle, future, partial(future.set_exception, told))


def _settle(future: "Future[Any]", tell: Callable[[], None]) -> None:
    """The caller may have gone."""
    if future.set_running_or_notify_cancel():
        tell()


def _is_of_database(error: Exception) -> bool:
    """What SQLite or PostgreSQL says of themselves must reach whoever opened the transaction."""
    return isinstance(error, OperationalError)


def busy() -> Problem:
    """Try again in a moment."""
    return Problem(503, "bwm cannot write this down now. Try again in some seconds.", {"Retry-After": "5"})
