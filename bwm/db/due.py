"""When the next of all that waits for a time falls due."""

from bwm.db import raw
from bwm.order import State
from bwm.policy import announcement

_WAITING = (State.PENDING, State.UNCERTAIN, State.DONE)  # what is done may be due again

_ORDER = "SELECT MIN(due_at) AS at FROM outbox WHERE state = ? AND due_at IS NOT NULL"
_NEXT = f"""
    SELECT MIN(at) FROM (
        {" UNION ALL ".join([_ORDER] * len(_WAITING))}
        UNION ALL SELECT MIN(lease_until) FROM outbox WHERE state = ?
        UNION ALL SELECT MIN(ends_at) + 1 FROM announcement WHERE state = ?
    ) AS times
"""  # noqa: S608 (words of ours)


def next_due() -> int | None:
    """Unix seconds: of orders, of leases that may lapse, of announcements that may expire. None: nothing waits."""
    [[at]] = raw.rows(_NEXT, *map(str, _WAITING), str(State.IN_FLIGHT), str(announcement.State.OPEN))
    return None if at is None else int(at)
