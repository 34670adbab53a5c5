"""The outbox: orders are claimed by lease, and marked done only after the deed.

Each change is an UPDATE that still names the state it saw, so of two claimers one wins, and a claimer that was
paused past its lease can no longer report.
"""

from dataclasses import dataclass
from typing import Any

from bwm.db import raw
from bwm.db.schema import Alert, Order
from bwm.order import LEASE_S, LONGEST_WAIT_S, Retry, State, Step, next_repeat, step
from bwm.severity import Severity

ALERT = "alert"
_TRIES = 8  # more rows to try when others claim at the same time
_CLAIMABLE = (State.PENDING, State.UNCERTAIN, State.DONE)
_CLAIMABLE_SQL = ", ".join(f"'{state}'" for state in _CLAIMABLE)
_URGENCY_SQL = " ".join(f"WHEN '{severity}' THEN {severity.rank}" for severity in Severity)


@dataclass(frozen=True, slots=True)
class Claim:
    """An order that is ours until its lease lapses."""

    order_id: int
    alert_id: str
    attempt: int  # from 1
    revision: int  # of the alert, which this attempt tells
    told_revision: int | None  # what the channel was told last
    may_repeat: bool  # an earlier attempt may have got through


def order_delivery(alert_id: str, channel: str, now: int) -> None:
    """Have an alert told on a channel, now. An order that waits, flies or is done is told the news in its turn."""
    known = Order.get_or_none((Order.alert == alert_id) & (Order.action == ALERT) & (Order.target == channel))
    if known is None:
        Order.create(action=ALERT, target=channel, alert=alert_id, state=str(State.PENDING), due_at=now)
    elif known.state in (State.DONE, State.CLOSED):
        Order.update(state=str(State.PENDING), due_at=now).where(Order.id == known.id).execute()


def ordered() -> set[tuple[str, str]]:
    """Every alert with every channel that it is told on, as far as that was not closed."""
    rows: Any = Order.select(Order.alert, Order.target).where(Order.state != str(State.CLOSED)).tuples()
    return set(rows)


def claim(channel: str, now: int) -> Claim | None:
    """Take the most urgent due delivery of a channel. See ``claim_some``."""
    return next(iter(claim_some(channel, now, 1)), None)


def claim_some(channel: str, now: int, at_most: int) -> list[Claim]:
    """Take the most urgent due deliveries of a channel, for LEASE_S seconds. Call inside a transaction."""
    sql = f"""
        SELECT outbox.id, outbox.state, attempts, told_revision, may_repeat, alert.id, revision
        FROM outbox JOIN alert ON alert.id = outbox.alert_id
        WHERE action = 'alert' AND target = ? AND outbox.state IN ({_CLAIMABLE_SQL}) AND due_at <= ?
        ORDER BY CASE severity {_URGENCY_SQL} END DESC, due_at LIMIT ?
    """  # noqa: S608 (words of ours)
    claims: list[Claim] = []
    for order_id, state, attempts, told, may_repeat, alert_id, revision in raw.rows(
        sql, channel, now, at_most + _TRIES
    ):
        if len(claims) < at_most and _take(order_id, state, attempts, now):
            doubtful = bool(may_repeat or state == State.UNCERTAIN)
            claims.append(Claim(order_id, alert_id, attempts + 1, revision, told, doubtful))
    return claims


def _take(order_id: int, state: str, attempts: int, now: int) -> bool:
    sql = """
        UPDATE outbox SET state = ?, attempts = ?, lease_until = ?,
        may_repeat = CASE WHEN state = 'uncertain' THEN 1 ELSE may_repeat END
        WHERE id = ? AND state = ? AND attempts = ?
    """
    taken = str(step(State(state), Step.CLAIM))
    return bool(raw.run(sql, taken, attempts + 1, now + LEASE_S, order_id, state, attempts).rowcount)


def succeeded(claim: Claim, repeat_at: int | None, now: int) -> None:
    """It was delivered. Due again at once when the alert changed meanwhile, at ``repeat_at`` when nobody answers."""
    [[revision, state]] = raw.rows("SELECT revision, state FROM alert WHERE id = ?", claim.alert_id)
    due_at = now if revision > claim.revision else repeat_at if state == "open" else None
    sql = """
        UPDATE outbox SET state = ?, due_at = ?, lease_until = NULL, told_revision = ?, may_repeat = 0,
        last_error = NULL, done_at = ? WHERE id = ? AND state = ? AND attempts = ?
    """
    done, ours = str(step(State.IN_FLIGHT, Step.SUCCEED)), (claim.order_id, str(State.IN_FLIGHT), claim.attempt)
    raw.run(sql, done, due_at, claim.revision, now, *ours)


