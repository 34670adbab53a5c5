"""Says when loops that rest have a reason to look: so they need not all look every second for nothing."""

from bwm.clock import Clock
from bwm.db import due
from bwm.db.database import Database
from bwm.errors import DatabaseUnwritable

QUIET_S = 5.0
"""How long at most a loop rests that is woken when something stirs."""

_JUMP_S = 1  # by which two clocks differ in whole seconds without either having been set


class Stir:
    """Looks for all of them, once a second and in one thread: has anybody written, or has a time come?

    The command line and the API write to the same database, and a loop may have missed that another wrote.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._version: int | None = None
        self._next_due: int | None = None
        self._set_by: int | None = None  # the wall clock less the monotonic one

    def look(self) -> bool:
        """Whether something may be due now. When nobody can tell, it may."""
        now = self._clock.now()
        set_by = now - int(self._clock.monotonic())
        was_set = self._set_by is None or abs(set_by - self._set_by) > _JUMP_S
        if was_set:
            self._set_by = set_by
        try:
            with self._database.passing_trouble():
                version = self._database.version()
                has_changed = version is None or version != self._version
                if has_changed:
                    self._version, self._next_due = version, due.next_due()
        except DatabaseUnwritable:
            return True
        return was_set or has_changed or (self._next_due is not None and self._next_due <= now)
