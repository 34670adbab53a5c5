"""Responses that were decided on: where each stands, from the decision until it is buried."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bwm.chain.block import BlockRef
from bwm.db import decisions, raw
from bwm.db.schema import Broadcast as Row
from bwm.db.schema import Decision as DecisionRow
from bwm.db.schema import Event, Order
from bwm.errors import UsageError
from bwm.order import State as OrderState
from bwm.policy.decision import Decision, Wish
from bwm.policy.guard import Guard
from bwm.response.broadcast import LIVE, TRANSITIONS, Broadcast, Look, State

ACTION = "respond"
OPERATOR = "operator"
"""The policy of decisions that a person made by hand."""

_LIVE = [str(state) for state in LIVE]
_LIVE_MARKS = ", ".join("?" * len(_LIVE))
_WAITING_ORDER = [str(OrderState.PENDING), str(OrderState.UNCERTAIN)]


def whole_name(target: str, vault: str | None) -> str:
    """Of the response that an order about a vault means: policies may leave the vault's own name out."""
    return target if "/" in target or not vault else f"{vault}/{target}"


@dataclass(frozen=True, slots=True)
class DueOrder:
    """An order to send a response, with the decision behind it."""

    id: int
    decision: int
    policy: str
    vault: str | None
    target: str
    reason: str
    guard: Guard
    arguments: Mapping[str, Any]
    trigger_txid: str | None

    @property
    def by_operator(self) -> bool:
        """Whether a person decided it by hand."""
        return self.policy == OPERATOR

    @property
    def response(self) -> str:
        """The response's whole name."""
        return whole_name(self.target, self.vault)


@dataclass(frozen=True, slots=True)
class Following:
    """A broadcast that is not over, with what its supervisor must know."""

    broadcast: Broadcast
    response_id: int
    order: DueOrder
    scanned: BlockRef  # blocks up to this one were searched


def due(now: int) -> list[DueOrder]:
    """The orders to send a response whose time has come, in the order of their times."""
    # Asked every second, and nearly always for nothing: to make the query below takes a hundred times as long as this.
    if not raw.rows("SELECT 1 FROM outbox WHERE action = ? AND due_at <= ? LIMIT 1", ACTION, now):
        return []
    wanted = (Order.action == ACTION) & Order.state.in_(_WAITING_ORDER) & (Order.due_at <= now)
    return [_order(row) for row in _orders().where(wanted).order_by(Order.due_at, Order.id)]


def _orders() -> Any:
    return (
        Order.select(Order, DecisionRow, Event)
        .join(DecisionRow)
        .join(Event, "LEFT JOIN", on=(DecisionRow.event == Event.seq))
    )


def _order(row: Any) -> DueOrder:
    event = row.decision.event if row.decision.event_id is not None else None
    return DueOrder(
        id=row.id,
        decision=row.decision.id,
        policy=row.decision.policy,
        vault=row.decision.vault,
        target=row.target,
        reason=row.decision.reason,
        guard=Guard.from_json(row.guard),
        arguments=json.loads(row.arguments),
        trigger_txid=event.txid if event else None,
    )


def order_by_hand(name: str, vault: str, network: str, now: int) -> int:
    """A person decides that a response is sent: a decision of theirs, with its one order. Call inside a transaction."""
    reason = f"the operator sends response {name}"
    decided = Decision(OPERATOR, "1", None, reason, vault, wishes=(Wish(0, ACTION, name),))
    [number] = decisions.put([decided], {}, network, now)
    return number


def refuse_begun(response_id: int, name: str) -> None:
    """Raise UsageError when there is nothing left to decide about a response: it is on its way, or buried."""
    begun = Row.state.in_([*_LIVE, str(State.BURIED)])
    known = Row.select().where((Row.response == response_id) & begun).first()
    if known is not None:
        raise UsageError(
            f"Response {name} was decided on before and is {known.state}: {known.reason}. "
            "See: bwm events --kind response"
        )


def take(order: DueOrder, response_id: int, scanned: BlockRef, now: int) -> Following | None:
    """Begin to follow: from now on the broadcast's own row, not its order, keeps it alive.

    None when somebody else took the order, or the response is on its way by another decision, which is noted with the
    order: what that one was about may pass before anything is sent, and then this one stands. Call inside a
    transaction.
    """
    known = Row.select().where((Row.response == response_id) & Row.state.in_([*_LIVE, str(State.BURIED)])).first()
    if known is not None and _may_be_called_off(known) and not _is_alike(_order_of(known), order):
        note_wait(order, "the response waits already, by an earlier decision")
        return None
    words = None if known is None else f"the response is {known.state} already"
    if not _finish(order.id, OrderState.DONE, words, now) or known is not None:
        return None
    row = Row.create(
        id=order.id,
        order=order.id,
        response=response_id,
        trigger_txid=order.trigger_txid,
        state=str(State.WAITING),
        cause="decided",
        reason=order.reason,
        scanned_height=scanned.height,
        scanned_hash=scanned.hash,
        created_at=now,
    )
    return Following(_broadcast(row), response_id, order, scanned)


