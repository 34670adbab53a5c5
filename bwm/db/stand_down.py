"""Deliveries that stand down: somebody has answered, the matter is settled, the channel is gone; and their return."""

from collections.abc import Collection
from typing import Any

from bwm.db.outbox import ALERT
from bwm.db.schema import Alert, Order
from bwm.order import State, Step, step

_LATER = {State.CLOSED: Step.REOPEN}
_ANEW = _LATER | {State.IN_FLIGHT: Step.LAPSE, State.DONE: Step.REPEAT}


def mute(alert_id: str, channels: Collection[str]) -> None:
    """Nothing of an alert is repeated on these channels. Call inside a transaction."""
    ours = (Order.alert == alert_id) & Order.target.in_(list(channels))
    known = Alert.get_by_id(alert_id).revision
    Order.update(muted=1, told_revision=known).where(ours).execute()
    _close(ours)


def unmute(alert_id: str) -> None:
    """The alert turned graver: what silenced it does not hold any more. Call inside a transaction."""
    Order.update(muted=0).where(Order.alert == alert_id).execute()


def close_deliveries(alert_id: str, seen: int) -> None:
    """A person knows the alert as it was at revision ``seen``: nothing of it is due, and what is being sent is not
    tried again. What is newer than that is still told.

    What was delivered stays marked as delivered. Call inside a transaction.
    """
    known = (Order.told_revision.is_null()) | (Order.told_revision < seen)
    Order.update(told_revision=seen).where((Order.alert == alert_id) & known).execute()
    nothing_new = (Order.alert == alert_id) & (Order.told_revision >= Alert.get_by_id(alert_id).revision)
    _close(nothing_new | ((Order.alert == alert_id) & (Order.rung > 0) & Order.done_at.is_null()))


def close_ladder(alert_id: str) -> None:
    """The matter is settled: who was to hear it only if nobody answered does not. Call inside a transaction."""
    _close((Order.alert == alert_id) & (Order.rung > 0) & Order.done_at.is_null())


def begin_again(alert_id: str, at: int, *, forgets_what_was_told: bool) -> None:
    """Everybody is told from ``at`` on as of a new alert, the ladder included. Call inside a transaction.

    ``forgets_what_was_told``: at once also where it was told a moment ago, or is being told now.
    """
    steps = _ANEW if forgets_what_was_told else _LATER
    orders: Any = Order.select().where((Order.alert == alert_id) & (Order.action == ALERT))
    for order in orders:
        before = State(order.state)
        state = step(before, steps[before]) if before in steps else before
        if state is State.IN_FLIGHT:
            continue  # its outcome is recorded by the schedule as it is then
        anew = {"state": str(state), "due_at": at + order.after_s, "lease_until": None, "held": 0, "muted": 0}
        Order.update(anew).where(_unmoved(order)).execute()


def _unmoved(order: Any) -> Any:
    return (Order.id == order.id) & (Order.state == order.state) & (Order.attempts == order.attempts)


def _close(which: Any) -> None:
    waiting = [str(State.PENDING), str(State.UNCERTAIN)]
    Order.update(state=str(State.CLOSED), due_at=None).where(which & Order.state.in_(waiting)).execute()
    Order.update(due_at=None).where(which & (Order.state == str(State.DONE))).execute()


def close_channel(channel: str) -> None:
    """Nothing more is sent to a channel that is no more. Call inside a transaction."""
    _close((Order.target == channel) & (Order.action == ALERT))
