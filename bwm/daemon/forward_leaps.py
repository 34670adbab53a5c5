"""A clock that is set forward must not take from people the time in which they may say no, or yes."""

from collections.abc import Collection

import structlog

from bwm.clock import Clock
from bwm.db import orders
from bwm.db.database import Database

log = structlog.get_logger()

_LEAP_S = 60  # by which the wall clock may run ahead of the monotonic one before it was set forward


class ForwardLeaps:
    """Puts orders off by as much as the wall clock was set forward since the first look, in one step or in many."""

    def __init__(self, database: Database, clock: Clock, actions: Collection[str]) -> None:
        self._database = database
        self._clock = clock
        self._actions = actions
        self._looked_at = 0  # unix seconds
        self._set_by: float | None = None  # the wall clock less the monotonic one, so far as orders know

    def look(self) -> None:
        """Before what is due is asked for, and often."""
        now = self._clock.now()
        set_by = now - self._clock.monotonic()
        if self._set_by is None or set_by < self._set_by:
            self._set_by = set_by
        leapt_s = int(set_by - self._set_by)
        if leapt_s > _LEAP_S:
            log.warning("orders.clock_set_forward", seconds=leapt_s, actions=list(self._actions))
            with self._database.transaction():
                orders.put_off(self._actions, self._looked_at, now, leapt_s)
            self._set_by = set_by
        self._looked_at = now
