"""The outbox: orders are claimed by lease, and marked done only after the deed.

Each change is an UPDATE that still names the state it saw, so of two claimers one wins, and a claimer that was
paused past its lease can no longer report.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from bwm.db import raw
from bwm.db.schema import Alert, Order
from bwm.hold import Subject
from bwm.order import LEASE_S, LONGEST_WAIT_S, Place, Retry, Standing, State, Step, next_due, step
from bwm.severity import Severity

ALERT = "alert"
_TRIES = 8  # more rows to try when others claim at the same time
_CLAIMABLE = (State.PENDING, State.UNCERTAIN, State.DONE)
_CLAIMABLE_SQL = ", ".join(f"'{state}'" for state in _CLAIMABLE)
RANKS = tuple(sorted((severity.rank for severity in Severity), reverse=True))
"""Of all severities, the gravest first."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An order that is ours until its lease lapses."""

    order_id: int
    alert_id: str
    attempt: int  # from 1
    revision: int  # of the alert, which this attempt tells
    told_revision: int | None  # what the channel was told last
    may_repeat: bool  # an earlier attempt may have got through


@dataclass(frozen=True, slots=True)
class _Known:
    """What an alert's delivery on a channel is like: read by hand, for a flood orders thousands in one step."""

    id: int
    state: str
    rank: int
    due_at: int | None
    held: int
    attempts: int
    done_at: int | None


_FIRST = Place(rung=0, after_s=0)


def order_delivery(alert_id: str, channel: str, now: int, place: Place = _FIRST) -> None:
    """Have an alert told on a channel, as soon as its place on the ladder has it.

    An order that waits, flies or is done is told the news in its turn. Call inside a transaction.
    """
    [[severity, since, state]] = raw.rows("SELECT severity, since, state FROM alert WHERE id = ?", alert_id)
    rank = Severity(severity).rank
    known = _known(alert_id, channel)
    climb_at = max(now, since + place.after_s) if place.rung else now
    if place.rung and state != "open" and (known is None or known.done_at is None):
        return  # it waits for no answer, so nobody climbs
    if known is None:
        sql = """
            INSERT INTO outbox (action, target, alert_id, state, due_at, rung, after_s, rank, arguments, attempts, held,
            muted, may_repeat) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{}', 0, 0, 0, 0)
        """
        fresh = (ALERT, channel, alert_id, str(State.PENDING), climb_at, place.rung, place.after_s, rank)
        raw.run(sql, *fresh)
    elif known.state in (State.DONE, State.CLOSED):
        due_at = now if known.done_at is not None or not place.rung else climb_at
        by = Step.REPEAT if known.state == State.DONE else Step.REOPEN
        changed = {"state": str(step(State(known.state), by)), "due_at": due_at, "rank": rank, "held": 0}
        Order.update(changed).where(Order.id == known.id).execute()
    elif known.rank != rank and known.held:  # what was kept back for being less may not wait any more
        Order.update(rank=rank, due_at=now, held=0).where(Order.id == known.id).execute()
    else:
        due_at = known.due_at if known.held else _soon(known, now if known.done_at is not None else climb_at)
        if (rank, due_at) != (known.rank, known.due_at):
            Order.update(rank=rank, due_at=due_at).where(Order.id == known.id).execute()


def _known(alert_id: str, channel: str) -> "_Known | None":
    sql = """
        SELECT id, state, rank, due_at, held, attempts, done_at FROM outbox
        WHERE alert_id = ? AND action = ? AND target = ?
    """
    return next((_Known(*row) for row in raw.rows(sql, alert_id, ALERT, channel)), None)


def _soon(order: Any, news_at: int) -> int:
    """When an order that waits is tried: after a failure as it is, but what a person put off waits for no news."""
    slack = LONGEST_WAIT_S if order.attempts else 0
    return news_at if order.due_at > news_at + slack else int(order.due_at)


def ordered() -> set[tuple[str, str]]:
    """Every alert with every channel that it is told on, as far as that was not closed."""
    rows: Any = Order.select(Order.alert, Order.target).where(Order.state != str(State.CLOSED)).tuples()
    return set(rows)


def claim(channel: str, now: int) -> Claim | None:
    """Take the most urgent due delivery of a channel. See ``claim_some``."""
    return next(iter(claim_some(channel, now, 1)), None)