def failed(claim: Claim, retry: Retry, words: str) -> None:
    """It was not delivered, or nobody knows; it is tried again at ``retry.at`` unless it was acknowledged."""
    answered = _is_answered(Order.get_by_id(claim.order_id), claim.revision)
    by = Step.CLOSE if answered else Step.DOUBT if retry.uncertain else Step.RETRY
    Order.update(
        state=str(step(State.IN_FLIGHT, by)),
        due_at=None if answered else retry.at,
        lease_until=None,
        last_error=words[:500],
    ).where(_ours(claim)).execute()


def _ours(claim: Claim) -> Any:
    return (Order.id == claim.order_id) & (Order.state == str(State.IN_FLIGHT)) & (Order.attempts == claim.attempt)


def lapse(now: int, *, all_leases: bool = False) -> int:
    """Make orders whose claimer went silent due again; ``all_leases``: at start, when nobody can be sending."""
    silent = Order.state == str(State.IN_FLIGHT) if all_leases else _is_silent(now)
    lapsed = 0
    for order in Order.select().where(silent):
        answered = order.alert is not None and _is_answered(order, order.alert.revision)
        after = step(State.IN_FLIGHT, Step.CLOSE if answered else Step.LAPSE)
        still = (Order.id == order.id) & silent & (Order.attempts == order.attempts)
        changes = Order.update(state=str(after), due_at=None if answered else now, lease_until=None)
        lapsed += changes.where(still).execute()
    return lapsed


def _is_silent(now: int) -> Any:
    """In flight by a lease that is over, or that no clock but one set back since can have given."""
    over = (Order.lease_until < now) | (Order.lease_until > now + LEASE_S)
    return (Order.state == str(State.IN_FLIGHT)) & over


def _is_answered(order: Any, revision: int) -> bool:
    """Whether the alert was acknowledged as it was at that revision."""
    told = order.told_revision
    return order.alert.state == "acknowledged" and told is not None and bool(told >= revision)


def close_deliveries(alert_id: str) -> None:
    """A person knows the alert as it is: nothing is due until it changes, and what is being sent is not tried again.

    What was delivered stays marked as delivered.
    """
    known = Alert.get_by_id(alert_id).revision
    Order.update(told_revision=known).where(Order.alert == alert_id).execute()
    _close(Order.alert == alert_id)


def _close(which: Any) -> None:
    waiting = [str(State.PENDING), str(State.UNCERTAIN)]
    Order.update(state=str(State.CLOSED), due_at=None).where(which & Order.state.in_(waiting)).execute()
    Order.update(due_at=None).where(which & (Order.state == str(State.DONE))).execute()


def close_channel(channel: str) -> None:
    """Nothing more is sent to a channel that is no more. Call inside a transaction."""
    _close(Order.target == channel)


def bring_forward(now: int) -> None:
    """The clock was set back: nothing waits longer than its rule says, counted anew. Call inside a transaction."""
    claimable = Order.state.in_([str(state) for state in _CLAIMABLE])
    rows: Any = Order.select(Order, Alert).join(Alert).where(claimable & (Order.due_at > now + LONGEST_WAIT_S))
    for order in rows:
        latest = now + LONGEST_WAIT_S
        if order.state == State.DONE:
            latest = next_repeat(order.alert.severity, order.alert.created_at, now) or latest
        Order.update(due_at=latest).where((Order.id == order.id) & (Order.due_at > latest)).execute()


def next_due(channel: str, now: int) -> int | None:
    """When the channel's next delivery falls due (unix seconds), or None when none waits.

    One whose claimer went silent is due, though its state does not say so yet: see ``lapse``.
    """
    sql = f"SELECT MIN(due_at) FROM outbox WHERE target = ? AND state IN ({_CLAIMABLE_SQL})"  # noqa: S608 (ours too)
    silent = """
        SELECT 1 FROM outbox WHERE target = ? AND state = 'in_flight' AND (lease_until < ? OR lease_until > ?) LIMIT 1
    """
    if raw.rows(silent, channel, now, now + LEASE_S):
        return now
    [[due_at]] = raw.rows(sql, channel)
    return None if due_at is None else int(due_at)


def of_alert(alert_id: str) -> list[Order]:
    """The deliveries of one alert."""
    return list(Order.select().where((Order.alert == alert_id) & (Order.action == ALERT)).order_by(Order.target))


def last_delivered_at(channel: str) -> int | None:
    """When the channel last took a message (unix seconds)."""
    row = (
        Order.select(Order.done_at)
        .where((Order.target == channel) & Order.done_at.is_null(False))
        .order_by(Order.done_at.desc())
        .first()
    )
    return None if row is None else int(row.done_at)


def is_failing(channel: str) -> bool:
    """Whether the channel's latest attempt failed."""
    return Order.select().where((Order.target == channel) & Order.last_error.is_null(False)).exists()