def _may_be_called_off(row: Any) -> bool:
    return row.position is None and (State(row.state), Look.CALLED_OFF) in TRANSITIONS


def _order_of(row: Any) -> DueOrder:
    return _order(_orders().where(Order.id == row.order_id).get())


def _is_alike(first: DueOrder, second: DueOrder) -> bool:
    """Whether what calls the one off calls off the other: the same policy about the same spend, so also one veto."""
    return (first.policy, first.trigger_txid, first.guard.unless) == (
        second.policy,
        second.trigger_txid,
        second.guard.unless,
    )


def drop(order: DueOrder, words: str, now: int) -> bool:
    """The order is not carried out, and why. False when it was not waiting any more. Call inside a transaction."""
    return _finish(order.id, OrderState.CLOSED, words, now)


def _finish(order_id: int, state: OrderState, words: str | None, now: int) -> bool:
    changed = Order.update(state=str(state), due_at=None, done_at=now, attempts=Order.attempts + 1, last_error=words)
    return bool(changed.where((Order.id == order_id) & Order.state.in_(_WAITING_ORDER)).execute())


def note_wait(order: DueOrder, words: str) -> bool:
    """What an order that is due waits for. False when that was noted before. Call inside a transaction."""
    changed = Order.update(last_error=words).where((Order.id == order.id) & Order.state.in_(_WAITING_ORDER))
    return bool(changed.where(Order.last_error.is_null() | (Order.last_error != words)).execute())


def live() -> list[Following]:
    """All that are not over, the oldest first."""
    if not raw.rows(f"SELECT 1 FROM broadcast WHERE state IN ({_LIVE_MARKS}) LIMIT 1", *_LIVE):  # noqa: S608 (only marks)
        return []
    rows: Any = Row.select().where(Row.state.in_(_LIVE)).order_by(Row.id)
    orders = {row.id: _order(row) for row in _orders().where(Order.id.in_([one.order_id for one in rows]))}
    return [
        Following(
            _broadcast(row), row.response_id, orders[row.order_id], BlockRef(row.scanned_height, row.scanned_hash)
        )
        for row in rows
    ]


def _broadcast(row: Any) -> Broadcast:
    return Broadcast(
        id=row.id,
        state=State(row.state),
        cause=row.cause,
        reason=row.reason,
        position=row.position,
        sent_height=row.sent_height,
        block=None if row.height is None else BlockRef(row.height, row.block_hash),
        rival=row.rival,
        revision=row.revision,
    )


def put(broadcast: Broadcast) -> None:
    """Where it stands now. Call inside a transaction."""
    Row.update(
        state=str(broadcast.state),
        cause=broadcast.cause,
        reason=broadcast.reason,
        position=broadcast.position,
        sent_height=broadcast.sent_height,
        height=broadcast.block.height if broadcast.block else None,
        block_hash=broadcast.block.hash if broadcast.block else None,
        rival=broadcast.rival,
        revision=broadcast.revision,
    ).where(Row.id == broadcast.id).execute()


def put_scanned(broadcast_id: int, block: BlockRef) -> None:
    """Up to which block was searched. Call inside a transaction."""
    Row.update(scanned_height=block.height, scanned_hash=block.hash).where(Row.id == broadcast_id).execute()


def is_used(response_id: int) -> bool:
    """Whether a step of the response is mined, as far as it was followed."""
    mined = Row.state.in_([str(State.CONFIRMED), str(State.BURIED)])
    return bool(Row.select().where((Row.response == response_id) & mined).exists())


def refuse_decided(vault: str) -> None:
    """Raise UsageError while a response that was decided on for a vault may still have to be sent.

    Decisions, orders and what calls them off know the vault by its name.
    """
    begun = Order.id.in_(Row.select(Row.order).where(Row.state.in_(_LIVE)))
    wanted = (Order.action == ACTION) & (DecisionRow.vault == vault) & (Order.state.in_(_WAITING_ORDER) | begun)
    if Order.select().join(DecisionRow).where(wanted).exists():
        raise UsageError(
            f"A response of vault {vault} was decided on and is not over, so the vault keeps its name until then. "
            "`bwm events --kind response` shows how it stands; nothing was changed."
        )


def refuse_live(response_id: int, name: str) -> None:
    """Raise UsageError when a broadcast of a response is not over."""
    if Row.select().where((Row.response == response_id) & Row.state.in_(_LIVE)).exists():
        raise UsageError(
            f"Response {name} is on its way and cannot be removed. `bwm events --kind response` shows how it stands; "
            "`bwm hold` keeps bwm from sending more."
        )