def claim_some(
    channel: str, now: int, at_most: int, ranks: Collection[int] = RANKS, *, latest_first: bool = False
) -> list[Claim]:
    """Take the most urgent due deliveries of a channel, for LEASE_S seconds. Call inside a transaction.

    ``ranks``: of which severities, the gravest first. ``latest_first``: of equally grave ones what fell due last.
    """
    order = "DESC" if latest_first else "ASC"
    sql = f"""
        SELECT outbox.id, outbox.state, attempts, told_revision, may_repeat, done_at, alert.id, revision, severity,
        since, repeat_every_s, snoozed_s
        FROM outbox JOIN alert ON alert.id = outbox.alert_id
        WHERE action = 'alert' AND target = ? AND outbox.rank = ? AND outbox.state IN ({_CLAIMABLE_SQL})
        AND due_at <= ? ORDER BY due_at {order}, outbox.id {order} LIMIT ?
    """  # noqa: S608 (words of ours)
    claims: list[Claim] = []
    for rank in ranks:
        if len(claims) >= at_most:
            break
        for row in raw.rows(sql, channel, rank, now, at_most - len(claims) + _TRIES):
            order_id, state, attempts, told, may_repeat, done_at, alert_id, revision, *standing = row
            if state == State.DONE and told == revision and _postponed(order_id, Standing(*standing), done_at, now):
                continue
            if len(claims) < at_most and _take(order_id, state, attempts, now):
                doubtful = bool(may_repeat or state == State.UNCERTAIN)
                claims.append(Claim(order_id, alert_id, attempts + 1, revision, told, doubtful))
    return claims


def count_due(channel: str, now: int, ranks: Collection[int], at_most: int) -> int:
    """How many deliveries of these severities are due on a channel; counted no further than ``at_most``."""
    count = 0
    for rank in ranks:
        sql = f"""
            SELECT COUNT(*) FROM (SELECT 1 FROM outbox WHERE target = ? AND rank = ? AND action = 'alert'
            AND state IN ({_CLAIMABLE_SQL}) AND due_at <= ? LIMIT ?) AS due
        """  # noqa: S608 (words of ours)
        [[found]] = raw.rows(sql, channel, rank, now, at_most - count)
        count += found
    return count


def count_told(channel: str, since: int, now: int, ranks: Collection[int]) -> int:
    """How many alerts of these severities a channel was told in a time (unix seconds)."""
    sql = """
        SELECT COUNT(*) FROM outbox
        WHERE target = ? AND rank = ? AND action = 'alert' AND done_at > ? AND done_at <= ?
    """
    return sum(int(raw.rows(sql, channel, rank, since, now)[0][0]) for rank in ranks)


def _postponed(order_id: int, alert: Standing, done_at: int | None, now: int) -> bool:
    """Whether a repeat fell due only because the clock was wrong for a while: it gets the time that is due to it."""
    due_at = None if done_at is None or done_at > now else next_due(alert, done_at, now)
    if due_at is None or due_at <= now:
        return False
    Order.update(due_at=due_at).where((Order.id == order_id) & (Order.state == str(State.DONE))).execute()
    return True


def hold_back(channel: str, now: int, judge: Callable[[Subject], int | None], most_rank: int) -> None:
    """Put off what is due on a channel and can wait, no graver than ``most_rank``. Call inside a transaction.

    ``judge`` says until when (unix seconds), or None for what cannot wait.
    """
    sql = f"""
        SELECT outbox.id, event.kind, severity, event.vault, event.guardian
        FROM outbox JOIN alert ON alert.id = outbox.alert_id JOIN event ON event.seq = alert.event_id
        WHERE action = 'alert' AND target = ? AND outbox.rank = ? AND outbox.state IN ({_CLAIMABLE_SQL})
        AND due_at <= ?
    """  # noqa: S608 (words of ours)
    for rank in range(most_rank + 1):
        for order_id, kind, severity, vault, guardian in raw.rows(sql, channel, rank, now):
            until = judge(Subject(kind, Severity(severity), vault or guardian))
            if until is not None:
                raw.run("UPDATE outbox SET due_at = ?, held = 1 WHERE id = ?", until, order_id)


def let_go(now: int) -> None:
    """Judge anew what is kept back: a silence was ended, or the hours are others. Call inside a transaction."""
    Order.update(due_at=now, held=0).where(Order.held == 1).execute()


def _take(order_id: int, state: str, attempts: int, now: int) -> bool:
    sql = """
        UPDATE outbox SET state = ?, attempts = ?, lease_until = ?, held = 0,
        may_repeat = CASE WHEN state = 'uncertain' THEN 1 ELSE may_repeat END
        WHERE id = ? AND state = ? AND attempts = ?
    """
    taken = str(step(State(state), Step.CLAIM))
    return bool(raw.run(sql, taken, attempts + 1, now + LEASE_S, order_id, state, attempts).rowcount)


