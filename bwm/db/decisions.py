"""Decisions with their orders, written together with the events that they are about."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bwm.db import journal, schema
from bwm.order import State
from bwm.policy.decision import ASK, Decision, telling


def put(decisions: Iterable[Decision], seqs: Mapping[str, int], network: str, now: int) -> list[int]:
    """Write decisions, an event for each, and their orders. ``seqs``: the numbers of the events that are new.

    A decision on an event that was in the journal before is passed over: it was decided then. Returns the numbers of
    the decisions that were written. Call inside a transaction.
    """
    written = []
    for decision in decisions:
        seq = seqs.get(decision.event.key) if decision.event else None
        if decision.event is not None and seq is None:
            continue
        row = schema.Decision.create(
            policy=decision.policy,
            version=decision.version,
            event=seq,
            vault=decision.vault,
            facts=json.dumps(dict(decision.facts)),
            reason=decision.reason,
            decided_at=now,
        )
        journal.append([telling(decision, row.id, network, now)])
        for wish in decision.wishes:
            schema.Order.create(
                action=wish.action,
                target=wish.target,
                decision=row.id,
                step=wish.step,
                arguments=json.dumps(dict(wish.arguments)),
                guard=wish.guard.as_json() if wish.guard else None,
                state=str(State.PENDING),
                due_at=now + wish.delay_s,
                after_s=wish.delay_s,
            )
        written.append(int(row.id))
    return written


def acted_since(at: int) -> dict[str, tuple[int, ...]]:
    """When each policy ordered a deed, from ``at`` on (unix seconds)."""
    decision, order = schema.Decision, schema.Order
    deciders = order.select(order.decision).where(order.decision.is_null(False) & (order.action != ASK))
    lately = (decision.decided_at >= at) & decision.id.in_(deciders)
    rows: Any = decision.select(decision.policy, decision.decided_at).where(lately).order_by(decision.id)
    acted: dict[str, tuple[int, ...]] = {}
    for policy, decided_at in rows.tuples():
        acted[policy] = (*acted.get(policy, ()), decided_at)
    return acted


def of_event(seq: int | None) -> list[tuple[str, str, tuple[str, ...]]]:
    """What was decided on one event: each policy with its reason and its orders in words."""
    rows: Any = schema.Decision.select().where(schema.Decision.event == seq).order_by(schema.Decision.id)
    return [(row.policy, row.reason, _words(row)) for row in rows]


def _words(row: Any) -> tuple[str, ...]:
    orders = schema.Order.select().where(schema.Order.decision == row.id).order_by(schema.Order.step)
    return tuple(f"{order.action} {order.target}" for order in orders)
