"""Make one step true: its events, the sightings, the watches, the alerts it calls for, and the cursor. All or none."""

from collections.abc import Sequence
from dataclasses import replace

from bwm.db import (
    alerts,
    announcements,
    armed_locks,
    cursor,
    decisions,
    guardians,
    journal,
    settings,
    sightings,
    unresolved,
    watches,
)
from bwm.db.alerts import Target
from bwm.db.database import Database
from bwm.errors import WatchListChanged
from bwm.plan import Changes


def commit(
    database: Database, changes: Changes, targets: Sequence[Target], now: int, generation: int | None = None
) -> int:
    """Write ``changes`` in one transaction; how many of its events were new. Nothing leaves the house before.

    ``generation``: of the watch list that they were made from, as ``settings.generation_of_plans`` counts. Raises
    WatchListChanged when that is another now, or a trigger is gone that they are about.

    A move of the cursor alone does not wait for the disk: after a power cut the blocks it passed are read again. It
    cannot outlast events that were written before it, for what is lost is always the latest.
    """
    with database.transaction(durable=replace(changes, cursor=None) != Changes()):
        if generation is not None and settings.generation_of_plans() != generation:
            raise WatchListChanged("the watch list changed while it was searched")
        if not watches.are_there(
            {*(one.trigger for one in changes.sightings), *(one.trigger for one in changes.watches)}
        ):
            raise WatchListChanged("what was found belongs to somebody who was removed meanwhile")
        new = journal.append(changes.events)
        sightings.keep_transactions(changes.transactions)
        sightings.put(changes.sightings)
        watches.add(changes.watches)
        guardians.put(changes.guardians)
        armed_locks.put(changes.judged)
        unresolved.put(changes.waiting)
        unresolved.settle(changes.settled)
        alerts.put(changes.alerts, new, targets, now)
        announcements.put(changes.announcements)
        decisions.put(changes.decisions, new, database.network, now)
        if changes.cursor:
            cursor.move(changes.cursor.to, *changes.cursor.passed)
    return len(new)