def succeeded(claim: Claim, now: int) -> None:
    """It was delivered. Due again at once when the alert changed meanwhile, and by schedule when nobody answers."""
    sql = """
        SELECT revision, alert.state, under_duress, muted, severity, since, repeat_every_s, snoozed_s
        FROM alert JOIN outbox ON alert.id = alert_id WHERE outbox.id = ?
    """
    [[revision, state, under_duress, muted, *standing]] = raw.rows(sql, claim.order_id)
    is_waiting = not muted and (state == "open" or under_duress)
    repeat_at = next_due(Standing(*standing), now, now) if is_waiting else None
    due_at = now if revision > claim.revision else repeat_at
    sql = """
        UPDATE outbox SET state = ?, due_at = ?, lease_until = NULL, told_revision = ?, may_repeat = 0,
        last_error = NULL, done_at = ? WHERE id = ? AND state = ? AND attempts = ?
    """
    done, ours = str(step(State.IN_FLIGHT, Step.SUCCEED)), (claim.order_id, str(State.IN_FLIGHT), claim.attempt)
    raw.run(sql, done, due_at, claim.revision, now, *ours)


def failed(claim: Claim, retry: Retry, words: str, now: int) -> None:
    """It was not delivered, or nobody knows; it is tried again at ``retry.at`` unless it was acknowledged.

    Where none of those who were to hear it by now could be reached, the next ones hear it at once.
    """
    order: Any = Order.get_by_id(claim.order_id)
    answered = _is_answered(order, claim.revision)
    by = Step.CLOSE if answered else Step.DOUBT if retry.uncertain else Step.RETRY
    changed = (
        Order.update(
            state=str(step(State.IN_FLIGHT, by)),
            due_at=None if answered else _put_off(order, claim.revision, retry.at, now),
            lease_until=None,
            last_error=words[:500],
        )
        .where(_ours(claim))
        .execute()
    )
    if changed and not answered:
        _fall_back(claim.alert_id, now)


def _put_off(order: Any, revision: int, retry_at: int, now: int) -> int:
    """A person who put the alert off knows it: a repeat that failed meanwhile waits with the others."""
    alert = order.alert
    is_known = order.told_revision is not None and order.told_revision >= revision
    if not (alert.snoozed_s and now < alert.since and is_known):
        return retry_at
    return max(retry_at, min(int(alert.since), now + int(alert.snoozed_s)))


def _fall_back(alert_id: str, now: int) -> None:
    orders: Any = Order.select().where((Order.alert == alert_id) & (Order.action == ALERT))
    tried = {order.rung for order in orders if order.attempts}
    reached = max(tried, default=0)
    below = [order for order in orders if order.rung <= reached]
    if any(order.last_error is None or order.done_at is not None for order in below):
        return  # somebody was told, or is being told
    above = [order.rung for order in orders if order.rung > reached and order.state == State.PENDING]
    if above:
        nearest = (Order.alert == alert_id) & (Order.rung == min(above)) & (Order.attempts == 0)
        Order.update(due_at=now).where(nearest & (Order.state == str(State.PENDING)) & (Order.due_at > now)).execute()


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
    """Whether the alert was acknowledged as it was at that revision, as far as this channel's readers go."""
    told, alert = order.told_revision, order.alert
    is_over = order.muted or alert.is_answered
    return bool(is_over and told is not None and told >= revision)


def bring_forward(now: int) -> None:
    """The clock was set back: nothing waits longer than its rule says, counted anew. Call inside a transaction."""
    claimable = Order.state.in_([str(state) for state in _CLAIMABLE])
    rows: Any = Order.select(Order, Alert).join(Alert).where(claimable & (Order.due_at > now + LONGEST_WAIT_S))
    for order in rows:
        latest = _latest(order, now)
        Order.update(due_at=latest).where((Order.id == order.id) & (Order.due_at > latest)).execute()


def _latest(order: Any, now: int) -> int:
    """The latest time at which an order that waits may fall due."""
    alert = order.alert
    put_off = min(int(alert.snoozed_s), max(0, int(alert.since) - now))
    if order.held:
        return now  # it is judged anew
    if order.state == State.DONE:
        standing = Standing(alert.severity, alert.since, alert.repeat_every_s, alert.snoozed_s)
        return next_due(standing, now, now) or now + LONGEST_WAIT_S
    if order.rung and not order.attempts:
        return now + put_off + int(order.after_s)
    return now + max(LONGEST_WAIT_S, put_off)


def next_due_on(channel: str, now: int) -> int | None:
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
