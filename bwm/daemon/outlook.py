"""What comes next for an alert, as its message tells it: the repeat, the responses that wait, the time that is left."""

from typing import Any

from bwm.db import alerts, cursor, orders, responses
from bwm.db.broadcasts import whole_name
from bwm.event import Event
from bwm.order import Standing, next_due
from bwm.response.deadline import Moment, left, shortest
from bwm.wording import Coming, Lack

_RUNNING = ("trigger.seen", "trigger.confirmed", "trigger.final", "trigger.reorged")
"""After these the thief's time lock runs, or will."""


def repeats_at(alert: Any, now: int) -> int | None:
    """When it is told again while nobody answers (unix seconds); None: not at all."""
    if alert.state != alerts.OPEN:
        return None
    return next_due(Standing(alert.severity, alert.since, alert.repeat_every_s, alert.snoozed_s), now, now)


def coming(about: Event) -> tuple[Coming, ...]:
    """The responses to what an alert is about that wait for their time."""
    return tuple(
        Coming(
            name := whole_name(target, about.vault),
            at,
            decision,
            unless_answered="acknowledged" in guard.unless,
            unless_checked_in="checked_in" in guard.unless,
            approve_by=guard.approve_by,
            lack=_lack(name),
        )
        for target, at, decision, guard in orders.to_come(about)
    )


def _lack(name: str) -> Lack | None:
    """Whoever reads that it will be sent relies on it."""
    match responses.is_armed(name):
        case None:
            return Lack.MISSING
        case False:
            return Lack.DISARMED
    return Lack.HOLD if responses.is_held() else None


def blocks_left(latest: Event, now: int) -> int | None:
    """Blocks until the shortest lock that the vault's responses know of lets the thief go on; None: not known.

    This machine's clock stands for the chain's median time, which is never later: there may be more time, not less.
    """
    tip = cursor.at()
    if latest.kind not in _RUNNING or latest.vault is None or tip is None:
        return None
    lock = shortest([one.lock for one in responses.of_vault(latest.vault) if one.lock])
    if lock is None:
        return None
    mined = latest.block if latest.kind != "trigger.reorged" else None
    before = Moment(mined.height - 1, latest.at) if mined else None
    return left(lock, Moment(tip.height, now), before).blocks
